"""The coverage of a request: for every custodian and source each place, whether it was read, and how many.

A place that is not read says so by itself: silence of a source would be taken for emptiness. What is counted
is counted from rows; where a source has its own count, both stand side by side, with the route of each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import tables as t
from records.ledger import Ledger, ScopeLedger
from records.vocabulary import Reach, Reason


class Cover(StrEnum):
    """Whether a place was read; each place is in exactly one state."""

    SEARCHED = "searched"
    EMPTY = "empty"  # read to its end, and nothing was there
    IN_PART = "in_part"  # it broke off, or its own count says that more is there
    NOT_YET = "not_yet"  # listed, or only named, and no run has come to it
    REFUSED = "refused"
    NOT_BY_THIS_ROUTE = "not_by_this_route"
    NOT_ASKED = "not_asked"
    NOT_ANSWERED = "not_answered"  # away, or not readable at all: nothing came


NOT_READ = frozenset({Cover.REFUSED, Cover.NOT_BY_THIS_ROUTE, Cover.NOT_ANSWERED, Cover.IN_PART})
"""States that make a run partial. What the request leaves out by itself does not."""

NO_SOURCE = "no_source"
"""Detail of a custodian whose records the request names no place of."""


NO_LONGER = "no_longer_named"
"""Detail of a place of a source that the request named before, and of which nothing was met."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place of one custodian.

    Attributes:
        custodian: Custodian id.
        source: Source id; empty for a custodian without a source.
        connector: The route: which connector read it, or would have; empty likewise.
        place: Key within the source; empty where the source as a whole is meant.
        label: What a person reads.
        kind: As the connector calls it (``folder``, ``mbox``); empty for a whole source.
        state: Whether it was read.
        found: Top items met.
        gone: Of these, items that the newest listing has no more; what is kept of them stays.
        expected: The source's own count, or that of another route than the reader's; None for unknown.
        expected_by: That route in words; ``unknown``.
        detail: Short code, or what the source's connector said; empty when it was read.
    """

    custodian: str
    source: str
    connector: str
    place: str
    label: str
    kind: str
    state: Cover
    found: int = 0
    gone: int = 0
    expected: int | None = None
    expected_by: str = "unknown"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every place of a request.

    Attributes:
        places: In the order of custodian, source and place.
        states: How many places are in each state.
        not_read: Places in a state of ``NOT_READ``, of sources that the version in force names: with one or
            more, a run is partial.
    """

    places: tuple[Place, ...]
    states: dict[str, int]
    not_read: int

    def as_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"not_read": self.not_read, "states": self.states, "places": [asdict(p) for p in self.places]}


def coverage(home: Home, request_id: str, counted: Ledger) -> Coverage:
    """Return the coverage of a request.

    Args:
        home: Open.
        request_id: The request.
        counted: Its ledger: the counts are those of the ledger, never others.

    Raises:
        UsageError: There is no such request.
    """
    body = home.request(request_id).body
    s, u, k = t.scopes.c, t.unreached.c, t.source_checks.c
    with home.catalogue.read() as connection:
        labels = {
            (row.source_id, row.scope_key): row
            for row in connection.execute(
                sa.select(s.source_id, s.scope_key, s.label, s.kind, s.failure_detail).where(
                    s.request_id == request_id
                )
            )
        }
        unreached = connection.execute(sa.select(t.unreached).where(u.request_id == request_id)).all()
        checks = {
            row.source_id: row
            for row in connection.execute(sa.select(t.source_checks).where(k.request_id == request_id))
        }
    named = {source.id for source in body.sources}
    places = [
        _searched(scope, labels[scope.source, scope.scope], named=scope.source in named)
        for scope in counted.scopes
    ]
    places += [
        Place(
            row.custodian_id,
            row.source_id,
            row.connector,
            row.place_key,
            row.label,
            row.kind,
            _REACH[Reach(row.reach)],
            detail=row.detail,
        )
        for row in unreached
        if row.source_id in named
    ]
    listed = {one.source for one in places}
    for source in body.sources:
        check = checks.get(source.id)
        state = Cover.NOT_YET if check is None else _ANSWERS[check.answer]
        if source.id not in listed or state in NOT_READ:  # what was read before it refused stands beside it
            detail = "" if check is None else check.detail
            places.append(
                Place(source.custodian, source.id, source.connector, "", "", "", state, detail=detail)
            )
    asked = {source.custodian for source in body.sources}
    places += [
        Place(one.id, "", "", "", "", "", Cover.NOT_ASKED, detail=NO_SOURCE)
        for one in body.custodians
        if one.id not in asked
    ]
    places.sort(key=lambda one: (one.custodian, one.source, one.place))
    states = Counter(str(one.state) for one in places)
    not_read = sum(one.state in NOT_READ and one.source in named for one in places)
    return Coverage(tuple(places), dict(sorted(states.items())), not_read)


_ANSWERS = {"answered": Cover.EMPTY, "refused": Cover.REFUSED, "not_answered": Cover.NOT_ANSWERED}
"""What a whole source said when its places were to be listed; one that answered and listed none is empty."""

_REACH = {
    Reach.REFUSED: Cover.REFUSED,
    Reach.NOT_BY_THIS_ROUTE: Cover.NOT_BY_THIS_ROUTE,
    Reach.NOT_ASKED: Cover.NOT_ASKED,
}


def _searched(scope: ScopeLedger, row: Any, *, named: bool) -> Place:
    state, detail = _state(scope)
    if not named and not scope.found:
        state, detail = Cover.NOT_ASKED, NO_LONGER
    return Place(
        scope.custodian,
        scope.source,
        scope.connector,
        scope.scope,
        row.label,
        row.kind,
        state,
        scope.found,
        scope.gone,
        scope.expected,
        scope.expected_by,
        ": ".join(part for part in (detail, row.failure_detail or "") if part),
    )


def _state(scope: ScopeLedger) -> tuple[Cover, str]:
    """Return the state of a place that was listed, and a code for why it is no other."""
    if scope.failure is not None:
        if scope.found:
            return Cover.IN_PART, scope.failure
        refused = scope.failure == Reason.REFUSED_BY_SOURCE
        return Cover.REFUSED if refused else Cover.NOT_ANSWERED, scope.failure
    if not scope.complete:
        return (Cover.IN_PART, "not_ended") if scope.found else (Cover.NOT_YET, "")
    if not scope.balanced and scope.expected is not None and scope.found - scope.gone < scope.expected:
        return Cover.IN_PART, "fewer_than_expected"
    return (Cover.SEARCHED if scope.found else Cover.EMPTY), ""
