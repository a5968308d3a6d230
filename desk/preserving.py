"""Preservation: what a request asks for is kept where it lies, by a hold at the service or a memo.

Holds are placed only when a person confirms. A service is asked only after a row says that it will be, so
that no hold is placed of which the ledger knows nothing. Closing a request releases nothing: the public
records officer does, and is refused while another request or litigation covers the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.holds import HoldService, Placed, hold_service, route_of
from desk.connections import connection_of
from desk.hold_covering import Covers, person_of, suggested_release
from desk.hold_memo import memo_document, memo_text
from desk.holds import (
    ACKNOWLEDGED,
    ASKED,
    AT_SERVICE,
    FAILED,
    LOST,
    MEMO,
    PLACED,
    PROPOSED,
    REFUSED,
    RELEASED,
    WITHDRAWN,
    Hold,
    add_event,
    holds,
    say_who,
)
from desk.home import Home
from records import audit, canonical
from records import tables as t
from records.canonical import utc_time
from records.errors import (
    AccessError,
    AlreadyRunning,
    DaylightError,
    Retryable,
    SettingsError,
    UsageError,
)
from records.models import Window
from records.rows import lock_tables


def place(
    home: Home, request_id: str, hold_ids: Sequence[str], *, by: str, proof: str = ""
) -> list[dict[str, Any]]:
    """Place proposed holds at their services, or record that memos were handed over.

    Args:
        home: Open.
        request_id: The request.
        hold_ids: Which; one that is placed already is looked at again, and placed again where it was lost.
        by: Who confirms.
        proof: For a memo: how and when it was handed over.

    Returns:
        One object a hold: id, route, state, what proves it, ``also_covered_by``, other holds on the account
        at the service; ``error`` where the service refuses or is away, which costs only that hold.

    Raises:
        AlreadyRunning: Somebody else places or releases holds of the request.
        UsageError: There is no such hold, it is released, or a memo has no proof.
    """
    say_who(by)
    with _alone(home, request_id):
        chosen = _chosen(home, request_id, hold_ids)
        for one in chosen:
            _refuse_to_place(one, proof)
        covers = Covers(home, request_id)
        return [
            _each(one, lambda one: _place(home, one, by, proof)) | {"also_covered_by": covers.of(one)}
            for one in chosen
        ]


def _refuse_to_place(one: Hold, proof: str) -> None:
    if one.state in {RELEASED, WITHDRAWN}:
        raise UsageError(f"hold {one.hold_id} is {one.state}; it is not placed again")
    if one.route == MEMO and one.state != PROPOSED:
        raise UsageError(f"hold {one.hold_id}: the memo was handed over already")
    if one.route == MEMO and not proof.strip():
        raise UsageError(
            f"hold {one.hold_id} is a memo: say how and when it was handed over (--proof); "
            f"`daylight holds memo {one.request_id}` writes it"
        )


def _each(one: Hold, act: Callable[[Hold], dict[str, Any]]) -> dict[str, Any]:
    """Do something with one hold; what its service refuses costs only that one."""
    about = {"hold_id": one.hold_id, "route": one.route}
    try:
        return about | act(one)
    except DaylightError as error:
        return about | {"error": str(error)}


def _place(home: Home, one: Hold, by: str, proof: str) -> dict[str, Any]:
    if one.route == MEMO:
        text = memo_text(one.request_id, one, person_of(home, one))
        handed = {"handed_over": proof, "memo_sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()}
        _keep(home, one, PLACED, handed, by=by)
        return {"state": PLACED, **handed}
    service, window = _service(home, one)
    name = hold_name(one)
    try:
        placed = service.find(name)
        if placed is None and one.state in {PLACED, FAILED}:
            _keep(home, one, LOST, {"service_id": one.last("service_id")}, by=by)
        if placed is None or one.state in {PROPOSED, REFUSED, LOST}:
            about = {"service_name": name, "service_container": service.container}
            _keep(home, one, ASKED, about, by=by)
        if placed is None:
            try:
                placed = service.place(name, one.scope["account"], window, one.scope["corpus"])
            except AccessError as error:
                _keep(home, one, REFUSED, {}, by=by, why=str(error))
                raise
        return _found(home, one, service, placed, by=by)
    finally:
        service.close()


def check(home: Home, request_id: str, hold_ids: Sequence[str] = (), *, by: str) -> list[dict[str, Any]]:
    """Look at holds where they are placed, and record what differs from what is known; places nothing.

    Args:
        home: Open.
        request_id: The request.
        hold_ids: Which; none for all that are, or may be, at a service.
        by: Who looks.

    Returns:
        As ``place``. One that the service has no more is ``lost``: ``place`` places it again.

    Raises:
        AlreadyRunning: Somebody else places or releases holds of the request.
        UsageError: There is no such hold, or it was not placed at a service.
    """
    say_who(by)
    with _alone(home, request_id):
        chosen = _chosen(home, request_id, hold_ids or [one.hold_id for one in holds(home, request_id)])
        there = [one for one in chosen if one.route != MEMO and one.state in AT_SERVICE]
        if hold_ids and len(there) < len(chosen):
            missing = ", ".join(one.hold_id for one in chosen if one not in there)
            raise UsageError(f"not placed at a service, so there is nothing to look at: {missing}")
        return [_each(one, lambda one: _look(home, one, by)) for one in there]


def _look(home: Home, one: Hold, by: str) -> dict[str, Any]:
    service, _ = _service(home, one)
    try:
        placed = service.find(hold_name(one))
        if placed is not None:
            return _found(home, one, service, placed, by=by)
    finally:
        service.close()
    if one.state in {PLACED, FAILED}:
        _keep(home, one, LOST, {"service_id": one.last("service_id")}, by=by)
    return {"state": LOST if one.state != ASKED else ASKED, "service_id": one.last("service_id")}


def _found(home: Home, one: Hold, service: HoldService, placed: Placed, *, by: str) -> dict[str, Any]:
    """Keep what a service says of a hold, where that is news; return it."""
    proven: dict[str, Any] = {
        "service_id": placed.id,
        "service_name": hold_name(one),
        "service_container": service.container,
        "service_state": placed.state,
        "service_at": placed.at,
        **_others(service, one, placed),
    }
    event = FAILED if placed.state in {"error", "off"} else PLACED
    known = (one.state, one.last("service_id"), one.last("service_state"))
    if known != (event, placed.id, placed.state):
        _keep(home, one, event, proven, by=by)
    return {"state": event, **proven}


def _others(service: HoldService, one: Hold, placed: Placed) -> dict[str, Any]:
    """Return other holds on the account there; that they cannot be seen takes nothing from the hold."""
    try:
        others = service.others(one.scope["account"], placed.id)
    except (AccessError, Retryable):
        return {"other_holds_there": [], "others_known": False}
    return {"other_holds_there": [f"{other.container}/{other.id}" for other in others], "others_known": True}


def acknowledge(home: Home, request_id: str, hold_id: str, *, by: str, proof: str) -> dict[str, Any]:
    """Record that a custodian confirmed a memo.

    Raises:
        UsageError: It is no memo, was not handed over, or nobody says how it was confirmed.
    """
    say_who(by)
    if not proof.strip():
        raise UsageError("say how the custodian confirmed it (--proof)")
    with _alone(home, request_id):
        (one,) = _chosen(home, request_id, [hold_id])
        if one.state == ACKNOWLEDGED:
            raise UsageError(f"hold {hold_id} was confirmed already")
        if one.route != MEMO or not one.in_force:
            raise UsageError(f"hold {hold_id} is no memo that was handed over")
        _keep(home, one, ACKNOWLEDGED, {"confirmed": proof}, by=by)
    return {"hold_id": hold_id, "state": ACKNOWLEDGED}


def release(
    home: Home, request_id: str, hold_ids: Sequence[str], *, by: str, why: str
) -> list[dict[str, Any]]:
    """Release holds of a closed request.

    Args:
        home: Open.
        request_id: The request.
        hold_ids: Which.
        by: The public records officer.
        why: Why they are released now; it stands in the record of the search.

    Returns:
        One object a hold: id, route, state, whether it was still at the service, the suggested day; ``error``
        where the service refuses or is away, which costs only that hold.

    Raises:
        AlreadyRunning: Somebody else places or releases holds of the request.
        UsageError: The request is open, something else covers the scope, or there is nothing to release;
            nothing is released then.
    """
    say_who(by)
    if not why.strip():
        raise UsageError("say why the hold is released: the reason stands in the record of the search")
    if home.request(request_id).state != "closed":
        raise UsageError(
            f"request {request_id} is not closed: what it asks for is kept until it is resolved "
            "(RCW 42.56.100)"
        )
    with _alone(home, request_id):
        chosen = _chosen(home, request_id, hold_ids)
        covers = Covers(home, request_id)
        for one in chosen:
            if not one.releasable:
                raise UsageError(f"hold {one.hold_id} is {one.state}; there is nothing to release")
            if others := covers.of(one):
                what = ", ".join(f"{other['by']} {other['id']}" for other in others)
                raise UsageError(f"hold {one.hold_id} is not released: its scope is covered by {what}")
        suggested = suggested_release(home, request_id)
        today = utc_time(canonical.now_text()).astimezone(home.request(request_id).body.zone).date()
        early = suggested is not None and today.isoformat() < suggested
        return [
            _each(one, lambda one: _release(home, one, by, why))
            | {"suggested_release_on": suggested, "before_suggested": early}
            for one in chosen
        ]


def _release(home: Home, one: Hold, by: str, why: str) -> dict[str, Any]:
    proven: dict[str, Any] = {} if one.route == MEMO else _released_there(home, one)
    _keep(home, one, RELEASED, proven, by=by, why=why)
    return {"state": RELEASED, **proven}


def _released_there(home: Home, one: Hold) -> dict[str, Any]:
    """Release a hold at its service: what was recorded, and whatever else bears its name there."""
    service, _ = _service(home, one)
    there: dict[str, bool] = {}
    try:
        recorded = one.last("service_id")
        if recorded:
            there[recorded] = service.release(recorded)
        while (more := service.find(hold_name(one))) is not None and more.id not in there:
            there[more.id] = service.release(more.id)
    finally:
        service.close()
    return {"service_id": ", ".join(there), "was_there": any(there.values())}


@contextmanager
def _alone(home: Home, request_id: str) -> Iterator[None]:
    """Keep others from placing and releasing holds of a request meanwhile; ends with the process.

    Raises:
        AlreadyRunning: Somebody does.
        UsageError: There is no such request.
    """
    home.request(request_id)
    folder = home.settings.request_folder(request_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "holds.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"holds of request {request_id} are being placed or released by another process; list them "
                "again when it is done"
            ) from error
        yield
    finally:
        os.close(descriptor)


def hold_name(hold: Hold) -> str:
    """Return the name of a hold at its service: by it one that was placed is found again.

    Two installations may share a matter and both have a request 2026-0001, so the name ends with what tells
    them apart: account, service and when it was proposed.
    """
    what = canonical.dumps([hold.events[0]["at"], hold.scope.get("account"), hold.scope.get("corpus")])
    return f"daylight-{hold.request_id}-{hold.hold_id}-{hashlib.sha256(what.encode('utf-8')).hexdigest()[:8]}"


def _service(home: Home, one: Hold) -> tuple[HoldService, Window]:
    body, source = home.source(one.request_id, one.source)
    connection = connection_of(source)
    if connection is None:
        raise SettingsError(f"source {source.id}: names no connection any more")
    if route_of(connection) != one.route:
        raise SettingsError(f"connection {connection.id}: no longer places holds by {one.route}")
    scope = one.scope
    first, last = (None if scope[end] is None else date.fromisoformat(scope[end]) for end in ("from", "to"))
    service = hold_service(body.context(source, connection), connection, one.last("service_container"))
    return service, Window(first, last, body.zone)


def _chosen(home: Home, request_id: str, hold_ids: Sequence[str]) -> list[Hold]:
    known = {one.hold_id: one for one in holds(home, request_id)}
    unknown = [one for one in hold_ids if one not in known]
    if unknown:
        raise UsageError(
            f"request {request_id} has no hold {', '.join(unknown)}; `daylight holds list` has them"
        )
    return [known[one] for one in dict.fromkeys(hold_ids)]


def _keep(home: Home, hold: Hold, event: str, proof: dict[str, Any], *, by: str, why: str = "") -> None:
    with home.catalogue.write() as connection:
        lock_tables(connection, t.hold_events)
        newest = connection.scalar(
            sa.select(t.hold_events.c.event)
            .where(t.hold_events.c.request_id == hold.request_id, t.hold_events.c.hold_id == hold.hold_id)
            .order_by(t.hold_events.c.seq.desc())
            .limit(1)
        )
        if newest in {RELEASED, WITHDRAWN}:  # by somebody else, since it was read
            raise UsageError(f"hold {hold.hold_id} was {newest} meanwhile; list them again")
        add_event(connection, hold, event, proof, by=by, why=why)
        audit.append(
            connection,
            action=f"hold_{event}",
            actor=by,
            request_id=hold.request_id,
            hold=hold.hold_id,
            route=hold.route,
            proof_sha256=hashlib.sha256(canonical.dumps(proof).encode("utf-8")).hexdigest(),
        )


def write_memos(home: Home, request_id: str, out: Path) -> dict[str, Any]:
    """Write the memo of each custodian, as text and PDF, where none was handed over yet; records nothing.

    Args:
        home: Open.
        request_id: The request.
        out: A folder; files that are there already are refused.

    Raises:
        UsageError: There is no such request, or a file is there already.
        SettingsError: A PDF cannot be typeset.
    """
    from desk.adequacy.pdf import typeset

    files: dict[Path, bytes] = {}
    for one in holds(home, request_id):
        if one.route == MEMO and one.state == PROPOSED:
            person = person_of(home, one)
            path = out / f"hold-{request_id}-{one.hold_id}-{one.custodian}"
            files[path.with_name(f"{path.name}.txt")] = memo_text(request_id, one, person).encode("utf-8")
            files[path.with_name(f"{path.name}.pdf")] = typeset(memo_document(request_id, one, person))
    there = sorted(path.name for path in files if path.exists())
    if there:
        raise UsageError(f"{', '.join(there)}: there already; name another folder or move them away")
    out.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        path.write_bytes(data)
    return {"request_id": request_id, "folder": str(out), "files": sorted(path.name for path in files)}
