"""What failed of a request, item by item and by reason: what ``failure`` of an item says, asked in one place.

An item failed at collection (its bytes were not had), or its text could not be read, or only in part. Waiting
for OCR is no failure, and neither is a file that was read and holds no text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from desk.outputs import refuse_existing
from records import tables as t
from records.vocabulary import NEEDS_LIBARCHIVE, RETRYABLE, CollectionState, Reason, TextState
from release.sheets import csv_bytes

_i, _r = t.items.c, t.readings.c

LOST = _i.state == CollectionState.FAILED
"""The bytes of the item were not had."""

UNREADABLE = _r.reason.is_not(None) & (_r.reason != Reason.NO_TEXT) & (_r.text_state != TextState.PENDING)
"""Its text could not be read, or only in part."""

REASON: sa.ColumnElement[str | None] = sa.case((LOST, _i.reason), else_=_r.reason)
"""Why it failed."""

DETAIL: sa.ColumnElement[str | None] = sa.case((LOST, _i.detail), else_=_r.detail)


def failing(request_id: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query of the items that failed, each with its reading where it has one."""
    same = (_r.request_id == _i.request_id) & (_r.item_id == _i.item_id)
    stored = (_i.state == CollectionState.STORED) & UNREADABLE
    return (
        sa.select(*columns)
        .outerjoin_from(t.items, t.readings, same)
        .where(_i.request_id == request_id, LOST | stored)
    )


def for_reasons(reasons: Collection[Reason]) -> sa.ColumnElement[bool]:
    """Return the condition that an item failed for one of some reasons; none: for one that may pass.

    An archive that is ``unsupported`` only because a library is not installed may pass, too.
    """
    if reasons:
        return REASON.in_(sorted(map(str, reasons)))
    return REASON.in_(sorted(map(str, RETRYABLE))) | (DETAIL == NEEDS_LIBARCHIVE)


COLUMNS = (
    "item_id", "family_id", "part", "kind", "connector", "source", "scope", "custodian", "name", "bytes",
    "step", "reason", "detail", "retryable", "extractor", "seconds",
)  # fmt: skip
"""Names of what ``failures`` says of an item, in the order of the file."""


def write_csv(found: Iterable[dict[str, Any]], out: Path) -> int:
    """Write failures into a new file for a spreadsheet; return how many.

    Raises:
        UsageError: The file is there already.
    """
    refuse_existing(out)
    rows = list(found)
    out.write_bytes(csv_bytes(COLUMNS, rows))
    return len(rows)


def failures(home: Home, request_id: str, reasons: Collection[Reason] = ()) -> Iterator[dict[str, Any]]:
    """Yield the items that failed, as JSON objects, by reason, source and place.

    Args:
        home: Open.
        request_id: The request.
        reasons: Only those that failed for one of these; none: every one.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    columns = (
        _i.item_id, _i.family_id, _i.part_path, sa.func.coalesce(_r.kind, _i.kind).label("kind"),
        _i.connector, _i.source_id, _i.scope_key, _i.custodian_id, _i.name, _i.size_bytes, _i.state,
        REASON.label("reason"), DETAIL.label("detail"), _r.extractor, _r.read_ms,
    )  # fmt: skip
    query = failing(request_id, *columns).order_by(
        REASON, _i.source_id, _i.scope_key, _i.batch_id, _i.family_id, _i.position
    )
    if reasons:
        query = query.where(for_reasons(reasons))
    with home.catalogue.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        yield {
            "item_id": row.item_id,
            "family_id": row.family_id,
            "part": row.part_path,
            "kind": row.kind,
            "connector": row.connector,
            "source": row.source_id,
            "scope": row.scope_key,
            "custodian": row.custodian_id,
            "name": row.name,
            "bytes": row.size_bytes,
            "step": "collect" if row.state == CollectionState.FAILED else "extract",
            "reason": row.reason,
            "detail": row.detail or "",
            "retryable": Reason(row.reason) in RETRYABLE or row.detail == NEEDS_LIBARCHIVE,
            "extractor": row.extractor or "",
            "seconds": None if row.read_ms is None else row.read_ms / 1000,
        }
