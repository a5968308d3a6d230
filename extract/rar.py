"""The headers of a RAR, walked beside the library that unpacks it: what it does not tell, or does not check.

libarchive 3.6 tells no checksum, gives the locked bytes of a stored RAR 5.0 member as its content, checks no
checksum of a stored member, and takes the end of a cut file for the end of the archive. Here only sizes,
flags and checksums are read, from one header to the next.

Sources: the technote of WinRAR 3.x (block headers, MAIN_HEAD, FILE_HEAD) and that of RAR 5.0 (general archive
block format, main archive header, file header, file encryption record).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

RAR4 = b"Rar!\x1a\x07\0"
RAR5 = b"Rar!\x1a\x07\x01\0"

_HEADER = 4096
"""Bytes of a header that are looked at; its extra area may be longer."""

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Member:
    """One file header.

    Attributes:
        crc: CRC-32 of its content, or None where none is stored.
        locked: Whether its content is encrypted.
        name: As stored before RAR 5.0, in some charset: the library leaves it out of a member that has
            the name of the one before it.
    """

    crc: int | None = None
    locked: bool = False
    name: bytes = b""


@dataclass(frozen=True, slots=True)
class Headers:
    """What the headers say.

    Attributes:
        members: File headers in their order, folders among them, as far as they can be followed.
        volume: Whether it is one of several.
        locked: Whether the headers themselves are encrypted.
        whole: Whether they lead to the end of the archive within the file.
    """

    members: tuple[Member, ...] = ()
    volume: bool = False
    locked: bool = False
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Block:
    """One header, of either version.

    Attributes:
        member: Of a file header.
        volume: Of a main header: one of several.
        locked: It says that all behind it is encrypted.
        end: It ends the archive.
        after: Where the next one begins.
    """

    after: int
    member: Member | None = None
    volume: bool = False
    locked: bool = False
    end: bool = False


def headers(stream: BinaryIO, size: int) -> Headers:
    """Walk the headers.

    Args:
        stream: The archive, to be sought in.
        size: Its length.
    """
    stream.seek(0)
    newer = stream.read(8) == RAR5
    at = len(RAR5 if newer else RAR4)
    found: list[Member] = []
    volume = False
    while at < size and len(found) < _MOST:
        stream.seek(at)
        head = stream.read(_HEADER)
        try:
            block = _rar5(head, at) if newer else _rar4(head, at)
        except (struct.error, IndexError, StopIteration):
            return Headers(tuple(found), volume, whole=False)
        if block.locked:
            return Headers(tuple(found), volume, locked=True)
        volume = volume or block.volume
        if block.member is not None:
            found.append(block.member)
        if block.after <= at or block.after > size:
            return Headers(tuple(found), volume, whole=False)
        if block.end:
            return Headers(tuple(found), volume)
        at = block.after
    return Headers(tuple(found), volume, whole=not newer and at == size)  # before RAR 3.0 no block ends it


def _rar4(head: bytes, at: int) -> _Block:
    _, kind, flags, length = struct.unpack_from("<HBHH", head)
    if length < 7 or not 0x72 <= kind <= 0x7B:
        raise IndexError
    after = at + length
    if flags & 0x8000 or kind == 0x74:
        after += struct.unpack_from("<I", head, 7)[0]
    if kind == 0x73:
        return _Block(after, volume=bool(flags & 1), locked=bool(flags & 0x80))
    if kind == 0x74:
        start = 32
        if flags & 0x100:
            after += struct.unpack_from("<I", head, 32)[0] << 32
            start = 40
        crc, name_size = struct.unpack_from("<I6xH", head, 16)
        name = head[start : start + name_size].partition(b"\0")[0]
        return _Block(after, Member(crc, bool(flags & 4), name))
    return _Block(after, end=kind == 0x7B)


def _rar5(head: bytes, at: int) -> _Block:
    walk = _Numbers(head, 4)
    length = next(walk)
    start = walk.at
    kind, flags = next(walk), next(walk)
    extra = next(walk) if flags & 1 else 0
    after = at + start + length + (next(walk) if flags & 2 else 0)
    if kind == 1:
        return _Block(after, volume=bool(next(walk) & 1))
    if kind == 2:
        return _Block(after, _rar5_member(walk, head, start + length - extra, start + length))
    return _Block(after, locked=kind == 4, end=kind == 5)


def _rar5_member(walk: _Numbers, head: bytes, extra: int, end: int) -> Member:
    flags = next(walk)
    next(walk)  # unpacked size
    next(walk)  # attributes
    crc = struct.unpack_from("<I", head, walk.at + (4 if flags & 2 else 0))[0] if flags & 4 else None
    locked = False
    records = _Numbers(head, extra)
    while extra and records.at < min(end, len(head)):
        length = next(records)
        start = records.at
        locked = locked or next(records) == 1
        records.at = start + length
    return Member(crc, locked)


class _Numbers(Iterator[int]):
    """RAR 5.0's numbers, one after another: seven bits a byte, the lowest first, ten bytes at most."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def __next__(self) -> int:
        number = 0
        for place in range(10):
            byte = self._data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return number
        raise IndexError
