"""A hit report as a workbook: one sheet a question, every cell a number or plain text.

Text is written as text, whatever it starts with, so that no spreadsheet runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from search.reports import FIGURES, Breakdown, breakdowns, contained, local_time, no_words
from search.term_details import Appendix, ListedTerm
from search.terms import HitReport
from search.unsearched import KINDS, GapItem

MOST_ROWS = 1_048_575
"""Rows a sheet can hold below its heading."""

LONGEST_CELL = 32_000
"""Characters; a spreadsheet holds 32,767."""

_ILLEGAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_HEAD_FONT = Font(name="Calibri", bold=True, color="FFFFFF")
_HEAD_FILL = PatternFill("solid", fgColor="44546A")
_WRAP = Alignment(wrap_text=True, vertical="top", horizontal="left", indent=1)
_TEXT = Alignment(horizontal="left", indent=1)  # so that it does not touch a number on its left
_TOP = Alignment(vertical="top")
_TOTAL_FONT = Font(name="Calibri", bold=True)
_TOTAL_FILL = PatternFill("solid", fgColor="EEF1F5")
_LINE_POINTS, _MOST_LINES = 15, 20
_TOTAL = "whole list, each document once"
_HEADS = {
    "with_family": "with family",
    "unique": "only this term",
    "unique_families": "families, only this term",
    "unique_with_family": "with family, only this term",
}
"""Headings of figures, where they are not their names."""

Cell = str | int | None
Columns = tuple[tuple[str, int], ...]
"""Heading and width in characters of each column."""

_COUNTED: Columns = (("line", 7), ("term", 40))


def write_xlsx(report: HitReport, appendix: Appendix, gap_items: Sequence[GapItem], path: Path) -> None:
    """Write the report.

    Args:
        report: The report.
        appendix: What lies behind it.
        gap_items: The rows behind what could not be searched.
        path: The file; it must not exist.
    """
    book = Workbook(write_only=True)
    _report_sheet(book, report, appendix)
    _terms_sheet(book, report)
    for part in breakdowns(report):
        _breakdown_sheet(book, report, part)
    _overlap_sheet(book, report, appendix)
    if appendix.difference is not None:
        _difference_sheets(book, report, appendix)
    if appendix.samples:
        _samples_sheet(book, report, appendix)
    _sheet(
        book,
        "Lines not run",
        (("line", 7), ("what stands there", 50), ("why", 70), ("perhaps meant", 50)),
        ((bad.line, bad.term, bad.problem, bad.repaired) for bad in report.bad_lines),
        wrap=True,
    )
    _sheet(
        book,
        "Not searched",
        (
            ("reason", 50),
            ("extent", 10),
            ("custodian", 24),
            ("source", 24),
            ("count", 10),
            ("unit", 12),
            ("code", 22),
        ),
        (
            (
                kind.label, kind.extent, gap.custodian, gap.source, gap.count, kind.unit_of(gap.count),
                kind.code,
            )
            for gap in report.unsearched.gaps
            for kind in (KINDS[gap.kind],)
        ),
    )  # fmt: skip
    _sheet(
        book,
        "Not searched, rows",
        (
            ("code", 22),
            ("custodian", 24),
            ("source", 24),
            ("item_id", 36),
            ("family_id", 36),
            ("place", 40),
            ("catalogue", 22),
            ("count", 10),
        ),
        (
            (one.kind, one.custodian, one.source, one.item_id, one.family_id, one.place, one.code, one.count)
            for one in gap_items
        ),
    )
    book.save(path)


def write_table(title: str, columns: Columns, rows: Iterable[Sequence[Cell]], path: Path) -> None:
    """Write one table as a workbook of its own.

    Args:
        title: Of its sheet.
        columns: Heading and width in characters of each column.
        rows: Cells in the order of the columns.
        path: The file; it must not exist.
    """
    book = Workbook(write_only=True)
    _sheet(book, title, columns, rows)
    book.save(path)


def _report_sheet(book: Workbook, report: HitReport, appendix: Appendix) -> None:
    index = report.index
    rows: list[tuple[Cell, ...]] = [
        ("request", report.request_id),
        ("version", report.version or "a list that was only tried"),
        ("made at", local_time(report.at, report.zone)),
        ("days are days of", report.zone),
        ("documents in the index", index.documents),
        ("batches in the index", index.batches),
        ("engine", index.engine),
        ("analyzer", index.analyzer),
        ("terms run", len(report.terms)),
        ("terms that found nothing", len(report.zero_hits)),
        ("lines not run", len(report.bad_lines)),
        ("pairs of terms that share documents", len(appendix.overlap)),
        ("items not searchable, in no count", report.unsearched.whole),
        ("items searched in part only", report.unsearched.part),
        ("places not searched, or not to their end", report.unsearched.places),
    ]
    if appendix.samples:
        rows.insert(0, ("OFFICE COPY", "holds words of records; not for release"))
    _sheet(book, "Report", (("what", 42), ("value", 70)), rows, wrap=True)


def _terms_sheet(book: Workbook, report: HitReport) -> None:
    widths = (
        ("line", 7),
        ("term", 40),
        ("note", 30),
        ("parsed", 40),
        *((_HEADS.get(name, name), 12) for name in FIGURES),
        ("caution", 40),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            term.line,
            term.term,
            term.note,
            term.parsed,
            *(getattr(term, name) for name in FIGURES),
            term.caution,
        )
        for term in report.terms
    ]
    total = (None, _TOTAL, None, None, *(getattr(report.totals, name, None) for name in FIGURES))
    _sheet(book, "Terms", widths, rows, wrap=True, total=total)
    _sheet(
        book,
        "Zero hits",
        (("line", 7), ("term", 40), ("note", 30)),
        ((term.line, term.term, term.note) for term in report.terms if not term.documents),
        wrap=True,
    )


def _breakdown_sheet(book: Workbook, report: HitReport, part: Breakdown) -> None:
    rows: list[tuple[Cell, ...]] = [
        (term.line, term.term, *(part.cell(term, column) for column in part.columns)) for term in report.terms
    ]
    total = (None, _TOTAL, *(part.cell(report.totals, column) for column in part.columns))
    # Not named by their place: a custodian's id may be "line".
    columns = _COUNTED + tuple((column, max(9, len(column) + 3)) for column in part.columns)
    _sheet(book, part.title, columns, rows, wrap=True, total=total)


def _overlap_sheet(book: Workbook, report: HitReport, appendix: Appendix) -> None:
    said = contained(report, appendix.overlap)
    _sheet(
        book,
        "Overlap",
        (("line", 7), ("other line", 11), ("documents of both", 18), ("remark", 40)),
        ((pair.line, pair.other, pair.documents, said.get(pair)) for pair in appendix.overlap),
    )


def _difference_sheets(book: Workbook, report: HitReport, appendix: Appendix) -> None:
    change = appendix.difference
    assert change is not None
    assert appendix.moved is not None
    rows: list[tuple[Cell, ...]] = [("kept", None, None, change.kept, None, None, None)]
    rows += [("added", None, None, None, *_listed(one)) for one in change.added]
    rows += [("dropped", *_listed(one), None, None, None) for one in change.dropped]
    rows += [("changed", *_listed(one.before), *_listed(one.after)) for one in change.changed]
    for name in ("documents_gained", "documents_lost", "families_gained", "families_lost"):
        rows.append((name.replace("_", " "), None, None, getattr(change, name), None, None, None))
    counted = local_time(change.before_at, report.zone)
    rows.append((f"compared with version {change.before}, counted {counted}",))
    if not change.same_index:
        rows.append(("the two were counted on different states of the index",))
    widths = (("what", 24), ("line before", 12), ("term before", 40), ("documents before", 18))
    _sheet(book, "Difference", (*widths, ("line", 7), ("term", 40), ("documents", 12)), rows)
    moved = appendix.moved
    _sheet(
        book,
        "Gained and lost",
        (("what", 12), ("item_id", 36)),
        [("gained", item) for item in moved.gained] + [("lost", item) for item in moved.lost],
    )


def _listed(one: ListedTerm) -> tuple[Cell, Cell, Cell]:
    return one.line, one.term, "not run" if one.documents is None else one.documents


def _samples_sheet(book: Workbook, report: HitReport, appendix: Appendix) -> None:
    terms = {term.line: term.term for term in report.terms}
    rows: list[tuple[Cell, ...]] = []
    for hit in appendix.samples:
        same = (hit.line, terms[hit.line], hit.item_id, hit.custodian, hit.kind, hit.sent_on)
        rows += [(*same, snippet.field, _marked(snippet.parts)) for snippet in hit.snippets] or [
            (*same, None, no_words(hit))
        ]
    widths = (("line", 7), ("term", 30), ("item_id", 36), ("custodian", 20), ("kind", 10), ("sent on", 12))
    _sheet(book, "Sample hits", (*widths, ("field", 12), ("in context", 90)), rows, wrap=True)


def _marked(parts: Sequence[str]) -> str:
    return "".join(f"«{part}»" if place % 2 else part for place, part in enumerate(parts))


def _sheet(
    book: Workbook,
    title: str,
    columns: Columns,
    rows: Iterable[Sequence[Cell]],
    *,
    wrap: bool = False,
    total: Sequence[Cell] | None = None,
) -> None:
    """Add a sheet; rows beyond what one sheet holds go on in another of the same name.

    Args:
        book: The workbook.
        title: Of the sheet.
        columns: Heading and width of each column.
        rows: Cells in the order of the columns.
        wrap: Show long text whole, on several lines. Not for sheets of a million rows.
        total: A last row, which stands out.
    """
    number, left = 1, 0
    sheet: Any = None
    for row, is_total in chain(((row, False) for row in rows), ((row, True) for row in (total,) if row)):
        if not left:
            sheet, written = _started(book, title if number == 1 else f"{title} {number}", columns), 1
            number, left = number + 1, MOST_ROWS
        written += 1
        if wrap:
            _heighten(sheet, written, row, columns)
        sheet.append([_cell(sheet, value, wrap=wrap, total=is_total) for value in row])
        sheet.row_dimensions.pop(written, None)  # it was written; kept, they would grow with the sheet
        left -= 1
    if sheet is None:
        _started(book, title, columns)


def _started(book: Workbook, title: str, columns: Columns) -> Any:
    sheet: Any = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    # On paper: as wide as the page, with the headings and the sheet's name on each.
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = "1:1"
    sheet.oddFooter.left.text, sheet.oddFooter.right.text = "&A", "&P / &N"
    for place, (_, width) in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    _heighten(sheet, 1, [name for name, _ in columns], columns)
    sheet.append([_head(sheet, name) for name, _ in columns])
    return sheet


def _heighten(sheet: Any, number: int, row: Sequence[Cell], columns: Columns) -> None:
    """State the height of a row with long text: LibreOffice fits no rows of a file that states none."""
    lines = max(
        (
            -(-len(value) // max(1, width - 2))
            for value, (_, width) in zip(row, columns, strict=False)
            if isinstance(value, str)
        ),
        default=1,
    )
    if lines > 1:
        sheet.row_dimensions[number].height = _LINE_POINTS * min(lines, _MOST_LINES)


def _head(sheet: Any, name: str) -> Any:
    cell = _cell(sheet, name)
    cell.font, cell.fill, cell.alignment = _HEAD_FONT, _HEAD_FILL, _WRAP
    return cell


def _cell(sheet: Any, value: Cell, *, wrap: bool = False, total: bool = False) -> Any:
    """Return a number as it is, and text as a cell of the text type: a leading = is never a formula."""
    if not isinstance(value, str):
        if not wrap:
            return value
        cell: Any = WriteOnlyCell(sheet, value)
        cell.alignment = _TOP
    elif value:
        cell = WriteOnlyCell(sheet)
        cell._value = _ILLEGAL.sub("", value)[:LONGEST_CELL]  # the setter is what guesses the type
        cell.data_type = "s"
        cell.number_format = "@"  # a cell that is edited stays text
        cell.alignment = _WRAP if wrap else _TEXT
    else:
        return None
    if total:
        cell.font, cell.fill = _TOTAL_FONT, _TOTAL_FILL
    return cell
