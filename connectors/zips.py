"""Zip archives: members by place in the directory, their names as text only, their dangers by name."""

from __future__ import annotations

import stat
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from connectors.bytesource import guarded
from records.errors import ItemError
from records.vocabulary import Reason

RATIO = 200
"""Unpacked size by packed size beyond which a large member is taken for a bomb."""

BOMB_BYTES = 10 << 20
"""Members smaller than this harm nobody, whatever their ratio (a blank picture packs 1,000 to 1)."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_UTF8_FLAG = 0x800
_ENCRYPTED_FLAGS = 0x1 | 0x2000  # the member; the directory itself (PKWARE APPNOTE 4.4.4)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive.

    Attributes:
        info: For the library.
        key: Unique in the archive: its name, NFC, ``/`` between folders, ``#2`` after a name's second use.
        name: Last part of its name, for people.
        size: Unpacked bytes as the directory states them.
        problem: Why it is not opened, or None.
        odd_name: The name climbs (``..``), is absolute, or names a drive. It is text here and harms nothing.
    """

    info: zipfile.ZipInfo
    key: str
    name: str
    size: int
    problem: ItemError | None
    odd_name: bool


def is_zip(head: bytes) -> bool:
    """Say whether a file starts as a zip does."""
    return head.startswith(_MAGIC)


@contextmanager
def opened(path: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive.

    Raises:
        ItemError: ``truncated`` when it starts as a zip and has no directory, ``corrupt``, ``unreadable``.
    """
    archive = open_archive(path)
    try:
        yield archive
    finally:
        archive.close()


def open_archive(place: str | BinaryIO) -> zipfile.ZipFile:
    """Open an archive by its path, or from a stream that can seek; the caller closes it.

    Raises:
        ItemError: As ``opened`` does.
    """
    head = b""
    try:
        if isinstance(place, str):
            with open(place, "rb") as stream:
                head = stream.read(4)
        else:
            place.seek(0)
            head = place.read(4)
        return zipfile.ZipFile(place)
    except zipfile.BadZipFile as err:
        reason = Reason.TRUNCATED if is_zip(head) else Reason.CORRUPT
        raise ItemError(reason, "zip_directory") from err
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, f"errno_{err.errno}") from err
    except (ValueError, OverflowError, NotImplementedError) as err:  # sizes and versions that make no sense
        raise ItemError(Reason.CORRUPT, "zip_directory") from err


def members(archive: zipfile.ZipFile) -> list[Member]:
    """Return the files of an archive in directory order; folders are left out."""
    seen: set[str] = set()
    found = []
    for info in archive.infolist():
        stated = _stated_name(info)
        if stated.endswith(("/", "\\")) and not info.file_size:
            continue
        key = unicodedata.normalize("NFC", stated.replace("\\", "/")).replace("\x00", "\\x00")
        key = key.encode("utf-8", "backslashreplace").decode("utf-8")
        number = 1
        unique = key
        while unique in seen:
            number += 1
            unique = f"{key}#{number}"
        seen.add(unique)
        parts = key.split("/")
        odd = ".." in parts or key.startswith("/") or (len(key) > 1 and key[1] == ":") or "\x00" in stated
        found.append(Member(info, unique, parts[-1], info.file_size, _problem(info), odd))
    return found


def _stated_name(info: zipfile.ZipInfo) -> str:
    """Return the name as it was meant: many programs write UTF-8 and do not set its flag."""
    name = info.orig_filename
    if info.flag_bits & _UTF8_FLAG or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _problem(info: zipfile.ZipInfo) -> ItemError | None:
    if info.flag_bits & _ENCRYPTED_FLAGS:
        return ItemError(Reason.ENCRYPTED, "zip_password")
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return ItemError(Reason.UNSAFE_NAME, "link" if stat.S_ISLNK(mode) else "not_a_file")
    if info.file_size > BOMB_BYTES and info.file_size > RATIO * max(info.compress_size, 1):
        return ItemError(Reason.BOMB, "zip_ratio")
    return None


def open_member(archive: zipfile.ZipFile, member: Member) -> BinaryIO:
    """Open one file; never more than its stated size is unpacked, and its checksum is tested at its end.

    Raises:
        ItemError: Its ``problem``, or what the library found; reading raises the same.
    """
    if member.problem is not None:
        raise ItemError(member.problem.reason, member.problem.detail)
    return guarded(lambda: cast("BinaryIO", archive.open(member.info)))


def open_member_of(path: str, member: Member) -> BinaryIO:
    """Open one file of an archive on disk; closing the stream closes the archive."""
    archive = open_archive(path)
    try:
        stream = open_member(archive, member)
    except ItemError:
        archive.close()
        raise
    return guarded(lambda: stream, archive.close)


def read_head(archive: zipfile.ZipFile, member: Member, size: int) -> bytes:
    """Return the first bytes of a member; empty when it cannot be opened."""
    try:
        with open_member(archive, member) as stream:
            return stream.read(size)
    except ItemError:
        return b""
