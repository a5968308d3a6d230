"""Times as mail, phones and exports write them, and the window's edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.models import NO_MOMENT, Moment, Window
from records.moments import (
    Place,
    epoch_moment,
    local_moment,
    long_date_moment,
    mail_moment,
    place_in,
    zone_doubts,
)
from records.vocabulary import Basis, WarningCode

SEATTLE = ZoneInfo("America/Los_Angeles")


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def naive(*parts):
    return utc(*parts).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Mon, 02 Mar 2026 10:00:00 -0800", utc(2026, 3, 2, 18)),
        ("2 Mar 2026 10:00:00 -0800", utc(2026, 3, 2, 18)),
        ("Mon, 2 Mar 2026 10:00 -0800", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 10:00:00 -0800 (PST)", utc(2026, 3, 2, 18)),
        ("Mon,  02 Mar\r\n 2026 10:00:00 -0800", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 23:45:00 +0545", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 18:00:00 GMT", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 10:00:00 PST", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 18:00:00 +0000", utc(2026, 3, 2, 18)),
        ("Mon, 02 Mar 2026 18:00:00 -0000", utc(2026, 3, 2, 18)),
        ("mon, 02 MAR 2026 10:00:00 -0800", utc(2026, 3, 2, 18)),
        ("Tue, 02 Mar 2026 10:00:00 -0800", utc(2026, 3, 2, 18)),  # a false weekday does not matter
        ("Wed, 31 Dec 2025 23:59:59 -0800", utc(2026, 1, 1, 7, 59, 59)),
        ("Tue, 01 Jan 1980 00:00:00 +0000", utc(1980, 1, 1)),
    ],
)
def test_mail_dates_with_a_zone(text, at):
    moment = mail_moment(text, SEATTLE)
    assert (moment.at, moment.basis) == (at, Basis.STATED)
    assert moment.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Mon, 02 Mar 2026 10:00:00", utc(2026, 3, 2, 18)),
        ("Wed, 01 Jul 2026 10:00:00", utc(2026, 7, 1, 17)),
    ],
)
def test_mail_dates_without_a_zone_take_the_sources(text, at):
    assert mail_moment(text, SEATTLE) == Moment(at, text, Basis.ASSUMED_ZONE)


@pytest.mark.parametrize("text", [None, "", "  \r\n "])
def test_no_date(text):
    assert mail_moment(text, SEATTLE) == NO_MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "Mon, 32 Mar 2026 10:00:00 -0800",
        "Mon, 02 Mar 2026 25:00:00 -0800",
        "Mon, 30 Feb 2026 10:00:00 -0800",
        "Mon, 02 Mar 0002 10:00:00 -0800",
        "Mon, 31 Dec 1979 23:59:59 +0000",
        "Mon, 02 Mar 2199 10:00:00 -0800",
        "Mon, 02 Mar 9999 23:59:59 -2359",
        "02/03/2026",
        "\x00",
        "Mon, 02 Mar 99999999999 10:00:00 -0800",
    ],
)
def test_what_is_no_trustworthy_date_keeps_its_words(text):
    moment = mail_moment(text, SEATTLE)
    assert (moment.at, moment.basis) == (None, Basis.NONE)
    assert moment.text == " ".join(text.split())


@given(st.text(max_size=60))
def test_any_text_is_a_moment(text):
    moment = mail_moment(text, SEATTLE)
    assert (moment.at is None) == (moment.basis is Basis.NONE)


@given(
    st.datetimes(min_value=naive(1981, 1, 1), max_value=naive(2026, 1, 1)).map(
        lambda d: d.replace(microsecond=0)
    ),
    st.integers(-12 * 4, 14 * 4),
)
def test_every_plain_date_is_read_back(local, quarters):
    offset = timedelta(minutes=15 * quarters)
    minutes = abs(15 * quarters)
    zone = f"{'-' if quarters < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
    text = local.strftime(f"%a, %d %b %Y %H:%M:%S {zone}")
    assert mail_moment(text, SEATTLE).at == local.replace(tzinfo=UTC) - offset


def test_the_autumn_hour_that_occurs_twice_is_the_first_one():
    local = naive(2026, 11, 1, 1, 30)
    assert local_moment(local, "t", SEATTLE) == Moment(utc(2026, 11, 1, 8, 30), "t", Basis.ASSUMED_ZONE)
    assert local_moment(local.replace(fold=1), "t", SEATTLE).at == utc(2026, 11, 1, 9, 30)
    assert mail_moment("Sun, 01 Nov 2026 01:30:00 -0800", SEATTLE).at == utc(2026, 11, 1, 9, 30)


def test_what_is_doubtful_in_a_time_whose_zone_was_assumed():
    once, twice = (WarningCode.ASSUMED_ZONE,), (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR)
    for minute, codes in ((59, once), (60, twice), (119, twice), (120, once)):
        moment = local_moment(naive(2026, 11, 1) + timedelta(minutes=minute), "t", SEATTLE)
        assert zone_doubts(moment, SEATTLE) == codes
    assert zone_doubts(local_moment(naive(2026, 11, 1, 1, 30), "t", ZoneInfo("UTC")), ZoneInfo("UTC")) == once
    assert zone_doubts(mail_moment("Sun, 01 Nov 2026 01:30:00 -0800", SEATTLE), SEATTLE) == ()
    assert zone_doubts(Moment(None, "t", Basis.NONE), SEATTLE) == ()


def test_the_spring_hour_that_does_not_exist_still_gives_a_time():
    assert local_moment(naive(2026, 3, 8, 2, 30), "t", SEATTLE).at == utc(2026, 3, 8, 10, 30)


def test_local_times_at_the_ends_of_time():
    assert local_moment(naive(9999, 12, 31, 23, 59), "t", SEATTLE) == Moment(None, "t", Basis.NONE)
    assert local_moment(naive(1, 1, 1), "t", ZoneInfo("Asia/Tokyo")) == Moment(None, "t", Basis.NONE)


NOON = utc(2026, 3, 2, 12)
SECONDS = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (SECONDS, NOON),
        (SECONDS * 1_000 + 250, NOON + timedelta(milliseconds=250)),
        (SECONDS * 1_000_000 + 7, NOON + timedelta(microseconds=7)),
        (SECONDS * 1_000_000_000 + 7_999, NOON + timedelta(microseconds=7)),
        (int(utc(1995, 1, 1).timestamp()), utc(1995, 1, 1)),
    ],
)
def test_epochs_by_magnitude(value, at):
    assert epoch_moment(value, "t") == Moment(at, "t", Basis.STATED)


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        -1,
        -SECONDS,
        int(utc(1994, 12, 31).timestamp()),
        int(utc(2300, 1, 1).timestamp()),
        10**30,
        -(10**30),
    ],
)
def test_epochs_that_are_no_time(value):
    assert epoch_moment(value, "t") == Moment(None, "t", Basis.NONE)


@given(st.integers(-(10**25), 10**25))
def test_any_number_is_a_moment_in_range_or_none(value):
    at = epoch_moment(value, "t").at
    assert at is None or utc(1995, 1, 1) <= at <= datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "at", "basis"),
    [
        ("Tuesday, March 4, 2025 at 6:20:34\u202fPM UTC", utc(2025, 3, 4, 18, 20, 34), Basis.STATED),
        ("March 4, 2025 at 12:00:00 AM UTC", utc(2025, 3, 4), Basis.STATED),
        ("March 4, 2025 at 12:00:00 PM UTC", utc(2025, 3, 4, 12), Basis.STATED),
        ("March 4, 2025, 18:20 UTC", utc(2025, 3, 4, 18, 20), Basis.STATED),
        ("March 4, 2025 at 6:20:34 PM", utc(2025, 3, 5, 2, 20, 34), Basis.ASSUMED_ZONE),
    ],
)
def test_long_dates(text, at, basis):
    assert long_date_moment(text, SEATTLE) == Moment(at, text, basis)


@pytest.mark.parametrize(
    "text",
    [
        "March 4",
        "Mars 4, 2025 at 6:20 PM UTC",
        "March 4, 2025 at 13:20 PM UTC",
        "March 32, 2025 at 1:00 AM UTC",
    ],
)
def test_what_is_no_long_date(text):
    assert long_date_moment(text, SEATTLE) == Moment(None, text, Basis.NONE)


# --- the window -----------------------------------------------------------------------------------------

SPRING = Window(date(2026, 1, 1), date(2026, 6, 30), SEATTLE)
FIRST = utc(2026, 1, 1, 8)  # midnight in Seattle, standard time
AFTER = utc(2026, 7, 1, 7)  # the midnight after, daylight time
SECOND = timedelta(seconds=1)
DAY = timedelta(hours=24)


def where(at, basis=Basis.STATED, window=SPRING):
    return place_in(window, Moment(at, "t", basis))


@pytest.mark.parametrize(
    ("at", "place"),
    [
        (FIRST - SECOND, Place.OUTSIDE),
        (FIRST, Place.INSIDE),
        (AFTER - SECOND, Place.INSIDE),
        (AFTER, Place.OUTSIDE),
    ],
)
def test_whole_days_both_inclusive(at, place):
    assert where(at) is place


@pytest.mark.parametrize(
    ("at", "place"),
    [
        (FIRST - DAY - SECOND, Place.OUTSIDE),
        (FIRST - DAY, Place.IN_DOUBT),
        (FIRST, Place.IN_DOUBT),
        (FIRST + DAY - SECOND, Place.IN_DOUBT),
        (FIRST + DAY, Place.INSIDE),
        (AFTER - DAY - SECOND, Place.INSIDE),
        (AFTER - DAY, Place.IN_DOUBT),
        (AFTER + DAY - SECOND, Place.IN_DOUBT),
        (AFTER + DAY, Place.OUTSIDE),
    ],
)
@pytest.mark.parametrize("basis", [Basis.ASSUMED_ZONE, Basis.RELATIVE])
def test_an_uncertain_time_is_in_doubt_near_an_edge(at, place, basis):
    assert where(at, basis) is place


def test_no_time_is_in_doubt_unless_there_is_no_window():
    assert place_in(SPRING, NO_MOMENT) is Place.IN_DOUBT
    assert place_in(Window(None, None, SEATTLE), NO_MOMENT) is Place.INSIDE
    assert where(utc(1990, 1, 1), window=Window(None, None, SEATTLE)) is Place.INSIDE


def test_windows_open_at_one_end():
    since, until = Window(date(2026, 1, 1), None, SEATTLE), Window(None, date(2026, 6, 30), SEATTLE)
    assert where(FIRST - SECOND, window=since) is Place.OUTSIDE
    assert where(utc(2027, 1, 1), window=since) is Place.INSIDE
    assert where(AFTER, window=until) is Place.OUTSIDE
    assert where(utc(1990, 1, 1), window=until) is Place.INSIDE


def test_a_day_of_25_hours_is_one_day():
    window = Window(date(2026, 11, 1), date(2026, 11, 1), SEATTLE)
    assert where(utc(2026, 11, 1, 7), window=window) is Place.INSIDE
    assert where(utc(2026, 11, 2, 8) - SECOND, window=window) is Place.INSIDE
    assert where(utc(2026, 11, 2, 8), window=window) is Place.OUTSIDE


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Tue, 30 Jun 2026 23:59:60 +0000", "2026-06-30T23:59:59+00:00"),  # RFC 5322 3.3: a leap second
        ("Tue, 30 Jun 2026 12:00:00 +1400", "2026-06-29T22:00:00+00:00"),
        ("Tue, 30 Jun 2026 12:00:00 +9999", None),
        ("Tue, 30 Jun 2026 12:00:00 +0860", None),
        ("Mon, 02 Feb 0002 09:00:00 -0800", None),
    ],
)
def test_offsets_leap_seconds_and_years_of_old(text, at):
    moment = mail_moment(text, ZoneInfo("America/Los_Angeles"))
    assert (moment.at.isoformat() if moment.at else None) == at
