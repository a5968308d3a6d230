"""The plan step: lists every place a source can be searched, takes the expected counts, cuts batches."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from connectors.collect import part_text
from connectors.protocol import Connector
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import ItemError
from records.models import Expected, Part, Scope, SourceContext
from records.rows import insert_missing
from records.vocabulary import RETRYABLE

SMALL_BATCH = 500
"""A batch is not cut smaller than this to give every core work."""


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
) -> int:
    """Plan one source; harmless when it is planned already.

    A place that broke off for a passing reason (a share that was away) is tried again, from its cursors.

    Args:
        catalogue: Where scopes and batches are written.
        request_id: The request.
        connector: The source's connector.
        context: What it was given.
        max_items: Most items in a batch.
        max_bytes: Most native bytes in a batch, where the scope can be cut.
        spread: Batches a large scope should give at least, so that every core has work.
        kept_back: For a declared personal source, how many records the employee kept back; else None.

    Returns:
        The number of batches of this source.

    Raises:
        AccessError: The source cannot be reached.
        SettingsError: It is not of this connector's format.
    """
    connector.check()
    _try_again(catalogue, request_id, context.source_id)
    for scope in connector.scopes():
        if not _is_planned(catalogue, request_id, context.source_id, scope.key):
            planned = _cut(connector, scope, max_items, max_bytes, spread)
            _write_scope(catalogue, request_id, connector, context, scope, planned, kept_back)
    _write_unreached(catalogue, request_id, connector, context)
    with catalogue.read() as connection:
        return connection.execute(
            sa.select(sa.func.count()).where(
                t.batches.c.request_id == request_id, t.batches.c.source_id == context.source_id
            )
        ).scalar_one()


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


def _try_again(catalogue: Catalogue, request_id: str, source_id: str) -> None:
    """Let places that broke off for a retryable reason wait again; one without batches is forgotten."""
    s, b = t.scopes.c, t.batches.c
    waiting = dict.fromkeys(("collect_state", "extract_state", "index_state"), "waiting")
    with catalogue.write() as connection:
        broken = connection.execute(
            sa.select(s.scope_key).where(
                s.request_id == request_id,
                s.source_id == source_id,
                s.failure_reason.in_(sorted(map(str, RETRYABLE))),
            )
        ).scalars()
        for scope_key in broken.all():
            mine = (b.request_id == request_id, b.source_id == source_id, b.scope_key == scope_key)
            its_row = (s.request_id == request_id, s.source_id == source_id, s.scope_key == scope_key)
            if connection.execute(t.batches.update().where(*mine).values(waiting)).rowcount:
                connection.execute(
                    t.scopes.update().where(*its_row).values(failure_reason=None, failure_detail=None)
                )
            else:
                connection.execute(t.scopes.delete().where(*its_row))


def _is_planned(catalogue: Catalogue, request_id: str, source_id: str, scope_key: str) -> bool:
    with catalogue.read() as connection:
        return _planned(connection, request_id, source_id, scope_key)


def _planned(connection: sa.Connection, request_id: str, source_id: str, scope_key: str) -> bool:
    s = t.scopes.c
    found = connection.execute(
        sa.select(s.scope_key).where(
            s.request_id == request_id, s.source_id == source_id, s.scope_key == scope_key
        )
    ).first()
    return found is not None


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


def _write_scope(
    catalogue: Catalogue,
    request_id: str,
    connector: Connector,
    context: SourceContext,
    scope: Scope,
    planned: _Planned,
    kept_back: int | None,
) -> None:
    """Write a scope with all its batches in one go, so that a plan that was cut short is made anew.

    Does nothing when another process has planned it meanwhile: its items would be collected twice.
    """
    with catalogue.write() as connection:
        # A repeated plan task can run beside the one it replaces (PostgreSQL; SQLite has one writer anyway).
        r = t.requests.c
        connection.execute(sa.select(r.request_id).where(r.request_id == request_id).with_for_update())
        if _planned(connection, request_id, context.source_id, scope.key):
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
            }
            for number, part in enumerate(planned.parts, 1)
        ]
        insert_missing(
            connection,
            t.scopes,
            [
                {
                    "request_id": request_id,
                    "source_id": context.source_id,
                    "scope_key": scope.key,
                    "custodian_id": context.custodian_id,
                    "connector": connector.name,
                    "label": scope.label,
                    "kind": scope.kind,
                    "expected": planned.expected.count,
                    "expected_by": planned.expected.by,
                    "kept_back": kept_back,
                    "failure_reason": planned.failure and str(planned.failure.reason),
                    "failure_detail": planned.failure and planned.failure.detail,
                }
            ],
        )
        for rows in chunked(batches):
            connection.execute(t.batches.insert(), rows)
