"""The words of a shard, kept in a file beside it.

Patterns that can begin with anything, and the search for misspellings, look at every word of an index. FTS5
counts each place of each word to list them: measured, 5 s for 100,000 messages of 5 KB. So the list is made
once for a state of a shard, by the first who asks, and kept. It is derived from the shard and goes with it.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from records import whole_files

_END = "."
"""The last line: a list that lacks it was cut short, and is made again."""


@dataclass(frozen=True, slots=True)
class WordList:
    """All words of a shard, sorted.

    Attributes:
        text: The words, a space between two: as strings of their own they would take ten times the memory.
        documents: The number of documents that hold each.
    """

    text: str
    documents: array[int]

    @classmethod
    def of(cls, rows: Iterable[tuple[str, int]]) -> WordList:
        """Make one of words and numbers of documents, sorted by word."""
        words: list[str] = []
        documents = array("I")
        for word, count in rows:
            words.append(word)
            documents.append(count)
        return cls(" ".join(words), documents)

    def words(self) -> list[str]:
        """Return the words."""
        return self.text.split()

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each word with the number of its documents."""
        return zip(self.words(), self.documents, strict=True)


def load(path: Path, state: str) -> WordList | None:
    """Return the list that was kept of a state of a shard, or None when there is none of it.

    Args:
        path: Where it is kept.
        state: What the shard calls its present state.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if len(lines) != 4 or lines[0] != state or lines[3] != _END:
        return None
    found = WordList(lines[1], array("I", map(int, lines[2].split())))
    return found if len(found.words()) == len(found.documents) else None


def keep(path: Path, state: str, found: WordList) -> None:
    """Keep a list; where it cannot be written, the next who asks makes it again."""
    lines = (state, found.text, " ".join(map(str, found.documents)), _END)
    with contextlib.suppress(OSError):
        whole_files.replace(path, "\n".join(lines).encode("utf-8"))  # 0600, as it holds words
