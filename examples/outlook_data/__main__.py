"""Writes a mailbox of any size as one data file: ``python -m examples.outlook_data --items N --out FILE``."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from examples.outlook_data.encoding import PERMUTE
from examples.outlook_data.letters import appointment, file, mail
from examples.outlook_data.mailbox import Folder, Message, write

_FOLDERS = ("Inbox", "Sent Items", "Deleted Items", "Projects", "Archive")


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
        if number % 20 == 19:
            yield appointment(chance)
            continue
        letter = mail(chance, body)
        if chance.random() < 0.1:
            letter = replace(letter, attachments=[file("scan.bin", chance.randbytes(attached))])
        yield letter


if __name__ == "__main__":
    main()
