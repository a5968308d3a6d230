"""Care while something is still alive: a repair and a new index must not lose what a late attempt writes."""

from __future__ import annotations

import pytest

from desk import runlock
from desk.bundle import accept_unbalanced
from desk.care import verify_stores
from desk.home import Home
from desk.register import close_request, enter
from desk.request import parse_request
from desk.searching import reindex
from records import tables as t
from records.attempts import claim
from records.errors import AlreadyRunning, AttemptLost, UsageError
from records.settings import Settings
from records.vocabulary import Step


@pytest.fixture
def home(tmp_path):
    opened = Home.open(settings=Settings(home=tmp_path / "home", workers=1))
    yield opened
    opened.close()


@pytest.fixture
def request_id(home):
    body = parse_request(
        {
            "text": "x",
            "received_on": "2026-09-08",
            "terms": "",
            "custodians": [{"id": "a", "name": "A"}],
            "sources": [{"id": "s", "connector": "loose_files", "custodian": "a", "path": "/nowhere"}],
        },
        "test",
    )
    return enter(home, body, "", by="pro")


def add_batch(home, request_id, **states):
    waiting = dict.fromkeys(("collect_state", "extract_state", "index_state"), "waiting")
    row = {"request_id": request_id, "batch_id": "b000001", "source_id": "s", "scope_key": ".", "part": "{}"}
    with home.catalogue.write() as connection:
        connection.execute(t.batches.insert(), {**row, **waiting, **states, "fence": 0})


def test_a_repair_refuses_the_attempt_whose_segment_it_removed(home, request_id):
    add_batch(home, request_id)
    late = claim(home.catalogue, request_id, "b000001", Step.COLLECT)
    store = home.store(request_id)
    writer = store.writer(late.segment)
    writer.add(b"a record that has no row yet")
    writer.sync()
    (report,) = verify_stores(home, repair=True, by="it")
    assert (report["orphans"], list(store.folder.glob("*.seg"))) == (0, [])
    with pytest.raises(AttemptLost), late.commit():
        pytest.fail("its rows would point to a segment that is gone")
    writer.close()


def test_an_index_attempt_cannot_call_a_batch_done_that_reindex_dropped(home, request_id):
    done = {"collect_state": "done", "extract_state": "done"}
    add_batch(home, request_id, **done)
    late = claim(home.catalogue, request_id, "b000001", Step.INDEX)
    assert reindex(home, request_id) == {"batches": 1, "documents": 0}
    with pytest.raises(AttemptLost), late.commit():
        pytest.fail("what it wrote was dropped")


def test_reindex_is_refused_while_a_local_run_is_alive(home, request_id):
    with runlock.local_run(home, request_id), pytest.raises(AlreadyRunning):
        reindex(home, request_id)


def test_a_request_that_does_not_balance_closes_only_with_a_reason(home, request_id):
    runlock.begin(home, request_id, "local-1", leased=False)
    runlock.end(home, request_id, "local-1", "complete")
    with pytest.raises(UsageError, match="accept-unbalanced"):
        close_request(home, request_id, by="pro")
    accept_unbalanced(home, request_id, by="pro", why="the drive was destroyed in the fire")
    close_request(home, request_id, by="pro")
    assert home.request(request_id).state == "closed"
