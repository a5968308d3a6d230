"""After a kill at any moment: nothing lost, nothing doubled, the same records, the same bundle."""

from __future__ import annotations

import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from desk.home import Home
from desk.runlock import local_run
from records.errors import AlreadyRunning
from tests.chaos import harness

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(0)]


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody killed."""

    request_file: Path
    seconds: float
    outcome: harness.Outcome


@pytest.fixture(scope="module")
def undisturbed(request, tmp_path_factory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    request_file = harness.district(folder / "district", request.config.getoption("--chaos-items"), seed=3)
    request_id = harness.enter(folder / "home", request_file)
    seconds = harness.run(folder / "home", request_id)
    made = harness.outcome(folder / "home", request_id, folder / "bundle")
    assert made.count > request.config.getoption("--chaos-items") // 2
    return Undisturbed(request_file, seconds, made)


def test_killed_runs_end_as_if_nobody_had_killed_them(request, undisturbed, tmp_path):
    seed = request.config.getoption("--chaos-seed") or time.time_ns() % 1_000_000
    kills = request.config.getoption("--kills")
    print(f"\nchaos seed {seed}: {kills} kills, undisturbed run {undisturbed.seconds:.1f} s")
    rng = random.Random(seed)
    for number in range(kills):
        after = rng.uniform(0.3, undisturbed.seconds)
        home = tmp_path / f"home-{number}"
        request_id = harness.enter(home, undisturbed.request_file)
        while not harness.run_killed(home, request_id, after):  # it was over: a faster run than the first
            shutil.rmtree(home)
            request_id = harness.enter(home, undisturbed.request_file)
            after *= 0.7
        harness.run(home, request_id)
        made = harness.outcome(home, request_id, tmp_path / f"bundle-{number}")
        print(f"  kill {number + 1}: after {after:.2f} s")
        assert made == undisturbed.outcome, f"seed {seed}, kill {number + 1} after {after:.2f} s"


def test_what_a_killed_run_left_behind_is_removed_by_repair(undisturbed, tmp_path):
    request_id = harness.enter(tmp_path / "home", undisturbed.request_file)
    harness.run_killed_at_work(tmp_path / "home", request_id)
    harness.run(tmp_path / "home", request_id)
    home = Home.open(settings=harness.settings(tmp_path / "home"))
    store = home.store(request_id)
    assert store.verify().damaged == ()
    repaired = store.repair()
    assert (repaired.damaged, repaired.orphans, repaired.torn) == ((), 0, 0)
    home.close()
    assert harness.outcome(tmp_path / "home", request_id, tmp_path / "bundle") == undisturbed.outcome


def test_a_second_run_of_a_running_request_is_refused_by_name(undisturbed, tmp_path):
    request_id = harness.enter(tmp_path / "home", undisturbed.request_file)
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
