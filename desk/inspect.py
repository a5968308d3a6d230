"""Reading one file or export with no request: what would daylight make of it?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.registry import guess
from desk.batch import BatchRunner
from desk.home import Home
from desk.items import items
from desk.register import enter
from desk.request import parse_request
from desk.run import plan, waiting_batches
from records import tables as t
from records.errors import AccessError
from records.settings import Settings


def inspect(
    path: Path, *, connector: str | None = None, time_zone: str = "America/Los_Angeles", owner: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield one JSON object an item, children included, as ``daylight items`` would print it.

    The file passes through the same steps as in a run, in a home of its own that is deleted afterwards.

    Args:
        path: A file, folder or export.
        connector: Registry name; None: told from the content.
        time_zone: For local times without a zone.
        owner: The owner's own address or number.

    Raises:
        AccessError: There is nothing at the path, or a whole scope cannot be opened.
        SettingsError: The connector or the zone is not known.
    """
    if not path.exists():
        raise AccessError(f"{path}: there is nothing at this path")
    folder = Path(tempfile.mkdtemp(prefix="daylight-inspect-"))
    try:
        home = Home.open(settings=Settings(home=folder, workers=1))
        try:
            yield from _inspect(home, path, connector or guess(str(path)), time_zone, owner)
        finally:
            home.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _inspect(home: Home, path: Path, connector: str, time_zone: str, owner: str) -> Iterator[dict[str, Any]]:
    body = parse_request(
        {
            "text": "inspect",
            "received_on": date.today(),  # noqa: DTZ011 - only its form matters here
            "time_zone": time_zone,
            "terms": "",
            "custodians": [{"id": "owner", "name": "owner", "emails": [owner] if owner else []}],
            "sources": [
                {"id": "inspect", "connector": connector, "custodian": "owner", "path": str(path.resolve())}
            ],
        },
        "inspect",
    )
    request_id = enter(home, body, "", by="inspect")
    plan(home, request_id, "local-inspect")
    runner = BatchRunner(home, home.request(request_id))
    try:
        for batch_id, _ in sorted(waiting_batches(home, request_id)):
            runner.collect(batch_id)
            runner.extract(batch_id)
    finally:
        runner.close()
    yield from items(home, request_id)
    failed = _failed_scopes(home, request_id)
    if failed:
        raise AccessError(f"{path}: {', '.join(failed)}: this place could not be opened as a whole")


def _failed_scopes(home: Home, request_id: str) -> list[str]:
    with home.catalogue.read() as connection:
        return list(
            connection.execute(
                sa.select(t.scopes.c.failure_reason).where(
                    t.scopes.c.request_id == request_id, t.scopes.c.failure_reason.is_not(None)
                )
            ).scalars()
        )
