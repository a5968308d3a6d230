"""The audit log: who read, searched, decided, exported; append-only and hash-chained.

``entry_hash = SHA-256(previous hash in hex + canonical JSON of the entry)``; the first previous hash is 64
zeros. A chain proves order and wholeness only up to its head, so the head is printed in every bundle. Entries
carry ids and counts, never names of requesters, content or query words: the log cannot be pruned.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.errors import CheckFailed
from records.rows import lock_tables

FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of the chain: its number (0 for an empty log) and its hash."""

    seq: int
    entry_hash: str


def chain(prev_hash: str, entry: str) -> str:
    """Return the hash of an entry: SHA-256 over the previous hash in hex, then the entry's canonical JSON."""
    return hashlib.sha256(prev_hash.encode("ascii") + entry.encode("utf-8")).hexdigest()


def append(
    connection: sa.Connection, *, action: str, actor: str, request_id: str | None = None, **facts: Any
) -> Head:
    """Append one entry within a writing transaction of the caller.

    Args:
        connection: A transaction from ``Catalogue.write``.
        action: What was done, one word of the field (``opened``, ``searched``, ``decided`` …).
        actor: Who did it, as they gave their name.
        request_id: The request, or None for the home as a whole.
        **facts: Ids and counts.
    """
    lock_tables(connection, t.audit)
    last = head(connection)
    entry = {"action": action, "actor": actor, "at": canonical.now_text(), "seq": last.seq + 1, **facts}
    if request_id is not None:
        entry["request"] = request_id
    text = canonical.dumps(entry)
    new = Head(last.seq + 1, chain(last.entry_hash, text))
    connection.execute(
        t.audit.insert(),
        {"seq": new.seq, "entry": text, "prev_hash": last.entry_hash, "entry_hash": new.entry_hash},
    )
    return new


def head(connection: sa.Connection) -> Head:
    """Return the newest entry."""
    row = connection.execute(
        sa.select(t.audit.c.seq, t.audit.c.entry_hash).order_by(t.audit.c.seq.desc()).limit(1)
    ).first()
    return Head(*row) if row else Head(0, FIRST)


def verify(catalogue: Catalogue) -> Head:
    """Walk the whole chain.

    Returns:
        The head, to be compared with one that was published.

    Raises:
        CheckFailed: An entry was changed, removed or put in; the message names the first that does not fit.
    """
    prev, expected = FIRST, 1
    with catalogue.read() as connection:
        for seq, entry, prev_hash, entry_hash in connection.execute(
            sa.select(t.audit.c.seq, t.audit.c.entry, t.audit.c.prev_hash, t.audit.c.entry_hash).order_by(
                t.audit.c.seq
            )
        ):
            fits = (
                seq == expected
                and prev_hash == prev
                and entry_hash == chain(prev, entry)
                and canonical.loads(entry).get("seq") == seq
            )
            if not fits:
                raise CheckFailed(f"the audit log was altered: entry {expected} does not fit the chain")
            prev, expected = entry_hash, expected + 1
    return Head(expected - 1, prev)
