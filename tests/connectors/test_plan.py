"""The plan step: two processes that plan the same place at once."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from connectors.plan import plan_source
from connectors.registry import connector
from records import tables as t
from records.errors import ItemError
from records.models import SourceContext
from records.vocabulary import Reason
from tests.records.homes import REQUEST, new_catalogue


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path / "home")
    yield made
    made.close()


def test_two_plans_at_once_give_each_batch_once(tmp_path, catalogue):
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.txt").write_text("a")
    context = SourceContext("s", "c", str(tmp_path / "drop"), ZoneInfo("UTC"))
    limits = {"max_items": 10, "max_bytes": 1 << 20}
    made = connector("loose_files")(context)

    class Overtaken:
        """Another process plans the same place while this one counts it."""

        def __getattr__(self, name):
            return getattr(made, name)

        def count(self, scope):
            assert plan_source(catalogue, REQUEST, made, context, **limits) == 1
            return made.count(scope)

    assert plan_source(catalogue, REQUEST, Overtaken(), context, **limits) == 1
    with catalogue.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.scopes)).scalar_one() == 1


def scopes_and_batches(catalogue):
    with catalogue.read() as connection:
        scopes = connection.execute(sa.select(t.scopes.c.expected, t.scopes.c.failure_reason)).all()
        batches = connection.execute(sa.select(t.batches.c.batch_id, t.batches.c.collect_state)).all()
    return [tuple(row) for row in scopes], [tuple(row) for row in batches]


@pytest.fixture
def planned(tmp_path, catalogue):
    """Return a function that plans a drop folder of one file; an error given to it is its count's answer."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "a.txt").write_text("a")
    context = SourceContext("s", "c", str(tmp_path / "drop"), ZoneInfo("UTC"))
    made = connector("loose_files")(context)

    class Answering:
        def __init__(self, error):
            self.error = error

        def __getattr__(self, name):
            return getattr(made, name)

        def count(self, scope):
            if self.error:
                raise self.error
            return made.count(scope)

    def plan(error=None):
        plan_source(catalogue, REQUEST, Answering(error), context, max_items=10, max_bytes=1 << 20)
        return scopes_and_batches(catalogue)

    return plan


def test_a_place_that_was_away_is_planned_anew(planned):
    assert planned(ItemError(Reason.UNREADABLE, "scope_gone")) == ([(None, "unreadable")], [])
    assert planned() == ([(1, None)], [("b000001", "waiting")])


def test_a_place_that_is_damaged_keeps_its_reason(planned):
    assert planned(ItemError(Reason.CORRUPT, "zip")) == ([(None, "corrupt")], [])
    assert planned() == ([(None, "corrupt")], [])


@pytest.mark.parametrize(
    ("reason", "after"),
    [
        ("unreadable", ([(1, None)], [("b000001", "waiting")])),
        ("truncated", ([(1, "truncated")], [("b000001", "done")])),
    ],
)
def test_a_place_that_broke_off_while_it_was_collected(catalogue, planned, reason, after):
    planned()
    with catalogue.write() as connection:
        connection.execute(t.scopes.update().values(failure_reason=reason, failure_detail="x"))
        connection.execute(t.batches.update().values(collect_state="done", index_state="done"))
    assert planned() == after
