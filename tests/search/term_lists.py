"""A small collection and the term list that is run over it, for the tests of hit reports."""

from __future__ import annotations

from typing import Any

from search.terms import BadLine, HitReport, Term, run_terms
from tests.search.home import PACIFIC, REQUEST, Home

ITEMS: list[dict[str, Any]] = [
    {
        "id": "m1",
        "subject": "Bus route",
        "text": "The bus is late. Bus route 12.",
        "content": "same",
        "children": 2,
        "sent_at": "2026-01-05T18:00:00.000000Z",
    },
    {"id": "m1a", "family": "m1", "parent": "m1", "kind": "file", "name": "map.pdf", "text": "route map"},
    {"id": "m1b", "family": "m1", "parent": "m1", "kind": "file", "name": "x.bin"},
    {
        "id": "m2",
        "text": "Budget for the bus",
        "custodian": "okafor",
        "sent_at": "2026-02-01T05:00:00.000000Z",  # 31 January in Cedar Falls
    },
    {
        "id": "m3",
        "subject": "Bus route",
        "text": "The bus is late. Bus route 12.",
        "content": "same",
        "custodian": "okafor",
        "source": "mail-2",
        "sent_at": "2026-02-10T18:00:00.000000Z",
    },
    {"id": "m4", "text": "nothing here", "children": 1},
    {"id": "m4a", "family": "m4", "parent": "m4", "text": "budget budget map", "kind": "file"},
]

LIST = (
    Term(2, "bus", "the main one"),
    Term(3, "budget OR budg*", ""),
    Term(4, "zebra", ""),
    Term(5, "a and b or c", ""),
    Term(6, "attachment:budget", ""),
    Term(7, "map", ""),
    Term(8, '"open', ""),
    Term(9, "late and not monday", ""),
)


def run(
    home: Home, terms: tuple[Term, ...] = LIST, version: int = 1, bad: tuple[BadLine, ...] = ()
) -> HitReport:
    return run_terms(home.catalogue, home.store, home.engine, REQUEST, version, terms, PACIFIC, bad)
