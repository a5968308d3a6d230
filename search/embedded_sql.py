"""From a tree to SQL over one shard.

What FTS5 can say exactly is one expression (``search.embedded_fts``); days, labels, ``attachment:``,
``family:`` and NOT alone are set algebra over row numbers in SQL, around it. What is put together here is
names and placeholders; every value is bound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import apsw

from search import tree as q
from search.embedded_deciding import Clock, Question, Wide
from search.embedded_files import HAS_BITS
from search.embedded_fts import TOGETHER, candidates_of, fts_expression, is_wide, leaf_of
from search.embedded_shards import Shard

_HIT_COLUMNS = "d.item_id, d.family_id, custodians.value, sources.value, d.distinct_key"
_HIT_SOURCE = (
    "docs d CROSS JOIN labels custodians ON custodians.label = d.custodian "
    "CROSS JOIN labels sources ON sources.label = d.source"
)


def hit_rows(shard: apsw.Connection, documents: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what a ``Hit`` is made of, for the documents whose numbers a query selects."""
    sql = f"SELECT {_HIT_COLUMNS} FROM {_HIT_SOURCE} WHERE d.doc IN ({documents})"  # noqa: S608 - see above
    return list(shard.execute(sql, bound))


class Compiler:
    """Compiles a tree to a condition over ``docs d`` of one shard (label numbers are the shard's own)."""

    def __init__(self, shard: Shard, clock: Clock) -> None:
        self._shard = shard.connection
        self._role_words = shard.role_words
        self._clock = clock
        self._bound: dict[str, Any] = {}
        self._aliases = 0

    def documents(self, node: q.Node) -> tuple[str, dict[str, Any]]:
        """Return what selects the numbers of matching documents, and the values it names."""
        match = fts_expression(node, None, self._role_words)
        if match is not None:  # FTS5 knows them
            return "SELECT rowid AS doc FROM words WHERE words MATCH :match", {"match": match}
        return f"SELECT d.doc AS doc FROM docs d WHERE {self._where(node, 'd', None)}", self._bound  # noqa: S608

    def _bind(self, value: Any) -> str:
        name = f"v{len(self._bound)}"
        self._bound[name] = value
        return f":{name}"

    def _where(self, node: q.Node, alias: str, field: str | None) -> str:
        """Return a condition that is 0 or 1, never NULL, so that NOT in front of it stays true or false."""
        if field not in q.LABEL_FIELDS:
            match = fts_expression(node, field, self._role_words)
            if match is not None:
                wanted = f"words MATCH {self._bind(match)}"
                return f"{alias}.doc IN (SELECT rowid FROM words WHERE {wanted})"  # noqa: S608 - see above
        match node:
            case q.And():
                return self._and(node, alias, field)
            case q.Or():
                return self._or(node, alias, field)
            case q.Not():
                return f"NOT ({self._where(node.child, alias, field)})"
            case q.Near():
                return self._near(node, alias, field)
            case q.NotNear():
                return self._not_near(node, alias, field)
            case q.Field():
                return self._field(node, alias)
            case q.DateRange():
                return self._days(node, alias)
            case _:
                assert field is not None
                assert isinstance(node, q.Leaf)
                return self._label(node, alias, field)

    def _and(self, node: q.And, alias: str, field: str | None) -> str:
        """Whatever FTS5 can do goes into one expression; the rest narrows it."""
        words, rest = _split(node.children, field)
        merged = [q.And(tuple(words))] if len(words) > 1 else words
        if words and fts_expression(merged[0], field) is None:  # NOTs only: FTS5 has no NOT alone
            merged = words
        return _joined("AND", [self._where(child, alias, field) for child in (*merged, *rest)])

    def _or(self, node: q.Or, alias: str, field: str | None) -> str:
        words: list[q.Node] = []
        rest: list[q.Node] = []
        for child in node.children:
            fits = field not in q.LABEL_FIELDS and fts_expression(child, field) is not None
            (words if fits else rest).append(child)
        merged = [
            q.Or(tuple(piece)) if len(piece) > 1 else piece[0]
            for piece in (words[n : n + TOGETHER] for n in range(0, len(words), TOGETHER))
        ]
        return _joined("OR", [self._where(child, alias, field) for child in (*merged, *rest)])

    def _near(self, node: q.Near, alias: str, field: str | None) -> str:
        """Words near one another that FTS5 cannot say exactly: candidates, each decided."""
        if is_wide(node):
            return self._wide(node, alias, field)
        return self._decided(node, candidates_of(node, field), alias, field)

    def _not_near(self, node: q.NotNear, alias: str, field: str | None) -> str:
        """Where nothing of the right is near any left one there is nothing to decide; else each is."""
        if is_wide(node):
            return self._wide(node, alias, field)
        left = candidates_of(node.left, field)
        if any(isinstance(below, q.Near) for below in q.walk(node.left)):
            return self._decided(node, left, alias, field)  # what is left itself has to be decided first
        near = candidates_of(q.Near(node.left, node.right, node.distance, ordered=False), field)
        far = self._bind(f"({left}) NOT ({near})")
        free = f"{alias}.doc IN (SELECT rowid FROM words WHERE words MATCH {far})"  # noqa: S608 - see above
        return f"({free}) OR ({self._decided(node, near, alias, field)})"

    def _wide(self, node: q.Near | q.NotNear, alias: str, field: str | None) -> str:
        """Decide where an operand is so many words that one expression with all of them would crawl."""
        documents = sorted(Wide(self._shard, self._clock, field).documents(node))
        return f"{alias}.doc IN (SELECT value FROM json_each({self._bind(json.dumps(documents))}))"  # noqa: S608

    def _decided(self, node: q.Node, candidates: str, alias: str, field: str | None) -> str:
        leaves = list(dict.fromkeys(q.leaves(node)))
        places = " OR ".join(leaf_of(leaf, field) for leaf in leaves)
        match = self._bind(f"({candidates}) AND ({places})")
        question = self._bind(apsw.pyobject(Question(node, leaves, self._clock)))
        wanted = f"words MATCH {match} AND decided(words, {question})"
        return f"{alias}.doc IN (SELECT rowid FROM words WHERE {wanted})"  # noqa: S608 - see above

    def _field(self, node: q.Field, alias: str) -> str:
        if node.name not in q.RELATED_FIELDS:
            return self._where(node.child, alias, node.name)
        self._aliases += 1
        other = f"o{self._aliases}"
        if node.name == "attachment":
            inner = self._where(node.child, other, "body")
            carried = f"{other}.parent IS NOT NULL AND ({inner})"
            return f"{alias}.doc IN (SELECT {other}.parent FROM docs {other} WHERE {carried})"  # noqa: S608
        inner = self._where(node.child, other, None)
        members = f"SELECT {other}.family FROM docs {other} WHERE {inner}"  # noqa: S608 - see above
        return f"{alias}.family IN ({members})"

    def _days(self, days: q.DateRange, alias: str) -> str:
        parts = [f"{alias}.sent_on IS NOT NULL"]
        if days.first is not None:
            parts.append(f"{alias}.sent_on >= {self._bind(days.first.isoformat())}")
        if days.last is not None:
            parts.append(f"{alias}.sent_on <= {self._bind(days.last.isoformat())}")
        return " AND ".join(parts)

    def _label(self, leaf: q.Leaf, alias: str, field: str) -> str:
        if field == "has":
            mask = sum(bit for value, bit in HAS_BITS.items() if q.label_matches(leaf, value))
            return f"({alias}.has & {mask}) != 0"
        rows = self._shard.execute("SELECT label, value FROM labels WHERE field = ?", (field,))
        chosen = ", ".join(
            str(label)
            for label, value in rows
            if any(q.label_matches(leaf, one) for one in (value.split() if field == "lang" else (value,)))
        )
        return f"{alias}.{field} IN ({chosen})"


def _joined(operator: str, conditions: list[str]) -> str:
    """Join conditions as a balanced tree: a list is as deep as it is long, and SQLite stops at 1,000."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    return f"({_joined(operator, conditions[:half])}) {operator} ({_joined(operator, conditions[half:])})"


def _split(nodes: Iterable[q.Node], field: str | None) -> tuple[list[q.Node], list[q.Node]]:
    """Part the children of an AND into those FTS5 can do (with NOT of such) and the rest."""
    words: list[q.Node] = []
    rest: list[q.Node] = []
    for node in nodes:
        plain = node.child if isinstance(node, q.Not) else node
        fits = field not in q.LABEL_FIELDS and fts_expression(plain, field) is not None
        (words if fits else rest).append(node)
    return words, rest
