"""What people hand over from phones and apps: each export small, made whole, with the truth of it.

A maker tells a short story and puts ordinary messages around it. The files are those of ``examples.exports``;
what a reader must make of them is worked out here, from what was put in.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from examples.district.asks import Source, make_asks
from examples.district.clock import QUIET, pacific
from examples.district.documents import ZIP_TIME
from examples.district.people import Guardian, People, Person, Student
from examples.district.texts import Words
from examples.district.truth import Answer, Piece, Top

MOST = 40
"""Ordinary messages of an export at most: what one person hands over does not grow with the district."""

DOUBTFUL = frozenset(
    day
    for ask in make_asks(frozenset(), frozenset())
    for day in (ask.first - timedelta(days=1), ask.last + timedelta(days=1))
)
"""The days before and after the window of each request."""

Somebody = Person | Guardian


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part, and the words that are at hand.

    Attributes:
        pupils: Some of the middle school's, each with a guardian.
    """

    seed: int
    people: People
    words: Words
    pupils: tuple[Student, ...]

    def rng(self, place: str) -> random.Random:
        """Return the chances of one export."""
        return random.Random(f"handed-{place}-{self.seed}")

    def office(self, key: str) -> Person:
        """Return the holder of an office."""
        return self.people.office[key]


@dataclass(frozen=True, slots=True)
class Made:
    """An export.

    Attributes:
        files: Bytes by path below the source.
        tops: The truth of each item.
    """

    files: Mapping[str, bytes]
    tops: Sequence[Top]


Maker = Callable[[Source, Cast, int], Made]
"""Makes an export with so many ordinary messages beside its story."""


def make_cast(seed: int, people: People, words: Words) -> Cast:
    """Choose who takes part."""
    school = people.office["principal_cf"].place
    pupils = [student for student in people.students if student.school == school]
    return Cast(seed, people, words, tuple(random.Random(f"pupils-{seed}").sample(pupils, 4)))


def ordinary(rng: random.Random, words: Words, count: int) -> Iterator[tuple[datetime, str]]:
    """Yield so many messages of a school year.

    None is of a day at which a request would keep it only because its zone is assumed, none of the hour that
    comes twice.
    """
    at = pacific(2025, 8, 25, 7)
    for n in range(count):
        day = at + timedelta(days=300 * n // max(1, count))
        day += timedelta(days=day.date() in DOUBTFUL)
        yield (
            day.replace(hour=7 + int(rng.random() * 12), minute=int(rng.random() * 60), second=n),
            words.lines[int(rng.random() * len(words.lines))],
        )


def digest(data: bytes) -> str:
    """Return a SHA-256."""
    return hashlib.sha256(data).hexdigest()


def ordinals(natives: Sequence[bytes]) -> list[str]:
    """Return keys of items that have none of their own: hash, and number among equal ones."""
    seen: dict[str, int] = {}
    keys = []
    for data in natives:
        key = digest(data)
        seen[key] = seen.get(key, -1) + 1
        keys.append(f"{key}:{seen[key]}")
    return keys


def file_top(
    source: Source,
    scope: str,
    key: str,
    piece: Piece,
    at: datetime | None = None,
    answers: Mapping[str, Answer] | None = None,
) -> Top:
    """Return the truth of a file."""
    return Top(
        source, scope, key, piece.kind, piece.name, f"f-{digest(piece.data)[:16]}", at, digest(piece.data),
        len(piece.data), piece.subject, piece.words, piece.ocr_words, piece.participants, piece.collection,
        piece.text, answers=answers or {}, tags=piece.tags,
    )  # fmt: skip


def missing(source: Source, scope: str, key: str, name: str | None, reason: str = "not_in_export") -> Top:
    """Return the truth of a file that is named and not there."""
    state, tags = ("failed", reason), ("failed", "media_absent")
    return Top(source, scope, key, "file", name, f"x-{key}", collection=state, tags=tags)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip with fixed times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name, ZIP_TIME), data, zipfile.ZIP_DEFLATED, 6)
    return out.getvalue()


def write(root: Path, source: Source, made: Made) -> None:
    """Write the files of an export, with a time inside every window."""
    quiet = pacific(QUIET.year, QUIET.month, QUIET.day, 9).timestamp()
    for path, data in made.files.items():
        target = root / source.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        os.utime(target, (quiet, quiet))
