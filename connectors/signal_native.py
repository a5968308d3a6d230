"""The plaintext export that Signal itself makes: ``main.jsonl``, one JSON object a line, media in ``files/``.

A line is a frame: the account, people, chats, and ``chatItem``, an entry of a chat. Numbers that frames name
one another by hold within one file only, so an entry is called by its chat, its author and its time. The
layout is that of ``backup.proto`` in https://github.com/signalapp/libsignal; what is left out before a line
is written, its ``json/exporter.rs`` says: messages with a timer, media to be seen once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from connectors.bytesource import CHUNK
from connectors.export_files import PackageFile
from connectors.folders import storable
from connectors.json_values import inner, one_line
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, numbered
from records import canonical
from records.errors import ItemError
from records.loose_json import loose_object
from records.models import NO_MOMENT, ExcludedItem, FailedItem, FoundItem, Moment, Window, Yielded
from records.moments import epoch_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

FRAME_TYPE = "application/x-signal-frame+json"
HEADER = re.compile(
    rb'(?:\xef\xbb\xbf)?\{(?=[^\n]{0,4000}"backupTimeMs"\s*:\s*"?\d)(?=[^\n]{0,4000}"version"\s*:)'
)
"""The first line of an export (BackupInfo)."""

MOST_MEMBERS = 100
"""Members of a larger group are counted and not listed with each entry."""

_LONGEST = 64 << 20
"""A line longer than this is no entry that the app wrote."""

_ITEM = b'{"chatItem":'
_DESCRIBES = frozenset(
    {"account", "recipient", "chat", "stickerPack", "notificationProfile", "chatFolder", "header"}
)
"""Frames that are no records: what they say of people and chats goes along with each entry."""

_DIGITS = re.compile(r"-?\d{1,19}")
_NOT_THERE = frozenset({"quote", "revisions"})
"""Members that name media of other entries again."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an export.

    Attributes:
        data: Its bytes without the end of the line; of one that is too long, the first part.
        ended: False for the last one, where the file ends without an end of line.
        whole: False for one that is too long to be held.
    """

    data: bytes
    ended: bool = True
    whole: bool = True


def lines_of(stream: BinaryIO) -> Iterator[Line]:
    """Yield the lines of a stream that are not empty.

    Raises:
        ItemError: The stream broke off; the lines before were yielded.
    """
    held, dropping = b"", False
    while got := stream.read(CHUNK):
        *ended, held = (held + got).split(b"\n")
        for one in ended:
            if not dropping and one.strip():
                yield Line(one.rstrip(b"\r"))
            dropping = False
        if dropping:
            held = b""
        elif len(held) > _LONGEST:
            yield Line(held[:CHUNK], whole=False)
            held, dropping = b"", True
    if held.strip() and not dropping:
        yield Line(held, ended=False)


@dataclass(frozen=True, slots=True)
class Person:
    """A recipient of the export: a person, a group, the owner.

    Attributes:
        key: What stays the same in another export: service id, number, or a digest of a group's secret.
        name: As the owner's phone shows it; may be empty.
        address: Number with its plus, user name, or service id.
        kind: ``self``, ``contact``, ``group`` or another member of the frame.
        members: Keys of its members, of a group.
        timer_s: Seconds after which its messages vanish; 0 for none.
    """

    key: str
    name: str
    address: str
    kind: str
    members: tuple[str, ...] = ()
    timer_s: int = 0

    @property
    def shown(self) -> str:
        """As facts show a person."""
        if self.name and self.address:
            return f"{self.name} <{self.address}>"
        return self.name or self.address or self.key


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat.

    Attributes:
        with_: Recipient whose chat it is.
        timer_s: Seconds after which its messages vanish; 0 for none.
    """

    with_: Person
    timer_s: int


@dataclass(slots=True)
class Known:
    """What frames say of people and chats.

    Attributes:
        people: By the number in the file.
        by_service: By service id, as base64.
        chats: By the number in the file.
        owner: Whose export it is.
    """

    people: dict[str, Person] = field(default_factory=dict)
    by_service: dict[str, Person] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    owner: Person | None = None


def read_known(stream: BinaryIO) -> Known:
    """Read the people and chats of an export; of one that breaks off, those before."""
    known, account = Known(), {}
    try:
        for line in lines_of(stream):
            if line.data.startswith(_ITEM) or not line.whole:
                continue
            read = loose_object(line.data)
            for kind, value in (read[0] if read is not None else {}).items():
                if not isinstance(value, dict):
                    continue
                if kind == "account":
                    account = value
                elif kind == "recipient":
                    _recipient(value, account, known)
                elif kind == "chat":
                    _chat(value, known)
    except ItemError:
        return known  # the entries of the file say so
    return known


def _recipient(value: Mapping[str, Any], account: Mapping[str, Any], known: Known) -> None:
    number = _digits(value.get("id"))
    if "self" in value:
        name = " ".join(
            filter(None, (one_line(account.get("givenName")), one_line(account.get("familyName"))))
        )
        person = Person("self", name, one_line(account.get("username")), "self")
        known.owner = person
    elif isinstance(value.get("contact"), dict):
        person = _contact(value["contact"], number)
        for name in ("aci", "pni"):
            if service := one_line(value["contact"].get(name)):
                known.by_service[service] = person
    elif isinstance(value.get("group"), dict):
        person = _group(value["group"], number)
    else:
        kind = next((name for name in value if name != "id"), "unknown")
        about = inner(value, kind)
        person = Person(f"{kind}:{number}", one_line(about.get("name")), "", kind)
    known.people[number] = person


def _contact(value: Mapping[str, Any], number: str) -> Person:
    pairs = (("systemGivenName", "systemFamilyName"), ("profileGivenName", "profileFamilyName"))
    nickname = value.get("nickname")
    names = [" ".join(filter(None, (one_line(value.get(a)), one_line(value.get(b))))) for a, b in pairs]
    if isinstance(nickname, dict):
        given = " ".join(filter(None, (one_line(nickname.get("given")), one_line(nickname.get("family")))))
        names.insert(0, given)
    e164 = _digits(value.get("e164"))
    service = _service(value.get("aci")) or _service(value.get("pni"))
    address = f"+{e164}" if e164 else one_line(value.get("username")) or service
    return Person(
        service or address or f"contact:{number}", next(filter(None, names), ""), address, "contact"
    )


def _group(value: Mapping[str, Any], number: str) -> Person:
    secret = _bytes(value.get("masterKey"))  # who has it can read the group: only its digest is kept
    key = f"group:{hashlib.sha256(secret).hexdigest()[:32]}" if secret else f"group:{number}"
    snapshot = inner(value, "snapshot")
    title = one_line(inner(snapshot, "title").get("title")) or one_line(snapshot.get("title"))
    timer = inner(snapshot, "disappearingMessagesTimer").get("disappearingMessagesDuration")
    listed = snapshot.get("members")
    members = [
        one_line(one.get("userId"))
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict)
    ]
    seconds = int(_digits(timer) or 0)
    return Person(key, title, "", "group", tuple(filter(None, members)), seconds)


def _chat(value: Mapping[str, Any], known: Known) -> None:
    with_ = known.people.get(_digits(value.get("recipientId")))
    if with_ is not None:
        timer = int(_digits(value.get("expirationTimerMs")) or 0) // 1000
        known.chats[_digits(value.get("id"))] = Chat(with_, timer or with_.timer_s)


def values_of(
    stream: BinaryIO, key: str, known: Known, media: Mapping[str, PackageFile], window: Window
) -> Iterator[Yielded]:
    """Yield a value a line, each with media that it names and that is not there.

    Args:
        stream: The export.
        key: Of the export.
        known: Its people and chats.
        media: Files of the export, by the name without suffix.
        window: The request's days.
    """
    reading = _Reading(key, known, media, window)
    try:
        for line in lines_of(stream):
            yield from reading.line(line)
    except ItemError as error:
        yield FailedItem(f"{key}#rest", Kind.CHAT, "", error.reason, error.detail)


def expected_values(stream: BinaryIO, media: Mapping[str, PackageFile]) -> int:
    """Count lines, and every file that one names, wherever, and that is not there."""
    total = 0
    for line in lines_of(stream):
        total += 1
        if line.whole and (b"chatItem" in line.data):
            total += _lost_in(line.data, media)
    return total


def _lost_in(data: bytes, media: Mapping[str, PackageFile]) -> int:
    try:
        waiting: list[Any] = [json.loads(data)]
    except (ValueError, RecursionError):
        return 0
    lost = 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
            continue
        if not isinstance(one, dict):
            continue
        for name, value in one.items():
            if name == "viewOnceMessage":
                lost += 1
            elif name in {"pointer", "longText", "data"} and isinstance(value, dict):
                lost += stored_name(value) not in media
            elif name not in _NOT_THERE:
                waiting.append(value)
    return lost


@dataclass(slots=True)
class _Reading:
    """What is known while an export is read."""

    key: str
    known: Known
    media: Mapping[str, PackageFile]
    window: Window
    seen: SeenHashes = field(default_factory=SeenHashes)

    def line(self, line: Line) -> Iterator[Yielded]:
        """Yield what a line gives."""
        digest = hashlib.sha256(line.data).hexdigest()
        if not line.whole:
            yield FailedItem(numbered(self.seen, digest)[0], Kind.CHAT, "", Reason.TOO_LARGE, "line")
            return
        read = loose_object(line.data)
        if read is None:
            reason, detail = (Reason.CORRUPT, "json") if line.ended else (Reason.TRUNCATED, "line_cut")
            yield FailedItem(numbered(self.seen, digest)[0], Kind.CHAT, "", reason, detail)
            return
        value, guessed = read
        kind = next(iter(value), "") if "backupTimeMs" not in value else "header"
        if kind == "chatItem" and isinstance(value[kind], dict):
            yield from self._entry(line.data, value[kind], guessed=guessed)
        elif kind in _DESCRIBES:
            yield ExcludedItem(
                numbered(self.seen, digest)[0], Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, _snake(kind), None
            )
        else:
            yield self._other(line.data, kind, inner(value, kind), numbered(self.seen, digest)[0])

    def _other(self, data: bytes, kind: str, value: Mapping[str, Any], key: str) -> Yielded:
        """Return a call by a link, or a frame that is not known, which is kept as it is."""
        moment = _moment(value.get("callTimestamp"))
        outside, codes = placed(moment, self.window, dated=kind == "adHocCall")
        of = Kind.CALL if kind == "adHocCall" else Kind.FILE
        if outside:
            return ExcludedItem(key, of, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        facts = {
            "frame": _snake(kind) if kind else "empty",
            **self._group_facts(_digits(value.get("recipientId"))),
        }
        return FoundItem(key, of, "", None, FRAME_TYPE, len(data), moment, facts, codes, data)

    def _group_facts(self, number: str) -> dict[str, str]:
        person = self.known.people.get(number)
        return {} if person is None else {"group": person.key, "group_name": person.name or person.key}

    def _entry(self, data: bytes, item: Mapping[str, Any], *, guessed: bool) -> Iterator[Yielded]:
        chat = self.known.chats.get(_digits(item.get("chatId")))
        author = self.known.people.get(_digits(item.get("authorId")))
        where = chat.with_.key if chat is not None else f"chat:{_digits(item.get('chatId'))}"
        who = author.key if author is not None else f"author:{_digits(item.get('authorId'))}"
        stated = _digits(item.get("dateSent"))
        key, again = numbered(
            self.seen, f"{where}/{who}/{stated}" if stated else f"{where}/{hashlib.sha256(data).hexdigest()}"
        )
        kind = kind_of(item)
        moment = _moment(item.get("dateSent"))
        outside, codes = placed(moment, self.window, dated=True)
        named = list(named_files(item))
        held = [(name, self.media.get(stored)) for name, stored, _ in named]
        lost = [(name, why) for (name, file), (_, _, why) in zip(held, named, strict=True) if file is None]
        if "viewOnceMessage" in item:
            lost.append(("", "view_once"))
        if outside:
            yield ExcludedItem(key, kind, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            there = [{"name": name, "native_key": file.key} for name, file in held if file is not None]
            facts = {**self._about(chat, where), **self._people(data, author)}
            if there:
                facts["attachments"] = canonical.dumps(there)
            deleted = "remoteDeletedMessage" in item or "adminDeletedMessage" in item
            warnings = (
                *((WarningCode.EDITED,) if item.get("revisions") else ()),
                *((WarningCode.DELETED,) if deleted else ()),
                *((WarningCode.NOT_SENT,) if _is_not_sent(item) else ()),
                *((WarningCode.DISAPPEARING,) if _sets_timer(item) else ()),
                *((WarningCode.DUPLICATE_ENTRY,) if again else ()),
                *((WarningCode.MISSING_PART,) if lost else ()),
                *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
                *codes,
            )
            yield FoundItem(key, kind, "", None, FRAME_TYPE, len(data), moment, facts, warnings, data)
        for number, (name, why) in enumerate(lost):
            reason = Reason.NOT_IN_EXPORT if self.media or why != "media" else Reason.OMITTED_BY_USER
            yield FailedItem(f"{key}#{number}", Kind.FILE, "", reason, why, name or None)

    def _about(self, chat: Chat | None, where: str) -> dict[str, str]:
        """Return what every entry of a chat is told of."""
        facts = {"group": where, "frame": "chat_item"}
        if chat is None:
            return facts
        with_ = chat.with_
        facts |= {"group_name": with_.name or with_.address or with_.key, "group_kind": with_.kind}
        if chat.timer_s:
            facts["disappearing_s"] = str(chat.timer_s)
        people = [self.known.by_service.get(one) for one in with_.members]
        shown = [one.shown for one in people if one is not None] if with_.kind == "group" else [with_.shown]
        if self.known.owner is not None:
            facts["owner"] = self.known.owner.shown
        if len(shown) > MOST_MEMBERS:
            facts["members_count"] = str(len(with_.members))
        elif shown:
            facts["members"] = "; ".join(shown)
        return facts

    def _people(self, data: bytes, author: Person | None) -> dict[str, str]:
        """Return who wrote an entry, and the names of the people that it names by number or service id."""
        numbers = {one.decode() for one in _NAMED.findall(data)}
        names = {one: self.known.people[one].shown for one in numbers if one in self.known.people}
        services = {one.decode() for one in _SERVICE.findall(data)}
        names |= {one: self.known.by_service[one].shown for one in services if one in self.known.by_service}
        facts = {
            "author": author.shown if author is not None else "",
            "author_kind": author.kind if author else "",
        }
        if names:
            facts["names"] = canonical.dumps(dict(sorted(names.items())))
        return {name: one for name, one in facts.items() if one}


_NAMED = re.compile(rb'"(?:[a-zA-Z]*[aA]uthorId|[a-zA-Z]*[rR]ecipientId|adminId|voterId)"\s*:\s*"(\d{1,19})"')
_SERVICE = re.compile(rb'"[a-zA-Z]*(?:Aci|aci|Pni|ServiceId)"\s*:\s*"([A-Za-z0-9+/]{22,24}={0,2})"')


def kind_of(item: Mapping[str, Any]) -> Kind:
    """Return what an entry is."""
    update = inner(item, "updateMessage")
    return Kind.CALL if "individualCall" in update or "groupCall" in update else Kind.CHAT


def named_files(item: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what an entry carries: a name for people, the name in the export, and why it may not be there."""
    message = inner(item, "standardMessage")
    reply = inner(inner(item, "directStoryReplyMessage"), "textReply")
    listed = message.get("attachments")
    pointers = [
        inner(one, "pointer")
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and isinstance(one.get("pointer"), dict)
    ]
    pointers += [of["longText"] for of in (message, reply) if isinstance(of.get("longText"), dict)]
    sticker = inner(inner(item, "stickerMessage"), "sticker")
    if isinstance(sticker.get("data"), dict):
        pointers.append(sticker["data"])
    for pointer in pointers:
        stored = stored_name(pointer)
        name = storable(one_line(pointer.get("fileName"))) or stored or "attachment"
        yield name, stored, "media" if stored else "not_downloaded"


def stored_name(pointer: Mapping[str, Any]) -> str:
    """Return the name in ``files/`` without its suffix; empty for what the phone did not have.

    It is the SHA-256 over the hash of the content and the local key (MediaName.forLocalBackupFilename of
    Signal's Android app).
    """
    locator = inner(pointer, "locatorInfo")
    content, local = _bytes(locator.get("plaintextHash")), _bytes(locator.get("localKey"))
    return hashlib.sha256(content + local).hexdigest() if content and local else ""


def _sets_timer(item: Mapping[str, Any]) -> bool:
    """Say whether an entry says that messages of its chat delete themselves, or do so no more."""
    update = inner(item, "updateMessage")
    listed = inner(update, "groupChange").get("updates")
    changes = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return "expirationTimerChange" in update or any("groupExpirationTimerUpdate" in one for one in changes)


def _is_not_sent(item: Mapping[str, Any]) -> bool:
    """Say whether a message of the owner's reached nobody."""
    stated = inner(item, "outgoing").get("sendStatus")
    states = [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
    return bool(states) and all("failed" in one for one in states)


def _moment(stated: object) -> Moment:
    """Return a time: milliseconds since 1970, as a text since JSON numbers lose digits."""
    number = _digits(stated)
    if number and int(number):
        return epoch_moment(int(number), number)
    return Moment(None, one_line(stated), Basis.NONE) if one_line(stated) else NO_MOMENT


def _digits(value: object) -> str:
    stated = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return stated if _DIGITS.fullmatch(stated) else ""


def _service(value: object) -> str:
    """Return a service id as people know it, from its 16 bytes; empty for anything else."""
    data = _bytes(value)
    return str(uuid.UUID(bytes=data)) if len(data) == 16 else ""


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _snake(name: str) -> str:
    """Return a frame's name as a code: only letters, so that nothing of the content gets there."""
    return re.sub("([A-Z])", r"_\1", name).lower() if re.fullmatch("[A-Za-z]{1,40}", name) else "unknown"
