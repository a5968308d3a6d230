"""Structured logs without content: opaque ids, codes, counts and seconds; never names, subjects or text."""

from __future__ import annotations

import logging
import sys

import structlog

ALLOWED = frozenset({
    "event", "level", "timestamp", "request", "batch", "step", "source", "item", "reason", "detail", "count",
    "items", "bytes", "seconds", "attempt", "workers", "run", "state", "failed", "error",
})  # fmt: skip
"""The only keys a log line may have: a new one is added on purpose, or a name slips in by habit."""


def _only_allowed(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in event.keys() - ALLOWED:
        raise ValueError(f"log key {key!r} is not in records.logs.ALLOWED")
    return event


def configure(level: str = "info") -> None:
    """Send log lines as JSON to stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger."""
    found: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return found
