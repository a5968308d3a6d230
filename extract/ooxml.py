"""What an Office Open XML file hides: sheets, rows, columns, slides, text runs, tracked deletions.

Tika puts all of it into the text; a person who opens the file would not see it, so the item carries a
warning.
"""

from __future__ import annotations

import html
import io
import re
import zipfile
import zlib
from dataclasses import dataclass

_MOST = 32 << 20
"""Bytes looked at in one member."""

_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^>]*>")
_NAME = re.compile(rb"\bname=\"([^\"]*)\"")
_HIDDEN_SHEET = re.compile(rb"\bstate=\"(?:hidden|veryHidden)\"")
_HIDDEN_CELLS = re.compile(rb"<(?:\w+:)?(?:row|col)\b[^>]*\bhidden=\"(?:1|true)\"")
_HIDDEN_SLIDE = re.compile(rb"<p:sld\b[^>]*\bshow=\"(?:0|false)\"")
_HIDDEN_TEXT = re.compile(rb"<w:vanish(?:/>|\s*/>| w:val=\"(?:1|true|on)\")|<w:delText\b|<w:moveFrom\b")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look into the file shows.

    Attributes:
        hidden: Something is there that an ordinary view does not show.
        pictures: File names of the pictures it carries; Tika puts them into the text.
        sheets: Names of its sheets in order, hidden ones too.
        cut: Its directory is missing: the end of the file was lost.
    """

    hidden: bool = False
    pictures: frozenset[str] = frozenset()
    sheets: tuple[str, ...] = ()
    cut: bool = False


NOTHING = Found()


def look(data: bytes) -> Found:
    """Look into a zip-based document; anything unreadable counts as not found."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return Found(cut=True)
    with archive:
        names = archive.namelist()
        workbook = _read(archive, "xl/workbook.xml") if "xl/workbook.xml" in names else b""
        sheets = [found.group() for found in _SHEET.finditer(workbook)]
        hidden = any(_HIDDEN_SHEET.search(sheet) for sheet in sheets)
        if not hidden:
            hidden = any(_hides(archive, name) for name in names)
        return Found(
            hidden=hidden,
            pictures=frozenset(
                name.rpartition("/")[2] for name in names if "/media/" in name or name.startswith("Pictures/")
            ),
            sheets=tuple(_sheet_name(sheet) for sheet in sheets),
        )


def is_bomb(data: bytes, ratio: float) -> bool:
    """Tell whether the stated sizes of a zip-based document go beyond a ratio (counted above 32 MB).

    A file that states less than it unpacks to meets the memory limit of the worker instead.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return False
    return unpacked > max(_MOST, len(data) * ratio)


def _hides(archive: zipfile.ZipFile, name: str) -> bool:
    if name.startswith("xl/worksheets/sheet"):
        return _HIDDEN_CELLS.search(_read(archive, name)) is not None
    if name.startswith("ppt/slides/slide"):
        return _HIDDEN_SLIDE.search(_read(archive, name)[:8192]) is not None
    if name in ("word/document.xml", "word/footnotes.xml"):
        return _HIDDEN_TEXT.search(_read(archive, name)) is not None
    return False


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as member:
            return member.read(_MOST)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        KeyError,
    ):
        return b""


def _sheet_name(sheet: bytes) -> str:
    found = _NAME.search(sheet)
    return html.unescape(found.group(1).decode("utf-8", "replace")) if found else ""
