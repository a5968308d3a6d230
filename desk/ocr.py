"""The OCR lane of a request: pages that are pictures become text, beside the runs and after them.

::

    plan → read (pages of batches, then their items' texts, then the index) → finish

The Dag ``ocr`` and ``daylight ocr --local`` are both built from these functions. Each is safe to run twice: a
page that is kept is not read again, and a killed command loses the pages of some seconds. Reading goes on
while a run is at work; texts change only while none is, so that a run meets no index that changes under it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from desk import runlock
from desk.batch import BatchRunner
from desk.home import Home
from desk.slots import worker_slot
from extract import ocr, ocr_batch
from records import audit, canonical
from records import tables as t
from records.attempts import Attempt, claim_read
from records.errors import AlreadyRunning, AttemptLost, Incomplete, UsageError
from records.ledger import ledger
from records.ocr_pages import ocr_pages
from records.passwords import passwords_by_ref
from records.vocabulary import RETRYABLE

Counts = dict[str, Any]

ROUND_PAGES = 200
"""Pages of a batch that are read before its texts and its index are made anew: some minutes' work."""

GROUPS = 200
"""Most mapped groups of a Dag run."""

_LOOK_S = 0.5
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the lane is.

    Attributes:
        done: Pages read or failed since it began.
        failed: Of these, failed.
        total: Pages that it was to read.
        seconds: Since it began.
        waits: It has read, and waits for the end of a run.
    """

    done: int
    failed: int
    total: int
    seconds: float
    waits: bool = False

    @property
    def pages_per_min(self) -> float:
        """How fast it was so far."""
        return self.done * 60 / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """As it was so far; None before the first page."""
        return (self.total - self.done) * self.seconds / self.done if self.done else None


Tell = Callable[[Progress], None]


def _silent(_progress: Progress) -> None:
    return None


def program(home: Home, languages: str | None = None) -> ocr.Tesseract:
    """Return the program that reads, with its languages.

    Raises:
        SettingsError: It or a language of it is not installed.
    """
    return ocr.tesseract(languages or home.settings.ocr_languages, home.settings.ocr_page_s)


def plan(home: Home, request_id: str, *, languages: str | None = None, again: bool = False) -> Counts:
    """Count what waits, and deal its batches into groups for mapped tasks.

    Args:
        home: Open.
        request_id: The request.
        languages: Tesseract's codes joined by ``+``; None: the setting.
        again: First put pages back in line that failed for a reason that may pass.

    Returns:
        ``groups``: lists of batch ids; ``pages``: how many wait and were not read yet.

    Raises:
        SettingsError: Tesseract or a language is not installed; everything stays as it is.
        UsageError: The request is closed.
        AlreadyRunning: With ``again``, while a run is at work.
    """
    if home.request(request_id).state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing in it is read again")
    reads = program(home, languages)
    if again:
        with runlock.local_run(home, request_id):
            if runlock.is_leased(home, request_id):
                raise AlreadyRunning(f"request {request_id} is being run; read failed pages again after it")
            ocr_batch.undo_failed(home.catalogue, request_id, [str(reason) for reason in RETRYABLE])
    with home.catalogue.read() as connection:
        pages = len(ocr_batch.pages_left(connection, request_id))
        batches = _batches(connection, request_id)
    with home.catalogue.write() as connection:
        audit.append(
            connection, action="ocr", actor="daylight", request_id=request_id, pages=pages, tool=reads.name
        )
    count = min(len(batches), GROUPS)
    return {"groups": [batches[number::count] for number in range(count)], "pages": pages}


def _batches(connection: sa.Connection, request_id: str) -> list[str]:
    """Return the batches with pages that wait, or with texts that a killed command left out of the index."""
    r, o, b = t.readings.c, t.ocr_items.c, t.batches.c
    waiting = sa.select(r.batch_id).where(r.request_id == request_id, r.ocr_pages != "[]")
    unindexed = (
        sa.select(b.batch_id)
        .join_from(t.batches, t.ocr_items, (o.request_id == b.request_id) & (o.batch_id == b.batch_id))
        .where(b.request_id == request_id, b.extract_state == "done", b.index_state != "done")
    )
    return sorted({*connection.scalars(waiting), *connection.scalars(unindexed)})


def read(
    home: Home,
    request_id: str,
    batch_ids: Sequence[str],
    *,
    languages: str | None = None,
    limit: int | None = None,
    total: int = 0,
    tell: Tell = _silent,
) -> Counts:
    """Read what waits in some batches, make their items' texts anew and bring the index up to date.

    Args:
        home: Open.
        request_id: The request.
        batch_ids: From ``plan``.
        languages: As for ``plan``.
        limit: Pages at most; None: all.
        total: Pages that are to be read, for ``tell``.
        tell: Told where it is.

    Returns:
        ``pages`` that were read or failed, ``failed`` of them, ``items`` whose text changed.

    Raises:
        SettingsError: Tesseract or a language is not installed.
        Incomplete: A batch is not indexed yet, the disk is full, or somebody else took a batch again and
            again; run it again to go on.
    """
    lane = _Lane(home, request_id, limit, total, tell)
    settings = home.settings
    readers = ocr_batch.PageReaders(
        program(home, languages),
        settings.workers,
        lambda: worker_slot(settings),
        passwords_by_ref(settings, request_id),
    )
    with closing(readers):
        late = _unindexed(home, request_id, batch_ids)  # a run may be at work on them: they come last
        for batch_id in sorted(batch_ids, key=lambda one: (one in late, one)):
            lane.batch(batch_id, readers)
    if lane.skipped:
        raise Incomplete(
            f"request {request_id}: {lane.skipped} batches are being worked on or are not indexed; let the "
            "run end, then run OCR again"
        )
    return {"pages": lane.pages, "failed": lane.failed, "items": lane.items}


def _unindexed(home: Home, request_id: str, batch_ids: Sequence[str]) -> set[str]:
    """Return the batches that were read and are not indexed: by a killed command, or not yet by a run."""
    b = t.batches.c
    query = sa.select(b.batch_id).where(
        b.request_id == request_id,
        b.batch_id.in_(batch_ids),
        b.extract_state == "done",
        b.index_state != "done",
    )
    with home.catalogue.read() as connection:
        return set(connection.scalars(query))


class _Lane:
    """Takes batches one after another: a batch's pages are read side by side."""

    def __init__(self, home: Home, request_id: str, limit: int | None, total: int, tell: Tell) -> None:
        self._home = home
        self._request_id = request_id
        self._left = limit
        self._total = total
        self._tell = tell
        self._began = time.monotonic()
        self._runner = BatchRunner(home, home.request(request_id))
        self.pages = self.failed = self.items = self.skipped = 0

    def batch(self, batch_id: str, readers: ocr_batch.PageReaders) -> None:
        lost = 0
        while self._left is None or self._left > 0:
            try:
                if not self._round(batch_id, readers):
                    return
            except AttemptLost:  # a repair or a rebuilding of the index; what was committed stays
                lost += 1
                if lost >= _TRIES:
                    self.skipped += 1
                    return

    def _round(self, batch_id: str, readers: ocr_batch.PageReaders) -> bool:
        """Read some pages and settle them; False when nothing of the batch is left to do."""
        self._index(batch_id)  # what a killed command left
        attempt = claim_read(self._home.catalogue, self._request_id, batch_id)
        if attempt is None:
            self.skipped += 1
            return False
        most = ROUND_PAGES if self._left is None else min(ROUND_PAGES, self._left)
        store = self._home.store(self._request_id)
        count = ocr_batch.read_pages(attempt, store, readers, most, self._told) if most else 0
        if self._left is not None:
            self._left -= count
        _end(attempt)
        with self._alone():
            settled = put_into_texts(self._home, self._request_id, batch_id)
            if settled is None:
                self.skipped += 1
                return False
            if settled:
                self.items += settled
                self._runner.index(batch_id)
        return count == ROUND_PAGES

    def _index(self, batch_id: str) -> None:
        """Index a batch that was read and is not indexed, once nobody is at work on it."""
        if batch_id in _unindexed(self._home, self._request_id, [batch_id]):
            with self._alone():
                if batch_id in _unindexed(self._home, self._request_id, [batch_id]):
                    self._runner.index(batch_id)

    def _told(self, done: int, failed: int) -> None:
        self.pages += done
        self.failed += failed
        self._say(waits=False)

    def _say(self, *, waits: bool) -> None:
        seconds = time.monotonic() - self._began
        self._tell(Progress(self.pages, self.failed, self._total, seconds, waits))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no run of the request is at work, and keep one from beginning meanwhile."""
        while True:
            held = runlock.local_run(self._home, self._request_id, brief=True)
            try:
                held.__enter__()
            except AlreadyRunning:
                self._say(waits=True)
                time.sleep(_LOOK_S)
                continue
            if not runlock.is_leased(self._home, self._request_id):
                break
            held.__exit__(None, None, None)
            self._say(waits=True)
            time.sleep(_LOOK_S)
        try:
            yield
        finally:
            held.__exit__(None, None, None)


def put_into_texts(home: Home, request_id: str, batch_id: str) -> int | None:
    """Make the texts of a batch anew from the pages that were read; the caller holds the request.

    Returns:
        Items whose text changed: the batch is to be indexed then. None where it is not indexed before.
    """
    attempt = claim_read(home.catalogue, request_id, batch_id)  # its segment is its own
    if attempt is None:
        return None
    settled = ocr_batch.settle(attempt, home.store(request_id))
    _end(attempt)
    return settled


def _end(attempt: Attempt) -> None:
    with attempt.commit() as connection:
        attempt.end(connection)


def finish(home: Home, request_id: str) -> Counts:
    """Let people read the index as it is now, and say what is left.

    Raises:
        CheckFailed: The index on the cluster holds another number of documents than the ledger.
    """
    from desk import searching
    from desk.describing import describe

    counted = ledger(home.catalogue, request_id).text
    documents = home.engine(request_id).state().documents
    if documents == counted["stored"]:
        searching.publish(home, request_id, documents)
    describe(home, request_id)
    return {"request_id": request_id, **report(home, request_id)}


def run_local(
    home: Home,
    request_id: str,
    *,
    languages: str | None = None,
    limit: int | None = None,
    again: bool = False,
    tell: Tell = _silent,
) -> Counts:
    """Do all of it in this process; a second one of the same request is refused.

    Raises:
        AlreadyRunning: Another OCR command of the request is alive.
        SettingsError: Tesseract or a language is not installed.
        Incomplete: As ``read`` says.
    """
    with runlock.local_ocr(home, request_id):
        planned = plan(home, request_id, languages=languages, again=again)
        batches = [batch_id for group in planned["groups"] for batch_id in group]
        total = planned["pages"] if limit is None else min(limit, planned["pages"])
        done = read(
            home, request_id, sorted(batches), languages=languages, limit=limit, total=total, tell=tell
        )
        return {**finish(home, request_id), "read_now": done["pages"], "failed_now": done["failed"]}


# --- what is told of it ----------------------------------------------------------------------------------


def report(home: Home, request_id: str) -> Counts:
    """Count pages as the items have them: a file that two people hold counts for both.

    Returns:
        ``pages_pending``, ``pages_done``, ``pages_failed``, ``failed_by_reason``, ``low_confidence`` (pages
        whose words have less confidence on average than the setting), ``tools``, and
        ``lists_counted_before``: the versions of the term list that were counted before the last text came;
        ``daylight terms`` and the next run count the one in force again.
    """
    low = home.settings.ocr_low_confidence
    with home.catalogue.read() as connection:
        return _report(connection, request_id, low)


def _report(connection: sa.Connection, request_id: str, low: float) -> Counts:
    p, h = t.ocr_texts.c, t.term_reports.c
    pages = ocr_pages(connection, request_id)
    tools = connection.scalars(
        sa.select(p.tool).where(p.request_id == request_id).distinct().order_by(p.tool)
    )
    unsure = connection.scalar(sa.select(sa.func.count()).select_from(_unsure(request_id, low).subquery()))
    earlier = sa.select(h.version).where(h.request_id == request_id, h.version > 0).order_by(h.version)
    counted = connection.scalars(earlier.where(h.at < pages.last_at)) if pages.last_at is not None else ()
    return {
        "pages_pending": pages.pending,
        "pages_done": pages.done,
        "pages_failed": pages.failed,
        "failed_by_reason": pages.by_reason,
        "low_confidence": unsure,
        "tools": list(tools),
        "lists_counted_before": list(counted),
    }


def _unsure(request_id: str, low: float) -> sa.Select[Any]:
    i, o, p = t.items.c, t.ocr_items.c, t.ocr_texts.c
    return (
        sa.select(o.item_id, i.name, p.page, p.words, p.confidence, p.turned)
        .join_from(t.ocr_items, t.items, (i.request_id == o.request_id) & (i.item_id == o.item_id))
        .join(
            t.ocr_texts,
            (p.request_id == i.request_id) & (p.sha256 == i.blob_sha256) & (p.layout == o.layout),
        )
        .where(o.request_id == request_id, p.confidence < low)
        .order_by(o.item_id, p.page)
    )


def unsure_pages(home: Home, request_id: str) -> Iterator[Counts]:
    """Yield the pages whose words have a low confidence: item, name, page, words, confidence, turned."""
    home.request(request_id)
    with home.catalogue.read() as connection:
        rows = connection.execute(_unsure(request_id, home.settings.ocr_low_confidence)).all()
    for row in rows:
        yield dict(row._mapping)


def failed_pages(home: Home, request_id: str) -> Iterator[Counts]:
    """Yield the pages that could not be read: item, page, reason, detail, and whether it may pass."""
    home.request(request_id)
    o = t.ocr_items.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(o.item_id, o.failed)
            .where(o.request_id == request_id, o.failed != "[]")
            .order_by(o.item_id)
        ).all()
    for row in rows:
        for page, reason, detail in canonical.loads(row.failed):
            yield {
                "item_id": row.item_id,
                "page": page,
                "reason": reason,
                "detail": detail or "",
                "retryable": reason in RETRYABLE,
            }
