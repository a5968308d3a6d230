"""The processes of a local run, by what they do. Only descendants of the run itself are looked at."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import psutil

WAIT_S = 60.0
_EXTRACTION = "extract.worker_main"
_SERVER = "multiprocessing.forkserver"


def command(run: int) -> list[int]:
    return [run]


def fork_server(run: int) -> list[int]:
    """The process that the workers are forked from."""
    return [one.pid for one in psutil.Process(run).children() if _SERVER in _line(one)]


def workers(run: int) -> list[int]:
    """Processes that take batches through their steps."""
    return [
        child.pid
        for server in fork_server(run)
        for child in psutil.Process(server).children()
        if _EXTRACTION not in _line(child)
    ]


def extraction_workers(run: int) -> list[int]:
    """Processes that parse files."""
    return [one.pid for one in psutil.Process(run).children(recursive=True) if _EXTRACTION in _line(one)]


def find(run: subprocess.Popen[bytes], role: Callable[[int], list[int]]) -> list[int]:
    """Wait until there is such a process; none when the run is over before."""
    until = time.monotonic() + WAIT_S
    while run.poll() is None and time.monotonic() < until:
        try:
            if found := role(run.pid):
                return sorted(found)
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.005)
    return []


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
