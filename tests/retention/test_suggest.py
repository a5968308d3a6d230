"""What the rules suggest for one item: a table of golden items, and what bends the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import SettingsError
from records.vocabulary import Basis, Kind
from retention.rules import ItemFacts, Signs, builtin_rules, read_rules, words_of
from retention.schedule import builtin
from retention.suggest import SeriesBook, Suggestion, suggest, suggest_child

RULES = builtin_rules()
BOOK = SeriesBook(builtin())
DAY = date(2026, 3, 2)
FILLER = "word " * 80  # a long text: one sign in it is not enough


def item(kind=Kind.EMAIL, role="Teacher", **facts):
    return ItemFacts(item_id="i1", kind=kind, custodian_role=role, **{"day": DAY, **facts})


def ask(*args, **facts):
    return suggest(item(*args, **facts), BOOK, RULES)


GOLDEN = [
    # facts, series, rule, confidence, earliest day
    (
        {"role": "Superintendent", "subject": "Hello", "text": "Let us meet."},
        "GS50-01-12", "communications-executive", "verified", date(2028, 3, 2),
    ),
    (
        {"role": "School Board Director", "subject": "Thursday"},
        "GS50-01-12", "communications-executive", "verified", date(2028, 3, 2),
    ),
    (
        {"role": "Executive assistant", "subject": "Her calendar"},
        "GS50-01-12", "communications-executive", "verified", date(2028, 3, 2),
    ),
    (
        {"role": "Teacher", "participant_roles": ("Deputy Superintendent",), "subject": "Hello"},
        "GS50-01-12", "communications-executive", "verified", date(2028, 3, 2),
    ),
    ({"subject": "Seating chart"}, "GS2010-001", "communications", "verified", date(2028, 3, 2)),
    ({"role": "Keyboarding teacher"}, "GS2010-001", "communications", "verified", date(2028, 3, 2)),
    (
        {"kind": Kind.MESSAGE, "text": "The projector in 12 needs a new lamp"},
        "GS2010-001", "communications", "verified", date(2028, 3, 2),
    ),
    (
        {"kind": Kind.CHAT, "role": "Principal", "text": "Who has the key to the gym"},
        "GS2010-001", "communications", "verified", date(2028, 3, 2),
    ),
    (
        {"kind": Kind.MESSAGE, "text": "Running late"},
        "CORE-TRANSITORY", "transitory-messages", "unverified", None,
    ),
    ({"kind": Kind.CHAT, "text": "ok thanks"}, "CORE-TRANSITORY", "transitory-messages", "unverified", None),
    (
        {"kind": Kind.MESSAGE, "text": "ok, I approve the purchase"},  # an authorization is never transitory
        "GS2010-001", "communications", "verified", date(2028, 3, 2),
    ),
    (
        {"kind": Kind.MESSAGE, "text": "thanks " + "and so on " * 10},  # too long for a passing word
        "GS2010-001", "communications", "verified", date(2028, 3, 2),
    ),
    (
        {"participant_roles": ("District counsel",), "subject": "Question"},
        "CORE-LEGAL-ADVICE", "legal-advice-counsel", "unverified", None,
    ),
    (
        {"subject": "Privileged: the boiler contract"},
        "CORE-LEGAL-ADVICE", "legal-advice", "unverified", None,
    ),
    (
        {"domains": ("cascadia-law.example",), "subject": "Question"},
        "CORE-LEGAL-ADVICE", "legal-advice", "unverified", None,
    ),
    (
        {"role": "Guidance counselor", "subject": "Schedules"},  # a counselor is no counsel
        "GS2010-001", "communications", "verified", date(2028, 3, 2),
    ),
    (
        {"subject": "Notice of long-term suspension"},
        "K12-STUDENT-DISCIPLINE", "student-discipline", "unverified", None,
    ),
    ({"subject": "IEP meeting Tuesday"}, "K12-SPECIAL-EDUCATION", "special-education", "verified", None),
    ({"subject": "Re: 504 plan"}, "K12-SECTION-504", "section-504", "unverified", None),
    ({"subject": "Zoo field trips in May"}, "K12-FIELD-TRIPS", "field-trips", "unverified", None),
    (
        {"role": "Superintendent", "subject": "Bus route change"},  # content before role
        "K12-TRANSPORTATION", "transportation", "unverified", None,
    ),
    ({"subject": "Contract for paving"}, "GS50-01-11", "contracts", "unverified", None),
    (
        {"kind": Kind.FILE, "name": "Invoice_1234.pdf"},
        "GS2011-184", "financial-transactions", "unverified", None,
    ),
    (
        {"subject": "Public Records Request 26-014"},
        "GS2010-014", "public-records-requests", "unverified", None,
    ),
    ({"subject": "Security incident: phishing"}, "GS2010-008", "security-incidents", "verified", None),
    ({"subject": "Fire drill log"}, "GS2017-016", "emergency-drills", "verified", date(2029, 12, 31)),
    ({"subject": "Lockdown yesterday"}, "GS2012-025", "emergency-routine", "verified", None),
    ({"kind": Kind.FILE, "name": "School Safety Plan.docx"}, "SD2011-153", "safety-plans", "verified", None),
    ({"kind": Kind.FILE, "name": "Yearbook 2025.pdf"}, "K12-YEARBOOK", "yearbook", "verified", None),
    (
        {"kind": Kind.FILE, "name": "board-meeting-audio.mp3"},
        "CORE-BOARD-AUDIO", "board-recordings", "verified", None,
    ),
    ({"kind": Kind.EVENT, "subject": "Team lunch"}, "CORE-SCHEDULING", "calendar-events", "unverified", None),
    ({"kind": Kind.CONTACT}, "CORE-CONTACTS", "contacts", "unverified", None),
    ({"kind": Kind.TASK, "subject": "Order chalk"}, "CORE-WORK-IN-PROGRESS", "tasks", "unverified", None),
    ({"draft": True, "subject": "Hello"}, "CORE-DRAFTS", "unsent-drafts", "unverified", None),
    ({"kind": Kind.FILE, "name": "Speech draft.docx"}, "CORE-DRAFTS", "draft-files", "unverified", None),
    (
        {"labels": ("Category promotions",), "subject": "Chairs"},
        "CORE-UNSOLICITED", "unsolicited", "unverified", None,
    ),
    ({"subject": "Automatic reply: away"}, "CORE-NOTIFICATIONS", "notifications", "unverified", None),
    ({"subject": "Accepted: budget talk"}, "CORE-BUDGET", "budget", "unverified", None),
    ({"subject": "Declined: talk"}, "CORE-SCHEDULING", "scheduling-mail", "unverified", None),
    (
        {"kind": Kind.POST, "role": "Superintendent", "text": "Welcome back"},
        "GS50-01-12", "posts-executive", "verified", None,
    ),
    ({"kind": Kind.POST, "text": "Welcome back"}, "GS2010-001", "posts", "verified", None),
    ({"role": "", "subject": "Hello"}, None, None, "none", None),
    ({"kind": Kind.FILE, "name": "IMG_0001.jpg"}, None, None, "none", None),
    ({"kind": Kind.CALL, "role": "Superintendent"}, None, None, "none", None),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "series", "rule", "confidence", "earliest"), GOLDEN)
def test_golden_items(facts, series, rule, confidence, earliest):
    said = ask(**facts)
    assert (said.series_id, said.rule_id, said.confidence, said.earliest_on) == (
        series,
        rule,
        confidence,
        earliest,
    )


def test_the_whole_row_of_an_executive_message():
    assert ask(role="Superintendent", subject="Hello") == Suggestion(
        item_id="i1",
        series_id="GS50-01-12",
        rule_id="communications-executive",
        reason="Rule communications-executive: the board, an executive or their support staff sent or "
        "received it, and no narrower series was found (the custodian's role; it is of kind email).",
        schedule="CORE",
        version="4.0",
        authority="GS50-01-12 Rev. 3",
        title="Communications - Governing/Executive/Advisory",
        cutoff_event="communication received or provided, whichever is later",
        cutoff_on=DAY,
        retention_text="2 years",
        disposition="Transfer to State Archives (appraisal)",
        archival="appraisal",
        earliest_on=date(2028, 3, 2),
        confidence="verified",
    )


def test_an_unverified_row_says_so_gives_no_date_and_names_the_general_series():
    said = ask(subject="Contract for paving")
    assert said.reason == (
        "Rule contracts: it is or concerns an agreement of the district (“contract” in its subject). "
        "This row of the "
        "schedule is unverified: it may suggest, but nothing may be destroyed on its word, so no date is "
        "given."
    )
    assert said.retention_text == "6 years"
    assert said.earliest_on is None
    assert said.alternatives == ("GS2010-001",)


@pytest.mark.parametrize(
    "row", [r for r in builtin() if r.confidence == "unverified"], ids=lambda r: r.series_id
)
def test_no_unverified_row_ever_gives_a_date(row):
    rules = read_rules(f'[[rules]]\nid = "x"\nseries = "{row.series_id}"\nfind = []\nwhy = "w"\n')
    said = suggest(item(), builtin(), rules)
    assert (said.series_id, said.confidence, said.earliest_on) == (row.series_id, "unverified", None)
    assert "unverified" in said.reason


@pytest.mark.parametrize("row", [r for r in builtin() if r.is_rule], ids=lambda r: r.series_id)
def test_a_rule_of_law_is_never_suggested(row):
    rules = read_rules(f'[[rules]]\nid = "x"\nseries = "{row.series_id}"\nfind = []\nwhy = "w"\n')
    assert suggest(item(), builtin(), rules).series_id is None


def test_no_series_says_why():
    assert ask(role="", subject="Hello").reason == (
        "No series found: the request states no role for its custodian, so the two communications series "
        "cannot be "
        "told apart."
    )
    assert (
        ask(kind=Kind.FILE, name="x.bin").reason == "No series found: no rule applies to what is known of it."
    )


@pytest.mark.parametrize(
    ("basis", "day", "earliest"),
    [
        (Basis.STATED, DAY, date(2028, 3, 2)),
        (Basis.ASSUMED_ZONE, DAY, date(2028, 3, 3)),  # the true day may be the next one
        (Basis.ASSUMED_ZONE, date(2024, 2, 28), date(2026, 3, 1)),
        (Basis.RELATIVE, DAY, None),
        (Basis.NONE, DAY, None),
        (Basis.STATED, None, None),
    ],
)
def test_a_date_is_as_good_as_its_basis(basis, day, earliest):
    assert ask(subject="Hello", day=day, basis=basis).earliest_on == earliest


def test_one_sign_deep_in_a_long_text_is_not_enough():
    assert ask(text=FILLER + "bus route " + FILLER).series_id == "GS2010-001"
    assert ask(text=FILLER + "bus route and ridership " + FILLER).series_id == "K12-TRANSPORTATION"
    assert ask(text="The bus route moved.").series_id == "K12-TRANSPORTATION"


def test_a_sign_is_whole_words():
    assert ask(subject="The contractors wave").series_id == "GS2010-001"
    assert ask(subject="CONTRACT").series_id == "GS50-01-11"
    assert ask(subject="Re: [contract]-2026").series_id == "GS50-01-11"


def test_what_rules_a_rule_out():
    assert ask(subject="Read receipt").series_id == "GS2010-001"
    assert ask(subject="Receipt").series_id == "GS2011-184"


# --- children -------------------------------------------------------------------------------------------


def test_a_child_follows_its_parent():
    parent = ask(role="Superintendent", subject="Hello")
    child = suggest_child(item(Kind.FILE, name="photo.jpg", day=None), parent, DAY, BOOK, RULES)
    assert child == replace(
        parent, rule_id="follows-parent", reason=f"It follows its parent. {parent.reason}", follows="i1"
    )


def test_a_child_with_a_series_of_its_own_does_not():
    parent = ask(role="Superintendent", subject="Hello")
    child = suggest_child(item(Kind.FILE, name="Invoice 7.pdf"), parent, DAY, BOOK, RULES)
    assert (child.series_id, child.rule_id, child.follows) == ("GS2011-184", "financial-transactions", None)


def test_rules_that_go_by_role_do_not_part_a_child_from_its_parent():
    parent = ask(subject="Contract for paving")
    child = suggest_child(item(Kind.EMAIL, role="Superintendent", subject="Fwd"), parent, DAY, BOOK, RULES)
    assert (child.series_id, child.follows) == ("GS50-01-11", "i1")


def test_a_child_without_a_day_counts_from_its_parent():
    rules = read_rules('[[rules]]\nid = "x"\nseries = "GS2010-001"\nfind = []\nwhy = "w"\nown = true\n')
    parent = ask(subject="Hello")
    child = suggest_child(item(Kind.FILE, day=None), parent, date(2026, 5, 1), BOOK, rules)
    assert child.earliest_on == date(2028, 5, 1)


def test_a_child_of_an_item_without_a_series_has_none_either():
    parent = ask(role="", subject="Hello")
    child = suggest_child(item(Kind.FILE, name="x"), parent, DAY, BOOK, RULES)
    assert (child.series_id, child.rule_id, child.follows) == (None, "follows-parent", "i1")


# --- an imported schedule ----------------------------------------------------------------------------------


def imported(*titles, category="Student Records"):
    base = next(row for row in builtin() if row.series_id == "GS50-01-12")
    return tuple(
        replace(
            base,
            series_id=f"SD99-0{n}-01",
            dan=f"SD99-0{n}-01",
            title=title,
            category=category,
            schedule="K12",
        )
        for n, title in enumerate(titles)
    )


def test_a_rule_finds_its_series_in_an_imported_schedule_by_title():
    said = suggest(item(subject="Field trip"), imported("Grade Books", "Field Trips and Outings"), RULES)
    assert (said.series_id, said.rule_id, said.confidence) == ("SD99-01-01", "field-trips", "verified")


def test_several_that_fit_are_shown_and_none_is_taken():
    series = imported("Field Trips – Domestic", "Field Trips – Foreign")
    said = suggest(item(subject="Field trip"), series, RULES)
    assert said.series_id is None
    assert said.rule_id == "field-trips"
    assert said.alternatives == ("SD99-00-01", "SD99-01-01")
    assert said.reason.endswith("The schedule in force has 2 series that could be meant; a person chooses.")


def test_none_that_fits_is_said():
    said = suggest(item(subject="Field trip"), imported("Grade Books"), RULES)
    assert (said.series_id, said.alternatives) == (None, ())
    assert said.reason.endswith("has no series for it that could be found; a person looks.")


# --- the rules themselves ----------------------------------------------------------------------------------


def test_every_builtin_rule_can_apply():
    for rule in RULES.rules:
        if not rule.signs:
            continue
        sign = sorted(rule.signs)[0].replace("*", "")
        where = next(iter(sorted(rule.places)), "subject")
        facts = {
            "kind": next(iter(sorted(rule.kinds)), Kind.EMAIL),
            "draft": rule.draft,
            ("labels" if where == "labels" else "name" if where == "file name" else "subject"): (
                (sign,) if where == "labels" else sign
            ),
        }
        only = replace(RULES, rules=(rule,))
        assert only.match(item(**facts)) is not None, rule.rule_id


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules = [", "the retention rules are not valid TOML: "),
        (
            '[[rules]]\nid = "a"\nseries = "s"\nfind = []\nwhy = ""\ncolour = 1',
            "retention rule a: unknown keys ['colour']",
        ),
        ('[[rules]]\nid = "a"', "retention rule a: unknown keys [], missing keys ['find', 'series', 'why']"),
        (
            '[[rules]]\nid = "a"\nseries = "s"\nfind = []\nwhy = ""\nroles = ["x"]',
            "retention rule a: no such role class: x",
        ),
        (
            '[[rules]]\nid = "a"\nseries = "s"\nfind = []\nwhy = ""\nplaces = ["x"]',
            "retention rule a: places are subject, file name, labels, text",
        ),
        (
            '[[rules]]\nid = "a"\nseries = "s"\nfind = []\nwhy = ""\nkinds = ["fax"]',
            "retention rule a: 'fax' is not",
        ),
        ('[[rules]]\nid = "a"\nseries = "s"\nfind = []\nwhy = ""\n' * 2, "retention rule ids occur twice: a"),
    ],
)
def test_bad_rules_are_refused_by_name(text, message):
    with pytest.raises(SettingsError) as error:
        read_rules(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("role", "classes"),
    [
        ("Superintendent", {"stated", "executive"}),
        ("Board secretary", {"stated", "executive"}),
        ("Chief Financial Officer", {"stated", "executive"}),
        ("Attorney", {"stated", "counsel"}),
        ("Counselor", {"stated"}),
        ("  ", set()),
    ],
)
def test_role_classes(role, classes):
    assert RULES.role_classes(role) == classes


def test_words():
    assert words_of("IEP_Plan-2026.DOCX Parent’s straße") == [
        "iep",
        "plan",
        "2026",
        "docx",
        "parent",
        "strasse",
    ]


def _slow_find(signs, words):
    """The plain way: try every sign at every place."""
    out = set()
    for sign in signs:
        parts = sign.split(" ")
        for at in range(len(words) - len(parts) + 1):
            if all(
                words[at + n].startswith(p[:-1]) if p.endswith("*") else words[at + n] == p
                for n, p in enumerate(parts)
            ):
                out.add(sign)
    return out


_WORD = st.sampled_from(["a", "ab", "abc", "b", "bc"])
_SIGN = st.lists(st.tuples(_WORD, st.booleans()), min_size=1, max_size=3).map(
    lambda parts: " ".join(word + "*" * star for word, star in parts)
)


@settings(max_examples=60)
@given(st.lists(_SIGN, max_size=6), st.lists(_WORD, max_size=12))
def test_signs_are_found_as_the_plain_way_finds_them(signs, words):
    assert Signs(signs).find(words) == _slow_find(signs, words)


@settings(max_examples=60)
@given(
    subject=st.text(max_size=60),
    text=st.text(max_size=200),
    role=st.text(max_size=20),
    kind=st.sampled_from(Kind),
)
def test_anything_gives_an_answer_that_survives_the_catalogue(subject, text, role, kind):
    said = ask(kind, role, subject=subject, text=text)
    assert Suggestion.from_json(said.to_json()) == said
    assert (said.series_id is None) == (said.confidence == "none")
    assert said.reason
