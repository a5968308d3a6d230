"""Data files of Outlook wherever they lie: each folder of one is a place, each item of it a message file.

``connectors.outlook_data_file`` reads them by themselves; connectors of exports and of loose files hand over
those that they come upon, in a zip too. A member of a zip is unpacked to a file first, since a tree of nodes
is read by place: into the run's scratch folder, once, where there is one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

from connectors import zips
from connectors.base import still_there
from connectors.bytesource import errno_code
from connectors.cursors import number_cursor, read_number
from connectors.export_files import INSIDE, PackageFile
from connectors.folders import open_head, storable
from connectors.item_classes import of_item_class
from connectors.loose_files import walk
from connectors.mailhead import placed, sent_or_received
from connectors.msg_writing import MSG_TYPE
from connectors.outlook_data_count import HEADER, Counts, DataFile, can_be_read, is_named_so
from connectors.outlook_data_reader import Found, Runs, between, is_there, items, library, listing, number_of
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
from records.moments import Place, filetime_moment, place_in
from records.vocabulary import Kind, Reason, WarningCode

ROOT = "."
ORPHANS = "orphan items"
"""The place of messages that lie in no folder of the file."""

_UNKNOWN = Expected(None, "unknown")
_FREE_BUSY = "ipm.microsoft.scheduledata.freebusy"
_UNSENT = 0x08
_UNREAD_IS = 0x01
_ENCODINGS = {0: "none", 1: "permute", 2: "cyclic"}
_MAILS = frozenset({Kind.EMAIL, Kind.CHAT, Kind.POST})


def data_files_among(files: Iterable[PackageFile]) -> dict[str, PackageFile]:
    """Return the data files among some files of an export, by key; none where libpff is not installed.

    One whose header says nothing that can be read stays a file as any other: its bytes are kept, and the
    extract room says what is wrong with it.
    """
    return {file.key: file for file in files if is_data_file(file)} if is_there() else {}


def is_data_file(file: PackageFile) -> bool:
    """Say whether a file is named as a data file and has a header of one."""
    return is_named_so(file.name) and can_be_read(file.head(HEADER))


def loose_data_files(path: str) -> dict[str, PackageFile]:
    """Return the data files at a path, those that are members of zips too, by key; none without libpff."""
    files: dict[str, PackageFile] = {}
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    for rel, entry in walk(path, "", "") if is_there() else ():
        place, key = os.path.join(folder, rel), storable(rel)
        if entry is not None and rel.lower().endswith(".zip"):
            files |= {file.key: file for file in data_files_in_zip(place, key)[0]}
        elif entry is not None and entry.is_file(follow_symlinks=False):
            files |= data_files_among([PackageFile(key, place)] if is_named_so(rel) else ())
    return files


def data_files_in_zip(path: str, key: str) -> tuple[list[PackageFile], list[PackageFile]]:
    """Return the data files that are members of a zip, and its other members; neither where it does not open.

    Args:
        path: Of a file that may be a zip.
        key: Its key.
    """
    try:
        if not zips.is_zip(open_head(path, 4).head):
            return [], []
        with zips.opened(path) as archive:
            members = zips.members(archive)
    except ItemError:
        return [], []
    files = [PackageFile(f"{key}{INSIDE}{one.key}", path, one, one.problem) for one in members]
    found = [file for file in files if is_data_file(file)]
    return found, [file for file in files if file not in found]


class DataFiles:
    """Some data files of a source: their places, and the items of those.

    Attributes:
        files: By key.
    """

    def __init__(self, context: SourceContext, files: Mapping[str, PackageFile]) -> None:
        """Keep what is to be read; touch nothing yet."""
        self.files = files
        self._context = context
        self._counted: dict[str, tuple[Counts, dict[int, int | None]]] = {}

    def scopes(self) -> Iterator[Scope]:
        """List the folders of each file, parents first; a file that does not open is a place that fails."""
        for key in self.files:
            try:
                places = _places(key, self._listing(key))
            except ItemError:  # reading it says why
                yield Scope(key, key, "archive")
                continue
            yield from (place.scope for place in places)

    def file_of(self, scope: Scope) -> str | None:
        """Return the key of the file that a place is of; None for a place of something else."""
        if scope.key in self.files:
            return scope.key
        return next((key for key in self.files if scope.key.startswith(f"{key}{INSIDE}")), None)

    def total(self, key: str) -> int | None:
        """Return how many items a file has, by the count's route; None where that is not known.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        figures = [self._expected(place).count for place in _places(key, self._listing(key))]
        return None if None in figures else sum(filter(None, figures))

    def count(self, scope: Scope) -> Expected:
        """Take the larger of the folder's own figure and of what the tree of nodes has for it.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        return self._expected(self._place(scope))

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a folder between two items, so that a part has about so many bytes of the file.

        Raises:
            ItemError: The file cannot be opened at all.
        """
        place = self._place(scope)
        known = self._listing(place.file)
        everything = sum(number_of(folder["runs"]) for folder in known["folders"]) + number_of(
            known["strays"]
        )
        each = max(1, self.files[place.file].size() // max(1, everything))
        most = max(1, min(max_items, max_bytes // each))
        for number, first in enumerate(range(0, max(place.items, 1), most)):
            before = min(first + most, place.items)
            spec = {"v": 1, "first": first, "before": before, "path": place.path, "file": _facts_of(known)}
            spec["runs"] = between(place.runs, first, before)
            spec["stamp"] = _stamp(self.files[place.file])
            text = json.dumps(spec)
            if len(text) > _MOST_SPEC:  # items that lie far apart are looked for again
                text = json.dumps({"v": 1, "first": first, "before": before})
            yield Part(scope, number, text, before - first, each * (before - first))

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the items of a part by their number in the file.

        Raises:
            ItemError: The file cannot be opened, or broke off.
        """
        done = read_number(cursor)
        key = self.file_of(part.scope)
        if key is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        spec = _spec(part.spec)
        if "runs" not in spec or spec["stamp"] != _stamp(self.files[key]):
            place = self._place(part.scope)
            first, before = spec.get("first", 0), spec.get("before", place.items)
            runs = between(place.runs, first, before)
            spec = {"first": first, "path": place.path, "file": _facts_of(self._listing(key)), "runs": runs}
        first = max(spec["first"], done)
        runs = between(spec["runs"], first - spec["first"], number_of(spec["runs"]))
        with self._on_disk(key) as path:
            for found in items(path, self._library, runs, first, mended=spec["file"]["mended"]):
                yield _item(found, spec["path"], spec["file"], window)

    @property
    def _library(self) -> str:
        return library(self._context.source_id)

    @contextmanager
    def _on_disk(self, key: str) -> Iterator[str]:
        """Give the path of a file; a member of a zip is unpacked, and its sum tested.

        Raises:
            ItemError: It cannot be read, or not to its end.
        """
        file = self.files[key]
        if file.member is None:
            still_there(file.path)
            yield file.path
            return
        with tempfile.TemporaryFile() as out:  # without a name: nobody finds it, nothing is left of it
            try:
                path = f"/dev/fd/{out.fileno()}"
                if self._context.scratch:
                    path = _unpacked(file, self._context.scratch)
                else:
                    _unpack(file, out)
            except OSError as err:  # the disk is full, as a rule: the item may be tried again
                raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
            yield path

    def _listing(self, key: str) -> Mapping[str, Any]:
        """Return what a file says; it is asked once in the life of a process, unless it changed meanwhile.

        So is one that does not open: to find that out may take an hour.
        """
        file = self.files[key]
        now: tuple[str | int, ...] = (file.path, file.inner, *_stamp(file))
        if now not in _LISTED:
            with self._on_disk(key) as path:
                is_cut = _is_cut(path)
                try:
                    _LISTED[now] = listing(path, self._library)
                except ItemError as error:
                    if error.reason not in _LASTING:
                        raise
                    cut = is_cut and error.reason is Reason.CORRUPT
                    _LISTED[now] = ItemError(Reason.TRUNCATED if cut else error.reason, error.detail)
            while len(_LISTED) > _MOST_LISTED:
                _LISTED.popitem(last=False)
        known = _LISTED[now]
        if isinstance(known, ItemError):
            raise ItemError(known.reason, known.detail)
        return known

    def _place(self, scope: Scope) -> _Place:
        """Return a place by its scope.

        Raises:
            ItemError: It is gone, or is the file itself, because that does not open.
        """
        if (key := self.file_of(scope)) is not None:
            for place in _places(key, self._listing(key)):
                if place.scope.key == scope.key:
                    return place
        raise ItemError(Reason.UNREADABLE, "scope_gone")

    def _expected(self, place: _Place) -> Expected:
        if place.file not in self._counted:
            with self._on_disk(place.file) as path:
                try:
                    with open(path, "rb") as stream:
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


def told_of(values: Iterable[Yielded], facts: Mapping[str, str], *codes: WarningCode) -> Iterator[Yielded]:
    """Yield items with what an export says of the data file that they are in."""
    for value in values:
        if isinstance(value, FoundItem) and (facts or codes):
            metadata = {**facts, **value.metadata}
            yield replace(value, metadata=metadata, warnings=(*codes, *value.warnings))
        else:
            yield value


def _unpacked(file: PackageFile, folder: str) -> str:
    """Unpack a member of a zip into a folder, unless it is there; return its path.

    Raises:
        ItemError: As reading the member does.
        OSError: The folder cannot be written.
    """
    told = json.dumps([file.path, file.inner, *_stamp(file)])
    path = os.path.join(folder, f"data-file-{hashlib.sha256(told.encode()).hexdigest()[:32]}")
    if os.path.exists(path):
        return path
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with open(f"{path}.lock", "wb") as lock:  # parts of it are read by several processes: one unpacks
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            fresh = f"{path}.new"
            with open(fresh, "wb") as out:
                _unpack(file, out)
            os.replace(fresh, path)
    return path


def _unpack(file: PackageFile, out: IO[bytes]) -> None:
    with file.stream() as packed:
        shutil.copyfileobj(packed, out, 1 << 20)
    out.flush()


_LISTED: OrderedDict[tuple[str | int, ...], Mapping[str, Any] | ItemError] = OrderedDict()
_LASTING = frozenset({Reason.CORRUPT, Reason.UNSUPPORTED, Reason.TIMED_OUT})
"""Why a file does not open that another try would find again."""

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


def _stamp(file: PackageFile) -> list[int]:
    """Return what tells a file from another one, or from what it was."""
    still_there(file.path)
    about = os.stat(file.path)
    member = [] if file.member is None else [file.member.info.CRC, file.member.size]
    return [about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns, *member]


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
        "received": filetime_moment(times.get("delivered")).text if kind in _MAILS else "",
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
        return sent_or_received(
            filetime_moment(times.get("submitted")), filetime_moment(times.get("delivered")), window
        )
    if kind is Kind.EVENT:
        return (*_event(about, window), ())
    return False, NO_MOMENT, placed(NO_MOMENT, window, dated=False)[1]


def _event(about: Mapping[str, Any], window: Window) -> tuple[bool, Moment]:
    """Say whether an event is surely outside the window, and when it begins; a series lasts until its end."""
    times = about["times"]
    start, end = (
        filetime_moment(times.get("start")),
        filetime_moment(times.get("until" if about.get("recurs") else "end")),
    )
    if start.at is None:
        return False, start
    if place_in(Window(None, window.last, window.zone), start) is Place.OUTSIDE:
        return True, start
    if about.get("recurs") and end.at is None:
        return False, start
    last = end if end.at is not None else start
    return place_in(Window(window.first, None, window.zone), last) is Place.OUTSIDE, start
