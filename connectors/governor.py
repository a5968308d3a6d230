"""Keeps the processes of one machine together within what a service allows one account.

A mailbox is collected by several worker processes at once, and the service counts them as one. They share
two kinds of small files, named by a hash of the account, in a folder for locks: one lock a place (so many
requests are under way), and one that says when the next request is due (so many in so long). A lock goes
with its process, so a killed worker leaves nothing behind. Several machines are not held together: then the
service says so itself (429), and is waited for.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.asking import Busy

_FOLDERS = ("/run/lock", "/dev/shm")  # noqa: S108 - for locks (FHS 3.15), and gone with a restart
_DUE = struct.Struct("<d")
_POLL_S = (0.002, 0.02)
_LONGEST_S = 3_600.0
"""No request is put off by more: a clock that was set back must not stop a run."""

BURST = 0.04
"""Share of what is allowed that may be asked at once; the rest is spread evenly over the time."""


class Governor:
    """Limits of one account at one service."""

    def __init__(
        self, key: str, *, at_once: int, requests: int, period_s: float, folder: str | None = None
    ) -> None:
        """Keep the limits; no file is made yet.

        Args:
            key: What the service counts together, such as application and mailbox; only its hash is kept.
            at_once: Requests that may be under way together; 0 for no limit.
            requests: Requests that may begin within any ``period_s``; 0 for no limit.
            period_s: Seconds.
            folder: Where the files are; None for the machine's folder for locks.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        self._path = os.path.join(folder or _folder(), f"daylight-{os.getuid()}-{digest}")
        self._at_once = at_once
        burst = max(1, int(requests * BURST))
        # Together never more than `requests` in any period: the burst, and what the even pace adds to it.
        self._step_s = period_s / max(1, requests - burst) if requests else 0.0
        self._burst_s = (burst - 1) * self._step_s

    @contextmanager
    def turn(self, interrupted: threading.Event | None = None) -> Iterator[None]:
        """Wait until a request may be made, and hold its place while it is under way.

        Args:
            interrupted: Ends the waiting when it is set.

        Raises:
            Busy: It was set.
        """
        place = self._place(interrupted)
        try:
            _pause(self._wait_s(), interrupted)
            yield
        finally:
            if place is not None:
                os.close(place)

    def hold_off(self, seconds: float) -> None:
        """Let no process begin a request for so long: the service has asked for that."""
        with self._due() as file:
            now = time.time()
            _write(file, max(_read(file, now), now + min(seconds, _LONGEST_S) + self._burst_s))

    def _place(self, interrupted: threading.Event | None) -> int | None:
        """Return an open, locked file of one of the places; None when there is no limit."""
        if not self._at_once:
            return None
        while True:
            for number in range(self._at_once):
                file = _opened(f"{self._path}.{number}")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(file)
                    continue
                return file
            _pause(random.uniform(*_POLL_S), interrupted)  # noqa: S311 - so that they do not keep step

    def _wait_s(self) -> float:
        """Take the next time that is free, and return the seconds until then.

        The generic cell rate algorithm (ITU-T I.371, annex A): one number is all that need be remembered.
        """
        with self._due() as file:
            now = time.time()
            due = max(_read(file, now), now)
            if self._step_s:
                _write(file, due + self._step_s)
        return max(0.0, due - self._burst_s - now)

    @contextmanager
    def _due(self) -> Iterator[int]:
        file = _opened(f"{self._path}.due")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)


def _pause(seconds: float, interrupted: threading.Event | None) -> None:
    if interrupted is None:
        time.sleep(seconds)
    elif interrupted.wait(seconds):
        raise Busy


def _folder() -> str:
    return next((name for name in _FOLDERS if os.access(name, os.W_OK | os.X_OK)), tempfile.gettempdir())


def _opened(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _read(file: int, now: float) -> float:
    raw = os.pread(file, _DUE.size, 0)
    due: float = _DUE.unpack(raw)[0] if len(raw) == _DUE.size else now
    return due if abs(due - now) <= 2 * _LONGEST_S else now


def _write(file: int, due: float) -> None:
    os.pwrite(file, _DUE.pack(due), 0)
