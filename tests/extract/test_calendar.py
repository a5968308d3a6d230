"""Calendar files and parts."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from extract.calendar import CalendarReader
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract.samples import CALENDAR, context


def read(data: bytes) -> Extraction:
    return CalendarReader().extract(io.BytesIO(data), context())


def event(*lines: str) -> bytes:
    return "\r\n".join(
        ["BEGIN:VCALENDAR", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""]
    ).encode()


def test_an_invitation() -> None:
    got = read(CALENDAR)
    assert got.kind is Kind.EVENT
    assert got.fields.subject == "Bus route, north"
    assert got.fields.sender == Address("Ana Ruiz", "ana.ruiz@example.org")
    assert got.fields.to == (Address("Kim Tran", "kim.tran@example.org"), Address("", "lee@example.org"))
    assert got.fields.moment.at == datetime(2026, 3, 2, 17, 15, tzinfo=UTC)
    assert got.fields.moment.basis is Basis.STATED
    assert got.fields.message_id == "u1@example.org"
    assert got.text == (
        "Location: Room 5\nFirst line\nsecond line\nOrganizer: Ana Ruiz <ana.ruiz@example.org>\n"
        "Attendee: Kim Tran <kim.tran@example.org>\nAttendee: lee@example.org"
    )
    assert got.metadata["method"] == "REQUEST"
    assert got.warnings == ()


@pytest.mark.parametrize(
    ("line", "at", "basis", "warnings"),
    [
        ("DTSTART:20260302T171500Z", datetime(2026, 3, 2, 17, 15, tzinfo=UTC), Basis.STATED, ()),
        (
            "DTSTART;TZID=Pacific Standard Time:20260302T091500",
            datetime(2026, 3, 2, 17, 15, tzinfo=UTC),
            Basis.STATED,
            (),
        ),
        (
            "DTSTART:20260302T091500",
            datetime(2026, 3, 2, 17, 15, tzinfo=UTC),
            Basis.ASSUMED_ZONE,
            (WarningCode.ASSUMED_ZONE,),
        ),
        (
            "DTSTART;VALUE=DATE:20260302",
            datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
            Basis.ASSUMED_ZONE,
            (WarningCode.ASSUMED_ZONE,),
        ),
        ("SUMMARY:no time", None, Basis.NONE, (WarningCode.NO_DATE,)),
    ],
)
def test_times(line: str, at: datetime | None, basis: Basis, warnings: tuple[WarningCode, ...]) -> None:
    got = read(event(line))
    assert (got.fields.moment.at, got.fields.moment.basis, got.warnings) == (at, basis, warnings)


def test_several_events_are_one_text() -> None:
    two = event(
        "SUMMARY:One",
        "DTSTART:20260302T171500Z",
        "DESCRIPTION:first",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "SUMMARY:Two",
    )
    got = read(two)
    assert (got.fields.subject, got.text, got.metadata["events"]) == ("One", "first\n\nTwo", "2")


def test_a_calendar_without_events_has_no_text() -> None:
    got = read(b"BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n")
    assert (got.text, got.fields, got.metadata) == ("", None, {"method": "PUBLISH"})


@pytest.mark.parametrize(
    ("data", "reason"),
    [(CALENDAR[:200], Reason.TRUNCATED), (b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\nEND:VCALENDAR", Reason.CORRUPT)],
)
def test_broken_files(data: bytes, reason: Reason) -> None:
    with pytest.raises(ItemError) as raised:
        read(data)
    assert raised.value.reason is reason


def test_windows_1252_is_guessed() -> None:
    got = read(event("SUMMARY:caf@", "DTSTART:20260302T171500Z").replace(b"@", b"\xe9"))
    assert (got.fields.subject, got.warnings) == ("café", (WarningCode.CHARSET_GUESSED,))
