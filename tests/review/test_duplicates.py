"""Exact duplicates: whole families, in three modes."""

from __future__ import annotations

import hashlib

import pytest

from records.ids import content_hash, family_hash
from review.duplicates import Duplicate, Mode, Top, duplicates

ONE, TWO = "a" * 64, "b" * 64
TOPS = [
    Top(ONE, "ana", (1, "b000003", 7), "i3"),
    Top(ONE, "lee", (0, "b000001", 2), "i2"),
    Top(ONE, "lee", (0, "b000001", 1), "i1"),
    Top(TWO, "ana", (1, "b000003", 8), "i4"),
]


def test_global_groups_have_the_first_copy_by_source_and_order():
    name = hashlib.sha256(f"du1\x1f{ONE}".encode()).hexdigest()[:24]
    assert list(duplicates(TOPS, Mode.GLOBAL)) == [
        Duplicate("i1", name, "i1", 3),
        Duplicate("i2", name, "i1", 3),
        Duplicate("i3", name, "i1", 3),
    ]


def test_custodial_groups_stay_with_each_custodian():
    assert [(one.item_id, one.first, one.copies) for one in duplicates(TOPS, Mode.CUSTODIAL)] == [
        ("i1", "i1", 2),
        ("i2", "i1", 2),
    ]


def test_none_is_none():
    assert list(duplicates(TOPS, Mode.NONE)) == []


def message(body: str, *attachments: str) -> str:
    """Return the family hash of a mail with attachments, as it is made where mail is read."""
    made = content_hash(
        sent_at=None,
        sender="a@x",
        recipients=["b@x"],
        subject="Draft",
        body=body,
        attachments=[(f"{one}.pdf", one * 64) for one in attachments],
    )
    return family_hash(made or "", [one * 64 for one in attachments])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (message("The draft."), message("The\n draft!"), True),
        (message("The draft.", "1"), message("The draft."), False),
        (message("The draft.", "1", "2"), message("The draft.", "2", "1"), True),
        (message("The draft.", "1"), message("The draft.", "2"), False),
    ],
)
def test_a_copy_without_its_attachment_is_none(one, other, same):
    tops = sorted([Top(one, "ana", (0, "b", 1), "i1"), Top(other, "lee", (0, "b", 2), "i2")])
    assert len(list(duplicates(tops, Mode.GLOBAL))) == (2 if same else 0)
