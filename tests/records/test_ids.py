"""Ids and hashes against published and worked examples."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.ids import (
    child_item_id,
    content_hash,
    family_hash,
    item_id,
    message_begun,
    message_identification_hash,
    sha256_hex,
    without_footers,
)

GOOGLE = "<CALckR-a8UDkRjO4xJyjd_s0GPxQWw@mail.gmail.com>"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (GOOGLE, "1de319c276884bd0c9e2f1621ada26cc"),  # a vendor's published example
        ("\r\n <1234@local.machine.example>", "e1eb99f416cb84399bb37d3281bec1d7"),
        ("\n\t<1234@local.machine.example>", "e1eb99f416cb84399bb37d3281bec1d7"),
        ("<1234@local.machine.example> (added by relay)", "e1eb99f416cb84399bb37d3281bec1d7"),
        ("<1234@LOCAL.machine.example>", "76b8b16e5b1ac541c896084adb28ee8f"),
        ("", None),
        (None, None),
        ("<>", None),
        ("1234@local.machine.example", None),
        ("<1234@local.machine.example", None),
        ("1234@local.machine.example>", None),
    ],
)
def test_message_identification_hash(field, expected):
    assert message_identification_hash(field) == expected


def test_the_brackets_are_part_of_it():
    assert message_identification_hash(GOOGLE) != "11a1cb5c6ff0f03a22b20fd12c9cecaf"


@given(st.text(max_size=60))
def test_the_hash_of_nothing_is_never_given(field):
    assert message_identification_hash(field) != hashlib.md5(b"").hexdigest()
    assert message_identification_hash(field) != hashlib.md5(b"<>").hexdigest()


WORKED = {
    "sent_at": datetime(2024, 3, 1, 12, tzinfo=UTC),
    "sender": "alice@example.org",
    "recipients": ["bob@example.org", "carol@example.net"],
    "subject": "Budget draft",
    "body": "Please find the draft attached.",
    "attachments": [("budget.xlsx", sha256_hex(b"abc"))],
}
EC1 = "af9ef645088a17bbf649e674a532d9c0f664f6febbbaf766e76b7c920dec983b"


def test_content_hash_worked_example():
    assert content_hash(**WORKED) == EC1


@pytest.mark.parametrize(
    "change",
    [
        {
            "sent_at": datetime(2024, 3, 1, 4, 0, 0, 999, tzinfo=timezone(timedelta(hours=-8)))
        },  # zone, fraction
        {"sender": "Alice@Example.ORG"},
        {
            "recipients": ["carol@example.net", "BOB@example.org", "bob@example.org", ""]
        },  # order, case, repeats
        {"subject": "  Budget \r\n  draft\t"},
        {"body": "Please find the draft\n\n attached_!"},
    ],
)
def test_what_does_not_change_the_content_hash(change):
    assert content_hash(**{**WORKED, **change}) == EC1


@pytest.mark.parametrize(
    "change",
    [
        {"sent_at": datetime(2024, 3, 1, 12, 0, 1, tzinfo=UTC)},
        {"sent_at": None},
        {"sender": "bob@example.org"},
        {"recipients": ["bob@example.org"]},
        {"subject": "budget draft"},  # case stands
        {"body": "please find the draft attached."},
        {"attachments": []},
        {"attachments": [("budget.xlsx", sha256_hex(b"abd"))]},
        {"attachments": [("Budget.xlsx", sha256_hex(b"abc"))]},
    ],
)
def test_what_does_change_it(change):
    assert content_hash(**{**WORKED, **change}) not in {EC1, None}


def test_the_order_of_attachments_does_not_matter():
    two = [("b", "2"), ("a", "1")]
    assert content_hash(**{**WORKED, "attachments": two}) == content_hash(
        **{**WORKED, "attachments": two[::-1]}
    )


def test_a_bad_date_counts_as_absent():
    absent = content_hash(**{**WORKED, "sent_at": None})
    for year in (2, 1979, datetime.now(UTC).year + 3):
        assert content_hash(**{**WORKED, "sent_at": datetime(year, 3, 1, tzinfo=UTC)}) == absent
    assert content_hash(**{**WORKED, "sent_at": datetime(1980, 3, 1, tzinfo=UTC)}) != absent


@pytest.mark.parametrize(
    ("empty", "thin"),
    [
        (("body",), False),
        (("sender",), False),
        (("sender", "body"), True),
        (("sender", "recipients", "subject", "body"), True),
    ],
)
def test_thin_items_have_none(empty, thin):
    nothing = {"sender": "", "recipients": [], "subject": "", "body": ""}
    assert (content_hash(**{**WORKED, **{key: nothing[key] for key in empty}}) is None) == thin


@pytest.mark.parametrize("empty", [" \t\n", ";-)", "\u200b", "__"])
def test_a_body_without_letters_is_empty(empty):
    assert content_hash(**{**WORKED, "body": empty}) == content_hash(**{**WORKED, "body": ""})


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=80))
def test_the_quick_way_for_plain_bodies_is_the_plain_way(body):
    kept = "".join(c for c in body if c.isalnum())
    assert content_hash(**{**WORKED, "body": body}) == content_hash(**{**WORKED, "body": kept})


def test_every_letter_and_digit_of_a_body_counts_and_nothing_else():
    every = "".join(map(chr, range(0x110000)))  # halves of surrogate pairs too
    kept = "".join(c for c in every if c.isalnum())
    assert content_hash(**{**WORKED, "body": every}) == content_hash(**{**WORKED, "body": kept})
    assert content_hash(**{**WORKED, "body": every}) != content_hash(**{**WORKED, "body": kept[:-1]})


@pytest.mark.parametrize(
    ("letters", "kept", "count"),
    [
        ("Helloxxx", "Hello", 1),
        ("xxxHello", "Hello", 1),
        ("xxxyyyHelloyyyxxxyyy", "Hello", 5),
        ("Hellxxxo", "Hellxxxo", 0),
        ("xxx", "", 1),
        ("", "", 0),
    ],
)
def test_footers_are_left_out_where_a_body_begins_or_ends(letters, kept, count):
    assert without_footers(letters, ["xxx", "yyy"]) == (kept, count)


def test_family_hash_worked_example():
    expected = "e387af360a4d11b2a7da5da34cf06116230df484c9d491ef3279a4ba2ddb241b"
    assert family_hash("a" * 64, ["c" * 64, "b" * 64]) == expected
    assert family_hash("a" * 64, ["b" * 64, "c" * 64]) == expected
    assert family_hash("a" * 64, ["b" * 64]) != expected


def test_item_ids_are_those_of_the_recipe():
    joined = "it1\x1fc-7\x1fmail\x1finbox\x1f<k>:0"
    assert item_id("c-7", "mail", "inbox", "<k>:0") == hashlib.sha256(joined.encode()).hexdigest()[:32]
    parent = item_id("c-7", "mail", "inbox", "<k>:0")
    longer = f"{joined}\x1f{parent}\x1f1.2"
    made = child_item_id("c-7", "mail", "inbox", "<k>:0", parent, "1.2")
    assert made == hashlib.sha256(longer.encode()).hexdigest()[:32]


def test_item_ids_do_not_change():
    assert item_id("c-7", "mail", "inbox", "k") == "a9b10371ff9bb743baa96470497f3600"
    assert child_item_id("c-7", "mail", "inbox", "k", "p" * 32, "1.2") == "b6b6a4e85d4ac2489dc27a5b3a04ba64"


def test_a_name_that_is_no_text_has_an_id_too():
    assert len(item_id("c", "s", "k", "bad\udcff.txt")) == 32


_PART = st.text(alphabet="ab", max_size=3)


@given(st.tuples(_PART, _PART, _PART, _PART), st.tuples(_PART, _PART, _PART, _PART))
def test_different_places_have_different_ids(one, two):
    assert (item_id(*one) == item_id(*two)) == (one == two)


def test_a_chat_is_told_by_its_id_its_words_and_what_it_carries():
    about = {"platform": "p", "message_id": "M-1", "sender": "Lee", "body": "at 9, gate 4"}

    def made(carried: tuple[tuple[str, str], ...] = (("b", "2"), ("a", "1")), **changed: str) -> str | None:
        begun = message_begun(**{**about, **changed})
        return begun.finish(carried) if begun is not None else None

    first = made()
    assert (
        first
        == hashlib.sha256("\x1f".join(("cm1", "p", "M-1", "lee", "at9gate4", "a:1;b:2")).encode()).hexdigest()
    )
    for name, value in (
        ("platform", "q"),
        ("message_id", "M-2"),
        ("sender", "Ana"),
        ("body", "at 9, gate 5"),
    ):
        assert made(**{name: value}) != first
    assert made(()) != first
    assert made((), message_id="") is None
