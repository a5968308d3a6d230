"""Whole numbers that a source writes out, of which nobody knows what else they may be."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def whole_number(text: str, digits: int = 18) -> int | None:
    """Return a whole number in the digits 0 to 9; None for anything else.

    ``str.isdigit`` is true of ``²``, which ``int`` refuses, as it does thousands of digits.

    Args:
        text: The number, with nothing around it.
        digits: How many it may have.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def by_number(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return what sorts names as people do: ``a2`` before ``a10``."""
    parts = [part for part in _DIGITS.split(name) if part]
    numbers = [part.lstrip("0") if part[0] in "0123456789" else None for part in parts]
    return tuple(
        (1, 0, part) if number is None else (0, len(number), number)
        for part, number in zip(parts, numbers, strict=True)
    )
