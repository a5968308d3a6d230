"""The collect step of a top-up: a place is listed again, and only what is new is fetched.

Each item that is met gets a sighting: what became of it since it was last met. Bytes are fetched of items
that are new, that lie within the days asked for now and did not before, that could not be had before, and of
those that may have changed: where the source's change key is another one, and for files, where the bytes are
others. What is stored is never written over and never deleted; another form of an item is a further item.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from connectors.collect import Chunk, Collector
from records import canonical, rounds
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.errors import ItemError
from records.evidence import SegmentWriter
from records.models import ExcludedItem, FailedItem, FoundItem, Yielded
from records.rows import insert_missing
from records.vocabulary import CollectionState, Sighting

EARLIER = "earlier_item"
"""The fact that names the item of which another one is a later form."""

_READ = 1 << 20


@dataclass
class _Chunk(Chunk):
    """What has been drawn, with what became of it.

    Attributes:
        updates: Rows that stand for an item known already, of which nothing is stored.
        sightings: Rows of ``sightings``, each with the row of ``items`` that it is about, or None where its
            id is in it.
    """

    updates: list[dict[str, Any]] = field(default_factory=list)
    sightings: list[tuple[dict[str, Any] | None, dict[str, Any]]] = field(default_factory=list)


_i, _s = t.items.c, t.sightings.c
_newer = t.sightings.alias("newer")
_KEPT = sa.select(
    _i.item_id,
    _i.native_key,
    _i.state,
    _i.blob_sha256,
    _i.size_bytes,
    _i.facts,
    sa.select(_newer.c.facts)
    .where(_newer.c.request_id == _i.request_id, _newer.c.item_id == _i.item_id, _newer.c.facts.is_not(None))
    .order_by(_newer.c.round.desc())
    .limit(1)
    .scalar_subquery()
    .label("newer_facts"),
    sa.exists()
    .where(_s.request_id == _i.request_id, _s.round == sa.bindparam("in_round"), _s.item_id == _i.item_id)
    .label("met"),
)
"""Items with what is known of each."""

_start = t.items.alias("start")
_AHEAD = (
    _KEPT.join(
        _start,
        (_start.c.request_id == _i.request_id)
        & (_start.c.batch_id == _i.batch_id)
        & (_start.c.position <= _i.position)
        & (_start.c.position + sa.bindparam("ahead") > _i.position),
    )
    .where(
        _start.c.request_id == sa.bindparam("of_request"),
        _start.c.item_id == sa.bindparam("of_item"),
        _i.request_id == sa.bindparam("of_request"),
        (_i.level == 0) | (_i.item_id == _start.c.item_id),
    )
    .order_by(_i.position)
)
"""An item and those that followed it when the place was first listed: they most likely follow it now."""

AHEAD = 500
"""How many items are asked for together."""


class Relisting(Collector):
    """Draws from a place that was listed before, for one attempt."""

    chunk = _Chunk

    def __init__(self, *given: Any) -> None:
        """As ``Collector``."""
        super().__init__(*given)
        self._met: set[str] = set()
        self._ahead: dict[str, Any] = {}
        self._piece = AHEAD
        with self.attempt.catalogue.read() as connection:
            changed = connection.execute(
                sa.select(_s.earlier_id, _s.item_id).where(
                    _s.request_id == self.attempt.request_id,
                    _s.source_id == self._context.source_id,
                    _s.scope_key == self._scope_key,
                    _s.earlier_id.is_not(None),
                )
            )
            self._later: dict[str, str] = dict(map(tuple, changed))

    def drawn_before(self) -> set[str]:
        """Return the native keys that earlier attempts of this batch have met."""
        with self.attempt.catalogue.read() as connection:
            return set(
                connection.scalars(
                    sa.select(_s.native_key).where(
                        _s.request_id == self.attempt.request_id, _s.batch_id == self.attempt.batch_id
                    )
                )
            )

    def _take(self, found: Yielded, chunk: Chunk, writer: SegmentWriter) -> None:
        assert isinstance(chunk, _Chunk)
        key, kept = self._kept(found.native_key)
        row = self._row(found, key)
        if kept is None:
            self._add(found, row, chunk, writer)
            self._sight(chunk, key, Sighting.NEW, row)
        elif kept.state == CollectionState.STORED:
            self._meet(found, row, key, kept, chunk, writer)
        else:
            self._try_again(found, row, key, kept, chunk, writer)
        chunk.drawn += 1
        chunk.cursor = found.cursor

    def _kept(self, native_key: str) -> tuple[str, Any]:
        """Return the key to use and the newest form that is kept under it, or None for one that is new.

        A source may use a key twice: one that was met in this round already stands for another item.
        """
        ordinal = 1
        while True:
            key = native_key if ordinal == 1 else f"{native_key}#{ordinal}"
            item = self._id(key)
            while item in self._later:
                item = self._later[item]
            if item not in self._met:
                kept = self._asked(item)
                if kept is None or not kept.met:
                    return key, kept
            ordinal += 1

    def _asked(self, item: str) -> Any:
        """Return an item of the catalogue, or None; those that most likely come next are asked for with it.

        What is handed out is forgotten here: the catalogue tells what became of it when it is asked again.
        """
        if item not in self._ahead:
            with self.attempt.catalogue.read() as connection:
                rows = connection.execute(
                    _AHEAD,
                    {
                        "of_request": self.attempt.request_id,
                        "of_item": item,
                        "in_round": self._round,
                        "ahead": self._piece,
                    },
                )
                found = {row.item_id: row for row in rows}
            if found:  # else it is new, and those that are waited for still come
                # a place that gives another order than before is not asked for much that it gives later
                wrong = len(self._ahead) > self._piece // 2
                self._piece = max(1, self._piece // 4) if wrong else min(AHEAD, self._piece * 2)
                self._ahead = found
        return self._ahead.pop(item, None)

    def _meet(
        self,
        found: Yielded,
        row: dict[str, Any],
        key: str,
        kept: Any,
        chunk: _Chunk,
        writer: SegmentWriter,
    ) -> None:
        """Meet an item that is stored."""
        if isinstance(found, ExcludedItem):
            self._sight(chunk, key, Sighting.NOW_OUTSIDE, item=kept.item_id)
            return
        if isinstance(found, FailedItem):  # what is kept stays; the source cannot give it a second time
            self._sight(chunk, key, Sighting.SAME, item=kept.item_id)
            return
        known = kept.newer_facts or _plain(kept.facts)
        if self._may_have_changed(found, row, known, kept):
            row["native_key"] = f"{key}#r{self._round}"
            row["item_id"] = row["family_id"] = self._id(row["native_key"])
            held = len(chunk.pending)
            self._take_native(found, row, chunk, writer)
            if row["blob_sha256"] != kept.blob_sha256:
                row["facts"] = _with_earlier(row["facts"], kept.item_id)
                chunk.rows.append(row)
                self.position += 1
                self._later[kept.item_id] = row["item_id"]
                self._sight(chunk, key, Sighting.CHANGED, row, earlier=kept.item_id)
                return
            for _, data in chunk.pending[held:]:
                chunk.bytes -= len(data)
            del chunk.pending[held:]
        if row["facts"] == known:
            self._sight(chunk, key, Sighting.SAME, item=kept.item_id)
        else:
            self._sight(chunk, key, Sighting.FACTS_CHANGED, item=kept.item_id, facts=row["facts"])

    def _may_have_changed(self, found: FoundItem, row: dict[str, Any], known: str, kept: Any) -> bool:
        """Tell whether an item has to be fetched to know that it is the same."""
        now, before = _change(row["facts"]), _change(known)
        if now or before:
            return now != before
        if self._context.connection is not None:  # the service's key names one message that does not change
            return False
        if found.native_key.startswith(kept.blob_sha256):  # the key is made of the bytes
            return False
        if found.size_bytes is not None and found.size_bytes != kept.size_bytes:
            return True
        try:
            return self._digest(found) != str(kept.blob_sha256)
        except (ItemError, OSError):
            return False

    def _digest(self, found: FoundItem) -> str:
        digest = hashlib.sha256()
        with self._connector.open(found) as stream:
            while data := stream.read(_READ):
                digest.update(data)
        return digest.hexdigest()

    def _try_again(
        self,
        found: Yielded,
        row: dict[str, Any],
        key: str,
        kept: Any,
        chunk: _Chunk,
        writer: SegmentWriter,
    ) -> None:
        """Meet an item that was left out, or could not be had: what it is now takes the place of that."""
        row["native_key"] = kept.native_key
        row["item_id"] = row["family_id"] = kept.item_id
        if isinstance(found, FoundItem):
            self._take_native(found, row, chunk, writer)
        earlier = canonical.loads(kept.facts)["metadata"].get(EARLIER)
        if earlier is not None:
            row["facts"] = _with_earlier(row["facts"], earlier)
        chunk.updates.append(row)
        self.position += 1
        self._sight(chunk, key, _OUTCOMES.get((kept.state, row["state"]), Sighting.SAME), row)

    def _sight(
        self,
        chunk: _Chunk,
        key: str,
        outcome: Sighting,
        row: dict[str, Any] | None = None,
        *,
        item: str = "",
        earlier: str | None = None,
        facts: str | None = None,
    ) -> None:
        self._met.add(row["item_id"] if row is not None else item)
        seen = {
            "request_id": self.attempt.request_id,
            "round": self._round,
            "item_id": item,
            "batch_id": self.attempt.batch_id,
            "source_id": self._context.source_id,
            "scope_key": self._scope_key,
            "native_key": key,
            "outcome": str(outcome),
            "earlier_id": earlier,
            "facts": facts,
        }
        chunk.sightings.append((row, seen))

    def _write(self, connection: sa.Connection, chunk: Chunk) -> None:
        assert isinstance(chunk, _Chunk)
        super()._write(connection, chunk)
        if chunk.updates:
            columns = [name for name in chunk.updates[0] if name not in {"request_id", "item_id"}]
            connection.execute(
                t.items.update()
                .where(_i.request_id == self.attempt.request_id, _i.item_id == sa.bindparam("of_item"))
                .values({name: sa.bindparam(f"new_{name}") for name in columns}),
                [
                    {"of_item": row["item_id"], **{f"new_{name}": row[name] for name in columns}}
                    for row in chunk.updates
                ],
            )
        rows = [seen if row is None else {**seen, "item_id": row["item_id"]} for row, seen in chunk.sightings]
        insert_missing(connection, t.sightings, rows)
        self._met.clear()  # the catalogue tells from here on


_OUTCOMES = {
    (CollectionState.EXCLUDED, CollectionState.STORED): Sighting.NOW_INSIDE,
    (CollectionState.EXCLUDED, CollectionState.FAILED): Sighting.NOW_INSIDE,
    (CollectionState.FAILED, CollectionState.STORED): Sighting.NOW_HAD,
    (CollectionState.FAILED, CollectionState.EXCLUDED): Sighting.NOW_OUTSIDE,
}
"""What became of an item that is not stored, by its state before and now; else it is the same."""


def _change(facts: str) -> str:
    """Return the source's change key, or nothing."""
    return str(canonical.loads(facts)["metadata"].get("change", ""))


def _with_earlier(facts: str, item_id: str) -> str:
    raw = canonical.loads(facts)
    return canonical.dumps_texts({**raw, "metadata": {**raw["metadata"], EARLIER: item_id}})


def _plain(facts: str) -> str:
    """Return facts as the source states them, without the one that a top-up added."""
    raw = canonical.loads(facts)
    if EARLIER not in raw["metadata"]:
        return facts
    rest = {name: value for name, value in raw["metadata"].items() if name != EARLIER}
    return canonical.dumps_texts({**raw, "metadata": rest})


def note_vanished(catalogue: Catalogue, request_id: str) -> int:
    """Give every item that was met before, and is listed no more, a sighting that says so; harmless twice.

    Only of places that were listed again to their end in the round that is theirs, or that are no longer
    listed at all, although they are asked for.

    Returns:
        How many were noted now.
    """
    s, b = t.scopes.c, t.batches.c
    with catalogue.read() as connection:
        waiting = (
            sa.select(b.batch_id)
            .where(
                b.request_id == request_id,
                b.source_id == s.source_id,
                b.scope_key == s.scope_key,
                b.collect_state != "done",
            )
            .exists()
        )
        ended = (s.round > s.first_round) & s.failure_reason.is_(None) & ~waiting
        places = connection.execute(
            sa.select(s.source_id, s.scope_key, s.round, s.missing_since).where(
                s.request_id == request_id, ended | s.missing_since.is_not(None)
            )
        ).all()
        left_out = rounds.left_out(connection, request_id)
    noted = 0
    for place in places:
        if place.missing_since is not None and (place.source_id, place.scope_key) in left_out:
            continue
        round_no = place.round if place.missing_since is None else place.missing_since
        noted += _note_vanished(catalogue, request_id, place.source_id, place.scope_key, round_no)
    return noted


def _note_vanished(
    catalogue: Catalogue, request_id: str, source_id: str, scope_key: str, round_no: int
) -> int:
    i, s = t.items.c, t.sightings.c
    met = sa.exists().where(s.request_id == i.request_id, s.round == round_no, s.item_id == i.item_id)
    superseded = sa.select(s.earlier_id).where(
        s.request_id == request_id,
        s.source_id == source_id,
        s.scope_key == scope_key,
        s.earlier_id.is_not(None),
    )
    with catalogue.read() as connection:
        gone = connection.execute(
            sa.select(i.item_id, i.native_key).where(
                i.request_id == request_id,
                i.source_id == source_id,
                i.scope_key == scope_key,
                i.level == 0,
                ~met,
                i.item_id.not_in(superseded),
            )
        ).all()
    rows = [
        {
            "request_id": request_id,
            "round": round_no,
            "item_id": row.item_id,
            "batch_id": "",
            "source_id": source_id,
            "scope_key": scope_key,
            "native_key": row.native_key,
            "outcome": str(Sighting.VANISHED),
            "earlier_id": None,
            "facts": None,
        }
        for row in gone
    ]
    for piece in chunked(rows):
        with catalogue.write() as connection:
            insert_missing(connection, t.sightings, piece)
    return len(rows)
