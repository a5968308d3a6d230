"""The watchdog: what a killed process started is ended; what ended by itself is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from desk.watchdog import Watchdog
from tests.servers.postgres import postgres

OWNER = """
import subprocess, sys, time
from desk.watchdog import Watchdog
child = subprocess.Popen(["sleep", "600"])
with Watchdog(["/bin/sh", "-c", f"kill {child.pid}"]):
    print(child.pid, flush=True)
    time.sleep(600)
"""
OWNER_OF_POSTGRES = """
import time
from tests.servers.postgres import postgres
with postgres() as address:
    print(address, flush=True)
    time.sleep(600)
"""


def killed(script: str) -> str:
    """Run a script up to its first line, kill it, and return the line."""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    said = owner.stdout.readline().strip()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    return said


def until(done) -> None:
    stop_at = time.monotonic() + 30
    while not done():
        assert time.monotonic() < stop_at
        time.sleep(0.05)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_a_killed_process_started_is_ended():
    child = int(killed(OWNER))
    until(lambda: not alive(child))


def test_nothing_is_run_when_all_is_well(tmp_path):
    mark = tmp_path / "run"
    with Watchdog(["touch", str(mark)]) as watchdog:
        assert watchdog._process.poll() is None
    assert watchdog._process.wait() == 0
    watchdog.dismiss()  # harmless twice
    assert not mark.exists()


@pytest.mark.services
def test_postgresql_does_not_outlive_its_test(tmp_path):
    port = int(killed(OWNER_OF_POSTGRES).rpartition(":")[2])
    until(lambda: not any(f"port={port}" in " ".join(_line(p)) for p in psutil.process_iter()))
    with postgres() as address:  # and a new one starts
        assert address.startswith("postgresql+psycopg://")


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
