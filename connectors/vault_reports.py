"""The tables that Google Vault puts beside the parts of an export: which one is which, and their rows.

File and column names: https://support.google.com/vault/answer/6099459.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from connectors.cursors import number_cursor
from connectors.export_files import PackageFile
from connectors.export_tables import Record, normal, read_table, read_xml, xml_root
from records.errors import ItemError
from records.models import FailedItem, Yielded
from records.vocabulary import Kind, Reason

COPY = re.compile(r" \(\d+\)(?=\.[^.]+$)")
"""What a browser puts into the name of a file that it saves a second time."""
REPORT = re.compile(
    r"(?:(?P<stem>.+)[-_])?(?P<what>metadata|results?-counts?|errors?|drive-links|group-membership"
    r"|custodian-docid|account-exceptions|incomplete-accounts|failed-group-membership-lookups)"
    r"\.(?P<form>csv|xml)",
    re.IGNORECASE | re.DOTALL,
)

ID = ("Rfc822MessageId",)
GMAIL_ID = ("GmailMessageId", "DocId", "DocID")
ACCOUNT = ("Account", "AccountEmail", "Email", "User", "Custodian", "Account Email")
OK = ("SuccessCount", "Success Count", "Count", "Message Count", "Messages")
BAD = ("MessageErrorCount", "Message Error Count", "ErrorCount")
STATUS = ("AccountStatus", "Account Status")
_OF_CHAT = ("RoomID", "RoomName", "RoomType", "SpaceID", "DateFirstMessageSent", "SubjectAtStart")
_OF_DRIVE = ("DocumentType", "#Title")
_ERROR_ELEMENTS = ("Document", "Error", "MessageError", "AccountError", "Failure", "Message")
_ERROR_IDS = ("Document ID", "Drive Document ID", "DocID", *ID, "GmailMessageId", "MessageID", "Id")
_ERROR_CODES = ("ErrorCode", "Error Code", "ErrorType", "Error Type", "Code", "Type")
_CODE = re.compile(r"[A-Za-z][A-Za-z_]{2,40}")
_ROLES = {
    "metadata": "metadata", "result-count": "result_counts", "error": "errors", "drive-link": "drive_links",
    "group-membership": "group_membership", "custodian-docid": "holders", "account-exception": "accounts",
    "incomplete-account": "accounts", "failed-group-membership-lookup": "errors",
}  # fmt: skip
_NEEDED: dict[str, tuple[str, ...]] = {
    "metadata": (*ID, *GMAIL_ID),
    "result_counts": (*OK, *STATUS),
    "drive_links": ("DriveItemId",),
}
JOINED_IN_ORDER = ("metadata", "drive_links", "holders")
_JOINED = frozenset(JOINED_IN_ORDER)
_LOOKED_AT = 50
HEAD = 16 << 10


@dataclass(slots=True)
class Report:
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


def report_of(file: PackageFile, *, loose: bool = False) -> Report | None:
    """Say which report a file is, by its name and its columns; None for anything else."""
    name = COPY.sub("", file.name)
    lower = name.lower()
    if loose and (lower.endswith(".md5") or "checksum" in lower):
        return Report(file, "sums", "")
    stated = REPORT.fullmatch(name)
    if stated is not None:
        role = _ROLES[re.sub("s?-counts?$", "-counts", stated["what"].lower()).removesuffix("s")]
        return Report(file, role, stated["stem"] or "", _wrong_columns(file, role))
    if not loose or not lower.endswith((".csv", ".xml")):
        return None
    head = file.head(HEAD)
    if lower.endswith(".xml"):
        with contextlib.suppress(ItemError):
            if xml_root(head) == "root" and b"<Document" in head and b"TagName" in head:
                return Report(file, "metadata", "")
        return None
    for role, needed in (("drive_links", "driveitemid"), ("metadata", "gmailmessageid"),
                         ("result_counts", "accountstatus")):  # fmt: skip
        if needed in {normal(cell) for cell in head.split(b"\n")[0].decode("utf-8", "replace").split(",")}:
            return Report(file, role, "")
    return None


def _wrong_columns(file: PackageFile, role: str) -> ItemError | None:
    """Return why a report of that name cannot be used."""
    needed = _NEEDED.get(role)
    try:
        with file.stream() as stream:
            if file.name.lower().endswith(".xml"):
                return None if xml_root(stream.read(HEAD)) else ItemError(Reason.CORRUPT, "xml")
            if needed is not None and not read_table(stream).has(*needed):
                return ItemError(Reason.UNSUPPORTED, "columns")
    except ItemError as err:
        if err.detail == "csv_header" and needed is None:
            return None  # an empty list of errors
        return err
    return None


def is_export(folder: str) -> bool:
    """Say whether a folder has reports of Vault in it; for guessing only."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if REPORT.fullmatch(entry.name))
    reports = (report_of(PackageFile(name, os.path.join(folder, name)), loose=True) for name in names)
    return any(
        report is not None and report.problem is None and report.role in {"metadata", "result_counts"}
        for report in reports
    )


@dataclass(frozen=True, slots=True)
class Row:
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
        return value_of(self.values, *names)


def value_of(values: Mapping[str, str], *names: str) -> str:
    """Return what stands in a row under the first of these names that has something; case is nothing."""
    known = {normal(name): value for name, value in values.items()}
    return next((known[name] for name in map(normal, names) if known.get(name)), "")


def rows_of(report: Report) -> Iterator[Row]:
    """Yield the rows of a report; raises ItemError where it is cut or damaged."""
    with report.file.stream() as stream:
        if report.file.name.lower().endswith(".xml"):
            for record in read_xml(stream, "Document"):
                yield _row_of(record)
            return
        table = read_table(stream)
        named = table.column("FileName")
        for row in table.rows:
            yield Row(row, (row[named],) if named and row.get(named) else (), of_xml=False)


def _row_of(record: Record) -> Row:
    values = dict(record.tags)
    if doc := record.attributes.get("docid"):
        values["DocID"] = doc
    files = tuple(name for one in record.files if (name := one.get("filename")))
    for one in record.files:
        if one.get("hash"):
            values["md5"] = one["hash"]
    return Row(values, files, of_xml=True)


def fault_inside(report: Report) -> ItemError | None:
    """Read a table that is joined to the items to its end: one that is cut gave less than it should."""
    if report.role in _JOINED:
        try:
            for _ in rows_of(report):
                pass
        except ItemError as err:
            return err
    return None


def _says(report: Report, names: Sequence[str]) -> bool:
    """Say whether one of the first rows of a report has something under one of these names."""
    try:
        return any(row.value(*names) for row in islice(rows_of(report), _LOOKED_AT))
    except ItemError:
        return False


def is_of_chat(reports: Iterable[Report]) -> bool:
    """Say whether reports are of an export of Chat, whose mails are conversations."""
    return any(_says(report, _OF_CHAT) for report in reports)


def drive_documents(report: Report) -> int:
    """Return how many files of Drive a metadata report is of; 0 for one of messages, or one that is cut."""
    if not _says(report, _OF_DRIVE):
        return 0
    try:
        return sum(1 for row in rows_of(report) if row.files)
    except ItemError:
        return 0


def error_items(report: Report, done: int) -> Iterator[Yielded]:
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


def _errors_of(report: Report) -> Iterator[dict[str, str]]:
    with report.file.stream() as stream:
        if report.file.name.lower().endswith(".xml"):
            for record in read_xml(stream, *_ERROR_ELEMENTS):
                yield {**record.texts, **record.attributes, **record.tags}
        else:
            yield from read_table(stream).rows
