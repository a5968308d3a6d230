"""The whole job on the fictional district: the truth table is met exactly, for three seeds."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from desk import bundle, declaring, grouping, policy, reviewing, searching, variants, variants_sheet
from desk.home import Home
from desk.items import items
from desk.run import run_local
from examples import decide
from examples.planted import planted
from records.decisions import standings
from records.errors import UsageError
from records.ledger import ledger
from records.settings import Settings
from review import policy as policy_rules
from search.terms import load_report
from tests.chaos.harness import district, entered
from tests.end_to_end.truth import copies, differences, grouped, load

SEEDS = (11, 12, 13)
REQUESTS = ("bus", "contract", "staffing")
PERSONAL = {
    "bus": {"takeout-01", "takeout-02", "voice-01", "iphone-01", "whatsapp-01", "screenshots-01"},
    "contract": {"takeout-02", "screenshots-01"},
    "staffing": {"takeout-02", "whatsapp-01"},
}
HANDED_OVER = {"imessage", "whatsapp", "message_table", "screenshots", "social_media", "transcripts"}


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
    request_id = entered(home, base, name)
    run_local(home, request_id)
    yield Done(home, request_id, name, base, load(base / "truth.jsonl"), list(items(home, request_id)))
    home.close()


@pytest.mark.slow
def test_every_item_ends_where_the_truth_says(done):
    assert differences(done.truth, done.items, done.name) == []


@pytest.mark.slow
def test_every_custodian_but_one_declared_and_nothing_handed_over_is_without_it(done):
    stands = declaring.standing(done.home, done.request_id)
    assert stands.gaps == ()
    assert stands.unanswered == (("cust-05",) if done.name != "staffing" else ())
    declared = {place.source for one in stands.declarations for place in one.places}
    assert declared == PERSONAL[done.name]


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


@pytest.mark.slow
def test_every_planted_item_is_found_by_its_term(done):
    expected = planted(done.truth, done.items, done.name)
    assert expected
    searchable = {item["item_id"] for item in done.items if item["text_state"] == "searchable"}
    for term, planted_items in expected.items():
        ids = planted_items.keys()
        hits = searching.search(done.home, done.request_id, term, by="test", snippets=False)
        found = {hit["item_id"] for hit in hits}
        assert ids & searchable - found == set(), f"{term}: planted and not found"


MARKS = {
    "edited": "edited", "unsent": "deleted", "recently_deleted": "deleted", "deleted": "deleted",
    "missing_media": "missing_part", "autumn_hour": "ambiguous_hour", "out_of_order": "out_of_order",
    "gap": "partial",
}  # fmt: skip
"""Warnings that items of phones and apps must have, by what the truth says of them."""

STORED_MARKS = {
    "bus": {"edited", "unsent", "recently_deleted", "deleted", "missing_media", "gap"},
    "contract": {"edited", "unsent", "missing_media", "gap"},
    "staffing": {"edited", "deleted", "missing_media", "autumn_hour", "out_of_order"},
}


@pytest.mark.slow
def test_what_phones_and_apps_hand_over_keeps_its_edits_deletions_and_doubts(done):
    rows = {
        (row["source_id"], row["native_key"]): row for row in done.truth if row["connector"] in HANDED_OVER
    }
    seen = set()
    for item in done.items:
        row = rows.get((item["source"], item["native_id"]))
        if row is None or item["state"] != "stored" or item["parent_id"] is not None:
            continue
        assert item["sent_at"] == row["sent_at"] or item["kind"] == "file", row
        for tag in row["tags"]:
            if tag in MARKS:
                assert MARKS[tag] in item["warnings"], row
                seen.add(tag)
        if "tapback" in row["tags"]:
            assert item["metadata"]["tapback"] == "like"
        if row["connector"] == "imessage" and "edited" in row["tags"]:
            assert item["metadata"]["reactions"].startswith("like by +1")
            assert item["text"].endswith("\n[before]\nTuesday. It is in the letter.")
    assert seen == STORED_MARKS[done.name]


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
def test_the_policy_marks_what_was_planted_and_nothing_else(done, tmp_path):
    """Nothing that is personal is looked at; the district's own apps are all approved here."""
    text = policy_rules.FILE.read_text("utf-8")
    approved = '["sms_backup_restore", "message_table", "transcripts", "social_media"]'
    (tmp_path / "rules.toml").write_text(
        text.replace("connectors = []", f"connectors = {approved}", 1), "utf-8"
    )
    with pytest.raises(UsageError, match="is off; "):
        policy.check(done.home, done.request_id, by="test")
    policy.turn_on(done.home, tmp_path / "rules.toml", why="a test", by="test")
    made = policy.check(done.home, done.request_id, by="test")
    policy.turn_off(done.home, why="a test", by="test")
    place = {item["item_id"]: (item["source"], item["native_id"]) for item in done.items}
    stored = {place[item["item_id"]] for item in done.items if item["state"] == "stored"}
    lines = load(done.folder / "truth-policy.jsonl")
    expected = {
        (line["rule"], here[0], len(here), tuple(line["signs"]))
        for line in lines
        if not line["near_miss"]
        and (here := [at for one in line["items"] if (at := (one["source_id"], one["native_key"])) in stored])
    }
    found = {
        (one.rule, place[one.item_id], one.messages, one.signs)
        for one in policy.standings(done.home, done.request_id)
    }
    assert found == expected
    assert len(expected) == {"bus": 6, "contract": 2, "staffing": 3}[done.name]
    personal = [item for item in done.items if item["source"] in PERSONAL[done.name]]
    talk = sum(item["kind"] in {"chat", "message"} and item["state"] == "stored" for item in personal)
    assert made["not_looked_at"] == {"personal": talk, "no_text": 0}
    assert made["not_applied"] == {}


@pytest.mark.slow
def test_copies_are_grouped_as_the_truth_says_and_the_ledger_stays(done):
    """Over all mailboxes, phones and exports; a record of no bytes equals nothing."""
    before = ledger(done.home.catalogue, done.request_id)
    made = grouping.group(done.home, done.request_id, mode="global", by="test")
    assert ledger(done.home.catalogue, done.request_id) == before
    stored = {
        (item["source"], item["native_id"]): item["item_id"]
        for item in done.items
        if item["parent_id"] is None and item["state"] == "stored"
    }
    expected = copies(done.truth, stored)
    assert grouped(done.home, done.request_id) == expected
    assert made["duplicates"] == {
        "mode": "global",
        "bcc": "counted",
        "groups": len(expected),
        "families": sum(map(len, expected)),
    }


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
    rows = csv.DictReader((tmp_path / "bundle/release/data/index.csv").read_text("utf-8-sig").splitlines())
    said = [row for row in rows if row["record_type"] in {"text message", "chat message"}]
    pages = json.loads(verified.stdout)["conversations"]
    assert pages["messages"] == sum(row["treatment"] == "released" for row in said) > 0
    assert pages["left_out"] > 0
    assert pages["pages"] == made["conversation_pages"]
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
