"""Queries that people run: each is logged with what it was understood as, on what, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.catalogue import Catalogue
from records.rows import lock_tables
from search import tree as q
from search.language import parse
from search.protocol import Counts, Hit, IndexState, SearchEngine, TooLong, TooManyWords


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found.

    Attributes:
        parsed: How it was understood, in normal form.
        node: The tree, for snippets.
        counts: Exact counts over the whole index, not of the page.
        index: The state of the index it was counted on.
        hits: One page of hits in item-id order; empty when only a count was asked for.
        seq: Its number in the search log of the request.
    """

    parsed: str
    node: q.Node
    counts: Counts
    index: IndexState
    hits: tuple[Hit, ...]
    seq: int


def search(
    catalogue: Catalogue,
    engine: SearchEngine,
    request_id: str,
    query: str,
    zone: ZoneInfo,
    by: str,
    *,
    after: str | None = None,
    limit: int = 100,
) -> Answer:
    """Run a query, log it, and return one page of its hits.

    Args:
        catalogue: Takes the log.
        engine: The request's index.
        request_id: The request.
        query: As typed.
        zone: The request's zone.
        by: Who runs it, as they gave their name.
        after: Item id after which the page begins, or None for the first page.
        limit: Most hits on the page.

    Raises:
        QuerySyntaxError: The query cannot be read; nothing was run or logged.
        TooManyWords: A word with a sign in it stands for too many words; logged without counts.
        TooLong: It took longer than the time limit; logged without counts.
    """
    node = parse(query, zone)
    with engine.reading() as reading:
        index = reading.state()
        with _refusal_logged(catalogue, request_id, query, node, by, index):
            counts = reading.count(node)
            hits = tuple(reading.search(node, after, limit))
    seq = _log(catalogue, request_id, query, node, by, index, counts)
    return Answer(q.to_text(node), node, counts, index, hits, seq)


def count(
    catalogue: Catalogue, engine: SearchEngine, request_id: str, query: str, zone: ZoneInfo, by: str
) -> Answer:
    """Run a query for its counts alone, and log it; see ``search``."""
    node = parse(query, zone)
    with engine.reading() as reading:
        index = reading.state()
        with _refusal_logged(catalogue, request_id, query, node, by, index):
            counts = reading.count(node)
    seq = _log(catalogue, request_id, query, node, by, index, counts)
    return Answer(q.to_text(node), node, counts, index, (), seq)


@contextmanager
def _refusal_logged(
    catalogue: Catalogue, request_id: str, query: str, node: q.Node, by: str, index: IndexState
) -> Iterator[None]:
    """Log a query that the engine gives up, too: somebody asked it and got no answer."""
    try:
        yield
    except (TooManyWords, TooLong) as refused:
        _log(catalogue, request_id, query, node, by, index, None, refused)
        raise


def _log(
    catalogue: Catalogue,
    request_id: str,
    query: str,
    node: q.Node,
    by: str,
    index: IndexState,
    counts: Counts | None,
    refused: TooManyWords | TooLong | None = None,
) -> int:
    """Write the search log's row, and its number and counts (never its words) into the audit log."""
    figures: dict[str, int | str] = asdict(counts) if counts else {"refused": type(refused).__name__}
    with catalogue.write() as connection:
        seq = _next(connection, request_id)
        audit.append(
            connection,
            action="searched",
            actor=by,
            request_id=request_id,
            search=seq,
            **figures,
        )
        connection.execute(
            t.searches.insert(),
            {
                "request_id": request_id,
                "seq": seq,
                "at": canonical.now_text(),
                "by": by,
                "query": query,
                "parsed": q.to_text(node),
                "index_state": canonical.dumps(asdict(index)),
                "documents": counts.documents if counts else None,
                "families": counts.families if counts else None,
                "refused": str(refused) if refused else None,
            },
        )
    return seq


def _next(connection: sa.Connection, request_id: str) -> int:
    """Return the next number of the request's log."""
    lock_tables(connection, t.searches)
    s = t.searches.c
    last = connection.scalar(sa.select(sa.func.max(s.seq)).where(s.request_id == request_id))
    return (last or 0) + 1
