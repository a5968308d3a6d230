"""Preservation: what a request asks for is kept where it lies, by a hold at the service or a memo.

A record that exists when a request arrives may not be destroyed until the request is resolved (RCW
42.56.100). Holds are proposed when a request is opened, amended or run, and are placed only when a person
confirms. Each step is a further row with who, when and what proves it; nothing is written over. Closing a
request releases nothing: the public records officer does, and is refused while another request or litigation
covers the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.holds import HoldService, corpora, hold_service, route_of
from desk.connections import connection_of
from desk.hold_memo import memo_document, memo_text
from desk.home import Home, OpenRequest
from desk.request import Custodian, Request, Source
from records import audit, canonical
from records import tables as t
from records.canonical import utc_time
from records.errors import AccessError, Retryable, SettingsError, UsageError
from records.models import Connection, Window
from records.rows import lock_tables

MEMO = "memo"
PROPOSED, PLACED, ACKNOWLEDGED = "proposed", "placed", "acknowledged"
FAILED, RELEASED, WITHDRAWN = "failed", "released", "withdrawn"
IN_FORCE = frozenset({PLACED, ACKNOWLEDGED})
"""States in which something is held."""


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
        state: ``proposed``, ``placed``, ``acknowledged``, ``failed`` (the service took it and could not apply
            it), ``released`` or ``withdrawn``.
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


# -- proposing


def propose(home: Home, request_id: str, *, by: str) -> list[str]:
    """Propose what the version in force needs and no hold covers yet; asks no service, harmless twice.

    A proposal that nobody confirmed and that no longer fits is withdrawn. A connection that cannot be read
    places no holds: its sources fall to the memo.

    Returns:
        The ids that were proposed now.
    """
    found = home.request(request_id)
    wanted = list(_wanted(found.body))
    known = holds(home, request_id)
    keys = {_key(one.custodian, one.source, one.route, one.scope) for one in known if one.state != WITHDRAWN}
    new = [one for one in wanted if _key(*one) not in keys and not _covered(one, known)]
    still = {_key(*one) for one in wanted}
    stale = [
        one
        for one in known
        if one.state == PROPOSED and _key(one.custodian, one.source, one.route, one.scope) not in still
    ]
    if not new and not stale:
        return []
    now = canonical.now_text()
    h = t.holds.c
    with home.catalogue.write() as connection:
        lock_tables(connection, t.holds)
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
            _event(connection, one, WITHDRAWN, {}, by="daylight", why="the request was amended")
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


def _wanted(body: Request) -> Iterator[_Wanted]:
    """Yield custodian, source, route and scope of each hold that a request needs."""
    window = body.window_days()
    days = {"from": _day(window.first), "to": _day(window.last)}
    for source in body.sources:
        connection = _connection(source)
        if connection is None:
            continue
        account = body.context(source).account
        for corpus in _corpora(connection) if account else ():
            scope = {"account": account, "corpus": corpus, **days}
            yield source.custodian, source.id, route_of(connection), scope
    for custodian in body.custodians:
        mine = [source.id for source in body.sources if source.custodian == custodian.id]
        yield custodian.id, "", MEMO, {"sources": mine, **days}


def _connection(source: Source) -> Connection | None:
    try:
        found = connection_of(source)
    except SettingsError:
        return None
    return found if found is not None and route_of(found) else None


def _corpora(connection: Connection) -> tuple[str, ...]:
    try:
        return corpora(connection)
    except SettingsError:  # `daylight doctor` says so; a hold on the wrong service would be worse than a memo
        return ()


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
    for row in connection.execute(sa.select(t.holds).where(h.request_id == request_id).order_by(h.hold_id)):
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
    for one in holds(home, request_id):
        yield {
            "hold_id": one.hold_id,
            "state": one.state,
            "route": one.route,
            "custodian": one.custodian,
            "source": one.source,
            "scope": one.scope,
            "version": one.version,
            "also_covered_by": covering(home, one),
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

    People are the same when they share an address or a number, or have the same name.
    """
    person = _person(home, hold)
    r, v = t.requests.c, t.request_versions.c
    out: list[dict[str, str]] = []
    with home.catalogue.read() as connection:
        others = connection.execute(
            sa.select(r.request_id, r.state, v.body)
            .join_from(
                t.requests, t.request_versions, (v.request_id == r.request_id) & (v.version == r.version)
            )
            .where(r.request_id != hold.request_id)
            .order_by(r.request_id)
        ).all()
        for row in others:
            body = Request.model_validate_json(row.body)
            same = {one.id for one in body.custodians if same_person(one, person)}
            window = body.window_days()
            if row.state != "closed":
                if same and _overlap(hold.scope, {"from": _day(window.first), "to": _day(window.last)}):
                    out.append({"by": "request", "id": row.request_id})
                continue
            out += [
                {"by": "hold", "id": f"{row.request_id} {other.hold_id}"}
                for other in read_holds(connection, row.request_id)
                if other.custodian in same and other.in_force and _overlap(hold.scope, other.scope)
            ]
        for matter in _litigation(connection):
            people = canonical.loads(matter.people)
            named = not people or _names(person) & set(people)
            if matter.ended_at is None and named and _overlap(hold.scope, matter._mapping):
                out.append({"by": "litigation", "id": f"l{matter.hold_no:03d}"})
    return out


def same_person(one: Custodian, other: Custodian) -> bool:
    """Tell whether two custodians of different requests are one person."""
    return bool(_names(one) & _names(other))


def _names(person: Custodian) -> set[str]:
    stated = (*person.emails, *person.numbers, person.name)
    return {" ".join(one.split()).casefold() for one in stated if one.strip()}


def _person(home: Home, hold: Hold) -> Custodian:
    """Return the custodian of a hold, as the newest version that names them does."""
    v = t.request_versions.c
    with home.catalogue.read() as connection:
        for body in connection.scalars(
            sa.select(v.body).where(v.request_id == hold.request_id).order_by(v.version.desc())
        ):
            for one in Request.model_validate_json(body).custodians:
                if one.id == hold.custodian:
                    return one
    raise UsageError(f"request {hold.request_id} names no custodian {hold.custodian}")


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
        hold_ids: Which; one that is placed already is looked at again at its service.
        by: Who confirms.
        proof: For a memo: how and when it was handed over.

    Returns:
        What was placed: id, route, state at the service, other holds on the account there.

    Raises:
        AccessError: A service refuses; those before it are placed.
        Retryable: A service is away.
        UsageError: There is no such hold, it is released, or a memo has no proof.
    """
    _say_who(by)
    found = home.request(request_id)
    chosen = _chosen(home, request_id, hold_ids)
    for one in chosen:
        if one.state in {RELEASED, WITHDRAWN}:
            raise UsageError(f"hold {one.hold_id} is {one.state}; it is not placed again")
        if one.route == MEMO and one.state != PROPOSED:
            raise UsageError(f"hold {one.hold_id}: the memo was handed over already")
        if one.route == MEMO and not proof.strip():
            raise UsageError(
                f"hold {one.hold_id} is a memo: say how and when it was handed over (--proof); "
                f"`daylight holds memo {request_id}` writes it"
            )
    return [_place(home, found, one, by, proof) for one in chosen]


def _place(home: Home, found: OpenRequest, one: Hold, by: str, proof: str) -> dict[str, Any]:
    if one.route == MEMO:
        text = memo_text(found.request_id, one, _person(home, one))
        handed = {"handed_over": proof, "memo_sha256": hashlib.sha256(text.encode("utf-8")).hexdigest()}
        _keep(home, one, PLACED, handed, by=by)
        return {"hold_id": one.hold_id, "route": MEMO, "state": PLACED, **handed}
    name = hold_name(one)
    service, window = _service(home, one)
    try:
        placed = service.find(name) or service.place(name, one.scope["account"], window, one.scope["corpus"])
        try:
            others = [
                f"{other.container}/{other.id}" for other in service.others(one.scope["account"], placed.id)
            ]
            others_known = True
        except (AccessError, Retryable):  # it is placed all the same, and that is to be kept
            others, others_known = [], False
    finally:
        service.close()
    proven: dict[str, Any] = {
        "service_id": placed.id,
        "service_name": name,
        "service_state": placed.state,
        "service_at": placed.at,
        "other_holds_there": others,
        "others_known": others_known,
    }
    event = FAILED if placed.state == "error" else PLACED
    if one.events[-1]["proof"].get("service_state") != placed.state:
        _keep(home, one, event, proven, by=by)
    return {"hold_id": one.hold_id, "route": one.route, "state": event, **proven}


def acknowledge(home: Home, request_id: str, hold_id: str, *, by: str, proof: str) -> dict[str, Any]:
    """Record that a custodian confirmed a memo.

    Raises:
        UsageError: It is no memo, was not handed over, or nobody says how it was confirmed.
    """
    _say_who(by)
    (one,) = _chosen(home, request_id, [hold_id])
    if one.route != MEMO or not one.in_force:
        raise UsageError(f"hold {hold_id} is no memo that was handed over")
    if not proof.strip():
        raise UsageError("say how the custodian confirmed it (--proof)")
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

    Raises:
        AccessError: A service refuses; those before it are released.
        UsageError: The request is open, something else covers the scope, or it is not in force.
    """
    _say_who(by)
    if not why.strip():
        raise UsageError("say why the hold is released: the reason stands in the record of the search")
    if home.request(request_id).state != "closed":
        raise UsageError(
            f"request {request_id} is not closed: what it asks for is kept until it is resolved "
            "(RCW 42.56.100)"
        )
    chosen = _chosen(home, request_id, hold_ids)
    for one in chosen:
        if not one.in_force:
            raise UsageError(f"hold {one.hold_id} is {one.state}; there is nothing to release")
        others = covering(home, one)
        if others:
            what = ", ".join(f"{other['by']} {other['id']}" for other in others)
            raise UsageError(f"hold {one.hold_id} is not released: its scope is covered by {what}")
    suggested = suggested_release(home, request_id)
    return [_release(home, one, by, why, suggested) for one in chosen]


def _release(home: Home, one: Hold, by: str, why: str, suggested: str | None) -> dict[str, Any]:
    proven: dict[str, Any] = {}
    if one.route != MEMO:
        proven["service_id"] = next(
            event["proof"]["service_id"] for event in reversed(one.events) if "service_id" in event["proof"]
        )
        service, _ = _service(home, one)
        try:
            service.release(proven["service_id"])
        finally:
            service.close()
    _keep(home, one, RELEASED, proven, by=by, why=why)
    today = utc_time(canonical.now_text()).astimezone(home.request(one.request_id).body.zone).date()
    early = suggested is not None and today.isoformat() < suggested
    return {
        "hold_id": one.hold_id,
        "state": RELEASED,
        "suggested_release_on": suggested,
        "before_suggested": early,
        **proven,
    }


def hold_name(hold: Hold) -> str:
    """Return the name of a hold at its service: by it one that was placed is found again."""
    return f"daylight-{hold.request_id}-{hold.hold_id}"


def _service(home: Home, one: Hold) -> tuple[HoldService, Window]:
    body, source = home.source(one.request_id, one.source)
    connection = connection_of(source)
    if connection is None:
        raise SettingsError(f"source {source.id}: names no connection any more")
    if route_of(connection) != one.route:
        raise SettingsError(f"connection {connection.id}: no longer places holds by {one.route}")
    scope = one.scope
    first, last = (None if scope[end] is None else date.fromisoformat(scope[end]) for end in ("from", "to"))
    return hold_service(body.context(source, connection), connection), Window(first, last, body.zone)


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
    named = sorted({" ".join(one.split()).casefold() for one in people if one.strip()})
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
        if digits.isascii() and digits.isdigit():
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
