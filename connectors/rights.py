"""Which rights a connection was granted, and which of them its sources need: asks for tokens, reads nothing.

An application of Microsoft's learns its permissions from the ``roles`` of its token
(https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference). Google tells no list: a
service account is given a token for a scope only where that scope is delegated to it, so each is tried
(https://developers.google.com/identity/protocols/oauth2/service-account#delegatingauthority).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.holds import PURVIEW, VAULT, route_of
from connectors.microsoft import GRAPH, Tokens
from connectors.purview_api import RIGHT
from connectors.registry import connector
from connectors.vault_api import EDISCOVERY, STORAGE
from records.models import SourceContext

_AUTH = "https://www.googleapis.com/auth/"
_EXCHANGE = "https://outlook.office365.com"
WIDE = (
    "https://mail.google.com/",
    *(
        f"{_AUTH}{name}"
        for name in (
            "gmail.modify", "gmail.readonly", "gmail.send", "gmail.settings.basic", "drive", "drive.readonly",
            "chat.spaces", "chat.spaces.readonly", "chat.messages", "chat.messages.readonly",
            "chat.memberships", "chat.memberships.readonly", "calendar", "calendar.readonly", "contacts",
            "ediscovery", "ediscovery.readonly", "devstorage.full_control", "devstorage.read_write",
            "devstorage.read_only", "cloud-platform", "admin.directory.user", "admin.directory.user.readonly",
        )
    ),
)  # fmt: skip
"""Scopes that are looked for: those that a source may need, and wider ones of the same services."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Rights that a source needs.

    Attributes:
        audience: For Microsoft, the scope of the token whose roles they are; empty for Google.
        names: Application permissions of Microsoft, or scopes of Google.
        account: For Google, whom the service account acts for; each of a domain gives the same answer.
    """

    audience: str
    names: frozenset[str]
    account: str = ""


def needed(name: str, context: SourceContext) -> list[Needed]:
    """Return what a source needs of its connection; nothing where its rights cannot be told.

    Args:
        name: Of its connector.
        context: The source, with its connection.
    """
    connection = context.connection
    if connection is None:
        return []
    graph = f"{(connection.host or GRAPH).rstrip('/')}/.default"
    subject = connection.extra.get("subject", "")
    out: list[Needed] = []
    if name == "microsoft_graph":
        out.append(Needed(graph, _of_places(name, context)))
    elif name == "google_workspace":
        out.append(Needed("", _of_places(name, context), context.account))
    elif name == "exchange_ews" and "tenant" in connection.extra:
        at = urlsplit(connection.host or _EXCHANGE)
        audience = connection.extra.get("scope") or f"{at.scheme}://{at.netloc}/.default"
        out.append(Needed(audience, frozenset({"full_access_as_app"})))
    elif name == "purview_export":
        # an export that exists already is only read
        right = RIGHT.replace("ReadWrite", "Read") if context.options.get("operation") else RIGHT
        out.append(Needed(graph, frozenset({right})))
    elif name == "vault_export":
        out.append(Needed("", frozenset({EDISCOVERY, STORAGE}), subject))
    route = route_of(connection)
    if route == PURVIEW:
        out.append(Needed(graph, frozenset({RIGHT})))
    elif route == VAULT:
        out.append(Needed("", frozenset({EDISCOVERY}), subject))
    return out


def granted(context: SourceContext, of: Needed) -> frozenset[str]:
    """Return which rights a connection has; none where a token does not tell.

    Raises:
        AccessError: No token is given; the message says what to do.
        Retryable: The service is busy or away.
        SettingsError: The connection lacks something.
    """
    connection = context.connection
    assert connection is not None, "what needs rights has a connection"
    if not of.audience:
        return frozenset(scope for scope in sorted({*WIDE, *of.names}) if _delegated(context, of, scope))
    tokens = Tokens(context.source_id, connection, of.audience)
    try:
        return frozenset(map(str, _claims(tokens.get()).get("roles", ())))
    finally:
        tokens.close()


def _delegated(context: SourceContext, of: Needed, scope: str) -> bool:
    from connectors.google_auth import Google

    assert context.connection is not None, "as above"
    google = Google(context.source_id, context.connection, of.account, "gmail", (scope,))
    try:
        return google.is_delegated()
    finally:
        google.close()


def _claims(token: str) -> dict[str, Any]:
    """Return what a token says; nothing where it is not one that can be read (Microsoft promises none)."""
    try:
        body = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_places(name: str, context: SourceContext) -> frozenset[str]:
    """Return what the readers of the places say that they need: one ``right``, or several ``rights``."""
    made: Any = connector(name)(context)
    kinds = [made.readers[place] for place in made.wanted()]
    return frozenset(right for kind in kinds for right in getattr(kind, "rights", None) or (kind.right,))
