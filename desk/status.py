"""Where a request stands: state, counts by scope, rate, time left, exceptions by reason."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from desk.books import books
from desk.coverage import coverage
from desk.declaring import standing
from desk.estimating import in_force
from desk.home import Home
from desk.ocr import report as ocr_report
from desk.policy import counts
from desk.topping_up import report
from desk.watching import figures, slowest
from records import tables as t


def status(home: Home, request_id: str) -> dict[str, Any]:
    """Return the state of a request as one JSON object.

    ``desk.watching.Figures`` says what its numbers are.
    """
    found = home.request(request_id)
    counted = books(home, request_id)
    now = figures(home.catalogue, request_id)
    r = t.runs.c
    with home.catalogue.read() as connection:
        run = connection.execute(
            sa.select(r.run_key, r.started_at, r.ended_at, r.outcome)
            .where(r.request_id == request_id)
            .order_by(r.started_at.desc())
            .limit(1)
        ).first()
    expected = [scope.expected for scope in counted.scopes]
    total = None if None in expected else sum(count for count in expected if count is not None)
    collected = sum(scope.found for scope in counted.scopes)
    return {
        "request_id": request_id,
        "state": found.state,
        "version": found.version,
        "due_on": found.due_on,
        "run": None if run is None else dict(run._mapping),
        "batches": now.batches,
        "items": {"expected": total, "found": collected},
        "estimate": _estimate(home, request_id),
        "top_ups": [
            {name: one[name] for name in ("round", "version", "done", "total")}
            for one in report(home, request_id)
        ],
        "items_per_s": now.items_per_s,
        "mb_per_s": now.mb_per_s,
        "seconds_left": now.seconds_left,
        "bytes": {"stored": now.stored_bytes, "left": now.left_bytes},
        "failures": now.failures,
        "slowest": slowest(home.catalogue, request_id),
        "balanced": counted.balanced,
        "declarations": standing(home, request_id).counts(),
        "policy": counts(home, request_id),
        "coverage": coverage(home, request_id, counted).as_json(),
        "scopes": [asdict(scope) for scope in counted.scopes],
        "text": counted.text,
        "ocr": ocr_report(home, request_id),
        "review": counted.review,
        "exceptions": counted.exceptions,
    }


def _estimate(home: Home, request_id: str) -> dict[str, Any] | None:
    """Return the dates of the estimate in force, and what they do not cover; None where nobody made one."""
    made = in_force(home, request_id)
    if made is None:
        return None
    names = ("version", "made_at", "first_instalment_on", "finish_from", "finish_to", "unknown")
    return {name: getattr(made, name) for name in names}
