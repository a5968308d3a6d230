"""The roster: who and what the district is."""

from __future__ import annotations

import pytest

from records.errors import SettingsError
from records.roster import RosterKind, RosterLine, read_roster


def test_lines_with_and_without_the_rest():
    text = (
        "kind,name,aliases,emails,numbers,note\r\n"
        'Staff,"Ann Lee","Annie; Ms. Lee",ann.lee@falls.example,+12065550111; 206-555-0112,x\r\n'
        "\r\n"
        "school,Cedar Falls Middle School,CFMS\r\n"
        "programme,Running Start\r\n"
    )
    assert read_roster(text) == (
        RosterLine(
            RosterKind.STAFF, "Ann Lee", ("Annie", "Ms. Lee"), ("ann.lee@falls.example",),
            ("+12065550111", "206-555-0112"),
        ),
        RosterLine(RosterKind.SCHOOL, "Cedar Falls Middle School", ("CFMS",)),
        RosterLine(RosterKind.PROGRAMME, "Running Start"),
    )  # fmt: skip


def test_no_roster_is_an_empty_one():
    assert read_roster("") == read_roster(" \n") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name\nAnn Lee\n", "roster: the first line lacks the column kind"),
        ("a,b\n", "roster: the first line lacks the column kind and name"),
        (
            "kind,name\npupil,Secret Name\nstaff,\n",
            "roster: line 2: kind is not one of staff, student, guardian, school, office, programme, vendor, "
            "board, counsel, mailbox; line 3: no name",
        ),
    ],
)
def test_what_is_wrong_is_named_by_line_and_not_shown(text, problem):
    with pytest.raises(SettingsError) as caught:
        read_roster(text)
    assert str(caught.value) == problem
