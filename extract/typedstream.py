"""Attributed text in Apple's typedstream, as Messages keeps the words of a message.

The format is that of NSArchiver, which Apple never published; this follows the description of the
``pytypedstream`` project, and is held against that library in a test. A stream is values by their type, with
tables of strings and of objects that later places refer to. What is no such stream, down to a wrong count, is
refused: a wrong word in a record is worse than none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SIGNATURE = b"\x04\x0bstreamtyped"
"""Version 4, little-endian; no other is written by a Mac or a phone of this century."""

_INT16, _INT32, _REAL, _NEW, _NIL, _END = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86
_FIRST_REFERENCE = -110
_DEPTH = 64
_VALUES = 200_000
_TEXTS = frozenset({b"NSString", b"NSMutableString"})
_ATTRIBUTED = frozenset({b"NSAttributedString", b"NSMutableAttributedString"})
_CONTAINERS = frozenset({b"NSDictionary", b"NSMutableDictionary"})


class NotTypedstreamError(ValueError):
    """These bytes are no typedstream, or not a whole one."""


@dataclass(slots=True)
class Archived:
    """An object of a stream.

    Attributes:
        names: Its class and those it is made from, the nearest first.
        values: What it holds, in order.
    """

    names: tuple[bytes, ...]
    values: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AttributedText:
    """Words, and what is said of stretches of them.

    Attributes:
        text: The words; bytes that are no UTF-8 are U+FFFD.
        attributes: Name and value of each attribute whose value is a text or an address, in order.
    """

    text: str
    attributes: tuple[tuple[str, str], ...]


def attributed_text(data: bytes) -> AttributedText:
    """Read a stream that holds a string or an attributed string.

    Raises:
        NotTypedstreamError: It is none, is cut, or holds something else.
    """
    try:
        root = _Stream(data).root()
    except (IndexError, struct.error):
        raise NotTypedstreamError("cut") from None
    if not isinstance(root, Archived):
        raise NotTypedstreamError("root")
    if _is_a(root, _TEXTS):
        return AttributedText(_string(root), ())
    if not _is_a(root, _ATTRIBUTED) or not root.values:
        raise NotTypedstreamError("root")
    words = root.values[0]
    if not isinstance(words, Archived) or not _is_a(words, _TEXTS):
        raise NotTypedstreamError("root")
    return AttributedText(_string(words), tuple(_attributes(root.values[1:])))


def _is_a(one: Archived, names: frozenset[bytes]) -> bool:
    return not names.isdisjoint(one.names)


def _string(one: Archived) -> str:
    if not one.values or not isinstance(one.values[0], bytes):
        raise NotTypedstreamError("string")
    return one.values[0].decode("utf-8", "replace")


def _attributes(values: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the attributes of an attributed string: numbers of index and length, dictionaries after them."""
    for one in values:
        if not isinstance(one, Archived) or not _is_a(one, _CONTAINERS):
            continue
        inside = one.values[1:]  # the first is their number
        for name, value in zip(inside[::2], inside[1::2], strict=False):
            if isinstance(name, Archived) and _is_a(name, _TEXTS) and (said := _said(value)) is not None:
                yield _string(name), said


def _said(value: object) -> str | None:
    """Return a text, or the text of an address (NSURL: a flag, then a string)."""
    if not isinstance(value, Archived):
        return None
    if _is_a(value, _TEXTS):
        return _string(value)
    if b"NSURL" in value.names and value.values and isinstance(value.values[-1], Archived):
        return _said(value.values[-1])
    return None


class _Stream:
    """Reads forward; strings and objects are numbered as they come."""

    def __init__(self, data: bytes) -> None:
        if not data.startswith(SIGNATURE):
            raise NotTypedstreamError("signature")
        self._data = data
        self._at = len(SIGNATURE)
        self._strings: list[bytes] = []
        self._objects: list[Any] = []
        self._left = _VALUES

    def root(self) -> Any:
        self._integer(self._byte())  # version of the system that wrote it
        values = self._group(0)
        if len(values) != 1:
            raise NotTypedstreamError("root")
        return values[0]

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _bytes(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise NotTypedstreamError("cut")
        self._at += size
        return self._data[self._at - size : self._at]

    def _integer(self, head: int) -> int:
        if head == _INT16:
            return int.from_bytes(self._bytes(2), "little", signed=True)
        if head == _INT32:
            return int.from_bytes(self._bytes(4), "little", signed=True)
        if _REAL <= head < 0x92 or head == 0x80:
            raise NotTypedstreamError("integer")
        return head - 256 if head > 127 else head

    def _size(self, head: int) -> int:
        """Return a length, which is never negative: two bytes hold one up to 65,535."""
        if head == _INT16:
            return int.from_bytes(self._bytes(2), "little")
        return self._integer(head)

    def _reference(self, head: int, table: list[Any]) -> Any:
        number = self._integer(head) - _FIRST_REFERENCE
        if not 0 <= number < len(table):
            raise NotTypedstreamError("reference")
        return table[number]

    def _shared(self, head: int) -> bytes:
        """Return a string of the table of strings: types and names of classes."""
        if head != _NEW:
            found: bytes = self._reference(head, self._strings)
            return found
        self._strings.append(self._bytes(self._size(self._byte())))
        return self._strings[-1]

    def _group(self, depth: int) -> list[Any]:
        """Return the values that one type string announces."""
        if depth > _DEPTH:
            raise NotTypedstreamError("depth")
        return [self._value(one, depth) for one in _types(self._shared(self._byte()))]

    def _value(self, kind: bytes, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH:
            raise NotTypedstreamError("depth")
        first = kind[:1]
        if first in b"cCB":
            return self._byte()
        if first in b"sSiIlLqQ":
            return self._integer(self._byte())
        if first in b"fd":
            head = self._byte()
            if head != _REAL:
                return self._integer(head)
            return struct.unpack("<f" if first == b"f" else "<d", self._bytes(4 if first == b"f" else 8))[0]
        if first == b"@":
            return self._object(depth + 1)
        if first in b"+*:%#":
            return self._text(first, depth)
        if first == b"[":
            return self._array(kind, depth)
        if first == b"{":
            return [self._value(one, depth + 1) for one in _types(kind[1:-1].partition(b"=")[2])]
        raise NotTypedstreamError("type")

    def _text(self, kind: bytes, depth: int) -> Any:
        head = self._byte()
        if head == _NIL:
            return None
        if kind == b"+":
            return self._bytes(self._size(head))
        if kind in b":%":
            return self._shared(head)
        if kind == b"#":
            return self._class(head, depth)
        if head != _NEW:  # a C string counts among the objects
            return self._reference(head, self._objects)
        self._objects.append(self._shared(self._byte()))
        return self._objects[-1]

    def _array(self, kind: bytes, depth: int) -> Any:
        digits = len(kind) - len(kind[1:].lstrip(b"0123456789")) - 1
        count, inner = int(kind[1 : 1 + digits] or b"0"), kind[1 + digits : -1]
        if inner in {b"c", b"C"}:
            return self._bytes(count)
        if count > self._left:
            raise NotTypedstreamError("count")
        return [self._value(inner, depth + 1) for _ in range(count)]

    def _class(self, head: int, depth: int) -> tuple[bytes, ...]:
        names: list[bytes] = []
        places: list[int] = []
        while head == _NEW:
            if depth + len(names) > _DEPTH:
                raise NotTypedstreamError("depth")
            names.append(self._shared(self._byte()))
            self._integer(self._byte())  # version of the class
            places.append(len(self._objects))
            self._objects.append(())
            head = self._byte()
        above = () if head == _NIL else self._reference(head, self._objects)
        if not isinstance(above, tuple):
            raise NotTypedstreamError("class")
        whole = (*names, *above)
        for number, place in enumerate(places):
            self._objects[place] = whole[number:]
        return whole

    def _object(self, depth: int) -> Any:
        head = self._byte()
        if head == _NIL:
            return None
        if head != _NEW:
            return self._reference(head, self._objects)
        if depth > _DEPTH:
            raise NotTypedstreamError("depth")
        made = Archived(())
        self._objects.append(made)
        made.names = self._class(self._byte(), depth)
        while self._data[self._at] != _END:
            made.values += self._group(depth + 1)
        self._at += 1
        return made


def _types(encoding: bytes) -> Iterator[bytes]:
    """Yield the types in a type string: ``iI`` are two, ``[12c]`` and ``{_NSRect=ff}`` one each."""
    at = 0
    while at < len(encoding):
        start, open_ = at, 0
        while True:
            mark = encoding[at : at + 1]
            if not mark:
                raise NotTypedstreamError("type")
            open_ += (mark in b"[{") - (mark in b"]}")
            at += 1
            if open_ <= 0:
                break
        yield encoding[start:at]


_WORDS = b"\x84\x01+"
_RUNS = b"\x86\x84\x02iI"


def salvaged(data: bytes) -> str:
    """Return the words of a damaged stream, as far as its first string holds any; else empty."""
    before, found, rest = data.partition(_WORDS)
    if not found or not before.startswith(SIGNATURE[:2]):
        return ""
    stream = _Stream(SIGNATURE + rest)
    try:
        size = stream._size(stream._byte())
    except (IndexError, NotTypedstreamError):
        return ""
    skipped = {_INT16: 3, _INT32: 5}.get(rest[0], 1)
    words = rest[skipped : skipped + max(size, 0)].partition(_RUNS)[0]
    return words.decode("utf-8", "replace")
