"""Mail of one mailbox through Microsoft Graph: its folders, and recoverable items as far as Graph leads.

How a folder is listed, and why so:

- ``messages`` with ``$filter`` and ``$orderby`` on ``receivedDateTime``, not ``messages/delta``: delta
  promises no order, may give an item again at any place, and gives at most 5,000 messages when it is
  filtered (https://learn.microsoft.com/graph/delta-query-messages), so that a large folder could not be cut
  into ranges of time for several workers.
- A page begins where the last one ended, by time and not by the ``$skip`` of its link: a message that is
  moved away or deleted while the folder is read would otherwise push another one out of sight. The last
  second of a page is read again with the next, and within a second messages are in order of id. So a cursor
  is a time and an id: small, free of tokens, and never too old.
- Immutable ids (https://learn.microsoft.com/graph/outlook-immutable-id), so that a message keeps its id, and
  can be had, when it is moved after it was listed.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, ClassVar, NamedTuple
from urllib.parse import quote

from connectors.asking import Refused
from connectors.mailhead import sent_or_received
from connectors.microsoft import Service, not_given, user_path
from records.errors import CursorExpired, ItemError, SettingsError
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
from records.moments import EARLIEST
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
PAGE = 1_000
"""The largest page (https://learn.microsoft.com/graph/api/user-list-messages)."""

_FIRST_YEAR = "1900-01-01T00:00:00Z"
_FIELDS = "id,receivedDateTime,sentDateTime,changeKey,categories,isDraft,isRead"
_CURSOR = "t1:"
_LISTINGS = 3


class Place(NamedTuple):
    """Where a message stands in its folder.

    Attributes:
        received: Whole seconds (``2025-03-04T18:20:34Z``); empty for none, which is before all others.
        key: Its id.
    """

    received: str
    key: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as a list has it."""

    place: Place
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What ``open`` is given.

    Attributes:
        path: Address at the service.
        more: What else a reader needs to know.
    """

    path: str
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """What is asked of each message of a folder.

    Attributes:
        fields: For ``$select``.
        first: Time of the first message wanted; empty for the beginning.
        before: Time of the first that is no more wanted; empty for the end.
        also: Further condition; empty for none.
        expand: For ``$expand``; empty for nothing.
        top: Messages a page; 0 for the most there can be.
    """

    fields: str = _FIELDS
    first: str = ""
    before: str = ""
    also: str = ""
    expand: str = ""
    top: int = 0

    def query(self, since: str) -> dict[str, str]:
        """Return the query for what was received at ``since`` or later, oldest first.

        What the order names must be in the filter, and in front
        (https://learn.microsoft.com/graph/api/user-list-messages#using-filter-and-orderby-in-the-same-query).
        Without a filter, messages that have no time come too, before all others.
        """
        terms = [f"receivedDateTime ge {since or _FIRST_YEAR}"] if since or self.also else []
        if terms and self.before:
            terms.append(f"receivedDateTime lt {self.before}")
        if self.also:
            terms.append(self.also)
        asked = {
            "$select": self.fields,
            "$filter": " and ".join(terms),
            "$orderby": "receivedDateTime",
            "$expand": self.expand,
            "$top": str(self.top or PAGE),
        }
        return {name: value for name, value in asked.items() if value}


def listed(service: Service, path: str, listing: Listing, after: Place | None = None) -> Iterator[Entry]:
    """Yield the messages of a folder, by time and then by id.

    Args:
        service: Graph.
        path: Of the folder's messages.
        listing: What is asked of them.
        after: The place of the last one that is known; None from the beginning.

    Raises:
        ItemError: The folder is gone, or broke off.
    """
    since = after.received if after is not None else listing.first
    while True:
        found = _from(service, path, listing, since)
        if not found:
            return
        last = max(place.received for place in found)
        if last < since:  # the filter was not heeded: the same page would come for ever
            raise Refused(Reason.CORRUPT, "page_order", 200)
        whole = last == since  # all of this second was read; else its end may be on the page that follows
        for place in sorted(found):
            wanted = listing.first <= place.received and not (
                listing.before and place.received >= listing.before
            )
            if wanted and (whole or place.received < last) and (after is None or place > after):
                yield Entry(place, found[place])
                after = place
        since = _next_second(last) if whole else last
        if listing.before and since >= listing.before:
            return


def _from(service: Service, path: str, listing: Listing, since: str) -> dict[Place, Mapping[str, Any]]:
    """Return one page from a time on; while it holds that second alone, the pages that follow too.

    Those go by the ``$skip`` of their links, so they are read again until nothing new comes, three times at
    most. A link that is too old (410) is begun again likewise.
    """
    found: dict[Place, Mapping[str, Any]] = {}
    for left in reversed(range(_LISTINGS)):
        known, pages = len(found), 0
        try:
            for page in service.pages(path, listing.query(since), IMMUTABLE):
                pages += 1
                for value in page.values:
                    place = Place(_whole_second(value.get("receivedDateTime")), str(value["id"]))
                    found[place] = value
                if any(place.received > since for place in found):
                    break
        except Refused as error:
            if error.status == 404:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from error
            if error.status != 410 or not left:
                raise
            continue
        if pages < 2 or len(found) == known:
            break
    return found


def _whole_second(stated: object) -> str:
    return f"{stated[:19]}Z" if isinstance(stated, str) and len(stated) >= 19 else ""


def _next_second(received: str) -> str:
    if not received:
        return _FIRST_YEAR
    return f"{datetime.fromisoformat(received) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"


def instant(stated: object) -> Moment:
    """Return a time as Graph states it (ISO 8601, UTC); before 1980, as a wrong clock writes, it is none."""
    if not isinstance(stated, str) or not stated:
        return NO_MOMENT
    try:
        at = datetime.fromisoformat(stated)
    except ValueError:
        return Moment(None, stated, Basis.NONE)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return Moment(at, stated, Basis.STATED) if at >= EARLIEST else Moment(None, stated, Basis.NONE)


def message_time(body: Mapping[str, Any], window: Window) -> tuple[bool, Moment, tuple[WarningCode, ...]]:
    """Say whether a message is surely outside the window, when it was sent, and what a reader must know."""
    return sent_or_received(instant(body.get("sentDateTime")), instant(body.get("receivedDateTime")), window)


class Folders(ABC):
    """What the readers of mail have in common: they list folders, and messages in them."""

    place: ClassVar[str]
    right: ClassVar[str] = "Mail.Read"
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._service = service.for_right(self.right)
        self._context = context
        self._user = user_path(context.account)

    @abstractmethod
    def roots(self) -> Iterator[tuple[str, str]]:
        """Yield path and label of what lists the folders; a label is empty where no folder stands above."""

    def folders(self) -> Iterator[tuple[str, str]]:
        """Yield id and path of every folder, those above before those below."""
        for path, label in self.roots():
            yield from self._below(path, label)

    def _below(self, path: str, above: str) -> Iterator[tuple[str, str]]:
        """Walk down; each level must be asked for (https://learn.microsoft.com/graph/api/user-list-mailfolders)."""
        query = {"includeHiddenFolders": "true", "$select": "id,displayName", "$top": "250"}
        seen = set()
        for page in self._service.pages(path, query):
            for folder in page.values:
                # a search folder shows messages of other folders
                if folder["id"] in seen or str(folder.get("@odata.type", "")).endswith("mailSearchFolder"):
                    continue
                seen.add(folder["id"])
                label = "/".join(filter(None, (above, str(folder.get("displayName", "")))))
                yield folder["id"], label
                yield from self._below(f"{self._folder(folder['id'])}/childFolders", label)

    @abstractmethod
    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """

    def scopes(self) -> Iterator[Scope]:
        """List the folders, hidden ones too."""
        for key, label in self.folders():
            yield Scope(f"{self.place}/{key}", label, "folder")

    @abstractmethod
    def unreached(self) -> Iterator[Unreached]:
        """List what belongs here and Graph does not lead to."""

    def count(self, scope: Scope) -> Expected:
        """Return the folder's own figure.

        Raises:
            ItemError: The folder is gone.
        """
        total = self._total(scope)
        return Expected(None, "unknown") if total is None else Expected(total, "totalItemCount of the folder")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a large folder into ranges of time; Graph tells no sizes.

        Raises:
            ItemError: The folder is gone.
        """
        del max_bytes
        total = self._total(scope)
        if total is not None and total <= max_items:
            yield Part(scope, 0, "", total)
            return
        listing = Listing(fields="id,receivedDateTime")
        first, last, items, number = "", "", 0, 0
        for entry in listed(self._service, self._messages(scope), listing):
            # The first is half as large: two workers that share a limit then read what they have in turn, and
            # one goes on asking meanwhile.
            most = max_items if number else -(-max_items // 2)
            if items >= most and entry.place.received != last:
                yield Part(scope, number, _range(first, entry.place.received), items)
                first, items, number = entry.place.received, 0, number + 1
            last, items = entry.place.received, items + 1
        yield Part(scope, number, _range(first, "") if number else "", items)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages, by time of receipt and then by id.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The folder is gone, or broke off.
        """
        first, before = _bounds(part.spec)
        after = _read(cursor)
        listing = Listing(first=first, before=before)
        for entry in listed(self._service, self._messages(part.scope), listing, after):
            yield self._item(entry, part.scope, window)

    def _item(self, entry: Entry, scope: Scope, window: Window) -> Yielded:
        key, body = entry.place.key, entry.body
        cursor = f"{_CURSOR}{entry.place.received}|{key}"
        outside, moment, warnings = message_time(body, window)
        if outside:
            return ExcludedItem(key, Kind.EMAIL, cursor, Reason.OUTSIDE_WINDOW, moment=moment)
        draft = body.get("isDraft") is True
        flags = [name for name, set_ in (("draft", draft), ("unread", body.get("isRead") is False)) if set_]
        facts = {
            "folder": scope.label,
            "change": str(body.get("changeKey") or ""),
            "labels": "; ".join(body.get("categories") or ()),
            "flags": " ".join(flags),
            "received": str(body.get("receivedDateTime") or ""),
        }
        return FoundItem(
            native_key=key,
            kind=Kind.EMAIL,
            cursor=cursor,
            media_type="message/rfc822",
            moment=moment,
            metadata={name: value for name, value in facts.items() if value},
            warnings=(WarningCode.DRAFT, *warnings) if draft else warnings,
            handle=Held(f"{self._user}/messages/{quote(key, safe='')}/$value"),
        )

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the message as MIME (https://learn.microsoft.com/graph/outlook-get-mime-message).

        Raises:
            ItemError: The message is gone, corrupt or cannot be made into MIME.
        """
        return self._service.download(item.handle.path, IMMUTABLE, _is_message)

    def _folder(self, key: str) -> str:
        return f"{self._user}/mailFolders/{quote(key, safe='')}"

    def _messages(self, scope: Scope) -> str:
        return f"{self._folder(scope.key.partition('/')[2])}/messages"

    def _total(self, scope: Scope) -> int | None:
        try:
            body = self._service.get(
                self._folder(scope.key.partition("/")[2]), {"$select": "id,totalItemCount"}
            )
        except Refused as error:
            if error.status == 404:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from error
            raise
        total = body.get("totalItemCount")
        return total if isinstance(total, int) else None

    def _sees(self, folder: str) -> None:
        """Prove that a folder can be seen."""
        try:
            self._service.get(self._folder(folder), {"$select": "id"})
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error


class Mail(Folders):
    """Every mail folder of the mailbox, hidden ones too."""

    place: ClassVar[str] = "mail"
    label: ClassVar[str] = "Mail folders"
    covers: ClassVar[tuple[str, ...]] = (
        "mail: every folder of the mailbox below its root, hidden ones and the Archive folder among them",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "the online archive mailbox and inactive mailboxes: Graph leads to neither; take them from Purview",
        "what only the mail store knows (Bcc of received mail, voting): MIME made by the server lacks it",
    )

    def roots(self) -> Iterator[tuple[str, str]]:
        """Yield the root of the mailbox."""
        yield f"{self._user}/mailFolders", ""

    def check(self) -> None:
        """Prove that the inbox can be seen."""
        self._sees("inbox")

    def unreached(self) -> Iterator[Unreached]:
        """Name the archive mailbox: the folder called ``archive`` is another thing."""
        yield Unreached(
            f"{self.place}/archive_mailbox", "Online archive mailbox", "mailbox", Reach.NOT_BY_THIS_ROUTE,
            "archive_mailbox",
        )  # fmt: skip


class Recoverable(Folders):
    """What was deleted for good and can still be recovered, as far as Graph has a name for it."""

    place: ClassVar[str] = "recoverable"
    label: ClassVar[str] = "Recoverable items"
    covers: ClassVar[tuple[str, ...]] = (
        "recoverable: items emptied from Deleted Items (folder Deletions of Recoverable Items)",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "Purges, Versions, DiscoveryHolds and SubstrateHolds of Recoverable Items: take them from Purview",
    )
    _ROOT = "recoverableitemsdeletions"

    def roots(self) -> Iterator[tuple[str, str]]:
        """Yield what lies below the folder of deletions."""
        yield f"{self._folder(self._ROOT)}/childFolders", "Recoverable Items/Deletions"

    def folders(self) -> Iterator[tuple[str, str]]:
        """Yield the folder of deletions, which has a name of its own, and what lies below it.

        No list of folders has it (https://learn.microsoft.com/graph/api/resources/mailfolder).
        """
        folder = self._service.get(self._folder(self._ROOT), {"$select": "id"})
        yield str(folder["id"]), "Recoverable Items/Deletions"
        yield from super().folders()

    def check(self) -> None:
        """Prove that the folder of deletions can be seen."""
        self._sees(self._ROOT)

    def unreached(self) -> Iterator[Unreached]:
        """Name the folders that no documented name leads to."""
        for key, label in (
            ("purges", "Recoverable Items/Purges"),
            ("versions", "Recoverable Items/Versions"),
            ("discovery_holds", "Recoverable Items/DiscoveryHolds"),
            ("substrate_holds", "Recoverable Items/SubstrateHolds"),
            ("archive_recoverable", "Recoverable items of the online archive mailbox"),
        ):
            yield Unreached(f"{self.place}/{key}", label, "folder", Reach.NOT_BY_THIS_ROUTE, key)


def _is_message(head: bytes) -> bool:
    """Tell a message from nothing at all, and from an error, which is a JSON object."""
    return bool(head) and not head.startswith(b"{")


def _range(first: str, before: str) -> str:
    return json.dumps({"v": 1, "first": first, "before": before})


def _bounds(spec: str) -> tuple[str, str]:
    if not spec:
        return "", ""
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a mail folder was cut by another version; plan the run again")
    return stated["first"], stated["before"]


def _read(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    received, bar, key = cursor.removeprefix(_CURSOR).partition("|")
    if not cursor.startswith(_CURSOR) or not bar:
        raise CursorExpired("the cursor of a mail folder is of another version")
    return Place(received, key)
