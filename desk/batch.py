"""One batch through collect, extract and index, in a worker process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from connectors.collect import collect_batch
from connectors.registry import connector
from desk import runlock
from desk.exports import context_of
from desk.home import Home, OpenRequest
from desk.slots import worker_slot
from extract.reading import KnownReadings, read_batch
from extract.workers import Worker
from records import tables as t
from records.attempts import Attempt, claim
from records.errors import UsageError
from records.logs import logger
from records.passwords import passwords_of
from records.settings import Settings
from records.vocabulary import Step
from search.indexing import index_batch

if TYPE_CHECKING:
    from extract.tika_server import ServedWorker

BEAT_S = 60.0


@dataclass(slots=True)
class BatchRunner:
    """Runs steps of batches, keeping an extraction worker warm between them, and what it read of attachments.

    Attributes:
        home: Open.
        request: The request as it stood when the run began.
        beat: Called after each chunk of a batch with the number of items, or None.
    """

    home: Home
    request: OpenRequest
    beat: Callable[[int], None] | None = None
    _worker: Worker | ServedWorker | None = None
    _known: KnownReadings = field(default_factory=KnownReadings)

    def begin_batch(self) -> None:
        """Say that the steps of one batch follow: each then finds in memory what the one before wrote."""
        self.home.store(self.request.request_id).hold_written()

    def collect(self, batch_id: str) -> int:
        """Collect a batch; return the number of top items drawn now (0 when it was done already)."""
        return self._timed(Step.COLLECT, batch_id, self._collect)

    def extract(self, batch_id: str) -> int:
        """Read a batch; return the number of items read now, children included."""
        return self._timed(Step.EXTRACT, batch_id, self._extract)

    def index(self, batch_id: str) -> int:
        """Index a batch; return the number of documents."""
        return self._timed(Step.INDEX, batch_id, self._index)

    def _timed(self, step: Step, batch_id: str, work: Callable[[Attempt, str], int]) -> int:
        """Claim a step of a batch and do it; 0 when it was done already."""
        attempt = claim(self.home.catalogue, self.request.request_id, batch_id, step)
        if attempt is None:
            return 0
        began = time.monotonic()
        count = work(attempt, batch_id)
        logger().info(
            "step done",
            request=self.request.request_id,
            batch=batch_id,
            step=str(step),
            attempt=attempt.fence,
            items=count,
            seconds=round(time.monotonic() - began, 3),
        )
        return count

    def _collect(self, attempt: Attempt, batch_id: str) -> int:
        source = self.request.body.source(self._source_of(batch_id))
        context = context_of(self.home, self.request.request_id, self.request.body, source)
        return collect_batch(
            attempt,
            self.home.store(self.request.request_id),
            connector(source.connector)(context),
            context,
            self.request.body.window_days(),
            self.beat,
        )

    def _extract(self, attempt: Attempt, batch_id: str) -> int:
        body, source = self.home.source(self.request.request_id, self._source_of(batch_id))
        return read_batch(
            attempt,
            self.home.store(self.request.request_id),
            self._reader(),
            zone=self.request.body.zone,
            owner_handles=body.context(source).owner_handles,
            progress=self.beat,
            known=self._known,
            footers=body.footers,
            passwords=passwords_of(self.home.settings, self.request.request_id),
        )

    def _index(self, attempt: Attempt, batch_id: str) -> int:
        count = index_batch(
            self.home.catalogue,
            self.home.store(self.request.request_id),
            self.home.engine(self.request.request_id),
            self.request.request_id,
            batch_id,
            self.request.body.zone,
        )
        with attempt.commit(items=count) as connection:
            attempt.finish(connection)
        return count

    def _source_of(self, batch_id: str) -> str:
        b = t.batches.c
        with self.home.catalogue.read() as connection:
            found = connection.execute(
                sa.select(b.source_id).where(b.request_id == self.request.request_id, b.batch_id == batch_id)
            ).scalar()
        if found is None:
            raise UsageError(f"request {self.request.request_id} has no batch {batch_id}")
        return str(found)

    def warm(self) -> None:
        """Let the extraction worker get ready while something else is done."""
        self._reader().warm()

    def _reader(self) -> Worker | ServedWorker:
        if self._worker is None:
            self._worker = extraction_worker(self.home.settings)
        return self._worker

    def close(self) -> None:
        """End the extraction worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def extraction_worker(settings: Settings) -> Worker | ServedWorker:
    """Return a worker that reads as the settings say: with a Tika server, or by the embedded Tika alone.

    Raises:
        SettingsError: What is set is no address.
    """
    if not settings.tika_server:
        return Worker()
    from extract.tika_server import ServedWorker

    return ServedWorker(settings.tika_server, settings.tika_server_ca)


@contextmanager
def batch_runner(home: Home, request_id: str, run_key: str) -> Iterator[BatchRunner]:
    """Open a runner while holding one of the machine's worker slots; a leased run is renewed as it goes."""
    with worker_slot(home.settings):
        beat = None if runlock.is_local(run_key) else _lease_beat(home, request_id, run_key)
        runner = BatchRunner(home, home.request(request_id), beat)
        try:
            yield runner
        finally:
            runner.close()


def _lease_beat(home: Home, request_id: str, run_key: str) -> Callable[[int], None]:
    """Return a beat that renews a run's lease, once a minute at most."""
    last = time.monotonic()

    def beat(_items: int) -> None:
        nonlocal last
        if time.monotonic() - last > BEAT_S:
            runlock.renew(home, request_id, run_key)
            last = time.monotonic()

    return beat
