"""The destruction freeze: what an open request asks for stays until it is resolved (RCW 42.56.100).

The freeze stands before every retention period, whatever the schedule says. It covers every item collected
for the request, by item and by bytes: the same bytes in another place are the same record's content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import UsageError

AUTHORITY = "RCW 42.56.100"
_ITEM_ID_LENGTH, _SHA256_LENGTH = 32, 64


@dataclass(frozen=True, slots=True)
class FreezeRow:
    """One request in the register of freezes.

    Attributes:
        request_id: The request that freezes.
        from_at: Since when, UTC text.
        until_at: Until when, UTC text; None while it is in force.
        authority: The rule it rests on.
        items: Stored items of the request, children included.
        contents: Different contents among them.
    """

    request_id: str
    from_at: str
    until_at: str | None
    authority: str
    items: int
    contents: int

    @property
    def in_force(self) -> bool:
        """Whether its items may not be destroyed."""
        return self.until_at is None


def freeze(connection: sa.Connection, request_id: str, from_at: datetime | str, *, by: str = "desk") -> None:
    """Freeze every item of a request, within a writing transaction of the caller.

    Harmless when it is frozen. A request that is opened again is frozen again, from its first day.

    Args:
        connection: A transaction from ``Catalogue.write``.
        request_id: The request.
        from_at: Since when: an aware time, or UTC text of ``canonical.utc_text``.
        by: Who, for the audit log.
    """
    f = t.freezes.c
    since = _text(from_at)
    row = connection.execute(sa.select(f.from_at, f.until_at).where(f.request_id == request_id)).first()
    if row is None:
        connection.execute(
            t.freezes.insert(),
            {"request_id": request_id, "from_at": since, "until_at": None, "authority": AUTHORITY},
        )
    elif row.until_at is not None:
        connection.execute(
            t.freezes.update()
            .where(f.request_id == request_id)
            .values(until_at=None, from_at=min(row.from_at, since))
        )
    else:
        return
    audit.append(connection, action="frozen", actor=by, request_id=request_id, since=since)


def thaw(connection: sa.Connection, request_id: str, at: datetime | str, *, by: str = "desk") -> None:
    """End the freeze of a resolved request, within a writing transaction of the caller.

    The schedule applies again (WAC 44-14-04006(2)); items that another open request holds stay
    frozen by that one.

    Raises:
        UsageError: The request is not frozen.
    """
    f = t.freezes.c
    until = _text(at)
    done = connection.execute(
        t.freezes.update().where(f.request_id == request_id, f.until_at.is_(None)).values(until_at=until)
    )
    if not done.rowcount:
        raise UsageError(f"request {request_id} freezes nothing")
    audit.append(connection, action="thawed", actor=by, request_id=request_id, until=until)


def _text(at: datetime | str) -> str:
    return canonical.utc_text(canonical.utc_time(at) if isinstance(at, str) else at)


def frozen_by(catalogue: Catalogue, key: str) -> list[str]:
    """Return the open requests that freeze an item, or bytes, in order.

    Args:
        catalogue: The catalogue.
        key: An ``item_id`` (32 hex digits), or the SHA-256 of native bytes or of a text (64).

    Raises:
        UsageError: It is neither.
    """
    f = t.freezes.c
    if len(key) == _ITEM_ID_LENGTH:
        held = t.items.c.item_id == key
        table = t.items
    elif len(key) == _SHA256_LENGTH:
        held = t.blobs.c.sha256 == key
        table = t.blobs
    else:
        raise UsageError("give an item id (32 hex digits) or a SHA-256 (64 hex digits)")
    query = (
        sa.select(f.request_id)
        .where(f.until_at.is_(None), sa.exists().where(table.c.request_id == f.request_id, held))
        .order_by(f.request_id)
    )
    with catalogue.read() as connection:
        return [request_id for (request_id,) in connection.execute(query)]


def register(catalogue: Catalogue) -> list[FreezeRow]:
    """Return every freeze, those in force first, then by request id."""
    f, i = t.freezes.c, t.items.c
    counts = (
        sa.select(
            i.request_id,
            sa.func.count().label("item_count"),
            sa.func.count(i.blob_sha256.distinct()).label("content_count"),
        )
        .where(i.state == "stored")
        .group_by(i.request_id)
        .subquery()
    )
    query = (
        sa.select(
            f.request_id, f.from_at, f.until_at, f.authority, counts.c.item_count, counts.c.content_count
        )
        .outerjoin(counts, counts.c.request_id == f.request_id)
        .order_by(f.until_at.is_not(None), f.request_id)
    )
    with catalogue.read() as connection:
        return [
            FreezeRow(
                row.request_id,
                row.from_at,
                row.until_at,
                row.authority,
                row.item_count or 0,
                row.content_count or 0,
            )
            for row in connection.execute(query)
        ]
