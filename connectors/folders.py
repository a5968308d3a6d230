"""Folders on disk: names as keys, ranges of sorted names, opening without following links."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.bytesource import errno_code
from records.errors import ItemError
from records.vocabulary import Reason

_SYSTEM_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", ".localized", "__macosx"})
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_SORTED_WHOLE = 50_000
_SAMPLE = 20_000
_CLOSED_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def storable(text: str) -> str:
    r"""Return a name as a key and for any store: NFC, and ``\xNN`` for bytes that are no UTF-8.

    The same folder copied through a Mac has its names in another normal form, and must give the same ids.
    """
    if text.isascii():
        return text
    try:
        named = os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold and no file system does
        named = text.encode("utf-8", "backslashreplace").decode()
    return unicodedata.normalize("NFC", named)


def is_system_name(name: str) -> bool:
    """Say whether an operating system made the file for itself (``.DS_Store``, ``Thumbs.db``)."""
    return name.lower() in _SYSTEM_NAMES


def is_apple_double(name: str, head: bytes) -> bool:
    """Say whether this is the resource fork a Mac writes beside a file (``._name``)."""
    return name.startswith("._") and head.startswith(_APPLE_DOUBLE)


@dataclass(frozen=True, slots=True)
class Opened:
    """A regular file's size and its first bytes.

    Attributes:
        size: Bytes.
        head: The whole file when ``size`` is at most what was asked for, else its start.
    """

    size: int
    head: bytes


def open_head(path: str, most: int) -> Opened:
    """Read the start of a regular file.

    Raises:
        ItemError: ``unsafe_name`` for a link, ``unsupported`` for what is no file, ``unreadable``.
    """
    try:
        fd = os.open(path, _CLOSED_FLAGS)
    except OSError as err:
        raise _refused(path, err) from err
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise ItemError(Reason.UNSUPPORTED, "not_a_file")
        want = min(about.st_size, most)
        head = os.read(fd, want)
        while len(head) < want and (more := os.read(fd, want - len(head))):
            head += more
        return Opened(about.st_size, head)
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    finally:
        os.close(fd)


def _refused(path: str, err: OSError) -> ItemError:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ItemError(Reason.UNREADABLE, errno_code(err))
    if stat.S_ISLNK(mode):
        return ItemError(Reason.UNSAFE_NAME, "link")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return ItemError(Reason.UNSUPPORTED, "not_a_file")
    return ItemError(Reason.UNREADABLE, errno_code(err))


def entries(path: str) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds, unsorted.

    Raises:
        ItemError: ``unreadable``.
    """
    try:
        with os.scandir(path) as found:
            yield from found
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err


def files_between(path: str, first: str, before: str) -> list[str]:
    """Return the sorted names of a folder's files with ``first`` <= name < ``before`` (empty: no end).

    Links, sockets and the like are among them; folders are not.
    """
    return sorted(
        entry.name
        for entry in entries(path)
        if entry.name >= first
        and not (before and entry.name >= before)
        and not entry.is_dir(follow_symlinks=False)
    )


def subfolders(path: str) -> list[str]:
    """Return the sorted names of the folders in a folder."""
    return sorted(entry.name for entry in entries(path) if entry.is_dir(follow_symlinks=False))


@dataclass(frozen=True, slots=True)
class Range:
    """Part of a folder: names from ``first`` up to, not including, ``before`` (empty: to the end)."""

    first: str
    before: str
    items: int
    size_bytes: int


def ranges(path: str, max_items: int, max_bytes: int, border: Callable[[str], str]) -> list[Range]:
    """Cut a folder's files into ranges of sorted names.

    A small folder is cut exactly. Of a large one only a sample of names is held (a million names would cost
    150 MB): buckets between sampled names are counted and joined, so a part may be a little smaller.

    Args:
        path: The folder.
        max_items: Files in a part.
        max_bytes: Bytes in a part; one larger file is a part of its own.
        border: Shortens a name that starts a part, so that names that belong together are not cut apart.
    """
    total = sum(1 for entry in entries(path) if not entry.is_dir(follow_symlinks=False))
    every = 1 if total <= _SORTED_WHOLE else total // _SAMPLE + 1
    borders = sorted(
        {
            border(entry.name)
            for entry in entries(path)
            if (every == 1 or zlib.crc32(os.fsencode(entry.name)) % every == 0)
            and not entry.is_dir(follow_symlinks=False)
        }
    )
    if not total:
        return []
    borders = ["", *borders]
    counts, sizes = array("Q", bytes(8 * len(borders))), array("Q", bytes(8 * len(borders)))
    for entry in entries(path):
        if entry.is_dir(follow_symlinks=False):
            continue
        bucket = bisect_right(borders, entry.name) - 1
        counts[bucket] += 1
        try:
            sizes[bucket] += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # counted; its reading will say why it cannot be had
    return _joined(borders, counts, sizes, max_items, max_bytes)


def _joined(
    borders: list[str], counts: array[int], sizes: array[int], max_items: int, max_bytes: int
) -> list[Range]:
    cuts: list[Range] = []
    first, items, size = "", 0, 0
    for place, border in enumerate(borders):
        if items and (items + counts[place] > max_items or size + sizes[place] > max_bytes):
            cuts.append(Range(first, border, items, size))
            first, items, size = border, 0, 0
        items += counts[place]
        size += sizes[place]
    cuts.append(Range(first, "", items, size))
    return cuts


_MAILDIR_FLAGS = re.compile(r"[:;!][12],[A-Za-z,]*$")


def without_flags(name: str) -> str:
    """Return a Maildir file name without its flags: they change when a message is read or answered."""
    return name[: found.start()] if (found := _MAILDIR_FLAGS.search(name)) else name


def maildir_flags(name: str) -> str:
    """Return the flags of a Maildir file name, such as ``RS``."""
    return found.group()[3:] if (found := _MAILDIR_FLAGS.search(name)) else ""
