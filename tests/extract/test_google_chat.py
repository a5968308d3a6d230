"""Messages of Google Chat."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.google_chat import MEDIA_TYPE, GoogleChatReader
from extract.protocol import ExtractContext
from extract.registry import choose
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Kind, WarningCode

ZONE = ZoneInfo("America/Los_Angeles")
MESSAGE = {
    "creator": {"name": "Ana Ruiz", "email": "ana@example.org", "user_type": "Human"},
    "created_date": "Tuesday, March 4, 2025 at 6:20:34\u202fPM UTC",
    "updated_date": "Tuesday, March 4, 2025 at 6:21:00\u202fPM UTC",
    "text": "line one\r\nline two",
    "topic_id": "t1",
    "message_id": "sp/t1/m1",
    "attached_files": [{"original_name": "a.png", "export_name": "File-1.png"}, {"original_name": "b.png"}],
    "reactions": [
        {"emoji": {"unicode": "\U0001f600"}, "reactor_emails": ["lee@example.org", "jo@example.org"]}
    ],
}


def read(value: object, **about: str) -> Extraction:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    context = ExtractContext(None, MEDIA_TYPE, ZONE, metadata=about)
    return GoogleChatReader().extract(io.BytesIO(data), context)


def test_is_chosen_by_its_label() -> None:
    assert choose(MEDIA_TYPE, None, b'{"text": "x"}').name == "google_chat"
    assert GoogleChatReader().score(MEDIA_TYPE, None, b"[1]") is None
    assert GoogleChatReader().score("application/json", "messages.json", b"{}") is None


def test_a_message() -> None:
    made = read(
        MESSAGE, group="Space sp", group_name="Gym", members="Ana Ruiz <ana@example.org>; lee@example.org"
    )
    assert made.kind is Kind.CHAT
    assert made.text == "line one\nline two"
    assert made.fields.subject == "Gym"
    assert made.fields.sender == Address("Ana Ruiz", "ana@example.org")
    assert made.fields.participants == (
        Address("Ana Ruiz", "ana@example.org"),
        Address("", "lee@example.org"),
    )
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert made.fields.thread_key == "Space sp/t1"
    assert made.metadata == {
        "message_id": "sp/t1/m1",
        "topic_id": "t1",
        "updated_date": "Tuesday, March 4, 2025 at 6:21:00\u202fPM UTC",
        "edited": "true",
        "attached_files": "a.png; b.png",
        "reactions": "\U0001f600 lee@example.org, jo@example.org",
    }
    assert made.warnings == ()


def test_a_deleted_message_is_a_record_without_text() -> None:
    made = read(
        {"message_state": "DELETED", "created_date": MESSAGE["created_date"], "message_id": "sp/t1/m2"}
    )
    assert made.text == ""
    assert made.fields.sender is None
    assert made.fields.thread_key == "sp"
    assert made.metadata == {"message_id": "sp/t1/m2", "message_state": "DELETED", "deleted": "true"}


@pytest.mark.parametrize(
    ("date", "warnings"),
    [
        (None, (WarningCode.NO_DATE,)),
        ("4 mars 2025", (WarningCode.BAD_DATE,)),
        ("March 4, 2025 at 6:20:34 PM", (WarningCode.ASSUMED_ZONE,)),
        ("November 2, 2025 at 1:20:34 AM", (WarningCode.AMBIGUOUS_HOUR, WarningCode.ASSUMED_ZONE)),
    ],
)
def test_dates_that_need_a_word(date: str | None, warnings: tuple) -> None:
    assert read({"text": "x", "created_date": date}).warnings == warnings


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_corrupt(data: bytes) -> None:
    with pytest.raises(ItemError, match="corrupt: json"):
        read(data)


def test_half_a_surrogate_pair_becomes_a_mark() -> None:
    assert read(b'{"text": "a\\ud83d b"}').text == "a\ufffd b"


ODD = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "emoji", "original_name"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({*MESSAGE, "message_state"})), ODD))
def test_fields_of_any_type_never_raise(message: dict) -> None:
    read(message).text.encode()


OF_API = {
    "name": "spaces/A/messages/m1",
    "sender": {"name": "users/1", "displayName": "Ana Ruiz", "email": "ana@example.org", "type": "HUMAN"},
    "createTime": "2025-03-04T18:20:34.123456Z",
    "lastUpdateTime": "2025-03-04T18:21:00Z",
    "text": "line one\r\nline two",
    "thread": {"name": "spaces/A/threads/t1"},
    "attachment": [{"contentName": "a.png"}, {"contentName": "b.png"}],
    "emojiReactionSummaries": [{"emoji": {"unicode": "\U0001f600"}, "reactionCount": 2}],
    "quotedMessageMetadata": {
        "name": "spaces/A/messages/m0",
        "quotedMessageSnapshot": {"text": "first\nsecond"},
    },
    "cardsV2": [
        {
            "cardId": "c",
            "card": {
                "header": {"title": "Bus 7", "subtitle": "late"},
                "sections": [{"widgets": [{"textParagraph": {"text": "<b>ten</b> minutes"}}]}],
            },
        }
    ],
}


def test_a_message_of_the_api() -> None:
    made = read(OF_API, group="spaces/A", group_name="Gym", members="Ana Ruiz <ana@example.org>; users/2")
    assert made.kind is Kind.CHAT
    assert made.text == "line one\nline two\nBus 7\nlate\nten minutes\n> first\n> second"
    assert made.fields.subject == "Gym"
    assert made.fields.sender == Address("Ana Ruiz", "ana@example.org")
    assert made.fields.participants == (Address("Ana Ruiz", "ana@example.org"), Address("", "users/2"))
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, 123456, tzinfo=UTC)
    assert made.fields.moment.text == "2025-03-04T18:20:34.123456Z"
    assert made.fields.thread_key == "spaces/A/threads/t1"
    assert made.metadata == {
        "message_id": "spaces/A/messages/m1",
        "updated_date": "2025-03-04T18:21:00Z",
        "edited": "true",
        "quoted_message": "spaces/A/messages/m0",
        "attached_files": "a.png; b.png",
        "reactions": "\U0001f600 2",
    }
    assert made.warnings == ()


def test_a_deleted_message_of_the_api_is_a_record_without_text() -> None:
    made = read(
        {
            "name": "spaces/A/messages/m3",
            "createTime": "2025-03-07T01:00:00Z",
            "deleteTime": "2025-03-08T01:00:00Z",
            "deletionMetadata": {"deletionType": "CREATOR"},
        },
        group="spaces/A",
    )
    assert made.text == ""
    assert made.fields.sender is None
    assert made.fields.thread_key == "spaces/A"
    assert made.metadata == {
        "message_id": "spaces/A/messages/m3",
        "deleted_date": "2025-03-08T01:00:00Z",
        "deleted": "true",
        "deleted_by": "CREATOR",
    }


@given(
    st.dictionaries(
        st.sampled_from(sorted(OF_API)),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["text", "emoji", "name", "card"]), inner, max_size=3)
            ),
            max_leaves=10,
        ),
    )
)
def test_any_shape_of_the_api_is_read(message: dict) -> None:
    made = read({"createTime": "2025-03-07T01:00:00Z"} | message)
    assert made.kind is Kind.CHAT
