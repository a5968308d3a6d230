"""The read-only pages, served on this machine only."""

from __future__ import annotations

import dataclasses
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette

from desk.books import books
from desk.home import Home
from records import tables as t
from records.errors import AccessError
from review.page_data import MARKS
from review.pages import make_app
from search import matcher
from search.language import parse
from search.terms import read_terms


def view(home: Home, request_id: str | None, *, port: int, who: str, ready: Callable[[str], None]) -> None:
    """Serve the pages until interrupted.

    Args:
        home: Open.
        request_id: Request to start with, or None for the list.
        port: On 127.0.0.1; 0 takes a free one.
        who: Who reads, for the audit log.
        ready: Told the address to open; it carries a secret of this session.

    Raises:
        UsageError: There is no such request.
        AccessError: The port is taken.
    """
    if request_id is not None:
        home.request(request_id)
    token = secrets.token_urlsafe(32)
    with _listening(port) as listener:
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
        path = f"/r/{request_id}" if request_id else "/"
        config = uvicorn.Config(app(home, token=token, who=who), log_level="warning", access_log=False)
        server = _Server(config, lambda: ready(f"Open {place}{path}?token={token}   (Ctrl-C ends it)"))
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says that it is ready once it is: a Ctrl-C from then on is its own to handle."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def app(home: Home, *, token: str, who: str) -> Starlette:
    """Return the pages of a home."""

    def overview(request_id: str) -> dict[str, Any]:
        return dataclasses.asdict(books(home, request_id))

    def snippets(request_id: str, item_id: str, term_no: int) -> Sequence[str]:
        return _snippets(home, request_id, item_id, term_no)

    return make_app(home.catalogue, home.settings, token=token, snippets=snippets, who=who, overview=overview)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise AccessError(f"port {port} is taken; name another with --port, or 0 for a free one") from error
    return listener


def _snippets(home: Home, request_id: str, item_id: str, term_no: int) -> list[str]:
    """Return excerpts of an item around the places of one term of the request's list."""
    found = home.request(request_id)
    listed = read_terms(found.terms.encode("utf-8")).terms
    term = next((term.term for term in listed if term.line == term_no), None)
    if term is None:
        return []
    node = parse(term, found.body.zone)
    r = t.readings.c
    with home.catalogue.read() as connection:
        row = connection.execute(
            sa.select(r.subject, r.text_sha256).where(r.request_id == request_id, r.item_id == item_id)
        ).first()
    if row is None:
        return []
    text = "" if row.text_sha256 is None else home.store(request_id).get(row.text_sha256).decode("utf-8")
    return [
        *matcher.snippets(node, row.subject, field="subject", marks=MARKS),
        *matcher.snippets(node, text, marks=MARKS),
    ]
