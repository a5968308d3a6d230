"""The page of the room against the room."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from records.document_types import DocumentType
from records.languages import LANGUAGES, UNKNOWN
from records.vocabulary import Kind
from search.language import MAX_CHARACTERS, MAX_DEPTH, MAX_LEAVES, QuerySyntaxError, parse, suggest
from search.protocol import PREFIX_LIMIT, TIME_LIMIT_S
from search.tree import FIELDS, HAS_VALUES, MAX_DISTANCE

PAGE = (Path(__file__).parents[2] / "docs/search.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_field_is_documented_and_no_other() -> None:
    fields = {row[0].strip("`"): row[1] for row in rows("Fields")}
    assert sorted(fields) == sorted(FIELDS)
    assert re.findall(r"`(\w+)`", fields["kind"]) == list(Kind)
    assert re.findall(r"`(\w+)`", fields["has"]) == list(HAS_VALUES)
    assert re.findall(r"`(\w+)`", fields["type"]) == list(DocumentType)
    assert set(re.findall(r"`(\w+)`", fields["lang"])) - {UNKNOWN} <= set(LANGUAGES)


PACIFIC = ZoneInfo("America/Los_Angeles")


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("query", [query for row in rows("The language") for query in codes(row[0])])
def test_every_example_can_be_run(query: str) -> None:
    parse(query, PACIFIC)


def test_every_example_of_a_refusal_is_refused_with_the_repair_that_is_shown() -> None:
    repaired = 0
    for written, answer, *_ in rows("What is refused, and why"):
        for place, query in enumerate(codes(written)):
            with pytest.raises(QuerySyntaxError):
                parse(query, PACIFIC)
            offered = suggest(query, PACIFIC)
            if offered is not None:
                assert offered == codes(answer)[place]
                repaired += 1
    assert repaired == 43


def test_the_limits_are_those_of_the_code() -> None:
    values = {row[0]: row[1] for row in rows("Limits")}
    assert values["depth of a query"] == str(MAX_DEPTH)
    assert values["words and dates in a query"] == f"{MAX_LEAVES:,}"
    assert values["words that one word with `*`, `?`, `=`, `%` or `~` may stand for"].startswith(
        f"{PREFIX_LIMIT:,},"
    )
    assert values["characters in a query"].startswith(f"{MAX_CHARACTERS:,};")
    assert values["N of `w/N` and `pre/N`"] == f"1 to {MAX_DISTANCE}"
    assert values["time for one query"].startswith(f"{TIME_LIMIT_S:g} seconds;")
