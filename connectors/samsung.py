"""Samsung's download of what *Call & text on other devices* keeps of an account.

Samsung tells what is in it ("Call & Text On Other Devices, File Description", version 1.4, and the data
explanation guidelines for "Call & Message Continuity" of July 2020): ``MessagesList.csv`` and
``CallAndMessageHistoryList.csv`` hold *Flags* and the *Attributes* To, From, TextContent, Date,
Message-Context and Direction; ``RCSGroupChatInfoList.csv`` holds groups. It does not tell whether each
attribute has a column, how a time is written, or what joins a message to a group or a file, and it calls To
the sender. So the two tables are read by column maps that a person has signed (``connectors.message_table``),
and rows are joined to files and groups only by ids that they state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import ClassVar

from connectors.base import not_one
from connectors.chat_files import RecordFiles, place_of
from connectors.column_maps import ColumnMap
from connectors.export_files import OpenZips, PackageFile
from connectors.export_tables import normal, read_table
from connectors.message_table import Joined, MappedTable, map_of
from records.errors import ItemError, SettingsError
from records.models import EMPTY, Expected, FailedItem, SourceContext, Window, Yielded
from records.vocabulary import Kind, Reason

MESSAGES = "messageslist.csv"
HISTORY = "callandmessagehistorylist.csv"
GROUPS = "rcsgroupchatinfolist.csv"
ACCOUNT = "cmcaccount.csv"

_MAPS: Mapping[str, str] = {MESSAGES: "map", HISTORY: "history_map"}
"""The option that names the map of each table."""

SMART_SWITCH = "smartswitchbackup.json"
_SEALED = (".bk", ".exml", ".smem", ".penc")
"""How Smart Switch's encrypted files end."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MEDIA = re.compile(rf"[A-Za-z]+_\d+_p\d+_(?P<id>{_UUID.pattern})\.[A-Za-z0-9]{{1,8}}", re.IGNORECASE)
_CALL = "x-call-log"
_OF_GROUPS = frozenset(
    {
        "grouptype", "mystatus", "participants", "participantsupdatedtimestamp", "subject",
        "updatedtimestamp",
    }
)  # fmt: skip
"""Columns of a group that Samsung describes, as ``normal`` has them: none of them is its id."""


class Samsung(RecordFiles):
    """The download of one account."""

    name: ClassVar[str] = "samsung"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "MessagesList.csv and CallAndMessageHistoryList.csv of Samsung's download, in a folder or in zips: "
        "each row, by signed column maps",
        "groups of RCSGroupChatInfoList.csv and media, joined to rows that state their ids",
        "everything else of the download: as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "a table without its map, or with another header than its map's: a failed place",
        "attributes that stand together in one column: no map can name them",
        "messages that the service never saw: it keeps those since it was turned on",
        "backups of Smart Switch, which are encrypted: refused; each of their files beside a download fails",
    )
    tested_on: ClassVar[tuple[str, ...]] = ("generated tables, by the fields that Samsung describes",)
    options: ClassVar[Mapping[str, str]] = {
        "map": "the column map of MessagesList.csv, a file beside the request",
        "history_map": "the column map of CallAndMessageHistoryList.csv, a file beside the request",
    }
    named_files: ClassVar[tuple[str, ...]] = ("map", "history_map")

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._maps: dict[str, ColumnMap] = {}

    def check_settings(self) -> None:
        """Check path and maps.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: As ``check`` does; or there is no map, one is wrong, or nobody has confirmed it.
        """
        super().check_settings()
        for option in dict.fromkeys(("map", *self._context.options)):
            self._map(option)

    def check(self) -> None:
        """Prove access, and that there is a table.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or what lies there is no such download; says what it is.
        """
        super().check()
        self._files()
        if self._chats or self._broken:
            return
        source_id = self._context.source_id
        if self._is_backup:
            raise SettingsError(
                f"source {source_id}: a backup of Samsung Smart Switch, which is encrypted and cannot be "
                "read; ask for the messages by the app SMS Backup & Restore (connector `sms_backup_restore`)"
            )
        what = "MessagesList.csv of Samsung's download (Call & text on other devices)"
        raise not_one(source_id, what, self._path, self.name)

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        del opened
        return file.name.casefold() in _MAPS

    def _label(self, key: str) -> str:
        return key

    def _expected(self, file: PackageFile) -> Expected:
        named = self._named[file.key] = set()
        return self._table(file).count(named)

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        return self._table(file).values(window, opened)

    def _table(self, file: PackageFile) -> MappedTable:
        """Return a table with its map.

        Raises:
            ItemError: ``unsupported`` when it has no map (``no_map``), or as ``MappedTable.of`` does.
        """
        option = _MAPS[file.name.casefold()]
        if not self._context.options.get(option):
            raise ItemError(Reason.UNSUPPORTED, "no_map")
        place = place_of(file.key)
        others = sorted(
            (one for key, one in self._files().items() if key not in self._chats),
            key=lambda one: (not one.key.startswith(place), one.key),
        )
        there: dict[str, PackageFile] = {}
        by_id: dict[str, PackageFile] = {}
        for one in others:
            if one.key.startswith(place):
                there.setdefault(one.name, one)
                there.setdefault(one.key.removeprefix(place), one)
            if (named := _MEDIA.fullmatch(one.name)) is not None:
                by_id.setdefault(named["id"].casefold(), one)
        groups = _groups(next((one for one in others if one.name.casefold() == GROUPS), None))
        return MappedTable.of(file, self._map(option), there, _joining(by_id, groups))

    def _map(self, option: str) -> ColumnMap:
        if option not in self._maps:
            self._maps[option] = map_of(self._context, option)
        return self._maps[option]

    @cached_property
    def _is_backup(self) -> bool:
        """Whether something of Smart Switch lies there."""
        return any(file.name.casefold() == SMART_SWITCH for file in self._files().values())

    def _file(self, file: PackageFile, window: Window, opened: OpenZips) -> Yielded:
        if self._is_backup and file.name.lower().endswith(_SEALED):
            return FailedItem(file.key, Kind.FILE, "", Reason.ENCRYPTED, "smart_switch", file.name)
        return super()._file(file, window, opened)

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return what Samsung says is in a download, by its names; for others the rows are asked."""
        known = [key for key, file in beside.items() if _is_known(file.name)]
        rest = {key: file for key, file in beside.items() if not _is_known(file.name)}
        return [*known, *super()._belonging(rest)]


def tells(name: str) -> bool:
    """Say whether a file name is that of a download of Samsung, or of a backup of Smart Switch."""
    return name.casefold() in {ACCOUNT, HISTORY, GROUPS, SMART_SWITCH}


def _is_known(name: str) -> bool:
    return name.casefold() in {ACCOUNT, GROUPS} or _MEDIA.fullmatch(name) is not None


def _groups(file: PackageFile | None) -> dict[str, dict[str, str]]:
    """Return what is known of groups, by their ids; of one that is told in two ways, nothing.

    Samsung names no column of ids: every cell is one that is in none of the columns it describes.
    """
    found: dict[str, dict[str, str]] = {}
    doubtful: set[str] = set()
    if file is None:
        return found
    # where the table breaks off, the rows before are known; as a file it ends in a state of its own
    with suppress(ItemError), file.stream() as stream:
        for row in read_table(stream).rows:
            said = {normal(name): value for name, value in row.items()}
            facts = {
                "group_name": said.get("subject", ""),
                "recipients": "; ".join(_parted(said.get("participants", ""))),
            }
            for key in {value for name, value in said.items() if value and name not in _OF_GROUPS}:
                if found.setdefault(key, facts) != facts:
                    doubtful.add(key)
    return {key: facts for key, facts in found.items() if key not in doubtful}


def _parted(people: str) -> list[str]:
    return [name for one in re.split(r"[;,|\n]", people) if (name := one.strip())]


def _joining(
    media: Mapping[str, PackageFile], groups: Mapping[str, Mapping[str, str]]
) -> Callable[[Sequence[str], Callable[[str], str]], Joined]:
    """Return what joins a row to its media, by the ids in their names, and to its group.

    Args:
        media: Files by id.
        groups: Facts by id.
    """

    def join(cells: Sequence[str], said: Callable[[str], str]) -> Joined:
        ids = dict.fromkeys(one.casefold() for cell in cells for one in _UUID.findall(cell))
        kind = Kind.CALL if _CALL in cells else Kind.MESSAGE
        group = groups.get(said("thread"), EMPTY)
        told = {name: value for name, value in group.items() if value and not said(name)}
        return Joined(kind, {"kind": kind.value, **told}, tuple(media[one] for one in ids if one in media))

    return join
