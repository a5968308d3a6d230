"""Real mail through the whole pipeline: every file stored, or failed with a reason; the ledger balances."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from desk import searching
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.run import run_local
from records.ledger import ledger
from records.settings import Settings
from tests.small_request import request_file

pytestmark = [pytest.mark.corpus, pytest.mark.slow]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("enron")
    corpus = Path(os.environ["DAYLIGHT_CORPUS"]) / "enron-a"
    home = Home.open(settings=Settings(home=folder / "home", workers=2))
    request_id, _ = open_request(home, request_file(folder, str(corpus)), by="pro")
    run_local(home, request_id)
    yield home, request_id
    home.close()


def test_every_enron_file_is_accounted_for(done):
    home, request_id = done
    counted = ledger(home.catalogue, request_id)
    (scope,) = counted.scopes
    assert (scope.expected, scope.found, scope.stored) == (1160, 1160, 1160)
    assert (scope.failed, scope.excluded) == (0, 0)
    assert counted.balanced
    assert (counted.text["unread"], counted.text["pending"]) == (0, 1)
    found = list(items(home, request_id))
    assert len([item for item in found if item["parent_id"] is None]) == 1160
    kinds = Counter(item["kind"] for item in found if item["parent_id"] is None)
    assert kinds == {"email": 1074, "file": 86}
    assert all(item["failure"] for item in found if item["text_state"] == "not_searchable")


def test_a_phrase_is_found_where_it_stands_and_nowhere_else(done):
    home, request_id = done
    phrase = re.compile(r"(?<![^\W_])master[\W_]+agreement(?![^\W_])", re.IGNORECASE)
    expected = {
        item["item_id"]
        for item in items(home, request_id)
        if any(phrase.search(text) for text in (item["text"], item["subject"], item["name"] or ""))
    }
    hits = searching.search(home, request_id, "master agreement", by="test", snippets=False)
    assert {hit["item_id"] for hit in hits} == expected
    assert len(expected) > 20
