"""The pages of one batch that are pictures: read side by side, kept page by page, put into the items' texts.

Each page of each file is read once for a request, whoever carries it. Its text is evidence as soon as it is
there. An item's own text is made anew when all its pages are read or have failed: the pages at their places
in the text that it had, which stays in the evidence.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from extract import languages, ocr, page_images, unlocking
from extract.protocol import ExtractContext
from extract.workers import Job, Worker
from records import canonical
from records import tables as t
from records.attempts import Attempt
from records.catalogue import Catalogue, chunked, chunked_by_bytes
from records.errors import ItemError
from records.evidence import BlobRef, EvidenceStore
from records.ids import sha256_hex
from records.models import Failure, Password
from records.rows import insert, insert_missing
from records.vocabulary import CollectionState, Reason, TextState, WarningCode

PAGE, SCREEN = "page", "screen"
_SCREENSHOTS = "screenshots"
"""The connector whose pictures are of conversations."""

DONE, FAILED = "done", "failed"
_COMMIT_PAGES = 16
_COMMIT_S = 20.0
_WHOLE_BYTES = 1 << 20
"""A file up to this size is handed to a worker for each of its pages; a larger one is unpacked once."""

_ITEMS = 300
_TEXT_BYTES = 32 << 20
"""Earlier texts that are held at once, but for a single longer one."""

_ZONE = ZoneInfo("UTC")

_BEFORE = ("extractor_version", "text_sha256", "text_bytes", "text_state", "reason", "detail", "ocr_pages",
           "facts", "languages")  # fmt: skip
"""Columns of a reading that OCR changes."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page to read.

    Attributes:
        sha256: Of its file.
        page: 1-based.
        layout: ``page`` or ``screen``.
        base: Digest of the text that its document has without it, or None.
        opened_by: References of the passwords that opened its file; empty for one that has no lock.
    """

    sha256: str
    page: int
    layout: str
    base: str | None
    opened_by: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        """What the page is kept by."""
        return self.sha256, self.page, self.layout


@dataclass(frozen=True, slots=True)
class _Read:
    """A page that was read, or why it was not."""

    page: Page
    text: ocr.PageText = ocr.BLANK
    place: int | None = None
    failure: Failure | None = None
    lost: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An item with pages to read."""

    item_id: str
    sha256: str | None
    layout: str
    pages: tuple[int, ...]
    row: sa.Row[Any]


def _waiting(connection: sa.Connection, request_id: str, batch_id: str | None) -> list[_Waiting]:
    i, r = t.items.c, t.readings.c
    query = (
        sa.select(i.item_id, i.blob_sha256, i.connector, *(r[name] for name in _BEFORE))
        .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
        .where(
            i.request_id == request_id, i.state == CollectionState.STORED, r.ocr_pages != "[]",
            *(() if batch_id is None else (i.batch_id == batch_id, r.batch_id == batch_id)),
        )
        .order_by(i.batch_id, i.family_id, i.position, i.item_id)
    )  # fmt: skip
    return [
        _Waiting(
            row.item_id,
            row.blob_sha256,
            SCREEN if row.connector == _SCREENSHOTS else PAGE,
            tuple(canonical.loads(row.ocr_pages)),
            row,
        )
        for row in connection.execute(query)
    ]


def _opened_by(facts: str) -> str:
    if unlocking.OPENED_BY not in facts:
        return ""
    return str(canonical.loads(facts)["metadata"].get(unlocking.OPENED_BY, ""))


def _known(
    connection: sa.Connection, request_id: str, digests: Iterable[str]
) -> dict[tuple[str, int, str], sa.Row[Any]]:
    o = t.ocr_texts.c
    known = {}
    for piece in chunked(sorted(set(digests)), _ITEMS):
        query = sa.select(t.ocr_texts).where(o.request_id == request_id, o.sha256.in_(piece))
        known.update({(row.sha256, row.page, row.layout): row for row in connection.execute(query)})
    return known


def pages_left(connection: sa.Connection, request_id: str, batch_id: str | None = None) -> list[Page]:
    """Return the pages of a batch (None: of the request) that wait and have not been read, each once."""
    waiting = _waiting(connection, request_id, batch_id)
    known = _known(connection, request_id, (one.sha256 for one in waiting if one.sha256))
    out: dict[tuple[str, int, str], Page] = {}
    for one in waiting:
        for number in one.pages:
            page = Page(one.sha256 or "", number, one.layout, one.row.text_sha256, _opened_by(one.row.facts))
            if page.key not in known:
                out.setdefault(page.key, page)
    return list(out.values())


class PageReaders:
    """Threads that each draw a page in a disposable worker and read it in a process of Tesseract's."""

    def __init__(
        self,
        program: ocr.Tesseract,
        threads: int,
        slot: Callable[[], AbstractContextManager[object]],
        passwords: Callable[[str], tuple[Password, ...]] = lambda _refs: (),
    ) -> None:
        """Prepare; workers start with the first page.

        Args:
            program: From ``ocr.tesseract``.
            threads: Pages read at once.
            slot: Held while a page is read: other work on this machine takes its turn between pages.
            passwords: Gives the passwords of some references, for files that they opened.
        """
        self._program = program
        self._threads = threads
        self._slot = slot
        self._passwords = passwords
        self._own = threading.local()
        self._workers: list[Worker] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ocr")

    @property
    def tool(self) -> str:
        """What reads: program, version and languages."""
        return self._program.name

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def read(self, pages: Iterable[tuple[Page, bytes | str, str]]) -> Iterator[_Read]:
        """Read pages, as they are done.

        Args:
            pages: Each with its file (bytes, or a path) and the text it belongs into, or nothing.
        """
        source = iter(pages)
        waiting: set[Future[_Read]] = set()
        try:
            while True:
                while len(waiting) < 2 * self._threads and (one := next(source, None)) is not None:
                    waiting.add(self._pool.submit(self._page, *one))
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()

    def _page(self, page: Page, data: bytes | str, base: str) -> _Read:
        try:
            with self._slot():
                return self._read_page(page, data, base)
        except ItemError as error:
            return _Read(page, failure=Failure(error.reason, error.detail))

    def _read_page(self, page: Page, data: bytes | str, base: str) -> _Read:
        asked = {"page": str(page.page)}
        if base:
            asked["place"] = page.sha256
        given = self._passwords(page.opened_by) if page.opened_by else ()
        context = ExtractContext(None, None, _ZONE, metadata=asked, passwords=given)
        drawn = next(iter(self._worker().submit([Job(0, data, context, None)]))).extraction
        if drawn.failure is not None:
            return _Read(page, failure=drawn.failure)
        seen = [
            ocr.read_page(self._program, child.data, screen=page.layout == SCREEN)
            for child in drawn.children
            if child.data is not None
        ]
        place = None
        if base and "tail" in drawn.metadata:
            tail = json.loads(drawn.metadata["tail"])
            place = page_images.marked_place(base, page.page)
            if place is None:
                place = page_images.place(base, int(drawn.metadata["words_before"]), tail)
        elif base:
            place = len(base)
        return _Read(page, _together(seen), place, lost=int(drawn.metadata.get("lost", "0")))

    def _worker(self) -> Worker:
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = Worker(page_images.REGISTRY)
            self._workers.append(worker)
        return worker


def _together(seen: Sequence[ocr.PageText]) -> ocr.PageText:
    """Join the pictures of one page."""
    if len(seen) == 1:
        return seen[0]
    words = sum(one.words for one in seen)
    if not words:
        return ocr.BLANK
    mean = sum((one.confidence or 0.0) * one.words for one in seen) / words
    return ocr.PageText("\n\n".join(one.text for one in seen if one.text), words, round(mean, 1))


def read_pages(
    attempt: Attempt,
    store: EvidenceStore,
    readers: PageReaders,
    most: int,
    tell: Callable[[int, int], None] = lambda _done, _failed: None,
) -> int:
    """Read pages of a batch and keep them; what was kept before is not read again.

    Args:
        attempt: The right to write the batch, from ``records.attempts.claim_read``.
        store: The request's evidence.
        readers: Who reads.
        most: Pages at most.
        tell: Called after each commit with the pages read and failed since the last.

    Returns:
        How many pages were read or failed.

    Raises:
        AttemptLost: A newer attempt owns the batch; what was committed before stays.
        Incomplete: The disk is full.
    """
    with attempt.catalogue.read() as connection:
        pages = pages_left(connection, attempt.request_id, attempt.batch_id)[:most]
    if not pages:
        return 0
    writer = store.writer(attempt.segment)
    total = 0
    try:
        with tempfile.TemporaryDirectory(prefix="daylight-ocr-") as folder:
            held: list[_Read] = []
            since = time.monotonic()
            for one in readers.read(_sources(store, pages, Path(folder))):
                held.append(one)
                total += 1
                if len(held) >= _COMMIT_PAGES or time.monotonic() - since > _COMMIT_S:
                    _keep(attempt, store, writer, held, readers.tool)
                    tell(len(held), sum(read.failure is not None for read in held))
                    held, since = [], time.monotonic()
            if held:
                _keep(attempt, store, writer, held, readers.tool)
                tell(len(held), sum(read.failure is not None for read in held))
    finally:
        writer.close()
    return total


def _sources(
    store: EvidenceStore, pages: Sequence[Page], folder: Path
) -> Iterator[tuple[Page, bytes | str, str]]:
    """Yield pages with their file; pages of one file follow each other, and it is fetched once for them."""
    digest, base_of, base = "", "", ""
    source = _source(store, digest, folder)
    for page in pages:
        if page.sha256 != digest:
            digest, source = page.sha256, _source(store, page.sha256, folder)
        if (page.base or "") != base_of:
            base_of = page.base or ""
            base = _text(store, store.find([base_of]), base_of) if base_of else ""
        yield page, source, base


def _source(store: EvidenceStore, digest: str, folder: Path) -> bytes | str:
    ref = store.find([digest]).get(digest) if digest else None
    missing = str(folder / "missing")  # a worker that cannot open it says `unreadable`
    if ref is None:
        return missing
    try:
        if ref.size_bytes <= _WHOLE_BYTES:
            return store.read(ref)
        path = folder / digest
        if not path.exists():
            with store.stream(ref) as stream, path.open("wb") as out:
                while chunk := stream.read(1 << 20):
                    out.write(chunk)
        return str(path)
    except ItemError:
        return missing


def _keep(attempt: Attempt, store: EvidenceStore, writer: Any, read: Sequence[_Read], tool: str) -> None:
    """Put the texts of pages into the evidence, then their rows into the catalogue."""
    texts = {sha256_hex(data): data for one in read if (data := one.text.text.encode("utf-8", "replace"))}
    refs = _add(store, writer, texts)
    now = canonical.now_text()
    rows = []
    for one in read:
        data = one.text.text.encode("utf-8", "replace")
        rows.append(
            {
                "request_id": attempt.request_id,
                "sha256": one.page.sha256,
                "page": one.page.page,
                "layout": one.page.layout,
                "state": DONE if one.failure is None else FAILED,
                "reason": one.failure and one.failure.reason.value,
                "detail": one.failure.detail if one.failure else ("pictures_lost" if one.lost else None),
                "text_sha256": sha256_hex(data) if data else None,
                "words": one.text.words,
                "confidence": one.text.confidence,
                "turned": one.text.turned,
                "place": one.place,
                "tool": tool,
                "at": now,
            }
        )
    with attempt.commit(items=len(rows)) as connection:
        insert_missing(connection, t.blobs, store.rows(refs))
        insert_missing(connection, t.ocr_texts, rows)


def _add(store: EvidenceStore, writer: Any, texts: Mapping[str, bytes]) -> list[BlobRef]:
    """Append what the evidence does not have yet, durably."""
    missing = texts.keys() - store.find(texts).keys()
    refs = [writer.add(texts[digest], digest) for digest in sorted(missing)]
    if refs:
        writer.sync()
    return refs


def settle(attempt: Attempt, store: EvidenceStore) -> int:
    """Make the texts of items anew whose pages are all read or failed; their batch must be indexed then.

    Args:
        attempt: The right to write the batch.
        store: The request's evidence.

    Returns:
        How many items changed.

    Raises:
        AttemptLost: A newer attempt owns the batch.
        Incomplete: The disk is full.
    """
    request_id = attempt.request_id
    with attempt.catalogue.read() as connection:
        waiting = _waiting(connection, request_id, attempt.batch_id)
        known = _known(connection, request_id, (one.sha256 for one in waiting if one.sha256))
    ready = []
    for one in waiting:
        rows = [known.get((one.sha256 or "", number, one.layout)) for number in one.pages]
        if all(row is not None for row in rows):
            ready.append((one, [row for row in rows if row is not None]))
    if not ready:
        return 0
    writer = store.writer(attempt.segment)
    try:
        for piece in chunked_by_bytes(ready, _text_bytes, _TEXT_BYTES, _ITEMS):
            _settle(attempt, store, writer, piece)
    finally:
        writer.close()
    return len(ready)


_Ready = tuple[_Waiting, list[sa.Row[Any]]]


def _text_bytes(one: _Ready) -> int:
    return int(one[0].row.text_bytes)


def _settle(
    attempt: Attempt,
    store: EvidenceStore,
    writer: Any,
    ready: Sequence[_Ready],
) -> None:
    digests = {row.text_sha256 for _, rows in ready for row in rows if row.text_sha256}
    digests |= {one.row.text_sha256 for one, _ in ready if one.row.text_sha256}
    refs = store.find(digests)
    texts: dict[str, bytes] = {}
    changes: dict[str, dict[str, Any]] = {}
    kept = []
    now = canonical.now_text()
    for one, rows in ready:
        base = _text(store, refs, one.row.text_sha256)
        text = _composed(base, [(row.place, _text(store, refs, row.text_sha256)) for row in rows])
        data = text.encode("utf-8", "replace")
        digest = sha256_hex(data) if data else None
        if digest is not None:
            texts[digest] = data
        failed = [(row.page, row.reason, row.detail) for row in rows if row.state == FAILED]
        changes[one.item_id] = _changed(one, rows, failed, text, digest, len(data))
        kept.append(
            {
                "request_id": attempt.request_id,
                "item_id": one.item_id,
                "batch_id": attempt.batch_id,
                "before": canonical.dumps({name: getattr(one.row, name) for name in _BEFORE}),
                "layout": one.layout,
                "done": len(rows) - len(failed),
                "failed": canonical.dumps(failed),
                "at": now,
            }
        )
    added = _add(store, writer, texts)
    r, o, b = t.readings.c, t.ocr_items.c, t.batches.c
    with attempt.commit() as connection:
        insert_missing(connection, t.blobs, store.rows(added))
        for item_id, values in changes.items():
            connection.execute(
                t.readings.update()
                .where(r.request_id == attempt.request_id, r.item_id == item_id)
                .values(values)
            )
        connection.execute(  # of a reading that was dropped to be made again
            t.ocr_items.delete().where(o.request_id == attempt.request_id, o.item_id.in_(list(changes)))
        )
        insert(connection, t.ocr_items, kept)
        connection.execute(
            t.batches.update()
            .where(b.request_id == attempt.request_id, b.batch_id == attempt.batch_id)
            .values(index_state="waiting")
        )


def _text(store: EvidenceStore, refs: Mapping[str, BlobRef], digest: str | None) -> str:
    """Return a stored text; empty where there is none, or where it was removed on purpose."""
    if digest is None or digest not in refs:
        return ""
    return store.read(refs[digest]).decode("utf-8", "replace")


def _composed(base: str, pages: Sequence[tuple[int | None, str]]) -> str:
    """Put the texts of pages where they belong in the text of their document."""
    out: list[str] = []
    at = 0
    placed = [(len(base) if place is None else min(place, len(base)), text) for place, text in pages]
    for until, text in sorted(placed, key=lambda pair: pair[0]):  # pages of one place stay in their order
        if not text:
            continue
        out.extend((base[at:until].strip("\n"), text))
        at = until
    if not out:
        return base
    out.append(base[at:].strip("\n"))
    return "\n\n".join(filter(None, out))


def _changed(
    one: _Waiting,
    rows: Sequence[sa.Row[Any]],
    failed: Sequence[tuple[int, str, str]],
    text: str,
    digest: str | None,
    size: int,
) -> dict[str, Any]:
    """Return the columns of a reading as they are once its pages were read."""
    before = one.row
    facts = canonical.loads(before.facts)
    warnings = set(facts["warnings"]) - {WarningCode.NEEDS_OCR}
    if failed or any(row.detail and row.state == DONE for row in rows):
        warnings.add(WarningCode.PARTIAL)
    waited = before.reason == Reason.NEEDS_OCR
    reason, detail = (None, None) if waited else (before.reason, before.detail)
    if reason is None and failed:
        _, reason, detail = failed[0]
    state = TextState.SEARCHABLE
    if before.text_state != TextState.SEARCHABLE and not text.strip():
        state = TextState.NOT_SEARCHABLE
        if reason is None:
            reason, detail = Reason.NO_TEXT.value, ""
    tools = "; ".join(sorted({row.tool for row in rows}))
    return {
        "extractor_version": f"{before.extractor_version} + {tools}",
        "text_sha256": digest,
        "text_bytes": size,
        "text_state": state.value,
        "reason": reason,
        "detail": detail,
        "ocr_pages": "[]",
        "languages": languages.told(text) or None,
        "facts": canonical.dumps_texts({"metadata": facts["metadata"], "warnings": sorted(warnings)}),
    }


def undo_failed(catalogue: Catalogue, request_id: str, reasons: Iterable[str]) -> int:
    """Put items back in line of which a page failed for one of some reasons: their readings as they were.

    Returns:
        How many items.
    """
    i, r, p, o, b = t.items.c, t.readings.c, t.ocr_texts.c, t.ocr_items.c, t.batches.c
    wanted = set(reasons)
    with catalogue.write() as connection:
        rows = connection.execute(
            sa.select(o.item_id, o.batch_id, o.before, o.failed, o.layout, i.blob_sha256)
            .join_from(t.ocr_items, t.items, (i.request_id == o.request_id) & (i.item_id == o.item_id))
            .where(o.request_id == request_id, o.failed != "[]")
        ).all()
        count = 0
        for row in rows:
            pages = [page for page, reason, _ in canonical.loads(row.failed) if reason in wanted]
            if not pages:
                continue
            count += 1
            connection.execute(
                t.ocr_texts.delete().where(
                    p.request_id == request_id, p.sha256 == row.blob_sha256, p.layout == row.layout,
                    p.page.in_(pages), p.state == FAILED,
                )
            )  # fmt: skip
            connection.execute(
                t.readings.update()
                .where(r.request_id == request_id, r.item_id == row.item_id)
                .values(canonical.loads(row.before))
            )
            connection.execute(
                t.ocr_items.delete().where(o.request_id == request_id, o.item_id == row.item_id)
            )
            connection.execute(
                t.batches.update()
                .where(b.request_id == request_id, b.batch_id == row.batch_id, b.index_state == "done")
                .values(index_state="waiting")
            )
    return count
