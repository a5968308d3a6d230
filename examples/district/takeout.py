"""Google Takeout exports of personal accounts, cut down by their owners to what concerns the district."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from examples.district.asks import Source
from examples.district.documents import ZIP_TIME
from examples.district.mail import word
from examples.district.people import Person
from examples.district.stores import Mbox, Placed

MBOX = "Takeout/Mail/All mail Including Spam and Trash.mbox"
BROWSER = "Takeout/archive_browser.html"


class Export:
    """One export: the mail first (it is streamed into the zip), then the other products.

    Attributes:
        source: Its source; the path is the folder that holds the zips.
    """

    def __init__(self, root: Path, source: Source, *, split: bool, crlf: bool) -> None:
        self.source = source
        folder = root / source.path
        folder.mkdir(parents=True, exist_ok=True)
        stem = "takeout-20260905T180000Z"
        self._zips = [
            zipfile.ZipFile(folder / f"{stem}-{n:03}.zip", "w", zipfile.ZIP_DEFLATED)
            for n in range(1, 3 if split else 2)
        ]
        self._member = self._zips[0].open(_info(MBOX), "w", force_zip64=True)
        self._mbox = Mbox(source, MBOX, self._member, crlf=crlf)
        self._mbox.watched = True
        self._thread = 1_790_000_000_000_000_000

    def add_mail(self, message: bytes, at: datetime, labels: str) -> Placed:
        """Write one message with its thread id and labels, as Gmail does."""
        self._thread += 7919
        extra = f"X-GM-THRID: {self._thread}\nX-Gmail-Labels: {word(labels, q=True)}\n".encode()
        placed = self._mbox.add(message, at.astimezone(UTC), "Inbox", extra)
        return Placed("Mail", placed.native_key, None, placed.sha256, placed.size)

    def end_mail(self) -> None:
        """Close the mail; other files can follow."""
        self._mbox.close()

    def add_file(self, path: str, data: bytes) -> tuple[str, str]:
        """Write one file into the last zip; returns its native key and the SHA-256 of its bytes."""
        self._zips[-1].writestr(_info(path), data, zipfile.ZIP_DEFLATED, 6)
        return path, hashlib.sha256(data).hexdigest()

    def close(self) -> None:
        """Write the directories of the zips."""
        for packed in self._zips:
            packed.close()


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@dataclass(frozen=True, slots=True)
class Chat:
    """One message of a conversation.

    Attributes:
        text: None for one its writer deleted: a tombstone.
        files: Pairs of the name its sender gave and the name in the export.
    """

    writer: Person
    at: datetime
    text: str | None
    files: tuple[tuple[str, str], ...] = ()


def chat_file(group: str, messages: Sequence[Chat]) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return a ``messages.json``, and each message's id and exact bytes within it.

    Times are UTC in words, with U+202F before AM or PM.
    """
    objects: list[tuple[str, bytes]] = []
    for n, message in enumerate(messages):
        person = message.writer
        row: dict[str, object] = {
            "creator": {"name": person.name, "email": person.email, "user_type": "Human"},
            "created_date": _words(message.at),
            "topic_id": f"t{n:04}",
            "message_id": f"{group}/t{n:04}/t{n:04}",
        }
        if message.text is None:
            row["message_state"] = "DELETED"
        else:
            row["text"] = message.text
        if message.files:
            row["attached_files"] = [{"original_name": a, "export_name": b} for a, b in message.files]
        text = json.dumps(row, ensure_ascii=False, indent=2).replace("\n", "\n    ")
        objects.append((f"{group}/t{n:04}/t{n:04}", text.encode()))
    joined = b",\n    ".join(data for _, data in objects)
    return b'{\n  "messages": [\n    ' + joined + b"\n  ]\n}", objects


def members_file(people: Sequence[Person]) -> bytes:
    """Return a ``group_info.json`` of a direct message (it has no name)."""
    rows = [{"name": p.name, "email": p.email, "user_type": "Human"} for p in people]
    return json.dumps({"members": rows}, ensure_ascii=False, indent=2).encode()


def user_file(person: Person, groups: Sequence[str]) -> bytes:
    """Return a ``user_info.json``."""
    user = {"name": person.name, "email": person.email, "user_type": "Human"}
    memberships = [{"group_id": g, "membership_state": "MEMBER_JOINED"} for g in groups]
    return json.dumps({"user": user, "membership_info": memberships}, ensure_ascii=False, indent=2).encode()


def browser_file(products: Sequence[str]) -> bytes:
    """Return an ``archive_browser.html``: the export's own table of contents."""
    items = "".join(f"<li>{p}</li>" for p in products)
    head = "<!DOCTYPE html><html><head><title>Google Takeout</title></head>"
    return f"{head}<body><ul>{items}</ul></body></html>".encode()


def _words(at: datetime) -> str:
    utc = at.astimezone(UTC)
    hour = utc.hour % 12 or 12
    return (
        f"{utc:%A, %B} {utc.day}, {utc.year} at {hour}:{utc:%M:%S}\u202f{'AM' if utc.hour < 12 else 'PM'} UTC"
    )
