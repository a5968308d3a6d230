"""Structured logs without content: opaque ids, codes, counts and seconds; never names, subjects or text."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    import structlog

ALLOWED = frozenset({
    "event", "level", "timestamp", "request", "batch", "step", "source", "item", "reason", "detail", "count",
    "items", "bytes", "seconds", "attempt", "workers", "run", "state", "failed", "error", "connector",
})  # fmt: skip
"""The only keys a log line may have: a new one is added on purpose, or a name slips in by habit."""


def _only_allowed(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in event.keys() - ALLOWED:
        raise ValueError(f"log key {key!r} is not in records.logs.ALLOWED")
    return event


def configure(level: str, home: Path) -> None:
    """Append log lines as JSON to ``logs/daylight.jsonl`` of a home from now on.

    Only our own logger is set up: an orchestrator that runs us has its own, made with the same library.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        home: The home; several processes append to the one file.
    """
    global _settings, _current
    file = home / "logs" / "daylight.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _settings, _current = (level, file), None


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger; silent until ``configure`` was called."""
    global _current
    if _current is None:
        import structlog  # slow to load, and most commands log nothing

        out: object = structlog.ReturnLogger()
        level = "critical"
        if _settings is not None:
            level, file = _settings
            out = structlog.WriteLogger(cast("TextIO", _Appender(file)))
        _current = _made(out, level)
    return _current


@dataclass(frozen=True)  # no slots: the logger keeps a lock by weak reference
class _Appender:
    """Opens the file for each line: lines are few, and an open file would outlive its use."""

    path: Path

    def write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def flush(self) -> None:
        """Nothing is held back."""


def _made(out: object, level: str) -> structlog.typing.FilteringBoundLogger:
    import structlog

    made: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        out,
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
    return made


_settings: tuple[str, Path] | None = None
_current: structlog.typing.FilteringBoundLogger | None = None
