"""Reading a coding sheet that came back, and putting its answers in force.

A sheet may have been through Excel or LibreOffice, sorted, filtered, with columns moved or saved in another
form. What cannot be placed is refused by row with what to do about it; good rows are taken. Nothing is
guessed: a cell that a program turned into a date is asked about, not turned back.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from records import tables as t
from records.catalogue import Catalogue
from records.decisions import Decision, Exemption, Hold, Treatment
from records.errors import AccessError, UsageError
from review import decide, exemptions
from review.sheet_form import (
    CODING,
    HOLDS,
    PAGES_PREFIX,
    TREATMENTS,
    Form,
    SheetRow,
    SheetRows,
    key_of,
    unquoted,
)

_HEADING_WITHIN = 10
"""The heading is looked for in so many rows: people put a title above a table."""
_UNPACKED_LIMIT = 2 << 30
_CELL_LIMIT = 1 << 20
_FIELD_LIMIT = 128 << 10
"""Most characters of a field of a CSV file; a cell of a spreadsheet holds 32,767."""
_FORMULA = object()
"""Stands for a formula: its value may be missing or stale, so a person is asked for the value itself."""
_WRONG_CHARSET = "ï»¿"
"""A UTF-8 byte order mark read as Windows-1252: every letter beyond ASCII in the file is spoilt."""
_LOGICAL = {"=TRUE()": True, "=FALSE()": False}
_NOTHING = "Nothing was taken from it"
_SPACES = re.compile(r"[\s_]+")
_DATES = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ T]\d.*)?|\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}[-. ][A-Za-z]{3,9}\.?([-. ]\d{2,4})?"
    r"|[A-Za-z]{3,9}[-. ]\d{2,4}"
)
# 1 and 0: what LibreOffice makes of a yes-or-no cell in CSV
YES_WORDS, NO_WORDS = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0"})
_PERSONAL = NO_WORDS | {"personal", "personal matter"}
_ONLY_ASSIGNS = frozenset({"reviewer"})
"""A row with nothing but these is not answered yet: offices share out the work by filling them in first."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that could not be taken.

    Attributes:
        row: Its number in the sheet, as the spreadsheet shows it.
        item_id: The row key as written.
        problem: What is wrong, and what to do.
    """

    row: int
    item_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class SheetResult:
    """What became of a sheet: rows with answers = applied + unchanged + refused.

    Attributes:
        applied: Rows whose answers are new.
        unchanged: Rows whose answers were in force already.
        carried: Records without an answer of their own that took their family's on *responsive*.
        empty: Rows without an answer.
        refused: Rows that could not be taken, in the sheet's order.
    """

    applied: int
    unchanged: int
    carried: int
    empty: int
    refused: tuple[Refused, ...]


# --- from a file to rows -------------------------------------------------------------------------------


def read_sheet(path: Path, form: Form = CODING) -> SheetRows:
    """Read a sheet, XLSX or CSV by its content.

    Columns may stand in any order, others may stand between them, and a heading may be written with spaces or
    capitals. CSV may be UTF-8, UTF-16 or Windows-1252, with comma, semicolon or tab.

    Raises:
        AccessError: The file cannot be opened.
        UsageError: It is no such sheet: another format, a column missing, doubled or misspelt. The message
            names the file, the columns in question and the columns that are expected.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise AccessError(f"{path.name} cannot be opened: {error.strerror}") from error
    if head.startswith(b"PK\x03\x04"):
        return _from_table(path.name, _xlsx_tables(path), form)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise UsageError(f"{path.name} is in the old .xls form: save it as .xlsx or .csv")
    return _from_table(path.name, [_csv_rows(path, form)], form)


def _xlsx_tables(path: Path) -> Iterator[Iterator[Sequence[Any]]]:
    with path.open("rb") as file:  # opened here, so that it is closed when the reader gives up half-way
        with _damage_named(path):
            with zipfile.ZipFile(file) as parts:
                if "mimetype" in parts.namelist():
                    raise UsageError(f"{path.name} is an OpenDocument file: save it as .xlsx or .csv")
                if sum(info.file_size for info in parts.infolist()) > _UNPACKED_LIMIT:
                    raise UsageError(f"{path.name} unpacks to more than {_UNPACKED_LIMIT >> 30} GiB")
            book = load_workbook(file, read_only=True, keep_links=False)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # the size a program wrote into the file may be wrong
            yield _xlsx_rows(path, sheet)


def _xlsx_rows(path: Path, sheet: Any) -> Iterator[Sequence[Any]]:
    with _damage_named(path):
        for cells in sheet.iter_rows():
            yield [_value(cell) for cell in cells]


def _value(cell: Any) -> Any:
    """Return what a cell holds; LibreOffice writes a yes-or-no cell as the formula ``TRUE()``."""
    if cell.data_type != "f":
        return cell.value
    return _LOGICAL.get(str(cell.value).upper(), _FORMULA)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Turn what the zip and XML readers raise on damage into one error (SyntaxError is XML's)."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        InvalidFileException,
        LookupError,
        ValueError,
        TypeError,
    ) as error:
        raise UsageError(f"{path.name} is damaged or no .xlsx file: save it anew") from error
    except (SyntaxError, EOFError, NotImplementedError, AttributeError, OSError) as error:
        raise UsageError(f"{path.name} is damaged or no .xlsx file: save it anew") from error


def _csv_rows(path: Path, form: Form) -> Iterator[Sequence[Any]]:
    text = _decoded(path.read_bytes())
    first, _, rest = text.partition("\n")
    if first.strip().casefold().startswith("sep="):  # Excel's own hint
        text = rest
    csv.field_size_limit(_FIELD_LIMIT)  # of the whole process: what read a table before may have raised it
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, form), strict=False)
    except csv.Error as error:
        raise UsageError(f"{path.name} is no CSV file: save it anew as CSV (UTF-8)") from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Excel's plain "CSV" on Windows
        return data.decode("cp1252", "replace")


def _delimiter(text: str, form: Form) -> str:
    """Return the separator that makes the most known columns of the first lines."""

    def known(delimiter: str) -> int:
        lines = csv.reader(io.StringIO(text[:_CELL_LIMIT], newline=""), delimiter=delimiter)
        best = 0
        for _, line in zip(range(_HEADING_WITHIN), lines, strict=False):
            best = max(best, sum(_heading(cell) in form.columns for cell in line))
        return best

    try:
        return max(",;\t", key=known)
    except csv.Error:
        return ","


def _from_table(name: str, tables: Iterable[Iterable[Sequence[Any]]], form: Form) -> SheetRows:
    likest: list[str] = []
    for table in tables:
        rows = iter(table)
        for number, cells in zip(range(1, _HEADING_WITHIN + 1), rows, strict=False):
            if any(_WRONG_CHARSET in str(cell) for cell in cells):
                raise UsageError(
                    f"{name} was opened in the wrong character set: open it as UTF-8. {_NOTHING}"
                )
            headings = [_heading(cell) for cell in cells]
            if form.key in headings:
                places = _places(name, headings, form)
                return SheetRows(frozenset(places), tuple(_table_rows(rows, places, number + 1, form)))
            if sum(h in form.columns for h in headings) > sum(h in form.columns for h in likest):
                likest = headings
    raise _lacks(name, [column for column in form.required if column not in likest], form)


def _lacks(name: str, missing: Sequence[str], form: Form) -> UsageError:
    return UsageError(
        f"{name} lacks the column {', '.join(missing)}; a {form.name} has the columns "
        f"{', '.join((form.key, *form.answers))}. {_NOTHING}"
    )


def _heading(cell: Any) -> str:
    return _SPACES.sub("_", _text(cell)).strip("_").casefold()


def _places(name: str, headings: Sequence[str], form: Form) -> dict[str, int]:
    """Return where the known columns stand.

    Raises:
        UsageError: One is missing, doubled, or probably misspelt.
    """
    known = (form.key, *form.answers, *form.stated)
    missing = [column for column in form.required if column not in headings]
    if missing:
        raise _lacks(name, missing, form)
    doubled = sorted({c for c in headings if c in known and headings.count(c) > 1})
    if doubled:
        raise UsageError(f"{name} has the column {', '.join(doubled)} twice: remove one. {_NOTHING}")
    absent = [column for column in form.answers if column not in headings]
    for heading in headings:
        if heading and heading not in form.columns:
            meant = difflib.get_close_matches(heading, absent, 1, 0.8)
            if meant:
                raise UsageError(f"{name} has a column {heading[:40]}; did you mean {meant[0]}? {_NOTHING}")
    return {column: headings.index(column) for column in known if column in headings}


def _table_rows(
    rows: Iterator[Sequence[Any]], places: Mapping[str, int], first: int, form: Form
) -> Iterator[SheetRow]:
    for number, cells in enumerate(rows, start=first):
        here = {column: cells[place] for column, place in places.items() if place < len(cells)}
        texts = {column: unquoted(_text(cell)) for column, cell in here.items()}
        answers = {column: text for column, text in texts.items() if text}
        key = answers.pop(form.key, "")
        stated = {column: answers.pop(column) for column in form.stated if column in answers}
        formulas = tuple(
            column for column, cell in here.items() if cell is _FORMULA and column not in form.stated
        )
        if key or answers or formulas:
            yield SheetRow(number, key, answers, formulas, stated)


def _text(cell: Any) -> str:
    """Return a cell as a person reads it: line ends as LF, whole numbers without a point."""
    if cell is None or cell is _FORMULA:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time | timedelta):
        return cell.isoformat() if not isinstance(cell, timedelta) else str(cell)
    return str(cell).replace("_x000D_", "").replace("\r\n", "\n").replace("\r", "\n").strip()


# --- from a row to answers -----------------------------------------------------------------------------


@dataclass
class _Reading:
    """One row being read: what was understood, and what was not."""

    row: SheetRow
    problems: list[str] = field(default_factory=list)

    def get(self, column: str) -> str:
        return self.row.answers.get(column, "")

    def word(self, column: str, words: Sequence[str]) -> None:
        """Note that a cell holds none of the words it may hold."""
        self.problems.append(f"{column} is {', '.join(words)} or empty, not {shown(self.get(column))}")


def shown(text: str) -> str:
    """Return what a cell holds as a message quotes it, cut to 40 characters."""
    return f"“{text[:40]}…”" if len(text) > 40 else f"“{text}”"


def decision_of(
    row: SheetRow, columns: frozenset[str], before: Decision | None
) -> tuple[Decision, list[str]]:
    """Return the answers of a row, and what is wrong with them in plain words.

    Args:
        row: The row.
        columns: Columns the sheet has; of an answer without a column, the one in force stays.
        before: The decision in force, or None.
    """
    reading = _Reading(row)
    public = _public(reading)
    codes = [
        part.strip().casefold() for part in re.split(r"[;\n]", reading.get("exemption_code")) if part.strip()
    ]
    facts, claims = _claims(reading, codes, public=public)
    kept = before or Decision(public_record=True)
    pages = _pages(reading) if "pages_to_redact" in columns else kept.pages_to_redact
    decision = Decision(
        public_record=public,
        facts=facts,
        responsive=_yes_or_no(reading),
        treatment=_treatment(reading),
        exemptions=claims,
        holds=_holds(reading),
        pages_to_redact=pages,
        installment=_installment(reading) if "installment" in columns else kept.installment,
        note=reading.get("note"),
    )
    if not reading.problems:
        reading.problems = decide.check(decision, exemptions.load())
    return decide.tidy(decision), reading.problems


def _public(reading: _Reading) -> bool:
    word = _SPACES.sub(" ", reading.get("public_record").casefold())
    if word in _PERSONAL:
        return False
    if not word:
        reading.problems.append("public_record comes first: answer yes, or personal")
    elif word not in YES_WORDS:
        reading.word("public_record", ("yes", "personal"))
    return True


def _yes_or_no(reading: _Reading) -> bool | None:
    word = reading.get("responsive").casefold()
    if word and word not in YES_WORDS | NO_WORDS:
        reading.word("responsive", ("yes", "no"))
    return None if not word else word in YES_WORDS


def _treatment(reading: _Reading) -> Treatment | None:
    word = reading.get("treatment").casefold()
    if not word:
        return None
    if word not in TREATMENTS:
        reading.word("treatment", TREATMENTS)
        return None
    return Treatment(word)


def _holds(reading: _Reading) -> tuple[Hold, ...]:
    words = [
        _SPACES.sub("_", part.strip()).casefold()
        for part in re.split(r"[;,\n]", reading.get("hold"))
        if part.strip()
    ]
    if any(word not in HOLDS for word in words):
        reading.word("hold", HOLDS)
        return ()
    return tuple(Hold(word) for word in words)


def _claims(reading: _Reading, codes: Sequence[str], *, public: bool) -> tuple[str, tuple[Exemption, ...]]:
    """Return the facts of a personal matter, or the exemptions claimed."""
    text = reading.get("explanation")
    if not public:
        return text, tuple(Exemption(code, "") for code in codes)
    if not codes:
        if text:
            reading.problems.append(
                "explanation needs an exemption_code beside it; a remark for the office goes under note"
            )
        return "", ()
    parts = [part.strip() for part in re.split(r"\s\|\s", text)]
    if len(parts) == 1:
        parts *= len(codes)
    if len(parts) != len(codes):
        reading.problems.append(
            f"{len(codes)} codes but {len(parts)} explanations: write one for all, or one each with | between"
        )
        return "", ()
    return "", tuple(Exemption(*claim) for claim in zip(codes, parts, strict=True))


def _pages(reading: _Reading) -> str:
    text = reading.get("pages_to_redact")
    if _DATES.fullmatch(text):
        reading.problems.append(f"a spreadsheet turned pages_to_redact into a date ({text}): write p 1-3")
    if text.startswith(PAGES_PREFIX):
        return text.removeprefix(PAGES_PREFIX).strip()
    return text[1:] if re.match(r"p\d", text) else text


def _installment(reading: _Reading) -> int | None:
    text = reading.get("installment")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", text):
        reading.problems.append(f"installment is a number from 1 or empty, not {shown(text)}")
        return None
    return int(text)


# --- from answers to decisions -------------------------------------------------------------------------


def apply_sheet(catalogue: Catalogue, request_id: str, path: Path, by: str) -> SheetResult:
    """Put the answers of a coding sheet in force.

    Answers are recorded for the request's present version. Rows that cannot be placed are refused one by one;
    a family whose rows disagree is refused as a whole, and everything else is taken.

    Args:
        catalogue: Where the request is.
        request_id: The request.
        path: The sheet.
        by: Who hands it in; the ``reviewer`` column may name another who decided.

    Raises:
        AccessError: The file cannot be opened.
        UsageError: The request is not there, no name was given, or the file is no coding sheet; nothing was
            taken from it.
    """
    if not by.strip():
        raise UsageError("decisions need the name of the person who hands them in")
    version = _version(catalogue, request_id)
    sheet = read_sheet(path)
    answered = [row for row in sheet.rows if row.formulas or set(row.answers) - _ONLY_ASSIGNS]
    with catalogue.read() as connection:
        known = decide.places(connection, request_id, [row.item_id for row in answered if row.item_id])
        before = {k: v[1] for k, v in decide.decisions_of(connection, request_id, known).items()}
    refused, rows, answers = _understood(answered, sheet.columns, known, before, request_id)
    for refusal in _disagreeing(rows, known, answers, before):
        refused.append(refusal[1])
        del answers[refusal[0]]
    bad = {row.item_id for row in answered if row.item_id} - set(answers)
    final = decide.spread(known, answers, before, bad)
    changed = {item_id: decision for item_id, decision in final.items() if before.get(item_id) != decision}
    if changed:
        reviewers = _reviewers(rows, known, changed)
        decide.record(
            catalogue, request_id, version, changed, by, source="sheet", reviewers=reviewers, untouched=bad
        )
    applied = sum(1 for item_id in answers if item_id in changed)
    refused.sort(key=lambda refusal: refusal.row)
    return SheetResult(
        applied=applied,
        unchanged=len(answered) - applied - len(refused),
        carried=len(changed) - applied,
        empty=len(sheet.rows) - len(answered),
        refused=tuple(refused),
    )


def _version(catalogue: Catalogue, request_id: str) -> int:
    r = t.requests.c
    with catalogue.read() as connection:
        version = connection.scalar(sa.select(r.version).where(r.request_id == request_id))
    if version is None:
        raise UsageError(f"there is no request {request_id}")
    return int(version)


def _understood(
    answered: Sequence[SheetRow],
    columns: frozenset[str],
    known: Mapping[str, decide.Place],
    before: Mapping[str, Decision],
    request_id: str,
) -> tuple[list[Refused], dict[str, SheetRow], dict[str, Decision]]:
    """Read every row; return refusals, and row and answers of each item that has exactly one opinion."""
    refused: list[Refused] = []
    read: dict[str, list[tuple[SheetRow, Decision]]] = defaultdict(list)
    for row in answered:
        problem = misplaced(row, known, request_id)
        if not problem:
            decision, wrong = decision_of(row, columns, before.get(row.item_id or ""))
            problem = "; ".join(wrong)
        if problem:
            refused.append(refused_row(row, problem))
        else:
            read[row.item_id or ""].append((row, decision))
    rows: dict[str, SheetRow] = {}
    answers: dict[str, Decision] = {}
    for item_id, opinions in read.items():
        if any(decision != opinions[0][1] for _, decision in opinions):
            numbers = ", ".join(str(row.number) for row, _ in opinions)
            problem = f"rows {numbers} answer differently for the same record: keep one"
            refused += [refused_row(row, problem) for row, _ in opinions]
        else:
            rows[item_id], answers[item_id] = opinions[0]
    return refused, rows, answers


def misplaced(row: SheetRow, known: Mapping[str, decide.Place], request_id: str) -> str:
    """Say why a row cannot be read or its key leads nowhere; empty when neither is so."""
    if row.formulas:
        return f"{', '.join(row.formulas)} holds a formula: copy the cell and paste it as a value"
    if not row.key:
        return "item_id is empty: copy the row again from the sheet that was written"
    if row.item_id is None:
        return "item_id is no row key (was it changed?): copy it again from the sheet that was written"
    place = known.get(row.item_id)
    if place is None:
        return f"request {request_id} has no such record: is the sheet another request's?"
    if not place.stored:
        return "this record could not be collected, so there is nothing to decide on: remove the row"
    return ""


def _disagreeing(
    rows: Mapping[str, SheetRow],
    known: Mapping[str, decide.Place],
    answers: Mapping[str, Decision],
    before: Mapping[str, Decision],
) -> Iterator[tuple[str, Refused]]:
    """Yield the rows of families that would be responsive and not responsive at once."""
    for members in decide.disagreements(known, answers, before).values():
        here = sorted(rows[item_id].number for item_id in members if item_id in answers)
        elsewhere = [item_id for item_id in members if item_id not in answers]
        problem = (
            "responsive is one answer for a record and all it carries, but its family has yes and no "
            f"(rows {', '.join(map(str, here[:20]))}"
        )
        if elsewhere:
            problem += f", and {len(elsewhere)} answered earlier, {key_of(elsewhere[0])} first"
        problem += "): give all of them the same answer"
        for item_id in members:
            if item_id in answers:
                yield item_id, refused_row(rows[item_id], problem)


def _reviewers(
    rows: Mapping[str, SheetRow], known: Mapping[str, decide.Place], changed: Iterable[str]
) -> dict[str, str]:
    """Return who decided: the row's reviewer; for an answer that was carried over, the family's first."""
    of_unit: dict[str, str] = {}
    for item_id, row in rows.items():
        name = row.answers.get("reviewer", "")
        if name:
            of_unit.setdefault(known[item_id].unit_id, name)
    out = {}
    for item_id in changed:
        row_of = rows.get(item_id)
        name = row_of.answers.get("reviewer", "") if row_of else of_unit.get(known[item_id].unit_id, "")
        if name:
            out[item_id] = name
    return out


def refused_row(row: SheetRow, problem: str) -> Refused:
    """Return a row's refusal."""
    return Refused(row.number, row.key[:60], problem)
