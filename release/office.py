"""The office part of a bundle: the request file as it stands, for the office alone.

It names items, searches, suggestions and people, so it never travels in one archive with ``release/``. Its
files can be read by their owner only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import SettingsError
from records.vocabulary import CollectionState, TextState, WarningCode
from release.bag import write_file
from release.context import ReleaseContext
from release.keys import SigningKey
from release.plan import frozen_bodies, guard
from release.render import Rows, file_time
from release.selection import Role, load_selection, produced_roles
from release.sheets import csv_bytes

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_MODE = 0o600
_IN = 400  # values of one IN list


def write_office(
    folder: Path, catalogue: Catalogue, rows: Rows, context: ReleaseContext, key: SigningKey | None
) -> None:
    """Write ``office/``: search log, failures, suggestions, decisions, working copies, what is not yet
    produced and why, the key's fingerprint, and the desk's further tables.

    Args:
        folder: Does not exist yet.
        catalogue: Read in one view.
        rows: Of the instalment, for its numbers.
        context: Its ``office`` tables become files.
        key: Its fingerprint is written; None for a draft.

    Raises:
        SettingsError: A further table has a name that is no plain file name, or one of ours.
    """  # noqa: D205
    request_id = rows.basis["request_id"]
    with catalogue.read() as connection:
        tables = {
            "searches": _searches(connection, request_id),
            "failures": _failures(connection, request_id),
            "retention-suggestions": _suggestions(connection, request_id),
            "decisions": _decisions(connection, request_id),
            "not-yet-produced": _not_produced(connection, request_id),
            "hidden-in-natives": _hidden_table(hidden_in_natives(connection, rows)),
        }
    tables["working-copies"] = (
        ("number", "item_id", "treatment", "sha256", "bytes"),
        [_working_copy(record, row) for record, row in zip(rows.records, rows.index, strict=True)],
    )
    for name, extra in context.office.items():
        if not _NAME.fullmatch(name) or name in tables:
            raise SettingsError(f"office table {name!r} is not a free, plain file name")
        tables[name] = (tuple(dict.fromkeys(column for row in extra for column in row)), extra)
    at_s = file_time(rows.plan, rows.freeze)
    folder.mkdir(mode=0o700)
    for name in sorted(tables):
        columns, body = tables[name]
        write_file(folder / f"{name}.csv", csv_bytes(columns, body), at_s, _MODE)
    if rows.plan["refusals"]:
        text = "This draft cannot be approved:\n" + "".join(f"- {r}\n" for r in rows.plan["refusals"])
        write_file(folder / "CANNOT-BE-APPROVED.txt", text.encode(), at_s, _MODE)
    if key is not None:
        text = (
            "Fingerprint of the key that signed the bundle (SHA-256 of its public key).\n"
            "Publish it apart from the bundle; a requester gives it to verify.py --fingerprint.\n"
            f"{key.fingerprint}\n"
        )
        write_file(folder / "FINGERPRINT.txt", text.encode(), at_s, _MODE)


Table = tuple[tuple[str, ...], Iterable[Mapping[str, Any]]]


def _select(connection: sa.Connection, statement: sa.Select[Any]) -> Table:
    result = connection.execute(statement)
    return tuple(result.keys()), [dict(row) for row in result.mappings()]


def _searches(connection: sa.Connection, request_id: str) -> Table:
    s = t.searches.c
    columns = (s.seq, s.at, s.by, s.query, s.parsed, s.index_state, s.documents, s.families, s.refused)
    return _select(connection, sa.select(*columns).where(s.request_id == request_id).order_by(s.seq))


def _failures(connection: sa.Connection, request_id: str) -> Table:
    """Items that were not stored, and stored ones whose text cannot be searched."""
    i, r = t.items.c, t.readings.c
    return _select(
        connection,
        sa
        .select(
            i.item_id, i.parent_id, i.source_id, i.custodian_id, i.kind, i.name, i.state, i.reason, i.detail,
            r.text_state, r.reason.label("text_reason"), r.detail.label("text_detail"),
        )
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(
            i.request_id == request_id,
            (i.state != CollectionState.STORED) | (r.text_state != TextState.SEARCHABLE),
        )
        .order_by(i.source_id, i.family_id, i.position, i.item_id),
    )  # fmt: skip


def _suggestions(connection: sa.Connection, request_id: str) -> Table:
    f = t.retention_flags.c
    return _select(
        connection,
        sa.select(f.item_id, f.seq, f.series_id, f.body, f.by, f.at)
        .where(f.request_id == request_id)
        .order_by(f.item_id, f.seq),
    )


def _decisions(connection: sa.Connection, request_id: str) -> Table:
    d = t.decisions.c
    found = connection.execute(
        sa.select(d.item_id, d.seq, d.version, d.blob_sha256, d.by, d.at, d.body)
        .where(d.request_id == request_id)
        .order_by(d.item_id, d.seq)
    )
    answers = ("public_record", "facts", "responsive", "treatment", "pages_to_redact", "installment", "note")
    rows = []
    for row in found.mappings():
        body = canonical.loads(row["body"])
        claims = "; ".join(f"{e['code']}: {e['explanation']}" for e in body["exemptions"])
        told = {k: body[k] for k in answers}
        rows.append({**row, **told, "exemptions": claims, "holds": "; ".join(body["holds"])})
    columns = ("item_id", "seq", "version", "blob_sha256", "by", "at", *answers, "exemptions", "holds")
    return columns, rows


def _not_produced(connection: sa.Connection, request_id: str) -> Table:
    frozen = frozen_bodies(connection, request_id)
    version = guard(connection, request_id).version
    selection = load_selection(connection, request_id, version, len(frozen) + 1, produced_roles(frozen))
    rows = [{"item_id": i, "reason": str(r)} for i, r in sorted(selection.not_produced.items())]
    return ("item_id", "reason"), rows


HIDES = (
    WarningCode.COMMENTS, WarningCode.HIDDEN_CONTENT, WarningCode.SPEAKER_NOTES, WarningCode.TRACKED_CHANGES,
)  # fmt: skip
"""What a released native gives away that a reader of the page does not see at once."""


def hidden_in_natives(connection: sa.Connection, rows: Rows) -> list[dict[str, Any]]:
    """Return the released records whose natives hold comments, changes, notes or hidden parts.

    A native goes out as it is, and all of that with it; nobody is stopped, since it may be a public record
    like the rest (metadata is: O'Neill v. City of Shoreline, 170 Wn.2d 138), but the office is told.

    Args:
        connection: To the catalogue.
        rows: Of the instalment.
    """
    number = {
        record["item_id"]: row["number"]
        for record, row in zip(rows.records, rows.index, strict=True)
        if record["role"] == Role.RELEASED
    }
    r = t.readings.c
    found = {}
    for piece in chunked(sorted(number), _IN):
        for item_id, facts in connection.execute(
            sa.select(r.item_id, r.facts).where(
                r.request_id == rows.basis["request_id"], r.item_id.in_(piece)
            )
        ):
            holds = [code for code in HIDES if code in canonical.loads(facts)["warnings"]]
            if holds:
                found[item_id] = "; ".join(holds)
    return [
        {"number": at, "item_id": item_id, "holds": found[item_id]}
        for item_id, at in number.items()
        if item_id in found
    ]


def _hidden_table(found: list[dict[str, Any]]) -> Table:
    return ("number", "item_id", "holds"), found


def _working_copy(record: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"],
        "item_id": record["item_id"],
        "treatment": row["treatment"],
        "sha256": record["blob_sha256"],
        "bytes": record["size_bytes"],
    }
