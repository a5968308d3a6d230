from __future__ import annotations

from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from search.folding import tokens
from search.language import parse
from search.matcher import DocumentFields, occurrences, snippets, spans
from search.protocol import IndexDocument
from search.tree import Node
from tests.search import oracle
from tests.search.district import document
from tests.search.random_trees import collections, nodes, texts

PACIFIC = ZoneInfo("America/Los_Angeles")


def read(query: str) -> Node:
    return parse(query, PACIFIC)


@settings(deadline=None, max_examples=50)
@given(collections(), st.lists(nodes, min_size=1, max_size=4))
def test_occurrences_are_what_the_oracle_counts(
    batches: list[list[IndexDocument]], queries: list[Node]
) -> None:
    everything = [one for batch in batches for one in batch]
    for one in everything:
        children = [other.text for other in everything if other.parent_id == one.item_id]
        for query in queries:
            assert occurrences(query, DocumentFields(one, children)) == len(
                oracle.spots(query, one, everything)
            )


@given(nodes, texts)
def test_spans_lie_on_the_tokens_that_the_oracle_finds(query: Node, text: str) -> None:
    one = document("a", text=text)
    expected = {spot[2:] for spot in oracle.spots(query, one, [one]) if spot[1] == "body"}  # type: ignore[index]
    found = spans(query, text)
    words = oracle.words(text)
    assert sorted(words[first:after] for first, after in expected) == sorted(
        tokens(text[a:b]) for a, b in found
    )


def test_counts_every_place_once() -> None:
    one = document(
        "a", subject="Budget", text="budget a a a budgets", filename="budget.txt", sender="Ann Budget"
    )
    fields = DocumentFields(one, ["budget child", "budget"])
    assert occurrences(read("budget"), fields) == 4
    assert occurrences(read("budg*"), fields) == 5
    assert occurrences(read("budget or budg*"), fields) == 5
    assert occurrences(read("budget and budget"), fields) == 4
    assert occurrences(read("a a"), fields) == 2  # places may overlap
    assert occurrences(read("a* a"), fields) == 2
    assert occurrences(read("subject:budget"), fields) == 1
    assert occurrences(read("subject:budget or budget"), fields) == 4
    assert occurrences(read("from:budget or budget"), fields) == 5  # another field of the same person
    assert occurrences(read("attachment:budget"), fields) == 2
    assert occurrences(read("family:budget"), fields) == 4
    assert occurrences(read("not budget"), fields) == 0
    assert occurrences(read("budgets and not budget"), fields) == 1
    assert occurrences(read("sent:2026-01-01 or kind:email"), fields) == 0
    assert occurrences(read("budget txt ann"), fields) == 0  # not across fields


def found(query: str, text: str, field: str = "body") -> list[str]:
    return [text[first:after] for first, after in spans(read(query), text, field)]


def test_spans_are_places_in_the_text_as_given() -> None:
    assert spans(read("bus"), "The BUS, the bus.") == [(4, 7), (13, 16)]
    assert found("cafe", "Le café, le cafe\u0301, CAFE") == ["café", "cafe\u0301", "CAFE"]
    assert found("file", "a ﬁle") == ["ﬁle"]
    assert found("cooperate", "we co\u00adoperate!") == ["co\u00adoperate"]
    assert found("ann lee", "Ann\n\t Lee") == ["Ann\n\t Lee"]
    assert found("budg*", "x budgetary") == ["budgetary"]
    assert found("日本*", "§ 日本語 ") == ["日本語"]
    assert found("2", "1½!") == ["½"]  # the one half holds two digits
    assert found("x" * 300, "é " + "x" * 300 + " y") == ["x" * 300]
    assert found("not bus", "bus") == []
    assert found("subject:bus", "bus") == []
    assert found("subject:bus", "bus", "subject") == ["bus"]
    assert found("bus", "bus", "from") == []
    assert found("from:bus", "bus", "from") == ["bus"]
    assert found("attachment:bus", "bus", "attachment") == ["bus"]
    assert found("bus", "") == []


def test_snippets_show_the_place_and_its_surroundings() -> None:
    text = "One two three\nfour five bus six seven eight nine ten bus route eleven twelve"
    assert snippets(read("bus"), text, 20) == ["…five «bus» six…", "…ten «bus» route…"]
    assert snippets(read("bus"), text, 20, limit=1, marks=("", "")) == ["…five bus six…"]
    assert snippets(read("bus or bus route"), text, 200) == [
        "One two three four five «bus» six seven eight nine ten «bus route» eleven twelve"
    ]
    assert snippets(read("bus route"), text, 1) == ["…«bus route»…"]
    assert snippets(read("zebra"), text) == []
    assert snippets(read("bus"), "x" * 50 + "-bus-" + "y" * 50, 20) == ["…«bus»…"]
    assert snippets(read("bus"), "bus") == ["«bus»"]
