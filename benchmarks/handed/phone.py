"""A Mac's folder of Messages: ``chat.db`` of any number of rows, and the attachments that were downloaded.

In a thousand rows: 100 tapbacks, 5 changes of a group, 5 edits with their earlier words, 1 unsent, 30
replies, 25 with an attachment, of which 1 lies in the folder: the others are in iCloud only, as on a Mac that
saves room. The words stand in ``attributedBody``, in every fifth row in ``text`` too. Tables and columns are
those of ``examples.exports.imessage``, with the further columns that real tables have.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.handed import Handed, size_of
from examples.district.texts import make_words
from examples.exports.imessage import (
    ATTACHMENTS,
    INDEXES,
    JOIN,
    MESSAGE,
    NS,
    SINCE_16,
    TABLES,
    archived,
    history,
)

PEOPLE, CHATS = 600, 800
CARRIED, CARRIES_EVERY, THERE_EVERY = 7, 40, 1_000
"""The first row with an attachment, how many rows on the next one is, and the next one that lies there."""

BLOCK = 100_000
"""Rows after which the words come again; numbers, guids and times do not."""

_GUID = "%08X-%04X-4%03X-8000-%012X"
_FURTHER = {
    "replace": "INTEGER DEFAULT 0", "service_center": "TEXT", "country": "TEXT",
    "version": "INTEGER DEFAULT 10", "type": "INTEGER DEFAULT 0", "account": "TEXT", "account_guid": "TEXT",
    "is_finished": "INTEGER DEFAULT 1",
    "is_emote": "INTEGER DEFAULT 0", "is_empty": "INTEGER DEFAULT 0", "is_delayed": "INTEGER DEFAULT 0",
    "is_auto_reply": "INTEGER DEFAULT 0", "is_prepared": "INTEGER DEFAULT 0", "is_read": "INTEGER DEFAULT 1",
    "is_system_message": "INTEGER DEFAULT 0", "is_sent": "INTEGER DEFAULT 0",
    "has_dd_results": "INTEGER DEFAULT 0",
    "is_service_message": "INTEGER DEFAULT 0", "is_forward": "INTEGER DEFAULT 0",
    "was_downgraded": "INTEGER DEFAULT 0", "is_archive": "INTEGER DEFAULT 0",
    "was_data_detected": "INTEGER DEFAULT 1", "was_deduplicated": "INTEGER DEFAULT 0",
    "is_audio_message": "INTEGER DEFAULT 0", "is_played": "INTEGER DEFAULT 0", "date_played": "INTEGER",
    "share_direction": "INTEGER DEFAULT 0", "is_expirable": "INTEGER DEFAULT 0",
    "expire_state": "INTEGER DEFAULT 0", "message_action_type": "INTEGER DEFAULT 0",
    "message_source": "INTEGER DEFAULT 0", "associated_message_range_location": "INTEGER DEFAULT 0",
    "associated_message_range_length": "INTEGER DEFAULT 0", "expressive_send_style_id": "TEXT",
    "time_expressive_send_played": "INTEGER DEFAULT 0", "ck_sync_state": "INTEGER DEFAULT 0",
    "ck_record_id": "TEXT", "ck_record_change_tag": "TEXT", "sr_sync_state": "INTEGER DEFAULT 0",
    "is_corrupt": "INTEGER DEFAULT 0", "reply_to_guid": "TEXT", "sort_id": "INTEGER DEFAULT 0",
    "is_spam": "INTEGER DEFAULT 0", "has_unseen_mention": "INTEGER DEFAULT 0", "syndication_ranges": "TEXT",
    "was_delivered_quietly": "INTEGER DEFAULT 0", "did_notify_recipient": "INTEGER DEFAULT 0",
}  # fmt: skip
_SET = (
    "ROWID", "guid", "text", "attributedBody", "service", "handle_id", "is_from_me", "date", "date_read",
    "date_edited", "date_retracted", "item_type", "group_title", "group_action_type", "other_handle",
    "cache_has_attachments", "associated_message_guid", "associated_message_type", "thread_originator_guid",
    "thread_originator_part", "message_summary_info", "is_delivered", "account", "destination_caller_id",
)  # fmt: skip
_FIRST_S = 500_000_000
_EVERY_S = 37
_FILE = 12_000


def write_messages(folder: Path, rows: int, seed: int) -> Handed:
    """Write ``chat.db`` and ``Attachments/`` into a folder.

    Args:
        folder: Is made.
        rows: Messages.
        seed: The same gives the same bytes.
    """
    folder.mkdir(parents=True)
    maker = _Maker(seed)
    there = _write_files(folder, rows, maker)
    db = _made(folder / "chat.db")
    _write_people(db)
    first = range(1, min(rows, BLOCK) + 1)
    insert = f"INSERT INTO message ({', '.join(_SET)}) VALUES ({', '.join('?' * len(_SET))})"
    db.executemany(insert, map(maker.row, first))
    db.executemany("INSERT INTO chat_message_join VALUES (?, ?)", ((_chat(n), n) for n in first))
    for before in range(BLOCK, rows, BLOCK):
        _repeat(db, before, rows - before)
    numbers = range(CARRIED, rows + 1, CARRIES_EVERY)
    db.executemany(_ATTACH, map(_attachment, numbers))
    db.executemany("INSERT INTO message_attachment_join VALUES (?, ?)", ((n, n) for n in numbers))
    db.execute("COMMIT")
    db.close()
    paths, size = size_of(folder)
    # the database itself is an item too
    return Handed(folder, rows, rows + there + 1, len(numbers) - there, 0, paths, size)


_ATTACH = (
    "INSERT INTO attachment (ROWID, guid, created_date, filename, uti, mime_type, transfer_state, "
    "transfer_name, total_bytes, is_sticker) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)


def _repeat(db: sqlite3.Connection, before: int, most: int) -> None:
    """Write the first block again with other numbers, guids and times: SQLite does so faster than Python."""
    later = {name: name for name in _SET}
    seconds = before * _EVERY_S * NS
    later["ROWID"] = f"ROWID + {before}"
    later["guid"] = _guid_of(f"ROWID + {before}")
    for column, began, back in (("associated_message_guid", "p:0/", 1), ("thread_originator_guid", "", 3)):
        named = f"'{began}' || {_guid_of(f'ROWID + {before - back}')}"
        later[column] = f"CASE WHEN {column} IS NULL THEN NULL ELSE {named} END"
    later |= {name: f"{name} + {seconds}" for name in ("date", "date_read", "date_edited", "date_retracted")}
    db.execute(
        f"INSERT INTO message ({', '.join(_SET)}) SELECT {', '.join(later.values())} "
        "FROM message WHERE ROWID <= ?",
        (min(most, BLOCK),),
    )
    db.execute(
        "INSERT INTO chat_message_join SELECT chat_id, message_id + ? FROM chat_message_join "
        "WHERE message_id <= ?",
        (before, min(most, BLOCK)),
    )


def _made(path: Path) -> sqlite3.Connection:
    """Make the tables; the file counts only when it is whole, so nothing of it need survive a crash."""
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size = 4096", "journal_mode = OFF", "synchronous = OFF", "cache_size = -1500000"):
        db.execute(f"PRAGMA {pragma}")
    columns = ", ".join(f"{name} {kind}" for name, kind in (MESSAGE | _FURTHER).items())
    db.executescript(f"CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, {columns});")
    db.executescript(TABLES + JOIN + SINCE_16 + INDEXES)
    db.executescript(
        "CREATE INDEX message_idx_date ON message(date);"
        "CREATE INDEX message_idx_thread_originator_guid ON message(thread_originator_guid);"
        "CREATE INDEX message_attachment_join_idx_message_id ON message_attachment_join(message_id);"
    )
    db.execute("BEGIN")
    return db


def _write_people(db: sqlite3.Connection) -> None:
    """Write addresses and conversations; every sixth conversation is a group of five."""
    services = ("iMessage", "SMS", "RCS")
    db.executemany(
        "INSERT INTO handle (ROWID, id, country, service) VALUES (?, ?, 'us', ?)",
        ((n, f"+1425555{n:04}", services[n % 7 == 0]) for n in range(1, PEOPLE + 1)),
    )
    for chat in range(1, CHATS + 1):
        among = [1 + (chat * 7 + place) % PEOPLE for place in range(5 if chat % 6 == 0 else 1)]
        name = f"chat{100_000 + chat}" if len(among) > 1 else f"+1425555{among[0]:04}"
        style, mark = (43, "+") if len(among) > 1 else (45, "-")
        db.execute(
            "INSERT INTO chat (ROWID, guid, style, chat_identifier, service_name, display_name) "
            "VALUES (?, ?, ?, ?, 'iMessage', ?)",
            (chat, f"iMessage;{mark};{name}:{chat}", style, name, f"Group {chat}" if style == 43 else None),
        )
        db.executemany("INSERT INTO chat_handle_join VALUES (?, ?)", ((chat, one) for one in among))


def _chat(n: int) -> int:
    """Return the conversation of a row: a few are busy, most are not; neighbours are in one."""
    block = n // 40
    return 1 + (block * 2_654_435_761 % (20 if block % 2 else CHATS))


def _guid(n: int) -> str:
    """Return a guid that no other row has, in no order, as those of a phone are."""
    return _GUID % (n * 2_654_435_761 % (1 << 32), n % (1 << 16), n * 7 % (1 << 12), n)


def _guid_of(number: str) -> str:
    """Return the same as an expression of SQLite."""
    n = f"({number})"
    return f"printf('{_GUID}', {n} * 2654435761 % 4294967296, {n} % 65536, {n} * 7 % 4096, {n})"


def _attachment(n: int) -> tuple[Any, ...]:
    at = (_FIRST_S + n * _EVERY_S) * NS
    stated = f"{ATTACHMENTS}/{_place(n)}"
    return (n, f"at_0_{_guid(n)}", at, stated, "public.heic", "image/heic", 5, f"IMG_{n}.HEIC", _FILE)


def _place(n: int) -> str:
    """Return where the attachment of a row lies below ``Attachments``."""
    return f"{n % 256:02x}/{n % 16:02}/{_guid(n)}/IMG_{n}.HEIC"


def _write_files(folder: Path, rows: int, maker: _Maker) -> int:
    """Write the attachments that were downloaded; returns how many."""
    numbers = range(CARRIED, rows + 1, THERE_EVERY)
    for n in numbers:
        path = folder / "Attachments" / _place(n)
        path.parent.mkdir(parents=True)
        path.write_bytes(maker.picture(n))
    return len(numbers)


class _Maker:
    """Makes rows by their number."""

    def __init__(self, seed: int) -> None:
        words = make_words(seed, 60)
        self._lines = [*words.lines, *(one.split("\n", 1)[0] for one in words.paragraphs)]
        self._pool = random.Random(f"phone-{seed}").randbytes(1 << 20)

    def picture(self, n: int) -> bytes:
        """Return bytes that do not pack, different for each."""
        start = n * 7_919 % (len(self._pool) - _FILE)
        return n.to_bytes(8, "big") + self._pool[start : start + _FILE - 8]

    def words(self, n: int) -> str:
        """Return what a row says."""
        return f"{self._lines[n * 31 % len(self._lines)]} {n % 9_973}"

    def row(self, n: int) -> tuple[Any, ...]:
        """Return the values of a row, in the order of ``_SET``."""
        sent = n % 3 == 0
        seconds = _FIRST_S + n * _EVERY_S
        more = dict(self._kind(n, seconds))
        said = more.pop("said", self.words(n))
        if n % CARRIES_EVERY == CARRIED:
            said = f"\ufffc{said}"
            more["cache_has_attachments"] = 1
        values = {
            "ROWID": n,
            "guid": _guid(n),
            "text": said if said and n % 5 == 0 else None,
            "attributedBody": archived(said) if said else None,
            "service": "SMS" if n % 7 == 0 else "iMessage",
            "handle_id": 0 if sent else 1 + _chat(n) * 7 % PEOPLE,
            "is_from_me": int(sent),
            "date": seconds * NS,
            "date_read": None if sent else (seconds + 60) * NS,
            "is_delivered": 1,
            "account": "E:owner@falls.example",
            "destination_caller_id": "+14255550100",
            "item_type": 0,
            "group_action_type": 0,
            "cache_has_attachments": 0,
        } | more
        return tuple(values.get(name) for name in _SET)

    def _kind(self, n: int, seconds: int) -> Iterator[tuple[str, Any]]:
        """Yield what makes a row something else than a text."""
        if n % 10 == 9:
            yield from (
                ("associated_message_guid", f"p:0/{_guid(n - 1)}"),
                ("associated_message_type", 2_000 + n // 10 % 6),
                ("said", f"Liked \u201c{self.words(n - 1)}\u201d"),
            )
        elif n % 200 == 11:
            kind = 1 + n // 200 % 3
            yield from (
                ("item_type", kind),
                ("said", ""),
                ("group_title", f"Group {n % 97}" if kind == 2 else None),
                ("other_handle", 1 + n % PEOPLE if kind != 2 else None),
            )
        elif n % 200 == 13:
            at = seconds + 90
            yield from (
                ("date_edited", at * NS),
                (
                    "message_summary_info",
                    history([(float(seconds), self.words(n + 1)), (float(at), self.words(n))]),
                ),
            )
        elif n % 1_000 == 15:
            yield from (
                ("date_edited", (seconds + 70) * NS),
                ("date_retracted", (seconds + 70) * NS),
                ("said", ""),
                ("message_summary_info", history(unsent=[0])),
            )
        elif n % 100 in {21, 51, 81}:
            yield from (("thread_originator_guid", _guid(n - 3)), ("thread_originator_part", "0:0:0"))
