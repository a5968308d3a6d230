"""Generated mail with Office and PDF attachments, in the shares and of the sizes that offices send.

Three of ten letters carry a file and one in four of these a second one; nine of twenty files are PDF, six
Word, three Excel and two PowerPoint. Two of five files other than Excel have a picture, of 60 kB at the
median, as letterheads and photos are. Every letter has the text of ``benchmarks.letters``, and the files are
of the same words. Message ``n`` depends on the seed and ``n`` only.
"""

from __future__ import annotations

import io
import math
import random
import re
from collections import Counter
from pathlib import Path
from unittest import mock

from PIL import Image
from reportlab import rl_config
from reportlab.lib.pagesizes import letter as paper
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfgen import canvas

from benchmarks.letters import File, letter, paragraph, write_maildir
from examples.district import documents

WORDS = {
    "pdf": "fennelbrook",
    "docx": "brackenwick",
    "xlsx": "thistledown",
    "pptx": "larkmeadow",
    "pptx notes": "mossgrove",
}
"""The word that stands in every file of a kind, once, and nowhere else: the search for it has a known answer.
Of a PowerPoint file one stands on a slide and another in the notes of the speaker."""

_KINDS = {"pdf": 9, "docx": 6, "xlsx": 3, "pptx": 2}
_HOW_MANY = (0,) * 28 + (1,) * 9 + (2,) * 3
_PICTURED = 0.4
_PICTURE_BYTES, _SPREAD, _MOST_BYTES = 60_000, 0.9, 1_500_000
_BYTES_OF_PIXEL = 0.325
"""Of the noise of ``_picture`` as JPEG."""

_MARGIN, _LINE, _FONT = 72, 14, ("Helvetica", 11)
_INLINE = re.compile(r't="inlineStr"><is><t[^>]*>([^<]*)</t></is>')
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"


def write_attached(folder: Path, messages: int, seed: int) -> int:
    """Write a Maildir++ of this mail; returns its bytes."""
    return write_maildir(folder, messages, seed, attached_letter, step=500)


def attached_letter(n: int, seed: int) -> bytes:
    """Return message ``n`` as it lies in a Maildir."""
    rng, kinds = _drawn(n, seed)
    return letter(n, seed, files=[_MAKERS[kind](rng, seed, f"{n:07}-{at}") for at, kind in enumerate(kinds)])


def files_of(messages: int, seed: int) -> Counter[str]:
    """Return how many files of each kind hang on so many messages."""
    return Counter(kind for n in range(messages) for kind in _drawn(n, seed)[1])


def _drawn(n: int, seed: int) -> tuple[random.Random, list[str]]:
    rng = random.Random(f"attached-{seed}-{n}")
    return rng, rng.choices(list(_KINDS), list(_KINDS.values()), k=rng.choice(_HOW_MANY))


def _paragraphs(rng: random.Random, seed: int, least: int, most: int, word: str) -> list[str]:
    """Draw a heading and paragraphs; one of these ends with the planted word."""
    texts = [paragraph(rng, seed, 2, 6) for _ in range(rng.randint(least, most))]
    texts[rng.randrange(len(texts))] += f" Filed under {word}."
    return [paragraph(rng, seed, 1, 1)[:80], *texts]


def _pictures(rng: random.Random) -> list[bytes]:
    """Draw the picture of a file, or none: noise as fine as that of a photo, which JPEG hardly shrinks."""
    if rng.random() >= _PICTURED:
        return []
    wanted = min(_MOST_BYTES, rng.lognormvariate(math.log(_PICTURE_BYTES), _SPREAD))
    side = max(64, int(math.sqrt(wanted / _BYTES_OF_PIXEL / 0.75)))
    width, height = side // 4, side * 3 // 16
    noise = Image.frombytes("RGB", (width, height), rng.randbytes(width * height * 3))
    out = io.BytesIO()
    noise.resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(out, "JPEG", quality=75)
    return [out.getvalue()]


def _docx(rng: random.Random, seed: int, stem: str) -> File:
    texts = _paragraphs(rng, seed, 4, 40, WORDS["docx"])
    made = documents.word_file(f"{stem}.docx", texts, pictures=_pictures(rng))
    return File(f"{stem}.docx", documents.DOCX, made.data)


def _pptx(rng: random.Random, seed: int, stem: str) -> File:
    count = rng.randint(4, 16)
    texts = [[paragraph(rng, seed, 1, most) for most in (1, 4, 2)] for _ in range(count)]
    texts[rng.randrange(count)][1] += f" Filed under {WORDS['pptx']}."
    texts[rng.randrange(count)][2] += f" Filed under {WORDS['pptx notes']}."
    slides = [(title[:80], text, notes) for title, text, notes in texts]
    made = documents.slide_file(f"{stem}.pptx", slides, pictures=_pictures(rng))
    return File(f"{stem}.pptx", documents.PPTX, made.data)


def _xlsx(rng: random.Random, seed: int, stem: str) -> File:
    rows: list[list[object]] = [
        [paragraph(rng, seed, 1, 1)[:40], number, rng.randrange(9_999) / 100, paragraph(rng, seed, 1, 1)[:60]]
        for number in range(rng.randint(20, 300))
    ]
    rows[rng.randrange(len(rows))][0] = f"Filed under {WORDS['xlsx']}"
    made = documents.sheet_file(f"{stem}.xlsx", rows, rows[:3][::-1])
    return File(f"{stem}.xlsx", documents.XLSX, documents.repacked(made.data, _with_shared_strings))


def _with_shared_strings(parts: dict[str, bytes]) -> dict[str, bytes]:
    """Return the parts of a workbook with its words in a part of their own, as Excel writes them.

    openpyxl writes them into the cells, where not every reader looks.
    """
    places: dict[str, int] = {}

    def moved(found: re.Match[str]) -> str:
        return f't="s"><v>{places.setdefault(found[1], len(places))}</v>'

    changed = dict(parts)
    for name, data in parts.items():
        if name.startswith("xl/worksheets/sheet"):
            changed[name] = _INLINE.sub(moved, data.decode()).encode()
    words = "".join(f'<si><t xml:space="preserve">{word}</t></si>' for word in places)
    changed["xl/sharedStrings.xml"] = (
        f'<sst xmlns="{_MAIN}" uniqueCount="{len(places)}">{words}</sst>'.encode()
    )
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_TYPE}"/>'
    relation = f'<Relationship Type="{_RELATION}" Target="sharedStrings.xml" Id="rId99"/>'
    for name, added, end in (
        ("[Content_Types].xml", override, b"</Types>"),
        ("xl/_rels/workbook.xml.rels", relation, b"</Relationships>"),
    ):
        changed[name] = parts[name].replace(end, added.encode() + end)
    return changed


@mock.patch.object(rl_config, "useA85", 0)  # bytes as they are, which most programs write
def _pdf(rng: random.Random, seed: int, stem: str) -> File:
    """Make a PDF of a page or more; readers pass over what stands beyond the edge of a page."""
    out = io.BytesIO()
    paged = canvas.Canvas(out, pagesize=paper, invariant=1)
    width, top = paper[0] - 2 * _MARGIN, paper[1] - _MARGIN
    at = top
    for text in _paragraphs(rng, seed, 4, 40, WORDS["pdf"]):
        for line in [*simpleSplit(text, *_FONT, width), ""]:
            if at < _MARGIN:
                paged.showPage()
                at = top
            if at == top:
                paged.setFont(*_FONT)
            paged.drawString(_MARGIN, at, line)
            at -= _LINE
    for picture in _pictures(rng):
        paged.showPage()
        paged.drawString(_MARGIN, top, "Picture")
        paged.drawImage(ImageReader(io.BytesIO(picture)), _MARGIN, _MARGIN, width, width * 0.75)
    paged.save()
    return File(f"{stem}.pdf", "application/pdf", out.getvalue())


_MAKERS = {"pdf": _pdf, "docx": _docx, "xlsx": _xlsx, "pptx": _pptx}
