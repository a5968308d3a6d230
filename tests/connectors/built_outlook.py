"""Data files of Outlook: what each item must be as a message file is worked out from what was written."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from connectors import msg_writing
from connectors.msg_writing import Property
from examples.outlook_data.mailbox import (
    APPOINTMENT,
    PUBLIC,
    Attachment,
    Folder,
    Message,
    Name,
    stored,
    write,
)
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

AT = datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
KEYWORDS: Name = (PUBLIC, "Keywords")
START, END = ((APPOINTMENT, 0x820D), 0x40), ((APPOINTMENT, 0x820E), 0x40)


def mail(number: int, subject: str = "", **more: object) -> Message:
    """A mail of Ana's to Lee."""
    extra = dict(more.pop("properties", {}))
    properties = {
        0x001A001F: "IPM.Note", 0x0037001F: subject or f"{SECRET} {number}", 0x00390040: AT, 0x0E060040: AT,
        0x0E070003: 1, 0x0E080003: 1000, 0x0C1A001F: "Ana Ruiz", 0x1000001F: f"{SECRET} body {number}",
        0x300B0102: number.to_bytes(16, "big"), 0x3FDE0003: 65001, **extra,
    }  # fmt: skip
    recipients = ({
        0x0C150003: 1, 0x3001001F: "Lee Okafor", 0x3002001F: "SMTP", 0x3003001F: "lee@example.org",
        0x39FE001F: "lee@example.org",
    },)  # fmt: skip
    return Message(**{"properties": properties, "recipients": recipients, **more})


def attached(name: str, data: bytes) -> Attachment:
    """A file by its bytes."""
    return Attachment({0x37050003: 1, 0x3707001F: name, 0x37010102: data})


def within(message: Message) -> Attachment:
    """A message in a message."""
    return Attachment({0x37050003: 5, 0x3001001F: "a message"}, message=message)


MEETING = Message({
    0x001A001F: "IPM.Appointment", 0x0037001F: f"Buses {SECRET}", 0x0E070003: 1, 0x300B0102: b"\xaa" * 16,
    START: AT, END: AT, (KEYWORDS, 0x101F): ["Red", "Staff only"],
})  # fmt: skip
VIEW = Message({0x001A001F: "IPM.Microsoft.FolderDesign.NamedView", 0x0E070003: 0x40}, associated=True)


def as_msg(message: Message, names: Sequence[Name]) -> bytes:
    """Return what a message of a file with these named properties must be as a message file."""

    def name_of(number: int) -> msg_writing.Name:
        set_, said = names[number - 0x8000]
        return msg_writing.Name(set_.bytes_le, said)

    return msg_writing.msg_bytes(_message(message, names), name_of)


def _message(message: Message, names: Sequence[Name]) -> msg_writing.Message:
    rows = [
        _own({**one, 0x67F20003: row, 0x67F30003: row + 1}, names)
        for row, one in enumerate(message.recipients)
    ]
    return msg_writing.Message(
        _own(message.properties, names), rows, [_attachment(one, names) for one in message.attachments]
    )


def _attachment(attachment: Attachment, names: Sequence[Name]) -> msg_writing.Attachment:
    own = _own(attachment.properties, names)
    if attachment.message is not None:
        return msg_writing.Attachment(own, _message(attachment.message, names))
    if attachment.ole is not None:
        return msg_writing.Attachment([*own, Property(0x3701, 0x102, attachment.ole)])
    return msg_writing.Attachment(own)


def _own(properties: Mapping, names: Sequence[Name]) -> list[Property]:
    found = []
    for key, value in properties.items():
        tag = key if isinstance(key, int) else (0x8000 + names.index(key[0])) << 16 | key[1]
        found.append(Property(tag >> 16, tag & 0xFFFF, stored(value, tag & 0xFFFF)))
    return sorted(found, key=lambda one: one.id)


NAMES: list[Name] = [KEYWORDS, START[0], END[0]]
MAIL = mail(1, attachments=[attached("plan.pdf", b"%PDF-1.7 " + SECRET.encode()), within(mail(2))])


def zipped(root: Path) -> Built:
    """A data file with one mail in a zip, with a letter beside it there."""
    root.mkdir(parents=True)
    made = root.parent / "a.pst"
    write(made, [Folder("Inbox", [MAIL])], names=NAMES)
    with zipfile.ZipFile(root / "handed over.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(made, "mail/ana.pst")
        archive.writestr("letter.txt", SECRET)
    made.unlink()
    return Built(
        str(root),
        {"00200024": as_msg(MAIL, NAMES), "handed over.zip!letter.txt": SECRET.encode()},
        scopes=("handed over.zip!mail/ana.pst!Inbox", "handed over.zip", "."),
    )


def folder(root: Path) -> Built:
    """A folder with one data file and a letter beside it."""
    root.mkdir(parents=True)
    inbox = Folder(f"In/box {SECRET}", [MAIL, VIEW, MEETING])
    write(
        root / "ana.pst",
        [inbox, Folder("Search", search=True)],
        orphans=[mail(9)],
        names=NAMES,
    )
    (root / "letter.txt").write_bytes(SECRET.encode())
    at = f"ana.pst!In\\x2fbox {SECRET}"
    found = [MAIL, MEETING, mail(9)]
    keys = ["00200024", "00200064", "00200084"]
    return Built(
        str(root),
        {key: as_msg(one, NAMES) for key, one in zip(keys, found, strict=True)}
        | {"letter.txt": SECRET.encode()},
        {},
        {"00200048": Reason.EXPORT_SCAFFOLDING},
        (at, "ana.pst!orphan items", "."),
    )
