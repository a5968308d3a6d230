"""What the records of a request are, counted from rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desk.makeup import Makeup, makeup
from records import tables as t
from tests.search.home import REQUEST, Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path)
    yield one
    one.close()


def hit(home: Home, item_id: str, version: int = 1) -> None:
    row = {"request_id": REQUEST, "version": version, "term_no": 1, "item_id": item_id}
    with home.catalogue.write() as connection:
        connection.execute(t.hits.insert(), {**row, "family_id": item_id, "occurrences": 1})


ITEMS = [
    {"id": "a", "text": "one", "languages": "en:98"},
    {"id": "b", "text": "two", "languages": "es:97"},
    {"id": "c", "text": "three", "languages": "en:71 es:28"},
    {"id": "d", "text": "four", "languages": "so:99", "kind": "message"},
    {"id": "e", "text": "five"},
    {"id": "f", "name": "scan.pdf", "kind": "file", "languages": None},
    {"id": "g", "name": "rows.xlsx", "kind": "file", "text": "six", "languages": "en:90"},
    {"id": "h", "name": "gone.pdf", "kind": "file", "state": "failed"},
]


def test_sorts_and_languages_are_counted(home: Home) -> None:
    home.fill("b000001", ITEMS)
    assert makeup(home.catalogue, REQUEST, 1, "eng+spa") == Makeup(
        types={"mail": 4, "pdf": 1, "spreadsheet": 1, "text_message": 1},
        languages={"en": 3, "es": 2, "so": 1, "und": 1},
        without_hits={},  # nothing was searched for yet
        ocr_languages=(),  # there is no Somali
    )
    assert makeup(home.catalogue, REQUEST, 1, "eng").ocr_languages == ("spa",)


def test_a_language_that_no_term_finds_is_a_lead(home: Home) -> None:
    home.fill("b000001", ITEMS)
    hit(home, "a")
    assert makeup(home.catalogue, REQUEST, 1, "eng").without_hits == {"es": 2, "so": 1}
    hit(home, "c")
    assert makeup(home.catalogue, REQUEST, 1, "eng").without_hits == {"so": 1}
    assert makeup(home.catalogue, REQUEST, 2, "eng").without_hits == {}  # other terms, not yet searched
