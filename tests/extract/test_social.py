"""Records of social media downloads: what people saw, edits, deletions, texts that were damaged."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.exports.meta import meta_json
from extract.protocol import ExtractContext
from extract.registry import choose
from extract.social import MEDIA_TYPE, SocialReader
from records.errors import ItemError
from records.models import Address, Extraction
from records.moments import post_moment
from records.repair import Repair
from records.vocabulary import Basis, Kind, WarningCode
from tests.connectors.built_social import (
    BY_OTHERS,
    COMMENTS,
    GRAM_POSTS,
    GROUP,
    KIM,
    LEE,
    OWNER,
    POSTS,
    REMARKS,
    TALK,
    TRASH,
    TWEETS,
    message,
    said,
    tweet,
)

ZONE = ZoneInfo("America/Los_Angeles")
X = {"platform": "x", "account": "The District <@district>", "account_id": OWNER}
X_TALK = X | {
    "group": f"{LEE}-{OWNER}",
    "group_name": "Lee Okafor <@lee_o>, The District <@district>",
    "members": "Lee Okafor <@lee_o>; The District <@district>",
    "people": json.dumps({OWNER: "The District <@district>", LEE: "Lee Okafor <@lee_o>"}),
}
PAGE = {"platform": "facebook", "account": "The District"}
TALK_META = PAGE | {"group": "inbox/lee_1", "group_name": "Lee Okafor", "members": "Lee Okafor; The District"}
GRAM = {"platform": "instagram", "account": "The District <@the.district>"}


def read(value: object, about: dict[str, str]) -> Extraction:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    context = ExtractContext(None, MEDIA_TYPE, ZONE, metadata=about)
    return SocialReader().extract(io.BytesIO(data), context)


def damaged(value: Any, about: dict[str, str]) -> Extraction:
    """Read what Meta would write."""
    return read(meta_json(value).encode(), about)


def test_is_chosen_by_its_label() -> None:
    chosen = choose(MEDIA_TYPE, None, b'{"tweet": 1}')
    assert chosen is not None
    assert chosen.name == "social"
    assert SocialReader().score(MEDIA_TYPE, None, b"[1]") is None
    assert SocialReader().score("application/json", "tweets.js", b"{}") is None


# --- X ---------------------------------------------------------------------------------------------------


def test_a_post_of_x() -> None:
    made = read(TWEETS[0], X)
    assert made.kind is Kind.POST
    assert made.text == "zanzibar snow & ice [see] https://example.org/snow?a=1"
    assert made.fields is not None
    assert made.fields.sender == Address("The District", "@district")
    assert made.fields.participants == (Address("Lee Okafor", "@lee_o"),)
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert made.fields.moment.text == "Tue Mar 04 18:20:34 +0000 2025"
    assert made.fields.moment.basis is Basis.STATED
    assert made.fields.thread_key == "1700000000000000101"
    assert made.metadata == {"post_id": "1700000000000000101", "likes": "3"}
    assert made.warnings == ()


def test_a_reply_a_repost_and_a_long_post() -> None:
    reply = read(tweet("2", "@lee_o yes", in_reply_to_status_id_str="1", in_reply_to_screen_name="lee_o"), X)
    assert reply.fields is not None
    assert reply.fields.to == (Address("", "@lee_o"),)
    assert reply.fields.thread_key == "1"
    assert (reply.metadata["in_reply_to"], reply.metadata["to"]) == ("1", "@lee_o")
    assert read(tweet("3", "RT @lee_o: hi"), X).metadata["repost"] == "true"
    core = {
        "text": "all of it https://t.co/x",
        "urls": [{"url": "https://t.co/x", "expandedUrl": "https://e.org"}],
    }
    note = {"noteTweet": {"noteTweetId": "5", "createdAt": "2025-03-04T18:20:34.000Z", "core": core}}
    made = read(note, X)
    assert made.text == "all of it https://e.org"
    assert made.metadata["post_id"] == "5"
    assert made.fields is not None
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)


def test_edits_and_deletions_of_x_are_told() -> None:
    edited = read(tweet("2", "b", edit_info={"initial": {"editTweetIds": ["1", "2"]}}), X)
    assert edited.warnings == (WarningCode.EDITED,)
    assert (edited.metadata["edited"], edited.metadata["versions"]) == ("true", "1; 2")
    later = read(tweet("2", "b", edit_info={"edit": {"initialTweetId": "1"}}), X)
    assert (later.warnings, later.metadata["versions"]) == ((WarningCode.EDITED,), "1")
    once = read(tweet("2", "b", edit_info={"initial": {"editTweetIds": ["2"]}}), X)
    assert once.warnings == ()
    gone = read(tweet("2", "b", deleted_at="Wed Mar 05 18:20:34 +0000 2025"), X)
    assert gone.warnings == (WarningCode.DELETED,)
    assert gone.metadata["deleted_at"] == "Wed Mar 05 18:20:34 +0000 2025"
    by_list = read(tweet("2", "b"), X | {"deleted_record": "true"})
    assert (by_list.warnings, by_list.metadata["deleted"]) == ((WarningCode.DELETED,), "true")


def test_a_direct_message_of_x() -> None:
    made = read(TALK[0], X_TALK)
    assert made.kind is Kind.CHAT
    assert made.text == "zanzibar moved to 4 & {bring} cleats"
    assert made.fields is not None
    assert made.fields.sender == Address("The District", "@district")
    assert made.fields.to == (Address("Lee Okafor", "@lee_o"),)
    assert made.fields.participants == (Address("Lee Okafor", "@lee_o"), Address("The District", "@district"))
    assert made.fields.thread_key == f"{LEE}-{OWNER}"
    assert made.fields.moment.at == datetime(2025, 3, 6, 17, 15, 0, 120000, tzinfo=UTC)
    assert made.metadata["reactions"] == "like: Lee Okafor <@lee_o>"
    photo = read(TALK[1], X_TALK)
    assert photo.metadata["media"] == "y.jpg; z.jpg"


def test_earlier_words_of_a_message_are_read() -> None:
    history = [
        {"createdAtSec": "1741112434", "editedText": "at 3"},
        {"createdAtSec": "1", "editedText": "at 4"},
    ]
    made = read(said("9", OWNER, "at 4", editHistory=history), X_TALK)
    assert made.text == "at 4\n[other versions]\nat 3"
    assert made.warnings == (WarningCode.EDITED,)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (GROUP[0], "[named: Coaches]"),
        (GROUP[2], f"[joined: {KIM}]"),
        ({"participantsLeave": {"userIds": [LEE], "createdAt": "x"}}, "[left: Lee Okafor <@lee_o>]"),
        ({"joinConversation": {"participantsSnapshot": [LEE, KIM]}}, f"[joined: Lee Okafor <@lee_o>, {KIM}]"),
    ],
)
def test_what_happens_to_a_conversation_is_kept(event: dict[str, Any], text: str) -> None:
    assert read(event, X_TALK).text == text


# --- Meta ------------------------------------------------------------------------------------------------


def test_a_post_of_a_page() -> None:
    made = damaged(POSTS[0], PAGE)
    assert made.kind is Kind.POST
    assert made.text.split("\n") == [
        "zanzibar – naïve {snow} day",
        "Café",
        "https://example.org/board",
        "Board",
    ]
    assert made.fields is not None
    assert made.fields.subject == "The District shared a link."
    assert made.fields.sender == Address("The District", "")
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 33, tzinfo=UTC)
    assert made.fields.moment.text == "1741112433"
    assert made.metadata == {
        "title": "The District shared a link.",
        "media": "a.jpg; lost.jpg",
        "texts_repaired": "2",
    }
    assert made.warnings == ()
    edited = damaged(POSTS[1], PAGE)
    assert (edited.warnings, edited.metadata["updated"]) == ((WarningCode.EDITED,), "1741116033")
    assert damaged(POSTS[2], PAGE).text == "Gym"


def test_a_comment_and_a_post_of_a_visitor() -> None:
    made = damaged(COMMENTS[0], PAGE)
    assert made.text == "zanzibar ja, ø"
    assert made.fields is not None
    assert made.fields.sender == Address("The District", "")
    assert made.fields.subject == "The District commented on its own post."
    visitor = damaged(BY_OTHERS[0], PAGE | {"account": ""})
    assert visitor.text == "a visitor"
    assert visitor.fields is not None
    assert visitor.fields.sender is None


def test_a_message_of_messenger() -> None:
    reaction = {"reaction": "❤", "actor": "Zoë"}
    made = damaged(message(1741112434002, "Lee Okafor", "café?", reactions=[reaction]), TALK_META)
    assert (made.kind, made.text) == (Kind.CHAT, "café?")
    assert made.metadata["reactions"] == "❤: Zoë"
    assert made.metadata["texts_repaired"] == "3"
    assert made.fields is not None
    assert made.fields.sender == Address("Lee Okafor", "")
    assert made.fields.participants == (Address("Lee Okafor", ""), Address("The District", ""))
    assert made.fields.subject == "Lee Okafor"
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, 2000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        ({"photos": [{"uri": "messages/inbox/a/photos/p.jpg?x=1"}]}, "[p.jpg]"),
        ({"share": {"link": "https://e.org", "share_text": "read"}}, "read\nhttps://e.org"),
        ({"sticker": {"uri": "s.png"}}, "[sticker]"),
        ({"call_duration": 35}, "[call, 35 s]"),
        ({"call_duration": 0, "missed": True}, "[missed call]"),
    ],
)
def test_messages_without_words_say_what_they_are(about: dict[str, Any], text: str) -> None:
    assert damaged(message(1741112434000, "Lee", None, **about), TALK_META).text == text


def test_unsent_and_joined_messages_are_told() -> None:
    gone = damaged(message(1741112434000, "Lee", None, is_unsent=True), TALK_META)
    assert (gone.text, gone.warnings, gone.metadata["deleted"]) == ("", (WarningCode.DELETED,), "true")
    joined = message(1741112434000, "Lee", "Lee added Kim.", type="Subscribe", users=[{"name": "Kim"}])
    made = damaged(joined, TALK_META)
    assert (made.metadata["event"], made.metadata["who"]) == ("join", "Kim")


def test_a_message_of_an_encrypted_chat() -> None:
    value = {"senderName": "Zoë", "text": "scellé ✓", "timestamp": 1741112900000, "isUnsent": False}
    made = read(json.dumps(value).encode(), TALK_META)
    assert made.text == "scellé ✓"
    assert made.fields is not None
    assert made.fields.sender == Address("Zoë", "")
    assert "texts_repaired" not in made.metadata


def test_posts_and_comments_of_instagram() -> None:
    made = damaged(GRAM_POSTS[0], GRAM)
    assert made.text == "zanzibar école 🏫"
    assert made.metadata["media"] == "1.jpg; 2.jpg"
    assert made.fields is not None
    assert made.fields.sender == Address("The District", "@the.district")
    alone = damaged(GRAM_POSTS[1], GRAM)
    assert alone.text == "alone"
    assert alone.fields is not None
    assert alone.fields.moment.text == "1741112450"
    remark = damaged(REMARKS[0], GRAM)
    assert remark.text == "zanzibar félicitations"
    assert remark.fields is not None
    assert remark.fields.to == (Address("", "@lee.o"),)
    assert remark.fields.moment.text == "1741112470"
    gone = damaged(TRASH[0], GRAM | {"deleted_record": "true"})
    assert (gone.text, gone.warnings) == ("gone", (WarningCode.DELETED,))


def test_named_values_in_other_languages_and_labelled_ones_are_read() -> None:
    told = {"Kommentar": {"value": "schön"}, "Zeit": {"timestamp": 1741112470}}
    made = damaged({"string_map_data": told}, GRAM)
    assert made.text == "Kommentar: schön"
    assert made.fields is not None
    assert made.fields.moment.text == "1741112470"
    labelled = {
        "timestamp": 1741112470,
        "label_values": [
            {"label": "Caption", "value": "naïve"},
            {"title": "Author", "dict": [{"label": "Name", "value": "Lee"}]},
        ],
    }
    assert damaged(labelled, GRAM).text == "Caption: naïve\nAuthor\nName\nLee"


# --- texts and times -------------------------------------------------------------------------------------


@given(st.text())
def test_what_meta_damages_comes_back(text: str) -> None:
    wide = text.encode("utf-8", "replace").decode()
    repair = Repair()
    assert repair.text(wide.encode().decode("latin-1")) == wide
    assert repair.left == 0


@pytest.mark.parametrize("text", ["café", "naïve résumé", "日本", "plain", "ÿ", "£5"])
def test_what_is_not_damaged_stays(text: str) -> None:
    repair = Repair()
    assert repair.text(text) == text
    assert (repair.repaired, repair.left) == (0, 0)


def test_what_does_not_come_back_is_told() -> None:
    made = read(message(1741112434000, "Lee", "caf\u00c3\u00a9 \u00e2\u0080\u00e2"), TALK_META)
    assert made.text == "caf\u00c3\u00a9 \u00e2\u0080\u00e2"
    assert made.warnings == (WarningCode.CHARSET_GUESSED,)
    assert made.metadata["texts_not_repaired"] == "1"


@pytest.mark.parametrize(
    ("stated", "at"),
    [
        ("Wed Mar 06 20:00:00 +0000 2024", "2024-03-06T20:00:00+00:00"),
        ("Wed Mar 06 12:00:00 -0800 2024", "2024-03-06T20:00:00+00:00"),
        ("2024-03-06T17:15:00.120Z", "2024-03-06T17:15:00.120000+00:00"),
        ("2024-03-06T17:15:00", None),
        ("Wed Foo 06 20:00:00 +0000 2024", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("soon", None),
    ],
)
def test_times_of_x(stated: str, at: str | None) -> None:
    moment = post_moment(stated)
    assert (moment.at and moment.at.isoformat(), moment.text) == (at, stated)


@pytest.mark.parametrize("bad", [b"", b"{", b"[1]", b'"x"', b"\xff", b'{"a":' * 5_000])
def test_what_is_no_object_is_corrupt(bad: bytes) -> None:
    with pytest.raises(ItemError, match="corrupt"):
        read(bad, X)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
_NAMES = st.sampled_from([
    "tweet", "messageCreate", "full_text", "entities", "extended_entities", "edit_info", "core", "urls",
    "created_at", "reactions", "editHistory", "userIds", "name", "data", "attachments", "media", "title",
    "string_map_data", "label_values", "timestamp", "timestamp_ms", "content", "share", "users", "tags",
])  # fmt: skip


@given(st.dictionaries(_NAMES, _JSON, max_size=8), st.sampled_from([X, X_TALK, PAGE, TALK_META, GRAM]))
def test_reads_whatever_the_fields_hold(value: dict[str, object], about: dict[str, str]) -> None:
    for one in (value, {"tweet": value}):
        made = read(one, about)
        made.whole_text().encode()
        assert "\x00" not in made.text
