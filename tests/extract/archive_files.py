"""Archives for tests, made from readable parts; what no free program writes, to its published layout."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from base64 import b64decode
from collections.abc import Sequence

from extract import libarchive_reader
from records.errors import ItemError

try:
    libarchive_reader._library()
    HAS_LIBRARY = True
except ItemError:
    HAS_LIBRARY = False

MTIME = 1_741_112_434
"""2025-03-04T18:20:34Z"""

Members = Sequence[tuple[str, bytes]]


def tar_of(members: Members, kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), MTIME
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tar_with(*infos: tarfile.TarInfo) -> bytes:
    """Return a tar of members without content: links, devices."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info in infos:
            archive.addfile(info)
    return buffer.getvalue()


def written(kind: str, members: Members, options: str = "") -> bytes:
    """Return an archive that libarchive writes."""
    import libarchive

    pieces: list[bytes] = []

    def keep(piece: bytes) -> int:
        pieces.append(bytes(piece))
        return len(pieces[-1])

    with libarchive.custom_writer(keep, kind, options=options) as archive:
        for name, data in members:
            archive.add_file_from_memory(name, len(data), data, mtime=MTIME)
    return b"".join(pieces)


LOCKED_7Z = b64decode(
    "N3q8ryccAATMyVpPqQAAAAAAAAAWAAAAAAAAADYWp0XF/zX0SUu+EFAuqrN1qPoVpOv5wSkpi9QlJkTXXpnBJeAAiACBXQAA"
    "gTMHrg/QDv4T8tFR+MELKAb/eIFIKfVxlGniqXwQ0BZ6gRPfOff6qkJ0pcVjvqtScgHjBdSWUU/UqsEFBI578qi+D419ZJa8"
    "4a/xtlsznsZfMfBj+UfVRE9JPV9yGHe30cEAOsEyeeJkGk6czfQHcGE8OhOtVDi/vKS2UloAAAAAFwYgAQmAiQAHCwEAASEh"
    "ARgMgIkAAA=="
)
"""7z with AES over the content of ``a.txt`` and ``b/c.eml``; names are open. Made by py7zr."""

LOCKED_7Z_NAMES = b64decode(
    "N3q8ryccAARxUjYIsAAAAAAAAAAqAAAAAAAAAN3DdUQhpZI7ku4uMPvHCCM0fIQnL9MjCnff+2QYFX13dLJoE57wqttxQ7vb"
    "J51h+6qSVJ1ywpGQj/BtohZ8uhF2b7kMVviJ80zfN4IT7XUU3h82vv7Dfll0cUs8NwGcPEXK/nZsNGty2DrYBonthw3yH7FY"
    "Wq8/FzF30na6ICkvPnahtZs2u1vVu+8TLfIt/5wO0DHJglo0zF6p/x+ayrUPnpLwgmnSu280hQsnNiAxRGd7WRcGIAEJgJAA"
    "BwsBAAEkBvEHARJTD+RxgwZbljJAgC/HBj4N2OEMgIkAAA=="
)
"""The same with AES over the names too."""


def rar4(members: Members, *, main: int = 0, flags: int = 0) -> bytes:
    """Return a stored RAR (technote of WinRAR 3.x): marker, main header, files, end.

    Args:
        members: Names and contents.
        main: Flags of the main header: 1 volume, 0x80 headers locked.
        flags: Flags of each file: 2 goes on in the next volume, 4 locked.
    """

    def block(kind: int, flags: int, body: bytes) -> bytes:
        head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head

    out = b"Rar!\x1a\x07\0" + block(0x73, main, bytes(6))
    for name, data in members:
        stored = name.encode()
        body = struct.pack(
            "<IIBIIBBHI",
            len(data),
            len(data),
            3,
            zlib.crc32(data),
            0x5A649294,
            20,
            0x30,
            len(stored),
            0o100644,
        )
        out += block(0x74, 0x8000 | flags, body + stored) + data
    return out + block(0x7B, 0x4000, b"")


def rar5(members: Members, *, main: int = 0, locked: bool = False, names: bool = False) -> bytes:
    """Return a stored RAR 5.0, to its technote.

    Args:
        members: Names and contents.
        main: Flags of the archive: 1 volume.
        locked: Whether each file has an encryption record.
        names: Whether the archive has an encryption header, so that no header can be read.
    """

    def number(value: int) -> bytes:
        out = b""
        while value > 0x7F:
            out += bytes((value & 0x7F | 0x80,))
            value >>= 7
        return out + bytes((value,))

    def block(body: bytes) -> bytes:
        sized = number(len(body)) + body
        return struct.pack("<I", zlib.crc32(sized)) + sized

    out = b"Rar!\x1a\x07\x01\0"
    if names:
        return out + block(number(4) + number(0) + number(0) + number(0) + b"\x0f" + bytes(16)) + bytes(64)
    out += block(number(1) + number(0) + number(main))
    record = number(1) + number(0) + number(0) + b"\x0f" + bytes(32)
    extra = number(len(record)) + record if locked else b""
    for name, data in members:
        stored = name.encode()
        body = number(2) + number(3 if locked else 2) + (number(len(extra)) if locked else b"")
        body += number(len(data)) + number(6) + number(len(data)) + number(0o100644)
        body += struct.pack("<II", MTIME, zlib.crc32(data)) + number(0) + number(1) + number(len(stored))
        out += block(body + stored + extra) + data
    return out + block(number(5) + number(0) + number(0))


def cab(members: Members, flags: int = 0) -> bytes:
    """Return a stored cabinet of one folder ([MS-CAB] 2).

    Args:
        members: Names and contents, together below 32 KiB.
        flags: 1: there is a cabinet before, 2: there is one behind.
    """
    data = b"".join(content for _, content in members)
    files, at = b"", 0
    for name, content in members:
        files += struct.pack("<IIHHHH", len(content), at, 0, 0x5A64, 0x9294, 0x20) + name.encode() + b"\0"
        at += len(content)
    first = 36 + 8
    start = first + len(files)
    head = struct.pack(
        "<4sIIIIIBBHHHHH", b"MSCF", 0, start + 8 + len(data), 0, first, 0, 3, 1, 1, len(members), flags, 0, 0
    )
    sizes = struct.pack("<HH", len(data), len(data))
    block = struct.pack("<I", _cab_sum(sizes, _cab_sum(data))) + sizes + data
    return head + struct.pack("<IHH", start, 1, 0) + files + block


def _cab_sum(data: bytes, seed: int = 0) -> int:
    """Return a checksum of a cabinet ([MS-CAB] 3.1): words of four bytes, the rest the other way round."""
    end = len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:end]):
        seed ^= word
    return seed ^ int.from_bytes(data[end:], "big")


def samples(content: bytes) -> list[tuple[str | None, str | None, bytes]]:
    """Return one archive of each format that the library reads; none where it is not installed."""
    if not HAS_LIBRARY:
        return []
    members = [("Zyzzyva.txt", content * 50), ("b.pdf", b"%PDF")]
    return [
        ("a.7z", None, written("7zip", members)),
        ("a.7z", "application/x-7z-compressed", LOCKED_7Z),
        (None, None, rar4(members)),
        ("a.rar", None, rar5(members)),
        ("a.cab", None, cab(members)),
        (None, None, written("cpio_newc", members)),
    ]
