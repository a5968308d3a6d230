"""Threads of mail: which message answers which.

By the header fields that name other messages (References and In-Reply-To, RFC 5322 section 3.6.4), as Jamie
Zawinski's algorithm has it (jwz.org/doc/threading.html; RFC 5256, "REFERENCES"); by Exchange's Thread-Index
(MS-OXOMSG 2.2.1.3) first for mail that has one; by the conversation that the source itself states; for old
mail that names nothing, by what it quotes; and last, marked as weaker, by the subject.

All of it is one pass and iterative: a reply chain of thousands is common, and one in a hostile header longer.
Messages are taken in the order of time and id, so the threads are the same in whatever order they are given,
and a loop is always broken at the same place: at the link from an earlier message to a later one.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from review.grouping import rules

INDEX_HEAD, INDEX_BLOCK = 22, 5
"""Bytes of a Thread-Index: of its head, and of each reply."""
_GUID = slice(6, 22)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_LONGEST_ID = 998
"""Characters of a line (RFC 5322 section 2.1.1); a longer id is kept by its digest."""
_NO_TIME = "9999"
_LIST_TAG = re.compile(r"\[[^\[\]]{1,80}\]\s*")
_FORWARDED = re.compile(r"\[fwd?:(.*)\]\Z|(.*)\(fwd\)\Z", re.IGNORECASE | re.DOTALL)
_NOBODY = -1


class By(StrEnum):
    """By what a message is in its thread."""

    FIRST = "first"  # it names no other, and the others name it
    REFERENCES = "references"  # its own fields, or those of a later message
    THREAD_INDEX = "thread_index"
    SOURCE = "source"  # the conversation that its source states
    SAME_ID = "same_id"  # another message has its Message-ID: a copy that was changed on its way
    QUOTED = "quoted"  # it quotes the message, and names none
    SUBJECT = "subject"  # weaker: its subject is a reply to that of an earlier one among the same people


_BY = tuple(By)
_CODE = {by: code for code, by in enumerate(_BY)}


class Header(NamedTuple):
    """What threads are made from, of one copy of a message.

    Attributes:
        item_id: The copy.
        same: Equal for copies of one message, and for nothing else.
        sent_at: UTC as text that sorts, or empty.
        message_id: Field body.
        references: Field body.
        in_reply_to: Field body.
        thread_index: Decoded, or empty.
        conversation: Key of the source, unique among all sources; or empty.
        subject: Decoded.
        people: Addresses of sender and recipients.
        own: Digest of what the sender wrote, where it is long enough to know it by; else empty.
        quotes: The same of what it quotes first.
    """

    item_id: str
    same: str
    sent_at: str = ""
    message_id: str = ""
    references: str = ""
    in_reply_to: str = ""
    thread_index: bytes = b""
    conversation: str = ""
    subject: str = ""
    people: tuple[str, ...] = ()
    own: bytes = b""
    quotes: bytes = b""


class Placed(NamedTuple):
    """One message in its thread.

    Attributes:
        same: The message.
        items: Its copies, in the order of their ids.
        thread: Id of the thread: 24 hex digits, the same as long as its root is.
        parent: The message it answers, or None: it is the first, or what it answers was not collected.
        by: By what it is in the thread.
        place: From 1, in the order of time.
        depth: Answers above it that were collected.
        size: Messages of the thread.
    """

    same: str
    items: tuple[str, ...]
    thread: str
    parent: str | None
    by: By
    place: int
    depth: int
    size: int


def thread_index_of(raw: bytes) -> bytes:
    """Return a Thread-Index without a last reply that is cut off; empty for what is none."""
    if len(raw) < INDEX_HEAD:
        return b""
    return raw[: len(raw) - (len(raw) - INDEX_HEAD) % INDEX_BLOCK]


@lru_cache(maxsize=1)
def _prefix() -> re.Pattern[str]:
    words = "|".join(re.escape(one) for one in sorted(rules().prefixes, key=len, reverse=True))
    return re.compile(rf"(?:{words})\s*(?:\[\d{{1,4}}\]|\(\d{{1,4}}\))?\s*[:：]\s*", re.IGNORECASE)


def base_subject(subject: str) -> tuple[str, bool]:
    """Return a subject without what replies, forwards and lists put around it, and whether a reply did.

    After RFC 5256 section 2.1; what is left is compared without regard to case.
    """
    rest, reply = " ".join(subject.split()), False
    while True:
        before = rest
        tag = _LIST_TAG.match(rest)
        if tag is not None and tag.end() < len(rest):
            rest = rest[tag.end() :]
        prefix = _prefix().match(rest)
        if prefix is not None:
            rest, reply = rest[prefix.end() :], True
        around = _FORWARDED.match(rest) if rest.endswith(("]", ")")) else None
        if around is not None:
            rest, reply = (around[1] if around[1] is not None else around[2]).strip(), True
        if rest == before:
            return rest.casefold(), reply


_base_subject = lru_cache(maxsize=4_096)(base_subject)
"""Messages of a thread come near one another in time, and have one subject."""


def by_time(headers: Iterable[Header]) -> list[Header]:
    """Return headers in the order in which ``Threads`` takes them."""
    return sorted(headers, key=lambda one: (one.sent_at or _NO_TIME, one.item_id))


def threads(headers: Iterable[Header]) -> Iterator[Placed]:
    """Yield every message in its thread, thread by thread, in the order of time."""
    made = Threads()
    for header in by_time(headers):
        made.add(header)
    return made.placed()


class Threads:
    """Takes headers in the order of time and id, and says then which message answers which.

    A message, and every id that only others name, is a number. Of a message the numbers that it names are
    kept, and not its fields, and what many have in common, as a subject or the people, is kept once: so a
    million messages fit into the memory of a small machine.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._number: dict[str, int] = {}  # of a message id
        self._node: dict[str, int] = {}  # of what is the same message
        self._names: list[str] = []  # by number: what its thread would be called
        self._rank = array("i")  # by number: place among the messages; nobody's for an id that others name
        self._order = array("i")  # messages as they came; what follows is in this order
        self._same: list[str] = []
        self._item: list[str] = []  # the first copy
        self._copies: dict[int, list[str]] = {}  # further copies, by place
        self._named = array("i")  # ids that messages name, one message after the other
        self._from = array("q")  # where those of a message begin
        self._to = array("q")  # and where they end: the last is its parent
        self._subject = array("i")  # twice the number of its base subject, and one for a reply
        self._subjects: dict[str, int] = {}
        self._circle = array("i")  # number of all people of a message
        self._circles: dict[tuple[int, ...], int] = {}
        self._person: dict[str, int] = {}
        self._index: dict[int, bytes] = {}
        self._conversation: dict[int, str] = {}
        self._own: dict[int, bytes] = {}
        self._quotes: dict[int, bytes] = {}
        self._twins: dict[int, str] = {}  # messages of one id, by a name that they share
        self._also: dict[int, int] = {}  # an id that turned out to be another one's message

    # -- taking in

    def add(self, header: Header) -> None:
        """Take one copy of a message."""
        found = _MESSAGE_ID.search(header.message_id)
        node = self._node.get(header.same)
        if node is None:
            node = self._new_node(found, header)
        else:
            self._copies.setdefault(self._rank[node], []).append(header.item_id)
            self._take_name(found, node)
        if header.references or header.in_reply_to:
            self._take_named(self._rank[node], self._ancestors(header))
        if header.thread_index:
            index = thread_index_of(header.thread_index)
            if index:
                self._index.setdefault(node, index)
        if header.conversation:
            self._conversation.setdefault(node, header.conversation)

    def _new_node(self, found: re.Match[str] | None, header: Header) -> int:
        node = self._number_of(found.group()) if found is not None else self._make("")
        if self._rank[node] != _NOBODY:  # another message has this id: this one gets its own, and is kept
            twin, node = node, self._make("")
            name = self._twins.setdefault(twin, header.same)
            self._twins[node] = name
        if not self._names[node]:
            self._names[node] = header.same
        self._node[header.same] = node
        self._rank[node] = len(self._order)
        self._order.append(node)
        self._same.append(header.same)
        self._item.append(header.item_id)
        self._from.append(0)
        self._to.append(0)
        subject, reply = _base_subject(header.subject) if header.subject else ("", False)
        subjects = self._subjects
        self._subject.append(2 * subjects.setdefault(subject, len(subjects)) + reply if subject else _NOBODY)
        person, circles = self._person, self._circles
        people = tuple({person.setdefault(one.lower(), len(person)) for one in header.people})
        self._circle.append(circles.setdefault(people, len(circles)))
        if header.own:
            self._own[node] = header.own
        if header.quotes:
            self._quotes[node] = header.quotes
        return node

    def _take_name(self, found: re.Match[str] | None, node: int) -> None:
        """Let another id of the same message stand for it, where no other message has it."""
        if found is not None:
            number = self._number_of(found.group())
            if number != node and self._rank[number] == _NOBODY:
                self._also[number] = node

    def _take_named(self, rank: int, named: list[int]) -> None:
        """Keep what a message names; another copy may name more: an archive leaves fields out."""
        if not named:
            return
        kept = self._named_by(rank)
        if kept:
            known = set(kept)
            named = [one for one in named if one not in known] + kept.tolist()
        self._from[rank] = len(self._named)
        self._named.extend(named)
        self._to[rank] = len(self._named)

    def _named_by(self, rank: int) -> array[int]:
        return self._named[self._from[rank] : self._to[rank]]

    def _number_of(self, message_id: str) -> int:
        number = self._number.get(message_id)
        if number is None:
            if len(message_id) > _LONGEST_ID:
                message_id = hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()
                number = self._number.get(message_id)
            if number is None:
                number = self._number[message_id] = self._make(message_id)
        return self._also.get(number, number) if self._also else number

    def _make(self, name: str) -> int:
        self._names.append(name)
        self._rank.append(_NOBODY)
        return len(self._names) - 1

    def _ancestors(self, header: Header) -> list[int]:
        """Return what a message names, the oldest first: all of References, then the first of In-Reply-To."""
        named = dict.fromkeys(map(self._number_of, _MESSAGE_ID.findall(header.references)))
        answered = _MESSAGE_ID.search(header.in_reply_to) if header.in_reply_to else None
        if answered is not None:
            named.setdefault(self._number_of(answered.group()))
        return list(named)

    # -- linking

    def placed(self) -> Iterator[Placed]:
        """Yield every message in its thread, thread by thread, in the order of time; called once."""
        forest = _Forest(len(self._names))
        self._by_index(forest)
        self._by_own_fields(forest)
        self._by_others_fields(forest)
        self._by_group(forest)
        self._by_quotation(forest)
        self._by_subject(forest)
        yield from self._places(forest)

    def _by_index(self, forest: _Forest) -> None:
        """Link each Thread-Index to the longest one that it begins with."""
        if not self._index:
            return
        holder: dict[bytes, int] = {}
        for node in self._order:
            if node in self._index:
                holder.setdefault(self._index[node], node)
        for node in self._order:
            index = self._index.get(node, b"")
            for end in range(len(index) - INDEX_BLOCK, INDEX_HEAD - 1, -INDEX_BLOCK):
                parent = holder.get(index[:end])
                if parent is not None:
                    forest.link(parent, node, By.THREAD_INDEX)
                    break

    def _by_own_fields(self, forest: _Forest) -> None:
        """Link each message to the last one it names: first those that were sent before, or are not here."""
        late = []
        for rank, node in enumerate(self._order):
            parent = self._parent(rank, node)
            if parent == _NOBODY:
                continue
            if self._rank[parent] > rank:
                late.append((parent, node))
            else:
                forest.link(parent, node, By.REFERENCES)
        for parent, node in late:
            forest.link(parent, node, By.REFERENCES)

    def _parent(self, rank: int, node: int) -> int:
        for place in range(self._to[rank] - 1, self._from[rank] - 1, -1):
            one = self._named[place]
            one = self._also.get(one, one)
            if one != node:
                return one
        return _NOBODY

    def _by_others_fields(self, forest: _Forest) -> None:
        """Link neighbours in what messages name, where nothing better is known."""
        above = forest.parent
        for rank in range(len(self._order)):
            if self._to[rank] - self._from[rank] < 2:
                continue
            before = _NOBODY
            for one in self._named_by(rank):
                one = self._also.get(one, one)
                if before not in (_NOBODY, one) and above[one] == _NOBODY:
                    forest.link(before, one, By.REFERENCES)
                before = one

    def _by_group(self, forest: _Forest) -> None:
        """Bring under one root what shares its id, or its conversation by Thread-Index or by its source."""
        groups: tuple[tuple[Mapping[int, Any], Callable[[int], str | None], By], ...] = (
            (self._index, self._guid, By.THREAD_INDEX),
            (self._conversation, self._conversation.get, By.SOURCE),
            (self._twins, self._twins.get, By.SAME_ID),
        )
        for holders, key_of, by in groups:
            roots: dict[str, int] = {}
            for node in self._order if holders else ():
                key = key_of(node)
                if key is None:
                    continue
                if key not in roots:
                    roots[key] = forest.make()
                    self._make(f"{by}:{key}")
                forest.link(roots[key], forest.top(node), by)

    def _guid(self, node: int) -> str | None:
        index = self._index.get(node)
        return index[_GUID].hex() if index is not None else None

    def _alone(self, rank: int, node: int) -> bool:
        """Say whether a message states nothing of others: only such a one is placed by its looks."""
        return (
            self._from[rank] == self._to[rank] and node not in self._index and node not in self._conversation
        )

    def _by_quotation(self, forest: _Forest) -> None:
        """Link a message that names none to the newest earlier one whose own words it quotes first."""
        if not self._quotes:
            return
        wrote: dict[bytes, int] = {}
        for rank, node in enumerate(self._order):
            quoted = self._quotes.get(node)
            if quoted and self._alone(rank, node) and forest.parent[node] == _NOBODY:
                parent = wrote.get(quoted)
                if parent is not None:
                    forest.link(parent, node, By.QUOTED)
            own = self._own.get(node)
            if own:
                wrote[own] = node

    def _by_subject(self, forest: _Forest) -> None:
        """Link a reply that names none to the first earlier message of its subject among the same people.

        Two threads that both have reply fields are never made one.
        """
        asked = {
            subject >> 1
            for rank, subject in enumerate(self._subject)
            if subject & 1 and subject != _NOBODY and self._seeks(forest, rank)
        }
        if not asked:
            return
        stating = {forest.top(node) for rank, node in enumerate(self._order) if not self._alone(rank, node)}
        circles = list(self._circles)
        first: dict[int, list[int]] = {}
        for rank, node in enumerate(self._order):
            subject = self._subject[rank] >> 1
            if subject not in asked:
                continue
            if self._subject[rank] & 1 and self._seeks(forest, rank):
                mine = set(circles[self._circle[rank]])
                states = forest.top(node) in stating
                for earlier in first.get(subject, ()):
                    one = self._order[earlier]
                    if mine.isdisjoint(circles[self._circle[earlier]]):
                        continue
                    if states and forest.top(one) in stating:
                        continue
                    if forest.link(one, node, By.SUBJECT):
                        if states:
                            stating.add(forest.top(node))
                        break
            if forest.parent[node] == _NOBODY or not self._alone(rank, node):
                held = first.setdefault(subject, [])
                if len(held) < _MOST_OF_A_SUBJECT:
                    held.append(rank)

    def _seeks(self, forest: _Forest, rank: int) -> bool:
        """Say whether a message names none and was put nowhere."""
        node = self._order[rank]
        return forest.parent[node] == _NOBODY and self._alone(rank, node)

    # -- saying

    def _places(self, forest: _Forest) -> Iterator[Placed]:
        if not self._order:
            return
        order = np.frombuffer(self._order, dtype=np.int32)
        parents = self._collected_parents(forest)
        depths = _depths(parents)
        tops = forest.tops()[order]
        _, begins, which = np.unique(tops, return_index=True, return_inverse=True)
        begins = begins[which]  # for each message: the first of its thread
        sorted_ranks = np.argsort(begins, kind="stable")
        ends = np.flatnonzero(np.diff(begins[sorted_ranks], append=-1)) + 1
        start = 0
        for end in ends.tolist():
            ranks = sorted_ranks[start:end].tolist()
            name = self._thread_name(int(tops[ranks[0]]), ranks)
            for place, rank in enumerate(ranks, start=1):
                parent = int(parents[rank])
                first = place == 1 and parent == _NOBODY
                copies = self._copies.get(rank)
                item = self._item[rank]
                yield Placed(
                    self._same[rank],
                    (item,) if copies is None else tuple(sorted((item, *copies))),
                    name,
                    self._same[parent] if parent != _NOBODY else None,
                    By.FIRST if first else _BY[forest.by[self._order[rank]]],
                    place,
                    int(depths[rank]),
                    end - start,
                )
            start = end

    def _thread_name(self, root: int, ranks: Sequence[int]) -> str:
        """Return a thread's id: of its root, or of its only message where the root is one that nobody has."""
        alone = len(ranks) == 1 and self._rank[root] == _NOBODY
        name = self._names[self._order[ranks[0]] if alone else root]
        return hashlib.sha256(f"th1\x1f{name}".encode("utf-8", "surrogatepass")).hexdigest()[:24]

    def _collected_parents(self, forest: _Forest) -> NDArray[np.int32]:
        """Return for each message, by its place, the place of the nearest one above it that was collected."""
        ranks = np.append(np.frombuffer(self._rank, dtype=np.int32), np.int32(_NOBODY))
        nobody = len(ranks) - 1
        above = np.append(np.frombuffer(forest.parent, dtype=np.int32), np.int32(nobody))
        above[above == _NOBODY] = nobody
        # What was collected, and nobody, stay where they are; all others go up, twice as far each time.
        goes = np.where(ranks == _NOBODY, above, np.arange(len(ranks), dtype=np.int32))
        while True:
            further = goes[goes]
            if np.array_equal(further, goes):
                break
            goes = further
        found: NDArray[np.int32] = ranks[goes[above[np.frombuffer(self._order, dtype=np.int32)]]]
        return found


def _depths(parents: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return how many stand above each; what is above is looked at twice as far each time."""
    above = np.append(parents, np.int32(len(parents)))
    above[above == _NOBODY] = len(parents)
    depths: NDArray[np.int32] = (above != len(parents)).astype(np.int32)
    while (above != len(parents)).any():
        depths += depths[above]
        above = above[above]
    return depths[:-1]


_MOST_OF_A_SUBJECT = 200
"""Messages of one subject that a reply is held against; ``Re: Hi`` is written a hundred thousand times."""


class _Forest:
    """Parents by number, and which trees are one: a link takes next to no time, however deep they are."""

    def __init__(self, size: int) -> None:
        self.parent = array("i", [_NOBODY]) * size
        self.by = bytearray(size)  # place in _BY
        self._set = array("i", range(size))
        self._top = array("i", range(size))  # by the set's number: the root of its tree

    def make(self) -> int:
        """Add a root that stands for what several share."""
        number = len(self.parent)
        self.parent.append(_NOBODY)
        self.by.append(0)
        self._set.append(number)
        self._top.append(number)
        return number

    def top(self, node: int) -> int:
        """Return the root of the tree a number is in."""
        return self._top[self._of(node)]

    def tops(self) -> NDArray[np.int32]:
        """Return the root of each tree by number."""
        sets = np.frombuffer(self._set, dtype=np.int32)
        while True:
            further = sets[sets]
            if np.array_equal(further, sets):
                found: NDArray[np.int32] = np.frombuffer(self._top, dtype=np.int32)[sets]
                return found
            sets = further

    def link(self, parent: int, child: int, by: By) -> bool:
        """Put a root below another tree; refused when it is no root, or is the root of that very tree."""
        if self.parent[child] != _NOBODY:
            return False
        one, other = self._of(parent), self._of(child)
        if one == other:
            return False
        self.parent[child] = parent
        self.by[child] = _CODE[by]
        # The larger number goes below the smaller one, which with paths halved is short enough.
        low, high = (one, other) if one < other else (other, one)
        self._top[low] = self._top[one]
        self._set[high] = low
        return True

    def _of(self, node: int) -> int:
        sets = self._set
        above = sets[node]
        while above != node:
            further = sets[above]
            if further != above:
                sets[node] = further
            node, above = above, further
        return node
