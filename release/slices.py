"""Conversations as a bundle shows them: a page for each day that a released message was sent on.

What is decided and numbered is the message; the day, midnight to midnight in the request's zone, is only how
it is read (reference: ediscovery-standards 5). A page shows the released messages of a day in order. Whatever
of that day is not on it leaves a mark in its place that says how many there are and why: nothing of what they
say, who wrote them or when. Hits are not marked here: the words of a search are released apart, as cleared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.conversations import Conversation, Said, Slice, conversations_with
from records.vocabulary import Reason, ReviewState, WarningCode
from release.selection import Role, Selection

WITHHELD, WITHHELD_BEFORE, RELEASED_BEFORE = "withheld", "withheld_before", "released_before"
"""Reasons that name their numbers: what is withheld has its own, and its row in the log."""

LEFT_OUT: Mapping[str, str] = {
    WITHHELD: "withheld in full",
    WITHHELD_BEFORE: "withheld in full in an earlier instalment",
    RELEASED_BEFORE: "released in an earlier instalment",
    "not_yet_produced": "not yet produced",
    "not_responsive": "not responsive to the request",
    "personal_matter": "personal, not a public record",
    "not_in_review": "not looked at, since no search term found it",
    "outside_window": "outside the days of the request",
    "not_collected": "that could not be collected",
}
"""Why a message of the day is not on the page, in words that fit after a number; in the order of a mark."""

_PLURAL = {"not_in_review": "not looked at, since no search term found them"}

STATES = frozenset({WarningCode.EDITED.value, WarningCode.DELETED.value})
"""What a page says of a message beside its words: that the source has it as edited, or as deleted."""


def in_words(reason: str, count: int) -> str:
    """Return a number and its reason: ``2 not responsive to the request``."""
    words = LEFT_OUT[reason] if count == 1 else _PLURAL.get(reason, LEFT_OUT[reason])
    return f"{count} {words}"


def slices(
    connection: sa.Connection,
    request_id: str,
    selection: Selection,
    produced: Mapping[str, Role],
) -> list[dict[str, Any]]:
    """Return the days that get a page, as plain JSON for the plan of an instalment.

    Each has ``conversation`` (a number that its days share), ``day`` (None for messages without a trustworthy
    time), ``hours`` (23 or 25 when clocks change), ``lines`` and ``unplaced``. A line is the id of a released
    message, or a mark: reason to the ids of the withheld ones, to the numbers of an earlier instalment, or to
    how many.

    Args:
        connection: A reading transaction.
        request_id: The request.
        selection: What goes into the instalment.
        produced: How the records of earlier instalments were produced.
    """
    zone = ZoneInfo(
        connection.execute(
            sa.select(t.requests.c.time_zone).where(t.requests.c.request_id == request_id)
        ).scalar_one()
    )
    numbers = _numbers(connection, request_id) if produced else {}
    going = {item_id for item_id, role in selection.going.items() if role is Role.RELEASED}
    found = conversations_with(connection, request_id, going, zone)
    return cut_for_release(found, selection, produced, numbers)


def cut_for_release(
    found: Iterable[Conversation],
    selection: Selection,
    produced: Mapping[str, Role],
    numbers: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Return the days that get a page: see ``slices``.

    Args:
        found: Conversations, in any order; those with nothing to show are passed over.
        selection: What goes into the instalment.
        produced: How the records of earlier instalments were produced.
        numbers: Their permanent numbers.
    """
    place = {
        item_id: rank for rank, (item_id, role) in enumerate(selection.going.items()) if role is Role.RELEASED
    }
    left_out = _reasons(selection, produced, numbers)
    kept = []
    for whole in found:
        days = [day for day in whole.slices if any(said.item_id in place for said in day.said)]
        if days:
            first = min(place[said.item_id] for day in days for said in day.said if said.item_id in place)
            kept.append((first, whole, days))
    return [
        _plain(day, number, whole, place, left_out)
        for number, (_, whole, days) in enumerate(sorted(kept, key=lambda one: one[0]), 1)
        for day in days
    ]


def _numbers(connection: sa.Connection, request_id: str) -> dict[str, int]:
    n = t.numbers.c
    rows = connection.execute(sa.select(n.item_id, n.number).where(n.request_id == request_id))
    return {row.item_id: row.number for row in rows}


def _reasons(
    selection: Selection, produced: Mapping[str, Role], numbers: Mapping[str, int]
) -> Callable[[Said], tuple[str, str | int | None]]:
    """Return what says why a message is left out, and its id or earlier number where the mark names it."""

    def reason(said: Said) -> tuple[str, str | int | None]:
        if said.left_out:
            outside = said.left_out == Reason.OUTSIDE_WINDOW
            return ("outside_window" if outside else "not_collected"), None
        if said.item_id in selection.going:
            return WITHHELD, said.item_id
        if said.item_id in produced:
            released = produced[said.item_id] is Role.RELEASED
            return (RELEASED_BEFORE if released else WITHHELD_BEFORE), numbers[said.item_id]
        if said.item_id in selection.not_produced:
            return ReviewState.NOT_YET_PRODUCED.value, None
        return str(selection.aside.get(said.item_id, ReviewState.NOT_IN_REVIEW)), None

    return reason


def _plain(
    day: Slice,
    number: int,
    whole: Conversation,
    going: Collection[str],
    left_out: Callable[[Said], tuple[str, str | int | None]],
) -> dict[str, Any]:
    hours = (day.ends_at - day.begins_at).total_seconds() / 3600 if day.begins_at and day.ends_at else None
    unplaced: Counter[str] = Counter()
    for reason, count in whole.unplaced.items():
        unplaced["outside_window" if reason == Reason.OUTSIDE_WINDOW else "not_collected"] += count
    return {
        "conversation": number,
        "day": day.day.isoformat() if day.day else None,
        "hours": None if hours is None else round(hours),
        "lines": list(_lines(day, going, left_out)),
        "unplaced": dict(sorted(unplaced.items())),
    }


def _lines(
    day: Slice, going: Collection[str], left_out: Callable[[Said], tuple[str, str | int | None]]
) -> Iterator[str | dict[str, Any]]:
    mark: dict[str, Any] = {}
    for said in day.said:
        if said.item_id in going:
            if mark:
                yield mark
                mark = {}
            yield said.item_id
            continue
        reason, named = left_out(said)
        if named is None:
            mark[reason] = mark.get(reason, 0) + 1
        else:
            mark.setdefault(reason, []).append(named)
    if mark:
        yield mark


def said_of(facts: tuple[str | None, ...]) -> dict[str, Any]:
    """Return what the source says of a message beside its words: ``states`` and ``reactions``.

    Args:
        facts: What the connector and the extractor keep of it, canonical JSON each. ``reactions`` counts the
            entries of the source's own list: one a person, or one a sign, as the source has it.
    """
    read = [canonical.loads(one) for one in facts if one]
    warned = {code for one in read for code in one.get("warnings", ())}
    listed = next((text for one in read if (text := one.get("metadata", {}).get("reactions"))), "")
    return {"states": sorted(warned & STATES), "reactions": len([one for one in listed.split("; ") if one])}
