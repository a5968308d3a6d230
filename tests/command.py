"""``daylight`` for the tests: in this process where a process of its own shows nothing more, else in one.

A process costs two seconds of loading before it does anything. What is only seen between processes (exit
codes of the shell, bytes on a pipe, signals, limits of the system) is tested with ``in_a_process``.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from cli import main as cli
from records import logs

Done = subprocess.CompletedProcess[str]


def in_a_process(home: Path | None, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Done:
    """Run a command as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *_line(home, arguments)],
        capture_output=True, text=True, check=False, timeout=240, env=env,
    )  # fmt: skip


def daylight(home: Path | None, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Done:
    """Run a command in this process; what it writes is taken where a shell would take it.

    Args:
        home: The home, or None where the environment names it.
        arguments: What follows ``daylight --home HOME``.
        env: The whole environment instead of this one.
    """
    line = ["daylight", *_line(home, arguments)]
    threshold, terminated = gc.get_threshold(), signal.getsignal(signal.SIGTERM)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        pytest.MonkeyPatch.context() as patch,
    ):
        if env is not None:
            for name in os.environ.keys() - env.keys():
                patch.delenv(name)
            for name, value in env.items():
                patch.setenv(name, value)
        patch.setattr(sys, "argv", line)
        kept = os.dup(1), os.dup(2)
        try:
            _lead(patch, 1, "stdout", out)
            _lead(patch, 2, "stderr", err)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            out.flush()
            err.flush()
            for number, former in enumerate(kept, 1):
                os.dup2(former, number)
                os.close(former)
            gc.set_threshold(*threshold)
            signal.signal(signal.SIGTERM, terminated)
            logs._settings = logs._current = None
        out.seek(0)
        err.seek(0)
        return Done(line, _number(ended.value.code), out.read(), err.read())


def _line(home: Path | None, arguments: tuple[str | Path, ...]) -> list[str]:
    return [*(() if home is None else ("--home", str(home))), *map(str, arguments)]


def _lead(patch: pytest.MonkeyPatch, number: int, name: str, file: IO[str]) -> None:
    os.dup2(file.fileno(), number)
    patch.setattr(sys, name, file)


def _number(code: Any) -> int:
    assert isinstance(code, int), code
    return int(code)


def lines(done: Done) -> list[dict[str, Any]]:
    """Return the JSON lines of a command that ended well."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
