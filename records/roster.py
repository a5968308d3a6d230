"""The roster: who works and learns in the district, and what its places and programmes are called.

A CSV file with the columns ``kind,name,aliases,emails,numbers,guardian_of``; only ``kind`` and ``name`` must
be filled. Several values in a cell are parted by ``;``. Further columns are passed over.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from enum import StrEnum

from records.errors import SettingsError


class RosterKind(StrEnum):
    """What a line of the roster is about."""

    STAFF = "staff"
    STUDENT = "student"
    GUARDIAN = "guardian"
    SCHOOL = "school"
    OFFICE = "office"
    PROGRAMME = "programme"
    VENDOR = "vendor"
    BOARD = "board"
    COUNSEL = "counsel"
    MAILBOX = "mailbox"  # shared: read by several people


@dataclass(frozen=True, slots=True)
class RosterLine:
    """One person, place, programme or shared mailbox.

    Attributes:
        kind: What it is.
        name: As people write it.
        aliases: Nicknames, short forms and other spellings.
        emails: Addresses.
        numbers: Phone numbers.
        guardian_of: Names of the students whose guardian it is; empty where the roster does not say.
    """

    kind: RosterKind
    name: str
    aliases: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    guardian_of: tuple[str, ...] = ()


def read_roster(text: str) -> tuple[RosterLine, ...]:
    """Read a roster; an empty text is an empty one.

    Raises:
        SettingsError: A column is missing, a line has no name, or its kind is none of ``RosterKind``; the
            message names every such line by its number and never what stands in it.
    """
    if not text.strip():
        return ()
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    missing = [name for name in ("kind", "name") if name not in columns]
    if missing:
        raise SettingsError(f"roster: the first line lacks the column {' and '.join(missing)}")
    lines: list[RosterLine] = []
    wrong: list[str] = []
    for row in reader:
        cells = {key: (row.get(name) or "").strip() for key, name in columns.items()}
        if not any(cells.values()):
            continue
        if not cells["name"]:
            wrong.append(f"line {reader.line_num}: no name")
        elif cells["kind"].lower() not in set(RosterKind):
            wrong.append(f"line {reader.line_num}: kind is not one of {', '.join(RosterKind)}")
        else:
            several = (
                _several(cells.get(key, "")) for key in ("aliases", "emails", "numbers", "guardian_of")
            )
            lines.append(RosterLine(RosterKind(cells["kind"].lower()), cells["name"], *several))
    if wrong:
        raise SettingsError(f"roster: {'; '.join(wrong)}")
    return tuple(lines)


def _several(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())
