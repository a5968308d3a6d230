"""OLE objects that hang on a message of Outlook: the file that was inserted lies in one of their streams.

A document of old Office is a compound file itself and is read as such; here are those that only carry a file:
packages (``Ole10Native``), pictures and PDF (``CONTENTS``), new Office (``Package``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from extract import charsets, sniff
from extract.protocol import ExtractContext
from records import compound_reading as compound
from records.compound_files import SIGNATURE, Storage
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Kind, Reason

CARRIER = "application/x-ole-object"
"""An object that carries a file; a label of this project's own."""
STORAGE = "application/x-ole-storage"
"""Any other object: a document, or nothing that can be read."""

_NATIVE = "\1Ole10Native"
_WHOLE = ("CONTENTS", "Package", "EmbeddedOdf")
"""Streams that are a file as it is."""
_SIGNS = (
    (b"BM", "image/bmp"), (b"%PDF", "application/pdf"), (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"), (b"PK\x03\x04", "application/zip"),
)  # fmt: skip


def media_type(root: Storage) -> str:
    """Return the label of an object by its streams."""
    return CARRIER if not {_NATIVE, *_WHOLE}.isdisjoint(root.entries) else STORAGE


def media_type_of(data: bytes) -> str:
    """Return the label of an object by its bytes; empty for bytes that are no compound file."""
    if not data.startswith(SIGNATURE):
        return ""
    try:
        return media_type(compound.read(data).root)
    except ItemError:
        return STORAGE


@dataclass(frozen=True, slots=True)
class _Package:
    """What the packager of Windows wrote.

    Attributes:
        name: Under which it was inserted.
        path: Where the file lay.
        data: Its bytes; None for a link to it.
    """

    name: str
    path: str
    data: bytes | None


class OleObjectReader:
    """Takes the file out of one OLE object."""

    name: ClassVar[str] = "ole_object"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept what was labelled so where its streams were seen."""
        return 100 if media_type == CARRIER and head.startswith(SIGNATURE) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:  # noqa: ARG002
        """Read one object.

        Raises:
            ItemError: ``corrupt``, ``truncated`` or ``bomb`` when it cannot be opened.
        """
        opened = compound.read(stream.read())
        children: list[Child] = []
        facts: dict[str, str] = {}
        for name, data in opened.root.entries.items():
            if not isinstance(data, bytes) or name not in {_NATIVE, *_WHOLE}:
                continue
            number = str(len(children) + 1)
            package = _package(data) if name == _NATIVE else None
            if package is not None:
                facts |= {"path": package.path} if package.path else {}
                failure = None if package.data is not None else Failure(Reason.NOT_IN_EXPORT, "by_reference")
                kind = sniff.by_name(package.name)
                children.append(Child(number, package.name or None, kind, Kind.FILE, package.data, failure))
                continue
            whole = data[4:] if name == _NATIVE else data
            if whole:
                children.append(Child(number, None, _sniffed(whole), Kind.FILE, whole))
        if not children:
            raise ItemError(Reason.CORRUPT if opened.whole else Reason.TRUNCATED, "ole_object")
        return Extraction(
            kind=Kind.FILE,
            metadata=facts,
            children=tuple(children),
            expected_children=len(children),
            failure=None if opened.whole else Failure(Reason.TRUNCATED, "ole_object"),
        )


def _sniffed(data: bytes) -> str:
    return next((kind for sign, kind in _SIGNS if data.startswith(sign)), "application/octet-stream")


def _package(data: bytes) -> _Package | None:
    """Read the stream of a package (MS-OLEDS section 2.3.6, and the packager's own form); None for another.

    Behind the file its names stand a second time, in Unicode: where, label, name.
    """
    if len(data) < 6 or data[4:6] != b"\2\0":
        return None
    try:
        label, at = _until_nul(data, 6)
        path, at = _until_nul(data, at)
        (kind,) = struct.unpack_from("<H", data, at + 2)
        (size,) = struct.unpack_from("<I", data, at + 4)
        at += 8 + size
        if kind == 1:
            return _Package(_leaf(label), path, None)
        (size,) = struct.unpack_from("<I", data, at)
    except (ValueError, struct.error):
        return None
    content = data[at + 4 : at + 4 + size]
    if len(content) < size:
        return None
    wide = _wide_names(data[at + 4 + size :])
    return _Package(_leaf(wide[1] if wide else label), wide[2] if wide else path, content)


def _leaf(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _until_nul(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return charsets.tidy(charsets.decode(data[at:end], None)[0]), end + 1


def _wide_names(data: bytes) -> list[str]:
    found = []
    at = 0
    for _ in range(3):
        size = int.from_bytes(data[at : at + 4], "little") * 2
        raw = data[at + 4 : at + 4 + size]
        if not size or len(raw) < size:
            return []
        found.append(charsets.tidy(raw.decode("utf-16-le", "replace")))
        at += 4 + size
    return found
