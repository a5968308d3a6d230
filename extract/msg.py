"""Outlook's ``.msg`` files taken apart (MS-OXMSG): storages and streams become properties of a message.

A message in a message is a storage of its own (MS-OXMSG section 2.2.2.1). It has no bytes that could be
collected: they are made of that storage, with the table of names that it shares with the outer message, and
are a ``.msg`` file that can be opened.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from extract import mapi, ole_objects
from extract.mapi import Attachment, Bag, Key, MapiMessage, Properties, Value
from records import compound_files
from records import compound_reading as compound
from records.compound_files import Storage
from records.errors import ItemError
from records.vocabulary import Reason

MEDIA_TYPE = "application/vnd.ms-outlook"

_PROPERTIES = "__properties_version1.0"
_NAMES = "__nameid_version1.0"
_TOP_HEADER, _EMBEDDED_HEADER, _ROW_HEADER = 32, 24, 8
"""Bytes before the properties of a file, of an embedded message, of a recipient or an attachment (2.4.1)."""
_STREAM = re.compile(r"__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})(?:-([0-9A-F]{8}))?", re.IGNORECASE)
_MOST_NAMES = 0x8000
_DATA = 0x3701
_METHOD = 0x3705
_OLE = 6
_MESSAGE_CLSID = bytes.fromhex("0b0d020000000000c000000000000046")
"""Class of the root storage of a message file, as Outlook writes it."""


@dataclass(frozen=True, slots=True)
class MsgFile:
    """A message file taken apart.

    Attributes:
        message: What it says.
        whole: Whether all that its tables name is there.
    """

    message: MapiMessage
    whole: bool


def is_message(root: Storage) -> bool:
    """Tell whether a storage is a message."""
    return isinstance(_entry(root, _PROPERTIES), bytes)


def parse(data: bytes) -> MsgFile:
    """Take a message file apart.

    Raises:
        ItemError: It is no compound file that can be read, or holds no message.
    """
    opened = compound.read(data)
    if not is_message(opened.root):
        raise ItemError(Reason.CORRUPT if opened.whole else Reason.TRUNCATED, "no_message_properties")
    return _Parsing(opened.root, whole=opened.whole).file()


def _entry(storage: Storage, name: str) -> bytes | Storage | None:
    """Return an entry by its name, whose case says nothing (MS-CFB section 2.6.1)."""
    found = storage.entries.get(name)
    if found is not None:
        return found
    return next((what for given, what in storage.entries.items() if given.lower() == name.lower()), None)


class _Parsing:
    """One message file."""

    def __init__(self, root: Storage, *, whole: bool) -> None:
        self._root = root
        self._whole = whole
        names = _entry(root, _NAMES)
        self._name_storage = names if isinstance(names, Storage) else None
        self._names = _named(names) if isinstance(names, Storage) else {}

    def file(self) -> MsgFile:
        own = self._bag(self._root, _TOP_HEADER)
        rows = [self._bag(row, _ROW_HEADER) for row in self._storages("__recip_version1.0_#")]
        hung = [
            (storage, self._bag(storage, _ROW_HEADER)) for storage in self._storages("__attach_version1.0_#")
        ]
        pages = mapi.pages_of([own, *rows, *(bag for _, bag in hung)])
        stated = struct.unpack_from("<2I", _stream(self._root, _PROPERTIES).ljust(_TOP_HEADER, b"\0"), 16)
        self._whole &= stated[0] <= len(rows) and stated[1] <= len(hung)
        message = MapiMessage(
            Properties(own, pages),
            tuple(Properties(row, pages) for row in rows),
            tuple(self._attachment(storage, Properties(bag, pages)) for storage, bag in hung),
            pages,
        )
        return MsgFile(message, self._whole)

    def _storages(self, start: str) -> Iterator[Storage]:
        """Yield storages of recipients or attachments by their number (MS-OXMSG section 2.2)."""
        found = {
            name.lower(): what
            for name, what in self._root.entries.items()
            if isinstance(what, Storage) and name.lower().startswith(start)
        }
        for name in sorted(found):
            yield found[name]

    def _bag(self, storage: Storage, header: int) -> Bag:
        """Read the properties of a storage (MS-OXMSG sections 2.1 and 2.4)."""
        bag: dict[Key, Value] = {}
        raw = _stream(storage, _PROPERTIES)
        for at in range(header, len(raw) - 15, 16):
            tag = int.from_bytes(raw[at : at + 4], "little")
            size = mapi.FIXED.get(tag & 0xFFFF)
            if size is not None and size <= 8:
                bag[self._key(tag >> 16)] = (tag & 0xFFFF, raw[at + 8 : at + 8 + size])
        several: dict[int, dict[int, bytes]] = {}
        for name, what in storage.entries.items():
            found = _STREAM.fullmatch(name)
            if found is None or not isinstance(what, bytes):
                continue
            number, kind = int(found[1], 16), int(found[2], 16)
            if found[3] is not None:
                several.setdefault(number << 16 | kind, {})[int(found[3], 16)] = what
            elif not kind & mapi.MULTIPLE:
                bag[self._key(number)] = (kind, _bare(kind, what))
            elif (size := mapi.FIXED.get(kind & ~mapi.MULTIPLE)) is not None:
                values = tuple(what[at : at + size] for at in range(0, len(what) - size + 1, size))
                bag[self._key(number)] = (kind, values)
        for tag, pieces in several.items():
            kind = tag & 0xFFFF
            ordered = [pieces[number] for number in sorted(pieces)]
            values = tuple(_bare(kind & ~mapi.MULTIPLE, one) for one in ordered)
            bag[self._key(tag >> 16)] = (kind, values)
        return bag

    def _key(self, number: int) -> Key:
        return self._names.get(number, number) if number >= _MOST_NAMES else number

    def _attachment(self, storage: Storage, properties: Properties) -> Attachment:
        inner = next(
            (
                what
                for name, what in storage.entries.items()
                if isinstance(what, Storage) and name.upper().endswith(f"_{_DATA:04X}000D")
            ),
            None,
        )
        if inner is None:
            data = properties.binary(_DATA) if properties.has(_DATA) else None
            is_object = bool(data) and properties.number(_METHOD) == _OLE
            return Attachment(properties, data, ole_objects.media_type_of(data or b"") if is_object else "")
        if is_message(inner):
            bag = self._bag(inner, _EMBEDDED_HEADER)
            message_class = Properties(bag, mapi.pages_of([bag])).line(0x001A)
            return Attachment(properties, self._as_file(inner), MEDIA_TYPE, message_class)
        return Attachment(properties, compound_files.write(inner), ole_objects.media_type(inner))

    def _as_file(self, inner: Storage) -> bytes:
        """Return an embedded message as a file of its own: its header is longer, and it has its own names."""
        entries = dict(inner.entries)
        for name, what in inner.entries.items():
            if name.lower() == _PROPERTIES and isinstance(what, bytes):
                entries[name] = what[:_EMBEDDED_HEADER] + bytes(8) + what[_EMBEDDED_HEADER:]
        if self._name_storage is not None and _entry(inner, _NAMES) is None:
            entries[_NAMES] = self._name_storage
        return compound_files.write(Storage(entries, _MESSAGE_CLSID))


def _bare(kind: int, raw: bytes) -> bytes:
    """Return a text without the zeros that close it, and everything else as it is."""
    if kind == mapi.STRING8:
        return raw.rstrip(b"\0")
    if kind != mapi.STRING:
        return raw
    raw = raw[: len(raw) & ~1]
    while raw.endswith(b"\0\0"):
        raw = raw[:-2]
    return raw


def _stream(storage: Storage, name: str) -> bytes:
    found = _entry(storage, name)
    return found if isinstance(found, bytes) else b""


def _named(storage: Storage) -> Mapping[int, Key]:
    """Return which name each id from 0x8000 on stands for (MS-OXMSG section 2.2.3)."""
    guids = _stream(storage, "__substg1.0_00020102")
    entries = _stream(storage, "__substg1.0_00030102")
    strings = _stream(storage, "__substg1.0_00040102")
    found: dict[int, Key] = {}
    for at in range(0, min(len(entries), 8 * _MOST_NAMES) - 7, 8):
        value, packed = struct.unpack_from("<2I", entries, at)
        property_set = _property_set(packed >> 1 & 0x7FFF, guids)
        number = _MOST_NAMES + (packed >> 16)
        if not packed & 1:
            found[number] = (property_set, value)
        elif value + 4 <= len(strings):
            size = int.from_bytes(strings[value : value + 4], "little")
            name = strings[value + 4 : value + 4 + size]
            found[number] = (property_set, name[: len(name) & ~1].decode("utf-16-le", "replace"))
    return found


def _property_set(index: int, guids: bytes) -> str:
    if index in (1, 2):
        return (mapi.PROPERTIES, mapi.STRINGS)[index - 1]
    return guid_text(guids[(index - 3) * 16 : (index - 2) * 16]) if index > 2 else ""


def guid_text(raw: bytes) -> str:
    """Return a GUID in its usual spelling; empty for bytes that are none."""
    if len(raw) != 16:
        return ""
    first, second, third = struct.unpack_from("<IHH", raw)
    last = raw[8:].hex().upper()
    return f"{first:08X}-{second:04X}-{third:04X}-{last[:4]}-{last[4:]}"
