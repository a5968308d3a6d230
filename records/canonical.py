"""Canonical JSON and time text: one spelling, so that hashes and comparisons hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec

_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_texts = msgspec.json.Encoder(order="sorted")


def dumps(value: Any) -> str:
    """Return canonical JSON: keys sorted, no spaces, UTF-8 characters as they are, no NaN."""
    return _json.encode(value)


def dumps_texts(value: Any) -> str:
    """Return what ``dumps`` returns, in a fraction of the time, of texts and whole numbers in lists and maps.

    Four such values are written for every item. Real numbers would be spelt another way.
    """
    return _texts.encode(value).decode()


def loads(text: str) -> Any:
    """Read what ``dumps`` wrote."""
    return json.loads(text)


def loads_texts(text: str) -> Any:
    """Read what ``dumps_texts`` wrote, in a fraction of the time of ``loads``."""
    return msgspec.json.decode(text)


def utc_text(at: datetime) -> str:
    """Return an aware time as ``2026-01-02T03:04:05.000000Z``: fixed width, so text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def utc_time(text: str) -> datetime:
    """Read what ``utc_text`` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def now_text() -> str:
    """Return the present as ``utc_text``."""
    return utc_text(datetime.now(UTC))
