"""The coding sheet: out to people, and back.

``write_sheet`` makes it, ``read_sheet`` reads one that came back, ``apply_sheet`` puts its answers in force.
"""

from review.sheet_form import ANSWERS, COLUMNS, REQUIRED, SheetRow, SheetRows
from review.sheet_read import Refused, SheetResult, apply_sheet, read_sheet
from review.sheet_write import DEFAULT_VIEW_URL, write_sheet

__all__ = [
    "ANSWERS",
    "COLUMNS",
    "DEFAULT_VIEW_URL",
    "REQUIRED",
    "Refused",
    "SheetResult",
    "SheetRow",
    "SheetRows",
    "apply_sheet",
    "read_sheet",
    "write_sheet",
]
