"""Messages of an iPhone or a Mac: the tables and columns that real databases have, and a backup's names.

Used for the fictional district and by the tests of the connector. What a reader must make of a row is worked
out here from what was put in, by the definition in ``docs/connectors/imessage.md``: a row's columns that are
not null, and the handles, chats and attachments that its numbers stand for. No reader is imported.
"""

from __future__ import annotations

import base64
import hashlib
import json
import plistlib
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NS = 1_000_000_000
NOON = 762_805_234 * NS
"""2025-03-04T18:20:34Z in nanoseconds since 2001."""

ATTACHMENTS = "~/Library/Messages/Attachments"
"""Where a Mac keeps what messages carry."""

ON_PHONE = "/var/mobile/Library/SMS/Attachments"
"""The same on a phone."""

MESSAGE = {
    "guid": "TEXT UNIQUE NOT NULL", "text": "TEXT", "attributedBody": "BLOB", "subject": "TEXT",
    "service": "TEXT", "handle_id": "INTEGER", "other_handle": "INTEGER", "is_from_me": "INTEGER",
    "date": "INTEGER", "date_read": "INTEGER", "date_delivered": "INTEGER", "date_edited": "INTEGER",
    "date_retracted": "INTEGER", "item_type": "INTEGER", "group_title": "TEXT",
    "group_action_type": "INTEGER", "share_status": "INTEGER", "error": "INTEGER",
    "is_delivered": "INTEGER", "destination_caller_id": "TEXT", "cache_has_attachments": "INTEGER",
    "associated_message_guid": "TEXT", "associated_message_type": "INTEGER",
    "associated_message_emoji": "TEXT", "thread_originator_guid": "TEXT", "thread_originator_part": "TEXT",
    "balloon_bundle_id": "TEXT", "payload_data": "BLOB", "message_summary_info": "BLOB",
}  # fmt: skip
"""Columns since iOS 18; older systems have fewer."""

OLD = {
    "guid", "text", "attributedBody", "subject", "service", "handle_id", "is_from_me", "date", "date_read",
}  # fmt: skip
"""Columns of iOS 6, of these."""

TABLES = """
CREATE TABLE _SqliteDatabaseProperties (key TEXT, value TEXT, UNIQUE(key));
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT UNIQUE, id TEXT NOT NULL, country TEXT,
    service TEXT NOT NULL, uncanonicalized_id TEXT, UNIQUE (id, service));
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, style INTEGER,
    properties BLOB, chat_identifier TEXT, service_name TEXT, room_name TEXT, display_name TEXT,
    group_id TEXT, last_addressed_handle TEXT);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL,
    created_date INTEGER, filename TEXT, uti TEXT, mime_type TEXT, transfer_state INTEGER, transfer_name TEXT,
    total_bytes INTEGER, is_sticker INTEGER, user_info BLOB);
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER, UNIQUE(chat_id, handle_id));
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER,
    UNIQUE(message_id, attachment_id));
CREATE TABLE deleted_messages (ROWID INTEGER PRIMARY KEY AUTOINCREMENT UNIQUE, guid TEXT NOT NULL);
"""
JOIN = (
    "CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, PRIMARY KEY (chat_id, message_id));"
)
INDEXES = """
CREATE INDEX chat_message_join_idx_message_id_only ON chat_message_join(message_id);
CREATE INDEX message_idx_associated_message ON message(associated_message_guid);
CREATE TRIGGER before_delete_on_attachment BEFORE DELETE ON attachment
    BEGIN SELECT before_delete_attachment_path(OLD.ROWID, OLD.guid); END;
"""
SINCE_16 = """
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER, delete_date INTEGER,
    ck_sync_state INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id), CHECK (delete_date != 0));
CREATE TABLE recoverable_message_part (chat_id INTEGER, message_id INTEGER, part_index INTEGER,
    delete_date INTEGER, part_text BLOB NOT NULL, PRIMARY KEY (chat_id, message_id, part_index));
"""


def archived(text: str) -> bytes:
    """Return a text as NSArchiver writes it, with one attribute over all of it: the number of its part."""
    words = text.encode("utf-8", "surrogatepass")
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    return (
        b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject"
        b"\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+" + number(len(words)) + words
        + b"\x86\x84\x02iI\x01" + number(units)
        + b"\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x1d"
        b"__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*"
        b"\x84\x99\x99\x00\x86\x86\x86"
    )  # fmt: skip


def number(value: int) -> bytes:
    """Return a number as NSArchiver writes it: more than one byte after a mark for how many."""
    if value < 128:
        return bytes([value])
    size = 2 if value < 1 << 16 else 4
    return (b"\x81" if size == 2 else b"\x82") + value.to_bytes(size, "little")


def history(*parts: list[tuple[float, str]], unsent: Iterable[int] = ()) -> bytes:
    """Return what a row keeps of edits: for each part, when it was said and the words."""
    summary: dict[str, Any] = {"amc": 1, "ust": True}
    edits = {
        str(number): [{"d": at, "t": archived(text)} for at, text in part]
        for number, part in enumerate(parts)
        if part
    }
    if edits:
        summary |= {"ec": edits, "ep": [int(part) for part in edits]}
    if unsent := list(unsent):
        summary |= {"rp": unsent}
    return plistlib.dumps(summary, fmt=plistlib.FMT_BINARY)


def stored(value: Any) -> Any:
    """Return a value as the JSON of a row has it."""
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


@dataclass
class Phone:
    """A database in the making.

    Attributes:
        path: Where it is written; None keeps it in memory, for ``image``.
        columns: Of ``message``.
        schema: What is made beside that table.
        indexes: What is made after it.
        unique: Whether the database itself sees to it that no two rows have one ``guid``.
    """

    path: Path | None = None
    columns: Iterable[str] = tuple(MESSAGE)
    schema: str = TABLES + JOIN + SINCE_16
    indexes: str = INDEXES
    unique: bool = True
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    handles: dict[int, dict[str, Any]] = field(default_factory=dict)
    chats: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    of_chat: dict[int, list[int]] = field(default_factory=dict)
    deleted: dict[int, dict[int, int]] = field(default_factory=dict)
    attachments: dict[int, dict[str, Any]] = field(default_factory=dict)
    carried: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(self.path or ":memory:", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = MEMORY")
        self.db.execute("BEGIN")
        kept = [f"{name} {MESSAGE[name]}" for name in self.columns]
        if not self.unique:
            kept = [one.replace(" UNIQUE NOT NULL", "") for one in kept]
        self.db.execute(f"CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, {', '.join(kept)})")
        for one in (self.schema, self.indexes):
            for statement in filter(None, map(str.strip, _statements(one))):
                self.db.execute(statement)

    def _insert(self, table: str, **values: Any) -> int:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - words of this module
        done = self.db.execute(query, tuple(values.values()))
        return done.lastrowid or 0

    def handle(self, address: str, service: str = "iMessage") -> int:
        """Write an address; returns its number."""
        row = {"id": address, "service": service, "country": "us"}
        self.handles[key := self._insert("handle", **row)] = row
        return key

    def chat(self, guid: str, members: Iterable[int], **more: Any) -> int:
        """Write a conversation; returns its number."""
        row = {"guid": guid, "style": 45, "service_name": guid.partition(";")[0], **more}
        self.chats[key := self._insert("chat", **row)] = row
        self.members[key] = sorted(members)
        for member in members:
            self._insert("chat_handle_join", chat_id=key, handle_id=member)
        return key

    def message(self, guid: str, chat: int | None, at: float = 0, **more: Any) -> int:
        """Write a row, ``at`` seconds after ``NOON``; returns its number."""
        row = {"guid": guid, "date": NOON + int(at * NS), "service": "iMessage", "is_from_me": 0, **more}
        row = {
            name: value
            for name, value in row.items()
            if value is not None and name in (*self.columns, "ROWID")
        }
        key = self._insert("message", **row)
        self.rows[key] = row | {"ROWID": key}
        if chat is not None:
            self.join(key, chat)
        return key

    def join(self, message: int, chat: int) -> None:
        """Put a message into a conversation."""
        self._insert("chat_message_join", chat_id=chat, message_id=message)
        self.of_chat.setdefault(message, []).append(chat)

    def delete(self, message: int, chat: int, at: float) -> None:
        """Move a message to those that were deleted lately."""
        self.deleted.setdefault(message, {})[chat] = NOON + int(at * NS)
        self._insert(
            "chat_recoverable_message_join", chat_id=chat, message_id=message,
            delete_date=NOON + int(at * NS),
        )  # fmt: skip

    def attach(self, message: int, name: str, path: str | None, **more: Any) -> str:
        """Write a file that a message carries, with its place on the device; returns its guid."""
        row = {
            "guid": f"at_{len(self.attachments)}_{name[:3]}",
            "transfer_name": name,
            "filename": path,
            **more,
        }
        row = {column: value for column, value in row.items() if value is not None}
        key = self._insert("attachment", **row)
        self.attachments[key] = row | {"ROWID": key}
        self._insert("message_attachment_join", message_id=message, attachment_id=key)
        self.carried.setdefault(message, []).append(key)
        return str(row["guid"])

    def close(self) -> None:
        """Finish the file."""
        self.db.execute("COMMIT")
        self.db.close()

    def image(self) -> bytes:
        """Finish, and return the bytes of the file."""
        self.db.execute("COMMIT")
        data = self.db.serialize()
        self.db.close()
        return data

    def natives(self) -> dict[str, bytes]:
        """Return the bytes of each row as an item, by its guid."""
        return {str(row["guid"]): self.native(key) for key, row in self.rows.items()}

    def native(self, key: int) -> bytes:
        """Return the bytes of a row as an item."""
        row = self.rows[key]
        people = {name: self.handles.get(row.get(name, 0)) for name in ("handle_id", "other_handle")}
        made = {
            "schema": "imessage-row/1",
            "row": key,
            "message": {name: stored(value) for name, value in row.items()},
            "handles": {name: one for name, one in people.items() if one},
            "chats": [self._chat(one, None) for one in self.of_chat.get(key, ())]
            + [self._chat(one, at) for one, at in self.deleted.get(key, {}).items()],
            "attachments": [
                {name: value for name, value in self.attachments[one].items() if name != "user_info"}
                for one in self.carried.get(key, ())
            ],
            "deleted_parts": [],
        }
        return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def _chat(self, key: int, deleted: int | None) -> dict[str, Any]:
        chat = self.chats[key] | {"participants": [self.handles[one] for one in self.members[key]]}
        return chat if deleted is None else chat | {"delete_date": deleted}


def _statements(script: str) -> list[str]:
    found, held = [], ""
    for piece in script.split(";"):
        held += piece + ";"
        if sqlite3.complete_statement(held):
            found.append(held)
            held = ""
    return [one for one in found if one.strip() != ";"]


DATABASE = "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"
"""Where a backup has the database."""


def file_id(domain: str, rel: str) -> str:
    """Return what a backup calls a file of the phone."""
    return hashlib.sha1(f"{domain}-{rel}".encode(), usedforsecurity=False).hexdigest()


def hashed(domain: str, rel: str) -> str:
    """Return where a backup has a file of the phone."""
    key = file_id(domain, rel)
    return f"{key[:2]}/{key}"


def manifest(files: Iterable[tuple[str, str]]) -> bytes:
    """Return the list of files of a backup, each by domain and path."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    columns = "fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB"
    db.execute(f"CREATE TABLE Files ({columns})")
    rows = [(file_id(*key), *key, 1) for key in files]
    db.executemany("INSERT INTO Files (fileID, domain, relativePath, flags) VALUES (?, ?, ?, ?)", rows)
    data = db.serialize()
    db.close()
    return data


def backup_of(
    files: Mapping[tuple[str, str], bytes], name: str, *, encrypted: bool = False
) -> dict[str, bytes]:
    """Return the files of a phone's backup by their place in it.

    Args:
        files: What the phone holds, by domain and path.
        name: Of the phone.
        encrypted: What the backup says of itself.
    """
    about = {"IsEncrypted": encrypted, "Version": "10.0"}
    return {hashed(*key): data for key, data in files.items()} | {
        "Manifest.db": manifest(files),
        "Manifest.plist": plistlib.dumps(about, fmt=plistlib.FMT_BINARY),
        "Status.plist": plistlib.dumps({"IsFullBackup": True}, fmt=plistlib.FMT_BINARY),
        "Info.plist": plistlib.dumps({"Device Name": name, "Product Version": "18.1"}),
    }


def many(path: Path, rows: int, *, chats: int = 200, every: int = 10) -> None:
    """Write a database of any size: each ``every``-th row is a tapback on the row before it.

    Args:
        path: Where.
        rows: Messages.
        chats: Conversations that they are spread over.
        every: How often a tapback comes; 0 for never.
    """
    phone = Phone(path)
    people = [phone.handle(f"+1425{n:07}") for n in range(chats)]
    rooms = [phone.chat(f"iMessage;-;+1425{n:07}", [people[n]]) for n in range(chats)]
    db = phone.db
    for first in range(1, rows + 1, 10_000):
        numbers = range(first, min(first + 10_000, rows + 1))
        made = []
        for n in numbers:
            tap = every and n % every == 0
            words = (
                f"Liked a message of {n}"
                if tap
                else f"The bus of route {n % 90} is {n % 13} minutes late today"
            )
            made.append(
                (n, f"{n:08X}-0000-4000-8000-00000000FFFF", None, archived(words), "iMessage",
                 0 if n % 2 else people[n % chats], n % 2, (500_000_000 + n * 30) * NS,
                 f"p:0/{n - 1:08X}-0000-4000-8000-00000000FFFF" if tap else None, 2001 if tap else None)
            )  # fmt: skip
        db.executemany(
            "INSERT INTO message (ROWID, guid, text, attributedBody, service, handle_id, is_from_me, date, "
            "associated_message_guid, associated_message_type) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            made,
        )
        db.executemany(
            "INSERT INTO chat_message_join VALUES (?, ?)", [(rooms[n % chats], n) for n in numbers]
        )
    phone.close()
