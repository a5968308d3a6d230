"""Android's "SMS Backup & Restore": texts, multimedia messages and calls in XML of any size.

A record is one ``<sms>``, ``<mms>`` or ``<call>`` element, by its exact bytes; the parts of an ``<mms>`` are
taken out of it by the extract room. Every backup is a full one, so the same message lies in several files:
each is an item, and equal bytes in one file are told apart by their ordinal.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, ClassVar

from connectors import zips
from connectors.base import FileConnector, still_there
from connectors.bytesource import (
    ByteSource,
    Handle,
    PlainSource,
    StreamSource,
    hash_span,
    span_handle,
    whole,
)
from connectors.cursors import number_cursor, read_number
from connectors.export_files import Archive, PackageFile
from connectors.export_paths import containers, fates
from connectors.folders import open_head, storable
from connectors.loose_files import loose_item, walk
from connectors.mailhead import file_item, placed
from connectors.mbox import SeenHashes, prefix_of
from connectors.xml_elements import Element, ElementScanner, Root, attribute
from records.errors import ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    Window,
    Yielded,
)
from records.moments import epoch_moment
from records.numbers import whole_number
from records.vocabulary import Basis, Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-sms-backup-restore+xml"
ROOT = "."
INSIDE = "!"

_ROOTS = re.compile(rb"<(?:smses|calls|allsms)[\s/>]")
_COUNT = re.compile(rb"<(?:smses|calls|allsms)\b[^<>]*?\scount\s*=\s*[\"'](\d{1,12})[\"']")
_HEAD = 64 << 10
_KINDS = {"sms": Kind.MESSAGE, "mms": Kind.MESSAGE, "call": Kind.CALL}
_ABSENT = frozenset({"", "0", "null"})
_UNKNOWN = Expected(None, "unknown")


class SmsBackupRestore(FileConnector):
    """Backup files of one phone."""

    name: ClassVar[str] = "sms_backup_restore"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "sms-*.xml and calls-*.xml of any size, root smses, calls or allsms",
        "texts, multimedia and group messages, calls; drafts and failed ones too",
        "the same inside a zip",
        "other files in the folder: stored as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "encrypted backups: counted as failed",
        "chats of Google Messages (RCS) that the phone does not mirror as MMS",
        "messages deleted before the backup was made",
        "XML in another encoding than UTF-8 or ASCII",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "4 backups of the msgvault project's tests, 1 written to the vendor's schema",
        "generated backups, one element of 300 MB",
    )

    def check(self) -> None:
        """Prove access; only the first bytes of files are looked at.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or no backup is there.
        """
        super().check()
        if not any(place.backup or place.problem is not None for place in self._places()):
            msg = (
                f"source {self._context.source_id}: no SMS Backup & Restore file at its path; "
                "check `path` and `connector`"
            )
            raise SettingsError(msg)

    def scopes(self) -> Iterator[Scope]:
        """List every backup, in order of path, then one scope of the other files, if there are any."""
        others = False
        for place in self._places():
            if place.backup:
                yield Scope(place.key, storable(os.path.basename(place.key)), "export")
            else:
                others = True
        if others:
            yield Scope(ROOT, storable(os.path.basename(self._path.rstrip("/"))) or ROOT, "folder")

    def count(self, scope: Scope) -> Expected:
        """Return the figure in the root element; of the other files, how many there are.

        Raises:
            ItemError: The backup cannot be opened.
        """
        if scope.key == ROOT:
            return Expected(sum(not place.backup for place in self._places()), "folder walk")
        with closing(self._place(scope).stream()) as stream:
            found = _COUNT.search(_without_comments(stream.read(_HEAD)))
        return Expected(int(found[1]), "count attribute") if found else _UNKNOWN

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Give a backup as one part: XML cannot be cut without reading it."""
        del max_items, max_bytes
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages and calls of a backup in file order.

        Raises:
            ItemError: The backup cannot be opened at all.
        """
        if part.scope.key == ROOT:
            yield from self._others(window, cursor)
            return
        place = self._place(part.scope)
        source: ByteSource
        if place.member is None:
            source, path = PlainSource(place.path), place.path
        else:
            source, path = StreamSource(place.stream()), None
        with closing(source):
            if source.read_at(0, 2) in {b"\xff\xfe", b"\xfe\xff"}:
                raise ItemError(Reason.UNSUPPORTED, "utf16")
            yield from _elements(source, path, window, read_number(cursor))

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: backups are read."""
        places = list(self._places())
        for path in dict.fromkeys(place.path for place in places if place.member is not None):
            yield from containers([Archive(path, path)], self._path)
        files = (PackageFile(one.key, one.path, one.member, one.problem) for one in places)
        yield from fates(files, self._path, {place.key for place in places if place.backup})

    def _others(self, window: Window, cursor: str | None) -> Iterator[Yielded]:
        done = read_number(cursor)
        number = 0
        for place in self._places():
            if place.backup:
                continue
            number += 1
            if number > done:
                yield place.item(number_cursor(number), window)

    def _places(self) -> Iterator[_Place]:
        still_there(self._path)
        for rel, path in _files(self._path):
            try:
                head = open_head(path, _HEAD).head
            except ItemError as err:
                yield _Place(path, storable(rel), None, backup=False, problem=err)
                continue
            if not zips.is_zip(head) or not _holds_backup(path):
                yield _Place(path, storable(rel), None, backup=is_backup(head))
                continue
            with zips.opened(path) as archive:
                for member in zips.members(archive):
                    backup = member.problem is None and is_backup(zips.read_head(archive, member, _HEAD))
                    key = storable(rel) + INSIDE + member.key
                    yield _Place(path, key, member, backup=backup, problem=member.problem)

    def _place(self, scope: Scope) -> _Place:
        for place in self._places():
            if place.key == scope.key:
                return place
        raise ItemError(Reason.UNREADABLE, "scope_gone")


@dataclass(frozen=True, slots=True)
class _Place:
    """A file, or a file in a zip."""

    path: str
    key: str
    member: zips.Member | None
    backup: bool
    problem: ItemError | None = None

    def stream(self) -> BinaryIO:
        if self.member is None:
            return whole(self.path)
        return zips.open_member_of(self.path, self.member)

    def item(self, cursor: str, window: Window) -> Yielded:
        name = self.key.rpartition("/")[2].rpartition(INSIDE)[2]
        if self.problem is not None:
            return FailedItem(self.key, Kind.FILE, cursor, self.problem.reason, self.problem.detail, name)
        if self.member is None:
            return loose_item(self.path, self.key, cursor, window, name)
        return file_item(self.key, cursor, self.member.size, window, self.stream, name=name)


def _files(path: str) -> Iterator[tuple[str, str]]:
    """Yield relative and full path of every file, in order."""
    if not os.path.isdir(path):
        yield os.path.basename(path), path
        return
    for rel, entry in walk(path, "", ""):
        yield rel, os.path.join(path, rel) if entry is None else entry.path


def _holds_backup(path: str) -> bool:
    """Say whether a zip holds a backup, or one that is encrypted."""
    try:
        with zips.opened(path) as archive:
            return any(
                member.name.lower().endswith(".xml")
                and (member.problem is not None or is_backup(zips.read_head(archive, member, _HEAD)))
                for member in zips.members(archive)
            )
    except ItemError:
        return False


def _without_comments(head: bytes) -> bytes:
    return re.sub(rb"<!--.*?-->", b"", head, flags=re.DOTALL)


def is_backup(head: bytes) -> bool:
    """Say whether the first 64 KB of a file are those of a backup."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[: len(head) // 2 * 2].decode("utf-16", "replace").encode()
    text = _without_comments(head.removeprefix(b"\xef\xbb\xbf")).lstrip()
    if not text.startswith(b"<"):
        return False
    first = re.search(rb"<[A-Za-z_]", text)
    return first is not None and _ROOTS.match(text, first.start()) is not None


def _elements(source: ByteSource, path: str | None, window: Window, done: int) -> Iterator[Yielded]:
    seen = SeenHashes()
    number = 0
    stated: int | None = None
    cut = False
    for found in ElementScanner(source).elements():
        if isinstance(found, Root):
            text = found.attributes.get("count", "")
            stated = whole_number(text, 12)
        elif isinstance(found, Element):
            number += 1
            digest = _digest(source, found)
            ordinal = seen.count(prefix_of(digest))
            cut = not found.whole
            if number > done:
                key = f"{digest.hex()}:{ordinal}"
                yield _item(source, path, found, key, ordinal, number_cursor(number), window)
        elif not found.closed and not cut and (stated is None or number < stated) and number + 1 > done:
            reason = source.cut.reason if source.cut is not None else Reason.TRUNCATED
            yield FailedItem("rest", Kind.MESSAGE, number_cursor(number + 1), reason, "root_not_closed")


def _digest(source: ByteSource, element: Element) -> bytes:
    if element.data is not None:
        return hashlib.sha256(element.data).digest()
    return hash_span(source, element.start, element.end - element.start)


def _item(
    source: ByteSource,
    path: str | None,
    element: Element,
    key: str,
    ordinal: int,
    cursor: str,
    window: Window,
) -> Yielded:
    kind = _KINDS.get(element.name, Kind.FILE)
    size = element.end - element.start
    if not element.whole:
        reason = source.cut.reason if source.cut is not None else Reason.TRUNCATED
        return FailedItem(key, kind, cursor, reason, "element_cut")
    data = element.data
    handle: Handle = data if data is not None else span_handle(source, path, element.start, size)
    head = data if data is not None else source.read_at(element.start, _HEAD)
    moment = _moment(attribute(head, "date"))
    outside, codes = placed(moment, window, dated=True)
    if outside:
        return ExcludedItem(key, kind, cursor, Reason.OUTSIDE_WINDOW, "", None, moment)
    if ordinal:
        codes = (*codes, WarningCode.DUPLICATE_ENTRY)
    metadata = {"element": element.name}
    return FoundItem(key, kind, cursor, None, MEDIA_TYPE, size, moment, metadata, codes, handle)


def _moment(text: str | None) -> Moment:
    """Read ``date``: milliseconds since 1970; absent, 0 and the app's literal ``null`` are no time."""
    if text is None or text in _ABSENT:
        return NO_MOMENT
    number = whole_number(text, 20)
    return epoch_moment(number, text) if number is not None else Moment(None, text[:40], Basis.NONE)
