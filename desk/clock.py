"""The clock: five business days to answer (RCW 42.56.520(1))."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

RESPONSE_DAYS = 5


@cache
def legal_holidays(year: int) -> dict[date, str]:
    """Return the legal holidays of RCW 1.16.050(1) and (5) as they are observed in a year.

    A holiday on Sunday is observed on Monday, one on Saturday on the Friday before, so New Year's Day of the
    next year can be observed on 31 December.
    """
    import holidays  # a quarter of a second, and only opening a request needs it

    calendar = holidays.country_holidays("US", subdiv="WA", years=[year, year + 1], observed=True)
    return {day: name for day, name in sorted(calendar.items()) if day.year == year}


def is_business_day(day: date) -> bool:
    """Say whether a day counts: no Saturday, Sunday or legal holiday (RCW 1.12.040)."""
    return day.weekday() < 5 and day not in legal_holidays(day.year)


def due_on(received_on: date) -> date:
    """Return the last day to answer: the fifth business day after the day of receipt, which is left out."""
    return after(received_on, RESPONSE_DAYS)


def after(day: date, business_days: int) -> date:
    """Return the day that lies so many business days after a day, which is left out."""
    left = business_days
    while left > 0:
        day += timedelta(days=1)
        left -= is_business_day(day)
    return day


def between(first: date, last: date) -> int:
    """Count the business days from the first day to the last, both included."""
    return sum(is_business_day(first + timedelta(days=n)) for n in range((last - first).days + 1))
