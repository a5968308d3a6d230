"""A fake of Twilio's Messages and Media resources, version 2010-04-01.

https://www.twilio.com/docs/messaging/api/message-resource (list: newest first, by pages, ``next_page_uri``),
https://www.twilio.com/docs/messaging/api/media-resource (list, and the medium itself by a redirect),
https://www.twilio.com/docs/usage/requests-to-twilio (basic authentication).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from records.models import Connection
from tests.servers.web import Served

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
SECRET = "auth-token-of-twilio"
_ROOT = f"/2010-04-01/Accounts/{ACCOUNT}"


@dataclass
class TwilioService:
    """One account.

    Attributes:
        messages: The newest first.
        media: Of each message, by its id: id, media type and bytes.
        most: Messages on a page at most, whatever is asked for.
        seen: What was sent to the place of media with a secret; must stay empty.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, list[tuple[str, str, bytes]]] = field(default_factory=dict)
    most: int = 1_000
    seen: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route(f"{_ROOT}.json", self._account),
                Route(f"{_ROOT}/Messages.json", self._list),
                Route(f"{_ROOT}/Messages/{{sid}}/Media.json", self._media),
                Route(f"{_ROOT}/Messages/{{sid}}/Media/{{medium}}", self._medium),
                Route("/elsewhere/{sid}/{medium}", self._bytes),
            ]
        )

    def served(self) -> Served:
        """Start it."""
        return Served(self.app())  # type: ignore[arg-type]

    def connection(self, url: str, secret: str = SECRET) -> Connection:
        """Return what leads to it."""
        return Connection("twilio", url, ACCOUNT, secret, {"patience_s": "0.5"})

    def _refused(self, request: Request) -> Response | None:
        wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") == wanted:
            return None
        return JSONResponse({"code": 20003, "status": 401, "message": "Authenticate"}, 401)

    async def _account(self, request: Request) -> Response:
        return self._refused(request) or JSONResponse({"sid": ACCOUNT, "status": "active"})

    async def _list(self, request: Request) -> Response:
        size = min(int(request.query_params.get("PageSize", "50")), self.most)
        after = request.query_params.get("PageToken", "")
        ids = [one["sid"] for one in self.messages]
        start = ids.index(after.removeprefix("PA")) + 1 if after else 0
        page = self.messages[start : start + size]
        more = start + size < len(self.messages)
        following = (
            f"{_ROOT}/Messages.json?PageSize={size}&Page=1&PageToken=PA{page[-1]['sid']}" if more else None
        )
        return self._refused(request) or JSONResponse(
            {"messages": page, "page_size": size, "next_page_uri": following}
        )

    async def _media(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        listed = [
            {"sid": medium, "parent_sid": sid, "content_type": kind, "account_sid": ACCOUNT}
            for medium, kind, _ in self.media.get(sid, [])
        ]
        return self._refused(request) or JSONResponse({"media_list": listed, "next_page_uri": None})

    async def _medium(self, request: Request) -> Response:
        place = f"/elsewhere/{request.path_params['sid']}/{request.path_params['medium']}"
        return self._refused(request) or RedirectResponse(place, 307)

    async def _bytes(self, request: Request) -> Response:
        if "authorization" in request.headers:
            self.seen.append(str(request.url))
        for medium, kind, data in self.media.get(request.path_params["sid"], []):
            if medium == request.path_params["medium"]:
                return Response(data, media_type=kind)
        return Response(status_code=404)
