"""Recording what people decide: checked, append-only, each row with the bytes that were decided on.

The form of a decision is ``records.decisions.Decision``; this module says when one makes sense and writes it
down. A changed answer adds a row, nothing is ever overwritten, and the same answer given again adds nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import ROWS_PER_TRANSACTION, Catalogue, chunked
from records.decisions import Decision, Exemption, Treatment
from records.errors import UsageError
from records.rows import lock_tables
from records.vocabulary import CollectionState, Kind
from review import exemptions
from review.exemptions import ExemptionRule

LONGEST_TEXT = 2_000
"""Most characters of one explanation, the facts or a note: fifteen of them still fit a spreadsheet cell."""

MOST_EXEMPTIONS = 15
BETWEEN = " | "
"""What separates explanations in one cell of the coding sheet, and so cannot stand inside one."""

ALONE = frozenset({Kind.MESSAGE, Kind.CHAT, Kind.CALL})
"""Kinds whose unit of responsiveness is the single message, with what it carries."""

_IN_QUERY = 500
_WORDS = re.compile(r"[^\W_]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# fmt: off
_SAYS_NOTHING = frozenset((
    "a", "above", "all", "an", "and", "applicable", "apply", "applies", "are", "as", "at", "because",
    "below", "by", "cfr", "chapter", "cite", "cited", "citation", "claim", "claimed", "code",
    "confidential", "confidentiality", "contain", "contains", "covered", "data", "document", "documents",
    "email", "etc", "exempt", "exempted", "exemption", "exemptions", "file", "for", "from", "general",
    "has", "have", "in", "information", "is", "it", "its", "law", "laws", "material", "message", "na", "no",
    "none", "not", "of", "on", "or", "other", "part", "pertinent", "per", "pra", "private", "privacy",
    "privilege", "privileged", "prohibited", "proprietary", "protected", "public", "pursuant", "rcw",
    "reason", "record", "records", "redact", "redacted", "redaction", "reference", "refer", "relevant",
    "responsive", "same", "section", "see", "sensitive", "statute", "statutes", "statutory", "subsection",
    "tbd", "that", "the", "these", "this", "to", "todo", "under", "usc", "wac", "was", "which", "withheld",
    "withhold", "with",
))
# fmt: on
"""Words that say nothing of the record at hand. RCW 42.56.210(3) asks how the exemption applies to the very
record; WAC 44-14-04004(5) adds that "privacy" or "proprietary" alone does not do."""


@dataclass(frozen=True, slots=True)
class Place:
    """What decisions need to know about an item.

    Attributes:
        item_id: The item.
        family_id: Its top item.
        unit_id: The item whose responsiveness it shares: its family's top item, or for texts, chats and calls
            the message itself; what a message carries belongs to the message.
        blob_sha256: The bytes; None unless stored.
        stored: Whether it can be decided at all.
    """

    item_id: str
    family_id: str
    unit_id: str
    blob_sha256: str | None
    stored: bool


def tidy(decision: Decision) -> Decision:
    """Return the same answers in one spelling: trimmed, line ends as LF, codes folded, holds sorted."""
    return replace(
        decision,
        facts=_plain(decision.facts),
        exemptions=tuple(
            Exemption(_plain(e.code).casefold(), _plain(e.explanation)) for e in decision.exemptions
        ),
        holds=tuple(sorted(set(decision.holds))),
        pages_to_redact=_plain(decision.pages_to_redact),
        note=_plain(decision.note),
    )


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def check(decision: Decision, rules: Mapping[str, ExemptionRule] | None = None) -> list[str]:
    """Say what is wrong with one answer, in plain words; an empty list when nothing is.

    An open answer (nothing yet on *responsive* or on *treatment*) is not wrong: the record stays undecided.

    Args:
        decision: The answers.
        rules: The exemptions that can be claimed; None for the list that comes with the program.
    """
    known = exemptions.load() if rules is None else rules
    decision = tidy(decision)
    if decision.public_record:
        wrong = _check_public(decision)
        wrong += _check_exemptions(decision, known)
    else:
        wrong = _check_personal(decision)
    if decision.installment is not None and decision.installment < 1:
        wrong.append("installment is a number from 1")
    wrong += _check_texts(decision)
    return wrong


def _check_personal(decision: Decision) -> list[str]:
    wrong = []
    if not decision.facts:
        wrong.append(
            "a personal matter needs the facts that show it is no public record: write them under explanation"
        )
    if (
        decision.responsive is not None
        or decision.treatment is not None
        or decision.exemptions
        or decision.pages_to_redact
    ):
        wrong.append(
            "a personal matter has no other answers: leave responsive, treatment, exemption_code and "
            "pages_to_redact empty"
        )
    return wrong


def _check_public(decision: Decision) -> list[str]:
    wrong = []
    if decision.facts:
        wrong.append("facts are for a personal matter only")
    if decision.responsive is not True and decision.treatment is not None:
        wrong.append(
            "treatment is for responsive records only: answer responsive with yes, or leave treatment empty"
        )
    if decision.pages_to_redact and decision.treatment is not Treatment.REDACT:
        wrong.append("pages_to_redact goes with treatment redact only")
    return wrong


def _check_exemptions(decision: Decision, rules: Mapping[str, ExemptionRule]) -> list[str]:
    treatment, claimed = decision.treatment, decision.exemptions
    if treatment in {Treatment.REDACT, Treatment.WITHHOLD} and not claimed:
        return [f"{treatment} needs at least one exemption_code and an explanation (RCW 42.56.210(3))"]
    if claimed and treatment is Treatment.RELEASE:
        return ["a record that is released in full has no exemption: empty exemption_code, or choose redact"]
    if claimed and treatment is None:
        return ["an exemption needs a treatment: choose redact or withhold"]
    wrong = []
    if len(claimed) > MOST_EXEMPTIONS:
        wrong.append(f"more than {MOST_EXEMPTIONS} exemptions on one record")
    codes = [e.code for e in claimed]
    wrong += [f"{code} is claimed twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    for exemption in claimed:
        wrong += _check_claim(exemption, rules)
    return wrong


def _check_claim(exemption: Exemption, rules: Mapping[str, ExemptionRule]) -> list[str]:
    rule = rules.get(exemption.code)
    if rule is None:
        near = exemptions.nearest(exemption.code, rules.values())
        hint = f": did you mean {' or '.join(near)}?" if near else ": see the list of codes"
        return [f"{exemption.code or '(empty)'} is no exemption code{hint}"]
    if not exemption.explanation:
        return [f"{exemption.code} needs an explanation of how it applies to this record (RCW 42.56.210(3))"]
    if not says_something(exemption.explanation, rule):
        return [
            f"the explanation of {exemption.code} only repeats the law: say what in this record it protects "
            "and why (RCW 42.56.210(3), WAC 44-14-04004)"
        ]
    if BETWEEN.strip() in exemption.explanation:
        return [
            f"the explanation of {exemption.code} holds a |, which separates explanations: write it otherwise"
        ]
    return []


def says_something(explanation: str, rule: ExemptionRule) -> bool:
    """Whether an explanation has at least two words that are not the law's own name nor filler.

    It cannot tell a good explanation from a bad one; it stops those that RCW 42.56.210(3) surely does not
    accept: empty, the title or the citation again, "see statute", "privacy".
    """
    own = set(_words(f"{rule.code} {rule.citation} {rule.title}"))
    said = [word for word in _words(explanation) if word not in own and word not in _SAYS_NOTHING]
    return len(said) >= 2 and " ".join(_words(explanation)) != " ".join(_words(rule.summary))


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.casefold())


def _check_texts(decision: Decision) -> list[str]:
    texts = {"facts": decision.facts, "note": decision.note, "pages_to_redact": decision.pages_to_redact}
    texts.update({f"the explanation of {e.code}": e.explanation for e in decision.exemptions})
    wrong = [
        f"{name} is longer than {LONGEST_TEXT} characters"
        for name, v in texts.items()
        if len(v) > LONGEST_TEXT
    ]
    wrong += [f"{name} holds a control character" for name, value in texts.items() if _CONTROL.search(value)]
    return wrong


# --- families ------------------------------------------------------------------------------------------


def places(connection: sa.Connection, request_id: str, item_ids: Iterable[str]) -> dict[str, Place]:
    """Return the places of every member of the families that the given items belong to.

    Items that the request does not have are left out.
    """
    i = t.items.c
    families: set[str] = set()
    for piece in chunked(sorted(set(item_ids)), _IN_QUERY):
        # no DISTINCT: it makes SQLite walk the index by family instead of looking 500 keys up
        families.update(
            connection.scalars(sa.select(i.family_id).where(i.request_id == request_id, i.item_id.in_(piece)))
        )
    out: dict[str, Place] = {}
    for piece in chunked(sorted(families), _IN_QUERY):
        out.update(_places(connection, request_id, piece))
    return out


def _places(connection: sa.Connection, request_id: str, family_ids: list[str]) -> Iterable[tuple[str, Place]]:
    i, r = t.items.c, t.readings.c
    rows = connection.execute(
        sa.select(
            i.item_id,
            i.family_id,
            i.parent_id,
            sa.func.coalesce(r.kind, i.kind).label("kind"),
            i.blob_sha256,
            i.state,
        )
        .outerjoin(t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(i.request_id == request_id, i.family_id.in_(family_ids))
        .order_by(i.level)  # a parent comes before what it carries
    )
    unit: dict[str, str] = {}
    for row in rows:
        if row.kind in ALONE:
            unit[row.item_id] = row.item_id
        else:
            unit[row.item_id] = unit.get(row.parent_id, row.family_id)
        stored = row.state == CollectionState.STORED
        yield row.item_id, Place(row.item_id, row.family_id, unit[row.item_id], row.blob_sha256, stored)


def disagreements(
    known: Mapping[str, Place], answers: Mapping[str, Decision], in_force: Mapping[str, Decision]
) -> dict[str, list[str]]:
    """Find units whose members would be responsive and not responsive at once.

    Responsiveness is one answer for a mail family: a record and what it carries are judged together. Personal
    matters and open answers take no side.

    Args:
        known: From ``places``.
        answers: New answers.
        in_force: Answers given before; a new one replaces them.

    Returns:
        Unit id to the members that take a side, sorted; only units that have a new answer among them.
    """
    sides: dict[str, dict[bool, list[str]]] = defaultdict(lambda: {True: [], False: []})
    touched = {known[item_id].unit_id for item_id in answers if item_id in known}
    for item_id, place in known.items():
        if place.unit_id in touched:
            decision = answers.get(item_id, in_force.get(item_id))
            if decision is not None and decision.public_record and decision.responsive is not None:
                sides[place.unit_id][decision.responsive].append(item_id)
    return {unit: sorted(s[True] + s[False]) for unit, s in sides.items() if s[True] and s[False]}


def spread(
    known: Mapping[str, Place],
    answers: Mapping[str, Decision],
    in_force: Mapping[str, Decision],
    untouched: Collection[str] = (),
) -> dict[str, Decision]:
    """Return the answers, with responsiveness carried to members of the same unit that have none.

    Yes on any member makes every member responsive, its treatment still open; no makes all of them not
    responsive. A member that somebody answered keeps its own answer.
    """
    out = dict(answers)
    said: dict[str, bool] = {}
    for item_id, decision in answers.items():
        if decision.public_record and decision.responsive is not None and item_id in known:
            unit = known[item_id].unit_id
            said[unit] = said.get(unit, False) or decision.responsive
    for item_id, place in known.items():
        if not place.stored or place.unit_id not in said or item_id in untouched:
            continue
        decision = answers.get(item_id, in_force.get(item_id, Decision(public_record=True)))
        if decision.public_record and decision.responsive is None:
            out[item_id] = replace(decision, responsive=said[place.unit_id])
    return out


# --- writing -------------------------------------------------------------------------------------------


def decisions_of(
    connection: sa.Connection, request_id: str, item_ids: Iterable[str]
) -> dict[str, tuple[int, Decision, str | None]]:
    """Return number, answers and bytes' digest of the decision in force, of those items that have one."""
    d = t.decisions.c
    out: dict[str, tuple[int, Decision, str | None]] = {}
    for piece in chunked(sorted(set(item_ids)), _IN_QUERY):
        rows = connection.execute(
            sa.select(d.item_id, d.seq, d.body, d.blob_sha256)
            .where(d.request_id == request_id, d.item_id.in_(piece))
            .order_by(d.item_id, d.seq)
        )
        for item_id, seq, body, digest in rows:  # the highest number comes last
            out[item_id] = (seq, Decision.from_json(body), digest)
    return out


def record(
    catalogue: Catalogue,
    request_id: str,
    version: int,
    decisions: Mapping[str, Decision],
    by: str,
    *,
    source: str,
    reviewers: Mapping[str, str] | None = None,
    untouched: Collection[str] = (),
) -> int:
    """Write answers down; those that are in force already add no row.

    All answers are checked before the first is written. Rows go in transactions of at most 1,000, each with
    its own audit entry (one, for a call that small), so that no decision is ever in the catalogue without.
    A member of a mail family that has no answer of its own takes the family's on *responsive*.

    Args:
        catalogue: Where.
        request_id: The request.
        version: The scope and term version the answers were given on.
        decisions: Answers by item id.
        by: Who records them; also who decided, unless ``reviewers`` says otherwise.
        source: How they came, one word or code (``sheet``, ``page``); for the audit log, no names.
        reviewers: Who decided, by item id, where that is another person.
        untouched: Items that a family's answer is not carried to (their own answer could not be taken).

    Returns:
        The number of rows added.

    Raises:
        UsageError: An answer fails its check, a family disagrees, or an item is not a stored item of this
            request; nothing was written. The message names ids only.
    """
    if not by.strip():
        raise UsageError("decisions need the name of the person who makes them")
    answers = {item_id: tidy(decision) for item_id, decision in decisions.items()}
    with catalogue.read() as connection:
        known = places(connection, request_id, answers)
        before = {k: v[1] for k, v in decisions_of(connection, request_id, known).items()}
    _refuse_wrong(request_id, known, answers, before)
    answers = spread(known, answers, before, untouched)
    added = 0
    for piece in chunked(sorted(answers), ROWS_PER_TRANSACTION):
        with catalogue.write() as connection:
            lock_tables(connection, t.decisions, mode="SHARE ROW EXCLUSIVE")
            rows = _new_rows(connection, request_id, version, piece, answers, known, by, reviewers or {})
            if rows:
                connection.execute(t.decisions.insert(), rows)
                audit.append(
                    connection,
                    action="decided",
                    actor=by,
                    request_id=request_id,
                    items=len(rows),
                    source=source,
                    version=version,
                )
            added += len(rows)
    return added


def _refuse_wrong(
    request_id: str,
    known: Mapping[str, Place],
    answers: Mapping[str, Decision],
    before: Mapping[str, Decision],
) -> None:
    rules = exemptions.load()
    for item_id, decision in answers.items():
        if item_id not in known or not known[item_id].stored:
            raise UsageError(f"{item_id} is not a stored item of request {request_id}")
        if check(decision, rules):
            count = sum(1 for d in answers.values() if check(d, rules))
            raise UsageError(
                f"{count} of {len(answers)} answers do not make sense, {item_id} first; none was recorded"
            )
    for unit, members in disagreements(known, answers, before).items():
        raise UsageError(
            f"the family of {unit} would be responsive and not responsive at once ({len(members)} members "
            "answered); none was recorded"
        )


def _new_rows(
    connection: sa.Connection,
    request_id: str,
    version: int,
    item_ids: list[str],
    answers: Mapping[str, Decision],
    known: Mapping[str, Place],
    by: str,
    reviewers: Mapping[str, str],
) -> list[dict[str, object]]:
    present = decisions_of(connection, request_id, item_ids)
    now = canonical.now_text()
    rows: list[dict[str, object]] = []
    for item_id in item_ids:
        seq, decision, digest = present.get(item_id, (0, None, None))
        if decision == answers[item_id] and digest == known[item_id].blob_sha256:
            continue
        rows.append(
            {
                "request_id": request_id,
                "item_id": item_id,
                "seq": seq + 1,
                "version": version,
                "blob_sha256": known[item_id].blob_sha256,
                "body": answers[item_id].to_json(),
                "by": reviewers.get(item_id, by),
                "at": now,
            }
        )
    return rows
