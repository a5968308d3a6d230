"""The Messages database of an iPhone (``sms.db``) or a Mac (``chat.db``), read row by row.

The file is opened for reading only and as one that nobody changes, so nothing is written beside it and its
locks are left alone. Rows that are still in a write-ahead log beside it are only had by merging the two: that
is done in a private copy, and so is reading out of a zip. Columns grow with every version of the system, so
they are asked for, never assumed.

A file from outside may be damaged or hostile: its triggers and views are switched off, what should be a table
has to be one, text that is no UTF-8 is kept as bytes, and a damaged row costs only itself.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import apsw

from connectors.export_files import PackageFile
from connectors.folders import open_head
from connectors.imessage_copy import MAIN, UnnamedFiles
from records.errors import ItemError
from records.vocabulary import Reason

MAGIC = b"SQLite format 3\x00"
PAGE = 1_000
"""Rows whose numbers are asked for at a time."""

BLOCK = 250
"""Rows that are looked up together, with what other tables say of them: each by itself takes far longer."""

VALUE_BYTES = 64 << 20
"""A value larger than this is refused by name: no message has one."""

MOST_ATTACHMENTS = 10_000
MOST_LISTED = 100
"""People, chats and reactions beyond this number are counted, not listed with each message."""

_NUMBERED = ("message", "chat", "handle", "attachment")
_NEEDED = ("message", "chat", "handle", "chat_message_join")
_CHAT = (
    "guid", "style", "chat_identifier", "service_name", "room_name", "display_name", "group_id",
    "original_group_id", "account_login", "last_addressed_handle", "is_archived", "is_filtered",
)  # fmt: skip
_HANDLE = ("id", "service", "country", "uncanonicalized_id", "person_centric_id")
_ATTACHMENT = (
    "ROWID", "guid", "original_guid", "created_date", "start_date", "filename", "uti", "mime_type",
    "transfer_state", "is_outgoing", "transfer_name", "total_bytes", "is_sticker", "hide_attachment",
    "emoji_image_short_description",
)  # fmt: skip
_REACTION = ("associated_message_type", "associated_message_emoji", "is_from_me", "handle_id")

Json = Any
"""A value of a row in JSON: number, text, or an object that says how its bytes are written."""

Row = dict[str, Json]

Beside = tuple[tuple[str, PackageFile], ...]
"""What lies beside a database and belongs to it, by the end of its name: ``-wal``, ``-journal``."""


@dataclass(frozen=True, slots=True, eq=False)
class Database:
    """An open database.

    Attributes:
        connection: To the file or to its private copy.
        copied: It is a private copy.
        cut: The file ends before the end that its header states.
        log_unread: A write-ahead log lies beside it and could not be merged.
        columns: Of the table ``message``.
        unique: By an index of the file no two rows have one ``guid``; ``row_of`` says what it has.
        indexed: Every look-up of a row has an index of the file's own.
        select: Look-ups by name.
    """

    connection: apsw.Connection
    copied: bool
    cut: bool
    log_unread: bool
    columns: tuple[str, ...]
    unique: bool
    indexed: bool
    select: dict[str, _Select]
    _chats: dict[int, Row] = field(default_factory=dict)
    _handles: dict[int, Row] = field(default_factory=dict)
    _ahead: dict[str, _Block | _Walk] = field(default_factory=dict)
    _reactions: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def cuttable(self) -> bool:
        """Say whether its rows can be read in parts without doing work again for each."""
        return not self.copied and self.unique and self.indexed and not self.cut

    @property
    def has_reals(self) -> bool:
        """Say whether a real number was read until now: one is spelt by one of two writers of JSON."""
        return any(select.reals for select in self.select.values())

    def numbers(self, first: int, before: int | None, *, by_chats: bool = False) -> Iterator[int]:
        """Yield row numbers from ``first`` up to, not including, ``before``, in order.

        Args:
            first: The first number that may come.
            before: The first that may not; None for no end.
            by_chats: As the chats list them, for a file whose table of messages is damaged.

        Raises:
            ItemError: ``corrupt`` or ``truncated``: the walk cannot go on, as where damage has put a number
                behind a larger one. What came before is whole.
        """
        table, column = ("chat_message_join", "message_id") if by_chats else ("message", "ROWID")
        page = (
            f"SELECT DISTINCT {column} FROM {table} WHERE {column} >= ? AND {column} <= ? "  # noqa: S608
            f"ORDER BY {column} LIMIT {PAGE}"
        )
        last = LAST if before is None else before - 1
        while first <= last:
            count = 0
            try:
                for (number,) in self.connection.execute(page, (first, last)):
                    # no number: seen where an index leads past the end of a cut file
                    if not isinstance(number, int) or number < first:
                        raise ItemError(Reason.TRUNCATED if self.cut else Reason.CORRUPT, "page")
                    count, first = count + 1, number + 1
                    yield number
            except apsw.Error as error:
                raise self.failure(error) from None
            if count < PAGE:
                return

    def look_ahead(self, first: int, last: int) -> None:
        """Look up the rows between two numbers, both inclusive, and what belongs to them, at once.

        What is asked afterwards of one of them is the same; of a damaged file, where this breaks off, each
        row is looked up by itself again. Rows themselves come one after the other: some are large.
        """
        self._ahead.clear()
        self._reactions.clear()
        for name in ("chats", "deleted", "attached", "parts"):
            if name in self.select and (block := self.select[name].block(first, last)) is not None:
                self._ahead[name] = block
        self._ahead["message"] = self.select["message"].walk(first, last)
        if "reactions" in self.select:
            self._look_for_reactions(first, last)

    def _look_for_reactions(self, first: int, last: int) -> None:
        """Keep the rows that react to the messages of a block, by what they name."""
        rows = self.select["guid"].block(first, last)
        guids = [row.get("guid") for found in rows.rows.values() for row in found] if rows is not None else []
        wanted = [
            target for guid in guids if isinstance(guid, str) for target in _targets(guid, _PLAIN_PARTS)
        ]
        try:
            found = self.select["reactions"].rows(wanted, limit=len(wanted) * 4) if wanted else []
        except apsw.Error:
            return
        if rows is None or len(found) >= len(wanted) * 4:
            return  # each message is asked for by itself, and has its own limit
        listed: dict[str, list[Row]] = {target: [] for target in wanted}
        for row in found:
            if (named := row.get("associated_message_guid")) not in listed:
                return  # the column compares in a way of its own
            listed[named].append(row)
        self._reactions.update(listed)

    def message(self, number: int) -> Row | None:
        """Return a row of ``message``, every column that is not null; None when it is not there.

        Raises:
            ItemError: It cannot be read.
        """
        return next(iter(self._rows("message", number)), None)

    def guid(self, number: int) -> Json:
        """Return only the ``guid`` of a row; None when not even that can be read."""
        try:
            return next((row.get("guid") for row in self._rows("guid", number)), None)
        except ItemError:
            return None

    def row_of(self, guid: str) -> int | None:
        """Return the number of the one row that a ``guid`` leads to; None where it leads to none.

        Asked for by itself, from the root of the index: of a damaged one too, the answer is always the same.
        """
        try:
            found = self.connection.execute(_ROW_OF, (guid,)).fetchone()
        except apsw.Error:
            return None
        return found[0] if found is not None else None

    def chats(self, number: int) -> list[Row]:
        """Return the chats that a message is in, those last that it is only in as deleted.

        Raises:
            ItemError: They cannot be read.
        """
        held = [row.get("chat_id") for row in self._rows("chats", number)]
        deleted = {row.get("chat_id"): row.get("delete_date", 0) for row in self._rows("deleted", number)}
        chats = []
        for chat_id in (*held, *(one for one in deleted if one not in held)):
            chat = self.chat(chat_id) if isinstance(chat_id, int) else {}
            chats.append(chat | {"delete_date": deleted[chat_id]} if chat_id in deleted else chat)
        return chats[:MOST_LISTED]

    def attachments(self, number: int) -> list[tuple[int, Row | None]]:
        """Return the attachments of a message, by number; None for one that has no row.

        Raises:
            ItemError: They cannot be read; ``too_large`` for more than a message can have.
        """
        joined = [row.get("attachment_id") for row in self._rows("attached", number)]
        if len(joined) > MOST_ATTACHMENTS:
            raise ItemError(Reason.TOO_LARGE, "attachments")
        found = []
        for attachment in joined:
            key = attachment if isinstance(attachment, int) else -1
            found.append((key, next(iter(self._rows("attachment", key)), None)))
        return found

    def reactions(self, guid: str, parts: int) -> list[Row]:
        """Return the rows that react to a message, each with the ``handle`` that reacted.

        Args:
            guid: The message's.
            parts: How many parts it may have (its text and its attachments): a reaction names one.

        Raises:
            ItemError: They cannot be read.
        """
        if "reactions" not in self.select:
            return []
        targets = _targets(guid, min(parts, MOST_LISTED))
        known = [self._reactions.get(target) for target in targets]
        if None in known:
            found = self._rows("reactions", *targets)
        else:
            found = [row for rows in known for row in rows or ()]
            if len(found) > 1:
                found = sorted(found, key=lambda row: row["ROWID"])[: MOST_LISTED + 1]
        return [row | {"handle": self.handle(row.get("handle_id"))} for row in found]

    def attached_names(self) -> Iterator[str]:
        """Yield where the attachments of messages are said to be; as far as it can be read."""
        if not {"attached", "attachment"} <= self.select.keys():
            return
        query = (
            "SELECT CAST(a.filename AS BLOB) FROM message_attachment_join AS j JOIN attachment AS a ON "
            "a.ROWID = j.attachment_id WHERE EXISTS (SELECT 1 FROM message AS m WHERE m.ROWID = j.message_id)"
        )
        try:
            for (name,) in self.connection.execute(query):
                if name is not None:
                    yield name.decode("utf-8", "replace")
        except apsw.Error:
            return

    def deleted_parts(self, number: int) -> list[Row]:
        """Return parts of a message that were deleted and can still be brought back.

        Raises:
            ItemError: They cannot be read.
        """
        return self._rows("parts", number)

    def chat(self, number: int) -> Row:
        """Return a chat with its ``participants``, or an empty row.

        Raises:
            ItemError: It cannot be read.
        """
        if (known := self._chats.get(number)) is not None:
            return known
        chat = next(iter(self._rows("chat", number)), {})
        people = [self.handle(row.get("handle_id")) for row in self._rows("people", number)]
        if chat:
            chat["participants"] = [person for person in people[:MOST_LISTED] if person]
        if len(people) > MOST_LISTED:
            chat["participants_are_more"] = 1
        return _kept(self._chats, number, chat)

    def handle(self, number: Json) -> Row:
        """Return who a handle is, or an empty row.

        Raises:
            ItemError: It cannot be read.
        """
        if not isinstance(number, int) or number <= 0:
            return {}
        if (known := self._handles.get(number)) is not None:
            return known
        return _kept(self._handles, number, next(iter(self._rows("handle", number)), {}))

    def count(self, table: str) -> int:
        """Return how many rows a table has; 0 when there is no such table or it cannot be counted."""
        try:
            return self.number_of(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - a name of this module
        except apsw.Error:
            return 0

    def number_of(self, query: str) -> int:
        """Return the one number that a query gives; errors are the library's own."""
        return int(self.connection.execute(query).get)

    def failure(self, error: apsw.Error) -> ItemError:
        """Return the reason for what the library found; its own message may hold names of the file."""
        if isinstance(error, apsw.TooBigError):
            return ItemError(Reason.TOO_LARGE, "value")
        return ItemError(Reason.TRUNCATED if self.cut else Reason.CORRUPT, "page")

    def _rows(self, name: str, *keys: int | str) -> list[Row]:
        select = self.select.get(name)
        if select is None:
            return []
        if (ahead := self._ahead.get(name)) is not None and (known := ahead.find(keys[0])) is not None:
            return known
        try:
            return select.rows(keys)
        except apsw.Error as error:
            raise self.failure(error) from None


LAST = (1 << 63) - 1
"""The largest row number there can be."""

_ROW_OF = "SELECT ROWID FROM message WHERE guid = ? LIMIT 1"

_KEPT = 4_096


def _kept(known: dict[int, Row], number: int, row: Row) -> Row:
    """Remember a row: most messages are in few chats. All are forgotten when they become many."""
    if len(known) >= _KEPT:
        known.clear()
    known[number] = row
    return row


_PLAIN_PARTS = 3
"""Parts of a message without attachments that a reaction can name."""


def _targets(guid: str, parts: int) -> list[str]:
    """Return what a reaction to a message of so many parts names."""
    return [*(f"p:{part}/{guid}" for part in range(parts)), f"bp:{guid}", guid]


class _Select:
    """Rows of a table by one column, as JSON values; null is left out.

    Attributes:
        reals: A real number was among them.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        table: str,
        columns: Sequence[str],
        key: str,
        *,
        where: str = "",
        order: str = "",
        limit: int | None = None,
    ) -> None:
        self.reals = False
        self._connection = connection
        self._columns = tuple(columns)
        names = [_quoted(column) for column in columns]
        bare = [
            f"typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
            for name in names
        ]
        self._table, self._key, self._limit = table, key, limit
        self._condition, self._order = where, order
        self._plain, self._bytes = ", ".join(names), ", ".join(bare)
        self._one = self._query(self._plain, 1, limit)
        ordered = f"ORDER BY {key}" + (f", {order}" if order else "")
        self._between = (
            f"SELECT {key}, {self._plain} FROM {table} WHERE {key} BETWEEN ? AND ? {where} {ordered}"  # noqa: S608
        )

    def rows(self, keys: Sequence[int | str], limit: int | None = None) -> list[Row]:
        """Return the rows of some keys.

        Args:
            keys: What the column holds.
            limit: Most rows, where not that of the look-up.
        """
        limit = self._limit if limit is None else limit
        query = self._one if len(keys) == 1 else self._query(self._plain, len(keys), limit)
        try:
            return [self._row(row) for row in self._connection.execute(query, keys)]
        except UnicodeDecodeError:  # some text is no UTF-8: all of it as bytes
            query = self._query(self._bytes, len(keys), limit)
            return [self._of_bytes(row) for row in self._connection.execute(query, keys)]

    def block(self, first: int, last: int) -> _Block | None:
        """Return the rows of all keys between two; None where they cannot be had so, or are very many."""
        found: dict[int, list[Row]] = {}
        most = self._limit or 1
        room = _ROOM * BLOCK
        try:
            for key, *row in self._connection.execute(self._between, (first, last)):
                room -= 1
                if room < 0 or not isinstance(key, int):
                    return None
                rows = found.setdefault(key, [])
                if len(rows) < most:
                    rows.append(self._row(row))
        except (apsw.Error, UnicodeDecodeError):
            return None
        return _Block(first, last, found)

    def walk(self, first: int, last: int) -> _Walk:
        """Return the rows of all keys between two, one after the other."""
        return _Walk(first, last, self._walked(first, last))

    def _walked(self, first: int, last: int) -> Iterator[tuple[int, Row]]:
        for key, *row in self._connection.execute(self._between, (first, last)):
            if not isinstance(key, int):  # seen where an index leads past the end of a cut file
                raise apsw.CorruptError
            yield key, self._row(row)

    def _query(self, columns: str, keys: int, limit: int | None) -> str:
        marks = ", ".join("?" * keys)
        ordered = f"ORDER BY {self._order}" if self._order else ""
        most = f"LIMIT {limit}" if limit is not None else ""
        return (
            f"SELECT {columns} FROM {self._table} WHERE {self._key} IN ({marks}) "  # noqa: S608
            f"{self._condition} {ordered} {most}"
        )

    def _row(self, row: Sequence[Any]) -> Row:
        return {
            name: value if value.__class__ in _AS_THEY_ARE else self._value(value)
            for name, value in zip(self._columns, row, strict=True)
            if value is not None
        }

    def _value(self, value: Any) -> Json:
        if isinstance(value, bytes):
            return {"base64": base64.b64encode(value).decode()}
        if isinstance(value, float):
            if not math.isfinite(value):
                return {"real": str(value)}  # JSON has no word for it
            self.reals = True
        return value

    def _of_bytes(self, row: Sequence[Any]) -> Row:
        made: Row = {}
        for name, kind, value in zip(self._columns, row[::2], row[1::2], strict=True):
            if kind == "text":
                try:
                    made[name] = value.decode()
                except UnicodeDecodeError:
                    made[name] = {"text_base64": base64.b64encode(value).decode()}
            elif value is not None:
                made[name] = self._value(value)
        return made


_AS_THEY_ARE = frozenset({int, str})
_ROOM = 20
"""Rows of another table for each row of a block, on the average; with more each is asked for by itself."""


@dataclass(frozen=True, slots=True)
class _Block:
    """What was looked up for all rows between two numbers."""

    first: int
    last: int
    rows: Mapping[int, list[Row]]

    def find(self, key: int | str) -> list[Row] | None:
        """Return the rows of a key; None for a key that is not of the block."""
        if not isinstance(key, int) or not self.first <= key <= self.last:
            return None
        return self.rows.get(key, [])


class _Walk:
    """The rows between two numbers, read as they are asked for, in their order."""

    def __init__(self, first: int, last: int, rows: Iterator[tuple[int, Row]]) -> None:
        self._first, self._last = first, last
        self._rows = rows
        self._next: tuple[int, Row] | None = None
        self._damaged = False

    def find(self, key: int | str) -> list[Row] | None:
        """Return the row of a key; None where it was passed already or not met, or the walk broke off."""
        if not isinstance(key, int) or not self._first <= key <= self._last:
            return None
        self._first = key
        while not self._damaged and (self._next is None or self._next[0] < key):
            try:
                self._next = next(self._rows, (self._last + 1, {}))
            except (apsw.Error, UnicodeDecodeError):
                self._damaged = True
        if self._damaged or self._next is None or self._next[0] != key:
            return None
        return [self._next[1]]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# --- opening --------------------------------------------------------------------------------------------


@contextmanager
def opened(file: PackageFile, beside: Beside = ()) -> Iterator[Database]:
    """Open a database of messages.

    Args:
        file: The database.
        beside: Its write-ahead log or rollback journal, where one with content lies beside it.

    Raises:
        ItemError: ``unsupported`` (``schema``), ``corrupt``, ``truncated``, ``unreadable``, or what a zip
            has against it.
    """
    with _connected(file, beside) as (connection, copied, cut, log_unread):
        try:
            database = _database(connection, copied=copied, cut=cut, log_unread=log_unread)
        except apsw.SQLError:
            raise ItemError(Reason.UNSUPPORTED, "schema") from None
        except (apsw.Error, UnicodeDecodeError):
            raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "schema") from None
        yield database


@contextmanager
def plain(file: PackageFile) -> Iterator[apsw.Connection]:
    """Open any other database of a backup, such as its list of files; raises as ``opened`` does."""
    with _connected(file, ()) as (connection, _, _, _):
        yield connection


def is_messages(path: str) -> bool:
    """Say whether a file on disk is a database of messages, by its tables."""
    try:
        with plain(PackageFile("", path)) as connection:
            return set(_NEEDED) <= _tables(connection)
    except (ItemError, apsw.Error, UnicodeDecodeError):
        return False


@contextmanager
def _connected(file: PackageFile, beside: Beside) -> Iterator[tuple[apsw.Connection, bool, bool, bool]]:
    if file.member is None and not beside:
        opening = open_head(file.path, 100)  # a link or a pipe is refused by name
        cut = _is_cut(opening.head, opening.size)
        with closing(_connect(file.path, cut=cut)) as connection:
            yield connection, False, cut, False
        return
    with closing(UnnamedFiles()) as files:
        log_unread = not _copied(files, file, beside)
        cut = _is_cut(*files.head(100))
        with closing(_connect(MAIN, cut=cut, files=files.name)) as connection:
            yield connection, True, cut, log_unread


def _copied(files: UnnamedFiles, file: PackageFile, beside: Beside) -> bool:
    """Copy a database, merged with what lies beside it; False when only the database could be had."""
    files.copy(file)
    for suffix, one in beside:
        files.copy(one, suffix)
    if not beside:
        return True
    try:
        with closing(apsw.Connection(MAIN, vfs=files.name)) as connection:
            connection.execute(
                "PRAGMA locking_mode = EXCLUSIVE"
            ).fetchall()  # the log's index stays in memory
            _guard(connection, cut=False)
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except apsw.Error:
        for suffix, _ in beside:
            files.forget(suffix)
        files.copy(file)
        return False
    return True


def _is_cut(head: bytes, size: int) -> bool:
    """Say whether a file is shorter than its header says (https://www.sqlite.org/fileformat.html, 1.3)."""
    if len(head) < 100 or not head.startswith(MAGIC):
        return False
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    stated = head[24:28] == head[92:96]  # else the count is of an older library and is not kept
    return stated and pages * (65_536 if page == 1 else page) > size


def _connect(path: str, *, cut: bool, files: str | None = None) -> apsw.Connection:
    uri = f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=ro&immutable=1"
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(uri, flags=flags, vfs=files)
    except apsw.Error:
        raise ItemError(Reason.UNREADABLE, "database") from None
    try:
        _guard(connection, cut=cut)
        connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
    except apsw.NotADBError:
        connection.close()
        raise ItemError(Reason.CORRUPT, "not_a_database") from None
    except apsw.Error:
        connection.close()
        raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "schema") from None
    return connection


def _guard(connection: apsw.Connection, *, cut: bool) -> None:
    """Let a file do nothing but give its rows (https://www.sqlite.org/security.html).

    A cut file is refused as a whole unless its schema may be written, which for reading only changes nothing.
    """
    off = (
        apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA,
        apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER,
        apsw.SQLITE_DBCONFIG_ENABLE_VIEW,
        apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION,
    )
    for setting in off:
        connection.config(setting, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0 if cut else 1)
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    if cut:
        connection.config(apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1)
    connection.execute("PRAGMA cell_size_check = ON").fetchall()
    connection.execute("PRAGMA cache_size = -8192").fetchall()


def _tables(connection: apsw.Connection) -> set[str]:
    """Return the names of real tables, in lower case: a view or a virtual table runs code of the file."""
    found = connection.execute(
        "SELECT lower(name) FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name = tbl_name"
    )
    return {name for (name,) in found if isinstance(name, str)}


def _database(connection: apsw.Connection, *, copied: bool, cut: bool, log_unread: bool) -> Database:
    tables = _tables(connection)
    if not set(_NEEDED) <= tables:
        raise ItemError(Reason.UNSUPPORTED, "schema")
    columns = {table: _columns(connection, table) for table in tables}
    for table in {*_NUMBERED} & tables:
        if "rowid" in map(str.casefold, columns[table]) and not _is_number(connection, table):
            raise ItemError(Reason.UNSUPPORTED, "row_number")
    known = {table: set(names) for table, names in columns.items()}
    for table in {*_NUMBERED} & tables:
        connection.execute(f"SELECT ROWID FROM {table} LIMIT 0").fetchall()  # noqa: S608 - fails without numbers
    if not {"guid", "date"} <= known["message"] or "guid" not in known["chat"] or "id" not in known["handle"]:
        raise ItemError(Reason.UNSUPPORTED, "schema")
    select = {
        "message": _Select(connection, "message", columns["message"], "ROWID"),
        "guid": _Select(connection, "message", ("guid",), "ROWID"),
        "chat": _Select(connection, "chat", _there(_CHAT, known["chat"]), "ROWID"),
        "handle": _Select(connection, "handle", _there(_HANDLE, known["handle"]), "ROWID"),
    }
    indexed = True
    listed = MOST_LISTED + 1
    joins = (
        ("chats", "chat_message_join", "message_id", ("chat_id",), listed, True),
        ("deleted", "chat_recoverable_message_join", "message_id", ("chat_id", "delete_date"), listed, False),
        ("people", "chat_handle_join", "chat_id", ("handle_id",), listed, False),
        ("attached", "message_attachment_join", "message_id", ("attachment_id",), MOST_ATTACHMENTS + 1, True),
        ("parts", "recoverable_message_part", "message_id", ("part_index", "delete_date", "part_text"),
         listed, False),
    )  # fmt: skip
    for name, table, key, wanted, most, large in joins:
        there = _there(wanted, known.get(table, set()))
        if there and key in known[table] and not _is_empty(connection, table):
            own = _has_index(connection, table, key)
            indexed &= own or not large
            place = table if own else _indexed_copy(connection, table, key, there)
            select[name] = _Select(connection, place, there, key, order=wanted[0], limit=most)
    if "attachment" in tables:
        there = _there(_ATTACHMENT, known["attachment"])
        select["attachment"] = _Select(connection, "attachment", there, "ROWID")
    if {"associated_message_guid", "associated_message_type"} <= known["message"]:
        there = _there(_REACTION, known["message"])
        key = "associated_message_guid"
        own = _has_index(connection, "message", key)
        indexed &= own
        place = "message" if own else _indexed_copy(connection, "message", key, there)
        kinds = "AND associated_message_type BETWEEN 2000 AND 3999"
        select["reactions"] = _Select(
            connection, place, ("ROWID", key, *there), key, where=kinds, order="ROWID", limit=listed
        )
    unique = _is_unique(connection)
    return Database(connection, copied, cut, log_unread, columns["message"], unique, indexed, select)


def _is_empty(connection: apsw.Connection, table: str) -> bool:
    """Say whether a table has no rows, so that it need not be asked for each message."""
    try:
        return connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is None  # noqa: S608
    except (apsw.CorruptError, apsw.IOError):
        return False  # each message says that this could not be asked


def _there(wanted: Sequence[str], known: set[str]) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in known)


def _columns(connection: apsw.Connection, table: str) -> tuple[str, ...]:
    """Return the stored columns of a table: generated ones are expressions of the file."""
    found = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,))
    return tuple(name for (name,) in found)


def _is_number(connection: apsw.Connection, table: str) -> bool:
    """Say whether the column ``ROWID`` is the row's number (https://www.sqlite.org/lang_createtable.html)."""
    found = connection.execute(
        "SELECT upper(type), pk FROM pragma_table_xinfo(?) WHERE lower(name) = 'rowid'", (table,)
    )
    return found.fetchall() == [("INTEGER", 1)]


def _indexes(connection: apsw.Connection, table: str) -> Iterator[tuple[bool, list[str | None]]]:
    """Yield whether each whole index is unique, and its columns."""
    found = connection.execute('SELECT name, "unique" FROM pragma_index_list(?) WHERE partial = 0', (table,))
    for name, unique in found.fetchall():
        inside = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,))
        yield bool(unique), [column for (column,) in inside]


def _has_index(connection: apsw.Connection, table: str, column: str) -> bool:
    return any(columns[:1] == [column] for _, columns in _indexes(connection, table))


def _is_unique(connection: apsw.Connection) -> bool:
    """Say whether an index has each ``guid`` once and leads to its row: one of another collation does not."""
    if not any(unique and columns == ["guid"] for unique, columns in _indexes(connection, "message")):
        return False
    plan = connection.execute(f"EXPLAIN QUERY PLAN {_ROW_OF}", ("",)).fetchall()
    return any("(guid=?)" in str(step[-1]) for step in plan)


def _indexed_copy(connection: apsw.Connection, table: str, key: str, columns: Sequence[str]) -> str:
    """Copy what a look-up needs of a table without an index into a temporary one that has it."""
    name = f"temp.own_{table}"
    kept = ", ".join(f"{_quoted(column)} AS {_quoted(column)}" for column in dict.fromkeys((key, *columns)))
    try:
        connection.execute(
            f"CREATE TABLE {name} AS SELECT {kept} FROM {table} WHERE {key} IS NOT NULL"  # noqa: S608
        ).fetchall()
    except (apsw.CorruptError, apsw.IOError):
        return table  # slow, and as far as it can be read
    connection.execute(f"CREATE INDEX {name}_by_key ON own_{table}({key})").fetchall()
    return name
