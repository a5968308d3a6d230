"""How a request comes along, in numbers: of states, reasons and speed, without a name and without content.

``daylight status``, the metrics and the page in Airflow all say what is counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from desk.failures import UNREADABLE
from records import tables as t
from records.attempts import DONE
from records.canonical import utc_time
from records.catalogue import Catalogue
from records.errors import UsageError
from records.ocr_pages import ocr_pages
from records.vocabulary import CollectionState, Step, TextState
from review.sheet_form import one_line

UNREAD = "unread"
"""Beside ``TextState``: stored items that no reader has met yet."""

SLOWEST = 10
_NAME = 80


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers of one request.

    Attributes:
        request_id: The request.
        state: ``open``, ``running``, ``complete`` or ``closed``.
        at_work: Its newest run has not ended, and waits for nobody.
        items: Top items by ``CollectionState``.
        expected: Top items that its places say they have; None where one does not say.
        text: Stored items, attachments too, by ``TextState`` and ``unread``.
        failures: Items that failed, by reason.
        stored_bytes: Native bytes of the top items that are kept.
        left_bytes: Native bytes of top items that are not read yet, as collected or else as planned; None
            where a place does not say.
        items_per_s: Top items that the newest run collected, by wall second.
        mb_per_s: Their native megabytes (10^6).
        seconds_left: Until all is read, at the newest run's pace; None where nothing is left, or where
            neither items nor bytes are known.
        batches: ``planned`` and ``done`` (collected, read and indexed).
        ocr_pages: Pages that are pictures: ``pending``, ``done`` and ``failed``.
    """

    request_id: str
    state: str
    at_work: bool
    items: dict[str, int]
    expected: int | None
    text: dict[str, int]
    failures: dict[str, int]
    stored_bytes: int
    left_bytes: int | None
    items_per_s: float
    mb_per_s: float
    seconds_left: float | None
    batches: dict[str, int]
    ocr_pages: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return them as a JSON object."""
        return asdict(self)


def watched(catalogue: Catalogue) -> list[str]:
    """Return the requests that are not closed, in order."""
    r = t.requests.c
    with catalogue.read() as connection:
        query = sa.select(r.request_id).where(r.state != "closed").order_by(r.request_id)
        return list(connection.scalars(query))


class Watcher:
    """Counts requests again and again, and one in which nothing went on since the last time not at all."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Start with nothing counted."""
        self.catalogue = catalogue
        self._kept: dict[str, tuple[object, Figures]] = {}

    def figures(self, request_id: str) -> Figures:
        """Count one request, as ``figures`` does.

        Raises:
            UsageError: There is no such request.
        """
        with self.catalogue.read() as connection:
            stamp = _stamp(connection, request_id)
        kept = self._kept.get(request_id)
        if kept is not None and kept[0] == stamp and not kept[1].at_work:
            return kept[1]
        made = figures(self.catalogue, request_id)
        self._kept[request_id] = stamp, made
        return made

    def all(self) -> list[Figures]:
        """Count the requests that are not closed."""
        return [self.figures(request_id) for request_id in watched(self.catalogue)]


def _stamp(connection: sa.Connection, request_id: str) -> object:
    """Return what changes whenever a run begins or ends, or something is collected, read or put in line."""
    a, b, r, u = t.attempts.c, t.batches.c, t.requests.c, t.runs.c
    queries = (
        sa.select(r.state).where(r.request_id == request_id),
        sa.select(sa.func.count(), sa.func.sum(b.fence)).where(b.request_id == request_id),
        sa.select(sa.func.count(a.ended_at), sa.func.sum(a["items"])).where(a.request_id == request_id),
        sa.select(sa.func.max(u.started_at), sa.func.count(u.ended_at), sa.func.max(u.lease_until)).where(
            u.request_id == request_id
        ),
    )
    return [[tuple(row) for row in connection.execute(query)] for query in queries]


def figures(catalogue: Catalogue, request_id: str) -> Figures:
    """Count one request, in one unchanging view.

    Raises:
        UsageError: There is no such request.
    """
    r, u = t.requests.c, t.runs.c
    with catalogue.read() as connection:
        state = connection.scalar(sa.select(r.state).where(r.request_id == request_id))
        if state is None:
            raise UsageError(f"there is no request {request_id}; `daylight status` lists what there is")
        run = connection.execute(
            sa.select(u.started_at, u.ended_at, u.lease_until, u.run_key)
            .where(u.request_id == request_id)
            .order_by(u.started_at.desc())
            .limit(1)
        ).first()
        waits = run is not None and run.lease_until is None and not run.run_key.startswith("local-")
        at_work = run is not None and run.ended_at is None and not waits
        met = _met(connection, request_id)
        left = _left(connection, request_id)
        speed = _speed(connection, request_id, None if run is None else run.started_at, at_work=at_work)
        expected = _expected(connection, request_id)
        pages = ocr_pages(connection, request_id)
        return Figures(
            request_id=request_id,
            state=state,
            at_work=at_work,
            items=met.items,
            expected=expected,
            text=met.text,
            failures=met.failures,
            stored_bytes=met.stored_bytes,
            left_bytes=left.size_bytes,
            items_per_s=round(speed.items / speed.seconds, 1),
            mb_per_s=round(speed.size_bytes / 1e6 / speed.seconds, 3),
            seconds_left=_seconds_left(left, speed, expected, sum(met.items.values())),
            batches={"planned": left.planned, "done": left.planned - left.batches},
            ocr_pages={"pending": pages.pending, "done": pages.done, "failed": pages.failed},
        )


@dataclass(frozen=True, slots=True)
class _Met:
    """What was met and what was read: states of top items, of texts, and reasons of failures."""

    items: dict[str, int]
    stored_bytes: int
    text: dict[str, int]
    failures: dict[str, int]


def _met(connection: sa.Connection, request_id: str) -> _Met:
    """Go through the items once, and once through the readings, which only stored items have.

    Items are taken by batch, in which order they lie in the table: see ``records.ledger``.
    """
    i, r = t.items.c, t.readings.c
    items = {str(state): 0 for state in CollectionState}
    text = {str(state): 0 for state in TextState}
    size = stored = 0
    failures: Counter[str] = Counter()
    top = sa.case((i.level == 0, 1), else_=0)
    what = (top, i.state, i.reason)
    for is_top, state, reason, count, bytes_ in connection.execute(
        sa.select(*what, sa.func.count(), sa.func.coalesce(sa.func.sum(i.size_bytes), 0))
        .where(i.request_id == request_id, i.batch_id >= "")
        .group_by(*what)
    ):
        items[state] += count if is_top else 0
        if state == CollectionState.STORED:
            stored += count
            size += int(bytes_) if is_top else 0
        elif state == CollectionState.FAILED:
            failures[reason] += count
    unread = sa.case((UNREADABLE, 1), else_=0)
    read_as = (r.text_state, unread, r.reason)
    for state, failed, reason, count in connection.execute(
        sa.select(*read_as, sa.func.count()).where(r.request_id == request_id).group_by(*read_as)
    ):
        text[state] += count
        if failed:
            failures[reason] += count
    text[UNREAD] = stored - sum(text.values())
    return _Met(items, size, text, dict(sorted(failures.items())))


def _expected(connection: sa.Connection, request_id: str) -> int | None:
    """Return how many top items the places say they have that are listed now; None where one does not say."""
    s = t.scopes.c
    total, every, known = connection.execute(
        sa.select(sa.func.sum(s.expected), sa.func.count(), sa.func.count(s.expected)).where(
            s.request_id == request_id, s.missing_since.is_(None)
        )
    ).one()
    return int(total) if every and every == known else None


@dataclass(frozen=True, slots=True)
class _Left:
    """What is not collected, read and indexed: batches, top items to read, their bytes; all batches."""

    batches: int
    items: int
    size_bytes: int | None
    planned: int


def _left(connection: sa.Connection, request_id: str) -> _Left:
    b, i, r = t.batches.c, t.items.c, t.readings.c
    waiting = b.index_state != DONE
    collected = b.collect_state == DONE
    batches, planned, bytes_, unknown = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((waiting, 1), else_=0)), 0),
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((~collected, b.bytes_planned), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((~collected & b.bytes_planned.is_(None), 1), else_=0)), 0),
        ).where(b.request_id == request_id)
    ).one()
    if not batches:
        return _Left(0, 0, 0, planned)
    ids = sa.select(b.batch_id).where(b.request_id == request_id, waiting)
    read_later = sa.select(b.batch_id).where(b.request_id == request_id, waiting, collected)
    unread, size = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((i.batch_id.in_(read_later), i.size_bytes), else_=0)), 0),
        )
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(
            i.request_id == request_id,
            i.batch_id.in_(ids),
            i.level == 0,
            i.state == CollectionState.STORED,
            r.item_id.is_(None),
        )
    ).one()
    return _Left(int(batches), unread, None if unknown else int(bytes_) + int(size), planned)


@dataclass(frozen=True, slots=True)
class _Speed:
    """What a run did: top items collected and read, native bytes of the former, and the wall seconds."""

    items: int = 0
    read: int = 0
    size_bytes: int = 0
    seconds: float = 1.0


def _speed(connection: sa.Connection, request_id: str, since: str | None, *, at_work: bool) -> _Speed:
    """Return what the attempts since a time did, from the first of them to the last, or to now."""
    if since is None:
        return _Speed()
    a, i = t.attempts.c, t.items.c
    mine = (a.request_id == request_id, a.started_at >= since)

    def done(step: Step) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((a.step == step, a["items"]), else_=0)), 0)

    first, last, ended, open_, collected, read = connection.execute(
        sa.select(
            sa.func.min(a.started_at),
            sa.func.max(a.started_at),
            sa.func.max(a.ended_at),
            sa.func.count() - sa.func.count(a.ended_at),
            done(Step.COLLECT),
            done(Step.EXTRACT),
        ).where(*mine, a.step != Step.OCR)
    ).one()
    if first is None:
        return _Speed()
    batches = sa.select(a.batch_id).where(*mine, a.step == Step.COLLECT)
    size = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(i.size_bytes), 0)).where(
            i.request_id == request_id, i.level == 0, i.batch_id.in_(batches)
        )
    )
    end = datetime.now(UTC) if at_work and open_ else utc_time(max(ended or last, last))
    seconds = max((end - utc_time(first)).total_seconds(), 1e-3)
    return _Speed(int(collected), int(read), int(size or 0), seconds)  # PostgreSQL's sums are decimals


def _seconds_left(left: _Left, speed: _Speed, expected: int | None, met: int) -> float | None:
    """Return the time left by the items that are still to be read, or else by their bytes."""
    if not left.batches:
        return None
    if expected is not None and speed.read:
        return round((max(0, expected - met) + left.items) * speed.seconds / speed.read, 1)
    if left.size_bytes is not None and speed.read and speed.size_bytes:
        return round(left.size_bytes * speed.seconds / speed.size_bytes, 1)
    return None


def slowest(catalogue: Catalogue, request_id: str, most: int = SLOWEST) -> list[dict[str, Any]]:
    """Return the items whose readers took longest, longest first: with place and name, for people's eyes."""
    i, r = t.items.c, t.readings.c
    longest = (
        sa.select(r.item_id, r.kind, r.read_ms, r.reason, i.source_id, i.scope_key, i.name, i.size_bytes)
        .join_from(t.readings, t.items, (i.request_id == r.request_id) & (i.item_id == r.item_id))
        .where(r.request_id == request_id, r.read_ms > 0)
        .order_by(r.read_ms.desc(), r.item_id)
        .limit(most)
    )
    with catalogue.read() as connection:
        rows = connection.execute(longest).all()
    return [
        {
            "item_id": row.item_id,
            "kind": row.kind,
            "seconds": row.read_ms / 1000,
            "bytes": row.size_bytes,
            "reason": row.reason,
            "source": row.source_id,
            "scope": row.scope_key,
            "name": row.name,
        }
        for row in rows
    ]


# --- for a person -------------------------------------------------------------------------------------------


def lines(at: Figures, slow: Sequence[dict[str, Any]]) -> list[str]:
    """Return the numbers and the slowest items as lines for a terminal."""
    met, text, pages = sum(at.items.values()), at.text, at.ocr_pages
    of = "" if at.expected is None else f" of {at.expected:,}"
    left = "unknown" if at.left_bytes is None else f"{at.left_bytes / 1e6:,.1f} MB"
    when = "unknown" if at.seconds_left is None else str(timedelta(seconds=round(at.seconds_left)))
    rows = [
        ("request", f"{at.request_id}, {at.state}{', a run is at work' if at.at_work else ''}"),
        ("items", f"{met:,}{of} met: " + _listed(at.items)),
        ("texts", _listed(text)),
        ("speed", f"{at.items_per_s:,.1f} items/s, {at.mb_per_s:,.3f} MB/s"),
        ("left", f"{left}, time {when}" if at.batches["done"] < at.batches["planned"] else "nothing"),
        ("batches", f"{at.batches['done']:,} of {at.batches['planned']:,} done"),
        ("OCR", f"{pages['pending']:,} pages wait, {pages['done']:,} read, {pages['failed']:,} failed"),
        ("failures", _listed(at.failures) or "none"),
    ]
    for number, one in enumerate(slow):
        place = one_line(f"{one['source']} {one['scope']} {one['name'] or ''}", _NAME)
        said = f"{one['seconds']:,.3f} s  {one['kind']}  {one['item_id']}  {place}"
        rows.append(("" if number else "slowest", said))
    return [f"{name:<10}{words}" for name, words in rows]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())
