"""Compound files written from their parts (MS-CFB): the container of Outlook's ``.msg`` and of OLE objects.

Version 3 with sectors of 512 bytes, as Outlook writes ``.msg`` files (MS-OXMSG section 2.1). The same parts
always give the same bytes: no clock, no free sector, entries in one order. Nothing is read here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from records.errors import ItemError
from records.vocabulary import Reason

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How every compound file begins (MS-CFB section 2.2)."""

_SECTOR, _MINI = 512, 64
_CUTOFF = 4_096
"""Streams below this size lie in the mini stream (MS-CFB section 2.2)."""
_DIFAT, _FAT, _END, _FREE = 0xFFFFFFFC, 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFF
_NUMBERS = _SECTOR // 4
"""Sector numbers in one sector."""
_IN_HEADER = 109
"""Sectors of the FAT that the header names itself (MS-CFB section 2.5)."""
_MOST_BYTES = 1 << 31
"""Readers take a compound file of version 3 up to 2 GB (MS-CFB section 2.9)."""
_MOST_UNITS = 31
"""UTF-16 units of a name (MS-CFB section 2.6.1)."""
_HEADER = struct.Struct("<8s16x5H6x9I")
_ENTRY = struct.Struct("<64sHBBIII16sIQQIQ")
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_RED, _BLACK = 0, 1


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage: what a folder is in a file system.

    Attributes:
        entries: Name to the bytes of a stream, or to a storage within. A name has at most 31 UTF-16 units, no
            slash of either kind, colon, exclamation mark or NUL; two that differ in case alone are one name.
        clsid: Class of the object, 16 bytes as they are stored; zeros for none.
    """

    entries: Mapping[str, bytes | Storage] = field(default_factory=dict)
    clsid: bytes = bytes(16)


@dataclass(slots=True)
class _Entry:
    """One entry of the directory while it is laid out."""

    name: bytes
    kind: int
    data: bytes = b""
    storage: Storage | None = None
    colour: int = _BLACK
    left: int = _FREE
    right: int = _FREE
    child: int = _FREE
    start: int = 0
    size: int = 0


def write(root: Storage) -> bytes:
    """Return the compound file with this root storage.

    Raises:
        ItemError: ``corrupt`` for names that no compound file can hold, ``too_large`` beyond 2 GB.
    """
    entries = _directory(root)
    chains = _Chains()
    streams = [entry for entry in entries if entry.kind == _STREAM]
    if sum(entry.size for entry in streams) >= _MOST_BYTES:
        raise ItemError(Reason.TOO_LARGE, "compound_file")
    mini, mini_fat = _mini_stream([entry for entry in streams if entry.size < _CUTOFF])
    for entry in streams:
        if entry.size >= _CUTOFF:
            entry.start = chains.add(entry.data)
    entries[0].start, entries[0].size = chains.add(mini), len(mini)
    mini_fat_at = chains.add(mini_fat, b"\xff")
    directory_at = chains.add(b"".join(map(_packed, entries)), _packed(None))
    fat_sectors, difat_sectors = _tables(len(chains.fat))
    if (len(chains.fat) + fat_sectors + difat_sectors) * _SECTOR >= _MOST_BYTES:
        raise ItemError(Reason.TOO_LARGE, "compound_file")
    fat_at = len(chains.fat)
    chains.fat += [_FAT] * fat_sectors + [_DIFAT] * difat_sectors
    chains.fat += [_FREE] * (fat_sectors * _NUMBERS - len(chains.fat))
    named = list(range(fat_at, fat_at + fat_sectors))
    difat_at = fat_at + fat_sectors
    header = _HEADER.pack(
        SIGNATURE, 0x3E, 3, 0xFFFE, 9, 6, 0, fat_sectors, directory_at, 0, _CUTOFF,
        mini_fat_at, -(-len(mini_fat) // _SECTOR), difat_at if difat_sectors else _END, difat_sectors,
    )  # fmt: skip
    first = named[:_IN_HEADER]
    header += _numbers(first + [_FREE] * (_IN_HEADER - len(first)))
    return b"".join((header, *chains.sectors, _numbers(chains.fat), *_difat(named, difat_at)))


class _Chains:
    """Sectors in the order of the file, each chain without a gap, and the table that says so."""

    def __init__(self) -> None:
        self.sectors: list[bytes] = []
        self.fat: list[int] = []

    def add(self, data: bytes, filler: bytes = b"\0") -> int:
        """Append a chain and return its first sector; the end mark for no bytes."""
        if not data:
            return _END
        start = len(self.fat)
        count = -(-len(data) // _SECTOR)
        self.fat += [*range(start + 1, start + count), _END]
        missing = count * _SECTOR - len(data)
        self.sectors += (data, filler * (missing // len(filler))) if missing else (data,)
        return start


def _tables(sectors: int) -> tuple[int, int]:
    """Return how many sectors the FAT and the DIFAT need to describe so many others and themselves."""
    fat = difat = 0
    while True:
        needed = -(-(sectors + fat + difat) // _NUMBERS)
        more = -(-max(0, needed - _IN_HEADER) // (_NUMBERS - 1))
        if (needed, more) == (fat, difat):
            return fat, difat
        fat, difat = needed, more


def _difat(named: list[int], at: int) -> Iterator[bytes]:
    """Yield the DIFAT sectors: 127 numbers of FAT sectors each, and where the next one is."""
    rest = named[_IN_HEADER:]
    for first in range(0, len(rest), _NUMBERS - 1):
        piece = rest[first : first + _NUMBERS - 1]
        at += 1
        follows = at if first + _NUMBERS - 1 < len(rest) else _END
        yield _numbers([*piece, *[_FREE] * (_NUMBERS - 1 - len(piece)), follows])


def _mini_stream(small: list[_Entry]) -> tuple[bytes, bytes]:
    """Place small streams in sectors of 64 bytes; return these, and their table (MS-CFB section 2.4)."""
    pieces: list[bytes] = []
    table: list[int] = []
    for entry in small:
        if not entry.size:
            entry.start = _END
            continue
        entry.start = len(table)
        count = -(-entry.size // _MINI)
        table += [*range(entry.start + 1, entry.start + count), _END]
        pieces.append(entry.data.ljust(count * _MINI, b"\0"))
    return b"".join(pieces), _numbers(table)


def _directory(root: Storage) -> list[_Entry]:
    """Return all entries, the root first, each storage's own in its tree."""
    entries = [_Entry("Root Entry".encode("utf-16-le"), _ROOT, storage=root)]
    at = 0
    while at < len(entries):
        storage = entries[at].storage
        if storage is not None:
            first = len(entries)
            entries += _sorted_entries(storage)
            entries[at].child = _tree(entries, first, len(entries))
        at += 1
    return entries


def name_key(name: str) -> tuple[int, bytes] | None:
    """Return by what the names of a storage are ordered and told apart; None for what can be no name.

    Shorter ones come first, and case says nothing (MS-CFB section 2.6.4).
    """
    raw = name.encode("utf-16-le", "surrogatepass")
    if not raw or len(raw) > 2 * _MOST_UNITS or not set(name).isdisjoint("/\\:!\0"):
        return None
    # UTF-16 units compare as numbers: their big-endian bytes do so in order.
    upper = name.upper() if name.isascii() else "".join(map(_upper, name))
    return len(raw), upper.encode("utf-16-be", "surrogatepass")


def _sorted_entries(storage: Storage) -> list[_Entry]:
    """Return a storage's entries in the order of their names."""
    ordered: dict[tuple[int, bytes], _Entry] = {}
    for name, what in storage.entries.items():
        key = name_key(name)
        if key is None:
            raise ItemError(Reason.CORRUPT, "compound_name")
        if key in ordered:
            raise ItemError(Reason.CORRUPT, "compound_name_twice")
        raw = name.encode("utf-16-le", "surrogatepass")
        if isinstance(what, Storage):
            ordered[key] = _Entry(raw, _STORAGE, storage=what)
        else:
            ordered[key] = _Entry(raw, _STREAM, data=what, size=len(what))
    return [ordered[key] for key in sorted(ordered)]


def _upper(character: str) -> str:
    """Return a character in upper case where that is one UTF-16 unit too (MS-CFB section 2.6.4)."""
    upper = character.upper()
    return upper if len(upper) == 1 and character <= "\uffff" and upper <= "\uffff" else character


def _tree(entries: list[_Entry], first: int, last: int) -> int:
    """Link sorted entries to a red-black tree; return its root.

    Halving gives a tree that is full but for its lowest level: red there, and black above, is one in which
    every path has as many black entries (MS-CFB section 2.6.4).
    """
    full_levels = (last - first + 1).bit_length() - 1

    def link(low: int, high: int, level: int) -> int:
        if low >= high:
            return _FREE
        middle = (low + high) // 2
        entry = entries[middle]
        entry.colour = _BLACK if level < full_levels else _RED
        entry.left, entry.right = link(low, middle, level + 1), link(middle + 1, high, level + 1)
        return middle

    return link(first, last, 0)


def _packed(entry: _Entry | None) -> bytes:
    """Return one entry of the directory (MS-CFB section 2.6.1); None gives one that is not used."""
    if entry is None:
        return _ENTRY.pack(b"", 0, 0, 0, _FREE, _FREE, _FREE, b"", 0, 0, 0, 0, 0)
    clsid = entry.storage.clsid if entry.storage is not None else bytes(16)
    return _ENTRY.pack(
        entry.name, len(entry.name) + 2, entry.kind, entry.colour, entry.left, entry.right, entry.child,
        clsid, 0, 0, 0, entry.start, entry.size,
    )  # fmt: skip


def _numbers(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)
