from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from search import embedded
from search.language import QuerySyntaxError
from search.protocol import PREFIX_LIMIT, Counts, TooLong, TooManyWords
from search.query import count, search
from tests.search.home import PACIFIC, REQUEST, Home


def logged(home: Home) -> list[dict[str, object]]:
    with home.catalogue.read() as connection:
        return [
            dict(row)
            for row in connection.execute(sa.select(t.searches).order_by(t.searches.c.seq)).mappings()
        ]


def entries(home: Home) -> list[dict[str, object]]:
    with home.catalogue.read() as connection:
        return [
            canonical.loads(text)
            for text in connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq))
        ]


def test_every_query_is_logged_with_its_counts(home: Home) -> None:
    home.fill("b000001", [{"id": f"i{n}", "text": "Planted words", "family": "i0"} for n in range(3)])
    home.index("b000001")
    answer = search(home.catalogue, home.engine, REQUEST, "planted  WORD*", PACIFIC, "pat", limit=2)
    assert [hit.item_id for hit in answer.hits] == ["i0", "i1"]
    assert answer.counts == Counts(3, 1, 3)
    assert (answer.parsed, answer.seq) == ('"planted word*"', 1)
    page = search(home.catalogue, home.engine, REQUEST, "planted", PACIFIC, "pat", after="i1")
    assert [hit.item_id for hit in page.hits] == ["i2"]
    assert page.counts.documents == 3
    only = count(home.catalogue, home.engine, REQUEST, "not planted", PACIFIC, "counsel")
    assert (only.hits, only.counts, only.seq) == ((), Counts(0, 0, 0), 3)

    rows = logged(home)
    assert [(row["seq"], row["by"], row["query"], row["parsed"]) for row in rows] == [
        (1, "pat", "planted  WORD*", '"planted word*"'),
        (2, "pat", "planted", "planted"),
        (3, "counsel", "not planted", "NOT planted"),
    ]
    assert [(row["documents"], row["families"]) for row in rows] == [(3, 1), (3, 1), (0, 0)]
    assert canonical.loads(str(rows[0]["index_state"])) == dataclasses.asdict(home.engine.state())

    first, _, third = entries(home)
    assert {key: value for key, value in first.items() if key not in {"at", "seq"}} == {
        "action": "searched", "actor": "pat", "request": REQUEST,
        "search": 1, "documents": 3, "families": 1, "distinct": 3,
    }  # fmt: skip
    assert (third["actor"], third["search"], third["documents"]) == ("counsel", 3, 0)
    assert "planted" not in str(entries(home)).lower()
    assert audit.verify(home.catalogue).seq == 3


def test_a_query_that_is_given_up_is_logged_without_counts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.fill("b000001", [{"id": "i0", "text": " ".join(f"p{n:05d}" for n in range(PREFIX_LIMIT + 1))}])
    home.index("b000001")
    for ask in (search, count):
        with pytest.raises(TooManyWords):
            ask(home.catalogue, home.engine, REQUEST, "p*", PACIFIC, "pat")
    monkeypatch.setattr(embedded._Reading, "count", give_up)
    with pytest.raises(TooLong):
        count(home.catalogue, home.engine, REQUEST, "p00001", PACIFIC, "counsel")
    rows = logged(home)
    assert [(row["seq"], row["by"], row["parsed"], row["documents"], row["families"]) for row in rows] == [
        (1, "pat", "p*", None, None),
        (2, "pat", "p*", None, None),
        (3, "counsel", "p00001", None, None),
    ]
    assert [row["refused"] for row in rows] == [
        str(TooManyWords(16_385)),
        str(TooManyWords(16_385)),
        str(TooLong(60.0)),
    ]
    assert [(entry["search"], entry["refused"]) for entry in entries(home)] == [
        (1, "TooManyWords"),
        (2, "TooManyWords"),
        (3, "TooLong"),
    ]
    assert not any("documents" in entry for entry in entries(home))


def give_up(_reading: object, _query: object) -> Counts:
    raise TooLong(60.0)


def test_a_query_that_cannot_be_read_is_not_run(home: Home) -> None:
    for ask in (search, count):
        with pytest.raises(QuerySyntaxError):
            ask(home.catalogue, home.engine, REQUEST, "a and", PACIFIC, "pat")
    assert logged(home) == []
    assert entries(home) == []
