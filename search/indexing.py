"""From catalogue and evidence to the index: one batch at a time, in slices, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked, chunked_by_bytes
from records.document_types import read_type
from records.errors import CheckFailed, ItemError
from records.evidence import BlobRef, EvidenceStore
from records.languages import codes
from records.vocabulary import CollectionState, TextState
from search.protocol import IndexDocument, SearchEngine

SLICE_ITEMS = 400
"""Items whose rows are read at once."""

SLICE_BYTES = 32 << 20
"""Most text held at once, but for a single longer text."""


def index_batch(
    catalogue: Catalogue,
    store: EvidenceStore,
    engine: SearchEngine,
    request_id: str,
    batch_id: str,
    zone: ZoneInfo,
) -> int:
    """Put a batch's stored items into the index; running it again replaces what it put there.

    Items without text are documents too: their subject, file name and participants are searched.

    Args:
        catalogue: Where the items and readings are.
        store: The request's evidence.
        engine: The request's index.
        request_id: The request.
        batch_id: The batch; its items are collected and read.
        zone: The request's zone: the day an item was sent is a day there.

    Returns:
        The number of documents.

    Raises:
        CheckFailed: A stored text is missing or damaged, so the batch would be searched without it.
    """
    with catalogue.read() as connection:
        item_ids = list(
            connection.scalars(
                sa.select(t.items.c.item_id)
                .where(
                    t.items.c.request_id == request_id,
                    t.items.c.batch_id == batch_id,
                    t.items.c.state == CollectionState.STORED,
                )
                .order_by(t.items.c.family_id, t.items.c.position, t.items.c.item_id)
            )
        )
    return engine.upsert(batch_id, documents(catalogue, store, request_id, item_ids, zone))


def documents(
    catalogue: Catalogue, store: EvidenceStore, request_id: str, item_ids: Iterable[str], zone: ZoneInfo
) -> Iterator[IndexDocument]:
    """Yield items as the index sees them, in the order of ``item_ids`` slice by slice.

    Args:
        catalogue: Where the items and readings are.
        store: The request's evidence.
        request_id: The request.
        item_ids: Stored items; others are left out.
        zone: The request's zone.

    Raises:
        CheckFailed: A stored text is missing or damaged.
    """
    for piece in chunked(list(item_ids), SLICE_ITEMS):
        rows = _rows(catalogue, request_id, piece)
        ordered = [rows[item_id] for item_id in piece if item_id in rows]
        for part in chunked_by_bytes(ordered, _text_bytes, SLICE_BYTES):
            texts = _texts(catalogue, store, request_id, part)
            for row in part:
                yield _document(row, texts.get(row["text_sha256"], ""), zone)


_COLUMNS = (
    t.items.c.item_id, t.items.c.family_id, t.items.c.parent_id, t.items.c.source_id, t.items.c.custodian_id,
    t.items.c.kind.label("item_kind"), t.items.c.name, t.items.c.blob_sha256,
    t.readings.c.kind, t.readings.c.text_state, t.readings.c.text_sha256, t.readings.c.text_bytes,
    t.readings.c.subject, t.readings.c.sent_at, t.readings.c.sender, t.readings.c.recipients,
    t.readings.c.content_hash, t.readings.c.children, t.readings.c.ocr_pages, t.readings.c.languages,
    t.readings.c.facts, t.items.c.media_type,
    t.blobs.c.segment, t.blobs.c.offset, t.blobs.c.size_bytes, t.blobs.c.stored_bytes,
)  # fmt: skip
_NAMES = tuple(column.name for column in _COLUMNS)


def _rows(catalogue: Catalogue, request_id: str, item_ids: list[str]) -> dict[str, dict[str, Any]]:
    query = (
        sa.select(*_COLUMNS)
        .select_from(
            t.items.outerjoin(
                t.readings,
                (t.readings.c.request_id == t.items.c.request_id)
                & (t.readings.c.item_id == t.items.c.item_id),
            ).outerjoin(
                t.blobs,
                (t.blobs.c.request_id == t.items.c.request_id)
                & (t.blobs.c.sha256 == t.readings.c.text_sha256),
            )
        )
        .where(
            t.items.c.request_id == request_id,
            t.items.c.item_id.in_(item_ids),
            t.items.c.state == CollectionState.STORED,
        )
    )
    with catalogue.read() as connection:
        return {row[0]: dict(zip(_NAMES, row, strict=True)) for row in connection.execute(query).all()}


def _text_bytes(row: dict[str, Any]) -> int:
    return row["text_bytes"] or 0


def _texts(
    catalogue: Catalogue, store: EvidenceStore, request_id: str, rows: list[dict[str, Any]]
) -> dict[str, str]:
    """Read the texts of some rows, by digest, in the order they lie in the segments."""
    refs = {
        row["text_sha256"]: BlobRef(
            row["text_sha256"], row["segment"], row["offset"], row["size_bytes"], row["stored_bytes"]
        )
        for row in rows
        if row["segment"] is not None
    }
    unknown = {row["text_sha256"] for row in rows if row["text_sha256"]} - refs.keys()
    missing = unknown - _removed(catalogue, request_id, unknown)
    if missing:
        raise CheckFailed(f"{len(missing)} stored texts are not in the evidence store: run store verify")
    texts: dict[str, str] = {}
    for ref in sorted(refs.values(), key=lambda ref: (ref.segment, ref.offset)):
        try:
            texts[ref.sha256] = store.read(ref).decode("utf-8", "replace")
        except ItemError as error:
            raise CheckFailed(f"text {ref.sha256[:12]}… is {error.reason}: run store verify") from error
    return texts


def _removed(catalogue: Catalogue, request_id: str, digests: set[str]) -> set[str]:
    """Return those digests that were removed on purpose: the item is searched without text from then on."""
    if not digests:
        return set()
    with catalogue.read() as connection:
        query = sa.select(t.tombstones.c.sha256).where(
            t.tombstones.c.request_id == request_id, t.tombstones.c.sha256.in_(digests)
        )
        return set(connection.scalars(query))


def _document(row: dict[str, Any], text: str, zone: ZoneInfo) -> IndexDocument:
    roles: dict[str, list[list[str]]] = canonical.loads_texts(row["recipients"]) if row["recipients"] else {}
    sender = _people(canonical.loads_texts(row["sender"])) if row["sender"] else ""
    to, cc, bcc, others = (_people(roles.get(role, ())) for role in ("to", "cc", "bcc", "participants"))
    sent_at = row["sent_at"]
    return IndexDocument(
        item_id=row["item_id"],
        family_id=row["family_id"],
        parent_id=row["parent_id"],
        source_id=row["source_id"],
        custodian_id=row["custodian_id"],
        kind=row["kind"] or row["item_kind"],
        subject=row["subject"] or "",
        text=text,
        filename=row["name"] or "",
        sender=sender,
        to=to,
        cc=cc,
        bcc=bcc,
        participants=" ".join(filter(None, (sender, to, cc, bcc, others))),
        sent_on=datetime.fromisoformat(sent_at).astimezone(zone).date() if sent_at else None,
        has=tuple(_has(row)),
        distinct_key=row["content_hash"] or row["blob_sha256"] or row["item_id"],
        doc_type=read_type(row["kind"] or row["item_kind"], row["media_type"], row["name"], row["facts"]),
        languages=codes(row["languages"]),
    )


def _people(people: Iterable[Iterable[str]]) -> str:
    return " ".join([part for person in people for part in person if part]) if people else ""


def _has(row: dict[str, Any]) -> Iterator[str]:
    if row["children"]:
        yield "attachment"
    if row["sent_at"] is not None:
        yield "date"
    if row["text_sha256"]:
        yield "text"
    if row["text_state"] == TextState.PENDING or row["ocr_pages"] not in {None, "", "[]"}:
        yield "ocr_pending"
