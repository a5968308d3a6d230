"""Counts the messages of an mbox line by line: the second route, which shares no code with the splitter."""

from __future__ import annotations

from typing import BinaryIO

_DAYS = {b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"}
_MONTHS = {b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"}
_LINE = 1 << 16  # a longer line is read in pieces: an attachment may be one line of a gigabyte
_LENGTH_NAMES = {b"Content-Length:", b"Content-length:", b"content-length:"}
_TEXT_BYTES = frozenset(range(33, 127)) - {ord(":")}


def count_messages(stream: BinaryIO, *, can_seek: bool) -> int | None:
    """Count messages, and what stands before the first one as one more.

    Args:
        stream: The mbox from its start.
        can_seek: Whether a ``Content-Length`` may be tried out by going there. Where it cannot and it would
            matter, the answer is None: unknown.
    """
    messages = 0
    text_before = False
    previous_empty = True
    offset = 0
    length: int | None = None
    in_header = False
    doubt_until = -1
    line = stream.readline(_LINE).removeprefix(b"\xef\xbb\xbf")
    if can_seek:
        offset = stream.tell() - len(line)
    following = stream.readline(_LINE)
    at_start = True
    while line:
        empty = at_start and line in {b"\n", b"\r\n"}
        after = offset - doubt_until  # a length that fits needs no empty line
        if (
            at_start
            and (previous_empty or 0 <= after <= 2)
            and line.startswith(b"From ")
            and _separates(line, following)
        ):
            if offset < doubt_until:
                return None
            messages += 1
            in_header, length = True, None
        elif not messages:
            text_before = text_before or not empty
        elif in_header and empty:
            in_header = False
            if length is not None and can_seek:
                end = _fitting_end(stream, offset + len(line) + length)
                if end is not None:
                    stream.seek(end)
                    offset, line, following = end, stream.readline(_LINE), stream.readline(_LINE)
                    previous_empty = at_start = True
                    continue
                stream.seek(offset + len(line) + len(following))
            elif length is not None:
                doubt_until = offset + len(line) + length
        elif in_header and length is None and line[:15] in _LENGTH_NAMES:
            stated = line[15:].strip()
            length = int(stated) if stated.isdigit() and len(stated) < 16 else None
        previous_empty = empty
        offset += len(line)
        at_start = line.endswith(b"\n")
        line, following = following, stream.readline(_LINE)
    return messages + (1 if text_before else 0)


def _fitting_end(stream: BinaryIO, end: int) -> int | None:
    """Return where the next From_ line starts if a length ends at one or at the end of the file."""
    stream.seek(end - 1)
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
    if line.strip() == b"From -":
        return header
    return (header or following in {b"\n", b"\r\n"}) and len(line) <= 1024 and _has_date(line)


def _has_date(line: bytes) -> bool:
    words = line.split(b" remote from ")[0].split()
    for place in range(1, len(words) - 3):
        day, rest = words[place], words[place + 1 :]
        if day in _DAYS and rest[0] in _MONTHS and _number(rest[1], 2) and _clock(rest[2]):
            return _years_and_zones(rest[3:])
        if day.endswith(b",") and day[:-1] in _DAYS and len(rest) >= 4 and _day_first(rest):
            return len(rest) <= 6 and all(map(_zone, rest[4:]))
    return False


def _day_first(words: list[bytes]) -> bool:
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
    return word.isalpha() and len(word) <= 5 and word[:1].isupper()
