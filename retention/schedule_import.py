"""Reads a schedule as the State Archives publish it (PDF or DOCX): the binding words.

The layout: tables of four columns (disposition authority number and revision; description of records;
retention and disposition action; designation), their header repeated on every page, section headings between
them. What cannot be placed is shown with its place and the reason, never dropped and never guessed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import AccessError, SettingsError, UsageError
from retention.periods import parse_statement
from retention.schedule import VERIFIED, Series, load
from retention.schedule_worker import DAN, RawRow, RawSchedule, is_header

FILE_BYTES = 64 << 20
"""The largest file that is looked at; the real schedules have a few megabytes."""

TIME_S = 900.0
"""How long reading may take: some hundred pages of tables take one to two minutes."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A row that could not be placed.

    Attributes:
        page: 1-based page, or None for DOCX, which has no pages.
        table: 1-based number of the table in the document; 0 for a line outside the tables.
        row: 1-based row in that table; 0 likewise.
        cells: Its text, as it stands.
        why: The reason, in words.
    """

    page: int | None
    table: int
    row: int
    cells: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A cell of a placed series that could not be understood; its words are kept, its meaning is unknown.

    Attributes:
        series_id: The series.
        what: ``retention`` or ``designation``.
    """

    series_id: str
    what: str


@dataclass(frozen=True, slots=True)
class ImportedSchedule:
    """What a document holds.

    Attributes:
        series: In the document's order.
        unplaced: Rows of schedule tables that could not be placed, in order.
        unread: Cells that could not be understood.
        name: ``CORE``, ``K12``, or a name made of its title.
        version: As stated, or ``not stated``.
        effective: Date of the version as stated, or empty.
        sha256: Of the file: the schedule's id.
        other_rows: Rows of tables that are no schedule tables (revision history, index).
    """

    series: tuple[Series, ...]
    unplaced: tuple[Unplaced, ...]
    unread: tuple[Unread, ...]
    name: str
    version: str
    effective: str
    sha256: str
    other_rows: int


@dataclass(frozen=True, slots=True)
class Change:
    """One series in both versions with different words: field name to (before, after)."""

    series_id: str
    fields: dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version changes, by disposition authority number, in order.

    Attributes:
        added: Numbers only in the new version.
        removed: Numbers only in the old version.
        changed: Numbers in both whose words differ.
        not_comparable: Old rows without a number: nothing can be said of them.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Change, ...]
    not_comparable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did.

    Attributes:
        schedule_id: SHA-256 of the file.
        imported: What was read.
        difference: To the version that was in force before (the built-in rows when none was imported).
        in_force: Whether it is in force now.
    """

    schedule_id: str
    imported: ImportedSchedule
    difference: Difference
    in_force: bool


# --- reading -------------------------------------------------------------------------------------------

_ADVICE = {
    "format": "it is neither PDF nor DOCX; save the schedule as one of these",
    "password": "it is protected by a password; save a copy without one",
    "damaged": "it is damaged or no document of its kind; fetch it again from the State Archives",
    "pages": "it has too many pages for a schedule; cut out the schedule itself",
    "rows": "it has too many table rows for a schedule; cut out the schedule itself",
    "cell": "a table cell holds too much text for a schedule; look at the file",
    "unpacked": "it unpacks to far more than a schedule needs; look at the file",
    "memory": "it needs too much memory; fetch it again from the State Archives, or try its other format",
    "time": "reading took too long; fetch it again from the State Archives, or try its other format",
    "size": f"it has more than {FILE_BYTES >> 20} MB; cut out the schedule itself",
}


def read_schedule(path: Path, *, time_s: float = TIME_S) -> ImportedSchedule:
    """Read a schedule document in a process of its own, with limits.

    Args:
        path: A PDF or DOCX.
        time_s: Wall seconds it may take.

    Raises:
        AccessError: The file cannot be opened.
        SettingsError: It cannot be read, is too large, or holds no series; the message says what to do.
    """
    try:
        if path.stat().st_size > FILE_BYTES:
            raise _refused("size")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AccessError("the schedule file cannot be opened; check its path and rights") from error
    return assemble(_run_worker(path, time_s), sha256)


def _refused(code: str) -> SettingsError:
    return SettingsError(f"the schedule file cannot be read ({code}): {_ADVICE[code]}")


def _run_worker(path: Path, time_s: float) -> RawSchedule:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or "." for entry in sys.path)}
    command = [sys.executable, "-m", "retention.schedule_worker", str(path.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, timeout=time_s, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise _refused("time") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:  # it died: a limit of the system, or a crash in native code
        raise _refused("memory") from error
    if "error" in answer:
        raise _refused(answer["error"])
    rows = tuple(_raw_row(row) for row in answer["rows"])
    return RawSchedule(tuple(answer["front"]), rows, tuple((page, line) for page, line in answer["loose"]))


def _raw_row(raw: dict[str, Any]) -> RawRow:
    return RawRow(**{**raw, "cells": tuple(raw["cells"]), "heading": tuple(raw["heading"])})


# --- from rows to series -------------------------------------------------------------------------------

_NUMBER_CELL = re.compile(
    rf"(?P<dan>{DAN})(?:,? Rev\.? ?(?P<revision>\d{{1,2}}))?(?P<goes_on> ?\(?cont(?:inued|['’]d|\.)\)?)?",
    re.IGNORECASE,
)
_REVISION_ONLY = re.compile(r"Rev\.? ?(?P<revision>\d{1,2})", re.IGNORECASE)
_CONTINUED = re.compile(r"\(?cont(?:inued|['’]d|\.)\)?", re.IGNORECASE)
_BULLET = re.compile(r"^[•●▪◦·\uf0b7\uf0a7o–-]\s+")


@dataclass
class _Open:
    """A series while its rows are put together."""

    rows: list[RawRow]
    dan: str
    revision: str
    title: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    retention: list[str] = field(default_factory=list)
    designation: list[str] = field(default_factory=list)

    def add(self, row: RawRow, *, is_first: bool) -> None:
        if not is_first:
            self.rows.append(row)
        title = row.title if is_first or (row.title and not self._body) else ""
        if title:
            self.title += title.split("\n")
        lines = row.cells[1].split("\n") if row.cells[1] else []
        self.description += lines[len(title.split("\n")) :] if title else lines
        self.retention += row.cells[2].split("\n") if row.cells[2] else []
        self.designation += row.cells[3].split("\n") if row.cells[3] else []

    @property
    def _body(self) -> bool:
        return bool(self.description)

    @property
    def complete(self) -> bool:
        """Whether its retention action reads to an end."""
        return bool(self.retention) and self.retention[-1].rstrip().endswith(".")


class _Assembler:
    """Puts rows together to series; one pass, in the document's order."""

    def __init__(self, name: str, version: str, sha256: str, numbered: frozenset[int]) -> None:
        self._numbered = numbered
        self.series: dict[str, Series] = {}
        self.unplaced: list[Unplaced] = []
        self.unread: list[Unread] = []
        self.other_rows = 0
        self._name, self._version, self._sha256 = name, version, sha256
        self._open: _Open | None = None
        self._in_schedule = False
        self._table = 0

    def take(self, row: RawRow) -> None:
        if row.table != self._table:
            self._table = row.table
            self._in_schedule = self._belongs(row)
        if not self._in_schedule:
            self.other_rows += 1
        elif is_header(row.cells) or not any(row.cells):
            return
        elif len([cell for cell in row.cells if cell]) == 1 and len(row.cells) == 1:
            self._refuse(row, "a row of one cell inside a schedule table")
        elif len(row.cells) != 4:
            self._refuse(row, f"the row has {len(row.cells)} cells instead of 4")
        else:
            self._take_four(row)

    def _belongs(self, row: RawRow) -> bool:
        """Say whether a table is a schedule table: by its header, a number, or as the rest of one above."""
        if is_header(row.cells):
            return True
        goes_on = self._in_schedule and row.tops_page and len(row.cells) == 4
        return goes_on or row.table in self._numbered

    def _take_four(self, row: RawRow) -> None:
        text = _number_text(row.cells[0])
        found = _number(row.cells[0])
        if found is not None:
            self._take_numbered(row, found)
            return
        revision = _REVISION_ONLY.fullmatch(text)
        if text and revision is None and not _CONTINUED.fullmatch(text):
            self._refuse(row, "the disposition authority number cannot be read")
        elif self._open is None or not (row.tops_page or row.goes_on):
            self._refuse(row, "no disposition authority number, and no row that it could continue")
        else:
            if revision is not None and not self._open.revision:
                self._open.revision = revision["revision"]
            self._open.add(row, is_first=False)

    def _take_numbered(self, row: RawRow, found: re.Match[str]) -> None:
        dan, revision = found["dan"].upper(), found["revision"] or ""
        same = self._open is not None and self._open.dan == dan
        if same and self._open is not None:
            goes_on = row.goes_on or (row.tops_page and (found["goes_on"] or not self._open.complete))
            if goes_on:
                self._open.add(row, is_first=False)
                return
        self.close()
        if dan in self.series:
            self._refuse(row, "the number occurs a second time; the first row stands")
            return
        self._open = _Open([row], dan, revision)
        self._open.add(row, is_first=True)

    def take_loose(self, page: int, line: str) -> None:
        """Show a number outside the tables, unless its series was placed (an index, a reference)."""
        found = re.match(DAN, line)
        if found and found.group() not in self.series:
            why = "a number outside the tables, with no series of that number in them"
            self.unplaced.append(Unplaced(page or None, 0, 0, (line,), why))

    def _refuse(self, row: RawRow, why: str) -> None:
        self.close()
        self.unplaced.append(Unplaced(row.page, row.table, row.row, row.cells, why))

    def close(self) -> None:
        """Finish the series that is open."""
        done, self._open = self._open, None
        if done is None:
            return
        if not done.title and done.description:  # no bold head: the first line is the title
            done.title.append(done.description.pop(0))
        title = _paragraphs(done.title).replace("\n", " ")
        missing = [
            what
            for what, there in (("title", title), ("retention and disposition action", done.retention))
            if not there
        ]
        if missing:
            why = f"the row has no {' and no '.join(missing)}"
            self.unplaced += [Unplaced(row.page, row.table, row.row, row.cells, why) for row in done.rows]
            return
        self.series[done.dan] = self._series(done, title)

    def _series(self, done: _Open, title: str) -> Series:
        first = done.rows[0]
        statement = parse_statement(" ".join(done.retention))
        archival, essential, record_class = read_designation(" ".join(done.designation))
        if statement.retention.not_confirmed or statement.disposition == "not confirmed":
            self.unread.append(Unread(done.dan, "retention"))
        if not archival:
            self.unread.append(Unread(done.dan, "designation"))
        return Series(
            series_id=done.dan,
            schedule=self._name,
            version=self._version,
            dan=done.dan,
            revision=done.revision,
            title=title,
            category=": ".join(first.heading),
            summary=_paragraphs(done.description),
            cutoff_event=statement.cutoff_event,
            retention_text=statement.retention_text,
            retention=statement.retention,
            disposition=statement.disposition,
            archival=archival,
            essential=essential,
            record_class=record_class,
            source=f"imported file, SHA-256 {self._sha256[:16]}…"
            + (f", page {first.page}" if first.page else f", table {first.table}"),
            confidence=VERIFIED,
        )


def _number_text(cell: str) -> str:
    """Return a number cell on one line; a number may be broken after its hyphens."""
    return re.sub(r"(?<=-)\s+", "", " ".join(cell.split()))


def _number(cell: str) -> re.Match[str] | None:
    return _NUMBER_CELL.fullmatch(_number_text(cell))


def _paragraphs(lines: Iterable[str]) -> str:
    """Join lines that only the column's width broke; bullets and ends of sentences keep their line."""
    out: list[str] = []
    for line in lines:
        if out and not _BULLET.match(line) and not out[-1].endswith((".", ":", ";")):
            out[-1] = f"{out[-1]} {line}"
        else:
            out.append(line)
    return "\n".join(out)


_ARCHIVAL = re.compile(r"(?P<non>\bNON\s*-?\s*)?\bARCHIVAL\b\s*(?:\(\s*(?P<note>[^)]*)\))?")
_ESSENTIAL = re.compile(r"(?P<non>\bNON\s*-?\s*)?\bESSENTIAL\b")
_CLASS = re.compile(r"\b(OPR|OFM)\b")


def read_designation(text: str) -> tuple[str, str, str]:
    """Return archival mark, essential mark and class of a designation cell, each empty when not there.

    ``ARCHIVAL (Appraisal Required)`` is ``appraisal``: the Archives choose.
    """
    said = " ".join(text.upper().split())
    archival = essential = ""
    found = _ARCHIVAL.search(said)
    if found:
        wording = found["note"] or ""
        archival = "non-archival" if found["non"] else "appraisal" if "APPRAIS" in wording else "archival"
    needed = _ESSENTIAL.search(said)
    if needed:
        essential = "no" if needed["non"] else "yes"
    kind = _CLASS.search(said)
    return archival, essential, kind.group() if kind else ""


def assemble(raw: RawSchedule, sha256: str) -> ImportedSchedule:
    """Make series of raw rows.

    Raises:
        SettingsError: The document names no schedule, or no row in it could be placed as a series.
    """
    front = "\n".join(raw.front)
    name, version, effective = _name(front), _version(front), _effective(front)
    numbered = frozenset(row.table for row in raw.rows if len(row.cells) == 4 and _number(row.cells[0]))
    assembler = _Assembler(name, version, sha256, numbered)
    for row in raw.rows:
        assembler.take(row)
    assembler.close()
    for page, line in raw.loose:
        assembler.take_loose(page, line)
    if not assembler.series:
        raise SettingsError(
            "the file holds no series in tables of 4 columns (number, description, retention, designation): "
            "use the schedule itself, as the State Archives publish it"
        )
    return ImportedSchedule(
        series=tuple(assembler.series.values()),
        unplaced=tuple(assembler.unplaced),
        unread=tuple(assembler.unread),
        name=name,
        version=version,
        effective=effective,
        sha256=sha256,
        other_rows=assembler.other_rows,
    )


_SCHOOLS = re.compile(r"school district|public school|educational service district|\bK-12\b", re.IGNORECASE)
_COMMON = re.compile(r"common records|\(CORE\)|\bCORE\b")
_SCHEDULE_LINE = re.compile(r"^.*\bschedule\b.*$", re.IGNORECASE | re.MULTILINE)
_VERSION = re.compile(r"\bversion\s+(\d{1,3}(?:\.\d{1,3})*)", re.IGNORECASE)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(rf"\b(?:{_MONTHS})\s+(?:\d{{1,2}},\s+)?\d{{4}}\b")


def _name(front: str) -> str:
    """Return which schedule it is; its title comes first, so the first words that name one decide."""
    common = re.search(_COMMON.pattern, front, re.IGNORECASE)
    schools = _SCHOOLS.search(front)
    if common and (not schools or common.start() < schools.start()):
        return "CORE"
    if schools:
        return "K12"
    line = _SCHEDULE_LINE.search(front)
    words = re.findall(r"[A-Za-z0-9]+", line.group()) if line else []
    if not words:
        raise SettingsError(
            "the file does not say which retention schedule it is; use the schedule with its title page"
        )
    return "-".join(word.upper() for word in words[:8])


def _version(front: str) -> str:
    found = _VERSION.search(front)
    return found.group(1) if found else "not stated"


def _effective(front: str) -> str:
    """Return the date that stands with the version, else the first date, as stated."""
    version = _VERSION.search(front)
    found = _DATE.search(front, version.end() if version else 0) or _DATE.search(front)
    return " ".join(found.group().split()) if found else ""


# --- versions ------------------------------------------------------------------------------------------

_COMPARED = (
    "revision",
    "title",
    "category",
    "summary",
    "cutoff_event",
    "retention_text",
    "disposition",
    "archival",
    "essential",
    "record_class",
)


def difference(old: Sequence[Series], new: Sequence[Series]) -> Difference:
    """Compare two versions of a schedule by disposition authority number; white space does not count.

    Args:
        old: The version before; rows without a number are listed apart, rules of law are left out.
        new: The new version.
    """
    before = {row.dan: row for row in old if row.dan and not row.is_rule}
    after = {row.dan: row for row in new if row.dan and not row.is_rule}
    changes = []
    for dan in sorted(before.keys() & after.keys()):
        fields = _changed(before[dan], after[dan])
        if fields:
            changes.append(Change(dan, fields))
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(changes),
        not_comparable=tuple(row.series_id for row in old if not row.dan and not row.is_rule),
    )


def _changed(old: Series, new: Series) -> dict[str, tuple[str, str]]:
    out: dict[str, tuple[str, str]] = {}
    for name in _COMPARED:
        was, now = getattr(old, name), getattr(new, name)
        if " ".join(was.split()) != " ".join(now.split()):
            out[name] = (was, now)
    return out


def import_schedule(catalogue: Catalogue, path: Path, by: str, *, in_force: bool = False) -> ImportResult:
    """Read a schedule document and store it; in force only when asked.

    Importing the same file again changes only, when asked, what is in force. Putting a version in force
    takes the one of the same name before it out of force; it stays stored.

    Args:
        catalogue: The catalogue.
        path: A PDF or DOCX.
        by: Who imports it.
        in_force: Put it in force.

    Raises:
        UsageError: No name was given.
        AccessError: As ``read_schedule``.
        SettingsError: As ``read_schedule``.
    """
    by = by.strip()
    if not by:
        raise UsageError("an import needs the name of who does it")
    imported = read_schedule(path)
    before = [row for row in load(catalogue) if row.schedule == imported.name]
    _store_series(catalogue, imported)
    now_in_force = _store_schedule(catalogue, imported, by, in_force=in_force)
    return ImportResult(imported.sha256, imported, difference(before, imported.series), now_in_force)


def _store_series(catalogue: Catalogue, imported: ImportedSchedule) -> None:
    """Write the series first: they count only once the schedule's own row is there.

    Rows of the same file are replaced piece by piece, so that a schedule in force never lacks its series.
    """
    r = t.retention_series.c
    mine = r.schedule_id == imported.sha256
    rows = [
        {"schedule_id": imported.sha256, "series_id": row.series_id, "body": row.to_json()}
        for row in imported.series
    ]
    for piece in chunked(rows, 500):
        with catalogue.write() as connection:
            ids = [row["series_id"] for row in piece]
            connection.execute(t.retention_series.delete().where(mine, r.series_id.in_(ids)))
            connection.execute(t.retention_series.insert(), piece)
    with catalogue.read() as connection:
        stored = {series_id for (series_id,) in connection.execute(sa.select(r.series_id).where(mine))}
    for piece in chunked(sorted(stored - {row.series_id for row in imported.series}), 500):
        with catalogue.write() as connection:  # left by an earlier reading of the same file
            connection.execute(t.retention_series.delete().where(mine, r.series_id.in_(piece)))


def _store_schedule(catalogue: Catalogue, imported: ImportedSchedule, by: str, *, in_force: bool) -> bool:
    s = t.retention_schedules.c
    with catalogue.write() as connection:
        row = connection.execute(sa.select(s.in_force).where(s.schedule_id == imported.sha256)).first()
        if row is None:
            connection.execute(
                t.retention_schedules.insert(),
                {
                    "schedule_id": imported.sha256,
                    "name": imported.name,
                    "version": imported.version,
                    "imported_at": canonical.now_text(),
                    "by": by,
                    "in_force": False,
                },
            )
        if in_force:
            connection.execute(
                t.retention_schedules.update().where(s.name == imported.name).values(in_force=False)
            )
            connection.execute(
                t.retention_schedules.update().where(s.schedule_id == imported.sha256).values(in_force=True)
            )
        audit.append(
            connection,
            action="schedule_imported",
            actor=by,
            schedule=imported.sha256,
            name=imported.name,
            version=imported.version,
            series=len(imported.series),
            unplaced=len(imported.unplaced),
            in_force=in_force,
        )
        return in_force or bool(row is not None and row.in_force)
