"""Data files of Outlook, PST and OST: mail, calendars, contacts, tasks and notes in folders of their own.

Each item becomes an Outlook message file (``connectors.msg_writing``) with every property that it has. libpff
reads them, in a process of its own (``connectors.outlook_data_reader``); how many there should be is taken
from other places of the file by other code (``connectors.outlook_data_count``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from connectors.base import FileConnector, not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.data_files import DataFiles, data_files_in_zip
from connectors.export_files import OpenZips, PackageFile, plain_item
from connectors.folders import open_head, storable
from connectors.loose_files import walk, walk_items
from connectors.outlook_data_count import MAGIC
from connectors.outlook_data_reader import library
from records.errors import ItemError
from records.models import Expected, Part, Scope, SourceContext, Window, Yielded

ROOT = "."


class OutlookDataFile(FileConnector):
    """One data file, or a folder of them."""

    name: ClassVar[str] = "outlook_data_file"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "PST and OST files: Unicode and ANSI, alone, in folders or in zips; also those with a password",
        "every item of every folder (mail, meetings, appointments, contacts, lists, tasks, notes, journal,"
        " reports), as an Outlook message file with all its properties, recipients and attachments",
        "items that no folder holds any more, in a place of their own",
        "other files lying beside them: stored as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what was deleted for good: space that the file has marked as free is not searched",
        "search folders: they show items of others, which are read once, in their own folder",
        "items that belong to a folder itself (views, rules, forms), lists of free and busy hours: excluded",
        "files that Windows Information Protection has encrypted: failed as `encrypted`",
        "data files in a zip that lies in another zip: unpack that one first",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "2 files of open projects (Apache Tika, java-libpst): 4 mails; 1 appointment, 1 contact, 1 list",
        "generated files: Unicode, ANSI, OST 2013 (4 KB pages), each way of encoding, damaged in many ways",
        "no real OST: none was at hand",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._known: _Source | None = None

    def check(self) -> None:
        """Prove access, that there is a data file, and that libpff is there to read it.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, no data file is there, or libpff is not installed.
        """
        super().check()
        if not self._source().data.files:
            raise not_one(self._context.source_id, "Outlook data file (PST, OST)", self._path, self.name)
        library(self._context.source_id)

    def scopes(self) -> Iterator[Scope]:
        """List the folders of each file, parents first; then what lies beside the files."""
        source = self._source()
        yield from source.data.scopes()
        yield from (Scope(key, key, "archive") for key in source.beside)
        if os.path.isdir(self._path):
            yield Scope(ROOT, storable(os.path.basename(self._path.rstrip("/"))) or ROOT, "folder")

    def count(self, scope: Scope) -> Expected:
        """Take the larger of the folder's own figure and of what the tree of nodes has for it.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        still_there(self._path)
        source = self._source()
        if scope.key == ROOT:
            found = sum(len(files) for _, _, files in os.walk(self._path))
            links = sum(
                os.path.islink(os.path.join(here, name))
                for here, names, _ in os.walk(self._path)
                for name in names
            )
            return Expected(found + links - len(source.apart), "folder walk")
        if scope.key in source.beside:
            files = source.beside[scope.key]
            with OpenZips() as opened:
                archive = opened.of(files[0])
                assert archive is not None
                members = sum(not info.is_dir() for info in archive.infolist())
            inside = sum(file.path == files[0].path for file in source.data.files.values())
            return Expected(members - inside, "zip directory")
        return source.data.count(scope)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a folder between two items, so that a part has about so many bytes of the file.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        still_there(self._path)
        source = self._source()
        if scope.key == ROOT or scope.key in source.beside:
            yield Part(scope)
            return
        yield from source.data.parts(scope, max_items, max_bytes)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the items of a part by their number in the file.

        Raises:
            ItemError: The file cannot be opened, or broke off.
        """
        still_there(self._path)
        source = self._source()
        if part.scope.key == ROOT:
            yield from (
                one
                for one in walk_items(self._path, "", "", window, cursor)
                if one.native_key not in source.apart
            )
        elif part.scope.key in source.beside:
            done = read_number(cursor)
            with OpenZips() as opened:
                for number, file in enumerate(source.beside[part.scope.key], 1):
                    if number > done:
                        yield replace(plain_item(file, window, opened), cursor=number_cursor(number))
        else:
            yield from source.data.items(part, window, cursor)

    def _source(self) -> _Source:
        """Return what lies at the path, listed once."""
        if self._known is None:
            self._known = _listed(self._context, self._path)
        return self._known


@dataclass(frozen=True, slots=True)
class _Source:
    """What lies at a path.

    Attributes:
        data: The data files, those in zips too.
        apart: Keys of files that are no items by themselves: data files, and zips that hold some.
        beside: By zip that holds data files, its other members.
    """

    data: DataFiles
    apart: frozenset[str]
    beside: Mapping[str, list[PackageFile]]


def _listed(context: SourceContext, path: str) -> _Source:
    files: dict[str, PackageFile] = {}
    beside: dict[str, list[PackageFile]] = {}
    apart: set[str] = set()
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    for rel, entry in walk(path, "", ""):
        place, key = os.path.join(folder, rel), storable(rel)
        try:
            head = open_head(place, len(MAGIC)).head if entry is not None else b""
        except ItemError:
            continue  # an item that fails as a file
        inside, others = ([], []) if head == MAGIC else data_files_in_zip(place, key)
        if head == MAGIC or inside:
            apart.add(key)
        if head == MAGIC:
            files[key] = PackageFile(key, place)
        files |= {file.key: file for file in inside}
        if inside and others:
            beside[key] = others
    return _Source(DataFiles(context, files), frozenset(apart), beside)
