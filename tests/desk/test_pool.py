"""A batch whose trouble may pass is tried again, a few times, after the time that was asked for."""

from __future__ import annotations

import pickle

import pytest
import tenacity.nap

from desk import pool
from records.errors import AttemptLost, Retryable


class Runner:
    """Three steps; the second is in trouble as often as told."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.collected = 0

    def collect(self, batch_id: str) -> int:
        self.collected += 1
        return len(batch_id)

    def extract(self, _batch_id: str) -> int:
        if self.troubles:
            raise self.troubles.pop(0)
        return 2

    def index(self, _batch_id: str) -> int:
        return 3


@pytest.fixture
def slept(monkeypatch):
    seconds = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", seconds.append)
    return seconds


def mine(monkeypatch, *troubles):
    runner = Runner(*troubles)
    monkeypatch.setattr(pool, "_mine", runner)
    return runner


def test_a_batch_is_tried_again_after_the_time_that_was_asked_for(monkeypatch, slept):
    runner = mine(monkeypatch, Retryable("busy", retry_after_s=30.0), Retryable("away"), Retryable("away"))
    assert pool.run_batch("b000001") == {"collected": 7, "read": 2, "indexed": 3}
    assert slept == [30.0, 2.0, 4.0]
    assert runner.collected == 4


def test_trouble_that_does_not_pass_ends_the_batch(monkeypatch, slept):
    runner = mine(monkeypatch, *[Retryable(f"away {n}", retry_after_s=1.0) for n in range(9)])
    with pytest.raises(Retryable, match="away 3") as caught:
        pool.run_batch("b000001")
    assert slept == [1.0, 1.0, 1.0]
    assert runner.collected == pool.TRIES
    assert pickle.loads(pickle.dumps(caught.value)).retry_after_s == 1.0


def test_any_other_error_is_not_tried_again(monkeypatch, slept):
    runner = mine(monkeypatch, AttemptLost("b000001"))
    with pytest.raises(AttemptLost):
        pool.run_batch("b000001")
    assert slept == []
    assert runner.collected == 1
