"""Times of the school year, in Pacific time with the right offset."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Los_Angeles")
YEAR_FIRST = date(2025, 8, 18)
YEAR_LAST = date(2026, 7, 17)
QUIET = date(2026, 2, 10)
"""A day inside the window of every request: where a file's own date must not matter, it is this one."""

_DAYS = [
    day
    for n in range((YEAR_LAST - YEAR_FIRST).days + 1)
    if (day := YEAR_FIRST + timedelta(days=n)).weekday() < 5 or n % 9 == 0
]


def pacific(year: int, month: int, day: int, hour: int = 9, minute: int = 0, second: int = 0) -> datetime:
    """Return an aware Pacific time."""
    return datetime(year, month, day, hour, minute, second, tzinfo=ZONE)


def school_time(rng: random.Random) -> datetime:
    """Draw a time of the school year: mostly school hours, some evenings."""
    day = _DAYS[int(rng.random() * len(_DAYS))]
    hour = 7 + int(rng.random() * 10) if rng.random() < 0.9 else 17 + int(rng.random() * 6)
    clock = time(hour, int(rng.random() * 60), int(rng.random() * 60))
    return datetime.combine(day, clock, ZONE)


def later(moment: datetime, rng: random.Random) -> datetime:
    """Return a time some minutes to a day and a half after ``moment``, with the offset of that day."""
    passed = timedelta(seconds=120 + int(rng.random() ** 2 * 130_000))
    return (moment.astimezone(UTC) + passed).astimezone(ZONE)


def mail_date(moment: datetime) -> str:
    """Return an RFC 5322 date with its offset."""
    return format_datetime(moment)


def utc_text(moment: datetime) -> str:
    """Return ``2026-02-10T17:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch_ms(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(moment.timestamp()) * 1000
