"""Files that commands write for a person."""

from __future__ import annotations

from pathlib import Path

from records.errors import UsageError


def refuse_existing(out: Path) -> None:
    """Refuse to write over something.

    Raises:
        UsageError: It is there already.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; name another file or move it away")
