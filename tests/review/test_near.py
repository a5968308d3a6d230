"""Near duplicates: the measure is exact, what MinHash misses is counted, and no order changes a group."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review import near
from review.grouping import rules

WORDS = [f"w{n:03d}" for n in range(400)]


def made(seed: int, count: int) -> dict[str, str]:
    """Return texts of 40 to 120 words, each with some copies in which a few words were changed or added."""
    draw = random.Random(seed)
    texts: list[list[str]] = []
    while len(texts) < count:
        first = [draw.choice(WORDS) for _ in range(draw.randint(40, 120))]
        texts.append(first)
        for _ in range(draw.randint(0, 4)):
            other = list(draw.choice(texts[-3:]))
            for _ in range(draw.randint(0, 4)):
                other[draw.randrange(len(other))] = draw.choice(WORDS)
            if draw.random() < 0.3:
                other += [draw.choice(WORDS) for _ in range(draw.randint(1, 8))]
            texts.append(other)
    draw.shuffle(texts)
    return {f"{number:064x}": " ".join(words) for number, words in enumerate(texts[:count])}


def grouped(texts: dict[str, str], order: list[str] | None = None) -> set[near.Match]:
    """Group texts as the desk does: clusters of all, each grouped alone."""
    sketches = near.Sketches()
    for key in order or list(texts):
        sketches.add(key, near.sketch(texts[key]))
    out: set[near.Match] = set()
    for cluster in sketches.clusters():
        out.update(near.group([sketches.text(at) for at in cluster], texts.__getitem__).matches)
    return out


def shingles(text: str) -> frozenset[str]:
    return frozenset(near.shingles_of(near.words_of(text), 5))


def test_the_recipe_is_that_of_the_standard():
    one = rules().near
    assert (one.threshold_percent, one.words_in_a_shingle, one.least_words) == (80, 5, 30)
    assert (one.permutations, one.bands, one.permutations // one.bands) == (128, 16, 8)


@pytest.mark.parametrize(("similarity", "chance"), [(0.8, 0.947), (0.9, 0.9999)])
def test_bands_find_what_the_standard_says(similarity, chance):
    one = rules().near
    rows = one.permutations // one.bands
    assert round(1 - (1 - similarity**rows) ** one.bands, 4) == chance


def test_shingles_are_runs_of_five_words_lower_case():
    words = near.words_of("The BUS, leaves at 7:15 (from Straße)")
    assert words == ["the", "bus", "leaves", "at", "7", "15", "from", "straße"]
    assert near.shingles_of(words, 5)[0] == "the bus leaves at 7"
    assert len(near.shingles_of(words, 5)) == 4
    assert near.shingles_of(words[:4], 5) == []


def test_words_are_the_same_by_both_ways():
    every = "".join(map(chr, range(128)))
    assert (
        near.words_of(every)
        == near.words_of(every + " é")[:-1]
        == ["0123456789", every[65:91].lower(), "_", every[97:123]]
    )


def test_similarity_is_counted_exactly_and_rounded_down():
    one, other = shingles(" ".join(WORDS[:104])), shingles(" ".join([*WORDS[:99], *WORDS[200:205]]))
    assert (len(one), len(one & other), len(one | other)) == (100, 95, 105)
    assert near.similarity(one, other) == 90  # 90.47…
    assert near.similarity(one, one) == 100
    assert near.similarity(one, frozenset()) == 0


def test_a_signature_is_the_same_on_every_machine():
    """Kept files hold signatures: another release of the library that makes others must be noticed."""
    sketch = near.sketch(" ".join(WORDS[:60]))
    assert (sketch.words, len(sketch.bands)) == (60, 16 * 8)
    assert sketch.bands[:16].hex() == "6a9b3552f4ea2c142902aa1b107063ee"
    assert sketch.same.hex() == "a54667d47b64b886c8ae0fe6a66046ec"


@pytest.mark.parametrize(("words", "compared"), [(29, False), (30, True)])
def test_short_texts_are_left_out(words, compared):
    assert bool(near.sketch(" ".join(WORDS[:words])).bands) is compared


def test_long_texts_are_left_out():
    figures = replace(rules().near, most_words=100)
    assert near.sketch(" ".join(WORDS[:101]), figures).bands == b""
    assert near.sketch(" ".join(WORDS[:100]), figures).bands


def test_the_longest_text_is_the_pivot_and_the_others_say_how_like_it_they_are():
    base = WORDS[:104]
    texts = {
        "0" * 63 + "1": " ".join([*base[:99], *WORDS[200:205]]),
        "0" * 63 + "2": " ".join([*base, *WORDS[300:305]]),
        "0" * 63 + "3": " ".join(WORDS[150:190]),
        "0" * 63 + "4": "  ".join(base).upper(),
        "0" * 63 + "5": " ".join(base) + ".",
    }
    found = {match.key[-1]: (match.pivot[-1], match.percent, match.same_words) for match in grouped(texts)}
    # 100 shingles and 5 more: 100/105; 95 of 100 and the pivot's 105: 95/110.
    assert found == {
        "1": ("2", 86, False),
        "2": ("2", 100, True),
        "4": ("2", 95, False),
        "5": ("2", 95, False),
    }


def test_texts_of_the_same_words_are_one_group_at_100():
    texts = {"a" * 64: " ".join(WORDS[:40]), "b" * 64: "\n".join(WORDS[:40]).title()}
    assert grouped(texts) == {
        near.Match("a" * 64, "a" * 64, 100, True),
        near.Match("b" * 64, "a" * 64, 100, True),
    }


def test_half_a_pair_of_surrogates_and_nothing_at_all_are_texts_too():
    odd = " ".join(f"{word}\ud800" for word in WORDS[:40])
    assert len(near.sketch(odd).bands) == 128
    assert near.sketch("") == near.Sketch(0, near.sketch("  ").same, b"")
    assert near.Sketches().clusters() == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_no_order_changes_a_group(seed, draw):
    texts = made(seed, 60)
    order = list(texts)
    draw.shuffle(order)
    assert grouped(texts, order) == grouped(texts)


def test_every_pair_that_counts_is_a_real_one_and_few_are_missed(record_property):
    """Against every pair counted by brute force: none is wrong, and the share that bands propose is told."""
    real = proposed = 0
    for seed in range(3):
        texts = made(seed, 220)
        sets = {key: shingles(text) for key, text in texts.items()}
        for match in grouped(texts):
            assert near.similarity(sets[match.key], sets[match.pivot]) == match.percent >= 80
        sketches = {key: near.sketch(text) for key, text in texts.items()}
        for one, other in combinations(texts, 2):
            if near.similarity(sets[one], sets[other]) >= 80:
                real += 1
                a, b = sketches[one].bands, sketches[other].bands
                proposed += any(a[at : at + 8] == b[at : at + 8] for at in range(0, 128, 8))
    record_property("recall", proposed / real)
    assert (real, proposed) == (266, 264)


def test_a_group_misses_no_text_that_a_pivot_in_its_cluster_matches():
    """Grouping is what the standard says: the first pivot in order that is proposed and similar enough."""
    texts = made(5, 150)
    sets = {key: shingles(text) for key, text in texts.items()}
    sketches = {key: near.sketch(text) for key, text in texts.items()}

    def matches(one: str, other: str) -> bool:
        a, b = sketches[one].bands, sketches[other].bands
        proposed = any(a[at : at + 8] == b[at : at + 8] for at in range(0, 128, 8))
        return proposed and near.similarity(sets[one], sets[other]) >= 80

    ordered = sorted(texts, key=lambda key: (-sketches[key].words, sketches[key].same))
    pivot_of: dict[str, str] = {}
    for key in ordered:
        pivots = (one for one, pivot in pivot_of.items() if one == pivot)
        pivot_of[key] = next((one for one in pivots if matches(key, one)), key)
    alone = {key for key, pivot in pivot_of.items() if list(pivot_of.values()).count(pivot) == 1}
    found = {match.key: match.pivot for match in grouped(texts)}
    assert found == {key: pivot for key, pivot in pivot_of.items() if key not in alone}
    assert len(found) == 77


def test_a_form_letter_that_was_filled_in_thousands_of_times_is_bounded():
    """All are alike and few are alike enough: each is compared with so many others at most, which is told."""
    draw = random.Random(4)
    form = WORDS[:60]
    texts = {}
    for number in range(400):
        words = list(form)
        words[draw.randrange(60)] = f"x{draw.randrange(10_000)}"
        texts[f"{number:064x}"] = " ".join(words)
    keyed = [near.Text(key, near.sketch(text)) for key, text in texts.items()]
    asked: list[str] = []

    def read(key: str) -> str:
        asked.append(key)
        return texts[key]

    made_of = near.group(keyed, read, replace(rules().near, most_compared=3))
    assert (made_of.verified, made_of.cut) == (783, 389)
    assert len(asked) == len(set(asked))  # each was read once: what was made of it is kept
