"""Numbers and references as sources write them: what looks like one and is none raises nothing."""

from __future__ import annotations

import html

import pytest

from records.entities import unescaped
from records.numbers import by_number, whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("", None),
     ("²", None), ("٣", None), ("-1", None), ("+1", None), (" 1", None), ("1_0", None), ("1\n", None)],
)  # fmt: skip
def test_a_whole_number_is_one_of_the_digits_0_to_9(text: str, number: int | None) -> None:
    assert whole_number(text) == number


def test_a_number_may_have_so_many_digits() -> None:
    assert (whole_number("12345", 5), whole_number("123456", 5)) == (12345, None)


def test_names_are_sorted_by_the_numbers_in_them() -> None:
    long = "1" + "0" * 5000
    names = ["a²b", "a10", "b", "a2", "a", "2", f"a{long}", "a010b", "a1²2"]
    assert sorted(names, key=by_number) == ["2", "a", "a1²2", "a2", "a10", "a010b", f"a{long}", "a²b", "b"]


@pytest.mark.parametrize("text", ["", "a &amp; b", "&#65;&#x42;&eacute", "&#0;&#xD800;&#9999999;", "&# &#;"])
def test_references_are_read_as_the_library_reads_them(text: str) -> None:
    assert unescaped(text) == html.unescape(text)


def test_a_reference_of_thousands_of_digits_is_no_sign_and_costs_no_text() -> None:
    assert unescaped(f"a&#{'9' * 5000};b &amp; c") == "a\ufffdb & c"
    assert unescaped(f"&#{'0' * 5000}65;&#x{'9' * 5000};&#{'9' * 5000}") == "A\ufffd\ufffd"
