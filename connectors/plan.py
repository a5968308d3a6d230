"""The plan step: lists every place a source can be searched, takes the expected counts, cuts batches."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from connectors.base import FileConnector, stamp_of
from connectors.collect import part_text
from connectors.protocol import Connector
from records import canonical, rounds
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import ItemError
from records.models import Expected, Part, Scope, SourceContext
from records.rows import insert_missing
from records.vocabulary import RETRYABLE, Reach

SMALL_BATCH = 500
"""A batch is not cut smaller than this to give every core work."""

TO_BE_LISTED = -1
"""The round of a place that could not even be cut into batches, for a reason that may pass."""


def plan_source(
    catalogue: Catalogue,
    request_id: str,
    connector: Connector,
    context: SourceContext,
    *,
    max_items: int,
    max_bytes: int,
    spread: int = 1,
    kept_back: int | None = None,
    round_no: int = 0,
    relist_from: int = 0,
) -> int:
    """Plan one source; harmless when it is planned already.

    A place that broke off for a passing reason (a share that was away) is tried again, from its cursors. A
    place that was listed before round ``relist_from`` is listed again: what an earlier round left of it
    is not drawn by that any more.

    Args:
        catalogue: Where scopes and batches are written.
        request_id: The request.
        connector: The source's connector.
        context: What it was given.
        max_items: Most items in a batch.
        max_bytes: Most native bytes in a batch, where the scope can be cut.
        spread: Batches a large scope should give at least, so that every core has work.
        kept_back: For a declared personal source, how many records the employee kept back; else None.
        round_no: The round of listing under way; 0 for the first collection.
        relist_from: The newest round in which this source is to be listed again; 0 for none.

    Returns:
        The number of batches of this source.

    Raises:
        AccessError: The source cannot be reached.
        SettingsError: It is not of this connector's format.
    """
    connector.check()
    _try_again(catalogue, request_id, context.source_id)
    listed: set[str] = set()
    anew = False
    for scope in connector.scopes():
        listed.add(scope.key)
        if not _is_planned(catalogue, request_id, context.source_id, scope.key, relist_from):
            planned = _cut(connector, scope, max_items, max_bytes, spread)
            writing = _Writing(request_id, connector, context, scope, kept_back, round_no, relist_from)
            _write_scope(catalogue, writing, planned)
            anew = True
    _write_unreached(catalogue, request_id, connector, context)
    if round_no:
        _mark_missing(catalogue, request_id, context.source_id, listed, round_no)
    if anew:
        _write_paths(catalogue, request_id, connector, context)
    with catalogue.read() as connection:
        return connection.execute(
            sa.select(sa.func.count()).where(
                t.batches.c.request_id == request_id, t.batches.c.source_id == context.source_id
            )
        ).scalar_one()


def changed_since_failure(
    catalogue: Catalogue, request_id: str, connector: Connector, source_id: str
) -> bool:
    """Tell whether files lie there now that are not those of which a place could not be read.

    A damaged file stays damaged; another one in its place (a new download) may be whole.
    """
    s = t.scopes.c
    with catalogue.read() as connection:
        stamps = set(
            connection.scalars(
                sa.select(s.failure_stamp).where(
                    s.request_id == request_id,
                    s.source_id == source_id,
                    s.failure_reason.is_not(None),
                    s.failure_stamp.is_not(None),
                    s.missing_since.is_(None),
                )
            )
        )
    return bool(stamps) and stamps != {stamp_of(connector)}


def _write_unreached(
    catalogue: Catalogue, request_id: str, connector: Connector, context: SourceContext
) -> None:
    """Write down the places that are not read, as they are now: one that was refused may be open today."""
    rows = [
        {
            "request_id": request_id,
            "source_id": context.source_id,
            "place_key": place.key,
            "custodian_id": context.custodian_id,
            "connector": connector.name,
            "label": place.label,
            "kind": place.kind,
            "reach": str(place.reach),
            "detail": place.detail,
        }
        for place in connector.unreached()
    ]
    u = t.unreached.c
    with catalogue.write() as connection:
        connection.execute(
            t.unreached.delete().where(u.request_id == request_id, u.source_id == context.source_id)
        )
        insert_missing(connection, t.unreached, rows)


def _write_paths(catalogue: Catalogue, request_id: str, connector: Connector, context: SourceContext) -> None:
    """Write down what becomes of each path of an export."""
    if not isinstance(connector, FileConnector) or (listed := connector.paths()) is None:
        return
    from connectors.export_paths import tally  # what reads folders of files does not need it

    try:
        found = tally(listed, connector.roots())
    except ItemError:  # it went away meanwhile: each of its places says so
        return
    row = {
        "at": canonical.now_text(),
        "paths": found.paths,
        "body": canonical.dumps(
            {
                "read": found.read,
                "ignored": dict(found.ignored),
                "unknown": found.unknown,
                "names": list(found.names),
            }
        ),
    }
    key = {"request_id": request_id, "source_id": context.source_id}
    e = t.export_paths.c
    with catalogue.write() as connection:
        connection.execute(
            t.export_paths.delete().where(e.request_id == request_id, e.source_id == context.source_id)
        )
        connection.execute(t.export_paths.insert(), {**key, **row})


def _mark_missing(
    catalogue: Catalogue, request_id: str, source_id: str, listed: set[str], round_no: int
) -> None:
    """Mark places that the source has no more; what was collected there stays.

    One that is refused by now is not marked: it may have everything still, and waits to be listed.
    """
    s = t.scopes.c
    with catalogue.write() as connection:
        left_out = rounds.left_out(connection, request_id)
        known = connection.execute(
            sa.select(s.scope_key, s.missing_since).where(
                s.request_id == request_id, s.source_id == source_id
            )
        ).all()
        for row in known:
            if (row.scope_key in listed) == (row.missing_since is None):
                continue
            refused = left_out.get((source_id, row.scope_key)) is Reach.REFUSED
            if refused and row.scope_key not in listed:
                continue
            connection.execute(
                t.scopes.update()
                .where(s.request_id == request_id, s.source_id == source_id, s.scope_key == row.scope_key)
                .values(missing_since=None if row.scope_key in listed else round_no)
            )
            if row.scope_key not in listed:
                _close_batches(connection, request_id, source_id, row.scope_key)


def close_sources(catalogue: Catalogue, request_id: str, kept: set[str]) -> None:
    """End the collection of sources that the request names no more; what they gave stays.

    Args:
        catalogue: Where batches are.
        request_id: The request.
        kept: The sources that it names.
    """
    b = t.batches.c
    with catalogue.write() as connection:
        others = connection.execute(
            sa.select(b.source_id, b.scope_key)
            .distinct()
            .where(b.request_id == request_id, b.source_id.not_in(sorted(kept)), b.collect_state != "done")
        ).all()
        for source_id, scope_key in others:
            _close_batches(connection, request_id, source_id, scope_key)


def _close_batches(connection: sa.Connection, request_id: str, source_id: str, scope_key: str) -> None:
    """Let nothing more be collected by the batches of a place; what they have is read and indexed."""
    b = t.batches.c
    connection.execute(
        t.batches.update()
        .where(
            b.request_id == request_id,
            b.source_id == source_id,
            b.scope_key == scope_key,
            b.collect_state != "done",
        )
        .values(collect_state="done", fence=b.fence + 1)
    )


def _try_again(catalogue: Catalogue, request_id: str, source_id: str) -> None:
    """Let places that broke off for a retryable reason wait again; one without batches is forgotten."""
    s, b = t.scopes.c, t.batches.c
    waiting = dict.fromkeys(("collect_state", "extract_state", "index_state"), "waiting")
    with catalogue.write() as connection:
        broken = connection.execute(
            sa.select(s.scope_key, s.round, s.first_round).where(
                s.request_id == request_id,
                s.source_id == source_id,
                s.failure_reason.in_(sorted(map(str, RETRYABLE))),
            )
        )
        for scope_key, round_no, first_round in broken.all():
            mine = (
                b.request_id == request_id,
                b.source_id == source_id,
                b.scope_key == scope_key,
                b.round == round_no,
            )
            its_row = (s.request_id == request_id, s.source_id == source_id, s.scope_key == scope_key)
            if connection.execute(t.batches.update().where(*mine).values(waiting)).rowcount:
                connection.execute(
                    t.scopes.update().where(*its_row).values(failure_reason=None, failure_detail=None)
                )
            elif round_no == first_round:
                connection.execute(t.scopes.delete().where(*its_row))
            else:  # what earlier rounds met there stays
                connection.execute(t.scopes.update().where(*its_row).values(round=TO_BE_LISTED))


def _is_planned(
    catalogue: Catalogue, request_id: str, source_id: str, scope_key: str, relist_from: int
) -> bool:
    with catalogue.read() as connection:
        found = _planned(connection, request_id, source_id, scope_key)
        return found is not None and found >= relist_from


def _planned(connection: sa.Connection, request_id: str, source_id: str, scope_key: str) -> int | None:
    """Return the round that a place was last listed in, or None for one that never was."""
    s = t.scopes.c
    return connection.execute(
        sa.select(s.round).where(
            s.request_id == request_id, s.source_id == source_id, s.scope_key == scope_key
        )
    ).scalar()


@dataclass(frozen=True, slots=True)
class _Planned:
    """What a scope gave when it was planned."""

    expected: Expected
    parts: tuple[Part, ...]
    failure: ItemError | None


def _cut(connector: Connector, scope: Scope, max_items: int, max_bytes: int, spread: int) -> _Planned:
    """Count a scope and cut it; a scope that cannot be opened at all keeps its reason."""
    expected = Expected(None, "unknown")
    try:
        expected = connector.count(scope)
        if expected.count is not None:
            max_items = min(max_items, max(SMALL_BATCH, -(-expected.count // spread)))
        return _Planned(expected, tuple(connector.parts(scope, max_items, max_bytes)), None)
    except ItemError as error:
        return _Planned(expected, (), error)


@dataclass(frozen=True, slots=True)
class _Writing:
    """What a scope is written for."""

    request_id: str
    reader: Connector
    context: SourceContext
    scope: Scope
    kept_back: int | None
    round_no: int
    relist_from: int


def _write_scope(catalogue: Catalogue, writing: _Writing, planned: _Planned) -> None:
    """Write a scope with all its batches in one go, so that a plan that was cut short is made anew.

    Does nothing when another process has planned it meanwhile: its items would be collected twice.
    """
    request_id, context, scope = writing.request_id, writing.context, writing.scope
    with catalogue.write() as connection:
        # A repeated plan task can run beside the one it replaces (PostgreSQL; SQLite has one writer anyway).
        r = t.requests.c
        connection.execute(sa.select(r.request_id).where(r.request_id == request_id).with_for_update())
        before = _planned(connection, request_id, context.source_id, scope.key)
        if before is not None and before >= writing.relist_from:
            return
        first = connection.execute(
            sa.select(sa.func.count()).where(t.batches.c.request_id == request_id)
        ).scalar_one()
        batches = [
            {
                "request_id": request_id,
                "batch_id": f"b{first + number:06d}",
                "source_id": context.source_id,
                "scope_key": scope.key,
                "part": part_text(part),
                "items_planned": part.items,
                "bytes_planned": part.size_bytes,
                "cursor": None,
                "collect_state": "waiting",
                "extract_state": "waiting",
                "index_state": "waiting",
                "fence": 0,
                "round": writing.round_no,
            }
            for number, part in enumerate(planned.parts, 1)
        ]
        listed = {
            "connector": writing.reader.name,
            "label": scope.label,
            "kind": scope.kind,
            "expected": planned.expected.count,
            "expected_by": planned.expected.by,
            "kept_back": writing.kept_back,
            "failure_reason": planned.failure and str(planned.failure.reason),
            "failure_detail": planned.failure and planned.failure.detail,
            "failure_stamp": planned.failure and stamp_of(writing.reader),
            "round": writing.round_no,
            "missing_since": None,
        }
        key = {"request_id": request_id, "source_id": context.source_id, "scope_key": scope.key}
        if before is None:
            once = {"custodian_id": context.custodian_id, "first_round": writing.round_no}
            insert_missing(connection, t.scopes, [{**key, **once, **listed}])
        else:
            s = t.scopes.c
            _close_batches(connection, request_id, context.source_id, scope.key)
            connection.execute(
                t.scopes.update()
                .where(s.request_id == request_id, s.source_id == context.source_id, s.scope_key == scope.key)
                .values(listed)
            )
        for rows in chunked(batches):
            connection.execute(t.batches.insert(), rows)
