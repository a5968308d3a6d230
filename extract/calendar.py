"""Calendar files and parts (iCalendar, RFC 5545)."""

from __future__ import annotations

import warnings as python_warnings
from datetime import UTC, date, datetime
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import local_moment, undated, zone_doubts
from records.vocabulary import Basis, Kind, Reason, WarningCode

_TYPES = frozenset({"text/calendar", "application/ics"})
_LINES = ("location", "description", "comment", "contact", "url", "status", "categories")


class CalendarReader:
    """Reads one calendar file; several events become one text."""

    name: ClassVar[str] = "calendar"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept by content; the label alone is not enough."""
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].upper()
        if start == b"BEGIN:VCALENDAR":
            return 90
        return 50 if media_type in _TYPES else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the file.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when it is no calendar.
        """
        data = stream.read()
        if not data.strip():
            return Extraction(kind=Kind.EVENT)
        text, guessed = charsets.decode(data, "utf-8")
        found = {WarningCode.CHARSET_GUESSED} if guessed else set()
        components, method = _components(charsets.tidy(text).lstrip("\ufeff"))
        if not components:
            return Extraction(kind=Kind.EVENT, metadata=method)
        moment = _moment(components[0], context, found)
        found.update(undated(moment))
        first = components[0]
        organizer = first.get("organizer")
        return Extraction(
            text="\n\n".join(
                _text(component, skip_summary=number == 0) for number, component in enumerate(components)
            ),
            kind=Kind.EVENT,
            fields=Fields(
                subject=" ".join(_plain(first.get("summary")).split()),
                sender=_address(organizer) if organizer is not None else None,
                to=_attendees(components),
                moment=moment,
                message_id=_plain(first.get("uid")),
            ),
            metadata={**method, **_facts(first), "events": str(len(components))},
            warnings=tuple(sorted(found)),
        )


def _components(text: str) -> tuple[list[Any], dict[str, str]]:
    """Return events, tasks and journal entries in order, and the method."""
    import icalendar  # slow to load, rarely needed

    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            calendars = icalendar.Calendar.from_ical(text, multiple=True)
    except (
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
    ):  # the last of a zone's name
        cut = "END:VCALENDAR" not in text.upper()
        raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "icalendar") from None
    found: list[Any] = []
    method: dict[str, str] = {}
    for calendar in calendars:
        if calendar.get("method") and not method:
            method = {"method": _plain(calendar.get("method")).upper()}
        found.extend(part for part in calendar.walk() if part.name in ("VEVENT", "VTODO", "VJOURNAL"))
    if not found and "END:VCALENDAR" not in text.upper():
        raise ItemError(Reason.TRUNCATED, "icalendar")
    return found, method


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    raw = value.to_ical() if hasattr(value, "cats") else str(value)
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return charsets.tidy(charsets.without_surrogates(text))


def _address(value: Any) -> Address:
    stated = _plain(value)
    address = stated[7:] if stated.lower().startswith("mailto:") else stated
    params = getattr(value, "params", {})
    return Address(_plain(params.get("CN")), address.strip())


def _attendees(components: list[Any]) -> tuple[Address, ...]:
    people: dict[Address, None] = {}
    for component in components:
        stated = component.get("attendee")
        for value in stated if isinstance(stated, list) else ([stated] if stated is not None else []):
            people[_address(value)] = None
    return tuple(people)


def _moment(component: Any, context: ExtractContext, found: set[WarningCode]) -> Moment:
    stated = component.get("dtstart") or component.get("due")
    if stated is None:
        return NO_MOMENT
    text = stated.to_ical().decode("utf-8", "replace") if hasattr(stated, "to_ical") else str(stated)
    value = getattr(stated, "dt", None)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            try:
                return Moment(value.astimezone(UTC), text, Basis.STATED)
            except (OverflowError, ValueError):
                return Moment(None, text, Basis.NONE)
        moment = local_moment(value, text, context.time_zone)
    elif isinstance(value, date):
        # A whole day (VALUE=DATE) floats: it begins at midnight where the reader is.
        moment = local_moment(datetime(value.year, value.month, value.day), text, context.time_zone)  # noqa: DTZ001
    else:
        return Moment(None, text, Basis.NONE)
    found.update(zone_doubts(moment, context.time_zone))
    return moment


def _text(component: Any, *, skip_summary: bool) -> str:
    lines = [] if skip_summary else [_plain(component.get("summary"))]
    for name in _LINES:
        value = _plain(component.get(name))
        if value:
            lines.append(value if name == "description" else f"{name.capitalize()}: {value}")
    organizer = component.get("organizer")
    if organizer is not None:
        lines.append(f"Organizer: {_shown(_address(organizer))}")
    lines.extend(f"Attendee: {_shown(person)}" for person in _attendees([component]))
    lines.extend(
        f"Reminder: {text}" for alarm in component.subcomponents if (text := _plain(alarm.get("description")))
    )
    return "\n".join(line for line in lines if line)


def _shown(person: Address) -> str:
    return f"{person.name} <{person.address}>" if person.name else person.address


def _facts(component: Any) -> dict[str, str]:
    facts = {}
    for name in ("dtend", "rrule", "recurrence-id", "sequence", "transp", "class"):
        value = component.get(name)
        if value is not None and not isinstance(value, list):
            raw = value.to_ical() if hasattr(value, "to_ical") else str(value)
            facts[name] = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return facts
