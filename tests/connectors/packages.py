"""Builders of export packages as Vault and Purview hand them out.

Vault: names and columns of https://support.google.com/vault/answer/6099459; the XML is as its readers take it
(``Root/Batch/Documents/Document/Tags/Tag``, ``Files/File/ExternalFile``). Purview: report and part names of
https://learn.microsoft.com/purview/edisc-search-export and edisc-process-report.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

ANA, LEE = "ana.ruiz@example.org", "lee@my-school.org"
VAULT_COLUMNS = (
    "Rfc822MessageId", "GmailMessageId", "FileName", "Account", "From", "To", "CC", "BCC", "Subject",
    "Labels", "DateSent", "DateReceived", "ThreadedMessageCount",
)  # fmt: skip


@dataclass
class Mail:
    """A message of a package.

    Attributes:
        number: Tells it from others.
        account: Who holds it.
        labels: As Vault writes them.
        message_id: In its header; empty for none.
        raw: Its bytes; empty to have them made.
    """

    number: int
    account: str = ANA
    labels: str = "^INBOX,^OPENED"
    message_id: str = "auto"
    raw: bytes = b""
    bcc: str = ""
    subject: str = "zanzibar"
    date: str = "Tue, 4 Mar 2025 10:20:34 -0800"

    def __post_init__(self) -> None:
        if self.message_id == "auto":
            self.message_id = f"<m{self.number}@example.org>"
        if not self.raw:
            head = f"From: a{self.number}@example.org\nTo: b@example.org\n"
            head += f"Subject: {self.subject} {self.number}\nDate: {self.date}\n"
            if self.message_id:
                head += f"Message-ID: {self.message_id}\n"
            self.raw = f"{head}\nzanzibar {self.number}\n".encode()

    @property
    def gmail_id(self) -> str:
        return f"msg-f:17{self.number:05}"

    @property
    def place(self) -> str:
        """The name by which the older layout joins it."""
        return f"{self.number:03}-0a1b2c3d-0000-4000-8000-{self.number:012}.mbox"


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 3, 4, 10, 20, 34)), data)
    return out.getvalue()


def vault_mbox(mails: Iterable[Mail], *, old: bool = False) -> bytes:
    lines = []
    for mail in mails:
        place = mail.place if old else f"{mail.number:019}@xxx"
        lines.append(f"From {place} Tue Mar 04 18:20:34 +0000 2025\n".encode() + mail.raw + b"\n")
    return b"".join(lines)


def vault_metadata_csv(mails: Iterable[Mail]) -> bytes:
    sent, received = "2025-03-04T18:20:34+00:00", "2025-03-04T18:20:40+00:00"
    rows = [
        (
            *(mail.message_id.strip("<>"), mail.gmail_id, "", mail.account, "a@example.org", "b@example.org"),
            *("", mail.bcc, mail.subject, mail.labels, sent, received, ""),
        )
        for mail in mails
    ]
    return csv_bytes(VAULT_COLUMNS, rows)


def document(doc_id: str, tags: Mapping[str, str], file: Mapping[str, str]) -> str:
    inside = "".join(
        f'<Tag TagName={quoteattr(name)} TagDataType="Text" TagValue={quoteattr(value)}/>'
        for name, value in tags.items()
    )
    stated = " ".join(f"{name}={quoteattr(value)}" for name, value in file.items())
    return (
        f"<Document DocID={quoteattr(doc_id)}><Tags>{inside}</Tags>"
        f'<Files><File FileType="Native"><ExternalFile {stated}/></File></Files></Document>'
    )


def metadata_xml(documents: Iterable[str]) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Root DataInterchangeType="Update" Description="">'
        f'<Batch name="New Batch"><Documents>{"".join(documents)}</Documents></Batch></Root>'
    ).encode()


def vault_metadata_xml(mails: Iterable[Mail], *, old: bool = False) -> bytes:
    documents = []
    for mail in mails:
        tags = {"#From": "a@example.org", "#Subject": mail.subject, "#DateSent": "2025-03-04T18:20:34.000Z"}
        tags |= {"Labels": mail.labels} if old else {"LabelName": "Staff"}
        md5 = hashlib.md5(mail.raw).hexdigest()
        file = {"FileName": mail.place, "FileSize": str(len(mail.raw)), "Hash": md5} if old else {}
        documents.append(document(mail.place.split("-")[0] if old else mail.gmail_id, tags, file))
    return metadata_xml(documents)


def result_counts(counts: Mapping[str, tuple[str, int, int]]) -> bytes:
    total = ("", sum(ok for _, ok, _ in counts.values()), sum(bad for *_, bad in counts.values()))
    rows = [("Total", *total), *((who, *values) for who, values in counts.items())]
    return csv_bytes(("Account", "AccountStatus", "SuccessCount", "MessageErrorCount"), rows)


def errors_xml(errors: Sequence[tuple[str, str]] = ()) -> bytes:
    rows = (document(doc_id, {"ErrorType": code, "ErrorMessage": "zanzibar"}, {}) for doc_id, code in errors)
    return metadata_xml(rows)


@dataclass
class VaultPackage:
    """A Gmail export in the making.

    Attributes:
        name: Of the export.
        mails: In the order of their mbox files.
        files: What is written, by name; the sums last.
        status: AccountStatus by account, where it is not Success.
        errors: Id and code of each message that failed.
    """

    name: str = "Export1"
    mails: list[Mail] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    errors: list[tuple[str, str]] = field(default_factory=list)
    old: bool = False

    def accounts(self) -> dict[str, list[Mail]]:
        found: dict[str, list[Mail]] = {}
        for mail in self.mails:
            found.setdefault(mail.account, []).append(mail)
        return found

    def build(self, *, per_zip: int = 10_000, sums: bool = True) -> dict[str, bytes]:
        """Return the files as downloaded; each holder's mail is cut into parts of ``per_zip``."""
        made: dict[str, bytes] = {}
        number = 0
        for account, mails in self.accounts().items():
            for at in range(0, len(mails), per_zip):
                number += 1
                member = f"{self.name}-{account}-{'abcdef'[number % 6]}{number:05}.mbox"
                made[f"{self.name}-{number}.zip"] = zip_bytes(
                    {member: vault_mbox(mails[at : at + per_zip], old=self.old)}
                )
        counts = {
            account: (self.status.get(account, "Success"), len(mails), len(self.errors) if n == 0 else 0)
            for n, (account, mails) in enumerate(self.accounts().items())
        } | {
            account: (status, 0, 0)
            for account, status in self.status.items()
            if account not in self.accounts()
        }
        if self.old:
            made[f"{self.name}-metadata.xml"] = vault_metadata_xml(self.mails, old=True)
            rows = [(account, ok) for account, (_, ok, _) in counts.items()]
            made[f"{self.name}-results-count.csv"] = csv_bytes(("Account", "Count"), rows)
        else:
            made[f"{self.name}-metadata.csv"] = vault_metadata_csv(self.mails)
            made[f"{self.name}-metadata.xml"] = vault_metadata_xml(self.mails)
            made[f"{self.name}-result-counts.csv"] = result_counts(counts)
            made[f"{self.name}-errors.xml"] = errors_xml(self.errors)
        made |= self.files
        if sums:
            lines = (f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in made.items())
            made[f"{self.name}.md5"] = "".join(lines).encode()
        return made


ITEM_COLUMNS = (
    "Workload", "Item class", "Item ID", "Immutable ID", "Internet message ID", "Subject/Title",
    "Sender/Author", "Sent", "Received", "Location", "Original path", "Categories", "Conversation name",
    "ConversationId", "Participants", "FileClass", "ContainsEditedMessage", "ContainsDeletedMessage",
    "Indexing status", "Item status", "Error", "Error code", "Target path", "Compliance labels",
)  # fmt: skip
"""As seen in reports of 2026 (``Target path``, ``Immutable ID`` …) and named on the pages above."""


@dataclass
class PurviewItem:
    """An item of an export.

    Attributes:
        path: Within its part, with ``/``; empty for one that has no file.
        data: Its bytes; None: the report has it and the package has not.
        part: Name of the zip.
        row: More columns of its row; None: the report does not have it.
    """

    path: str
    data: bytes | None
    part: str = "Items.1.001.Export1.zip"
    row: dict[str, str] | None = field(default_factory=dict)


@dataclass
class PurviewPackage:
    """An export in the making.

    Attributes:
        items: In the order of the report.
        locations: Location, status, error.
        summary: Items that the summary says; None: those of the report.
        stamp: What Purview puts after a report's name.
    """

    items: list[PurviewItem] = field(default_factory=list)
    locations: list[tuple[str, str, str]] = field(default_factory=lambda: [(ANA, "Completed", "")])
    summary: int | None = None
    stamp: str = "2026-03-06_13-23-21"

    def reports(self) -> dict[str, bytes]:
        rows = []
        for item in self.items:
            if item.row is None:
                continue
            target = f"{item.part}\\{item.path.replace('/', chr(92))}" if item.path else ""
            row = {"Item status": "Success", "Target path": target, "Workload": "Exchange"} | item.row
            rows.append([row.get(name, "") for name in ITEM_COLUMNS])
        stated = len(rows) if self.summary is None else self.summary
        return {
            f"Summary_{self.stamp}.csv": csv_bytes(
                ("Name", "Value"), [("Export name", "Export1"), ("Items exported", stated), ("Errors", 0)]
            ),
            f"Items_0_{self.stamp}.csv": csv_bytes(ITEM_COLUMNS, rows),
            f"Locations_{self.stamp}.csv": csv_bytes(
                ("Location", "Location type", "Status", "Error"),
                [(name, "Mailbox", status, error) for name, status, error in self.locations],
            ),
            f"Settings_{self.stamp}.csv": csv_bytes(("Setting", "Value"), [("Format", "msg")]),
        }

    def build(self) -> dict[str, bytes]:
        """Return the files as downloaded."""
        parts: dict[str, dict[str, bytes]] = {}
        for item in self.items:
            if item.data is not None:
                parts.setdefault(item.part, {})[item.path] = item.data
        made = {name: zip_bytes(members) for name, members in parts.items()}
        return made | {f"Reports-Case-Search-Export1-{self.stamp}.zip": zip_bytes(self.reports())}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
