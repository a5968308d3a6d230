"""What a person decided about an item: four separate answers, append-only.

*Public record?* yes, or personal matter with the facts. *Responsive?* *Treatment*: release, release redacted,
withhold in full, each exemption with its code and an explanation of this record (RCW 42.56.210(3)). *Holds*.
The review room writes decisions, the release room acts on them; both meet in this form.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.vocabulary import RETRYABLE, Awaits, CollectionState, Reason, ReviewState, TextState


class Treatment(StrEnum):
    """What is to happen to a responsive public record."""

    RELEASE = "release"
    REDACT = "redact"
    WITHHOLD = "withhold"


class Hold(StrEnum):
    """What stands between a decision and release."""

    NOTICE = "notice"
    COUNSEL = "counsel"
    SECOND_READER = "second_reader"


@dataclass(frozen=True, slots=True)
class Exemption:
    """One claim: the code of ``review/exemptions.csv`` and how it applies to this very record."""

    code: str
    explanation: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's answers on one item.

    Attributes:
        public_record: False: a personal matter; then ``facts`` says why, and the rest is empty.
        facts: Enough facts to show that it is no public record (Nissen v. Pierce County); else empty.
        responsive: None while open.
        treatment: None while open, or when not responsive.
        exemptions: At least one for REDACT and WITHHOLD; none for RELEASE.
        holds: Sorted.
        pages_to_redact: As written, for the redactor; empty when none.
        installment: The instalment a person planned it for, or None.
        note: For the office only; never released.
    """

    public_record: bool
    facts: str = ""
    responsive: bool | None = None
    treatment: Treatment | None = None
    exemptions: tuple[Exemption, ...] = ()
    holds: tuple[Hold, ...] = ()
    pages_to_redact: str = ""
    installment: int | None = None
    note: str = ""

    def to_json(self) -> str:
        """Return canonical JSON, as the ``decisions`` table keeps it."""
        return canonical.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """Read what ``to_json`` wrote."""
        raw: dict[str, Any] = canonical.loads(text)
        return cls(
            public_record=raw["public_record"],
            facts=raw["facts"],
            responsive=raw["responsive"],
            treatment=Treatment(raw["treatment"]) if raw["treatment"] else None,
            exemptions=tuple(Exemption(**e) for e in raw["exemptions"]),
            holds=tuple(Hold(h) for h in raw["holds"]),
            pages_to_redact=raw["pages_to_redact"],
            installment=raw["installment"],
            note=raw["note"],
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one stored item stands in review.

    Attributes:
        state: Exactly one.
        awaits: What it waits for; None unless ``not_yet_produced``.
        decision: The decision in force, or None.
        number: Its permanent number, or None before its instalment is approved.
    """

    state: ReviewState
    awaits: Awaits | None
    decision: Decision | None
    number: int | None


def in_force(connection: sa.Connection, request_id: str) -> dict[str, Decision]:
    """Return the newest decision of every decided item."""
    d = t.decisions.c
    newest = (
        sa.select(d.item_id, sa.func.max(d.seq).label("seq"))
        .where(d.request_id == request_id)
        .group_by(d.item_id)
        .subquery()
    )
    rows = connection.execute(
        sa.select(d.item_id, d.body)
        .join(newest, (newest.c.item_id == d.item_id) & (newest.c.seq == d.seq))
        .where(d.request_id == request_id)
    )
    return {item_id: Decision.from_json(body) for item_id, body in rows}


def found_in_samples(request_id: str) -> sa.Select[tuple[str]]:
    """Select the families that a person found responsive in a sample; no term list is asked.

    The newest answer counts, of each sample by itself.
    """
    return _found(request_id, t.sample_answers.c.family_id)


def families_found_in_samples(connection: sa.Connection, request_id: str) -> dict[str, tuple[int, ...]]:
    """Return those families, with the numbers of the samples they were found in."""
    a = t.sample_answers.c
    out: dict[str, tuple[int, ...]] = {}
    for family_id, number in connection.execute(
        _found(request_id, a.family_id, a.sample_no).order_by(a.family_id, a.sample_no)
    ):
        out[family_id] = (*out.get(family_id, ()), number)
    return out


def _found(request_id: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    a = t.sample_answers.c
    later = t.sample_answers.alias("later")
    newer = sa.exists().where(
        later.c.request_id == a.request_id,
        later.c.sample_no == a.sample_no,
        later.c.family_id == a.family_id,
        later.c.seq > a.seq,
    )
    return sa.select(*columns).where(a.request_id == request_id, a.responsive.is_(sa.true()), ~newer)


def put_in_review(request_id: str, version: int, family_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Say whether a family is in review before anybody decides: by a hit of a member, or by a sample.

    Args:
        request_id: The request.
        version: Of the term list whose hits count.
        family_id: The column that names the family, in the query that this becomes part of.
    """
    h = t.hits.c
    hit = sa.exists().where(h.request_id == request_id, h.version == version, h.family_id == family_id)
    return sa.or_(hit, family_id.in_(found_in_samples(request_id)))


def in_review(connection: sa.Connection, request_id: str, version: int) -> dict[str, Standing]:
    """Return where every item in review stands, for one version of the term list.

    A hit in any member of a family puts the whole family in review, and so does a person who finds it
    responsive in a sample of what was not going to be reviewed; a decided item is in review too.
    """
    i, r, d, n = t.items.c, t.readings.c, t.decisions.c, t.numbers.c
    decided = in_force(connection, request_id)
    decided_items = sa.select(d.item_id).where(d.request_id == request_id)
    rows = connection.execute(
        sa.select(i.item_id, r.text_state, r.reason, r.ocr_pages, n.number)
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .outerjoin(t.numbers, (n.request_id == i.request_id) & (n.item_id == i.item_id))
        .where(
            i.request_id == request_id,
            i.state == CollectionState.STORED,
            put_in_review(request_id, version, i.family_id) | i.item_id.in_(decided_items),
        )
    )
    out: dict[str, Standing] = {}
    for item_id, text_state, reason, pages, number in rows:
        decision = decided.get(item_id)
        unread = text_state == TextState.PENDING or pages not in {None, "[]"}
        state, awaits = _stand(decision, number, reason, unread=unread)
        out[item_id] = Standing(state, awaits, decision, number)
    return out


def standings(connection: sa.Connection, request_id: str, version: int) -> dict[str, Standing]:
    """Return where every stored item stands: ``in_review``, and the rest as not in review."""
    i = t.items.c
    reviewed = in_review(connection, request_id, version)
    rest = Standing(ReviewState.NOT_IN_REVIEW, None, None, None)
    rows = connection.execute(
        sa.select(i.item_id).where(i.request_id == request_id, i.state == CollectionState.STORED)
    )
    return {item_id: reviewed.get(item_id, rest) for (item_id,) in rows}


def _stand(
    decision: Decision | None, number: int | None, reason: str | None, *, unread: bool
) -> tuple[ReviewState, Awaits | None]:
    """Say where an item stands; ``unread`` when a page of it is a picture that nobody has read yet."""
    later = ReviewState.NOT_YET_PRODUCED
    if decision is None or (decision.public_record and decision.responsive is None):
        return later, Awaits.DECISION
    if not decision.public_record:
        return ReviewState.PERSONAL_MATTER, None
    if decision.responsive is False:
        return ReviewState.NOT_RESPONSIVE, None
    if decision.treatment is None:
        return later, Awaits.DECISION
    if number is not None:
        return _PRODUCED[decision.treatment], None
    if decision.treatment is Treatment.REDACT:
        return later, Awaits.REDACTION
    for hold, awaits in _HOLDS.items():
        if hold in decision.holds:
            return later, awaits
    if decision.treatment is Treatment.RELEASE:
        if unread:  # the leak gate could not look at it, even where other pages have text
            return later, Awaits.OCR
        if reason is not None and Reason(reason) in RETRYABLE:
            return later, Awaits.RETRY
    return later, Awaits.PRODUCTION


_PRODUCED = {
    Treatment.RELEASE: ReviewState.RELEASED_IN_FULL,
    Treatment.REDACT: ReviewState.RELEASED_IN_PART,
    Treatment.WITHHOLD: ReviewState.WITHHELD_IN_FULL,
}
_HOLDS = {Hold.NOTICE: Awaits.NOTICE, Hold.COUNSEL: Awaits.COUNSEL, Hold.SECOND_READER: Awaits.SECOND_READER}
