"""Collecting the facts of an adequacy report from the catalogue and the index."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import sqlalchemy as sa

from connectors.registry import connector
from desk.adequacy import care
from desk.adequacy import facts as f
from desk.books import books
from desk.bundle import waiver
from desk.coverage import Coverage, Place, coverage
from desk.declaring import Standing
from desk.declaring import standing as standing_of
from desk.holds import read_holds
from desk.home import Home
from desk.leads import signals
from desk.sampling import series
from desk.topping_up import report as rounds_of
from records import audit, canonical
from records import tables as t
from records.errors import Incomplete, SettingsError
from records.ledger import Ledger, ScopeLedger
from records.ocr_pages import ocr_pages
from records.roster import read_roster
from records.vocabulary import CollectionState, ReviewState, Sighting
from search.terms import BadLine, from_json, read_terms, unusable_lines
from search.unsearched import KINDS, unsearched

TRIES = 5
"""How often the facts are collected anew when somebody writes meanwhile."""

NOT_RECORDED = (
    "notices to keep records that were sent outside of this program",
    "talks with custodians about where records are kept",
    "searches made outside of this program",
)
"""What no table holds; the report says so rather than leaving it out."""

_PROGRAMS = ("daylight", "iscc-tika", "sqlalchemy", "apsw", "elasticsearch", "typst")


def collect(home: Home, request_id: str, *, by: str) -> f.Facts:
    """Collect the facts of a request as they stand.

    What people do about a request is in the audit log: when it has entries that came meanwhile, the facts are
    collected anew, so that the figures of one report belong together.

    Args:
        home: Open.
        request_id: The request.
        by: Who asks.

    Raises:
        UsageError: There is no such request.
        Incomplete: Somebody was at work on it all the time.
    """
    home.request(request_id)
    for _ in range(TRIES):
        with home.catalogue.read() as connection:
            before = sum(1 for _ in _entries(connection, request_id))
        found = _collect(home, request_id, by)
        if found.integrity.entries == before:
            return found
    raise Incomplete(f"request {request_id} is being worked on; run the same command again for its report")


def _collect(home: Home, request_id: str, by: str) -> f.Facts:
    now = home.request(request_id)
    counted = books(home, request_id)
    gaps = unsearched(home.catalogue, home.engine(request_id), request_id)
    domains = now.body.district_domains()
    standing = signals(home, request_id)
    drawn = series(home, request_id)
    covered = bool(waiver(home, request_id))
    reached = coverage(home, request_id, counted)
    rounds = rounds_of(home, request_id)
    declared = standing_of(home, request_id)
    with home.catalogue.read() as connection:
        bodies = _bodies(connection, request_id)
        searches = _searches(connection, request_id)
        return f.Facts(
            request_id=request_id,
            version=now.version,
            made_at=canonical.now_text(),
            made_by=by,
            request=_request(connection, request_id, domains),
            people=_people(bodies),
            places=_places(connection, request_id, bodies, counted),
            declarations=_declarations(declared),
            coverage=_coverage(reached),
            top_ups=_top_ups(rounds),
            holds=_holds(connection, request_id),
            ruled_out=_ruled_out(bodies),
            tools=_tools(connection, request_id, home),
            terms=_terms(connection, request_id, now.body.zone),
            variants=care.variants(connection, request_id),
            found=_found(connection, request_id, counted),
            unsearched=f.GapFacts(
                _GAP_ORIGIN,
                tuple(
                    f.Gap(
                        gap.kind, KINDS[gap.kind].label, KINDS[gap.kind].extent, KINDS[gap.kind].unit,
                        gap.custodian, gap.source, gap.count,
                    )
                    for gap in gaps.gaps
                ),
                gaps.whole, gaps.part, gaps.places,
            ),
            leads=care.leads(connection, request_id, standing),
            samples=care.samples(connection, request_id, drawn),
            exceptions=_exceptions(connection, request_id, counted, covered=covered),
            freeze=_freeze(connection, request_id),
            searches=searches,
            integrity=_integrity(connection, request_id),
            not_recorded=NOT_RECORDED,
        )  # fmt: skip


# -- the request


def _bodies(connection: sa.Connection, request_id: str) -> dict[int, dict[str, Any]]:
    v = t.request_versions.c
    rows = connection.execute(
        sa.select(v.version, v.body).where(v.request_id == request_id).order_by(v.version)
    )
    return {version: canonical.loads(body) for version, body in rows}


def _request(connection: sa.Connection, request_id: str, domains: tuple[str, ...]) -> f.RequestFacts:
    v, o = t.request_versions.c, t.rosters.c
    row = connection.execute(sa.select(t.requests).where(t.requests.c.request_id == request_id)).one()
    rosters: dict[int, str] = dict(
        map(
            tuple,
            connection.execute(
                sa.select(o.version, o.roster_csv).where(o.request_id == request_id, o.version <= row.version)
            ),
        )
    )
    versions: list[f.Version] = []
    before: dict[str, Any] | None = None
    body: dict[str, Any] = {}
    for version in connection.execute(
        sa.select(t.request_versions).where(v.request_id == request_id).order_by(v.version)
    ):
        body = canonical.loads(version.body)
        compared = {**body, "terms": version.terms_csv, "roster": rosters.get(version.version)}
        if before is not None and compared["roster"] is None:
            compared["roster"] = before["roster"]  # a roster stays until another one comes
        changed = sorted(key for key in compared if before is not None and compared[key] != before.get(key))
        window = body.get("window", {})
        versions.append(
            f.Version(
                version.version, version.at, version.by, version.why, tuple(changed),
                body["text"], window.get("from"), window.get("to"),
            )
        )  # fmt: skip
        before = compared
    roster = rosters[max(rosters)] if rosters else ""
    return f.RequestFacts(
        origin=(
            f.Origin("received_on, due_on, opened_at, closed_at, time_zone", "requests", "request_id"),
            f.Origin("versions, requester", "request_versions", "request_id; a row a version"),
            f.Origin("roster_lines", "rosters", "request_id; the newest version; lines with a name"),
        ),
        received_on=row.received_on,
        due_on=row.due_on,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        time_zone=row.time_zone,
        requester=body.get("requester", ""),
        domains=domains,
        roster_lines=len(read_roster(roster)),
        versions=tuple(versions),
    )


def _newest(bodies: dict[int, dict[str, Any]], key: str) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return what the newest version says of every custodian or source that any version names, by id."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    for version, body in bodies.items():
        for one in body[key]:
            found[one["id"]] = version, one
    return dict(sorted(found.items()))


def _people(bodies: dict[int, dict[str, Any]]) -> f.PeopleFacts:
    sources = _newest(bodies, "sources")
    return f.PeopleFacts(
        (f.Origin("custodians", "request_versions", "request_id; key custodians of every version"),),
        tuple(
            f.Custodian(
                id_,
                one["name"],
                one.get("role", ""),
                tuple(one.get("emails", ())),
                tuple(one.get("numbers", ())),
                tuple(one.get("aliases", ())),
                tuple(source for source, (_, body) in sources.items() if body["custodian"] == id_),
                version,
            )
            for id_, (version, one) in _newest(bodies, "custodians").items()
        ),
    )


def _places(
    connection: sa.Connection, request_id: str, bodies: dict[int, dict[str, Any]], counted: Ledger
) -> f.PlaceFacts:
    a, b, s = t.attempts.c, t.batches.c, t.scopes.c
    times = {
        row.source_id: row
        for row in connection.execute(
            sa.select(
                b.source_id,
                sa.func.min(a.started_at).label("first"),
                sa.func.max(a.ended_at).label("last"),
            )
            .join_from(t.batches, t.attempts, (a.request_id == b.request_id) & (a.batch_id == b.batch_id))
            .where(b.request_id == request_id, a.step == "collect")
            .group_by(b.source_id)
        )
    }
    labels = {
        (row.source_id, row.scope_key): (row.label, row.kind)
        for row in connection.execute(
            sa.select(s.source_id, s.scope_key, s.label, s.kind).where(s.request_id == request_id)
        )
    }
    by_source: dict[str, list[ScopeLedger]] = {}
    for scope in counted.scopes:
        by_source.setdefault(scope.source, []).append(scope)
    places = []
    for id_, (version, source) in _newest(bodies, "sources").items():
        scopes = by_source.get(id_, [])
        at = times.get(id_)
        places.append(
            f.Place(
                id=id_,
                custodian=source["custodian"],
                connector=source["connector"],
                path=source["path"],
                readers=tuple(source.get("readers", ())),
                kept_back=source.get("kept_back"),
                collected_from=at.first if at else None,
                collected_to=at.last if at else None,
                found=sum(scope.found for scope in scopes),
                stored=sum(scope.stored for scope in scopes),
                failed=sum(scope.failed for scope in scopes),
                excluded=sum(scope.excluded for scope in scopes),
                scopes=tuple(_scope(scope, *labels[scope.source, scope.scope]) for scope in scopes),
                last_version=version,
            )
        )
    return f.PlaceFacts(
        (
            f.Origin("id, custodian, connector, path, readers, kept_back", "request_versions",
                     "request_id; key sources of every version"),
            f.Origin("key, label, kind, expected, expected_by, failure", "scopes",
                     "request_id; a row a place"),
            f.Origin("found, stored, failed, excluded", "items",
                     "request_id, level = 0; rows by source_id, scope_key and state"),
            f.Origin("collected_from, collected_to", "attempts",
                     "request_id, step = collect; first started_at and last ended_at, by the batch's source"),
            f.Origin("ended", "batches", "request_id; every collect_state of the place is done"),
            f.Origin("exports", "export_paths", "request_id; a row an export, of sources in force"),
        ),
        tuple(places),
        tuple(
            f.Export(one.source, one.paths, one.read, _counts(one.ignored), one.unknown)
            for one in counted.exports
        ),
    )  # fmt: skip


def _scope(scope: ScopeLedger, label: str, kind: str) -> f.Scope:
    return f.Scope(
        scope.scope, label, kind, scope.expected, scope.expected_by, scope.found, scope.stored, scope.failed,
        scope.excluded, scope.failure, scope.complete, scope.balanced,
    )  # fmt: skip


def _declarations(found: Standing) -> f.DeclarationFacts:
    now = [one for one in found.declarations if one.in_force]
    return f.DeclarationFacts(
        (
            f.Origin("declarations, answered, used, not_used", "declarations",
                     "request_id; a row a declaration; in force: the highest seq of a custodian"),
            f.Origin("receipts, files", "receipts", "request_id, custodian_id, seq; a row a file"),
            f.Origin("kept_back", "declarations", "request_id, in force; kept_back of the places in body"),
            f.Origin("unanswered, gaps", "declarations, receipts, request_versions",
                     "request_id; custodians and declared sources of the version in force"),
        ),
        len(now),
        sum(one.used for one in now),
        sum(not one.used for one in now),
        found.unanswered,
        sum(len(place.receipts) for one in now for place in one.places),
        sum(place.kept_back for one in now for place in one.places),
        tuple(
            f.Declared(
                one.custodian, one.seq, one.in_force, one.version, one.used, one.answered_on, one.statement,
                one.by, one.at,
                tuple(
                    f.DeclaredPlace(
                        place.kind, place.which, place.how_searched, place.source, place.handed_over,
                        place.kept_back, place.why,
                        tuple(
                            f.Receipt(file.path, file.sha256, file.size_bytes, file.received_at)
                            for file in place.receipts
                        ),
                    )
                    for place in one.places
                ),
            )
            for one in found.declarations
        ),
        tuple(
            f.DeclarationGap(
                str(gap.gap), gap.custodian, gap.source, "" if gap.place is None else f"place {gap.place}",
                gap.files,
            )
            for gap in found.gaps
        ),
    )  # fmt: skip


def _coverage(reached: Coverage) -> f.CoverageFacts:
    return f.CoverageFacts(
        (
            f.Origin("found, expected, expected_by", "scopes, items",
                     "request_id; a row a place that was listed, with the top items met there"),
            f.Origin("state, detail", "scopes, batches, unreached",
                     "request_id; failure_reason, collect_state and found against expected; reach of places "
                     "that were not listed"),
            f.Origin("places that are a whole source", "source_checks",
                     "request_id; the last answer of a source of the version in force"),
        ),
        _counts(reached.states),
        reached.not_read,
        tuple(
            f.CoveredPlace(
                one.custodian, one.source, one.connector, one.place, one.label, one.kind, str(one.state),
                one.found, one.expected, one.expected_by, _code(one),
            )
            for one in reached.places
        ),
    )  # fmt: skip


def _code(place: Place) -> str:
    """Return why a place is not read; what an administrator would have to do is no part of the record."""
    code, _, words = place.detail.partition(": ")
    return code if place.place and " " in words else place.detail


def _top_ups(rounds: Sequence[dict[str, Any]]) -> f.TopUpFacts:
    return f.TopUpFacts(
        (
            f.Origin("number, version, at, by, why", "top_ups", "request_id; a row a round"),
            f.Origin("outcomes", "sightings, items, batches",
                     "request_id, round; rows by outcome, and items of places first listed in it; of the "
                     "vanished, those that the sighting before does not call so"),
            f.Origin("ended", "batches, scopes", "request_id; every batch up to the round is done"),
        ),
        tuple(
            f.TopUp(
                one["round"], one["version"], one["at"], one["by"], one["why"], one["done"],
                tuple(f.Count(str(code), one["total"][code]) for code in Sighting if one["total"][code]),
            )
            for one in rounds
        ),
    )  # fmt: skip


def _holds(connection: sa.Connection, request_id: str) -> f.HoldFacts:
    found = read_holds(connection, request_id)
    return f.HoldFacts(
        (
            f.Origin("holds", "holds", "request_id; a row a hold, proposed at its time"),
            f.Origin("state, events, in_force", "hold_events",
                     "request_id, hold_id; by seq; in force: the highest says placed or acknowledged"),
        ),
        sum(one.in_force for one in found),
        tuple(
            f.HoldFact(
                one.hold_id, one.custodian, one.source, one.route, one.scope.get("account", ""),
                one.scope.get("corpus", ""), one.scope["from"], one.scope["to"], one.state,
                tuple(
                    f.HoldEvent(
                        event["event"], event["at"], event["by"], event["why"],
                        _proof(event["proof"]),
                    )
                    for event in one.events
                ),
            )
            for one in found
        ),
    )  # fmt: skip


def _proof(proof: dict[str, Any]) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {_said(value)}" for name, value in proof.items())


def _said(value: Any) -> str:
    """Return a value of a proof in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _ruled_out(bodies: dict[int, dict[str, Any]]) -> f.RuledOutFacts:
    first: dict[tuple[str, str], int] = {}
    newest = bodies[max(bodies)]
    for version, body in bodies.items():
        for one in body.get("ruled_out", ()):
            first.setdefault((one["place"], one["why"]), version)
    return f.RuledOutFacts(
        (f.Origin("places", "request_versions", "request_id; key ruled_out of the newest version"),),
        tuple(
            f.RuledOut(one["place"], one["why"], first[one["place"], one["why"]])
            for one in newest.get("ruled_out", ())
        ),
    )


# -- tools


def _tools(connection: sa.Connection, request_id: str, home: Home) -> f.ToolFacts:
    r, s = t.readings.c, t.scopes.c
    readers = connection.execute(
        sa.select(r.extractor, r.extractor_version, sa.func.count())
        .where(r.request_id == request_id)
        .group_by(r.extractor, r.extractor_version)
        .order_by(r.extractor, r.extractor_version)
    )
    used = connection.execute(
        sa.select(s.connector, sa.func.count(s.source_id.distinct()))
        .where(s.request_id == request_id)
        .group_by(s.connector)
        .order_by(s.connector)
    )
    return f.ToolFacts(
        (
            f.Origin("connectors", "scopes", "request_id; sources by connector"),
            f.Origin("readers", "readings", "request_id; rows by extractor and extractor_version"),
            f.Origin("indexes", "searches, term_reports",
                     "request_id; the index state that each names (reports: version > 0)"),
        ),
        _installed(home),
        tuple(_connector(name, count) for name, count in used),
        tuple(f.Reader(*row) for row in readers),
        _indexes(connection, request_id),
    )  # fmt: skip


def _installed(home: Home) -> tuple[f.Installed, ...]:
    found = [f.Installed("python", platform.python_version())]
    for name in _PROGRAMS:
        try:
            found.append(f.Installed(name, metadata.version(name)))
        except metadata.PackageNotFoundError:  # elasticsearch is an extra
            continue
    with home.catalogue.read() as connection:
        query = "SHOW server_version" if home.catalogue.dialect == "postgresql" else "SELECT sqlite_version()"
        found.append(f.Installed(home.catalogue.dialect, str(connection.exec_driver_sql(query).scalar_one())))
    return tuple(sorted(found, key=lambda one: one.name))


def _connector(name: str, sources: int) -> f.Connector:
    try:
        found = connector(name)
    except SettingsError:  # it is no longer part of the program
        return f.Connector(name, "", (), sources)
    return f.Connector(name, found.version, tuple(found.does_not_cover), sources)


def _indexes(connection: sa.Connection, request_id: str) -> tuple[f.Index, ...]:
    s, r = t.searches.c, t.term_reports.c
    searches: Counter[tuple[str, str, int, int]] = Counter()
    reports: Counter[tuple[str, str, int, int]] = Counter()
    for (state,) in connection.execute(sa.select(s.index_state).where(s.request_id == request_id)):
        searches[_index_key(canonical.loads(state))] += 1
    for (report,) in connection.execute(sa.select(r.report).where(r.request_id == request_id, r.version > 0)):
        reports[_index_key(canonical.loads(report)["index"])] += 1
    return tuple(
        f.Index(*key, searches=searches[key], reports=reports[key]) for key in sorted({*searches, *reports})
    )


def _index_key(state: dict[str, Any]) -> tuple[str, str, int, int]:
    return state["engine"], state["analyzer"], state["documents"], state["batches"]


# -- terms


def _terms(connection: sa.Connection, request_id: str, zone: Any) -> f.TermFacts:
    v, r = t.request_versions.c, t.term_reports.c
    kept = {
        version: report
        for version, report in connection.execute(
            sa.select(r.version, r.report).where(r.request_id == request_id, r.version > 0)
        )
        if "unsearched" in canonical.loads(report)  # one of an earlier form counts as none
    }
    rows = connection.execute(
        sa.select(v.version, v.terms_csv).where(v.request_id == request_id).order_by(v.version)
    ).all()
    return f.TermFacts(
        (
            f.Origin("listed", "request_versions", "request_id, version; lines of terms_csv with a term"),
            f.Origin("counted_at, parsed, bad_lines", "term_reports", "request_id, version"),
            f.Origin("before_ocr", "term_reports, ocr_items", "request_id; at is earlier than the newest at"),
            f.Origin("documents, families, occurrences", "hits",
                     "request_id, version, term_no = line; rows, different family_id, sum of occurrences"),
            f.Origin("unique, unique_families", "hits",
                     "request_id, version; items and families with hits of this term_no alone"),
            f.Origin("with_family, unique_with_family", "items",
                     "request_id, state = stored, of those families"),
            f.Origin("distinct", "readings, items", "different content_hash, else blob_sha256, of the hits"),
        ),
        tuple(
            _term_list(version, csv, kept.get(version), zone, ocr_pages(connection, request_id).last_at)
            for version, csv in rows
        ),
    )  # fmt: skip


def _term_list(version: int, csv: str, report: str | None, zone: Any, ocr_at: str | None) -> f.TermListFacts:
    listed = read_terms(csv.encode("utf-8")) if csv else None
    count = len(listed.terms) if listed else 0
    if report is None:
        bad = tuple(unusable_lines(listed, zone)) if listed else ()
        return f.TermListFacts(version, None, count, (), (), bad, 0, 0, 0, 0, 0)
    made = from_json(report)
    return f.TermListFacts(
        version=version,
        counted_at=made.at,
        before_ocr=ocr_at is not None and made.at < ocr_at,
        listed=count,
        terms=tuple(
            f.Term(
                row.line, row.term, row.note, row.caution, row.parsed, row.documents, row.families,
                row.with_family, row.unique, row.unique_families, row.unique_with_family, row.occurrences,
                row.distinct,
            )
            for row in made.terms
        ),
        zero_hits=made.zero_hits,
        bad_lines=tuple(BadLine(bad.line, bad.term, bad.problem, bad.repaired) for bad in made.bad_lines),
        documents=made.totals.documents,
        families=made.totals.families,
        with_family=made.totals.with_family,
        distinct=made.totals.distinct,
        occurrences=made.totals.occurrences,
    )  # fmt: skip


# -- what was found, what was not


def _found(connection: sa.Connection, request_id: str, counted: Ledger) -> f.FoundFacts:
    d = t.decisions.c
    decided = connection.execute(
        sa.select(sa.func.count(d.item_id.distinct()), sa.func.count(), sa.func.count(d.by.distinct())).where(
            d.request_id == request_id
        )
    ).one()
    review: dict[str, Any] = counted.review
    text: dict[str, Any] = counted.text
    children = counted.children
    return f.FoundFacts(
        origin=(
            f.Origin("top_found, top_stored, top_failed, top_excluded", "items",
                     "request_id, level = 0; rows by state"),
            f.Origin("children_found, children_stored, children_failed, children_excluded", "items",
                     "request_id, level > 0; rows by state"),
            f.Origin("stored, searchable, not_searchable, pending, unread", "readings",
                     "request_id; rows by text_state, of items with state = stored; unread: without a row"),
            f.Origin("ocr_pages", "readings", "request_id; pages in ocr_pages"),
            f.Origin("ocr_done, ocr_failed", "ocr_items", "request_id; sum of done, pages in failed"),
            f.Origin("in_review, not_in_review", "hits, decisions, sample_answers",
                     "request_id, version in force; stored items of a family with a hit, or found "
                     "responsive in a sample, or with a decision"),
            f.Origin("review, awaits", "decisions, numbers", "request_id; the newest decision of each item"),
            f.Origin("decided_items, decisions, deciders", "decisions",
                     "request_id; items, rows, different by"),
            f.Origin("numbered", "numbers", "request_id; rows"),
            f.Origin("installments", "installments", "request_id; rows"),
        ),
        top_found=sum(scope.found for scope in counted.scopes),
        top_stored=sum(scope.stored for scope in counted.scopes),
        top_failed=sum(scope.failed for scope in counted.scopes),
        top_excluded=sum(scope.excluded for scope in counted.scopes),
        children_found=children["found"],
        children_stored=children["stored"],
        children_failed=children["failed"],
        children_excluded=children["excluded"],
        stored=text["stored"],
        searchable=text["searchable"],
        not_searchable=text["not_searchable"],
        pending=text["pending"],
        unread=text["unread"],
        ocr_pages=text["ocr_pages"],
        ocr_done=text["ocr_done"],
        ocr_failed=text["ocr_failed"],
        not_in_review=review[ReviewState.NOT_IN_REVIEW],
        in_review=review["in_review"],
        review=tuple(
            f.Count(str(state), review[state])
            for state in ReviewState
            if state is not ReviewState.NOT_IN_REVIEW and review[state]
        ),
        awaits=_counts(review["awaits"]),
        decided_items=decided[0],
        decisions=decided[1],
        deciders=decided[2],
        numbered=_count(connection, t.numbers, request_id),
        installments=_count(connection, t.installments, request_id),
    )  # fmt: skip


def _count(connection: sa.Connection, table: sa.Table, request_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(table.c.request_id == request_id)
    return connection.execute(query).scalar_one()


def _counts(counts: dict[str, int]) -> tuple[f.Count, ...]:
    return tuple(f.Count(code, count) for code, count in sorted(counts.items()))


_GAP_ORIGIN = (
    f.Origin("whole", "items, readings",
             "request_id; state = failed, or text_state is not searchable; by reason"),
    f.Origin("part", "items, readings",
             "request_id; ocr_pages, warnings or expected_children of searchable items"),
    f.Origin("linked_file", "search index", "body holds one of the addresses named in docs/terms.md"),
    f.Origin("place", "scopes, batches, unreached, request_versions",
             "request_id; failure_reason, index_state, expected against rows of items, kept_back; reach; "
             "sources without a scope"),
)  # fmt: skip


def _exceptions(
    connection: sa.Connection, request_id: str, counted: Ledger, *, covered: bool
) -> f.ExceptionFacts:
    w = t.waivers.c
    waivers = connection.execute(
        sa.select(w.seq, w.why, w.by, w.at).where(w.request_id == request_id).order_by(w.seq)
    ).all()
    by_reason: Any = counted.text["by_reason"]
    return f.ExceptionFacts(
        (
            f.Origin("waivers", "waivers",
                     "request_id; the highest seq is in force while its imbalance is that of the ledger"),
            f.Origin("failed", "items", f"request_id, state = {CollectionState.FAILED}; rows by reason"),
            f.Origin("not_searchable", "readings", "request_id, text_state = not_searchable; rows by reason"),
            f.Origin("unbalanced, unplanned, balanced", "scopes, items, batches",
                     "request_id; expected = found, none waiting, no failure_reason; no scope"),
        ),
        tuple(f.Waiver(*row, in_force=covered and row is waivers[-1]) for row in waivers),
        _counts(counted.exceptions),
        _counts(by_reason),
        tuple(f"{scope.source}: {scope.scope}" for scope in counted.scopes if not scope.balanced),
        counted.unplanned,
        counted.balanced,
    )  # fmt: skip


def _freeze(connection: sa.Connection, request_id: str) -> f.FreezeFacts:
    z, i = t.freezes.c, t.items.c
    row = connection.execute(sa.select(t.freezes).where(z.request_id == request_id)).first()
    items, contents = connection.execute(
        sa.select(sa.func.count(), sa.func.count(i.blob_sha256.distinct())).where(
            i.request_id == request_id, i.state == CollectionState.STORED
        )
    ).one()
    return f.FreezeFacts(
        (
            f.Origin("from_at, until_at, authority", "freezes", "request_id"),
            f.Origin("items, contents", "items", "request_id, state = stored; rows, different blob_sha256"),
        ),
        row.from_at if row else None,
        row.until_at if row else None,
        row.authority if row else "",
        items if row else 0,
        contents if row else 0,
    )


# -- who searched when, and the chain


def _searches(connection: sa.Connection, request_id: str) -> f.SearchFacts:
    s, r = t.searches.c, t.runs.c
    logged = []
    for row in connection.execute(sa.select(t.searches).where(s.request_id == request_id).order_by(s.seq)):
        state = canonical.loads(row.index_state)
        logged.append(
            f.Search(
                row.seq, row.at, row.by, row.query, row.parsed, row.documents, row.families,
                row.refused or "", state["engine"], state["documents"],
            )
        )  # fmt: skip
    runs = connection.execute(
        sa.select(r.started_at, r.ended_at, r.version, r.outcome)
        .where(r.request_id == request_id)
        .order_by(r.started_at, r.run_key)
    )
    return f.SearchFacts(
        (
            f.Origin("searches", "searches", "request_id; a row a query"),
            f.Origin("list_runs", "audit", "request, action = counted; an entry a list counted by a person"),
            f.Origin("runs", "runs", "request_id; a row a run, each of which counts the list in force"),
        ),
        tuple(logged),
        tuple(
            f.ListRun(entry["at"], entry["actor"], entry["version"], entry["terms"], entry["documents"])
            for entry in _entries(connection, request_id, "counted")
        ),
        tuple(f.Run(*row) for row in runs),
    )


def _entries(connection: sa.Connection, request_id: str, action: str = "") -> Iterable[dict[str, Any]]:
    """Yield the entries of the audit log about a request, in order."""
    a = t.audit.c
    near = sa.select(a.entry).where(a.entry.contains(canonical.dumps(request_id), autoescape=True))
    for (text,) in connection.execute(near.order_by(a.seq)):
        entry = canonical.loads(text)
        if entry.get("request") == request_id and action in {"", entry["action"]}:
            yield entry


def _integrity(connection: sa.Connection, request_id: str) -> f.IntegrityFacts:
    p = t.installments.c
    rows: Sequence[Any] = connection.execute(
        sa.select(p.installment, p.frozen_at, p.audit_seq, p.audit_head)
        .where(p.request_id == request_id)
        .order_by(p.installment)
    ).all()
    head = audit.head(connection)
    return f.IntegrityFacts(
        (
            f.Origin("audit_seq, audit_head", "audit", "the highest seq, and its entry_hash"),
            f.Origin("entries", "audit", "entries whose request is this one"),
            f.Origin("installments", "installments", "request_id; a row each"),
        ),
        head.seq,
        head.entry_hash,
        sum(1 for _ in _entries(connection, request_id)),
        tuple(f.Installment(*row) for row in rows),
    )
