"""The register: opening requests, and listing them."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from connectors.registry import connector
from desk.clock import due_on
from desk.hold_proposals import propose
from desk.home import Home
from desk.request import Request, Source, load_request
from records import audit, canonical
from records import tables as t
from records.errors import AccessError, SettingsError
from records.rows import lock_tables
from retention.freeze import freeze


def open_request(home: Home, path: Path, *, by: str) -> tuple[str, str]:
    """Validate a request file and enter it; from here on its records are frozen (RCW 42.56.100).

    Args:
        home: Where it is entered.
        path: The TOML file.
        by: Who opens it.

    Returns:
        The request id (year of receipt and a number) and the last day to answer, ``YYYY-MM-DD``.

    Raises:
        SettingsError: The file is wrong; the message lists every place.
        AccessError: A source's path is not there.
    """
    request, terms, roster = load_request(path)
    check_sources(request)
    request_id = enter(home, request, terms, roster, by=by)
    propose(home, request_id, by=by)
    return request_id, due_on(request.received_on).isoformat()


def check_sources(request: Request) -> None:
    """Check what a request file says of each source, as far as no service has to be asked.

    Raises:
        SettingsError: A connector is not known, or a key has a value it cannot have.
        AccessError: A path is not there; that of a declared source may come later.
    """
    for source in request.sources:
        check_source(request, source)


def check_source(request: Request, source: Source) -> None:
    """Check one source; see ``check_sources``."""
    try:
        kind = connector(source.connector)
    except SettingsError as error:
        raise SettingsError(f"source {source.id}: {error}") from error
    try:
        kind(request.context(source)).check_settings()
    except AccessError:
        if not source.declared:  # what a person will hand over may still be to come
            raise


def entered_alike(home: Home, request_id: str) -> list[str]:
    """Return other requests that are not closed and were opened with the same words, sources and terms."""
    v, other = t.request_versions.alias().c, t.request_versions.alias().c
    with home.catalogue.read() as connection:
        return list(
            connection.scalars(
                sa.select(other.request_id)
                .join_from(
                    v.request_id.table,
                    other.request_id.table,
                    (other.body == v.body) & (other.terms_csv == v.terms_csv) & (other.version == 1),
                )
                .join(t.requests, t.requests.c.request_id == other.request_id)
                .where(
                    v.request_id == request_id,
                    v.version == 1,
                    other.request_id != request_id,
                    t.requests.c.state != "closed",
                )
                .order_by(other.request_id)
            )
        )


def enter(home: Home, request: Request, terms: str, roster: str = "", *, by: str) -> str:
    """Enter a checked request.

    Args:
        home: Where it is entered.
        request: What the file said.
        terms: Text of the term list.
        roster: Text of the roster; empty for none.
        by: Who opens it.

    Returns:
        Its id.
    """
    now = canonical.now_text()
    with home.catalogue.write() as connection:
        request_id = _next_id(connection, request)
        connection.execute(
            t.requests.insert(),
            {
                "request_id": request_id,
                "version": 1,
                "received_on": request.received_on.isoformat(),
                "due_on": due_on(request.received_on).isoformat(),
                "time_zone": request.time_zone,
                "state": "open",
                "opened_at": now,
                "closed_at": None,
            },
        )
        connection.execute(
            t.request_versions.insert(),
            {
                "request_id": request_id,
                "version": 1,
                "body": canonical.dumps(request.model_dump(mode="json", by_alias=True)),
                **term_columns(terms),
                "at": now,
                "by": by,
                "why": "opened",
            },
        )
        if roster:
            connection.execute(
                t.rosters.insert(), {"request_id": request_id, "version": 1, "roster_csv": roster}
            )
        freeze(connection, request_id, now, by=by)
        audit.append(connection, action="opened", actor=by, request_id=request_id, version=1)
    return request_id


def term_columns(csv_text: str) -> dict[str, str]:
    """Return a term list as the columns of ``request_versions`` keep it.

    Raises:
        SettingsError: It has no column ``term``.
    """
    # Its numbers and grammar are loaded by who enters a list, not at the start of every run.
    from search.terms import read_terms

    listed = read_terms(csv_text.encode("utf-8")).terms if csv_text else ()
    rows = [{"line": term.line, "term": term.term, "note": term.note} for term in listed]
    return {"terms": canonical.dumps(rows), "terms_csv": csv_text}


def _next_id(connection: sa.Connection, request: Request) -> str:
    lock_tables(connection, t.requests)
    year = request.received_on.year
    taken = connection.execute(
        sa.select(t.requests.c.request_id).where(t.requests.c.request_id.like(f"{year}-%"))
    ).scalars()
    highest = max((int(found.split("-")[1]) for found in taken), default=0)
    return f"{year}-{highest + 1:04d}"


def list_requests(home: Home) -> list[dict[str, object]]:
    """Return every request with its state and dates, oldest first."""
    r = t.requests.c
    with home.catalogue.read() as connection:
        rows = connection.execute(
            sa.select(r.request_id, r.state, r.received_on, r.due_on, r.version, r.closed_at).order_by(
                r.request_id
            )
        )
        return [dict(row._mapping) for row in rows]
