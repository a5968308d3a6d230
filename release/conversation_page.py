"""The page of a day of a conversation: static, self-contained, for a browser or a printer.

Of a message it says what the index says of it, and its words. The words stand in one element whose id is the
message's number, so that a redaction can later put a labelled box in the place of a span. Pictures and files
that a message carries are named by their numbers and never shown in the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from records import canonical
from release import numbering, verifier
from release.context import WORKING_COPY
from release.page import ENVIRONMENT
from release.slices import LEFT_OUT, RELEASED_BEFORE, WITHHELD, WITHHELD_BEFORE, in_words

if TYPE_CHECKING:
    from release.render import Rows

NO_TIME = "no time stated"
WITHOUT_TIME = "without a trustworthy time"
_MOST_PEOPLE, _MOST_IN_TITLE = 12, 4
"""People named at the head of a page, and in a title; the rest are counted."""

_STATES = {"edited": "edited", "deleted": "marked as deleted where it was kept"}


@dataclass(frozen=True, slots=True)
class Part:
    """One reason of a mark.

    Attributes:
        words: ``2 not responsive to the request``.
        named: Numbers that it names: each with where it leads to (None: nowhere in this bundle) and the
            statutes it is withheld by.
    """

    words: str
    named: tuple[tuple[str, str | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """Messages in a row that are not on the page."""

    count: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One released message.

    Attributes:
        number: Its number.
        sender: As the index has it.
        clock: Time of day in the request's zone with its offset, or the source's own words.
        machine: The same for a machine; empty without a trustworthy time.
        utc: The same in UTC; empty likewise.
        basis: How the time is known, where it is not as stated.
        words: Its text, escaped; empty for none.
        carries: Numbers, addresses and names of what it carries.
        earlier: Numbers of what it carries that went out before.
        said: What else the source says of it.
        native: Where its original is.
    """

    number: str
    sender: str
    clock: str
    machine: str
    utc: str
    basis: str
    words: Markup
    carries: tuple[tuple[str, str, str], ...]
    earlier: tuple[str, ...]
    said: tuple[str, ...]
    native: str


def conversation_pages(rows: Rows, words_of: Callable[[str], str]) -> dict[str, bytes]:
    """Return the pages of an instalment by path.

    Args:
        rows: Its tables.
        words_of: Gives a stored text by its SHA-256.
    """
    template = ENVIRONMENT.get_template("conversation.html.j2")
    pages = _Pages(rows, words_of)
    return {
        rows.page_of(one): template.render(**pages.view(place)).encode("utf-8", "replace")
        for place, one in enumerate(rows.slices)
    }


def listed(rows: Rows) -> list[dict[str, Any]]:
    """Return what the index page says of each page: path, title, day, messages here and not here."""
    pages = _Pages(rows, lambda _: "")
    return [pages.head(one) for one in rows.slices]


class _Pages:
    def __init__(self, rows: Rows, words_of: Callable[[str], str]) -> None:
        self._rows, self._words_of = rows, words_of
        pairs = [*zip(rows.records, rows.index, strict=True)]
        self._by_id = {record["item_id"]: (record, row) for record, row in pairs}
        self._carried: dict[str, list[dict[str, Any]]] = {}
        for record, row in pairs:
            if record["level"] and row.get("native"):
                self._carried.setdefault(record["family_id"], []).append(row)

    def head(self, one: Mapping[str, Any]) -> dict[str, Any]:
        messages = self._messages(one)
        subject = next((row["subject"] for _, row in messages if row["subject"]), "")
        away = sum(_size(line) for line in one["lines"] if not isinstance(line, str))
        return {
            "path": self._rows.page_of(one),
            "title": subject or _untitled([record for record, _ in messages]),
            "day": day_in_words(one["day"]),
            "here": len(messages),
            "away": away,
        }

    def _messages(self, one: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Return record and row of each message on a page."""
        return [self._by_id[line] for line in one["lines"] if isinstance(line, str)]

    def view(self, place: int) -> dict[str, Any]:
        """Return what the template shows of a page."""
        rows, one = self._rows, self._rows.slices[place]
        records = [record for record, _ in self._messages(one)]
        lines = [self._line(line) for line in one["lines"]]
        shown = [line for line in lines if isinstance(line, Shown)]
        return {
            **self.head(one),
            "statement": WORKING_COPY,
            "basis": rows.basis,
            "freeze": rows.freeze,
            "told": rows.told,
            "dated": one["day"] is not None,
            "without_time": WITHOUT_TIME,
            "hours": one["hours"],
            "people": _people(records),
            "most": _MOST_PEOPLE,
            "lines": lines,
            "totals": _totals(records, shown),
            "unplaced": [in_words(reason, count) for reason, count in one["unplaced"].items()],
            "unplaced_count": sum(one["unplaced"].values()),
            "earlier": self._near(place, -1),
            "later": self._near(place, 1),
        }

    def _near(self, place: int, step: int) -> str | None:
        """Return the neighbouring page of the same conversation, beside this one."""
        slices, place_of_it = self._rows.slices, place + step
        if not 0 <= place_of_it < len(slices):
            return None
        one = slices[place_of_it]
        if one["conversation"] != slices[place]["conversation"]:
            return None
        return self._rows.page_of(one).rpartition("/")[2]

    def _line(self, line: str | Mapping[str, Any]) -> Shown | Mark:
        return self._shown(*self._by_id[line]) if isinstance(line, str) else self._mark(line)

    def _shown(self, record: Mapping[str, Any], row: Mapping[str, Any]) -> Shown:
        prefix = self._rows.told["prefix"]
        at = canonical.utc_time(record["at"]) if record["at"] else None
        local = at.astimezone(self._rows.zone) if at else None
        return Shown(
            number=row["number"],
            sender=row["from"] or verifier.NO_SENDER,
            clock=row["date_time"][11:] or record["at_text"] or NO_TIME,
            machine=local.isoformat(timespec="seconds") if local else "",
            utc=at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else "",
            basis=row["date_basis"] if row["date_basis"] != "as stated" else "",
            words=words(self._words_of(record["text_sha256"])) if record["text_sha256"] else Markup(),
            carries=tuple(
                (part["number"], f"../{part['native']}", part["file_name"] or part["record_type"])
                for part in self._carried.get(record["family_id"], ())
            ),
            earlier=tuple(
                numbering.permanent(prefix, n)
                for n in self._rows.basis["families"][record["family_id"]]["earlier"]
            ),
            said=tuple(_said(record)),
            native=f"../{row['native']}",
        )

    def _mark(self, line: Mapping[str, Any]) -> Mark:
        parts = [
            Part(in_words(reason, _count(line[reason])), tuple(self._named(reason, line[reason])))
            for reason in LEFT_OUT
            if reason in line
        ]
        return Mark(_size(line), tuple(parts))

    def _named(self, reason: str, found: Any) -> Iterator[tuple[str, str | None, str]]:
        if reason in {RELEASED_BEFORE, WITHHELD_BEFORE}:
            for number in found:
                yield numbering.permanent(self._rows.told["prefix"], number), None, ""
        elif reason == WITHHELD:
            cited = self._rows.told["citations"]
            for item_id in found:
                record, row = self._by_id[item_id]
                laws = dict.fromkeys(cited.get(claim["code"], "") for claim in record["exemptions"])
                yield row["number"], f"../index.html#log-{row['number']}", "; ".join(filter(None, laws))


def words(text: str) -> Markup:
    """Return a message's words as HTML, without characters that steer a terminal or turn the line around."""
    return escape(verifier.NOT_SHOWN.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n"))


def day_in_words(day: str | None) -> str:
    """Return a day of the plan as people write it; English whatever the machine speaks."""
    if day is None:
        return WITHOUT_TIME.capitalize()
    return f"{_DAYS[date.fromisoformat(day).weekday()]}, {day}"


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _count(found: Any) -> int:
    return found if isinstance(found, int) else len(found)


def _size(line: Mapping[str, Any]) -> int:
    return sum(_count(found) for found in line.values())


def _said(record: Mapping[str, Any]) -> Iterator[str]:
    for state in record["states"]:
        yield _STATES[state]
    if record["reactions"]:
        yield _many(record["reactions"], "reaction")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _untitled(records: Sequence[Mapping[str, Any]]) -> str:
    """Return what a conversation is called that has no name: who takes part."""
    names = [name or address for name, address in _known(records)]
    more = len(names) - _MOST_IN_TITLE
    shown = ", ".join(names[:_MOST_IN_TITLE]) + (f" and {more} more" if more > 0 else "")
    return f"Conversation of {shown}" if shown else "Conversation"


def _people(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{name} <{address}>" if name and address else name or address for name, address in _known(records)
    ]


def _known(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return who takes part in the messages on a page, name and address, as the index names them."""
    known: dict[str, tuple[str, str]] = {}
    for record in records:
        for name, address in chain.from_iterable(record[role] for role in _ROLES):
            key = (address or name).casefold()
            if key and (key not in known or (name and not known[key][0])):
                known[key] = (name, address)
    return list(known.values())


_ROLES = ("sender", "to", "cc", "bcc", "participants")


def _totals(records: Sequence[Mapping[str, Any]], shown: Sequence[Shown]) -> list[str]:
    states = Counter(state for record in records for state in record["states"])
    out = [f"{states[state]} {state}" for state in ("edited", "deleted") if states[state]]
    reactions = sum(record["reactions"] for record in records)
    carried = sum(len(one.carries) + len(one.earlier) for one in shown)
    if reactions:
        out.append(_many(reactions, "reaction"))
    if carried:
        out.append(_many(carried, "attachment"))
    return out
