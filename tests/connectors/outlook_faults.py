"""A worker over a data file that comes to grief at an item: named faults, for the tests of its reader."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import signal
import socket
import sys
from typing import Any

from connectors import outlook_data_worker
from records.errors import ItemError
from records.vocabulary import Reason

_ITEM = outlook_data_worker._item


def _item(item: Any, names: Any) -> Any:
    about, body = _ITEM(item, names)
    for said, fault in _FAULTS.items():
        if said.encode("utf-16-le") in body:
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


def _break_out() -> None:
    """Try what must not be possible, and fail with what the system said of each."""
    said = []
    for attempt in (_start, _write, _reach):
        try:
            attempt()
            said.append("done")
        except OSError as error:
            said.append(errno.errorcode[error.errno or 0])
    raise ItemError(Reason.UNSUPPORTED, " ".join(said))


def _start() -> None:
    if os.fork() == 0:
        os._exit(0)


def _write() -> None:
    path = f"/tmp/outlook-faults-{os.getpid()}"
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    pathlib.Path(path).unlink()
    os.write(file, b"x")


def _reach() -> None:
    socket.create_connection(("127.0.0.1", 9), 1)


_FAULTS = {"crash": _crash, "hang": _hang, "swell": _swell, "babble": _babble, "break out": _break_out}


def main(job: str) -> None:
    """Do a job as the worker does, with its faults."""
    outlook_data_worker._item = _item
    outlook_data_worker.MEMORY_BYTES = 256 << 20
    outlook_data_worker.main(job)


if __name__ == "__main__":
    main(sys.argv[1])
