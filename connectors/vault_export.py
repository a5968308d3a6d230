"""Google Vault: an export as it is downloaded, in the present layout and in the older one with XML only.

The parts of an export (``name-1.zip``, ``name-2.zip`` …) and its reports lie in one folder. Mail is in mbox
files that know nothing of labels: those, and whose mailbox it was, stand in the reports and are joined to
each message here. File and column names: https://support.google.com/vault/answer/6099459.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar, cast

from connectors import zips
from connectors.base import looks_like, not_one, still_there
from connectors.bytesource import errno_code
from connectors.cursors import number_cursor, read_number
from connectors.data_files import DataFiles, data_files_among, told_of
from connectors.export_files import Archive, Package, PackageConnector, PackageFile, missing_numbers
from connectors.export_paths import containers, fates
from connectors.export_tables import KeyedRows, Record, normal, read_checksums, read_table, read_xml, xml_root
from connectors.folders import is_system_name, storable
from connectors.mailhead import field as mail_field
from connectors.mbox import named_otherwise, starts_like_mbox
from connectors.mbox_count import count_messages
from connectors.mbox_items import Facts, MboxPart, mbox_items, mbox_parts
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    EMPTY,
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
from records.numbers import whole_number
from records.vocabulary import Kind, Reach, Reason, WarningCode

LOOSE = "."

_PART = re.compile(r"(?P<stem>.+?[-_])(?P<number>\d{1,4})(?P<rest>\.zip)", re.IGNORECASE | re.DOTALL)
_COPY = re.compile(r" \(\d+\)(?=\.[^.]+$)")
"""What a browser puts into the name of a file that it saves a second time."""

_REPORT = re.compile(
    r"(?:(?P<stem>.+)[-_])?(?P<what>metadata|results?-counts?|errors?|drive-links|group-membership"
    r"|custodian-docid|account-exceptions|incomplete-accounts|failed-group-membership-lookups)"
    r"\.(?P<form>csv|xml)",
    re.IGNORECASE | re.DOTALL,
)
_DRIVE_ID = re.compile(r"_(?P<id>[A-Za-z0-9_-]{10,})(?:\.[^.]*)?$")
_ENVELOPE_ID = re.compile(rb"From (\S+)")
_MESSAGE_ID = (b"Message-ID", b"Message-Id", b"Message-id")

_ID = ("Rfc822MessageId",)
_GMAIL_ID = ("GmailMessageId", "DocId", "DocID")
_ACCOUNT = ("Account", "AccountEmail", "Email", "User", "Custodian", "Account Email")
_OURS = (("gmail_id", _GMAIL_ID), ("account", _ACCOUNT), ("received", ("DateReceived",)))
_OF_ROOM = (
    ("group", ("RoomID", "SpaceID")),
    ("group_name", ("RoomName", "SubjectAtStart")),
    ("group_kind", ("RoomType",)),
)
"""The conversation of a chat, under the names that all connectors have for one."""

_OK = ("SuccessCount", "Success Count", "Count", "Message Count", "Messages")
_BAD = ("MessageErrorCount", "Message Error Count", "ErrorCount")
_STATUS = ("AccountStatus", "Account Status")
_OF_CHAT = ("RoomID", "RoomName", "RoomType", "SpaceID", "DateFirstMessageSent", "SubjectAtStart")
_OF_DRIVE = ("DocumentType", "#Title")
_ERROR_ELEMENTS = ("Document", "Error", "MessageError", "AccountError", "Failure", "Message")
_ERROR_IDS = ("Document ID", "Drive Document ID", "DocID", *_ID, "GmailMessageId", "MessageID", "Id")
_ERROR_CODES = ("ErrorCode", "Error Code", "ErrorType", "Error Type", "Code", "Type")
_CODE = re.compile(r"[A-Za-z][A-Za-z_]{2,40}")
_LOOSE_BOX = re.compile(r"(?P<stem>[^@]+?)-(?P<rest>[^@-]+@.+)", re.DOTALL)
_ROLES = {
    "metadata": "metadata", "result-count": "result_counts", "error": "errors", "drive-link": "drive_links",
    "group-membership": "group_membership", "custodian-docid": "holders", "account-exception": "accounts",
    "incomplete-account": "accounts", "failed-group-membership-lookup": "errors",
}  # fmt: skip
_NEEDED: dict[str, tuple[str, ...]] = {
    "metadata": (*_ID, *_GMAIL_ID),
    "result_counts": (*_OK, *_STATUS),
    "drive_links": ("DriveItemId",),
}
_JOINED_IN_ORDER = ("metadata", "drive_links", "holders")
_JOINED = frozenset(_JOINED_IN_ORDER)
_LOOKED_AT = 50
_IN_THE_MAIL = frozenset(map(normal, ("From", "To", "CC", "Subject", "DateSent", "FileName", *_ID)))
"""What a message says itself; the rest of a row is kept as facts."""

_DRAFTS = frozenset({"draft", "drafts"})
_BUFFER = 1 << 20
_HEAD = 16 << 10
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
        self._known: _Export | None = None
        self._data = DataFiles(context, {})

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, or nothing there is of a Vault export.
        """
        super().check()
        export = self._export()
        self._refuse_packed_again(export.archives, _is_part, lambda name: _REPORT.fullmatch(name) is not None)
        if export.boxes or export.reports:
            return
        named = any(_is_part(one.name) for one in export.archives)
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
            stated = export.counts.get(report.stem, _NO_COUNTS).errors
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
            yield from _error_items(export.report(scope.key.removesuffix("#errors")), done)
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
            lambda file: file.member is not None or _is_mbox(file) or "/" in file.key,
            lambda file: "report" if file.key in export.by_key else "",
        )

    def _boxes(self, *, wanted: bool) -> list[_Box]:
        asked = self._asked()
        boxes = self._export().boxes
        return [
            box
            for box in boxes.values()
            if (not asked or not box.account or box.account.casefold() in asked) == wanted
        ]

    def _mails(
        self, export: _Export, box: _Box, file: PackageFile, spec: str, window: Window, cursor: str | None
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

    def _members(self, export: _Export, group: str, key: str, window: Window, done: int) -> Iterator[Yielded]:
        archive = next((one for one in export.group(group) if one.key == key), None)
        if archive is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        self._raise_unless_whole(archive.path, export.sum_of(archive.path))
        metadata = self._metadata(export, group)
        with archive.opened() as (opened, files):
            for number, file in enumerate(export.others(archive, files), 1):
                if number > done:
                    yield self._file(export, file, number, window, metadata, opened)

    def _loose(self, export: _Export, window: Window, done: int) -> Iterator[Yielded]:
        records = any(file.key not in export.by_key for file in export.loose)
        metadata = self._metadata(export, "") if records else _Metadata(export, "", KeyedRows())
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

    def _metadata(self, export: _Export, stem: str, account: str = "") -> _Metadata:
        return _Metadata(export, stem, _rows(export, stem, self._context.scratch), account)

    def _file(
        self,
        export: _Export,
        file: PackageFile,
        number: int,
        window: Window,
        metadata: _Metadata,
        opened: zipfile.ZipFile | None = None,
    ) -> Yielded:
        cursor = number_cursor(number)
        report = export.by_key.get(file.key)
        problem = None if report is None else report.problem or _fault_inside(report)
        if problem is not None:
            return FailedItem(file.key, Kind.FILE, cursor, problem.reason, problem.detail, file.name)
        if report is not None:
            return ExcludedItem(
                file.key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, f"vault_{report.role}", file.name
            )
        facts = metadata.of_file(file.name)
        return self._value(file, number, window, opened=opened, metadata=facts)

    def _count_box(self, export: _Export, box: _Box) -> Expected:
        counts = export.counts.get(box.stem, _NO_COUNTS)
        stated = counts.by_account.get(box.account.casefold()) if box.account else None
        alone = sum(other.stem == box.stem for other in export.boxes.values()) == 1
        if stated is None and alone:
            stated = counts.total
        if stated is not None and not _of_chat(export.near(box.stem, "metadata")):
            return Expected(stated, "result counts")
        total = 0
        for file in box.files:
            found = _scan(file)
            if found is None:
                return _UNKNOWN
            total += found
        return Expected(total, "byte scan")

    def _count_group(self, export: _Export, key: str) -> Expected:
        stated = sum(_drive_documents(report) for report in export.near(key, "metadata"))
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

    def _export(self) -> _Export:
        """Return what lies at the path, listed once; its sums are known before anything else is read."""
        still_there(self._path)
        if self._known is None:
            export = _Export(self._list(_is_part), self._path)
            for report in export.reports:
                report.problem = report.problem or self._fault_of(report, export)
            export.read_counts()
            self._known = export
            inside = (file for one in export.archives for file in export.others(one, one.files()))
            self._data = DataFiles(self._context, data_files_among((*inside, *export.loose)))
            self._apart = self._data.files
        return self._known

    def _fault_of(self, report: _Report, export: _Export) -> ItemError | None:
        """Return why a report is not used: its sum, or that of the zip it is in, is wrong."""
        try:
            self._raise_unless_whole(report.file.path, export.sum_of(report.file.path))
        except ItemError as err:
            return err
        return None


@dataclass(slots=True)
class _Report:
    """A table that Vault puts beside the parts.

    Attributes:
        file: Where it is.
        role: What it is of.
        stem: Name of the export; empty when its name has none.
        problem: Why it is not used, or None.
    """

    file: PackageFile
    role: str
    stem: str
    problem: ItemError | None = None


@dataclass(frozen=True, slots=True)
class _Box:
    """The mbox files of one holder in one export; one file where its name names no holder."""

    key: str
    stem: str
    account: str
    files: tuple[PackageFile, ...]


@dataclass(frozen=True, slots=True)
class _Failed:
    """An account that Vault could not export, or not all of."""

    key: str
    account: str
    detail: str


@dataclass(slots=True)
class _Counts:
    """What the result counts of one export say.

    Attributes:
        by_account: Messages by holder, in lower case.
        total: Messages, or None.
        errors: Messages that failed, or None.
    """

    by_account: dict[str, int] = field(default_factory=dict)
    total: int | None = None
    errors: int | None = None


_NO_COUNTS = _Counts()


class _Export:
    """Everything at a path, sorted by what it is.

    Attributes:
        archives: The zips that open.
        path: Where it lies.
        zips: All zips, by key.
        broken: The zips that do not, and why.
        missing: Names of files that the sums or the numbers say are missing.
        boxes: Mbox files by scope key.
        groups: By export, the zips that hold other files.
        loose: Files beside the zips, mbox files left out.
        reports: Tables among them and in the zips.
        sums: MD5 by file name.
        counts: Result counts by export.
        accounts: Accounts that failed.
    """

    def __init__(self, package: Package, path: str) -> None:
        """Sort what was listed at a path."""
        self.path = path
        self.zips = package.archives
        self.archives: list[Archive] = []
        self.broken: dict[str, ItemError] = {}
        self.reports: list[_Report] = []
        self.sums: dict[str, str] = {}
        self.counts: dict[str, _Counts] = {}
        self.accounts: list[_Failed] = []
        self.groups: dict[str, list[Archive]] = {}
        self._mboxes: dict[str, frozenset[str]] = {}
        self._drive: dict[str, str] | None = None
        boxes: dict[str, list[PackageFile]] = {}
        named: dict[str, tuple[str, str]] = {}
        for archive in package.archives.values():
            try:
                with archive.opened() as (opened, files):
                    mboxes = [file for file in files if _is_mbox(file, opened)]
            except ItemError as err:
                self.broken[archive.key] = err
                continue
            self.archives.append(archive)
            stem = _stem(archive.name)
            self._mboxes[archive.key] = frozenset(file.key for file in mboxes)
            for file in mboxes:
                _into_box(boxes, named, file, stem)
            if len(mboxes) < len(files):
                self.groups.setdefault(stem, []).append(archive)
            self.reports += [
                report
                for file in files
                if file.key not in self._mboxes[archive.key] and (report := _report(file)) is not None
            ]
        self.loose: list[PackageFile] = []
        for file in package.loose.values():
            if _is_mbox(file):
                _into_box(boxes, named, file, "")
            else:
                self.loose.append(file)
                if (report := _report(file, loose=True)) is not None:
                    self.reports.append(report)
        self.boxes = {key: _Box(key, *named[key], tuple(files)) for key, files in sorted(boxes.items())}
        self.by_key = {report.file.key: report for report in self.reports}
        self._read_sums()
        self.missing = self._missing()

    def _read_sums(self) -> None:
        for report in self.of("sums"):
            try:
                with report.file.stream() as stream:
                    self.sums |= read_checksums(stream)
            except ItemError as err:
                report.problem = err

    def _missing(self) -> frozenset[str]:
        there = {archive.name for archive in self.archives} | {key.rpartition("/")[2] for key in self.broken}
        lost = set(missing_numbers(there, _PART))
        loose = [*self.loose, *(file for box in self.boxes.values() for file in box.files)]
        there |= {file.name for file in loose}
        there |= {_COPY.sub("", name) for name in there}
        unpacked = not self.archives and not self.broken
        listed = {name for name in self.sums if not (unpacked and name.lower().endswith(".zip"))}
        return frozenset((lost | listed) - there)

    def sum_of(self, path: str) -> str | None:
        """Return the sum that the export states of a file; None when it states none."""
        name = storable(os.path.basename(path))
        return self.sums.get(name) or self.sums.get(_COPY.sub("", name))

    def of(self, role: str) -> list[_Report]:
        """Return the reports of a kind, in the order of their keys."""
        return sorted((one for one in self.reports if one.role == role), key=lambda one: one.file.key)

    def near(self, stem: str, role: str) -> list[_Report]:
        """Return the reports of a kind that can be used and belong to an export."""
        usable = [report for report in self.of(role) if report.problem is None]
        exact = [report for report in usable if report.stem == stem]
        if exact or not stem:
            return exact or usable
        shared = {
            report.file.key: len(min(stem, report.stem, key=len))
            for report in usable
            if report.stem and (stem.startswith(report.stem) or report.stem.startswith(stem))
        }
        if shared:
            closest = max(shared.values())
            return [report for report in usable if shared.get(report.file.key) == closest]
        return usable

    def report(self, key: str) -> _Report:
        """Return a report by the key of its file; raises ItemError where it cannot be used."""
        found = self.by_key.get(key)
        if found is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        if found.problem is not None:
            raise ItemError(found.problem.reason, found.problem.detail)
        return found

    def box(self, key: str) -> _Box:
        """Return mbox files by their scope; raises ItemError (``unreadable``, ``scope_gone``)."""
        if (found := self.boxes.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def group(self, key: str) -> list[Archive]:
        """Return the zips of an export that hold other files; raises ItemError likewise."""
        if (found := self.groups.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def others(self, archive: Archive, files: list[PackageFile]) -> list[PackageFile]:
        """Return those members of a zip that are no mbox."""
        return [file for file in files if file.key not in self._mboxes[archive.key]]

    def mboxes_in(self, archive: Archive) -> int:
        """Return how many members of a zip are mbox files."""
        return len(self._mboxes[archive.key])

    def raise_if_gone(self, key: str) -> None:
        """Raise the reason why a zip does not open."""
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)

    def drive_key(self, drive_id: str) -> str | None:
        """Return the key of the file of the package that has this id of Drive in its name."""
        if self._drive is None:
            files = [*self.loose, *(f for a in self.archives for f in self.others(a, a.files()))]
            found = ((_DRIVE_ID.search(file.name), file.key) for file in files)
            self._drive = {match["id"]: key for match, key in found if match is not None}
        return self._drive.get(drive_id)

    def read_counts(self) -> None:
        """Read how many messages each holder should have, and which accounts failed."""
        for report in self.of("result_counts"):
            self._guarded(report, self._read_counts)
        for report in self.of("accounts"):
            self._guarded(report, self._read_accounts)

    def _guarded(self, report: _Report, read: Callable[[_Report], None]) -> None:
        if report.problem is None:
            try:
                read(report)
            except ItemError as err:
                report.problem = err
                self.counts.pop(report.stem, None)

    def _read_counts(self, report: _Report) -> None:
        """Read result counts; the first row, or the one without an address, has the totals."""
        counts = self.counts.setdefault(report.stem, _Counts())
        with report.file.stream() as stream:
            table = read_table(stream)
            account, good = table.column(*_ACCOUNT), table.column(*_OK)
            bad, status = table.column(*_BAD), table.column(*_STATUS)
            if good is None and status is None:
                raise ItemError(Reason.UNSUPPORTED, "columns")
            sums, failed = 0, 0
            for row in table.rows:
                found, lost = _number(row.get(good or "")), _number(row.get(bad or ""))
                holder = row.get(account or "", "")
                if "@" not in holder:
                    counts.total, counts.errors = found, lost
                    continue
                sums, failed = sums + (found or 0), failed + (lost or 0)
                if found is not None:
                    counts.by_account[holder.casefold()] = found
                said = normal(row.get(status or "", ""))
                if said and said != "success":
                    self._fail(
                        report, holder, "account_error" if said == "accounterror" else "account_partial"
                    )
        if counts.total is None and good is not None:
            counts.total = sums
        if counts.errors is None and bad is not None:
            counts.errors = failed

    def _read_accounts(self, report: _Report) -> None:
        with report.file.stream() as stream:
            table = read_table(stream)
            account = table.column(*_ACCOUNT) or table.header[0]
            for row in table.rows:
                self._fail(report, row.get(account, ""), "account_error")

    def _fail(self, report: _Report, account: str, detail: str) -> None:
        key = f"{report.file.key}#{account}"
        if key in {one.key for one in self.accounts}:
            key = f"{key}#{len(self.accounts)}"
        self.accounts.append(_Failed(key, account, detail))


_INDEXES: OrderedDict[str, KeyedRows] = OrderedDict()
"""Rows that this process has read, by the process and the reports: those of a few exports, not of all."""
_INDEXES_KEPT = 4
_INDEX_VERSION = "1"


def _rows(export: _Export, stem: str, scratch: str | None) -> KeyedRows:
    """Return the rows of the reports of an export, which are read once, however many parts it has.

    They are kept in this process, and for the others in the run's scratch folder. Both go by place, size and
    time of the reports, so that another package at the same place is read anew.
    """
    reports = [(role, report) for role in _JOINED_IN_ORDER for report in export.near(stem, role)]
    about = [f"{role} {report.file.key} {_stamp(report.file.path)}" for role, report in reports]
    stated = "\n".join([_INDEX_VERSION, export.path, *about])
    name = hashlib.sha256(stated.encode("utf-8", "surrogateescape")).hexdigest()
    here = f"{os.getpid()} {name}"  # a file that is open is not shared with a process that was forked
    if here in _INDEXES:
        _INDEXES.move_to_end(here)
        return _INDEXES[here]
    file = Path(scratch) / f"vault-{name[:32]}.rows" if scratch and reports else None
    rows = KeyedRows.kept(file) if file is not None else None
    if rows is None:
        rows = _read_rows(reports)
        if file is not None:
            with contextlib.suppress(OSError):  # it is read again then; a full disk is told where it matters
                rows.keep(file)
    _INDEXES[here] = rows
    while len(_INDEXES) > _INDEXES_KEPT:
        _INDEXES.popitem(last=False)
    return rows


def _stamp(path: str) -> str:
    try:
        about = os.stat(path)
    except OSError:
        return "gone"
    return f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}"


def _read_rows(reports: Iterable[tuple[str, _Report]]) -> KeyedRows:
    """Read reports; that the rest of one cannot be read is said where the report itself is read."""
    rows = KeyedRows()
    add = {"metadata": _add_row, "drive_links": _add_link, "holders": _add_holder}
    for role, report in reports:
        with contextlib.suppress(ItemError):
            for row in _rows_of(report):
                add[role](rows, row)
    return rows


def _add_row(rows: KeyedRows, row: _Row) -> None:
    if message_id := _bare_id(row.value(*_ID)):
        rows.add(f"id:{message_id}", row.values)
    for name in row.files:
        rows.add(f"file:{name}", row.values)
    if row.of_xml and (doc := row.value(*_GMAIL_ID)):
        rows.add(f"doc:{doc}", row.values)


def _add_link(rows: KeyedRows, row: _Row) -> None:
    if (message_id := _bare_id(row.value(*_ID))) and (drive := row.value("DriveItemId")):
        rows.add(f"link:{message_id}", {"id": drive, "url": row.value("DriveUrl")})


def _add_holder(rows: KeyedRows, row: _Row) -> None:
    if (doc := row.value("DocID", "DocumentID", "Document ID")) and (who := row.value(*_ACCOUNT)):
        rows.add(f"holder:{doc}", {"account": who})


def _of_chat(reports: Iterable[_Report]) -> bool:
    return any(_says(report, _OF_CHAT) for report in reports)


class _Metadata:
    """What the reports of an export say of its messages and files.

    Attributes:
        chat: The export is of Chat: its mails are conversations.
    """

    def __init__(self, export: _Export, stem: str, rows: KeyedRows, account: str = "") -> None:
        """Take the rows of an export.

        Args:
            export: The package.
            stem: Which export of it.
            rows: Of its reports.
            account: Whose messages; empty for all. Of rows that name a holder, only the holder's are used.
        """
        self._export = export
        self._account = account.casefold()
        self._rows = rows
        reports = export.near(stem, "metadata")
        self.chat = _of_chat(reports)
        self._known = bool(reports)

    def _get(self, key: str) -> list[dict[str, str]]:
        """Return the rows of a key that are of the account."""
        found = self._rows.get(key)
        return [row for row in found if self._is_mine(row)] if self._account else found

    def _is_mine(self, row: dict[str, str]) -> bool:
        holder = _value(row, *_ACCOUNT)
        return not holder or holder.casefold() == self._account

    def of_message(self, envelope: bytes, head: bytes, end: int) -> Facts:
        """Return the facts of a message by its place's name in the older layout, else by its Message-ID."""
        named = _ENVELOPE_ID.match(envelope)
        stated = next((body for name in _MESSAGE_ID if (body := mail_field(head, name, end))), b"")
        message_id = _bare_id(stated.decode("utf-8", "replace"))
        rows = self._get(f"file:{named[1].decode('utf-8', 'replace')}") if named else []
        rows = rows or (self._get(f"id:{message_id}") if message_id else [])
        found = {normal(name): value for row in reversed(rows) for name, value in row.items() if value}
        gmail_id = next((found[name] for name in map(normal, _GMAIL_ID) if name in found), "")
        for row in self._get(f"doc:{gmail_id}") if gmail_id else []:
            found = {normal(name): value for name, value in row.items() if value} | found
        facts = {name: value for name, value in found.items() if name not in _IN_THE_MAIL}
        for ours, theirs in (*_OURS, *(_OF_ROOM if self.chat else ())):
            values = [facts.pop(normal(name)) for name in theirs if normal(name) in facts]
            if values:
                facts[ours] = values[0]
        labels = list(dict.fromkeys(one for row in rows for one in _labels(row)))
        facts.pop("labels", None)
        if labels:
            facts["labels"] = _one_line(labels)
        if self._account and rows:
            facts.setdefault("account", self._account)
        plain = {normal(label) for label in labels}
        codes = [WarningCode.DRAFT] if plain & _DRAFTS else []
        codes += [WarningCode.DELETED] if "deleted" in plain else []
        links, whole = self._links(message_id)
        if links:
            facts["drive_links"] = canonical.dumps(links)
        if not whole or (self._known and not rows):
            codes.append(WarningCode.MISSING_PART)
        return facts or EMPTY, tuple(codes)

    def _links(self, message_id: str) -> tuple[list[dict[str, str]], bool]:
        """Return the files of Drive that a message links to, and whether all are in the package."""
        links, whole = [], True
        for row in self._rows.get(f"link:{message_id}") if message_id else []:
            key = self._export.drive_key(row["id"])
            whole = whole and key is not None
            links.append({name: value for name, value in {**row, "native_key": key or ""}.items() if value})
        return links, whole

    def of_file(self, name: str) -> Mapping[str, str]:
        """Return the facts of a file of Drive by its name."""
        facts: dict[str, str] = {}
        for row in reversed(self._get(f"file:{name}")):
            facts |= {normal(key): value for key, value in row.items() if value}
        for row in self._rows.get(f"holder:{facts['docid']}") if "docid" in facts else []:
            facts["account"] = ", ".join(filter(None, (facts.get("account"), row["account"])))
        if facts and (drive := _DRIVE_ID.search(name)) is not None:
            facts["drive_id"] = drive["id"]
        return facts or EMPTY


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a CSV, or one document of an XML.

    Attributes:
        values: By column or tag as stated.
        files: Names of the files that it is of.
        of_xml: Which of the two.
    """

    values: dict[str, str]
    files: tuple[str, ...]
    of_xml: bool

    def value(self, *names: str) -> str:
        """Return what stands under the first of these names that has something."""
        return _value(self.values, *names)


def _value(values: Mapping[str, str], *names: str) -> str:
    known = {normal(name): value for name, value in values.items()}
    return next((known[name] for name in map(normal, names) if known.get(name)), "")


def _rows_of(report: _Report) -> Iterator[_Row]:
    """Yield the rows of a report; raises ItemError where it is cut or damaged."""
    with report.file.stream() as stream:
        if report.file.name.lower().endswith(".xml"):
            for record in read_xml(stream, "Document"):
                yield _row_of(record)
            return
        table = read_table(stream)
        named = table.column("FileName")
        for row in table.rows:
            yield _Row(row, (row[named],) if named and row.get(named) else (), of_xml=False)


def _fault_inside(report: _Report) -> ItemError | None:
    """Read a table that is joined to the items to its end: one that is cut gave less than it should."""
    if report.role in _JOINED:
        try:
            for _ in _rows_of(report):
                pass
        except ItemError as err:
            return err
    return None


def _row_of(record: Record) -> _Row:
    values = dict(record.tags)
    if doc := record.attributes.get("docid"):
        values["DocID"] = doc
    files = tuple(name for one in record.files if (name := one.get("filename")))
    for one in record.files:
        if one.get("hash"):
            values["md5"] = one["hash"]
    return _Row(values, files, of_xml=True)


def _labels(row: Mapping[str, str]) -> list[str]:
    """Return the labels of a row; Gmail's own ones stand there with a caret."""
    stated = next((value for name, value in row.items() if normal(name) == "labels"), "")
    parsed = next(csv.reader([stated.replace("\n", " ")], skipinitialspace=True), [])
    return [label.strip().lstrip("^") for label in parsed if label.strip("^ ")]


def _one_line(labels: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(labels)
    return out.getvalue()


def _bare_id(stated: str) -> str:
    return "".join(stated.split()).strip("<>")


def _says(report: _Report, names: Sequence[str]) -> bool:
    """Say whether one of the first rows of a report has something under one of these names."""
    try:
        return any(row.value(*names) for row in islice(_rows_of(report), _LOOKED_AT))
    except ItemError:
        return False


def _drive_documents(report: _Report) -> int:
    """Return how many files of Drive a metadata report is of; 0 for one of messages, or one that is cut."""
    if not _says(report, _OF_DRIVE):
        return 0
    try:
        return sum(1 for row in _rows_of(report) if row.files)
    except ItemError:
        return 0


def _error_items(report: _Report, done: int) -> Iterator[Yielded]:
    """Yield each error of a report as a failed item."""
    for number, values in enumerate(_errors_of(report), 1):
        if number > done:
            known = {normal(name): value for name, value in values.items() if value}
            stated = next((known[name] for name in map(normal, _ERROR_IDS) if name in known), None)
            code = next((known[name] for name in map(normal, _ERROR_CODES) if name in known), "")
            detail = code.lower() if _CODE.fullmatch(code) else "vault_error"
            of_drive = any("document" in name or "drive" in name for name in known)
            kind = Kind.FILE if of_drive else Kind.EMAIL
            key = f"{report.file.key}#{number}"
            cursor = number_cursor(number)
            yield FailedItem(key, kind, cursor, Reason.REFUSED_BY_SOURCE, detail, stated)


def _errors_of(report: _Report) -> Iterator[dict[str, str]]:
    with report.file.stream() as stream:
        if report.file.name.lower().endswith(".xml"):
            for record in read_xml(stream, *_ERROR_ELEMENTS):
                yield {**record.texts, **record.attributes, **record.tags}
        else:
            yield from read_table(stream).rows


def is_export(folder: str) -> bool:
    """Say whether a folder has reports of Vault in it; for guessing only."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _REPORT.fullmatch(entry.name))
    reports = (_report(PackageFile(name, os.path.join(folder, name)), loose=True) for name in names)
    return any(
        report is not None and report.problem is None and report.role in {"metadata", "result_counts"}
        for report in reports
    )


def _is_part(name: str) -> bool:
    return _PART.fullmatch(name) is not None


def _stem(name: str) -> str:
    """Return the name of the export that a zip is a part of."""
    name = _COPY.sub("", name)
    part = _PART.fullmatch(name)
    stem = part["stem"][:-1] if part is not None else name.rpartition(".")[0]
    return re.sub(r"[-_]conversion_errors$", "", stem, flags=re.IGNORECASE)


def _is_mbox(file: PackageFile, opened: zipfile.ZipFile | None = None) -> bool:
    if file.problem is not None or named_otherwise(file.name) or is_system_name(file.name):
        return False
    head = file.head(_HEAD, opened)
    named = file.name.lower().endswith((".mbox", ".mbx"))
    damaged = not head and file.member is not None and file.member.size > 0
    return starts_like_mbox(head) or (named and (bool(head) or damaged) and b"\x00" not in head)


def _into_box(
    boxes: dict[str, list[PackageFile]], named: dict[str, tuple[str, str]], file: PackageFile, stem: str
) -> None:
    """Put an mbox with those of the same holder: ``name-account-random.mbox``."""
    bare = file.name.rpartition(".")[0]
    if stem and bare.startswith((f"{stem}-", f"{stem}_")):
        bare = bare[len(stem) + 1 :]
    elif (found := _LOOSE_BOX.fullmatch(bare)) is not None:
        stem, bare = found["stem"], found["rest"]
    account, _, tail = bare.rpartition("-")
    if "@" not in account or "@" in tail:
        account = bare if "@" in bare else ""
    key = f"{stem}/{account}" if account and stem else file.key
    boxes.setdefault(key, []).append(file)
    named[key] = (stem, account)


def _report(file: PackageFile, *, loose: bool = False) -> _Report | None:
    """Say which report a file is, by its name and its columns; None for anything else."""
    name = _COPY.sub("", file.name)
    lower = name.lower()
    if loose and (lower.endswith(".md5") or "checksum" in lower):
        return _Report(file, "sums", "")
    stated = _REPORT.fullmatch(name)
    if stated is not None:
        role = _ROLES[re.sub("s?-counts?$", "-counts", stated["what"].lower()).removesuffix("s")]
        return _Report(file, role, stated["stem"] or "", _wrong_columns(file, role))
    if not loose or not lower.endswith((".csv", ".xml")):
        return None
    head = file.head(_HEAD)
    if lower.endswith(".xml"):
        with contextlib.suppress(ItemError):
            if xml_root(head) == "root" and b"<Document" in head and b"TagName" in head:
                return _Report(file, "metadata", "")
        return None
    for role, needed in (("drive_links", "driveitemid"), ("metadata", "gmailmessageid"),
                         ("result_counts", "accountstatus")):  # fmt: skip
        if needed in {normal(cell) for cell in head.split(b"\n")[0].decode("utf-8", "replace").split(",")}:
            return _Report(file, role, "")
    return None


def _wrong_columns(file: PackageFile, role: str) -> ItemError | None:
    """Return why a report of that name cannot be used."""
    needed = _NEEDED.get(role)
    try:
        with file.stream() as stream:
            if file.name.lower().endswith(".xml"):
                return None if xml_root(stream.read(_HEAD)) else ItemError(Reason.CORRUPT, "xml")
            if needed is not None and not read_table(stream).has(*needed):
                return ItemError(Reason.UNSUPPORTED, "columns")
    except ItemError as err:
        if err.detail == "csv_header" and needed is None:
            return None  # an empty list of errors
        return err
    return None


def _number(text: str | None) -> int | None:
    return whole_number((text or "").replace(",", "").strip())


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
