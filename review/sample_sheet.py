"""The sheet of a sample: out to people in the order drawn, and back.

It looks like the coding sheet, with one question. It shows what a record is, and nothing a machine thinks of
it: no terms, no suggestion, no rank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import tables as t
from records.catalogue import Catalogue
from records.evidence import EvidenceStore
from records.vocabulary import TextState
from review import sample_rows
from review.decide import LONGEST_TEXT, Place, places
from review.families import Family, Member, in_pieces, members_of
from review.sample_rows import Answer
from review.sheet_files import Choice, Layout, check_new, check_rows, check_suffix, help_page, write_file
from review.sheet_form import ILLEGAL, ITEM_ID, NO, YES, Form, SheetRow, plain
from review.sheet_read import (
    NO_WORDS,
    YES_WORDS,
    Refused,
    misplaced,
    read_sheet,
    refused_row,
    shown,
)
from review.sheet_write import DEFAULT_VIEW_URL, excerpts, reading_cells, stored_of

ANSWERS_SO_FAR = "answers_so_far"
"""How many answers a family had when the sheet was written: an older sheet is told by it."""

_WIDTHS = {
    ITEM_ID: 14,
    "drawn": 7,
    "member": 12,
    "date_time": 20,
    "from": 24,
    "to": 28,
    "subject_or_file": 32,
    "first_300_characters": 60,
    "attachments": 12,
    "could_be_searched": 16,
    "kind": 9,
    "custodian": 14,
    "link": 8,
    "responsive": 12,
    "why": 44,
    "reviewer": 16,
    ANSWERS_SO_FAR: 12,
}
ANSWERS = ("responsive", "why", "reviewer")
SAMPLE_FORM = Form(
    "sample sheet", tuple(_WIDTHS), ANSWERS, (ITEM_ID, "responsive", "why"), stated=(ANSWERS_SO_FAR,)
)
_HELP = Path(__file__).with_name("sample_help.txt")
_LAYOUT = Layout(
    "Sample",
    _WIDTHS,
    ANSWERS,
    "drawn",
    (Choice("responsive", f'"{YES},{NO}"'),),
    (("How to use", lambda sheet: help_page(sheet, _HELP)),),
)


# --- out -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    catalogue: Catalogue
    store: EvidenceStore
    request_id: str
    zone: ZoneInfo
    address: str
    place_of: Mapping[str, int]
    answers: Mapping[str, tuple[int, Answer]]


def write_sample_sheet(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    number: int,
    out: Path,
    *,
    zone: ZoneInfo,
    view_url: str | None = None,
) -> int:
    """Write a sample's sheet: a row a stored member, families in the order drawn, answers in force filled in.

    Args:
        catalogue: Where the rows are.
        store: The request's evidence, for the first characters of each text.
        request_id: The request.
        number: The sample.
        out: ``….xlsx`` or ``….csv``.
        zone: The zone people read times in.
        view_url: Where ``daylight view`` answers; None for its usual place.

    Returns:
        The number of rows.

    Raises:
        UsageError: The suffix is another, the file is there already, or the rows do not fit one XLSX sheet.
    """
    check_suffix(out, "a sample sheet")
    check_new([out])
    i = t.items.c
    with catalogue.read() as connection:
        drawn = sample_rows.drawn_of(connection, request_id, number)
        answers = sample_rows.newest_of(connection, request_id, number)
        wanted = sa.select(t.sample_items.c.family_id).where(
            t.sample_items.c.request_id == request_id, t.sample_items.c.sample_no == number
        )
        counted = connection.execute(
            sa.select(i.family_id, sa.func.count())
            .where(i.request_id == request_id, i.state == "stored", i.family_id.in_(wanted))
            .group_by(i.family_id)
        )
        sizes = {family_id: int(count) for family_id, count in counted}
    total = sum(sizes.values())
    check_rows(out, total)
    families = [Family(family_id, 1, sizes[family_id]) for family_id in drawn]
    address = f"{(view_url or DEFAULT_VIEW_URL).rstrip('/')}/r/{request_id}/i"
    place_of = {family_id: place for place, family_id in enumerate(drawn, start=1)}
    job = _Job(catalogue, store, request_id, zone, address, place_of, answers)
    write_file(out, _LAYOUT, _rows(job, families), total)
    return total


def _rows(job: _Job, families: Sequence[Family]) -> Iterator[dict[str, str]]:
    for piece in in_pieces(families):
        ids = [family.family_id for family in piece]
        with job.catalogue.read() as connection:
            members = members_of(connection, job.request_id, ids)
        texts = excerpts(job.store, [m for group in members.values() for m in group])
        for family_id in ids:
            so_far, answer = job.answers.get(family_id, (0, None))
            reading = reading_cells(members[family_id], texts, job.zone, job.address)
            for cells, member in zip(reading, stored_of(members[family_id]), strict=True):
                yield {
                    **cells,
                    "drawn": str(job.place_of[family_id]),
                    "could_be_searched": _searched(member),
                    **_answer_cells(answer),
                    ANSWERS_SO_FAR: str(so_far),
                }
                answer = None  # it is one answer: on the family's first row only


def _searched(member: Member) -> str:
    if member.text_state == TextState.SEARCHABLE:
        return "yes"
    return f"no: {(member.reason or member.text_state or 'not read yet').replace('_', ' ')}"


def _answer_cells(answer: Answer | None) -> dict[str, str]:
    if answer is None:
        return dict.fromkeys(ANSWERS, "")
    return {"responsive": YES if answer.responsive else NO, "why": plain(answer.why), "reviewer": answer.by}


# --- back ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CodedSheet:
    """What became of a sheet: families answered = applied + unchanged + those whose rows were refused.

    Attributes:
        applied: Families whose answer is new.
        unchanged: Families whose answer was in force already.
        empty: Rows without an answer.
        refused: Rows that could not be taken, in the sheet's order.
        found: Families that are responsive by an answer that is new here.
    """

    applied: int
    unchanged: int
    empty: int
    refused: tuple[Refused, ...]
    found: tuple[str, ...]


def apply_sample_sheet(catalogue: Catalogue, request_id: str, number: int, path: Path, by: str) -> CodedSheet:
    """Take the answers of a sample's sheet in, as many as there are.

    A family is responsive when one of its rows says yes, and not responsive when one says no and none says
    yes. Rows that cannot be placed are refused one by one, everything else is taken; but a no waits while
    another row of its family is refused, which may be meant as a yes.

    Args:
        catalogue: Where the request is.
        request_id: The request.
        number: The sample.
        path: The sheet.
        by: Who hands it in; the ``reviewer`` column may name another who answered.

    Raises:
        AccessError: The file cannot be opened.
        UsageError: It is no sample sheet, or the request is closed; nothing was taken.
    """
    sheet = read_sheet(path, SAMPLE_FORM)
    answered = [row for row in sheet.rows if row.formulas or set(row.answers) - {"reviewer"}]
    with catalogue.read() as connection:
        known = places(connection, request_id, [row.item_id for row in answered if row.item_id])
        drawn = frozenset(sample_rows.drawn_of(connection, request_id, number))
        before = sample_rows.newest_of(connection, request_id, number)
    refused: list[Refused] = []
    rows: dict[str, list[SheetRow]] = defaultdict(list)
    for row in _agreeing(answered, refused):
        problem = _problem(row, known, drawn, request_id, number)
        if problem:
            refused.append(refused_row(row, problem))
        else:
            rows[known[row.item_id or ""].family_id].append(row)
    refused += _waiting(rows, answered, known, {refusal.row for refusal in refused})
    answers = {family_id: _answer(own, by) for family_id, own in rows.items()}
    for family_id, answer in list(answers.items()):
        if family_id in before and (problem := _too_late(*before[family_id], answer, rows[family_id])):
            refused += [refused_row(row, problem) for row in rows[family_id]]
            del answers[family_id]
    changed = {
        family_id: answer
        for family_id, answer in answers.items()
        if family_id not in before or not sample_rows.same(before[family_id][1], answer)
    }
    sample_rows.record(catalogue, request_id, number, changed, by)
    return CodedSheet(
        applied=len(changed),
        unchanged=len(answers) - len(changed),
        empty=len(sheet.rows) - len(answered),
        refused=tuple(sorted(refused, key=lambda refusal: refusal.row)),
        found=tuple(sorted(family_id for family_id, answer in changed.items() if answer.responsive)),
    )


def _too_late(number: int, earlier: Answer, answer: Answer, rows: Sequence[SheetRow]) -> str:
    """Say why an answer does not take the place of one in force; empty where it does, or says the same."""
    if sample_rows.same(earlier, answer):
        return ""
    was = YES if earlier.responsive else NO
    if any(row.stated.get(ANSWERS_SO_FAR) != str(number) for row in rows):
        return (
            f"the family was answered {was} by {earlier.by} since this sheet was written: write the sheet "
            "anew, and answer there"
        )
    if earlier.responsive != answer.responsive and not answer.why:
        return f"the family was answered {was} before: write under why what changed"
    return ""


def _agreeing(rows: Sequence[SheetRow], refused: list[Refused]) -> Iterator[SheetRow]:
    """Yield the rows whose record has one opinion; refuse those that answer twice and otherwise."""
    of_item: dict[str, list[SheetRow]] = defaultdict(list)
    for row in rows:
        of_item[row.item_id or f"row {row.number}"].append(row)
    for own in of_item.values():
        if len({tuple(sorted(row.answers.items())) for row in own}) == 1:
            yield own[0]
        else:
            numbers = ", ".join(str(row.number) for row in own)
            problem = f"rows {numbers} answer differently for the same record: keep one"
            refused += [refused_row(row, problem) for row in own]


def _problem(
    row: SheetRow, known: Mapping[str, Place], drawn: frozenset[str], request_id: str, number: int
) -> str:
    """Say in words why a row cannot be taken; empty when it can."""
    problem = misplaced(row, known, request_id)
    if problem:
        return problem
    if known[row.item_id or ""].family_id not in drawn:
        return f"this record is not in sample {number}: is the sheet another sample's?"
    word, why = row.answers.get("responsive", ""), row.answers.get("why", "")
    if not word:
        return "responsive comes first: answer yes or no"
    if word.casefold() not in YES_WORDS | NO_WORDS:
        return f"responsive is yes or no, not {shown(word)}"
    if len(why) > LONGEST_TEXT:
        return f"why is longer than {LONGEST_TEXT} characters"
    if ILLEGAL.search(why):
        return "why holds a control character"
    return ""


def _waiting(
    rows: dict[str, list[SheetRow]],
    answered: Sequence[SheetRow],
    known: Mapping[str, Place],
    refused: set[int],
) -> list[Refused]:
    """Take the families out of ``rows`` that say no beside a refused row; return these rows as refused."""
    of_family: dict[str, list[int]] = defaultdict(list)
    for row in answered:
        if row.number in refused and row.item_id in known:
            of_family[known[row.item_id or ""].family_id].append(row.number)
    out: list[Refused] = []
    for family_id, numbers in of_family.items():
        own = rows.get(family_id, [])
        if not any(row.answers["responsive"].casefold() in YES_WORDS for row in own):
            which = ", ".join(map(str, numbers))
            problem = f"another row of the same family was refused (row {which}): correct that one first"
            out += [refused_row(row, problem) for row in rows.pop(family_id, [])]
    return out


def _answer(rows: Sequence[SheetRow], by: str) -> Answer:
    yes = [row for row in rows if row.answers["responsive"].casefold() in YES_WORDS]
    telling = sorted(yes or rows, key=lambda row: row.number)
    whys = dict.fromkeys(row.answers["why"] for row in telling if row.answers.get("why"))
    reviewer = next((row.answers["reviewer"] for row in telling if row.answers.get("reviewer")), by)
    return Answer(bool(yes), "; ".join(whys), reviewer)
