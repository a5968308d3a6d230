"""Preservation: what a request asks for is kept where it lies, by a hold at the service or a memo.

A record that exists when a request arrives may not be destroyed until the request is resolved (RCW
42.56.100). Holds are proposed when a request is opened, amended or run, and are placed only when a person
confirms. Each step is a further row with who, when and what proves it; nothing is written over. A service is
asked only after a row says that it will be, so that no hold is placed of which the ledger knows nothing.
Closing a request releases nothing: the public records officer does, and is refused while another request or
litigation covers the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.holds import HoldService, Placed, corpora, hold_service, route_of
from desk.connections import connection_of
from desk.hold_memo import memo_document, memo_text
from desk.home import Home
from desk.request import Custodian, Request
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
from records.models import Connection, Window
from records.rows import lock_tables

MEMO = "memo"
PROPOSED, ASKED, PLACED, ACKNOWLEDGED = "proposed", "asked", "placed", "acknowledged"
REFUSED, FAILED, LOST, RELEASED, WITHDRAWN = "refused", "failed", "lost", "released", "withdrawn"
IN_FORCE = frozenset({PLACED, ACKNOWLEDGED})
"""States in which something is held."""
AT_SERVICE = frozenset({ASKED, PLACED, FAILED, LOST})
"""States of a hold at a service in which it may be there, so that releasing it looks there."""
_DIGITS = 9
"""Most of the number of a litigation hold, which a catalogue keeps in 32 bits."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands.

    Attributes:
        request_id: The request.
        hold_id: ``h001`` and on, in the order proposed.
        custodian: Custodian id.
        source: Source id; empty for a memo, which is about all that a person has.
        route: ``vault``, ``purview`` or ``memo``.
        scope: What is held: ``account``, ``corpus``, ``from``, ``to`` (days; None for no bound), ``sources``.
        version: Of the request, when it was proposed.
        state: ``proposed``; ``asked`` (the service was asked, and no answer is recorded: it may be held);
            ``refused`` (by the service); ``placed``; ``acknowledged``; ``failed`` (the service took it and
            could not apply it, or it was switched off there); ``lost`` (the service has it no more);
            ``released``; ``withdrawn``.
        events: All that was done, oldest first: ``event, at, by, why, proof``.
    """

    request_id: str
    hold_id: str
    custodian: str
    source: str
    route: str
    scope: dict[str, Any]
    version: int
    state: str
    events: tuple[dict[str, Any], ...]

    @property
    def in_force(self) -> bool:
        """Whether something is held by it."""
        return self.state in IN_FORCE

    @property
    def releasable(self) -> bool:
        """Whether there is, or may be, something to release."""
        return self.in_force or (self.route != MEMO and self.state in AT_SERVICE)

    def last(self, name: str) -> str:
        """Return what the newest step that proves something of this name says; empty for none."""
        stated = (event["proof"][name] for event in reversed(self.events) if event["proof"].get(name))
        return str(next(stated, ""))


# -- proposing


def propose(home: Home, request_id: str, *, by: str) -> list[str]:
    """Propose what the version in force needs and no hold covers yet; asks no service, harmless twice.

    A proposal that nobody confirmed and that no longer fits is withdrawn. A connection that cannot be read
    places no holds: its sources fall to the memo.

    Returns:
        The ids that were proposed now.
    """
    found = home.request(request_id)
    wanted, unread = _wanted(found.body)
    with home.catalogue.read() as connection:
        new, stale = _differing(read_holds(connection, request_id), wanted, unread)
    if not new and not stale:
        return []
    now = canonical.now_text()
    h = t.holds.c
    with home.catalogue.write() as connection:
        lock_tables(connection, t.holds, t.hold_events)
        new, stale = _differing(read_holds(connection, request_id), wanted, unread)  # nobody else writes now
        count = connection.execute(sa.select(sa.func.count()).where(h.request_id == request_id)).scalar_one()
        made = []
        for number, (custodian, source, route, scope) in enumerate(new, count + 1):
            made.append(f"h{number:03d}")
            connection.execute(
                t.holds.insert(),
                {
                    "request_id": request_id,
                    "hold_id": made[-1],
                    "custodian_id": custodian,
                    "source_id": source,
                    "route": route,
                    "scope": canonical.dumps(scope),
                    "version": found.version,
                    "at": now,
                    "by": by,
                },
            )
        for one in stale:
            amended = one.version < found.version
            why = "the request was amended" if amended else "its connection places another hold now, or none"
            _event(connection, one, WITHDRAWN, {}, by="daylight", why=why)
        if made:
            audit.append(
                connection,
                action="holds_proposed",
                actor=by,
                request_id=request_id,
                version=found.version,
                holds=len(made),
            )
    return made


_Wanted = tuple[str, str, str, dict[str, Any]]


def _wanted(body: Request) -> tuple[list[_Wanted], set[str]]:
    """Return custodian, source, route and scope of each hold that a request needs.

    And the sources whose connection cannot be read, so that nobody knows what it places: on this machine, or
    for now. `daylight doctor` says so.
    """
    window = body.window_days()
    days = {"from": _day(window.first), "to": _day(window.last)}
    out: list[_Wanted] = []
    unread: set[str] = set()
    for source in body.sources:
        try:
            places = _places(connection_of(source))
        except SettingsError:
            unread.add(source.id)
            continue
        account = body.context(source).account
        for route, corpus in places if account else ():
            scope = {"account": account, "corpus": corpus, **days}
            out.append((source.custodian, source.id, route, scope))
    for custodian in body.custodians:
        mine = [source.id for source in body.sources if source.custodian == custodian.id]
        out.append((custodian.id, "", MEMO, {"sources": mine, **days}))
    return out, unread


def _places(connection: Connection | None) -> list[tuple[str, str]]:
    route = "" if connection is None else route_of(connection)
    return [(route, corpus) for corpus in corpora(connection)] if connection is not None and route else []


def _differing(
    known: Sequence[Hold], wanted: Sequence[_Wanted], unread: set[str]
) -> tuple[list[_Wanted], list[Hold]]:
    """Return what is to be proposed, and the proposals that fit no more."""
    keys = {_key(one.custodian, one.source, one.route, one.scope) for one in known if one.state != WITHDRAWN}
    still = {_key(*one) for one in wanted}
    return [one for one in wanted if _key(*one) not in keys and not _covered(one, known)], [
        one
        for one in known
        if one.state in {PROPOSED, REFUSED}
        and one.source not in unread
        and _key(one.custodian, one.source, one.route, one.scope) not in still
    ]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _key(custodian: str, source: str, route: str, scope: dict[str, Any]) -> tuple[str, ...]:
    return custodian, source, route, canonical.dumps({k: v for k, v in scope.items() if k != "sources"})


def _covered(one: _Wanted, known: Sequence[Hold]) -> bool:
    """Tell whether a hold in force has all of the days already, on the same account."""
    custodian, source, route, scope = one
    return any(
        held.in_force
        and (held.custodian, held.source, held.route) == (custodian, source, route)
        and (held.scope.get("account"), held.scope.get("corpus"))
        == (scope.get("account"), scope.get("corpus"))
        and _within(scope, held.scope)
        for held in known
    )


def _within(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    low = outer["from"] is None or (inner["from"] is not None and inner["from"] >= outer["from"])
    high = outer["to"] is None or (inner["to"] is not None and inner["to"] <= outer["to"])
    return low and high


# -- reading


def holds(home: Home, request_id: str) -> list[Hold]:
    """Return every hold of a request, in the order proposed.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    with home.catalogue.read() as connection:
        return read_holds(connection, request_id)


def read_holds(connection: sa.Connection, request_id: str) -> list[Hold]:
    """As ``holds``, within a transaction of the caller."""
    h, e = t.holds.c, t.hold_events.c
    events: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(
        sa.select(t.hold_events).where(e.request_id == request_id).order_by(e.hold_id, e.seq)
    ):
        events.setdefault(row.hold_id, []).append(
            {
                "event": row.event,
                "at": row.at,
                "by": row.by,
                "why": row.why,
                "proof": canonical.loads(row.proof),
            }
        )
    out = []
    for row in connection.execute(
        sa.select(t.holds).where(h.request_id == request_id).order_by(sa.func.length(h.hold_id), h.hold_id)
    ):
        done = [
            {"event": PROPOSED, "at": row.at, "by": row.by, "why": "", "proof": {}},
            *events.get(row.hold_id, ()),
        ]
        out.append(
            Hold(
                row.request_id,
                row.hold_id,
                row.custodian_id,
                row.source_id,
                row.route,
                canonical.loads(row.scope),
                row.version,
                done[-1]["event"],
                tuple(done),
            )
        )
    return out


def listed(home: Home, request_id: str) -> Iterator[dict[str, Any]]:
    """Yield every hold as a JSON object, with what else covers its scope and when it could be released.

    Raises:
        UsageError: There is no such request.
    """
    suggested = suggested_release(home, request_id)
    covers = _Covers(home, request_id)
    for one in holds(home, request_id):
        yield {
            "hold_id": one.hold_id,
            "state": one.state,
            "route": one.route,
            "custodian": one.custodian,
            "source": one.source,
            "scope": one.scope,
            "version": one.version,
            "also_covered_by": covers.of(one),
            "suggested_release_on": suggested,
            "events": list(one.events),
        }


def suggested_release(home: Home, request_id: str) -> str | None:
    """Return the day a year after closing, when the time to sue ends (RCW 42.56.550(6)); None while open."""
    found = home.request(request_id)
    r = t.requests.c
    with home.catalogue.read() as connection:
        closed = connection.execute(sa.select(r.closed_at).where(r.request_id == request_id)).scalar()
    if closed is None:
        return None
    day = utc_time(closed).astimezone(found.body.zone).date()
    try:
        return day.replace(year=day.year + 1).isoformat()
    except ValueError:  # 29 February
        return date(day.year + 1, 3, 1).isoformat()


# -- what else covers a scope


def covering(home: Home, hold: Hold) -> list[dict[str, str]]:
    """Return the other requests, holds and litigation that cover the person and some of the days of a hold.

    People are the same when they share an address or a number, or have the same name; what is held of one
    account is the same whoever is its custodian. A request counts while it is not closed, by its newest
    version; its holds count while they are in force, whatever its newest version says.
    """
    return _Covers(home, hold.request_id).of(hold)


@dataclass(frozen=True, slots=True)
class _Cover:
    """Something that keeps a scope: whose (None: everybody), and which days."""

    by: str
    id: str
    request_id: str
    names: frozenset[str] | None
    scope: dict[str, Any]


class _Covers:
    """What covers scopes of one request; the catalogue is read once."""

    def __init__(self, home: Home, request_id: str) -> None:
        v, r = t.request_versions.c, t.requests.c
        bodies: dict[str, list[Request]] = {}
        with home.catalogue.read() as connection:
            open_ones = set(connection.scalars(sa.select(r.request_id).where(r.state != "closed")))
            for row in connection.execute(
                sa.select(v.request_id, v.body).order_by(v.request_id, v.version.desc())
            ):
                bodies.setdefault(row.request_id, []).append(Request.model_validate_json(row.body))
            others = sorted(set(bodies) - {request_id})
            held = {one: read_holds(connection, one) for one in others}
            matters = _litigation(connection)
        self._mine = bodies.get(request_id, [])
        self._litigation = [one for one in matters if one.ended_at is None]
        self._others: list[_Cover] = []
        for other in others:
            if other in open_ones:
                self._others += _of_request(other, bodies[other][0])
            for hold in held[other]:
                if hold.in_force or hold.state == ASKED:
                    names = _held_names(hold, bodies[other])
                    self._others.append(_Cover("hold", f"{other} {hold.hold_id}", other, names, hold.scope))

    def of(self, hold: Hold) -> list[dict[str, str]]:
        """Return what covers a hold."""
        names = _held_names(hold, self._mine)
        out: dict[tuple[str, str], dict[str, str]] = {}
        for one in self._others:
            same = one.names is None or names & one.names
            named = ("request", one.request_id) in out  # by the request itself, which is open
            if same and not named and _overlap(hold.scope, one.scope):
                out[one.by, one.id] = {"by": one.by, "id": one.id}
        nicknames = names | {_plain(one) for one in _custodian(hold, self._mine).aliases if one.strip()}
        for matter in self._litigation:
            people = {_plain(one) for one in canonical.loads(matter.people)}
            if (not people or nicknames & people) and _overlap(hold.scope, matter._mapping):
                number = f"l{matter.hold_no:03d}"
                out["litigation", number] = {"by": "litigation", "id": number}
        return list(out.values())


def _of_request(request_id: str, body: Request) -> Iterator[_Cover]:
    """Yield what an open request asks for: of each custodian, and of each account."""
    window = body.window_days()
    days = {"from": _day(window.first), "to": _day(window.last)}
    for custodian in body.custodians:
        accounts = [body.context(one).account for one in body.sources if one.custodian == custodian.id]
        names = _names(custodian) | {_plain(one) for one in accounts if one.strip()}
        yield _Cover("request", request_id, request_id, frozenset(names), days)


def _held_names(hold: Hold, bodies: Sequence[Request]) -> frozenset[str]:
    account = str(hold.scope.get("account", ""))
    return frozenset(_names(_custodian(hold, bodies)) | ({_plain(account)} if account.strip() else set()))


def _custodian(hold: Hold, bodies: Iterable[Request]) -> Custodian:
    """Return the custodian of a hold, as the newest version that names them does.

    Args:
        hold: The hold.
        bodies: Versions of its request, newest first.
    """
    for body in bodies:
        for one in body.custodians:
            if one.id == hold.custodian:
                return one
    raise UsageError(f"request {hold.request_id} names no custodian {hold.custodian}")


def _names(person: Custodian) -> set[str]:
    return {_plain(one) for one in (*person.emails, *person.numbers, person.name) if one.strip()}


def _plain(text: str) -> str:
    """Return an address, a number or a name in the form in which two of them are compared.

    Numbers by their last ten digits: people write +1, brackets, points and blanks as they like.
    """
    digits = re.sub(r"\D", "", text)
    if len(digits) >= 10 and not re.search(r"[^\d\s()+./-]", text):
        return digits[-10:]
    return " ".join(text.split()).casefold()


def _person(home: Home, hold: Hold) -> Custodian:
    v = t.request_versions.c
    with home.catalogue.read() as connection:
        bodies = connection.scalars(
            sa.select(v.body).where(v.request_id == hold.request_id).order_by(v.version.desc())
        )
        return _custodian(hold, map(Request.model_validate_json, bodies))


def _overlap(one: Any, other: Any) -> bool:
    """Tell whether two spans of days meet; None is no bound."""
    first, second = (
        (span["from"] if "from" in span else span["from_day"], span["to"] if "to" in span else span["to_day"])
        for span in (one, other)
    )
    return (first[1] is None or second[0] is None or second[0] <= first[1]) and (
        second[1] is None or first[0] is None or first[0] <= second[1]
    )


# -- placing, acknowledging, releasing


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
    _say_who(by)
    with _alone(home, request_id):
        chosen = _chosen(home, request_id, hold_ids)
        for one in chosen:
            _refuse_to_place(one, proof)
        covers = _Covers(home, request_id)
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
        text = memo_text(one.request_id, one, _person(home, one))
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
    _say_who(by)
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
    _say_who(by)
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
    _say_who(by)
    if not why.strip():
        raise UsageError("say why the hold is released: the reason stands in the record of the search")
    if home.request(request_id).state != "closed":
        raise UsageError(
            f"request {request_id} is not closed: what it asks for is kept until it is resolved "
            "(RCW 42.56.100)"
        )
    with _alone(home, request_id):
        chosen = _chosen(home, request_id, hold_ids)
        covers = _Covers(home, request_id)
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


def _say_who(by: str) -> None:
    if not by.strip():
        raise UsageError("say who does this (--by): their name stays with the hold")


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
        _event(connection, hold, event, proof, by=by, why=why)
        audit.append(
            connection,
            action=f"hold_{event}",
            actor=by,
            request_id=hold.request_id,
            hold=hold.hold_id,
            route=hold.route,
            proof_sha256=hashlib.sha256(canonical.dumps(proof).encode("utf-8")).hexdigest(),
        )


def _event(
    connection: sa.Connection, hold: Hold, event: str, proof: dict[str, Any], *, by: str, why: str
) -> None:
    e = t.hold_events.c
    lock_tables(connection, t.hold_events)
    newest = connection.execute(
        sa.select(sa.func.max(e.seq)).where(e.request_id == hold.request_id, e.hold_id == hold.hold_id)
    ).scalar()
    connection.execute(
        t.hold_events.insert(),
        {
            "request_id": hold.request_id,
            "hold_id": hold.hold_id,
            "seq": (newest or 0) + 1,
            "event": event,
            "proof": canonical.dumps(proof),
            "why": why,
            "by": by,
            "at": canonical.now_text(),
        },
    )


# -- memos


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
            person = _person(home, one)
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


# -- litigation holds of the office


def add_litigation(
    home: Home,
    matter: str,
    people: Sequence[str],
    *,
    first: date | None,
    last: date | None,
    by: str,
    why: str,
) -> dict[str, Any]:
    """Enter a litigation hold that counsel ordered: while it is in force no hold that it covers is released.

    Args:
        home: Open.
        matter: What people call it.
        people: Addresses, numbers or names; none for everybody.
        first: First day it covers, or None.
        last: Last day, or None.
        by: Who enters it.
        why: By whose order.

    Raises:
        UsageError: Nobody says who or why, or the days are the wrong way round.
    """
    _say_who(by)
    if not why.strip() or not matter.strip():
        raise UsageError("say which matter it is, and by whose order (--why)")
    if first is not None and last is not None and first > last:
        raise UsageError("the first day is later than the last")
    named = sorted({" ".join(one.split()) for one in people})
    if "" in named:
        raise UsageError("a blank name names nobody; leave --person out for everybody")
    with home.catalogue.write() as connection:
        lock_tables(connection, t.litigation_holds)
        newest = connection.execute(sa.select(sa.func.max(t.litigation_holds.c.hold_no))).scalar()
        number = (newest or 0) + 1
        connection.execute(
            t.litigation_holds.insert(),
            {
                "hold_no": number,
                "matter": matter,
                "people": canonical.dumps(named),
                "from_day": _day(first),
                "to_day": _day(last),
                "why": why,
                "by": by,
                "at": canonical.now_text(),
                "ended_why": "",
                "ended_by": "",
            },
        )
        audit.append(connection, action="litigation_hold_entered", actor=by, hold=number, people=len(named))
    return {"litigation": f"l{number:03d}", "people": len(named) or "everybody"}


def end_litigation(home: Home, number: str, *, by: str, why: str) -> dict[str, Any]:
    """End a litigation hold.

    Raises:
        UsageError: There is none in force of this number, or nobody says who or why.
    """
    _say_who(by)
    if not why.strip():
        raise UsageError("say by whose order the litigation hold ends (--why)")
    digits = number.lower().removeprefix("l")
    m = t.litigation_holds.c
    with home.catalogue.write() as connection:
        ended = 0
        if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS:
            ended = connection.execute(
                t.litigation_holds.update()
                .where(m.hold_no == int(digits), m.ended_at.is_(None))
                .values(ended_at=canonical.now_text(), ended_by=by, ended_why=why)
            ).rowcount
        if not ended:
            raise UsageError(
                f"there is no litigation hold {number} in force; `daylight holds litigation list` has them"
            )
        audit.append(connection, action="litigation_hold_ended", actor=by, hold=int(digits))
    return {"litigation": f"l{int(digits):03d}", "ended": True}


def litigation(home: Home) -> list[dict[str, Any]]:
    """Return every litigation hold, those in force first."""
    with home.catalogue.read() as connection:
        rows = _litigation(connection)
    return [
        {
            "litigation": f"l{row.hold_no:03d}",
            "matter": row.matter,
            "people": canonical.loads(row.people) or "everybody",
            "from": row.from_day,
            "to": row.to_day,
            "entered_at": row.at,
            "by": row.by,
            "why": row.why,
            "ended_at": row.ended_at,
            "ended_by": row.ended_by,
            "ended_why": row.ended_why,
        }
        for row in sorted(rows, key=lambda row: (row.ended_at is not None, row.hold_no))
    ]


def _litigation(connection: sa.Connection) -> list[Any]:
    return list(
        connection.execute(sa.select(t.litigation_holds).order_by(t.litigation_holds.c.hold_no)).all()
    )
