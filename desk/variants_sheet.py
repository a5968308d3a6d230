"""The sheet of variants: out to people, and back with what they take and refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from desk.home import Home
from desk.variants import (
    KEY_PREFIX,
    Answer,
    Said,
    Standing,
    bare_id,
    check_named,
    keep_answers,
    not_closed,
    problem_with,
    standings_of,
)
from records import audit
from review.sheet_files import Choice, Layout, check_new, check_rows, check_suffix, help_page, write_file
from review.sheet_form import Form, SheetRow, one_line, plain
from review.sheet_read import read_sheet, shown


def listed(home: Home, request_id: str, out: Path | None = None, *, by: str) -> Iterator[dict[str, Any]]:
    """Yield every variant, those still open first; also as a sheet to answer.

    Args:
        home: Open.
        request_id: The request.
        out: Also write the sheet here (.csv or .xlsx); it must not exist.
        by: Who asks for the sheet; for the audit log.

    Raises:
        UsageError: There is no such request; or the file has another suffix or is there already.
    """
    standings = standings_of(home, request_id)
    if out is not None:
        _write_sheet(home, request_id, standings, out, by)
    return map(_as_json, standings)


def _as_json(one: Standing) -> dict[str, Any]:
    variant = one.variant
    return {
        "variant_id": one.variant_id,
        "state": one.state,
        "base_kind": variant.base_kind.value,
        "base": variant.base,
        "way": variant.way.value,
        "form": variant.form,
        "documents": variant.documents,
        "families": variant.families,
        "added_documents": variant.added_documents,
        "added_families": variant.added_families,
        "version": one.version,
        "answer_version": one.answer_version,
        "why": one.why,
        "by": one.by,
        "at": one.at,
    }


_KEY = "variant"
_WIDTHS = {
    _KEY: 17,
    "group": 7,
    "what": 11,
    "of": 40,
    "way": 13,
    "form": 44,
    "documents": 11,
    "families": 10,
    "added_documents": 17,
    "added_families": 15,
    "state": 10,
    "answer": 10,
    "why": 50,
}
_ANSWERS = ("answer", "why")
_FORM = Form("sheet of variants", tuple(_WIDTHS), _ANSWERS, (_KEY, *_ANSWERS), key=_KEY)
_HELP = Path(__file__).with_name("variants_help.txt")
_LAYOUT = Layout(
    "Variants",
    _WIDTHS,
    _ANSWERS,
    "group",
    (Choice("answer", '"take,refuse"'),),
    (("How to use", lambda sheet: help_page(sheet, _HELP)),),
    frozenset({"documents", "families", "added_documents", "added_families"}),
)
_FORM_CELL = 1_000


def _write_sheet(home: Home, request_id: str, standings: Sequence[Standing], out: Path, by: str) -> None:
    check_suffix(out, "a sheet of variants")
    check_new([out])
    check_rows(out, len(standings))
    write_file(out, _LAYOUT, _cells(standings), len(standings))
    with home.catalogue.write() as connection:
        audit.append(
            connection,
            action="exported",
            actor=by,
            request_id=request_id,
            what="variants",
            rows=len(standings),
        )


def _cells(standings: Sequence[Standing]) -> Iterator[dict[str, str]]:
    """Yield rows; the variants of one term or name stand under one number."""
    groups: dict[tuple[str, str], int] = {}
    for one in standings:
        variant = one.variant
        group = groups.setdefault((variant.base_kind, variant.base), len(groups) + 1)
        yield {
            _KEY: KEY_PREFIX + one.variant_id,
            "group": str(group),
            "what": variant.base_kind.value,
            "of": one_line(variant.base, _FORM_CELL),
            "way": variant.way.value,
            "form": one_line(variant.form, _FORM_CELL),
            "documents": str(variant.documents),
            "families": str(variant.families),
            "added_documents": str(variant.added_documents),
            "added_families": str(variant.added_families),
            "state": one.state,
            "answer": "",
            "why": "",
        }


_WORDS = {"take": Answer.TAKEN, "taken": Answer.TAKEN, "refuse": Answer.REFUSED, "refused": Answer.REFUSED}


def answer_sheet(home: Home, request_id: str, path: Path, *, by: str, why: str = "") -> dict[str, Any]:
    """Take the answers of a sheet; rows that cannot be placed are refused by row, the others are kept.

    Args:
        home: Open.
        request_id: The request.
        path: The sheet as it came back.
        by: Who answered.
        why: The reason of the rows that give none of their own.

    Returns:
        As ``answer``, with ``rows_without_answer`` and ``rows_not_accepted``: number, variant and problem.

    Raises:
        AccessError: The file cannot be opened.
        UsageError: There is no such request, or it is closed; the file is no sheet of variants; no name is
            given.
    """
    found = not_closed(home, request_id)
    check_named(by)
    rows = read_sheet(path, _FORM).rows
    known = {one.variant_id: one for one in standings_of(home, request_id)}
    both = _both_ways(rows, known)
    said: dict[str, Said] = {}
    not_accepted: list[dict[str, Any]] = []
    empty = 0
    for row in rows:
        if not row.answers and not row.formulas:
            empty += 1
            continue
        one, why_not = (None, both[row.number]) if row.number in both else _read_row(row, known, said, why)
        if one is not None:
            said[one.standing.variant_id] = one
        else:
            not_accepted.append({"row": row.number, "variant_id": row.key, "problem": why_not})
    result = keep_answers(home, found, list(said.values()), by)
    return {**result, "rows_without_answer": empty, "rows_not_accepted": not_accepted}


def _both_ways(rows: Sequence[SheetRow], known: Mapping[str, Standing]) -> dict[int, str]:
    """Return the rows that take a form which others refuse, and the problem: nobody knows which is meant."""
    of_form: dict[str, list[tuple[int, Answer]]] = {}
    for row in rows:
        standing = known.get(bare_id(row.key))
        given = _WORDS.get(row.answers.get("answer", "").casefold())
        if standing is not None and given is not None:
            of_form.setdefault(standing.variant.form.casefold(), []).append((row.number, given))
    out: dict[int, str] = {}
    for given_rows in of_form.values():
        if len({given for _, given in given_rows}) > 1:
            numbers = ", ".join(str(number) for number, _ in given_rows)
            problem = f"rows {numbers} take and refuse the same form: answer it one way"
            out |= dict.fromkeys((number for number, _ in given_rows), problem)
    return out


def _read_row(
    row: SheetRow, known: Mapping[str, Standing], said: Mapping[str, Said], why: str
) -> tuple[Said | None, str]:
    """Return what a row says, or what is wrong with it."""
    if row.formulas:
        return None, f"{', '.join(row.formulas)} holds a formula: write the words themselves"
    standing = known.get(bare_id(row.key))
    if standing is None:
        return None, "this request has no such variant: leave the first column as it was written"
    word = row.answers.get("answer", "")
    if not word:
        return None, "there is a reason and no answer: write take or refuse"
    given = _WORDS.get(word.casefold())
    if given is None:
        return None, f"answer is take, refuse or empty, not {shown(word)}"
    reason = row.answers.get("why", "") or why.strip()
    if not reason:
        return None, "the reason is missing: write it into why"
    if standing.variant_id in said:
        return None, "this variant was answered in a row above"
    why_not = problem_with(standing, given)
    return (None, why_not) if why_not else (Said(standing, given, plain(reason)), "")
