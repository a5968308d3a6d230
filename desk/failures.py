"""What failed of a request, item by item and by reason: what ``failure`` of an item says, asked in one place.

An item failed at collection (its bytes were not had), or its text could not be read, or only in part. Waiting
for OCR is no failure, and neither is a file that was read and holds no text.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from records import tables as t
from records.vocabulary import NEEDS_LIBARCHIVE, RETRYABLE, CollectionState, Reason, TextState

_i, _r = t.items.c, t.readings.c

LOST = _i.state == CollectionState.FAILED
"""The bytes of the item were not had."""

REASON: sa.ColumnElement[str | None] = sa.case((LOST, _i.reason), else_=_r.reason)
"""Why it failed."""

DETAIL: sa.ColumnElement[str | None] = sa.case((LOST, _i.detail), else_=_r.detail)


def failing(request_id: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query of the items that failed, each with its reading where it has one."""
    same = (_r.request_id == _i.request_id) & (_r.item_id == _i.item_id)
    unread = _r.reason.is_not(None) & (_r.reason != Reason.NO_TEXT) & (_r.text_state != TextState.PENDING)
    stored = (_i.state == CollectionState.STORED) & unread
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


def by_reason(connection: sa.Connection, request_id: str) -> dict[str, int]:
    """Count the items that failed, by reason."""
    counted = failing(request_id, REASON, sa.func.count()).group_by(REASON)
    return dict(sorted((str(reason), int(count)) for reason, count in connection.execute(counted)))
