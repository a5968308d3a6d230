"""Drafts, approval and packages: what a person approves is what goes out, and goes out the same again.

1. ``build_draft`` writes a bundle with draft numbers and keeps its plan under the hash of its tag manifest.
2. ``approve`` checks that the draft is the present one and that the catalogue still says the same, then in
   one transaction writes the answer, the permanent numbers and the frozen instalment, with an audit entry.
3. ``package`` makes the bundle from the frozen row: the same bytes each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import CheckFailed, UsageError
from records.evidence import EvidenceStore
from release import numbering, verifier
from release.bag import new_folder
from release.context import ReleaseContext
from release.gate import gate, shown_in
from release.keys import SigningKey
from release.office import hidden_in_natives, write_office
from release.plan import basis, frozen_bodies, full_plan, guard
from release.render import Freeze, Rows, render
from release.selection import load_selection, produced_roles

APPROVED, REJECTED = "approved", "rejected"


@dataclass(frozen=True, slots=True)
class DraftInfo:
    """A draft that was built.

    Attributes:
        manifest_sha256: SHA-256 of its ``release/tagmanifest-sha256.txt``: what a person approves.
        installment: The instalment it would become, from 1.
        counts: ``records``, ``released``, ``withheld_in_full``, ``families`` … of the bundle, and
            ``not_yet_produced`` of the whole request.
        refusals: What keeps it from being approved; ids and codes only. Empty: it can be approved.
        hidden_in_natives: Released records whose natives hold comments, tracked changes, speaker's notes or
            hidden parts; ``office/hidden-in-natives.csv`` names them. It stops nobody.
    """

    manifest_sha256: str
    installment: int
    counts: Mapping[str, int]
    refusals: tuple[str, ...]
    hidden_in_natives: int = 0


@dataclass(frozen=True, slots=True)
class Approval:
    """What an answer did.

    Attributes:
        installment: From 1.
        answer: ``approved`` or ``rejected``.
        draft_sha256: The draft it is about.
        frozen_at: UTC text of the approval; None when rejected.
        first_number: Of the records numbered by it; None when there are none or it was rejected.
        last_number: Likewise.
    """

    installment: int
    answer: str
    draft_sha256: str
    frozen_at: str | None = None
    first_number: int | None = None
    last_number: int | None = None


@dataclass(frozen=True, slots=True)
class PackageInfo:
    """A package that was built.

    Attributes:
        manifest_sha256: SHA-256 of its ``release/tagmanifest-sha256.txt``, which is what is signed.
        installment: From 1.
        counts: As in ``DraftInfo``.
        fingerprint: Of the key that signed it; publish it apart from the bundle.
    """

    manifest_sha256: str
    installment: int
    counts: Mapping[str, int]
    fingerprint: str


def build_draft(
    catalogue: Catalogue, store: EvidenceStore, request_id: str, out: Path, *, context: ReleaseContext
) -> DraftInfo:
    """Build the draft of the next instalment and make it the present draft.

    Args:
        catalogue: The catalogue.
        store: The request's evidence.
        request_id: The request.
        out: A folder that does not exist yet; gets ``release/`` and ``office/``.
        context: What the desk knows.

    Raises:
        UsageError: There is no such request, or ``out`` exists.
        SettingsError: The prefix may not be used.
        CheckFailed: Something that must not go out was found in the bundle, or a native is damaged; nothing
            is left behind.
    """
    numbering.check_prefix(context.prefix)
    with catalogue.read() as connection:
        plan = full_plan(basis(connection, request_id), context)
    with new_folder(out) as building:
        tag_manifest, rows = render(building / "release", plan, None, store, None)
        write_office(building / "office", catalogue, rows, context, None)
        _pass_gate(building, catalogue, store, request_id, plan)
        digest = hashlib.sha256(tag_manifest).hexdigest()
        _keep_draft(catalogue, request_id, digest, plan)
    with catalogue.read() as connection:
        hidden = len(hidden_in_natives(connection, rows))
    return DraftInfo(digest, plan["basis"]["installment"], _counts(rows), tuple(plan["refusals"]), hidden)


def _keep_draft(catalogue: Catalogue, request_id: str, digest: str, plan: Mapping[str, Any]) -> None:
    """Make the draft the present one; building the present one again changes nothing."""
    with catalogue.write() as connection:
        newest = _newest_draft(connection, request_id)
        if newest is not None and newest.draft_sha256 == digest:
            return
        connection.execute(
            t.drafts.insert(),
            {
                "request_id": request_id,
                "seq": (newest.seq if newest else 0) + 1,
                "draft_sha256": digest,
                "installment": plan["basis"]["installment"],
                "at": canonical.now_text(),
                "body": canonical.dumps(plan),
            },
        )
        audit.append(
            connection,
            action="drafted",
            actor="daylight",
            request_id=request_id,
            installment=plan["basis"]["installment"],
            draft=digest,
            records=len(plan["basis"]["records"]),
        )


def _newest_draft(connection: sa.Connection, request_id: str) -> Any:
    d = t.drafts.c
    return connection.execute(
        sa.select(d.seq, d.draft_sha256, d.installment, d.body)
        .where(d.request_id == request_id)
        .order_by(d.seq.desc())
        .limit(1)
    ).first()


def present_draft(catalogue: Catalogue, request_id: str) -> str | None:
    """Return the hash of the draft that would be approved now, or None when none was built."""
    with catalogue.read() as connection:
        newest = _newest_draft(connection, request_id)
    return newest.draft_sha256 if newest else None


def approve(catalogue: Catalogue, request_id: str, draft_sha256: str, by: str, answer: str) -> Approval:
    """Write a person's answer; when it is yes, number and freeze the instalment in the same transaction.

    Safe to repeat: an instalment that this draft became already is returned as it stands.

    Args:
        catalogue: The catalogue.
        request_id: The request.
        draft_sha256: The draft the person looked at.
        by: Who answers, as they gave their name.
        answer: ``approved`` or ``rejected``; there is no default.

    Raises:
        UsageError: The answer or the name is none, there is no such draft, it is not the present one, or the
            catalogue has changed since it was built.
        CheckFailed: The draft cannot be approved (see ``DraftInfo.refusals``).
    """
    if answer not in {APPROVED, REJECTED} or not by.strip():
        raise UsageError("an approval needs a name and the answer approved or rejected")
    with catalogue.read() as connection:
        before = guard(connection, request_id)
        if (done := _already(connection, request_id, draft_sha256)) and answer == APPROVED:
            return done
        draft = _refuse_other(connection, request_id, draft_sha256)
        plan = canonical.loads(draft.body)
        if answer == APPROVED:
            _refuse_changed(connection, request_id, plan)
    if answer == APPROVED and plan["refusals"]:
        raise CheckFailed(f"draft {draft_sha256[:12]} cannot be approved: {'; '.join(plan['refusals'][:10])}")
    with catalogue.write() as connection:
        numbering.lock(connection)
        if (done := _already(connection, request_id, draft_sha256)) and answer == APPROVED:
            return done
        _refuse_other(connection, request_id, draft_sha256)
        if guard(connection, request_id) != before:
            raise UsageError(
                f"the request changed while draft {draft_sha256[:12]} was being approved; look again"
            )
        return _answer(connection, request_id, plan, Approval(draft.installment, answer, draft_sha256), by)


def _answer(
    connection: sa.Connection, request_id: str, plan: Mapping[str, Any], given: Approval, by: str
) -> Approval:
    at = canonical.now_text()
    connection.execute(
        t.approvals.insert(),
        {
            "request_id": request_id,
            "installment": given.installment,
            "draft_sha256": given.draft_sha256,
            "answer": given.answer,
            "by": by,
            "at": at,
        },
    )
    facts = {"installment": given.installment, "draft": given.draft_sha256}
    if given.answer == REJECTED:
        audit.append(connection, action=REJECTED, actor=by, request_id=request_id, **facts)
        return given
    ids = [record["item_id"] for record in plan["basis"]["records"]]
    numbers = numbering.allocate(connection, request_id, given.installment, ids)
    first, last = min(numbers.values()), max(numbers.values())
    head = audit.append(
        connection, action=APPROVED, actor=by, request_id=request_id, first=first, last=last, **facts
    )
    body = {**plan, "draft_sha256": given.draft_sha256, "numbers": numbers}
    connection.execute(
        t.installments.insert(),
        {
            "request_id": request_id,
            "installment": given.installment,
            "frozen_at": at,
            "audit_seq": head.seq,
            "audit_head": head.entry_hash,
            "body": canonical.dumps(body),
        },
    )
    return Approval(given.installment, given.answer, given.draft_sha256, at, first, last)


def _already(connection: sa.Connection, request_id: str, draft_sha256: str) -> Approval | None:
    i = t.installments.c
    rows = connection.execute(sa.select(i.installment, i.frozen_at, i.body).where(i.request_id == request_id))
    for installment, at, text in rows:
        body = canonical.loads(text)
        if body["draft_sha256"] == draft_sha256:
            given = body["numbers"].values()
            return Approval(installment, APPROVED, draft_sha256, at, min(given), max(given))
    return None


def _refuse_other(connection: sa.Connection, request_id: str, draft_sha256: str) -> Any:
    """Return the present draft.

    Raises:
        UsageError: There is none, or it is another one.
    """
    newest = _newest_draft(connection, request_id)
    if newest is None:
        raise UsageError(f"request {request_id} has no draft; build one first")
    if newest.draft_sha256 != draft_sha256:
        raise UsageError(
            f"draft {draft_sha256[:12]} is not the present one: that is {newest.draft_sha256[:12]}; "
            "look at it and approve that"
        )
    frozen = connection.execute(
        sa.select(sa.func.count()).where(
            t.installments.c.request_id == request_id, t.installments.c.installment == newest.installment
        )
    ).scalar_one()
    if frozen:
        raise UsageError(
            f"instalment {newest.installment} was approved already; build the draft of the next one"
        )
    return newest


def _refuse_changed(connection: sa.Connection, request_id: str, plan: Mapping[str, Any]) -> None:
    now = basis(connection, request_id)
    if canonical.dumps(now) != canonical.dumps(plan["basis"]):
        raise UsageError(
            "what would be released has changed since the draft of instalment "
            f"{plan['basis']['installment']} was built; build a new draft and look at that"
        )
    earlier = frozen_bodies(connection, request_id)
    if earlier and earlier[-1]["context"]["prefix"] != plan["context"]["prefix"]:
        raise UsageError("the number prefix of a request cannot change between instalments")


def package(
    catalogue: Catalogue,
    store: EvidenceStore,
    request_id: str,
    out: Path,
    *,
    context: ReleaseContext,
    key: SigningKey,
    installment: int | None = None,
) -> PackageInfo:
    """Make the bundle of an approved instalment.

    ``release/`` is made from the frozen row alone, so it is the same bytes each time. ``office/`` tells the
    present state and takes the further tables from ``context``.

    Args:
        catalogue: The catalogue.
        store: The request's evidence.
        request_id: The request.
        out: A folder that does not exist yet.
        context: For the office part.
        key: Signs the bundle.
        installment: Which one; None for the one of the present draft.

    Raises:
        UsageError: The present draft is not approved (it or another one is named), or ``out`` exists.
        CheckFailed: Records were decided otherwise after the approval, the gate found what must not be in the
            bundle, or it does not verify; nothing is left behind.
    """
    with catalogue.read() as connection:
        row = _frozen_row(connection, request_id, installment)
        body = canonical.loads(row.body)
        _refuse_reconsidered(connection, request_id, body)
    freeze = Freeze(row.frozen_at, row.audit_seq, row.audit_head, body["numbers"])
    with new_folder(out) as building:
        tag_manifest, rows = render(building / "release", body, freeze, store, key)
        write_office(building / "office", catalogue, rows, context, key)
        _pass_gate(building, catalogue, store, request_id, body)
        report = verifier.verify(building, key.fingerprint)
        if not report.ok:
            failed = [check["check"] for check in report.checks if not check["ok"]]
            raise CheckFailed(f"the new bundle does not verify: {'; '.join(failed)}")
        digest = hashlib.sha256(tag_manifest).hexdigest()
        with catalogue.write() as connection:
            audit.append(
                connection,
                action="packaged",
                actor="daylight",
                request_id=request_id,
                installment=row.installment,
                manifest=digest,
                records=len(rows.records),
            )
    return PackageInfo(digest, row.installment, _counts(rows), key.fingerprint)


def _frozen_row(connection: sa.Connection, request_id: str, installment: int | None) -> Any:
    guard(connection, request_id)
    i, a = t.installments.c, t.approvals.c
    rows = connection.execute(
        sa.select(i.installment, i.frozen_at, i.audit_seq, i.audit_head, i.body)
        .where(i.request_id == request_id)
        .order_by(i.installment)
    ).all()
    by_number = {row.installment: row for row in rows}
    if installment is not None:
        if installment not in by_number:
            raise UsageError(
                f"instalment {installment} is not approved; nothing is packaged without approval"
            )
        return by_number[installment]
    draft = _newest_draft(connection, request_id)
    if draft is None:
        raise UsageError(f"request {request_id} has no draft, so nothing was approved; build a draft first")
    row = by_number.get(draft.installment)
    if row is not None:
        approved = canonical.loads(row.body)["draft_sha256"]
        if approved != draft.draft_sha256:
            raise UsageError(
                f"the approval is of draft {approved[:12]}, the present draft is {draft.draft_sha256[:12]}; "
                f"name instalment {row.installment} to package what was approved"
            )
        return row
    answer = connection.execute(
        sa.select(a.answer)
        .where(a.request_id == request_id, a.draft_sha256 == draft.draft_sha256)
        .order_by(a.at.desc())
        .limit(1)
    ).scalar()
    state = "was rejected" if answer == REJECTED else "is not approved"
    raise UsageError(
        f"draft {draft.draft_sha256[:12]} of instalment {draft.installment} {state}; "
        "nothing is packaged without approval"
    )


def _refuse_reconsidered(connection: sa.Connection, request_id: str, body: Mapping[str, Any]) -> None:
    """Refuse to make a bundle again when a decision on one of its records has changed since."""
    version = guard(connection, request_id).version
    frozen = frozen_bodies(connection, request_id)
    selection = load_selection(connection, request_id, version, len(frozen) + 1, produced_roles(frozen))
    prefix = body["context"]["prefix"]
    changed = [
        numbering.permanent(prefix, number)
        for item_id, number in body["numbers"].items()
        if item_id in selection.not_produced
    ]
    if changed:
        raise CheckFailed(
            f"{len(changed)} records were decided otherwise after the approval ({', '.join(changed[:10])}); "
            "the approved bundle is not made again"
        )


def _pass_gate(
    building: Path, catalogue: Catalogue, store: EvidenceStore, request_id: str, plan: Mapping[str, Any]
) -> None:
    report = gate(building, catalogue, store, request_id, shown=shown_in(plan["context"]))
    if not report.ok:
        named = "; ".join(f"{f.check} in {f.where} ({f.what})" for f in report.findings[:10])
        raise CheckFailed(
            f"the leak gate found {len(report.findings)} things that must not be there: {named}"
        )


def _counts(rows: Rows) -> dict[str, int]:
    return {**rows.counts, "not_yet_produced": rows.basis["review"]["not_yet_produced"]}


__all__ = [
    "APPROVED",
    "REJECTED",
    "Approval",
    "DraftInfo",
    "PackageInfo",
    "approve",
    "build_draft",
    "package",
    "present_draft",
]
