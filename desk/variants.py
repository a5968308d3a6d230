"""Variants at the desk: proposed, shown, taken into the term list or refused, each with a reason."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from desk import searching
from desk.home import Home, OpenRequest
from records import audit, canonical
from records import tables as t
from records.errors import UsageError
from records.roster import RosterKind, RosterLine
from records.rows import insert, lock_tables
from review.sheet_form import one_line, plain
from search.terms import load_report, read_terms
from search.variants import BaseKind, Found, Variant, propose, rank
from search.variants_names import Way


class Answer(StrEnum):
    """What a person said to a variant."""

    TAKEN = "taken"
    REFUSED = "refused"


KEY_PREFIX = "v:"
"""Put before an id in a sheet: a spreadsheet would take the id ``12e456…`` for a number."""

OPEN = "open"
"""The state of a variant that nobody answered, or that was taken and is no longer in the list."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A variant and what became of it.

    Attributes:
        variant_id: Its id.
        variant: What it is and adds, as counted last.
        version: Of the terms it was counted against.
        state: ``open``, ``taken`` or ``refused``.
        seq: Number of its last answer; 0 for none.
        answer_version: The version whose list has it, or that was in force when it was refused; None while
            nobody answered; so ``why``, ``by`` and ``at`` are empty.
    """

    variant_id: str
    variant: Variant
    version: int
    state: str
    seq: int
    answer_version: int | None
    why: str
    by: str
    at: str


# -- proposing


def propose_variants(home: Home, request_id: str, *, by: str) -> dict[str, Any]:
    """Look for forms that add hits to the list in force, and keep those found; answers stay as they are.

    What was proposed before, was not answered and adds nothing any more is forgotten. The run is one entry of
    the audit log, with counts: hundreds of forms are asked that nobody wrote, most of which find nothing.

    Raises:
        UsageError: There is no such request, it is closed, or its list was not counted on the present index.
    """
    found = not_closed(home, request_id)
    report = load_report(home.catalogue, request_id, found.version)
    engine = home.engine(request_id)
    if report is None or report.index != engine.state():
        raise UsageError(
            f"the terms of request {request_id} were not counted on the present index: `daylight terms "
            f"{request_id}` does it, then propose again"
        )
    proposal = propose(
        engine,
        [term.term for term in read_terms(found.terms.encode("utf-8")).terms],
        found.body.zone,
        found.body.text,
        home.roster(request_id),
        [
            RosterLine(RosterKind.STAFF, one.name, one.aliases, one.emails, one.numbers)
            for one in found.body.custodians
        ],
        _found(home, found),
    )
    _keep(home, found, proposal.variants)
    standings = standings_of(home, request_id)
    counts = {
        "version": found.version,
        "forms": proposal.forms,
        "not_run": proposal.not_run,
        "proposed": len(proposal.variants),
        "open": sum(one.state == OPEN for one in standings),
    }
    with home.catalogue.write() as connection:
        audit.append(connection, action="proposed", actor=by, request_id=request_id, **counts)
    ways = Counter(one.variant.way.value for one in standings if one.state == OPEN)
    return {**counts, "open_by_way": {way.value: ways[way] for way in Way if ways[way]}}


def not_closed(home: Home, request_id: str) -> OpenRequest:
    """Return a request whose term list can still change.

    Raises:
        UsageError: There is no such request, or it is closed.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its term list no longer changes")
    return found


def _found(home: Home, found: OpenRequest) -> Found:
    h = t.hits.c
    documents: set[str] = set()
    families: set[str] = set()
    with home.catalogue.read() as connection:
        for item_id, family_id in connection.execute(
            sa.select(h.item_id, h.family_id)
            .where(h.request_id == found.request_id, h.version == found.version)
            .distinct()
        ):
            documents.add(item_id)
            families.add(family_id)
    return Found(frozenset(documents), frozenset(families))


def _keep(home: Home, found: OpenRequest, variants: Sequence[Variant]) -> None:
    v, a = t.variants.c, t.variant_answers.c
    at = canonical.now_text()
    with home.catalogue.write() as connection:
        lock_tables(connection, t.variants)
        answered = set(
            connection.scalars(sa.select(a.variant_id).where(a.request_id == found.request_id).distinct())
        )
        kept = sa.select(a.variant_id).where(a.request_id == found.request_id)
        connection.execute(
            t.variants.delete().where(v.request_id == found.request_id, v.variant_id.not_in(kept))
        )
        new: list[dict[str, Any]] = []
        for variant in variants:
            row = _row(found, variant, at)
            if variant.variant_id in answered:
                connection.execute(
                    t.variants.update()
                    .where(v.request_id == found.request_id, v.variant_id == variant.variant_id)
                    .values(row)
                )
            else:
                new.append(row)
        insert(connection, t.variants, new)


def _row(found: OpenRequest, variant: Variant, at: str) -> dict[str, Any]:
    return {
        "request_id": found.request_id,
        "variant_id": variant.variant_id,
        "version": found.version,
        "base_kind": variant.base_kind.value,
        "base": variant.base,
        "way": variant.way.value,
        "form": variant.form,
        "documents": variant.documents,
        "families": variant.families,
        "added_documents": variant.added_documents,
        "added_families": variant.added_families,
        "at": at,
    }


# -- showing


def standings_of(home: Home, request_id: str) -> list[Standing]:
    """Return every variant of a request and what became of it, in the order in which to look at them."""
    terms = home.request(request_id).terms
    lines = {one.term for one in read_terms(terms.encode("utf-8")).terms} if terms else set()
    v, a = t.variants.c, t.variant_answers.c
    with home.catalogue.read() as connection:
        rows = connection.execute(sa.select(t.variants).where(v.request_id == request_id)).all()
        answers = {
            row.variant_id: row
            for row in connection.execute(
                sa.select(t.variant_answers).where(a.request_id == request_id).order_by(a.seq)
            )
        }
    out = [_standing(row, answers.get(row.variant_id), listed=row.form in lines) for row in rows]
    return sorted(out, key=lambda one: (one.state != OPEN, rank(one.variant)))


def _standing(row: Any, answer: Any, *, listed: bool) -> Standing:
    variant = Variant(
        BaseKind(row.base_kind),
        row.base,
        Way(row.way),
        row.form,
        row.documents,
        row.families,
        row.added_documents,
        row.added_families,
    )
    if answer is None:
        return Standing(row.variant_id, variant, row.version, OPEN, 0, None, "", "", "")
    # What the list has adds nothing; proposed again since, it was dropped, unless a later list has its line.
    dropped = answer.answer == Answer.TAKEN and row.version >= answer.version and not listed
    state = OPEN if dropped else answer.answer
    return Standing(
        row.variant_id,
        variant,
        row.version,
        state,
        answer.seq,
        answer.version,
        answer.why,
        answer.by,
        answer.at,
    )


# -- answering

_LONGEST_NOTE = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """An answer to one variant."""

    standing: Standing
    answer: Answer
    why: str


def answer(
    home: Home,
    request_id: str,
    said: Answer,
    variant_ids: Sequence[str],
    *,
    why: str,
    by: str,
    everything: bool = False,
    way: str | None = None,
) -> dict[str, Any]:
    """Take or refuse variants with one reason.

    Those taken become lines of a new version of the term list, all in one, and the list is counted anew.

    Args:
        home: Open.
        request_id: The request.
        said: The answer.
        variant_ids: Which; none with ``everything``.
        why: The reason.
        by: Who answers.
        everything: All that are open.
        way: Of these, only those made in this way.

    Returns:
        How many were taken, refused and unchanged, and the version now in force with its documents.

    Raises:
        UsageError: There is no such request, or it is closed; a variant is not known, or cannot be answered
            so; no reason or no name is given; there is nothing to answer. Then nothing is kept.
    """
    found = not_closed(home, request_id)
    check_named(by)
    if not why.strip():
        raise UsageError("an answer needs its reason: --why")
    if everything == bool(variant_ids) or (way is not None and not everything):
        raise UsageError("name the variants, or --all of them, or --all of one --way")
    if way is not None and way not in set(Way):
        raise UsageError(f"{way} is no way: {', '.join(Way)}")
    known = {one.variant_id: one for one in standings_of(home, request_id)}
    if everything:
        wanted = [one for one in known.values() if one.state == OPEN and way in {None, one.variant.way.value}]
        if not wanted:
            raise UsageError(f"no variant of request {request_id} is open{f' of way {way}' if way else ''}")
    else:
        ids = list(dict.fromkeys(map(bare_id, variant_ids)))
        unknown = [one for one in ids if one not in known]
        if unknown:
            raise UsageError(f"request {request_id} has no variant {', '.join(unknown)}; nothing was kept")
        wanted = [known[one] for one in ids]
    problems = [f"{one.variant_id}: {problem}" for one in wanted if (problem := problem_with(one, said))]
    if problems:
        raise UsageError(f"{'; '.join(problems)}; nothing was kept")
    return keep_answers(home, found, [Said(one, said, plain(why.strip())) for one in wanted], by)


def check_named(by: str) -> None:
    """Refuse an answer of nobody: the record of the search says who gave each.

    Raises:
        UsageError: The name is empty.
    """
    if not by.strip():
        raise UsageError("an answer needs the name of the person who gives it: --by")


def bare_id(key: str) -> str:
    """Return a variant's id as it is, or as it stands in a sheet (``v:…``)."""
    return key.casefold().lstrip("'").removeprefix(KEY_PREFIX).strip()


def problem_with(standing: Standing, said: Answer) -> str:
    """Return why a variant cannot be answered so, or nothing."""
    if standing.state == Answer.TAKEN and said == Answer.REFUSED:
        return (
            f"it is in the term list since version {standing.answer_version}: adopt a list without its line"
        )
    return ""


def keep_answers(home: Home, found: OpenRequest, said: Sequence[Said], by: str) -> dict[str, Any]:
    """Keep answers, and the new version of the list, in one transaction; then count the list."""
    new = [one for one in said if not _in_force(one)]
    taken = [one for one in new if one.answer == Answer.TAKEN]
    terms = _with_lines(found.terms, [(one.standing.variant.form, _note(one)) for one in taken])
    if new:
        with home.catalogue.write() as connection:
            lock_tables(connection, t.variant_answers)
            _check_meanwhile(connection, found, new)
            version = found.version
            if taken:
                why = f"{len(taken)} variants taken"
                version = searching.adopt(connection, found, terms, by, why)
            at = canonical.now_text()
            insert(connection, t.variant_answers, [_answer_row(found, one, version, by, at) for one in new])
            audit.append(
                connection,
                action="answered",
                actor=by,
                request_id=found.request_id,
                what="variants",
                taken=len(taken),
                refused=len(new) - len(taken),
                version=version,
            )
    counted: Mapping[str, Any] = {}
    if taken:
        counted = searching.hit_report(home, found.request_id, None, None, by=by)["totals"]
    return {
        "taken": len(taken),
        "refused": len(new) - len(taken),
        "unchanged": len(said) - len(new),
        "version": found.version + bool(taken),
        **{name: counted[name] for name in ("documents", "families") if counted},
    }


def _in_force(one: Said) -> bool:
    """Say whether the answer is the one in force: taken is taken, a refusal may get another reason."""
    standing = one.standing
    return standing.state == one.answer and (one.answer == Answer.TAKEN or standing.why == one.why)


def _check_meanwhile(connection: sa.Connection, found: OpenRequest, said: Sequence[Said]) -> None:
    """Refuse when the request was closed, or somebody else answered, since the variants were read."""
    r, a = t.requests.c, t.variant_answers.c
    if connection.scalar(sa.select(r.state).where(r.request_id == found.request_id)) == "closed":
        raise UsageError(f"request {found.request_id} is closed; its term list no longer changes")
    rows = connection.execute(
        sa.select(a.variant_id, sa.func.max(a.seq))
        .where(a.request_id == found.request_id)
        .group_by(a.variant_id)
    )
    last: dict[str, int] = dict(map(tuple, rows))
    if any(last.get(one.standing.variant_id, 0) != one.standing.seq for one in said):
        raise UsageError("somebody else answered meanwhile: do this again")


def _answer_row(found: OpenRequest, one: Said, version: int, by: str, at: str) -> dict[str, Any]:
    return {
        "request_id": found.request_id,
        "variant_id": one.standing.variant_id,
        "seq": one.standing.seq + 1,
        "answer": one.answer.value,
        "version": version,
        "why": one.why,
        "by": by,
        "at": at,
    }


def _note(one: Said) -> str:
    variant = one.standing.variant
    what = "" if variant.base_kind == BaseKind.TERM else f"{variant.base_kind.value} "
    return one_line(f"variant ({variant.way.value}) of {what}{variant.base}", _LONGEST_NOTE)


def _with_lines(terms_csv: str, lines: Sequence[tuple[str, str]]) -> str:
    """Return a term list with lines added at its end: term and note, in its own columns.

    A line before whose quotation marks are not closed swallows none: it is read as a line of its own.
    """
    if not lines:
        return terms_csv
    text = terms_csv.splitlines()
    start = next(n for n, line in enumerate(text) if line.strip(" ,"))
    header = [cell.strip().lower() for cell in next(csv.reader([text[start]]))]
    if "note" not in header:
        text[start] += ",note"
        header.append("note")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for term, note in lines:
        cells = [""] * len(header)
        cells[header.index("term")], cells[header.index("note")] = term, note
        writer.writerow(cells)
    return "\n".join(text) + "\n" + out.getvalue()
