"""Positions, highlights and occurrences, always over stored text and never from an engine.

An occurrence is a place where a word or phrase of the query stands, in a field it is asked of; what stands
below NOT is not counted, nor are days and labels. A place that two words of the query share (``budget OR
budg*``) is one occurrence. For ``attachment:`` the children's places are counted; below ``family:`` the
document's own, since every member that has one is a hit itself.

Of words near one another (``a w/5 b``) an occurrence is a shortest stretch of text, from the first word of a
pair to its last, with no other such stretch inside. ``bus bus route`` holds one ``bus w/5 route``. The words
of all pairs are highlighted, here both ``bus``. Of ``a not w/5 b`` each ``a`` that stays is one.

The same rules decide whether a document matches, where an engine cannot: see ``holds``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from search import tree as q
from search.expansion import fits
from search.folding import OffsetMap, fold
from search.protocol import IndexDocument

Span = tuple[int, int]
"""First token, and the one after the last."""

Places = Callable[[q.Leaf], Sequence[Span]]
"""Where a leaf stands in one field: its spans, sorted, without repeats."""

_ATTACHMENT = "attachment"


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
        self._folded: dict[str, str] = {}
        self._tokens: dict[str, list[Tokens]] = {}

    def folded(self, field: str) -> str:
        """Return a field as ``LeafFinder`` searches it: folded, with a space before and after."""
        known = self._folded.get(field)
        if known is None:
            if field == _ATTACHMENT:
                known = "\n".join(map(_padded, self._children))
            else:
                known = _padded(self._raw[field])
            self._folded[field] = known
        return known

    def tokens(self, field: str) -> list[Tokens]:
        """Return a field's tokens; of ``attachment`` each child's apart."""
        known = self._tokens.get(field)
        if known is None:
            texts = self.folded(field).split("\n") if field == _ATTACHMENT else [self.folded(field)]
            known = self._tokens[field] = [Tokens(text.split()) for text in texts]
        return known

    @cached_property
    def unfielded(self) -> str:
        """The default fields in one text; the line break between them lets no phrase across."""
        return "\n".join(map(self.folded, q.DEFAULT_FIELDS))


def _padded(text: str) -> str:
    return f" {fold(text)} "


class Tokens:
    """The tokens of one text, and where leaves stand among them."""

    def __init__(self, found: Sequence[str]) -> None:
        """Note where each token stands."""
        self._at: dict[str, list[int]] = {}
        for place, token in enumerate(found):
            self._at.setdefault(token, []).append(place)
        self._known: dict[q.Leaf, list[Span]] = {}

    def places(self, leaf: q.Leaf) -> list[Span]:
        """Return where a leaf stands, see ``Places``."""
        known = self._known.get(leaf)
        if known is None:
            terms = q.terms_of(leaf)
            starts = set(self._term(terms[0]))
            for further, term in enumerate(terms[1:], 1):
                starts &= {place - further for place in self._term(term)}
            known = self._known[leaf] = [(start, start + len(terms)) for start in sorted(starts)]
        return known

    def _term(self, term: q.Term) -> list[int]:
        if isinstance(term, q.Word):
            return self._at.get(term.text, [])
        wanted = fits(term)
        return [place for token, here in self._at.items() if wanted(token) for place in here]


# -- spans


def holds(node: q.Node, places: Places) -> bool:
    """Say whether one field of a document has what a leaf, ``Or``, ``Near`` or ``NotNear`` asks for."""
    match node:
        case q.Or():
            return any(holds(child, places) for child in node.children)
        case q.Near():
            left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
            return any(right.any_near(x, node.distance, ordered=node.ordered) for x in left)
        case q.NotNear():
            left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
            return any(not right.any_near(x, node.distance, ordered=False) for x in left)
        case _:
            return bool(spans_of(node, places))


def spans_of(node: q.Node, places: Places) -> Sequence[Span]:
    """Return all spans of a leaf, ``Or``, ``Near`` or ``NotNear`` in one field, sorted, without repeats."""
    match node:
        case q.Or():
            return sorted({span for child in node.children for span in spans_of(child, places)})
        case q.Near():
            left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
            return sorted({_whole(x, y) for x in left for y in right.near(x, node.distance, node.ordered)})
        case q.NotNear():
            left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
            return [x for x in left if not right.any_near(x, node.distance, ordered=False)]
        case _:
            assert isinstance(node, q.Leaf)
            return places(node)


def counted(node: q.Node, places: Places) -> Sequence[Span]:
    """Return the spans that are occurrences: of a ``Near`` those that hold no other, of the rest all."""
    if not isinstance(node, q.Near):
        return spans_of(node, places)
    left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
    shortest = {_whole(x, y) for x in left for y in right.closest(x, node.distance, ordered=node.ordered)}
    found: list[Span] = []
    end = None
    for span in sorted(shortest, key=lambda span: (-span[0], span[1])):
        if end is None or span[1] < end:  # begins before those seen, so it must end before them all
            found.append(span)
            end = span[1]
    return found[::-1]


def marked(node: q.Node, places: Places, wanted: set[Span] | None = None) -> set[Span]:
    """Return the places of words and phrases to highlight: those of every pair that is near.

    Args:
        node: As in ``spans_of``.
        places: Where leaves stand.
        wanted: Only what belongs to these of its spans; None: to any.
    """
    match node:
        case q.Or():
            return {place for child in node.children for place in marked(child, places, wanted)}
        case q.NotNear():
            stay = set(spans_of(node, places))
            return marked(node.left, places, stay if wanted is None else stay & wanted)
        case q.Near():
            left, right = spans_of(node.left, places), _Right(spans_of(node.right, places))
            lefts: set[Span] = set()
            rights: set[Span] = set()
            for x in left:
                partners = right.near(x, node.distance, node.ordered)
                if wanted is not None:
                    partners = [y for y in partners if _whole(x, y) in wanted]
                if partners:
                    lefts.add(x)
                    rights.update(partners)
            return marked(node.left, places, lefts) | marked(node.right, places, rights)
        case _:
            found = set(spans_of(node, places))
            return found if wanted is None else found & wanted


def _whole(x: Span, y: Span) -> Span:
    return min(x[0], y[0]), max(x[1], y[1])


class _Right:
    """The spans of one side, ready to be asked which of them are near a span of the other."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._following = spans
        self._firsts = [first for first, _ in spans]
        self._preceding = sorted(spans, key=lambda span: (span[1], span[0]))
        self._afters = [after for _, after in self._preceding]

    def _after(self, x: Span, distance: int) -> Sequence[Span]:
        """Those that begin when ``x`` has ended, by their beginning."""
        low = bisect_left(self._firsts, x[1])
        return self._following[low : bisect_left(self._firsts, x[1] + distance, low)]

    def _before(self, x: Span, distance: int) -> Sequence[Span]:
        """Those that have ended when ``x`` begins, by their end."""
        low = bisect_right(self._afters, x[0] - distance)
        return self._preceding[low : bisect_right(self._afters, x[0], low)]

    def any_near(self, x: Span, distance: int, *, ordered: bool) -> bool:
        low = bisect_left(self._firsts, x[1])
        if low < len(self._firsts) and self._firsts[low] < x[1] + distance:
            return True
        if ordered:
            return False
        high = bisect_right(self._afters, x[0])
        return high > 0 and self._afters[high - 1] > x[0] - distance

    def near(self, x: Span, distance: int, ordered: bool) -> list[Span]:  # noqa: FBT001 - as in the tree
        return [*self._after(x, distance), *(() if ordered else self._before(x, distance))]

    def closest(self, x: Span, distance: int, *, ordered: bool) -> Iterator[Span]:
        """Yield the one on each side that makes the shortest stretch with ``x``."""
        following = self._after(x, distance)
        if following:
            yield min(following, key=lambda y: y[1])
        preceding = () if ordered else self._before(x, distance)
        if preceding:
            yield max(preceding, key=lambda y: y[0])


# -- finding words as strings, where they are all that is asked


class LeafFinder:
    """Finds one leaf in folded text that begins and ends with a space.

    Between two tokens is a space or several, and between two fields or children a line break besides, which
    no phrase is found across.

    Attributes:
        exact: Whether it stands for itself alone: no other word can share a whole place with it.
    """

    def __init__(self, leaf: q.Leaf) -> None:
        """Prepare a plain string for a word or a prefix, else a pattern."""
        terms = q.terms_of(leaf)
        self.exact = all(isinstance(term, q.Word) for term in terms)
        self._literal = ""
        self._open_end = isinstance(leaf, q.Prefix)
        self._pattern: re.Pattern[str] | None = None
        self._apart = self.exact and not any(terms[:n] == terms[-n:] for n in range(1, len(terms)))
        if isinstance(leaf, q.Word | q.Prefix):
            self._literal = f" {leaf.text}" if self._open_end else f" {leaf.text} "
        else:
            self._pattern = _folded_pattern(leaf)

    def count(self, text: str) -> int:
        """Return at how many places it stands."""
        if self._pattern is not None:
            return len(self._pattern.findall(text)) if self._apart else sum(1 for _ in self.find(text))
        if self._open_end:
            return text.count(self._literal)
        # Not ``str.count``: the space between two words is that of both. The space after a word is looked at
        # alone, since a string that ends with what stands everywhere is found more slowly.
        word = self._literal[:-1]
        found, size = 0, len(word)
        at = text.find(word)
        while at >= 0:
            at += size
            found += text[at] == " "
            at = text.find(word, at)
        return found

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield its places (space before it, space after it) in order; ``a a`` stands twice in ``a a a``."""
        if self._pattern is not None:
            match = self._pattern.search(text)
            while match is not None:
                yield match.span()
                match = self._pattern.search(text, match.start() + 1)
            return
        size = len(self._literal)
        at = text.find(self._literal)
        while at >= 0:
            yield at, text.index(" ", at + size) if self._open_end else at + size - 1
            at = text.find(self._literal, at + 1)


@lru_cache(maxsize=1_000)
def _finder(leaf: q.Leaf) -> LeafFinder:
    return LeafFinder(leaf)


def _folded_pattern(leaf: q.Leaf) -> re.Pattern[str]:
    """Return what finds a leaf in folded text, from the space before it to the one after it."""
    terms = (
        ("(?! )" if isinstance(term, q.Wild) else "")
        + q.term_pattern(term)  # a * may stand for nothing: not for no word
        for term in q.terms_of(leaf)
    )
    return re.compile(f" {' +'.join(terms)}(?= )")


@dataclass(frozen=True, slots=True)
class _Target:
    node: q.Leaf | q.Near | q.NotNear
    field: str | None  # None: the default fields

    @property
    def stringy(self) -> bool:
        """Whether it is found as a string or pattern; else among tokens."""
        return isinstance(self.node, q.Leaf) and not any(
            isinstance(term, q.Fuzzy | q.Stem) for term in q.terms_of(self.node)
        )

    @property
    def fields(self) -> Sequence[str]:
        return q.DEFAULT_FIELDS if self.field is None else (self.field,)


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
        case _:
            yield _Target(node, field)


class Occurrences:
    """Counts one query's occurrences in many documents."""

    def __init__(self, node: q.Node) -> None:
        """Prepare what is looked for."""
        targets = list(dict.fromkeys(_targets(node)))
        self.needs_children = any(t.field == _ATTACHMENT for t in targets)
        stringy = all(target.stringy for target in targets)
        self._unfielded: list[LeafFinder] = []
        self._finders: dict[str, list[LeafFinder]] = {}
        self._nodes: dict[str, list[q.Node]] = {}
        if stringy and all(target.field is None for target in targets):
            self._unfielded = [LeafFinder(t.node) for t in targets if isinstance(t.node, q.Leaf)]
            return
        by_field: dict[str, dict[q.Leaf | q.Near | q.NotNear, None]] = {}
        for target in targets:
            for name in target.fields:
                by_field.setdefault(name, {})[target.node] = None
        for name, nodes in by_field.items():
            if stringy:
                self._finders[name] = [LeafFinder(one) for one in nodes if isinstance(one, q.Leaf)]
            else:
                self._nodes[name] = list(nodes)

    def count(self, document: DocumentFields) -> int:
        """Return the number of occurrences in one document."""
        if len(self._unfielded) == 1:
            return self._unfielded[0].count(document.unfielded)
        if self._nodes:
            return sum(
                len({span for node in nodes for span in counted(node, tokens.places)})
                for name, nodes in self._nodes.items()
                for tokens in document.tokens(name)
            )
        if self._finders:
            return sum(
                _count_places(finders, document.folded(name)) for name, finders in self._finders.items()
            )
        return _count_places(self._unfielded, document.unfielded)


def _count_places(finders: list[LeafFinder], text: str) -> int:
    if len(finders) == 1 or all(finder.exact for finder in finders):
        return sum(finder.count(text) for finder in finders)  # different words never share a whole place
    return len({place for finder in finders for place in finder.find(text)})


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
    targets = [
        target
        for target in dict.fromkeys(_targets(node))
        if target.field == field or (target.field is None and field in q.DEFAULT_FIELDS)
    ]
    folded = fold(text)
    if all(target.stringy for target in targets):
        leaves = [target.node for target in targets if isinstance(target.node, q.Leaf)]
        padded = f" {folded} "
        found = {place for leaf in leaves for place in _finder(leaf).find(padded)}
        places = sorted((first, after - 1) for first, after in found)
    else:
        tokens = Tokens(folded.split())
        found = {place for target in targets for place in marked(target.node, tokens.places)}
        at = _token_places(folded) if found else []
        places = [(at[first][0], at[after - 1][1]) for first, after in sorted(found)]
    if not places:
        return []
    original = OffsetMap(text)
    return list(dict.fromkeys((original.first(first), original.after(after)) for first, after in places))


def _token_places(folded: str) -> list[tuple[int, int]]:
    """Return, token by token, its start and end in folded text."""
    found: list[tuple[int, int]] = []
    at = 0
    for run in folded.split(" "):
        after = at + len(run)
        if run:
            found.append((at, after))
        at = after + 1
    return found


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
