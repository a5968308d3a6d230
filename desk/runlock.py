"""One run of a request at a time.

A local run holds a file lock, which dies with its process. An Airflow run has no process of its own, so it
holds a lease that each of its steps renews; while it waits for a person it needs none.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from desk.home import Home
from records import tables as t
from records.attempts import refuse_all
from records.canonical import now_text, utc_text
from records.errors import AlreadyRunning

LEASE = timedelta(minutes=15)
INTERRUPTED = "interrupted"

PATIENCE_S = 300
"""How long somebody who holds a request for moments only is waited for."""

_BRIEF = b"brief"
_LOOK_S = 0.2


def is_local(run_key: str) -> bool:
    """Say whether a run lives in a process of its own (``local-…``), and so needs no lease."""
    return run_key.startswith("local-")


@contextmanager
def local_run(home: Home, request_id: str, *, brief: bool = False) -> Iterator[None]:
    """Hold the request for this process; who holds it briefly is waited for.

    Args:
        home: Open.
        request_id: The request.
        brief: It is held for moments, as OCR does while it changes texts: a run that begins now waits
            ``PATIENCE_S`` seconds for it, and the caller waits for nobody.

    Raises:
        AlreadyRunning: Another local run is alive.
    """
    patience_s = 0 if brief else PATIENCE_S
    with _held(home, request_id, "run", "is being run by another process", patience_s) as descriptor:
        os.ftruncate(descriptor, 0)
        if brief:
            os.pwrite(descriptor, _BRIEF, 0)
        yield


@contextmanager
def local_ocr(home: Home, request_id: str) -> Iterator[None]:
    """Hold the OCR of a request for this process; a run may go on beside it.

    Raises:
        AlreadyRunning: Another process reads its pictures.
    """
    with _held(home, request_id, "ocr", "has its pictures read by another process"):
        yield


@contextmanager
def _held(home: Home, request_id: str, name: str, by_another: str, patience_s: float = 0) -> Iterator[int]:
    folder = home.settings.request_folder(request_id)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        until = time.monotonic() + patience_s
        while not _locked(descriptor):
            if time.monotonic() >= until or os.pread(descriptor, len(_BRIEF), 0) != _BRIEF:
                raise AlreadyRunning(f"request {request_id} {by_another}; wait for it, or stop it first")
            time.sleep(_LOOK_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def begin(home: Home, request_id: str, run_key: str, *, leased: bool, take_over: bool = False) -> None:
    """Enter a run, or find that it is entered already (a repeated task).

    Args:
        home: Open.
        request_id: The request.
        run_key: The run's name.
        leased: Whether its steps renew a lease, having no process of their own to die with.
        take_over: Put an end to another run that is alive; what it writes from then on is refused.

    Raises:
        AlreadyRunning: Another run holds a lease that has not run out, or waits for a person; or, for a
            leased run, a process holds the request (a local run, a repair).
    """
    # A leased run holds the file lock while it enters, so that it meets a living local run.
    with local_run(home, request_id) if leased else nullcontext():
        _enter(home, request_id, run_key, leased=leased, take_over=take_over)


def _enter(home: Home, request_id: str, run_key: str, *, leased: bool, take_over: bool) -> None:
    r = t.runs.c
    now = datetime.now(UTC)
    version = home.request(request_id).version
    with home.catalogue.write() as connection:
        others = _others(connection, request_id, run_key, alive_too=take_over)
        if others:  # what is still at work for one of them commits nothing from here on
            refuse_all(connection, request_id)
        for other in others:
            connection.execute(
                t.runs.update()
                .where(r.request_id == request_id, r.run_key == other)
                .values(ended_at=now_text(), outcome=INTERRUPTED)
            )
        known = connection.execute(
            sa.select(r.run_key).where(r.request_id == request_id, r.run_key == run_key)
        ).first()
        if known is None:
            connection.execute(
                t.runs.insert(),
                {
                    "request_id": request_id,
                    "run_key": run_key,
                    "version": version,
                    "started_at": now_text(),
                    "lease_until": utc_text(now + LEASE) if leased else None,
                },
            )
        connection.execute(
            t.requests.update()
            .where(t.requests.c.request_id == request_id, t.requests.c.state == "open")
            .values(state="running")
        )


def refuse_leased(home: Home, request_id: str) -> None:
    """Refuse while an Airflow run of the request is alive.

    Raises:
        AlreadyRunning: It holds a lease, or waits for a person.
    """
    with home.catalogue.read() as connection:
        _others(connection, request_id, "")


def is_leased(home: Home, request_id: str) -> bool:
    """Say whether a step of an Airflow run may be at work; a run that waits for a person is not."""
    r = t.runs.c
    query = sa.select(r.run_key).where(
        r.request_id == request_id, r.ended_at.is_(None), r.lease_until > utc_text(datetime.now(UTC))
    )
    with home.catalogue.read() as connection:
        return connection.execute(query).first() is not None


def _others(
    connection: sa.Connection, request_id: str, run_key: str, *, alive_too: bool = False
) -> list[str]:
    """Return runs that did not end; a living one is refused by name unless it may be taken over."""
    r = t.runs.c
    rows = connection.execute(
        sa.select(r.run_key, r.lease_until).where(
            r.request_id == request_id, r.ended_at.is_(None), r.run_key != run_key
        )
    ).all()
    now = utc_text(datetime.now(UTC))
    for other, lease_until in rows:
        alive = not is_local(other) and (lease_until is None or lease_until > now)
        if alive and not alive_too:
            does = "waits for a person" if lease_until is None else "is at work"
            raise AlreadyRunning(
                f"request {request_id} is being run as {other}, which {does}; answer it or let it end "
                "(`daylight run --take-over` puts an end to it)"
            )
    return [other for other, _ in rows]


def renew(home: Home, request_id: str, run_key: str) -> None:
    """Extend an Airflow run's lease; called by each of its steps.

    Raises:
        AlreadyRunning: The lease ran out and another run took over.
    """
    _set_lease(home, request_id, run_key, utc_text(datetime.now(UTC) + LEASE))


def wait_for_person(home: Home, request_id: str, run_key: str) -> None:
    """Drop the lease: the run waits for a person and no step is at work."""
    _set_lease(home, request_id, run_key, None)


def _set_lease(home: Home, request_id: str, run_key: str, until: str | None) -> None:
    r = t.runs.c
    with home.catalogue.write() as connection:
        changed = connection.execute(
            t.runs.update()
            .where(r.request_id == request_id, r.run_key == run_key, r.ended_at.is_(None))
            .values(lease_until=until)
        )
    if changed.rowcount != 1:
        raise AlreadyRunning(f"request {request_id} was taken over by another run; this one stops")


def end(home: Home, request_id: str, run_key: str, outcome: str) -> None:
    """Record how a run ended; a first run that was interrupted leaves the request open, not complete."""
    r = t.runs.c
    state = "open" if outcome == INTERRUPTED else "complete"
    with home.catalogue.write() as connection:
        connection.execute(
            t.runs.update()
            .where(r.request_id == request_id, r.run_key == run_key)
            .values(ended_at=now_text(), outcome=outcome, lease_until=None)
        )
        connection.execute(
            t.requests.update()
            .where(t.requests.c.request_id == request_id, t.requests.c.state == "running")
            .values(state=state)
        )
