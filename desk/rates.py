"""How fast this office works: measured on what its earlier requests left in the catalogue, else a default.

A default is a stated figure and no measurement; each rate says which it is. Decisions come in by sheets, so
the pace of review is not taken from the moments at which they were entered but from the business days between
the first run of a request and its last decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from desk.clock import between
from records import tables as t
from records.canonical import utc_time
from records.decisions import Decision, Hold, Treatment, in_force
from records.vocabulary import CollectionState

ENOUGH = 50
"""Items, or decisions, from which on a rate counts as measured."""

SECONDS_AN_ITEM = {"service": 0.2, "files": 0.005}
"""Default: collected, read and indexed. A mail service gives about five messages a second and mailbox."""

PAGES_AN_ITEM = 0.05
SECONDS_A_PAGE = 3.0
REVIEWED_AN_ITEM = 0.3
ITEMS_A_DAY = 300.0
REDACTED_SHARE = 0.2
REDACTIONS_A_DAY = 60.0
"""Defaults; ``docs/planning.md`` lists them with what each stands for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A figure with its range.

    Attributes:
        low: The smaller figure.
        high: The greater one; the same where nothing varies.
        basis: What it rests on, in words with numbers.
        measured: Whether it was measured in this home.
    """

    low: float
    high: float
    basis: str
    measured: bool = True


def default(figure: float, words: str) -> Rate:
    """Return a stated default, from half of it to twice."""
    return Rate(figure / 2, figure * 2, f"default: {words}", measured=False)


def seconds_an_item(connection: sa.Connection, connector: str, kind: str, workers: int) -> Rate:
    """Return the seconds that a top item takes until it is searchable, with all workers or with one.

    Args:
        connection: A reading transaction.
        connector: Which connector.
        kind: ``service`` or ``files``, for the default.
        workers: Worker processes of this machine.
    """
    a, b, s = t.attempts.c, t.batches.c, t.scopes.c
    rows = connection.execute(
        sa.select(a.step, a.started_at, a.ended_at, a["items"])
        .join_from(t.attempts, t.batches, (b.request_id == a.request_id) & (b.batch_id == a.batch_id))
        .join(
            t.scopes,
            (s.request_id == b.request_id) & (s.source_id == b.source_id) & (s.scope_key == b.scope_key),
        )
        .where(
            s.connector == connector,
            b.round == s.first_round,
            b.index_state == "done",
            a.outcome == "done",
            a.step != "ocr",
        )
        .order_by(a.started_at.desc())
        .limit(3_000)
    )
    seconds, items = 0.0, 0
    for row in rows:
        seconds += (utc_time(row.ended_at) - utc_time(row.started_at)).total_seconds()
        items += row[3] if row.step == "collect" else 0
    if items < ENOUGH:
        each = SECONDS_AN_ITEM[kind]
        return default(each, f"{each:g} s an item for {connector}, collected, read and indexed")
    each = max(seconds / items, 1e-6)
    return Rate(
        each / workers,
        each,
        f"{each:.3g} s an item for {connector}, over {items:,} items of earlier runs",
    )


def pages_an_item(connection: sa.Connection) -> Rate:
    """Return how many pages that need OCR a top item has."""
    i, r = t.items.c, t.readings.c
    top = connection.execute(
        sa.select(sa.func.count()).where(i.level == 0, i.state == CollectionState.STORED)
    ).scalar_one()
    if top < ENOUGH:
        return default(PAGES_AN_ITEM, f"{PAGES_AN_ITEM:g} pages an item need OCR")
    pages = sum(
        listed.count(",") + 1
        for (listed,) in connection.execute(sa.select(r.ocr_pages).where(r.ocr_pages != "[]"))
    )
    return Rate(pages / top, pages / top, f"{pages:,} pages need OCR in {top:,} items of earlier runs")


def reviewed_an_item(connection: sa.Connection) -> Rate:
    """Return how many items come into review for each top item, attachments counted."""
    i, h, r = t.items.c, t.hits.c, t.requests.c
    per_request: list[tuple[int, int]] = []
    for request_id, version in connection.execute(sa.select(r.request_id, r.version)).all():
        mine = (i.request_id == request_id, i.state == CollectionState.STORED)
        families = sa.select(h.family_id).where(h.request_id == request_id, h.version == version)
        top, hit = connection.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(sa.case((i.level == 0, 1), else_=0)), 0),
                sa.func.coalesce(sa.func.sum(sa.case((i.family_id.in_(families), 1), else_=0)), 0),
            ).where(*mine)
        ).one()
        if hit and top >= ENOUGH:
            per_request.append((int(hit), int(top)))
    if not per_request:
        return default(REVIEWED_AN_ITEM, f"{REVIEWED_AN_ITEM:g} items in review for each item collected")
    shares = [hit / top for hit, top in per_request]
    hits, tops = (sum(one[n] for one in per_request) for n in (0, 1))
    return _varied(
        shares, f"{hits:,} items in review of {tops:,} collected, in {_requests(len(per_request))}"
    )


def reviewed_a_day(connection: sa.Connection, zone: ZoneInfo) -> Rate:
    """Return how many items this office decides in a business day."""
    paces, decided, days = [], 0, 0
    for items, took in _decided(connection, zone):
        paces.append(items / took)
        decided, days = decided + items, days + took
    if not paces:
        return default(ITEMS_A_DAY, f"{ITEMS_A_DAY:g} items decided a business day")
    return _varied(paces, f"{decided:,} items decided in {days:,} business days, in {_requests(len(paces))}")


def _decided(connection: sa.Connection, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Yield the items that were decided of each request, and the business days from its run to the last."""
    d, r = t.decisions.c, t.runs.c
    for request_id, items, first, last in connection.execute(
        sa.select(d.request_id, sa.func.count(d.item_id.distinct()), sa.func.min(d.at), sa.func.max(d.at))
        .group_by(d.request_id)
        .having(sa.func.count(d.item_id.distinct()) >= ENOUGH)
    ).all():
        ended = connection.execute(
            sa.select(sa.func.min(r.ended_at)).where(r.request_id == request_id)
        ).scalar()
        since = min(ended or first, first)
        took = between(*(utc_time(at).astimezone(zone).date() for at in (since, last)))
        yield items, max(took, 1)


def redacted_share(connection: sa.Connection) -> Rate:
    """Return the share of the decided items that is released redacted."""
    decided = redacted = 0
    for decision in _in_force(connection):
        decided += 1
        redacted += decision.treatment is Treatment.REDACT
    if decided < ENOUGH:
        return default(REDACTED_SHARE, f"{REDACTED_SHARE:.0%} of the items are redacted")
    share = redacted / decided
    return Rate(share, share, f"{redacted:,} of {decided:,} decided items were redacted")


def notices(connection: sa.Connection) -> tuple[int, int]:
    """Return in how many of the requests with decisions some decision asked for notice, and of how many."""
    d = t.decisions.c
    asked = set(
        connection.scalars(
            sa.select(d.request_id).where(d.body.contains(f'"{Hold.NOTICE}"', autoescape=True)).distinct()
        )
    )
    every = connection.execute(sa.select(sa.func.count(d.request_id.distinct()))).scalar_one()
    return len(asked), every


def _in_force(connection: sa.Connection) -> Iterator[Decision]:
    d = t.decisions.c
    for request_id in connection.scalars(sa.select(d.request_id).distinct()).all():
        yield from in_force(connection, request_id).values()


def _varied(figures: list[float], words: str) -> Rate:
    """Return a measured rate: from its least to its greatest, and a quarter around a single figure."""
    low, high = min(figures), max(figures)
    if len(figures) == 1:
        low, high = low * 0.75, high * 1.25
    return Rate(low, high, words)


def _requests(count: int) -> str:
    return "one earlier request" if count == 1 else f"{count} earlier requests"
