"""Messages of Slack exports."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.slack import MEDIA_TYPE, SlackReader
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Kind, WarningCode

ZONE = ZoneInfo("America/Los_Angeles")
ABOUT = {
    "group": "C1GEN",
    "group_name": "general",
    "members": "Ana Ruiz <ana@example.org>; lee",
    "names": json.dumps({"U1ANA": "Ana Ruiz", "U2LEE": "lee", "C9OLD": "old-plans"}),
    "people": json.dumps({"U1ANA": "Ana Ruiz <ana@example.org>", "U2LEE": "lee"}),
}


def read(value: object, **about: str) -> Extraction:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    context = ExtractContext(None, MEDIA_TYPE, ZONE, metadata=about or ABOUT)
    return SlackReader().extract(io.BytesIO(data), context)


def said(text: str, **about: object) -> dict[str, object]:
    return {"type": "message", "user": "U1ANA", "text": text, "ts": "1741112434.000100", **about}


def test_is_chosen_by_its_label() -> None:
    assert choose(MEDIA_TYPE, None, b'{"text": "x"}').name == "slack"
    assert SlackReader().score(MEDIA_TYPE, None, b"[1]") is None
    assert SlackReader().score("application/json", "2025-03-04.json", b"{}") is None


def test_a_message() -> None:
    made = read(
        said(
            "see <https://example.org/a?b=1&amp;c=2|the plan>",
            thread_ts="1741112400.000000",
            reactions=[{"name": "+1", "users": ["U2LEE", "U7GONE"]}],
            files=[{"id": "F1", "name": "plan.pdf"}],
        )
    )
    assert made.kind is Kind.CHAT
    assert made.text == "see the plan"
    assert made.links == ("https://example.org/a?b=1&c=2",)
    assert made.fields is not None
    assert made.fields.subject == "general"
    assert made.fields.sender == Address("Ana Ruiz", "ana@example.org")
    assert made.fields.participants == (Address("Ana Ruiz", "ana@example.org"), Address("", "lee"))
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, 100, tzinfo=UTC)
    assert made.fields.thread_key == "C1GEN/1741112400.000000"
    assert made.metadata["attached_files"] == "plan.pdf"
    assert made.metadata["reactions"] == ":+1: lee, U7GONE"
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("<@U2LEE> hi", "@lee hi"),
        ("<@U2LEE|lee.o> hi", "@lee hi"),
        ("<@U9NEW|newcomer> hi", "@newcomer hi"),
        ("<@U9NEW> hi", "@U9NEW hi"),
        ("in <#C9OLD>, <#C8|gym>", "in #old-plans, #gym"),
        ("<!here> <!subteam^S1|@teachers> <!date^1|today>", "@here @teachers today"),
        ("<https://example.org>", "https://example.org"),
        ("<mailto:a@example.org|a@example.org>", "a@example.org"),
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("*bold* `code`\r\nnext", "*bold* `code`\nnext"),
    ],
)
def test_marks_are_shown_as_people_saw_them(stated: str, shown: str) -> None:
    assert read(said(stated)).text == shown


@pytest.mark.parametrize(
    ("subtype", "event"),
    [
        ("channel_join", "join"), ("group_leave", "leave"), ("channel_name", "rename"),
        ("channel_topic", "topic"),
        ("channel_archive", "archive"),
    ],
)  # fmt: skip
def test_what_happens_to_a_conversation_is_kept(subtype: str, event: str) -> None:
    made = read(said("<@U2LEE> …", subtype=subtype, old_name="all", name="general"))
    assert made.metadata["event"] == event
    assert (made.metadata["old_name"], made.metadata["name"]) == ("all", "general")
    assert made.text == "@lee …"


def test_an_edit_has_both_words_and_a_deletion_the_last() -> None:
    changed = read({
        "type": "message", "subtype": "message_changed", "ts": "1741112500.000100",
        "message": said("new words", thread_ts="1741112400.000000"), "previous_message": said("old words"),
    })  # fmt: skip
    assert changed.text == "new words\n[before]\nold words"
    assert changed.warnings == (WarningCode.EDITED,)
    assert changed.fields is not None
    assert changed.fields.sender == Address("Ana Ruiz", "ana@example.org")
    assert changed.fields.thread_key == "C1GEN/1741112400.000000"
    gone = read({
        "type": "message", "subtype": "message_deleted", "ts": "1741112600.000100",
        "deleted_ts": "1741112434.000100", "previous_message": said("old words"),
    })  # fmt: skip
    assert gone.text == "old words"
    assert gone.warnings == (WarningCode.DELETED,)
    assert gone.metadata["deleted"] == "true"


def test_words_of_bots_cards_and_blocks() -> None:
    made = read({
        "type": "message", "subtype": "bot_message", "bot_id": "B1", "username": "Calendar", "text": "",
        "ts": "1741112434.000100",
        "attachments": [
            {"title": "Board", "text": "at six", "fields": [{"title": "Room", "value": "4"}]}
        ],
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "Today"}},
            {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
                {"type": "text", "text": "ask "}, {"type": "user", "user_id": "U2LEE"},
                {"type": "link", "url": "https://example.org/b", "text": " here"},
            ]}]},
        ],
    })  # fmt: skip
    assert made.text.split("\n") == ["Today", "ask @lee here", "> Board", "> at six", "> Room: 4"]
    assert made.links == ("https://example.org/b",)
    assert made.fields is not None
    assert made.fields.sender == Address("Calendar", "B1")


def test_a_snippet_is_read_as_far_as_the_export_repeats_it() -> None:
    made = read(said("", files=[{"id": "F1", "name": "x.py", "mode": "snippet", "preview": "print(1)"}]))
    assert made.text == "print(1)"


def test_without_lists_ids_stand_for_people() -> None:
    made = read(said("<@U2LEE> hi"), group="general")
    assert made.text == "@U2LEE hi"
    assert made.fields is not None
    assert made.fields.sender == Address("", "U1ANA")


@pytest.mark.parametrize("bad", [b"", b"{", b"[1]", b'"x"', b"\xff"])
def test_what_is_no_object_is_corrupt(bad: bytes) -> None:
    with pytest.raises(ItemError, match="corrupt"):
        read(bad)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    [
        "ts",
        "text",
        "user",
        "files",
        "blocks",
        "attachments",
        "message",
        "edited",
        "reactions",
        "subtype",
        "elements",
    ]
)


@given(st.dictionaries(_NAMES, _JSON, max_size=8))
def test_reads_whatever_the_fields_hold(value: dict[str, object]) -> None:
    made = read(value)
    made.whole_text().encode()
    assert "\x00" not in made.text
