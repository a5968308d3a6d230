"""7z, RAR, CAB, ISO 9660 and cpio, read by the system's libarchive (BSD licence) through ``libarchive-c``.

Only its reading functions are called, one format at a time, on a stream: it writes nothing and starts no
program. Its own words may hold names, so they are sorted and dropped. Where the library is missing an archive
is ``unsupported`` (``needs_libarchive``).

A fault that ends the library's reading costs one member: the archive is opened again behind it. Members
that come out of no try are named from the archive's own headers.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import stat
import struct
import time
import zlib
from ctypes import create_string_buffer
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar

from extract import charsets, members, rar, sniff
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import NEEDS_LIBARCHIVE, Reason, WarningCode

_LIBRARY = "libarchive.so.13"
_TRIES = 16
"""How often an archive is opened again behind a member that ended the reading."""

_FATAL, _FAILED, _WARN, _END = -30, -25, -20, 1
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
_CAB = b"MSCF\0\0\0\0"
_CPIO = {b"070701": 110, b"070702": 110, b"070707": 76}
_HEX = b"0123456789abcdefABCDEF"
_SPECIAL = {
    stat.S_IFCHR: "character_device",
    stat.S_IFBLK: "block_device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


class LibarchiveReader:
    """Reads archives of the formats that libarchive knows and the standard library does not."""

    name: ClassVar[str] = "archive"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic number; of an ISO image it lies behind the first bytes."""
        return 85 if _format(head) is not None else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Give the members.

        Raises:
            ItemError: ``encrypted`` when not even names can be read, ``truncated``, ``corrupt`` or
                ``unsupported`` when no member can be, ``bomb`` beyond the limits.
        """
        members.check_depth(context)
        size = stream.seek(0, 2)
        stream.seek(0)
        head = stream.read(4096)
        head += sniff.far_mark(stream)
        kind = _format(head)
        if kind is None:
            raise ItemError(Reason.CORRUPT, "archive")
        whole = _check_start(kind, head, size, context.name)
        headers = rar.headers(stream, size) if kind in ("rar", "rar5") else rar.Headers(whole=whole)
        if headers.locked:
            raise ItemError(Reason.ENCRYPTED, f"{kind}_header")
        if headers.volume:
            raise ItemError(Reason.UNSUPPORTED, members.SPLIT)
        return _Reading(stream, size, kind, headers, context).read()


def _format(head: bytes) -> str | None:
    """Return the format by libarchive's name for it."""
    if head.startswith(_SEVEN_ZIP):
        return "7zip"
    if head.startswith(rar.RAR5):
        return "rar5"
    if head.startswith(rar.RAR4):
        return "rar"
    if head.startswith(_CAB):
        return "cab"
    length = _CPIO.get(head[:6])
    if length is not None and len(head) > length and not head[:length].translate(None, _HEX):
        return "cpio"
    return "iso9660" if sniff.is_iso(head) else None


def _check_start(kind: str, head: bytes, size: int, name: str | None) -> bool:
    """Refuse by its first header what no library can read alone: a 7z without its end, a volume of several.

    Sources: 7zFormat.txt of the LZMA SDK (SignatureHeader); [MS-CAB] 2.1 (CFHEADER).

    Returns:
        Whether the file is as long as it says, as far as it does.
    """
    if kind == "7zip" and len(head) >= 32:
        at, length = struct.unpack_from("<QQ", head, 12)
        if 32 + at + length > size:
            raise ItemError(Reason.TRUNCATED, members.SPLIT if members.is_piece(name) else kind)
    if kind == "cab" and len(head) >= 36:
        if head[30] & 3:
            raise ItemError(Reason.UNSUPPORTED, members.SPLIT)
        return bool(struct.unpack_from("<I", head, 8)[0] <= size)
    return True


@functools.cache
def _library() -> Any:
    """Return libarchive's functions.

    Raises:
        ItemError: ``unsupported``, ``needs_libarchive``: package or system library is not installed.
    """
    # The package would look for the library with programs, and a worker starts none.
    os.environ.setdefault("LIBARCHIVE", _LIBRARY)
    logging.getLogger("libarchive").disabled = True  # its warnings hold names
    try:
        ffi = importlib.import_module("libarchive.ffi")
    except (ImportError, OSError, AttributeError, TypeError):
        raise ItemError(Reason.UNSUPPORTED, NEEDS_LIBARCHIVE) from None
    from ctypes import c_char_p, c_int, c_void_p

    ffi.ffi("entry_is_data_encrypted", [c_void_p], c_int)
    ffi.ffi("entry_pathname_utf8", [c_void_p], c_char_p)
    ffi.ffi("entry_hardlink_utf8", [c_void_p], c_char_p)
    ffi.ffi("entry_symlink_utf8", [c_void_p], c_char_p)
    return ffi


def library_version() -> str:
    """Return the version of the system's library, such as 3.6.2.

    Raises:
        ItemError: ``unsupported``, ``needs_libarchive``: it is not installed.
    """
    number = int(_library().version_number())
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """What an archive's header says of one member."""

    name: str
    mode: int
    size: int
    modified: float | None
    hard: str | None
    symbolic: str | None
    locked: bool


@dataclass(frozen=True, slots=True)
class _End:
    """How one go through an archive ended: None at its end, else at which member and why."""

    at: int
    fault: Failure | None


@dataclass(slots=True)
class _Reading:
    """One archive, member by member."""

    stream: BinaryIO
    size: int
    kind: str
    headers: rar.Headers
    context: ExtractContext
    warnings: set[WarningCode] = field(default_factory=set)
    children: list[Child] = field(default_factory=list)
    budget: members.Budget = field(init=False)
    names: members.Names = field(init=False)

    def __post_init__(self) -> None:
        self.budget = members.Budget(self.size, self.context.limits)
        self.names = members.Names(self.warnings)

    def read(self) -> Extraction:
        end = self._go(0, data=True)
        tries = 0
        while end.fault is not None and end.at >= 0 and tries < _TRIES:
            end = self._go(end.at + 1, data=True)
            tries += 1
        if end.fault is not None and end.at >= 0:
            end = self._go(end.at + 1, data=False)
        count = len(self.children)
        if end.fault is None and not self.headers.whole:
            end = _End(-1, self._cut("end"))
        elif end.fault is None and self.kind == "cab" and self._is_damaged():
            # A sum is of a block of 32 KiB, and compared at its end: members before it may be altered too.
            end = _End(-1, Failure(Reason.CORRUPT, "cab_block"))
        if end.fault is not None and count == 0:
            raise ItemError(end.fault.reason, end.fault.detail)
        return members.together(
            self.kind,
            self.children,
            count if end.fault is None else None,
            self.warnings,
            end.fault,
            {"members": str(count), "format": self.kind},
        )

    def _go(self, start: int, *, data: bool) -> _End:
        """Go through the archive, taking members from one on.

        Args:
            start: Number of the first member to take, folders counted too.
            data: Whether to read their bytes; else each is named as lost.

        Returns:
            How it ended; ``at`` is -1 when the fault is none of a member's bytes: opening again is no use.
        """
        library = _library()
        self.stream.seek(0)
        reader = importlib.import_module("libarchive.read")
        number = -1
        try:
            with reader.stream_reader(self.stream, self.kind, "none", block_size=1 << 16) as archive:
                pointer = archive._pointer
                for entry in archive:
                    number += 1
                    if number < start:
                        continue
                    fault = self._take(library, pointer, entry._entry_p, number, data=data)
                    if fault is not None:
                        return _End(number, fault)
        except Exception as error:  # its errors carry a code and words
            if type(error).__module__.partition(".")[0] != "libarchive":
                raise
            return _End(-1, self._fault(error, "header"))
        return _End(-1, None)

    def _take(self, library: Any, archive: Any, pointer: Any, number: int, *, data: bool) -> Failure | None:
        """Take one member; return the fault that ended the reading, or None when it goes on."""
        entry = _entry(library, pointer)
        told = rar.Member()
        if number < len(self.headers.members):
            told = self.headers.members[number]
        kind = stat.S_IFMT(entry.mode)
        if kind == stat.S_IFDIR:
            return None
        members.check_count(len(self.children) + 1, self.context)
        path = str(len(self.children) + 1)
        name = self.names.shown(entry.name or charsets.decode(told.name, None)[0])
        facts = {"stored_name": name, **self._dated(entry.modified)}
        if entry.hard is not None and (entry.size == 0 or self.kind != "cpio"):
            self.children.append(members.link(path, name, entry.hard, "hard", facts))
        elif entry.symbolic is not None:
            self.children.append(members.link(path, name, entry.symbolic, "true", facts))
        elif kind in _SPECIAL:
            facts["special"] = _SPECIAL[kind]
            self.children.append(members.taken(path, name, "application/octet-stream", b"", facts))
        elif entry.locked or told.locked:
            self.children.append(members.lost(path, name, Reason.ENCRYPTED, self.kind, facts))
        elif not data:
            self.children.append(members.lost(path, name, Reason.CORRUPT, f"{self.kind}_member", facts))
        else:
            return self._content(library, archive, entry.size, told.crc, path, name, facts)
        return None

    def _dated(self, seconds: float | None) -> dict[str, str]:
        """Return when a member was changed; RAR 4 and CAB store a wall clock without a zone."""
        if seconds is None:
            return {}
        if self.kind not in ("rar", "cab"):
            return members.dated(seconds)
        try:
            return {"modified": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))}
        except (ValueError, OverflowError, OSError):
            return {}

    def _content(
        self,
        library: Any,
        archive: Any,
        size: int,
        crc: int | None,
        path: str,
        name: str,
        facts: dict[str, str],
    ) -> Failure | None:
        buffer = create_string_buffer(members.CHUNK)
        content = bytearray()
        try:
            while count := library.read_data(archive, buffer, members.CHUNK):
                if count < 0:  # a warning: what came is not what was packed
                    self.children.append(
                        members.lost(path, name, Reason.CORRUPT, f"{self.kind}_member", facts)
                    )
                    return None
                self.budget.spend(count)
                content += buffer.raw[:count]
        except Exception as error:  # its errors carry a code and words
            if type(error).__module__.partition(".")[0] != "libarchive":
                raise
            fault = self._fault(error, "member")
            self.children.append(members.lost(path, name, fault.reason, fault.detail, facts))
            return fault if getattr(error, "retcode", _FATAL) == _FATAL else None
        if size > len(content) or (crc is not None and zlib.crc32(content) != crc):
            reason = Reason.TRUNCATED if size > len(content) else Reason.CORRUPT
            self.children.append(members.lost(path, name, reason, f"{self.kind}_member", facts))
            return None
        self.children.append(members.taken(path, name, sniff.by_name(name), bytes(content), facts))
        return None

    def _fault(self, error: Exception, where: str) -> Failure:
        """Sort one of the library's errors by its words, which are then dropped."""
        words = str(getattr(error, "msg", None) or "").lower()
        if "encrypt" in words or "passphrase" in words:
            return Failure(Reason.ENCRYPTED, self.kind if where == "member" else f"{self.kind}_header")
        if "memory" in words:
            return Failure(Reason.UNSUPPORTED, f"{self.kind}_memory")
        if not words or any(one in words for one in ("truncated", "end of file", "premature", "i/o error")):
            return self._cut(where)  # it has no words for a file that ends within a header
        if "unsupported" in words or "not supported" in words or "unknown" in words:
            return Failure(Reason.UNSUPPORTED, f"{self.kind}_method")
        return Failure(Reason.CORRUPT, f"{self.kind}_{where}")

    def _is_damaged(self) -> bool:
        return any(one.failure is not None and one.failure.reason is Reason.CORRUPT for one in self.children)

    def _cut(self, where: str) -> Failure:
        piece = members.is_piece(self.context.name)
        return Failure(Reason.TRUNCATED, members.SPLIT if piece else f"{self.kind}_{where}")


def _entry(library: Any, pointer: Any) -> _Entry:
    modified = library.entry_mtime(pointer) if library.entry_mtime_is_set(pointer) else None
    return _Entry(
        _text(library.entry_pathname_utf8(pointer), library.entry_pathname(pointer)) or "",
        library.entry_mode(pointer) & 0xFFFF,  # a number without a sign, which comes with one
        library.entry_size(pointer) if library.entry_size_is_set(pointer) else 0,
        modified,
        _text(library.entry_hardlink_utf8(pointer), library.entry_hardlink(pointer)),
        _text(library.entry_symlink_utf8(pointer), library.entry_symlink(pointer)),
        library.entry_is_data_encrypted(pointer) > 0,
    )


def _text(utf8: bytes | None, raw: bytes | None) -> str | None:
    """Return a name: as UTF-8 where the library could make it so, else its bytes in a guessed charset."""
    stored = utf8 if utf8 is not None else raw
    return None if stored is None else charsets.decode(stored, None)[0]
