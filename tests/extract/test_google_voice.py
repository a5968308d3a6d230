"""Texts, calls and voicemails of Google Voice."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from extract.google_voice import MEDIA_TYPE, GoogleVoiceReader
from extract.protocol import ExtractContext
from extract.registry import choose
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Moment
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract.samples import VOICE_CALL, VOICE_TEXT

ABOUT = {
    "group": "voice:Lee",
    "group_name": "Lee Okafor",
    "members": "Lee Okafor <+12065550101>; +12065550102",
}
LEE = Address("Lee Okafor", "+12065550101")
SAM = Address("", "+12065550102")
AT = Moment(datetime(2026, 3, 2, 17, 15, tzinfo=UTC), "2026-03-02T09:15:00.000-08:00", Basis.STATED)


def read(data: bytes, **about: str) -> Extraction:
    context = ExtractContext(None, MEDIA_TYPE, ZoneInfo("America/Los_Angeles"), metadata=ABOUT | about)
    return GoogleVoiceReader().extract(io.BytesIO(data), context)


def test_a_text_from_somebody() -> None:
    made = read(VOICE_TEXT)
    assert made.text == "Zyzzyva\nat & nine"
    assert made.kind is Kind.MESSAGE
    assert made.fields is not None
    assert (made.fields.sender, made.fields.to) == (LEE, ())
    assert made.fields.participants == (LEE, SAM)
    assert made.fields.moment == AT
    assert (made.fields.thread_key, made.fields.subject) == ("voice:Lee", "Lee Okafor")
    assert made.metadata == {"direction": "received"}


def test_a_text_of_the_owner_goes_to_the_others() -> None:
    data = VOICE_TEXT.replace(b'<span class="fn">Lee Okafor</span>', b'<abbr class="fn" title="">Me</abbr>')
    made = read(data)
    assert made.fields is not None
    assert made.fields.sender == Address("", "+12065550101")
    assert made.fields.to == (LEE, SAM)
    assert made.metadata == {"direction": "sent"}


@pytest.mark.parametrize("words", [b"MMS Received", b"MMS Sent", b""])
def test_what_stands_for_media_is_no_text(words: bytes) -> None:
    assert read(VOICE_TEXT.replace(b"Zyzzyva<br>at &amp; nine", words)).text == ""


@pytest.mark.parametrize(
    ("label", "sender", "to"),
    [("Voicemail", LEE, ()), ("Received", LEE, ()), ("Missed", LEE, ()), ("Placed", None, (LEE,))],
)
def test_a_call(label: str, sender: Address | None, to: tuple[Address, ...]) -> None:
    made = read(VOICE_CALL, labels=f"{label},Inbox")
    assert made.kind is Kind.CALL
    assert made.text == "Zyzzyva calling"
    assert made.fields is not None
    assert (made.fields.sender, made.fields.to, made.fields.moment) == (sender, to, AT)
    assert made.metadata == {"call": label, "duration": "PT1M30S"}


def test_a_caller_without_number_or_name_is_nobody() -> None:
    made = read(
        VOICE_CALL.replace(b"tel:+12065550101", b"tel:").replace(
            b'<span class="fn">Lee Okafor', b'<span class="fn">'
        )
    )
    assert made.fields is not None
    assert made.fields.sender is None


@pytest.mark.parametrize(
    ("title", "moment", "warnings"),
    [
        (b"", NO_MOMENT, (WarningCode.NO_DATE,)),
        (b"2026-03-02T09:15:00", Moment(None, "2026-03-02T09:15:00", Basis.NONE), (WarningCode.BAD_DATE,)),
        (b"soon", Moment(None, "soon", Basis.NONE), (WarningCode.BAD_DATE,)),
    ],
)
def test_times_that_do_not_tell(title: bytes, moment: Moment, warnings: tuple[WarningCode, ...]) -> None:
    made = read(VOICE_TEXT.replace(b"2026-03-02T09:15:00.000-08:00", title))
    assert made.fields is not None
    assert made.fields.moment == moment
    assert made.warnings == warnings


@pytest.mark.parametrize("data", [b"", b"hello", b"<p>x</p>", b"<?xml"])
def test_what_is_neither_is_corrupt(data: bytes) -> None:
    with pytest.raises(ItemError) as found:
        read(data)
    assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, "google_voice")


@example(b"?>")
@given(st.binary(max_size=200))
def test_reads_whatever_stands_in_it(words: bytes) -> None:
    made = read(VOICE_TEXT.replace(b"Zyzzyva", words))
    made.text.encode()
    assert "\0" not in made.text


def test_is_chosen_by_its_label() -> None:
    assert choose(MEDIA_TYPE, None, VOICE_TEXT).name == "google_voice"
