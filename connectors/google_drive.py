"""Google Drive of one account: its own files and those shared with it, and the shared drives it belongs to.

A part is a range of ``createdTime``, which does not change; its files are put in order here, since Google
warns of that order on large collections
(https://developers.google.com/workspace/drive/api/reference/rest/v3/files/list). A file is outside the window
when all that Google knows of it (created, modified, shared) happened before, or all of it after.

Documents of Google's own editors have no bytes: the service exports them, up to 10 MB
(https://developers.google.com/workspace/drive/api/guides/manage-downloads); beyond that, the export link of
the file is tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

from connectors.asking import Refused
from connectors.google_auth import Google, not_given
from connectors.mailhead import placed, span_placed
from connectors.places import cut_in_time
from records import canonical
from records.errors import AccessError, CursorExpired, ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import EARLIEST
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

READ = "https://www.googleapis.com/auth/drive.readonly"
FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
EXPORTS = {
    # https://developers.google.com/workspace/drive/api/guides/ref-export-formats
    "application/vnd.google-apps.document":
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.google-apps.spreadsheet":
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.google-apps.presentation":
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.google-apps.drawing": "application/pdf",
    "application/vnd.google-apps.script": "application/vnd.google-apps.script+json",
}  # fmt: skip
"""What each kind of Google's own documents is exported to; others cannot be."""

_GOOGLES = "application/vnd.google-apps."
_PAGE = 1_000
_CURSOR = "d1:"
_USER = "(displayName,emailAddress)"
_FIELDS = (
    "id,name,mimeType,createdTime,modifiedTime,sharedWithMeTime,trashed,size,sha256Checksum,md5Checksum,"
    f"headRevisionId,driveId,parents,exportLinks,shortcutDetails,capabilities(canDownload),owners{_USER},"
    f"lastModifyingUser{_USER}"
)
_CUT_FIELDS = "id,mimeType,createdTime,size,driveId,shortcutDetails"
_REVISION_FIELDS = (
    f"nextPageToken,revisions(id,mimeType,modifiedTime,size,md5Checksum,exportLinks,lastModifyingUser{_USER})"
)

File = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What ``open`` is given.

    Attributes:
        url: Where the bytes are.
        link: Where they are when they are too large for an export; empty for nowhere.
        sum_of: ``sha256`` or ``md5``, or empty where the service states no sum.
        expected: The sum, in hex.
        place: The reader's place.
    """

    url: str
    link: str = ""
    sum_of: str = ""
    expected: str = ""
    place: str = "drive"


class Drive:
    """The account's own files, and those that are shared with it."""

    place: ClassVar[str] = "drive"
    rights: ClassVar[tuple[str, ...]] = (READ,)
    label: ClassVar[str] = "Google Drive"
    covers: ClassVar[tuple[str, ...]] = (
        "drive: files that the account owns, opened, or that were shared with it, those in the trash too",
        "documents of Google's editors as docx, xlsx, pptx or pdf, with the conversion noted; on request "
        "earlier revisions",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "comments, suggestions and the history of documents other than their revisions",
        "documents larger than 10 MB when exported and without an export link: failed, `too_large`",
        "forms, sites, maps and other documents that Drive does not export: failed, `not_convertible`",
        "files whose owner forbids downloading: failed, `refused_by_source`",
        "files that were deleted for good: take them from Vault where a hold keeps them",
    )
    options: ClassVar[Mapping[str, str]] = {
        "drive_query": "a query of Drive's own that narrows files down, such as fullText contains 'bus'",
        "revisions": "`yes` for earlier revisions of files, each as an item of its own",
    }

    def __init__(self, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        assert context.connection is not None
        self._context = context
        self._google = Google(context.source_id, context.connection, context.account, "drive", (READ,))
        self._revisions = context.options.get("revisions", "no") == "yes"

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """
        try:
            self._google.get(self._google.of("about").get(fields="user(permissionId)"))
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the one scope there is."""
        yield Scope(self.place, self.label, "drive")

    def unreached(self) -> Iterator[Unreached]:
        """Name what only Vault gives."""
        yield Unreached(
            f"{self.place}/deleted",
            "Files deleted for good that a hold or a retention rule keeps",
            "drive",
            Reach.NOT_BY_THIS_ROUTE,
            "vault_only",
        )

    def count(self, scope: Scope) -> Expected:
        """Return unknown: Drive tells no number of files."""
        del scope
        return Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a drive into ranges of creation times.

        Raises:
            ItemError: The list broke off, or Google says that it is not complete.
        """
        files = sorted(
            (str(file.get("createdTime", "")), int(file.get("size", 0)))
            for file in self._listed(scope, _CUT_FIELDS, "", "").values()
        )
        for number, (first, before, items, size) in enumerate(cut_in_time(files, max_items, max_bytes)):
            yield self._part(scope, number, (first, before), items, size)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the files, by creation and id, each before its earlier revisions.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The list broke off, or Google says that it is not complete.
        """
        after = _read(cursor)
        first, before = _bounds(part.spec)
        files = self._listed(part.scope, _FIELDS, first, before)
        for file in sorted(files.values(), key=_order):
            if _order(file) < after[:2]:
                continue
            if _order(file) > after[:2]:
                yield self._item(file, window)
            if self._revisions:
                yield from self._earlier(file, window, after)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the bytes of a file, or of what a document was exported to.

        Raises:
            ItemError: They cannot be had.
        """
        held: Held = item.handle
        try:
            return self._google.download(held.url, held.sum_of, held.expected)
        except Refused as error:
            if error.reason is not Reason.TOO_LARGE or not held.link:
                raise
            too_large = error
        try:
            return self._google.download(held.link)
        except Refused:
            raise too_large from None

    def linked(self, file_id: str, key: str, cursor: str, moment: Moment) -> FoundItem | FailedItem:
        """Return a file that a message points to, as it is now.

        Args:
            file_id: Id of the file.
            key: Native key of the item.
            cursor: What follows it.
            moment: When the message was written: the file follows it.
        """
        try:
            file = self._file(file_id)
        except Refused as error:
            return FailedItem(key, Kind.FILE, cursor, error.reason, error.detail)
        except AccessError:
            return FailedItem(key, Kind.FILE, cursor, Reason.REFUSED_BY_SOURCE, "drive_refused")
        found = self._bytes_of(file, key, cursor, (WarningCode.AS_OF_NOW,), {"drive_file": file_id})
        return replace(found, moment=moment) if isinstance(found, FoundItem) else found

    def close(self) -> None:
        """End its connections."""
        self._google.close()

    def _corpus(self, scope: Scope) -> dict[str, Any]:
        """Return what tells ``files.list`` where to look."""
        del scope
        return {"corpora": "user"}

    def _elsewhere(self, file: File) -> bool:
        """Tell whether a file belongs to another place: to a shared drive that is a scope of its own."""
        return file.get("driveId") in self._member_of

    @cached_property
    def _member_of(self) -> frozenset[str]:
        return frozenset(key for key, _ in self._drives())

    def _drives(self) -> Iterator[tuple[str, str]]:
        """Yield id and name of the shared drives that the account belongs to."""
        fields = "nextPageToken,drives(id,name)"
        for page in self._google.pages(self._google.of("drives").list, pageSize=100, fields=fields):
            for drive in page.get("drives") or ():
                yield str(drive["id"]), str(drive.get("name", ""))

    def _listed(self, scope: Scope, fields: str, first: str, before: str) -> dict[str, File]:
        """Return the files created in a range of time, by id; folders are no files."""
        terms = [f"mimeType != '{FOLDER}'"]
        if stated := self._context.options.get("drive_query", ""):
            terms.append(f"({stated})")
        if first:
            terms.append(f"createdTime >= '{first}'")
        if before:
            terms.append(f"createdTime < '{before}'")
        pages = self._google.pages(
            self._google.of("files").list,
            q=" and ".join(terms),
            pageSize=_PAGE,
            includeItemsFromAllDrives=True,
            supportsAllDrives=True,
            fields=f"nextPageToken,incompleteSearch,files({fields})",
            **self._corpus(scope),
        )
        found: dict[str, File] = {}
        try:
            for page in pages:
                if page.get("incompleteSearch"):
                    raise ItemError(Reason.UNREADABLE, "incomplete_search")
                found |= {str(file["id"]): file for file in page.get("files") or ()}
        except Refused as error:
            if error.status == 404:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from None
            if error.status == 400 and stated:
                raise SettingsError(
                    f"source {self._context.source_id}: options: drive_query: Drive does not take this query "
                    f"({error.code or error.detail}); try it as "
                    "https://developers.google.com/workspace/drive/api/guides/search-files has it"
                ) from None
            raise
        return {
            key: file
            for key, file in found.items()
            if not self._elsewhere(file) and _target(file).get("targetMimeType") != FOLDER
        }

    def _part(self, scope: Scope, number: int, bounds: tuple[str, str], items: int, size: int) -> Part:
        spec = canonical.dumps({"v": 1, "first": bounds[0], "before": bounds[1]}) if any(bounds) else ""
        return Part(scope, number, spec, None if self._revisions else items, size)

    def _item(self, file: File, window: Window) -> Yielded:
        key, cursor = str(file["id"]), _cursor(file)
        warnings: tuple[WarningCode, ...] = ()
        facts: dict[str, str] = {}
        name = _name(file)
        if file.get("mimeType") == SHORTCUT:
            facts["shortcut_to"] = str(_target(file).get("targetId", ""))
            warnings = (WarningCode.AS_OF_NOW,)
            try:
                file = self._file(facts["shortcut_to"])
            except Refused as error:
                return FailedItem(key, Kind.FILE, cursor, error.reason, f"shortcut_{error.detail}", name)
        found = self._bytes_of(file, key, cursor, warnings, facts)
        outside, doubts = _outside(file, window)
        if outside and isinstance(found, FoundItem):
            return ExcludedItem(key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, "", name, found.moment)
        return (
            replace(found, warnings=found.warnings + doubts)
            if doubts and isinstance(found, FoundItem)
            else found
        )

    def _bytes_of(
        self,
        file: File,
        key: str,
        cursor: str,
        warnings: tuple[WarningCode, ...],
        facts: Mapping[str, str],
    ) -> FoundItem | FailedItem:
        """Return a file with where its bytes are, or why there are none."""
        files = self._google.of("files")
        stated, name = str(file.get("mimeType", "")), _name(file)
        if (file.get("capabilities") or {}).get("canDownload") is False:
            return FailedItem(key, Kind.FILE, cursor, Reason.REFUSED_BY_SOURCE, "no_download", name)
        media_type, size = stated, None
        if stated.startswith(_GOOGLES):
            if stated not in EXPORTS:
                detail = f"google_{stated.removeprefix(_GOOGLES)}"
                return FailedItem(key, Kind.FILE, cursor, Reason.NOT_CONVERTIBLE, detail, name)
            media_type = EXPORTS[stated]
            link = str((file.get("exportLinks") or {}).get(media_type, ""))
            held = Held(files.export_media(fileId=file["id"], mimeType=media_type).uri, link)
            warnings = (*warnings, WarningCode.CONVERTED)
            facts = {**facts, "converted_from": stated, "change": str(file.get("modifiedTime", ""))}
        else:
            size = int(file["size"]) if "size" in file else None
            held = _blob(files.get_media(fileId=file["id"], supportsAllDrives=True).uri, file)
            changed = file.get("headRevisionId") or file.get("md5Checksum") or file.get("modifiedTime")
            facts = {**facts, "change": str(changed or "")}
        return FoundItem(
            key,
            Kind.FILE,
            cursor,
            name,
            media_type,
            size,
            instant(file.get("modifiedTime")),
            _facts(file) | facts,
            warnings,
            held,
        )

    def _earlier(self, file: File, window: Window, after: tuple[str, str, str, str]) -> Iterator[Yielded]:
        """Yield the earlier revisions of a file; none for one that has no bytes or lies outside."""
        stated = str(file.get("mimeType", ""))
        if (
            (stated.startswith(_GOOGLES) and stated not in EXPORTS)
            or (file.get("capabilities") or {}).get("canDownload") is False
            or _outside(file, window)[0]
        ):
            return
        method = self._google.of("revisions").list
        try:
            revisions = [
                one
                for page in self._google.pages(
                    method, fileId=file["id"], pageSize=_PAGE, fields=_REVISION_FIELDS
                )
                for one in page.get("revisions") or ()
            ]
        except Refused as error:
            last = ("~", "")
            if (*_order(file), *last) > after:
                detail = f"revisions_{error.detail}"
                yield FailedItem(
                    f"{file['id']}@revisions",
                    Kind.FILE,
                    _cursor(file, *last),
                    error.reason,
                    detail,
                    _name(file),
                )
            return
        revisions.sort(key=lambda one: (str(one.get("modifiedTime", "")), str(one["id"])))
        newest = file.get("headRevisionId") or (revisions[-1]["id"] if revisions else "")
        for revision in revisions:
            at = (str(revision.get("modifiedTime", "")), str(revision["id"]))
            if revision["id"] != newest and (*_order(file), *at) > after:
                yield self._revision(file, revision, _cursor(file, *at), window)

    def _revision(self, file: File, revision: File, cursor: str, window: Window) -> Yielded:
        key, name = f"{file['id']}@{revision['id']}", _name(file)
        moment = instant(revision.get("modifiedTime"))
        outside, warnings = placed(moment, window, dated=True)
        if outside:
            return ExcludedItem(key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, "", name, moment)
        stated, size = str(file.get("mimeType", "")), None
        facts = _facts(file) | {"revision": str(revision["id"]), "change": str(revision["id"])}
        if by := _person(revision.get("lastModifyingUser")):
            facts["modified_by"] = by
        if stated in EXPORTS:
            media_type = EXPORTS[stated]
            link = str((revision.get("exportLinks") or {}).get(media_type, ""))
            if not link:
                return FailedItem(key, Kind.FILE, cursor, Reason.NOT_CONVERTIBLE, "no_export_link", name)
            facts["converted_from"] = stated
            warnings = (*warnings, WarningCode.CONVERTED)
            held = Held(link)
        else:
            media_type = str(revision.get("mimeType") or stated)
            size = int(revision["size"]) if "size" in revision else None
            method = self._google.of("revisions").get_media
            held = _blob(method(fileId=file["id"], revisionId=revision["id"]).uri, revision)
        return FoundItem(key, Kind.FILE, cursor, name, media_type, size, moment, facts, warnings, held)

    def _file(self, file_id: str) -> File:
        files = self._google.of("files")
        return self._google.get(files.get(fileId=file_id, supportsAllDrives=True, fields=_FIELDS))


class SharedDrives(Drive):
    """The shared drives that the account is a member of."""

    place: ClassVar[str] = "shared_drives"
    rights: ClassVar[tuple[str, ...]] = (READ,)
    label: ClassVar[str] = "Shared drives"
    covers: ClassVar[tuple[str, ...]] = (
        "shared_drives: every shared drive that the account is a member of, each as a scope",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "shared drives that the account is no member of: name a member, or take them from Vault",
    )
    options: ClassVar[Mapping[str, str]] = {}

    def check(self) -> None:
        """Prove that the shared drives can be listed."""
        try:
            self._google.get(self._google.of("drives").list(pageSize=1, fields="drives(id)"))
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the shared drives."""
        for key, name in self._drives():
            yield Scope(f"{self.place}/{key}", name, "drive")

    def unreached(self) -> Iterator[Unreached]:
        """Name the drives of others."""
        yield Unreached(
            f"{self.place}/of_others",
            "Shared drives that the account is no member of",
            "drive",
            Reach.NOT_BY_THIS_ROUTE,
            "not_a_member",
        )

    def _corpus(self, scope: Scope) -> dict[str, Any]:
        return {"corpora": "drive", "driveId": scope.key.partition("/")[2]}

    def _elsewhere(self, file: File) -> bool:
        del file
        return False


def instant(stated: object) -> Moment:
    """Return a time as Google states it (RFC 3339); one before 1980 is none."""
    if not isinstance(stated, str) or not stated:
        return NO_MOMENT
    try:
        at = datetime.fromisoformat(stated).astimezone(UTC)
    except ValueError:
        return Moment(None, stated, Basis.NONE)
    return Moment(at, stated, Basis.STATED) if at >= EARLIEST else Moment(None, stated, Basis.NONE)


def _outside(file: File, window: Window) -> tuple[bool, tuple[WarningCode, ...]]:
    names = ("createdTime", "modifiedTime", "sharedWithMeTime")
    return span_placed([instant(file.get(name)) for name in names], window)


def _blob(url: str, stated: File) -> Held:
    for name, key in (("sha256", "sha256Checksum"), ("md5", "md5Checksum")):
        if stated.get(key):
            return Held(url, "", name, str(stated[key]))
    return Held(url)


def _facts(file: File) -> dict[str, str]:
    owners = "; ".join(filter(None, map(_person, file.get("owners") or ())))
    facts = {
        "file_id": str(file.get("id", "")),
        "created": str(file.get("createdTime", "")),
        "modified": str(file.get("modifiedTime", "")),
        "shared": str(file.get("sharedWithMeTime", "")),
        "owner": owners,
        "modified_by": _person(file.get("lastModifyingUser")),
        "folder": "; ".join(map(str, file.get("parents") or ())),
        "drive": str(file.get("driveId", "")),
        "flags": "trashed" if file.get("trashed") else "",
    }
    return {name: value for name, value in facts.items() if value}


def _person(stated: object) -> str:
    if not isinstance(stated, dict):
        return ""
    name, address = str(stated.get("displayName", "")), str(stated.get("emailAddress", ""))
    return f"{name} <{address}>" if name and address else name or address


def _name(file: File) -> str | None:
    return str(file["name"]) if file.get("name") else None


def _target(file: File) -> File:
    stated = file.get("shortcutDetails")
    return stated if isinstance(stated, dict) else {}


def _order(file: File) -> tuple[str, str]:
    return str(file.get("createdTime", "")), str(file["id"])


def _cursor(file: File, *revision: str) -> str:
    return _CURSOR + "|".join((*_order(file), *(revision or ("", ""))))


def _read(cursor: str | None) -> tuple[str, str, str, str]:
    """Return creation time, file, and time and id of the revision of the last item that is safe."""
    if cursor is None:
        return "", "", "", ""
    stated = cursor.removeprefix(_CURSOR).split("|")
    if not cursor.startswith(_CURSOR) or len(stated) != 4:
        raise CursorExpired
    return stated[0], stated[1], stated[2], stated[3]


def _bounds(spec: str) -> tuple[str, str]:
    if not spec:
        return "", ""
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a drive was cut by another version; plan the run again")
    return str(stated["first"]), str(stated["before"])
