"""Samples of the fictional district: its truth table knows what a list that is too narrow leaves behind."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import sampling
from desk.home import Home
from desk.items import items
from desk.run import run_local
from desk.searching import hit_report
from examples.planted import planted
from records import tables as t
from records.decisions import Decision, Treatment
from records.settings import Settings
from review import decide
from review.sampling import families
from tests.chaos.harness import district, entered
from tests.end_to_end.truth import load

pytestmark = pytest.mark.slow
YES = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
NO = Decision(public_record=True, responsive=False)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory) -> Iterator[tuple[Home, str, Path, set[str]]]:
    """The request about buses, run, with a list of which all terms but the first were dropped.

    The set holds the families that the truth table planted for any of its terms.
    """
    base = tmp_path_factory.mktemp("district") / "d"
    district(base, 300, 11)
    home = Home.open(settings=Settings(home=tmp_path_factory.mktemp("home"), workers=2))
    request_id = entered(home, base, "bus")
    run_local(home, request_id)
    lines = (base / "terms-bus.csv").read_text("utf-8").splitlines()
    few = tmp_path_factory.mktemp("terms") / "few.csv"
    few.write_text("\n".join(lines[:2]) + "\n", "utf-8")
    hit_report(home, request_id, few, None, by="pro", adopt=True)
    found = list(items(home, request_id, with_text=False))
    family_of = {item["item_id"]: item["family_id"] for item in found}
    hits = planted(load(base / "truth.jsonl"), found, "bus")
    yield home, request_id, base, {family_of[item_id] for ids in hits.values() for item_id in ids}
    home.close()


def left_of(home: Home, request_id: str) -> frozenset[str]:
    with home.catalogue.read() as connection:
        return families(connection, request_id, home.request(request_id).version).left


def code_all(home: Home, request_id: str, number: int, responsive: set[str], folder: Path) -> int:
    """Answer a sample from the truth; return how many answers were yes."""
    i = t.sample_items.c
    with home.catalogue.read() as connection:
        drawn = list(
            connection.scalars(
                sa.select(i.family_id).where(i.request_id == request_id, i.sample_no == number)
            )
        )
    path = folder / f"{number}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item_id", "responsive", "why"))
        writer.writerows((f"i:{f}", "yes" if f in responsive else "no", "") for f in drawn)
    assert sampling.code(home, request_id, number, path, by="reader")["refused"] == []
    return len(responsive.intersection(drawn))


def test_a_sample_tells_what_a_narrow_list_leaves_behind(narrow, tmp_path):
    home, request_id, base, responsive = narrow
    left = left_of(home, request_id)
    missed = responsive & left
    caught = responsive - left
    assert missed
    assert caught
    with home.catalogue.read() as connection:
        i = t.items.c
        stored = connection.execute(
            sa.select(i.item_id, i.family_id).where(i.request_id == request_id, i.state == "stored")
        ).all()
    answers = {item: YES if family in caught else NO for item, family in stored if family not in left}
    decide.record(home.catalogue, request_id, 2, answers, "reader", source="page")

    sampling.draw(home, request_id, by="pro", size=80, seed=1)
    k = code_all(home, request_id, 1, responsive, tmp_path)
    made = sampling.result(home, request_id).figures
    assert (made.population, made.size, made.counted, made.counted_found) == (len(left), 80, 80, k)
    assert (made.responsive, made.provisional) == (len(caught), False)
    # so at this seed; at 95 percent, one seed in twenty may miss
    assert made.elusion.low <= len(missed) / len(left) <= made.elusion.high
    assert made.recall.low <= len(caught) / len(responsive) <= made.recall.high

    # what is left of the list, read to the end: with the finds it is exactly what the truth has
    sampling.draw(home, request_id, by="pro", size=len(left))
    rest = code_all(home, request_id, 2, responsive, tmp_path)
    made = sampling.result(home, request_id).figures
    assert k + rest == len(missed)
    assert made.census
    assert made.elusion.low == made.elusion.high == rest / (len(left) - k)

    # the whole list again: the finds are all hit, and a fresh sample of everything finds no more
    hit_report(home, request_id, base / "terms-bus.csv", None, by="pro", adopt=True)
    first, second = sampling.series(home, request_id)
    assert {one.hit_now for one in (*first.found, *second.found)} == {True}
    fresh, _ = sampling.draw(home, request_id, by="pro", size=len(left))
    assert fresh.population == fresh.size == len(left) - len(missed)
    assert code_all(home, request_id, 3, responsive, tmp_path) == 0
    assert sampling.result(home, request_id).figures.found == 0
    assert [one.fresh for one in sampling.series(home, request_id)] == [3, 3, None]
