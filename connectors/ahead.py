"""Reads ahead: while an item is stored, the bytes of the next few are on their way.

A service that answers in 200 ms gives one reader five messages a second, and allows three times as many. So
a few items are drawn in advance, and once two in a row were opened, the next are asked for by threads. A
caller that only lists never opens, and so costs nothing.
"""

from __future__ import annotations

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

    def drop(self) -> bool:
        """Let go of bytes that nobody opened; tell whether they are still on their way."""
        future, self._future = self._future, None
        if future is None or future.cancel():
            return False
        under_way = not future.done()
        future.add_done_callback(_close)
        return under_way


def _close(future: Future[BinaryIO]) -> None:
    if future.exception() is None:
        future.result().close()


def drawn_ahead(
    items: Iterator[Yielded],
    opener: Callable[[FoundItem], BinaryIO],
    at_once: int,
    interrupt: Callable[[], None] = lambda: None,
) -> Iterator[Yielded]:
    """Yield the same items in the same order; the handle of a found one is a ``Coming``.

    Args:
        items: What a reader yields.
        opener: Opens one of its items; is called in threads.
        at_once: Most items whose bytes are on their way.
        interrupt: Called when nobody draws any more and bytes are still on their way: ends waiting for them.

    Raises:
        Exception: What drawing an item raised, when all before it were yielded.
    """
    queue: deque[Yielded] = deque()
    failure: BaseException | None = None
    in_a_row = 0
    threads = ThreadPoolExecutor(at_once, thread_name_prefix="ahead")
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
        coming = [item.handle for item in queue if isinstance(item, FoundItem)]
        if sum(one.drop() for one in coming):
            interrupt()
        threads.shutdown(wait=False, cancel_futures=True)
