"""Office files, pictures, archives and broken files: the same arguments give the same bytes.

Libraries that stamp the time of writing are corrected afterwards: archives are packed again with fixed times.
"""

from __future__ import annotations

import io
import random
import re
import textwrap
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from types import SimpleNamespace
from unittest import mock

import docx.shared
import openpyxl
import pikepdf
import pptx.util
import pyzipper
from PIL import Image, ImageDraw, ImageFont
from pyzipper import zipfile_aes
from reportlab.lib.pagesizes import letter
from reportlab.pdfgen import canvas

from examples.district.texts import Words
from examples.district.truth import BOMB, CORRUPT, ENCRYPTED, NEEDS_OCR, NO_TEXT, TRUNCATED, Piece, State

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
ZIP_TIME = (2026, 2, 10, 9, 0, 0)
STAMP = datetime(2026, 2, 10, 17, 0, 0)  # noqa: DTZ001 - Office properties hold naive UTC
_STAMPED = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
DEPTH = 16
"""Levels of the too-deep archive; readers are expected to stop at twelve containers."""
DEEPEST = 12


def repacked(data: bytes, change: Callable[[dict[str, bytes]], dict[str, bytes]] | None = None) -> bytes:
    """Return an Office file with fixed times inside and out.

    Args:
        data: The file.
        change: Given its parts by name, returns those that the new one has; None for the same.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        parts = {name: old.read(name) for name in old.namelist()}
        for name, part in (change(parts) if change is not None else parts).items():
            raw = _STAMPED.sub(rb"\g<1>2026-02-10T17:00:00Z", part) if name == "docProps/core.xml" else part
            new.writestr(zipfile.ZipInfo(name, ZIP_TIME), raw, zipfile.ZIP_DEFLATED, 6)
    return out.getvalue()


def _without_thumbnail(package: object) -> None:
    """Drop the preview picture of the library's template: it would be an embedded file of every document."""
    rels = package.part.package._rels if hasattr(package.part.package, "_rels") else package.part.package.rels  # type: ignore[attr-defined]
    for key in [k for k, rel in rels.items() if rel.reltype.endswith("/thumbnail")]:
        rels.pop(key)


def word_file(
    name: str, paragraphs: Sequence[str], tags: Sequence[str] = (), pictures: Sequence[bytes] = ()
) -> Piece:
    """Make a DOCX with a heading, paragraphs, pictures and a table."""
    doc = docx.Document()
    doc.core_properties.author = "District Office"
    doc.core_properties.created = doc.core_properties.modified = STAMP
    doc.add_heading(paragraphs[0], 1)
    for text in paragraphs[1:]:
        doc.add_paragraph(text)
    for picture in pictures:
        doc.add_picture(io.BytesIO(picture), width=docx.shared.Inches(5))
    table = doc.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Prepared for", "District Office"
    _without_thumbnail(doc)
    out = io.BytesIO()
    doc.save(out)
    return Piece(name, DOCX, repacked(out.getvalue()), words="\n".join(paragraphs), tags=tags)


def sheet_file(
    name: str, rows: Sequence[Sequence[object]], hidden: Sequence[Sequence[object]], tags: Sequence[str] = ()
) -> Piece:
    """Make an XLSX with one shown and one hidden sheet."""
    book = openpyxl.Workbook()
    if book.active is not None:
        book.remove(book.active)
    shown = book.create_sheet("Summary")
    back = book.create_sheet("Working")
    back.sheet_state = "hidden"
    for sheet, content in ((shown, rows), (back, hidden)):
        for row in content:
            sheet.append(list(row))
    book.properties.creator = "District Office"
    book.properties.created = STAMP
    out = io.BytesIO()
    book.save(out)
    words = "\n".join(" ".join(map(str, row)) for row in (*rows, *hidden))
    return Piece(name, XLSX, repacked(out.getvalue()), words=words, tags=("hidden_sheet", *tags))


def slide_file(
    name: str,
    slides: Sequence[tuple[str, str, str]],
    tags: Sequence[str] = (),
    pictures: Sequence[bytes] = (),
) -> Piece:
    """Make a PPTX; a slide is title, bullet text, speaker notes, and the first ones have a picture each."""
    deck = pptx.Presentation()
    deck.core_properties.author = "District Office"
    deck.core_properties.created = deck.core_properties.modified = STAMP
    for number, (title, text, notes) in enumerate(slides):
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = text
        slide.notes_slide.notes_text_frame.text = notes
        for picture in pictures[number : number + 1]:
            slide.shapes.add_picture(io.BytesIO(picture), 0, 0, width=pptx.util.Inches(4))
    _without_thumbnail(deck)
    out = io.BytesIO()
    deck.save(out)
    words = "\n".join("\n".join(s) for s in slides)
    return Piece(name, PPTX, repacked(out.getvalue()), words=words, tags=("speaker_notes", *tags))


def pdf_file(name: str, lines: Sequence[str], tags: Sequence[str] = ()) -> Piece:
    """Make a PDF with text; long lines are broken at 90 characters."""
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=letter, invariant=1)
    text = page.beginText(72, 720)
    for line in lines:
        for part in textwrap.wrap(line, 90) or [""]:
            text.textLine(part)
    page.drawText(text)
    page.save()
    return Piece(name, "application/pdf", out.getvalue(), words="\n".join(lines), tags=tags)


def _picture(lines: Sequence[str], width: int = 900) -> Image.Image:
    image = Image.new("L", (width, 60 + 44 * len(lines)), 255)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(28)
    for n, line in enumerate(lines):
        draw.text((30, 30 + 44 * n), line, fill=0, font=font)
    return image


def photo_file(name: str, lines: Sequence[str], tags: Sequence[str] = ()) -> Piece:
    """Make a JPEG that shows text: found only after OCR."""
    out = io.BytesIO()
    _picture(lines).save(out, "JPEG", quality=70)
    return Piece(
        name, "image/jpeg", out.getvalue(), text=NEEDS_OCR, ocr_words=" ".join(lines), tags=("image", *tags)
    )


def picture_file(name: str, lines: Sequence[str], tags: Sequence[str] = ()) -> Piece:
    """Make a PNG that shows text."""
    out = io.BytesIO()
    _picture(lines, 400).save(out, "PNG")
    return Piece(
        name, "image/png", out.getvalue(), text=NEEDS_OCR, ocr_words=" ".join(lines), tags=("image", *tags)
    )


def scan_file(name: str, lines: Sequence[str], tags: Sequence[str] = ()) -> Piece:
    """Make a PDF of pictures only, as a copier does."""
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=letter, invariant=1)
    from reportlab.lib.utils import ImageReader

    page.drawImage(ImageReader(_picture(lines)), 40, 400, width=520, height=26 + 25 * len(lines))
    page.save()
    return Piece(
        name,
        "application/pdf",
        out.getvalue(),
        text=NEEDS_OCR,
        ocr_words=" ".join(lines),
        tags=("scan", *tags),
    )


def text_file(
    name: str, text: str, tags: Sequence[str] = (), encoding: str = "utf-8", media_type: str = "text/plain"
) -> Piece:
    """Make a plain text file (or CSV, by ``media_type``)."""
    return Piece(name, media_type, text.encode(encoding), words=text, tags=tags)


def calendar_file(
    name: str, uid: str, summary: str, description: str, start: str, tags: Sequence[str] = ()
) -> Piece:
    """Make an iCalendar request (RFC 5545): CRLF, folded lines, ``start`` as ``20260310T160000Z``."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Alder Valley//Calendar//EN",
        "METHOD:REQUEST",
        "BEGIN:VEVENT",
        f"UID:{uid}@aldervalley.example",
        f"DTSTAMP:{start}",
        f"DTSTART:{start}",
        "DURATION:PT1H",
        f"SUMMARY:{summary}",
        f"DESCRIPTION:{description}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    folded = (
        "\r\n".join("\r\n ".join(line[i : i + 70] for i in range(0, len(line), 70)) for line in lines)
        + "\r\n"
    )
    return Piece(
        name, "text/calendar; charset=utf-8; method=REQUEST", folded.encode(), "event",
        words=f"{summary}\n{description}", tags=("calendar", *tags),
    )  # fmt: skip


def archive_file(
    name: str, members: Sequence[Piece], tags: Sequence[str] = (), text: State = NO_TEXT
) -> Piece:
    """Make a ZIP; member names are written as they stand, however unsafe."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in members:
            info = zipfile.ZipInfo("x", ZIP_TIME)
            info.filename = member.name or "unnamed"  # past ZipInfo's own cleaning
            packed.writestr(info, member.data, zipfile.ZIP_DEFLATED)
    return Piece(
        name, "application/zip", out.getvalue(), text=text, children=tuple(members), tags=("archive", *tags)
    )


FILE_PASSWORD = "user-example"  # noqa: S105 - of example files
"""Of every locked file here; ``file-passwords.csv`` has it."""


def locked_pdf(name: str, lines: Sequence[str]) -> Piece:
    """Make a PDF that asks for a password. RC4 with 128 bits: the newer scheme salts with chance."""
    out = io.BytesIO()
    with warnings.catch_warnings(), pikepdf.open(io.BytesIO(pdf_file(name, lines).data)) as pdf:
        warnings.simplefilter("ignore")
        lock = pikepdf.Encryption(owner="owner-example", user=FILE_PASSWORD, R=3, aes=False, metadata=False)
        pdf.save(out, encryption=lock, static_id=True)
    return Piece(name, "application/pdf", out.getvalue(), text=ENCRYPTED, tags=("encrypted",))


def locked_zip(name: str, members: Sequence[Piece]) -> Piece:
    """Make an AES-encrypted ZIP (names readable, contents not)."""
    rng = random.Random(f"salt-{name}")
    salts = SimpleNamespace(
        new=lambda: SimpleNamespace(read=rng.randbytes)
    )  # salts by chance would change the bytes
    out = io.BytesIO()
    with (
        mock.patch.object(zipfile_aes, "Random", salts),
        pyzipper.AESZipFile(
            out, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
        ) as packed,
    ):
        packed.setpassword(FILE_PASSWORD.encode("ascii"))
        for member in members:
            packed.writestr(zipfile_aes.AESZipInfo(member.name, ZIP_TIME), member.data)
    children = tuple(
        replace(m, collection=("failed", "encrypted"), words="", ocr_words="", children=()) for m in members
    )
    return Piece(
        name, "application/zip", out.getvalue(), text=ENCRYPTED, children=children, tags=("encrypted",)
    )


@lru_cache(maxsize=2)
def _zeros(megabytes: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(
            zipfile.ZipInfo("zeros.bin", ZIP_TIME), bytes(megabytes << 20), zipfile.ZIP_DEFLATED, 9
        )
    return out.getvalue()


def bomb_zip(name: str, megabytes: int = 64) -> Piece:
    """Make a small ZIP of one huge member of zeros: ratio about 1,000."""
    return Piece(name, "application/zip", _zeros(megabytes), text=BOMB, tags=("hostile", "bomb"))


def dotted_zip(name: str) -> Piece:
    """Make a ZIP whose names point out of it: they are only names."""
    members = (
        text_file("../../outside.txt", "This member's name climbs two folders.\n", ("unsafe_name",)),
        text_file("/etc/absolute.txt", "This member's name starts at the root.\n", ("unsafe_name",)),
        text_file("inside.txt", "This member has a name like any other.\n"),
    )
    return archive_file(name, members, ("hostile", "unsafe_names"))


def deep_zip(name: str) -> Piece:
    """Make ZIPs in ZIPs, deeper than a reader should follow; the container at the limit is not opened."""
    piece = text_file("bottom.txt", "The bottom of a well of archives.\n")
    for level in range(DEPTH, 0, -1):
        piece = archive_file(name if level == 1 else f"level-{level:02}.zip", [piece])
    return _cut_below(piece, 0)


def _cut_below(piece: Piece, depth: int) -> Piece:
    if depth == DEEPEST:
        return replace(piece, text=BOMB, children=(), tags=("archive", "hostile", "depth_limit"))
    return replace(piece, children=tuple(_cut_below(p, depth + 1) for p in piece.children))


def cut_zip(name: str, rng: random.Random) -> Piece:
    """Make a ZIP that ends in its third member: two are whole, the third is lost."""
    members = [text_file(f"part-{n}.txt", f"Part {n} of a set that was cut short.\n" * 20) for n in (1, 2)]
    last = Piece(
        "part-3.bin", "application/octet-stream", rng.randbytes(4000), collection=("failed", "truncated")
    )
    whole = archive_file(name, [*members, last], ("broken",), TRUNCATED)
    return replace(whole, data=whole.data[: whole.data.index(b"part-3.bin") + 1000])


def corrupt_docx(name: str, rng: random.Random) -> Piece:
    """Make a DOCX whose text part is noise: its directory is whole, the part cannot be unpacked."""
    data = bytearray(word_file(name, ["Report", "Nobody will read this again."]).data)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        info = packed.getinfo("word/document.xml")
    start = info.header_offset + 30 + len(info.filename)
    data[start : start + info.compress_size] = rng.randbytes(info.compress_size)
    return Piece(name, DOCX, bytes(data), text=CORRUPT, tags=("broken",))


def garbage_pdf(name: str, rng: random.Random) -> Piece:
    """Make a file with a PDF header and noise behind it."""
    noise = zlib.compress(rng.randbytes(2000))
    return Piece(name, "application/pdf", b"%PDF-1.4\n" + noise, text=CORRUPT, tags=("broken",))


def empty_file(name: str) -> Piece:
    """Make a file of no bytes."""
    return Piece(name, "application/octet-stream", b"", text=NO_TEXT, tags=("broken", "empty"))


def entity_xml(name: str) -> Piece:
    """Make an XML file whose entities multiply and one that reaches for a local file; neither is resolved."""
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 8))
    text = (
        f'<?xml version="1.0"?>\n<!DOCTYPE note [<!ENTITY e0 "ha"><!ENTITY file SYSTEM "file:///etc/hostname">{bomb}]>\n'
        "<note><title>Inventory of the annex</title><body>Forty chairs &file; &e7;</body></note>\n"
    )
    return Piece(
        name, "application/xml", text.encode(), words="Inventory of the annex", tags=("hostile", "entities")
    )


def make_pool(seed: int, words: Words) -> tuple[Piece, ...]:
    """Make the ordinary attachments that bulk mail carries, some of each kind; about sixty."""
    rng = random.Random(f"pool-{seed}")

    def some(count: int) -> list[str]:
        return [rng.choice(words.paragraphs).replace("\n", " ") for _ in range(count)]

    pool: list[Piece] = []
    pool += [word_file(f"memo-{n}.docx", some(rng.randrange(3, 9))) for n in range(10)]
    pool += [sheet_file(f"table-{n}.xlsx", _grid(rng, 12), _grid(rng, 5)) for n in range(10)]
    pool += [slide_file(f"slides-{n}.pptx", [tuple(some(3)) for _ in range(3)]) for n in range(4)]  # type: ignore[misc]
    pool += [pdf_file(f"notice-{n}.pdf", some(rng.randrange(2, 7))) for n in range(12)]
    pool += [
        scan_file(f"scan-{n}.pdf", [f"Form {rng.randrange(1000, 9999)}", "signed copy"]) for n in range(4)
    ]
    pool += [
        photo_file(f"IMG_{rng.randrange(1000, 9999)}.jpg", ["Sign-up sheet", f"Room {n + 20}"])
        for n in range(5)
    ]
    pool += [text_file(f"list-{n}.csv", "name,count\nchairs,12\n", media_type="text/csv") for n in range(2)]
    pool += [archive_file(f"papers-{n}.zip", [pool[n], pool[24 + n], pool[40 + n]]) for n in range(3)]
    return tuple(replace(_all_plain(p), tags=p.tags) for p in pool)


def _all_plain(piece: Piece) -> Piece:
    return replace(piece, plain=True, children=tuple(_all_plain(p) for p in piece.children))


def _grid(rng: random.Random, rows: int) -> list[list[object]]:
    head: Iterable[object] = ("Item", "Room", "Count", "Cost")
    items = ("Chairs", "Desks", "Lamps", "Books", "Tablets", "Mats")
    body = [
        [rng.choice(items), rng.randrange(20, 400), rng.randrange(2, 90), rng.randrange(100, 9000) / 100]
        for _ in range(rows)
    ]
    return [list(head), *body]
