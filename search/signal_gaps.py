"""Stretches without mail in a mailbox that has mail before and after.

For each weekday the share of days with mail is estimated from the mailbox itself, from its first day with
mail to its last, within the window: (days with mail + 1) / (days + 2). Days count, not messages: a day with
forty replies says no more than one with one. A stretch of days without mail then has the probability of the
product of (1 - share) over its days. It is a gap when that probability, times the number of days at which a
stretch could begin, is below one in a thousand (Bonferroni's bound), and it has at least five weekdays. The
gap itself is among the days that the shares come from, which makes the rule slower to speak, never quicker.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

CHANCE = 0.001
"""How often one mailbox without a gap may be named nevertheless."""

LEAST_WEEKDAYS = 5
_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of days without mail.

    Attributes:
        first: First day without.
        last: Last day without.
        before: The day with mail before it.
        after: The day with mail after it.
        weekdays: Days of the stretch from Monday to Friday.
    """

    first: date
    last: date
    before: date
    after: date
    weekdays: int


def gaps(days: Collection[date], first: date | None, last: date | None) -> list[Gap]:
    """Return the gaps of one mailbox, in order.

    Args:
        days: Days with at least one message, those outside the window too, where they are known.
        first: First day of the window, or None.
        last: Last day of the window, or None.
    """
    if len(days) < 2:
        return []
    begin = max(min(days), first) if first else min(days)
    end = min(max(days), last) if last else max(days)
    if (end - begin).days < LEAST_WEEKDAYS:
        return []
    quiet = _quiet_chances(days, begin, end)
    most = math.log(CHANCE / ((end - begin).days + 1))
    found = []
    for start, stop in _stretches(days, begin, end):
        covered = [start + _DAY * n for n in range((stop - start).days + 1)]
        weekdays = sum(day.weekday() < _SATURDAY for day in covered)
        if weekdays >= LEAST_WEEKDAYS and sum(quiet[day.weekday()] for day in covered) < most:
            before = max(day for day in days if day < start)
            after = min(day for day in days if day > stop)
            found.append(Gap(start, stop, before, after, weekdays))
    return found


def _quiet_chances(days: Collection[date], begin: date, end: date) -> Mapping[int, float]:
    """Return, by weekday, the logarithm of the chance of a day without mail."""
    out = {}
    for weekday in range(7):
        all_days = [
            day for n in range((end - begin).days + 1) if (day := begin + _DAY * n).weekday() == weekday
        ]
        with_mail = sum(day in days for day in all_days)
        out[weekday] = math.log(1 - (with_mail + 1) / (len(all_days) + 2))
    return out


def _stretches(days: Collection[date], begin: date, end: date) -> Iterator[tuple[date, date]]:
    """Yield first and last day of every stretch without mail that has mail on both sides."""
    known = sorted(days)
    for one, other in pairwise(known):
        start, stop = max(one + _DAY, begin), min(other - _DAY, end)
        if start <= stop:
            yield start, stop
