"""The ledger: what was found, read and decided, each of which adds up.

Collection, top items per scope: ``found = stored + failed + excluded`` and ``expected = found`` where another
route gives an expected count; after a top-up, what is listed no more is not counted there. The children of a
container likewise. Text: ``stored = searchable + not searchable + pending``. Review: ``stored = not in review
+ in review``, and what is in review is in one of six states. All figures are counted from rows; nothing is
carried along.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from records import canonical, declarations, rounds
from records import tables as t
from records.catalogue import Catalogue
from records.decisions import in_review
from records.ocr_pages import ocr_pages
from records.vocabulary import CollectionState, ReviewState, TextState


@dataclass(frozen=True, slots=True)
class ScopeLedger:
    """One scope's collection, top items only.

    Attributes:
        source: Source id.
        scope: Scope key.
        custodian: Custodian id.
        connector: Connector name.
        expected: The figure of another route, or None for unknown.
        expected_by: That route in words.
        found: Top items the reader met.
        stored: Kept with their bytes.
        failed: Met but not had.
        excluded: Left out by rule.
        failure: Reason why the whole place could not be read, or None.
        gone: Of those found, items that the newest listing has no more: vanished, or changed, when the
            earlier form is kept beside the later one.
        kept_back: Declared personal source: what the employee kept back; None elsewhere.
        complete: Every batch of the scope has been collected, and it was listed again where it is to be.
        balanced: All adds up and nothing is missing.
    """

    source: str
    scope: str
    custodian: str
    connector: str
    expected: int | None
    expected_by: str
    found: int
    stored: int
    failed: int
    excluded: int
    gone: int
    failure: str | None
    kept_back: int | None
    complete: bool
    balanced: bool


@dataclass(frozen=True, slots=True)
class ExportLedger:
    """The paths of one export, when its places were last listed anew.

    Attributes:
        source: Source id.
        paths: How many there are, by a walk and the directories of its zips; None for unknown.
        read: Paths that hold records or say something of them.
        ignored: Paths by the code of the reason (docs/connectors.md).
        unknown: Paths of which the connector does not know what they are; each is an item, as a file.
        unknown_paths: The first of these.
        balanced: ``paths = read + ignored + unknown``, or unknown.
    """

    source: str
    paths: int | None
    read: int
    ignored: dict[str, int]
    unknown: int
    unknown_paths: tuple[str, ...]
    balanced: bool


@dataclass(frozen=True, slots=True)
class Ledger:
    """All three states of a request.

    Attributes:
        scopes: In source and scope order.
        unplanned: Sources of the request in which no place to search was listed (yet); a personal one that
            its custodian declared not to have used is none.
        exports: What became of each path of an export, by source; folders of single files and services are
            none.
        children: ``{found, stored, failed, excluded, expected_more}``: what containers carried;
            ``expected_more`` counts children that a container announced and did not give.
        text: ``{stored, searchable, not_searchable, pending, unread, by_reason, ocr_pages, ocr_done,
            ocr_failed}``; ``unread`` counts items that the extract step has not met yet; the last three count
            pages that are pictures: those that wait, were read, could not be read.
        review: ``{stored, not_in_review, in_review, <six states>, awaits}``.
        exceptions: Reason codes with the number of top items and children that failed.
        balanced: Every source has a scope, all scopes and exports balance, all stored items have been read,
            all states add up.
    """

    scopes: tuple[ScopeLedger, ...]
    unplanned: tuple[str, ...]
    exports: tuple[ExportLedger, ...]
    children: dict[str, int]
    text: dict[str, object]
    review: dict[str, object]
    exceptions: dict[str, int]
    balanced: bool


def ledger(catalogue: Catalogue, request_id: str) -> Ledger:
    """Count the ledger of a request from its rows, in one unchanging view."""
    with catalogue.read() as connection:
        version = connection.execute(
            sa.select(t.requests.c.version).where(t.requests.c.request_id == request_id)
        ).scalar_one()
        sources = _sources(connection, request_id, version)
        counted = _counted(connection, request_id)
        scopes = _scopes(connection, request_id, sources, counted)
        unplanned = sources - {scope.source for scope in scopes} - _said_no(connection, request_id, version)
        exports = _exports(connection, request_id, sources)
        children = _children(connection, request_id, counted)
        text = _text(connection, request_id)
        review = _review(connection, request_id, version, counted)
        exceptions = _exceptions(counted)
    balanced = (
        not unplanned
        and all(scope.balanced for scope in scopes)
        and all(export.balanced for export in exports)
        and children["found"] == children["stored"] + children["failed"] + children["excluded"]
        and text["unread"] == 0
        and review["stored"] == text["stored"]
    )
    return Ledger(scopes, tuple(sorted(unplanned)), exports, children, text, review, exceptions, balanced)


def _sources(connection: sa.Connection, request_id: str, version: int) -> set[str]:
    """Return the ids of the sources that the request file names."""
    return {source["id"] for source in _named(connection, request_id, version)}


def _named(connection: sa.Connection, request_id: str, version: int) -> list[dict[str, Any]]:
    v = t.request_versions.c
    body = connection.execute(
        sa.select(v.body).where(v.request_id == request_id, v.version == version)
    ).scalar()
    return list(canonical.loads(body or "{}").get("sources", ()))


def _said_no(connection: sa.Connection, request_id: str, version: int) -> set[str]:
    """Return the sources of whose device or account the custodian declared that it was not used."""
    return declarations.not_used(connection, request_id, _named(connection, request_id, version))


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many items of a scope are alike in what the ledger tells of them."""

    source: str
    scope: str
    level: int
    state: str
    reason: str | None
    count: int


_BY_BATCH = t.items.c.batch_id >= ""
"""True of every item. SQLite then takes them by batch, in which order they lie in the table; by family it
reads the table here and there, on 100,000 items for twice the CPU seconds."""


def _counted(connection: sa.Connection, request_id: str) -> list[_Counted]:
    """Go through the items once."""
    i = t.items.c
    what = (i.source_id, i.scope_key, i.level, i.state, i.reason)
    rows = connection.execute(
        sa.select(*what, sa.func.count()).where(i.request_id == request_id, _BY_BATCH).group_by(*what)
    )
    return [_Counted(*row) for row in rows]


def _scopes(
    connection: sa.Connection, request_id: str, sources: set[str], counted: list[_Counted]
) -> tuple[ScopeLedger, ...]:
    s, b = t.scopes.c, t.batches.c
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in counted:
        if one.level == 0:
            counts.setdefault((one.source, one.scope), Counter())[one.state] += one.count
    waiting = {
        (source, scope)
        for source, scope in connection.execute(
            sa.select(b.source_id, b.scope_key)
            .where(b.request_id == request_id, b.collect_state != "done")
            .distinct()
        )
    }
    gone = rounds.gone(connection, request_id)
    again = rounds.relist_from(connection, request_id)
    rows = connection.execute(
        sa.select(
            s.source_id,
            s.scope_key,
            s.custodian_id,
            s.connector,
            s.expected,
            s.expected_by,
            s.failure_reason,
            s.kept_back,
            s.round,
            s.missing_since,
        )
        .where(s.request_id == request_id)
        .order_by(s.source_id, s.scope_key)
    )
    out = []
    for source, scope, custodian, connector, expected, by, failure, kept_back, round_no, missing in rows:
        count = counts.get((source, scope), Counter())
        found = sum(count.values())
        lost = gone.get((source, scope), 0)
        listed = missing is not None or source not in sources or round_no >= again.get(source, 0)
        complete = (source, scope) not in waiting and listed
        named = source in sources  # what an earlier version named, and this one does not, may end anyhow
        there = expected if named and missing is None else None
        out.append(
            ScopeLedger(
                source,
                scope,
                custodian,
                connector,
                expected,
                by,
                found,
                count[CollectionState.STORED],
                count[CollectionState.FAILED],
                count[CollectionState.EXCLUDED],
                lost,
                failure,
                kept_back,
                complete,
                complete and (failure is None or not named) and (there is None or there == found - lost),
            )
        )
    return tuple(out)


def _exports(connection: sa.Connection, request_id: str, sources: set[str]) -> tuple[ExportLedger, ...]:
    e = t.export_paths.c
    out = []
    for row in connection.execute(
        sa.select(e.source_id, e.paths, e.body).where(e.request_id == request_id).order_by(e.source_id)
    ):
        if row.source_id not in sources:
            continue
        body = canonical.loads(row.body)
        told = body["read"] + sum(body["ignored"].values()) + body["unknown"]
        out.append(
            ExportLedger(
                row.source_id,
                row.paths,
                body["read"],
                body["ignored"],
                body["unknown"],
                tuple(body["names"]),
                row.paths is None or row.paths == told,
            )
        )
    return tuple(out)


def _children(connection: sa.Connection, request_id: str, counted: list[_Counted]) -> dict[str, int]:
    r = t.readings.c
    states: Counter[str] = Counter()
    for one in counted:
        if one.level > 0:
            states[one.state] += one.count
    short = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(r.expected_children - r.children), 0)).where(
            r.request_id == request_id, r.expected_children > r.children
        )
    ).scalar_one()
    return {
        "found": sum(states.values()),
        "stored": states[CollectionState.STORED],
        "failed": states[CollectionState.FAILED],
        "excluded": states[CollectionState.EXCLUDED],
        "expected_more": int(short),
    }


def _text(connection: sa.Connection, request_id: str) -> dict[str, object]:
    i, r = t.items.c, t.readings.c
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for state, reason, count in connection.execute(
        sa.select(r.text_state, r.reason, sa.func.count())
        .select_from(t.items.outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id)))
        .where(i.request_id == request_id, i.state == "stored", _BY_BATCH)
        .group_by(r.text_state, r.reason)
    ):
        states[state or "unread"] += count
        if state == TextState.NOT_SEARCHABLE:
            reasons[reason] += count
    pages = ocr_pages(connection, request_id)
    return {
        "stored": sum(states.values()),
        "searchable": states[TextState.SEARCHABLE],
        "not_searchable": states[TextState.NOT_SEARCHABLE],
        "pending": states[TextState.PENDING],
        "unread": states["unread"],
        "by_reason": dict(sorted(reasons.items())),
        "ocr_pages": pages.pending,
        "ocr_done": pages.done,
        "ocr_failed": pages.failed,
    }


def _review(
    connection: sa.Connection, request_id: str, version: int, counted: list[_Counted]
) -> dict[str, object]:
    stored = sum(one.count for one in counted if one.state == CollectionState.STORED)
    reviewed = in_review(connection, request_id, version).values()
    states = Counter(standing.state for standing in reviewed)
    awaits = Counter(str(standing.awaits) for standing in reviewed if standing.awaits is not None)
    out: dict[str, object] = {"version": version, "stored": stored}
    out[ReviewState.NOT_IN_REVIEW] = stored - len(reviewed)
    out["in_review"] = len(reviewed)
    for state in ReviewState:
        if state is not ReviewState.NOT_IN_REVIEW:
            out[str(state)] = states[state]
    out["awaits"] = dict(sorted(awaits.items()))
    return out


def _exceptions(counted: list[_Counted]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for one in counted:
        if one.state == CollectionState.FAILED:
            reasons[str(one.reason)] += one.count
    return dict(sorted(reasons.items()))
