"""The run: its steps in order, as plain functions. The Dag and ``run --local`` are both built from it.

::

    open → plan → [collect → extract → index]* → reconcile → terms → flag → review (person)
         → draft → gate → approve (person) → package → finish

Each function takes a home, a request id and a run key, is safe to run twice, and returns counts and ids only.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from connectors.plan import changed_since_failure, close_sources, plan_source
from connectors.registry import connector
from desk import pool, runlock
from desk.declaring import Barred, barred, kept_back_of
from desk.exports import context_of
from desk.hold_proposals import propose
from desk.home import Home, OpenRequest
from desk.request import Source
from desk.slots import worker_slot
from desk.topping_up import list_changed, name_source
from records import audit, canonical, rounds
from records import tables as t
from records.errors import AccessError, DaylightError, Incomplete, Retryable, SettingsError, UsageError
from records.ledger import ledger
from records.rows import insert_missing
from records.settings import Settings

if TYPE_CHECKING:
    from retention.suggest import FlagReport

Counts = dict[str, Any]
_LATER = (
    "connectors.relist",
    "desk.coverage",
    "desk.describing",
    "desk.searching",
    "retention.suggest",
    "search.embedded",
)
"""What the steps after the batches load: a run loads it while its workers are busy, not before they begin."""

_COUNTED_TOGETHER = 250
"""Documents of a hit report that a worker which is there already counts at once."""

GROUPS = 900
"""Most mapped groups of a run; Airflow limits one map to 1,024."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    Attributes:
        name: As people and Airflow see it.
        mapped: Runs once a batch group, side by side, with no barrier between the three mapped steps.
        person: Waits for a person's answer.
    """

    name: str
    mapped: bool = False
    person: bool = False


STEPS = (
    Step("open"),
    Step("plan"),
    Step("collect", mapped=True),
    Step("extract", mapped=True),
    Step("index", mapped=True),
    Step("reconcile"),
    Step("terms"),
    Step("flag"),
    Step("review", person=True),
    Step("draft"),
    Step("gate"),
    Step("approve", person=True),
    Step("package"),
    Step("finish"),
)


def open_run(
    home: Home,
    request_id: str,
    run_key: str,
    *,
    take_over: bool = False,
    source: Mapping[str, Any] | None = None,
    by: str = "daylight",
) -> Counts:
    """Enter the run, and refuse it while another one is alive.

    Args:
        home: Open.
        request_id: The request.
        run_key: The run.
        take_over: Put an end to another run that waits for a person or died.
        source: A further source, by the keys of a request file, that whoever starts the run names.
        by: Who starts it.

    Raises:
        AlreadyRunning: Another run of the request is alive.
        SettingsError: Something is wrong with the source.
        UsageError: The request is closed.
    """
    if source:
        name_source(home, request_id, source, by=by, take_over=take_over)
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its records are no longer collected")
    propose(home, request_id, by="daylight")  # what an earlier version of the program did not
    leased = not runlock.is_local(run_key)
    runlock.begin(home, request_id, run_key, leased=leased, take_over=take_over)
    with home.catalogue.write() as connection:
        audit.append(connection, action="run", actor="daylight", request_id=request_id, version=found.version)
    return {"version": found.version, "sources": len(found.body.sources)}


def plan(home: Home, request_id: str, run_key: str) -> Counts:
    """List every place of every source, take expected counts, cut batches.

    Returns:
        ``groups``: lists of batch ids for the mapped steps, and counts.

    Raises:
        AccessError: A source cannot be reached; so with ``SettingsError`` and ``Retryable``. All the others
            were asked as well, and the message names each that did not answer.
    """
    _at_work(home, request_id, run_key)
    found = home.request(request_id)
    close_sources(home.catalogue, request_id, {source.id for source in found.body.sources})
    bars = barred(home, found)
    if changed := _changed(home, found, bars):
        list_changed(home, request_id, changed)
    with home.catalogue.read() as connection:
        round_no = rounds.current(connection, request_id)
        again = rounds.relist_from(connection, request_id)
    problems: list[AccessError | SettingsError | Retryable] = []
    for source in found.body.sources:
        if (bar := bars.get(source.id)) is not None:  # costs only itself, and stands in the coverage
            _note_answer(home, request_id, source.id, bar.answer, bar.detail)
            if _is_waiting(home, request_id, source.id):
                problems.append(AccessError(f"source {source.id}: {bar.detail}; it was not read to its end"))
            continue
        try:
            _plan_source(home, found, source, round_no, again.get(source.id, 0))
        except (AccessError, SettingsError) as error:
            _note_answer(home, request_id, source.id, "refused", str(error))
            problems.append(error)
        except Retryable as error:
            _note_answer(home, request_id, source.id, "not_answered", str(error))
            problems.append(error)
        else:
            _note_answer(home, request_id, source.id, "answered", "")
    if problems:  # every source was asked, so that a person hears of all of them at once
        problems.sort(key=lambda error: isinstance(error, Retryable))
        raise problems[0] if len(problems) == 1 else type(problems[0])("; ".join(map(str, problems)))
    waiting = waiting_batches(home, request_id)
    return {"groups": _groups(waiting, home.settings), "batches": len(waiting)}


def _is_waiting(home: Home, request_id: str, source_id: str) -> bool:
    """Tell whether something of a source was listed and is not collected yet."""
    b = t.batches.c
    return bool(_batches(home, request_id, b.source_id == source_id, b.collect_state != "done"))


def _changed(home: Home, found: OpenRequest, bars: Mapping[str, Barred]) -> list[str]:
    """Return the sources in whose place of files that could not be read others lie now."""
    changed = []
    for source in found.body.sources:
        if source.id in bars:
            continue
        try:
            made = connector(source.connector)(context_of(home, found.request_id, found.body, source))
            if changed_since_failure(home.catalogue, found.request_id, made, source.id):
                changed.append(source.id)
        except (AccessError, SettingsError):  # said when it is planned
            continue
    return changed


def _plan_source(home: Home, found: OpenRequest, source: Source, round_no: int, relist_from: int) -> None:
    context = context_of(home, found.request_id, found.body, source)
    plan_source(
        home.catalogue,
        found.request_id,
        connector(source.connector)(context),
        context,
        max_items=home.settings.batch_items,
        max_bytes=home.settings.batch_bytes,
        spread=2 * home.settings.workers,
        kept_back=kept_back_of(home, found, source),
        round_no=round_no,
        relist_from=relist_from,
    )


def _note_answer(home: Home, request_id: str, source_id: str, answer: str, detail: str) -> None:
    """Keep what a source said last, for the coverage; messages of errors hold ids and codes only."""
    k = t.source_checks.c
    row = {"at": canonical.now_text(), "answer": answer, "detail": detail}
    key = {"request_id": request_id, "source_id": source_id}
    with home.catalogue.write() as connection:
        known = t.source_checks.update().where(k.request_id == request_id, k.source_id == source_id)
        if not connection.execute(known.values(row)).rowcount:
            insert_missing(connection, t.source_checks, [{**key, **row}])


def waiting_batches(home: Home, request_id: str) -> list[tuple[str, int]]:
    """Return the batches that have not passed all three steps, with their planned bytes, largest first.

    The largest go first so that no single one is left over at the end while other cores are idle.
    """
    return _batches(home, request_id, t.batches.c.index_state != "done")


def _batches(home: Home, request_id: str, *which: sa.ColumnElement[bool]) -> list[tuple[str, int]]:
    b = t.batches.c
    size = sa.func.coalesce(b.bytes_planned, 0)
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(b.batch_id, size)
            .where(b.request_id == request_id, *which)
            .order_by(size.desc(), b.batch_id)
        )
        return [(batch_id, int(planned)) for batch_id, planned in rows]


def _groups(waiting: list[tuple[str, int]], settings: Settings) -> list[list[str]]:
    """Deal batches into groups of like size: a mapped Airflow task costs seconds, so it carries much."""
    total = sum(planned for _, planned in waiting)
    count = max(2 * settings.workers, -(-total // settings.batch_bytes))
    groups: list[list[str]] = [[] for _ in range(min(count, GROUPS, len(waiting)))]
    loads = [(0, number) for number in range(len(groups))]
    for batch_id, planned in waiting:
        load, number = heapq.heappop(loads)
        groups[number].append(batch_id)
        heapq.heappush(loads, (load + planned + 1, number))
    return groups


def collect(home: Home, request_id: str, run_key: str, batch_ids: Sequence[str]) -> Counts:
    """Collect some batches."""
    _at_work(home, request_id, run_key)
    from desk.batch import batch_runner

    with batch_runner(home, request_id, run_key) as runner:
        return {"batches": len(batch_ids), "items": sum(map(runner.collect, batch_ids))}


def extract(home: Home, request_id: str, run_key: str, batch_ids: Sequence[str]) -> Counts:
    """Read some batches."""
    _at_work(home, request_id, run_key)
    from desk.batch import batch_runner

    with batch_runner(home, request_id, run_key) as runner:
        return {"batches": len(batch_ids), "items": sum(map(runner.extract, batch_ids))}


def index(home: Home, request_id: str, run_key: str, batch_ids: Sequence[str]) -> Counts:
    """Index some batches."""
    _at_work(home, request_id, run_key)
    from desk.batch import batch_runner

    with batch_runner(home, request_id, run_key) as runner:
        return {"batches": len(batch_ids), "documents": sum(map(runner.index, batch_ids))}


def reconcile(home: Home, request_id: str, run_key: str) -> Counts:
    """Add the ledger up and compare the index with it.

    Raises:
        Incomplete: A batch has not passed all three steps, or the index holds another number of documents
            than the ledger has stored items: ``daylight reindex`` rebuilds it.
    """
    _at_work(home, request_id, run_key)
    waiting = len(waiting_batches(home, request_id))
    if waiting:
        raise Incomplete(f"request {request_id}: {waiting} batches are not done; run it again to resume")
    from connectors.relist import note_vanished
    from desk import searching

    vanished = note_vanished(home.catalogue, request_id)
    counted = ledger(home.catalogue, request_id)
    documents = home.engine(request_id).state().documents
    if documents != counted.text["stored"]:
        raise Incomplete(
            f"request {request_id}: the index holds {documents} documents, the ledger counts "
            f"{counted.text['stored']} stored items; `daylight reindex` rebuilds the index from the evidence"
        )
    searching.publish(home, request_id, documents)
    return {
        "balanced": counted.balanced,
        "vanished": vanished,
        "stored": counted.text["stored"],
        "exceptions": sum(counted.exceptions.values()),
        "not_searchable": counted.text["not_searchable"],
        "pending": counted.text["pending"],
    }


def terms(home: Home, request_id: str, run_key: str, workers: ProcessPoolExecutor | None = None) -> Counts:
    """Run the request's term list and keep the hit report.

    Args:
        home: Open.
        request_id: The request.
        run_key: The run.
        workers: Count occurrences in them; None (under Airflow, whose tasks share the cores): here.
    """
    _at_work(home, request_id, run_key)
    from desk import searching
    from search.terms import read_terms

    found = home.request(request_id)
    with worker_slot(home.settings):
        counting = searching.counting_by_workers(home, request_id, workers) if workers is not None else None
        listed = read_terms(found.terms.encode("utf-8"))
        piece = _COUNTED_TOGETHER if workers is not None else None
        report = searching.run(home, found, found.version, listed, counting, piece)
    return {
        "terms": len(report.terms),
        "documents": report.totals.documents,
        "bad_lines": len(report.bad_lines),
    }


def flag(home: Home, request_id: str, run_key: str) -> Counts:
    """Suggest a retention series for every item in review, bring Kibana up to date, wait for a person."""
    _at_work(home, request_id, run_key)
    from desk.describing import describe
    from retention.suggest import flag_request

    with worker_slot(home.settings):
        report = flag_request(home.catalogue, home.store(request_id), request_id)
        describe(home, request_id)
    if not runlock.is_local(run_key):
        runlock.wait_for_person(home, request_id, run_key)
    return _flag_counts(report)


def _flag_counts(report: FlagReport) -> Counts:
    return {"items": report.items, "with_series": report.with_series, "unverified": report.unverified}


def record_answer(
    home: Home, request_id: str, run_key: str, step: str, answer: str, by: str, at: str
) -> Counts:
    """Write a person's answer to a waiting step into our own audit log; once, though its task be repeated.

    Args:
        home: Open.
        request_id: The request.
        run_key: The run.
        step: ``review`` or ``approve``.
        answer: The chosen option.
        by: Who answered, as Airflow knows them.
        at: When, ISO 8601 UTC, as Airflow recorded it.
    """
    runlock.renew(home, request_id, run_key)
    with home.catalogue.write() as connection:
        if _is_recorded(connection, {"request": request_id, "step": step, "answered_at": at}):
            return {"step": step, "answer": answer}
        audit.append(
            connection,
            action="answered",
            actor=by,
            request_id=request_id,
            step=step,
            answer=answer,
            answered_at=at,
        )
    return {"step": step, "answer": answer}


def _is_recorded(connection: sa.Connection, answer: dict[str, str]) -> bool:
    """Say whether the audit log has this answer: entries are canonical JSON, so facts stand in them so."""
    facts = [canonical.dumps({name: value})[1:-1] for name, value in {"action": "answered", **answer}.items()]
    entries = sa.select(sa.func.count()).select_from(t.audit)
    wanted = entries.where(*(t.audit.c.entry.contains(fact, autoescape=True) for fact in facts))
    return connection.execute(wanted).scalar_one() > 0


def draft(home: Home, request_id: str, run_key: str) -> Counts:
    """Build the draft of the next instalment, with draft numbers."""
    _at_work(home, request_id, run_key)
    from desk import bundle

    return bundle.draft(home, request_id)


def gate(home: Home, request_id: str, run_key: str) -> Counts:
    """Open the draft and look for everything that must not be in it; then the run waits for approval.

    Raises:
        CheckFailed: Something is in it that must not be; nothing goes further.
    """
    _at_work(home, request_id, run_key)
    from desk import bundle

    counts = bundle.gate(home, request_id)
    if not runlock.is_local(run_key):
        runlock.wait_for_person(home, request_id, run_key)
    return counts


def record_approval(home: Home, request_id: str, run_key: str, answer: str, by: str, at: str) -> Counts:
    """Act on the answer to the approval step: only ``Approve`` makes the numbers permanent."""
    record_answer(home, request_id, run_key, "approve", answer, by, at)
    from desk import bundle

    return bundle.approve(home, request_id, by=by, approved=answer == "Approve")


def package(home: Home, request_id: str, run_key: str) -> Counts:
    """Package the approved instalment.

    Raises:
        UsageError: It was not approved.
    """
    _at_work(home, request_id, run_key)
    from desk import bundle

    return bundle.package(home, request_id)


def finish(home: Home, request_id: str, run_key: str) -> Counts:
    """End the run: complete, complete with exceptions, or partial where a place was not read."""
    _at_work(home, request_id, run_key)
    from desk.coverage import coverage

    counted = ledger(home.catalogue, request_id)
    not_read = coverage(home, request_id, counted).not_read
    outcome = _outcome(not_read, sum(counted.exceptions.values()))
    runlock.end(home, request_id, run_key, outcome)
    return {"outcome": outcome, "balanced": counted.balanced, "places_not_read": not_read}


def _outcome(not_read: int, exceptions: int) -> str:
    """Return how a run ended, in words that stay the same."""
    if not_read:
        places = f"{not_read} {'place' if not_read == 1 else 'places'} not read"
        return f"partial: {places}, {exceptions} exceptions" if exceptions else f"partial: {places}"
    return f"complete with {exceptions} exceptions" if exceptions else "complete"


def _at_work(home: Home, request_id: str, run_key: str) -> None:
    if not runlock.is_local(run_key):
        runlock.renew(home, request_id, run_key)


# --- the same steps in this process --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    Attributes:
        step: Name of the step.
        done: Items collected so far.
        expected: Items expected, or None when a scope does not say.
        seconds: Since the step began.
    """

    step: str
    done: int
    expected: int | None
    seconds: float


def run_local(
    home: Home,
    request_id: str,
    show: Callable[[Progress], None] | None = None,
    *,
    take_over: bool = False,
) -> Counts:
    """Run every step up to the review in this process and its workers; resumes what an earlier run left.

    Args:
        home: Open.
        request_id: The request.
        show: Told where the run is, twice a second.
        take_over: Put an end to an Airflow run that waits for a person or died.

    Raises:
        AlreadyRunning: Another run of the request is alive.
        Incomplete: A worker died or the disk is full; run again to resume.
    """
    run_key = f"local-{time.time_ns():x}"
    tell = show or _silent
    with runlock.local_run(home, request_id):
        try:
            return _run_local(home, request_id, run_key, tell, take_over=take_over)
        except BaseException:
            with contextlib.suppress(DaylightError):  # on a full disk; the next run marks this one then
                runlock.end(home, request_id, run_key, runlock.INTERRUPTED)
            raise


def _silent(_progress: Progress) -> None:
    return None


def _run_local(
    home: Home, request_id: str, run_key: str, tell: Callable[[Progress], None], *, take_over: bool
) -> Counts:
    out: Counts = {"request_id": request_id}
    with pool.workers(home.settings, request_id, reading=True) as workers:  # they get ready meanwhile
        tell(Progress("open", 0, None, 0.0))
        open_run(home, request_id, run_key, take_over=take_over)
        tell(Progress("plan", 0, None, 0.0))
        plan(home, request_id, run_key)
        _run_batches(home, request_id, workers, tell)
        tell(Progress("reconcile", 0, None, 0.0))
        out["reconcile"] = reconcile(home, request_id, run_key)
        tell(Progress("terms", 0, None, 0.0))
        out["terms"] = terms(home, request_id, run_key, workers)
        tell(Progress("flag", 0, None, 0.0))
        from desk.describing import describe
        from retention.suggest import FlagReport

        groups = _groups(_batches(home, request_id), home.settings)
        out["flag"] = _flag_counts(FlagReport.together(workers.map(pool.run_flags, groups)))
        describe(home, request_id)
    return {**out, "outcome": finish(home, request_id, run_key)["outcome"]}


def _run_batches(
    home: Home, request_id: str, workers: ProcessPoolExecutor, tell: Callable[[Progress], None]
) -> None:
    """Take batches through their three steps, as many at once as there are workers."""
    began = time.monotonic()
    waiting = {workers.submit(pool.run_batch, batch_id) for batch_id, _ in waiting_batches(home, request_id)}
    for name in _LATER:
        import_module(name)
    import_module("search.language").prepare()
    for _ in pool.until_done(waiting):
        tell(_batch_progress(home, request_id, time.monotonic() - began))


def _batch_progress(home: Home, request_id: str, seconds: float) -> Progress:
    a, s = t.attempts.c, t.scopes.c
    with home.catalogue.read() as connection:
        done = connection.execute(
            sa.select(sa.func.coalesce(sa.func.sum(a["items"]), 0)).where(
                a.request_id == request_id, a.step == "collect"
            )
        ).scalar_one()
        expected = connection.execute(
            sa.select(sa.func.sum(s.expected), sa.func.count(), sa.func.count(s.expected)).where(
                s.request_id == request_id
            )
        ).one()
    total = int(expected[0]) if expected[0] is not None and expected[1] == expected[2] else None
    return Progress("collect, extract, index", int(done), total, seconds)
