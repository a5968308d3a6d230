"""Which pages are pictures: what only OCR can read, page by page."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

_FEW = 50
"""A scan that was stamped (page numbers, Bates numbers) has this many characters at most."""

_COVER = 0.5
"""Share of a page that pictures must cover to make a page with few characters a scan."""

_PATHS = 60
"""A page without text but with this many drawn shapes may hold letters turned into outlines."""

_SMALLEST = 8
"""Pixels: no legible letter is smaller."""


def scanned_pages(data: bytes, characters: Sequence[int], unmapped: Sequence[int]) -> tuple[int, ...]:
    """Return the 1-based pages of a PDF that need OCR.

    Args:
        data: The file.
        characters: Characters of each page, as the text reader counted them; empty when it did not.
        unmapped: Of these, how many have no meaning (a font without a Unicode table).
    """
    doubtful = [
        number
        for number, count in enumerate(characters)
        if count < _FEW or (number < len(unmapped) and unmapped[number] * 2 > count)
    ]
    if characters and not doubtful:
        return ()
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError:
        return ()
    try:
        if not characters:
            doubtful = list(range(len(document)))
        return tuple(
            number + 1
            for number in doubtful
            if number < len(document)
            and _is_scan(
                document,
                number,
                characters[number] if characters else None,
                unmapped[number] if number < len(unmapped) else 0,
            )
        )
    finally:
        document.close()


def _is_scan(document: Any, number: int, count: int | None, unmapped: int) -> bool:
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw

    try:
        page = document[number]
    except pdfium.PdfiumError:
        return False
    try:
        if count is None:
            text = page.get_textpage()
            count = text.count_chars()
            text.close()
        if unmapped and unmapped * 2 > count:
            return True
        width, height = page.get_size()
        covered, paths, images = 0.0, 0, 0
        for thing in page.get_objects(max_depth=4):
            if thing.type == raw.FPDF_PAGEOBJ_IMAGE:
                images += 1
                left, bottom, right, top = thing.get_bounds()
                covered += abs((right - left) * (top - bottom))
            elif thing.type == raw.FPDF_PAGEOBJ_PATH:
                paths += 1
        if count == 0:
            return images > 0 or paths > _PATHS
        return count < _FEW and covered > width * height * _COVER
    except pdfium.PdfiumError:
        return False
    finally:
        page.close()


def image_pages(data: bytes) -> int:
    """Return the number of pages of an image: TIFF files (faxes) have several, others one."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    order = "<" if data[:2] == b"II" else ">"
    seen: set[int] = set()
    at = struct.unpack_from(f"{order}L", data, 4)[0] if len(data) >= 8 else 0
    while at and at not in seen and at + 2 <= len(data) and len(seen) < 10_000:
        seen.add(at)
        entries = struct.unpack_from(f"{order}H", data, at)[0]
        following = at + 2 + 12 * entries
        if following + 4 > len(data):
            break
        at = struct.unpack_from(f"{order}L", data, following)[0]
    return max(1, len(seen))


def can_hold_letters(data: bytes) -> bool:
    """Tell whether an image is large enough for a letter (tracking pixels are not); unknown sizes are."""
    size: tuple[int, int] | None = None
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        size = struct.unpack_from(">LL", data, 16)
    elif data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        size = struct.unpack_from("<HH", data, 6)
    elif data[:2] == b"BM" and len(data) >= 26:
        width, height = struct.unpack_from("<ll", data, 18)
        size = (abs(width), abs(height))
    return size is None or min(size) >= _SMALLEST


def is_cut(data: bytes) -> bool:
    """Tell whether a file's own end mark is missing: PDF, JPEG, PNG and zip say where they end."""
    tail = data[-2048:]
    if data.startswith(b"%PDF"):
        return b"%%EOF" not in tail and b" obj" in data
    if data.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in tail
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    if data.startswith(b"PK\x03\x04"):
        return b"PK\x05\x06" not in data[-66_000:]
    return False
