"""Attempts: a late one cannot write."""

from __future__ import annotations

import pytest

from records import tables as t
from records.attempts import claim, refuse_all
from records.errors import AttemptLost, UsageError
from records.vocabulary import Step
from tests.records.homes import REQUEST, add_batch, new_catalogue


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path)
    add_batch(made, "b000001")
    yield made
    made.close()


def test_a_late_attempt_cannot_commit(catalogue):
    old = claim(catalogue, REQUEST, "b000001", Step.COLLECT)
    new = claim(catalogue, REQUEST, "b000001", Step.COLLECT)
    assert (old.fence, new.fence) == (1, 2)
    assert old.segment != new.segment
    with pytest.raises(AttemptLost), old.commit() as connection:
        connection.execute(t.freezes.insert(), {"request_id": "late", "from_at": "", "authority": ""})
    with new.commit(items=3) as connection:
        new.finish(connection)
    with catalogue.read() as connection:
        assert connection.execute(t.freezes.select()).all() == []
        rows = connection.execute(t.attempts.select().order_by(t.attempts.c.fence)).all()
    assert [(row.fence, row.outcome, row.items) for row in rows] == [(1, None, 0), (2, "done", 3)]


def test_an_attempt_that_was_overtaken_while_it_wrote_rolls_back(catalogue):
    old = claim(catalogue, REQUEST, "b000001", Step.EXTRACT)

    def write_and_fail() -> None:
        with old.commit() as connection:
            connection.execute(t.freezes.insert(), {"request_id": "x", "from_at": "", "authority": ""})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with catalogue.read() as connection:
        assert connection.execute(t.freezes.select()).all() == []


def test_a_done_step_is_not_claimed_again(catalogue):
    attempt = claim(catalogue, REQUEST, "b000001", Step.INDEX)
    with attempt.commit() as connection:
        attempt.finish(connection)
    assert claim(catalogue, REQUEST, "b000001", Step.INDEX) is None
    assert claim(catalogue, REQUEST, "b000001", Step.COLLECT).fence == 2


def test_an_unknown_batch_is_refused_by_name(catalogue):
    with pytest.raises(UsageError, match="b999999"):
        claim(catalogue, REQUEST, "b999999", Step.COLLECT)


def test_all_attempts_of_a_request_can_be_refused(catalogue):
    old = claim(catalogue, REQUEST, "b000001", Step.COLLECT)
    with catalogue.write() as connection:
        refuse_all(connection, REQUEST)
    with pytest.raises(AttemptLost), old.commit():
        pass
    assert claim(catalogue, REQUEST, "b000001", Step.COLLECT).fence == 3
