"""What an orchestrator's task calls: one step by its function's name, with nothing of a record in its errors.

Airflow keeps the text and the traceback of an exception in its logs and shows them to everybody who may look.
A library's message can hold content (a decoding error prints the bytes, a database error the row), so only
this project's own errors pass, which carry ids and codes; of any other, its type and its places in the code.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from desk import run
from desk.home import Home
from records import logs
from records.errors import DaylightError

FUNCTIONS = frozenset({
    "open_run", "plan", "collect", "extract", "index", "reconcile", "terms", "flag", "record_answer", "draft",
    "gate", "record_approval", "package", "finish",
})  # fmt: skip
"""The functions of ``desk.run`` that are steps, or record the answer to one."""


KEPT_TEXTS = frozenset({"outcome", "step", "answer", "draft", "manifest", "fingerprint"})
"""The values a step returns as text that an orchestrator may keep: codes and hashes, no names, no paths."""


class UnexpectedError(DaylightError):
    """Something raised what it should not; the message names types and places, never what was said."""


def run_step(function: str, request_id: str, run_key: str, **given: Any) -> dict[str, Any]:
    """Run one step in the home that ``DAYLIGHT_HOME`` names.

    Args:
        function: One of ``FUNCTIONS``.
        request_id: The request.
        run_key: The orchestrator's name of the run.
        **given: What else the step takes.

    Returns:
        Counts and ids.

    Raises:
        DaylightError: As the step says; without its cause, which may hold content.
        UnexpectedError: Anything else.
    """
    if function not in FUNCTIONS:
        raise KeyError(function)
    return in_home(lambda home: getattr(run, function)(home, request_id, run_key, **given))


def in_home(work: Callable[[Home], dict[str, Any]]) -> dict[str, Any]:
    """Do some work in the home that ``DAYLIGHT_HOME`` names; returns and raises as ``run_step`` does."""
    try:
        home = Home.open()
        logs.configure(home.settings.log_level, home.settings.home)
        try:
            return counts_only(work(home))
        finally:
            home.close()
    except DaylightError as error:
        raise _bare(error) from None
    except Exception as error:  # noqa: BLE001 - the last place before an orchestrator's log
        raise UnexpectedError(_places(error)) from None


def counts_only(result: dict[str, Any]) -> dict[str, Any]:
    """Return what an orchestrator may keep of a step's result: numbers, the plan's batch ids, known codes."""
    return {
        name: value
        for name, value in result.items()
        if value is None or isinstance(value, int | float) or name == "groups" or name in KEPT_TEXTS
    }


def _bare(error: DaylightError) -> DaylightError:
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _places(error: Exception) -> str:
    """Return the types of a chain of exceptions, and where the first came from."""
    types: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(types) < 5:
        types.append(type(seen).__name__)
        first = seen
        seen = seen.__cause__ or seen.__context__
    frames = traceback.extract_tb(first.__traceback__)[-3:]
    places = ", ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{' from '.join(types)} at {places}; this is a fault of the program, please report it"
