"""Microsoft Purview eDiscovery: an export as it is downloaded, parts and report zip in one folder.

The parts (``Items.1.001.name.zip``, ``PSTs.001.name.zip``) hold messages, chats, files or PSTs by place; the
reports (``Items_0_….csv``, ``Locations_….csv``, ``Summary_….csv``) say what should be there and what failed.
File and column names vary by release, so columns are found by header. What is known of both:
https://learn.microsoft.com/purview/edisc-process-report, https://learn.microsoft.com/purview/edisc-search-export.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import ClassVar

from connectors.base import not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.data_files import DataFiles, data_files_among, told_of
from connectors.export_files import PackageConnector, PackageFile
from connectors.export_paths import containers, fates
from connectors.export_tables import HashSet, hash64, normal
from connectors.mbox import SeenHashes
from connectors.purview_facts import OF_TEAMS, Facts, Rows, of_conversation
from connectors.purview_package import Export
from connectors.purview_paths import PARTIAL, bare_key, inner_path, is_part, key_of, name_of, place_in
from connectors.purview_reports import FACTS, ItemRow, first_of
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    EMPTY,
    NO_MOMENT,
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reach, Reason, WarningCode

REPORTS = "reports"
SUMMARY = "reports/summary"
LACKING = "#items"

_TEAMS_FOLDER = "teamsmessagesdata"
_ATTACHMENT = re.compile(r"(?P<of>.+\.html?)-mimeatt", re.IGNORECASE | re.DOTALL)
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
        self._known: Export | None = None
        self._data = DataFiles(context, {})

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, or nothing there is of a Purview export.
        """
        super().check()
        export = self._export()
        self._refuse_packed_again(export.archives(), is_part, is_part)
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
        yield from self._nobodys({name_of(key) for key in export.places} | export.located)

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
            stated = export.index.inside.get(key_of(file), 0)
            try:
                there = self._data.total(key) if stated else None
            except ItemError:
                continue  # its own place says that it does not open
            if there is not None and there < stated:
                found[key] = f"stated_{stated}_there_{there}"
        return found

    def _wanted(self, location: str) -> bool:
        asked = self._asked()
        return not asked or name_of(location) in asked

    def _files(self, export: Export, place: str, key: str, window: Window, done: int) -> Iterator[Yielded]:
        if key not in export.place(place):
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        with Rows(export, place) as rows, export.opened(key) as (opened, all_files):
            files = [file for file in all_files if export.place_of(file) == place]
            for number, file in enumerate(files, 1):
                if number > done:
                    yield self._item(export, file, number, window, rows.of(file), place, opened)

    def _item(
        self,
        export: Export,
        file: PackageFile,
        number: int,
        window: Window,
        row: Facts,
        place: str,
        opened: zipfile.ZipFile | None,
    ) -> Yielded:
        """Return a file with what the report says of it."""
        facts, codes = dict(row.facts), list(row.warnings)
        lower = file.name.lower()
        folders = inner_path(file).split("/")[:-1]
        if len(folders) > 1 and "@" in folders[1]:
            facts.setdefault("account", folders[1])
        if len(folders) > 2:
            facts.setdefault("folder", "/".join(folders[2:]))
        if place.startswith(PARTIAL):
            codes.append(WarningCode.PARTLY_INDEXED)
        if file.inner.lower().endswith(".pst") and (stated := export.index.inside.get(key_of(file))):
            facts["items_stated"] = str(stated)
            codes = []
        attached = _ATTACHMENT.match(file.key)
        if attached is not None:
            facts["attached_to"] = attached["of"]
        chat = attached is None and (row.chat or _TEAMS_FOLDER in file.inner.casefold().split("/")[:-1])
        if chat:
            facts = of_conversation(facts)
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

    def _export(self) -> Export:
        """Return what lies at the path, listed once."""
        still_there(self._path)
        if self._known is None:
            export = self._known = Export(self._list(is_part))
            files = (file for key in ("", *export.opening) for file in export.files_in(key))
            wanted = (file for file in files if self._wanted(export.place_of(file)))
            self._data = DataFiles(self._context, data_files_among(wanted))
            self._apart = self._data.files
        return self._known


def _of_data_file(export: Export, file: PackageFile) -> tuple[dict[str, str], tuple[WarningCode, ...]]:
    """Return what an export says of all items of a PST, and what a reader must know."""
    folders = inner_path(file).split("/")[:-1]
    facts = {"container": file.key}
    if len(folders) > 1 and "@" in folders[1]:
        facts["account"] = folders[1]
    partly = export.place_of(file).startswith(PARTIAL)
    return facts, (WarningCode.PARTLY_INDEXED,) if partly else ()


def _without_file(export: Export, place: str, done: int) -> Iterator[Yielded]:
    """Yield what the item reports have of a place and the package has not."""
    there = HashSet()
    for key in export.place(place):
        for file in export.files_in(key):
            there.add(key_of(file))
            there.add(bare_key(file))
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


def _report_items(export: Export, done: int) -> Iterator[Yielded]:
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


def _lost(row: ItemRow, key: str, number: int) -> FailedItem:
    """Return a row whose item is not in the package."""
    found = {normal(name): (name, value) for name, value in row.values.items() if value}
    item_class = first_of(found, FACTS["item_class"]).casefold()
    kind = Kind.EMAIL if item_class.startswith("ipm.") else Kind.FILE
    kind = Kind.CHAT if item_class.startswith(OF_TEAMS) else kind
    reason = Reason.REFUSED_BY_SOURCE if row.error else Reason.NOT_IN_EXPORT
    name = row.stated.rpartition("/")[2] or None
    return FailedItem(f"{key}#report", kind, number_cursor(number), reason, row.error or "item", name)


def _count_place(export: Export, place: str) -> Expected:
    """Count the files of a place by the directories of the zips and the names beside them."""
    total = 0
    for key in export.place(place):
        if not key:
            total += sum(export.place_of(file) == place for file in export.files_in(key))
            continue
        with zipfile.ZipFile(export.files_in(key)[0].path) as archive:
            for info in archive.infolist():
                found, partial = place_in(info.filename)
                total += not info.is_dir() and (f"{PARTIAL}{found}" if partial else found) == place
    return Expected(total, "zip directory")
