"""The groups that a request has: which are in force and what came after; loads nothing that makes them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from desk.home import Home
from records import canonical
from records import tables as t
from records.vocabulary import CollectionState
from review.duplicates import Bcc, Mode


@dataclass(frozen=True, slots=True)
class InForce:
    """The groups that a request has.

    Attributes:
        grouping_no: Their number.
        version: Of the request when they were made.
        duplicates: Among whose records exact duplicates were looked for.
        bcc: Whether blind recipients told them.
        records: Stored records that were read then.
        at: When, UTC.
    """

    grouping_no: int
    version: int
    duplicates: Mode
    bcc: Bcc
    records: int
    at: str


def in_force(home: Home, request_id: str) -> InForce | None:
    """Return the groups that a request has; None while there are none."""
    g = t.groupings.c
    with home.catalogue.read() as connection:
        row = connection.execute(
            sa.select(t.groupings).where(g.request_id == request_id).order_by(g.grouping_no.desc()).limit(1)
        ).first()
    if row is None:
        return None
    body = canonical.loads(row.body)
    bcc = Bcc(body["duplicates"].get("bcc", Bcc.COUNTED))  # groups of before it could be left out counted it
    return InForce(row.grouping_no, row.version, Mode(row.duplicates), bcc, body["records"], row.at)


def later_records(home: Home, request_id: str) -> int | None:
    """Return how many records were read since the groups were made; None while there are none."""
    made = in_force(home, request_id)
    return None if made is None else max(0, records_read(home, request_id) - made.records)


def records_read(home: Home, request_id: str) -> int:
    """Return how many stored records were read."""
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        return int(
            connection.scalar(
                sa.select(sa.func.count())
                .select_from(t.items)
                .join(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
                .where(i.request_id == request_id, i.state == CollectionState.STORED)
            )
            or 0
        )
