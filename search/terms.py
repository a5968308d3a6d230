"""Term lists and hit reports.

A term list is a CSV file with the columns ``term`` and ``note``. A line that cannot be used is reported with
its number and never stops the rest. The report counts exactly, on an index state that it names; what its
figures mean is in ``docs/search.md``.
"""

from __future__ import annotations

import csv
import gc
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import CheckFailed, SettingsError
from records.evidence import EvidenceStore
from records.vocabulary import CollectionState
from search import tree as q
from search.language import QuerySyntaxError, parse, suggest
from search.occurrences import Counted, Piece, count_occurrences
from search.protocol import IndexState, SearchEngine
from search.tally import Found, Read, Tally
from search.unsearched import Gap, Unsearched, unsearched

HITS_PER_TRANSACTION = 20_000
"""Rows of hits written at once, in less than a tenth of a second. In pieces of 1,000, as elsewhere, the disk
would be waited for 20 times as often."""

COLLECT_AFTER = 200_000
"""Objects made between two looks for cycles while a list runs: measured, a quarter of the CPU seconds of the
process that takes the hits in."""

MAX_CELL_LINES = 50
"""How many lines of the file a quoted cell may span (a note with line breaks)."""


@dataclass(frozen=True, slots=True)
class Term:
    """One line of a term list.

    Attributes:
        line: Its line in the file, from 1; the header is a line too.
        term: The query as typed.
        note: Whatever the list's writer noted, or empty.
        caution: How it was read, where the file leaves room for doubt; else empty.
    """

    line: int
    term: str
    note: str
    caution: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that could not be used.

    Attributes:
        line: Its line in the file, from 1.
        term: What stood there.
        problem: Why it was not run, in plain words.
        repaired: The form that was probably meant, or None; it is offered, never run.
    """

    line: int
    term: str
    problem: str
    repaired: str | None = None


@dataclass(frozen=True, slots=True)
class TermList:
    """A term list as read: both parts in the order of the file."""

    terms: tuple[Term, ...]
    bad_lines: tuple[BadLine, ...]


@dataclass(frozen=True, slots=True)
class TermCounts:
    """One row of the hit report.

    Attributes:
        line: As in ``Term``; so ``term``, ``note`` and ``caution``.
        parsed: How it was understood, in normal form.
        documents: Documents that match; copies are counted.
        families: Families with at least one of them.
        with_family: Those and all members of their families.
        unique: Documents that no other term of the list matches: what the list loses without this term.
        unique_families: Families that no other term of the list touches: what the review loses without it.
        unique_with_family: All members of those families.
        occurrences: Places in those documents where the words and phrases of the term stand.
        distinct: Distinct contents among the documents.
        custodians: Documents by custodian id.
        sources: Documents by source id.
        months: Documents by the month they were sent in (``YYYY-MM``, of the report's zone), in order.
        undated: Documents without a trustworthy time of their own; attachments are among them.
    """

    line: int
    term: str
    note: str
    caution: str
    parsed: str
    documents: int
    families: int
    with_family: int
    unique: int
    unique_families: int
    unique_with_family: int
    occurrences: int
    distinct: int
    custodians: dict[str, int]
    sources: dict[str, int]
    months: dict[str, int]
    undated: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole list: every document once, however many terms match it; fields as in ``TermCounts``.

    Attributes:
        families: Families with a hit.
        occurrences: The sum over the terms.
    """

    documents: int
    families: int
    with_family: int
    occurrences: int
    distinct: int
    custodians: dict[str, int]
    sources: dict[str, int]
    months: dict[str, int]
    undated: int


@dataclass(frozen=True, slots=True)
class HitReport:
    """What a term list found.

    Attributes:
        request_id: The request.
        version: The request version whose list it is.
        at: When it was made, UTC.
        zone: The zone whose days ``sent:`` means.
        index: The state of the index it was counted on.
        terms: One row a term that was run, in the order of the list.
        totals: The list as a whole.
        zero_hits: Lines of terms that matched nothing.
        bad_lines: Lines that were not run.
        unsearched: What could not be searched when the report was made.
    """

    request_id: str
    version: int
    at: str
    zone: str
    index: IndexState
    terms: tuple[TermCounts, ...]
    totals: Totals
    zero_hits: tuple[int, ...]
    bad_lines: tuple[BadLine, ...]
    unsearched: Unsearched


# -- reading a list


def read_terms(data: bytes) -> TermList:
    """Read a term list.

    Blank lines and further columns are passed over. The file is UTF-8, with or without a byte order mark, or
    Windows-1252, which spreadsheet programs still write.

    Raises:
        SettingsError: The first line does not name a column ``term``.
    """
    lines = decoded(data).splitlines()
    start = next((n for n, line in enumerate(lines) if line.strip(" ,")), None)
    header = [] if start is None else [cell.strip().lower() for cell in _cells(lines[start]) or []]
    if start is None or "term" not in header:
        raise SettingsError("the first line of a term list names its columns: term,note")
    columns = header.index("term"), header.index("note") if "note" in header else None
    terms: list[Term] = []
    bad: list[BadLine] = []
    for number, source, cells in _records(lines, start + 1):
        if cells is None:
            bad.append(BadLine(number, source, _QUOTING_HELP, _requoted(source)))
        elif cell := _cell(cells, columns[0]):
            terms.append(Term(number, cell, _cell(cells, columns[1]), _doubtful_quotes(source, cell)))
        elif any(c.strip() for c in cells):
            bad.append(BadLine(number, source, "there is a note but no term"))
    return TermList(_marked_repeats(terms), tuple(bad))


def unusable_lines(listed: TermList, zone: ZoneInfo) -> list[BadLine]:
    """Return the lines of a list that would not be searched, in order, as far as no index is needed to tell.

    Args:
        listed: The list.
        zone: The request's zone.
    """
    return sorted((*listed.bad_lines, *_parsed(listed.terms, zone)[1]), key=lambda bad: bad.line)


_QUOTING_HELP = (
    "the quotation marks of this line cannot be read: in a CSV file a cell that holds quotation marks "
    'stands in quotation marks itself, with those inside doubled, like """bus route"" AND budget"'
)


def decoded(data: bytes) -> str:
    """Return a list's text: UTF-8, with or without its mark, else Windows-1252 as spreadsheets save it."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _cells(line: str) -> list[str] | None:
    """Return the cells of one record, or None when its quotation marks do not fit together."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None


def _records(lines: list[str], start: int) -> Iterator[tuple[int, str, list[str] | None]]:
    """Yield (line number, source, cells); a record that cannot be read costs its first line only."""
    at = start
    while at < len(lines):
        number, line = at + 1, lines[at]
        at += 1
        if not line.strip(" ,\t"):
            continue
        cells = _cells(line)
        if cells is None:
            end, cells = _longer_record(lines, at)
            at = end
        yield number, line, cells


def _longer_record(lines: list[str], at: int) -> tuple[int, list[str] | None]:
    """Try a cell with line breaks; its first cell, the term, must be on the first line."""
    for end in range(at + 1, min(at + MAX_CELL_LINES, len(lines) + 1)):
        cells = _cells("\n".join(lines[at - 1 : end]))
        if cells is not None and "\n" not in cells[0]:
            return end, cells
    return at, None


def _cell(cells: list[str], column: int | None) -> str:
    return cells[column].strip() if column is not None and column < len(cells) else ""


def _requoted(source: str) -> str | None:
    """Return the line as it was probably meant: a term with quotation marks typed by hand, then a note."""
    found = re.fullmatch(r"\s*([^,]+?)\s*(?:,\s*([^\",]*))?", source)
    if not found or found.group(1).count('"') % 2:
        return None
    term = found.group(1).replace('"', '""')
    return f'"{term}",{found.group(2)}' if found.group(2) else f'"{term}"'


def _doubtful_quotes(source: str, cell: str) -> str:
    """Warn of a cell in needless quotation marks with an operator in it: perhaps a phrase was meant."""
    quoted = source.lstrip().startswith(f'"{cell}"') and not re.search(r'[",\n]', cell)
    if quoted and re.search(r"(?<!\S)(and|or|not)(?!\S)", cell, flags=re.IGNORECASE):
        return (
            "the quotation marks were read as the file's own, and the operators in it count; "
            f'for an exact phrase write """{cell}"""'
        )
    return ""


def _marked_repeats(terms: list[Term]) -> tuple[Term, ...]:
    """Mark a term that stands in the list before: neither of the two can have unique hits."""
    first: dict[str, int] = {}
    marked: list[Term] = []
    for term in terms:
        line = first.setdefault(term.term.casefold(), term.line)
        if line != term.line:
            caution = "; ".join(filter(None, (f"the same as line {line}", term.caution)))
            term = replace(term, caution=caution)
        marked.append(term)
    return tuple(marked)


# -- running a list


@dataclass(frozen=True, slots=True)
class _Parsed:
    term: Term
    node: q.Node


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Look for cycles rarely: a list makes millions of hits and no cycle, and each look goes through them."""
    kept = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *kept[1:])
    try:
        yield
    finally:
        gc.set_threshold(*kept)


@_collecting_rarely()
def run_terms(
    catalogue: Catalogue,
    store: EvidenceStore,
    engine: SearchEngine,
    request_id: str,
    version: int,
    terms: Sequence[Term],
    zone: ZoneInfo,
    bad_lines: Sequence[BadLine] = (),
    counting: Counting | None = None,
    piece: int | None = None,
) -> HitReport:
    """Run a term list, and keep its hits and its report for this version; running it again replaces both.

    Args:
        catalogue: Takes the rows of ``hits`` and ``term_reports``; the report is written last.
        store: Gives the stored text of documents that match, for the occurrences.
        engine: The request's index.
        request_id: The request.
        version: The request version whose list it is.
        terms: The list.
        zone: The request's zone.
        bad_lines: Lines that ``read_terms`` could not use; they go into the report.
        counting: Counts occurrences in many documents at once, in any order; None: one after the other here.
        piece: Documents counted together; None: so many that starting a worker process for them is worth it.

    Raises:
        CheckFailed: The index holds an item that the catalogue does not, or a stored text is damaged.
    """
    parsed, bad = _parsed(terms, zone)
    state = engine.state()
    tally = Tally()
    run: list[_Parsed] = []
    for one, found in zip(parsed, engine.terms([one.node for one in parsed]), strict=True):
        if found.problem:
            bad.append(BadLine(one.term.line, one.term.term, found.problem))
        else:
            tally.add(found.hits)
            run.append(one)
    forget(catalogue, request_id, version)
    hits = tally.found(_family_sizes(catalogue, request_id))
    read = _store_hits(catalogue, store, request_id, version, run, hits, zone, counting, piece or _PIECE)
    rows = _rows(run, hits, read)
    report = HitReport(
        request_id=request_id,
        version=version,
        at=canonical.now_text(),
        zone=zone.key,
        index=state,
        terms=rows,
        totals=Totals(occurrences=sum(row.occurrences for row in rows), **hits.figures(), **read.by_month()),
        zero_hits=tuple(row.line for row in rows if not row.documents),
        bad_lines=tuple(sorted((*bad_lines, *bad), key=lambda line: line.line)),
        unsearched=unsearched(catalogue, engine, request_id),
    )
    with catalogue.write() as connection:
        connection.execute(
            t.term_reports.insert(),
            {"request_id": request_id, "version": version, "at": report.at, "report": to_json(report)},
        )
    return report


def load_report(catalogue: Catalogue, request_id: str, version: int) -> HitReport | None:
    """Return the report that was kept for a version, or None when there is none.

    One of an earlier form, which lacked figures, counts as none: running the list again replaces it.
    """
    r = t.term_reports.c
    with catalogue.read() as connection:
        text = connection.scalar(sa.select(r.report).where(r.request_id == request_id, r.version == version))
    return None if text is None or "unsearched" not in canonical.loads(text) else from_json(text)


def _parsed(terms: Sequence[Term], zone: ZoneInfo) -> tuple[list[_Parsed], list[BadLine]]:
    parsed: list[_Parsed] = []
    bad: list[BadLine] = []
    for term in terms:
        try:
            parsed.append(_Parsed(term, parse(term.term, zone)))
        except QuerySyntaxError as error:
            bad.append(BadLine(term.line, term.term, str(error), suggest(term.term, zone)))
    return parsed, bad


def _rows(run: list[_Parsed], hits: Found, read: Read) -> tuple[TermCounts, ...]:
    unique = hits.unique()
    unique_families, with_family = hits.unique_families()
    occurrences = read.occurrences()
    return tuple(
        TermCounts(
            line=one.term.line,
            term=one.term.term,
            note=one.term.note,
            caution=one.term.caution,
            parsed=q.to_text(one.node),
            unique=unique[number],
            unique_families=unique_families[number],
            unique_with_family=with_family[number],
            occurrences=occurrences[number],
            **hits.figures(number),
            **read.by_month(number),
        )
        for number, one in enumerate(run)
    )


def _family_sizes(catalogue: Catalogue, request_id: str) -> dict[str, int]:
    """Return the number of stored members of every family with more than one."""
    i = t.items.c
    query = (
        sa.select(i.family_id, sa.func.count())
        .where(i.request_id == request_id, i.state == CollectionState.STORED)
        .group_by(i.family_id)
        .having(sa.func.count() > 1)
    )
    with catalogue.read() as connection:
        return dict(map(tuple, connection.execute(query)))


def forget(catalogue: Catalogue, request_id: str, version: int) -> None:
    """Take away a version's report, then its hits in pieces: half-replaced hits never have a report.

    Args:
        catalogue: Where they are.
        request_id: The request.
        version: The version.
    """
    r, h = t.term_reports.c, t.hits.c
    with catalogue.write() as connection:
        connection.execute(t.term_reports.delete().where(r.request_id == request_id, r.version == version))
    here = (h.request_id == request_id) & (h.version == version)
    gone = 1
    while gone:
        with catalogue.write() as connection:
            row = (h.family_id, h.item_id, h.term_no)
            keys = sa.select(*row).where(here).order_by(*row).limit(HITS_PER_TRANSACTION)
            gone = connection.execute(t.hits.delete().where(here, sa.tuple_(*row).in_(keys))).rowcount


def _store_hits(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    version: int,
    run: list[_Parsed],
    hits: Found,
    zone: ZoneInfo,
    counting: Counting | None,
    size: int,
) -> Read:
    """Write one row a term and document, and return what the documents say.

    Documents are read and folded once for all terms that match them, in groups of neighbouring families: a
    group in the order in which it was stored, its rows in the order of their key, so that a transaction
    touches few pages. Where others count, the rows of one group are written while they read the next.
    """
    nodes = tuple(one.node for one in run)
    lines = [one.term.line for one in run]
    numbers = {hit.item_id: number for number, hit in enumerate(hits.documents)}
    stored = _stored_order(catalogue, request_id, numbers)
    _check_all_stored(len(numbers) - len(stored))
    groups: list[list[int]] = [[] for _ in range(0, len(numbers), _GROUP)]
    for number in stored:
        groups[number // _GROUP].append(number)
    pieces = [
        [(hits.documents[number].item_id, hits.terms_of(number)) for number in group[n : n + size]]
        for group in groups
        for n in range(0, len(group), size)
    ]
    counted = (
        counting(nodes, pieces)
        if counting is not None and len(pieces) > 1
        else (count_occurrences(catalogue, store, request_id, zone, nodes, piece) for piece in pieces)
    )
    read = Read(hits)
    waiting = deque(slice(n, min(n + _GROUP, len(numbers))) for n in range(0, len(numbers), _GROUP))
    for piece in counted:
        for item_id, month, counts in piece:
            read.add(numbers[item_id], month, counts)
        while waiting and not read.missing(waiting[0]):
            rows = read.rows(waiting.popleft())
            _write_rows(
                catalogue,
                ((request_id, version, lines[term], *of_hit, count) for term, *of_hit, count in rows),
            )
    _check_all_stored(read.missing())  # one may have been removed meanwhile
    return read


def _check_all_stored(missing: int) -> None:
    if missing:
        raise CheckFailed(
            f"{missing} items of the index are not stored in the catalogue: rebuild it with reindex"
        )


def _write_rows(catalogue: Catalogue, rows: Iterator[tuple[str | int, ...]]) -> None:
    while piece := list(islice(rows, HITS_PER_TRANSACTION)):
        with catalogue.write() as connection:
            _insert(connection, piece)


_GROUP = 10_000
"""Documents whose rows are written together. Each group is one way through the segments, with gaps."""


Counting = Callable[[tuple[q.Node, ...], list[Piece]], Iterable[Counted]]
"""Counts the pieces by ``count_occurrences``, several at once and in any order."""

_PIECE = 2_000

_ROWS_READ = 5_000


_HIT_COLUMNS = ("request_id", "version", "term_no", "item_id", "family_id", "occurrences")
_INSERT_HITS = f"INSERT INTO hits ({', '.join(_HIT_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - names only


def _insert(connection: sa.Connection, rows: list[tuple[str | int, ...]]) -> None:
    """Insert rows of hits; on SQLite past SQLAlchemy's handling of each value, which is most of the cost."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_INSERT_HITS, rows)
    else:
        connection.execute(t.hits.insert(), [dict(zip(_HIT_COLUMNS, row, strict=True)) for row in rows])


def _stored_order(catalogue: Catalogue, request_id: str, numbers: dict[str, int]) -> list[int]:
    """Return the numbers of the documents in the order of their batches: near one another in the segments."""
    i = t.items.c
    query = (
        sa.select(i.item_id)
        .where(i.request_id == request_id, i.state == CollectionState.STORED)
        .order_by(i.batch_id, i.position)
        .execution_options(yield_per=_ROWS_READ)  # most of a large request is not found, and is never held
    )
    with catalogue.read() as connection:
        return [numbers[item] for item in connection.scalars(query) if item in numbers]


# -- keeping a report


def to_json(report: HitReport) -> str:
    """Return the report as canonical JSON."""
    return canonical.dumps(asdict(report))


def from_json(text: str) -> HitReport:
    """Read what ``to_json`` wrote."""
    raw = canonical.loads(text)
    return HitReport(
        **{
            **raw,
            "index": IndexState(**raw["index"]),
            "terms": tuple(TermCounts(**row) for row in raw["terms"]),
            "totals": Totals(**raw["totals"]),
            "zero_hits": tuple(raw["zero_hits"]),
            "bad_lines": tuple(BadLine(**row) for row in raw["bad_lines"]),
            "unsearched": Unsearched(
                **{**raw["unsearched"], "gaps": tuple(Gap(**row) for row in raw["unsearched"]["gaps"])}
            ),
        }
    )
