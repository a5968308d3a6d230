"""Conversations of a phone and of a Mac, and what a connector must find where they lie."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Iterable
from pathlib import Path

from examples.exports.imessage import (
    ATTACHMENTS,
    DATABASE,
    JOIN,
    MESSAGE,
    NOON,
    NS,
    OLD,
    ON_PHONE,
    TABLES,
    Phone,
    archived,
    backup_of,
    hashed,
    history,
)
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

APP = "AppDomain-net.whatsapp.WhatsApp"


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


def backup_files(root: Path, *, encrypted: bool = False) -> tuple[dict[str, bytes], Built]:
    """Return the files of a backup by path, and what must be found in it."""
    phone = Phone()
    found, failed, attachments = talk(phone, ON_PHONE)
    inside = {("MediaDomain", f"Library/{rel}"): data for rel, data in attachments.items()}
    stray = ("MediaDomain", "Library/SMS/Attachments/ff/15/stray.txt")
    inside |= {
        stray: f"{SECRET} stray".encode(),
        ("HomeDomain", "Library/SMS/sms.db"): phone.image(),
        ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC"): b"a private photo",
        (APP, "Documents/ChatStorage.sqlite"): b"SQLite format 3\x00 of another app",
    }
    files = backup_of(inside, SECRET, encrypted=encrypted)
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
