"""Files within a document: what was embedded in an Office file or attached to a PDF becomes children.

Pictures stay part of the document; sound, film and everything that opens by itself is a file of its own
(ECMA-376-1 section 15.2.11 embedded packages, 15.2.10 embedded objects, 11.3.1 alternative formats;
ISO 32000-1 section 7.11.4 embedded files).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from extract import members, ole_objects, sniff
from extract.protocol import ExtractContext
from extract.zip_document import Package
from records.errors import ItemError
from records.models import Child
from records.numbers import by_number
from records.vocabulary import Reason, WarningCode

_EMBEDDED = re.compile(r"(?:word|xl|ppt)/embeddings/[^/]+\Z")
_PLAYED = re.compile(
    r"(?:word|xl|ppt)/media/[^/]+\.(?:mp3|mp4|m4a|m4v|wav|wma|wmv|mov|avi|mpe?g|3gp|aac)\Z", re.I
)
_LETTER = "word/document.xml"


def in_package(package: Package, context: ExtractContext, warnings: set[WarningCode]) -> tuple[Child, ...]:
    """Take out what is embedded in an Office Open XML file.

    Args:
        package: The file.
        context: Its limits.
        warnings: Gets what must be known of names.

    Raises:
        ItemError: ``bomb``: there is more in it than allowed.
    """
    names = {name for name in package.names if _EMBEDDED.match(name) or _PLAYED.match(name)}
    if _LETTER in package.names and any("/afchunk" in name.lower() for name in package.names):
        related = package.relations(_LETTER).values()
        names |= {target for kind, target in related if kind == "aFChunk" and target in package.names}
    ordered = sorted(names, key=lambda one: (by_number(one), one))
    most = context.limits.children_bytes
    found = ((one.rpartition("/")[2], partial(package.whole, one, most)) for one in ordered)
    return _children(found, context, warnings)


def in_pdf(data: bytes, context: ExtractContext, warnings: set[WarningCode]) -> tuple[Child, ...]:
    """Take out the files attached to a PDF; none of one that cannot be opened.

    Raises:
        ItemError: ``bomb``.
    """
    if b"/EmbeddedFile" not in data and b"/ObjStm" not in data:
        return ()
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError:
        return ()
    try:
        found = map(document.get_attachment, range(document.count_attachments()))
        return _children(((one.get_name(), partial(_attached, one)) for one in found), context, warnings)
    finally:
        document.close()


def _attached(attachment: Any) -> bytes:
    import pypdfium2 as pdfium

    try:
        return bytes(attachment.get_data())
    except pdfium.PdfiumError:
        raise ItemError(Reason.CORRUPT, "embedded") from None


def _children(
    found: Iterator[tuple[str, Callable[[], bytes]]], context: ExtractContext, warnings: set[WarningCode]
) -> tuple[Child, ...]:
    names = members.Names(warnings)
    left = context.limits.children_bytes
    children: list[Child] = []
    for stored, read in found:
        members.check_count(len(children) + 1, context)
        name, path = names.shown(stored), str(len(children) + 1)
        try:
            data = read()
        except ItemError as error:
            if error.reason is Reason.BOMB:
                raise
            children.append(members.lost(path, name, error.reason, error.detail, {}))
            continue
        left -= len(data)
        if left < 0:
            raise ItemError(Reason.BOMB, "children_bytes")
        children.append(members.taken(path, name, _media_type(name, data), data, {"embedded": "true"}))
    return tuple(children)


def _media_type(name: str, data: bytes) -> str:
    """Return the label of an embedded file; an OLE object is told by its streams, whatever it is called."""
    return ole_objects.media_type_of(data) if name.lower().endswith(".bin") else sniff.by_name(name)
