"""Messages of Twilio's API."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.twilio import MESSAGE_TYPE, TwilioReader
from records.errors import ItemError
from records.models import Address, Extraction
from records.vocabulary import Kind, WarningCode


def read(**value: Any) -> Extraction:
    about = {"group": "twilio:a;b", "group_name": "a, b"}
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("America/Los_Angeles"), metadata=about)
    return TwilioReader().extract(io.BytesIO(json.dumps(value).encode()), context)


def test_a_message() -> None:
    made = read(
        sid="SM1", body="Bus 4\r\nis late", direction="outbound-api", status="undelivered", error_code=30003,
        num_media="0", date_sent="Tue, 04 Mar 2025 18:20:34 +0000", date_created="x", to="+14255550102",
        **{"from": "whatsapp:+14255550100"},
    )  # fmt: skip
    assert (made.text, made.kind, made.warnings) == ("Bus 4\nis late", Kind.MESSAGE, ())
    assert made.metadata == {
        "status": "undelivered", "error_code": "30003", "date_created": "x", "direction": "sent",
    }  # fmt: skip
    assert made.fields is not None
    assert (made.fields.sender, made.fields.to) == (
        Address("whatsapp:+14255550100", ""), (Address("", "+14255550102"),),
    )  # fmt: skip
    assert made.fields.moment.at == datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert (made.fields.subject, made.fields.thread_key, made.fields.message_id) == (
        "a, b",
        "twilio:a;b",
        "SM1",
    )


@pytest.mark.parametrize(
    ("value", "warnings"),
    [({}, (WarningCode.NO_DATE,)), ({"date_sent": "soon", "body": 4, "to": []}, (WarningCode.BAD_DATE,))],
)
def test_what_is_missing_or_strange(value: dict[str, Any], warnings: tuple[WarningCode, ...]) -> None:
    made = read(**value, direction="inbound")
    assert (made.text, made.warnings, made.metadata) == ("", warnings, {"direction": "received"})


def test_no_object_is_corrupt_and_the_label_chooses() -> None:
    assert choose(MESSAGE_TYPE, None, b"{").name == "twilio"  # type: ignore[union-attr]
    context = ExtractContext(None, MESSAGE_TYPE, ZoneInfo("UTC"))
    with pytest.raises(ItemError, match="corrupt"):
        TwilioReader().extract(io.BytesIO(b"[]"), context)
