"""Entries of WhatsApp chats."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.whatsapp import MESSAGE_TYPE, WhatsAppReader
from records.errors import ItemError
from records.models import Address, Extraction, Moment
from records.vocabulary import Basis, Kind, Reason

ABOUT = {
    "group": "chat.txt", "group_name": "Lee", "charset": "utf-8", "at": "2025-03-14T16:05:00.000000Z",
    "at_text": "3/14/25, 9:05 AM", "at_basis": "assumed_zone", "author": "Rosa Delgado",
}  # fmt: skip
HEAD = "3/14/25, 9:05 AM - Rosa Delgado: "


def read(body: str, head: str = HEAD, **about: str) -> Extraction:
    charset = about.get("charset", "utf-8")
    data = f"{head}{body}".encode(charset)
    facts = ABOUT | {"body_at": str(len(head.encode(charset)))} | about
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=facts)
    return WhatsAppReader().extract(io.BytesIO(data), context)


def test_an_entry_has_words_writer_chat_and_time() -> None:
    made = read("Buses:\r\n1. Cedar\n2. \u2068@Sam Ito\u2069\r\n")
    assert made.text == "Buses:\n1. Cedar\n2. @Sam Ito"
    assert made.kind is Kind.CHAT
    assert made.fields is not None
    assert made.fields.sender == Address("Rosa Delgado", "")
    assert (made.fields.subject, made.fields.thread_key) == ("Lee", "chat.txt")
    at = datetime(2025, 3, 14, 16, 5, tzinfo=UTC)
    assert made.fields.moment == Moment(at, "3/14/25, 9:05 AM", Basis.ASSUMED_ZONE)


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("\u200eYou added Sam Ito.", "join"),
        ("Sam Ito joined using this group's invite link", "join"),
        ("Sam Ito left", "leave"),
        ("Rosa removed Sam Ito", "leave"),
        ('Rosa changed the subject to "Trip"', "rename"),
        ("\u200eRosa created this group", "create"),
        ("You turned on disappearing messages.", "disappearing"),
        ("Your security code with Sam changed", ""),
    ],
)
def test_what_the_app_wrote_is_nobodys_and_tells_what_happened(words: str, event: str) -> None:
    made = read(f"{words}\n", system="true")
    assert made.fields is not None
    assert made.fields.sender is None
    assert made.metadata.get("event", "") == event
    assert made.text == words.removeprefix("\u200e")


def test_words_of_a_person_are_no_event() -> None:
    assert read("Sam left\n").metadata == {}


def test_another_charset_and_no_time() -> None:
    made = read("caf\u00e9\n", charset="cp1252", at="", at_basis="none")
    assert made.text == "café"
    assert made.fields is not None
    assert made.fields.moment == Moment(None, "3/14/25, 9:05 AM", Basis.NONE)


@pytest.mark.parametrize("stated", ["", "-1", "99999", "x", "\u0663"])
def test_facts_that_do_not_fit_are_corrupt(stated: str) -> None:
    with pytest.raises(ItemError) as found:
        read("x\n", body_at=stated)
    assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, "whatsapp_message")


def test_is_chosen_by_its_label() -> None:
    assert choose(MESSAGE_TYPE, None, b"3/14/25").name == "whatsapp"
