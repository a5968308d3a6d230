"""Snapchat's *My Data*: the histories of chats and snaps as JSON, with the media that they name.

``chat_history.json`` and ``snap_history.json`` hold a list of entries for each conversation, by the other's
user name or by the group's id. An entry has no id of its own; its media are named by id, and lie in
``chat_media`` as ``DAY_ID.jpg`` (https://help.snapchat.com/hc/en-us/articles/7012305371156 tells how the data
is asked for). Most chats delete themselves: what was neither saved nor still there by then is not in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

from connectors.base import not_one
from connectors.bytesource import StreamSource
from connectors.chat_files import CHAT_BYTES, RecordFiles, place_of, whole_of
from connectors.export_files import OpenZips, PackageFile
from connectors.json_objects import Path, Piece, pieces_of
from connectors.json_values import one_line
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, numbered
from records import canonical
from records.errors import ItemError
from records.loose_json import loose_object
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Window,
    Yielded,
)
from records.moments import as_facts, epoch_moment, iso_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-snapchat-message+json"
HEAD = 64 << 10

_TEXT = rb'"(?:[^"\\]|\\.)*"'
_HISTORY = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*\{(?:\s*" + _TEXT + rb"\s*:\s*\[\s*\]\s*,)*\s*" + _TEXT
    + rb'\s*:\s*\[\s*\{(?=[^{}]{0,4000}"Media Type"\s*:)(?=[^{}]{0,4000}"Created"\s*:)', re.DOTALL,
)  # fmt: skip
_UTC = re.compile(r"\s*(?:UTC|GMT)$")
_MEDIA = re.compile(r"\d{4}-\d\d-\d\d_(?P<id>.+?)\.[A-Za-z0-9]{1,8}")
_OLD = {"Received Saved Chat History": "From", "Sent Saved Chat History": "To"}
"""Lists of older exports, which part what came from what went; the member that names the other."""

_KNOWN = re.compile(
    r"(?:.*/)?(?:index\.html|json/[a-z_]+\.json|html/[a-z_]+\.html|(?:chat_media|memories|shared_story)/[^/]+)"
)
"""What else *My Data* holds: kept as files."""


class Snapchat(RecordFiles):
    """The data of one account."""

    name: ClassVar[str] = "snapchat"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "chat_history.json and snap_history.json of My Data, in a folder or in zips: each entry",
        "older files of two lists, what was received and what was sent",
        "media of chats, by their ids; each that is named and not there: counted as failed",
        "everything else of the data: as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what was neither saved nor still stored when the data was asked for, and pictures of snaps",
        "My Data as web pages alone: as files; ask for JSON",
        "which overlay belongs to which picture: the data does not say; both are files",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated histories of both layouts, written to published ones",)

    def check(self) -> None:
        """Prove access, and that there is a history.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or no history is there.
        """
        super().check()
        self._files()
        if not self._chats and not self._broken:
            what = "chat_history.json of Snapchat's My Data (ask for it as JSON)"
            raise not_one(self._context.source_id, what, self._path, self.name)

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        return file.name.lower().endswith(".json") and is_history(file.head(HEAD, opened.of(file)))

    def _label(self, key: str) -> str:
        return key

    def _expected(self, file: PackageFile) -> Expected:
        """Count entries by Python's own reader of JSON, and what they name that is not there.

        Of a file that is damaged, was cut, or is larger than such files are, nobody knows.
        """
        if file.size() > CHAT_BYTES:
            return Expected(None, "unknown")
        try:
            value = json.loads(whole_of(file))
        except (ValueError, RecursionError, ItemError):
            return Expected(None, "unknown")
        held, total = self._held(file), 0
        for entries in value.values():
            for one in entries if isinstance(entries, list) else ():
                named = media_ids(one) if isinstance(one, dict) else ()
                total += isinstance(one, (dict, list)) + sum(key not in held for key in named)
        return Expected(total, "json parse")

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        reading = _Reading(self._held(file), window, SeenHashes())
        with closing(StreamSource(file.stream(opened.of(file)))) as source:
            whole = False
            for piece in pieces_of(source, _is_entry, lambda _: False):
                if isinstance(piece, Piece):
                    yield from reading.entry(piece)
                else:
                    whole = piece
            if source.cut is not None or not whole:
                cut = source.cut
                reason, detail = (cut.reason, cut.detail) if cut else (Reason.TRUNCATED, "export_cut")
                yield FailedItem(f"{file.key}#rest", Kind.CHAT, "", reason, detail)

    def _held(self, chat: PackageFile) -> dict[str, PackageFile]:
        """Return media by id; those of the same export come before those of another beside it."""
        root = place_of(chat.key).removesuffix("json/")
        found: dict[str, PackageFile] = {}
        for key, file in sorted(self._files().items(), key=lambda one: (not one[0].startswith(root), one[0])):
            named = _MEDIA.fullmatch(file.name)
            if named is not None and key not in self._chats:
                found.setdefault(named["id"], file)
        return found

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return what *My Data* is known to hold, by its names."""
        return [key for key, file in beside.items() if _KNOWN.fullmatch(file.inner) is not None]


def is_history(head: bytes) -> bool:
    """Say whether a file is a history by how it begins: lists of entries with a medium and a time."""
    return _HISTORY.match(head) is not None


def media_ids(value: Mapping[str, Any]) -> list[str]:
    """Return the ids of the media that an entry names, in order."""
    stated = value.get("Media IDs")
    return [one for one in re.split(r"\s*\|\s*", one_line(stated)) if one]


def moment_of(value: Mapping[str, Any]) -> Moment:
    """Return when an entry was made: its number of milliseconds, else its words, which say UTC."""
    stated = one_line(value.get("Created"))
    number = value.get("Created(microseconds)")
    if isinstance(number, int) and not isinstance(number, bool) and number > 0:
        made = epoch_moment(number, stated or str(number))  # milliseconds, whatever the name says
        if made.at is not None:
            return made
    bare = _UTC.sub("", stated)
    if not stated or bare == stated:
        return Moment(None, stated, Basis.NONE) if stated else NO_MOMENT
    made = iso_moment(f"{bare}+00:00")
    return Moment(made.at, stated, made.basis)


def _is_entry(path: Path) -> bool:
    return len(path) == 2 and path[1] == ""


def _said(name: str) -> str:
    """Return a member's name as JSON means it."""
    read = loose_object(b'{"of":"' + name.encode("utf-8", "replace") + b'"}')
    return one_line(read[0]["of"]) if read is not None else ""


@dataclass(slots=True)
class _Reading:
    """What is known while a file is read.

    Attributes:
        held: Media by id.
        window: The request's days.
        seen: Keys so far.
    """

    held: Mapping[str, PackageFile]
    window: Window
    seen: SeenHashes

    def entry(self, piece: Piece) -> Iterator[Yielded]:
        """Yield an entry, then media that it names and that is not there."""
        key, _ = numbered(self.seen, hashlib.sha256(piece.data).hexdigest())
        read = loose_object(piece.data) if piece.whole else None
        if read is None:
            reason, detail = (Reason.CORRUPT, "json") if piece.whole else (Reason.TRUNCATED, "message_cut")
            yield FailedItem(key, Kind.CHAT, "", reason, detail)
            return
        value, guessed = read
        moment = moment_of(value)
        outside, codes = placed(moment, self.window, dated=True)
        media = [(one, self.held.get(one)) for one in media_ids(value)]
        if outside:
            yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            there = [{"name": file.name, "native_key": file.key} for _, file in media if file is not None]
            warnings = (
                *((WarningCode.DELETED,) if value.get("Media Type") == "STATUSERASEDMESSAGE" else ()),
                *((WarningCode.MISSING_PART,) if len(there) < len(media) else ()),
                *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
                *codes,
            )
            facts = {
                **_about(_said(piece.path[0]), value),
                **as_facts(moment),
                "attachments": canonical.dumps(there) if there else "",
            }
            yield FoundItem(
                key, Kind.CHAT, "", None, MESSAGE_TYPE, len(piece.data), moment,
                {name: one for name, one in facts.items() if one}, warnings, piece.data,
            )  # fmt: skip
        for number, (_, file) in enumerate(media):
            if file is None:
                yield FailedItem(f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "media")


def _about(conversation: str, value: Mapping[str, Any]) -> dict[str, str]:
    """Return facts of an entry's conversation: the other's user name, or a group's id and title."""
    other = conversation
    if conversation in _OLD:
        other = one_line(value.get(_OLD[conversation]))
    title = one_line(value.get("Conversation Title"))
    sent = value.get("IsSender") is True or conversation == "Sent Saved Chat History"
    return {
        "group": f"snapchat:{other}",
        "group_name": title or other,
        "group_kind": "group" if title else "conversation of two",
        "with": "" if title else other,
        "direction": "sent" if sent else "received",
    }
