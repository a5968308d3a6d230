"""Archives: zip and gzip. Members become children; their names are facts, never paths.

A zip cut in the middle gives what its local headers still lead to. The rules that hold for every archive are
in ``extract.members``.
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, ClassVar

from extract import charsets, members, sniff, unlocking
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Reason, WarningCode

_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_UTF8 = 0x800
_STREAMED = 0x8
_UNICODE_PATH = 0x7075
_TIMESTAMP, _NTFS = 0x5455, 0x000A
_NTFS_SECONDS = 11_644_473_600
"""From 1601 to 1970."""


class ZipReader:
    """Reads zip archives that are no documents."""

    name: ClassVar[str] = "zip"
    version: ClassVar[str] = "4"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept zip archives; Office, OpenDocument and EPUB files are zips too and are left to Tika."""
        if not head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04")):
            return None
        return None if sniff.is_zipped_document(media_type, name, head) else 85

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Give the members.

        Raises:
            ItemError: ``corrupt`` when nothing of it is a zip, ``bomb`` beyond the limits.
        """
        members.check_depth(context)
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError, OverflowError):
            return _recovered(stream, context)
        with archive:
            infos = [
                info for info in archive.infolist() if not info.orig_filename.endswith("/") or info.file_size
            ]
            members.check_count(len(infos), context)
            return _members(archive, infos, stream, context)


def _size(stream: BinaryIO) -> int:
    return stream.seek(0, 2)


def _members(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo], stream: BinaryIO, context: ExtractContext
) -> Extraction:
    budget = members.Budget(_size(stream), context.limits)
    tries = unlocking.Tries(context)
    locked = None
    if context.passwords and any(info.flag_bits & _ENCRYPTED for info in infos):
        locked = unlocking.ZipMembers(stream, tries)
    warnings: set[WarningCode] = set()
    names = members.Names(warnings)
    children = [
        _member(archive, info, number, names.shown(_stored_name(info)), budget, locked)
        for number, info in enumerate(infos, 1)
    ]
    facts = {"members": str(len(infos)), **_comment(archive.comment), **tries.facts()}
    return members.together("zip", children, len(infos), warnings, None, facts)


def _comment(comment: bytes) -> dict[str, str]:
    if not comment:
        return {}
    return {"comment": charsets.tidy(charsets.decode(comment, None)[0])}


def _stored_name(info: zipfile.ZipInfo) -> str:
    """Return the name as stored: UTF-8 by flag, Unicode path field or by trial; else code page 437."""
    if info.flag_bits & _UTF8:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437", "replace")
    named = _unicode_path(info.extra, raw)
    if named is not None:
        return named
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return info.orig_filename


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Read Info-ZIP's Unicode path field, if its checksum belongs to this name."""
    for kind, body in _fields(extra):
        if (
            kind == _UNICODE_PATH
            and len(body) > 5
            and struct.unpack_from("<L", body, 1)[0] == zlib.crc32(raw)
        ):
            return body[5:].decode("utf-8", "replace")
    return None


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the extra fields of a member (APPNOTE 4.5.1)."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + size]
        at += 4 + size


def _dated(info: zipfile.ZipInfo) -> dict[str, str]:
    """Return when a member was changed, as a fact: in UTC where a field says so, else the wall clock.

    The fields are Info-ZIP's extended timestamp, whose first bit says that the time is there, and that of
    NTFS with its first attribute (APPNOTE 4.5.5; Info-ZIP's proginfo/extrafld.txt). The time beside the name
    is that of MS-DOS, in a zone that nobody knows; it begins with 1980, which stands for none.
    """
    for kind, body in _fields(info.extra):
        if kind == _TIMESTAMP and len(body) >= 5 and body[0] & 1:
            return members.dated(struct.unpack_from("<i", body, 1)[0])
        if kind == _NTFS and len(body) >= 16 and body[4:8] == b"\x01\0\x18\0":
            return members.dated(struct.unpack_from("<Q", body, 8)[0] / 10_000_000 - _NTFS_SECONDS)
    try:
        clock = datetime(*info.date_time)  # noqa: DTZ001 - it has no zone
    except ValueError:
        return {}
    return {} if clock == datetime(1980, 1, 1) else {"modified": clock.isoformat()}  # noqa: DTZ001


def _member(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    number: int,
    name: str,
    budget: members.Budget,
    locked: unlocking.ZipMembers | None,
) -> Child:
    facts = {"stored_name": name, **_dated(info)}
    if stat.S_ISLNK(info.external_attr >> 16):
        facts["link"] = "true"
    media_type = sniff.by_name(name)

    def failed(reason: Reason, detail: str) -> Child:
        return members.lost(str(number), name, reason, detail, facts)

    if info.flag_bits & _ENCRYPTED:
        opened = locked.read(info, budget) if locked is not None else None
        if opened is None:
            return failed(Reason.ENCRYPTED, "zip_aes" if info.compress_type == 99 else "zip_crypto")
        content, ref = opened
        facts[unlocking.OPENED_BY] = ref
        return members.taken(str(number), name, media_type, content, facts)
    data = bytearray()
    try:
        with archive.open(info) as member:
            while chunk := member.read(members.CHUNK):
                budget.spend(len(chunk))
                data += chunk
    except NotImplementedError:
        return failed(Reason.UNSUPPORTED, f"zip_method_{info.compress_type}")
    except EOFError:
        return failed(Reason.TRUNCATED, "zip_member")
    except RuntimeError:
        return failed(Reason.ENCRYPTED, "zip_crypto")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, struct.error):
        return failed(Reason.CORRUPT, "zip_member")
    return members.taken(str(number), name, media_type, bytes(data), facts)


# --- a zip without its directory -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Local:
    """One local header (APPNOTE 4.3.7) and where its data begins."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    start: int


def _recovered(stream: BinaryIO, context: ExtractContext) -> Extraction:
    """Give what the local headers of a cut zip lead to."""
    stream.seek(0)
    data = stream.read()
    budget = members.Budget(len(data), context.limits)
    warnings: set[WarningCode] = set()
    names = members.Names(warnings)
    children: list[Child] = []
    for local in _locals(data):
        stored = charsets.decode(local.name, "utf-8" if local.flags & _UTF8 else None)[0]
        if stored.endswith("/") and not local.packed:
            continue
        members.check_count(len(children) + 1, context)
        children.append(_from_local(data, local, len(children) + 1, names.shown(stored), budget))
    split = _is_volume(data) or members.is_piece(context.name)
    if not children:
        cut = split or data.startswith(b"PK\x03\x04")
        raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, members.SPLIT if split else "zip")
    failure = Failure(Reason.TRUNCATED, members.SPLIT if split else "zip_directory")
    return members.together("zip", children, None, warnings, failure, {})


def _is_volume(data: bytes) -> bool:
    """Tell whether this is one of several volumes, by marker or end record (APPNOTE 8.5.3, 4.3.16)."""
    if data.startswith(b"PK\x07\x08"):
        return True
    end = data.rfind(b"PK\x05\x06")
    return 0 <= end <= len(data) - 22 and data[end + 4 : end + 6] not in (b"\0\0", b"\xff\xff")


def _locals(data: bytes) -> Iterator[_Local]:
    at = data.find(b"PK\x03\x04")
    while at >= 0 and at + _LOCAL.size <= len(data):
        _, _, flags, method, _, _, crc, packed, _, name_size, extra_size = _LOCAL.unpack_from(data, at)
        start = at + _LOCAL.size + name_size + extra_size
        if start > len(data):
            return
        name = data[at + _LOCAL.size : at + _LOCAL.size + name_size]
        yield _Local(name, flags, method, crc, packed, start)
        skip = start + (0 if flags & _STREAMED else packed)
        at = data.find(b"PK\x03\x04", skip)


def _from_local(data: bytes, local: _Local, number: int, name: str, budget: members.Budget) -> Child:
    media_type = sniff.by_name(name)
    facts = {"stored_name": name}

    def failed(reason: Reason, detail: str) -> Child:
        return members.lost(str(number), name, reason, detail, facts)

    if local.flags & _ENCRYPTED:
        return failed(Reason.ENCRYPTED, "zip_aes" if local.method == 99 else "zip_crypto")
    if local.method == 8:
        content, whole = _inflated(data, local.start, budget)
    elif local.method == 0 and not local.flags & _STREAMED:
        content = data[local.start : local.start + local.packed]
        whole = len(content) == local.packed
        budget.spend(len(content))
    else:
        return failed(Reason.UNSUPPORTED, f"zip_method_{local.method}")
    if content is None:
        return failed(Reason.CORRUPT, "zip_member")
    if not whole:
        return failed(Reason.TRUNCATED, "zip_member")
    if not local.flags & _STREAMED and zlib.crc32(content) != local.crc:
        return failed(Reason.CORRUPT, "zip_member")
    return members.taken(str(number), name, media_type, content, facts)


def _inflated(data: bytes, start: int, budget: members.Budget) -> tuple[bytes | None, bool]:
    """Return the content of a deflated member (None when it is no deflate stream), and whether it ended."""
    engine = zlib.decompressobj(-15)
    out = bytearray()
    view = memoryview(data)[start:]
    pending: bytes | memoryview = view[: members.CHUNK]
    at = len(pending)
    try:
        while not engine.eof:
            chunk = engine.decompress(pending, members.CHUNK)
            budget.spend(len(chunk))
            out += chunk
            if engine.unconsumed_tail:
                pending = engine.unconsumed_tail
            elif at < len(view):
                pending = view[at : at + members.CHUNK]
                at += len(pending)
            elif not chunk:
                return bytes(out), False
            else:
                pending = b""
    except zlib.error:
        return None, False
    return bytes(out), True


# --- gzip ----------------------------------------------------------------------------------------------


class GzipReader:
    """Reads gzip files; all their members together are one child."""

    name: ClassVar[str] = "gzip"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,  # noqa: ARG002
        head: bytes,
    ) -> int | None:
        """Accept by the magic number (RFC 1952 2.3.1: deflate is the only method)."""
        return 85 if head.startswith(b"\x1f\x8b\x08") else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Unpack.

        Raises:
            ItemError: ``corrupt`` when nothing comes out, ``bomb`` beyond the limits.
        """
        members.check_depth(context)
        data = stream.read()
        content, reason = _gunzipped(data, members.Budget(len(data), context.limits))
        name = _gzip_name(data, context.name)
        return members.only_child("gzip", name, content, reason, context.name)


def _gunzipped(data: bytes, budget: members.Budget) -> tuple[bytes, Reason | None]:
    """Return what comes out, and why it stopped early (None when it did not)."""
    out = bytearray()
    rest: bytes | memoryview = memoryview(data)
    while rest:
        engine = zlib.decompressobj(31)
        pending = rest
        try:
            while not engine.eof:
                chunk = engine.decompress(pending, members.CHUNK)
                budget.spend(len(chunk))
                out += chunk
                pending = engine.unconsumed_tail
                if not chunk and not pending and not engine.eof:
                    return bytes(out), Reason.TRUNCATED
        except zlib.error:
            return bytes(out), Reason.CORRUPT
        rest = engine.unused_data.lstrip(b"\0")  # padding of tapes
        if rest and not rest.startswith(b"\x1f\x8b"):
            return bytes(out), None  # gzip(1) ignores trailing garbage too
    return bytes(out), None


def _gzip_name(data: bytes, outer: str | None) -> str:
    """Return the name in the header (FNAME), else the file's own name without its ending."""
    flags, at = data[3] if len(data) > 3 else 0, 10
    if flags & 4 and len(data) > 12:
        at += 2 + int.from_bytes(data[10:12], "little")
    if flags & 8:
        end = data.find(b"\0", at)
        if end > at:
            return charsets.decode(data[at:end], None)[0]
    return members.without_suffix(outer, ".gz", (".tgz",))
