"""JSON that programs write not quite as RFC 8259 says, read without a guess about what it means."""

from __future__ import annotations

import json
import re
from typing import Any

_HALF = re.compile(r"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
"""Telegram Desktop writes a control character as ``\x1f`` (SerializeString in its export_output_json.cpp)."""


def loose_object(data: bytes) -> tuple[dict[str, Any], bool] | None:
    r"""Return the object that some bytes are, and whether their charset was guessed; None for no object.

    Bytes that are no UTF-8 are read as Windows-1252, which is what editors turn a file into. ``\xNN``, which
    JSON does not know, stands for the character of that number.
    """
    guessed = False
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, guessed = data.decode("cp1252", "replace"), True
    value = _parsed(text)
    if value is None and "\\x" in text:
        value = _parsed(_HALF.sub(r"\1\\u00\2", text))
    return (value, guessed) if isinstance(value, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
