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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from review.grouping import rules

INDEX_HEAD, INDEX_BLOCK = 22, 5
"""Bytes of a Thread-Index: of its head, and of each reply."""
_GUID = slice(6, 22)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_LONGEST_ID = 998
"""Characters of a line (RFC 5322 section 2.1.1); a longer id is kept by its digest."""
_NO_TIME = "9999"
_SPACES = re.compile(r"\s+")
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


@dataclass(frozen=True, slots=True)
class Placed:
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
    rest, reply = _SPACES.sub(" ", subject).strip(), False
    while True:
        before = rest
        tag = _LIST_TAG.match(rest)
        if tag is not None and tag.end() < len(rest):
            rest = rest[tag.end() :]
        prefix = _prefix().match(rest)
        if prefix is not None:
            rest, reply = rest[prefix.end() :], True
        around = _FORWARDED.match(rest)
        if around is not None:
            rest, reply = (around[1] if around[1] is not None else around[2]).strip(), True
        if rest == before:
            return rest.casefold(), reply


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
    kept, and not its fields, so a million messages fit into the memory of a small machine.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._number: dict[str, int] = {}  # of a message id
        self._node: dict[str, int] = {}  # of what is the same message
        self._names: list[str] = []  # by number: what its thread would be called
        self._same: list[str] = []  # by number; empty for an id that only others name
        self._items: dict[int, list[str]] = {}
        self._order: list[int] = []  # messages as they came
        self._rank = array("l")  # by number: place among them
        self._named: dict[int, array[int]] = {}  # ids that a message names, the last one is its parent
        self._index: dict[int, bytes] = {}
        self._conversation: dict[int, str] = {}
        self._subject: dict[int, tuple[str, bool]] = {}
        self._people: dict[int, tuple[int, ...]] = {}
        self._person: dict[str, int] = {}
        self._own: dict[int, bytes] = {}
        self._quotes: dict[int, bytes] = {}
        self._twins: dict[int, str] = {}  # messages of one id, by a name that they share
        self._also: dict[int, int] = {}  # an id that turned out to be another one's message

    # -- taking in

    def add(self, header: Header) -> None:
        """Take one copy of a message."""
        found = _MESSAGE_ID.search(header.message_id)
        node = self._node.get(header.same)
        if node is not None:
            self._items[node].append(header.item_id)
            self._take_name(found, node)
        else:
            node = self._new_node(found, header)
        named = self._ancestors(header)
        if named:
            kept = self._named.get(node)
            if kept is None:
                self._named[node] = named
            else:  # another copy may name more: an archive leaves fields out
                known = set(kept)
                self._named[node] = array("l", [one for one in named if one not in known]) + kept
        index = thread_index_of(header.thread_index)
        if index:
            self._index.setdefault(node, index)
        if header.conversation:
            self._conversation.setdefault(node, header.conversation)

    def _new_node(self, found: re.Match[str] | None, header: Header) -> int:
        node = self._number_of(found.group()) if found is not None else self._make("")
        if self._same[node]:  # another message has this id already: this one gets one of its own, and is kept
            twin, node = node, self._make("")
            name = self._twins.setdefault(twin, header.same)
            self._twins[node] = name
        if not self._names[node]:
            self._names[node] = header.same
        self._node[header.same] = node
        self._same[node] = header.same
        self._items[node] = [header.item_id]
        self._rank[node] = len(self._order)
        self._order.append(node)
        if header.subject:
            self._subject[node] = base_subject(header.subject)
        if header.people:
            person = self._person
            self._people[node] = tuple({person.setdefault(one.lower(), len(person)) for one in header.people})
        if header.own:
            self._own[node] = header.own
        if header.quotes:
            self._quotes[node] = header.quotes
        return node

    def _take_name(self, found: re.Match[str] | None, node: int) -> None:
        """Let another id of the same message stand for it, where no other message has it."""
        if found is not None:
            number = self._number_of(found.group())
            if number != node and not self._same[number]:
                self._also[number] = node

    def _number_of(self, message_id: str) -> int:
        if len(message_id) > _LONGEST_ID:
            message_id = hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()
        number = self._number.get(message_id)
        if number is None:
            number = self._number[message_id] = self._make(message_id)
        return self._also.get(number, number)

    def _make(self, name: str) -> int:
        self._names.append(name)
        self._same.append("")
        self._rank.append(_NOBODY)
        return len(self._names) - 1

    def _ancestors(self, header: Header) -> array[int]:
        """Return what a message names, the oldest first: all of References, then the first of In-Reply-To."""
        if not (header.references or header.in_reply_to):
            return array("l")
        named = {self._number_of(one): None for one in _MESSAGE_ID.findall(header.references)}
        answered = _MESSAGE_ID.search(header.in_reply_to)
        if answered is not None:
            named.setdefault(self._number_of(answered.group()))
        return array("l", named)

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
        for node in self._order:
            parent = self._parent(node)
            if parent == _NOBODY:
                continue
            if self._rank[parent] > self._rank[node]:
                late.append((parent, node))
            else:
                forest.link(parent, node, By.REFERENCES)
        for parent, node in late:
            forest.link(parent, node, By.REFERENCES)

    def _parent(self, node: int) -> int:
        for one in reversed(self._named.get(node, ())):
            one = self._also.get(one, one)
            if one != node:
                return one
        return _NOBODY

    def _by_others_fields(self, forest: _Forest) -> None:
        """Link neighbours in what messages name, where nothing better is known."""
        for node in self._order:
            before = _NOBODY
            for one in self._named.get(node, ()):
                one = self._also.get(one, one)
                if before not in {_NOBODY, one}:
                    forest.link(before, one, By.REFERENCES)
                before = one

    def _by_group(self, forest: _Forest) -> None:
        """Bring under one root what shares its id, or its conversation by Thread-Index or by its source."""
        groups = (
            (self._guids(), By.THREAD_INDEX),
            (self._conversation, By.SOURCE),
            (self._twins, By.SAME_ID),
        )
        for keys, by in groups:
            roots: dict[str, int] = {}
            for node in self._order:
                key = keys.get(node)
                if key is None:
                    continue
                if key not in roots:
                    roots[key] = forest.make()
                    self._make(f"{by}:{key}")
                forest.link(roots[key], forest.top(node), by)

    def _guids(self) -> dict[int, str]:
        return {node: index[_GUID].hex() for node, index in self._index.items()}

    def _alone(self, node: int) -> bool:
        """Say whether a message states nothing of others: only such a one is placed by its looks."""
        return not (node in self._named or node in self._index or node in self._conversation)

    def _by_quotation(self, forest: _Forest) -> None:
        """Link a message that names none to the newest earlier one whose own words it quotes first."""
        wrote: dict[bytes, int] = {}
        for node in self._order:
            quoted = self._quotes.get(node)
            if quoted and self._alone(node) and forest.parent[node] == _NOBODY:
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
        stating = {forest.top(node) for node in self._order if not self._alone(node)}
        first: dict[str, list[int]] = {}
        for node in self._order:
            if node not in self._subject:
                continue
            subject, reply = self._subject[node]
            if not subject:
                continue
            if reply and self._alone(node) and forest.parent[node] == _NOBODY:
                mine = set(self._people.get(node, ()))
                states = forest.top(node) in stating
                for one in first.get(subject, ()):
                    if mine.isdisjoint(self._people.get(one, ())) or (states and forest.top(one) in stating):
                        continue
                    if forest.link(one, node, By.SUBJECT):
                        if states:
                            stating.add(forest.top(node))
                        break
            if forest.parent[node] == _NOBODY or not self._alone(node):
                held = first.setdefault(subject, [])
                if len(held) < _MOST_OF_A_SUBJECT:
                    held.append(node)

    # -- saying

    def _places(self, forest: _Forest) -> Iterator[Placed]:
        members: dict[int, list[int]] = {}
        for node in self._order:
            members.setdefault(forest.top(node), []).append(node)
        parents = self._collected_parents(forest)
        depths: dict[int, int] = {}
        for root, nodes in members.items():
            name = self._thread_name(root, nodes)
            for place, node in enumerate(nodes, start=1):
                parent = parents[node]
                first = place == 1 and parent == _NOBODY
                yield Placed(
                    same=self._same[node],
                    items=tuple(sorted(self._items[node])),
                    thread=name,
                    parent=self._same[parent] if parent != _NOBODY else None,
                    by=By.FIRST if first else forest.by.get(node, By.FIRST),
                    place=place,
                    depth=self._depth(node, parents, depths),
                    size=len(nodes),
                )

    def _thread_name(self, root: int, nodes: Sequence[int]) -> str:
        """Return a thread's id: of its root, or of its only message where the root is one that nobody has."""
        name = self._names[root] if len(nodes) > 1 or self._same[root] else self._names[nodes[0]]
        return hashlib.sha256(f"th1\x1f{name}".encode("utf-8", "surrogatepass")).hexdigest()[:24]

    def _collected_parents(self, forest: _Forest) -> dict[int, int]:
        """Return for each message the nearest one above it that was collected."""
        nearest: dict[int, int] = {}
        for node in self._order:
            path = []
            above = forest.parent[node]
            while above != _NOBODY and not self._same[above] and above not in nearest:
                path.append(above)
                above = forest.parent[above]
            found = above
            if above != _NOBODY and not self._same[above]:
                found = nearest[above]
            for one in path:
                nearest[one] = found
            nearest[node] = found
        return nearest

    def _depth(self, node: int, parents: dict[int, int], depths: dict[int, int]) -> int:
        path = []
        while node not in depths and parents[node] != _NOBODY:
            path.append(node)
            node = parents[node]
        depth = depths.setdefault(node, 0)
        for one in reversed(path):
            depth += 1
            depths[one] = depth
        return depth


_MOST_OF_A_SUBJECT = 200
"""Messages of one subject that a reply is held against; ``Re: Hi`` is written a hundred thousand times."""


class _Forest:
    """Parents by number, and which trees are one: a link takes next to no time, however deep they are."""

    def __init__(self, size: int) -> None:
        self.parent = array("l", [_NOBODY]) * size
        self.by: dict[int, By] = {}
        self._set = array("l", range(size))
        self._top = array("l", range(size))  # by the set's number: the root of its tree

    def make(self) -> int:
        """Add a root that stands for what several share."""
        number = len(self.parent)
        self.parent.append(_NOBODY)
        self._set.append(number)
        self._top.append(number)
        return number

    def top(self, node: int) -> int:
        """Return the root of the tree a number is in."""
        return self._top[self._of(node)]

    def link(self, parent: int, child: int, by: By) -> bool:
        """Put a root below another tree; refused when it is no root, or is the root of that very tree."""
        if self.parent[child] != _NOBODY:
            return False
        one, other = self._of(parent), self._of(child)
        if one == other:
            return False
        self.parent[child] = parent
        self.by[child] = by
        # The larger number goes below the smaller one, which with paths halved is short enough.
        low, high = (one, other) if one < other else (other, one)
        self._top[low] = self._top[one]
        self._set[high] = low
        return True

    def _of(self, node: int) -> int:
        sets = self._set
        while sets[node] != node:
            sets[node] = sets[sets[node]]
            node = sets[node]
        return node
