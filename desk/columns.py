"""Proposing a column map for a table of messages."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from connectors.column_maps import NEEDED, proposed
from connectors.folders import open_head
from connectors.message_table import table_head
from connectors.transcript_pages import is_printout
from records.errors import AccessError, ItemError, SettingsError, UsageError


class Proposal(TypedDict):
    """What ``propose`` did.

    Attributes:
        map: The file that was written.
        missing: Fields that are needed and found no column.
    """

    map: str
    missing: list[str]


_ROWS = 50
"""Rows that are looked at for the form of their times."""


def propose(table: Path, app: str, out: Path, zone: str) -> Proposal:
    """Write a proposal beside nothing that is there already.

    Args:
        table: A table of the app, as it came.
        app: Its name in the map.
        out: The map to write.
        zone: IANA name; of times that state no offset.

    Raises:
        AccessError: The table cannot be read.
        SettingsError: It is no table, or a printout.
        UsageError: The map is there already.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; nothing is overwritten")
    try:
        if is_printout(open_head(str(table), 4 << 10).head):
            raise SettingsError(f"{table} is a printout, no table: `daylight layout` proposes how it is read")
        header, rows = table_head(str(table), _ROWS)
    except ItemError as error:
        if error.reason.value == "unreadable":
            raise AccessError(f"{table} cannot be read") from None
        raise SettingsError(f"{table} is no CSV table with a header; save a copy as CSV in UTF-8") from None
    text = proposed(app, header, rows, zone)
    out.write_text(text, "utf-8")
    return {"map": str(out), "missing": [name for name in NEEDED if f'\n{name} = ""' in text]}
