"""The embedded engine: SQLite FTS5 in a folder of shards, opened with apsw only.

Catalogue and index never share a file or a library: a file opened by two SQLite libraries in one process
loses its locks. All documents of a batch go to one shard, chosen from the batch id; a family lies in one
batch, so documents and families add up over shards. A shard has one writer at a time (a file lock that dies
with its process). Its first batch is written beside its name and renamed last, so that nothing is written
twice; each later one is a transaction. A kill leaves it as it was. Readers are never blocked (WAL).

FTS5 holds folded text only (contentless), with all positions. Words, prefixes, phrases and what AND, OR and
NOT make of them are one FTS5 expression; days, labels, ``attachment:``, ``family:`` and NOT alone are set
algebra over row numbers in SQL, around it. Patterns, spellings and stems are written out as the words of
the index that they stand for.

FTS5's own NEAR counts tokens between two phrases as ``w/N`` does, with N - 1 for N, but knows no order and
lets one token serve twice (fts5_expr.c, ``fts5ExprNearIsMatch``): ``a w/5 a*`` would match a single ``a``. So
it is used where no place of one side can overlap a place of the other. For the rest (``pre/N``, ``not w/N``,
groups inside groups, words that overlap) it finds candidates, and ``search.matcher.holds`` decides over the
places that FTS5 keeps of each word: an auxiliary function of ours, called for each candidate.

The shards of a question are asked on all cores (``search.sharing``). Everything belongs to the thread that
asks, and its helpers give it back before it goes on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, product, repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import apsw

from records.errors import AccessError, AlreadyRunning, CheckFailed, Incomplete, Retryable, UsageError
from records.evidence import sync_folder
from search import expansion, word_lists
from search import tree as q
from search.folding import ANALYZER, fold
from search.matcher import Span, holds, spans_of
from search.protocol import (
    PREFIX_LIMIT,
    TIME_LIMIT_S,
    Counts,
    Hit,
    IndexDocument,
    IndexState,
    SearchEngine,
    TermHits,
    TooLong,
    TooManyWords,
)
from search.sharing import cores, shared
from search.word_lists import WordList

SHARDS = 64
"""Most files of an index."""

_SCHEMA = 3
_ROLE_WORDS = "role_words"
"""Row of ``meta``: the words of the columns that no unfielded word is asked of, `` a b ``."""
_SLICE = 500
_CONTENT_BYTES = 16
_BUSY_MS = 60_000
_HASH_BYTES = 32 << 20  # FTS5's own buffer: measured, 1 MiB (its default) costs half the rate
_CACHE_KIB = 64 << 10
"""Of a shard that is written, and of all shards together that are asked, so that memory has an end."""
_LAST = "\U0010ffff"
_STEPS = 20_000  # of SQLite's machine between two looks at the clock: well below a millisecond
_TOGETHER = 64
"""Most alternatives in one FTS5 expression: each row is compared with all of them."""

_CANNOT_WRITE = "the index cannot be written: make room, then run the same command again"

_COLUMNS = {
    "subject": "subject", "body": "body", "filename": "filename", "participants": "participants",
    "from": "c_from", "to": "c_to", "cc": "c_cc", "bcc": "c_bcc",
}  # fmt: skip
"""Field of the language to column of the index; ``from`` and ``to`` are words of SQL."""

_TABLES = f"""
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE batches(batch INTEGER PRIMARY KEY, batch_id TEXT NOT NULL UNIQUE, documents INTEGER NOT NULL);
CREATE TABLE labels(label INTEGER PRIMARY KEY, field TEXT NOT NULL, value TEXT NOT NULL, UNIQUE(field,
value)); CREATE TABLE docs(
    doc INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, family_id TEXT NOT NULL, distinct_key TEXT NOT
    NULL, batch INTEGER NOT NULL, family INTEGER NOT NULL, parent INTEGER, custodian INTEGER NOT NULL, source
    INTEGER NOT NULL, kind INTEGER NOT NULL, type INTEGER NOT NULL, lang INTEGER NOT NULL, sent_on TEXT, has
    INTEGER NOT NULL);
CREATE TABLE numbers(batch INTEGER PRIMARY KEY, first INTEGER NOT NULL, families BLOB NOT NULL, contents BLOB
    NOT NULL, places BLOB NOT NULL);
CREATE INDEX docs_by_batch ON docs(batch);
CREATE INDEX docs_by_family ON docs(family);
CREATE INDEX docs_by_parent ON docs(parent) WHERE parent IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5({", ".join(_COLUMNS.values())},
    tokenize = 'ascii', content = '', contentless_delete = 1, detail = full);
"""

_VOCABULARY = "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)"
_HAS_BITS = {value: 1 << n for n, value in enumerate(q.HAS_VALUES)}
_INSERT_WORDS = f"INSERT INTO words(rowid, {', '.join(_COLUMNS.values())}) VALUES ({', '.join('?' * 9)})"  # noqa: S608
_HIT_COLUMNS = "d.item_id, d.family_id, custodians.value, sources.value, d.distinct_key"
_HIT_SOURCE = (
    "docs d CROSS JOIN labels custodians ON custodians.label = d.custodian "
    "CROSS JOIN labels sources ON sources.label = d.source"
)


class EmbeddedEngine(SearchEngine):
    """An index of one request in a folder of its own; safe in threads and over a fork.

    Attributes:
        folder: Where the shards are; it is deleted by ``drop`` and by disposal of the request.
        time_limit_s: How long one query may take, in seconds.
        threads: How many ask the shards of one query.
    """

    def __init__(self, folder: Path, time_limit_s: float = TIME_LIMIT_S, threads: int | None = None) -> None:
        """Name the folder; nothing is made before ``create`` or ``upsert``.

        Args:
            folder: Where the shards are.
            time_limit_s: How long one query may take, in seconds.
            threads: How many ask the shards of one query, the calling one included; None: as many as this
                process may use cores.
        """
        self.folder = folder
        self.time_limit_s = time_limit_s
        self.threads = cores() if threads is None else threads
        self._local = threading.local()

    def create(self) -> None:
        """Make the folder if it is not there; shards are made as batches come.

        Raises:
            AccessError: The folder cannot be made.
            UsageError: The index was made with another token rule.
        """
        self._make_folder()
        self._shards()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AccessError(f"the index folder cannot be made ({error.strerror})") from error

    def drop(self) -> None:
        """Delete the index; it can be rebuilt from the evidence.

        Raises:
            AlreadyRunning: Another process is writing to it.
        """
        self.close()
        if not self.folder.exists():
            return
        locks = [_Lock(path) for path in sorted(self.folder.glob("shard-*.lock"))]
        held: list[_Lock] = []
        try:
            for lock in locks:
                if not lock.take(wait=False):
                    raise AlreadyRunning(
                        "another process is writing to the index; try again when it has ended"
                    )
                held.append(lock)
            shutil.rmtree(self.folder)
        finally:
            for lock in held:
                lock.release()

    def close(self) -> None:
        """Close this thread's connections; the next call opens them again."""
        for shard in self._opened().values():
            shard.connection.close()
        self._local.__dict__.clear()

    # -- writing

    def upsert(self, batch_id: str, documents: Iterable[IndexDocument]) -> int:
        """Put a batch's documents in, replacing what it put there before; see ``SearchEngine``.

        Raises:
            CheckFailed: An item is in it twice, or in another batch too, or the shard is damaged.
            Incomplete: The disk is full.
            UsageError: The index was made with another token rule.
        """
        self._make_folder()
        path = self.folder / f"shard-{shard_of(batch_id):02d}.sqlite"
        lock = _Lock(path.with_suffix(".lock"))
        lock.take(wait=True)
        try:
            with _translated():
                write = _add_batch if path.exists() else _make_shard
                return write(path, batch_id, documents)
        finally:
            lock.release()

    # -- reading

    @contextmanager
    def reading(self) -> Iterator[_Reading]:
        """Hold one state of the index; see ``SearchEngine``."""
        with _translated(), self._snapshot() as shards:
            yield _Reading(self, shards)

    @contextmanager
    def _snapshot(self) -> Iterator[list[_Shard]]:
        """Hold each shard as it is: its numbers, what matches and the hits are read one after the other."""
        with ExitStack() as held:
            shards = self._shards()
            for shard in shards:
                held.enter_context(shard.connection)
                shard.notice()
            yield shards

    def _found(self, query: q.Node, shards: list[_Shard]) -> _Found:
        """Return what matches; the last answer is kept, since a person counts, looks, and turns the page."""
        version = [(shard, shard.version) for shard in shards]
        kept: tuple[q.Node, list[tuple[_Shard, int]], _Found] | None = self._local.found
        if kept is not None and kept[:2] == (query, version):
            return kept[2]
        parts = self._asked(partial(_part, self._clock()), self._plain(query, shards))
        found = _Found([part for part in parts if part.documents])
        self._local.found = query, version, found
        return found

    def _asked(self, ask: Callable[[_Asked], _Answer], shards: Sequence[_Asked]) -> list[_Answer]:
        """Ask something of every shard, on all cores; the answers are in the order of the shards."""
        return shared(ask, shards, self.threads)

    def terms(self, queries: Iterable[q.Node]) -> Iterator[TermHits]:
        """Run a term list; see ``SearchEngine``."""
        for query in queries:
            rows: list[tuple[Any, ...]] = []
            try:
                with self._timed(), self._snapshot() as shards:
                    for shard, plain in self._plain(query, shards):
                        rows += _hits(shard.connection, *_Compiler(shard, self._clock()).documents(plain))
            except (TooManyWords, TooLong) as refused:
                yield TermHits((), str(refused))
                continue
            rows.sort()
            yield TermHits(tuple(Hit(*row) for row in rows))

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted; see ``SearchEngine``."""
        if isinstance(term, q.Word):
            return [term.text]
        with self._timed():
            return sorted({word for words in self._expanded(self._shards(), term) for word in words})

    def _plain(self, query: q.Node, shards: Sequence[_Shard]) -> list[tuple[_Shard, q.Node]]:
        """Refuse what stands for too many words; write patterns, spellings and stems out as words.

        Returns:
            The shards, each with the query in words that this shard has: others would be looked for in vain.
        """
        known = {term: self._expanded(shards, term) for term in set(q.open_terms(query))}
        if not known:
            return [(shard, query) for shard in shards]
        return [
            (shard, expansion.plain(query, {term: words[n] for term, words in known.items()}.__getitem__))
            for n, shard in enumerate(shards)
        ]

    def _word_lists(self, shards: Sequence[_Shard]) -> list[WordList]:
        """Return all words of each shard; where none are kept they are read on all cores, off the clock."""
        states = [_state_of(shard.connection) for shard in shards]
        stale = [shard for shard, state in zip(shards, states, strict=True) if shard.words_state != state]
        if stale:
            began = time.monotonic()
            read = shared(_word_list, [shard.connection.filename for shard in stale], self.threads)
            for shard, (state, words) in zip(stale, read, strict=True):
                shard.words_state, shard.words = state, words
            clock = self._clock()
            if clock.until is not None:
                clock.until += time.monotonic() - began
        return [shard.words for shard in shards]

    def _expanded(self, shards: Sequence[_Shard], term: q.Term) -> list[list[str]]:
        """Return the words a term stands for in each shard, sorted."""
        start = expansion.common_start(term)
        wanted = expansion.fits(term)
        begin = (
            self._asked(partial(_beginning, start), shards)
            if start
            else (known.words() for known in self._word_lists(shards))
        )
        found = [list(filter(wanted, words)) for words in begin]
        count = len(set().union(*found))
        if count > PREFIX_LIMIT:
            raise TooManyWords(count)
        return found

    def vocabulary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the tokens that start with ``prefix`` (folded first), with the number of documents."""
        start = fold(prefix).strip()
        found: dict[str, int] = {}
        with _translated():
            shards = self._shards()
            sql = "SELECT term, doc FROM vocabulary WHERE term >= ? AND term < ?"
            lists: Iterable[Iterable[tuple[str, int]]] = (
                (shard.connection.execute(sql, (start, start + _LAST)) for shard in shards)
                if start
                else self._word_lists(shards)
            )
            for rows in lists:
                for term, documents in rows:
                    found[term] = found.get(term, 0) + documents
        yield from sorted(found.items())

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Give up what is inside when it takes longer than a query may."""
        clock = self._clock()
        clock.until = time.monotonic() + self.time_limit_s
        try:
            with _translated():
                yield
        except (apsw.InterruptError, _TimeIsUp) as error:
            raise TooLong(self.time_limit_s) from error
        finally:
            clock.until = None

    # -- connections

    def _opened(self) -> dict[str, _Shard]:
        """This thread's shards; a forked child starts with none and leaves its parent's alone."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.inherited = getattr(
                self._local, "open", None
            )  # never closed here: the parent's locks
            self._local.pid = os.getpid()
            self._local.open = {}
            self._local.clock = _Clock()
            self._local.found = None
        opened: dict[str, _Shard] = self._local.open
        return opened

    def _clock(self) -> _Clock:
        self._opened()
        clock: _Clock = self._local.clock
        return clock

    def _shards(self) -> list[_Shard]:
        """Return every shard that has been made, open, in order; one that was made anew is opened anew."""
        opened = self._opened()
        shards: list[_Shard] = []
        for name, identity in _listed(self.folder):
            shard = opened.get(name)
            if shard is None or shard.identity != identity:
                shard = opened[name] = _Shard.open(self.folder / name, identity, self._clock())
            shards.append(shard)
        return shards


_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_Identity = tuple[int, int]
"""Device and inode: which file a name stands for."""


class _Reading:
    """What is asked of the shards as they are held.

    Attributes:
        engine: Keeps the last answer.
        shards: In order.
    """

    def __init__(self, engine: EmbeddedEngine, shards: list[_Shard]) -> None:
        self.engine = engine
        self.shards = shards

    def state(self) -> IndexState:
        """Say what is in it; see ``Reading``."""
        sizes = [shard.size() for shard in self.shards]
        batches, documents = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
        return IndexState(documents, batches, ANALYZER, "embedded")

    def count(self, query: q.Node) -> Counts:
        """Count exactly; see ``Reading``."""
        with self.engine._timed():
            return self.engine._found(query, self.shards).counts()

    def search(self, query: q.Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Return hits in item-id order, those after ``after``; see ``Reading``."""
        with self.engine._timed():
            return self.engine._found(query, self.shards).page(after, limit)


def _listed(folder: Path) -> list[tuple[str, _Identity]]:
    """Return the shards of a folder by name, in order; every question begins with it."""
    found: list[tuple[str, _Identity]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("shard-") and entry.name.endswith(".sqlite"):
                    with suppress(FileNotFoundError):  # dropped between the listing and here
                        status = entry.stat()
                        found.append((entry.name, (status.st_dev, status.st_ino)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AccessError("the index folder cannot be opened or written: check its rights") from error
    return sorted(found)


class _Shard:
    """A shard as one thread has it open, with what was read of its present state.

    Attributes:
        connection: Open, with all that queries need.
        identity: Of the file.
        version: SQLite's own number of the state that is read; another after each commit of anybody else.
        role_words: The words of from, to, cc and bcc, see ``fts_expression``.
        words_state: What the shard called its state when its words were read.
        words: All its words then; none before they were asked for.
    """

    def __init__(self, connection: apsw.Connection, identity: _Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.version = -1
        self.words_state = ""
        self.words = WordList("", array("I"))
        self._numbers: _Numbers | None = None
        self._size: tuple[int, int] | None = None
        self.role_words: str | None = None

    @classmethod
    def open(cls, path: Path, identity: _Identity, clock: _Clock) -> _Shard:
        connection = _open(path)
        _check_analyzer(connection)
        connection.execute(_VOCABULARY)
        connection.execute("CREATE VIRTUAL TABLE temp.instances USING fts5vocab(main, words, instance)")
        connection.set_progress_handler(clock.is_up, _STEPS)
        connection.register_fts5_function("decided", _decided)
        return cls(connection, identity)

    def notice(self) -> None:
        """Look at the shard as it is now; what was read of another state is forgotten."""
        version = self.connection.execute("PRAGMA data_version").get
        if version != self.version:
            self.version = version
            self._numbers = self._size = None
            self.role_words = _role_words(self.connection)

    def numbers(self) -> _Numbers:
        """Return the numbers that counting needs of each document, read once a state."""
        if self._numbers is None:
            self._numbers = _Numbers.read(self.connection)
        return self._numbers

    def size(self) -> tuple[int, int]:
        """Return the number of batches and of documents, read once a state."""
        if self._size is None:
            sql = "SELECT count(*), total(documents) FROM batches"
            batches, documents = self.connection.execute(sql).get
            self._size = batches, int(documents)
        return self._size


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What counting needs of each document of a shard, by its number; 28 bytes a document.

    Attributes:
        families: The number of its top item.
        contents: 16 bytes of its content, as much of a SHA-256 as an item id has: the first 8 of each.
        endings: The other 8 of each.
        places: Where its item id stands among all; see ``_place``.
    """

    families: array[int]
    contents: array[int]
    endings: array[int]
    places: array[int]

    @classmethod
    def read(cls, shard: apsw.Connection) -> _Numbers:
        """Read them; the number 0 and those of batches that were replaced stand for nothing."""
        families, contents, places = array("I"), array("Q"), array("Q")
        rows = shard.execute("SELECT first, families, contents, places FROM numbers ORDER BY first")
        for first, *columns in rows:
            gap = first - len(families)
            for column, width, cells in zip((families, contents, places), (1, 2, 1), columns, strict=True):
                column.extend(repeat(0, gap * width))
                column.frombytes(cells)
        return cls(families, contents[::2], contents[1::2], places)


def _content(distinct_key: str) -> bytes:
    return hashlib.sha256(distinct_key.encode()).digest()[:_CONTENT_BYTES]


def _place(item_id: str) -> int:
    """Return a number that orders item ids as they order themselves; those that begin alike share it."""
    return int.from_bytes(item_id.encode()[:8].ljust(8, b"\0"), "big")


@dataclass(frozen=True, slots=True)
class _Part:
    """What matches in one shard.

    Attributes:
        shard: The shard.
        numbers: Of all its documents.
        documents: Numbers of those that match.
    """

    shard: apsw.Connection
    numbers: _Numbers
    documents: array[int]


def _part(clock: _Clock, asked: tuple[_Shard, q.Node]) -> _Part:
    """Ask one shard; the numbers come as one value, since threads wait for one another at each row."""
    shard, query = asked
    sql, bound = _Compiler(shard, clock).documents(query)
    listed = shard.connection.execute(f"SELECT json_group_array(doc) FROM ({sql})", bound).get  # noqa: S608
    return _Part(shard.connection, shard.numbers(), array("I", json.loads(listed)))


def _beginning(start: str, shard: _Shard) -> list[str]:
    """Return the words of a shard that begin so, as one value as above."""
    sql = "SELECT json_group_array(term) FROM vocabulary WHERE term >= ? AND term < ?"
    words: list[str] = json.loads(shard.connection.execute(sql, (start, start + _LAST)).get)
    return words


_Entry = tuple[int, int, int]
"""Place, part and number of a document."""

_PAST_ALL = 1 << 64
"""No place is so large."""


class _Found:
    """What matches a query, as numbers; hits are looked up when a page asks for them."""

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = parts
        self._ordered: list[_Entry] | None = None

    def counts(self) -> Counts:
        documents = sum(len(part.documents) for part in self._parts)
        families = sum(
            len(set(map(part.numbers.families.__getitem__, part.documents))) for part in self._parts
        )
        return Counts(documents, families, self._distinct(documents))

    def _distinct(self, documents: int) -> int:
        """Count different contents; the first numbers of two of them are nearly never the same."""
        contents: list[int] = []
        for part in self._parts:
            contents.extend(map(part.numbers.contents.__getitem__, part.documents))
        found = len(set(contents))
        if found == documents:
            return found
        endings: list[int] = []
        for part in self._parts:
            endings.extend(map(part.numbers.endings.__getitem__, part.documents))
        ends = dict(zip(contents, endings, strict=True))
        alike = list(map(ends.__getitem__, contents)) == endings  # what begins alike ends alike: copies
        return found if alike else len(set(zip(contents, endings, strict=True)))

    def page(self, after: str | None, limit: int) -> list[Hit]:
        """Return the first hits after an item id, in item-id order."""
        found: list[Hit] = []
        first = 0 if after is None else _place(after)
        while len(found) < limit:
            wanted = limit - len(found) + 1  # one more: that of ``after`` comes along
            entries = self._entries(first, wanted)
            found += [hit for hit in self._hits(entries) if after is None or hit.item_id > after]
            if len(entries) < wanted:
                break
            first = entries[-1][0] + 1
        return sorted(found, key=attrgetter("item_id"))[:limit]

    def _entries(self, first: int, wanted: int) -> list[_Entry]:
        """Return so many documents from a place on, in order, and all that share the place of the last."""
        if first == 0 and self._ordered is None:  # the first page needs no order in the rest
            smallest = self._smallest(wanted + 1)
            if len(smallest) <= wanted or smallest[-1][0] != smallest[-2][0]:
                return smallest[:wanted]
        if self._ordered is None:
            self._ordered = sorted(self._all())
        start = bisect_left(self._ordered, (first,))
        end = start + wanted
        while end < len(self._ordered) and self._ordered[end][0] == self._ordered[end - 1][0]:
            end += 1
        return self._ordered[start:end]

    def _smallest(self, wanted: int) -> list[_Entry]:
        """Return so many documents, in order; most are seen to be none of them by one comparison."""
        found: list[_Entry] = []
        last = _PAST_ALL
        for number, part in enumerate(self._parts):
            places = map(part.numbers.places.__getitem__, part.documents)
            found += [
                (place, number, document)
                for place, document in zip(places, part.documents, strict=True)
                if place <= last
            ]
            found = sorted(found)[:wanted]
            last = found[-1][0] if len(found) == wanted else _PAST_ALL
        return found

    def _all(self) -> Iterator[_Entry]:
        for number, part in enumerate(self._parts):
            places = map(part.numbers.places.__getitem__, part.documents)
            yield from zip(places, repeat(number), part.documents)

    def _hits(self, entries: Iterable[_Entry]) -> Iterator[Hit]:
        documents: dict[int, list[int]] = {}
        for _, number, document in entries:
            documents.setdefault(number, []).append(document)
        for number, wanted in documents.items():
            listed = {"listed": json.dumps(wanted)}
            rows = _hits(self._parts[number].shard, "SELECT value FROM json_each(:listed)", listed)
            yield from (Hit(*row) for row in rows)


def _state_of(shard: apsw.Connection) -> str:
    """Return what a shard calls its present state: another word after each batch."""
    return str(shard.execute("SELECT value FROM meta WHERE name = 'state'").get)


def _role_words(shard: apsw.Connection) -> str | None:
    """Return the words of from, to, cc and bcc of a shard, and perhaps more; None when nobody kept them."""
    found = shard.execute("SELECT value FROM meta WHERE name = ?", (_ROLE_WORDS,)).get
    return None if found is None else str(found)


def _word_list(filename: str) -> tuple[str, WordList]:
    """Return a shard's state and its words, as kept or read now; on a connection of its own, for a thread."""
    path = Path(filename)
    with closing(_open(path)) as shard, shard:
        state = _state_of(shard)
        kept = word_lists.load(path.with_suffix(".words"), state)
        if kept is not None:
            return state, kept
        shard.execute(_VOCABULARY)
        found = WordList.of(shard.execute("SELECT term, doc FROM vocabulary"))
    word_lists.keep(path.with_suffix(".words"), state, found)
    return state, found


class _TimeIsUp(Exception):  # noqa: N818 - it leaves a query, and never this module
    """Raised between two candidates when the time of a query is up."""


class _Clock:
    """How long the query of this thread may go on."""

    def __init__(self) -> None:
        self.until: float | None = None

    def is_up(self) -> bool:
        """Say whether it is over; SQLite asks now and then, and stops if so."""
        return self.until is not None and time.monotonic() > self.until


def shard_of(batch_id: str) -> int:
    """Return the shard of a batch: its number modulo 64, so that neighbours spread evenly.

    An id that does not end in a number takes its SHA-256 instead.
    """
    number = re.search(r"\d+$", batch_id)
    if number:
        return int(number.group()) % SHARDS
    return int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:4], "big") % SHARDS


# -- files


class _Lock:
    """A lock that dies with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def take(self, *, wait: bool) -> bool:
        """Lock; the file may be deleted by ``drop`` meanwhile, so what was locked is looked at once more."""
        while True:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.path.samestat(os.fstat(self._file), self._path.stat()):
                    return True
            except FileNotFoundError:
                pass
            except BlockingIOError:
                self.release()
                return False
            self.release()

    def release(self) -> None:
        os.close(self._file)


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("cache_size", -_CACHE_KIB // SHARDS)
    return connection


def _add_batch(path: Path, batch_id: str, documents: Iterable[IndexDocument]) -> int:
    """Write a batch into a shard that is there, in one transaction."""
    with closing(_open(path)) as connection:
        connection.pragma("synchronous", "full")
        connection.pragma("cache_size", -_CACHE_KIB)
        _check_analyzer(connection)
        with connection:  # rolled back when anything below raises
            count = _write_batch(connection, batch_id, documents)
    return count


def _make_shard(path: Path, batch_id: str, documents: Iterable[IndexDocument]) -> int:
    """Make a shard of its first batch beside its name, where no reader looks; rename it when it is whole."""
    _check_neighbour(path)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)  # left by a kill
    try:
        with closing(_open(new)) as connection:
            connection.pragma("journal_mode", "off")  # nothing to roll back to: it is thrown away
            connection.pragma("synchronous", "full")
            connection.pragma("cache_size", -_CACHE_KIB)
            with connection:
                connection.execute(_TABLES)
                connection.execute("INSERT INTO words(words, rank) VALUES ('hashsize', ?)", (_HASH_BYTES,))
                connection.execute("INSERT INTO meta VALUES ('analyzer', ?)", (ANALYZER,))
                connection.execute(f"PRAGMA user_version = {_SCHEMA}")
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
        raise Incomplete(_CANNOT_WRITE) from error


def _check_neighbour(path: Path) -> None:
    """Refuse to make a shard beside one of another rule: they are all alike, so any one speaks for all."""
    other = next(path.parent.glob("shard-*.sqlite"), None)
    if other is not None:
        with closing(_open(other)) as connection:
            _check_analyzer(connection)


def _check_analyzer(connection: apsw.Connection) -> None:
    if connection.pragma("user_version") == _SCHEMA:
        made_with = connection.execute("SELECT value FROM meta WHERE name = 'analyzer'").get
        if made_with == ANALYZER:
            return
    connection.close()
    raise UsageError("the index was made with another token rule or layout: rebuild it with reindex")


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into ours, sorted by what to do."""
    try:
        yield
    except (apsw.FullError, apsw.IOError) as error:
        raise Incomplete(_CANNOT_WRITE) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CheckFailed("the index is damaged: rebuild it with reindex") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise AccessError("the index folder cannot be opened or written: check its rights") from error
    except apsw.BusyError as error:
        raise Retryable("the index is busy", retry_after_s=5.0) from error


# -- writing a batch


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
    if alone or _role_words(connection) is not None:  # a shard made before they were kept has not all of them
        writer.keep_role_words()
    connection.execute("INSERT INTO batches VALUES (?, ?, ?)", (batch, batch_id, writer.next - first))
    return writer.next - first


_ROLES = 4
"""Place of the first role in what ``_folded`` returns."""
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
            contents += _content(document.distinct_key)
            places.append(_place(document.item_id))
            folded = _folded(document)
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
            sum(map(_HAS_BITS.__getitem__, set(document.has))),
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
        known = (_role_words(self._connection) or "").split()
        text = f" {' '.join(sorted(self._role_words.union(known)))} "
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_ROLE_WORDS, text))

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


def _folded(document: IndexDocument) -> tuple[str, ...]:
    """A document's texts, folded, in the order of the columns."""
    roles = (document.sender, document.to, document.cc, document.bcc)
    folded = tuple(map(fold, roles))
    # Nearly always everybody has a role: what is put together from folded texts need not be folded again.
    everybody = " ".join(filter(None, roles)) == document.participants
    participants = " ".join(filter(None, folded)) if everybody else fold(document.participants)
    return fold(document.subject), fold(document.text), fold(document.filename), participants, *folded


# -- from tree to SQL; what is put together is names and placeholders, every value is bound


def _hits(shard: apsw.Connection, documents: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what a ``Hit`` is made of, for the documents whose numbers a query selects."""
    sql = f"SELECT {_HIT_COLUMNS} FROM {_HIT_SOURCE} WHERE d.doc IN ({documents})"  # noqa: S608 - see above
    return list(shard.execute(sql, bound))


class _Compiler:
    """Compiles a tree to a condition over ``docs d`` of one shard (label numbers are the shard's own)."""

    def __init__(self, shard: _Shard, clock: _Clock) -> None:
        self._shard = shard.connection
        self._role_words = shard.role_words
        self._clock = clock
        self._bound: dict[str, Any] = {}
        self._aliases = 0

    def documents(self, node: q.Node) -> tuple[str, dict[str, Any]]:
        """Return what selects the numbers of matching documents, and the values it names."""
        match = fts_expression(node, None, self._role_words)
        if match is not None:  # FTS5 knows them
            return "SELECT rowid AS doc FROM words WHERE words MATCH :match", {"match": match}
        return f"SELECT d.doc AS doc FROM docs d WHERE {self._where(node, 'd', None)}", self._bound  # noqa: S608

    def _bind(self, value: Any) -> str:
        name = f"v{len(self._bound)}"
        self._bound[name] = value
        return f":{name}"

    def _where(self, node: q.Node, alias: str, field: str | None) -> str:
        """Return a condition that is 0 or 1, never NULL, so that NOT in front of it stays true or false."""
        if field not in q.LABEL_FIELDS:
            match = fts_expression(node, field, self._role_words)
            if match is not None:
                wanted = f"words MATCH {self._bind(match)}"
                return f"{alias}.doc IN (SELECT rowid FROM words WHERE {wanted})"  # noqa: S608 - see above
        match node:
            case q.And():
                return self._and(node, alias, field)
            case q.Or():
                return self._or(node, alias, field)
            case q.Not():
                return f"NOT ({self._where(node.child, alias, field)})"
            case q.Near():
                return self._near(node, alias, field)
            case q.NotNear():
                return self._not_near(node, alias, field)
            case q.Field():
                return self._field(node, alias)
            case q.DateRange():
                return self._days(node, alias)
            case _:
                assert field is not None
                assert isinstance(node, q.Leaf)
                return self._label(node, alias, field)

    def _and(self, node: q.And, alias: str, field: str | None) -> str:
        """Whatever FTS5 can do goes into one expression; the rest narrows it."""
        words, rest = _split(node.children, field)
        merged = [q.And(tuple(words))] if len(words) > 1 else words
        if words and fts_expression(merged[0], field) is None:  # NOTs only: FTS5 has no NOT alone
            merged = words
        return _joined("AND", [self._where(child, alias, field) for child in (*merged, *rest)])

    def _or(self, node: q.Or, alias: str, field: str | None) -> str:
        words: list[q.Node] = []
        rest: list[q.Node] = []
        for child in node.children:
            fits = field not in q.LABEL_FIELDS and fts_expression(child, field) is not None
            (words if fits else rest).append(child)
        merged = [
            q.Or(tuple(piece)) if len(piece) > 1 else piece[0]
            for piece in (words[n : n + _TOGETHER] for n in range(0, len(words), _TOGETHER))
        ]
        return _joined("OR", [self._where(child, alias, field) for child in (*merged, *rest)])

    def _near(self, node: q.Near, alias: str, field: str | None) -> str:
        """Words near one another that FTS5 cannot say exactly: candidates, each decided."""
        if _is_wide(node):
            return self._wide(node, alias, field)
        return self._decided(node, _candidates(node, field), alias, field)

    def _not_near(self, node: q.NotNear, alias: str, field: str | None) -> str:
        """Where nothing of the right is near any left one there is nothing to decide; else each is."""
        if _is_wide(node):
            return self._wide(node, alias, field)
        left = _candidates(node.left, field)
        if any(isinstance(below, q.Near) for below in q.walk(node.left)):
            return self._decided(node, left, alias, field)  # what is left itself has to be decided first
        near = _candidates(q.Near(node.left, node.right, node.distance, ordered=False), field)
        far = self._bind(f"({left}) NOT ({near})")
        free = f"{alias}.doc IN (SELECT rowid FROM words WHERE words MATCH {far})"  # noqa: S608 - see above
        return f"({free}) OR ({self._decided(node, near, alias, field)})"

    def _wide(self, node: q.Near | q.NotNear, alias: str, field: str | None) -> str:
        """Decide where an operand is so many words that one expression with all of them would crawl."""
        documents = sorted(_Wide(self._shard, self._clock, field).documents(node))
        return f"{alias}.doc IN (SELECT value FROM json_each({self._bind(json.dumps(documents))}))"  # noqa: S608

    def _decided(self, node: q.Node, candidates: str, alias: str, field: str | None) -> str:
        leaves = list(dict.fromkeys(q.leaves(node)))
        places = " OR ".join(_leaf(leaf, field) for leaf in leaves)
        match = self._bind(f"({candidates}) AND ({places})")
        question = self._bind(apsw.pyobject(_Question(node, leaves, self._clock)))
        wanted = f"words MATCH {match} AND decided(words, {question})"
        return f"{alias}.doc IN (SELECT rowid FROM words WHERE {wanted})"  # noqa: S608 - see above

    def _field(self, node: q.Field, alias: str) -> str:
        if node.name not in q.RELATED_FIELDS:
            return self._where(node.child, alias, node.name)
        self._aliases += 1
        other = f"o{self._aliases}"
        if node.name == "attachment":
            inner = self._where(node.child, other, "body")
            carried = f"{other}.parent IS NOT NULL AND ({inner})"
            return f"{alias}.doc IN (SELECT {other}.parent FROM docs {other} WHERE {carried})"  # noqa: S608
        inner = self._where(node.child, other, None)
        members = f"SELECT {other}.family FROM docs {other} WHERE {inner}"  # noqa: S608 - see above
        return f"{alias}.family IN ({members})"

    def _days(self, days: q.DateRange, alias: str) -> str:
        parts = [f"{alias}.sent_on IS NOT NULL"]
        if days.first is not None:
            parts.append(f"{alias}.sent_on >= {self._bind(days.first.isoformat())}")
        if days.last is not None:
            parts.append(f"{alias}.sent_on <= {self._bind(days.last.isoformat())}")
        return " AND ".join(parts)

    def _label(self, leaf: q.Leaf, alias: str, field: str) -> str:
        if field == "has":
            mask = sum(bit for value, bit in _HAS_BITS.items() if q.label_matches(leaf, value))
            return f"({alias}.has & {mask}) != 0"
        rows = self._shard.execute("SELECT label, value FROM labels WHERE field = ?", (field,))
        chosen = ", ".join(
            str(label)
            for label, value in rows
            if any(q.label_matches(leaf, one) for one in (value.split() if field == "lang" else (value,)))
        )
        return f"{alias}.{field} IN ({chosen})"


def _joined(operator: str, conditions: list[str]) -> str:
    """Join conditions as a balanced tree: a list is as deep as it is long, and SQLite stops at 1,000."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_joined(operator, conditions[:half])}) {operator} ({_joined(operator, conditions[half:])})"


def _split(nodes: Iterable[q.Node], field: str | None) -> tuple[list[q.Node], list[q.Node]]:
    """Part the children of an AND into those FTS5 can do (with NOT of such) and the rest."""
    words: list[q.Node] = []
    rest: list[q.Node] = []
    for node in nodes:
        plain = node.child if isinstance(node, q.Not) else node
        fits = field not in q.LABEL_FIELDS and fts_expression(plain, field) is not None
        (words if fits else rest).append(node)
    return words, rest


def fts_expression(node: q.Node, field: str | None, role_words: str | None = None) -> str | None:
    """Return the FTS5 expression of a tree, or None when FTS5 cannot say it exactly.

    Args:
        node: The tree.
        field: The text field it is asked of, or None for the default fields.
        role_words: The words that stand in from, to, cc and bcc, see ``_ROLE_WORDS``; None: unknown.
    """
    match node:
        case q.Word() | q.Prefix() | q.Phrase():
            return _scope(field, (node,), role_words) + _words(node)
        case q.Near():
            return _fts_near(node, field, role_words)
        case q.Or():
            if len(node.children) > _TOGETHER:
                return None
            parts = [fts_expression(child, field, role_words) for child in node.children]
            known = [part for part in parts if part is not None]
            return " OR ".join(f"({part})" for part in known) if len(known) == len(parts) else None
        case q.And():
            return _fts_and(node, field, role_words)
        case q.Field() if node.name in q.TEXT_FIELDS:
            return fts_expression(node.child, node.name, role_words)
        case _:
            return None


def _fts_and(node: q.And, field: str | None, role_words: str | None) -> str | None:
    wanted: list[str] = []
    unwanted: list[str] = []
    for child in node.children:
        negative = isinstance(child, q.Not)
        part = fts_expression(child.child if isinstance(child, q.Not) else child, field, role_words)
        if part is None:
            return None
        (unwanted if negative else wanted).append(f"({part})")
    if not wanted:
        return None
    expression = " AND ".join(wanted)
    return f"({expression}) NOT ({' OR '.join(unwanted)})" if unwanted else expression


# -- words near one another


def _leaf(leaf: q.Leaf, field: str | None) -> str:
    return _scope(field, (leaf,), None) + _words(leaf)


def _scope(field: str | None, leaves: Sequence[q.Leaf], role_words: str | None) -> str:
    """Return what keeps leaves that stand together in one column to the columns of a field.

    FTS5 then takes every place of a word apart: measured, that doubles what a common word near another costs.
    Where they cannot all stand in a column that is not asked, nothing has to be kept out.
    """
    if field is None and role_words is not None and not _all_in(leaves, role_words):
        return ""
    return f"{{{_columns(field)}}} : "


def _all_in(leaves: Sequence[q.Leaf], words: str) -> bool:
    """Say whether each word of leaves is among words, ``" a b "``."""
    return all(
        (f" {term.text}" if isinstance(term, q.Prefix) else f" {term.text} ") in words
        for leaf in leaves
        for term in q.terms_of(leaf)
        if isinstance(term, q.Word | q.Prefix)
    )


def _columns(field: str | None) -> str:
    return " ".join(_COLUMNS[name] for name in (q.DEFAULT_FIELDS if field is None else (field,)))


def _words(leaf: q.Leaf) -> str:
    terms = [term for term in q.terms_of(leaf) if isinstance(term, q.Word | q.Prefix)]
    assert len(terms) == len(q.terms_of(leaf)), "patterns are written out before"
    return " + ".join(f'"{t.text}"{"*" * isinstance(t, q.Prefix)}' for t in terms)


def _alternatives(node: q.Node) -> list[q.Leaf] | None:
    """Return the leaves of an operand that is a leaf or an OR of leaves, else None."""
    if isinstance(node, q.Leaf):
        return [node]
    if not isinstance(node, q.Or):
        return None
    found: list[q.Leaf] = []
    for child in node.children:
        inner = _alternatives(child)
        if inner is None:
            return None
        found += inner
    return found


def _pairs(node: q.Near) -> list[tuple[q.Leaf, q.Leaf]] | None:
    """Return every pair of alternatives, or None when an operand is a ``Near`` or they are too many."""
    left, right = _alternatives(node.left), _alternatives(node.right)
    if left is None or right is None or len(left) * len(right) > _TOGETHER:
        return None
    return list(product(left, right))


def _fts_near(node: q.Near, field: str | None, role_words: str | None) -> str | None:
    """Return the FTS5 expression that is exactly this ``Near``, or None."""
    pairs = _pairs(node)
    if pairs is None:
        return None
    if node.distance == 1:  # side by side: a phrase
        both = [(x, y) for x, y in pairs] + ([] if node.ordered else [(y, x) for x, y in pairs])
        return " OR ".join(f"({_scope(field, (x, y), role_words)}{_words(x)} + {_words(y)})" for x, y in both)
    if node.ordered or any(_can_overlap(x, y) for x, y in pairs):
        return None
    return _near_pairs(pairs, node.distance, field, role_words)


def _near_pairs(
    pairs: Sequence[tuple[q.Leaf, q.Leaf]], distance: int, field: str | None, role_words: str | None
) -> str:
    return " OR ".join(
        f"({_scope(field, (x, y), role_words)}NEAR({_words(x)} {_words(y)}, {distance - 1}))"
        for x, y in pairs
    )


def _can_overlap(x: q.Leaf, y: q.Leaf) -> bool:
    """Say whether a place of one leaf and one of another can share a token."""
    left, right = q.terms_of(x), q.terms_of(y)
    return any(
        all(
            _same_word(left[n + shift], right[n])
            for n in range(max(0, -shift), min(len(right), len(left) - shift))
        )
        for shift in range(1 - len(right), len(left))
    )


def _same_word(one: q.Term, other: q.Term) -> bool:
    """Say whether one token can be both."""
    assert isinstance(one, q.Word | q.Prefix)
    assert isinstance(other, q.Word | q.Prefix)
    if isinstance(one, q.Prefix) and isinstance(other, q.Prefix):
        return one.text.startswith(other.text) or other.text.startswith(one.text)
    if isinstance(one, q.Prefix):
        return other.text.startswith(one.text)
    if isinstance(other, q.Prefix):
        return one.text.startswith(other.text)
    return one == other


def _candidates(node: q.Node, field: str | None) -> str:
    """Return an FTS5 expression that every document with a span of an operand matches, and some others."""
    match node:
        case q.Near():
            pairs = _pairs(node)
            if pairs is not None:
                return _near_pairs(pairs, node.distance, field, None)
            return f"({_candidates(node.left, field)}) AND ({_candidates(node.right, field)})"
        case q.Or():
            return " OR ".join(f"({_candidates(child, field)})" for child in node.children)
        case _:
            assert isinstance(node, q.Leaf)
            return _leaf(node, field)


class _Question:
    """What is asked of each candidate."""

    def __init__(self, node: q.Node, leaves: Sequence[q.Leaf], clock: _Clock) -> None:
        self.node = node
        self.leaves = {leaf: (number, len(q.terms_of(leaf))) for number, leaf in enumerate(leaves)}
        self.clock = clock


def _decided(api: apsw.FTS5ExtensionApi, /, *asked: Any) -> bool:
    """Say whether a candidate matches; its leaves are the last phrases of the expression."""
    question: _Question = asked[0]
    if question.clock.is_up():
        raise _TimeIsUp
    before = api.phrase_count - len(question.leaves)
    located: dict[q.Leaf, list[list[int]]] = {}

    def places(leaf: q.Leaf, column: int) -> list[Span]:
        number, length = question.leaves[leaf]
        starts = located.get(leaf)
        if starts is None:
            starts = located[leaf] = api.phrase_locations(before + number)
        return [(start, start + length) for start in starts[column]]

    return any(holds(question.node, partial(places, column=column)) for column in range(api.column_count))


# -- words near one another, where they are very many


_Key = tuple[int, str]
"""A document and a column."""

_LEFT: q.Leaf = q.Word("left")
_RIGHT: q.Leaf = q.Word("right")
"""Stand for the two operands, whose places are known."""


def _is_wide(node: q.Node) -> bool:
    return len(list(q.leaves(node))) > _TOGETHER


class _Wide:
    """Reads the places of each word from the index once, and puts them together here."""

    def __init__(self, shard: apsw.Connection, clock: _Clock, field: str | None) -> None:
        self._shard = shard
        self._clock = clock
        self._columns = set(_columns(field).split())

    def documents(self, node: q.Near | q.NotNear) -> set[int]:
        """Return the documents that match."""
        if isinstance(node, q.Near):
            return {document for document, _ in self._near(node, None)}
        left = self._places(node.left, None)
        right = self._places(node.right, {document for document, _ in left})
        question = q.NotNear(_LEFT, _RIGHT, node.distance)
        return {
            key[0]
            for key, spans in left.items()
            if holds(question, {_LEFT: spans, _RIGHT: right.get(key, [])}.__getitem__)
        }

    def _near(self, node: q.Near, among: set[int] | None) -> dict[_Key, Sequence[Span]]:
        """Return the spans of a ``Near``; of the operand with more words only where the other one is."""
        few, many = sorted((node.left, node.right), key=lambda side: len(list(q.leaves(side))))
        found = {few: self._places(few, among)}
        if few != many:
            found[many] = self._places(many, {document for document, _ in found[few]})
        left, right = found[node.left], found[node.right]
        question = q.Near(_LEFT, _RIGHT, node.distance, node.ordered)
        near: dict[_Key, Sequence[Span]] = {}
        for key in left.keys() & right.keys():
            self._look()
            spans = spans_of(question, {_LEFT: left[key], _RIGHT: right[key]}.__getitem__)
            if spans:
                near[key] = spans
        return near

    def _places(self, node: q.Node, among: set[int] | None) -> dict[_Key, Sequence[Span]]:
        """Return the spans of an operand, sorted, in these documents, or in all."""
        if isinstance(node, q.Near):
            return self._near(node, among)
        if isinstance(node, q.Or):
            merged: dict[_Key, set[Span]] = {}
            for child in node.children:
                for key, spans in self._places(child, among).items():
                    merged.setdefault(key, set()).update(spans)
            return {key: sorted(spans) for key, spans in merged.items()}
        assert isinstance(node, q.Leaf)
        terms = q.terms_of(node)
        starts = self._starts(terms[0], among)
        for further, term in enumerate(terms[1:], 1):
            here = self._starts(term, {document for document, _ in starts})
            starts = {
                key: kept
                for key, places in starts.items()
                if (kept := places & {place - further for place in here.get(key, ())})
            }
        return {key: [(at, at + len(terms)) for at in sorted(places)] for key, places in starts.items()}

    def _starts(self, term: q.Term, among: set[int] | None) -> dict[_Key, set[int]]:
        self._look()
        assert isinstance(term, q.Word | q.Prefix)
        where = "term = ?"
        bound: tuple[str, ...] = (term.text,)
        if isinstance(term, q.Prefix):
            where, bound = "term >= ? AND term < ?", (term.text, term.text + _LAST)
        found: dict[_Key, set[int]] = {}
        sql = f"SELECT doc, col, offset FROM instances WHERE {where}"  # noqa: S608 - see above
        for document, column, place in self._shard.execute(sql, bound):
            if column in self._columns and (among is None or document in among):
                found.setdefault((document, column), set()).add(place)
        return found

    def _look(self) -> None:
        if self._clock.is_up():
            raise _TimeIsUp
