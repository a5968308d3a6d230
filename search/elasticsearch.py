"""The Elasticsearch engine: one versioned index a request, on a server 8.19 or 9.

What is in an index of a request, ``elasticsearch_mapping.json``: documents (``doc_type`` ``item``), for each
batch one ``batch`` record, and the batch's words with their numbers of documents (``words``, packed). A batch
is there whole or not at all (``search.elasticsearch_loading``).

Two aliases: ``…-load`` is where the program writes and reads; the plain name is what people and Kibana read.
It is moved by ``publish``, when the number of documents is the ledger's, and shows live documents only.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any

from elasticsearch import ApiError, NotFoundError

from records.errors import CheckFailed, UsageError
from search import tree as q
from search.elasticsearch_cluster import Cluster, Connection, error_type, translated
from search.elasticsearch_index import MAPPING, META, analysis, index_settings, live
from search.elasticsearch_loading import BULK_DOCUMENTS, Describe, Load, bulk, described, packed
from search.elasticsearch_reading import HIT_SORT, JOINED, AllWords, Answer, Reader, joined_load
from search.folding import ANALYZER, fold
from search.protocol import (
    TIME_LIMIT_S,
    Counts,
    Hit,
    IndexDocument,
    IndexState,
    SearchEngine,
    TermHits,
    index_alias,
)

_PACKS_EACH = 50
_AT_ONCE = 20  # queries of a list that are sent together; the server runs them side by side
_ASKING = 2  # threads that ask and read answers: the server works on the next while one is read
_AHEAD = 3  # such pieces that are asked before the answer to one is taken in
_LONG_LIST = 50  # queries from which on every document's row is read once, and hits come as numbers
_MANY_PATTERNS = 10  # from which on all words of the index are read once


class ElasticsearchEngine(SearchEngine):
    """An index of one request; safe in threads and over a fork.

    Attributes:
        connection: To the cluster.
        alias: What people and Kibana read.
        load_alias: What the program writes and reads.
        time_limit_s: How long one query may take, in seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        request_id: str,
        time_limit_s: float = TIME_LIMIT_S,
        describer: Callable[[], Describe] | None = None,
    ) -> None:
        """Name the index; nothing is sent before it is used.

        Args:
            cluster: Where it is.
            request_id: The request.
            time_limit_s: How long one query may take.
            describer: Asked once a batch: what is known of its items is loaded with them, so that a batch or
                an index that is loaded again loses nothing that people look at.
        """
        self.connection = Connection(cluster)
        self.time_limit_s = time_limit_s
        self._describer = describer
        self.alias = index_alias(request_id)
        self.load_alias = f"{self.alias}-load"
        self._answer: Answer | None = None
        self._words = AllWords()

    # -- the index itself

    def create(self) -> None:
        """Make the index if it is not there; see ``SearchEngine``.

        Raises:
            UsageError: It was made with another token rule or layout.
        """
        with translated():
            if self._made() is None:
                with suppress(_AlreadyThere):
                    self._make(1)

    def rebuild(self) -> None:
        """Begin the next version of the index beside the one that people read, and load into it from now on.

        The alias of people stays where it is until ``publish``.
        """
        with translated():
            versions = self._versions()
            self._make(1 + max((int(name.rpartition("-v")[2]) for name in versions), default=0))

    def publish(self, documents: int) -> None:
        """Show the index to people: restore the settings of serving, move the alias, delete older versions.

        Args:
            documents: How many the ledger says it must hold.

        Raises:
            CheckFailed: It holds another number; the alias stays where it is.
        """
        with translated():
            self.connection.client().indices.refresh(index=self.load_alias)
            with self._reader() as reader:
                found = reader.total({"match_all": {}}) if reader else 0
                loads = reader.loads if reader else ()
                if reader and found == documents and not reader.joined():
                    self._join_words(reader)
            if found != documents:
                raise CheckFailed(
                    f"the index holds {found:,} documents and the ledger {documents:,}: "
                    "rebuild it with reindex"
                )
            (index,) = self.connection.client().indices.get_alias(name=self.load_alias)
            self.connection.client().indices.put_settings(index=index, settings=index_settings()["serve"])
            older = [name for name in self._versions() if name != index]
            self.connection.client().indices.update_aliases(
                actions=[
                    *({"remove_index": {"index": name}} for name in older),
                    self._for_people(index, loads),
                ]
            )

    def _join_words(self, reader: Reader) -> None:
        """Put the words of all batches together, so that whoever asks for many reads each once."""
        load = joined_load(reader.loads)
        packs = packed(reader.words(""), load, {"batch": "", "generation": 0})
        while piece := list(islice(packs, 2 * _PACKS_EACH)):
            bulk(self.connection, self.load_alias, piece)
        bulk(
            self.connection,
            self.load_alias,
            [{"index": {"_id": f"{load}:end"}}, {"doc_type": "words_end", "load": load}],
        )
        older = {"bool": {"filter": [{"prefix": {"load": JOINED}}], "must_not": [{"term": {"load": load}}]}}
        self.connection.client().delete_by_query(
            index=self.load_alias, query=older, conflicts="proceed", refresh=True
        )

    def _for_people(self, index: str, loads: Iterable[str]) -> dict[str, Any]:
        """The action that shows people the documents of these generations."""
        return {"add": {"index": index, "alias": self.alias, "filter": live(loads)}}

    def _show_people(self) -> None:
        """Let people see a batch that was loaded again after the index was published."""
        (index,) = self.connection.client().indices.get_alias(name=self.load_alias)
        if self.connection.client().indices.exists_alias(name=self.alias, index=index):
            with self._reader() as reader:
                loads = reader.loads if reader else ()
            self.connection.client().indices.update_aliases(actions=[self._for_people(index, loads)])

    def drop(self) -> None:
        """Delete every version of the index and its aliases; see ``SearchEngine``."""
        with translated():
            for name in self._versions():
                with suppress(NotFoundError):
                    self.connection.client().indices.delete(index=name)

    def close(self) -> None:
        """Close the connections of this process; the next call opens them again."""
        self.connection.close()

    def _versions(self) -> list[str]:
        found = self.connection.client().indices.get(
            index=f"{self.alias}-v*", features="aliases", expand_wildcards="all"
        )
        return sorted(found.keys())

    def _made(self) -> str | None:
        """Return the id that the cluster gave the index, or None when there is none.

        Raises:
            UsageError: It was made with another token rule or layout.
        """
        try:
            found = self.connection.client().indices.get(
                index=self.load_alias,
                features="mappings,settings",
                filter_path=["*.mappings._meta", "*.settings.index.uuid"],
            )
        except NotFoundError:
            return None
        (index,) = found.values()
        if index.get("mappings", {}).get("_meta", {}) != META:
            raise UsageError("the index was made with another token rule or layout: rebuild it with reindex")
        return str(index["settings"]["index"]["uuid"])

    def _make(self, version: int) -> None:
        index = f"{self.alias}-v{version:06d}"
        older = [] if version == 1 else self._versions()
        settings = index_settings()
        try:
            self.connection.client().indices.create(
                index=index,
                mappings=json.loads(MAPPING.read_text("utf-8")) | {"_meta": META},
                settings={**settings["fixed"], **settings["load"], "analysis": analysis()},
                aliases=None if older else {self.load_alias: {}},
            )
        except ApiError as error:
            if error_type(error) == "resource_already_exists_exception":
                raise _AlreadyThere from error  # another worker was first: theirs is the same
            raise
        if older:
            self.connection.client().indices.update_aliases(
                actions=[
                    {"remove": {"index": f"{self.alias}-v*", "alias": self.load_alias}},
                    {"add": {"index": index, "alias": self.load_alias}},
                ]
            )

    # -- writing

    def upsert(self, batch_id: str, documents: Iterable[IndexDocument]) -> int:
        """Put a batch's documents in, replacing what it put there before; see ``SearchEngine``.

        Raises:
            AttemptLost: A later attempt has claimed the batch; this one's documents stay unseen.
            CheckFailed: An item is in it twice, or in another batch too, or the cluster refuses a document.
            Incomplete: The index takes no writes (read-only, disk full), or holds less than was sent.
            Retryable: The cluster went away or stayed overloaded.
        """
        self.create()
        with translated():
            load = Load.claim(self.connection, self.load_alias, batch_id)
            try:
                load.send(documents, self._describer() if self._describer else None)
                load.check()
                with self._reader() as reader:
                    if reader is not None:
                        load.check_alone(reader)
                load.show()
            except BaseException:
                load.delete(f"{batch_id}.{load.generation}")
                raise
            self._show_people()
            if load.generation > 1:
                load.delete_older()
        return load.documents

    def describe(self, fields: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """Write fields that people look at over documents that are there, where they have changed.

        The server analyzes a whole document again to change one field of it, so each document keeps a digest
        of these fields, and one that has them already is left alone.

        Args:
            fields: Item ids with what to write; fields of the mapping that no query of ours reads.

        Returns:
            How many documents were written.
        """
        written = 0
        stream = iter(fields)
        while piece := list(islice(stream, BULK_DOCUMENTS)):
            wanted = dict(piece)
            with translated():
                with self._reader() as reader:
                    there = reader.described(list(wanted)) if reader else []
                operations = []
                for item_id, place, digest in there:
                    fresh = described(wanted[item_id])
                    if fresh["described"] != digest:
                        operations += [{"update": {"_id": place}}, {"doc": fresh}]
                written += bulk(self.connection, self.load_alias, operations)
        with translated():
            if written:
                self.connection.client().indices.refresh(index=self.load_alias)
        return written

    # -- reading

    @contextmanager
    def reading(self) -> Iterator[_Reading]:
        """Hold one state of the index; see ``SearchEngine``."""
        with translated(), self._reader() as reader:
            yield _Reading(self, reader)

    def terms(self, queries: Iterable[q.Node]) -> Iterator[TermHits]:
        """Run a term list, all of it on one point in time; see ``SearchEngine``."""
        listed = list(queries)
        with translated(), self._reader() as reader:
            if reader is None:
                yield from (TermHits(()) for _ in listed)
                return
            pieces = [listed[n : n + _AT_ONCE] for n in range(0, len(listed), _AT_ONCE)]
            asking = ThreadPoolExecutor(_ASKING)
            try:
                table = asking.submit(reader.table) if len(listed) >= _LONG_LIST else None
                if sum(len(set(q.open_terms(query))) for query in listed) >= _MANY_PATTERNS:
                    reader.read_words()
                waiting: deque[Future[list[TermHits]]] = deque()
                for piece in pieces:
                    waiting.append(asking.submit(lambda piece=piece: list(reader.answers(piece, table))))  # type: ignore[misc]
                    if len(waiting) > _AHEAD:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                asking.shutdown(cancel_futures=True)

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted; see ``SearchEngine``."""
        if isinstance(term, q.Word):
            return [term.text]
        with translated(), self._reader() as reader:
            return reader.expand(term) if reader else []

    def vocabulary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the tokens that start with ``prefix`` (folded first), with the number of documents."""
        with translated(), self._reader() as reader:
            found = list(reader.words(fold(prefix).strip())) if reader else []
        yield from found

    @contextmanager
    def _reader(self) -> Iterator[Reader | None]:
        """Open a point in time, or give None when the index was never made."""
        index_id = self._made()
        if index_id is None:
            yield None
            return
        reader = Reader(self.connection.client(), self.load_alias, index_id, self.time_limit_s, self._words)
        try:
            reader.open()
            yield reader
        finally:
            reader.close()


class _Reading:
    """What is asked of one state of the index; of an index that was never made, an empty one.

    Attributes:
        engine: Keeps the last answer.
        reader: The point in time, or None.
    """

    def __init__(self, engine: ElasticsearchEngine, reader: Reader | None) -> None:
        self.engine = engine
        self.reader = reader

    def state(self) -> IndexState:
        """Say what is in it; see ``Reading``."""
        loads, documents = (self.reader.loads, self.reader.documents) if self.reader else ((), 0)
        return IndexState(documents, len(loads), ANALYZER, "elasticsearch")

    def count(self, query: q.Node) -> Counts:
        """Count exactly; see ``Reading``. The first hits come along, since a person counts and then looks."""
        if self.reader is None:
            return Counts(0, 0, 0)
        with translated():
            self.reader.begin()
            compiled = self.reader.compile(query)
            counts, first = self.reader.counted(compiled)
        self.engine._answer = Answer(query, self.reader.shown, compiled, counts, first)
        return counts

    def search(self, query: q.Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Return hits in item-id order, those after ``after``; see ``Reading``."""
        if self.reader is None:
            return []
        kept = self.engine._answer
        known = kept is not None and (kept.query, kept.shown) == (query, self.reader.shown)
        if kept is not None and known and after is None and kept.has(limit):
            return list(kept.first[:limit])
        with translated():
            self.reader.begin()
            compiled = kept.compiled if kept is not None and known else self.reader.compile(query)
            if after is not None:
                compiled = {"bool": {"filter": [compiled, {"range": {"item_id": {"gt": after}}}]}}
            return [Hit(*row) for row in islice(self.reader.rows(compiled, HIT_SORT, limit), limit)]


class _AlreadyThere(Exception):  # noqa: N818 - not an error
    """Another process has made the index meanwhile."""
