"""A reason for going on with an unbalanced ledger covers the figures it was given for, and no others."""

from __future__ import annotations

import pytest

from desk.bundle import accept_unbalanced, waiver
from desk.home import Home
from desk.register import enter
from desk.request import parse_request
from records import audit
from records import tables as t
from records.errors import UsageError
from records.settings import Settings
from tests.desk.test_closed import BODY

REQUEST = "2026-0001"
PLACE = {
    "request_id": REQUEST, "source_id": "s", "scope_key": "all", "custodian_id": "a",
    "connector": "loose_files", "label": "", "kind": "folder", "expected": 3, "expected_by": "folder walk",
}  # fmt: skip


@pytest.fixture
def home(tmp_path):
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    enter(opened, parse_request(BODY, "test"), "", by="pro")
    yield opened
    opened.close()


def place(home, **changed):
    with home.catalogue.write() as connection:
        connection.execute(t.scopes.delete())
        connection.execute(t.scopes.insert(), PLACE | changed)


def test_it_covers_what_it_was_given_for(home):
    assert waiver(home, REQUEST) == ""
    accept_unbalanced(home, REQUEST, by="pro", why="the folder is gone")
    assert waiver(home, REQUEST) == "the folder is gone"
    place(home)  # now it is listed, and three files are missing: another matter
    assert waiver(home, REQUEST) == ""
    accept_unbalanced(home, REQUEST, by="pro", why="three files were lost before the request")
    assert waiver(home, REQUEST) == "three files were lost before the request"
    place(home, expected=4)
    assert waiver(home, REQUEST) == ""
    place(home)
    assert waiver(home, REQUEST) == "three files were lost before the request"
    assert audit.verify(home.catalogue).seq == 4  # frozen, opened, accepted twice


def test_there_must_be_a_reason_and_something_to_accept(home):
    with pytest.raises(UsageError, match="say why"):
        accept_unbalanced(home, REQUEST, by="pro", why=" ")
    place(home, expected=0)
    with pytest.raises(UsageError, match="balances; there is nothing to accept"):
        accept_unbalanced(home, REQUEST, by="pro", why="no reason")
