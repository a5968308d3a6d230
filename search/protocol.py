"""The search engine protocol: two engines, one meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol, runtime_checkable

from records.document_types import DocumentType
from records.errors import UsageError
from records.languages import UNKNOWN
from search.tree import Node, Term

PREFIX_LIMIT = 16_384
"""Most different words a term may stand for (Elasticsearch's own limit, kept by both engines alike)."""

TIME_LIMIT_S = 60.0
"""How long one query may take, in seconds, before it is given up and said to be too much."""


INDEX_PREFIX = "daylight"
"""First word of every index and alias on a cluster; roles name ``daylight-*``."""


def index_alias(request_id: str) -> str:
    """Return the name under which people and Kibana ask a request's index on a cluster."""
    return f"{INDEX_PREFIX}-{request_id.lower()}"


class TooManyWords(UsageError):  # noqa: N818 - named by what happened, as its tree is
    """A term stands for more words than the limit; the message names the count and never the words.

    Attributes:
        words: How many different words of the index it stands for.
    """

    def __init__(self, words: int) -> None:
        self.words = words
        super().__init__(
            f"a word with *, ?, =, % or ~ stands for {words:,} different words here, more than "
            f"{PREFIX_LIMIT:,}: write more of its letters"
        )


class TooLong(UsageError):  # noqa: N818 - so is this
    """A query took longer than the time limit; nothing of its result is kept.

    Attributes:
        seconds: The limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(
            f"the query took longer than {seconds:g} seconds: split it into several, or write more letters "
            "where *, ?, % or ~ stand near the beginning of a word"
        )


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
        sender: Names and addresses of the author, space-joined (the ``from`` field); so ``to``, ``cc``,
            ``bcc``
            and ``participants`` (which holds everybody, roles or not).
        to: Recipients.
        cc: Copied.
        bcc: Blind copied.
        participants: Everybody.
        sent_on: Day it was sent in the request's zone, or None without a trustworthy time.
        has: What it has: ``attachment``, ``date``, ``text``, ``ocr_pending``.
        doc_type: For the ``type`` field; see ``records.document_types``.
        languages: For the ``lang`` field: codes, most words first; ``und`` where none is told.
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
    doc_type: str = DocumentType.OTHER.value
    languages: tuple[str, ...] = (UNKNOWN,)


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
    distinct_key: str


@dataclass(frozen=True, slots=True)
class TermHits:
    """What one term of a list found.

    Attributes:
        hits: Matching documents, by item id in order.
        problem: Why it could not be run, in plain words (then there are no hits); else empty.
    """

    hits: tuple[Hit, ...]
    problem: str = ""


class Reading(Protocol):
    """One state of an index: what is asked of it belongs together, however many batches come meanwhile."""

    def state(self) -> IndexState:
        """Say what is in it."""

    def count(self, query: Node) -> Counts:
        """Count exactly; no result wall.

        Raises:
            TooManyWords: A term stands for more than ``PREFIX_LIMIT`` words.
            TooLong: It took longer than the time limit.
        """

    def search(self, query: Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Return hits in item-id order, those after ``after``.

        Raises:
            TooManyWords: A term stands for more than ``PREFIX_LIMIT`` words.
            TooLong: It took longer than the time limit.
        """


@runtime_checkable
class SearchEngine(Protocol):
    """An index of one request."""

    def create(self) -> None:
        """Make the index if it is not there; harmless when it is."""

    def upsert(self, batch_id: str, documents: Iterable[IndexDocument]) -> int:
        """Put a batch's documents in, replacing what the same batch put there before; all or nothing.

        Args:
            batch_id: An item belongs to one batch, and a family lies in one batch.
            documents: Read once and never held whole; an exception it raises leaves the index as it was.

        Returns:
            How many documents the batch now has.
        """

    def reading(self) -> AbstractContextManager[Reading]:
        """Hold one state of the index for several questions, not for long: it takes room while it is held."""

    def count(self, query: Node) -> Counts:
        """Ask ``Reading.count`` of the index as it is now."""
        with self.reading() as reading:
            return reading.count(query)

    def search(self, query: Node, after: str | None = None, limit: int = 100) -> list[Hit]:
        """Ask ``Reading.search`` of the index as it is now."""
        with self.reading() as reading:
            return reading.search(query, after, limit)

    def state(self) -> IndexState:
        """Ask ``Reading.state`` of the index as it is now."""
        with self.reading() as reading:
            return reading.state()

    def terms(self, queries: Iterable[Node]) -> Iterator[TermHits]:
        """Run a term list; one result a query, in order. One that cannot be run says so and stops nothing."""

    def expand(self, term: Term) -> list[str]:
        """Return the words of the index that a term stands for, sorted; ``search.expansion`` has the rule.

        Raises:
            TooManyWords: They are more than ``PREFIX_LIMIT``.
            TooLong: It took longer than the time limit.
        """

    def vocabulary(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the tokens that start with ``prefix``, in order, with the number of their documents."""

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
