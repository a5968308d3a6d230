"""Two workers of a scheduler that do the same tasks at the same time.

``python -m tests.chaos.duplicate`` is one of them, in the home that ``DAYLIGHT_HOME`` names. It takes
``{"function": …, "request_id": …, "run_key": …, "given": {…}}`` a line, and answers with a line: what the
task returned, or the name of its error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from desk.tasks import run_step
from records.errors import DaylightError
from tests.chaos.harness import SETTINGS

RUN_KEY = "manual__1"


class Pair:
    """Two such processes on one home; a context manager."""

    def __init__(self, home: Path, request_id: str, env: Mapping[str, str]) -> None:
        self._request_id = request_id
        self._both = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.duplicate"],
                env={**os.environ, **SETTINGS, **env, "DAYLIGHT_HOME": str(home)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]

    def first(self, function: str, **given: Any) -> dict[str, Any]:
        """Let one of them do a task, which has to end well."""
        self._tell(0, function, given)
        made: dict[str, Any] = self._answer(0)["made"]
        return made

    def both(self, function: str, apart_s: float, **given: Any) -> list[str]:
        """Let both do a task, so many seconds apart; return the errors there were."""
        self._tell(0, function, given)
        time.sleep(apart_s)
        self._tell(1, function, given)
        return [answer["error"] for answer in (self._answer(0), self._answer(1)) if "error" in answer]

    def _tell(self, number: int, function: str, given: Mapping[str, Any]) -> None:
        task = {"function": function, "request_id": self._request_id, "run_key": RUN_KEY, "given": given}
        told = self._both[number].stdin
        assert told is not None
        told.write(json.dumps(task) + "\n")
        told.flush()

    def _answer(self, number: int) -> dict[str, Any]:
        said = self._both[number].stdout
        assert said is not None
        answer: dict[str, Any] = json.loads(said.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._both:
            if kind is not None:
                process.kill()
            process.communicate()


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        try:
            made = run_step(task["function"], task["request_id"], task["run_key"], **task["given"])
            print(json.dumps({"made": made}), flush=True)
        except DaylightError as error:
            print(json.dumps({"error": type(error).__name__}), flush=True)


if __name__ == "__main__":
    main()
