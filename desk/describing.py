"""What Kibana shows of a request's items, brought up to date: terms, coding, series, what is not searchable.

Only on a cluster; the embedded index has nothing of it. A batch is loaded with what is known then
(``Home.engine``), a run does this after its flags, and what people answer is written at once. Documents that
have the right fields already are left alone, so it can be done at any time, and heals what was missed.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from desk.home import Home
from records import tables as t
from records.errors import DaylightError
from records.logs import logger
from records.vocabulary import CollectionState
from search.embedded import EmbeddedEngine
from search.kibana_fields import FieldsReader

REMEDY = "what Kibana shows is not up to date; `daylight kibana export` or the next run brings it there"


def describe(home: Home, request_id: str, items: Iterable[str] | None = None) -> int:
    """Write what has changed since it was last written; return of how many items.

    Args:
        home: Open.
        request_id: The request.
        items: Item ids; None: all that are stored.

    Raises:
        Retryable: The cluster is away or overloaded.
        AccessError: It refuses the key.
        Incomplete: It takes no writes.
    """
    engine = home.engine(request_id)
    if isinstance(engine, EmbeddedEngine):
        return 0
    wanted = _stored(home, request_id) if items is None else items
    reader = FieldsReader.open(home.catalogue, request_id)
    return engine.describe((item, fields.as_fields()) for item, fields in reader.fields(wanted))


def describe_after(home: Home, request_id: str, items: Iterable[str] | None = None) -> str:
    """Write what was just answered or counted, which stays kept where the cluster fails; see ``describe``.

    Returns:
        What to do where it failed, else nothing.
    """
    try:
        describe(home, request_id, items)
    except DaylightError as error:
        logger().warning("kibana not up to date", request=request_id, error=type(error).__name__)
        return REMEDY
    return ""


def in_review(home: Home, request_id: str) -> list[str]:
    """Return the items that decisions can have changed; none where nothing is written."""
    if isinstance(home.engine(request_id), EmbeddedEngine):
        return []
    return FieldsReader.open(home.catalogue, request_id).reviewed()


def _stored(home: Home, request_id: str) -> list[str]:
    i = t.items.c
    query = (
        sa.select(i.item_id)
        .where(i.request_id == request_id, i.state == CollectionState.STORED)
        .order_by(i.batch_id, i.position, i.item_id)
    )
    with home.catalogue.read() as connection:
        return list(connection.scalars(query))
