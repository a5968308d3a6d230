"""From a tree to one expression of FTS5, where FTS5 can say it exactly; and to one that finds candidates.

Words, prefixes, phrases and what AND, OR and NOT make of them are one FTS5 expression. FTS5's own NEAR counts
tokens between two phrases as ``w/N`` does, with N - 1 for N, but knows no order and lets one token serve
twice (fts5_expr.c, ``fts5ExprNearIsMatch``): ``a w/5 a*`` would match a single ``a``. So it is used where no
place of one side can overlap a place of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from search import tree as q
from search.embedded_files import COLUMNS

TOGETHER = 64
"""Most alternatives in one FTS5 expression: each row is compared with all of them."""


def fts_expression(node: q.Node, field: str | None, role_words: str | None = None) -> str | None:
    """Return the FTS5 expression of a tree, or None when FTS5 cannot say it exactly.

    Args:
        node: The tree.
        field: The text field it is asked of, or None for the default fields.
        role_words: The words that stand in from, to, cc and bcc, see ``ROLE_WORDS``; None: unknown.
    """
    match node:
        case q.Word() | q.Prefix() | q.Phrase():
            return _scope(field, (node,), role_words) + _words(node)
        case q.Near():
            return _fts_near(node, field, role_words)
        case q.Or():
            if len(node.children) > TOGETHER:
                return None
            parts = [fts_expression(child, field, role_words) for child in node.children]
            known = [part for part in parts if part is not None]
            return " OR ".join(f"({part})" for part in known) if len(known) == len(parts) else None
        case q.And():
            return _fts_and(node, field, role_words)
        case q.Field() if node.name in q.TEXT_FIELDS:
            return fts_expression(node.child, node.name, role_words)
        case _:
            return None


def _fts_and(node: q.And, field: str | None, role_words: str | None) -> str | None:
    wanted: list[str] = []
    unwanted: list[str] = []
    for child in node.children:
        negative = isinstance(child, q.Not)
        part = fts_expression(child.child if isinstance(child, q.Not) else child, field, role_words)
        if part is None:
            return None
        (unwanted if negative else wanted).append(f"({part})")
    if not wanted:
        return None
    expression = " AND ".join(wanted)
    return f"({expression}) NOT ({' OR '.join(unwanted)})" if unwanted else expression


# -- words near one another


def leaf_of(leaf: q.Leaf, field: str | None) -> str:
    """Return the expression of a word, prefix or phrase in the columns of a field; None: the default ones."""
    return _scope(field, (leaf,), None) + _words(leaf)


def _scope(field: str | None, leaves: Sequence[q.Leaf], role_words: str | None) -> str:
    """Return what keeps leaves that stand together in one column to the columns of a field.

    FTS5 then takes every place of a word apart: measured, that doubles what a common word near another costs.
    Where they cannot all stand in a column that is not asked, nothing has to be kept out.
    """
    if field is None and role_words is not None and not _all_in(leaves, role_words):
        return ""
    return f"{{{columns(field)}}} : "


def _all_in(leaves: Sequence[q.Leaf], words: str) -> bool:
    """Say whether each word of leaves is among words, ``" a b "``."""
    return all(
        (f" {term.text}" if isinstance(term, q.Prefix) else f" {term.text} ") in words
        for leaf in leaves
        for term in q.terms_of(leaf)
        if isinstance(term, q.Word | q.Prefix)
    )


def columns(field: str | None) -> str:
    """Return the columns that a field stands for, with a space between; None: the default fields."""
    return " ".join(COLUMNS[name] for name in (q.DEFAULT_FIELDS if field is None else (field,)))


def _words(leaf: q.Leaf) -> str:
    terms = [term for term in q.terms_of(leaf) if isinstance(term, q.Word | q.Prefix)]
    assert len(terms) == len(q.terms_of(leaf)), "patterns are written out before"
    return " + ".join(f'"{t.text}"{"*" * isinstance(t, q.Prefix)}' for t in terms)


def _alternatives(node: q.Node) -> list[q.Leaf] | None:
    """Return the leaves of an operand that is a leaf or an OR of leaves, else None."""
    if isinstance(node, q.Leaf):
        return [node]
    if not isinstance(node, q.Or):
        return None
    found: list[q.Leaf] = []
    for child in node.children:
        inner = _alternatives(child)
        if inner is None:
            return None
        found += inner
    return found


def _pairs(node: q.Near) -> list[tuple[q.Leaf, q.Leaf]] | None:
    """Return every pair of alternatives, or None when an operand is a ``Near`` or they are too many."""
    left, right = _alternatives(node.left), _alternatives(node.right)
    if left is None or right is None or len(left) * len(right) > TOGETHER:
        return None
    return list(product(left, right))


def _fts_near(node: q.Near, field: str | None, role_words: str | None) -> str | None:
    """Return the FTS5 expression that is exactly this ``Near``, or None."""
    pairs = _pairs(node)
    if pairs is None:
        return None
    if node.distance == 1:  # side by side: a phrase
        both = [(x, y) for x, y in pairs] + ([] if node.ordered else [(y, x) for x, y in pairs])
        return " OR ".join(f"({_scope(field, (x, y), role_words)}{_words(x)} + {_words(y)})" for x, y in both)
    if node.ordered or any(_can_overlap(x, y) for x, y in pairs):
        return None
    return _near_pairs(pairs, node.distance, field, role_words)


def _near_pairs(
    pairs: Sequence[tuple[q.Leaf, q.Leaf]], distance: int, field: str | None, role_words: str | None
) -> str:
    return " OR ".join(
        f"({_scope(field, (x, y), role_words)}NEAR({_words(x)} {_words(y)}, {distance - 1}))"
        for x, y in pairs
    )


def _can_overlap(x: q.Leaf, y: q.Leaf) -> bool:
    """Say whether a place of one leaf and one of another can share a token."""
    left, right = q.terms_of(x), q.terms_of(y)
    return any(
        all(
            _same_word(left[n + shift], right[n])
            for n in range(max(0, -shift), min(len(right), len(left) - shift))
        )
        for shift in range(1 - len(right), len(left))
    )


def _same_word(one: q.Term, other: q.Term) -> bool:
    """Say whether one token can be both."""
    assert isinstance(one, q.Word | q.Prefix)
    assert isinstance(other, q.Word | q.Prefix)
    if isinstance(one, q.Prefix) and isinstance(other, q.Prefix):
        return one.text.startswith(other.text) or other.text.startswith(one.text)
    if isinstance(one, q.Prefix):
        return other.text.startswith(one.text)
    if isinstance(other, q.Prefix):
        return one.text.startswith(other.text)
    return one == other


def candidates_of(node: q.Node, field: str | None) -> str:
    """Return an FTS5 expression that every document with a span of an operand matches, and some others."""
    match node:
        case q.Near():
            pairs = _pairs(node)
            if pairs is not None:
                return _near_pairs(pairs, node.distance, field, None)
            return f"({candidates_of(node.left, field)}) AND ({candidates_of(node.right, field)})"
        case q.Or():
            return " OR ".join(f"({candidates_of(child, field)})" for child in node.children)
        case _:
            assert isinstance(node, q.Leaf)
            return leaf_of(node, field)


def is_wide(node: q.Node) -> bool:
    """Say whether a tree has so many words that one expression with all of them would crawl."""
    return len(list(q.leaves(node))) > TOGETHER
