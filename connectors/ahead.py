"""Reads ahead: while an item is stored, the bytes of the next few are on their way.

A service that answers in 200 ms gives one reader five messages a second, and allows three times as many. So
a few items are drawn in advance, and once two in a row were opened, the next are asked for by threads. A
caller that only lists never opens, and so costs nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import BinaryIO

from records.models import FoundItem, Yielded

_IN_A_ROW = 2


class Coming:
    """The handle of an item that was drawn ahead: its bytes may be on their way."""

    def __init__(
        self, item: FoundItem, opener: Callable[[FoundItem], BinaryIO], threads: ThreadPoolExecutor
    ) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._item = item
        self._opener = opener
        self._threads = threads
        self._future: Future[BinaryIO] | None = None
        self.opened = False

    def start(self) -> None:
        """Ask for the bytes; harmless when they are asked for."""
        if self._future is None:
            self._future = self._threads.submit(self._opener, self._item)

    def open(self) -> BinaryIO:
        """Return the bytes; raises what asking for them raised."""
        self.opened = True
        future, self._future = self._future, None
        return self._opener(self._item) if future is None else future.result()

    def drop(self) -> None:
        """Let go of bytes that nobody opened."""
        future, self._future = self._future, None
        if future is not None and not future.cancel():
            future.add_done_callback(_close)


def _close(future: Future[BinaryIO]) -> None:
    if future.exception() is None:
        future.result().close()


def drawn_ahead(
    items: Iterator[Yielded],
    opener: Callable[[FoundItem], BinaryIO],
    at_once: int,
    heed: Callable[[threading.Event], None] = lambda _: None,
) -> Iterator[Yielded]:
    """Yield the same items in the same order; the handle of a found one is a ``Coming``.

    Args:
        items: What a reader yields.
        opener: Opens one of its items; is called in threads.
        at_once: Most items whose bytes are on their way.
        heed: Called in each of the threads, before it opens anything: whatever the thread waits for ends
            when the event is set, which it is when nobody draws any more.

    Raises:
        Exception: What drawing an item raised, when all before it were yielded.
    """
    queue: deque[Yielded] = deque()
    failure: BaseException | None = None
    in_a_row = 0
    over = threading.Event()
    threads = ThreadPoolExecutor(at_once, thread_name_prefix="ahead", initializer=heed, initargs=(over,))
    try:
        while True:
            while failure is None and len(queue) < at_once:
                try:
                    found = next(items)
                except Exception as error:  # noqa: BLE001 - raised below, when its turn has come
                    failure = error
                    break
                if isinstance(found, FoundItem):
                    found = replace(found, handle=Coming(found, opener, threads))
                queue.append(found)
            if in_a_row >= _IN_A_ROW:
                for item in queue:
                    if isinstance(item, FoundItem):
                        item.handle.start()
            if not queue:
                if failure is None or isinstance(failure, StopIteration):
                    return
                raise failure
            yield queue[0]
            found = queue.popleft()
            if isinstance(found, FoundItem):
                in_a_row = in_a_row + 1 if found.handle.opened else 0
                found.handle.drop()
    finally:
        for item in queue:
            if isinstance(item, FoundItem):
                item.handle.drop()
        over.set()
        threads.shutdown(wait=False, cancel_futures=True)
