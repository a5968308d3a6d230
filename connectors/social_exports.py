"""All downloads of social media in one source: which lists of records lie there, and which other files.

A folder may hold several downloads, of several accounts, each as one zip, as several, or unpacked; two copies
of one download are two. What a record names (a photo) is looked for beside it first, then in all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.export_files import Archive, OpenZips, PackageFile, list_package
from connectors.folders import storable
from connectors.json_values import inner, one_line
from connectors.social_layouts import (
    HEAD,
    PAGE_HEAD,
    SEALED,
    DataFile,
    Layout,
    data_file,
    in_activity,
    is_message_page,
    meta_layout,
    page_layout,
    top_of,
    x_layout,
)
from records.errors import ItemError
from records.models import Moment
from records.repair import Repair
from records.vocabulary import Kind, Reason, WarningCode

SMALL = 8 << 20
"""A file that says something of the account is not larger."""

MOST_MEMBERS = 100
"""Members of a larger conversation are counted and not listed with each message."""

SAME_AS_JSON = "a thread that is read from its JSON"
"""What a web page is whose messages are read elsewhere."""

_NUMBER = re.compile(r"_(\d{1,6})$")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose download it is, as far as it says.

    Attributes:
        id: Number, of X; else empty.
        handle: Without its ``@``; may be empty.
        name: Display name; may be empty.
    """

    id: str = ""
    handle: str = ""
    name: str = ""

    @property
    def shown(self) -> str:
        """As facts show a person: ``Name <@handle>``."""
        if self.name and self.handle:
            return f"{self.name} <@{self.handle}>"
        return self.name or (f"@{self.handle}" if self.handle else self.id)


@dataclass(frozen=True, slots=True)
class Media:
    """Something a record shows.

    Attributes:
        name: For people.
        held: Where it lies in the source, or None.
        detail: Why it does not.
        link: It is an address on the web that the download only repeats.
    """

    name: str
    held: PackageFile | None
    detail: str = "media"
    link: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a record beside its bytes.

    Attributes:
        key: What it is called by in its list; empty for what has no id.
        moment: When it was made.
        facts: For the reader of the record.
        media: What it shows, in order.
        warnings: Edits and deletions.
    """

    key: str
    moment: Moment
    facts: Mapping[str, str]
    media: tuple[Media, ...]
    warnings: tuple[WarningCode, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One object of a list.

    Attributes:
        data: Its exact bytes.
        about: Facts of the conversation it lies in.
        prefix: What its key begins with.
    """

    data: bytes
    about: Mapping[str, str]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file that is, or holds, a list of records.

    Attributes:
        file: The file.
        layout: How it is laid out.
        number: Of the part; parts are read in its order.
        stated: How many objects the download says the list has, or None.
    """

    file: PackageFile
    layout: Layout
    number: int = 0
    stated: int | None = None


@dataclass(frozen=True, slots=True)
class RecordList:
    """The parts of one list, or of one thread: a scope.

    Attributes:
        key: Its path without the number of its part.
        root: Folder that the download lies in.
        layout: How its parts are laid out.
        parts: In order.
        headers: Files that name its records by id, without what they say.
    """

    key: str
    root: str
    layout: Layout
    parts: tuple[RecordFile, ...]
    headers: tuple[PackageFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Downloads:
    """All that was handed over.

    Attributes:
        lists: By key.
        files: What is no list, by key, in order.
        known: What data files of X that are no lists are, as X names it, by key.
        broken: Zips that do not open, and why.
        refused: Folders of downloads that cannot be read as records, and why.
        lost: Files that a download says it has, and which are not there.
        accounts: By the folder of the download.
        viewers: Folders that hold nothing but the program for looking at a download.
        described: Keys of manifests and of files that say whose account it is.
        archives: The zips.
    """

    lists: Mapping[str, RecordList]
    files: Mapping[str, PackageFile]
    known: Mapping[str, str]
    broken: Mapping[str, ItemError]
    refused: Mapping[str, ItemError]
    lost: tuple[str, ...]
    accounts: Mapping[str, Account]
    viewers: frozenset[str]
    described: frozenset[str]
    archives: tuple[Archive, ...]
    _beside: Mapping[tuple[str, str], PackageFile]
    _by_path: Mapping[str, PackageFile]
    _by_name: Mapping[str, PackageFile]

    def list(self, key: str) -> RecordList:
        """Return a list by its key; raises ItemError (``unreadable``, ``scope_gone``)."""
        if (found := self.lists.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    @property
    def roots(self) -> set[str]:
        """Folders that downloads with lists lie in."""
        return {one.root for one in self.lists.values()}

    def account(self, root: str) -> Account:
        """Return whose download lies in a folder."""
        return self.accounts.get(root, _NOBODY)

    def raise_if_not_read(self, key: str) -> None:
        """Raise ItemError for the scope of a zip that does not open or of a download that is refused."""
        error = self.broken.get(key) or self.refused.get(key)
        if error is not None:
            raise ItemError(error.reason, error.detail)

    def named(self, by: PackageFile, path: str) -> PackageFile | None:
        """Return the file that a record names by a path, or None: it is not there.

        Paths start at the top of the download; in some at a folder above the record's own.

        Args:
            by: The file that the record is in.
            path: As stated.
        """
        wanted = storable(path.removeprefix("./"))
        folder = by.inner
        while folder:
            folder = folder.rpartition("/")[0]
            found = self._beside.get((_place(by), f"{folder}/{wanted}" if folder else wanted))
            if found is not None:
                return found
        return self._by_path.get(top_of(wanted)[1])

    def media_names(self) -> Iterable[str]:
        """Return the names of all files in X's folders of media."""
        return self._by_name.keys()

    def media(self, name: str) -> PackageFile | None:
        """Return a file of a folder of media of X by its name; names begin with a post's id."""
        return self._by_name.get(storable(name))


_NOBODY = Account()


@dataclass(slots=True)
class _Found:
    """What is gathered while files are looked at."""

    records: dict[str, list[RecordFile]] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    headers: dict[tuple[str, Layout], list[PackageFile]] = field(default_factory=dict)
    manifests: list[PackageFile] = field(default_factory=list)
    owners: list[PackageFile] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    x_roots: set[str] = field(default_factory=set)
    pages: dict[str, list[RecordFile]] = field(default_factory=dict)


def read_downloads(path: str) -> Downloads:
    """List everything, and find the lists of records by how files begin."""
    package = list_package(path, lambda _: False)  # a zip deeper down is a file that somebody sent
    files: list[PackageFile] = list(package.loose.values())
    broken: dict[str, ItemError] = {}
    for key in sorted(package.archives):
        try:
            files += package.archives[key].as_source(alone=len(package.archives) == 1 and not package.loose)
        except ItemError as error:
            broken[key] = error
    files.sort(key=lambda file: file.key)
    found = _Found()
    with OpenZips() as opened:
        for file in files:
            _look(file, found, opened)
    _add_pages(found)
    by_key = {file.key: file for file in files}
    stated, lost, accounts = _manifests(found, by_key)
    accounts |= _owners(found)
    lists = {key: _list(key, parts, found, stated) for key, parts in sorted(found.records.items())}
    in_lists = {one.file.key for parts in found.records.values() for one in parts}
    rest = {file.key: file for file in files if file.key not in in_lists}
    return Downloads(
        lists, rest, found.known, broken, _refused(files, lists, found), lost, accounts,
        frozenset(f"{root}/assets/".lstrip("/") for root in found.x_roots),
        frozenset(file.key for file in (*found.manifests, *found.owners)), tuple(package.archives.values()),
        {(_place(file), file.inner): file for file in files},
        {top_of(file.inner)[1]: file for file in reversed(files)},
        {file.name: file for file in reversed(files) if file.inner.rpartition("/")[0].endswith("_media")},
    )  # fmt: skip


def _place(file: PackageFile) -> str:
    """Return what a path within a download is relative to: its zip, or the source."""
    return file.path if file.member is not None else ""


def _look(file: PackageFile, found: _Found, opened: OpenZips) -> None:
    """Find out what a file is, where it may be a list of records or say something of the account."""
    suffix = file.name.rpartition(".")[2].lower()
    if is_message_page(file.key):
        _look_at_page(file, found, opened)
        return
    if suffix not in {"js", "json"} or file.name.startswith("._"):
        return
    try:
        head = file.head(HEAD, opened.of(file))
    except ItemError:
        return
    if suffix == "js":
        _look_at_x(file, data_file(head), found)
        return
    layout = meta_layout(file.key, head)
    root = top_of(file.key)[0]
    if file.name in {"personal_information.json", "profile_information.json"}:
        found.owners.append(file)
    if layout is None:
        return
    stem = file.key.removesuffix(".json")
    key = stem if layout.record == SEALED else _NUMBER.sub("", stem)
    if layout.kind is Kind.CHAT and layout.record != SEALED and key.endswith("/message"):
        key = key.removesuffix("/message")
    there = found.records.get(key, [])
    if any((one.layout.record, one.layout.platform) != (layout.record, layout.platform) for one in there):
        key = stem
    number = _NUMBER.search(stem)
    found.records.setdefault(key, []).append(RecordFile(file, layout, int(number[1]) if number else 0))
    found.roots[key] = root


def _look_at_page(file: PackageFile, found: _Found, opened: OpenZips) -> None:
    try:
        layout = page_layout(file.key, file.head(PAGE_HEAD, opened.of(file)))
    except ItemError:
        return
    if layout is None:
        return
    stem = file.key.rpartition(".")[0]
    number = _NUMBER.search(stem)
    key = stem.rpartition("/")[0]
    found.pages.setdefault(key, []).append(RecordFile(file, layout, int(number[1]) if number else 0))


def _add_pages(found: _Found) -> None:
    """Take threads that are web pages as lists, but for those that are there as JSON: none counts twice."""
    known = {
        key.rpartition("/")[2] for key, parts in found.records.items() if parts[0].layout.kind is Kind.CHAT
    }
    for key, pages in found.pages.items():
        if key.rpartition("/")[2] in known:
            found.known |= {page.file.key: SAME_AS_JSON for page in pages}
        else:
            found.records[key] = pages
            found.roots[key] = top_of(pages[0].file.key)[0]


def _look_at_x(file: PackageFile, of: DataFile | None, found: _Found) -> None:
    if of is None:
        return
    folder = file.key.rpartition("/")[0]
    root = folder.rpartition("/")[0]
    if folder.rpartition("/")[2] == "data":
        found.x_roots.add(root)
    if not of.type:
        found.manifests.append(file)
        return
    layout = x_layout(of)
    if layout is None:
        found.known[file.key] = of.type
        return
    if layout.headers:
        found.known[file.key] = of.type
        found.headers.setdefault((root, replace(layout, headers=False)), []).append(file)
        return
    key = f"{folder}/{of.type}".lstrip("/")
    found.records.setdefault(key, []).append(RecordFile(file, layout, of.part))
    found.roots[key] = root


def _list(key: str, parts: list[RecordFile], found: _Found, stated: Mapping[str, int]) -> RecordList:
    layout, root = parts[0].layout, found.roots[key]
    ordered = sorted(parts, key=lambda one: (one.number, one.file.key))
    return RecordList(
        key, root, layout,
        tuple(replace(one, stated=stated.get(one.file.key)) for one in ordered),
        tuple(found.headers.get((root, layout), ())),
    )  # fmt: skip


def _manifests(
    found: _Found, by_key: Mapping[str, PackageFile]
) -> tuple[dict[str, int], tuple[str, ...], dict[str, Account]]:
    """Return what the manifests of X state: numbers of objects by key, files that are not there, accounts."""
    stated: dict[str, int] = {}
    lost: list[str] = []
    accounts: dict[str, Account] = {}
    everywhere = {file.inner for file in by_key.values()}
    for file in found.manifests:
        about = assigned(file)
        root = file.key.rpartition("/")[0].rpartition("/")[0]
        user = inner(about, "userInfo")
        accounts[root] = Account(
            one_line(user.get("accountId")), one_line(user.get("userName")), one_line(user.get("displayName"))
        )
        for one in inner(about, "dataTypes").values():
            files = one.get("files") if isinstance(one, dict) else None
            for listed in files if isinstance(files, list) else ():
                name = listed.get("fileName") if isinstance(listed, dict) else None
                if not isinstance(name, str):
                    continue
                key = f"{root}/{storable(name)}".lstrip("/")
                count = str(listed.get("count", ""))
                if key in by_key and re.fullmatch(r"[0-9]{1,12}", count):
                    stated[key] = int(count)
                elif key not in by_key and storable(name) not in everywhere:
                    lost.append(key)
    return stated, tuple(sorted(set(lost))), accounts


def assigned(file: PackageFile) -> dict[str, Any]:
    """Return the object that a small file of X assigns; empty where it cannot be read."""
    try:
        if file.size() > SMALL:
            return {}
        with file.stream() as stream:
            value = json.loads(stream.read().partition(b"=")[2])
    except (ItemError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _owners(found: _Found) -> dict[str, Account]:
    """Return the accounts of Meta downloads by their folder: the nearest one with lists above the file."""
    by_root: dict[str, list[PackageFile]] = {}
    for file in found.owners:
        above = [root for root in found.roots.values() if not root or file.key.startswith(f"{root}/")]
        if above:
            by_root.setdefault(max(above, key=len), []).append(file)
    return {root: _owner(files) for root, files in by_root.items()}


def _owner(files: list[PackageFile]) -> Account:
    """Return the name and the handle that a Meta download states of its account."""
    name = handle = ""
    for file in files:
        about = small_json(file)
        profile = inner(about, "profile_v2") or inner(about, "profile")
        stated = profile.get("name")
        name = name or one_line(stated.get("full_name") if isinstance(stated, dict) else stated)
        handle = handle or one_line(profile.get("username"))
        users = about.get("profile_user")
        for user in users if isinstance(users, list) else ():
            told = inner(user, "string_map_data") if isinstance(user, dict) else {}
            name = name or one_line(inner(told, "Name").get("value"))
            handle = handle or one_line(inner(told, "Username").get("value"))
    return Account("", handle, name)


def small_json(file: PackageFile) -> dict[str, Any]:
    """Return the object of a small JSON file of Meta, repaired; empty where it cannot be read."""
    try:
        if file.size() > SMALL:
            return {}
        with file.stream() as stream:
            value = Repair().value(json.loads(stream.read()))
    except (ItemError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refused(
    files: list[PackageFile], lists: Mapping[str, RecordList], found: _Found
) -> dict[str, ItemError]:
    """Return the folders of Meta downloads with posts as web pages: no names tell what is what in them."""
    read = {one.root for one in lists.values() if not one.layout.page}
    threads = {one.file.key for pages in found.pages.values() for one in pages}
    pages = {
        f"{top_of(file.key)[0]}/".lstrip("/") or "./": top_of(file.key)[0]
        for file in files
        if file.name.lower().endswith((".html", ".htm")) and in_activity(file.key) and file.key not in threads
    }
    return {
        key: ItemError(Reason.UNSUPPORTED, "html_download") for key, root in pages.items() if root not in read
    }
