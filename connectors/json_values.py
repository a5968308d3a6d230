"""Values of JSON objects of which nothing can be taken for granted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def parsed(data: bytes) -> dict[str, Any] | None:
    """Return the object that some bytes are, or None."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def inner(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a member that is an object; else an empty one."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def objects(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a member that is a list; else an empty one."""
    found = value.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def one_line(value: object) -> str:
    """Return a text on one line that any store takes: no NUL, no half of a surrogate pair; else empty."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.replace("\x00", "").encode("utf-8", "replace").decode().split())
