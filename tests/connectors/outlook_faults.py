"""A worker over a data file that comes to grief at an item: named faults, for the tests of its reader."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from connectors import outlook_data_worker

_ITEM = outlook_data_worker._item
_CRASHES, _HANGS, _SWELLS, _BABBLES = b"crash", b"hang", b"swell", b"babble"


def _item(item: Any, names: Any) -> Any:
    about, body = _ITEM(item, names)
    for said, fault in ((_CRASHES, _crash), (_HANGS, _hang), (_SWELLS, _swell), (_BABBLES, _babble)):
        if said.decode().encode("utf-16-le") in body:
            fault()
    return about, body


def _crash() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0.05)  # the minute of an item, in short
    while True:
        pass


def _swell() -> None:
    held = []
    while True:
        held.append(bytes(64 << 20))


def _babble() -> None:
    os.write(3, b"\xff" * 64)
    os._exit(0)


def main(job: str) -> None:
    """Do a job as the worker does, with its faults."""
    outlook_data_worker._item = _item
    outlook_data_worker.MEMORY_BYTES = 256 << 20
    outlook_data_worker.main(job)


if __name__ == "__main__":
    main(sys.argv[1])
