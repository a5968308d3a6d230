"""After a kill at any moment: nothing lost, nothing doubled, the same records, the same bundle."""

from __future__ import annotations

import random
import shutil
import time

import pytest

from desk.home import Home
from desk.runlock import local_run
from records.errors import AlreadyRunning
from tests.chaos import faults, harness
from tests.chaos.case import Case

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(0)]


def test_killed_runs_end_as_if_nobody_had_killed_them(request, large, chaos_seed, tmp_path, record_property):
    kills = request.config.getoption("--kills")
    print(f"\nchaos seed {chaos_seed}: {kills} kills, undisturbed run {large.seconds:.1f} s")
    rng = random.Random(chaos_seed)
    for number in range(kills):
        after = rng.uniform(0.3, large.seconds)
        home = tmp_path / f"home-{number}"
        request_id = harness.enter(home, large.request_file)
        while not harness.run_killed(home, request_id, after):  # it was over: a faster run than the first
            shutil.rmtree(home)
            request_id = harness.enter(home, large.request_file)
            after *= 0.7
        harness.run(home, request_id)
        made = harness.outcome(home, request_id, tmp_path / f"bundle-{number}")
        print(f"  kill {number + 1}: after {after:.2f} s")
        harness.compare(record_property, "kill", chaos_seed, large.outcome, made)


PROCESSES = (
    faults.kill_command,
    faults.kill_group,
    faults.kill_fork_server,
    faults.kill_worker,
    faults.kill_extraction_worker,
)


def test_each_kind_of_process_may_be_killed(request, chaos_seed, tmp_path, record_property):
    for number in range(request.config.getoption("--process-kills")):
        small = request.getfixturevalue("small")  # costs nothing without kills
        happen = PROCESSES[number % len(PROCESSES)]
        print(f"\n  kill {number + 1}, seed {chaos_seed}: {happen.__name__}", end="", flush=True)
        case = Case(tmp_path / str(number), small, random.Random(f"{chaos_seed} {number}"))
        happen(case)
        harness.compare(record_property, "kill", chaos_seed, small.outcome, case.outcome())
        shutil.rmtree(case.folder)


def test_what_a_killed_run_left_behind_is_removed_by_repair(large, tmp_path):
    request_id = harness.enter(tmp_path / "home", large.request_file)
    harness.run_killed_at_work(tmp_path / "home", request_id)
    harness.run(tmp_path / "home", request_id)
    home = Home.open(settings=harness.settings(tmp_path / "home"))
    store = home.store(request_id)
    assert store.verify().damaged == ()
    repaired = store.repair()
    assert (repaired.damaged, repaired.orphans, repaired.torn) == ((), 0, 0)
    home.close()
    assert harness.outcome(tmp_path / "home", request_id, tmp_path / "bundle") == large.outcome


def test_a_second_run_of_a_running_request_is_refused_by_name(large, tmp_path):
    request_id = harness.enter(tmp_path / "home", large.request_file)
    first = harness.start(tmp_path / "home", request_id)
    try:
        lock = tmp_path / "home/requests" / request_id / "run.lock"
        while not lock.exists() and first.poll() is None:
            time.sleep(0.02)
        time.sleep(0.5)
        second = harness.start(tmp_path / "home", request_id)
        _, words = second.communicate(timeout=60)
        assert first.poll() is None, "the first run was over before the second began"
        assert second.returncode == 2
        assert f"request {request_id} is being run by another process" in words.decode()
        home = Home.open(settings=harness.settings(tmp_path / "home"))
        with pytest.raises(AlreadyRunning), local_run(home, request_id):
            pass
        home.close()
    finally:
        first.communicate(timeout=600)
    assert first.returncode == 0
