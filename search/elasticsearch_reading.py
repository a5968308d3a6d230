"""An index at one point in time: pages, counts, lists of queries, words.

All of a request's index is in one shard, so that one point in time shows documents, batches and words as they
belong together.
"""

from __future__ import annotations

import hashlib
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from elasticsearch import ApiError, Elasticsearch, TransportError

from records.errors import Retryable
from search import expansion
from search import tree as q
from search.elasticsearch_index import live
from search.elasticsearch_queries import Compiler
from search.protocol import PREFIX_LIMIT, Counts, Hit, TermHits, TooLong, TooManyWords

_PAGE = 10_000  # the server's largest page (index.max_result_window)
_BUCKETS = 10_000
_TEXTS_EACH = 200
_KEEP_ALIVE = "5m"
_LAST = "\U0010ffff"
_AT_ONCE_S = 2  # longest for one of them; then it is asked alone
_FIRST_HITS = 100  # read with each count
_SHARED = 25_000  # families, and contents, that hits share; two lists are below the server's 65,536 buckets
_WORDS_WAITING = 100_000
HIT_SORT = ("item_id", "family_id", "custodian", "source", "distinct_key")

JOINED = "joined:"
"""Begins the name of the words of all batches together; no batch's load begins so."""

_NUMBER = "_shard_doc"
"""A document's number in the one shard of a point in time; the server gives documents in this order for
nothing."""

_Shown = tuple[str, tuple[str, ...]]
"""Id of an index, and the generations that are to be seen in it: where both are the same, all is."""

_SHOWN = {"bool": {"filter": [{"term": {"doc_type": "batch"}}, {"range": {"live": {"gt": 0}}}]}}
"""The records of batches that are to be seen."""

_BATCH = ("batch", "live", "documents")


class _RowsOfHits:
    """Makes hits of rows that hold all of a hit."""

    fields: ClassVar[tuple[str, ...]] = HIT_SORT

    def hits(self, rows: Iterable[list[Any]]) -> tuple[Hit, ...]:
        return tuple(Hit(*row[: len(HIT_SORT)]) for row in rows)


_rows_of_hits = _RowsOfHits()


@dataclass(frozen=True, slots=True)
class _Table:
    """Makes hits of rows that hold a number alone: the rows of all documents were read before.

    Attributes:
        all: Every document, by item id in order.
        places: Where it is in ``all``, by its number.
    """

    all: list[Hit]
    places: dict[int, int]

    fields: ClassVar[tuple[str, ...]] = (_NUMBER,)

    @classmethod
    def of(cls, rows: Iterable[list[Any]]) -> _Table:
        same: dict[str, str] = {}  # one string for each id, however many rows name it
        numbered = sorted((row[1], row[0], row[2:]) for row in rows)
        return cls(
            [
                Hit(item_id, *(same.setdefault(value, value) for value in rest))
                for item_id, _, rest in numbered
            ],
            {number: place for place, (_, number, _) in enumerate(numbered)},
        )

    def hits(self, rows: Iterable[list[Any]]) -> tuple[Hit, ...]:
        return tuple([self.all[place] for place in sorted([self.places[row[0]] for row in rows])])


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found, for the pages that are asked for after its count.

    Attributes:
        query: The query.
        shown: What the index showed then.
        compiled: The query as the server takes it.
        counts: Its counts.
        first: Its first hits, at most ``_FIRST_HITS``.
    """

    query: q.Node
    shown: _Shown
    compiled: dict[str, Any]
    counts: Counts
    first: tuple[Hit, ...]

    def has(self, limit: int) -> bool:
        """Say whether a first page of so many hits is in it."""
        return limit <= len(self.first) or len(self.first) == self.counts.documents


class AllWords:
    """All words of an index as last read, a space between two: as strings they take ten times as much."""

    def __init__(self) -> None:
        self._kept: tuple[_Shown, str] | None = None

    def get(self, shown: _Shown) -> list[str] | None:
        """Return the words, sorted, or None when others or none are kept."""
        kept = self._kept
        return kept[1].split(" ") if kept is not None and kept[0] == shown else None

    def keep(self, shown: _Shown, words: list[str]) -> None:
        """Keep them instead of what was kept."""
        self._kept = shown, " ".join(words)


class Reader:
    """The index at one point in time.

    Attributes:
        shown: The index and the generations in it that are to be seen, one a batch.
        documents: How many those hold.
        limit_s: How long a query may take.
    """

    def __init__(
        self, client: Elasticsearch, index: str, index_id: str, limit_s: float, words: AllWords
    ) -> None:
        self._client = client
        self._index = index
        self._pit = ""
        self.shown: _Shown = (index_id, ())
        self.limit_s = limit_s
        self._clock = threading.local()  # a list is asked by several threads
        self.begin()
        self._labels: dict[str, list[str]] = {}
        self._words = words
        self._all: list[str] | None = None
        self._joined: bool | None = None
        self._filter: dict[str, Any] = {}
        self.documents = 0

    @property
    def loads(self) -> tuple[str, ...]:
        """The generations that are to be seen, one a batch."""
        return self.shown[1]

    def open(self) -> None:
        """Hold the index as it is now, and see which generations are to be seen in it."""
        self._pit = self._client.open_point_in_time(index=self._index, keep_alive=_KEEP_ALIVE)["id"]
        records = list(self._rows(_SHOWN, _BATCH))
        self.shown = self.shown[0], tuple(f"{batch}.{generation}" for batch, generation, _ in records)
        self.documents = sum(documents for _, _, documents in records)
        self._filter = live(self.loads)

    def begin(self) -> None:
        """Give the next question of this thread all of its time."""
        self._clock.until = time.monotonic() + self.limit_s

    def close(self) -> None:
        """Let go of it."""
        if self._pit:
            with suppress(ApiError, TransportError):  # it ends by itself
                self._client.close_point_in_time(id=self._pit)

    # -- asking

    def _search(self, **body: Any) -> dict[str, Any]:
        if time.monotonic() > self._clock.until:
            raise TooLong(self.limit_s)
        found = self._client.search(
            pit={"id": self._pit, "keep_alive": _KEEP_ALIVE},
            allow_partial_search_results=False,  # part of an answer is no answer
            **body,
        )
        _check_whole(found)
        self._pit = found.get("pit_id", self._pit)
        return dict(found)

    def _seen(self, query: dict[str, Any]) -> dict[str, Any]:
        return {"bool": {"filter": [query, self._filter]}}

    def total(self, query: dict[str, Any]) -> int:
        """Return how many documents match, exactly."""
        found = self._search(query=self._seen(query), size=0, track_total_hits=True)
        return int(found["hits"]["total"]["value"])

    def rows(self, query: dict[str, Any], fields: tuple[str, ...], page: int = _PAGE) -> Iterator[list[Any]]:
        """Yield keyword fields of every document that matches, in the order of the fields."""
        return self._rows(self._seen(query), fields, page)

    def _rows(
        self,
        query: dict[str, Any],
        fields: tuple[str, ...],
        page: int = _PAGE,
        first: list[list[Any]] | None = None,
    ) -> Iterator[list[Any]]:
        """Page by ``search_after``; what is sorted by comes with the hit, so that nothing else is read.

        Without ``stored_fields`` the server would unpack each hit's text to give its ``_id``. ``first`` is
        the first page, where it was read before.
        """
        size = max(1, min(page, _PAGE))
        after: list[Any] | None = None
        while True:
            rows = first
            if rows is None or after is not None:
                found = self._search(
                    filter_path=["pit_id", "timed_out", "hits.hits.sort"],
                    search_after=after,
                    **_page(query, fields, size),
                )
                rows = [hit["sort"] for hit in found.get("hits", {}).get("hits", [])]
            for row in rows:
                yield row[: len(fields)]
            if len(rows) < size:
                return
            after = rows[-1]

    def table(self) -> _Table:
        """Read the row of every document once."""
        self.begin()
        return _Table.of(self.rows({"match_all": {}}, (_NUMBER, *HIT_SORT)))

    def answers(self, queries: list[q.Node], table: Future[_Table] | None) -> Iterator[TermHits]:
        """Answer some queries of a list together; one that cannot be run says why.

        Args:
            queries: The queries.
            table: The rows of all documents, which may still be read; None: each answer brings those of its
                hits.
        """
        compiled: list[dict[str, Any] | str] = []
        for query in queries:
            self.begin()
            try:
                compiled.append(self._seen(self.compile(query)))
            except (TooManyWords, TooLong) as refused:
                compiled.append(str(refused))
        asked = [one for one in compiled if not isinstance(one, str)]
        fields = _RowsOfHits.fields if table is None else _Table.fields
        answered = iter(list(self._together(asked, fields)))  # asked while the table is read
        hits = _rows_of_hits if table is None else table.result()
        for one in compiled:
            if isinstance(one, str):
                yield TermHits((), one)
                continue
            first = next(answered)
            self.begin()
            try:
                yield TermHits(hits.hits(self._rows(one, hits.fields, first=first)))
            except TooLong as refused:
                yield TermHits((), str(refused))

    def _together(
        self, queries: list[dict[str, Any]], fields: tuple[str, ...]
    ) -> Iterator[list[list[Any]] | None]:
        """Yield the first page of each query; None for one to be asked alone: it is slow, or failed."""
        if not queries:
            return
        searches: list[dict[str, Any]] = []
        for query in queries:
            pit = {"id": self._pit, "keep_alive": _KEEP_ALIVE}
            page = _page(query, fields, _PAGE)
            searches += [{}, {**page, "pit": pit, "timeout": f"{_AT_ONCE_S}s"}]
        wanted = ("timed_out", "error.type", "hits.hits.sort")
        found = self._client.msearch(
            searches=searches, filter_path=["took", *(f"responses.{name}" for name in wanted)]
        )
        for answer in found["responses"]:
            hits = answer.get("hits", {}).get("hits", [])
            whole = "error" not in answer and not answer.get("timed_out")
            yield [hit["sort"] for hit in hits] if whole else None

    def counted(self, query: dict[str, Any]) -> tuple[Counts, tuple[Hit, ...]]:
        """Count what matches exactly, and return its first hits by item id.

        The server counts the families, and contents, that several of the documents share: each of the others
        has one of its own. Their number is all that it sends.
        """
        shared: dict[str, Any] = {}
        for name in ("family_id", "distinct_key"):
            several = {"min_doc_count": 2, "shard_min_doc_count": 2}
            shared[name] = {"terms": {"field": name, "size": _SHARED, **several}}
            shared[f"all_{name}"] = {"stats_bucket": {"buckets_path": f"{name}>_count"}}
        page = _page(self._seen(query), HIT_SORT, _FIRST_HITS)
        found = self._search(
            aggs=shared,
            filter_path=[
                "pit_id", "timed_out", "hits.total", "hits.hits.sort",
                *(f"aggregations.all_*.{figure}" for figure in ("count", "sum")),
            ],
            **{**page, "track_total_hits": True},
        )  # fmt: skip
        documents = int(found["hits"]["total"]["value"])

        def different(name: str) -> int:
            figures = found["aggregations"][f"all_{name}"]
            if figures["count"] < _SHARED:
                return documents - int(figures["sum"]) + int(figures["count"])
            return sum(1 for _ in self._values(self._seen(query), name))

        counts = Counts(documents, different("family_id"), different("distinct_key"))
        hits = found["hits"].get("hits", [])
        return counts, tuple(Hit(*hit["sort"][: len(HIT_SORT)]) for hit in hits)

    def _values(self, query: dict[str, Any], field: str) -> Iterator[str]:
        after: dict[str, Any] | None = None
        while True:
            pages: dict[str, Any] = {"size": _BUCKETS, "sources": [{"value": {"terms": {"field": field}}}]}
            if after is not None:
                pages["after"] = after
            found = self._search(query=query, size=0, aggs={"values": {"composite": pages}})
            buckets = found["aggregations"]["values"]["buckets"]
            yield from (bucket["key"]["value"] for bucket in buckets)
            if len(buckets) < _BUCKETS:
                return
            after = found["aggregations"]["values"]["after_key"]

    def described(self, item_ids: list[str]) -> list[tuple[str, str, str]]:
        """Return those items that are there: item id, ``_id``, digest of the fields that people look at."""
        query = self._seen({"terms": {"item_id": item_ids}})
        found = self._search(
            query=query, size=len(item_ids), source=False, docvalue_fields=["item_id", "described"],
            track_total_hits=False,
        )["hits"]["hits"]  # fmt: skip
        return [
            (hit["fields"]["item_id"][0], hit["_id"], hit["fields"].get("described", [""])[0])
            for hit in found
        ]

    def texts(self, query: dict[str, Any], name: str) -> Iterator[tuple[str, list[str]]]:
        """Yield every document that matches with the values of a text field, some hundred at once."""
        after: list[Any] | None = None
        while True:
            page = self._search(
                query=self._seen(query), size=_TEXTS_EACH, sort=[{"item_id": "asc"}], search_after=after,
                source=[name], track_total_hits=False,
            )["hits"]["hits"]  # fmt: skip
            for hit in page:
                value = hit["_source"].get(name, [])
                yield hit["sort"][0], [value] if isinstance(value, str) else value
            if len(page) < _TEXTS_EACH:
                return
            after = page[-1]["sort"]

    def words(self, start: str) -> Iterator[tuple[str, int]]:
        """Yield the words that start so, sorted, with the number of their documents."""
        waiting: dict[str, int] = {}
        for first, pack in self._packs(start):
            if len(waiting) > _WORDS_WAITING:  # no later pack has a word before the first of this one
                ready = sorted(word for word in waiting if word < first)
                yield from ((word, waiting.pop(word)) for word in ready)
            for line in pack.split("\n"):
                word, _, documents = line.partition(" ")
                if word.startswith(start):
                    waiting[word] = waiting.get(word, 0) + int(documents)
        yield from sorted(waiting.items())

    def _listed(self, start: str) -> list[str]:
        """Return the words that start so, sorted."""
        words = self._all = self._all or self._words.get(self.shown)
        if words is None:
            # In the order in which they come, nearly sorted: a set would lose it.
            words = sorted(
                dict.fromkeys(word for _, pack in self._packs(start) for word in pack.split()[::2])
            )
            if not start:
                self._words.keep(self.shown, words)
                self._all = words
        return words[bisect_left(words, start) : bisect_left(words, start + _LAST)] if start else words

    def read_words(self) -> None:
        """Read all words of the index, for a list that asks for many."""
        self._listed("")

    def joined(self) -> bool:
        """Say whether the words of all batches are kept together too, see ``publish``."""
        if self._joined is None:
            end = [{"term": {"doc_type": "words_end"}}, {"term": {"load": joined_load(self.loads)}}]
            found = self._search(query={"bool": {"filter": end}}, size=0, track_total_hits=True)
            self._joined = found["hits"]["total"]["value"] > 0
        return self._joined

    def _packs(self, start: str) -> Iterator[tuple[str, str]]:
        """Yield packs as far as words in them may start so, in the order of their first words, with these."""
        wanted: list[dict[str, Any]] = [
            {"term": {"doc_type": "words"}},
            {"terms": {"load": [joined_load(self.loads)] if self.joined() else list(self.loads)}},
        ]
        if start:
            wanted += [
                {"range": {"last_word": {"gte": start}}},
                {"range": {"first_word": {"lt": start + _LAST}}},
            ]
        after: list[Any] | None = None
        size = 200
        while True:
            page = self._search(
                query={"bool": {"filter": wanted}}, size=size, sort=["first_word"], search_after=after,
                source=["words"], track_total_hits=False,
            )["hits"]["hits"]  # fmt: skip
            for hit in page:
                yield hit["sort"][0], hit["_source"]["words"]
            if len(page) < size:
                return
            after = page[-1]["sort"]

    def compile(self, node: q.Node) -> dict[str, Any]:
        """Compile a tree to a query of this state; see ``Compiler``."""
        return Compiler(self).compile(node)

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted.

        Raises:
            TooManyWords: They are more than ``PREFIX_LIMIT``.
        """
        words = expansion.expand(term, self._listed(expansion.common_start(term)))
        if len(words) > PREFIX_LIMIT:
            raise TooManyWords(len(words))
        return words

    def label_values(self, field: str) -> list[str]:
        """Return every value of a label field, read once."""
        if field not in self._labels:
            everything = self._seen({"match_all": {}})
            self._labels[field] = list(q.HAS_VALUES if field == "has" else self._values(everything, field))
        return self._labels[field]


def _page(query: dict[str, Any], fields: tuple[str, ...], size: int) -> dict[str, Any]:
    return {
        "query": query, "size": size, "sort": [{name: "asc"} for name in fields],
        "stored_fields": "_none_", "track_total_hits": False,
    }  # fmt: skip


def _check_whole(found: Any) -> None:
    """Refuse part of an answer."""
    if found.get("timed_out"):
        raise Retryable("the search cluster gave up on a query", retry_after_s=5.0)


def joined_load(loads: Iterable[str]) -> str:
    """Under what name the words of these generations are kept together; no batch's load begins so."""
    return JOINED + hashlib.sha256("\n".join(sorted(loads)).encode()).hexdigest()
