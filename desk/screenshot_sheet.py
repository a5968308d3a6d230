"""The sheet of a folder of screenshots, begun for the employee who fills it in."""

from __future__ import annotations

import csv
from pathlib import Path

from connectors.screenshots import COLUMNS, SHEET, pictures
from records.errors import AccessError, UsageError


def begin(folder: Path) -> dict[str, object]:
    """Write a sheet with a row for each picture, in the order of their names.

    Args:
        folder: Where the pictures are.

    Returns:
        The sheet, and how many pictures are in it.

    Raises:
        AccessError: It is no folder.
        UsageError: There is a sheet already, or no picture.
    """
    if not folder.is_dir():
        raise AccessError(f"{folder} is no folder")
    sheet = folder / SHEET
    if sheet.exists():
        raise UsageError(f"{sheet} is there already; nothing is overwritten")
    found = pictures(str(folder))
    if not found:
        raise UsageError(f"no picture is in {folder}")
    with sheet.open("x", encoding="utf-8-sig", newline="") as out:  # the mark tells spreadsheets the charset
        rows = csv.DictWriter(out, list(COLUMNS))
        rows.writeheader()
        rows.writerows({"file": name} for name in found)
    return {"sheet": str(sheet), "pictures": len(found)}
