"""Run one command and measure it whole: wall time, CPU of everything it started, memory of its process tree.

``python -m benchmarks.watch --out FILE [--memory] -- COMMAND…``: a process of its own, since it takes in the
orphans of the command (a fork server is not waited for by the process that started it) and waits for them, so
that their CPU seconds are counted too.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.settings import ROOT, BenchmarkError, clean_environment

SAMPLE_S = 0.25
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_S = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What one command cost.

    Attributes:
        wall_s: From its start to its end, seconds.
        cpu_s: User and system seconds of it and everything it started.
        peak_rss_bytes: Most resident memory of one of its processes, as the kernel keeps it.
        peak_pss_bytes: Highest sum of the proportional set sizes of its processes; None: not asked for.
        processes: How many processes there were at that moment, or None.
        samples: How many times memory was looked at.
        memory: Time of the machine's monotonic clock, and the sum of the sizes then, of each look.
        output: Its standard output.
    """

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    peak_pss_bytes: int | None
    processes: int | None
    samples: int
    memory: list[tuple[float, int]]
    output: str


def run(
    command: list[str],
    *,
    work: Path,
    memory: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Measured:
    """Run a command under the watcher.

    Args:
        command: Program and arguments.
        work: Folder for its output.
        memory: Also sample memory, every 0.25 s.
        environment: Variables beside the clean ones.

    Raises:
        BenchmarkError: It failed; with the end of its own words.
    """
    report, output, errors = work / "watch.json", work / "watch.out", work / "watch.err"
    watcher = [
        sys.executable,
        "-m",
        "benchmarks.watch",
        "--out",
        str(report),
        *(["--memory"] if memory else []),
    ]
    with output.open("wb") as out, errors.open("wb") as err:
        code = subprocess.run(
            [*watcher, "--", *command],
            cwd=ROOT,
            env=clean_environment() | dict(environment or {}),
            stdout=out,
            stderr=err,
            check=False,
        ).returncode
    if code:
        words = errors.read_text("utf-8", "replace")[-1500:]
        raise BenchmarkError(f"{Path(command[0]).name} {' '.join(command[1:6])} … ended with {code}: {words}")
    return Measured(**json.loads(report.read_text("utf-8")), output=output.read_text("utf-8", "replace"))


def _pss(process: psutil.Process) -> int:
    """Return the proportional set size of a process in bytes; 0 when it has just ended."""
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _tree() -> list[int]:
    """Return the sizes of all processes below this one."""
    try:
        below = psutil.Process().children(recursive=True)
    except psutil.Error:
        return []
    return [size for size in map(_pss, below) if size]


def _reap_orphans() -> None:
    """Wait for what the command left behind, so that its CPU seconds are ours to read."""
    until = time.monotonic() + _ORPHANS_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)


def main(arguments: list[str] | None = None) -> int:
    """Run the command given after ``--`` and write what it cost; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watch", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="file for the figures, JSON")
    parser.add_argument("--memory", action="store_true", help="sample the memory of the process tree")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args(arguments)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    peak = processes = 0
    memory: list[tuple[float, int]] = []
    began = time.monotonic()
    with subprocess.Popen(args.command, stdin=subprocess.DEVNULL) as popen:
        while args.memory and popen.poll() is None:
            sizes = _tree()
            memory.append((time.monotonic(), sum(sizes)))
            if sum(sizes) > peak:
                peak, processes = sum(sizes), len(sizes)
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(SAMPLE_S)
        code = popen.wait()
        wall = time.monotonic() - began
    _reap_orphans()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "wall_s": wall,
        "cpu_s": spent.ru_utime + spent.ru_stime,
        "peak_rss_bytes": spent.ru_maxrss * 1024,  # Linux states KiB
        "peak_pss_bytes": peak if args.memory else None,
        "processes": processes if args.memory else None,
        "samples": len(memory),
        "memory": memory,
    }
    args.out.write_text(json.dumps(figures), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
