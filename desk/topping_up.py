"""Top-ups: a request gets a wider window or another custodian, or its places are listed once more.

``amend`` adds a version of the request. Where its days or its places changed, and whenever somebody asks, a
further round of listing stands open; the next run lists what the round names and fetches only what is new,
within the days and places of the version in force. ``report`` says what came, changed and vanished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk import runlock
from desk.hold_proposals import propose
from desk.home import Home, OpenRequest
from desk.register import check_source, check_sources
from desk.request import Request, Source, load_request, parse_request, parse_source
from records import audit, canonical, rounds
from records import tables as t
from records.errors import SettingsError, UsageError
from records.models import SourceContext
from records.vocabulary import CollectionState, Sighting

_FIXED = ("received_on", "time_zone")


def amend(home: Home, request_id: str, path: Path, *, by: str, why: str) -> dict[str, Any]:
    """Add a version of a request from a request file: other words, days, people or places.

    The term list in force stays; ``daylight terms --adopt`` changes that. A roster stays where the file names
    none.

    Args:
        home: Open.
        request_id: The request.
        path: The request file, whole.
        by: Who amends it.
        why: Why; it stands beside the version.

    Returns:
        The new version, what changed, and the round of listing that this opened, or None.

    Raises:
        AlreadyRunning: A run of it is alive, or waits for a person.
        SettingsError: The file is wrong.
        UsageError: The request is closed, nothing changed, or something changed that would make another
            request or other items of it.
    """
    if not why.strip():
        raise UsageError("say why the request is amended: the reason stands beside the version")
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; it is not amended any more")
    request, terms, roster = load_request(path)
    check_sources(request)
    _refuse_another(found, request)
    before = canonical.loads(found.as_json())
    after = request.model_dump(mode="json", by_alias=True)
    changed = sorted(key for key in after if after[key] != before.get(key) and key not in {"terms", "roster"})
    new_roster = bool(roster) and roster != _roster(home, request_id)
    if not changed and not new_roster:
        raise UsageError(f"request {request_id} says the same already: nothing is amended")
    again = relisted(found.body, request)
    new = {source.id for source in request.sources} - {source.id for source in found.body.sources}
    with runlock.local_run(home, request_id):
        runlock.refuse_leased(home, request_id)
        with home.catalogue.write() as connection:
            version = _add_version(connection, found, request, by, why)
            if new_roster:
                connection.execute(
                    t.rosters.insert(), {"request_id": request_id, "version": version, "roster_csv": roster}
                )
            number = None
            if again or new:
                number = open_round(connection, request_id, version, again, by, why)
    return {
        "request_id": request_id,
        "version": version,
        "holds_proposed": propose(home, request_id, by=by),
        "changed": [*changed, *(["roster"] if new_roster else [])],
        "round": number,
        "listed_again": again,
        "new_sources": sorted(new),
        "terms_kept": bool(terms) and terms != found.terms,
    }


FORM = "trigger form"


def name_source(
    home: Home, request_id: str, stated: Mapping[str, Any], *, by: str, take_over: bool = False
) -> int | None:
    """Add one source to a request, as a trigger form names it; harmless when that was done.

    Args:
        home: Open.
        request_id: The request.
        stated: The keys of a source in a request file; what is left blank is left out.
        by: Who names it.
        take_over: Another run that is alive is about to be ended.

    Returns:
        The new version; None when the form names no source, or one that is there already.

    Raises:
        AlreadyRunning: A run of it is alive, or waits for a person.
        SettingsError: Something is wrong with it, as in a request file.
        UsageError: The request is closed, or has another source of this id.
    """
    given = {key: value for key, value in stated.items() if value not in (None, "", [], {})}
    if not given:
        return None
    source = parse_source(given, FORM)
    if source.path and not Path(source.path).is_absolute():
        raise SettingsError(f"{FORM}: source {source.id}: path: write it from the root (/) on")
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; it is not amended any more")
    there = next((one for one in found.body.sources if one.id == source.id), None)
    if there == source:
        return None
    if there is not None:
        raise UsageError(
            f"request {request_id} has another source {source.id}; give this one another id, or change that "
            "one with `daylight amend`"
        )
    raw = canonical.loads(found.as_json())
    raw["sources"].append(source.model_dump(mode="json"))
    request = parse_request(raw, FORM)
    check_source(request, source)
    with runlock.local_run(home, request_id):
        if not take_over:
            runlock.refuse_leased(home, request_id)
        with home.catalogue.write() as connection:
            why = f"source {source.id} was named in the trigger form"
            version = _add_version(connection, found, request, by, why)
            open_round(connection, request_id, version, [], by, why)
    return version


def relisted(before: Request, after: Request) -> list[str]:
    """Return the ids of the sources whose places have to be listed again after an amendment.

    All of them when the days changed; else those whose own description did.
    """
    known = {source.id: source for source in before.sources}
    moved = before.window_days() != after.window_days()
    again = []
    for source in after.sources:
        old = known.get(source.id)
        if old is None:
            continue
        if moved or _place(before, old) != _place(after, source):
            again.append(source.id)
    return sorted(again)


def _place(request: Request, source: Source) -> tuple[SourceContext, str]:
    """Return what says where a source's records lie; a further number of its owner does not."""
    return replace(request.context(source), owner_handles=()), source.connection


def _refuse_another(found: OpenRequest, request: Request) -> None:
    """Refuse what would make it another request, or its items those of somebody else."""
    for key in _FIXED:
        if getattr(found.body, key) != getattr(request, key):
            raise UsageError(
                f"request {found.request_id}: {key} stays as it is; open another request instead"
            )
    known = {source.id: source for source in found.body.sources}
    for source in request.sources:
        old = known.get(source.id)
        if old is not None and (old.connector, old.custodian) != (source.connector, source.custodian):
            raise UsageError(
                f"source {source.id}: its connector and custodian are part of its items; give another source "
                "another id"
            )


def _roster(home: Home, request_id: str) -> str | None:
    r = t.rosters.c
    with home.catalogue.read() as connection:
        return connection.execute(
            sa.select(r.roster_csv).where(r.request_id == request_id).order_by(r.version.desc()).limit(1)
        ).scalar()


def _add_version(connection: sa.Connection, found: OpenRequest, request: Request, by: str, why: str) -> int:
    r, v = t.requests.c, t.request_versions.c
    version = found.version + 1
    changed = connection.execute(
        t.requests.update()
        .where(r.request_id == found.request_id, r.version == found.version)
        .values(version=version)
    ).rowcount
    if not changed:
        raise UsageError(f"request {found.request_id} was changed meanwhile: do this again")
    old = connection.execute(
        sa.select(v.terms, v.terms_csv).where(v.request_id == found.request_id, v.version == found.version)
    ).one()
    connection.execute(
        t.request_versions.insert(),
        {
            "request_id": found.request_id,
            "version": version,
            "body": canonical.dumps(request.model_dump(mode="json", by_alias=True)),
            "terms": old.terms,
            "terms_csv": old.terms_csv,
            "at": canonical.now_text(),
            "by": by,
            "why": why,
        },
    )
    audit.append(
        connection,
        action="versioned",
        actor=by,
        request_id=found.request_id,
        version=version,
        what="request",
    )
    return version


def ask(home: Home, request_id: str, *, by: str, why: str) -> dict[str, Any]:
    """Let the next run list every place of the request again.

    Raises:
        AlreadyRunning: A run of it is alive, or waits for a person.
        UsageError: The request is closed, or was never run.
    """
    if not why.strip():
        raise UsageError("say why the places are listed again: the reason stands in the record of the search")
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its records are no longer collected")
    sources = sorted(source.id for source in found.body.sources)
    with runlock.local_run(home, request_id):
        runlock.refuse_leased(home, request_id)
        with home.catalogue.write() as connection:
            if not connection.execute(
                sa.select(t.scopes.c.source_id).where(t.scopes.c.request_id == request_id).limit(1)
            ).first():
                raise UsageError(f"request {request_id} has not been run; `daylight run` lists its places")
            number = open_round(connection, request_id, found.version, sources, by, why)
    return {"request_id": request_id, "round": number, "listed_again": sources}


def list_changed(home: Home, request_id: str, source_ids: Sequence[str]) -> None:
    """Open a round for sources whose files are others than those that could not be read."""
    found = home.request(request_id)
    with home.catalogue.write() as connection:
        why = "other files lie where some could not be read"
        open_round(connection, request_id, found.version, sorted(source_ids), "daylight", why)


def open_round(
    connection: sa.Connection, request_id: str, version: int, sources: Sequence[str], by: str, why: str
) -> int:
    """Open a round of listing within a transaction of the caller; returns its number."""
    number = rounds.current(connection, request_id) + 1
    connection.execute(
        t.top_ups.insert(),
        {
            "request_id": request_id,
            "round": number,
            "version": version,
            "sources": canonical.dumps(list(sources)),
            "why": why,
            "by": by,
            "at": canonical.now_text(),
        },
    )
    r = t.requests.c
    connection.execute(  # it is not searched to its end any more
        t.requests.update().where(r.request_id == request_id, r.state == "complete").values(state="open")
    )
    audit.append(
        connection,
        action="top_up_asked",
        actor=by,
        request_id=request_id,
        version=version,
        round=number,
        sources=len(sources),
    )
    return number


# -- what came, changed and vanished


def report(home: Home, request_id: str) -> list[dict[str, Any]]:
    """Return every round with what came of it, the first collection left out.

    Counts are of top items. ``new`` has the items of places that were listed for the first time, too;
    ``vanished`` those that no earlier round missed already.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    u = t.top_ups.c
    with home.catalogue.read() as connection:
        asked = connection.execute(
            sa.select(t.top_ups).where(u.request_id == request_id).order_by(u.round)
        ).all()
        return [_round(connection, request_id, row) for row in asked]


def _round(connection: sa.Connection, request_id: str, row: Any) -> dict[str, Any]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for query in (_met(request_id, row.round), _first_met(request_id, row.round)):
        columns = list(query.selected_columns)
        for source, place, outcome, state, count in connection.execute(
            query.add_columns(sa.func.count()).group_by(*columns)
        ):
            mine = counts.setdefault((source, place), Counter())
            mine[outcome] += count
            if outcome == Sighting.NEW:
                mine[f"new_{state}"] += count
    s, b = t.scopes.c, t.batches.c
    places = connection.execute(
        sa.select(s.source_id, s.scope_key, s.first_round, s.round, s.missing_since).where(
            s.request_id == request_id
        )
    ).all()
    waiting = connection.execute(
        sa.select(sa.func.count()).where(
            b.request_id == request_id, b.round <= row.round, b.index_state != "done"
        )
    ).scalar_one()
    left_out = rounds.left_out(connection, request_id)
    sources = canonical.loads(row.sources)
    unlisted = [
        one
        for one in places
        if one.source_id in sources and one.missing_since is None and one.round < row.round
    ]
    total: Counter[str] = Counter()
    for mine in counts.values():
        total.update(mine)
    return {
        "round": row.round,
        "version": row.version,
        "at": row.at,
        "by": row.by,
        "why": row.why,
        "sources": sources,
        "done": not waiting and not unlisted,
        "places_new": [[one.source_id, one.scope_key] for one in places if one.first_round == row.round],
        "places_gone": [
            [one.source_id, one.scope_key]
            for one in places
            if one.missing_since == row.round and (one.source_id, one.scope_key) not in left_out
        ],
        "total": _counted(total),
        "places": [
            {"source": source, "place": place, **_counted(mine)}
            for (source, place), mine in sorted(counts.items())
        ],
    }


def _counted(counts: Counter[str]) -> dict[str, Any]:
    new = {str(state): counts[f"new_{state}"] for state in CollectionState}
    return {str(outcome): counts[outcome] for outcome in Sighting} | {"new_by_state": new}


def _met(request_id: str, round_no: int) -> sa.Select[Any]:
    """Select what became of the items of a round, but for those that an earlier one missed already."""
    i, k = t.items.c, t.sightings.c
    before = t.sightings.alias("before")
    last = (
        sa.select(before.c.outcome)
        .where(before.c.request_id == k.request_id, before.c.item_id == k.item_id, before.c.round < k.round)
        .order_by(before.c.round.desc())
        .limit(1)
        .scalar_subquery()
    )
    vanished = str(Sighting.VANISHED)
    return (
        sa.select(k.source_id, k.scope_key, k.outcome, i.state)
        .join_from(t.sightings, t.items, (i.request_id == k.request_id) & (i.item_id == k.item_id))
        .where(
            k.request_id == request_id,
            k.round == round_no,
            (k.outcome != vanished) | (sa.func.coalesce(last, "") != vanished),
        )
    )


def _first_met(request_id: str, round_no: int) -> sa.Select[Any]:
    """Select the items of places that were listed for the first time in a round."""
    i, s, b = t.items.c, t.scopes.c, t.batches.c
    return (
        sa.select(i.source_id, i.scope_key, sa.literal(str(Sighting.NEW)).label("outcome"), i.state)
        .join_from(t.items, t.batches, (b.request_id == i.request_id) & (b.batch_id == i.batch_id))
        .join(
            t.scopes,
            (s.request_id == i.request_id) & (s.source_id == i.source_id) & (s.scope_key == i.scope_key),
        )
        .where(i.request_id == request_id, i.level == 0, b.round == round_no, s.first_round == round_no)
    )


def listed(home: Home, request_id: str, round_no: int) -> Iterator[dict[str, Any]]:
    """Yield the items of a round that are not the same as before, a JSON object each.

    Raises:
        UsageError: There is no such request or round.
    """
    home.request(request_id)
    u = t.top_ups.c
    with home.catalogue.read() as connection:
        known = connection.execute(
            sa.select(u.round).where(u.request_id == request_id, u.round == round_no)
        ).first()
        if known is None:
            raise UsageError(
                f"request {request_id} has no round {round_no}; `daylight top-up report` lists them"
            )
        i, k = t.items.c, t.sightings.c
        met = _met(request_id, round_no).where(k.outcome != Sighting.SAME)
        for query in (
            met.add_columns(k.item_id, k.native_key, k.earlier_id),
            _first_met(request_id, round_no).add_columns(i.item_id, i.native_key, sa.null()),
        ):
            for source, place, outcome, state, item, native, earlier in connection.execute(
                query.order_by("source_id", "scope_key", "native_key")
            ):
                yield {
                    "round": round_no,
                    "outcome": outcome,
                    "source": source,
                    "place": place,
                    "item_id": item,
                    "native_id": native,
                    "state": state,
                    "earlier_item": earlier,
                }
