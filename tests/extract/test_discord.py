"""Messages of Discord: words, people, addresses of attachments, odd JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from extract.discord import MESSAGE_TYPE, DiscordReader
from records.errors import ItemError
from records.models import Address
from records.vocabulary import WarningCode
from tests.extract.samples import context

AT = {"at": "2021-10-13T15:35:46.000000Z", "at_text": "2021-10-13 15:35:46", "at_basis": "stated"}


def read(value: Any, facts: dict[str, str]):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return DiscordReader().extract(io.BytesIO(data), context(media_type=MESSAGE_TYPE, metadata=facts))


def test_a_message_of_two():
    about = {"group": "discord:12", "group_name": "Direct Message with lee_o", "sender": "ana_r <77>"}
    got = read(
        {"ID": 897870239797215243, "Contents": "**late**\n> again", "Attachments": ""},
        AT | about | {"recipients": "lee_o <78>; <79>", "server": ""},
    )
    assert got.text == "**late**\n> again"
    assert got.fields.sender == Address("ana_r", "77")
    assert got.fields.to == (Address("lee_o", "78"), Address("", "79"))
    assert (got.fields.subject, got.fields.thread_key) == ("Direct Message with lee_o", "discord:12")
    assert got.fields.message_id == "897870239797215243"  # all its digits
    assert got.metadata == {"message_id": "897870239797215243"}
    assert got.warnings == ()


def test_what_has_no_words_reads_as_what_it_names():
    link = "https://cdn.discordapp.com/a/b/plan.pdf?ex=0"
    got = read({"ID": "5", "Contents": "", "Attachments": link}, AT | {"server": "Cedar Falls"})
    assert got.text == f"[{link}]"
    assert got.metadata == {"message_id": "5", "media": link, "server": "Cedar Falls"}
    assert (got.fields.sender, got.fields.to) == (None, ())


def test_members_of_other_kinds_and_no_time():
    got = read({"ID": True, "Contents": ["x"], "Attachments": 5}, {"at_text": "soon", "at_basis": "none"})
    assert (got.text, got.fields.message_id, got.metadata) == ("", "", {})
    assert got.warnings == (WarningCode.BAD_DATE,)
    assert read({}, {}).warnings == (WarningCode.NO_DATE,)


def test_another_charset_is_marked():
    got = read(b'{"ID": 1, "Contents": "caf\xe9"}', AT)
    assert (got.text, got.warnings) == ("caf\xe9", (WarningCode.CHARSET_GUESSED,))


@pytest.mark.parametrize("data", [b"[1]", b"{", b"", b'"x"', b"{" + b'"a":[' * 9000])
def test_what_is_no_object_is_corrupt(data):
    with pytest.raises(ItemError) as caught:
        read(data, AT)
    assert caught.value.reason.value == "corrupt"
