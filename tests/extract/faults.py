"""Readers that fail on purpose, one named fault each; never in the production registry.

``Faulty`` does what the item's name says; everything else is read as plain text.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import time
from pathlib import Path
from typing import BinaryIO, ClassVar

from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Child, Extraction
from records.vocabulary import Kind, Reason


def hang_in_python() -> Extraction:
    while True:
        time.sleep(0.01)


def hang_in_native_code() -> Extraction:
    """Sleep with the interpreter's lock held: no Python thread or signal handler can step in."""
    ctypes.PyDLL(None).sleep(3600)
    return Extraction()


def segfault() -> Extraction:
    return Extraction(text=str(ctypes.string_at(0)))


def abort() -> Extraction:
    os.abort()


def leave() -> Extraction:
    os._exit(7)


def bomb_in_python() -> Extraction:
    held = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))


def bomb_in_native_code() -> Extraction:
    """Touch anonymous memory outside Python's own allocator, page by page, without end."""
    held = []
    while True:
        block = mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        block.write(b"x" * (16 << 20))
        held.append(block)


def bomb_of_text() -> Extraction:
    return Extraction(text="x" * (3 << 20))


def bomb_of_children() -> Extraction:
    return Extraction(children=tuple(Child(str(n), None, "a/b", Kind.FILE, b"x" * 100) for n in range(50)))


def bomb_of_child_bytes() -> Extraction:
    return Extraction(children=(Child("1", None, "a/b", Kind.FILE, b"x" * (3 << 20)),))


def recursion() -> Extraction:
    return recursion()


def panic() -> Extraction:
    class PanicException(BaseException):  # as native libraries raise it
        pass

    raise PanicException


def item_error() -> Extraction:
    raise ItemError(Reason.ENCRYPTED, "locked")


def plain_error() -> Extraction:
    raise KeyError("secret words of the record")


def surrogate() -> Extraction:
    return Extraction(text="a\ud800b", metadata={"k\udc00": "v"})


def foreign_answer() -> Extraction:
    """Write something else into the result pipe, as code that was taken over could."""
    for descriptor in range(3, 20):
        try:
            if "pipe" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
                os.write(descriptor, b"\0" * 7 + b"\x05hello")
        except OSError:
            continue
    time.sleep(3600)
    return Extraction()


def close_the_pipe() -> Extraction:
    os.closerange(3, 20)
    time.sleep(3600)
    return Extraction()


def environment() -> Extraction:
    open_files = list(Path("/proc/self/fd").iterdir())
    return Extraction(
        text="\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())), pages=len(open_files)
    )


def surroundings() -> Extraction:
    """Leave a file in /tmp, say what else is there, and try to reach a server on this machine."""
    Path("/tmp/apache-tika-left-over.tmp").write_bytes(b"content of a record")
    seen = sorted(path.name for path in Path("/tmp").iterdir())
    reached = "no network"
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()
        reached = "network"
    except OSError as error:
        reached = errno.errorcode.get(error.errno or 0, "timed out")
    return Extraction(text="\n".join(seen), metadata={"network": reached})


FAULTS = {fault.__name__: fault for fault in (
    hang_in_python, hang_in_native_code, segfault, abort, leave, bomb_in_python, bomb_in_native_code,
    bomb_of_text,
    bomb_of_children, bomb_of_child_bytes, recursion, panic, item_error, plain_error, surrogate,
    foreign_answer,
    close_the_pipe, environment, surroundings,
)}  # fmt: skip


class Faulty:
    """Does what the name of the item says."""

    name: ClassVar[str] = "faulty"
    version: ClassVar[str] = "1"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        return 50

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        if context.name in FAULTS:
            return FAULTS[context.name]()
        return Extraction(text=stream.read().decode())


EXTRACTORS = (Faulty(),)
