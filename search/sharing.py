"""Work on the parts of one question, shared among threads that live as long as it takes.

SQLite lets go of the interpreter's lock while it looks for something, so a second thread asks a second shard
meanwhile. Nobody keeps threads: none is there to be lost in a fork, or to be waited for at the end.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many threads can run at once: the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def shared(work: Callable[[Part], Result], parts: Sequence[Part], threads: int) -> list[Result]:
    """Do some work on each part; the calling thread and its helpers take the next one in turn.

    Every helper has ended when this returns or raises, so what the caller lent to them is its own again.

    Args:
        work: Called once a part, each in one of the threads.
        parts: What is to be worked on.
        threads: Most threads, the calling one included: 1 starts none.

    Returns:
        The results, in the order of the parts.

    Raises:
        Exception: What ``work`` raised on the first part, in their order, on which it raised anything; those
            that nobody had begun by then are left.
    """
    todo = deque(enumerate(parts))
    results: dict[int, Result] = {}
    raised: dict[int, BaseException] = {}

    def lend() -> None:
        while not raised:
            try:
                number, part = todo.popleft()
            except IndexError:
                return
            try:
                results[number] = work(part)
            except BaseException as error:  # noqa: BLE001 - handed to the caller, below
                raised[number] = error

    helpers = _started(lend, min(threads, len(parts)) - 1)
    lend()
    for helper in helpers:
        helper.join()
    if raised:
        raise raised[min(raised)]
    return [results[number] for number in range(len(parts))]


def _started(lend: Callable[[], None], count: int) -> list[threading.Thread]:
    """Start helpers, or as many as can be had: the caller does what is left."""
    helpers: list[threading.Thread] = []
    for _ in range(count):
        helper = threading.Thread(target=lend, name="daylight-shards", daemon=True)
        try:
            helper.start()
        except RuntimeError:  # no more threads here, or the interpreter is ending
            break
        helpers.append(helper)
    return helpers
