"""Kibana at the desk: a request's saved objects, written to a file or sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.describing import describe
from desk.home import Home
from desk.outputs import refuse_existing
from records import audit, canonical
from records import tables as t
from records.errors import UsageError
from records.vocabulary import CollectionState
from search.kibana.objects import Exploration, NotCollected, ndjson, saved_objects
from search.protocol import index_alias
from search.terms import TermList, read_terms, unusable_lines


def export(home: Home, request_id: str, *, by: str) -> bytes:
    """Return a request's saved objects as the file Kibana takes in; noted in the audit log.

    Raises:
        UsageError: There is no such request.
    """
    of = _exploration(home, request_id)
    describe(home, request_id)
    objects = saved_objects(of)
    _note(home, request_id, "kibana_exported", by, len(objects))
    return ndjson(objects)


def export_to(home: Home, request_id: str, out: Path, *, by: str) -> dict[str, Any]:
    """Write a request's saved objects to a file; see ``export``.

    Raises:
        UsageError: There is no such request, or the file is there already or has another suffix.
    """
    if out.suffix != ".ndjson":
        raise UsageError("Kibana takes saved objects from a file that ends in .ndjson")
    refuse_existing(out)
    data = export(home, request_id, by=by)
    with out.open("xb") as file:
        file.write(data)
    return {"request_id": request_id, "file": str(out), "objects": data.count(b"\n")}


def send(home: Home, request_id: str, environ: Mapping[str, str], *, by: str) -> dict[str, Any]:
    """Send a request's saved objects to the Kibana the environment names; noted in the audit log.

    Returns:
        What Kibana took in and what it refused, object by object.

    Raises:
        UsageError: There is no such request.
        SettingsError: The environment or the space is wrong; see ``search.kibana.send``.
        AccessError: Kibana does not answer, or refuses.
        Retryable: It is overloaded or starting.
    """
    from search.kibana.send import Kibana
    from search.kibana.send import send as send_file

    of = _exploration(home, request_id)
    kibana = Kibana.from_environment(environ)
    describe(home, request_id)
    objects = saved_objects(of)
    imported = send_file(kibana, f"daylight-{request_id}.ndjson", ndjson(objects))
    _note(home, request_id, "kibana_imported", by, imported.count)
    return {"request_id": request_id, "space": kibana.space or "default", **dataclasses.asdict(imported)}


def _exploration(home: Home, request_id: str) -> Exploration:
    found = home.request(request_id)
    listed = read_terms(found.terms.encode("utf-8")) if found.terms else TermList((), ())
    unusable = {bad.line for bad in unusable_lines(listed, found.body.zone)}
    return Exploration(
        request_id=request_id,
        version=found.version,
        index=index_alias(request_id),
        zone=found.body.time_zone,
        terms=tuple(dict.fromkeys(term.term for term in listed.terms if term.line not in unusable)),
        not_collected=_not_collected(home, request_id),
        at=canonical.now_text()[:16] + "Z",
    )


def _not_collected(home: Home, request_id: str) -> tuple[NotCollected, ...]:
    """Return what failed to be collected, by source and reason; places that could not be read come first."""
    i, s = t.items.c, t.scopes.c
    with home.catalogue.read() as connection:
        places = connection.execute(
            sa.select(s.source_id, s.failure_reason)
            .where(s.request_id == request_id, s.failure_reason.is_not(None))
            .order_by(s.source_id, s.scope_key)
        ).all()
        items = connection.execute(
            sa.select(i.source_id, i.reason, sa.func.count())
            .where(i.request_id == request_id, i.state == CollectionState.FAILED)
            .group_by(i.source_id, i.reason)
            .order_by(i.source_id, i.reason)
        ).all()
    return (
        *(NotCollected(source, reason, None) for source, reason in places),
        *(NotCollected(source, reason, count) for source, reason, count in items),
    )


def _note(home: Home, request_id: str, action: str, by: str, objects: int) -> None:
    with home.catalogue.write() as connection:
        audit.append(connection, action=action, actor=by, request_id=request_id, objects=objects)
