"""The embedded engine: SQLite FTS5 in a folder of shards, opened with apsw only.

Readers are never blocked (WAL). Patterns, spellings and stems are written out as the words of the index that
they stand for; the rest of a question goes to each shard as ``search.embedded_sql`` compiles it.

The shards of a question are asked on all cores (``search.sharing``). Everything belongs to the thread that
asks, and its helpers give it back before it goes on.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from records.errors import AccessError, AlreadyRunning
from search import expansion
from search import tree as q
from search.embedded_deciding import Clock, TimeIsUp
from search.embedded_files import LAST, Lock, listed_shards, shard_of, state_of, translated
from search.embedded_found import Found, part_of
from search.embedded_shards import Shard, word_list_of, words_beginning
from search.embedded_sql import Compiler, hit_rows
from search.embedded_writing import add_batch, make_shard
from search.folding import ANALYZER, fold
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

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


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
        locks = [Lock(path) for path in sorted(self.folder.glob("shard-*.lock"))]
        held: list[Lock] = []
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
        lock = Lock(path.with_suffix(".lock"))
        lock.take(wait=True)
        try:
            with translated():
                write = add_batch if path.exists() else make_shard
                return write(path, batch_id, documents)
        finally:
            lock.release()

    # -- reading

    @contextmanager
    def reading(self) -> Iterator[_Reading]:
        """Hold one state of the index; see ``SearchEngine``."""
        with translated(), self._snapshot() as shards:
            yield _Reading(self, shards)

    @contextmanager
    def _snapshot(self) -> Iterator[list[Shard]]:
        """Hold each shard as it is: its numbers, what matches and the hits are read one after the other."""
        with ExitStack() as held:
            shards = self._shards()
            for shard in shards:
                held.enter_context(shard.connection)
                shard.notice()
            yield shards

    def _found(self, query: q.Node, shards: list[Shard]) -> Found:
        """Return what matches; the last answer is kept, since a person counts, looks, and turns the page."""
        version = [(shard, shard.version) for shard in shards]
        kept: tuple[q.Node, list[tuple[Shard, int]], Found] | None = self._local.found
        if kept is not None and kept[:2] == (query, version):
            return kept[2]
        parts = self._asked(partial(part_of, self._clock()), self._plain(query, shards))
        found = Found([part for part in parts if part.documents])
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
                        rows += hit_rows(shard.connection, *Compiler(shard, self._clock()).documents(plain))
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

    def _plain(self, query: q.Node, shards: Sequence[Shard]) -> list[tuple[Shard, q.Node]]:
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

    def _word_lists(self, shards: Sequence[Shard]) -> list[WordList]:
        """Return all words of each shard; where none are kept they are read on all cores, off the clock."""
        states = [state_of(shard.connection) for shard in shards]
        stale = [shard for shard, state in zip(shards, states, strict=True) if shard.words_state != state]
        if stale:
            began = time.monotonic()
            read = shared(word_list_of, [shard.connection.filename for shard in stale], self.threads)
            for shard, (state, words) in zip(stale, read, strict=True):
                shard.words_state, shard.words = state, words
            clock = self._clock()
            if clock.until is not None:
                clock.until += time.monotonic() - began
        return [shard.words for shard in shards]

    def _expanded(self, shards: Sequence[Shard], term: q.Term) -> list[list[str]]:
        """Return the words a term stands for in each shard, sorted."""
        start = expansion.common_start(term)
        wanted = expansion.fits(term)
        begin = (
            self._asked(partial(words_beginning, start), shards)
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
        with translated():
            shards = self._shards()
            sql = "SELECT term, doc FROM vocabulary WHERE term >= ? AND term < ?"
            lists: Iterable[Iterable[tuple[str, int]]] = (
                (shard.connection.execute(sql, (start, start + LAST)) for shard in shards)
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
            with translated():
                yield
        except (apsw.InterruptError, TimeIsUp) as error:
            raise TooLong(self.time_limit_s) from error
        finally:
            clock.until = None

    # -- connections

    def _opened(self) -> dict[str, Shard]:
        """This thread's shards; a forked child starts with none and leaves its parent's alone."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.inherited = getattr(
                self._local, "open", None
            )  # never closed here: the parent's locks
            self._local.pid = os.getpid()
            self._local.open = {}
            self._local.clock = Clock()
            self._local.found = None
        opened: dict[str, Shard] = self._local.open
        return opened

    def _clock(self) -> Clock:
        self._opened()
        clock: Clock = self._local.clock
        return clock

    def _shards(self) -> list[Shard]:
        """Return every shard that has been made, open, in order; one that was made anew is opened anew."""
        opened = self._opened()
        shards: list[Shard] = []
        for name, identity in listed_shards(self.folder):
            shard = opened.get(name)
            if shard is None or shard.identity != identity:
                shard = opened[name] = Shard.open(self.folder / name, identity, self._clock())
            shards.append(shard)
        return shards


class _Reading:
    """What is asked of the shards as they are held.

    Attributes:
        engine: Keeps the last answer.
        shards: In order.
    """

    def __init__(self, engine: EmbeddedEngine, shards: list[Shard]) -> None:
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
