"""Every operator on a few texts: the oracle, the embedded engine and the matcher against a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from search.embedded import EmbeddedEngine
from search.embedded_fts import fts_expression
from search.language import parse
from search.matcher import (
    DocumentFields,
    Tokens,
    counted,
    holds,
    marked,
    occurrences,
    snippets,
    spans,
    spans_of,
)
from search.protocol import TooLong, TooManyWords
from search.tree import And, Fuzzy, Near, Node, Not, NotNear, Or, Phrase, Prefix, Stem, Wild, Word, to_text
from tests.search import oracle
from tests.search.district import document
from tests.search.operators import DOCUMENTS, TABLE

PACIFIC = ZoneInfo("America/Los_Angeles")


def read(query: str) -> Node:
    return parse(query, PACIFIC)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path_factory.mktemp("operators") / "index")
    engine.upsert("b1", DOCUMENTS[:9])
    engine.upsert("b2", DOCUMENTS[9:])
    yield engine
    engine.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path / "index")
    yield engine
    engine.close()


@pytest.mark.parametrize(("query", "expected"), TABLE, ids=[query for query, _ in TABLE])
def test_each_operator_finds_these(table: EmbeddedEngine, query: str, expected: str) -> None:
    node = read(query)
    assert oracle.search(node, DOCUMENTS) == expected.split()
    assert [hit.item_id for hit in table.search(node)] == expected.split()
    assert read(to_text(node)) == node
    for one in DOCUMENTS:
        assert occurrences(node, DocumentFields(one)) == len(oracle.spots(node, one, DOCUMENTS))


def test_the_table_has_at_least_sixty_queries() -> None:
    assert len(dict(TABLE)) == len(TABLE) >= 60


@pytest.mark.parametrize(
    ("query", "text", "times", "shown"),
    [
        ("bus w/5 route", "bus bus route", 1, "«bus» «bus» «route»"),
        ("bus w/5 route", "bus route bus", 2, "«bus» «route» «bus»"),
        ("bus pre/5 route", "bus route bus", 1, "«bus» «route» bus"),
        ("bus w/2 route", "bus a b route bus", 1, "bus a b «route» «bus»"),
        ("bus w/5 bus", "bus a bus", 1, "«bus» a «bus»"),
        ("bus w/5 bus", "bus", 0, ""),
        ("bus not w/2 route", "bus route a b bus", 1, "bus route a b «bus»"),
        ("bus not w/5 route", "route bus", 0, ""),
        ('"bus stop" not w/5 stop', "bus stop a stop", 0, ""),
        ('"bus stop" not w/5 bus', "bus stop", 1, "«bus stop»"),  # its own word is not near it
        ('"bus stop" w/3 "new route"', "bus stop on new route", 1, "«bus stop» on «new route»"),
        ("(bus or coach) w/2 (route or stop)", "bus route stop coach", 2, "«bus» «route» «stop» «coach»"),
        ("(bus w/2 route) w/2 stop", "bus route x bus stop", 1, "bus «route» x «bus» «stop»"),
        ("(bus w/2 route) pre/1 stop", "bus route stop bus", 1, "«bus» «route» «stop» bus"),
        ("(bus w/5 route) or bus", "bus route", 2, "«bus» «route»"),
        ("rout?", "route routes routs", 2, "«route» routes «routs»"),
        ("ro%ute", "route rotue roote routed ruote", 4, "«route» «rotue» «roote» «routed» ruote"),
        ("routing~", "routes routing router", 2, "«routes» «routing» router"),
        ('"a route~"', "a routes", 1, "«a routes»"),
        ("subject:(bus w/5 route)", "bus route", 0, ""),
    ],
)
def test_occurrences_and_highlights(query: str, text: str, times: int, shown: str) -> None:
    node = read(query)
    assert occurrences(node, DocumentFields(document("a", text=text))) == times
    assert snippets(node, text, 200) == ([shown] if shown else [])


# -- where FTS5's own NEAR is exact, and where it is not


@pytest.mark.parametrize(
    ("query", "expression"),
    [
        ("body:(a w/5 b)", '({body} : NEAR("a" "b", 4))'),
        ('body:("a b" w/5 c*)', '({body} : NEAR("a" + "b" "c"*, 4))'),
        (
            "body:((a or b) w/3 c)",
            '({body} : NEAR("a" "c", 2)) OR ({body} : NEAR("b" "c", 2))',
        ),
        ("body:(a pre/1 b)", '({body} : "a" + "b")'),
        ("body:(a w/1 a*)", '({body} : "a" + "a"*) OR ({body} : "a"* + "a")'),
        ("a pre/5 b", None),  # it knows no order
        ("a w/5 a", None),  # one token serves twice
        ("abc w/5 ab*", None),
        ("ab* w/5 abc*", None),
        ('"a b" w/5 "b c"', None),
        ('"a b c" w/5 b', None),
        ("a not w/5 b", None),
        ("(a w/5 b) w/5 c", None),
    ],
)
def test_fts5_is_asked_alone_only_where_it_is_exact(query: str, expression: str | None) -> None:
    assert fts_expression(read(query), None) == expression


def test_more_alternatives_than_one_expression_holds(engine: EmbeddedEngine) -> None:
    words = [f"w{n}" for n in range(300)]
    engine.upsert("b1", [document(word, text=f"{word} near end{n % 2}") for n, word in enumerate(words)])
    either = Or(tuple(map(Word, words)))
    assert engine.count(either).documents == 300
    assert engine.count(Near(either, Word("near"), 1, ordered=False)).documents == 300
    assert engine.count(Near(either, Word("end0"), 2, ordered=False)).documents == 150
    assert engine.count(Near(either, Word("end0"), 1, ordered=False)).documents == 0
    assert engine.count(NotNear(either, Word("end0"), 2)).documents == 150
    assert engine.count(And((Not(either), Word("near")))).documents == 0
    assert engine.count(Near(Wild("w*?"), Wild("e*=="), 3, ordered=False)).documents == 0
    assert engine.count(Near(Wild("w*?"), Wild("e*="), 2, ordered=True)).documents == 300
    assert engine.count(Phrase((Wild("w*="), Wild("n*r"), Wild("e*d0")))).documents == 150


# -- what a word with signs stands for


def test_a_pattern_beyond_the_limit_is_refused_with_its_count(engine: EmbeddedEngine) -> None:
    """A prefix, a pattern, spellings: each alike, at the limit and one beyond it."""
    words = [f"p{n:05d}q" for n in range(16_384)]
    engine.upsert("b1", [document("d1", text=" ".join(words[:9_000])), document("d0", text="other")])
    engine.upsert("b2", [document("d2", text=" ".join(words[8_000:]))])
    assert len(engine.expand(Wild("p*q"))) == 16_384
    assert engine.count(Wild("p*q")).documents == 2
    assert engine.count(Wild("*0q")).documents == 2
    assert engine.count(Near(Wild("p*q"), Word("p00001q"), 1, ordered=True)).documents == 1
    engine.upsert("b3", [document("d3", subject="PXQ")])
    for term in (
        Wild("p*q"),
        Wild("*q"),
        Phrase((Word("other"), Wild("p*q"))),
        Near(Word("p"), Wild("?*q"), 2, ordered=True),
    ):
        for ask in (engine.count, engine.search):
            with pytest.raises(TooManyWords, match="16,385 different words") as caught:
                ask(term)
            assert caught.value.words == 16_385
    assert engine.count(Wild("p*=q")).documents == 2
    found = list(engine.terms([Wild("p*q"), Word("pxq")]))
    assert [bool(one.problem) for one in found] == [True, False]
    assert "p00" not in found[0].problem  # no word of the index


def test_expanding_gives_the_words_of_the_index_in_order(table: EmbeddedEngine) -> None:
    assert table.expand(Word("nowhere")) == ["nowhere"]
    assert table.expand(Prefix("appl")) == ["apple", "apples", "applied", "applies", "apply"]
    assert table.expand(Wild("appl??")) == ["apples"]
    assert table.expand(Wild("p12=")) == ["p123"]
    assert table.expand(Fuzzy("banana", 1, 0)) == ["banana", "bananna", "bandana"]
    assert table.expand(Fuzzy("banana", 2, 0)) == ["banana", "bananna", "bandana", "bnanaa"]
    assert table.expand(Fuzzy("bnaana", 1, 1)) == ["banana", "bnanaa"]
    assert table.expand(Stem("apply")) == ["applied", "applies", "apply"]
    assert table.expand(Stem("nowhere")) == []


def test_words_that_come_later_are_found_by_any_beginning(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [document("d1", text="staple")])
    assert engine.expand(Wild("*ple")) == ["staple"]
    engine.upsert("b65", [document("d2", text="ample")])  # the same shard
    engine.upsert("b2", [document("d3", text="maple")])
    assert engine.expand(Wild("*ple")) == ["ample", "maple", "staple"]
    engine.upsert("b1", [document("d1", text="steeple")])
    assert [hit.item_id for hit in engine.search(Wild("*a*ple"))] == ["d2", "d3"]
    engine.drop()
    assert engine.expand(Wild("*ple")) == []
    engine.upsert("b1", [document("d1", text="simple")])
    assert engine.expand(Wild("*ple")) == ["simple"]


def test_a_query_that_takes_too_long_is_given_up(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [document(f"d{n}", text="a b " * 500) for n in range(200)])
    ordered = Near(Near(Word("a"), Word("b"), 255, ordered=True), Word("c"), 5, ordered=True)
    slow = Near(Near(Word("a"), Word("b"), 255, ordered=True), Word("a"), 5, ordered=True)
    assert engine.count(ordered).documents == 0
    engine.time_limit_s = 0.0
    for ask in (engine.count, engine.search):
        with pytest.raises(TooLong, match="longer than 0 seconds") as caught:
            ask(slow)
        assert caught.value.seconds == 0.0
    assert [bool(one.problem) for one in engine.terms([slow, slow])] == [True, True]
    engine.time_limit_s = 60.0
    assert engine.count(Near(Word("a"), Word("b"), 1, ordered=True)).documents == 200


# -- the matcher's own parts


def test_spans_reach_from_the_first_place_to_the_last() -> None:
    tokens = Tokens(["a", "x", "b", "a", "b"])
    near = Near(Word("a"), Word("b"), 2, ordered=False)
    assert spans_of(near, tokens.places) == [(0, 3), (2, 4), (3, 5)]
    assert counted(near, tokens.places) == [(0, 3), (2, 4), (3, 5)]
    assert sorted(marked(near, tokens.places)) == [(0, 1), (2, 3), (3, 4), (4, 5)]
    assert sorted(marked(near, tokens.places, {(0, 3)})) == [(0, 1), (2, 3)]
    assert holds(near, tokens.places)
    assert not holds(Near(Word("b"), Word("x"), 1, ordered=True), tokens.places)


def test_highlights_are_places_in_the_text_as_given() -> None:
    text = "The BUS—café route."
    assert [text[a:b] for a, b in spans(read("bus w/3 route"), text)] == ["BUS", "route"]
    assert [text[a:b] for a, b in spans(read("c%afes"), text)] == ["café"]
    assert spans(read("attachment:(bus w/3 route)"), text) == []
    assert len(spans(read("attachment:(bus w/3 route)"), text, "attachment")) == 2


def test_places_in_different_attachments_are_not_near_one_another() -> None:
    one = document("a", text="bus")
    assert occurrences(read("attachment:(bus w/9 route)"), DocumentFields(one, ["bus", "route"])) == 0
    assert occurrences(read("attachment:(bus w/9 route)"), DocumentFields(one, ["bus x route", "y"])) == 1
