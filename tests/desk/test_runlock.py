"""One run of a request at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from desk import runlock
from desk.closing import close_request
from desk.home import Home
from desk.register import enter
from desk.request import parse_request
from desk.run import record_answer, run_local
from records import tables as t
from records.attempts import claim
from records.canonical import utc_text
from records.errors import AccessError, AlreadyRunning, AttemptLost, UsageError
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


def runs(home: Home) -> dict[str, str | None]:
    with home.catalogue.read() as connection:
        return {row.run_key: row.outcome for row in connection.execute(t.runs.select())}


def test_a_local_lock_dies_with_its_process(home, request_id, tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from desk.home import Home; from desk.runlock import local_run\n"
        "with local_run(Home.open(Path(sys.argv[1])), sys.argv[2]):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "home"), request_id], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning, match=f"request {request_id} is being run by another process"):
        runlock.local_run(home, request_id).__enter__()
    holder.kill()
    holder.communicate()
    for _ in range(100):
        try:
            with runlock.local_run(home, request_id):
                return
        except AlreadyRunning:
            time.sleep(0.05)
    pytest.fail("the lock outlived its process")


@pytest.mark.parametrize("leased", [False, True])
def test_a_run_waits_for_who_holds_the_request_for_moments(home, request_id, monkeypatch, leased):
    looked = []
    brief = runlock.local_run(home, request_id, brief=True)
    brief.__enter__()

    def look(_seconds):
        looked.append(1)
        brief.__exit__(None, None, None)

    monkeypatch.setattr(runlock.time, "sleep", look)
    if leased:
        runlock.begin(home, request_id, "manual__1", leased=True)
    else:
        with runlock.local_run(home, request_id):
            assert looked == [1]
            with pytest.raises(AlreadyRunning, match="by another process"):  # this one is here to stay
                runlock.local_run(home, request_id).__enter__()
    assert looked == [1]


def test_a_run_does_not_wait_for_ever_and_who_is_brief_does_not_wait_at_all(home, request_id, monkeypatch):
    monkeypatch.setattr(runlock, "PATIENCE_S", 0.01)
    monkeypatch.setattr(runlock, "_LOOK_S", 0.02)
    with runlock.local_run(home, request_id, brief=True):
        with pytest.raises(AlreadyRunning, match="wait for it"):
            runlock.local_run(home, request_id).__enter__()
        monkeypatch.setattr(runlock, "PATIENCE_S", 600)
        with pytest.raises(AlreadyRunning, match="wait for it"):
            runlock.local_run(home, request_id, brief=True).__enter__()


def test_a_leased_run_refuses_another_by_name(home, request_id):
    runlock.begin(home, request_id, "manual__1", leased=True)
    runlock.begin(home, request_id, "manual__1", leased=True)  # a repeated task
    with pytest.raises(AlreadyRunning, match="is being run as manual__1, which is at work"):
        runlock.begin(home, request_id, "manual__2", leased=True)
    runlock.wait_for_person(home, request_id, "manual__1")
    with pytest.raises(AlreadyRunning, match="manual__1, which waits for a person"):
        runlock.begin(home, request_id, "local-2", leased=False)


def test_a_lease_that_ran_out_gives_way(home, request_id):
    runlock.begin(home, request_id, "manual__1", leased=True)
    late = utc_text(datetime.now(UTC) - timedelta(seconds=1))
    with home.catalogue.write() as connection:
        connection.execute(t.runs.update().values(lease_until=late))
    runlock.begin(home, request_id, "manual__2", leased=True)
    assert runs(home) == {"manual__1": "interrupted", "manual__2": None}
    with pytest.raises(AlreadyRunning, match="taken over by another run"):
        runlock.renew(home, request_id, "manual__1")


def test_a_run_that_waits_can_be_taken_over_and_then_writes_no_more(home, request_id):
    runlock.begin(home, request_id, "manual__1", leased=True)
    runlock.wait_for_person(home, request_id, "manual__1")
    runlock.begin(home, request_id, "local-2", leased=False, take_over=True)
    assert runs(home) == {"manual__1": "interrupted", "local-2": None}
    with pytest.raises(AlreadyRunning):
        runlock.renew(home, request_id, "manual__1")


def test_an_ended_run_leaves_the_request_free(home, request_id):
    runlock.begin(home, request_id, "manual__1", leased=True)
    runlock.end(home, request_id, "manual__1", "complete")
    runlock.begin(home, request_id, "manual__2", leased=True)
    assert runs(home) == {"manual__1": "complete", "manual__2": None}


def test_a_leased_run_is_refused_while_a_local_one_is_alive(home, request_id):
    with runlock.local_run(home, request_id):
        runlock.begin(home, request_id, "local-1", leased=False)
        with pytest.raises(AlreadyRunning, match=f"request {request_id} is being run by another process"):
            runlock.begin(home, request_id, "manual__1", leased=True, take_over=True)
    assert runs(home) == {"local-1": None}
    runlock.begin(home, request_id, "manual__1", leased=True)  # the process is gone
    assert runs(home) == {"local-1": "interrupted", "manual__1": None}


def test_a_first_run_that_was_interrupted_leaves_nothing_to_close(home, request_id):
    with pytest.raises(AccessError):
        run_local(home, request_id)  # its one source is not there
    assert home.request(request_id).state == "open"
    with pytest.raises(UsageError, match="has not been run"):
        close_request(home, request_id, by="pro")


def test_a_request_is_not_closed_under_a_run_that_is_alive(home, request_id):
    with home.catalogue.write() as connection:
        connection.execute(t.requests.update().values(state="complete"))
    runlock.begin(home, request_id, "manual__1", leased=True)
    with pytest.raises(AlreadyRunning, match="manual__1, which is at work"):
        close_request(home, request_id, by="pro")
    runlock.wait_for_person(home, request_id, "manual__1")
    with pytest.raises(AlreadyRunning, match="manual__1, which waits for a person"):
        close_request(home, request_id, by="pro")
    runlock.end(home, request_id, "manual__1", "complete")
    with runlock.local_run(home, request_id), pytest.raises(AlreadyRunning, match="by another process"):
        close_request(home, request_id, by="pro")
    assert home.request(request_id).state != "closed"


def test_an_answer_is_recorded_once_though_its_task_be_repeated(home, request_id):
    def answers():
        with home.catalogue.read() as connection:
            entries = [json.loads(entry) for entry in connection.scalars(sa.select(t.audit.c.entry))]
        return [(e["step"], e["answer"], e["answered_at"]) for e in entries if e["action"] == "answered"]

    runlock.begin(home, request_id, "manual__1", leased=True)
    first = ("review", "Decisions are in", "pro", "2026-11-02T08:00:00.000001Z")
    for _ in range(2):
        told = record_answer(home, request_id, "manual__1", *first)
        assert told == {"step": "review", "answer": "Decisions are in"}
    record_answer(home, request_id, "manual__1", "review", "100%", "pro", "2026-11-03T08:00:00.000001Z")
    record_answer(home, request_id, "manual__1", "approve", "Approve", "pro", first[3])
    assert answers() == [
        ("review", "Decisions are in", first[3]),
        ("review", "100%", "2026-11-03T08:00:00.000001Z"),
        ("approve", "Approve", first[3]),
    ]


def test_what_a_run_writes_after_it_was_taken_over_is_refused(home, request_id):
    row = {"request_id": request_id, "batch_id": "b000001", "source_id": "s", "scope_key": ".", "part": "{}"}
    waiting = dict.fromkeys(("collect_state", "extract_state", "index_state"), "waiting")
    with home.catalogue.write() as connection:
        connection.execute(t.batches.insert(), {**row, **waiting, "fence": 0})
    runlock.begin(home, request_id, "manual__1", leased=True)
    late = claim(home.catalogue, request_id, "b000001", Step.COLLECT)
    runlock.begin(home, request_id, "manual__1", leased=True)  # a repeated task of the same run takes nothing
    with late.commit(items=1):
        pass
    runlock.begin(home, request_id, "manual__2", leased=True, take_over=True)
    with pytest.raises(AttemptLost), late.commit(items=1):
        pytest.fail("the run that took over has not reached this batch yet")
