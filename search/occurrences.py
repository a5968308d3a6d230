"""Counting where the terms of a list stand in documents; loads nothing that reads a list.

Worker processes of a run do this, and what they load is waited for.
"""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import tables as t
from records.catalogue import Catalogue
from records.evidence import EvidenceStore
from search import tree as q
from search.indexing import documents
from search.matcher import DocumentFields, Occurrences

UNDATED = ""
"""The month of a document without a trustworthy time."""

Piece = list[tuple[str, list[int]]]
"""Items, each with the places in the list of the terms that match it."""

Counted = list[tuple[str, str, list[int]]]
"""Items, each with the month it was sent in (empty: undated) and the occurrences of those terms."""


def count_occurrences(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    zone: ZoneInfo,
    nodes: tuple[q.Node, ...],
    piece: Piece,
) -> Counted:
    """Read some documents and count the occurrences of the terms that match each.

    Args:
        catalogue: Where the items are.
        store: Gives their texts.
        request_id: The request.
        zone: Of the months.
        nodes: Every term of the list, parsed.
        piece: The documents. One that is not stored is left out of the answer.
    """
    counters = _counters(nodes)
    terms_of = dict(piece)
    counted: Counted = []
    for document in documents(catalogue, store, request_id, list(terms_of), zone):
        matching = terms_of[document.item_id]
        children: tuple[str, ...] = ()
        if any(counters[term].needs_children for term in matching):
            children = child_texts(catalogue, store, request_id, document.family_id, document.item_id, zone)
        fields = DocumentFields(document, children)
        counts = [counters[term].count(fields) for term in matching]
        month = document.sent_on.isoformat()[:7] if document.sent_on else UNDATED
        counted.append((document.item_id, month, counts))
    return counted


@lru_cache(maxsize=2)
def _counters(nodes: tuple[q.Node, ...]) -> list[Occurrences]:
    return [Occurrences(node) for node in nodes]


def child_texts(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    family_id: str,
    parent_id: str,
    zone: ZoneInfo,
) -> tuple[str, ...]:
    """Return the texts of the items that an item directly carries."""
    i = t.items.c
    query = sa.select(i.item_id).where(
        i.request_id == request_id, i.family_id == family_id, i.parent_id == parent_id
    )
    with catalogue.read() as connection:
        found = list(connection.scalars(query))
    return tuple(child.text for child in documents(catalogue, store, request_id, found, zone))
