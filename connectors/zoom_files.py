"""What Zoom leaves of a meeting: chats in three layouts, transcripts, lists of participants, recordings.

Each chat message is an item, by the exact bytes of its lines. Zoom writes no zone, and names only; two of the
layouts have no date either. Then the day is that of the folder a recording lies in, or the start of the
recording in the file's name (https://support.zoom.com/hc/en/article?id=zm_kb&sysparm_article=KB0064792).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.chat_files import HEAD, ChatFiles
from connectors.export_files import INSIDE, OpenZips, PackageFile
from connectors.mailhead import placed
from records import canonical
from records.errors import ItemError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    FoundItem,
    Moment,
    Window,
    Yielded,
)
from records.moments import as_facts, local_moment
from records.vocabulary import Basis, Kind, Reason

MESSAGE_TYPE = "application/x-zoom-message"
TRANSCRIPT_TYPE = "text/vtt"
_CLOCK = rb"(?P<clock>\d\d:\d\d:\d\d)"
_SAVED = re.compile(_CLOCK + rb"[ \t]+From[ \t]+(?P<rest>.+?[ \t]+to[ \t]+.+)", re.DOTALL)
_DATED = re.compile(
    rb"(?P<day>\d{4}-\d\d-\d\d)[ \t]+" + _CLOCK + rb"[ \t]+From[ \t]+(?P<rest>.+?[ \t]+to[ \t]+.+)", re.DOTALL
)
_CLOUD = re.compile(_CLOCK + rb"\t(?P<rest>[^\t\r\n]+:\t.*)", re.DOTALL)
_OF_MEETINGS = (".mp4", ".m4a", ".vtt", ".csv")
"""Recordings, transcripts and lists of participants, as Zoom names them."""

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


class ZoomFiles(ChatFiles):
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

    count_method: ClassVar[str] = "line scan"

    def _is_chat(self, head: bytes) -> bool:
        return layout_of(head) is not None

    def _label(self, key: str) -> str:
        return _meeting(key)

    def _counted(self, file: PackageFile, data: bytes) -> int:
        """Count the lines that begin a message."""
        del file
        begins = _LINES[_layout(data)]
        return sum(begins.match(line) is not None for line in data.removeprefix(_BOM).splitlines())

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        return _messages(file, data, _layout(data), window, self._context.time_zone)

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return recordings, transcripts and lists of participants, by their kind of file."""
        return (key for key, file in beside.items() if file.name.lower().endswith(_OF_MEETINGS))

    def _about(self, file: PackageFile) -> dict[str, str]:
        start = _clock_of(file.key).start
        return {"group_name": _meeting(file.key)} | (
            {"started_at": canonical.utc_text(start)} if start else {}
        )

    def _file(self, file: PackageFile, window: Window, opened: OpenZips) -> Yielded:
        value = super()._file(file, window, opened)
        if not isinstance(value, FoundItem) or not file.name.lower().endswith(".vtt"):
            return value
        begins = file.head(16, opened.of(file)).removeprefix(_BOM).startswith(b"WEBVTT")
        return replace(value, media_type=TRANSCRIPT_TYPE) if begins else value


def _layout(data: bytes) -> Layout:
    """Return how a chat is written; raises ItemError when it is none any more."""
    found = layout_of(data[:HEAD])
    if found is None:
        raise ItemError(Reason.UNREADABLE, "scope_gone")
    return found


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


def _messages(
    file: PackageFile, data: bytes, layout: Layout, window: Window, zone: ZoneInfo
) -> Iterator[Yielded]:
    clock, seen = _clock_of(file.key), dict[str, int]()
    about = {"group": file.key, "group_name": _meeting(file.key), "layout": layout.value}
    days, before = 0, ""
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
        metadata = about | as_facts(moment)
        yield FoundItem(
            key, Kind.CHAT, "", None, MESSAGE_TYPE, len(message), moment, metadata, codes, message
        )


def _cut(data: bytes, layout: Layout) -> Iterator[bytes]:
    """Cut a chat into messages: each from the line that begins it to the next such line."""
    begins = _LINES[layout]
    lines: list[bytes] = []
    for line in data.removeprefix(_BOM).splitlines(keepends=True):
        if begins.match(line) and any(lines):
            yield b"".join(lines)
            lines = []
        if line.strip() or lines:
            lines.append(line)
    if lines:
        yield b"".join(lines)


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
