"""Entries of Snapchat: words, people, rows of the service, snaps without words, odd JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from extract.snapchat import MESSAGE_TYPE, SnapchatReader
from records.errors import ItemError
from records.models import Address
from records.vocabulary import WarningCode
from tests.extract.samples import context

AT = {"at": "2025-03-04T18:20:34.000000Z", "at_text": "2025-03-04 18:20:34 UTC", "at_basis": "stated"}


def read(value: Any, **facts: str):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return SnapchatReader().extract(io.BytesIO(data), context(media_type=MESSAGE_TYPE, metadata=AT | facts))


def test_what_was_received_states_no_receiver():
    got = read(
        {"From": "rosa.d", "Media Type": "TEXT", "Content": "the bus\nis late", "IsSaved": True},
        group="snapchat:rosa.d", direction="received", **{"with": "rosa.d"},
    )  # fmt: skip
    assert got.text == "the bus\nis late"
    assert (got.fields.sender, got.fields.to) == (Address("", "rosa.d"), ())
    assert got.fields.thread_key == "snapchat:rosa.d"
    assert got.metadata == {"media_type": "TEXT", "saved": "true", "direction": "received"}
    assert got.warnings == ()


def test_what_was_sent_goes_to_the_other_of_two():
    got = read({"From": "lee_o", "Content": "ok"}, direction="sent", **{"with": "rosa.d"})
    assert (got.fields.sender, got.fields.to) == (Address("", "lee_o"), (Address("", "rosa.d"),))
    group = read({"From": "lee_o", "Content": "ok", "Conversation Title": "Trip"}, direction="sent")
    assert (group.fields.subject, group.fields.to) == ("Trip", ())


def test_the_older_words_and_their_signs():
    got = read({"To": "rosa.d", "Media Type": "TEXT", "Text": "it&#39;s &lt;late&gt;"}, direction="sent")
    assert got.text == "it's <late>"
    assert (got.fields.sender, got.fields.to) == (None, (Address("", "rosa.d"),))


@pytest.mark.parametrize(
    ("what", "text", "event"),
    [
        ("IMAGE", "[IMAGE]", None),
        ("STATUSERASEDMESSAGE", "[STATUSERASEDMESSAGE]", "erased"),
        ("STATUSSAVETOCAMERAROLL", "[STATUSSAVETOCAMERAROLL]", "service"),
        ("TEXT", "", None),
    ],
)
def test_what_has_no_words_reads_as_its_medium(what, text, event):
    got = read({"From": "rosa.d", "Media Type": what, "Content": None})
    assert (got.text, got.metadata.get("event")) == (text, event)


@pytest.mark.parametrize("data", [b"[1]", b"{", b"", b'"x"', b"{" + b'"a":[' * 9000])
def test_what_is_no_object_is_corrupt(data):
    with pytest.raises(ItemError) as caught:
        read(data)
    assert caught.value.reason.value == "corrupt"


def test_members_of_other_kinds_and_no_time():
    facts = {"at_text": "soon", "at_basis": "none"}
    got = SnapchatReader().extract(
        io.BytesIO(json.dumps({"From": 5, "Content": ["x"], "Media Type": None, "IsSaved": "y"}).encode()),
        context(media_type=MESSAGE_TYPE, metadata=facts),
    )
    assert (got.text, got.fields.sender, got.metadata) == ("", None, {})
    assert got.warnings == (WarningCode.BAD_DATE,)
