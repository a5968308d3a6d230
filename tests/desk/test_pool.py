"""A batch whose trouble may pass is tried again, a few times, after the time that was asked for."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from importlib.util import find_spec
from types import ModuleType

import psutil
import pytest
import tenacity.nap

from desk import pool
from desk.home import Home
from desk.register import enter
from desk.request import parse_request
from records.errors import AttemptLost, Retryable
from records.settings import Settings


class Runner:
    """Three steps; the second is in trouble as often as told."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.collected = 0

    def begin_batch(self) -> None:
        """Nothing is kept of an earlier try."""

    def collect(self, batch_id: str) -> int:
        self.collected += 1
        return len(batch_id)

    def extract(self, _batch_id: str) -> int:
        if self.troubles:
            raise self.troubles.pop(0)
        return 2

    def index(self, _batch_id: str) -> int:
        return 3


@pytest.fixture
def slept(monkeypatch):
    seconds = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", seconds.append)
    return seconds


def mine(monkeypatch, *troubles):
    runner = Runner(*troubles)
    monkeypatch.setattr(pool, "_mine", runner)
    return runner


def test_a_batch_is_tried_again_after_the_time_that_was_asked_for(monkeypatch, slept):
    runner = mine(monkeypatch, Retryable("busy", retry_after_s=30.0), Retryable("away"), Retryable("away"))
    assert pool.run_batch("b000001") == {"collected": 7, "read": 2, "indexed": 3}
    assert slept == [30.0, 2.0, 4.0]
    assert runner.collected == 4


def test_trouble_that_does_not_pass_ends_the_batch(monkeypatch, slept):
    runner = mine(monkeypatch, *[Retryable(f"away {n}", retry_after_s=1.0) for n in range(9)])
    with pytest.raises(Retryable, match="away 3") as caught:
        pool.run_batch("b000001")
    assert slept == [1.0, 1.0, 1.0]
    assert runner.collected == pool.TRIES
    assert pickle.loads(pickle.dumps(caught.value)).retry_after_s == 1.0


def test_any_other_error_is_not_tried_again(monkeypatch, slept):
    runner = mine(monkeypatch, AttemptLost("b000001"))
    with pytest.raises(AttemptLost):
        pool.run_batch("b000001")
    assert slept == []
    assert runner.collected == 1


@pytest.fixture
def opened(tmp_path):
    """Settings of a home, and the id of an empty request in it."""
    settings = Settings(home=tmp_path / "home", workers=2)
    home = Home.open(settings=settings)
    source = {"id": "s", "connector": "loose_files", "custodian": "a", "path": "/nowhere"}
    body = {"text": "x", "received_on": "2026-09-08", "terms": "", "sources": [source]}
    body["custodians"] = [{"id": "a", "name": "A"}]
    request_id = enter(home, parse_request(body, "test"), "", by="pro")
    home.close()
    return settings, request_id


def test_workers_do_not_load_the_command(opened, monkeypatch):
    main = ModuleType("__main__")
    main.__spec__ = find_spec("cli.main")  # as under `python -m cli.main`
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pool.workers(*opened, reading=False) as workers:
        loaded = set(workers.submit(eval, "list(__import__('sys').modules)").result())
    assert sys.modules["__main__"] is main
    assert not loaded & {"cli.main", "typer"}
    assert loaded >= {"desk.batch", "connectors.mail_files", "retention.suggest", "structlog"}


COMMAND = """
import os, sys, time
from pathlib import Path
from desk import pool
from records.settings import Settings
settings = Settings(home=Path(sys.argv[1]), workers=2)
with pool.workers(settings, sys.argv[2], reading=True) as workers:
    print(workers.submit(os.getpid).result(), workers.submit(os.getppid).result(), flush=True)
    time.sleep(600)
"""


def test_workers_and_their_server_end_with_a_command_that_alone_is_killed(opened):
    settings, request_id = opened
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(settings.home), request_id], stdout=subprocess.PIPE, text=True
    )
    worker, server = map(int, command.stdout.readline().split())
    readers = [one.pid for one in psutil.Process(worker).children()]
    assert readers != []
    command.kill()
    command.wait()
    command.stdout.close()
    left = [worker, server, *readers]
    for _ in range(600):
        left = [pid for pid in left if psutil.pid_exists(pid)]
        if not left:
            return
        time.sleep(0.05)
    pytest.fail(f"{len(left)} processes outlived the command")
