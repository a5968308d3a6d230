"""Pages for OCR, drawn; and a program in Tesseract's place that answers at once, hangs or dies."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFont

FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
"""A font with the letters of Spanish."""

PNG = b"\x89PNG\r\n\x1a\n"

FAKE = """#!/bin/sh
case "$1" in
--version) echo "tesseract 9.9.9"; exit 0 ;;
--list-langs) printf 'List of available languages in "/x" (2):\\neng\\nosd\\n'; exit 0 ;;
esac
{body}
"""

ANSWERS = """read -r magic width height rest
cat > /dev/null
echo "$width" >> {log}
sleep {pause}
echo level
printf '5\\t1\\t1\\t1\\t1\\t1\\t10\\t10\\t50\\t20\\t95\\tpage%s\\n' "$width"
"""
"""Says of each page how wide it is, and writes that down."""


def fake(folder: Path, body: str) -> str:
    """Write the program; return a PATH on which it comes first."""
    folder.mkdir(exist_ok=True)
    program = folder / "tesseract"
    program.write_text(FAKE.format(body=body), "utf-8")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def answering(folder: Path, pause_s: float = 0.0) -> tuple[str, Path]:
    """Write a program that answers each page; return its PATH and the file in which it notes what it read."""
    log = folder / "read.log"
    return fake(folder, ANSWERS.format(log=log, pause=pause_s)), log


def picture(lines: Sequence[str], *, width: int = 900, size: int = 28) -> Image.Image:
    """Draw dark lines on white."""
    image = Image.new("L", (width, 60 + 44 * len(lines)), 255)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 44 * number), line, fill=0, font=ImageFont.truetype(FONT, size))
    return image


def chat(bubbles: Sequence[tuple[str, str]], day: str = "") -> Image.Image:
    """Draw a conversation: ``left`` or ``right`` with the words of each bubble."""
    image = Image.new("L", (720, 140 + 90 * len(bubbles)), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONT, 26)
    draw.text((290, 30), day, fill=0, font=font)
    for number, (side, words) in enumerate(bubbles):
        top = 100 + 90 * number
        wide = draw.textlength(words, font=font)
        left = 40 if side == "left" else 690 - wide
        draw.rounded_rectangle((left - 15, top - 12, left + wide + 15, top + 44), 16, fill=230)
        draw.text((left, top), words, fill=0, font=font)
    return image


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """Return an image as a file."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def tiff(widths: Sequence[int]) -> bytes:
    """Return a TIFF of a page for each width, with a mark on each."""
    pages = []
    for width in widths:
        page = Image.new("L", (width, 1001), 255)
        page.paste(0, (10, 10, 60, 30))
        pages.append(page)
    return saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_deflate")


def broken_png(width: int) -> bytes:
    """Return a PNG that is sound in its form, and whose pixels cannot be unpacked."""
    head = struct.pack(">LLBBBBB", width, 100, 8, 0, 0, 0, 0)
    return PNG + b"".join(chunk(*one) for one in ((b"IHDR", head), (b"IDAT", b"noise"), (b"IEND", b"")))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG (PNG specification, 5.3)."""
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def pgm(image: Image.Image) -> bytes:
    """Return an image as Tesseract is given it."""
    return b"P5 %d %d 255\n" % image.size + image.tobytes()
