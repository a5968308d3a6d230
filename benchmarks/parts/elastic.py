"""The same index, queries and term list on a real Elasticsearch, side by side with the embedded index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import sqlalchemy as sa

from benchmarks import index
from benchmarks.parts.query import BARS_MS, summed, timed
from benchmarks.parts.terms import MIX
from benchmarks.settings import Bench, BenchmarkError, Figures
from benchmarks.sheets import Sheet, figure, held
from benchmarks.vocabulary import KINDS, Draw
from desk import pool
from desk.home import Home
from desk.searching import SCRATCH_VERSION, counting_by_workers
from examples.servers.elasticsearch import elasticsearch, why_not
from records import tables as t
from records.settings import Settings
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.indexing import index_batch
from search.language import parse
from search.protocol import SearchEngine
from search.terms import Term, forget, run_terms

MOST_S = 20.0
"""1,000 terms over 100,000 messages."""

WRITERS = 2

QUERIES = 50
"""Most queries of a kind: each is asked of two engines, and a whole run has other things to do."""


def measure(bench: Bench) -> Figures:
    """Load the largest index of this run into a server of its own, then ask both.

    Raises:
        BenchmarkError: This machine cannot run the server, or the two engines differ.
    """
    missing = why_not(8)
    if missing:
        raise BenchmarkError(missing)
    with (
        index.largest(bench) as (home, request_id, messages),
        elasticsearch(8, heap="1g", whole_compiler=bench.sizes.name != "tiny") as server,
    ):
        bench.say(f"elastic: {messages:,} messages into Elasticsearch {server.version} …")
        documents, load_s = _load(home, server.url, request_id)
        draw = Draw.of(home, request_id)
        embedded = home.engine(request_id)
        with _engine(server.url, request_id) as elastic:
            began = time.monotonic()
            elastic.publish(documents)
            publish_s = time.monotonic() - began
            engines: dict[str, SearchEngine] = {"embedded": embedded, "elasticsearch": elastic}
            queries = min(QUERIES, bench.sizes.queries)
            bench.say(f"elastic: {queries} queries of each kind on both …")
            kinds = {
                kind: _queries(bench.sizes.warm_up, queries, home, request_id, draw, engines, kind)
                for kind in KINDS
            }
            wanted: dict[str, None] = {}
            while len(wanted) < bench.sizes.terms:
                wanted[draw.listed(MIX[len(wanted) % len(MIX)])] = None
            bench.say(f"elastic: {len(wanted):,} terms on both …")
            reports = {name: _report(home, request_id, one, list(wanted)) for name, one in engines.items()}
        embedded.close()
    if reports["embedded"]["hits"] != reports["elasticsearch"]["hits"]:
        raise BenchmarkError("elastic: the engines found different numbers of hits")
    return {
        "version": server.version,
        "messages": messages,
        "documents": documents,
        "load_s": load_s,
        "publish_s": publish_s,
        "writers": WRITERS,
        "kinds": kinds,
        "bars_ms": BARS_MS,
        "terms": len(wanted),
        "reports": reports,
        "most_s": MOST_S,
    }


@contextmanager
def _engine(url: str, request_id: str) -> Iterator[ElasticsearchEngine]:
    engine = ElasticsearchEngine(Cluster(url), request_id)
    try:
        yield engine
    finally:
        engine.close()


def _load(home: Home, url: str, request_id: str) -> tuple[int, float]:
    """Load every batch, as many at once as a run does; return documents and seconds."""
    b = t.batches.c
    with home.catalogue.read() as connection:
        query = sa.select(b.batch_id).where(b.request_id == request_id).order_by(b.batch_id)
        batches = list(connection.scalars(query))
    with ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(_ready, range(WRITERS)))
        began = time.monotonic()
        places = [(home.settings.home, url, request_id, batch) for batch in batches]
        return sum(pool.map(_load_batch, places)), time.monotonic() - began


def _ready(_number: int) -> None:
    time.sleep(0.2)  # so that no process starts within what is measured


def _load_batch(given: tuple[Path, str, str, str]) -> int:
    folder, url, request_id, batch_id = given
    home = Home.open(settings=Settings(home=folder))
    try:
        with _engine(url, request_id) as engine:
            zone = home.request(request_id).body.zone
            return index_batch(home.catalogue, home.store(request_id), engine, request_id, batch_id, zone)
    finally:
        home.close()


def _queries(
    warm_up: int,
    queries: int,
    home: Home,
    request_id: str,
    draw: Draw,
    engines: dict[str, SearchEngine],
    kind: str,
) -> Figures:
    """Ask both engines the same queries of one kind.

    Raises:
        BenchmarkError: They counted differently.
    """
    drawn = [draw.query(kind) for _ in range(warm_up + queries)]
    taken = {
        name: [timed(home, engine, request_id, one) for one in drawn][warm_up:]
        for name, engine in engines.items()
    }
    if len({tuple(documents for _, documents in one) for one in taken.values()}) > 1:
        raise BenchmarkError(f"elastic: the engines counted differently ({kind})")
    return {name: summed(one) for name, one in taken.items()}


class _Timed:
    """An engine of which the seconds spent in its term list are kept."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine
        self.seconds = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def terms(self, queries: list[object]) -> Iterator[object]:
        began = time.monotonic()
        found = list(self._engine.terms(queries))
        self.seconds = time.monotonic() - began
        return iter(found)


def _report(home: Home, request_id: str, engine: SearchEngine, wanted: list[str]) -> Figures:
    """Make a whole hit report; return seconds, of it the engine's, and hits."""
    zone = home.request(request_id).body.zone
    watched = _Timed(engine)
    listed = [Term(number, term, "") for number, term in enumerate(wanted, 2)]
    for one in listed:
        parse(one.term, zone)  # what is read once in a process is read before
    forget(home.catalogue, request_id, SCRATCH_VERSION)  # of the other engine; neither has to
    began = time.monotonic()
    with pool.workers(home.settings, request_id, reading=False) as workers:  # as the command does
        store, counting = home.store(request_id), counting_by_workers(home, request_id, workers)
        report = run_terms(
            home.catalogue, store, watched, request_id, SCRATCH_VERSION, listed, zone, counting=counting
        )
    if report.bad_lines:
        raise BenchmarkError(f"elastic: {len(report.bad_lines)} of {len(wanted)} terms were not run")
    return {
        "wall_s": time.monotonic() - began,
        "engine_s": watched.seconds,
        "hits": sum(row.documents for row in report.terms),
    }


def _bar(bar: float | None, p95_ms: float) -> str:
    return "–" if bar is None else f"{bar:.0f} ms, {held(p95_ms < bar)}"


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows = [
        (
            kind,
            *(
                figure(one[engine][cut])
                for cut in ("p50_ms", "p95_ms")
                for engine in ("embedded", "elasticsearch")
            ),
            f"{one['embedded']['median_documents']:,}",
            _bar(figures["bars_ms"].get(kind), one["elasticsearch"]["p95_ms"]),
        )
        for kind, one in figures["kinds"].items()
    ]
    columns = ("query", "embedded p50 ms", "Elasticsearch p50 ms", "embedded p95 ms", "Elasticsearch p95 ms",
               "documents, median", "bar for p95 on Elasticsearch")  # fmt: skip
    queries = next(iter(figures["kinds"].values()))["embedded"]["queries"]
    note = (
        f"{figures['messages']:,} messages on Elasticsearch {figures['version']}, one node here with "
        f"a heap of 1 GB; the same {queries} queries of each kind on both, warm, and the same counts."
    )
    reports = [
        (name, figure(one["wall_s"]), figure(one["engine_s"]), f"{one['hits']:,}")
        for name, one in figures["reports"].items()
    ]
    reached = held(figures["reports"]["elasticsearch"]["wall_s"] < figures["most_s"])
    loaded = (
        f"Loading: {figures['documents']:,} documents in {figures['load_s']:.1f} s by {figures['writers']} "
        f"processes, {figures['documents'] / figures['load_s']:,.0f} a second; then "
        f"{figures['publish_s']:.1f} s until people see it: the words of all batches are put together then."
    )
    bar = (
        f"{figures['terms']:,} terms. Bar: below {figures['most_s']:.0f} s on Elasticsearch for 1,000 terms "
        f"over 100,000 messages; here {reached}. What is not the engine's is the reading of the stored texts "
        "for occurrences, and the rows kept."
    )
    of_reports = ("engine", "wall s", "of it the engine s", "hits")
    return [
        Sheet("Queries on both engines", columns, tuple(rows), (note,)),
        Sheet("Hit report on both engines", of_reports, tuple(reports), (bar, loaded)),
    ]
