"""Heaps, B-trees on heaps, property contexts and table contexts (MS-PST section 2.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from examples.outlook_data.nodes import Nodes, cut

_HEAP_MOST = 3580
"""A larger value is no part of a heap (section 2.3.1.1)."""

_PROPERTIES, _TABLE, _TREE = 0xBC, 0x7C, 0xB5
_FIXED = {0x02: 2, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 1, 0x14: 8, 0x40: 8}
ROW_ID, ROW_VERSION = 0x67F20003, 0x67F30003


@dataclass(slots=True)
class Heap:
    """A heap on a node (section 2.3.1).

    Attributes:
        most: Bytes of data in a block.
        kind: What it holds (``bClientSig``).
    """

    most: int
    kind: int
    _pages: list[list[bytes]] = field(default_factory=lambda: [[]])
    _left: int = 0

    def __post_init__(self) -> None:
        """Begin the first page."""
        self._left = self.most - 12 - 7

    def add(self, data: bytes) -> int:
        """Put something into the heap and return its id."""
        if len(data) + 2 > self._left or len(self._pages[-1]) == 2000:
            self._pages.append([])
            self._left = self.most - self._before(len(self._pages) - 1) - 7
        self._pages[-1].append(data)
        self._left -= len(data) + 2
        return (len(self._pages) - 1) << 16 | len(self._pages[-1]) << 5

    def blocks(self, root: int) -> list[bytes]:
        """Return the data of its blocks."""
        made = []
        for number, values in enumerate(self._pages):
            places = [self._before(number)]
            for value in values:
                places.append(places[-1] + len(value))
            body = b"".join(values)
            end = places[-1] + places[-1] % 2
            head = struct.pack("<H", end)
            if number == 0:
                head += struct.pack("<BBII", 0xEC, self.kind, root, 0)
            map_ = struct.pack(f"<HH{len(places)}H", len(values), 0, *places)
            made.append((head.ljust(places[0], b"\0") + body).ljust(end, b"\0") + map_)
        return made

    @staticmethod
    def _before(number: int) -> int:
        if number == 0:
            return 12
        return 66 if number % 128 == 8 else 2


def tree(heap: Heap, key: int, entry: int, records: Sequence[bytes]) -> int:
    """Put a B-tree of sorted records into a heap and return the id of its header (section 2.3.2)."""
    level, root = 0, 0
    rows = list(records)
    while rows:
        size = len(rows[0])
        above = [
            some[0][:key] + struct.pack("<I", heap.add(b"".join(some)))
            for some in cut(rows, _HEAP_MOST // size)
        ]
        if len(above) == 1:
            root = struct.unpack("<I", above[0][key:])[0]
            break
        rows, level = above, level + 1
    return heap.add(struct.pack("<BBBBI", _TREE, key, entry, level, root))


@dataclass(slots=True)
class Owner:
    """Collects the subnodes of a node.

    Attributes:
        nodes: Where they are written.
        entries: Id, data and own subnodes of each.
    """

    nodes: Nodes
    entries: list[tuple[int, int, int]] = field(default_factory=list)
    _next: int = 0x8000

    def hold(self, data: bytes) -> int:
        """Write a value that is too large for a heap, and return the id of its subnode."""
        return self.add(0x1F, self.nodes.stream(data))

    def add(self, kind: int, data: int, subnodes: int = 0) -> int:
        """Add a subnode of a kind (section 2.2.2.1) and return its id."""
        self._next += 0x20
        nid = self._next | kind
        self.entries.append((nid, data, subnodes))
        return nid


def value_id(heap: Heap, owner: Owner, data: bytes) -> int:
    """Store a value of any length and return its id (section 2.3.3.2); 0 for nothing."""
    if not data:
        return 0
    return heap.add(data) if len(data) <= _HEAP_MOST else owner.hold(data)


def properties(owner: Owner, values: Mapping[int, bytes]) -> int:
    """Write a property context (section 2.3.3) and return the id of its data.

    Args:
        owner: Of the node.
        values: By tag: the property's id in the upper 16 bits, its type in the lower ones.
    """
    heap = Heap(owner.nodes.layout.most, _PROPERTIES)
    rows = []
    for tag in sorted(values):
        kind, data = tag & 0xFFFF, values[tag]
        size = _FIXED.get(kind)
        if size is not None and size <= 4:
            stored = int.from_bytes(data.ljust(4, b"\0")[:4], "little")
        else:
            stored = value_id(heap, owner, data)
        rows.append(struct.pack("<HHI", tag >> 16, kind, stored))
    return owner.nodes.data(heap.blocks(tree(heap, 2, 6, rows)))


def table(owner: Owner, columns: Sequence[int], rows: Sequence[tuple[int, Mapping[int, bytes]]]) -> int:
    """Write a table context (section 2.3.4) and return the id of its data.

    Args:
        owner: Of the node.
        columns: Tags, beside those of the row's id and version.
        rows: Id and values of each.
    """
    most = owner.nodes.layout.most
    heap = Heap(most, _TABLE)
    tags = [ROW_ID, ROW_VERSION, *sorted(columns)]
    sizes = {tag: min(_FIXED.get(tag & 0xFFFF, 4), 8) for tag in tags}
    order = [ROW_ID, ROW_VERSION, *sorted((tag for tag in tags[2:]), key=lambda tag: -_rank(sizes[tag]))]
    places, at, ends = {}, 0, []
    for rank in (4, 2, 1):
        for tag in order:
            if _rank(sizes[tag]) == rank:
                places[tag], at = at, at + sizes[tag]
        ends.append(at)
    width = at + (len(tags) + 7) // 8
    about = b"".join(
        struct.pack("<IHBB", tag, places[tag], sizes[tag], bit)
        for bit, tag in sorted(enumerate(tags), key=lambda one: one[1])
    )
    made = []
    for number, (row_id, values) in enumerate(rows):
        whole = {ROW_ID: struct.pack("<I", row_id), ROW_VERSION: struct.pack("<I", number + 1), **values}
        made.append(_row(whole, tags, places, sizes, width, lambda data: value_id(heap, owner, data)))
    index = struct.Struct("<II" if owner.nodes.layout.wide else "<IH")
    ids = sorted((row_id, number) for number, (row_id, _) in enumerate(rows))
    rows_tree = tree(heap, 4, index.size - 4, [index.pack(*one) for one in ids])
    matrix = b"".join(made)
    if len(matrix) <= _HEAP_MOST:
        at_rows = heap.add(matrix) if matrix else 0
    else:
        pieces = [b"".join(some).ljust(most, b"\0") for some in cut(made, most // width)]
        last = len(made) % (most // width) or most // width
        pieces[-1] = pieces[-1][: last * width]
        at_rows = owner.add(0x1F, owner.nodes.data(pieces))
    head = struct.pack("<BB4HIII", _TABLE, len(tags), *ends, width, rows_tree, at_rows, 0)
    return owner.nodes.data(heap.blocks(heap.add(head + about)))


def _rank(size: int) -> int:
    return min(size, 4)


def _row(
    values: Mapping[int, bytes],
    tags: Sequence[int],
    places: Mapping[int, int],
    sizes: Mapping[int, int],
    width: int,
    store: Callable[[bytes], int],
) -> bytes:
    """Return one row of the matrix; its last bytes say which cells there are (section 2.3.4.4.1)."""
    row = bytearray(width)
    for bit, tag in enumerate(tags):
        if tag not in values:
            continue
        data = values[tag]
        cell = data if tag & 0xFFFF in _FIXED else struct.pack("<I", store(data))
        row[places[tag] : places[tag] + sizes[tag]] = cell[: sizes[tag]].ljust(sizes[tag], b"\0")
        row[width - (len(tags) + 7) // 8 + bit // 8] |= 0x80 >> bit % 8
    return bytes(row)
