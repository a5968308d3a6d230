"""A small request with something in every section of the adequacy report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import sqlalchemy as sa

from desk import sampling
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from desk.searching import count, hit_report
from records import canonical
from records import tables as t
from records.decisions import Decision, Exemption, Treatment
from records.settings import Settings

MAIL = (
    "From: Ana Ruiz <ana@cedarfalls.example>\nTo: Lee Okafor <lee@cedarfalls.example>\n"
    "Subject: {subject}\nDate: Mon, 02 Mar 2026 10:00:0{n} -0800\n"
    "Message-ID: <{n}@cedarfalls.example>\n\n{body}\n"
)
MAILS = (
    ("Bus route 0", "The bus route change. See https://docs.google.com/d/1 for the map."),
    ("Bus route 1", "The bus route change, once more."),
    ("Bus route 2", "Avery Amberson rides the bus route."),
    ("Lunch", "Nothing about it."),
    ("Advice about the Quarry Hill claim", "Our privileged opinion on settling."),
)
REQUEST = """
text = "All records about the bus route change"
received_on = 2026-09-08
requester = "R. Example"
terms = "terms.csv"
roster = "roster.csv"
domains = ["cedarfalls.example"]
[[custodians]]
id = "ana"
name = "Ana Ruiz"
role = "teacher"
emails = ["ana@cedarfalls.example", "ana.ruiz@homemail.example"]
numbers = ["+12065550111"]
aliases = ["Annie"]
[[sources]]
id = "s1"
connector = "mail_files"
custodian = "ana"
path = "mail"
[[sources]]
id = "s2"
connector = "loose_files"
custodian = "ana"
path = "drop"
kept_back = 12
[[ruled_out]]
place = "Cameras of the buses"
why = "kept for 30 days"
"""
ROSTER = (
    "kind,name,aliases,emails,numbers\n"
    "student,Avery Amberson,Avi,,\n"
    "guardian,Ilse Amberson,,ilse.a@homemail.example,+12065550190\n"
    "staff,Ana Ruiz,Annie,ana@cedarfalls.example,\n"
    "staff,Avery Lund,,avery.lund@cedarfalls.example,\n"
    "counsel,Harriet Lowe,,hlowe@lowe.example,\n"
)
TERMS = "term,note\nbus route,how the notices say it\nzebra,\nAvery Amberson,asked by name\na AND b OR c,\n"
LATER = TERMS + "privileged opinion,counsel said so\nride*,\n"


def make(folder: Path, url: str = "") -> tuple[Home, str]:
    """Open, run, search and decide the request; its second version has the longer list."""
    for name in ("mail", "drop"):
        (folder / name).mkdir()
    for n, (subject, body) in enumerate(MAILS):
        (folder / "mail" / f"{n}.eml").write_text(MAIL.format(n=n, subject=subject, body=body), "utf-8")
    (folder / "drop" / "noise.pdf").write_bytes(b"%PDF-1.7\n" + b"\xfe\x01" * 1_000)
    (folder / "drop" / "notes.txt").write_text("bus route of old", "utf-8")
    (folder / "terms.csv").write_text(TERMS, "utf-8")
    (folder / "later.csv").write_text(LATER, "utf-8")
    (folder / "roster.csv").write_text(ROSTER, "utf-8")
    (folder / "request.toml").write_text(REQUEST, "utf-8")
    settings = Settings(home=folder / "home", workers=1, **({"catalogue": url} if url else {}))
    home = Home.open(settings=settings)
    request_id, _ = open_request(home, folder / "request.toml", by="pat")
    run_local(home, request_id)
    hit_report(home, request_id, folder / "later.csv", None, by="pat", adopt=True)
    for query, by in (
        ("bus w/3 change", "pat"),
        ("AMBERSON pre/1 avery", "kim"),
        ("ilse.a@homemail.example", "kim"),
        ("Harriet Lowe", "pat"),
    ):
        count(home, request_id, query, by=by)
    sampling.draw(home, request_id, by="pat", size=2, seed=7)
    _plant(home, request_id)
    return home, request_id


def ids(home: Home, request_id: str) -> dict[str, str]:
    """Return the item ids by subject or file name."""
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(i.item_id, i.name, r.subject)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id)
        )
        return {row.subject or row.name: row.item_id for row in rows}


def _index_state(home: Home, request_id: str) -> dict:
    return asdict(home.engine(request_id).state())


def _plant(home: Home, request_id: str) -> None:
    at = "2026-10-01T10:00:00.000000Z"
    later = "2026-10-02T10:00:00.000000Z"
    by = {"by": "pat", "at": at}
    mine = {"request_id": request_id}
    item = ids(home, request_id)
    zero, one, two = item["Bus route 0"], item["Bus route 1"], item["Bus route 2"]
    secret = item["Advice about the Quarry Hill claim"]
    released = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
    withheld = Decision(
        public_record=True,
        responsive=True,
        treatment=Treatment.WITHHOLD,
        exemptions=(Exemption("attorney-client", "Counsel's advice."),),
    )
    not_responsive = Decision(public_record=True, responsive=False)
    decided = [(zero, 1, not_responsive, "kim"), (zero, 2, released, "pat"), (secret, 1, withheld, "pat")]
    variant = {**mine, "version": 2, "documents": 3, "families": 3, "added_documents": 2, "added_families": 1}
    signal = {**mine, "version": 2, "at": at}
    body = canonical.dumps({"key": "k", "messages": 1, "because": [], "facts": {}})
    given_up = "it took longer than the time limit"
    rows: list[tuple[sa.Table, list[dict]]] = [
        (
            t.searches,
            [
                {**mine, "seq": 5, "at": later, "by": "kim", "query": "*ple w/9 *nana",
                 "parsed": "*ple w/9 *nana", "documents": None, "families": None, "refused": given_up,
                 "index_state": canonical.dumps(_index_state(home, request_id))},
            ],
        ),
        (
            t.decisions,
            [
                {
                    **mine, "item_id": item_id, "seq": seq, "version": 2, "blob_sha256": None,
                    "body": decision.to_json(), "by": who, "at": at,
                }
                for item_id, seq, decision, who in decided
            ],
        ),
        (
            t.unreached,
            [
                {**mine, "source_id": "s1", "place_key": "archive", "custodian_id": "ana", "kind": "mailbox",
                 "connector": "mail_files", "label": "Archive of Avery Amberson",
                 "reach": "refused", "detail": "http_403: grant the application the right to read it"},
                {**mine, "source_id": "s1", "place_key": "public", "custodian_id": "ana", "kind": "folder",
                 "connector": "mail_files", "label": "Public folders", "reach": "not_asked", "detail": ""},
            ],
        ),
        (
            t.hold_events,
            [
                {**mine, "hold_id": "h001", "seq": 1, "event": "placed", "why": "",
                 "proof": canonical.dumps({"handed_over": "on paper, beside Avery Amberson"}), **by},
            ],
        ),
        (
            t.export_paths,
            [
                {**mine, "source_id": "s2", "at": at, "paths": 2,
                 "body": canonical.dumps({"read": 1, "ignored": {"viewer": 1}, "unknown": 0, "names": []})},
            ],
        ),
        (
            t.declarations,
            [
                {**mine, "custodian_id": "ana", "seq": 1, "version": 1, "used": False,
                 "answered_on": "2026-09-10", "file_sha256": "0" * 64, **by,
                 "body": canonical.dumps({"statement": "", "places": []})},
                {**mine, "custodian_id": "ana", "seq": 2, "version": 2, "used": True,
                 "answered_on": "2026-09-12", "file_sha256": "1" * 64, "by": "kim", "at": later,
                 "body": canonical.dumps({"statement": "Found it since.", "places": [
                     {"kind": "phone", "which": "+1 206 555 0111", "how_searched": "for bus, by hand",
                      "source": "", "handed_over": "one thread", "kept_back": 3,
                      "why": "talks with Ilse Amberson about dinner"}]})},
            ],
        ),
        (
            t.receipts,
            [
                {**mine, "custodian_id": "ana", "seq": 2, "path": "/handed/ana.xml", "place_no": 1,
                 "sha256": "2065550111" * 6 + "2065", "size_bytes": 4321, "modified_ns": 1,
                 "received_at": later},
            ],
        ),
        (t.waivers, [{**mine, "seq": 1, "why": "The share was gone; Harriet Lowe advised so.", **by}]),
        (
            t.variants,
            [
                {**variant, "variant_id": "v1", "base_kind": "term", "base": "bus route", "way": "spacing",
                 "form": "busroute", "at": at},
                {**variant, "variant_id": "v2", "base_kind": "person", "base": "Avery Amberson",
                 "way": "initials", "form": "A.A.", "at": at},
                {**variant, "variant_id": "v3", "base_kind": "term", "base": "bus route", "way": "stem",
                 "form": "bus routing", "at": at},
            ],
        ),
        (
            t.variant_answers,
            [
                {**mine, "variant_id": "v1", "seq": 1, "answer": "refused", "version": 1, "why": "no", **by},
                {**mine, "variant_id": "v1", "seq": 2, "answer": "taken", "version": 2,
                 "why": "they write it so", "by": "kim", "at": later},
                {**mine, "variant_id": "v2", "seq": 1, "answer": "refused", "version": 2,
                 "why": "means Avery only, call 206-555-0190", **by},
            ],
        ),
        (
            t.signals,
            [
                {**signal, "signal_id": "g1", "kind": "own_account", "subject": "ana.ruiz@homemail.example",
                 "custodian_id": "ana", "rank": 1, "body": body},
                {**signal, "signal_id": "g2", "kind": "other_app", "subject": "WhatsApp",
                 "custodian_id": None, "rank": 2, "body": body},
                {**signal, "signal_id": "g3", "kind": "person", "subject": "Bertrand Quillfeather",
                 "custodian_id": None, "rank": 3, "body": body},
                {**signal, "signal_id": "g4", "kind": "person", "subject": "Avery Lund",
                 "custodian_id": None, "rank": 4, "body": body},
            ],
        ),
        (
            t.signal_items,
            [
                {**mine, "signal_id": signal_id, "item_id": item_id, "family_id": item_id, "first_at": at}
                for signal_id, item_id in (
                    ("g1", zero), ("g1", one), ("g2", one), ("g3", secret), ("g4", two),
                )
            ],
        ),
        (
            t.signal_answers,
            [
                {**mine, "signal_id": "g1", "seq": 1, "answer": "closed", "how": "searched",
                 "why": "her phone was handed over", "by": "pat", "at": later},
                {**mine, "signal_id": "g2", "seq": 1, "answer": "promoted", "how": "", "why": "they use it",
                 **by},
                {**mine, "signal_id": "g3", "seq": 1, "answer": "closed", "how": "already_covered",
                 "why": "named in the settlement memo", "by": "kim", "at": later},
            ],
        ),
        (
            t.sample_answers,
            [
                {**mine, "sample_no": 1, "family_id": item["Lunch"], "seq": 1, "responsive": True,
                 "why": "talks of Avi", **by},
                {**mine, "sample_no": 1, "family_id": item["noise.pdf"], "seq": 1, "responsive": True,
                 "why": "", **by},
                {**mine, "sample_no": 1, "family_id": item["noise.pdf"], "seq": 2, "responsive": False,
                 "why": "", "by": "kim", "at": later},
            ],
        ),
    ]  # fmt: skip
    with home.catalogue.write() as connection:
        for table, made in rows:
            connection.execute(table.insert(), made)
