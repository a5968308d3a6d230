"""Hit reports for people: a CSV that a spreadsheet cannot run, and one self-contained page."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from search.terms import HitReport

if TYPE_CHECKING:
    import jinja2

_FIGURES = ("documents", "with_family", "unique", "unique_with_family", "occurrences", "distinct")


def to_csv(report: HitReport) -> str:
    """Return the report as CSV (RFC 4180, CR LF): a row a line of the list, then the totals.

    Every text cell that a spreadsheet would take for a formula starts with an apostrophe.
    """
    people = sorted(report.totals.custodians)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["line", "term", "note", "parsed", *_FIGURES]
        + [_safe(f"custodian {name}") for name in people]
        + ["caution", "problem", "repaired"]
    )
    rows: list[tuple[int, list[object]]] = []
    for term in report.terms:
        cells: list[object] = [term.line, _safe(term.term), _safe(term.note), _safe(term.parsed)]
        cells += [getattr(term, name) for name in _FIGURES]
        cells += [term.custodians.get(name, 0) for name in people]
        rows.append((term.line, [*cells, _safe(term.caution), "", ""]))
    empty = [""] * (1 + len(_FIGURES) + len(people))
    for bad in report.bad_lines:
        cells = [bad.line, _safe(bad.term), "", *empty, "", _safe(bad.problem), _safe(bad.repaired or "")]
        rows.append((bad.line, cells))
    writer.writerows(cells for _, cells in sorted(rows, key=lambda row: row[0]))
    totals = report.totals
    writer.writerow(
        ["", "whole list, each document once", "", "", totals.documents, totals.with_family, "", ""]
        + [totals.occurrences, totals.distinct]
        + [totals.custodians.get(name, 0) for name in people]
        + ["", "", ""]
    )
    return out.getvalue()


def _safe(text: str) -> str:
    """Neutralise what a spreadsheet would run: a start, after white space, with = + - @ or a control."""
    start = text.lstrip(" \u00a0")
    return (
        f"'{text}"
        if start.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))
        else text
    )


def to_html(report: HitReport) -> str:
    """Return the report as one page that needs nothing else: no script, no outside address."""
    return _template().render(report=report, people=sorted(report.totals.custodians))


@cache
def _template() -> jinja2.Template:
    import jinja2  # slow to load, and a run writes no page

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(Path(__file__).with_name("hit_report.html").read_text(encoding="utf-8"))
