"""Rounds of listing: round 0 is the first collection; each top-up is a further one (table ``top_ups``)."""

from __future__ import annotations

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.vocabulary import Reach


def current(connection: sa.Connection, request_id: str) -> int:
    """Return the newest round of a request."""
    u = t.top_ups.c
    newest = connection.execute(sa.select(sa.func.max(u.round)).where(u.request_id == request_id)).scalar()
    return newest or 0


def relist_from(connection: sa.Connection, request_id: str) -> dict[str, int]:
    """Return for each source that is to be listed again the newest round that says so."""
    u = t.top_ups.c
    rounds = connection.execute(
        sa.select(u.round, u.sources).where(u.request_id == request_id).order_by(u.round)
    )
    return {source: number for number, sources in rounds for source in canonical.loads(sources)}


def gone(connection: sa.Connection, request_id: str) -> dict[tuple[str, str], int]:
    """Count by source id and scope key the top items that the newest listing of their place has no more.

    They were met before: those that vanished, and the earlier forms of those that changed.
    """
    s, k = t.scopes.c, t.sightings.c
    same = (k.request_id == s.request_id) & (k.source_id == s.source_id) & (k.scope_key == s.scope_key)
    newest = sa.func.coalesce(s.missing_since, s.round)
    rows = connection.execute(
        sa.select(s.source_id, s.scope_key, sa.func.count())
        .join_from(t.scopes, t.sightings, same)
        .where(
            s.request_id == request_id,
            k.earlier_id.is_not(None) | ((k.outcome == "vanished") & (k.round == newest)),
        )
        .group_by(s.source_id, s.scope_key)
    )
    return {(source, scope): count for source, scope, count in rows}


def left_out(connection: sa.Connection, request_id: str) -> dict[tuple[str, str], Reach]:
    """Return the scopes, by source id and scope key, that the newest listing was not let at, and why.

    They were listed before. A place that is refused by now, or left out by the version in force, is not one
    that went away, and nobody knows what is in it. Its key is that of the scope, or that of a place above it;
    where it is neither, it may be any scope of its place.
    """
    s, u = t.scopes.c, t.unreached.c
    known: dict[str, set[str]] = {}
    for source, key in connection.execute(
        sa.select(s.source_id, s.scope_key).where(s.request_id == request_id)
    ):
        known.setdefault(source, set()).add(key)
    stated = connection.execute(
        sa.select(u.source_id, u.place_key, u.reach).where(
            u.request_id == request_id, u.reach.in_([str(Reach.NOT_ASKED), str(Reach.REFUSED)])
        )
    )
    found = {}
    for source, place, reach in stated:
        keys = known.get(source, set())
        above = place if place in keys else place.partition("/")[0]
        for key in keys:
            if key == above or key.startswith(f"{above}/"):
                found[source, key] = Reach(reach)
    return found
