"""Writing the coding sheet: XLSX or CSV, one row a family member, families never apart.

Rows are made piece by piece and written as they come, so memory does not grow with the sheet beyond the list
of families. Answers in force are shown; a suggestion is never filled in as an answer.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.formatting.rule import Rule
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.differential import DifferentialStyle
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from records import tables as t
from records.catalogue import Catalogue, chunked
from records.decisions import Decision, Standing, in_review
from records.errors import ItemError, UsageError
from records.evidence import EvidenceStore
from review import exemptions, suggest
from review.families import (
    NOT_IN_REVIEW,
    Family,
    Member,
    hits_of,
    in_pieces,
    local_time,
    members_of,
    people,
    terms_of,
)
from review.families import in_review as families_in_review
from review.sheet_form import (
    ANSWERS,
    BETWEEN_CODES,
    COLUMNS,
    EXCERPT,
    HOLDS,
    ITEM_ID,
    NO,
    PAGES_PREFIX,
    PERSONAL,
    PUBLIC,
    TREATMENTS,
    YES,
    key_of,
    one_line,
    plain,
    quoted,
)

DEFAULT_VIEW_URL = "http://127.0.0.1:8421"
MOST_ROWS = 1_048_575
"""Rows an XLSX sheet can hold below its heading."""
_MOST_LINKS = 60_000
"""Excel refuses more than 65,530 links in a sheet; above, the address is plain text."""
_LINE = 500


@dataclass(frozen=True, slots=True)
class _Job:
    """What every row of one sheet needs."""

    catalogue: Catalogue
    store: EvidenceStore
    request_id: str
    version: int
    zone: ZoneInfo
    view_url: str
    standing: Mapping[str, Standing]
    terms: Mapping[int, str]


def write_sheet(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    out: Path,
    version: int,
    *,
    zone: ZoneInfo,
    view_url: str | None = None,
    split_rows: int | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the coding sheet of every family in review.

    Args:
        catalogue: Where the rows are.
        store: The request's evidence, for the first characters of each text.
        request_id: The request.
        out: ``….xlsx`` or ``….csv``.
        version: Of the scope and terms.
        zone: The zone people read times in.
        view_url: Where ``daylight view`` answers, without a slash at the end; None for its usual place.
        split_rows: Start a new file after about so many rows, at a family's end only; a family that is larger
            has a file of its own. The files are named ``…-1``, ``…-2``. None: one file.
        overwrite: Replace files that are there; otherwise they are left alone (they may hold answers).

    Returns:
        The files, in reading order.

    Raises:
        UsageError: The suffix is another, a file is there already, or the rows do not fit one XLSX sheet.
    """
    if out.suffix not in {".xlsx", ".csv"}:
        raise UsageError("a coding sheet is an .xlsx or a .csv file: name it so")
    if split_rows is not None and split_rows < 1:
        raise UsageError("a sheet is split after at least one row")
    with catalogue.read() as connection:
        standing = in_review(connection, request_id, version)
        families = families_in_review(connection, request_id, standing)
        terms = terms_of(connection, request_id, version)
    parts = list(_parts(families, split_rows))
    if out.suffix == ".xlsx" and any(sum(f.members for f in part) > MOST_ROWS for part in parts):
        raise UsageError(f"more than {MOST_ROWS} rows do not fit an .xlsx sheet: split it, or write .csv")
    paths = [out] if len(parts) == 1 else [_numbered(out, no) for no in range(1, len(parts) + 1)]
    there = [path.name for path in paths if path.exists()]
    if there and not overwrite:
        raise UsageError(f"{', '.join(there)} is there already and may hold answers: name another file")
    address = (view_url or DEFAULT_VIEW_URL).rstrip("/")
    job = _Job(catalogue, store, request_id, version, zone, address, standing, terms)
    first = 1
    for path, part in zip(paths, parts, strict=True):
        _write(job, path, part, first)
        first += len(part)
    return paths


def _numbered(out: Path, number: int) -> Path:
    return out.with_name(f"{out.stem}-{number}{out.suffix}")


def _parts(families: Sequence[Family], split_rows: int | None) -> Iterator[list[Family]]:
    """Cut at family borders only; at least one part, so that an empty review gives an empty sheet."""
    part: list[Family] = []
    rows = 0
    for family in families:
        if part and split_rows is not None and rows + family.members > split_rows:
            yield part
            part, rows = [], 0
        part.append(family)
        rows += family.members
    yield part


# --- rows ----------------------------------------------------------------------------------------------


def _rows(job: _Job, families: Sequence[Family], first: int) -> Iterator[dict[str, str]]:
    number = first
    for piece in in_pieces(families):
        ids = [family.family_id for family in piece]
        with job.catalogue.read() as connection:
            members = members_of(connection, job.request_id, ids)
            hits = hits_of(connection, job.request_id, job.version, ids)
            deciders = _deciders(connection, job, [m.item_id for group in members.values() for m in group])
        texts = excerpts(job.store, [m for group in members.values() for m in group])
        for family_id in ids:
            yield from _family_rows(job, number, members[family_id], hits, texts, deciders)
            number += 1


def _family_rows(
    job: _Job,
    number: int,
    members: Sequence[Member],
    hits: Mapping[str, list[tuple[int, int]]],
    texts: Mapping[str, str],
    deciders: Mapping[str, str],
) -> Iterator[dict[str, str]]:
    stored = [m for m in members if m.stored]
    failed = [m for m in members if not m.stored]
    addresses = [address for member in members for _, address in member.everybody]
    for place, member in enumerate(stored, start=1):
        own = hits.get(member.item_id, [])
        terms = [job.terms.get(no, f"term {no}") for no, _ in own]
        suggestions = suggest.suggest(member.kind, addresses, terms)
        carried = [m for m in members if m.parent_id == member.item_id]
        lost = [m for m in failed if m.parent_id == member.item_id]
        standing = job.standing.get(member.item_id, NOT_IN_REVIEW)
        row = {
            ITEM_ID: key_of(member.item_id),
            "family": str(number),
            "member": "parent" if member.level == 0 else f"part {place - 1} of {len(stored) - 1}",
            "date_time": one_line(local_time(member, job.zone), _LINE),
            "from": one_line(people(member.sender), _LINE),
            "to": one_line(people(member.to + member.cc + member.bcc + member.participants), _LINE),
            "subject_or_file": one_line(member.title, _LINE),
            "first_300_characters": texts.get(member.item_id, ""),
            "why_it_hit": one_line(_why(own, terms), _LINE),
            "attachments": _attachments(carried, lost),
            "kind": member.kind,
            "custodian": one_line(member.custodian_id, _LINE),
            "where_it_stands": _stands(standing),
            "link": f"{job.view_url}/r/{job.request_id}/i/{member.item_id}",
            "suggestion": one_line("; ".join(s.text for s in suggestions), _LINE),
        }
        row.update(_answers(standing.decision, deciders.get(member.item_id, "")))
        yield row


def _why(own: Sequence[tuple[int, int]], terms: Sequence[str]) -> str:
    if not own:
        return "in the family of a record that hit"
    return "; ".join(f"{term} ({count}×)" for term, (_, count) in zip(terms, own, strict=True))


def _attachments(carried: Sequence[Member], lost: Sequence[Member]) -> str:
    if not lost:
        return str(len(carried))
    reasons = ", ".join(sorted({m.reason or "unknown" for m in lost}))
    return f"{len(carried)}, of which {len(lost)} could not be taken out ({reasons})"


def _stands(standing: Standing) -> str:
    state = standing.state.value.replace("_", " ")
    return f"{state}: awaits {standing.awaits.value.replace('_', ' ')}" if standing.awaits else state


def _answers(decision: Decision | None, decider: str) -> dict[str, str]:
    if decision is None:
        return dict.fromkeys(ANSWERS, "")
    if decision.public_record:
        explanations = [e.explanation for e in decision.exemptions]
        same = len(set(explanations)) == 1
        explanation = explanations[0] if same else " | ".join(explanations)
    else:
        explanation = decision.facts
    responsive = {None: "", True: YES, False: NO}[decision.responsive]
    pages = f"{PAGES_PREFIX}{decision.pages_to_redact}" if decision.pages_to_redact else ""
    texts = {
        "public_record": PUBLIC if decision.public_record else PERSONAL,
        "responsive": responsive,
        "treatment": decision.treatment.value if decision.treatment else "",
        "exemption_code": f"{BETWEEN_CODES} ".join(e.code for e in decision.exemptions),
        "explanation": explanation,
        "pages_to_redact": pages,
        "hold": f"{BETWEEN_CODES} ".join(hold.value for hold in decision.holds),
        "installment": str(decision.installment) if decision.installment else "",
        "reviewer": decider,
        "note": decision.note,
    }
    return {name: plain(text) for name, text in texts.items()}


def _deciders(connection: sa.Connection, job: _Job, item_ids: list[str]) -> dict[str, str]:
    """Return who made the decision in force, of those items that have one."""
    d = t.decisions.c
    out: dict[str, str] = {}
    decided = [item_id for item_id in item_ids if item_id in job.standing and job.standing[item_id].decision]
    for piece in chunked(decided, 500):
        rows = connection.execute(
            sa.select(d.item_id, d.by)
            .where(d.request_id == job.request_id, d.item_id.in_(piece))
            .order_by(d.item_id, d.seq)
        )
        out.update((row.item_id, row.by) for row in rows)  # the newest comes last
    return out


def excerpts(store: EvidenceStore, members: Iterable[Member]) -> dict[str, str]:
    """Return how the texts of members begin, on one line, or in words why that cannot be shown."""
    digests = {m.item_id: m.text_sha256 for m in members if m.stored and m.text_sha256}
    refs = store.find(digests.values())
    out: dict[str, str] = {}
    for item_id, digest in digests.items():
        try:
            ref = refs.get(digest)
            if ref is None:
                out[item_id] = "(the text was removed)"
                continue
            with store.stream(ref) as stream:
                head = stream.read(EXCERPT * 16).decode("utf-8", "ignore")
            out[item_id] = one_line(head, EXCERPT)
        except ItemError as error:
            out[item_id] = f"(the text cannot be read: {error.reason.value})"
    return out


# --- files ---------------------------------------------------------------------------------------------


class _Writer(Protocol):
    def row(self, row: Mapping[str, str]) -> None: ...

    def finish(self, path: Path) -> None: ...


def _write(job: _Job, path: Path, families: Sequence[Family], first: int) -> None:
    """Write one file beside its final name and rename it last: what is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    total = sum(family.members for family in families)
    with _beside(path) as unfinished:
        writer: _Writer = _Xlsx(total) if path.suffix == ".xlsx" else _Csv(unfinished)
        for row in _rows(job, families, first):
            writer.row(row)
        writer.finish(unfinished)


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

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        self._csv.writerow(COLUMNS)

    def row(self, row: Mapping[str, str]) -> None:
        self._csv.writerow([quoted(row[name], formulas=True) for name in COLUMNS])

    def finish(self, path: Path) -> None:  # noqa: ARG002 - it was written there from the start
        self._file.close()


_WIDTHS = {
    ITEM_ID: 14,
    "family": 7,
    "member": 12,
    "date_time": 20,
    "from": 24,
    "to": 28,
    "subject_or_file": 32,
    "first_300_characters": 60,
    "why_it_hit": 24,
    "attachments": 12,
    "kind": 9,
    "custodian": 14,
    "where_it_stands": 18,
    "link": 8,
    "suggestion": 28,
    "public_record": 14,
    "responsive": 12,
    "treatment": 12,
    "exemption_code": 20,
    "explanation": 44,
    "pages_to_redact": 16,
    "hold": 16,
    "installment": 12,
    "reviewer": 16,
    "note": 30,
}
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
    """A workbook that is written row by row, and its two pages of help."""

    def __init__(self, total: int) -> None:
        self._book = Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet("Coding sheet")
        self._total = total
        self._prepare()
        self._sheet.append([_head_cell(self._sheet, name) for name in COLUMNS])
        self._cell = _text_cell(self._sheet)
        self._key = _text_cell(self._sheet)
        self._key.alignment = Alignment(vertical="top")  # one line: nobody reads a key
        self._number = _text_cell(self._sheet)
        self._number.number_format = "0"
        self._rows = 1

    def _prepare(self) -> None:
        sheet, last = self._sheet, max(self._total + 1, 2)
        sheet.freeze_panes = "B2"
        for place, name in enumerate(COLUMNS, start=1):
            column = sheet.column_dimensions[get_column_letter(place)]
            column.width = _WIDTHS[name]
            column.number_format = _TEXT_FORMAT  # for the empty cells, which are not written
            column.alignment = Alignment(wrap_text=True, vertical="top")
        right = get_column_letter(len(COLUMNS))
        sheet.auto_filter.ref = f"A1:{right}{last}"
        family = get_column_letter(COLUMNS.index("family") + 1)
        sheet.conditional_formatting.add(
            f"A2:{right}{last}", Rule("expression", formula=[f"ISODD(${family}2)"], dxf=_BAND)
        )
        codes = len(exemptions.load()) + 1
        self._choices("public_record", f'"{PUBLIC},{PERSONAL}"', last)
        self._choices("responsive", f'"{YES},{NO}"', last)
        self._choices("treatment", f'"{",".join(TREATMENTS)}"', last)
        self._choices("exemption_code", f"Codes!$A$2:$A${codes}", last, several=True)
        self._choices("hold", f'"{",".join(HOLDS)}"', last, several=True)
        key = DataValidation("custom", formula1="FALSE()", allow_blank=False)
        key.errorTitle, key.error = (
            "Row key",
            "This column says which record the row is about: leave it as it is.",
        )
        key.add(f"A2:A{last}")
        sheet.data_validations.append(key)

    def _choices(self, name: str, formula: str, last: int, *, several: bool = False) -> None:
        """Add a drop-down; where several values may stand in a cell, another value is only asked about."""
        column = get_column_letter(COLUMNS.index(name) + 1)
        choice = DataValidation("list", formula1=formula, allow_blank=True)
        choice.errorTitle = name
        choice.errorStyle = "warning" if several else "stop"
        choice.error = (
            f"Several values are separated by {BETWEEN_CODES} and each comes from the list."
            if several
            else "Choose from the list, or leave the cell empty."
        )
        choice.add(f"{column}2:{column}{last}")
        self._sheet.data_validations.append(choice)

    def row(self, row: Mapping[str, str]) -> None:
        self._rows += 1
        height = _height((len(row[name]), _WIDTHS[name]) for name in COLUMNS if name not in _ONE_LINE)
        self._sheet.row_dimensions[self._rows].height = height
        self._sheet.append(self._cells(row))
        del self._sheet.row_dimensions[self._rows]  # it was written; kept, they would grow with the sheet

    def _cells(self, row: Mapping[str, str]) -> Iterator[Any]:
        for name in COLUMNS:
            if not row[name]:
                yield None
            elif name == "family":
                self._number.value = int(row[name])
                yield self._number
            elif name == "link" and self._total <= _MOST_LINKS:
                cell = _text_cell(self._sheet)
                cell.hyperlink = row[name]
                cell.font = _LINK_FONT
                yield _filled(cell, "open")
            elif name in _ONE_LINE:
                yield _filled(self._key, row[name])
            else:
                yield _filled(self._cell, quoted(row[name], formulas=False))

    def finish(self, path: Path) -> None:
        _help_page(self._book.create_sheet("How to use"))
        _codes_page(self._book.create_sheet("Codes"))
        self._book.save(path)


def _height(cells: Iterable[tuple[int, int]]) -> int:
    """Return a row's height in points for cells of so many characters in columns so many wide.

    LibreOffice does not fit rows of a file that states no heights: long cells would lie over the rows below.
    """
    lines = max((-(-length // max(1, width - 1)) for length, width in cells), default=1)
    return _LINE_POINTS * min(max(lines, 1), _MOST_LINES)


def _text_cell(sheet: Any) -> Any:
    cell = WriteOnlyCell(sheet)
    cell.number_format = _TEXT_FORMAT
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    cell.border = _LINE_BELOW
    return cell


def _filled(cell: Any, text: str) -> Any:
    """Put text in a cell as text: openpyxl alone would make a formula of a leading equals sign."""
    cell.value = None
    cell._value = text  # the setter is what guesses the type
    cell.data_type = "s"
    return cell


def _head_cell(sheet: Any, name: str) -> Any:
    cell = WriteOnlyCell(sheet, name)
    cell.font = Font(name=_FONT, bold=True, color="FFFFFF")
    cell.fill = _ANSWER_FILL if name in ANSWERS else _READ_FILL
    cell.alignment = Alignment(wrap_text=True, vertical="center")
    return cell


_HELP = Path(__file__).with_name("sheet_help.txt")
"""Heading, tab, words: one a line."""


def _help_page(sheet: Any) -> None:
    sheet.column_dimensions["A"].width = 26
    sheet.column_dimensions["B"].width = 110
    for number, line in enumerate(_HELP.read_text(encoding="utf-8").splitlines(), start=1):
        name, _, words = line.partition("\t")
        head = _filled(_text_cell(sheet), name)
        head.font = Font(name=_FONT, bold=True)
        sheet.row_dimensions[number].height = _height([(len(words), 110)])
        sheet.append([head, _filled(_text_cell(sheet), words)])


def _codes_page(sheet: Any) -> None:
    widths = {"code": 26, "title": 36, "citation": 32, "summary": 70, "kind": 13, "typical_redaction": 44}
    widths["confidence"] = 13
    sheet.freeze_panes = "A2"
    for place, name in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = widths[name]
    sheet.append([_head_cell(sheet, name) for name in widths])
    for number, rule in enumerate(exemptions.load().values(), start=2):
        lengths = [(len(getattr(rule, name)), width) for name, width in widths.items()]
        sheet.row_dimensions[number].height = _height(lengths)
        sheet.append([_filled(_text_cell(sheet), getattr(rule, name)) for name in widths])
