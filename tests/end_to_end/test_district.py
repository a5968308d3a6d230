"""The whole job on the fictional district: the truth table is met exactly, for three seeds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desk import bundle, reviewing, searching, variants, variants_sheet
from desk.home import Home
from desk.items import items
from desk.register import open_request
from desk.run import run_local
from examples import decide
from records.decisions import standings
from records.ledger import ledger
from records.settings import Settings
from search.terms import load_report
from tests.chaos.harness import district
from tests.end_to_end.truth import differences, load

SEEDS = (11, 12, 13)
REQUESTS = ("bus", "contract", "staffing")


@dataclass(frozen=True)
class Done:
    """A request of the district that has been run."""

    home: Home
    request_id: str
    name: str
    folder: Path
    truth: list[dict[str, Any]]
    items: list[dict[str, Any]]


@pytest.fixture(scope="module", params=[(seed, name) for seed in SEEDS for name in REQUESTS], ids=str)
def done(request, tmp_path_factory) -> Iterator[Done]:
    seed, name = request.param
    base = tmp_path_factory.getbasetemp() / f"district-{seed}"
    if not base.exists():
        district(base, 300, seed)
    home = Home.open(settings=Settings(home=tmp_path_factory.mktemp("home"), workers=2))
    request_id, _ = open_request(home, base / f"request-{name}.toml", by="pro")
    run_local(home, request_id)
    yield Done(home, request_id, name, base, load(base / "truth.jsonl"), list(items(home, request_id)))
    home.close()


@pytest.mark.slow
def test_every_item_ends_where_the_truth_says(done):
    assert differences(done.truth, done.items, done.name) == []


@pytest.mark.slow
def test_no_item_is_doubled(done):
    ids = [item["item_id"] for item in done.items]
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_the_ledger_balances_in_its_three_states(done):
    counted = ledger(done.home.catalogue, done.request_id)
    assert counted.balanced
    for scope in counted.scopes:
        assert scope.found == scope.stored + scope.failed + scope.excluded
        assert scope.expected in {None, scope.found}
    stored = sum(item["state"] == "stored" for item in done.items)
    text = counted.text
    assert text["stored"] == text["searchable"] + text["not_searchable"] + text["pending"] == stored
    review = counted.review
    six = ("released_in_full", "released_in_part", "withheld_in_full", "not_responsive", "personal_matter")
    assert review["in_review"] == sum(review[state] for state in six) + review["not_yet_produced"]
    assert review["stored"] == review["not_in_review"] + review["in_review"] == stored


def planted(truth: list[dict[str, Any]], found: list[dict[str, Any]], name: str) -> dict[str, set[str]]:
    """Return, by term, the ids of the items that the generator planted for it."""
    families: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in found:
        families.setdefault((item["source"], item["native_id"]), []).append(item)
    out: dict[str, set[str]] = {}

    def visit(row: dict[str, Any], item: dict[str, Any], members: list[dict[str, Any]]) -> None:
        for term in row.get("planted", {}).get(name, ()):
            if "found_only_after_ocr" not in row.get("tags", ()):
                out.setdefault(term, set()).add(item["item_id"])
        children = [m for m in members if m["parent_id"] == item["item_id"]]
        for child_row, child in zip(row["children"], children, strict=True):
            visit(child_row, child, members)

    for row in truth:
        members = families.get((row["source_id"], row["native_key"]))
        if members and members[0]["state"] == "stored":
            visit(row, members[0], members)
    return out


@pytest.mark.slow
def test_every_planted_item_is_found_by_its_term(done):
    expected = planted(done.truth, done.items, done.name)
    assert expected
    searchable = {item["item_id"] for item in done.items if item["text_state"] == "searchable"}
    for term, ids in expected.items():
        hits = searching.search(done.home, done.request_id, term, by="test", snippets=False)
        found = {hit["item_id"] for hit in hits}
        assert ids & searchable - found == set(), f"{term}: planted and not found"


@pytest.mark.slow
def test_every_planted_form_is_proposed_and_nothing_that_adds_no_hit(done):
    variants.propose_variants(done.home, done.request_id, by="test")
    proposed = list(variants_sheet.listed(done.home, done.request_id, by="test"))
    by_form = {(v["base_kind"], v["base"], v["way"], v["form"]): v for v in proposed}
    assert len(by_form) == len(proposed)
    report = load_report(done.home.catalogue, done.request_id, 1)
    terms = [term.term for term in report.terms]
    listed = {hit["item_id"] for term in terms for hit in hits(done, term)}
    touched = {hit["family_id"] for term in terms for hit in hits(done, term)}
    found = {v["form"]: list(hits(done, v["form"])) for v in proposed}
    for variant in proposed:
        here = found[variant["form"]]
        assert variant["documents"] == len(here)
        assert variant["added_documents"] == len({hit["item_id"] for hit in here} - listed) > 0
        assert variant["added_families"] == len({hit["family_id"] for hit in here} - touched)
    places = {item["item_id"]: [item["source"], item["native_id"]] for item in done.items}
    planted_forms = [row for row in load(done.folder / "truth-variants.jsonl") if row["request"] == done.name]
    assert len(planted_forms) == {"bus": 10, "contract": 11, "staffing": 7}[done.name]
    for row in planted_forms:
        variant = by_form[row["base_kind"], row["base"], row["way"], row["form"]]
        assert (variant["added_documents"], variant["added_families"]) == (
            row["added_documents"],
            row["added_families"],
        ), row
        new = [hit["family_id"] for hit in found[row["form"]] if hit["item_id"] not in listed]
        assert sorted(places[family] for family in new) == sorted(row["families"])
    assert len(proposed) <= len(planted_forms) + 4  # names of places, a surname: whatever the seed


def hits(done: Done, query: str) -> Iterator[dict[str, Any]]:
    return searching.search(done.home, done.request_id, query, by="test", snippets=False)


@pytest.mark.slow
def test_near_misses_are_not_hits(done):
    near = {
        (row["source_id"], row["native_key"])
        for row in done.truth
        if "near_miss" in row["tags"] and not row["planted"].get(done.name)
    }
    version = done.home.request(done.request_id).version
    with done.home.catalogue.read() as connection:
        standing = standings(connection, done.request_id, version)
    reviewed = {
        (item["source"], item["native_id"])
        for item in done.items
        if item["item_id"] in standing and standing[item["item_id"]].state != "not_in_review"
    }
    assert near & reviewed == set()


@pytest.mark.slow
def test_from_decisions_to_a_verified_bundle(done, tmp_path):
    home, request_id = done.home, done.request_id
    reviewing.sheet(home, request_id, tmp_path / "sheet.csv", split_rows=None, by="pro")
    with (tmp_path / "items.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(item) + "\n" for item in done.items)
    filled = decide.fill(
        tmp_path / "sheet.csv",
        tmp_path / "items.jsonl",
        done.folder / "truth.jsonl",
        done.name,
        tmp_path / "filled.csv",
    )
    assert filled.planned > 0
    result = reviewing.decide(home, request_id, tmp_path / "filled.csv", by="P. Officer")
    assert result["refused"] == []
    bundle.draft(home, request_id)
    assert bundle.gate(home, request_id)["findings"] == 0
    bundle.approve(home, request_id, by="P. Officer", approved=True)
    made = bundle.package(home, request_id, tmp_path / "bundle")
    again = bundle.package(home, request_id, tmp_path / "again")
    assert again["manifest"] == made["manifest"]
    assert bytes_of(tmp_path / "bundle/release") == bytes_of(tmp_path / "again/release")
    verified = subprocess.run(
        [sys.executable, "-I", tmp_path / "bundle/release/verify.py", "--fingerprint", made["fingerprint"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    counted = ledger(home.catalogue, request_id)
    assert counted.balanced
    assert counted.review["released_in_full"] == made["released"]
    assert counted.review["withheld_in_full"] == made["withheld_in_full"]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
