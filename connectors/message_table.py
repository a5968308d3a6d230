"""Tables of messages that an app or its vendor hands out, read by a column map that a person has confirmed.

Each row is an item, by the exact bytes of its record. What the columns mean, the map says
(``connectors.column_maps``); it is named by the source's option ``map`` and kept with the request.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, BinaryIO, ClassVar
from zoneinfo import ZoneInfo

from connectors.base import FileConnector, still_there
from connectors.bytesource import whole
from connectors.cursors import number_cursor, read_number
from connectors.export_files import OpenZips, PackageFile, list_package, plain_item
from connectors.export_paths import fates
from connectors.export_tables import clean, read_table
from connectors.folders import open_head, storable
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, prefix_of
from records import canonical
from records.errors import ItemError, SettingsError
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
    SourceContext,
    Window,
    Yielded,
)
from records.moments import as_facts, epoch_moment, local_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

if TYPE_CHECKING:
    from connectors.column_maps import ColumnMap

MESSAGE_TYPE = "application/x-message-table-row"

_TABLES = (".csv", ".tsv", ".txt")
FILES = "."
EPOCH = "epoch"
"""Form of a time that is a number since 1970, of seconds or what its size says."""

_EPOCH = re.compile(r"[0-9]{9,19}")
_LINK = re.compile("https?://", re.IGNORECASE)
_LONGEST_NAME = 300
_RECORD_BYTES = 16 << 20
BOM = b"\xef\xbb\xbf"


class MessageTable(FileConnector):
    """A table, or a folder of tables of one app."""

    name: ClassVar[str] = "message_table"
    version: ClassVar[str] = "2"
    covers: ClassVar[tuple[str, ...]] = (
        "CSV and TSV tables of messages with a header, of any size: each row",
        "both texts of a message and its translation",
        "rows with too few or too many cells: kept and marked",
        "files that the map's column of attachments names, where they lie beside; others: counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "tables whose header is not that of the confirmed map: refused, and counted as a failed place",
        "spreadsheets and UTF-16: save a copy as CSV in UTF-8, and hand over the original beside it",
        "attachments behind an address: nothing is fetched; each is counted as failed",
        "files that are no table, where the map has no column of attachments: put them into another source",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated tables; no vendor publishes a layout",)
    options: ClassVar[Mapping[str, str]] = {"map": "the column map of the tables, a file beside the request"}
    named_files: ClassVar[tuple[str, ...]] = ("map",)

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._named: dict[str, set[str]] = {}  # files that the rows of a table name, once it was counted

    def check_settings(self) -> None:
        """Check path and map.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: There is no map, it is wrong, or nobody has confirmed it.
        """
        super().check_settings()
        _ = self._map

    def scopes(self) -> Iterator[Scope]:
        """List every table, by path, then the files beside them; without a column of them, each fails."""
        beside = self._beside()
        for key, file in sorted(self._files().items()):
            if key not in beside:
                yield Scope(key, file.name, "table")
        if beside:
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Count rows, and attachments that are not there, by the standard library's CSV reader; or the files.

        Raises:
            ItemError: It is no table of the map.
        """
        if scope.key == FILES:
            return Expected(len(self._beside()), "file list")
        named = self._named[scope.key] = set()
        return self._table(scope.key).count(named)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: where a row ends is not known before it is read.

        Raises:
            ItemError: It is no table of the map.
        """
        del max_items, max_bytes
        if scope.key != FILES:
            self._table(scope.key)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the rows of a table in order, each with its attachments that are not there; or the files.

        Raises:
            ItemError: It is no table of the map, or broke off.
        """
        done = read_number(cursor)
        made: Iterator[Yielded]
        with OpenZips() as opened:
            if part.scope.key == FILES:
                made = (plain_item(file, window, opened) for _, file in sorted(self._beside().items()))
            else:
                made = self._table(part.scope.key).values(window)
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    @cached_property
    def _map(self) -> ColumnMap:
        return map_of(self._context, "map")

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: tables, and the files that their rows name, are read."""
        files = self._files()
        read = {key for key, file in files.items() if file.name.lower().endswith(_TABLES)}
        return fates(files.values(), self._path, read | self._carried(read))

    def _carried(self, tables: Iterable[str]) -> set[str]:
        """Return the keys of the files that rows name; a table that cannot be read names none."""
        found: set[str] = set()
        for key in tables if self._beside() else ():
            if key not in self._named:  # it was not counted by this one
                with suppress(ItemError):
                    self.count(Scope(key, key, "table"))
            found |= self._named.get(key, set())
        return found

    def _beside(self) -> dict[str, PackageFile]:
        """Return the files beside the tables; none where the map has no column that could name them."""
        if "attachments" not in self._map.columns:
            return {}
        return {key: file for key, file in self._files().items() if not file.name.lower().endswith(_TABLES)}

    def _by_name(self) -> dict[str, PackageFile]:
        """Return the files beside the tables by their names, and by their paths."""
        beside = self._beside()
        return {file.name: file for file in beside.values()} | beside

    def _files(self) -> dict[str, PackageFile]:
        still_there(self._path)
        package = list_package(self._path, lambda name: name.lower().endswith(".zip"))
        found = dict(package.loose)
        for archive in package.archives.values():
            found[archive.key] = PackageFile(archive.key, archive.path)
        return found

    def _table(self, key: str) -> MappedTable:
        """Return a table whose header is the map's.

        Raises:
            ItemError: It is gone; ``unsupported`` when it is no CSV, or has another header.
        """
        file = self._files().get(key)
        if file is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        if not file.name.lower().endswith(_TABLES):
            raise ItemError(Reason.UNSUPPORTED, "no_csv")
        return MappedTable.of(file, self._map, self._by_name())


def map_of(context: SourceContext, option: str) -> ColumnMap:
    """Return the map that an option of a source names.

    Raises:
        SettingsError: There is none, it is wrong, or nobody has confirmed it.
    """
    from connectors.column_maps import read_map

    where = f"source {context.source_id}"
    if not context.options.get(option):
        raise SettingsError(
            f"{where}: needs `{option}` in options; `daylight columns FILE --app NAME` proposes one"
        )
    return read_map(context.options[option], where)


@dataclass(frozen=True, slots=True)
class Joined:
    """What the rest of an export says of a row.

    Attributes:
        kind: What the row is.
        facts: For its reader.
        held: Files that belong to it, beside those that its column of attachments names.
    """

    kind: Kind = Kind.CHAT
    facts: Mapping[str, str] = field(default_factory=dict)
    held: tuple[PackageFile, ...] = ()


_BARE = Joined()
Join = Callable[[Sequence[str], Callable[[str], str]], Joined]


@dataclass(frozen=True, slots=True)
class MappedTable:
    """A table whose header is that of its map.

    Attributes:
        file: The table.
        columns: Its map.
        there: The files that a row can name, by name and by path.
        join: Returns what else is known of a row, by its cells and by what its fields say.
    """

    file: PackageFile
    columns: ColumnMap
    there: Mapping[str, PackageFile]
    join: Join

    @classmethod
    def of(
        cls,
        file: PackageFile,
        columns: ColumnMap,
        there: Mapping[str, PackageFile],
        join: Join = lambda _cells, _said: _BARE,
    ) -> MappedTable:
        """Return a table.

        Raises:
            ItemError: ``unsupported`` for UTF-16 and for another header; what opening raises.
        """
        with file.stream() as stream:
            if stream.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
                raise ItemError(Reason.UNSUPPORTED, "utf16")
        with file.stream() as stream:
            if _Layout.of(next(records_of(stream), b""), columns).header != columns.header:
                raise ItemError(Reason.UNSUPPORTED, "columns")
        return cls(file, columns, there, join)

    def count(self, named: set[str]) -> Expected:
        """Count rows, and attachments that are not there, by the standard library's CSV reader.

        Args:
            named: Is given the keys of the attachments that are there, as far as the table can be read.
        """
        total, column = 0, self.columns.columns.get("attachments", "")
        with self.file.stream() as stream:
            for row in read_table(stream).rows:
                files = [self.there.get(name) for name in _names(row.get(column, ""))]
                total += 1 + files.count(None)
                named.update(file.key for file in files if file is not None)
        return Expected(total, "csv parse")

    def values(self, window: Window, opened: OpenZips | None = None) -> Iterator[Yielded]:
        """Yield the rows in order, each with its attachments that are not there.

        Raises:
            ItemError: It broke off.
        """
        seen = SeenHashes()
        with self.file.stream(opened.of(self.file) if opened is not None else None) as stream:
            records = records_of(stream)
            layout = _Layout.of(next(records, b""), self.columns)
            for native in records:
                cells = layout.cells(native)
                if any(cells):
                    yield from self._row(native, cells, layout, window, seen)

    def _row(
        self, native: bytes, cells: list[str], layout: _Layout, window: Window, seen: SeenHashes
    ) -> Iterator[Yielded]:
        stated = clean(layout.value(cells, "message_id"))
        key = stated[:400] or hashlib.sha256(native).hexdigest()
        again = seen.count(prefix_of(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()))
        key = f"{key}:{again}" if again or not stated else key
        moment = layout.moment(cells)
        outside, codes = placed(moment, window, dated=True)
        named = _names(layout.value(cells, "attachments"))
        missing = [
            FailedItem(
                f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT,
                "link" if _LINK.match(name) else "attachment", name[:_LONGEST_NAME],
            )
            for number, name in enumerate(named)
            if name not in self.there
        ]  # fmt: skip
        joined = self.join(cells, partial(layout.value, cells))
        if outside:
            yield ExcludedItem(key, joined.kind, "", Reason.OUTSIDE_WINDOW, "", None, moment)
            yield from missing
            return
        group = layout.group(cells, self.file)
        about = {**layout.facts, **as_facts(moment), "group": group, **joined.facts}
        held = [(name, self.there[name].key) for name in named if name in self.there]
        told = {one for _, one in held}
        held += [(one.name, one.key) for one in joined.held if one.key not in told]
        if held:
            about["attachments"] = canonical.dumps([{"name": name, "native_key": one} for name, one in held])
        warnings = (
            *((WarningCode.HEADER_DEFECT,) if len(cells) != len(layout.header) else ()),
            *((WarningCode.DELETED,) if _says_yes(layout.value(cells, "deleted")) else ()),
            *((WarningCode.DUPLICATE_ENTRY,) if again and stated else ()),
            *((WarningCode.MISSING_PART,) if missing else ()),
            *codes,
        )
        yield FoundItem(
            key, joined.kind, "", None, MESSAGE_TYPE, len(native), moment, about, warnings, native
        )
        yield from missing


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the rows of one table are read.

    Attributes:
        header: Its columns.
        places: Number of the column of each field that the map names.
        delimiter: Between cells.
        zone: Of times that state no offset.
        formats: Forms of the time.
        facts: What every row is told of.
    """

    header: tuple[str, ...]
    places: Mapping[str, int]
    delimiter: str
    zone: ZoneInfo
    formats: tuple[str, ...]
    facts: dict[str, str]

    @classmethod
    def of(cls, first: bytes, columns: ColumnMap) -> _Layout:
        """Read the record that holds the header."""
        text = decoded(first.removeprefix(BOM))
        delimiter = delimiter_of(text)
        header = tuple(clean(cell) for cell in cells_of(text, delimiter))
        places = {name: header.index(column) for name, column in columns.columns.items() if column in header}
        facts = {
            "app": columns.app, "map": f"{columns.app} {columns.map_version}", "delimiter": delimiter,
            "header": canonical.dumps(list(header)), "columns": canonical.dumps(dict(columns.columns)),
        }  # fmt: skip
        return cls(header, places, delimiter, ZoneInfo(columns.time_zone), columns.time_formats, facts)

    def cells(self, native: bytes) -> list[str]:
        """Return the cells of a record."""
        return [clean(cell) for cell in cells_of(decoded(native), self.delimiter)]

    def value(self, cells: list[str], field: str) -> str:
        """Return what a field says; empty where there is none."""
        place = self.places.get(field)
        return cells[place] if place is not None and place < len(cells) else ""

    def group(self, cells: list[str], file: PackageFile) -> str:
        """Return the conversation: as the table says, else the people who take part."""
        if thread := self.value(cells, "thread"):
            return f"{self.facts['app']}:{thread}"
        people = [self.value(cells, "sender"), *self.value(cells, "recipients").split(";")]
        among = sorted({one.strip().casefold() for one in people} - {""})
        return f"{self.facts['app']}:{'; '.join(among) or file.key}"

    def moment(self, cells: list[str]) -> Moment:
        """Return when it was sent."""
        stated = " ".join(filter(None, (self.value(cells, "sent_on"), self.value(cells, "sent_at"))))
        if not stated:
            return NO_MOMENT
        for form in self.formats:
            if form == EPOCH:
                if is_epoch(stated):
                    return epoch_moment(int(stated), stated)
                continue
            try:
                at = datetime.strptime(stated, form)  # noqa: DTZ007 - the map's zone is applied
            except ValueError:
                continue
            if at.tzinfo is None:
                return local_moment(at, stated, self.zone)
            return Moment(at.astimezone(ZoneInfo("UTC")), stated, Basis.STATED)
        return Moment(None, stated, Basis.NONE)


def table_head(path: str, rows: int) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the columns of a table and its first rows, for a proposal.

    Raises:
        ItemError: It cannot be read, or is no table.
    """
    open_head(path, 0)
    with whole(path) as stream:
        table = read_table(stream)
        return table.header, [row for _, row in zip(range(rows), table.rows, strict=False)]


def records_of(stream: BinaryIO) -> Iterator[bytes]:
    """Cut a table into records: a line's end between quotes belongs to its cell (RFC 4180 section 2.6).

    Raises:
        ItemError: ``corrupt`` for a quote that is never closed, ``too_large`` for a record beyond 16 MB.
    """
    lines: list[bytes] = []
    size, quotes = 0, 0
    for line in io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream:
        lines.append(line)
        size += len(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield b"".join(lines)
            lines, size, quotes = [], 0, 0
        elif size > _RECORD_BYTES:
            raise ItemError(Reason.TOO_LARGE, "record")
    if lines:
        raise ItemError(Reason.TRUNCATED, "quote")


def is_epoch(stated: str) -> bool:
    """Say whether a time is a number since 1970."""
    return _EPOCH.fullmatch(stated) is not None


def delimiter_of(first: str) -> str:
    """Return what stands between the cells of a table, by its first record."""
    return max(",;\t", key=first.count)


def cells_of(text: str, delimiter: str) -> list[str]:
    """Return the cells of a record, all of them where a bare carriage return breaks it."""
    csv.field_size_limit(max(csv.field_size_limit(), _RECORD_BYTES))
    return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]


def decoded(data: bytes) -> str:
    """Return the text of a record: UTF-8, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _names(stated: str) -> list[str]:
    """Return the names and addresses in a cell, parted by semicolons or lines."""
    return list(dict.fromkeys(filter(None, (storable(clean(one)) for one in re.split("[;\n]", stated)))))


def _says_yes(stated: str) -> bool:
    return stated.casefold() not in {"", "0", "no", "n", "false"}
