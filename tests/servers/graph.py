"""A fake of Microsoft Graph: mail, calendars and linked files, over ``tests.servers.mailstore``.

Each route names its page below https://learn.microsoft.com/graph/api/ (v1.0 unless said). Ids, paging, the
``Prefer`` header, permissions, limits and the form of errors are as the pages say; what they leave open is
chosen to be awkward: ids change when a message moves (unless immutable ones are asked for), ``$skip`` in a
link counts what is there now, and pages hold 10 unless more are asked for.

Routes of other services of Graph are put in front by ``Graph.more``. ``python -m tests.servers.graph
--messages N`` serves a mailbox of any size from a process of its own, in flat memory.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tests.servers.mailstore import Folder, Mailbox, MailStore, Stored, date_of
from tests.servers.oauth import CLIENT, CLIENT_SECRET, TENANT, Entra
from tests.servers.web import Served

MAIL, CALENDARS, FILES = "Mail.Read", "Calendars.Read", "Files.Read.All"
IMMUTABLE = 'IdType="ImmutableId"'


@dataclass(frozen=True)
class Attachment:
    """An attachment of a message or an event.

    Attributes:
        id: Unique in its holder.
        name: As people see it.
        data: Its bytes; of a linked file what the file holds now, None when it is gone.
        linked: Address of the file where only a link is attached; empty for a file.
        item: It is an Outlook item (its bytes are MIME).
    """

    id: str
    name: str
    data: bytes | None = b""
    linked: str = ""
    item: bool = False

    def shown(self, *, beta: bool) -> dict[str, Any]:
        kind = "referenceAttachment" if self.linked else "itemAttachment" if self.item else "fileAttachment"
        about: dict[str, Any] = {
            "@odata.type": f"#microsoft.graph.{kind}",
            "id": self.id,
            "lastModifiedDateTime": "2025-03-04T18:20:34Z",
            "name": self.name,
            "contentType": None if self.linked or self.item else "application/octet-stream",
            "size": len(self.data or b"") + 370,
            "isInline": False,
        }
        if self.linked and beta:  # resources/referenceattachment: only the beta version has the address
            about |= {"sourceUrl": self.linked, "providerType": "oneDriveBusiness", "isFolder": False}
        return about


@dataclass
class Calendar:
    """A calendar and its events, each as the JSON of ``resources/event``."""

    id: str
    name: str
    events: list[dict[str, Any]] = field(default_factory=list)
    default: bool = False


class Shelf(Protocol):
    """What a folder holds, oldest first: a list for small mailboxes, arithmetic for very large ones."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice) -> Sequence[Stored]: ...

    def first_from(self, when: datetime) -> int:
        """Return the place of the first message received at ``when`` or later."""


class SmallShelf(list[Stored]):
    """The messages of a folder of a ``Mailbox``."""

    def first_from(self, when: datetime) -> int:
        return sum("undated" in message.faults or message.received < when for message in self)


@dataclass(frozen=True)
class LargeShelf:
    """Messages that are made when they are asked for.

    Attributes:
        folder: Id of the folder.
        size: How many.
        first: When the first was received.
        every_s: Seconds between two.
    """

    folder: str
    size: int
    first: datetime = datetime(2025, 1, 1, tzinfo=UTC)
    every_s: int = 60

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: slice) -> Sequence[Stored]:
        return [self.one(number) for number in range(*place.indices(self.size))]

    def first_from(self, when: datetime) -> int:
        steps = -((self.first - when) // timedelta(seconds=self.every_s))
        return max(0, min(self.size, steps))

    def one(self, number: int) -> Stored:
        when = self.first + timedelta(seconds=number * self.every_s)
        return Stored(f"L{number:012d}", self.folder, _letter(number, when), when, number + 1)


class LargeMailbox(Mailbox):
    """A mailbox of one folder with any number of messages, and flat memory."""

    def __init__(self, address: str, messages: int) -> None:
        super().__init__(address)
        self.shelf = LargeShelf(self.folder("Inbox", role="inbox").id, messages)
        self.folder("Deletions", role="recoverableitemsdeletions", root="recoverable")


def _letter(number: int, when: datetime) -> bytes:
    line = (
        f"Line of message {number}: the bus to Cedar Falls is on time, says driver {number % 97} today.\r\n"
    )
    return (
        f"From: Sender {number % 211} <s{number % 211}@example.org>\r\nTo: large@example.org\r\n"
        f"Subject: Message {number}\r\nDate: {when:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Message-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + line * 45
    ).encode()


@dataclass
class Limits:
    """Of one application on one mailbox.

    https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits

    Attributes:
        requests: That may begin within a period; 0 for no limit.
        period_s: Of real seconds: 600 divided by how much faster a test wants it.
        at_once: Requests under way together; 0 for no limit.
    """

    requests: int = 0
    period_s: float = 600.0
    at_once: int = 0
    began: dict[str, deque[float]] = field(default_factory=dict)
    under_way: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    asked: int = 0
    refused: int = 0
    first_at: float = 0.0
    last_at: float = 0.0

    def wait_s(self, mailbox: str) -> float | None:
        """Note a request; return the seconds to wait when it is one too many."""
        now = self.last_at = time.monotonic()
        self.first_at = self.first_at or now
        self.asked += 1
        if self.at_once and self.under_way.get(mailbox, 0) >= self.at_once:
            self.refused += 1
            return self.period_s / 600
        if self.requests:
            began = self.began.setdefault(mailbox, deque())
            while began and began[0] <= now - self.period_s:
                began.popleft()
            if len(began) >= self.requests:
                self.refused += 1
                return began[0] + self.period_s - now
            began.append(now)
        return None


@dataclass
class Graph:
    """The tenant behind the fake, and what is wrong with it.

    Attributes:
        store: Its mailboxes.
        entra: Who gets tokens.
        attached: Attachments by id of the message or event.
        calendars: By lower-case address.
        limits: Of each mailbox.
        latency_s: Seconds that each answer takes.
        unlicensed: Lower-case addresses without a mailbox (licence removed).
        over_quota: Lower-case addresses that answer no more.
        forbidden: Lower-case addresses outside of the application's scope.
        short_pages: Lists end early: half of the page, and no link although more is there.
        repeated_pages: Each page but the first begins with all of the one before.
        link_host: Host of the links to further pages; empty for the right one.
        happens: What happens to a mailbox while it is read: a pattern of ``GET /path?query``, and a function
            that is called once, before the first request that fits is answered.
        more: Routes of other helpers: services of Graph beside mail and calendar.
    """

    store: MailStore = field(default_factory=MailStore)
    entra: Entra = field(default_factory=lambda: Entra({MAIL, CALENDARS, FILES}))
    attached: dict[str, list[Attachment]] = field(default_factory=dict)
    calendars: dict[str, list[Calendar]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    latency_s: float = 0.0
    unlicensed: set[str] = field(default_factory=set)
    over_quota: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    short_pages: bool = False
    repeated_pages: bool = False
    link_host: str = ""
    happens: list[tuple[str, Callable[[], object]]] = field(default_factory=list)
    more: list[BaseRoute] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the application: tokens, Graph, and the host that linked files are loaded from."""
        user = "/v1.0/users/{user}"
        own = {
            f"{user}/mailFolders": self._folders,
            f"{user}/mailFolders/{{folder}}": self._folder,
            f"{user}/mailFolders/{{folder}}/childFolders": self._folders,
            f"{user}/mailFolders/{{folder}}/messages": self._messages,
            f"{user}/messages/{{message}}/$value": self._mime,
            "/beta/users/{user}/messages/{message}/attachments/{attachment}": self._attachment,
            f"{user}/calendars": self._calendars,
            f"{user}/calendars/{{calendar}}/events": self._events,
            f"{user}/events/{{event}}": self._event,
            f"{user}/events/{{event}}/attachments/{{attachment}}/$value": self._attached_bytes,
            "/beta/users/{user}/events/{event}/attachments/{attachment}": self._attachment,
        }
        routes = [Route(path, self._guarded(answer)) for path, answer in own.items()]
        shares = [
            Route("/v1.0/shares/{share}/driveItem", self._share),
            Route("/v1.0/shares/{share}/driveItem/content", self._share_content),
            Route("/preauthenticated/{share}", self._loaded),
        ]
        return Starlette(routes=[*self.entra.routes(), *self.more, *routes, *shares])

    # -- who may ask ---------------------------------------------------------------------------------

    def refusal(self, request: Request, right: str) -> JSONResponse | None:
        """Return the answer to a request without a valid token or without the permission; None to go on.

        https://learn.microsoft.com/graph/errors
        """
        if not self.entra.accepts(request.headers.get("authorization", "")):
            return error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
        if right not in self.entra.rights:
            return error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        return None

    def happen(self, request: Request) -> None:
        """Let happen what is to happen before this request is answered."""
        line = f"{request.method} {request.url.path}?{request.url.query}"
        for one in [one for one in self.happens if re.search(one[0], line)]:
            self.happens.remove(one)
            one[1]()

    def _guarded(self, answer: Callable[[Request, Mailbox], Response]) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            self.happen(request)
            address = request.path_params["user"].lower()
            wait_s = self.limits.wait_s(address)
            if wait_s is not None:
                # throttling: "Application is over its MailboxConcurrency limit", with the seconds to wait
                refused = error(429, "ApplicationThrottled", "Application is over its limit.")
                refused.headers["retry-after"] = f"{wait_s:.3f}"
                return refused
            under_way = self.limits.under_way
            under_way[address] = under_way.get(address, 0) + 1
            self.limits.most_at_once = max(self.limits.most_at_once, under_way[address])
            try:
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                return self._for_mailbox(request, address, answer)
            finally:
                under_way[address] -= 1

        return guarded

    def _for_mailbox(
        self, request: Request, address: str, answer: Callable[[Request, Mailbox], Response]
    ) -> Response:
        path = request.url.path
        refused = self.refusal(request, CALENDARS if "/calendars" in path or "/events" in path else MAIL)
        if refused is not None:
            return refused
        box = self.store.find(address)
        if box is None:
            return error(404, "ErrorInvalidUser", "The requested user is invalid.")
        if address in self.unlicensed:
            return error(
                404, "MailboxNotEnabledForRESTAPI",
                "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
            )  # fmt: skip
        if address in self.over_quota:
            return error(403, "ErrorQuotaExceeded", "The mailbox has exceeded its quota.")
        if address in self.forbidden:
            return error(403, "ErrorAccessDenied", "Access to OData is disabled.")
        return answer(request, box)

    # -- mail ----------------------------------------------------------------------------------------

    def _folders(self, request: Request, box: Mailbox) -> Response:
        """user-list-mailfolders, mailfolder-list-childfolders: hidden ones only when they are asked for."""
        parent = ""
        if "folder" in request.path_params:
            found = self._find_folder(box, request.path_params["folder"])
            if found is None:
                return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
            parent = found.id
        hidden = request.query_params.get("includeHiddenFolders") == "true"
        below = [
            folder
            for folder in box.folders.values()
            if folder.kind == "mail" and folder.parent == parent and (hidden or not folder.hidden)
            and (parent or folder.root == "primary")
        ]  # fmt: skip
        return self._page(request, [self._shown_folder(box, folder) for folder in below])

    def _folder(self, request: Request, box: Mailbox) -> Response:
        """mailfolder-get: by id, or by a name that resources/mailfolder lists."""
        found = self._find_folder(box, request.path_params["folder"])
        if found is None:
            return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        return JSONResponse(_selected(request, self._shown_folder(box, found)))

    def _find_folder(self, box: Mailbox, name: str) -> Folder | None:
        by_role = (folder for folder in box.folders.values() if folder.role and folder.role == name.lower())
        found = box.folders.get(name) or next(by_role, None)
        return found if found is not None and found.root != "archive" else None

    def _shown_folder(self, box: Mailbox, folder: Folder) -> dict[str, Any]:
        about = {
            "id": folder.id,
            "displayName": folder.name,
            "parentFolderId": folder.parent or "root",
            "childFolderCount": sum(one.parent == folder.id for one in box.folders.values()),
            "unreadItemCount": 0,
            "totalItemCount": len(shelf(box, folder.id)),
            "isHidden": folder.hidden,
        }
        if folder.kind == "mail" and folder.role == "searchfolder":
            about = {"@odata.type": "#microsoft.graph.mailSearchFolder", **about, "isSupported": True}
        return about

    def _messages(self, request: Request, box: Mailbox) -> Response:
        """user-list-messages: ``$top`` to 1,000, ``$filter`` and ``$orderby`` by the rules of the page."""
        folder = self._find_folder(box, request.path_params["folder"])
        if folder is None:
            return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        held, asked = shelf(box, folder.id), request.query_params
        bounds = re.findall(r"receivedDateTime (ge|lt) (\S+)", asked.get("$filter", ""))
        if asked.get("$filter") and not asked["$filter"].startswith("receivedDateTime"):
            return error(400, "InefficientFilter", "The restriction or sort order is too complex.")
        if asked.get("$orderby", "receivedDateTime") != "receivedDateTime":
            return error(400, "ErrorInvalidUrlQueryFilter", "The query is not one this fake knows.")
        places = {kind: held.first_from(datetime.fromisoformat(when)) for kind, when in bounds}
        # a condition on a field that is empty is never met
        low = places.get("ge", held.first_from(datetime.min.replace(tzinfo=UTC)) if bounds else 0)
        high = places.get("lt", len(held))
        if "hasAttachments eq true" in asked.get("$filter", ""):
            held = SmallShelf(one for one in held[low:high] if self._has_attachments(one))
            low, high = 0, len(held)
        skip, top = int(asked.get("$skip", 0)), min(1_000, int(asked.get("$top", 10)))
        if self.repeated_pages and skip:
            skip = max(0, skip - top)
            top *= 2
        wanted = max(1, top // 2) if self.short_pages else top
        found = held[low + skip : min(high, low + skip + wanted)]
        values = [self._shown_message(request, box, message) for message in found]
        more = low + skip + top < high and not self.short_pages
        return self._body(request, values, skip + top if more else None)

    def _has_attachments(self, message: Stored) -> bool:
        return bool(self.attached.get(message.id)) or b"Content-Disposition: attachment" in message.raw

    def _shown_message(self, request: Request, box: Mailbox, message: Stored) -> dict[str, Any]:
        folder = box.folders[message.folder]
        about: dict[str, Any] = {
            "@odata.etag": f'W/"CQAAABYA{message.change:08d}"',
            "id": self._id(request, message),
            "changeKey": f"CQAAABYA{message.change:08d}",
            "categories": list(message.labels),
            "receivedDateTime": _time(message.received),
            "parentFolderId": message.folder,
            "isDraft": folder.role == "drafts",
            "isRead": "unread" not in message.faults,
            "hasAttachments": self._has_attachments(message),
            "conversationId": message.thread or None,
        }
        if "undated" in message.faults:
            about["receivedDateTime"] = None
        asked = request.query_params.get("$select", "")
        if "sentDateTime" in asked or not asked:
            about["sentDateTime"] = None if "undated" in message.faults else _time(date_of(message.raw))
        if "subject" in asked or not asked:
            parsed = message_from_bytes(message.raw, policy=policy.default)
            about["subject"] = str(parsed.get("Subject", ""))
            about["internetMessageId"] = str(parsed.get("Message-ID", ""))
        about = _selected(request, about)
        if "attachments" in request.query_params.get("$expand", ""):
            held = self.attached.get(message.id, [])
            about["attachments"] = [one.shown(beta=False) for one in held]
        return about

    def _id(self, request: Request, message: Stored) -> str:
        """outlook-immutable-id: other ids change when the message moves."""
        if IMMUTABLE in request.headers.get("prefer", ""):
            return message.id
        return f"{message.id}-in-{message.folder}"

    def _find_message(self, request: Request, box: Mailbox) -> Stored | None:
        key = request.path_params["message"]
        if isinstance(box, LargeMailbox):
            number = int(key[1:]) if re.fullmatch(r"L\d{12}", key) else box.shelf.size
            return box.shelf.one(number) if number < box.shelf.size else None
        found = box.messages.get(key.partition("-in-")[0])
        return found if found is not None and self._id(request, found) == key else None

    def _mime(self, request: Request, box: Mailbox) -> Response:
        """message-get, ``$value``: the message as MIME."""
        message = self._find_message(request, box)
        if message is None:
            return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if "corrupt" in message.faults:
            return error(500, "ErrorItemCorrupt", "The item is corrupt.")
        if "not_convertible" in message.faults:
            return error(500, "ErrorMimeContentConversionFailed", "The message could not be converted.")
        if "broken" in message.faults:
            return error(500, "ErrorInternalServerError", "An internal server error occurred.")
        return Response(message.raw, media_type="text/plain")

    def _attachment(self, request: Request, box: Mailbox) -> Response:
        """attachment-get (beta: ``sourceUrl``)."""
        found = self._find_attachment(request)
        if found is None:
            return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        return JSONResponse(_selected(request, found.shown(beta=request.url.path.startswith("/beta/"))))

    def _attached_bytes(self, request: Request, box: Mailbox) -> Response:
        """attachment-get, ``$value``; 405 for a link."""
        found = self._find_attachment(request)
        if found is None or found.data is None:
            return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if found.linked:
            return error(405, "ErrorInvalidOperation", "A reference attachment has no bytes.")
        return Response(found.data, media_type="application/octet-stream")

    def _find_attachment(self, request: Request) -> Attachment | None:
        about = request.path_params
        held = self.attached.get(about.get("message") or about["event"], [])
        return next((one for one in held if one.id == about["attachment"]), None)

    # -- calendar ------------------------------------------------------------------------------------

    def _calendars(self, request: Request, box: Mailbox) -> Response:
        """user-list-calendars"""
        found = self.calendars.get(box.address.lower(), [])
        shown = [
            {"id": one.id, "name": one.name, "isDefaultCalendar": one.default, "changeKey": "1"}
            for one in found
        ]
        return self._page(request, shown)

    def _events(self, request: Request, box: Mailbox) -> Response:
        """calendar-list-events: single meetings and masters of series; ``$count`` gives their number."""
        for one in self.calendars.get(box.address.lower(), []):
            if one.id == request.path_params["calendar"]:
                return self._page(request, [self._shown_event(request, event) for event in one.events])
        return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def _event(self, request: Request, box: Mailbox) -> Response:
        """event-get"""
        for one in self.calendars.get(box.address.lower(), []):
            for event in one.events:
                if event["id"] == request.path_params["event"]:
                    if event.get("x-corrupt"):
                        return error(500, "ErrorItemCorrupt", "The item is corrupt.")
                    return JSONResponse(self._shown_event(request, event))
        return error(404, "ErrorItemNotFound", "The specified object was not found in the store.")

    def _shown_event(self, request: Request, event: dict[str, Any]) -> dict[str, Any]:
        expanded = request.query_params.get("$expand", "")
        known = {
            key: value for key, value in event.items() if key not in {"exceptionOccurrences", "x-corrupt"}
        }
        about = _selected(request, {"@odata.etag": f'W/"{event.get("changeKey", "")}"', **known})
        if "attachments" in expanded:
            about["attachments"] = [one.shown(beta=False) for one in self.attached.get(event["id"], [])]
        if "exceptionOccurrences" in expanded:
            about["exceptionOccurrences"] = event.get("exceptionOccurrences", [])
        return about

    # -- files that are linked -------------------------------------------------------------------------

    def _shared(self, request: Request) -> Attachment | JSONResponse:
        refused = self.refusal(request, FILES)
        if refused is not None:
            return refused
        kind, _, coded = request.path_params["share"].partition("!")
        address = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
        found = (one for held in self.attached.values() for one in held if one.linked == address)
        file = next(found, None)
        if kind != "u" or file is None or file.data is None:
            return error(404, "itemNotFound", "The resource could not be found.")
        if "/elsewhere/" in address:
            return error(403, "accessDenied", "The caller does not have permission to perform the action.")
        return file

    async def _share(self, request: Request) -> Response:
        """shares-get: the file behind a sharing address."""
        file = self._shared(request)
        if isinstance(file, JSONResponse):
            return file
        about = {
            "id": f"01{file.id}",
            "name": file.name,
            "size": len(file.data or b""),
            "eTag": f'"{file.id},1"',
            "lastModifiedDateTime": "2025-06-01T00:00:00Z",
            "file": {"mimeType": "application/octet-stream"},
        }
        return JSONResponse(_selected(request, about))

    async def _share_content(self, request: Request) -> Response:
        """driveitem-get-content: 302 to an address that is allowed by itself, for a short time."""
        file = self._shared(request)
        if isinstance(file, JSONResponse):
            return file
        return RedirectResponse(f"{self._here(request)}/preauthenticated/{request.path_params['share']}", 302)

    async def _loaded(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return error(401, "unauthenticated", "A token was sent along.")
        coded = request.path_params["share"].partition("!")[2]
        address = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
        file = next(one for held in self.attached.values() for one in held if one.linked == address)

        async def blocks() -> Any:
            yield file.data or b""

        return StreamingResponse(blocks(), media_type="application/octet-stream")

    # -- lists ---------------------------------------------------------------------------------------

    def _page(self, request: Request, found: Sequence[dict[str, Any]]) -> Response:
        """https://learn.microsoft.com/graph/paging"""
        asked = request.query_params
        skip, top = int(asked.get("$skip", 0)), min(1_000, int(asked.get("$top", 10)))
        if self.repeated_pages and skip:
            values = list(found[max(0, skip - top) : skip + top])
        else:
            values = list(found[skip : skip + top])
        total = len(found) if asked.get("$count") == "true" else None
        shown = [_selected(request, value) for value in values]
        return self._body(request, shown, skip + top if skip + top < len(found) else None, total)

    def _body(
        self, request: Request, values: list[dict[str, Any]], following: int | None, total: int | None = None
    ) -> Response:
        body: dict[str, Any] = {"@odata.context": f"{self._here(request)}/v1.0/$metadata#Collection"}
        if total is not None:
            body["@odata.count"] = total
        body["value"] = values
        if following is not None:
            query = parse_qs(request.url.query) | {"$skip": [str(following)]}
            here = self.link_host or self._here(request)
            body["@odata.nextLink"] = f"{here}{quote(request.url.path)}?{urlencode(query, doseq=True)}"
        return JSONResponse(body)

    def _here(self, request: Request) -> str:
        return f"{request.url.scheme}://{request.url.netloc}"


def shelf(box: Mailbox, folder: str) -> Shelf:
    """Return what a folder holds."""
    if isinstance(box, LargeMailbox) and folder == box.shelf.folder:
        return box.shelf
    # messages that were never received come first, as an order by an empty field has them
    held = box.inside(folder)
    held.sort(key=lambda message: "undated" not in message.faults)
    return SmallShelf(held)


def error(status: int, code: str, message: str) -> JSONResponse:
    """Return an error in Graph's form (https://learn.microsoft.com/graph/errors)."""
    inner = {"date": "2026-11-30T00:00:00", "request-id": "0", "client-request-id": "0"}
    return JSONResponse({"error": {"code": code, "message": message, "innerError": inner}}, status)


def _selected(request: Request, about: dict[str, Any]) -> dict[str, Any]:
    """query-parameters: ``$select``; the id always comes along."""
    wanted = request.query_params.get("$select")
    if not wanted:
        return about
    names = {*wanted.split(","), "id", "exceptionOccurrences", "attachments"}
    return {key: value for key, value in about.items() if key in names or key.startswith("@")}


def _time(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def connection_fields(url: str, **extra: str) -> dict[str, Any]:
    """Return what the Airflow connection to a fake holds, as JSON."""
    about = {"tenant": TENANT, "authority": url, "patience_s": "5", **extra}
    return {"conn_type": "http", "host": url, "login": CLIENT, "password": CLIENT_SECRET, "extra": about}


def large(messages: int, address: str = "large@example.org") -> Graph:
    """Return a tenant with one very large mailbox."""
    graph = Graph()
    graph.store.accounts[address] = LargeMailbox(address, messages)
    return graph


def main(argv: Sequence[str] | None = None) -> None:
    """Serve a large mailbox until standard input ends; prints connection and, at the end, figures, as JSON.

    ``least_s`` is the real time that the limits ask for what was answered, and ``first_at`` and ``last_at``
    are of the machine's monotonic clock.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.servers.graph", description=main.__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--faster", type=float, default=1.0, help="how much shorter the 10 minutes are")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    given = parser.parse_args(argv)
    graph = large(given.messages)
    graph.latency_s = given.latency
    graph.limits = Limits(10_000, 600.0 / given.faster, 4)
    with Served(graph.app(), requests=deque(maxlen=1)) as served:
        print(json.dumps(connection_fields(served.url)), flush=True)
        sys.stdin.read()
        limits = graph.limits
        print(
            json.dumps({
                "most_at_once": limits.most_at_once, "asked": limits.asked, "refused": limits.refused,
                "least_s": limits.asked * limits.period_s / limits.requests,
                "first_at": limits.first_at, "last_at": limits.last_at,
            }),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
