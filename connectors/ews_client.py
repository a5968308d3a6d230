"""Exchange Web Services of one mailbox: one session, waiting as the server asks, what each answer means.

exchangelib discovers nothing here (the connection says where the server is), keeps no session for the next
source, and logs nothing, since its lines hold whole answers.

This module needs exchangelib, so it is imported when a server is first asked.
"""

from __future__ import annotations

import functools
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast
from urllib.parse import urlsplit
from xml.sax import SAXParseException

import requests
import urllib3
from exchangelib import DELEGATE, IMPERSONATION, UTC, Account, Build, Configuration, Q, Version
from exchangelib.credentials import Credentials
from exchangelib.errors import ErrorTimeoutExpired, EWSError
from exchangelib.ewsdatetime import EWSDateTime
from exchangelib.fields import FieldOrder
from exchangelib.folders import Folder, PublicFoldersRoot, Root
from exchangelib.items import ID_ONLY, SHALLOW
from exchangelib.properties import DistinguishedFolderId, FolderId, ItemId, Mailbox
from exchangelib.protocol import Protocol
from exchangelib.restriction import Restriction
from exchangelib.transport import BASIC, NOAUTH, NTLM

from connectors.asking import FAULTS, Busy, Refused, is_safe, out_of_reach, until_answered
from connectors.ews_answers import Broken, Coded, Http, of_code, of_http, of_item
from connectors.ews_services import (
    CREATED,
    MIME,
    OF_FOLDERS,
    OF_ITEMS,
    Bearer,
    Entry,
    FolderFacts,
    FolderPages,
    ItemPages,
    MimeOfOne,
    MimeOfSome,
    OneConnection,
    OneFolder,
    Policy,
)
from connectors.governor import Governor
from connectors.microsoft import Tokens
from records.errors import AccessError, DaylightError
from records.vocabulary import Reason

PAGE = 500
"""Items a page; servers give no more than 1,000 by default
(https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange)."""

_IN_MEMORY = 8 << 20
_FIRST_WAIT_S = 0.2
_SINCE_2013 = Version(build=Build(15, 0, 847))
"""Exchange 2013 SP1, which every server still supported takes; where it is refused, others are tried."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a folder.

    Attributes:
        entries: In the server's order.
        total: Items in the whole view, as the server counts them now.
        last: Nothing follows.
    """

    entries: tuple[Entry, ...]
    total: int
    last: bool


@dataclass(frozen=True, slots=True)
class Login:
    r"""How to reach and enter a server.

    Attributes:
        where: Start of every message (``source s1: connection exchange``).
        endpoint: Address of the service.
        mailbox: Whose mailbox.
        tokens: For OAuth; None for NTLM and basic.
        user: For NTLM (``DOMAIN\name`` or an address) and basic.
        secret: The password.
        basic: Basic, not NTLM.
        delegate: By rights on the mailbox itself, not by impersonation.
        patience_s: Seconds to wait for a busy server.
        at_once: Requests under way together, of all processes of this machine.
    """

    where: str
    endpoint: str
    mailbox: str
    tokens: Tokens | None
    user: str
    secret: str
    basic: bool
    delegate: bool
    patience_s: float
    at_once: int


class Exchange:
    """One mailbox on one server; one request at a time.

    Attributes:
        interrupted: Ends waiting for a busy server when it is set, as if patience were over; None when
            nothing does.
    """

    def __init__(self, login: Login) -> None:
        """Prepare; nothing is asked yet."""
        for name in ("exchangelib", "urllib3", "requests_ntlm", "spnego", "msal", "httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # their lines hold addresses and whole answers
        self.interrupted: threading.Event | None = None
        self._login = login
        self._policy = Policy()
        self._account = self._opened()
        self._root = Root(account=self._account)
        self._governor = Governor(
            f"ews {login.endpoint} {login.mailbox.lower()}", at_once=login.at_once, requests=0, period_s=1.0
        )

    def _opened(self) -> Any:
        login = self._login
        password = None if login.tokens is not None else Credentials(login.user, login.secret)
        config = Configuration(
            service_endpoint=login.endpoint,
            credentials=password,
            auth_type=NOAUTH if login.tokens is not None else BASIC if login.basic else NTLM,
            version=_SINCE_2013,
            retry_policy=self._policy,
            max_connections=1,
        )
        account = Account(
            login.mailbox,
            config=config,
            autodiscover=False,
            access_type=DELEGATE if login.delegate else IMPERSONATION,
            default_timezone=UTC,
            locale="en_US",
        )
        del Protocol[config]  # its cache outlives the source; ours ends with it
        account.protocol = type.__call__(OneConnection, config=config)
        if login.tokens is not None:
            account.protocol.bearer = Bearer()
        return account

    # -- what is asked ------------------------------------------------------------------------------------

    def folder(self, key: str, *, named: bool = False) -> FolderFacts:
        """Return a folder.

        https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation

        Args:
            key: Its id, or its well-known name.
            named: ``key`` is a name.

        Raises:
            Denied: The mailbox or the service is refused altogether.
            Refused: This folder is, or it is not there.
            Retryable: The server is busy or away for longer than the connection's patience.
        """
        asked = self._named(key) if named else Folder(root=self._root, id=key)
        return cast(
            "FolderFacts",
            self.ask(
                lambda: OneFolder(account=self._account).get(
                    folders=[asked], additional_fields=OF_FOLDERS, shape=ID_ONLY
                )
            ),
        )

    def folders(self, above: FolderFacts, *, deep: bool = True) -> list[FolderFacts]:
        """Return the folders below one; see ``folder`` for what is raised.

        https://learn.microsoft.com/exchange/client-developer/web-service-reference/findfolder-operation

        Args:
            above: The folder.
            deep: At any depth. Public folders can be asked for one level at a time only.
        """
        for _ in range(FAULTS):
            found: dict[str, FolderFacts] = {}
            totals: set[int] = set()
            offset, last = 0, False
            while not last:
                page, service = self.ask(functools.partial(self._folder_page, above, offset, deep=deep))
                found |= {folder.key: folder for folder in page}
                offset, last = offset + len(page), service.last
                totals.add(service.total)
            if totals == {len(found)}:  # else folders were made, moved or removed meanwhile
                return list(found.values())
        raise Refused(Reason.UNREADABLE, "folders_change", 200)

    def _folder_page(
        self, above: FolderFacts, offset: int, *, deep: bool
    ) -> tuple[list[FolderFacts], FolderPages]:
        service = FolderPages(account=self._account, page_size=PAGE)
        found = list(
            service.call(
                folders=[Folder(root=self._root, id=above.key)],
                additional_fields=OF_FOLDERS,
                restriction=None,
                shape=ID_ONLY,
                depth="Deep" if deep else "Shallow",
                max_items=PAGE,
                offset=offset,
            )
        )
        service.check(offset, len(found))
        return found, service

    def page(self, folder: str, since: str, until: str, offset: int, count: int = 0) -> Page:
        """Return a page of the items of a folder, oldest first; see ``folder`` for what is raised.

        https://learn.microsoft.com/exchange/client-developer/web-service-reference/finditem-operation

        Args:
            folder: Its id.
            since: Created then or later; empty for the beginning.
            until: Created before; empty for the end.
            offset: Of the first item in the list of all that fit.
            count: Items at most; 0 for a usual page.
        """
        return self.ask(lambda: self._item_page(folder, since, until, offset, count or PAGE))

    def _item_page(self, folder: str, since: str, until: str, offset: int, count: int) -> Page:
        service = ItemPages(account=self._account, page_size=count)
        bounds = {
            f"datetime_created__{name}": EWSDateTime.from_string(when)
            for name, when in (("gte", since), ("lt", until))
            if when
        }
        fits = Restriction(Q(**bounds), [Folder(root=self._root)], Restriction.ITEMS) if bounds else None
        found = service.call(
            folders=[FolderId(id=folder)],
            additional_fields=OF_ITEMS,
            restriction=fits,
            order_fields=[FieldOrder(field_path=CREATED)],
            shape=ID_ONLY,
            query_string=None,
            depth=SHALLOW,
            calendar_view=None,
            max_items=count,
            offset=offset,
        )
        entries = tuple(found)
        if count > 1:  # a look at one item says nothing of the rest
            service.check(offset, len(entries))
        return Page(entries, service.total, service.last)

    def mime(self, keys: Sequence[str]) -> list[bytes | Refused]:
        """Return the bytes of some items, in order, or why one cannot be had; see ``folder``.

        https://learn.microsoft.com/exchange/client-developer/web-service-reference/mimecontent
        """

        def call() -> list[bytes | Refused]:
            service = MimeOfSome(account=self._account, chunk_size=len(keys))
            found = list(service.call([ItemId(id=key) for key in keys], [MIME], ID_ONLY))
            for one in found:
                if isinstance(one, Coded) and not isinstance(of_code(one, self._login.where), Refused):
                    raise one  # no matter of this item: the server is busy, or refuses the mailbox
            if len(found) != len(keys):
                raise Broken
            return [of_item(one) if isinstance(one, Coded) else one for one in found]

        return self.ask(call)

    def stream(self, key: str) -> BinaryIO:
        """Return the bytes of one large item, all of which have been received; see ``folder``.

        They are kept in memory up to 8 MB, then in a file without a name.
        """

        def call() -> BinaryIO:
            file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - the reader's
            self._policy.streaming = True
            try:
                for block in MimeOfOne(account=self._account).blocks(key):
                    file.write(block)
            except BaseException:
                file.close()
                raise
            finally:
                self._policy.streaming = False
            file.seek(0)
            return file

        return self.ask(call)

    def _named(self, name: str) -> Any:
        if name == PublicFoldersRoot.DISTINGUISHED_FOLDER_ID:
            return PublicFoldersRoot(account=self._account, _distinguished_id=DistinguishedFolderId(id=name))
        mailbox = Mailbox(email_address=self._login.mailbox)
        return Folder(root=self._root, _distinguished_id=DistinguishedFolderId(id=name, mailbox=mailbox))

    # -- waiting, and what an answer means ----------------------------------------------------------------

    def ask(self, call: Callable[[], T]) -> T:
        """Ask until it is answered, as long as the connection's patience lasts."""
        return until_answered(
            lambda: self._once(call),
            self._login.patience_s,
            self._login.where,
            who="the server is",
            first_wait_s=_FIRST_WAIT_S,
            interrupted=self.interrupted,
        )

    def _once(self, call: Callable[[], T]) -> T:
        self._sign()
        with self._governor.turn(self.interrupted):
            try:
                return self._signed(call)
            except Busy as busy:
                if busy.final is None and busy.after_s is not None:  # until then no process asks
                    self._governor.hold_off(min(busy.after_s, self._login.patience_s))
                raise

    def _signed(self, call: Callable[[], T]) -> T:
        try:
            return self._told(call)
        except Http as refused:
            if refused.status != 401 or self._login.tokens is None:
                raise self._of_http(refused) from None
        self._sign(renew=True)  # a token can be revoked, or expire by the server's clock
        try:
            return self._told(call)
        except Http as refused:
            raise self._of_http(refused) from None

    def _told(self, call: Callable[[], T]) -> T:
        """Turn what exchangelib raises into what it means; ``from None``: its messages hold addresses."""
        try:
            return call()
        except Coded as coded:
            raise of_code(coded, self._login.where) from None
        except Broken:
            raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", 200)) from None
        except ErrorTimeoutExpired as error:
            if (reason := _never_reached(error.__context__)) is not None:
                raise out_of_reach(reason) from None
            raise Busy(final=Refused(Reason.UNREADABLE, "cut_off", 0)) from None
        except (urllib3.exceptions.HTTPError, requests.exceptions.RequestException, SAXParseException):
            raise Busy(final=Refused(Reason.UNREADABLE, "cut_off", 0)) from None
        except EWSError as error:
            name = type(error).__name__
            if name.startswith("Error"):  # the server's own code
                raise of_code(Coded(name), self._login.where) from None
            if isinstance(error.__context__, requests.exceptions.SSLError):
                raise AccessError(
                    f"{self._login.where}: the server's certificate is not trusted; let it be signed by an "
                    "authority this machine knows, or name the file of yours in REQUESTS_CA_BUNDLE"
                ) from None
            raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", 200)) from None
        except (AttributeError, TypeError, ValueError):  # an answer that lacks what it must have
            raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", 200)) from None

    def _of_http(self, answer: Http) -> Exception:
        return of_http(answer, self._login.where, with_token=self._login.tokens is not None)

    def _sign(self, *, renew: bool = False) -> None:
        tokens = self._login.tokens
        if tokens is None:
            return
        try:
            self._account.protocol.bearer.token = tokens.get(renew=renew)
        except (DaylightError, Busy):
            raise
        except Exception as error:  # noqa: BLE001 - whatever keeps the token endpoint from answering
            raise out_of_reach(error) from None


class Exchanges:
    """One mailbox on one server, for several threads: each request has a session of its own."""

    def __init__(self, login: Login) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._login = login
        self._idle: list[Exchange] = []
        self._of_thread = threading.local()

    def heed(self, over: threading.Event) -> None:
        """Let every waiting of this thread for a busy server end when it is set, as if patience were over."""
        self._of_thread.over = over

    @contextmanager
    def one(self) -> Iterator[Exchange]:
        """Lend a session that nobody uses."""
        try:
            exchange = self._idle.pop()
        except IndexError:
            exchange = Exchange(self._login)
        exchange.interrupted = getattr(self._of_thread, "over", None)
        try:
            yield exchange
        finally:
            self._idle.append(exchange)


def _never_reached(error: BaseException | None) -> BaseException | None:
    """Return why no connection was made at all; None where one was."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return error
    reason = getattr(error.args[0], "reason", None) if error is not None and error.args else None
    return reason if isinstance(reason, urllib3.exceptions.NewConnectionError) else None


def endpoint(host: str) -> str:
    """Return the address of the service at a host, or the address as it is given.

    Raises:
        ValueError: It would show a secret on the way.
    """
    address = host if "://" in host else f"https://{host}"
    parts = urlsplit(address)
    if not is_safe(address) or not parts.hostname:
        raise ValueError(parts.scheme)
    return address if parts.path.strip("/") else f"{address.rstrip('/')}/EWS/Exchange.asmx"
