"""Hit reports for people: the matrix as CSV, the workbook and the page, cell by cell."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from openpyxl import load_workbook

from search.report_xlsx import write_xlsx
from search.reports import PAIRS_ON_PAGE, local_time, to_csv, to_html
from search.term_details import Appendix, Pair, difference, overlaps, samples
from search.terms import HitReport, Term, TermCounts
from search.unsearched import gap_items
from tests.search.home import PACIFIC, REQUEST, Home
from tests.search.term_lists import LIST, run

HOSTILE = (
    Term(2, "bus", "=HYPERLINK(1)"),
    Term(3, "zebra", "<script>alert(1)</script>"),
    Term(4, "=(1", "\t@x"),
    Term(5, "-bus", ""),
)


def appendix(home: Home, report: HitReport, before: HitReport | None = None, most: int = 0) -> Appendix:
    change, moved = difference(home.catalogue, before, report) if before else (None, None)
    hits = samples(home.catalogue, home.store, REQUEST, report, PACIFIC, most=most, seed=1) if most else ()
    return Appendix(overlaps(home.catalogue, REQUEST, report.version), change, moved, hits, most, 1)


# -- CSV


def test_the_matrix_has_a_column_a_custodian_source_and_month(filled: Home) -> None:
    table = list(csv.reader(io.StringIO(to_csv(run(filled)), newline="")))
    assert ",".join(table[0]) == (
        "line,term,note,parsed,documents,families,with_family,unique,unique_families,unique_with_family,"
        "occurrences,distinct,custodian lee,custodian okafor,source mail,source mail-2,month 2026-01,"
        "month 2026-02,undated,caution,problem,repaired"
    )
    assert {len(row) for row in table} == {22}
    assert ",".join(table[1]) == "2,bus,the main one,bus,3,3,5,0,0,0,7,2,1,2,2,1,2,1,0,,,"
    assert ",".join(table[-3]) == ",whole list; each document once,,,6,4,7,,,,17,5,4,2,5,1,2,1,3,,,".replace(
        ";", ","
    )
    assert table[-2][:5] == ["", "not searchable, in no count above", "", "", "1"]
    assert table[-1][:5] == ["", "searched in part only", "", "", "0"]


def test_a_custodian_may_be_called_undated(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "bus", "custodian": "undated",
                           "sent_at": "2026-01-05T18:00:00.000000Z"}])  # fmt: skip
    home.index("b000001")
    row = next(csv.DictReader(io.StringIO(to_csv(run(home, (Term(2, "bus", ""),))))))
    assert (row["custodian undated"], row["undated"]) == ("1", "0")


# -- the workbook


def sheets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(path, read_only=True)
    found = {
        sheet.title: [_filled(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets
    }
    book.close()
    return found


def _filled(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Leave out the empty cells at the end, which a reader gives or not as the sheet's width has it."""
    last = max((place for place, value in enumerate(row, start=1) if value is not None), default=0)
    return row[:last]


def written(home: Home, path: Path, report: HitReport, behind: Appendix) -> dict[str, list[tuple[Any, ...]]]:
    write_xlsx(report, behind, list(gap_items(home.catalogue, home.engine, REQUEST)), path)
    return sheets(path)


def test_the_workbook_answers_each_question_on_a_sheet(filled: Home, tmp_path: Path) -> None:
    before = run(filled, LIST[:1])
    report = run(filled, version=2)
    found = written(filled, tmp_path / "hits.xlsx", report, appendix(filled, report, before, most=1))
    assert list(found) == [
        "Report", "Terms", "Zero hits", "By custodian", "By source", "By month", "Overlap", "Difference",
        "Gained and lost", "Sample hits", "Lines not run", "Not searched", "Not searched, rows",
    ]  # fmt: skip
    facts = dict(row[:2] for row in found["Report"])
    assert facts["OFFICE COPY"] == "holds words of records; not for release"
    assert (facts["request"], facts["version"], facts["documents in the index"]) == (REQUEST, 2, 7)
    assert (facts["terms run"], facts["terms that found nothing"], facts["lines not run"]) == (6, 1, 2)
    assert found["Terms"][1] == (2, "bus", "the main one", "bus", 3, 3, 5, 0, 0, 0, 7, 2)
    assert found["Terms"][-1][1:] == (
        "whole list, each document once", None, None, 6, 4, 7, None, None, None, 17, 5
    )  # fmt: skip
    assert found["Zero hits"] == [("line", "term", "note"), (4, "zebra")]
    assert found["By custodian"][0] == ("line", "term", "lee", "okafor")
    assert found["By custodian"][1] == (2, "bus", 1, 2)
    assert found["By source"][-1] == (None, "whole list, each document once", 5, 1)
    assert found["By month"][0] == ("line", "term", "2026-01", "2026-02", "undated")
    assert found["By month"][1] == (2, "bus", 2, 1, 0)
    assert found["Overlap"][1:] == [
        (2, 9, 2, "all of line 9 is in line 2"),
        (2, 3, 1),
        (3, 7, 1),
    ]
    assert ("documents gained", None, None, 3) in found["Difference"]
    assert ("added", None, None, None, 5, "a and b or c", "not run") in found["Difference"]
    assert found["Gained and lost"][1:] == [("gained", "m1a"), ("gained", "m4"), ("gained", "m4a")]
    assert {row[0] for row in found["Sample hits"][1:]} == {2, 3, 6, 7, 9}
    assert (
        6,
        "attachment:budget",
        "m4",
        "lee",
        "email",
        None,
        "attachment",
        "«budget» «budget» map",
    ) in found["Sample hits"]
    assert [(row[0], row[3:]) for row in found["Lines not run"][1:]] == [(5, ()), (8, ('"open"',))]
    assert found["Not searched"][1:] == [
        ("Read without error; holds no text", "whole", "lee", "mail", 1, "item", "no_text")
    ]
    assert found["Not searched, rows"][1] == ("no_text", "lee", "mail", "m1b", "m1", None, None, 1)


def test_no_cell_of_the_workbook_is_a_formula(filled: Home, tmp_path: Path) -> None:
    report = run(filled, HOSTILE)
    found = written(filled, tmp_path / "hits.xlsx", report, appendix(filled, report, most=3))
    assert found["Terms"][1][2] == "=HYPERLINK(1)"
    assert found["Lines not run"][1][1] == "=(1"
    with zipfile.ZipFile(tmp_path / "hits.xlsx") as book:
        parts = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert len(parts) == 11
    assert not any(b"<f>" in part or b"<f " in part for part in parts)


def test_the_workbook_is_made_for_paper_too(filled: Home, tmp_path: Path) -> None:
    """No column is cut off or printed apart, long terms are shown whole, and totals stand out."""
    long = " OR ".join(f"word{n}" for n in range(40))
    report = run(filled, (Term(2, "bus", ""), Term(3, long, "")))
    write_xlsx(report, appendix(filled, report), [], tmp_path / "hits.xlsx")
    book = load_workbook(tmp_path / "hits.xlsx")
    for sheet in book.worksheets:
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
        fitted = sheet.sheet_properties.pageSetUpPr
        assert fitted is not None
        assert fitted.fitToPage
        assert sheet.print_title_rows == "$1:$1"
    terms = book["Terms"]
    assert [cell.value for cell in terms[1]][6:10] == [
        "with family", "only this term", "families, only this term", "with family, only this term",
    ]  # fmt: skip
    assert len(long) == 386  # in a column of 40: 11 lines of 15 points
    assert [terms.row_dimensions[n].height for n in (1, 2, 3, 4)] == [45, None, 165, None]
    assert [terms.cell(n, 2).font.bold for n in (2, 3, 4)] == [False, False, True]
    assert terms.cell(3, 2).alignment.wrap_text


def test_a_workbook_without_hits_has_every_sheet(home: Home, tmp_path: Path) -> None:
    home.fill("b000001", [{"id": "a", "text": "bus"}])
    home.index("b000001")
    report = run(home, (Term(2, "zebra", ""),))
    found = written(home, tmp_path / "hits.xlsx", report, appendix(home, report))
    assert found["Overlap"] == [("line", "other line", "documents of both", "remark")]
    assert found["By custodian"] == [
        ("line", "term"),
        (2, "zebra"),
        (None, "whole list, each document once"),
    ]
    assert "OFFICE COPY" not in dict(row[:2] for row in found["Report"])


def test_rows_beyond_one_sheet_go_on_in_another(
    filled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.report_xlsx.MOST_ROWS", 2)
    report = run(filled)
    found = written(filled, tmp_path / "hits.xlsx", report, appendix(filled, report))
    assert [row[:2] for row in found["Overlap"][1:]] == [(2, 9), (2, 3)]
    assert [row[:2] for row in found["Overlap 2"]] == [("line", "other line"), (3, 7)]


# -- the page


def page_of(home: Home, report: HitReport, behind: Appendix | None = None) -> Any:
    return html.fromstring(to_html(report, behind))


def cells(page: Any, caption: str) -> list[list[str]]:
    (table,) = [one for one in page.iter("table") if one.findtext("caption") == caption]
    return [[" ".join(cell.text_content().split()) for cell in row] for row in table.iter("tr")]


def test_the_page_shows_every_figure(filled: Home) -> None:
    before = run(filled, LIST[:1])
    report = run(filled, version=2)
    page = page_of(filled, report, appendix(filled, report, before))
    assert cells(page, "Terms")[2] == [
        "2", "bus the main one", "3", "3", "5", "0", "0", "0", "7", "2"
    ]  # fmt: skip
    assert cells(page, "Terms")[-1] == [
        "", "Whole list, each document once", "6", "4", "7", "", "", "", "17", "5"
    ]  # fmt: skip
    assert cells(page, "Documents by month")[0] == ["Line", "Term", "2026-01", "2026-02", "undated"]
    assert cells(page, "Documents by month")[2] == ["3", "budget OR budg*", "1", "0", "1"]
    assert cells(page, "Documents by custodian")[-1][2:] == ["4", "2"]
    assert cells(page, "Documents by source")[1] == ["2", "bus", "2", "1"]
    assert cells(page, "Pairs, the largest first")[1] == [
        "2, 9", "bus", "late and not monday", "2", "all of line 9 is in line 2"
    ]  # fmt: skip
    assert cells(page, "Terms added: 7")[3] == ["5", "a and b or c", "not run"]
    assert cells(page, "Lines that were not run: 2")[2][3] == '"open"'
    assert cells(page, "By reason, custodian and source")[1] == [
        "Read without error; holds no text", "whole", "lee", "mail", "1", "item"
    ]  # fmt: skip
    text = " ".join(page.text_content().split())
    assert "Line 4: zebra" in text
    assert "another term finds too: 3 (lines 2, 3, 9)" in text
    assert "3 documents gained, 0 lost; 1 family gained, 0 lost. Terms that stand in both: 1." in text
    assert "on an index of the same size and form" in text
    assert "Office copy" not in text


def test_many_sources_are_shown_ten_to_a_table(home: Home) -> None:
    items = [
        {"id": f"d{n:02}", "text": "bus", "source": f"mail-{n:02}", "sent_at": "2026-01-05T18:00:00.000000Z"}
        for n in range(1, 13)
    ]
    home.fill("b000001", items)
    home.index("b000001")
    page = page_of(home, run(home, (Term(2, "bus", ""),)))
    first = cells(page, "Documents by source, mail-01 to mail-10 (1 of 2)")
    second = cells(page, "Documents by source, mail-11 to mail-12 (2 of 2)")
    assert first[0] == ["Line", "Term", *(f"mail-{n:02}" for n in range(1, 11))]
    assert second == [
        ["Line", "Term", "mail-11", "mail-12"],
        ["2", "bus", "1", "1"],
        ["", "Whole list, each document once", "1", "1"],
    ]
    assert cells(page, "Documents by custodian")[1] == ["2", "bus", "12"]


def test_times_are_those_of_the_request_with_their_offset() -> None:
    assert local_time("2026-01-05T18:00:30.000000Z", "America/Los_Angeles") == "2026-01-05 10:00 −08:00"
    assert local_time("2026-07-05T18:00:30.000000Z", "America/Los_Angeles") == "2026-07-05 11:00 −07:00"


def test_samples_are_marked_and_make_it_an_office_copy(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "subject": "<b>Bus</b>", "text": "a & bus <script>x</script>"}])
    home.index("b000001")
    report = run(home, (Term(2, "bus", ""), Term(3, "has:text", "")))
    source = to_html(report, appendix(home, report, most=1))
    assert "&lt;b&gt;<mark>Bus</mark>&lt;/b&gt;" in source
    assert "a &amp; <mark>bus</mark> &lt;script&gt;x&lt;/script&gt;" in source
    assert "Office copy: it holds words of records. Not for release." in source
    assert source.count("No word to show") == 1
    assert "<mark>" not in to_html(report, appendix(home, report))


def test_the_page_names_the_largest_pairs_and_how_many_there_are(filled: Home) -> None:
    report = run(filled)
    pairs = tuple(Pair(2, 9, 2) for _ in range(PAIRS_ON_PAGE + 1))
    page = page_of(filled, report, Appendix(pairs))
    assert len(cells(page, "Pairs, the largest first")) == 1 + PAIRS_ON_PAGE
    assert "share documents: 201. The 200 largest are listed" in " ".join(page.text_content().split())


def test_the_page_can_be_read_without_seeing_it(filled: Home) -> None:
    report = run(filled)
    page = page_of(filled, report, appendix(filled, report, most=1))
    assert page.get("lang") == "en"
    assert all(table.findtext("caption") for table in page.iter("table"))
    assert all(cell.get("scope") for cell in page.iter("th"))
    ids = [one.get("id") for one in page.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    links = [one.get("href").removeprefix("#") for one in page.iter("a")]
    assert set(links) <= set(ids)
    assert len(links) == 10
    levels = [int(one.tag[1]) for one in page.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("aria-label") for one in page.iter() if one.get("role") == "region")


def test_a_search_that_reached_everything_says_so(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "bus"}])
    home.index("b000001")
    text = page_of(home, run(home, (Term(2, "bus", ""),))).text_content()
    assert "Everything that was collected could be searched, and every place was." in text
    assert "Every term found something." in text


def test_every_figure_of_a_term_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/terms.md").read_text("utf-8")
    section = text.split("\n## Figures of a term\n", 1)[1].split("\n## ", 1)[0]
    first = " ".join(line.split("|")[1] for line in section.splitlines() if "|" in line)
    named = re.findall(r"`(\w+)`", first)
    listed = {"line", "term", "note", "caution", "parsed"}
    assert named == [field.name for field in fields(TermCounts) if field.name not in listed]
