"""A mailbox through Exchange Web Services: Exchange Server, and Exchange Online where still allowed.

How a folder is listed, and why so:

- ``FindItem`` in order of creation, not ``SyncFolderItems``: a sync state is new only when a whole round is
  over, is thousands of characters long, knows no order and no range of time, so that a killed run began
  again and a large folder could not be shared out. The time a store made an item never changes, every kind
  of item has it, and what is new comes last.
- Ids are in no order that a server knows, so items of one second are put in order of id here. A cursor is
  that second and id: small, free of tokens, never too old. What is new or changed in a later round is seen
  by the change key that is kept with every item.
- Pages go by offset, since each new restriction makes the server build a view of the folder. The last item
  of a page is asked for again as the first of the next: when it is not there, something before it was moved
  away or deleted, and the list is begun anew from the second that is known.
"""

from __future__ import annotations

import io
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, ClassVar
from urllib.parse import urlsplit

from connectors.asking import Denied, Refused
from connectors.graph_mail import instant, message_time
from connectors.item_classes import of_item_class
from connectors.mailhead import placed
from connectors.microsoft import Tokens
from connectors.places import why_refused
from connectors.service import ADDRESS, ServiceConnector
from records.errors import AccessError, CursorExpired, DaylightError, ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import Place, place_in
from records.vocabulary import Kind, Reach, Reason, WarningCode

if TYPE_CHECKING:
    from connectors.ews_client import Exchange, Exchanges, Login, Page
    from connectors.ews_services import Entry, FolderFacts

ONLINE = "https://outlook.office365.com/EWS/Exchange.asmx"
_AHEAD, _AHEAD_BYTES, _LARGE_BYTES = 50, 8 << 20, 4 << 20
"""Items fetched with one request, their bytes together, and the size from which an item is fetched alone."""

_GROUPS = 3
"""Requests for bytes under way at one time while a group of items is stored; at most 8 MB each."""

_PATIENCE_S = 900.0
"""A mailbox that has used its time up is shut for five minutes
(https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange)."""

_RESEEKS = 4
_CURSOR = "c1:"
_AT_ONCE = 8

_LABELS = {
    "primary": "Mailbox",
    "recoverable": "Recoverable items",
    "archive": "Archive mailbox",
    "hidden": "Folders that programs keep beside those people see",
    "public_folders": "Public folders",
}
_ROOTS = {
    "primary": ("msgfolderroot",),
    "recoverable": ("recoverableitemsroot",),
    "archive": ("archivemsgfolderroot", "archiverecoverableitemsroot"),
    "hidden": ("root",),
    "public_folders": ("publicfoldersroot",),
}
"""Well-known folders that each place begins at
(https://learn.microsoft.com/exchange/client-developer/web-service-reference/distinguishedfolderid)."""

_ABOVE = {
    "recoverableitemsroot": "Recoverable Items",
    "archivemsgfolderroot": "Archive",
    "archiverecoverableitemsroot": "Archive/Recoverable Items",
    "publicfoldersroot": "Public Folders",
}
_NONE_THERE = frozenset({"ErrorFolderNotFound", "ErrorItemNotFound", "ErrorArchiveMailboxNotEnabled"})


@dataclass(frozen=True, slots=True)
class _Range:
    """Items created at ``first`` or later and before ``until``; empty for no bound."""

    first: str = ""
    until: str = ""


class ExchangeEws(ServiceConnector):
    """One mailbox."""

    name: ClassVar[str] = "exchange_ews"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "every folder of the mailbox: mail, calendars, contacts, tasks, notes",
        "recoverable items with all below: Deletions, Purges, Versions, DiscoveryHolds, SubstrateHolds",
        "the archive mailbox and its own recoverable items",
        "on request: folders that programs keep (Teams copies among them), and public folders",
        "shared and room mailboxes: by their address in `account`",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "Exchange Online where Web Services are switched off, as they all are by 1 April 2027",
        "inactive mailboxes and further parts of an auto-expanding archive: take them from Purview",
        "what only the mail store knows (Bcc of received mail, voting): MIME made by the server lacks it",
        "tasks, notes and groups that the server cannot make into MIME: failed, `not_convertible`",
        "changed instances of a series beyond what the server writes into its iCalendar form",
        "files that mail only links to; permissions, rules, search folders",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "a fake that follows Microsoft's published reference; no Exchange has been reached yet",
    )
    places: ClassVar[tuple[str, ...]] = tuple(_ROOTS)
    usual_places: ClassVar[tuple[str, ...]] = ("primary", "recoverable", "archive")
    account_form: ClassVar[re.Pattern[str]] = ADDRESS

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        super().__init__(context)
        self._refused: dict[str, str] | None = None

    def check(self) -> None:
        """Prove that the first folder of each place can be seen.

        Raises:
            AccessError: The server, the mailbox or a place that the request file names is refused; the
                message says what to do.
            SettingsError: The connection lacks something.
            Retryable: The server is busy or away.
        """
        self.barred = {}
        for place in self._wanted():
            try:
                for root in _ROOTS[place]:
                    self._exchange.folder(root, named=True)
            except (Denied, Refused) as error:
                if isinstance(error, Denied) or self._must(place):
                    raise self._not_given(place, error) from None
                if not (place == "archive" and error.code in _NONE_THERE):
                    self.barred[place] = why_refused(self._not_given(place, error), self._context)

    def scopes(self) -> Iterator[Scope]:
        """List the folders, place by place, each before those below it.

        Raises:
            AccessError: As in ``check``.
            Retryable: As in ``check``.
        """
        refused: dict[str, str] = {}
        for place in self._wanted():
            try:
                yield from list(self._of_place(place))
            except Refused as error:
                if self._must(place):
                    raise self._not_given(place, error) from None
                if not (place == "archive" and error.code in _NONE_THERE):
                    refused[place] = why_refused(self._not_given(place, error), self._context)
        self._refused = refused

    def unreached(self) -> Iterator[Unreached]:
        """List what is not read: not asked for, refused, or not to be had by this route."""
        if self._refused is None:
            for _ in self.scopes():
                pass
        refused = self._refused or {}
        for place, label in _LABELS.items():
            if not self._wants(place):
                yield Unreached(place, label, "place", Reach.NOT_ASKED)
            elif place in refused:
                yield Unreached(place, label, "place", Reach.REFUSED, refused[place])
        if self._is_online:
            yield Unreached(
                "auxiliary_archives", "Further parts of an auto-expanding archive", "mailbox",
                Reach.NOT_BY_THIS_ROUTE, "auxiliary_archives",
            )  # fmt: skip

    def count(self, scope: Scope) -> Expected:
        """Return the folder's own figure.

        Raises:
            ItemError: The folder is gone.
        """
        return Expected(self._facts(scope).total, "TotalCount of the folder")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a large folder into ranges of time of creation, with one look a cut.

        Raises:
            ItemError: The folder is gone.
        """
        facts = self._facts(scope)
        step = max_items
        if facts.size_bytes and facts.size_bytes > max_bytes:
            step = min(step, max(1, facts.total * max_bytes // facts.size_bytes))
        if facts.total <= step:
            yield Part(scope, 0, "", facts.total, facts.size_bytes)
            return
        first, number = "", 0
        # The first is half as large: two workers that share a limit then read what they have in turn, and one
        # goes on asking meanwhile.
        for offset in range(-(-step // 2), facts.total, step):
            page = self._page(facts.key, _Range(), offset, 1)
            cut = page.entries[0].created if page.entries else ""
            if cut > first:  # items of one second are never parted
                yield Part(scope, number, _spec(_Range(first, cut)))
                first, number = cut, number + 1
        yield Part(scope, number, _spec(_Range(first)) if number else "")

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the items, by time of creation and then by id.

        Raises:
            AccessError: The mailbox is refused by now; nothing is lost by running again.
            CursorExpired: The cursor is of another version.
            ItemError: The folder is gone, or broke off.
            Retryable: The server is busy or away.
        """
        exchanges = self._exchanges
        groups = self._groups(part, window, _read(cursor), exchanges)
        return _ahead(groups, exchanges.heed)

    def _groups(
        self, part: Part, window: Window, after: tuple[str, str], exchanges: Exchanges
    ) -> Iterator[tuple[_Ahead, list[Yielded]]]:
        """Yield the items in groups whose bytes are asked for together; what broke off is raised last."""
        listed = self._listed(part.scope.key.partition("/")[2], _range(part.spec), after)
        failure: DaylightError | None = None
        while failure is None:
            ahead, found = _Ahead(exchanges), []
            try:
                for entry in islice(listed, _AHEAD):
                    found.append(_item(entry, part.scope, window, ahead))  # noqa: PERF401 - see below
            except DaylightError as error:  # what was listed before it is kept
                failure = error
            if found:
                yield ahead, found
            if len(found) < _AHEAD:
                break
        if failure is not None:
            raise failure

    def open(self, item: FoundItem) -> BinaryIO:
        """Return what the server makes of an item: MIME, iCalendar or vCard; all of it has been received.

        Raises:
            ItemError: The item is gone, corrupt or cannot be converted.
        """
        ahead: _Ahead = item.handle
        return ahead.take(item.native_key)

    # -- listing ------------------------------------------------------------------------------------------

    def _listed(self, folder: str, span: _Range, after: tuple[str, str]) -> Iterator[Entry]:
        """Yield the items of a folder after a place, in order."""
        idle = 0
        while idle < _RESEEKS:
            before = after
            for entry in self._from(folder, _Range(max(span.first, after[0]), span.until)):
                if entry is None:
                    return
                if entry.place > after:
                    yield entry
                    after = entry.place
            idle = 0 if after > before else idle + 1
        raise ItemError(Reason.UNREADABLE, "folder_changes")

    def _from(self, folder: str, span: _Range) -> Iterator[Entry | None]:
        """Yield items from a time on, in order; None at the end, and nothing more when the list has moved."""
        second: list[Entry] = []  # of the last one seen: the next page may hold more of it
        offset, last = 0, ""
        while True:
            page = self._page(folder, span, offset)
            fresh = page.entries
            if last:
                if not fresh or fresh[0].key != last:
                    return
                fresh = fresh[1:]
            for entry in fresh:
                if second and entry.created != second[0].created:
                    if entry.created < second[0].created:
                        return
                    yield from sorted(second, key=lambda one: one.place)
                    second = []
                second.append(entry)
            if page.last:
                yield from sorted(second, key=lambda one: one.place)
                yield None
                return
            if not fresh:
                return
            last = fresh[-1].key
            offset += len(page.entries) - 1

    def _page(self, folder: str, span: _Range, offset: int, count: int = 0) -> Page:
        try:
            return self._exchange.page(folder, span.first, span.until, offset, count)
        except Refused as error:
            raise _of_scope(error) from None

    # -- places -------------------------------------------------------------------------------------------

    def _of_place(self, place: str) -> Iterator[Scope]:
        for name in _ROOTS[place]:
            root = self._exchange.folder(name, named=True)
            found = self._below(root) if place == "public_folders" else self._exchange.folders(root)
            if place == "hidden":
                found = self._beside(found)
            above = _ABOVE.get(name, "")
            yield Scope(f"{place}/{root.key}", above or root.name, "folder")
            yield from (Scope(f"{place}/{key}", label, "folder") for label, key in _paths(found, above))

    def _below(self, above: FolderFacts) -> list[FolderFacts]:
        """Walk down the public folders, one level at a time."""
        found = []
        waiting = [above]
        while waiting:
            for folder in self._exchange.folders(waiting.pop(), deep=False):
                found.append(folder)
                if folder.below:
                    waiting.append(folder)
        return found

    def _beside(self, found: list[FolderFacts]) -> list[FolderFacts]:
        """Return the folders that are neither people's nor those of recoverable items."""
        others = {
            self._exchange.folder(name, named=True).key for name in ("msgfolderroot", "recoverableitemsroot")
        }
        parents = {folder.key: folder.parent for folder in found}

        def known(key: str) -> bool:
            return key in others or (key in parents and known(parents[key]))

        return [folder for folder in found if not known(folder.key)]

    def _facts(self, scope: Scope) -> FolderFacts:
        try:
            return self._exchange.folder(scope.key.partition("/")[2])
        except Refused as error:
            raise _of_scope(error) from None

    def _wanted(self) -> list[str]:
        return [place for place in _ROOTS if self._wants(place)]

    def _must(self, place: str) -> bool:
        """Tell whether a refusal of a place stops the source."""
        return place in self._context.places or place == "primary"

    def _not_given(self, place: str, error: Denied | Refused) -> AccessError:
        if isinstance(error, Denied):
            return error
        remedy = "the mailbox has none" if error.code in _NONE_THERE else "the right to read it is missing"
        return AccessError(
            f"{self._where}: the server does not give "
            f"`{place}` ({error.code or error.detail}): {remedy}; grant it, or leave it out in `places`"
        )

    # -- the connection -----------------------------------------------------------------------------------

    @property
    def _is_online(self) -> bool:
        return "tenant" in self._connection.extra

    @cached_property
    def _exchange(self) -> Exchange:
        from connectors.ews_client import Exchange

        return Exchange(self._login)

    @cached_property
    def _exchanges(self) -> Exchanges:
        from connectors.ews_client import Exchanges

        return Exchanges(self._login)

    @cached_property
    def _login(self) -> Login:
        from connectors.ews_client import Login, endpoint

        connection = self._connection
        if not (connection.host or self._is_online):
            raise self._wrong("needs `host`, the address that Get-WebServicesVirtualDirectory shows")
        try:
            address = endpoint(connection.host or ONLINE)
        except ValueError:
            raise self._wrong("`host` is no https address") from None
        if not connection.login:
            raise self._wrong("lacks `login`")
        origin = urlsplit(address)
        scope = self._setting("scope", f"{origin.scheme}://{origin.netloc}/.default")
        return Login(
            where=self._where,
            endpoint=address,
            mailbox=self._context.account,
            tokens=Tokens(self._context.source_id, connection, scope) if self._is_online else None,
            user=connection.login,
            secret=connection.secret,
            basic=self._one_of("auth", ("ntlm", "basic")) == "basic",
            delegate=self._one_of("access", ("impersonation", "delegate")) == "delegate",
            patience_s=self._number("patience_s", _PATIENCE_S),
            at_once=int(self._number("requests_at_once", _AT_ONCE)),
        )

    def _one_of(self, name: str, known: tuple[str, ...]) -> str:
        stated = self._setting(name, known[0])
        if stated not in known:
            raise self._wrong(f"`{name}` in extra is none of {', '.join(known)}")
        return stated

    def _number(self, name: str, default: float) -> float:
        try:
            return float(self._setting(name, str(default)))
        except ValueError:
            raise self._wrong(f"`{name}` in extra is no number") from None

    def _wrong(self, what: str) -> SettingsError:
        return SettingsError(f"{self._where}: {what}")

    @property
    def _where(self) -> str:
        return f"source {self._context.source_id}: connection {self._connection.id}"


@dataclass(slots=True)
class _Ahead:
    """Fetches the bytes of some items of a list together: a request takes far longer than an item.

    Attributes:
        exchanges: Where.
        sizes: Of the items that are to be had, in order, as the store counts them.
        held: Bytes that were fetched and not yet taken, or why there are none.
        asked: Bytes were taken.
        coming: The first of them, on their way.
    """

    exchanges: Exchanges
    sizes: dict[str, int] = field(default_factory=dict)
    held: dict[str, bytes | Refused] = field(default_factory=dict)
    asked: bool = False
    coming: Future[dict[str, bytes | Refused]] | None = None

    def start(self, threads: ThreadPoolExecutor) -> None:
        """Ask for the first bytes; harmless when that was done."""
        first = next((key for key, size in self.sizes.items() if size <= _LARGE_BYTES), None)
        if not self.asked and self.coming is None and first is not None:
            self.coming = threads.submit(self._fetched, first)

    def drop(self) -> None:
        """Let go of what was not taken."""
        self.held = {}
        coming, self.coming = self.coming, None
        if coming is not None:
            coming.cancel()

    def take(self, key: str) -> BinaryIO:
        """Return the bytes of one item.

        Raises:
            ItemError: They cannot be had.
        """
        self.asked = True
        if self.sizes.get(key, 0) > _LARGE_BYTES:
            with self.exchanges.one() as exchange:
                return exchange.stream(key)
        coming, self.coming = self.coming, None
        if coming is not None:
            self.held = coming.result()
        if key not in self.held:
            self.held = self._fetched(key)
        found = self.held.pop(key)
        if isinstance(found, Refused):
            raise found
        return io.BytesIO(found)

    def _fetched(self, key: str) -> dict[str, bytes | Refused]:
        together = self._together(key)
        with self.exchanges.one() as exchange:
            try:
                return dict(zip(together, exchange.mime(together), strict=True))
            except Refused as error:
                if len(together) == 1:
                    return {key: error}
            try:  # one of the others may be what breaks the answer
                return {key: exchange.mime([key])[0]}
            except Refused as error:
                return {key: error}

    def _together(self, key: str) -> list[str]:
        """Return an item and those after it, as many as fit into one answer."""
        chosen: list[str] = []
        total = 0
        keys = list(self.sizes)
        for other in keys[keys.index(key) :]:
            size = self.sizes[other]
            total += size
            if chosen and (size > _LARGE_BYTES or total > _AHEAD_BYTES):
                break
            chosen.append(other)
        return chosen


def _ahead(
    groups: Iterator[tuple[_Ahead, list[Yielded]]], heed: Callable[[threading.Event], None]
) -> Iterator[Yielded]:
    """Yield the items of groups; once bytes of one were taken, those of the next few are asked for.

    A caller that only lists takes none, and so costs nothing.

    Args:
        groups: In order.
        heed: Called in each thread: its waiting ends when the event is set, once nobody draws any more.
    """
    waiting: deque[tuple[_Ahead, list[Yielded]]] = deque()
    failure: Exception | None = None
    over = threading.Event()
    threads = ThreadPoolExecutor(_GROUPS, thread_name_prefix="ahead", initializer=heed, initargs=(over,))
    taken = False
    try:
        while True:
            while failure is None and len(waiting) < (_GROUPS if taken else 1):
                try:
                    waiting.append(next(groups))
                except Exception as error:  # noqa: BLE001 - raised below, when its turn has come
                    failure = error
                    break
                if taken:
                    waiting[-1][0].start(threads)
            if not waiting:
                if failure is None or isinstance(failure, StopIteration):
                    return
                raise failure
            ahead, found = waiting[0]
            yield from found
            waiting.popleft()
            ahead.drop()
            taken = ahead.asked
    finally:
        for ahead, _ in waiting:
            ahead.drop()
        over.set()
        threads.shutdown(wait=False, cancel_futures=True)


def _item(entry: Entry, scope: Scope, window: Window, ahead: _Ahead) -> Yielded:
    facts = entry.facts
    stated = facts.get("ItemClass", "")
    kind, media_type = of_item_class(stated)
    cursor = f"{_CURSOR}{entry.created}|{entry.key}"
    outside, moment, warnings = _time(kind, facts, window)
    if outside:
        return ExcludedItem(entry.key, kind, cursor, Reason.OUTSIDE_WINDOW, moment=moment)
    draft = facts.get("IsDraft") == "true" and kind is Kind.EMAIL
    flags = [
        name for name, is_set in (("draft", draft), ("unread", facts.get("IsRead") == "false")) if is_set
    ]
    about = {
        "folder": scope.label,
        "change": facts.get("ChangeKey", ""),
        "labels": "; ".join(entry.categories),
        "flags": " ".join(flags),
        "received": facts.get("DateTimeReceived", ""),
        "item_class": stated,
    }
    if kind in {Kind.EVENT, Kind.CONTACT}:
        warnings = (*warnings, WarningCode.CONVERTED)
    if draft:
        warnings = (WarningCode.DRAFT, *warnings)
    ahead.sizes[entry.key] = int(facts.get("Size", "0"))
    return FoundItem(
        native_key=entry.key,
        kind=kind,
        cursor=cursor,
        media_type=media_type,
        moment=moment,
        metadata={name: value for name, value in about.items() if value},
        warnings=warnings,
        handle=ahead,
    )


def _time(
    kind: Kind, facts: Mapping[str, str], window: Window
) -> tuple[bool, Moment, tuple[WarningCode, ...]]:
    """Say whether an item is surely outside the window, its time, and what a reader must know of it."""
    if kind is Kind.EVENT:
        return (*_event_time(facts, window), ())
    if kind in {Kind.EMAIL, Kind.CHAT, Kind.POST}:
        times = {"sentDateTime": facts.get("DateTimeSent"), "receivedDateTime": facts.get("DateTimeReceived")}
        return message_time(times, window)
    return (*(False, NO_MOMENT), placed(NO_MOMENT, window, dated=False)[1])


def _event_time(facts: Mapping[str, str], window: Window) -> tuple[bool, Moment]:
    """Say whether an event is surely outside the window, and when it begins.

    A list does not tell when a series ends: one is outside only when it begins after the window.
    """
    start, end = instant(facts.get("Start")), instant(facts.get("End"))
    if start.at is None:
        return False, start
    if place_in(Window(None, window.last, window.zone), start) is Place.OUTSIDE:
        return True, start
    series = facts.get("CalendarItemType") == "RecurringMaster"
    last = end if end.at is not None else start
    ended = place_in(Window(window.first, None, window.zone), last) is Place.OUTSIDE
    return ended and not series, start


def _paths(found: list[FolderFacts], above: str) -> list[tuple[str, str]]:
    """Return path and id of folders, each before those below it; search folders show items of others."""
    by_key = {folder.key: folder for folder in found}

    def path(folder: FolderFacts) -> tuple[str, ...]:
        parent = by_key.get(folder.parent)
        return (*((above,) if parent is None else path(parent)), folder.name)

    paths = sorted((path(folder), folder.key) for folder in found if not folder.search)
    return [("/".join(filter(None, names)), key) for names, key in paths]


def _of_scope(error: Refused) -> ItemError:
    """Return what a refusal of a whole folder means; a passing one is tried again in a later run."""
    if error.detail == "gone":
        return ItemError(Reason.UNREADABLE, "scope_gone")
    return error


def _spec(span: _Range) -> str:
    return json.dumps({"v": 1, "first": span.first, "until": span.until})


def _range(spec: str) -> _Range:
    if not spec:
        return _Range()
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a mailbox folder was cut by another version; plan the run again")
    return _Range(stated["first"], stated["until"])


def _read(cursor: str | None) -> tuple[str, str]:
    """Return the place of a cursor; the beginning for None."""
    if cursor is None:
        return "", ""
    created, bar, key = cursor.removeprefix(_CURSOR).partition("|")
    if not cursor.startswith(_CURSOR) or not bar:
        raise CursorExpired("the cursor of a folder is of another version")
    return created, key
