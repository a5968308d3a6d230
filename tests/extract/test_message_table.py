"""Rows of tables of messages."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from extract.message_table import MESSAGE_TYPE, MessageTableReader
from extract.protocol import ExtractContext
from extract.registry import choose
from records.errors import ItemError
from records.models import Address, Extraction, Moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

ABOUT = {
    "header": json.dumps(["Date", "From", "To", "Original", "Translated", "School"]),
    "columns": json.dumps({
        "sent_at": "Date", "sender": "From", "recipients": "To", "body": "Original",
        "body_translated": "Translated",
    }),
    "delimiter": ",", "group": "app:1", "at": "2025-03-04T17:05:00.000000Z", "at_text": "3/4/25",
    "at_basis": "assumed_zone",
}  # fmt: skip


def read(row: str | bytes, **about: str) -> Extraction:
    data = row if isinstance(row, bytes) else row.encode()
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=ABOUT | about)
    return MessageTableReader().extract(io.BytesIO(data), context)


def test_both_texts_people_and_what_no_map_names() -> None:
    people = '"Ms. Lee <lee@example.org>","Delgado, Rosa; +12065550101"'
    made = read(f'3/4/25,{people},"room 4\r\nat nine",sala 4,Alder\r\n')
    assert made.text == "room 4\nat nine\nsala 4"
    assert made.kind is Kind.CHAT
    assert made.fields is not None
    assert made.fields.sender == Address("Ms. Lee", "lee@example.org")
    assert made.fields.to == (Address("Delgado, Rosa", ""), Address("", "+12065550101"))
    assert made.fields.thread_key == "app:1"
    assert made.fields.moment == Moment(datetime(2025, 3, 4, 17, 5, tzinfo=UTC), "3/4/25", Basis.ASSUMED_ZONE)
    assert made.metadata == {"School": "Alder"}


def test_a_translation_that_is_the_same_is_read_once_and_extra_cells_are_kept() -> None:
    made = read("3/4/25,Lee,Rosa,hi,hi,Alder,more,\r\n")
    assert made.text == "hi"
    assert made.metadata == {"School": "Alder", "column 7": "more"}


def test_a_bare_carriage_return_loses_no_cell_and_a_cell_may_be_large() -> None:
    made = read("3/4/25,Lee,Rosa,hi\rthere,ja,Alder\n")
    assert made.text == "hi\nthere"
    assert made.metadata == {"School": "ja", "column 7": "Alder"}
    csv.field_size_limit(128 << 10)
    assert len(read(f"3/4/25,Lee,Rosa,{'x' * 200_000},,\n").text) == 200_000


def test_other_delimiters_and_charsets() -> None:
    assert read("3/4/25\tLee\tRosa\ta,b\t\t\n", delimiter="\t").text == "a,b"
    made = read("3/4/25,Lee,Rosa,café,,\n".encode("cp1252"))
    assert (made.text, made.warnings) == ("café", (WarningCode.CHARSET_GUESSED,))


def test_facts_that_do_not_fit_are_no_fault_of_the_row() -> None:
    assert read("a,b\n", header="[", columns="[").metadata == {"column 1": "a", "column 2": "b"}
    with pytest.raises(ItemError) as found:
        read("a,b\n", delimiter="|")
    assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, "table_row")


def test_is_chosen_by_its_label() -> None:
    assert choose(MESSAGE_TYPE, None, b"a,b").name == "message_table"


def test_what_a_connector_of_known_columns_says_goes_before_the_row() -> None:
    about = {
        "header": '["Subject", "Content", "File", "Else"]', "delimiter": ",", "kind": "message",
        "columns": '{"title": "Subject", "body": "Content", "media": "File"}', "group_name": "Trip",
        "sender": "Me", "recipients": "Ana <https://example.org/ana>; Lee", "html": "true",
    }  # fmt: skip
    zone = ZoneInfo("America/Los_Angeles")

    def read(row: bytes, **more: str) -> Extraction:
        handles = ("lee@example.org", "+14255550100")
        made = ExtractContext(None, MESSAGE_TYPE, zone, handles, metadata=about | more)
        return MessageTableReader().extract(io.BytesIO(row), made)

    made = read(b"Buses,<p>at</p><p>9 &amp; 10</p>,,x\n")
    assert made.text == "Buses\nat\n\n9 & 10"
    assert made.fields is not None
    assert (made.fields.sender, made.fields.subject) == (Address("", "+14255550100"), "Trip")
    assert made.fields.to == (Address("Ana", "https://example.org/ana"), Address("Lee", ""))
    assert (made.kind, made.metadata) == (Kind.MESSAGE, {"Else": "x"})
    alone = read(b",,plan.pdf,\n", system="true")
    assert (alone.text, alone.metadata) == ("[plan.pdf]", {"media": "plan.pdf"})
    assert alone.fields is not None
    assert alone.fields.sender is None
