"""Written queries over real mail: the oracle, the embedded engine and Elasticsearch count the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from search import tree as q
from search.elasticsearch import ElasticsearchEngine
from search.elasticsearch_cluster import Cluster
from search.embedded import EmbeddedEngine
from search.language import parse
from search.matcher import DocumentFields, occurrences
from search.protocol import Counts, IndexDocument, SearchEngine
from tests.search import elastic, enron, oracle
from tests.search.enron_queries import QUERIES

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

PACIFIC = ZoneInfo("America/Los_Angeles")
WRITTEN = pytest.mark.parametrize(("query", "expected"), QUERIES.items(), ids=list(QUERIES))


def read(query: str) -> q.Node:
    return parse(query, PACIFIC)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[IndexDocument]:
    return enron.read(tmp_path_factory.mktemp("enron"))


@pytest.fixture(scope="module")
def wanted(everything: list[IndexDocument]) -> Callable[[str], list[str]]:
    """What the oracle finds; each query is asked once."""
    return cache(lambda query: oracle.search(read(query), everything))


@pytest.fixture(scope="module")
def embedded(
    everything: list[IndexDocument], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path_factory.mktemp("index") / "index")
    enron.fill(engine, everything)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def elasticsearch(everything: list[IndexDocument], cluster: Cluster) -> Iterator[ElasticsearchEngine]:
    with elastic.fresh(cluster) as engine:
        enron.fill(engine, everything)
        yield engine


def counted(everything: list[IndexDocument], item_ids: list[str]) -> Counts:
    found = [one for one in everything if one.item_id in set(item_ids)]
    return Counts(len(found), len({one.family_id for one in found}), len({one.distinct_key for one in found}))


def finds(engine: SearchEngine, query: str, expected: Counts, item_ids: list[str]) -> None:
    node = read(query)
    assert engine.count(node) == expected
    assert [hit.item_id for hit in engine.search(node, limit=2_000)] == item_ids
    (listed,) = engine.terms([node])
    assert [hit.item_id for hit in listed.hits] == item_ids


@WRITTEN
def test_oracle_and_embedded_engine(
    everything: list[IndexDocument],
    embedded: EmbeddedEngine,
    wanted: Callable[[str], list[str]],
    query: str,
    expected: Counts,
) -> None:
    assert counted(everything, wanted(query)) == expected
    finds(embedded, query, expected, wanted(query))


@pytest.mark.services
@WRITTEN
def test_elasticsearch(
    elasticsearch: ElasticsearchEngine,
    wanted: Callable[[str], list[str]],
    query: str,
    expected: Counts,
) -> None:
    finds(elasticsearch, query, expected, wanted(query))


@WRITTEN
def test_occurrences(
    everything: list[IndexDocument], wanted: Callable[[str], list[str]], query: str, expected: Counts
) -> None:
    """In every hundredth hit, and in the last: as the oracle counts them."""
    node = read(query)
    by_id = {one.item_id: one for one in everything}
    found = [by_id[item_id] for item_id in wanted(query)]
    assert len(found) == expected.documents
    for one in [*found[::100], *found[-1:]]:
        children = [other.text for other in everything if other.parent_id == one.item_id]
        assert occurrences(node, DocumentFields(one, children)) == len(oracle.spots(node, one, everything))


# -- the figures by another road: regular expressions over the texts, and over the files themselves


def word(written: str) -> str:
    """Return an expression for words that stand alone; a space is whatever parts words."""
    return rf"(?<![^\W_]){written.replace(' ', _BETWEEN)}(?![^\W_])"


_BETWEEN = r"[\W_]+"


def within(first: str, second: str, distance: int) -> str:
    """Return an expression for two words, the first one first."""
    return word(rf"{first}{_BETWEEN}(?:[^\W_]+{_BETWEEN}){{0,{distance - 1}}}{second}")


Says = Callable[[IndexDocument], bool]


def anywhere(pattern: str) -> Says:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda one: any(
        found.search(text) for text in (one.subject, one.text, one.filename, one.participants)
    )


def inside(field: str, pattern: str) -> Says:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda one: found.search(getattr(one, field)) is not None


CHECKS: dict[str, Says] = {
    "isda": anywhere(word("isda")),
    "présentes": anywhere("pr[ée]sentes"),
    "master agreement": anywhere(word("master agreement")),
    '"terms and conditions"': anywhere(word("terms and conditions")),
    "isda and Not schedule": lambda one: anywhere(word("isda"))(one) and not anywhere(word("schedule"))(one),
    "isda OR swap": anywhere(word("(?:isda|swap)")),
    "NOT enron": lambda one: not anywhere(word("enron"))(one),
    "master w/5 agreement": anywhere(
        f"{within('master', 'agreement', 5)}|{within('agreement', 'master', 5)}"
    ),
    "agreement pre/5 master": anywhere(within("agreement", "master", 5)),
    "master pre/5 agreement": anywhere(within("master", "agreement", 5)),
    "default w/10 payment": anywhere(
        f"{within('default', 'payment', 10)}|{within('payment', 'default', 10)}"
    ),
    "(legal OR credit) w/2 (meeting OR seminar)": anywhere(
        within("(?:legal|credit)", "(?:meeting|seminar)", 2)
        + "|"
        + within("(?:meeting|seminar)", "(?:legal|credit)", 2)
    ),
    "agree*": anywhere(word(r"agree[^\W_]*")),
    "*party": anywhere(word(r"[^\W_]*party")),
    "coun*ties": anywhere(word(r"coun[^\W_]*ties")),
    "guarant??": anywhere(word(r"guarant[^\W_]{2}")),
    "eb==c=": anywhere(word(r"eb\d\dc\d")),
    "713-853-====": anywhere(word(r"713 853 \d{4}")),
    "$1,000.00": anywhere(word("1 000 00")),
    "subject:meeting": inside("subject", word("meeting")),
    "subject:(legal w/2 meeting)": inside(
        "subject", f"{within('legal', 'meeting', 2)}|{within('meeting', 'legal', 2)}"
    ),
    "from:mbx_anncenron@enron.com": inside("sender", r"mbx_anncenron@enron\.com"),
    "participants:aol.com": inside("participants", word("aol com")),
    "filename:demand*": inside("filename", r"demand"),
    "sent:>=2002-01-01": lambda one: str(one.sent_on or "") >= "2002",
    "NOT has:date": lambda one: one.sent_on is None,
}


@pytest.mark.parametrize("query", CHECKS)
def test_the_figures_by_regular_expressions(
    everything: list[IndexDocument], wanted: Callable[[str], list[str]], query: str
) -> None:
    found = sorted(one.item_id for one in everything if CHECKS[query](one))
    assert found == wanted(query)
    assert counted(everything, found) == QUERIES[query]


RAW: dict[str, bytes] = {
    "subject:meeting": rb"^Subject:(?:.|\r?\n[ \t])*(?<![^\W_])meeting(?![^\W_])",
    "Subject: MEETING": rb"^Subject:(?:.|\r?\n[ \t])*(?<![^\W_])meeting(?![^\W_])",
    'subject:"law conference"': rb"^Subject:.*(?<![^\W_])law\s+conference(?![^\W_])",
    "from:mbx_anncenron@enron.com": rb"^From:.*mbx_anncenron@enron\.com",
    "kind:email": rb"^MIME-Version:",
}
"""Expressions over the files as they lie there, for queries that only messages can meet."""


@pytest.mark.parametrize("query", RAW)
def test_the_figures_by_the_raw_files(
    everything: list[IndexDocument], wanted: Callable[[str], list[str]], query: str
) -> None:
    pattern = re.compile(RAW[query], re.IGNORECASE | re.MULTILINE)
    names = {path.name for path in enron.folder().glob("*.eml") if pattern.search(path.read_bytes())}
    assert names == {one.filename for one in everything if one.item_id in set(wanted(query))}
    assert len(names) == QUERIES[query].documents


# -- what is asked


def test_every_operator_and_field_is_asked() -> None:
    asked = [one for query in QUERIES for one in q.walk(read(query))]
    terms = [term for one in asked if isinstance(one, q.Leaf) for term in q.terms_of(one)]
    assert len(QUERIES) >= 150
    assert {type(one) for one in [*asked, *terms]} == set(get_args(q.Node))
    named = {one.name for one in asked if isinstance(one, q.Field)}
    assert named | {"sent"} == set(q.FIELDS)
    near = [one for one in asked if isinstance(one, q.Near | q.NotNear)]
    assert {(type(one), getattr(one, "ordered", None)) for one in near} == {
        (q.Near, False), (q.Near, True), (q.NotNear, None),
    }  # fmt: skip
    sides = {(type(one), side, type(getattr(one, side))) for one in near for side in ("left", "right")}
    assert sides >= {
        (q.Near, "left", q.Near), (q.Near, "left", q.Or), (q.Near, "right", q.Or), (q.Near, "right", q.Near),
        (q.NotNear, "right", q.Or), (q.NotNear, "left", q.Phrase),
    }  # fmt: skip
    signs = {(s, place) for one in terms if isinstance(one, q.Wild) for s, place in _signs(one.pattern)}
    assert signs >= {(s, place) for s in "*?=" for place in ("first", "middle", "last")} - {("*", "last")}
    assert {(one.edits, min(one.same, 1)) for one in terms if isinstance(one, q.Fuzzy)} >= {
        (1, 0),
        (1, 1),
        (2, 1),
    }
    days = {(one.first is None, one.last is None) for one in asked if isinstance(one, q.DateRange)}
    assert days == {(False, False), (False, True), (True, False)}


def _signs(pattern: str) -> Iterator[tuple[str, str]]:
    last = len(pattern) - 1
    for at, sign in enumerate(pattern):
        if sign in "*?=":
            yield sign, "first" if at == 0 else "last" if at == last else "middle"
