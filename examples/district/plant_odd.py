"""Mail and files that break a rule, are hostile, or are named so that a careless reader trips."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from dataclasses import replace

from examples.district import documents as d
from examples.district.clock import mail_date, pacific
from examples.district.mail import Attachment, Letter, mailbox, render
from examples.district.planter import (
    MailStep,
    Planter,
)
from examples.district.truth import NO_TEXT, SEARCHABLE, State


def odd_mail(p: Planter) -> None:
    """Mail that breaks a rule: kept, and read as far as it goes."""
    at = pacific(2026, 2, 17, 10, 0)

    def raw_step(
        raw: bytes, subject: str, words: str, box: str, tags: tuple[str, ...], text: State = SEARCHABLE
    ) -> None:
        known = at if raw else None
        group = f"odd{len(p.mails):04}"
        p.mails.append(MailStep(raw, at, known, (box,), subject, words, "", group, tags=tags, text=text))

    head = f"From: {mailbox(p.person('dispatch'))}\nTo: {mailbox(p.person('facilities'))}\nDate: {mail_date(at)}\nMessage-ID: <odd{{}}@aldervalley.example>\nSubject: {{}}\nMIME-Version: 1.0\n"
    raw_step(
        (head.format(1, "No last border") + 'Content-Type: multipart/mixed; boundary="b1"\n\n--b1\nContent-Type: text/plain\n\nThe last border of this message never came.\n').encode(),
        "No last border", "The last border of this message never came.", "facilities", ("broken_mime",),
    )  # fmt: skip
    raw_step(
        (head.format(2, "Unknown charset") + "Content-Type: text/plain; charset=x-unknown\nContent-Transfer-Encoding: 8bit\n\nPlain words in an unknown charset.\n").encode(),
        "Unknown charset", "Plain words in an unknown charset.", "facilities", ("broken_mime", "charset"),
    )  # fmt: skip
    raw_step(
        head.format(3, "").encode().replace(b"Subject: \n", "Subject: Grüße, roh\n".encode("latin-1")) + b"Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: 8bit\n\n" + "Preise in € für die Größe.\n".encode("cp1252"),
        "Grüße, roh", "Preise in € für die Größe.", "facilities", ("raw_header", "charset"),
    )  # fmt: skip
    raw_step(
        (head.format(4, "Flowed") + "Content-Type: text/plain; charset=us-ascii; format=flowed\n\nThis line flows \ninto the next one.\n").encode(),
        "Flowed", "This line flows into the next one.", "facilities", ("flowed",),
    )  # fmt: skip
    raw_step(
        (head.format(5, "No type at all").replace("MIME-Version: 1.0\n", "") + "\nA message as in 1982.\n").encode(),
        "No type at all", "A message as in 1982.", "facilities", ("no_mime",),
    )  # fmt: skip
    raw_step(b"", "", "", "facilities", ("broken", "empty"), NO_TEXT)
    rng = p.rng
    for piece in (
        d.bomb_zip("backup.zip"), d.dotted_zip("photos.zip"), d.cut_zip("half.zip", rng), d.corrupt_docx("report.docx", rng),
        d.garbage_pdf("form.pdf", rng), d.empty_file("empty.dat"), d.entity_xml("inventory.xml"), d.locked_pdf("locked.pdf", ["Locked"]),
    ):  # fmt: skip
        p.mail(
            "dispatch",
            ["facilities"],
            "One more file",
            "This one does not open here.",
            pacific(2026, 2, 18, 9, len(p.mails) % 60),
            pieces=[piece],
            tags=("broken_child",),
        )
    logo = Attachment(
        "logo.png",
        "image/png",
        d.picture_file("logo.png", ["AV"]).data,
        content_id="logo@aldervalley.example",
    )
    logo_piece = replace(d.picture_file("logo.png", ["AV"]), tags=("image", "inline"))
    step = p.mail(
        "communications",
        ["facilities"],
        "Letterhead",
        "See below.",
        pacific(2026, 2, 18, 11, 0),
        html='<html><body><p>See below.</p><img src="cid:logo@aldervalley.example"></body></html>',
        tags=("inline_image",),
    )
    assert step.letter is not None
    p.mails[-1] = replace(step, raw=render(replace(step.letter, attachments=[logo])), pieces=[logo_piece])
    tail = Letter(
        f"<cut.{p._seed}@aldervalley.example>",
        mail_date(at),
        mailbox(p.person("dispatch")),
        mailbox(p.person("clerk")),
        "Cut off",
        "The file ends in the middle of this sen",
    )
    p.last_mails.append(("clerk", render(tail)[:-1], tail))


def odd_files(p: Planter) -> None:
    """Loose files that are broken, hostile, or named so that a careless reader trips."""
    rng = p.rng
    for piece in (
        d.bomb_zip("old backup.zip"), d.dotted_zip("from the vendor.zip"), d.deep_zip("well.zip"), d.cut_zip("half of it.zip", rng),
        d.corrupt_docx("damaged.docx", rng), d.garbage_pdf("noise.pdf", rng), d.empty_file("nothing.txt"), d.entity_xml("chairs.xml"),
        d.locked_pdf("closed.pdf", ["Locked"]), d.locked_zip("closed.zip", [d.text_file("inside.txt", "Locked\n")]),
        d.calendar_file("walk.ics", "walk-1", "Walk of the yard", "Bring the plan of the yard.", "20260210T180000Z"),
        d.text_file("Re\u0301sume\u0301 des arre\u0302ts.txt", "A name in decomposed letters.\n", ("nfd_name",)),
        d.text_file("wide.txt", "Text in UTF-16, with its mark.\n", ("utf16",), encoding="utf-16"),
    ):  # fmt: skip
        p.file("loose-02", piece, "mixed/")
