"""One reader under atheris: what comes out beside the errors of ``records.errors`` is kept as a file.

A find ends nothing: the next input is tried, and the same place in the code is told once. What kills the
process (native code, a loop in C) is kept by libFuzzer itself, and ends the target.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.mutating import mutated

PACKAGES = ("records", "connectors", "extract", "search", "review", "release", "retention", "desk")
CPU_S = 10.0
"""Seconds of processor that one input may take: readers run several times slower under atheris."""

CHILDREN_CPU_S = 30.0
"""The same of the processes that read it where a reader starts some: 20 folders of a data file are 20."""

MEMORY_BYTES = 1 << 30
"""What one input may take beyond what the process has when it begins, as ``extract.protocol.Limits`` says."""

_HANG_S = 600
"""Wall seconds after which libFuzzer ends a target: native code that asks nobody any more."""


class TooSlow(BaseException):
    """An input took more than ``CPU_S``; no reader may catch it."""


@contextmanager
def limited(cpu_s: float = CPU_S) -> Iterator[None]:
    """Raise ``TooSlow`` in whatever runs longer, or whose processes together do.

    Raises:
        TooSlow: It did, or caught what was raised.
    """

    def stop(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    began, children = time.process_time(), _children_s()
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        yield
        if time.process_time() - began > cpu_s or _children_s() - children > CHILDREN_CPU_S:
            raise TooSlow
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _children_s() -> float:
    """Return the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cap_memory() -> None:
    """Let this process take so much more memory and no more; asking for it is a ``MemoryError``."""
    with Path("/proc/self/status").open(encoding="ascii") as about:
        has = next(int(line.split()[1]) << 10 for line in about if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (has + MEMORY_BYTES, resource.RLIM_INFINITY))


def where(error: BaseException) -> str:
    """Return what was raised and the last place in our own code, which tells one find from another."""
    frames = traceback.extract_tb(error.__traceback__)
    root = f"{Path(__file__).parents[2]}/"
    own = [frame for frame in frames if frame.filename.startswith(root) and "/.venv/" not in frame.filename]
    own = [frame for frame in own if frame.filename != __file__]
    ours = [frame for frame in own if "/tests/" not in frame.filename] or own or list(frames)
    place = (
        f"{Path(ours[-1].filename).stem}_{ours[-1].name.strip('<>')}_{ours[-1].lineno}" if ours else "nowhere"
    )
    return f"{type(error).__name__}-{place}"


class Finds:
    """What was found, a file each.

    Attributes:
        names: Of what was told already.
    """

    def __init__(self, target: str, folder: Path) -> None:
        """Make the folder."""
        self.names: set[str] = set()
        self._target, self._folder = target, folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, data: bytes, error: BaseException) -> None:
        """Keep an input under the name of its place, and say how to try it again."""
        name = where(error)
        if name in self.names:
            return
        self.names.add(name)
        path = self._folder / f"{self._target}-{name}-{hashlib.sha256(data).hexdigest()[:8]}"
        path.write_bytes(data)
        told = "".join(traceback.format_exception(error)[-6:])
        print(
            f"find: {name}\n{told}again: python -m tests.fuzz {self._target} {path}",
            file=sys.stderr,
            flush=True,
        )


def fuzz(
    name: str, seeds: list[bytes], read: Callable[[bytes], None], *, seed: int, cpu_s: float, folder: Path
) -> None:
    """Try changed seeds for so many seconds of processor; ends the process.

    Args:
        name: Of the target.
        seeds: Real samples.
        read: Raises for a find.
        seed: Of all that is random.
        cpu_s: How long.
        folder: Where finds are kept, and what reached new code.
    """
    import atheris

    finds, ran = Finds(name, folder), 0
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(one)
    most = min(max(2 * max(map(len, seeds)), 8192), 1 << 19)
    ends = time.process_time() + cpu_s
    warnings.simplefilter("ignore")
    cap_memory()

    def one(data: bytes) -> None:
        nonlocal ran
        if time.process_time() > ends:
            print(f"{name}: {ran} inputs, {len(finds.names)} finds, seed {seed}", flush=True)
            os._exit(1 if finds.names else 0)
        ran += 1
        try:
            with limited():
                read(data)
        except (Exception, TooSlow) as error:  # noqa: BLE001 - whatever it is, it is a find
            finds.keep(data, error)

    def change(data: bytes, max_size: int, number: int) -> bytes:
        dice = random.Random(number)
        if dice.random() < 0.4:
            return bytes(atheris.Mutate(data, max_size))
        return mutated(data, dice, max_size, fixed=1 if dice.random() < 0.95 else 0)

    options = [
        name, str(corpus), f"-seed={seed}", f"-max_len={most}", f"-timeout={_HANG_S}", "-rss_limit_mb=4096",
        f"-artifact_prefix={folder}/{name}-killed-", "-verbosity=0", "-print_final_stats=0",
        f"-report_slow_units={_HANG_S}",  # goes by the wall: told the first input, which imports
    ]  # fmt: skip
    atheris.Setup(options, one, custom_mutator=change)
    atheris.Fuzz()
