"""Where mail lies: Maildir, mbox, mbox.gz, a zip of .eml. Each store writes a message and names its key.

The keys are worked out here by the definition of an item's native key, never by a reader.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import re
import zipfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from examples.district.asks import Source
from examples.district.documents import ZIP_TIME

ENCRYPTED, FLAGS_AT = 0x1, 6
"""Flag of a member, and where the flags stand in its local header (APPNOTE 4.3.7, 4.4.4)."""

_FROM_LINE = re.compile(rb"^(>*From )", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a message went.

    Attributes:
        native_key: As design section 4 defines it for this kind of store.
        sha256: Of the native bytes; so ``size``.
    """

    scope: str
    native_key: str
    name: str | None
    sha256: str
    size: int


class Store(Protocol):
    """A place that takes messages."""

    source: Source

    def add(self, message: bytes, at: datetime, folder: str) -> Placed:
        """Write one message (LF line ends); ``folder`` is ``Inbox`` or ``Sent``."""

    def close(self) -> None:
        """Finish the files."""


class Maildir:
    """A Maildir++ of one custodian, with folders for sent and archived mail; ``new`` is unread mail."""

    _FLAGS = (":2,S", ":2,RS", ":2,", ":2,FS", ":2,S", ":2,S")

    def __init__(self, root: Path, source: Source) -> None:
        self.source = source
        self._path = str(root / source.path)
        self._count = 0
        for folder in ("", ".Sent/", ".Archive/"):
            for part in ("cur", "new", "tmp"):
                (root / source.path / folder / part).mkdir(parents=True, exist_ok=True)

    def add(self, message: bytes, at: datetime, folder: str) -> Placed:
        """Write one message; every 41st is still in ``new``, every 13th is in the archive folder."""
        self._count += 1
        n = self._count
        sub = ".Sent/" if folder == "Sent" else ".Archive/" if n % 13 == 0 else ""
        part, flags = ("new", "") if n % 41 == 0 and not sub else ("cur", self._FLAGS[n % len(self._FLAGS)])
        name = f"{int(at.timestamp())}.M{n:06}P{len(message) % 9973}.mail.aldervalley.example"
        key = f"{sub}{part}/{name}"
        handle = os.open(f"{self._path}/{key}{flags}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(handle, message)
        finally:
            os.close(handle)
        scope = sub.strip("./") or "INBOX"
        return Placed(scope, key, name, hashlib.sha256(message).hexdigest(), len(message))

    def close(self) -> None:
        """Nothing is left open."""


class Mbox:
    """An mbox in the mboxrd manner: ``>`` before every ``From `` that starts a line.

    The native bytes are what stands in the file after the ``From `` line, up to and without the blank line.
    """

    def __init__(
        self, source: Source, scope: str, stream: IO[bytes] | gzip.GzipFile, *, crlf: bool = False
    ) -> None:
        self.source = source
        self._scope = scope
        self._stream = stream
        self._crlf = crlf
        self._equals: Counter[str] = Counter()
        self.watched = False

    def add(
        self, message: bytes, at: datetime, folder: str, extra: bytes = b"", *, whole: bool = True
    ) -> Placed:
        """Write one message.

        Args:
            message: LF line ends, final newline.
            at: For the ``From `` line.
            folder: Not kept by an mbox.
            extra: Header lines to put first (labels), each with its newline.
            whole: False for a last message that was cut off: neither newline nor blank line follows.
        """
        del folder
        native = _FROM_LINE.sub(rb">\1", extra + message)
        mark = f"From MAILER@aldervalley.example {at:%a %b %d %H:%M:%S %Y}\n".encode()
        end = b"\n" if whole else b""
        if self._crlf:
            native, mark, end = (b.replace(b"\n", b"\r\n") for b in (native, mark, end))
        self._stream.write(mark + native + end)
        sha256 = hashlib.sha256(native).hexdigest()
        ordinal = 0
        if self.watched:  # bulk messages differ by their ids; only planted ones can be equal
            ordinal = self._equals[sha256]
            self._equals[sha256] += 1
        return Placed(self._scope, f"{sha256}:{ordinal}", None, sha256, len(native))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class MailZip:
    """A zip of .eml files, CRLF as mail programs export them."""

    def __init__(self, root: Path, source: Source, name: str) -> None:
        self.source = source
        self._name = name
        (root / source.path).mkdir(parents=True, exist_ok=True)
        self._zip = zipfile.ZipFile(root / source.path / name, "w", zipfile.ZIP_DEFLATED)
        self._count = 0

    def add(self, message: bytes, at: datetime, folder: str) -> Placed:
        """Write one message as a member; its time in the zip is fixed."""
        del at
        self._count += 1
        member = f"Mailbox/{folder}/{self._count:06}.eml"
        raw = message.replace(b"\n", b"\r\n")
        info = zipfile.ZipInfo(member, ZIP_TIME)
        self._zip.writestr(info, raw, zipfile.ZIP_DEFLATED, 6)
        return Placed(
            self._name,
            f"{self._name}!{member}",
            f"{self._count:06}.eml",
            hashlib.sha256(raw).hexdigest(),
            len(raw),
        )

    def add_locked(self) -> Placed:
        """Write a member that asks for a password: it is found, and cannot be had."""
        self._count += 1
        member = f"Mailbox/Inbox/{self._count:06}.eml"
        self._zip.writestr(zipfile.ZipInfo(member, ZIP_TIME), random.Random(member).randbytes(400))
        info, file = self._zip.getinfo(member), self._zip.fp
        assert file is not None
        info.flag_bits |= ENCRYPTED
        end = file.tell()
        file.seek(info.header_offset + FLAGS_AT)
        file.write(info.flag_bits.to_bytes(2, "little"))
        file.seek(end)
        return Placed(self._name, f"{self._name}!{member}", f"{self._count:06}.eml", "", 0)

    def close(self) -> None:
        """Write the directory of the zip."""
        self._zip.close()


def open_mbox(root: Path, source: Source, stack: ExitStack) -> Mbox:
    """Open an mbox, compressed where its name ends in ``.gz`` (no time, no name inside: same bytes)."""
    path = root / source.path
    path.parent.mkdir(parents=True, exist_ok=True)
    stream: IO[bytes] | gzip.GzipFile = stack.enter_context(path.open("wb"))
    if path.suffix == ".gz":
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6)
    return Mbox(source, path.name, stream)
