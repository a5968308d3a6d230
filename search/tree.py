"""The query tree: what the language is parsed into and every engine compiles from.

All nodes are frozen and comparable. Text in the tree is folded already: a word is exactly one token. Meaning:

- A leaf outside a field searches subject, text, file name and participants. A phrase matches inside one
  field.
- ``And``, ``Or`` and ``Not`` work on one document (an attachment is its own document). ``Not`` alone is
  allowed: every document but those.
- ``Near`` and ``NotNear`` ask how far spans of words stand apart in one field. A span of a term is its one
  place, of a phrase its places, of an ``Or`` those of its children. Operands are leaves, ``Or`` of
  operands and ``Near``: whatever has spans.
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

LABEL_FIELDS = ("custodian", "source", "kind", "type", "lang", "has")
"""Fields that hold values of a set, ``has`` and ``lang`` several; each is compared whole, after folding."""

RELATED_FIELDS = ("attachment", "family")
"""Fields that ask about another document of the family."""

FIELDS = ("from", "to", "cc", "bcc", "participants", "subject", "body", "attachment", "filename", "custodian",
          "source", "kind", "type", "lang", "sent", "has", "family")  # fmt: skip
"""Every field name of the language, in the order of the documentation."""

MAX_DISTANCE = 255
"""Largest N of ``w/N``; words farther apart than this are asked for with AND."""

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


@dataclass(frozen=True, slots=True)
class Wild:
    """Every token that a pattern fits (``appl?``, ``*ple``, ``p12==``).

    Attributes:
        pattern: Letters and digits stand for themselves, ``*`` for any run of letters and digits, none too,
            ``?`` for exactly one letter or digit, ``=`` for exactly one digit 0 to 9. One with
            a single ``*``, at its end, is a ``Prefix`` instead.
    """

    pattern: str


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """Every token that is spelled nearly so (``ba%nana``).

    Attributes:
        text: The word, without the signs.
        edits: How many letters may differ, 1 or 2: one more, one less, another one, or two neighbours swapped
            (Damerau's distance as optimal string alignment).
        same: How many characters at the beginning must be the same: those before the first ``%``.
    """

    text: str
    edits: int
    same: int


@dataclass(frozen=True, slots=True)
class Stem:
    """Every token with the same stem (``apply~``), by Snowball's English stemmer."""

    text: str


Term = Word | Prefix | Wild | Fuzzy | Stem
"""What stands for one token."""


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
class Near:
    """A span of the left and one of the right, near one another in one field (``a w/5 b``, ``a pre/5 b``).

    The two do not overlap, and at most ``distance - 1`` tokens lie between the end of the earlier and the
    start of the later: side by side is a distance of 1. Its own span reaches from the first place of both to
    the last.

    Attributes:
        left: An operand: a leaf, an ``Or`` of operands, or a ``Near``.
        right: Another one.
        distance: From 1 to ``MAX_DISTANCE``.
        ordered: Whether the left one comes first.
    """

    left: Node
    right: Node
    distance: int
    ordered: bool


@dataclass(frozen=True, slots=True)
class NotNear:
    """A span of the left with none of the right near it, on either side (``a not w/5 b``).

    A span of the right that overlaps it does not count as near. Attributes are as in ``Near``; its spans are
    those of the left that stay.
    """

    left: Node
    right: Node
    distance: int


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


Leaf = Word | Prefix | Wild | Fuzzy | Stem | Phrase
Node = Word | Prefix | Wild | Fuzzy | Stem | Phrase | And | Or | Not | Near | NotNear | Field | DateRange


def terms_of(leaf: Leaf) -> tuple[Term, ...]:
    """Return a leaf's terms in order; a term is its own only one."""
    return leaf.terms if isinstance(leaf, Phrase) else (leaf,)


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below."""
    match node:
        case And() | Or():
            return node.children
        case Near() | NotNear():
            return (node.left, node.right)
        case Not() | Field():
            return (node.child,)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it, each before its children."""
    yield node
    for child in children(node):
        yield from walk(child)


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield every leaf that is asked of text, in order; a label's is no word of the index."""
    if isinstance(node, Leaf):
        yield node
    elif not (isinstance(node, Field) and node.name in LABEL_FIELDS):
        for child in children(node):
            yield from leaves(child)


def open_terms(node: Node) -> Iterator[Term]:
    """Yield every term asked of text that may stand for several words, in order: all but plain words."""
    for leaf in leaves(node):
        yield from (term for term in terms_of(leaf) if not isinstance(term, Word))


def prefixes(node: Node) -> Iterator[Prefix]:
    """Yield every prefix that is asked of text, in order."""
    return (term for term in open_terms(node) if isinstance(term, Prefix))


_QUOTED = frozenset({"and", "or", "not", "xfirstword", "xlastword"})
"""Words that mean something outside quotes."""


def to_text(node: Node) -> str:
    """Write the tree in the language, in one normal form: parsing it gives the same tree again."""
    match node:
        case Word():
            return f'"{node.text}"' if node.text in _QUOTED else node.text
        case Prefix() | Wild() | Fuzzy() | Stem():
            return term_text(node)
        case Phrase():
            return '"' + " ".join(map(term_text, node.terms)) + '"'
        case And():
            return " AND ".join(map(_operand, node.children))
        case Or():
            return " OR ".join(map(_operand, node.children))
        case Not():
            return f"NOT {_operand(node.child)}"
        case Near():
            joint = f"{'pre' if node.ordered else 'w'}/{node.distance}"
            return f"{_operand(node.left)} {joint} {_operand(node.right)}"
        case NotNear():
            return f"{_operand(node.left)} NOT w/{node.distance} {_operand(node.right)}"
        case Field():
            simple = isinstance(node.child, Leaf)
            return f"{node.name}:{to_text(node.child)}" if simple else f"{node.name}:({to_text(node.child)})"
        case DateRange():
            return f"sent:{_days(node)}"


def term_text(term: Term) -> str:
    """Write one term in the language; an operator word outside a phrase needs quotation marks besides."""
    match term:
        case Word():
            return term.text
        case Prefix():
            return f"{term.text}*"
        case Wild():
            return term.pattern
        case Fuzzy():
            return term.text[: term.same] + "%" * term.edits + term.text[term.same :]
        case Stem():
            return f"{term.text}~"


def _operand(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, And | Or | Near | NotNear) else text


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
        leaf: Words, prefixes and patterns below a label field; how a label is spelled is known, so nothing
            fuzzy is asked of it.
        value: The label as stored, unfolded.
    """
    folded = " ".join(tokens(value))
    terms = terms_of(leaf)
    pattern = " ".join(map(term_pattern, terms))
    if isinstance(terms[-1], Prefix):
        pattern = pattern.removesuffix(_ANY_LETTERS) + ".*"
    return re.fullmatch(pattern, folded) is not None


def term_pattern(term: Term) -> str:
    """Return a regular expression for the tokens of a word, prefix or pattern.

    Spaces part tokens, and line breaks fields.
    """
    match term:
        case Word():
            return re.escape(term.text)
        case Prefix():
            return re.escape(term.text) + _ANY_LETTERS
        case Wild():
            return "".join(_SIGNS.get(character) or re.escape(character) for character in term.pattern)
        case _:
            raise ValueError("only a word, prefix or pattern is an expression")


_ANY_LETTERS = r"[^ \n]*"
_SIGNS = {"*": _ANY_LETTERS, "?": r"[^ \n]", "=": "[0-9]"}
