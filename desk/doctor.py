"""The doctor: is this machine and home fit to run a request?"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import apsw

from connectors.registry import CONNECTORS
from desk.home import Home, cluster
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
    return found


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
