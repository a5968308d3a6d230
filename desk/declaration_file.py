"""The file of declarations: what each custodian answered about personal devices and accounts, TOML or CSV.

A page on which custodians answer by themselves would give the same ``Answer`` to ``desk.declaring.take_in``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from desk.request import Custodian, Id, Request, Strict, parsed
from records.declarations import PlaceKind
from records.errors import SettingsError, UsageError
from records.toml_text import read_toml
from release.sheets import csv_bytes

_Checked = TypeVar("_Checked", bound=Strict)
_Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Said = Annotated[str, StringConstraints(strip_whitespace=True)]

_ANSWERS = {"yes": True, "true": True, "no": False, "false": False}


def _yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        return value
    answer = _ANSWERS.get(value.strip().casefold()) if isinstance(value, str) else None
    if answer is None:
        raise ValueError("write true or false (yes or no)")
    return answer


def _day(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError("write the day of the answer, such as 2026-09-14") from error
    return value


def _kind(value: object) -> object:
    if value not in set(PlaceKind):
        raise ValueError(f"write one of {', '.join(PlaceKind)}")
    return value


class PlaceAnswer(Strict):
    """One device or account that a custodian used.

    Attributes:
        kind: What it is.
        which: Its number or handle.
        how_searched: How the custodian searched it.
        source: Id of the source of the request that reads it; empty: told by its files.
        files: Files and folders that were handed over, relative to the file of declarations; where there are
            none, nothing was handed over.
        handed_over: What was handed over, in words.
        kept_back: How many records the custodian kept back.
        kept_back_why: Why: the facts that show that they are no public records.
    """

    kind: Annotated[PlaceKind, BeforeValidator(_kind)]
    which: _Words
    how_searched: _Words
    source: _Said = ""
    files: tuple[_Words, ...] = ()
    handed_over: _Said = ""
    kept_back: int = Field(ge=0)
    kept_back_why: _Said = ""

    @model_validator(mode="after")
    def _reasons(self) -> PlaceAnswer:
        if self.kept_back and not self.kept_back_why:
            raise ValueError("records were kept back: say why (`kept_back_why`)")
        if not self.kept_back and self.kept_back_why:
            raise ValueError("there is a reason for keeping back and `kept_back` is 0: say how many")
        return self


class _About(Strict):
    custodian: Id
    used: Annotated[bool, BeforeValidator(_yes_or_no)]
    answered_on: Annotated[date, BeforeValidator(_day)]
    statement: _Said = ""


class Answer(_About):
    """What one custodian answered.

    Attributes:
        custodian: Id of a custodian of the request.
        used: Whether a personal device or account was used for district business on the subject of the
            request in the days asked for.
        answered_on: The day of the answer.
        statement: What else was said.
        places: What was used; none after a no.
    """

    places: tuple[PlaceAnswer, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Answer:
        if self.used and not self.places:
            raise ValueError("the answer is yes: name each device or account (`places`)")
        if self.places and not self.used:
            raise ValueError("the answer is no, and a device or account is named: which is meant?")
        return self


class _File(Strict):
    declarations: tuple[Answer, ...]


class Answers(NamedTuple):
    """A file of declarations as read.

    Attributes:
        answers: In the file's order.
        folder: What its files are relative to.
        sha256: Of the file.
    """

    answers: tuple[Answer, ...]
    folder: Path
    sha256: str


def read_answers(path: Path) -> Answers:
    """Read and check a file of declarations.

    Args:
        path: TOML, or CSV when its name ends so.

    Raises:
        SettingsError: It cannot be read, or something in it is wrong; the message names every such place and
            never what stands there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    answers = _from_csv(data, path) if path.suffix.lower() == ".csv" else _from_toml(data, path)
    twice = sorted(
        {one.custodian for one in answers if [a.custodian for a in answers].count(one.custodian) > 1}
    )
    if twice:
        raise SettingsError(f"{path}: one declaration a custodian, and there are more of {', '.join(twice)}")
    return Answers(answers, path.resolve().parent, hashlib.sha256(data).hexdigest())


def _from_toml(data: bytes, path: Path) -> tuple[Answer, ...]:
    found = parsed(_File, read_toml(data, f"{path}:"), str(path)).declarations
    if not found:
        raise SettingsError(f"{path}: there is no declaration in it")
    return found


# -- CSV: a line a place; the lines of a custodian are one declaration

_PLACE = tuple(PlaceAnswer.model_fields)
COLUMNS = (*_About.model_fields, *_PLACE)
_NEEDED = tuple(name for name, field in _About.model_fields.items() if field.is_required())


def _from_csv(data: bytes, path: Path) -> tuple[Answer, ...]:
    from search.terms import decoded  # slow to load

    reader = csv.DictReader(io.StringIO(decoded(data), newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise SettingsError(f"{path}: line {reader.line_num}: not valid CSV: {error}") from error
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    wrong = [f"unknown column {name}" for name in columns if name not in COLUMNS]
    wrong += [f"column {name} is there twice" for name in COLUMNS if columns.count(name) > 1]
    wrong += [f"the first line lacks the column {name}" for name in _NEEDED if name not in columns]
    if wrong:
        raise SettingsError(f"{path}: {'; '.join(wrong)}")
    lines = [
        _Line(number, dict(zip(columns, _cells(row), strict=False)), None in row) for number, row in rows
    ]
    return tuple(_declared([line for line in lines if any(line.cells.values())], path))


class _Line(NamedTuple):
    number: int
    cells: dict[str, str]
    too_long: bool

    def place(self) -> dict[str, Any]:
        """Return what it says of a place; empty where it names none."""
        said: dict[str, Any] = {name: self.cells[name] for name in _PLACE if self.cells.get(name)}
        if "files" in said:
            said["files"] = [one.strip() for one in said["files"].split(";") if one.strip()]
        return said


def _cells(row: dict[str | Any, Any]) -> Iterator[str]:
    """Return the cells in order, without the apostrophe that keeps a spreadsheet from running one."""
    return ((value or "").strip().removeprefix("'") for name, value in row.items() if name is not None)


def _declared(lines: Sequence[_Line], path: Path) -> Iterator[Answer]:
    """Yield the declarations of a table; raises for all that is wrong in it at once."""
    mine: dict[str, list[_Line]] = {}
    for line in lines:
        mine.setdefault(line.cells["custodian"], []).append(line)
    problems = [f"line {line.number}: more cells than columns" for line in lines if line.too_long]
    made: list[Answer] = []
    for of_one in mine.values():
        first, at = of_one[0], len(problems)
        where = f"line {first.number}"
        about = {name: first.cells.get(name, "") for name in _About.model_fields}
        problems += [
            f"line {line.number}: {name}: not what {where} says"
            for line in of_one[1:]
            for name in about
            if line.cells.get(name, "") not in {"", about[name]}
        ]
        said = [(line.number, line.place()) for line in of_one]
        tried = [_tried(PlaceAnswer, one, f"line {number}", problems) for number, one in said if one]
        _tried(_About, about, where, problems)
        if len(problems) == at:
            whole = _tried(Answer, {**about, "places": tried}, where, problems)
            made += [whole] if whole is not None else []
    if not lines:
        problems.append("there is no declaration in it")
    if problems:
        raise SettingsError(f"{path}: {'; '.join(problems)}")
    yield from made


def _tried(kind: type[_Checked], raw: Any, where: str, problems: list[str]) -> _Checked | None:
    """Return what was read, or None when something is wrong with it, which is added to the problems."""
    try:
        return parsed(kind, raw, where)
    except SettingsError as error:
        problems.append(str(error))
        return None


# -- the template


def template(request_id: str, request: Request, form: str = ".toml") -> bytes:
    """Return an empty file of declarations for every custodian of a request.

    Args:
        request_id: The request.
        request: What it says.
        form: ``.toml`` or ``.csv``.
    """
    if form == ".csv":  # one line each: a no needs no more
        return csv_bytes(COLUMNS, ({"custodian": one.id} for one in request.custodians))
    return _toml_template(request_id, request).encode("utf-8")


def write_template(request_id: str, request: Request, path: Path) -> None:
    """Write the template to a new file; CSV when its name ends so.

    Raises:
        UsageError: The file is there already.
    """
    try:
        with path.open("xb") as stream:
            stream.write(template(request_id, request, path.suffix.lower()))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; nothing is written over") from error


def _toml_template(request_id: str, request: Request) -> str:
    days = request.window_days()
    out = [
        f"# Request {request_id}: personal devices and accounts that were used for district business",
        "#",
        "# Asked for:",
        *(f"#   {line}" for line in _plain_lines(request.text)),
        f"# Days: {days.first or 'from the beginning'} to {days.last}",
        "#",
        "# One [[declarations]] for each person. A no is an answer and is kept: used = false, and no places.",
        "# After a yes, one [[declarations.places]] for each device or account: take away the # before them.",
        f"# kind is one of {', '.join(PlaceKind)}.",
        "# files are relative to this file; a folder stands for all files in it.",
        "",
    ]
    for custodian in request.custodians:
        out += [
            "[[declarations]]",
            f"custodian = {json.dumps(custodian.id)}  # {' '.join(_plain_lines(custodian.name))}",
            'answered_on = ""  # such as 2026-09-14',
            'used = ""  # true or false',
            'statement = ""  # what else was said; may stay empty',
            "",
        ]
        for source in _declared_sources(request, custodian) or [""]:
            out += [
                "# [[declarations.places]]",
                '# kind = ""',
                '# which = ""  # the number or handle',
                '# how_searched = ""  # which folders or apps, for which words, in which days',
                f"# source = {json.dumps(source)}  # the source of the request that reads the files",
                "# files = []",
                '# handed_over = ""  # what it is, in words',
                "# kept_back = 0  # how many records were kept back as personal",
                '# kept_back_why = ""  # the facts that show that they are no public records',
                "",
            ]
    return "\n".join(out)


def _declared_sources(request: Request, custodian: Custodian) -> list[str]:
    return [one.id for one in request.sources if one.declared and one.custodian == custodian.id]


def _plain_lines(text: str) -> list[str]:
    """Return the lines of a text without what a comment cannot hold."""
    lines = ("".join(c if c.isprintable() else " " for c in line).strip() for line in text.splitlines())
    return [line for line in lines if line]
