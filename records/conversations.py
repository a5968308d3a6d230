"""Conversations, cut into slices of a day for reading: chats and texts of any connector.

A message is an item; what is decided is decided on a message. The slice (a day in the request's zone) is only
how it is read: hits are marked, what stands around them is context, and whatever is left out leaves a mark
with its number, so that nobody takes a gap for silence. The review room shows slices to those who decide, the
release room writes them for the requester; both cut them here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import chunked
from records.vocabulary import CollectionState, Kind

KINDS = frozenset({Kind.CHAT.value, Kind.MESSAGE.value})
"""What a conversation is made of."""

AWAY = "away_from_hits"
"""Reason of a gap: a message that is there, and is not near a hit."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a conversation.

    Attributes:
        item_id: The item.
        at: Aware UTC, or None without a trustworthy time.
        order: Its place among messages of the same time.
        hit: A term found it, or something it carries.
        left_out: Why it is not there to be read (``outside_window``, ``corrupt`` …); empty for what is.
    """

    item_id: str
    at: datetime | None
    order: tuple[str, int]
    hit: bool = False
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A day of a conversation, in the request's zone.

    Attributes:
        day: The day; None for messages without a trustworthy time, which come last.
        begins_at: Aware UTC, the day's first moment; None with ``day``.
        ends_at: Aware UTC, the next day's first moment (23 or 25 hours later when clocks change).
        said: Messages by time.
    """

    day: date | None
    begins_at: datetime | None
    ends_at: datetime | None
    said: tuple[Said, ...]

    @property
    def hits(self) -> int:
        """How many of its messages hit."""
        return sum(one.hit for one in self.said)


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages in a row that are not shown.

    Attributes:
        reasons: Number by reason, the largest first.
    """

    reasons: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(number for _, number in self.reasons)


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that one custodian's source has of a conversation.

    Attributes:
        name: As people see it; empty when the source gives none.
        source_id: The source.
        scope_key: The place.
        custodian_id: Whose copy.
        slices: By day.
        unplaced: Messages of the same place that were left out, by reason, where nothing says to which
            conversation they belong.
    """

    name: str
    source_id: str
    scope_key: str
    custodian_id: str
    slices: tuple[Slice, ...]
    unplaced: Mapping[str, int]

    def place_of(self, item_id: str) -> int | None:
        """Return the number of the slice that a message is in, from 0, or None."""
        for number, one in enumerate(self.slices):
            if any(said.item_id == item_id for said in one.said):
                return number
        return None

    def near(self, place: int, step: int, *, with_hits: bool = False) -> int | None:
        """Return the number of the next slice before (-1) or after (1) another, or None."""
        place += step
        while 0 <= place < len(self.slices):
            if not with_hits or self.slices[place].hits:
                return place
            place += step
        return None


def cut(said: Iterable[Said], zone: ZoneInfo) -> tuple[Slice, ...]:
    """Cut messages into days.

    Args:
        said: Messages, in any order.
        zone: The request's.
    """
    days: dict[date, list[Said]] = defaultdict(list)
    timeless: list[Said] = []
    for one in said:
        (timeless if one.at is None else days[one.at.astimezone(zone).date()]).append(one)
    slices = [
        Slice(day, _midnight(day, zone), _midnight(day + timedelta(days=1), zone), _in_order(days[day]))
        for day in sorted(days)
    ]
    if timeless:
        slices.append(Slice(None, None, None, _in_order(timeless)))
    return tuple(slices)


def around_hits(one: Slice, most: int | None) -> list[Said | Gap]:
    """Return what is shown of a slice: hits with their context, and a mark for each row of what is not.

    Args:
        one: The slice.
        most: Messages before and after each hit that are shown; None for all there are.
    """
    near = _near(one.said, most)
    shown: list[Said | Gap] = []
    away: Counter[str] = Counter()
    for number, said in enumerate(one.said):
        reason = said.left_out or ("" if number in near else AWAY)
        if reason:
            away[reason] += 1
            continue
        if away:
            shown.append(_gap(away))
            away = Counter()
        shown.append(said)
    if away:
        shown.append(_gap(away))
    return shown


def _near(said: Sequence[Said], most: int | None) -> set[int] | range:
    """Return the places that are shown. Context is counted in messages that can be read."""
    if most is None:
        return range(len(said))
    there = [number for number, one in enumerate(said) if not one.left_out]
    near: set[int] = set()
    for place, number in enumerate(there):
        if said[number].hit:
            near.update(there[max(0, place - most) : place + most + 1])
    return near


def _gap(away: Counter[str]) -> Gap:
    return Gap(tuple(sorted(away.items(), key=lambda pair: (-pair[1], pair[0]))))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(ZoneInfo("UTC"))


def _in_order(said: Iterable[Said]) -> tuple[Said, ...]:
    return tuple(sorted(said, key=lambda one: (one.at.timestamp() if one.at else 0.0, one.order)))


# --- from the catalogue --------------------------------------------------------------------------------


def conversation_of(
    connection: sa.Connection, request_id: str, version: int, item_id: str, zone: ZoneInfo
) -> Conversation | None:
    """Return the conversation that a message belongs to; None for what is no message of one.

    It is that of one custodian's copy in one place of a source: two custodians' copies are two, and so are
    two backups of one phone. The source's own key makes it (facts ``group``, else the thread's key), else who
    takes part.

    Args:
        connection: A reading transaction.
        request_id: The request.
        version: Of the terms that hits are those of.
        item_id: The message.
        zone: The request's.
    """
    i = t.items.c
    asked = connection.execute(
        sa.select(i.source_id, i.scope_key, i.custodian_id, i.kind, i.level).where(
            i.request_id == request_id, i.item_id == item_id
        )
    ).first()
    if asked is None or asked.kind not in KINDS or asked.level:
        return None
    place = _Place(asked.source_id, asked.scope_key, asked.custodian_id)
    found = _read(
        connection, request_id, place, _hits_in(connection, request_id, version, place.rows_of(request_id))
    )
    return found.conversation(found.key_of(item_id), zone, also=item_id)


def conversations_with(
    connection: sa.Connection, request_id: str, item_ids: Collection[str], zone: ZoneInfo
) -> Iterator[Conversation]:
    """Yield the conversations that stored messages are in, each once; hits are not looked up.

    Args:
        connection: A reading transaction.
        request_id: The request.
        item_ids: Any items; those that are no messages of a conversation are passed over.
        zone: The request's.
    """
    i = t.items.c
    wanted: dict[_Place, list[str]] = defaultdict(list)
    for piece in chunked(sorted(item_ids), _IN):
        for row in connection.execute(
            sa.select(i.item_id, i.source_id, i.scope_key, i.custodian_id).where(
                i.request_id == request_id, i.item_id.in_(piece), i.kind.in_(sorted(KINDS)), i.level == 0
            )
        ):
            wanted[_Place(row.source_id, row.scope_key, row.custodian_id)].append(row.item_id)
    for place in sorted(wanted):
        found = _read(connection, request_id, place, set())
        for key in sorted({found.key_of(item_id) for item_id in wanted[place]}):
            yield found.conversation(key, zone)


_IN = 400  # values of one IN list


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """One custodian's copy of one place of a source."""

    source_id: str
    scope_key: str
    custodian_id: str

    def rows_of(self, request_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        """Return what its top items are known by."""
        i = t.items.c
        return (
            i.request_id == request_id,
            i.source_id == self.source_id,
            i.scope_key == self.scope_key,
            i.custodian_id == self.custodian_id,
            i.level == 0,
        )


def _read(connection: sa.Connection, request_id: str, place: _Place, hits: set[str]) -> _Found:
    found = _Found(place, hits)
    for row in _rows(connection, request_id, place.rows_of(request_id)):
        found.take(row)
    return found


def _rows(
    connection: sa.Connection, request_id: str, place: tuple[sa.ColumnElement[bool], ...]
) -> Iterator[sa.Row[Any]]:
    i, r = t.items.c, t.readings.c
    columns: list[Any] = [
        i.item_id,
        i.native_key,
        i.batch_id,
        i.position,
        i.state,
        i.reason,
        i.moment_at,
        i.facts,
    ]
    columns += [r.sent_at, r.thread, r.sender, r.recipients, r.subject]
    return iter(
        connection.execute(
            sa.select(*columns)
            .outerjoin(t.readings, (r.request_id == request_id) & (r.item_id == i.item_id))
            .where(*place, i.kind.in_(sorted(KINDS)))
            .execution_options(yield_per=2_000)
        )
    )


def _hits_in(
    connection: sa.Connection, request_id: str, version: int, place: tuple[sa.ColumnElement[bool], ...]
) -> set[str]:
    i, h = t.items.c, t.hits.c
    return set(
        connection.scalars(
            sa.select(h.family_id)
            .distinct()
            .join(t.items, (i.request_id == h.request_id) & (i.item_id == h.family_id))
            .where(h.request_id == request_id, h.version == version, *place)
        )
    )


class _Found:
    """Messages of a place, by conversation."""

    def __init__(self, place: _Place, hits: set[str]) -> None:
        self._place = place
        self._hits = hits
        self._said: dict[str, list[Said]] = defaultdict(list)
        self._names: dict[str, str] = {}
        self._by_prefix: dict[str, set[str]] = defaultdict(set)
        self._left: list[tuple[str, Said]] = []
        self._key_of: dict[str, str] = {}

    def take(self, row: sa.Row[Any]) -> None:
        stated = row.sent_at or row.moment_at
        at = canonical.utc_time(stated) if stated else None
        stored = row.state == CollectionState.STORED
        one = Said(
            row.item_id,
            at,
            (row.batch_id, row.position),
            row.item_id in self._hits,
            "" if stored else str(row.reason),
        )
        prefix = row.native_key.partition("/")[0]
        if not stored:
            self._left.append((prefix, one))
            return
        facts = canonical.loads(row.facts).get("metadata", {})
        key = conversation_key(row, facts)
        self._said[key].append(one)
        self._key_of[row.item_id] = key
        self._by_prefix[prefix].add(key)
        self._names.setdefault(key, facts.get("group_name") or row.subject or "")

    def key_of(self, item_id: str) -> str:
        """Return the key of the conversation that an item is in; empty where nothing says."""
        if item_id in self._key_of:
            return self._key_of[item_id]
        prefix = next((prefix for prefix, one in self._left if one.item_id == item_id), "")
        return self._of_prefix(prefix) or ""

    def conversation(self, mine: str, zone: ZoneInfo, also: str = "") -> Conversation:
        """Return a conversation by its key, with what cannot be placed.

        What was left out has no facts. It belongs here where the place holds no other conversation, or where
        its key begins as only this one's keys do.

        Args:
            mine: The key.
            zone: The request's.
            also: An item that belongs here whatever its key says: the one that was asked for.
        """
        said = list(self._said.get(mine, ()))
        unplaced: Counter[str] = Counter()
        for prefix, one in self._left:
            key = self._of_prefix(prefix)
            if key == mine or one.item_id == also:
                said.append(one)
            elif key is None:
                unplaced[one.left_out] += 1
        return Conversation(
            self._names.get(mine, ""),
            self._place.source_id,
            self._place.scope_key,
            self._place.custodian_id,
            cut(said, zone),
            dict(sorted(unplaced.items())),
        )

    def _of_prefix(self, prefix: str) -> str | None:
        if len(self._said) <= 1:
            return next(iter(self._said), "")
        keys = self._by_prefix.get(prefix, set())
        return next(iter(keys)) if len(keys) == 1 else None


def conversation_key(row: sa.Row[Any], facts: Mapping[str, str]) -> str:
    """Return the key of a stored message's conversation, within its source and place.

    Args:
        row: With ``thread``, ``sender`` and ``recipients`` of its reading.
        facts: What the source told of it.
    """
    if group := facts.get("group"):
        return f"g:{group}"
    thread = canonical.loads(row.thread).get("thread_key") if row.thread else ""
    if thread:
        return f"t:{thread}"
    people = [*(canonical.loads(row.sender) if row.sender else ())]
    for role in (canonical.loads(row.recipients) if row.recipients else {}).values():
        people += role
    return "p:" + "\x1f".join(sorted({(address or name).casefold() for name, address in people}))
