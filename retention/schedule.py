"""Retention schedules: the series, the built-in ones, and the ones in force.

A district works under two schedules of the State Archives at once, CORE (all local government) and K-12
(schools). Each can be imported apart; until it is, the rows of ``schedule.csv`` stand in, many unverified.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from retention.periods import Retention, parse_retention, split_needed

VERIFIED = "verified"
UNVERIFIED = "unverified"
_NEEDED = " (and until no longer needed for agency business)"
_TABLE = Path(__file__).with_name("schedule.csv")


@dataclass(frozen=True, slots=True)
class Series:
    """One records series of a schedule.

    Attributes:
        series_id: Stable id: the disposition authority number, or a name of ours where none is known.
        schedule: ``CORE``, ``K12``, or the name of another imported schedule.
        version: Of the schedule, as stated; empty when no version is known.
        dan: Disposition authority number without revision; empty when not known.
        revision: Its revision (``3``); empty when none is stated.
        title: As the schedule has it, or descriptive where the row says so.
        category: Function and activity of the schedule.
        summary: What belongs in it.
        cutoff_event: From when the period counts.
        retention_text: The period in words.
        retention: The period in numbers.
        disposition: What happens when it has run.
        archival: ``archival``, ``appraisal`` (the Archives choose), ``non-archival``, or empty for unknown.
        essential: ``yes``, ``no``, or empty for unknown.
        record_class: ``OPR`` (official public record), ``OFM`` (office files and memoranda), or empty.
        source: Where the row was read.
        confidence: ``verified`` or ``unverified``; an unverified row may suggest and must say so.
        is_rule: A rule of law that stands beside the series (a hold, a floor): never suggested or confirmed.
    """

    series_id: str
    schedule: str
    version: str
    dan: str
    revision: str
    title: str
    category: str
    summary: str
    cutoff_event: str
    retention_text: str
    retention: Retention
    disposition: str
    archival: str
    essential: str
    record_class: str
    source: str
    confidence: str
    is_rule: bool = False

    @property
    def authority(self) -> str:
        """The number as people write it: ``GS50-01-12 Rev. 3``; empty when no number is known."""
        return f"{self.dan} Rev. {self.revision}" if self.dan and self.revision else self.dan

    def to_json(self) -> str:
        """Return canonical JSON, as the ``retention_series`` table keeps it."""
        return canonical.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Series:
        """Read what ``to_json`` wrote."""
        raw: dict[str, Any] = canonical.loads(text)
        return cls(**{**raw, "retention": Retention(**raw["retention"])})


@cache
def builtin() -> tuple[Series, ...]:
    """Return the rows this project carries, in their own order; see ``schedule.csv`` for sources."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return tuple(_row(raw) for raw in csv.DictReader(file, strict=True))


def _row(raw: dict[str, str]) -> Series:
    retention = parse_retention(raw["retention"])
    event, needed = split_needed(raw["cutoff_event"])
    if needed:
        retention = Retention(years=retention.years, while_needed=True)
    return Series(
        series_id=raw["series_id"],
        schedule=raw["schedule"],
        version=raw["version"],
        dan=raw["dan"],
        revision=raw["revision"],
        title=raw["title"],
        category=raw["category"],
        summary=raw["summary"],
        cutoff_event=event,
        retention_text=raw["retention"]
        + (" (and until no longer needed for agency business)" if needed else ""),
        retention=retention,
        disposition=raw["disposition"],
        archival=raw["archival"],
        essential=raw["essential"],
        record_class=raw["record_class"],
        source=raw["source"],
        confidence=raw["confidence"],
        is_rule=raw["form"] == "rule",
    )


def load(catalogue: Catalogue) -> tuple[Series, ...]:
    """Return the schedules in force: each imported one that was put in force, built-in rows for the rest.

    Rules of law (holds, floors) always stay. Order: the rows of ``schedule.csv`` as they stand, then
    the imported ones by schedule name and series id.
    """
    with catalogue.read() as connection:
        return load_in(connection)


def load_in(connection: sa.Connection) -> tuple[Series, ...]:
    """As ``load``, within a transaction of the caller."""
    s, r = t.retention_schedules.c, t.retention_series.c
    query = sa.select(s.name, s.schedule_id).where(s.in_force.is_(True)).order_by(s.name)
    imported: dict[str, str] = {row.name: row.schedule_id for row in connection.execute(query)}
    out = [row for row in builtin() if row.is_rule or row.schedule not in imported]
    for schedule_id in imported.values():
        bodies = connection.execute(
            sa.select(r.body).where(r.schedule_id == schedule_id).order_by(r.series_id)
        )
        out += [Series.from_json(body) for (body,) in bodies]
    return tuple(out)
