"""Ends what this process started when the process itself is killed and can end nothing any more."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Watchdog:
    """Runs a command when this process dies; a context manager, at whose end nothing is run.

    A child waits for the other end of a pipe, which the kernel closes with this process, however it dies
    (https://man7.org/linux/man-pages/man7/pipe.7.html). A word through the pipe says that all is well.
    """

    def __init__(self, command: Sequence[str], *, user: int | None = None, group: int | None = None) -> None:
        """Begin to watch.

        Args:
            command: What ends it, by itself and without input.
            user: Whom to run it as; None for the present one.
            group: Likewise.
        """
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _ || exec "$@"', "watchdog", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    def dismiss(self) -> None:
        """End the watch: what was started has been ended."""
        if self._process.poll() is None:
            self._process.communicate(b"done\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()
