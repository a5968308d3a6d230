"""Screenshots of conversations, with the sheet in which the employee says what each of them shows.

They are the last resort: an export is asked for first, and the source says why there is none. A picture says
neither who the other one is nor, often, of which day it is; so the employee puts the pictures of a
conversation in order, names the contact, and gives the days that the pictures do not show.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import whole
from connectors.cursors import number_cursor, read_number
from connectors.export_files import PackageFile
from connectors.export_paths import fates
from connectors.export_tables import read_table
from connectors.folders import open_head, storable
from connectors.loose_files import loose_item, walk
from connectors.mailhead import span_placed
from records.errors import AccessError, ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    Window,
    Yielded,
)
from records.numbers import by_number
from records.vocabulary import Basis, Kind, Reason, WarningCode

SHEET = "screenshots.csv"
COLUMNS: Mapping[str, str] = {
    "file": "name of the picture, the pictures of a conversation one after the other in their order",
    "app": "what the conversation is in",
    "contact": "who the other one is, or the group's name",
    "number": "number or address of the other one",
    "first_day": "day of its first message, as 2026-01-31, where the picture does not show it",
    "last_day": "day of its last message",
    "overlaps_previous": "yes when it begins with the end of the one before; no when something is between",
    "note": "what else a reader must know",
}
"""Columns of the sheet, and what a person writes in them."""

PICTURES = (".png", ".jpg", ".jpeg", ".heic", ".heif", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FILES = "."

_NEEDED = ("file", "app", "contact")


class Screenshots(FileConnector):
    """A folder of screenshots with its sheet."""

    name: ClassVar[str] = "screenshots"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "pictures in a folder, in the order and with the contact, days and gaps that the employee states",
        "pictures that the sheet names and that are not there: counted as failed",
        "everything else in the folder, as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "the words in the pictures, before they are read by OCR",
        "single messages: a picture is one record, whatever it shows",
        "what was not photographed: a gap that the employee states is shown, one that nobody states is not",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated pictures and sheets",)
    options: ClassVar[Mapping[str, str]] = {
        "why_no_export": "why there are pictures instead of an export that was asked for; needed"
    }

    def check_settings(self) -> None:
        """Check path, reason and sheet.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: The reason is missing, or the sheet is missing or wrong; the message says where.
        """
        super().check_settings()
        self._sheet()

    def check(self) -> None:
        """Prove access to a folder.

        Raises:
            AccessError: The path is missing, no folder, or may not be read.
            SettingsError: No path was given, or nobody says why there is no export.
        """
        source = f"source {self._context.source_id}"
        check_access(self._context.source_id, self._path)
        if not os.path.isdir(self._path):
            raise AccessError(f"{source}: its path is no folder; put the pictures and their sheet into one")
        if not self._context.options.get("why_no_export", "").strip():
            raise SettingsError(
                f"{source}: needs `why_no_export` in options: ask for an export first, and say why there is "
                "none"
            )

    def scopes(self) -> Iterator[Scope]:
        """List each conversation in the order of the sheet, then the other files."""
        sheet = self._sheet()
        for key, conversation in sheet.items():
            yield Scope(key, f"{conversation[0].contact} ({conversation[0].app})", "conversation")
        if next(self._others(), None) is not None:
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Count the rows of the sheet, or the other files.

        Raises:
            ItemError: The scope is not there any more.
        """
        if scope.key == FILES:
            return Expected(sum(1 for _ in self._others()), "folder walk")
        return Expected(len(self._rows(scope)), "sheet rows")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: pictures are few.

        Raises:
            ItemError: The scope is not there any more.
        """
        del max_items, max_bytes
        if scope.key != FILES:
            self._rows(scope)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the pictures of a conversation in the order of the sheet, or the other files by path.

        Raises:
            ItemError: The scope is not there any more.
        """
        made = self._loose(window) if part.scope.key == FILES else self._pictures(part.scope, window)
        done = read_number(cursor)
        for number, value in enumerate(made, 1):
            if number > done:
                yield replace(value, cursor=number_cursor(number))

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: the sheet and the pictures that it names are read."""
        named = {SHEET, *(row.key for rows in self._sheet().values() for row in rows)}
        files = (PackageFile(key, path) for key, path in sorted(_files(self._path).items()))
        return fates(files, self._path, named)

    def _loose(self, window: Window) -> Iterator[Yielded]:
        for key, path in self._others():
            yield loose_item(path, key, "", window, key.rpartition("/")[2])

    def _pictures(self, scope: Scope, window: Window) -> Iterator[Yielded]:
        rows, there = self._rows(scope), _files(self._path)
        for place, row in enumerate(rows, 1):
            yield self._picture(row, there.get(row.key), f"{place} of {len(rows)}", window)

    def _picture(self, row: Row, path: str | None, place: str, window: Window) -> Yielded:
        key = row.key
        if path is None:
            return FailedItem(key, Kind.FILE, "", Reason.NOT_IN_EXPORT, "sheet_row", key)
        value = loose_item(path, key, "", window, key.rpartition("/")[2])
        if not isinstance(value, FoundItem):
            return value
        days = row.days(self._context.time_zone)
        outside, codes = span_placed(days, window)
        if outside:
            return ExcludedItem(key, Kind.FILE, "", Reason.OUTSIDE_WINDOW, "", value.name, days[0])
        about = {
            "group": row.conversation, "group_name": row.contact, "picture": place,
            "why_no_export": self._context.options["why_no_export"].strip(), **row.facts(),
        }  # fmt: skip
        warnings = (
            *((WarningCode.PARTIAL,) if row.gap else ()),
            *((WarningCode.ASSUMED_ZONE,) if days[0].at is not None else ()),
            *codes,
        )
        return replace(value, metadata=about, moment=days[0], warnings=warnings)

    def _sheet(self) -> dict[str, list[Row]]:
        still_there(self._path)
        return read_sheet(self._path, f"source {self._context.source_id}")

    def _rows(self, scope: Scope) -> list[Row]:
        rows = self._sheet().get(scope.key)
        if rows is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return rows

    def _others(self) -> Iterator[tuple[str, str]]:
        """Yield key and path of each file that the sheet does not name."""
        named = {row.key for rows in self._sheet().values() for row in rows}
        return ((key, path) for key, path in sorted(_files(self._path).items()) if key not in named)


@dataclass(frozen=True, slots=True)
class Row:
    """What the employee says of a picture; see ``COLUMNS``.

    Attributes:
        first: Day of its first message, or None.
        last: Day of its last message, or None.
        gap: Something lies between the picture before and this one.
    """

    file: str
    app: str
    contact: str
    number: str = ""
    first: date | None = None
    last: date | None = None
    overlaps: str = ""
    gap: bool = field(default=False)
    note: str = ""

    @property
    def key(self) -> str:
        """Its key: the sheet and the disk may write one name in two forms of Unicode."""
        return storable(self.file)

    @property
    def conversation(self) -> str:
        """Key of its conversation."""
        return storable(f"{self.app}/{self.contact}")

    def facts(self) -> dict[str, str]:
        """Return what the sheet says, as metadata."""
        stated = {
            "app": self.app, "contact": self.contact, "number": self.number, "note": self.note,
            "first_day": self.first.isoformat() if self.first else "",
            "last_day": self.last.isoformat() if self.last else "",
            "overlaps_previous": self.overlaps,
        }  # fmt: skip
        return {name: value for name, value in stated.items() if value}

    def days(self, zone: ZoneInfo) -> list[Moment]:
        """Return its first and last moment in the request's zone, as far as days are stated; else none."""
        first, last = self.first or self.last, self.last or self.first
        if first is None or last is None:
            return [NO_MOMENT]
        ends = (datetime.combine(first, time.min, zone), datetime.combine(last, time.max, zone))
        return [Moment(at.astimezone(UTC), at.date().isoformat(), Basis.ASSUMED_ZONE) for at in ends]


def read_sheet(folder: str, where: str) -> dict[str, list[Row]]:
    """Read the sheet of a folder: rows by conversation, in the order of the sheet.

    Args:
        folder: The folder.
        where: Names the source, for messages.

    Raises:
        SettingsError: It is missing, no table, lacks a column, or has a row that makes no sense.
    """
    path, where = os.path.join(folder, SHEET), f"{where}: {SHEET}"
    if not os.path.lexists(path):
        raise SettingsError(
            f"{where} is not beside the pictures; `daylight screenshots FOLDER` writes one to be filled in"
        )
    try:
        open_head(path, 0)
        with whole(path) as stream:
            table = read_table(stream)
            columns = {name: table.column(name) for name in COLUMNS}
            if missing := [name for name in _NEEDED if columns[name] is None]:
                raise SettingsError(f"{where}: no column {', '.join(missing)}")
            rows = [
                _row({name: row.get(columns[name] or "", "") for name in COLUMNS}, f"{where}: row {n}")
                for n, row in enumerate(table.rows, 2)
            ]
    except ItemError as error:
        why = f"{error.reason.value}, {error.detail}"
        raise SettingsError(f"{where} cannot be read ({why})") from None
    if twice := sum(number > 1 for number in Counter(row.key for row in rows).values()):
        raise SettingsError(f"{where}: {twice} of the pictures have more than one row")
    conversations: dict[str, list[Row]] = {}
    for row in rows:
        conversations.setdefault(row.conversation, []).append(row)
    return conversations


def _row(stated: Mapping[str, str], where: str) -> Row:
    if missing := [name for name in _NEEDED if not stated[name]]:
        raise SettingsError(f"{where}: {', '.join(missing)} is empty")
    name = stated["file"].replace("\\", "/")
    if name.startswith("/") or ".." in name.split("/") or name == SHEET:
        raise SettingsError(f"{where}: file is no picture in the folder")
    first, last = (_day(stated[column], f"{where}: {column}") for column in ("first_day", "last_day"))
    if first and last and first > last:
        raise SettingsError(f"{where}: first_day is later than last_day")
    overlaps = stated["overlaps_previous"].casefold()
    if overlaps not in {"", "yes", "no"}:
        raise SettingsError(f"{where}: overlaps_previous is neither yes nor no")
    return Row(
        name, stated["app"], stated["contact"], stated["number"], first, last, overlaps, overlaps == "no",
        stated["note"],
    )  # fmt: skip


def _day(stated: str, where: str) -> date | None:
    if not stated:
        return None
    try:
        return date.fromisoformat(stated)
    except ValueError:
        raise SettingsError(f"{where} is no day such as 2026-01-31") from None


def pictures(folder: str) -> list[str]:
    """Return the keys of the pictures in a folder, numbers in their names by value."""
    return sorted(
        (key for key in _files(folder) if key.lower().endswith(PICTURES)),
        key=lambda key: by_number(key.casefold()),
    )


def _files(folder: str) -> dict[str, str]:
    """Return the path of each file below a folder, by key."""
    return {storable(rel): os.path.join(folder, rel) for rel, _ in walk(folder, "", "")}
