"""Cuts values out of a JSON file by place, so that each is kept by its exact bytes and none else is held."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.bytesource import CHUNK, ByteSource

_MARK = re.compile(rb"[\"{}\[\]]")
_STRING = re.compile(rb"\"(?:[^\"\\]++|\\.)*+\"", re.DOTALL)
_LONGEST = 64 << 20
"""An object longer than this is no chat message: the file is damaged."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One object.

    Attributes:
        data: Its exact bytes, from brace to brace.
        whole: False when the file ends inside it.
    """

    data: bytes
    whole: bool = True


def objects_of(source: ByteSource, name: bytes) -> Iterator[Cut | bool]:
    """Yield the objects of the array that is the member ``name`` of the file's outermost object.

    The last value is a bool: whether the array was found and closed. Other values in it are passed over.
    """
    walker = _Walker(source)
    depth = 0
    last_string = b""
    while (mark := walker.next()) is not None:
        if mark.startswith(b'"'):
            last_string = mark
        elif mark == b"[" and depth == 1 and last_string == b'"' + name + b'"':
            yield from _array(walker)
            return
        elif mark in {b"{", b"["}:
            depth += 1
        else:
            depth -= 1
    yield False


def _array(walker: _Walker) -> Iterator[Cut | bool]:
    depth = 0
    while (mark := walker.next()) is not None:
        if mark == b"]" and depth == 0:
            yield True
            return
        if mark == b"{" and depth == 0:
            walker.begin()
        if mark in {b"{", b"["}:
            depth += 1
        elif mark in {b"}", b"]"}:
            depth -= 1
            if depth == 0 and mark == b"}":
                yield Cut(walker.taken())
    rest = walker.rest()
    if rest:
        yield Cut(rest, whole=False)
    yield False


Path = tuple[str, ...]
"""Names of the members that lead to a value, outermost first; an empty one for an element of a list."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An object or a list within others.

    Attributes:
        path: Where it is.
        data: Its exact bytes; of a head, those up to and with the first bracket within.
        whole: False when the file ends inside it.
        head: Only what stands before the first object or list within was taken.
    """

    path: Path
    data: bytes
    whole: bool = True
    head: bool = False


def pieces_of(
    source: ByteSource, taken: Callable[[Path], bool], headed: Callable[[Path], bool]
) -> Iterator[Piece | bool]:
    """Yield the objects and lists at some places of a file, in their order.

    The last value is a bool: whether the outermost value was closed.

    Args:
        source: The file.
        taken: Says whether what is at a place is wanted; what lies within is then not looked at.
        headed: Says whether what stands at the beginning of it is wanted, before what lies within.
    """
    walker = _Walker(source)
    opened: list[tuple[Path, bool]] = []  # what is being walked through, and whether it is a list
    name, inside, heading = b"", 0, False
    while (mark := walker.next()) is not None:
        if mark.startswith(b'"'):
            name = mark[1:-1]
        elif mark in {b"{", b"["}:
            if inside:
                inside += 1
                continue
            if heading:
                yield Piece(opened[-1][0], walker.taken(), head=True)
                heading = False
            around, in_list = opened[-1] if opened else ((), False)
            path = (*around, "" if in_list else name.decode("utf-8", "replace")) if opened else ()
            opened.append((path, mark == b"["))
            if taken(path):
                walker.begin()
                inside = 1
            elif headed(path):
                walker.begin()
                heading = True
        elif inside > 1:
            inside -= 1
        elif opened:
            path, _ = opened.pop()
            if inside or heading:
                yield Piece(path, walker.taken(), head=heading)
                inside, heading = 0, False
            if not opened:
                yield True
                return
    rest = walker.rest()
    if rest and inside:
        yield Piece(opened[-1][0], rest, whole=False)
    yield False


class _Walker:
    """Strings and brackets, one after the other; remembers from where an object must be kept."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._buffer = b""
        self._base = 0
        self._at = 0
        self._begun: int | None = None
        self._eof = False

    def next(self) -> bytes | None:
        """Return the next bracket, or string with its quotes; None at the end."""
        while True:
            found = _MARK.search(self._buffer, self._at - self._base)
            if found is None:
                self._at = self._base + len(self._buffer)
                if not self._more():
                    return None
                continue
            start = found.start()
            if found.group() != b'"':
                self._at = self._base + start + 1
                return found.group()
            text = _STRING.match(self._buffer, start)
            if text is not None:
                self._at = self._base + text.end()
                return text.group()
            self._at = self._base + start
            if len(self._buffer) - start > _LONGEST or not self._more():
                return None

    def begin(self) -> None:
        """Keep from the bracket just returned."""
        self._begun = self._at - 1

    def taken(self) -> bytes:
        """Return what was kept, up to the bracket just returned."""
        if self._begun is None:
            return b""
        data = self._buffer[self._begun - self._base : self._at - self._base]
        self._begun = None
        return data

    def rest(self) -> bytes:
        """Return what was kept when the file ended inside an object; empty when it did not."""
        return b"" if self._begun is None else self._buffer[self._begun - self._base :]

    def _more(self) -> bool:
        keep = self._at if self._begun is None else self._begun
        last = self._base + len(self._buffer)
        if self._eof or last - keep > _LONGEST:
            return False
        got = self._source.read_at(last, CHUNK)
        self._eof = len(got) < CHUNK
        self._buffer = self._buffer[keep - self._base :] + got
        self._base = keep
        self._source.release(keep)
        return bool(got)
