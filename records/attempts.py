"""Attempts: who may write a batch now.

A scheduler that dies can leave an old attempt running beside its successor. Each attempt claims its batch
with a fencing number that only rises, writes a segment of its own, and every commit checks the number in the
same transaction: a late attempt's commit is refused, whatever it was about to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from records import tables as t
from records.canonical import now_text
from records.catalogue import Catalogue
from records.errors import AttemptLost, UsageError
from records.vocabulary import Step

Columns = sa.ColumnCollection[str, sa.Column[Any]]

DONE, RUNNING, WAITING = "done", "running", "waiting"

_b, _a = t.batches.c, t.attempts.c


def _mine(columns: Columns) -> sa.ColumnElement[bool]:
    return sa.and_(
        columns.request_id == sa.bindparam("of_request"),
        columns.batch_id == sa.bindparam("of_batch"),
        columns.fence == sa.bindparam("held"),
    )


_HOLD = t.batches.update().where(_mine(_b)).values(fence=sa.bindparam("held"))
_COUNT = t.attempts.update().where(_mine(_a)).values(items=_a["items"] + sa.bindparam("more"))
"""What every commit says is put together once: putting it together takes longer than running it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to write one step of one batch, until somebody claims it anew.

    Attributes:
        catalogue: Where it is recorded.
        request_id: The request.
        batch_id: The batch.
        step: The step.
        fence: Its number; rises with every claim of the batch.
    """

    catalogue: Catalogue
    request_id: str
    batch_id: str
    step: Step
    fence: int

    @property
    def segment(self) -> str:
        """A segment name that no other attempt uses."""
        return f"{self.batch_id}-{self.fence:04d}-{self.step}"

    @contextmanager
    def commit(self, items: int = 0) -> Iterator[sa.Connection]:
        """Open a writing transaction that only the newest attempt can commit.

        Args:
            items: How many more items are done with it.

        Raises:
            AttemptLost: A newer attempt owns the batch.
        """
        mine = {"of_request": self.request_id, "of_batch": self.batch_id, "held": self.fence}
        with self.catalogue.write() as connection:
            if connection.execute(_HOLD, mine).rowcount != 1:
                raise AttemptLost(f"batch {self.batch_id} was taken over by newer work; this attempt stops")
            yield connection
            if items:
                connection.execute(_COUNT, {**mine, "more": items})

    def finish(self, connection: sa.Connection) -> None:
        """Mark the step done, within a transaction from ``commit``."""
        connection.execute(
            t.batches.update().where(*self._mine(t.batches.c)).values({f"{self.step}_state": DONE})
        )
        self.end(connection)

    def end(self, connection: sa.Connection) -> None:
        """Note that the attempt is over, within a transaction from ``commit``; the step has no state."""
        connection.execute(
            t.attempts.update()
            .where(*self._mine(t.attempts.c), t.attempts.c.fence == self.fence)
            .values(ended_at=now_text(), outcome=DONE)
        )

    def _mine(self, columns: Columns) -> tuple[sa.ColumnElement[bool], ...]:
        return columns["request_id"] == self.request_id, columns["batch_id"] == self.batch_id


def refuse_all(connection: sa.Connection, request_id: str) -> None:
    """Take every batch from whoever holds it: an attempt that is still alive can commit nothing more."""
    b = t.batches.c
    connection.execute(t.batches.update().where(b.request_id == request_id).values(fence=b.fence + 1))


def claim(catalogue: Catalogue, request_id: str, batch_id: str, step: Step) -> Attempt | None:
    """Claim a batch for a step.

    Returns:
        The attempt, or None when the step is done already.

    Raises:
        UsageError: There is no such batch.
    """
    state = f"{step}_state"
    with catalogue.write() as connection:
        fence, found = _row(connection, request_id, batch_id, state)
        if found == DONE:
            return None
        return _take(catalogue, connection, (request_id, batch_id, step), fence + 1, {state: RUNNING})


def claim_read(catalogue: Catalogue, request_id: str, batch_id: str) -> Attempt | None:
    """Claim a batch that has passed its steps, for OCR, which is no step of it and is never done for good.

    Returns:
        The attempt, or None while the batch has not been indexed: somebody may be at work on it.

    Raises:
        UsageError: There is no such batch.
    """
    with catalogue.write() as connection:
        fence, found = _row(connection, request_id, batch_id, "index_state")
        if found != DONE:
            return None
        return _take(catalogue, connection, (request_id, batch_id, Step.OCR), fence + 1, {})


def _row(connection: sa.Connection, request_id: str, batch_id: str, state: str) -> tuple[int, str]:
    """Return the fence of a batch and the state of a step, and keep others out until the end."""
    mine = (_b.request_id == request_id, _b.batch_id == batch_id)
    row = connection.execute(sa.select(_b.fence, _b[state]).where(*mine).with_for_update()).first()
    if row is None:
        raise UsageError(f"request {request_id} has no batch {batch_id}; run the plan step first")
    return row[0], row[1]


def _take(
    catalogue: Catalogue,
    connection: sa.Connection,
    what: tuple[str, str, Step],
    fence: int,
    states: dict[str, str],
) -> Attempt:
    request_id, batch_id, step = what
    mine = (_b.request_id == request_id, _b.batch_id == batch_id)
    connection.execute(t.batches.update().where(*mine).values({"fence": fence, **states}))
    connection.execute(
        t.attempts.insert(),
        {
            "request_id": request_id,
            "batch_id": batch_id,
            "fence": fence,
            "step": str(step),
            "started_at": now_text(),
            "items": 0,
        },
    )
    return Attempt(catalogue, request_id, batch_id, step, fence)
