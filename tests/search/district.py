"""A small collection written by hand, for the truth table: two mailboxes, texts and a drop folder."""

from __future__ import annotations

from datetime import date

from search.protocol import IndexDocument


def document(
    item_id: str,
    *,
    family: str | None = None,
    parent: str | None = None,
    source: str = "mail",
    custodian: str = "lee",
    kind: str = "email",
    subject: str = "",
    text: str = "",
    filename: str = "",
    sender: str = "",
    to: str = "",
    cc: str = "",
    bcc: str = "",
    others: str = "",
    sent: str | None = None,
    has: tuple[str, ...] = (),
    key: str = "",
) -> IndexDocument:
    everybody = " ".join(filter(None, (sender, to, cc, bcc, others)))
    return IndexDocument(
        item_id=item_id, family_id=family or item_id, parent_id=parent, source_id=source, custodian_id=custodian,
        kind=kind, subject=subject, text=text, filename=filename, sender=sender, to=to, cc=cc, bcc=bcc,
        participants=everybody, sent_on=date.fromisoformat(sent) if sent else None, has=has,
        distinct_key=key or item_id,
    )  # fmt: skip


LEE = "Ann Lee ann.lee@falls.example"
OKAFOR = "Ben Okafor b.okafor@falls.example"
COUNSEL = "Dana Ruiz dana@ruizlaw.example"

BATCHES: dict[str, list[IndexDocument]] = {
    "b000001": [
        document("m1", subject="Bus route 12", text="The bus route change starts Monday. The BUS is late.",
                 sender=LEE, to=OKAFOR, sent="2026-01-05", has=("attachment", "date", "text")),
        document("m1a", family="m1", parent="m1", kind="file", filename="route-map.pdf",
                 text="Route map: Cedar Falls. Budget attached.", has=("text",)),
        document("m1b", family="m1", parent="m1", kind="file", filename="photo of bus.jpg",
                 has=("ocr_pending",)),
        document("m2", subject="RE: Bus route 12", text="Profit and loss do not matter. The route stays.",
                 sender=OKAFOR, to=LEE, cc=COUNSEL, sent="2026-01-06", has=("date", "text")),
        document("m3", subject="Budgets", text="Naïve café résumé; co\u00adoperate with the co-op. Straße 7 ½",
                 sender=LEE, to=COUNSEL, bcc=OKAFOR, sent="2026-06-30", has=("date", "text")),
        document("m4", subject="", text="", sender="unknown", sent=None, has=()),
    ],
    "b000002": [
        document("n1", custodian="okafor", subject="Bus route 12", sender=LEE, to=OKAFOR, sent="2026-01-05",
                 text="The bus route change starts Monday. The BUS is late.", has=("date", "text"), key="m1"),
        document("n2", custodian="okafor", source="mail-2", subject="Fwd: budget", sent="2026-03-08",
                 text="see the zip", sender=OKAFOR, to=LEE, has=("attachment", "date", "text")),
        document("n2z", custodian="okafor", source="mail-2", family="n2", parent="n2", kind="file",
                 filename="all.zip", has=("attachment",)),
        document("n2y", custodian="okafor", source="mail-2", family="n2", parent="n2z", kind="file",
                 filename="deep.txt", text="route budget route budget", has=("text",)),
    ],
    "b000065": [
        document("t1", custodian="lee", source="phone", kind="message", text="bus l8 again?? call 206-555-0100",
                 sender="+12065550100", others="+12065550100 +12065550111", sent="2026-01-06", has=("date", "text")),
        document("t2", custodian="lee", source="phone", kind="message", text="not the route. 日本語テスト",
                 sender="+12065550111", sent="2026-07-01", has=("date", "text")),
        document("f1", custodian="okafor", source="drop-folder", kind="file", filename="Bus Route FINAL_v2.docx",
                 text="Change of route. Bus drivers and routes. Case 24-1-00123-9.", has=("text",)),
    ],
}  # fmt: skip
"""Batches 1 and 65 share a shard."""

EVERYTHING = [one for batch in BATCHES.values() for one in batch]
ALL = " ".join(sorted(one.item_id for one in EVERYTHING))

TRUTH: list[tuple[str, str]] = [
    # words, in any of subject, text, file name and participants
    ("bus", "f1 m1 m1b m2 n1 t1"),
    ("BUS", "f1 m1 m1b m2 n1 t1"),
    ("route", "f1 m1 m1a m2 n1 n2y t2"),
    ("routes", "f1"),
    ("budget", "m1a n2 n2y"),
    ("budgets", "m3"),
    ("budg*", "m1a m3 n2 n2y"),
    ("b*", "f1 m1 m1a m1b m2 m3 n1 n2 n2y t1"),
    ("final", "f1"),
    ("v2", "f1"),
    ("okafor", "m1 m2 m3 n1 n2"),
    ("zebra", ""),
    ("12", "m1 m2 n1"),
    ("7", "m3"),
    ("1", "f1 m3"),
    # folding
    ("naive", "m3"),
    ("NAÏVE", "m3"),
    ("cafe", "m3"),
    ("cooperate", "m3"),
    ("co-op", "m3"),
    ("coop", ""),
    ("strasse", "m3"),
    ("日本語テスト", "t2"),
    ("日本*", "t2"),
    ("日本", ""),
    # phrases stay inside one field and in order
    ("bus route", "f1 m1 m2 n1"),
    ('"bus route"', "f1 m1 m2 n1"),
    ("route bus", "f1"),
    ("bus route change", "m1 n1"),
    ("bus rout* chang*", "m1 n1"),
    ("b* route", "f1 m1 m2 n1 n2y"),
    ("late bus", ""),
    ('"12 the"', ""),
    ('"profit and loss"', "m2"),
    ("profit and loss", "m2"),
    ('"and"', "f1 m2"),
    ('"not"', "m2 t2"),
    ("ann.lee@falls.example", "m1 m2 m3 n1 n2"),
    ("206-555-0100", "t1"),
    ("24-1-00123-9", "f1"),
    ("final_v2.docx", "f1"),
    ("a*@falls.example", ""),
    ("le*@falls.example", "m1 m2 m3 n1 n2"),
    # operators work on one document
    ("bus and budget", ""),
    ("bus and route", "f1 m1 m2 n1"),
    ("budget or budgets", "m1a m3 n2 n2y"),
    ("bus and not route", "m1b t1"),
    ("route and not (bus or budget)", "t2"),
    ("not bus", "m1a m3 m4 n2 n2y n2z t2"),
    ("not (bus or route)", "m3 m4 n2 n2z"),
    ("not not zebra", ""),
    ("not zebra", ALL),
    ("not bus and not route", "m3 m4 n2 n2z"),
    ("(not bus) or monday", "m1 m1a m3 m4 n1 n2 n2y n2z t2"),
    ("(bus or route) and (change or map)", "f1 m1 m1a n1"),
    # fields
    ("subject:bus", "m1 m2 n1"),
    ("subject:(bus and re)", "m2"),
    ("subject:(bus and not re)", "m1 n1"),
    ("not subject:bus and bus", "f1 m1b t1"),
    ("subject contains (budget or budgets)", "m3 n2"),
    ("body:budget", "m1a n2y"),
    ("filename:bus", "f1 m1b"),
    ('filename:"bus route"', "f1"),
    ("filename:pdf", "m1a"),
    ("from:lee", "m1 m3 n1"),
    ("to:lee", "m2 n2"),
    ("cc:ruiz", "m2"),
    ("bcc:okafor", "m3"),
    ("participants:ruiz", "m2 m3"),
    ("from:lee and to:okafor", "m1 n1"),
    ("(from:lee and to:ruiz) or cc:dana", "m2 m3"),
    ("participants:2065550111", ""),
    ("participants:12065550111", "t1 t2"),
    # labels: the whole value
    ("custodian:lee", "m1 m1a m1b m2 m3 m4 t1 t2"),
    ("custodian:okafor and bus", "f1 n1"),
    ("custodian:(not lee)", "f1 n1 n2 n2y n2z"),
    ("source:mail", "m1 m1a m1b m2 m3 m4 n1"),
    ("source:mail*", "m1 m1a m1b m2 m3 m4 n1 n2 n2y n2z"),
    ("source:mail-2", "n2 n2y n2z"),
    ("source:drop", ""),
    ("source:(phone or drop-folder)", "f1 t1 t2"),
    ("kind:message", "t1 t2"),
    ("kind:file and not has:text", "m1b n2z"),
    ("kind:(email or message) and bus", "m1 m2 n1 t1"),
    ("has:attachment", "m1 n2 n2z"),
    ("has:ocr_pending", "m1b"),
    ("has:(date and attachment)", "m1 n2"),
    ("not has:date", "f1 m1a m1b m4 n2y n2z"),
    # days, in the request's zone
    ("sent:2026-01-06", "m2 t1"),
    ("sent:2026-01-05..2026-01-06", "m1 m2 n1 t1"),
    ("sent:>=2026-06-30", "m3 t2"),
    ("sent:>2026-06-30", "t2"),
    ("sent:<2026-01-06", "m1 n1"),
    ("sent:<=2026-01-06 and bus", "m1 m2 n1 t1"),
    ("not sent:2026-01-01..2026-12-31", "f1 m1a m1b m4 n2y n2z"),
    ("bus or sent:2026-07-01", "f1 m1 m1b m2 n1 t1 t2"),
    # the family
    ("attachment:budget", "m1 n2z"),
    ("attachment:(budget and map)", "m1"),
    ("attachment:(budget and monday)", ""),
    ("attachment:(not budget)", "m1 n2"),
    ("attachment:photo", ""),
    ("attachment:budget and from:lee", "m1"),
    ("not attachment:budget and has:attachment", "n2"),
    ("family:map", "m1 m1a m1b"),
    ("family:(budget and route)", "m1 m1a m1b n2 n2y n2z"),
    ("family:(budget and monday)", ""),
    ("family:budget and family:monday", "m1 m1a m1b"),
    ("family:(from:okafor and has:attachment) and budget", "n2 n2y"),
    ("family:(not has:text)", "m1 m1a m1b m4 n2 n2y n2z"),
    ("family:(attachment:budget)", "m1 m1a m1b n2 n2y n2z"),
    ("kind:email and not family:(kind:file)", "m2 m3 m4 n1"),
]
"""Query, and the ids it finds; worked out by reading the documents above."""
