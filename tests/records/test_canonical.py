from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import canonical


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [1, 2]}, '{"a":[1,2],"b":1}'),
        ({"é": "straße \u2028"}, '{"é":"straße \u2028"}'),
        ({"a": None, "b": True, "c": ""}, '{"a":null,"b":true,"c":""}'),
        ([], "[]"),
        ("\x1f\n", '"\\u001f\\n"'),
        ({"z": {"y": 1, "x": 2}}, '{"z":{"x":2,"y":1}}'),
    ],
)
def test_one_spelling(value, expected):
    assert canonical.dumps(value) == expected
    assert canonical.loads(expected) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_numbers_that_json_lacks(value):
    with pytest.raises(ValueError, match="Out of range float"):
        canonical.dumps({"a": value})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_round_trip_and_stability(value):
    text = canonical.dumps(value)
    assert canonical.loads(text) == value
    assert canonical.dumps(canonical.loads(text)) == text


_TEXTS = st.recursive(
    st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_TEXTS)
def test_the_quick_way_for_texts_is_the_plain_way(value):
    assert canonical.dumps_texts(value) == canonical.dumps(value)


def test_every_character_is_spelt_the_same_both_ways():
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    assert canonical.dumps_texts(every) == canonical.dumps(every)
    keys = dict.fromkeys(every, "")
    assert canonical.dumps_texts(keys) == canonical.dumps(keys)


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_keys_does_not_matter(value):
    assert canonical.dumps(dict(reversed(list(value.items())))) == canonical.dumps(value)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 1, 19, 4, 5, tzinfo=timezone(timedelta(hours=-8))), "2026-01-02T03:04:05.000000Z"),
    ],
)
def test_time_text(at, expected):
    assert canonical.utc_text(at) == expected
    assert canonical.utc_time(expected) == at


_TIMES = st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year >= 1980)


@given(_TIMES, _TIMES)
def test_text_order_is_time_order(one, two):
    assert (canonical.utc_text(one) < canonical.utc_text(two)) == (one < two)
    assert canonical.utc_time(canonical.utc_text(one)) == one


@pytest.mark.parametrize(
    "text", ["", "2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000+00:00"]
)
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError, match="does not match format"):
        canonical.utc_time(text)


def test_now_is_fixed_width():
    assert len(canonical.now_text()) == 27


@given(_TEXTS)
def test_texts_are_read_alike_both_ways(value):
    text = canonical.dumps_texts(value)
    assert canonical.loads_texts(text) == canonical.loads(text) == value
