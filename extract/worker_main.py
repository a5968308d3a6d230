"""The disposable worker process: bytes in, ``Extraction`` out; no catalogue, no evidence, no secrets.

Started by ``extract.workers.Worker`` only. It gives up what it does not need before it reads the first
byte: core dumps, large files, privileges, its parent's environment; it dies with its parent.
"""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

import msgspec

from extract import languages, sniff, wire
from extract.charsets import without_surrogates
from extract.protocol import Extractor, Limits
from records import compound_reading as compound
from records import isolation
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Reason

HEAD = 4096
"""Bytes that ``score`` is shown."""

DIRECTORY = 512
"""Bytes of the directory of a compound file that ``score`` is shown behind them."""

CERTAIN = 100
"""A score nobody can beat: what the label says and the bytes confirm."""

MEMORY_HEADROOM = 192 << 20
"""Memory of the interpreter and the libraries themselves, above what one item may use."""

RETRY = 70
"""Exit code of a process that wants its present item tried in a fresh one."""

_COLLECT_AFTER = 10_000
"""Objects made between two looks for cycles: a message is many small objects, which make none."""

_FILE_BYTES = 1 << 30

Choose = Callable[[Sequence[Extractor], str | None, str | None, bytes], Extractor | None]


def main(registry: str, parent: int, scratch: str) -> None:
    """Serve jobs from standard input until it closes.

    Args:
        registry: ``module:attribute`` of the extractors.
        parent: Process id of the parent; another parent means it has died already.
        scratch: A folder of this process alone; its parent removes it.
    """
    jobs, results = os.dup(0), os.dup(1)
    _silence()
    if sys.platform == "linux":
        isolation.withdraw(scratch)
    _harden(parent)
    module, _, attribute = registry.partition(":")
    gc.disable()  # what is loaded stays
    extractors: Sequence[Extractor] = getattr(importlib.import_module(module), attribute)
    gc.freeze()
    gc.enable()
    gc.set_threshold(_COLLECT_AFTER)
    source = os.fdopen(jobs, "rb", buffering=1 << 16)
    _send(results, wire.ResultFrame(wire.READY, "", "", Extraction()))
    memory = served = 0
    while True:
        head = source.read(wire.LENGTH.size)
        if len(head) < wire.LENGTH.size:
            return
        frame = wire.decode_job(source.read(wire.LENGTH.unpack(head)[0]))
        if frame.passwords:
            isolation.forbid_dumps()
        wanted = frame.limits[2]
        if wanted != memory:
            memory = wanted
            _limit_memory(memory)
        result, healthy = read_item(frame, extractors)
        if not healthy and served:
            # Earlier items may be to blame: no answer, so that the parent tries this one in a fresh process.
            os._exit(RETRY)
        _send(results, result)
        if not healthy:
            return
        served += 1


def _silence() -> None:
    """Point the standard streams nowhere: a library's chatter could hold content, or spoil the pipe."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


def _harden(parent: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    isolation.limit_itself(parent)


def _limit_memory(memory_bytes: int) -> None:
    """Cap private memory; address space cannot be capped, as Tika's native heap reserves 32 GB of it."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes + MEMORY_HEADROOM, hard))


def _send(descriptor: int, frame: wire.ResultFrame) -> None:
    try:
        payload = wire.encode(frame)
    except UnicodeEncodeError:
        payload = wire.encode(msgspec.structs.replace(frame, extraction=_storable(frame.extraction)))
    view = memoryview(payload)
    while view:
        view = view[os.write(descriptor, view) :]


def read_item(frame: wire.JobFrame, extractors: Sequence[Extractor]) -> tuple[wire.ResultFrame, bool]:
    """Read one item; whatever goes wrong becomes its failure.

    Returns:
        The result, and whether this process can be trusted with another item.
    """
    began = time.perf_counter()
    name, version, spoken = "none", "0", ""
    healthy = True
    try:
        stream = _open(frame)
        with stream:
            head = head_of(stream)
            reader = choose(extractors, frame.media_type, frame.name, head)
            if reader is None:
                extraction = Extraction(failure=Failure(Reason.UNSUPPORTED, "no_reader"))
            else:
                name, version = reader.name, reader.version
                context = frame.context()
                extraction = _within(reader.extract(stream, context), context.limits, frame.depth)
                spoken = languages.told(extraction.text)
    except ItemError as error:
        extraction = Extraction(failure=Failure(error.reason, error.detail))
    except MemoryError:
        extraction = Extraction(failure=Failure(Reason.OUT_OF_MEMORY, "memory"))
        healthy = False
    except OSError as error:
        # Native code asks the kernel itself: its refusal is the memory limit, not a fault of the file.
        full = error.errno == errno.ENOMEM
        healthy = not full
        reason, detail = (Reason.OUT_OF_MEMORY, "memory") if full else (Reason.CORRUPT, type(error).__name__)
        extraction = Extraction(failure=Failure(reason, detail))
    except RecursionError:
        extraction = Extraction(failure=Failure(Reason.BOMB, "recursion"))
    except Exception as error:  # noqa: BLE001 - the item boundary: one bad item costs only itself
        extraction = Extraction(failure=Failure(Reason.CORRUPT, type(error).__name__))
    except BaseException as error:  # noqa: BLE001 - a panic of a native library is not an Exception
        # The library may be broken from here on: answer, then let the parent start a new process.
        extraction = Extraction(failure=Failure(Reason.CRASHED, type(error).__name__))
        healthy = False
    seconds = time.perf_counter() - began
    return wire.ResultFrame(frame.job_id, name, version, extraction, spoken, seconds), healthy


def head_of(stream: BinaryIO) -> bytes:
    """Return what ``score`` is shown of a file: its first bytes.

    Of a compound file the start of its directory is added, which may lie anywhere: a letter of Word and a
    message of Outlook begin alike, and the names of their streams tell them apart. An image of a disc begins
    with anything: its mark is shown behind the first bytes.
    """
    head = stream.read(HEAD)
    at = compound.directory_at(head)
    if at >= len(head):
        stream.seek(at)
        head += stream.read(DIRECTORY)
    elif at < 0 and len(head) == HEAD:
        head += sniff.far_mark(stream)
    stream.seek(0)
    return head


def choose(
    extractors: Sequence[Extractor], media_type: str | None, name: str | None, head: bytes
) -> Extractor | None:
    """Return the reader with the highest score (the first of equals), or None when each declines."""
    best: Extractor | None = None
    highest = -1
    for reader in extractors:
        score = reader.score(media_type, name, head)
        if score is not None and score > highest:
            best, highest = reader, score
            if score >= CERTAIN:
                break
    return best


def _open(frame: wire.JobFrame) -> BinaryIO:
    if frame.path is None:
        return io.BytesIO(frame.data)
    try:
        return isolation.open_outside(frame.path)
    except OSError:
        raise ItemError(Reason.UNREADABLE, "open") from None


def _within(extraction: Extraction, allowed: Limits, depth: int) -> Extraction:
    """Hold the output limits: more than allowed is a bomb, and a bomb gives nothing.

    No name and no fact holds NUL: PostgreSQL has no text with one.
    """
    if _holds_nul(extraction.metadata) or any(_has_nul(child) for child in extraction.children):
        bare = tuple(_without_nul(child) for child in extraction.children)
        extraction = replace(extraction, metadata=_bare(extraction.metadata), children=bare)
    text = extraction.whole_text()
    size = len(text) if len(text) * 4 <= allowed.text_bytes else len(text.encode("utf-8", "surrogatepass"))
    if size > allowed.text_bytes:
        return Extraction(kind=extraction.kind, failure=Failure(Reason.BOMB, "text_bytes"))
    if extraction.children:
        if depth >= allowed.depth:
            return replace(extraction, children=(), failure=Failure(Reason.BOMB, "depth"))
        too_many = len(extraction.children) > allowed.children
        total = sum(len(child.data) for child in extraction.children if child.data is not None)
        if too_many or total > allowed.children_bytes:
            detail = "children" if too_many else "children_bytes"
            return replace(extraction, children=(), failure=Failure(Reason.BOMB, detail))
    return extraction


def _holds_nul(facts: Mapping[str, str]) -> bool:
    return any("\0" in key or "\0" in value for key, value in facts.items())


def _has_nul(child: Child) -> bool:
    return "\0" in (child.name or "") or "\0" in child.media_type or _holds_nul(child.metadata)


def _bare(facts: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("\0", ""): value.replace("\0", "") for key, value in facts.items()}


def _without_nul(child: Child) -> Child:
    name = None if child.name is None else child.name.replace("\0", "")
    media_type = child.media_type.replace("\0", "")
    return replace(child, name=name, media_type=media_type, metadata=_bare(child.metadata))


def _storable(extraction: Extraction) -> Extraction:
    """Return the extraction without lone surrogates in any text; only called when one was met."""
    clean = without_surrogates

    def mapping(facts: object) -> dict[str, str]:
        return {clean(str(k)): clean(str(v)) for k, v in dict(facts).items()}  # type: ignore[call-overload]

    def person(address: object) -> object:
        return replace(address, name=clean(address.name), address=clean(address.address))  # type: ignore[type-var, attr-defined]

    fields = extraction.fields
    if fields is not None:
        changes: dict[str, object] = {}
        for name in ("subject", "message_id", "in_reply_to", "references", "thread_key", "thread_index"):
            changes[name] = clean(getattr(fields, name))
        for name in ("to", "cc", "bcc", "participants"):
            changes[name] = tuple(person(one) for one in getattr(fields, name))
        changes["sender"] = person(fields.sender) if fields.sender is not None else None
        changes["moment"] = replace(fields.moment, text=clean(fields.moment.text))
        fields = replace(fields, **changes)  # type: ignore[arg-type]
    children: tuple[Child, ...] = tuple(
        replace(
            child,
            name=None if child.name is None else clean(child.name),
            media_type=clean(child.media_type),
            metadata=mapping(child.metadata),
        )
        for child in extraction.children
    )
    return replace(
        extraction,
        text=clean(extraction.text),
        links=tuple(map(clean, extraction.links)),
        fields=fields,
        metadata=mapping(extraction.metadata),
        children=children,
    )
