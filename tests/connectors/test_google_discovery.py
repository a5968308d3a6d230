"""The fake of Google's services is held against the discovery documents that Google's own library carries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient.discovery_cache
import pytest

from connectors.google_auth import _APIS
from connectors.google_chat_api import READ as CHAT_READ
from connectors.google_drive import (
    _CUT_FIELDS,
    _FIELDS,
    _REVISION_FIELDS,
)
from connectors.google_drive import READ as DRIVE_READ
from connectors.google_gmail import _LISTED
from connectors.google_gmail import READ as GMAIL_READ
from tests.connectors.built_google import ACCOUNT, blob, document, filled, said
from tests.servers.google import READ, ROUTES, Workspace, _terms

SCOPES = {"gmail": (GMAIL_READ,), "drive": (DRIVE_READ,), "chat": CHAT_READ}


@cache
def described(api: str) -> dict[str, Any]:
    folder = Path(googleapiclient.discovery_cache.__file__).parent / "documents"
    return json.loads((folder / f"{api}.{_APIS[api][0]}.json").read_text())


def method_of(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a discovery document, and what it says of a method."""
    api, *path, last = name.split(".")
    found = document_of = described(api)
    for step in path:
        found = found["resources"][step]
    return document_of, found["methods"][last]


def fields_of(api: str, schema: str) -> dict[str, Any]:
    return described(api)["schemas"][schema]["properties"]


def check(api: str, described_as: dict[str, Any], value: Any, where: str = "") -> None:
    """Assert that a value is of the shape that a schema describes."""
    if "$ref" in described_as:
        described_as = described(api)["schemas"][described_as["$ref"]]
    kind = described_as.get("type")
    if kind == "array":
        assert isinstance(value, list), where
        for one in value:
            check(api, described_as["items"], one, f"{where}[]")
    elif kind == "object" and "properties" in described_as:
        assert isinstance(value, dict), where
        assert set(value) <= set(described_as["properties"]), (where, set(value))
        for name, one in value.items():
            check(api, described_as["properties"][name], one, f"{where}.{name}")
    elif kind == "object":
        assert isinstance(value, dict), where
    else:
        python = {"string": str, "boolean": bool, "integer": int, "number": float}[str(kind)]
        assert type(value) is python, (where, value)


def selected(api: str, described_as: dict[str, Any], fields: str, where: str = "") -> None:
    """Assert that everything that ``fields`` names is there."""
    if "$ref" in described_as:
        described_as = described(api)["schemas"][described_as["$ref"]]
    if described_as.get("type") == "array":
        selected(api, described_as["items"], fields, where)
        return
    for term in _terms(fields):
        name, _, inner = term.partition("(")
        name, _, below = name.partition("/")
        assert name in described_as["properties"], f"{where}.{name}"
        rest = below or inner.removesuffix(")")
        if rest:
            selected(api, described_as["properties"][name], rest, f"{where}.{name}")


@pytest.mark.parametrize("name", sorted(ROUTES))
def test_routes_and_parameters_are_those_of_the_discovery_document(name: str) -> None:
    _, path, parameters = ROUTES[name]
    _, stated = method_of(name)
    assert stated.get("flatPath", stated["path"]) == path
    assert stated["httpMethod"] == "GET"
    assert parameters <= set(stated.get("parameters", ()))


@pytest.mark.parametrize("api", sorted(READ))
def test_the_scopes_are_the_least_that_each_method_takes(api: str) -> None:
    assert set(SCOPES[api]) == READ[api]
    known = described(api)["auth"]["oauth2"]["scopes"]
    assert set(SCOPES[api]) <= set(known)
    for name in ROUTES:
        if name.startswith(f"{api}."):
            assert set(method_of(name)[1]["scopes"]) & set(SCOPES[api]), name
    assert all(scope.endswith(".readonly") for scope in SCOPES[api])


@pytest.mark.parametrize("api", sorted(READ))
def test_addresses_are_those_of_the_discovery_document(api: str) -> None:
    found = described(api)
    assert found["servicePath"] == _APIS[api][1]
    assert (
        found["rootUrl"]
        == {
            "gmail": "https://gmail.googleapis.com/",
            "drive": "https://www.googleapis.com/",
            "chat": "https://chat.googleapis.com/",
        }[api]
    )


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("gmail.users.messages.list", _LISTED),
        ("gmail.users.messages.get", "payload/headers"),
        ("gmail.users.messages.get", "internalDate"),
        ("gmail.users.messages.get", "raw"),
        ("gmail.users.labels.list", "labels(id,name)"),
        ("gmail.users.getProfile", "messagesTotal"),
        ("drive.files.list", f"nextPageToken,incompleteSearch,files({_FIELDS})"),
        ("drive.files.list", f"nextPageToken,incompleteSearch,files({_CUT_FIELDS})"),
        ("drive.files.get", _FIELDS),
        ("drive.revisions.list", _REVISION_FIELDS),
        ("drive.drives.list", "nextPageToken,drives(id,name)"),
        ("drive.about.get", "user(permissionId)"),
        ("chat.spaces.list", "nextPageToken,spaces(name,displayName,spaceType)"),
        ("chat.spaces.messages.list", "nextPageToken,messages(name,createTime,attachment(name))"),
        ("chat.spaces.members.list", "nextPageToken,memberships(member(name,displayName,email))"),
    ],
)
def test_fields_that_are_asked_for_exist(method: str, fields: str) -> None:
    api = method.partition(".")[0]
    selected(api, method_of(method)[1]["response"], fields)


def test_what_the_fake_answers_is_of_the_described_shape() -> None:
    import httpx

    fake = Workspace(page=3)
    filled(fake)
    account = fake.accounts[ACCOUNT]
    account.files["f1"].revisions = [({"id": "r0", "modifiedTime": "2025-03-04T19:00:00.000Z"}, b"x")]
    fake.tokens["t"] = (ACCOUNT, frozenset().union(*READ.values()), 9e12)
    first = next(iter(account.mail.messages))
    asked = {
        "gmail.users.getProfile": ["/gmail/v1/users/me/profile"],
        "gmail.users.labels.list": ["/gmail/v1/users/me/labels"],
        "gmail.users.messages.list": ["/gmail/v1/users/me/messages?includeSpamTrash=true"],
        "gmail.users.messages.get": [
            f"/gmail/v1/users/me/messages/{first}?format=raw",
            f"/gmail/v1/users/me/messages/{first}?format=metadata&metadataHeaders=Date",
            f"/gmail/v1/users/me/messages/{first}?format=minimal",
        ],
        "drive.about.get": ["/drive/v3/about"],
        "drive.drives.list": ["/drive/v3/drives"],
        "drive.files.list": ["/drive/v3/files"],
        "drive.files.get": ["/drive/v3/files/d1", "/drive/v3/files/s1"],
        "drive.revisions.list": ["/drive/v3/files/f1/revisions"],
        "drive.revisions.get": ["/drive/v3/files/f1/revisions/r0"],
        "chat.spaces.list": ["/v1/spaces"],
        "chat.spaces.messages.list": ["/v1/spaces/AAAA/messages?showDeleted=true"],
        "chat.spaces.members.list": ["/v1/spaces/AAAA/members"],
    }
    assert set(ROUTES) - set(asked) == {"drive.files.export", "chat.media.download"}  # bytes, no schema
    with fake.serve() as served, httpx.Client(headers={"Authorization": "Bearer t"}) as client:
        for name, paths in asked.items():
            api = name.partition(".")[0]
            for path in paths:
                answer = client.get(served.url + path)
                assert answer.status_code == 200, path
                check(api, method_of(name)[1]["response"], answer.json(), name)


def test_what_the_tests_make_up_is_of_the_described_shape() -> None:
    check("drive", {"$ref": "File"}, blob("x", b"1").body)
    check("drive", {"$ref": "File"}, document("x", b"1").body)
    check("chat", {"$ref": "Message"}, said(1, "2025-03-04T18:20:34Z", lastUpdateTime="2025-03-05T00:00:00Z"))
    for name in (
        "lastUpdateTime",
        "deleteTime",
        "quotedMessageMetadata",
        "emojiReactionSummaries",
        "cardsV2",
    ):
        assert name in fields_of("chat", "Message")
    assert "quotedMessageSnapshot" in fields_of("chat", "QuotedMessageMetadata")
    assert {"driveFileId"} <= set(fields_of("chat", "DriveDataRef"))
    assert {"resourceName"} <= set(fields_of("chat", "AttachmentDataRef"))
