"""The fake of Microsoft Graph, and what is asked of Graph, held against Microsoft's own metadata."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from lxml import etree

from connectors import graph_calendar, graph_files, graph_mail
from connectors.microsoft import Service
from extract import teams as reading
from tests.connectors.built_graph import ACCOUNT, SHARED, context_of, tenant, with_files, with_teams
from tests.servers.web import Served

pytestmark = pytest.mark.live

_EDM = {"e": "http://docs.oasis-open.org/odata/ns/edm"}
_ADDED = frozenset({"email"})
"""Of identities in OneDrive and SharePoint: their types are open, and real answers have it."""


@dataclass
class Type:
    """A type of the metadata.

    Attributes:
        base: Name of the type it builds on; empty for none.
        fields: Types by field; of a collection that of its members.
        open: Whether it may have further fields.
    """

    base: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    open: bool = False


@pytest.fixture(scope="module")
def types():
    """Read ``https://graph.microsoft.com/v1.0/$metadata``, from a file."""
    path = os.environ.get("DAYLIGHT_GRAPH_METADATA")
    if not path:
        pytest.skip("DAYLIGHT_GRAPH_METADATA names no file with the metadata of Graph v1.0")
    found: dict[str, Type] = {}
    root = etree.parse(path, etree.XMLParser(huge_tree=True))
    for schema in root.iterfind(".//e:Schema[@Namespace='microsoft.graph']", _EDM):
        for kind in (*schema.iterfind("e:EntityType", _EDM), *schema.iterfind("e:ComplexType", _EDM)):
            own = {
                one.get("Name"): one.get("Type").removeprefix("Collection(").rstrip(")").rpartition(".")[2]
                for one in kind
                if etree.QName(one).localname.endswith("Property")
            }
            base = kind.get("BaseType", "").rpartition(".")[2]
            found[kind.get("Name")] = Type(base, own, kind.get("OpenType") == "true")
    return found


def fields(types: dict[str, Type], name: str) -> dict[str, str]:
    about = types[name]
    return about.fields | (fields(types, about.base) if about.base else {})


def check(types: dict[str, Type], name: str, value: Any) -> None:
    """Check that a value has no field that its type has not, nor any below it."""
    if isinstance(value, list):
        for one in value:
            check(types, name, one)
    elif isinstance(value, dict) and name in types:
        name = value.get("@odata.type", name).rpartition(".")[2]
        known = fields(types, name)
        for key, below in value.items():
            if key.startswith("@"):
                continue
            assert key in known or (types[name].open and key in _ADDED), f"{name} has no {key}"
            if key in known:
                check(types, known[key], below)


def test_the_fake_has_no_field_of_mail_and_calendars_that_graph_has_not(types):
    with Served(tenant().app()) as served:
        service = Service("s1", context_of(served.url).connection)
        user = f"/v1.0/users/{ACCOUNT}"
        shown = {
            "mailFolder": f"{user}/mailFolders",
            "message": f"{user}/mailFolders/F0000/messages",
            "calendar": f"{user}/calendars",
            "event": f"{user}/calendars/CAL1/events",
        }
        for name, path in shown.items():
            values = service.get(path)["value"]
            assert values
            check(types, name, values)
        query = {"$expand": "attachments", "$top": "20"}
        check(types, "message", service.get(shown["message"], query)["value"])
    assert {*graph_mail._FIELDS.split(","), "hasAttachments"} <= set(fields(types, "message"))
    assert set(graph_calendar._WHOLE.split(",")) <= set(fields(types, "event"))
    assert "sourceUrl" not in fields(types, "referenceAttachment")


def test_the_fake_has_no_field_of_files_that_graph_has_not(types):
    graph = tenant()
    files, _, _ = with_files(graph)
    with Served(graph.app()) as served:
        service = Service("s1", context_of(served.url).connection)
        site = next(iter(files.sites))
        shown = {
            "drive": [f"/v1.0/users/{ACCOUNT}/drives", f"/v1.0/sites/{site}/drives"],
            "driveItem": ["/v1.0/drives/b!ana/root/delta", "/v1.0/drives/b!lee/items/02D/children"],
            "driveItemVersion": ["/v1.0/drives/b!ana/items/01F8/versions"],
            "site": [f"/v1.0/sites/{site}/sites"],
        }
        for name, paths in shown.items():
            for path in paths:
                values = [one for page in service.pages(path) for one in page.values]
                assert values
                check(types, name, values)
        share = graph_files.share_of(SHARED)
        check(types, "driveItem", service.get(f"/v1.0/shares/{share}/driveItem"))
    assert set(graph_files._FIELDS.split(",")) <= set(fields(types, "driveItem"))


def test_the_fake_has_no_field_of_teams_that_graph_has_not(types):
    graph = tenant()
    with_teams(graph)
    with Served(graph.app()) as served:
        service = Service("s1", context_of(served.url).connection)
        user = f"/v1.0/users/{ACCOUNT}"
        shown = {
            "chatMessage": [f"{user}/chats/getAllMessages", "/v1.0/teams/T1/channels/getAllMessages"],
            "chat": [f"{user}/chats"],
            "conversationMember": ["/v1.0/chats/19%3Abus%40thread.v2/members"],
            "team": [f"{user}/joinedTeams"],
            "channel": ["/v1.0/teams/T1/channels"],
        }
        for name, paths in shown.items():
            for path in paths:
                values = [one for page in service.pages(path) for one in page.values]
                assert values
                check(types, name, values)


def test_what_is_read_of_a_teams_message_is_there(types):
    assert set(reading._FACTS) <= set(fields(types, "chatMessage"))
    assert {"contentBytes", "contentType"} <= set(fields(types, "chatMessageHostedContent"))
    events = {name for name in types if name.endswith("EventMessageDetail") and name != "eventMessageDetail"}
    told = {
        *reading._EVENT_TEXTS,
        *reading._EVENT_SPANS,
        "members",
        "callParticipants",
        "conversationMemberUser",
    }
    assert told <= {key for name in events for key in fields(types, name)}
    for name in events:
        if "initiator" in fields(types, name):
            assert fields(types, name)["initiator"] == "identitySet"
