"""What lies behind a hit report, on PostgreSQL: the same figures as on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.term_details import Pair, difference, overlaps, samples
from search.terms import Term, run_terms
from search.unsearched import Gap
from tests.search.home import PACIFIC, REQUEST, Home
from tests.search.term_lists import ITEMS, LIST
from tests.servers.postgres import postgres


@pytest.mark.services
def test_overlap_difference_samples_and_gaps(tmp_path: Path) -> None:
    with postgres() as address:
        home = Home(tmp_path, f"{address}/postgres")
        home.fill("b000001", ITEMS)
        home.index("b000001")
        before, report = (
            run_terms(home.catalogue, home.store, home.engine, REQUEST, version, terms, PACIFIC)
            for version, terms in ((1, (Term(2, "map", ""),)), (2, LIST))
        )
        assert overlaps(home.catalogue, REQUEST, 2) == (Pair(2, 9, 2), Pair(2, 3, 1), Pair(3, 7, 1))
        made, moved = difference(home.catalogue, before, report)
        assert moved.gained == ("m1", "m2", "m3", "m4")
        assert (made.documents_gained, made.documents_lost, made.families_gained) == (4, 0, 2)
        drawn = samples(home.catalogue, home.store, REQUEST, report, PACIFIC, most=1, seed=1)
        assert [one.line for one in drawn] == [2, 3, 6, 7, 9]
        assert report.unsearched.gaps == (Gap("no_text", "lee", "mail", 1),)
        assert report.terms[0].months == {"2026-01": 2, "2026-02": 1}
        home.close()
