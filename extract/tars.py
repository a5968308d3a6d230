"""Tar archives: members become children, whatever their names say and wherever their links point.

Read by the standard library (POSIX ustar and pax, GNU, old Unix). Nothing is extracted by it: each member is
read as a stream, and counted. A damaged header costs its member; the next sound header is looked for.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, ClassVar

from extract import charsets, members, sniff
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Reason, WarningCode

_BLOCK = 512
_FAULTS = (
    tarfile.TarError, ValueError, OverflowError, EOFError, LookupError, TypeError, struct.error, OSError,
    RecursionError, AssertionError,
)  # fmt: skip
"""What the standard library raises on a hostile tar, beside its own errors."""

_CUT = "unexpected end of data"
_SPECIAL = {
    tarfile.CHRTYPE: "character_device",
    tarfile.BLKTYPE: "block_device",
    tarfile.FIFOTYPE: "fifo",
}


class TarReader:
    """Reads tar archives."""

    name: ClassVar[str] = "tar"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic of POSIX and GNU, or by the checksum of an old header, which has none."""
        return 85 if head[257:262] == b"ustar" or _is_header(head[:_BLOCK]) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Give the members.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when there is no member, ``bomb`` beyond the limits.
        """
        members.check_depth(context)
        size = stream.seek(0, 2)
        stream.seek(0)
        reading = _Reading(stream, size, context)
        failure = reading.read()
        if failure is not None and not reading.children:
            raise ItemError(failure.reason, failure.detail)
        return members.together(
            "tar",
            reading.children,
            None if failure else len(reading.children),
            reading.warnings,
            failure,
            {"members": str(len(reading.children))},
        )


def _is_header(block: bytes) -> bool:
    """Tell whether a block is a header: its checksum is right (POSIX.1-1988 section 10.1.1)."""
    if len(block) < _BLOCK or block[0] == 0:
        return False
    stated = block[148:156].strip(b" \0")
    if not stated or stated.translate(None, b"01234567"):
        return False
    other = block[:148] + block[156:]
    unsigned = 256 + sum(other)
    return int(stated, 8) in (unsigned, unsigned - 256 * sum(byte > 127 for byte in other))


class _Reading:
    """One tar, member by member."""

    def __init__(self, stream: BinaryIO, size: int, context: ExtractContext) -> None:
        self._stream = stream
        self._size = size
        self._context = context
        self._budget = members.Budget(size, context.limits)
        self.warnings: set[WarningCode] = set()
        self._names = members.Names(self.warnings)
        self.children: list[Child] = []
        self._damaged = False

    def read(self) -> Failure | None:
        """Take all members; return why the archive as a whole is not sound, or None."""
        at = 0
        while True:
            at, reason = self._run(at)
            if reason is Reason.TRUNCATED:
                piece = members.is_piece(self._context.name)
                return Failure(reason, members.SPLIT if piece else "tar")
            if reason is None:
                return Failure(Reason.CORRUPT, "tar_header") if self._damaged else None
            self._damaged = True
            found = self._next_header(at + _BLOCK)
            if found is None:
                return Failure(Reason.CORRUPT, "tar_header" if self.children else "tar")
            at = found

    def _run(self, start: int) -> tuple[int, Reason | None]:
        """Take the members from a place on; return where it ended, and why (None at its own end)."""
        at = start
        self._stream.seek(at)
        try:
            archive = tarfile.TarFile(
                fileobj=self._stream, encoding="utf-8", errors="surrogateescape", errorlevel=0
            )
            for info in _infos(archive):
                if info.size < 0 or info.offset < at:
                    return at, Reason.CORRUPT
                at = info.offset
                self._take(archive, info)
                at = archive.offset
                if at > self._size:
                    return at, Reason.TRUNCATED
        except _FAULTS as error:
            return at, Reason.TRUNCATED if _is_end(error) or at >= self._size else Reason.CORRUPT
        at = archive.offset
        self._stream.seek(at)
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK:  # two blocks of zeros end a tar (POSIX.1-1988 section 10.1.1)
            return at, Reason.TRUNCATED
        return at, Reason.CORRUPT if block.strip(b"\0") else None

    def _next_header(self, at: int) -> int | None:
        while at + _BLOCK <= self._size:
            self._stream.seek(at)
            window = self._stream.read(members.CHUNK)
            for offset in range(0, len(window) - _BLOCK + 1, _BLOCK):
                block = window[offset : offset + _BLOCK]
                if block[257:262] == b"ustar" and _is_header(block):
                    return at + offset
            at += members.CHUNK
        return None

    def _take(self, archive: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        if info.isdir():
            return
        members.check_count(len(self.children) + 1, self._context)
        path = str(len(self.children) + 1)
        name = self._names.shown(_text(info.name))
        facts = {"stored_name": name, **members.dated(info.mtime)}
        if info.issym() or info.islnk():
            kind = "true" if info.issym() else "hard"
            self.children.append(members.link(path, name, _text(info.linkname), kind, facts))
        elif info.type in _SPECIAL:
            facts["special"] = _SPECIAL[info.type]
            self.children.append(members.taken(path, name, "application/octet-stream", b"", facts))
        else:
            self.children.append(self._content(archive, info, path, name, facts))

    def _content(
        self, archive: tarfile.TarFile, info: tarfile.TarInfo, path: str, name: str, facts: dict[str, str]
    ) -> Child:
        data = bytearray()
        try:
            content = archive.extractfile(info)
            assert content is not None  # only of what is no file
            while chunk := content.read(members.CHUNK):
                self._budget.spend(len(chunk))
                data += chunk
        except _FAULTS as error:
            reason = Reason.TRUNCATED if _CUT in str(error) else Reason.CORRUPT
            return members.lost(path, name, reason, "tar_member", facts)
        if len(data) != info.size:
            return members.lost(path, name, Reason.TRUNCATED, "tar_member", facts)
        return members.taken(path, name, sniff.by_name(name), bytes(data), facts)


def _is_end(error: BaseException) -> bool:
    """Tell whether the file ended: in a member's bytes, or between two headers of one member."""
    behind: BaseException | None = error
    while behind is not None:
        if _CUT in str(behind) or type(behind).__name__ in ("TruncatedHeaderError", "EmptyHeaderError"):
            return True
        behind = behind.__context__
    return False


def _infos(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := archive.next()) is not None:
        yield info
        archive.members = []  # type: ignore[attr-defined]  # not in its stub; it would keep every header


def _text(stored: str) -> str:
    """Return a name in its own charset: the library reads each as UTF-8."""
    try:
        raw = stored.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return stored
    return charsets.decode(raw, None)[0]
