"""Positions, highlights and occurrences, always over stored text and never from an engine.

An occurrence is a place where a word or phrase of the query stands, in a field it is asked of; what stands
below NOT is not counted, nor are days and labels. A place that two words of the query share (``budget OR
budg*``) is one occurrence. For ``attachment:`` the children's places are counted; below ``family:`` the
document's own, since every member that has one is a hit itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from records.errors import UsageError
from search import tree as q
from search.folding import OffsetMap, fold
from search.protocol import IndexDocument

_ATTACHMENT = "attachment"
_TOKEN = re.compile(r"[^ ]+")


class DocumentFields:
    """One document's texts, each folded once, when it is first asked for."""

    def __init__(self, document: IndexDocument, children: Sequence[str] = ()) -> None:
        """Keep the texts.

        Args:
            document: The document.
            children: Texts of the items it directly carries; needed only for ``attachment:``.
        """
        self._raw = {
            "subject": document.subject,
            "body": document.text,
            "filename": document.filename,
            "participants": document.participants,
            "from": document.sender,
            "to": document.to,
            "cc": document.cc,
            "bcc": document.bcc,
        }
        self._children = children
        self._spaced: dict[str, str] = {}

    def spaced(self, field: str) -> str:
        """Return a field in the form that is searched, see ``_space``."""
        known = self._spaced.get(field)
        if known is None:
            if field == _ATTACHMENT:
                known = "\n".join(map(_space, self._children))
            else:
                known = _space(self._raw[field])
            self._spaced[field] = known
        return known

    @cached_property
    def unfielded(self) -> str:
        """The default fields in one text; the line break between them lets no phrase across."""
        return "\n".join(map(self.spaced, q.DEFAULT_FIELDS))


def _space(text: str) -> str:
    """Fold, and put a space of its own on both sides of every token: ``" a  b "``.

    So a word is the plain string ``" a "`` wherever it stands, neighbours do not share a space, and counting
    is what ``str.count`` does.
    """
    found = fold(text).split()
    return f" {'  '.join(found)} " if found else ""


class LeafFinder:
    """Finds one leaf in spaced text."""

    def __init__(self, leaf: q.Leaf) -> None:
        """Prepare a plain string where it can be one, else a pattern."""
        terms = [term for term in q.terms_of(leaf) if isinstance(term, q.Word | q.Prefix)]
        if len(terms) < len(q.terms_of(leaf)):
            raise UsageError("patterns, spellings and stems cannot be searched here yet")
        self._open_end = isinstance(terms[-1], q.Prefix)
        self.exact = not any(isinstance(term, q.Prefix) for term in terms)
        inner = any(isinstance(term, q.Prefix) for term in terms[:-1])
        words = "  ".join(term.text for term in terms)
        self._literal = f" {words}" if self._open_end else f" {words} "
        self._countable = not inner and not _overlaps_itself(self._literal)
        self._pattern: re.Pattern[str] | None = None
        if inner:
            pieces = (re.escape(t.text) + "[^ ]*" * isinstance(t, q.Prefix) for t in terms)
            self._pattern = re.compile(f" {'  '.join(pieces)} ")

    def count(self, spaced: str) -> int:
        """Return at how many places it stands."""
        if self._countable:
            return spaced.count(self._literal)
        return sum(1 for _ in self.find(spaced))

    def find(self, spaced: str) -> Iterator[tuple[int, int]]:
        """Yield its places (first character, after the last) in order; ``a a`` stands twice in ``a a a``."""
        if self._pattern is not None:
            at = self._pattern.search(spaced)
            while at is not None:
                yield at.start() + 1, at.end() - 1
                at = self._pattern.search(spaced, at.start() + 1)
            return
        start = spaced.find(self._literal)
        while start >= 0:
            end = start + len(self._literal)
            yield start + 1, spaced.index(" ", end) if self._open_end else end - 1
            start = spaced.find(self._literal, start + 1)


def _overlaps_itself(literal: str) -> bool:
    """Say whether two places of a string can overlap, which ``str.count`` would count as one.

    A shared single space cannot be: there are two between tokens.
    """
    return any(literal.endswith(literal[:n]) for n in range(2, len(literal)))


@dataclass(frozen=True, slots=True)
class _Target:
    leaf: q.Leaf
    field: str | None  # None: the default fields


def _targets(node: q.Node, field: str | None = None) -> Iterator[_Target]:
    match node:
        case q.Not() | q.DateRange():
            return
        case q.And() | q.Or():
            for child in node.children:
                yield from _targets(child, field)
        case q.Field():
            if node.name in q.LABEL_FIELDS:
                return
            yield from _targets(node.child, None if node.name == "family" else node.name)
        case q.Near() | q.NotNear():
            raise UsageError("words near one another cannot be searched here yet")
        case _:
            yield _Target(node, field)


class Occurrences:
    """Counts one query's occurrences in many documents."""

    def __init__(self, node: q.Node) -> None:
        """Prepare the query's leaves."""
        targets = list(dict.fromkeys(_targets(node)))
        fields: dict[str, dict[q.Leaf, LeafFinder]] = {}
        if any(t.field is not None for t in targets):
            for target in targets:
                for name in q.DEFAULT_FIELDS if target.field is None else (target.field,):
                    fields.setdefault(name, {})[target.leaf] = LeafFinder(target.leaf)
        self._by_field = {name: list(finders.values()) for name, finders in fields.items()}
        self._unfielded = [] if fields else [LeafFinder(t.leaf) for t in targets]
        self.needs_children = any(t.field == _ATTACHMENT for t in targets)

    def count(self, document: DocumentFields) -> int:
        """Return the number of occurrences in one document."""
        if not self._by_field:
            return _count_places(self._unfielded, document.unfielded)
        return sum(_count_places(found, document.spaced(name)) for name, found in self._by_field.items())


def _count_places(finders: list[LeafFinder], spaced: str) -> int:
    if len(finders) == 1 or all(finder.exact for finder in finders):
        return sum(finder.count(spaced) for finder in finders)  # different words never share a whole place
    return len({place for finder in finders for place in finder.find(spaced)})


def occurrences(node: q.Node, document: DocumentFields) -> int:
    """Return the number of occurrences of a query in one document; see the module for what one is."""
    return Occurrences(node).count(document)


def spans(node: q.Node, text: str, field: str = "body") -> list[tuple[int, int]]:
    """Return where a query's words and phrases stand in a text, as places in the text as given.

    Args:
        node: The query.
        text: The stored text, unfolded.
        field: The field this text is; words asked of another field are not looked for. ``attachment`` is a
            child's text as its parent's query sees it.

    Returns:
        Pairs (first character, after the last), in order, without repeats; they may overlap. Accents and
        invisible characters that belong to the last letter are inside.
    """
    finders = [
        LeafFinder(target.leaf)
        for target in dict.fromkeys(_targets(node))
        if target.field == field or (target.field is None and field in q.DEFAULT_FIELDS)
    ]
    spaced = _space(text) if finders else ""
    places = sorted({place for finder in finders for place in finder.find(spaced)})
    if not places:
        return []
    starts, folded = _token_places(text)
    original = OffsetMap(text)
    found: list[tuple[int, int]] = []
    for first, after in places:
        one = bisect_right(starts, first) - 1
        last = bisect_right(starts, after - 1) - 1
        found.append((original.first(folded[one][0]), original.after(folded[last][1])))
    return list(dict.fromkeys(found))


def _token_places(text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return, token by token, its start in spaced text and its (start, end) in folded text."""
    starts: list[int] = []
    folded: list[tuple[int, int]] = []
    at = 1
    for token in _TOKEN.finditer(fold(text)):
        starts.append(at)
        folded.append(token.span())
        at += token.end() - token.start() + 2
    return starts, folded


def snippets(
    node: q.Node,
    text: str,
    width: int = 160,
    *,
    field: str = "body",
    limit: int = 3,
    marks: tuple[str, str] = ("«", "»"),
) -> list[str]:
    """Return excerpts around the first places of a query in a text.

    Args:
        node: The query.
        text: The stored text, unfolded.
        width: Characters of text in an excerpt, about; a longer hit is shown whole.
        field: As in ``spans``.
        limit: Most excerpts.
        marks: Put before and after each place.

    Returns:
        One line each, white space as single spaces, ``…`` where the text goes on; places near one another
        share an excerpt. Plain text: to show it on a page, escape it.
    """
    merged = _merged(spans(node, text, field))
    found: list[str] = []
    at = 0
    while at < len(merged) and len(found) < limit:
        begin = max(0, merged[at][0] - max(0, width - (merged[at][1] - merged[at][0])) // 2)
        end = min(len(text), max(begin + width, merged[at][1]))
        last = at
        while last + 1 < len(merged) and merged[last + 1][1] <= end:
            last += 1
        begin, end = _word_borders(text, begin, end, merged[at][0], merged[last][1])
        found.append(_excerpt(text, begin, end, merged[at : last + 1], marks))
        at = last + 1
    return found


def _merged(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join places that overlap."""
    merged: list[tuple[int, int]] = []
    for first, after in sorted(places):
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(after, merged[-1][1]))
        else:
            merged.append((first, after))
    return merged


def _word_borders(text: str, begin: int, end: int, first: int, after: int) -> tuple[int, int]:
    """Draw an excerpt in to white space, so that no word before or after the places is cut."""
    if begin and not text[begin - 1].isspace():
        space = next((n for n in range(begin, first) if text[n].isspace()), None)
        begin = first if space is None else space + 1
    if end < len(text) and not text[end].isspace():
        end = next((n for n in range(end - 1, after - 1, -1) if text[n].isspace()), after)
    return begin, end


def _excerpt(text: str, begin: int, end: int, places: list[tuple[int, int]], marks: tuple[str, str]) -> str:
    pieces = ["…"] if begin else []
    at = begin
    for first, after in places:
        pieces += [text[at:first], marks[0], text[first:after], marks[1]]
        at = after
    pieces += [text[at:end], "…" if end < len(text) else ""]
    return " ".join("".join(pieces).split())
