"""Stretches without mail: what the rule says, and what it must not say."""

from __future__ import annotations

import random
from datetime import date, timedelta

from search.signal_gaps import Gap, gaps

FIRST, LAST = date(2026, 1, 1), date(2026, 6, 30)


def weekdays(first: date = FIRST, last: date = LAST) -> set[date]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return {day for day in days if day.weekday() < 5}


def without(days: set[date], first: date, last: date) -> set[date]:
    return {day for day in days if not first <= day <= last}


def test_two_weeks_of_a_daily_mailbox():
    days = without(weekdays(), date(2026, 4, 6), date(2026, 4, 17))
    assert gaps(days, FIRST, LAST) == [
        Gap(date(2026, 4, 4), date(2026, 4, 19), date(2026, 4, 3), date(2026, 4, 20), 10)
    ]


def test_one_week_of_a_daily_mailbox_and_no_shorter_one():
    week = without(weekdays(), date(2026, 4, 6), date(2026, 4, 10))
    assert [(gap.first, gap.weekdays) for gap in gaps(week, FIRST, LAST)] == [(date(2026, 4, 4), 5)]
    four = without(weekdays(), date(2026, 4, 6), date(2026, 4, 9))
    assert gaps(four, FIRST, LAST) == []


def test_weekends_are_no_gaps_and_neither_is_a_mailbox_without_mail():
    assert gaps(weekdays(), FIRST, LAST) == []
    assert gaps(set(), FIRST, LAST) == []
    assert gaps({FIRST}, FIRST, LAST) == []


def test_before_the_first_and_after_the_last_mail_is_no_gap():
    days = weekdays(date(2026, 3, 2), date(2026, 4, 30))
    assert gaps(days, FIRST, LAST) == []


def test_mail_outside_the_window_is_mail_before_and_after():
    inside = weekdays(date(2026, 2, 2))
    assert gaps(inside, FIRST, LAST) == []
    (gap,) = gaps(inside | {date(2025, 12, 30)}, FIRST, LAST)
    assert (gap.first, gap.last, gap.before) == (FIRST, date(2026, 2, 1), date(2025, 12, 30))
    assert gaps(without(weekdays(), date(2026, 4, 6), date(2026, 4, 17)), None, None)[0].weekdays == 10


def test_a_mailbox_with_a_mail_a_week_says_nothing_about_a_month():
    mondays = {day for day in weekdays() if day.weekday() == 0}
    assert gaps(without(mondays, date(2026, 4, 1), date(2026, 4, 30)), FIRST, LAST) == []


def test_random_mailboxes_are_named_less_often_than_the_rule_allows():
    rng = random.Random(4)
    named = 0
    for _ in range(400):
        share = rng.uniform(0.15, 0.95)
        days = {day for day in weekdays() if rng.random() < share}
        named += bool(gaps(days, FIRST, LAST))
    assert named <= 2  # at most one in a thousand is allowed; 400 were drawn with a fixed seed
