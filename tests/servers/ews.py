"""A fake of Exchange Web Services: SOAP over ``tests.servers.mailstore``, for Exchange Server and Online.

Requests and answers follow the pages below
https://learn.microsoft.com/exchange/client-developer/web-service-reference/: getfolder-operation,
findfolder-operation, finditem-operation, getitem-operation, mimecontent, exchangeimpersonation,
serverversioninfo, responsecode; a busy server answers as in ews-throttling-in-exchange, below
https://learn.microsoft.com/exchange/client-developer/exchange-web-services/. What they leave open is chosen
to be awkward: ids are in no order, several items are made within one second, a page holds 1,000 items at most
however many are asked for, and times have no parts of a second.

``python -m tests.servers.ews --messages N`` serves a mailbox of any size from a process of its own, in flat
memory.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import bisect
import json
import math
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from xml.sax.saxutils import escape, quoteattr

from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers.mailstore import Folder, Mailbox, MailStore, Stored
from tests.servers.oauth import CLIENT, CLIENT_SECRET, TENANT, Entra
from tests.servers.web import Served

PATH = "/EWS/Exchange.asmx"
RIGHT = "full_access_as_app"
MOST = 1_000
"""EWSFindCountLimit."""

_S = "http://schemas.xmlsoap.org/soap/envelope/"
_M = "http://schemas.microsoft.com/exchange/services/2006/messages"
_T = "http://schemas.microsoft.com/exchange/services/2006/types"
_E = "http://schemas.microsoft.com/exchange/services/2006/errors"
_BIRTH = datetime(2025, 6, 1, tzinfo=UTC)
_STORED_AFTER = timedelta(hours=1)
"""An item was received before the store made it (it was moved there by a migration)."""

_SAME_SECOND = 3

_ROOTS = {
    # distinguishedfolderid: well-known name → root of the store's folders, name that people see
    "msgfolderroot": ("primary", "Top of Information Store"),
    "recoverableitemsroot": ("recoverable", "Recoverable Items"),
    "archivemsgfolderroot": ("archive", "Top of Information Store"),
    "archiverecoverableitemsroot": ("archive recoverable", "Recoverable Items"),
    "publicfoldersroot": ("public", "IPM_SUBTREE"),
    "root": ("all", "root"),
}
_TAGS = {
    "mail": ("Message", "IPM.Note"),
    "calendar": ("CalendarItem", "IPM.Appointment"),
    "contacts": ("Contact", "IPM.Contact"),
    "tasks": ("Task", "IPM.Task"),
}
_FOLDER_TAGS = {"calendar": "CalendarFolder", "contacts": "ContactsFolder", "tasks": "TasksFolder"}


class Shelf(Protocol):
    """What a folder holds, in order of creation: a list, or arithmetic for very large mailboxes."""

    def __len__(self) -> int: ...

    def one(self, place: int) -> Stored:
        """Return the item at a place."""

    def created(self, place: int) -> datetime:
        """Return when the store made it."""


class SmallShelf:
    """The items of a folder of a ``Mailbox``; those of one second are in no order of their ids."""

    def __init__(self, box: Mailbox, folder: str) -> None:
        held = [item for item in box.messages.values() if item.folder == folder]
        self._held = sorted(held, key=lambda item: (item.received, item.id[::-1]))

    def __len__(self) -> int:
        return len(self._held)

    def one(self, place: int) -> Stored:
        return self._held[place]

    def created(self, place: int) -> datetime:
        return self._held[place].received + _STORED_AFTER


class LargeShelf:
    """Messages that are made when they are asked for."""

    def __init__(self, size: int, folder: str) -> None:
        self._size = size
        self._folder = folder

    def __len__(self) -> int:
        return self._size

    def one(self, place: int) -> Stored:
        when = self.created(place) - _STORED_AFTER
        # ids that run against the order of creation
        return Stored(f"L{10**11 - place:012d}", self._folder, b"", when, place)

    def created(self, place: int) -> datetime:
        return _BIRTH + timedelta(seconds=place // _SAME_SECOND)

    def place(self, coded: str) -> int:
        """Return the place of a message by its id."""
        return 10**11 - int(_plain(coded)[1:])

    def mime(self, coded: str) -> bytes:
        place = self.place(coded)
        return letter(place, self.created(place) - _STORED_AFTER)


class LargeMailbox(Mailbox):
    """A mailbox of one folder with any number of messages, and flat memory."""

    def __init__(self, address: str, messages: int) -> None:
        super().__init__(address)
        self.shelf = LargeShelf(messages, self.folder("Inbox", role="inbox").id)


def letter(number: int, when: datetime) -> bytes:
    """Return a message of about 5 KB."""
    line = (
        f"Line of message {number}: the bus to Cedar Falls is on time, says driver {number % 97} today.\r\n"
    )
    return (
        f"From: Sender {number % 211} <s{number % 211}@example.org>\r\nTo: large@example.org\r\n"
        f"Subject: Message {number}\r\nDate: {when:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"Message-ID: <{number}@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + line * 55
    ).encode()


@dataclass
class Trouble:
    """An answer that is not the usual one.

    Attributes:
        when: Operation (``FindItem``), or several with ``|``.
        code: ResponseCode; empty for an HTTP answer.
        back_off_ms: BackOffMilliseconds beside it; None for none.
        in_message: The code stands in each response message, not in a SOAP fault.
        status: HTTP status, when there is no code.
        headers: Of that answer.
        edit: Changes the text of the usual answer instead.
        skip: So many such requests are answered as usual first.
        times: So many are not; None for all.
    """

    when: str
    code: str = ""
    back_off_ms: int | None = None
    in_message: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    edit: Callable[[str], str] | None = None
    skip: int = 0
    times: int | None = 1

    def takes(self, operation: str) -> bool:
        """Tell whether a request meets it, and count that."""
        if not re.fullmatch(self.when, operation) or self.times == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class _RefusalError(Exception):
    """A code that is answered."""

    def __init__(self, code: str, *, fault: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.fault = fault


@dataclass
class Budget:
    """The server's time that one mailbox may use.

    The numbers are those of a default throttling policy (ews-throttling-in-exchange, set-throttlingpolicy:
    EwsMaxBurst, EwsRechargeRate, EwsCutoffBalance). A request costs the time that it takes; what it takes no
    page says, so that is chosen here. A mailbox that is over is shut for five minutes, as Exchange Online
    asks. All times are of a clock that is ``faster`` than the real one.

    Attributes:
        burst_s: A full balance.
        recharge: Seconds that the balance gains each second.
        cutoff_s: How far below nothing the balance may fall.
        shut_s: How long a mailbox is shut that has gone further.
        request_s: What a request takes.
        bytes_s: What the bytes of one item take.
        listed_s: What an item in a list takes.
        faster: How much.
        asked: Requests that were answered.
        refused: Requests while it was shut.
        used_s: What all took.
        first_at: When the first request came.
        last_at: When the last one came.
    """

    burst_s: float = 300.0
    recharge: float = 900.0 / 3_600.0
    cutoff_s: float = 3_000.0
    shut_s: float = 300.0
    request_s: float = 0.05
    bytes_s: float = 0.04
    listed_s: float = 0.001
    faster: float = 1.0
    asked: int = 0
    refused: int = 0
    used_s: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    _balance_s: float = 0.0
    _shut_until: float = 0.0

    def shut(self) -> float:
        """Return the real seconds for which the mailbox is shut; 0 for none."""
        now = time.monotonic() * self.faster
        if not self.first_at:
            self.first_at, self._balance_s = now, self.burst_s
        else:
            self._balance_s = min(self.burst_s, self._balance_s + (now - self.last_at) * self.recharge)
        self.last_at = now
        if now >= self._shut_until and self._balance_s < -self.cutoff_s:
            self._shut_until = now + self.shut_s
        left = max(0.0, self._shut_until - now)
        self.refused += left > 0
        return left / self.faster

    def spend(self, operation: str, asked: Any) -> float:
        """Return the real seconds that a request takes."""
        took = self.request_s
        if operation == "GetItem":
            took += self.bytes_s * len(asked.find(f"{{{_M}}}ItemIds"))
        if operation == "FindItem":
            took += self.listed_s * int(asked.find(f"{{{_M}}}IndexedPageItemView").get("MaxEntriesReturned"))
        self.asked += 1
        self.used_s += took
        self._balance_s -= took
        return took / self.faster


@dataclass
class Ews:
    """The organisation behind the fake, and what is wrong with it.

    Attributes:
        store: Its mailboxes.
        entra: Who gets tokens (Exchange Online); None for Exchange Server.
        users: Passwords by user, for basic; NTLM asks the file that ``NTLM_USER_FILE`` names.
        ntlm: Sign in with NTLM, not basic.
        impersonates: Lower-case addresses that may be impersonated; None for all.
        opens: Lower-case addresses that may be opened without impersonation.
        switched_off: Web Services are switched off for the organisation.
        refused_roots: Well-known folders that may not be seen.
        troubles: What goes wrong.
        happens: What happens to a mailbox while it is read: an operation, how many of it are answered first,
            and a function that is called once.
        latency_s: Seconds that each answer takes.
        at_once: Requests under way together that one mailbox may have; 0 for no limit.
        most_at_once: The most there were.
        budget: The time that the mailboxes may use together; None for no limit.
        asked: Operation of each request, in order.
        seen: Parsed body of the last request of each operation.
    """

    store: MailStore = field(default_factory=MailStore)
    entra: Entra | None = field(default_factory=lambda: Entra({RIGHT}))
    users: dict[str, str] = field(default_factory=dict)
    ntlm: bool = False
    impersonates: set[str] | None = None
    opens: set[str] = field(default_factory=set)
    switched_off: bool = False
    refused_roots: set[str] = field(default_factory=set)
    troubles: list[Trouble] = field(default_factory=list)
    happens: list[tuple[str, int, Callable[[], object]]] = field(default_factory=list)
    latency_s: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    budget: Budget | None = None
    asked: deque[str] = field(default_factory=lambda: deque(maxlen=10_000))
    seen: dict[str, Any] = field(default_factory=dict)
    _now: int = 0
    _handshakes: dict[tuple[str, int], Any] = field(default_factory=dict)

    def app(self) -> Starlette:
        """Return the application: the service, and tokens beside it."""
        tokens = self.entra.routes() if self.entra is not None else []
        return Starlette(routes=[*tokens, Route(PATH, self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        refused = self._stranger(request)
        if refused is not None:
            return refused
        if self.switched_off:
            return Response(status_code=403)
        envelope = etree.fromstring(body, etree.XMLParser(resolve_entities=False))
        asked = envelope.find(f"{{{_S}}}Body")[0]
        operation = etree.QName(asked).localname
        self.asked.append(operation)
        self.seen[operation] = envelope
        self._happen(operation)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            if self.at_once and self._now > self.at_once:
                return fault("ErrorExceededConnectionCount", None)
            takes_s = self.latency_s
            if self.budget is not None:
                shut_s = self.budget.shut()
                if shut_s:
                    return fault("ErrorServerBusy", math.ceil(shut_s * 1_000))
                takes_s += self.budget.spend(operation, asked)
            if takes_s:
                await asyncio.sleep(takes_s)
            return self._served(request, envelope, asked, operation)
        finally:
            self._now -= 1

    def _served(self, request: Request, envelope: Any, asked: Any, operation: str) -> Response:
        trouble = next((one for one in self.troubles if one.takes(operation)), None)
        if trouble is not None and trouble.status:
            return Response(status_code=trouble.status, headers=trouble.headers)
        if trouble is not None and trouble.code and not trouble.in_message:
            return fault(trouble.code, trouble.back_off_ms)
        answers = {
            "GetFolder": self._get_folder,
            "FindFolder": self._find_folder,
            "FindItem": self._find_item,
            "GetItem": self._get_item,
        }
        try:
            if operation not in answers:
                raise _RefusalError("ErrorSchemaValidation", fault=True)
            box = self._mailbox(request, envelope, asked)
            if trouble is not None and trouble.code:
                messages = [message(operation, code=trouble.code, back_off_ms=trouble.back_off_ms)]
            else:
                messages = list(answers[operation](box, asked))
        except _RefusalError as refusal:
            if refusal.fault:
                return fault(refusal.code, None)
            messages = [message(operation, code=refusal.code)]
        text = soap(f"<m:{operation}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages>"
                    f"</m:{operation}Response>")  # fmt: skip
        if trouble is not None and trouble.edit is not None:
            text = trouble.edit(text)
        return Response(text, media_type="text/xml")

    def _happen(self, operation: str) -> None:
        for place, (when, skip, function) in enumerate(list(self.happens)):
            if when != operation:
                continue
            if skip:
                self.happens[place] = (when, skip - 1, function)
                continue
            self.happens.remove((when, skip, function))
            function()
            return

    # -- who may ask ---------------------------------------------------------------------------------

    def _stranger(self, request: Request) -> Response | None:
        """Return the answer to a request that is not signed in."""
        stated = request.headers.get("authorization", "")
        if self.entra is not None:
            if self.entra.accepts(stated):
                return None
            return Response(status_code=401, headers={"www-authenticate": 'Bearer client_id="0"'})
        kind, _, token = stated.partition(" ")
        if self.ntlm:
            return self._ntlm(request, kind, token)
        if kind == "Basic":
            user, _, password = base64.b64decode(token).decode().partition(":")
            if self.users.get(user) == password:
                return None
        return Response(status_code=401, headers={"www-authenticate": 'Basic realm="ews"'})

    def _ntlm(self, request: Request, kind: str, token: str) -> Response | None:
        """[MS-NTHT]: the handshake signs in the connection; each step of it is one answer."""
        import spnego

        assert request.client is not None
        connection = (request.client.host, request.client.port)
        context = self._handshakes.get(connection)
        if context is not None and context.complete and not token:
            return None
        if kind != "NTLM":
            return Response(status_code=401, headers={"www-authenticate": "NTLM"})
        if context is None or context.complete:
            context = self._handshakes[connection] = spnego.server(protocol="ntlm")
        try:
            answer = context.step(base64.b64decode(token))
        except spnego.exceptions.SpnegoError:
            del self._handshakes[connection]
            return Response(status_code=401, headers={"www-authenticate": "NTLM"})
        if context.complete:
            return None
        return Response(
            status_code=401, headers={"www-authenticate": f"NTLM {base64.b64encode(answer).decode()}"}
        )

    def _mailbox(self, request: Request, envelope: Any, asked: Any) -> Mailbox:
        """exchangeimpersonation, distinguishedfolderid: whose mailbox is meant, and whether it may be."""
        sid = envelope.find(f"{{{_S}}}Header/{{{_T}}}ExchangeImpersonation/{{{_T}}}ConnectingSID")
        named = asked.find(f".//{{{_T}}}DistinguishedFolderId/{{{_T}}}Mailbox/{{{_T}}}EmailAddress")
        if sid is not None:
            address = sid[0].text
            if request.headers.get("x-anchormailbox") != address:
                raise _RefusalError("ErrorInvalidRequest", fault=True)
        else:
            address = named.text if named is not None else request.headers["x-anchormailbox"]
        box = self.store.find(address)
        if box is None:
            raise _RefusalError("ErrorNonExistentMailbox", fault=True)
        if sid is None and box.address.lower() not in self.opens:
            raise _RefusalError("ErrorAccessDenied")
        if sid is not None and self.impersonates is not None and box.address.lower() not in self.impersonates:
            raise _RefusalError("ErrorImpersonateUserDenied", fault=True)
        return box

    # -- folders -------------------------------------------------------------------------------------

    def _get_folder(self, box: Mailbox, asked: Any) -> Iterator[str]:
        """getfolder-operation."""
        fields = _fields(asked)
        for stated in asked.find(f"{{{_M}}}FolderIds"):
            folder = self._folder(box, stated)
            yield message("GetFolder", f"<m:Folders>{self._shown_folder(box, folder, fields)}</m:Folders>")

    def _find_folder(self, box: Mailbox, asked: Any) -> Iterator[str]:
        """findfolder-operation: by offset, all below at any depth or those right below."""
        above = self._folder(box, asked.find(f"{{{_M}}}ParentFolderIds")[0])
        deep = asked.get("Traversal") == "Deep"
        if deep and above.root == "public":
            raise _RefusalError("ErrorInvalidOperation")
        found = list(_below(box, above, deep=deep))
        view = asked.find(f"{{{_M}}}IndexedPageFolderView")
        shown, about = _paged(len(found), view)
        fields = _fields(asked)
        folders = "".join(self._shown_folder(box, found[place], fields) for place in shown)
        yield message("FindFolder", f"<m:RootFolder {about}><t:Folders>{folders}</t:Folders></m:RootFolder>")

    def _folder(self, box: Mailbox, stated: Any) -> Folder:
        name = stated.get("Id")
        if etree.QName(stated).localname == "DistinguishedFolderId":
            if name in self.refused_roots:
                raise _RefusalError("ErrorAccessDenied")
            known = _ROOTS.get(name)
            roots = {folder.root for folder in box.folders.values()}
            if known is None or (known[0].startswith(("archive", "public")) and known[0] not in roots):
                raise _RefusalError("ErrorFolderNotFound")
            return _root(name)
        key = _plain(name)
        if key in _ROOTS:
            return _root(key)
        if key not in box.folders:
            raise _RefusalError("ErrorItemNotFound")
        return box.folders[key]

    def _shown_folder(self, box: Mailbox, folder: Folder, fields: set[str]) -> str:
        held = shelf(box, folder.id)
        parent = folder.parent or next(
            (name for name, root in _ROOTS.items() if root[0] == folder.root), "root"
        )
        size = (
            sum(len(held.one(place).raw) for place in range(len(held)))
            if isinstance(held, SmallShelf)
            else (len(held) * 5_000)
        )
        shown = {
            "folder:ParentFolderId": f'<t:ParentFolderId Id="{_coded(parent)}" ChangeKey="AQAAAA=="/>',
            "folder:DisplayName": f"<t:DisplayName>{escape(folder.name)}</t:DisplayName>",
            "folder:TotalCount": f"<t:TotalCount>{len(held)}</t:TotalCount>",
            "folder:ChildFolderCount": (
                f"<t:ChildFolderCount>{sum(1 for _ in _below(box, folder, deep=False))}</t:ChildFolderCount>"
            ),
            "0xe08": (
                '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0xe08" PropertyType="Long"/>'
                f"<t:Value>{size}</t:Value></t:ExtendedProperty>"
            ),
        }
        tag = "SearchFolder" if folder.role == "searchfolder" else _FOLDER_TAGS.get(folder.kind, "Folder")
        inner = "".join(text for name, text in shown.items() if name in fields)
        return f'<t:{tag}><t:FolderId Id="{_coded(folder.id)}" ChangeKey="AQAAAA=="/>{inner}</t:{tag}>'

    # -- items ---------------------------------------------------------------------------------------

    def _find_item(self, box: Mailbox, asked: Any) -> Iterator[str]:
        """finditem-operation: by offset, in order of creation, with bounds on it."""
        folder = self._folder(box, asked.find(f"{{{_M}}}ParentFolderIds")[0])
        order = [one.get("FieldURI") for one in asked.iterfind(f"{{{_M}}}SortOrder/{{{_T}}}FieldOrder/*")]
        if asked.get("Traversal") != "Shallow" or order != ["item:DateTimeCreated"]:
            raise _RefusalError("ErrorSchemaValidation", fault=True)
        held = shelf(box, folder.id)
        first, end = _bounds(held, asked.find(f"{{{_M}}}Restriction"))
        shown, about = _paged(end - first, asked.find(f"{{{_M}}}IndexedPageItemView"))
        fields = _fields(asked)
        items = "".join(_shown_item(box, held, first + place, fields) for place in shown)
        yield message("FindItem", f"<m:RootFolder {about}><t:Items>{items}</t:Items></m:RootFolder>")

    def _get_item(self, box: Mailbox, asked: Any) -> Iterator[str]:
        """getitem-operation, mimecontent: each item has its own message, in the order that was asked for."""
        if _fields(asked) != {"item:MimeContent"}:
            raise _RefusalError("ErrorSchemaValidation", fault=True)
        for stated in asked.find(f"{{{_M}}}ItemIds"):
            key = _plain(stated.get("Id"))
            item = box.messages.get(key)
            if isinstance(box, LargeMailbox):
                tag, raw = "Message", box.shelf.mime(stated.get("Id"))
            elif item is None:
                yield message("GetItem", code="ErrorItemNotFound")
                continue
            else:
                bad = next((code for name, code in _ITEM_FAULTS.items() if name in item.faults), "")
                if bad:
                    yield message("GetItem", code=bad)
                    continue
                tag, raw = _TAGS[box.folders[item.folder].kind][0], item.raw
            mime = f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(raw).decode()}</t:MimeContent>'
            shown = f'{mime}<t:ItemId Id="{_coded(key)}" ChangeKey="CQ=="/>'
            yield message("GetItem", f"<m:Items><t:{tag}>{shown}</t:{tag}></m:Items>")


_ITEM_FAULTS = {
    "not_convertible": "ErrorMimeContentConversionFailed",
    "corrupt": "ErrorItemCorrupt",
    "unsupported": "ErrorUnsupportedMimeConversion",
    "strange": "ErrorSomethingNew",
}


def shelf(box: Mailbox, folder: str) -> Shelf:
    """Return what a folder holds."""
    if isinstance(box, LargeMailbox):
        return box.shelf if folder in box.folders else LargeShelf(0, folder)
    return SmallShelf(box, folder)


def _root(name: str) -> Folder:
    return Folder(name, _ROOTS[name][1], root=_ROOTS[name][0])


def _below(box: Mailbox, above: Folder, *, deep: bool) -> Iterator[Folder]:
    if above.id == "root":
        for name in ("msgfolderroot", "recoverableitemsroot"):
            yield _folder_with_parent(_root(name), "root")
            if deep:
                yield from _below(box, _root(name), deep=True)
        parents = [folder for folder in box.folders.values() if folder.root == "hidden" and not folder.parent]
    elif above.id in _ROOTS:
        parents = [
            folder for folder in box.folders.values() if folder.root == above.root and not folder.parent
        ]
    else:
        parents = [folder for folder in box.folders.values() if folder.parent == above.id]
    for folder in parents:
        yield folder
        if deep:
            yield from _below(box, folder, deep=True)


def _folder_with_parent(folder: Folder, parent: str) -> Folder:
    return Folder(folder.id, folder.name, parent=parent, root=folder.root)


def _paged(size: int, view: Any) -> tuple[range, str]:
    """indexedpageitemview, rootfolder-finditemresponsemessage: places of a page, and what is said of it."""
    offset, most = int(view.get("Offset")), min(MOST, int(view.get("MaxEntriesReturned")))
    end = min(size, offset + most)
    last = "true" if end >= size else "false"
    about = f'IndexedPagingOffset="{max(offset, end)}" TotalItemsInView="{size}"'
    return range(offset, end), f'{about} IncludesLastItemInRange="{last}"'


def _bounds(held: Shelf, restriction: Any) -> tuple[int, int]:
    """restriction, and, isgreaterthanorequalto, islessthan: places of the items that fit."""
    first, end = 0, len(held)
    if restriction is None:
        return first, end
    for term in restriction.iter(f"{{{_T}}}IsGreaterThanOrEqualTo", f"{{{_T}}}IsLessThan"):
        if term[0].get("FieldURI") != "item:DateTimeCreated":
            raise _RefusalError("ErrorUnsupportedPathForQuery")
        value = datetime.fromisoformat(term.find(f"{{{_T}}}FieldURIOrConstant/{{{_T}}}Constant").get("Value"))
        place = bisect.bisect_left(range(len(held)), value, key=held.created)
        if etree.QName(term).localname == "IsLessThan":
            end = min(end, place)
        else:
            first = max(first, place)
    return first, max(first, end)


def _fields(asked: Any) -> set[str]:
    """Return the properties that are asked for beside the id (itemshape, foldershape)."""
    shape = asked.find(f"{{{_M}}}ItemShape")
    shape = asked.find(f"{{{_M}}}FolderShape") if shape is None else shape
    if shape.find(f"{{{_T}}}BaseShape").text != "IdOnly":
        raise _RefusalError("ErrorSchemaValidation", fault=True)
    more = shape.find(f"{{{_T}}}AdditionalProperties")
    return {one.get("FieldURI") or one.get("PropertyTag") for one in more}


def _shown_item(box: Mailbox, held: Shelf, place: int, fields: set[str]) -> str:
    """Return an item as a list shows it; of the fields asked for, those its kind has."""
    item = held.one(place)
    tag, item_class = _TAGS[box.folders[item.folder].kind]
    dated = "undated" not in item.faults
    shown = {
        "item:ItemClass": _element("ItemClass", item_class),
        "item:DateTimeReceived": _element("DateTimeReceived", _time(item.received)) if dated else "",
        "item:Size": _element("Size", str(len(item.raw) or 5_000)),
        "item:Categories": (
            f"<t:Categories>{''.join(f'<t:String>{escape(label)}</t:String>' for label in item.labels)}"
            "</t:Categories>"
            if item.labels
            else ""
        ),
        "item:IsDraft": _element("IsDraft", "true" if "draft" in item.faults else "false"),
        "item:DateTimeSent": (
            _element("DateTimeSent", _time(item.received)) if dated and tag == "Message" else ""
        ),
        "item:DateTimeCreated": _element("DateTimeCreated", _time(held.created(place))),
        "message:IsRead": _element("IsRead", "false" if "unread" in item.faults else "true"),
        **(_calendar_fields(item.raw) if tag == "CalendarItem" else {}),
    }
    inner = "".join(text for name, text in shown.items() if name in fields)
    return f'<t:{tag}><t:ItemId Id="{_coded(item.id)}" ChangeKey="CQAAAB{item.change:08d}"/>{inner}</t:{tag}>'


def _calendar_fields(raw: bytes) -> dict[str, str]:
    def stated(name: str) -> str:
        found = re.search(rf"^{name}:(\d{{8}}T\d{{6}}Z)", raw.decode(), re.MULTILINE)
        assert found is not None
        return _time(datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))

    kind = "RecurringMaster" if b"RRULE" in raw else "Single"
    return {
        "calendar:Start": _element("Start", stated("DTSTART")),
        "calendar:End": _element("End", stated("DTEND")),
        "calendar:CalendarItemType": _element("CalendarItemType", kind),
    }


def _element(name: str, text: str) -> str:
    return f"<t:{name}>{escape(text)}</t:{name}>"


def _time(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _coded(key: str) -> str:
    """Return an id as a server writes it: base64, with strokes and padding."""
    return base64.b64encode(b"\xff\xff\xff" + key.encode() + b"\x00" * (2 - len(key) % 3)).decode()


def _plain(coded: str) -> str:
    return base64.b64decode(coded)[3:].rstrip(b"\x00").decode()


ews_id = _coded


def message(operation: str, inner: str = "", code: str = "", back_off_ms: int | None = None) -> str:
    """Return a response message (responsecode, messagetext, messagexml)."""
    if not code:
        return (
            f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
            f"{inner}</m:{operation}ResponseMessage>"
        )
    more = "" if back_off_ms is None else f"<m:MessageXml>{_back_off(back_off_ms)}</m:MessageXml>"
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Error"><m:MessageText>zanzibar</m:MessageText>'
        f"<m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{more}"
        f"</m:{operation}ResponseMessage>"
    )


def fault(code: str, back_off_ms: int | None) -> Response:
    """Return a SOAP fault (ews-throttling-in-exchange: errors generated when limits are exceeded)."""
    more = "" if back_off_ms is None else f"<t:MessageXml>{_back_off(back_off_ms)}</t:MessageXml>"
    text = soap(
        f"<s:Fault><faultcode xmlns:a={quoteattr(_T)}>a:{code}</faultcode>"
        '<faultstring xml:lang="en-US">zanzibar</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="{_E}">{code}</e:ResponseCode>'
        f'<e:Message xmlns:e="{_E}">zanzibar</e:Message>{more}</detail></s:Fault>'
    )
    return Response(text, 500, media_type="text/xml")


def _back_off(milliseconds: int) -> str:
    return f'<t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value>'


def soap(inner: str) -> str:
    """Return an answer (serverversioninfo)."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_S}" xmlns:m="{_M}" xmlns:t="{_T}">'
        '<s:Header><t:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" '
        f'MinorBuildNumber="6" Version="V2017_07_11"/></s:Header><s:Body>{inner}</s:Body></s:Envelope>'
    )


def connection_fields(url: str, **extra: str) -> dict[str, Any]:
    """Return what the Airflow connection to a fake with tokens holds, as JSON."""
    about = {"tenant": TENANT, "authority": url, "patience_s": "5", **extra}
    return {"conn_type": "http", "host": url, "login": CLIENT, "password": CLIENT_SECRET, "extra": about}


def large(messages: int, address: str = "large@example.org") -> Ews:
    """Return an organisation with one very large mailbox."""
    ews = Ews()
    ews.store.accounts[address] = LargeMailbox(address, messages)
    return ews


def main(argv: Sequence[str] | None = None) -> None:
    """Serve a large mailbox until standard input ends; prints connection and, at the end, figures, as JSON.

    ``least_s`` is the real time that the limits ask for what was answered, and ``first_at`` and ``last_at``
    are of the machine's monotonic clock.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.servers.ews", description=main.__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--faster", type=float, default=1.0, help="how much faster the server's clock is")
    parser.add_argument(
        "--at-once", type=int, default=27, help="requests that the mailbox may have under way"
    )
    given = parser.parse_args(argv)
    ews = large(given.messages)
    ews.at_once = given.at_once
    budget = ews.budget = Budget(faster=given.faster)
    with Served(ews.app(), requests=deque(maxlen=1)) as served:
        print(json.dumps(connection_fields(served.url)), flush=True)
        sys.stdin.read()
        by_budget_s = (budget.used_s - budget.burst_s - budget.cutoff_s) / budget.recharge
        least_s = max(by_budget_s, budget.used_s / ews.at_once) / budget.faster
        print(
            json.dumps({
                "most_at_once": ews.most_at_once, "asked": budget.asked, "refused": budget.refused,
                "least_s": least_s, "first_at": budget.first_at / budget.faster,
                "last_at": budget.last_at / budget.faster,
            }),
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
