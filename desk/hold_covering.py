"""What else covers the scope of a hold: other requests, their holds, and litigation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from desk.holds import ASKED, Hold, day_text, holds, read_holds
from desk.home import Home
from desk.litigation import read_litigation
from desk.request import Custodian, Request
from records import canonical
from records import tables as t
from records.canonical import utc_time
from records.errors import UsageError


def listed(home: Home, request_id: str) -> Iterator[dict[str, Any]]:
    """Yield every hold as a JSON object, with what else covers its scope and when it could be released.

    Raises:
        UsageError: There is no such request.
    """
    suggested = suggested_release(home, request_id)
    covers = Covers(home, request_id)
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


def covering(home: Home, hold: Hold) -> list[dict[str, str]]:
    """Return the other requests, holds and litigation that cover the person and some of the days of a hold.

    People are the same when they share an address or a number, or have the same name; what is held of one
    account is the same whoever is its custodian. A request counts while it is not closed, by its newest
    version; its holds count while they are in force, whatever its newest version says.
    """
    return Covers(home, hold.request_id).of(hold)


class Covers:
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
            matters = read_litigation(connection)
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


@dataclass(frozen=True, slots=True)
class _Cover:
    """Something that keeps a scope: whose (None: everybody), and which days."""

    by: str
    id: str
    request_id: str
    names: frozenset[str] | None
    scope: dict[str, Any]


def _of_request(request_id: str, body: Request) -> Iterator[_Cover]:
    """Yield what an open request asks for: of each custodian, and of each account."""
    window = body.window_days()
    days = {"from": day_text(window.first), "to": day_text(window.last)}
    for custodian in body.custodians:
        accounts = [body.context(one).account for one in body.sources if one.custodian == custodian.id]
        names = _names(custodian) | {_plain(one) for one in accounts if one.strip()}
        yield _Cover("request", request_id, request_id, frozenset(names), days)


def _held_names(hold: Hold, bodies: Sequence[Request]) -> frozenset[str]:
    account = str(hold.scope.get("account", ""))
    return frozenset(_names(_custodian(hold, bodies)) | ({_plain(account)} if account.strip() else set()))


def person_of(home: Home, hold: Hold) -> Custodian:
    """Return the custodian of a hold, as the newest version of the request that names them does."""
    v = t.request_versions.c
    with home.catalogue.read() as connection:
        bodies = connection.scalars(
            sa.select(v.body).where(v.request_id == hold.request_id).order_by(v.version.desc())
        )
        return _custodian(hold, map(Request.model_validate_json, bodies))


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


def _overlap(one: Any, other: Any) -> bool:
    """Tell whether two spans of days meet; None is no bound."""
    first, second = (
        (span["from"] if "from" in span else span["from_day"], span["to"] if "to" in span else span["to_day"])
        for span in (one, other)
    )
    return (first[1] is None or second[0] is None or second[0] <= first[1]) and (
        second[1] is None or first[0] is None or first[0] <= second[1]
    )
