"""Leads on the fictional district, for three seeds: each planted one with exactly its items, no near-miss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from desk import grouping, leads
from desk.home import Home
from desk.items import items
from desk.run import run_local
from records import tables as t
from records.settings import Settings
from tests.chaos.harness import district, entered
from tests.end_to_end.truth import copies, differences, grouped, load

pytestmark = pytest.mark.slow

SIZE = 3_300
SEEDS = (1, 2, 3)
KINDS = {
    "own_account": 3,
    "own_device": 1,
    "undeclared_account": 1,
    "other_app": 3,
    "linked_file": 1,
    "shared_mailbox": 2,
    "person": 1,
    "missing_attachment": 1,
    "mail_gap": 1,
}


@dataclass(frozen=True)
class Done:
    """The bus request of one district, run and looked through."""

    home: Home
    request_id: str
    folder: Path
    counts: dict[str, int]
    truth: list[dict[str, Any]]
    stands: dict[str, set[tuple[str, str]]]
    """By signal id, source id and native key of the items."""

    def key(self, kind: str) -> list[leads.Standing]:
        return [one for one in leads.signals(self.home, self.request_id) if one.kind == kind]


@pytest.fixture(scope="module", params=SEEDS)
def done(request, tmp_path_factory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("leads") / "district"
    district(folder, SIZE, request.param)
    home = Home.open(settings=Settings(home=tmp_path_factory.mktemp("home"), workers=2))
    request_id = entered(home, folder, "bus")
    run_local(home, request_id)
    counts = leads.find_signals(home, request_id, by="pro")
    i, k = t.items.c, t.signal_items.c
    stands: dict[str, set[tuple[str, str]]] = {}
    with home.catalogue.read() as connection:
        for signal_id, source, native in connection.execute(
            sa.select(k.signal_id, i.source_id, i.native_key).join(
                t.items, (i.request_id == k.request_id) & (i.item_id == k.item_id)
            )
        ):
            stands.setdefault(signal_id, set()).add((source, native))
    yield Done(home, request_id, folder, counts, load(folder / "truth-leads.jsonl"), stands)
    home.close()


def places(line: dict[str, Any]) -> set[tuple[str, str]]:
    return {(item["source_id"], item["native_key"]) for item in line["items"]}


def planted(done: Done) -> list[dict[str, Any]]:
    return [line for line in done.truth if "subject" in line]


def test_the_truth_has_leads_of_every_kind_and_near_misses(done):
    kinds = [line["kind"] for line in planted(done)]
    assert {kind: kinds.count(kind) for kind in kinds} == KINDS
    assert len([line for line in done.truth if "near_miss" in line]) == 12
    assert all(line["items"] for line in done.truth)


def test_every_planted_lead_is_listed_with_exactly_its_items(done):
    for line in planted(done):
        if line["kind"] == "mail_gap":
            continue
        named = [one for one in done.key(line["kind"]) if one.subject == line["subject"]]
        assert len(named) == 1, line["subject"]
        assert done.stands[named[0].signal_id] == places(line), line["subject"]
        if line["custodian"] is not None:
            assert named[0].custodian == line["custodian"]


def test_the_planted_gap_is_found_with_the_messages_at_its_edges(done):
    (line,) = [one for one in done.truth if one["kind"] == "mail_gap"]
    (gap,) = [one for one in done.key("mail_gap") if line["custodian"] == one.custodian]
    place, _, days = gap.subject.partition(": ")
    first, _, last = days.partition(" to ")
    assert place == line["subject"]
    assert first <= line["from"] < line["to"] <= last  # days without mail by chance may lie at its edges
    assert done.stands[gap.signal_id] == places(line)


def test_no_near_miss_is_a_signal_of_its_kind(done):
    for line in done.truth:
        if "near_miss" in line:
            hit = [one.subject for one in done.key(line["kind"]) if done.stands[one.signal_id] & places(line)]
            assert hit == [], line["near_miss"]


def test_nothing_else_is_a_signal(done):
    """A records officer is not flooded: beside what was planted, nothing of 3,300 items is named."""
    assert {kind: done.counts.get(kind, 0) for kind in KINDS} == KINDS
    assert done.counts["signals"] == sum(KINDS.values())


def test_the_district_is_still_what_its_truth_says(done):
    found = list(items(done.home, done.request_id, with_text=False))
    assert differences(load(done.folder / "truth.jsonl"), found, "bus") == []


def test_each_item_is_shown_in_its_words(done):
    (own,) = [one for one in done.key("own_account") if one.subject.startswith("nightowl")]
    shown = list(leads.shown(done.home, done.request_id, own.signal_id, by="pro"))
    assert len(shown) == own.items == 4
    assert all(any("«nightowl77@freemail.example»" in line for line in item["snippets"]) for item in shown)


def test_a_second_look_changes_nothing(done):
    before = [one.as_json() for one in leads.signals(done.home, done.request_id)]
    counts = leads.find_signals(done.home, done.request_id, by="pro")
    assert (counts["new"], counts["dropped"]) == (0, 0)
    assert json.dumps([one.as_json() for one in leads.signals(done.home, done.request_id)]) == json.dumps(
        before
    )


COPIES = {1: (552, 1542), 2: (545, 1496), 3: (516, 1426)}
"""By seed: messages of which there are copies, and the copies."""


def test_copies_in_all_mailboxes_are_grouped_as_the_truth_says(done, request):
    """The district of the leads is large enough for mail that many have."""
    made = grouping.group(done.home, done.request_id, mode="global", by="pro")
    i = t.items.c
    with done.home.catalogue.read() as connection:
        stored = {
            (row.source_id, row.native_key): row.item_id
            for row in connection.execute(
                sa.select(i.source_id, i.native_key, i.item_id).where(i.level == 0, i.state == "stored")
            )
        }
    assert grouped(done.home, done.request_id) == copies(load(done.folder / "truth.jsonl"), stored)
    figures = made["duplicates"]["groups"], made["duplicates"]["families"]
    assert figures == COPIES[request.node.callspec.params["done"]]
