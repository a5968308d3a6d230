"""The draft of the public records officer's declaration, with blanks for what only a person can say.

An unsworn declaration has the effect of a sworn one when it is in substantially the form of RCW 5.50.050
(Uniform Unsworn Declarations Act). The closing words below are that form as it is generally known; they were
not compared with the code, and the draft says so. A declaration shows what was searched, how and where, in
enough detail (Neighborhood Alliance, 172 Wn.2d at 720-21): each statement repeats counts of the record and
says that it does; nothing here says whether the search was good.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from desk.adequacy.pages import Block, left_out, section, text
from search.reports import some

OATH = (
    "I declare under penalty of perjury under the law of Washington that the foregoing is true and correct."
)
PLACE_AND_DAY = (
    "Signed on the ______ day of ____________________, ________, at ______________________________"
)
PLACE_NOTE = "(city or other location, and state or country)"
NOTE = (
    "Draft. Read every statement, correct what is wrong, strike what you do not know, and fill in the blanks "
    "before you sign. The closing words follow the form of RCW 5.50.050 as it is generally known; compare "
    "them with the present text of the statute, and ask counsel."
)
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Statement:
    """One numbered statement.

    Attributes:
        words: What is stated.
        quote: Words of another person, shown apart; else empty.
        lines: Empty lines for the officer's own words.
    """

    words: str
    quote: str = ""
    lines: int = 0


def statements(facts: dict[str, Any], json_sha256: str) -> list[Statement]:
    """Return the statements, in order.

    Args:
        facts: The JSON object of ``Facts``, of the office's own copy.
        json_sha256: Of the JSON file that the declaration is about.
    """
    asked, found, gaps = facts["request"], facts["found"], facts["unsearched"]
    variants, samples = facts["variants"], facts["samples"]["samples"]
    places, ruled = facts["places"]["places"], facts["ruled_out"]["places"]
    now = facts["terms"]["lists"][-1]
    leads = facts["leads"]["leads"]
    drawn = sum(one["size"] for one in samples)
    return [
        Statement(
            "I am the ____________________ of ______________________________. What I state from my own "
            "knowledge is marked so below; the rest is taken from the record of the search that is attached, "
            "and from the records that it names."
        ),
        Statement(
            f"On {asked['received_on']} the district received this request, numbered {facts['request_id']} "
            "in our office:",
            quote=asked["versions"][-1]["text"],
        ),
        Statement(
            "From my own knowledge: how I chose the people and places to search, whom I asked, and what they "
            "told me:",
            lines=4,
        ),
        Statement(
            "According to the record, the records of "
            f"{some(len(facts['people']['custodians']), 'person', 'people')} in "
            f"{some(len(places), 'place', 'places')} were searched. Section 2 of the record names them, with "
            "the dates of collection."
        ),
        Statement(
            f"According to the record, {some(len(ruled), 'place was', 'places were')} considered and not "
            "searched, for the reasons in section 2."
        ),
        Statement(
            f"According to the record, {some(len(now['terms']), 'term was', 'terms were')} run and "
            f"{some(len(now['bad_lines']), 'line', 'lines')} of the term list could not be run. "
            f"Of other forms of terms and names, {variants['taken']:,} were taken into the list"
            f"{left_out(variants['left_out'])} and {variants['refused']:,} were refused, with the reasons in "
            f"appendix C; without an answer: {variants['unanswered']:,}. Section 3 and appendix B have the "
            "terms with their counts."
        ),
        Statement(
            f"According to the record, {some(found['stored'], 'item was', 'items were')} stored. The terms "
            f"in force match {some(now['documents'], 'document', 'documents')} in "
            f"{some(now['families'], 'family', 'families')}. In review: "
            f"{some(found['in_review'], 'item', 'items')}, of which decided: {found['decided_items']:,}."
        ),
        Statement(
            f"According to the record, {some(gaps['whole'], 'item was', 'items were')} not searched, "
            f"{some(gaps['part'], 'further item was', 'further items were')} searched in part, and "
            f"{some(gaps['places'], 'place was', 'places were')} not searched or not to the end. Section 5 "
            "has the kinds."
        ),
        Statement(
            f"According to the record, {some(len(leads), 'lead was', 'leads were')} found, of which open: "
            f"{sum(one['open'] for one in leads):,}. Section 6 says how each was closed, and by whom."
        ),
        Statement(
            f"According to the record, {some(len(samples), 'sample was', 'samples were')} drawn from what "
            f"was not going to be reviewed, {some(drawn, 'family', 'families')} in all; of these found "
            f"responsive: {sum(one['responsive'] for one in samples):,}. Section 7 has the whole series."
        ),
        Statement(
            "From my own knowledge: what I did besides (notices to keep records, talks with custodians, "
            "searches outside of the program):",
            lines=4,
        ),
        Statement(
            "The record attached is the file adequacy.pdf; the same facts are in adequacy.json, whose "
            f"SHA-256 is {json_sha256}. The audit log had {facts['integrity']['audit_seq']:,} entries then, "
            f"and its head was {facts['integrity']['audit_head']}."
        ),
    ]


def document(facts: dict[str, Any], json_sha256: str) -> dict[str, Any]:
    """Return the draft as a document for the template."""
    title = f"Declaration about the search for request {facts['request_id']}"
    blocks: list[Block] = []
    for number, one in enumerate(statements(facts, json_sha256), start=1):
        blocks.append({"kind": "numbered", "start": number, "rows": [one.words]})
        if one.quote:
            blocks.append({"kind": "quote", "text": one.quote})
        if one.lines:
            blocks.append({"kind": "lines", "count": one.lines})
    return {
        "title": title,
        "author": "",
        "description": "A draft of a declaration, with blanks for the public records officer",
        "running": title,
        "mark": "Draft, not signed",
        "contents": False,
        "opening": [text(NOTE)],
        "sections": [
            section("Statements", *blocks),
            section(
                "Declaration",
                text(OATH),
                text(PLACE_AND_DAY),
                text(PLACE_NOTE),
                {"kind": "blank", "label": "(printed name)", "width": 60},
                {"kind": "blank", "label": "(signature)", "width": 60},
                together=True,  # nobody signs a page without the words that are signed
            ),
        ],
    }


def plain(facts: dict[str, Any], json_sha256: str) -> str:
    """Return the draft as plain text, to be changed in any editor."""
    out = [f"Declaration about the search for request {facts['request_id']}", "", *_wrapped(NOTE, ""), ""]
    for number, one in enumerate(statements(facts, json_sha256), start=1):
        out += [*_wrapped(one.words, f"{number}. "), ""]
        if one.quote:
            out += [f"    > {line}" for line in one.quote.splitlines()] + [""]
        out += ["_" * 80, ""] * one.lines
    out += [*_wrapped(OATH, ""), "", PLACE_AND_DAY, PLACE_NOTE, ""]
    for label in ("(printed name)", "(signature)"):
        out += ["", "_" * 50, label]
    return "\n".join(out) + "\n"


def _wrapped(words: str, start: str) -> list[str]:
    return textwrap.wrap(
        words, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False
    )
