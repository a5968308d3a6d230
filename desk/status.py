"""Where a request stands: state, counts by scope, rate, time left, exceptions by reason."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
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
from records import tables as t
from records.canonical import utc_time
from records.vocabulary import Step


def status(home: Home, request_id: str) -> dict[str, Any]:
    """Return the state of a request as one JSON object.

    Rates are those of the newest run: top items and native bytes collected by its attempts, by wall time from
    the first to the last (or to now, while it runs).
    """
    found = home.request(request_id)
    counted = books(home, request_id)
    b, r = t.batches.c, t.runs.c
    with home.catalogue.read() as connection:
        done = sa.case((b.index_state == "done", 1), else_=0)
        batches = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(done), 0)).where(
                b.request_id == request_id
            )
        ).one()
        run = connection.execute(
            sa.select(r.run_key, r.started_at, r.ended_at, r.outcome)
            .where(r.request_id == request_id)
            .order_by(r.started_at.desc())
            .limit(1)
        ).first()
        speed = _speed(connection, request_id, None if run is None else run.started_at)
    expected = [scope.expected for scope in counted.scopes]
    total = None if None in expected else sum(count for count in expected if count is not None)
    collected = sum(scope.found for scope in counted.scopes)
    left = None
    if total is not None and speed["items_per_s"] and batches[1] < batches[0]:
        left = round(max(0, total - collected) / speed["items_per_s"], 1)
    return {
        "request_id": request_id,
        "state": found.state,
        "version": found.version,
        "due_on": found.due_on,
        "run": None if run is None else dict(run._mapping),
        "batches": {"planned": batches[0], "done": int(batches[1])},
        "items": {"expected": total, "found": collected},
        "estimate": _estimate(home, request_id),
        "top_ups": [
            {name: one[name] for name in ("round", "version", "done", "total")}
            for one in report(home, request_id)
        ],
        **speed,
        "seconds_left": left,
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


def _speed(connection: sa.Connection, request_id: str, since: str | None) -> dict[str, float]:
    """Return items/s and MB/s of the collect attempts since a time."""
    a, i = t.attempts.c, t.items.c
    nothing = {"items_per_s": 0.0, "mb_per_s": 0.0}
    if since is None:
        return nothing
    first, last, count, open_ = connection.execute(
        sa.select(
            sa.func.min(a.started_at),
            sa.func.max(a.ended_at),
            sa.func.coalesce(sa.func.sum(sa.case((a.step == "collect", a["items"]), else_=0)), 0),
            sa.func.count() - sa.func.count(a.ended_at),
        ).where(a.request_id == request_id, a.started_at >= since, a.step != Step.OCR)
    ).one()
    if first is None:
        return nothing
    batches = sa.select(a.batch_id).where(
        a.request_id == request_id, a.started_at >= since, a.step == "collect"
    )
    size = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(i.size_bytes), 0)).where(
            i.request_id == request_id, i.level == 0, i.batch_id.in_(batches)
        )
    ).scalar_one()
    end = datetime.now(UTC) if open_ or last is None else utc_time(last)
    seconds = max((end - utc_time(first)).total_seconds(), 1e-3)
    items, mb = int(count), int(size) / 1e6  # PostgreSQL gives sums as decimals
    return {"items_per_s": round(items / seconds, 1), "mb_per_s": round(mb / seconds, 3)}
