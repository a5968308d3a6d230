"""CSV as a bundle carries it: one spelling, the same bytes every time, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""A cell that begins so is a formula to a spreadsheet; the full-width forms are to some."""


def plain(value: str) -> str:
    """Return text without control characters (a line break counts as a space) and lone surrogates."""
    if value.isprintable():
        return value
    text = value.encode("utf-8", "replace").decode("utf-8")
    return "".join(
        " " if c in "\t\r\n\x0b\x0c\x85\u2028\u2029" else c for c in text if c.isprintable() or c.isspace()
    )


def cell(value: Any) -> str:
    """Return a cell that no spreadsheet runs: text that starts a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    text = plain(str(value)).strip()
    return f"'{text}" if text.startswith(tuple(_STARTS)) else text


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Write a table: RFC 4180, CR LF, UTF-8 with a mark so that a spreadsheet reads the letters right."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
    return out.getvalue().encode("utf-8-sig")
