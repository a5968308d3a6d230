"""What an index of a request is made of: its mapping, its settings and its analyzer.

Words are the project's own. The body, nearly all of a text, is folded here and sent as the words that are
searched, with spaces between (measured: the server takes them six times as fast). For the short fields, which
people read in Kibana, the char filter is made from ``search.folding``'s table, and the tokenizer's letters
are the table's, so that no Java's Unicode version matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from search.folding import ANALYZER, TABLE, TOKEN_CHARACTERS

MAPPING = Path(__file__).with_name("elasticsearch_mapping.json")
SETTINGS = Path(__file__).with_name("elasticsearch_settings.json")
LAYOUT = 3
"""Version of what is in an index; with another one it is refused until it is rebuilt."""

META = {"analyzer": ANALYZER, "layout": LAYOUT}
"""What an index says of itself; another one is refused."""


def index_settings() -> dict[str, Any]:
    """Return the settings by when they hold: ``fixed``, ``load``, ``serve``."""
    found: dict[str, Any] = json.loads(SETTINGS.read_text("utf-8"))
    return found


def live(loads: Iterable[str]) -> dict[str, Any]:
    """Return the condition that a document belongs to one of these generations."""
    return {"bool": {"filter": [{"term": {"doc_type": "item"}}, {"terms": {"load": list(loads)}}]}}


def analysis() -> dict[str, Any]:
    """Return the index's analysis settings, made from the folding table.

    Every mapped or removed code point is one rule of a ``mapping`` char filter; the tokenizer takes runs of
    the characters that the table keeps or maps to. So what is a letter is said by the table, and not by the
    Unicode version of the server's Java.

    The rules are one text with commas between, which the server parts by itself (every rule is written in
    escapes, so none has a comma): 20,204 values of a list are copied one by one whenever the server looks at
    the settings of an index.
    """
    table = json.loads(TABLE.read_text("ascii"))
    removed = (point for first, last in table["drop"] for point in range(first, last + 1))
    rules = [f"{_escaped(chr(point))}=>" for point in removed]
    rules += [
        f"{_escaped(chr(int(point, 16)))}=>{_escaped(folded)}" for point, folded in table["map"].items()
    ]
    return {
        "char_filter": {"folding": {"type": "mapping", "mappings": ",".join(rules)}},
        "tokenizer": {
            "letters_and_digits": {
                "type": "pattern", "group": 0,
                "pattern": f"{_letters(table['keep'])}{{1,{TOKEN_CHARACTERS}}}",
            },
            # Measured in UTF-16 units, of which a letter has two at most; what comes was cut already.
            "spaces": {"type": "whitespace", "max_token_length": 2 * TOKEN_CHARACTERS},
        },
        "analyzer": {
            "folded": {"type": "custom", "char_filter": ["folding"], "tokenizer": "letters_and_digits"},
            "words": {"type": "custom", "tokenizer": "spaces"},
        },
    }  # fmt: skip


def _escaped(text: str) -> str:
    """Write text as a rule of the char filter wants it: UTF-16 units; plain white space would be cut off."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _letters(ranges: list[list[int]], first: int = 0, last: int = 0x10FFFF) -> str:
    """Return a character class of Java for sorted ranges, written as a decision tree.

    Java asks every part of a plain class in turn, nearly a thousand here; measured, that indexes 0.1 MB of
    text a second. ASCII is the first branch.
    """
    if len(ranges) <= 2:
        return "[" + "".join(f"\\x{{{start:x}}}-\\x{{{end:x}}}" for start, end in ranges) + "]"
    half = len(ranges) // 2
    if first < 0x80 <= last:
        half = sum(1 for start, _ in ranges if start < 0x80) or half
    border = ranges[half][0]
    left, right = _letters(ranges[:half], first, border - 1), _letters(ranges[half:], border, last)
    return f"[[\\x{{{first:x}}}-\\x{{{border - 1:x}}}&&{left}][\\x{{{border:x}}}-\\x{{{last:x}}}&&{right}]]"
