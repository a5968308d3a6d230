"""Microsoft Purview eDiscovery: an export as it is downloaded, parts and report zip in one folder.

The parts (``Items.1.001.name.zip``, ``PSTs.001.name.zip``) hold messages, chats, files or PSTs by place; the
reports (``Items_0_….csv``, ``Locations_….csv``, ``Summary_….csv``) say what should be there and what failed.
File and column names vary by release, so columns are found by header. What is known of both:
https://learn.microsoft.com/purview/edisc-process-report, https://learn.microsoft.com/purview/edisc-search-export.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import ClassVar, Self

from connectors.base import not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.data_files import DataFiles, data_files_among, told_of
from connectors.export_files import INSIDE, Archive, Package, PackageConnector, PackageFile, missing_numbers
from connectors.export_paths import containers, fates
from connectors.export_tables import HashSet, KeyedRows, Table, hash64, normal, read_table
from connectors.folders import storable
from connectors.mbox import SeenHashes
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    EMPTY,
    NO_MOMENT,
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import EARLIEST
from records.numbers import whole_number
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

REPORTS = "reports"
SUMMARY = "reports/summary"
PARTIAL = "partially_indexed/"
LACKING = "#items"

_PART = re.compile(
    r"(?P<stem>(?:Items|PSTs)\.(?:\d+\.)?)(?P<number>\d{3})(?P<rest>\..+)", re.IGNORECASE | re.DOTALL
)
_REPORT = re.compile(
    r"(?P<what>Summary|Items|Locations|Settings|Statistics)(?:[-_. ].*)?\.csv", re.IGNORECASE | re.DOTALL
)
_PARTIAL_FOLDERS = frozenset({"partiallyindexed", "partiallyindexeditems", "unindexed", "unindexeditems"})
_TEAMS_FOLDER = "teamsmessagesdata"
_OF_TEAMS = "ipm.skypeteams"
_HOLDS_OTHERS = (".pst", ".eml", ".msg")
_ATTACHMENT = re.compile(r"(?P<of>.+\.html?)-mimeatt", re.IGNORECASE | re.DOTALL)
_PST_NUMBER = re.compile(r"(?:\.\d+)?\.pst$", re.IGNORECASE)
_NAMED_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,40}")

_TARGET = ("Target path", "TargetPath", "Export path", "Exported path", "Export native path", "Target")
_ERROR = ("Error", "Errors", "Error message", "Error details", "Item error", "Export error", "Error code")
_CODE = ("Error code", "ErrorCode", "Error type")
_STATUS = ("Item status", "Export status", "Status", "Result")
_INDEXED = ("Partially indexed", "Is partially indexed", "Indexing status", "Index status", "Item source")
_LOCATION = ("Location", "Location name", "Location ID", "Mailbox", "Data source", "Name", "Site")
_FACTS: dict[str, tuple[str, ...]] = {
    "folder": ("Original path", "Source path", "Path", "Folder"),
    "account": ("Location", "Location name", "Mailbox", "Data source", "Custodian"),
    "labels": ("Categories",),
    "item_class": ("Item class", "ItemClass", "Message class"),
    "item_id": ("Immutable ID", "ImmutableId", "Item ID", "Document ID", "Unique ID"),
    "message_id": ("Internet message ID", "InternetMessageId"),
    "conversation_id": ("ConversationId", "Conversation ID"),
    "conversation": ("Conversation name", "Conversation topic"),
    "conversation_type": ("ConversationType", "Conversation type"),
    "participants": ("Participants", "Thread participants"),
}
_DATES = ("Sent", "Date sent", "Sent date", "Email sent", "Date", "Received", "Created")
_FILE_CLASS = ("FileClass", "File class")
_EDITED = ("ContainsEditedMessage", "Contains edited message")
_DELETED = ("ContainsDeletedMessage", "Contains deleted message")
_EXPORTED = (
    "Items exported", "Exported items", "Total items exported", "Total exported items", "Exported item count",
    "Item count", "Total items", "Total item count",
)  # fmt: skip
_NOTHING = frozenset(
    ["0", "none", "no", "na", "null", "noerror", "noerrors", "success", "succeeded", "ok"]
) | {""}
"""What stands in a column of errors where there is none."""

_LEFT_OUT = {
    "skipped": Reach.NOT_ASKED,
    "excluded": Reach.NOT_ASKED,
    "notsearched": Reach.NOT_ASKED,
    "notfound": Reach.REFUSED,
    "unsupported": Reach.REFUSED,
    "unavailable": Reach.REFUSED,
}
_NEEDED: dict[str, tuple[str, ...]] = {
    "items": (*_TARGET, *_FACTS["item_id"], *_FACTS["item_class"]),
    "locations": _LOCATION,
    "summary": (),
}
_YES = frozenset({"true", "yes", "1"})
_TIMES = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S")
_UNKNOWN = Expected(None, "unknown")


class PurviewExport(PackageConnector):
    """One export of Purview eDiscovery in a folder."""

    name: ClassVar[str] = "purview_export"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "exports of a search or a review set as single messages (EML, MSG), with folder, holder and ids",
        "Teams messages and HTML transcripts, as chats; their attachments as files",
        "files of SharePoint and OneDrive",
        "partially indexed items, as places of their own",
        "PST parts: each folder of each PST is a place, its items Outlook message files; fewer of them than "
        "the item report has is a place that failed",
        "the reports: each error and each item without its file as a failed item, each location with an "
        "error as a place that failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "PSTs with a header that cannot be read, and all where libpff is not installed: stored as files",
        "what the item report says of single items in a PST: nothing joins the two",
        "what the report of a report-only run cuts: text columns end after 255 characters",
        "single messages inside a transcript: it is read as one document",
        "sums: Purview states none; each zip's own are tested",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "packages built to the published names; none from a real tenant yet",
    )
    options: ClassVar[Mapping[str, str]] = {
        "accounts": "addresses or sites whose places are read, separated by commas; else all",
        "case": "with `connection`: id of the eDiscovery case",
        "search": "with `connection`: id of the search in it that is exported",
        "operation": "with `connection`: id of an export that exists already; else one is started",
        "format": "with `connection`: msg (else) or pst",
        "partially_indexed": "with `connection`: yes to export those too",
    }
    needed: ClassVar[tuple[str, ...]] = ("case", "search")
    of_files: ClassVar[frozenset[str]] = frozenset({"accounts"})
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "format": ("msg", "pst"),
        "partially_indexed": ("no", "yes"),
    }

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._known: _Export | None = None
        self._data = DataFiles(context, {})

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, or nothing there is of a Purview export.
        """
        super().check()
        export = self._export()
        self._refuse_packed_again(export.archives(), _is_part, _is_part)
        if not export.of("items") and not export.of("summary") and not export.named:
            raise not_one(self._context.source_id, "Purview export", self._path, self.name)

    def scopes(self) -> Iterator[Scope]:
        """List parts that are missing or broken, places, the reports, then the places that failed there."""
        export = self._export()
        for key in sorted({*export.missing, *export.broken}):
            yield Scope(key, key.rpartition("/")[2], "archive")
        for key in export.places:
            if self._wanted(key):
                yield Scope(key, key, "partly_indexed" if key.startswith(PARTIAL) else "export")
        yield from self._data.scopes()
        yield from (Scope(f"{key}{LACKING}", key, "items_lacking") for key in self._lacking())
        if export.reports:
            yield Scope(REPORTS, REPORTS, "reports")
        if export.summary_differs:
            yield Scope(SUMMARY, SUMMARY, "reports")
        for failed in export.failed:
            if self._wanted(failed.location):
                yield Scope(failed.key, failed.location, "location")

    def unreached(self) -> Iterator[Unreached]:
        """List the places that Purview left out, and those that ``accounts`` leaves out."""
        export = self._export()
        for key in export.places:
            if not self._wanted(key):
                yield Unreached(key, key, "export", Reach.NOT_ASKED, "accounts")
        for left in export.left_out:
            yield Unreached(left.key, left.location, "location", left.reach, left.detail)
        yield from self._nobodys({_name_of(key) for key in export.places} | export.located)

    def count(self, scope: Scope) -> Expected:
        """Take the number of different files that the item report names for a place, else the directories.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        if self._data.file_of(scope) is not None:
            return self._data.count(scope)
        if scope.kind == "items_lacking":
            return _UNKNOWN
        if scope.kind in {"export", "partly_indexed"}:
            stated = export.index.targets.get(scope.key)
            if export.index.placed:
                return Expected(len(stated) if stated is not None else 0, "item report")
            return _count_place(export, scope.key)
        if scope.kind == "reports":
            rows = export.index.placeless
            return (
                _UNKNOWN if rows or scope.key == SUMMARY else Expected(len(export.reports), "zip directory")
            )
        if scope.kind == "location":
            return _UNKNOWN
        export.raise_if_gone(scope.key)
        return Expected(1, "part numbers")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Give one part a zip that has something of the place, and one for the rows without a file.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        if self._data.file_of(scope) is not None:
            yield from self._data.parts(scope, max_items, max_bytes)
            return
        if scope.kind not in {"export", "partly_indexed"}:
            yield Part(scope)
            return
        number = 0  # Purview cuts its zips itself
        for key in export.place(scope.key):
            spec = canonical.dumps({"v": 1, "file": key})
            yield Part(scope, number, spec, size_bytes=export.size_of(key))
            number += 1
        if scope.key in export.index.targets:
            yield Part(scope, number, canonical.dumps({"v": 1, "rows": True}))

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the files of a place in the order of their zip, then what the report has and no zip.

        Raises:
            ItemError: The scope, or the zip that this part is of, cannot be opened; a location failed.
        """
        export = self._export()
        scope, done = part.scope, read_number(cursor)
        if (key := self._data.file_of(scope)) is not None:
            facts, codes = _of_data_file(export, self._data.files[key])
            yield from told_of(self._data.items(part, window, cursor), facts, *codes)
            return
        stated = canonical.loads(part.spec or '{"v":1}')
        if stated.get("v") != 1:
            raise SettingsError("a part of a Purview export was cut by another version; plan the run again")
        if scope.kind in {"export", "partly_indexed"}:
            if stated.get("rows"):
                yield from _without_file(export, scope.key, done)
            else:
                yield from self._files(export, scope.key, stated["file"], window, done)
        elif scope.key == SUMMARY:
            raise ItemError(Reason.TRUNCATED, export.summary_differs or "scope_gone")
        elif scope.kind == "items_lacking":
            detail = self._lacking().get(scope.key.removesuffix(LACKING), "scope_gone")
            raise ItemError(Reason.TRUNCATED, detail)
        elif scope.kind == "reports":
            yield from _report_items(export, done)
        elif scope.kind == "location":
            failed = next((one for one in export.failed if one.key == scope.key), None)
            raise ItemError(Reason.REFUSED_BY_SOURCE, failed.detail if failed else "scope_gone")
        else:
            export.raise_if_gone(scope.key)
            if not done:
                yield FailedItem(
                    scope.key, Kind.FILE, number_cursor(1), Reason.NOT_IN_EXPORT, "export_part", scope.label
                )

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: items and what lies in a part of the export is read."""
        export = self._export()
        files = [file for key in ("", *export.opening) for file in export.files_in(key)]
        reports = {report.file.key for report in export.reports}
        yield from containers(export.zips, self._path, export.broken)
        yield from fates(
            (*files, *(report.file for report in export.reports)),
            self._path,
            lambda file: file.member is not None or export.is_placed(file),
            lambda file: "report" if file.key in reports else "",
        )

    def _lacking(self) -> dict[str, str]:
        """Return the PSTs that hold fewer items than the item report has in them, with both figures."""
        export, found = self._export(), {}
        for key, file in self._data.files.items():
            stated = export.index.inside.get(_key_of(file), 0)
            try:
                there = self._data.total(key) if stated else None
            except ItemError:
                continue  # its own place says that it does not open
            if there is not None and there < stated:
                found[key] = f"stated_{stated}_there_{there}"
        return found

    def _wanted(self, location: str) -> bool:
        asked = self._asked()
        return not asked or _name_of(location) in asked

    def _files(self, export: _Export, place: str, key: str, window: Window, done: int) -> Iterator[Yielded]:
        if key not in export.place(place):
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        with _Rows(export, place) as rows, export.opened(key) as (opened, all_files):
            files = [file for file in all_files if export.place_of(file) == place]
            for number, file in enumerate(files, 1):
                if number > done:
                    yield self._item(export, file, number, window, rows.of(file), place, opened)

    def _item(
        self,
        export: _Export,
        file: PackageFile,
        number: int,
        window: Window,
        row: _Facts,
        place: str,
        opened: zipfile.ZipFile | None,
    ) -> Yielded:
        """Return a file with what the report says of it."""
        facts, codes = dict(row.facts), list(row.warnings)
        lower = file.name.lower()
        folders = _inner(file).split("/")[:-1]
        if len(folders) > 1 and "@" in folders[1]:
            facts.setdefault("account", folders[1])
        if len(folders) > 2:
            facts.setdefault("folder", "/".join(folders[2:]))
        if place.startswith(PARTIAL):
            codes.append(WarningCode.PARTLY_INDEXED)
        if file.inner.lower().endswith(".pst") and (stated := export.index.inside.get(_key_of(file))):
            facts["items_stated"] = str(stated)
            codes = []
        attached = _ATTACHMENT.match(file.key)
        if attached is not None:
            facts["attached_to"] = attached["of"]
        chat = attached is None and (row.chat or _TEAMS_FOLDER in file.inner.casefold().split("/")[:-1])
        if chat:
            facts = _of_conversation(facts)
        transcript = lower.endswith((".html", ".htm"))
        dated = not transcript and (chat or lower.endswith(".msg"))
        return self._value(
            file, number, window,
            opened=opened,
            kind=Kind.CHAT if chat else None,
            moment=row.moment if dated else NO_MOMENT,
            metadata=facts or EMPTY,
            warnings=tuple(codes),
        )  # fmt: skip

    def _export(self) -> _Export:
        """Return what lies at the path, listed once."""
        still_there(self._path)
        if self._known is None:
            export = self._known = _Export(self._list(_is_part))
            files = (file for key in ("", *export.opening) for file in export.files_in(key))
            wanted = (file for file in files if self._wanted(export.place_of(file)))
            self._data = DataFiles(self._context, data_files_among(wanted))
            self._apart = self._data.files
        return self._known


def _of_data_file(export: _Export, file: PackageFile) -> tuple[dict[str, str], tuple[WarningCode, ...]]:
    """Return what an export says of all items of a PST, and what a reader must know."""
    folders = _inner(file).split("/")[:-1]
    facts = {"container": file.key}
    if len(folders) > 1 and "@" in folders[1]:
        facts["account"] = folders[1]
    partly = export.place_of(file).startswith(PARTIAL)
    return facts, (WarningCode.PARTLY_INDEXED,) if partly else ()


@dataclass(slots=True)
class _Report:
    """A report: where it is, what of, and why it is not used, or None."""

    file: PackageFile
    role: str
    problem: ItemError | None = None


@dataclass(frozen=True, slots=True)
class _Location:
    """A place that Purview could not search or export, or left out."""

    key: str
    location: str
    detail: str
    reach: Reach = Reach.REFUSED


@dataclass(slots=True)
class _Index:
    """What the item reports say as a whole.

    Attributes:
        placed: They name the file of each item.
        targets: Different files by place.
        partial: Files of partially indexed items.
        inside: Items by the PST they are in.
        placeless: Rows that name no file.
        rows: Rows.
    """

    placed: bool = False
    targets: dict[str, HashSet] = field(default_factory=dict)
    partial: HashSet = field(default_factory=HashSet)
    inside: dict[str, int] = field(default_factory=dict)
    placeless: int = 0
    rows: int = 0


class _Export:
    """Everything at a path, sorted by what it is.

    Attributes:
        zips: All zips, those too that do not open.
        broken: The zips that do not open, and why.
        missing: Names of zips that the numbers say are missing.
        reports: The reports, in the order of their keys.
        named: A zip or a folder is named as a part is.
        places: By place, the keys of the zips that have something of it (empty: files beside them).
        index: What the item reports say.
        failed: Places with an error.
        left_out: Places that were not searched.
        located: Places that the reports of locations name, with or without a result, in lower case.
        summary_differs: How the summary's figure differs from the item reports; empty when it does not.
    """

    def __init__(self, package: Package) -> None:
        """Sort what was listed, and read the reports once."""
        self.zips = tuple(package.archives.values())
        self.broken: dict[str, ItemError] = {}
        self.reports: list[_Report] = []
        self.failed: list[_Location] = []
        self.left_out: list[_Location] = []
        self.located: set[str] = set()
        self._archives: dict[str, Archive] = {}
        self._loose: list[PackageFile] = []
        contents: list[str] = []
        for archive in package.archives.values():
            try:
                files = archive.files()
            except ItemError as err:
                self.broken[archive.key] = err
                continue
            self._archives[archive.key] = archive
            found = [report for file in files if (report := _report(file)) is not None]
            self.reports += found
            if len(found) < len(files):
                contents.append(archive.key)
        for file in package.loose.values():
            if (report := _report(file)) is not None:
                self.reports.append(report)
            else:
                self._loose.append(file)
        self.reports.sort(key=lambda one: one.file.key)
        self._report_keys = {report.file.key for report in self.reports}
        names = [archive.name for archive in package.archives.values()]
        folders = {file.key.split("/")[0] for file in self._loose if "/" in file.key}
        self.named = any(_PART.fullmatch(name) or name.startswith("Reports-") for name in [*names, *folders])
        self.missing = frozenset(missing_numbers([name for name in names if name.endswith(".zip")], _PART))
        self.index = self._read_index()
        places: dict[str, list[str]] = {key: [] for key in self.index.targets}
        for key in [*contents, *([""] if self._loose else [])]:
            for place in {self.place_of(file) for file in self.files_in(key)}:
                places.setdefault(place, []).append(key)
        self.places = dict(sorted(places.items()))
        self._read_locations()
        self.summary_differs = self._compare_summary()

    def archives(self) -> list[Archive]:
        """Return the zips that open."""
        return list(self._archives.values())

    def of(self, role: str) -> list[_Report]:
        """Return the reports of a kind that can be used."""
        return [report for report in self.reports if report.role == role and report.problem is None]

    def place(self, key: str) -> list[str]:
        """Return the zips of a place; raises ItemError (``unreadable``, ``scope_gone``)."""
        if (found := self.places.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def files_in(self, key: str) -> list[PackageFile]:
        """Return the files of a zip, or those beside the zips for an empty key; reports left out."""
        if not key:
            return self._loose
        if (archive := self._archives.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return [file for file in archive.files() if file.key not in self._report_keys]

    @property
    def opening(self) -> list[str]:
        """Keys of the zips that open."""
        return list(self._archives)

    def is_placed(self, file: PackageFile) -> bool:
        """Say whether a file beside the zips lies in a part that was unpacked, or an item report names it."""
        if _PART.fullmatch(file.inner.partition("/")[0]) is not None:
            return True
        return any(_bare_key(file) in targets for targets in self.index.targets.values())

    def size_of(self, key: str) -> int | None:
        """Return the packed bytes of a zip; None for the files beside the zips."""
        return self._archives[key].size() if key in self._archives else None

    @contextmanager
    def opened(self, key: str) -> Iterator[tuple[zipfile.ZipFile | None, list[PackageFile]]]:
        """Open a zip; give it and what ``files_in`` gives."""
        if (archive := self._archives.get(key)) is None:
            yield None, self.files_in(key)
            return
        with archive.opened() as (opened, files):
            yield opened, [file for file in files if file.key not in self._report_keys]

    def place_of(self, file: PackageFile) -> str:
        """Return the place of a file: mailbox or site, and whether it is partially indexed."""
        place, partial = _place(_inner(file))
        partial = partial or _key_of(file) in self.index.partial or _bare_key(file) in self.index.partial
        return f"{PARTIAL}{place}" if partial else place

    def raise_if_gone(self, key: str) -> None:
        """Raise the reason why a zip does not open."""
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)

    def item_rows(self) -> Iterator[_ItemRow]:
        """Yield the rows of the item reports; one that cannot be read further ends, and fails by name."""
        for report in self.of("items"):
            try:
                with report.file.stream() as stream:
                    table = read_table(stream)
                    reader = _ItemReader(table)
                    for row in table.rows:
                        yield reader.read(row)
            except ItemError as err:
                report.problem = err

    def _read_index(self) -> _Index:
        index = _Index()
        for row in self.item_rows():
            index.rows += 1
            if not row.target:
                index.placeless += 1
                continue
            index.placed = True
            index.targets.setdefault(row.place, HashSet()).add(row.target)
            if row.partial:
                index.partial.add(row.target)
            if row.within and row.target.endswith(".pst"):
                index.inside[row.target] = index.inside.get(row.target, 0) + 1
        return index

    def _read_locations(self) -> None:
        for report in self.of("locations"):
            try:
                with report.file.stream() as stream:
                    table = read_table(stream)
                    name = table.column(*_LOCATION)
                    assert name is not None, "a report without it is not used"
                    for number, row in enumerate(table.rows, 1):
                        self.located.add(_name_of(row[name]))
                        self._take_location(f"{report.file.key}#{number}", row[name], table, row)
            except ItemError as err:
                report.problem = err

    def _take_location(self, key: str, location: str, table: Table, row: Mapping[str, str]) -> None:
        status = normal(row.get(table.column(*_STATUS, "Location status") or "", ""))
        said = normal(row.get(table.column(*_ERROR, "Location error", "Failure reason") or "", ""))
        code = row.get(table.column(*_CODE) or "", "")
        left = next((reach for word, reach in _LEFT_OUT.items() if word in status), None)
        if said not in _NOTHING or "fail" in status or "error" in status.replace("noerror", ""):
            self.failed.append(_Location(key, location, _code(code, "location_error")))
        elif left is not None:
            self.left_out.append(_Location(key, location, _code(status, "location_left_out"), left))

    def _compare_summary(self) -> str:
        """Say how many items the summary has and how many the item reports; empty where both agree."""
        if not self.of("items"):
            return ""
        for report in self.of("summary"):
            try:
                stated = _summary_figure(report)
            except ItemError as err:
                report.problem = err
                continue
            files = sum(len(found) for found in self.index.targets.values()) + self.index.placeless
            if stated is not None and stated not in {self.index.rows, files}:
                return f"summary_{stated}_report_{self.index.rows}"
        return ""


@dataclass(frozen=True, slots=True)
class _ItemRow:
    """A row of an item report.

    Attributes:
        target: Key of the file it is in; empty when it names none.
        stated: The path as it stands there.
        within: It is inside that file: a message in a PST, an attachment in a message.
        place: Key of the scope: mailbox or site, partially indexed items apart.
        partial: Its item is partially indexed.
        error: Code of its error; empty for none.
        values: All columns.
    """

    target: str
    stated: str
    within: bool
    place: str
    partial: bool
    error: str
    values: dict[str, str]


class _ItemReader:
    """Reads the rows of one item report by its header."""

    def __init__(self, table: Table) -> None:
        self._target = table.column(*_TARGET)
        self._error = table.column(*_ERROR)
        self._code = table.column(*_CODE)
        self._status = table.column(*_STATUS)
        self._indexed = table.column(*_INDEXED)

    def read(self, row: dict[str, str]) -> _ItemRow:
        """Return what is needed of a row, and all of it."""
        path = row.get(self._target or "", "").replace("\\", "/").strip("/")
        parts = path.split("/")
        cut = next(
            (n for n, part in enumerate(parts[:-1]) if n and part.lower().endswith(_HOLDS_OTHERS)),
            len(parts) - 1,
        )
        inside = parts[1 : cut + 1] if parts[0].lower().endswith(".zip") else parts[: cut + 1]
        place, partial = _place("/".join(inside))
        indexed = normal(row.get(self._indexed or "", ""))
        partial = partial or "partial" in indexed or indexed in {"yes", "true", "1"}
        said = normal(row.get(self._error or "", ""))
        status = normal(row.get(self._status or "", ""))
        error = ""
        if said not in _NOTHING or "fail" in status or "error" in status.replace("noerror", ""):
            error = _code(row.get(self._code or "", ""), "item_error")
        target = _normal_path("/".join(parts[: cut + 1]))
        place = f"{PARTIAL}{place}" if partial else place
        return _ItemRow(target, storable(path), cut < len(parts) - 1, place, partial, error, row)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a report says of a file: facts, warnings, its time, and whether it is a chat."""

    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[WarningCode, ...] = ()
    moment: Moment = NO_MOMENT
    chat: bool = False


def _of_conversation(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the facts of a chat, its conversation under the names that all connectors have for one."""
    found = {_OF_CONVERSATION.get(name, name): value for name, value in facts.items()}
    if "participants" in found:
        found.setdefault("group_name", found["participants"])
    return found


_OF_CONVERSATION = {
    "conversation_id": "group", "conversation": "group_name", "conversation_type": "group_kind"
}  # fmt: skip


class _Rows:
    """The rows of one place by file, while one part is read."""

    def __init__(self, export: _Export, place: str) -> None:
        self._rows = KeyedRows()
        self._known = bool(export.of("items"))
        for row in export.item_rows():
            if row.target and not row.within and row.place == place:
                self._rows.add(row.target, row.values | ({"": row.error} if row.error else {}))

    def of(self, file: PackageFile) -> _Facts:
        """Return what the report says of a file; several rows of one file add up."""
        rows = self._rows.get(_key_of(file)) or self._rows.get(_bare_key(file))
        if not rows:
            return _Facts(warnings=(WarningCode.MISSING_PART,) if self._known else ())
        found: dict[str, tuple[str, str]] = {}
        for row in reversed(rows):
            found |= {normal(name): (name, value) for name, value in row.items() if name and value}
        facts: dict[str, str] = {}
        used: set[str] = set()
        for ours, names in _FACTS.items():
            for name in map(normal, names):
                if name in found:
                    facts.setdefault(ours, found[name][1])
                    used.add(name)
                    break
        codes = [
            code
            for code, names in ((WarningCode.EDITED, _EDITED), (WarningCode.DELETED, _DELETED))
            if normal(_first(found, names)) in _YES
        ]
        errors = [row[""] for row in rows if row.get("")]
        if errors:
            facts["error"] = errors[0]
            codes.append(WarningCode.PARTIAL)
        used |= set(map(normal, _TARGET))
        rest = {name: value for key, (name, value) in sorted(found.items()) if key not in used}
        if rest:
            facts["report"] = canonical.dumps(rest)
        if len(rows) > 1:
            facts["report_rows"] = str(len(rows))
        times = (_moment(_first(found, (name,))) for name in _DATES)
        moment = next((time for time in times if time.at is not None), NO_MOMENT)
        chat = facts.get("item_class", "").casefold().startswith(_OF_TEAMS)
        chat = chat or normal(_first(found, _FILE_CLASS)) == "conversation"
        return _Facts(facts, tuple(codes), moment, chat)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()


def _first(found: Mapping[str, tuple[str, str]], names: tuple[str, ...]) -> str:
    """Return what stands under the first of these columns that has something."""
    return next((found[name][1] for name in map(normal, names) if name in found), "")


def _without_file(export: _Export, place: str, done: int) -> Iterator[Yielded]:
    """Yield what the item reports have of a place and the package has not."""
    there = HashSet()
    for key in export.place(place):
        for file in export.files_in(key):
            there.add(_key_of(file))
            there.add(_bare_key(file))
    seen = SeenHashes()
    number = 0
    for row in export.item_rows():
        if not row.target or row.place != place or row.target in there:
            continue
        if seen.count(hash64(row.target)):
            continue
        number += 1
        if number > done:
            yield _lost(row, row.target, number)


def _report_items(export: _Export, done: int) -> Iterator[Yielded]:
    """Yield the reports themselves, then the rows that name no file."""
    number = 0
    for report in export.reports:
        number += 1
        if number > done:
            file, cursor = report.file, number_cursor(number)
            problem = report.problem
            if problem is not None:
                yield FailedItem(file.key, Kind.FILE, cursor, problem.reason, problem.detail, file.name)
            else:
                detail = f"purview_{report.role}"
                yield ExcludedItem(file.key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, detail, file.name)
    for at, row in enumerate(export.item_rows(), 1):
        if not row.target:
            number += 1
            if number > done:
                yield _lost(row, f"row {at}", number)


def _lost(row: _ItemRow, key: str, number: int) -> FailedItem:
    """Return a row whose item is not in the package."""
    found = {normal(name): (name, value) for name, value in row.values.items() if value}
    item_class = _first(found, _FACTS["item_class"]).casefold()
    kind = Kind.EMAIL if item_class.startswith("ipm.") else Kind.FILE
    kind = Kind.CHAT if item_class.startswith(_OF_TEAMS) else kind
    reason = Reason.REFUSED_BY_SOURCE if row.error else Reason.NOT_IN_EXPORT
    name = row.stated.rpartition("/")[2] or None
    return FailedItem(f"{key}#report", kind, number_cursor(number), reason, row.error or "item", name)


def _name_of(location: str) -> str:
    """Return what people call a place by: an address, or the name of a site."""
    return location.removeprefix(PARTIAL).rpartition("/")[2].casefold()


def is_export(folder: str) -> bool:
    """Say whether the names in a folder are those of a Purview export; for guessing only."""
    return any(_PART.fullmatch(name) or name.startswith("Reports-") for name in os.listdir(folder))


def _is_part(name: str) -> bool:
    return _PART.fullmatch(name) is not None or name.startswith("Reports-")


def _report(file: PackageFile) -> _Report | None:
    """Say which report a file is: by its name, in the zip or a folder of reports, or beside the parts.

    Not at the top of a part: a file of a site may have any name, and lies there when paths are condensed.
    """
    folder = file.inner.rpartition("/")[0].rpartition("/")[2]
    zipped = file.key[: -len(file.inner)].rstrip(INSIDE).rpartition("/")[2]
    if not folder.startswith("Reports") and (folder or _PART.fullmatch(zipped)):
        return None
    stated = _REPORT.fullmatch(file.name)
    if stated is None:
        return None
    role = stated["what"].lower()
    return _Report(file, role, _unreadable(file, _NEEDED[role]) if role in _NEEDED else None)


def _unreadable(file: PackageFile, needed: tuple[str, ...]) -> ItemError | None:
    """Return why a report cannot be used."""
    try:
        with file.stream() as stream:
            table = read_table(stream)
            return None if not needed or table.has(*needed) else ItemError(Reason.UNSUPPORTED, "columns")
    except ItemError as err:
        return err


def _inner(file: PackageFile) -> str:
    """Return the path of a file within its part, unpacked or not."""
    first, slash, rest = file.inner.partition("/")
    return rest if file.member is None and slash and _PART.fullmatch(first) else file.inner


def _key_of(file: PackageFile) -> str:
    """Return the key of a file as item reports name it: zip, then path."""
    if file.member is None:
        first, _, rest = file.inner.partition("/")
        return _normal_path(f"{first}.zip/{rest}") if _PART.fullmatch(first) else _normal_path(file.inner)
    return _normal_path(f"{file.key[: -len(file.inner) - 1].rpartition('/')[2]}/{file.inner}")


def _bare_key(file: PackageFile) -> str:
    return _normal_path(_inner(file))


def _normal_path(path: str) -> str:
    return storable(path).casefold()


def _place(inner: str) -> tuple[str, bool]:
    """Return mailbox or site of a path within a part, and whether it lies among the partially indexed.

    In lower case: report and zip may write an address differently.
    """
    folders = inner.split("/")
    kept = [part for part in folders[:-1] if normal(part) not in _PARTIAL_FOLDERS]
    partial = len(kept) < len(folders) - 1
    if len(kept) == 1 and folders[-1].lower().endswith(".pst"):
        kept.append(_PST_NUMBER.sub("", folders[-1]))
    return _normal_path("/".join(kept[:2])) or ".", partial


def _count_place(export: _Export, place: str) -> Expected:
    """Count the files of a place by the directories of the zips and the names beside them."""
    total = 0
    for key in export.place(place):
        if not key:
            total += sum(export.place_of(file) == place for file in export.files_in(key))
            continue
        with zipfile.ZipFile(export.files_in(key)[0].path) as archive:
            for info in archive.infolist():
                found, partial = _place(info.filename)
                total += not info.is_dir() and (f"{PARTIAL}{found}" if partial else found) == place
    return Expected(total, "zip directory")


def _summary_figure(report: _Report) -> int | None:
    """Return how many items the summary says were exported; a table of one row, or of names and values."""
    wanted = {normal(name) for name in _EXPORTED}
    with report.file.stream() as stream:
        table = read_table(stream)
        column = table.column(*_EXPORTED)
        for row in table.rows:
            if column is not None:
                return _number(row.get(column, ""))
            cells = list(row.values())
            if len(cells) > 1 and normal(cells[0]) in wanted:
                return _number(cells[1])
    return None


def _number(text: str) -> int | None:
    return whole_number(text.replace(",", "").strip())


def _code(text: str, otherwise: str) -> str:
    """Return a short code of an error; its words may hold content."""
    return text.lower() if _NAMED_CODE.fullmatch(text) and normal(text) not in _NOTHING else otherwise


def _moment(text: str) -> Moment:
    """Read a time of a report; they are UTC, whether they say so or not."""
    if not text:
        return NO_MOMENT
    at = None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        for form in _TIMES:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below
                break
            except ValueError:
                continue
    if at is None:
        return Moment(None, text, Basis.NONE)
    try:
        utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return Moment(None, text, Basis.NONE)
    return Moment(utc, text, Basis.STATED) if utc >= EARLIEST else Moment(None, text, Basis.NONE)
