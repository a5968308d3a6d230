"""Leads: signals that must be followed before a request is closed.

A signal is a *lead* when a family that it stands in was decided responsive, or when a person promoted it. A
lead is open until a person closes it and says how; closing the request is refused while one is open. A
closed lead opens again by itself when it is found in a new message, no copy of what it stood in before,
that is responsive: the answer was given about other messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home, OpenRequest
from desk.items import short_time
from desk.outputs import refuse_existing
from records import audit, canonical
from records import tables as t
from records.catalogue import chunked
from records.decisions import found_in_samples, in_force
from records.errors import UsageError
from records.rows import insert, lock_tables
from release.sheets import csv_bytes
from search import signals as found_in
from search.signal_people import Custodian, Setting
from search.signal_text import excerpt
from search.signals import KIND_LABELS, Signal, SignalKind

Row = Any  # of SQLAlchemy, whose types say nothing of columns

NOT_FOUND = 0
"""The rank of a signal that people answered and that the last look no longer found."""

EXCERPTS = 3


class How(StrEnum):
    """By what a lead was closed."""

    SEARCHED = "searched"
    ASKED_CUSTODIAN = "asked_custodian"
    ALREADY_COVERED = "already_covered"
    NOT_DISTRICT_BUSINESS = "not_district_business"
    NO_SUCH_PLACE = "no_such_place"
    OUT_OF_SCOPE = "out_of_scope"
    OTHER = "other"


class Answer(StrEnum):
    """What a person did with a signal."""

    PROMOTED = "promoted"
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Standing:
    """A signal with where it stands.

    Attributes:
        signal_id: Its id.
        rank: 1 is looked at first; ``NOT_FOUND`` for one that the last look no longer found.
        kind: What it is about.
        subject: For people; it can hold names.
        custodian: Whose, or None.
        items: Items in which it stands.
        messages: Different messages among them.
        responsive: Items of families that were decided responsive.
        lead: Whether it must be followed.
        open: Whether nobody closed it, or it opened again by itself.
        grown: Closed, and found since in messages that nobody had seen then.
        how: By what it was closed; empty while nobody closed it.
        why: The reason of the last answer; empty without one.
        by: Who gave it.
        at: When, UTC; empty without one.
        because: What gave it away, in codes.
        facts: What else a person needs to know.
    """

    signal_id: str
    rank: int
    kind: SignalKind
    subject: str
    custodian: str | None
    items: int
    messages: int
    responsive: int
    lead: bool
    open: bool
    grown: bool
    how: str
    why: str
    by: str
    at: str
    because: tuple[str, ...]
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return it as commands print it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"at": short_time(self.at) or ""}


# -- finding


def find_signals(home: Home, request_id: str, *, by: str = "daylight") -> dict[str, int]:
    """Look for signals in the hits of the terms in force and keep them; answers stay.

    A signal that is found again keeps its answers and the times at which its items were first found. One
    that is not found any more is dropped, unless somebody answered it.

    Returns:
        How many there are, how many are new, how many were dropped, how many of each kind, and the texts that
        could not be read back from the evidence (``unreadable``).

    Raises:
        UsageError: There is no such request, its terms in force were never counted, or it is closed.
    """
    request = _changeable(home, request_id, "are no longer looked for")
    if not _counted(home, request):
        raise UsageError(
            f"the terms of request {request_id} were not counted yet; `daylight terms {request_id}` does it"
        )
    found, unreadable = found_in.find(
        home.catalogue, home.store(request_id), request_id, request.version, setting(home, request)
    )
    return _keep(home, request, found, by) | {"unreadable": unreadable}


def _counted(home: Home, request: OpenRequest) -> bool:
    r = t.term_reports.c
    with home.catalogue.read() as connection:
        return (
            connection.scalar(
                sa.select(r.version).where(r.request_id == request.request_id, r.version == request.version)
            )
            is not None
        )


def setting(home: Home, request: OpenRequest) -> Setting:
    """Return what a request says that signals are judged by."""
    body = request.body
    searched = {source.custodian for source in body.sources}
    return Setting(
        tuple(
            Custodian(one.id, one.name, one.aliases, one.emails, one.numbers, searched=one.id in searched)
            for one in body.custodians
        ),
        body.district_domains(),
        home.roster(request.request_id),
        body.window_days(),
        body.zone,
    )


def _keep(home: Home, request: OpenRequest, found: Sequence[Signal], by: str) -> dict[str, int]:
    """Write signals and their items over those that were there."""
    request_id, s, i = request.request_id, t.signals.c, t.signal_items.c
    now = canonical.now_text()
    rows = {
        one.signal_id: {
            "request_id": request_id,
            "signal_id": one.signal_id,
            "version": request.version,
            "kind": str(one.kind),
            "subject": one.subject,
            "custodian_id": one.custodian_id,
            "rank": rank,
            "body": canonical.dumps(
                {"key": one.key, "messages": one.messages, "because": one.because, "facts": one.facts}
            ),
            "at": now,
        }
        for rank, one in enumerate(found, start=1)
    }
    with home.catalogue.write() as connection:
        lock_tables(connection, t.signals, t.signal_items)
        _refuse_closed(connection, request_id)
        before = set(connection.execute(sa.select(s.signal_id).where(s.request_id == request_id)).scalars())
        stood = {
            (row.signal_id, row.item_id)
            for row in connection.execute(sa.select(i.signal_id, i.item_id).where(i.request_id == request_id))
        }
        answered = set(_answers(connection, request_id))
        gone = before - set(rows)
        dropped = gone - answered
        for piece in chunked(sorted(rows), 500):
            connection.execute(t.signals.delete().where(s.request_id == request_id, s.signal_id.in_(piece)))
        for piece in chunked(sorted(dropped), 500):
            connection.execute(t.signals.delete().where(s.request_id == request_id, s.signal_id.in_(piece)))
            connection.execute(
                t.signal_items.delete().where(i.request_id == request_id, i.signal_id.in_(piece))
            )
        for piece in chunked(sorted(gone & answered), 500):
            connection.execute(
                t.signals.update()
                .where(s.request_id == request_id, s.signal_id.in_(piece))
                .values(rank=NOT_FOUND)
            )
        insert(connection, t.signals, list(rows.values()))
        stands = {(one.signal_id, item): family for one in found for item, family in one.items.items()}
        left = [pair for pair in stood if pair not in stands and pair[0] in rows]
        if left:
            connection.execute(
                t.signal_items.delete().where(
                    i.request_id == request_id,
                    i.signal_id == sa.bindparam("of"),
                    i.item_id == sa.bindparam("item"),
                ),
                [{"of": signal_id, "item": item} for signal_id, item in left],
            )
        insert(
            connection,
            t.signal_items,
            [
                {
                    "request_id": request_id,
                    "signal_id": signal_id,
                    "item_id": item,
                    "family_id": family,
                    "first_at": now,
                }
                for (signal_id, item), family in stands.items()
                if (signal_id, item) not in stood
            ],
        )
        counts = {
            "signals": len(found),
            "new": len(set(rows) - before),
            "dropped": len(dropped),
        }
        audit.append(
            connection,
            action="looked_for_leads",
            actor=by,
            request_id=request_id,
            version=request.version,
            **counts,
        )
    kinds = {str(kind): sum(one.kind is kind for one in found) for kind in SignalKind}
    return {**counts, **{kind: count for kind, count in kinds.items() if count}}


# -- where they stand


def signals(home: Home, request_id: str) -> list[Standing]:
    """Return every signal of a request, the first to look at first; those no longer found come last.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    with home.catalogue.read() as connection:
        return _standings(connection, request_id)


def leads_to_follow(home: Home, request_id: str, *, by: str) -> int:
    """Look once more, where the terms in force were counted, and return how many leads are open.

    A term list that was adopted, or an item that was decided, after the last look may have brought others.
    """
    request = home.request(request_id)
    if _counted(home, request):
        find_signals(home, request_id, by=by)
    with home.catalogue.read() as connection:
        return open_leads(connection, request_id)


def open_leads(connection: sa.Connection, request_id: str) -> int:
    """Return how many leads are open: what holds closing back."""
    return sum(one.lead and one.open for one in _standings(connection, request_id))


def _answers(connection: sa.Connection, request_id: str) -> dict[str, list[Row]]:
    a = t.signal_answers.c
    out: dict[str, list[Row]] = {}
    for row in connection.execute(
        sa.select(a.signal_id, a.answer, a.how, a.why, a.by, a.at)
        .where(a.request_id == request_id)
        .order_by(a.signal_id, a.seq)
    ):
        out.setdefault(row.signal_id, []).append(row)
    return out


def _responsive_families(connection: sa.Connection, request_id: str) -> set[str]:
    """Return the families with a member that was decided a responsive public record.

    One that a person found responsive in a sample counts until its members are decided.
    """
    i = t.items.c
    decided = in_force(connection, request_id)
    families: dict[str, str] = {}
    for piece in chunked(sorted(decided), 500):
        rows = connection.execute(
            sa.select(i.item_id, i.family_id).where(i.request_id == request_id, i.item_id.in_(piece))
        )
        families.update((item_id, family_id) for item_id, family_id in rows)
    said = {families[item] for item, one in decided.items() if one.public_record and one.responsive}
    sampled = {str(family_id) for (family_id,) in connection.execute(found_in_samples(request_id))}
    return said | (sampled - set(families.values()))


def _standings(connection: sa.Connection, request_id: str) -> list[Standing]:
    s, i, r = t.signals.c, t.signal_items.c, t.readings.c
    rows = connection.execute(
        sa.select(t.signals).where(s.request_id == request_id).order_by(s.rank, s.kind, s.signal_id)
    ).all()
    items: dict[str, list[Row]] = {}
    for item in connection.execute(
        sa.select(i.signal_id, i.item_id, i.family_id, i.first_at, r.content_hash)
        .outerjoin_from(t.signal_items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(i.request_id == request_id)
        .order_by(i.signal_id, i.item_id)
    ):
        items.setdefault(item.signal_id, []).append(item)
    answers = _answers(connection, request_id)
    responsive = _responsive_families(connection, request_id)
    made = [
        _standing(row, items.get(row.signal_id, []), answers.get(row.signal_id, []), responsive)
        for row in rows
    ]
    return sorted(made, key=lambda one: one.rank == NOT_FOUND)


def _standing(
    row: Row,
    items: Sequence[Row],
    answers: Sequence[Row],
    responsive: set[str],
) -> Standing:
    body = canonical.loads(row.body)
    last = answers[-1] if answers else None
    closed = last is not None and last.answer == Answer.CLOSED
    new = _new_since(items, last.at) if closed and last is not None else []
    reopened = any(item.family_id in responsive for item in new)
    hit = sum(item.family_id in responsive for item in items)
    return Standing(
        row.signal_id,
        row.rank,
        SignalKind(row.kind),
        row.subject,
        row.custodian_id,
        len(items),
        body["messages"],
        hit,
        lead=bool(hit) or any(one.answer == Answer.PROMOTED for one in answers),
        open=not closed or reopened,
        grown=bool(new),
        how=last.how if last is not None else "",
        why=last.why if last is not None else "",
        by=last.by if last is not None else "",
        at=last.at if last is not None else "",
        because=tuple(body["because"]),
        facts=body["facts"],
    )


def _new_since(items: Sequence[Row], at: str) -> list[Row]:
    """Return the items first found after a time that are no copies of earlier ones."""
    seen = {item.content_hash or item.item_id for item in items if item.first_at <= at}
    return [item for item in items if item.first_at > at and (item.content_hash or item.item_id) not in seen]


# -- lists


COLUMNS = (
    ("rank", 8), ("signal_id", 20), ("kind", 20), ("what", 34), ("subject", 60), ("custodian", 16),
    ("messages", 10), ("items", 8), ("responsive", 11), ("lead", 8), ("state", 16), ("how", 20), ("why", 40),
    ("by", 20), ("at", 22), ("because", 16), ("first", 12), ("last", 12),
)  # fmt: skip
"""Columns of a written list, with their widths in characters."""


def listed(
    home: Home, request_id: str, *, leads: bool, still_open: bool, out: Path | None, by: str
) -> Iterator[dict[str, Any]]:
    """Yield signals as JSON objects.

    Args:
        home: Open.
        request_id: The request.
        leads: Only those that are leads.
        still_open: Only those that are open.
        out: Also write them to this .csv or .xlsx file, which must not exist; it is for the office.
        by: Who lists; for the audit log, where a file is written.

    Raises:
        UsageError: There is no such request; ``out`` exists or has another suffix.
    """
    if out is not None and out.suffix not in {".csv", ".xlsx"}:
        raise UsageError("a list of leads is written as .csv or .xlsx")
    if out is not None:
        refuse_existing(out)
    chosen = [
        one for one in signals(home, request_id) if (one.lead or not leads) and (one.open or not still_open)
    ]
    if out is not None:
        _write(out, [_row(one) for one in chosen])
        with home.catalogue.write() as connection:
            audit.append(
                connection,
                action="exported",
                actor=by,
                request_id=request_id,
                what="leads",
                signals=len(chosen),
            )
    return (one.as_json() for one in chosen)


def _row(one: Standing) -> dict[str, Any]:
    state = "open" if one.open and not one.grown else "closed" if not one.open else "open again"
    return {
        **one.as_json(),
        "rank": one.rank or "not found any more",
        "kind": str(one.kind),
        "what": KIND_LABELS[one.kind],
        "lead": "yes" if one.lead else "no",
        "state": f"{state}, grown since" if one.grown and not one.open else state,
        "because": ", ".join(one.because),
        "first": one.facts.get("first", ""),
        "last": one.facts.get("last", ""),
    }


def _write(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = [name for name, _ in COLUMNS]
    if out.suffix == ".csv":
        out.write_bytes(csv_bytes(names, rows))
        return
    from search.report_xlsx import write_table  # slow to load

    write_table("Leads", COLUMNS, ([row[name] for name in names] for row in rows), out)


def shown(home: Home, request_id: str, signal_id: str, *, by: str) -> Iterator[dict[str, Any]]:
    """Return the items in which a signal stands, oldest first, each with its places in their words; audited.

    Raises:
        UsageError: There is no such request or signal.
    """
    home.request(request_id)
    s, k, i, r = t.signals.c, t.signal_items.c, t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        signal = connection.execute(
            sa.select(s.kind, s.body).where(s.request_id == request_id, s.signal_id == signal_id)
        ).first()
        rows = connection.execute(
            sa.select(
                k.item_id, k.family_id, i.custodian_id, i.source_id, i.name, r.kind, r.subject, r.sent_at,
                r.text_sha256, r.sender,
            )
            .join_from(t.signal_items, t.items, (i.request_id == k.request_id) & (i.item_id == k.item_id))
            .outerjoin(t.readings, (r.request_id == k.request_id) & (r.item_id == k.item_id))
            .where(k.request_id == request_id, k.signal_id == signal_id)
        ).all()  # fmt: skip
        responsive = _responsive_families(connection, request_id)
    if signal is None:
        raise _no_such(request_id, [signal_id])
    with home.catalogue.write() as connection:
        audit.append(
            connection, action="read", actor=by, request_id=request_id, signal=signal_id, items=len(rows)
        )
    rows = sorted(rows, key=lambda row: (row.sent_at or "", row.item_id))
    return _shown_items(home, request_id, signal, rows, responsive)


def _shown_items(
    home: Home, request_id: str, signal: Row, rows: Sequence[Row], responsive: set[str]
) -> Iterator[dict[str, Any]]:
    store = home.store(request_id)
    refs = store.find(row.text_sha256 for row in rows if row.text_sha256)
    key = canonical.loads(signal.body)["key"]
    for row in rows:
        text = ""
        if row.text_sha256 in refs:
            text = store.read(refs[row.text_sha256]).decode("utf-8")
        places = found_in.places(SignalKind(signal.kind), key, text)
        sender = canonical.loads(row.sender) if row.sender else []
        yield {
            "item_id": row.item_id,
            "family_id": row.family_id,
            "custodian": row.custodian_id,
            "source": row.source_id,
            "kind": row.kind,
            "sent_at": short_time(row.sent_at),
            "from": " ".join(part for part in sender[0] if part) if sender else None,
            "subject": row.subject,
            "name": row.name,
            "responsive": row.family_id in responsive,
            "snippets": [excerpt(text, place) for place in places[:EXCERPTS]],
        }


# -- answers


def promote(home: Home, request_id: str, signal_ids: Sequence[str], *, why: str, by: str) -> dict[str, Any]:
    """Make leads of signals: they are open, and hold closing back until somebody closes them.

    Raises:
        UsageError: No such signal, no reason, or the request is closed.
    """
    return _answer(home, request_id, Answer.PROMOTED, signal_ids, how="", why=why, by=by)


def reopen(home: Home, request_id: str, signal_ids: Sequence[str], *, why: str, by: str) -> dict[str, Any]:
    """Open closed signals again.

    Raises:
        UsageError: No such signal, one that is not closed, no reason, or the request is closed.
    """
    return _answer(home, request_id, Answer.REOPENED, signal_ids, how="", why=why, by=by)


def close(
    home: Home,
    request_id: str,
    signal_ids: Sequence[str],
    *,
    kind: str | None,
    how: str,
    why: str,
    by: str,
) -> dict[str, Any]:
    """Close signals with one reason: those named, or every open one of a kind.

    Raises:
        UsageError: No such signal, kind or way; nothing to close; no reason; or the request is closed.
    """
    if how not in set(How):
        raise UsageError(f"--how is one of {', '.join(How)}")
    if bool(signal_ids) == (kind is not None):
        raise UsageError("name the signals to close, or one kind with --kind")
    chosen: Sequence[str] = signal_ids
    if kind is not None:
        if kind not in set(SignalKind):
            raise UsageError(f"--kind is one of {', '.join(SignalKind)}")
        chosen = [one.signal_id for one in signals(home, request_id) if one.kind == kind and one.open]
        if not chosen:
            raise UsageError(f"request {request_id} has no open signal of the kind {kind}")
    return _answer(home, request_id, Answer.CLOSED, chosen, how=how, why=why, by=by)


_ALREADY: dict[Answer, tuple[Callable[[Standing], bool], str]] = {
    Answer.CLOSED: (lambda one: not one.open, "closed already"),
    Answer.REOPENED: (lambda one: one.open, "not closed"),
}


def _answer(
    home: Home, request_id: str, answer: Answer, signal_ids: Sequence[str], *, how: str, why: str, by: str
) -> dict[str, Any]:
    _changeable(home, request_id, "no longer change")
    if not why.strip():
        raise UsageError("--why is the reason, in words; it goes into the adequacy report")
    if not by.strip():
        raise UsageError("--by is the name of the person who answers")
    chosen = list(dict.fromkeys(signal_ids))
    a = t.signal_answers.c
    with home.catalogue.write() as connection:
        lock_tables(connection, t.signal_answers)
        _refuse_closed(connection, request_id)
        standing = {one.signal_id: one for one in _standings(connection, request_id)}
        missing = [one for one in chosen if one not in standing]
        if missing:
            raise _no_such(request_id, missing)
        if answer in _ALREADY:
            wrong, words = _ALREADY[answer]
            refused = [one for one in chosen if wrong(standing[one])]
            if refused:
                raise UsageError(f"nothing was changed: {', '.join(refused)} {words}")
        last = connection.execute(
            sa.select(a.signal_id, sa.func.max(a.seq)).where(a.request_id == request_id).group_by(a.signal_id)
        )
        numbers = {signal_id: int(seq) for signal_id, seq in last}
        now = canonical.now_text()
        insert(
            connection,
            t.signal_answers,
            [
                {
                    "request_id": request_id,
                    "signal_id": one,
                    "seq": numbers.get(one, 0) + 1,
                    "answer": str(answer),
                    "how": how,
                    "why": why.strip(),
                    "by": by.strip(),
                    "at": now,
                }
                for one in chosen
            ],
        )
        audit.append(
            connection,
            action=f"lead_{answer}",
            actor=by.strip(),
            request_id=request_id,
            signals=chosen,
            **({"how": how} if how else {}),
        )
        left = open_leads(connection, request_id)
    return {"request_id": request_id, str(answer): len(chosen), "open_leads": left}


def _changeable(home: Home, request_id: str, words: str) -> OpenRequest:
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; its leads {words}")
    return found


def _refuse_closed(connection: sa.Connection, request_id: str) -> None:
    """Refuse to write to a request that was closed since it was read."""
    r = t.requests.c
    if connection.scalar(sa.select(r.state).where(r.request_id == request_id)) == "closed":
        raise UsageError(f"request {request_id} is closed; its leads no longer change")


def _no_such(request_id: str, signal_ids: Iterable[str]) -> UsageError:
    return UsageError(
        f"request {request_id} has no signal {', '.join(signal_ids)}; "
        f"`daylight leads list {request_id}` lists them"
    )
