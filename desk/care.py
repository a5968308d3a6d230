"""Care for what was collected: verification and repair of the evidence."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from desk import runlock
from desk.home import Home
from records import audit
from records import tables as t
from records.attempts import refuse_all


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
