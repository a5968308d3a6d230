"""The evidence store of one request: natives and texts in packed segments, addressed by SHA-256.

A segment is a file that is only ever appended to, by one attempt::

    header   8 bytes   "DAYSEG1" and a newline
    record   64 bytes  "RC01", codec (1), zeros (7), sha256 (32), size (8), stored (8), crc32 before it (4)
             stored bytes: zstd (codec 1) or as they are (codec 0)

Each record is readable alone and is checked against its SHA-256 when it is read. A record counts only when a
catalogue row points to it: what a killed attempt left behind is an orphan, ignored and removed by ``repair``.
Segments can be walked without the catalogue (``scan``), so the rows can be rebuilt from them.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO, cast

import sqlalchemy as sa
import zstandard

from records import tables as t
from records.canonical import now_text
from records.catalogue import Catalogue, chunked
from records.errors import CheckFailed, Incomplete, ItemError
from records.vocabulary import Reason

MAGIC = b"DAYSEG1\n"
_RECORD = struct.Struct("<4sB7x32sQQ")
_CRC = struct.Struct("<I")
RECORD_BYTES = _RECORD.size + _CRC.size
_ZSTD, _PLAIN = 1, 0
_CHUNK = 1 << 20
_LEVEL = 1
"""Of zstd: 3, its own default, makes messages 2 % smaller and takes a third longer."""
_KEPT_BYTES = 48 << 20
_KEPT_VALUE_BYTES = 256 << 10
"""Most that is kept of what was just written, together and of one value: the next step asks for it."""
IN_MEMORY_BYTES = 8 << 20
"""Larger natives are streamed; smaller ones are handled as one value."""


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where bytes lie.

    Attributes:
        sha256: Hex digest of the unpacked bytes.
        segment: File name within the store.
        offset: Of the record header.
        size_bytes: Unpacked.
        stored_bytes: Packed.
    """

    sha256: str
    segment: str
    offset: int
    size_bytes: int
    stored_bytes: int


class SegmentWriter:
    """Appends records to one new segment. Nothing counts until ``sync`` returned and a row was committed."""

    def __init__(self, folder: Path, name: str, kept: _Kept | None = None) -> None:
        """Make the segment file.

        Args:
            folder: The store's folder.
            name: File name.
            kept: Takes values that will be asked for soon.

        Raises:
            Incomplete: The disk is full.
        """
        self.name = name
        self._folder = folder
        self._path = folder / name
        self._kept = kept
        self._packer = zstandard.ZstdCompressor(level=_LEVEL)
        with _disk_errors():
            self._file = self._path.open("xb", buffering=_CHUNK)
            self._file.write(MAGIC)
        self._offset = len(MAGIC)
        self._folder_synced = False

    def add(self, data: bytes, sha256: str | None = None) -> BlobRef:
        """Append one value.

        Args:
            data: The bytes.
            sha256: Their digest where the caller has it already.
        """
        digest = sha256 or hashlib.sha256(data).hexdigest()
        packed = self._packer.compress(data)
        codec = _ZSTD
        if len(packed) >= len(data):
            packed, codec = data, _PLAIN
        header = _header(codec, digest, len(data), len(packed))
        with _disk_errors():
            self._file.write(header)
            self._file.write(packed)
        ref = BlobRef(digest, self.name, self._offset, len(data), len(packed))
        self._offset += RECORD_BYTES + len(packed)
        if self._kept is not None:
            self._kept.put(ref, data)
        return ref

    def add_stream(self, stream: BinaryIO, limit_bytes: int | None = None) -> BlobRef:
        """Append what a stream gives, never whole in memory when it is large.

        Raises:
            ItemError: ``too_large`` when the stream gives more than ``limit_bytes``; what was written of it
                is taken back.
            OSError: The stream cannot be read to its end; likewise.
            Incomplete: The disk is full.
        """
        head = _read_full(stream, IN_MEMORY_BYTES + 1)
        if limit_bytes is not None and len(head) > limit_bytes:
            raise ItemError(Reason.TOO_LARGE, "native_limit")
        if len(head) <= IN_MEMORY_BYTES:
            return self.add(head)
        start = self._offset
        digest, size, stored = hashlib.sha256(), 0, 0
        packer = self._packer.compressobj()
        try:
            with _disk_errors():
                self._file.write(b"\0" * RECORD_BYTES)
            chunk = head
            while chunk:
                size += len(chunk)
                if limit_bytes is not None and size > limit_bytes:
                    raise ItemError(Reason.TOO_LARGE, "native_limit")
                digest.update(chunk)
                with _disk_errors():
                    stored += self._file.write(packer.compress(chunk))
                chunk = stream.read(_CHUNK)
            with _disk_errors():
                stored += self._file.write(packer.flush())
                self._file.seek(start)
                self._file.write(_header(_ZSTD, digest.hexdigest(), size, stored))
                self._file.seek(0, os.SEEK_END)
        except BaseException:
            with _disk_errors():
                self._file.seek(start)
                self._file.truncate()
            raise
        self._offset = start + RECORD_BYTES + stored
        return BlobRef(digest.hexdigest(), self.name, start, size, stored)

    def flush(self) -> None:
        """Let readers of this process see what was added; not durable yet."""
        with _disk_errors():
            self._file.flush()

    def sync(self) -> None:
        """Make everything added so far durable: file, then folder when the file is new."""
        with _disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            if not self._folder_synced:
                sync_folder(self._folder)
                self._folder_synced = True

    def close(self) -> None:
        """Close; a segment without a record is deleted."""
        with _disk_errors():
            self._file.close()
        if self._offset == len(MAGIC):
            self._path.unlink(missing_ok=True)


class _Kept:
    """Values that this process has just written, until they are asked for once or there is no more room.

    The next step reads what this one wrote; there it need not be read, unpacked and hashed again. What came
    first stays: a step reads in the order in which the last one wrote. Only the very record that was written
    is answered, so a value that was removed or moved since is not.
    """

    def __init__(self) -> None:
        self._values: dict[BlobRef, bytes] = {}
        self._size = 0

    def put(self, ref: BlobRef, data: bytes) -> None:
        size = len(data)
        if size <= _KEPT_VALUE_BYTES and self._size + size <= _KEPT_BYTES:
            self._values[ref] = data
            self._size += size

    def take(self, ref: BlobRef) -> bytes | None:
        data = self._values.pop(ref, None)
        if data is not None:
            self._size -= len(data)
        return data


class EvidenceStore:
    """All segments of one request."""

    def __init__(self, folder: Path, catalogue: Catalogue, request_id: str) -> None:
        """Open the store, making its folder when it is new."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._catalogue = catalogue
        self._request_id = request_id
        self._files: dict[str, BinaryIO] = {}
        self._kept: _Kept | None = None
        self._unpacker = zstandard.ZstdDecompressor()
        self._lock = threading.Lock()  # the reading pages read from several threads

    def writer(self, name: str) -> SegmentWriter:
        """Start a new segment; ``name`` is unique to the attempt."""
        return SegmentWriter(self.folder, f"{name}.seg", self._kept)

    def hold_written(self) -> None:
        """Keep what is written from now on in memory for the step that reads it next, within limits.

        What was kept until now is let go: call it where a batch begins.
        """
        self._kept = _Kept()

    # -- rows

    def find(self, digests: Iterable[str]) -> dict[str, BlobRef]:
        """Return the places of those digests that the catalogue knows."""
        found: dict[str, BlobRef] = {}
        with self._catalogue.read() as connection:
            for piece in chunked(sorted(set(digests)), 500):
                found.update(self.find_in(connection, piece))
        return found

    def find_in(self, connection: sa.Connection, digests: Iterable[str]) -> dict[str, BlobRef]:
        """As ``find``, within a transaction of the caller; at most 500 digests."""
        b = t.blobs.c
        rows = connection.execute(
            sa.select(b.sha256, b.segment, b.offset, b.size_bytes, b.stored_bytes).where(
                b.request_id == self._request_id, b.sha256.in_(list(digests))
            )
        )
        return {row[0]: BlobRef(*row) for row in rows}

    def rows(self, refs: Iterable[BlobRef]) -> list[dict[str, object]]:
        """Return catalogue rows for new records, to be inserted where the digest is not there yet."""
        return [
            {
                "request_id": self._request_id,
                "sha256": ref.sha256,
                "segment": ref.segment,
                "offset": ref.offset,
                "size_bytes": ref.size_bytes,
                "stored_bytes": ref.stored_bytes,
            }
            for ref in refs
        ]

    # -- reading

    def get(self, sha256: str) -> bytes:
        """Return the bytes of a digest, checked.

        Raises:
            ItemError: ``unreadable``: no such record, or it was removed; ``corrupt``: it is damaged.
        """
        ref = self.find([sha256]).get(sha256)
        if ref is None:
            raise ItemError(Reason.UNREADABLE, "not_in_store")
        return self.read(ref)

    def read(self, ref: BlobRef) -> bytes:
        """Return the bytes a reference points to, checked against its digest.

        After ``hold_written``, a value just written is given once from memory, as it was hashed and packed.

        Raises:
            ItemError: ``corrupt`` when the record or its bytes are not what they were; ``unreadable`` when
                the segment is gone.
        """
        with self._lock:
            kept = self._kept.take(ref) if self._kept is not None else None
            if kept is not None:
                return kept
            file = self._segment(ref.segment)
            # Records are read here and there: one call to the system each, and nothing read ahead.
            record = os.pread(file.fileno(), RECORD_BYTES + ref.stored_bytes, ref.offset)
            codec, digest, size, _ = _parse(record[:RECORD_BYTES])
            if digest != ref.sha256 or size != ref.size_bytes:
                raise ItemError(Reason.CORRUPT, "evidence_header")
            data = record[RECORD_BYTES:]
            if codec == _ZSTD:
                try:
                    data = self._unpacker.decompress(data, max_output_size=size)
                except zstandard.ZstdError as error:
                    raise ItemError(Reason.CORRUPT, "evidence_packing") from error
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            raise ItemError(Reason.CORRUPT, "evidence_digest")
        return data

    def stream(self, ref: BlobRef) -> BinaryIO:
        """Return a readable, seekable stream, checked; large values are unpacked to a temporary file."""
        if ref.size_bytes <= IN_MEMORY_BYTES:
            return BytesIO(self.read(ref))
        out = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
        digest = hashlib.sha256()
        try:
            for chunk in self._chunks(ref):
                digest.update(chunk)
                out.write(chunk)
        except zstandard.ZstdError as error:
            out.close()
            raise ItemError(Reason.CORRUPT, "evidence_packing") from error
        if digest.hexdigest() != ref.sha256:
            out.close()
            raise ItemError(Reason.CORRUPT, "evidence_digest")
        out.seek(0)
        return out

    def _chunks(self, ref: BlobRef) -> Iterator[bytes]:
        with (self.folder / ref.segment).open("rb") as file:
            file.seek(ref.offset)
            codec, digest, _, stored = _parse(file.read(RECORD_BYTES))
            if digest != ref.sha256:
                raise ItemError(Reason.CORRUPT, "evidence_header")
            window = _Window(file, stored)
            if codec == _PLAIN:
                while chunk := window.read(_CHUNK):
                    yield chunk
            else:
                yield from zstandard.ZstdDecompressor().read_to_iter(
                    cast("IO[bytes]", window), read_size=_CHUNK
                )

    def _segment(self, name: str) -> BinaryIO:
        file = self._files.get(name)
        if file is None:
            if len(self._files) >= 64:
                for old in self._files.values():
                    old.close()
                self._files.clear()
            try:
                file = (self.folder / name).open("rb")
            except OSError as error:
                raise ItemError(Reason.UNREADABLE, "segment_missing") from error
            self._files[name] = file
        return file

    def close(self) -> None:
        """Close the open segments."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    # -- care

    def scan(self, segment: str) -> Iterator[BlobRef]:
        """Walk a segment without the catalogue; stops at the first record that is torn or damaged."""
        path = self.folder / segment
        end = path.stat().st_size
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return
            offset = len(MAGIC)
            while offset + RECORD_BYTES <= end:
                try:
                    _, digest, size, stored = _parse(file.read(RECORD_BYTES))
                except ItemError:
                    return
                if offset + RECORD_BYTES + stored > end:
                    return
                yield BlobRef(digest, segment, offset, size, stored)
                offset += RECORD_BYTES + stored
                file.seek(offset)

    def verify(self, progress: Callable[[int], None] | None = None) -> StoreReport:
        """Read every record that a row points to and compare its digest; count what no row points to."""
        damaged: list[str] = []
        refs = self._all_refs()
        for ref in refs:
            try:
                for_check = hashlib.sha256()
                for chunk in self._chunks(ref):
                    for_check.update(chunk)
                if for_check.hexdigest() != ref.sha256:
                    damaged.append(ref.sha256)
            except (ItemError, OSError, zstandard.ZstdError):
                damaged.append(ref.sha256)
            if progress is not None:
                progress(1)
        used = {(ref.segment, ref.offset) for ref in refs}
        orphans = torn = 0
        for path in sorted(self.folder.glob("*.seg")):
            end = len(MAGIC)
            for ref in self.scan(path.name):
                orphans += (ref.segment, ref.offset) not in used
                end = ref.offset + RECORD_BYTES + ref.stored_bytes
            torn += end < path.stat().st_size
        return StoreReport(len(refs), tuple(damaged), orphans, torn)

    def repair(self) -> StoreReport:
        """Remove orphan records and torn tails, then verify. Damaged records are reported, never dropped."""
        used: dict[str, list[BlobRef]] = {}
        for ref in self._all_refs():
            used.setdefault(ref.segment, []).append(ref)
        for path in sorted(self.folder.glob("*.seg")):
            keep = used.get(path.name, [])
            if not keep:
                path.unlink()
                continue
            found = list(self.scan(path.name))
            end = found[-1].offset + RECORD_BYTES + found[-1].stored_bytes if found else 0
            if len(found) != len(keep) or end != path.stat().st_size:
                self._rewrite(path.name, keep)
        sync_folder(self.folder)
        return self.verify()

    def remove(self, sha256: str, *, by: str, why: str, authority: str) -> None:
        """Take one value out for good: its segment is rewritten without it and a tombstone row stays.

        Args:
            sha256: What to remove; every item with these bytes loses them.
            by: Who decided.
            why: The reason.
            authority: The rule or order it rests on.

        Raises:
            CheckFailed: The store has no such value.
        """
        ref = self.find([sha256]).get(sha256)
        if ref is None:
            raise CheckFailed("the evidence store has no value with this digest; nothing was removed")
        keep = [r for r in self._all_refs() if r.segment == ref.segment and r.sha256 != sha256]
        tombstone = {
            "request_id": self._request_id,
            "sha256": sha256,
            "at": now_text(),
            "by": by,
            "why": why,
            "authority": authority,
        }
        self._rewrite(ref.segment, keep, removed=tombstone)

    def _rewrite(self, segment: str, keep: list[BlobRef], removed: dict[str, str] | None = None) -> None:
        """Copy what is kept into a new segment, move the rows in one transaction, delete the old file."""
        stem, _, turn = segment.removesuffix(".seg").partition("~")
        name = f"{stem}~{int(turn or 0) + 1}.seg"
        old = self._files.pop(segment, None)
        if old is not None:
            old.close()
        moved: list[BlobRef] = []
        (self.folder / name).unlink(missing_ok=True)  # left by a rewrite that was cut short
        with (
            _disk_errors(),
            (self.folder / segment).open("rb") as source,
            (self.folder / name).open("xb") as out,
        ):
            out.write(MAGIC)
            for ref in sorted(keep, key=lambda r: r.offset):
                moved.append(BlobRef(ref.sha256, name, out.tell(), ref.size_bytes, ref.stored_bytes))
                source.seek(ref.offset)
                window = _Window(source, RECORD_BYTES + ref.stored_bytes)
                while chunk := window.read(_CHUNK):
                    out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        sync_folder(self.folder)
        b = t.blobs.c
        with self._catalogue.write() as connection:
            if removed is not None:
                connection.execute(
                    t.blobs.delete().where(b.request_id == self._request_id, b.sha256 == removed["sha256"])
                )
                connection.execute(t.tombstones.insert(), removed)
            if moved:
                connection.execute(
                    t.blobs.update()
                    .where(b.request_id == self._request_id, b.sha256 == sa.bindparam("key"))
                    .values(segment=name, offset=sa.bindparam("place")),
                    [{"key": ref.sha256, "place": ref.offset} for ref in moved],
                )
        (self.folder / segment).unlink()
        if not moved:
            (self.folder / name).unlink()
        sync_folder(self.folder)

    def _all_refs(self) -> list[BlobRef]:
        b = t.blobs.c
        with self._catalogue.read() as connection:
            rows = connection.execute(
                sa.select(b.sha256, b.segment, b.offset, b.size_bytes, b.stored_bytes)
                .where(b.request_id == self._request_id)
                .order_by(b.segment, b.offset)
            )
            return [BlobRef(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What ``verify`` found.

    Attributes:
        checked: Records that a row points to.
        damaged: Digests whose record is missing or not what it was.
        orphans: Records that no row points to: harmless, removed by ``repair``.
        torn: Segments that end in a piece of a record: harmless, likewise.
    """

    checked: int
    damaged: tuple[str, ...]
    orphans: int
    torn: int


class _Window:
    """The next ``left`` bytes of a file, as a stream."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def read(self, size: int = -1) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        data = self._file.read(size)
        self._left -= len(data)
        return data


class _disk_errors:  # noqa: N801 - reads as a statement
    """Turns a full or failing disk into an error that says what to do."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, FileExistsError):
            raise Incomplete(
                f"the evidence folder cannot be written ({error.strerror}); "
                "make room or restore access, then run the same command again to resume"
            ) from error


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file's name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(codec: int, sha256: str, size: int, stored: int) -> bytes:
    head = _RECORD.pack(b"RC01", codec, bytes.fromhex(sha256), size, stored)
    return head + _CRC.pack(zlib.crc32(head))


def _parse(header: bytes) -> tuple[int, str, int, int]:
    if len(header) != RECORD_BYTES or _CRC.unpack_from(header, _RECORD.size)[0] != zlib.crc32(
        header[: _RECORD.size]
    ):
        raise ItemError(Reason.CORRUPT, "evidence_header")
    magic, codec, digest, size, stored = _RECORD.unpack_from(header)
    if magic != b"RC01" or codec not in {_ZSTD, _PLAIN}:
        raise ItemError(Reason.CORRUPT, "evidence_header")
    return codec, digest.hex(), size, stored


def _read_full(stream: BinaryIO, size: int) -> bytes:
    """Read up to ``size`` bytes, however short the stream's own reads are."""
    pieces: list[bytes] = []
    left = size
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
