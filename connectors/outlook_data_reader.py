"""Asks a process of its own for what is in an Outlook data file, and survives whatever becomes of it.

See ``connectors.outlook_data_worker``. A process that dies or falls silent costs the item that it was at: a
new one goes on with the next. One that dies again and again costs the rest of the folder, and that is said.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from connectors.bytesource import errno_code
from connectors.outlook_data_worker import FRAME, MOST_BYTES
from records.errors import ItemError, SettingsError
from records.vocabulary import Reason

MODULE = "pypff"
"""The module of the package ``libpff-python``; its shared object holds the library."""

WORKER = "connectors.outlook_data_worker"
"""What runs in the process."""

MOST_DEATHS = 20
"""Processes of one folder that may die before the rest of it is given up."""

_SILENCE_S = 900.0
"""The processor time of an item is limited where it is spent; this is for one that waits for ever."""

_MOST_HEAD = 16 << 20
_MOST_BODY = MOST_BYTES + (MOST_BYTES >> 2)


Runs = Sequence[tuple[list[Any], int, int]]
"""Where items lie: the place above them, the first one below it, and how many follow."""


@dataclass(frozen=True, slots=True)
class Found:
    """One item of a folder.

    Attributes:
        number: 0-based, in the folder.
        about: What the worker tells of it.
        body: Its bytes; empty where there are none.
    """

    number: int
    about: Mapping[str, Any]
    body: bytes = b""


def is_there() -> bool:
    """Say whether libpff is installed."""
    found = importlib.util.find_spec(MODULE)
    return found is not None and bool(found.origin)


def library(source_id: str) -> str:
    """Return where libpff lies.

    Raises:
        SettingsError: It is not installed.
    """
    found = importlib.util.find_spec(MODULE)
    if found is None or not found.origin:
        msg = (
            f"source {source_id}: Outlook data files are read by libpff, which is installed apart: "
            "pip install 'daylight[outlook]' (package libpff-python, LGPL)"
        )
        raise SettingsError(msg)
    return found.origin


def listing(path: str, library_path: str) -> Mapping[str, Any]:
    """Return what a data file says of itself and its folders.

    Raises:
        ItemError: It cannot be opened, or opening it took too much.
    """
    with _worker(path, {"library": library_path, "mode": "list"}) as (process, frames):
        for head, _ in frames:
            if "fault" in head:
                raise _not_opened(str(head["fault"]))
            return head
        raise ItemError(_death(process), "open")


def items(path: str, library_path: str, runs: Runs, first: int, *, mended: bool) -> Iterator[Found]:
    """Yield the items that lie at these places.

    Args:
        path: Of the data file.
        library_path: Where libpff lies.
        runs: Where the items lie, from ``listing``.
        first: Number of the first of them.
        mended: Whether the file was listed without what hangs on damaged pages.

    Raises:
        ItemError: The file cannot be opened, or not as far as this folder.
    """
    number, deaths = first, 0
    before = first + number_of(runs)
    while number < before:
        nid = None
        job = {"library": library_path, "mode": "read", "mended": mended}
        with _worker(path, job, between(runs, number - first, before - first)) as (process, frames):
            for head, body in frames:
                if "fault" in head:
                    raise _not_opened(str(head["fault"]))
                if "end" in head:
                    return
                if "nid" in head:
                    yield Found(number, head, body)
                    number += 1
                nid = head.get("next")
            reason = _death(process)
        if nid is None:
            raise ItemError(reason, "open")
        deaths += 1
        rest = deaths > MOST_DEATHS
        about = {"nid": nid, "failed": str(reason), "detail": "rest_of_folder" if rest else "item"}
        yield Found(number, about)
        number += 1
        if rest:
            return


def number_of(runs: Runs) -> int:
    """Return how many items lie at these places."""
    return sum(count for _, _, count in runs)


def between(runs: Runs, first: int, before: int) -> Runs:
    """Return where the items from one number up to another lie."""
    found = []
    passed = 0
    for at, place, count in runs:
        low, high = max(first - passed, 0), min(before - passed, count)
        if low < high:
            found.append((at, place + low, high - low))
        passed += count
    return found


def _not_opened(fault: str) -> ItemError:
    if fault == "memory":
        return ItemError(Reason.OUT_OF_MEMORY, "data_file")
    if fault == "library":
        return ItemError(Reason.UNSUPPORTED, "libpff")
    return ItemError(Reason.CORRUPT, "data_file")


@contextmanager
def _worker(
    path: str, job: Mapping[str, object], runs: Runs = ()
) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[tuple[dict[str, Any], bytes]]]]:
    """Start a worker over a file, and end it whatever happens."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    begin = f"from {WORKER} import main"
    code = f"import sys; sys.path.insert(0, {root!r}); {begin}; main(sys.argv[1])"
    asked = json.dumps({**job, "file": f"/dev/fd/{file}", "parent": os.getpid()})
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", code, asked],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=(file,),
            env={"PATH": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC"},  # no secrets of this process
        )  # fmt: skip
    finally:
        os.close(file)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(runs).encode())
        yield process, _frames(process, process.stdout)
    finally:
        process.stdout.close()
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _frames(process: subprocess.Popen[bytes], pipe: IO[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield what a worker sends, until it ends, falls silent, or sends what it never would."""
    while len(size := _exactly(process, pipe, FRAME.size)) == FRAME.size:
        head_bytes, body_bytes = FRAME.unpack(size)
        if head_bytes > _MOST_HEAD or body_bytes > _MOST_BODY:
            return
        head, body = _exactly(process, pipe, head_bytes), _exactly(process, pipe, body_bytes)
        if len(head) < head_bytes or len(body) < body_bytes:
            return
        try:
            told = json.loads(head)
        except ValueError:
            return
        if not isinstance(told, dict):
            return
        yield told, body


def _exactly(process: subprocess.Popen[bytes], pipe: IO[bytes], size: int) -> bytes:
    """Read so many bytes; fewer when there are no more. A worker that is silent for too long is killed."""
    if not size:
        return b""
    data = bytearray()
    number = pipe.fileno()
    while len(data) < size:
        until = time.monotonic() + _SILENCE_S
        while not select.select([number], [], [], max(0.0, until - time.monotonic()))[0]:
            if time.monotonic() >= until:
                process.send_signal(signal.SIGPROF)
                return b""
        piece = os.read(number, min(size - len(data), 1 << 20))
        if not piece:
            return b""
        data += piece
    return bytes(data)


def _death(process: subprocess.Popen[bytes]) -> Reason:
    """Return why a worker ended before it was done."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)
    if process.returncode in {-signal.SIGPROF, -signal.SIGXCPU}:
        return Reason.TIMED_OUT
    return Reason.CRASHED
