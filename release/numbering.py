"""Record numbers (Bates): drafts carry draft numbers, approval makes permanent ones.

Form: prefix and zero-padded number of one width, without spaces; a prefix never ends in a digit, so that the
number can be read off. A native produced without page images takes exactly one number. Families are
consecutive, parent first. Numbers are never reused and never skipped (reference: ediscovery-standards 6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlalchemy as sa

from records import tables as t
from records.catalogue import chunked
from records.errors import CheckFailed, SettingsError
from records.rows import lock_tables

WIDTH = 7
"""Digits of a permanent number, fixed for a request: ten million records."""

DRAFT_PREFIX = "DRAFT-"
DRAFT_WIDTH = 4

_PREFIX = re.compile(r"[A-Z](?:[A-Z0-9-]{0,30}[A-Z-])?")
_OTHER = re.compile(r"[^A-Z0-9]+")


def check_prefix(prefix: str) -> str:
    """Return a prefix that may be used.

    Raises:
        SettingsError: It is not a capital letter followed by capitals, digits and hyphens, it ends in a
            digit, is longer than 32 characters, or is the one of drafts.
    """
    if not _PREFIX.fullmatch(prefix) or prefix.rstrip("-") == DRAFT_PREFIX.rstrip("-"):
        raise SettingsError(
            "the number prefix must start with a capital letter, hold only capitals, digits and hyphens, "
            "not end in a digit, and not be DRAFT"
        )
    return prefix


def prefix_from(request_id: str) -> str:
    """Return the prefix a request gets when none is set: its id in capitals, closed with a hyphen."""
    body = _OTHER.sub("-", request_id.upper()).strip("-")[:24].strip("-")
    if not body or not body[0].isalpha() or body == DRAFT_PREFIX.rstrip("-"):
        body = f"R{body}"
    return check_prefix(f"{body}-")


def permanent(prefix: str, number: int) -> str:
    """Return a permanent number in full, such as ``SPS0000001``.

    Raises:
        CheckFailed: The number does not fit the width; the width is never widened inside a request.
    """
    if not 1 <= number < 10**WIDTH:
        raise CheckFailed(f"record number {number} does not fit {WIDTH} digits")
    return f"{prefix}{number:0{WIDTH}d}"


def draft(number: int) -> str:
    """Return a draft number, such as ``DRAFT-0001``; it is good for one draft only."""
    return f"{DRAFT_PREFIX}{number:0{DRAFT_WIDTH}d}"


def lock(connection: sa.Connection) -> None:
    """Keep every other allocation out until the transaction ends."""
    lock_tables(connection, t.numbers, t.installments)


def allocate(
    connection: sa.Connection, request_id: str, installment: int, item_ids: Sequence[str]
) -> dict[str, int]:
    """Give the items of an instalment their permanent numbers, in order, after the last one of the request.

    Call within a writing transaction that also freezes the instalment. An instalment that has its numbers
    already gets the same ones back, so a retried task changes nothing.

    Args:
        connection: A transaction from ``Catalogue.write``.
        request_id: The request.
        installment: The instalment, from 1.
        item_ids: In the order of the bundle.

    Raises:
        CheckFailed: The instalment has its numbers already, for other items; or an item has one already.
    """
    lock(connection)
    n = t.numbers.c
    rows_there = connection.execute(
        sa.select(n.item_id, n.number)
        .where(n.request_id == request_id, n.installment == installment)
        .order_by(n.number)
    )
    there = {row.item_id: row.number for row in rows_there}
    if there:
        if list(there) != list(item_ids):
            raise CheckFailed(f"instalment {installment} has its numbers already, for other records")
        return there
    last = (
        connection.execute(sa.select(sa.func.max(n.number)).where(n.request_id == request_id)).scalar() or 0
    )
    given = {item_id: last + place for place, item_id in enumerate(item_ids, 1)}
    if len(given) != len(item_ids) or (given and last + len(given) >= 10**WIDTH):
        raise CheckFailed("the records of an instalment must be distinct and fit the width of the numbers")
    rows = [
        {"request_id": request_id, "item_id": item_id, "number": number, "installment": installment}
        for item_id, number in given.items()
    ]
    try:
        for piece in chunked(rows):
            connection.execute(t.numbers.insert(), piece)
    except sa.exc.IntegrityError as error:
        raise CheckFailed("a record of this instalment has a number already") from error
    return given
