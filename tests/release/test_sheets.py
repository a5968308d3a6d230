from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.sheets import cell, csv_bytes, plain


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1 206 555 0100", "'+1 206 555 0100"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r\n=1", "'=1"),
        (" \u00a0=1", "'=1"),
        ("\u200b=1", "'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a=1", "a=1"),
        ("", ""),
        (None, ""),
        (-5, "-5"),
        (True, "yes"),
        (False, "no"),
        ("two\nlines", "two lines"),
        ("nul\x00", "nul"),
        ("\ud800x", "?x"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_a_cell(value, shown):
    assert cell(value) == shown


def test_the_bytes_of_a_table():
    data = csv_bytes(("a", "b"), [{"a": 'say "hi"', "b": "x,y"}, {"b": 3, "c": "left out"}])
    assert data == b'\xef\xbb\xbfa,b\r\n"say ""hi""","x,y"\r\n,3\r\n'


@given(st.text())
def test_no_cell_starts_a_formula(text):
    shown = cell(text)
    assert not shown.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert "\n" not in shown


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_a_table_reads_back(rows):
    data = csv_bytes(("a", "b"), [{"a": a, "b": b} for a, b in rows])
    read = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    assert read == [["a", "b"], *[[cell(a), cell(b)] for a, b in rows]]


def test_plain_keeps_words_of_all_scripts():
    assert plain("Ærøskøbing 日本 ñ") == "Ærøskøbing 日本 ñ"
