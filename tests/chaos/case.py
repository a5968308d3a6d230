"""One disturbed run: where it lies, when it is disturbed, and how it is resumed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cli.output import Exit
from desk.home import Home
from tests.chaos import harness, roles
from tests.chaos.harness import Outcome, Undisturbed

LIMIT_S = 1_200
T = TypeVar("T")


@dataclass
class Case:
    """A home of its own for one request, and a run of it that something happens to.

    Attributes:
        folder: Of this case alone.
        undisturbed: The run that this one has to end like.
        rng: Draws the moment; its seed is printed.
        env: More of the environment of its runs.
        settings: More of the settings of its home, as ``Settings`` names them.
        within: The command that its runs are started by.
        seen: Where its home is seen from here; another place only with mounts of its own.
        stack: Servers and mounts that it needs until it was compared.
        request_id: The request, once it is entered.
    """

    folder: Path
    undisturbed: Undisturbed
    rng: random.Random
    env: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    seen: Path | None = None
    stack: ExitStack = field(default_factory=ExitStack)
    request_id: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def evidence(self) -> Path:
        return (self.seen or self.home) / "requests" / self.request_id / "evidence"

    def enter(self) -> None:
        self.request_id = harness.enter(self.home, self.undisturbed.request_file, **self.settings)

    def set(self, **settings: str) -> None:
        """Set something for the runs and for looking at them."""
        self.settings |= settings
        self.env |= {f"DAYLIGHT_{name.upper()}": value for name, value in settings.items()}

    def using(self, needed: AbstractContextManager[T]) -> T:
        """Keep a server or mounts until the case was compared."""
        return self.stack.enter_context(needed)

    @contextmanager
    def opened(self) -> Iterator[Home]:
        """Open its home, to look into it."""
        home = Home.open(settings=harness.settings(self.home, **self.settings))
        try:
            yield home
        finally:
            home.close()

    def start(self) -> subprocess.Popen[bytes]:
        if not self.request_id:
            self.enter()
        return harness.start(self.home, self.request_id, env=self.env, within=self.within)

    @contextmanager
    def running(self, first: float = 0.05, last: float = 0.8) -> Iterator[subprocess.Popen[bytes]]:
        """Start a run and give it at a drawn moment; what is left of it is killed if the test fails.

        Args:
            first: Share of the evidence's segments that are begun at the earliest.
            last: At the latest.
        """
        process = self.start()
        try:
            self.moment(process, first, last)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def moment(self, process: subprocess.Popen[bytes], first: float, last: float) -> None:
        """Wait for a drawn moment of the run: as much evidence as was drawn, and a few milliseconds."""
        wanted = round(self.rng.uniform(first, last) * self.undisturbed.segments)
        after_s = self.rng.uniform(0.0, 0.05)
        while len(list(self.evidence.glob("*.seg"))) < wanted:
            if process.poll() is not None:
                _, words = process.communicate()
                raise AssertionError(f"the run was over before it was disturbed: {words.decode()}")
            time.sleep(0.005)
        time.sleep(after_s)

    def kill(self, process: subprocess.Popen[bytes], role: Callable[[int], list[int]]) -> None:
        """Kill one of the processes that have a role, drawn."""
        found = roles.find(process, role)
        assert found, f"no process is a {role.__name__}"
        os.kill(self.rng.choice(found), signal.SIGKILL)

    def resume(self) -> None:
        """Give the same command again, as its words say; it has to end well."""
        assert ended(self.start())[0] == Exit.OK

    def outcome(self) -> Outcome:
        return harness.outcome(self.home, self.request_id, self.folder / "bundle", **self.settings)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for the end of a run; return its exit code and what it said."""
    _, words = process.communicate(timeout=LIMIT_S)
    return process.returncode, words.decode()
