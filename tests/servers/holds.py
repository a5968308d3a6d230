"""Fakes of the holds of Google Vault and Microsoft Purview, beside the fakes of their exports.

Vault: https://developers.google.com/workspace/vault/reference/rest/v1/matters.holds (create, delete, list),
``matters.list``, and the service's discovery document. Purview, below
https://learn.microsoft.com/graph/api/: security-ediscoverycase-post-legalholds (body and answer),
security-ediscoverycase-list-legalholds, security-casesroot-list-ediscoverycases,
security-ediscoveryholdpolicy-list-usersources; states of resources/security-ediscoveryholdpolicy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from records.models import Connection
from tests.servers.oauth import CLIENT, CLIENT_SECRET, TENANT, Entra
from tests.servers.vault import MATTER, VaultService
from tests.servers.web import Served

CASE = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
OTHER_CASE = "00000000-0000-4000-8000-0000000000c2"
OTHER_MATTER = "other-matter"
PAGE = 2


@dataclass
class VaultHoldService(VaultService):
    """Matters with their holds.

    Attributes:
        holds: By matter and id.
        closed: Matters that are not open.
        may_hold: The administrator has the privilege Manage Holds.
        unknown: Addresses in the domain that no account has.
    """

    holds: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {MATTER: {}, OTHER_MATTER: {}}
    )
    closed: set[str] = field(default_factory=set)
    may_hold: bool = True
    unknown: set[str] = field(default_factory=set)

    def serve(self) -> Served:
        """Serve it on loopback."""
        holds = "/v1/matters/{of}/holds"
        return Served(
            Starlette(
                routes=[
                    Route("/token", self._token, methods=["POST"]),
                    Route("/v1/matters", self._matters, methods=["GET"]),
                    Route(holds, self._place, methods=["POST"]),
                    Route(holds, self._list_holds, methods=["GET"]),
                    Route(holds + "/{hold}", self._delete, methods=["DELETE"]),
                ]
            )
        )

    def connection(self, served: Served, key: str, **extra: str) -> Connection:
        """Return what a source is given."""
        return super().connection(served, key, **{"hold_matter": MATTER} | extra)

    def _denied(self, request: Request) -> Response | None:
        refused = self._refused(request)
        if refused is None and not self.may_hold:
            return _google(403, "PERMISSION_DENIED", "forbidden")
        if refused is None and request.path_params.get("of", MATTER) not in self.holds:
            return _google(404, "NOT_FOUND", "notFound")
        return refused

    async def _matters(self, request: Request) -> Response:
        if (refused := self._denied(request)) is not None:
            return refused
        assert request.query_params["state"] == "OPEN"
        ids = [one for one in self.holds if one not in self.closed]
        at = int(request.query_params.get("pageToken", "0"))
        answer: dict[str, Any] = {"matters": [{"matterId": one, "state": "OPEN"} for one in ids[at : at + 1]]}
        if at + 1 < len(ids):
            answer["nextPageToken"] = str(at + 1)
        return JSONResponse(answer)

    async def _place(self, request: Request) -> Response:
        if (refused := self._denied(request)) is not None:
            return refused
        body = json.loads(await request.body())
        self.bodies.append(body)
        if not body["accounts"][0]["email"].endswith("@example.org"):
            return _google(400, "INVALID_ARGUMENT", "badRequest")
        if body["accounts"][0]["email"] in self.unknown:
            return _google(404, "NOT_FOUND", "notFound")
        if request.path_params["of"] in self.closed:
            return _google(400, "FAILED_PRECONDITION", "failedPrecondition")
        holds = self.holds[request.path_params["of"]]
        hold_id = f"hold-{len(holds) + 1}"
        accounts = [{**one, "accountId": "1", "holdTime": "2026-11-30T10:00:00Z"} for one in body["accounts"]]
        holds[hold_id] = {**body, "holdId": hold_id, "accounts": accounts}
        return JSONResponse(holds[hold_id])

    async def _list_holds(self, request: Request) -> Response:
        if (refused := self._denied(request)) is not None:
            return refused
        listed = list(self.holds[request.path_params["of"]].values())
        at = int(request.query_params.get("pageToken", "0"))
        answer: dict[str, Any] = {"holds": listed[at : at + PAGE]}
        if at + PAGE < len(listed):
            answer["nextPageToken"] = str(at + PAGE)
        return JSONResponse(answer)

    async def _delete(self, request: Request) -> Response:
        if (refused := self._denied(request)) is not None:
            return refused
        if self.holds[request.path_params["of"]].pop(request.path_params["hold"], None) is None:
            return _google(404, "NOT_FOUND", "notFound")
        return JSONResponse({})


def _google(status: int, code: str, reason: str) -> Response:
    errors = [{"reason": reason, "domain": "global", "message": "zanzibar"}]
    return JSONResponse(
        {"error": {"code": status, "status": code, "message": "zanzibar", "errors": errors}}, status
    )


@dataclass
class PurviewHoldService:
    """Cases with their legal holds.

    Attributes:
        entra: Who gives tokens.
        cases: Status by case id.
        holds: By case and id; each with its sources.
        state: What a new hold says of itself.
        bodies: What holds were placed with.
    """

    entra: Entra = field(default_factory=lambda: Entra(rights={"eDiscovery.ReadWrite.All"}))
    cases: dict[str, str] = field(default_factory=lambda: {CASE: "active", OTHER_CASE: "active"})
    holds: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {CASE: {}, OTHER_CASE: {}})
    state: str = "pending"
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def serve(self) -> Served:
        """Serve it on loopback."""
        cases = "/v1.0/security/cases/ediscoveryCases"
        holds = cases + "/{case}/legalHolds"
        return Served(
            Starlette(
                routes=[
                    *self.entra.routes(),
                    Route(cases, self._cases, methods=["GET"]),
                    Route(holds, self._place, methods=["POST"]),
                    Route(holds, self._list, methods=["GET"]),
                    Route(holds + "/{hold}", self._delete, methods=["DELETE"]),
                    Route(holds + "/{hold}/userSources", self._sources, methods=["GET"]),
                ]
            )
        )

    def connection(self, served: Served, **extra: str) -> Connection:
        """Return what a source is given."""
        about = {"tenant": TENANT, "authority": served.url, "patience_s": "5", "hold_case": CASE} | extra
        return Connection("microsoft", served.url, CLIENT, CLIENT_SECRET, about)

    def _refused(self, request: Request) -> Response | None:
        if not self.entra.accepts(request.headers.get("authorization", "")):
            return _graph(401, "InvalidAuthenticationToken")
        if "eDiscovery.ReadWrite.All" not in self.entra.rights:
            return _graph(403, "Authorization_RequestDenied")
        if request.path_params.get("case", CASE) not in self.holds:
            return _graph(404, "NotFound")
        return None

    async def _cases(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        return JSONResponse({"value": [{"id": one, "status": state} for one, state in self.cases.items()]})

    async def _place(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        body = json.loads(await request.body())
        self.bodies.append(body)
        (source,) = body["userSources@odata.bind"]
        assert source["@odata.type"] == "microsoft.graph.security.userSource"
        holds = self.holds[request.path_params["case"]]
        hold_id = f"policy-{len(holds) + 1}"
        holds[hold_id] = {
            "id": hold_id, "displayName": body["displayName"], "isEnabled": True, "errors": [],
            "status": self.state, "createdDateTime": "2026-11-30T10:00:00Z", "sources": [source],
        }  # fmt: skip
        return JSONResponse(self._shown(holds[hold_id]), 201)

    async def _list(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        listed = [self._shown(one) for one in self.holds[request.path_params["case"]].values()]
        at = int(request.query_params.get("$skiptoken", "0"))
        answer: dict[str, Any] = {"value": listed[at : at + PAGE]}
        if at + PAGE < len(listed):
            answer["@odata.nextLink"] = f"{str(request.url).split('?')[0]}?$skiptoken={at + PAGE}"
        return JSONResponse(answer)

    async def _sources(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        hold = self.holds[request.path_params["case"]][request.path_params["hold"]]
        sources = [{"id": f"source-{number}", **one} for number, one in enumerate(hold["sources"], 1)]
        return JSONResponse({"value": sources})

    async def _delete(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        if self.holds[request.path_params["case"]].pop(request.path_params["hold"], None) is None:
            return _graph(404, "NotFound")
        return Response(status_code=204)

    def _shown(self, hold: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in hold.items() if name != "sources"}


def _graph(status: int, code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": "zanzibar"}}, status)
