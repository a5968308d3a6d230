"""What goes into the next instalment, and why everything else does not.

Released natives and withheld-in-full records (a slip sheet and a log row) are decided records that nothing
holds back. Everything else is *not yet produced*, with a reason: never released, never on the exemption log,
never called withheld (RCW 42.56.210(3): a refusal needs its exemption and its explanation).

The rule that matters most: **a native carries its attachments**. A mail whose attachment is withheld holds
the attachment's bytes; so does a zip, at any depth. A container is released as it is only when every part of
it is released; otherwise it is not yet produced and awaits redaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from records import tables as t
from records.decisions import Decision, Standing, Treatment, found_in_samples, in_review
from records.vocabulary import Awaits, CollectionState, Reason, ReviewState


class Role(StrEnum):
    """How a record takes part in an instalment."""

    RELEASED = "released"
    WITHHELD = "withheld"


class NotProduced(StrEnum):
    """Why a record in review is not in this instalment; the first group is ``records.vocabulary.Awaits``."""

    DECISION = "decision"
    REDACTION = "redaction"
    NOTICE = "notice"
    COUNSEL = "counsel"
    SECOND_READER = "second_reader"
    OCR = "ocr"
    RETRY = "retry"
    # awaits redaction: its native carries a part that must not go out
    CARRIES_WITHHELD = "carries_withheld"
    CARRIES_PERSONAL = "carries_personal"
    CARRIES_UNREAD_PART = "carries_unread_part"  # a part nobody could read, so nobody could decide on it
    CARRIES_NOT_RESPONSIVE = "carries_not_responsive"
    CARRIES_NOT_YET_PRODUCED = "carries_not_yet_produced"
    # a person must look again
    COPY_DECIDED_OTHERWISE = (
        "copy_decided_otherwise"  # the same content is withheld, redacted or held elsewhere
    )
    BYTES_CHANGED = "bytes_changed"  # decided on other bytes than the store holds now
    NATIVE_MISSING = "native_missing"  # removed from the evidence store
    DECIDED_ANEW = "decided_anew"  # decided otherwise after its number was given
    LATER_INSTALLMENT = "later_installment"  # planned by a person for a later one


_CARRYING = (
    NotProduced.CARRIES_WITHHELD,
    NotProduced.CARRIES_PERSONAL,
    NotProduced.CARRIES_UNREAD_PART,
    NotProduced.CARRIES_NOT_RESPONSIVE,
    NotProduced.CARRIES_NOT_YET_PRODUCED,
)
"""In this order a container is given its reason when several apply."""

_HARMLESS = frozenset({Reason.LAYOUT_PART, Reason.EXPORT_SCAFFOLDING})
"""Excluded parts that say nothing of their own: how a message is drawn, how an export is built."""


@dataclass(frozen=True, slots=True)
class Member:
    """One item of a family that is in review, as far as selection needs it.

    Attributes:
        item_id: The item.
        family_id: Its top item.
        parent_id: What carries it; None for a top item.
        level: 0 for a top item.
        position: Order within the family (for a child).
        state: ``records.vocabulary.CollectionState``.
        reason: Why it failed or was excluded.
        blob_sha256: Its bytes; None unless stored.
        has_native: The evidence store still holds them.
        content_hash: The same message as a reader sees it, or None.
        at: Its time as UTC text, or None.
        parts_missing: Its container format announces more parts than were taken out.
        decided_on: The bytes the decision in force was made on, or None.
    """

    item_id: str
    family_id: str
    parent_id: str | None
    level: int
    position: int
    state: str
    reason: str | None
    blob_sha256: str | None
    has_native: bool
    content_hash: str | None
    at: str | None
    parts_missing: bool
    decided_on: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome.

    Attributes:
        going: Item id to role, in the order of the numbers: families in time order (undated last), each
            parent before what it carries.
        not_produced: Item id to reason, for records in review that stay *not yet produced*, and for numbered
            ones that were decided anew.
        states: How many stored items of the review stand in each state once this instalment is out.
        aside: Item id to state, for records that are no public records or not responsive.
    """

    going: Mapping[str, Role]
    not_produced: Mapping[str, NotProduced]
    states: Mapping[ReviewState, int]
    aside: Mapping[str, ReviewState]


def load_members(connection: sa.Connection, request_id: str, version: int) -> list[Member]:
    """Read every item, stored or not, of the families that are in review."""
    i, r, h, d, b = t.items.c, t.readings.c, t.hits.c, t.decisions.c, t.blobs.c
    newest = (
        sa.select(d.item_id, sa.func.max(d.seq).label("seq"))
        .where(d.request_id == request_id)
        .group_by(d.item_id)
        .subquery()
    )
    decisions = connection.execute(
        sa.select(d.item_id, d.blob_sha256)
        .join(newest, (newest.c.item_id == d.item_id) & (newest.c.seq == d.seq))
        .where(d.request_id == request_id)
    )
    decided = {row.item_id: row.blob_sha256 for row in decisions}
    hit = sa.select(h.family_id).where(h.request_id == request_id, h.version == version)
    decided_families = (
        sa.select(i.family_id)
        .join(t.decisions, (d.request_id == i.request_id) & (d.item_id == i.item_id))
        .where(i.request_id == request_id)
    )
    rows = connection.execute(
        sa.select(
            i.item_id,
            i.family_id,
            i.parent_id,
            i.level,
            i.position,
            i.state,
            i.reason,
            i.blob_sha256,
            b.sha256.is_not(None).label("has_native"),
            r.content_hash,
            sa.func.coalesce(r.sent_at, i.moment_at).label("at"),
            sa.func.coalesce(r.expected_children > r.children, sa.false()).label("parts_missing"),
        )
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .outerjoin(t.blobs, (b.request_id == i.request_id) & (b.sha256 == i.blob_sha256))
        .where(
            i.request_id == request_id,
            i.family_id.in_(hit)
            | i.family_id.in_(found_in_samples(request_id))
            | i.family_id.in_(decided_families),
        )
    )
    return [
        Member(
            item_id=row.item_id,
            family_id=row.family_id,
            parent_id=row.parent_id,
            level=row.level,
            position=row.position,
            state=row.state,
            reason=row.reason,
            blob_sha256=row.blob_sha256,
            has_native=bool(row.has_native),
            content_hash=row.content_hash,
            at=row.at,
            parts_missing=bool(row.parts_missing),
            decided_on=decided.get(row.item_id),
        )
        for row in rows
    ]


def load_selection(
    connection: sa.Connection, request_id: str, version: int, installment: int, produced: Mapping[str, Role]
) -> Selection:
    """Select from the catalogue; see ``select``."""
    members = load_members(connection, request_id, version)
    return select(members, in_review(connection, request_id, version), produced, installment)


def select(
    members: Iterable[Member],
    standings: Mapping[str, Standing],
    produced: Mapping[str, Role],
    installment: int,
) -> Selection:
    """Say what goes into an instalment.

    Args:
        members: Every item of the families in review.
        standings: Where the stored ones stand.
        produced: How the records of earlier instalments were produced.
        installment: The instalment to be made, from 1.
    """
    ordered = _in_order(members)
    held = held_content(ordered, standings)
    own = {m.item_id: _own(m, standings.get(m.item_id), produced, installment, held) for m in ordered}
    outcome = _with_containers(ordered, own)
    going = {
        m.item_id: Role(result)
        for m in ordered
        if isinstance(result := outcome.get(m.item_id), Role) and m.item_id not in produced
    }
    waiting = {m.item_id: r for m in ordered if isinstance(r := outcome.get(m.item_id), NotProduced)}
    aside = {
        m.item_id: result
        for m in ordered
        if isinstance(result := outcome.get(m.item_id), ReviewState) and result in _ASIDE
    }
    return Selection(going, waiting, _states(ordered, standings, produced, going), aside)


_ASIDE = frozenset({ReviewState.PERSONAL_MATTER, ReviewState.NOT_RESPONSIVE})


Outcome = Role | NotProduced | ReviewState
"""Released or withheld (now or earlier); or why not yet; or a state of its own (personal, not responsive)."""


def _in_order(members: Iterable[Member]) -> list[Member]:
    """Families in time order, undated last, parent first, then parts in their own order."""
    listed = list(members)
    times = {m.family_id: m.at for m in listed if m.level == 0}

    def key(member: Member) -> tuple[bool, str, str, bool, int, str]:
        at = times.get(member.family_id)
        return at is None, at or "", member.family_id, member.level > 0, member.position, member.item_id

    return sorted(listed, key=key)


@dataclass(frozen=True, slots=True)
class HeldContent:
    """Bytes and contents that some copy's decision keeps from going out."""

    blobs: frozenset[str]
    contents: frozenset[str]

    def __contains__(self, member: Member) -> bool:
        return member.blob_sha256 in self.blobs or member.content_hash in self.contents


def held_content(members: Iterable[Member], standings: Mapping[str, Standing]) -> HeldContent:
    """Collect what a decision withholds, redacts, holds or calls personal, by bytes and by content.

    Two people can decide two copies of one record differently; then no copy goes out until a person has
    looked at both. Copies that are merely undecided or not responsive do not hold the others up.
    """
    blobs, contents = set(), set()
    for member in members:
        standing = standings.get(member.item_id)
        if standing is not None and standing.decision is not None and keeps_back(standing.decision):
            if member.blob_sha256 is not None:
                blobs.add(member.blob_sha256)
            if member.content_hash is not None:
                contents.add(member.content_hash)
    return HeldContent(frozenset(blobs), frozenset(contents))


def keeps_back(decision: Decision) -> bool:
    """Whether a decision says that these contents must not go out as they are."""
    if not decision.public_record:
        return True
    if decision.responsive is False:
        return False
    return decision.treatment in {Treatment.REDACT, Treatment.WITHHOLD} or bool(decision.holds)


def _own(
    member: Member,
    standing: Standing | None,
    produced: Mapping[str, Role],
    installment: int,
    held: HeldContent,
) -> Outcome | None:
    """Judge an item by itself; None for one that was not stored."""
    if member.state != CollectionState.STORED:
        return None
    if standing is None:
        return ReviewState.NOT_IN_REVIEW
    if member.item_id in produced:
        role = produced[member.item_id]
        return (
            role if _still(standing, role) and not _conflict(member, role, held) else NotProduced.DECIDED_ANEW
        )
    if standing.state is not ReviewState.NOT_YET_PRODUCED:
        return standing.state
    if standing.awaits is not Awaits.PRODUCTION or standing.decision is None:
        return NotProduced(standing.awaits or Awaits.DECISION)
    if standing.decision.installment is not None and standing.decision.installment > installment:
        return NotProduced.LATER_INSTALLMENT
    if member.decided_on is not None and member.decided_on != member.blob_sha256:
        return NotProduced.BYTES_CHANGED
    if standing.decision.treatment is Treatment.WITHHOLD:
        return Role.WITHHELD
    if not member.has_native:
        return NotProduced.NATIVE_MISSING
    return NotProduced.COPY_DECIDED_OTHERWISE if member in held else Role.RELEASED


def _still(standing: Standing, role: Role) -> bool:
    """Whether the decision in force is still the one the record was produced by."""
    return standing.state is (
        ReviewState.RELEASED_IN_FULL if role is Role.RELEASED else ReviewState.WITHHELD_IN_FULL
    )


def _conflict(member: Member, role: Role, held: HeldContent) -> bool:
    return role is Role.RELEASED and member in held


def _with_containers(ordered: list[Member], own: Mapping[str, Outcome | None]) -> dict[str, Outcome]:
    """Apply the container rule from the innermost level outwards."""
    parts: dict[str, list[Member]] = defaultdict(list)
    for member in ordered:
        if member.parent_id is not None:
            parts[member.parent_id].append(member)
    outcome: dict[str, Outcome] = {}
    for member in sorted(ordered, key=lambda m: -m.level):
        result = own[member.item_id]
        if result is Role.RELEASED:
            reasons = {_blocks(part, outcome.get(part.item_id)) for part in parts[member.item_id]}
            if member.parts_missing:
                reasons.add(NotProduced.CARRIES_UNREAD_PART)
            result = next((reason for reason in _CARRYING if reason in reasons), result)
        if result is not None:
            outcome[member.item_id] = result
    return outcome


_BLOCKING: Mapping[Outcome, NotProduced] = {
    Role.WITHHELD: NotProduced.CARRIES_WITHHELD,
    ReviewState.PERSONAL_MATTER: NotProduced.CARRIES_PERSONAL,
    ReviewState.NOT_RESPONSIVE: NotProduced.CARRIES_NOT_RESPONSIVE,
}


def _blocks(part: Member, outcome: Outcome | None) -> NotProduced | None:
    """Say why a part keeps its container from being released as it is; None when it does not."""
    if outcome is None:
        # its bytes could not be taken out, and still lie in the container, unseen
        harmless = part.state == CollectionState.EXCLUDED and part.reason in _HARMLESS
        return None if harmless else NotProduced.CARRIES_UNREAD_PART
    if outcome is Role.RELEASED:
        return None
    if outcome in _CARRYING:
        return NotProduced(outcome)
    return _BLOCKING.get(outcome, NotProduced.CARRIES_NOT_YET_PRODUCED)


def _states(
    members: Iterable[Member],
    standings: Mapping[str, Standing],
    produced: Mapping[str, Role],
    going: Mapping[str, Role],
) -> dict[ReviewState, int]:
    """Count where the stored items in review stand once the instalment is out.

    A record of an earlier instalment counts as what it was produced as, whatever was decided since.
    """
    counts: dict[ReviewState, int] = dict.fromkeys(
        (s for s in ReviewState if s is not ReviewState.NOT_IN_REVIEW), 0
    )
    stored = {m.item_id for m in members if m.state == CollectionState.STORED}
    for item_id, standing in standings.items():
        if item_id not in stored:
            continue
        role = going.get(item_id) or produced.get(item_id)
        if role is Role.RELEASED:
            counts[ReviewState.RELEASED_IN_FULL] += 1
        elif role is Role.WITHHELD:
            counts[ReviewState.WITHHELD_IN_FULL] += 1
        else:
            counts[standing.state] += 1
    return counts


def produced_roles(bodies: Iterable[Mapping[str, Any]]) -> dict[str, Role]:
    """Return how the records of frozen instalments were produced, from their frozen bodies."""
    return {record["item_id"]: Role(record["role"]) for body in bodies for record in body["basis"]["records"]}
