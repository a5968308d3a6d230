"""The form of the coding sheet: its columns, its words, and how a cell is kept from becoming a formula.

Answers are the columns of ``ANSWERS``; everything before them is for reading only and is ignored when a sheet
comes back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from records.decisions import Hold, Treatment

EXCERPT = 300
KEY_PREFIX = "i:"
"""Put before an id, so that a spreadsheet cannot take ``1234e567…`` for a number."""

ITEM_ID = "item_id"
READING = (
    ITEM_ID,
    "family",
    "member",
    "date_time",
    "from",
    "to",
    "subject_or_file",
    "first_300_characters",
    "why_it_hit",
    "attachments",
    "kind",
    "type",
    "language",
    "custodian",
    "where_it_stands",
    "link",
    "suggestion",
    "duplicates",
    "near_duplicates",
    "thread",
    "inclusive",
)
ANSWERS = (
    "public_record",
    "responsive",
    "treatment",
    "exemption_code",
    "explanation",
    "pages_to_redact",
    "hold",
    "installment",
    "reviewer",
    "note",
)
COLUMNS = READING + ANSWERS
REQUIRED = (
    ITEM_ID,
    "public_record",
    "responsive",
    "treatment",
    "exemption_code",
    "explanation",
    "hold",
    "note",
)
"""A sheet without one of these is refused: a hold left out by accident could release a record."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a sheet that comes back must look like.

    Attributes:
        name: What people call it.
        columns: All its columns.
        answers: Those that people fill in.
        required: Without one of these it is refused.
        key: The column that says what a row is about.
        stated: Those that the program fills in and reads back.
    """

    name: str
    columns: tuple[str, ...]
    answers: tuple[str, ...]
    required: tuple[str, ...]
    key: str = ITEM_ID
    stated: tuple[str, ...] = ()


CODING = Form("coding sheet", COLUMNS, ANSWERS, REQUIRED)

PUBLIC, PERSONAL = "yes", "personal"
YES, NO = "yes", "no"
TREATMENTS = tuple(treatment.value for treatment in Treatment)
HOLDS = tuple(hold.value for hold in Hold)

BETWEEN_CODES = ";"
PAGES_PREFIX = "p "
"""Put before pages, so that a spreadsheet cannot take ``1-3`` for the third of January."""

_TRIGGERS = "=+-@\t\r\n＝＋－＠"  # the wide forms too: some spreadsheets fold them
ILLEGAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_SPACES = re.compile(r"\s+")
_KEY = re.compile(r"[0-9a-f]{32}\Z")
LONGEST_CELL = 32_000
"""Spreadsheets hold 32,767 characters a cell."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of a sheet that came back.

    Attributes:
        number: Row number as the spreadsheet shows it, the first row being 1.
        key: The row key as written.
        answers: Answer column to what was written in it, trimmed; only cells that are not empty.
        formulas: Columns whose cell holds a formula, which is never evaluated.
        stated: What stands in the columns that the program filled in, those that are not empty.
    """

    number: int
    key: str
    answers: dict[str, str]
    formulas: tuple[str, ...] = ()
    stated: Mapping[str, str] = field(default_factory=dict)

    @property
    def item_id(self) -> str | None:
        """The item's id, or None when the key is none."""
        key = self.key.casefold().lstrip("'").removeprefix(KEY_PREFIX).strip()
        return key if _KEY.match(key) else None


@dataclass(frozen=True, slots=True)
class SheetRows:
    """A whole sheet that came back.

    Attributes:
        columns: Known columns it has.
        rows: In order, without rows that are empty altogether.
    """

    columns: frozenset[str]
    rows: tuple[SheetRow, ...]


def key_of(item_id: str) -> str:
    """Return the row key of an item."""
    return KEY_PREFIX + item_id


def one_line(text: str, limit: int) -> str:
    """Return text for a reading column: on one line, without control characters, cut with an ellipsis."""
    flat = _SPACES.sub(" ", ILLEGAL.sub(" ", text)).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def plain(text: str) -> str:
    """Return text for an answer column: unchanged, but without characters that no spreadsheet can hold."""
    return ILLEGAL.sub("", text)[:LONGEST_CELL]


def quoted(text: str, *, formulas: bool) -> str:
    """Return a cell's text so that it is never run and can be read back exactly.

    Args:
        text: The cell.
        formulas: True where the file has no text type (CSV): a leading ``=``, ``+``, ``-``, ``@``, tab or
            line end is put behind an apostrophe. A leading apostrophe is doubled either way.
    """
    if text.startswith("'") or (formulas and text.startswith(tuple(_TRIGGERS))):
        return "'" + text
    return text


def unquoted(text: str) -> str:
    """Undo ``quoted``; an apostrophe that a person typed before a letter stays."""
    if text.startswith("'") and text[1:2] and text[1] in _TRIGGERS + "'":
        return text[1:]
    return text
