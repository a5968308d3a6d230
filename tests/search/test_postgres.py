"""The room on PostgreSQL: reading batches, replacing hits, numbering the search log."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from records import tables as t
from search.query import count, search
from search.terms import Term, load_report, run_terms
from tests.search.home import PACIFIC, REQUEST, Home
from tests.servers.postgres import postgres


@pytest.mark.services
def test_the_room_works_on_postgresql_too(tmp_path: Path) -> None:
    with postgres() as address:
        home = Home(tmp_path, f"{address}/postgres")
        home.fill(
            "b000001", [{"id": f"i{n:04d}", "text": "bus route", "family": "i0000"} for n in range(1_005)]
        )
        assert home.index("b000001") == 1_005
        terms = (Term(2, "bus", ""), Term(3, "zebra", ""))
        for _ in range(2):
            report = run_terms(home.catalogue, home.store, home.engine, REQUEST, 1, terms, PACIFIC)
            assert report.terms[0].documents == 1_005
            assert report.terms[0].unique_with_family == 1_005
            assert load_report(home.catalogue, REQUEST, 1) == report
        with home.catalogue.read() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(t.hits)) == 1_005
        assert search(home.catalogue, home.engine, REQUEST, "bus", PACIFIC, "pat").seq == 1
        assert count(home.catalogue, home.engine, REQUEST, "bus", PACIFIC, "pat").seq == 2
        home.close()
