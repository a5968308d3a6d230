"""What the page of a conversation shows: one day of it, hits with what stands around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from records.catalogue import Catalogue, chunked
from records.conversations import AWAY, Conversation, Gap, Said, around_hits, conversation_of
from records.errors import ItemError
from records.evidence import EvidenceStore
from review.families import Member, hits_of, members_of, people, terms_of
from review.page_data import RequestRow

MESSAGES_A_PAGE = 200
SHOWN_CHARACTERS = 4_000
CONTEXTS: tuple[tuple[str, int | None], ...] = (
    ("all", None),
    ("20", 20),
    ("5", 5),
    ("0", 0),
)
"""How much context can be asked for: name in the address, messages before and after each hit."""

_IN_QUERY = 500
_WORDS = {AWAY: "further from a hit than asked for", "outside_window": "outside the days of the request"}


@dataclass(frozen=True, slots=True)
class SaidView:
    """One message as the page shows it.

    Attributes:
        member: Its row.
        clock: Time of day in the request's zone, or the source's words where there is no trustworthy time.
        sender: In words.
        text: Its first characters.
        cut: More text than is shown.
        problem: Why there is no text, or empty.
        terms: Terms that hit it or what it carries; empty for context.
        hit: Whether one does.
        carries: How many things it carries (attachments).
    """

    member: Member
    clock: str
    sender: str
    text: str
    cut: bool
    problem: str
    terms: tuple[str, ...]
    hit: bool
    carries: int


@dataclass(frozen=True, slots=True)
class GapView:
    """Messages in a row that are not shown.

    Attributes:
        count: How many.
        reasons: In words, each with its number.
    """

    count: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of a conversation.

    Attributes:
        title: Name of the conversation, or words that say there is none.
        day: In words.
        hours: Length of the day in hours: 23 or 25 when clocks change; None without times.
        messages: Messages of the day, those that are not shown too.
        hits: Of them, hits.
        lines: Shown messages and gaps, in order.
        page: From 1.
        pages: How many.
        people: Who takes part, as the source says of the first message that does; else who wrote that day.
        unplaced: Left out in the same place, of no known conversation, in words with numbers.
        members: The rows that are shown, for the audit log.
    """

    title: str
    day: str
    hours: int | None
    messages: int
    hits: int
    lines: tuple[SaidView | GapView, ...]
    page: int
    pages: int
    people: str
    unplaced: tuple[tuple[str, int], ...]
    members: tuple[Member, ...]


def conversation(catalogue: Catalogue, found: RequestRow, item_id: str) -> Conversation | None:
    """Return the conversation of a message, or None."""
    with catalogue.read() as connection:
        return conversation_of(connection, found.request_id, found.version, item_id, found.zone)


def day_view(
    catalogue: Catalogue,
    store: EvidenceStore,
    found: RequestRow,
    whole: Conversation,
    place: int,
    around: int | None,
    page: int | None,
    item_id: str,
) -> DayView:
    """Return one page of a day.

    Args:
        catalogue: Where the rows are.
        store: The request's evidence.
        found: The request.
        whole: The conversation.
        place: Number of the day, from 0.
        around: Context: messages before and after each hit; None for all.
        page: From 1; None for the one that the message is on.
        item_id: The message that the page was opened by.
    """
    one = whole.slices[place]
    entries = around_hits(one, around)
    pages = max(1, -(-len(entries) // MESSAGES_A_PAGE))
    if page is None:
        page = next((n for n, e in enumerate(entries) if isinstance(e, Said) and e.item_id == item_id), 0)
        page = page // MESSAGES_A_PAGE + 1
    page = min(page, pages)
    shown = entries[(page - 1) * MESSAGES_A_PAGE : page * MESSAGES_A_PAGE]
    ids = [entry.item_id for entry in shown if isinstance(entry, Said)]
    families: dict[str, list[Member]] = {}
    hits: dict[str, list[tuple[int, int]]] = {}
    with catalogue.read() as connection:
        terms = terms_of(connection, found.request_id, found.version)
        for piece in chunked(ids, _IN_QUERY):
            families |= members_of(connection, found.request_id, piece)
            hits |= hits_of(connection, found.request_id, found.version, piece)
    lines = tuple(
        GapView(entry.count, _in_words(entry.reasons))
        if isinstance(entry, Gap)
        else _said(store, entry, families[entry.item_id], hits, terms, found.zone)
        for entry in shown
    )
    tops = tuple(families[key][0] for key in ids)
    return DayView(
        title=whole.name or "Conversation without a name",
        day=f"{one.day:%A}, {one.day:%Y-%m-%d}" if one.day else "Without a trustworthy time",
        hours=round((one.ends_at - one.begins_at).total_seconds() / 3600)
        if one.begins_at and one.ends_at
        else None,
        messages=len(one.said),
        hits=one.hits,
        lines=lines,
        page=page,
        pages=pages,
        people=_people(tops),
        unplaced=_in_words(tuple(whole.unplaced.items())),
        members=tops,
    )


def _said(
    store: EvidenceStore,
    said: Said,
    family: Sequence[Member],
    hits: dict[str, list[tuple[int, int]]],
    terms: dict[int, str],
    zone: ZoneInfo,
) -> SaidView:
    top = family[0]
    numbers = sorted({number for member in family for number, _ in hits.get(member.item_id, ())})
    text, cut, problem = _text(store, top)
    return SaidView(
        member=top,
        clock=_clock(said.at, zone) if said.at else top.sent_at_text or "no time stated",
        sender=people(top.sender, 2) or "not stated",
        text=text,
        cut=cut,
        problem=problem,
        terms=tuple(terms.get(number, f"term {number}") for number in numbers),
        hit=said.hit,
        carries=len(family) - 1,
    )


def _clock(at: datetime, zone: ZoneInfo) -> str:
    """Return the time of day; with its offset, since an hour comes twice when clocks are set back."""
    local = at.astimezone(zone)
    offset = f"{local:%z}"
    return f"{local:%H:%M:%S} {offset[:3]}:{offset[3:5]}"


def _text(store: EvidenceStore, member: Member) -> tuple[str, bool, str]:
    if member.text_sha256 is None:
        return "", False, f"No text: {member.reason.replace('_', ' ')}." if member.reason else "No text."
    try:
        text = store.get(member.text_sha256).decode("utf-8", "replace")
    except ItemError as error:
        return "", False, f"The text cannot be read: {error.reason.value}."
    return text[:SHOWN_CHARACTERS], len(text) > SHOWN_CHARACTERS, ""


def _people(tops: Sequence[Member]) -> str:
    stated = next((top.participants for top in tops if top.participants), ())
    return people(stated or dict.fromkeys(pair for top in tops for pair in top.sender))


def _in_words(reasons: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    return tuple((_WORDS.get(reason, reason.replace("_", " ")), count) for reason, count in reasons)
