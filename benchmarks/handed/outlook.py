"""Outlook data files with attachments of the sizes that letters carry, and what a reader must find in them.

Three of ten letters carry one to four files: one in five of these is plain text, the others are no format
that anything opens, and half of them are larger than 80 KB, one in thirty than 1 MB, none than 20 MB. Each
file is different. Its bytes are drawn at random 16 KB at a time and each piece stands there four times, so
that the writing is quick and the evidence packs to about a quarter.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from examples.outlook_data.encoding import PERMUTE
from examples.outlook_data.letters import appointment, file, mail, text
from examples.outlook_data.mailbox import Folder, Message, write

FOLDERS = ("Inbox", "Sent Items", "Deleted Items", "Projects", "Archive")
_MEDIAN, _SPREAD, _LEAST, _MOST = 80_000, 1.38, 200, 20_000_000
_BODY = 3_000
_PIECE, _TIMES = 16 << 10, 4
_ITEM_BYTES = 93_000
"""About what a letter and its share of the attachments take, to plan how many there are."""


@dataclass(slots=True)
class Attached:
    """Attachments, counted as they go by.

    Attributes:
        count: How many.
        size_bytes: Of their content together.
        digests: SHA-256 of each.
    """

    count: int = 0
    size_bytes: int = 0
    digests: list[bytes] = field(default_factory=list)

    def add(self, data: bytes) -> None:
        """Count one by its content."""
        self.add_digest(hashlib.sha256(data).digest(), len(data))

    def add_digest(self, digest: bytes, size: int) -> None:
        """Count one by its digest."""
        self.count += 1
        self.size_bytes += size
        self.digests.append(digest)

    def facts(self) -> tuple[int, int, str]:
        """Return number, bytes, and one digest over those of all, whatever their order."""
        return self.count, self.size_bytes, hashlib.sha256(b"".join(sorted(self.digests))).hexdigest()


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Data files that were written.

    Attributes:
        files: Of about the same size each.
        size_bytes: Together.
        letters: Messages in them.
        appointments: In them.
        attached: What hangs on the messages.
    """

    files: tuple[Path, ...]
    size_bytes: int
    letters: int
    appointments: int
    attached: Attached


def write_mailboxes(folder: Path, size_bytes: int, files: int, seed: int) -> Mailboxes:
    """Write data files of about so many bytes together.

    Args:
        folder: Is made.
        size_bytes: About how large they become.
        files: How many.
        seed: The same gives the same bytes.
    """
    folder.mkdir(parents=True)
    attached = Attached()
    counts = {True: 0, False: 0}
    share = max(1, size_bytes // files // len(FOLDERS) // _ITEM_BYTES)
    paths = tuple(folder / f"mailbox-{number:02}.pst" for number in range(files))
    for path in paths:
        chance = random.Random(f"outlook-{seed}-{path.name}")
        within = [Folder(name, _items(chance, share, attached, counts)) for name in FOLDERS]
        write(path, [Folder("Top of Outlook data file", folders=within)], method=PERMUTE)
    size = sum(path.stat().st_size for path in paths)
    return Mailboxes(paths, size, counts[True], counts[False], attached)


def _items(
    chance: random.Random, count: int, attached: Attached, counts: dict[bool, int]
) -> Iterator[Message]:
    for number in range(count):
        is_letter = number % 20 != 19
        counts[is_letter] += 1
        yield _letter(chance, attached) if is_letter else appointment(chance)


def _letter(chance: random.Random, attached: Attached) -> Message:
    letter = mail(chance, _BODY)
    if chance.random() >= 0.3:
        return letter
    files = []
    for number in range(chance.choice((1, 1, 1, 2, 2, 4))):
        is_text = chance.random() < 0.2
        data = text(chance, chance.randrange(200, 20_000)).encode() if is_text else _content(chance)
        attached.add(data)
        files.append(file(f"{'notes' if is_text else 'scan'}-{number}.{'txt' if is_text else 'bin'}", data))
    return replace(letter, attachments=files)


def _content(chance: random.Random) -> bytes:
    size = max(_LEAST, min(_MOST, int(chance.lognormvariate(math.log(_MEDIAN), _SPREAD))))
    pieces = (chance.randbytes(_PIECE) * _TIMES for _ in range(-(-size // (_PIECE * _TIMES))))
    return b"".join(pieces)[:size]
