"""The dry run: what a request will take, from counts and headers alone. Nothing is fetched.

Each source is asked for its places, their counts and a listing without bytes; one that does not answer is
named and costs only itself. From the counts come an estimate with its parts, a date for a first instalment
and a range for the end (RCW 42.56.520(1)(c) asks for a reasonable estimate of the time that is needed). What
the figures rest on stands beside each: measured in this office, or a stated default. A person changes a part
with a reason; every estimate that was made is kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from connectors.plan import SMALL_BATCH
from connectors.protocol import Connector
from connectors.registry import connector
from desk import rates
from desk.clock import after, is_business_day
from desk.declaring import barred
from desk.exports import context_of, is_fetched
from desk.home import Home, OpenRequest
from desk.rates import Rate
from desk.request import Source
from records import audit, canonical
from records import tables as t
from records.errors import DaylightError, ItemError, UsageError
from records.models import ExcludedItem, FoundItem, Scope, Unreached, Window, Yielded
from records.rows import lock_tables
from records.vocabulary import Reach

FIRST_INSTALMENT = 500
"""Items in review that a first instalment waits for, where there are more."""

NOTICE_DAYS = 10
"""Calendar days that a third party is given to go to court, as WAC 44-14-04003(12) has as common practice."""

LEGAL_DAYS = (1.0, 5.0)
"""Default: business days that counsel's review of what is in doubt takes."""

DAY_S = 86_400.0
_DAYS = re.compile(r"(\d+(?:\.\d+)?)d?")


@dataclass(frozen=True, slots=True)
class Counted:
    """What one source holds, by its own listing.

    Attributes:
        source: Source id.
        custodian: Custodian id.
        connector: What would collect it.
        answered: Whether it answered to the end.
        problem: Why not; empty when it did.
        places: Places that were listed.
        not_read: Places that belong to it and cannot be read, as ``key: reach``, with what to do where told.
        items: Items listed, of which ``inside`` lie within the days asked for, ``outside`` do not and
            ``failed`` cannot be had.
        inside: Likewise; an item without a date counts as inside.
        outside: Likewise; left out by another rule (files that describe an export) among them.
        failed: Likewise.
        expected: The source's own count over all places, or None where one of them has none.
        size_bytes: Of the items inside; None when the listing gives no size of any.
        sized: Items inside of which the listing gives the size; the others were taken to be of their mean.
    """

    source: str
    custodian: str
    connector: str
    answered: bool
    problem: str = ""
    places: int = 0
    not_read: tuple[str, ...] = ()
    items: int = 0
    inside: int = 0
    outside: int = 0
    failed: int = 0
    expected: int | None = None
    size_bytes: int | None = None
    sized: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an estimate.

    Attributes:
        name: ``collection``, ``ocr``, ``review``, ``redaction``, ``legal_review`` or ``notice``.
        low: Least number of business days; of calendar days for ``notice``.
        high: Greatest number.
        basis: What it rests on.
        measured: All of it was measured in this office.
        why: A person's reason, where one set it; else empty.
        by: That person; else empty.
    """

    name: str
    low: float
    high: float
    basis: str
    measured: bool
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request will take.

    Attributes:
        request_id: The request.
        version: Of the request.
        made_at: When the sources were counted, UTC.
        start_on: The day that the work is taken to start.
        due_on: Last of the five business days to answer.
        sources: Every source of the request.
        without_source: Custodians of whom the request names no source.
        items: Items within the days asked for.
        size_bytes: Of these, as far as is known; None when nothing is.
        in_review: Least and greatest number of items that come into review.
        first_items: How many of these the first instalment waits for.
        parts: In the order of the work.
        first_instalment_on: The day that can be kept by the greatest figures.
        finish_from: The end by the least figures.
        finish_to: The end by the greatest figures.
        unknown: What the estimate does not know, in words; empty when it covers every source.
    """

    request_id: str
    version: int
    made_at: str
    start_on: str
    due_on: str
    sources: tuple[Counted, ...]
    without_source: tuple[str, ...]
    items: int
    size_bytes: int | None
    in_review: tuple[int, int]
    first_items: int
    parts: tuple[Part, ...]
    first_instalment_on: str
    finish_from: str
    finish_to: str
    unknown: tuple[str, ...]


# -- counting


def _count(home: Home, found: OpenRequest, source: Source) -> Counted:
    counting = Counted(source.id, source.custodian, source.connector, answered=False)
    try:
        context = context_of(home, found.request_id, found.body, source)
        made = connector(source.connector)(context)
        made.check()
        tally = _Tally(home, made, found.body.window_days())
        try:
            for scope in made.scopes():
                tally.add(scope)
            tally.not_read += map(_why, made.unreached())
        except DaylightError as error:
            return tally.counted(counting, str(error))
        return tally.counted(counting, "")
    except DaylightError as error:
        return replace(counting, problem=str(error))
    except Exception as error:  # noqa: BLE001 - one source costs only itself; its words may hold content
        return replace(counting, problem=f"source {source.id}: {type(error).__name__}")


class _Tally:
    """Adds up what a source lists; keeps no item.

    Attributes:
        not_read: Places that cannot be read, or not to their end, each with why.
    """

    def __init__(self, home: Home, made: Connector, window: Window) -> None:
        self._settings = home.settings
        self._connector = made
        self._window = window
        self.not_read: list[str] = []
        self._items = self._inside = self._outside = self._failed = 0
        self._places = self._size = self._sized = 0
        self._expected: list[int | None] = []

    def add(self, scope: Scope) -> None:
        """Count one place; one that breaks off is noted, and costs only itself.

        Raises:
            DaylightError: The source does not answer any more.
        """
        self._places += 1
        try:
            self._expected.append(self._connector.count(scope).count)
            most = max(SMALL_BATCH, self._settings.batch_items)
            for part in self._connector.parts(scope, most, self._settings.batch_bytes):
                for item in self._connector.items(part, self._window):
                    self._take(item)
        except ItemError as error:
            self.not_read.append(f"{scope.key}: {error.reason}")

    def _take(self, item: Yielded) -> None:
        self._items += 1
        if isinstance(item, FoundItem):
            self._inside += 1
            if item.size_bytes is not None:
                self._sized += 1
                self._size += item.size_bytes
        elif isinstance(item, ExcludedItem):
            self._outside += 1
        else:
            self._failed += 1

    def counted(self, before: Counted, problem: str) -> Counted:
        """Return what was counted, with why it is not all."""
        counts = [count for count in self._expected if count is not None]
        return replace(
            before,
            answered=not problem,
            problem=problem,
            places=self._places,
            not_read=tuple(self.not_read),
            items=self._items,
            inside=self._inside,
            outside=self._outside,
            failed=self._failed,
            expected=sum(counts) if len(counts) == self._places else None,
            size_bytes=round(self._size * self._inside / self._sized) if self._sized else None,
            sized=self._sized,
        )


# -- estimating


def estimate(
    home: Home,
    request_id: str,
    *,
    by: str,
    tell: Callable[[Counted], None] | None = None,
    today: date | None = None,
) -> Estimate:
    """Count every source of a request and estimate what it will take; kept with who asked.

    Args:
        home: Open.
        request_id: The request.
        by: Who asks.
        tell: Told what each source holds, once it has answered or not.
        today: The day on which the work starts; None for today in the request's zone.

    Raises:
        UsageError: There is no such request, or it is closed.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing is planned for it")
    counted = []
    bars = barred(home, found)
    for source in found.body.sources:
        if (bar := bars.get(source.id)) is not None:  # not even its headers are read
            no = bar.answer == "answered"  # its owner declared that there is nothing
            problem = "" if no else f"source {source.id}: {bar.detail}"
            one = Counted(source.id, source.custodian, source.connector, answered=no, problem=problem)
        else:
            one = _count(home, found, source)
        counted.append(one)
        if tell is not None:
            tell(one)
    start = max(today or datetime.now(found.body.zone).date(), found.body.received_on)
    with home.catalogue.read() as connection:
        made = _estimate(connection, found, counted, start, home.settings.workers)
    _keep(home, made, by=by, why="")
    return made


def _estimate(
    connection: sa.Connection, found: OpenRequest, counted: list[Counted], start: date, workers: int
) -> Estimate:
    body = found.body
    inside = sum(one.inside for one in counted)
    sizes = [one.size_bytes for one in counted if one.inside]
    size = None if not sizes or None in sizes else sum(one for one in sizes if one is not None)
    hit = rates.reviewed_an_item(connection)
    in_review = (math.ceil(inside * hit.low), math.ceil(inside * hit.high))
    asked = {source.custodian for source in body.sources}
    made = Estimate(
        request_id=found.request_id,
        version=found.version,
        made_at=canonical.now_text(),
        start_on=start.isoformat(),
        due_on=found.due_on,
        sources=tuple(counted),
        without_source=tuple(one.id for one in body.custodians if one.id not in asked),
        items=inside,
        size_bytes=size,
        in_review=in_review,
        first_items=min(in_review[1], FIRST_INSTALMENT),
        parts=(
            _collection(connection, found, counted, workers),
            _ocr(connection, inside),
            *_by_people(connection, found, in_review, hit),
            _notice(connection),
        ),
        first_instalment_on="",
        finish_from="",
        finish_to="",
        unknown=_unknown(counted),
    )
    return _dated(made)


def _why(place: Unreached) -> str:
    """Return a place that is not read, and why; of one that is refused, also what to do."""
    told = f" ({place.detail})" if place.reach is Reach.REFUSED and place.detail else ""
    return f"{place.key}: {place.reach}{told}"


def _collection(connection: sa.Connection, found: OpenRequest, counted: list[Counted], workers: int) -> Part:
    low = high = 0.0
    bases: dict[str, Rate] = {}
    for one in counted:
        source = found.body.source(one.source)
        # an export that was fetched is files by now
        kind = "service" if source.connection and not is_fetched(source) else "files"
        rate = rates.seconds_an_item(connection, one.connector, kind, workers)
        bases[one.connector] = rate
        low, high = low + one.inside * rate.low, high + one.inside * rate.high
    return Part(
        "collection",
        _rounded(low / DAY_S),
        _rounded(high / DAY_S),
        "; ".join(bases[name].basis for name in sorted(bases)) or "there is nothing to collect",
        all(rate.measured for rate in bases.values()),
    )


def _ocr(connection: sa.Connection, items: int) -> Part:
    pages = rates.pages_an_item(connection)
    seconds = rates.default(rates.SECONDS_A_PAGE, f"{rates.SECONDS_A_PAGE:g} s a page")
    return Part(
        "ocr",
        _rounded(items * pages.low * seconds.low / DAY_S),
        _rounded(items * pages.high * seconds.high / DAY_S),
        f"{pages.basis}; {seconds.basis}: reading pictures of text was never measured here",
        measured=False,
    )


def _by_people(
    connection: sa.Connection, found: OpenRequest, in_review: tuple[int, int], hit: Rate
) -> tuple[Part, Part, Part]:
    pace = rates.reviewed_a_day(connection, found.body.zone)
    share = rates.redacted_share(connection)
    a_day = rates.default(rates.REDACTIONS_A_DAY, f"{rates.REDACTIONS_A_DAY:g} redacted a business day")
    low, high = in_review
    return (
        Part(
            "review",
            _rounded(low / pace.high),
            _rounded(high / pace.low),
            f"{hit.basis}; {pace.basis}",
            hit.measured and pace.measured,
        ),
        Part(
            "redaction",
            _rounded(low * share.low / a_day.high),
            _rounded(high * share.high / a_day.low),
            f"{share.basis}; {a_day.basis}",
            measured=False,
        ),
        Part(
            "legal_review",
            *(LEGAL_DAYS if high else (0.0, 0.0)),
            f"default: {LEGAL_DAYS[0]:g} to {LEGAL_DAYS[1]:g} business days for what counsel has to see",
            measured=False,
        ),
    )


def _notice(connection: sa.Connection) -> Part:
    asked, every = rates.notices(connection)
    return Part(
        "notice",
        0.0,
        float(NOTICE_DAYS),
        f"RCW 42.56.540: none, or {NOTICE_DAYS} calendar days where a third party is notified "
        f"(WAC 44-14-04003(12)); so it was in {asked} of {every} earlier requests with decisions",
        measured=False,
    )


def _unknown(counted: Sequence[Counted]) -> tuple[str, ...]:
    out = [
        f"{one.source}: {one.problem.removeprefix(f'source {one.source}: ') or 'it did not answer'}"
        for one in counted
        if not one.answered
    ]
    out += [f"{one.source}: {place}" for one in counted for place in one.not_read if "not_asked" not in place]
    out += [
        f"{one.source}: the listing gives no size of {one.inside - one.sized:,} of {one.inside:,} items"
        for one in counted
        if one.sized < one.inside
    ]
    return tuple(out)


def _rounded(days: float) -> float:
    return round(days, 2)


def _dated(made: Estimate) -> Estimate:
    """Return an estimate with the days that its parts give."""
    part = {one.name: one for one in made.parts}
    work = [one for one in made.parts if one.name != "notice"]
    share = made.first_items / made.in_review[1] if made.in_review[1] else 1.0
    first = part["collection"].high + part["legal_review"].high
    first += share * (part["review"].high + part["redaction"].high)
    start = date.fromisoformat(made.start_on)
    ends = []
    for low in (True, False):
        worked = after(start, math.ceil(sum(one.low if low else one.high for one in work)))
        notified = worked + timedelta(days=math.ceil(part["notice"].low if low else part["notice"].high))
        ends.append(_on_business_day(notified))
    return replace(
        made,
        first_instalment_on=min(_on_business_day(after(start, math.ceil(first))), ends[1]).isoformat(),
        finish_from=ends[0].isoformat(),
        finish_to=ends[1].isoformat(),
    )


def _on_business_day(day: date) -> date:
    return day if is_business_day(day) else after(day, 1)


# -- kept, and adjusted by a person


def adjust(home: Home, request_id: str, changes: Sequence[str], *, by: str, why: str) -> Estimate:
    """Set parts of the estimate in force to a number of days; the counts stay those that were counted.

    Args:
        home: Open.
        request_id: The request.
        changes: Each ``part=days``, such as ``review=12d``.
        by: Who adjusts it.
        why: Why; it stands beside the part.

    Raises:
        UsageError: There is no estimate yet, a part or a number is wrong, or nobody says why.
    """
    if not why.strip() or not by.strip():
        raise UsageError("say who adjusts the estimate and why: it stands beside the part (--by, --reason)")
    made = in_force(home, request_id)
    if made is None:
        raise UsageError(f"request {request_id} has no estimate yet; `daylight plan {request_id}` makes it")
    names = [part.name for part in made.parts]
    days = dict(_change(change, names) for change in changes)
    parts = tuple(
        replace(
            part,
            low=days[part.name],
            high=days[part.name],
            basis=f"set by a person; before: {part.low:g} to {part.high:g}, {part.basis}",
            measured=False,
            why=why,
            by=by,
        )
        if part.name in days
        else part
        for part in made.parts
    )
    adjusted = _dated(replace(made, parts=parts))
    _keep(home, adjusted, by=by, why=why)
    return adjusted


def _change(change: str, names: list[str]) -> tuple[str, float]:
    name, _, days = change.partition("=")
    matched = _DAYS.fullmatch(days)
    if name not in names or matched is None:
        raise UsageError(
            f"cannot adjust {change!r}; write PART=DAYS, such as review=12d; parts: {', '.join(names)}"
        )
    return name, float(matched.group(1))


def in_force(home: Home, request_id: str) -> Estimate | None:
    """Return the newest estimate of a request, or None.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    with home.catalogue.read() as connection:
        body = connection.execute(
            sa.select(t.estimates.c.body)
            .where(t.estimates.c.request_id == request_id)
            .order_by(t.estimates.c.seq.desc())
            .limit(1)
        ).scalar()
    return None if body is None else _from_json(body)


def _keep(home: Home, made: Estimate, *, by: str, why: str) -> None:
    e = t.estimates.c
    with home.catalogue.write() as connection:
        lock_tables(connection, t.estimates)
        seq = (
            connection.execute(sa.select(sa.func.max(e.seq)).where(e.request_id == made.request_id)).scalar()
            or 0
        ) + 1
        connection.execute(
            t.estimates.insert(),
            {
                "request_id": made.request_id,
                "seq": seq,
                "why": why,
                "by": by,
                "at": canonical.utc_text(datetime.now(UTC)),
                "body": canonical.dumps(asdict(made)),
            },
        )
        audit.append(
            connection,
            action="estimate_adjusted" if why else "estimated",
            actor=by,
            request_id=made.request_id,
            version=made.version,
            estimate=seq,
            items=made.items,
        )


def _from_json(text: str) -> Estimate:
    raw: dict[str, Any] = canonical.loads(text)
    return Estimate(
        **{
            **raw,
            "sources": tuple(
                Counted(**{**one, "not_read": tuple(one["not_read"])}) for one in raw["sources"]
            ),
            "without_source": tuple(raw["without_source"]),
            "in_review": tuple(raw["in_review"]),
            "parts": tuple(Part(**one) for one in raw["parts"]),
            "unknown": tuple(raw["unknown"]),
        }
    )


# -- for a person


def table(made: Estimate) -> list[str]:
    """Return an estimate as lines for a person."""
    lines = [
        f"Request {made.request_id}, version {made.version}; work from {made.start_on}; "
        f"answer due {made.due_on}",
        "",
        f"{'custodian':<16}{'source':<24}{'items':>10}{'inside':>10}{'own count':>11}{'size':>12}",
    ]
    for one in made.sources:
        own = "unknown" if one.expected is None else f"{one.expected:,}"
        lines.append(
            f"{one.custodian:<16}{one.source:<24}{one.items:>10,}{one.inside:>10,}{own:>11}"
            f"{_size(one.size_bytes):>12}" + ("" if one.answered else "  did not answer")
        )
    lines += [f"{custodian:<16}no source" for custodian in made.without_source]
    lines += ["", f"{'part':<14}{'days':>16}  rests on"]
    for part in made.parts:
        unit = "calendar days" if part.name == "notice" else ""
        days = f"{part.low:g} to {part.high:g}"
        by = f"; {part.by}: {part.why}" if part.by else ""
        lines.append(f"{part.name:<14}{days:>16}  {part.basis}{by}{'; ' + unit if unit else ''}")
    low, high = made.in_review
    lines += [
        "",
        f"{made.items:,} items, {_size(made.size_bytes)}",
        f"In review, with what they carry: {low:,} to {high:,}",
        f"First instalment: {made.first_instalment_on}, with {made.first_items:,} items reviewed",
        f"Finish: {made.finish_from} to {made.finish_to}",
    ]
    return lines + [f"Unknown: {what}" for what in made.unknown]


def _size(size: int | None) -> str:
    if size is None:
        return "unknown"
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"
