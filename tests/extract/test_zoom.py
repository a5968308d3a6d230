"""Chat messages and transcripts of Zoom."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.zoom import MESSAGE_TYPE, TranscriptReader, ZoomChatReader
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

ZONE = ZoneInfo("America/Los_Angeles")
ABOUT = {
    "group": "m/chat.txt",
    "group_name": "Board 123",
    "at": "2025-03-04T18:20:34Z",
    "at_text": "10:20:34",
    "at_basis": "assumed_zone",
}
AT = datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)


def said(data: bytes, **about: str) -> Extraction:
    context = ExtractContext(None, MESSAGE_TYPE, ZONE, metadata=about or ABOUT)
    return ZoomChatReader().extract(io.BytesIO(data), context)


def transcript(text: str, **about: str) -> Extraction:
    context = ExtractContext("t.vtt", "text/vtt", ZONE, metadata=about)
    return TranscriptReader().extract(io.BytesIO(text.encode()), context)


@pytest.mark.parametrize(
    ("data", "sender", "to", "text", "direct"),
    [
        (b"10:20:34\t From Ana Ruiz to Everyone : hello\n", "Ana Ruiz", "Everyone", "hello", False),
        (b"10:20:34 From Ana to Lee(Privately) : a\r\nb\r\n", "Ana", "Lee", "a\nb", True),
        (b"2025-03-04 10:20:34 From Ana to Lee Okafor(Direct Message):\n\ta\n\n\tb: c\n", "Ana",
         "Lee Okafor", "a\n\nb: c", True),
        (b"10:20:34\t From  Ana to  Everyone : 12:30 From us to you : x\n", "Ana", "Everyone",
         "12:30 From us to you : x", False),
        (b"00:21:14\tAna Ruiz:\thello\ttabs\r\n", "Ana Ruiz", "", "hello\ttabs", False),
        (b"10:20:34\t From Ana to Everyone : \n", "Ana", "Everyone", "", False),
    ],
)  # fmt: skip
def test_a_message(data: bytes, sender: str, to: str, text: str, direct: bool) -> None:
    made = said(data)
    assert made.fields is not None
    assert made.kind is Kind.CHAT
    assert made.fields.sender == Address(sender, "")
    assert made.fields.to == ((Address(to, ""),) if to else ())
    assert made.text == text
    assert made.metadata == ({"direct": "true"} if direct else {})
    assert made.fields.moment == Moment(AT, "10:20:34", Basis.ASSUMED_ZONE)
    assert made.fields.thread_key == "m/chat.txt"
    assert made.fields.subject == "Board 123"
    assert made.warnings == ()


def test_a_message_without_a_day_says_so() -> None:
    made = said(b"10:20:34\t From Ana to Everyone : x\n", at_text="10:20:34", at_basis="none")
    assert made.fields is not None
    assert made.fields.moment == Moment(None, "10:20:34", Basis.NONE)


def test_a_charset_that_was_guessed_is_told() -> None:
    made = said(b"10:20:34\t From Jos\xe9 to Everyone : x\n")
    assert made.fields is not None
    assert made.fields.sender == Address("José", "")
    assert made.warnings == (WarningCode.CHARSET_GUESSED,)


def test_what_is_no_message_is_corrupt() -> None:
    with pytest.raises(ItemError) as found:
        said(b"hello\n")
    assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, "zoom_message")


@given(st.binary(max_size=200))
def test_reads_or_refuses_whatever_comes(data: bytes) -> None:
    for begin in (b"", b"10:20:34\t From Ana to Everyone : ", b"00:21:14\tAna:\t"):
        with suppress(ItemError):
            assert "\r" not in said(begin + data).text


def test_a_transcript_is_one_record_with_its_speakers() -> None:
    made = transcript(
        "WEBVTT - meeting\nKind: captions\n\nNOTE by nobody\n\n1\n00:00:05.000 --> 00:00:08.500\n"
        "Ana Ruiz: Good evening.\nThe bus\n\n00:08.500 --> 00:11.000 align:start\n<v.loud Lee Okafor>route "
        "<i>14</i></v>\n\n3\n01:00:00.000 --> 01:00:01.000\n(applause)\n",
        group_name="Board", started_at="2025-03-04T18:20:34Z",
    )  # fmt: skip
    assert made.text.split("\n") == [
        "[00:00:05] Ana Ruiz: Good evening. The bus",
        "[00:08] Lee Okafor: route 14",
        "[01:00:00] (applause)",
    ]
    assert made.fields is not None
    assert made.fields.participants == (Address("Ana Ruiz", ""), Address("Lee Okafor", ""))
    assert made.fields.moment == Moment(AT, "2025-03-04T18:20:34Z", Basis.RELATIVE)
    assert made.metadata == {"captions": "3"}
    assert made.kind is Kind.FILE


def test_a_transcript_without_a_start_has_no_time_and_knows_its_format() -> None:
    made = transcript("\ufeffWEBVTT\n\n00:00.000 --> 00:01.000\nhi\n")
    assert made.fields is not None
    assert (made.text, made.fields.moment) == ("[00:00] hi", NO_MOMENT)
    assert choose("text/plain", "notes.txt", b"WEBVTT\n\n").name == "webvtt"
    assert choose(MESSAGE_TYPE, None, b"").name == "zoom_chat"
    assert choose("text/plain", "notes.txt", b"WEBVTTX\n\n").name != "webvtt"
