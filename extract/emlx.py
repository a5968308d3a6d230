"""Messages as Apple Mail keeps them: a line with the number of bytes, the message, and a list of properties.

Apple does not document the list; the meaning of the flags is that which programs that read them agree on.
"""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from xml.parsers.expat import ExpatError

COUNT = re.compile(rb"\A[ \t]*(\d{1,10})[ \t]*\r?\n")
"""The first line."""

_FLAGS = (
    (0, "read"), (1, "deleted"), (2, "answered"), (3, "encrypted"), (4, "flagged"), (5, "recent"),
    (6, "draft"), (8, "forwarded"), (9, "redirected"), (23, "signed"), (24, "junk"), (25, "not_junk"),
)  # fmt: skip
_KEPT = ("color", "conversation-id", "date-received", "original-mailbox", "remote-id")
_MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Emlx:
    """One such file taken apart.

    Attributes:
        message: The bytes of the message.
        facts: What the list says: ``flags`` as words, and a few more, by their names.
        flags: The words.
        cut: Whether the file ends before the message does.
        odd: Whether the list cannot be read.
    """

    message: bytes
    facts: dict[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    cut: bool = False
    odd: bool = False


def is_partial(name: str | None) -> bool:
    """Tell whether Apple Mail keeps the attachments of this message elsewhere, or not at all."""
    return name is not None and name.lower().endswith(".partial.emlx")


def opened(data: bytes, name: str | None) -> Emlx | None:
    """Take a file apart; None when it is no such file."""
    found = COUNT.match(data) if name is not None and name.lower().endswith(".emlx") else None
    if found is None:
        return None
    end = found.end() + int(found[1])
    message, rest = data[found.end() : end], data[end:].strip()
    if end > len(data) or not rest:
        return Emlx(message, cut=end > len(data))
    try:
        stated = plistlib.loads(rest)
    except (ValueError, ExpatError, OverflowError, RecursionError, AttributeError, LookupError, TypeError):
        return Emlx(message, odd=True)
    if not isinstance(stated, dict):
        return Emlx(message, odd=True)
    number = stated.get("flags")
    words = [word for bit, word in _FLAGS if isinstance(number, int) and number >> bit & 1]
    facts = {"apple_flags": " ".join(words)} if words else {}
    for key in _KEPT:
        value = stated.get(key)
        if isinstance(value, str | int | float | datetime) and not isinstance(value, bool):
            facts[f"apple_{key}"] = str(value)[:_MOST_CHARACTERS].replace("\0", "")
    return Emlx(message, facts, frozenset(words))
