"""Writes a mailbox of any size as one data file: ``python -m examples.outlook_data --items N --out FILE``."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.outlook_data.encoding import PERMUTE
from examples.outlook_data.mailbox import APPOINTMENT, Attachment, Folder, Message, write

_FOLDERS = ("Inbox", "Sent Items", "Deleted Items", "Projects", "Archive")
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


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m examples.outlook_data", description=__doc__)
    parser.add_argument("--items", type=int, default=1_000, help="messages and appointments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--body", type=int, default=3_000, help="characters of a body, on average")
    parser.add_argument("--attached", type=int, default=40_000, help="bytes of a file on every tenth message")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    share = -(-asked.items // len(_FOLDERS))
    folders = [
        Folder(
            name, _items(chance, min(share, max(asked.items - share * number, 0)), asked.body, asked.attached)
        )
        for number, name in enumerate(_FOLDERS)
    ]
    write(asked.out, [Folder("Top of Outlook data file", folders=folders)], method=PERMUTE)
    print(f"{asked.out}: {asked.out.stat().st_size} bytes")


def _items(chance: random.Random, count: int, body: int, attached: int) -> Iterator[Message]:
    for number in range(count):
        yield _appointment(chance) if number % 20 == 19 else _mail(chance, body, attached)


def _text(chance: random.Random, characters: int) -> str:
    said = " ".join(chance.choices(_WORDS, k=max(1, characters // 6)))
    return said[:1].upper() + said[1:] + "."


def _person(chance: random.Random) -> tuple[str, str]:
    number = chance.randrange(400)
    return f"Person {number}", f"person{number}@district.example"


def _mail(chance: random.Random, body: int, attached: int) -> Message:
    at = _BEGIN + timedelta(minutes=chance.randrange(_MINUTES))
    (name, address), subject = _person(chance), _text(chance, 40)
    said = _text(chance, chance.randrange(body * 2))
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
    files = []
    if chance.random() < 0.1:
        data = chance.randbytes(attached)
        files.append(Attachment({0x37050003: 1, 0x3707001F: "scan.bin", 0x37010102: data}))
    return Message(properties, recipients, files)


def _appointment(chance: random.Random) -> Message:
    at = _BEGIN + timedelta(minutes=chance.randrange(_MINUTES))
    return Message({
        0x001A001F: "IPM.Appointment", 0x0037001F: f"\x01\x01{_text(chance, 30)}", 0x0E070003: 1,
        0x300B0102: chance.randbytes(16), ((APPOINTMENT, 0x820D), 0x40): at,
        ((APPOINTMENT, 0x820E), 0x40): at + timedelta(hours=1), ((APPOINTMENT, 0x8208), 0x1F): "Room 4",
    })  # fmt: skip


if __name__ == "__main__":
    main()
