"""The embedded engine against the oracle on random collections and trees."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search import embedded_fts
from search.embedded import EmbeddedEngine
from search.protocol import IndexDocument
from search.tree import Node
from tests.search import oracle
from tests.search.engine_contract import finds_what_the_oracle_finds
from tests.search.random_trees import collections, near, nodes, not_near


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batches=collections(),
    queries=st.lists(nodes, min_size=8, max_size=16),
    threads=st.sampled_from([1, 3]),
)
def test_engine_finds_what_the_oracle_finds(
    batches: list[list[IndexDocument]], queries: list[Node], threads: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(Path(folder) / "index", threads=threads)
        for number, batch in enumerate(batches):
            engine.upsert(f"b{number * 64 if number == 2 else number}", batch)  # two of them share a shard
        finds_what_the_oracle_finds(engine, [one for batch in batches for one in batch], queries)
        engine.close()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=collections(), queries=st.lists(st.one_of(near, not_near), min_size=8, max_size=16))
def test_words_read_one_by_one_are_as_near_as_the_oracle_says(
    batches: list[list[IndexDocument]], queries: list[Node]
) -> None:
    """The way taken for very many words, here for a few, for which FTS5 has another."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded_fts, "TOGETHER", 0)
        engine = EmbeddedEngine(Path(folder) / "index")
        for number, batch in enumerate(batches):
            engine.upsert(f"b{number}", batch)
        everything = [document for batch in batches for document in batch]
        for query, result in zip(queries, engine.terms(queries), strict=True):
            assert [hit.item_id for hit in result.hits] == oracle.search(query, everything)
        engine.close()
