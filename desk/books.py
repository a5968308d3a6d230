"""The books of a request: the ledger, with what each unproduced record really waits for.

The records room knows decisions; only the release room knows that a container waits for redaction because of
what it carries, or that a copy was decided otherwise. The desk puts the two together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import sqlalchemy as sa

from desk.home import Home
from records import tables as t
from records.ledger import Ledger, ledger
from records.vocabulary import Awaits
from release.plan import frozen_bodies
from release.selection import load_selection, produced_roles


def books(home: Home, request_id: str) -> Ledger:
    """Return the ledger of a request, its ``awaits`` counted by the reasons of the release room.

    Raises:
        UsageError: There is no such request.
    """
    found = home.request(request_id)
    counted = ledger(home.catalogue, request_id)
    if not counted.review["in_review"]:
        return counted
    with home.catalogue.read() as connection:
        decided = connection.execute(
            sa.select(t.decisions.c.item_id).where(t.decisions.c.request_id == request_id).limit(1)
        ).first()
        if decided is None:  # nothing is decided, so everything awaits a decision
            return counted
        frozen = frozen_bodies(connection, request_id)
        selection = load_selection(
            connection, request_id, found.version, len(frozen) + 1, produced_roles(frozen)
        )
    awaits = Counter(str(reason) for reason in selection.not_produced.values())
    if selection.going:
        awaits[str(Awaits.PRODUCTION)] = len(selection.going)
    return replace(counted, review={**counted.review, "awaits": dict(sorted(awaits.items()))})
