"""Events of RSMF."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.protocol import ExtractContext
from extract.registry import choose
from extract.rsmf import EVENT_TYPE, RsmfReader
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

ABOUT = {
    "group": "rsmf:c1", "group_name": "Gate", "members": "Ana Ruiz <ana@example.org>; Sam Ito",
    "people": json.dumps({"a": "Ana Ruiz <ana@example.org>", "7": "Sam Ito"}),
}  # fmt: skip
ANA, SAM = Address("Ana Ruiz", "ana@example.org"), Address("Sam Ito", "")


def read(value: object, **about: str) -> Extraction:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    context = ExtractContext(None, EVENT_TYPE, ZoneInfo("America/Los_Angeles"), metadata=ABOUT | about)
    return RsmfReader().extract(io.BytesIO(data), context)


def test_a_message_with_all_that_the_form_has() -> None:
    made = read({
        "type": "message", "id": "e1", "parent": "e0", "participant": "a", "direction": "outgoing",
        "timestamp": "2025-03-04T10:20:34-08:00", "body": "new\r\nwords", "importance": "high",
        "deleted": True,
        "edits": [{"participant": "a", "timestamp": "2025-03-04T10:21:00-08:00", "previous": "old words"}],
        "reactions": [{"value": "+1", "count": 1, "participants": [7, "b"]}],
        "read_receipts": [{"participant": 7, "action": "read", "timestamp": "2025-03-04T10:22:00-08:00"}],
        "attachments": [{"id": "x1.jpg", "display": "photo.jpg"}, {"id": "x2.jpg"}],
        "custom": [{"name": "device", "value": "phone"}],
    })  # fmt: skip
    assert made.text == "new\nwords\n[before]\nold words"
    assert made.kind is Kind.CHAT
    assert made.fields is not None
    assert (made.fields.sender, made.fields.participants) == (ANA, (ANA, SAM))
    assert made.fields.thread_key == "rsmf:c1/e0"
    at = datetime(2025, 3, 4, 18, 20, 34, tzinfo=UTC)
    assert made.fields.moment == Moment(at, "2025-03-04T10:20:34-08:00", Basis.STATED)
    assert made.warnings == (WarningCode.DELETED, WarningCode.EDITED)
    assert made.metadata == {
        "id": "e1", "parent": "e0", "direction": "outgoing", "importance": "high", "type": "message",
        "deleted": "true", "edited": "2025-03-04T10:21:00-08:00 Ana Ruiz <ana@example.org>",
        "reactions": "+1 1 Sam Ito, b", "read_receipts": "read Sam Ito 2025-03-04T10:22:00-08:00",
        "attached_files": "photo.jpg; x2.jpg", "custom": "device: phone",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["join", "leave", "disclaimer", "history"])
def test_what_is_no_message_is_an_event(kind: str) -> None:
    made = read({"type": kind, "participant": 7})
    assert made.fields is not None
    assert made.fields.sender == SAM
    assert made.metadata == {"type": kind, "event": kind}


@pytest.mark.parametrize(
    ("stated", "moment", "warnings"),
    [
        (None, NO_MOMENT, (WarningCode.NO_DATE,)),
        ("soon", Moment(None, "soon", Basis.NONE), (WarningCode.BAD_DATE,)),
        ("2025-03-04T10:20:34", Moment(None, "2025-03-04T10:20:34", Basis.NONE), (WarningCode.BAD_DATE,)),
    ],
)
def test_times_that_do_not_tell(
    stated: str | None, moment: Moment, warnings: tuple[WarningCode, ...]
) -> None:
    made = read({"timestamp": stated})
    assert made.fields is not None
    assert made.fields.moment == moment
    assert made.warnings == warnings


@pytest.mark.parametrize(("data", "detail"), [(b"{", "json"), (b"[]", "json_object"), (b"\xff", "json")])
def test_what_is_no_object_is_corrupt(data: bytes, detail: str) -> None:
    with pytest.raises(ItemError) as found:
        read(data)
    assert (found.value.reason, found.value.detail) == (Reason.CORRUPT, detail)


_NAMES = st.sampled_from(
    [
        "type",
        "id",
        "body",
        "edits",
        "reactions",
        "custom",
        "deleted",
        "attachments",
        "read_receipts",
        "timestamp",
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_NAMES, _JSON, max_size=8))
def test_reads_whatever_the_fields_hold(value: dict[str, object]) -> None:
    made = read(value)
    made.text.encode()
    assert all(isinstance(one, str) for one in made.metadata.values())


def test_is_chosen_by_its_label() -> None:
    assert choose(EVENT_TYPE, None, b"{}").name == "rsmf"
