"""Models of a Cellebrite report: words, people and the phone's owner, recovery, calls, mails, odd XML."""

from __future__ import annotations

import io

import pytest

from extract.ufdr import UfdrReader
from records.cellebrite import MODEL_TYPE
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Kind, WarningCode
from tests.connectors.built_ufdr import (
    CALLS,
    LOG,
    MAILS,
    MESSAGES,
    PICTURES,
    TEXTS,
    fields,
    message,
    model,
    party,
    within,
)
from tests.extract.samples import context

AT = {"at": "2025-03-04T18:20:34.567000Z", "at_text": "2025-03-04T18:20:34.567+00:00", "at_basis": "stated"}
ANA, SAM = Address("Ana", "+14255550100"), Address("Sam", "+14255550101")
LEE = Address("Lee zanzibar", "15551230001@s.whatsapp.net")
CHAT = {
    "group": "WhatsApp:1", "group_name": "Buses", "app": "WhatsApp", "model": "InstantMessage",
    "members": '[{"address":"+14255550100","name":"Ana","owner":true},'
    '{"address":"15551230001@s.whatsapp.net","name":"","owner":false}]',
}  # fmt: skip


def read(data: str | bytes, facts: dict[str, str] = AT) -> Extraction:
    raw = data if isinstance(data, bytes) else data.encode()
    return UfdrReader().extract(io.BytesIO(raw), context(media_type=MODEL_TYPE, metadata=facts))


def test_a_message_of_a_chat() -> None:
    got = read(MESSAGES[0], AT | CHAT)
    assert got.text == "the bus is late zanzibar\n<model type=\"InstantMessage\"> & 'full'"
    assert (got.kind, got.fields.sender, got.fields.to) == (Kind.CHAT, LEE, (ANA,))
    assert got.fields.participants == (LEE, ANA)
    assert (got.fields.subject, got.fields.thread_key) == ("Buses", "WhatsApp:1")
    assert got.fields.message_id == "WhatsApp:WA-m1"
    assert got.metadata == {
        "model": "InstantMessage", "app": "WhatsApp", "owner": "Ana +14255550100", "direction": "received",
        "time_stamp": "2025-03-04T18:20:34.567+00:00", "time_stamp_shown": "2025-03-04T10:20:34-08:00",
        "identifier": "WA-m1", "source_application": "WhatsApp",
    }  # fmt: skip
    assert got.warnings == ()


def test_a_recovered_row_says_so_and_a_file_is_named() -> None:
    state = {"deleted_state": "Deleted", "recovered": "may be a fragment or a duplicate"}
    got = read(MESSAGES[2], AT | CHAT | state)
    assert got.warnings == (WarningCode.DELETED,)
    assert {name: got.metadata[name] for name in state} == state
    assert read(MESSAGES[1], AT | CHAT).text == "[bus stop.jpg]\n[plan.pdf]"
    assert read(MESSAGES[1], AT | CHAT).metadata["direction"] == "sent"


def test_a_row_of_the_log_a_text_and_a_multimedia_message() -> None:
    got = read(LOG)
    assert (got.text, got.fields.sender) == ("Ana added Rosa", Address("Rosa", "15551230002@s.whatsapp.net"))
    got = read(TEXTS[0])
    assert (got.text, got.kind, got.fields.sender) == ("ok zanzibar", Kind.MESSAGE, SAM)
    assert got.fields.thread_key == "Text:+14255550100,+14255550101"  # whatever way a number was written
    assert (got.metadata["direction"], got.metadata["folder"]) == ("received", "Inbox")
    assert got.fields.message_id == "Text:+14255550100,+14255550101@2025-03-04T18:20:34.567000Z"
    got = read(PICTURES[0])
    assert (got.text, got.fields.subject, got.fields.sender, got.fields.to) == (
        "see\n[map.png]",
        "map",
        ANA,
        (SAM,),
    )


def test_a_call_and_a_mail() -> None:
    got = read(CALLS[0])
    assert (got.text, got.kind, got.fields.sender) == ("Incoming call, 65 s", Kind.CALL, SAM)
    assert (got.fields.message_id, got.fields.thread_key) == ("", "Call:+14255550101")
    assert (
        read(model("Call", "k", fields(Duration="1.02:00:01", VideoCall="True"))).text
        == "Video call, 93601 s"
    )
    got = read(MAILS[0])
    assert (got.text, got.kind, got.fields.subject) == ("as agreed\n[gone.docx]", Kind.EMAIL, "plan")
    assert got.fields.sender == Address("Ana", "ana@example.org")
    assert (got.fields.to, got.fields.cc) == (
        (Address("", "lee@example.org"),), (Address("", "rosa@example.org"),),
    )  # fmt: skip
    assert (got.fields.thread_key, got.fields.participants) == ("", ())


def test_a_quotation_a_place_and_states() -> None:
    quoted = within("EmbeddedMessage", message("q", "when?\nwhere?"), many=False)
    place = within(
        "Position", model("Coordinate", "x", fields(Latitude="47.6", Longitude="-122.3")), many=False
    )
    more = fields(
        Folder="Drafts", Status="Unsent", SelfDestructDuration="00:01:00", PositionAddress="Main St"
    )
    got = read(message("a", "at nine", quoted, place, more, within("SharedContacts", party("", ""))), {})
    assert got.text == "at nine\n> when?\n> where?\n[Main St]"
    assert got.metadata["position"] == "47.6 -122.3"
    assert set(got.warnings) == {
        WarningCode.DRAFT, WarningCode.NOT_SENT, WarningCode.DISAPPEARING, WarningCode.NO_DATE,
    }  # fmt: skip


def test_two_readings_of_a_phone_have_the_same_id() -> None:
    first, second = message("1", "x"), message("2", "x").replace("WA-2", "WA-1")
    assert read(first, AT | CHAT).fields.message_id == read(second, AT | CHAT).fields.message_id
    whole = AT | CHAT | {"at_text": "2025-03-04T18:20:34.000+00:00"}
    assert read(first.replace("WA-1", ""), whole).fields.message_id == ""


def test_base64_and_what_is_none() -> None:
    coded = '<field name="Body"><value format="Base64String">{}</value></field>'
    assert read(model("SMS", "s", coded.format("w6l0w6k="))).text == "\xe9t\xe9"
    assert read(model("SMS", "s", coded.format("not base64!"))).text == "not base64!"


def test_another_charset_and_forbidden_characters_are_marked() -> None:
    for data, text in ((b"caf\xe9", "caf\xe9"), (b"a\x07b&#0;c", "ab\ufffdc")):
        got = read(
            model("SMS", "s", fields(Body="@@").replace("<![CDATA[@@]]>", "@@")).encode().replace(b"@@", data)
        )
        assert (got.text, got.warnings) == (text, (WarningCode.CHARSET_GUESSED,))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<model", b"<other/>", b"<model>&x;</model>", b"<model></model><model/>",
        b'<!DOCTYPE model [<!ENTITY x SYSTEM "file:///etc/passwd">]><other>&x;</other>',
    ],
)  # fmt: skip
def test_what_is_no_model_is_corrupt(data: bytes) -> None:
    with pytest.raises(ItemError) as caught:
        read(data)
    assert (caught.value.reason.value, caught.value.detail) == ("corrupt", "xml")
