"""Connections: from the environment as JSON, else from Airflow; what they hold is never shown."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

from connectors.connection_keys import KEYS
from connectors.export_files import PackageConnector
from connectors.registry import CONNECTORS
from connectors.service import ServiceConnector
from desk.connections import connection, connection_of
from desk.request import Source
from records.errors import SettingsError
from records.models import Connection

STATED = {
    "conn_type": "generic", "host": "mail.example.org", "schema": "https", "port": 8443, "login": "app",
    "password": "swordfish", "extra": {"tenant": "t1", "scopes": ["a", "b"]},
}  # fmt: skip


def test_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(STATED))
    assert connection("district") == Connection(
        "district",
        "https://mail.example.org:8443",
        "app",
        "swordfish",
        {"tenant": "t1", "scopes": '["a", "b"]'},
    )


def test_extra_may_be_text_of_json(monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps({"extra": '{"tenant": "t1"}'}))
    assert connection("district") == Connection("district", extra={"tenant": "t1"})


def test_a_representation_holds_no_secret(monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps({**STATED, "extra": {"key": "swordfish"}}))
    assert "swordfish" not in repr(connection("district"))


@pytest.mark.parametrize(
    ("stated", "problem"),
    [
        ('{"password": swordfish', "AIRFLOW_CONN_DISTRICT is not valid JSON"),
        ('{"extra": "swordfish"}', "`extra` in AIRFLOW_CONN_DISTRICT is not valid JSON"),
        (
            '\'{"password": "swordfish"}\'',
            "AIRFLOW_CONN_DISTRICT begins with a quote; let it begin with the brace",
        ),
        ('{"extra": ["swordfish"]}', "`extra` in AIRFLOW_CONN_DISTRICT is no JSON object"),
    ],
)
def test_what_cannot_be_read_is_named_without_its_content(monkeypatch, stated: str, problem: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", stated)
    source = Source(id="s1", connector="imap", custodian="c1", connection="district")
    with pytest.raises(SettingsError) as caught:
        connection_of(source)
    assert str(caught.value) == f"source s1: connection district: {problem}"


def test_without_airflow_the_environment_is_all_there_is(monkeypatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "airflow" else find(name))
    with pytest.raises(
        SettingsError, match=r"^connection district is not defined; set AIRFLOW_CONN_DISTRICT to"
    ):
        connection("district")
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", "http://app:swordfish@example.org")
    with pytest.raises(
        SettingsError, match=r"^connection district is no JSON, which is what is read without"
    ):
        connection("district")


def test_a_key_that_nothing_reads_is_refused_by_its_name_and_not_shown(monkeypatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_DISTRICT", json.dumps({"extra": {"tennant": "swordfish", "auth": "plain"}})
    )
    source = Source(id="s1", connector="imap", custodian="c1", connection="district")
    with pytest.raises(SettingsError) as caught:
        connection_of(source)
    assert str(caught.value) == (
        "source s1: connection district: extra: tennant not known; known for imap: auth, ca_file, mailbox, "
        "patience_s, refresh_token, scope, security, token_url"
    )


def test_every_key_is_read_by_some_connector_and_stands_on_a_page() -> None:
    root = Path(__file__).parents[2]
    code = [path.read_text() for path in (root / "connectors").glob("*.py") if path.stem != "connection_keys"]
    pages = "\n".join(path.read_text() for path in (root / "docs").rglob("*.md"))
    known = frozenset.union(*KEYS.values())
    assert {key for key in known if not any(f'"{key}"' in text for text in code)} == set()
    assert {key for key in known if key not in pages} == set()
    asked = re.compile(
        r"""(?:extra\.get\(|extra\[|_setting\(|_number\(|seconds\(connection, )"([a-z_0-9]+)\""""
    )
    assert {name for text in code for name in asked.findall(text)} <= known


def test_connectors_that_take_a_connection_have_their_keys() -> None:
    services = {name for name, kind in CONNECTORS.items() if issubclass(kind, ServiceConnector)}
    fetched = {
        name
        for name, kind in CONNECTORS.items()
        if issubclass(kind, PackageConnector) and kind.needed and "with `connection`" in str(kind.options)
    }
    assert set(KEYS) == services | fetched


def test_a_source_of_files_has_none() -> None:
    assert connection_of(Source(id="s1", connector="mail_files", custodian="c1", path="x")) is None
