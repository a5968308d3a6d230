"""What stands before the pages: loopback only, one token, and headers that let nothing in or out.

The pages show unredacted records. Other users of the machine can connect to a loopback port, and a website
can make a browser send requests there (also under a name of its own, by DNS rebinding); so every request must
name a loopback host and carry the token that ``daylight view`` printed.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "daylight_view"
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OPEN = frozenset({"/static/daylight.css"})
"""The style sheet holds nothing, and the page that refuses needs it."""

CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Guard:
    """ASGI middleware around the pages."""

    def __init__(self, app: ASGIApp, *, token: str, refusal: str) -> None:
        """Wrap ``app``.

        Args:
            app: The pages.
            token: At least 128 random bits as text; asked of every request.
            refusal: HTML of the page that a request without it gets.
        """
        self._app = app
        self._token = token
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, sending)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if _host(headers.get("host", "")) not in _HOSTS:
            return PlainTextResponse("These pages answer on this machine only.", 421)
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("These pages are for reading only.", 405, {"allow": "GET, HEAD"})
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if given:
            return self._let_in(scope["path"], query) if self._right(given[0]) else self._refuse()
        if scope["path"] in _OPEN or self._right(_cookie(headers)):
            return None
        return self._refuse()

    def _let_in(self, path: str, query: list[tuple[str, str]]) -> Response:
        """Put the token into a cookie and out of the address, where a shoulder or a history could read it."""
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        target = "/" + path.lstrip("/")  # never //host
        answer = RedirectResponse(f"{target}?{rest}" if rest else target, 303)
        answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", path="/")
        return answer

    def _refuse(self) -> Response:
        return HTMLResponse(self._refusal, 403)

    def _right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())


def _host(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] if ":" in host else host


def _cookie(headers: Headers) -> str:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
