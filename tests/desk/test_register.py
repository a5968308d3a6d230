"""Requests that are opened at the same moment get numbers of their own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from desk.home import Home
from desk.register import enter, list_requests
from desk.request import parse_request
from records import audit
from records import tables as t
from records.roster import RosterKind, RosterLine
from records.settings import Settings
from tests.desk.test_closed import BODY
from tests.servers.postgres import postgres


def enter_at_once(folder, catalogue=""):
    """Open eight requests from eight processes' worth of homes at the same moment; return the first home."""
    homes = [Home.open(settings=Settings(home=folder, catalogue=catalogue, workers=1)) for _ in range(8)]
    together = threading.Barrier(len(homes))

    def one(home):
        together.wait()
        return enter(home, parse_request(BODY, "test"), "", by="pro")

    try:
        with ThreadPoolExecutor(len(homes)) as threads:
            ids = sorted(threads.map(one, homes))
        assert ids == [f"2026-{number:04d}" for number in range(1, 9)]
        assert [row["request_id"] for row in list_requests(homes[0])] == ids
        assert audit.verify(homes[0].catalogue).seq == 2 * len(homes)  # frozen, opened
    finally:
        for home in homes:
            home.close()


def test_on_sqlite(tmp_path):
    enter_at_once(tmp_path / "home")


@pytest.mark.services
def test_on_postgresql(tmp_path):
    with postgres() as server:
        with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE register")
        enter_at_once(tmp_path / "home", f"{server}/register")


def test_the_roster_of_the_version_in_force(tmp_path):
    home = Home.open(settings=Settings(home=tmp_path, catalogue="", workers=1))
    try:
        with_one = enter(home, parse_request(BODY, "test"), "", "kind,name\nschool,Cedar Falls\n", by="pro")
        without = enter(home, parse_request(BODY, "test"), "", by="pro")
        assert home.roster(with_one) == (RosterLine(RosterKind.SCHOOL, "Cedar Falls"),)
        assert home.roster(without) == ()
        with home.catalogue.write() as connection:
            later = "kind,name\nschool,Later\n"
            connection.execute(
                t.rosters.insert(), {"request_id": with_one, "version": 2, "roster_csv": later}
            )
        assert home.roster(with_one) == (RosterLine(RosterKind.SCHOOL, "Cedar Falls"),)
        with home.catalogue.write() as connection:
            connection.execute(t.requests.update().values(version=3))
        assert home.roster(with_one) == (RosterLine(RosterKind.SCHOOL, "Later"),)
    finally:
        home.close()
