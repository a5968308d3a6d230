"""Data files of Outlook, PST and OST: mail, calendars, contacts, tasks and notes in folders of their own.

Each item becomes an Outlook message file (``connectors.msg_writing``) with every property that it has. libpff
reads them, in a process of its own (``connectors.outlook_data_reader``); how many there should be is taken
from other places of the file by other code (``connectors.outlook_data_count``).
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connectors.base import FileConnector, not_one, still_there
from connectors.bytesource import errno_code
from connectors.cursors import number_cursor, read_number
from connectors.folders import open_head, storable
from connectors.item_classes import of_item_class
from connectors.loose_files import walk, walk_items
from connectors.mailhead import placed, sent_or_received
from connectors.msg_writing import MSG_TYPE
from connectors.outlook_data_count import MAGIC, Counts, DataFile
from connectors.outlook_data_reader import Found, Runs, between, items, library, listing, number_of
from records.errors import ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.moments import Place, iso_moment, place_in
from records.vocabulary import Basis, Kind, Reason, WarningCode

ROOT = "."
INSIDE = "!"
"""Stands between a file's path and a folder's in keys."""

ORPHANS = "orphan items"
"""The place of messages that lie in no folder of the file."""

_UNKNOWN = Expected(None, "unknown")
_FREE_BUSY = "ipm.microsoft.scheduledata.freebusy"
_UNSENT = 0x08
_UNREAD_IS = 0x01
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ENCODINGS = {0: "none", 1: "permute", 2: "cyclic"}
_MAILS = frozenset({Kind.EMAIL, Kind.CHAT, Kind.POST})


class OutlookDataFile(FileConnector):
    """One data file, or a folder of them."""

    name: ClassVar[str] = "outlook_data_file"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "PST and OST files: Unicode and ANSI, alone or in folders; also those with a password",
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
        "data files inside zips: unpack them first",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "2 files of open projects (Apache Tika, java-libpst): 4 mails; 1 appointment, 1 contact, 1 list",
        "generated files: Unicode, ANSI, OST 2013 (4 KB pages), each way of encoding, damaged in many ways",
        "no real OST: none was at hand",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._files: dict[str, str] | None = None
        self._counted: dict[str, tuple[Counts, dict[int, int | None]]] = {}

    def check(self) -> None:
        """Prove access, that there is a data file, and that libpff is there to read it.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, no data file is there, or libpff is not installed.
        """
        super().check()
        if not self._data_files():
            raise not_one(self._context.source_id, "Outlook data file (PST, OST)", self._path, self.name)
        _ = self._library

    def scopes(self) -> Iterator[Scope]:
        """List the folders of each file, parents first; then what lies beside the files."""
        for key in self._data_files():
            try:
                places = self._places(key)
            except ItemError:  # reading it says why
                yield Scope(key, key, "archive")
                continue
            yield from (place.scope for place in places)
        if os.path.isdir(self._path):
            yield Scope(ROOT, storable(os.path.basename(self._path.rstrip("/"))) or ROOT, "folder")

    def count(self, scope: Scope) -> Expected:
        """Take the larger of the folder's own figure and of what the tree of nodes has for it.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        still_there(self._path)
        if scope.key == ROOT:
            found = sum(len(files) for _, _, files in os.walk(self._path))
            links = sum(
                os.path.islink(os.path.join(here, name))
                for here, names, _ in os.walk(self._path)
                for name in names
            )
            return Expected(found + links - len(self._data_files()), "folder walk")
        place = self._place(scope)
        return self._expected(place)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a folder between two items, so that a part has about so many bytes of the file.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        still_there(self._path)
        if scope.key == ROOT:
            yield Part(scope)
            return
        place = self._place(scope)
        known = self._listing(place.file)
        everything = sum(number_of(folder["runs"]) for folder in known["folders"]) + number_of(
            known["strays"]
        )
        each = max(1, os.path.getsize(self._data_files()[place.file]) // max(1, everything))
        most = max(1, min(max_items, max_bytes // each))
        for number, first in enumerate(range(0, max(place.items, 1), most)):
            before = min(first + most, place.items)
            spec = {"v": 1, "first": first, "before": before, "path": place.path, "file": _facts_of(known)}
            spec["runs"] = between(place.runs, first, before)
            spec["stamp"] = _stamp(self._data_files()[place.file])
            text = json.dumps(spec)
            if len(text) > _MOST_SPEC:  # items that lie far apart are looked for again
                text = json.dumps({"v": 1, "first": first, "before": before})
            yield Part(scope, number, text, before - first, each * (before - first))

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the items of a part by their number in the file.

        Raises:
            ItemError: The file cannot be opened, or broke off.
        """
        still_there(self._path)
        if part.scope.key == ROOT:
            apart = self._data_files()
            yield from (
                one for one in walk_items(self._path, "", "", window, cursor) if one.native_key not in apart
            )
            return
        done = read_number(cursor)
        key = self._file_of(part.scope)
        path = self._data_files()[key]
        spec = _spec(part.spec)
        if "runs" not in spec or spec["stamp"] != _stamp(path):
            place = self._place(part.scope)
            first, before = spec.get("first", 0), spec.get("before", place.items)
            runs = between(place.runs, first, before)
            spec = {"first": first, "path": place.path, "file": _facts_of(self._listing(key)), "runs": runs}
        first = max(spec["first"], done)
        runs = between(spec["runs"], first - spec["first"], number_of(spec["runs"]))
        for found in items(path, self._library, runs, first, mended=spec["file"]["mended"]):
            yield _item(found, spec["path"], spec["file"], window)

    @property
    def _library(self) -> str:
        return library(self._context.source_id)

    def _data_files(self) -> dict[str, str]:
        """Return the data files by key, with their paths."""
        if self._files is None:
            self._files = {}
            folder = self._path if os.path.isdir(self._path) else os.path.dirname(self._path)
            for rel, entry in walk(self._path, "", ""):
                path = os.path.join(folder, rel)
                try:
                    if entry is not None and open_head(path, len(MAGIC)).head == MAGIC:
                        self._files[storable(rel)] = path
                except ItemError:
                    continue  # an item that fails as a file
        return self._files

    def _listing(self, key: str) -> Mapping[str, Any]:
        """Return what a file says; it is asked once in the life of a process, unless it changed meanwhile."""
        path = self._data_files()[key]
        now: tuple[str | int, ...] = (path, *_stamp(path))
        if now not in _LISTED:
            is_cut = _is_cut(path)
            try:
                _LISTED[now] = listing(path, self._library)
            except ItemError as error:
                if is_cut and error.reason is Reason.CORRUPT:
                    raise ItemError(Reason.TRUNCATED, error.detail) from error
                raise
            while len(_LISTED) > _MOST_LISTED:
                _LISTED.popitem(last=False)
        return _LISTED[now]

    def _places(self, key: str) -> list[_Place]:
        return _places(key, self._listing(key))

    def _file_of(self, scope: Scope) -> str:
        """Return the key of the file that a folder is in.

        Raises:
            ItemError: The file is gone, or is the place itself, because it does not open.
        """
        for key in self._data_files():
            if scope.key.startswith(f"{key}{INSIDE}"):
                return key
        if scope.key in self._data_files():
            self._listing(scope.key)  # raises what is wrong with it
        raise ItemError(Reason.UNREADABLE, "scope_gone")

    def _place(self, scope: Scope) -> _Place:
        for place in self._places(self._file_of(scope)):
            if place.scope.key == scope.key:
                return place
        raise ItemError(Reason.UNREADABLE, "scope_gone")

    def _expected(self, place: _Place) -> Expected:
        if place.file not in self._counted:
            try:
                with open(self._data_files()[place.file], "rb") as stream:
                    file = DataFile(stream)
                    counts = file.counts()
                    stated = {nid: file.stated(block) for nid, block in counts.folders.items()}
            except OSError as err:
                raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
            self._counted[place.file] = (counts, stated)
        counts, stated = self._counted[place.file]
        if place.nid == 0:
            both = counts.messages + counts.associated
            strays = sum(number for folder, number in both.items() if folder not in counts.folders)
            return Expected(strays, "node tree") if counts.whole else _UNKNOWN
        own = stated.get(place.nid)
        if not counts.whole and own is None:
            return _UNKNOWN
        routes = (*(("content count",) if own is not None else ()), *(("node tree",) if counts.whole else ()))
        by = " and ".join(routes)
        return Expected(max(own or 0, counts.messages[place.nid]) + counts.associated[place.nid], by)


_LISTED: OrderedDict[tuple[str | int, ...], Mapping[str, Any]] = OrderedDict()
_MOST_LISTED = 8
_MOST_SPEC = 8_000


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder of a data file.

    Attributes:
        scope: As it is listed.
        file: Key of the file.
        path: What a person reads.
        nid: Its number in the file; 0 for messages that lie in no folder.
        runs: Where the reader finds its items.
    """

    scope: Scope
    file: str
    path: str
    nid: int
    runs: Runs

    @property
    def items(self) -> int:
        """How many there are."""
        return number_of(self.runs)


def _places(key: str, known: Mapping[str, Any]) -> list[_Place]:
    """Return the places of a file; a search folder has no items of its own."""
    found: list[_Place] = []
    taken = {f"{key}{INSIDE}{ORPHANS}"}
    for folder in known["folders"]:
        if not folder["runs"] and (folder["search"] or not folder["path"]):
            continue
        names = [_plain(name) for name in folder["path"]]
        path = "/".join(names) or ROOT
        scope_key = f"{key}{INSIDE}{path}"
        if scope_key in taken:
            scope_key = f"{scope_key}#{folder['nid']:x}"
        taken.add(scope_key)
        scope = Scope(scope_key, f"{key}: {path}", "folder")
        found.append(_Place(scope, key, path, folder["nid"], folder["runs"]))
    if known["strays"]:
        scope = Scope(f"{key}{INSIDE}{ORPHANS}", f"{key}: {ORPHANS}", "orphans")
        found.append(_Place(scope, key, ORPHANS, 0, known["strays"]))
    return found


def _facts_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is true of a whole file."""
    return {**known["file"], "mended": known["mended"]}


def _spec(text: str) -> dict[str, Any]:
    """Read the description of a part; empty for the whole folder."""
    stated: dict[str, Any] = json.loads(text) if text else {"v": 1}
    if stated.get("v") != 1:
        raise SettingsError("a part of a data file was cut by another version; plan the run again")
    return stated


def _stamp(path: str) -> list[int]:
    """Return what tells a file from another one, or from what it was."""
    still_there(path)
    about = os.stat(path)
    return [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns]


def _plain(name: str) -> str:
    """Return a folder's name as a part of a key: no slash, no control character."""
    return storable(
        "".join(char if char.isprintable() and char != "/" else f"\\x{ord(char):02x}" for char in name)
    )


def _is_cut(path: str) -> bool:
    """Tell whether a file is shorter than it says.

    Raises:
        ItemError: It is such that no reader has to be started for it.
    """
    try:
        with open(path, "rb") as stream:
            return DataFile(stream).cut
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err


def _item(found: Found, folder: str, file: Mapping[str, Any], window: Window) -> Yielded:
    """Return an item as it is to be stored, or why not."""
    about = found.about
    key = f"{about['nid']:08x}"
    cursor = number_cursor(found.number + 1)
    stated = str(about.get("class", ""))
    kind, _ = of_item_class(stated)
    if "failed" in about:
        return FailedItem(key, kind, cursor, Reason(about["failed"]), str(about["detail"]))
    if about.get("associated"):
        return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "folder_associated")
    if stated.lower().startswith(_FREE_BUSY):
        return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "free_busy")
    outside, moment, warnings = _time(kind, about, window)
    if outside:
        return ExcludedItem(key, kind, cursor, Reason.OUTSIDE_WINDOW, "", None, moment)
    draft = bool(about["flags"] & _UNSENT) and kind is Kind.EMAIL
    warnings = (
        *((WarningCode.DRAFT,) if draft else ()),
        *((WarningCode.PARTIAL,) if about["lost_values"] else ()),
        *((WarningCode.MISSING_PART,) if about["lost_parts"] else ()),
        *warnings,
    )
    facts = _facts(kind, about, folder, file)
    return FoundItem(key, kind, cursor, None, MSG_TYPE, len(found.body), moment, facts, warnings, found.body)


def _facts(kind: Kind, about: Mapping[str, Any], folder: str, file: Mapping[str, Any]) -> dict[str, str]:
    times = about["times"]
    unread = not about["flags"] & _UNREAD_IS
    facts = {
        "folder": folder,
        "item_class": str(about.get("class", "")),
        "labels": "; ".join(about.get("labels", ())),
        "flags": "unread" if unread else "",
        "received": _moment(times.get("delivered")).text if kind in _MAILS else "",
        "search_key": str(about.get("search_key", "")),
        "store": str(file["store"]),
        "password": "one is set, which protects nothing" if file["password"] else "",
        "encoding": _ENCODINGS.get(file["encryption"], str(file["encryption"])),
        "code_page": _page(about, file) if about["ansi"] else "",
        "damage": "pages of the file's trees cannot be read" if file["mended"] else "",
        "lost_values": str(about["lost_values"] or ""),
        "lost_parts": str(about["lost_parts"] or ""),
    }
    return {name: value for name, value in facts.items() if value}


def _page(about: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    """Say in which code page text is that is no Unicode."""
    if about.get("page"):
        return f"{about['page']} by the item"
    return f"{file['page']} assumed"


def _time(
    kind: Kind, about: Mapping[str, Any], window: Window
) -> tuple[bool, Moment, tuple[WarningCode, ...]]:
    """Say whether an item is surely outside the window, its time, and what a reader must know of it."""
    times = about["times"]
    if kind in _MAILS:
        return sent_or_received(_moment(times.get("submitted")), _moment(times.get("delivered")), window)
    if kind is Kind.EVENT:
        return (*_event(about, window), ())
    return False, NO_MOMENT, placed(NO_MOMENT, window, dated=False)[1]


def _event(about: Mapping[str, Any], window: Window) -> tuple[bool, Moment]:
    """Say whether an event is surely outside the window, and when it begins; a series lasts until its end."""
    times = about["times"]
    start, end = _moment(times.get("start")), _moment(times.get("until" if about.get("recurs") else "end"))
    if start.at is None:
        return False, start
    if place_in(Window(None, window.last, window.zone), start) is Place.OUTSIDE:
        return True, start
    if about.get("recurs") and end.at is None:
        return False, start
    last = end if end.at is not None else start
    return place_in(Window(window.first, None, window.zone), last) is Place.OUTSIDE, start


def _moment(filetime: int | None) -> Moment:
    """Return a time that is counted in 100 ns since 1601 (MS-DTYP section 2.3.3)."""
    if not filetime:
        return NO_MOMENT
    seconds, rest = divmod(filetime, 10_000_000)
    try:
        text = f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:07}Z"
    except OverflowError:
        return Moment(None, str(filetime), Basis.NONE)
    return iso_moment(text)
