"""TOML that people write, and what is said of what is none."""

from __future__ import annotations

import pytest

from records.errors import SettingsError
from records.toml_text import read_toml


@pytest.mark.parametrize("text", ["a = 1\n", b"a = 1", b"\xef\xbb\xbfa = 1\r\n"])
def test_text_and_bytes_are_read_with_a_mark_in_front_or_without(text: str | bytes) -> None:
    assert read_toml(text, "one.toml:") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "Invalid value"),
        (b"a = '\xff'", "can't decode byte 0xff"),
        ("a = " + "9" * 5_000, "4300 digits"),
        ("a = " + "[" * 50_000, "too deeply"),
    ],
)
def test_what_is_none_is_one_error(text: str | bytes, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"^one\.toml: not valid TOML: .*{said}"):
        read_toml(text, "one.toml:")
