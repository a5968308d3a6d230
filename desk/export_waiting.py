"""Waiting for an export under Airflow without holding a worker: looks now and then, sleeps in the triggerer.

The trigger is Airflow's own clock. It holds no connection and asks no service, so that no secret is where
triggers run; each look is a short task of its own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator

FIRST = timedelta(minutes=1)
LONGEST = timedelta(minutes=15)
"""Between two looks: a small export takes minutes, a large one days."""


def ask(request_id: str, source_id: str, *, again: bool, run_key: str) -> dict[str, Any]:
    """Ask for a source's export unless that was done; see ``desk.exports.ask``."""
    from desk import exports, tasks  # here, not where a Dag file is parsed

    return tasks.in_home(
        lambda home: exports.ask(home, request_id, source_id, by="daylight", again=again, again_key=run_key)
    )


def take(request_id: str, source_id: str) -> dict[str, Any]:
    """Download a source's export; see ``desk.exports.take``."""
    from desk import exports, tasks

    return tasks.in_home(lambda home: exports.take(home, request_id, source_id, by="daylight"))


class WaitForExport(BaseOperator):
    """Waits until a service has made a source's export.

    Attributes:
        request_id: The request.
        source_id: The source.
        first_s: Seconds until the second look. Each later wait is as long as the export took so far, so that
            an export of minutes is seen soon, and one of days is not asked for all the time.
    """

    template_fields = ("request_id", "source_id")

    def __init__(
        self, *, request_id: str, source_id: str, first_s: float = FIRST.total_seconds(), **kwargs: Any
    ) -> None:
        """Keep what to wait for."""
        super().__init__(**kwargs)
        self.request_id = request_id
        self.source_id = source_id
        self.first_s = first_s

    def execute(self, context: Any, event: Any = None) -> dict[str, Any]:  # noqa: ARG002 - as Airflow calls it
        """Look, and wait when it is not done.

        Raises:
            DaylightError: As ``desk.exports.look`` says.
        """
        from desk import exports, tasks

        def look(home: Any) -> dict[str, Any]:
            known = exports.state_of(home, self.request_id, self.source_id)
            return known or exports.look(home, self.request_id, self.source_id)

        found = tasks.in_home(look)
        if found["outcome"] == "running":
            wait_s = max(self.first_s, min(found["waited_s"], LONGEST.total_seconds()))
            self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=wait_s)), method_name="execute")
        return found
