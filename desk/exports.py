"""Exports of Vault and Purview that a source names by its connection: asked for, waited for, downloaded.

A connector reads a package and writes nothing, so the files come here first: into ``exports/SOURCE`` of
the request's folder, which the source reads from then on. Everything is safe to repeat. An export is never
created twice: its name holds request and source, and is looked for at the service before one is asked for;
its id is kept beside the package. Files are built in ``exports/.SOURCE.partial``, go on where they broke off,
and are checked against the size and the sum that the service states; the folder is renamed last.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.export_api import ExportService, Interrupted, RemoteExport, RemoteFile, State
from connectors.export_tables import md5_of
from desk.connections import connection_of
from desk.home import Home, OpenRequest
from desk.request import Request, Source
from records import audit, canonical
from records.errors import AccessError, AlreadyRunning, CheckFailed, Incomplete, Retryable, UsageError
from records.models import SourceContext

FETCHED_BY = frozenset({"vault_export", "purview_export"})
"""Connectors of packages that can be asked for by an API."""

GIVEN = {"vault_export": "export", "purview_export": "operation"}
"""The option that names an export which exists already."""

LONGEST = timedelta(days=8)
"""Purview ends an export after seven days; what runs longer does not end any more."""

POLL_S = 60.0
SUMS = "sums-of-the-service.md5"
_TRIES = 5
_PAUSE_S = 1.0
_NOBODY: Callable[[str], None] = lambda _text: None  # noqa: E731


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a source's export.

    Attributes:
        number: How many were asked for, this one included; 1 for the first.
        export_id: The service's id; empty until it is known.
        asked_at: When it was asked for or found, UTC.
        fetched_at: When the last file was there, UTC; empty before.
        files: How many there are.
        size_bytes: Of all of them.
        partly: The service says that something of it failed.
        again_key: By which another one was asked for; a repeated task does not ask for yet another.
    """

    number: int = 1
    export_id: str = ""
    asked_at: str = ""
    fetched_at: str = ""
    files: int = 0
    size_bytes: int = 0
    partly: bool = False
    again_key: str = ""


def is_fetched(source: Source) -> bool:
    """Say whether a source reads a package that is fetched by an API."""
    return bool(source.connection) and source.connector in FETCHED_BY


def folder_of(home: Home, request_id: str, source_id: str) -> Path:
    """Return where the package of a source lies once it is fetched."""
    return home.settings.request_folder(request_id).resolve() / "exports" / source_id


def context_of(home: Home, request_id: str, body: Request, source: Source) -> SourceContext:
    """Return what a connector is given: its connection, or the package that was fetched.

    Raises:
        AccessError: The package is not here yet; the message says what to do.
        SettingsError: The connection is not defined.
    """
    scratch = str(home.settings.request_folder(request_id).resolve() / "scratch")
    if not is_fetched(source):
        return replace(body.context(source, connection_of(source)), scratch=scratch)
    folder = folder_of(home, request_id, source.id)
    if not folder.is_dir():
        raise AccessError(
            f"source {source.id}: its export is not here yet; `daylight exports fetch {request_id} "
            f"{source.id}` asks for it, waits and downloads it"
        )
    return replace(body.context(source), path=str(folder), scratch=scratch)


def fetch(
    home: Home,
    request_id: str,
    source_id: str,
    *,
    by: str,
    again: bool = False,
    wait: bool = True,
    say: Callable[[str], None] = _NOBODY,
    poll_s: float = POLL_S,
) -> dict[str, Any]:
    """Ask for a source's export unless that was done, wait until the service has made it, and download it.

    Args:
        home: Open.
        request_id: The request.
        source_id: The source.
        by: Who asks; goes into the audit log.
        again: Ask for another one, because the last failed, expired or is out of date.
        wait: False to end with ``Incomplete`` while the service is at work.
        say: Takes words for a person.
        poll_s: Seconds between two looks.

    Returns:
        ``outcome`` (``fetched``, ``here`` when it was before), ``files`` and ``bytes``.

    Raises:
        AccessError: The service refuses, the export failed there, or its files are gone.
        CheckFailed: A file has another size or sum than the service states, twice.
        Incomplete: It is not ready, and nobody waits; or the disk is full.
        Retryable: The service is busy or away for too long; what came is kept.
        UsageError: The source is not fetched by an API, or the request is closed.
    """
    asked = ask(home, request_id, source_id, by=by, again=again, say=say)
    while asked["outcome"] != "here" and look(home, request_id, source_id, say=say)["outcome"] == "running":
        if not wait:
            raise Incomplete(f"source {source_id}: the service is making the export; fetch again later")
        time.sleep(poll_s)
    return take(home, request_id, source_id, by=by, say=say)


def ask(
    home: Home,
    request_id: str,
    source_id: str,
    *,
    by: str,
    again: bool = False,
    again_key: str = "",
    say: Callable[[str], None] = _NOBODY,
) -> dict[str, Any]:
    """Ask for the export; harmless when that was done, by this home or by one that lost its record of it.

    Args:
        home: Open.
        request_id: The request.
        source_id: The source.
        by: Who asks; goes into the audit log.
        again: Ask for another one.
        again_key: Of the run that wants another one: with the same key only one is asked for.
        say: Takes words for a person.

    Returns:
        ``outcome``: ``asked`` now, ``known`` before, ``here`` with its files.
    """
    with _source(home, request_id, source_id) as (found, source, place):
        known = place.known()
        again = again and not (again_key and known.again_key == again_key)
        given = source.options.get(GIVEN[source.connector], "")
        other = bool(given) and known.export_id not in {"", given}  # an amendment names another one
        if other:
            known = Known(number=known.number + 1)
            shutil.rmtree(place.partial, ignore_errors=True)
        if not again and known.fetched_at and place.package.is_dir():
            return {"outcome": "here", "files": known.files, "bytes": known.size_bytes}
        if not again and known.export_id:
            return {"outcome": "known"}
        with closing(_service(found, source)) as service:
            if again:
                _refuse_another(service, source, known, given)
                known = Known(number=known.number + 1, again_key=again_key)
                shutil.rmtree(place.partial, ignore_errors=True)
            name = _name(request_id, source_id, known.number)
            export_id = given or _id_of(service.find(name))
            outcome = "known"
            if not export_id:
                say(f"asking for export {name}")
                export_id = service.create(name, found.body.window_days()).id
                outcome = "asked"
        place.keep(replace(known, export_id=export_id, asked_at=canonical.now_text()))
        _log(home, request_id, f"export_{outcome}", by, source=source_id, number=known.number)
        return {"outcome": outcome}


def _refuse_another(service: ExportService, source: Source, known: Known, given: str) -> None:
    """Refuse to ask for another export where that would be by mistake."""
    if given:
        raise UsageError(
            f"source {source.id}: `{GIVEN[source.connector]}` in options names the export; change it there"
        )
    export = service.get(known.export_id) if known.export_id else None
    if export is not None and export.state is State.RUNNING:
        raise UsageError(f"source {source.id}: the export is still being made; fetch without --again")


def state_of(home: Home, request_id: str, source_id: str) -> dict[str, Any] | None:
    """Return ``{"outcome": "here", …}`` where the package lies already; asks no service."""
    with _source(home, request_id, source_id) as (_, _, place):
        known = place.known()
        if known.fetched_at and place.package.is_dir():
            return {"outcome": "here", "files": known.files, "bytes": known.size_bytes}
    return None


def look(
    home: Home, request_id: str, source_id: str, *, say: Callable[[str], None] = _NOBODY
) -> dict[str, Any]:
    """Look how the export stands; ``outcome`` is ``running`` (since ``waited_s``), ``done`` or ``partly``.

    Raises:
        AccessError: It failed, is gone, or runs for longer than an export can.
        UsageError: None was asked for.
    """
    with _source(home, request_id, source_id) as (found, source, place):
        known = _asked(place, source_id)
        with closing(_service(found, source)) as service:
            export = _standing(service, known, source)
            kept_days = service.kept_days
    if export.state is State.RUNNING:
        waited = datetime.now(UTC) - canonical.utc_time(known.asked_at)
        if waited > LONGEST:
            raise AccessError(
                f"source {source_id}: the export has been running for more than {LONGEST.days} days and will "
                "not end; narrow the search, then fetch with --again"
            )
        return {"outcome": "running", "waited_s": int(waited.total_seconds())}
    if export.ended_at is not None:
        until = export.ended_at + timedelta(days=kept_days)
        say(f"source {source_id}: the service keeps the files until about {until.date().isoformat()}")
    return {"outcome": str(export.state), "files": len(export.files)}


def take(
    home: Home, request_id: str, source_id: str, *, by: str, say: Callable[[str], None] = _NOBODY
) -> dict[str, Any]:
    """Download the files of an export that is done; goes on where an earlier try ended.

    Raises:
        CheckFailed: A file has another size or sum than the service states, twice.
        Incomplete: It is not done, has no files, or the disk is full.
    """
    with _source(home, request_id, source_id) as (found, source, place):
        known = _asked(place, source_id)
        if known.fetched_at and place.package.is_dir():
            return {"outcome": "here", "files": known.files, "bytes": known.size_bytes}
        with closing(_service(found, source)) as service:
            export = _standing(service, known, source)
            if export.state is State.RUNNING or not export.files:
                raise Incomplete(f"source {source_id}: the export has no files yet; fetch again later")
            place.partial.mkdir(parents=True, exist_ok=True, mode=0o700)
            for number, file in enumerate(export.files, 1):
                say(f"source {source_id}: file {number} of {len(export.files)}")
                try:
                    _take_file(service, file, place.partial, f"source {source_id}: file {number}")
                except OSError as error:
                    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                        raise Incomplete(
                            f"source {source_id}: the disk is full; make room, then fetch again"
                        ) from error
                    raise
        return _finish(home, request_id, source_id, place, known, export, by)


def _finish(
    home: Home, request_id: str, source_id: str, place: _Place, known: Known, export: RemoteExport, by: str
) -> dict[str, Any]:
    """Make the package visible, last of all."""
    wanted = {file.name for file in export.files}
    for path in place.partial.iterdir():
        if path.name not in wanted:
            path.unlink()
    size = sum(path.stat().st_size for path in place.partial.iterdir())
    sums = [f"{file.md5}  {file.name}\n" for file in export.files if file.md5]
    if sums:
        (place.partial / SUMS).write_text("".join(sums), "utf-8")
    place.put_aside()
    place.partial.rename(place.package)
    _sync_folder(place.package.parent)
    partly = export.state is State.PARTLY
    place.keep(
        replace(known, fetched_at=canonical.now_text(), files=len(wanted), size_bytes=size, partly=partly)
    )
    counts = {"files": len(wanted), "bytes": size}
    _log(home, request_id, "export_fetched", by, source=source_id, partly=partly, **counts)
    return {"outcome": "fetched", **counts, "partly": int(partly)}


def _take_file(service: ExportService, file: RemoteFile, folder: Path, where: str) -> None:
    """Download one file into a folder; a wrong sum is tried once more from the start."""
    final, part = folder / file.name, folder / f"{file.name}.part"
    if final.exists():
        return
    for _ in range(2):
        _complete(service, file, part, where)
        size = part.stat().st_size
        fits = file.size_bytes is None or size == file.size_bytes
        if fits and (file.md5 is None or md5_of(str(part)) == file.md5):
            part.rename(final)
            _sync_folder(folder)
            return
        part.unlink()
    raise CheckFailed(
        f"{where}: its size or sum is not what the service states, twice; nothing of it is kept. Fetch "
        "again, and if that gives the same, fetch with --again"
    )


def _complete(service: ExportService, file: RemoteFile, part: Path, where: str) -> None:
    """Download what is missing of a file; tries go on as long as each brings something."""
    idle = 0
    while True:
        have = part.stat().st_size if part.exists() else 0
        if file.size_bytes is not None and have >= file.size_bytes:
            return
        ended = False
        try:
            with service.blocks(file, have) as (begin, blocks):
                _write(part, begin if begin <= have else 0, blocks)
                ended = True
        except Interrupted:
            pass  # what came is on the disk
        if ended and file.size_bytes is None:
            return
        idle = 0 if part.exists() and part.stat().st_size > have else idle + 1
        if idle >= _TRIES:
            raise Retryable(
                f"{where}: breaks off at the same place each time; what came is kept, fetch again"
            )
        if idle:
            time.sleep(_PAUSE_S)


def _write(part: Path, begin: int, blocks: Iterator[bytes]) -> None:
    """Write blocks from an offset on; nothing of what stood behind it stays."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as out:
        out.truncate(begin)
        out.seek(begin)
        try:
            for block in blocks:
                out.write(block)
        finally:
            out.flush()
            os.fsync(out.fileno())


def _standing(service: ExportService, known: Known, source: Source) -> RemoteExport:
    export, source_id, option = service.get(known.export_id), source.id, GIVEN[source.connector]
    if export is None and source.options.get(option):
        raise AccessError(
            f"source {source_id}: the service knows no such export, or no more; check `{option}` in options: "
            f"it deletes them some time after {service.kept_days} days"
        )
    if export is None:
        raise AccessError(
            f"source {source_id}: the service knows the export no more; it deletes them some time after "
            f"{service.kept_days} days. Fetch with --again to export anew"
        )
    if export.state is State.FAILED:
        said = f" ({export.detail})" if export.detail else ""
        raise AccessError(
            f"source {source_id}: the export failed at the service{said}; look at it there, then fetch with "
            "--again"
        )
    return export


def _asked(place: _Place, source_id: str) -> Known:
    known = place.known()
    if not known.export_id:
        raise UsageError(f"source {source_id}: no export was asked for yet; `daylight exports fetch` does")
    return known


def prove_access(found: OpenRequest, source: Source) -> None:
    """Look a source's export up at its service, whether there is one or not; asks for none.

    Raises:
        AccessError: The service refuses; the message says what to do.
        Retryable: It is busy or away.
        SettingsError: The connection or an option is wrong.
    """
    service = _service(found, source)
    with closing(service):
        service.find(_name(found.request_id, source.id, 1))


def _service(found: OpenRequest, source: Source) -> ExportService:
    connection = connection_of(source)
    assert connection is not None, "a source that is fetched names one"
    context = found.body.context(source, connection)
    if source.connector == "vault_export":
        from connectors.vault_api import VaultExports

        return VaultExports(context, connection)
    from connectors.purview_api import PurviewExports

    return PurviewExports(context, connection)


def _name(request_id: str, source_id: str, number: int) -> str:
    """Return the name of an export at its service: by it one that was asked for is found again."""
    return f"daylight-{request_id}-{source_id}" + (f"-{number}" if number > 1 else "")


def _id_of(export: RemoteExport | None) -> str:
    return export.id if export is not None else ""


def _log(home: Home, request_id: str, action: str, by: str, **facts: Any) -> None:
    with home.catalogue.write() as connection:
        audit.append(connection, action=action, actor=by, request_id=request_id, **facts)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a source's export is kept: the package, what is under way, and what is known of it."""

    package: Path

    @property
    def partial(self) -> Path:
        """Files under way."""
        return self.package.with_name(f".{self.package.name}.partial")

    @property
    def state(self) -> Path:
        """What is known."""
        return self.package.with_name(f".{self.package.name}.json")

    def known(self) -> Known:
        """Return what is known of the export; nothing where nothing is kept."""
        try:
            return Known(**json.loads(self.state.read_text("utf-8")))
        except FileNotFoundError:
            return Known()

    def keep(self, known: Known) -> None:
        """Keep what is known: whole or not at all."""
        fresh = self.state.with_suffix(".new")
        fresh.write_text(canonical.dumps(asdict(known)), "utf-8")
        with fresh.open("rb") as stream:
            os.fsync(stream.fileno())
        fresh.replace(self.state)
        _sync_folder(self.state.parent)

    def put_aside(self) -> None:
        """Keep an older package under another name: records were collected from it."""
        if self.package.is_dir():
            number = 1
            while (older := self.package.with_name(f"{self.package.name}.{number}")).exists():
                number += 1
            self.package.rename(older)


@contextmanager
def _source(home: Home, request_id: str, source_id: str) -> Iterator[tuple[OpenRequest, Source, _Place]]:
    """Hold a source's export for this process.

    Raises:
        AlreadyRunning: Another process fetches it.
        UsageError: There is no such source, it is not fetched by an API, or the request is closed.
    """
    found = home.request(request_id)
    source = next((one for one in found.body.sources if one.id == source_id), None)
    if source is None or not is_fetched(source):
        known = ", ".join(one.id for one in found.body.sources if is_fetched(one)) or "none"
        raise UsageError(
            f"source {source_id} of request {request_id} is not one that is exported by an API; such are: "
            f"{known}"
        )
    if found.state == "closed":
        raise UsageError(f"request {request_id} is closed; nothing is collected for it any more")
    place = _Place(folder_of(home, request_id, source_id))
    place.package.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = place.package.with_name(f".{source_id}.lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"source {source_id} of request {request_id} is being fetched by another process"
            ) from error
        yield found, source, place
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
