"""Outlook message files (MS-OXMSG) written from the properties of an item, whatever they are.

A data file of Outlook holds items as properties, and no file for each. This is the form that a copy of an
item by Outlook itself has, and the one that loses nothing: every property keeps its id and its type, every
value its bytes. The same properties always give the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from records.compound_files import Storage, write

MSG_TYPE = "application/vnd.ms-outlook"

TEXT, ANSI_TEXT, BINARY, OBJECT, GUID = 0x1F, 0x1E, 0x102, 0x0D, 0x48
MANY = 0x1000
"""Types of properties (MS-OXCDATA section 2.11.1); ``MANY`` is set for a property of many values."""

FIXED: Mapping[int, int] = {
    0x02: 2, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 1, 0x14: 8, 0x40: 8,
}  # fmt: skip
"""Bytes of a value, by type, of those that have a fixed size."""

ATTACHED = 0x3701
"""What is attached: its bytes, or an object (PidTagAttachDataBinary, PidTagAttachDataObject)."""

_NAMED = 0x8000
_SUPPORT_MASK, _UNICODE_OK = 0x340D, 0x00040000
_READ_AND_WRITTEN = 6
"""Flags of a property: may be read and written (section 2.4.2.1)."""

_BUCKETS = 0x1F
_ENTRY = struct.Struct("<HHI8s")


@dataclass(frozen=True, slots=True)
class Property:
    """One property.

    Attributes:
        id: From 0x8000 on it is named, and the number is that of the file it comes from.
        type: As MAPI has it.
        data: The value as it was stored: numbers little-endian, text as UTF-16 or in a code page without an
            end; many values of a size one after the other, others behind their count and offsets
            (MS-PST section 2.3.3.4).
    """

    id: int
    type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Name:
    """What a named property is called.

    Attributes:
        set: GUID of its property set, as it is stored.
        name: Its number in the set, or its text.
    """

    set: bytes
    name: int | str


@dataclass(frozen=True, slots=True)
class Attachment:
    """What hangs on a message.

    Attributes:
        properties: Its own; ``ATTACHED`` among them where it has bytes.
        message: Of an embedded message, else None.
        storage: Of an OLE object that is a compound file itself, else None.
    """

    properties: Sequence[Property]
    message: Message | None = None
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An item of any class.

    Attributes:
        properties: Its own.
        recipients: Properties of each.
        attachments: In order.
    """

    properties: Sequence[Property]
    recipients: Sequence[Sequence[Property]] = ()
    attachments: Sequence[Attachment] = ()


PS_MAPI = bytes.fromhex("2803020000000000c000000000000046")
PS_PUBLIC_STRINGS = bytes.fromhex("2903020000000000c000000000000046")
_WELL_KNOWN = {PS_MAPI: 1, PS_PUBLIC_STRINGS: 2}
"""Property sets without an entry in the list of GUIDs (section 2.2.3.1.2)."""


def msg_bytes(message: Message, name_of: Callable[[int], Name]) -> bytes:
    """Return a message as a file.

    Args:
        message: The message.
        name_of: Says what a property from 0x8000 on is called.

    Raises:
        ItemError: ``too_large`` beyond 2 GB.
        ValueError: Many values of a property make no sense; ask ``values_of`` before.
    """
    names = _Names(name_of)
    entries = _message(message, names, top=True)
    entries["__nameid_version1.0"] = names.storage()
    return write(Storage(entries))


@dataclass(slots=True)
class _Names:
    """Gives named properties their ids in the file, in the order in which they come.

    Attributes:
        name_of: Says what they are called.
    """

    name_of: Callable[[int], Name]
    _ids: dict[int, int] = field(default_factory=dict)
    _of_name: dict[Name, int] = field(default_factory=dict)

    def id(self, number: int) -> int:
        """Return the id of a property in the file."""
        if number < _NAMED:
            return number
        if number not in self._ids:
            name = self.name_of(number)
            self._ids[number] = self._of_name.setdefault(name, _NAMED + len(self._of_name))
        return self._ids[number]

    def storage(self) -> Storage:
        """Return the map of names (section 2.2.3)."""
        sets: dict[bytes, int] = {}
        entries, strings = bytearray(), bytearray()
        buckets: dict[int, bytearray] = {}
        for name, number in self._of_name.items():
            index = _WELL_KNOWN.get(name.set) or sets.setdefault(name.set, len(sets) + 3)
            if isinstance(name.name, str):
                text = name.name.encode("utf-16-le", "surrogatepass")
                key, hashed, kind = len(strings), _crc(text), 1
                strings += struct.pack("<I", len(text)) + text + bytes(-len(text) % 4)
            else:
                key = hashed = name.name
                kind = 0
            mark = index << 1 | kind
            entries += struct.pack("<IHH", key, mark, number - _NAMED)
            bucket = 0x1000 + (hashed ^ mark) % _BUCKETS
            buckets.setdefault(bucket, bytearray()).extend(struct.pack("<IHH", hashed, mark, number - _NAMED))
        made: dict[str, bytes | Storage] = {
            _stream(2, BINARY): b"".join(sets),
            _stream(3, BINARY): bytes(entries),
            _stream(4, BINARY): bytes(strings),
        }
        made |= {_stream(bucket, BINARY): bytes(data) for bucket, data in sorted(buckets.items())}
        return Storage(made)


def _crc(data: bytes) -> int:
    """Return the CRC of MS-OXRTFCP section 3.1.3.2: the usual one without its inversions."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def _stream(number: int, kind: int) -> str:
    return f"__substg1.0_{number:04X}{kind:04X}"


def _message(message: Message, names: _Names, *, top: bool = False) -> dict[str, bytes | Storage]:
    """Return what a message's storage holds (section 2.2, an embedded one 2.2.2.1)."""
    recipients, attachments = len(message.recipients), len(message.attachments)
    head = struct.pack("<8x4I", recipients, attachments, recipients, attachments) + bytes(8 if top else 0)
    own = message.properties
    if not any(one.id == _SUPPORT_MASK for one in own) and any(one.type & ~MANY == TEXT for one in own):
        # without it a reader takes all text for text of a code page (section 2.1.1.1)
        own = [*own, Property(_SUPPORT_MASK, 0x03, struct.pack("<I", _UNICODE_OK))]
    entries = _properties(own, head, names)
    for number, recipient in enumerate(message.recipients):
        entries[f"__recip_version1.0_#{number:08X}"] = Storage(_properties(recipient, bytes(8), names))
    for number, attachment in enumerate(message.attachments):
        entries[f"__attach_version1.0_#{number:08X}"] = Storage(_attachment(attachment, names))
    return entries


def _attachment(attachment: Attachment, names: _Names) -> dict[str, bytes | Storage]:
    inner: Storage | None = attachment.storage
    if attachment.message is not None:
        inner = Storage(_message(attachment.message, names))
    if inner is None:
        return _properties(attachment.properties, bytes(8), names)
    own = [one for one in attachment.properties if one.id != ATTACHED]
    entries = _properties(own, bytes(8), names)
    entries[_stream(ATTACHED, OBJECT)] = inner
    kind = 1 if attachment.message is not None else 4  # section 2.4.2.2
    about = _ENTRY.pack(OBJECT, ATTACHED, _READ_AND_WRITTEN, struct.pack("<II", 0xFFFFFFFF, kind))
    listed = entries["__properties_version1.0"]
    assert isinstance(listed, bytes)
    entries["__properties_version1.0"] = listed + about
    return entries


def _properties(own: Iterable[Property], head: bytes, names: _Names) -> dict[str, bytes | Storage]:
    """Return the streams of an object's properties, and the stream that lists them (section 2.4)."""
    listed = [head]
    entries: dict[str, bytes | Storage] = {}
    for one in own:
        number, kind = names.id(one.id), one.type
        size = FIXED.get(kind)
        if size is not None:
            listed.append(_ENTRY.pack(kind, number, _READ_AND_WRITTEN, one.data[:size]))
            continue
        name = _stream(number, kind)
        data, length = one.data, len(one.data)
        if kind & MANY and kind & ~MANY not in FIXED and kind & ~MANY != GUID:
            data = _many(one, name, entries)
            length = len(data)
        elif kind == TEXT:
            length += 2  # the end of the text, which the stream does not hold (section 2.4.2.2)
        elif kind == ANSI_TEXT:
            length += 1
        entries[name] = data
        listed.append(_ENTRY.pack(kind, number, _READ_AND_WRITTEN, struct.pack("<II", length, 0)))
    entries["__properties_version1.0"] = b"".join(listed)
    return entries


def _many(one: Property, name: str, entries: dict[str, bytes | Storage]) -> bytes:
    """Put each of many values into a stream of its own and return their lengths (section 2.1.4.2)."""
    end = {TEXT: bytes(2), ANSI_TEXT: bytes(1)}.get(one.type & ~MANY, b"")
    lengths = bytearray()
    for number, value in enumerate(values_of(one.data)):
        entries[f"{name}-{number:08X}"] = value + end
        lengths += struct.pack("<I" if end else "<I4x", len(value) + len(end))
    return bytes(lengths)


def values_of(data: bytes) -> list[bytes]:
    """Return the values behind a count and offsets (MS-PST section 2.3.3.4.2); none of what makes no sense.

    Raises:
        ValueError: They do not lie in the data one after the other.
    """
    if len(data) < 4:
        return []
    (count,) = struct.unpack_from("<I", data)
    if count * 4 + 4 > len(data):
        raise ValueError("count")
    places = [*struct.unpack_from(f"<{count}I", data, 4), len(data)]
    if (places[0] < count * 4 + 4 and count) or any(a > b for a, b in pairwise(places)):
        raise ValueError("offsets")
    return [data[at:end] for at, end in pairwise(places)]
