"""Rows of the Messages database: words, edits, unsent ones, tapbacks, system rows, people."""

from __future__ import annotations

import base64
import io
import json
import plistlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.imessage import Imessage
from examples.exports.imessage import NOON, NS, archived, history
from extract.imessage import DATABASE_TYPE, MEDIA_TYPE, ImessageReader
from extract.protocol import ExtractContext
from extract.registry import choose
from records.errors import ItemError
from records.models import Address, Extraction, Failure
from records.vocabulary import Kind, Reason, WarningCode
from tests.connectors import built_imessage as made
from tests.connectors.builders import context as source
from tests.connectors.builders import everything
from tests.extract.archiver import attributed
from tests.extract.samples import ZONE

ANA, LEE = {"id": "(425) 555-0101", "service": "iMessage"}, {"id": "lee@example.org", "service": "iMessage"}
CHAT = {"guid": "iMessage;+;chat77", "style": 43, "display_name": "Bus 12", "participants": [ANA, LEE]}


def blob(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def read(
    message: dict[str, Any],
    *,
    metadata: dict[str, str] | None = None,
    owner: tuple[str, ...] = (),
    **more: Any,
) -> Extraction:
    row = {"guid": "M-1", "date": NOON, "service": "iMessage", "is_from_me": 0} | message
    native = {
        "schema": "imessage-row/1",
        "row": 1,
        "message": row,
        "handles": {"handle_id": ANA},
        "chats": [CHAT],
    }
    context = ExtractContext(None, MEDIA_TYPE, ZONE, owner, metadata=metadata or {"owner": "c1"})
    return ImessageReader().extract(io.BytesIO(json.dumps(native | more).encode()), context)


def test_a_message_received() -> None:
    got = read({"text": "Gate code?", "destination_caller_id": "+14255550100"})
    assert (got.text, got.kind, got.warnings, got.failure) == ("Gate code?", Kind.MESSAGE, (), None)
    assert got.fields is not None
    ana, lee, owner = Address("", "+14255550101"), Address("", "lee@example.org"), Address("", "+14255550100")
    assert (got.fields.sender, got.fields.to) == (ana, (owner, lee))
    assert got.fields.participants == (ana, lee, owner)
    assert got.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert (got.fields.thread_key, got.fields.message_id, got.fields.subject) == (
        "iMessage;+;chat77",
        "M-1",
        "Bus 12",
    )
    assert got.metadata == {
        "guid": "M-1",
        "service": "iMessage",
        "is_from_me": "0",
        "destination_caller_id": "+14255550100",
    }


@pytest.mark.parametrize(
    ("message", "owner", "chat", "sender"),
    [
        ({"destination_caller_id": "+14255550100"}, ("+14255550199",), {}, Address("", "+14255550100")),
        ({}, ("c@example.org", "(425) 555-0199"), {}, Address("", "+14255550199")),
        ({}, ("x@example.org",), {"last_addressed_handle": "me@example.org"}, Address("", "me@example.org")),
        ({}, (), {}, Address("c1", "")),
    ],
)
def test_what_the_owner_sent_is_of_the_custodian(
    message: dict[str, Any], owner: tuple[str, ...], chat: dict[str, Any], sender: Address
) -> None:
    got = read({"is_from_me": 1, "text": "x"} | message, owner=owner, handles={}, chats=[CHAT | chat])
    assert got.fields is not None
    assert got.fields.sender == sender
    assert got.fields.to == (Address("", "+14255550101"), Address("", "lee@example.org"))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"attributedBody": blob(archived("only here"))}, "only here"),
        ({"attributedBody": blob(archived("same")), "text": "same"}, "same"),
        ({"attributedBody": blob(archived("rich")), "text": "plain"}, "rich\n[text]\nplain"),
        ({"text": "\ufffctest 1\ufffctest 2 \ufffc"}, "test 1\ntest 2"),
        ({"text": "a\r\nb\x00c"}, "a\nbc"),
        ({"text": "half \ud83d of a pair"}, "half \ufffd of a pair"),
        (
            {"text": {"text_base64": base64.b64encode(b"caf\xe9 \xed\xa0\x80").decode()}},
            "caf\ufffd \ufffd\ufffd\ufffd",
        ),
        ({"subject": "Bus", "text": "late"}, "Bus\nlate"),
        ({"text": None}, ""),
    ],
)
def test_words(message: dict[str, Any], text: str) -> None:
    got = read(message)
    assert (got.text, got.failure) == (text, None)


def test_words_of_a_damaged_body_are_salvaged_and_it_is_said() -> None:
    cut = archived("the bus is late")[:-30]
    got = read({"attributedBody": blob(cut)})
    assert (got.text, got.failure) == ("the bus is late", Failure(Reason.CORRUPT, "attributed_body"))
    assert read({"attributedBody": blob(cut), "text": "as it was"}).failure is None


def test_an_edit_keeps_what_was_said_before() -> None:
    summary = history([(762805300.5, "first"), (762805305.0, "second"), (762805310.0, "last")])
    got = read({
        "attributedBody": blob(archived("last")),
        "message_summary_info": blob(summary),
        "date_edited": NOON + 60 * NS,
    })  # fmt: skip
    assert got.text == "last\n[before]\nfirst\n[before]\nsecond"
    assert got.warnings == (WarningCode.EDITED,)
    assert (got.metadata["edited"], got.metadata["edited_at"]) == ("true", "2025-03-04T18:21:34.000000Z")


def test_an_unsent_message_is_said_to_be_one() -> None:
    got = read({"message_summary_info": blob(history(unsent=[0])), "date_edited": NOON + 60 * NS})
    assert got.text == "[unsent]"
    assert got.warnings == (WarningCode.DELETED,)
    assert (got.metadata["event"], got.metadata["deleted"], got.metadata["unsent_parts"]) == (
        "unsent",
        "true",
        "0",
    )


def test_a_part_edited_and_then_unsent_keeps_all_its_words() -> None:
    summary = history([(762805300.5, "first"), (762805305.0, "second")], unsent=[0])
    got = read({"message_summary_info": blob(summary)})
    assert got.text == "[unsent]\n[before]\nfirst\n[before]\nsecond"
    assert got.warnings == (WarningCode.DELETED, WarningCode.EDITED)


def test_deleted_parts_have_their_words() -> None:
    got = read(
        {"text": "what is left"}, deleted_parts=[{"part_index": 1, "part_text": blob(archived("gone"))}]
    )
    assert got.text == "what is left\n[deleted part]\ngone"
    assert got.warnings == (WarningCode.DELETED,)


@pytest.mark.parametrize(
    ("kind", "emoji", "event", "tapback"),
    [
        (2000, None, "tapback", "love"),
        (2005, None, "tapback", "question"),
        (2006, "\U0001f600", "tapback", "\U0001f600"),
        (3001, None, "tapback_removed", "like"),
        (2044, None, "tapback", "2044"),
    ],
)
def test_a_tapback_says_what_and_on_which_part(
    kind: int, emoji: str | None, event: str, tapback: str
) -> None:
    got = read({
        "associated_message_type": kind, "associated_message_guid": "p:2/M-0", "text": "Liked \u201cx\u201d",
        "associated_message_emoji": emoji,
    })  # fmt: skip
    assert (got.metadata["event"], got.metadata["tapback"]) == (event, tapback)
    assert (got.metadata["target"], got.metadata["target_part"]) == ("M-0", "2")
    assert got.fields is not None
    assert (got.fields.in_reply_to, got.text) == ("M-0", "Liked \u201cx\u201d")


def test_a_reply_names_what_it_replies_to() -> None:
    got = read({"thread_originator_guid": "M-0", "thread_originator_part": "0:0:10", "text": "yes"})
    assert got.fields is not None
    assert (got.fields.in_reply_to, got.metadata["reply_to"], got.metadata["thread_originator_part"]) == (
        "M-0", "M-0", "0:0:10",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "event", "text"),
    [
        ({"item_type": 1, "group_action_type": 0}, "join", "[added to the conversation] lee@example.org"),
        (
            {"item_type": 1, "group_action_type": 1},
            "remove",
            "[removed from the conversation] lee@example.org",
        ),
        ({"item_type": 2, "group_title": "Bus 14"}, "rename", "[renamed the conversation] Bus 14"),
        ({"item_type": 3, "group_action_type": 0}, "leave", "[left the conversation]"),
        ({"item_type": 3, "group_action_type": 1}, "photo", "[changed the photo of the conversation]"),
        ({"item_type": 4}, "location", "[shared a location]"),
        ({"item_type": 4, "share_status": 1}, "location_end", "[stopped sharing a location]"),
        ({"item_type": 5}, "kept_audio", "[kept an audio message]"),
        ({"item_type": 6}, "call", "[call]"),
        ({"item_type": 9, "group_action_type": 3}, "system_9_3", ""),
    ],
)
def test_system_rows(message: dict[str, Any], event: str, text: str) -> None:
    got = read(message, handles={"handle_id": ANA, "other_handle": LEE})
    assert (got.metadata["event"], got.text) == (event, text)
    assert got.metadata["other_person"] == "lee@example.org"


def test_a_message_that_did_not_go_out() -> None:
    assert read({"is_from_me": 1, "error": 22, "text": "x"}).warnings == (WarningCode.NOT_SENT,)
    assert read({"is_from_me": 1, "error": 22, "is_delivered": 1, "text": "x"}).warnings == ()
    assert read({"error": 22, "text": "x"}).warnings == ()


def test_mentions_and_attached_files_are_facts() -> None:
    body = attributed("Ana", (3, {"__kIMMentionConfirmedMention": "+14255550101"}))
    got = read(
        {"attributedBody": blob(body)}, attachments=[{"transfer_name": "a\nb.png"}, {"transfer_name": "c"}]
    )
    assert (got.metadata["mentions"], got.metadata["attached_files"]) == ("+14255550101", "a b.png; c")


def test_what_people_saw_of_a_link() -> None:
    objects: list[Any] = [
        "$null",
        {
            "title": plistlib.UID(2),
            "URL": plistlib.UID(3),
            "siteName": plistlib.UID(0),
            "icon": plistlib.UID(5),
        },
        "Route 12\nis late",
        {"NS.base": plistlib.UID(0), "NS.relative": plistlib.UID(4)},
        "https://example.org/12",
        b"\x89PNG",
        {"NS.keys": [plistlib.UID(7)], "NS.objects": [plistlib.UID(8)]},
        "caption",
        "Vote by noon",
        {"title": plistlib.UID(99)},
    ]
    archive = {"$objects": objects, "$top": {"root": plistlib.UID(1)}}
    payload = plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)
    got = read({"text": "https://example.org/12", "payload_data": blob(payload)})
    assert got.text == "https://example.org/12\n> Route 12 is late\n> https://example.org/12\n> Vote by noon"


def test_times_of_delivery_and_reading_in_both_units() -> None:
    got = read({"text": "x", "date_delivered": NOON + NS, "date_read": 762_805_300, "date_retracted": 0})
    assert got.metadata["delivered_at"] == "2025-03-04T18:20:35.000000Z"
    assert got.metadata["read_at"] == "2025-03-04T18:21:40.000000Z"
    assert "retracted_at" not in got.metadata


def test_no_time_and_a_time_that_cannot_be() -> None:
    assert read({"text": "x", "date": 0}).warnings == (WarningCode.NO_DATE,)
    assert read({"text": "x", "date": -(1 << 62)}).warnings == (WarningCode.BAD_DATE,)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"schema": "imessage-row/1"', Reason.CORRUPT),
        (b"[]", Reason.CORRUPT),
        (b'{"schema": "imessage-row/1", "message": 7}', Reason.CORRUPT),
        (b'{"schema": "imessage-row/2", "message": {}}', Reason.UNSUPPORTED),
        (b"[" * 100_000, Reason.CORRUPT),
    ],
)
def test_what_is_no_row_is_refused(data: bytes, reason: Reason) -> None:
    with pytest.raises(ItemError) as caught:
        ImessageReader().extract(io.BytesIO(data), ExtractContext(None, MEDIA_TYPE, ZONE))
    assert caught.value.reason is reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = [
    "text", "attributedBody", "date", "guid", "is_from_me", "item_type", "associated_message_guid",
    "payload_data", "associated_message_type", "message_summary_info", "thread_originator_guid", "error",
    "group_title",
]  # fmt: skip


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(NAMES), JSON),
    st.lists(st.dictionaries(st.just("participants"), JSON)),
    JSON,
)
def test_strange_values_never_break_it(message: dict[str, Any], chats: list[Any], rest: Any) -> None:
    got = read(message, chats=chats, handles=rest, attachments=rest, deleted_parts=rest)
    got.text.encode()
    assert all(isinstance(value, str) for value in got.metadata.values())


def test_rows_and_the_database_as_a_connector_hands_them_over(tmp_path: Path) -> None:
    connector = Imessage(source(made.mac(tmp_path / "s").path))
    texts = {}
    for scope in connector.scopes():
        values, data = everything(connector, scope)
        for value in values:
            if value.native_key in data and getattr(value, "media_type", None) in {MEDIA_TYPE, DATABASE_TYPE}:
                native = data[value.native_key]
                reader = choose(value.media_type, value.name, native[:4_096])
                assert reader is not None
                context = ExtractContext(value.name, value.media_type, ZONE, metadata=value.metadata)
                texts[value.native_key] = (reader.name, reader.extract(io.BytesIO(native), context).text)
    assert texts["M-2"] == ("imessage", "4711 \U0001f600 zanzibar")
    assert texts["M-10"] == ("imessage", "last\n[before]\nfirst")
    assert texts["M-9"] == ("imessage", "words")
    assert texts["chat.db"] == ("imessage_database", "")
    assert len(texts) == 11
