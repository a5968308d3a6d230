"""The rules on texting: a truth table of words, students and guardians, apps; and files that are no rules."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from records.errors import SettingsError
from records.roster import read_roster
from review import policy
from review.policy import Look, Mark, Message, Policy, Unit, read_policy, students

SHIPPED = policy.FILE.read_text("utf-8")
RULES = read_policy(SHIPPED, "policy.toml")

TABLE = [
    # substantive business: decisions on contracts and money, staff, a student's programme, the board
    ("I approved the purchase order for the new buses", {"substantive-business"}),
    ("Please sign their contract today", {"substantive-business"}),
    ("Board will award the\nbus bid on Monday", {"substantive-business"}),
    ("we authorised a change order", {"substantive-business"}),
    ("She goes on administrative leave from today", {"substantive-business"}),
    ("The letter of reprimand is ready", {"substantive-business"}),
    ("We offered her the position", {"substantive-business"}),
    ("His formal complaint came in", {"substantive-business"}),
    ("IEP team decided on a change of placement", {"substantive-business"}),
    ("suspend him for three days", {"substantive-business"}),
    ("I will vote no on the consent agenda", {"substantive-business"}),
    ("I seconded the motion", {"substantive-business"}),
    ("Bus 4 is ten minutes late", set()),
    ("Please sign the permission slip", set()),
    ("Can you approve my time sheet?", set()),
    ("The budget meeting moved to 3", set()),
    ("Sign in at the front office, the contract is at my desk", set()),
    ("practice is suspended for lightning", set()),
    ("fire drill at ten", set()),
    ("The motion sensor light is out", set()),
    ("New placement of the cones at the bus loop", set()),
    ("I put in a complaint about the coffee", set()),
    # a campaign
    ("Vote yes on the levy!", {"political-use"}),
    ("remember to vote for the school bond", {"political-use"}),
    ("Pick up campaign signs at my house", {"political-use"}),
    ("Please donate to her campaign", {"political-use"}),
    ("Re-elect Delgado", {"political-use"}),
    ("She endorsed Kim for school board", {"political-use"}),
    ("phone banking tonight", {"political-use"}),
    ("The levy passed last night", set()),
    ("Vote for class president in room 4", set()),
    ("The kindness campaign starts Monday", set()),
    ("I vote for pizza", set()),
    ("He was elected captain", set()),
    ("Precinct 4 deputies are at the gate", set()),
    # private business
    ("I'm selling my car, ask me", {"commercial-use"}),
    ("I’m selling a kayak", {"commercial-use"}),
    ("Look at my Etsy shop", {"commercial-use"}),
    ("my tutoring business has room for two", {"commercial-use"}),
    ("you can order them through my website", {"commercial-use"}),
    ("Use my promo code at checkout", {"commercial-use"}),
    ("The band is selling cookies on Friday", set()),
    ("I'm selling my raffle share", set()),
    ("I am selling a ticket to the play", set()),
    ("Is the shop class open?", set()),
    ("my business class meets at 2", set()),
    ("Venmo me for lunch", set()),
    # passwords: what follows has a digit or a sign inside, or stands in quotes
    ("password: Falcons#1", {"password"}),
    ("the password is bluefin7", {"password"}),
    ("Password for the wifi is Otter22.", {"password"}),
    ('the passcode is "bluefin"', {"password"}),
    ("PIN = 4471", {"password"}),
    ("pin number is 4471", {"password"}),
    ("pw: Tr!ckster ok?", {"password"}),
    ("pwd:\nhunter2hunter2", {"password"}),
    ("Password was: abcd1234", {"password"}),
    ("my password is wrong", set()),
    ("Password is expired!", set()),
    ("password: see the third drawer", set()),
    ("the password is bluefin", set()),  # missed: an ordinary word without quotes
    ("Reset your password: https://sso.falls.example/reset/1", set()),
    ("Passwords are 12 characters long", set()),
    ("pin is 12", set()),
    ("spin: 4471x", set()),
    ("pin it to board 4471", set()),
    # two at once, none
    ("Sign the contract, the password is Otter22", {"substantive-business", "password"}),
    ("", set()),
]


def message(text: str = "", **given: object) -> Message:
    made = Message("i1", "s1", "lee", "twilio", "", "c1", frozenset(), "2026-03-02T18:00:00.000000Z", text)
    return replace(made, **given)  # type: ignore[arg-type]  # the fields of a message


def marks(*messages: Message, rules: Policy = RULES, roster: str = "") -> list[Mark]:
    look = Look(rules, students(read_roster(roster), str))
    for one in messages:
        look.add(one)
    return look.marks()


@pytest.mark.parametrize(("text", "rules"), TABLE, ids=range(len(TABLE)))
def test_the_truth_table_of_words(text, rules):
    found = marks(message(text))
    assert {one.rule for one in found} == rules
    assert all((one.unit, one.unit_key, one.messages) == (Unit.MESSAGE, "i1", 1) for one in found)


def test_every_rule_by_words_has_hits_and_every_hit_passes_its_triggers():
    """A trigger that is missing would hide a pattern: without triggers the table says the same."""
    bare = RULES.model_copy(
        update={"rules": tuple(one.model_copy(update={"triggers": ()}) for one in RULES.rules)}
    )
    for text, rules in TABLE:
        assert {one.rule for one in marks(message(text), rules=bare)} == rules
    hit = set().union(*(rules for _, rules in TABLE))
    assert hit == {one.id for one in RULES.rules if one.how == "words"}


def test_places_are_those_of_the_text_as_it_stands():
    text = "Gate.\nThe password is Otter22, ok"
    (found,) = marks(message(text))
    assert [text[first:end] for first, end in found.places] == ["password is Otter22,"]
    (many,) = marks(message("PIN: 4471 " * 50))
    assert len(many.places) == policy.MOST_PLACES


def test_signs_of_an_exception_only_remind():
    (found,) = marks(message("Lockdown. Sign the contract for the guard, it is about safety"))
    assert (found.rule, found.signs) == ("substantive-business", ("emergency", "safety"))
    (other,) = marks(message("Emergency: the password is Otter22"))
    assert (other.rule, other.signs) == ("password", ())  # a rule that names no exception has none


def test_hostile_texts_take_no_time():
    started = time.process_time()
    for text in (
        "sign the " * 10_000,
        "password " * 10_000,
        "a" * 80_000,
        "i'm selling my " * 5_000,
        "=" * 80_000,
    ):
        marks(message(text))
    assert time.process_time() - started < 3


# -- students


ROSTER = """kind,name,aliases,emails,numbers,guardian_of
student,Mia Cole,M. Cole,mia@students.example,+12065550111,
student,Jon Park,,,+12065550112,
student,No Phone,,,,
guardian,Eve Cole,,,+12065550121,mia cole
guardian,Al Park,,al@mail.example,,Jon Park
staff,Ann Lee,,,+12065550101,
"""
LEE, MIA, JON, EVE, AL = "+12065550101", "+12065550111", "+12065550112", "+12065550121", "al@mail.example"


@pytest.mark.parametrize(
    ("people", "marked"),
    [
        ((LEE, MIA), True),
        ((LEE, MIA, EVE), False),
        ((LEE, "mia@students.example"), True),
        ((LEE, MIA, AL), True),  # somebody else's guardian
        ((LEE, MIA, JON, EVE), True),  # one of two without theirs
        ((LEE, MIA, JON, EVE, AL), False),
        ((LEE, EVE), False),
        ((LEE, "+12065550199"), False),
        ((), False),
    ],
)
def test_a_student_without_a_guardian(people, marked):
    found = marks(message("see you at four", people=frozenset(people)), roster=ROSTER)
    assert [one.rule for one in found] == (["student-without-guardian"] if marked else [])


def test_a_guardian_anywhere_in_the_conversation_is_copied():
    """A service may name only the writer of each message: the conversation says who takes part."""
    at = [
        message("one", item_id="i3", people=frozenset({MIA}), at="2026-03-02T18:00:03.000000Z"),
        message("two", item_id="i2", people=frozenset({LEE}), at="2026-03-02T18:00:02.000000Z"),
        message("dad will kill me, I ran away", item_id="i1", people=frozenset({LEE}), at=""),
    ]
    (found,) = marks(*at, roster=ROSTER)
    assert (found.unit, found.item_id, found.messages) == (Unit.CONVERSATION, "i2", 3)
    assert found.signs == ("guardian-jeopardizes-safety",)
    assert re.fullmatch("[0-9a-f]{32}", found.unit_key)  # its key can hold numbers
    assert marks(*at, message("hi", item_id="i4", people=frozenset({EVE})), roster=ROSTER) == []
    elsewhere = message("hi", item_id="i5", conversation="c2", people=frozenset({EVE}))
    assert [one.rule for one in marks(*at, elsewhere, roster=ROSTER)] == ["student-without-guardian"]


def test_a_guardian_of_nobody_named_counts_for_everybody():
    roster = ROSTER + "guardian,Kim Ode,,,+12065550131,\n"
    assert marks(message(people=frozenset({LEE, MIA, "+12065550131"})), roster=roster) == []
    assert len(marks(message(people=frozenset({LEE, MIA, AL})), roster=roster)) == 1


# -- apps


def with_approved(**approved: list[str]) -> Policy:
    return RULES.model_copy(update={"approved": policy.Approved(**approved)})


@pytest.mark.parametrize(
    ("connector", "app", "marked"),
    [
        ("twilio", "", []),
        ("message_table", "TalkingPoints", []),
        ("message_table", "remind", ["app-not-approved"]),
        ("whatsapp", "", ["app-not-approved", "encrypted-app"]),
        ("screenshots", "Signal", ["app-not-approved", "encrypted-app"]),
        ("sms_backup_restore", "", ["app-not-approved"]),
    ],
)
def test_apps_by_connector_and_by_name(connector, app, marked):
    rules = with_approved(connectors=["twilio"], apps=["talkingpoints"])
    said = [message("ok", item_id=one, connector=connector, app=app) for one in ("i1", "i2")]
    found = marks(*said, rules=rules)
    assert [one.rule for one in found] == marked
    assert [(one.unit, one.item_id, one.messages) for one in found] == [(Unit.SOURCE, "i1", 2)] * len(marked)


def test_what_a_rule_wants_is_said():
    look = Look(RULES, ())
    look.add(message("ok", connector="sms_backup_restore"))
    assert look.marks() == []
    assert look.not_applied == {
        "student-without-guardian": "the roster has no student with an address or a number",
        "app-not-approved": "`approved` names no connector and no app",
    }
    assert Look(with_approved(apps=["x"]), students(read_roster(ROSTER), str)).not_applied == {}


def test_the_same_mark_has_the_same_id_and_another_has_another():
    one, again = marks(message("pin: 4471")) + marks(message("and the pin: 4471"))
    other = marks(message("pin: 4471", item_id="i2"))[0]
    assert one.exception_id == again.exception_id != other.exception_id


# -- the file


def test_the_rules_that_come_with_the_program_say_where_they_stand():
    assert RULES.words == "possible exception to 5225P, person to judge"
    assert not RULES.approved
    assert {one.id: str(one.checked) for one in RULES.rules} == {
        "substantive-business": "read", "student-without-guardian": "unverified", "app-not-approved": "read",
        "encrypted-app": "unverified", "political-use": "unverified", "commercial-use": "unverified",
        "password": "unverified",
    }  # fmt: skip
    assert all("5225P" in one.source for one in RULES.rules)


LEAST = """
policy = "P"
[[rules]]
id = "a"
how = "words"
says = "x"
source = "y"
checked = "read"
exceptions = []
patterns = ['a b']
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("policy", "polcy"), "policy: Field required; polcy: Extra inputs are not permitted"),
        (("[[rules]]", "["), "not valid TOML"),
        (("how = \"words\"", "how = \"guess\""), "rules.0.how: "),
        (("exceptions = []", 'exceptions = ["fire"]'), "rule a: no exception is called fire"),
        (("patterns = ['a b']", "patterns = ['(']"), "rule a: pattern 1 is no regular expression"),
        (("patterns = ['a b']", "patterns = ['x*']"), "rule a: pattern 1 matches where there is nothing"),
        (("patterns = ['a b']", ""), "rule a: `patterns` and `triggers` are"),
        (("patterns = ['a b']", "patterns = ['a']\napps = ['x']"), "rule a: `connectors` and `apps` are"),
        (('how = "words"', 'how = "student"'), "rule a: `patterns` and `triggers` are"),
        (("id = \"a\"", "id = \"A b\""), "rules.0.id: "),
        (("patterns = ['a b']", "patterns = ['a']\ncodes = ['ferpa']"), "rules.0.codes: Extra inputs"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_rules_is_refused_by_name(change, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_policy(LEAST.replace(*change), "p.toml")


def test_a_rule_twice_is_refused():
    with pytest.raises(SettingsError, match="rules: id used twice: a"):
        read_policy(LEAST + LEAST.replace('policy = "P"', ""), "p.toml")
