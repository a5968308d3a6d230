"""What was done beyond the term list: variants, leads, samples, as the tables keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from desk.adequacy import facts as f
from desk.leads import Standing
from desk.sampling import Result
from desk.sampling_report import words
from records import tables as t
from review.sampling import Interval
from search.terms import read_terms


def variants(connection: sa.Connection, request_id: str) -> f.VariantFacts:
    """Return every variant with the answer in force, by base, way and form."""
    v, a = t.variants.c, t.variant_answers.c
    newest = _newest(t.variant_answers, request_id, "variant_id")
    rows = connection.execute(
        sa.select(
            v.variant_id, v.version, v.base_kind, v.base, v.way, v.form, v.documents, v.families,
            v.added_documents, v.added_families, v.at.label("proposed_at"), a.answer,
            a.version.label("answer_version"), a.why, a.by, a.at,
        )
        .outerjoin_from(t.variants, newest, newest.c.id == v.variant_id)
        .outerjoin(
            t.variant_answers,
            (a.request_id == v.request_id) & (a.variant_id == v.variant_id) & (a.seq == newest.c.seq),
        )
        .where(v.request_id == request_id)
        .order_by(v.base_kind, v.base, v.way, v.form)
    ).all()  # fmt: skip
    lines = _lines_in_force(connection, request_id)
    found = tuple(
        f.Variant(
            row.variant_id, row.version, row.base_kind, row.base, row.way, row.form, row.documents,
            row.families, row.added_documents, row.added_families, row.proposed_at, row.answer or "",
            row.answer_version, row.form in lines, row.why or "", row.by or "", row.at,
        )
        for row in rows
    )  # fmt: skip
    answers = Counter(one.answer for one in found)
    return f.VariantFacts(
        (
            f.Origin("variants, proposed", "variants", "request_id; a row a variant"),
            f.Origin("taken, refused, answer, answer_version, why, by, at", "variant_answers",
                     "request_id, variant_id; the highest seq of each"),
            f.Origin("in_list, left_out", "request_versions",
                     "request_id; the form among the terms of terms_csv of the version in force"),
        ),
        len(found),
        answers["taken"],
        sum(one.answer == "taken" and not one.in_list for one in found),
        answers["refused"],
        answers[""],
        found,
    )  # fmt: skip


def _lines_in_force(connection: sa.Connection, request_id: str) -> frozenset[str]:
    r, v = t.requests.c, t.request_versions.c
    text: str = connection.execute(
        sa.select(v.terms_csv)
        .join_from(t.requests, t.request_versions, (v.request_id == r.request_id) & (v.version == r.version))
        .where(r.request_id == request_id)
    ).scalar_one()
    return frozenset(one.term for one in read_terms(text.encode("utf-8")).terms) if text else frozenset()


def _newest(table: sa.Table, request_id: str, key: str) -> sa.Subquery:
    """Return the highest ``seq`` of each ``key`` of a table of answers, as ``id`` and ``seq``."""
    return (
        sa.select(table.c[key].label("id"), sa.func.max(table.c.seq).label("seq"))
        .where(table.c.request_id == request_id)
        .group_by(table.c[key])
        .subquery()
    )


def leads(connection: sa.Connection, request_id: str, standing: Sequence[Standing]) -> f.LeadFacts:
    """Return the signals by kind, and every lead with all its answers, those looked at first in front.

    Args:
        connection: A reading transaction.
        request_id: The request.
        standing: Every signal, as ``desk.leads`` has it: it says what a lead is, and which are open.
    """
    a = t.signal_answers.c
    answers: dict[str, list[f.LeadAnswer]] = {}
    for row in connection.execute(
        sa.select(a.signal_id, a.answer, a.how, a.why, a.by, a.at)
        .where(a.request_id == request_id)
        .order_by(a.signal_id, a.seq)
    ):
        one = f.LeadAnswer(row.answer, row.how, row.why, row.by, row.at)
        answers.setdefault(row.signal_id, []).append(one)
    return f.LeadFacts(
        (
            f.Origin("kinds, leads", "signals", "request_id; a row a signal; by kind"),
            f.Origin("items", "signal_items", "request_id, signal_id; rows"),
            f.Origin("responsive_items", "signal_items, decisions",
                     "request_id, signal_id; items of families whose newest decision says responsive"),
            f.Origin("promoted, open, answers", "signal_answers",
                     "request_id, signal_id; open: the highest seq does not say closed, or new ones came"),
        ),
        tuple(_by_kind(kind, standing) for kind in sorted({str(one.kind) for one in standing})),
        tuple(
            f.Lead(
                one.signal_id, str(one.kind), one.subject, one.custodian, one.items, one.responsive,
                any(answer.answer == "promoted" for answer in answers.get(one.signal_id, ())),
                one.open, tuple(answers.get(one.signal_id, ())),
            )
            for one in standing
            if one.lead
        ),
    )  # fmt: skip


def _by_kind(kind: str, standing: Sequence[Standing]) -> f.SignalCount:
    mine = [one for one in standing if one.kind == kind]
    grown = [one for one in mine if one.lead]
    return f.SignalCount(
        kind, len(mine), sum(one.open for one in mine), len(grown), sum(one.open for one in grown)
    )


def samples(connection: sa.Connection, request_id: str, series: Sequence[Result]) -> f.SampleSeries:
    """Return every sample drawn, in order.

    Args:
        connection: A reading transaction.
        request_id: The request.
        series: The results, as ``desk.sampling`` has them.
    """
    a = t.sample_answers.c
    said: dict[tuple[int, str], f.SampleAnswer] = {}
    for row in connection.execute(
        sa.select(a.sample_no, a.family_id, a.why, a.by, a.at)
        .where(a.request_id == request_id)
        .order_by(a.seq)
    ):
        said[row.sample_no, row.family_id] = f.SampleAnswer(row.family_id, row.why, row.by, row.at)
    return f.SampleSeries(
        (
            f.Origin("number, version, at, by, seed, population, size, frame_sha256, confidence", "samples",
                     "request_id; a row a sample"),
            f.Origin("answered, responsive, counted, counted_responsive", "sample_items, sample_answers",
                     "request_id, sample_no; by position; the highest seq of each family_id"),
            f.Origin("responsive_in_review, undecided_in_review", "hits, decisions",
                     "request_id, version of the sample; families that are not in its frozen list"),
            f.Origin("elusion, recall", "sample_answers, samples",
                     "counted_responsive of counted, Clopper and Pearson; F / (F + population * elusion), F "
                     "being responsive_in_review"),
            f.Origin("not_searchable, partly_searchable", "items, readings",
                     "request_id; members of the families drawn, by text_state"),
        ),
        tuple(_sample(one, said) for one in series),
    )  # fmt: skip


def _sample(one: Result, said: dict[tuple[int, str], f.SampleAnswer]) -> f.SampleFacts:
    drawn, made = one.sample, one.figures
    return f.SampleFacts(
        number=drawn.number,
        version=drawn.version,
        at=drawn.at,
        by=drawn.by,
        seed=drawn.seed,
        population=drawn.population,
        size=drawn.size,
        frame_sha256=drawn.frame_sha256,
        answered=made.coded,
        responsive=made.found,
        counted=made.counted,
        counted_responsive=made.counted_found,
        responsive_in_review=made.responsive,
        undecided_in_review=made.undecided,
        confidence=drawn.basis.confidence,
        elusion=_share(made.elusion),
        recall=_share(made.recall),
        not_searchable=one.not_searchable,
        partly_searchable=one.partly_searchable,
        fresh=one.fresh,
        words=tuple(words(one)),
        found_responsive=tuple(said[drawn.number, found.family_id] for found in one.found),
    )


def _share(interval: Interval | None) -> f.Share | None:
    if interval is None:
        return None
    return f.Share(interval.estimate, interval.low, interval.high, interval.bound)
