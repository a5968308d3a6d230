"""Proposing holds: what the version in force of a request needs and no hold covers yet.

A record that exists when a request arrives may not be destroyed until the request is resolved (RCW
42.56.100). Holds are proposed when a request is opened, amended or run; no service is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from connectors.holds import corpora, route_of
from desk.connections import connection_of
from desk.holds import MEMO, PROPOSED, REFUSED, WITHDRAWN, Hold, add_event, day_text, read_holds
from desk.home import Home
from desk.request import Request
from records import audit, canonical
from records import tables as t
from records.errors import SettingsError
from records.models import Connection
from records.rows import lock_tables

_Wanted = tuple[str, str, str, dict[str, Any]]


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
            add_event(connection, one, WITHDRAWN, {}, by="daylight", why=why)
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


def _wanted(body: Request) -> tuple[list[_Wanted], set[str]]:
    """Return custodian, source, route and scope of each hold that a request needs.

    And the sources whose connection cannot be read, so that nobody knows what it places: on this machine, or
    for now. `daylight doctor` says so.
    """
    window = body.window_days()
    days = {"from": day_text(window.first), "to": day_text(window.last)}
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
