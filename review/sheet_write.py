"""Writing the coding sheet: XLSX or CSV, one row a family member, families never apart.

Rows are made piece by piece and written as they come, so memory does not grow with the sheet beyond the list
of families. Answers in force are shown; a suggestion is never filled in as an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from openpyxl.utils import get_column_letter

from records import tables as t
from records.catalogue import Catalogue, chunked
from records.decisions import Decision, Standing, families_found_in_samples, in_review
from records.errors import ItemError, UsageError
from records.evidence import EvidenceStore
from review import exemptions, suggest
from review.families import (
    NOT_IN_REVIEW,
    Family,
    Member,
    elsewhere,
    hits_of,
    in_pieces,
    local_time,
    members_of,
    people,
    terms_of,
)
from review.families import in_review as families_in_review
from review.grouped import Groups, groups_of
from review.sheet_files import (
    Choice,
    Layout,
    check_new,
    check_rows,
    check_suffix,
    filled,
    head_cell,
    help_page,
    row_height,
    text_cell,
    write_file,
)
from review.sheet_form import (
    ANSWERS,
    BETWEEN_CODES,
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
)

DEFAULT_VIEW_URL = "http://127.0.0.1:8421"
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
    sampled: Mapping[str, tuple[int, ...]]
    numbers: Mapping[str, int]  # of the families on the sheet


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
    check_suffix(out, "a coding sheet")
    if split_rows is not None and split_rows < 1:
        raise UsageError("a sheet is split after at least one row")
    with catalogue.read() as connection:
        standing = in_review(connection, request_id, version)
        families = families_in_review(connection, request_id, standing)
        terms = terms_of(connection, request_id, version)
        sampled = families_found_in_samples(connection, request_id)
    parts = list(_parts(families, split_rows))
    check_rows(out, max(sum(family.members for family in part) for part in parts))
    paths = [out] if len(parts) == 1 else [_numbered(out, no) for no in range(1, len(parts) + 1)]
    if not overwrite:
        check_new(paths)
    address = (view_url or DEFAULT_VIEW_URL).rstrip("/")
    numbers = {family.family_id: number for number, family in enumerate(families, start=1)}
    job = _Job(catalogue, store, request_id, version, zone, address, standing, terms, sampled, numbers)
    layout, first = _layout(), 1
    for path, part in zip(paths, parts, strict=True):
        write_file(path, layout, _rows(job, part, first), sum(family.members for family in part))
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
            item_ids = [m.item_id for group in members.values() for m in group]
            deciders = _deciders(connection, job, item_ids)
            groups = groups_of(connection, job.request_id, item_ids)
        texts = excerpts(job.store, [m for group in members.values() for m in group])
        for family_id in ids:
            yield from _family_rows(job, number, members[family_id], hits, texts, deciders, groups)
            number += 1


def _family_rows(
    job: _Job,
    number: int,
    members: Sequence[Member],
    hits: Mapping[str, list[tuple[int, int]]],
    texts: Mapping[str, str],
    deciders: Mapping[str, str],
    groups: Groups,
) -> Iterator[dict[str, str]]:
    addresses = [address for member in members for _, address in member.everybody]
    other = elsewhere(any(m.item_id in hits for m in members), job.sampled.get(members[0].family_id, ()))
    address = f"{job.view_url}/r/{job.request_id}/i"
    for cells, member in zip(
        reading_cells(members, texts, job.zone, address), stored_of(members), strict=True
    ):
        own = hits.get(member.item_id, [])
        terms = [job.terms.get(no, f"term {no}") for no, _ in own]
        suggestions = suggest.suggest(member.kind, addresses, terms)
        standing = job.standing.get(member.item_id, NOT_IN_REVIEW)
        why = "; ".join(f"{term} ({count}×)" for term, (_, count) in zip(terms, own, strict=True))
        yield {
            **cells,
            "family": str(number),
            "why_it_hit": one_line(why or other, _LINE),
            "where_it_stands": _stands(standing),
            "suggestion": one_line("; ".join(s.text for s in suggestions), _LINE),
            **_group_cells(job, groups, member.item_id),
            **_answers(standing.decision, deciders.get(member.item_id, "")),
        }


def _group_cells(job: _Job, groups: Groups, item_id: str) -> dict[str, str]:
    """Return what a record belongs to, in words; empty cells before ``daylight group`` has run."""
    cells = dict.fromkeys(("duplicates", "near_duplicates", "thread", "inclusive"), "")
    if (copy := groups.duplicates.get(item_id)) is not None:
        holders = "; ".join(dict.fromkeys(one.custodian_id for one in copy.places))
        cells["duplicates"] = one_line(f"{copy.name}: {copy.copies} copies, with {holders}", _LINE)
    if (near := groups.near.get(item_id)) is not None:
        cells["near_duplicates"] = f"{near.name}: {near.in_words}"
    if (mail := groups.threads.get(item_id)) is not None:
        cells["thread"] = f"{mail.name}: {mail.place} of {mail.size}{mail.by_in_words}"
        cells["inclusive"] = "yes"
        if mail.container_id is not None:
            family = job.numbers.get(mail.container_id)
            where = f"family {family}" if family else "a later message that is not on this sheet"
            cells["inclusive"] = f"no, all of it is in {where}"
    return cells


def stored_of(members: Iterable[Member]) -> list[Member]:
    """Return the members a sheet has a row for."""
    return [member for member in members if member.stored]


def reading_cells(
    members: Sequence[Member], texts: Mapping[str, str], zone: ZoneInfo, address: str
) -> Iterator[dict[str, str]]:
    """Yield, for each stored member of a family in order, the cells that only say what it is.

    Args:
        members: All members of the family.
        texts: How their texts begin, from ``excerpts``.
        zone: The zone people read times in.
        address: Where the pages show an item, without a slash at the end.
    """
    stored = stored_of(members)
    for place, member in enumerate(stored):
        carried = [m for m in members if m.parent_id == member.item_id]
        lost = [m for m in carried if not m.stored]
        yield {
            ITEM_ID: key_of(member.item_id),
            "member": "parent" if member.level == 0 else f"part {place} of {len(stored) - 1}",
            "date_time": one_line(local_time(member, zone), _LINE),
            "from": one_line(people(member.sender), _LINE),
            "to": one_line(people(member.to + member.cc + member.bcc + member.participants), _LINE),
            "subject_or_file": one_line(member.title, _LINE),
            "first_300_characters": texts.get(member.item_id, ""),
            "attachments": _attachments(carried, lost),
            "kind": member.kind,
            "type": member.doc_type,
            "language": ", ".join(member.languages),
            "custodian": one_line(member.custodian_id, _LINE),
            "link": f"{address}/{member.item_id}",
        }


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
    "type": 13,
    "language": 9,
    "custodian": 14,
    "where_it_stands": 18,
    "link": 8,
    "suggestion": 28,
    "duplicates": 24,
    "near_duplicates": 20,
    "thread": 20,
    "inclusive": 22,
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
_HELP = Path(__file__).with_name("sheet_help.txt")


def _codes_page(sheet: Any) -> None:
    widths = {"code": 26, "title": 36, "citation": 32, "summary": 70, "kind": 13, "typical_redaction": 44}
    widths["confidence"] = 13
    sheet.freeze_panes = "A2"
    for place, name in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = widths[name]
    sheet.append([head_cell(sheet, name) for name in widths])
    for number, rule in enumerate(exemptions.load().values(), start=2):
        lengths = [(len(getattr(rule, name)), width) for name, width in widths.items()]
        sheet.row_dimensions[number].height = row_height(lengths)
        sheet.append([filled(text_cell(sheet), getattr(rule, name)) for name in widths])


def _layout() -> Layout:
    codes = len(exemptions.load()) + 1
    choices = (
        Choice("public_record", f'"{PUBLIC},{PERSONAL}"'),
        Choice("responsive", f'"{YES},{NO}"'),
        Choice("treatment", f'"{",".join(TREATMENTS)}"'),
        Choice("exemption_code", f"Codes!$A$2:$A${codes}", several=True),
        Choice("hold", f'"{",".join(HOLDS)}"', several=True),
    )
    pages = (("How to use", lambda sheet: help_page(sheet, _HELP)), ("Codes", _codes_page))
    return Layout("Coding sheet", _WIDTHS, ANSWERS, "family", choices, pages)
