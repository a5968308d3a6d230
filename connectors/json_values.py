"""Values of JSON objects of which nothing can be taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
