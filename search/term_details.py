"""What lies behind a hit report: overlap of terms, samples of hits, and the difference between two lists.

All of it comes from the rows of ``hits`` that ``run_terms`` keeps, so that each figure can be counted again.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import tables as t
from records.catalogue import Catalogue
from records.evidence import EvidenceStore
from search import tree as q
from search.indexing import documents
from search.language import parse
from search.matcher import snippets
from search.occurrences import child_texts
from search.protocol import IndexDocument, IndexState
from search.terms import HitReport

SNIPPETS = 3
"""Most excerpts of one sampled document."""

_OPEN, _CLOSE = "\x02", "\x03"
"""Marks that no text keeps: those in a text become spaces first."""


# -- overlap


@dataclass(frozen=True, slots=True)
class Pair:
    """Two terms that share documents.

    Attributes:
        line: Line of the first.
        other: Line of the second, which is greater.
        documents: Documents that both match; at least one.
    """

    line: int
    other: int
    documents: int


def overlaps(catalogue: Catalogue, request_id: str, version: int) -> tuple[Pair, ...]:
    """Count the documents that two terms share, for every pair that shares any; the largest first.

    Args:
        catalogue: Where the hits are.
        request_id: The request.
        version: The version whose hits are compared.
    """
    sets = _document_sets(catalogue, request_id, version)
    counted = (
        Pair(one, two, (sets[one] & sets[two]).bit_count()) for one, two in combinations(sorted(sets), 2)
    )
    shared = [pair for pair in counted if pair.documents]
    return tuple(sorted(shared, key=lambda pair: (-pair.documents, pair.line, pair.other)))


def _document_sets(catalogue: Catalogue, request_id: str, version: int) -> dict[int, int]:
    """Return each term's documents as one number with a bit a document: half a million pairs take seconds."""
    h = t.hits.c
    numbers: dict[str, int] = {}
    members: dict[int, list[int]] = {}
    query = sa.select(h.term_no, h.item_id).where(h.request_id == request_id, h.version == version)
    with catalogue.read() as connection:
        for term, item_id in connection.execute(query):
            members.setdefault(term, []).append(numbers.setdefault(item_id, len(numbers)))
    return {term: _bits(found, len(numbers)) for term, found in members.items()}


def _bits(members: list[int], size: int) -> int:
    packed = bytearray(size // 8 + 1)
    for number in members:
        packed[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(packed, "little")


# -- samples


@dataclass(frozen=True, slots=True)
class Snippet:
    """One excerpt.

    Attributes:
        field: The field it is from.
        parts: Text and places of the term by turns, text first: every second part is a hit.
    """

    field: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One hit in its words.

    Attributes:
        line: Line of the term.
        item_id: The document.
        family_id: Its top item.
        custodian: Custodian id.
        kind: What the document is.
        sent_on: Day it was sent, ``YYYY-MM-DD`` in the request's zone, or empty.
        snippets: In the order of the fields; none where the term matches by a date, a label or by absence, or
            through another member of the family.
        closed: Its source has readers of its own, so no words of it are shown.
    """

    line: int
    item_id: str
    family_id: str
    custodian: str
    kind: str
    sent_on: str
    snippets: tuple[Snippet, ...]
    closed: bool = False


def samples(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    report: HitReport,
    zone: ZoneInfo,
    *,
    most: int,
    seed: int,
    closed: Collection[str] = (),
) -> tuple[Sample, ...]:
    """Return some hits of every term, in context: words of records, for the office alone.

    Which hits are taken depends on the seed, the term's line and the hits alone: those whose SHA-256 of
    ``seed:line:item_id`` is smallest. Anybody can draw the sample again.

    Args:
        catalogue: Where the hits are.
        store: The request's evidence.
        request_id: The request.
        report: The report whose terms are sampled.
        zone: The request's zone.
        most: Most hits a term.
        seed: Another seed draws another sample.
        closed: Ids of sources whose words are not shown: a report is read by more people than they are.

    Returns:
        By line, then in the order in which they were drawn.
    """
    drawn = _drawn(catalogue, request_id, report, most, seed)
    wanted: dict[str, list[int]] = {}
    for line, ids in drawn.items():
        for item_id in ids:
            wanted.setdefault(item_id, []).append(line)
    nodes = {row.line: parse(row.term, zone) for row in report.terms if drawn[row.line]}
    found: dict[tuple[int, str], Sample] = {}
    for document in documents(catalogue, store, request_id, sorted(wanted), zone):
        attached: tuple[str, ...] | None = None
        shut = document.source_id in closed
        for line in wanted[document.item_id]:
            if attached is None and not shut and _asks_attachments(nodes[line]):
                attached = child_texts(
                    catalogue, store, request_id, document.family_id, document.item_id, zone
                )
            found[line, document.item_id] = _sample(line, nodes[line], document, attached or (), shut=shut)
    return tuple(found[line, item_id] for line, ids in drawn.items() for item_id in ids)


def _drawn(
    catalogue: Catalogue, request_id: str, report: HitReport, most: int, seed: int
) -> dict[int, list[str]]:
    """Draw some hits of every line; all hits are gone through once, and only those drawn are held."""
    h = t.hits.c
    query = sa.select(h.term_no, h.item_id).where(h.request_id == request_id, h.version == report.version)
    drawn: dict[int, list[tuple[bytes, str]]] = {row.line: [] for row in report.terms}
    with catalogue.read() as connection:
        for line, item in connection.execute(query.where(h.term_no.in_(drawn))):
            insort(drawn[line], (hashlib.sha256(f"{seed}:{line}:{item}".encode()).digest(), item))
            del drawn[line][most:]
    return {line: [item for _, item in found] for line, found in drawn.items()}


def _asks_attachments(node: q.Node) -> bool:
    return any(isinstance(one, q.Field) and one.name == "attachment" for one in q.walk(node))


def _sample(
    line: int, node: q.Node, document: IndexDocument, attached: Sequence[str], *, shut: bool
) -> Sample:
    return Sample(
        line=line,
        item_id=document.item_id,
        family_id=document.family_id,
        custodian=document.custodian_id,
        kind=document.kind,
        sent_on=document.sent_on.isoformat() if document.sent_on else "",
        snippets=() if shut else tuple(_snippets(node, _texts(document, attached))),
        closed=shut,
    )


def _texts(document: IndexDocument, attached: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "subject", document.subject
    yield "body", document.text
    yield "filename", document.filename
    yield from (("attachment", text) for text in attached)
    yield "from", document.sender
    yield "to", document.to
    yield "cc", document.cc
    yield "bcc", document.bcc
    yield "participants", document.participants


def _snippets(node: q.Node, texts: Iterable[tuple[str, str]]) -> list[Snippet]:
    found: list[Snippet] = []
    for field, text in texts:
        if len(found) == SNIPPETS:
            break
        plain = text.translate({ord(_OPEN): " ", ord(_CLOSE): " "})
        excerpts = snippets(node, plain, field=field, limit=SNIPPETS - len(found), marks=(_OPEN, _CLOSE))
        found += [Snippet(field, tuple(one.replace(_CLOSE, _OPEN).split(_OPEN))) for one in excerpts]
    return found


# -- the difference between two lists


@dataclass(frozen=True, slots=True)
class ListedTerm:
    """One line of a list and what it found.

    Attributes:
        line: Its line.
        term: As typed.
        documents: Documents that match, or None when the line could not be run.
    """

    line: int
    term: str
    documents: int | None


@dataclass(frozen=True, slots=True)
class TermChange:
    """A term that took the place of another in the list."""

    before: ListedTerm
    after: ListedTerm


@dataclass(frozen=True, slots=True)
class Difference:
    """What a term list has that another had not, and the other way round.

    Attributes:
        before: Version of the list compared with.
        before_at: When that one was counted, UTC.
        before_index: The index it was counted on: where it differs from the report's, documents were gained
            or lost for that reason too.
        same_index: The two were counted on an index of the same documents, batches, analyzer and engine.
        added: Terms that are new, in the order of the list.
        dropped: Terms that are gone, in the order of the list before.
        changed: Terms that stand in the place of another.
        kept: How many terms stand in both.
        documents_gained: Documents that only the newer list matches.
        documents_lost: Documents that only the list before matched.
        families_gained: Families that only the newer list touches.
        families_lost: Families that only the list before touched.
    """

    before: int
    before_at: str
    before_index: IndexState
    same_index: bool
    added: tuple[ListedTerm, ...]
    dropped: tuple[ListedTerm, ...]
    changed: tuple[TermChange, ...]
    kept: int
    documents_gained: int
    documents_lost: int
    families_gained: int
    families_lost: int


@dataclass(frozen=True, slots=True)
class Moved:
    """The ids behind a difference, each in order.

    Attributes:
        gained: Documents that only the newer list matches.
        lost: Documents that only the list before matched.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]


def difference(catalogue: Catalogue, before: HitReport, after: HitReport) -> tuple[Difference, Moved]:
    """Compare the lists and hits of two reports of one request.

    Args:
        catalogue: Where the hits of both versions are.
        before: The earlier report.
        after: The later one.
    """
    request_id = after.request_id
    gained = _only(catalogue, request_id, t.hits.c.item_id, after.version, before.version)
    lost = _only(catalogue, request_id, t.hits.c.item_id, before.version, after.version)
    added, dropped, changed, kept = compare_lists(_lines(before), _lines(after))
    made = Difference(
        before=before.version,
        before_at=before.at,
        before_index=before.index,
        same_index=before.index == after.index,
        added=added,
        dropped=dropped,
        changed=changed,
        kept=kept,
        documents_gained=len(gained),
        documents_lost=len(lost),
        families_gained=len(_only(catalogue, request_id, t.hits.c.family_id, after.version, before.version)),
        families_lost=len(_only(catalogue, request_id, t.hits.c.family_id, before.version, after.version)),
    )
    return made, Moved(gained, lost)


def _only(
    catalogue: Catalogue, request_id: str, column: sa.Column[str], version: int, without: int
) -> tuple[str, ...]:
    h = t.hits.c
    mine, others = (
        sa.select(column).where(h.request_id == request_id, h.version == number)
        for number in (version, without)
    )
    with catalogue.read() as connection:
        return tuple(sorted(connection.scalars(sa.except_(mine, others))))


def _lines(report: HitReport) -> list[ListedTerm]:
    """Return every line of the list of a report, those too that could not be run."""
    run = [ListedTerm(row.line, row.term, row.documents) for row in report.terms]
    bad = [ListedTerm(row.line, row.term, None) for row in report.bad_lines]
    return sorted((*run, *bad), key=lambda one: one.line)


def compare_lists(
    before: Sequence[ListedTerm], after: Sequence[ListedTerm]
) -> tuple[tuple[ListedTerm, ...], tuple[ListedTerm, ...], tuple[TermChange, ...], int]:
    """Return terms added, dropped and changed, and how many were kept.

    A term is the same whatever its case, spacing, note and line. Lists are laid beside one another; where
    terms stand in the place of others, between the same neighbours, each took the other's place in turn.
    """
    old, new = [_key(one) for one in before], [_key(one) for one in after]
    in_old, in_new = set(old), set(new)
    added: list[ListedTerm] = []
    dropped: list[ListedTerm] = []
    changed: list[TermChange] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone = [before[n] for n in range(i1, i2) if old[n] not in in_new]
        come = [after[n] for n in range(j1, j2) if new[n] not in in_old]
        both = min(len(gone), len(come))
        changed += [TermChange(*pair) for pair in zip(gone, come, strict=False)]
        dropped += gone[both:]
        added += come[both:]
    kept = sum(key in in_old for key in new)
    return tuple(added), tuple(dropped), tuple(changed), kept


def _key(one: ListedTerm) -> str:
    return " ".join(one.term.casefold().split())


@dataclass(frozen=True, slots=True)
class Appendix:
    """What a written report carries beside the counts.

    Attributes:
        overlap: Pairs of terms that share documents, the largest first.
        difference: From another list to this one, or None.
        moved: The ids behind the difference, or None.
        samples: Hits in their words; empty in a report that may leave the office.
        most: Most hits a term in the samples.
        seed: What the samples were drawn with.
    """

    overlap: tuple[Pair, ...] = ()
    difference: Difference | None = None
    moved: Moved | None = None
    samples: tuple[Sample, ...] = ()
    most: int = 0
    seed: int = 0
