"""RSMF, Relativity's form for short messages: a mail that carries ``rsmf.zip``, or what is in that zip.

Many archives and forensic tools hand out chats so. Each event (message, join, leave, disclaimer) is an item,
by the exact bytes of its object in the manifest; what it names by id goes along as facts. Real files break
the rules of the form: they are read as far as they go, and nothing is repaired
(https://help.relativity.com/RelativityOne/Content/System_Guides/Relativity_Short_Message_Format/Relativity_Short_Message_Format.htm).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from functools import partial
from typing import Any, BinaryIO, ClassVar, cast

from connectors import zips
from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import HELD, Handle, StreamSource
from connectors.cursors import number_cursor, read_number
from connectors.export_files import INSIDE, Archive, OpenZips, PackageFile, list_package, plain_item
from connectors.export_paths import containers, fates
from connectors.export_tables import clean
from connectors.folders import storable
from connectors.json_objects import Cut, objects_of
from connectors.json_values import objects, parsed
from connectors.mailhead import file_item, header_end, placed
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    EMPTY,
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.moments import iso_moment
from records.numbers import whole_number
from records.vocabulary import Kind, Reason, WarningCode

EVENT_TYPE = "application/x-rsmf-event+json"
MANIFEST = "rsmf_manifest.json"
ZIP = "rsmf.zip"
FILES = "."

_HEAD = 64 << 10
_VERSION = re.compile(rb"(?im)^X-RSMF-Version[ \t]*:")
_PART_BYTES = 2 << 30
"""The form's own limit for a file."""
_MANIFEST_BYTES = 64 << 20
_LONGEST_ID = 300
_FACTS = {
    "application": "X-RSMF-Application", "generator": "X-RSMF-Generator", "custodian": "X-RSMF-Custodian",
    "collection": "X-RSMF-EventCollectionID",
}  # fmt: skip


class Rsmf(FileConnector):
    """Files of short messages, or unpacked ones."""

    name: ClassVar[str] = "rsmf"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "RSMF 1 and 2 as mail files, as rsmf.zip, and unpacked: every event",
        "edits, deletions, reactions and read receipts, as facts of their event",
        "attachments; each one that an event names and that is not there is counted as failed",
        "everything else in the folder, as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what the program that wrote it left out",
        "the text that stands beside the zip in the mail: it repeats the messages",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 manifest of the rsmf-viewer project (148 events), 1 file of Relativity's samples",
        "1 file written to the published schema",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._listed: _Listing | None = None

    def check(self) -> None:
        """Prove access, and that there is something to read.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or no such file is there.
        """
        check_access(self._context.source_id, self._path)
        if not self._listing().chats and not self._listing().broken:
            raise SettingsError(
                f"source {self._context.source_id}: no RSMF file at its path; check `path` and `connector`"
            )

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each file of messages, then the other files."""
        listing = self._listing()
        for key in sorted(listing.broken):
            yield Scope(key, key, "archive")
        for key in sorted(listing.chats):
            yield Scope(key, key.rpartition("/")[2], "export")
        if listing.others:
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Return the figure of the mail's header, else parse the manifest whole; count files by their list.

        Raises:
            ItemError: It cannot be opened.
        """
        listing = self._listing()
        if scope.key == FILES:
            return Expected(len(listing.others), "file list")
        with _opened(listing, scope.key) as chat:
            try:
                events = [
                    one for one in json.loads(chat.manifest()).get("events") or () if isinstance(one, dict)
                ]
                lost = sum(name not in chat.files for event in events for name in _attached(event))
            except (ValueError, AttributeError, RecursionError):
                return Expected(None, "unknown")
            stated = chat.stated_events
            count = len(events) if stated is None else stated
            by = "json parse" if stated is None else "X-RSMF-EventCount"
            return Expected(count + len(chat.files) + lost, f"{by} and file list")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part.

        Raises:
            ItemError: It is not there any more.
        """
        del max_items, max_bytes
        self._listing().raise_unless_there(scope.key)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the events in the manifest's order, then the files beside it by name.

        Raises:
            ItemError: It cannot be opened.
        """
        listing, done = self._listing(), read_number(cursor)
        made: Iterator[Yielded]
        with ExitStack() as held:
            if part.scope.key == FILES:
                zips_here = held.enter_context(OpenZips())
                made = (plain_item(file, window, zips_here) for file in listing.others)
            else:
                made = _values(held.enter_context(_opened(listing, part.scope.key)), window)
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: messages and what lies beside a manifest are read."""
        listing = self._listing()
        beside = [file for files in listing.beside.values() for file in files.values()]
        files = [*listing.chats.values(), *beside, *listing.others]
        yield from containers(listing.archives, self._path, listing.broken)
        yield from fates(files, self._path, {*listing.chats, *(file.key for file in beside)})

    def _listing(self) -> _Listing:
        still_there(self._path)
        if self._listed is None:
            self._listed = _list(self._path)
        return self._listed


@dataclass(frozen=True, slots=True)
class _Listing:
    """What was handed over.

    Attributes:
        chats: Mails and manifests, by key.
        beside: What lies beside each manifest that is in no mail, by its key.
        others: What is neither, by path.
        broken: Zips that do not open, and why.
        archives: Zips that are opened, or would be.
    """

    chats: Mapping[str, PackageFile]
    beside: Mapping[str, dict[str, PackageFile]]
    others: tuple[PackageFile, ...]
    broken: Mapping[str, ItemError]
    archives: tuple[Archive, ...]

    def raise_unless_there(self, key: str) -> None:
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)
        if key != FILES and key not in self.chats:
            raise ItemError(Reason.UNREADABLE, "scope_gone")


def is_rsmf(head: bytes) -> bool:
    """Say whether a file that begins so is a mail that carries short messages."""
    return _VERSION.search(head[: header_end(head)]) is not None


def _list(path: str) -> _Listing:
    package = list_package(path, lambda name: name.lower().endswith(".zip"))
    files = dict(package.loose)
    broken: dict[str, ItemError] = {}
    for archive in package.archives.values():
        try:
            inside = {file.key: file for file in archive.files()}
        except ItemError as error:
            broken[archive.key] = error
            continue
        if any(file.inner == MANIFEST for file in inside.values()):
            files |= inside
        else:
            files[archive.key] = PackageFile(archive.key, archive.path)
    chats = {
        key: file
        for key, file in files.items()
        if file.name == MANIFEST or (file.member is None and is_rsmf(file.head(_HEAD)))
    }
    beside: dict[str, dict[str, PackageFile]] = {key: {} for key in chats if key.endswith(MANIFEST)}
    places = {key.removesuffix(MANIFEST): key for key in beside}
    others = []
    for key, file in sorted(files.items()):
        if key in chats:
            continue
        manifest = next((places[place] for place in places if key.startswith(place)), None)
        if manifest is None:
            others.append(file)
        else:
            beside[manifest][key.removeprefix(manifest.removesuffix(MANIFEST))] = file
    opened = tuple(one for key, one in package.archives.items() if key not in files)
    return _Listing(chats, beside, tuple(others), broken, opened)


@dataclass(frozen=True, slots=True)
class _Chat:
    """One opened file of messages.

    Attributes:
        key: Of its scope.
        stream: Opens the manifest.
        files: What lies in the zip or beside the manifest, by the name that events use.
        stated_events: The mail's own figure, or None.
        facts: What every event is told of.
    """

    key: str
    stream: Callable[[], BinaryIO]
    files: Mapping[str, _File]
    stated_events: int | None
    facts: Mapping[str, str]

    def manifest(self) -> bytes:
        """Return the manifest; raises ItemError (``too_large``) beyond what one can be."""
        with self.stream() as stream:
            data = stream.read(_MANIFEST_BYTES + 1)
        if len(data) > _MANIFEST_BYTES:
            raise ItemError(Reason.TOO_LARGE, "manifest")
        return data


@dataclass(frozen=True, slots=True)
class _File:
    """An attachment, avatar or icon.

    Attributes:
        key: Its native key.
        size: Bytes.
        open: Opens it.
    """

    key: str
    size: int
    open: Callable[[], BinaryIO]


@contextmanager
def _opened(listing: _Listing, key: str) -> Iterator[_Chat]:
    """Open a file of messages.

    Raises:
        ItemError: It is gone, carries no zip, or the zip no manifest.
    """
    listing.raise_unless_there(key)
    file = listing.chats[key]
    if key in listing.beside:
        files = {
            name: _File(one.key, one.size(), one.stream) for name, one in sorted(listing.beside[key].items())
        }
        yield _Chat(key, file.stream, files, None, {})
        return
    with tempfile.TemporaryFile() as unpacked:
        head = _unpack(file, cast("BinaryIO", unpacked))
        with closing(zips.open_archive(cast("BinaryIO", unpacked))) as archive:
            inside = {member.key: member for member in zips.members(archive)}
            manifest = inside.pop(MANIFEST, None)
            if manifest is None:
                raise ItemError(Reason.CORRUPT, "no_manifest")
            files = {
                name: _File(f"{key}{INSIDE}{name}", member.size, partial(zips.open_member, archive, member))
                for name, member in sorted(inside.items())
            }
            stated = clean(str(head.get("X-RSMF-EventCount", "")))
            facts = {name: clean(str(head.get(field, ""))) for name, field in _FACTS.items()}
            yield _Chat(
                key,
                partial(zips.open_member, archive, manifest),
                files,
                whole_number(stated),
                {name: value for name, value in facts.items() if value},
            )


def _unpack(file: PackageFile, out: BinaryIO) -> Message:
    """Write the zip that a mail carries, piece by piece, and return the mail's header.

    Raises:
        ItemError: ``corrupt`` when it carries none, ``truncated`` when it breaks off.
    """
    with file.stream() as raw:
        lines = cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", raw)))
        head = message_from_bytes(_header(lines))
        boundary = b"--" + str(head.get_boundary("")).encode("utf-8", "replace")
        if boundary == b"--":
            raise ItemError(Reason.CORRUPT, "no_parts")
        for line in lines:
            if line.rstrip() != boundary:
                continue
            part = message_from_bytes(_header(lines))
            if (part.get_filename("") or "").casefold() != ZIP:
                continue
            if str(part.get("Content-Transfer-Encoding", "")).strip().casefold() != "base64":
                raise ItemError(Reason.UNSUPPORTED, "transfer_encoding")
            _decode(lines, boundary, out)
            return head
    raise ItemError(Reason.CORRUPT, "no_zip")


def _header(lines: BinaryIO) -> bytes:
    """Return lines up to an empty one."""
    taken: list[bytes] = []
    while (line := lines.readline(_HEAD)) and line.strip():
        taken.append(line)
    return b"".join(taken) + b"\n"


def _decode(lines: BinaryIO, boundary: bytes, out: BinaryIO) -> None:
    left = b""
    for line in lines:
        if line.startswith(boundary):
            if left:
                raise ItemError(Reason.CORRUPT, "base64")
            return
        left += b"".join(line.split())
        whole = len(left) - len(left) % 4
        try:
            out.write(base64.b64decode(left[:whole], validate=True))
        except binascii.Error:
            raise ItemError(Reason.CORRUPT, "base64") from None
        left = left[whole:]
        if out.tell() > _PART_BYTES:
            raise ItemError(Reason.TOO_LARGE, "zip")
    raise ItemError(Reason.TRUNCATED, "mail")


def _values(chat: _Chat, window: Window) -> Iterator[Yielded]:
    """Yield the events, each with the attachments that it names and that are not there; then the files."""
    names = _Names.of(chat)
    seen: dict[str, int] = {}
    of_event: dict[str, str] = {}
    with closing(StreamSource(chat.stream())) as source:
        closed = False
        for found in objects_of(source, b"events"):
            if isinstance(found, Cut):
                if found.whole:
                    yield from _event(found.data, chat, names, window, seen, of_event)
            else:
                closed = found
        if not closed:
            reason, detail = Reason.TRUNCATED, "events_cut"
            if source.cut is not None:
                reason, detail = source.cut.reason, source.cut.detail
            yield FailedItem(f"{chat.key}#rest", Kind.CHAT, "", reason, detail)
    for name, file in chat.files.items():
        yield _attachment(name, file, of_event.get(name, ""), window)


def _event(
    data: bytes,
    chat: _Chat,
    names: _Names,
    window: Window,
    seen: dict[str, int],
    of_event: dict[str, str],
) -> Iterator[Yielded]:
    event = parsed(data)
    stated = clean(_text(event, "id"))[:_LONGEST_ID]
    key = f"{chat.key}#{stated}" if stated else hashlib.sha256(data).hexdigest()
    again = seen[key] = seen.get(key, -1) + 1
    key = f"{key}:{again}" if again or not stated else key
    if event is None:
        yield FailedItem(key, Kind.CHAT, "", Reason.CORRUPT, "json")
        return
    moment = iso_moment(clean(_text(event, "timestamp"))[:_LONGEST_ID])
    outside, codes = placed(moment, window, dated=True)
    there: list[dict[str, str]] = []
    missing: list[str] = []
    for name in _attached(event):
        file = chat.files.get(name)
        if file is None:
            missing.append(name)
        else:
            there.append({"name": name, "native_key": file.key})
            of_event.setdefault(name, key)
    if outside:
        yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
    else:
        metadata = dict(chat.facts) | names.told(event)
        if there:
            metadata["attachments"] = canonical.dumps(there)
        warnings = (
            *((WarningCode.EDITED,) if event.get("edits") else ()),
            *((WarningCode.DELETED,) if event.get("deleted") is True else ()),
            *((WarningCode.DUPLICATE_ENTRY,) if again and stated else ()),
            *((WarningCode.MISSING_PART,) if missing else ()),
            *codes,
        )
        yield FoundItem(key, Kind.CHAT, "", None, EVENT_TYPE, len(data), moment, metadata, warnings, data)
    for number, name in enumerate(missing):
        shown = storable(name)
        yield FailedItem(f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "attachment", shown)


def _attachment(name: str, file: _File, event: str, window: Window) -> Yielded:
    shown = name.rpartition("/")[2]
    try:
        with file.open() as stream:
            head = stream.read(HELD + 1)
    except ItemError as error:
        return FailedItem(file.key, Kind.FILE, "", error.reason, error.detail, shown)
    handle: Handle = head if len(head) <= HELD else file.open
    about = {"attached_to": event} if event else EMPTY
    return file_item(file.key, "", file.size, window, handle, name=shown, metadata=about)


@dataclass(frozen=True, slots=True)
class _Names:
    """Who and what the ids of a manifest mean.

    Attributes:
        people: Shown form by id.
        conversations: By id: name, platform and members.
    """

    people: Mapping[str, str] = field(default_factory=dict)
    conversations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, chat: _Chat) -> _Names:
        """Read the lists of a manifest; empty where it is damaged."""
        manifest = parsed(chat.manifest()) or {}
        people: dict[str, str] = {}
        for one in objects(manifest, "participants"):
            shown, address = (
                clean(_text(one, "display")),
                clean(_text(one, "email") or _text(one, "account_id")),
            )
            people[_text(one, "id")] = f"{shown} <{address}>" if shown and address else shown or address
        conversations: dict[str, Mapping[str, str]] = {}
        for one in objects(manifest, "conversations"):
            ids = one.get("participants")
            among = [people.get(key, key) for key in map(_as_text, ids if isinstance(ids, list) else ())]
            conversations[_text(one, "id")] = {
                "group_name": clean(_text(one, "display")),
                "group_kind": clean(_text(one, "type")),
                "platform": clean(_text(one, "platform")),
                "members": "; ".join(filter(None, map(clean, among))),
            }
        return cls(people, conversations)

    def told(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Return what an event names by id only."""
        conversation, who = _text(event, "conversation"), _text(event, "participant")
        ids = {who, *(_as_text(one) for one in _ids_in(event))}
        people = {key: self.people[key] for key in sorted(ids) if self.people.get(key)}
        told = {
            "group": f"rsmf:{clean(conversation)}" if conversation else "",
            **self.conversations.get(conversation, {}),
            "people": canonical.dumps(people) if people else "",
        }
        return {key: value for key, value in told.items() if value}


def _ids_in(event: Mapping[str, Any]) -> Iterator[object]:
    for name in ("edits", "read_receipts"):
        yield from (one.get("participant") for one in objects(event, name))
    for one in objects(event, "reactions"):
        among = one.get("participants")
        yield from among if isinstance(among, list) else ()


def _attached(event: Mapping[str, Any]) -> list[str]:
    """Return the names of an event's attachments; some programs write ``attachment``."""
    listed = objects(event, "attachments") or objects(event, "attachment")
    return list(dict.fromkeys(filter(None, (_text(one, "id") for one in listed))))


def _text(value: Mapping[str, Any] | None, name: str) -> str:
    return _as_text(value.get(name)) if value is not None else ""


def _as_text(value: object) -> str:
    """Return an id or a name; some programs write ids as numbers."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
