"""Entries of Signal: words, earlier words, what the app tells, people, texts of signal-export."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from extract.signal import FRAME_TYPE, TEXT_TYPE, SignalReader, SignalTextReader
from records.errors import ItemError
from records.models import Address
from records.vocabulary import Kind, Reason, WarningCode
from tests.extract.samples import context

AT = "1741112434000"
ABOUT = {
    "group": "g1",
    "group_name": "Trip",
    "members": "Lee Okafor <+14255550102>; Kim",
    "owner": "Ana Ruiz <ana.01>",
    "author": "Lee Okafor <+14255550102>",
    "author_kind": "contact",
    "names": '{"3": "Lee Okafor <+14255550102>", "2": "Ana Ruiz <ana.01>", "QUNJ": "Kim"}',
}
LEE, ANA, KIM = Address("Lee Okafor", "+14255550102"), Address("Ana Ruiz", "ana.01"), Address("", "Kim")


def read(body: dict[str, Any], *, handles: tuple[str, ...] = (), **about: str):
    frame = {"chatItem": {"chatId": "1", "authorId": "3", "dateSent": AT, "incoming": {}, **body}}
    return read_frame(frame, handles=handles, **about)


def read_frame(frame: dict[str, Any], *, handles: tuple[str, ...] = (), **about: str):
    made = context(media_type=FRAME_TYPE, metadata={**ABOUT, **about}, owner_handles=handles)
    return SignalReader().extract(io.BytesIO(json.dumps(frame).encode()), made)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"standardMessage": {"text": {"body": text}, **more}}


def test_a_message_with_its_people() -> None:
    made = read(said("bus\nat nine"))
    assert (made.text, made.kind, made.warnings) == ("bus\nat nine", Kind.CHAT, ())
    assert (made.fields.sender, made.fields.to) == (LEE, (KIM, ANA))
    assert made.fields.participants == (LEE, KIM, ANA)
    assert (made.fields.subject, made.fields.thread_key) == ("Trip", "g1")
    assert made.fields.moment.at.isoformat() == "2025-03-04T18:20:34+00:00"


def test_the_owner_is_who_the_account_says_else_the_handle_of_the_request() -> None:
    assert read(said("x"), author_kind="self").fields.sender == ANA
    alone = read(said("x"), author_kind="self", owner="Ana Ruiz", handles=("+14255550101",))
    assert alone.fields.sender == Address("Ana Ruiz", "+14255550101")


def test_earlier_words_of_an_edit_come_after_the_last_ones() -> None:
    made = read({**said("third"), "revisions": [said("first"), said("second")]})
    assert made.text == "third\n[before]\nfirst\n[before]\nsecond"
    assert (made.warnings, made.metadata["edited"]) == ((WarningCode.EDITED,), "true")


def test_quotes_reactions_mentions_and_delivery() -> None:
    ranges = [{"start": 3, "length": 1, "mentionAci": "QUNJ"}, {"start": 0, "length": 2, "style": "BOLD"}]
    made = read(
        {
            "standardMessage": {
                "text": {"body": "\U0001f68c \ufffc go", "bodyRanges": ranges},
                "quote": {"targetSentTimestamp": "1741112000000", "text": {"body": "a\nb"}},
                "reactions": [{"emoji": "\U0001f44d", "authorId": "2"}, {"emoji": "!", "authorId": "77"}],
                "attachments": [{"pointer": {"fileName": "a.jpg", "caption": "shown"}}],
                "linkPreview": [{"url": "https://example.org/", "title": "Plan"}],
            },
            "incoming": None,
            "outgoing": {"sendStatus": [{"recipientId": "3", "read": {}}, {"failed": {}}]},
        }
    )
    assert made.text.split("\n") == [
        "> a",
        "> b",
        "\U0001f68c @Kim go",
        "a.jpg",
        "shown",
        "https://example.org/",
        "Plan",
    ]
    assert made.metadata["reactions"] == "\U0001f44d: Ana Ruiz <ana.01>; !"
    assert made.metadata["delivery"] == "read: Lee Okafor <+14255550102>; failed"
    assert made.fields.in_reply_to == "1741112000000"


@pytest.mark.parametrize(
    ("body", "text", "facts"),
    [
        ({"remoteDeletedMessage": {}}, "[deleted]", {"deleted": "true"}),
        (
            {"adminDeletedMessage": {"adminId": "2"}},
            "[deleted by an administrator] Ana Ruiz <ana.01>",
            {"deleted": "true"},
        ),
        ({"viewOnceMessage": {}}, "[to be seen once]", {"view_once": "true"}),
        (
            {"stickerMessage": {"sticker": {"packId": "AA==", "emoji": "\U0001f600"}}},
            "[sticker message]\n\U0001f600",
            {"type": "sticker_message"},
        ),
        (
            {"contactMessage": {"contact": {"name": {"givenName": "Kim"}, "number": [{"value": "+1425"}]}}},
            "[contact message]\nKim\n+1425",
            {"type": "contact_message"},
        ),
        (
            {
                "poll": {
                    "question": "Bus?",
                    "options": [{"option": "yes", "votes": [{"voterId": "2"}]}, {"option": "no"}],
                }
            },
            "[poll] Bus?\nyes: Ana Ruiz <ana.01>\nno",
            {"type": "poll"},
        ),
        (
            {"directStoryReplyMessage": {"textReply": {"text": {"body": "nice"}}}},
            "[answer to a story]\nnice",
            {},
        ),
    ],
)
def test_other_entries(body: dict, text: str, facts: dict) -> None:
    made = read(body)
    assert made.text == text
    assert facts.items() <= made.metadata.items()


@pytest.mark.parametrize(
    ("update", "text", "event", "kind"),
    [
        ({"simpleUpdate": {"type": "IDENTITY_UPDATE"}}, "[identity update]", "simple_update", Kind.CHAT),
        (
            {"expirationTimerChange": {"expiresInMs": "3600000"}},
            "[expiration timer change] 3600 s",
            "disappearing",
            Kind.CHAT,
        ),
        ({"expirationTimerChange": {}}, "[expiration timer change] off", "disappearing", Kind.CHAT),
        (
            {"profileChange": {"previousName": "A", "newName": "B"}},
            "[profile change] A B",
            "profile_change",
            Kind.CHAT,
        ),
        (
            {"individualCall": {"state": "MISSED", "startedCallTimestamp": AT}},
            "[individual call] MISSED",
            "call",
            Kind.CALL,
        ),
        (
            {
                "groupChange": {
                    "updates": [
                        {"groupMemberAddedUpdate": {"newMemberAci": "QUNJ"}},
                        {"groupNameUpdate": {"newGroupName": "New"}},
                    ]
                }
            },
            "[group member added update] Kim\n[group name update] New",
            "join; rename",
            Kind.CHAT,
        ),
    ],
)
def test_what_the_app_tells(update: dict, text: str, event: str, kind: Kind) -> None:
    made = read({"updateMessage": update})
    assert (made.text, made.metadata["event"], made.kind) == (text, event, kind)
    assert made.fields.sender == (LEE if kind is Kind.CALL else None)


def test_a_call_by_a_link_and_a_frame_that_is_not_known() -> None:
    call = read_frame({"adHocCall": {"callTimestamp": AT}})
    assert (call.text, call.kind, call.fields.moment.text) == ("[call by a link] Trip", Kind.CALL, AT)
    new = read_frame({"newThing": {"words": ["said"], "id": "4"}})
    assert (new.text, new.kind) == ("said", Kind.FILE)


def test_a_time_that_is_none_is_marked() -> None:
    assert read({**said("x"), "dateSent": "0"}).warnings == (WarningCode.BAD_DATE,)
    assert read({**said("x"), "dateSent": "9" * 19}).warnings == (WarningCode.BAD_DATE,)
    assert read({**said("x"), "dateSent": None}).warnings == (WarningCode.NO_DATE,)


def test_what_is_no_object_is_corrupt() -> None:
    with pytest.raises(ItemError) as caught:
        SignalReader().extract(io.BytesIO(b'{"chatItem": '), context(media_type=FRAME_TYPE))
    assert caught.value.reason is Reason.CORRUPT


def read_text(data: bytes, **about: str):
    at = data.index(b": ") + 2
    facts = {"group": "a/chat.md", "group_name": "a", "author": "Lee", "body_at": str(at), **about}
    made = context(media_type=TEXT_TYPE, metadata=facts, owner_handles=("+14255550101",))
    return SignalTextReader().extract(io.BytesIO(data), made)


@pytest.mark.parametrize(
    ("body", "text", "facts"),
    [
        (b"one  \ntwo  \n\n", "one\ntwo", {}),
        ("go  \n(- Me: \U0001f44d, Aya: x -)\n".encode(), "go", {"reactions": "Me: \U0001f44d; Aya: x"}),
        (b"(This message was deleted)\n", "(This message was deleted)", {"deleted": "true"}),
        (b"Missed voice call  \n", "Missed voice call", {"event": "call"}),
        (
            b"Incoming video call (accepted, 3m 2s)  \n",
            "Incoming video call (accepted, 3m 2s)",
            {"event": "call"},
        ),
        (b"Missed call me back", "Missed call me back", {}),
    ],
)
def test_an_entry_of_a_text(body: bytes, text: str, facts: dict[str, str]) -> None:
    made = read_text(b"[2025-03-04, 10:20] Lee: " + body)
    assert (made.text, made.metadata) == (text, facts)
    assert made.fields.sender == Address("Lee", "")


def test_who_is_me_and_who_is_nobody() -> None:
    assert read_text(b"[] Me: x", author="Me").fields.sender == Address("Me", "+14255550101")
    assert read_text(b"[] No-Sender: x", author="No-Sender").fields.sender is None


def test_facts_that_do_not_fit_are_corrupt() -> None:
    with pytest.raises(ItemError) as caught:
        read_text(b"[] Lee: x", body_at="99")
    assert caught.value.reason is Reason.CORRUPT
