"""Suggests a records series for an item, writes the suggestions of a request, and takes a person's answer.

A suggestion carries its rule, its reason in words and the confidence of the schedule row it rests on. A row
marked unverified may only suggest, says so, and never gives a date. Nothing here destroys anything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import ROWS_PER_TRANSACTION, Catalogue, chunked
from records.decisions import put_in_review
from records.errors import ItemError, UsageError
from records.evidence import BlobRef, EvidenceStore
from records.vocabulary import Basis, Kind, WarningCode
from retention.periods import cutoff_on, earliest_on
from retention.rules import ItemFacts, Match, Rule, Rules, builtin_rules, words_of
from retention.schedule import UNVERIFIED, VERIFIED, Series, load, load_in

TEXT_BYTES = 4096
"""How much of a text the rules see: signs of a record's function stand at its head."""

BY_RULES = "rules"
FOLLOWS_PARENT = "follows-parent"
BY_PERSON = "person"
NO_CONFIDENCE = "none"
_UNVERIFIED_ROW = (
    "This row of the schedule is unverified: it may suggest, but nothing may be destroyed on its word, "
    "so no date is given."
)
_MOST_ALTERNATIVES = 10


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What is suggested, or was answered, for one item.

    Attributes:
        item_id: The item.
        series_id: The series, or None: no series found.
        rule_id: The rule, ``follows-parent``, ``person`` for a person's answer, or None when no rule applies.
        reason: Why, in words; for a person's answer what the person wrote.
        schedule: Schedule of the series, or empty.
        version: Version of that schedule, or empty.
        authority: Disposition authority number with revision, or empty when not known.
        title: Title of the series, or empty.
        cutoff_event: From when the period counts, or empty.
        cutoff_on: The day of that event as far as the item itself tells it, else None.
        retention_text: The period in words, or empty.
        disposition: What happens when it has run, or empty.
        archival: ``archival``, ``appraisal``, ``non-archival``, or empty for unknown.
        earliest_on: First day on which the period has run; None when the cut-off is not known from the item,
            when there is no period in numbers, or when the row is unverified. A freeze stands before it.
        confidence: Of the schedule row: ``verified`` or ``unverified``; ``none`` without a series.
        alternatives: Other series a person should look at.
        follows: The parent it takes its series from, or None.
    """

    item_id: str
    series_id: str | None
    rule_id: str | None
    reason: str
    schedule: str = ""
    version: str = ""
    authority: str = ""
    title: str = ""
    cutoff_event: str = ""
    cutoff_on: date | None = None
    retention_text: str = ""
    disposition: str = ""
    archival: str = ""
    earliest_on: date | None = None
    confidence: str = NO_CONFIDENCE
    alternatives: tuple[str, ...] = ()
    follows: str | None = None

    def to_json(self) -> str:
        """Return canonical JSON, as ``retention_flags.body`` keeps it; days as ``YYYY-MM-DD``."""
        raw = {name: getattr(self, name) for name in self.__slots__}
        for key in ("cutoff_on", "earliest_on"):
            raw[key] = raw[key].isoformat() if raw[key] else None
        return canonical.dumps(raw)

    @classmethod
    def from_json(cls, text: str) -> Suggestion:
        """Read what ``to_json`` wrote."""
        raw: dict[str, Any] = canonical.loads(text)
        for key in ("cutoff_on", "earliest_on"):
            raw[key] = date.fromisoformat(raw[key]) if raw[key] else None
        return cls(**{**raw, "alternatives": tuple(raw["alternatives"])})


class SeriesBook:
    """The series in force, with the series each rule means."""

    def __init__(self, series: Sequence[Series]) -> None:
        """Keep the series; rules of law are left out, since they are never suggested."""
        self.by_id = {row.series_id: row for row in series if not row.is_rule}
        self._meant: dict[str, tuple[Series, ...]] = {}
        titles = [(row, words_of(row.title)) for row in self.by_id.values()]
        wider = [(row, words_of(f"{row.title} {row.category}")) for row in self.by_id.values()]
        self._places = (titles, wider)  # the title alone first: a category holds many series

    def meant_by(self, rule: Rule) -> tuple[Series, ...]:
        """Return the series a rule points to: the one with its id, else those whose title fits its words."""
        if rule.rule_id not in self._meant:
            known = self.by_id.get(rule.series)
            self._meant[rule.rule_id] = (known,) if known else self._named(rule)
        return self._meant[rule.rule_id]

    def _named(self, rule: Rule) -> tuple[Series, ...]:
        for place in self._places:
            for group in rule.find:
                fits = tuple(row for row, words in place if _all_begin(group, words))
                if fits:
                    return fits
        return ()


def _all_begin(stems: Iterable[str], words: Sequence[str]) -> bool:
    return all(any(word.startswith(stem) for word in words) for stem in stems)


def suggest(item: ItemFacts, series: Sequence[Series] | SeriesBook, rules: Rules) -> Suggestion:
    """Suggest a series for a top item.

    Args:
        item: What is known of it.
        series: The schedule in force; a ``SeriesBook`` saves work when there are many items.
        rules: The rules.
    """
    book = series if isinstance(series, SeriesBook) else SeriesBook(series)
    match = rules.match(item)
    return _from_match(item, match, book, rules) if match else _nothing(item, rules)


def suggest_child(
    item: ItemFacts,
    parent: Suggestion,
    parent_day: date | None,
    series: Sequence[Series] | SeriesBook,
    rules: Rules,
) -> Suggestion:
    """Suggest a series for something an item carries: the parent's, unless a rule marked ``own`` applies.

    Args:
        item: The child.
        parent: What its parent got.
        parent_day: The parent's own day, which stands in where the child has none.
        series: The schedule in force.
        rules: The rules.
    """
    book = series if isinstance(series, SeriesBook) else SeriesBook(series)
    match = rules.match(item, as_child=True)
    if match is None:
        return follow(item.item_id, parent)
    if item.day is None:
        item = replace(item, day=parent_day)
    return _from_match(item, match, book, rules)


def follow(item_id: str, parent: Suggestion) -> Suggestion:
    """Return the parent's series for a child."""
    reason = f"It follows its parent. {parent.reason}" if parent.follows is None else parent.reason
    return replace(parent, item_id=item_id, rule_id=FOLLOWS_PARENT, reason=reason, follows=parent.item_id)


def _from_match(item: ItemFacts, match: Match, book: SeriesBook, rules: Rules) -> Suggestion:
    meant = book.meant_by(match.rule)
    because = f"Rule {match.rule.rule_id}: {match.rule.why} ({match.because})."
    if len(meant) != 1:
        said = (
            f"The schedule in force has {len(meant)} series that could be meant; a person chooses."
            if meant
            else "The schedule in force has no series for it that could be found; a person looks."
        )
        ids = tuple(row.series_id for row in meant[:_MOST_ALTERNATIVES])
        return Suggestion(item.item_id, None, match.rule.rule_id, f"{because} {said}", alternatives=ids)
    row = meant[0]
    day = item.day if match.rule.event_from_item else None
    made = placed(item.item_id, row, day, item.basis)
    alternatives: tuple[str, ...] = ()
    if row.confidence == UNVERIFIED:
        because = f"{because} {_UNVERIFIED_ROW}"
        general = _general_series(item, rules)
        alternatives = (general,) if general in book.by_id and general != row.series_id else ()
    return replace(made, rule_id=match.rule.rule_id, reason=because, alternatives=alternatives)


def _general_series(item: ItemFacts, rules: Rules) -> str:
    """The communications series it falls under if a person finds the narrower one wrong; empty for none."""
    bare = ItemFacts(
        item_id=item.item_id,
        kind=item.kind,
        custodian_role=item.custodian_role,
        participant_roles=tuple(r for r in item.participant_roles if "counsel" not in rules.role_classes(r)),
    )
    match = rules.match(bare)
    return match.rule.series if match and match.rule.series.startswith("GS") else ""


def _nothing(item: ItemFacts, rules: Rules) -> Suggestion:
    talks = item.kind in {Kind.EMAIL, Kind.MESSAGE, Kind.CHAT, Kind.POST}
    unknown_role = talks and not rules.role_classes(item.custodian_role)
    why = (
        "the request states no role for its custodian, so the two communications series cannot be told apart"
        if unknown_role
        else "no rule applies to what is known of it"
    )
    return Suggestion(item.item_id, None, None, f"No series found: {why}.")


def placed(item_id: str, row: Series, day: date | None, basis: Basis) -> Suggestion:
    """Return what a series says for an item, its days worked out; rule and reason are the caller's.

    Args:
        item_id: The item.
        row: The series.
        day: The item's own day, or None.
        basis: How far that day can be trusted: an assumed zone can be a day off, so a day is added; a
            relative time gives none.
    """
    if basis in {Basis.RELATIVE, Basis.NONE}:
        day = None
    elif day is not None and basis is Basis.ASSUMED_ZONE and day < date.max:
        day += timedelta(days=1)
    cutoff = cutoff_on(row.cutoff_event, day)
    return Suggestion(
        item_id=item_id,
        series_id=row.series_id,
        rule_id=None,
        reason="",
        schedule=row.schedule,
        version=row.version,
        authority=row.authority,
        title=row.title,
        cutoff_event=row.cutoff_event,
        cutoff_on=cutoff,
        retention_text=row.retention_text,
        disposition=row.disposition,
        archival=row.archival,
        earliest_on=earliest_on(row.retention, cutoff) if row.confidence == VERIFIED else None,
        confidence=row.confidence,
    )


# --- the items of a request ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlagReport:
    """What ``flag_request`` did, in counts.

    Attributes:
        items: Items looked at.
        with_series: Of these, with a series.
        without_series: Of these, without one; they add up to ``items``.
        unverified: Of those with a series, on an unverified row.
        written: Rows that were new or changed.
        unread_texts: Items whose text could not be read; suggested without it.
        by_rule: Items by rule id (``none`` for no rule).
    """

    items: int
    with_series: int
    without_series: int
    unverified: int
    written: int
    unread_texts: int
    by_rule: Mapping[str, int]

    @classmethod
    def together(cls, reports: Iterable[FlagReport]) -> FlagReport:
        """Add up what several calls did, each over batches of its own."""
        each = list(reports)
        by_rule: Counter[str] = Counter()
        for report in each:
            by_rule.update(report.by_rule)
        return cls(
            items=sum(report.items for report in each),
            with_series=sum(report.with_series for report in each),
            without_series=sum(report.without_series for report in each),
            unverified=sum(report.unverified for report in each),
            written=sum(report.written for report in each),
            unread_texts=sum(report.unread_texts for report in each),
            by_rule=dict(sorted(by_rule.items())),
        )


def flag_request(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    *,
    everything: bool = False,
    batch_ids: Sequence[str] | None = None,
    series: Sequence[Series] | None = None,
    rules: Rules | None = None,
) -> FlagReport:
    """Write a suggestion (``seq`` 0) for every stored item in review, families whole.

    Safe to repeat: an unchanged suggestion is not written again, a changed one replaces the old as long as
    no person has answered. Memory does not grow with the request; a transaction holds at most 1,000 rows.

    Args:
        catalogue: The catalogue.
        store: The evidence store of the request, for the head of each text.
        request_id: The request.
        everything: All stored items, not only families with a hit or a decision.
        batch_ids: Only what came in these batches; None for all. A family lies in one batch, so several calls
            can share the work.
        series: The schedule; None for the one in force.
        rules: The rules; None for the built-in ones.

    Raises:
        UsageError: There is no such request.
    """
    context = _context(catalogue, request_id)
    book = SeriesBook(series if series is not None else load(catalogue))
    rules = rules or builtin_rules()
    counts: Counter[str] = Counter()
    by_rule: Counter[str] = Counter()
    family: dict[str, tuple[Suggestion, date | None]] = {}
    family_id = ""
    for page in _pages(catalogue, request_id, context.version, batch_ids, everything=everything):
        heads, unread = _heads(store, page)
        made: list[Suggestion] = []
        for row in page:
            if row.family_id != family_id:
                family, family_id = {}, row.family_id
            facts = _facts(row, heads.get(row.text_sha256, ""), context)
            suggestion, day = _for_member(facts, family.get(row.parent_id), book, rules)
            family[row.item_id] = (suggestion, day)
            made.append(suggestion)
        counts["items"] += len(made)
        counts["with"] += sum(s.series_id is not None for s in made)
        counts["unverified"] += sum(s.confidence == UNVERIFIED for s in made)
        counts["unread"] += sum(row.text_sha256 in unread for row in page)
        by_rule.update(s.rule_id or "none" for s in made)
        counts["written"] += _write(catalogue, request_id, made)
    return FlagReport(
        items=counts["items"],
        with_series=counts["with"],
        without_series=counts["items"] - counts["with"],
        unverified=counts["unverified"],
        written=counts["written"],
        unread_texts=counts["unread"],
        by_rule=dict(sorted(by_rule.items())),
    )


def _for_member(
    facts: ItemFacts, parent: tuple[Suggestion, date | None] | None, book: SeriesBook, rules: Rules
) -> tuple[Suggestion, date | None]:
    if parent is None:
        return suggest(facts, book, rules), facts.day
    return suggest_child(facts, parent[0], parent[1], book, rules), facts.day or parent[1]


@dataclass(frozen=True, slots=True)
class _Context:
    version: int
    zone: ZoneInfo
    roles: Mapping[str, str]  # custodian id to role
    handles: Mapping[str, str]  # address, number or alias, folded, to role


def _context(catalogue: Catalogue, request_id: str) -> _Context:
    with catalogue.read() as connection:
        return _context_in(connection, request_id)


def _context_in(connection: sa.Connection, request_id: str) -> _Context:
    q, v = t.requests.c, t.request_versions.c
    row = connection.execute(
        sa.select(q.version, q.time_zone, v.body)
        .outerjoin(t.request_versions, (v.request_id == q.request_id) & (v.version == q.version))
        .where(q.request_id == request_id)
    ).first()
    if row is None:
        raise UsageError(f"there is no request {request_id}; open it first")
    custodians = (canonical.loads(row.body) if row.body else {}).get("custodians", [])
    roles = {c["id"]: c.get("role") or "" for c in custodians}
    handles = {
        str(handle).casefold(): c.get("role") or ""
        for c in custodians
        for key in ("emails", "numbers", "aliases")
        for handle in c.get(key) or ()
    }
    return _Context(row.version, ZoneInfo(row.time_zone), roles, handles)


def _columns() -> list[sa.ColumnElement[Any]]:
    i, r = t.items.c, t.readings.c
    return [
        i.item_id, i.family_id, i.parent_id, i.level, i.position, i.custodian_id, i.name, i.moment_at,
        i.kind.label("item_kind"), i.facts.label("item_facts"), r.kind, r.facts, r.subject, r.sender,
        r.recipients, r.sent_at, r.sent_at_basis, r.text_sha256,
    ]  # fmt: skip


def _stored(request_id: str) -> sa.Select[Any]:
    i, r = t.items.c, t.readings.c
    return (
        sa.select(*_columns())
        .select_from(t.items.outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id)))
        .where(i.request_id == request_id, i.state == "stored")
    )


def _in_review(request_id: str, version: int) -> sa.ColumnElement[bool]:
    """A family is in review when a member has a hit or a decision, or a person found it in a sample."""
    i, d = t.items.c, t.decisions.c
    member = t.items.alias("member")
    decided = (
        sa.exists()
        .where(member.c.request_id == request_id, member.c.family_id == i.family_id)
        .where(d.request_id == request_id, d.item_id == member.c.item_id)
    )
    return sa.or_(put_in_review(request_id, version, i.family_id), decided)


def _pages(
    catalogue: Catalogue,
    request_id: str,
    version: int,
    batch_ids: Sequence[str] | None,
    *,
    everything: bool,
) -> Iterator[list[sa.Row[Any]]]:
    """Yield the items, families together and parents first, at most 1,000 at a time.

    Batches come one after the other: the rows of one lie in order in an index, those of several would all be
    sorted anew. One question is asked of each and its rows are taken as they come: with LIMIT, SQLite sorts
    every family through a table that it empties in between, for ten times the time.
    """
    i = t.items.c
    query = _stored(request_id).order_by(i.family_id, i.level, i.position, i.item_id)
    if not everything:
        query = query.where(_in_review(request_id, version))
    queries = (
        [query]
        if batch_ids is None
        else [query.where(i.batch_id == batch_id) for batch_id in sorted(set(batch_ids))]
    )
    with catalogue.read() as connection:
        for each in queries:
            rows = connection.execute(each.execution_options(yield_per=ROWS_PER_TRANSACTION))
            for page in rows.partitions():
                yield list(page)


def _heads(store: EvidenceStore, page: Sequence[sa.Row[Any]]) -> tuple[dict[str, str], set[str]]:
    """Return the head of each text by digest, and the digests that could not be read."""
    wanted = {row.text_sha256 for row in page if row.text_sha256}
    refs = store.find(wanted)
    heads: dict[str, str] = {}
    unread = wanted - refs.keys()
    for digest, ref in sorted(refs.items(), key=lambda pair: (pair[1].segment, pair[1].offset)):
        try:
            heads[digest] = _head(store, ref)
        except (ItemError, OSError):
            unread.add(digest)  # counted and reported; the rules go on without its text
    return heads, unread


def _head(store: EvidenceStore, ref: BlobRef) -> str:
    with store.stream(ref) as stream:
        return stream.read(TEXT_BYTES).decode("utf-8", "ignore")  # the cut may fall inside a character


def _facts(row: sa.Row[Any], head: str, context: _Context) -> ItemFacts:
    stated = [canonical.loads(facts) for facts in (row.item_facts, row.facts) if facts]
    metadata = {key: value for facts in stated for key, value in (facts.get("metadata") or {}).items()}
    warnings = {warning for facts in stated for warning in facts.get("warnings") or ()}
    addresses = _addresses(row.sender, row.recipients)
    day, basis = _day(row, context.zone)
    return ItemFacts(
        item_id=row.item_id,
        kind=Kind(row.kind or row.item_kind),
        custodian_role=context.roles.get(row.custodian_id, ""),
        participant_roles=tuple(sorted({context.handles[a] for a in addresses if a in context.handles})),
        subject=row.subject or "",
        text=head,
        name=row.name or "",
        labels=tuple(
            label.strip()
            for key, value in sorted(metadata.items())
            if "label" in key.lower() or "folder" in key.lower()
            for label in re.split(r"[,;|]", str(value))
        ),
        domains=tuple(sorted({a.rpartition("@")[2] for a in addresses if "@" in a})),
        day=day,
        basis=basis,
        draft=WarningCode.DRAFT in warnings,
    )


def _addresses(sender: str | None, recipients: str | None) -> set[str]:
    people = list(canonical.loads(sender)) if sender else []
    for group in (canonical.loads(recipients) if recipients else {}).values():
        people += group
    return {str(address).casefold() for _, address in people if address}


def _day(row: sa.Row[Any], zone: ZoneInfo) -> tuple[date | None, Basis]:
    """The item's own day in the request's zone; the connector's time states no basis: taken as assumed."""
    text, basis = row.sent_at, Basis(row.sent_at_basis or Basis.NONE)
    if not text:
        text, basis = row.moment_at, Basis.ASSUMED_ZONE
    if not text:
        return None, Basis.NONE
    return canonical.utc_time(text).astimezone(zone).date(), basis


def _write(catalogue: Catalogue, request_id: str, made: Sequence[Suggestion]) -> int:
    """Write what is new or changed; what a person has answered stays as it is. Returns the number of rows."""
    f = t.retention_flags.c
    with catalogue.write() as connection:
        there: dict[str, str] = {}
        answered: set[str] = set()
        for ids in chunked([s.item_id for s in made], 500):
            for item_id, seq, body in connection.execute(
                sa.select(f.item_id, f.seq, f.body).where(f.request_id == request_id, f.item_id.in_(ids))
            ):
                if seq == 0:
                    there[item_id] = body
                else:
                    answered.add(item_id)
        fresh = [
            row
            for row in (_row(request_id, suggestion, 0, BY_RULES) for suggestion in made)
            if there.get(row["item_id"]) != row["body"]
            and not (row["item_id"] in answered and row["item_id"] in there)
        ]
        for ids in chunked([row["item_id"] for row in fresh if row["item_id"] in there], 500):
            connection.execute(
                t.retention_flags.delete().where(f.request_id == request_id, f.seq == 0, f.item_id.in_(ids))
            )
        if fresh:
            connection.execute(t.retention_flags.insert(), fresh)
    return len(fresh)


def _row(request_id: str, suggestion: Suggestion, seq: int, by: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "item_id": suggestion.item_id,
        "seq": seq,
        "series_id": suggestion.series_id,
        "body": suggestion.to_json(),
        "by": by,
        "at": canonical.now_text(),
    }


# --- what people say -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flag:
    """The flag in force on one item.

    Attributes:
        item_id: The item.
        seq: 0 for a suggestion; higher for a person's answer.
        by: ``rules``, or who answered.
        at: When, UTC text.
        said: What was suggested or answered.
    """

    item_id: str
    seq: int
    by: str
    at: str
    said: Suggestion

    @property
    def confirmed(self) -> bool:
        """Whether a person answered."""
        return self.seq > 0


def flags_in_force(
    connection: sa.Connection, request_id: str, item_ids: Iterable[str] | None = None
) -> dict[str, Flag]:
    """Return the newest flag of items.

    Args:
        connection: A transaction.
        request_id: The request.
        item_ids: Which items; None for all that have a flag (grows with the request).
    """
    if item_ids is None:
        return _newest(connection, request_id, None)
    out: dict[str, Flag] = {}
    for ids in chunked(sorted(set(item_ids)), 500):
        out.update(_newest(connection, request_id, ids))
    return out


def _newest(connection: sa.Connection, request_id: str, ids: list[str] | None) -> dict[str, Flag]:
    f = t.retention_flags.c
    query = sa.select(f.item_id, f.seq, f.by, f.at, f.body).where(f.request_id == request_id)
    if ids is not None:
        query = query.where(f.item_id.in_(ids))
    out: dict[str, Flag] = {}
    for item_id, seq, by, at, body in connection.execute(query.order_by(f.item_id, f.seq)):
        out[item_id] = Flag(item_id, seq, by, at, Suggestion.from_json(body))
    return out


def confirm(
    catalogue: Catalogue, request_id: str, item_id: str, series_id: str | None, by: str, why: str
) -> Flag:
    """Record a person's answer on an item; children that follow it go with it.

    Args:
        catalogue: The catalogue.
        request_id: The request.
        item_id: A stored item of it.
        series_id: A series of the schedule in force, or None: no series fits.
        by: Who answers.
        why: The person's reason; may be empty where the suggestion is confirmed as it stands.

    Returns:
        The flag now in force.

    Raises:
        UsageError: No such stored item or series; the series is a rule of law; no name; or no reason for
            an answer that differs from the suggestion.
    """
    by, why = by.strip(), why.strip()
    if not by:
        raise UsageError("a confirmation needs the name of who gives it")
    with catalogue.write() as connection:
        row = connection.execute(_stored(request_id).where(t.items.c.item_id == item_id)).first()
        if row is None:
            raise UsageError(f"request {request_id} has no stored item {item_id}")
        family = _family_flags(connection, request_id, row.family_id)
        said = _answer(connection, request_id, row, series_id, family.get(item_id), why)
        seq = family[item_id].seq + 1 if item_id in family else 1
        rows = [_row(request_id, said, seq, by)]
        rows += [
            _row(request_id, follow(child_id, said), family[child_id].seq + 1, by)
            for child_id in _followers(item_id, family)
        ]
        connection.execute(t.retention_flags.insert(), rows[:ROWS_PER_TRANSACTION])
        audit.append(
            connection,
            action="retention_confirmed",
            actor=by,
            request_id=request_id,
            item=item_id,
            series=series_id,
            answer=seq,
            followers=len(rows) - 1,
        )
    for more in chunked(rows[ROWS_PER_TRANSACTION:]):
        with catalogue.write() as connection:
            connection.execute(t.retention_flags.insert(), more)
    return Flag(item_id, seq, by, rows[0]["at"], said)


def _answer(
    connection: sa.Connection,
    request_id: str,
    row: sa.Row[Any],
    series_id: str | None,
    before: Flag | None,
    why: str,
) -> Suggestion:
    same = before is not None and before.said.series_id == series_id
    if not why and not same:
        raise UsageError(f"item {row.item_id}: an answer that differs from the suggestion needs a reason")
    reason = why or "Confirmed as suggested."
    if series_id is None:
        return Suggestion(row.item_id, None, BY_PERSON, reason)
    book = SeriesBook(load_in(connection))
    series = book.by_id.get(series_id)
    if series is None:
        raise UsageError(f"the schedule in force has no series {series_id}")
    context = _context_in(connection, request_id)
    top = row
    if row.parent_id is not None:
        top = connection.execute(_stored(request_id).where(t.items.c.item_id == row.family_id)).first() or row
    day, basis = _day(row, context.zone)
    if day is None:
        day, basis = _day(top, context.zone)
    if Kind(row.kind or row.item_kind) is Kind.POST:
        day = None  # a published post counts as provided until it is taken down
    said = placed(row.item_id, series, day, basis)
    if series.confidence == UNVERIFIED:
        reason = f"{reason} {_UNVERIFIED_ROW}"
    return replace(said, rule_id=BY_PERSON, reason=reason)


def _family_flags(connection: sa.Connection, request_id: str, family_id: str) -> dict[str, Flag]:
    i = t.items.c
    members = connection.execute(
        sa.select(i.item_id).where(i.request_id == request_id, i.family_id == family_id)
    )
    return flags_in_force(connection, request_id, (item_id for (item_id,) in members))


def _followers(item_id: str, family: Mapping[str, Flag]) -> list[str]:
    """Everything below an item that takes its series from it, directly or through another follower."""
    out: list[str] = []
    wave = {item_id}
    while wave:
        wave = {child for child, flag in family.items() if flag.said.follows in wave}
        out += sorted(wave)
    return out
