"""The node database: blocks, pages and the two B-trees of an Outlook data file (MS-PST section 2.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar, cast

from examples.outlook_data.encoding import NONE, checksum, encoded, signature

T = TypeVar("T", bound=Sequence[Any])

_BLOCKS_TREE, _NODES_TREE = 0x80, 0x81
_INTERNAL = 2
"""The bit of a block id that says that the block holds ids of others, and is not encoded."""

_FIRST = 0x4400
"""Where the first page of the allocation map would lie; nothing stands before it but the header."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What Unicode and ANSI files do differently (MS-PST sections 2.2.2.6 to 2.2.2.8).

    Attributes:
        version: ``wVer`` of the header.
        number: Code of a block id or an offset.
        trailer: Bytes of a block's or a page's trailer.
        blank: What stands between the counts of a B-tree page and its trailer.
        page: Bytes of a page.
        counts: Codes of the counts of a B-tree page.
        aligned: Bytes that the size of a block is a multiple of.
        client: What made it: ``SM`` for a PST, ``SO`` for an OST.
    """

    version: int
    number: str
    trailer: int
    blank: bytes
    page: int = 512
    counts: str = "<BBBB"
    aligned: int = 64
    client: bytes = b"SM"

    @property
    def wide(self) -> bool:
        """Whether it is Unicode."""
        return self.version >= 23

    @property
    def room(self) -> int:
        """Bytes of entries in a page of a B-tree."""
        return self.page - self.trailer - len(self.blank) - struct.calcsize(self.counts)

    @property
    def most(self) -> int:
        """Bytes of data in a block."""
        return 8192 - self.trailer


UNICODE = Layout(23, "Q", 16, bytes(4))
ANSI = Layout(15, "I", 12, b"")
OST_2013 = Layout(36, "Q", 24, bytes(10), 4096, "<HHBB", 512, b"SO")
"""Pages of 4 KB, as Outlook 2013 and later make their copies of mailboxes.

Microsoft has not published this form: it is that of libpff's description of the format, without compression.
"""


@dataclass(slots=True)
class Nodes:
    """Writes blocks as they come, and the trees and the header at the end.

    Attributes:
        out: The file, which can be written anywhere.
        layout: Unicode or ANSI.
        method: How data are encoded.
    """

    out: BinaryIO
    layout: Layout = UNICODE
    method: int = NONE
    _at: int = _FIRST
    _next_block: int = 4
    _next_page: int = 4
    _blocks: bytearray = field(default_factory=bytearray)
    _nodes: list[bytes] = field(default_factory=list)

    def block(self, data: bytes, *, internal: bool = False) -> int:
        """Write one block and return its id."""
        layout, bid = self.layout, self._next_block | (_INTERNAL if internal else 0)
        self._next_block += 4
        if not internal:
            data = encoded(data, self.method, bid)
        offset = self._at
        tail = struct.pack("<HH", len(data), signature(offset, bid))
        if layout.wide:
            tail += struct.pack("<IQ", checksum(data), bid)
        else:
            tail += struct.pack("<II", bid, checksum(data))
        if layout.page > 512:
            tail += struct.pack("<HHI", 2, len(data), 0)  # its size when it is not compressed
        size = -(len(data) + layout.trailer) % layout.aligned + len(data) + layout.trailer
        self._write(data.ljust(size - layout.trailer, b"\0") + tail)
        entry = struct.pack(f"<{layout.number * 2}HH", bid, offset, len(data), 2)
        self._blocks += entry + (bytes(4) if layout.wide else b"")
        return bid

    def data(self, pieces: Sequence[bytes]) -> int:
        """Write data as blocks of one tree (section 2.2.2.8.3.2) and return the id of its root.

        Args:
            pieces: The data of each block; all but the last have ``layout.most`` bytes where the data are
                one stream.
        """
        found = [(self.block(piece), len(piece)) for piece in pieces]
        level = 0
        per_block = (self.layout.most - 8) // struct.calcsize(self.layout.number)
        while len(found) > 1:
            level += 1
            found = [self._ids(some, level) for some in cut(found, per_block)]
        return found[0][0] if found else 0

    def _ids(self, below: Sequence[tuple[int, int]], level: int) -> tuple[int, int]:
        """Write a block of the ids of others; returns its own, and how much data lies below it."""
        total = sum(size for _, size in below)
        ids = struct.pack(f"<{len(below)}{self.layout.number}", *(bid for bid, _ in below))
        return self.block(struct.pack("<BBHI", 1, level, len(below), total) + ids, internal=True), total

    def stream(self, data: bytes) -> int:
        """Write one stream of bytes and return the id of its root."""
        return self.data([bytes(piece) for piece in cut(data, self.layout.most)])

    def subnodes(self, entries: Sequence[tuple[int, int, int]]) -> int:
        """Write nodes that belong to another (section 2.2.2.8.3.3); returns 0 for none.

        Args:
            entries: Id, data and own subnodes of each.
        """
        if not entries:
            return 0
        code, pad = f"<{self.layout.number * 3}", bytes(4) if self.layout.wide else b""
        size = struct.calcsize(code)
        per_block = (self.layout.most - 8) // size
        leaves = []
        for some in cut(sorted(entries), per_block):
            rows = b"".join(struct.pack(code, *one) for one in some)
            head = struct.pack("<BBH", 2, 0, len(some)) + pad
            leaves.append((some[0][0], self.block(head + rows, internal=True)))
        if len(leaves) == 1:
            return leaves[0][1]
        rows = b"".join(struct.pack(f"<{self.layout.number * 2}", *leaf) for leaf in leaves)
        return self.block(struct.pack("<BBH", 2, 1, len(leaves)) + pad + rows, internal=True)

    def node(self, nid: int, data: int, subnodes: int = 0, parent: int = 0) -> None:
        """Put a node into the tree of nodes."""
        if self.layout.wide:
            self._nodes.append(struct.pack("<QQQII", nid, data, subnodes, parent, 0))
        else:
            self._nodes.append(struct.pack("<IIII", nid, data, subnodes, parent))

    def close(self) -> None:
        """Write both trees and the header."""
        key = struct.calcsize(self.layout.number)
        self._nodes.sort(key=lambda one: int.from_bytes(one[:key], "little"))
        entry = 24 if self.layout.wide else 12
        blocks = [bytes(self._blocks[at : at + entry]) for at in range(0, len(self._blocks), entry)]
        # ids of blocks that hold ids have a bit more, and stand where their number puts them
        roots = [self._tree(_NODES_TREE, self._nodes), self._tree(_BLOCKS_TREE, blocks)]
        self._header(roots)

    def _tree(self, kind: int, entries: list[bytes]) -> tuple[int, int]:
        """Write a B-tree from its leaves up; returns id and offset of its root."""
        layout, level = self.layout, 0
        room = layout.room
        key = struct.calcsize(layout.number)
        while True:
            size = len(entries[0]) if entries else 24
            pages = [
                (some[0][:key] if some else bytes(key), self._page(kind, some, size, level))
                for some in (list(cut(entries, room // size)) or [[]])
            ]
            if len(pages) == 1:
                return pages[0][1]
            entries = [first + struct.pack(f"<{layout.number * 2}", *place) for first, place in pages]
            level += 1

    def _page(self, kind: int, entries: Sequence[bytes], size: int, level: int) -> tuple[int, int]:
        layout, room = self.layout, self.layout.room
        self._write(bytes(-self._at % layout.page))
        offset, bid = self._at, self._next_page
        self._next_page += 4
        body = b"".join(entries).ljust(room, b"\0")
        body += struct.pack(layout.counts, len(entries), room // size, size, level) + layout.blank
        tail = struct.pack("<BBH", kind, kind, signature(offset, bid))
        if layout.wide:
            tail += struct.pack("<IQ", checksum(body), bid)
        else:
            tail += struct.pack("<II", bid, checksum(body))
        self._write(body + tail.ljust(layout.trailer, b"\0"))
        return bid, offset

    def _header(self, roots: Sequence[tuple[int, int]]) -> None:
        layout = self.layout
        (nodes, nodes_at), (blocks, blocks_at) = roots
        counters = struct.pack("<32I", *([0x400] * 32))
        root = struct.pack(
            f"<I{layout.number * 8}BBH", 0, self._at, 0, 0, 0, nodes, nodes_at, blocks, blocks_at, 0, 0, 0
        )  # no map of free space is claimed to be valid
        maps = b"\xff" * 256
        if layout.wide:
            middle = struct.pack("<QQI", 0, self._next_page, 1) + counters + bytes(8) + root + bytes(4) + maps
            middle += struct.pack("<BBHQ", 0x80, self.method, 0, self._next_block)
        else:
            middle = struct.pack("<III", self._next_block, self._next_page, 1) + counters + root + maps
            middle += struct.pack("<BBHQI", 0x80, self.method, 0, 0, 0)
        about = struct.pack("<2sHHBBII", layout.client, layout.version, 19, 1, 1, 0, 0)
        body = about + middle
        head = b"!BDN" + struct.pack("<I", checksum(body.ljust(471, b"\0")[:471])) + body
        if layout.wide:
            head += struct.pack("<I", checksum(body[:516]))
        head += bytes(36)
        self.out.seek(0)
        self.out.write(head)
        self.out.seek(0, 2)

    def _write(self, data: bytes) -> None:
        self.out.seek(self._at)
        self.out.write(data)
        self._at += len(data)


def cut(values: T, most: int) -> Iterator[T]:
    """Yield a sequence in pieces of at most this length."""
    for at in range(0, len(values), most):
        yield cast("T", values[at : at + most])
