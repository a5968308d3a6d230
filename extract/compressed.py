"""Single compressed files: bzip2, xz and Zstandard. Each is one child, and a tar within it is that child.

Each engine gives a bounded piece at a time, so that a bomb is told before it is unpacked.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import BinaryIO, ClassVar

import zstandard

from extract import members
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Extraction
from records.vocabulary import Reason

_ZSTD_FED = 1 << 10
"""Bytes given to Zstandard at once: four of them can stand for 128 KiB (RFC 8878 section 3.1.1.2)."""

_BZIP2 = b"BZh"
_XZ = b"\xfd7zXZ\0"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Bzip2Reader:
    """Reads bzip2 files; all their streams together are one child."""

    name: ClassVar[str] = "bzip2"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic of the file and that of its first block, or of the end of an empty file."""
        block = head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
        return 85 if head.startswith(_BZIP2) and b"1" <= head[3:4] <= b"9" and block else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Unpack.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when nothing comes out, ``bomb`` beyond the limits.
        """
        members.check_depth(context)
        data = stream.read()
        content, reason = _bunzipped(data, members.Budget(len(data), context.limits))
        name = members.without_suffix(context.name, ".bz2", (".tbz2", ".tbz", ".tb2"))
        return members.only_child("bzip2", name, content, reason, context.name)


def _bunzipped(data: bytes, budget: members.Budget) -> tuple[bytes, Reason | None]:
    """Return what comes out, and why it stopped early (None when it did not)."""

    def following(rest: bytes) -> bytes:
        return rest if rest.startswith(_BZIP2) else b""  # bzip2(1) ignores trailing garbage too

    return _all_streams(data, budget, bz2.BZ2Decompressor, following)


def _all_streams(
    data: bytes,
    budget: members.Budget,
    new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor],
    following: Callable[[bytes], bytes],
) -> tuple[bytes, Reason | None]:
    """Unpack streams that stand one after the other.

    Args:
        data: The file.
        budget: What may come out.
        new: Makes the engine of one stream.
        following: Returns, of what is behind a stream, where the next begins; nothing when none does.

    Returns:
        What comes out, and why it stopped early (None when it did not).

    Raises:
        ItemError: ``unsupported`` when an engine asks for more memory than it may have.
    """
    out = bytearray()
    rest = data
    while rest:
        engine = new()
        pending = rest
        try:
            while not engine.eof:
                chunk = engine.decompress(pending, members.CHUNK)
                pending = b""
                budget.spend(len(chunk))
                out += chunk
                if not chunk and engine.needs_input and not engine.eof:
                    return bytes(out), Reason.TRUNCATED
        except OSError:
            return bytes(out), Reason.CORRUPT
        except lzma.LZMAError as error:
            if "memory" in str(error).lower():
                raise ItemError(Reason.UNSUPPORTED, "xz_memory") from None
            return bytes(out), Reason.CORRUPT
        rest = following(engine.unused_data)
    return bytes(out), None


class XzReader:
    """Reads xz files; all their streams together are one child."""

    name: ClassVar[str] = "xz"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic (the .xz file format 2.1.1.1)."""
        return 85 if head.startswith(_XZ) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Unpack.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when nothing comes out, ``bomb`` beyond the limits,
                ``unsupported`` when it asks for half of the memory that one item may use.
        """
        members.check_depth(context)
        data = stream.read()
        budget = members.Budget(len(data), context.limits)
        content, reason = _unxzed(data, budget, context.limits.memory_bytes // 2)
        name = members.without_suffix(context.name, ".xz", (".txz",))
        return members.only_child("xz", name, content, reason, context.name)


def _unxzed(data: bytes, budget: members.Budget, memory: int) -> tuple[bytes, Reason | None]:
    """Return what comes out, and why it stopped early (None when it did not)."""

    def new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory)

    def following(rest: bytes) -> bytes:
        return rest.lstrip(b"\0")  # stream padding (the .xz file format 2.2)

    return _all_streams(data, budget, new, following)


class ZstdReader:
    """Reads Zstandard files; all their frames together are one child."""

    name: ClassVar[str] = "zstd"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic of a frame (RFC 8878 section 3.1.1), or that of one to skip (3.1.2)."""
        return 85 if head.startswith(_ZSTD) or _is_skipped(head) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Unpack.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when nothing comes out, ``bomb`` beyond the limits,
                ``unsupported`` when it needs a dictionary that is not in it, or a window above 128 MiB.
        """
        members.check_depth(context)
        data = stream.read()
        content, reason = _unzstd(data, members.Budget(len(data), context.limits))
        name = members.without_suffix(context.name, ".zst", (".tzst",))
        return members.only_child("zstd", name, content, reason, context.name)


def _is_skipped(head: bytes) -> bool:
    return head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F


def _unzstd(data: bytes, budget: members.Budget) -> tuple[bytes, Reason | None]:
    """Return what comes out, and why it stopped early (None when it did not)."""
    out = bytearray()
    at = 0
    while at < len(data):
        if _is_skipped(data[at : at + 4]):
            at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            if at > len(data):
                return bytes(out), Reason.TRUNCATED
            continue
        engine = zstandard.ZstdDecompressor().decompressobj()
        try:
            while not engine.eof:
                fed = data[at : at + _ZSTD_FED]
                if not fed:
                    return bytes(out), Reason.TRUNCATED
                at += len(fed)
                chunk = engine.decompress(fed)
                budget.spend(len(chunk))
                out += chunk
        except zstandard.ZstdError as error:
            words = str(error).lower()
            if "dictionary mismatch" in words:
                raise ItemError(Reason.UNSUPPORTED, "zstd_dictionary") from None
            if "too much memory" in words:
                raise ItemError(Reason.UNSUPPORTED, "zstd_memory") from None
            return bytes(out), Reason.CORRUPT
        at -= len(engine.unused_data)
    return bytes(out), None
