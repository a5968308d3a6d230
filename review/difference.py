"""The difference between two texts, word by word, for a person to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz.distance import Indel

_TOKEN = re.compile(r"\w+|[^\w\s]")
MOST_CHARACTERS = 4_000_000
"""Of each text that are looked at."""
MOST_TOKENS = 20_000
"""Words and marks of each text that are compared, beyond what both begin and end with."""
_SHOWN_AROUND = 12
"""Equal words that are shown before and after a difference."""
_MOST_SHOWN = 2_000
"""Words that are shown of one run that is in one text only."""


class Change(StrEnum):
    """What a run of words is."""

    SAME = "same"
    ONLY_FIRST = "only_first"
    ONLY_SECOND = "only_second"


@dataclass(frozen=True, slots=True)
class Run:
    """Words that follow one another.

    Attributes:
        change: In which of the texts they are.
        text: As it stands there, with one blank for white space of any kind.
        words: How many words and marks there are.
    """

    change: Change
    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two texts.

    Attributes:
        runs: In order.
        same: Words and marks that are in both.
        only_first: Those that are in the first only.
        only_second: Those that are in the second only.
        compared_in_part: There was more than is compared: what is beyond it counts as different, or is not
            looked at where a text is longer than ``MOST_CHARACTERS``.
    """

    runs: tuple[Run, ...]
    same: int
    only_first: int
    only_second: int
    compared_in_part: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """The words and marks of a text, with where they stand."""

    text: str
    tokens: list[str]
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> _Words:
        found = [(one.group(), one.span()) for one in _TOKEN.finditer(text[:MOST_CHARACTERS])]
        return cls(text, [token for token, _ in found], [span for _, span in found])

    def run(self, change: Change, start: int, end: int) -> Run:
        if start >= end:
            return Run(change, "", 0)
        stated = self.text[self.spans[start][0] : self.spans[end - 1][1]]
        return Run(change, " ".join(stated.split()), end - start)


def difference(first: str, second: str) -> Difference:
    """Compare two texts word by word; white space does not count.

    Time and memory are bounded, whatever the texts: what both begin and end with is taken off first, and of
    the rest at most ``MOST_TOKENS`` of each are compared.
    """
    one, other = _Words.of(first), _Words.of(second)
    lead = _common(one.tokens, other.tokens)
    tail = _common(one.tokens[lead:][::-1], other.tokens[lead:][::-1])
    ends = len(one.tokens) - tail, len(other.tokens) - tail
    made = [one.run(Change.SAME, 0, lead)]
    made += _between(one, other, lead, (min(ends[0], lead + MOST_TOKENS), min(ends[1], lead + MOST_TOKENS)))
    made.append(one.run(Change.ONLY_FIRST, lead + MOST_TOKENS, ends[0]))
    made.append(other.run(Change.ONLY_SECOND, lead + MOST_TOKENS, ends[1]))
    made.append(one.run(Change.SAME, ends[0], len(one.tokens)))
    runs = tuple(run for run in made if run.words)

    def count(change: Change) -> int:
        return sum(run.words for run in runs if run.change is change)

    return Difference(
        runs,
        count(Change.SAME),
        count(Change.ONLY_FIRST),
        count(Change.ONLY_SECOND),
        max(ends) - lead > MOST_TOKENS or max(len(first), len(second)) > MOST_CHARACTERS,
    )


def shortened(found: Difference) -> Iterator[Run]:
    """Yield the runs with the middle of long ones left out, as ``…``."""
    last = len(found.runs) - 1
    for place, run in enumerate(found.runs):
        words = run.text.split(" ")
        if run.change is not Change.SAME:
            text = run.text if len(words) <= _MOST_SHOWN else " ".join([*words[:_MOST_SHOWN], "…"])
        elif len(words) <= 2 * _SHOWN_AROUND:
            text = run.text
        else:
            after = words[:_SHOWN_AROUND] if place else []
            before = words[-_SHOWN_AROUND:] if place < last else []
            text = " ".join([*after, "…", *before])
        yield Run(run.change, text, run.words)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _between(one: _Words, other: _Words, lead: int, ends: tuple[int, int]) -> Iterator[Run]:
    for step in Indel.opcodes(one.tokens[lead : ends[0]], other.tokens[lead : ends[1]]):
        here = lead + step.src_start, lead + step.src_end
        if step.tag == "equal":
            yield one.run(Change.SAME, *here)
        else:
            yield one.run(Change.ONLY_FIRST, *here)
            yield other.run(Change.ONLY_SECOND, lead + step.dest_start, lead + step.dest_end)
