"""Messages of a phone and of a Mac, written to the tables and columns that real databases have.

What a reader must find is worked out here from what was put in: a row's columns that are not null, and the
handles, chats and attachments that its numbers stand for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import plistlib
import sqlite3
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

NS = 1_000_000_000
NOON = 762_805_234 * NS
"""2025-03-04T18:20:34Z in nanoseconds since 2001."""

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

SINCE_13 = {"date_edited", "date_retracted", "associated_message_emoji", "other_handle"}
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
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


@dataclass
class Phone:
    """A database in the making.

    Attributes:
        path: Where it is written.
        columns: Of ``message``.
        schema: What is made beside that table.
        found: Native bytes of rows, by key.
        window: What is told of a row by its number, before it is written.
    """

    path: Path
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(self.path, isolation_level=None)
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
        done = self.db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return done.lastrowid or 0

    def handle(self, address: str, service: str = "iMessage") -> int:
        row = {"id": address, "service": service, "country": "us"}
        self.handles[key := self._insert("handle", **row)] = row
        return key

    def chat(self, guid: str, members: Iterable[int], **more: Any) -> int:
        row = {"guid": guid, "style": 45, "service_name": guid.partition(";")[0], **more}
        self.chats[key := self._insert("chat", **row)] = row
        self.members[key] = sorted(members)
        for member in members:
            self._insert("chat_handle_join", chat_id=key, handle_id=member)
        return key

    def message(self, guid: str, chat: int | None, at: float = 0, **more: Any) -> int:
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
        self.db.execute("COMMIT")
        self.db.close()

    def natives(self) -> dict[str, bytes]:
        return {str(row["guid"]): self.native(key) for key, row in self.rows.items()}

    def native(self, key: int) -> bytes:
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


ATTACHMENTS = "~/Library/Messages/Attachments"
ON_PHONE = "/var/mobile/Library/SMS/Attachments"


def talk(
    phone: Phone, attachments: str = ATTACHMENTS
) -> tuple[dict[str, bytes], dict[str, Reason], dict[str, bytes]]:
    """Write a few conversations.

    Returns:
        What must be found, what must fail, and the files of attachments by their path below ``Library``.
    """
    ana, lee = phone.handle("+14255550101"), phone.handle("lee@example.org")
    two = phone.chat("iMessage;-;+14255550101", [ana], chat_identifier="+14255550101")
    group = phone.chat("iMessage;+;chat77", [ana, lee], style=43, display_name="Bus 12", group_id="G-77")
    phone.message(
        "M-1", two, 0, text=f"Gate code? {SECRET}", handle_id=ana, destination_caller_id="+14255550100"
    )
    phone.message("M-2", two, 9, attributedBody=archived(f"4711 \U0001f600 {SECRET}"), is_from_me=1)
    phone.message(
        "M-3", two, 12, text="Liked \u201c4711\u201d", handle_id=ana, associated_message_guid="p:0/M-2",
        associated_message_type=2001,
    )  # fmt: skip
    phone.message("M-4", group, 20, item_type=2, group_title=f"Bus 12 {SECRET}", handle_id=lee)
    phone.message("M-5", group, 30, item_type=1, group_action_type=0, handle_id=ana, other_handle=lee)
    both = phone.message("M-6", group, 40, text="in two chats", is_from_me=1)
    phone.join(both, two)
    phone.of_chat[both].sort()
    gone = phone.message("M-7", None, 50, text="deleted last week", handle_id=lee)
    phone.delete(gone, group, 900)
    phone.message("M-8", None, 60, text="in no chat", handle_id=ana, service="SMS")
    photos = phone.message("M-9", group, 70, attributedBody=archived("\ufffc\ufffcwords"), handle_id=lee)
    there = phone.attach(
        photos, f"IMG 1 {SECRET}.HEIC", f"{attachments}/ab/11/IMG 1.HEIC", mime_type="image/heic"
    )
    lost = phone.attach(photos, "IMG_2.MOV", f"{attachments}/cd/12/IMG_2.MOV", mime_type="video/quicktime")
    never = phone.attach(photos, "big.pdf", None)
    phone.message(
        "M-10", two, 80, is_from_me=1, date_edited=NOON + 99 * NS, attributedBody=archived("last"),
        message_summary_info=history([(762805300.5, "first"), (762805310.0, "last")]),
    )  # fmt: skip
    picture = b"\x00\x00\x00\x18ftypheic" + SECRET.encode()
    failed = {f"M-9#{lost}": Reason.NOT_IN_EXPORT, f"M-9#{never}": Reason.NOT_IN_EXPORT}
    below = attachments.partition("Library/")[2]
    return {f"M-9#{there}": picture}, failed, {f"{below}/ab/11/IMG 1.HEIC": picture}


def mac(root: Path) -> Built:
    """The folder ``Messages`` of a Mac, with an attachment that no message carries."""
    phone = Phone(root / "chat.db")
    found, failed, files = talk(phone)
    phone.db.execute("INSERT INTO deleted_messages (guid) VALUES ('X-1'), ('X-2')")
    phone.close()
    files["Messages/Attachments/ee/00/old.txt"] = f"{SECRET} of a deleted message".encode()
    for rel, data in files.items():
        (path := root / rel.removeprefix("Messages/")).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / ".DS_Store").write_bytes(b"Bud1")
    found |= phone.natives() | {
        "chat.db": (root / "chat.db").read_bytes(),
        "Attachments/ee/00/old.txt": files["Messages/Attachments/ee/00/old.txt"],
    }
    return Built(str(root), found, failed, {".DS_Store": Reason.EXPORT_SCAFFOLDING}, ("chat.db", "."))


def mac_with_log(root: Path) -> Built:
    """The same while Messages ran: the last message is only in the write-ahead log."""
    built = mac(root)
    phone = root / "chat.db"
    (at_work := root.parent / "at work").mkdir()
    (at_work / "chat.db").write_bytes(phone.read_bytes())
    db = sqlite3.connect(at_work / "chat.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("INSERT INTO message (guid, date, text) VALUES ('M-99', ?, 'late')", (NOON,))
    for name in ("chat.db", "chat.db-wal", "chat.db-shm"):
        (root / name).write_bytes((at_work / name).read_bytes())
        built.found[name] = (root / name).read_bytes()
    key = db.execute("SELECT ROWID FROM message WHERE guid = 'M-99'").fetchone()[0]
    db.close()
    for name in list(at_work.iterdir()):
        name.unlink()
    at_work.rmdir()
    late = {"ROWID": key, "guid": "M-99", "date": NOON, "text": "late"}
    made = {"schema": "imessage-row/1", "row": key, "message": late, "handles": {}, "chats": [],
            "attachments": [], "deleted_parts": []}  # fmt: skip
    built.found["M-99"] = json.dumps(made, sort_keys=True, separators=(",", ":")).encode()
    return built


def file_id(domain: str, rel: str) -> str:
    return hashlib.sha1(f"{domain}-{rel}".encode()).hexdigest()


def hashed(domain: str, rel: str) -> str:
    key = file_id(domain, rel)
    return f"{key[:2]}/{key}"


DATABASE = "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"
APPS = ("AppDomain-net.whatsapp.WhatsApp", "CameraRollDomain", "HomeDomain")


def manifest(path: Path, files: dict[tuple[str, str], bytes]) -> None:
    """Write the list of files of a backup."""
    db = sqlite3.connect(path)
    columns = "fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB"
    db.execute(f"CREATE TABLE Files ({columns})")
    rows = [(file_id(*key), *key, 1) for key in files]
    db.executemany("INSERT INTO Files (fileID, domain, relativePath, flags) VALUES (?, ?, ?, ?)", rows)
    db.commit()
    db.close()


def backup_files(root: Path, *, encrypted: bool = False) -> tuple[dict[str, bytes], Built]:
    """Return the files of a backup by path, and what must be found in it."""
    phone = Phone(root / "making" / "sms.db")
    found, failed, attachments = talk(phone, ON_PHONE)
    phone.close()
    inside = {("MediaDomain", f"Library/{rel}"): data for rel, data in attachments.items()}
    stray = ("MediaDomain", "Library/SMS/Attachments/ff/15/stray.txt")
    inside |= {
        stray: f"{SECRET} stray".encode(),
        ("HomeDomain", "Library/SMS/sms.db"): (root / "making" / "sms.db").read_bytes(),
        ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC"): b"a private photo",
        (APPS[0], "Documents/ChatStorage.sqlite"): b"SQLite format 3\x00 of another app",
    }
    manifest(root / "making" / "Manifest.db", inside)
    files = {hashed(*key): data for key, data in inside.items()}
    files["Manifest.db"] = (root / "making" / "Manifest.db").read_bytes()
    files["Manifest.plist"] = plistlib.dumps(
        {"IsEncrypted": encrypted, "Version": "10.0"}, fmt=plistlib.FMT_BINARY
    )
    files["Status.plist"] = plistlib.dumps({"IsFullBackup": True}, fmt=plistlib.FMT_BINARY)
    files["Info.plist"] = plistlib.dumps({"Device Name": SECRET, "Product Version": "18.1"})
    for path in (root / "making").iterdir():
        path.unlink()
    (root / "making").rmdir()
    found |= phone.natives()
    found |= {key: files[key] for key in (DATABASE, hashed(*stray), "Info.plist")}
    excluded = dict.fromkeys(("Manifest.db", "Manifest.plist", "Status.plist"), Reason.EXPORT_SCAFFOLDING)
    return files, Built(str(root), found, failed, excluded)


def below(built: Built, prefix: str, natives: Iterable[str]) -> Built:
    """Put a prefix before the keys of files; those of messages are their own."""
    own = set(natives)
    for held in (built.found, built.failed, built.excluded):
        for key in [key for key in held if key not in own and not key.startswith("M-")]:
            held[prefix + key] = held.pop(key)  # type: ignore[attr-defined]
    return built


def backup(root: Path) -> Built:
    """A folder that a backup lies in, as it is copied from a computer."""
    files, built = backup_files(root)
    for rel, data in files.items():
        (path := root / "00008101-UDID" / rel).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    built.scopes = (f"00008101-UDID/{DATABASE}", ".")
    return below(built, "00008101-UDID/", ())


def packed_backup(root: Path) -> Built:
    """The same as a zip."""
    root.mkdir(parents=True)
    files, built = backup_files(root)
    zipped(root / "phone.zip", {f"UDID/{rel}": data for rel, data in files.items()})
    built.path = str(root / "phone.zip")
    built.scopes = (f"phone.zip!UDID/{DATABASE}", ".")
    return below(built, "phone.zip!UDID/", ())


def packed_mac(root: Path) -> Built:
    """A zip of the folder ``Messages`` among other files."""
    built = mac(root)
    files = {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
    for rel in files:
        (root / rel).unlink()
    zipped(root / f"{SECRET}.zip", {f"Messages/{rel}": data for rel, data in files.items()})
    (root / "letter.txt").write_text(SECRET)
    prefix = f"{SECRET}.zip!Messages/"
    built.scopes = (f"{prefix}chat.db", ".")
    below(built, prefix, ())
    built.found["letter.txt"] = SECRET.encode()
    return built


def old_phone(root: Path) -> Built:
    """A database of iOS 6, alone: seconds, few columns, no index over joins, no table of deleted ones."""
    phone = Phone(root / "sms.db", tuple(name for name in MESSAGE if name in OLD), TABLES + JOIN, "")
    ana = phone.handle("+14255550101", "SMS")
    chat = phone.chat("SMS;-;+14255550101", [ana])
    for n in range(5):
        key = phone.message(
            f"OLD-{n}", chat if n else None, text=f"{SECRET} {n}", handle_id=ana, service="SMS"
        )
        phone.db.execute("UPDATE message SET date = ? WHERE ROWID = ?", (384_114_034 + n, key))
        phone.rows[key]["date"] = 384_114_034 + n
    phone.close()
    found = phone.natives() | {"sms.db": (root / "sms.db").read_bytes()}
    return Built(str(root / "sms.db"), found, scopes=("sms.db", "."))


def zipped(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


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
