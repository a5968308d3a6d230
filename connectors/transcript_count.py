"""Counts the messages of a printout apart from the reader: by the printed figure, else by time stamps.

Nothing here is shared with what cuts messages: the lines come from another library, and what a line of the
layout looks like is put into a pattern anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from connectors.transcript_layouts import Layout
from connectors.transcript_pages import Pages
from records.models import Expected

_SAMPLE = datetime(2026, 9, 23, 22, 45, 56)  # noqa: DTZ001 - only its form is printed
_PIECES = re.compile(r"\d+|[A-Za-z]+|\s+|.")
_UNKNOWN = Expected(None, "unknown")


def counted(pages: Pages, layout: Layout, beside: Callable[[str], bool]) -> Expected:
    """Count what a printout must give: itself, its messages, files that are not there, pages without text.

    Args:
        pages: Its lines, as read for counting.
        layout: How the app prints.
        beside: Says whether a file of a name lies beside the printout.

    Returns:
        Unknown for one that could not be read to its end, or that the layout does not fit.
    """
    if pages.fault is not None or not pages.pages:
        return _UNKNOWN
    lines = [line.text for line in pages.lines]
    first = {line.text for line in pages.pages[0].lines}
    marks = [_pattern(mark, layout) for mark in layout.marks]
    if not all(any(mark.match(text) for text in first) for mark in marks):
        return _UNKNOWN
    unread = sum(page.state not in {"text", "blank"} for page in pages.pages)
    stamp = _pattern(next(line for line in layout.head if "{sent_at}" in line), layout)
    stamps = [n for n, text in enumerate(lines) if stamp.match(text)]
    named = [_pattern(one, layout) for one in layout.attachment]
    lost = 0
    for text in lines[stamps[0] :] if stamps else ():
        found = next((found for one in named if (found := one.match(text)) is not None), None)
        if found is not None:
            lost += not beside((found.groupdict().get("attachment") or text).strip())
    if layout.total:
        total = _pattern(layout.total, layout)
        figures = {
            int(re.sub(r"\D", "", found["total"]))
            for text in lines
            if (found := total.match(text)) is not None
        }
        if figures:
            return Expected(1 + sum(figures) + lost + unread, "printed total")
    return Expected(1 + len(stamps) + lost + unread, "time stamps")


def _pattern(template: str, layout: Layout) -> re.Pattern[str]:
    """Return what a printed line of the layout looks like, however wide its gaps are."""
    found = [re.search("%[HI].*", form) for form in layout.time_formats]
    clock = f"(?:{'|'.join(_of_time(one[0]) for one in found if one)})"
    whole = "|".join(map(_of_time, layout.time_formats))
    relative = rf"|(?:[A-Z][a-z]+day),?\s+(?:at\s+)?{clock}" if any(found) else ""
    stamp = clock if layout.day else whole + relative
    runs = [""]  # each begins with something of any length, and is not looked at again once it fits
    for piece in re.findall(r"\{[a-z_]+\}|[^{]+|\{", template):
        if piece == "{sent_at}":
            runs[-1] += f"(?:{stamp})"
        elif piece in {"{number}", "{total}"}:
            runs[-1] += r"(?P<total>[\d.,]*\d)" if piece == "{total}" else r"[\d.,]*\d"
        elif piece == "{attachment}":
            runs.append("(?P<attachment>.+?)")
        elif piece == "{body}":
            runs.append("(?s:.*)")
        elif piece.startswith("{") and len(piece) > 1:
            runs.append(".+?")
        else:
            runs[-1] += _gaps(piece)
    return re.compile("".join(f"(?>{run})" for run in (*runs[:-1], runs[-1] + r"\Z")))


def _gaps(text: str) -> str:
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))


def _of_time(form: str) -> str:
    """Return what a time of a form looks like, from how one is printed."""
    made = []
    for piece in _PIECES.findall(_SAMPLE.strftime(form)):
        if piece.isdigit():
            made.append(r"\d+")
        elif piece.isalpha():
            made.append("[A-Za-z.]+")
        else:
            made.append(_gaps(piece))
    return "".join(made)
