"""Documents, images and all the rest: read by Apache Tika (``iscc-tika``, native, in process).

Tika reads what a document shows and what it hides: hidden sheets and slides, notes, headers, and files
embedded in it. What it does not tell apart is looked up beside it: comments, tracked changes and hidden parts
(``extract.ooxml``, ``extract.odf``), embedded files (``extract.embedded``), which pages are pictures
(pypdfium2), whether a file was cut.

Only worker processes import Tika: it has no time limit of its own and holds on to memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, ClassVar

from extract import (
    charsets,
    embedded,
    images,
    ooxml,
    pictures,
    sniff,
    tika_xhtml,
    unlocking,
    zip_document,
)
from extract.protocol import ExtractContext
from extract.remarks import Remark, behind
from extract.tika_xhtml import Known, Words
from extract.zip_document import NOTHING, Found, Package
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.numbers import whole_number
from records.vocabulary import Kind, Reason, WarningCode

_FACTS = {
    "title": ("dc:title", "pdf:docinfo:title"),
    "author": ("dc:creator", "meta:author", "Author"),
    "last_author": ("meta:last-author",),
    "created": ("dcterms:created", "meta:creation-date"),
    "modified": ("dcterms:modified",),
    "application": ("extended-properties:Application", "xmp:CreatorTool", "pdf:docinfo:creator_tool"),
    "company": ("extended-properties:Company",),
    "keywords": ("meta:keyword", "pdf:docinfo:keywords"),
    "subject": ("dc:subject",),
    "description": ("dc:description",),
    "language": ("dc:language", "language"),
    "manager": ("extended-properties:Manager",),
    "revision": ("cp:revision",),
    "printed": ("meta:print-date",),
}
"""Our names for what Tika calls differently by format; the first that is there counts."""

_PAGES = ("xmpTPg:NPages", "meta:page-count", "meta:slide-count", "Page-Count")
_NO_READER = (
    "audio/", "video/", "font/", "application/octet-stream", "application/x-msdownload",
    "application/x-dosexec", "application/x-executable",
    "application/x-sharedlib", "application/x-elf", "application/java-vm",
    "application/x-object", "application/x-msaccess", "application/vnd.sqlite3", "application/x-sqlite3",
    "application/vnd.apple.", "application/x-iso9660-image", "application/x-tika-ooxml-protected",
)  # fmt: skip
"""Detected types of which Tika gives no text: that is ``unsupported``, not an empty document."""

_HIDDEN_SHEETS = ("msoffice:excel:hidden-sheet-names", "msoffice:excel:very-hidden-sheet-names")
_STATED = {
    WarningCode.HIDDEN_CONTENT: (
        "msoffice:excel:has-hidden-sheets", "msoffice:excel:has-very-hidden-sheets",
        "msoffice:excel:has-hidden-rows", "msoffice:excel:has-hidden-columns",
        "msoffice:ppt:has-hidden-slides", "msoffice:doc:has-hidden-text",
    ),
    WarningCode.TRACKED_CHANGES: ("msoffice:has-track-changes",),
}  # fmt: skip
"""What Tika says of files of old Office, whose parts are not looked at here."""

_PST = "application/vnd.ms-outlook-pst"
"""A mailbox of Outlook (MS-PST), .pst or .ost: Tika gives the words of all that is in it, as one text."""

_LEGACY_LOCKED = "EncryptedPackage".encode("utf-16-le")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_CLASS = re.compile(r"\b(?:[a-z]+\.)+([A-Z]\w+(?:Exception|Error))\b")


class TikaReader:
    """Reads documents: PDF, Office old and new, OpenDocument, RTF, EPUB, images and what else Tika knows."""

    name: ClassVar[str] = "tika"
    version: ClassVar[str] = "4"

    def __init__(self) -> None:
        """Prepare; Tika itself starts with the first file."""
        self._engines: dict[bool, tuple[int, Any]] = {}

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,  # noqa: ARG002
    ) -> int | None:
        """Accept anything: the reader of last resort."""
        return 10

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read one file; a locked one by the passwords of its context.

        Raises:
            ItemError: ``encrypted``, ``corrupt``, ``truncated``, ``bomb`` or ``unsupported``.
        """
        data = stream.read()
        if not data:
            return Extraction(kind=Kind.FILE)
        try:
            return self._read(data, context)
        except ItemError as error:
            if error.reason is not Reason.ENCRYPTED or not context.passwords:
                raise
            return self._opened(data, context, Failure(error.reason, error.detail))

    def _opened(self, data: bytes, context: ExtractContext, locked: Failure) -> Extraction:
        """Read a locked file by the first password that opens it; what a server said was of the lock."""
        tries = unlocking.Tries(context)
        opened = unlocking.document(data, tries)
        if opened is None:
            return Extraction(metadata=tries.facts(), failure=locked)
        try:
            made = self._read(opened, replace(context, told=None, passwords=()))
        except ItemError as error:
            made = Extraction(failure=Failure(error.reason, error.detail))
        return replace(made, metadata={**made.metadata, **tries.facts()})

    def _read(self, data: bytes, context: ExtractContext) -> Extraction:
        if data.startswith(_OLE) and _LEGACY_LOCKED in data:
            raise ItemError(Reason.ENCRYPTED, "office_password")
        if data.startswith(b"PK") and zip_document.is_bomb(data, context.limits.ratio):
            raise ItemError(Reason.BOMB, "document_ratio")
        bare = images.bare_type(data)
        if bare is not None:
            return _image(data, "", {"content_type": bare})
        beside = _beside(data, context)
        told, stated = self._parse(data, context, beside)
        facts = _facts(stated)
        kind = facts.get("content_type", "")
        words = _words(told, beside, stated)
        trouble = _trouble(stated)
        if trouble and not words.text and not kind.startswith(("image/", "audio/", "video/")):
            raise _item_error(trouble, data, pdf=kind == "application/pdf")
        got = self._sorted(data, words.text, kind, facts, stated, context, beside.found)
        got = _with_what_is_beside(got, beside, words, stated)
        if trouble or words.cut or beside.found.partial:
            # Something inside could not be read, but not all of it: what came out stays, and says so.
            return replace(got, warnings=tuple(sorted({*got.warnings, WarningCode.PARTIAL})))
        return got

    @staticmethod
    def _sorted(
        data: bytes,
        text: str,
        kind: str,
        facts: dict[str, str],
        stated: dict[str, list[str]],
        context: ExtractContext,
        found: Found = NOTHING,
    ) -> Extraction:
        if kind.startswith("image/"):
            return _image(data, text, facts)
        if (
            kind == "application/octet-stream"
            and not text
            and sniff.claims_document(context.name, context.media_type)
        ):
            raise ItemError(Reason.CORRUPT, "not_what_it_claims")
        if kind.startswith(("audio/", "video/")) or (not text and kind.startswith(_NO_READER)):
            detail = kind.partition("/")[0] if not kind.startswith("application/") else "binary"
            return Extraction(kind=Kind.FILE, metadata=facts, failure=Failure(Reason.UNSUPPORTED, detail))
        if kind == "application/pdf":
            return _pdf(data, text, facts, stated)
        if kind == _PST:  # searched, and never taken for read: who wrote what and when is not told
            failure = Failure(Reason.UNSUPPORTED, "pst_not_opened")
            return Extraction(text=text, kind=Kind.FILE, metadata=facts, failure=failure)
        return _document(data, text, facts, stated, found)

    def _parse(
        self, data: bytes, context: ExtractContext, beside: Beside
    ) -> tuple[list[str], dict[str, list[str]]]:
        """Return Tika's XHTML of a file and of what counts to it, and what is stated by Tika's names."""
        limit = xhtml_limit(context.limits.text_bytes)
        try:
            xhtml, stated = self._ready(limit, beside.modern).extract_bytes_to_string(bytearray(data))
        except TypeError as error:
            raise _item_error(str(error), data) from None
        if len(xhtml) >= limit:
            raise ItemError(Reason.BOMB, "text_bytes")
        return [xhtml], stated

    def _ready(self, limit: int, modern: bool) -> Any:  # noqa: FBT001
        known = self._engines.get(modern)
        if known is None or known[0] != limit:
            known = self._engines[modern] = (limit, _engine(limit, deleted=not modern))
        return known[1]


@dataclass(frozen=True, slots=True)
class Beside:
    """What was looked up in the file itself.

    Attributes:
        modern: It is zip-based: deleted words are read from its parts, and Tika leaves them out.
        found: Comments, changes, hidden parts.
        children: Files taken out of it.
        warnings: On them.
    """

    modern: bool = False
    found: Found = NOTHING
    children: tuple[Child, ...] = ()
    warnings: frozenset[WarningCode] = frozenset()


def xhtml_limit(text_bytes: int) -> int:
    """Return how long Tika's XHTML may be: its marks take room beside the words."""
    return 2 * text_bytes + (1 << 16)


def _beside(data: bytes, context: ExtractContext) -> Beside:
    warnings: set[WarningCode] = set()
    if data.startswith(b"%PDF"):
        children = embedded.in_pdf(data, context, warnings)
        return Beside(children=children, warnings=frozenset(warnings))
    if not data.startswith(b"PK"):
        return Beside()
    try:
        package = Package(data)
    except ValueError:
        return Beside(modern=True, found=Found(cut=True))
    with package:
        found = ooxml.look(package)
        children = embedded.in_package(package, context, warnings)
    return Beside(modern=True, found=found, children=children, warnings=frozenset(warnings))


def _words(told: list[str], beside: Beside, stated: dict[str, list[str]]) -> Words:
    """Return the text of Tika's XHTML, and what it says of comments and links."""
    found = beside.found
    known = Known(
        comments=found.comments,
        cell_comments=found.cell_comments,
        hidden_sheets=found.hidden_sheets.union(*(stated.get(name, ()) for name in _HIDDEN_SHEETS)),
        deleted=found.deleted,
        slides=found.slides,
        notes=found.notes,
        links=found.links,
        taken_out=beside.modern and bool(beside.children),
        attachments=not beside.modern and bool(beside.children),
    )
    parts = [
        tika_xhtml.words(charsets.without_surrogates(xhtml), Known() if number else known)
        for number, xhtml in enumerate(told)
    ]
    text = "\n".join(one.text for one in parts if not one.text.isspace())
    text = "" if text.isspace() else charsets.tidy(text).strip("\n\t ")
    return Words(
        text,
        tuple(link for one in parts for link in one.links),
        any(one.comments for one in parts),
        any(one.notes for one in parts),
        any(one.cut for one in parts),
    )


def _with_what_is_beside(
    got: Extraction, beside: Beside, words: Words, stated: dict[str, list[str]]
) -> Extraction:
    """Put remarks behind the text, children below it, and warnings that tell of both."""
    found = beside.found
    named = {one.text for one in (*found.remarks, *words.links) if one.label != tika_xhtml.BARE}
    links = (one for one in words.links if one.label != tika_xhtml.BARE or one.text not in named)
    remarks = [replace(one, **_clean(one)) for one in (*found.remarks, *links)]
    warnings = {*got.warnings, *beside.warnings}
    told = {code for code, names in _STATED.items() if any(_first(stated, (n,)) == "true" for n in names)}
    if found.hidden or (told & {WarningCode.HIDDEN_CONTENT} and not beside.modern):
        warnings.add(WarningCode.HIDDEN_CONTENT)
    if found.comments or words.comments:
        warnings.add(WarningCode.COMMENTS)
    if found.changed or (told & {WarningCode.TRACKED_CHANGES} and not beside.modern):
        warnings.add(WarningCode.TRACKED_CHANGES)
    if found.notes or words.notes:
        warnings.add(WarningCode.SPEAKER_NOTES)
    return replace(
        got,
        text=behind(got.text, remarks),
        children=beside.children,
        expected_children=len(beside.children) or None,
        warnings=tuple(sorted(warnings)),
    )


def _clean(one: Remark) -> dict[str, str]:
    return {
        name: charsets.tidy(charsets.without_surrogates(getattr(one, name))).replace(tika_xhtml.PAGE, " ")
        for name in ("label", "text", "by", "at", "about")
    }


def _engine(limit: int, *, deleted: bool) -> Any:
    # Reserves 32 GB of addresses: only in a worker, and only when a file needs it.
    import iscc_tika as tika

    office = (
        tika.OfficeParserConfig()
        .set_include_deleted_content(deleted)
        .set_include_move_from_content(deleted)
        .set_include_headers_and_footers(True)
        .set_include_shape_based_content(True)
        .set_include_slide_notes(True)
        .set_include_slide_master_content(False)
    )
    pdf = (
        tika.PdfParserConfig().set_ocr_strategy(tika.PdfOcrStrategy.NO_OCR).set_extract_annotation_text(True)
    )
    return (
        tika.Extractor()
        .set_xml_output(True)
        .set_extract_string_max_length(limit)
        .set_ocr_config(tika.TesseractOcrConfig().set_skip_ocr(True))
        .set_office_config(office)
        .set_pdf_config(pdf)
    )


def _item_error(message: str, data: bytes, *, pdf: bool = False) -> ItemError:
    """Sort one of Tika's errors by what it names; its message itself can hold content and is dropped."""
    lower = message.lower()
    if "encrypt" in lower or "password" in lower:
        if pdf:
            return ItemError(Reason.ENCRYPTED, "pdf_password")
        return ItemError(Reason.ENCRYPTED, "office_password" if data.startswith(_OLE) else "password")
    if "zip bomb" in lower or "entity expansion" in lower or "entityexpansion" in lower:
        return ItemError(Reason.BOMB, "tika")
    if "outofmemory" in lower:
        raise MemoryError
    if "stackoverflow" in lower:
        return ItemError(Reason.BOMB, "recursion")
    if "unsupported" in lower or "oldword" in lower:
        return ItemError(Reason.UNSUPPORTED, "format_version")
    found = _CLASS.search(message)
    if pictures.is_cut(data):
        return ItemError(Reason.TRUNCATED, "end_missing")
    return ItemError(Reason.CORRUPT, found.group(1) if found else "tika")


def _first(stated: dict[str, list[str]], names: tuple[str, ...]) -> str:
    for name in names:
        values = [value for value in stated.get(name, ()) if value and value.strip()]
        if values:
            return charsets.tidy(charsets.without_surrogates("; ".join(values)))
    return ""


def _facts(stated: dict[str, list[str]]) -> dict[str, str]:
    facts = {name: value for name, sources in _FACTS.items() if (value := _first(stated, sources))}
    kind = _first(stated, ("Content-Type",)).partition(";")[0].strip()
    if kind:
        facts["content_type"] = kind
    return facts


def _trouble(stated: dict[str, list[str]]) -> str:
    """Return what Tika says went wrong while it went on; empty when nothing did."""
    names = [name for name in stated if name.startswith("X-TIKA:EXCEPTION") or name == "X-TIKA:warning"]
    return "\n".join(value for name in sorted(names) for value in stated[name])


def _numbers(stated: Iterable[str]) -> list[int]:
    return [number for value in stated if (number := whole_number(value)) is not None]


def _count(stated: dict[str, list[str]]) -> int | None:
    for name in _PAGES:
        number = whole_number(_first(stated, (name,)))
        if number is not None:
            return number
    return None


def _image(data: bytes, text: str, facts: dict[str, str]) -> Extraction:
    """A picture has no text until OCR has looked at it; one too small for letters has none at all."""
    pages = pictures.image_pages(data)
    wait = tuple(range(1, pages + 1)) if pictures.can_hold_letters(data) else ()
    failure = Failure(Reason.TRUNCATED, "end_missing") if pictures.is_cut(data) else None
    return Extraction(
        text=text, kind=Kind.FILE, metadata=facts, needs_ocr_pages=wait, pages=pages, failure=failure
    )


def _pdf(data: bytes, text: str, facts: dict[str, str], stated: dict[str, list[str]]) -> Extraction:
    characters = _numbers(stated.get("pdf:charsPerPage", ()))
    unmapped = _numbers(stated.get("pdf:unmappedUnicodeCharsPerPage", ()))
    scanned = pictures.scanned_pages(data, characters, unmapped)
    if _first(stated, ("pdf:encrypted",)) == "true":
        facts["protection"] = "owner_password"  # against changes: it opens without one, and was read so
    return Extraction(
        text=text,
        kind=Kind.FILE,
        metadata=facts,
        warnings=(WarningCode.NEEDS_OCR,) if scanned and text else (),
        needs_ocr_pages=scanned,
        pages=_count(stated) or len(characters) or None,
    )


def _document(
    data: bytes, text: str, facts: dict[str, str], stated: dict[str, list[str]], found: Found
) -> Extraction:
    if found.pictures and found.pictures.issuperset(
        line.strip() for line in text.split("\n") if line.strip()
    ):
        text = ""  # nothing but the names of its pictures
    if found.sheets:
        facts["sheets"] = "; ".join(found.sheets)
    if (
        not facts.get("content_type", "").startswith("application/")
        and not text
        and not sniff.is_texty(data[:4096])
    ):
        return Extraction(kind=Kind.FILE, metadata=facts, failure=Failure(Reason.UNSUPPORTED, "binary"))
    return Extraction(
        text=text,
        kind=Kind.FILE,
        metadata=facts,
        needs_ocr_pages=(1,) if found.pictures and not text else (),
        pages=len(found.sheets) or _count(stated),
        failure=Failure(Reason.TRUNCATED, "zip_directory") if found.cut else None,
    )
