"""Mail in files: EML, Maildir and Maildir++, mbox plain and gz, folders and zips of these.

Every folder, every mbox and every zip with mail in it is a scope of its own. Nothing in the source is passed
over in silence: what is no mail is yielded as a file, what describes the mail store itself is excluded with a
reason, what cannot be read is a failed item.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, ClassVar, cast

from connectors import zips
from connectors.base import FileConnector, still_there
from connectors.bytesource import (
    HELD,
    Handle,
    PlainSource,
    StreamSource,
    errno_code,
    gunzipped,
    whole,
)
from connectors.cursors import name_cursor, number_cursor, read_name, read_number
from connectors.folders import (
    Range,
    entries,
    files_between,
    is_apple_double,
    is_system_name,
    maildir_flags,
    open_head,
    ranges,
    storable,
    subfolders,
    without_flags,
)
from connectors.mailhead import begins_like_mail, looks_like_mail, mail_item
from connectors.mbox import named_otherwise, split, starts_like_mbox
from connectors.mbox_count import count_messages
from connectors.mbox_items import MboxPart, mbox_items, mbox_parts
from connectors.msg_times import file_or_message
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import EMPTY, ExcludedItem, Expected, FailedItem, Part, Scope, Window, Yielded
from records.vocabulary import Kind, Reason, WarningCode

ROOT = "."
INSIDE = "!"
"""Stands between a zip's path and a member's name in keys."""

_MAILDIR_PLACES = ("cur", "new", "tmp")
_MBOX_SUFFIXES = (".mbox", ".mbx")
_GZ_MAGIC = b"\x1f\x8b"
_HEAD = 16 << 10
_BUFFER = 1 << 20
_UNKNOWN = Expected(None, "unknown")

_INDEX_PREFIXES = ("dovecot", "courier", ".dovecot")
_INDEX_NAMES = frozenset(
    {"maildirfolder", "maildirsize", "subscriptions", "maildir-index", ".mh_sequences", ".mailboxlist"}
)
_MORK = b"// <!-- <mdb:mork"


class MailFiles(FileConnector):
    """EML, Maildir, mbox; in folders, gz and zips."""

    name: ClassVar[str] = "mail_files"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "EML files in folders of any depth",
        "Maildir and Maildir++ folders: cur, new and tmp",
        "mbox, plain and gz, of any size: mboxo, mboxrd, mboxcl, mboxcl2, Thunderbird, Takeout",
        "zip archives of these",
        "MSG and TNEF (winmail.dat): stored as files, read as the mail, event or contact that they are",
        "other files lying among the mail: stored as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "PST and OST: stored as files, marked `unsupported`; `outlook_data_file` reads what is in them",
        "encrypted zip members: counted as failed",
        "zips inside zips: stored as files; the extract room opens them",
        "links: counted as failed, never followed",
        "mbox files whose From_ lines carry no date: kept whole as one item",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "EDRM Enron v2, one custodian: 1,160 files",
        "10 mbox files and 28 EML files of open projects (Apache Tika, suitenumerique)",
        "generated Maildir, mbox, mbox.gz and zip",
    )

    def scopes(self) -> Iterator[Scope]:
        """List every folder, mbox and zip, parents before what is in them, names in order."""
        base, only = self._base()
        if only is None:
            yield from _walk(base)
            return
        found = list(_file_scopes(base, only, only))
        if not found and _broken_zip(self._path):
            found = [Scope(storable(only), storable(only), "archive")]  # reading it says why it does not open
        yield from found or [Scope(ROOT, storable(only), "folder")]

    def count(self, scope: Scope) -> Expected:
        """Count by a folder walk, a byte scan or the zip's directory.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        place = self._place(scope)
        if place.member is not None:
            return _count_stream(lambda: _member_stream(place))
        if scope.kind == "archive":
            return _count_archive(place.path)
        if scope.kind == "mbox":
            if _is_gz(place.path):
                return _count_stream(lambda: gunzipped(whole(place.path)))
            try:
                with open(place.path, "rb", _BUFFER) as stream:
                    return Expected(count_messages(stream, can_seek=True), "byte scan")
            except OSError as err:
                raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
        return Expected(_count_folder(place, self._base()[1]), "folder walk")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a plain mbox at separators and a folder by ranges of names; a gz or a zip is one part.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        place = self._place(scope)
        if scope.kind == "folder" and self._base()[1] is None:
            yield from _folder_parts(place, scope, max_items, max_bytes)
        elif scope.kind == "mbox" and place.member is None and not _is_gz(place.path):
            yield from mbox_parts(place.path, scope, max_items, max_bytes)
        else:
            yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages and files of a part, in order of file or name.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        scope = part.scope
        place = self._place(scope)
        if scope.kind == "archive":
            yield from self._archive_items(place, window, cursor)
        elif scope.kind == "mbox":
            yield from self._mbox_items(place, part, window, cursor)
        else:
            yield from self._folder_items(place, part, window, cursor)

    def _base(self) -> tuple[str, str | None]:
        """Return the folder that keys are relative to, and the only file in it to read, or None for all."""
        path = self._path
        if os.path.isdir(path):
            return path.rstrip("/") or "/", None
        folder, name = os.path.split(path)
        return folder or ".", name

    def _place(self, scope: Scope) -> _Place:
        still_there(self._path)
        base = self._base()[0]
        if scope.key == ROOT:
            return _Place(base, "", None)
        found = _on_disk(base, scope.key)
        if found is not None:
            return _Place(os.path.join(base, found), found, None)
        for at in (n for n, char in enumerate(scope.key) if char == INSIDE):
            found = _on_disk(base, scope.key[:at])
            if found is not None and not os.path.isdir(os.path.join(base, found)):
                return _Place(os.path.join(base, found), found, scope.key[at + 1 :])
        raise ItemError(Reason.UNREADABLE, "scope_gone")

    def _mbox_items(self, place: _Place, part: Part, window: Window, cursor: str | None) -> Iterator[Yielded]:
        zone = self._context.time_zone
        if place.member is not None or _is_gz(place.path):
            stream = _member_stream(place) if place.member is not None else gunzipped(whole(place.path))
            with StreamSource(stream) as source:
                yield from mbox_items(source, None, MboxPart(), window, zone, cursor)
            return
        with PlainSource(place.path) as plain:
            yield from mbox_items(plain, place.path, MboxPart.read(part.spec), window, zone, cursor)

    def _folder_items(
        self, place: _Place, part: Part, window: Window, cursor: str | None
    ) -> Iterator[Yielded]:
        only = self._base()[1]
        after = _after(cursor)
        for sub, first, before in _stretches(place, part, only):
            if after is not None and sub < after[0]:
                continue
            folder = os.path.join(place.path, sub) if sub else place.path
            reader = _FolderReader(folder, place, sub, window, self)
            names = [only] if only is not None else files_between(folder, first, before)
            for name in names:
                key = reader.key(name)
                if after is not None and (sub, name) <= after:
                    continue
                item = reader.item(name, key)
                if item is not None:
                    yield item

    def _archive_items(self, place: _Place, window: Window, cursor: str | None) -> Iterator[Yielded]:
        done = read_number(cursor)
        prefix = storable(place.rel) + INSIDE
        with zips.opened(place.path) as archive:
            members = zips.members(archive)
            apart = _mbox_members(archive, members)
            for number, member in enumerate(members, 1):
                if number > done and member.key not in apart:
                    yield self._member_item(archive, place, member, prefix, number_cursor(number), window)

    def _member_item(
        self,
        archive: zipfile.ZipFile,
        place: _Place,
        member: zips.Member,
        prefix: str,
        cursor: str,
        window: Window,
    ) -> Yielded:
        folder = member.key.rpartition("/")[0].rpartition("/")[2]
        in_maildir = folder in _MAILDIR_PLACES
        name = without_flags(member.name) if in_maildir else member.name
        key = prefix + (without_flags(member.key) if in_maildir and "#" not in member.key else member.key)
        mail_name = in_maildir or member.name.lower().endswith(".eml")
        kind = Kind.EMAIL if mail_name else Kind.FILE
        if _is_system_path(member.key):
            return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "system_file", name)
        try:
            with zips.open_member(archive, member) as stream:
                head = stream.read(HELD + 1)
        except ItemError as err:
            return FailedItem(key, kind, cursor, err.reason, err.detail, name)
        handle: Handle = head
        if len(head) > HELD:
            path = place.path
            handle = lambda: zips.open_member_of(path, member)  # noqa: E731
        size = member.size
        warnings = (WarningCode.NAME_CHANGED,) if member.odd_name else ()
        if begins_like_mail(head) if mail_name else looks_like_mail(head):
            facts, codes = _flag_facts(
                maildir_flags(member.name) if in_maildir else "", folder if in_maildir else ""
            )
            return mail_item(
                key, cursor, head, size, window, self._context.time_zone, handle,
                name=name, metadata=facts, warnings=warnings + codes,
            )  # fmt: skip
        return file_or_message(key, cursor, size, window, handle, name=name, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a scope lies: a path on disk, the same relative to the source, and a member of the zip there."""

    path: str
    rel: str
    member: str | None


class _FolderReader:
    """Reads the files of one folder, one at a time."""

    def __init__(self, folder: str, place: _Place, sub: str, window: Window, connector: MailFiles) -> None:
        self._prefix = folder + "/"
        rel = "/".join(filter(None, (place.rel, sub)))
        self._key_prefix = storable(rel) + "/" if rel else ""
        self._cursor_prefix = f"{sub}/"
        self._sub = sub
        self._maildir = _is_maildir(place.path)
        self._window = window
        self._zone = connector._context.time_zone
        self._last_key = ""
        self._odd_keys: set[str] = set()

    def key(self, name: str) -> str:
        """Return the native key of a file; names must come in order."""
        short = without_flags(name) if self._sub else name
        key = self._key_prefix + (short if short.isascii() else self._normal(short))
        if key == self._last_key:  # one message under two sets of flags
            return self._key_prefix + storable(name)
        self._last_key = key
        return key

    def _normal(self, name: str) -> str:
        """Return the NFC of a name, unless another file beside it has that very name."""
        normal = storable(name)
        if normal != name and os.path.lexists(self._prefix + normal):
            return os.fsencode(name).decode("utf-8", "backslashreplace")
        if normal in self._odd_keys:
            return os.fsencode(name).decode("utf-8", "backslashreplace")
        if normal != name:
            self._odd_keys.add(normal)
        return normal

    def item(self, name: str, key: str) -> Yielded | None:
        """Return the item of a file, or None for a scope of its own."""
        cursor = name_cursor(self._cursor_prefix + name)
        path = self._prefix + name
        shown = without_flags(name) if self._sub else name
        if not shown.isascii():
            shown = storable(shown)
        try:
            opened = open_head(path, HELD)
        except ItemError as err:
            kind = Kind.EMAIL if self._sub else Kind.FILE
            return FailedItem(key, kind, cursor, err.reason, err.detail, shown)
        head, size = opened.head, opened.size
        handle: Handle = head if size <= HELD else lambda: whole(path)
        if not self._sub:
            scaffolding = _scaffolding(name, head, maildir=self._maildir)
            if scaffolding:
                return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, scaffolding, shown)
            if _container(path, name, head):
                return None
            is_mail = begins_like_mail(head) if name.lower().endswith(".eml") else looks_like_mail(head)
        else:
            if is_system_name(name):
                return ExcludedItem(key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "system_file", shown)
            is_mail = begins_like_mail(head)
        if not is_mail:
            return file_or_message(key, cursor, size, self._window, handle, name=shown)
        facts, codes = _flag_facts(maildir_flags(name), self._sub) if self._sub else (EMPTY, ())
        return mail_item(
            key,
            cursor,
            head,
            size,
            self._window,
            self._zone,
            handle,
            name=shown,
            metadata=facts,
            warnings=codes,
        )


@lru_cache(maxsize=512)
def _flag_facts(flags: str, place: str) -> tuple[Mapping[str, str], tuple[WarningCode, ...]]:
    """Return the facts of a Maildir name: its flags; drafts and messages still being delivered are marked."""
    codes: tuple[WarningCode, ...] = ()
    facts = {"flags": flags} if flags else {}
    if "D" in flags:
        codes = (WarningCode.DRAFT,)
    if place == "tmp":
        facts["delivery"] = "unfinished"
        codes = (*codes, WarningCode.PARTIAL)
    return facts or EMPTY, codes


def _walk(base: str) -> Iterator[Scope]:
    """Yield the scopes of a folder and all below it; a stack, not recursion, for trees of any depth."""
    stack = [""]
    while stack:
        rel = stack.pop()
        path = os.path.join(base, rel) if rel else base
        label = storable(os.path.basename(path.rstrip("/"))) or ROOT
        yield Scope(storable(rel) or ROOT, label, "folder")
        try:
            names = files_between(path, "", "")
            folders = subfolders(path)
        except ItemError:
            continue  # the scope is listed; reading it says why it cannot be had
        prefix = f"{rel}/" if rel else ""
        for name in names:
            yield from _file_scopes(path, name, prefix + name)
        below: list[str] = []
        maildir = _is_maildir(path)
        for name in folders:
            if maildir and name in _MAILDIR_PLACES:
                below += [
                    f"{prefix}{name}/{deeper}" for deeper in _quiet_subfolders(os.path.join(path, name))
                ]
            else:
                below.append(prefix + name)
        stack += reversed(below)


def _quiet_subfolders(path: str) -> list[str]:
    try:
        return subfolders(path)
    except ItemError:
        return []


def _file_scopes(folder: str, name: str, rel: str) -> Iterator[Scope]:
    """Yield the scopes that a file is: none for most files."""
    path = os.path.join(folder, name)
    try:
        head = open_head(path, _HEAD).head
    except ItemError:
        return
    kind = _container(path, name, head)
    if kind == "mbox":
        yield Scope(storable(rel), storable(name), "mbox")
    elif kind == "archive":
        yield Scope(storable(rel), storable(name), "archive")
        with zips.opened(path) as archive:
            for key in _mbox_members(archive, zips.members(archive)):
                yield Scope(storable(rel) + INSIDE + key, key.rpartition("/")[2], "mbox")


def _container(path: str, name: str, head: bytes) -> str | None:
    """Say what scope a file is by its content: ``mbox``, ``archive``, or None for a single item."""
    lower = name.lower()
    if head.startswith(_GZ_MAGIC):
        named = lower.endswith(tuple(suffix + ".gz" for suffix in _MBOX_SUFFIXES))
        return "mbox" if named or starts_like_mbox(_peek_gz(path)) else None
    if zips.is_zip(head):
        return "archive" if _holds_mail(path) else None
    if lower.endswith(_MBOX_SUFFIXES) and b"\x00" not in head:
        return "mbox"
    if starts_like_mbox(head):
        return "mbox" if not lower.endswith(".eml") or _has_two_messages(path) else None
    return None


def _broken_zip(path: str) -> bool:
    """Say whether a file starts as a zip and does not open."""
    try:
        if not zips.is_zip(open_head(path, 4).head):
            return False
        with zips.opened(path):
            return False
    except ItemError:
        return True


def _peek_gz(path: str) -> bytes:
    try:
        with gunzipped(whole(path)) as stream:
            return stream.read(_HEAD)
    except ItemError:
        return b""


def _has_two_messages(path: str) -> bool:
    """Say whether a file named .eml is an mbox after all; one message with its From_ line stays an EML."""
    with PlainSource(path) as source:
        messages = split(source)
        next(messages, None)
        return next(messages, None) is not None


def _holds_mail(path: str) -> bool:
    """Say whether a zip holds mail; an office document is a zip too."""
    try:
        with zips.opened(path) as archive:
            found = zips.members(archive)
            names = {member.key for member in found}
            if names & {"[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"}:
                return False
            return any(_mail_path(name) for name in names) or bool(_mbox_members(archive, found))
    except ItemError:
        return False


def _mail_path(key: str) -> bool:
    folders, _, name = key.rpartition("/")
    lower = name.lower()
    if lower.endswith((".eml", *_MBOX_SUFFIXES)):
        return True
    return bool(name) and folders.rpartition("/")[2] in {"cur", "new"}


def _mbox_members(archive: zipfile.ZipFile, members: list[zips.Member]) -> list[str]:
    """Return the keys of the members that are mboxes, plain or gz, in directory order."""
    return [member.key for member in members if _is_mbox_member(archive, member)]


def _is_mbox_member(archive: zipfile.ZipFile, member: zips.Member) -> bool:
    lower = member.name.lower()
    if member.problem is not None or named_otherwise(lower) or _is_system_path(member.key):
        return False
    if member.key.rpartition("/")[0].rpartition("/")[2] in _MAILDIR_PLACES:
        return False
    head = zips.read_head(archive, member, _HEAD)
    if head.startswith(_GZ_MAGIC):
        with gunzipped(zips.open_member(archive, member)) as stream:
            try:
                head = stream.read(_HEAD)
            except ItemError:
                return False
        return starts_like_mbox(head)
    return starts_like_mbox(head) or (lower.endswith(_MBOX_SUFFIXES) and bool(head) and b"\x00" not in head)


def _member_stream(place: _Place) -> BinaryIO:
    """Open the mbox inside a zip, unpacked once more where it is a gz."""
    archive = zips.open_archive(place.path)
    found = next((member for member in zips.members(archive) if member.key == place.member), None)
    if found is None:
        archive.close()
        raise ItemError(Reason.UNREADABLE, "scope_gone")
    packed = zips.read_head(archive, found, 2) == _GZ_MAGIC
    archive.close()
    stream = zips.open_member_of(place.path, found)
    return gunzipped(stream) if packed else stream


def _is_gz(path: str) -> bool:
    return open_head(path, 2).head == _GZ_MAGIC


def _is_maildir(path: str) -> bool:
    found = [name for name in _MAILDIR_PLACES if os.path.isdir(os.path.join(path, name))]
    return "cur" in found and len(found) > 1


def _is_system_path(key: str) -> bool:
    parts = key.split("/")
    return "__MACOSX" in parts or is_system_name(parts[-1])


def _scaffolding(name: str, head: bytes, *, maildir: bool) -> str:
    """Return why a file is no record: it describes the folder or the mail store. Empty for all others."""
    if is_system_name(name) or is_apple_double(name, head):
        return "system_file"
    lower = name.lower()
    if head.startswith(_MORK) or (maildir and (lower in _INDEX_NAMES or lower.startswith(_INDEX_PREFIXES))):
        return "mail_index"
    return ""


def _on_disk(base: str, key: str) -> str | None:
    """Find the path on disk of a key: its names may be in another normal form there, or hold other bytes."""
    if os.path.lexists(os.path.join(base, key)):
        return key
    here = ""
    for part in key.split("/"):
        folder = os.path.join(base, here)
        if not os.path.isdir(folder):
            return None
        found = next((entry.name for entry in entries(folder) if storable(entry.name) == part), None)
        if found is None:
            return None
        here = f"{here}/{found}" if here else found
    return here


def _after(cursor: str | None) -> tuple[str, str] | None:
    name = read_name(cursor)
    if name is None:
        return None
    sub, _, rest = name.partition("/")
    return sub, rest


def _stretches(place: _Place, part: Part, only: str | None) -> list[tuple[str, str, str]]:
    """Return what a part covers, in order: sub-folder, first name, name that is no more of it."""
    if part.spec:
        stated = canonical.loads(part.spec)
        if stated.get("v") != 1:
            msg = "a part of a folder was cut by another version; plan the run again"
            raise SettingsError(msg)
        return [(stated["sub"], stated["first"], stated["before"])]
    return [(sub, "", "") for sub in _subs(place.path, only)]


def _subs(path: str, only: str | None) -> list[str]:
    if only is not None or not _is_maildir(path):
        return [""]
    return ["", *(name for name in _MAILDIR_PLACES if os.path.isdir(os.path.join(path, name)))]


def _folder_parts(place: _Place, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
    found: list[tuple[str, Range]] = []
    apart = 0
    for sub in _subs(place.path, None):
        folder = os.path.join(place.path, sub) if sub else place.path
        border = without_flags if sub else str
        found.extend((sub, piece) for piece in ranges(folder, max_items, max_bytes, border))
        apart += _own_scopes(folder) if not sub else 0
    items, size = sum(piece.items for _, piece in found), sum(piece.size_bytes for _, piece in found)
    if len(found) <= 1 or (items <= max_items and size <= max_bytes):
        yield Part(scope, 0, "", items - apart, size)
        return
    for number, (sub, piece) in enumerate(found):
        spec = {"v": 1, "sub": sub, "first": piece.first, "before": piece.before}
        known = piece.items if sub or not apart else None
        yield Part(scope, number, _ascii(spec), known, piece.size_bytes)


def _ascii(spec: Mapping[str, object]) -> str:
    """Return JSON text that keeps names of any bytes (lone surrogates are written as escapes)."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))


def _own_scopes(folder: str) -> int:
    """Count the files of a folder that are scopes of their own."""
    found = 0
    for entry in entries(folder):
        if entry.is_file(follow_symlinks=False):
            path = os.path.join(folder, entry.name)
            try:
                found += _container(path, entry.name, open_head(path, _HEAD).head) is not None
            except ItemError:
                continue
    return found


def _count_folder(place: _Place, only: str | None) -> int:
    """Count the files of a folder scope with ``os.walk``; what is a scope of its own is not counted here."""
    if only is not None:
        return 1
    total = 0
    for folder in (place.path, *(os.path.join(place.path, sub) for sub in _subs(place.path, None) if sub)):
        failures: list[OSError] = []
        for here, folders, files in os.walk(folder, onerror=failures.append):
            total += len(files) + sum(os.path.islink(os.path.join(here, name)) for name in folders)
            break
        if failures:
            raise ItemError(Reason.UNREADABLE, f"errno_{failures[0].errno}")
    return total - _own_scopes(place.path)


def _count_archive(path: str) -> Expected:
    try:
        with zipfile.ZipFile(path) as archive:
            files = sum(1 for info in archive.infolist() if not info.is_dir())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        with zips.opened(path):  # says why in our words
            return _UNKNOWN
    with zips.opened(path) as again:
        return Expected(files - len(_mbox_members(again, zips.members(again))), "zip directory")


def _count_stream(opener: Callable[[], BinaryIO]) -> Expected:
    try:
        with io.BufferedReader(cast("io.RawIOBase", opener()), _BUFFER) as stream:
            count = count_messages(stream, can_seek=False)
    except ItemError:
        return _UNKNOWN  # cut or damaged: what would have followed cannot be known
    return Expected(count, "byte scan") if count is not None else _UNKNOWN
