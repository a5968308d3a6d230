"""Images that say nothing beside their pixels: told from their structure, so that Tika need not be asked.

Logos and signatures are most images in mail, and have neither title nor author nor date. Tika would only
name their format, at several milliseconds each. Whatever may hold a fact (EXIF, IPTC, XMP), is unusual or
is not sound to the last byte is left to Tika.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits of a sample by colour type (PNG specification, 11.2.1)."""
_PNG_SILENT = frozenset([b"IHDR", b"PLTE", b"IDAT", b"IEND", b"gAMA", b"pHYs", b"sRGB", b"tEXt"])
"""Chunks of which Tika makes no fact."""
_PNG_SIZES = {b"IHDR": 13, b"IEND": 0, b"gAMA": 4, b"pHYs": 9, b"sRGB": 1}

_JPEG_TABLES = frozenset([0xC4, 0xDB, 0xDD])  # DHT, DQT, DRI
_JPEG_FRAMES = frozenset([0xC0, 0xC1, 0xC2])  # the three kinds of picture that programs write
_JPEG_SAYS_HOW = {0xE0: (b"JFIF\0", b"JFXX\0"), 0xEE: (b"Adobe",)}
"""Application segments that tell how to show the picture, by marker."""
_JPEG_COMMENT, _JPEG_SCAN = 0xFE, 0xDA

_GIF_BLOCK, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_GIF_CONTROL, _GIF_COMMENT, _GIF_APPLICATION = 0xF9, 0xFE, 0xFF

_BMP = struct.Struct("<2sIHHIIiiHHII")


def bare_type(data: bytes) -> str | None:
    """Return the media type of a sound image of which nothing but its pixels is to be told, or None.

    Args:
        data: The file, whatever it is.
    """
    for start, media_type, is_bare in _FORMS:
        if data.startswith(start):
            try:
                return media_type if is_bare(data) else None
            except (IndexError, struct.error):  # it ends early
                return None
    return None


def _is_bare_png(data: bytes) -> bool:
    at: int = len(_PNG)
    first = True
    while at < len(data):
        size, kind = struct.unpack_from(">L4s", data, at)
        body = data[at + 8 : at + 8 + size]
        (stated,) = struct.unpack_from(">L", data, at + 8 + size)
        if kind not in _PNG_SILENT or _PNG_SIZES.get(kind, size) != size or first != (kind == b"IHDR"):
            return False
        if zlib.crc32(body, zlib.crc32(kind)) != stated:
            return False
        if first and not _is_png_header(body):
            return False
        if (kind == b"PLTE" and not 3 <= size <= 768) or (kind == b"tEXt" and b"\0" not in body[1:80]):
            return False
        at, first = at + 12 + size, False
        if kind == b"IEND":
            return at == len(data)
    return False


def _is_png_header(body: bytes) -> bool:
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">LLBBBBB", body)
    usual: bool = compression == 0 and filtering == 0 and interlace in (0, 1)
    return usual and depth in _PNG_DEPTHS.get(colour, ()) and 0 < width < 1 << 31 and 0 < height < 1 << 31


def _is_bare_jpeg(data: bytes) -> bool:
    if not data.endswith(b"\xff\xd9"):
        return False
    at, framed = 2, False
    while True:
        marker, size = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if data[at] != 0xFF or size < 2 or at + 2 + size > len(data):
            return False
        if marker == _JPEG_SCAN:
            return framed
        if marker in _JPEG_FRAMES:
            framed = True
        elif marker in _JPEG_SAYS_HOW:
            if not data.startswith(_JPEG_SAYS_HOW[marker], at + 4):
                return False
        elif marker not in _JPEG_TABLES and marker != _JPEG_COMMENT:
            return False
        at += 2 + size


def _is_bare_gif(data: bytes) -> bool:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + _gif_colours(flags)
    pictures = 0
    while data[at] != _GIF_END:
        if data[at] == _GIF_BLOCK:
            _, _, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not (wide and high):
                return False
            pictures += 1
            at += 10 + _gif_colours(flags)
            if not 1 <= data[at] <= 11:  # bits of the first code
                return False
            at = _behind(data, at + 1)
        elif data[at] == _GIF_EXTENSION:
            kind, size = data[at + 1], data[at + 2]
            if (kind, size) not in ((_GIF_CONTROL, 4), (_GIF_APPLICATION, 11)) and kind != _GIF_COMMENT:
                return False
            at = _behind(data, at + 2)
        else:
            return False
    return bool(width and height and pictures) and at + 1 == len(data)


def _gif_colours(flags: int) -> int:
    """Return the size of the table of colours that follows."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _behind(data: bytes, at: int) -> int:
    """Return the place behind a row of blocks, each with its length before it; an empty one ends the row."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def _is_bare_bmp(data: bytes) -> bool:
    _, size, _, _, start, header, width, height, planes, bits, packing, pixels = _BMP.unpack_from(data)
    usual = header == 40 and planes == 1 and packing == 0 and bits in (1, 4, 8, 24)
    behind_colours = 54 + (0 if bits == 24 else 4 << bits)
    needed = (width * bits + 31) // 32 * 4 * height
    whole = start + needed <= len(data) == size and pixels in (0, needed, size - start)
    return usual and width > 0 and height > 0 and start == behind_colours and whole


_FORMS: tuple[tuple[bytes, str, Callable[[bytes], bool]], ...] = (
    (_PNG, "image/png", _is_bare_png),
    (b"\xff\xd8\xff", "image/jpeg", _is_bare_jpeg),
    (b"GIF87a", "image/gif", _is_bare_gif),
    (b"GIF89a", "image/gif", _is_bare_gif),
    (b"BM", "image/bmp", _is_bare_bmp),
)
