"""Searching at the desk: queries, hit reports, rebuilding the index."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk import pool, runlock
from desk.describing import describe_after
from desk.home import Home, OpenRequest
from desk.items import short_time
from desk.outputs import refuse_existing
from desk.register import term_columns
from records import audit, canonical
from records import tables as t
from records.attempts import refuse_all
from records.errors import AccessError, UsageError
from records.evidence import BlobRef
from records.ledger import ledger
from search import matcher, query, reports
from search.embedded import EmbeddedEngine
from search.occurrences import Counted, Piece
from search.protocol import Hit
from search.term_details import Appendix, Difference, Moved, Sample, difference, overlaps
from search.term_details import samples as draw_samples
from search.terms import (
    BadLine,
    Counting,
    HitReport,
    TermList,
    decoded,
    load_report,
    read_terms,
    run_terms,
    to_json,
    unusable_lines,
)
from search.tree import Node
from search.unsearched import gap_items

PAGE = 500
LONG_LIST = 50
"""Terms from which on worker processes will probably be needed."""

SCRATCH_VERSION = 0
"""Hits of a list that was only tried; versions of a request start at 1."""


def count(home: Home, request_id: str, text: str, *, by: str) -> dict[str, int]:
    """Count a query exactly; logged.

    Raises:
        UsageError: There is no such request, or the query cannot be read.
    """
    found = home.request(request_id)
    answer = query.count(home.catalogue, home.engine(request_id), request_id, text, found.body.zone, by)
    return {
        "documents": answer.counts.documents,
        "families": answer.counts.families,
        "distinct": answer.counts.distinct,
    }


def search(home: Home, request_id: str, text: str, *, by: str, snippets: bool) -> Iterator[dict[str, Any]]:
    """Yield every hit of a query, in item-id order; logged once; no result wall.

    Raises:
        UsageError: There is no such request, or the query cannot be read.
    """
    found = home.request(request_id)
    engine = home.engine(request_id)
    answer = query.search(home.catalogue, engine, request_id, text, found.body.zone, by, limit=PAGE)
    page: list[Hit] = list(answer.hits)
    while page:
        yield from _described(home, request_id, page, answer.node if snippets else None)
        page = engine.search(answer.node, page[-1].item_id, PAGE) if len(page) == PAGE else []


def _described(home: Home, request_id: str, page: list[Hit], node: Node | None) -> Iterator[dict[str, Any]]:
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        rows = {
            row.item_id: row
            for row in connection.execute(
                sa.select(i.item_id, i.name, r.kind, r.subject, r.sent_at, r.text_sha256)
                .outerjoin_from(
                    t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id)
                )
                .where(i.request_id == request_id, i.item_id.in_([hit.item_id for hit in page]))
            )
        }
    refs: dict[str, BlobRef] = {}
    if node is not None:
        refs = home.store(request_id).find(row.text_sha256 for row in rows.values() if row.text_sha256)
    for hit in page:
        row = rows[hit.item_id]
        out = {
            "item_id": hit.item_id,
            "family_id": hit.family_id,
            "custodian": hit.custodian_id,
            "source": hit.source_id,
            "kind": row.kind,
            "sent_at": short_time(row.sent_at),
            "subject": row.subject,
            "name": row.name,
        }
        if node is not None:
            text = ""
            if row.text_sha256 in refs:
                text = home.store(request_id).read(refs[row.text_sha256]).decode("utf-8")
            out["snippets"] = [
                *matcher.snippets(node, row.subject or "", field="subject"),
                *matcher.snippets(node, text),
            ]
        yield out


def hit_report(
    home: Home,
    request_id: str,
    terms: Path | None,
    out: Path | None,
    *,
    by: str,
    adopt: bool = False,
    compare: int | None = None,
    samples: int = 0,
    seed: int = 1,
) -> dict[str, Any]:
    """Run a term list and return its hit report.

    Args:
        home: Open.
        request_id: The request.
        terms: Another list to try; None: the request's own (of a closed request, as it was counted last). A
            list that is only tried leaves the review as it is.
        out: Also write the report, with what lies behind it, to this .csv, .xlsx or .html file, which must
            not exist.
        by: Who asks; for the audit log.
        adopt: Make ``terms`` the request's list from now on: a new version of the request.
        compare: Also say what changed since this version of the request's list. None: since the version in
            force, where another list is tried or adopted; else nothing is compared.
        samples: Hits a term to show in their words, in the written report only; it is then for the office.
        seed: What the samples are drawn with.

    Returns:
        The report as JSON, with ``difference`` (None where nothing is compared).

    Raises:
        AccessError: The list is not there.
        SettingsError: It has no column ``term``.
        UsageError: ``out`` exists or has another suffix; ``adopt`` without a list, or of a closed request;
            samples without a page or workbook to write them in; nothing was ever counted for ``compare``.
    """
    found = home.request(request_id)
    _check_out(out)
    if samples and (out is None or out.suffix == ".csv"):
        raise UsageError("sample hits are written into an .xlsx or .html report: name one with --out")
    if adopt and found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its term list no longer changes")
    before = _report_before(home, found, compare, other_list=terms is not None)
    report = _counted(home, found, terms, adopt=adopt, by=by)
    change = difference(home.catalogue, before, report) if before is not None else (None, None)
    with home.catalogue.write() as connection:
        audit.append(
            connection,
            action="counted",
            actor=by,
            request_id=request_id,
            version=report.version,
            terms=len(report.terms),
            documents=report.totals.documents,
            **({"samples": samples, "seed": seed} if samples else {}),
        )
    if out is not None:
        _write(home, found, report, change, out, samples, seed)
    made: dict[str, Any] = canonical.loads(to_json(report))
    made["difference"] = canonical.loads(canonical.dumps(asdict(change[0]))) if change[0] else None
    return made


def _counted(home: Home, found: OpenRequest, terms: Path | None, *, adopt: bool, by: str) -> HitReport:
    """Count a list; of a closed request, return the report it was closed with: nothing is counted anew."""
    version = found.version
    if terms is not None:
        if not terms.is_file():
            raise AccessError(f"{terms}: there is no such file")
        data = terms.read_bytes()
        listed = read_terms(data)
        version = _adopt(home, found, data, by) if adopt else SCRATCH_VERSION
    elif adopt:
        raise UsageError("--adopt needs a term list to adopt")
    elif found.state == "closed":
        kept = load_report(home.catalogue, found.request_id, version)
        if kept is None:
            raise UsageError(f"request {found.request_id} is closed, and its terms were never counted")
        return kept
    else:
        listed = read_terms(found.terms.encode("utf-8"))
    with ExitStack() as opened:
        workers = None
        if len(listed.terms) >= LONG_LIST:  # they get ready while the index is asked
            workers = opened.enter_context(pool.workers(home.settings, found.request_id, reading=False))
        report = run(home, found, version, listed, counting_by_workers(home, found.request_id, workers))
    if version != SCRATCH_VERSION:
        describe_after(home, found.request_id)
    return report


def _report_before(
    home: Home, found: OpenRequest, compare: int | None, *, other_list: bool
) -> HitReport | None:
    """Return the report to compare with, read before a new one can take its place."""
    if compare is None:
        return load_report(home.catalogue, found.request_id, found.version) if other_list else None
    kept = load_report(home.catalogue, found.request_id, compare)
    if kept is None or compare == SCRATCH_VERSION:
        raise UsageError(f"there is no hit report of version {compare} of request {found.request_id}")
    if compare == found.version and not other_list:
        raise UsageError(f"version {compare} is the list in force: name an earlier one, or another list")
    return kept


def _write(
    home: Home,
    found: OpenRequest,
    report: HitReport,
    change: tuple[Difference, Moved] | tuple[None, None],
    out: Path,
    samples: int,
    seed: int,
) -> None:
    if out.suffix == ".csv":
        out.write_text(reports.to_csv(report), "utf-8-sig", newline="")
        return
    store = home.store(found.request_id)
    drawn: tuple[Sample, ...] = ()
    if samples:
        drawn = draw_samples(
            home.catalogue,
            store,
            found.request_id,
            report,
            found.body.zone,
            most=samples,
            seed=seed,
            closed=[source.id for source in found.body.sources if source.readers],
        )
    pairs = overlaps(home.catalogue, found.request_id, report.version)
    appendix = Appendix(pairs, change[0], change[1], samples=drawn, most=samples, seed=seed)
    if out.suffix == ".html":
        out.write_text(reports.to_html(report, appendix), "utf-8")
        return
    from search.report_xlsx import write_xlsx  # slow to load, and a run writes no workbook

    rows = list(gap_items(home.catalogue, home.engine(found.request_id), found.request_id))
    write_xlsx(report, appendix, rows, out)


def unusable_terms(home: Home, request_id: str) -> list[BadLine]:
    """Return the lines of a request's own term list that cannot be searched, and why."""
    found = home.request(request_id)
    return unusable_lines(read_terms(found.terms.encode("utf-8")), found.body.zone) if found.terms else []


def run(
    home: Home,
    found: OpenRequest,
    version: int,
    listed: TermList,
    counting: Counting | None = None,
    piece: int | None = None,
) -> HitReport:
    """Run a list for one version of a request and keep its hits and report; ``run_terms`` says the rest."""
    return run_terms(
        home.catalogue,
        home.store(found.request_id),
        home.engine(found.request_id),
        found.request_id,
        version,
        listed.terms,
        found.body.zone,
        listed.bad_lines,
        counting,
        piece,
    )


def counting_by_workers(home: Home, request_id: str, workers: ProcessPoolExecutor | None = None) -> Counting:
    """Return what counts occurrences in worker processes: those given, or some opened when it is called."""

    def counting(nodes: tuple[Node, ...], pieces: list[Piece]) -> Iterator[Counted]:
        count = partial(pool.run_counts, pickle.dumps(nodes))  # once for all pieces
        if workers is not None:
            yield from workers.map(count, pieces)
            return
        with pool.workers(home.settings, request_id, reading=False) as opened:
            yield from opened.map(count, pieces)

    return counting


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix not in {".csv", ".xlsx", ".html"}:
        raise UsageError("a hit report is written as .csv, .xlsx or .html")
    refuse_existing(out)


def _adopt(home: Home, found: OpenRequest, data: bytes, by: str) -> int:
    """Add a version of the request with another term list; return its number."""
    with home.catalogue.write() as connection:
        return adopt(connection, found, decoded(data), by, "another term list")


def adopt(connection: sa.Connection, found: OpenRequest, terms_csv: str, by: str, why: str) -> int:
    """Make a list the request's own within a writing transaction: a new version, still to be counted.

    Args:
        connection: A transaction from ``Catalogue.write``.
        found: The request as it was read before the transaction.
        terms_csv: The list's text.
        by: Who does this.
        why: Stands beside the version.

    Returns:
        The number of the version.

    Raises:
        UsageError: Somebody else made a version meanwhile.
    """
    r, version = t.requests.c, found.version + 1
    changed = connection.execute(
        t.requests.update()
        .where(r.request_id == found.request_id, r.version == found.version)
        .values(version=version)
    ).rowcount
    if not changed:
        raise UsageError(f"the term list of request {found.request_id} was changed meanwhile: do this again")
    connection.execute(
        t.request_versions.insert(),
        {
            "request_id": found.request_id,
            "version": version,
            "body": found.as_json(),
            **term_columns(terms_csv),
            "at": canonical.now_text(),
            "by": by,
            "why": why,
        },
    )
    audit.append(
        connection,
        action="versioned",
        actor=by,
        request_id=found.request_id,
        version=version,
        what="terms",
    )
    return version


def publish(home: Home, request_id: str, documents: int) -> None:
    """Let people read a request's index where it is on a cluster; the embedded one is the program's alone.

    Args:
        home: Open.
        request_id: The request.
        documents: What the ledger says it must hold.

    Raises:
        CheckFailed: It holds another number; people go on reading what they read before.
    """
    engine = home.engine(request_id)
    if not isinstance(engine, EmbeddedEngine):
        engine.publish(documents)


def reindex(home: Home, request_id: str) -> dict[str, int]:
    """Drop the search index and build it anew from catalogue and evidence.

    Raises:
        AlreadyRunning: A local run of the request is alive. A task of an Airflow run that is still indexing
            stops with ``AttemptLost``.
    """
    home.request(request_id)
    with runlock.local_run(home, request_id):
        return _reindex(home, request_id)


def _reindex(home: Home, request_id: str) -> dict[str, int]:
    b = t.batches.c
    with home.catalogue.write() as connection:
        refuse_all(connection, request_id)  # an old attempt must not call a batch done that is dropped below
        connection.execute(
            t.batches.update()
            .where(b.request_id == request_id, b.extract_state == "done")
            .values(index_state="waiting")
        )
        batch_ids = list(
            connection.execute(
                sa.select(b.batch_id).where(b.request_id == request_id, b.extract_state == "done")
            ).scalars()
        )
    engine = home.engine(request_id)
    if isinstance(engine, EmbeddedEngine):
        engine.drop()
    else:
        engine.rebuild()  # people read the older version until the new one is whole
    from desk.batch import batch_runner

    with batch_runner(home, request_id, "local-reindex") as runner:
        documents = sum(map(runner.index, sorted(batch_ids)))
    if documents == ledger(home.catalogue, request_id).text["stored"]:
        publish(home, request_id, documents)  # else reconcile says what is missing
    return {"batches": len(batch_ids), "documents": documents}
