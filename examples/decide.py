"""The example records officer: fills a coding sheet with the answers of the truth table.

``python -m examples.decide SHEET.csv ITEMS.jsonl TRUTH.jsonl NAME OUT.csv``. The sheet is what ``daylight
sheet`` wrote as CSV, the items are what ``daylight items --no-text`` prints. A top item is known by its
source and native key; a child by its place among its parent's children and its name. A demo needs a person
who decides: this one decides as planned, and says *not responsive* to everything nobody planned.
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
    with sheet_csv_in.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        rows = list(reader)
    missing = [name for name in ("item_id", *ANSWERS) if name not in columns]
    if missing:
        raise ValueError(f"the sheet lacks the columns {', '.join(missing)}")
    items = _needed_items(items_jsonl, {_id_of(row) for row in rows})
    truth = _needed_truth(truth_jsonl, {item.key for item in items.values()})
    counts: Counter[bool] = Counter()
    for row in rows:
        item_id = _id_of(row)
        if item_id not in items:
            raise ValueError(f"row {item_id} is not among the items")
        planned = _answer(item_id, items, truth, request_name)
        counts[planned is not None] += 1
        row.update(dict.fromkeys(ANSWERS, ""))
        row.update(planned or UNPLANNED)
    with out_csv.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return Filled(counts[True], counts[False])


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
    args = parser.parse_args(arguments)
    try:
        done = fill(args.sheet, args.items, args.truth, args.name, args.out)
    except (ValueError, OSError) as err:
        print(err, file=sys.stderr)
        return 2
    print(json.dumps({"planned": done.planned, "unplanned": done.unplanned}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
