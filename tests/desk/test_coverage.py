"""The coverage: each place is in one state, with both counts; what was not read makes a run partial."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from desk.books import books
from desk.coverage import Cover, coverage
from desk.run import plan
from desk.status import status
from records.errors import AccessError, ItemError, Retryable
from records.models import Unreached
from records.vocabulary import Reach, Reason
from tests.desk import fake_mailbox as fake


@pytest.fixture
def service(monkeypatch):
    return fake.register(monkeypatch)


def rows(home, request_id):
    """Return every place as (custodian, source, place, state, found, expected, by, detail)."""
    return [
        (p.custodian, p.source, p.place, str(p.state), p.found, p.expected, p.expected_by, p.detail)
        for p in coverage(home, request_id, books(home, request_id)).places
    ]


def test_every_place_of_every_custodian_is_in_one_state(service, tmp_path):
    service.folders["lee@falls.example"] = {
        "inbox": fake.messages(3), "archive": [], "sent": fake.messages(2, prefix="s"),
        "teams": fake.messages(4, prefix="t"), "notes": fake.messages(2, prefix="n"),
    }  # fmt: skip
    service.totals = {"sent": 5, "teams": None}
    service.broken = {
        "teams": (1, ItemError(Reason.TRUNCATED, "broke_off")),
        "notes": (0, ItemError(Reason.REFUSED_BY_SOURCE, "http_403")),
    }
    service.unreached["lee@falls.example"] = [
        Unreached("online-archive", "Archive mailbox", "mailbox", Reach.NOT_BY_THIS_ROUTE, "archive_mailbox"),
        Unreached("public", "Public folders", "folder", Reach.NOT_ASKED, ""),
        Unreached("shared", "Shared mailbox", "mailbox", Reach.REFUSED, "http_403"),
    ]
    service.folders["okafor@falls.example"] = {"inbox": fake.messages(1)}
    home, request_id = fake.opened_home(tmp_path, "lee", "okafor", "ruiz!")
    before = coverage(home, request_id, books(home, request_id))
    assert before.states == {"not_yet": 2, "not_asked": 1}
    assert before.not_read == 0
    ended = fake.run(home, request_id)
    assert rows(home, request_id) == [
        ("lee", "lee-mail", "archive", "empty", 0, 0, "folder total", ""),
        ("lee", "lee-mail", "inbox", "searched", 3, 3, "folder total", ""),
        ("lee", "lee-mail", "notes", "refused", 0, 2, "folder total", "refused_by_source: http_403"),
        ("lee", "lee-mail", "online-archive", "not_by_this_route", 0, None, "unknown", "archive_mailbox"),
        ("lee", "lee-mail", "public", "not_asked", 0, None, "unknown", ""),
        ("lee", "lee-mail", "sent", "in_part", 2, 5, "folder total", "fewer_than_expected"),
        ("lee", "lee-mail", "shared", "refused", 0, None, "unknown", "http_403"),
        ("lee", "lee-mail", "teams", "in_part", 1, None, "unknown", "truncated: broke_off"),
        ("okafor", "okafor-mail", "inbox", "searched", 1, 1, "folder total", ""),
        ("ruiz", "", "", "not_asked", 0, None, "unknown", "no_source"),
    ]  # fmt: skip
    assert ended["outcome"] == "partial: 5 places not read"
    shown = status(home, request_id)
    assert shown["run"]["outcome"] == "partial: 5 places not read"
    assert shown["coverage"]["not_read"] == 5
    assert shown["coverage"]["states"] == {
        "empty": 1, "in_part": 2, "not_asked": 2, "not_by_this_route": 1, "refused": 2, "searched": 2,
    }  # fmt: skip
    assert len(shown["coverage"]["places"]) == 10
    home.close()


def test_a_run_that_read_everything_is_not_partial(service, tmp_path):
    service.folders["lee@falls.example"] = {"inbox": fake.messages(2)}
    service.unreached["lee@falls.example"] = [Unreached("public", "x", "folder", Reach.NOT_ASKED)]
    home, request_id = fake.opened_home(tmp_path, "lee")
    assert fake.run(home, request_id) == {"outcome": "complete", "balanced": True, "places_not_read": 0}
    home.close()


def test_items_that_failed_and_places_that_were_not_read_are_both_said(service, tmp_path):
    service.folders["lee@falls.example"] = {"inbox": fake.messages(2)}
    service.folders["lee@falls.example"]["inbox"][1].gone = True
    service.unreached["lee@falls.example"] = [Unreached("a", "x", "mailbox", Reach.REFUSED, "http_403")]
    home, request_id = fake.opened_home(tmp_path, "lee")
    assert fake.run(home, request_id)["outcome"] == "partial: 1 place not read, 1 exceptions"
    home.close()


def test_a_source_that_refuses_stops_the_run_after_all_were_asked(service, tmp_path):
    service.folders["ruiz@falls.example"] = {"inbox": fake.messages(2)}
    service.refuses = {
        "lee@falls.example": Retryable("source lee-mail: the service is busy"),
        "okafor@falls.example": AccessError("source okafor-mail: no such mailbox; correct `account`"),
    }
    home, request_id = fake.opened_home(tmp_path, "lee", "okafor", "ruiz")
    with pytest.raises(AccessError) as caught:
        plan(home, request_id, "local-test")
    assert str(caught.value) == (
        "source okafor-mail: no such mailbox; correct `account`; source lee-mail: the service is busy"
    )
    assert [(row[1], row[2], row[3], row[7]) for row in rows(home, request_id)] == [
        ("lee-mail", "", "not_answered", "source lee-mail: the service is busy"),
        ("okafor-mail", "", "refused", "source okafor-mail: no such mailbox; correct `account`"),
        ("ruiz-mail", "inbox", "not_yet", ""),
    ]
    service.refuses.clear()
    service.folders["okafor@falls.example"] = {}
    service.folders["lee@falls.example"] = {"inbox": []}
    plan(home, request_id, "local-test")
    assert [(row[1], row[2], row[3]) for row in rows(home, request_id)] == [
        ("lee-mail", "inbox", "not_yet"), ("okafor-mail", "", "empty"), ("ruiz-mail", "inbox", "not_yet"),
    ]  # fmt: skip
    home.close()


def test_every_state_is_documented():
    page = (Path(__file__).parents[2] / "docs/coverage.md").read_text("utf-8")
    table = page.split("\n## States\n", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [str(state) for state in Cover]
