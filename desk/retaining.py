"""Retention at the desk: importing a schedule, confirming a series, listing freezes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from desk.describing import describe_after
from desk.home import Home
from records import tables as t
from records.errors import AccessError, UsageError
from retention.freeze import register
from retention.schedule_import import import_schedule as read_and_store
from retention.suggest import confirm as confirm_flag


def import_schedule(home: Home, path: Path, *, by: str, in_force: bool) -> dict[str, Any]:
    """Read a schedule document of the State Archives and store it.

    Returns:
        What was read, every row that could not be placed, and the difference to the version before.

    Raises:
        AccessError: There is no such file.
        SettingsError: It is no schedule; the message says what to do.
    """
    if not path.is_file():
        raise AccessError(f"{path}: there is no such file")
    result = read_and_store(home.catalogue, path, by, in_force=in_force)
    return {
        "schedule_id": result.schedule_id,
        "name": result.imported.name,
        "version": result.imported.version,
        "effective": result.imported.effective,
        "series": len(result.imported.series),
        "unplaced": [dataclasses.asdict(row) for row in result.imported.unplaced],
        "unread": [dataclasses.asdict(cell) for cell in result.imported.unread],
        "difference": dataclasses.asdict(result.difference),
        "in_force": result.in_force,
    }


def confirm(home: Home, request_id: str, item_id: str, series: str, *, by: str, why: str) -> dict[str, Any]:
    """Confirm or change an item's series; ``none`` says that no series fits.

    Raises:
        UsageError: There is no such item or series, or no reason was given.
    """
    home.request(request_id)
    if not why.strip():
        raise UsageError("say why: the reason stays with the item")
    flag = confirm_flag(home.catalogue, request_id, item_id, None if series == "none" else series, by, why)
    behind = describe_after(home, request_id, _family(home, request_id, item_id))
    return {
        "request_id": request_id,
        "item_id": item_id,
        "series_id": flag.said.series_id,
        "seq": flag.seq,
        **({"kibana": behind} if behind else {}),
    }


def _family(home: Home, request_id: str, item_id: str) -> list[str]:
    """Return an item with its whole family: what it carries follows it, where nobody said otherwise."""
    i = t.items.c
    mine = sa.select(i.family_id).where(i.request_id == request_id, i.item_id == item_id).scalar_subquery()
    with home.catalogue.read() as connection:
        return list(
            connection.scalars(sa.select(i.item_id).where(i.request_id == request_id, i.family_id == mine))
        )


def freezes(home: Home) -> list[dict[str, Any]]:
    """Return the register of freezes: which request freezes how many items, since and until when."""
    return [{**dataclasses.asdict(row), "in_force": row.in_force} for row in register(home.catalogue)]
