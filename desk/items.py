"""Items as JSON objects: what ``daylight items`` and ``daylight inspect`` print, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import audit, canonical
from records import tables as t
from records.document_types import read_type
from records.errors import UsageError
from records.evidence import BlobRef
from records.languages import shares
from records.vocabulary import RETRYABLE, CollectionState, Reason, TextState

PAGE = 500


def items(home: Home, request_id: str, *, with_text: bool = True) -> Iterator[dict[str, Any]]:
    """Yield every item of a request: batch by batch, family by family, each parent before its children.

    Args:
        home: Open.
        request_id: The request.
        with_text: Whether to include the extracted text.
    """
    i, b = t.items.c, t.batches.c
    with home.catalogue.read() as connection:
        batches = connection.execute(
            sa.select(b.batch_id).where(b.request_id == request_id).order_by(b.batch_id)
        ).scalars()
        batch_ids = list(batches)
    for batch_id in batch_ids:
        after = -1
        while True:
            with home.catalogue.read() as connection:
                tops = connection.execute(
                    sa.select(i.item_id, i.position)
                    .where(
                        i.request_id == request_id, i.batch_id == batch_id, i.level == 0, i.position > after
                    )
                    .order_by(i.position)
                    .limit(PAGE)
                ).all()
            if not tops:
                break
            after = tops[-1].position
            yield from _families(home, request_id, [row.item_id for row in tops], with_text=with_text)


def _families(
    home: Home, request_id: str, family_ids: list[str], *, with_text: bool
) -> Iterator[dict[str, Any]]:
    i, r = t.items.c, t.readings.c
    reading = [column.label(f"r_{column.name}") for column in t.readings.columns]
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(t.items, *reading)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, i.family_id.in_(family_ids))
            .order_by(i.family_id, i.level > 0, i.position)
        ).all()
    families: dict[str, list[sa.Row[Any]]] = {}
    for row in rows:
        families.setdefault(row.family_id, []).append(row)
    store = home.store(request_id)
    refs: dict[str, BlobRef] = {}
    if with_text:
        refs = store.find(row.r_text_sha256 for row in rows if row.r_text_sha256)
    for family_id in family_ids:
        members = families[family_id]
        for row in members:
            text = ""
            if row.r_text_sha256 in refs:
                text = store.read(refs[row.r_text_sha256]).decode("utf-8")
            out = item_object(row, [m for m in members if m.parent_id == row.item_id])
            if with_text:
                out["text"] = text
            yield out


def item_object(row: sa.Row[Any], children: list[sa.Row[Any]]) -> dict[str, Any]:
    """Return one item as a JSON object.

    Args:
        row: An items row with its readings row beside it, the columns of the latter prefixed ``r_``.
        children: Its direct children, likewise, in order.
    """
    facts = canonical.loads(row.facts)
    read = canonical.loads(row.r_facts) if row.r_facts else {"metadata": {}, "warnings": []}
    people = canonical.loads(row.r_recipients) if row.r_recipients else {}
    sender = canonical.loads(row.r_sender) if row.r_sender else []
    return {
        "item_id": row.item_id,
        "native_id": row.native_key,
        "parent_id": row.parent_id,
        "family_id": row.family_id,
        "part": row.part_path,
        "kind": row.r_kind or row.kind,
        "type": read_type(row.r_kind or row.kind, row.media_type, row.name, row.r_facts).value,
        "languages": dict(shares(row.r_languages)),
        "connector": row.connector,
        "source": row.source_id,
        "scope": row.scope_key,
        "custodian": row.custodian_id,
        "name": row.name,
        "mime": row.media_type,
        "state": row.state,
        "from": _person(sender[0]) if sender else None,
        "to": [_person(p) for p in people.get("to", ())],
        "cc": [_person(p) for p in people.get("cc", ())],
        "bcc": [_person(p) for p in people.get("bcc", ())],
        "participants": _participants(sender, people),
        "sent_at": short_time(row.r_sent_at),
        "sent_at_text": row.r_sent_at_text or "",
        "sent_at_basis": row.r_sent_at_basis or "none",
        "subject": row.r_subject or "",
        "attachments": [
            {"name": c.name, "mime": c.media_type, "bytes": c.size_bytes, "sha256": c.blob_sha256}
            for c in children
        ],
        "content_sha256": row.blob_sha256,
        "bytes": row.size_bytes,
        "text_state": row.r_text_state,
        "ocr_pages": canonical.loads(row.r_ocr_pages) if row.r_ocr_pages else [],
        "warnings": sorted({*facts["warnings"], *read["warnings"]}),
        "metadata": {**facts["metadata"], **read["metadata"]},
        "excluded": row.reason if row.state == CollectionState.EXCLUDED else None,
        "failure": _failure(row),
    }


def _failure(row: sa.Row[Any]) -> dict[str, Any] | None:
    if row.state == CollectionState.FAILED:
        reason, detail = row.reason, row.detail
    elif row.r_text_state == TextState.PENDING or row.r_reason in {None, Reason.NO_TEXT}:
        return None
    else:
        reason, detail = row.r_reason, row.r_detail
    return {"reason": reason, "retryable": Reason(reason) in RETRYABLE, "detail": detail or ""}


def _person(pair: list[str]) -> str:
    name, address = pair
    return f"{name} <{address}>" if name and address else name or address


def _participants(sender: list[list[str]], people: dict[str, list[list[str]]]) -> list[str]:
    """Return everybody named, once each, sender first."""
    everybody = [*sender, *(p for role in ("to", "cc", "bcc", "participants") for p in people.get(role, ()))]
    return list(dict.fromkeys(_person(pair) for pair in everybody))


def short_time(text: str | None) -> str | None:
    """Return a catalogue time without a fraction of zero: ``2026-01-02T03:04:05Z``."""
    return text and text.replace(".000000Z", "Z")


def native(home: Home, request_id: str, item_id: str, *, by: str, text: bool = False) -> bytes:
    """Return the exact native bytes of an item, or its text as UTF-8; the reading is audited.

    Raises:
        UsageError: There is no such item, or it was not stored.
        ItemError: The evidence is damaged or was removed.
    """
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        row = connection.execute(
            sa.select(i.blob_sha256, r.text_sha256)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, i.item_id == item_id)
        ).first()
    if row is None:
        raise UsageError(f"request {request_id} has no item {item_id}")
    digest = row.text_sha256 if text else row.blob_sha256
    if digest is None and not text:
        raise UsageError(f"item {item_id} has no stored bytes; `daylight items` says why")
    with home.catalogue.write() as connection:
        audit.append(connection, action="read", actor=by, request_id=request_id, item=item_id)
    return b"" if digest is None else home.store(request_id).get(digest)
