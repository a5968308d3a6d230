"""Plan and collect one request as the steps of a run do, or only read, and say what that cost.

``python -m benchmarks.collecting HOME REQUEST_ID``: plan in this process, then the batches in a pool of as
many processes as there are cores, by the same connector, evidence store and catalogue. ``… HOME REQUEST_ID
--read``: draw every item with its bytes in this process, and keep nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from connectors.registry import connector
from desk import run
from desk.batch import BatchRunner
from desk.exports import context_of
from desk.home import Home
from records import canonical
from records import tables as t
from records.models import FoundItem
from records.settings import Settings

RUN_KEY = "local-benchmark"


def main(home: Path, request_id: str) -> dict[str, Any]:
    """Plan and collect; return what planning cost, and for each scope what its batches did."""
    began = time.monotonic()
    opened = Home.open(settings=Settings(home=home))
    try:
        run.open_run(opened, request_id, RUN_KEY)
        cpu = time.process_time()
        run.plan(opened, request_id, RUN_KEY)
        planned = {"wall_s": time.monotonic() - began, "cpu_s": time.process_time() - cpu}
        waiting = [batch_id for batch_id, _ in run.waiting_batches(opened, request_id)]
    finally:
        opened.close()
    scopes: dict[str, dict[str, float]] = {}
    collecting = time.monotonic()
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("forkserver"), _begin, (home, request_id)) as pool:
        for scope, items, cpu_s in pool.map(_collected, waiting):
            one = scopes.setdefault(scope, {"batches": 0, "items": 0, "cpu_s": 0.0})
            one["batches"] += 1
            one["items"] += items
            one["cpu_s"] += cpu_s
    collect_s = time.monotonic() - collecting
    return {"plan": planned, "collect_s": collect_s, "scopes": scopes, "ledger": _added_up(home)}


def _added_up(home: Path) -> dict[str, Any]:
    """Return the states of all items by place, and the fates of paths, as the ledger has them.

    The home has one request: its table is read from one end to the other, which the ledger of a home with
    many cannot do.
    """
    states: dict[str, dict[str, int]] = {}
    opened = Home.open(settings=Settings(home=home))
    try:
        with opened.catalogue.read() as connection:
            counted = "SELECT scope_key, state, COUNT(*) FROM items NOT INDEXED GROUP BY scope_key, state"
            for scope, state, count in connection.exec_driver_sql(counted):
                states.setdefault(scope, {})[state] = count
            scopes = [
                _place(scope, expected, states.get(scope, {}))
                for scope, expected in connection.execute(
                    sa.select(t.scopes.c.scope_key, t.scopes.c.expected).order_by(t.scopes.c.scope_key)
                )
            ]
            exports = [
                _fates(paths, canonical.loads(body))
                for paths, body in connection.execute(
                    sa.select(t.export_paths.c.paths, t.export_paths.c.body)
                )
            ]
        return {"scopes": scopes, "exports": exports}
    finally:
        opened.close()


def _place(scope: str, expected: int | None, states: Mapping[str, int]) -> dict[str, Any]:
    found = sum(states.values())
    by_state = {state: states.get(state, 0) for state in ("stored", "failed", "excluded")}
    return {
        "scope": scope,
        "found": found,
        **by_state,
        "balanced": expected == found == sum(by_state.values()),
    }


def _fates(paths: int | None, body: Mapping[str, Any]) -> dict[str, Any]:
    told = body["read"] + sum(body["ignored"].values()) + body["unknown"]
    return {"paths": paths, "unknown": body["unknown"], "balanced": paths == told}


def read(home: Path, request_id: str) -> dict[str, Any]:
    """Draw all items of the request's source with their bytes; return what each scope cost."""
    opened = Home.open(settings=Settings(home=home))
    try:
        body = opened.request(request_id).body
        (source,) = body.sources
        reader = connector(source.connector)(context_of(opened, request_id, body, source))
        reader.check()
        scopes: dict[str, dict[str, float]] = {}
        for scope in reader.scopes():
            cpu, items = time.process_time(), 0
            for part in reader.parts(scope, opened.settings.batch_items, opened.settings.batch_bytes):
                for item in reader.items(part, body.window_days()):
                    items += 1
                    if isinstance(item, FoundItem):
                        _drain(reader.open(item))
            scopes[scope.key] = {"items": items, "cpu_s": time.process_time() - cpu}
        return {"scopes": scopes}
    finally:
        opened.close()


def _drain(stream: BinaryIO) -> None:
    with stream:
        while stream.read(1 << 20):
            pass


_runners: list[BatchRunner] = []


def _begin(home: Path, request_id: str) -> None:
    """Open the home in a process of the pool."""
    opened = Home.open(settings=Settings(home=home))
    _runners.append(BatchRunner(opened, opened.request(request_id)))


def _collected(batch_id: str) -> tuple[str, int, float]:
    """Collect a batch; return its scope, how many items it drew, and CPU seconds."""
    runner = _runners[0]
    cpu = time.process_time()
    items = runner.collect(batch_id)
    spent = time.process_time() - cpu
    b = t.batches.c
    with runner.home.catalogue.read() as connection:
        wanted = sa.select(b.scope_key).where(
            b.request_id == runner.request.request_id, b.batch_id == batch_id
        )
        return str(connection.execute(wanted).scalar_one()), items, spent


if __name__ == "__main__":
    work = read if sys.argv[3:] == ["--read"] else main
    json.dump(work(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
