"""What Zoom leaves of a meeting: chats in three layouts, transcripts, lists of participants, recordings.

Each chat message is an item, by the exact bytes of its lines. Zoom writes no zone, and names only; two of the
layouts have no date either. Then the day is that of the folder a recording lies in, or the start of the
recording in the file's name (https://support.zoom.com/hc/en/article?id=zm_kb&sysparm_article=KB0064792).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import HELD, Handle
from connectors.cursors import number_cursor, read_number
from connectors.export_files import INSIDE, PackageFile, list_package
from connectors.folders import is_apple_double, is_system_name
from connectors.mailhead import file_item, placed
from records import canonical
from records.errors import ItemError
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
from records.moments import local_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-zoom-message"
TRANSCRIPT_TYPE = "text/vtt"
FILES = "."

_HEAD = 4 << 10
_CHAT_BYTES = 64 << 20
"""A chat larger than this is none: it is taken as a file."""

_CLOCK = rb"(?P<clock>\d\d:\d\d:\d\d)"
_SAVED = re.compile(_CLOCK + rb"[ \t]+From[ \t]+(?P<rest>.+?[ \t]+to[ \t]+.+)", re.DOTALL)
_DATED = re.compile(
    rb"(?P<day>\d{4}-\d\d-\d\d)[ \t]+" + _CLOCK + rb"[ \t]+From[ \t]+(?P<rest>.+?[ \t]+to[ \t]+.+)", re.DOTALL
)
_CLOUD = re.compile(_CLOCK + rb"\t(?P<rest>[^\t\r\n]+:\t.*)", re.DOTALL)
_BOM = b"\xef\xbb\xbf"
_FOLDER_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d) \d\d\.\d\d\.\d\d")
_START = re.compile(r"GMT(\d{8})-(\d{6})")


class Layout(Enum):
    """How a chat is written."""

    SAVED = "saved"  # in the meeting: clock time
    DATED = "dated"  # in the meeting, by newer programs: date and clock time, text on indented lines
    CLOUD = "cloud"  # by the cloud recording: time since its start


_LINES = {Layout.DATED: _DATED, Layout.SAVED: _SAVED, Layout.CLOUD: _CLOUD}


def layout_of(head: bytes) -> Layout | None:
    """Say how a file is written that begins so; None for what is no chat of Zoom."""
    first = next((line for line in head.removeprefix(_BOM).split(b"\n") if line.strip()), b"")
    return next((layout for layout, line in _LINES.items() if line.match(first)), None)


class ZoomFiles(FileConnector):
    """A folder of meetings, or one file."""

    name: ClassVar[str] = "zoom_files"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "chats saved in a meeting (old and new layout) and of cloud recordings: each message",
        "transcripts (.vtt), participants (.csv) and everything else in the folder: as files",
        "zips of these at the top of the folder",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "who a name is: Zoom writes no address, and people choose their names",
        "what a file does not hold: a cloud chat has messages to everyone, a saved one what its owner saw",
        "Team Chat and the archiving service: their reports are stored as files",
        "the words of recordings without a transcript",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated files in the three layouts",)

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._listed: dict[str, PackageFile] | None = None
        self._layouts: dict[str, Layout] = {}
        self._broken: dict[str, ItemError] = {}

    def check(self) -> None:
        """Prove access.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given.
        """
        check_access(self._context.source_id, self._path)

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each chat, then the other files."""
        files = self._files()
        for key in sorted(self._broken):
            yield Scope(key, key, "archive")
        for key in sorted(self._layouts):
            yield Scope(key, _meeting(key), "conversation")
        if len(files) > len(self._layouts):
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Count the lines of a chat that begin a message, and files by their list.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        file = self._chat(scope.key)
        if file is None:
            return Expected(len(self._files()) - len(self._layouts), "file list")
        with file.stream() as stream:
            lines = stream.read().removeprefix(_BOM).splitlines()
        begins = _LINES[self._layouts[scope.key]]
        return Expected(sum(begins.match(line) is not None for line in lines), "line scan")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: a chat is small.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        del max_items, max_bytes
        self._chat(scope.key)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages of a chat in its order, or the other files by path.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        file = self._chat(part.scope.key)
        made: Iterator[Yielded]
        if file is None:
            rest = (one for key, one in sorted(self._files().items()) if key not in self._layouts)
            made = (_file(one, window) for one in rest)
        else:
            made = _messages(file, self._layouts[part.scope.key], window, self._context.time_zone)
        done = read_number(cursor)
        for number, value in enumerate(made, 1):
            if number > done:
                yield replace(value, cursor=number_cursor(number))

    def _chat(self, key: str) -> PackageFile | None:
        """Return the chat of a scope; None for the scope of the other files."""
        files = self._files()
        if (error := self._broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)
        if key == FILES:
            return None
        if key not in self._layouts:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return files[key]

    def _files(self) -> dict[str, PackageFile]:
        still_there(self._path)
        if self._listed is None:
            package = list_package(self._path, lambda name: name.lower().endswith(".zip"))
            found = dict(package.loose)
            for archive in package.archives.values():
                try:
                    found |= {file.key: file for file in archive.files()}
                except ItemError as error:
                    self._broken[archive.key] = error
            for key, file in found.items():
                layout = layout_of(file.head(_HEAD)) if key.lower().endswith(".txt") else None
                if layout is not None and _size(file) <= _CHAT_BYTES:
                    self._layouts[key] = layout
            self._listed = found
        return self._listed


def _size(file: PackageFile) -> int:
    try:
        return file.size()
    except ItemError:
        return 0


def _meeting(key: str) -> str:
    """Return what people know a meeting by: the folder's name, else the file's; never that of a zip."""
    folder, _, name = key.rpartition(INSIDE)[2].rpartition("/")
    return folder.rpartition("/")[2] or name


@dataclass(frozen=True, slots=True)
class _Clock:
    """What the place of a file says of when a meeting was.

    Attributes:
        day: The local day, or None.
        start: When the recording began, aware UTC, or None.
    """

    day: date | None
    start: datetime | None


def _clock_of(key: str) -> _Clock:
    day = start = None
    for found in _FOLDER_DAY.finditer(key):
        try:
            day = date(*map(int, found.groups()))
        except ValueError:
            continue
    for found in _START.finditer(key):
        try:
            start = datetime.strptime("".join(found.groups()), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
    return _Clock(day, start)


def _messages(file: PackageFile, layout: Layout, window: Window, zone: ZoneInfo) -> Iterator[Yielded]:
    clock, seen = _clock_of(file.key), dict[str, int]()
    about = {"group": file.key, "group_name": _meeting(file.key), "layout": layout.value}
    days, before = 0, ""
    with file.stream() as stream:
        data = stream.read()
    for message in _cut(data, layout):
        found = _LINES[layout].match(message)
        stated = found["clock"].decode("ascii") if found else ""
        if layout is Layout.SAVED and before and _hours(stated) < _hours(before) - 12:
            days += 1  # the meeting went past midnight
        before = stated
        day = found["day"].decode("ascii") if found and layout is Layout.DATED else ""
        moment = _moment(layout, day, stated, clock, days, zone)
        digest = hashlib.sha256(message).hexdigest()
        again = seen[digest] = seen.get(digest, -1) + 1
        key = f"{digest}:{again}"
        # A clock without a day is no date at all, rather than one that cannot be read.
        day_known = clock.start is not None if layout is Layout.CLOUD else bool(day or clock.day)
        doubt = moment if moment.at is not None or day_known else NO_MOMENT
        outside, codes = placed(doubt, window, dated=True)
        if outside:
            yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
            continue
        metadata = about | {"at_text": moment.text, "at_basis": moment.basis.value}
        if moment.at is not None:
            metadata["at"] = canonical.utc_text(moment.at)
        yield FoundItem(
            key, Kind.CHAT, "", None, MESSAGE_TYPE, len(message), moment, metadata, codes, message
        )


def _cut(data: bytes, layout: Layout) -> Iterator[bytes]:
    """Cut a chat into messages: each from the line that begins it to the next such line."""
    begins = _LINES[layout]
    message = b""
    for line in data.removeprefix(_BOM).splitlines(keepends=True):
        if begins.match(line) and message.strip():
            yield message
            message = b""
        message += line
    if message.strip():
        yield message


def _hours(clock: str) -> int:
    return int(clock[:2] or 0)


def _moment(layout: Layout, day: str, stated: str, clock: _Clock, days: int, zone: ZoneInfo) -> Moment:
    """Return when a message was sent, as far as it is known."""
    text = f"{day} {stated}".strip()
    if not stated:
        return NO_MOMENT
    hours, minutes, seconds = map(int, stated.split(":"))
    if layout is Layout.CLOUD:
        if clock.start is None:
            return Moment(None, text, Basis.RELATIVE)
        since = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return Moment(clock.start + since, text, Basis.RELATIVE)
    try:
        at = time(hours, minutes, seconds)
        on = date.fromisoformat(day) if day else clock.day
    except ValueError:
        return Moment(None, text, Basis.NONE)
    if on is None:
        return Moment(None, text, Basis.NONE)
    return local_moment(datetime.combine(on + timedelta(days=days), at), text, zone)


def _file(file: PackageFile, window: Window) -> Yielded:
    name = file.name
    try:
        size = file.size()
        with file.stream() as stream:
            head = stream.read(HELD + 1)
    except ItemError as error:
        return FailedItem(file.key, Kind.FILE, "", error.reason, error.detail, name)
    if is_system_name(name) or is_apple_double(name, head) or "__MACOSX" in file.inner.split("/"):
        return ExcludedItem(file.key, Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, "system_file", name)
    handle: Handle = head if len(head) <= HELD else file.stream
    warnings = (WarningCode.NAME_CHANGED,) if file.member is not None and file.member.odd_name else ()
    start = _clock_of(file.key).start
    about = {"group_name": _meeting(file.key)} | ({"started_at": canonical.utc_text(start)} if start else {})
    found = file_item(file.key, "", size, window, handle, name=name, metadata=about, warnings=warnings)
    is_transcript = name.lower().endswith(".vtt") and head.removeprefix(_BOM).startswith(b"WEBVTT")
    return replace(found, media_type=TRANSCRIPT_TYPE) if is_transcript else found
