"""Reading items again that were read before: those that failed, or those that can be opened now.

::

    put in line → extract and index of their batches → ledger, terms and flags

What was read of them is dropped, and their batches go through the steps again, by attempts of their own: by
the next run, or here and now. A family is read as one, since a part may come out of its container this time.
Ids stay the same, so decisions stay. A family with a produced record is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from desk import pool, run, runlock
from desk.failures import failing, for_reasons
from desk.home import Home
from desk.ocr import put_into_texts
from records import audit
from records import tables as t
from records.attempts import DONE, refuse_all
from records.catalogue import chunked
from records.errors import UsageError
from records.vocabulary import RETRYABLE, CollectionState, Reason

Counts = dict[str, Any]

_FAMILIES = 50
_IDS = 500
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class InLine:
    """What was put in line.

    Attributes:
        request_id: The request.
        items: Items that were asked for and are read again.
        families: Families they belong to; all of these is read.
        produced: Items that were asked for and stay as they are: a record of their family was produced.
        not_collected: Items that were asked for and have no bytes: their source was read past them.
    """

    request_id: str
    items: int
    families: int
    produced: int
    not_collected: int

    def as_json(self) -> Counts:
        """Return it as a JSON object."""
        return asdict(self)


def failed_items(home: Home, request_id: str, reasons: Collection[Reason] = ()) -> list[str]:
    """Return the ids of the items that failed for one of some reasons; none: for one that may pass."""
    i = t.items.c
    with home.catalogue.read() as connection:
        query = failing(request_id, i.item_id).where(for_reasons(reasons)).order_by(i.item_id)
        return list(connection.scalars(query))


def put_in_line(home: Home, request_id: str, item_ids: Collection[str], *, by: str, why: str) -> InLine:
    """Drop what was read of items, so that the next run reads them again, each with its family.

    Nothing of the evidence is removed. A kill in the middle leaves some families in line and the others as
    they were; the same call again does the rest.

    Args:
        home: Open.
        request_id: The request.
        item_ids: Which items; a part stands for its family.
        by: Who asks for it.
        why: One word for the audit log: ``retry``, ``passwords``.

    Raises:
        UsageError: The request is closed, or has no such item.
        AlreadyRunning: A run of the request is alive, or waits for a person.
    """
    with _alone(home, request_id):
        return _put(home, request_id, item_ids, by=by, why=why)


def read_again(
    home: Home,
    request_id: str,
    item_ids: Collection[str],
    *,
    by: str,
    why: str,
    tell: Callable[[run.Progress], None] | None = None,
) -> Counts:
    """Put items in line and read them here and now, in worker processes.

    Index and ledger are exact afterwards, and a request that was run to its end has its terms counted and its
    retention flags suggested again. Run again after a kill, it also goes on with what waits by then.

    Args:
        home: Open.
        request_id: The request.
        item_ids: As for ``put_in_line``.
        by: As for ``put_in_line``.
        why: As for ``put_in_line``.
        tell: Told where it is, twice a second.

    Returns:
        What ``put_in_line`` says; ``batches`` that were read; ``terms`` and ``flag`` as the steps of a run
        say, or None where no run has ended yet: the next one does these.

    Raises:
        UsageError: As for ``put_in_line``.
        AlreadyRunning: As for ``put_in_line``.
        Incomplete: A worker died or the disk is full; run it again to resume.
    """
    with _alone(home, request_id):
        out = _put(home, request_id, item_ids, by=by, why=why).as_json()
        return {**out, **_read(home, request_id, tell or _silent)}


def _silent(_progress: run.Progress) -> None:
    return None


@contextmanager
def _alone(home: Home, request_id: str) -> Iterator[None]:
    """Hold a request that is not closed: no run of it is alive, and none begins."""
    if home.request(request_id).state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing in it is read again")
    with runlock.local_run(home, request_id):
        runlock.refuse_leased(home, request_id)
        yield


# --- putting in line ----------------------------------------------------------------------------------------


def _put(home: Home, request_id: str, item_ids: Collection[str], *, by: str, why: str) -> InLine:
    with home.catalogue.write() as connection:
        families, made = _wanted(connection, request_id, item_ids)
        if families:  # an attempt that is still at work must not write beside what is read anew
            refuse_all(connection, request_id)
        audit.append(
            connection,
            action="read_again",
            actor=by,
            request_id=request_id,
            why=why,
            items=made.items,
            families=made.families,
        )
    for piece in chunked(families, _FAMILIES):
        with home.catalogue.write() as connection:
            _forget(connection, request_id, piece)
    return made


def _wanted(
    connection: sa.Connection, request_id: str, item_ids: Collection[str]
) -> tuple[list[str], InLine]:
    """Return the families to be read again, in order, and what becomes of each item that was asked for."""
    i = t.items.c
    found: list[Any] = []
    asked = sorted(set(item_ids))
    for piece in chunked(asked, _IDS):
        query = sa.select(i.item_id, i.family_id, i.level, i.state)
        found += connection.execute(query.where(i.request_id == request_id, i.item_id.in_(piece))).all()
    unknown = sorted(set(asked) - {row.item_id for row in found})
    if unknown:
        more = "" if len(unknown) <= _SHOWN else f" and {len(unknown) - _SHOWN} more"
        raise UsageError(f"request {request_id} has no item {', '.join(unknown[:_SHOWN])}{more}")
    had = [row for row in found if row.level or row.state == CollectionState.STORED]
    produced = _produced(connection, request_id, {row.family_id for row in had})
    again = [row for row in had if row.family_id not in produced]
    families = sorted({row.family_id for row in again})
    made = InLine(request_id, len(again), len(families), len(had) - len(again), len(found) - len(had))
    return families, made


def _produced(connection: sa.Connection, request_id: str, families: set[str]) -> set[str]:
    """Return those of some families of which a record has a permanent number."""
    i, n = t.items.c, t.numbers.c
    numbered = (
        sa.select(i.family_id)
        .distinct()
        .join_from(t.items, t.numbers, (n.request_id == i.request_id) & (n.item_id == i.item_id))
        .where(i.request_id == request_id)
    )
    return families & set(connection.scalars(numbered))


def _forget(connection: sa.Connection, request_id: str, families: list[str]) -> None:
    """Drop what was read of families, parts included: the extract step reads what has no reading."""
    i, r, b = t.items.c, t.readings.c, t.batches.c
    o, p = t.ocr_items.c, t.ocr_texts.c
    mine = (i.request_id == request_id) & i.family_id.in_(families)
    batches = connection.execute(sa.select(i.batch_id).distinct().where(mine)).scalars().all()
    members = sa.select(i.item_id).where(mine)
    files = sa.select(i.blob_sha256).where(mine, i.blob_sha256.is_not(None))
    passing = p.reason.in_([str(reason) for reason in RETRYABLE])
    connection.execute(t.ocr_texts.delete().where(p.request_id == request_id, p.sha256.in_(files), passing))
    connection.execute(t.ocr_items.delete().where(o.request_id == request_id, o.item_id.in_(members)))
    connection.execute(t.readings.delete().where(r.request_id == request_id, r.item_id.in_(members)))
    connection.execute(t.items.delete().where(mine, i.level > 0))
    connection.execute(
        t.batches.update()
        .where(b.request_id == request_id, b.batch_id.in_(batches))
        .values(extract_state="waiting", index_state="waiting")
    )


# --- reading here and now -----------------------------------------------------------------------------------


def _read(home: Home, request_id: str, tell: Callable[[run.Progress], None]) -> Counts:
    waiting = _collected(home, request_id)
    if waiting:
        total, began = _unread(home, request_id), time.monotonic()
        with pool.workers(home.settings, request_id, reading=True) as workers:
            under_way = {workers.submit(pool.run_batch, batch_id) for batch_id in waiting}
            for _ in pool.until_done(under_way):
                read = total - _unread(home, request_id)
                tell(run.Progress("read again", read, total, time.monotonic() - began))
        for batch_id in waiting:
            _put_pages(home, request_id, batch_id)
    out: Counts = {"batches": len(waiting), "terms": None, "flag": None}
    if home.request(request_id).state == "complete" and not run.waiting_batches(home, request_id):
        run_key = f"local-{time.time_ns():x}"
        run.reconcile(home, request_id, run_key)
        out["terms"] = run.terms(home, request_id, run_key)
        out["flag"] = run.flag(home, request_id, run_key)
    return out


def _collected(home: Home, request_id: str) -> list[str]:
    """Return the batches that are collected, and not read or not indexed: put in line, or cut short."""
    b = t.batches.c
    query = (
        sa.select(b.batch_id)
        .where(b.request_id == request_id, b.collect_state == DONE, b.index_state != DONE)
        .order_by(b.batch_id)
    )
    with home.catalogue.read() as connection:
        return list(connection.scalars(query))


def _unread(home: Home, request_id: str) -> int:
    """Count the stored top items that have no reading."""
    i, r = t.items.c, t.readings.c
    query = (
        sa.select(sa.func.count())
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(
            i.request_id == request_id,
            i.level == 0,
            i.state == CollectionState.STORED,
            r.item_id.is_(None),
        )
    )
    with home.catalogue.read() as connection:
        return int(connection.execute(query).scalar_one())


def _put_pages(home: Home, request_id: str, batch_id: str) -> None:
    """Put the pages of pictures that OCR read earlier into the texts that were made anew."""
    settled = put_into_texts(home, request_id, batch_id)
    assert settled is not None, "the batch is indexed, and the request is held"
    if settled:
        from desk.batch import batch_runner

        with batch_runner(home, request_id, "local-reread") as runner:
            runner.index(batch_id)
