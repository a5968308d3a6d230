"""The doctor and the connections of open requests: each is asked, and no secret is in what it says."""

from __future__ import annotations

import json

import pytest

from desk.doctor import checks
from records import tables as t
from records.errors import AccessError
from tests.desk import fake_mailbox as fake

SECRET = "swordfish"


@pytest.fixture
def service(monkeypatch):
    # what the machine itself is like is checked elsewhere, and takes seconds
    monkeypatch.setattr("desk.doctor._text", lambda: "text")
    return fake.register(monkeypatch)


def connections(home):
    found = checks(home.settings)
    assert SECRET not in json.dumps(found)
    return [one for one in found if one["check"].startswith("connection ")]


def test_each_connection_of_an_open_request_is_asked(service, tmp_path):
    service.rights = (frozenset({"Mail.Read"}), frozenset({"Mail.Read"}))
    home, _ = fake.opened_home(tmp_path, "lee", "okafor")
    assert connections(home) == [
        {"check": "connection district", "ok": True, "found": "2 sources answered", "do": ""}
    ]
    assert service.opened == []
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    assert connections(home) == []
    home.close()


def test_what_is_missing_is_said_by_source(service, tmp_path):
    service.rights = (frozenset({"Mail.Read"}), frozenset({"Mail.Read"}))
    service.refuses = {
        "okafor@falls.example": AccessError("source okafor-mail: no such mailbox; correct `account`"),
        "ruiz@falls.example": ValueError(SECRET),
    }
    home, _ = fake.opened_home(tmp_path, "lee", "okafor", "ruiz")
    (one,) = connections(home)
    assert one["ok"] is False
    assert one["found"] == (
        "source okafor-mail: no such mailbox; correct `account`; source ruiz-mail: ValueError"
    )
    assert "how to grant" in one["do"]
    home.close()


def test_rights_that_are_more_than_needed_are_named(service, tmp_path):
    service.rights = (
        frozenset({"Mail.Read", "Calendars.Read"}),
        frozenset({"Mail.Read", "Mail.ReadWrite", "Files.Read.All"}),
    )  # fmt: skip
    home, _ = fake.opened_home(tmp_path, "lee", "okafor")
    (one,) = connections(home)
    assert (one["ok"], one["found"]) == (
        True,
        "2 sources answered; more than needed: Files.Read.All, Mail.ReadWrite; not granted: Calendars.Read",
    )
    home.close()


def test_a_connection_that_is_not_defined_is_a_finding(service, tmp_path, monkeypatch):
    home, _ = fake.opened_home(tmp_path, "lee")
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", f'{{"password": {SECRET}')
    (one,) = connections(home)
    assert one["ok"] is False
    assert one["found"] == "source lee-mail: connection district: AIRFLOW_CONN_DISTRICT is not valid JSON"
    home.close()


def test_a_connection_that_places_holds_is_asked_for_them_too(service, tmp_path, monkeypatch):
    class Refusing:
        def find(self, name):
            raise AccessError("source lee-mail: connection district: refused; give Manage Holds")

        def close(self):
            closed.append(True)

    closed = []
    service.rights = (frozenset(), frozenset())
    monkeypatch.setattr("desk.doctor.hold_service", lambda context, connection: Refusing())
    extra = {"hold_matter": "m", "hold_corpora": "PHOTOS"}
    stated = {"password": SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(stated))
    home, _ = fake.opened_home(tmp_path, "lee")
    (one,) = connections(home)
    assert one["found"] == ("connection district: hold_corpora: PHOTOS; known: DRIVE, HANGOUTS_CHAT, MAIL")
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(stated | {"extra": {"hold_matter": "m"}}))
    (one,) = connections(home)
    assert (one["ok"], closed) == (False, [True])
    assert one["found"] == "source lee-mail: connection district: refused; give Manage Holds"
    home.close()


def test_a_package_that_is_not_fetched_yet_is_no_finding(service, tmp_path, monkeypatch):
    """Its export service is asked instead; here it answers, and knows of no export."""
    asked = []
    monkeypatch.setattr("desk.doctor.prove_access", lambda found, source: asked.append(source.id))
    more = (
        '[[sources]]\nid = "v"\nconnector = "vault_export"\ncustodian = "lee"\nconnection = "district"\n'
        'options = { matter = "m" }\n'
    )
    home, _ = fake.opened_home(tmp_path, "lee!", more=more)
    (one,) = connections(home)
    assert (one["ok"], one["found"], asked) == (True, "1 sources answered", ["v"])
    home.close()
