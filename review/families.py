"""Families in review, in reading order: by thread, then by time, a parent before what it carries.

Threading orders the reading; it decides nothing. Mail is in the threads that ``daylight group`` found last.
Else two messages are in one thread when one names the other (Message-ID, In-Reply-To, References: RFC 5322
section 3.6.4) or their source says so (a conversation key).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import chunked
from records.decisions import Standing
from records.document_types import read_type
from records.languages import LANGUAGES, shares
from records.vocabulary import Basis, CollectionState, ReviewState
from review.grouped import threads_of

NOT_IN_REVIEW = Standing(ReviewState.NOT_IN_REVIEW, None, None, None)
"""Where a member stands that has no hit, no decision and no family with a hit."""

_IN_QUERY = 500
_LAST = "9999"
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Family:
    """One family in review.

    Attributes:
        family_id: Its top item.
        thread: Number of its thread, from 1 in reading order.
        members: Stored members, the top item included.
    """

    family_id: str
    thread: int
    members: int


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a family, with what a reviewer sees of it.

    Attributes:
        item_id: The item.
        family_id: Its top item.
        parent_id: What carries it, or None for a top item.
        level: 0 for a top item.
        kind: What it turned out to be.
        custodian_id: Whose copy.
        source_id: From which source.
        scope_key: From which place of the source.
        connector: What read the source.
        name: File name as stated, or None.
        media_type: As stated or found, or None.
        state: Collection state: a member can have failed.
        reason: Why it failed, or why it has no text; None otherwise.
        detail: A short code beside the reason, or None.
        blob_sha256: Its bytes, or None.
        size_bytes: Of the native, or None.
        text_state: Text state, or None while unread.
        text_sha256: Its text, or None.
        subject: Decoded; empty when none.
        sent_at: UTC time text, or None without a trustworthy time.
        sent_at_text: The source's own words.
        sent_at_basis: How far it can be trusted.
        sender: Pairs of name and address.
        to: Pairs; so ``cc``, ``bcc`` and ``participants``.
        cc: Pairs.
        bcc: Pairs.
        participants: Pairs, where the source gives no roles.
        warnings: Codes.
        pages: Pages, slides or sheets, or None.
        ocr_pages: Pages that wait for OCR.
        doc_type: What sort of document it is, of ``records.document_types``.
        languages: Of its text, as people call them, most words first; none where they are not told.
    """

    item_id: str
    family_id: str
    parent_id: str | None
    level: int
    kind: str
    custodian_id: str
    source_id: str
    scope_key: str
    connector: str
    name: str | None
    media_type: str | None
    state: str
    reason: str | None
    detail: str | None
    blob_sha256: str | None
    size_bytes: int | None
    text_state: str | None
    text_sha256: str | None
    subject: str
    sent_at: str | None
    sent_at_text: str
    sent_at_basis: str
    sender: tuple[tuple[str, str], ...]
    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...]
    bcc: tuple[tuple[str, str], ...]
    participants: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    pages: int | None
    ocr_pages: tuple[int, ...]
    doc_type: str
    languages: tuple[str, ...]

    @property
    def stored(self) -> bool:
        """Whether there is something to decide on."""
        return self.state == CollectionState.STORED

    @property
    def title(self) -> str:
        """Subject, else file name, else words that say there is none."""
        return self.subject or self.name or ("(no subject)" if self.kind == "email" else f"({self.kind})")

    @property
    def everybody(self) -> tuple[tuple[str, str], ...]:
        """All people the record names, in order of role."""
        return self.sender + self.to + self.cc + self.bcc + self.participants


# --- which families, in what order ---------------------------------------------------------------------


def in_review(connection: sa.Connection, request_id: str, reviewed: Mapping[str, Standing]) -> list[Family]:
    """Return the families that have a member in review, in reading order.

    Args:
        connection: A reading transaction.
        request_id: The request.
        reviewed: From ``records.decisions.in_review``, for the version that is read.
    """
    i = t.items.c
    counts: dict[str, int] = defaultdict(int)
    wanted: set[str] = set()
    rows = connection.execute(
        sa.select(i.item_id, i.family_id)
        .where(i.request_id == request_id, i.state == CollectionState.STORED)
        .execution_options(yield_per=5_000)
    )
    for item_id, family_id in rows:
        counts[family_id] += 1
        if item_id in reviewed:
            wanted.add(family_id)
    return _in_order(connection, request_id, {f: counts[f] for f in wanted})


def _in_order(connection: sa.Connection, request_id: str, sizes: Mapping[str, int]) -> list[Family]:
    threads = _Threads()
    times: dict[str, str] = {}
    i, r = t.items.c, t.readings.c
    for piece in chunked(sorted(sizes), _IN_QUERY):
        grouped = threads_of(connection, request_id, piece)
        rows = connection.execute(
            sa.select(i.item_id, i.moment_at, r.sent_at, r.thread)
            .outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, i.item_id.in_(piece))
        )
        for item_id, moment_at, sent_at, thread in rows:
            times[item_id] = sent_at or moment_at or _LAST
            known = grouped.get(item_id)
            if known is not None:
                threads.join(item_id, f"t:{known}")
            else:
                threads.add(item_id, canonical.loads(thread) if thread else {})
    starts: dict[str, str] = {}
    for family_id in sizes:
        root = threads.root(family_id)
        starts[root] = min(starts.get(root, _LAST), times.get(family_id, _LAST))

    def order(family_id: str) -> tuple[str, str, str, str]:
        root = threads.root(family_id)
        return starts[root], root, times.get(family_id, _LAST), family_id

    out: list[Family] = []
    number, before = 0, None
    for family_id in sorted(sizes, key=order):
        root = threads.root(family_id)
        number += root != before
        before = root
        out.append(Family(family_id, number, sizes[family_id]))
    return out


class _Threads:
    """Sets that grow together: all ids of a thread point to one root, the smallest."""

    def __init__(self) -> None:
        self._up: dict[str, str] = {}

    def add(self, item_id: str, thread: Mapping[str, Any]) -> None:
        named = [f"k:{thread['thread_key']}"] if thread.get("thread_key") else []
        for field in ("message_id", "in_reply_to", "references"):
            named += [f"m:{found}" for found in _MESSAGE_ID.findall(thread.get(field) or "")]
        self.join(item_id, *named)

    def join(self, item_id: str, *keys: str) -> None:
        self._up.setdefault(item_id, item_id)
        for key in keys:
            self._join(item_id, key)

    def root(self, key: str) -> str:
        path = []
        while self._up.get(key, key) != key:
            path.append(key)
            key = self._up[key]
        for passed in path:
            self._up[passed] = key
        return key

    def _join(self, one: str, other: str) -> None:
        a, b = self.root(one), self.root(other)
        low, high = min(a, b), max(a, b)
        self._up[high] = low
        self._up.setdefault(low, low)


# --- what is in them -----------------------------------------------------------------------------------


def in_pieces(families: Iterable[Family], members: int = _IN_QUERY) -> Iterator[list[Family]]:
    """Cut families into lists of about ``members`` members, so that what is loaded at once stays small."""
    piece: list[Family] = []
    total = 0
    for family in families:
        if piece and (total + family.members > members or len(piece) >= _IN_QUERY):
            yield piece
            piece, total = [], 0
        piece.append(family)
        total += family.members
    if piece:
        yield piece


def members_of(
    connection: sa.Connection, request_id: str, family_ids: Sequence[str]
) -> dict[str, list[Member]]:
    """Return all members of the given families (at most 500), failed ones too: parent first, then in order.

    A member follows what carries it, so a message within a message is followed by its own attachments.
    """
    i, r = t.items.c, t.readings.c
    columns: list[Any] = [
        *i,
        r.kind.label("read_kind"),
        r.text_state,
        r.reason.label("text_reason"),
        r.detail.label("text_detail"),
        r.text_sha256,
        r.subject,
        r.sent_at,
        r.sent_at_text,
        r.sent_at_basis,
        r.sender,
        r.recipients,
        r.pages,
        r.ocr_pages,
        r.facts.label("read_facts"),
        r.languages,
    ]
    rows = connection.execute(
        sa.select(*columns)
        .outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(i.request_id == request_id, i.family_id.in_(list(family_ids)))
        .order_by(i.family_id, i.level, i.position, i.item_id)
    )
    found: dict[str, list[Member]] = {family_id: [] for family_id in family_ids}
    for row in rows:
        found[row.family_id].append(_member(row))
    return {family_id: _depth_first(members) for family_id, members in found.items()}


def _depth_first(members: list[Member]) -> list[Member]:
    carried: dict[str | None, list[Member]] = defaultdict(list)
    for member in members:
        carried[member.parent_id].append(member)
    out: list[Member] = []
    stack = list(reversed(carried.pop(None, [])))
    while stack:
        member = stack.pop()
        out.append(member)
        stack.extend(reversed(carried.pop(member.item_id, [])))
    for rest in carried.values():  # what names a parent that is not there is still shown
        out.extend(rest)
    return out


def _member(row: Any) -> Member:
    recipients = canonical.loads(row.recipients) if row.recipients else {}
    facts = [canonical.loads(text) for text in (row.facts, row.read_facts) if text]
    warnings = {w for fact in facts if isinstance(fact, dict) for w in fact.get("warnings", ())}
    failed = row.state != CollectionState.STORED
    return Member(
        item_id=row.item_id,
        family_id=row.family_id,
        parent_id=row.parent_id,
        level=row.level,
        kind=row.read_kind or row.kind,
        custodian_id=row.custodian_id,
        source_id=row.source_id,
        scope_key=row.scope_key,
        connector=row.connector,
        name=row.name,
        media_type=row.media_type,
        state=row.state,
        reason=row.reason if failed else row.text_reason,
        detail=row.detail if failed else row.text_detail,
        blob_sha256=row.blob_sha256,
        size_bytes=row.size_bytes,
        text_state=row.text_state,
        text_sha256=row.text_sha256,
        subject=row.subject or "",
        sent_at=row.sent_at or row.moment_at,
        sent_at_text=row.sent_at_text or "",
        sent_at_basis=row.sent_at_basis or Basis.NONE.value,
        sender=_pairs(canonical.loads(row.sender) if row.sender else []),
        to=_pairs(recipients.get("to", [])),
        cc=_pairs(recipients.get("cc", [])),
        bcc=_pairs(recipients.get("bcc", [])),
        participants=_pairs(recipients.get("participants", [])),
        warnings=tuple(sorted(warnings)),
        pages=row.pages,
        ocr_pages=tuple(canonical.loads(row.ocr_pages)) if row.ocr_pages else (),
        doc_type=read_type(row.read_kind or row.kind, row.media_type, row.name, row.read_facts).value,
        languages=tuple(LANGUAGES[code] for code, _ in shares(row.languages) if code in LANGUAGES),
    )


def _pairs(raw: Iterable[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, address) for name, address in raw)


def hits_of(
    connection: sa.Connection, request_id: str, version: int, family_ids: Sequence[str]
) -> dict[str, list[tuple[int, int]]]:
    """Return term numbers and occurrences by item, for the given families (at most 500), by term number."""
    h = t.hits.c
    rows = connection.execute(  # sorted here: ORDER BY makes SQLite walk all hits by item
        sa.select(h.item_id, h.term_no, h.occurrences).where(
            h.request_id == request_id, h.version == version, h.family_id.in_(list(family_ids))
        )
    ).all()
    out: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for item_id, term_no, occurrences in sorted(rows, key=lambda row: row[1]):
        out[item_id].append((term_no, occurrences))
    return out


def terms_of(connection: sa.Connection, request_id: str, version: int) -> dict[int, str]:
    """Return the terms of a version by their line number."""
    v = t.request_versions.c
    raw = connection.scalar(sa.select(v.terms).where(v.request_id == request_id, v.version == version))
    return {int(entry["line"]): str(entry["term"]) for entry in canonical.loads(raw)} if raw else {}


# --- words ---------------------------------------------------------------------------------------------


def elsewhere(hit: bool, samples: Sequence[int]) -> str:  # noqa: FBT001 - a plain fact of the family
    """Say why a record without a hit of its own is in review.

    Args:
        hit: Whether another member of its family has one.
        samples: The samples of what was not going to be reviewed in which a person found its family.
    """
    if samples and not hit:
        return f"found responsive by a person in sample {', '.join(map(str, samples))}; no term finds it"
    return "in the family of a record that hit"


def local_time(member: Member, zone: ZoneInfo) -> str:
    """Return a member's time as a person reads it: ``2026-03-04 07:05:00 -08:00``, and how far to trust it.

    A child without a time of its own gives an empty text; a top item gives the source's own words.
    """
    if member.sent_at is None:
        if member.level and not member.sent_at_text:
            return ""
        return f"no trustworthy time ({member.sent_at_text or 'none stated'})"
    local = canonical.utc_time(member.sent_at).astimezone(zone)
    text = _offset_time(local)
    if member.sent_at_basis in {Basis.STATED.value, Basis.NONE.value}:
        return text
    return f"{text} ({member.sent_at_basis.replace('_', ' ')})"


def _offset_time(at: datetime) -> str:
    offset = f"{at:%z}"  # +HHMM
    return f"{at:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def people(pairs: Iterable[tuple[str, str]], most: int = 20) -> str:
    """Return participants in one line: ``Name <address>; …``, with the number of those left out."""
    shown = [f"{name} <{address}>" if name and address else name or address for name, address in pairs]
    rest = len(shown) - most
    return "; ".join(shown[:most]) + (f"; and {rest} more" if rest > 0 else "")
