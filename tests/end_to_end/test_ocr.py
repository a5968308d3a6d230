"""What the district says is found only after OCR is found then by its terms, and nothing else changes."""

from __future__ import annotations

import shutil

import pytest

from desk import ocr, searching
from desk.home import Home
from desk.items import items
from desk.run import run_local
from examples.planted import planted
from records.ledger import ledger
from records.settings import Settings
from search.terms import load_report
from tests.chaos.harness import district, entered
from tests.end_to_end.truth import load

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract on this machine"),
]


def hits(home, request_id, terms):
    return {
        term: {hit["item_id"] for hit in searching.search(home, request_id, term, by="test", snippets=False)}
        for term in terms
    }


@pytest.mark.parametrize(
    "seed", [11, pytest.param(12, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
def test_planted_pictures_are_found_after_ocr(tmp_path, seed):
    district(tmp_path / "district", 300, seed)
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=2, ocr_languages="eng"))
    request_id = entered(home, tmp_path / "district", "bus")
    run_local(home, request_id)
    before = list(items(home, request_id))
    truth = load(tmp_path / "district" / "truth.jsonl")
    late = {term: set(ids) for term, ids in planted(truth, before, "bus", "after_ocr").items()}
    assert {'"stop consolidation" AND NOT budget', "bus route change"} <= late.keys()
    first = hits(home, request_id, late)
    assert all(first[term].isdisjoint(late[term]) for term in late)
    pending = ledger(home.catalogue, request_id).text["ocr_pages"]

    done = ocr.run_local(home, request_id)

    assert (done["pages_pending"], done["pages_done"], done["pages_failed"]) == (0, pending, 0)
    assert hits(home, request_id, late) == {term: first[term] | late[term] for term in late}
    counted = ledger(home.catalogue, request_id)
    assert counted.balanced
    assert counted.text["pending"] == 0
    after = {item["item_id"]: item for item in items(home, request_id)}
    changed = {item["item_id"] for item in before if item != after[item["item_id"]]}
    assert changed == {item["item_id"] for item in before if item["ocr_pages"]}
    assert done["lists_counted_before"] == [1]
    documents = load_report(home.catalogue, request_id, 1).totals.documents
    found = searching.hit_report(home, request_id, None, None, by="pro")
    assert found["totals"]["documents"] > documents
    assert ocr.report(home, request_id)["lists_counted_before"] == []
    home.close()
