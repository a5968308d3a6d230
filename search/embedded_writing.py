"""Writing a batch into its shard.

A shard has one writer at a time. Its first batch is written beside its name and renamed last, so that nothing
is written twice; each later one is a transaction. A kill leaves it as it was. FTS5 holds folded text only
(contentless), with all positions.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import apsw

from records.errors import CheckFailed, Incomplete
from records.evidence import sync_folder
from search.embedded_files import (
    CACHE_KIB,
    CANNOT_WRITE,
    COLUMNS,
    HAS_BITS,
    ROLE_WORDS,
    SCHEMA,
    TABLES,
    check_analyzer,
    open_shard,
    role_words,
)
from search.embedded_shards import content_of, place_of
from search.folding import ANALYZER, fold
from search.protocol import IndexDocument

_SLICE = 500
_HASH_BYTES = 32 << 20  # FTS5's own buffer: measured, 1 MiB (its default) costs half the rate
_INSERT_WORDS = f"INSERT INTO words(rowid, {', '.join(COLUMNS.values())}) VALUES ({', '.join('?' * 9)})"  # noqa: S608


def add_batch(path: Path, batch_id: str, documents: Iterable[IndexDocument]) -> int:
    """Write a batch into a shard that is there, in one transaction."""
    with closing(open_shard(path)) as connection:
        connection.pragma("synchronous", "full")
        connection.pragma("cache_size", -CACHE_KIB)
        check_analyzer(connection)
        with connection:  # rolled back when anything below raises
            count = _write_batch(connection, batch_id, documents)
    return count


def make_shard(path: Path, batch_id: str, documents: Iterable[IndexDocument]) -> int:
    """Make a shard of its first batch beside its name, where no reader looks; rename it when it is whole."""
    _check_neighbour(path)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)  # left by a kill
    try:
        with closing(open_shard(new)) as connection:
            connection.pragma("journal_mode", "off")  # nothing to roll back to: it is thrown away
            connection.pragma("synchronous", "full")
            connection.pragma("cache_size", -CACHE_KIB)
            with connection:
                connection.execute(TABLES)
                connection.execute("INSERT INTO words(words, rank) VALUES ('hashsize', ?)", (_HASH_BYTES,))
                connection.execute("INSERT INTO meta VALUES ('analyzer', ?)", (ANALYZER,))
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
                count = _write_batch(connection, batch_id, documents)
            connection.pragma("journal_mode", "wal")
        _put_in_place(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return count


def _put_in_place(new: Path, path: Path) -> None:
    try:
        new.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise Incomplete(CANNOT_WRITE) from error


def _check_neighbour(path: Path) -> None:
    """Refuse to make a shard beside one of another rule: they are all alike, so any one speaks for all."""
    other = next(path.parent.glob("shard-*.sqlite"), None)
    if other is not None:
        with closing(open_shard(other)) as connection:
            check_analyzer(connection)


def _write_batch(connection: apsw.Connection, batch_id: str, documents: Iterable[IndexDocument]) -> int:
    old = connection.execute("SELECT batch FROM batches WHERE batch_id = ?", (batch_id,)).get
    if old is not None:
        connection.execute("DELETE FROM words WHERE rowid IN (SELECT doc FROM docs WHERE batch = ?)", (old,))
        connection.execute("DELETE FROM docs WHERE batch = ?", (old,))
        connection.execute("DELETE FROM numbers WHERE batch = ?", (old,))
        connection.execute("DELETE FROM batches WHERE batch = ?", (old,))
    batch = connection.execute("SELECT coalesce(max(batch), 0) + 1 FROM batches").get
    first = int(connection.execute("SELECT coalesce(max(doc), 0) + 1 FROM docs").get)
    alone = not connection.execute("SELECT count(*) FROM batches").get
    writer = _BatchWriter(connection, batch, first)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('state', lower(hex(randomblob(16))))")
    stream = iter(documents)
    while piece := list(islice(stream, _SLICE)):
        writer.write(piece)
    writer.finish()
    if alone or role_words(connection) is not None:  # a shard made before they were kept has not all of them
        writer.keep_role_words()
    connection.execute("INSERT INTO batches VALUES (?, ?, ?)", (batch, batch_id, writer.next - first))
    return writer.next - first


_ROLES = 4
"""Place of the first role in what ``folded_texts`` returns."""
_FAMILY = 5
"""Place of the family in a row of ``docs``."""


class _BatchWriter:
    """Gives a batch's documents their numbers and writes them; numbers rise, as FTS5 wants them."""

    def __init__(self, connection: apsw.Connection, batch: int, first: int) -> None:
        self._connection = connection
        self._batch = batch
        self._first = self.next = first
        self._columns = array("I"), bytearray(), array("Q")
        self._numbers: dict[str, int] = {}
        self._families: dict[str, int] = {}
        self._parents: list[tuple[str, int]] = []
        self._labels: dict[tuple[str, str], int] = {}
        self._role_words: set[str] = set()

    def write(self, documents: list[IndexDocument]) -> None:
        rows: list[tuple[Any, ...]] = []
        words: list[tuple[Any, ...]] = []
        for document in documents:
            number = self.next
            self.next += 1
            if document.item_id in self._numbers:
                raise CheckFailed(f"item {document.item_id} is in its batch twice")
            self._numbers[document.item_id] = number
            if document.parent_id is not None:
                self._parents.append((document.parent_id, number))
            row = self._row(number, document)
            rows.append(row)
            families, contents, places = self._columns
            families.append(row[_FAMILY])
            contents += content_of(document.distinct_key)
            places.append(place_of(document.item_id))
            folded = folded_texts(document)
            self._role_words.update(*map(str.split, folded[_ROLES:]))
            words.append((number, *folded))
        try:
            self._connection.executemany(
                "INSERT INTO docs(doc, item_id, family_id, distinct_key, batch, family, custodian, source, "
                "kind, type, lang, sent_on, has) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        except apsw.ConstraintError as error:
            raise CheckFailed(
                "an item of this batch is in another batch too: rebuild with reindex"
            ) from error
        self._connection.executemany(_INSERT_WORDS, words)

    def _row(self, number: int, document: IndexDocument) -> tuple[Any, ...]:
        return (
            number, document.item_id, document.family_id, document.distinct_key, self._batch,
            self._families.setdefault(document.family_id, number),
            self._label("custodian", document.custodian_id),
            self._label("source", document.source_id),
            self._label("kind", document.kind),
            self._label("type", document.doc_type),
            self._label("lang", " ".join(document.languages)),
            document.sent_on.isoformat() if document.sent_on else None,
            sum(map(HAS_BITS.__getitem__, set(document.has))),
        )  # fmt: skip

    def _label(self, field: str, value: str) -> int:
        known = self._labels.get((field, value))
        if known is None:
            self._connection.execute(
                "INSERT OR IGNORE INTO labels(field, value) VALUES (?, ?)", (field, value)
            )
            known = int(
                self._connection.execute(
                    "SELECT label FROM labels WHERE field = ? AND value = ?", (field, value)
                ).get
            )
            self._labels[field, value] = known
        return known

    def keep_role_words(self) -> None:
        """Add this batch's to those of the shard; what a replaced batch had stays, and costs little."""
        known = (role_words(self._connection) or "").split()
        text = f" {' '.join(sorted(self._role_words.union(known)))} "
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (ROLE_WORDS, text))

    def finish(self) -> None:
        """Write what counts read, and tell children their parent's number: it may come after its child."""
        columns = (bytes(column) for column in self._columns)
        self._connection.execute(
            "INSERT INTO numbers VALUES (?, ?, ?, ?, ?)", (self._batch, self._first, *columns)
        )
        self._connection.executemany(
            "UPDATE docs SET parent = ? WHERE doc = ?",
            [(self._numbers[p], n) for p, n in self._parents if p in self._numbers],
        )


def folded_texts(document: IndexDocument) -> tuple[str, ...]:
    """A document's texts, folded, in the order of the columns."""
    roles = (document.sender, document.to, document.cc, document.bcc)
    folded = tuple(map(fold, roles))
    # Nearly always everybody has a role: what is put together from folded texts need not be folded again.
    everybody = " ".join(filter(None, roles)) == document.participants
    participants = " ".join(filter(None, folded)) if everybody else fold(document.participants)
    return fold(document.subject), fold(document.text), fold(document.filename), participants, *folded
