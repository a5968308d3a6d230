"""The mbox splitter: on bytes, streaming, of any size, by place.

Rules (for the mboxo, mboxrd, mboxcl and mboxcl2 variants; RFC 4155 for the empty line that ends a message):

- A separator is a line ``From `` at the start of the file or after an empty line, whose envelope has a date
  (asctime, with or without zone, or as Takeout writes it) or is bare ``From -`` (Thunderbird), and whose next
  line looks like a header. A dated envelope may also be followed by an empty line: a message without headers.
- ``Content-Length`` counts only when what follows the length, after at most one line end, is the end of the
  file or a separator. Then separators inside are text.
- The native bytes of a message start after the From_ line and end before the separator's empty line. They are
  not unquoted: whether ``>From `` was ``From `` cannot be known for sure.
- Bytes before the first separator, other than a byte order mark and empty lines, are handed out as well, as
  ``preamble``: nothing in the file is lost.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.bytesource import CHUNK, HELD, ByteSource

BOM = b"\xef\xbb\xbf"

_ENVELOPE_BYTES = 1024
_LOOK_AHEAD = 4096
_HEADER_BYTES = 1 << 16

_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = rb"\d{1,2}:\d\d(?::\d\d)?"
_ZONE = rb"(?:[ \t]+(?:[A-Z][A-Za-z]{0,4}(?:[+-]\d\d:?\d\d)?|[+-]\d{4}))"  # Java writes GMT+01:00
_DATED = re.compile(
    rb"From (?:[^\n]*[ \t])?(?:"
    + rb"[ \t]+".join((_DAY, _MONTH, rb"\d{1,2}", _CLOCK))
    + _ZONE
    + rb"{0,2}[ \t]+\d{4}"
    + _ZONE
    + rb"{0,2}|"
    + rb"[ \t]+".join((_DAY + b",?", rb"\d{1,2}", _MONTH, rb"\d{4}", _CLOCK))
    + _ZONE
    + rb"{0,2})(?:[ \t]+remote from [^\n]*)?[ \t]*\r?\n"
)
_BARE = re.compile(rb"From -[ \t]*\r?\n")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|>From ")
_EMPTY = re.compile(rb"\r?\n")
_EMPTY_LINES = re.compile(rb"(?:\r?\n)*+")
_LENGTH = re.compile(rb"[ \t]*(\d{1,15})[ \t]*\r?\n")
_LENGTH_NAMES = (b"\nContent-Length:", b"\nContent-length:", b"\ncontent-length:")


@dataclass(frozen=True, slots=True)
class Span:
    """One message by place.

    Attributes:
        start: Offset of its native bytes.
        end: Offset after its native bytes.
        following: Offset of the next separator, or of the end of the file.
        data: Its bytes when it is small, else None.
        preamble: True for what stood before the first separator.
    """

    start: int
    end: int
    following: int
    data: bytes | None
    preamble: bool = False


def is_separator(lines: bytes) -> bool:
    """Say whether ``lines`` starts with a separator and a line that may follow one."""
    found = _DATED.match(lines, 0, _ENVELOPE_BYTES)
    if found is not None:
        after = found.end()
        return bool(_HEADER.match(lines, after) or _EMPTY.match(lines, after))
    found = _BARE.match(lines)
    return found is not None and _HEADER.match(lines, found.end()) is not None


def starts_like_mbox(head: bytes) -> bool:
    """Say whether the first 4,096 bytes of a file are those of an mbox."""
    head = head.removeprefix(BOM)
    return is_separator(head[_blank(head) :])


def _blank(data: bytes) -> int:
    """Return how many bytes of empty lines ``data`` starts with."""
    found = _EMPTY_LINES.match(data)
    return found.end() if found else 0


_OTHER_SUFFIXES = (
    ".eml", ".emlx", ".msg", ".pst", ".jpg", ".jpeg", ".png", ".gif", ".pdf", ".doc", ".docx", ".xls",
    ".xlsx", ".ppt", ".pptx", ".html", ".htm", ".xml", ".json", ".csv", ".ics", ".vcf", ".mp3", ".mp4",
    ".mov", ".zip",
)  # fmt: skip


def named_otherwise(name: str) -> bool:
    """Say whether a name alone rules an mbox out: looking into a member of a zip costs 30 microseconds."""
    return name.lower().endswith(_OTHER_SUFFIXES)


def split(source: ByteSource, start: int = 0, stop: int | None = None) -> Iterator[Span]:
    """Split an mbox, or a part of one.

    Args:
        source: The bytes.
        start: 0, or the offset of a separator that an earlier run gave as ``following``.
        stop: Messages whose separator lies here or later belong to the next part; None for the end.

    Yields:
        Messages in file order. The bytes of one may be asked of ``source`` until the next is drawn.
    """
    splitter = _Splitter(source, start)
    at, preamble = splitter.begin(start)
    while at is not None and (stop is None or at < stop):
        span = splitter.message(at, preamble=preamble)
        yield span
        source.release(span.following)
        at = None if splitter.ended(span.following) else span.following
        preamble = False


class _Splitter:
    """The buffer and the search; one a run."""

    def __init__(self, source: ByteSource, start: int) -> None:
        self._source = source
        self._base = start
        self._buffer = b""
        self._eof = False

    def begin(self, start: int) -> tuple[int | None, bool]:
        """Return where the first message begins and whether it is a preamble; None for an empty file."""
        self._more(start)
        if start:
            return (start if self._buffer else None), False
        at = len(BOM) if self._buffer.startswith(BOM) else 0
        while True:
            rest = self._buffer[at - self._base :]
            blank = _blank(rest)
            at += blank
            if blank + 1 < len(rest) or self._eof:  # one byte may be half of a line end
                break
            self._more(at)
        self._fill(at, _LOOK_AHEAD)
        if at == self._end():
            return None, False
        return at, not is_separator(self._buffer[at - self._base : at - self._base + _LOOK_AHEAD])

    def ended(self, offset: int) -> bool:
        """Say whether the file ends at ``offset``."""
        return self._eof and offset >= self._end()

    def message(self, at: int, *, preamble: bool) -> Span:
        """Return the message whose separator is at ``at``."""
        self._fill(at, _LOOK_AHEAD)
        start = at
        if not preamble:
            start = self._base + self._buffer.index(b"\n", at - self._base) + 1
        following = self._following(start, preamble=preamble)
        end = self._content_end(start, following)
        data = None
        if end - start <= HELD:
            if self._base <= start and following <= self._end():
                data = self._buffer[start - self._base : end - self._base]
            else:
                data = self._source.read_at(start, end - start)
        if following > self._end() or following < self._base or (following == self._end() and not self._eof):
            self._base, self._buffer, self._eof = following, b"", False
            self._more(following)
        return Span(start, end, following, data, preamble)

    def _following(self, start: int, *, preamble: bool) -> int:
        """Find the separator that ends the message at ``start``, or the end of the file."""
        search, length_seen = start, preamble
        while True:
            found = self._buffer.find(b"\nFrom ", max(search - self._base, 0))
            candidate = self._base + found + 1
            if found >= 0 and (self._eof or self._end() - candidate >= _LOOK_AHEAD):
                search = candidate
                if not self._separates(start, candidate):
                    continue
                by_length = None if length_seen else self._by_content_length(start, found)
                return candidate if by_length is None else by_length
            if found < 0 and self._eof:
                by_length = None if length_seen else self._by_content_length(start, len(self._buffer))
                return self._end() if by_length is None else by_length
            search = candidate - 1 if found >= 0 else max(start, self._end() - 5)
            keep = start - 1
            if self._end() - start > max(2 * CHUNK, _HEADER_BYTES):
                if (
                    not length_seen
                    and (by_length := self._by_content_length(start, len(self._buffer))) is not None
                ):
                    return by_length
                length_seen, keep = True, max(start, search - 4)
            self._more(max(keep, self._base))

    def _separates(self, start: int, candidate: int) -> bool:
        place = candidate - self._base
        return self._after_empty_line(start, candidate) and is_separator(
            self._buffer[place : place + _LOOK_AHEAD]
        )

    def _after_empty_line(self, start: int, offset: int) -> bool:
        return self._content_end(start, offset) < offset

    def _content_end(self, start: int, following: int) -> int:
        """Return ``following`` without the empty line before it, if there is one."""
        tail = self._bytes(max(start, following - 3), following)
        if not tail.endswith(b"\n"):
            return following
        line = b"\r\n" if tail.endswith(b"\r\n") else b"\n"
        before = tail[: -len(line)]
        if following - len(line) == start or before.endswith(b"\n"):
            return following - len(line)
        return following

    def _by_content_length(self, start: int, limit: int) -> int | None:
        """Return the separator that ``Content-Length`` points to, when it fits."""
        first = start - 1 - self._base  # the line end of the From_ line, so that the first field is found
        limit = min(limit + 1, first + _HEADER_BYTES)
        found = [self._buffer.find(name, first, limit) for name in _LENGTH_NAMES]
        field = min((place for place in found if place >= 0), default=-1)
        if field < 0:
            return None
        if (
            self._buffer.find(b"\n\n", first, field + 1) >= 0
            or self._buffer.find(b"\n\r\n", first, field + 1) >= 0
        ):
            return None  # it stands in the body
        stated = _LENGTH.match(self._buffer, field + len(_LENGTH_NAMES[0]))
        ends = [
            place + width
            for blank, width in ((b"\n\n", 2), (b"\n\r\n", 3))
            if (place := self._buffer.find(blank, field, first + _HEADER_BYTES)) >= 0
        ]
        if stated is None or not ends:
            return None
        return self._fits(self._base + min(ends) + int(stated[1]))

    def _fits(self, target: int) -> int | None:
        seen = self._bytes(target - 1, target + _LOOK_AHEAD)
        if not seen:
            return None
        at_line_start, rest = seen[:1] == b"\n", seen[1:]
        if not rest:
            return target
        if at_line_start and is_separator(rest):
            return target
        line = _EMPTY.match(rest)
        if line is None:
            return None
        rest = rest[line.end() :]
        return target + line.end() if not rest or is_separator(rest) else None

    def _bytes(self, start: int, end: int) -> bytes:
        if start >= self._base and (end <= self._end() or self._eof):
            return self._buffer[start - self._base : end - self._base]
        return self._source.read_at(start, end - start)

    def _end(self) -> int:
        return self._base + len(self._buffer)

    def _fill(self, at: int, size: int) -> None:
        while not self._eof and self._end() - at < size:
            self._more(at)

    def _more(self, keep: int) -> None:
        """Drop what stands before ``keep`` and read a chunk more."""
        got = self._source.read_at(self._end(), CHUNK)
        self._eof = len(got) < CHUNK
        self._buffer = self._buffer[keep - self._base :] + got
        self._base = keep


class SeenHashes:
    """Which hashes were seen, in 8 to 16 bytes each: a million messages must not cost a million objects.

    An open-addressing table of 64-bit prefixes. Equal prefixes count as equal hashes, here and in the plan
    alike: an ordinal is then one too high at worst, and a key stays unique.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._mask = (1 << 10) - 1
        self._table = array("Q", bytes(8 << 10))
        self._used = 0
        self._again: dict[int, int] = {}

    def count(self, prefix: int) -> int:
        """Count one more of ``prefix`` and return how many there were before."""
        prefix = prefix or 1  # 0 marks a free place
        place = prefix & self._mask
        table = self._table
        while held := table[place]:
            if held == prefix:
                before = self._again.get(prefix, 1)
                self._again[prefix] = before + 1
                return before
            place = (place + 1) & self._mask
        table[place] = prefix
        self._used += 1
        if self._used * 3 > len(table) * 2:
            self._grow()
        return 0

    def repeated(self) -> frozenset[int]:
        """Return the prefixes that came more than once."""
        return frozenset(self._again)

    def preset(self, prefix: int, before: int) -> None:
        """Say that ``prefix`` was already seen ``before`` times."""
        if before > 0:
            self.count(prefix)
            self._again[prefix or 1] = before

    def _grow(self) -> None:
        old = self._table
        size = len(old) * 2
        self._mask = size - 1
        self._table = table = array("Q", bytes(8 * size))
        for prefix in old:
            if prefix:
                place = prefix & self._mask
                while table[place]:
                    place = (place + 1) & self._mask
                table[place] = prefix


def prefix_of(digest: bytes) -> int:
    """Return the first 64 bits of a SHA-256."""
    return int.from_bytes(digest[:8], "big")


def numbered(seen: SeenHashes, stated: str) -> tuple[str, int]:
    """Return a key that is not there yet for an id, and how often the id was met before."""
    again = seen.count(prefix_of(hashlib.sha256(stated.encode()).digest()))
    return f"{stated}:{again}" if again else stated, again
