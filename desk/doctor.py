"""The doctor: is this machine and home fit to run a request?"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from typing import Any
from zoneinfo import ZoneInfo

import apsw

from connectors.holds import corpora, hold_service, route_of
from connectors.registry import CONNECTORS, connector
from desk.connections import connection_of
from desk.exports import is_fetched, prove_access
from desk.home import Home, OpenRequest, cluster
from desk.register import list_requests
from desk.request import Source
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records import audit
from records.errors import DaylightError
from records.settings import Settings

LOW_DISK_BYTES = 5 << 30


def checks(settings: Settings) -> list[dict[str, Any]]:
    """Return one object a check: ``check``, ``ok``, ``found``, and what to ``do`` when it is not ok."""
    found = [
        _check("home", lambda: _home(settings), "give this user read and write access to the home folder"),
        _check("disk", lambda: _disk(settings), "make room: a request needs about twice its natives"),
        _check("catalogue", lambda: _catalogue(settings), "see the message; docs/errors.md explains it"),
        _check("index", _index, "`make setup` installs the SQLite that the index needs"),
        _check("text", _text, "`make setup` installs the text reader; its native part must load"),
        _check("connectors", lambda: ", ".join(sorted(CONNECTORS)), ""),
        _check("airflow", _airflow, "`make setup` installs it; without it, `daylight run ID --local`"),
        _check(
            "audit", lambda: _audit(settings), "the audit log was altered: leave the home as it is, ask IT"
        ),
    ]
    if settings.elasticsearch:
        remedy = "see the message; docs/elasticsearch.md explains the settings, roles and keys"
        found.append(_check("elasticsearch", lambda: _elasticsearch(settings), remedy))
    return [*found, *_connections(settings)]


class _Unfit(Exception):  # noqa: N818 - a finding, not an error
    """A check that failed, with what was found."""


def _check(name: str, look: Callable[[], str], remedy: str) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "found": look(), "do": ""}
    except (_Unfit, DaylightError, OSError, ImportError) as error:
        return {"check": name, "ok": False, "found": str(error), "do": remedy}


def _home(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not os.access(settings.home, os.R_OK | os.W_OK | os.X_OK):
        raise _Unfit("not writable")
    mode = settings.home.stat().st_mode & 0o077
    return "private" if not mode else f"open to others (mode {settings.home.stat().st_mode & 0o777:o})"


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    if free < LOW_DISK_BYTES:
        raise _Unfit(f"{free >> 20} MiB free")
    return f"{free >> 30} GiB free"


def _catalogue(settings: Settings) -> str:
    home = Home.open(settings=settings)
    home.close()
    return home.catalogue.dialect


def _connections(settings: Settings) -> list[dict[str, Any]]:
    """Ask each service that an open request names, as each of its sources would; no item is listed."""
    try:
        home = Home.open(settings=settings)
    except (DaylightError, OSError):
        return []  # a finding of the check of the catalogue
    try:
        named: dict[str, list[tuple[OpenRequest, Source]]] = {}
        for request in list_requests(home):
            if request["state"] == "closed":
                continue
            found = home.request(str(request["request_id"]))
            for source in found.body.sources:
                if source.connection:
                    named.setdefault(source.connection, []).append((found, source))
        return [
            _check(
                f"connection {name}",
                lambda mine=mine: _asked(mine),  # type: ignore[misc]  # each its own
                "see the message, and the connector's page: its rights, and how to grant and revoke them",
            )
            for name, mine in sorted(named.items())
        ]
    finally:
        home.close()


def _asked(sources: list[tuple[OpenRequest, Source]]) -> str:
    """Return what a service said to each source; accounts and secrets are in no word of it."""
    problems: list[str] = []
    rights: list[str] = []
    answered = 0
    for found, source in sources:
        try:
            rights += _ask(found, source)
            answered += 1
        except DaylightError as error:
            problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - one source costs only itself; its words may hold a secret
            problems.append(f"source {source.id}: {type(error).__name__}")
    more = "; ".join(dict.fromkeys(rights))
    if problems:
        raise _Unfit("; ".join([*dict.fromkeys(problems), *([more] if more else [])]))
    return f"{answered} sources answered" + (f"; {more}" if more else "")


def _ask(found: OpenRequest, source: Source) -> list[str]:
    """Prove what a source's connection is for: its records or exports, and holds where it places them."""
    connection = connection_of(source)
    context = found.body.context(source, connection)
    rights = []
    if is_fetched(source):
        prove_access(found, source)
    else:
        made = connector(source.connector)(context)
        made.check()
        rights = _rights(made)
    if connection is not None and route_of(connection):
        corpora(connection)
        with closing(hold_service(context, connection)) as service:
            service.find("daylight-doctor")
    return rights


def _rights(made: object) -> list[str]:
    """Say which rights are more than needed, where a connector can tell which it has."""
    tells = getattr(made, "rights", None)
    if tells is None:
        return []
    needed, granted = tells()
    more, missing = sorted(set(granted) - set(needed)), sorted(set(needed) - set(granted))
    return [
        *([f"more than needed: {', '.join(more)}"] if more else []),
        *([f"not granted: {', '.join(missing)}"] if missing else []),
    ]


def _index() -> str:
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < (3, 51, 3):
        raise _Unfit(apsw.sqlite_lib_version())
    return f"SQLite {apsw.sqlite_lib_version()}"


def _elasticsearch(settings: Settings) -> str:
    place = cluster(settings)
    from search.elasticsearch import server_version

    version = server_version(place)
    if version[:2] < (8, 19):
        raise _Unfit(f"Elasticsearch {'.'.join(map(str, version))}; 8.19 or newer is needed")
    return f"Elasticsearch {'.'.join(map(str, version))}"


def _text() -> str:
    context = ExtractContext("note.html", "text/html", ZoneInfo("UTC"))
    with Worker() as worker:
        (result,) = worker.submit([Job(0, b"<p>daylight</p>", context, "text/html")])
    if "daylight" not in result.extraction.text:
        raise _Unfit("a test document gave no text")
    return f"{result.extractor_name} {result.extractor_version}"


def _airflow() -> str:
    try:
        return importlib.metadata.version("apache-airflow")
    except importlib.metadata.PackageNotFoundError as error:
        raise _Unfit("not installed") from error


def _audit(settings: Settings) -> str:
    try:
        home = Home.open(settings=settings)
    except (DaylightError, OSError):
        return "not looked at: the catalogue cannot be opened"  # a finding of the check above
    try:
        return f"{audit.verify(home.catalogue).seq} entries"
    finally:
        home.close()
