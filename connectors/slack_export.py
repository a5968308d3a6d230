"""A Slack export, as a zip or unpacked: standard, with full compliance, or of an Enterprise organisation.

Each message is an item, by the exact bytes of its object in the day file. Day files follow the workspace's
zone, so a message's day is that of its ``ts``, not that of its file. What a message names by id only (people,
conversations) goes along as facts, so that it can be read by itself
(https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from connectors.base import FileConnector, check_access, not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.export_files import Archive, OpenZips, PackageFile, list_package, plain_item, span_of, within
from connectors.export_paths import containers, fates
from connectors.folders import storable
from connectors.json_lists import listed_objects
from connectors.json_values import one_line, parsed
from connectors.mailhead import placed
from records import canonical
from records.errors import ItemError
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
    SourceContext,
    Window,
    Yielded,
)
from records.moments import epoch_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-slack-message+json"
FILES = "."
MOST_MEMBERS = 100
"""Members of a larger conversation are counted and not listed with each message."""

_LISTS = {
    "channels.json": "public channel",
    "groups.json": "private channel",
    "mpims.json": "group message",
    "dms.json": "direct message",
}
_PEOPLE = frozenset({"users.json", "org_users.json"})
_DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")
_TS = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?")
_ID = re.compile(r"[@#]([UWCGDB][A-Z0-9]{2,30})\b|\"([UWB][A-Z0-9]{2,30})\"")
_COUNT_BYTES = 256 << 20
_LIST_BYTES = 256 << 20
_UNKNOWN = Expected(None, "unknown")
_NOT_HELD = {"tombstone": "file_deleted", "hidden_by_limit": "hidden_by_limit"}


class SlackExport(FileConnector):
    """One export of a workspace or an organisation."""

    name: ClassVar[str] = "slack_export"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "an export as a zip or unpacked; several zips in one folder",
        "channels, private channels, group and direct messages, as far as the export holds them",
        "joins, leaves, renames, bot messages, threads; edits and deletions where the plan keeps them",
        "Enterprise: each workspace below teams/",
        "files that lie in the export, and each file that is only a link: counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "files that are links: nothing is fetched; their addresses carry a token of the export that ends",
        "private conversations in a standard export: Slack leaves them out, and says nothing of it",
        "who was a member earlier: the lists are of the day of the export; joins and leaves are messages",
        "tgz exports: unpack them first",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated exports, written to Slack's published layout",)

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._read: _Export | None = None

    def check(self) -> None:
        """Prove access, and that it is an export of Slack.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or what lies there is no export.
        """
        check_access(self._context.source_id, self._path)
        if not self._export().workspaces:
            what = "Slack export (channels.json, dms.json or users.json)"
            raise not_one(self._context.source_id, what, self._path, self.name)

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each conversation by its folder, then the export's own files."""
        export = self._export()
        for key in sorted(export.broken):
            yield Scope(key, key, "archive")
        for key in sorted(export.conversations):
            yield Scope(key, export.conversations[key].label, "conversation")
        if export.files:
            yield Scope(FILES, FILES, "export")

    def count(self, scope: Scope) -> Expected:
        """Count messages by parsing each day file whole, and files by the list of names.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        export.raise_if_broken(scope.key)
        if scope.key == FILES:
            return Expected(len(export.files), "file list")
        conversation = export.conversation(scope.key)
        total = 0
        with OpenZips() as opened:
            for day in conversation.days:
                found = _count_day(day, export, opened)
                if found is None:
                    return _UNKNOWN
                total += found
        return Expected(total, "json parse")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a conversation between two day files.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        del max_items  # how many messages a day has is not known before it is read
        export = self._export()
        export.raise_if_broken(scope.key)
        if scope.key == FILES:
            yield Part(scope)
            return
        days = export.conversation(scope.key).days
        cuts, size = [0], 0
        for number, day in enumerate(days):
            grows = day.size_or_zero()
            if number > cuts[-1] and size + grows > max_bytes:
                cuts.append(number)
                size = 0
            size += grows
        for number, first in enumerate(cuts):
            before = cuts[number + 1] if number + 1 < len(cuts) else len(days)
            size = sum(day.size_or_zero() for day in days[first:before])
            yield Part(scope, number, span_of([day.key for day in days], first, before), None, size)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages of a conversation in the order of its day files, or the export's own files.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        export = self._export()
        export.raise_if_broken(part.scope.key)
        done = read_number(cursor)
        with OpenZips() as opened:
            if part.scope.key == FILES:
                made = (plain_item(file, window, opened) for file in export.files)
            else:
                conversation = export.conversation(part.scope.key)
                days = [day for day in conversation.days if within(part.spec, day.key)]
                made = (value for day in days for value in _day(day, conversation, export, window, opened))
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: messages, Slack's lists, and files of messages are read."""
        export = self._export()
        days = [day for conversation in export.conversations.values() for day in conversation.days]
        read = {file.key for file in (*days, *export.held.values())}
        yield from containers(export.archives, self._path, export.broken)
        yield from fates(
            (*days, *export.files),
            self._path,
            lambda file: file.key in read or _is_list(file, export.workspaces),
        )

    def _export(self) -> _Export:
        still_there(self._path)
        if self._read is None:
            self._read = _read_export(self._path)
        return self._read


@dataclass(frozen=True, slots=True)
class _Conversation:
    """A folder of day files, or a conversation that is listed and has none.

    Attributes:
        key: Its folder in the export.
        id: Slack's id; the folder's name where no list has it.
        name: As people see it.
        kind: In words.
        members: As facts show them.
        days: Its day files, in order.
    """

    key: str
    id: str
    name: str
    kind: str
    members: tuple[str, ...]
    days: tuple[PackageFile, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name} ({self.kind})" if self.kind else self.name

    def facts(self) -> dict[str, str]:
        """Return what every message of it is told of."""
        about = {"group": self.id, "group_name": self.name, "group_kind": self.kind}
        if len(self.members) <= MOST_MEMBERS:
            about["members"] = "; ".join(self.members)
        else:
            about["members_count"] = str(len(self.members))
        return {key: value for key, value in about.items() if value}


@dataclass(frozen=True, slots=True)
class _Workspace:
    """A folder with lists of people and conversations.

    Attributes:
        people: Shown form by id.
        names: Name by id, of people and conversations.
        listed: Every conversation of its lists.
    """

    people: Mapping[str, str]
    names: Mapping[str, str]
    listed: tuple[_Conversation, ...]


@dataclass(frozen=True, slots=True)
class _Export:
    """All that was handed over.

    Attributes:
        workspaces: By folder.
        conversations: By folder.
        files: What is no day file.
        broken: Zips that do not open, and why.
        held: Files of messages that lie in the export, by their id.
        names: Name by id, of people and conversations of all workspaces.
        people: Shown form by id, of people of all workspaces.
        archives: The zips.
    """

    workspaces: Mapping[str, _Workspace]
    conversations: Mapping[str, _Conversation]
    files: tuple[PackageFile, ...]
    broken: Mapping[str, ItemError]
    held: Mapping[str, PackageFile]
    names: Mapping[str, str]
    people: Mapping[str, str]
    archives: tuple[Archive, ...]

    def conversation(self, key: str) -> _Conversation:
        found = self.conversations.get(key)
        if found is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found

    def raise_if_broken(self, key: str) -> None:
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)


def is_export(names: set[str]) -> bool:
    """Say whether the names in a folder or a zip are those of an export; for guessing only."""
    folders = {name.rpartition("/")[0] for name in names if _DAY.fullmatch(name.rpartition("/")[2])}
    lists = {name.rpartition("/")[2] for name in names}
    return "users.json" in lists and bool(lists & set(_LISTS)) and bool(folders - {""})


def _read_export(path: str) -> _Export:
    """List everything, and read the lists of people and conversations."""
    package = list_package(path, lambda name: name.lower().endswith(".zip"))
    files: list[PackageFile] = list(package.loose.values())
    broken: dict[str, ItemError] = {}
    for key in sorted(package.archives):
        try:
            files += package.archives[key].as_source(alone=len(package.archives) == 1)
        except ItemError as error:
            broken[key] = error
    folders: dict[str, dict[str, PackageFile]] = {}
    for file in files:
        folder, _, name = file.key.rpartition("/")
        folders.setdefault(folder, {})[name] = file
    workspaces = {
        folder: _workspace(folder, held)
        for folder, held in sorted(folders.items())
        if held.keys() & (_LISTS.keys() | _PEOPLE)
    }
    conversations: dict[str, _Conversation] = {}
    for folder, held in folders.items():
        days = tuple(held[name] for name in sorted(held) if _DAY.fullmatch(name))
        if days and folder:
            conversations[folder] = replace(_known(folder, workspaces), days=days)
    for workspace in workspaces.values():
        for listed in workspace.listed:
            conversations.setdefault(listed.key, listed)
    days_of = {day.key for one in conversations.values() for day in one.days}
    rest = tuple(file for file in sorted(files, key=lambda file: file.key) if file.key not in days_of)
    names: dict[str, str] = {}
    people: dict[str, str] = {}
    for workspace in workspaces.values():
        names |= workspace.names
        people |= workspace.people
    return _Export(
        workspaces, conversations, rest, broken, _held(rest), names, people, tuple(package.archives.values())
    )


def _is_list(file: PackageFile, workspaces: Mapping[str, _Workspace]) -> bool:
    """Say whether a file is one of those that Slack puts into each export beside the conversations."""
    folder, _, name = file.key.rpartition("/")
    return folder in workspaces and name in {*_LISTS, *_PEOPLE, "integration_logs.json"}


def _workspace(folder: str, held: Mapping[str, PackageFile]) -> _Workspace:
    people: dict[str, str] = {}
    names: dict[str, str] = {}
    for name in sorted(_PEOPLE):
        for person in _listed(held.get(name)):
            key, shown, address = one_line(person.get("id")), _person_name(person), _address(person)
            if key:
                people[key] = f"{shown} <{address}>" if shown and address else shown or address or key
                names[key] = shown or address or key
    listed = []
    for list_name, kind in _LISTS.items():
        for one in _listed(held.get(list_name)):
            key, name = one_line(one.get("id")), one_line(one.get("name"))
            members = one.get("members")
            ids = (
                [member for member in members if isinstance(member, str)] if isinstance(members, list) else []
            )
            shown = name or ", ".join(names.get(member, member) for member in ids) or key
            if not key and not name:
                continue
            names.setdefault(key, shown)
            # A channel's folder has its name, a direct message's its id.
            where = "/".join(filter(None, (folder, storable(name or key))))
            listed.append(
                _Conversation(
                    where, key or name, shown, kind, tuple(people.get(one, storable(one)) for one in ids)
                )
            )
    return _Workspace(people, names, tuple(listed))


def _known(folder: str, workspaces: Mapping[str, _Workspace]) -> _Conversation:
    """Return what the lists say of a folder: those of its own workspace first, then those above it."""
    above = folder
    while above:
        above = above.rpartition("/")[0]
        for one in workspaces[above].listed if above in workspaces else ():
            if one.key == folder or one.id == folder.rpartition("/")[2]:
                return one
    name = folder.rpartition("/")[2]
    return _Conversation(folder, name, name, "", ())


def _person_name(person: Mapping[str, Any]) -> str:
    profile = person.get("profile")
    about = profile if isinstance(profile, dict) else {}
    stated = (about.get("real_name"), person.get("real_name"), about.get("display_name"), person.get("name"))
    return next((text for text in map(one_line, stated) if text), "")


def _address(person: Mapping[str, Any]) -> str:
    profile = person.get("profile")
    return one_line(profile.get("email")) if isinstance(profile, dict) else ""


def _listed(file: PackageFile | None) -> list[dict[str, Any]]:
    """Return the objects of a list of the export; none when it cannot be read (it is an item anyhow)."""
    try:
        if file is None or file.size() > _LIST_BYTES:
            return []
        with file.stream() as stream:
            value = json.loads(stream.read())
    except (ItemError, ValueError, RecursionError):
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _held(files: tuple[PackageFile, ...]) -> dict[str, PackageFile]:
    """Return files that a program put into the export, by id: as a folder, or before the name.

    ``__uploads/F0123/name`` (slack-advanced-exporter), ``attachments/F0123-name`` (slackdump).
    """
    held: dict[str, PackageFile] = {}
    for file in files:
        folder, _, name = file.key.rpartition("/")
        stated = folder.rpartition("/")[2] if "__uploads/" in f"{folder}/" else name.partition("-")[0]
        if re.fullmatch(r"F[A-Z0-9]{5,30}", stated):
            held.setdefault(stated, file)
    return held


def _day(
    day: PackageFile, conversation: _Conversation, export: _Export, window: Window, opened: OpenZips
) -> Iterator[Yielded]:
    """Yield the messages of a day file, each with the files it carries that are not in the export."""
    seen: dict[str, int] = {}
    try:
        for cut in listed_objects(day.stream(opened.of(day))):
            yield from _message(cut.data, conversation, export, window, seen)
    except ItemError as error:
        yield FailedItem(f"{day.key}#rest", Kind.CHAT, "", error.reason, error.detail)


def _message(
    data: bytes, conversation: _Conversation, export: _Export, window: Window, seen: dict[str, int]
) -> Iterator[Yielded]:
    message = parsed(data)
    stated = one_line(message.get("ts")) if message is not None else ""
    key = f"{conversation.id}/{stated}" if _TS.fullmatch(stated) else hashlib.sha256(data).hexdigest()
    again = seen[key] = seen.get(key, -1) + 1
    key = f"{key}:{again}" if again else key
    if message is None:
        yield FailedItem(key, Kind.CHAT, "", Reason.CORRUPT, "json")
        return
    moment = ts_moment(stated)
    outside, codes = placed(moment, window, dated=True)
    carried = list(_carried(message, export))
    if outside:
        yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
    else:
        there = [{"name": name, "native_key": held.key} for name, _, held in carried if held is not None]
        metadata = conversation.facts() | _named(data, export)
        if there:
            metadata["attachments"] = canonical.dumps(there)
        warnings = (*_states(message), *((WarningCode.DUPLICATE_ENTRY,) if again else ()))
        if len(there) < len(carried):
            warnings = (*warnings, WarningCode.MISSING_PART)
        yield FoundItem(
            key, Kind.CHAT, "", None, MESSAGE_TYPE, len(data), moment, metadata, (*warnings, *codes), data
        )
    for number, (name, detail, held) in enumerate(carried):
        if held is None:
            reason = Reason.EXPIRED_LINK if detail == "slack_file" else Reason.NOT_IN_EXPORT
            yield FailedItem(f"{key}#{number}", Kind.FILE, "", reason, detail, name)


def ts_moment(stated: str) -> Moment:
    """Read a ``ts``: seconds since 1970 as text; its six decimals make it unique in its conversation."""
    found = _TS.fullmatch(stated)
    if found is None:
        return Moment(None, stated, Basis.NONE) if stated else NO_MOMENT
    return epoch_moment(int(found[1]) * 1_000_000 + int((found[2] or "0").ljust(6, "0")), stated)


def _carried(message: Mapping[str, Any], export: _Export) -> Iterator[tuple[str, str, PackageFile | None]]:
    """Yield each file of a message: its name, why it is not here, and the file where it is in the export.

    A file of another service (``external``) is a link in the text of the message, and no file of Slack.
    """
    stated = message.get("files")
    files = stated if isinstance(stated, list) else [message["file"]] if "file" in message else []
    for file in files:
        if not isinstance(file, dict) or file.get("mode") == "external" or file.get("is_external") is True:
            continue
        key = one_line(file.get("id"))
        name = one_line(file.get("name")) or one_line(file.get("title")) or key
        yield name, _NOT_HELD.get(one_line(file.get("mode")), "slack_file"), export.held.get(key)


def _named(data: bytes, export: _Export) -> dict[str, str]:
    """Return the names of the ids in a message, as far as the lists have them."""
    ids = {a or b for a, b in _ID.findall(data.decode("utf-8", "replace"))}
    names = {key: export.names[key] for key in sorted(ids) if key in export.names}
    people = {key: export.people[key] for key in sorted(ids) if key in export.people}
    stated = {
        "names": canonical.dumps(names) if names else "",
        "people": canonical.dumps(people) if people else "",
    }
    return {key: value for key, value in stated.items() if value}


def _states(message: Mapping[str, Any]) -> tuple[WarningCode, ...]:
    """Say what a plan that keeps edits and deletions shows of a message."""
    subtype = message.get("subtype")
    edited = subtype == "message_changed" or isinstance(message.get("edited"), dict)
    deleted = subtype in {"message_deleted", "tombstone"} or "deleted_ts" in message
    return (
        *((WarningCode.EDITED,) if edited else ()),
        *((WarningCode.DELETED,) if deleted else ()),
    )


def _count_day(day: PackageFile, export: _Export, opened: OpenZips) -> int | None:
    """Count the messages of a day file, and files they carry that are not in the export; None: unknown."""
    try:
        if day.size() > _COUNT_BYTES:
            return None
        with day.stream(opened.of(day)) as stream:
            messages = [one for one in json.load(stream) if isinstance(one, dict)]
        carried = [
            file
            for one in messages
            for file in one.get("files", [one["file"]] if "file" in one else ())
            if file.get("mode") != "external" and not file.get("is_external")
        ]
    except (ItemError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return len(messages) + sum(file.get("id") not in export.held for file in carried)
