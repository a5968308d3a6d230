from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retention.periods import (
    Retention,
    Statement,
    cutoff_on,
    earliest_on,
    parse_disposition,
    parse_retention,
    parse_statement,
    split_needed,
)

UNKNOWN = Retention(not_confirmed=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 years", Retention(years=2)),
        ("1 year", Retention(years=1)),
        ("6 years (recalled)", Retention(years=6)),
        ("30 days (recalled)", Retention(days=30)),
        ("18 months", Retention(months=18)),
        ("2 weeks", Retention(days=14)),
        ("at least 1 year (statutory floor)", Retention(years=1, at_least=True)),
        ("at least 6 years", Retention(years=6, at_least=True)),
        ("0 (keep only while needed)", Retention(years=0, while_needed=True)),
        ("Permanent, or until transferred", Retention(permanent=True)),
        ("suspend destruction", Retention(suspended=True)),
        ("not confirmed", UNKNOWN),
        ("", UNKNOWN),
        ("2 years or 3 years", UNKNOWN),
        ("9999 years", UNKNOWN),
        ("some years", UNKNOWN),
    ],
)
def test_short_periods(text, expected):
    assert parse_retention(text) == expected


APPRAISAL = "Transfer to State Archives (appraisal)"
NEEDED = "no longer needed for agency business"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Retain for 2 years after communication received or provided, whichever is "
            "later\nthen\nTransfer to "
            "Washington State Archives for appraisal and selective retention.",
            Statement(
                "communication received or provided, whichever is later",
                "2 years",
                Retention(years=2),
                APPRAISAL,
            ),
        ),
        (
            "Retain for 6 years after end of fiscal year then Destroy.",
            Statement("end of fiscal year", "6 years", Retention(years=6), "Destroy"),
        ),
        (
            "Retain for one year after date of document, then destroy",
            Statement("date of document", "1 year", Retention(years=1), "Destroy"),
        ),
        (
            "Retain for six (6) years after matter resolved then Destroy.",
            Statement("matter resolved", "6 years", Retention(years=6), "Destroy"),
        ),
        (
            "Retain for a minimum of 3 years after audit complete then Destroy.",
            Statement("audit complete", "at least 3 years", Retention(years=3, at_least=True), "Destroy"),
        ),
        (
            "Retain for 3 years after end of calendar year and until no longer needed for agency "
            "business then "
            "Destroy.",
            Statement(
                "end of calendar year",
                f"3 years (and until {NEEDED})",
                Retention(years=3, while_needed=True),
                "Destroy",
            ),
        ),
        (
            "Retain until no longer needed for agency business\nthen\nDestroy.",
            Statement(NEEDED, "0 (keep only while needed)", Retention(years=0, while_needed=True), "Destroy"),
        ),
        (
            "Retain until obsolete or superseded then Destroy.",
            Statement("obsolete or superseded", "0 (until the event)", Retention(years=0), "Destroy"),
        ),
        (
            "Retain until 6 years after separation then Destroy.",
            Statement("separation", "6 years", Retention(years=6), "Destroy"),
        ),
        (
            "Retain for 90 days after date of recording then Destroy.",
            Statement("date of recording", "90 days", Retention(days=90), "Destroy"),
        ),
        (
            "Retain for 3 years after student reaches 18 years of age then Destroy.",
            Statement("student reaches 18 years of age", "3 years", Retention(years=3), "Destroy"),
        ),
        (
            "Retain permanently.",
            Statement("none", "Permanent", Retention(permanent=True), "Retain permanently"),
        ),
        (
            "Retain for life of the agency then Transfer to Washington State Archives for permanent "
            "retention.",
            Statement("none", "Permanent", Retention(permanent=True), "Transfer to State Archives"),
        ),
        (
            "Retain for 4 years after event\nthen\nReturn to the owner.",
            Statement("event", "4 years", Retention(years=4), "Return to the owner"),
        ),
        (
            "Retain for 4 years after the then-current term ends then Destroy.",
            Statement("the then-current term ends", "4 years", Retention(years=4), "Destroy"),
        ),
        (
            "Retain for 4 years after event.",
            Statement("event", "4 years", Retention(years=4), "not confirmed"),
        ),
    ],
)
def test_statements(text, expected):
    assert parse_statement(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Destroy.",
        "Retain for 30 days after recording or until determined that no incident occurred, whichever is "
        "sooner then "
        "Destroy.",
        "Retain for 6 years after a, then 2 years after b, then Destroy.",
        "a) Retain for 6 years after x then Destroy. b) Retain for 2 years after y then Destroy.",
        "Retain for 2 years after x or 6 years after y, whichever is later then Destroy.",
        "Retain until superseded or 2 years after x then Destroy.",
        "Retain for 2000 years after x then Destroy.",
        "Retain for years after x then Destroy.",
        "See the state schedule.",
    ],
)
def test_what_is_not_understood_says_so_and_keeps_its_words(text):
    said = parse_statement(text)
    assert said.retention == UNKNOWN
    assert said.cutoff_event == "not confirmed"
    assert said.retention_text == (" ".join(text.split()) or "not confirmed")


@given(
    years=st.integers(1, 500),
    event=st.text(alphabet="abcdefghij klm", min_size=1, max_size=40).map(str.strip).filter(bool),
    gap=st.sampled_from([" ", "\n", "  \n ", "\t"]),
    action=st.sampled_from(["Destroy", "Transfer to Washington State Archives for permanent retention"]),
)
def test_every_plain_statement_is_read_back(years, event, gap, action):
    text = gap.join(["Retain", "for", str(years), "years", "after", event, "then", f"{action}."])
    said = parse_statement(text)
    assert said.retention == Retention(years=years)
    assert said.cutoff_event == " ".join(event.split())
    assert said.disposition == ("Destroy" if action == "Destroy" else "Transfer to State Archives")


@given(st.text(max_size=300))
@example("Retain for 2 years after  then Destroy")
@example("Retain until then Destroy.")
def test_any_text_gives_a_statement_and_never_a_period_out_of_nothing(text):
    said = parse_statement(text)
    assert said.retention.not_confirmed == (said.cutoff_event == "not confirmed")
    if said.retention.years:
        digits = any(c.isdigit() for c in text)
        words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
        assert digits or any(word in text.lower() for word in words)


@given(st.text(max_size=100))
def test_any_text_is_a_short_period_or_unknown(text):
    assert isinstance(parse_retention(text), Retention)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Destroy.", "Destroy"),
        ("DESTROY", "Destroy"),
        ("transfer to Washington State Archives", "Transfer to State Archives"),
        ("Transfer to the Washington State Archives for appraisal", APPRAISAL),
        ("Transfer to Washington State Archives for appraisal\nand selective  retention.", APPRAISAL),
        ("", "not confirmed"),
        ("Destroy after notice.", "Destroy after notice"),
    ],
)
def test_dispositions(text, expected):
    assert parse_disposition(text) == expected


def test_the_tail_of_an_event_is_taken_off():
    assert split_needed("end of year (and until no longer needed for agency business)") == (
        "end of year",
        True,
    )
    assert split_needed("end of year") == ("end of year", False)


COMMUNICATION = "communication received or provided, whichever is later"


@pytest.mark.parametrize(
    ("event", "day", "expected"),
    [
        (COMMUNICATION, date(2026, 3, 2), date(2026, 3, 2)),
        ("date of document", date(2026, 3, 2), date(2026, 3, 2)),
        ("end of calendar year", date(2026, 1, 1), date(2026, 12, 31)),
        ("End of Calendar  Year", date(2026, 12, 31), date(2026, 12, 31)),
        ("end of fiscal year", date(2026, 8, 31), date(2026, 8, 31)),
        ("end of fiscal year", date(2026, 9, 1), date(2027, 8, 31)),
        ("end of school year", date(2026, 6, 20), date(2026, 8, 31)),
        ("end of school year", date(9999, 9, 1), None),
        ("end of school year or exclusion", date(2026, 6, 20), None),
        ("matter resolved", date(2026, 3, 2), None),
        ("not confirmed", date(2026, 3, 2), None),
        (COMMUNICATION, None, None),
    ],
)
def test_cutoffs(event, day, expected):
    assert cutoff_on(event, day) == expected


@pytest.mark.parametrize(
    ("retention", "cutoff", "expected"),
    [
        (Retention(years=2), date(2026, 3, 2), date(2028, 3, 2)),
        (Retention(years=2), date(2024, 2, 29), date(2026, 3, 1)),
        (Retention(years=4), date(2024, 2, 29), date(2028, 2, 29)),
        (Retention(years=76), date(2024, 2, 29), date(2100, 3, 1)),  # 2100 is no leap year
        (Retention(years=6), date(2026, 12, 31), date(2032, 12, 31)),
        (Retention(months=1), date(2026, 1, 31), date(2026, 3, 1)),
        (Retention(months=18), date(2026, 8, 15), date(2028, 2, 15)),
        (Retention(days=30), date(2026, 2, 15), date(2026, 3, 17)),
        (Retention(years=0), date(2026, 2, 15), date(2026, 2, 15)),
        (Retention(years=3, while_needed=True), date(2026, 12, 31), date(2029, 12, 31)),
        (Retention(years=1, at_least=True), date(2026, 2, 15), date(2027, 2, 15)),
        (Retention(years=0, while_needed=True), date(2026, 2, 15), None),
        (Retention(permanent=True), date(2026, 2, 15), None),
        (Retention(suspended=True), date(2026, 2, 15), None),
        (UNKNOWN, date(2026, 2, 15), None),
        (Retention(), date(2026, 2, 15), None),
        (Retention(years=2), None, None),
        (Retention(years=500), date(9800, 2, 15), None),
        (Retention(days=10), date(9999, 12, 31), None),
    ],
)
def test_earliest_days(retention, cutoff, expected):
    assert earliest_on(retention, cutoff) == expected


@given(st.dates(max_value=date(9000, 1, 1)), st.integers(0, 400), st.integers(0, 30))
def test_a_period_is_never_cut_short(day, years, months):
    found = earliest_on(Retention(years=years, months=months), day)
    assert found is not None
    whole = (found.year - day.year) * 12 + found.month - day.month
    asked = years * 12 + months
    assert (whole == asked and found.day == day.day) or (
        whole == asked + 1 and found.day == 1 and day.day > 28
    )
