"""Loose files: a drop folder, every file in it an item. What a file is, the extract room finds out.

Order is that of the paths with their folders' borders counted as the lowest character, so that a range of
paths is a range of the walk, and a large folder can be cut without listing it twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from connectors.base import FileConnector, still_there
from connectors.bytesource import HELD, Handle, errno_code, whole
from connectors.cursors import name_cursor, read_name
from connectors.folders import is_apple_double, is_system_name, open_head, storable
from connectors.msg_times import file_or_message
from connectors.outlook_data_count import HEADER, OPENED, can_be_read, is_named_so
from connectors.outlook_data_reader import is_there
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reason

if TYPE_CHECKING:
    from connectors.data_files import DataFiles

ROOT = "."


class LooseFiles(FileConnector):
    """A folder of files, or one file."""

    name: ClassVar[str] = "loose_files"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "every file in a folder, at any depth, or one file",
        "files of any type and size; hidden files too",
        "data files of Outlook (.pst, .ost), in a zip too: each folder is a place, its items message files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "data files with a header that cannot be read, all where libpff is not installed, and those in a zip "
        "within a zip: stored as files",
        "links: counted as failed, never followed",
        "sockets, pipes and devices: counted as failed",
        "files an operating system made for itself (.DS_Store, Thumbs.db): counted as excluded",
        "dates: a file system's times prove nothing; only a mail of Outlook (.msg) has times of its own",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "EDRM Enron v2, one custodian: 1,160 files",
        "generated drop folders",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._known: DataFiles | None = None

    def scopes(self) -> Iterator[Scope]:
        """List the folder, then the places of the data files in it."""
        yield Scope(ROOT, storable(os.path.basename(self._path.rstrip("/"))) or ROOT, "folder")
        yield from self._data().scopes()

    def count(self, scope: Scope) -> Expected:
        """Count with ``os.walk``: files, and links to folders.

        Raises:
            ItemError: The folder cannot be read.
        """
        if scope.key != ROOT:
            return self._data().count(scope)
        if os.path.isfile(self._path):
            return Expected(1, "folder walk")
        if not os.access(self._path, os.R_OK | os.X_OK):
            raise ItemError(Reason.UNREADABLE, "folder")
        unreadable: list[OSError] = []  # a folder that cannot be read is one failed item
        total = 0
        try:
            for here, folders, files in os.walk(self._path, onerror=unreadable.append):
                total += len(files) + sum(os.path.islink(os.path.join(here, name)) for name in folders)
        except RecursionError:  # os.walk calls itself at every level
            return Expected(None, "unknown")
        return Expected(total + len(unreadable), "folder walk")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut the walk into ranges of paths.

        Raises:
            ItemError: The folder cannot be read.
        """
        if scope.key != ROOT:
            yield from self._data().parts(scope, max_items, max_bytes)
            return
        cuts: list[tuple[str, int, int]] = []
        first, items, size = "", 0, 0
        for rel, entry in walk(self._path, "", ""):
            try:
                grows = entry.stat(follow_symlinks=False).st_size if entry is not None else 0
            except OSError:
                grows = 0
            if items and (items >= max_items or size + grows > max_bytes):
                cuts.append((first, items, size))
                first, items, size = rel, 0, 0
            items, size = items + 1, size + grows
        cuts.append((first, items, size))
        for number, (first, items, size) in enumerate(cuts):
            before = cuts[number + 1][0] if number + 1 < len(cuts) else ""
            spec = json.dumps({"v": 1, "first": first, "before": before}) if len(cuts) > 1 else ""
            yield Part(scope, number, spec, items, size)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield every file of the part, in order of path.

        Raises:
            ItemError: The folder cannot be read.
        """
        if part.scope.key != ROOT:
            yield from self._data().items(part, window, cursor)
            return
        first, before = "", ""
        if part.spec:
            stated = canonical.loads(part.spec)
            if stated.get("v") != 1:
                msg = "a part of a folder was cut by another version; plan the run again"
                raise SettingsError(msg)
            first, before = stated["first"], stated["before"]
        for one in walk_items(self._path, first, before, window, cursor):
            if isinstance(one, FoundItem) and is_named_so(one.name or ""):
                yield self._apart(one)
            else:
                yield one

    def _apart(self, one: FoundItem) -> Yielded:
        """Return what stands for a data file, whose items are in places of their own; else the file."""
        try:
            with self.open(one) as stream:
                head = stream.read(HEADER)
        except ItemError:
            return one  # opening it later says why
        if not can_be_read(head) or not is_there():
            return one
        return ExcludedItem(
            one.native_key, Kind.FILE, one.cursor, Reason.EXPORT_SCAFFOLDING, OPENED, one.name
        )

    def _data(self) -> DataFiles:
        """Return the data files in the folder, those in zips too, listed once."""
        if self._known is None:
            from connectors.data_files import DataFiles, loose_data_files  # builds on this module

            still_there(self._path)
            self._known = DataFiles(self._context, loose_data_files(self._path))
        return self._known


def walk_items(
    root: str,
    first: str,
    before: str,
    window: Window,
    cursor: str | None,
) -> Iterator[Yielded]:
    """Yield the files below ``root`` as items.

    Args:
        root: A folder, or a file.
        first: Relative path to start from; empty for the start.
        before: Relative path that is no more part of it; empty for the end.
        window: The request's days.
        cursor: Of the last safe item, or None.
    """
    after = read_name(cursor)
    folder = root if os.path.isdir(root) else os.path.dirname(root)
    keys = _Keys(folder)
    for rel, entry in walk(root, first, before):
        key = keys.key(rel)
        if after is not None and _order(rel) <= _order(after):
            continue
        shown = storable(rel.rpartition("/")[2])
        if entry is None:
            yield FailedItem(key, Kind.FILE, name_cursor(rel), Reason.UNREADABLE, "folder", shown)
        else:
            yield loose_item(os.path.join(folder, rel), key, name_cursor(rel), window, shown)


def loose_item(path: str, key: str, cursor: str, window: Window, name: str) -> Yielded:
    """Return one file on disk as an item.

    Args:
        path: Where it lies.
        key: Native key.
        cursor: What follows it.
        window: The request's days.
        name: Its name, for people.
    """
    try:
        opened = open_head(path, HELD)
    except ItemError as err:
        return FailedItem(key, Kind.FILE, cursor, err.reason, err.detail, name)
    if is_system_name(name) or is_apple_double(name, opened.head):
        return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "system_file", name)
    handle: Handle = opened.head if opened.size <= HELD else lambda: whole(path)
    return file_or_message(key, cursor, opened.size, window, handle, name=name)


class _Keys:
    """Gives each path its key: NFC, unless another file has that very name."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._given: set[str] = set()

    def key(self, rel: str) -> str:
        """Return the key of a relative path."""
        if rel.isascii():
            return rel
        normal = storable(rel)
        if normal == rel:
            return rel
        if normal in self._given or os.path.lexists(os.path.join(self._folder, normal)):
            return os.fsencode(rel).decode("utf-8", "backslashreplace")
        self._given.add(normal)
        return normal


def walk(root: str, first: str, before: str) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """Yield relative path and entry of every file below ``root``, in order, folders entered in their place.

    A folder that cannot be read comes as itself, with None. Links are not followed.

    Raises:
        ItemError: ``root`` itself cannot be read.
    """
    if not os.path.isdir(root):
        if not os.path.lexists(root):
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        folder, name = os.path.split(root)
        yield from ((entry.name, entry) for entry in _sorted(folder or ".") if entry.name == name)
        return
    low, high = _order(first), _order(before)
    # a stack, not recursion: a hostile tree is deeper than Python calls may be
    stack = [("", iter(_sorted(root)))]
    while stack:
        prefix, inside = stack[-1]
        entry = next(inside, None)
        if entry is None:
            stack.pop()
            continue
        rel = prefix + entry.name
        order = _order(rel)
        if high and order >= high:
            return
        if not entry.is_dir(follow_symlinks=False):
            if order >= low:
                yield rel, entry
        elif order + "\x00" >= low or low.startswith(order + "\x00"):
            try:
                stack.append((rel + "/", iter(_sorted(entry.path))))
            except ItemError:
                if order >= low:
                    yield rel, None


def _order(rel: str) -> str:
    return rel.replace("/", "\x00")


def _sorted(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
