"""A server that an example or a test starts ends with whoever started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import sys
from examples.servers.elasticsearch import elasticsearch
with elasticsearch(8) as server:
    print(server.group, server.folder, flush=True)
    sys.stdin.read()
"""


def _runs(group: int) -> bool:
    done = subprocess.run(
        ["ps", "-o", "stat=", "-s", str(group)], capture_output=True, text=True, check=False
    )
    return any(not state.startswith("Z") for state in done.stdout.split())


@pytest.mark.services
@pytest.mark.slow
def test_elasticsearch_ends_when_its_starter_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", START],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    said, folder = starter.stdout.readline().split()
    group = int(said)
    assert _runs(group)
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()
    limit = time.monotonic() + 60
    while _runs(group) and time.monotonic() < limit:
        time.sleep(0.2)
    assert not _runs(group)
    shutil.rmtree(folder)  # what only the starter would have removed
