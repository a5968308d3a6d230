"""Retention periods: what a schedule's words mean as numbers and days.

Two spellings are read: the short one of ``schedule.csv`` (``2 years``, ``0 (keep only while needed)``) and
the sentence of the State Archives' own schedules (``Retain for 2 years after … then Destroy.``). What is not
surely understood is said to be so; it is never guessed, because a period read too short destroys a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

NOT_CONFIRMED = "not confirmed"
APPRAISAL = "Transfer to State Archives (appraisal)"
TRANSFER = "Transfer to State Archives"
DESTROY = "Destroy"

_MOST_YEARS = 500
"""A longer period is a misreading: the longest that schedules know is about a century."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, in numbers. Years, months and days add up; all None: no period in numbers.

    Attributes:
        years: Whole years after the cut-off; 0 for none beyond it; None when no number of years is known.
        months: Whole months beside the years, or None.
        days: Days beside the years, or None.
        while_needed: Kept until no longer needed for agency business: a person says when that is.
        permanent: Never destroyed.
        at_least: The number is a floor; the period in force may be longer.
        suspended: No period of its own: destruction is suspended (a hold).
        not_confirmed: No period could be read with certainty.
    """

    years: int | None = None
    months: int | None = None
    days: int | None = None
    while_needed: bool = False
    permanent: bool = False
    at_least: bool = False
    suspended: bool = False
    not_confirmed: bool = False


UNKNOWN = Retention(not_confirmed=True)


@dataclass(frozen=True, slots=True)
class Statement:
    """A retention and disposition action, taken apart.

    Attributes:
        cutoff_event: From when the period counts, in the schedule's words; ``not confirmed`` when not
            understood.
        retention_text: The period in short words (``2 years``), or the whole sentence when not understood.
        retention: The period in numbers.
        disposition: ``Destroy``, ``Transfer to State Archives (appraisal)``, ``Transfer to State Archives``,
            ``Retain permanently``, other words as they stand, or ``not confirmed``.
    """

    cutoff_event: str
    retention_text: str
    retention: Retention
    disposition: str


_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBER = rf"(?:\d{{1,4}}|{'|'.join(_WORDS)})"
_PERIOD = rf"(?P<number>{_NUMBER})(?:\s*\(\s*\d{{1,4}}\s*\))?[\s-]+(?P<unit>year|month|week|day)s?"
_SHORT = re.compile(
    rf"(?P<least>at least |a minimum of )?{_PERIOD}(?:\s*\((?P<note>[^()]*)\))?\.?", re.IGNORECASE
)
_KEEP = re.compile(
    rf"(?:for\s+)?(?P<least>at\s+least\s+|a\s+minimum\s+of\s+)?{_PERIOD}\s+(?:after|from|following)\s+(?P<event>.+)",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"until\s+(?P<event>.+)", re.IGNORECASE)
_FOREVER = re.compile(
    r"(?:permanent(?:ly)?|for\s+(?:the\s+)?life\s+of\s+(?:the\s+)?agency)\b.*", re.IGNORECASE
)
_NEEDED = re.compile(r"no\s+longer\s+needed(?:\s+for\s+agency\s+business)?", re.IGNORECASE)
_AND_NEEDED = re.compile(
    r"\s*,?\s*\(?\s*and\s+(?:until\s+)?no\s+longer\s+needed(?:\s+for\s+agency\s+business)?\s*\)?\s*$",
    re.IGNORECASE,
)
_THEN = re.compile(r"[\s,;]+then\b(?!-)[\s,:]*(?=\S)", re.IGNORECASE)
_TO_ARCHIVES = re.compile(
    r"transfer to (?:the )?(?:washington )?state archives"
    r"(?: for (?:permanent retention|(?P<appraisal>appraisal(?: and selective retention)?)))?"
)
_SPACES = re.compile(r"\s+")
_SECOND_PERIOD = re.compile(
    rf"\b{_NUMBER}[\s-]+(?:year|month|week|day)s?\b(?!\s+(?:of\s+age|old)\b)", re.IGNORECASE
)
_SEVERAL = re.compile(r"\bretain\b|(?:^|\s)\(?[a-d]\)\s", re.IGNORECASE)
_OR_SOONER = re.compile(
    r"\bwhichever\s+(?:is|occurs|comes)\s+(?:sooner|first|earlier)\b|\bor\s+until\b", re.IGNORECASE
)


def parse_retention(text: str) -> Retention:
    """Read a period in the short spelling.

    Args:
        text: ``6 years (recalled)``, ``at least 1 year (statutory floor)``, ``0 (keep only while needed)``,
            ``Permanent, or until transferred``, ``suspend destruction``, ``30 days``, ``not confirmed``.

    Returns:
        The period; ``not_confirmed`` for anything else.
    """
    said = _SPACES.sub(" ", text).strip()
    low = said.lower()
    if low.startswith("permanent"):
        return Retention(permanent=True)
    if low == "suspend destruction":
        return Retention(suspended=True)
    if low in {"0 (keep only while needed)", "while needed"}:
        return Retention(years=0, while_needed=True)
    found = _SHORT.fullmatch(said)
    return _period(found, while_needed=False) if found else UNKNOWN


def parse_statement(text: str) -> Statement:
    """Take the retention and disposition action of a State Archives schedule apart.

    Args:
        text: The cell, however its lines are broken: ``Retain for 6 years after end of fiscal year then
            Destroy.``

    Returns:
        The parts. A cell with several periods, or with one that ends at the sooner of two events, is not
        understood: its words are kept whole and ``retention.not_confirmed`` is set: a person reads it.
    """
    said = _SPACES.sub(" ", text).strip()
    body = re.sub(r"^retain\b\s*", "", said, flags=re.IGNORECASE)
    cut = _THEN.search(body)
    keep, action = (body[: cut.start()], body[cut.end() :]) if cut else (body, "")
    keep = keep.strip().rstrip(".;,").strip()
    disposition = parse_disposition(action)
    if _SEVERAL.search(body) or _OR_SOONER.search(keep) or _THEN.search(" " + action):
        return Statement(NOT_CONFIRMED, said or NOT_CONFIRMED, UNKNOWN, disposition)
    if _FOREVER.fullmatch(keep):
        action = disposition if action.strip() else "Retain permanently"
        return Statement("none", "Permanent", Retention(permanent=True), action)
    found = _KEEP.fullmatch(
        re.sub(r"^until\s+(?=\S+\s+(?:year|month|week|day)s?\b)", "", keep, flags=re.IGNORECASE)
    )
    if found and not _SECOND_PERIOD.search(found["event"]):
        event, needed = split_needed(found["event"])
        retention = _period(found, while_needed=needed)
        if not retention.not_confirmed:
            return Statement(event, _in_words(retention), retention, disposition)
    until = _UNTIL.fullmatch(keep)
    if until and not _SECOND_PERIOD.search(keep):
        return _until(until["event"].strip(), disposition)
    return Statement(NOT_CONFIRMED, said or NOT_CONFIRMED, UNKNOWN, disposition)


def _until(event: str, disposition: str) -> Statement:
    """``Retain until …``: no time beyond the event."""
    if _NEEDED.fullmatch(event):
        retention = Retention(years=0, while_needed=True)
        return Statement("no longer needed for agency business", _in_words(retention), retention, disposition)
    event, needed = split_needed(event)
    retention = Retention(years=0, while_needed=needed)
    return Statement(event, _in_words(retention), retention, disposition)


def parse_disposition(text: str) -> str:
    """Return the action after ``then`` in the words this project uses; other words as they stand."""
    said = _SPACES.sub(" ", text).strip().rstrip(".").strip()
    low = said.lower()
    if not said:
        return NOT_CONFIRMED
    if low == "destroy":
        return DESTROY
    found = _TO_ARCHIVES.fullmatch(low)
    if found:
        return APPRAISAL if found["appraisal"] else TRANSFER
    return said


def split_needed(event: str) -> tuple[str, bool]:
    """Take ``(and until no longer needed for agency business)`` off an event; say whether it was there."""
    bare = _AND_NEEDED.sub("", event)
    return bare.strip(), bare != event


def _period(found: re.Match[str], *, while_needed: bool) -> Retention:
    word = found["number"].lower()
    number = _WORDS.index(word) + 1 if word in _WORDS else int(word)
    unit = found["unit"].lower()
    least = bool(found["least"])
    if unit == "year" and number <= _MOST_YEARS:
        return Retention(years=number, while_needed=while_needed, at_least=least)
    if unit == "month" and number <= _MOST_YEARS * 12:
        return Retention(months=number, while_needed=while_needed, at_least=least)
    if unit in {"day", "week"}:
        days = number * (7 if unit == "week" else 1)
        return Retention(days=days, while_needed=while_needed, at_least=least)
    return UNKNOWN


def _in_words(retention: Retention) -> str:
    if retention.years == 0:
        return "0 (keep only while needed)" if retention.while_needed else "0 (until the event)"
    parts = [
        f"{number} {unit}{'' if number == 1 else 's'}"
        for number, unit in ((retention.years, "year"), (retention.months, "month"), (retention.days, "day"))
        if number is not None
    ]
    tail = " (and until no longer needed for agency business)" if retention.while_needed else ""
    return ("at least " if retention.at_least else "") + ", ".join(parts) + tail


# --- days ----------------------------------------------------------------------------------------------

_ON_THE_DAY = re.compile(
    r"communication received or provided(?:, whichever is later)?"
    r"|date of (?:the )?(?:document|communication|message)"
)
_YEAR_ENDS = {
    "end of calendar year": (12, 31),
    # A Washington school district's fiscal year ends with August (RCW 28A.505.030). The school year is taken
    # to end then too: no earlier than any last day of class, so a period is never read too short.
    "end of fiscal year": (8, 31),
    "end of school year": (8, 31),
}


def cutoff_on(event: str, day: date | None) -> date | None:
    """Return the day a cut-off event happened, as far as the record's own date tells it.

    Args:
        event: The cut-off event of the series.
        day: The record's own day in the request's zone, or None when it has no trustworthy one.

    Returns:
        The day, or None when only people can know it (``matter resolved``, ``contract expired`` …).
    """
    if day is None:
        return None
    said, _ = split_needed(_SPACES.sub(" ", event).strip().lower())
    if _ON_THE_DAY.fullmatch(said):
        return day
    if said not in _YEAR_ENDS:
        return None
    month, last = _YEAR_ENDS[said]
    end = date(day.year, month, last)
    if end >= day:
        return end
    return date(day.year + 1, month, last) if day.year < date.max.year else None


def earliest_on(retention: Retention, cutoff: date | None) -> date | None:
    """Return the first day on which the whole period has run.

    Args:
        retention: The period.
        cutoff: The day it counts from, or None.

    Returns:
        Cut-off plus period: 2 years after 2 March 2026 is 2 March 2028. Where that day does not exist (29
        February) it is the next one, 1 March: the period is never cut short. None when the cut-off is not
        known, when there is no period in numbers, and for a bare "while needed", which ends when a person
        says so.
    """
    bare_need = retention.while_needed and retention.years == 0
    if cutoff is None or bare_need or retention.permanent or retention.suspended or retention.not_confirmed:
        return None
    if retention.years is None and retention.months is None and retention.days is None:
        return None
    months = cutoff.month - 1 + (retention.months or 0)
    year, month = cutoff.year + (retention.years or 0) + months // 12, months % 12 + 1
    try:
        return _on_or_after(year, month, cutoff.day) + timedelta(days=retention.days or 0)
    except (ValueError, OverflowError):
        return None  # beyond the year 9999


def _on_or_after(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        if not 1 <= year <= date.max.year:
            raise
        return date(year + month // 12, month % 12 + 1, 1)
