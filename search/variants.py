"""Variants: other forms of the terms of a list and of the names of a request, with the hits that each adds.

A search on narrow terms without their variants was held inadequate (Cantu v. Yakima School District). So
every form that people write is asked of the index, and those that find something the list does not find are
proposed; a person takes or refuses each. The forms are made in ``search/variants_names.py`` and
``search/variants_words.py``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from records.roster import RosterLine
from search import tree as q
from search.language import QuerySyntaxError, parse
from search.protocol import Hit, SearchEngine, TermHits
from search.variants_names import Form, Name, NameBook, Way, known_forms
from search.variants_words import Spellings, Terms, Vocabulary, misspelt, spaced, stemmed

_FORMS_A_PROBE = 100
"""So many forms are asked at once whether any of them adds anything; only then each is asked by itself."""


class BaseKind(StrEnum):
    """What a variant is a form of; in the order in which a person should look at them."""

    TERM = "term"
    PLACE = "place"
    PROGRAMME = "programme"
    PERSON = "person"
    CUSTODIAN = "custodian"  # whom neither a term nor the request's text names


@dataclass(frozen=True, slots=True)
class Variant:
    """One form that finds documents which the list does not find.

    Attributes:
        base_kind: What it is a form of.
        base: The term as typed, or the name.
        way: How the form comes from it.
        form: The query that would be added, in normal form.
        documents: Documents that it finds, alone.
        families: Families with at least one of them.
        added_documents: Those of the documents that no term of the list finds.
        added_families: Families with a hit of it that no term of the list touches.
    """

    base_kind: BaseKind
    base: str
    way: Way
    form: str
    documents: int
    families: int
    added_documents: int
    added_families: int

    @property
    def variant_id(self) -> str:
        """The same for the same form of the same thing, whatever it finds."""
        named = "\x1f".join((self.base_kind, self.base, self.way, self.form))
        return hashlib.sha256(named.encode("utf-8")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Found:
    """What the list in force finds.

    Attributes:
        documents: Item ids.
        families: Family ids.
    """

    documents: frozenset[str]
    families: frozenset[str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What came of looking for variants.

    Attributes:
        variants: Those that add hits; first of terms, then of names; among these by way, then by added hits.
        forms: How many forms were asked.
        not_run: How many of them the index refused to run (too many words, too long).
    """

    variants: tuple[Variant, ...]
    forms: int
    not_run: int


@dataclass(slots=True)
class _Group:
    """Forms of one thing, made in one way, that one query can ask together.

    Attributes:
        beyond: Documents that are no news, whatever the list finds.
    """

    base_kind: BaseKind
    base: str
    way: Way
    nodes: list[q.Node]
    beyond: set[str] = field(default_factory=set)


def propose(
    engine: SearchEngine,
    terms: Iterable[str],
    zone: ZoneInfo,
    text: str,
    roster: Sequence[RosterLine],
    custodians: Sequence[RosterLine],
    found: Found,
) -> Proposal:
    """Look for forms that add hits to a list.

    Args:
        engine: The request's index.
        terms: The list; a term that cannot be read has no variants.
        zone: The request's zone.
        text: The request, word for word.
        roster: Who and what has a name in the district.
        custodians: Those whose records are searched.
        found: What the list finds on this state of the index.
    """
    book = NameBook(roster, custodians)
    spellings = Spellings(Vocabulary(engine), book.words)
    seen: set[q.Node] = set()
    groups = list(_unseen(_of_terms(terms, zone, book, spellings), seen))
    named = list(_of_names(book, spellings, text))
    queries = [_any_of([_leaf(_words(form)) for form in known]) for known, _ in named]
    for (_, name_groups), hits in zip(named, engine.terms(queries), strict=True):
        beyond = {hit.item_id for hit in hits.hits}
        for group in _unseen(name_groups, seen):
            if group.way != Way.NAME:
                group.beyond = beyond
            groups.append(group)
    return _asked(engine, groups, found)


def _unseen(groups: Iterable[_Group], seen: set[q.Node]) -> Iterator[_Group]:
    """Leave out forms that were met before: one is proposed once, for the first thing it stands for."""
    for group in groups:
        group.nodes = [node for node in dict.fromkeys(group.nodes) if node not in seen]
        seen.update(group.nodes)
        if group.nodes:
            yield group


# -- asking the index


def _asked(engine: SearchEngine, groups: Sequence[_Group], found: Found) -> Proposal:
    """Ask groups of forms first, and each form only of those that add something."""
    chunks = [
        _Group(group.base_kind, group.base, group.way, group.nodes[at : at + _FORMS_A_PROBE], group.beyond)
        for group in groups
        for at in range(0, len(group.nodes), _FORMS_A_PROBE)
    ]
    adding = [
        chunk
        for chunk, hits in zip(chunks, engine.terms([_any_of(c.nodes) for c in chunks]), strict=True)
        if hits.problem or _adds(hits, chunk, found)
    ]
    single = [(chunk, node) for chunk in adding for node in chunk.nodes]
    variants: list[Variant] = []
    not_run = 0
    for (chunk, node), hits in zip(single, engine.terms([node for _, node in single]), strict=True):
        not_run += bool(hits.problem)
        if _adds(hits, chunk, found):
            variants.append(_variant(chunk, node, hits.hits, found))
    variants.sort(key=rank)
    return Proposal(tuple(variants), sum(len(group.nodes) for group in groups), not_run)


def _adds(hits: TermHits, group: _Group, found: Found) -> bool:
    return any(hit.item_id not in found.documents and hit.item_id not in group.beyond for hit in hits.hits)


def _variant(group: _Group, node: q.Node, hits: Sequence[Hit], found: Found) -> Variant:
    families = {hit.family_id for hit in hits}
    return Variant(
        group.base_kind,
        group.base,
        group.way,
        q.to_text(node),
        len(hits),
        len(families),
        sum(hit.item_id not in found.documents for hit in hits),
        len(families - found.families),
    )


_KINDS, _WAYS = list(BaseKind), list(Way)


def rank(variant: Variant) -> tuple[int, int, int, int, str, str]:
    """Return what variants are sorted by: terms before names, the likeliest ways, then what adds most."""
    return (
        _KINDS.index(variant.base_kind),
        _WAYS.index(variant.way),
        -variant.added_documents,
        -variant.added_families,
        variant.base,
        variant.form,
    )


# -- forms of terms


@dataclass(frozen=True, slots=True)
class _Spot:
    """A leaf of a term, and how the term reads with another one in its place.

    Attributes:
        terms: Of the leaf.
        alone: Nothing else of the term has to be there.
        with_: Puts another node in its place.
    """

    terms: Terms
    alone: bool
    with_: Callable[[q.Node], q.Node]


def _of_terms(terms: Iterable[str], zone: ZoneInfo, book: NameBook, spellings: Spellings) -> Iterator[_Group]:
    for term in terms:
        try:
            node = parse(term, zone)
        except QuerySyntaxError:
            continue
        for spot in _spots(node):
            for way, leaves in _forms_of_leaf(spot, book, spellings):
                yield _Group(
                    BaseKind.TERM,
                    term,
                    way,
                    [spot.with_(_leaf(leaf)) for leaf in leaves if leaf != spot.terms],
                )


def _spots(
    node: q.Node, with_: Callable[[q.Node], q.Node] = lambda node: node, *, alone: bool = True
) -> Iterator[_Spot]:
    """Yield the leaves whose variants can find more, in order.

    What stands below NOT, or must not be near, would find less. Of words with OR between them the others are
    left out: what they find is found.
    """
    match node:
        case q.And():
            for at, child in enumerate(node.children):
                yield from _spots(child, _within_and(node, at, with_), alone=False)
        case q.Or():
            for child in node.children:
                yield from _spots(child, with_, alone=alone)
        case q.Near(left, right, distance, ordered):
            yield from _spots(left, lambda n: with_(q.Near(n, right, distance, ordered)), alone=False)
            yield from _spots(right, lambda n: with_(q.Near(left, n, distance, ordered)), alone=False)
        case q.NotNear(left, right, distance):
            yield from _spots(left, lambda n: with_(q.NotNear(n, right, distance)), alone=alone)
        case q.Field(name, child):
            if name not in q.LABEL_FIELDS:
                yield from _spots(child, lambda n: with_(q.Field(name, n)), alone=alone)
        case q.Not() | q.DateRange():
            pass
        case _:
            yield _Spot(q.terms_of(node), alone, with_)


def _within_and(node: q.And, at: int, with_: Callable[[q.Node], q.Node]) -> Callable[[q.Node], q.Node]:
    def put(new: q.Node) -> q.Node:
        inside = new.children if isinstance(new, q.And) else (new,)
        return with_(q.And((*node.children[:at], *inside, *node.children[at + 1 :])))

    return put


def _forms_of_leaf(spot: _Spot, book: NameBook, spellings: Spellings) -> Iterator[tuple[Way, list[Terms]]]:
    """Yield, by way, what may stand in the place of a leaf."""
    words = tuple(term.text if isinstance(term, q.Word) else "" for term in spot.terms)
    names: set[int] = set()
    by_way: dict[Way, list[Terms]] = {}
    for first, end, name, in_full in book.in_words(words):
        names.update(range(first, end))
        for way, form in ((Way.NAME, name.tokens), *book.forms(name, in_full=in_full)):
            leaf = (*spot.terms[:first], *_words(form), *spot.terms[end:])
            by_way.setdefault(way, []).append(leaf)
    yield from by_way.items()
    yield Way.SPACING, list(spaced(spot.terms))
    for leaves in misspelt(spot.terms, spellings, alone=spot.alone):
        yield Way.MISSPELLING, leaves
    stems = stemmed(spot.terms, frozenset(names))
    if stems is not None:
        yield Way.STEM, [stems]


# -- forms of names


def _of_names(book: NameBook, spellings: Spellings, text: str) -> Iterator[tuple[list[Form], list[_Group]]]:
    """Yield the forms of whom and what the request's text names, then of the other custodians.

    Before the forms stand those whose documents are no news. Of somebody the text names that is the name in
    full, which is proposed itself. A custodian's own mail is no news either: of a custodian, nothing is
    proposed but what is found under none of the name, the addresses and the numbers that the request states,
    and the surname by itself is not.
    """
    in_text = book.in_text(text)
    for name in in_text:
        forms = [(Way.NAME, name.tokens), *book.forms(name)]
        yield [name.tokens], _groups_of_name(BaseKind(name.kind), name, forms, spellings)
    for name in book.custodians:
        if name not in in_text:
            forms = [(way, form) for way, form in book.forms(name) if not _is_part(form, name.tokens)]
            yield known_forms(name), _groups_of_name(BaseKind.CUSTODIAN, name, forms, spellings)


def _groups_of_name(
    kind: BaseKind, name: Name, forms: Sequence[tuple[Way, Form]], spellings: Spellings
) -> list[_Group]:
    by_way: dict[Way, list[q.Node]] = {}
    for way, form in forms:
        by_way.setdefault(way, []).append(_leaf(_words(form)))
    for leaves in misspelt(_words(name.tokens), spellings, alone=True):
        by_way.setdefault(Way.MISSPELLING, []).extend(map(_leaf, leaves))
    return [_Group(kind, name.text, way, nodes) for way, nodes in by_way.items()]


def _is_part(form: Form, whole: Form) -> bool:
    return any(whole[at : at + len(form)] == form for at in range(len(whole)))


def _words(form: Form) -> Terms:
    return tuple(map(q.Word, form))


def _leaf(terms: Terms) -> q.Node:
    return terms[0] if len(terms) == 1 else q.Phrase(terms)


def _any_of(nodes: Sequence[q.Node]) -> q.Node:
    return nodes[0] if len(nodes) == 1 else q.Or(tuple(nodes))
