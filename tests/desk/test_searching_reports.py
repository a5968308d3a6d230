"""A term list at the desk: tried, adopted, compared, written for people."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import pool
from desk.home import Home
from desk.register import open_request
from desk.run import run_local
from desk.searching import hit_report
from records import tables as t
from records.errors import Incomplete, UsageError
from records.settings import Settings
from search.terms import load_report
from tests.end_to_end.test_faults import GOOD_MAIL
from tests.small_request import request_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Home, str]:
    """A request of four mails, run to its end; its own list has the one term that all of them match."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "mail").mkdir()
    for n in range(4):
        (folder / "mail" / f"{n}.eml").write_text(GOOD_MAIL.format(n=n), "utf-8")
    home = Home.open(settings=Settings(home=folder / "home", workers=1))
    request_id, _ = open_request(home, request_file(folder, "mail"), by="pro")
    run_local(home, request_id)
    yield home, request_id
    home.close()


def listed(folder: Path, *lines: str) -> Path:
    path = folder / "terms.csv"
    path.write_text("\n".join(("term,note", *lines)) + "\n", "utf-8")
    return path


def audited(home: Home) -> dict:
    with home.catalogue.read() as connection:
        text = connection.scalar(sa.select(t.audit.c.entry).order_by(t.audit.c.seq.desc()).limit(1))
    return json.loads(text)


def test_a_list_that_is_tried_is_compared_with_the_one_in_force(made, tmp_path):
    home, request_id = made
    kept = load_report(home.catalogue, request_id, 1)
    report = hit_report(home, request_id, listed(tmp_path, "subject:0,", "zebra,"), None, by="pro")
    change = report["difference"]
    assert (report["version"], change["before"], change["same_index"]) == (0, 1, True)
    found = report["totals"]["documents"]
    assert (change["documents_gained"], change["documents_lost"]) == (0, 4 - found)
    assert load_report(home.catalogue, request_id, 1) == kept
    assert report["zero_hits"] == [3]
    assert report["unsearched"] == {"gaps": [], "part": 0, "places": 0, "whole": 0}


def test_workers_count_what_one_process_counts(made, tmp_path, monkeypatch):
    home, request_id = made
    terms = listed(tmp_path, "bus,", '"bus route",', "subject:0 or 1,", "attachment:x or b*,")
    alone = hit_report(home, request_id, terms, None, by="pro")
    opened = []
    monkeypatch.setattr("search.terms._PIECE", 1)
    workers = pool.workers
    monkeypatch.setattr(pool, "workers", lambda *a, **k: opened.append(k) or workers(*a, **k))
    together = hit_report(home, request_id, terms, None, by="pro")
    assert opened == [{"reading": False}]
    assert together.pop("at") >= alone.pop("at")
    assert together == alone
    assert sum(term["occurrences"] for term in alone["terms"]) > 0


def test_a_worker_that_dies_ends_the_report_by_name(made, tmp_path, monkeypatch):
    home, request_id = made
    monkeypatch.setattr("search.terms._PIECE", 1)
    monkeypatch.setattr(pool, "run_counts", _die)
    with pytest.raises(Incomplete, match="a worker process died; run the same command again"):
        hit_report(home, request_id, listed(tmp_path, "bus or b*,"), None, by="pro")
    assert load_report(home.catalogue, request_id, 0) is None  # half a report is none
    monkeypatch.undo()
    assert hit_report(home, request_id, listed(tmp_path, "bus or b*,"), None, by="pro")["version"] == 0


def _die(*_arguments: object) -> None:
    os._exit(3)


def test_nothing_is_compared_with_itself(made):
    home, request_id = made
    assert hit_report(home, request_id, None, None, by="pro")["difference"] is None
    with pytest.raises(UsageError, match="version 1 is the list in force"):
        hit_report(home, request_id, None, None, by="pro", compare=1)
    with pytest.raises(UsageError, match="no hit report of version 7"):
        hit_report(home, request_id, None, None, by="pro", compare=7)


def test_samples_go_into_an_office_copy_and_the_audit_log(made, tmp_path):
    home, request_id = made
    page = tmp_path / "hits.html"
    report = hit_report(home, request_id, None, page, by="pat", samples=2, seed=5)
    assert "Office copy" in page.read_text("utf-8")
    assert page.read_text("utf-8").count('class="sample"') == 2 * len(report["terms"])
    entry = audited(home)
    assert (entry["action"], entry["actor"], entry["samples"], entry["seed"]) == ("counted", "pat", 2, 5)
    plain = tmp_path / "plain.html"
    hit_report(home, request_id, None, plain, by="pat")
    assert "Office copy" not in plain.read_text("utf-8")
    assert "samples" not in audited(home)
    for out in (None, tmp_path / "hits.csv"):
        with pytest.raises(UsageError, match=r"written into an \.xlsx or \.html report"):
            hit_report(home, request_id, None, out, by="pat", samples=1)


def test_every_kind_of_file_is_written_once(made, tmp_path):
    home, request_id = made
    for name, start in (
        ("a.csv", b"\xef\xbb\xbfline,term,"),
        ("a.xlsx", b"PK"),
        ("a.html", b"<!doctype html>"),
    ):
        out = tmp_path / name
        hit_report(home, request_id, None, out, by="pro")
        assert out.read_bytes().startswith(start)
        with pytest.raises(UsageError, match="is there already"):
            hit_report(home, request_id, None, out, by="pro")
    assert b"\r\r\n" not in (tmp_path / "a.csv").read_bytes()
    with pytest.raises(UsageError, match=r"written as \.csv, \.xlsx or \.html"):
        hit_report(home, request_id, None, tmp_path / "a.pdf", by="pro")


def test_an_adopted_list_is_a_version_that_later_ones_are_compared_with(made, tmp_path):
    home, request_id = made
    before = home.request(request_id).terms
    report = hit_report(home, request_id, listed(tmp_path, "zebra,"), None, by="pro", adopt=True)
    assert (report["version"], report["difference"]["documents_lost"]) == (2, 4)
    own = tmp_path / "own.csv"
    own.write_text(before, "utf-8")
    back = hit_report(home, request_id, own, None, by="pro", adopt=True)
    change = back["difference"]
    assert (back["version"], change["before"], change["documents_gained"]) == (3, 2, 4)
    same = hit_report(home, request_id, None, None, by="pro", compare=1)["difference"]
    assert (same["kept"], same["added"], same["dropped"], same["changed"]) == (1, [], [], [])
    assert (same["documents_gained"], same["documents_lost"]) == (0, 0)
