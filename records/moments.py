"""Times: one reading of mail dates, epochs and local times, and the window test that all rooms share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from records import canonical
from records.models import NO_MOMENT, Moment, Window
from records.vocabulary import Basis, WarningCode

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""Mail dates before this are writing errors (real exports hold the year 0002)."""

_REFERENCE_DATE = datetime(2001, 1, 1, tzinfo=UTC)
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

EDGE = timedelta(hours=24)
"""How near a window's edge an assumed zone leaves the day in doubt."""

_UTC = ZoneInfo("UTC")
_SPACES = re.compile(r"\s+")
_SHORT_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_PLAIN_DATE = re.compile(
    r"(?:[a-z]{3}, ?)?(\d{1,2}) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec) (\d{4}) "
    r"(\d{1,2}):(\d{2})(?::(\d{2}))? ([+-])(\d{2})(\d{2})(?: \([^()]*\))?",
    re.IGNORECASE,
)
_YEAR_OF_OLD = re.compile(r"[a-z]{3} 0\d{3}\b", re.IGNORECASE)
"""A four-digit year such as 0002, which the general reader would take for 2002."""


def mail_moment(text: str | None, zone: ZoneInfo) -> Moment:
    """Read the body of an RFC 5322 Date field.

    Args:
        text: Header value as stated, or None when the field is absent.
        zone: Applied when the field states no zone (then the basis is ``assumed_zone``).

    Returns:
        A moment whose ``at`` is None when the text is no date or its year is not in 1980…(now + 2).
    """
    if text is None or not text.strip():
        return NO_MOMENT
    stated = _SPACES.sub(" ", text).strip()
    plain = _PLAIN_DATE.fullmatch(stated)
    if plain is not None:
        return _plain_moment(plain, stated)
    if _YEAR_OF_OLD.search(stated):
        return Moment(None, stated, Basis.NONE)
    try:
        local = parsedate_to_datetime(stated)
    except (ValueError, TypeError, IndexError, OverflowError):
        return Moment(None, stated, Basis.NONE)
    if local.tzinfo is not None:
        return _trusted(local, stated, Basis.STATED)
    if stated.endswith("-0000"):  # RFC 5322 section 3.3: the time is UTC, the sender's zone is not told
        return _trusted(local.replace(tzinfo=UTC), stated, Basis.STATED)
    return local_moment(local, stated, zone)


def _plain_moment(found: re.Match[str], stated: str) -> Moment:
    """Read the usual form directly: most mail has it, and the general reader is several times slower."""
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    seconds = int(second or 0)
    if int(hours) > 14 or int(minutes) > 59 or seconds > 60:
        return Moment(None, stated, Basis.NONE)  # no zone on Earth is that far off
    clock = (int(hour), int(minute), min(seconds, 59))  # RFC 5322 section 3.3 allows :60, a leap second
    try:
        local = datetime(int(year), _SHORT_MONTHS[month.lower()], int(day), *clock, tzinfo=UTC)
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        at = local - offset if sign == "+" else local + offset
    except (ValueError, OverflowError):
        return Moment(None, stated, Basis.NONE)
    return _trusted(at, stated, Basis.STATED)


def local_moment(local: datetime, text: str, zone: ZoneInfo) -> Moment:
    """Place a naive local time in ``zone``; the result says that the zone was assumed."""
    try:
        at = local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return Moment(None, text, Basis.NONE)
    return _trusted(at, text, Basis.ASSUMED_ZONE)


def iso_moment(text: str, zone: ZoneInfo | None = None) -> Moment:
    """Read a time in ISO 8601 as a source states it.

    Args:
        text: As stated; empty for none.
        zone: Applied when no offset is stated; None: a time without an offset is not trusted.
    """
    if not text:
        return NO_MOMENT
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return Moment(None, text, Basis.NONE)
    if at.tzinfo is not None:
        return _trusted(at, text, Basis.STATED)
    return local_moment(at, text, zone) if zone is not None else Moment(None, text, Basis.NONE)


def as_facts(moment: Moment) -> dict[str, str]:
    """Return a moment as facts, for a record whose bytes alone do not tell its time; see ``of_facts``."""
    facts = {"at_text": moment.text, "at_basis": moment.basis.value}
    return facts if moment.at is None else facts | {"at": canonical.utc_text(moment.at)}


def of_facts(facts: Mapping[str, str]) -> Moment:
    """Return the moment that ``as_facts`` put there; without a time where there is none."""
    stated = facts.get("at", "")
    at = datetime.fromisoformat(stated) if stated else None
    return Moment(at, facts.get("at_text", ""), Basis(facts.get("at_basis", Basis.NONE.value)))


def undated(moment: Moment) -> tuple[WarningCode, ...]:
    """Return what is to be said of a record that always should have a time, and has none that can be read."""
    if moment.at is not None:
        return ()
    return (WarningCode.BAD_DATE,) if moment.text else (WarningCode.NO_DATE,)


def zone_doubts(moment: Moment, zone: ZoneInfo) -> tuple[WarningCode, ...]:
    """Return what a reader must know of a time whose zone was assumed; nothing for any other time.

    A clock that is set back shows one hour twice. A local time in it is taken as the earlier one, and marked.

    Args:
        moment: The time.
        zone: The zone that was assumed for it.
    """
    if moment.at is None or moment.basis is not Basis.ASSUMED_ZONE:
        return ()
    local = moment.at.astimezone(zone)
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return (WarningCode.ASSUMED_ZONE, WarningCode.AMBIGUOUS_HOUR) if twice else (WarningCode.ASSUMED_ZONE,)


def epoch_moment(value: int, text: str) -> Moment:
    """Read seconds, milliseconds, microseconds or nanoseconds since 1970 by magnitude.

    The unit is the one that puts the time between 1995 and tomorrow; none does: no trustworthy time.
    """
    latest = datetime.now(UTC) + timedelta(days=1)
    for divisor in (1, 1_000, 1_000_000, 1_000_000_000):
        whole, rest = divmod(value, divisor)
        try:
            at = datetime.fromtimestamp(whole, UTC) + timedelta(microseconds=rest * 1_000_000 // divisor)
        except (OverflowError, ValueError, OSError):
            continue
        if at.year >= 1995 and at <= latest:
            return Moment(at, text, Basis.STATED)
    return Moment(None, text, Basis.NONE)


def filetime_moment(filetime: int | None) -> Moment:
    """Return a time that is counted in 100 ns since 1601 (MS-DTYP section 2.3.3); 0 is none."""
    if not filetime:
        return NO_MOMENT
    seconds, rest = divmod(filetime, 10_000_000)
    try:
        text = f"{_FILETIME_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:07}Z"
    except OverflowError:
        return Moment(None, str(filetime), Basis.NONE)
    return iso_moment(text)


def apple_moment(value: float, text: str) -> Moment:
    """Read a time since 2001, Apple's reference date: nanoseconds from 10^12 on, else seconds.

    Systems before iOS 11 and macOS 10.13 wrote seconds. A result outside of 1995 to tomorrow is no time that
    can be trusted.

    Args:
        value: As stored; a real number is seconds with a fraction.
        text: The source's own spelling of it.
    """
    try:
        whole = int(value) // 1_000 if abs(value) >= 10**12 else round(value * 1_000_000)
        at = _REFERENCE_DATE + timedelta(microseconds=whole)
    except (OverflowError, ValueError):  # more than a calendar holds, or no number at all
        return Moment(None, text, Basis.NONE)
    if at.year < 1995 or at > datetime.now(UTC) + timedelta(days=1):
        return Moment(None, text, Basis.NONE)
    return Moment(at, text, Basis.STATED)


_LONG_DATE = re.compile(
    r"(?:[A-Za-z]+,\s+)?(?:(?P<month>[A-Z][a-z]+)\s+(?P<day>\d{1,2}),|(?P<first>\d{1,2})\s+(?P<then>[A-Z][a-z]+))"
    r"\s+(?P<year>\d{4})(?:,|\s+at)?\s+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?(?P<zone>\s+(?:UTC|GMT|Z))?"
)
_LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_MONTHS = {form: n for n, name in enumerate(_LONG_MONTHS, 1) for form in (name, name[:3])}


def long_date_moment(text: str | None, zone: ZoneInfo) -> Moment:
    """Read an English long date such as ``Tuesday, March 4, 2025 at 6:20:34 PM UTC`` (Google Takeout).

    Meta's pages write ``Sep 13, 2020, 12:26 PM`` or ``13 Sep 2020, 12:26``, imessage-exporter ``Mar 04, 2025
    10:20:34 AM``.

    Args:
        text: As stated, or None; the space before AM or PM may be U+202F. Without either, 24-hour clock.
        zone: Applied when it names no zone (then the basis is ``assumed_zone``).
    """
    if text is None or not text.strip():
        return NO_MOMENT
    found = _LONG_DATE.fullmatch(text.strip())
    month = _MONTHS.get(found["month"] or found["then"]) if found is not None else None
    if found is None or month is None:
        return Moment(None, text, Basis.NONE)
    hour = int(found["hour"])
    if found["half"]:
        hour = (hour % 12 if 1 <= hour <= 12 else 99) + (12 if found["half"] in "Pp" else 0)
    day, second = int(found["day"] or found["first"]), int(found["second"] or 0)
    try:
        local = datetime(  # noqa: DTZ001 - the zone is applied on the next lines
            int(found["year"]), month, day, hour, int(found["minute"]), second
        )
    except ValueError:
        return Moment(None, text, Basis.NONE)
    if found["zone"]:
        return _trusted(local.replace(tzinfo=UTC), text, Basis.STATED)
    return local_moment(local, text, zone)


_POST_DATE = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d\d:\d\d:\d\d) ([+-]\d{4}) (\d{4})")


def post_moment(text: str) -> Moment:
    """Read the two forms that X writes: ``Wed Mar 06 20:00:00 +0000 2024``, and ISO 8601 with its zone."""
    if not text:
        return NO_MOMENT
    found = _POST_DATE.fullmatch(text)
    if found is not None:
        month, day, clock, zone, year = found.groups()
        read = mail_moment(f"{day} {month} {year} {clock} {zone}", _UTC)
        return Moment(read.at, text, read.basis)
    try:
        return iso_moment(text)
    except OverflowError:  # before the year 1 in UTC
        return Moment(None, text, Basis.NONE)


def _trusted(at: datetime, text: str, basis: Basis) -> Moment:
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # before the year 1
        return Moment(None, text, Basis.NONE)
    if at < EARLIEST or at.year > datetime.now(UTC).year + 2:
        return Moment(None, text, Basis.NONE)
    return Moment(at, text, basis)


class Place(Enum):
    """Where a moment lies with regard to a window."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    IN_DOUBT = "in doubt"  # no trustworthy date, or an assumed zone within 24 h of an edge: kept and flagged


def place_in(window: Window, moment: Moment) -> Place:
    """Say whether a moment lies in the window.

    Days are whole days in the request's zone, both ends inclusive. Only what is surely outside is outside.
    """
    if window.first is None and window.last is None:
        return Place.INSIDE
    if moment.at is None:
        return Place.IN_DOUBT
    slack = EDGE if moment.basis is not Basis.STATED else timedelta(0)
    start = midnight(window.first, window.zone) if window.first else None
    end = midnight(window.last + timedelta(days=1), window.zone) if window.last else None
    if (start and moment.at < start - slack) or (end and moment.at >= end + slack):
        return Place.OUTSIDE
    if slack and ((start and moment.at < start + slack) or (end and moment.at >= end - slack)):
        return Place.IN_DOUBT
    return Place.INSIDE


@lru_cache(maxsize=256)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day of a zone begins, in UTC."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)
