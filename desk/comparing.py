"""Two records side by side: how their texts differ."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from desk.home import Home
from records import audit
from records import tables as t
from records.errors import UsageError
from review.difference import difference, shortened


def compare(home: Home, request_id: str, first: str, second: str, *, whole: bool, by: str) -> dict[str, Any]:
    """Return how the texts of two records differ, word by word; that they were read is kept.

    Args:
        home: Open.
        request_id: The request.
        first: Item id.
        second: Of the other.
        whole: Show long runs of equal words too.
        by: Who reads.

    Returns: ``runs``, each with ``change`` (``same``, ``only_first``, ``only_second``) and ``text``, and
        ``figures``.

    Raises:
        UsageError: There is no such request or record, or one has no text.
        ItemError: A text cannot be read.
    """
    home.request(request_id)
    ids = [first, second]
    texts = [_text(home, request_id, one) for one in ids]
    with home.catalogue.write() as connection:
        for one in dict.fromkeys(ids):
            audit.append(connection, action="read", actor=by, request_id=request_id, item=one)
    found = difference(*texts)
    return {
        "runs": [
            {"change": run.change.value, "text": run.text}
            for run in (found.runs if whole else shortened(found))
        ],
        "figures": {
            "first": ids[0],
            "second": ids[1],
            "same": found.same,
            "only_first": found.only_first,
            "only_second": found.only_second,
            "compared_in_part": found.compared_in_part,
        },
    }


def _text(home: Home, request_id: str, item_id: str) -> str:
    i, r = t.items.c, t.readings.c
    with home.catalogue.read() as connection:
        row = connection.execute(
            sa.select(r.text_sha256)
            .join_from(
                t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id), isouter=True
            )
            .where(i.request_id == request_id, i.item_id == item_id)
        ).first()
    if row is None:
        raise UsageError(f"request {request_id} has no record {item_id}")
    if row.text_sha256 is None:
        raise UsageError(f"record {item_id} has no text to compare")
    return home.store(request_id).get(row.text_sha256).decode("utf-8", "replace")
