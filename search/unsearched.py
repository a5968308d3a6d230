"""What a search could not reach: by reason, custodian and source, from the catalogue's rows and the index.

A report of what was found says little without what could not be found. Each row below counts items, parts or
places whose ids ``gap_items`` lists; what each reason means is in ``docs/terms.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from records import canonical, declarations, links, rounds
from records import tables as t
from records.catalogue import Catalogue
from records.vocabulary import CollectionState, Reach, Reason, TextState, WarningCode
from search import tree as q
from search.folding import tokens
from search.protocol import SearchEngine

PAGE = 5_000


@dataclass(frozen=True, slots=True)
class GapKind:
    """One way in which something is out of a search's reach.

    Attributes:
        code: Stable code.
        label: What a person reads.
        extent: ``whole``: nothing in the item was searched but its subject, people and file name, and not
            those either where it was not had; ``part``: the rest of the item was searched; ``place``: a place
            or what it did not hand over.
        unit: What is counted, in the plural.
    """

    code: str
    label: str
    extent: str
    unit: str

    def unit_of(self, count: int) -> str:
        """Return the unit as it stands beside a number."""
        return self.unit.removesuffix("s") if count == 1 else self.unit


GAPS = (
    GapKind("encrypted_message", "Encrypted message (S/MIME, PGP, rights-managed)", "whole", "items"),
    GapKind("encrypted", "Encrypted file or attachment", "whole", "items"),
    GapKind("corrupt", "Corrupt or cut short", "whole", "items"),
    GapKind("needs_ocr", "Picture of text, no OCR (print or handwriting)", "whole", "items"),
    GapKind("over_limit", "Over a limit of size, time or memory", "whole", "items"),
    GapKind("audio_video", "Sound or video without a transcript", "whole", "items"),
    GapKind("not_collected", "Named by the source, but not collected", "whole", "items"),
    GapKind("unsupported", "No reader for the format, or the reader failed", "whole", "items"),
    GapKind("not_read", "Not read yet", "whole", "items"),
    GapKind("no_text", "Read without error; holds no text", "whole", "items"),
    GapKind("pages_need_ocr", "Some pages are pictures, no OCR", "part", "items"),
    GapKind("partly_read", "Only partly read and indexed", "part", "items"),
    GapKind("disappearing", "Says that messages of its chat delete themselves", "part", "items"),
    GapKind("linked_file", "Names a file kept elsewhere, which was not fetched", "part", "items"),
    GapKind("parts_missing", "Parts that a container announced and did not give", "part", "parts"),
    GapKind("place_failed", "Place that did not answer or could not be read", "place", "places"),
    GapKind(
        "place_not_reached",
        "Place that the source refused, or that its route does not lead to",
        "place",
        "places",
    ),
    GapKind("place_not_listed", "Source of which no place was searched (yet)", "place", "sources"),
    GapKind("place_unfinished", "Place not collected, read and indexed to its end", "place", "places"),
    GapKind("fewer_than_expected", "Items that a second count expects and nobody met", "place", "items"),
    GapKind("kept_back", "Records that the owner of a personal source kept back", "place", "records"),
)
"""Every kind, in the order in which reports list them."""

KINDS = {kind.code: kind for kind in GAPS}

_BY_REASON = {
    Reason.ENCRYPTED: "encrypted",
    Reason.CORRUPT: "corrupt",
    Reason.TRUNCATED: "corrupt",
    Reason.NEEDS_OCR: "needs_ocr",
    Reason.TOO_LARGE: "over_limit",
    Reason.BOMB: "over_limit",
    Reason.TIMED_OUT: "over_limit",
    Reason.OUT_OF_MEMORY: "over_limit",
    Reason.UNREADABLE: "not_collected",
    Reason.NOT_IN_EXPORT: "not_collected",
    Reason.OMITTED_BY_USER: "not_collected",
    Reason.REFUSED_BY_SOURCE: "not_collected",
    Reason.EXPIRED_LINK: "not_collected",
    Reason.NOT_CONVERTIBLE: "not_collected",
    Reason.UNSAFE_NAME: "not_collected",
    Reason.OUTSIDE_WINDOW: "not_collected",
    Reason.UNSUPPORTED: "unsupported",
    Reason.CRASHED: "unsupported",
    Reason.NO_TEXT: "no_text",
    Reason.EXPORT_SCAFFOLDING: "no_text",
    Reason.LAYOUT_PART: "no_text",
}
"""Every reason of the vocabulary, those too that no failed item ends with: none may fall out."""

_SEALED = frozenset({"smime", "pgp", "pgp_inline", "rpmsg", "telemessage"})
"""Details of what is encrypted as a message, and not as a file that somebody put a password on."""

_PARTLY = frozenset({WarningCode.PARTIAL, WarningCode.MISSING_PART, WarningCode.NOT_DOWNLOADED})
_SOUND = ("audio", "video")

LINK_HOSTS = links.LINK_HOSTS
"""Addresses under which mail programs put a file instead of attaching it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One row of the report.

    Attributes:
        kind: A code of ``GAPS``.
        custodian: Custodian id.
        source: Source id.
        count: How many, in the unit of the kind.
    """

    kind: str
    custodian: str
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class Unsearched:
    """What could not be searched.

    Attributes:
        gaps: In the order of ``GAPS``, then by custodian and source; an item stands in one row of extent
            ``whole`` at most, and may stand in several of extent ``part``.
        whole: Items of which no text was searched.
        part: Items that were searched in part, each once.
        places: Places and sources that were not searched, or not to their end, each once.
    """

    gaps: tuple[Gap, ...]
    whole: int
    part: int
    places: int


@dataclass(frozen=True, slots=True)
class GapItem:
    """One row behind the counts.

    Attributes:
        kind: A code of ``GAPS``.
        custodian: Custodian id.
        source: Source id.
        item_id: The item, or empty where a place is meant.
        family_id: Its top item, or empty.
        place: The scope key of the place, or empty. It may hold a file's name, so it is for the office.
        code: The reason or warning as the catalogue has it, or empty.
        count: What it adds to the row's count.
    """

    kind: str
    custodian: str
    source: str
    item_id: str = ""
    family_id: str = ""
    place: str = ""
    code: str = ""
    count: int = 1


def unsearched(catalogue: Catalogue, engine: SearchEngine, request_id: str) -> Unsearched:
    """Count what could not be searched.

    Args:
        catalogue: Where items, readings and places are.
        engine: The request's index, for texts that name a file kept elsewhere.
        request_id: The request.
    """
    return summed(gap_items(catalogue, engine, request_id))


def summed(rows: Iterable[GapItem]) -> Unsearched:
    """Add rows up."""
    counts: Counter[tuple[str, str, str]] = Counter()
    seen: dict[str, set[tuple[str, str]]] = {"whole": set(), "part": set(), "place": set()}
    for row in rows:
        counts[row.kind, row.custodian, row.source] += row.count
        if row.kind != "kept_back":  # what the owner kept is no place that was left out
            seen[KINDS[row.kind].extent].add((row.item_id or row.source, row.place))
    order = {kind.code: place for place, kind in enumerate(GAPS)}
    gaps = sorted(counts.items(), key=lambda pair: (order[pair[0][0]], pair[0]))
    return Unsearched(
        tuple(Gap(*key, count) for key, count in gaps),
        len(seen["whole"]),
        len(seen["part"] - seen["whole"]),
        len(seen["place"]),
    )


def gap_items(catalogue: Catalogue, engine: SearchEngine, request_id: str) -> Iterator[GapItem]:
    """Yield the rows behind the counts: items in the order of their ids, then linked files, then places."""
    yield from _items(catalogue, request_id)
    yield from _linked(engine)
    yield from _places(catalogue, request_id)


# -- items


def _items(catalogue: Catalogue, request_id: str) -> Iterator[GapItem]:
    i, r = t.items.c, t.readings.c
    codes = (*_PARTLY, WarningCode.DISAPPEARING)
    warned = sa.or_(*(column.like(f'%"{code}"%') for code in codes for column in (i.facts, r.facts)))
    query = (
        sa.select(
            i.item_id, i.family_id, i.custodian_id, i.source_id, i.state, i.reason.label("lost"),
            i.detail.label("lost_detail"), i.facts,
            i.media_type, r.text_state, r.reason, r.detail, r.ocr_pages, r.children, r.expected_children,
            r.facts.label("read_facts"),
        )
        .select_from(t.items.outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id)))
        .where(
            i.request_id == request_id,
            (i.state == CollectionState.FAILED)
            | (
                (i.state == CollectionState.STORED)
                & sa.or_(
                    r.item_id.is_(None),
                    r.text_state != TextState.SEARCHABLE,
                    r.reason.is_not(None),
                    r.ocr_pages != "[]",
                    r.expected_children > r.children,
                    warned,
                )
            ),
        )
        .order_by(i.item_id)
    )  # fmt: skip
    with catalogue.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        for kind, code, count in _kinds(row):
            yield GapItem(
                kind, row.custodian_id, row.source_id, row.item_id, row.family_id, code=code, count=count
            )


def _kinds(row: Any) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, code of the catalogue, count) of one item."""
    if row.state == CollectionState.FAILED:
        yield _kind_of(Reason(row.lost), row.lost_detail) if row.lost else "not_collected", row.lost or "", 1
        return
    if row.text_state is None:
        yield "not_read", "", 1
        return
    if row.text_state != TextState.SEARCHABLE:
        yield _whole(row), row.reason or "", 1
    else:
        if row.ocr_pages != "[]":
            yield "pages_need_ocr", WarningCode.NEEDS_OCR, 1
        said = {*_warnings(row.facts), *_warnings(row.read_facts)}
        if WarningCode.DISAPPEARING in said:
            yield "disappearing", WarningCode.DISAPPEARING, 1
        warnings = said & _PARTLY
        if row.reason or warnings:
            yield "partly_read", row.reason or min(warnings), 1
    if row.expected_children is not None and row.expected_children > row.children:
        yield "parts_missing", "", row.expected_children - row.children


def _whole(row: Any) -> str:
    if row.text_state == TextState.PENDING:
        return "needs_ocr"
    reason = Reason(row.reason or Reason.NO_TEXT)
    sound = row.detail in _SOUND or (row.media_type or "").startswith(tuple(f"{name}/" for name in _SOUND))
    if sound and reason in {Reason.UNSUPPORTED, Reason.NO_TEXT}:
        return "audio_video"
    return _kind_of(reason, row.detail)


def _kind_of(reason: Reason, detail: str | None) -> str:
    if reason is Reason.ENCRYPTED and detail in _SEALED:
        return "encrypted_message"
    return _BY_REASON[reason]


def _warnings(facts: str) -> set[str]:
    return set(canonical.loads(facts).get("warnings", ()))


# -- links


def link_query() -> q.Node:
    """Return the query for texts that name a file kept elsewhere."""
    phrases = (q.Phrase(tuple(map(q.Word, tokens(host)))) for host in LINK_HOSTS)
    return q.Field("body", q.Or(tuple(phrases)))


def _linked(engine: SearchEngine) -> Iterator[GapItem]:
    query = link_query()
    page = engine.search(query, limit=PAGE)
    while page:
        for hit in page:
            yield GapItem("linked_file", hit.custodian_id, hit.source_id, hit.item_id, hit.family_id)
        page = engine.search(query, page[-1].item_id, PAGE) if len(page) == PAGE else []


# -- places


def _places(catalogue: Catalogue, request_id: str) -> Iterator[GapItem]:
    s, b, i, r, v = t.scopes.c, t.batches.c, t.items.c, t.requests.c, t.request_versions.c
    u = t.unreached.c
    with catalogue.read() as connection:
        scopes = connection.execute(
            sa.select(t.scopes).where(s.request_id == request_id).order_by(s.source_id, s.scope_key)
        ).all()
        found: dict[tuple[str, str], int] = {
            (row[0], row[1]): row[2]
            for row in connection.execute(
                sa.select(i.source_id, i.scope_key, sa.func.count())
                .where(i.request_id == request_id, i.level == 0)
                .group_by(i.source_id, i.scope_key)
            )
        }
        waiting = {
            (row[0], row[1])
            for row in connection.execute(
                sa.select(b.source_id, b.scope_key)
                .where(b.request_id == request_id, b.index_state != "done")
                .distinct()
            )
        }
        refused = connection.execute(
            sa.select(u.custodian_id, u.source_id, u.place_key, u.reach)
            .where(u.request_id == request_id, u.reach != Reach.NOT_ASKED)
            .order_by(u.source_id, u.place_key)
        ).all()
        lost = rounds.gone(connection, request_id)
        body = connection.scalar(
            sa.select(v.body)
            .join(t.requests, (r.request_id == v.request_id) & (r.version == v.version))
            .where(v.request_id == request_id)
        )
        sources = canonical.loads(body or "{}").get("sources", ())
        unused = declarations.not_used(connection, request_id, sources)  # nothing to be read, as declared
    for row in scopes:
        place = (row.source_id, row.scope_key)
        at = (row.custodian_id, row.source_id)
        unfinished = place in waiting
        if row.failure_reason is not None:
            yield GapItem("place_failed", *at, place=row.scope_key, code=row.failure_reason)
        if unfinished:
            yield GapItem("place_unfinished", *at, place=row.scope_key)
        there = found.get(place, 0) - lost.get(place, 0)
        short = 0 if row.expected is None or unfinished or row.missing_since else row.expected - there
        if short > 0:
            yield GapItem("fewer_than_expected", *at, place=row.scope_key, count=short)
    for at, kept in _kept_back(scopes).items():
        yield GapItem("kept_back", *at, count=kept)
    for row in refused:
        at = (row.custodian_id, row.source_id)
        yield GapItem("place_not_reached", *at, place=row.place_key, code=row.reach)
    planned = {row.source_id for row in scopes}
    for source in sources:
        if source["id"] not in planned and source["id"] not in unused:
            yield GapItem("place_not_listed", source["custodian"], source["id"])


def _kept_back(scopes: Sequence[Any]) -> dict[tuple[str, str], int]:
    """Return what each source's owner kept back; every place of a source carries the source's one figure."""
    return {(row.custodian_id, row.source_id): row.kept_back for row in scopes if row.kept_back}
