"""Reads the lines of a PDF as a process of its own: its bytes on standard input, JSON on standard output.

A PDF that was handed over may crash, hang or swell whatever reads it. That costs this process, and no other.
It has two ways to read: ``lines`` by PDFium (pypdfium2), ``count`` by pdfminer.six; they share no code, so
that what one of them loses the other one counts.
"""

from __future__ import annotations

import ctypes
import io
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

MEMORY_BYTES = 3 << 30
MOST_PAGES = 20_000
MOST_CHARACTERS = 32 << 20
PAGE_CHARACTERS = 1 << 20

_FEW = 100
"""Characters of a page that is a picture with a stamp or a page number on it."""

_COVERED = 0.5
_SAME_LINE = 3.0
_GAP = 18.0
"""Points, a quarter of an inch: letters that are further apart stand in two columns."""

_MOST_OBJECTS = 10_000
_BLANK = frozenset({9, 10, 11, 12, 13, 32})
_NO_LETTER = 0xFFFD
_HYPHEN = 2
"""What PDFium gives for a hyphen at the end of a line."""


class _Spent(Exception):  # noqa: N818 - not an error of the file
    """A limit was reached."""


def main(mode: str, seconds: int) -> None:
    """Read under limits and print ``{"pages": […], "error": code or null}``.

    A page is ``{"state", "lines"}``; a state is ``text``, ``picture``, ``blank``, ``unmapped`` (letters
    without meaning), ``damaged`` or ``too_large``; a line is ``[left, top, text]`` in points from the page's
    upper left corner. Pages before an error are given.

    Args:
        mode: ``lines`` or ``count``.
        seconds: Of a processor; when they are spent, the system ends this process by SIGXCPU.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    pages: list[dict[str, Any]] = []
    error = None
    try:
        characters = 0
        for page in _by_pdfium(data) if mode == "lines" else _by_pdfminer(data):
            characters += sum(len(line[2]) for line in page["lines"])
            if len(pages) == MOST_PAGES or characters > MOST_CHARACTERS:
                raise _Spent
            pages.append(page)
    except _Spent:
        error = "too_large"
    except MemoryError:
        error = "memory"
    except Exception as fault:  # noqa: BLE001 - the boundary: parsers of hostile files raise anything
        named = f"{type(fault).__name__} {fault}".lower()
        error = "password" if "password" in named else "damaged"
    json.dump({"pages": pages, "error": error}, sys.stdout)
    sys.stdout.flush()


# --- PDFium ------------------------------------------------------------------------------------------------


def _by_pdfium(data: bytes) -> Iterator[dict[str, Any]]:
    import pypdfium2 as pdfium

    document = pdfium.PdfDocument(data)
    for number in range(len(document)):
        try:
            page = document[number]
            found = _pdfium_page(page)
            page.close()
        except pdfium.PdfiumError:
            found = {"state": "damaged", "lines": []}
        yield found


def _pdfium_page(page: Any) -> dict[str, Any]:
    import pypdfium2.raw as raw

    width, height = page.get_size()
    text = page.get_textpage()
    count = raw.FPDFText_CountChars(text)
    if count > PAGE_CHARACTERS:
        return {"state": "too_large", "lines": []}
    x, y = ctypes.c_double(), ctypes.c_double()
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    runs: list[_Run] = []
    run: _Run | None = None
    unmapped = seen = 0
    for number in range(count):
        code = raw.FPDFText_GetUnicode(text, number)
        if raw.FPDFText_IsGenerated(text, number) == 1:
            if run is not None and code in {10, 13}:
                run = None
            elif run is not None:
                run.text += " "
            continue
        raw.FPDFText_GetCharOrigin(text, number, x, y)
        raw.FPDFText_GetCharBox(text, number, left, right, bottom, top)
        if code in _BLANK:
            if run is not None:
                run.text += " "
            continue
        seen += 1
        unmapped += code in {0, _NO_LETTER} or raw.FPDFText_HasUnicodeMapError(text, number) == 1
        if run is None or abs(run.y - y.value) > _SAME_LINE or not -_GAP < left.value - run.right < _GAP:
            run = _Run(x.value, height - y.value, y.value)
            runs.append(run)
        run.text += "-" if code == _HYPHEN else _letter(code)
        run.right = max(run.right, right.value)
    text.close()
    if seen and unmapped * 2 > seen:
        return {"state": "unmapped", "lines": []}
    covered = objects = 0.0
    if seen < _FEW:  # a page of text is not searched for pictures
        for number, thing in enumerate(page.get_objects(max_depth=4)):
            objects += thing.type != raw.FPDF_PAGEOBJ_TEXT
            if thing.type == raw.FPDF_PAGEOBJ_IMAGE:
                a, b, c, d = thing.get_bounds()
                covered += abs((c - a) * (d - b))
            if number == _MOST_OBJECTS:
                break
    return _page(seen, covered / (width * height or 1), objects > 0, _joined(runs))


class _Run:
    """Letters side by side."""

    __slots__ = ("left", "right", "text", "top", "y")

    def __init__(self, left: float, top: float, y: float) -> None:
        self.left = self.right = left
        self.top = top
        self.y = y
        self.text = ""


def _joined(runs: list[_Run]) -> list[list[Any]]:
    """Put what stands on one line together, from the top of the page down; a wide gap is a tab."""
    lines: list[list[_Run]] = []
    for run in sorted(runs, key=lambda run: run.top):
        if lines and abs(lines[-1][0].top - run.top) <= _SAME_LINE:
            lines[-1].append(run)
        else:
            lines.append([run])
    found = []
    for line in lines:
        line.sort(key=lambda run: run.left)
        text, right = "", line[0].left
        for run in line:
            text = (
                text.rstrip() + ("\t" if run.left - right >= _GAP else " ") + run.text if text else run.text
            )
            right = max(right, run.right)
        found.append([round(line[0].left, 1), round(line[0].top, 1), text])
    return found


def _letter(code: int) -> str:
    """Return a character that any store takes; U+FFFD for a glyph that the font has no meaning for."""
    return chr(_NO_LETTER if code < 32 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF else code)


# --- pdfminer ----------------------------------------------------------------------------------------------


def _by_pdfminer(data: bytes) -> Iterator[dict[str, Any]]:
    import logging

    from pdfminer.high_level import extract_pages
    from pdfminer.layout import LAParams

    logging.disable(logging.CRITICAL)  # it logs words of what it reads
    for page in extract_pages(io.BytesIO(data), laparams=LAParams(boxes_flow=None)):
        lines: list[tuple[float, float, str]] = []
        covered, seen, things = 0.0, 0, 0
        for thing, kind in _things(page):
            things += 1
            if kind == "line":
                lines.append((-thing.y0, thing.x0, thing.get_text()))
                seen += sum(not char.isspace() for char in thing.get_text())
            elif kind == "image":
                covered += thing.width * thing.height
        lines.sort()
        rows: list[list[Any]] = []
        at = None
        for y, x, words in lines:
            if at is not None and abs(y - at) <= _SAME_LINE:
                rows[-1][2] += " " + words.strip()
            else:
                rows.append([x, page.height + y, words.strip()])
                at = y
        yield _page(seen, covered / (page.width * page.height or 1), things > 0, rows)


def _things(container: Any) -> Iterator[tuple[Any, str]]:
    from pdfminer.layout import LTContainer, LTImage, LTTextLine

    for thing in container:
        if isinstance(thing, LTTextLine):
            yield thing, "line"
        elif isinstance(thing, LTImage):
            yield thing, "image"
        elif isinstance(thing, LTContainer):
            yield from _things(thing)
        else:
            yield thing, ""


def _page(seen: int, covered: float, anything: bool, lines: list[list[Any]]) -> dict[str, Any]:  # noqa: FBT001
    if not seen:
        return {"state": "picture" if anything else "blank", "lines": []}
    return {"state": "picture" if seen < _FEW and covered > _COVERED else "text", "lines": lines}
