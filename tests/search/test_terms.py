from __future__ import annotations

import csv
import gc
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records import canonical
from records import tables as t
from records.errors import CheckFailed, SettingsError
from search import terms
from search.language import parse
from search.protocol import IndexState
from search.reports import to_csv, to_html
from search.terms import (
    BadLine,
    Counted,
    HitReport,
    Piece,
    Term,
    TermCounts,
    Totals,
    count_occurrences,
    from_json,
    load_report,
    read_terms,
    run_terms,
    to_json,
)
from search.tree import Node
from search.unsearched import Gap, Unsearched
from tests.search import oracle
from tests.search.home import PACIFIC, REQUEST, Home
from tests.search.term_lists import ITEMS, LIST, run

# -- reading


def test_reads_a_list() -> None:
    lines = ("\ufeffterm,note,who", "bus,routes,x", "", '"""bus route"" AND budget",,', ",,", "  spaced  ")
    data = "\r\n".join(lines).encode()
    found = read_terms(data)
    assert found.bad_lines == ()
    assert found.terms == (
        Term(2, "bus", "routes"),
        Term(4, '"bus route" AND budget', ""),
        Term(6, "spaced", ""),
    )


def test_columns_are_found_by_name() -> None:
    assert read_terms(b"Note , TERM\nwhy,bus\n").terms == (Term(2, "bus", "why"),)
    assert read_terms(b"\n\nterm\nbus\n").terms == (Term(4, "bus", ""),)
    assert read_terms(b"term,note\n").terms == ()


@pytest.mark.parametrize("data", [b"", b"\n\n", b"bus\nroute\n", b"note\nx\n", b'"term\nbus', b"\x00\xff"])
def test_a_list_without_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsError, match="term,note"):
        read_terms(data)


def test_a_bad_line_costs_itself_only() -> None:
    found = read_terms(b'term,note\nbus,\n"bus route" AND budget,why\n"open,x\nlast,\n,only a note\n')
    assert [term.term for term in found.terms] == ["bus", "last"]
    assert [(bad.line, bad.term, bad.repaired) for bad in found.bad_lines] == [
        (3, '"bus route" AND budget,why', '"""bus route"" AND budget",why'),
        (4, '"open,x', None),
        (6, ",only a note", None),
    ]
    assert "quotation marks" in found.bad_lines[0].problem
    assert found.bad_lines[2].problem == "there is a note but no term"
    repaired = read_terms(f"term,note\n{found.bad_lines[0].repaired}\n".encode())
    assert repaired.terms == (Term(2, '"bus route" AND budget', "why"),)


def test_a_note_may_have_line_breaks() -> None:
    found = read_terms(b'term,note\nbus,"one\ntwo, ""three"""\nroute,\n')
    assert found.terms == (Term(2, "bus", 'one\ntwo, "three"'), Term(4, "route", ""))
    assert found.bad_lines == ()


def test_says_where_the_file_leaves_room_for_doubt() -> None:
    found = read_terms(
        b'term,note\n"profit and loss",\n"""profit and loss""",\n"bus route",\nBus Route,\n'
    ).terms
    assert [term.term for term in found] == ["profit and loss", '"profit and loss"', "bus route", "Bus Route"]
    assert 'write """profit and loss"""' in found[0].caution
    assert [term.caution for term in found[1:]] == ["", "", "the same as line 4"]


def test_reads_what_spreadsheets_write() -> None:
    assert read_terms("term\n“bus route”\n".encode("cp1252")).terms == (Term(2, "“bus route”", ""),)
    assert read_terms(b"term\rbus\rroute").terms == (Term(2, "bus", ""), Term(3, "route", ""))


@given(st.binary(max_size=80).map(lambda data: b"term,note\n" + data))
def test_any_bytes_are_read_or_reported(data: bytes) -> None:
    found = read_terms(data)
    lines = [one.line for one in (*found.terms, *found.bad_lines)]
    assert len(lines) == len(set(lines))
    assert all(line >= 2 for line in lines)


# -- running


def counts(row: TermCounts) -> tuple[int, ...]:
    return (
        *(row.documents, row.families, row.with_family),
        *(row.unique, row.unique_families, row.unique_with_family),
        *(row.occurrences, row.distinct),
    )


def test_the_report_counts_exactly(filled: Home) -> None:
    report = run(filled, bad=(BadLine(10, "…", "cannot be read"),))
    assert {row.line: counts(row) for row in report.terms} == {
        # documents, families, with family; only this term: the same three; occurrences, distinct
        2: (3, 3, 5, 0, 0, 0, 7, 2),
        3: (2, 2, 3, 0, 0, 0, 3, 2),
        4: (0, 0, 0, 0, 0, 0, 0, 0),
        6: (1, 1, 2, 1, 0, 0, 2, 1),
        7: (2, 2, 5, 1, 0, 0, 3, 2),
        9: (2, 2, 4, 0, 0, 0, 2, 1),
    }
    assert report.terms[0].custodians == {"lee": 1, "okafor": 2}
    assert report.terms[0].sources == {"mail": 2, "mail-2": 1}
    assert {row.line: (row.months, row.undated) for row in report.terms} == {
        2: ({"2026-01": 2, "2026-02": 1}, 0),
        3: ({"2026-01": 1}, 1),
        4: ({}, 0),
        6: ({}, 1),
        7: ({}, 2),
        9: ({"2026-01": 1, "2026-02": 1}, 0),
    }
    assert [row.parsed for row in report.terms[1:4]] == ["budget OR budg*", "zebra", "attachment:budget"]
    assert report.totals == Totals(
        documents=6,
        families=4,
        with_family=7,
        occurrences=17,
        distinct=5,
        custodians={"lee": 4, "okafor": 2},
        sources={"mail": 5, "mail-2": 1},
        months={"2026-01": 2, "2026-02": 1},
        undated=3,
    )
    assert report.unsearched == Unsearched((Gap("no_text", "lee", "mail", 1),), 1, 0, 0)
    assert report.zero_hits == (4,)
    assert [(bad.line, bad.repaired) for bad in report.bad_lines] == [(5, None), (8, '"open"'), (10, None)]
    assert "(a AND b) OR c" in report.bad_lines[0].problem
    assert report.index == IndexState(7, 2, report.index.analyzer, "embedded")
    assert report.zone == "America/Los_Angeles"


def rows(home: Home) -> list[tuple[Any, ...]]:
    h = t.hits.c
    with home.catalogue.read() as connection:
        return [
            tuple(row)
            for row in connection.execute(
                sa.select(h.version, h.term_no, h.item_id, h.family_id, h.occurrences).order_by(
                    h.version, h.term_no, h.item_id
                )
            )
        ]


def test_hits_and_report_are_kept_and_replaced(filled: Home) -> None:
    first = run(filled)
    assert rows(filled) == [
        (1, 2, "m1", "m1", 3),
        (1, 2, "m2", "m2", 1),
        (1, 2, "m3", "m3", 3),
        (1, 3, "m2", "m2", 1),
        (1, 3, "m4a", "m4", 2),
        (1, 6, "m4", "m4", 2),
        (1, 7, "m1a", "m1", 2),
        (1, 7, "m4a", "m4", 1),
        (1, 9, "m1", "m1", 1),
        (1, 9, "m3", "m3", 1),
    ]
    assert load_report(filled.catalogue, REQUEST, 1) == first
    assert load_report(filled.catalogue, REQUEST, 2) is None
    run(filled, (Term(2, "zebra", ""),), version=2)
    again = run(filled, LIST[:1])
    assert [row[:3] for row in rows(filled)] == [(1, 2, "m1"), (1, 2, "m2"), (1, 2, "m3")]
    assert load_report(filled.catalogue, REQUEST, 1) == again
    assert again.terms[0].unique == 3
    assert again.terms[0].unique_families == 3
    assert again.terms[0].unique_with_family == 5


def test_more_hits_than_a_transaction_holds(home: Home) -> None:
    home.fill("b000001", [{"id": f"i{n:04d}", "text": "bus bus"} for n in range(1_100)])
    home.index("b000001")
    terms = (Term(2, "bus", ""), Term(3, "b*", ""))
    for _ in range(2):
        report = run(home, terms)
        assert [counts(row) for row in report.terms] == [(1100, 1100, 1100, 0, 0, 0, 2200, 1100)] * 2
        assert len(rows(home)) == 2_200


def test_a_wildcard_beyond_the_limit_is_a_bad_line(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": " ".join(f"p{n}" for n in range(16_385))}])
    home.index("b000001")
    report = run(home, (Term(2, "p*", ""), Term(3, "p7", "")))
    assert [row.line for row in report.terms] == [3]
    assert "stands for 16,385 different words here, more than 16,384" in report.bad_lines[0].problem


def test_rows_are_written_group_by_group_in_whatever_order_pieces_are_counted(
    filled: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Any, ...]] = []
    real_insert = terms._insert

    def insert(connection: sa.Connection, rows: list[tuple[Any, ...]]) -> None:
        written.extend(rows)
        real_insert(connection, rows)

    def backwards(nodes: tuple[Node, ...], pieces: list[Piece]) -> Iterator[Counted]:
        assert [len(piece) for piece in pieces] == [1] * 6
        assert gc.get_threshold()[0] == terms.COLLECT_AFTER
        for piece in reversed(pieces):
            yield count_occurrences(filled.catalogue, filled.store, REQUEST, PACIFIC, nodes, piece)

    monkeypatch.setattr(terms, "_insert", insert)
    collecting = gc.get_threshold()
    alone = run(filled)
    expected = written.copy()
    assert [(family, item, term) for _, _, term, item, family, _ in expected] == [
        ("m1", "m1", 2), ("m1", "m1", 9), ("m1", "m1a", 7), ("m2", "m2", 2), ("m2", "m2", 3),
        ("m3", "m3", 2), ("m3", "m3", 9), ("m4", "m4", 6), ("m4", "m4a", 3), ("m4", "m4a", 7),
    ]  # fmt: skip
    written.clear()
    monkeypatch.setattr("search.terms._PIECE", 1)
    monkeypatch.setattr("search.terms._GROUP", 2)
    listed = (filled.catalogue, filled.store, filled.engine, REQUEST, 1, LIST, PACIFIC)
    again = run_terms(*listed, counting=backwards)
    assert written == expected
    assert gc.get_threshold() == collecting
    assert replace(again, at="") == replace(alone, at="")


def test_an_index_that_knows_more_than_the_catalogue_is_refused(filled: Home) -> None:
    with filled.catalogue.write() as connection:
        connection.execute(t.items.delete().where(t.items.c.item_id == "m2"))
    with pytest.raises(CheckFailed, match="1 items of the index"):
        run(filled)
    assert load_report(filled.catalogue, REQUEST, 1) is None


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(
            (
                "bus",
                "route",
                "b*",
                "bus route",
                "not bus",
                "subject:bus or budget",
                "attachment:budget",
                "family:map",
                "map and budget",
                "custodian:okafor",
                "12",
                "zebra",
            )
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_report_is_what_a_plain_count_gives(filled: Home, queries: list[str]) -> None:
    from search.indexing import documents

    everything = list(
        documents(filled.catalogue, filled.store, REQUEST, [item["id"] for item in ITEMS], PACIFIC)
    )
    found = {n: set(oracle.search(parse(query, PACIFIC), everything)) for n, query in enumerate(queries)}
    families = {n: {d.family_id for d in everything if d.item_id in hits} for n, hits in found.items()}
    report = run(filled, tuple(Term(n, query, "") for n, query in enumerate(queries)))
    for n, row in enumerate(report.terms):
        others = set().union(*(hits for m, hits in found.items() if m != n))
        other_families = set().union(*(hits for m, hits in families.items() if m != n))
        mine = [d for d in everything if d.item_id in found[n]]
        node = parse(queries[n], PACIFIC)
        assert counts(row) == (
            len(found[n]),
            len(families[n]),
            sum(d.family_id in families[n] for d in everything),
            len(found[n] - others),
            len(families[n] - other_families),
            sum(d.family_id in families[n] - other_families for d in everything),
            sum(len(oracle.spots(node, d, everything)) for d in mine),
            len({d.distinct_key for d in mine}),
        )


# -- for people


def hostile_report(home: Home) -> HitReport:
    terms = (
        Term(2, "bus", "=HYPERLINK(1)"),
        Term(3, "zebra", "<script>alert(1)</script>"),
        Term(4, "=(1", "\t@x"),
        Term(5, "-bus", ""),
    )
    return run(home, terms)


def test_json_reads_back(filled: Home) -> None:
    report = hostile_report(filled)
    assert from_json(to_json(report)) == report


def test_a_report_of_an_earlier_form_counts_as_none(filled: Home) -> None:
    report = run(filled)
    earlier = canonical.loads(to_json(report))
    del earlier["unsearched"]
    for term in earlier["terms"]:
        del term["months"]
    with filled.catalogue.write() as connection:
        connection.execute(t.term_reports.update().values(report=canonical.dumps(earlier)))
    assert load_report(filled.catalogue, REQUEST, 1) is None
    assert load_report(filled.catalogue, REQUEST, run(filled).version) is not None


def test_csv_holds_no_formula(filled: Home) -> None:
    table = list(csv.DictReader(io.StringIO(to_csv(hostile_report(filled)))))
    assert [row["line"] for row in table] == ["2", "3", "4", "5", "", "", ""]
    assert [row["term"] for row in table] == [
        "bus",
        "zebra",
        "'=(1",
        "'-bus",
        "whole list, each document once",
        "not searchable, in no count above",
        "searched in part only",
    ]
    assert table[0]["note"] == "'=HYPERLINK(1)"
    assert table[0]["documents"] == "3"
    assert table[0]["custodian okafor"] == "2"
    assert table[2]["documents"] == ""
    assert "this parenthesis is not closed" in table[2]["problem"]
    assert (table[4]["documents"], table[4]["with_family"], table[4]["distinct"]) == ("3", "5", "2")
    assert (table[5]["documents"], table[6]["documents"]) == ("1", "0")
    assert not [
        cell
        for row in table
        for cell in row.values()
        if cell and cell.lstrip().startswith(("=", "+", "-", "@"))
    ]


def test_html_is_one_page_that_runs_nothing(filled: Home) -> None:
    page = to_html(hostile_report(filled))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "Terms that found nothing: 1." in page
    assert "Lines that were not run" in page
    assert "Every term found something" in to_html(run(filled, LIST[:1]))
