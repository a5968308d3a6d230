"""Discord's data package: what one account wrote, a file for each channel.

``Messages/cID/messages.json`` (older packages: ``messages.csv``) lists the messages of the account in a
channel, ``channel.json`` beside it and ``Messages/index.json`` say which one it is
(https://support.discord.com/hc/en-us/articles/360004957991 tells what a package holds). What others wrote is
not in it. Attachments are addresses that expire.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from connectors.chat_files import CHAT_BYTES, place_of, whole_of
from connectors.export_files import PackageFile
from connectors.json_lists import listed_objects
from connectors.json_values import inner, one_line, parsed
from connectors.known_tables import Carried, KnownTables, Row, Told, row_values
from connectors.mbox import SeenHashes, numbered
from records.errors import ItemError
from records.loose_json import loose_object
from records.models import Expected, FailedItem, Moment, SourceContext, Window, Yielded
from records.moments import epoch_moment, iso_moment
from records.vocabulary import Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-discord-message+json"

_LIST = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*\[\s*\{"
    rb'(?=[^{}]{0,16000}"ID"\s*:)(?=[^{}]{0,16000}"Timestamp"\s*:)(?=[^{}]{0,16000}"Contents"\s*:)'
)
_ADDRESS = re.compile(r"https?://[^\s\"<>]+")
_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
_EPOCH_MS = 1_420_070_400_000
"""The first moment of 2015, from which ids count (https://discord.com/developers/docs/reference#snowflakes)."""

_OWNER = re.compile(
    rb'\s*\{\s*"id"\s*:\s*"(?P<id>\d{1,20})"\s*,\s*"username"\s*:\s*(?P<name>"(?:[^"\\]|\\.){0,200}")'
)
_DIRECT = re.compile(r"Direct Message with (?P<name>.+?)(?:#0)?")
_KNOWN = re.compile(
    r"(?:.*/)?(?:README\.txt|(?:account|activity|activities|ads|messages|programs|servers|support_tickets)/.+)",
    re.IGNORECASE,
)
"""What a package holds beside messages: kept as files."""

_KINDS = {0: "GUILD_TEXT", 1: "DM", 3: "GROUP_DM", 11: "PUBLIC_THREAD", 12: "PRIVATE_THREAD"}
"""Kinds of channels by the numbers of older packages; newer ones write the names."""

_SMALL = 1 << 20


class Discord(KnownTables):
    """The package of one account."""

    name: ClassVar[str] = "discord"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "messages.json of every channel of a data package, and messages.csv of older ones: each message",
        "which channel, server or conversation it was in, as far as the package says",
        "attachments, which the package names by addresses only: each counted as failed",
        "everything else of the package: as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what others wrote: a package holds the messages of its account only",
        "what the package does not have: deleted messages, earlier words of edits, reactions, replies",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "generated packages with JSON and with CSV, written to published layouts",
    )
    app: ClassVar[str] = "discord"
    needed: ClassVar[tuple[str, ...]] = ("ID", "Timestamp", "Contents", "Attachments")
    columns: ClassVar[Mapping[str, str]] = {"message_id": "ID", "body": "Contents", "media": "Attachments"}
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".json")

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._indexes: dict[str, Mapping[str, Any]] = {}

    def _is_chat(self, head: bytes) -> bool:
        return self.is_table(head) or is_list(head)

    def _label(self, key: str) -> str:
        return key

    def _reader(self, file: PackageFile) -> Callable[[Row], Told]:
        channel = self._channel(file)

        def tell(row: Row) -> Told:
            media = tuple(
                Carried(_named(address), None, Reason.EXPIRED_LINK, "discord_link")
                for address in _ADDRESS.findall(row["Attachments"])
            )
            return Told(Kind.CHAT, moment_of(row["Timestamp"], row["ID"]), row["ID"], channel, (), media)

        return tell

    def _counted(self, file: PackageFile, data: bytes) -> int | Expected:
        """Count messages of JSON by Python's own reader, and attachments; of CSV as every table is."""
        if not _is_json(file):
            return super()._counted(file, data)
        if file.size() > CHAT_BYTES:
            return Expected(None, "unknown")
        try:
            value = json.loads(whole_of(file))
        except (ValueError, RecursionError, ItemError):
            return Expected(None, "unknown")
        listed = [one for one in value if isinstance(one, dict)]
        named = sum(len(_ADDRESS.findall(one_line(one.get("Attachments")))) for one in listed)
        return Expected(len(listed) + named, "json parse")

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        if not _is_json(file):
            yield from super()._messages(file, data, window)
            return
        tell, seen = self._reader(file), SeenHashes()
        try:
            for cut in listed_objects(file.stream()):
                read = loose_object(cut.data)
                if read is None:
                    key, _ = numbered(seen, hashlib.sha256(cut.data).hexdigest())
                    yield FailedItem(key, Kind.CHAT, "", Reason.CORRUPT, "json")
                    continue
                told = tell(Row({name: _cell(one) for name, one in read[0].items()}))
                warned = (WarningCode.CHARSET_GUESSED,) if read[1] else ()
                yield from row_values(
                    cut.data, told, {"app": self.app}, window, seen, warned=warned, media_type=MESSAGE_TYPE
                )
        except ItemError as error:  # what came before it broke off was yielded
            yield FailedItem(f"{file.key}#rest", Kind.CHAT, "", error.reason, error.detail)

    def _channel(self, file: PackageFile) -> dict[str, str]:
        """Return the facts that all messages of a channel have."""
        folder = place_of(file.key)
        above = place_of(folder.rstrip("/"))
        about = self._read(f"{folder}channel.json")
        number = one_line(about.get("id")) or folder.rstrip("/").removeprefix(above).removeprefix("c")
        if above not in self._indexes:  # one file tells of thousands of channels
            self._indexes[above] = self._read(f"{above}index.json")
        listed = one_line(self._indexes[above].get(number))
        server = one_line(inner(about, "guild").get("name"))
        name = one_line(about.get("name"))
        owner_id, owner = self._owner(place_of(above.rstrip("/")))
        others = _others(about, owner_id, listed)
        kind = about.get("type")
        facts = {
            "group": f"discord:{number or file.key}",
            "group_name": listed or (f"{name} in {server}" if name and server else name) or number,
            "group_kind": _KINDS.get(kind, str(kind)) if isinstance(kind, int) else one_line(kind),
            "server": server,
            "sender": f"{owner} <{owner_id}>" if owner else "",
            "recipients": "; ".join(others),
        }
        return {key: one for key, one in facts.items() if one}

    def _read(self, key: str) -> Mapping[str, Any]:
        """Return a small file of the package as an object; an empty one where it is none."""
        file = self._files().get(key)
        try:
            if file is None or file.size() > _SMALL:
                return {}
            return parsed(whole_of(file)) or {}
        except ItemError:
            return {}

    def _owner(self, root: str) -> tuple[str, str]:
        """Return id and name of the account, from the beginning of a file that may be very large."""
        for name in ("Account/user.json", "account/user.json"):
            file = self._files().get(root + name)
            found = _OWNER.match(file.head()) if file is not None else None
            if found is not None:
                read = parsed(b'{"of":' + found["name"] + b"}") or {}
                return found["id"].decode(), one_line(read.get("of"))
        return "", ""

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return what a package is known to hold, by its names."""
        return [key for key, file in beside.items() if _KNOWN.fullmatch(file.inner) is not None]


def is_list(head: bytes) -> bool:
    """Say whether a file is the list of a channel's messages by how it begins."""
    return _LIST.match(head) is not None


def moment_of(stated: str, number: str) -> Moment:
    """Return when a message was sent: by its time, which is UTC if it says so or not; else by its id."""
    if stated:
        made = iso_moment(stated if _OFFSET.search(stated) else f"{stated}+00:00")
        return Moment(made.at, stated, made.basis)
    if re.fullmatch(r"[0-9]{1,20}", number):
        return epoch_moment((int(number) >> 22) + _EPOCH_MS, number)
    return iso_moment("")


def _is_json(file: PackageFile) -> bool:
    return file.name.lower().endswith(".json")


def _cell(value: object) -> str:
    """Return a member as a cell: an id is a number in newer packages, and a text in older ones."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= 64 else ""
    return one_line(value)


def _named(address: str) -> str:
    """Return the last part of an address, for people."""
    return address.partition("?")[0].rpartition("/")[2]


def _others(about: Mapping[str, Any], owner_id: str, listed: str) -> list[str]:
    """Return who takes part beside the owner; the list of a conversation of two names the other."""
    stated = about.get("recipients")
    ids = [one for each in stated if (one := one_line(each))] if isinstance(stated, list) else []
    others = [one for one in ids if one != owner_id] if owner_id else []
    named = _DIRECT.fullmatch(listed)
    if named is None:
        return [f"<{one}>" for one in others]
    name = named["name"].replace(";", ",")
    return [f"{name} <{others[0]}>"] if len(others) == 1 else [name]
