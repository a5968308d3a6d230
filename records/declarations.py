"""What custodians declared of personal devices and accounts, as the catalogue keeps it.

Who used one for district business searches it, hands over what is a record and says what was kept back and
why (Nissen v. Pierce County, 183 Wn.2d 863 (2015); WAC 44-14-03001(3)). A declaration is never written over:
a later one of the same custodian supersedes it and both stay. What a signed affidavit will point to is the
custodian and the number of a declaration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t


class PlaceKind(StrEnum):
    """What a personal place is."""

    PHONE = "phone"  # texts, calls and pictures of a telephone
    TABLET = "tablet"
    COMPUTER = "computer"
    EMAIL = "email"
    MESSAGING = "messaging"  # WhatsApp, Signal, Messenger and the like
    SOCIAL_MEDIA = "social_media"
    STORAGE = "storage"  # Drive, Dropbox, iCloud
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One file that was handed over.

    Attributes:
        path: From the root on.
        sha256: Of its bytes when it was received.
        size_bytes: Likewise.
        modified_ns: When its file system says it was last written, in nanoseconds since 1970.
        received_at: When it was received, UTC.
    """

    path: str
    sha256: str
    size_bytes: int
    modified_ns: int
    received_at: str


@dataclass(frozen=True, slots=True)
class DeclaredPlace:
    """One device or account that a custodian used.

    Attributes:
        number: From 1, in the order declared.
        kind: What it is.
        which: Its number or handle.
        how_searched: How the custodian searched it.
        source: Id of the source of the request that reads it, as declared; empty: told by its files.
        handed_over: What was handed over, in words.
        kept_back: How many records were kept back.
        why: Why, with the facts that show that they are no public records; empty where none were.
        receipts: Of each file that was handed over, by path.
    """

    number: int
    kind: str
    which: str
    how_searched: str
    source: str
    handed_over: str
    kept_back: int
    why: str
    receipts: tuple[Receipt, ...]


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one custodian answered.

    Attributes:
        custodian: Custodian id.
        seq: From 1; a later one supersedes it.
        in_force: No later one does.
        version: Of the request, when it was taken in.
        used: Whether a personal device or account was used for district business on the subject in the days
            asked for.
        answered_on: The day of the answer.
        statement: What else was said; may be empty.
        places: What was used; empty after a no.
        file_sha256: Of the file it was taken in from.
        by: Who took it in.
        at: When, UTC.
    """

    custodian: str
    seq: int
    in_force: bool
    version: int
    used: bool
    answered_on: str
    statement: str
    places: tuple[DeclaredPlace, ...]
    file_sha256: str
    by: str
    at: str


def read_declarations(connection: sa.Connection, request_id: str) -> list[Declaration]:
    """Return every declaration of a request, by custodian and number."""
    d, r = t.declarations.c, t.receipts.c
    files: dict[tuple[str, int, int], list[Receipt]] = {}
    for row in connection.execute(
        sa.select(t.receipts).where(r.request_id == request_id).order_by(r.custodian_id, r.seq, r.path)
    ):
        files.setdefault((row.custodian_id, row.seq, row.place_no), []).append(
            Receipt(row.path, row.sha256, row.size_bytes, row.modified_ns, row.received_at)
        )
    rows = connection.execute(
        sa.select(t.declarations).where(d.request_id == request_id).order_by(d.custodian_id, d.seq)
    ).all()
    newest = {row.custodian_id: row.seq for row in rows}
    out = []
    for row in rows:
        body = canonical.loads(row.body)
        places = tuple(
            DeclaredPlace(number, receipts=tuple(files.get((row.custodian_id, row.seq, number), ())), **one)
            for number, one in enumerate(body["places"], 1)
        )
        out.append(
            Declaration(
                row.custodian_id,
                row.seq,
                newest[row.custodian_id] == row.seq,
                row.version,
                row.used,
                row.answered_on,
                body["statement"],
                places,
                row.file_sha256,
                row.by,
                row.at,
            )
        )
    return out


def in_force(connection: sa.Connection, request_id: str) -> dict[str, Declaration]:
    """Return the newest declaration of each custodian who made one, by custodian."""
    return {one.custodian: one for one in read_declarations(connection, request_id) if one.in_force}


def not_used(connection: sa.Connection, request_id: str, sources: Sequence[dict[str, Any]]) -> set[str]:
    """Return the declared sources, of those of a request file, whose custodian answered no: none is read."""
    said_no = {one.custodian for one in in_force(connection, request_id).values() if not one.used}
    return {one["id"] for one in sources if one.get("declared") and one["custodian"] in said_no}
