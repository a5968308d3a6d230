"""Litigation holds of the office: while one is in force, no hold that it covers is released."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from desk.holds import day_text, say_who
from desk.home import Home
from records import audit, canonical
from records import tables as t
from records.errors import UsageError
from records.rows import lock_tables

_DIGITS = 9
"""Most of the number of a litigation hold, which a catalogue keeps in 32 bits."""


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
    say_who(by)
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
                "from_day": day_text(first),
                "to_day": day_text(last),
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
    say_who(by)
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
        rows = read_litigation(connection)
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


def read_litigation(connection: sa.Connection) -> list[Any]:
    """Return every litigation hold, in the order entered, within a transaction of the caller."""
    return list(
        connection.execute(sa.select(t.litigation_holds).order_by(t.litigation_holds.c.hold_no)).all()
    )
