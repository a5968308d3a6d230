"""What the reports of a Google Vault export say of each message and each file, joined to it by its key."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from connectors.export_tables import KeyedRows, normal
from connectors.mailhead import field as mail_field
from connectors.mbox_items import Facts
from connectors.vault_package import DRIVE_ID, Export
from connectors.vault_reports import (
    ACCOUNT,
    GMAIL_ID,
    ID,
    JOINED_IN_ORDER,
    Report,
    Row,
    is_of_chat,
    rows_of,
    value_of,
)
from records import canonical
from records.errors import ItemError
from records.models import EMPTY
from records.vocabulary import WarningCode

_ENVELOPE_ID = re.compile(rb"From (\S+)")
_MESSAGE_ID = (b"Message-ID", b"Message-Id", b"Message-id")
_OURS = (("gmail_id", GMAIL_ID), ("account", ACCOUNT), ("received", ("DateReceived",)))
_OF_ROOM = (
    ("group", ("RoomID", "SpaceID")),
    ("group_name", ("RoomName", "SubjectAtStart")),
    ("group_kind", ("RoomType",)),
)
"""The conversation of a chat, under the names that all connectors have for one."""
_IN_THE_MAIL = frozenset(map(normal, ("From", "To", "CC", "Subject", "DateSent", "FileName", *ID)))
"""What a message says itself; the rest of a row is kept as facts."""
_DRAFTS = frozenset({"draft", "drafts"})

_INDEXES: OrderedDict[str, KeyedRows] = OrderedDict()
"""Rows that this process has read, by the process and the reports: those of a few exports, not of all."""
_INDEXES_KEPT = 4
_INDEX_VERSION = "1"


class Metadata:
    """What the reports of an export say of its messages and files.

    Attributes:
        chat: The export is of Chat: its mails are conversations.
    """

    def __init__(self, export: Export, stem: str, rows: KeyedRows, account: str = "") -> None:
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
        self.chat = is_of_chat(reports)
        self._known = bool(reports)

    def _get(self, key: str) -> list[dict[str, str]]:
        """Return the rows of a key that are of the account."""
        found = self._rows.get(key)
        return [row for row in found if self._is_mine(row)] if self._account else found

    def _is_mine(self, row: dict[str, str]) -> bool:
        holder = value_of(row, *ACCOUNT)
        return not holder or holder.casefold() == self._account

    def of_message(self, envelope: bytes, head: bytes, end: int) -> Facts:
        """Return the facts of a message by its place's name in the older layout, else by its Message-ID."""
        named = _ENVELOPE_ID.match(envelope)
        stated = next((body for name in _MESSAGE_ID if (body := mail_field(head, name, end))), b"")
        message_id = _bare_id(stated.decode("utf-8", "replace"))
        rows = self._get(f"file:{named[1].decode('utf-8', 'replace')}") if named else []
        rows = rows or (self._get(f"id:{message_id}") if message_id else [])
        found = {normal(name): value for row in reversed(rows) for name, value in row.items() if value}
        gmail_id = next((found[name] for name in map(normal, GMAIL_ID) if name in found), "")
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
        if facts and (drive := DRIVE_ID.search(name)) is not None:
            facts["drive_id"] = drive["id"]
        return facts or EMPTY


def rows_of_export(export: Export, stem: str, scratch: str | None) -> KeyedRows:
    """Return the rows of the reports of an export, which are read once, however many parts it has.

    They are kept in this process, and for the others in the run's scratch folder. Both go by place, size and
    time of the reports, so that another package at the same place is read anew.
    """
    reports = [(role, report) for role in JOINED_IN_ORDER for report in export.near(stem, role)]
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


def _read_rows(reports: Iterable[tuple[str, Report]]) -> KeyedRows:
    """Read reports; that the rest of one cannot be read is said where the report itself is read."""
    rows = KeyedRows()
    add = {"metadata": _add_row, "drive_links": _add_link, "holders": _add_holder}
    for role, report in reports:
        with contextlib.suppress(ItemError):
            for row in rows_of(report):
                add[role](rows, row)
    return rows


def _add_row(rows: KeyedRows, row: Row) -> None:
    if message_id := _bare_id(row.value(*ID)):
        rows.add(f"id:{message_id}", row.values)
    for name in row.files:
        rows.add(f"file:{name}", row.values)
    if row.of_xml and (doc := row.value(*GMAIL_ID)):
        rows.add(f"doc:{doc}", row.values)


def _add_link(rows: KeyedRows, row: Row) -> None:
    if (message_id := _bare_id(row.value(*ID))) and (drive := row.value("DriveItemId")):
        rows.add(f"link:{message_id}", {"id": drive, "url": row.value("DriveUrl")})


def _add_holder(rows: KeyedRows, row: Row) -> None:
    if (doc := row.value("DocID", "DocumentID", "Document ID")) and (who := row.value(*ACCOUNT)):
        rows.add(f"holder:{doc}", {"account": who})


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
