"""TNEF taken apart (MS-OXTNEF): ``winmail.dat``, in which Outlook sends what a plain mail cannot hold.

A stream of attributes, each with a level, an id, a length, its data and a sum of its bytes. What a broken
sender writes is read as far as it goes: a file's data before its name, sums that do not add up, bytes behind
the last attribute.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from extract import headers, mapi, ole_objects
from extract.mapi import Attachment, Bag, Key, MapiMessage, Properties, Value
from extract.msg import guid_text
from records.errors import ItemError
from records.vocabulary import Reason

MEDIA_TYPE = "application/ms-tnef"
MEDIA_TYPES = frozenset({MEDIA_TYPE, "application/vnd.ms-tnef"})
SIGNATURE = b"\x78\x9f\x3e\x22"
"""0x223E9F78, little-endian (MS-OXTNEF section 2.1.2)."""

_HEAD = struct.Struct("<BII")
_MESSAGE, _ATTACHMENT = 1, 2
_VALUES = 200_000
"""Properties of one list: more are no message."""
_MESSAGE_OBJECT = "00020307-0000-0000-C000-000000000046"
"""IID_IMessage: the data of the attachment is TNEF again (MS-OXTNEF section 2.1.3.4.2)."""

# MS-OXTNEF section 2.1.3.2: ids without their types.
_SUBJECT, _DATE_SENT, _DATE_RECEIVED, _CLASS, _BODY = 0x8004, 0x8005, 0x8006, 0x8008, 0x800C
_ATTACH_DATA, _ATTACH_TITLE, _ATTACH_FILE = 0x800F, 0x8010, 0x9001
_RENDERING, _PROPERTIES, _RECIPIENTS, _ATTACH_PROPERTIES, _CODE_PAGE = 0x9002, 0x9003, 0x9004, 0x9005, 0x9007
_FROM, _START, _END, _PARENT = 0x8000, 0x0006, 0x0007, 0x800A

_TEXTS = {_SUBJECT: 0x0037, _CLASS: 0x001A, _BODY: 0x1000}
"""Attributes of the message that hold a text, and their properties (MS-OXTNEF section 2.1.3.3)."""
_DATES = {_DATE_SENT: 0x0039, _DATE_RECEIVED: 0x0E06, _START: 0x0060, _END: 0x0061}


@dataclass(frozen=True, slots=True)
class TnefStream:
    """A TNEF stream taken apart.

    Attributes:
        message: What it says.
        whole: Whether no attribute was cut.
        bad_sums: Attributes whose bytes do not add up to their sum.
        junk: Bytes behind the last attribute.
        dates: Times that the stream states without a zone, by their property, as written.
    """

    message: MapiMessage
    whole: bool
    bad_sums: int
    junk: bytes
    dates: dict[int, datetime]

    @property
    def is_odd(self) -> bool:
        """Whether sums do not add up, or more than blanks stands behind the end."""
        return bool(self.bad_sums or self.junk.strip(b"\0\r\n\t "))


def parse(data: bytes) -> TnefStream:
    """Take a stream apart.

    Raises:
        ItemError: ``corrupt`` or ``truncated`` when it is no TNEF, or not a single attribute of it is whole.
    """
    if not data.startswith(SIGNATURE):
        raise ItemError(Reason.CORRUPT if len(data) >= 4 else Reason.TRUNCATED, "not_tnef")
    parsing = _Parsing()
    for level, number, value in _attributes(data, parsing):
        if level == _MESSAGE:
            parsing.of_message(number, value)
        else:
            parsing.of_attachment(number, value)
    if not parsing.attributes:
        raise ItemError(Reason.CORRUPT if parsing.whole else Reason.TRUNCATED, "tnef_empty")
    return parsing.stream()


def _attributes(data: bytes, parsing: _Parsing) -> Iterator[tuple[int, int, bytes]]:
    """Yield level, id and data of each attribute (MS-OXTNEF section 2.1.3.1)."""
    at, end = 6, len(data)
    while at < end:
        if data[at] not in (_MESSAGE, _ATTACHMENT):
            parsing.junk = data[at:]
            return
        if at + _HEAD.size > end:
            parsing.whole = False
            return
        level, tag, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        value = data[at : at + size]
        at += size
        if len(value) < size or at + 2 > end:
            parsing.whole = False
        elif sum(value) & 0xFFFF != int.from_bytes(data[at : at + 2], "little"):
            parsing.bad_sums += 1
        at += 2
        parsing.attributes += 1
        yield level, tag & 0xFFFF, value


class _Hung:
    """One attachment while it is gathered: its attributes come in any order."""

    def __init__(self) -> None:
        self.bag: dict[Key, Value] = {}
        self.mapi: dict[Key, Value] = {}
        self.data: bytes | None = None


class _Parsing:
    """One stream while it is gathered."""

    def __init__(self) -> None:
        self.whole = True
        self.bad_sums = self.attributes = 0
        self.junk = b""
        self._own: dict[Key, Value] = {}
        self._mapi: dict[Key, Value] = {}
        self._rows: list[Bag] = []
        self._hung: list[_Hung] = []
        self._pages: list[int] = []
        self._dates: dict[int, datetime] = {}

    def of_message(self, number: int, value: bytes) -> None:
        if number in _TEXTS:
            self._own[_TEXTS[number]] = (mapi.STRING8, value.rstrip(b"\0"))
        elif number in _DATES:
            read = _date(value)
            if read is not None:
                self._dates[_DATES[number]] = read
        elif number == _CODE_PAGE and len(value) >= 4:
            self._pages = [int.from_bytes(value[:4], "little")]
        elif number == _FROM:
            self._own.update(_sender(value))
        elif number == _PROPERTIES:
            self._mapi.update(self._properties(value, 0)[0])
        elif number == _RECIPIENTS and len(value) >= 4:
            at = 4
            for _ in range(min(int.from_bytes(value[:4], "little"), len(value) // 4)):
                row, at = self._properties(value, at)
                self._rows.append(row)
        # Every other attribute says in another form what the properties say, or nothing of the content.

    def of_attachment(self, number: int, value: bytes) -> None:
        if number == _RENDERING or not self._hung:
            self._hung.append(_Hung())
            if number == _RENDERING:
                return
        one = self._hung[-1]
        if number == _ATTACH_DATA:
            one.data = value
        elif number == _ATTACH_TITLE:
            one.bag[0x3704] = (mapi.STRING8, value.rstrip(b"\0"))
        elif number == _ATTACH_FILE:
            one.bag[0x3001] = (mapi.STRING8, value.rstrip(b"\0"))
        elif number == _ATTACH_PROPERTIES:
            one.mapi.update(self._properties(value, 0)[0])

    def stream(self) -> TnefStream:
        own = {**self._own, **self._mapi}
        bags = [{**one.bag, **one.mapi} for one in self._hung]
        pages = mapi.pages_of([own, *self._rows, *bags], self._pages)
        message = MapiMessage(
            Properties(own, pages),
            tuple(Properties(row, pages) for row in self._rows),
            tuple(
                _attachment(Properties(bag, pages), one.data)
                for one, bag in zip(self._hung, bags, strict=True)
            ),
            pages,
        )
        return TnefStream(message, self.whole, self.bad_sums, self.junk, self._dates)

    def _properties(self, data: bytes, at: int) -> tuple[dict[Key, Value], int]:
        """Read a list of properties (MS-OXTNEF section 2.1.3.4); what is cut is left out and told."""
        found: dict[Key, Value] = {}
        cursor = _Cursor(data, at)
        try:
            for _ in range(min(cursor.number(), _VALUES)):
                kind, number = cursor.number(2), cursor.number(2)
                key: Key = number
                if number >= 0x8000:
                    key = cursor.name()
                found[key] = (kind, cursor.value(kind))
        except _CutError:
            self.whole = False
            return found, len(data)
        return found, cursor.at


class _CutError(Exception):
    """A list of properties ends before its last value."""


class _Cursor:
    """Reads numbers and values one after another; each begins at a multiple of four."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def take(self, size: int) -> bytes:
        raw = self._data[self.at : self.at + size]
        if len(raw) < size:
            raise _CutError
        self.at += size
        return raw

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little")

    def padded(self, size: int) -> bytes:
        raw = self.take(size)
        self.at += -size % 4
        return raw

    def name(self) -> Key:
        property_set = guid_text(self.take(16))
        if self.number() == 0:
            return property_set, self.number()
        raw = self.padded(self.number())
        return property_set, raw[: len(raw) & ~1].decode("utf-16-le", "replace").rstrip("\0")

    def value(self, kind: int) -> bytes | tuple[bytes, ...]:
        base = kind & ~mapi.MULTIPLE
        size = mapi.FIXED.get(base)
        if kind & mapi.MULTIPLE:
            count = self.number()
            if count > len(self._data):
                raise _CutError
            return tuple(self._one(base, size) for _ in range(count))
        if size is not None:
            return self._one(base, size)
        values = [self._one(base, None) for _ in range(min(self.number(), _VALUES))]
        return values[0] if values else b""

    def _one(self, base: int, size: int | None) -> bytes:
        if size is not None:
            return self.padded(size)
        raw = self.padded(self.number())
        if base == mapi.STRING:
            raw = raw[: len(raw) & ~1]
            while raw.endswith(b"\0\0"):
                raw = raw[:-2]
            return raw
        return raw.rstrip(b"\0") if base == mapi.STRING8 else raw


def _attachment(properties: Properties, data: bytes | None) -> Attachment:
    """Return an attachment: its object or its bytes, whichever of the two forms holds them."""
    kind, raw = properties.bag.get(0x3701, (0, b""))
    if isinstance(raw, bytes) and len(raw) >= 16 and kind == mapi.OBJECT:
        if guid_text(raw[:16]) == _MESSAGE_OBJECT:
            inner = raw[16:]
            return Attachment(properties, inner, MEDIA_TYPE, _class_of(inner))
        content = data or raw[16:]
        return Attachment(properties, content, ole_objects.media_type_of(content))
    if data is None and isinstance(raw, bytes) and kind == mapi.BINARY:
        data = raw
    return Attachment(properties, data)


def _class_of(data: bytes) -> str:
    """Return the class of a message within as it is stated; empty when it cannot be told."""
    parsing = _Parsing()
    for level, number, value in _attributes(data, parsing) if data.startswith(SIGNATURE) else ():
        if level == _MESSAGE and number == _CLASS:
            return headers.one_line(value.rstrip(b"\0").decode("latin-1"))
        if level == _MESSAGE and number == _PROPERTIES:
            parsing.of_message(number, value)
    return parsing.stream().message.properties.line(0x001A)


def _date(value: bytes) -> datetime | None:
    """Read a time of seven 16-bit numbers, which has no zone (MS-OXTNEF section 2.1.3.3.3, DTR)."""
    if len(value) < 12:
        return None
    try:
        return datetime(*struct.unpack_from("<6H", value))  # noqa: DTZ001 - it states no zone
    except ValueError:
        return None


def _sender(value: bytes) -> dict[Key, Value]:
    """Read who sent it (MS-OXTNEF section 2.1.3.3.5, TRP): name, and type and address behind it."""
    if len(value) < 8:
        return {}
    name_size, address_size = struct.unpack_from("<2H", value, 4)
    name = value[8 : 8 + name_size].rstrip(b"\0")
    address = value[8 + name_size : 8 + name_size + address_size].rstrip(b"\0")
    kind, _, rest = address.partition(b":")
    return {
        0x0C1A: (mapi.STRING8, name), 0x0C1E: (mapi.STRING8, kind), 0x0C1F: (mapi.STRING8, rest or kind),
    }  # fmt: skip
