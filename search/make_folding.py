"""Builds the folding table from the interpreter's own Unicode data: ``python -m search.make_folding``.

The table is a committed file of one Unicode version, because Python's own tables differ between versions: two
machines would otherwise index and query with different tokens. Building it again is a decision (the analyzer
version changes, and every index has to be rebuilt), so nothing does it on its own.

Rule, character by character: NFKD, casefold, NFKD; then marks (M*) and format characters (Cf) are removed,
letters and digits (L*, N*) stay, and everything else separates. Code points that this version does not know
(Cn), surrogates, private use and control characters separate.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_SEPARATING = frozenset({"Cn", "Cs", "Co", "Cc"})


def fold_character(character: str) -> str:
    """Return what one character becomes: letters and digits, spaces where it separates, or nothing."""
    if unicodedata.category(character) in _SEPARATING:
        return " "
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(map(_kept, folded))


def _kept(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LN":
        return character
    return "" if category[0] == "M" or category == "Cf" else " "


def _ranges(points: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for point in points:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return ranges


def build() -> str:
    """Return the table as JSON text.

    ``keep`` and ``drop`` are ranges of code points; ``map`` is by code point in hex.
    What is in none of the three separates.
    """
    keep: list[int] = []
    drop: list[int] = []
    mapped: dict[str, str] = {}
    for point in range(sys.maxunicode + 1):
        character = chr(point)
        folded = fold_character(character)
        if folded == character and folded != " ":
            keep.append(point)
        elif not folded:
            drop.append(point)
        elif folded != " ":
            mapped[f"{point:x}"] = folded
    table = {
        "unicode": unicodedata.unidata_version,
        "rule": "NFKD, casefold, NFKD; M* and Cf removed; L* and N* kept; the rest separates",
        "token_characters": 256,
        "keep": _ranges(keep),
        "drop": _ranges(drop),
        "map": mapped,
    }
    return json.dumps(table, ensure_ascii=True, separators=(",", ":")).replace(',"', ',\n"') + "\n"


def main() -> None:
    """Write the table beside this module, or where ``--out`` says."""
    name = f"folding-{unicodedata.unidata_version}.json"
    parser = argparse.ArgumentParser(
        description="Build the folding table from this interpreter's Unicode data."
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name(name))
    out: Path = parser.parse_args().out
    out.write_text(build(), encoding="ascii")
    sys.stderr.write(f"{out.name}: Unicode {unicodedata.unidata_version}\n")


if __name__ == "__main__":
    main()
