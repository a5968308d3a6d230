"""Samples in the catalogue: what was drawn, and what people answered; append-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import ROWS_PER_TRANSACTION, Catalogue, chunked
from records.errors import UsageError
from records.rows import insert, lock_tables


@dataclass(frozen=True, slots=True)
class Basis:
    """What a sample stands on, as it was when it was drawn.

    Attributes:
        confidence: Of its intervals, such as 0.95.
        margin: What its size was worked out from; None where a size was asked for.
        seed_chosen: A person named the seed; False: it was drawn at random.
        reviewed: Families in review.
        not_stored: Families of which nothing could be stored; they are in no list.
        responsive: Families decided responsive.
        undecided: Families in review whose answer was open.
        index_documents: Documents that the terms were counted on.
    """

    confidence: float
    margin: float | None
    seed_chosen: bool
    reviewed: int
    not_stored: int
    responsive: int
    undecided: int
    index_documents: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One draw.

    Attributes:
        number: From 1, in the order drawn.
        version: Of the terms whose discards it was drawn from.
        seed: See ``review.sampling.draw``.
        population: Families of the frozen list.
        size: Families drawn.
        frame_sha256: Of the frozen list.
        basis: What else it stands on.
        by: Who drew it.
        at: When, UTC time text.
    """

    number: int
    version: int
    seed: int
    population: int
    size: int
    frame_sha256: str
    basis: Basis
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One person's answer on one family of a sample.

    Attributes:
        responsive: Whether anything in the family answers the request.
        why: In words, for the office; may be empty.
        by: Who answered.
    """

    responsive: bool
    why: str
    by: str


# --- the draw ------------------------------------------------------------------------------------------


def keep(
    catalogue: Catalogue,
    request_id: str,
    version: int,
    seed: int,
    population: int,
    frame_sha256: str,
    drawn: Sequence[str],
    basis: Basis,
    by: str,
) -> Sample:
    """Write a sample down, in one transaction however large it is: half a sample would look like a whole one.

    Raises:
        UsageError: The request was closed, or its terms changed since the list was frozen.
    """
    with catalogue.write() as connection:
        lock_tables(connection, t.samples, mode="SHARE ROW EXCLUSIVE")
        refuse_closed(connection, request_id)
        r, s = t.requests.c, t.samples.c
        if connection.scalar(sa.select(r.version).where(r.request_id == request_id)) != version:
            raise UsageError(f"the terms of request {request_id} changed meanwhile; draw again")
        last = connection.scalar(sa.select(sa.func.max(s.sample_no)).where(s.request_id == request_id))
        made = Sample(
            number=(last or 0) + 1,
            version=version,
            seed=seed,
            population=population,
            size=len(drawn),
            frame_sha256=frame_sha256,
            basis=basis,
            by=by,
            at=canonical.now_text(),
        )
        row = {name: getattr(made, name) for name in ("version", "seed", "population", "size", "by", "at")}
        connection.execute(
            t.samples.insert(),
            {
                **row,
                "request_id": request_id,
                "sample_no": made.number,
                "frame_sha256": frame_sha256,
                "body": canonical.dumps(asdict(basis)),
            },
        )
        insert(
            connection,
            t.sample_items,
            [
                {
                    "request_id": request_id,
                    "sample_no": made.number,
                    "position": position,
                    "family_id": family_id,
                }
                for position, family_id in enumerate(drawn, start=1)
            ],
        )
        audit.append(
            connection,
            action="sampled",
            actor=by,
            request_id=request_id,
            sample=made.number,
            version=version,
            families=len(drawn),
            population=population,
            frame=frame_sha256,
            seed=seed,
        )
    return made


def samples(connection: sa.Connection, request_id: str) -> list[Sample]:
    """Return the whole series, in the order drawn."""
    s = t.samples.c
    rows = connection.execute(sa.select(t.samples).where(s.request_id == request_id).order_by(s.sample_no))
    return [
        Sample(
            number=row.sample_no,
            version=row.version,
            seed=row.seed,
            population=row.population,
            size=row.size,
            frame_sha256=row.frame_sha256,
            basis=Basis(**canonical.loads(row.body)),
            by=row.by,
            at=row.at,
        )
        for row in rows
    ]


def sample(connection: sa.Connection, request_id: str, number: int | None = None) -> Sample:
    """Return one sample; None for the newest.

    Raises:
        UsageError: There is none with this number, or none at all.
    """
    series = samples(connection, request_id)
    if not series:
        raise UsageError(f"request {request_id} has no sample; `daylight sample draw` draws one")
    found = [one for one in series if number in {None, one.number}]
    if not found:
        raise UsageError(f"request {request_id} has no sample {number}; the newest is {series[-1].number}")
    return found[-1]


def drawn_of(connection: sa.Connection, request_id: str, number: int) -> tuple[str, ...]:
    """Return the families of a sample, in the order drawn."""
    i = t.sample_items.c
    return tuple(
        connection.scalars(
            sa.select(i.family_id)
            .where(i.request_id == request_id, i.sample_no == number)
            .order_by(i.position)
        )
    )


# --- answers -------------------------------------------------------------------------------------------


def answers_of(connection: sa.Connection, request_id: str, number: int) -> dict[str, Answer]:
    """Return the answer in force on every family that has one."""
    return {family_id: answer for family_id, (_, answer) in newest_of(connection, request_id, number).items()}


def newest_of(
    connection: sa.Connection, request_id: str, number: int, family_ids: Sequence[str] | None = None
) -> dict[str, tuple[int, Answer]]:
    """Return the answer in force on every family that has one, and the how manieth it is, from 1."""
    a = t.sample_answers.c
    query = (
        sa.select(a.family_id, a.seq, a.responsive, a.why, a.by)
        .where(a.request_id == request_id, a.sample_no == number)
        .order_by(a.family_id, a.seq)
    )
    if family_ids is not None:
        query = query.where(a.family_id.in_(family_ids))
    rows = connection.execute(query)
    # the highest number comes last
    return {row.family_id: (row.seq, Answer(bool(row.responsive), row.why, row.by)) for row in rows}


def record(catalogue: Catalogue, request_id: str, number: int, answers: Mapping[str, Answer], by: str) -> int:
    """Write answers down; one that is in force already adds no row.

    Rows go in transactions of at most 1,000, each with its own audit entry.

    Args:
        catalogue: Where.
        request_id: The request.
        number: The sample.
        answers: By family id; all of them families of the sample.
        by: Who hands them in, for the audit log.

    Returns:
        The number of rows added.

    Raises:
        UsageError: The request is closed.
    """
    added = 0
    for piece in chunked(sorted(answers), ROWS_PER_TRANSACTION):
        with catalogue.write() as connection:
            lock_tables(connection, t.sample_answers, mode="SHARE ROW EXCLUSIVE")
            refuse_closed(connection, request_id)
            before = newest_of(connection, request_id, number, piece)
            rows = _rows(request_id, number, {key: answers[key] for key in piece}, before)
            if rows:
                connection.execute(t.sample_answers.insert(), rows)
                audit.append(
                    connection,
                    action="coded",
                    actor=by,
                    request_id=request_id,
                    sample=number,
                    families=len(rows),
                    responsive=sum(bool(row["responsive"]) for row in rows),
                )
            added += len(rows)
    return added


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same, whoever gave them."""
    return (one.responsive, one.why) == (other.responsive, other.why)


def _rows(
    request_id: str, number: int, answers: Mapping[str, Answer], before: Mapping[str, tuple[int, Answer]]
) -> list[dict[str, object]]:
    now = canonical.now_text()
    out: list[dict[str, object]] = []
    for family_id, answer in answers.items():
        seq, present = before.get(family_id, (0, None))
        if present is not None and same(present, answer):
            continue
        out.append(
            {
                "request_id": request_id,
                "sample_no": number,
                "family_id": family_id,
                "seq": seq + 1,
                "responsive": answer.responsive,
                "why": answer.why,
                "by": answer.by,
                "at": now,
            }
        )
    return out


def refuse_closed(connection: sa.Connection, request_id: str) -> None:
    """Refuse to write to a closed request.

    Raises:
        UsageError: It is closed.
    """
    r = t.requests.c
    if connection.scalar(sa.select(r.state).where(r.request_id == request_id)) == "closed":
        raise UsageError(f"request {request_id} is closed; its samples no longer change")
