"""Messages of an iPhone or a Mac: the database of a backup or of a Mac, with its attachments.

Each row of the table ``message`` is an item: texts, system rows (who joined, left, renamed) and tapbacks,
which are rows of their own. Its bytes are canonical JSON, ``imessage-row/1``: the row with every column that
is not null, the handles and chats that its numbers stand for, and the rows of its attachments. The database
itself is an item too, so the original is at hand.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import ClassVar, TypeVar

import apsw

from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import HELD, Handle, errno_code
from connectors.cursors import number_cursor, read_number
from connectors.export_files import OpenZips, PackageFile, plain_item
from connectors.imessage_database import BLOCK, LAST, MOST_LISTED, Database, Row, opened
from connectors.imessage_files import FILES, Handed, Place, apps_in, list_handed, paths_of
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, prefix_of
from records import canonical
from records.errors import AccessError, CursorExpired, ItemError, SettingsError
from records.models import (
    EMPTY,
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
    Unreached,
    Window,
    Yielded,
)
from records.moments import apple_moment
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

MESSAGE_TYPE = "application/x-imessage-row+json"
DATABASE_TYPE = "application/x-imessage-database"
SCHEMA = "imessage-row/1"
_UNKNOWN = Expected(None, "unknown")
_T = TypeVar("_T")
_CURSOR = re.compile(r"r1:([mc])(-?\d{1,19}):(\d{1,9})")
_GUID = re.compile(r"[\x21-\x7e]{1,200}")
_OWN_MARK = re.compile(r"#|:\d+\Z")
"""What is in keys made here of a guid: one that has it in its own words could be taken for such a key."""

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,80}/[a-z0-9.+-]{1,80}")
_TAPBACKS = ("love", "like", "dislike", "laugh", "emphasize", "question", "emoji", "sticker")
_KEPT_CHATS = 4_096
_GROUP_STYLE = 43  # 45 is a conversation of two

_ENCRYPTED = (
    "the backup is encrypted (Manifest.plist says so). Make one without: connect the phone, choose it in "
    "Finder or iTunes, clear `Encrypt local backup` (it asks for the backup's password), and back up again"
)


class Imessage(FileConnector):
    """What one person handed over of Messages."""

    name: ClassVar[str] = "imessage"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "sms.db or chat.db, alone or with its attachments, in a folder or a zip; a write-ahead log beside it",
        "an unencrypted backup of an iPhone or iPad by Finder or iTunes, whole or as far as it was copied",
        "each row of the table of messages: texts, edits with their earlier words, unsent and recently "
        "deleted messages, tapbacks, joins, leaves and renames, and messages that are in no chat",
        "attachments, each beside its message; one that is not there is counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "encrypted backups: refused by name",
        "names of people: they are in the address book, not in this database",
        "messages deleted for more than 30 to 40 days, words of an unsent message, removed tapbacks",
        "messages that only iCloud holds, and attachments that the device had not downloaded",
        "everything else in a backup: not listed and not stored; other apps with messages are named",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "generated databases with the columns of iOS 6 and of iOS 18, of up to 1,000,000 rows",
        "6 message bodies, 3 histories of edits and 1 unsent message, samples of imessage-exporter",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._read: Handed | None = None

    def check(self) -> None:
        """Prove access, and that a database of messages is there that can be opened.

        Raises:
            AccessError: Nothing at the path, it may not be read, or the backup is encrypted.
            SettingsError: No path was given, or no database of messages is there.
        """
        source_id = self._context.source_id
        check_access(source_id, self._path)
        handed = self._handed()
        if handed.places and all(place.encrypted for place in handed.places.values()):
            raise AccessError(f"source {source_id}: {_ENCRYPTED}")
        if not handed.places and not handed.broken and not handed.without:
            raise SettingsError(
                f"source {source_id}: no database of Messages at its path (chat.db, sms.db or a backup); "
                "check `path` and `connector`"
            )

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each database, then the other files."""
        handed = self._handed()
        for key in sorted(handed.broken):
            yield Scope(key, key, "archive")
        for key in sorted(handed.places):
            yield Scope(key, handed.places[key].label, "export")
        if handed.files or handed.backups:
            yield Scope(FILES, FILES, "folder")

    def unreached(self) -> Iterator[Unreached]:
        """List what else a backup holds, and a backup in which there are no messages."""
        handed = self._handed()
        for key in sorted(handed.without):
            yield Unreached(
                f"{key}#messages", "Messages", "export", Reach.NOT_BY_THIS_ROUTE, "messages_not_in_backup"
            )
        for backup in handed.backups:
            yield Unreached(
                f"{backup.key}#rest", "all else in the backup", "backup", Reach.NOT_ASKED, "rest_of_backup"
            )
            for domain, app in apps_in(backup):
                yield Unreached(f"{backup.key}#{domain}", app, "backup", Reach.NOT_ASKED, "other_app")

    def count(self, scope: Scope) -> Expected:
        """Count the rows that the chats list, the rows that no chat lists, and attachments; or the files.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        handed = self._handed()
        place = handed.place(scope.key)
        if place is None:
            return Expected(len(handed.rest()), "file list")
        with opened(place.file, place.beside) as database:
            if database.cut or database.log_unread:
                return _UNKNOWN
            try:
                return Expected(_listed_rows(database), "rows by chat, and without one")
            except apsw.Error:
                return _UNKNOWN

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a database into ranges of row numbers, where it is read from its own file.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        place = self._handed().place(scope.key)
        if place is None:
            yield Part(scope)
            return
        cuts: list[int] = []
        with opened(place.file, place.beside) as database:
            if database.cuttable:
                cuts = _cuts(database, max_items, max_bytes, place.file.size())
        for number in range(len(cuts) + 1):
            first = cuts[number - 1] if number else None
            before = cuts[number] if number < len(cuts) else None
            spec = canonical.dumps({"v": 1, "first": first, "before": before}) if cuts else ""
            yield Part(scope, number, spec)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the rows of a database by their number, each followed by its attachments; or the other files.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        handed = self._handed(known_will_do=True)
        place = handed.place(part.scope.key)
        with ExitStack() as stack:
            if place is None:
                yield from _files(handed, window, read_number(cursor), stack)
                return
            database = stack.enter_context(opened(place.file, place.beside))
            archives = stack.enter_context(OpenZips())
            reading = _Reading(self._context.custodian_id, place, database, window, archives)
            yield from reading.values(*_bounds(part), cursor)

    def paths(self) -> Iterator[ExportPath]:
        """Return every file, those of a backup that are not of Messages too."""
        return paths_of(self._handed(), self._path)

    def _handed(self, *, known_will_do: bool = False) -> Handed:
        """Return what lies there, listed once.

        Args:
            known_will_do: What this process listed before will do: whoever plans lists anew, and a folder
                of 100,000 attachments is not to be walked through for each part of its database.
        """
        still_there(self._path)
        if self._read is None:
            mark = _mark_of(self._path)
            if known_will_do and _LISTED and _LISTED[0][0] == mark:
                self._read = _LISTED[0][1]
            else:
                self._read = list_handed(self._path)
                _LISTED[:] = [(mark, self._read)]
        return self._read


def _mark_of(path: str) -> tuple[str, int, int, int]:
    """Return what tells a file or folder from what it was before something came into it or went."""
    try:
        about = os.stat(path)
    except OSError as error:
        raise ItemError(Reason.UNREADABLE, errno_code(error)) from None
    return path, about.st_ino, about.st_size, about.st_mtime_ns


_LISTED: list[tuple[tuple[str, int, int, int], Handed]] = []
"""What this process listed last, and of which path as it was: each part is read by a connector of its own."""


# --- rows as items --------------------------------------------------------------------------------------


def _listed_rows(database: Database) -> int:
    """Count rows by what the chats list, and the rows that none lists: the reader goes by their numbers."""
    lists = ["SELECT DISTINCT message_id FROM chat_message_join"]  # a message can be in several chats
    if "deleted" in database.select:
        lists.append("SELECT message_id FROM chat_recoverable_message_join")
    unlisted = " AND ".join(f"NOT EXISTS ({one} AS j WHERE j.message_id = m.ROWID)" for one in lists)
    row = "EXISTS (SELECT 1 FROM message AS m WHERE m.ROWID = l.message_id)"
    asked = [
        f"SELECT COUNT(*) FROM ({' UNION '.join(lists)}) AS l WHERE {row}",  # noqa: S608 - words of this module
        f"SELECT COUNT(*) FROM message AS m WHERE {unlisted}",  # noqa: S608
    ]
    if "attached" in database.select:
        asked.append(f"SELECT COUNT(*) FROM message_attachment_join AS l WHERE {row}")  # noqa: S608
    return sum(database.number_of(query) for query in asked)


def _cuts(database: Database, max_items: int, max_bytes: int, size: int) -> list[int]:
    """Return the row numbers at which parts begin, the first part's apart.

    What a row takes is not known before it is read; the file's size over its rows stands for it.
    """
    rows = max(database.count("message"), 1)
    most = max(1, min(max_items, max_bytes * rows // max(size, 1)))
    cuts: list[int] = []
    try:
        for place, number in enumerate(database.numbers(-LAST - 1, None)):
            if place and place % most == 0:
                cuts.append(number)
    except ItemError:
        return cuts  # the last part has no end, so whoever reads it meets the damage
    return cuts


def _bounds(part: Part) -> tuple[int, int | None]:
    if not part.spec:
        return -LAST - 1, None
    stated = canonical.loads(part.spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a database was cut by another version; plan the run again")
    first = stated["first"]
    return (-LAST - 1 if first is None else first), stated["before"]


class _Reading:
    """The reading of one part of a database."""

    def __init__(
        self, custodian: str, place: Place, database: Database, window: Window, archives: OpenZips
    ) -> None:
        self._custodian = custodian
        self._place = place
        self._database = database
        self._window = window
        self._archives = archives
        # in a cut file the pages of the index may be gone; it is read in one part
        self._seen = None if database.unique and not database.cut else SeenHashes()
        self._chat_facts: dict[int, tuple[Row, dict[str, str]]] = {}

    def values(self, first: int, before: int | None, cursor: str | None) -> Iterator[Yielded]:
        """Yield rows and their attachments from a cursor on.

        A cursor names a row, how many of its values are safe, and how rows are listed: by the table itself
        (``m``), or, after damage in it, by the chats (``c``).

        Raises:
            CursorExpired: The cursor is of another version.
        """
        read = _CURSOR.fullmatch(cursor) if cursor is not None else None
        if read is None and cursor is not None:
            raise CursorExpired("the cursor is of another version")
        mode, start, done = (read[1], int(read[2]), int(read[3])) if read else ("m", first, 0)
        if start > LAST:
            return
        if self._seen is not None and read:
            self._replay(first, start, by_chats=mode == "c")
        at = start
        if mode == "m":
            try:
                for number in self._numbers(start, before):
                    yield from self._row(number, "m", done if number == start and read else 0)
                    at = number + 1
            except ItemError as error:
                failure = error
            else:
                yield from self._end(before)
                return
        else:
            failure = ItemError(Reason.TRUNCATED if self._database.cut else Reason.CORRUPT, "page")
        with suppress(ItemError):  # the last value says so
            for number in self._numbers(at, before, by_chats=True):
                yield from self._row(number, "c", done if number == start and read else 0)
        last = _cursor("c", LAST + 1, 0)
        yield FailedItem("rows after damage", Kind.MESSAGE, last, failure.reason, "table_damaged")

    def _numbers(self, first: int, before: int | None, *, by_chats: bool = False) -> Iterator[int]:
        """Yield row numbers, those of a block after the rows of the block were looked up together.

        Those of a cut file come one by one: a walk through one can end without a word.
        """
        if self._database.cut:
            yield from self._database.numbers(first, before, by_chats=by_chats)
            return
        block: list[int] = []
        try:
            for number in self._database.numbers(first, before, by_chats=by_chats):
                block.append(number)
                if len(block) == BLOCK:
                    self._database.look_ahead(block[0], block[-1])
                    yield from block
                    block = []
        except ItemError:
            yield from block  # what came before the damage is whole; each row is asked for by itself
            raise
        if block:
            self._database.look_ahead(block[0], block[-1])
        yield from block

    def _end(self, before: int | None) -> Iterator[Yielded]:
        """Say at the end of a database that its write-ahead log could not be read."""
        if self._database.log_unread and before is None:
            last = _cursor("m", LAST + 1, 0)
            yield FailedItem("write-ahead log", Kind.MESSAGE, last, Reason.CORRUPT, "log_not_merged")

    def _replay(self, first: int, start: int, *, by_chats: bool) -> None:
        """Count the guids before a cursor again, in the same way: their ordinals tell equal ones apart."""
        at = first
        try:
            for number in self._database.numbers(first, start):
                self._key(self._database.guid(number), number)
                at = number + 1
        except ItemError:
            if not by_chats:
                return
        with suppress(ItemError):
            for number in self._database.numbers(at, start, by_chats=True) if by_chats else ():
                self._key(self._database.guid(number), number)

    def _row(self, number: int, mode: str, done: int) -> Iterator[Yielded]:
        cursors = (_cursor(mode, number, place) for place in count(1))
        for place, value in enumerate(self._values(number, cursors), 1):
            if place > done:
                yield value

    def _values(self, number: int, cursors: Iterator[str]) -> Iterator[Yielded]:
        """Yield a row as an item, then each of its attachments."""
        database = self._database
        message: Row | None = None
        failure: ItemError | None = None
        try:
            message = database.message(number)
            if message is None:
                return  # a chat lists a row that is gone
        except ItemError as error:
            failure = error
        guid = message.get("guid") if message is not None else database.guid(number)
        key, again = self._key(guid, number)
        moment = _moment(message)
        outside, codes = placed(moment, self._window, dated=True)
        lost: dict[str, Reason] = {}
        attachments = _had(lambda: database.attachments(number), "attachments", lost) or []
        about: Mapping[str, str] = EMPTY
        carried = self._carried(key, attachments)
        cursor = next(cursors)
        if message is None:
            assert failure is not None
            yield FailedItem(key, Kind.MESSAGE, cursor, failure.reason, failure.detail)
        elif outside:
            yield ExcludedItem(key, Kind.MESSAGE, cursor, Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            made = self._message(number, key, cursor, message, moment, carried, (*again, *codes), lost)
            about = made.metadata
            yield made
        for one in carried:
            yield self._file(one, key, next(cursors), about, moment, outside=outside)
        if lost.get("attachments") is Reason.TOO_LARGE:
            yield FailedItem(f"{key}#attachments", Kind.FILE, next(cursors), Reason.TOO_LARGE, "attachments")

    def _key(self, guid: object, number: int) -> tuple[str, tuple[WarningCode, ...]]:
        """Return the key of a row: its guid, the same on every device; else its number in this file.

        A guid is the key of one row only: where an index of the file has them, of the row that it leads to.
        """
        if not isinstance(guid, str) or not _GUID.fullmatch(guid) or _OWN_MARK.search(guid):
            return f"row {number}", ()
        if self._seen is None:
            return (guid if self._database.row_of(guid) == number else f"row {number}"), ()
        again = self._seen.count(_prefix(guid))
        return (f"{guid}:{again}", (WarningCode.DUPLICATE_ENTRY,)) if again else (guid, ())

    def _message(
        self,
        number: int,
        key: str,
        cursor: str,
        message: Row,
        moment: Moment,
        carried: Sequence[_Carried],
        codes: tuple[WarningCode, ...],
        lost: dict[str, Reason],
    ) -> FoundItem:
        database = self._database
        chats = _had(lambda: database.chats(number), "chats", lost) or []
        sides = ("handle_id", "other_handle")
        people = (
            _had(lambda: {side: database.handle(message.get(side)) for side in sides}, "handles", lost) or {}
        )
        parts = _had(lambda: database.deleted_parts(number), "deleted_parts", lost) or []
        guid = str(message.get("guid", ""))
        reactions = _had(lambda: database.reactions(guid, 2 * len(carried) + 3), "reactions", lost) or []
        native = {
            "schema": SCHEMA,
            "row": number,
            "message": message,
            "handles": {side: person for side, person in people.items() if person},
            "chats": chats,
            "attachments": [one.row for one in carried if one.row],
            "deleted_parts": parts,
        }
        metadata = self._facts(chats, reactions) | {"owner": self._custodian}
        if lost:
            metadata.pop("no_chat", None)
            native["not_read"] = metadata["not_read"] = ", ".join(sorted(lost))
        spelt = (
            canonical.dumps if database.has_reals else canonical.dumps_texts
        )  # the same, and ten times as fast
        data = spelt(native).encode("utf-8", "replace")
        deleted = bool(chats) and all("delete_date" in chat for chat in chats)
        missing = "attachments" in lost or any(one.file is None for one in carried)
        warnings = (
            *((WarningCode.DELETED,) if deleted else ()),
            *((WarningCode.MISSING_PART,) if missing else ()),
            *((WarningCode.PARTIAL,) if lost else ()),
            *codes,
        )
        there = [{"name": one.name, "native_key": one.key} for one in carried if one.file is not None]
        if there:
            metadata["attachments"] = canonical.dumps(there)
        return FoundItem(
            key, Kind.MESSAGE, cursor, None, MESSAGE_TYPE, len(data), moment, metadata, warnings, data
        )

    def _facts(self, chats: Sequence[Row], reactions: Sequence[Row]) -> dict[str, str]:
        """Return what ``_facts_of`` does; most messages are in one of few chats, and nobody reacted."""
        if reactions or len(chats) != 1 or "delete_date" in chats[0]:
            return _facts_of(chats, reactions)
        known = self._chat_facts.get(id(chats[0]))
        if known is None or known[0] is not chats[0]:
            if len(self._chat_facts) >= _KEPT_CHATS:
                self._chat_facts.clear()
            known = self._chat_facts[id(chats[0])] = (chats[0], _facts_of(chats, reactions))
        return known[1]

    def _carried(self, key: str, attachments: Sequence[tuple[int, Row | None]]) -> list[_Carried]:
        """Return what a row carries; one that it lists twice, as damage makes it, has keys of its own."""
        carried: dict[str, _Carried] = {}
        for number, row in attachments:
            one = self._attachment(key, number, row)
            own = one.key
            while own in carried:
                own += "#2"
            carried[own] = one if own == one.key else replace(one, key=own)
        return list(carried.values())

    def _attachment(self, key: str, number: int, row: Row | None) -> _Carried:
        about = row or {}
        stated = _stated(about.get("filename"))
        guid = _text(about.get("guid"))
        name = _text(about.get("transfer_name")) or _text(stated.rpartition("/")[2]) or guid or str(number)
        key = f"{key}#{guid if _GUID.fullmatch(guid) else number}"
        return _Carried(key, name, stated, about, self._place.find(stated) if stated else None)

    def _file(
        self,
        one: _Carried,
        parent: str,
        cursor: str,
        about: Mapping[str, str],
        moment: Moment,
        *,
        outside: bool,
    ) -> Yielded:
        """Return an attachment as an item. It is of the time of its message."""
        if one.file is None:
            detail = "file" if one.stated else "no_file_name" if one.row else "no_row"
            return FailedItem(one.key, Kind.FILE, cursor, Reason.NOT_IN_EXPORT, detail, one.name)
        if outside:
            return ExcludedItem(one.key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, "", one.name, moment)
        try:
            size = one.file.size()
            with one.file.stream(self._archives.of(one.file)) as stream:
                head = stream.read(HELD + 1)
        except ItemError as error:
            return FailedItem(one.key, Kind.FILE, cursor, error.reason, error.detail, one.name)
        _, codes = placed(moment, self._window, dated=False)
        stated = {
            "attached_to": parent,
            "group": about.get("group", ""),
            "group_name": about.get("group_name", ""),
            "path": one.file.key,
            "stated_bytes": _text(one.row.get("total_bytes")),
            "sticker": "true" if one.row.get("is_sticker") == 1 else "",
        }
        media = _text(one.row.get("mime_type")).lower()
        handle: Handle = head if len(head) <= HELD else one.file.stream
        return FoundItem(
            one.key,
            Kind.FILE,
            cursor,
            one.name,
            media if _MEDIA_TYPE.fullmatch(media) else None,
            size,
            moment,
            {name: value for name, value in stated.items() if value},
            codes,
            handle,
        )


@dataclass(frozen=True, slots=True)
class _Carried:
    """An attachment of a message.

    Attributes:
        key: Its native key.
        name: For people.
        stated: Where the database says it is; empty where it says nothing.
        row: Its row; empty when there is none.
        file: Its file, or None.
    """

    key: str
    name: str
    stated: str
    row: Row
    file: PackageFile | None


def _had(look_up: Callable[[], _T], what: str, lost: dict[str, Reason]) -> _T | None:
    """Return what a look-up gives; of a damaged file None, and what is not known is noted."""
    try:
        return look_up()
    except ItemError as error:
        lost[what] = error.reason
        return None


def _cursor(mode: str, number: int, done: int) -> str:
    return f"r1:{mode}{number}:{done}"


def _prefix(guid: str) -> int:
    return prefix_of(hashlib.sha256(guid.encode("utf-8", "replace")).digest())


def _moment(message: Row | None) -> Moment:
    """Return when a message was sent: ``date``; 0 is no time."""
    value = (message or {}).get("date")
    if value is None or value == 0:
        return NO_MOMENT
    if isinstance(value, (int, float)):
        return apple_moment(value, str(value))
    return Moment(None, _text(value)[:40], Basis.NONE)


def _text(value: object) -> str:
    """Return a value on one line that any store takes; empty for what is no text and no number."""
    if isinstance(value, (int, float)):
        return str(value)
    return " ".join(_stated(value).replace("\x00", "").split())


def _stated(value: object) -> str:
    """Return a text as it stands, what is no UTF-8 in it as U+FFFD; empty for what is no text."""
    if isinstance(value, dict) and isinstance(kept := value.get("text_base64"), str):
        return base64.b64decode(kept).decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _facts_of(chats: Sequence[Row], reactions: Sequence[Row]) -> dict[str, str]:
    """Return what a message is told of: its conversation, who is in it, who reacted.

    Of a message in several chats, the first is its conversation; the others are named.
    """
    about: dict[str, str] = {}
    if chats:
        chat = chats[0]
        people = [_text(person.get("id")) for person in chat.get("participants", ())]
        about = {
            "group": _text(chat.get("guid")),
            "group_name": _text(chat.get("display_name"))
            or ", ".join(people[:5])
            or _text(chat.get("chat_identifier")),
            "group_kind": "group" if chat.get("style") == _GROUP_STYLE else "conversation of two",
            "group_id": _text(chat.get("group_id")),
            "members": "; ".join(people),
            "members_more": "true" if "participants_are_more" in chat else "",
            "other_chats": "; ".join(_text(one.get("guid")) for one in chats[1:]),
            "deleted_at": _time(chat.get("delete_date")),
        }
    else:
        about["no_chat"] = "true"
    shown = [_reaction(row) for row in reactions[:MOST_LISTED]]
    about["reactions"] = "; ".join(filter(None, shown))
    if len(reactions) > MOST_LISTED:
        about["reactions_more"] = "true"
    return {key: value for key, value in about.items() if value}


def _time(value: object) -> str:
    if not isinstance(value, (int, float)) or not value:
        return ""
    at = apple_moment(value, "").at
    return canonical.utc_text(at) if at is not None else ""


def _reaction(row: Row) -> str:
    """Return who reacted how; the database keeps only the last of each person."""
    kind = row.get("associated_message_type")
    if not isinstance(kind, int):
        return ""
    name = _TAPBACKS[kind % 1000] if kind % 1000 < len(_TAPBACKS) else str(kind)
    emoji = _text(row.get("associated_message_emoji"))
    who = "owner" if row.get("is_from_me") == 1 else _text(row["handle"].get("id")) or "unknown"
    return f"{emoji or name} by {who}" + (" (removed)" if kind >= 3000 else "")


# --- the other files ------------------------------------------------------------------------------------


def _files(handed: Handed, window: Window, done: int, stack: ExitStack) -> Iterator[Yielded]:
    archives = stack.enter_context(OpenZips())
    described = handed.scaffolding()
    for number, file in enumerate(handed.rest(), 1):
        if number > done:
            made = _other_file(file, handed, window, archives, described=file.key in described)
            yield replace(made, cursor=number_cursor(number))


def _other_file(
    file: PackageFile, handed: Handed, window: Window, archives: OpenZips, *, described: bool
) -> Yielded:
    place = handed.places.get(file.key)
    found = plain_item(
        file,
        window,
        archives,
        about=lambda _: EMPTY if place is None else _about_database(place),
        scaffolding="backup_list" if described else "",
    )
    if place is None or not isinstance(found, FoundItem):
        return found
    return replace(found, media_type=DATABASE_TYPE)


def _about_database(place: Place) -> dict[str, str]:
    """Return the facts of a database: its rows are items of their own; how many it says were deleted."""
    about = {"container": "Messages database: each row is an item of its own"}
    try:
        with opened(place.file, place.beside) as database:
            for table in ("deleted_messages", "sync_deleted_messages"):
                if number := database.count(table):
                    about[table] = str(number)
    except ItemError:
        return about
    return about
