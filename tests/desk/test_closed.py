"""A closed request stays as it was closed."""

from __future__ import annotations

import pytest

from desk.bundle import draft
from desk.home import Home
from desk.register import enter, entered_alike
from desk.request import parse_request
from desk.reviewing import decide
from desk.searching import hit_report
from records import tables as t
from records.errors import UsageError
from records.settings import Settings

BODY = {
    "text": "x",
    "received_on": "2026-09-08",
    "terms": "",
    "custodians": [{"id": "a", "name": "A"}],
    "sources": [{"id": "s", "connector": "loose_files", "custodian": "a", "path": "/nowhere"}],
}


@pytest.fixture
def home(tmp_path):
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    enter(opened, parse_request(BODY, "test"), "", by="pro")
    with opened.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    yield opened
    opened.close()


def test_it_takes_no_other_term_list(home, tmp_path):
    listed = tmp_path / "terms.csv"
    listed.write_text("term\nbus\n", "utf-8")
    with pytest.raises(UsageError, match="is closed; its term list no longer changes"):
        hit_report(home, "2026-0001", listed, None, by="pro", adopt=True)
    assert home.request("2026-0001").version == 1


def test_its_hit_report_is_the_one_it_was_closed_with(home, tmp_path):
    with pytest.raises(UsageError, match="is closed, and its terms were never counted"):
        hit_report(home, "2026-0001", None, None, by="pro")
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="complete"))
        connection.execute(t.request_versions.update().values(terms_csv="term\nbus\n"))
    before = hit_report(home, "2026-0001", None, None, by="pro")
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="closed"))
    after = hit_report(home, "2026-0001", None, tmp_path / "hits.csv", by="pro")
    assert after == before
    assert after["at"] == before["at"]
    assert (tmp_path / "hits.csv").is_file()


def test_it_takes_no_decisions(home, tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("item_id\n", "utf-8")
    with pytest.raises(UsageError, match="is closed; its decisions no longer change"):
        decide(home, "2026-0001", sheet, by="pro")


def test_no_further_instalment_is_made_of_it(home):
    with pytest.raises(UsageError, match="is closed; no further instalment of it is made"):
        draft(home, "2026-0001")
    assert not (home.bundles("2026-0001") / "draft").exists()


def test_a_request_entered_twice_is_told_unless_the_first_is_closed(home):
    again = enter(home, parse_request(BODY, "test"), "", by="pro")
    assert (again, entered_alike(home, again)) == ("2026-0002", [])
    third = enter(home, parse_request(BODY, "test"), "", by="pro")
    assert (third, entered_alike(home, third)) == ("2026-0003", ["2026-0002"])
    other = enter(home, parse_request(BODY, "test"), "term\nbus\n", by="pro")
    assert (other, entered_alike(home, other)) == ("2026-0004", [])
