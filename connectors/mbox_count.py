"""Counts the messages of an mbox line by line: the second route, which shares no code with the splitter."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

_DAYS = {b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"}
_MONTHS = {b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"}
_LINE = 1 << 16  # a longer line is read in pieces: an attachment may be one line of a gigabyte
_EMPTY = (b"\n", b"\r\n")
_BLANK = b" \t"
_LENGTH_NAMES = {b"Content-Length:", b"Content-length:", b"content-length:"}
_TEXT_BYTES = frozenset(range(33, 127)) - {ord(":")}


def count_messages(stream: BinaryIO, *, can_seek: bool) -> int | None:
    """Count messages, and what stands before the first one as one more.

    Args:
        stream: The mbox from its start, with a buffered ``readline``.
        can_seek: Whether a ``Content-Length`` may be tried out by going there. Where it cannot and it would
            matter, the answer is None: unknown.
    """
    scan = _Scan(stream, can_seek=can_seek)
    line = scan.first()
    text_before = False
    while line and not scan.separates(line):
        text_before = text_before or line not in _EMPTY
        line = scan.next(line)
    messages = 0
    while line:
        messages += 1
        if not scan.header():
            return None
        line = scan.next_from_line()
        while line and not scan.separates(line):
            line = scan.next_from_line()
    return messages + (1 if text_before else 0)


class _Scan:
    """The lines, with what was read ahead of them."""

    def __init__(self, stream: BinaryIO, *, can_seek: bool) -> None:
        self._stream = stream
        self._can_seek = can_seek
        self._lines = iter(partial(stream.readline, _LINE), b"")
        self._older = self._previous = b"\n"
        self._ahead = b""

    def first(self) -> bytes:
        return next(self._lines, b"").removeprefix(b"\xef\xbb\xbf")

    def next(self, line: bytes) -> bytes:
        """Go on after ``line``."""
        self._older, self._previous = self._previous, line
        ahead, self._ahead = self._ahead, b""
        return ahead or next(self._lines, b"")

    def next_from_line(self) -> bytes:
        """Go on to a line that starts with the word From after an empty line; empty at the end."""
        older, previous = self._older, self._previous
        if self._ahead:
            line, self._ahead = self._ahead, b""
            if self._stands_alone(older, previous, line):
                return line
            older, previous = previous, line
        for line in self._lines:
            if line[:5] == b"From " and self._stands_alone(older, previous, line):
                self._older, self._previous = older, previous
                return line
            older, previous = previous, line
        return b""

    def _stands_alone(self, older: bytes, previous: bytes, line: bytes) -> bool:
        """Say whether ``previous`` is an empty line, not the end of one that was read in pieces."""
        self._older, self._previous = older, previous
        return line[:5] == b"From " and previous in _EMPTY and older.endswith(b"\n")

    def separates(self, line: bytes) -> bool:
        """Say whether ``line`` starts a message; then the one after it is read as its header."""
        if not self._stands_alone(self._older, self._previous, line):
            return False
        self._ahead = self._ahead or next(self._lines, b"")
        if _separates(line, self._ahead):
            return True
        self._older, self._previous = self._previous, line
        return False

    def header(self) -> bool:
        """Read a header; follow its Content-Length. False when that cannot be tried and would matter."""
        line, self._ahead = self._ahead, b""
        length: int | None = None
        seen = False  # the first one counts, whatever it says
        while line and line not in _EMPTY:
            if not seen and line[:15] in _LENGTH_NAMES:
                seen = True
                stated = _without_end(line)[15:].strip(_BLANK)
                length = int(stated) if stated.isdigit() and len(stated) < 16 else None
            line = next(self._lines, b"")
        self._older, self._previous = b"\n", line
        if length is None or not line:
            return True
        if not self._can_seek:
            return self._read_through(length)
        here = self._stream.tell()
        end = _fitting_end(self._stream, here + length)
        self._stream.seek(here if end is None else end)
        if end is not None:
            self._previous = b"\n"
        return True

    def _read_through(self, length: int) -> bool:
        """Read the body of a stated length; False when a separator seems to stand inside."""
        read = 0
        while read < length and (line := next(self._lines, b"")):
            if self._stands_alone(self._older, self._previous, line):
                return False
            self._older, self._previous = self._previous, line
            read += len(line)
        if read - length <= 2 and self._previous.endswith(b"\n"):
            self._older = self._previous = b"\n"  # a length that fits needs no empty line
        return True


def _fitting_end(stream: BinaryIO, end: int) -> int | None:
    """Return where the next From_ line starts if a length ends at one or at the end of the file."""
    try:
        stream.seek(end - 1)
    except OSError:  # no file of the file system can be so long
        return None
    before = stream.read(1)
    if not before:
        return None
    first, second, third = stream.readline(4096), stream.readline(4096), stream.readline(4096)
    if not first:
        return end
    if before == b"\n" and first.startswith(b"From ") and _separates(first, second):
        return end
    if first in {b"\n", b"\r\n"} and (
        not second or (second.startswith(b"From ") and _separates(second, third))
    ):
        return end + len(first)
    return None


def _separates(line: bytes, following: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    name, colon, _ = following.partition(b":")
    name = name.rstrip(b" \t")
    header = bool(colon and name and _TEXT_BYTES.issuperset(name)) or following.startswith(b">From ")
    if _without_end(line).rstrip(_BLANK) == b"From -":
        return header
    return (header or following in {b"\n", b"\r\n"}) and len(line) <= 1024 and _has_date(line)


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _has_date(line: bytes) -> bool:
    # `split()` would also part words at carriage returns and form feeds, which no envelope has
    words = _without_end(line).split(b" remote from ")[0].replace(b"\t", b" ").split(b" ")
    words = [word for word in words if word]
    for place in range(1, len(words) - 3):
        day, rest = words[place], words[place + 1 :]
        # a sender's name may look like a date too: then the date stands behind it
        if day in _DAYS and rest[0] in _MONTHS and _number(rest[1], 2) and _clock(rest[2]):
            if _years_and_zones(rest[3:]):
                return True
        elif day.removesuffix(b",") in _DAYS and _day_first(rest) and all(map(_zone, rest[4:])):
            return True
    return False


def _day_first(words: list[bytes]) -> bool:
    if not 4 <= len(words) <= 6:
        return False
    return _number(words[0], 2) and words[1] in _MONTHS and _year(words[2]) and _clock(words[3])


def _years_and_zones(words: list[bytes]) -> bool:
    years = [place for place, word in enumerate(words) if _year(word)]
    if len(years) != 1 or years[0] > 2 or len(words) - years[0] > 3:
        return False
    return all(_zone(word) for place, word in enumerate(words) if place != years[0])


def _number(word: bytes, digits: int) -> bool:
    return word.isdigit() and len(word) <= digits


def _year(word: bytes) -> bool:
    return word.isdigit() and len(word) == 4


def _clock(word: bytes) -> bool:
    pieces = word.split(b":")
    return (
        len(pieces) in {2, 3}
        and _number(pieces[0], 2)
        and all(len(p) == 2 and p.isdigit() for p in pieces[1:])
    )


def _zone(word: bytes) -> bool:
    if word[:1] in {b"+", b"-"}:
        return len(word) == 5 and word[1:].isdigit()
    name = word[:-6] if word[-3:-2] == b":" else word[:-5] if word[-4:].isdigit() else word
    offset = word[len(name) :]
    named = name.isalpha() and len(name) <= 5 and name[:1].isupper()
    return named and (not offset or (offset[:1] in b"+-" and offset[1:].replace(b":", b"", 1).isdigit()))
