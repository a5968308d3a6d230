"""The query tree: what the language is parsed into and every engine compiles from.

All nodes are frozen and comparable. Text in the tree is folded already: a word is exactly one token. Meaning:

- A leaf outside a field searches subject, text, file name and participants. A phrase matches inside one
  field.
- ``And``, ``Or`` and ``Not`` work on one document (an attachment is its own document). ``Not`` alone is
  allowed: every document but those.
- ``Field`` puts its child into one field. Three are special: ``attachment`` asks for a document that directly
  carries a child whose text matches, ``family`` for a document of a family with a member that matches (both
  take the whole child tree for one and the same document), and the labels compare the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from search.folding import tokens

TEXT_FIELDS = ("subject", "body", "filename", "from", "to", "cc", "bcc", "participants")
"""Fields that hold words."""

DEFAULT_FIELDS = ("subject", "body", "filename", "participants")
"""What a leaf outside a field searches."""

LABEL_FIELDS = ("custodian", "source", "kind", "has")
"""Fields that hold one value of a set; the whole value is compared, after folding."""

RELATED_FIELDS = ("attachment", "family")
"""Fields that ask about another document of the family."""

FIELDS = ("from", "to", "cc", "bcc", "participants", "subject", "body", "attachment", "filename", "custodian",
          "source", "kind", "sent", "has", "family")  # fmt: skip
"""Every field name of the language, in the order of the documentation."""

HAS_VALUES = ("attachment", "date", "text", "ocr_pending")
"""What ``has:`` can ask for."""


@dataclass(frozen=True, slots=True)
class Word:
    """One token, exactly."""

    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """Every token that starts with ``text`` (``appl*``)."""

    text: str


Term = Word | Prefix
"""What stands for one token; a further wildcard is a further kind of term."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Two terms or more, side by side in one field."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class And:
    """Every child matches; two or more."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one child matches; two or more."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The child does not match."""

    child: Node


@dataclass(frozen=True, slots=True)
class Field:
    """The child, asked of one field; ``name`` is one of ``FIELDS`` but ``sent``."""

    name: str
    child: Node


@dataclass(frozen=True, slots=True)
class DateRange:
    """Sent within whole days, both inclusive.

    Attributes:
        first: First day, or None for no lower bound; one of the two bounds is there.
        last: Last day, or None for no upper bound.
        zone: Name of the zone the days are days of: the request's.
    """

    first: date | None
    last: date | None
    zone: str


Leaf = Word | Prefix | Phrase
Node = Word | Prefix | Phrase | And | Or | Not | Field | DateRange


def terms_of(leaf: Leaf) -> tuple[Term, ...]:
    """Return a leaf's terms in order; a word or prefix is its own only term."""
    return leaf.terms if isinstance(leaf, Phrase) else (leaf,)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below."""
    match node:
        case And() | Or():
            return node.children
        case Not() | Field():
            return (node.child,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, each before its children."""
    yield node
    for child in children(node):
        yield from walk(child)


def prefixes(node: Node) -> Iterator[Prefix]:
    """Yield every prefix that an engine has to expand, in order; a label's is no word of the index."""
    match node:
        case Prefix():
            yield node
        case Phrase():
            yield from (term for term in node.terms if isinstance(term, Prefix))
        case Field() if node.name in LABEL_FIELDS:
            return
        case _:
            for child in children(node):
                yield from prefixes(child)


_QUOTED = frozenset({"and", "or", "not", "xfirstword", "xlastword"})
"""Words that mean something outside quotes."""


def to_text(node: Node) -> str:
    """Write the tree in the language, in one normal form: parsing it gives the same tree again."""
    match node:
        case Word():
            return f'"{node.text}"' if node.text in _QUOTED else node.text
        case Prefix():
            return f"{node.text}*"
        case Phrase():
            return '"' + " ".join(t.text + "*" * isinstance(t, Prefix) for t in node.terms) + '"'
        case And():
            return " AND ".join(map(_operand, node.children))
        case Or():
            return " OR ".join(map(_operand, node.children))
        case Not():
            return f"NOT {_operand(node.child)}"
        case Field():
            simple = isinstance(node.child, Word | Prefix | Phrase)
            return f"{node.name}:{to_text(node.child)}" if simple else f"{node.name}:({to_text(node.child)})"
        case DateRange():
            return f"sent:{_days(node)}"


def _operand(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, And | Or) else text


def _days(days: DateRange) -> str:
    if days.first == days.last and days.first is not None:
        return days.first.isoformat()
    if days.first is not None and days.last is not None:
        return f"{days.first.isoformat()}..{days.last.isoformat()}"
    if days.first is not None:
        return f">={days.first.isoformat()}"
    assert days.last is not None
    return f"<={days.last.isoformat()}"


def label_matches(leaf: Leaf, value: str) -> bool:
    """Say whether a label's value is what the leaf asks for: the whole value; a last ``*`` is any ending.

    Args:
        leaf: A word, prefix or phrase below a label field.
        value: The label as stored, unfolded.
    """
    folded = " ".join(tokens(value))
    terms = terms_of(leaf)
    pattern = " ".join(re.escape(t.text) + ("[^ ]*" if isinstance(t, Prefix) else "") for t in terms)
    if isinstance(terms[-1], Prefix):
        pattern = pattern.removesuffix("[^ ]*") + ".*"
    return re.fullmatch(pattern, folded) is not None
