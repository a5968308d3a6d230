"""Worker processes of a local run and of long term lists, and the server they are forked from.

The server loads what a worker needs once, on another core, while the command itself is still starting: called
first thing, it saves more than a second of every run. That is also why this module loads nothing itself.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import pickle
import select
import signal
import sys
import threading
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future, ProcessPoolExecutor

    from desk.batch import BatchRunner
    from desk.grouping import GroupedTexts
    from records.settings import Settings
    from retention.suggest import FlagReport
    from review.near import Text
    from search.occurrences import Counted, Piece
    from search.tree import Node

_LOADED = ["desk.loaded"]
_EARLY = 2
"""Processes that start before there is work for them: as many as are worth it for the smallest request."""
_LOOK_S = 0.5
_PR_SET_PDEATHSIG = 1
_COLLECT_AFTER = 20_000
"""Objects made between two looks for cycles: rows and results are many and short-lived, and make none."""

TRIES = 4
"""How often a batch is tried, when what stops it may pass."""

_mine: BatchRunner | None = None


def start() -> ForkServerContext:
    """Start the server if it is not running, without waiting for it, and return its context."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    forkserver.ensure_running()
    return context


@contextmanager
def workers(settings: Settings, request_id: str, *, reading: bool) -> Iterator[ProcessPoolExecutor]:
    """Open the worker processes; when what is done with them fails, what waits for them is dropped.

    Args:
        settings: Say how many.
        request_id: The request.
        reading: True where they will read files: each then makes its extraction worker ready.

    Raises:
        Incomplete: One of them died.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    from records.errors import Incomplete

    with (
        _without_main(),
        ProcessPoolExecutor(
            settings.workers,
            mp_context=start(),
            initializer=_start_process,
            initargs=(settings, request_id, reading, os.getpid()),
        ) as executor,
    ):
        try:
            for _ in range(min(_EARLY, settings.workers)):
                executor.submit(_get_ready)
            yield executor
        except BrokenProcessPool as error:
            raise Incomplete("a worker process died; run the same command again to resume") from error
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep the command out of worker processes: each would load it anew, and needs nothing of it.

    ``multiprocessing.spawn`` tells a new process where ``__main__`` came from, so that what is defined there
    can be sent to it. Nothing of ours is.
    """
    kept = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = kept


def _get_ready() -> None:
    """Do nothing, in a process that is started for it."""


def _end_with(command: int) -> None:
    """End this process when the command is gone, however it went.

    Its parent is the fork server, which waits for its children to let go of the pipe that it watches.
    """
    descriptor = os.pidfd_open(command)

    def wait() -> None:
        select.select([descriptor], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _start_process(
    settings: Settings,
    request_id: str,
    reading: bool,  # noqa: FBT001 - by place
    command: int,
) -> None:
    """Prepare a worker process: it dies with the command, and leaves Ctrl-C to it."""
    global _mine
    from desk.batch import BatchRunner
    from desk.home import Home
    from records import logs

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _end_with(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(settings.log_level, settings.home)
    gc.freeze()  # what is loaded stays: no collection looks at it again
    gc.set_threshold(_COLLECT_AFTER)
    home = Home.open(settings=settings)
    _mine = BatchRunner(home, home.request(request_id))
    if reading:
        _mine.warm()


def until_done(waiting: Iterable[Future[Any]]) -> Iterator[None]:
    """Wait for answers of workers; yields twice a second and when some are there, so that it can be told.

    Raises:
        BaseException: What went wrong in a worker, as soon as it did.
    """
    from concurrent.futures import FIRST_COMPLETED, wait

    left = set(waiting)
    while left:
        done, left = wait(left, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        yield


def run_batch(batch_id: str) -> dict[str, int]:
    """Take one batch through its three steps, again when a step says so; called in a worker process.

    Raises:
        Retryable: The same thing went wrong ``TRIES`` times.
    """
    import tenacity

    from records.errors import Retryable

    def wait_s(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after_s if isinstance(error, Retryable) else None
        return asked or 2.0 ** (state.attempt_number - 1)

    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retryable),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=wait_s,
        reraise=True,
    )
    return again(_run_batch, batch_id)


def _run_batch(batch_id: str) -> dict[str, int]:
    assert _mine is not None, "a worker process has not been prepared"
    _mine.begin_batch()
    return {
        "collected": _mine.collect(batch_id),
        "read": _mine.extract(batch_id),
        "indexed": _mine.index(batch_id),
    }


def run_counts(pickled: bytes, piece: Piece) -> Counted:
    """Count the occurrences of terms in some documents; called in a worker process.

    Args:
        pickled: The terms, as ``pickle`` writes them.
        piece: The documents.
    """
    from search.occurrences import count_occurrences

    assert _mine is not None, "a worker process has not been prepared"
    home, request = _mine.home, _mine.request
    store = home.store(request.request_id)
    nodes = _unpickled(pickled)
    return count_occurrences(home.catalogue, store, request.request_id, request.body.zone, nodes, piece)


@lru_cache(maxsize=1)
def _unpickled(pickled: bytes) -> tuple[Node, ...]:
    """Read a list's terms once in a process, and not once a piece."""
    nodes: tuple[Node, ...] = pickle.loads(pickled)  # noqa: S301 - this program's own
    return nodes


def run_flags(batch_ids: list[str]) -> FlagReport:
    """Suggest a retention series for what is in review of some batches; called in a worker process."""
    from retention.suggest import flag_request

    assert _mine is not None, "a worker process has not been prepared"
    home, request_id = _mine.home, _mine.request.request_id
    return flag_request(home.catalogue, home.store(request_id), request_id, batch_ids=batch_ids)


def run_scan(batch_id: str) -> int:
    """Read what groups are made from of a batch's texts; called in a worker process."""
    from desk.grouping import scan_batch

    assert _mine is not None, "a worker process has not been prepared"
    return scan_batch(_mine.home, _mine.request.request_id, batch_id)


def run_near(lists: list[list[Text]]) -> GroupedTexts:
    """Group texts that may be near duplicates; called in a worker process."""
    from desk.grouping import group_texts

    assert _mine is not None, "a worker process has not been prepared"
    return group_texts(_mine.home, _mine.request.request_id, lists)
