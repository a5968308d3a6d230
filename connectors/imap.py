"""A mailbox of any IMAP server: every folder, subscribed or not, read only.

Folders are opened with EXAMINE and messages fetched with BODY.PEEK, so that nothing is marked as read. The
cursor is the folder's UIDVALIDITY, a day and a UID: while the first stays, a UID never means another message
(RFC 3501 section 2.3.1.1). A folder is read, and cut into parts, by the day of receipt, then by UID: a day
stays what it is when a server numbers its messages anew, and a UID does not.
"""

from __future__ import annotations

import io
import re
import tempfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, TypeVar, cast

from connectors.asking import Refused
from connectors.imap_session import Opened, Session
from connectors.mailhead import MAIL_TYPE, header_end, placed, sent_moment
from connectors.service import ServiceConnector
from records import canonical
from records.errors import CursorExpired, SettingsError
from records.models import (
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
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

if TYPE_CHECKING:
    from imapclient import IMAPClient

T = TypeVar("T")

MAILBOX = "mailbox"
SHARED = "shared_folders"

_LISTED_AT_ONCE = 1_000
_ASKED_AT_ONCE = 200
_PIECE = 4 << 20
"""Bytes of a message that are asked for at once; a larger one comes in pieces."""

_CURSOR = re.compile(r"i1:(\d+):(\d+):(\d+)")
_NOT_FOLDERS = frozenset({b"\\noselect", b"\\nonexistent"})
_HEADER = "BODY.PEEK[HEADER.FIELDS (DATE)]"
_HEADER_KEY = b"BODY[HEADER.FIELDS (DATE)]"
_DAY_BITS = 32


class Imap(ServiceConnector):
    """One mailbox."""

    name: ClassVar[str] = "imap"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "every folder of a mailbox, subscribed or not, with sub-folders: messages as the server has them",
        "flags, the server's own time of receipt, drafts, messages marked as deleted and still there",
        "folders that others share with the account, where `shared_folders` is asked for",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what IMAP does not show: expunged messages, archive mailboxes, recoverable items, holds",
        "calendars, contacts and tasks that a server shows as no mail folder",
        "labels: a message with three labels is in three folders, so it is three items",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "Dovecot 2.3.19 (Debian 12): LOGIN, PLAIN, OAUTHBEARER, XOAUTH2; TLS, STARTTLS",
    )
    places: ClassVar[tuple[str, ...]] = (MAILBOX, SHARED)
    usual_places: ClassVar[tuple[str, ...]] = (MAILBOX,)

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        super().__init__(context)
        self._made: Session | None = None
        self._id_field: str | None = None

    @property
    def _session(self) -> Session:
        if self._made is None:
            self._made = Session(self._context.source_id, self._connection, self._context.account)
        return self._made

    def check(self) -> None:
        """Sign in.

        Raises:
            AccessError: The server refuses login, password, token or certificate.
            SettingsError: The connection lacks something.
            Retryable: The server is busy or away.
        """
        self._session.capabilities()

    def scopes(self) -> Iterator[Scope]:
        """List the folders that can be opened, by name as the server has it."""
        for folder in self._folders():
            if folder.left is None:
                yield folder.scope

    def unreached(self) -> Iterator[Unreached]:
        """List folders that are not asked for, and folders that the server does not let us open."""
        for folder in self._folders():
            if folder.left is not None:
                scope = folder.scope
                yield Unreached(scope.key, scope.label, scope.kind, folder.left, folder.detail)

    def count(self, scope: Scope) -> Expected:
        """Return what STATUS says (RFC 3501 section 6.3.10).

        Raises:
            ItemError: The folder is gone, or refused.
        """
        folder = _raw(scope)
        found = self._folder_asked(
            folder, lambda: self._session.ask(lambda client: client.folder_status(folder, ["MESSAGES"]))
        )
        return Expected(int(found[b"MESSAGES"]), "IMAP STATUS")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a folder between two days.

        Raises:
            ItemError: The folder cannot be opened.
        """
        per_day: dict[int, list[int]] = {}
        folder = _raw(scope)
        for place, size in zip(*self._listed(folder, self._opened(folder)), strict=True):
            about = per_day.setdefault(place >> _DAY_BITS, [0, 0])
            about[0] += 1
            about[1] += size
        cuts: list[tuple[int, int, int]] = []
        first, items, size = 0, 0, 0
        for day in sorted(per_day):
            more, larger = per_day[day]
            if items and (items + more > max_items or size + larger > max_bytes):
                cuts.append((first, items, size))
                first, items, size = day, 0, 0
            items, size = items + more, size + larger
        cuts.append((first, items, size))
        for number, (first, items, size) in enumerate(cuts):
            before = cuts[number + 1][0] if number + 1 < len(cuts) else None
            spec = canonical.dumps({"v": 1, "first": first, "before": before}) if len(cuts) > 1 else ""
            yield Part(scope, number, spec, items, size)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages of a part by the day they were received, then by UID.

        Raises:
            CursorExpired: The folder's messages have other numbers now.
            ItemError: The folder cannot be opened, or was numbered anew while it was read.
            Retryable: The server is busy or away.
        """
        folder = _raw(part.scope)
        first, before = _days(part)
        opened = self._opened(folder)
        after = _read_cursor(cursor, opened)
        start = max(after + 1, first << _DAY_BITS)
        end = before << _DAY_BITS if before is not None else None
        listed, _ = self._listed(folder, opened)
        places = iter(sorted(place for place in listed if start <= place and (end is None or place < end)))
        while chunk := list(islice(places, _ASKED_AT_ONCE)):
            uids = [place & (1 << _DAY_BITS) - 1 for place in chunk]
            about = self._about(folder, opened, uids)
            for place, uid in zip(chunk, uids, strict=True):
                mark = f"i1:{opened.validity}:{place >> _DAY_BITS}:{uid}"
                here = _Place(folder, opened.validity, uid, part.scope.label)
                yield self._message(here, about.get(uid), window, mark)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a message's bytes; one of more than 4 MB comes in pieces.

        Raises:
            ItemError: It was removed meanwhile, or the server refuses it.
            Retryable: The server is busy or away.
        """
        place = cast("_Place", item.handle)
        if (item.size_bytes or 0) <= _PIECE:
            return io.BytesIO(self._body(place, "BODY.PEEK[]", b"BODY[]"))
        out = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
        try:
            # A piece may be shorter than was asked for: only an empty one is the end.
            while data := self._piece(place, out.tell()):
                out.write(data)
            out.seek(0)
        except BaseException:
            out.close()
            raise
        return out

    def close(self) -> None:
        """End the connection."""
        if self._made is not None:
            self._made.close()

    def _piece(self, place: _Place, at: int) -> bytes:
        return self._body(place, f"BODY.PEEK[]<{at}.{_PIECE}>", f"BODY[]<{at}>".encode())

    def _body(self, place: _Place, asked: str, key: bytes) -> bytes:
        found = self._session.ask(
            lambda client: client.fetch([place.uid], [asked]), place.folder, place.validity
        )
        if place.uid not in found:
            raise Refused(Reason.REFUSED_BY_SOURCE, "gone")
        data = found[place.uid].get(key)
        if data is None and "<" not in asked:  # RFC 2180 section 4.1.3: it was expunged
            raise Refused(Reason.REFUSED_BY_SOURCE, "gone")
        return b"" if data is None else _body_bytes(data)

    def _opened(self, folder: bytes) -> Opened:
        return self._folder_asked(folder, lambda: self._session.opened(folder))

    def _folder_asked(self, folder: bytes, ask: Callable[[], T]) -> T:
        """Ask about a folder; tell one that is gone from one that is refused, whatever code there is."""
        try:
            return ask()
        except Refused as error:
            if error.detail != "imap_no" or self._session.ask(partial(_is_listed, folder=folder)):
                raise
            raise Refused(Reason.UNREADABLE, "scope_gone") from None

    def _folders(self) -> Iterator[_Folder]:
        """List all folders, by name."""
        shared = self._session.ask(_shared_prefixes)
        names = self._session.ask(lambda client: _listing(client, shared))
        if self._wants(MAILBOX) and not any(name.upper() == b"INBOX" for name in names):
            # Every mailbox has one (RFC 3501 section 5.1): the login may not see the mailbox.
            yield _Folder(Scope("INBOX", "INBOX", "folder"), Reach.REFUSED, "not_listed")
        for name in sorted(names):
            scope = Scope(name.decode("latin-1"), _decoded(name), "folder")
            place = SHARED if name.startswith(shared) else MAILBOX
            if not self._wants(place):
                yield _Folder(scope, Reach.NOT_ASKED, place)
                continue
            try:
                self.count(scope)
            except Refused as error:
                yield _Folder(scope, Reach.REFUSED, error.detail)
                continue
            yield _Folder(scope, None, "")

    def _listed(self, folder: bytes, opened: Opened) -> tuple[array[int], array[int]]:
        """List every message of a folder: its place (day and UID in one number), and its size.

        By message numbers: no message may lose its number while nothing but FETCH is asked (RFC 3501 section
        7.4.1), and a folder of a million costs no line that is longer than a server takes. Where the
        connection broke meanwhile, and the folder was opened anew, they may be others: it is listed again.
        """
        while True:
            places, sizes, seen = array("Q"), array("Q"), 0
            before = self._session.selected
            while seen < opened.exists:
                numbers = list(range(seen + 1, min(seen + _LISTED_AT_ONCE, opened.exists) + 1))
                command = partial(_numbered, numbers=numbers)
                for about in self._session.ask(command, folder, opened.validity).values():
                    places.append(_day(about.get(b"INTERNALDATE")) << _DAY_BITS | int(about[b"UID"]))
                    sizes.append(int(about.get(b"RFC822.SIZE", 0)))
                seen = numbers[-1]
            if self._session.selected is before:
                return places, sizes
            opened = self._opened(folder)

    def _about(self, folder: bytes, opened: Opened, uids: list[int]) -> Mapping[int, Mapping[bytes, Any]]:
        """Return what is known of messages, by UID; one that was removed meanwhile is not in it."""
        fields = ["FLAGS", "INTERNALDATE", "RFC822.SIZE", _HEADER]
        if stable := self._stable_id():
            fields.append(stable)
        return cast(
            "Mapping[int, Mapping[bytes, Any]]",
            self._session.ask(lambda client: client.fetch(uids, fields), folder, opened.validity),
        )

    def _stable_id(self) -> str:
        """Return the field of a message's own id, which outlives UIDVALIDITY; empty for none."""
        if self._id_field is None:
            self._id_field = self._session.ask(_id_field)
        return self._id_field

    def _message(
        self, place: _Place, about: Mapping[bytes, Any] | None, window: Window, cursor: str
    ) -> Yielded:
        key = f"{place.validity}.{place.uid}"
        if about is None or _HEADER_KEY not in about:
            return FailedItem(key, Kind.EMAIL, cursor, Reason.REFUSED_BY_SOURCE, "gone")
        key = _text(about.get(self._stable_id().encode())) or key
        head = about[_HEADER_KEY] or b""
        moment = sent_moment(head, header_end(head), self._context.time_zone)
        received = about.get(b"INTERNALDATE")
        outside, codes = placed(moment, window, dated=True)
        if outside or (moment.at is None and _was_there_before(window, received)):
            return ExcludedItem(key, Kind.EMAIL, cursor, Reason.OUTSIDE_WINDOW, "", None, moment)
        flags = [flag.decode("utf-8", "replace") for flag in about.get(b"FLAGS", ())]
        flags = sorted(
            flag for flag in flags if flag.lower() != "\\recent"
        )  # of the session, not the message
        metadata = {"folder": place.label, "uid": str(place.uid), "uid_validity": str(place.validity)}
        if flags:
            metadata["flags"] = " ".join(flags)
        if received is not None:
            metadata["received_at"] = received.isoformat()
        marks = {flag.lower() for flag in flags}
        warnings = (*((WarningCode.DRAFT,) if "\\draft" in marks else ()),
                    *((WarningCode.DELETED,) if "\\deleted" in marks else ()))  # fmt: skip
        size = about.get(b"RFC822.SIZE")
        return FoundItem(
            key, Kind.EMAIL, cursor, None, MAIL_TYPE, size, moment, metadata, (*warnings, *codes), place
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message is."""

    folder: bytes
    validity: int
    uid: int
    label: str


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder; ``left`` says why it is not read, None for one that is."""

    scope: Scope
    left: Reach | None
    detail: str


def _raw(scope: Scope) -> bytes:
    return scope.key.encode("latin-1")


def _decoded(name: bytes) -> str:
    """Return a folder's name as people see it (RFC 3501 section 5.1.3: modified UTF-7)."""
    from imapclient.imap_utf7 import decode

    try:
        return str(decode(name))
    except (UnicodeError, ValueError):
        return name.decode("utf-8", "backslashreplace")


def _days(part: Part) -> tuple[int, int | None]:
    if not part.spec:
        return 0, None
    stated = canonical.loads(part.spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a folder was cut by another version; plan the run again")
    return stated["first"], stated["before"]


def _read_cursor(cursor: str | None, opened: Opened) -> int:
    """Return the place after which to go on.

    Raises:
        CursorExpired: The numbers are not those of the folder as it is now.
    """
    if cursor is None:
        return -1
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[1]) != opened.validity:
        raise CursorExpired("the folder's messages have other numbers now")
    return int(found[2]) << _DAY_BITS | int(found[3])


def _shared_prefixes(client: IMAPClient) -> tuple[bytes, ...]:
    """Return what the names of folders of others begin with (RFC 2342)."""
    if not client.has_capability("NAMESPACE"):
        return ()
    spaces = client.namespace()
    prefixes = [_bytes(prefix) for space in (spaces.other, spaces.shared) for prefix, _ in space or ()]
    return tuple(prefix for prefix in prefixes if prefix)


def _listing(client: IMAPClient, shared: tuple[bytes, ...]) -> set[bytes]:
    """Return all names by LIST, which asks for no subscription (RFC 3501 section 6.3.8)."""
    names: set[bytes] = set()
    for prefix in (b"", *shared):  # a server need not show other people's folders beside one's own
        for flags, _, name in client.list_folders(prefix, b"*"):
            if not _NOT_FOLDERS & {flag.lower() for flag in flags}:
                names.add(_bytes(name))
    return names


def _is_listed(client: IMAPClient, folder: bytes) -> bool:
    return any(_bytes(name) == folder for _, _, name in client.list_folders(b"", folder))


def _numbered(client: IMAPClient, numbers: list[int]) -> Mapping[int, Mapping[bytes, Any]]:
    client.use_uid = False
    try:
        found = client.fetch(numbers, ["UID", "INTERNALDATE", "RFC822.SIZE"])
    finally:
        client.use_uid = True
    return {number: about for number, about in found.items() if b"UID" in about}


def _id_field(client: IMAPClient) -> str:
    """Return the name of a stable id: RFC 8474, Gmail's, Dovecot's; empty when there is none."""
    if client.has_capability("OBJECTID"):
        return "EMAILID"
    if client.has_capability("X-GM-EXT-1"):
        return "X-GM-MSGID"
    if client.has_capability("ID"):
        about = client.id_({"name": "daylight"})
        if about and about[0] and b"Dovecot" in about[0]:
            return "X-GUID"
    return ""


def _day(received: datetime | None) -> int:
    """Return the day of receipt as a number; 0 for a time that the server does not tell."""
    return received.astimezone(UTC).toordinal() if received is not None else 0


def _was_there_before(window: Window, received: datetime | None) -> bool:
    """Say whether a message without a date was surely there before the window began.

    A time of receipt after the window says nothing: a migrated mailbox has that of its migration.
    """
    if received is None or window.first is None:
        return False
    moment = Moment(received.astimezone(UTC), "", Basis.STATED)
    return placed(moment, Window(window.first, None, window.zone), dated=False)[0]


def _body_bytes(value: object) -> bytes:
    """Return a body; the library makes a number of one that is all digits."""
    return value if isinstance(value, bytes) else str(value).encode("ascii")


def _bytes(name: bytes | str) -> bytes:
    return name if isinstance(name, bytes) else name.encode("utf-8")


def _text(value: object) -> str:
    """Return an id; RFC 8474 puts it in brackets."""
    if isinstance(value, tuple):
        value = value[0] if value else None
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    return "" if value is None else str(value)
