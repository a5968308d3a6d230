"""The collect step: stores what a connector yields, a chunk at a time, and saves the cursor with it.

Order of a chunk: natives are appended to the attempt's own segment and fsynced; then rows, cursor and
progress go into the catalogue in one transaction that checks the attempt's fence. A kill between the two
leaves orphan records that nothing points to. The cursor is saved only with the rows it stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from connectors.base import stamp_of
from connectors.cursors import counts
from connectors.protocol import Connector
from records import canonical
from records import tables as t
from records.attempts import Attempt
from records.errors import AccessError, CursorExpired, ItemError, Retryable
from records.evidence import BlobRef, EvidenceStore, SegmentWriter
from records.ids import item_id, sha256_hex
from records.logs import logger
from records.models import ExcludedItem, FailedItem, FoundItem, Part, Scope, SourceContext, Window, Yielded
from records.rows import insert, insert_missing
from records.vocabulary import CollectionState, Reason

CHUNK_ITEMS = 1_000
CHUNK_BYTES = 32 << 20
AGAIN = "again"
"""The cursor of a place that is read again in full: no other is right for what is stored of it meanwhile."""

NATIVE_LIMIT_BYTES = 16 << 30
"""A native larger than this is refused by name: nothing in a district's mail or drop folders is."""

_IN_MEMORY = 8 << 20
_NO_FACTS = canonical.dumps({"metadata": {}, "warnings": []})


@dataclass
class Chunk:
    """What has been drawn and not yet made durable.

    Attributes:
        rows: New rows of the table ``items``.
        pending: Rows whose bytes are held here, with the bytes.
        refs: Bytes that were written to the segment already.
        bytes: Native bytes held or written.
        drawn: Items drawn, those that give no row among them.
        cursor: Of the last item drawn.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    pending: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    refs: list[BlobRef] = field(default_factory=list)
    bytes: int = 0
    drawn: int = 0
    cursor: str | None = None


def part_of(batch: sa.Row[Any]) -> Part:
    """Rebuild the part a batch row describes."""
    raw = canonical.loads(batch.part)
    return Part(Scope(**raw["scope"]), raw["number"], raw["spec"], raw["items"], raw["size_bytes"])


def part_text(part: Part) -> str:
    """Describe a part for its batch row."""
    scope = {"key": part.scope.key, "label": part.scope.label, "kind": part.scope.kind}
    return canonical.dumps(
        {
            "scope": scope,
            "number": part.number,
            "spec": part.spec,
            "items": part.items,
            "size_bytes": part.size_bytes,
        }
    )


def collect_batch(
    attempt: Attempt,
    store: EvidenceStore,
    connector: Connector,
    context: SourceContext,
    window: Window,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Collect what is left of one batch.

    Args:
        attempt: The right to write it.
        store: The request's evidence.
        connector: The source.
        context: What the connector was given.
        window: The request's window.
        progress: Called with the number of items after each chunk.

    Returns:
        The number of top items drawn by this attempt.

    Raises:
        AttemptLost: A newer attempt owns the batch.
        Incomplete: The disk is full.
    """
    b, s = t.batches.c, t.scopes.c
    with attempt.catalogue.read() as connection:
        batch = connection.execute(
            sa.select(t.batches, s.first_round)
            .outerjoin_from(
                t.batches,
                t.scopes,
                (s.request_id == b.request_id) & (s.source_id == b.source_id) & (s.scope_key == b.scope_key),
            )
            .where(b.request_id == attempt.request_id, b.batch_id == attempt.batch_id)
        ).one()
        first = connection.scalar(
            sa.select(sa.func.min(t.attempts.c.started_at)).where(
                t.attempts.c.request_id == attempt.request_id,
                t.attempts.c.batch_id == attempt.batch_id,
                t.attempts.c.step == str(attempt.step),
            )
        )
        done = connection.execute(
            sa.select(sa.func.count()).where(
                t.items.c.request_id == attempt.request_id,
                t.items.c.batch_id == attempt.batch_id,
                t.items.c.level == 0,
            )
        ).scalar_one()
    part = part_of(batch)
    made: type[Collector] = Collector
    if batch.first_round is not None and batch.round > batch.first_round:
        from connectors.relist import Relisting as made  # noqa: N813 - a top-up; the first collection needs none
    collector = made(attempt, store, connector, context, part.scope.key, done, batch.round)
    cursor = AGAIN if _is_of_others(batch.cursor, connector, first) else batch.cursor
    failure = collector.run(_drawn(collector, connector, part, window, cursor), progress)
    with attempt.commit() as connection:
        if failure is not None:
            connection.execute(
                t.scopes.update()
                .where(
                    t.scopes.c.request_id == attempt.request_id,
                    t.scopes.c.source_id == context.source_id,
                    t.scopes.c.scope_key == part.scope.key,
                )
                .values(
                    failure_reason=str(failure.reason),
                    failure_detail=failure.detail,
                    failure_stamp=stamp_of(connector),
                )
            )
        attempt.finish(connection)
    return collector.drawn


def _is_of_others(cursor: str | None, connector: Connector, since: str) -> bool:
    """Tell whether a cursor counts files or bytes that are others by now.

    A file that was put before those that are stored would push one of them behind the cursor, and one that
    was taken away would pull one that is not stored before it.
    """
    changed = getattr(connector, "changed_since", None)
    return counts(cursor) and changed is not None and changed(canonical.utc_time(since))


def _drawn(
    collector: Collector, connector: Connector, part: Part, window: Window, cursor: str | None
) -> Iterator[Yielded]:
    """Draw what is left of a part; where its cursor is known no more, all of it but what is stored.

    A source may use a native key twice, so equals are told by their number: the first two of a key are
    passed over when two are stored. What follows an item then may be stored or not, so that no cursor but
    ``AGAIN`` is right until all was read: an attempt that is cut short is followed by another full one.
    """
    try:
        if cursor != AGAIN:
            yield from connector.items(part, window, cursor)
            return
    except CursorExpired:
        pass
    logger().warning(
        "cursor expired or its files changed: the place is read again in full",
        request=collector.attempt.request_id,
        batch=collector.attempt.batch_id,
        connector=connector.name,
    )
    stored = collector.drawn_before()
    seen: Counter[str] = Counter()
    for found in connector.items(part, window, None):
        key = found.native_key
        seen[key] += 1
        if (key if seen[key] == 1 else f"{key}#{seen[key]}") not in stored:
            yield replace(found, cursor=AGAIN)


class Collector:
    """Draws from a connector and stores, for one attempt.

    Attributes:
        attempt: The right to write.
        position: Of the next row in its batch.
        drawn: Items drawn by this attempt.
    """

    chunk: type[Chunk] = Chunk

    def __init__(
        self,
        attempt: Attempt,
        store: EvidenceStore,
        connector: Connector,
        context: SourceContext,
        scope_key: str,
        position: int,
        round_no: int = 0,
    ) -> None:
        """Prepare; nothing is drawn yet.

        Args:
            attempt: The right to write the batch.
            store: The request's evidence.
            connector: The source.
            context: What the connector was given.
            scope_key: The place.
            position: Top items that the batch has already.
            round_no: Of listing; 0 for the first collection.
        """
        self.attempt = attempt
        self._round = round_no
        self._store = store
        self._connector = connector
        self._context = context
        self._scope_key = scope_key
        self.position = position
        self.drawn = 0
        self._common: dict[str, Any] = {
            "request_id": attempt.request_id,
            "batch_id": attempt.batch_id,
            "source_id": context.source_id,
            "scope_key": scope_key,
            "custodian_id": context.custodian_id,
            "connector": connector.name,
            "parent_id": None,
            "part_path": "",
            "level": 0,
        }

    def run(self, drawn: Iterator[Yielded], progress: Callable[[int], None] | None) -> ItemError | None:
        """Store everything; a scope that breaks off as a whole is returned as its error.

        What was drawn before a source is refused, or is busy for too long, is kept: else one that gives less
        than a chunk between two such times would never come to its end.
        """
        writer = self._store.writer(self.attempt.segment)
        failure = None
        try:
            chunk = self.chunk()
            try:
                for found in drawn:
                    self._take(found, chunk, writer)
                    if chunk.drawn >= CHUNK_ITEMS or chunk.bytes >= CHUNK_BYTES:
                        full, chunk = chunk, self.chunk()  # one that may be saved is not saved again below
                        self._save(full, writer, progress)
            except ItemError as error:
                failure = error
            except (AccessError, Retryable):
                if chunk.drawn:
                    self._save(chunk, writer, progress)
                raise
            if chunk.drawn:
                self._save(chunk, writer, progress)
        finally:
            writer.close()
        return failure

    def drawn_before(self) -> set[str]:
        """Return the native keys that earlier attempts of this batch have met, numbered where used twice."""
        i = t.items.c
        with self.attempt.catalogue.read() as connection:
            return set(
                connection.scalars(
                    sa.select(i.native_key).where(
                        i.request_id == self.attempt.request_id,
                        i.batch_id == self.attempt.batch_id,
                        i.level == 0,
                    )
                )
            )

    def _take(self, found: Yielded, chunk: Chunk, writer: SegmentWriter) -> None:
        self._add(found, self._row(found, found.native_key), chunk, writer)
        chunk.drawn += 1
        chunk.cursor = found.cursor

    def _add(self, found: Yielded, row: dict[str, Any], chunk: Chunk, writer: SegmentWriter) -> None:
        """Take an item as a new row, with its bytes."""
        if isinstance(found, FoundItem):
            self._take_native(found, row, chunk, writer)
        chunk.rows.append(row)
        self.position += 1

    def _take_native(
        self, found: FoundItem, row: dict[str, Any], chunk: Chunk, writer: SegmentWriter
    ) -> None:
        """Read the bytes; what cannot be had after all is a failed item."""
        try:
            with self._connector.open(found) as stream:
                if found.size_bytes is not None and found.size_bytes <= _IN_MEMORY:
                    data = stream.read()
                    row["blob_sha256"], row["size_bytes"] = sha256_hex(data), len(data)
                    chunk.pending.append((row, data))
                    chunk.bytes += len(data)
                    return
                ref = writer.add_stream(stream, NATIVE_LIMIT_BYTES)
        except ItemError as error:
            row.update(state=str(CollectionState.FAILED), reason=str(error.reason), detail=error.detail)
            return
        except OSError as error:
            row.update(
                state=str(CollectionState.FAILED), reason=str(Reason.UNREADABLE), detail=type(error).__name__
            )
            return
        row["blob_sha256"], row["size_bytes"] = ref.sha256, ref.size_bytes
        chunk.refs.append(ref)
        chunk.bytes += ref.stored_bytes

    def _id(self, native_key: str) -> str:
        return item_id(self._context.custodian_id, self._context.source_id, self._scope_key, native_key)

    def _row(self, found: Yielded, native_key: str) -> dict[str, Any]:
        key = self._id(native_key)
        row = {
            **self._common,
            "item_id": key,
            "family_id": key,
            "native_key": native_key,
            "position": self.position,
            "kind": found.kind.value,
            "name": found.name,
            "media_type": None,
            "state": "stored",
            "reason": None,
            "detail": None,
            "blob_sha256": None,
            "size_bytes": None,
            "moment_at": None,
            "facts": _NO_FACTS,
        }
        if isinstance(found, FoundItem):
            row["media_type"] = found.media_type
            if found.moment.at is not None:
                row["moment_at"] = canonical.utc_text(found.moment.at)
            if found.metadata or found.warnings:
                row["facts"] = canonical.dumps_texts(
                    {"metadata": dict(found.metadata), "warnings": found.warnings}
                )
            return row
        row["reason"], row["detail"] = found.reason.value, found.detail
        row["state"] = _LEFT[type(found)]
        if isinstance(found, ExcludedItem) and found.moment.at is not None:
            row["moment_at"] = canonical.utc_text(found.moment.at)
        return row

    def _save(self, chunk: Chunk, writer: SegmentWriter, progress: Callable[[int], None] | None) -> None:
        known = self._store.find(row["blob_sha256"] for row, _ in chunk.pending)
        fresh: dict[str, BlobRef] = {}
        for row, data in chunk.pending:
            digest = row["blob_sha256"]
            if digest not in known and digest not in fresh:
                fresh[digest] = writer.add(data, digest)
        if fresh or chunk.refs:
            writer.sync()
        blobs = self._store.rows([*fresh.values(), *chunk.refs])
        try:
            self._commit(chunk, blobs)
        except sa.exc.IntegrityError:
            self._number_repeated_keys(chunk)
            self._commit(chunk, blobs)
        self.drawn += chunk.drawn
        if progress is not None:
            progress(chunk.drawn)

    def _commit(self, chunk: Chunk, blobs: list[dict[str, Any]]) -> None:
        with self.attempt.commit(items=chunk.drawn) as connection:
            insert_missing(connection, t.blobs, blobs)
            self._write(connection, chunk)
            connection.execute(
                t.batches.update()
                .where(
                    t.batches.c.request_id == self.attempt.request_id,
                    t.batches.c.batch_id == self.attempt.batch_id,
                )
                .values(cursor=chunk.cursor)
            )

    def _write(self, connection: sa.Connection, chunk: Chunk) -> None:
        insert(connection, t.items, chunk.rows)

    def _number_repeated_keys(self, chunk: Chunk) -> None:
        """Give native keys that a source uses twice an ordinal, so that neither item is lost.

        It happens with file names that differ only in Unicode form. The first keeps its key.
        """
        taken: set[str] = set()
        for row in chunk.rows:
            key, ordinal = row["native_key"], 1
            while row["item_id"] in taken or self._is_taken(row["item_id"]):
                ordinal += 1
                row["native_key"] = f"{key}#{ordinal}"
                row["item_id"] = row["family_id"] = self._id(row["native_key"])
            taken.add(row["item_id"])

    def _is_taken(self, key: str) -> bool:
        with self.attempt.catalogue.read() as connection:
            return (
                connection.execute(
                    sa.select(t.items.c.item_id).where(
                        t.items.c.request_id == self.attempt.request_id, t.items.c.item_id == key
                    )
                ).first()
                is not None
            )


_LEFT: dict[type, str] = {FailedItem: "failed", ExcludedItem: "excluded"}
