"""A fake of Google Vault's exports, of the Cloud Storage they lie in, and of Google's token endpoint.

Vault: https://developers.google.com/workspace/vault/reference/rest/v1/matters.exports (create, get, list) and
its discovery document. Storage: https://cloud.google.com/storage/docs/json_api/v1/objects/get (``alt=media``,
``Range``). Tokens: https://developers.google.com/identity/protocols/oauth2/service-account (JWT assertion).
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from records.models import Connection
from tests.servers.web import Served

MATTER = "a1b2c3d4-0000-4000-8000-000000000001"
SUBJECT = "vault-admin@example.org"
ACCOUNT = "daylight@project.iam.gserviceaccount.com"
BUCKET = "vault-exports-bucket"


@dataclass
class VaultService:
    """Matters' exports and their files.

    Attributes:
        package: Files that an export gives once it is done, by name.
        looks: So often an export is in progress when it is looked at.
        ends: Its status then.
        exports: By id, in the order they were created.
        objects: Files in the bucket by object name.
        bodies: What exports were created with.
        tokens: Valid tokens.
        asked: Assertions that were sent for tokens, as claims.
        delegated: Whether the account may act for the subject.
        hashes: ``hex`` or ``base64``: how sums are written.
        page: Exports on a page of the list.
        ignores_ranges: Storage gives the whole object whatever is asked for.
    """

    package: dict[str, bytes] = field(default_factory=dict)
    looks: int = 0
    ends: str = "COMPLETED"
    exports: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    delegated: bool = True
    hashes: str = "hex"
    page: int = 2
    ignores_ranges: bool = False
    ranges: list[str] = field(default_factory=list)

    def serve(self) -> Served:
        """Serve it on loopback."""
        matter = "/v1/matters/{matter}/exports"
        return Served(
            Starlette(
                routes=[
                    Route("/token", self._token, methods=["POST"]),
                    Route(matter, self._create, methods=["POST"]),
                    Route(matter, self._list, methods=["GET"]),
                    Route(matter + "/{export}", self._get, methods=["GET"]),
                    Route("/storage/v1/b/{bucket}/o/{name:path}", self._object, methods=["GET"]),
                ]
            )
        )

    def connection(self, served: Served, key: str, **extra: str) -> Connection:
        """Return what a source is given."""
        info = {
            "type": "service_account", "client_email": ACCOUNT, "private_key_id": "k1", "private_key": key,
            "token_uri": f"{served.url}/token",
        }  # fmt: skip
        about = {"subject": SUBJECT, "storage_host": served.url, "patience_s": "5"} | extra
        return Connection("google", served.url, "", json.dumps(info), about)

    def expire(self) -> None:
        """Delete the files, as Vault does after 15 days; the exports stay listed for a while."""
        self.objects.clear()

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        claims = json.loads(_unpadded(form["assertion"].split(".")[1]))
        self.asked.append(claims)
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if not self.delegated:
            says = "Client is unauthorized to retrieve access tokens using this method."
            return JSONResponse({"error": "unauthorized_client", "error_description": says}, 401)
        if claims.get("sub") != SUBJECT:
            return JSONResponse(
                {"error": "invalid_grant", "error_description": "Invalid email or User ID"}, 400
            )
        token = f"ya29.fake-{len(self.asked)}"
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _refused(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return _error(401, "UNAUTHENTICATED", "authError")
        if request.path_params.get("matter", MATTER) != MATTER:
            return _error(404, "NOT_FOUND", "notFound")
        return None

    async def _create(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        body = json.loads(await request.body())
        if body.get("query", {}).get("terms") == "((":
            return _error(400, "INVALID_ARGUMENT", "")
        self.bodies.append(body)
        export_id = f"exportly-{len(self.exports) + 1}"
        self.exports[export_id] = {
            "id": export_id, "matterId": MATTER, "name": body["name"], "status": "IN_PROGRESS",
            "createTime": f"2026-11-30T00:00:{len(self.exports):02}.000Z", "looks": self.looks,
        }  # fmt: skip
        return JSONResponse(self._shown(export_id))

    async def _list(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        at = int(request.query_params.get("pageToken", "0"))
        ids = list(self.exports)
        answer: dict[str, Any] = {"exports": [self._shown(one) for one in ids[at : at + self.page]]}
        if at + self.page < len(ids):
            answer["nextPageToken"] = str(at + self.page)
        return JSONResponse(answer)

    async def _get(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        export = self.exports.get(request.path_params["export"])
        if export is None:
            return _error(404, "NOT_FOUND", "notFound")
        if export["looks"] > 0:
            export["looks"] -= 1
        elif export["status"] == "IN_PROGRESS":
            export["status"] = self.ends
            if self.ends == "COMPLETED":
                for name, data in self.package.items():
                    self.objects[f"{export['id']}/{name}"] = data
        return JSONResponse(self._shown(export["id"]))

    def _shown(self, export_id: str) -> dict[str, Any]:
        export = {name: value for name, value in self.exports[export_id].items() if name != "looks"}
        if export["status"] == "COMPLETED":
            files = [
                {
                    "bucketName": BUCKET, "objectName": f"{export_id}/{name}", "size": str(len(data)),
                    "md5Hash": self._sum(data),
                }
                for name, data in self.package.items()
            ]  # fmt: skip
            export["cloudStorageSink"] = {"files": files}
            export["stats"] = {"totalArtifactCount": "1", "exportedArtifactCount": "1"}
        return export

    def _sum(self, data: bytes) -> str:
        digest = hashlib.md5(data)
        return digest.hexdigest() if self.hashes == "hex" else base64.b64encode(digest.digest()).decode()

    async def _object(self, request: Request) -> Response:
        if (refused := self._refused(request)) is not None:
            return refused
        data = self.objects.get(request.path_params["name"])
        if (
            data is None
            or request.path_params["bucket"] != BUCKET
            or request.query_params.get("alt") != "media"
        ):
            return _error(404, "NOT_FOUND", "notFound")
        return ranged(request, data, self.ranges, ignores=self.ignores_ranges)


def ranged(request: Request, data: bytes, ranges: list[str], *, ignores: bool) -> Response:
    """Answer with what a ``Range`` asks for (RFC 9110 section 14), and note it."""
    wanted = request.headers.get("range", "")
    ranges.append(wanted)
    if not wanted or ignores:
        return Response(data, media_type="application/zip")
    first = int(wanted.removeprefix("bytes=").split("-")[0])
    if first >= len(data):
        return Response(b"", 416, {"content-range": f"bytes */{len(data)}"})
    stated = f"bytes {first}-{len(data) - 1}/{len(data)}"
    return Response(data[first:], 206, {"content-range": stated}, "application/zip")


def _error(status: int, code: str, reason: str) -> Response:
    """https://developers.google.com/workspace/vault/reference/rest: google.rpc.Status in ``error``."""
    error: dict[str, Any] = {"code": status, "status": code, "message": "zanzibar"}
    if reason:
        error["errors"] = [{"reason": reason, "domain": "global", "message": "zanzibar"}]
    return JSONResponse({"error": error}, status)


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def new_key() -> str:
    """Return a private key as a service account's key file has it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
