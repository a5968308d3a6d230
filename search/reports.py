"""Hit reports for people: a CSV that a spreadsheet cannot run, and one self-contained page.

The workbook is ``search/report_xlsx.py``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from records import canonical
from search.term_details import Appendix, Pair, Sample
from search.terms import HitReport, TermCounts, Totals
from search.unsearched import GAPS, Gap, GapKind, Unsearched

if TYPE_CHECKING:
    import jinja2

FIGURES = (
    "documents", "families", "with_family", "unique", "unique_families", "unique_with_family", "occurrences",
    "distinct",
)  # fmt: skip
"""Figures of a term, in the order of every report."""

_NO_TOTAL = frozenset({"unique", "unique_families", "unique_with_family"})

PAIRS_ON_PAGE = 200
"""Most pairs that the page lists; the workbook has them all."""

COLUMNS_TOGETHER = 10
"""Most columns of documents in one table of the page: as many as a sheet of paper holds beside the term."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Documents by custodian, source or month.

    Attributes:
        title: For a heading.
        prefix: Of a column's name in CSV.
        name: Attribute of the counts.
        columns: In order; months end with the undated.
    """

    title: str
    prefix: str
    name: str
    columns: tuple[str, ...]

    def tables(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the tables that the page shows it in, each with its caption and its columns."""
        caption = f"Documents {self.title.lower()}"
        if len(self.columns) <= COLUMNS_TOGETHER:
            return [(caption, self.columns)]
        starts = range(0, len(self.columns), COLUMNS_TOGETHER)
        pieces = [self.columns[n : n + COLUMNS_TOGETHER] for n in starts]
        return [
            (f"{caption}, {piece[0]} to {piece[-1]} ({n} of {len(pieces)})", piece)
            for n, piece in enumerate(pieces, start=1)
        ]

    def is_undated(self, column: str) -> bool:
        """Say whether a column holds the undated; a custodian may have that word as id."""
        return self.name == "months" and column == UNDATED

    def cell(self, counts: TermCounts | Totals, column: str) -> int:
        """Return one figure."""
        if self.is_undated(column):
            return counts.undated
        by: dict[str, int] = getattr(counts, self.name)
        return by.get(column, 0)


UNDATED = "undated"


def breakdowns(report: HitReport) -> tuple[Breakdown, ...]:
    """Return what documents are broken down by, with the columns that have any."""
    totals = report.totals
    return (
        Breakdown("By custodian", "custodian ", "custodians", tuple(sorted(totals.custodians))),
        Breakdown("By source", "source ", "sources", tuple(sorted(totals.sources))),
        Breakdown("By month", "month ", "months", (*sorted(totals.months), UNDATED)),
    )


def to_csv(report: HitReport) -> str:
    """Return the report as CSV (RFC 4180, CR LF): a row a line of the list, totals, what was not searched.

    Every text cell that a spreadsheet would take for a formula starts with an apostrophe.
    """
    parts = breakdowns(report)
    columns = [(part, column) for part in parts for column in part.columns]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["line", "term", "note", "parsed", *FIGURES]
        + [column if part.is_undated(column) else _safe(part.prefix + column) for part, column in columns]
        + ["caution", "problem", "repaired"]
    )
    rows: list[tuple[int, list[object]]] = []
    for term in report.terms:
        cells: list[object] = [term.line, _safe(term.term), _safe(term.note), _safe(term.parsed)]
        cells += [getattr(term, name) for name in FIGURES]
        cells += [part.cell(term, column) for part, column in columns]
        rows.append((term.line, [*cells, _safe(term.caution), "", ""]))
    empty = [""] * (1 + len(FIGURES) + len(columns))
    for bad in report.bad_lines:
        cells = [bad.line, _safe(bad.term), "", *empty, "", _safe(bad.problem), _safe(bad.repaired or "")]
        rows.append((bad.line, cells))
    writer.writerows(cells for _, cells in sorted(rows, key=lambda row: row[0]))
    writer.writerow(
        ["", "whole list, each document once", "", ""]
        + ["" if name in _NO_TOTAL else getattr(report.totals, name) for name in FIGURES]
        + [part.cell(report.totals, column) for part, column in columns]
        + ["", "", ""]
    )
    for words, count in (
        ("not searchable, in no count above", report.unsearched.whole),
        ("searched in part only", report.unsearched.part),
    ):
        writer.writerow(["", words, "", "", count, *[""] * (len(FIGURES) - 1 + len(columns) + 3)])
    return out.getvalue()


def _safe(text: str) -> str:
    """Neutralise what a spreadsheet would run: a start, after white space, with = + - @ or a control."""
    start = text.lstrip(" \u00a0")
    return (
        f"'{text}"
        if start.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        else text
    )


@dataclass(frozen=True, slots=True)
class GapRow:
    """One kind of what could not be searched, for people.

    Attributes:
        kind: Which.
        count: In its unit, over all custodians and sources.
        gaps: By custodian and source.
    """

    kind: GapKind
    count: int
    gaps: tuple[Gap, ...]


def gap_rows(found: Unsearched) -> list[GapRow]:
    """Return the kinds that occur, in the order of ``GAPS``."""
    rows = []
    for kind in GAPS:
        gaps = tuple(gap for gap in found.gaps if gap.kind == kind.code)
        if gaps:
            rows.append(GapRow(kind, sum(gap.count for gap in gaps), gaps))
    return rows


def no_words(sample: Sample) -> str:
    """Say why a sampled hit is shown without its words."""
    if sample.closed:
        return "Its source has readers of its own: no words of it are shown here."
    return "No word to show: it matches by a date, a label, another member of the family, or by absence."


def contained(report: HitReport, pairs: Iterable[Pair]) -> dict[Pair, str]:
    """Say of pairs where one term finds everything that the other finds."""
    documents = {term.line: term.documents for term in report.terms}
    said = {}
    for pair in pairs:
        one, two = (documents[line] == pair.documents for line in (pair.line, pair.other))
        if one and two:
            said[pair] = "both find the same documents"
        elif one or two:
            inner, outer = (pair.line, pair.other) if one else (pair.other, pair.line)
            said[pair] = f"all of line {inner} is in line {outer}"
    return said


def local_time(text: str, zone: str) -> str:
    """Return a time of the catalogue in a zone, to the minute: ``2026-01-05 10:00 −08:00``."""
    local = canonical.utc_time(text).astimezone(ZoneInfo(zone))
    offset = f"{local:%z}"  # +HHMM
    return f"{local:%Y-%m-%d %H:%M} {offset[:3].replace('-', '−')}:{offset[3:]}"


def some(count: int, one: str, many: str) -> str:
    """Return a number with what it counts."""
    return f"{count:,} {one if count == 1 else many}"


def to_html(report: HitReport, appendix: Appendix | None = None) -> str:
    """Return the report as one page that needs nothing else: no script, no outside address."""
    behind = appendix or Appendix()
    pairs = behind.overlap[:PAIRS_ON_PAGE]
    by_line: dict[int, list[Sample]] = {}
    for sample in behind.samples:
        by_line.setdefault(sample.line, []).append(sample)
    return _template().render(
        report=report,
        breakdowns=breakdowns(report),
        appendix=behind,
        pairs=pairs,
        contained=contained(report, pairs),
        samples=by_line,
        no_words=no_words,
        terms={term.line: term.term for term in report.terms},
        loses_nothing=[term.line for term in report.terms if term.documents and not term.unique],
        gap_rows=gap_rows(report.unsearched),
    )


@cache
def _template() -> jinja2.Template:
    import jinja2  # slow to load, and a run writes no page

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["n"] = "{:,}".format
    environment.filters["in_zone"] = local_time
    environment.filters["some"] = some
    return environment.from_string(Path(__file__).with_name("hit_report.html").read_text(encoding="utf-8"))
