"""Five business days, and the holidays of RCW 1.16.050 as the statute's own rule gives them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from desk.clock import due_on, is_business_day, legal_holidays


def nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th weekday of a month; -1 is the last."""
    if n > 0:
        day = date(year, month, 1)
        day += timedelta(days=(weekday - day.weekday()) % 7)
        return day + timedelta(weeks=n - 1)
    day = date(year + (month == 12), month % 12 + 1, 1) - timedelta(days=1)
    return day - timedelta(days=(day.weekday() - weekday) % 7)


def observed(day: date) -> date:
    """RCW 1.16.050(5): Sunday moves to Monday, Saturday to the Friday before."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def statute(year: int) -> set[date]:
    """Weekdays that are no business days, from the text of RCW 1.16.050(1) and (5)."""
    thanksgiving = nth(year, 11, 3, 4)
    days = {
        nth(year, 1, 0, 3),
        nth(year, 2, 0, 3),
        nth(year, 5, 0, -1),
        nth(year, 9, 0, 1),
        thanksgiving,
        thanksgiving + timedelta(days=1),
    }
    for y in (year, year + 1):
        for month, day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25)):
            days.add(observed(date(y, month, day)))
    return {day for day in days if day.year == year}


@pytest.mark.parametrize("year", range(2023, 2041))
def test_the_library_agrees_with_the_statute(year):
    weekdays = {day for day in legal_holidays(year) if day.weekday() < 5}
    assert weekdays == statute(year)


def test_holidays_of_2026_as_they_are_observed():
    days = sorted(day for day in legal_holidays(2026) if day.weekday() < 5)
    assert [day.strftime("%m-%d") for day in days] == [
        "01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "09-07", "11-11", "11-26", "11-27", "12-25",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (date(2026, 9, 14), date(2026, 9, 21)),  # Monday to Monday in a week without holidays
        (date(2026, 9, 8), date(2026, 9, 15)),
        (date(2026, 9, 4), date(2026, 9, 14)),  # Friday before Labor Day
        (date(2026, 11, 20), date(2026, 12, 1)),  # Thanksgiving and the day after
        (date(2026, 12, 18), date(2026, 12, 28)),
        (date(2027, 12, 23), date(2028, 1, 3)),  # both observed Fridays
        (date(2026, 9, 12), date(2026, 9, 18)),  # received on a Saturday
    ],
)
def test_due_on(received, due):
    assert due_on(received) == due


def test_columbus_day_is_a_business_day():
    assert is_business_day(date(2026, 10, 12))
    assert not is_business_day(date(2026, 11, 11))
    assert not is_business_day(date(2026, 10, 10))
