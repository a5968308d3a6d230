"""What every Dag has alike: how a task that failed is tried again, and how a request is named in the form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.retry_policy import (
    ExceptionRetryPolicy,
    RetryAction,
    RetryDecision,
    RetryRule,
)


class ByErrorClass(ExceptionRetryPolicy):
    """Fatal fails at once; Retryable waits as long as the service asked; anything else takes the default."""

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Decide by the class, and take the wait from the error itself."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        seconds = getattr(exception, "retry_after_s", None)
        if decision.action is RetryAction.RETRY and seconds:
            return RetryDecision.retry(timedelta(seconds=seconds), decision.reason)
        return decision


BY_ERROR_CLASS = ByErrorClass(
    [
        RetryRule("records.errors.Fatal", RetryAction.FAIL, reason="a person must change something first"),
        RetryRule("records.errors.Retryable", RetryAction.RETRY, reason="a passing fault"),
    ]
)


def request_id() -> Param:
    """Return the field of the form that names the request."""
    return Param(
        type="string",
        pattern=r"^[0-9]{4}-[0-9]{4,9}$(?!\n)",  # Python's $ would let a line end pass
        title="Request",
        description="The id that `daylight open` printed, such as 2026-0001.",
    )
