"""A sample at the desk, from the draw to the fresh sample that follows a find."""

from __future__ import annotations

import csv
import hashlib
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from desk import sampling
from desk.books import books
from desk.closing import close_request, unfinished
from desk.home import Home
from desk.register import open_request
from desk.reviewing import decide, sheet
from desk.run import run_local
from desk.sampling_report import as_json, words
from desk.searching import hit_report
from records import tables as t
from records.errors import AccessError, CheckFailed, UsageError
from records.settings import Settings
from review.sampling import draw, elusion, recall
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow

OTHER = (
    "From: Ana Ruiz <ana@cedarfalls.example>\nTo: Lee Okafor <lee@cedarfalls.example>\n"
    "Subject: {subject}\nDate: Tue, 03 Mar 2026 10:00:{n:02d} -0800\n"
    "Message-ID: <other{n}@cedarfalls.example>\n\n{text}\n"
)
SEED = 12
SHUTTLES = (3, 8)
"""Mails that answer the request in words that its first term list does not have."""


@pytest.fixture
def made(tmp_path) -> tuple[Home, str, dict[str, str]]:
    """Four mails that the term hits, twelve that it does not; of these, two are responsive."""
    (tmp_path / "mail").mkdir()
    for n in range(4):
        (tmp_path / "mail" / f"hit{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    for n in range(12):
        text = "The shuttle goes another way." if n in SHUTTLES else f"Sandwiches, number {n}."
        (tmp_path / "mail" / f"m{n:02d}.eml").write_text(
            OTHER.format(n=n, subject=f"Note {n}", text=text), "utf-8"
        )
    home = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    request_id, _ = open_request(home, request_file(tmp_path, "mail"), by="pro")
    run_local(home, request_id)
    with home.catalogue.read() as connection:
        names = dict(map(tuple, connection.execute(sa.select(t.items.c.native_key, t.items.c.item_id))))
    yield home, request_id, {name.removesuffix(".eml"): item_id for name, item_id in names.items()}
    home.close()


def coded(folder: Path, answers: dict[str, str], name: str = "answers.csv") -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("item_id", "responsive", "why"))
        writer.writerows((f"i:{item_id}", answer, "") for item_id, answer in answers.items())
    return path


def drawn_of(home: Home, request_id: str, number: int) -> list[str]:
    i = t.sample_items.c
    with home.catalogue.read() as connection:
        return list(
            connection.scalars(
                sa.select(i.family_id)
                .where(i.request_id == request_id, i.sample_no == number)
                .order_by(i.position)
            )
        )


def drawn_as_the_page_says(frame: Path, seed: int, size: int) -> list[str]:
    """Run the lines of docs/sampling.md that draw again."""
    page = (Path(__file__).parents[2] / "docs/sampling.md").read_text("utf-8")
    code = textwrap.dedent(
        page[page.index("    import hashlib, pathlib") : page.index("\n\nA library's random generator")]
    )
    names: dict[str, Any] = {"frame": frame, "seed": seed, "size": size}
    exec(code, names)
    return names["drawn"]


def decide_all(home: Home, request_id: str, folder: Path, *, responsive: set[str]) -> None:
    """Answer everything in review through the coding sheet."""
    out = folder / f"sheet{len(list(folder.glob('sheet*')))}.csv"
    sheet(home, request_id, out, split_rows=None, by="pro")
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        yes = row["item_id"].removeprefix("i:") in responsive
        row |= {"public_record": "yes", "responsive": "yes" if yes else "no"}
        row["treatment"] = "release" if yes else ""
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert decide(home, request_id, out, by="pro")["refused"] == []


def test_from_the_draw_to_the_fresh_sample(made, tmp_path):
    home, request_id, item = made
    left = sorted(item[f"m{n:02d}"] for n in range(12))
    sample, frame = sampling.draw(home, request_id, by="P. Officer", size=8, seed=SEED)

    # anybody can draw it again, from the file and the seed
    text = frame.read_text("ascii")
    assert text.split() == left
    assert sample.frame_sha256 == hashlib.sha256(text.encode()).hexdigest() == frame.stem
    by_turn = sorted(left, key=lambda f: hashlib.sha256(f"{SEED}:{f}".encode()).hexdigest())
    assert drawn_of(home, request_id, 1) == by_turn[:8]
    assert drawn_as_the_page_says(frame, SEED, 8) == by_turn[:8]
    assert (sample.number, sample.version, sample.population, sample.size) == (1, 1, 12, 8)
    assert sample.basis == sampling.Basis(
        confidence=0.95, margin=None, seed_chosen=True, reviewed=4, not_stored=0, responsive=0, undecided=4,
        index_documents=16,
    )  # fmt: skip

    # nothing answered, then a part, in the order drawn
    found = sampling.result(home, request_id)
    assert (found.figures.elusion, found.figures.provisional) == (None, True)
    shuttles = {item[f"m{n:02d}"] for n in SHUTTLES}
    (lead,) = shuttles & set(by_turn[:8])  # the seed draws one of the two
    answers = {f: "yes" if f in shuttles else "no" for f in by_turn[:8]}
    part = {f: answers[f] for f in by_turn[:8] if f != by_turn[6]}
    taken = sampling.code(home, request_id, 1, coded(tmp_path, part), by="K. Lee")
    assert (taken["applied"], taken["coded"], taken["left"], taken["found"]) == (7, 7, 1, 1)
    assert taken["put_in_review"] == [lead]
    assert unfinished(home, request_id) == ["sample 1: 7 of 8 families are answered"]
    assert sampling.result(home, request_id).figures.counted == 6
    taken = sampling.code(home, request_id, 1, coded(tmp_path, answers), by="K. Lee")
    assert (taken["applied"], taken["unchanged"], taken["put_in_review"]) == (1, 7, [])
    assert unfinished(home, request_id) == []

    # the find is in review, the ledger balances, and nothing closes over it
    counted = books(home, request_id)
    assert counted.balanced
    assert (counted.review["in_review"], counted.review["not_in_review"]) == (5, 11)
    with home.catalogue.read() as connection:
        flagged = set(connection.scalars(sa.select(t.retention_flags.c.item_id)))
    assert lead in flagged
    hits = {item[f"hit{n}"] for n in range(4)}
    decide_all(home, request_id, tmp_path, responsive=hits)  # the find among those not responsive, for now
    found = sampling.result(home, request_id)
    assert [one.review for one in found.found] == ["not_responsive"]
    assert (
        "The review decided otherwise on 1 of them. The estimates go by the sample's answers: look again, "
        "and change the answer or the decision."
    ) in words(found)
    assert found.figures.found == 1
    decide_all(home, request_id, tmp_path, responsive=hits | {lead})

    # F holds the four that the term found, never what the sample brought to light
    found = sampling.result(home, request_id)
    eluded = elusion(1, 8, 12, 0.95)
    assert found.figures.elusion == eluded
    assert found.figures.recall == recall(4, 12, eluded)
    assert (found.figures.responsive, found.figures.undecided, found.figures.provisional) == (4, 0, False)
    assert [(one.family_id, one.hit_now, one.review) for one in found.found] == [(lead, False, "responsive")]
    assert (found.fresh, found.stored_since, found.not_searchable) == (None, 0, 0)

    # terms are widened: the lead is hit now, and a fresh sample comes from what is left
    wider = tmp_path / "wider.csv"
    wider.write_text("term,note\nbus route,\nshuttle,\n", "utf-8")
    assert hit_report(home, request_id, wider, None, by="pro", adopt=True)["totals"]["documents"] == 6
    fresh, _ = sampling.draw(home, request_id, by="P. Officer", margin=0.02)
    assert (fresh.number, fresh.version, fresh.population, fresh.size) == (2, 2, 10, 10)
    assert (fresh.basis.margin, fresh.basis.seed_chosen, fresh.basis.responsive) == (0.02, False, 5)
    assert set(drawn_of(home, request_id, 2)) == set(left) - shuttles
    first, second = sampling.series(home, request_id)
    assert (first.fresh, second.fresh) == (2, None)
    assert [(one.hit_now, one.review) for one in first.found] == [(True, "responsive")]
    assert first.figures == found.figures  # what was said of the first list stays said
    sampling.code(
        home, request_id, 2, coded(tmp_path, dict.fromkeys(drawn_of(home, request_id, 2), "no")), by="K"
    )
    decide_all(home, request_id, tmp_path, responsive=hits | shuttles)
    last = sampling.result(home, request_id)
    assert last.figures.census
    assert not last.figures.provisional
    assert (last.figures.responsive, last.figures.elusion.high, last.figures.recall.low) == (6, 0, 1)
    with pytest.raises(UsageError, match="6 await the next instalment"):
        close_request(home, request_id, by="pro")


def test_an_undecided_find_holds_closing_back(made, tmp_path):
    home, request_id, item = made
    decide_all(home, request_id, tmp_path, responsive=set())
    sampling.draw(home, request_id, by="P. Officer", size=12, seed=1)
    sampling.code(home, request_id, 1, coded(tmp_path, {item["m03"]: "yes"}), by="K. Lee")
    with pytest.raises(UsageError, match="1 await a decision"):
        close_request(home, request_id, by="pro")
    sampling.code(home, request_id, 1, coded(tmp_path, {item["m03"]: "yes"}), by="K. Lee")
    decide_all(home, request_id, tmp_path, responsive=set())
    close_request(home, request_id, by="pro")
    for refused in (
        lambda: sampling.draw(home, request_id, by="P. Officer", size=1),
        lambda: sampling.code(home, request_id, 1, coded(tmp_path, {item["m03"]: "no"}), by="K. Lee"),
    ):
        with pytest.raises(UsageError, match="is closed; its samples no longer change"):
            refused()
    assert sampling.result(home, request_id).figures.found == 1  # still to be read


def test_what_a_draw_refuses(made, tmp_path):
    home, request_id, item = made
    for wrong, message in (
        ({"size": 3, "margin": 0.02}, "a size or a margin"),
        ({"size": 0}, "at least one family"),
        ({"margin": 0.0}, "the margin lies between"),
        ({"size": 3, "confidence": 1.0}, "the confidence lies between"),
        ({"size": 3, "seed": -1}, "a seed is a whole number"),
    ):
        with pytest.raises(UsageError, match=message):
            sampling.draw(home, request_id, by="P. Officer", **wrong)
    with pytest.raises(UsageError, match="the name of the person who draws"):
        sampling.draw(home, request_id, by=" ", size=3)
    with pytest.raises(UsageError, match="has no sample; `daylight sample draw` draws one"):
        sampling.result(home, request_id)
    with home.catalogue.write() as connection:
        row = connection.execute(t.items.select().where(t.items.c.item_id == item["m03"])).one()
        connection.execute(t.items.insert(), {**row._mapping, "item_id": "f" * 32, "family_id": "f" * 32})
    with pytest.raises(UsageError, match="counted on 16 documents, and 17 are stored"):
        sampling.draw(home, request_id, by="P. Officer")
    with home.catalogue.write() as connection:
        connection.execute(t.term_reports.delete())
    with pytest.raises(UsageError, match=r"\(version 1\) were not counted yet"):
        sampling.draw(home, request_id, by="P. Officer")
    assert sampling.series(home, request_id) == []


def test_nothing_left_to_draw_from(made, tmp_path):
    home, request_id, _ = made
    everything = tmp_path / "all.csv"
    everything.write_text("term,note\nroute OR sandwiches OR shuttle,\n", "utf-8")
    hit_report(home, request_id, everything, None, by="pro", adopt=True)
    with pytest.raises(UsageError, match="all stored families"):
        sampling.draw(home, request_id, by="P. Officer")


def test_a_frozen_list_that_was_altered_or_lost_is_noticed(made):
    home, request_id, _ = made
    sample, frame = sampling.draw(home, request_id, by="P. Officer", size=2)
    text = frame.read_text("ascii")
    assert sampling.frame_of(home, request_id, sample) == set(text.split())
    frame.write_text(text[33:], "ascii")
    with pytest.raises(CheckFailed, match=r"the frozen list of sample 1 .* was altered"):
        sampling.result(home, request_id)
    frame.unlink()
    with pytest.raises(AccessError, match=r"the frozen list of sample 1 .* cannot be read"):
        sampling.result(home, request_id)


def test_two_draws_of_one_list_with_random_seeds_differ_and_are_both_kept(made):
    home, request_id, _ = made
    one, frame = sampling.draw(home, request_id, by="P. Officer", size=6)
    other, same = sampling.draw(home, request_id, by="P. Officer", size=6)
    assert frame == same
    assert one.seed != other.seed
    left = frame.read_text("ascii").split()
    assert [tuple(drawn_of(home, request_id, n)) for n in (1, 2)] == [
        draw(left, one.seed, 6),
        draw(left, other.seed, 6),
    ]
    assert [found.sample.number for found in sampling.series(home, request_id)] == [1, 2]
    assert [path.name for path in frame.parent.iterdir()] == [frame.name]


def test_the_result_in_json_and_in_words(made, tmp_path):
    home, request_id, item = made
    sample, _ = sampling.draw(home, request_id, by="P. Officer", size=6, seed=2)
    order = drawn_of(home, request_id, 1)
    sampling.code(home, request_id, 1, coded(tmp_path, dict.fromkeys(order[:4], "no")), by="K. Lee")
    out = as_json(request_id, sampling.result(home, request_id, 1))
    json.dumps(out)
    assert out == {
        "request_id": request_id, "sample": 1, "version": 1, "drawn_at": sample.at, "drawn_by": "P. Officer",
        "seed": 2, "seed_chosen": True, "population": 12, "size": 6, "frame_sha256": sample.frame_sha256,
        "confidence": 0.95, "margin": None,
        "when_drawn": {
            "reviewed": 4, "not_stored": 0, "responsive": 0, "undecided": 4, "index_documents": 16,
        },
        "coded": 4, "counted": 4, "left": 2, "found": 0, "counted_found": 0,
        "responsive_in_review": 0, "undecided_in_review": 4, "provisional": True, "census": False,
        "elusion": {"estimate": 0.0, "low": 0.0, "high": 0.60236464, "bound": 0.5271292},
        "missed": {"estimate": 0.0, "low": 0.0, "high": 7.23, "bound": 6.33},
        "recall": None, "not_searchable": 0, "partly_searchable": 0, "found_families": [],
        "stored_since": 0, "fresh_sample": None,
        "words": [
            "Sample 1: 6 of 12 families that no term of version 1 finds were drawn with seed 2; 4 are "
            "answered, 0 of them responsive.",
            "0 of the first 4 are responsive: elusion is estimated at 0.000 % (0.000 % to 60.236 %), with "
            "95 % confidence; at most 52.713 % with one end.",
            "No recall can be estimated: no family in review is decided responsive.",
            "Provisional: 2 families drawn are not answered; the estimate stands on the first 4 in the order "
            "drawn.",
            "Provisional: 4 families in review are undecided, so recall may change.",
            "The figures are of families that were collected and stored, and of these readers' answers; what "
            "they mean for the request is for a person to say.",
        ],
    }  # fmt: skip
    hits = {item[f"hit{n}"] for n in range(4)}
    decide_all(home, request_id, tmp_path, responsive=hits)
    sampling.code(home, request_id, 1, coded(tmp_path, {order[4]: "yes", order[5]: "no"}), by="K. Lee")
    out = as_json(request_id, sampling.result(home, request_id, 1))
    assert (out["responsive_in_review"], out["provisional"]) == (4, False)
    assert out["elusion"] == {
        "estimate": 0.16666667,
        "low": 0.08333333,
        "high": 0.58333333,
        "bound": 0.58180341,
    }
    assert out["missed"] == {"estimate": 2.0, "low": 1.0, "high": 7.0, "bound": 6.98}
    assert out["recall"] == {"estimate": 0.66666667, "low": 0.36363636, "high": 0.8, "bound": 0.36424429}
    assert out["found_families"] == [
        {"family_id": order[4], "position": 5, "hit_now": False, "review": "open"}
    ]
    assert out["words"][1:] == [
        "1 of the first 6 are responsive: elusion is estimated at 16.667 % (8.333 % to 58.333 %), with 95 % "
        "confidence; at most 58.180 % with one end.",
        "With 4 responsive families in review, recall is estimated at 66.7 % (36.4 % to 80.0 %); at least "
        "36.4 % with one end.",
        "Each responsive family is a lead, and in review; 1 of 1 no term of the version in force finds.",
        "Widen the terms and draw a fresh sample.",
        "The figures are of families that were collected and stored, and of these readers' answers; what "
        "they mean for the request is for a person to say.",
    ]
    assert "adequate" not in json.dumps(out).casefold()
    assert "reasonabl" not in json.dumps(out).casefold()
