"""Messages of printouts as records."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.transcripts import MESSAGE_TYPE, PrintoutReader
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Basis, Kind

ABOUT = {
    "group": "remind:lee; rosa", "between": ",", "at": "2026-03-04T17:05:00.000000Z",
    "at_text": "Mar 4, 2026 at 9:05 AM", "at_basis": "stated",
}  # fmt: skip
FIELDS = {
    "sender": "Rosa Delgado", "role": "Parent", "recipients": "Lee Okafor, +14255550101, x <lee@example.org>",
    "sent_at": "Mar 4, 2026 at 9:05 AM", "body": "El bus\nno vino", "body_translated": "The bus did not come",
    "language": "English", "message_id": "m7",
}  # fmt: skip


def read(record: object, **about: str) -> Extraction:
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=ABOUT | about)
    return PrintoutReader().extract(io.BytesIO(json.dumps(record).encode()), context)


def test_a_message_says_who_to_whom_when_and_both_texts() -> None:
    made = read({"schema": "transcript-message/1", "fields": FIELDS, "attachments": ["map.png", "a.pdf"]})
    assert made.text == "El bus\nno vino\nThe bus did not come\nmap.png\na.pdf"
    assert made.kind is Kind.CHAT
    assert made.fields is not None
    assert made.fields.sender == Address("Rosa Delgado", "")
    assert made.fields.to == (
        Address("Lee Okafor", ""), Address("", "+14255550101"), Address("x", "lee@example.org"),
    )  # fmt: skip
    assert made.fields.moment.at == datetime(2026, 3, 4, 17, 5, tzinfo=UTC)
    assert (made.fields.moment.text, made.fields.moment.basis) == ("Mar 4, 2026 at 9:05 AM", Basis.STATED)
    assert made.fields.thread_key == "remind:lee; rosa"
    assert dict(made.metadata) == {
        "role": "Parent", "language": "English", "message_id": "m7", "files": "map.png\na.pdf",
    }  # fmt: skip


def test_the_same_text_twice_is_given_once() -> None:
    assert read({"fields": FIELDS | {"body_translated": FIELDS["body"]}}).text == "El bus\nno vino"


@pytest.mark.parametrize(
    "record", [{}, {"fields": 7, "attachments": "a"}, {"fields": {"body": 3}, "attachments": [1, {"a": 2}]}]
)
def test_of_a_record_nothing_is_taken_for_granted(record: object) -> None:
    made = read(record, between="")
    assert (made.text, made.fields and made.fields.sender, made.fields and made.fields.to) == ("", None, ())


@pytest.mark.parametrize("data", [b"", b"[1]", b'{"fields": '])
def test_what_is_no_record_is_corrupt(data: bytes) -> None:
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("UTC"), metadata=ABOUT)
    with pytest.raises(ItemError, match="corrupt"):
        PrintoutReader().extract(io.BytesIO(data), context)


def test_the_label_chooses_the_reader() -> None:
    reader = choose(MESSAGE_TYPE, None, b'{"fields"')
    assert reader is not None
    assert reader.name == "printout"
