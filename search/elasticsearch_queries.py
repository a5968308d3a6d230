"""From a tree to a query of Elasticsearch.

Queries are ``term``, ``terms``, ``prefix``, ``match_phrase``, ``intervals`` and ``bool`` over folded words,
never ``query_string``. A question about another document of the family is asked first, and its answer's ids
are the condition; so is what the server cannot say exactly: each candidate is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

from search import expansion
from search import tree as q
from search.folding import TOKEN_CHARACTERS, fold
from search.matcher import Tokens, holds

_RULES_EACH = 1_000  # words of one query that are asked as intervals; the server counts each as a clause
IDS_EACH = 50_000  # below index.max_terms_count


class Asked(Protocol):
    """What a compiler asks of the index on its way."""

    def expand(self, term: q.Term) -> list[str]:
        """Return the words of the index that a term stands for."""

    def label_values(self, field: str) -> list[str]:
        """Return every value of a label field."""

    def rows(self, query: dict[str, Any], fields: tuple[str, ...]) -> Iterator[list[Any]]:
        """Yield keyword fields of every document that matches."""

    def texts(self, query: dict[str, Any], name: str) -> Iterator[tuple[str, list[str]]]:
        """Yield every document that matches with the values of a text field."""


class Compiler:
    """Compiles trees for one state of an index."""

    def __init__(self, index: Asked) -> None:
        """Keep the index; it is asked while a tree is compiled."""
        self._index = index

    def compile(self, node: q.Node) -> dict[str, Any]:
        """Compile a tree.

        Raises:
            TooManyWords: A ``*`` stands for more than ``PREFIX_LIMIT`` words.
        """
        known: dict[q.Term, list[str]] = {}
        for term in q.open_terms(node):
            if term not in known:
                known[term] = self._index.expand(term)
        return self._query(expansion.plain(node, known.__getitem__), None)

    def _query(self, node: q.Node, field: str | None) -> dict[str, Any]:
        match node:
            case q.And():
                wanted = [child for child in node.children if not isinstance(child, q.Not)]
                unwanted = [child.child for child in node.children if isinstance(child, q.Not)]
                return {
                    "bool": {
                        "filter": [self._query(child, field) for child in wanted],
                        "must_not": [self._query(child, field) for child in unwanted],
                    }
                }
            case q.Or():
                return self._or(node, field)
            case q.Not():
                return {"bool": {"must_not": [self._query(node.child, field)]}}
            case q.Field():
                return self._field(node)
            case q.DateRange():
                bounds = {"gte": node.first, "lte": node.last}
                return {"range": {"day": {name: day.isoformat() for name, day in bounds.items() if day}}}
            case q.Near() | q.NotNear():
                names = q.DEFAULT_FIELDS if field is None else (field,)
                return _any([self._near(node, name) for name in names])
            case _:
                if field in q.LABEL_FIELDS:
                    return self._label(node, field)
                names = q.DEFAULT_FIELDS if field is None else (field,)
                return _any([self._leaf(node, name) for name in names])

    def _or(self, node: q.Or, field: str | None) -> dict[str, Any]:
        """Plain words are one ``terms`` a field, however many they are."""
        if field in q.LABEL_FIELDS:
            return _any([self._query(child, field) for child in node.children])
        words = sorted({child.text for child in node.children if isinstance(child, q.Word)})
        rest = [child for child in node.children if not isinstance(child, q.Word)]
        names = q.DEFAULT_FIELDS if field is None else (field,)
        return _any([
            *({"terms": {name: words}} for name in names if words),
            *(self._query(child, field) for child in rest),
        ])  # fmt: skip

    def _field(self, node: q.Field) -> dict[str, Any]:
        if node.name not in q.RELATED_FIELDS:
            return self._query(node.child, node.name)
        if node.name == "attachment":
            carried = {
                "bool": {"filter": [self._query(node.child, "body"), {"exists": {"field": "parent_id"}}]}
            }
            return _among("item_id", (row[0] for row in self._index.rows(carried, ("parent_id",))))
        inner = self._query(node.child, None)
        return _among("family_id", (row[0] for row in self._index.rows(inner, ("family_id",))))

    def _label(self, leaf: q.Leaf, field: str) -> dict[str, Any]:
        values = self._index.label_values(field)
        return {"terms": {field: [value for value in values if q.label_matches(leaf, value)]}}

    def _leaf(self, leaf: q.Leaf, name: str) -> dict[str, Any]:
        match leaf:
            case q.Word():
                return {"term": {name: leaf.text}}
            case q.Prefix():
                if leaf.text.isascii():
                    return {"prefix": {name: leaf.text}}
                # The server measures prefixes in bytes or in UTF-16 units.
                return {"terms": {name: self._index.expand(leaf)}}
            case q.Phrase():
                if all(isinstance(t, q.Word) and len(t.text) <= TOKEN_CHARACTERS for t in leaf.terms):
                    return {"match_phrase": {name: " ".join(term.text for term in leaf.terms)}}  # type: ignore[union-attr]
                return self._open_phrase(leaf, name)
            case _:
                raise AssertionError("patterns are written out before")

    def _near(self, node: q.Near | q.NotNear, name: str) -> dict[str, Any]:
        """Words near one another: as intervals where these are exact, else each candidate is decided."""
        if isinstance(node, q.Near):
            left, right = self._operand(node.left), self._operand(node.right)
            if left is not None and right is not None:
                orders = [(left, right)] if node.ordered else [(left, right), (right, left)]
                # Ordered intervals never overlap; unordered ones may, and would let one place serve twice.
                return _any([_side_by_side(name, list(order), node.distance - 1) for order in orders])
        found: set[str] = set()
        for item_id, texts in self._index.texts(self._candidates(node, name), name):
            tokens = Tokens([token for text in texts for token in fold(text).split()])
            if holds(node, tokens.places):
                found.add(item_id)
        return _among("item_id", found)

    def _operand(self, node: q.Node) -> list[dict[str, Any]] | None:
        """Return the alternatives of an operand as rules, or None where intervals would not be exact.

        Intervals keep the shortest of places that lie in one another, so the gap of a longer place is lost:
        alternatives must be of one length. What is too many for one query is decided too.
        """
        leaves = list(node.children) if isinstance(node, q.Or) else [node]
        rules: list[dict[str, Any]] = []
        lengths: set[int] = set()
        for leaf in leaves:
            if not isinstance(leaf, q.Leaf):
                return None
            choices = [self._choices(term) for term in q.terms_of(leaf)]
            lengths.add(len(choices))
            if len(choices) == 1:
                rules += choices[0]
            elif all(choices):
                rules.append(_in_order(choices, 0))
            if len(lengths) > 1 or len(rules) + sum(map(len, choices)) > _RULES_EACH:
                return None
        return rules

    def _candidates(self, node: q.Node, name: str) -> dict[str, Any]:
        """Return a condition that every document with a span of an operand meets, and some others."""
        match node:
            case q.Near():
                return {"bool": {"filter": [self._candidates(n, name) for n in (node.left, node.right)]}}
            case q.NotNear():
                return self._candidates(node.left, name)
            case q.Or():
                return _any([self._candidates(child, name) for child in node.children])
            case _:
                assert isinstance(node, q.Leaf)
                return self._leaf(node, name)

    def _open_phrase(self, phrase: q.Phrase, name: str) -> dict[str, Any]:
        """A phrase with terms that stand for several words; too many of them are asked in parts."""
        choices = [self._choices(term) for term in phrase.terms]
        most = max(range(len(choices)), key=lambda place: len(choices[place]))
        if sum(map(len, choices)) <= _RULES_EACH:
            return _side_by_side(name, choices)
        if not all(choices):
            return {"match_none": {}}
        found: set[str] = set()
        words = iter(choices[most])
        while piece := list(islice(words, _RULES_EACH)):
            query = _side_by_side(name, [*choices[:most], piece, *choices[most + 1 :]])
            found.update(row[0] for row in self._index.rows(query, ("item_id",)))
        return _among("item_id", found)

    def _choices(self, term: q.Term) -> list[dict[str, Any]]:
        """The words that a term of a phrase stands for, as rules."""
        match term:
            case q.Word():  # a longer one stands for nothing; the analyzer would make it two
                return [{"match": {"query": term.text}}] if len(term.text) <= TOKEN_CHARACTERS else []
            case q.Prefix():
                return [{"match": {"query": word}} for word in self._index.expand(term)]
            case _:
                raise AssertionError("patterns are written out before")


def _side_by_side(name: str, choices: list[list[dict[str, Any]]], gaps: int = 0) -> dict[str, Any]:
    return {"intervals": {name: _in_order(choices, gaps)}} if all(choices) else {"match_none": {}}


def _in_order(choices: list[list[dict[str, Any]]], gaps: int) -> dict[str, Any]:
    rules = [words[0] if len(words) == 1 else {"any_of": {"intervals": words}} for words in choices]
    return {"all_of": {"ordered": True, "max_gaps": gaps, "intervals": rules}}


def _any(queries: list[dict[str, Any]]) -> dict[str, Any]:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}


def _among(field: str, ids: Iterable[str]) -> dict[str, Any]:
    """A condition on many ids, in pieces that the server takes."""
    wanted = iter(sorted(set(ids)))
    pieces: list[dict[str, Any]] = []
    while piece := list(islice(wanted, IDS_EACH)):
        pieces.append({"terms": {field: piece}})
    return _any(pieces) if pieces else {"match_none": {}}
