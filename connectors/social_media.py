"""The district's accounts on social media, by the downloads that the services make of them.

Each post, comment, story and direct message is an item, by the exact bytes of its object in the download.
Pictures and videos are items as files, joined by facts to what shows them; one that a record names and the
download does not have is a failed item beside it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from connectors import social_meta, social_pages, social_x
from connectors.base import FileConnector, check_access, not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.export_files import OpenZips, PackageFile, is_last, plain_item, span_of, within
from connectors.export_paths import containers, fates
from connectors.json_values import parsed
from connectors.mailhead import placed
from connectors.social_counts import expected_of
from connectors.social_exports import (
    SAME_AS_JSON,
    Downloads,
    Media,
    Record,
    RecordFile,
    RecordList,
    Told,
    read_downloads,
)
from connectors.social_layouts import (
    HEAD,
    KEPT_AS_FILES,
    TALK,
    X,
    data_file,
    in_activity,
    is_message_page,
    meta_layout,
)
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
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
from records.vocabulary import Kind, Reason, WarningCode

RECORD_TYPE = "application/x-social-record+json"
PAGE_TYPE = "application/x-social-record+html"
FILES = "."

_NOT_KNOWN = "not known, kept as a file"
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*[\[{\"0-9tfn-]")
_STARTS = frozenset({"Your archive.html", "start_here.html"})
_EMPTY_SECTIONS = frozenset({"no-data.txt", "no_data.txt"})
_SERVICES = (b"archivesocial", b"pagefreezer", b"smarsh", b"civicplus")
_OF_SERVICES = frozenset({"csv", "html", "htm", "pdf", "warc", "xml"})
"""Archiving services whose layouts are not published; named so that nobody takes such a file for read."""


class SocialMedia(FileConnector):
    """Downloads of one or several accounts, as zips, unpacked, or as single files."""

    name: ClassVar[str] = "social_media"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "X: posts, replies, reposts, long and community posts, deleted posts, direct and group messages with "
        "joins, leaves and renames",
        "Facebook (pages and profiles, JSON): posts, comments, stories, videos, photos, events, messages",
        "Messenger's separate download of end-to-end encrypted chats",
        "messages of Meta's downloads as web pages (HTML), where there is no JSON of the thread",
        "Instagram (JSON): posts, stories, reels, comments, messages, archived and deleted content",
        "pictures and videos, and each that is named and not there: counted as failed",
        "everything else in a download: as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what others wrote under the district's posts: the services put into a download what the account "
        "itself wrote, and messages",
        "posts and comments of Meta's downloads as web pages (HTML): refused by name; ask for JSON",
        "exports of ArchiveSocial, PageFreezer, Smarsh and the like: no layout is published; as files",
        "who liked what: reactions are counted as a record states them; lists of likes are files",
        "archives of Twitter from before 2019 (tweets.csv): as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 X archive, 6 Messenger threads (1 as a page) written to the published layouts, 1 Instagram thread",
        "generated downloads of X, Facebook and Instagram",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._read: Downloads | None = None
        self._names: dict[str, social_x.Names] = {}

    def check(self) -> None:
        """Prove access, and that there is a download that can be read.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or what lies there is no such download; says what it is.
        """
        check_access(self._context.source_id, self._path)
        downloads = self._downloads()
        if downloads.lists or downloads.broken:
            return
        source = f"source {self._context.source_id}"
        if downloads.refused:
            raise SettingsError(
                f"{source}: a download of Meta as web pages (HTML), which has no zones and no stable layout; "
                'ask for it again with the format JSON, or take it as files with connector = "loose_files"'
            )
        what = "download of X, Facebook or Instagram"
        said = not_one(self._context.source_id, what, self._path, self.name)
        raise SettingsError(
            f"{said}. Exports of other services (ArchiveSocial, PageFreezer …) have no known layout: take "
            'them with connector = "loose_files"'
        )

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open and downloads that are refused, then each list, then the other files."""
        downloads = self._downloads()
        for key in sorted(downloads.broken):
            yield Scope(key, key, "archive")
        for key in sorted(downloads.refused):
            yield Scope(key, key, "export")
        for key, one in sorted(downloads.lists.items()):
            kind = "conversation" if one.layout.kind is Kind.CHAT else "posts"
            yield Scope(key, _label(one, downloads), kind)
        if downloads.files or downloads.lost:
            yield Scope(FILES, FILES, "export")

    def count(self, scope: Scope) -> Expected:
        """Count records as the download states them, else by parsing each file whole; files by their list.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        downloads = self._downloads()
        downloads.raise_if_not_read(scope.key)
        if scope.key == FILES:
            return Expected(len(downloads.files) + len(downloads.lost), "file list")
        return expected_of(downloads.list(scope.key), downloads)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut the files; a list is one part, since equal records are told apart by their order in it.

        Files that are named and not there are of the last part.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        downloads = self._downloads()
        downloads.raise_if_not_read(scope.key)
        if scope.key != FILES:
            size = sum(part.file.size_or_zero() for part in downloads.list(scope.key).parts)
            yield Part(scope, size_bytes=size)
            return
        sizes = [file.size_or_zero() for file in downloads.files.values()]
        cuts, items, size = [0], 0, 0
        for number, grows in enumerate(sizes):
            if items and (items + 1 > max_items or size + grows > max_bytes):
                cuts.append(number)
                items = size = 0
            items += 1
            size += grows
        for number, first in enumerate(cuts):
            before = cuts[number + 1] if number + 1 < len(cuts) else len(sizes)
            spec, more = span_of(list(downloads.files), first, before), 0
            if before == len(sizes):
                more = len(downloads.lost)
            yield Part(scope, number, spec, before - first + more, sum(sizes[first:before]))

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the records of a list in the order of the download, or the other files by path.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        downloads = self._downloads()
        downloads.raise_if_not_read(part.scope.key)
        done = read_number(cursor)
        with OpenZips() as opened:
            if part.scope.key == FILES:
                made = self._files(downloads, part, window, opened)
            else:
                one = downloads.list(part.scope.key)
                made = self._records(one, downloads, window, opened)
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    def _records(
        self, one: RecordList, downloads: Downloads, window: Window, opened: OpenZips
    ) -> Iterator[Yielded]:
        seen: dict[str, int] = {}
        names = self._names_of(one, downloads, opened)
        for part in one.parts:
            try:
                for record in _records_of(part, one, names, opened):
                    told = self._tell(record, part, one, downloads, names)
                    yield from _record(record, told, one, downloads, window, seen)
            except ItemError as error:
                yield FailedItem(f"{part.file.key}#rest", one.layout.kind, "", error.reason, error.detail)
        for key in dict.fromkeys(social_x.header_ids(one, opened)):
            if key not in seen:
                yield FailedItem(key, one.layout.kind, "", Reason.NOT_IN_EXPORT, "only_header")

    def _tell(
        self, record: Record, part: RecordFile, one: RecordList, downloads: Downloads, names: social_x.Names
    ) -> Told | None:
        if one.layout.page:
            return social_pages.tell(record, part, downloads, self._context.time_zone)
        return _told(parsed(record.data), record.data, part, one, downloads, names)

    def _names_of(self, one: RecordList, downloads: Downloads, opened: OpenZips) -> social_x.Names:
        """Return the people of a download of X, learnt from its posts when a conversation is first read."""
        if one.layout.record not in TALK:
            return social_x.Names(downloads.account(one.root))
        if one.root not in self._names:
            names = social_x.Names(downloads.account(one.root))
            for other in downloads.lists.values():
                if other.root == one.root and other.layout.platform == X and other.layout.record not in TALK:
                    _learn(names, other, opened)
            self._names[one.root] = names
        return self._names[one.root]

    def _files(self, downloads: Downloads, part: Part, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        for key, file in downloads.files.items():
            if within(part.spec, key):
                yield _file(file, downloads, window, opened)
        if is_last(part.spec):
            for key in downloads.lost:
                yield _lost(key)

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: records, what says something of the account, and media are read."""
        downloads = self._downloads()
        read = {part.file.key for one in downloads.lists.values() for part in one.parts} | downloads.described
        files = [part.file for one in downloads.lists.values() for part in one.parts]
        yield from containers(downloads.archives, self._path, downloads.broken)
        yield from fates(
            (*files, *downloads.files.values()),
            self._path,
            lambda file: file.key in read or _is_known(file, downloads),
            lambda file: "viewer" if _is_scaffolding(file, downloads) else "",
        )

    def _downloads(self) -> Downloads:
        still_there(self._path)
        if self._read is None:
            self._read = read_downloads(self._path)
        return self._read


def is_download(head: bytes, key: str) -> bool:
    """Say whether a file is one of a download, by how it begins; for guessing only."""
    suffix = key.rpartition(".")[2].lower()
    if suffix == "js":
        return data_file(head) is not None
    if suffix == "json":
        return meta_layout(key, head) is not None
    return suffix in {"html", "htm"} and (in_activity(key) or is_message_page(key))


_SEVERAL = {"post by others": "posts by others", "story": "stories", "other content": "other content"}
"""What several of a record are called, where an s at the end does not do."""


def _label(one: RecordList, downloads: Downloads) -> str:
    shown = downloads.account(one.root).shown
    deleted = "deleted " if one.layout.deleted else ""
    record = one.layout.record
    what = f"{one.layout.platform}: {deleted}{_SEVERAL.get(record, f'{record}s')}"
    if one.layout.kind is Kind.CHAT and one.layout.platform != X:
        what = f"{what}, {one.key.rpartition('/')[2]}"
    return f"{what} ({shown})" if shown else what


def _records_of(
    part: RecordFile, one: RecordList, names: social_x.Names, opened: OpenZips
) -> Iterator[Record]:
    if one.layout.platform == X:
        return social_x.records_of(part.file, one, names, opened)
    if one.layout.page:
        return social_pages.records_of(part, one, opened)
    return social_meta.records_of(part, one, opened)


def _tell(
    value: dict[str, Any], data: bytes, part: RecordFile, one: RecordList, downloads: Downloads,
    names: social_x.Names,
) -> Told:  # fmt: skip
    if one.layout.platform == X:
        return social_x.tell(value, data, one, downloads, names)
    return social_meta.tell(value, one, part, downloads)


def _learn(names: social_x.Names, posts: RecordList, opened: OpenZips) -> None:
    for part in posts.parts:
        try:
            for record in social_x.records_of(part.file, posts, names, opened):
                names.learn(record.data)
        except ItemError:
            continue  # the list is damaged, and says so where it is read


def _record(
    record: Record, told: Told | None, one: RecordList, downloads: Downloads, window: Window,
    seen: dict[str, int],
) -> Iterator[Yielded]:  # fmt: skip
    """Yield a record, and each file that it names and the source does not have."""
    kind = one.layout.kind
    stated = told.key if told is not None and told.key else hashlib.sha256(record.data).hexdigest()
    key = f"{record.prefix}/{stated}" if record.prefix else stated
    again = seen[key] = seen.get(key, -1) + 1
    key = f"{key}:{again}" if again else key
    if told is None:
        yield FailedItem(key, kind, "", Reason.CORRUPT, "json")
        return
    outside, codes = placed(told.moment, window, dated=True)
    missing = [media for media in told.media if media.held is None]
    if outside:
        yield ExcludedItem(key, kind, "", Reason.OUTSIDE_WINDOW, "", None, told.moment)
    else:
        facts = {**_facts(one, downloads), **record.about, **told.facts}
        held = [(media.name, media.held.key) for media in told.media if media.held is not None]
        if held:
            facts["attachments"] = canonical.dumps([{"name": name, "native_key": one} for name, one in held])
        warnings = (
            *told.warnings,
            *((WarningCode.DUPLICATE_ENTRY,) if again and one.layout.platform == X else ()),
            *((WarningCode.MISSING_PART,) if missing else ()),
            *codes,
        )
        media_type = PAGE_TYPE if one.layout.page else RECORD_TYPE
        yield FoundItem(
            key, kind, "", None, media_type, len(record.data), told.moment, facts, warnings, record.data
        )
    for number, media in enumerate(told.media):
        if media.held is None:
            yield _missing(f"{key}#{number}", media)


def _told(
    value: dict[str, Any] | None, data: bytes, part: RecordFile, one: RecordList, downloads: Downloads,
    names: social_x.Names,
) -> Told | None:  # fmt: skip
    try:
        return _tell(value, data, part, one, downloads, names) if value is not None else None
    except RecursionError:
        return None


def _missing(key: str, media: Media) -> FailedItem:
    reason = Reason.EXPIRED_LINK if media.link else Reason.NOT_IN_EXPORT
    return FailedItem(key, Kind.FILE, "", reason, media.detail, media.name)


def _facts(one: RecordList, downloads: Downloads) -> dict[str, str]:
    account = downloads.account(one.root)
    facts = {
        "platform": one.layout.platform,
        "record": one.layout.record,
        "deleted_record": "true" if one.layout.deleted else "",
        "account": account.shown,
        "account_id": account.id,
    }
    return {name: value for name, value in facts.items() if value}


def _file(file: PackageFile, downloads: Downloads, window: Window, opened: OpenZips) -> Yielded:
    """Return a file that is no list of records."""
    return plain_item(
        file,
        window,
        opened,
        about=lambda head: _file_facts(file, head, downloads),
        scaffolding="viewer" if _is_scaffolding(file, downloads) else "",
    )


def _is_scaffolding(file: PackageFile, downloads: Downloads) -> bool:
    """Say whether a file is part of a program for looking at a download, or stands for an empty section."""
    if file.name in _EMPTY_SECTIONS:
        return in_activity(file.key)
    if file.name in _STARTS and file.key.rpartition("/")[0] in downloads.roots:
        return True
    return any(file.key.startswith(one) for one in downloads.viewers)


def _is_known(file: PackageFile, downloads: Downloads) -> bool:
    """Say whether a file that is no list of records is one that the service is known to put there."""
    if file.key in downloads.known:
        return downloads.known[file.key] in KEPT_AS_FILES
    folder, _, name = file.inner.rpartition("/")
    if folder.endswith("_media"):
        return True
    data = name.rpartition(".")[2].lower() in {"js", "json", "csv", "html", "htm", "warc", "gz"}
    in_media = any(file.key.startswith(f"{root}/media/".lstrip("/")) for root in downloads.roots)
    return not data and (in_media or in_activity(file.key))


def _file_facts(file: PackageFile, head: bytes, downloads: Downloads) -> dict[str, str]:
    """Say of a file what it is to the download; of a data file, its type, or that it is not known."""
    folder, _, name = file.inner.rpartition("/")
    if folder.endswith("_media") and (stated := name.partition("-")[0]).isdigit():
        return {"attached_to": stated}
    if file.key in downloads.known:
        stated = downloads.known[file.key]
        known = stated in KEPT_AS_FILES or stated == SAME_AS_JSON
        return {"layout": stated if known else f"{stated}: {_NOT_KNOWN}"}
    suffix = name.rpartition(".")[2].lower()
    lower = head[:HEAD].lower() if suffix in _OF_SERVICES else b""
    service = next((one.decode("ascii") for one in _SERVICES if one in lower), "")
    if service:
        return {"layout": f"{service}: {_NOT_KNOWN}"}
    if suffix == "json" and not _JSON.match(head):
        return {"layout": "damaged: no JSON, kept as a file"}
    if suffix in {"js", "json", "csv", "warc"} or name.lower().endswith(".warc.gz"):
        return {"layout": _NOT_KNOWN}
    return {}


def _lost(key: str) -> FailedItem:
    return FailedItem(key, Kind.FILE, "", Reason.NOT_IN_EXPORT, "in_manifest", key.rpartition("/")[2])
