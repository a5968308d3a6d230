"""Bundles at the desk: what the release room is told, where drafts and packages lie."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.home import Home, OpenRequest
from records import audit, canonical
from records import tables as t
from records.canonical import now_text
from records.errors import AccessError, CheckFailed, UsageError
from records.ledger import Ledger, ledger
from release import gate as release_gate
from release import package as release_package
from release import verifier
from release.context import ReleaseContext, Unsearchable
from release.keys import home_key
from review import exemptions

_SIGNS_OF_A_BUNDLE = ("release", "data", "bagit.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")
"""One of them is left of any bundle, however damaged; such a folder is verified, and fails."""


def draft(home: Home, request_id: str) -> dict[str, Any]:
    """Build the draft of the next instalment in place of the last one.

    Raises:
        UsageError: The request is closed.
        CheckFailed: Something that must not go out was found in it.
    """
    found = home.request(request_id)
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; no further instalment of it is made")
    out = home.bundles(request_id) / "draft"
    shutil.rmtree(out, ignore_errors=True)
    made = release_package.build_draft(
        home.catalogue, home.store(request_id), request_id, out, context=_context(home, found)
    )
    return {
        "draft": made.manifest_sha256,
        "installment": made.installment,
        **made.counts,
        "refusals": list(made.refusals),
        "hidden_in_natives": made.hidden_in_natives,
    }


def gate(home: Home, request_id: str) -> dict[str, Any]:
    """Open the draft anew and look for everything that must not be in it.

    Raises:
        UsageError: There is no draft.
        CheckFailed: Something is in it; each finding is named by check and count.
    """
    folder = home.bundles(request_id) / "draft"
    if not folder.is_dir():
        raise UsageError(f"request {request_id} has no draft; `daylight draft {request_id}` builds it")
    report = release_gate.gate(folder, home.catalogue, home.store(request_id), request_id)
    if not report.ok:
        failed = ", ".join(sorted({finding.check for finding in report.findings}))
        raise CheckFailed(
            f"request {request_id}: the draft holds what must not go out ({failed}); it stays here"
        )
    return {"checks": len(report.checks), "findings": 0}


def approve(home: Home, request_id: str, *, by: str, approved: bool) -> dict[str, Any]:
    """Write the answer on the present draft; yes makes its numbers permanent.

    Raises:
        UsageError: There is no draft, or the request has changed since it was built.
        CheckFailed: It may not be approved; the message says why.
    """
    home.request(request_id)
    present = release_package.present_draft(home.catalogue, request_id)
    if present is None:
        raise UsageError(f"request {request_id} has no draft; `daylight draft {request_id}` builds it")
    answer = release_package.APPROVED if approved else release_package.REJECTED
    given = release_package.approve(home.catalogue, request_id, present, by, answer)
    return {name: value for name, value in dataclasses.asdict(given).items() if value is not None}


def package(home: Home, request_id: str, out: Path | None = None) -> dict[str, Any]:
    """Write the approved bundle.

    Args:
        home: Open.
        request_id: The request.
        out: A new folder; None for its place in the home, where a package that is there already is checked
            and kept.

    Raises:
        UsageError: The present draft is not approved, or ``out`` exists.
    """
    found = home.request(request_id)
    key = home_key(home.settings.home)
    folder = out or home.bundles(request_id) / f"installment-{_installment(home, request_id):02d}"
    if out is None and folder.is_dir():
        if not verifier.verify(folder, key.fingerprint).ok:
            raise CheckFailed(f"request {request_id}: the package in {folder} was altered; move it away")
        return {"folder": str(folder), "fingerprint": key.fingerprint}
    made = release_package.package(
        home.catalogue, home.store(request_id), request_id, folder, context=_context(home, found), key=key
    )
    return {
        "folder": str(folder),
        "installment": made.installment,
        **made.counts,
        "manifest": made.manifest_sha256,
        "fingerprint": made.fingerprint,
    }


def _installment(home: Home, request_id: str) -> int:
    with home.catalogue.read() as connection:
        newest = connection.execute(
            sa.select(sa.func.max(t.installments.c.installment)).where(
                t.installments.c.request_id == request_id
            )
        ).scalar()
    if newest is None:
        raise UsageError(f"request {request_id} has no approved instalment; `daylight approve` comes first")
    return int(newest)


def verify(bundle: Path, fingerprint: str | None) -> int:
    """Run the verifier on a bundle; return its exit code (0 ok, 6 failed).

    Raises:
        AccessError: There is no such folder, or nothing in it looks like a bundle.
    """
    if not bundle.is_dir():
        raise AccessError(f"{bundle}: there is no such folder")
    if not any((bundle / name).exists() for name in _SIGNS_OF_A_BUNDLE):
        raise AccessError(
            f"{bundle}: holds no bundle; name the folder with bagit.txt in it, or the one above it"
        )
    sys.stdout.flush()
    return verifier.main([str(bundle), *(["--fingerprint", fingerprint] if fingerprint else [])])


def accept_unbalanced(home: Home, request_id: str, *, by: str, why: str) -> dict[str, Any]:
    """Record why a release may go out although the ledger does not balance: as it stands now, not later.

    Raises:
        UsageError: No reason was given, or the ledger balances.
    """
    home.request(request_id)
    if not why.strip():
        raise UsageError("say why: the reason stays with the request")
    counted = ledger(home.catalogue, request_id)
    if counted.balanced:
        raise UsageError(f"the ledger of request {request_id} balances; there is nothing to accept")
    w = t.waivers.c
    with home.catalogue.write() as connection:
        seq = connection.execute(
            sa.select(sa.func.coalesce(sa.func.max(w.seq), 0)).where(w.request_id == request_id)
        ).scalar_one()
        connection.execute(
            t.waivers.insert(),
            {
                "request_id": request_id,
                "seq": seq + 1,
                "why": why,
                "imbalance": _imbalance(counted),
                "by": by,
                "at": now_text(),
            },
        )
        audit.append(connection, action="accepted", actor=by, request_id=request_id, what="unbalanced")
    return {"request_id": request_id, "accepted": True}


def _imbalance(counted: Ledger) -> str:
    """Return what does not add up, with its figures, as canonical JSON."""
    exports = [dataclasses.asdict(export) for export in counted.exports if not export.balanced]
    return canonical.dumps({
        **({"exports": exports} if exports else {}),
        "unplanned": counted.unplanned,
        "scopes": [dataclasses.asdict(scope) for scope in counted.scopes if not scope.balanced],
        "children": counted.children,
        "text": {name: counted.text[name] for name in ("stored", "unread")},
        "review": counted.review["stored"],
    })  # fmt: skip


def _context(home: Home, found: OpenRequest) -> ReleaseContext:
    people = {
        handle.lower(): f"{custodian.name}, {custodian.role}" if custodian.role else custodian.name
        for custodian in found.body.custodians
        for handle in (*custodian.emails, *custodian.numbers)
    }
    return ReleaseContext(
        request_text=found.body.text,
        received_on=found.body.received_on,
        zone=found.body.time_zone,
        prefix=f"PRR-{found.request_id}-",
        requester_label=found.body.requester,
        ledger=dataclasses.asdict(ledger(home.catalogue, found.request_id)),
        unsearchable=_unsearchable(home, found.request_id),
        citations={code: rule.citation for code, rule in exemptions.load().items()},
        log_people=people,
        unbalanced_because=waiver(home, found.request_id),
    )


def waiver(home: Home, request_id: str) -> str:
    """Return the reason a person recorded for going on with the ledger as it is.

    Empty where there is none, and where the ledger has changed since: what was accepted was other figures.
    """
    w = t.waivers.c
    with home.catalogue.read() as connection:
        found = connection.execute(
            sa.select(w.why, w.imbalance).where(w.request_id == request_id).order_by(w.seq.desc()).limit(1)
        ).first()
    if found is None or found.imbalance != _imbalance(ledger(home.catalogue, request_id)):
        return ""
    return str(found.why)


def _unsearchable(home: Home, request_id: str) -> list[Unsearchable]:
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(i.source_id, r.reason, sa.func.count())
            .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == request_id, r.text_state != "searchable")
            .group_by(i.source_id, r.reason)
            .order_by(i.source_id, r.reason)
        )
        return [Unsearchable(source, reason, count) for source, reason, count in rows]
