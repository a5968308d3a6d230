"""Holds at the services: what is asked for, found again, released; what each refusal says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from importlib import resources
from json import loads

import pytest

from connectors.holds import OtherHold, Placed, PurviewHolds, VaultHolds, corpora, hold_service, route_of
from connectors.vault_api import EDISCOVERY
from records.errors import AccessError, Retryable, SettingsError
from records.models import Connection, SourceContext, Window
from tests.connectors.builders import ZONE
from tests.servers.holds import CASE, OTHER_CASE, OTHER_MATTER, PurviewHoldService, VaultHoldService
from tests.servers.oauth import CLIENT_SECRET
from tests.servers.vault import MATTER, new_key
from tests.servers.web import Fault, Served

ACCOUNT = "ana@example.org"
NAME = "daylight-2026-0001-h001"
DAYS = Window(date(2026, 1, 1), date(2026, 6, 30), ZONE)
CONTEXT = SourceContext("s1", "c1", None, ZONE, account=ACCOUNT)


@pytest.fixture(scope="module")
def key() -> str:
    return new_key()


@pytest.fixture
def vault(key: str) -> Iterator[tuple[VaultHoldService, Served, VaultHolds]]:
    service = VaultHoldService()
    with service.serve() as served:
        client = VaultHolds(CONTEXT, service.connection(served, key))
        yield service, served, client
        client.close()


@pytest.fixture
def purview() -> Iterator[tuple[PurviewHoldService, Served, PurviewHolds]]:
    service = PurviewHoldService()
    with service.serve() as served:
        client = PurviewHolds(CONTEXT, service.connection(served))
        yield service, served, client
        client.close()


def test_a_hold_of_vault_covers_the_days_in_every_zone(vault):
    service, _, client = vault
    assert client.find(NAME) is None
    placed = client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert placed == Placed("hold-1", "in_force", "2026-11-30T10:00:00Z")
    assert service.bodies == [
        {
            "name": NAME, "corpus": "MAIL", "accounts": [{"email": ACCOUNT}],
            "query": {"mailQuery": {"startTime": "2025-12-31T00:00:00Z", "endTime": "2026-07-02T00:00:00Z"}},
        }
    ]  # fmt: skip
    assert client.find(NAME) == placed
    assert {claims["scope"] for claims in service.asked} == {EDISCOVERY}  # not those of an export's files


@pytest.mark.parametrize(
    ("corpus", "query"),
    [
        ("DRIVE", {"driveQuery": {"includeSharedDriveFiles": True}}),
        ("HANGOUTS_CHAT", {"hangoutsChatQuery": {"includeRooms": True}}),
        ("MAIL", {"mailQuery": {}}),
    ],
)
def test_what_has_no_days_is_held_whole(vault, corpus, query):
    service, _, client = vault
    client.place(NAME, ACCOUNT, Window(None, None, ZONE), corpus)
    assert service.bodies[0]["query"] == query


def test_what_is_sent_to_vault_is_in_its_discovery_document(vault):
    service, _, client = vault
    for corpus in ("MAIL", "DRIVE", "HANGOUTS_CHAT"):
        client.place(NAME, ACCOUNT, DAYS, corpus)
    file = resources.files("googleapiclient.discovery_cache").joinpath("documents/vault.v1.json")
    schemas = loads(file.read_text("utf-8"))["schemas"]

    def fits(body, schema):
        for name, value in body.items():
            about = schemas[schema]["properties"][name]
            if "enum" in about:
                assert value in about["enum"]
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    fits(one, about.get("$ref") or about["items"]["$ref"])

    for body in service.bodies:
        fits(body, "Hold")


def test_other_holds_on_the_account_are_found_in_open_matters(vault):
    service, _, client = vault
    account = [{"email": ACCOUNT.upper()}]
    service.holds[OTHER_MATTER] = {
        "a": {"holdId": "a", "name": "x", "accounts": [{"email": "other@example.org"}]},
        "b": {"holdId": "b", "name": "x", "accounts": account},
        "c": {"holdId": "c", "name": "x", "orgUnit": {"orgUnitId": "1"}},
        "d": {"holdId": "d", "name": "x", "accounts": account},
    }
    mine = client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert client.others(ACCOUNT, mine.id) == (OtherHold(OTHER_MATTER, "b"), OtherHold(OTHER_MATTER, "d"))
    service.closed.add(OTHER_MATTER)
    assert client.others(ACCOUNT, mine.id) == ()


def test_a_hold_is_found_on_a_later_page(vault):
    _, _, client = vault
    for number in range(5):
        client.place(f"x{number}", ACCOUNT, DAYS, "MAIL")
    assert client.find("x4").id == "hold-5"


def test_a_hold_is_released_once(vault):
    service, _, client = vault
    placed = client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert client.release(placed.id) is True
    assert service.holds[MATTER] == {}
    assert client.release(placed.id) is False  # it is gone: nothing is left to release


def test_a_matter_that_is_not_there_is_no_hold_that_is_gone(vault, key):
    """Both are a 404: the hold may well be in force where this connection looks no more."""
    service, served, client = vault
    placed = client.place(NAME, ACCOUNT, DAYS, "MAIL")
    elsewhere = hold_service(CONTEXT, service.connection(served, key), "nowhere")
    with pytest.raises(AccessError, match="no such matter"):
        elsewhere.release(placed.id)
    elsewhere.close()
    there = hold_service(CONTEXT, service.connection(served, key, hold_matter="nowhere"), MATTER)
    assert (there.container, there.find(NAME)) == (MATTER, placed)
    assert there.release(placed.id) is True
    there.close()


def test_days_at_the_ends_of_the_calendar_are_no_bound(vault):
    service, _, client = vault
    client.place(NAME, ACCOUNT, Window(date.min, date.max, ZONE), "MAIL")
    assert service.bodies[0]["query"] == {"mailQuery": {}}


def test_a_matter_that_was_closed_and_an_account_that_is_not_there(vault):
    service, _, client = vault
    service.closed.add(MATTER)
    with pytest.raises(AccessError, match=r"the matter is closed or deleted; reopen it in Vault"):
        client.place(NAME, ACCOUNT, DAYS, "MAIL")
    service.closed.clear()
    service.unknown.add(ACCOUNT)
    with pytest.raises(AccessError, match="knows no such account; correct `account`") as caught:
        client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert ACCOUNT not in str(caught.value)


def test_no_more_is_asked_to_be_granted_than_holds_need(vault):
    service, _, client = vault
    service.delegated = False
    with pytest.raises(AccessError) as caught:
        client.find(NAME)
    assert f"add its client id with {EDISCOVERY} (unauthorized_client)" in str(caught.value)


@pytest.mark.parametrize("name", ["vault", "purview"])
@pytest.mark.parametrize("kind", ["cut", "500"])
def test_a_fault_while_placing_never_gives_two(request, name, kind):
    """The service placed it and the answer was lost: it is not sent again, and is found by its name."""
    service, served, client = request.getfixturevalue(name)
    client.find(NAME)  # with a token in hand
    where = "POST .*olds"
    served.faults.append(Fault(where, cut_after=5) if kind == "cut" else Fault(where, status=500))
    with pytest.raises(Retryable, match="cut off while a hold was placed; place it again"):
        client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert len(service.bodies) == (1 if kind == "cut" else 0)
    if client.find(NAME) is None:
        client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert len(service.bodies) == 1
    assert client.find(NAME) is not None


def test_what_vault_refuses_says_what_to_do(vault, key):
    service, served, client = vault
    with pytest.raises(AccessError, match=r"takes no such hold; check the account \(badRequest\)"):
        client.place(NAME, "x@elsewhere.net", DAYS, "MAIL")
    service.may_hold = False
    with pytest.raises(AccessError, match="privileges Manage Holds and Manage Matters") as caught:
        client.place(NAME, ACCOUNT, DAYS, "MAIL")
    assert "zanzibar" not in str(caught.value)
    service.may_hold = True
    wrong = VaultHolds(CONTEXT, service.connection(served, key, hold_matter="nowhere"))
    with pytest.raises(AccessError, match="no such matter; check `hold_matter` in extra"):
        wrong.find(NAME)
    wrong.close()


def test_a_hold_of_purview_is_on_all_of_an_account(purview):
    service, _, client = purview
    assert client.find(NAME) is None
    assert client.place(NAME, ACCOUNT, DAYS, "") == Placed("policy-1", "pending", "2026-11-30T10:00:00Z")
    assert service.bodies == [
        {
            "displayName": NAME,
            "userSources@odata.bind": [
                {"@odata.type": "microsoft.graph.security.userSource", "email": ACCOUNT}
            ],
        }
    ]
    service.holds[CASE]["policy-1"]["status"] = "success"
    assert client.find(NAME) == Placed("policy-1", "in_force", "2026-11-30T10:00:00Z")
    service.holds[CASE]["policy-1"]["errors"] = ["x"]
    assert client.find(NAME).state == "error"
    service.holds[CASE]["policy-1"] |= {"errors": [], "isEnabled": False}
    assert client.find(NAME).state == "off"
    assert client.release("policy-1") is True
    assert client.release("policy-1") is False
    assert service.holds[CASE] == {}


def test_a_case_that_is_not_there_is_no_hold_that_is_gone(purview):
    service, served, client = purview
    placed = client.place(NAME, ACCOUNT, DAYS, "")
    elsewhere = hold_service(CONTEXT, service.connection(served), "nowhere")
    with pytest.raises(AccessError, match="no such case"):
        elsewhere.release(placed.id)
    elsewhere.close()
    there = hold_service(CONTEXT, service.connection(served, hold_case="nowhere"), CASE)
    assert there.release(placed.id) is True
    there.close()


def test_other_legal_holds_of_cases_that_are_not_closed(purview):
    service, _, client = purview
    for number in range(3):
        client.place(f"x{number}", ACCOUNT, DAYS, "")
    service.holds[OTHER_CASE]["far"] = {"id": "far", "sources": [{"id": "s1", "email": ACCOUNT.upper()}]}
    service.holds[OTHER_CASE]["else"] = {"id": "else", "sources": [{"id": "s2", "email": "kim@example.org"}]}
    assert client.others(ACCOUNT, "policy-2") == (
        OtherHold(CASE, "policy-1"), OtherHold(CASE, "policy-3"), OtherHold(OTHER_CASE, "far"),
    )  # fmt: skip
    service.cases[OTHER_CASE] = "closed"
    assert client.others(ACCOUNT, "policy-2") == (OtherHold(CASE, "policy-1"), OtherHold(CASE, "policy-3"))


def test_what_purview_refuses_says_what_to_do(purview):
    service, served, client = purview
    wrong = PurviewHolds(CONTEXT, service.connection(served, hold_case="nowhere"))
    with pytest.raises(AccessError, match="no such case; check `hold_case` in extra"):
        wrong.find(NAME)
    wrong.close()
    service.entra.rights.clear()
    with pytest.raises(AccessError) as caught:
        client.place(NAME, ACCOUNT, DAYS, "")
    assert "grant the application `eDiscovery.ReadWrite.All`" in str(caught.value)
    assert "zanzibar" not in str(caught.value)
    assert CLIENT_SECRET not in str(caught.value)


def test_a_connection_says_by_its_extra_whether_it_places_holds():
    assert route_of(Connection("x")) == ""
    assert route_of(Connection("x", extra={"hold_matter": "m"})) == "vault"
    assert route_of(Connection("x", extra={"hold_case": "c"})) == "purview"
    assert corpora(Connection("x", extra={"hold_case": "c"})) == ("",)
    assert corpora(Connection("x", extra={"hold_matter": "m"})) == ("MAIL",)
    both = Connection("x", extra={"hold_matter": "m", "hold_corpora": "MAIL, DRIVE,MAIL"})
    assert corpora(both) == ("MAIL", "DRIVE")
    with pytest.raises(SettingsError, match="hold_corpora: PHOTOS; known: DRIVE, HANGOUTS_CHAT, MAIL"):
        corpora(Connection("x", extra={"hold_matter": "m", "hold_corpora": "PHOTOS"}))
    with pytest.raises(SettingsError, match="places no holds"):
        hold_service(CONTEXT, Connection("x"))
