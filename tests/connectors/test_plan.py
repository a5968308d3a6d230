"""The plan step: two processes that plan the same place at once."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from connectors.plan import plan_source
from connectors.registry import connector
from records import tables as t
from records.models import SourceContext
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
