"""How two texts differ: word by word, and bounded."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from review import difference as module
from review.difference import Change, Run, difference, shortened

SAME, FIRST, SECOND = Change.SAME, Change.ONLY_FIRST, Change.ONLY_SECOND


def test_words_and_figures():
    found = difference(
        "The bus leaves at 7:15.\nBring a coat.", "The bus leaves at 7:25.  Bring a warm coat."
    )
    assert found.runs == (
        Run(SAME, "The bus leaves at 7:", 6),
        Run(SECOND, "25", 1),
        Run(FIRST, "15", 1),
        Run(SAME, ". Bring a", 3),
        Run(SECOND, "warm", 1),
        Run(SAME, "coat.", 2),
    )
    assert (found.same, found.only_first, found.only_second, found.compared_in_part) == (11, 1, 2, False)


def test_white_space_is_no_difference_and_nothing_is_nothing():
    assert difference("a  b\n\nc", "a b c").runs == (Run(SAME, "a b c", 3),)
    assert difference("", " \n").runs == ()
    assert difference("", "new").runs == (Run(SECOND, "new", 1),)


@given(st.lists(st.sampled_from("ab.c")), st.lists(st.sampled_from("ab.c")))
def test_each_text_can_be_put_together_again(one, other):
    found = difference(" ".join(one), " ".join(other))
    for words, mine in ((one, FIRST), (other, SECOND)):
        assert " ".join(run.text for run in found.runs if run.change in {SAME, mine}).split() == words
    assert (found.same + found.only_first, found.same + found.only_second) == (len(one), len(other))


def test_long_equal_runs_are_shortened():
    words = [f"w{n}" for n in range(100)]
    found = difference(" ".join([*words, "x", *words]), " ".join([*words, "y", *words]))
    first, *middle, last = shortened(found)
    assert first.text == " ".join(["…", *words[-12:]])
    assert {run.text for run in middle} == {"x", "y"}
    assert last.text == " ".join([*words[:12], "…"])


def test_what_is_beyond_the_bounds_is_shown_as_different_and_said(monkeypatch):
    monkeypatch.setattr(module, "MOST_TOKENS", 4)
    found = difference("a x x x x x x e", "a y y y y z e")
    assert found.compared_in_part
    assert (found.same, found.only_first, found.only_second) == (2, 6, 5)
    monkeypatch.setattr(module, "MOST_CHARACTERS", 3)
    assert difference("aaaa", "aaa").compared_in_part


def test_huge_texts_that_share_nothing_take_seconds_at_most():
    one, other = (" ".join(f"{letter}{n}" for n in range(100_000)) for letter in "ab")
    began = time.process_time()
    found = difference(one, other)
    assert found.compared_in_part
    assert found.same == 0
    assert time.process_time() - began < 10
