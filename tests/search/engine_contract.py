"""What both engines owe, asked of either."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from search.language import parse
from search.protocol import Counts, IndexDocument, SearchEngine, TooManyWords
from search.tree import And, Node, Not, Phrase, Prefix, Word
from tests.search import oracle
from tests.search.district import document

PACIFIC = ZoneInfo("America/Los_Angeles")


def read(query: str) -> Node:
    return parse(query, PACIFIC)


def ids(engine: SearchEngine, query: str) -> list[str]:
    return [hit.item_id for hit in engine.search(read(query))]


def finds_what_the_oracle_finds(
    engine: SearchEngine, everything: Sequence[IndexDocument], queries: Sequence[Node]
) -> None:
    """Ask each query in every way: as a list, a count, a search, a second page."""
    assert isinstance(engine, SearchEngine)
    by_id = {document.item_id: document for document in everything}
    listed = list(engine.terms(queries))
    with engine.reading() as reading:
        for query, result in zip(queries, listed, strict=True):
            expected = oracle.search(query, everything)
            assert [hit.item_id for hit in result.hits] == expected
            found = [by_id[item] for item in expected]
            assert reading.count(query) == Counts(
                len(found), len({d.family_id for d in found}), len({d.distinct_key for d in found})
            )
            assert [hit.item_id for hit in reading.search(query)] == expected
            if expected:
                later = reading.search(query, after=expected[0], limit=2)
                assert [hit.item_id for hit in later] == expected[1:3]


def refuses_a_prefix_beyond_the_limit(engine: SearchEngine) -> None:
    """The limit itself is allowed, one word more is not, and its count is told."""
    words = [f"p{n:05d}" for n in range(16_384)]
    engine.upsert("b1", [document("d1", text=" ".join(words[:9_000])), document("d0", text="other")])
    engine.upsert("b2", [document("d2", text=" ".join(words[8_000:]))])
    assert engine.count(Prefix("p")).documents == 2  # exactly the limit
    assert engine.count(Phrase((Word("p00000"), Prefix("p")))).documents == 1
    assert engine.count(Phrase((Word("p16383"), Prefix("p")))).documents == 0
    engine.upsert("b3", [document("d3", subject="PX")])
    assert engine.count(Prefix("p0")).documents == 2
    for ask in (engine.count, engine.search):
        with pytest.raises(TooManyWords, match="16,385 different words") as caught:
            ask(And((Word("other"), Not(Prefix("p")))))
        assert caught.value.words == 16_385
    found = list(engine.terms([Word("other"), Prefix("p"), Word("px")]))
    assert [len(one.hits) for one in found] == [1, 0, 1]
    assert [bool(one.problem) for one in found] == [False, True, False]
    assert ids(engine, "custodian:l*") == ["d0", "d1", "d2", "d3"]  # a label is no word of the index
