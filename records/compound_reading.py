"""Compound files taken apart (MS-CFB), as far as they can be trusted: ``olefile`` reads, this sets bounds.

A damaged or hostile file says that its streams are larger than itself, that they overlap, or that its
directory goes round in a circle: nothing here takes more time or memory than the bytes at hand justify.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import olefile

from records.compound_files import SIGNATURE, Storage, name_key
from records.errors import ItemError
from records.vocabulary import Reason

_SECTOR = 512
_DEEPEST = 150
_SLACK = 1 << 16
_LAST_SECTOR = 0xFFFFFFFA
"""Greater numbers have a meaning of their own (MS-CFB section 2.1)."""
_HEAD = 4_096


@dataclass(frozen=True, slots=True)
class Compound:
    """What is in a compound file.

    Attributes:
        root: Its root storage.
        whole: Whether each stream has as many bytes as its entry says.
    """

    root: Storage
    whole: bool


def directory_at(head: bytes) -> int:
    """Return where the directory of a compound file begins, by its first bytes; -1 when they do not say."""
    if not head.startswith(SIGNATURE) or len(head) < _SECTOR:
        return -1
    shift, sector = struct.unpack_from("<H", head, 30)[0], struct.unpack_from("<I", head, 48)[0]
    return (sector + 1) << shift if shift in (9, 12) and sector < _LAST_SECTOR else -1


def shows_directory(head: bytes) -> bool:
    """Tell whether the first entries of the directory are among the first bytes, or were put behind them."""
    at = directory_at(head)
    return len(head) > _HEAD or 0 <= at <= len(head) - _SECTOR


def read(data: bytes) -> Compound:
    """Return all storages and streams.

    Raises:
        ItemError: ``truncated`` or ``corrupt`` when its directory cannot be read, ``bomb`` when its streams
            overlap or its storages lie too deep.
    """
    _check_header(data)
    try:
        with _Ole(io.BytesIO(data)) as ole:
            return _Reading(ole, len(data)).all()
    except RecursionError:
        raise ItemError(Reason.BOMB, "compound_depth") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, OverflowError):
        # What olefile raises depends on where it stumbles: its messages are not passed on.
        raise ItemError(Reason.TRUNCATED if _is_cut(data) else Reason.CORRUPT, "compound_file") from None


def _check_header(data: bytes) -> None:
    """Refuse tables larger than the file (MS-CFB section 2.2): they would cost time before they fail."""
    if not data.startswith(SIGNATURE):
        raise ItemError(Reason.CORRUPT, "not_a_compound_file")
    if len(data) < 3 * _SECTOR:
        raise ItemError(Reason.TRUNCATED, "compound_file")
    (fat,) = struct.unpack_from("<I", data, 44)
    _, mini_fat, _, difat = struct.unpack_from("<4I", data, 60)
    sectors = len(data) // _SECTOR
    if max(fat, mini_fat, difat) > sectors:
        raise ItemError(Reason.TRUNCATED if _is_cut(data) else Reason.CORRUPT, "compound_tables")


def _is_cut(data: bytes) -> bool:
    """Tell whether the header speaks of sectors behind the end of the file."""
    shift = struct.unpack_from("<H", data, 30)[0]
    if shift not in (9, 12):
        return False
    last = (len(data) >> shift) - 1
    (fat, directory) = struct.unpack_from("<2I", data, 44)
    named = [at for at in struct.unpack_from("<109I", data, 76) if at < _LAST_SECTOR]
    return directory > last or any(at > last for at in named) or fat > last + 1


class _Ole(olefile.OleFileIO):  # type: ignore[misc]
    """The reader without one of its checks, which takes the square of the number of streams."""

    def _check_duplicate_stream(self, first_sect: int, minifat: bool = False) -> None:  # noqa: FBT001, FBT002
        """Let streams share their sectors: what they give together is bounded here."""


class _Reading:
    """One pass over an open file."""

    def __init__(self, ole: olefile.OleFileIO, size: int) -> None:
        self._ole = ole
        self._size = size
        self._budget = size + _SLACK
        self._whole = True

    def all(self) -> Compound:
        root = self._ole.root
        if root is None:
            raise ItemError(Reason.CORRUPT, "compound_root")
        root.size = min(root.size, self._size)
        return Compound(self._storage(root, 0), self._whole)

    def _storage(self, entry: olefile.OleDirectoryEntry, depth: int) -> Storage:
        if depth > _DEEPEST:
            raise ItemError(Reason.BOMB, "compound_depth")
        entries: dict[str, bytes | Storage] = {}
        seen: set[tuple[int, bytes]] = set()
        for kid in entry.kids:
            key = name_key(kid.name)
            if key is None or key in seen:  # no writer makes such a name: it costs what it names
                self._whole = False
                continue
            seen.add(key)
            if kid.entry_type == olefile.STGTY_STORAGE:
                entries[kid.name] = self._storage(kid, depth + 1)
            elif kid.entry_type == olefile.STGTY_STREAM:
                entries[kid.name] = self._stream(kid)
        clsid = entry.clsid.replace("-", "") if entry.clsid else ""
        return Storage(entries, _clsid(clsid))

    def _stream(self, entry: olefile.OleDirectoryEntry) -> bytes:
        stated = entry.size
        if not stated:
            return b""
        # Sizes beyond the file would let a chain that goes round fill the memory. The public way to a stream
        # looks for its name among all others, which takes the square of their number.
        try:
            data: bytes = self._ole._open(entry.isectStart, min(stated, self._size)).read()
        except OSError:
            data = b""
        self._whole &= len(data) == stated
        self._budget -= len(data)
        if self._budget < 0:
            raise ItemError(Reason.BOMB, "compound_overlap")
        return data


def _clsid(text: str) -> bytes:
    """Return a class id as it is stored, from its usual spelling without hyphens."""
    if len(text) != 32:
        return bytes(16)
    raw = bytes.fromhex(text)
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
