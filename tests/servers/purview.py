"""A fake of Microsoft Purview's export API on Graph, and of the service that its files are downloaded from.

https://learn.microsoft.com/graph/api/security-ediscoverysearch-exportresult (202 and ``Location``),
https://learn.microsoft.com/graph/api/resources/security-ediscoverysearchexportoperation (status, files),
https://learn.microsoft.com/graph/api/security-ediscoverycase-list-operations,
https://learn.microsoft.com/purview/edisc-ref-api-guide (download token, ``X-AllowWithAADToken``). Tokens as
in ``tests.servers.oauth``.
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
from tests.servers.vault import ranged
from tests.servers.web import Served

CASE, SEARCH = "dbc06feb-a6a5-46a2-8e4e-534353b071e4", "6c2ab774-2d2a-46b9-a601-3130f518757b"
DOWNLOAD_SCOPE = "b26e684c-5068-4120-a679-64a5d2c909d9/.default"
MEMBERS = "include-unknown-enum-members"
_NAMED = frozenset({
    "none", "teamsAndYammerConversations", "cloudAttachments", "allDocumentVersions", "subfolderContents",
    "listAttachments", "htmlTranscripts", "advancedIndexing", "allItemsInFolder", "includeFolderAndPath",
    "condensePaths", "friendlyName", "splitSource", "includeReport",
})  # fmt: skip


@dataclass
class PurviewService:
    """A case with a search, and its export operations.

    Attributes:
        package: Files that an export gives once it is done, by name.
        looks: So often an operation is running when it is looked at.
        ends: Its status then.
        operations: By id, in the order they were started.
        bodies: What they were started with.
        entra: Tokens.
        gone: The files have been deleted.
        billed: Pay-as-you-go billing is on.
        link_host: Host of the download links; empty for this server.
        ignores_ranges: The download service gives the whole file whatever is asked for.
        unlinked: So many of the first files have no link yet.
    """

    package: dict[str, bytes] = field(default_factory=dict)
    looks: int = 0
    ends: str = "succeeded"
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    entra: Entra = field(
        default_factory=lambda: Entra({"eDiscovery.ReadWrite.All", "eDiscovery.Download.Read"})
    )
    gone: bool = False
    billed: bool = True
    link_host: str = ""
    ignores_ranges: bool = False
    unlinked: int = 0
    ranges: list[str] = field(default_factory=list)

    def serve(self) -> Served:
        """Serve it on loopback."""
        case = "/v1.0/security/cases/ediscoveryCases/{case}"
        return Served(
            Starlette(
                routes=[
                    *self.entra.routes(),
                    Route(case + "/searches/{search}/exportResult", self._export, methods=["POST"]),
                    Route(case + "/operations", self._list, methods=["GET"]),
                    Route(case + "/operations/{operation}", self._get, methods=["GET"]),
                    Route("/ediscovery/api/proxy/{name}", self._file, methods=["GET"]),
                ]
            )
        )

    def connection(self, served: Served, **extra: str) -> Connection:
        """Return what a source is given."""
        about = {"tenant": TENANT, "authority": served.url, "patience_s": "5"} | extra
        return Connection("microsoft", served.url, CLIENT, CLIENT_SECRET, about)

    def _refused(self, request: Request) -> Response | None:
        if not self.entra.accepts(request.headers.get("authorization", "")):
            return _error(401, "InvalidAuthenticationToken")
        if "eDiscovery.ReadWrite.All" not in self.entra.rights:
            return _error(403, "Authorization_RequestDenied")
        if request.path_params["case"] != CASE:
            return _error(404, "NotFound")
        return None

    async def _export(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        if request.path_params["search"] != SEARCH:
            return _error(404, "NotFound")
        if not self.billed:
            return _error(402, "PaymentRequired")
        body = json.loads(await request.body())
        options = {one.strip() for one in body["additionalOptions"].split(",")}
        assert options <= _NAMED, options - _NAMED
        assert body["exportFormat"] in {"pst", "msg"}
        self.bodies.append(body)
        operation = f"op{len(self.operations) + 1:030}"
        self.operations[operation] = {
            "@odata.type": "#microsoft.graph.security.ediscoverySearchExportOperation",
            "id": operation,
            "displayName": body["displayName"],
            "action": "exportResult",
            "status": "running",
            "createdDateTime": f"2026-11-30T00:00:{len(self.operations):02}Z",
            "percentProgress": 0,
            "looks": self.looks,
        }
        here = f"{request.url.scheme}://{request.url.netloc}/v1.0/security/cases"
        link = f"{here}/ediscoveryCases('{CASE}')/operations('{operation}')"
        return Response(status_code=202, headers={"location": link})

    async def _list(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        at = int(request.query_params.get("$skiptoken", "0"))
        ids = list(self.operations)
        answer: dict[str, Any] = {"value": [self._shown(request, one) for one in ids[at : at + 2]]}
        if at + 2 < len(ids):
            answer["@odata.nextLink"] = f"{str(request.url).split('?')[0]}?$skiptoken={at + 2}"
        return JSONResponse(answer)

    async def _get(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        operation = self.operations.get(request.path_params["operation"])
        if operation is None:
            return _error(404, "NotFound")
        if operation["looks"] > 0:
            operation["looks"] -= 1
        elif operation["status"] == "running":
            operation |= {"status": self.ends, "completedDateTime": "2026-11-30T01:00:00Z"}
            if self.ends != "succeeded":
                operation["resultInfo"] = {"code": "ExportPartlyFailed", "message": "zanzibar"}
        return JSONResponse(self._shown(request, operation["id"]))

    def _shown(self, request: Request, operation_id: str) -> dict[str, Any]:
        operation = {name: value for name, value in self.operations[operation_id].items() if name != "looks"}
        if request.headers.get("prefer") != MEMBERS:
            operation["action"] = "unknownFutureValue"
        if operation["status"] in {"succeeded", "partiallySucceeded"}:
            host = self.link_host or f"{request.url.scheme}://{request.url.netloc}"
            operation["exportFileMetadata"] = [
                {"fileName": name, "size": len(data), "downloadUrl": f"{host}/ediscovery/api/proxy/{number}"}
                for number, (name, data) in enumerate(self.package.items())
            ]
            for one in operation["exportFileMetadata"][: self.unlinked]:
                del one["downloadUrl"]
        return operation

    async def _file(self, request: Request) -> Response:
        if request.headers.get("x-allowwithaadtoken") != "true":
            return Response("sign in", 302, {"location": "https://login.microsoftonline.com/"})
        if not self.entra.accepts(request.headers.get("authorization", "")):
            return Response(status_code=401)
        if "eDiscovery.Download.Read" not in self.entra.rights:
            return Response(status_code=403)
        if self.gone:
            return Response(status_code=404)
        data = list(self.package.values())[int(request.path_params["name"])]
        return ranged(request, data, self.ranges, ignores=self.ignores_ranges)


def _error(status: int, code: str) -> Response:
    """https://learn.microsoft.com/graph/errors."""
    return JSONResponse({"error": {"code": code, "message": "zanzibar"}}, status)
