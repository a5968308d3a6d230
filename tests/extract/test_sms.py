"""Texts, multimedia messages and calls of an SMS Backup & Restore file."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.sms import SmsReader, join_surrogates, number
from records.errors import ItemError
from records.models import Address, Extraction, Failure
from records.vocabulary import Basis, Kind, Reason, WarningCode
from tests.extract.samples import CALL, MMS, SMS, context

OWNER = ("lee.owner@example.org", "(425) 555-0100")
LEE = Address("Lee Okafor", "+14255550102")
ME = Address("", "+14255550100")
AT = datetime(2026, 3, 2, 17, 15, tzinfo=UTC)


def read(data: bytes, owner: tuple[str, ...] = OWNER) -> Extraction:
    return SmsReader().extract(io.BytesIO(data), context(owner_handles=owner))


def changed(data: bytes, **values: str) -> bytes:
    import re

    for name, value in values.items():
        data = re.sub(rb'\b%s="[^"]*"' % name.encode(), b'%s="%s"' % (name.encode(), value.encode()), data)
    return data


def test_a_received_text() -> None:
    got = read(SMS)
    assert (got.kind, got.text) == (Kind.MESSAGE, "Bus is late \U0001f601\nsecond line")
    fields = got.fields
    assert (fields.sender, fields.to, fields.participants) == (LEE, (ME,), (LEE, ME))
    assert fields.subject == ""
    assert (fields.moment.at, fields.moment.text, fields.moment.basis) == (AT, "1772471700000", Basis.STATED)
    assert (got.children, got.warnings, got.failure) == ((), (), None)


@pytest.mark.parametrize(
    ("kind", "warnings"),
    [
        ("2", ()),
        ("3", (WarningCode.DRAFT,)),
        ("4", (WarningCode.NOT_SENT,)),
        ("5", (WarningCode.NOT_SENT,)),
        ("6", (WarningCode.NOT_SENT,)),
    ],
)
def test_texts_written_on_this_phone(kind: str, warnings: tuple[WarningCode, ...]) -> None:
    got = read(changed(SMS, type=kind))
    assert (got.fields.sender, got.fields.to, got.warnings) == (ME, (LEE,), warnings)
    assert got.metadata["type"] == kind


def test_without_a_known_owner() -> None:
    got = read(SMS, ())
    assert (got.fields.sender, got.fields.to, got.fields.participants) == (LEE, (), (LEE,))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("(425) 555-0101", "+14255550101"),
        ("+1 425 555 0101", "+14255550101"),
        ("4255550101", "+14255550101"),
        ("+442079460000", "+442079460000"),
        ("12345", "12345"),
        ("262966", "262966"),
        ("VERIZON", "VERIZON"),
        ("lee@example.org", "lee@example.org"),
        ("1-800-FLOWERS", "1-800-FLOWERS"),
        ("999999999999999999", "999999999999999999"),
    ],
)
def test_numbers(stated: str, expected: str) -> None:
    assert number(stated) == expected


class TestMms:
    def test_a_group_message(self) -> None:
        got = read(MMS)
        lee, kim = Address("Lee", "+14255550102"), Address("Kim", "+14255550103")
        assert (got.text, got.fields.subject) == ("photo caption", "Group")
        assert (got.fields.sender, got.fields.to, got.fields.cc) == (lee, (ME,), (kim,))
        assert got.fields.participants == (lee, ME, kim)
        assert [(c.part_path, c.name, c.media_type, c.data, c.failure) for c in got.children] == [
            ("1", None, "application/smil", None, Failure(Reason.LAYOUT_PART, "smil")),
            ("3", "bus.png", "image/png", b"\x89PNG\r", None),
        ]
        assert got.children[1].metadata == {"content_id": "c1"}
        assert got.expected_children == 2

    def test_a_sent_message_without_an_address_table(self) -> None:
        data = b'<mms date="1772471700000" msg_box="2" address="+14255550102~12345" sub="null"><parts/></mms>'
        got = read(data)
        assert (got.fields.sender, [p.address for p in got.fields.to]) == (ME, ["+14255550102", "12345"])
        assert got.fields.subject == ""

    def test_an_announced_message_that_was_never_fetched(self) -> None:
        got = read(b'<mms date="1772471700000" msg_box="1" m_type="130" address="+14255550102"/>')
        assert (got.text, got.warnings) == ("", (WarningCode.NOT_DOWNLOADED,))
        assert got.fields.sender == Address("", "+14255550102")

    @pytest.mark.parametrize(
        ("attributes", "failure"),
        [
            ('ct="image/png" data="%%%"', Failure(Reason.CORRUPT, "base64")),
            ('ct="image/png" data="null"', Failure(Reason.NOT_IN_EXPORT, "no_data")),
            ('ct="image/png"', Failure(Reason.NOT_IN_EXPORT, "no_data")),
        ],
    )
    def test_media_that_cannot_be_had(self, attributes: str, failure: Failure) -> None:
        data = f'<mms date="1772471700000" msg_box="1" address="5"><parts><part {attributes}/></parts></mms>'
        got = read(data.encode())
        assert [(c.data, c.failure) for c in got.children] == [(None, failure)]
        assert got.failure is None

    def test_text_that_came_as_data(self) -> None:
        body = base64.b64encode("café".encode()).decode()
        part = f'<part ct="text/plain" chset="106" text="null" data="{body}"/>'
        data = f'<mms date="1" msg_box="1"><parts>{part}</parts></mms>'
        assert read(data.encode()).text == "café"

    def test_a_part_of_hundreds_of_megabytes_is_within_the_parser(self) -> None:
        body = base64.b64encode(b"x" * (12 << 20))
        data = b'<mms date="1" msg_box="1"><parts><part ct="video/mp4" data="' + body + b'"/></parts></mms>'
        assert len(read(data).children[0].data) == 12 << 20


class TestCalls:
    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("1", "Incoming call, 42 s"),
            ("2", "Outgoing call, 42 s"),
            ("3", "Missed call, 42 s"),
            ("4", "Voicemail, 42 s"),
            ("5", "Rejected call, 42 s"),
            ("6", "Refused call, 42 s"),
            ("9", "Call, 42 s"),
        ],
    )
    def test_calls_by_type(self, kind: str, text: str) -> None:
        got = read(changed(CALL, type=kind))
        other = Address("", "+14255550102")
        assert (got.kind, got.text) == (Kind.CALL, text)
        assert got.fields.sender == (ME if kind == "2" else other)
        assert got.fields.to == ((other,) if kind == "2" else (ME,))
        assert got.fields.moment.at == AT

    def test_a_hidden_number(self) -> None:
        got = read(changed(CALL, number="", presentation="2", type="1"))
        assert (got.fields.sender, got.fields.participants) == (None, (ME,))


class TestXml:
    def test_surrogate_pairs_are_joined_in_both_spellings(self) -> None:
        assert join_surrogates(b"&#55357;&#56833;") == (b"&#128513;", False)
        assert join_surrogates(b"&#xD83D;&#xDE01;") == (b"&#128513;", False)
        assert join_surrogates(b"&#xd83d;&#56833;") == (b"&#128513;", False)
        assert join_surrogates(b"&#65;&#128513;") == (b"&#65;&#128513;", False)

    def test_lone_halves_become_the_replacement_character(self) -> None:
        got = read(b'<sms address="12345" date="1772471700000" type="1" body="a&#55357;b&#56833;&#55357;c"/>')
        assert got.text == "a\ufffdb\ufffd\ufffdc"
        assert got.warnings == (WarningCode.CHARSET_GUESSED,)

    def test_what_xml_forbids_costs_no_message(self) -> None:
        assert (
            read(b'<sms address="12345" date="1772471700000" type="1" body="a&#0;b&#x1F;c"/>').text
            == "a\ufffdb\ufffdc"
        )
        assert read(b'<sms address="12345" date="1772471700000" type="1" body="a\x00b\x0bc"/>').text == "abc"
        assert join_surrogates(b"&#10000;&#55296;&#56320;")[0] == b"&#10000;&#65536;"

    def test_entities_are_refused(self) -> None:
        data = b'<!DOCTYPE sms [<!ENTITY x SYSTEM "file:///etc/passwd">]><sms body="a" date="1"/>'
        with pytest.raises(ItemError) as raised:
            read(data)
        assert raised.value.reason is Reason.CORRUPT

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (SMS[:-5], Reason.TRUNCATED),
            (b"<sms body='a' <", Reason.TRUNCATED),
            (b"<sms body='a'></call>", Reason.CORRUPT),
            (b"<other/>", Reason.CORRUPT),
            (b"", Reason.TRUNCATED),
        ],
    )
    def test_broken_elements(self, data: bytes, reason: Reason) -> None:
        with pytest.raises(ItemError) as raised:
            read(data)
        assert raised.value.reason is reason

    @pytest.mark.parametrize(
        ("stated", "warning"),
        [
            ("", WarningCode.NO_DATE),
            ("null", WarningCode.NO_DATE),
            ("soon", WarningCode.BAD_DATE),
            ("7", WarningCode.BAD_DATE),
        ],
    )
    def test_dates_in_doubt(self, stated: str, warning: WarningCode) -> None:
        got = read(changed(SMS, date=stated))
        assert (got.fields.moment.at, got.warnings) == (None, (warning,))

    def test_only_single_elements_are_accepted(self) -> None:
        reader = SmsReader()
        assert reader.score("application/x-sms-backup-restore+xml", None, SMS) == 100
        assert reader.score(None, None, MMS) == 70
        assert (
            reader.score("text/xml", "sms.xml", b"<?xml version='1.0'?><smses count='1'><sms/></smses>")
            is None
        )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_any_body_comes_back(body: str) -> None:
    halves = body.encode("utf-16-be")
    units = [int.from_bytes(halves[n : n + 2], "big") for n in range(0, len(halves), 2)]
    data = "".join(f"&#{unit};" for unit in units).encode()
    got = read(b'<sms address="12345" date="1772471700000" type="1" body="' + data + b'"/>')
    legal = "".join("\ufffd" if ord(c) in (0xFFFE, 0xFFFF) else c for c in body)
    assert got.text == ("" if body == "null" else legal)
