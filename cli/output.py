"""What every command shares: JSON on stdout, words and progress on stderr, errors as exit codes."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from records.errors import (
    AccessError,
    AlreadyRunning,
    CheckFailed,
    DaylightError,
    Incomplete,
    ItemError,
    Retryable,
    SettingsError,
    UsageError,
)

if TYPE_CHECKING:  # importing them costs a second, and most commands show no bar
    from rich.progress import Progress

    from desk import run


class Exit(IntEnum):
    """Exit codes, as scripts rely on them."""

    OK = 0
    BUG = 1
    USAGE = 2
    SETTINGS = 3
    ACCESS = 4
    INCOMPLETE = 5
    FAILED_CHECK = 6
    INTERRUPTED = 130


_CODES: tuple[tuple[type[DaylightError], Exit], ...] = (
    (SettingsError, Exit.SETTINGS),
    (AccessError, Exit.ACCESS),
    (CheckFailed, Exit.FAILED_CHECK),
    (Incomplete, Exit.INCOMPLETE),
    (Retryable, Exit.INCOMPLETE),
    (ItemError, Exit.INCOMPLETE),
    (AlreadyRunning, Exit.USAGE),
    (UsageError, Exit.USAGE),
)


def exit_code(error: DaylightError) -> Exit:
    """Return the exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.BUG)


def show(value: Any) -> None:
    """Print one JSON value on a line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def show_lines(values: Iterable[Any]) -> int:
    """Print JSON lines; return how many."""
    count = 0
    for value in values:
        show(value)
        count += 1
    return count


def say(text: str) -> None:
    """Print words for a person."""
    sys.stderr.write(text + "\n")


def whoami() -> str:
    """Return the login name, for the audit log where a command does not ask for one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return f"uid-{os.getuid()}"


@contextmanager
def run_progress() -> Iterator[Callable[[run.Progress], None]]:
    """Show a run's progress: a bar with rate and time left on a terminal, else a line every ten seconds."""
    if sys.stderr.isatty():
        with _bar() as bar:
            yield _on_terminal(bar)
    else:
        yield _in_lines()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.fields[of]} items"),
        TextColumn("{task.fields[rate]} items/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False, soft_wrap=True),
    )


def _rate(at: run.Progress) -> float:
    return at.done / at.seconds if at.seconds > 0 else 0.0


def _on_terminal(bar: Progress) -> Callable[[run.Progress], None]:
    tasks: dict[str, Any] = {}

    def tell(at: run.Progress) -> None:
        if at.step not in tasks:
            for task in tasks.values():
                bar.update(task, total=1, completed=1) if bar.tasks[task].total is None else None
            tasks[at.step] = bar.add_task(at.step, total=at.expected, of="?", rate="-")
        of = f"{at.expected:,}" if at.expected is not None else "?"
        bar.update(tasks[at.step], completed=at.done, total=at.expected, of=of, rate=f"{_rate(at):,.0f}")

    return tell


def _in_lines() -> Callable[[run.Progress], None]:
    last: dict[str, Any] = {"step": "", "seconds": 0.0}

    def tell(at: run.Progress) -> None:
        new_step = at.step != last["step"]
        if not new_step and at.seconds - last["seconds"] < 10:
            return
        last.update(step=at.step, seconds=at.seconds)
        if at.seconds == 0:
            say(f"{at.step} …")
            return
        left = ""
        if at.expected and 0 < at.done <= at.expected:  # more may come than a source counts
            remaining = (at.expected - at.done) / max(_rate(at), 1e-9)
            left = f" of {at.expected:,}, {_rate(at):,.0f} items/s, {remaining:,.0f} s left"
        say(f"{at.step}: {at.done:,}{left}")

    return tell
