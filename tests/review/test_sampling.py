"""The arithmetic of samples, against known values; the frozen list and the draw."""

import hashlib
import math
import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import binomtest, hypergeom

from records import tables as t
from records.decisions import Decision, Treatment
from records.errors import UsageError
from review import decide
from review.sampling import (
    LARGEST_SEED,
    Families,
    draw,
    elusion,
    families,
    figures,
    frame_sha256,
    frame_text,
    recall,
    size_for,
    unsearchable,
)
from tests.review.build import REQUEST

YES = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
NO = Decision(public_record=True, responsive=False)
PERSONAL = Decision(public_record=False, facts="a note to her husband about dinner")


# --- sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "population", "size"),
    [
        (0.02, None, 2_401),
        (0.02, 100_000, 2_345),
        (0.05, None, 385),
        (0.01, None, 9_604),
        (0.02, 1_000, 707),
        (0.02, 10, 10),
        (0.02, 1, 1),
        (0.02, 0, 0),
    ],
)
def test_how_many_to_draw_at_95_percent(margin, population, size):
    assert size_for(margin, 0.95, population) == size


def test_more_confidence_needs_more():
    assert [size_for(0.02, confidence) for confidence in (0.9, 0.95, 0.99)] == [1_691, 2_401, 4_147]


@pytest.mark.parametrize(
    ("margin", "confidence"),
    [
        (0, 0.95),
        (1, 0.95),
        (0.02, 0),
        (0.02, 1),
        (-0.1, 0.95),
        (float("nan"), 0.95),
        (1e-300, 0.95),
        (0.0002, 0.95),  # a share where a percentage is asked for
        (0.02, 0.0095),
    ],
)
def test_a_margin_or_confidence_that_makes_no_sense_is_refused(margin, confidence):
    with pytest.raises(UsageError, match=r"between (0\.1|50) and 100 percent"):
        size_for(margin, confidence)


@given(st.integers(1, 10**7), st.floats(0.001, 0.5), st.floats(0.5, 0.999))
def test_a_sample_is_never_larger_than_the_list_or_than_for_an_endless_one(population, margin, confidence):
    size = size_for(margin, confidence, population)
    assert 1 <= size <= min(population, size_for(margin, confidence))
    assert size <= size_for(margin, confidence, population + 1)


# --- intervals -----------------------------------------------------------------------------------------


def percent(interval, digits):
    return tuple(round(v * 100, digits) for v in (interval.estimate, interval.low, interval.high))


def test_the_standards_example():
    eluded = elusion(6, 1_500, 90_000, 0.95)
    assert percent(eluded, 3) == (0.4, 0.147, 0.869)
    assert percent(recall(4_200, 90_000, eluded), 1) == (92.1, 84.3, 96.9)


def test_none_found_of_1500_still_allows_0_2_percent_with_one_end():
    eluded = elusion(0, 1_500, 90_000, 0.95)
    assert (eluded.estimate, eluded.low) == (0, 0)
    assert round(eluded.bound * 100, 4) == 0.1995
    assert eluded.bound == pytest.approx(1 - 0.05 ** (1 / 1_500), rel=1e-12)
    assert eluded.high == pytest.approx(1 - 0.025 ** (1 / 1_500), rel=1e-12)
    found = recall(4_200, 90_000, eluded)
    assert (found.estimate, found.high) == (1, 1)
    assert percent(found, 1)[1] == 95.0
    assert round(found.bound * 100, 1) == 95.9


def test_all_found_of_those_drawn():
    eluded = elusion(30, 30, 10_000, 0.95)
    assert (eluded.estimate, eluded.high, eluded.bound) == (1, 1, 1)
    assert eluded.low == pytest.approx(0.025 ** (1 / 30), rel=1e-12)


@pytest.mark.parametrize(("found", "population"), [(0, 1), (1, 1), (0, 40), (7, 40), (40, 40)])
def test_a_sample_of_everything_is_a_count(found, population):
    eluded = elusion(found, population, population, 0.95)
    share = found / population
    assert (eluded.estimate, eluded.low, eluded.high, eluded.bound) == (share, share, share, share)


def test_what_is_known_for_certain_narrows_the_interval():
    eluded = elusion(3, 90, 100, 0.95)  # at least 3 of 100, at most the 10 that nobody read besides
    assert eluded.low == 0.03
    assert eluded.high == pytest.approx(binomtest(3, 90).proportion_ci(0.95, "exact").high, rel=1e-12)
    assert elusion(3, 95, 100, 0.95).high == 0.08


def test_nothing_responsive_found_gives_no_recall():
    assert recall(0, 90_000, elusion(6, 1_500, 90_000, 0.95)) is None


@pytest.mark.parametrize(("found", "sampled", "population"), [(-1, 5, 9), (6, 5, 9), (1, 10, 9), (0, 0, 9)])
def test_counts_that_cannot_be_are_refused(found, sampled, population):
    with pytest.raises(ValueError, match="found of"):
        elusion(found, sampled, population, 0.95)


counts = st.integers(1, 3_000).flatmap(
    lambda n: st.tuples(st.integers(0, n), st.just(n), st.integers(n, 10 * n))
)


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_an_interval_brackets_its_estimate_and_is_scipys_own_where_nothing_is_known_besides(
    given_, confidence
):
    found, sampled, population = given_
    eluded = elusion(found, sampled, population, confidence)
    assert 0 <= eluded.low <= eluded.estimate <= eluded.bound <= eluded.high <= 1
    exact = binomtest(found, sampled).proportion_ci(confidence, "exact")
    assert eluded.low == pytest.approx(max(exact.low, found / population), abs=1e-12)
    rest = (population - sampled + found) / population
    assert eluded.high == pytest.approx(min(exact.high, rest), abs=1e-12)
    caught = recall(100, population, eluded)
    assert 0 < caught.low <= caught.bound <= caught.estimate <= caught.high <= 1


@given(counts)
def test_more_found_never_looks_better_and_more_read_never_wider(given_):
    found, sampled, population = given_
    one = elusion(found, sampled, population, 0.95)
    if found < sampled:
        more = elusion(found + 1, sampled, population, 0.95)
        assert (more.low, more.estimate, more.high, more.bound) >= (
            one.low,
            one.estimate,
            one.high,
            one.bound,
        )
        assert more.high >= one.high
        assert recall(50, population, more).high <= recall(50, population, one).high
    surer = elusion(found, sampled, population, 0.99)
    assert surer.low <= one.low
    assert surer.high >= one.high
    if sampled < population:
        read = elusion(found, sampled + 1, population, 0.95)
        assert read.high <= one.high
        assert read.bound <= one.bound


def test_the_ends_are_those_that_clopper_and_pearson_define():
    """Seen from the low end, so many or more would be drawn once in forty times; so from the high end."""
    eluded = elusion(6, 1_500, 90_000, 0.95)
    assert betainc(6, 1_495, eluded.low) == pytest.approx(0.025, rel=1e-9)
    assert 1 - betainc(7, 1_494, eluded.high) == pytest.approx(0.025, rel=1e-9)


@pytest.mark.parametrize(
    ("population", "sampled"), [(40, 10), (40, 25), (200, 50), (200, 150), (1_000, 120), (1_000, 900)]
)
def test_the_interval_covers_the_truth_for_every_truth_there_can_be(population, sampled):
    """Worked out exactly, for draws without putting back, over every number of responsive families."""
    ends = [elusion(k, sampled, population, 0.95) for k in range(sampled + 1)]
    short = 1e-9
    for truth in range(population + 1):
        chances = hypergeom(population, truth, sampled).pmf(range(sampled + 1))
        share = truth / population
        two = sum(c for c, e in zip(chances, ends, strict=True) if e.low - short <= share <= e.high + short)
        one = sum(c for c, e in zip(chances, ends, strict=True) if share <= e.bound + short)
        assert two >= 0.95
        assert one >= 0.95


def test_drawn_samples_cover_the_truth_as_often_as_they_say():
    """Simulated with the draw itself: 400 seeds, a list of 2,000 with 30 responsive families."""
    left = [f"{number:032x}" for number in range(2_000)]
    responsive = frozenset(random.Random(7).sample(left, 30))
    interval = cache(lambda found: elusion(found, 300, 2_000, 0.95))
    covered, total = 0, 0
    for seed in range(400):
        found = sum(family_id in responsive for family_id in draw(left, seed, 300))
        total += found
        covered += interval(found).low <= 30 / 2_000 <= interval(found).high
    assert covered >= 380
    assert abs(total / 400 - 4.5) < 3 * math.sqrt(4.5 / 400)  # the draw leans to no side


# --- the draw ------------------------------------------------------------------------------------------


def test_the_draw_is_in_the_order_of_the_hashes_of_seed_and_family():
    left = ["a" * 32, "b" * 32, "c" * 32, "d" * 32]
    by_hash = sorted(left, key=lambda f: hashlib.sha256(f"17:{f}".encode()).hexdigest())
    assert draw(left, 17, 4) == tuple(by_hash)
    # by sha256sum; another order would make every seed that was ever given worthless
    assert [family_id[0] for family_id in draw(left, 17, 3)] == ["d", "c", "b"]


def test_the_frozen_list_is_sorted_lines_and_has_a_hash():
    text = frame_text({"b" * 32, "a" * 32})
    assert text == "a" * 32 + "\n" + "b" * 32 + "\n"
    assert frame_sha256(text) == hashlib.sha256(text.encode()).hexdigest()
    assert frame_sha256(frame_text([])) == hashlib.sha256(b"").hexdigest()


ids_ = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=60, unique=True)


@given(ids_, st.integers(0, LARGEST_SEED), st.integers(0, 80), st.randoms())
def test_a_draw_is_a_part_without_repeats_and_does_not_know_the_order_of_the_list(left, seed, size, shuffler):
    drawn = draw(left, seed, size)
    assert len(drawn) == min(size, len(left))
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(left)
    shuffled = left + left[:3]
    shuffler.shuffle(shuffled)
    assert draw(shuffled, seed, size) == drawn
    assert draw(left, seed, size + 1)[:size] == drawn[:size]  # a larger sample starts with the smaller


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_a_seed_that_cannot_be_kept_is_refused(seed):
    with pytest.raises(UsageError, match="whole number from 0"):
        draw(["a" * 32], seed, 1)


# --- where families stand ------------------------------------------------------------------------------


def test_where_families_stand(desk):
    made, item = desk
    lost = made.add("9", state="failed", reason="encrypted")
    half = made.add("8", state="failed", reason="encrypted")
    inside = made.add("1", parent=half, kind="file", name="a.txt", text="x")
    made.add("7", state="excluded", reason="outside_window")
    old = made.add("5", subject="Decided under other terms")
    memo = made.add("6", subject="Dinner", hits={2: 1})
    made.save()
    answers = {item["mail"]: YES, item["text"]: NO, old: NO, memo: PERSONAL}
    decide.record(made.catalogue, REQUEST, 1, answers, "K. Lee", source="page")
    with made.catalogue.read() as connection:
        now = families(connection, REQUEST, 1)
        assert now == Families(
            reviewed=frozenset({item["mail"], item["reply"], item["text"], old, memo}),
            left=frozenset({item["lunch"], half}),
            responsive=frozenset({item["mail"]}),
            undecided=frozenset({item["reply"]}),
            not_stored=frozenset({lost}),
        )
        assert unsearchable(connection, REQUEST, [item["lunch"], half, item["mail"]]) == (0, 2)
        other = families(connection, REQUEST, 2)  # no term of version 2 was counted: only decisions hold
        assert other.reviewed == {item["mail"], item["text"], old, memo}
        assert inside not in other.left
    with made.catalogue.write() as connection:
        row = {"request_id": REQUEST, "sample_no": 1, "family_id": item["lunch"], "seq": 1}
        connection.execute(
            t.sample_answers.insert(), {**row, "responsive": True, "why": "", "by": "K. Lee", "at": "x"}
        )
    with made.catalogue.read() as connection:
        now = families(connection, REQUEST, 1)
        assert now.left == {half}
        assert now.undecided == {item["reply"], item["lunch"]}


# --- adding up -----------------------------------------------------------------------------------------

DRAWN = tuple("abcdef")
FRAME = frozenset("abcdefghijklmnopqrst")


def standing(*, responsive="", undecided=""):
    reviewed = frozenset(responsive + undecided)
    return Families(reviewed, FRAME - reviewed, frozenset(responsive), frozenset(undecided), frozenset())


def test_only_the_answers_up_to_the_first_gap_are_counted():
    answers = dict.fromkeys("abdf", False) | {"f": True, "b": True}
    made = figures(DRAWN, answers, FRAME, standing(responsive="XYZ"), 0.95)
    assert (made.population, made.size, made.coded, made.counted) == (20, 6, 4, 2)
    assert (made.found, made.counted_found) == (2, 1)
    assert made.elusion == elusion(1, 2, 20, 0.95)
    assert made.recall == recall(3, 20, made.elusion)
    assert (made.provisional, made.census) == (True, False)


def test_nothing_is_estimated_before_the_first_is_answered():
    made = figures(DRAWN, {"b": True}, FRAME, standing(responsive="X"), 0.95)
    assert (made.counted, made.found, made.elusion, made.recall, made.provisional) == (0, 1, None, None, True)


def test_what_the_sample_itself_found_is_no_part_of_what_the_search_found():
    answers = dict.fromkeys(DRAWN, False) | {"c": True}
    before = figures(DRAWN, answers, FRAME, standing(responsive="XY", undecided="c"), 0.95)
    after = figures(DRAWN, answers, FRAME, standing(responsive="XYcg"), 0.95)
    assert before == after
    assert (after.responsive, after.undecided, after.provisional) == (2, 0, False)
    assert after.recall.estimate == pytest.approx(2 / (2 + 20 / 6))


def test_undecided_families_make_a_result_provisional():
    answers = dict.fromkeys(DRAWN, False)
    made = figures(DRAWN, answers, FRAME, standing(responsive="X", undecided="YZ"), 0.95)
    assert (made.undecided, made.provisional, made.recall.estimate) == (2, True, 1)


def test_a_sample_of_everything_answered_is_a_census():
    drawn = tuple(sorted(FRAME))
    answers = dict.fromkeys(drawn, False) | {"a": True}
    made = figures(drawn, answers, FRAME, standing(responsive="XYZ"), 0.95)
    assert (made.census, made.provisional) == (True, False)
    assert (made.recall.low, made.recall.estimate, made.recall.high) == (0.75, 0.75, 0.75)
