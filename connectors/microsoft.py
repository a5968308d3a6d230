"""Microsoft's services over HTTPS: tokens, waiting as they ask, pages, bytes, and what each answer means.

Every connector of a Microsoft service asks through a ``Service``. It gets tokens with msal (client
credentials), sends them to its own host only, waits as ``Retry-After`` says, and turns answers into our
errors. What went wrong is told by the code of the answer, never by its message
(https://learn.microsoft.com/graph/errors).
"""

from __future__ import annotations

import copy
import json
import logging
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

from connectors.asking import (
    PATIENCE_S,
    Busy,
    Denied,
    Refused,
    check_address,
    close_all,
    followed,
    heard,
    new_client,
    retry_after_s,
    seconds,
    until_answered,
)
from connectors.downloads import OF_BYTES, downloaded
from connectors.governor import Governor
from records.errors import AccessError, SettingsError
from records.models import Connection
from records.vocabulary import Reason

if TYPE_CHECKING:
    import httpx

GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com"
"""Where the worldwide service is; a connection may name another cloud
(https://learn.microsoft.com/graph/deployments)."""

_REDIRECTS = 5
_CODE = re.compile(r"[A-Za-z0-9_.]{1,80}")

_OF_MAILBOXES = (
    ", and where access is limited to named mailboxes, put this one into that scope (a change takes up to "
    "two hours)"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        values: What it holds, in the service's order.
        next_link: Address of the page that follows; empty on the last.
        total: ``@odata.count`` where it was asked for, else None.
    """

    values: tuple[Mapping[str, Any], ...]
    next_link: str
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no refusal.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        body: The JSON object; empty when there is none.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)


_ITEM_CODES: dict[str, tuple[Reason, str]] = {
    # Graph's mail and calendar answer with the codes of Exchange
    # (https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode).
    "ErrorMimeContentConversionFailed": (Reason.NOT_CONVERTIBLE, "mime_conversion"),
    "ErrorMimeContentInvalid": (Reason.NOT_CONVERTIBLE, "mime_content"),
    "ErrorContentConversionFailed": (Reason.NOT_CONVERTIBLE, "content_conversion"),
    "ErrorUnsupportedMimeConversion": (Reason.NOT_CONVERTIBLE, "mime_unsupported"),
    "ErrorItemCorrupt": (Reason.CORRUPT, "item_corrupt"),
    "ErrorCorruptData": (Reason.CORRUPT, "corrupt_data"),
    "ErrorPropertyUpdate": (Reason.CORRUPT, "property"),
    "ErrorMessageSizeExceeded": (Reason.TOO_LARGE, "message_size"),
    "ErrorMessageTooBig": (Reason.TOO_LARGE, "message_size"),
}
_NO_ACCOUNT = frozenset({"ErrorInvalidUser", "Request_ResourceNotFound", "ErrorNonExistentMailbox"})
_NO_MAILBOX = frozenset({
    "MailboxNotEnabledForRESTAPI", "ErrorMailboxNotEnabledForRESTAPI", "MailboxNotSupportedForRESTAPI",
    "MailboxNotHostedInExchangeOnline",
})  # fmt: skip
_FULL = frozenset({"ErrorQuotaExceeded"})
_AWAY = frozenset({429, 503, 509})
_FAULTY = frozenset({408, 500, 502, 504})


def _is_no_error(body: Mapping[str, Any]) -> bool:
    """Tell an answer from an error that came as one: a proxy in between can give it a status of 200."""
    return set(body) != {"error"}


def _is_page(body: Mapping[str, Any]) -> bool:
    """Tell whether an answer is a page of a list: without one, the list would end early and nobody know.

    Each entry of the lists that are asked for has an id; one without could not be told from another.
    """
    values = body.get("value")
    return isinstance(values, list) and all(isinstance(one, dict) and one.get("id") for one in values)


class Service:
    """One of Microsoft's services, as one source asks it."""

    def __init__(
        self,
        source_id: str,
        connection: Connection,
        *,
        base: str = GRAPH,
        scope: str = "",
        governor: Governor | None = None,
        right: str = "",
    ) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            source_id: For messages.
            connection: Client id and secret (or a certificate), tenant, and other addresses.
            base: Address of the service when the connection's ``host`` names none.
            scope: What tokens are asked for; empty for all that the application was granted at ``base``.
            governor: Holds the processes of this machine within the service's limits; None for no limit.
            right: The permission that a refusal is told to lack.

        Raises:
            SettingsError: The address is not safe to send a token to.
        """
        self._where = f"source {source_id}: connection {connection.id}"
        self.base = (connection.host or base).rstrip("/")
        check_address(self.base, self._where)
        self._tokens = Tokens(source_id, connection, scope or f"{self.base}/.default")
        self._governor = governor
        self._right, self._advice = right, _OF_MAILBOXES
        self._patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._opened = _Opened()

    def for_right(self, right: str, advice: str = "") -> Service:
        """Return the same service, that tells a refusal to lack another permission.

        Args:
            right: The permission.
            advice: What else may be missing; empty for what limits access to named mailboxes.
        """
        other = copy.copy(self)
        other._right, other._advice = right, advice or _OF_MAILBOXES
        return other

    def within(self, governor: Governor) -> Service:
        """Return the same service, with its tokens and connections, within other limits."""
        other = copy.copy(self)
        other._governor = governor
        return other

    def close(self) -> None:
        """End its connections; it opens new ones when it is asked again."""
        self._opened.close()
        self._tokens.close()

    def heed(self, over: threading.Event) -> None:
        """Let each waiting of this thread for a busy service end when it is set, as if patience were over."""
        self._opened.heed(over)

    def get(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Return a JSON object.

        Args:
            path: Below the service's address (``/v1.0/users``), or a whole address that it gave itself.
            params: Query; values are encoded here.
            headers: Further headers.

        Raises:
            Denied: The account or the place is refused altogether.
            Refused: This one request is.
            Retryable: The service is busy or away for longer than ``patience_s``.
        """
        return self.ask(
            "GET", path, params, headers, is_whole=lambda body: bool(body) and _is_no_error(body)
        ).body

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        is_whole: Callable[[Mapping[str, Any]], bool] = _is_no_error,
    ) -> Answer:
        """Send a request and return its answer; see ``get``.

        Args:
            method: ``GET``, ``POST`` …
            path: As in ``get``.
            params: As in ``get``.
            headers: As in ``get``.
            body: Sent as JSON.
            is_whole: Tells whether a JSON object is what was asked for; what is not is asked for again.
        """
        address = self._address(path, params)

        def once() -> Answer:
            with self._answered(method, address, headers, body) as response:
                answer = Answer(response.status_code, dict(response.headers), _object(response))
            if not is_whole(answer.body):
                raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", answer.status))
            return answer

        return self._tried(once)

    def pages(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Page]:
        """Yield the pages of a list, following ``@odata.nextLink``; see ``get``.

        https://learn.microsoft.com/graph/paging: the link is taken whole, with all it encodes.
        """
        link, query = path, params
        given: set[int] = set()  # hashes: a link is long, and a list has thousands
        while link:
            given.add(hash(link))
            body = self.ask("GET", link, query, headers, is_whole=_is_page).body
            following = str(body.get("@odata.nextLink") or "")
            total = body.get("@odata.count")
            if following and hash(following) in given:
                raise Refused(Reason.CORRUPT, "page_loop", 200)
            yield Page(tuple(body["value"]), following, total if isinstance(total, int) else None)
            link, query = following, None

    def download(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        is_whole: Callable[[bytes], bool] = lambda _: True,
    ) -> BinaryIO:
        """Return all bytes of an answer; see ``get`` and ``connectors.downloads``.

        Args:
            path: As in ``get``.
            headers: As in ``get``.
            is_whole: Tells by its first bytes whether it is what was asked for.
        """
        address = self._address(path, None)
        return downloaded(
            lambda more: self._answered("GET", address, {**(headers or {}), **more}),
            self._tried,
            is_whole=is_whole,
        )

    def _address(self, path: str, params: Mapping[str, str] | None) -> str:
        address = path if "://" in path else f"{self.base}{path}"
        if _origin(address) != _origin(self.base):
            # https://learn.microsoft.com/graph/paging gives links on the same host; a token goes nowhere else
            raise Refused(Reason.REFUSED_BY_SOURCE, "link_to_another_host", 200)
        if params:
            query = "&".join(
                f"{quote(key, safe='$')}={quote(value, safe='')}" for key, value in params.items()
            )
            address += ("&" if "?" in address else "?") + query
        return address

    def _tried(self, once: Callable[[], T]) -> T:
        """Try until it is answered, as long as the connection's patience lasts."""
        return until_answered(
            lambda: heard(once), self._patience_s, self._where, interrupted=self._opened.over
        )

    @contextmanager
    def _answered(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[httpx.Response]:
        """Send one request; what is given is an answer with bytes still to be read."""
        token = self._tokens.get()  # asked for before a place is taken
        turn: AbstractContextManager[None] = (
            self._governor.turn(self._opened.over) if self._governor else nullcontext()
        )
        with turn:
            response = self._sent(method, address, token, headers, body)
            if response.status_code == 401:
                response.close()
                response = self._sent(method, address, self._tokens.get(renew=True), headers, body)
            try:
                asked, response = response, self._followed(response, headers or {})
                if response.status_code >= 300:
                    response.read()
                    if response is not asked and response.status_code in {401, 403}:
                        # the address was allowed for a short time only: the next try is given another
                        raise Busy(
                            final=Refused(
                                Reason.UNREADABLE, f"http_{response.status_code}", response.status_code
                            )
                        )
                    self._judge(response)
                yield response
            finally:
                response.close()

    def _sent(
        self,
        method: str,
        address: str,
        token: str,
        headers: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> httpx.Response:
        client = self._opened.client()
        request = client.build_request(method, address, headers=headers, json=body)
        request.headers["Authorization"] = f"Bearer {token}"
        return client.send(request, stream=True)

    def _followed(self, response: httpx.Response, headers: Mapping[str, str]) -> httpx.Response:
        """Follow redirections, as for the content of a file, without the token.

        https://learn.microsoft.com/graph/api/driveitem-get-content: the address it leads to is allowed by
        itself, and an ``Authorization`` header makes it fail.
        """
        for _ in range(_REDIRECTS):
            if not response.has_redirect_location:
                return response
            address = followed(response)
            response.close()
            check_address(address, self._where)
            client = self._opened.client()
            part = {name: headers[name] for name in OF_BYTES if name in headers}
            response = client.send(client.build_request("GET", address, headers=part), stream=True)
        response.close()
        raise Refused(Reason.UNREADABLE, "redirections", response.status_code)

    def _judge(self, response: httpx.Response) -> None:
        """Raise what a refusal means."""
        status, code = response.status_code, _code(response)
        after_s = retry_after_s(response.headers)
        if code in _ITEM_CODES:
            raise Refused(*_ITEM_CODES[code], status, code)
        if status in _AWAY:
            if self._governor is not None and after_s is not None:
                self._governor.hold_off(min(after_s, self._patience_s))
            raise Busy(after_s)
        if status in _FAULTY or status == 416:  # a part that is not there is asked for as a whole
            raise Busy(after_s, Refused(Reason.UNREADABLE, f"http_{status}", status, code))
        remedy = self._remedy(status, code)
        if remedy:
            raise Denied(f"{self._where}: {remedy}", code or f"http_{status}")
        detail = "gone" if status in {404, 410} else f"http_{status}"
        raise Refused(Reason.REFUSED_BY_SOURCE, detail, status, code)

    def _remedy(self, status: int, code: str) -> str:
        """Say what to do about a refusal that concerns more than one item; empty for any other."""
        if code in _NO_ACCOUNT:
            return (
                "the service knows no such account; check `account` in the request file (a mail address or "
                "user principal name of this tenant)"
            )
        if code in _NO_MAILBOX:
            return (
                "the account has no mailbox that this route reaches: its licence was removed, it is inactive "
                "or on a server of your own; give it a licence for the time of the search, ask that "
                "server (exchange_ews), or export it (purview_export)"
            )
        if code in _FULL:
            return (
                "the mailbox is over its quota, and the service answers no more; let its administrator raise "
                "the quota, then run again"
            )
        if status == 402:
            # https://learn.microsoft.com/graph/teams-licenses#payment-related-errors
            return (
                "the service asks for a licence or a payment, which Microsoft ended for Teams on 25 August "
                "2025; where the tenant's cloud still asks, give the account a licence with Microsoft "
                "Communications DLP (such as A5 or E5), or link the application to an Azure subscription; "
                "else export Teams (purview_export)"
            )
        if status == 401:
            return (
                "the service refuses a token it has just given; check that `host` and `authority` are of the "
                "same cloud, and this machine's clock"
            )
        if status == 403:
            right = f"`{self._right}` (an application permission)" if self._right else "what it needs"
            return f"refused; grant the application {right}, with admin consent{self._advice}"
        return ""


class _Opened:
    """The connections of a service; they end with the last that asks through it.

    Attributes:
        over: Ends the waiting of the thread that asks for it; None when nothing does.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()
        self._clients: list[httpx.Client] = []
        weakref.finalize(self, close_all, self._clients)

    @property
    def over(self) -> threading.Event | None:
        return getattr(self._of_thread, "over", None)

    def heed(self, over: threading.Event) -> None:
        self._of_thread.over = over

    def client(self) -> httpx.Client:
        if not self._clients:
            self._clients.append(_client())
        return self._clients[0]

    def close(self) -> None:
        close_all(self._clients)


class Tokens:
    """Tokens of an application, by its own credentials (no person signs in).

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """

    def __init__(self, source_id: str, connection: Connection, scope: str) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            source_id: For messages.
            connection: ``login`` is the client id, ``secret`` its secret; ``extra`` holds ``tenant``, and may
                hold ``authority`` and, in place of the secret, ``private_key`` and ``certificate`` (PEM).
            scope: What tokens are asked for.
        """
        self._connection = connection
        self._where = f"source {source_id}: connection {connection.id}"
        self._scope = scope
        self._opened: list[Any] = []

    def get(self, *, renew: bool = False) -> str:
        """Return a token that is valid for some minutes at least.

        Args:
            renew: Ask for another one: the service refused the last.

        Raises:
            AccessError: Tenant, application or secret are refused; the message says which.
            SettingsError: The connection lacks one of them.
        """
        app = self._app()
        if renew:
            app.remove_tokens_for_client()
        answer = app.acquire_token_for_client([self._scope])
        token = answer.get("access_token")
        if isinstance(token, str):
            return token
        numbers = answer.get("error_codes") or _NUMBER.findall(str(answer.get("error_description", "")))
        raise self._refusal([str(number) for number in numbers])

    def close(self) -> None:
        """Forget tokens and end connections."""
        while self._opened:
            self._opened.pop().close()

    def _app(self) -> Any:
        """Return msal's application; making it asks the service for its addresses."""
        if self._opened:
            return self._opened[0].app
        import msal

        connection = self._connection
        tenant = connection.extra.get("tenant", "")
        if not tenant or not connection.login:
            missing = "`tenant` in extra" if connection.login else "`login` (the application's client id)"
            raise SettingsError(f"{self._where} lacks {missing}")
        http = _TokenHttp(self._where, connection.extra.get("authority") or LOGIN, self._refusal)
        try:
            http.app = msal.ConfidentialClientApplication(
                connection.login,
                client_credential=self._credential(),
                authority=f"{http.authority}/{quote(tenant, safe='')}",
                instance_discovery=False,
                http_client=http,
            )
        except ValueError:  # its message holds the tenant, and may hold the key
            http.close()
            raise SettingsError(f"{self._where}: `tenant` or the certificate is not well formed") from None
        except BaseException:
            http.close()
            raise
        self._opened.append(http)
        return http.app

    def _credential(self) -> str | dict[str, str]:
        extra = self._connection.extra
        if "private_key" in extra and "certificate" in extra:
            return {"private_key": extra["private_key"], "public_certificate": extra["certificate"]}
        if not self._connection.secret:
            raise SettingsError(
                f"{self._where} lacks `password` (the client secret), or `private_key` and `certificate` in "
                "extra"
            )
        return self._connection.secret

    def _refusal(self, numbers: list[str]) -> AccessError:
        """Say what to do about what Microsoft Entra answered.

        https://learn.microsoft.com/entra/identity-platform/reference-error-codes
        """
        known = next((number for number in numbers if number in _ENTRA), "")
        said = f" (AADSTS{numbers[0]})" if numbers else ""
        return AccessError(f"{self._where}: {_ENTRA.get(known, _ENTRA[''])}{said}")


_NUMBER = re.compile(r"AADSTS(\d{4,9})")
_ENTRA = {
    "": "no token is given; check client id, secret and tenant",
    "90002": "no such tenant; check `tenant` in extra (the directory's id, or a domain of it)",
    "900023": "`tenant` in extra is neither an id nor a domain",
    "700016": "the tenant knows no such application; check `login` (client id) and `tenant`, and that an "
    "administrator of this tenant has consented to it",
    "7000215": "the secret is not the application's; put the secret's value into `password`, not its id",
    "7000222": "the secret has expired; make a new one and put it into `password`",
    "700027": "the certificate is not one of the application's, or its key does not fit it; upload it there",
    "7000112": "the application is disabled in the tenant; enable it under Enterprise applications",
    "53003": "a Conditional Access policy blocks the application; exempt it, or run from an allowed address",
}


class _TokenHttp:
    """What msal sends its requests with; msal asks whoever gives it this to wait and to try again."""

    def __init__(self, where: str, authority: str, refusal: Callable[[list[str]], AccessError]) -> None:
        check_address(authority, where)
        self._plain = authority.startswith("http://")
        # msal takes no other than https, even for a service on this machine
        self.authority = authority.rstrip("/").replace("http://", "https://", 1)
        self.app: Any = None
        self._refusal = refusal
        self._opened = _Opened()

    def close(self) -> None:
        self._opened.close()

    def get(self, url: str, **about: Any) -> httpx.Response:
        response = self._asked("GET", url, about)
        if 400 <= response.status_code < 500:  # of the tenant's own addresses
            raise self._refusal(_NUMBER.findall(response.text))
        return response

    def post(self, url: str, **about: Any) -> httpx.Response:
        return self._asked("POST", url, about)

    def _asked(self, method: str, url: str, about: Mapping[str, Any]) -> httpx.Response:
        if self._plain:
            url = url.replace("https://", "http://", 1)
        known = {key: about[key] for key in ("params", "data", "headers") if about.get(key) is not None}
        response = self._opened.client().request(method, url, **known)
        if response.status_code == 429 or response.status_code >= 500:
            raise Busy(retry_after_s(response.headers))
        return response


def user_path(account: str, version: str = "v1.0") -> str:
    """Return the path of an account, whose address may hold ``#`` and the like."""
    return f"/{version}/users/{quote(account, safe='@')}"


def not_given(source_id: str, place: str, error: Refused) -> AccessError:
    """Return what to say when a place of an account is not there."""
    return AccessError(
        f"source {source_id}: the service does not give `{place}` ({error.code or error.detail}); check the "
        "account, or leave that place out in `places`"
    )


def _object(response: httpx.Response) -> Mapping[str, Any]:
    raw = response.read()
    if not raw.strip():
        return {}
    try:
        found = json.loads(raw)
    except ValueError:
        raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", response.status_code)) from None
    return found if isinstance(found, dict) else {"value": found}


def _code(response: httpx.Response) -> str:
    """Return the most detailed code that an error gives, and none that is no code."""
    try:
        error = response.json()["error"]
        code = str(error.get("code", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return code if _CODE.fullmatch(code) else ""


def _client() -> httpx.Client:
    logging.getLogger("msal").setLevel(logging.ERROR)  # its lines hold what was asked for
    return new_client()


def _origin(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or {"https": 443, "http": 80}.get(parts.scheme),
    )
