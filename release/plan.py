"""The plan of an instalment: everything its bundle is made from that may change later, as plain JSON.

A plan has two parts. ``basis`` is computed from the catalogue and can be computed again, which is how an
approval of another state than the present one is noticed. ``context`` is what the desk said. Both are frozen
in one row when the instalment is approved; natives and texts are content-addressed and cannot change.
"""

from __future__ import annotations

import mimetypes
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import chunked
from records.conversations import KINDS
from records.decisions import Decision, in_review
from records.errors import UsageError
from records.vocabulary import CollectionState, Kind, ReviewState
from release.context import ReleaseContext, frozen_form
from release.selection import NotProduced, Role, Selection, load_selection, produced_roles
from release.slices import said_of, slices

FORMAT = 2
_IN = 400  # values of one IN list

RETENTION_KEYS = (
    "authority",
    "title",
    "schedule",
    "version",
    "cutoff_event",
    "cutoff_on",
    "retention_text",
    "disposition",
    "archival",
    "confidence",
)
"""What of a confirmed retention flag goes into a bundle, where the flag's body states it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Cheap figures that change whenever something a plan rests on does; taken in one view."""

    version: int
    decisions: int
    flags: int
    readings: int
    hits: int
    items: int
    installments: int
    removed: int
    sampled: int


def guard(connection: sa.Connection, request_id: str) -> Guard:
    """Take the figures; all these tables only grow while a request is open.

    Raises:
        UsageError: There is no such request.
    """
    version = connection.execute(
        sa.select(t.requests.c.version).where(t.requests.c.request_id == request_id)
    ).scalar()
    if version is None:
        raise UsageError(f"there is no request {request_id}")
    tables = (
        t.decisions,
        t.retention_flags,
        t.readings,
        t.hits,
        t.items,
        t.installments,
        t.tombstones,
        t.sample_answers,
    )
    counts = [
        connection.execute(
            sa.select(sa.func.count()).select_from(table).where(table.c.request_id == request_id)
        ).scalar_one()
        for table in tables
    ]
    return Guard(version, *counts)


def frozen_bodies(connection: sa.Connection, request_id: str) -> list[dict[str, Any]]:
    """Return the frozen instalments in order."""
    i = t.installments.c
    return [
        canonical.loads(body)
        for (body,) in connection.execute(
            sa.select(i.body).where(i.request_id == request_id).order_by(i.installment)
        )
    ]


def basis(connection: sa.Connection, request_id: str) -> dict[str, Any]:
    """Compute what the next instalment consists of, from the catalogue alone, in the caller's view."""
    version = guard(connection, request_id).version
    frozen = frozen_bodies(connection, request_id)
    produced = produced_roles(frozen)
    installment = len(frozen) + 1
    selection = load_selection(connection, request_id, version, installment, produced)
    earlier_log = sum(1 for role in produced.values() if role is Role.WITHHELD)
    records = _records(connection, request_id, version, selection, earlier_log)
    stored = connection.execute(
        sa.select(sa.func.count()).where(
            t.items.c.request_id == request_id, t.items.c.state == CollectionState.STORED
        )
    ).scalar_one()
    return {
        "request_id": request_id,
        "version": version,
        "installment": installment,
        "records": records,
        "families": _families(connection, request_id, records, selection),
        "slices": slices(connection, request_id, selection, produced),
        "review": _review(selection, stored),
    }


def full_plan(found: Mapping[str, Any], context: ReleaseContext) -> dict[str, Any]:
    """Join a basis with what the desk says; of the two name tables only what is used is kept."""
    codes = {e["code"] for r in found["records"] for e in r["exemptions"]}
    people = {
        address.lower()
        for r in found["records"]
        if r["role"] == Role.WITHHELD
        for _, address in _everybody(r)
    }
    told = frozen_form(context)
    told["citations"] = {code: context.citations[code] for code in sorted(codes) if code in context.citations}
    told["log_people"] = {
        address: label for address, label in sorted(context.log_people.items()) if address.lower() in people
    }
    plan = {"format": FORMAT, "basis": found, "context": told}
    return {**plan, "refusals": refusals(plan)}


def refusals(plan: Mapping[str, Any]) -> list[str]:
    """Say what keeps a plan from being approved; ids and codes only."""
    out = []
    found, told = plan["basis"], plan["context"]
    if not found["records"]:
        out.append("no record is decided and free to go out")
    for record in found["records"]:
        if record["role"] != Role.WITHHELD:
            continue
        if not record["exemptions"]:
            out.append(f"item {record['item_id']} is withheld without an exemption (RCW 42.56.210(3))")
        for claim in record["exemptions"]:
            if not told["citations"].get(claim["code"], "").strip():
                out.append(f"exemption code {claim['code']} has no citation in the request's table")
            if not claim["explanation"].strip():
                out.append(f"item {record['item_id']} is withheld without an explanation (RCW 42.56.210(3))")
    review = found["review"]
    if review["in_review"] != sum(review[state] for state in _IN_REVIEW):
        out.append("the review counts do not add up")
    if not told["ledger"]["balanced"] and not told["unbalanced_because"].strip():
        names = [s["source"] for s in told["ledger"]["sources"] if not s["balanced"]] or ["the totals"]
        out.append(f"the ledger does not balance for {', '.join(names)} and no reason is recorded")
    return sorted(set(out))


_IN_REVIEW = tuple(str(s) for s in ReviewState if s is not ReviewState.NOT_IN_REVIEW)


def _review(selection: Selection, stored: int) -> dict[str, Any]:
    """The review ledger as it stands once the instalment is out."""
    in_review_count = sum(selection.states.values())
    numbered = (NotProduced.DECIDED_ANEW,)
    waiting = Counter(str(r) for r in selection.not_produced.values() if r not in numbered)
    return {
        "stored": stored,
        "not_in_review": stored - in_review_count,
        "in_review": in_review_count,
        **{str(state): count for state, count in selection.states.items()},
        "awaits": dict(sorted(waiting.items())),
        "decided_anew": sum(1 for r in selection.not_produced.values() if r in numbered),
    }


def _families(
    connection: sa.Connection, request_id: str, records: Sequence[Mapping[str, Any]], selection: Selection
) -> dict[str, dict[str, Any]]:
    """For each family of the instalment: numbers it has from earlier ones, how many members still wait."""
    wanted = sorted({r["family_id"] for r in records})
    out: dict[str, dict[str, Any]] = {f: {"earlier": [], "waiting": 0} for f in wanted}
    i, n = t.items.c, t.numbers.c
    for piece in chunked(wanted, _IN):
        for family, item_id, number in connection.execute(
            sa.select(i.family_id, i.item_id, n.number)
            .outerjoin_from(t.items, t.numbers, (n.request_id == i.request_id) & (n.item_id == i.item_id))
            .where(i.request_id == request_id, i.family_id.in_(piece))
            .order_by(n.number, i.item_id)
        ):
            if number is not None:
                out[family]["earlier"].append(number)
            elif item_id in selection.not_produced:
                out[family]["waiting"] += 1
    return out


def _records(
    connection: sa.Connection, request_id: str, version: int, selection: Selection, earlier_log: int
) -> list[dict[str, Any]]:
    ids = list(selection.going)
    rows = {row.item_id: row for row in _rows(connection, request_id, ids)}
    decided = {row.item_id: row for row in _decided(connection, request_id, ids)}
    flags = _confirmed_flags(connection, request_id, ids)
    names = custodian_names(connection, request_id)
    holders = _holders(connection, request_id, version, rows.values())
    out, log_no = [], earlier_log
    for item_id, role in selection.going.items():
        row = rows[item_id]
        record = _common(row, role, decided[item_id], names)
        if role is Role.RELEASED:
            record |= _released(row, flags.get(item_id), sorted(names.get(h, h) for h in holders[item_id]))
            if row.found_kind in KINDS and row.level == 0:
                record |= said_of((row.facts, row.read_facts))
        else:
            log_no += 1
            record["log_no"] = log_no
        out.append(record)
    return out


def _rows(connection: sa.Connection, request_id: str, ids: list[str]) -> Iterator[Any]:
    i, r = t.items.c, t.readings.c
    columns = (
        i.item_id, i.family_id, i.parent_id, i.level, i.source_id, i.custodian_id, i.kind.label("found_kind"),
        i.name, i.media_type, i.blob_sha256, i.size_bytes, i.moment_at, r.kind, r.text_sha256, r.text_bytes,
        r.subject, r.sent_at, r.sent_at_text, r.sent_at_basis, r.sender, r.recipients, r.content_hash,
        r.pages, i.facts, r.facts.label("read_facts"),
    )  # fmt: skip
    for piece in chunked(ids, _IN):
        yield from connection.execute(
            sa.select(*columns)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, i.item_id.in_(piece))
        )


def _decided(connection: sa.Connection, request_id: str, ids: list[str]) -> Iterator[Any]:
    d = t.decisions.c
    for piece in chunked(ids, _IN):
        newest = (
            sa.select(d.item_id, sa.func.max(d.seq).label("seq"))
            .where(d.request_id == request_id, d.item_id.in_(piece))
            .group_by(d.item_id)
            .subquery()
        )
        yield from connection.execute(
            sa.select(d.item_id, d.body, d.by, d.at)
            .join(newest, (newest.c.item_id == d.item_id) & (newest.c.seq == d.seq))
            .where(d.request_id == request_id)
        )


def _confirmed_flags(connection: sa.Connection, request_id: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return the retention series a person confirmed; suggestions (``seq`` 0) never leave the office."""
    f = t.retention_flags.c
    out: dict[str, dict[str, Any]] = {}
    for piece in chunked(ids, _IN):
        for item_id, series, body, at in connection.execute(
            sa.select(f.item_id, f.series_id, f.body, f.at)
            .where(f.request_id == request_id, f.item_id.in_(piece), f.seq > 0)
            .order_by(f.item_id, f.seq)
        ):
            facts = canonical.loads(body)
            told = {k: str(facts[k]) for k in RETENTION_KEYS if facts.get(k) not in {None, ""}}
            out[item_id] = {"series": series, "confirmed_at": at, **told}
    return out


def custodian_names(connection: sa.Connection, request_id: str) -> dict[str, str]:
    """Return custodian id to name, as the request files of all versions give them."""
    v = t.request_versions.c
    out: dict[str, str] = {}
    for (body,) in connection.execute(
        sa.select(v.body).where(v.request_id == request_id).order_by(v.version)
    ):
        for custodian in canonical.loads(body).get("custodians", ()):
            if custodian.get("name"):
                out[str(custodian["id"])] = str(custodian["name"])
    return out


def _holders(
    connection: sa.Connection, request_id: str, version: int, rows: Iterable[Any]
) -> dict[str, set[str]]:
    """Return who else holds a copy: the same bytes, or for messages the same content.

    Copies that are personal matters or not responsive are not named: that somebody has one is theirs.
    """
    listed = list(rows)
    standings = in_review(connection, request_id, version)
    quiet = {ReviewState.PERSONAL_MATTER, ReviewState.NOT_RESPONSIVE}
    i, r = t.items.c, t.readings.c
    found: dict[tuple[str, bool], set[tuple[str, str]]] = defaultdict(set)
    for column, values in (
        (i.blob_sha256, {row.blob_sha256 for row in listed}),
        (r.content_hash, {row.content_hash for row in listed if row.content_hash}),
    ):
        for piece in chunked(sorted(v for v in values if v), _IN):
            for value, item_id, custodian, level in connection.execute(
                sa.select(column, i.item_id, i.custodian_id, i.level)
                .outerjoin_from(
                    t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id)
                )
                .where(i.request_id == request_id, i.state == CollectionState.STORED, column.in_(piece))
            ):
                standing = standings.get(item_id)
                if standing is not None and standing.state not in quiet:
                    found[value, level == 0].add((item_id, custodian))
    return {
        row.item_id: {
            custodian
            for value in (row.blob_sha256, row.content_hash)
            if value
            for item_id, custodian in found[value, row.level == 0]
            if item_id != row.item_id and custodian != row.custodian_id
        }
        for row in listed
    }


def _common(row: Any, role: Role, decided: Any, names: Mapping[str, str]) -> dict[str, Any]:
    decision = Decision.from_json(decided.body)
    recipients = canonical.loads(row.recipients) if row.recipients else {}
    return {
        "item_id": row.item_id,
        "role": str(role),
        "family_id": row.family_id,
        "level": row.level,
        "kind": row.kind or row.found_kind,
        "at": row.sent_at or row.moment_at,
        "at_basis": row.sent_at_basis or "none",
        "sender": canonical.loads(row.sender) if row.sender else [],
        **{k: recipients.get(k, []) for k in ("to", "cc", "bcc", "participants")},
        "custodian": names.get(row.custodian_id, row.custodian_id),
        "pages": row.pages,
        "blob_sha256": row.blob_sha256,
        "size_bytes": row.size_bytes,
        "exemptions": [{"code": e.code, "explanation": e.explanation} for e in decision.exemptions],
        "decided_by": decided.by,
        "decided_at": decided.at,
    }


def _released(row: Any, flag: dict[str, Any] | None, holders: list[str]) -> dict[str, Any]:
    return {
        "at_text": row.sent_at_text or "",
        "subject": row.subject or "",
        "name": row.name or "",
        "media_type": row.media_type or "",
        "extension": extension(row.kind or row.found_kind, row.name, row.media_type),
        "text_sha256": row.text_sha256 if row.text_bytes else None,
        "holders": holders,
        "retention": flag,
    }


_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,8})")
_TYPES = mimetypes.MimeTypes()  # the built-in table only: the machine's own would change the bundle
_MAIL = frozenset({"eml", "msg"})
_OUTLOOK = {"application/vnd.ms-outlook": "msg", "application/ms-tnef": "tnef"}
"""What a message within one of Outlook's is written with: its name is its subject."""


def extension(kind: str, name: str | None, media_type: str | None) -> str:
    """Return the extension a native is written with, without its dot: short, plain ASCII, never a path."""
    suffix = _SUFFIX.fullmatch(PurePosixPath((name or "").replace("\\", "/")).suffix)
    stated = suffix.group(1).lower() if suffix else ""
    of_outlook = _OUTLOOK.get((media_type or "").partition(";")[0].strip().lower())
    if of_outlook is not None:
        return stated if stated in {of_outlook, "oft", "dat", *_MAIL} else of_outlook
    if kind == Kind.EMAIL:
        return stated if stated in _MAIL else "eml"
    if stated:
        return stated
    guessed = _TYPES.guess_extension((media_type or "").partition(";")[0].strip().lower())
    return guessed.lstrip(".") if guessed else "bin"


def _everybody(record: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for key in ("sender", "to", "cc", "bcc", "participants"):
        yield from record[key]
