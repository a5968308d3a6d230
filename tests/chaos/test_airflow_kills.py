"""Kills under a real Airflow (a task, its supervisor, the scheduler): the run ends as if undisturbed."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from desk.standalone import DAG_ID, RunView, Standalone
from tests.chaos import harness

pytestmark = [pytest.mark.chaos, pytest.mark.dag, pytest.mark.services, pytest.mark.timeout(0)]

VICTIMS = ("task", "supervisor", "scheduler")
LIMIT_S = 1_800
EXECUTOR = "airflow worker -- LocalExecutor"
QUICK = {
    # Airflow waits five minutes before it believes that a task is dead; the test cannot.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    **harness.SETTINGS,
}


def test_killed_airflow_runs_end_as_if_nobody_had_killed_them(request, chaos_seed, tmp_path, record_property):
    rng = random.Random(chaos_seed)
    print(f"\nchaos seed {chaos_seed}")
    for number in range(request.config.getoption("--airflow-kills")):
        large = request.getfixturevalue("large")  # costs nothing without kills
        victim = VICTIMS[number % len(VICTIMS)]
        home = tmp_path / f"home-{number}"
        request_id = harness.enter(home, large.request_file)
        run_and_kill(home, request_id, victim, rng)
        made = harness.outcome(home, request_id, tmp_path / f"bundle-{number}")
        harness.compare(record_property, "kill", chaos_seed, large.outcome, made)


def run_and_kill(home: Path, request_id: str, victim: str, rng: random.Random) -> None:
    with Standalone(home, extra_env=QUICK) as airflow:
        run_id = airflow.trigger(DAG_ID, {"request_id": request_id, "search_only": True})
        wait_for_batches(airflow, run_id)
        time.sleep(rng.uniform(0.0, 3.0))
        pid = find(airflow, victim)
        print(f"  kill {victim}: pid {pid}")
        os.kill(pid, signal.SIGKILL)
        if victim != "scheduler":
            finish(airflow, run_id)
            return
    with Standalone(home, extra_env=QUICK) as airflow:  # a scheduler that died is started again
        finish(airflow, run_id)


def wait_for_batches(airflow: Standalone, run_id: str) -> None:
    until = time.monotonic() + LIMIT_S
    for seen in airflow.watch(run_id, every_s=0.2):
        if any(task.task_id.startswith("batch.") and task.state == "running" for task in seen.tasks):
            return
        assert not seen.finished
        assert time.monotonic() < until


def finish(airflow: Standalone, run_id: str) -> None:
    until = time.monotonic() + LIMIT_S
    seen: RunView | None = None
    for seen in airflow.watch(run_id, every_s=2.0):
        assert time.monotonic() < until, [(task.task_id, task.state) for task in seen.tasks]
    assert seen is not None
    assert seen.state == "success", [(task.task_id, task.state) for task in seen.tasks]


def find(airflow: Standalone, victim: str) -> int:
    """Return the pid of a part of this Airflow: only processes that it started are looked at."""
    root = psutil.Process(airflow.process_id)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for process in root.children(recursive=True):
            if is_victim(process, victim):
                return process.pid
        time.sleep(0.1)
    pytest.fail(f"no {victim} is running")


def is_victim(process: psutil.Process, victim: str) -> bool:
    try:
        title = " ".join(process.cmdline())
        if victim == "scheduler":
            return "airflow scheduler" in title
        if victim == "supervisor":  # the executor's worker, named after the task it looks after
            return title.startswith(EXECUTOR) and "<idle>" not in title
        return title.startswith("airflow worker -- ") and not title.startswith(EXECUTOR)
    except psutil.Error:
        return False
