"""What lies in a folder of Google Vault exports, sorted by what it is: parts, mailboxes, reports, sums."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.export_files import Archive, Package, PackageFile, missing_numbers
from connectors.export_tables import normal, read_checksums, read_table
from connectors.folders import is_system_name, storable
from connectors.mbox import named_otherwise, starts_like_mbox
from connectors.vault_reports import ACCOUNT, BAD, COPY, HEAD, OK, STATUS, Report, report_of
from records.errors import ItemError
from records.numbers import whole_number
from records.vocabulary import Reason

_PART = re.compile(r"(?P<stem>.+?[-_])(?P<number>\d{1,4})(?P<rest>\.zip)", re.IGNORECASE | re.DOTALL)
DRIVE_ID = re.compile(r"_(?P<id>[A-Za-z0-9_-]{10,})(?:\.[^.]*)?$")
_LOOSE_BOX = re.compile(r"(?P<stem>[^@]+?)-(?P<rest>[^@-]+@.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Box:
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


NO_COUNTS = _Counts()


class Export:
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
        self.reports: list[Report] = []
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
                    mboxes = [file for file in files if is_mbox(file, opened)]
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
                if file.key not in self._mboxes[archive.key] and (report := report_of(file)) is not None
            ]
        self.loose: list[PackageFile] = []
        for file in package.loose.values():
            if is_mbox(file):
                _into_box(boxes, named, file, "")
            else:
                self.loose.append(file)
                if (report := report_of(file, loose=True)) is not None:
                    self.reports.append(report)
        self.boxes = {key: Box(key, *named[key], tuple(files)) for key, files in sorted(boxes.items())}
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
        there |= {COPY.sub("", name) for name in there}
        unpacked = not self.archives and not self.broken
        listed = {name for name in self.sums if not (unpacked and name.lower().endswith(".zip"))}
        return frozenset((lost | listed) - there)

    def sum_of(self, path: str) -> str | None:
        """Return the sum that the export states of a file; None when it states none."""
        name = storable(os.path.basename(path))
        return self.sums.get(name) or self.sums.get(COPY.sub("", name))

    def of(self, role: str) -> list[Report]:
        """Return the reports of a kind, in the order of their keys."""
        return sorted((one for one in self.reports if one.role == role), key=lambda one: one.file.key)

    def near(self, stem: str, role: str) -> list[Report]:
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

    def report(self, key: str) -> Report:
        """Return a report by the key of its file; raises ItemError where it cannot be used."""
        found = self.by_key.get(key)
        if found is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        if found.problem is not None:
            raise ItemError(found.problem.reason, found.problem.detail)
        return found

    def box(self, key: str) -> Box:
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
            found = ((DRIVE_ID.search(file.name), file.key) for file in files)
            self._drive = {match["id"]: key for match, key in found if match is not None}
        return self._drive.get(drive_id)

    def read_counts(self) -> None:
        """Read how many messages each holder should have, and which accounts failed."""
        for report in self.of("result_counts"):
            self._guarded(report, self._read_counts)
        for report in self.of("accounts"):
            self._guarded(report, self._read_accounts)

    def _guarded(self, report: Report, read: Callable[[Report], None]) -> None:
        if report.problem is None:
            try:
                read(report)
            except ItemError as err:
                report.problem = err
                self.counts.pop(report.stem, None)

    def _read_counts(self, report: Report) -> None:
        """Read result counts; the first row, or the one without an address, has the totals."""
        counts = self.counts.setdefault(report.stem, _Counts())
        with report.file.stream() as stream:
            table = read_table(stream)
            account, good = table.column(*ACCOUNT), table.column(*OK)
            bad, status = table.column(*BAD), table.column(*STATUS)
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

    def _read_accounts(self, report: Report) -> None:
        with report.file.stream() as stream:
            table = read_table(stream)
            account = table.column(*ACCOUNT) or table.header[0]
            for row in table.rows:
                self._fail(report, row.get(account, ""), "account_error")

    def _fail(self, report: Report, account: str, detail: str) -> None:
        key = f"{report.file.key}#{account}"
        if key in {one.key for one in self.accounts}:
            key = f"{key}#{len(self.accounts)}"
        self.accounts.append(_Failed(key, account, detail))


def is_part(name: str) -> bool:
    """Say whether a zip is named as a part of an export: ``name-1.zip``."""
    return _PART.fullmatch(name) is not None


def _stem(name: str) -> str:
    """Return the name of the export that a zip is a part of."""
    name = COPY.sub("", name)
    part = _PART.fullmatch(name)
    stem = part["stem"][:-1] if part is not None else name.rpartition(".")[0]
    return re.sub(r"[-_]conversion_errors$", "", stem, flags=re.IGNORECASE)


def is_mbox(file: PackageFile, opened: zipfile.ZipFile | None = None) -> bool:
    """Say whether a file is an mbox by its first bytes; one that does not open, by its name.

    Args:
        file: The file.
        opened: The zip that it is in, where that is open.
    """
    if file.problem is not None or named_otherwise(file.name) or is_system_name(file.name):
        return False
    head = file.head(HEAD, opened)
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


def _number(text: str | None) -> int | None:
    return whole_number((text or "").replace(",", "").strip())
