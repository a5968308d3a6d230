"""The extract step: reads what was collected, stores texts and children, a slice of families at a time.

Each family is read to its depth before its rows are written, and the reading of its top item is written
last: a top item without a reading is unfinished, so a resumed attempt first drops what a killed one left
of it. The bytes of a child are in the evidence before anything parses them.
"""

from __future__ import annotations

import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from extract import unlocking
from extract.protocol import ExtractContext, Limits
from extract.workers import Job, Result
from records import audit, canonical
from records import tables as t
from records.attempts import Attempt
from records.catalogue import ROWS_PER_TRANSACTION, chunked, chunked_by_bytes
from records.errors import ItemError
from records.evidence import IN_MEMORY_BYTES, BlobRef, EvidenceStore, SegmentWriter
from records.ids import (
    BegunHash,
    child_item_id,
    content_begun,
    family_hash,
    letters_and_digits,
    message_begun,
    message_identification_hash,
    sha256_hex,
    without_footers,
)
from records.models import Address, Child, Extraction, Failure, Fields, Password
from records.rows import insert_missing
from records.vocabulary import RETRYABLE, Kind, Reason, TextState, WarningCode

DEFAULT_LIMITS = Limits()
SLICE_FAMILIES = 1_000
SLICE_BYTES = 16 << 20
WAVE_BYTES = 32 << 20
"""Most native bytes handed to a worker at once, but for a single larger item."""
_HELD_BYTES = 64 << 10
"""Texts and children up to this size wait in memory to be stored together; larger ones are stored at once."""
_FLUSH_BYTES = 8 << 20
_CACHE_BYTES = 32 << 20
_QUOTED_FROM = re.compile(rb"^>+From ", re.MULTILINE)
_MILLISECONDS = 13
"""Digits of a time in milliseconds since 1970, as of 2001."""
_NO_FIELDS = Fields()
_NO_FACTS = canonical.dumps({"metadata": {}, "warnings": []})
_NO_RECIPIENTS = canonical.dumps({"bcc": [], "cc": [], "participants": [], "to": []})
_NO_PAGES = canonical.dumps([])
_SPEAKS = frozenset({Kind.EMAIL, Kind.MESSAGE, Kind.CHAT, Kind.CALL, Kind.EVENT, Kind.POST, Kind.CONTACT})
"""Kinds that are searchable by what their fields say even when their body is empty."""


PasswordsOf = Callable[[str, str], tuple[Password, ...]]
"""Gives the passwords to try on an item, by its id and its custodian's, in their order."""


def no_passwords(_item_id: str, _custodian_id: str) -> tuple[Password, ...]:
    """Give none: nobody handed one over."""
    return ()


class Reader(Protocol):
    """What this step needs of a worker: jobs in, results out as they finish."""

    def submit(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Read jobs in a disposable process."""


@dataclass(slots=True)
class _Node:
    """One item of a family while it is being read."""

    item_id: str
    top: _Top
    parent: _Node | None
    part_path: str
    level: int
    position: int
    kind: Kind
    name: str | None
    media_type: str | None
    sha256: str | None
    size_bytes: int | None
    metadata: Mapping[str, str]
    alike: str = ""  # as ``_alike`` has it, of a child
    state: str = "stored"
    failure: Failure | None = None
    data: bytes | None = None
    ref: BlobRef | None = None
    children: list[_Node] = field(default_factory=list)
    part_paths: set[str] = field(default_factory=set)
    reading: dict[str, Any] | None = None  # its row, once it was read
    begun: tuple[BegunHash | None, BegunHash | None] = (None, None)  # of a message: with its Bcc and without
    counts: tuple[str | None, str | None] = (None, None)  # both content hashes, finished
    is_mail: bool = False  # what it carries counts as ``_alike`` has it; elsewhere byte by byte
    text: bytes = b""  # small ones wait here, to be stored together
    passwords: tuple[Password, ...] = field(default=(), repr=False)  # to be tried on it
    opened_by: str = ""


@dataclass(frozen=True, slots=True)
class _Top:
    """A family's top item and what its children's ids are made from."""

    row: sa.Row[Any]


def read_batch(
    attempt: Attempt,
    store: EvidenceStore,
    reader: Reader,
    *,
    zone: ZoneInfo,
    owner_handles: tuple[str, ...] = (),
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[int], None] | None = None,
    known: KnownReadings | None = None,
    footers: Sequence[str] = (),
    passwords: PasswordsOf = no_passwords,
) -> int:
    """Read what is left of one batch.

    Args:
        attempt: The right to write it.
        store: The request's evidence.
        reader: A worker.
        zone: For local times without a zone.
        owner_handles: The custodian's own addresses and numbers.
        limits: What one item may cost.
        progress: Called with the number of items after each slice.
        known: What earlier batches read, to be used again and added to; None starts afresh.
        footers: What a mail system adds to messages: the content hash is made without it.
        passwords: Gives what may be tried on locked files.

    Returns:
        The number of items read by this attempt, children included.

    Raises:
        AttemptLost: A newer attempt owns the batch.
        Incomplete: The disk is full.
    """
    _drop_unfinished(attempt)
    writer = store.writer(attempt.segment)
    done = 0
    cache = known or KnownReadings()
    plain = tuple(map(letters_and_digits, footers))
    try:
        for slice_ in _slices(attempt):
            session = _Slice(
                attempt, store, reader, writer, cache, zone, owner_handles, limits, plain, passwords
            )
            count = session.run(slice_)
            done += count
            if progress is not None:
                progress(count)
    finally:
        writer.close()
    with attempt.commit() as connection:
        attempt.finish(connection)
    return done


def _drop_unfinished(attempt: Attempt) -> None:
    """Delete children of families whose top item has no reading: a killed attempt wrote only some of them."""
    i, r = t.items.c, t.readings.c
    mine = (i.request_id == attempt.request_id, i.batch_id == attempt.batch_id)
    read = sa.select(r.item_id).where(r.request_id == attempt.request_id, r.batch_id == attempt.batch_id)
    stray = sa.select(i.item_id).where(*mine, i.level > 0, i.family_id.not_in(read))
    with attempt.catalogue.read() as connection:
        if connection.execute(stray.limit(1)).first() is None:
            return  # nothing was cut short, which is the rule
    with attempt.commit() as connection:
        gone = [row[0] for row in connection.execute(stray)]
        for piece in chunked(gone, 500):
            for table in (t.readings, t.items):
                connection.execute(
                    table.delete().where(table.c.request_id == attempt.request_id, table.c.item_id.in_(piece))
                )


def _slices(attempt: Attempt) -> Iterator[list[sa.Row[Any]]]:
    """Yield top items without a reading, with the place of their bytes, in order."""
    i, r, b = t.items.c, t.readings.c, t.blobs.c
    query = (
        sa.select(t.items, b.segment, b.offset, b.stored_bytes)
        .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .outerjoin(t.blobs, (b.request_id == i.request_id) & (b.sha256 == i.blob_sha256))
        .where(
            i.request_id == attempt.request_id,
            i.batch_id == attempt.batch_id,
            i.level == 0,
            i.state == "stored",
            r.item_id.is_(None),
        )
        .order_by(i.position)
        .limit(SLICE_FAMILIES)
    )
    after = -1
    while True:
        with attempt.catalogue.read() as connection:
            rows = connection.execute(query.where(i.position > after)).all()
        if not rows:
            return
        taken, size = [], 0
        for row in rows:
            taken.append(row)
            size += row.size_bytes or 0
            if size >= SLICE_BYTES:
                break
        after = taken[-1].position
        yield taken
        if len(taken) == len(rows) < SLICE_FAMILIES:
            return


_Question = tuple[
    str | None, str | None, str | None, int, tuple[str, ...], tuple[tuple[str, str], ...], tuple[str, ...]
]


class KnownReadings:
    """Readings of children by digest, so that an attachment sent to thirty people is read once.

    Good for one request and one process; the oldest are forgotten when their texts together grow too large.
    """

    def __init__(self) -> None:
        """Start with nothing known."""
        self._kept: OrderedDict[_Question, tuple[Extraction, str, str, str]] = OrderedDict()
        self._size = 0

    def get(self, question: _Question) -> tuple[Extraction, str, str, str] | None:
        """Return the extraction, reader, version and languages that were answered before, or None."""
        return self._kept.get(question)

    def put(self, question: _Question, made: Extraction, reader: str, version: str, languages: str) -> None:
        """Keep an answer, unless it has children (their bytes would be lost) or may differ next time."""
        if made.children or len(made.text) > _CACHE_BYTES // 8 or question in self._kept:
            return
        if made.failure is not None and made.failure.reason in RETRYABLE:
            return
        self._kept[question] = (made, reader, version, languages)
        self._size += len(made.text)
        while self._size > _CACHE_BYTES:
            _, (old, _, _, _) = self._kept.popitem(last=False)
            self._size -= len(old.text)


def _question(node: _Node, owner_handles: tuple[str, ...]) -> _Question:
    """Return all that the reading of a child depends on."""
    suffix = Path(node.name).suffix.lower() if node.name and "\0" not in node.name else None
    return (
        node.sha256, node.media_type, suffix, node.level, owner_handles, tuple(sorted(node.metadata.items())),
        tuple(password.ref for password in node.passwords),
    )  # fmt: skip


class _Slice:
    """Reads some families to their depth and writes their rows."""

    def __init__(
        self,
        attempt: Attempt,
        store: EvidenceStore,
        reader: Reader,
        writer: SegmentWriter,
        cache: KnownReadings,
        zone: ZoneInfo,
        owner_handles: tuple[str, ...],
        limits: Limits,
        footers: tuple[str, ...],
        passwords: PasswordsOf,
    ) -> None:
        self._attempt = attempt
        self._passwords = passwords
        self._store = store
        self._reader = reader
        self._writer = writer
        self._cache = cache
        self._zone = zone
        self._owner_handles = owner_handles
        self._limits = limits
        self._footers = footers
        self._fresh: dict[str, BlobRef] = {}
        self._known: dict[str, BlobRef] = {}

    def run(self, rows: list[sa.Row[Any]]) -> int:
        """Read and write; return the number of items."""
        tops = [self._top_node(row) for row in rows]
        wave = tops
        everything = list(tops)
        while wave:
            # Small containers can give a thousand times their own size: one level is cut at so many bytes.
            pieces = chunked_by_bytes(wave, _native_bytes, WAVE_BYTES)
            wave = [child for piece in pieces for child in self._read_wave(piece)]
            everything.extend(wave)
        self._store_texts(everything)
        if self._fresh:
            self._writer.sync()
        self._write_rows(tops, everything)
        return len(everything)

    def _top_node(self, row: sa.Row[Any]) -> _Node:
        ref = None
        if row.segment is not None:
            ref = BlobRef(row.blob_sha256, row.segment, row.offset, row.size_bytes, row.stored_bytes)
        return _Node(
            item_id=row.item_id,
            top=_Top(row),
            parent=None,
            part_path="",
            level=0,
            position=0,
            kind=Kind(row.kind),
            name=row.name,
            media_type=row.media_type,
            sha256=row.blob_sha256,
            size_bytes=row.size_bytes,
            metadata=_stated(row.facts),
            ref=ref,
        )

    # -- reading

    def _read_wave(self, wave: list[_Node]) -> list[_Node]:
        """Read one level; return the children that came out, stored."""
        jobs: list[Job] = []
        by_id: dict[int, _Node] = {}
        with _spool_folder(wave) as spool:
            for node in wave:
                if node.state != "stored":
                    continue
                node.passwords = self._passwords(node.item_id, node.top.row.custodian_id)
                cached = self._cache.get(_question(node, self._owner_handles)) if node.level else None
                if cached is not None:
                    self._settle(node, *cached)
                    continue
                job = self._job(len(jobs), node, spool)
                if job is not None:
                    by_id[job.job_id] = node
                    jobs.append(job)
            born: list[_Node] = []
            waiting: list[_Node] = []
            size = 0
            for result in self._reader.submit(jobs):
                node = by_id[result.job_id]
                node.data = None
                made = (
                    result.extraction,
                    result.extractor_name,
                    result.extractor_version,
                    result.languages,
                )
                if node.level:
                    self._cache.put(_question(node, self._owner_handles), *made)
                for child in result.extraction.children:
                    waiting.append(self._child_node(node, child))
                    size += waiting[-1].size_bytes or 0
                self._settle(node, *made, result.seconds)
                if size >= _FLUSH_BYTES:
                    self._store_children(waiting)
                    born.extend(waiting)
                    waiting, size = [], 0
            self._store_children(waiting)
            born.extend(waiting)
        for node in by_id.values():
            if node.reading is None:  # a reader owes an answer to every job
                self._unread(node, Failure(Reason.CRASHED, "no_result"))
        return born

    def _settle(
        self,
        node: _Node,
        made: Extraction,
        reader: str,
        version: str,
        languages: str = "",
        seconds: float | None = None,
    ) -> None:
        """Make the row of a reading and see to its text: the reading itself, with its bytes, is let go."""
        data = made.whole_text().encode("utf-8", "replace")
        digest = sha256_hex(data) if data else None
        bare, left_out = _without_footers(made, self._footers)
        node.begun = _begun(node, bare)
        node.opened_by = _opened_by(node, made)
        node.reading = {
            **_reading(node, made, left_out),
            "extractor": reader,
            "extractor_version": version,
            "text_sha256": digest,
            "text_bytes": len(data),
            "languages": languages or None,
            "read_ms": None if seconds is None else round(seconds * 1000),
        }
        if digest is None or len(data) <= _HELD_BYTES:
            node.text = data
        elif digest not in self._fresh and not self._store.find([digest]):
            self._fresh[digest] = self._writer.add(data, digest)

    def _job(self, number: int, node: _Node, spool: str) -> Job | None:
        """Describe the work on one item; None when its bytes cannot be had (recorded on the node)."""
        if node.level > self._limits.depth:
            self._unread(node, Failure(Reason.BOMB, "container_depth"))
            return None
        context = ExtractContext(
            name=node.name,
            media_type=node.media_type,
            time_zone=self._zone,
            owner_handles=self._owner_handles,
            depth=node.level,
            limits=self._limits,
            metadata=node.metadata,
        )
        data: bytes | str
        try:
            if node.data is not None:
                data = node.data
            elif node.ref is None:
                raise ItemError(Reason.UNREADABLE, "not_in_store")
            elif node.ref.size_bytes <= IN_MEMORY_BYTES:
                data = self._store.read(node.ref)
            else:
                data = self._spool(node, Path(spool, str(number)))
        except ItemError as error:
            self._unread(node, Failure(error.reason, error.detail))
            return None
        # Only what could be locked goes to its reader with passwords; a file on the disk is a large one.
        if node.passwords and (isinstance(data, str) or unlocking.can_be_locked(data)):
            context = replace(context, passwords=node.passwords)
        return Job(number, data, context, node.media_type)

    def _unread(self, node: _Node, failure: Failure) -> None:
        self._settle(node, Extraction(failure=failure), "", "")

    def _spool(self, node: _Node, path: Path) -> str:
        assert node.ref is not None
        with self._store.stream(node.ref) as stream, path.open("wb") as out:
            while chunk := stream.read(1 << 20):
                out.write(chunk)
        return str(path)

    def _child_node(self, node: _Node, child: Child) -> _Node:
        row = node.top.row
        part_path, ordinal = child.part_path, 1
        while part_path in node.part_paths:  # two parts of one id would be one row, and one of them lost
            ordinal += 1
            part_path = f"{child.part_path}#{ordinal}"
        node.part_paths.add(part_path)
        made = _Node(
            item_id=child_item_id(
                row.custodian_id, row.source_id, row.scope_key, row.native_key, node.item_id, part_path
            ),
            top=node.top,
            parent=node,
            part_path=part_path,
            level=node.level + 1,
            position=0,
            kind=child.kind,
            name=child.name,
            media_type=child.media_type,
            sha256=None if child.data is None else sha256_hex(child.data),
            size_bytes=None if child.data is None else len(child.data),
            metadata=dict(child.metadata),
            data=child.data,
        )
        made.alike = _alike(made)
        if child.failure is not None and child.data is None:
            made.failure = child.failure
            made.state = "excluded" if child.failure.reason is Reason.LAYOUT_PART else "failed"
        node.children.append(made)
        return made

    def _store_children(self, nodes: list[_Node]) -> None:
        """Append the bytes of children that are not in the store yet; keep only small ones in memory."""
        with_bytes = [node for node in nodes if node.data is not None and node.sha256 is not None]
        self._known.update(self._store.find(node.sha256 for node in with_bytes if node.sha256))
        for node in with_bytes:
            assert node.data is not None
            assert node.sha256 is not None
            node.ref = self._known.get(node.sha256) or self._fresh.get(node.sha256)
            if node.ref is None:
                node.ref = self._fresh[node.sha256] = self._writer.add(node.data, node.sha256)
            if len(node.data) > _HELD_BYTES:
                node.data = None
        if any(node.data is None for node in with_bytes):
            self._writer.flush()

    # -- writing

    def _store_texts(self, nodes: Iterable[_Node]) -> None:
        texts = {node.reading["text_sha256"]: node.text for node in nodes if node.reading and node.text}
        missing = texts.keys() - self._fresh.keys()
        missing -= self._store.find(missing).keys()
        for digest in sorted(missing):
            self._fresh[digest] = self._writer.add(texts[digest], digest)

    def _write_rows(self, tops: list[_Node], nodes: list[_Node]) -> None:
        """Write blobs, children and readings; the readings of top items go with the last transaction."""
        blobs = self._store.rows(self._fresh.values())
        for top in tops:
            _take_hashes(self._number(top))
        items = [_item_row(node) for node in nodes if node.level]
        readings = [node.reading for node in nodes if node.level and node.reading]
        last = [node.reading for node in tops if node.reading]
        early = len(blobs) + len(items) + len(readings) + len(last) > 3 * ROWS_PER_TRANSACTION
        if early:
            for table, rows in ((t.blobs, blobs), (t.items, items), (t.readings, readings)):
                for piece in chunked(rows):
                    with self._attempt.commit() as connection:
                        insert_missing(connection, table, piece)
            blobs, items, readings = [], [], []
        with self._attempt.commit(items=len(tops)) as connection:
            insert_missing(connection, t.blobs, blobs)
            insert_missing(connection, t.items, items)
            insert_missing(connection, t.readings, [*readings, *last])
            for node in nodes:
                if node.opened_by:
                    audit.append(
                        connection,
                        action="unlocked",
                        actor="daylight",
                        request_id=self._attempt.request_id,
                        item=node.item_id,
                        password=node.opened_by,
                    )

    def _number(self, top: _Node) -> list[_Node]:
        """Number a family in reading order, each parent before its children, and return it so."""
        stack, family = [top], list[_Node]()
        while stack:
            node = stack.pop()
            node.position = len(family)
            family.append(node)
            stack.extend(reversed(node.children))
        return family


def _without_footers(made: Extraction, footers: tuple[str, ...]) -> tuple[Extraction, int]:
    """Return a reading as the content hash of a mail takes it, and how many footers are left out for it."""
    if not footers or made.kind is not Kind.EMAIL:
        return made, 0
    letters, count = without_footers(letters_and_digits(made.text), footers)
    return (replace(made, text=letters), count) if count else (made, 0)


def _opened_by(node: _Node, made: Extraction) -> str:
    """Return the references of the passwords that opened an item, of those that were given for it."""
    given = {password.ref for password in node.passwords}
    return " ".join(ref for ref in made.metadata.get(unlocking.OPENED_BY, "").split() if ref in given)


def _reading(node: _Node, made: Extraction, footers: int) -> dict[str, Any]:
    """Return what the row of a reading says of the item; the reader and the text's digest are added to it."""
    metadata = {**made.metadata, "footers_left_out": str(footers)} if footers else made.metadata
    kind = _kind(node, made)
    fields = made.fields or _NO_FIELDS
    state, reason = text_state(made, kind)
    warnings = set(made.warnings)
    if made.needs_ocr_pages:
        warnings.add(WarningCode.NEEDS_OCR)
    return {
        "request_id": node.top.row.request_id,
        "item_id": node.item_id,
        "batch_id": node.top.row.batch_id,
        "kind": kind.value,
        "text_state": state.value,
        "reason": reason and reason.reason.value,
        "detail": reason and reason.detail,
        "subject": _no_nul(fields.subject),
        "sent_at": canonical.utc_text(fields.moment.at) if fields.moment.at else None,
        "sent_at_text": _no_nul(fields.moment.text),
        "sent_at_basis": fields.moment.basis.value,
        "sender": canonical.dumps_texts(_pairs((fields.sender,) if fields.sender else ())),
        "recipients": _recipients(fields),
        "thread": _thread(fields),
        "content_hash": None,  # this and the hash of the family once all of it is read
        "mih": message_identification_hash(fields.message_id),
        "family_hash": None,
        "family_hash_no_bcc": None,
        "children": len(node.children),
        "expected_children": made.expected_children,
        "pages": made.pages,
        "ocr_pages": canonical.dumps(made.needs_ocr_pages) if made.needs_ocr_pages else _NO_PAGES,
        "facts": _facts(metadata, warnings),
    }


def _kind(node: _Node, made: Extraction) -> Kind:
    """Say what an item is by its form; but a chat that its source hands out as mail or as a page is one."""
    if node.kind in {Kind.CHAT, Kind.MESSAGE} and made.kind in {Kind.EMAIL, Kind.FILE}:
        return node.kind
    return made.kind or node.kind


def _item_row(node: _Node) -> dict[str, Any]:
    row = node.top.row
    assert node.parent is not None
    return {
        "request_id": row.request_id,
        "item_id": node.item_id,
        "batch_id": row.batch_id,
        "source_id": row.source_id,
        "scope_key": row.scope_key,
        "custodian_id": row.custodian_id,
        "connector": row.connector,
        "native_key": row.native_key,
        "family_id": row.item_id,
        "parent_id": node.parent.item_id,
        "part_path": _no_nul(node.part_path),
        "level": node.level,
        "position": node.position,
        "kind": str(node.kind),
        "name": node.name and _no_nul(node.name),
        "media_type": node.media_type and _no_nul(node.media_type),
        "state": node.state,
        "reason": node.failure and str(node.failure.reason),
        "detail": node.failure and node.failure.detail,
        "blob_sha256": node.sha256,
        "size_bytes": node.size_bytes,
        "moment_at": row.moment_at,  # a child follows its parent
        "facts": canonical.dumps_texts({"metadata": node.metadata, "warnings": []})
        if node.metadata
        else _NO_FACTS,
    }


@lru_cache(maxsize=512)
def _stated(facts: str) -> Mapping[str, str]:
    """Return what a connector said of an item; most items of a place have the same flags and no more."""
    stated: dict[str, str] = canonical.loads(facts)["metadata"]
    return stated


def _spool_folder(wave: list[_Node]) -> AbstractContextManager[str]:
    """Make a folder for values too large for memory; most waves have none, and a folder has its price."""
    if any((node.size_bytes or 0) > IN_MEMORY_BYTES for node in wave):
        return tempfile.TemporaryDirectory(prefix="daylight-")
    return nullcontext("")


def _native_bytes(node: _Node) -> int:
    return node.size_bytes or 0


def text_state(made: Extraction, kind: Kind) -> tuple[TextState, Failure | None]:
    """Say where an item's text ended, and why when it is not searchable.

    A container that failed half-way but gave text is searchable and keeps its failure beside it. A page that
    is a picture makes the item pending only when there is no text at all; else it is searchable with a note.
    """
    if made.links or (made.text and not made.text.isspace()):
        return TextState.SEARCHABLE, made.failure
    if made.failure is not None:
        return TextState.NOT_SEARCHABLE, made.failure
    if made.needs_ocr_pages:
        return TextState.PENDING, Failure(Reason.NEEDS_OCR)
    if kind in _SPEAKS and _says_something(made.fields):
        return TextState.SEARCHABLE, None
    return TextState.NOT_SEARCHABLE, Failure(Reason.NO_TEXT)


def _no_nul(text: str) -> str:
    """Return text that both databases take: PostgreSQL refuses U+0000, and one name would stop its batch."""
    return text.replace("\0", "\ufffd")


def _says_something(fields: Fields | None) -> bool:
    return fields is not None and bool(
        fields.subject or fields.sender or fields.to or fields.cc or fields.bcc or fields.participants
    )


def _facts(metadata: Mapping[str, str], warnings: Iterable[WarningCode]) -> str:
    if not metadata and not warnings:
        return _NO_FACTS
    return canonical.dumps_texts({"metadata": dict(metadata), "warnings": sorted(warnings)})


def _pairs(people: Iterable[Address]) -> list[list[str]]:
    return [[person.name, person.address] for person in people]


def _recipients(fields: Fields) -> str:
    if not (fields.to or fields.cc or fields.bcc or fields.participants):
        return _NO_RECIPIENTS
    return canonical.dumps_texts(
        {
            "to": _pairs(fields.to),
            "cc": _pairs(fields.cc),
            "bcc": _pairs(fields.bcc),
            "participants": _pairs(fields.participants),
        }
    )


def _thread(fields: Fields) -> str:
    named = {
        "message_id": fields.message_id,
        "in_reply_to": fields.in_reply_to,
        "references": fields.references,
        "thread_key": fields.thread_key,
    }
    if fields.thread_index:
        named["thread_index"] = fields.thread_index
    return canonical.dumps_texts(named)


def _begun(node: _Node, made: Extraction) -> tuple[BegunHash | None, BegunHash | None]:
    """Begin the hash by which copies of a message are told, on every route: with its Bcc, and without.

    None for a file. A chat that comes as mail has the hash of a mail: what counts is its form.
    """
    fields = made.fields or _NO_FIELDS
    kind = made.kind or _kind(node, made)
    if kind is Kind.EMAIL:
        node.is_mail = True
        whole = _mail_begun(fields, made.text, (*fields.to, *fields.cc, *fields.bcc))
        return whole, _mail_begun(fields, made.text, (*fields.to, *fields.cc)) if fields.bcc else whole
    if kind not in {Kind.MESSAGE, Kind.CHAT}:
        return None, None
    sender = fields.sender
    begun = message_begun(
        platform=node.media_type or "",
        message_id=fields.message_id or _clock_and_people(fields),
        sender=(sender.address or sender.name) if sender else "",
        body=made.text,
    )
    return begun, begun


def _mail_begun(fields: Fields, text: str, recipients: Iterable[Address]) -> BegunHash | None:
    return content_begun(
        sent_at=fields.moment.at,
        sender=fields.sender.address if fields.sender else "",
        recipients=(person.address for person in recipients),
        subject=fields.subject,
        body=text,
    )


def _clock_and_people(fields: Fields) -> str:
    """Return what tells a message without an id where its source states milliseconds; empty elsewhere.

    By the minute, as WhatsApp states it, the same word may have been said twice.
    """
    stated = fields.moment.text
    if len(stated) < _MILLISECONDS or not (stated.isascii() and stated.isdigit()):
        return ""
    people = (*fields.to, *fields.cc, *fields.bcc, *fields.participants)
    return " ".join((stated, *sorted({(one.address or one.name).lower() for one in people})))


def _alike(child: _Node) -> str:
    """Return the hash by which an attachment is the same on every route.

    What is attached unencoded, as every message is (RFC 2046 section 5.2.1), changes with the message around
    it: its lines end as those of the route, and an mbox quotes lines that begin with ``From `` (RFC 4155). It
    has no NUL then (RFC 2045 sections 2.7 and 2.8).
    """
    if not child.data or b"\0" in child.data:
        return child.sha256 or ""
    plain = _QUOTED_FROM.sub(b"From ", child.data.replace(b"\r\n", b"\n"))
    return sha256_hex(plain) if plain != child.data else child.sha256 or ""


def _take_hashes(family: Sequence[_Node]) -> None:
    """Finish the hashes of a family that was read whole, from the innermost outwards.

    Args:
        family: Its top item first, each parent before its children.
    """
    for node in reversed(family):
        whole = _content_hash(node, 0)
        # Without Bcc it is the same message for all but the few that have one, or carry one that has.
        same = node.begun[0] is node.begun[1] and all(
            child.counts[0] == child.counts[1] for child in node.children
        )
        node.counts = whole, whole if same else _content_hash(node, 1)
        if node.reading is not None:
            node.reading["content_hash"] = whole
    top = family[0]
    assert top.reading is not None
    top.reading["family_hash"] = _family_hash(family, 0)
    differs = any(node.counts[0] != node.counts[1] for node in family)
    top.reading["family_hash_no_bcc"] = _family_hash(family, 1) if differs else None


def _family_hash(family: Sequence[_Node], way: int) -> str:
    """Return the hash of a family, its top item first: 0 with Bcc, 1 without."""
    below = (_counted(node, way)[1] for node in family[1:] if node.sha256 is not None)
    return family_hash(family[0].counts[way] or family[0].sha256 or "", below)


def _content_hash(node: _Node, way: int) -> str | None:
    """Finish the content hash of a message: 0 with Bcc, 1 without."""
    begun = node.begun[way]
    if begun is None:
        return None
    return begun.finish(_counted(child, way) for child in node.children)


def _counted(child: _Node, way: int) -> tuple[str, str]:
    """Return the name and the hash by which a child counts in what carries it."""
    own = child.counts[way]
    if own is not None:
        return "", own
    assert child.parent is not None
    return child.name or "", child.alike if child.parent.is_mail else child.sha256 or ""
