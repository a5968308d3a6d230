"""A source planned and collected on a real catalogue, as a run does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.collect import collect_batch
from connectors.plan import plan_source
from connectors.protocol import Connector
from connectors.relist import note_vanished
from records import canonical
from records import tables as t
from records.attempts import claim
from records.catalogue import Catalogue
from records.models import SourceContext, Window
from records.vocabulary import Step
from tests.connectors.builders import ALWAYS
from tests.records.homes import REQUEST, new_catalogue, new_store


class Killed(BaseException):
    """Ends a collection where a kill would."""


@dataclass
class Collected:
    """What the catalogue has of one source.

    Attributes:
        items: Rows of the table ``items`` by native key.
        scopes: Expected count, found items and failure by scope key.
        outcomes: What became of each item in the last top-up, by native key.
    """

    items: dict[str, Any]
    scopes: dict[str, tuple[int | None, int, str | None, str | None]]
    outcomes: dict[str, str]

    def facts(self, key: str) -> dict[str, str]:
        return canonical.loads(self.items[key].facts)["metadata"]

    def warnings(self, key: str) -> list[str]:
        return canonical.loads(self.items[key].facts)["warnings"]

    def states(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in self.items.values():
            counts[row.state] = counts.get(row.state, 0) + 1
        return counts


def collected(
    home: Path,
    kind: type[Connector],
    context: SourceContext,
    *,
    window: Window = ALWAYS,
    max_items: int = 10_000,
    kill_after: int | None = None,
    round_no: int = 0,
) -> Collected:
    """Plan and collect everything that waits; a new home is made where there is none.

    Args:
        home: Folder of the catalogue and the evidence.
        kind: The connector.
        context: What it is given.
        window: The request's days.
        max_items: Most items in a batch.
        kill_after: End with ``Killed`` after so many items were drawn.
        round_no: Of a top-up, which lists every place again; 0 for the first collection.
    """
    home.mkdir(exist_ok=True)
    catalogue = new_catalogue(home)
    store = new_store(home, catalogue)
    try:
        source = kind(context)
        plan_source(
            catalogue, REQUEST, source, context,
            max_items=max_items, max_bytes=1 << 28, round_no=round_no, relist_from=round_no,
        )  # fmt: skip
        drawn = _Counting(source, kill_after)
        for batch in _waiting(catalogue):
            attempt = claim(catalogue, REQUEST, batch, Step.COLLECT)
            assert attempt is not None
            collect_batch(attempt, store, drawn, context, window)
        if round_no:
            note_vanished(catalogue, REQUEST)
        return _read(catalogue, round_no)
    finally:
        store.close()
        catalogue.close()


class _Counting:
    """A connector that ends after so many items, however they are drawn."""

    def __init__(self, source: Connector, limit: int | None) -> None:
        self._source = source
        self._left = limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def items(self, *arguments: Any) -> Any:
        for value in self._source.items(*arguments):
            if self._left == 0:
                raise Killed
            yield value
            self._left = None if self._left is None else self._left - 1


def _waiting(catalogue: Catalogue) -> list[str]:
    b = t.batches.c
    with catalogue.read() as connection:
        return list(
            connection.scalars(sa.select(b.batch_id).where(b.collect_state != "done").order_by(b.batch_id))
        )


def _read(catalogue: Catalogue, round_no: int) -> Collected:
    i, s, g = t.items.c, t.scopes.c, t.sightings.c
    with catalogue.read() as connection:
        items = {row.native_key: row for row in connection.execute(sa.select(t.items))}
        assert len(items) == connection.scalar(sa.select(sa.func.count()).select_from(t.items))
        found = dict(
            tuple(row)
            for row in connection.execute(sa.select(i.scope_key, sa.func.count()).group_by(i.scope_key))
        )
        rows = connection.execute(sa.select(s.scope_key, s.expected, s.failure_reason, s.failure_detail))
        scopes = {row[0]: (row[1], found.get(row[0], 0), row[2], row[3]) for row in rows}
        met = connection.execute(sa.select(g.native_key, g.outcome).where(g.round == round_no))
        outcomes = {row.native_key: row.outcome for row in met}
    return Collected(items, scopes, outcomes)


def until_done(run: Callable[[], Collected]) -> Collected:
    """Run again and again until no kill ends it."""
    while True:
        try:
            return run()
        except Killed:
            continue
