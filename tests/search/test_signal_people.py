"""Whose address or number it is."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from records.models import Window
from records.roster import read_roster
from search.signal_people import Custodian, Directory, Setting, is_role, words_are_a_name

ZONE = ZoneInfo("America/Los_Angeles")
ROSTER = """kind,name,aliases,emails,numbers
staff,Ann Lee,Annie Lee,ann.lee@falls.example,206-555-0110
staff,Bo Ray,,bo.ray@falls.example,+12065550111
staff,Søren Brandvold,,soren.brandvold@falls.example,
staff,Kim Park,,kim.park@falls.example,
staff,Kim Park,,kim.park2@falls.example,
board,Di Moss,,,
vendor,Ann Vale,,ann.vale@vendor.example,206-555-0120
guardian,Pat Lee,,pat.lee@home.example,206-555-0110
mailbox,Transportation,,transportation@falls.example,
"""
SETTING = Setting(
    (
        Custodian("lee", "Ann Lee", ("Lee",), ("ann.lee@falls.example",), ("+1 206 555 0101",)),
        Custodian("okafor", "Ibe Okafor", (), ("ibe.okafor@falls.example", "ibe77@mail.example"), ()),
    ),
    ("falls.example",),
    read_roster(ROSTER),
    Window(date(2026, 1, 1), date(2026, 6, 30), ZONE),
    ZONE,
)


@pytest.fixture(scope="module")
def people() -> Directory:
    return Directory.of(SETTING)


@pytest.mark.parametrize(
    ("name", "handle", "tied"),
    [
        ("Ann Lee", "nightowl@mail.example", ("c:lee", "name")),
        ("Lee, Ann", "nightowl@mail.example", ("c:lee", "name")),
        ("ANN M. LEE (home)", "nightowl@mail.example", ("c:lee", "name")),
        ("Annie Lee", "nightowl@mail.example", ("c:lee", "name")),  # the roster's alias of a custodian
        ("Ann Lee", "+15095550142", ("c:lee", "name")),
        ("Ann Lee", "a.lee@falls.example", ("c:lee", "name")),  # a second address at the district
        ("", "annlee77@mail.example", ("c:lee", "handle")),
        ("", "lee.ann@mail.example", ("c:lee", "handle")),
        ("", "iokafor@mail.example", ("c:okafor", "handle")),
        ("", "soren.brandvold@mail.example", ("r:3", "handle")),
        ("Bo Ray", "boray1@mail.example", ("r:2", "name")),
        ("Di Moss", "di@mail.example", ("r:6", "name")),
        ("", "alee@mail.example", None),  # too short to be hers
        ("Lee", "lee@mail.example", None),
        ("Kim Park", "kp@mail.example", None),  # two of that name
        ("", "kim.park@mail.example", None),
        ("Di Moss", "di.moss@falls.example", None),  # nobody stated another address of hers: it is hers
        ("Ann Lee", "ann.lee@falls.example", None),  # known
        ("Ann Vale", "vale@mail.example", None),
        ("Pat Lee", "pat.lee@home.example", None),
        ("", "no-reply.annlee@mail.example", None),
        ("", "", None),
        ("null", "+15095550142", None),
    ],
)
def test_to_whom_an_account_is_tied(people, name, handle, tied):
    found = people.tied(name, handle)
    assert (found and (found[0].key, found[1])) == tied


def test_what_the_roster_adds_is_known_of_the_custodian(people):
    person = people.custodian("lee")
    assert person is not None
    assert person.accounts == {"ann.lee@falls.example", "+12065550101", "+12065550110"}
    assert people.known("+12065550110") is person  # staff before the guardian with the same number
    assert people.custodian("nobody") is None


@pytest.mark.parametrize(
    ("name", "handle", "key"),
    [
        ("", "ann.lee@falls.example", "c:lee"),
        ("Ann Lee", "", "c:lee"),
        ("", "+12065550111", "r:2"),
        ("Bo Ray", "bo@elsewhere.example", "r:2"),
        ("Pat Lee", "pat.lee@home.example", None),
        ("Ann Lee", "ann.vale@vendor.example", None),
        ("", "transportation@falls.example", None),
        ("A stranger", "x@y.example", None),
        ("", "", None),
    ],
)
def test_who_writes(people, name, handle, key):
    found = people.author(name, handle)
    assert (found and found.key) == key


def test_the_district_is_its_domains_and_those_below(people):
    assert people.district("x@falls.example")
    assert people.district("x@mail.falls.example")
    assert not people.district("x@notfalls.example")
    assert not people.district("falls.example")


@pytest.mark.parametrize(
    ("address", "role", "name"),
    [
        ("office@f.example", True, True),
        ("cfms-office@f.example", True, True),
        ("front_office2@f.example", True, True),
        ("transportation.dept@f.example", True, True),
        ("ann.lee@f.example", False, True),
        ("officer@f.example", False, True),
        ("all-staff@f.example", False, False),
        ("office.staff@f.example", False, False),
        ("no-reply@f.example", False, False),
        ("noreply-transportation@f.example", False, False),
        ("mailer-daemon@f.example", False, False),
    ],
)
def test_the_words_of_an_address(address, role, name):
    assert (is_role(address), words_are_a_name(address)) == (role, name)
