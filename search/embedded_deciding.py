"""Words near one another that FTS5 cannot say exactly: each candidate is decided here, while there is time.

``pre/N``, ``not w/N``, groups inside groups and words that overlap: FTS5 finds candidates, and
``search.matcher.holds`` decides over the places that it keeps of each word: an auxiliary function of ours,
called for each candidate.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import apsw

from search import tree as q
from search.embedded_files import LAST
from search.embedded_fts import columns
from search.matcher import Span, holds, spans_of


class TimeIsUp(Exception):  # noqa: N818 - it leaves a query, and never this module
    """Raised between two candidates when the time of a query is up."""


class Clock:
    """How long the query of this thread may go on."""

    def __init__(self) -> None:
        self.until: float | None = None

    def is_up(self) -> bool:
        """Say whether it is over; SQLite asks now and then, and stops if so."""
        return self.until is not None and time.monotonic() > self.until


class Question:
    """What is asked of each candidate."""

    def __init__(self, node: q.Node, leaves: Sequence[q.Leaf], clock: Clock) -> None:
        self.node = node
        self.leaves = {leaf: (number, len(q.terms_of(leaf))) for number, leaf in enumerate(leaves)}
        self.clock = clock


def decided(api: apsw.FTS5ExtensionApi, /, *asked: Any) -> bool:
    """Say whether a candidate matches; its leaves are the last phrases of the expression."""
    question: Question = asked[0]
    if question.clock.is_up():
        raise TimeIsUp
    before = api.phrase_count - len(question.leaves)
    located: dict[q.Leaf, list[list[int]]] = {}

    def places(leaf: q.Leaf, column: int) -> list[Span]:
        number, length = question.leaves[leaf]
        starts = located.get(leaf)
        if starts is None:
            starts = located[leaf] = api.phrase_locations(before + number)
        return [(start, start + length) for start in starts[column]]

    return any(holds(question.node, partial(places, column=column)) for column in range(api.column_count))


_Key = tuple[int, str]
"""A document and a column."""

_LEFT: q.Leaf = q.Word("left")
_RIGHT: q.Leaf = q.Word("right")
"""Stand for the two operands, whose places are known."""


class Wide:
    """Reads the places of each word from the index once, and puts them together here."""

    def __init__(self, shard: apsw.Connection, clock: Clock, field: str | None) -> None:
        self._shard = shard
        self._clock = clock
        self._columns = set(columns(field).split())

    def documents(self, node: q.Near | q.NotNear) -> set[int]:
        """Return the documents that match."""
        if isinstance(node, q.Near):
            return {document for document, _ in self._near(node, None)}
        left = self._places(node.left, None)
        right = self._places(node.right, {document for document, _ in left})
        question = q.NotNear(_LEFT, _RIGHT, node.distance)
        return {
            key[0]
            for key, spans in left.items()
            if holds(question, {_LEFT: spans, _RIGHT: right.get(key, [])}.__getitem__)
        }

    def _near(self, node: q.Near, among: set[int] | None) -> dict[_Key, Sequence[Span]]:
        """Return the spans of a ``Near``; of the operand with more words only where the other one is."""
        few, many = sorted((node.left, node.right), key=lambda side: len(list(q.leaves(side))))
        found = {few: self._places(few, among)}
        if few != many:
            found[many] = self._places(many, {document for document, _ in found[few]})
        left, right = found[node.left], found[node.right]
        question = q.Near(_LEFT, _RIGHT, node.distance, node.ordered)
        near: dict[_Key, Sequence[Span]] = {}
        for key in left.keys() & right.keys():
            self._look()
            spans = spans_of(question, {_LEFT: left[key], _RIGHT: right[key]}.__getitem__)
            if spans:
                near[key] = spans
        return near

    def _places(self, node: q.Node, among: set[int] | None) -> dict[_Key, Sequence[Span]]:
        """Return the spans of an operand, sorted, in these documents, or in all."""
        if isinstance(node, q.Near):
            return self._near(node, among)
        if isinstance(node, q.Or):
            merged: dict[_Key, set[Span]] = {}
            for child in node.children:
                for key, spans in self._places(child, among).items():
                    merged.setdefault(key, set()).update(spans)
            return {key: sorted(spans) for key, spans in merged.items()}
        assert isinstance(node, q.Leaf)
        terms = q.terms_of(node)
        starts = self._starts(terms[0], among)
        for further, term in enumerate(terms[1:], 1):
            here = self._starts(term, {document for document, _ in starts})
            starts = {
                key: kept
                for key, places in starts.items()
                if (kept := places & {place - further for place in here.get(key, ())})
            }
        return {key: [(at, at + len(terms)) for at in sorted(places)] for key, places in starts.items()}

    def _starts(self, term: q.Term, among: set[int] | None) -> dict[_Key, set[int]]:
        self._look()
        assert isinstance(term, q.Word | q.Prefix)
        where = "term = ?"
        bound: tuple[str, ...] = (term.text,)
        if isinstance(term, q.Prefix):
            where, bound = "term >= ? AND term < ?", (term.text, term.text + LAST)
        found: dict[_Key, set[int]] = {}
        sql = f"SELECT doc, col, offset FROM instances WHERE {where}"  # noqa: S608 - see above
        for document, column, place in self._shard.execute(sql, bound):
            if column in self._columns and (among is None or document in among):
                found.setdefault((document, column), set()).add(place)
        return found

    def _look(self) -> None:
        if self._clock.is_up():
            raise TimeIsUp
