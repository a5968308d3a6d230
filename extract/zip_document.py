"""A zip-based document, opened for a look at its parts; and what such a look can find.

Bounds: 32 MB of a part, no entities, no network.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from extract.remarks import Remark
from records.errors import ItemError
from records.vocabulary import Reason

_MOST = 32 << 20
"""Bytes looked at in one member."""

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError,
    KeyError,
)  # fmt: skip
"""What a member that cannot be read raises."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look into the file shows.

    Attributes:
        hidden: Something is there that an ordinary view does not show.
        pictures: File names of the pictures it carries; Tika puts them into the text.
        sheets: Names of its sheets in order, hidden ones too.
        hidden_sheets: Names of those that are hidden.
        cut: Its directory is missing: the end of the file was lost.
        partial: A part of it could not be read to its end.
        remarks: Comments, tracked changes and hidden parts, in the order of the file.
        comments: It has comments.
        cell_comments: Their words as Tika puts them behind a cell, white space made even.
        changed: It has tracked changes.
        notes: It has speaker's notes.
        slides: Place of each slide in the show, in the order in which Tika gives them.
        links: Its links were read: Tika names their addresses without telling the cell.
        deleted: Deleted paragraphs that Tika puts before the text (OpenDocument).
    """

    hidden: bool = False
    pictures: frozenset[str] = frozenset()
    sheets: tuple[str, ...] = ()
    hidden_sheets: frozenset[str] = frozenset()
    cut: bool = False
    partial: bool = False
    remarks: tuple[Remark, ...] = ()
    comments: bool = False
    cell_comments: frozenset[str] = frozenset()
    changed: bool = False
    notes: bool = False
    slides: tuple[int, ...] = ()
    links: bool = False
    deleted: tuple[str, ...] = ()


NOTHING = Found()


class Package:
    """A zip-based document, opened for a look; a context manager."""

    def __init__(self, data: bytes) -> None:
        """Open it.

        Raises:
            ValueError: Its directory cannot be read.
        """
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, NotImplementedError, OverflowError) as error:
            raise ValueError(type(error).__name__) from None
        self.names = tuple(self._archive.namelist())
        self.partial = False

    def __enter__(self) -> Package:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    @cached_property
    def pictures(self) -> frozenset[str]:
        """File names of the pictures in it."""
        return frozenset(
            name.rpartition("/")[2]
            for name in self.names
            if "/media/" in name or name.startswith("Pictures/")
        )

    def read(self, name: str) -> bytes:
        """Return the beginning of a member; nothing where it cannot be read."""
        try:
            with self._archive.open(name) as member:
                data = member.read(_MOST + 1)
        except _DAMAGED:
            self.partial |= name in self.names
            return b""
        self.partial |= len(data) > _MOST
        return data[:_MOST]

    def whole(self, name: str, most: int) -> bytes:
        """Return a whole member.

        Raises:
            ItemError: ``corrupt``, or ``bomb`` where it is larger than allowed.
        """
        try:
            with self._archive.open(name) as member:
                data = member.read(most + 1)
        except _DAMAGED:
            raise ItemError(Reason.CORRUPT, "embedded") from None
        if len(data) > most:
            raise ItemError(Reason.BOMB, "children_bytes")
        return data

    def events(self, data: bytes, *tags: str) -> Iterator[tuple[str, etree._Element]]:
        """Yield starts and ends of elements, by their local names; broken XML gives what comes before."""
        if not data:
            return
        reading = etree.iterparse(
            io.BytesIO(data),
            events=("start", "end"),
            tag=[f"{{*}}{tag}" for tag in tags],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for event, element in reading:
                yield str(event), element
        except etree.XMLSyntaxError:
            self.partial = True

    def tree(self, name: str) -> etree._Element | None:
        """Return a part as a tree; None where it cannot be read."""
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
        )
        data = self.read(name)
        try:
            return etree.fromstring(data, parser) if data else None
        except (etree.XMLSyntaxError, ValueError):
            self.partial = True
            return None

    def elements(self, name: str, *tags: str) -> Iterator[etree._Element]:
        """Yield the whole elements of a part that have one of these local names."""
        for event, element in self.events(self.read(name), *tags):
            if event == "end":
                yield element

    def relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Return what a part is related to: last word of the type, and the member or address, by id."""
        folder, _, leaf = name.rpartition("/")
        found = {}
        for one in self.elements(f"{folder}/_rels/{leaf}.rels".lstrip("/"), "Relationship"):
            target = one.get("Target", "")
            if one.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join(f"/{folder}", target)).lstrip("/")
            found[one.get("Id", "")] = (one.get("Type", "").rpartition("/")[2], target)
        return found


def is_bomb(data: bytes, ratio: float) -> bool:
    """Tell whether the stated sizes of a zip-based document go beyond a ratio (counted above 32 MB).

    A file that states less than it unpacks to meets the memory limit of the worker instead.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return False
    return unpacked > max(_MOST, len(data) * ratio)


def plain(text: str) -> str:
    """Return a text with its white space made even."""
    return " ".join(text.split())


def ranges(runs: Iterable[tuple[int, int]], *, columns: bool = False) -> str:
    """Return rows as numbers, columns as letters: ``3, 7-9``; runs that touch are joined."""
    joined: list[list[int]] = []
    for first, last in sorted(runs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1][1] = max(last, joined[-1][1])
        else:
            joined.append([first, last])
    shown = _letters if columns else str
    return ", ".join(shown(a) if a == b else f"{shown(a)}-{shown(b)}" for a, b in joined)


def _letters(column: int) -> str:
    name = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name
