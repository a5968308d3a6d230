"""Screenshots of a principal whose phone is gone: pictures of two conversations with the sheet about them."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from examples.district import documents as d
from examples.district.asks import Source
from examples.district.clock import pacific
from examples.district.handed import Cast, Made, file_top, missing
from examples.district.truth import Piece, Top

SHEET = "screenshots.csv"
COLUMNS = ("file", "app", "contact", "number", "first_day", "last_day", "overlaps_previous", "note")
OPTIONS = {"why_no_export": "the phone was traded in on 2026-07-20; the pictures are all that is left"}


def screenshots(source: Source, cast: Cast, count: int) -> Made:
    """Make a folder of pictures; there are never more of them."""
    del count
    vendor, parent = cast.people.vendors[1], cast.pupils[3].guardians[0]
    rows: list[tuple[str, str, str, str, str, str, str]] = [
        (
            "IMG_0398.png",
            vendor.name,
            vendor.number,
            "2025-08-19",
            "2025-08-20",
            "",
            "before the school year",
        ),
        ("IMG_0411.png", vendor.name, vendor.number, "2026-01-15", "", "no", ""),
        ("IMG_0412.png", vendor.name, vendor.number, "", "", "yes", "no date in it"),
        ("IMG_0420.png", parent.name, parent.number, "2026-02-25", "2026-02-26", "", ""),
        ("IMG_0421.png", parent.name, parent.number, "", "", "yes", "deleted before it was copied"),
    ]
    shown = {
        "IMG_0398.png": (["playground proposal", "call me"], ("outside_window",)),
        "IMG_0411.png": (["the playground bid", "is lower now"], ("found_only_after_ocr", "gap")),
        "IMG_0412.png": (["ok, Thursday"], ("undated",)),
        "IMG_0420.png": (["who decided the", "bus route change"], ("found_only_after_ocr",)),
    }
    pictures = {
        name: d.picture_file(name, lines, ("screenshot", *tags)) for name, (lines, tags) in shown.items()
    }
    tops: list[Top] = []
    for name, contact, _, first, *_ in rows:
        scope = f"Signal/{contact}"
        if name in pictures:
            tops.append(file_top(source, scope, name, pictures[name], _day(first)))
        else:
            tops.append(missing(source, scope, name, name))
    sheet = _sheet([(name, "Signal", *rest) for name, *rest in rows])
    extra = d.picture_file("IMG_0430.png", ["a dog"], ("screenshot", "not_in_sheet"))
    files = {name: piece.data for name, piece in pictures.items()}
    for piece in (extra, sheet):
        files[piece.name or ""] = piece.data
        tops.append(file_top(source, ".", piece.name or "", piece))
    return Made(files, tops)


def _day(stated: str) -> datetime | None:
    return pacific(*map(int, stated.split("-")), 0) if stated else None


def _sheet(rows: list[tuple[str, ...]]) -> Piece:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return d.text_file(SHEET, out.getvalue(), ("sheet",), media_type="text/csv")
