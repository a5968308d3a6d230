"""Worker slots: as many processes at work on this machine as it has cores, however many tasks run."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from records.settings import Settings


@contextmanager
def worker_slot(settings: Settings) -> Iterator[int]:
    """Wait for a free slot and hold it; the lock dies with its process.

    Yields:
        The number of the slot.
    """
    folder = settings.home / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        for number in range(settings.workers):
            descriptor = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            try:
                yield number
            finally:
                os.close(descriptor)
            return
        time.sleep(0.2)
