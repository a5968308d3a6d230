from __future__ import annotations

import hashlib
import sys
import unicodedata

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import folding, make_folding
from search.folding import OffsetMap, fold, tokens
from tests.search.oracle import words


def fts5_tokens(rows: list[str]) -> list[list[str]]:
    """What FTS5 makes of folded rows, in order."""
    connection = apsw.Connection(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE w USING fts5(body, tokenize='ascii', content='', contentless_delete=1)"
    )
    connection.executemany("INSERT INTO w(rowid, body) VALUES (?, ?)", list(enumerate(map(fold, rows), 1)))
    connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab(w, instance)")
    found: list[list[str]] = [[] for _ in rows]
    for term, row, at in connection.execute("SELECT term, doc, offset FROM v"):
        kept = found[row - 1]
        kept.extend([""] * (at + 1 - len(kept)))
        kept[at] = term
    connection.close()
    return found


def agreed_tokens(points: range) -> int:
    """Compare the tokenizers on code points, each between letters and alone; return the number of tokens."""
    rows = [
        "".join(f"q{chr(p)}z {chr(p)} " for p in points[start : start + 4096])
        for start in range(0, len(points), 4096)
    ]
    python = [tokens(row) for row in rows]
    assert fts5_tokens(rows) == python
    if unicodedata.unidata_version == "14.0.0":  # the oracle's tables are the interpreter's
        assert [words(row) for row in rows] == python
    return sum(map(len, python))


def test_code_points_of_the_used_planes_give_the_same_tokens_to_all() -> None:
    assert agreed_tokens(range(0x20000)) == 260_319
    assert agreed_tokens(range(0xE0000, 0xE1000)) == 7_855


@pytest.mark.slow
def test_every_code_point_gives_the_same_tokens_to_all() -> None:
    assert agreed_tokens(range(sys.maxunicode + 1)) == 2_226_062


def test_a_run_of_100_000_letters_is_cut_every_256() -> None:
    for letter in ("x", "é", "日", "ﬀ"):
        run = letter * 100_000
        expected = words(run)
        assert tokens(run) == expected
        assert fts5_tokens([f"a {run} b"]) == [["a", *expected, "b"]]
        assert {len(token) for token in expected[:-1]} == {256}
    assert len(tokens("x" * 100_000)) == 391
    assert tokens("x" * 256) == ["x" * 256]
    assert tokens("x" * 257) == ["x" * 256, "x"]


def test_examples() -> None:
    assert tokens("Straße, CAFÉ; naïve ﬁle") == ["strasse", "cafe", "naive", "file"]
    assert tokens("ann.lee@x.org") == ["ann", "lee", "x", "org"]
    assert tokens("co\u00adop snake_case don’t") == ["coop", "snake", "case", "don", "t"]
    assert tokens("İstanbul ½ ①") == ["istanbul", "1", "2", "1"]
    assert tokens("\ud800a\x00b\U0010ffff") == ["a", "b"]
    assert tokens("Ꭰꭰ") == ["ᎠᎠ"]  # Cherokee folds to capitals; a plain lower() would undo it
    assert fold("") == ""


def test_the_analyzer_is_the_hash_of_the_committed_table() -> None:
    data = folding.TABLE.read_bytes()
    assert hashlib.sha256(data).hexdigest() == folding.ANALYZER
    assert len(data) < 1 << 20
    assert b'"unicode":"14.0.0"' in data[:40]
    if unicodedata.unidata_version == "14.0.0":
        assert make_folding.build().encode() == data


@given(st.text(max_size=60))
def test_folding_folded_text_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(("ﬃ", "é", "a" * 300, "½", "\u0301", "⑽")))))
def test_text_is_folded_as_the_oracle_reads_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    if unicodedata.unidata_version == "14.0.0":
        assert tokens(text) == words(text)


@given(
    st.lists(
        st.sampled_from(("a", "B", " ", "é", "e\u0301", "ﬃ", "½", "\u00ad", "日", "x" * 130, "\U0001f600"))
    )
)
def test_offsets_lead_back_to_the_character_they_came_from(pieces: list[str]) -> None:
    text = "".join(pieces)
    folded = fold(text)
    offsets = OffsetMap(text)
    for at, character in enumerate(folded):
        if character != " ":
            first, after = offsets.first(at), offsets.after(at + 1)
            assert 0 <= first < after <= len(text)
            assert character in fold(text[first:after])
            assert len(tokens(text[first:after])) in {1, 2}
