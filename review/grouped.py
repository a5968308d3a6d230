"""What records belong to, as ``daylight group`` found it last, read for a sheet or a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from records import tables as t
from records.catalogue import chunked
from review.threads import By

_IN = 400
_NAME = 12
"""Hex digits of a group's id that people see, behind a letter: alone, ``12e456`` would become a number."""
MOST_PLACES = 50
"""Places of one record that are listed; a notice to everybody has hundreds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a copy of a record is.

    Attributes:
        item_id: The copy.
        custodian_id: Whose.
        source_id: In which source.
        scope_key: In which place of it.
    """

    item_id: str
    custodian_id: str
    source_id: str
    scope_key: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A record that others equal, with all that each carries.

    Attributes:
        group_id: The group.
        first_id: Its first copy.
        copies: How many there are.
        places: Of the copies, the first first; at most ``MOST_PLACES``.
    """

    group_id: str
    first_id: str
    copies: int
    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """The group's name for people."""
        return f"D{self.group_id[:_NAME]}"


@dataclass(frozen=True, slots=True)
class NearCopy:
    """A record whose text is nearly that of others.

    Attributes:
        group_id: The group.
        pivot_id: The record that the group is about.
        percent: Similarity to its text, rounded down.
        same_words: The same words in the same order.
        is_pivot: It is that record.
    """

    group_id: str
    pivot_id: str
    percent: int
    same_words: bool
    is_pivot: bool

    @property
    def name(self) -> str:
        """The group's name for people."""
        return f"N{self.group_id[:_NAME]}"

    @property
    def in_words(self) -> str:
        """How like the pivot it is."""
        if self.is_pivot:
            return "pivot"
        return "the pivot's words" if self.same_words else f"{self.percent} %"


@dataclass(frozen=True, slots=True)
class InThread:
    """A mail in its thread.

    Attributes:
        thread_id: The thread.
        by: By what it is there.
        parent_id: The mail it answers, or None.
        place: From 1, in the order of time.
        depth: Answers above it that were collected.
        size: Messages of the thread.
        why: Why it is inclusive, or None.
        container_id: The later mail that holds all of it, or None.
    """

    thread_id: str
    by: By
    parent_id: str | None
    place: int
    depth: int
    size: int
    why: str | None
    container_id: str | None

    @property
    def name(self) -> str:
        """The thread's name for people."""
        return f"T{self.thread_id[:_NAME]}"

    @property
    def by_in_words(self) -> str:
        """What makes its place less than certain, or nothing."""
        return {By.SUBJECT: " (by subject only)", By.QUOTED: " (by what it quotes)"}.get(self.by, "")


@dataclass(frozen=True, slots=True)
class Groups:
    """What some records belong to, by item; one that belongs to nothing is in none of them."""

    duplicates: Mapping[str, Copy] = field(default_factory=dict)
    near: Mapping[str, NearCopy] = field(default_factory=dict)
    threads: Mapping[str, InThread] = field(default_factory=dict)


def number_in_force(connection: sa.Connection, request_id: str) -> int | None:
    """Return the number of the groups in force; None while there are none."""
    g = t.groupings.c
    number: int | None = connection.scalar(
        sa.select(sa.func.max(g.grouping_no)).where(g.request_id == request_id)
    )
    return number


def groups_of(connection: sa.Connection, request_id: str, item_ids: Sequence[str]) -> Groups:
    """Return what records belong to, as it was found last."""
    number = number_in_force(connection, request_id)
    if number is None:
        return Groups()
    duplicates = {
        row.item_id: row for row in _of(connection, t.duplicate_items, request_id, number, item_ids)
    }
    places = _places(connection, request_id, number, {row.group_id for row in duplicates.values()})
    return Groups(
        {
            item_id: Copy(
                row.group_id,
                row.first_id,
                row.copies,
                tuple(
                    sorted(
                        places[row.group_id],
                        key=lambda one: (one.item_id != row.first_id, one.custodian_id, one.item_id),
                    )[:MOST_PLACES]
                ),
            )
            for item_id, row in duplicates.items()
        },
        {
            row.item_id: NearCopy(
                row.group_id, row.pivot_id, row.percent, bool(row.same_words), row.item_id == row.pivot_id
            )
            for row in _of(connection, t.near_items, request_id, number, item_ids)
        },
        {
            row.item_id: InThread(
                row.thread_id,
                By(row.by),
                row.parent_id,
                row.place,
                row.depth,
                row.size,
                row.why,
                row.container_id,
            )
            for row in _of(connection, t.thread_items, request_id, number, item_ids)
        },
    )


def threads_of(connection: sa.Connection, request_id: str, item_ids: Sequence[str]) -> dict[str, str]:
    """Return the threads that records are in, as they were found last."""
    number = number_in_force(connection, request_id)
    if number is None:
        return {}
    return {
        row.item_id: row.thread_id for row in _of(connection, t.thread_items, request_id, number, item_ids)
    }


def _of(
    connection: sa.Connection, table: sa.Table, request_id: str, number: int, item_ids: Sequence[str]
) -> Iterator[Any]:
    c = table.c
    for piece in chunked(list(item_ids), _IN):
        yield from connection.execute(
            sa.select(table).where(c.request_id == request_id, c.grouping_no == number, c.item_id.in_(piece))
        )


def _places(
    connection: sa.Connection, request_id: str, number: int, group_ids: set[str]
) -> dict[str, list[Place]]:
    d, i = t.duplicate_items.c, t.items.c
    found: dict[str, list[Place]] = defaultdict(list)
    for piece in chunked(sorted(group_ids), _IN):
        for row in connection.execute(
            sa.select(d.group_id, i.item_id, i.custodian_id, i.source_id, i.scope_key)
            .join(t.items, (i.request_id == d.request_id) & (i.item_id == d.item_id))
            .where(d.request_id == request_id, d.grouping_no == number, d.group_id.in_(piece))
        ):
            found[row.group_id].append(Place(row.item_id, row.custodian_id, row.source_id, row.scope_key))
    return found
