"""How many items each folder of an Outlook data file has, read from the bytes of the file itself.

It shares no code with libpff and looks at other places: a folder's own figure (PidTagContentCount, the
property 0x3602), and the tree of nodes, in which each message names its folder (MS-PST section 2.2.2.7.7.4).
The file is hostile: every read has a bound, and no page is read twice.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from records.errors import ItemError
from records.vocabulary import Reason

MAGIC = b"!BDN"
"""How every data file of Outlook begins (MS-PST section 2.2.2.6)."""

_NODES, _BLOCKS = 0x81, 0x80
_FOLDERS, _MESSAGE, _ASSOCIATED = (2, 3), 4, 8
_STATED = 0x3602
_PERMUTE, _CYCLIC = 1, 2
_MOST_BLOCK = 8192
_TRAILER_4K = 24
_DEEPEST = 8

_R = bytes.fromhex(
    "41361362a8216ebbf416cc047f64e85d1ef2cb2a74c55e35d295479e962d9a884c7d843fdbac31b6485ff6c4d8398be7"
    "233b388ec8c1df25b120a546604e9cfbaad35651457c550007c92b9d859b09a08fadb30f63ab894bd7a7155a716642bf"
    "264a6b98faea7753b270052cfd593a867ece06eb827857c78d43afb41cd45bcde2e9274fc3087280cfb0eff5286dbe30"
    "4d3492d50e3c2232e5e4f99fc2d10a8112e1ee918376e397e6618a1779a4b7dc907a5c8c02a6ca69de501a1193b95287"
    "58fced1d37491b6ae0293399bd6cd994f340546ff0c673b8d63e6518441fdd6710f10c19ecae03a1147ba90bfff8a3c0"
    "a201f72ebc2468750dfeba2fb5d0da3d"
)
_S = bytes.fromhex(
    "14530f56b3c87a9ceb65481716159f02cc547c83000d0c0ba262a876dbd9edc7c5a4dcac8574d6d0a79bae9a967166c3"
    "6399b8dd73928e847da55ed15d93b1575150808952944f4e0a6bbc8d7f6e47464140440111cb033ff7f4e1a98f3c3af9"
    "fbf0193082092ec99da08649ee6f4d6dc42d813425871b88aafc06a11238fd4c4272641337246a757743ffe6b44b365c"
    "e4d8353d45b92cecb7312b290768a30e697b189e2139be281a5b78f523ca2ab0af3efe048ce7e5983295d3f64ae8a6ea"
    "e9f3d52f7020f21f0567ad5510cecde3273bdabad7c226d4911dd21c2233f8faf15aefcf90b68bb5bdc0bf08971e6ce2"
    "61e0c6c159abbb58de5fdf60797eb28a"
)
_I = bytes(_R.index(value) for value in range(256))
"""The tables of MS-PST section 5.1."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the three forms of the file do differently.

    Attributes:
        page: Bytes of a page.
        number: Code of a block id or an offset.
        room: Bytes of a page before its counts.
        counts: Codes of the number of entries, the most there can be, the size of one, and the level.
        summed: Bytes of a page that its checksum covers.
        sum_at: Offset of the checksum.
        roots: Offset of the header's places of both trees.
        method: Offset of the header's way to encode data.
    """

    page: int
    number: str
    room: int
    counts: str
    summed: int
    sum_at: int
    roots: int
    method: int


_UNICODE = _Layout(512, "Q", 488, "<BBBB", 496, 500, 216, 513)
_UNICODE_4K = _Layout(4096, "Q", 4056, "<HHBB", 4072, 4076, 216, 513)
_ANSI = _Layout(512, "I", 496, "<BBBB", 500, 508, 184, 461)


HEADER = 564
"""Bytes of the longer of the two headers (MS-PST section 2.2.2.6); no file ends with the shorter one."""


OPENED = "data_file"
"""Why a data file in another export is no item by itself: its items are in places of their own."""


def is_named_so(name: str) -> bool:
    """Say whether a file has the name of a data file."""
    return name.lower().endswith((".pst", ".ost"))


def can_be_read(head: bytes) -> bool:
    """Say whether the first bytes of a file are a header of a data file that is not closed to everybody."""
    try:
        DataFile(io.BytesIO(head))
    except ItemError:
        return False
    return True


@dataclass(slots=True)
class Counts:
    """What the tree of nodes says.

    Attributes:
        whole: Every page of it could be read.
        messages: Number of messages by the number of their folder.
        associated: The same of items that belong to the folder itself.
        folders: Block of the properties of each folder.
    """

    whole: bool = True
    messages: Counter[int] = field(default_factory=Counter)
    associated: Counter[int] = field(default_factory=Counter)
    folders: dict[int, int] = field(default_factory=dict)


class DataFile:
    """A data file, as far as counting needs it."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the header.

        Raises:
            ItemError: ``unsupported`` for another format, ``truncated``, ``encrypted`` for a file that
                Windows protects.
        """
        self._stream = stream
        head = self._read(0, HEADER)
        if not head.startswith(MAGIC):
            raise ItemError(Reason.UNSUPPORTED, "not_a_data_file")
        if len(head) < HEADER:
            raise ItemError(Reason.TRUNCATED, "header")
        version = int.from_bytes(head[10:12], "little")
        if version not in {14, 15, 21, 23, 36, 37}:
            raise ItemError(Reason.UNSUPPORTED, f"version_{version}")
        self._layout = _ANSI if version < 21 else _UNICODE_4K if version == 36 else _UNICODE
        self.ansi = version < 21
        if version == 37 or head[self._layout.method] == 0x10:  # bCryptMethod NDB_CRYPT_EDPCRYPTED
            raise ItemError(Reason.ENCRYPTED, "windows_information_protection")
        self._method = head[self._layout.method]
        code = f"<{self._layout.number * 4}"
        places = struct.unpack_from(code, head, self._layout.roots)
        self._nodes_at, self._blocks_at = places[1], places[3]
        end = struct.unpack_from(f"<{self._layout.number}", head, 184 if not self.ansi else 168)[0]
        self.stated_bytes: int = end
        self._stream.seek(0, 2)
        self.bytes = self._stream.tell()

    @property
    def cut(self) -> bool:
        """Whether the file is shorter than it says."""
        return self.bytes < self.stated_bytes

    def counts(self) -> Counts:
        """Walk the tree of nodes."""
        found = Counts()
        code = struct.Struct("<QQQII" if self._layout.number == "Q" else "<IIII")
        for entries, level, size in self._pages(_NODES, self._nodes_at, found):
            if level or size < code.size:
                found.whole = found.whole and level > 0
                continue
            for at in range(0, len(entries) - code.size + 1, size):
                nid, data, _, parent = code.unpack_from(entries, at)[:4]
                kind = nid & 31
                if kind == _MESSAGE:
                    found.messages[parent] += 1
                elif kind == _ASSOCIATED:
                    found.associated[parent] += 1
                elif kind in _FOLDERS:
                    found.folders[nid] = data
        return found

    def _pages(self, kind: int, root: int, found: Counts) -> Iterator[tuple[bytes, int, int]]:
        """Yield entries, level and size of an entry of each page of a tree, each once."""
        seen: set[int] = set()
        pending = [(root, _DEEPEST)]
        number = struct.calcsize(self._layout.number)
        while pending:
            offset, below = pending.pop()
            page = self._page(kind, offset) if offset not in seen else None
            seen.add(offset)
            if page is None or page[1] >= below:
                found.whole = False
                continue
            yield page
            entries, level, size = page
            if level:
                places = [
                    struct.unpack_from(f"<{self._layout.number}", entries, at + 2 * number)[0]
                    for at in range(0, len(entries) - 3 * number + 1, size)
                ]
                pending += [(place, level) for place in reversed(places)]

    def mended(self) -> dict[int, bytes]:
        """Return pages of both trees without the entries that lead to no page, by their place.

        With these in their stead, what does not hang on a page that is lost can be read again. A page whose
        sum is wrong is taken for a page: its entries are tried.
        """
        found: dict[int, bytes] = {}
        for kind, root in ((_NODES, self._nodes_at), (_BLOCKS, self._blocks_at)):
            self._mend(kind, root, None, found, set())
        return found

    def _mend(
        self, kind: int, offset: int, level: int | None, found: dict[int, bytes], seen: set[int]
    ) -> bool:
        """Tell whether a page leads to something, and put it into ``found`` where it has to be another."""
        page = self._page(kind, offset, summed=False) if offset not in seen else None
        seen.add(offset)
        if page is None or page[1] > _DEEPEST or (level is not None and page[1] != level):
            return False
        entries, below, size = page
        if not below:
            return True
        number = struct.calcsize(self._layout.number)
        rows = [entries[at : at + size] for at in range(0, len(entries), size)]
        sound = [
            row
            for row in rows
            if len(row) >= 3 * number
            and self._mend(
                kind,
                struct.unpack_from(f"<{self._layout.number}", row, 2 * number)[0],
                below - 1,
                found,
                seen,
            )
        ]
        if len(sound) < len(rows):
            layout = self._layout
            whole = bytearray(self._read(offset, layout.page))
            whole[: layout.room] = b"".join(sound).ljust(layout.room, b"\0")
            width = struct.calcsize(layout.counts[:2])
            whole[layout.room : layout.room + width] = len(sound).to_bytes(width, "little")
            whole[layout.sum_at : layout.sum_at + 4] = _checksum(bytes(whole[: layout.summed])).to_bytes(
                4, "little"
            )
            found[offset] = bytes(whole)
        return bool(sound)

    def _page(self, kind: int, offset: int, *, summed: bool = True) -> tuple[bytes, int, int] | None:
        """Return entries, level and size of an entry of a page; None for one that is damaged.

        Args:
            kind: Of the page.
            offset: Its place.
            summed: Whether its sum has to be right.
        """
        layout = self._layout
        page = self._read(offset, layout.page)
        if page[layout.summed : layout.summed + 2] != bytes([kind, kind]) or len(page) < layout.page:
            return None
        stated = int.from_bytes(page[layout.sum_at : layout.sum_at + 4], "little")
        if summed and _checksum(page[: layout.summed]) != stated:
            return None
        count, _, size, level = struct.unpack_from(layout.counts, page, layout.room)
        if not size or count * size > layout.room:
            return None
        return page[: count * size], level, size

    def stated(self, block: int) -> int | None:
        """Return a folder's own figure of its messages.

        Args:
            block: Of the folder's properties.

        Returns:
            None where it says none, or cannot be read.
        """
        try:
            data = self._block(block)
            value = _property(data, _STATED) if data is not None else None
        except (struct.error, IndexError):
            return None
        return value

    def _block(self, bid: int, deep: int = 0) -> bytes | None:
        """Return the data of a block, of one that lists others that of the first."""
        place = self._place(bid & ~1)
        if place is None or deep > 2:
            return None
        offset, size = place
        data = self._read(offset, min(size, _MOST_BLOCK))
        if len(data) < size or (self._layout is _UNICODE_4K and self._is_packed(offset, size)):
            return None
        if bid & 2:
            if data[:1] != b"\x01":
                return None
            return self._block(struct.unpack_from(f"<{self._layout.number}", data, 8)[0], deep + 1)
        if self._method == _PERMUTE:
            return data.translate(_I)
        return _cyclic(data, bid) if self._method == _CYCLIC else data

    def _is_packed(self, offset: int, size: int) -> bool:
        """Tell whether a block is compressed, by the size in its trailer; of files with large pages alone."""
        trailer = offset + size + -(size + _TRAILER_4K) % 512
        unpacked = int.from_bytes(self._read(trailer + 18, 2), "little")
        return unpacked not in {0, size}

    def _place(self, bid: int) -> tuple[int, int] | None:
        """Return offset and size of a block, by the tree of blocks."""
        offset, below = self._blocks_at, _DEEPEST
        number = struct.calcsize(self._layout.number)
        while True:
            page = self._page(_BLOCKS, offset)
            if page is None or page[1] >= below:
                return None
            entries, below, size = page
            found: int | None = None
            for at in range(0, len(entries), size):
                key = struct.unpack_from(f"<{self._layout.number}", entries, at)[0] & ~1
                if key > bid or (below == 0 and key > bid):
                    break
                if below or key == bid:
                    found = at
            if found is None:
                return None
            if below:
                offset = struct.unpack_from(f"<{self._layout.number}", entries, found + 2 * number)[0]
                continue
            at_block, length = struct.unpack_from(f"<{self._layout.number}H", entries, found + number)
            return at_block, length

    def _read(self, offset: int, size: int) -> bytes:
        if offset > 1 << 62:
            return b""
        self._stream.seek(offset)
        return self._stream.read(size)


def _property(data: bytes, wanted: int) -> int | None:
    """Return a number of a property context whose first block this is (MS-PST section 2.3.3)."""
    if data[2:4] != b"\xec\xbc":
        return None
    root = _allocated(data, struct.unpack_from("<I", data, 4)[0])
    if root is None or root[:3] != b"\xb5\x02\x06":
        return None
    level, leaf = root[3], struct.unpack_from("<I", root, 4)[0]
    while True:
        rows = _allocated(data, leaf)
        if rows is None or level > 4:
            return None
        size = 6 if level else 8
        found = None
        for at in range(0, len(rows) - size + 1, size):
            (key,) = struct.unpack_from("<H", rows, at)
            if level and key <= wanted:
                found = struct.unpack_from("<I", rows, at + 2)[0]
            elif not level and key == wanted and rows[at + 2 : at + 4] == b"\x03\x00":
                return int(struct.unpack_from("<I", rows, at + 4)[0])
        if found is None:
            return None
        level, leaf = level - 1, found


def _allocated(data: bytes, hid: int) -> bytes | None:
    """Return a piece of the heap in its first block (section 2.3.1); None for one in another block."""
    if hid >> 16 or hid & 31 or not hid:
        return None
    (map_at,) = struct.unpack_from("<H", data, 0)
    (count,) = struct.unpack_from("<H", data, map_at)
    index = hid >> 5
    if not 1 <= index <= count:
        return None
    start, end = struct.unpack_from("<HH", data, map_at + 4 + 2 * (index - 1))
    return data[start:end]


def _cyclic(data: bytes, bid: int) -> bytes:
    """Decode a block (section 5.2): the way back is the way there."""
    key = (bid ^ bid >> 16) & 0xFFFF
    out = bytearray()
    for value in data:
        low, high = key & 0xFF, key >> 8
        value = _S[_R[value + low & 0xFF] + high & 0xFF]
        out.append(_I[value - high & 0xFF] - low & 0xFF)
        key = key + 1 & 0xFFFF
    return bytes(out)


def _checksum(data: bytes) -> int:
    """Return the CRC of section 5.3: the usual one without its inversions."""
    return zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF
