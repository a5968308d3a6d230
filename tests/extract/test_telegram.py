"""Entries of Telegram: texts in pieces, rows of the service, people, both clocks, reactions, odd JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from extract.telegram import MEDIA_TYPE, TelegramReader
from records.errors import ItemError
from records.models import Address
from records.moments import as_facts, epoch_moment, iso_moment
from records.vocabulary import Kind, Reason, WarningCode
from tests.extract.samples import ZONE, context

STATED = as_facts(epoch_moment(1741112434, "1741112434"))
LEE, ANA = Address("Lee Okafor", "user5550102"), Address("Ana Ruiz", "user5550101")


def read(value: dict[str, Any] | bytes, **about: str):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    facts = {"group": "777", "group_name": "Trip", "group_kind": "private_group", **STATED, **about}
    return TelegramReader().extract(io.BytesIO(data), context(media_type=MEDIA_TYPE, metadata=facts))


def message(**about: Any) -> dict[str, Any]:
    return {"id": 5, "type": "message", "from": "Lee Okafor", "from_id": "user5550102", "text": "hi", **about}


def test_a_text_in_pieces_is_one_text_and_its_links_go_along() -> None:
    made = read(
        message(
            text=[
                "See ",
                {"type": "bold", "text": "the "},
                {"type": "text_link", "text": "plan", "href": "https://example.org/p"},
                {"type": "link", "text": "https://a.org"},
            ]
        )
    )
    assert made.text == "See the plan https://a.org"
    assert made.links == ("https://example.org/p",)
    assert (made.kind, made.fields.sender, made.fields.thread_key) == (Kind.CHAT, LEE, "777")
    assert (made.fields.message_id, made.fields.subject) == ("777/5", "Trip")


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"type": "bold", "text": "un"}, {"type": "italic", "text": "clear"}], "unclear"),
        (["(", {"type": "link", "text": "a.org"}, ")"], "(a.org)"),
        ([{"type": "bold", "text": "Link:"}, {"type": "link", "text": "a.org"}], "Link: a.org"),
        ([{"type": "bold", "text": "Link: "}, {"type": "link", "text": "a.org"}], "Link: a.org"),
        ([{"type": "bold"}, {"type": "link", "text": "a.org"}, 5, None], "a.org"),
        ([], ""),
        (None, ""),
    ],
)
def test_parts_are_joined_as_they_are_but_for_a_blank_that_was_lost(parts: Any, text: str) -> None:
    assert read(message(text=parts)).text == text


@pytest.mark.parametrize(
    ("action", "more", "text", "event", "kind"),
    [
        ("invite_members", {"members": ["Lee", None]}, "[invite members]\nLee", "join", Kind.CHAT),
        ("remove_members", {"members": ["Lee"]}, "[remove members]\nLee", "leave", Kind.CHAT),
        ("edit_group_title", {"title": "New"}, "[edit group title]\nNew", "rename", Kind.CHAT),
        ("set_messages_ttl", {"period": 86400}, "[set messages ttl] 86400 s", "disappearing", Kind.CHAT),
        ("phone_call", {"duration_seconds": 61}, "[phone call]", "call", Kind.CALL),
        ("new_thing", {"words": {"deep": ["said"]}}, "[new thing]\nsaid", "new_thing", Kind.CHAT),
        ("", {"information_text": "by a bot"}, "[service]\nby a bot", "", Kind.CHAT),
    ],
)
def test_rows_of_the_service(action: str, more: dict, text: str, event: str, kind: Kind) -> None:
    made = read(
        {
            "id": 5,
            "type": "service",
            "actor": "Ana Ruiz",
            "actor_id": "user5550101",
            "action": action,
            "text": "",
            **more,
        }
    )
    assert (made.text, made.metadata.get("event", ""), made.kind) == (text, event, kind)
    assert made.fields.sender == ANA


def test_facts_of_a_timer_a_call_and_media() -> None:
    assert (
        read({"type": "service", "action": "set_messages_ttl", "period": 86400}).metadata["disappearing_s"]
        == "86400"
    )
    made = read(message(self_destruct_period_seconds=60, file="files/a.ogg", media_type="voice_message"))
    assert made.metadata["self_destructs_after_s"] == "60"
    assert (made.metadata["attached_files"], made.metadata["media_type"]) == ("a.ogg", "voice_message")
    noted = read(message(photo="(File not included. Change data exporting settings to download.)"))
    assert "attached_files" not in noted.metadata


def test_an_account_that_is_gone_is_only_an_id() -> None:
    made = read(message(**{"from": None}))
    assert made.fields.sender == Address("", "user5550102")
    assert made.metadata["sender_deleted"] == "true"


def test_who_a_message_of_two_goes_to() -> None:
    two = {"group": "5550102", "group_name": "Lee Okafor", "group_kind": "personal_chat"}
    owner = {"owner": "Ana Ruiz", "owner_id": "user5550101"}
    got = read(message(), **two, **owner).fields
    assert (got.sender, got.to, got.participants) == (LEE, (ANA,), (LEE, ANA))
    sent = read({**message(), "from": "Ana Ruiz", "from_id": "user5550101"}, **two, **owner).fields
    assert (sent.sender, sent.to, sent.participants) == (ANA, (LEE,), (ANA, LEE))
    alone = read(message(), **two).fields
    assert (alone.to, alone.participants) == ((), (LEE,))


@pytest.mark.parametrize(
    ("local", "offset"),
    [
        ("2025-03-04T10:20:34", "-08:00"),
        ("2025-03-04T23:50:34", "+05:30"),
        ("2025-03-04T18:20:34", "+00:00"),
        ("2025-03-04T10:20:35", None),
        ("2025-03-09T10:20:34", None),
        ("soon", None),
    ],
)
def test_the_two_clocks_tell_the_zone_of_the_computer(local: str, offset: str | None) -> None:
    made = read(message(date=local))
    assert made.metadata.get("device_offset") == offset
    assert made.metadata["date_local"] == local


def test_a_local_time_alone_tells_no_zone() -> None:
    made = read(message(date="2020-03-04T10:20:34"), **as_facts(iso_moment("2020-03-04T10:20:34", ZONE)))
    assert "device_offset" not in made.metadata


def test_edits_replies_and_reactions_as_the_export_counts_them() -> None:
    made = read(
        message(
            edited_unixtime="1741112940",
            reply_to_message_id=4,
            forwarded_from="Kim",
            reactions=[
                {
                    "type": "emoji",
                    "count": 3,
                    "emoji": "\U0001f44d",
                    "recent": [{"from": "Ana"}, {"from": None, "from_id": "user9"}],
                },
                {"type": "paid", "count": 1},
            ],
        )
    )
    assert made.warnings == (WarningCode.EDITED,)
    assert made.metadata["edited_at"] == "2025-03-04T18:29:00.000000Z"
    assert made.metadata["reactions"] == "\U0001f44d 3: Ana, user9; paid 1"
    assert (made.metadata["reply_to"], made.fields.in_reply_to) == ("4", "777/4")
    assert made.metadata["forwarded_from"] == "Kim"


def test_words_in_other_places_are_read() -> None:
    made = read(
        message(
            text="",
            poll={"question": "When?", "answers": [{"text": "now", "voters": 2}]},
            contact_information={"first_name": "Kim", "phone_number": "+1 425"},
            inline_bot_buttons=[[{"type": "url", "text": "Open", "data": "https://x"}]],
        )
    )
    assert made.text == "When?\nnow\nKim\n+1 425\nOpen"


def test_a_control_character_as_the_program_writes_it_costs_nothing() -> None:
    made = read(b'{"id": 1, "type": "message", "text": "a\\x07b \\\\x41 c"}')
    assert made.text.replace("\x07", "") == "ab \\x41 c"


def test_another_charset_is_guessed_and_marked() -> None:
    made = read('{"id": 1, "type": "message", "text": "caf\u00e9"}'.encode("cp1252"))
    assert (made.text, made.warnings) == ("café", (WarningCode.CHARSET_GUESSED,))


@pytest.mark.parametrize("data", [b"[]", b'{"id": ', b"{" * 100_000])
def test_what_is_no_object_is_corrupt(data: bytes) -> None:
    with pytest.raises(ItemError) as caught:
        read(data)
    assert caught.value.reason is Reason.CORRUPT
