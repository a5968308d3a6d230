"""Reads the raw rows of a schedule document, as a process: ``python -m retention.schedule_worker PATH``.

A document from outside is hostile until read: this process has limits on memory and processor time, and the
caller kills it when it takes too long. It prints one JSON object: what the tables hold, row by row, or an
error code. What the rows mean is decided by ``schedule_import``.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MEMORY_BYTES = 3 << 30
PROCESSOR_S = 1_200
PAGES = 1_000
_MOST_HEIGHTS = 2_000
ROWS = 20_000
CELL_CHARACTERS = 65_536
CHARACTERS = 32 << 20
UNPACKED_BYTES = 256 << 20
MEMBERS = 5_000
FRONT_LINES = 120
"""Lines before the first schedule table in which name, version and date are looked for."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One table row as it stands.

    Attributes:
        page: 1-based page, or None where the format has no pages (DOCX).
        table: 1-based number of the table in the document.
        row: 1-based row in that table.
        cells: Text of each cell, its lines separated by a newline.
        title: The bold lines at the head of the second cell, or empty.
        heading: The section the row stands in, outermost first.
        tops_page: It is in the first table of its page, before any other row but headers.
        goes_on: Its first cell is the same (merged) cell as in the row above.
    """

    page: int | None
    table: int
    row: int
    cells: tuple[str, ...]
    title: str = ""
    heading: tuple[str, ...] = ()
    tops_page: bool = False
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class RawSchedule:
    """What a document holds.

    Attributes:
        front: The lines before its first table of four columns.
        rows: All table rows, in order.
        loose: Lines outside tables that begin with a disposition authority number, each with its page (0 for
            DOCX).
    """

    front: tuple[str, ...]
    rows: tuple[RawRow, ...]
    loose: tuple[tuple[int, str], ...] = ()


class TooMuch(Exception):  # noqa: N818 - a limit, told to the caller as a code
    """A limit was reached; its text is the code."""


_HEADING = re.compile(r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,2})\.?\s+(?P<words>[A-Z][A-Z0-9 ,/&()'’–-]{2,80})")
_SPACES = re.compile(r"[^\S\n]+")
_NO_GLYPH = re.compile(r"^\(cid:\d+\)")
DAN = r"[A-Z]{2,4}\d{2,4}(?:-\d{2}[A-Z]?)?-\d{2,3}[A-Z]?"
"""A disposition authority number: ``GS50-01-12``, ``GS2010-001``, ``GS55-05A-13``."""
_LOOSE = re.compile(rf"{DAN}\b")
_HEADER = (
    ("disposition authority number (dan)", "disposition authority number", "disposition authority"),
    ("description of records", "description"),
    ("retention and disposition action", "retention and disposition"),
    ("designation",),
)
_HEADER_CELLS = tuple(spellings[0] for spellings in _HEADER)


def is_header(cells: tuple[str, ...]) -> bool:
    """Say whether a row is the header of a schedule table (repeated on every page), and nothing else."""
    rest = split_header(cells)
    return rest is not None and not any(rest)


def split_header(cells: tuple[str, ...]) -> tuple[str, ...] | None:
    """Take the header's words off the head of a row's cells.

    Returns:
        What is left of each cell: nothing for a plain header, the text of a row where the ruling between the
        two is missing (a row that goes on from the page before); None when the row begins with no header.
    """
    if len(cells) != len(_HEADER):
        return None
    left = []
    for cell, spellings in zip(cells, _HEADER, strict=True):
        rest = _without(cell, spellings)
        if rest is None:
            return None
        left.append(rest)
    return tuple(left)


def _without(cell: str, spellings: tuple[str, ...]) -> str | None:
    lines = cell.split("\n")
    for count in range(min(len(lines), 8), 0, -1):
        if " ".join(lines[:count]).lower() in spellings:
            return "\n".join(lines[count:])
    return None


class _Headings:
    """Keeps the section a row stands in."""

    def __init__(self) -> None:
        self._path: dict[int, str] = {}

    def take(self, line: str) -> bool:
        """Take a line as a heading if it is one: ``1.2 ADMINISTRATION``."""
        found = _HEADING.fullmatch(line.strip())
        if found is None:
            return False
        level = found["number"].count(".")
        self._path = {n: words for n, words in self._path.items() if n < level}
        self._path[level] = found["words"].strip().title().replace("’S", "’s").replace("'S", "'s")
        return True

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self._path[level] for level in sorted(self._path))


def _is_heading(cells: tuple[str, ...], headings: _Headings) -> bool:
    """Take a section heading that is set as a row of its own inside the table."""
    words = [cell for cell in cells if cell]
    return len(words) == 1 and headings.take(" ".join(words[0].split()))


def _clean(text: str | None) -> str:
    text = (text or "").replace("\x00", "")
    if len(text) > CELL_CHARACTERS:
        raise TooMuch("cell")
    # a bullet of a symbol font that says no character comes out as its glyph's number
    lines = (_NO_GLYPH.sub("•", _SPACES.sub(" ", line).strip()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


class _Rows:
    """Collects rows up to the limits."""

    def __init__(self) -> None:
        self.rows: list[RawRow] = []
        self.loose: list[tuple[int, str]] = []
        self._characters = 0

    @property
    def in_schedule(self) -> bool:
        """Whether a table of four columns was seen."""
        return any(len(row.cells) == 4 for row in self.rows)

    def add(self, row: RawRow) -> None:
        self.rows.append(row)
        self._characters += sum(map(len, row.cells))
        if len(self.rows) > ROWS or self._characters > CHARACTERS:
            raise TooMuch("rows")

    def add_loose(self, page: int, line: str) -> None:
        if _LOOSE.match(line):
            self.loose.append((page, line[:200]))
            if len(self.loose) > ROWS:
                raise TooMuch("rows")


# --- PDF -----------------------------------------------------------------------------------------------


def read_pdf(path: Path) -> RawSchedule:
    """Read every ruled table of a PDF.

    Raises:
        TooMuch: A limit was reached.
    """
    import pdfplumber  # heavy, and only for PDF

    front: list[str] = []
    rows = _Rows()
    headings, tables = _Headings(), 0
    with pdfplumber.open(path) as pdf:
        if len(pdf.pages) > PAGES:
            raise TooMuch("pages")
        for page in pdf.pages:
            rulings = {"explicit_horizontal_lines": _missing_rulings(page)}
            found = sorted(page.find_tables(table_settings=rulings), key=lambda table: table.bbox[1])
            lines = _lines_outside(page, found)
            for _, line in lines:
                rows.add_loose(page.page_number, line)
            for position, table in enumerate(found):
                for line in _take_above(lines, table.bbox[1]):
                    _note(line, headings, front, rows)
                tables += 1
                for row in _pdf_rows(page, table, tables, headings, is_first=position == 0):
                    rows.add(row)
            for _, line in lines:
                _note(line, headings, front, rows)
            page.close()
    return RawSchedule(tuple(front), tuple(rows.rows), tuple(rows.loose))


def _missing_rulings(page: Any) -> list[float]:
    """Return the heights where every vertical ruling of a table ends: there a row ends, ruled or not.

    A row that goes on over a page break is often not closed by a line, and would be lost with all it holds.
    """
    uprights = [(e["x0"], e["top"], e["bottom"]) for e in page.edges if e["orientation"] == "v"]
    heights = sorted({round(end) for _, top, bottom in uprights for end in (top, bottom)})
    if len(heights) > _MOST_HEIGHTS:
        return []
    out: list[float] = []
    for height in heights:
        touching = [u for u in uprights if u[1] - 1 <= height <= u[2] + 1]
        across = {round(x) for x, _, _ in touching}
        ending = {
            round(x) for x, top, bottom in touching if min(abs(top - height), abs(bottom - height)) <= 1
        }
        if len(across) > 1 and across == ending:
            out.append(height)
    return out


def _note(line: str, headings: _Headings, front: list[str], rows: _Rows) -> None:
    headings.take(line)
    if len(front) < FRONT_LINES and not rows.in_schedule:
        front.append(line)


def _lines_outside(page: Any, tables: list[Any]) -> list[tuple[float, str]]:
    """Return the lines of a page that no table holds, with their place from the top."""
    boxes = [table.bbox for table in tables]

    def outside(thing: dict[str, Any]) -> bool:
        middle_x, middle_y = (thing["x0"] + thing["x1"]) / 2, (thing["top"] + thing["bottom"]) / 2
        return not any(x0 <= middle_x <= x1 and top <= middle_y <= bottom for x0, top, x1, bottom in boxes)

    lines = page.filter(outside).extract_text_lines(return_chars=False)
    return [(line["top"], _clean(line["text"])) for line in lines]


def _take_above(lines: list[tuple[float, str]], top: float) -> Iterator[str]:
    while lines and lines[0][0] < top:
        yield lines.pop(0)[1]


def _pdf_rows(page: Any, table: Any, number: int, headings: _Headings, *, is_first: bool) -> Iterator[RawRow]:
    texts = [[_cell_lines(page, box) for box in row.cells] for row in table.rows]
    used = _used_columns(texts)
    tops_page = is_first
    for at, cells in enumerate(texts, 1):
        kept = [cells[column] for column in used if column < len(cells)]
        raw = tuple(_clean("\n".join(text for text, _ in lines)) for lines in kept)
        rest = split_header(raw)
        if rest is not None:
            yield RawRow(page.page_number, number, at, _HEADER_CELLS, heading=headings.path)
            raw = rest
        if not any(raw) or _is_heading(raw, headings):
            continue
        yield RawRow(
            page=page.page_number,
            table=number,
            row=at,
            cells=raw,
            title=_bold_head(kept[1]) if rest is None and len(kept) > 1 else "",
            heading=headings.path,
            tops_page=tops_page,
        )
        tops_page = False


def _used_columns(texts: list[list[list[tuple[str, bool]]]]) -> list[int]:
    """Return the columns of a table; beyond four, those with no text at all are rulings drawn twice."""
    width = max((len(row) for row in texts), default=0)
    if width <= 4:
        return list(range(width))
    return [n for n in range(width) if any(n < len(row) and row[n] for row in texts)]


def _cell_lines(page: Any, box: tuple[float, float, float, float] | None) -> list[tuple[str, bool]]:
    """Return the lines of a cell and whether each is bold."""
    if box is None:
        return []
    lines = page.crop(box, strict=False).extract_text_lines(return_chars=True)
    return [(line["text"], _is_bold(line["chars"])) for line in lines]


def _is_bold(chars: list[dict[str, Any]]) -> bool:
    bold = sum("bold" in str(char.get("fontname", "")).lower() for char in chars)
    return bool(chars) and bold * 2 > len(chars)


def _bold_head(lines: list[tuple[str, bool]]) -> str:
    head: list[str] = []
    for text, bold in lines:
        if not bold:
            break
        head.append(text)
    return _clean("\n".join(head))


# --- DOCX ----------------------------------------------------------------------------------------------


def read_docx(path: Path) -> RawSchedule:
    """Read every table of a DOCX.

    Raises:
        TooMuch: A limit was reached.
    """
    import docx  # heavy, and only for DOCX
    from docx.table import Table

    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MEMBERS or sum(member.file_size for member in members) > UNPACKED_BYTES:
            raise TooMuch("unpacked")
    front: list[str] = []
    rows = _Rows()
    headings, tables = _Headings(), 0
    for block in docx.Document(str(path)).iter_inner_content():
        if isinstance(block, Table):
            tables += 1
            for row in _docx_rows(block, tables, headings):
                rows.add(row)
        else:
            for line in _clean(block.text).split("\n"):
                _note(line, headings, front, rows)
                rows.add_loose(0, line)
    return RawSchedule(tuple(front), tuple(rows.rows), tuple(rows.loose))


def _docx_rows(table: Any, number: int, headings: _Headings) -> Iterator[RawRow]:
    above: Any = None
    for at, row in enumerate(table.rows, 1):
        cells: list[Any] = []
        for cell in row.cells:  # a cell that spans columns is listed once for each
            if not cells or cell._tc is not cells[-1]._tc:
                cells.append(cell)
        first = cells[0]._tc if cells else None
        if _is_heading(tuple(_clean(cell.text) for cell in cells), headings):
            continue
        yield RawRow(
            page=None,
            table=number,
            row=at,
            cells=tuple(_clean(cell.text) for cell in cells),
            title=_docx_title(cells[1]) if len(cells) > 1 and first is not above else "",
            heading=headings.path,
            goes_on=above is not None and first is above,
        )
        above = first


def _docx_title(cell: Any) -> str:
    """Return the first paragraph; of a paragraph with a line break only its bold part."""
    for paragraph in cell.paragraphs:
        if paragraph.text.strip():
            if "\n" not in paragraph.text:
                return _clean(paragraph.text)
            bold = []
            for run in paragraph.runs:
                if run.text.strip() and not run.bold:
                    break
                bold.append(run.text)
            return _clean("".join(bold))
    return ""


# --- the process ---------------------------------------------------------------------------------------


def read(path: Path) -> RawSchedule:
    """Read a document by its first bytes, whatever its name says.

    Raises:
        TooMuch: A limit was reached, or it is neither PDF nor DOCX (code ``format``).
    """
    with path.open("rb") as file:
        head = file.read(1024)
    if b"%PDF-" in head:
        return read_pdf(path)
    if head.startswith(b"PK\x03\x04"):
        return read_docx(path)
    raise TooMuch("format")


def main(path: str) -> int:
    """Read under limits and print JSON: ``{"front", "rows"}`` or ``{"error"}``."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer: dict[str, Any] = asdict(read(Path(path)))
    except TooMuch as limit:
        answer = {"error": str(limit)}
    except MemoryError:
        answer = {"error": "memory"}
    except Exception as error:  # noqa: BLE001 - the boundary: parsers of hostile files raise anything
        names = {type(told).__name__.lower() for told in (error, error.__context__, *error.args)}
        answer = {"error": "password" if any("password" in name for name in names) else "damaged"}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
