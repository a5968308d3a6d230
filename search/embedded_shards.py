"""A shard as one thread has it open, with what was read of its present state.

Everything belongs to the thread that asks; a file that was made anew under the same name is opened anew.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import apsw

from search import word_lists
from search.embedded_deciding import Clock, decided
from search.embedded_files import (
    LAST,
    Identity,
    check_analyzer,
    open_shard,
    role_words,
    state_of,
)
from search.word_lists import WordList

_CONTENT_BYTES = 16
_STEPS = 20_000  # of SQLite's machine between two looks at the clock: well below a millisecond

_VOCABULARY = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)"


class Shard:
    """A shard as one thread has it open, with what was read of its present state.

    Attributes:
        connection: Open, with all that queries need.
        identity: Of the file.
        version: SQLite's own number of the state that is read; another after each commit of anybody else.
        role_words: The words of from, to, cc and bcc, see ``fts_expression``.
        words_state: What the shard called its state when its words were read.
        words: All its words then; none before they were asked for.
    """

    def __init__(self, connection: apsw.Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.version = -1
        self.words_state = ""
        self.words = WordList("", array("I"))
        self._numbers: Numbers | None = None
        self._size: tuple[int, int] | None = None
        self.role_words: str | None = None

    @classmethod
    def open(cls, path: Path, identity: Identity, clock: Clock) -> Shard:
        """Open a shard for questions.

        Args:
            path: The file.
            identity: Of the file, as it was listed.
            clock: Stops its queries.

        Raises:
            UsageError: It was made with another token rule.
        """
        connection = open_shard(path)
        check_analyzer(connection)
        connection.execute(_VOCABULARY)
        connection.execute("CREATE VIRTUAL TABLE temp.instances USING fts5vocab(main, words, instance)")
        connection.set_progress_handler(clock.is_up, _STEPS)
        connection.register_fts5_function("decided", decided)
        return cls(connection, identity)

    def notice(self) -> None:
        """Look at the shard as it is now; what was read of another state is forgotten."""
        version = self.connection.execute("PRAGMA data_version").get
        if version != self.version:
            self.version = version
            self._numbers = self._size = None
            self.role_words = role_words(self.connection)

    def numbers(self) -> Numbers:
        """Return the numbers that counting needs of each document, read once a state."""
        if self._numbers is None:
            self._numbers = Numbers.read(self.connection)
        return self._numbers

    def size(self) -> tuple[int, int]:
        """Return the number of batches and of documents, read once a state."""
        if self._size is None:
            sql = "SELECT count(*), total(documents) FROM batches"
            batches, documents = self.connection.execute(sql).get
            self._size = batches, int(documents)
        return self._size


@dataclass(frozen=True, slots=True)
class Numbers:
    """What counting needs of each document of a shard, by its number; 28 bytes a document.

    Attributes:
        families: The number of its top item.
        contents: 16 bytes of its content, as much of a SHA-256 as an item id has: the first 8 of each.
        endings: The other 8 of each.
        places: Where its item id stands among all; see ``place_of``.
    """

    families: array[int]
    contents: array[int]
    endings: array[int]
    places: array[int]

    @classmethod
    def read(cls, shard: apsw.Connection) -> Numbers:
        """Read them; the number 0 and those of batches that were replaced stand for nothing."""
        families, contents, places = array("I"), array("Q"), array("Q")
        rows = shard.execute("SELECT first, families, contents, places FROM numbers ORDER BY first")
        for first, *columns in rows:
            gap = first - len(families)
            for column, width, cells in zip((families, contents, places), (1, 2, 1), columns, strict=True):
                column.extend(repeat(0, gap * width))
                column.frombytes(cells)
        return cls(families, contents[::2], contents[1::2], places)


def content_of(distinct_key: str) -> bytes:
    """Return 16 bytes that stand for a content."""
    return hashlib.sha256(distinct_key.encode()).digest()[:_CONTENT_BYTES]


def place_of(item_id: str) -> int:
    """Return a number that orders item ids as they order themselves; those that begin alike share it."""
    return int.from_bytes(item_id.encode()[:8].ljust(8, b"\0"), "big")


def words_beginning(start: str, shard: Shard) -> list[str]:
    """Return the words of a shard that begin so, as one value as above."""
    sql = "SELECT json_group_array(term) FROM vocabulary WHERE term >= ? AND term < ?"
    words: list[str] = json.loads(shard.connection.execute(sql, (start, start + LAST)).get)
    return words


def word_list_of(filename: str) -> tuple[str, WordList]:
    """Return a shard's state and its words, as kept or read now; on a connection of its own, for a thread."""
    path = Path(filename)
    with closing(open_shard(path)) as shard, shard:
        state = state_of(shard)
        kept = word_lists.load(path.with_suffix(".words"), state)
        if kept is not None:
            return state, kept
        shard.execute(_VOCABULARY)
        found = WordList.of(shard.execute("SELECT term, doc FROM vocabulary"))
    word_lists.keep(path.with_suffix(".words"), state, found)
    return state, found
