"""Google Takeout: what an employee handed over of a personal Google account, as zips, split zips or a folder.

The parts of a split export are one logical export: one product can be spread over several of them. Mail
is found by content, whatever its localised name. Each message of Google Chat is an item, by the exact bytes
of its JSON object. Everything else in the export is an item as a file, or excluded with a reason.
"""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from email.header import decode_header
from typing import Any, BinaryIO, ClassVar, cast

from connectors import google_voice, zips
from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import (
    DAMAGED,
    HELD,
    ByteSource,
    Handle,
    PlainSource,
    StreamSource,
    errno_code,
    whole,
)
from connectors.cursors import number_cursor, read_number
from connectors.export_files import Archive, PackageFile
from connectors.export_paths import containers, fates
from connectors.folders import is_system_name, open_head, storable
from connectors.json_objects import Cut, objects_of
from connectors.loose_files import walk
from connectors.mailhead import field as mail_field
from connectors.mailhead import file_item, placed
from connectors.mbox import SeenHashes, named_otherwise, prefix_of, starts_like_mbox
from connectors.mbox_count import count_messages
from connectors.mbox_items import Facts, MboxPart, mbox_items, mbox_parts
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
from records.moments import long_date_moment
from records.vocabulary import Kind, Reason, WarningCode

CHAT_TYPE = "application/x-google-chat-message+json"
TOP = "Takeout"

_PART_NAME = re.compile(r"(?P<stem>.+?)-(?P<number>\d{3,4})\.zip", re.IGNORECASE | re.DOTALL)
_ZIP_NAME = re.compile(r"takeout-.*\.zip", re.IGNORECASE | re.DOTALL)
_HEAD = 16 << 10
_BUFFER = 1 << 20
_MOST_CHARACTERS = 64 << 20
"""A message longer than this is none that Google wrote; its conversation is not counted."""

_ID_LENGTH = 400
_DATE_LENGTH = 200
_UNKNOWN = Expected(None, "unknown")
_MESSAGES = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*\"messages\"\s*:\s*\[")
_LIST = re.compile(r"\s*\{\s*\"messages\"\s*:\s*\[")
_SPACE = re.compile(r"[ \t\n\r]*")
_NOT_ON_DISK = re.compile(r"[\"*:<>?|\\/%&'\x00-\x1f]")
_DRAFTS = frozenset({"Draft", "Drafts"})


class GoogleTakeout(FileConnector):
    """One person's export, however it is packed."""

    name: ClassVar[str] = "google_takeout"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "an export as one zip, as split zips (all parts in one folder), or unpacked",
        "Gmail: mbox under any localised name, with labels and thread id",
        "Google Chat: every message, deleted ones too; attachments; groups and members as files",
        "Google Voice: every text, call and voicemail; media as files",
        "Drive, Calendar, Contacts and every other product: stored as files",
        "missing parts of a split export and missing attachments: counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what the owner did not hand over; nothing is fetched",
        "tgz exports: unpack them first",
        "comments and history of Google documents: Takeout does not export them",
        "a last part that is missing: nothing in the others says how many there were",
        "chat dates in other languages than English: kept, without a time",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 export written to the published layout (2 mails, 4 chat messages)",
        "1 Takeout mbox of the suitenumerique project",
        "generated exports, whole and split",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._listed: _Export | None = None

    def check(self) -> None:
        """Prove access without reading content; a pattern must name at least one file.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or there is no file at all.
        """
        for path in (glob.glob(self._path) if _is_pattern(self._path) else []) or [self._path]:
            check_access(self._context.source_id, path)
        export = self._export()
        if not export.files and not export.broken:
            source_id = self._context.source_id
            msg = f"source {source_id}: no Takeout export at its path; check `path` and `connector`"
            raise SettingsError(msg)

    def scopes(self) -> Iterator[Scope]:
        """List missing and broken zips, then each mbox, then each product, by name."""
        export = self._export()
        for key in sorted({*export.missing, *export.broken}):
            yield Scope(key, key, "archive")
        for file in export.files:
            if file.is_mbox:
                yield Scope(file.key, file.name, "mbox")
        for product in sorted({file.product for file in export.files if not file.is_mbox}):
            yield Scope(product, product.rpartition("/")[2], "export")

    def count(self, scope: Scope) -> Expected:
        """Count mail by a byte scan, files by the zips' directories or a folder walk, chats by parsing JSON.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        if scope.kind == "archive":
            export.raise_if_broken(scope.key)
            return Expected(1, "part numbers")
        if scope.kind == "mbox":
            return _count_mbox(export.file(scope.key))
        total, files = 0, export.of(scope.key)
        for file in files:
            found = _count(file, export)
            if found is None:
                return _UNKNOWN
            total += found
        by = "clock scan" if any(file.is_voice for file in files) else "json parse"
        return Expected(total, f"file list and {by}")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut an unpacked mbox at separators; everything else is one part.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        if scope.kind == "mbox":
            file = self._export().file(scope.key)
            if file.member is None:
                yield from mbox_parts(file.path, scope, max_items, max_bytes)
                return
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the mails of an mbox in file order, or the files and chat messages of a product by name.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        scope = part.scope
        done = read_number(cursor)
        if scope.kind == "archive":
            export.raise_if_broken(scope.key)
            if not done:
                yield FailedItem(
                    scope.key, Kind.FILE, number_cursor(1), Reason.NOT_IN_EXPORT, "export_part", scope.label
                )
        elif scope.kind == "mbox":
            file = export.file(scope.key)
            with closing(file.source()) as source:
                path = file.path if file.member is None else None
                zone = self._context.time_zone
                yield from mbox_items(
                    source, path, MboxPart.read(part.spec), window, zone, cursor, gmail_facts
                )
        else:
            yield from self._product(export, scope.key, window, done)

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: what lies in a product's folder is read, as records or as a file."""
        export = self._export()
        archives = [Archive(storable(os.path.basename(path)), path) for path in export.archives]
        yield from containers(archives, self._path, export.broken)
        yield from fates(
            (PackageFile(file.key, file.path, file.member, file.problem) for file in export.files),
            self._path,
            {file.key for file in export.files if file.is_known},
            lambda file: "archive_browser" if export.keys[file.key].is_browser else "",
        )

    def roots(self) -> list[str]:
        """Return the folder, or the zips of the export."""
        return [self._path] if os.path.isdir(self._path) else list(self._export().archives)

    def _product(self, export: _Export, product: str, window: Window, done: int) -> Iterator[Yielded]:
        number = 0
        seen = SeenHashes()
        groups: dict[str, _Group] = {}
        for file in export.of(product):
            group = groups.get(file.folder)
            if group is None:
                groups = {file.folder: _group(export, file.folder)}
                group = groups[file.folder]
            if file.is_chat:
                made = self._chat(export, file, group, window, seen)
            elif file.is_voice:
                made = _voice(export, file, window, seen)
            else:
                made = _file_values(file, group, window)
            for make in made:
                number += 1
                if number > done:
                    yield make.at(number_cursor(number))

    def _chat(
        self, export: _Export, file: _File, group: _Group, window: Window, seen: SeenHashes
    ) -> Iterator[_Made]:
        with closing(file.source()) as source:
            closed = False
            for found in objects_of(source, b"messages"):
                if isinstance(found, Cut):
                    yield from self._message(export, file, group, found, window, seen)
                else:
                    closed = found
            if not closed and source.cut is not None:
                yield _Made(
                    FailedItem(f"{file.key}#rest", Kind.CHAT, "", source.cut.reason, source.cut.detail)
                )
            elif not closed:
                yield _Made(FailedItem(f"{file.key}#rest", Kind.CHAT, "", Reason.TRUNCATED, "messages_cut"))

    def _message(
        self, export: _Export, file: _File, group: _Group, cut: Cut, window: Window, seen: SeenHashes
    ) -> Iterator[_Made]:
        digest = hashlib.sha256(cut.data)
        message = _parsed(cut) if cut.whole else None
        stated = _text(message, "message_id") if message else None
        if stated and len(stated) <= _ID_LENGTH:
            stated = storable(stated)
            again = seen.count(prefix_of(hashlib.sha256(b"id " + stated.encode()).digest()))
            key = f"{stated}:{again}" if again else stated
        else:
            again = seen.count(prefix_of(digest.digest()))
            key = f"{digest.hexdigest()}:{again}"
        if not cut.whole:
            return  # announced by the caller as the rest that is missing
        if message is None:
            yield _Made(FailedItem(key, Kind.CHAT, "", Reason.CORRUPT, "json"))
            return
        moment = long_date_moment(
            (_text(message, "created_date") or "")[:_DATE_LENGTH], self._context.time_zone
        )
        outside, codes = placed(moment, window, dated=True)
        attached, missing = _attached(export, file.folder, message)
        if again:
            codes = (*codes, WarningCode.DUPLICATE_ENTRY)
        if missing:
            codes = (*codes, WarningCode.MISSING_PART)
        if outside:
            yield _Made(ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment))
        else:
            metadata = dict(group.facts)
            if attached:
                metadata["attachments"] = canonical.dumps(attached)
            if state := _text(message, "message_state"):
                metadata["state"] = state
            yield _Made(
                FoundItem(
                    key, Kind.CHAT, "", None, CHAT_TYPE, len(cut.data), moment, metadata, codes, cut.data
                )
            )
        for name in missing:
            lost = storable(f"{file.folder}/{name}")
            yield _Made(
                FailedItem(f"{lost}#{key}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "attachment", storable(name))
            )

    def _export(self) -> _Export:
        """Return the list of files, read once: an export can hold 100,000, which take a second to list."""
        if not _is_pattern(self._path):
            still_there(self._path)
        if self._listed is None:
            self._listed = _read_export(self._path)
        return self._listed


@dataclass(frozen=True, slots=True)
class _Made:
    """An item that waits for its cursor."""

    value: Yielded

    def at(self, cursor: str) -> Yielded:
        """Return the item with its cursor."""
        return replace(self.value, cursor=cursor)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the export: on disk, or a member of a zip."""

    key: str
    path: str
    member: zips.Member | None
    is_mbox: bool
    is_chat: bool
    problem: ItemError | None = None
    is_voice: bool = False

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def product(self) -> str:
        parts = self.key.split("/")
        at = parts.index(TOP) if TOP in parts[:-1] else -1
        return "/".join(parts[: at + 2]) if len(parts) > at + 2 else "/".join(parts[: at + 1]) or "."

    @property
    def is_known(self) -> bool:
        """Whether it holds records, or lies in the folder of a product: Takeout puts nothing else there."""
        return self.is_mbox or self.is_chat or self.is_voice or TOP in self.key.split("/")[:-2]

    @property
    def is_browser(self) -> bool:
        return self.name == "archive_browser.html" and self.folder.rpartition("/")[2] in {"", TOP}

    def stream(self) -> BinaryIO:
        if self.member is None:
            return whole(self.path)
        return zips.open_member_of(self.path, self.member)

    def source(self) -> ByteSource:
        return PlainSource(self.path) if self.member is None else StreamSource(self.stream())


@dataclass(frozen=True, slots=True)
class _Export:
    """All that was handed over.

    Attributes:
        files: By key, in order.
        missing: File names of parts that the numbering says are missing.
        broken: File names of zips that do not open, and why.
        keys: The same files by key.
        stems: Keys by key without the extension, which Google Voice leaves out.
        archives: The zips, on disk.
    """

    files: tuple[_File, ...]
    missing: tuple[str, ...]
    broken: Mapping[str, ItemError]
    keys: Mapping[str, _File]
    stems: Mapping[str, str]
    archives: tuple[str, ...]

    def file(self, key: str) -> _File:
        found = self.keys.get(key)
        if found is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def of(self, product: str) -> list[_File]:
        found = [file for file in self.files if file.product == product and not file.is_mbox]
        if not found:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def raise_if_broken(self, key: str) -> None:
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)

    def beside(self, folder: str) -> Callable[[str], str | None]:
        """Return what finds a file of a folder by its name, with the extension or without one."""

        def present(name: str) -> str | None:
            for tried in dict.fromkeys((name, _NOT_ON_DISK.sub("_", name))):
                key = storable(f"{folder}/{tried}")
                if key in self.keys:
                    return key
                if (found := self.stems.get(key)) is not None:
                    return found
            return None

        return present


def _is_pattern(path: str) -> bool:
    return any(mark in path for mark in "*?[") and not os.path.lexists(path)


def _read_export(path: str) -> _Export:
    """List everything at ``path``: a zip with the other parts beside it, a pattern, or a folder."""
    archives: list[str] = []
    loose: list[tuple[str, str]] = []
    if _is_pattern(path):
        archives = sorted(glob.glob(path))
    elif os.path.isdir(path):
        prefix = f"{TOP}/" if os.path.basename(path.rstrip("/")) == TOP else ""
        for rel, entry in walk(path, "", ""):
            full = os.path.join(path, rel) if entry is None else entry.path
            (archives.append(full) if _is_export_zip(rel, full) else loose.append((prefix + rel, full)))
    else:
        archives = _with_siblings(path)
    files: list[_File] = []
    broken: dict[str, ItemError] = {}
    stems = {_stem(archive) for archive in archives}
    for archive in archives:
        try:
            files.extend(_members(archive, _stem(archive) + "/" if len(stems) > 1 else ""))
        except ItemError as err:
            broken[storable(os.path.basename(archive))] = err
    files.extend(_loose(rel, full) for rel, full in loose)
    files = _unique(sorted(files, key=lambda file: file.key))
    keys = {file.key: file for file in files}
    bare = {key.rpartition(".")[0]: key for key in reversed(keys) if "." in key.rpartition("/")[2]}
    return _Export(tuple(files), _missing(archives), broken, keys, bare, tuple(archives))


def _with_siblings(path: str) -> list[str]:
    """Return the parts of the export that lie beside the one named; they are one export."""
    folder, name = os.path.split(path)
    part = _PART_NAME.fullmatch(name)
    if part is None:
        return [path]
    found = []
    for other in sorted(os.listdir(folder or ".")):
        sibling = _PART_NAME.fullmatch(other)
        if sibling is not None and sibling["stem"] == part["stem"]:
            found.append(os.path.join(folder, other))
    return found


def _stem(path: str) -> str:
    name = os.path.basename(path)
    part = _PART_NAME.fullmatch(name)
    return storable(part["stem"] if part else name.removesuffix(".zip"))


def _missing(archives: list[str]) -> tuple[str, ...]:
    """Return the names of the parts that the numbers of the others say are missing."""
    numbers: dict[str, dict[int, str]] = {}
    for archive in archives:
        part = _PART_NAME.fullmatch(os.path.basename(archive))
        if part is not None:
            numbers.setdefault(part["stem"], {})[int(part["number"])] = part["number"]
    lost = []
    for stem, there in numbers.items():
        width = len(next(iter(there.values())))
        lost += [f"{storable(stem)}-{n:0{width}}.zip" for n in range(1, max(there)) if n not in there]
    return tuple(sorted(lost))


def _is_export_zip(rel: str, full: str) -> bool:
    name = rel.rpartition("/")[2]
    if not name.lower().endswith(".zip"):
        return False
    if TOP in rel.split("/")[:-1]:
        return False  # a zip that lies inside an unpacked export is a file of its owner's
    if _ZIP_NAME.fullmatch(name):
        return True
    try:
        with zips.opened(full) as archive:
            return any(info.filename.startswith(f"{TOP}/") for info in archive.infolist())
    except ItemError:
        return False


def _members(path: str, prefix: str) -> Iterator[_File]:
    with zips.opened(path) as archive:
        for member in zips.members(archive):
            head = b""
            looked_at = not named_otherwise(member.name) or _chat_name(member.key) or _voice_name(member.key)
            if member.problem is None and looked_at:
                head = zips.read_head(archive, member, _HEAD)
            mbox = bool(head) and not named_otherwise(member.name) and _is_mbox(member.name, head)
            chat = member.problem is None and _is_chat(member.key, head)
            voice = member.problem is None and _is_voice(member.key, head, member.size)
            yield _File(prefix + member.key, path, member, mbox, chat, member.problem, voice)


def _loose(rel: str, full: str) -> _File:
    key = storable(rel)
    try:
        opened = open_head(full, _HEAD)
    except ItemError as err:
        return _File(key, full, None, is_mbox=False, is_chat=False, problem=err)
    name, head = key.rpartition("/")[2], opened.head
    mbox = not named_otherwise(name) and _is_mbox(name, head)
    voice = _is_voice(key, head, opened.size)
    return _File(key, full, None, mbox, _is_chat(key, head), is_voice=voice)


def _is_mbox(name: str, head: bytes) -> bool:
    return starts_like_mbox(head) or (name.lower().endswith(".mbox") and b"\x00" not in head)


def _chat_name(key: str) -> bool:
    return key.endswith("/messages.json")


def _is_chat(key: str, head: bytes) -> bool:
    """Say whether this is a conversation of Google Chat; the folder ``Groups`` may have a localised name."""
    return _chat_name(key) and ("Groups" in key.split("/")[-3:-2] or _MESSAGES.match(head) is not None)


def _voice_name(key: str) -> bool:
    return key.lower().endswith(".html")


def _is_voice(key: str, head: bytes, size: int) -> bool:
    """Say whether this holds texts or a call of Google Voice; its folder may have a localised name."""
    return _voice_name(key) and size <= google_voice.MOST_BYTES and google_voice.is_voice(head)


def _unique(files: list[_File]) -> list[_File]:
    """Give files of one name in several parts keys of their own."""
    seen: set[str] = set()
    unique = []
    for file in files:
        key, number = file.key, 1
        while key in seen:
            number += 1
            key = f"{file.key}#{number}"
        seen.add(key)
        unique.append(replace(file, key=key))
    return unique


def _size(file: _File) -> int:
    return file.member.size if file.member is not None else os.stat(file.path).st_size


def _voice(export: _Export, file: _File, window: Window, seen: SeenHashes) -> Iterator[_Made]:
    """Yield what a file of Google Voice holds."""
    try:
        with file.stream() as stream:
            data = stream.read()
    except (OSError, ItemError) as err:
        reason, detail = (err.reason, err.detail) if isinstance(err, ItemError) else (
            Reason.UNREADABLE, errno_code(err)
        )  # fmt: skip
        yield _Made(FailedItem(file.key, Kind.FILE, "", reason, detail, file.name))
        return
    for value in google_voice.values(file.key, data, export.beside(file.folder), window, seen):
        yield _Made(value)


def _count(file: _File, export: _Export) -> int | None:
    if file.is_chat:
        return _count_chat(file, export)
    return _count_voice(file, export) if file.is_voice else 1


def _count_voice(file: _File, export: _Export) -> int | None:
    try:
        with file.stream() as stream:
            return google_voice.counted(stream.read(), export.beside(file.folder))
    except (OSError, ItemError):
        return None


def _file_values(file: _File, group: _Group, window: Window) -> Iterator[_Made]:
    yield _Made(_file_value(file, group, window))


def _file_value(file: _File, group: _Group, window: Window) -> Yielded:
    name = file.name
    if file.problem is not None:
        return FailedItem(file.key, Kind.FILE, "", file.problem.reason, file.problem.detail, name)
    if file.is_browser:
        return ExcludedItem(file.key, Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, "archive_browser", name)
    if is_system_name(name) or "__MACOSX" in file.key.split("/"):
        return ExcludedItem(file.key, Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, "system_file", name)
    size = 0
    handle: Handle
    try:
        size = _size(file)
        with file.stream() as stream:
            head = stream.read(HELD + 1)
    except OSError as err:
        return FailedItem(file.key, Kind.FILE, "", Reason.UNREADABLE, errno_code(err), name)
    except ItemError as err:
        return FailedItem(file.key, Kind.FILE, "", err.reason, err.detail, name)
    handle = head if len(head) <= HELD else file.stream
    odd = file.member is not None and file.member.odd_name
    warnings = (WarningCode.NAME_CHANGED,) if odd else ()
    metadata = group.attached_to.get(name, EMPTY)
    return file_item(file.key, "", size, window, handle, name=name, metadata=metadata, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Group:
    """What is known of a conversation beside its messages.

    Attributes:
        facts: Its folder name, its name and its members: metadata of each message.
        attached_to: By file name, the message that carries the file and the name its sender gave it.
    """

    facts: Mapping[str, str]
    attached_to: Mapping[str, Mapping[str, str]]


_NO_GROUP = _Group(EMPTY, {})


def _group(export: _Export, folder: str) -> _Group:
    chat = export.keys.get(f"{folder}/messages.json")
    if chat is None or not chat.is_chat:
        return _NO_GROUP
    facts = {"group": folder.rpartition("/")[2]}
    info = export.keys.get(f"{folder}/group_info.json")
    stated = _json_of(info) if info is not None else None
    if isinstance(stated, dict):
        if isinstance(stated.get("name"), str):
            facts["group_name"] = _clean(stated["name"])
        members = stated.get("members")
        if isinstance(members, list):
            people = [_person(member) for member in members if isinstance(member, dict)]
            facts["members"] = "; ".join(filter(None, people))
    attached: dict[str, Mapping[str, str]] = {}
    with closing(chat.source()) as source:
        for found in objects_of(source, b"messages"):
            if not isinstance(found, Cut) or b"attached_files" not in found.data:
                continue
            message = _parsed(found)
            for name, original in _names(export, folder, message or {}):
                if name is not None:
                    about = {
                        "original_name": original,
                        "attached_to": _text(message or {}, "message_id") or "",
                    }
                    attached.setdefault(name, {key: value for key, value in about.items() if value})
    return _Group(facts, attached)


def _person(member: Mapping[str, Any]) -> str:
    name, email = _text(member, "name") or "", _text(member, "email") or ""
    return f"{name} <{email}>" if name and email else name or email


def _json_of(file: _File) -> Any:
    """Return the value of a small JSON file, or None when it cannot be read as such."""
    try:
        if file.problem is not None or _size(file) > HELD:
            return None
        with file.stream() as stream:
            return json.loads(stream.read(HELD))
    except (ItemError, OSError, ValueError, RecursionError):
        return None


def _parsed(cut: Cut) -> dict[str, Any] | None:
    try:
        value = json.loads(cut.data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    return _clean(value) if isinstance(value, str) else None


def _clean(text: str) -> str:
    """Return text that any store takes: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _names(export: _Export, folder: str, message: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield each attached file's name in the export (None: not there), and the name its sender gave it."""
    stated = message.get("attached_files")
    for entry in stated if isinstance(stated, list) else []:
        if not isinstance(entry, dict):
            continue
        exported = _text(entry, "export_name") or ""
        original = _text(entry, "original_name") or exported
        tries = (exported, exported.replace("?", "_"), _NOT_ON_DISK.sub("_", exported))
        found = next((name for name in tries if name and storable(f"{folder}/{name}") in export.keys), None)
        yield (storable(found) if found else None), original


def _attached(
    export: _Export, folder: str, message: Mapping[str, Any]
) -> tuple[list[dict[str, str]], list[str]]:
    """Return what a message carries: native keys and names, and the names of what is missing."""
    there, missing = [], []
    for name, original in _names(export, folder, message):
        if name is None:
            missing.append(original)
        else:
            there.append({"name": original, "native_key": f"{folder}/{name}"})
    return there, missing


def gmail_facts(head: bytes, end: int) -> Facts:
    """Return labels, decoded, and the thread id of a mail that Gmail exported.

    Labels are comma-separated, as Gmail writes them; a label with a comma in it stands in quotes.
    """
    metadata: dict[str, str] = {}
    warnings: tuple[WarningCode, ...] = ()
    thread = mail_field(head, b"X-GM-THRID", end)
    if thread is not None:
        metadata["thread_id"] = thread.strip().decode("ascii", "replace")
    stated = mail_field(head, b"X-Gmail-Labels", end)
    if stated is not None:
        labels = gmail_labels(stated)
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow(labels)
        metadata["labels"] = _clean(out.getvalue())
        if _DRAFTS & set(labels):
            warnings = (WarningCode.DRAFT,)
    return metadata, warnings


def gmail_labels(stated: bytes) -> list[str]:
    """Return the labels of an ``X-Gmail-Labels`` field.

    It is encoded by RFC 2047 when not ASCII, in words that may be cut anywhere, inside a character too.
    """
    pieces: list[tuple[bytes, str | None]] = []
    for value, charset in decode_header(" ".join(stated.decode("utf-8", "replace").split())):
        data = value.encode("utf-8", "replace") if isinstance(value, str) else value
        if pieces and pieces[-1][1] == charset:
            pieces[-1] = (pieces[-1][0] + data, charset)
        else:
            pieces.append((data, charset))
    text = "".join(_decoded(data, charset) for data, charset in pieces)
    row = next(csv.reader([text], skipinitialspace=True), [])
    return [label.strip() for label in row if label.strip()]


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def _count_mbox(file: _File) -> Expected:
    if file.member is None:
        try:
            with open(file.path, "rb", _BUFFER) as stream:
                return Expected(count_messages(stream, can_seek=True), "byte scan")
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    try:
        with io.BufferedReader(cast("io.RawIOBase", file.stream()), _BUFFER) as packed:
            count = count_messages(packed, can_seek=False)
    except ItemError:
        return _UNKNOWN
    return _UNKNOWN if count is None else Expected(count, "byte scan")


def _count_chat(file: _File, export: _Export) -> int | None:
    """Count the messages of a conversation, and the attachments that are not in the export."""
    try:
        with ExitStack() as stack:
            stream: Any
            if file.member is None:
                stream = stack.enter_context(open(file.path, "rb"))
            else:
                archive = stack.enter_context(zipfile.ZipFile(file.path))
                stream = stack.enter_context(archive.open(file.member.info))
            text = stack.enter_context(io.TextIOWrapper(stream, "utf-8-sig"))
            total = 0
            carried: list[str] = []
            for message in _parsed_one_by_one(text):
                total += 1
                carried += [a.get("export_name", "") for a in message.get("attached_files", ())]
        if not carried:
            return total
        present = {key.rpartition("/")[2] for key in export.keys if key.rpartition("/")[0] == file.folder}
        return total + sum(storable(name).replace("?", "_") not in present for name in carried)
    except (*DAMAGED, OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError):
        return None  # among the last: recursion, ways to pack that nobody knows, passwords


def _parsed_one_by_one(stream: io.TextIOWrapper) -> Iterator[Any]:
    """Yield the values of ``messages`` by the standard library's parser, with one at a time in memory.

    A conversation of years has hundreds of megabytes. Only ``messages`` may be large, and has to come first.

    Raises:
        ValueError: It is no JSON of that form.
    """
    decode = json.JSONDecoder().raw_decode
    text = stream.read(_BUFFER)
    found = _LIST.match(text)
    if found is None:
        raise ValueError("messages do not come first")
    at = found.end()
    before = ""
    while True:
        text, at = _filled(stream, text, at)
        mark = text[at : at + 1]
        if mark == "]":
            break
        if before:
            if mark != ",":
                raise ValueError("no comma between two messages")
            text, at = _filled(stream, text, at + 1)
        value, text, at = _value_at(decode, stream, text, at)
        yield value
        before = ","
    rest = text[at + 1 :]
    while more := stream.read(_BUFFER):  # asked for all at once, it would make room for all first
        rest += more
        if len(rest) > _MOST_CHARACTERS:
            raise ValueError("messages are not what is large")
    json.loads('{"messages":[]' + rest)  # what follows is whole as well


def _filled(stream: io.TextIOWrapper, text: str, at: int) -> tuple[str, int]:
    """Pass over white space, reading on; returns the text from there, and where it stands."""
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well
        if at < len(text) or not (more := stream.read(_BUFFER)):
            return text, at
        text, at = more, 0


def _value_at(
    decode: Callable[[str, int], tuple[Any, int]], stream: io.TextIOWrapper, text: str, at: int
) -> tuple[Any, str, int]:
    """Read a value that begins at a place, reading on until it is whole; returns it and what follows."""
    while True:
        try:
            value, end = decode(text, at)
            return value, text, end
        except json.JSONDecodeError:
            more = stream.read(max(_BUFFER, len(text) - at)) if len(text) - at < _MOST_CHARACTERS else ""
            if not more:
                raise
            text, at = text[at:] + more, 0
