"""Messages of imessage-exporter: words, edits, tapbacks, replies below, announcements."""

from __future__ import annotations

import io
from zoneinfo import ZoneInfo

import pytest

from extract.imessage_exporter import MESSAGE_TYPE, ImessageExporterReader
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Kind, Reason
from tests.connectors.built_imessage_exporter import PAGE, TEXT, later_reply

ME = Address("Me", "")
ROSA = Address("Rosa Delgado", "")
SAM = Address("Sam Ito", "")


def read(data: str | bytes, handles: tuple[str, ...] = (), **about: str) -> Extraction:
    raw = data if isinstance(data, bytes) else data.encode()
    facts = {
        "group": "g",
        "group_name": "Rosa",
        "members": "Rosa Delgado; Me; Sam Ito",
        "form": "txt",
    } | about
    zone = ZoneInfo("America/Los_Angeles")
    return ImessageExporterReader().extract(
        io.BytesIO(raw), ExtractContext(None, MESSAGE_TYPE, zone, handles, metadata=facts)
    )


def text(number: int, **about: str) -> Extraction:
    """Read a message of the built text with the facts that its connector gives."""
    native = TEXT[number]
    lines = native.split("\n")
    own = native.find("\n    Mar ")
    begin = len(lines[0].encode()) + len(lines[1].encode()) + 2
    if native.startswith("Mar 05, 2025  9:0") and "\nSam" not in native:
        begin = 25
    at = len(native[: own + 1].encode()) if own >= 0 else len(native.encode())
    return read(native, body_at=str(begin), own=str(at), sender=lines[1], **about)


def test_a_message_has_its_words_and_its_tapbacks_and_not_the_replies_below() -> None:
    made = text(0)
    # the second line of a reply of two lines is not indented: rather kept twice than lost
    assert made.text == "zanzibar: which gate?\n\nthe north one?\nby the pool"
    assert made.metadata == {
        "direction": "received", "tapbacks": "Liked by Me; \N{FIRE} by Sam Ito", "replies": "1",
    }  # fmt: skip
    assert made.kind is Kind.MESSAGE
    assert made.fields is not None
    assert (made.fields.sender, made.fields.to) == (ROSA, (ME,))
    assert made.fields.participants == (ROSA, SAM, ME)
    assert (made.fields.subject, made.fields.thread_key) == ("Rosa", "g")


def test_a_reply_says_that_it_answers() -> None:
    made = text(1)
    assert made.text == "the south one\nby the pool"
    assert made.metadata == {"direction": "sent", "tapbacks": "Loved by Rosa Delgado", "answers": "true"}
    assert made.fields is not None
    assert (made.fields.sender, made.fields.to) == (ME, (ROSA, SAM))


def test_the_owner_has_the_number_that_the_request_gives() -> None:
    made = read("x\n", ("lee@example.org", "+14255550100"), sender="Me")
    assert made.fields is not None
    assert made.fields.sender == Address("", "+14255550100")


def test_an_edited_message_has_its_last_form_first() -> None:
    made = text(2)
    assert made.text == "use 4413\n[before]\nuse 4411\n[before]\nuse 4412"
    assert made.metadata["edits"] == "50 seconds later; 2 minutes later"
    old = read("May 17, 2022  5:29:42 PM one\nEdited 9 seconds later: two\nlines\n", sender="Me")
    assert old.text == "two\nlines\n[before]\none"


def test_paths_are_shown_as_names() -> None:
    assert text(3).text == "[5.jpg]\n[6.heic]\nAttachment missing!"


@pytest.mark.parametrize(
    ("words", "event"),
    [
        ("Rosa renamed the conversation to Trip", "rename"),
        ("You named the conversation Trip", "rename"),
        ("Sam Ito unsent a message!", "unsent"),
        ("You changed the group photo.", "photo"),
        ("Rosa added Sam to the conversation.", "join"),
        ("Rosa removed Sam from the conversation.", "remove"),
        ("Sam left the conversation.", "leave"),
        ("Sam performed unknown action 9.", "other"),
    ],
)
def test_an_announcement_is_nobodys_and_tells_what_happened(words: str, event: str) -> None:
    made = read(f"{words}\n\n", system="true")
    assert made.fields is not None
    assert (made.text, made.fields.sender, made.metadata) == (words, None, {"event": event})


def test_words_that_look_like_the_programs_stay_words() -> None:
    made = read("Tapbacks: none\nReactions:\nnot one\nReply by noon\n", sender="Rosa Delgado")
    assert made.text == "Tapbacks: none\nReactions:\nnot one\nReply by noon"
    assert "tapbacks" not in made.metadata


def page(number: int, data: bytes | None = None) -> Extraction:
    return read(data if data is not None else PAGE[number].encode(), form="html", sender="Me")


def test_parts_of_a_page() -> None:
    first = page(0)
    assert first.text == "zanzibar <buses>\nat 8"
    assert first.metadata == {"direction": "sent", "tapbacks": "Loved by Me", "replies": "2"}
    assert (page(1).text, page(1).metadata["answers"]) == ("at nine", "true")
    edited = page(2)
    assert (edited.text, edited.metadata["edits"]) == ("Gate 2\n[before]\nGate 1", "9 seconds later")
    assert page(3).text == "[a b.png]\n[1.mov]\nUnable to locate attachment: lost.pdf\nExample"
    assert page(4).text == "You named the conversation Trip"
    assert page(0, later_reply()).text == "later then"


def test_facts_that_do_not_fit_are_corrupt() -> None:
    for wrong in ({"body_at": "900"}, {"own": "x"}):
        with pytest.raises(ItemError) as found:
            read("x", **wrong)
        assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, "imessage_exporter")
