"""Files of one account through Microsoft Graph: its OneDrive, and sites and shared files that are named.

How a drive is listed, and why so:

- ``delta`` without a token, not ``children``: only delta promises every item while others write
  (https://learn.microsoft.com/graph/api/driveitem-delta). It promises no order and may give an item again, so
  the last word on each item counts, and files are put in order here, by creation and id, which do not change.
- A part is a range of creation times. Each part lists the drive in full, since nothing narrows that list
  down, so a drive is cut into few parts, however large they get.
- A file is outside the window when all that is known of it (created, modified, by the service's clock and by
  the computer it came from) happened before, or all of it after.

Bytes come from an address that is allowed by itself for a short time; it is followed without the token, and
never told (https://learn.microsoft.com/graph/api/driveitem-get-content).
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ClassVar
from urllib.parse import quote, urlsplit

from connectors.asking import Denied, Refused
from connectors.graph_attachments import share_of
from connectors.graph_hashes import Sum, agrees
from connectors.graph_limits import FILES, within
from connectors.graph_mail import instant
from connectors.kept_lists import keep, kept
from connectors.mailhead import placed, span_placed
from connectors.microsoft import Service, not_given, user_path
from connectors.places import cut_in_time, why_refused
from records import canonical
from records.errors import AccessError, CursorExpired, ItemError, SettingsError
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reach, Reason, WarningCode

MOST_PARTS = 16
PAGE = 200
"""Items a page; the service may give fewer."""

_FIELDS = (
    "id,name,size,createdDateTime,lastModifiedDateTime,createdBy,lastModifiedBy,eTag,cTag,webUrl,"
    "parentReference,fileSystemInfo,file,folder,package,bundle,root,deleted,remoteItem,malware"
)
_CURSOR = "f1:"
_LAST = ("~", "")
_LISTINGS = 2
_WORD = re.compile(r"[A-Za-z]{1,20}")

_SELECTED = ", or `Sites.Selected` with a grant on the site or the account's OneDrive"

File = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What ``open`` is given.

    Attributes:
        drive: Id of the drive.
        item: Id of the file.
        version: Id of an earlier version; empty for the file as it is now.
        sum: What its bytes should add up to; None where the service does not say.
    """

    drive: str
    item: str
    version: str = ""
    sum: Sum | None = None

    @property
    def about(self) -> str:
        """Path of the file."""
        return f"{drive_path(self.drive)}/items/{quote(self.item, safe='')}"

    @property
    def content(self) -> str:
        """Path of the bytes."""
        version = f"/versions/{quote(self.version, safe='')}" if self.version else ""
        return f"{self.about}{version}/content"


@dataclass(slots=True)
class _Tree:
    """What a list has.

    Attributes:
        files: By id; what is no folder.
        folders: Id of the folder above, and name, by id.
    """

    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, item: File, first: str, before: str) -> None:
        """Take what a list says of an item; what it says last counts."""
        key, above = str(item["id"]), item.get("parentReference") or {}
        if "deleted" in item:  # meanwhile; what was never seen to be there is the recycle bin's
            if key in self.files:
                self.files[key] = {**self.files[key], "deleted": item["deleted"]}
            return
        if "root" in item:
            self.folders[key] = ("", "")
        elif "folder" in item and "package" not in item:
            self.folders[key] = (str(above.get("id", "")), str(item.get("name", "")))
        elif first <= _created(item) and not (before and _created(item) >= before):
            self.files[key] = item

    def values(self) -> Iterator[list[Any]]:
        """Yield all of it, in an order of its own, for ``put_back``."""
        for key, folder in sorted(self.folders.items()):
            yield [key, *folder]
        for file in sorted(self.files.values(), key=_order):
            yield [file]

    def put_back(self, value: list[Any], first: str, before: str) -> None:
        """Take what ``values`` gave: a folder, or a file that was created in a range of time."""
        if len(value) > 1:
            self.folders[value[0]] = (value[1], value[2])
        elif first <= _created(value[0]) and not (before and _created(value[0]) >= before):
            self.files[str(value[0]["id"])] = value[0]

    def path(self, item: File) -> str:
        """Return the path of the folder that an item is in; a list by ``delta`` states none."""
        names: list[str] = []
        key = str((item.get("parentReference") or {}).get("id", ""))
        while key in self.folders and len(names) < 500:
            key, name = self.folders[key]
            names.append(name)
        return "/".join(filter(None, reversed(names)))


class Drives(ABC):
    """What the readers of files have in common."""

    place: ClassVar[str]
    right: ClassVar[str] = "Files.Read.All"
    options: ClassVar[Mapping[str, str]] = {
        "files_query": "words that narrow files down, as the service's own search understands them",
        "versions": "`yes` for earlier versions of files, each as an item of its own",
    }

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._service = within(service, context, FILES).for_right(self.right, _SELECTED)
        self._context = context
        self._query = context.options.get("files_query", "").strip()
        self._versions = context.options.get("versions", "no") == "yes"

    @abstractmethod
    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """

    @abstractmethod
    def scopes(self) -> Iterator[Scope]:
        """List the drives."""

    @abstractmethod
    def unreached(self) -> Iterator[Unreached]:
        """List what belongs here and Graph does not lead to."""

    def count(self, scope: Scope) -> Expected:
        """Return unknown: Graph tells no number of files."""
        del scope
        return Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a drive into ranges of creation times, ``MOST_PARTS`` by number and as many by size at most.

        Raises:
            ItemError: The drive is gone, or broke off.
        """
        tree = self._tree(scope, "", "")
        files = sorted((_created(file), int(file.get("size") or 0)) for file in tree.files.values())
        most_items = max(max_items, -(-len(files) // MOST_PARTS))
        most_bytes = max(max_bytes, -(-sum(size for _, size in files) // MOST_PARTS))
        cuts = list(cut_in_time(files, most_items, most_bytes))
        # a list by ``delta`` cannot be narrowed down: it is asked for once, not once for each part
        name = ""
        if len(cuts) > 1:
            name = keep(self._context.scratch, f"{self._context.source_id} {scope.key}", tree.values())
        for number, (first, before, items, size) in enumerate(cuts):
            yield self._part(scope, number, (first, before, name), items, size)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the files, by creation and id, each before its earlier versions.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The drive is gone, or broke off.
        """
        after = _read(cursor)
        first, before, name = _bounds(part.spec)
        tree = self._kept(name, first, before) or self._tree(part.scope, first, before)
        for file in sorted(tree.files.values(), key=_order):
            if _order(file) < after[:2]:
                continue
            if _order(file) > after[:2]:
                yield self._item(file, part.scope, tree, window)
            if self._versions:
                yield from self._earlier(file, part.scope, window, after)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the bytes of a file, held against the sum that the service states.

        Where they differ, the file may have changed since it was listed: it is asked about again, once.

        Raises:
            ItemError: They cannot be had; ``unreadable`` with ``sum_differs`` where they never agree.
            AccessError: Files are refused altogether by now.
        """
        held: Held = item.handle
        stream = self._bytes(held)
        if held.sum is None or agrees(stream, held.sum):
            return stream
        stream.close()
        now = Sum.stated(self._service.get(held.about, {"$select": "id,size,file"}))
        stream = self._bytes(held)
        if now is None or agrees(stream, now):
            return stream
        stream.close()
        raise ItemError(Reason.UNREADABLE, "sum_differs")

    def _bytes(self, held: Held) -> BinaryIO:
        try:
            return self._service.download(held.content)
        except Denied as error:
            try:
                self._service.get(drive_path(held.drive), {"$select": "id"})
            except AccessError:
                raise error from None
            raise ItemError(Reason.REFUSED_BY_SOURCE, error.code) from None  # of this file alone

    def _tree(self, scope: Scope, first: str, before: str) -> _Tree:
        """Return what is in a drive, files created in a range of time only.

        A list that is too old to go on with (410) is begun again.
        """
        for again in range(_LISTINGS, 0, -1):
            tree = _Tree()
            try:
                for item in self._listed(scope):
                    tree.take(item, first, before)
                return tree
            except Refused as error:
                if error.status == 404:
                    raise ItemError(Reason.UNREADABLE, "scope_gone") from None
                if error.status != 410 or again == 1:
                    raise
        raise AssertionError

    def _kept(self, name: str, first: str, before: str) -> _Tree | None:
        """Return what was in a drive when the part was cut; None where that was not kept."""
        values = kept(self._context.scratch, name)
        if values is None:
            return None
        tree = _Tree()
        for value in values:
            tree.put_back(value, first, before)
        return tree

    def _listed(self, scope: Scope) -> Iterator[File]:
        """Yield what the service lists of a drive, folders too."""
        root = f"{drive_path(scope.key.partition('/')[2])}/root"
        if self._query:
            # https://learn.microsoft.com/graph/api/driveitem-search; a quote is doubled (OData 4.01, 5.1.1.6)
            words = quote(self._query.replace("'", "''"), safe="")
            yield from self._pages(f"{root}/search(q='{words}')")
        else:
            yield from self._pages(f"{root}/delta")

    def _pages(self, path: str) -> Iterator[File]:
        for page in self._service.pages(path, {"$select": _FIELDS, "$top": str(PAGE)}):
            yield from page.values

    def _part(self, scope: Scope, number: int, bounds: tuple[str, str, str], items: int, size: int) -> Part:
        first, before, name = bounds
        spec = ""
        if first or before:
            spec = canonical.dumps(
                {"v": 1, "first": first, "before": before} | ({"list": name} if name else {})
            )
        return Part(scope, number, spec, None if self._versions else items, size)

    def _item(self, file: File, scope: Scope, tree: _Tree, window: Window) -> Yielded:
        key, cursor, name = str(file["id"]), _cursor(file), _name(file)
        if why := _without_bytes(file):
            return FailedItem(key, Kind.FILE, cursor, *why, name)
        moment = instant(file.get("lastModifiedDateTime"))
        outside, warnings = _outside(file, window)
        if outside:
            return ExcludedItem(key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, "", name, moment)
        facts = _facts(file) | {"folder": tree.path(file), "drive": scope.label}
        there, size = file, file.get("size")
        held = Held(self._drive(file, scope), key, "", Sum.stated(file))
        if "remoteItem" in file:
            there = file["remoteItem"]
            of = str((there.get("parentReference") or {}).get("driveId", ""))
            held, size = Held(of, str(there.get("id", "")), "", Sum.stated(there)), there.get("size")
            facts["shortcut_to"] = f"{of}/{held.item}"
            warnings = (WarningCode.AS_OF_NOW, *warnings)
        return FoundItem(
            native_key=key,
            kind=Kind.FILE,
            cursor=cursor,
            name=name,
            media_type=(there.get("file") or {}).get("mimeType") or None,
            size_bytes=size if isinstance(size, int) else None,
            moment=moment,
            metadata={fact: value for fact, value in facts.items() if value},
            warnings=warnings,
            handle=held,
        )

    def _earlier(
        self, file: File, scope: Scope, window: Window, after: tuple[str, str, str, str]
    ) -> Iterator[Yielded]:
        """Yield the earlier versions of a file; none for one that has no bytes or lies outside."""
        if "file" not in file or _without_bytes(file) or _outside(file, window)[0]:
            return
        held = Held(self._drive(file, scope), str(file["id"]))
        try:
            pages = self._service.pages(f"{held.about}/versions")
            versions = [one for page in pages for one in page.values][1:]  # the first is the file as it is
        except (Denied, Refused) as error:
            if (*_order(file), *_LAST) > after:
                key, detail = f"{held.item}@versions", f"versions_{error.code or 'refused'}"
                cursor = _cursor(file, *_LAST)
                yield FailedItem(key, Kind.FILE, cursor, Reason.REFUSED_BY_SOURCE, detail, _name(file))
            return
        for version in sorted(versions, key=_version_order):
            if (*_order(file), *_version_order(version)) > after:
                yield self._version(file, version, held, window)

    def _version(self, file: File, version: File, held: Held, window: Window) -> Yielded:
        number = str(version["id"])
        key, cursor, name = f"{held.item}@{number}", _cursor(file, *_version_order(version)), _name(file)
        moment = instant(version.get("lastModifiedDateTime"))
        outside, warnings = placed(moment, window, dated=True)
        if outside:
            return ExcludedItem(key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, "", name, moment)
        facts = {
            "file_id": held.item,
            "version": number,
            "change": number,
            "modified": str(version.get("lastModifiedDateTime") or ""),
            "modified_by": _person(version.get("lastModifiedBy")),
        }
        return FoundItem(
            native_key=key,
            kind=Kind.FILE,
            cursor=cursor,
            name=name,
            media_type=(file.get("file") or {}).get("mimeType") or None,
            moment=moment,
            metadata={fact: value for fact, value in facts.items() if value},
            warnings=warnings,
            handle=Held(held.drive, held.item, number),
        )

    def _drive(self, file: File, scope: Scope) -> str:
        """Return the id of the drive that a file is in."""
        stated = (file.get("parentReference") or {}).get("driveId")
        return str(stated or scope.key.split("/")[1])

    def _kept_elsewhere(self) -> Iterator[Unreached]:
        """Name what v1.0 of Graph has no path to."""
        for key, label in (
            ("recycle_bin", "Recycle bins: files deleted in the last 93 days"),
            ("preservation_hold", "Preservation hold libraries: files that a hold or a retention rule keeps"),
        ):
            yield Unreached(f"{self.place}/{key}", label, "drive", Reach.NOT_BY_THIS_ROUTE, key)


class OneDrive(Drives):
    """The account's own files."""

    place: ClassVar[str] = "files"
    label: ClassVar[str] = "OneDrive"
    covers: ClassVar[tuple[str, ...]] = (
        "files: every file of the account's OneDrive, or those that the service's search finds; on request "
        "earlier versions; each held against the service's own sum",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "recycle bins and preservation hold libraries: Graph leads to neither; take them from Purview",
        "OneNote notebooks, which have no bytes of their own: failed, `unsupported`; take them from Purview",
        "comments, and who may read a file",
    )

    def check(self) -> None:
        """Prove that the drive can be seen."""
        try:
            self._service.get(f"{user_path(self._context.account)}/drives", {"$select": "id", "$top": "1"})
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the account's drives; there is mostly one."""
        query = {"$select": "id,name,driveType"}
        for page in self._service.pages(f"{user_path(self._context.account)}/drives", query):
            for drive in page.values:
                yield Scope(f"{self.place}/{drive['id']}", str(drive.get("name") or self.label), "drive")

    def unreached(self) -> Iterator[Unreached]:
        """Name the recycle bin and the hold library."""
        return self._kept_elsewhere()


class _Named(Drives):
    """Base of readers of what the request names by addresses.

    Attributes:
        kind: What an address leads to, in coverage.
        what: In words.
        astray: What an address is that leads nowhere.
        remedy: What to do then.
    """

    kind: ClassVar[str]
    what: ClassVar[str]
    astray: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        super().__init__(service, context)
        self._refused: list[Unreached] = []

    def check(self) -> None:
        """Prove that each address leads somewhere."""
        for number, address in enumerate(named(self._context, self.place), 1):
            try:
                self._behind(address)
            except Refused as error:
                raise AccessError(
                    f"source {self._context.source_id}: address {number} of `{self.place}` {self.astray} "
                    f"that the service gives ({error.code or error.detail}); {self.remedy}"
                ) from error

    @abstractmethod
    def _behind(self, address: str) -> File:
        """Return what an address leads to."""

    def _all(self) -> Iterator[File]:
        """Yield what the addresses lead to; what is refused is kept for ``unreached``."""
        self._refused = []
        for number, address in enumerate(named(self._context, self.place), 1):
            try:
                found = self._behind(address)
            except (Denied, Refused) as error:
                self._cannot(str(number), f"Address {number} of the request's {self.what}", error)
                continue
            yield found

    def _cannot(self, key: str, label: str, error: Denied | Refused) -> None:
        why = why_refused(error, self._context)
        self._refused.append(Unreached(f"{self.place}/{key}", label, self.kind, Reach.REFUSED, why))


class Sites(_Named):
    """Libraries of the SharePoint sites that the request names, with those below them."""

    place: ClassVar[str] = "sites"
    label: ClassVar[str] = "SharePoint sites"
    kind: ClassVar[str] = "site"
    what: ClassVar[str] = "sites"
    astray: ClassVar[str] = "is no site"
    remedy: ClassVar[str] = "write it as a browser shows it"
    right: ClassVar[str] = "Sites.Read.All"
    options: ClassVar[Mapping[str, str]] = {
        **Drives.options,
        "sites": "addresses of SharePoint sites, with blanks between; their libraries are read",
    }
    covers: ClassVar[tuple[str, ...]] = (
        "sites: every document library of the SharePoint sites that the request names, and of sites below",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "lists, pages and news of SharePoint sites: take them from Purview",
        "sites that the request does not name",
    )

    def scopes(self) -> Iterator[Scope]:
        """List the libraries."""
        seen: set[str] = set()
        for top in self._all():
            for drive, label in self._below(top, _title(top)):
                if drive["id"] not in seen:
                    seen.add(drive["id"])
                    title = f"{label}/{drive.get('name', '')}"
                    yield Scope(f"{self.place}/{drive['id']}", title, "library")

    def unreached(self) -> Iterator[Unreached]:
        """Name what of the sites is not read."""
        if not named(self._context, self.place):
            yield Unreached(f"{self.place}/none", f"{self.label}: none is named", "site", Reach.NOT_ASKED)
            return
        yield from self._refused
        yield from self._kept_elsewhere()
        yield Unreached(
            f"{self.place}/lists",
            "Lists, pages and news of the sites",
            "site",
            Reach.NOT_BY_THIS_ROUTE,
            "lists",
        )

    def _behind(self, address: str) -> Mapping[str, Any]:
        """Return a site (https://learn.microsoft.com/graph/api/site-getbypath)."""
        parts = urlsplit(address)
        path = quote(parts.path.rstrip("/"), safe="/%")
        where = f"{parts.netloc}:{path}" if path else parts.netloc
        return self._service.get(f"/v1.0/sites/{where}", {"$select": "id,displayName,name"})

    def _below(self, site: Mapping[str, Any], label: str) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Yield the libraries of a site and of those below it, each with the label of its site.

        https://learn.microsoft.com/graph/api/drive-list, https://learn.microsoft.com/graph/api/site-list-subsites
        """
        path = f"/v1.0/sites/{quote(str(site['id']), safe=',')}"
        try:
            for page in self._service.pages(f"{path}/drives", {"$select": "id,name,driveType"}):
                yield from ((drive, label) for drive in page.values)
            below = [one for page in self._service.pages(f"{path}/sites") for one in page.values]
        except (Denied, Refused) as error:
            self._cannot(str(site["id"]), label, error)
            return
        for one in below:
            yield from self._below(one, f"{label}/{_title(one)}")


class Shared(_Named):
    """Files and folders of others that the request names."""

    place: ClassVar[str] = "shared"
    label: ClassVar[str] = "Files shared with the account"
    kind: ClassVar[str] = "shared"
    what: ClassVar[str] = "shared files"
    astray: ClassVar[str] = "leads to nothing"
    remedy: ClassVar[str] = "copy it anew from the file's page"
    options: ClassVar[Mapping[str, str]] = {
        **Drives.options,
        "shared": "addresses of files and folders that are shared with the account, with blanks between",
    }
    covers: ClassVar[tuple[str, ...]] = (
        "shared: files and folders of others that the request names by their addresses",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "shared files that the request does not name: Graph lists them for no application, and for nobody "
        "since November 2026",
    )

    def scopes(self) -> Iterator[Scope]:
        """List what the addresses lead to."""
        seen: set[str] = set()
        for item in self._all():
            drive = str((item.get("parentReference") or {}).get("driveId", ""))
            key = f"{self.place}/{drive}/{item['id']}"
            if key not in seen:
                seen.add(key)
                yield Scope(key, str(item.get("name", "")), "shared")

    def unreached(self) -> Iterator[Unreached]:
        """Name the shared files that the request does not: they are listed for no application.

        https://learn.microsoft.com/graph/api/drive-sharedwithme (deprecated, ends in November 2026).
        """
        yield from self._refused
        yield Unreached(
            f"{self.place}/others",
            "Files shared with the account that the request does not name",
            "shared",
            Reach.NOT_BY_THIS_ROUTE,
            "shared_with_me",
        )

    def _behind(self, address: str) -> File:
        return self._service.get(f"/v1.0/shares/{share_of(address)}/driveItem", {"$select": _FIELDS})

    def _listed(self, scope: Scope) -> Iterator[File]:
        """Yield the item, and all below it.

        Of a folder there is no ``delta``, so each folder's children are listed
        (https://learn.microsoft.com/graph/api/driveitem-list-children).
        """
        _, drive, key = scope.key.split("/", 2)
        top = self._service.get(Held(drive, key).about, {"$select": _FIELDS})
        if self._query and "folder" in top:
            words = quote(self._query.replace("'", "''"), safe="")
            yield from self._pages(f"{Held(drive, key).about}/search(q='{words}')")
            return
        yield top
        waiting = [key] if "folder" in top else []
        seen = {key}
        while waiting:
            for item in self._pages(f"{Held(drive, waiting.pop()).about}/children"):
                yield item
                if "folder" in item and "package" not in item and item["id"] not in seen:
                    seen.add(item["id"])
                    waiting.append(str(item["id"]))


def drive_path(drive: str) -> str:
    """Return the path of a drive."""
    return f"/v1.0/drives/{quote(drive, safe='!')}"


def named(context: SourceContext, option: str) -> list[str]:
    """Return the addresses that the request file gives.

    Raises:
        SettingsError: One is no https address.
    """
    addresses = context.options.get(option, "").replace(",", " ").split()
    for number, address in enumerate(addresses, 1):
        parts = urlsplit(address)
        if parts.scheme != "https" or not parts.hostname:
            raise SettingsError(
                f"source {context.source_id}: options: address {number} of `{option}` is no https address"
            )
    return list(dict.fromkeys(addresses))


def _without_bytes(file: File) -> tuple[Reason, str] | None:
    """Say why there is nothing to fetch, as reason and detail; None where there is."""
    if "deleted" in file:
        return Reason.REFUSED_BY_SOURCE, "deleted"
    if "malware" in file:
        return Reason.REFUSED_BY_SOURCE, "malware"
    if "package" in file:  # https://learn.microsoft.com/graph/api/resources/package
        kind = str((file["package"] or {}).get("type", ""))
        return Reason.UNSUPPORTED, f"package_{kind}" if _WORD.fullmatch(kind) else "package"
    there = file.get("remoteItem")
    if there is not None:
        if "file" in there:
            return None
        return Reason.UNSUPPORTED, "shortcut_to_folder"
    return None if "file" in file else (Reason.UNSUPPORTED, "no_file")


def _outside(file: File, window: Window) -> tuple[bool, tuple[WarningCode, ...]]:
    computer = file.get("fileSystemInfo") or {}
    names = ("createdDateTime", "lastModifiedDateTime")
    return span_placed([instant(about.get(name)) for about in (file, computer) for name in names], window)


def _facts(file: File) -> dict[str, str]:
    computer = file.get("fileSystemInfo") or {}
    return {
        "file_id": str(file["id"]),
        "change": str(file.get("cTag") or file.get("eTag") or ""),
        "created": str(file.get("createdDateTime") or ""),
        "modified": str(file.get("lastModifiedDateTime") or ""),
        "created_by": _person(file.get("createdBy")),
        "modified_by": _person(file.get("lastModifiedBy")),
        "created_there": str(computer.get("createdDateTime") or ""),
        "modified_there": str(computer.get("lastModifiedDateTime") or ""),
        "address": str(file.get("webUrl") or ""),
    }


def _person(stated: object) -> str:
    """Return who an identity set names; SharePoint adds the address to what the reference states."""
    for who in stated.values() if isinstance(stated, Mapping) else ():
        if isinstance(who, Mapping):
            name, address = str(who.get("displayName") or ""), str(who.get("email") or "")
            return f"{name} <{address}>" if name and address else name or address
    return ""


def _title(site: Mapping[str, Any]) -> str:
    return str(site.get("displayName") or site.get("name") or "site")


def _name(file: File) -> str | None:
    return str(file["name"]) if file.get("name") else None


def _created(file: File) -> str:
    return str(file.get("createdDateTime") or "")


def _order(file: File) -> tuple[str, str]:
    return _created(file), str(file["id"])


def _version_order(version: File) -> tuple[str, str]:
    return str(version.get("lastModifiedDateTime") or ""), str(version["id"])


def _cursor(file: File, *version: str) -> str:
    return _CURSOR + "|".join((*_order(file), *(version or ("", ""))))


def _read(cursor: str | None) -> tuple[str, str, str, str]:
    """Return creation time, file, and time and id of the version of the last item that is safe."""
    if cursor is None:
        return "", "", "", ""
    stated = cursor.removeprefix(_CURSOR).split("|")
    if not cursor.startswith(_CURSOR) or len(stated) != 4:
        raise CursorExpired("the cursor of a drive is of another version")
    return stated[0], stated[1], stated[2], stated[3]


def _bounds(spec: str) -> tuple[str, str, str]:
    """Return the first time of a part, that of the next one, and the name of the list that was kept."""
    if not spec:
        return "", "", ""
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a drive was cut by another version; plan the run again")
    return str(stated["first"]), str(stated["before"]), str(stated.get("list", ""))
