"""The requests and their terms, each term with a predicate of its own.

A term is written twice: in the search language (for the request's CSV) and as a few plain functions (for the
truth). No parser is involved on this side, so a wrong reading of the language shows as a difference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from examples.district.clock import ZONE
from examples.district.people import DOMAIN, Person
from examples.district.roster import BIDDER, COACH

_TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Fields:
    """What an unfielded term looks at; a phrase matches inside one of them."""

    subject: str = ""
    text: str = ""
    filename: str = ""
    participants: str = ""
    kind: str = ""


class Tokens:
    """The folded tokens of one document, field by field."""

    def __init__(self, fields: Fields) -> None:
        self.kind = fields.kind
        self.subject = fold(fields.subject)
        self.rows = [self.subject, fold(fields.text), fold(fields.filename), fold(fields.participants)]
        self.all = {t for row in self.rows for t in row}


Test = Callable[[Tokens], bool]


def fold(text: str) -> list[str]:
    """Return tokens: letters and digits after NFKD and casefold, marks and format characters removed."""
    if text.isascii():
        return _TOKEN.findall(text.lower())
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return _TOKEN.findall(
        "".join(c for c in plain if unicodedata.category(c)[0] != "M" and unicodedata.category(c) != "Cf")
    )


def phrase(words: str) -> Test:
    """Match these words in a row, in one field."""
    want = words.split()
    return lambda doc: want[0] in doc.all and any(_in_row(want, row) for row in doc.rows)


def prefix(start: str) -> Test:
    """Match any word that starts so."""
    return lambda doc: any(t.startswith(start) for t in doc.all)


def both(*tests: Test) -> Test:
    """Match where all match in the same document."""
    return lambda doc: all(t(doc) for t in tests)


def either(*tests: Test) -> Test:
    """Match where one matches."""
    return lambda doc: any(t(doc) for t in tests)


def without(test: Test) -> Test:
    """Match where ``test`` does not."""
    return lambda doc: not test(doc)


def in_subject(word: str) -> Test:
    """Match a word in the subject."""
    return lambda doc: word in doc.subject


def of_kind(kind: str) -> Test:
    """Match items of one kind."""
    return lambda doc: doc.kind == kind


def _in_row(want: list[str], row: list[str]) -> bool:
    return any(row[i : i + len(want)] == want for i, token in enumerate(row) if token == want[0])


@dataclass(frozen=True, slots=True)
class Term:
    """One line of a term list; ``test`` is None for a line that is wrong on purpose."""

    query: str
    note: str
    test: Test | None


@dataclass(frozen=True, slots=True)
class Ask:
    """A records request.

    Attributes:
        name: ``bus`` for ``request-bus.toml``.
        first: First day of the window, inclusive, Pacific time; so ``last``.
        all_sources: True for the main request; else only ``sources`` (source ids).
        ruled_out: Places that were considered and are not searched, each with why.
    """

    name: str
    text: str
    received_on: date
    requester: str
    first: date
    last: date
    terms: tuple[Term, ...]
    all_sources: bool
    sources: frozenset[str] = frozenset()
    ruled_out: tuple[tuple[str, str], ...] = ()

    def searches(self, source_id: str) -> bool:
        """Say whether the request names this source."""
        return self.all_sources or source_id in self.sources

    def covers(self, at: datetime | None) -> bool:
        """Say whether an item of this time is kept; no trustworthy time is always kept."""
        return at is None or self.first <= at.astimezone(ZONE).date() <= self.last

    def hits(self, doc: Tokens) -> list[str]:
        """Return the queries of the terms that match."""
        return [t.query for t in self.terms if t.test is not None and t.test(doc)]


BUS_TERMS = (
    Term("bus route change", "the change as the notices call it", phrase("bus route change")),
    Term(
        '"route 14" AND "Cedar Falls"',
        "the route's number, with the school",
        both(phrase("route 14"), phrase("cedar falls")),
    ),
    Term(
        "reroute* AND (cedar OR larkspur)",
        "other words for it",
        both(prefix("reroute"), either(phrase("cedar"), phrase("larkspur"))),
    ),
    Term('"Larkspur Lane stop"', "the stop that moves", phrase("larkspur lane stop")),
    Term(
        '"stop consolidation" AND NOT budget',
        "planner's word; the budget memo is another matter",
        both(phrase("stop consolidation"), without(phrase("budget"))),
    ),
    Term("subject:detouring", "heading of the dispatcher's notices", in_subject("detouring")),
    Term('"snow route detour"', "checked; expected to find nothing", phrase("snow route detour")),
)
CONTRACT_TERMS = (
    Term("boiler* AND contract*", "the boiler contract", both(prefix("boiler"), prefix("contract"))),
    Term('"Pinecrest Mechanical"', "the bidder", phrase("pinecrest mechanical")),
    Term(
        "playground AND (bid OR proposal)",
        "the playground offers",
        both(phrase("playground"), either(phrase("bid"), phrase("proposal"))),
    ),
    Term("PO-2291", "purchase order", phrase("po 2291")),
    Term("change order three", "as the architect writes it", phrase("change order three")),
    Term("(boiler AND", "left as the requester sent it: an unfinished line", None),
    Term(
        '"asbestos abatement rider"', "checked; expected to find nothing", phrase("asbestos abatement rider")
    ),
)
STAFFING_TERMS = (
    Term("Brannock", "the coach", phrase("brannock")),
    Term('"interim coach"', "the post", phrase("interim coach")),
    Term('"staffing plan B"', "the plan named in the texts", phrase("staffing plan b")),
    Term("kind:message AND coverage*", "texts about cover", both(of_kind("message"), prefix("coverage"))),
)


def make_asks(contract_sources: frozenset[str], staffing_sources: frozenset[str]) -> tuple[Ask, ...]:
    """Return the three requests; the first one, ``bus``, names every source."""
    return (
        Ask(
            "bus",
            "All communications about the bus route change at Cedar Falls Middle School",
            date(2026, 9, 8),
            "R. Example, 12 Sample Street, Alder Valley",
            date(2026, 1, 1),
            date(2026, 6, 30),
            BUS_TERMS,
            all_sources=True,
            ruled_out=(
                ("Camera recordings of the buses", "kept for 30 days; those of the window are gone"),
                ("Student information system", "holds addresses and grades, no correspondence"),
            ),
        ),
        Ask(
            "contract",
            "Bids, proposals and correspondence on the boiler contract and the playground project, "
            f"and what {BIDDER} of Pinecrest Mechanical wrote or was told",
            date(2026, 4, 6),
            "Example Gazette, newsroom",
            date(2025, 9, 1),
            date(2026, 3, 31),
            CONTRACT_TERMS,
            all_sources=False,
            sources=contract_sources,
            ruled_out=(("Payroll system", "holds wages and hours, nothing about bidders"),),
        ),
        Ask(
            "staffing",
            "Texts, mail and chats of district officials on the coaching vacancy at Alder Valley High School "
            f"after the leave of {COACH}",
            date(2026, 6, 15),
            "",
            date(2025, 11, 1),
            date(2026, 5, 31),
            STAFFING_TERMS,
            all_sources=False,
            sources=staffing_sources,
        ),
    )


@dataclass(frozen=True, slots=True)
class Source:
    """One place that is searched.

    Attributes:
        id: Opaque; it may stand in logs.
        path: Relative to the district's folder.
        options: What the connector is told beside the path.
        declared: It is somebody's own device or account.
    """

    id: str
    connector: str
    custodian: Person
    custodian_id: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)
    declared: bool = False


def write_requests(out: Path, asks: tuple[Ask, ...], sources: list[Source]) -> None:
    """Write ``request-NAME.toml`` and ``terms-NAME.csv``; paths are relative to the request file."""
    for ask in asks:
        lines = ["term,note"]
        lines += [f"{_csv(term.query)},{_csv(term.note)}" for term in ask.terms]
        (out / f"terms-{ask.name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        used = [s for s in sources if ask.searches(s.id)]
        (out / f"request-{ask.name}.toml").write_text(_toml(ask, used), encoding="utf-8", newline="")


def _toml(ask: Ask, sources: list[Source]) -> str:
    lines = [
        f"text = {quoted(ask.text)}",
        f"received_on = {ask.received_on}",
        *([f"requester = {quoted(ask.requester)}"] if ask.requester else []),
        'time_zone = "America/Los_Angeles"',
        f"window = {{ from = {ask.first}, to = {ask.last} }}",
        f'terms = "terms-{ask.name}.csv"',
        'roster = "roster.csv"',
        f'domains = ["{DOMAIN}"]',
    ]
    for place, why in ask.ruled_out:
        lines += ["", "[[ruled_out]]", f"place = {quoted(place)}", f"why = {quoted(why)}"]
    custodians = {s.custodian_id: s.custodian for s in sources}
    for key, person in sorted(custodians.items()):
        lines += [
            "",
            "[[custodians]]",
            f"id = {quoted(key)}",
            f"name = {quoted(person.name)}",
            f"role = {quoted(f'{person.role}, {person.place}')}",
            f"emails = [{quoted(person.email)}]",
            f"numbers = [{quoted(person.number)}]",
            f"aliases = [{quoted(person.name.split()[-1])}]",
        ]
    for source in sources:
        lines += [
            "",
            "[[sources]]",
            f"id = {quoted(source.id)}",
            f"connector = {quoted(source.connector)}",
            f"custodian = {quoted(source.custodian_id)}",
            f"path = {quoted(source.path)}",
            *_options(source),
            *(["declared = true"] if source.declared else []),
            'readers = ["records officer"]',
        ]
    return "\n".join(lines) + "\n"


def _options(source: Source) -> list[str]:
    stated = ", ".join(f"{name} = {quoted(value)}" for name, value in source.options.items())
    return [f"options = {{ {stated} }}"] if stated else []


def quoted(text: str) -> str:
    """Return a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _csv(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text
