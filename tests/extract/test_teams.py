"""Teams messages: what people saw, who said it, what happened, and what hangs on a message."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from extract.protocol import ExtractContext
from extract.teams import MEDIA_TYPE, TeamsReader
from records.errors import ItemError
from records.models import Address, Failure
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract.samples import ZONE
from tests.servers.graph_teams import ANA, KIM, LEE, changed, event, said

CHAT = {"chatId": "19:bus@thread.v2"}
CHANNEL = {"channelIdentity": {"teamId": "T1", "channelId": "19:general@thread.tacv2"}}
PEOPLE = {LEE.id: "Lee Okafor <lee@example.org>", KIM.id: "Kim Tran <kim@example.org>"}


def read(message: dict[str, Any], **facts: str):
    context = ExtractContext(media_type=MEDIA_TYPE, name=None, time_zone=ZONE, metadata=facts)
    return TeamsReader().extract(io.BytesIO(json.dumps(message).encode()), context)


def card(kind: str, content: object) -> dict[str, Any]:
    shown = content if isinstance(content, str) else json.dumps(content)
    return {"id": "c1", "contentType": kind, "content": shown}


def test_a_message_is_read_with_what_the_connector_adds():
    found = read(
        said(CHAT, 0, "<p>Hello <at id='0'>Kim</at> &amp; all</p>", LEE, importance="high"),
        group_name="Bus route",
        members="Ana Ruiz <ana@example.org>; Lee Okafor <lee@example.org>",
        people=json.dumps(PEOPLE),
    )
    assert found.text == "Hello @Kim & all"
    assert found.kind is Kind.CHAT
    assert found.fields is not None
    assert found.fields.subject == "Bus route"
    assert found.fields.sender == Address("Lee Okafor", "lee@example.org")
    assert found.fields.participants == (
        Address("Ana Ruiz", "ana@example.org"),
        Address("Lee Okafor", "lee@example.org"),
    )
    assert found.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, 864_000, tzinfo=UTC)
    assert (found.fields.moment.text, found.fields.moment.basis) == ("2025-03-04T18:20:34.864Z", Basis.STATED)
    assert found.fields.thread_key == "19:bus@thread.v2"
    assert found.metadata == {
        "message_id": "1741112434864",
        "message_type": "message",
        "importance": "high",
        "modified_date": "2025-03-04T18:20:34.864Z",
    }
    assert (found.children, found.warnings, found.links) == ((), (), ())


def test_without_the_connectors_facts_the_object_says_what_it_can():
    found = read(said(CHAT, 0, "hi", LEE))
    assert found.fields is not None
    assert found.fields.sender == Address("Lee Okafor", LEE.id)
    bot = {"user": None, "application": {"id": "b1", "displayName": "Polls"}, "device": None}
    assert read(said(CHAT, 0, "hi", **{"from": bot})).fields.sender == Address("Polls", "b1")


def test_a_post_and_its_answer_share_a_thread_and_its_title_is_said():
    root = said(CHANNEL, 0, "<div>the agenda</div>", KIM, subject="Agenda")
    answer = said(CHANNEL, 1, "<div>fine</div>", ANA, replyToId=root["id"])
    first, second = read(root), read(answer)
    assert first.text == "Agenda\nthe agenda"
    assert first.fields.thread_key == second.fields.thread_key == f"19:general@thread.tacv2/{root['id']}"
    assert second.metadata["reply_to"] == root["id"]


def test_an_edit_and_a_deletion_are_facts():
    edited = said(CHAT, 0, "now")
    changed(edited, 2, lastEditedDateTime=...)
    found = read(edited)
    assert (found.metadata["edited"], found.metadata["edited_date"]) == ("true", "2025-03-04T18:22:34.864Z")
    assert found.warnings == (WarningCode.EDITED,)
    gone = said(CHAT, 0, "")
    changed(gone, 3, deletedDateTime=...)
    found = read(gone)
    assert (found.text, found.metadata["deleted"]) == ("", "true")
    assert found.metadata["deleted_date"] == "2025-03-04T18:23:34.864Z"
    assert found.warnings == (WarningCode.DELETED,)


def test_reactions_and_mentions_are_told_with_names():
    nameless = {"user": {"id": KIM.id, "displayName": None}}
    reactions = [
        {"reactionType": "like", "user": LEE.as_user},
        {"reactionType": "like", "user": nameless},
        {"reactionType": "💛", "user": ANA.as_user},
        {"reactionType": "custom", "displayName": "falcon", "user": {"user": {"id": "x"}}},
    ]
    mentions = [
        {"id": 0, "mentionText": "Kim", "mentioned": KIM.as_user},
        {
            "id": 1,
            "mentionText": "Everyone",
            "mentioned": {"conversation": {"id": "c", "displayName": "General"}},
        },
        {"id": 2, "mentionText": "Somebody", "mentioned": None},
    ]
    found = read(said(CHAT, 0, "x", reactions=reactions, mentions=mentions), people=json.dumps(PEOPLE))
    assert found.metadata["reactions"] == "like Lee Okafor, Kim Tran; 💛 Ana Ruiz; falcon x"
    assert found.metadata["mentions"] == "Kim Tran; General; Somebody"


def test_markup_of_teams_is_read_as_people_see_it():
    body = (
        '<div>so <emoji id="smile" alt="🙂" title="Smile"></emoji><br>next<attachment id="f1"></attachment>'
        '<img alt="image" src="https://graph.microsoft.com/x"><codeblock>a = 1</codeblock></div>'
    )
    assert read(said(CHAT, 0, body)).text == "so 🙂\nnext image a = 1"
    plain = said(CHAT, 0, body={"contentType": "text", "content": "1 < 2 & <b>"})
    assert read(plain).text == "1 < 2 & <b>"


def test_quoted_and_forwarded_messages_are_told_as_such():
    quote = {"messageId": "1", "messagePreview": "first\nsecond", "messageSender": LEE.as_user}
    forwarded = {"originalMessageContent": "<p>third</p>", "originalMessageSender": KIM.as_user}
    attachments = [
        {**card("messageReference", quote), "id": "1741112434000"},
        card("forwardedMessageReference", forwarded),
    ]
    found = read(
        said(CHAT, 0, '<attachment id="1741112434000"></attachment><p>yes</p>', attachments=attachments)
    )
    assert found.text == "yes\n> Lee Okafor: first\n> second\n> Kim Tran: third"
    assert found.metadata["quoted_message"] == "1741112434000"


def test_cards_are_read_to_text_in_their_order():
    adaptive = {
        "type": "AdaptiveCard",
        "body": [
            {"type": "TextBlock", "text": "Bus <late>"},
            {
                "type": "FactSet",
                "facts": [{"title": "Route", "value": "7"}, {"title": "By", "value": "10 min"}],
            },
            {"type": "ColumnSet", "columns": [{"items": [{"type": "TextBlock", "text": "in a column"}]}]},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://x.example"}],
    }
    hero = {"title": "Title", "subtitle": "Below", "text": "<b>bold</b><br>line", "images": [{"alt": "x"}]}
    connector = {
        "summary": "Sum",
        "sections": [{"activityTitle": "Act", "facts": [{"name": "A", "value": "B"}]}],
    }
    attachments = [
        card("application/vnd.microsoft.card.adaptive", adaptive),
        card("application/vnd.microsoft.card.hero", hero),
        card("application/vnd.microsoft.teams.card.o365connector", connector),
        card("application/vnd.microsoft.card.odd", "not JSON"),
        {"id": "x", "contentType": "meetingReference", "content": None},
    ]
    found = read(said(CHAT, 0, "", attachments=attachments))
    assert found.text.split("\n") == [
        "Bus <late>", "Route: 7", "By: 10 min", "in a column", "Open",
        "Title", "Below", "bold", "line",
        "Sum", "Act", "A: B",
        "not JSON",
    ]  # fmt: skip


def test_files_are_named_and_their_addresses_kept():
    address = "https://district.sharepoint.com/sites/board/plan.xlsx"
    file = {"id": "f1", "contentType": "reference", "contentUrl": address, "name": "plan.xlsx"}
    found = read(said(CHAT, 0, "see it", attachments=[file]))
    assert found.text == "see it"
    assert found.metadata["attached_files"] == "plan.xlsx"
    assert found.links == (address,)


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        ("membersAdded", {"members": [{"id": KIM.id, "displayName": None}, {"id": "x"}]},
         "Members added: Kim Tran, x (by Ana Ruiz)"),
        ("membersDeleted", {"members": [{"id": "x", "displayName": "Gone"}]},
         "Members deleted: Gone (by Ana Ruiz)"),
        ("chatRenamed", {"chatId": "19:bus", "chatDisplayName": "Route 7"},
         "Chat renamed: Route 7 (by Ana Ruiz)"),
        ("callEnded", {"callId": "c1", "callDuration": "PT1H1M30.5S", "callEventType": "meeting",
                       "callParticipants": [{"participant": LEE.as_user}, {"participant": KIM.as_user}]},
         "Call ended: Lee Okafor, Kim Tran; meeting; 1:01:30 (by Ana Ruiz)"),
        ("callRecording", {"callId": "c1", "callRecordingDisplayName": "Board",
                           "callRecordingStatus": "success",
                           "callRecordingUrl": "https://x.example/r", "callRecordingDuration": "PT9S"},
         "Call recording: Board; https://x.example/r; success; 0:00:09 (by Ana Ruiz)"),
        ("teamArchived", {"teamId": "T1"}, "Team archived (by Ana Ruiz)"),
        ("notInTheReferenceYet", {}, "Not in the reference yet (by Ana Ruiz)"),
    ],
)  # fmt: skip
def test_what_happened_is_told_in_words(kind, detail, words):
    found = read(event(CHAT, 0, kind, **detail), people=json.dumps(PEOPLE))
    assert found.text == words
    assert found.metadata["message_type"] == "systemEventMessage"
    assert found.metadata.get("call_id") == detail.get("callId")


def test_half_of_a_character_is_replaced():
    message = json.dumps(said(CHAT, 0, "half \ud83d of it"), ensure_ascii=False)
    context = ExtractContext(media_type=MEDIA_TYPE, name=None, time_zone=ZONE)
    found = TeamsReader().extract(io.BytesIO(message.encode("utf-8", "surrogatepass")), context)
    assert found.text == "half \ufffd of it"


def test_an_event_has_its_name():
    assert read(event(CHAT, 0, "membersAdded")).metadata["event"] == "members_added"


def test_inline_pictures_are_children_and_missing_ones_say_so():
    hosted = [
        {"id": "p1", "contentBytes": base64.b64encode(b"\x89PNG").decode(), "contentType": "image/png"},
        {"id": "p2", "@daylight.missing": "gone"},
        {"id": "p3", "contentBytes": "no base64!"},
        {"id": "p4", "contentBytes": None, "contentType": None},
    ]
    found = read(said(CHAT, 0, "x", hostedContents=hosted))
    assert [(one.part_path, one.media_type, one.data, one.failure) for one in found.children] == [
        ("1", "image/png", b"\x89PNG", None),
        ("2", "application/octet-stream", None, Failure(Reason.NOT_IN_EXPORT, "gone")),
        ("3", "application/octet-stream", None, Failure(Reason.CORRUPT, "base64")),
        ("4", "application/octet-stream", None, Failure(Reason.NOT_IN_EXPORT, "no_bytes")),
    ]
    assert found.expected_children == 4
    assert found.children[0].metadata == {"content_id": "p1", "disposition": "inline"}


@pytest.mark.parametrize(
    ("stated", "warning"),
    [(None, WarningCode.NO_DATE), ("yesterday", WarningCode.BAD_DATE), (5, WarningCode.NO_DATE)],
)
def test_a_time_that_is_missing_or_none_is_marked(stated, warning):
    assert read(said(CHAT, 0, "x", createdDateTime=stated)).warnings == (warning,)


@pytest.mark.parametrize(
    "odd",
    [
        {"body": None}, {"body": "x"}, {"from": []}, {"attachments": "x"}, {"attachments": [None, 1, {}]},
        {"mentions": [{}], "reactions": [{"reactionType": None}, 3]}, {"eventDetail": {"@odata.type": 7}},
        {"hostedContents": [{}]}, {"channelIdentity": "x"}, {"policyViolation": 1},
        {"attachments": [card("messageReference", "[1]"), card("x", "[[[]]]")]},
    ],
)  # fmt: skip
def test_odd_values_cost_nothing_but_themselves(odd):
    found = read({**said(CHAT, 0, "words"), **odd})
    assert found.fields is not None
    assert found.fields.thread_key == "19:bus@thread.v2"


@pytest.mark.parametrize(("data", "detail"), [(b"{", "json"), (b"[]", "json_object"), (b"{" * 9_000, "json")])
def test_what_is_no_object_is_corrupt(data, detail):
    context = ExtractContext(media_type=MEDIA_TYPE, name=None, time_zone=ZONE)
    with pytest.raises(ItemError) as caught:
        TeamsReader().extract(io.BytesIO(data), context)
    assert (caught.value.reason, caught.value.detail) == (Reason.CORRUPT, detail)


def test_only_what_is_labelled_so_is_taken():
    reader = TeamsReader()
    assert reader.score(MEDIA_TYPE, None, b' {"id": 1}') == 100
    assert reader.score("application/json", None, b"{}") is None
    assert reader.score(MEDIA_TYPE, None, b"<html>") is None
