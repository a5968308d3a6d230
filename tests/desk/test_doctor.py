"""The doctor and the connections of open requests: each is asked, and no secret is in what it says."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette

from connectors.google_gmail import READ
from connectors.microsoft_graph import MicrosoftGraph
from desk.doctor import checks
from desk.holds import PLACED, add_event, holds
from records import tables as t
from records.errors import AccessError
from tests.desk import fake_mailbox as fake
from tests.servers.google import Workspace
from tests.servers.graph import Graph, connection_fields
from tests.servers.oauth import CLIENT, CLIENT_SECRET, TENANT, Entra
from tests.servers.web import Served

AUTH = "https://www.googleapis.com/auth/"
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


def stated(connection, **extra):
    """Return a connection as the environment states it."""
    return json.dumps({
        "host": connection.host, "login": connection.login, "password": connection.secret,
        "extra": dict(connection.extra) | extra,
    })  # fmt: skip


SOURCE = """
[[sources]]
id = "{id}"
connector = "{connector}"
custodian = "lee"
connection = "{connection}"
account = "{account}"
places = [{places}]
"""


def sources(account, connector, connection, **places):
    return "".join(
        SOURCE.format(
            id=name, connector=connector, connection=connection, account=account,
            places=", ".join(f'"{place}"' for place in listed),
        )
        for name, listed in places.items()
    )  # fmt: skip


@pytest.fixture
def entra():
    """Entra alone, in the place of Graph too: whether the services answer is tested elsewhere."""
    made = Entra(rights={"Mail.Read"})
    with Served(Starlette(routes=made.routes())) as served:
        yield made, {"host": served.url, "login": CLIENT, "password": CLIENT_SECRET,
                     "extra": {"tenant": TENANT, "authority": served.url}}  # fmt: skip


@pytest.mark.parametrize(
    ("rights", "extra", "found"),
    [
        ({"Mail.Read"}, {}, ""),  # Calendars.Read may be given in Exchange; a token would not tell
        ({"Mail.Read", "Calendars.Read"}, {}, ""),  # each by one source of the two
        (
            {"Mail.Read", "Mail.ReadWrite", "Files.Read.All"},
            {},
            "; more than needed: Files.Read.All, Mail.ReadWrite",
        ),
        ({"Mail.Read", "eDiscovery.ReadWrite.All"}, {}, "; more than needed: eDiscovery.ReadWrite.All"),
        ({"Mail.Read", "eDiscovery.ReadWrite.All"}, {"hold_case": "c"}, ""),
    ],
)
def test_permissions_of_microsoft_that_no_source_needs(
    service, entra, tmp_path, monkeypatch, rights, extra, found
):
    made, connection = entra
    made.rights = rights
    monkeypatch.setattr(MicrosoftGraph, "check", lambda self: None)
    monkeypatch.setattr("desk.doctor.hold_service", lambda context, connection: Agreeing())
    connection["extra"] |= extra
    monkeypatch.setenv("AIRFLOW_CONN_MICROSOFT", json.dumps(connection))
    more = sources("a@b.example", "microsoft_graph", "microsoft", s1=["mail"], s2=["mail", "calendar"])
    home, _ = fake.opened_home(tmp_path, "lee!", more=more)
    (one,) = connections(home)
    assert (one["ok"], one["found"]) == (True, f"2 sources answered{found}")
    home.close()


def test_a_place_that_is_refused_and_that_nobody_named_is_told(service, tmp_path, monkeypatch):
    tenant = Graph()
    tenant.store.mailbox("a@b.example").folder("Inbox", role="inbox")
    tenant.entra.rights = {"Mail.Read"}
    with Served(tenant.app()) as served:
        monkeypatch.setenv("AIRFLOW_CONN_MICROSOFT", json.dumps(connection_fields(served.url)))
        more = sources("a@b.example", "microsoft_graph", "microsoft", s1=[])
        home, _ = fake.opened_home(tmp_path, "lee!", more=more)
        (one,) = connections(home)
        home.close()
    said = one["found"].split("; source s1: ")
    assert (one["ok"], said[0]) == (True, "1 sources answered")
    assert [sentence.partition(" is refused, ")[0] for sentence in said[1:]] == [
        "recoverable", "calendar", "teams_chats", "teams_retained", "teams_channels", "files",
    ]  # fmt: skip
    assert said[2].startswith(
        "calendar is refused, ErrorAccessDenied: refused; grant the application `Calendars."
    )


class Agreeing:
    def find(self, name):
        return None

    def close(self):
        pass


def test_scopes_of_google_that_no_source_needs(service, tmp_path, monkeypatch):
    google = Workspace()
    google.account("a@b.example")
    with google.serve() as served:
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", stated(google.connection(served, patience_s="5")))
        more = sources("a@b.example", "google_workspace", "google", s1=["mail"])
        home, _ = fake.opened_home(tmp_path, "lee!", more=more)
        google.delegated = {READ}
        assert connections(home)[0]["found"] == "1 sources answered"
        google.delegated = {READ, f"{AUTH}drive", "https://mail.google.com/"}
        assert connections(home)[0]["found"] == (
            f"1 sources answered; more than needed: https://mail.google.com/, {AUTH}drive"
        )
    home.close()


def test_holds_of_a_closed_request_that_still_stand_are_asked_for(service, tmp_path, monkeypatch):
    asked = []

    class Vault(Agreeing):
        def find(self, name):
            asked.append(name)

    monkeypatch.setattr("desk.doctor.hold_service", lambda context, connection: Vault())
    connection = {"password": SECRET, "extra": {"hold_matter": "m"}}
    monkeypatch.setenv("AIRFLOW_CONN_DISTRICT", json.dumps(connection))
    home, request_id = fake.opened_home(tmp_path, "lee", "okafor")
    (held, *_) = holds(home, request_id)
    with home.catalogue.write() as writing:
        writing.execute(t.requests.update().values(state="closed"))
        proof = {"service_id": "v1"}
        add_event(writing, held, PLACED, proof, by="pro", why="")
    service.refuses = {"lee@falls.example": AccessError("it is not collected from any more")}
    (one,) = connections(home)
    assert (one["ok"], one["found"], asked) == (True, "1 sources answered", ["daylight-doctor"])
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
