"""Google Vault: an export as it is downloaded, in the present layout and in the older one with XML only.

The parts of an export (``name-1.zip``, ``name-2.zip`` …) and its reports lie in one folder. Mail is in mbox
files that know nothing of labels: those, and whose mailbox it was, stand in the reports and are joined to
each message here. File and column names: https://support.google.com/vault/answer/6099459.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import ClassVar, cast

from connectors import zips
from connectors.base import looks_like, not_one, still_there
from connectors.bytesource import errno_code
from connectors.cursors import number_cursor, read_number
from connectors.data_files import DataFiles, data_files_among, told_of
from connectors.export_files import Archive, PackageConnector, PackageFile
from connectors.export_paths import containers, fates
from connectors.export_tables import KeyedRows
from connectors.mbox_count import count_messages
from connectors.mbox_items import MboxPart, mbox_items, mbox_parts
from connectors.vault_facts import Metadata, rows_of_export
from connectors.vault_package import NO_COUNTS, Box, Export, is_mbox, is_part
from connectors.vault_reports import (
    REPORT,
    Report,
    drive_documents,
    error_items,
    fault_inside,
    is_of_chat,
)
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
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
from records.vocabulary import Kind, Reach, Reason

LOOSE = "."
_BUFFER = 1 << 20
_UNKNOWN = Expected(None, "unknown")


class VaultExport(PackageConnector):
    """One or more exports of Google Vault in a folder."""

    name: ClassVar[str] = "vault_export"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "Gmail exports as mbox: every message, with labels, holder and Gmail id from the metadata",
        "Chat and Groups exports as mbox; Drive, Voice and Calendar exports as files with their metadata",
        "PST exports: each folder of each PST is a place, its items Outlook message files",
        "mails that could not be converted to PST, as EML",
        "the older layout, whose metadata is XML only",
        "sums that are checked before a part is read; parts, messages and accounts that failed at Vault",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "PSTs with a header that cannot be read, and all where libpff is not installed: stored as files",
        "the content of confidential mail from outside: Vault exports its header only",
        "metadata of messages that are in a PST: Vault has nothing that joins the two",
        "sums of parts that somebody unpacked: the list is of the zips",
        "a last part that is missing where no list of sums is there",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "packages built to the published layout, old and new; none from a real tenant yet",
    )
    options: ClassVar[Mapping[str, str]] = {
        "accounts": "addresses of the holders whose mbox files are read, separated by commas; else all",
        "matter": "with `connection`: id of the matter that the export is created in",
        "export": "with `connection`: id of an export that exists already; else one is created",
        "corpus": "with `connection`: MAIL (else), HANGOUTS_CHAT, GROUPS, DRIVE or VOICE",
        "terms": "with `connection`: Vault search terms; else everything in the window",
    }
    needed: ClassVar[tuple[str, ...]] = ("matter",)
    of_files: ClassVar[frozenset[str]] = frozenset({"accounts"})
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "corpus": ("MAIL", "HANGOUTS_CHAT", "GROUPS", "DRIVE", "VOICE")
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
            SettingsError: No path was given, or nothing there is of a Vault export.
        """
        super().check()
        export = self._export()
        self._refuse_packed_again(export.archives, is_part, lambda name: REPORT.fullmatch(name) is not None)
        if export.boxes or export.reports:
            return
        named = any(is_part(one.name) for one in export.archives)
        # the parts of other packages are named much alike
        if not named or looks_like(self._path, self.name) not in {"", "mail_files"}:
            raise not_one(self._context.source_id, "Vault export", self._path, self.name)

    def scopes(self) -> Iterator[Scope]:
        """List parts that are missing or broken, mailboxes, other files, then what failed at Vault."""
        export = self._export()
        for key in sorted({*export.missing, *export.broken}):
            yield Scope(key, key.rpartition("/")[2], "archive")
        for box in self._boxes(wanted=True):
            yield Scope(box.key, box.account or box.key.rpartition("/")[2], "mbox")
        for key, archives in export.groups.items():
            if archives:
                yield Scope(key, key, "export")
        yield from self._data.scopes()
        if export.loose:
            yield Scope(LOOSE, LOOSE, "folder")
        for report in export.of("errors"):
            yield Scope(f"{report.file.key}#errors", report.file.name, "errors")
        for failed in export.accounts:
            yield Scope(failed.key, failed.account, "account")

    def unreached(self) -> Iterator[Unreached]:
        """List the mailboxes of the package that ``accounts`` leaves out, and accounts that it lacks."""
        for box in self._boxes(wanted=False):
            yield Unreached(box.key, box.account, "mbox", Reach.NOT_ASKED, "accounts")
        export = self._export()
        known = {box.account.casefold() for box in export.boxes.values()}
        known |= {failed.account.casefold() for failed in export.accounts}
        yield from self._nobodys(known.union(*(counts.by_account for counts in export.counts.values())))

    def count(self, scope: Scope) -> Expected:
        """Take the figure of the result counts, of the metadata or of a zip's directory, else a byte scan.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        if self._data.file_of(scope) is not None:
            return self._data.count(scope)
        if scope.kind == "mbox":
            return self._count_box(export, export.box(scope.key))
        if scope.kind == "export":
            return self._count_group(export, scope.key)
        if scope.kind == "folder":
            return Expected(len(export.loose), "folder walk")
        if scope.kind == "errors":
            report = export.report(scope.key.removesuffix("#errors"))
            stated = export.counts.get(report.stem, NO_COUNTS).errors
            return _UNKNOWN if stated is None else Expected(stated, "result counts")
        if scope.kind == "account":
            return _UNKNOWN
        export.raise_if_gone(scope.key)
        return Expected(1, "list of sums" if export.sums else "part numbers")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Give one part a file of the package; a plain mbox is cut at separators.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        if self._data.file_of(scope) is not None:
            yield from self._data.parts(scope, max_items, max_bytes)
        elif scope.kind == "mbox":
            number = 0
            for file in export.box(scope.key).files:
                cut = [Part(scope, size_bytes=file.size())]
                if file.member is None:
                    cut = list(mbox_parts(file.path, scope, max_items, max_bytes))
                for part in cut:
                    spec = canonical.dumps({"v": 1, "file": file.key, "mbox": part.spec})
                    yield replace(part, number=number, spec=spec)
                    number += 1
        elif scope.kind == "export":
            for number, archive in enumerate(export.group(scope.key)):
                spec = canonical.dumps({"v": 1, "file": archive.key})
                yield Part(scope, number, spec, size_bytes=archive.size())
        else:
            yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield messages in file order, files in the order of their zip, errors in that of their report.

        Raises:
            ItemError: The scope, or the file that this part is of, cannot be opened, or its sum is wrong.
        """
        export = self._export()
        scope, done = part.scope, read_number(cursor)
        if (key := self._data.file_of(scope)) is not None:
            path = self._data.files[key].path
            self._raise_unless_whole(path, export.sum_of(path))
            yield from told_of(self._data.items(part, window, cursor), {"container": key})
            return
        stated = canonical.loads(part.spec or '{"v":1}')
        if stated.get("v") != 1:
            raise SettingsError("a part of a Vault export was cut by another version; plan the run again")
        if scope.kind == "mbox":
            box = export.box(scope.key)
            file = next((file for file in box.files if file.key == stated.get("file")), None)
            if file is None:
                raise ItemError(Reason.UNREADABLE, "scope_gone")
            yield from self._mails(export, box, file, stated["mbox"], window, cursor)
        elif scope.kind == "export":
            yield from self._members(export, scope.key, stated["file"], window, done)
        elif scope.kind == "folder":
            yield from self._loose(export, window, done)
        elif scope.kind == "errors":
            yield from error_items(export.report(scope.key.removesuffix("#errors")), done)
        elif scope.kind == "account":
            failed = next((one for one in export.accounts if one.key == scope.key), None)
            raise ItemError(Reason.REFUSED_BY_SOURCE, failed.detail if failed else "scope_gone")
        else:
            export.raise_if_gone(scope.key)
            if not done:
                yield FailedItem(
                    scope.key, Kind.FILE, number_cursor(1), Reason.NOT_IN_EXPORT, "export_part", scope.label
                )

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: mail and what lies in a zip or a folder of the export is read."""
        export = self._export()
        boxes = [file for box in export.boxes.values() for file in box.files if file.member is None]
        inside = [file for archive in export.archives for file in archive.files()]
        broken = [Archive(key, export.zips[key].path) for key in export.broken]
        yield from containers((*export.archives, *broken), self._path, export.broken)
        yield from fates(
            (*boxes, *inside, *export.loose),
            self._path,
            lambda file: file.member is not None or is_mbox(file) or "/" in file.key,
            lambda file: "report" if file.key in export.by_key else "",
        )

    def _boxes(self, *, wanted: bool) -> list[Box]:
        asked = self._asked()
        boxes = self._export().boxes
        return [
            box
            for box in boxes.values()
            if (not asked or not box.account or box.account.casefold() in asked) == wanted
        ]

    def _mails(
        self, export: Export, box: Box, file: PackageFile, spec: str, window: Window, cursor: str | None
    ) -> Iterator[Yielded]:
        self._raise_unless_whole(file.path, export.sum_of(file.path))
        plain = file.path if file.member is None else None
        metadata = self._metadata(export, box.stem, box.account)
        with closing(file.source()) as source:
            for value in mbox_items(
                source, plain, MboxPart.read(spec), window, self._context.time_zone, cursor,
                envelope_facts=metadata.of_message,
            ):  # fmt: skip
                yield replace(value, kind=Kind.CHAT) if metadata.chat else value

    def _members(self, export: Export, group: str, key: str, window: Window, done: int) -> Iterator[Yielded]:
        archive = next((one for one in export.group(group) if one.key == key), None)
        if archive is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        self._raise_unless_whole(archive.path, export.sum_of(archive.path))
        metadata = self._metadata(export, group)
        with archive.opened() as (opened, files):
            for number, file in enumerate(export.others(archive, files), 1):
                if number > done:
                    yield self._file(export, file, number, window, metadata, opened)

    def _loose(self, export: Export, window: Window, done: int) -> Iterator[Yielded]:
        records = any(file.key not in export.by_key for file in export.loose)
        metadata = self._metadata(export, "") if records else Metadata(export, "", KeyedRows())
        for number, file in enumerate(export.loose, 1):
            if number <= done:
                continue
            try:
                self._raise_unless_whole(file.path, export.sum_of(file.path))
            except ItemError as err:
                yield FailedItem(
                    file.key, Kind.FILE, number_cursor(number), err.reason, err.detail, file.name
                )
            else:
                yield self._file(export, file, number, window, metadata)

    def _metadata(self, export: Export, stem: str, account: str = "") -> Metadata:
        return Metadata(export, stem, rows_of_export(export, stem, self._context.scratch), account)

    def _file(
        self,
        export: Export,
        file: PackageFile,
        number: int,
        window: Window,
        metadata: Metadata,
        opened: zipfile.ZipFile | None = None,
    ) -> Yielded:
        cursor = number_cursor(number)
        report = export.by_key.get(file.key)
        problem = None if report is None else report.problem or fault_inside(report)
        if problem is not None:
            return FailedItem(file.key, Kind.FILE, cursor, problem.reason, problem.detail, file.name)
        if report is not None:
            return ExcludedItem(
                file.key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, f"vault_{report.role}", file.name
            )
        facts = metadata.of_file(file.name)
        return self._value(file, number, window, opened=opened, metadata=facts)

    def _count_box(self, export: Export, box: Box) -> Expected:
        counts = export.counts.get(box.stem, NO_COUNTS)
        stated = counts.by_account.get(box.account.casefold()) if box.account else None
        alone = sum(other.stem == box.stem for other in export.boxes.values()) == 1
        if stated is None and alone:
            stated = counts.total
        if stated is not None and not is_of_chat(export.near(box.stem, "metadata")):
            return Expected(stated, "result counts")
        total = 0
        for file in box.files:
            found = _scan(file)
            if found is None:
                return _UNKNOWN
            total += found
        return Expected(total, "byte scan")

    def _count_group(self, export: Export, key: str) -> Expected:
        stated = sum(drive_documents(report) for report in export.near(key, "metadata"))
        if stated:
            return Expected(stated, "metadata")
        total = 0
        for archive in export.group(key):
            try:
                with zipfile.ZipFile(archive.path) as opened:
                    names = [info for info in opened.infolist() if not info.is_dir()]
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
                with zips.opened(archive.path):  # says why in our words
                    return _UNKNOWN
            total += len(names) - export.mboxes_in(archive)
        return Expected(total, "zip directory")

    def _export(self) -> Export:
        """Return what lies at the path, listed once; its sums are known before anything else is read."""
        still_there(self._path)
        if self._known is None:
            export = Export(self._list(is_part), self._path)
            for report in export.reports:
                report.problem = report.problem or self._fault_of(report, export)
            export.read_counts()
            self._known = export
            inside = (file for one in export.archives for file in export.others(one, one.files()))
            self._data = DataFiles(self._context, data_files_among((*inside, *export.loose)))
            self._apart = self._data.files
        return self._known

    def _fault_of(self, report: Report, export: Export) -> ItemError | None:
        """Return why a report is not used: its sum, or that of the zip it is in, is wrong."""
        try:
            self._raise_unless_whole(report.file.path, export.sum_of(report.file.path))
        except ItemError as err:
            return err
        return None


def _scan(file: PackageFile) -> int | None:
    """Count the messages of an mbox; None where that cannot be known."""
    if file.member is None:
        try:
            with open(file.path, "rb", _BUFFER) as stream:
                return count_messages(stream, can_seek=True)
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    try:
        with io.BufferedReader(cast("io.RawIOBase", file.stream()), _BUFFER) as packed:
            return count_messages(packed, can_seek=False)
    except ItemError:
        return None
