"""Google's services in the name of one account: tokens, waiting as they ask, pages, bytes, answers.

Requests are made by google-api-python-client from the discovery documents that it carries itself, and are
sent here: bytes stream, a request is never repeated behind our back, and no library logs an answer.
A refusal is told by its code, never by its words
(https://developers.google.com/workspace/drive/api/guides/handle-errors, and the same page of Gmail and Chat).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

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
    out_of_reach,
    retry_after_s,
    seconds,
    until_answered,
)
from connectors.downloads import downloaded
from connectors.governor import Governor
from records.errors import AccessError, ItemError, SettingsError
from records.models import Connection
from records.vocabulary import Reason

if TYPE_CHECKING:
    import httpx

_APIS = {"gmail": ("v1", ""), "drive": ("v3", "drive/v3/"), "chat": ("v1", "")}
"""Version, and the path that the service's discovery document puts before all others."""

_BLOCK = 256 << 10
_TIMEOUT_S = 120.0
_REDIRECTS = 5
_HOLD_OFF_S = 0.5
_CODE = re.compile(r"[A-Za-z0-9_.]{1,80}")
_RATE = frozenset({
    "rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
    "quotaExceeded", "dailyLimitExceeded", "concurrentRequestsLimitExceeded",
})  # fmt: skip
_AWAY = frozenset({429, 503})
_FAULTY = frozenset({408, 500, 502, 504})
_ITEM_CODES: dict[str, tuple[Reason, str]] = {
    "exportSizeLimitExceeded": (Reason.TOO_LARGE, "export_10_mb"),
    "cannotExportFile": (Reason.NOT_CONVERTIBLE, "no_export"),
    "fileNotExportable": (Reason.NOT_CONVERTIBLE, "no_export"),
    "cannotDownloadFile": (Reason.REFUSED_BY_SOURCE, "no_download"),
    "cannotDownloadAbusiveFile": (Reason.REFUSED_BY_SOURCE, "marked_abusive"),
    "downloadQuotaExceeded": (Reason.REFUSED_BY_SOURCE, "download_quota"),
    "fileNotDownloadable": (Reason.NOT_CONVERTIBLE, "no_bytes"),
}

T = TypeVar("T")


class Google:
    """One API of Google, as one source asks it for one account."""

    def __init__(
        self,
        source_id: str,
        connection: Connection,
        account: str,
        api: str,
        scopes: tuple[str, ...],
        *,
        governor: Governor | None = None,
    ) -> None:
        """Keep what is needed; nothing is asked yet.

        Args:
            source_id: For messages.
            connection: ``secret`` holds the key of a service account as JSON (or ``keyfile_dict`` in extra);
                ``host`` takes the place of Google's own addresses.
            account: Address of the account to act for.
            api: ``gmail``, ``drive`` or ``chat``.
            scopes: What the token allows; all of it must be delegated.
            governor: Holds the processes of this machine within a limit; None for no limit.

        Raises:
            SettingsError: The address is not safe to send a token to.
        """
        self._where = f"source {source_id}: connection {connection.id}"
        self._api = api
        self._connection = connection
        self._account = account
        self._scopes = scopes
        self._governor = governor
        self._host = connection.host.rstrip("/")
        if self._host:
            check_address(self._host, self._where)
        self._patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._opened: list[Any] = []
        weakref.finalize(self, close_all, self._opened)

    def of(self, *names: str) -> Any:
        """Return a part of the library's client (``users``, ``messages``).

        Its methods make requests, and send nothing.
        """
        return _made(self._api, self._host, names)

    def is_delegated(self) -> bool:
        """Tell whether a token is given for the scopes; reads nothing.

        Raises:
            Denied: None is given for another reason; the message says what to do.
            Retryable: Google's token service is away for longer than ``patience_s``.
        """
        try:
            until_answered(self._token, self._patience_s, self._where)
        except Denied as denied:
            if denied.code not in {"unauthorized_client", "invalid_scope"}:
                raise
            return False
        return True

    def close(self) -> None:
        """End its connections; it opens new ones when it is asked again."""
        close_all(self._opened)

    def get(self, request: Any) -> Mapping[str, Any]:
        """Send a request of ``of`` and return the JSON object it is answered with.

        Raises:
            Denied: The account or the API is refused altogether; the message says what to do.
            Refused: This one request is.
            Retryable: The service is busy or away for longer than ``patience_s``.
        """

        def once() -> Mapping[str, Any]:
            with self._answered(request.uri) as response:
                return _object(response)

        return self._tried(once)

    def pages(self, method: Callable[..., Any], **parameters: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the pages of a list, one answer each; see ``get``.

        Args:
            method: Of ``of``: makes the request.
            **parameters: All but ``pageToken``; they stay the same, as Google asks.
        """
        token: str | None = None
        given: set[str] = set()
        while True:
            answer = self.get(method(**parameters, **({"pageToken": token} if token else {})))
            yield answer
            token = str(answer.get("nextPageToken") or "")
            if not token:
                return
            if token in given:
                raise Refused(Reason.CORRUPT, "page_loop", 200)
            given.add(token)

    def download(self, url: str, sum_of: str = "", expected: str = "") -> BinaryIO:
        """Return all bytes of an answer; see ``get`` and ``connectors.downloads``.

        Args:
            url: A request's ``uri``, or an address that the service gave.
            sum_of: ``sha256`` or ``md5``; empty for no sum.
            expected: The sum that the service states, in hex.

        Raises:
            ItemError: ``unreadable`` with ``sum_differs``: the file changed meanwhile, or came damaged.
        """
        file = downloaded(
            lambda more: self._answered(url, more),
            self._tried,
            is_checked=bool(sum_of),
        )
        try:
            if sum_of and _sum(file, sum_of) != expected.lower():
                raise ItemError(Reason.UNREADABLE, "sum_differs")
        except BaseException:
            file.close()
            raise
        return file

    def _tried(self, once: Callable[[], T]) -> T:
        """Try until it is answered, as long as the connection's patience lasts."""
        return until_answered(
            lambda: heard(once), self._patience_s, self._where, who="Google is", longest_wait_s=32.0
        )

    @contextmanager
    def _answered(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """Send one request; what is given is an answer with bytes still to be read."""
        token = self._token()  # asked for before its turn is taken
        with self._governor.turn() if self._governor else nullcontext():
            response = self._sent(url, token, headers)
            try:
                if response.status_code == 401:
                    response.close()
                    response = self._sent(url, self._token(renew=True), headers)
                if response.status_code >= 300:
                    response.read()
                    self._judge(response)
                yield response
            finally:
                response.close()

    def _sent(self, url: str, token: str, headers: Mapping[str, str] | None) -> httpx.Response:
        """Send a request, and follow where it leads; the token goes to Google's own hosts only."""
        if not self._is_googles(url):
            raise Refused(Reason.REFUSED_BY_SOURCE, "link_to_another_host", 200)
        for _ in range(_REDIRECTS):
            check_address(url, self._where)
            client = self._client()
            request = client.build_request("GET", url, headers=headers)
            if self._is_googles(url):
                request.headers["Authorization"] = f"Bearer {token}"
            response = client.send(request, stream=True)
            if not response.has_redirect_location:
                return response
            url = followed(response)
            response.close()
        raise Refused(Reason.UNREADABLE, "redirections", response.status_code)

    def _is_googles(self, url: str) -> bool:
        parts = urlsplit(url)
        if self._host:
            return (parts.scheme, parts.netloc) == urlsplit(self._host)[:2]
        return parts.scheme == "https" and (parts.hostname or "").endswith((".googleapis.com", ".google.com"))

    def _client(self) -> httpx.Client:
        if not self._opened:
            self._opened.append(new_client())
        client: httpx.Client = self._opened[0]
        return client

    def _judge(self, response: httpx.Response) -> None:
        """Raise what a refusal means."""
        status, codes = response.status_code, _codes(response.content)
        code = codes[0] if codes else ""
        after_s = retry_after_s(response.headers)
        for one in codes:
            if one in _ITEM_CODES:
                raise Refused(*_ITEM_CODES[one], status, one)
        if status in _AWAY or (status == 403 and _RATE.intersection(codes)):
            if self._governor is not None:
                self._governor.hold_off(min(after_s or _HOLD_OFF_S, self._patience_s))
            raise Busy(after_s)
        if status in _FAULTY:
            raise Busy(after_s, Refused(Reason.UNREADABLE, f"http_{status}", status, code))
        for one in codes:
            if one in _REMEDIES:
                raise Denied(f"{self._where}: {self._remedy(_REMEDIES[one])} ({one})", one)
        if status == 401:
            raise Denied(f"{self._where}: {_REMEDIES['authError']} (http_401)", "http_401")
        detail = "gone" if status in {404, 410} else f"http_{status}"
        raise Refused(Reason.REFUSED_BY_SOURCE, detail, status, code)

    def _remedy(self, text: str) -> str:
        return text.format(api=_TITLES[self._api], scopes=" and ".join(self._scopes))

    @cached_property
    def _credentials(self) -> Any:
        stated = self._connection.secret or self._connection.extra.get("keyfile_dict", "")
        if not stated:
            raise SettingsError(
                f"{self._where} lacks the service account's key: put its JSON into `password`, or into "
                "`keyfile_dict` of extra"
            )
        try:
            return _key(stated).with_scopes(list(self._scopes)).with_subject(self._account)
        except (ValueError, KeyError, TypeError, AttributeError):  # what it says may be of the key
            raise SettingsError(f"{self._where}: the key is not that of a service account (JSON)") from None

    def _token(self, *, renew: bool = False) -> str:
        """Return a token for the account.

        Raises:
            AccessError: Google gives none; the message says what to do.
        """
        import google.auth.exceptions
        import httpx

        credentials = self._credentials
        if renew or not credentials.valid:
            try:
                credentials.refresh(sends_with(self._client()))
            except google.auth.exceptions.RefreshError as error:
                if error.retryable:
                    raise Busy from None
                raise self._no_token(error) from None
            except (google.auth.exceptions.TransportError, httpx.HTTPError, OSError) as error:
                raise out_of_reach(error) from None
            except (AttributeError, TypeError):  # an answer that is no JSON object
                raise Busy from None
        return str(credentials.token)

    def _no_token(self, error: Exception) -> Denied:
        """Say what to do when Google gives no token; its own words may hold the account."""
        said = " ".join(map(str, error.args))
        code, remedy = next(
            (code, remedy) for pattern, code, remedy in _NO_TOKEN if re.search(pattern, said, re.IGNORECASE)
        )
        return Denied(f"{self._where}: {self._remedy(remedy)} ({code})", code)


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An answer of a token service, as google-auth wants it (``google.auth.transport.Response``)."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def sends_with(client: httpx.Client) -> Callable[..., TokenAnswer]:
    """Return what google-auth asks for tokens with (``google.auth.transport.Request``).

    Like every other request, so that one setting tells which certificates are trusted.
    """

    def send(
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> TokenAnswer:
        response = client.request(method, url, content=body, headers=headers, timeout=timeout or _TIMEOUT_S)
        return TokenAnswer(response.status_code, response.headers, response.content)

    return send


_TITLES = {"gmail": "Gmail API", "drive": "Google Drive API", "chat": "Google Chat API"}
_DELEGATE = (
    "the service account may not act for accounts of this domain with these scopes; in the admin console "
    "under Security, API controls, Domain-wide delegation, add its client id with {scopes} (a change takes "
    "up to a day)"
)
_NO_TOKEN = (
    # Pattern in Google's answer, code that we show, what to do. The errors are listed at
    # https://developers.google.com/identity/protocols/oauth2/service-account#error-codes; what stands behind
    # invalid_grant is told by its description only.
    ("unauthorized_client|access_denied", "unauthorized_client", _DELEGATE),
    ("invalid_scope", "invalid_scope", _DELEGATE),
    (
        "short-lived token|reasonable timeframe|iat and exp",
        "invalid_grant_time",
        "this machine's clock is wrong: Google refuses what it signs; set the clock (NTP) and run again",
    ),
    (
        "JWT signature|invalid jwt|invalid_client|disabled_client|account not found|robot",
        "invalid_key",
        "the key is not one that the service account has now; make a new key (IAM, Service accounts, Keys), "
        "put it into the connection, and check that the service account is enabled",
    ),
    (
        "suspended|disabled|deleted",
        "account_suspended",
        "the account is suspended or deleted, and Google lets nobody act for it; export it from Vault "
        "(vault_export), or restore it for the time of the search",
    ),
    (
        "invalid_grant.*(email|user)|not a valid email",
        "account_unknown",
        "Google knows no such account in this domain; check `account` in the request file (the primary "
        "address)",
    ),
    (
        "admin_policy_enforced|org_internal",
        "policy",
        "a policy of the domain keeps this application out; in the admin console under Security, API "
        "controls, App access control, trust its client id",
    ),
    (
        "",
        "no_token",
        "Google gives no token; check the key of the service account, `account`, that the account is not "
        "suspended, and this machine's clock",
    ),
)
_DISABLED = (
    "the {api} is not switched on in the Google Cloud project of the service account; enable it there (APIs "
    "and services, Library), wait some minutes, and run again"
)
_SCOPES = "the token does not allow this; delegate {scopes} to the service account's client id"
_OFF = (
    "this service is off for the account, or its licence was removed; switch it on or assign the licence for "
    "the time of the search, export it from Vault (vault_export), or leave the place out in `places`"
)
_REMEDIES = {
    "SERVICE_DISABLED": _DISABLED,
    "accessNotConfigured": _DISABLED,
    "insufficientPermissions": _SCOPES,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _SCOPES,
    # https://developers.google.com/workspace/gmail/api/guides/handle-errors: "Mail service not enabled"
    "failedPrecondition": _OFF,
    "FAILED_PRECONDITION": _OFF,
    "domainPolicy": _OFF,
    "authError": "Google refuses a token it has just given; check the key, and this machine's clock",
}


@cache
def _made(api: str, host: str, names: tuple[str, ...]) -> Any:
    """Return a client of the library, or a part; kept, since it makes each part anew from its description."""
    if names:
        return getattr(_made(api, host, names[:-1]), names[-1])()
    import httplib2
    from googleapiclient.discovery import build

    # What it logs may hold an answer; what it caches is a file.
    logging.getLogger("googleapiclient").setLevel(logging.CRITICAL)
    version, path = _APIS[api]
    return build(
        api,
        version,
        http=httplib2.Http(),
        static_discovery=True,
        cache_discovery=False,
        client_options={"api_endpoint": f"{host}/{path}"} if host else None,
    )


@lru_cache(maxsize=4)
def _key(stated: str) -> Any:
    """Return the service account of a key; kept, since it takes long to check."""
    from google.oauth2 import service_account

    return service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        json.loads(stated)
    )


def not_given(source_id: str, place: str, error: Refused) -> AccessError:
    """Return what to say when a place of an account is not there."""
    return AccessError(
        f"source {source_id}: Google does not give `{place}` ({error.code or error.detail}); check the "
        "account, or leave that place out in `places`"
    )


def _object(response: httpx.Response) -> Mapping[str, Any]:
    """Return the object of an answer.

    Raises:
        Busy: There is none, or it is an error that came with a status of 200: taken for a page, it would be
            the end of a list.
    """
    try:
        found = json.loads(response.read())
    except ValueError:
        found = None
    if not isinstance(found, dict) or isinstance(found.get("error"), dict):
        raise Busy(final=Refused(Reason.UNREADABLE, "half_answer", response.status_code))
    return found


def _codes(data: bytes) -> list[str]:
    """Return the codes that an error gives, the most detailed first, and none that is no code."""
    try:
        error = json.loads(data)["error"]
        stated = [one.get("reason") for one in (*error.get("details", ()), *error.get("errors", ()))]
        stated.append(error.get("status"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return [str(one) for one in stated if one and _CODE.fullmatch(str(one))]


def _sum(file: BinaryIO, name: str) -> str:
    digest = hashlib.new(name, usedforsecurity=False)
    while block := file.read(_BLOCK):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()
