r"""Texts of Meta's JSON downloads, in which each byte of UTF-8 is written as a character of Latin-1.

``caf\u00c3\u00a9`` stands for ``café``. A text is repaired only where it can be turned back; the native
stays as it was. What was not damaged does not pass as UTF-8, and is left alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_REMAINS = re.compile("[\x80-\x9f]")
"""Control characters that nobody types: parts of damaged characters."""


@dataclass(slots=True)
class Repair:
    """Repairs texts, and counts what it did.

    Attributes:
        repaired: Texts that were damaged and are whole now.
        left: Texts that look damaged and do not come back.
    """

    repaired: int = 0
    left: int = 0

    def text(self, text: str) -> str:
        """Return a text as it was meant."""
        if text.isascii():
            return text
        try:
            whole = text.encode("latin-1").decode("utf-8")
        except UnicodeError:
            self.left += _REMAINS.search(text) is not None
            return text
        self.repaired += 1
        return whole

    def value(self, value: Any) -> Any:
        """Return a JSON value in which each text but the names of members is repaired.

        Raises:
            RecursionError: It is nested deeper than any record.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items()}
        return value
