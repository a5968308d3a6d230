r"""Folding and tokens: one fixed table, so that every engine and every machine sees the same words.

The table is ``folding-14.0.0.json`` (Unicode 14.0.0), built once by ``search.make_folding``. A token is a run
of letters and digits after folding, cut every 256 characters; there is no stemming and there are no stop
words. An e-mail address, a hyphenated word and a case number are therefore several tokens: a phrase.

How each engine keeps to it:

- FTS5 gets text that was folded here and the tokenizer ``ascii``, which splits at every ASCII character that
  is no letter or digit and takes every other character as part of a word. ``fold`` leaves only letters,
  digits and spaces, so the two cannot differ.
- Elasticsearch gets the body folded here and a ``whitespace`` tokenizer. The short fields, which people read
  in Kibana, and what people type there, go through the table as a ``mapping`` char_filter (one rule a code
  point of ``drop`` and ``map``) and a ``pattern`` tokenizer of the letters and digits that the table keeps.

``ANALYZER`` names the table; an index says which one it was made with, and another one is refused.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("folding-14.0.0.json")
ANALYZER = hashlib.sha256(TABLE.read_bytes()).hexdigest()
"""The analyzer version: SHA-256 of the folding table."""

TOKEN_CHARACTERS = 256
"""Longest token, in characters after folding; a longer run is cut, and its pieces stand beside one
another."""

_ASCII = bytes(
    ord(chr(b).lower()) if b < 128 and chr(b).isalnum() else b if b >= 128 else 0x20 for b in range(256)
)
_NON_ASCII = re.compile(r"[^\x00-\x7f]+")
_RUNS_KEPT = 100_000
_RUN_CHARACTERS = 48


@dataclass(frozen=True, slots=True)
class _Table:
    """The data file: sorted starts and ends of the ranges that are kept or dropped, and the mapped rest."""

    keep_from: tuple[int, ...]
    keep_to: tuple[int, ...]
    drop_from: tuple[int, ...]
    drop_to: tuple[int, ...]
    mapped: dict[int, str]

    def fold(self, character: str) -> str:
        point = ord(character)
        known = self.mapped.get(point)
        if known is not None:
            return known
        if _within(point, self.keep_from, self.keep_to):
            return character
        return "" if _within(point, self.drop_from, self.drop_to) else " "


def _within(point: int, starts: tuple[int, ...], ends: tuple[int, ...]) -> bool:
    place = bisect_right(starts, point) - 1
    return place >= 0 and point <= ends[place]


@cache
def _table() -> _Table:
    raw: dict[str, Any] = json.loads(TABLE.read_text(encoding="ascii"))
    return _Table(
        keep_from=tuple(first for first, _ in raw["keep"]),
        keep_to=tuple(last for _, last in raw["keep"]),
        drop_from=tuple(first for first, _ in raw["drop"]),
        drop_to=tuple(last for _, last in raw["drop"]),
        mapped={int(point, 16): folded for point, folded in raw["map"].items()},
    )


class _Characters(dict[str, str]):
    """Single characters, filled as they are met."""

    def __missing__(self, character: str) -> str:
        folded = self[character] = _table().fold(character)
        return folded


class _Runs(dict[str, bytes]):
    """Runs of non-ASCII characters; short ones repeat (quotes, names), so they are remembered."""

    def __missing__(self, run: str) -> bytes:
        folded = "".join(map(_characters.__getitem__, run)).encode()
        if len(run) <= _RUN_CHARACTERS:
            if len(self) >= _RUNS_KEPT:
                self.clear()  # bounded: hostile text must not fill the memory
            self[run] = folded
        return folded


_characters = _Characters()
_runs = _Runs()


def _not_ascii(error: Any) -> tuple[bytes, int]:
    """Fold the run of a ``UnicodeEncodeError``; encoding finds runs several times faster than a pattern."""
    end: int = error.end
    return _runs[error.object[error.start : end]], end


_FOLD = "daylight-fold"
codecs.register_error(_FOLD, _not_ascii)


def _fold_uncut(text: str) -> bytes:
    return text.encode("ascii", _FOLD).translate(_ASCII)


def fold(text: str) -> str:
    """Return the text as tokens and spaces: letters and digits folded, everything else a space.

    The result of folding is not changed by folding again. Runs of more than 256 letters and digits have a
    space after every 256.
    """
    if not text:
        return ""
    data = _fold_uncut(text)
    folded = data.decode()
    return " ".join(map(_cut, folded.split(" "))) if _has_long_run(data) else folded


def _has_long_run(data: bytes) -> bool:
    """Say whether a run of more than 256 bytes (so perhaps of characters) is in it, from space to space."""
    window = TOKEN_CHARACTERS + 1
    start, last = 0, len(data) - window
    while start <= last:
        start = data.rfind(b" ", start, start + window) + 1
        if not start:
            return True
    return False


def _cut(run: str) -> str:
    if len(run) <= TOKEN_CHARACTERS:
        return run
    return " ".join(run[i : i + TOKEN_CHARACTERS] for i in range(0, len(run), TOKEN_CHARACTERS))


def tokens(text: str) -> list[str]:
    """Return the tokens of a text in order."""
    return fold(text).split()


def _cut_places(text: str) -> list[int]:
    """Return where ``fold`` put a space into a run that was too long, as places in its result."""
    uncut = _fold_uncut(text)
    if not _has_long_run(uncut):
        return []
    places: list[int] = []
    at = 0  # in the result
    for run in uncut.decode().split(" "):
        for start in range(0, max(len(run), 1), TOKEN_CHARACTERS):
            if start:
                places.append(at)
                at += 1
            at += len(run[start : start + TOKEN_CHARACTERS])
        at += 1
    return places


class OffsetMap:
    """Where each character of a folded text came from in the original."""

    __slots__ = ("_cuts", "_pieces", "_starts", "_text")

    def __init__(self, text: str) -> None:
        """Fold ``text`` and keep the places where folding changes its length."""
        self._text = text
        self._starts: list[int] = []  # positions in the folded text, ascending
        self._pieces: list[tuple[int, bool]] = []  # position in the original; whether it runs one to one
        at = last = 0
        for found in () if text.isascii() else _NON_ASCII.finditer(text):
            self._add(at, last, one_to_one=True)
            at += found.start() - last
            self._add(at, found.start(), one_to_one=False)
            at += len(_runs[found.group()].decode())
            last = found.end()
        self._add(at, last, one_to_one=True)
        self._cuts = _cut_places(text)

    def _add(self, at: int, original: int, *, one_to_one: bool) -> None:
        if self._starts and self._starts[-1] == at:
            self._starts.pop()  # a piece that gave nothing: what follows starts at the same place
            self._pieces.pop()
        self._starts.append(at)
        self._pieces.append((original, one_to_one))

    def first(self, at: int) -> int:
        """Return the place of the original character that gave the folded character ``at``."""
        return self._locate(at)[0]

    def after(self, at: int) -> int:
        """Return the place after the original character that gave the folded character ``at - 1``.

        Marks and format characters that follow it belong to it, so that a highlight never cuts an accent off.
        """
        end = self._locate(at - 1)[1]
        while end < len(self._text) and self._text[end] > "\x7f" and not _characters[self._text[end]]:
            end += 1
        return end

    def _locate(self, at: int) -> tuple[int, int]:
        at -= bisect_right(self._cuts, at)
        place = bisect_right(self._starts, at) - 1
        original, one_to_one = self._pieces[place]
        rest = at - self._starts[place]
        if one_to_one:
            return original + rest, original + rest + 1
        while True:
            rest -= len(_characters[self._text[original]])
            original += 1
            if rest < 0:
                return original - 1, original
