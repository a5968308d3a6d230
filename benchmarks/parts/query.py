"""How long a query takes: counted exactly, logged, and the first page of ten with snippets."""

from __future__ import annotations

import time
from statistics import quantiles

import sqlalchemy as sa

from benchmarks import index
from benchmarks.settings import Bench, Figures
from benchmarks.sheets import Sheet, figure, held
from benchmarks.vocabulary import KINDS, Draw
from desk.home import Home
from records import tables as t
from search import matcher, query
from search.protocol import SearchEngine

PAGE = 10
BARS_MS = {"phrase": 150.0, "near": 150.0, "word": 50.0}
"""95th percentiles at 500,000 messages."""


def measure(bench: Bench) -> Figures:
    """Measure each kind of query, warm, on the largest index of this run.

    Raises:
        BenchmarkError: The index had to be made, and that failed.
    """
    with index.largest(bench) as (home, request_id, messages):
        bench.say(f"query: {bench.sizes.queries} of each kind over {messages:,} messages …")
        draw = Draw.of(home, request_id)
        engine = home.engine(request_id)
        kinds = {}
        for kind in KINDS:
            warm_up = bench.sizes.warm_up
            drawn = [draw.query(kind) for _ in range(warm_up + bench.sizes.queries)]
            kinds[kind] = summed([timed(home, engine, request_id, one) for one in drawn][warm_up:])
        engine.close()
        return {
            "messages": messages,
            "documents": engine.state().documents,
            "kinds": kinds,
            "bars_ms": BARS_MS,
        }


def summed(taken: list[tuple[float, int]]) -> Figures:
    """Return the figures of one kind from milliseconds and documents of each of its queries."""
    times, documents = [ms for ms, _ in taken], sorted(found for _, found in taken)
    cuts = quantiles(times, n=20, method="inclusive")
    return {
        "queries": len(times),
        "p50_ms": cuts[9],
        "p95_ms": cuts[18],
        "longest_ms": max(times),
        "median_documents": documents[len(documents) // 2],
    }


def timed(home: Home, engine: SearchEngine, request_id: str, text: str) -> tuple[float, int]:
    """Answer one query as a person gets it; return milliseconds and the number of documents it counted."""
    zone = home.request(request_id).body.zone
    began = time.perf_counter()
    answer = query.search(home.catalogue, engine, request_id, text, zone, "benchmark", limit=PAGE)
    r = t.readings.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(r.subject, r.text_sha256).where(
                r.request_id == request_id, r.item_id.in_([hit.item_id for hit in answer.hits])
            )
        ).all()
    store = home.store(request_id)
    refs = store.find(row.text_sha256 for row in rows if row.text_sha256)
    for row in rows:
        matcher.snippets(answer.node, row.subject or "", field="subject")
        if row.text_sha256 in refs:
            matcher.snippets(answer.node, store.read(refs[row.text_sha256]).decode("utf-8"))
    return (time.perf_counter() - began) * 1000, answer.counts.documents


def sheets(figures: Figures) -> list[Sheet]:
    """Return the tables."""
    rows = []
    for kind, one in figures["kinds"].items():
        bar = figures["bars_ms"].get(kind)
        rows.append((
            kind,
            figure(one["p50_ms"]),
            figure(one["p95_ms"]),
            figure(one["longest_ms"]),
            f"{one['median_documents']:,}",
            "–" if bar is None else f"{bar:.0f} ms, {held(one['p95_ms'] < bar)}",
        ))  # fmt: skip
    queries = next(iter(figures["kinds"].values()))["queries"]
    note = (
        f"{figures['messages']:,} messages, embedded index, warm, {queries} queries of each kind drawn "
        "from the index: each counted exactly over all, logged, with a first page of ten and its "
        "snippets. A common word is "
        "in more than 5 % of the documents; near is w/8, a pattern has * "
        "inside a word, a spelling is %. The bars are for 500,000 messages."
    )
    columns = ("query", "p50 ms", "p95 ms", "longest ms", "documents, median", "bar for p95")
    return [Sheet("Queries", columns, tuple(rows), (note,))]
