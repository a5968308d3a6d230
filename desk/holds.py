"""The holds of a request as they stand: what was proposed, and every step since, with who and what proves it.

Nothing is written over: each step is a further row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import canonical
from records import tables as t
from records.errors import UsageError
from records.rows import lock_tables

MEMO = "memo"
PROPOSED, ASKED, PLACED, ACKNOWLEDGED = "proposed", "asked", "placed", "acknowledged"
REFUSED, FAILED, LOST, RELEASED, WITHDRAWN = "refused", "failed", "lost", "released", "withdrawn"
IN_FORCE = frozenset({PLACED, ACKNOWLEDGED})
"""States in which something is held."""
AT_SERVICE = frozenset({ASKED, PLACED, FAILED, LOST})
"""States of a hold at a service in which it may be there, so that releasing it looks there."""


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


def add_event(
    connection: sa.Connection, hold: Hold, event: str, proof: dict[str, Any], *, by: str, why: str
) -> None:
    """Add a step to a hold, within a transaction of the caller."""
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


def day_text(day: date | None) -> str | None:
    """Return a day as it is kept; None for no bound."""
    return None if day is None else day.isoformat()


def say_who(by: str) -> None:
    """Refuse a step of which nobody says who does it.

    Raises:
        UsageError: The name is blank.
    """
    if not by.strip():
        raise UsageError("say who does this (--by): their name stays with the hold")
