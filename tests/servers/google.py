"""A fake of Gmail, Drive and Chat, and of Google's token endpoint for service accounts.

Below https://developers.google.com/: identity/protocols/oauth2/service-account (assertion, answer, errors);
workspace/gmail/api/reference/rest (users.getProfile, labels.list, messages.list, messages.get),
workspace/gmail/api/guides/filtering (``q``), .../guides/handle-errors and .../reference/quota;
workspace/drive/api/reference/rest/v3 (about, drives, files, revisions), .../guides/search-files (``q``),
.../guides/handle-errors and .../guides/performance (``fields``); workspace/chat/api/reference/rest/v1
(spaces, spaces.messages, spaces.members, media). A test compares ``ROUTES`` with the discovery documents.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from records.models import Connection
from tests.servers.mailstore import Mailbox, Stored
from tests.servers.vault import new_key
from tests.servers.web import Asgi, Served

ROBOT = "daylight@project.iam.gserviceaccount.com"
WORD = "zanzibar"
READ = {
    "gmail": {"https://www.googleapis.com/auth/gmail.readonly"},
    "drive": {"https://www.googleapis.com/auth/drive.readonly"},
    "chat": {
        f"https://www.googleapis.com/auth/chat.{what}.readonly"
        for what in ("spaces", "messages", "memberships")
    },
}
ROUTES: dict[str, tuple[str, str, frozenset[str]]] = {
    # method of the discovery document: service, path there, parameters that the fake takes
    "gmail.users.getProfile": ("gmail", "gmail/v1/users/{userId}/profile", frozenset()),
    "gmail.users.labels.list": ("gmail", "gmail/v1/users/{userId}/labels", frozenset()),
    "gmail.users.messages.list": (
        "gmail", "gmail/v1/users/{userId}/messages",
        frozenset({"includeSpamTrash", "maxResults", "pageToken", "q", "labelIds"}),
    ),
    "gmail.users.messages.get": (
        "gmail", "gmail/v1/users/{userId}/messages/{id}", frozenset({"format", "metadataHeaders"}),
    ),
    "drive.about.get": ("drive", "about", frozenset()),
    "drive.drives.list": ("drive", "drives", frozenset({"pageSize", "pageToken"})),
    "drive.files.list": (
        "drive", "files",
        frozenset({
            "q", "pageSize", "pageToken", "corpora", "driveId", "includeItemsFromAllDrives",
            "supportsAllDrives",
        }),
    ),
    "drive.files.get": ("drive", "files/{fileId}", frozenset({"supportsAllDrives"})),
    "drive.files.export": ("drive", "files/{fileId}/export", frozenset({"mimeType"})),
    "drive.revisions.list": ("drive", "files/{fileId}/revisions", frozenset({"pageSize", "pageToken"})),
    "drive.revisions.get": ("drive", "files/{fileId}/revisions/{revisionId}", frozenset()),
    "chat.spaces.list": ("chat", "v1/spaces", frozenset({"pageSize", "pageToken"})),
    "chat.spaces.messages.list": (
        "chat", "v1/spaces/{spacesId}/messages",
        frozenset({"pageSize", "pageToken", "filter", "orderBy", "showDeleted"}),
    ),
    "chat.spaces.members.list": (
        "chat", "v1/spaces/{spacesId}/members", frozenset({"pageSize", "pageToken"}),
    ),
    "chat.media.download": ("chat", "v1/media/{mediaId}", frozenset()),
}  # fmt: skip
_COMMON = frozenset({"alt", "fields", "prettyPrint"})
_UNITS = {"users.getProfile": 1, "users.labels.list": 1, "users.messages.list": 5, "users.messages.get": 5}


@cache
def robot_key() -> str:
    """Return the private key of the service account."""
    return new_key()


@cache
def public_key(private: str) -> Any:
    """Return what proves signatures of a private key."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(private.encode(), None).public_key()


@dataclass
class DriveFile:
    """A file of Drive.

    Attributes:
        body: The File resource, without what the fake adds (``exportLinks``).
        data: Its bytes; empty for Google's own documents.
        exports: Bytes by media type, for Google's own documents.
        revisions: Revision resources with their bytes, the oldest first; the head is the last.
        hidden_from_list: Reachable by id only.
    """

    body: dict[str, Any]
    data: bytes = b""
    exports: dict[str, bytes] = field(default_factory=dict)
    revisions: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    hidden_from_list: bool = False


@dataclass
class Space:
    """A space of Chat.

    Attributes:
        body: The Space resource.
        members: User resources.
        messages: Message resources.
        media: Bytes by resource name.
    """

    body: dict[str, Any]
    members: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Account:
    """One account of the domain.

    Attributes:
        mail: Its mailbox; a message's ``labels`` are ids of labels.
        labels: Names of user labels by id; system labels need not be named.
        files: Files by id, in no order.
        drives: Names of shared drives by id.
        spaces: By resource name.
        suspended: Nobody may act for it.
        off: Services that are off for it, or without a licence.
    """

    mail: Mailbox
    labels: dict[str, str] = field(default_factory=dict)
    files: dict[str, DriveFile] = field(default_factory=dict)
    drives: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)
    suspended: bool = False
    off: set[str] = field(default_factory=set)


@dataclass
class Workspace:
    """A domain of Google Workspace, with one service account that may act for its accounts.

    Attributes:
        accounts: By lower-case address.
        delegated: Scopes that were granted to the service account.
        enabled: APIs that are switched on in its project.
        robot_exists: Whether the service account is there.
        clock_s: Seconds that Google's clock is ahead.
        tokens: Account, scopes and end (seconds since 1970) of each token.
        page: Most entries on a page, whatever is asked for.
        edges: Whether ``after:`` and ``before:`` take the second itself.
        units_per_s: Gmail's limit for one user; None for no limit.
        in_order: Gmail lists the newest first; else in order of ids.
        incomplete: Drive says that a search was not complete.
        export_limit: Bytes that an export may have.
        given: Units that were given, by account and second.
        asked: Claims of the assertions that were sent.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    delegated: set[str] = field(default_factory=lambda: set().union(*READ.values()))
    enabled: set[str] = field(default_factory=lambda: {"gmail", "drive", "chat"})
    robot_exists: bool = True
    clock_s: float = 0.0
    tokens: dict[str, tuple[str, frozenset[str], float]] = field(default_factory=dict)
    page: int = 1_000
    edges: tuple[bool, bool] = (True, False)
    units_per_s: int | None = None
    in_order: bool = True
    incomplete: bool = False
    export_limit: int = 10 << 20
    given: Counter[tuple[str, int]] = field(default_factory=Counter)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def account(self, address: str, mail: Mailbox | None = None) -> Account:
        """Return an account, making it when it is new."""
        return self.accounts.setdefault(address.lower(), Account(mail or Mailbox(address)))

    def serve(self) -> Served:
        """Serve it on loopback."""
        return Served(self.app())

    def app(self) -> Asgi:
        """Return it as an application."""
        answers: dict[str, Callable[..., Any]] = {
            "gmail.users.getProfile": self._profile,
            "gmail.users.labels.list": self._labels,
            "gmail.users.messages.list": self._messages,
            "gmail.users.messages.get": self._message,
            "drive.about.get": self._about,
            "drive.drives.list": self._drives,
            "drive.files.list": self._files,
            "drive.files.get": self._file,
            "drive.files.export": self._export,
            "drive.revisions.list": self._revisions,
            "drive.revisions.get": self._revision,
            "chat.spaces.list": self._spaces,
            "chat.spaces.messages.list": self._chat_messages,
            "chat.spaces.members.list": self._members,
            "chat.media.download": self._media,
        }
        routes = [Route("/token", self._token, methods=["POST"]), Route("/link/{rest:path}", self._link)]
        for method, (api, path, _) in ROUTES.items():
            prefix = "/drive/v3/" if api == "drive" else "/"
            where = prefix + path.replace("{mediaId}", "{mediaId:path}")
            routes.append(Route(where, self._endpoint(method, answers[method]), methods=["GET"]))
        return Starlette(routes=routes)

    def connection(self, served: Served, key: str | None = None, **extra: str) -> Connection:
        """Return a connection to it, with the service account's key."""
        info = {
            "type": "service_account",
            "client_email": ROBOT,
            "private_key_id": "k1",
            "private_key": key or robot_key(),
            "token_uri": f"{served.url}/token",
        }
        extra = {"patience_s": "0.5", "messages_per_s": "100000"} | extra
        return Connection("google", served.url, ROBOT, json.dumps(info), extra)

    def forget(self) -> None:
        """End every token, as an expiry does."""
        self.tokens.clear()

    def _endpoint(self, method: str, answer: Callable[..., Any]) -> Callable[[Request], Any]:
        api, _, known = ROUTES[method]

        async def endpoint(request: Request) -> Response:
            unknown = set(request.query_params) - known - _COMMON
            if unknown:
                return _error(400, "badRequest", "INVALID_ARGUMENT")
            who = self._who(request, api)
            if isinstance(who, Response):
                return who
            address, account = who
            if api == "gmail":
                if request.path_params["userId"] not in {"me", address}:
                    return _error(403, "forbidden", "PERMISSION_DENIED")
                if not self._allows(address, _UNITS[method.partition(".")[2]]):
                    return _error(429, "rateLimitExceeded", "RESOURCE_EXHAUSTED")
            answered = answer(account, request)
            if isinstance(answered, Response):
                return answered
            return JSONResponse(masked(answered, request.query_params.get("fields", "")))

        return endpoint

    def _allows(self, address: str, units: int) -> bool:
        second = int(time.time())
        self.given[address, second] += units
        return self.units_per_s is None or self.given[address, second] <= self.units_per_s

    def _who(self, request: Request, api: str) -> tuple[str, Account] | Response:
        """Return the account that a token stands for, or why the request is refused."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        address, scopes, ends = self.tokens.get(token, ("", frozenset(), 0.0))
        if ends <= time.time() + self.clock_s:
            return _error(401, "authError", "UNAUTHENTICATED")
        if api not in self.enabled:
            return _error(403, "accessNotConfigured", "PERMISSION_DENIED", "SERVICE_DISABLED")
        if not READ[api] <= scopes:
            return _error(
                403, "insufficientPermissions", "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
            )
        account = self.accounts[address]
        if api in account.off:
            if api == "gmail":
                return _error(400, "failedPrecondition", "FAILED_PRECONDITION")
            return _error(403, "domainPolicy", "PERMISSION_DENIED")
        return address, account

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _no_token("unsupported_grant_type", f"Invalid grant_type: {WORD}")
        if not self.robot_exists:
            return _no_token("invalid_grant", "Invalid grant: account not found")
        try:
            claims = jwt.decode(
                form.get("assertion", ""), public_key(robot_key()), ["RS256"],
                options={"verify_aud": False, "verify_iat": False, "verify_exp": False},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return _no_token("invalid_grant", "Invalid JWT Signature.")
        self.asked.append(claims)
        now = time.time() + self.clock_s
        if not (claims["iat"] - 300 <= now < claims["exp"] <= now + 3_900):
            return _no_token(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                "Check your iat and exp values in the JWT claim.",
            )
        address = claims.get("sub", "").lower()
        account = self.accounts.get(address)
        if account is None:
            return _no_token("invalid_grant", "Invalid email or User ID")
        if account.suspended:
            return _no_token("invalid_grant", "Account has been suspended")
        scopes = frozenset(claims["scope"].split())
        if not scopes <= self.delegated:
            return _no_token(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not "
                "authorized for any of the scopes requested.",
                401,
            )
        token = f"ya29.fake-{len(self.asked)}"
        self.tokens[token] = (address, scopes, now + 3_599)
        return JSONResponse({"access_token": token, "expires_in": 3_599, "token_type": "Bearer"})

    # Gmail

    def _profile(self, account: Account, _: Request) -> dict[str, Any]:
        box = account.mail
        return {
            "emailAddress": box.address, "messagesTotal": len(box.messages),
            "threadsTotal": len({one.thread or one.id for one in box.messages.values()}),
            "historyId": str(1_000 + box.changes),
        }  # fmt: skip

    def _labels(self, account: Account, _: Request) -> dict[str, Any]:
        used = {label for one in account.mail.messages.values() for label in one.labels}
        labels = [{"id": key, "name": name, "type": "user"} for key, name in account.labels.items()]
        labels += [{"id": key, "name": key, "type": "system"} for key in sorted(used - set(account.labels))]
        return {"labels": labels}

    def _messages(self, account: Account, request: Request) -> Any:
        asked = request.query_params
        wanted = set(asked.getlist("labelIds"))
        found = [
            one
            for one in account.mail.messages.values()
            if wanted <= set(one.labels)
            and (asked.get("includeSpamTrash") == "true" or not {"SPAM", "TRASH"} & set(one.labels))
            and self._within(one, asked.get("q", ""))
        ]
        found.sort(key=self._place)
        token, size = asked.get("pageToken", ""), min(int(asked.get("maxResults", 100)), 500, self.page)
        if token:
            # the page begins after a message, so that others may come and go meanwhile
            found = [one for one in found if self._place(one) > _numbers(token)]
        page: dict[str, Any] = {"resultSizeEstimate": 201}  # Gmail's is no count either
        if found:
            page["messages"] = [{"id": one.id, "threadId": one.thread or one.id} for one in found[:size]]
        if len(found) > size:
            page["nextPageToken"] = "{}|{}".format(*self._place(found[size - 1]))
        return page

    def _place(self, one: Stored) -> tuple[float, str]:
        """Return where a message stands in a list."""
        return (-one.received.timestamp() if self.in_order else 0.0), one.id

    def _within(self, one: Stored, query: str) -> bool:
        received = int(one.received.timestamp())
        for term in query.split():
            name, _, stated = term.partition(":")
            at = int(stated)
            if name == "after" and not (received > at or (self.edges[0] and received == at)):
                return False
            if name == "before" and not (received < at or (self.edges[1] and received == at)):
                return False
            assert name in {"after", "before"}, "the fake takes no other words"
        return True

    def _message(self, account: Account, request: Request) -> Any:
        one = account.mail.messages.get(request.path_params["id"])
        if one is None:
            return _error(404, "notFound", "NOT_FOUND")
        body = {
            "id": one.id, "threadId": one.thread or one.id, "labelIds": list(one.labels),
            "historyId": str(1_000 + one.change), "sizeEstimate": len(one.raw),
            "internalDate": str(int(one.received.timestamp() * 1_000)), "snippet": WORD,
        }  # fmt: skip
        kind = request.query_params.get("format", "full")
        if kind == "raw":
            raw = b"%" if "corrupt" in one.faults else base64.urlsafe_b64encode(one.raw)
            body["raw"] = raw.decode().rstrip("=")
        if kind == "metadata":
            wanted = {name.lower() for name in request.query_params.getlist("metadataHeaders")}
            body["payload"] = {"headers": [h for h in _headers(one.raw) if h["name"].lower() in wanted]}
        return body

    # Drive

    def _about(self, account: Account, _: Request) -> dict[str, Any]:
        return {"user": {"permissionId": "1", "emailAddress": account.mail.address, "displayName": WORD}}

    def _drives(self, account: Account, request: Request) -> dict[str, Any]:
        drives = [{"id": key, "name": name} for key, name in account.drives.items()]
        return self._paged("drives", drives, request, 10, 100)

    def _files(self, account: Account, request: Request) -> Any:
        asked = request.query_params
        corpora, drive = asked.get("corpora", "user"), asked.get("driveId")
        if corpora == "drive" and drive not in account.drives:
            return _error(404, "teamDrivesNotFound", "NOT_FOUND")
        found = [
            self._shown(file, request)
            for file in account.files.values()
            if not file.hidden_from_list
            and (file.body.get("driveId") == drive if corpora == "drive" else True)
            and _matches(file, asked.get("q", ""))
        ]
        page = self._paged("files", found, request, 100, 1_000)
        return {**page, "incompleteSearch": self.incomplete}

    def _shown(self, file: DriveFile, request: Request) -> dict[str, Any]:
        if not file.exports:
            return file.body
        base = f"{request.url.scheme}://{request.url.netloc}/link/{file.body['id']}/head"
        return {**file.body, "exportLinks": {kind: f"{base}/{kind}" for kind in file.exports}}

    def _file(self, account: Account, request: Request) -> Any:
        file = account.files.get(request.path_params["fileId"])
        if file is None:
            return _error(404, "notFound", "NOT_FOUND")
        if request.query_params.get("alt") != "media":
            return self._shown(file, request)
        if file.exports:
            return _error(403, "fileNotDownloadable", "PERMISSION_DENIED")
        if "abusive" in file.body.get("description", ""):
            return _error(403, "cannotDownloadAbusiveFile", "PERMISSION_DENIED")
        return _bytes(file.data, request)

    def _export(self, account: Account, request: Request) -> Any:
        file = account.files.get(request.path_params["fileId"])
        if file is None:
            return _error(404, "notFound", "NOT_FOUND")
        data = file.exports.get(request.query_params.get("mimeType", ""))
        if data is None:
            return _error(403, "cannotExportFile", "PERMISSION_DENIED")
        if len(data) > self.export_limit:
            return _error(403, "exportSizeLimitExceeded", "PERMISSION_DENIED")
        return _bytes(data, request)

    async def _link(self, request: Request) -> Response:
        """https://docs.google.com/… as ``exportLinks`` gives it; takes the same token."""
        who = self._who(request, "drive")
        if isinstance(who, Response):
            return who
        key, _, rest = request.path_params["rest"].partition("/")
        revision, _, kind = rest.partition("/")
        file = who[1].files.get(key)
        if file is None or "no_link" in file.body.get("description", ""):
            return _error(403, "forbidden", "PERMISSION_DENIED")
        if revision == "head":
            return _bytes(file.exports[kind], request)
        return _bytes(next(data for body, data in file.revisions if body["id"] == revision), request)

    def _revisions(self, account: Account, request: Request) -> Any:
        file = account.files.get(request.path_params["fileId"])
        if file is None:
            return _error(404, "notFound", "NOT_FOUND")
        if "no_revisions" in file.body.get("description", ""):
            return _error(403, "insufficientFilePermissions", "PERMISSION_DENIED")
        bodies = []
        for body, _ in file.revisions:
            base = f"{request.url.scheme}://{request.url.netloc}/link/{file.body['id']}/{body['id']}"
            links = {kind: f"{base}/{kind}" for kind in file.exports}
            bodies.append({**body, "exportLinks": links} if links else body)
        return self._paged("revisions", bodies, request, 200, 1_000)

    def _revision(self, account: Account, request: Request) -> Any:
        file = account.files.get(request.path_params["fileId"])
        wanted = request.path_params["revisionId"]
        for body, data in file.revisions if file else ():
            if body["id"] == wanted:
                return _bytes(data, request) if request.query_params.get("alt") == "media" else body
        return _error(404, "notFound", "NOT_FOUND")

    # Chat

    def _spaces(self, account: Account, request: Request) -> dict[str, Any]:
        return self._paged("spaces", [space.body for space in account.spaces.values()], request, 100, 1_000)

    def _chat_messages(self, account: Account, request: Request) -> Any:
        space = account.spaces.get(f"spaces/{request.path_params['spacesId']}")
        if space is None:
            return _error(403, "forbidden", "PERMISSION_DENIED")
        asked = request.query_params
        found = [
            one
            for one in space.messages
            if ("deleteTime" not in one or asked.get("showDeleted") == "true")
            and _passes(one["createTime"], asked.get("filter", ""))
        ]
        order = asked.get("orderBy", "ASC")
        found.sort(key=lambda one: datetime.fromisoformat(one["createTime"]), reverse=order == "DESC")
        return self._paged("messages", found, request, 25, 1_000)

    def _members(self, account: Account, request: Request) -> Any:
        name = f"spaces/{request.path_params['spacesId']}"
        if name not in account.spaces:
            return _error(403, "forbidden", "PERMISSION_DENIED")
        found = [
            {"name": f"{name}/members/{n}", "state": "JOINED", "member": user}
            for n, user in enumerate(account.spaces[name].members)
        ]
        return self._paged("memberships", found, request, 100, 1_000)

    def _media(self, account: Account, request: Request) -> Any:
        for space in account.spaces.values():
            if request.path_params["mediaId"] in space.media:
                return _bytes(space.media[request.path_params["mediaId"]], request)
        return _error(404, "notFound", "NOT_FOUND")

    def _paged(
        self, name: str, found: list[dict[str, Any]], request: Request, usual: int, most: int
    ) -> dict[str, Any]:
        asked = request.query_params
        start = int(asked.get("pageToken", "0"))
        end = start + min(int(asked.get("pageSize", usual)), most, self.page)
        page: dict[str, Any] = {name: found[start:end]} if found else {}
        if end < len(found):
            page["nextPageToken"] = str(end)
        return page


def masked(value: Any, fields: str) -> Any:
    """Return what ``fields`` selects: names, ``a/b`` for one below, ``a(b,c)`` for several."""
    if not fields:
        return value
    if isinstance(value, list):
        return [masked(one, fields) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for term in _terms(fields):
        found = re.fullmatch(r"([^/(]+)(?:/(.+)|\((.+)\))?", term)
        assert found, f"no field is called {term!r}"
        name, inner = found[1], found[2] or found[3] or ""
        if name in value:
            kept[name] = masked(value[name], inner)
    return kept


def _terms(fields: str) -> list[str]:
    terms, depth, term = [], 0, ""
    for sign in fields:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            terms.append(term)
            term = ""
        else:
            term += sign
    return [*terms, term]


def _numbers(token: str) -> tuple[float, str]:
    at, _, key = token.partition("|")
    return float(at), key


def _headers(raw: bytes) -> list[dict[str, str]]:
    from email import message_from_bytes, policy

    return [
        {"name": name, "value": str(value)}
        for name, value in message_from_bytes(raw, policy=policy.compat32).items()
    ]


_TERM = re.compile(r"(\w+) (!=|>=|<=|<|>|=|contains) '([^']*)'")


def _matches(file: DriveFile, query: str) -> bool:
    """Tell whether a file is what ``q`` asks for; terms are joined by ``and``."""
    for term in filter(None, query.split(" and ")):
        found = _TERM.fullmatch(term.strip("()"))
        assert found, f"the fake cannot read {term!r}"
        name, operator, value = found.groups()
        stated = file.body.get(name, "")
        if operator == "contains":
            if value not in str(stated):
                return False
            continue
        if name == "createdTime":
            stated, value = datetime.fromisoformat(stated), datetime.fromisoformat(value)
        passes = {
            "!=": stated != value, "=": stated == value, ">=": stated >= value, "<": stated < value,
        }[operator]  # fmt: skip
        if not passes:
            return False
    return True


def _passes(stated: str, query: str) -> bool:
    at = datetime.fromisoformat(stated)
    for term in filter(None, query.split(" AND ")):
        found = re.fullmatch(r'create_time ([<>]) "([^"]+)"', term)
        assert found, f"the fake cannot read {term!r}"
        edge = datetime.fromisoformat(found[2])
        if not (at > edge if found[1] == ">" else at < edge):
            return False
    return True


def _bytes(data: bytes, request: Request) -> Response:
    if request.query_params.get("alt") not in {None, "media"}:
        return _error(400, "badRequest", "INVALID_ARGUMENT")
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if asked is None:
        return Response(data, media_type="application/octet-stream")
    start = int(asked[1])
    headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return Response(data[start:], 206, headers, media_type="application/octet-stream")


def _error(status: int, reason: str, code: str, detail: str = "") -> Response:
    """An error as https://developers.google.com/workspace/drive/api/guides/handle-errors shows it."""
    error: dict[str, Any] = {
        "code": status, "message": WORD, "status": code,
        "errors": [{"message": WORD, "domain": "global", "reason": reason}],
    }  # fmt: skip
    if detail:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": detail, "domain": "googleapis.com"}]
    return JSONResponse({"error": error}, status)


def _no_token(error: str, says: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": says}, status)


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)
