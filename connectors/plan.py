"""The plan step: lists every place a source can be searched, takes the expected counts, cuts batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from connectors.collect import part_text
from connectors.protocol import Connector
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import ItemError
from records.models import Expected, Scope, SourceContext
from records.rows import insert_missing


def plan_source(
    catalogue: Catalogue,
    request_id: str,
    connector: Connector,
    context: SourceContext,
    *,
    max_items: int,
    max_bytes: int,
    kept_back: int | None = None,
) -> int:
    """Plan one source; harmless when it is planned already.

    Args:
        catalogue: Where scopes and batches are written.
        request_id: The request.
        connector: The source's connector.
        context: What it was given.
        max_items: Most items in a batch.
        max_bytes: Most native bytes in a batch, where the scope can be cut.
        kept_back: For a declared personal source, how many records the employee kept back; else None.

    Returns:
        The number of batches of this source.

    Raises:
        AccessError: The source cannot be reached.
        SettingsError: It is not of this connector's format.
    """
    connector.check()
    for scope in connector.scopes():
        if not _is_planned(catalogue, request_id, context.source_id, scope.key):
            _plan_scope(catalogue, request_id, connector, context, scope, max_items, max_bytes, kept_back)
    with catalogue.read() as connection:
        return connection.execute(
            sa.select(sa.func.count()).where(
                t.batches.c.request_id == request_id, t.batches.c.source_id == context.source_id
            )
        ).scalar_one()


def _is_planned(catalogue: Catalogue, request_id: str, source_id: str, scope_key: str) -> bool:
    s = t.scopes.c
    with catalogue.read() as connection:
        found = connection.execute(
            sa.select(s.scope_key).where(
                s.request_id == request_id, s.source_id == source_id, s.scope_key == scope_key
            )
        ).first()
    return found is not None


def _plan_scope(
    catalogue: Catalogue,
    request_id: str,
    connector: Connector,
    context: SourceContext,
    scope: Scope,
    max_items: int,
    max_bytes: int,
    kept_back: int | None,
) -> None:
    """Write a scope with all its batches in one go, so that a plan that was cut short is made anew."""
    failure: ItemError | None = None
    expected = Expected(None, "unknown")
    parts: Sequence[Any] = ()
    try:
        expected = connector.count(scope)
        parts = list(connector.parts(scope, max_items, max_bytes))
    except ItemError as error:
        failure = error
    with catalogue.write() as connection:
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
            for number, part in enumerate(parts, 1)
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
                    "expected": expected.count,
                    "expected_by": expected.by,
                    "kept_back": kept_back,
                    "failure_reason": failure and str(failure.reason),
                    "failure_detail": failure and failure.detail,
                }
            ],
        )
        for rows in chunked(batches):
            connection.execute(t.batches.insert(), rows)
