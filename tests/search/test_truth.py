"""The written truth table: the oracle and the engine both have to meet it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from search.embedded import EmbeddedEngine
from search.language import parse
from search.protocol import Counts
from tests.search import oracle
from tests.search.district import BATCHES, EVERYTHING, TRUTH

PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(Path(tmp_path_factory.mktemp("index")) / "index")
    for batch_id, documents in BATCHES.items():
        assert engine.upsert(batch_id, documents) == len(documents)
    yield engine
    engine.close()


@pytest.mark.parametrize(("query", "expected"), TRUTH, ids=[query for query, _ in TRUTH])
def test_truth(engine: EmbeddedEngine, query: str, expected: str) -> None:
    node = parse(query, PACIFIC)
    assert oracle.search(node, EVERYTHING) == expected.split()
    assert [hit.item_id for hit in engine.search(node)] == expected.split()
    found = [one for one in EVERYTHING if one.item_id in expected.split()]
    assert engine.count(node) == Counts(
        len(found), len({one.family_id for one in found}), len({one.distinct_key for one in found})
    )


def test_there_are_enough_of_them() -> None:
    assert len(TRUTH) == len(dict(TRUTH)) >= 60
