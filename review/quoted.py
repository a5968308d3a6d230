"""What a mail quotes: its text cut into what was written now and what stood in earlier messages.

A cut is made where a mail program begins a quotation: a line as ``-----Original Message-----``, a header of
``From: … Sent: … To: …``, a line as ``On … wrote:``, and a change in the number of leading ``>`` (RFC 3676
section 4.5). Each piece is normalised to its letters and digits (``records.ids``), so that wrapped lines and
quotation marks do not tell two apart.

Pieces are numbered by how deep they are quoted, from 0 for what the sender wrote. Where the form says nothing
certain, a piece is left as it stands: it then equals no message, and nothing is said to be contained in it.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from records.ids import letters_and_digits
from review.grouping import Quoted, rules

DEEPEST = 200
"""Quotations that are told apart; a text that quotes deeper is hostile, and the rest counts as one piece."""
_LABELS_WITHIN = 8
"""Lines after ``From:`` in which the other labels of a quoted header must stand."""
_WROTE_WITHIN = 4
"""Lines over which ``On … wrote:`` may be wrapped."""
_LONGEST_HEAD = 400
_MARKS = re.compile(r"(?:[ \t]*>)+")
_EDGE = " \t-_*=—–"
_BEGIN_HEAD = "-_*=—–Bb"


class Piece(NamedTuple):
    """A piece of a mail's text.

    Attributes:
        digest: Of its letters and digits; empty for a piece without any.
        letters: How many there are.
    """

    digest: bytes
    letters: int


NOTHING = Piece(b"", 0)


@lru_cache(maxsize=4)
def _patterns(quoted: Quoted) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return patterns of a head, a first label, any label, and the end of ``On … wrote:``."""

    def words(some: Iterable[str]) -> str:
        return "|".join(re.escape(one) for one in sorted(some, key=len, reverse=True))

    first = words(quoted.from_words)
    labels = words((*quoted.from_words, *quoted.sent_words, *quoted.other_words))
    return (
        re.compile(rf"(?:{words(quoted.heads)})\s*:?\Z", re.IGNORECASE),
        re.compile(rf"[*_ \t]*(?:{first})\s?:", re.IGNORECASE),
        re.compile(rf"[*_ \t]*(?:{labels})\s?:", re.IGNORECASE),
        re.compile(rf"\b(?:{words(quoted.wrote)})\s*[^\n:]{{0,80}}:[ \t]*\Z", re.IGNORECASE),
    )


def pieces(text: str, quoted: Quoted | None = None) -> tuple[Piece, ...]:
    """Return the pieces of a mail's text by depth, from what the sender wrote; none is empty at the end."""
    out = [_piece(part) for part in parts(text, quoted)]
    while out and out[-1] == NOTHING:
        out.pop()
    return tuple(out)


def _piece(part: str) -> Piece:
    kept = letters_and_digits(part)
    if not kept:
        return NOTHING
    return Piece(hashlib.blake2b(kept.encode("utf-8", "surrogatepass"), digest_size=16).digest(), len(kept))


def parts(text: str, quoted: Quoted | None = None) -> list[str]:
    """Return the text of each depth of quotation, from 0; the lines that introduce one stand before it."""
    patterns = _patterns(quoted or rules().quoted)
    lines = [
        _split(line) if line.startswith(">") else (0, line) for line in map(str.strip, text.splitlines())
    ]
    looked_at = _may_introduce(lines, patterns[0])
    found: dict[int, list[str]] = defaultdict(list)
    if not looked_at:  # as most messages are
        for marks, line in lines:
            found[marks if marks < DEEPEST else DEEPEST].append(line)
        return _joined(found)
    # A head has no end mark: what follows it at its own depth or deeper is quoted, up to a shallower line.
    heads: list[int] = []
    at = 0
    while at < len(lines):
        marks, line = lines[at]
        while heads and heads[-1] > marks and line:
            heads.pop()
        after, opens = _introduction(lines, at, patterns) if at in looked_at else (at, False)
        if after > at:
            # It stays with the piece it stands in: who quotes that message whole quotes these lines too.
            found[min(marks + len(heads), DEEPEST)] += [words for _, words in lines[at:after]]
            if opens:
                heads.append(marks)
            at = after
            continue
        found[min(marks + len(heads), DEEPEST)].append(line)
        at += 1
    return _joined(found)


def _joined(found: dict[int, list[str]]) -> list[str]:
    return ["\n".join(found.get(depth, ())) for depth in range(max(found, default=-1) + 1)]


def _split(line: str) -> tuple[int, str]:
    """Return how many ``>`` stand before a line that begins with one, and the line without them."""
    marks = _MARKS.match(line)
    assert marks is not None
    return marks.group().count(">"), line[marks.end() :].strip()


def _may_introduce(lines: Sequence[tuple[int, str]], head: re.Pattern[str]) -> set[int]:
    """Return the lines that an introduction may begin at: few of a text, so that only these are looked at."""
    found: set[int] = set()
    for at, (_, line) in enumerate(lines):
        if not line:
            continue
        if line[0] in _BEGIN_HEAD and head.match(line.strip(_EDGE)):
            found.add(at)
        if ":" in line:
            found.add(at)
            if line.endswith(":"):
                found.update(range(at - _WROTE_WITHIN + 1, at))
    return found


def _introduction(
    lines: Sequence[tuple[int, str]], at: int, patterns: tuple[re.Pattern[str], ...]
) -> tuple[int, bool]:
    """Return the line after an introduction that begins here, and whether what follows is quoted by it alone.

    The first is ``at`` where none begins.
    """
    head, first, label, wrote = patterns
    marks, line = lines[at]
    if not line or len(line) > _LONGEST_HEAD:
        return at, False
    if ":" in line and first.match(line) and _is_header(lines, at, label):
        return _after_labels(lines, at, label), True
    if head.match(line.strip(_EDGE)) and line[0] in _BEGIN_HEAD:
        after = _after_blank(lines, at + 1, marks)
        if after < len(lines) and lines[after][0] == marks and first.match(lines[after][1]):
            after = _after_labels(lines, after, label)
        return after, not _deeper(lines, after, marks)
    for length in range(1, _WROTE_WITHIN + 1):
        if at + length > len(lines) or lines[at + length - 1][0] != marks or not lines[at + length - 1][1]:
            return at, False
        if lines[at + length - 1][1].endswith(":"):
            whole = " ".join(one for _, one in lines[at : at + length])
            if wrote.search(whole) and re.search(r"[0-9@<]", whole):
                after = at + length
                return after, not _deeper(lines, after, marks)
            return at, False
    return at, False


def _is_header(lines: Sequence[tuple[int, str]], at: int, label: re.Pattern[str]) -> bool:
    """Say whether three labels at least stand here, one to a line: one line ``From: …`` is no header."""
    marks = lines[at][0]
    count = 0
    for depth, line in lines[at : at + _LABELS_WITHIN]:
        if depth != marks or not line:
            break
        count += label.match(line) is not None
    return count >= 3


def _after_labels(lines: Sequence[tuple[int, str]], at: int, label: re.Pattern[str]) -> int:
    """Return the line after the labels of a quoted header, with those that go on from the one before."""
    marks, goes_on = lines[at][0], False
    while at < len(lines) and lines[at][0] == marks and lines[at][1]:
        line = lines[at][1]
        if not label.match(line) and not goes_on:
            break
        goes_on = line.endswith((";", ","))  # a list of people that was wrapped
        at += 1
    return at


def _after_blank(lines: Sequence[tuple[int, str]], at: int, marks: int) -> int:
    while at < len(lines) and not lines[at][1] and lines[at][0] == marks:
        at += 1
    return at


def _deeper(lines: Sequence[tuple[int, str]], at: int, marks: int) -> bool:
    """Say whether the next line with words is quoted by marks of its own."""
    for depth, line in lines[at : at + _LABELS_WITHIN]:
        if line:
            return depth > marks
    return False
