"""The example records officer: fills a coding sheet with the answers of the truth table.

``python -m examples.decide SHEET.csv ITEMS.jsonl TRUTH.jsonl NAME OUT.csv``. The sheet is what ``daylight
sheet`` wrote as CSV, the items are what ``daylight items --no-text`` prints. A top item is known by its
source and native key; a child by its place among its parent's children and its name. A demo needs a person
who decides: this one decides as planned, releases the mail that only another form of a term finds
(``truth-variants.jsonl`` beside the truth table), and says *not responsive* to everything nobody planned.

``python -m examples.decide --sample SAMPLE.csv …`` fills in the sheet of ``daylight sample sheet`` instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY_PREFIX = "i:"
"""Stands before the id in a sheet, so that a spreadsheet does not take it for a number."""

ANSWERS = ("public_record", "responsive", "treatment", "exemption_code", "explanation", "hold", "note")
UNPLANNED = {"public_record": "yes", "responsive": "no"}
VARIANT = {"public_record": "yes", "responsive": "yes", "treatment": "release"}
"""The answer to what a variant of a term finds."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was done: rows of the sheet = planned + unplanned."""

    planned: int
    unplanned: int


@dataclass(frozen=True, slots=True)
class _Item:
    parent_id: str | None
    key: tuple[str, str]
    name: str | None
    place: int


def fill(
    sheet_csv_in: Path, items_jsonl: Path, truth_jsonl: Path, request_name: str, out_csv: Path
) -> Filled:
    """Fill in every row of a sheet.

    Args:
        sheet_csv_in: Columns at least ``item_id`` and those of ``ANSWERS``; all others are kept as they are.
        items_jsonl: One JSON object an item, each parent before its children, children in order.
        truth_jsonl: The district's truth table.
        request_name: ``bus`` for ``request-bus.toml``.
        out_csv: Written anew; UTF-8 with the mark that spreadsheets look for.

    Raises:
        ValueError: A column is missing, or a row names an item that is not among the items.
    """
    columns, rows = _sheet(sheet_csv_in, ANSWERS)
    planned = _Planned(rows, items_jsonl, truth_jsonl, request_name)
    counts: Counter[bool] = Counter()
    for row in rows:
        answer = planned.answer(_id_of(row))
        counts[answer is not None] += 1
        row.update(dict.fromkeys(ANSWERS, ""))
        row.update(answer or UNPLANNED)
    _write(out_csv, columns, rows)
    return Filled(counts[True], counts[False])


def fill_sample(
    sheet_csv_in: Path, items_jsonl: Path, truth_jsonl: Path, request_name: str, out_csv: Path
) -> Filled:
    """Fill in every row of a sample's sheet; arguments and errors as those of ``fill``.

    Returns:
        Rows that somebody planned as responsive, and the others.
    """
    columns, rows = _sheet(sheet_csv_in, ("responsive",))
    planned = _Planned(rows, items_jsonl, truth_jsonl, request_name)
    counts: Counter[bool] = Counter()
    for row in rows:
        responsive = (planned.answer(_id_of(row)) or UNPLANNED).get("responsive") == "yes"
        counts[responsive] += 1
        row["responsive"] = "yes" if responsive else "no"
    _write(out_csv, columns, rows)
    return Filled(counts[True], counts[False])


def _sheet(path: Path, answers: tuple[str, ...]) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    missing = [name for name in ("item_id", *answers) if name not in columns]
    if missing:
        raise ValueError(f"the sheet lacks the columns {', '.join(missing)}")
    return columns, rows


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


class _Planned:
    """What the generator planned for the rows of a sheet."""

    def __init__(self, rows: list[dict[str, str]], items: Path, truth: Path, request_name: str) -> None:
        self._items = _needed_items(items, {_id_of(row) for row in rows})
        self._truth = _needed_truth(truth, {item.key for item in self._items.values()})
        self._name = request_name
        variants = truth.with_name("truth-variants.jsonl")
        self._variants = {
            tuple(family)
            for row in (_lines(variants) if variants.exists() else ())
            if row["request"] == request_name
            for family in row["families"]
        }

    def answer(self, item_id: str) -> dict[str, str] | None:
        """Return the cells for an item, or None where nothing was planned.

        Raises:
            ValueError: It is not among the items.
        """
        if item_id not in self._items:
            raise ValueError(f"row {item_id} is not among the items")
        found = _answer(item_id, self._items, self._truth, self._name)
        if found is None and self._items[item_id].key in self._variants:
            return VARIANT
        return found


def _id_of(row: Mapping[str, str]) -> str:
    return row["item_id"].strip().removeprefix(KEY_PREFIX)


def _needed_items(path: Path, wanted: set[str]) -> dict[str, _Item]:
    """Return the members of every family that a row of the sheet belongs to."""
    families = {row["family_id"] for row in _lines(path) if row["item_id"] in wanted}
    out: dict[str, _Item] = {}
    children: Counter[str] = Counter()
    for row in _lines(path):
        if row["family_id"] not in families:
            continue
        parent = row["parent_id"]
        place = children[parent] if parent else 0
        if parent:
            children[parent] += 1
        out[row["item_id"]] = _Item(parent, (row["source"], row["native_id"]), row["name"], place)
    return out


def _needed_truth(path: Path, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {key: row for row in _lines(path) if (key := (row["source_id"], row["native_key"])) in wanted}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _answer(
    item_id: str,
    items: Mapping[str, _Item],
    truth: Mapping[tuple[str, str], dict[str, Any]],
    request_name: str,
) -> dict[str, str] | None:
    node = _truth_of(item_id, items, truth)
    planned = node and node["review"].get(request_name)
    return _cells(planned) if planned else None


def _truth_of(
    item_id: str, items: Mapping[str, _Item], truth: Mapping[tuple[str, str], dict[str, Any]]
) -> dict[str, Any] | None:
    item = items[item_id]
    if item.parent_id is None:
        return truth.get(item.key)
    parent = _truth_of(item.parent_id, items, truth)
    if parent is None:
        return None
    children: list[dict[str, Any]] = parent["children"]
    if item.place < len(children) and children[item.place]["name"] == item.name:
        return children[item.place]
    return next((child for child in children if child["name"] == item.name), None)


def _cells(planned: Mapping[str, Any]) -> dict[str, str]:
    """Return the answers as a sheet has them; the facts of a personal matter stand under *explanation*."""
    if not planned["public_record"]:
        return {"public_record": "personal", "explanation": planned["facts"], "note": planned["note"]}
    cells = {name: planned[name] for name in ("treatment", "exemption_code", "explanation", "hold", "note")}
    return {"public_record": "yes", "responsive": "yes" if planned["responsive"] else "no", **cells}


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.decide", description=(__doc__ or "").split("\n")[0]
    )
    for name, what in (
        ("sheet", "coding sheet as CSV"),
        ("items", "JSON lines of `daylight items`"),
        ("truth", "truth.jsonl of the district"),
    ):
        parser.add_argument(name, type=Path, help=what)
    parser.add_argument("name", help="request name: bus for request-bus.toml")
    parser.add_argument("out", type=Path, help="filled-in sheet, CSV")
    parser.add_argument("--sample", action="store_true", help="it is the sheet of a sample")
    args = parser.parse_args(arguments)
    try:
        filled = fill_sample if args.sample else fill
        done = filled(args.sheet, args.items, args.truth, args.name, args.out)
    except (ValueError, OSError) as err:
        print(err, file=sys.stderr)
        return 2
    print(json.dumps({"planned": done.planned, "unplanned": done.unplanned}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
