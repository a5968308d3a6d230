"""The doctor: is this machine and home fit to run a request?"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import apsw

from connectors.holds import corpora, hold_service, route_of
from connectors.registry import CONNECTORS, connector
from connectors.rights import Needed, granted, needed
from connectors.service import ServiceConnector
from desk.connections import connection_of
from desk.exports import is_fetched, prove_access
from desk.holds import holds
from desk.home import Home, OpenRequest, cluster
from desk.register import list_requests
from desk.request import Request, Source
from extract.libarchive_reader import library_version
from extract.ocr import tesseract
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records import audit
from records.errors import DaylightError, ItemError, SettingsError
from records.models import SourceContext
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
        _check("ocr", lambda: _ocr(settings), ""),
        _check("archives", _archives, ""),
        _check("connectors", lambda: ", ".join(sorted(CONNECTORS)), ""),
        _check("airflow", _airflow, "`make setup` installs it; without it, `daylight run ID --local`"),
        _check(
            "audit", lambda: _audit(settings), "the audit log was altered: leave the home as it is, ask IT"
        ),
    ]
    if settings.elasticsearch:
        remedy = "see the message; docs/elasticsearch.md explains the settings, roles and keys"
        found.append(_check("elasticsearch", lambda: _elasticsearch(settings), remedy))
    if settings.tika_server:
        remedy = "see the message; docs/extract.md explains the settings"
        found.append(_check("tika_server", lambda: _tika_server(settings), remedy))
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
    """Ask each service that an open request, or a hold, names, as each of its sources would.

    No item is listed. Of a closed request only the holds are asked for that still stand: they are to be
    released one day.
    """
    try:
        home = Home.open(settings=settings)
    except (DaylightError, OSError):
        return []  # a finding of the check of the catalogue
    try:
        named: dict[str, list[_Asked]] = {}
        for request in list_requests(home):
            request_id = str(request["request_id"])
            found = home.request(request_id)
            held = {one.source for one in holds(home, request_id) if one.releasable and one.source}
            now = {} if found.state == "closed" else {one.id: one for one in found.body.sources}
            for source in now.values():
                if source.connection:
                    named.setdefault(source.connection, []).append(_Asked(found, found.body, source))
            for source_id in sorted(held - set(now)):
                body, source = home.source(request_id, source_id)
                asked = _Asked(found, body, source, holds_only=True)
                named.setdefault(source.connection, []).append(asked)
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A source to be asked for.

    Attributes:
        found: Its request.
        body: The version that names it.
        source: Itself.
        holds_only: It is read no more; a hold of it still stands.
    """

    found: OpenRequest
    body: Request
    source: Source
    holds_only: bool = False


def _asked(sources: list[_Asked]) -> str:
    """Return what a service said to each source; accounts and secrets are in no word of it."""
    problems: list[str] = []
    contexts: list[tuple[SourceContext, list[Needed]]] = []
    said: list[str] = []
    answered = 0
    for one in sources:
        try:
            context, needs, barred = _ask(one)
            contexts.append((context, needs))
            said += [f"source {one.source.id}: {place} is refused, {why}" for place, why in barred.items()]
            answered += 1
        except DaylightError as error:
            problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - one source costs only itself; its words may hold a secret
            problems.append(f"source {one.source.id}: {type(error).__name__}")
    if problems:
        raise _Unfit("; ".join(dict.fromkeys(problems)))
    if more := _too_much(contexts):
        said.append(f"more than needed: {', '.join(more)}")
    return "; ".join([f"{answered} sources answered", *said])


def _ask(one: _Asked) -> tuple[SourceContext, list[Needed], dict[str, str]]:
    """Prove what a source's connection is for: its records or exports, and holds where it places them.

    Returns:
        The source, which rights that needs, and places that are refused and that the request does not name.
    """
    source = one.source
    connection = connection_of(source)
    context = one.body.context(source, connection)
    barred: dict[str, str] = {}
    if is_fetched(source) and not one.holds_only:
        prove_access(one.found, source)
    elif not one.holds_only:
        made = connector(source.connector)(context)
        made.check()
        barred = made.barred if isinstance(made, ServiceConnector) else {}
    if connection is not None and route_of(connection):
        corpora(connection)
        with closing(hold_service(context, connection)) as service:
            service.find("daylight-doctor")
    return context, needed("" if one.holds_only else source.connector, context), barred


def _too_much(asked: list[tuple[SourceContext, list[Needed]]]) -> list[str]:
    """Return the rights of a connection that none of its sources needs, where it can tell which it has.

    What is missing is not told here: each source was asked, and a right may also be given by other ways
    (RBAC for Applications in Exchange Online), of which a token says nothing.
    """
    enough: dict[str, set[str]] = {}
    first: dict[str, tuple[SourceContext, Needed]] = {}
    for context, several in asked:
        for of in several:
            enough.setdefault(of.audience, set()).update(of.names)
            first.setdefault(of.audience, (context, of))
    more: set[str] = set()
    for audience, (context, of) in first.items():
        with suppress(DaylightError):  # each source has said what is wrong
            more |= granted(context, of) - enough[audience]
    return sorted(more)


def _index() -> str:
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < (3, 51, 3):
        raise _Unfit(apsw.sqlite_lib_version())
    return f"SQLite {apsw.sqlite_lib_version()}"


def _elasticsearch(settings: Settings) -> str:
    place = cluster(settings)
    from search.elasticsearch_cluster import server_version

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


def _tika_server(settings: Settings) -> str:
    from extract.tika_server import server_version

    return server_version(settings.tika_server, str(settings.tika_server_ca or "") or True)


def _ocr(settings: Settings) -> str:
    """Say what reads pictures; without it everything else goes on, so that is no fault."""
    try:
        return tesseract(settings.ocr_languages, settings.ocr_page_s).name
    except SettingsError as error:
        return f"off: {error}"


def _archives() -> str:
    """Say what opens 7z, RAR, CAB and ISO 9660; without it each such file says so."""
    try:
        return f"libarchive {library_version()}"
    except ItemError:
        return "off: install Debian's libarchive13 and daylight[archives], then `daylight retry`"


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
