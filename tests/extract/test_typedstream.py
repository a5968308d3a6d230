"""Attributed text: against another reader, and streams that are cut, wrong or hostile."""

from __future__ import annotations

import pytest
import typedstream
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.exports.imessage import archived
from extract.typedstream import AttributedText, NotTypedstreamError, attributed_text, salvaged
from tests.extract.archiver import attributed

PART = "__kIMMessagePartAttributeName"
LINK = "__kIMLinkAttributeName"
MENTION = "__kIMMentionConfirmedMention"
TRANSFER = "__kIMFileTransferGUIDAttributeName"

SEVERAL = attributed(
    "\ufffcsee https://example.org, Ana",
    (1, {TRANSFER: "at_0_F066", PART: 0}),
    (4, {PART: 1}),
    (19, {LINK: "https://example.org/", PART: 1}),
    (5, {PART: 1, MENTION: "+14255550101"}),
)


def by_the_library(data: bytes) -> AttributedText:
    """Read with the library: words of the first value, attributes of the dictionaries after it."""
    root = typedstream.unarchive_from_data(data)
    values = [value for group in root.contents for value in group.values]
    said = []
    for one in values[1:]:
        for name, value in getattr(one, "contents", {}).items() if hasattr(one, "contents") else ():
            text = value.value
            if hasattr(text, "value"):
                text = text.value
            if isinstance(text, str):
                said.append((name.value, text))
    return AttributedText(values[0].value, tuple(said))


def test_several_runs() -> None:
    assert attributed_text(SEVERAL) == AttributedText(
        "\ufffcsee https://example.org, Ana",
        ((TRANSFER, "at_0_F066"), (LINK, "https://example.org/"), (MENTION, "+14255550101")),
    )
    assert attributed_text(SEVERAL) == by_the_library(SEVERAL)


@settings(max_examples=40)
@given(st.text(max_size=300), st.lists(st.text(min_size=1, max_size=30), max_size=4))
def test_reads_what_the_library_reads(text: str, values: list[str]) -> None:
    runs = [(1, {f"name {n}": value, PART: n * 100}) for n, value in enumerate(values)]
    data = attributed(text, *runs)
    assert attributed_text(data) == by_the_library(data)
    assert attributed_text(archived(text)) == by_the_library(archived(text)) == AttributedText(text, ())


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 3_000_000])
def test_any_length(size: int) -> None:
    data = archived("x" * size)
    assert attributed_text(data).text == "x" * size


def test_halves_of_pairs_and_bytes_that_are_no_utf8() -> None:
    assert attributed_text(archived("a\ud800b")).text == "a\ufffd\ufffd\ufffdb"
    assert attributed_text(archived("ab\x00c")).text == "ab\x00c"


def test_a_cut_stream_is_refused_at_every_place() -> None:
    for end in range(len(SEVERAL)):
        with pytest.raises(NotTypedstreamError):
            attributed_text(SEVERAL[:end])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tail: bytes) -> None:
    for data in (tail, SEVERAL[:16] + tail, SEVERAL[:120] + tail):
        try:
            attributed_text(data)
        except NotTypedstreamError:
            salvaged(data)


@pytest.mark.parametrize(
    "tail",
    [
        b"\x84\x01@" + b"\x84" * 3 + b"\x03AAA\x00\x85" + b"\x92\x84\x93\x95" * 5_000,  # objects in objects
        b"\x84\x82\xff\xff\xff\x7f",  # a string of two billion bytes
        b"\x84\x82\xff\xff\xff\xff",  # and one of fewer than none
        b"\x84\x0c[999999999i]" + b"\x01" * 100,
        b"\x84\x01@\x92",  # refers to what is not there yet
        b"\x84\x01@\x84\x92\x86",  # an object of itself
        b"\x84\x02{{" + b"\x01" * 10,
        b"\x84\x03[x]\x01",
    ],
)
def test_hostile_streams_are_refused(tail: bytes) -> None:
    with pytest.raises(NotTypedstreamError):
        attributed_text(b"\x04\x0bstreamtyped\x81\xe8\x03" + tail)


def test_words_of_a_damaged_stream_are_salvaged() -> None:
    data = archived("the bus is late")
    assert salvaged(data[:-20]) == "the bus is late"
    assert salvaged(data[: data.index(b"late")]) == "the bus is "
    assert salvaged(b"words") == salvaged(b"") == ""
    long = archived("y" * 40_000)
    assert salvaged(long[:-5]) == "y" * 40_000
