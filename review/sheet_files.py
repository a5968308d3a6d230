"""The files of a sheet: XLSX or CSV, written row by row and renamed last.

Memory does not grow with the sheet. Every cell is text, never a formula: see ``sheet_form.quoted``.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties

from records.errors import UsageError
from review.sheet_form import BETWEEN_CODES, ITEM_ID, quoted

MOST_ROWS = 1_048_575
"""Rows an XLSX sheet can hold below its heading."""
_MOST_LINKS = 60_000
"""Excel refuses more than 65,530 links in a sheet; above, the address is plain text."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A column that is answered from a list.

    Attributes:
        column: Its name.
        formula: The list as a spreadsheet writes it.
        several: Several values may stand in a cell; another value is then only asked about.
    """

    column: str
    formula: str
    several: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How a sheet looks.

    Attributes:
        title: Of the workbook's first page.
        widths: Column to width in characters; in the order of the columns.
        answers: Columns that people fill in.
        band: The column of whole numbers by which rows are tinted in turn.
        choices: Columns with a list.
        numbers: Further columns of whole numbers, for a spreadsheet to sort and add.
        pages: Further pages of the workbook, by title, with what fills them.
    """

    title: str
    widths: Mapping[str, int]
    answers: tuple[str, ...]
    band: str
    choices: tuple[Choice, ...]
    pages: tuple[tuple[str, Callable[[Any], None]], ...]
    numbers: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns in order."""
        return tuple(self.widths)


def check_suffix(out: Path, what: str) -> None:
    """Refuse a file that is neither XLSX nor CSV.

    Raises:
        UsageError: The suffix is another.
    """
    if out.suffix not in {".xlsx", ".csv"}:
        raise UsageError(f"{what} is an .xlsx or a .csv file: name it so")


def check_new(paths: Sequence[Path]) -> None:
    """Refuse to write over files.

    Raises:
        UsageError: One is there already.
    """
    there = [path.name for path in paths if path.exists()]
    if there:
        raise UsageError(f"{', '.join(there)} is there already and may hold answers: name another file")


def check_rows(out: Path, rows: int) -> None:
    """Refuse a workbook that could not hold the rows.

    Raises:
        UsageError: There are too many.
    """
    if out.suffix == ".xlsx" and rows > MOST_ROWS:
        raise UsageError(f"more than {MOST_ROWS} rows do not fit an .xlsx sheet: split it, or write .csv")


def write_file(path: Path, layout: Layout, rows: Iterable[Mapping[str, str]], total: int) -> None:
    """Write one file beside its final name and rename it last: what is there is whole.

    Args:
        path: ``….xlsx`` or ``….csv``.
        layout: How it looks.
        rows: Cells by column; empty text for an empty cell.
        total: How many rows there are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path) as unfinished:
        writer: _Writer = _Xlsx(layout, total) if path.suffix == ".xlsx" else _Csv(layout, unfinished)
        for row in rows:
            writer.row(row)
        writer.finish(unfinished)


class _Writer(Protocol):
    def row(self, row: Mapping[str, str]) -> None: ...

    def finish(self, path: Path) -> None: ...


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix, delete=False
    ) as f:
        unfinished = Path(f.name)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Csv:
    """CSV that Excel and LibreOffice open rightly: UTF-8 with a byte order mark, every cell in quotes."""

    def __init__(self, layout: Layout, path: Path) -> None:
        self._columns = layout.columns
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        self._csv.writerow(self._columns)

    def row(self, row: Mapping[str, str]) -> None:
        self._csv.writerow([quoted(row[name], formulas=True) for name in self._columns])

    def finish(self, path: Path) -> None:  # noqa: ARG002 - it was written there from the start
        self._file.close()


_READ_FILL = PatternFill("solid", fgColor="44546A")
_ANSWER_FILL = PatternFill("solid", fgColor="1F6F43")
_BAND = DifferentialStyle(fill=PatternFill("solid", bgColor="EAF1F8"))
_LINE_BELOW = Border(bottom=Side("thin", color="C9D1D9"))
_FONT = "Calibri"
_LINK_FONT = Font(name=_FONT, color="0B5C8A", underline="single")
_ONE_LINE = frozenset({ITEM_ID, "link"})
_LINE_POINTS, _MOST_LINES = 15, 8
_TEXT_FORMAT = "@"
"""Cells are of the text type, so that what a person types (``1-3``, ``0012``, ``=…``) stays as typed."""


class _Xlsx:
    """A workbook that is written row by row, and its further pages."""

    def __init__(self, layout: Layout, total: int) -> None:
        self._layout, self._columns = layout, layout.columns
        self._book = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(layout.title)
        self._total = total
        self._prepare()
        heads = ((len(name), width) for name, width in layout.widths.items())
        self._sheet.row_dimensions[1].height = row_height(heads)
        self._sheet.append(
            [head_cell(self._sheet, name, answer=name in layout.answers) for name in self._columns]
        )
        self._cell = text_cell(self._sheet)
        self._key = text_cell(self._sheet)
        self._key.alignment = Alignment(vertical="top")  # one line: nobody reads a key
        self._number = text_cell(self._sheet)
        self._number.number_format = "0"
        self._rows = 1

    def _prepare(self) -> None:
        sheet, last = self._sheet, max(self._total + 1, 2)
        sheet.freeze_panes = "B2"
        _fit_on_paper(sheet)
        sheet.print_title_rows = "1:1"
        for place, width in enumerate(self._layout.widths.values(), start=1):
            column = sheet.column_dimensions[get_column_letter(place)]
            column.width = width
            column.number_format = _TEXT_FORMAT  # for the empty cells, which are not written
            column.alignment = Alignment(wrap_text=True, vertical="top")
        right = get_column_letter(len(self._columns))
        sheet.auto_filter.ref = f"A1:{right}{last}"
        band = get_column_letter(self._columns.index(self._layout.band) + 1)
        sheet.conditional_formatting.add(
            f"A2:{right}{last}", Rule("expression", formula=[f"ISODD(${band}2)"], dxf=_BAND)
        )
        for choice in self._layout.choices:
            self._choices(choice, last)
        key = DataValidation("custom", formula1="FALSE()", allow_blank=False)
        key.errorTitle, key.error = (
            "Row key",
            "This column says which record the row is about: leave it as it is.",
        )
        key.add(f"A2:A{last}")
        sheet.data_validations.append(key)

    def _choices(self, choice: Choice, last: int) -> None:
        """Add a drop-down."""
        column = get_column_letter(self._columns.index(choice.column) + 1)
        added = DataValidation("list", formula1=choice.formula, allow_blank=True)
        added.errorTitle = choice.column
        added.errorStyle = "warning" if choice.several else "stop"
        added.error = (
            f"Several values are separated by {BETWEEN_CODES} and each comes from the list."
            if choice.several
            else "Choose from the list, or leave the cell empty."
        )
        added.add(f"{column}2:{column}{last}")
        self._sheet.data_validations.append(added)

    def row(self, row: Mapping[str, str]) -> None:
        self._rows += 1
        widths = self._layout.widths.items()
        height = row_height((len(row[name]), width) for name, width in widths if name not in _ONE_LINE)
        self._sheet.row_dimensions[self._rows].height = height
        self._sheet.append(self._cells(row))
        del self._sheet.row_dimensions[self._rows]  # it was written; kept, they would grow with the sheet

    def _cells(self, row: Mapping[str, str]) -> Iterator[Any]:
        for name in self._columns:
            if not row[name]:
                yield None
            elif name == self._layout.band or name in self._layout.numbers:
                self._number.value = int(row[name])
                yield self._number
            elif name == "link" and self._total <= _MOST_LINKS:
                cell = text_cell(self._sheet)
                cell.hyperlink = row[name]
                cell.font = _LINK_FONT
                yield filled(cell, "open")
            elif name in _ONE_LINE:
                yield filled(self._key, row[name])
            else:
                yield filled(self._cell, quoted(row[name], formulas=False))

    def finish(self, path: Path) -> None:
        for title, fill in self._layout.pages:
            fill(self._book.create_sheet(title))
        self._book.save(path)


def _fit_on_paper(sheet: Any) -> None:
    """Print it as wide as the page and as long as it is, so that no column is cut off or apart."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def row_height(cells: Iterable[tuple[int, int]]) -> int:
    """Return a row's height in points for cells of so many characters in columns so many wide.

    LibreOffice does not fit rows of a file that states no heights: long cells would lie over the rows below.
    """
    lines = max((-(-length // max(1, width - 1)) for length, width in cells), default=1)
    return _LINE_POINTS * min(max(lines, 1), _MOST_LINES)


def text_cell(sheet: Any) -> Any:
    """Return a cell of the text type."""
    cell = WriteOnlyCell(sheet)
    cell.number_format = _TEXT_FORMAT
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    cell.border = _LINE_BELOW
    return cell


def filled(cell: Any, text: str) -> Any:
    """Put text in a cell as text: openpyxl alone would make a formula of a leading equals sign."""
    cell.value = None
    cell._value = text  # the setter is what guesses the type
    cell.data_type = "s"
    return cell


def head_cell(sheet: Any, name: str, *, answer: bool = False) -> Any:
    """Return a cell of the heading; green where people answer."""
    cell = WriteOnlyCell(sheet, name)
    cell.font = Font(name=_FONT, bold=True, color="FFFFFF")
    cell.fill = _ANSWER_FILL if answer else _READ_FILL
    cell.alignment = Alignment(wrap_text=True, vertical="center")
    return cell


def help_page(sheet: Any, words_of: Path) -> None:
    """Fill a page of help from a file with heading, tab and words on each line."""
    sheet.column_dimensions["A"].width = 26
    sheet.column_dimensions["B"].width = 110
    _fit_on_paper(sheet)
    for number, line in enumerate(words_of.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, words = line.partition("\t")
        head = filled(text_cell(sheet), name)
        head.font = Font(name=_FONT, bold=True)
        sheet.row_dimensions[number].height = row_height([(len(words), 110)])
        sheet.append([head, filled(text_cell(sheet), words)])
