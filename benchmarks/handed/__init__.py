"""Exports as people hand them over, of any size: written as a stream, the same bytes for the same seed.

Each writer says what a correct reader must make of it: how many items, and how many that are named and not
there. No reader is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Handed:
    """What was written.

    Attributes:
        path: The file or folder that a source names.
        messages: Messages, mails and calls in it.
        stored: Items that a reader stores, those messages among them.
        failed: Items that are named and not there.
        excluded: Items that describe the export itself.
        paths: Files in it.
        size_bytes: Their sizes together, holes of sparse files included.
    """

    path: Path
    messages: int
    stored: int
    failed: int
    excluded: int
    paths: int
    size_bytes: int


def size_of(folder: Path) -> tuple[int, int]:
    """Return how many files a folder holds, and their sizes together."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
