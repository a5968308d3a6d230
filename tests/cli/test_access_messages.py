"""`daylight run --local` against services that refuse: each source is asked, each message says what to do."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from records.models import Connection
from tests.command import daylight
from tests.connectors.built_ews import organisation
from tests.servers import ews, graph
from tests.servers.google import Workspace
from tests.servers.oauth import CLIENT_SECRET, TENANT
from tests.servers.web import Served

pytestmark = pytest.mark.slow

ANA, NOBODY = "ana@example.org", "nobody@example.org"
REQUEST = """
text = "All records about the bus route"
received_on = 2026-09-08
terms = "terms.csv"
[[custodians]]
id = "ana"
name = "Ana Ruiz"
emails = ["ana@example.org"]
"""
SOURCE = """
[[sources]]
id = "{id}"
connector = "{connector}"
custodian = "ana"
connection = "{connection}"
account = "{account}"
"""
ELSEWHERE = {"tenant": "11111111-2222-3333-4444-555555555555"}


def fields_of(connection: Connection) -> dict[str, Any]:
    return {
        "host": connection.host, "login": connection.login, "password": connection.secret,
        "extra": dict(connection.extra),
    }  # fmt: skip


def test_each_refusal_says_what_to_do(tmp_path: Path) -> None:
    tenant = graph.Graph()
    tenant.store.mailbox(ANA)
    closed = graph.Graph()  # a tenant that consented to nothing
    closed.store.mailbox(ANA)
    closed.entra.rights.clear()
    exchange, off = organisation(), organisation(switched_off=True)
    narrow = organisation(impersonates={"lee@example.org"})
    google, undelegated = Workspace(), Workspace()
    google.account(ANA)
    undelegated.account(ANA)
    undelegated.delegated.clear()
    with contextlib.ExitStack() as running:
        at = {
            name: running.enter_context(Served(app))
            for name, app in {
                "graph": tenant.app(), "closed": closed.app(), "exchange": exchange.app(), "off": off.app(),
                "narrow": narrow.app(), "google": google.app(), "undelegated": undelegated.app(),
            }.items()
        }  # fmt: skip
        stated = {
            "graph": graph.connection_fields(at["graph"].url),
            "graph_elsewhere": graph.connection_fields(at["graph"].url, **ELSEWHERE),
            "graph_closed": graph.connection_fields(at["closed"].url),
            "ews": ews.connection_fields(at["exchange"].url),
            "ews_elsewhere": ews.connection_fields(at["exchange"].url, **ELSEWHERE),
            "ews_narrow": ews.connection_fields(at["narrow"].url),
            "ews_off": ews.connection_fields(at["off"].url),
            "google": fields_of(google.connection(at["google"], patience_s="5")),
            "google_undelegated": fields_of(undelegated.connection(at["undelegated"], patience_s="5")),
        }
        cases = [
            ("microsoft_graph", "graph_elsewhere", ANA, "no such tenant; check `tenant` in extra"),
            ("microsoft_graph", "graph_closed", ANA, "grant the application `Mail.Read`"),
            ("microsoft_graph", "graph", NOBODY, "the service knows no such account; check `account`"),
            ("exchange_ews", "ews_elsewhere", ANA, "no such tenant; check `tenant` in extra"),
            ("exchange_ews", "ews_narrow", ANA, "give the account the role ApplicationImpersonation"),
            ("exchange_ews", "ews_off", ANA, "Exchange Web Services are refused (HTTP 403)."),
            ("exchange_ews", "ews", NOBODY, "the server knows no such mailbox; check `account`"),
            ("google_workspace", "google_undelegated", ANA, "Domain-wide delegation, add its client id"),
            # a domain is what Google has in place of a tenant: it knows its own accounts alone
            ("google_workspace", "google", "ana@elsewhere.example", "Google knows no such account in this"),
            ("google_workspace", "google", NOBODY, "Google knows no such account in this domain; check"),
        ]
        (tmp_path / "terms.csv").write_text("term\nbus\n", "utf-8")
        listed = [
            SOURCE.format(id=f"s{number}", connector=connector, connection=connection, account=account)
            for number, (connector, connection, account, _) in enumerate(cases)
        ]
        (tmp_path / "request.toml").write_text(REQUEST + "".join(listed), "utf-8")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")
        } | {f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in stated.items()}
        home = tmp_path / "home"
        assert daylight(home, "open", tmp_path / "request.toml", env=environment).returncode == 0
        done = daylight(home, "run", "2026-0001", "--local", env=environment)
    assert done.returncode == 4, done.stderr
    (error,) = [line for line in done.stderr.splitlines() if "source s0:" in line]
    said = dict(re.findall(r"source (s\d): (.*?)(?=; source s\d:|$)", error))
    assert sorted(said) == [f"s{number}" for number in range(len(cases))]
    for number, (_, connection, _, message) in enumerate(cases):
        assert said[f"s{number}"].startswith(f"connection {connection}: ")
        assert message in said[f"s{number}"]
    for remedy in ("microsoft_graph", "purview_export", "EwsEnabled"):  # what to do instead
        assert remedy in said["s5"]
    for secret in (CLIENT_SECRET, TENANT, ANA, NOBODY, "PRIVATE KEY", "fake-token"):
        assert secret not in done.stderr
