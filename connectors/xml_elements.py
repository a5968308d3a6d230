"""Cuts the records out of a flat XML file by place, without parsing it whole.

SMS Backup & Restore writes one element a message, some with hundreds of megabytes in a single attribute, and
writes emoji in a way that is not legal XML. So elements are found on the bytes, by the rules of XML 1.0 for
tags, quotes, comments, processing instructions, CDATA and the document type; their content is read later, one
at a time. Nothing is resolved: a document type is passed over, whatever it declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.bytesource import CHUNK, HELD, ByteSource

_TAG_START = re.compile(rb"<(/?)([A-Za-z_][A-Za-z0-9_:.-]*)")
_TAG = re.compile(rb"<(/?)([A-Za-z_][A-Za-z0-9_:.-]*)((?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+)>")
_MARKS = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<![CDATA[", b"]]>"))
_ATTRIBUTE = re.compile(rb"\s*([A-Za-z_][A-Za-z0-9_:.-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_QUOTE_OR_END = re.compile(rb"[\"'>]")
_DOCTYPE_MARKS = re.compile(rb"[\"'\[\]>]|<!--")
_HEAD = 64 << 10
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Element:
    """One record by place.

    Attributes:
        name: Its tag.
        start: Offset of its ``<``.
        end: Offset after its last ``>``; the end of the file when ``whole`` is False.
        data: Its bytes when it is small, else None.
        whole: False when the file ends inside it.
    """

    name: str
    start: int
    end: int
    data: bytes | None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Root:
    """The root element.

    Attributes:
        name: Its tag.
        attributes: Its attributes, not unescaped.
    """

    name: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class End:
    """What the file ended with.

    Attributes:
        closed: Whether the root element was closed.
    """

    closed: bool


def attributes(head: bytes) -> dict[str, str]:
    """Return the attributes of the first tag in ``head``, not unescaped.

    A tag that is longer than ``head`` gives those that are whole.
    """
    start = _TAG_START.match(head)
    found: dict[str, str] = {}
    at = start.end() if start else len(head)
    while (attribute := _ATTRIBUTE.match(head, at)) is not None:
        at = attribute.end()
        value = attribute[2] if attribute[2] is not None else attribute[3]
        found.setdefault(attribute[1].decode("ascii"), value.decode("utf-8", "replace"))
    return found


def attribute(head: bytes, name: str) -> str | None:
    """Return one attribute of the first tag in ``head``, as ``attributes`` does; None when it has none."""
    start = _TAG_START.match(head)
    at, wanted = start.end() if start else len(head), name.encode()
    while (found := _ATTRIBUTE.match(head, at)) is not None:
        if found[1] == wanted:
            value = found[2] if found[2] is not None else found[3]
            return value.decode("utf-8", "replace")
        at = found.end()
    return None


class ElementScanner:
    """Walks over a source once."""

    def __init__(self, source: ByteSource) -> None:
        """Start at the beginning of ``source``."""
        self._source = source
        self._base = 0
        self._buffer = b""
        self._eof = False

    def elements(self) -> Iterator[Root | Element | End]:
        """Yield the root, the elements right below it in file order, and how the file ended.

        The bytes of an element may be asked of the source until the next one is drawn. A file without a root
        yields ``End`` alone.
        """
        at = 0
        root = ""
        while True:
            at = self._find(b"<", at)
            if at < 0:
                yield End(closed=False)
                return
            after = self._passed_over(at)
            if after == 0:
                tag = self._tag(at)
                if tag is None:
                    if root:
                        yield self._cut(at)
                    yield End(closed=False)
                    return
                closing, name, after, empty = tag
                if not root:
                    if closing:
                        yield End(closed=False)
                        return
                    root = name
                    head = self._bytes(at, min(after, at + _HEAD))
                    yield Root(name, attributes(head))
                    if empty:
                        yield End(closed=True)
                        return
                elif closing:
                    if name == root:
                        yield End(closed=True)
                        return
                else:
                    end = after if empty else self._end_of(name, after)
                    if end < 0:
                        yield self._cut(at)
                        yield End(closed=False)
                        return
                    data = self._bytes(at, end) if end - at <= HELD else None
                    yield Element(name, at, end, data)
                    after = end
            elif after < 0:
                yield End(closed=False)
                return
            at = after
            self._source.release(min(at, self._base))

    def _cut(self, at: int) -> Element:
        end = self._last()
        head = self._bytes(at, min(end, at + _NAME_BYTES))
        name = _TAG_START.match(head)
        data = self._bytes(at, end) if end - at <= HELD else None
        return Element(name[2].decode("ascii") if name else "", at, end, data, whole=False)

    def _passed_over(self, at: int) -> int:
        """Return the offset after a comment, instruction, CDATA or DOCTYPE; 0 for a tag, -1 at the end."""
        head = self._bytes(at, at + 16)
        if head[1:2] not in b"!?":
            return 0
        for opening, closing in _MARKS:
            if head.startswith(opening):
                found = self._find(closing, at + len(opening))
                return found + len(closing) if found >= 0 else -1
        return self._after_doctype(at + 2)

    def _after_doctype(self, at: int) -> int:
        """Pass over ``<!DOCTYPE …>`` with its internal subset in brackets."""
        depth = 0
        while True:
            at = self._search(_DOCTYPE_MARKS, at)
            if at < 0:
                return -1
            mark = self._bytes(at, at + 4)
            if mark.startswith((b'"', b"'")):
                at = self._find(mark[:1], at + 1)
                if at < 0:
                    return -1
            elif mark == b"<!--":
                at = self._find(b"-->", at + 4)
                if at < 0:
                    return -1
                at += 2
            elif mark.startswith(b"["):
                depth += 1
            elif mark.startswith(b"]"):
                depth -= 1
            elif mark.startswith(b">") and depth <= 0:
                return at + 1
            at += 1

    def _tag(self, at: int) -> tuple[bool, str, int, bool] | None:
        """Read a tag: closing, name, offset after it, empty. None when the file ends inside it."""
        found = _TAG.match(self._buffer, at - self._base)
        if found is None:
            self._fill(at, _HEAD)
            found = _TAG.match(self._buffer, at - self._base)
        if found is not None:
            return bool(found[1]), found[2].decode("ascii"), self._base + found.end(), found[3].endswith(b"/")
        start = _TAG_START.match(self._buffer, at - self._base)
        if start is None:  # a stray "<": text, as far as a damaged file goes
            return None if self._eof and at + _NAME_BYTES > self._last() else (True, "", at + 1, True)
        name = start[2].decode("ascii")
        after = self._after_tag(self._base + start.end())
        if after < 0:
            return None
        return bool(start[1]), name, after, self._bytes(after - 2, after - 1) == b"/"

    def _after_tag(self, at: int) -> int:
        """Return the offset after the ``>`` that ends a tag, however long its attributes are."""
        while True:
            place = self._search(_QUOTE_OR_END, at)
            if place < 0:
                return -1
            mark = self._bytes(place, place + 1)
            if mark == b">":
                return place + 1
            at = self._find(mark, place + 1)
            if at < 0:
                return -1
            at += 1

    def _search(self, marks: re.Pattern[bytes], at: int) -> int:
        """Return where one of a few short marks stands from ``at`` on; -1 when none does."""
        while True:
            self._fill(at, 4)
            found = marks.search(self._buffer, at - self._base)
            if found is not None:
                return self._base + found.start()
            if self._eof:
                return -1
            at = max(at, self._last() - 3)

    def _end_of(self, name: str, at: int) -> int:
        """Return the offset after the closing tag of an element whose opening tag ends at ``at``, or -1."""
        depth = 1
        while depth:
            at = self._find(b"<", at)
            if at < 0:
                return -1
            after = self._passed_over(at)
            if after == 0:
                tag = self._tag(at)
                if tag is None:
                    return -1
                closing, found, after, empty = tag
                if found == name and not empty:
                    depth += -1 if closing else 1
            elif after < 0:
                return -1
            at = after
        return at

    def _find(self, mark: bytes, at: int) -> int:
        """Find ``mark`` from ``at`` on, a chunk at a time; -1 when there is none."""
        while True:
            self._fill(at, len(mark))
            found = self._buffer.find(mark, max(at - self._base, 0))
            if found >= 0:
                return self._base + found
            if self._eof:
                return -1
            at = max(at, self._last() - len(mark) + 1)

    def _bytes(self, start: int, end: int) -> bytes:
        if start >= self._base and end <= self._last():
            return self._buffer[start - self._base : end - self._base]
        return self._source.read_at(start, end - start)

    def _last(self) -> int:
        return self._base + len(self._buffer)

    def _fill(self, at: int, size: int) -> None:
        while not self._eof and self._last() - at < size:
            self._more(at)

    def _more(self, keep: int) -> None:
        """Drop what stands before ``keep`` and read a chunk more."""
        got = self._source.read_at(self._last(), CHUNK)
        self._eof = len(got) < CHUNK
        keep = max(self._base, min(keep, self._last()))
        self._buffer = self._buffer[keep - self._base :] + got
        self._base = keep
