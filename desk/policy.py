"""The district's own policy on texting: possible exceptions are marked, a person judges, the record is kept.

Off until the district turns it on with its own file of rules. Looked at are texts and chat messages of
sources that the district runs; what somebody hands over of a personal device or account is read for the
request alone, and never for this. The record says which rule, which item and where in it, and never what
stands there. It is part of no bundle, and can itself be asked for (RCW 42.56.010(3)): ``listed`` writes it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home
from desk.items import short_time
from desk.outputs import refuse_existing
from desk.request import Request
from records import audit, canonical
from records import tables as t
from records.catalogue import chunked
from records.conversations import KINDS, conversation_key
from records.errors import AccessError, ItemError, UsageError
from records.rows import insert, lock_tables
from records.vocabulary import CollectionState
from release.sheets import csv_bytes
from review import policy as rules_of
from review.policy import Look, Mark, Message, Policy, read_policy, students
from search.signal_people import everyone
from search.signal_text import account

Row = Any  # of SQLAlchemy, whose types say nothing of columns


class Judgement(StrEnum):
    """What a person found."""

    EXCEPTION = "exception"  # it is an exception to the policy
    NAMED_EXCEPTION = "named_exception"  # it falls under an exception that the rule names
    NO_EXCEPTION = "no_exception"  # it is none: the rule marked it wrongly, or the procedure allows it


class NotLookedAt(StrEnum):
    """Why messages were not looked at."""

    PERSONAL = "personal"  # of a personal device or account that its owner hands over
    NO_TEXT = "no_text"  # the evidence could not give the text; its people and its source were looked at


@dataclass(frozen=True, slots=True)
class InForce:
    """What the district turned on.

    Attributes:
        policy: The rules.
        rules_sha256: Of their file.
    """

    policy: Policy
    rules_sha256: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A possible exception as the record has it.

    Attributes:
        exception_id: Its id.
        rule: Id of the rule.
        words: What it is: "possible exception to …, person to judge".
        says: What the rule says.
        exceptions: What the exceptions say that the rule names.
        signs: Ids of those whose signs stand there.
        checked: How sure it is that the procedure says so.
        unit: What is marked: a message, a conversation or a source.
        item_id: The message, or the first of what is marked.
        source: Its source.
        custodian: Whose.
        messages: How many messages are marked by it.
        places: First character and the one after the last of what the rule matched.
        still_found: Whether the newest check found it.
        found_at: When it was found so, UTC.
        rules_sha256: Of the file of rules that found it.
        judgement: In force; empty while nobody judged.
        judged_as: The exception it falls under, in words; empty else.
        why: The reason given.
        by: Who judged.
        at: When, UTC; empty while nobody did.
    """

    exception_id: str
    rule: str
    words: str
    says: str
    exceptions: tuple[str, ...]
    signs: tuple[str, ...]
    checked: str
    unit: str
    item_id: str
    source: str
    custodian: str
    messages: int
    places: tuple[tuple[int, int], ...]
    still_found: bool
    found_at: str
    rules_sha256: str
    judgement: str
    judged_as: str
    why: str
    by: str
    at: str

    def as_json(self) -> dict[str, Any]:
        """Return it as commands print it."""
        times = {name: short_time(getattr(self, name)) or "" for name in ("found_at", "at")}
        return {name: getattr(self, name) for name in self.__slots__} | times


COLUMNS = (
    "exception_id", "words", "rule", "says", "checked", "exceptions", "signs", "unit", "item_id", "source",
    "custodian", "messages", "places", "still_found", "found_at", "rules_sha256", "judgement", "judged_as",
    "why", "by", "at",
)  # fmt: skip
"""Columns of the record as a table."""


# -- on and off


def write_rules(out: Path) -> dict[str, Any]:
    """Write the rules that come with the program, for the district to make its own.

    Raises:
        UsageError: The file is there already.
    """
    refuse_existing(out)
    out.write_bytes(rules_of.FILE.read_bytes())
    return {"written": str(out)}


def turn_on(home: Home, path: Path, *, why: str, by: str) -> dict[str, Any]:
    """Turn the check on for this office, by a file of rules; its text is kept.

    Raises:
        AccessError: The file cannot be read.
        SettingsError: It is no file of rules.
        UsageError: No reason or no name was given.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path}: cannot be read as text in UTF-8") from error
    policy = read_policy(text, str(path))
    _turn(home, on=True, rules=text, why=why, by=by)
    return {
        "on": True,
        "policy": policy.policy,
        "rules": len(policy.rules),
        "rules_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def turn_off(home: Home, *, why: str, by: str) -> dict[str, Any]:
    """Turn the check off; what was recorded stays.

    Raises:
        UsageError: It is off, or no reason or no name was given.
    """
    if in_force(home) is None:
        raise UsageError("the check against the district's policy is off already")
    _turn(home, on=False, rules="", why=why, by=by)
    return {"on": False}


def _turn(home: Home, *, on: bool, rules: str, why: str, by: str) -> None:
    _require(why, by)
    digest = hashlib.sha256(rules.encode()).hexdigest() if rules else ""
    p = t.policies.c
    with home.catalogue.write() as connection:
        lock_tables(connection, t.policies)
        number = (connection.scalar(sa.select(sa.func.max(p.policy_no))) or 0) + 1
        connection.execute(
            t.policies.insert(),
            {
                "policy_no": number,
                "on": on,
                "rules": rules,
                "rules_sha256": digest,
                "why": why.strip(),
                "by": by.strip(),
                "at": canonical.now_text(),
            },
        )
        audit.append(
            connection,
            action="policy_on" if on else "policy_off",
            actor=by.strip(),
            policy_no=number,
            **({"rules_sha256": digest} if on else {}),
        )


def _require(why: str, by: str) -> None:
    if not why.strip():
        raise UsageError("--why is the reason, in words; it stays with the record")
    if not by.strip():
        raise UsageError("--by is the name of the person who does this")


def in_force(home: Home) -> InForce | None:
    """Return the rules that the district turned on; None while the check is off."""
    p = t.policies.c
    with home.catalogue.read() as connection:
        row = connection.execute(
            sa.select(p["on"], p.rules, p.rules_sha256).order_by(p.policy_no.desc()).limit(1)
        ).first()
    if row is None or not row.on:
        return None
    return InForce(read_policy(row.rules, "the rules in force"), row.rules_sha256)


# -- the check


def check(home: Home, request_id: str, *, by: str) -> dict[str, Any]:
    """Look at the collected messages of the sources that the district runs, and keep what the rules mark.

    The record only grows: a mark that is found again under the same rules adds nothing, one that is not found
    any more gets a row that says so.

    Returns:
        The number of the check, what was looked at and what not, the marks by rule, and how many are new.

    Raises:
        UsageError: There is no such request, it is closed, or the check is off.
    """
    found = home.request(request_id)
    rules = in_force(home)
    if rules is None:
        raise UsageError(
            "the check against the district's policy is off; `daylight policy rules --out policy.toml` "
            "writes rules to start from, `daylight policy on policy.toml --why WHY --by NAME` turns it on"
        )
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; what was recorded stays, and nothing is added")
    look = Look(rules.policy, students(home.roster(request_id), account))
    personal, unread = personal_sources(home, request_id), 0
    for message, readable in _messages(home, request_id, personal):
        look.add(message)
        unread += not readable
    marks = look.marks()
    body = {
        "messages": look.messages,
        "not_looked_at": {
            NotLookedAt.PERSONAL.value: _count(home, request_id, personal),
            NotLookedAt.NO_TEXT.value: unread,
        },
        "not_applied": look.not_applied,
        "marked": dict(sorted(Counter(one.rule for one in marks).items())),
    }
    number, new = _keep(home, request_id, found.version, rules.rules_sha256, marks, body, by)
    return {"request_id": request_id, "check": number, **body, "new": new, "rules_sha256": rules.rules_sha256}


def personal_sources(home: Home, request_id: str) -> frozenset[str]:
    """Return the sources that any version of a request calls personal: declared, or with some kept back."""
    v = t.request_versions.c
    with home.catalogue.read() as connection:
        bodies = connection.scalars(sa.select(v.body).where(v.request_id == request_id)).all()
    return frozenset(
        source.id
        for body in bodies
        for source in Request.model_validate_json(body).sources
        if source.declared or source.kept_back is not None
    )


def _of_messages(request_id: str) -> sa.ColumnElement[bool]:
    """Return what the stored texts and chat messages of a request are, as their reading has them."""
    i, r = t.items.c, t.readings.c
    return sa.and_(
        i.request_id == request_id,
        i.state == CollectionState.STORED,
        sa.func.coalesce(r.kind, i.kind).in_(sorted(KINDS)),
    )


def _count(home: Home, request_id: str, sources: frozenset[str]) -> int:
    """Return how many messages are of some sources; nothing else of them is asked for."""
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        return int(
            connection.scalar(
                sa.select(sa.func.count())
                .select_from(t.items)
                .outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
                .where(_of_messages(request_id), i.source_id.in_(sorted(sources)))
            )
            or 0
        )


def _messages(home: Home, request_id: str, personal: frozenset[str]) -> Iterator[tuple[Message, bool]]:
    """Yield every message of the sources that are not personal, and whether its text could be had."""
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        ids = connection.scalars(
            sa.select(i.item_id)
            .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(_of_messages(request_id), i.source_id.not_in(sorted(personal)))
            .order_by(i.source_id, i.item_id)
        ).all()
    for piece in chunked(list(ids), 500):
        with home.catalogue.read() as connection:
            rows = connection.execute(
                sa.select(
                    i.item_id, i.source_id, i.custodian_id, i.connector, i.facts, i.moment_at, r.sender,
                    r.recipients, r.thread, r.sent_at, r.text_sha256,
                )
                .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
                .where(i.request_id == request_id, i.item_id.in_(piece))
                .order_by(i.source_id, i.item_id)
            ).all()  # fmt: skip
        texts = _texts(home, request_id, rows)
        for row in rows:
            yield (
                _message(row, texts.get(row.text_sha256, "")),
                not row.text_sha256 or row.text_sha256 in texts,
            )


def _texts(home: Home, request_id: str, rows: Sequence[Row]) -> dict[str, str]:
    """Return the stored texts by digest; one that is damaged or was removed is left out."""
    store = home.store(request_id)
    texts = {}
    for digest, ref in store.find(row.text_sha256 for row in rows if row.text_sha256).items():
        try:
            texts[digest] = store.read(ref).decode("utf-8")
        except ItemError:
            continue  # counted by the caller as a text that could not be had
    return texts


def _message(row: Row, text: str) -> Message:
    facts = canonical.loads(row.facts)["metadata"]
    people = {account(handle) for _, handle in canonical.loads(row.sender) if handle}
    people |= {handle for _, handle in everyone(canonical.loads(row.recipients)) if handle}
    return Message(
        row.item_id, row.source_id, row.custodian_id, row.connector, facts.get("app", ""),
        conversation_key(row, facts), frozenset(people), row.sent_at or row.moment_at or "", text,
    )  # fmt: skip


def _keep(
    home: Home,
    request_id: str,
    version: int,
    rules_sha256: str,
    marks: Sequence[Mark],
    body: Mapping[str, Any],
    by: str,
) -> tuple[int, int]:
    """Append what changed since the last check; return the number of this one, and how many marks are new."""
    c, now = t.policy_checks.c, canonical.now_text()
    with home.catalogue.write() as connection:
        lock_tables(connection, t.policy_checks, t.policy_marks)
        last = connection.scalar(sa.select(sa.func.max(c.check_no)).where(c.request_id == request_id))
        number = (last or 0) + 1
        before = _newest(connection, request_id, t.policy_marks)
        rows = [
            row
            for one in marks
            if _differs(row := _row(one, request_id, number, rules_sha256, now), before.get(one.exception_id))
        ]
        standing = {one.exception_id for one in marks}
        gone = [
            {**row._mapping, "seq": row.seq + 1, "check_no": number, "found": False, "at": now}
            | {"rules_sha256": rules_sha256}
            for key, row in before.items()
            if row.found and key not in standing
        ]
        for row in rows:
            known = before.get(row["exception_id"])
            row["seq"] = known.seq + 1 if known is not None else 1
        connection.execute(
            t.policy_checks.insert(),
            {
                "request_id": request_id,
                "check_no": number,
                "version": version,
                "rules_sha256": rules_sha256,
                "body": canonical.dumps(body),
                "by": by,
                "at": now,
            },
        )
        insert(connection, t.policy_marks, [*rows, *gone])
        audit.append(
            connection,
            action="policy_checked",
            actor=by,
            request_id=request_id,
            check=number,
            messages=body["messages"],
            marked=len(marks),
            # The chain of the audit log holds these rows too: none can be changed unseen.
            rows_sha256=hashlib.sha256(canonical.dumps([*rows, *gone]).encode()).hexdigest(),
        )
    return number, sum(row["exception_id"] not in before for row in rows)


def _newest(connection: sa.Connection, request_id: str, table: sa.Table) -> dict[str, Row]:
    """Return the newest row of each exception of a table."""
    c = table.c
    rows = connection.execute(sa.select(table).where(c.request_id == request_id).order_by(c.seq))
    return {row.exception_id: row for row in rows}


def _row(one: Mark, request_id: str, number: int, rules_sha256: str, now: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "exception_id": one.exception_id,
        "seq": 0,
        "check_no": number,
        "found": True,
        "rule_id": one.rule,
        "rules_sha256": rules_sha256,
        "unit": str(one.unit),
        "item_id": one.item_id,
        "source_id": one.source_id,
        "custodian_id": one.custodian_id,
        "body": canonical.dumps({"messages": one.messages, "places": one.places, "signs": one.signs}),
        "at": now,
    }


def _differs(row: Mapping[str, Any], before: Row | None) -> bool:
    same = ("found", "rules_sha256", "item_id", "body")
    return before is None or any(row[name] != getattr(before, name) for name in same)


# -- the record


def standings(home: Home, request_id: str) -> list[Standing]:
    """Return the possible exceptions of a request as they stand, by rule, source and item.

    Raises:
        UsageError: There is no such request.
    """
    home.request(request_id)
    with home.catalogue.read() as connection:
        marks = _newest(connection, request_id, t.policy_marks)
        judged = _newest(connection, request_id, t.policy_judgements)
        found_by = _found_by(connection, request_id)
        policies = _policies(connection, set(found_by.values()))
    made = [
        _standing(row, policies[found_by[key]], judged.get(key), found_by[key]) for key, row in marks.items()
    ]
    return sorted(made, key=lambda one: (one.rule, one.source, one.item_id, one.exception_id))


def _found_by(connection: sa.Connection, request_id: str) -> dict[str, str]:
    """Return by which rules each exception was found last: those that lost it may not know its rule."""
    m = t.policy_marks.c
    rows = connection.execute(
        sa.select(m.exception_id, m.rules_sha256).where(m.request_id == request_id, m.found).order_by(m.seq)
    )
    return {row.exception_id: row.rules_sha256 for row in rows}


def _policies(connection: sa.Connection, digests: set[str]) -> dict[str, Policy]:
    """Return files of rules that were turned on once, by SHA-256."""
    p = t.policies.c
    rows = connection.execute(
        sa.select(p.rules_sha256, p.rules).where(p.rules_sha256.in_(sorted(digests))).distinct()
    )
    return {row.rules_sha256: read_policy(row.rules, "rules of an earlier check") for row in rows}


def _standing(row: Row, policy: Policy, judged: Row | None, rules_sha256: str) -> Standing:
    body = canonical.loads(row.body)
    rule = policy.rule(row.rule_id)
    assert rule is not None, "a mark is made by a rule of its file"
    excuse = judged.excuse if judged is not None else ""
    return Standing(
        row.exception_id, row.rule_id, policy.words, rule.says,
        tuple(policy.excuse(one).says for one in rule.exceptions), tuple(body["signs"]), str(rule.checked),
        row.unit, row.item_id, row.source_id, row.custodian_id, body["messages"],
        tuple((first, end) for first, end in body["places"]), row.found, row.at, rules_sha256,
        judged.judgement if judged is not None else "",
        policy.excuse(excuse).says if excuse in rule.exceptions else excuse,
        judged.why if judged is not None else "", judged.by if judged is not None else "",
        judged.at if judged is not None else "",
    )  # fmt: skip


def listed(
    home: Home, request_id: str, *, still_open: bool, out: Path | None, by: str
) -> Iterator[dict[str, Any]]:
    """Yield the record of a request as JSON objects.

    Args:
        home: Open.
        request_id: The request.
        still_open: Only what nobody judged and the newest check found.
        out: Also write it to this .csv file, which must not exist: the record, as it can be asked for.
        by: Who lists; for the audit log, where a file is written.

    Raises:
        UsageError: There is no such request; ``out`` exists or is no .csv.
    """
    if out is not None and out.suffix != ".csv":
        raise UsageError("the record is written as .csv")
    if out is not None:
        refuse_existing(out)
    chosen = [
        one
        for one in standings(home, request_id)
        if not still_open or (one.still_found and not one.judgement)
    ]
    if out is not None:
        out.write_bytes(csv_bytes(COLUMNS, map(_cells, chosen)))
        with home.catalogue.write() as connection:
            audit.append(
                connection,
                action="exported",
                actor=by,
                request_id=request_id,
                what="policy",
                marks=len(chosen),
            )
    return (one.as_json() for one in chosen)


def _cells(one: Standing) -> dict[str, Any]:
    lists = {
        "exceptions": "; ".join(one.exceptions),
        "signs": "; ".join(one.signs),
        "places": "; ".join(f"{first}-{end}" for first, end in one.places),
    }
    return one.as_json() | lists


def judge(
    home: Home,
    request_id: str,
    exception_ids: Sequence[str],
    *,
    judgement: str,
    excuse: str,
    why: str,
    by: str,
) -> dict[str, Any]:
    """Write down what a person found of possible exceptions; an earlier judgement stays in the record.

    Args:
        home: Open.
        request_id: The request.
        exception_ids: Of one or several, with one reason.
        judgement: One of ``Judgement``.
        excuse: Id of the exception it falls under, of those that the rule names; empty else.
        why: The reason.
        by: Who judged.

    Raises:
        UsageError: No such mark or judgement, no reason, or an exception that its rule does not name.
    """
    if judgement not in set(Judgement):
        raise UsageError(f"--as is one of {', '.join(Judgement)}")
    if bool(excuse) != (judgement == Judgement.NAMED_EXCEPTION):
        raise UsageError(
            "--exception names the exception that it falls under, with --as named_exception alone"
        )
    _require(why, by)
    chosen = list(dict.fromkeys(exception_ids))
    known = {one.exception_id: one for one in standings(home, request_id)}
    if missing := [one for one in chosen if one not in known]:
        raise UsageError(
            f"request {request_id} has no possible exception {', '.join(missing)}; "
            f"`daylight policy list {request_id}` lists them"
        )
    if excuse:
        _refuse_other(home, [known[one] for one in chosen], excuse)
    with home.catalogue.write() as connection:
        lock_tables(connection, t.policy_judgements)
        before = _newest(connection, request_id, t.policy_judgements)
        now = canonical.now_text()
        rows = [
            {
                "request_id": request_id,
                "exception_id": one,
                "seq": before[one].seq + 1 if one in before else 1,
                "judgement": judgement,
                "excuse": excuse,
                "rules_sha256": known[one].rules_sha256,
                "why": why.strip(),
                "by": by.strip(),
                "at": now,
            }
            for one in chosen
        ]
        insert(connection, t.policy_judgements, rows)
        audit.append(
            connection,
            action="policy_judged",
            actor=by.strip(),
            request_id=request_id,
            judgement=judgement,
            exceptions=chosen,
            rows_sha256=hashlib.sha256(canonical.dumps(rows).encode()).hexdigest(),
        )
    return {"request_id": request_id, "judged": len(chosen), "open": counts(home, request_id)["open"]}


def _refuse_other(home: Home, marks: Sequence[Standing], excuse: str) -> None:
    """Refuse an exception that the rule of a mark does not name."""
    with home.catalogue.read() as connection:
        policies = _policies(connection, {one.rules_sha256 for one in marks})
    for one in marks:
        rule = policies[one.rules_sha256].rule(one.rule)
        named = rule.exceptions if rule is not None else ()
        if excuse not in named:
            raise UsageError(
                f"nothing was changed: rule {one.rule} names "
                + (f"the exceptions {', '.join(named)}" if named else "no exception")
            )


def counts(home: Home, request_id: str) -> dict[str, Any]:
    """Return for the status of a request: is the check on, when was the last, what is open and judged."""
    c = t.policy_checks.c
    with home.catalogue.read() as connection:
        marks = _newest(connection, request_id, t.policy_marks)
        judged = _newest(connection, request_id, t.policy_judgements)
        checked = connection.scalar(sa.select(sa.func.max(c.at)).where(c.request_id == request_id))
    return {
        "on": in_force(home) is not None,
        "checked_at": short_time(checked),
        "possible_exceptions": sum(row.found for row in marks.values()),
        "open": sum(row.found and key not in judged for key, row in marks.items()),
        "judged": len(judged),
    }
