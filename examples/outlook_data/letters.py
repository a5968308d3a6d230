"""Items as a school district's mailbox has them, with words drawn at random."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from examples.outlook_data.mailbox import APPOINTMENT, Attachment, Message

_WORDS = [
    "bus",
    "route",
    "stop",
    "schedule",
    "field",
    "trip",
    "budget",
    "levy",
    "board",
    "minutes",
    "parent",
    "teacher",
    "class",
    "room",
    "boiler",
    "roof",
    "permit",
    "contract",
    "invoice",
    "grant",
    "lunch",
    "library",
    "student",
    "record",
    "request",
    "policy",
    "training",
    "window",
    "door",
    "snow",
    "delay",
]
_BEGIN = datetime(2024, 1, 2, 16, tzinfo=UTC)
_MINUTES = 700_000


def text(chance: random.Random, characters: int) -> str:
    """Return a sentence of about so many characters."""
    said = " ".join(chance.choices(_WORDS, k=max(1, characters // 6)))
    return said[:1].upper() + said[1:] + "."


def _person(chance: random.Random) -> tuple[str, str]:
    number = chance.randrange(400)
    return f"Person {number}", f"person{number}@district.example"


def mail(chance: random.Random, body: int) -> Message:
    """Return a letter without attachments, of so many characters on average."""
    at = _BEGIN + timedelta(minutes=chance.randrange(_MINUTES))
    (name, address), subject = _person(chance), text(chance, 40)
    said = text(chance, chance.randrange(body * 2))
    page = f"<html><body><p>{said}</p></body></html>".encode()
    properties = {
        0x001A001F: "IPM.Note", 0x0037001F: f"\x01\x01{subject}", 0x00390040: at, 0x0070001F: subject,
        0x0071_0102: chance.randbytes(22), 0x0C1A001F: name, 0x0C1E001F: "SMTP", 0x0C1F001F: address,
        0x0E060040: at + timedelta(seconds=3), 0x0E070003: 1, 0x0E080003: len(said), 0x1000001F: said,
        0x10130102: page, 0x1035001F: f"<{chance.getrandbits(96):x}@district.example>", 0x3007_0040: at,
        0x3008_0040: at, 0x300B0102: chance.randbytes(16), 0x3FDE0003: 65001, 0x5D01001F: address,
    }  # fmt: skip
    recipients = []
    for number in range(chance.randrange(1, 5)):
        to, where = _person(chance)
        recipients.append({
            0x0C150003: 1 if number < 2 else 2, 0x3001001F: to, 0x3002001F: "SMTP", 0x3003001F: where,
            0x39FE001F: where,
        })  # fmt: skip
    return Message(properties, recipients)


def appointment(chance: random.Random) -> Message:
    """Return an hour in a calendar."""
    at = _BEGIN + timedelta(minutes=chance.randrange(_MINUTES))
    return Message({
        0x001A001F: "IPM.Appointment", 0x0037001F: f"\x01\x01{text(chance, 30)}", 0x0E070003: 1,
        0x300B0102: chance.randbytes(16), ((APPOINTMENT, 0x820D), 0x40): at,
        ((APPOINTMENT, 0x820E), 0x40): at + timedelta(hours=1), ((APPOINTMENT, 0x8208), 0x1F): "Room 4",
    })  # fmt: skip


def file(name: str, data: bytes) -> Attachment:
    """Return a file that hangs on a letter (method 1, MS-OXCMSG section 2.2.2.9)."""
    return Attachment({0x37050003: 1, 0x3707001F: name, 0x37010102: data})
