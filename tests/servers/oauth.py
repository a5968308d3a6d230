"""A fake of Microsoft Entra's token endpoint: client credentials, for as many tenants as a test needs.

Pages, below https://learn.microsoft.com/entra/identity-platform/: v2-oauth2-client-creds-grant-flow (request,
answer, form of errors), v2-protocols-oidc (the document of addresses), reference-error-codes (numbers).
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TENANT = "3f1f0a3e-0000-4000-8000-00000000d151"
CLIENT = "6b1f0a3e-0000-4000-8000-0000000000aa"
CLIENT_SECRET = "not-a-real-secret"


@dataclass
class Entra:
    """Tenants, applications and the tokens that were given.

    Attributes:
        rights: Application permissions (roles) that the application has been granted.
        lives_s: Seconds a token is valid.
        expired_secret: The application's secret is over.
        given: Tokens that are valid, each with the time it ends (seconds since 1970).
        asked: How many tokens were asked for.
        scopes: What they were asked for.
    """

    rights: set[str] = field(default_factory=set)
    lives_s: int = 3_599
    expired_secret: bool = False
    given: dict[str, float] = field(default_factory=dict)
    asked: int = 0
    scopes: list[str] = field(default_factory=list)

    def routes(self) -> list[Route]:
        """Return its routes, to be served beside those of the service that takes the tokens."""
        return [
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._addresses),
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
        ]

    def accepts(self, authorization: str) -> bool:
        """Tell whether an ``Authorization`` header holds a valid token."""
        kind, _, token = authorization.partition(" ")
        return kind == "Bearer" and self.given.get(token, 0.0) > time.time()

    def forget(self) -> None:
        """End every token, as an expiry or a revocation does."""
        self.given.clear()

    def _made(self) -> str:
        """Return a token whose middle tells the roles, as Entra's do; it is not signed."""
        claims = json.dumps({"appid": CLIENT, "roles": sorted(self.rights), "jti": self.asked})
        return ".".join(
            [*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in ("{}", claims)),
             f"fake-token-{self.asked}"]
        )  # fmt: skip

    async def _addresses(self, request: Request) -> JSONResponse:
        tenant = request.path_params["tenant"]
        if tenant != TENANT:
            return _refusal(90002, "invalid_tenant", f"Tenant '{tenant}' not found.")
        here = f"https://{request.url.netloc}/{tenant}"
        return JSONResponse(
            {
                "token_endpoint": f"{here}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "issuer": f"{here}/v2.0",
                "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{here}/oauth2/v2.0/devicecode",
            }
        )

    async def _token(self, request: Request) -> JSONResponse:
        self.asked += 1
        form = dict(parse_qsl((await request.body()).decode()))
        self.scopes.append(form.get("scope", ""))
        if request.path_params["tenant"] != TENANT:
            return _refusal(90002, "invalid_request", "Tenant not found.")
        if form.get("grant_type") != "client_credentials" or not form.get("scope", "").endswith("/.default"):
            return _refusal(1002012, "invalid_scope", "The provided value for scope is not valid.")
        if form.get("client_id") != CLIENT:
            return _refusal(700016, "unauthorized_client", "Application was not found in the directory.")
        if self.expired_secret:
            return _refusal(7000222, "invalid_client", "The provided client secret keys are expired.", 401)
        if "client_assertion" not in form and form.get("client_secret") != CLIENT_SECRET:
            return _refusal(7000215, "invalid_client", "Invalid client secret provided.", 401)
        token = self._made()
        self.given[token] = time.time() + self.lives_s
        return JSONResponse({
            "token_type": "Bearer", "expires_in": self.lives_s, "ext_expires_in": self.lives_s,
            "access_token": token,
        })  # fmt: skip


def _refusal(number: int, error: str, says: str, status: int = 400) -> JSONResponse:
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{number}: {says} Trace ID: 0. Correlation ID: 0.",
        "error_codes": [number],
        "timestamp": "2026-11-30 00:00:00Z",
        "trace_id": "00000000-0000-0000-0000-000000000000",
        "correlation_id": "00000000-0000-0000-0000-000000000000",
    }
    return JSONResponse(body, status)
