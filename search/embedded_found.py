"""What matches a query, over all shards: counted, ordered, and looked up a page at a time."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter

import apsw

from search import tree as q
from search.embedded_deciding import Clock
from search.embedded_shards import Numbers, Shard, place_of
from search.embedded_sql import Compiler, hit_rows
from search.protocol import Counts, Hit

_Entry = tuple[int, int, int]
"""Place, part and number of a document."""

_PAST_ALL = 1 << 64
"""No place is so large."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What matches in one shard.

    Attributes:
        shard: The shard.
        numbers: Of all its documents.
        documents: Numbers of those that match.
    """

    shard: apsw.Connection
    numbers: Numbers
    documents: array[int]


def part_of(clock: Clock, asked: tuple[Shard, q.Node]) -> _Part:
    """Ask one shard; the numbers come as one value, since threads wait for one another at each row."""
    shard, query = asked
    sql, bound = Compiler(shard, clock).documents(query)
    listed = shard.connection.execute(f"SELECT json_group_array(doc) FROM ({sql})", bound).get  # noqa: S608
    return _Part(shard.connection, shard.numbers(), array("I", json.loads(listed)))


class Found:
    """What matches a query, as numbers; hits are looked up when a page asks for them."""

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = parts
        self._ordered: list[_Entry] | None = None

    def counts(self) -> Counts:
        """Count exactly, families and different contents too."""
        documents = sum(len(part.documents) for part in self._parts)
        families = sum(
            len(set(map(part.numbers.families.__getitem__, part.documents))) for part in self._parts
        )
        return Counts(documents, families, self._distinct(documents))

    def _distinct(self, documents: int) -> int:
        """Count different contents; the first numbers of two of them are nearly never the same."""
        contents: list[int] = []
        for part in self._parts:
            contents.extend(map(part.numbers.contents.__getitem__, part.documents))
        found = len(set(contents))
        if found == documents:
            return found
        endings: list[int] = []
        for part in self._parts:
            endings.extend(map(part.numbers.endings.__getitem__, part.documents))
        ends = dict(zip(contents, endings, strict=True))
        alike = list(map(ends.__getitem__, contents)) == endings  # what begins alike ends alike: copies
        return found if alike else len(set(zip(contents, endings, strict=True)))

    def page(self, after: str | None, limit: int) -> list[Hit]:
        """Return the first hits after an item id, in item-id order."""
        found: list[Hit] = []
        first = 0 if after is None else place_of(after)
        while len(found) < limit:
            wanted = limit - len(found) + 1  # one more: that of ``after`` comes along
            entries = self._entries(first, wanted)
            found += [hit for hit in self._hits(entries) if after is None or hit.item_id > after]
            if len(entries) < wanted:
                break
            first = entries[-1][0] + 1
        return sorted(found, key=attrgetter("item_id"))[:limit]

    def _entries(self, first: int, wanted: int) -> list[_Entry]:
        """Return so many documents from a place on, in order, and all that share the place of the last."""
        if first == 0 and self._ordered is None:  # the first page needs no order in the rest
            smallest = self._smallest(wanted + 1)
            if len(smallest) <= wanted or smallest[-1][0] != smallest[-2][0]:
                return smallest[:wanted]
        if self._ordered is None:
            self._ordered = sorted(self._all())
        start = bisect_left(self._ordered, (first,))
        end = start + wanted
        while end < len(self._ordered) and self._ordered[end][0] == self._ordered[end - 1][0]:
            end += 1
        return self._ordered[start:end]

    def _smallest(self, wanted: int) -> list[_Entry]:
        """Return so many documents, in order; most are seen to be none of them by one comparison."""
        found: list[_Entry] = []
        last = _PAST_ALL
        for number, part in enumerate(self._parts):
            places = map(part.numbers.places.__getitem__, part.documents)
            found += [
                (place, number, document)
                for place, document in zip(places, part.documents, strict=True)
                if place <= last
            ]
            found = sorted(found)[:wanted]
            last = found[-1][0] if len(found) == wanted else _PAST_ALL
        return found

    def _all(self) -> Iterator[_Entry]:
        for number, part in enumerate(self._parts):
            places = map(part.numbers.places.__getitem__, part.documents)
            yield from zip(places, repeat(number), part.documents)

    def _hits(self, entries: Iterable[_Entry]) -> Iterator[Hit]:
        documents: dict[int, list[int]] = {}
        for _, number, document in entries:
            documents.setdefault(number, []).append(document)
        for number, wanted in documents.items():
            listed = {"listed": json.dumps(wanted)}
            rows = hit_rows(self._parts[number].shard, "SELECT value FROM json_each(:listed)", listed)
            yield from (Hit(*row) for row in rows)
