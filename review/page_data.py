"""What the read-only pages show, read from the catalogue: requests, lists of families, one family."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from markupsafe import Markup, escape

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.decisions import Decision, Standing, families_found_in_samples, in_review
from records.errors import ItemError
from records.evidence import EvidenceStore
from retention.suggest import Flag, flags_in_force
from review import bodies, suggest
from review.difference import Difference, difference
from review.families import (
    NOT_IN_REVIEW,
    Family,
    Member,
    elsewhere,
    hits_of,
    local_time,
    members_of,
    people,
    terms_of,
)
from review.families import in_review as families_in_review
from review.grouped import Copy, InThread, NearCopy, groups_of
from review.sheet_write import excerpts

FAMILIES_A_PAGE = 50
MEMBERS_A_PAGE = 20
SHOWN_CHARACTERS = 50_000
TERMS_SHOWN = 10
MARKS = ("\x02", "\x03")
"""Put around each match by the callable that makes snippets; text has no use for these characters."""

Snippets = Callable[[str, str, int], Sequence[str]]
"""Request id, item id, term number: excerpts of the stored text with ``MARKS`` around each match.

May raise ``ItemError`` when the text cannot be read."""

_MARKED = re.compile(f"{MARKS[0]}([^{MARKS[0]}{MARKS[1]}]*){MARKS[1]}")


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request in the list.

    Attributes:
        request_id: The request.
        version: Of its scope and terms.
        received_on: Day.
        due_on: Day.
        zone: The zone people read times in.
        state: As the desk keeps it.
        text: The request verbatim.
        names: Custodian id to name.
    """

    request_id: str
    version: int
    received_on: str
    due_on: str
    zone: ZoneInfo
    state: str
    text: str
    names: Mapping[str, str]

    def named(self, custodian_id: str) -> str:
        """Return a custodian as people know them: name, and id in brackets."""
        name = self.names.get(custodian_id, "")
        return f"{name} ({custodian_id})" if name else custodian_id


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of families is narrowed to; None does not narrow.

    Attributes:
        term: Term number.
        custodian: Custodian id.
        state: A key of ``state_key``.
    """

    term: int | None = None
    custodian: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One family of the list, with what it can be found by."""

    family: Family
    place: int
    custodian: str
    terms: frozenset[int]
    states: frozenset[str]
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One family as a line of the list.

    Attributes:
        entry: The family.
        member: Its top item.
        when: Its time in words.
        sender: In words.
        terms: Terms that hit the family, and samples that a person found it in.
        begins: How its text begins, where it has neither subject nor name (texts and chats); else empty.
    """

    entry: Entry
    member: Member
    when: str
    sender: str
    terms: tuple[str, ...]
    begins: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member as a page shows it.

    Attributes:
        member: Its rows.
        when: Its time in words.
        standing: Where it stands in review.
        text: The first characters of its text; empty when it has none.
        cut: More text than is shown.
        text_problem: Why its text cannot be shown, or empty.
        html: Sanitised body, or None.
        why: Terms that hit it, with occurrences and highlighted excerpts.
        otherwise: Why a record in review is here that no term hits, in words.
        more_terms: Terms beyond those that are shown.
        suggestions: In words.
        history: Decisions, newest first.
        flag: Retention flag, or None.
        copy: The copies of its family, or None.
        near: The group of nearly the same texts that it is in, or None.
        mail: Its place in its thread, or None.
    """

    member: Member
    when: str
    standing: Standing
    text: str
    cut: bool
    text_problem: str
    html: Markup | None
    why: tuple[tuple[str, int, tuple[Markup, ...]], ...]
    otherwise: str
    more_terms: int
    suggestions: tuple[str, ...]
    history: tuple[tuple[int, str, str, Decision], ...]
    flag: Flag | None
    copy: Copy | None
    near: NearCopy | None
    mail: InThread | None


def state_key(standing: Standing) -> str:
    """Return where a record stands as one word for addresses and filters."""
    return f"awaits_{standing.awaits.value}" if standing.awaits else standing.state.value


def marked(snippet: str) -> Markup:
    """Return an excerpt as HTML, its matches highlighted and everything else escaped."""
    out, at = Markup(), 0
    for found in _MARKED.finditer(snippet):
        out += escape(snippet[at : found.start()]) + Markup("<mark>{}</mark>").format(found[1])
        at = found.end()
    return out + escape(snippet[at:])


# --- requests ------------------------------------------------------------------------------------------


def requests(catalogue: Catalogue) -> list[RequestRow]:
    """Return all requests, the newest first."""
    return _requests(catalogue, None)


def request(catalogue: Catalogue, request_id: str) -> RequestRow | None:
    """Return one request, or None."""
    found = _requests(catalogue, request_id)
    return found[0] if found else None


def _requests(catalogue: Catalogue, request_id: str | None) -> list[RequestRow]:
    r, v = t.requests.c, t.request_versions.c
    query = (
        sa.select(r.request_id, r.version, r.received_on, r.due_on, r.time_zone, r.state, v.body)
        .outerjoin(t.request_versions, (v.request_id == r.request_id) & (v.version == r.version))
        .order_by(r.opened_at.desc(), r.request_id)
    )
    if request_id is not None:
        query = query.where(r.request_id == request_id)
    with catalogue.read() as connection:
        rows = connection.execute(query).all()
    return [_request(row) for row in rows]


def _request(row: Any) -> RequestRow:
    body: dict[str, Any] = canonical.loads(row.body) if row.body else {}
    return RequestRow(
        row.request_id,
        row.version,
        row.received_on,
        row.due_on,
        ZoneInfo(row.time_zone),
        row.state,
        str(body.get("text", "")),
        {person["id"]: person.get("name", "") for person in body.get("custodians", ())},
    )


def hit_report(catalogue: Catalogue, found: RequestRow) -> dict[str, Any] | None:
    """Return the term hit report of the present version, or None before there is one."""
    r = t.term_reports.c
    with catalogue.read() as connection:
        text = connection.scalar(
            sa.select(r.report).where(r.request_id == found.request_id, r.version == found.version)
        )
    return dict(canonical.loads(text)) if text else None


# --- lists of families ---------------------------------------------------------------------------------


class Lists:
    """Lists of families in review; the newest list of each request is kept until something in it changes."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Keep nothing yet."""
        self._catalogue = catalogue
        self._kept: dict[str, tuple[tuple[int, ...], list[Entry], dict[str, Standing]]] = {}

    def entries(self, found: RequestRow) -> list[Entry]:
        """Return all families in review, in reading order."""
        return self._now(found)[0]

    def standings(self, found: RequestRow) -> dict[str, Standing]:
        """Return where every item in review stands."""
        return self._now(found)[1]

    def _now(self, found: RequestRow) -> tuple[list[Entry], dict[str, Standing]]:
        with self._catalogue.read() as connection:
            stamp = _stamp(connection, found)
            kept = self._kept.get(found.request_id)
            if kept is not None and kept[0] == stamp:
                return kept[1], kept[2]
            reviewed = in_review(connection, found.request_id, found.version)
            entries = _entries(connection, found, reviewed)
        self._kept[found.request_id] = (stamp, entries, reviewed)
        return entries, reviewed

    def page(
        self, store: EvidenceStore, found: RequestRow, narrowed: Filter, page: int
    ) -> tuple[list[Shown], int]:
        """Return one page of a list and the number of families in it.

        Args:
            store: The request's evidence.
            found: The request.
            narrowed: What to.
            page: From 1; beyond the end gives an empty page.
        """
        entries = [entry for entry in self.entries(found) if _fits(entry, narrowed)]
        first = (page - 1) * FAMILIES_A_PAGE
        shown = entries[first : first + FAMILIES_A_PAGE]
        with self._catalogue.read() as connection:
            terms = terms_of(connection, found.request_id, found.version)
            ids = [entry.family.family_id for entry in shown]
            members = members_of(connection, found.request_id, ids) if ids else {}
        tops = [members[family_id][0] for family_id in ids]
        begins = excerpts(store, [top for top in tops if not (top.subject or top.name)])
        lines = [
            _shown(entry, top, terms, found.zone, begins.get(top.item_id, ""))
            for entry, top in zip(shown, tops, strict=True)
        ]
        return lines, len(entries)


def _stamp(connection: sa.Connection, found: RequestRow) -> tuple[int, ...]:
    """Return counts that change whenever a list could."""
    tables = (t.decisions, t.groupings, t.hits, t.numbers, t.readings, t.sample_answers)
    counts = [
        connection.scalar(
            sa.select(sa.func.count()).select_from(table).where(table.c.request_id == found.request_id)
        )
        for table in tables
    ]
    return found.version, *(int(count or 0) for count in counts)


def _entries(connection: sa.Connection, found: RequestRow, reviewed: Mapping[str, Standing]) -> list[Entry]:
    i, h = t.items.c, t.hits.c
    families = families_in_review(connection, found.request_id, reviewed)
    states: dict[str, set[str]] = defaultdict(set)
    custodians: dict[str, str] = {}
    rows = connection.execute(
        sa.select(i.item_id, i.family_id, i.custodian_id).where(i.request_id == found.request_id)
    )
    for item_id, family_id, custodian in rows:
        if item_id in reviewed:
            states[family_id].add(state_key(reviewed[item_id]))
            custodians[family_id] = custodian
    terms: dict[str, set[int]] = defaultdict(set)
    for family_id, term_no in connection.execute(
        sa.select(h.family_id, h.term_no)
        .distinct()
        .where(h.request_id == found.request_id, h.version == found.version)
    ):
        terms[family_id].add(term_no)
    samples = families_found_in_samples(connection, found.request_id)
    return [
        Entry(
            family,
            place,
            custodians[family.family_id],
            frozenset(terms[family.family_id]),
            frozenset(states[family.family_id]),
            samples.get(family.family_id, ()),
        )
        for place, family in enumerate(families, start=1)
    ]


def _fits(entry: Entry, narrowed: Filter) -> bool:
    return (
        (narrowed.term is None or narrowed.term in entry.terms)
        and (narrowed.custodian is None or narrowed.custodian == entry.custodian)
        and (narrowed.state is None or narrowed.state in entry.states)
    )


def _shown(entry: Entry, member: Member, terms: Mapping[int, str], zone: ZoneInfo, begins: str) -> Shown:
    words = tuple(terms.get(no, f"term {no}") for no in sorted(entry.terms))
    words += tuple(f"sample {no}" for no in entry.samples)
    return Shown(entry, member, local_time(member, zone), people(member.sender, 2), words, begins)


# --- one family ----------------------------------------------------------------------------------------


def family_of(catalogue: Catalogue, request_id: str, item_id: str) -> str | None:
    """Return the family of an item, or None when the request has no such item."""
    i = t.items.c
    with catalogue.read() as connection:
        found: str | None = connection.scalar(
            sa.select(i.family_id).where(i.request_id == request_id, i.item_id == item_id)
        )
    return found


def family(catalogue: Catalogue, request_id: str, family_id: str) -> list[Member]:
    """Return the members of a family in order; empty when there is none."""
    with catalogue.read() as connection:
        return members_of(connection, request_id, [family_id])[family_id]


def views(
    catalogue: Catalogue,
    store: EvidenceStore,
    found: RequestRow,
    family_members: Sequence[Member],
    shown: Sequence[Member],
    snippets: Snippets,
    reviewed: Mapping[str, Standing],
) -> list[MemberView]:
    """Return what a page shows of some members of a family.

    Args:
        catalogue: Where the rows are.
        store: The request's evidence.
        found: The request.
        family_members: The whole family: suggestions look at everybody in it.
        shown: Those to show.
        snippets: Makes the highlighted excerpts.
        reviewed: Where items in review stand.
    """
    family_id = family_members[0].family_id
    ids = [member.item_id for member in shown]
    with catalogue.read() as connection:
        hits = hits_of(connection, found.request_id, found.version, [family_id])
        terms = terms_of(connection, found.request_id, found.version)
        samples = families_found_in_samples(connection, found.request_id).get(family_id, ())
        history = _history(connection, found.request_id, ids)
        flags = flags_in_force(connection, found.request_id, ids)
        groups = groups_of(connection, found.request_id, ids)
    addresses = [address for member in family_members for _, address in member.everybody]
    otherwise = elsewhere(bool(hits), samples)
    out = []
    for member in shown:
        own = hits.get(member.item_id, [])
        words = [terms.get(no, f"term {no}") for no, _ in own]
        why = tuple(
            (word, count, _snippets(snippets, found.request_id, member.item_id, no))
            for word, (no, count) in zip(words[:TERMS_SHOWN], own, strict=False)
        )
        text, cut, problem = _text(store, member)
        out.append(
            MemberView(
                member=member,
                when=local_time(member, found.zone),
                standing=reviewed.get(member.item_id, NOT_IN_REVIEW),
                text=text,
                cut=cut,
                text_problem=problem,
                html=_html(store, member),
                why=why,
                otherwise=otherwise,
                more_terms=max(0, len(own) - TERMS_SHOWN),
                suggestions=tuple(s.text for s in suggest.suggest(member.kind, addresses, words)),
                history=tuple(history.get(member.item_id, ())),
                flag=flags.get(member.item_id),
                copy=groups.duplicates.get(member.item_id),
                near=groups.near.get(member.item_id),
                mail=groups.threads.get(member.item_id),
            )
        )
    return out


def _snippets(snippets: Snippets, request_id: str, item_id: str, term_no: int) -> tuple[Markup, ...]:
    """Return highlighted excerpts; none when the text is gone or damaged, as the page says."""
    try:
        return tuple(marked(snippet) for snippet in snippets(request_id, item_id, term_no))
    except ItemError:
        return ()


def _history(
    connection: sa.Connection, request_id: str, item_ids: Sequence[str]
) -> dict[str, list[tuple[int, str, str, Decision]]]:
    d = t.decisions.c
    rows = connection.execute(
        sa.select(d.item_id, d.seq, d.by, d.at, d.body)
        .where(d.request_id == request_id, d.item_id.in_(list(item_ids)))
        .order_by(d.item_id, d.seq.desc())
    )
    out: dict[str, list[tuple[int, str, str, Decision]]] = defaultdict(list)
    for item_id, seq, by, at, body in rows:
        out[item_id].append((seq, by, at, Decision.from_json(body)))
    return out


def compared(store: EvidenceStore, one: Member, other: Member) -> Difference | None:
    """Return how the texts of two records differ; None where one has none that can be read."""
    texts = []
    for member in (one, other):
        if member.text_sha256 is None:
            return None
        try:
            texts.append(store.get(member.text_sha256).decode("utf-8", "replace"))
        except ItemError:
            return None
    return difference(*texts)


def _text(store: EvidenceStore, member: Member) -> tuple[str, bool, str]:
    """Return the first characters of a text, whether there are more, and why there is none."""
    if member.text_sha256 is None:
        return "", False, ""
    try:
        ref = store.find([member.text_sha256]).get(member.text_sha256)
        if ref is None:
            return "", False, "The text was removed."
        with store.stream(ref) as stream:
            data = stream.read(SHOWN_CHARACTERS * 4 + 4)
    except ItemError as error:
        return "", False, f"The text cannot be read: {error.reason.value}."
    text = data.decode("utf-8", "ignore")
    cut = len(text) > SHOWN_CHARACTERS or ref.size_bytes > len(data)
    return text[:SHOWN_CHARACTERS], cut, ""


def _html(store: EvidenceStore, member: Member) -> Markup | None:
    may_have = bodies.may_have_html(member.kind, member.media_type or "")
    if not may_have or member.blob_sha256 is None or (member.size_bytes or 0) > bodies.LARGEST_NATIVE:
        return None
    try:
        native = store.get(member.blob_sha256)
    except ItemError:
        return None
    found = bodies.html_of(native, kind=member.kind, media_type=member.media_type or "")
    return Markup(bodies.safe(found)) if found else None  # noqa: S704 - sanitised there, by nh3 as the last step
