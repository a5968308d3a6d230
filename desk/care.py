"""Care for what was collected: verification and repair of the evidence, another try at what was not read."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from desk import runlock
from desk.home import Home
from records import audit
from records import tables as t
from records.attempts import refuse_all
from records.catalogue import chunked
from records.errors import UsageError
from records.vocabulary import NEEDS_LIBARCHIVE, RETRYABLE, CollectionState, TextState


def verify_stores(home: Home, *, repair: bool, by: str) -> list[dict[str, Any]]:
    """Verify (and repair) the evidence of every request.

    Args:
        home: Open.
        repair: Also remove orphan records and torn tails; a request that is being run is refused.
        by: Who does it.

    Returns:
        One object a request: records checked, damaged digests, orphans, torn segments.

    Raises:
        AlreadyRunning: With ``repair``, while a run of a request is alive.
    """
    with home.catalogue.read() as connection:
        request_ids = list(
            connection.execute(sa.select(t.requests.c.request_id).order_by(t.requests.c.request_id)).scalars()
        )
    return [_verify(home, request_id, repair=repair, by=by) for request_id in request_ids]


def _verify(home: Home, request_id: str, *, repair: bool, by: str) -> dict[str, Any]:
    store = home.store(request_id)
    if repair:
        with runlock.local_run(home, request_id):
            runlock.refuse_leased(home, request_id)
            with home.catalogue.write() as connection:  # or a late attempt's rows would point to nothing
                refuse_all(connection, request_id)
            report = store.repair()
        with home.catalogue.write() as connection:
            audit.append(connection, action="repaired", actor=by, request_id=request_id)
    else:
        report = store.verify()
    return {
        "request_id": request_id,
        "checked": report.checked,
        "damaged": list(report.damaged),
        "orphans": report.orphans,
        "torn": report.torn,
    }


def retry(home: Home, request_id: str, *, by: str) -> dict[str, Any]:
    """Put everything whose text failed for a reason that may pass in line for another reading.

    Whole families are read anew by the next run: a part that could not be taken out last time may come out.
    Ids stay the same, so decisions stay. Families with a produced record are left as they are.

    Args:
        home: Open.
        request_id: The request.
        by: Who asks for it.

    Returns:
        Families put in line, and top items that failed at collection for such a reason: these are not tried
        again, since their source was read past them.

    Raises:
        UsageError: The request is closed.
        AlreadyRunning: A run of the request is alive.
    """
    if home.request(request_id).state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing in it is read again")
    with runlock.local_run(home, request_id):
        runlock.refuse_leased(home, request_id)
        with home.catalogue.write() as connection:
            refuse_all(connection, request_id)
            families, uncollected = _retryable(connection, request_id)
        for piece in chunked(families, 50):
            with home.catalogue.write() as connection:
                _forget_readings(connection, request_id, piece)
        with home.catalogue.write() as connection:
            audit.append(
                connection, action="retried", actor=by, request_id=request_id, families=len(families)
            )
    return {"request_id": request_id, "families": len(families), "not_collected": uncollected}


def _retryable(connection: sa.Connection, request_id: str) -> tuple[list[str], int]:
    i, r, n = t.items.c, t.readings.c, t.numbers.c
    reasons = [str(reason) for reason in RETRYABLE]
    same = (r.request_id == i.request_id) & (r.item_id == i.item_id)
    passing = r.reason.in_(reasons) | (r.detail == NEEDS_LIBARCHIVE)
    unread = (r.text_state == TextState.NOT_SEARCHABLE) & passing
    lost = (i.state == CollectionState.FAILED) & i.reason.in_(reasons)
    produced = (
        sa.select(t.items.c.family_id)
        .join(t.numbers, (n.request_id == i.request_id) & (n.item_id == i.item_id))
        .where(i.request_id == request_id)
    )
    families = connection.execute(
        sa.select(i.family_id)
        .distinct()
        .outerjoin_from(t.items, t.readings, same)
        .where(i.request_id == request_id, unread | (lost & (i.level > 0)), i.family_id.not_in(produced))
        .order_by(i.family_id)
    ).scalars()
    uncollected = connection.execute(
        sa.select(sa.func.count()).where(i.request_id == request_id, lost, i.level == 0)
    ).scalar_one()
    return list(families), uncollected


def _forget_readings(connection: sa.Connection, request_id: str, families: list[str]) -> None:
    """Drop what was read of families, children included: the next run reads what has no reading."""
    i, r, b = t.items.c, t.readings.c, t.batches.c
    mine = (i.request_id == request_id) & i.family_id.in_(families)
    batches = connection.execute(sa.select(i.batch_id).distinct().where(mine)).scalars().all()
    members = sa.select(i.item_id).where(mine)
    o, p = t.ocr_items.c, t.ocr_texts.c
    files = sa.select(i.blob_sha256).where(mine, i.blob_sha256.is_not(None))
    passing = p.reason.in_([str(reason) for reason in RETRYABLE])
    connection.execute(t.ocr_texts.delete().where(p.request_id == request_id, p.sha256.in_(files), passing))
    connection.execute(t.ocr_items.delete().where(o.request_id == request_id, o.item_id.in_(members)))
    connection.execute(t.readings.delete().where(r.request_id == request_id, r.item_id.in_(members)))
    connection.execute(t.items.delete().where(mine, i.level > 0))
    connection.execute(
        t.batches.update()
        .where(b.request_id == request_id, b.batch_id.in_(batches))
        .values(extract_state="waiting", index_state="waiting")
    )
