"""Reading bytes by place: plain files, and streams that only go forward.

The splitters (mbox, XML, JSON) look a little ahead and hand out large records by place, so that none is
ever whole in memory. A plain file is read by offset. A gz or zip stream is kept in a sliding window from the
record in hand to as far as was looked: in memory while small, in an unnamed temporary file while large.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, cast

from records.errors import ItemError
from records.vocabulary import Reason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
"""Bytes read at a time."""

HELD = 1 << 20
"""Records up to this size travel with their item, so that opening one reads nothing twice."""

_IN_MEMORY = 8 << 20

DAMAGED = (zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
"""What packed bytes are that do not unpack."""

Handle = bytes | Callable[[], BinaryIO]
"""What a ``FoundItem`` carries for ``open``: its bytes when small, else what opens it."""


class ByteSource(Protocol):
    """Bytes by place."""

    cut: ItemError | None

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only where the source ends."""

    def release(self, offset: int) -> None:
        """Say that nothing before ``offset`` is asked for again."""

    def close(self) -> None:
        """Close what is open."""


class PlainSource:
    """A plain file, read by offset; never written, links not followed.

    Attributes:
        cut: Always None: a plain file ends where it ends.
    """

    def __init__(self, path: str) -> None:
        """Open the file.

        Raises:
            ItemError: ``unreadable``.
        """
        self.cut: ItemError | None = None
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, errno_code(err)) from err

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer only at the end of the file."""
        try:
            got = os.pread(self._fd, size, offset)
            while got and len(got) < size:
                more = os.pread(self._fd, size - len(got), offset + len(got))
                if not more:
                    break
                got += more
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
        return got

    def release(self, offset: int) -> None:
        """Do nothing: a plain file holds no window."""

    def close(self) -> None:
        """Close the file; harmless the second time."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StreamSource:
    """A stream that only goes forward, with a window to look back to the last ``release``.

    Attributes:
        cut: Why the stream ended before its end (a truncated gz, a bad checksum), or None.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Take over ``stream``; it is closed with this."""
        self.cut: ItemError | None = None
        self._stream = stream
        self._floor = 0
        self._ceiling = 0
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._done = False

    def read_at(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``, which must not lie before what was released."""
        if offset < self._floor:
            msg = "a stream does not go back"
            raise ValueError(msg)
        while self._ceiling < offset + size and not self._done:
            self._pull()
        start = offset - self._floor
        if self._file is None:
            return bytes(memoryview(self._memory)[start : start + size])
        self._file.seek(start)
        return self._file.read(size)

    def release(self, offset: int) -> None:
        """Let go of everything before ``offset``."""
        drop = min(offset, self._ceiling) - self._floor
        if self._file is None:
            if drop >= CHUNK or drop == len(self._memory):
                del self._memory[:drop]
                self._floor += drop
        elif self._ceiling - offset <= CHUNK:
            self._file.seek(drop)
            self._memory = bytearray(self._file.read())
            self._file.close()
            self._file = None
            self._floor += drop

    def close(self) -> None:
        """Close the stream and the window."""
        self._stream.close()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._memory.clear()

    def _pull(self) -> None:
        try:
            got = self._stream.read(CHUNK)
        except ItemError as err:
            self.cut = err
            got = b""
        if not got:
            self._done = True
            return
        self._ceiling += len(got)
        if self._file is None and len(self._memory) + len(got) > _IN_MEMORY:
            self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by release or close
            self._file.write(self._memory)
            self._memory.clear()
        if self._file is None:
            self._memory += got
        else:
            self._file.seek(0, os.SEEK_END)
            self._file.write(got)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GuardedStream(io.RawIOBase):
    """A stream whose faults are item failures with a reason, whatever library reads it."""

    def __init__(self, stream: BinaryIO, also: Callable[[], None] | None = None) -> None:
        """Wrap ``stream``; ``also`` runs when this is closed."""
        super().__init__()
        self._stream = stream
        self._also = also
        self._fault: ItemError | None = None

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into ``buffer``.

        Raises:
            ItemError: ``truncated``, ``corrupt`` or ``unreadable``.
        """
        view = memoryview(buffer).cast("B")
        got = self._guarded(len(view))
        view[: len(got)] = got
        return len(got)

    def read(self, size: int = -1) -> bytes:
        """Read like a buffered file: ``size`` bytes, fewer only at the end.

        What came out before a fault is given out first; the next call raises.
        """
        pieces = []
        left = size if size is not None and size >= 0 else None
        try:
            while left != 0 and (piece := self._guarded(CHUNK if left is None else min(left, CHUNK))):
                pieces.append(piece)
                left = None if left is None else left - len(piece)
        except ItemError as err:
            if not pieces:
                raise
            self._fault = err
        return b"".join(pieces)

    def close(self) -> None:
        """Close the stream, and what was opened for it."""
        if not self.closed:
            self._stream.close()
            if self._also is not None:
                self._also()
        super().close()

    def _guarded(self, size: int) -> bytes:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        try:
            once = getattr(self._stream, "read1", None)  # read() loses what it had when a gz is cut
            data: bytes = self._stream.read(size) if once is None else once(size)
            return data
        except EOFError as err:
            raise ItemError(Reason.TRUNCATED, "stream_cut") from err
        except DAMAGED as err:
            raise ItemError(Reason.CORRUPT, "stream_damaged") from err
        except NotImplementedError as err:
            raise ItemError(Reason.UNSUPPORTED, "compression") from err
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, errno_code(err)) from err


class SpanStream(io.RawIOBase):
    """A stretch of a source as a stream; closing it may close the source."""

    def __init__(self, source: ByteSource, offset: int, length: int, *, owns: bool) -> None:
        """Give ``length`` bytes from ``offset``; ``owns`` says that closing this closes the source."""
        super().__init__()
        self._source = source
        self._at = offset
        self._left = length
        self._owns = owns

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into ``buffer``."""
        view = memoryview(buffer).cast("B")
        got = self._source.read_at(self._at, min(len(view), self._left))
        view[: len(got)] = got
        self._at += len(got)
        self._left -= len(got)
        return len(got)

    def close(self) -> None:
        """Close, and the source with it where this owns it."""
        if not self.closed and self._owns:
            self._source.close()
        super().close()


def region(path: str, offset: int, length: int) -> BinaryIO:
    """Open ``length`` bytes of a plain file from ``offset`` as a stream."""
    return cast(
        "BinaryIO", io.BufferedReader(SpanStream(PlainSource(path), offset, length, owns=True), CHUNK)
    )


def whole(path: str) -> BinaryIO:
    """Open a plain file as a stream, with faults as item failures."""
    return guarded(lambda: cast("BinaryIO", io.FileIO(path, "rb")))


def guarded(opener: Callable[[], BinaryIO], also: Callable[[], None] | None = None) -> BinaryIO:
    """Open a stream whose faults, those of opening included, are item failures."""
    try:
        stream = opener()
    except EOFError as err:
        raise ItemError(Reason.TRUNCATED, "stream_cut") from err
    except (*DAMAGED, UnicodeDecodeError) as err:  # a zip names its members twice, and once in no UTF-8
        raise ItemError(Reason.CORRUPT, "stream_damaged") from err
    except NotImplementedError as err:
        raise ItemError(Reason.UNSUPPORTED, "compression") from err
    except RuntimeError as err:  # zipfile says so of an encrypted member
        raise ItemError(Reason.ENCRYPTED, "zip_password") from err
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    return cast("BinaryIO", GuardedStream(stream, also))


def gunzipped(stream: BinaryIO) -> BinaryIO:
    """Return the unpacked bytes of a gz stream; closing it closes ``stream``."""
    return cast(
        "BinaryIO", GuardedStream(cast("BinaryIO", gzip.GzipFile(fileobj=stream, mode="rb")), stream.close)
    )


def open_handle(handle: Handle) -> BinaryIO:
    """Open what an item carries."""
    if isinstance(handle, bytes):
        return io.BytesIO(handle)
    return handle()


def hash_span(source: ByteSource, offset: int, length: int) -> bytes:
    """Return the SHA-256 of a stretch, read a chunk at a time."""
    digest = hashlib.sha256()
    while length:
        got = source.read_at(offset, min(CHUNK, length))
        if not got:
            break
        digest.update(got)
        offset += len(got)
        length -= len(got)
    return digest.digest()


def span_handle(source: ByteSource, path: str | None, offset: int, length: int) -> Callable[[], BinaryIO]:
    """Return what opens a large record: by place in a plain file, else from the stream's window."""
    if path is not None:
        return lambda: region(path, offset, length)
    return lambda: cast("BinaryIO", io.BufferedReader(SpanStream(source, offset, length, owns=False), CHUNK))


def errno_code(err: OSError) -> str:
    """Return a code such as ``errno_13``: the message of an OSError holds the path."""
    return f"errno_{err.errno}" if err.errno else "os_error"
