"""The search engine protocol: two engines, one meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from search.tree import Node


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """One item as the index sees it; an attachment is its own document.

    Attributes:
        item_id: The document's id.
        family_id: Its top item's id.
        parent_id: The item that carries it, or None for a top item.
        source_id: For the ``source`` field.
        custodian_id: For the ``custodian`` field.
        kind: For the ``kind`` field.
        subject: Decoded subject, or empty.
        text: Body or file text.
        filename: As stated, or empty.
        sender: Names and addresses of the author, space-joined; so ``to``, ``cc``, ``bcc`` and
            ``participants`` (which holds everybody, roles or not).
        to: Recipients.
        cc: Copied.
        bcc: Blind copied.
        participants: Everybody.
        sent_on: Day it was sent in the request's zone, or None without a trustworthy time.
        has: What it has: ``attachment``, ``date``, ``text``, ``ocr_pending``.
        distinct_key: Content hash, else the SHA-256 of the bytes: equal keys are one distinct content.
    """

    item_id: str
    family_id: str
    parent_id: str | None
    source_id: str
    custodian_id: str
    kind: str
    subject: str
    text: str
    filename: str
    sender: str
    to: str
    cc: str
    bcc: str
    participants: str
    sent_on: date | None
    has: tuple[str, ...]
    distinct_key: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents, the families they belong to, and distinct contents; duplicates are counted in the first."""

    documents: int
    families: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One document that matches."""

    item_id: str
    family_id: str
    custodian_id: str
    source_id: str


@dataclass(frozen=True, slots=True)
class TermHits:
    """What one term of a list found.

    Attributes:
        hits: Matching documents, by item id in order.
    """

    hits: tuple[Hit, ...]


@runtime_checkable
class SearchEngine(Protocol):
    """An index of one request."""

    def create(self) -> None:
        """Make the index if it is not there; harmless when it is."""

    def upsert(self, batch_id: str, documents: Sequence[IndexDocument]) -> None:
        """Put a batch's documents in, replacing what the same batch put there before; all or nothing."""

    def count(self, query: Node) -> Counts:
        """Count exactly; no result wall."""

    def search(self, query: Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Return hits in item-id order, those after ``after``."""

    def terms(self, queries: Sequence[Node]) -> Iterator[TermHits]:
        """Run a term list; one result a query, in order."""

    def vocabulary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the tokens that start with ``prefix``, with the number of documents that hold them."""

    def state(self) -> IndexState:
        """Say what is in the index."""

    def drop(self) -> None:
        """Delete the index; it can be rebuilt from the evidence."""


@dataclass(frozen=True, slots=True)
class IndexState:
    """What a count was taken on: named in every report and in the search log.

    Attributes:
        documents: Documents in the index.
        batches: Batches in the index.
        analyzer: Hash of the folding table: the analyzer version.
        engine: ``embedded`` or ``elasticsearch``.
    """

    documents: int
    batches: int
    analyzer: str
    engine: str


TextOf = Callable[[str], str]
"""Gives the stored text of an item id: positions, snippets and occurrences come from stored text only."""

Documents = Iterable[IndexDocument]
