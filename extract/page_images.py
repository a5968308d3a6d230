"""Pages that are pictures, drawn for a reader of pictures: of PDF files, images and documents of pictures.

Runs in a disposable worker (``extract.workers``) like every parser of hostile files: pdfium and Pillow open
the file, and what leaves the process are plain grey pixels (PGM), one page or one picture after another.
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
import zlib
from typing import Any, BinaryIO, ClassVar

from extract import unlocking
from extract.protocol import ExtractContext
from extract.tika_xhtml import PAGE
from records.errors import ItemError
from records.models import Child, Extraction
from records.vocabulary import Kind, Reason

REGISTRY = "extract.page_images:RENDERERS"

DPI = 300
"""Dots an inch of a drawn PDF page: what Tesseract's manual asks for."""

MOST_PIXELS = 40_000_000
"""A page of more (a map, a photo of 50 megapixels) is drawn smaller; its letters stay large enough."""

BOMB_PIXELS = 178_956_970
"""Pillow's own limit above which an image is refused as a decompression bomb (``DecompressionBombError``)."""

_SMALL = 1_000
"""An image whose longer side has fewer pixels is doubled: Tesseract wants letters of 20 pixels or more."""

_FLAT = 12
"""Steps of grey between the darkest and the lightest pixel of a page on which nothing is written."""

_PLACE_WORDS = 6
_WORD = re.compile(r"\w+")
_PICTURES = 200
"""Pictures of one document that are read."""

_PICTURE_BYTES = 64 << 20


class PageImages:
    """Draws one page; the context's metadata say which: ``page``, and ``place`` where text surrounds it."""

    name: ClassVar[str] = "page_images"
    version: ClassVar[str] = "1"

    def __init__(self) -> None:
        """Prepare."""
        self._words: tuple[str, list[list[str]]] = ("", [])

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:  # noqa: ARG002
        """Accept anything: what it is told to draw was found to be pictures."""
        return 100

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Draw one page.

        Returns:
            Its pictures as children: none where nothing can be written on it. The metadata have
            ``words_before`` and ``tail`` (the last words of the text before the page) where they were asked
            for, and ``lost``: how many pictures of the page could not be opened.

        Raises:
            ItemError: ``corrupt``, ``truncated``, ``bomb``, ``encrypted`` or ``unsupported``.
        """
        page = int(context.metadata["page"])
        if context.passwords:
            stream = _unlocked(stream, context)
        head = stream.read(1024)
        stream.seek(0)
        if b"%PDF-" in head:
            return self._pdf(stream, page, context)
        if head.startswith(b"PK\x03\x04"):
            return _pictures_of(stream)
        return _made([_picture(stream, page)])

    def _pdf(self, stream: BinaryIO, page: int, context: ExtractContext) -> Extraction:
        import pypdfium2 as pdfium

        try:
            document = pdfium.PdfDocument(stream)
        except pdfium.PdfiumError as error:
            locked = "password" in str(error).lower()
            raise ItemError(*_LOCKED if locked else (Reason.CORRUPT, "pdf")) from None
        try:
            facts = {}
            if "place" in context.metadata:
                facts = self._place(document, page, context.metadata["place"])
            return _made([_drawn(document, page)], facts)
        finally:
            document.close()

    def _place(self, document: Any, page: int, key: str) -> dict[str, str]:
        """Say after which words of the document's text a page comes."""
        if self._words[0] != key:
            self._words = (key, [])
        known = self._words[1]
        while len(known) < page - 1:
            known.append(_words_of(document, len(known)))
        before = known[: page - 1]
        tail = next((words[-_PLACE_WORDS:] for words in reversed(before) if words), [])
        return {"words_before": str(sum(map(len, before))), "tail": json.dumps(tail, ensure_ascii=False)}


_LOCKED = (Reason.ENCRYPTED, "pdf_password")


def _unlocked(stream: BinaryIO, context: ExtractContext) -> BinaryIO:
    """Open a locked file by the password that opened it when it was read."""
    data = stream.read()
    opened = unlocking.document(data, unlocking.Tries(context))
    return io.BytesIO(data if opened is None else opened)


def words(text: str) -> list[str]:
    """Return the words of a text, as ``place`` compares them."""
    return [found.group().lower() for found in _WORD.finditer(text)]


def marked_place(text: str, page: int) -> int | None:
    """Return the offset at which a page of a PDF begins, by the marks between pages; None without such marks.

    Args:
        text: Of the whole document.
        page: From 1.
    """
    at = 0
    for _ in range(page - 1 if PAGE in text else 0):
        at = text.find(PAGE, at) + 1
        if not at:
            return None
    return at if PAGE in text else None


def place(text: str, words_before: int, tail: list[str]) -> int:
    """Return the offset in a document's text at which a page belongs.

    For a text without marks between pages, as earlier readers made it: the words before the page are looked
    for; where they occur more than once, the place nearest to the number of words before the page is taken.

    Args:
        text: Of the whole document.
        words_before: Words of all pages before it.
        tail: The last words before it; none: it is the first page with anything on it.

    Returns:
        0 for the start; the length of the text where the words are not found.
    """
    if not tail:
        return 0
    found = list(_WORD.finditer(text))
    listed = [one.group().lower() for one in found]
    size = len(tail)
    ends = [at for at in range(size, len(listed) + 1) if listed[at - size : at] == tail]
    if not ends:
        return len(text)
    best = min(ends, key=lambda at: abs(at - words_before))
    line_end = text.find("\n", found[best - 1].end())
    return len(text) if line_end < 0 else line_end


def _words_of(document: Any, number: int) -> list[str]:
    import pypdfium2 as pdfium

    try:
        page = document[number]
        try:
            text = page.get_textpage()
            try:
                return words(text.get_text_bounded())
            finally:
                text.close()
        finally:
            page.close()
    except pdfium.PdfiumError:
        return []


def _drawn(document: Any, number: int) -> Any:
    import pypdfium2 as pdfium

    if not 1 <= number <= len(document):
        raise ItemError(Reason.CORRUPT, "no_such_page")
    try:
        page = document[number - 1]
        try:
            width, height = page.get_size()
            scale = DPI / 72
            if width * height * scale * scale > MOST_PIXELS:
                scale = (MOST_PIXELS / (width * height)) ** 0.5
            return page.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil()
        finally:
            page.close()
    except pdfium.PdfiumError:
        raise ItemError(Reason.CORRUPT, "page") from None


def _pictures_of(stream: BinaryIO) -> Extraction:
    """Open the pictures of a document that has no text of its own, in the order in which it lists them."""
    pictures: list[Any] = []
    lost = 0
    try:
        with zipfile.ZipFile(stream) as archive:
            listed = [
                one
                for one in archive.infolist()
                if "/media/" in one.filename or one.filename.startswith("Pictures/")
            ]
            for one in listed[:_PICTURES]:
                try:
                    with archive.open(one) as member:
                        data = member.read(_PICTURE_BYTES + 1)
                    if len(data) > _PICTURE_BYTES:
                        raise ItemError(Reason.TOO_LARGE, "picture_bytes")
                    pictures.append(_picture(io.BytesIO(data), 1))
                except (ItemError, zlib.error, zipfile.BadZipFile, EOFError, RuntimeError):
                    lost += 1
            lost += max(0, len(listed) - _PICTURES)
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        raise ItemError(Reason.CORRUPT, "zip_directory") from None
    if lost and not pictures:
        raise ItemError(Reason.UNSUPPORTED, "picture_format")
    return _made(pictures, {"lost": str(lost)} if lost else {})


def _picture(stream: BinaryIO, page: int) -> Any:
    """Open one image, or a page of one, upright as its camera held it, in grey on white."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = BOMB_PIXELS // 2  # Pillow refuses twice as many, and warns from here on
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(stream)
            if page > 1:
                image.seek(page - 1)
            if image.format == "JPEG" and image.width * image.height > MOST_PIXELS:
                image.draft("L", (image.width // 2, image.height // 2))
            image.load()
            return _in_grey(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise ItemError(Reason.BOMB, "image_pixels") from None
    except UnidentifiedImageError:
        raise ItemError(Reason.UNSUPPORTED, "picture_format") from None
    except EOFError:
        raise ItemError(Reason.CORRUPT, "no_such_page") from None
    except MemoryError:
        raise
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        cut = "truncated" in str(error).lower()
        raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "image") from None


def _in_grey(image: Any) -> Any:
    from PIL import Image

    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image)
        image = paper
    if image.mode.startswith("I") or image.mode == "F":
        low, high = image.getextrema()
        image = image.convert("F").point(lambda value: (value - low) * (255.0 / ((high - low) or 1)))
    image = image.convert("L")
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        share = (MOST_PIXELS / pixels) ** 0.5
        return image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))))
    if max(image.size) < _SMALL:
        return image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC)
    return image


def _made(pictures: list[Any], facts: dict[str, str] | None = None) -> Extraction:
    children = []
    for number, image in enumerate(pictures, 1):
        darkest, lightest = image.getextrema()
        if lightest - darkest <= _FLAT:
            continue  # nothing is written on it
        data = b"P5 %d %d 255\n" % image.size + image.tobytes()
        children.append(Child(str(number), None, "image/x-portable-graymap", Kind.FILE, data))
    return Extraction(kind=Kind.FILE, metadata=facts or {}, children=tuple(children))


RENDERERS = (PageImages(),)
"""What the workers of the OCR lane load; no other reader."""
