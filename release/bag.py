"""Folders that are there whole or not at all, and a BagIt 1.0 writer (RFC 8493).

Written here because the Library of Congress library (public domain, 1.9) still writes version 0.97; a test
cross-checks our bags with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from records.errors import AccessError, CheckFailed, Incomplete, UsageError
from records.evidence import sync_folder
from release import verifier

_CHUNK = 1 << 20


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Build a folder beside its final name and rename it last.

    Yields:
        The folder to fill. When the block ends well it is made durable and gets its name; when it does not,
        it is removed. After a kill a ``.NAME.….partial`` folder may be left, which looks like what it is.

    Raises:
        UsageError: ``out`` exists already; nothing is ever overwritten.
        AccessError: The place cannot be written.
        Incomplete: The disk is full.
    """
    _refuse_existing(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    except OSError as error:
        raise AccessError(f"the output folder cannot be made ({error.strerror})") from error
    try:
        yield building
        building.chmod(0o755)
        for folder, _, _ in os.walk(building, topdown=False):
            sync_folder(Path(folder))
        _refuse_existing(out)
        building.rename(out)
        sync_folder(out.parent)
    except OSError as error:
        raise Incomplete(
            f"the bundle cannot be written ({error.strerror}); make room or restore access and run again"
        ) from error
    finally:
        if building.exists():
            shutil.rmtree(building, ignore_errors=True)


def _refuse_existing(out: Path) -> None:
    if os.path.lexists(out):
        raise UsageError("the output folder exists already; name a new one (nothing is overwritten)")


def write_file(path: Path, data: bytes, at_s: int, mode: int = 0o644) -> None:
    """Write a new file durably, with a fixed time so that the same input gives the same folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        _finish(file, at_s, mode)


def _finish(file: BinaryIO, at_s: int, mode: int) -> None:
    file.flush()
    os.fchmod(file.fileno(), mode)
    os.utime(file.fileno(), (at_s, at_s))
    os.fsync(file.fileno())


class BagWriter:
    """Fills one bag. Payload first, then ``close``, then perhaps ``sign``."""

    def __init__(self, root: Path, at_s: int) -> None:
        """Start a bag in a folder that is made.

        Args:
            root: The bag's folder.
            at_s: Time of every file, seconds since 1970.
        """
        root.mkdir()
        self._root, self._at_s = root, at_s
        self._digests: dict[str, str] = {}
        self._names: set[str] = set()
        self._bytes = 0

    def add(self, path: str, data: bytes) -> str:
        """Add a payload file; ``path`` is relative to ``data/``.

        Returns:
            Its SHA-256.
        """
        name = self._claim(path)
        write_file(self._root / name, data, self._at_s)
        self._digests[name] = hashlib.sha256(data).hexdigest()
        self._bytes += len(data)
        return self._digests[name]

    def add_stream(self, path: str, stream: BinaryIO) -> str:
        """Add a payload file of any size from a stream.

        Returns:
            Its SHA-256.
        """
        name = self._claim(path)
        digest = hashlib.sha256()
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                self._bytes += file.write(chunk)
            _finish(file, self._at_s, 0o644)
        self._digests[name] = digest.hexdigest()
        return self._digests[name]

    def _claim(self, path: str) -> str:
        name = f"data/{path}"
        key = unicodedata.normalize("NFC", name).casefold()
        if key in self._names or any(part in {"", ".", ".."} for part in name.split("/")):
            raise CheckFailed("two payload files with one name, or a name that is a path")
        self._names.add(key)
        return name

    def close(self, info: Mapping[str, str]) -> bytes:
        """Write the tag files.

        Args:
            info: Further lines of ``bag-info.txt``; ``Payload-Oxum`` is added.

        Returns:
            The tag manifest, which is what a signature signs.
        """
        lines = {**info, "Payload-Oxum": f"{self._bytes}.{len(self._digests)}"}
        tags = {
            "bag-info.txt": "".join(f"{key}: {lines[key]}\n" for key in sorted(lines)).encode(),
            "bagit.txt": verifier.BAGIT,
            verifier.MANIFEST: _manifest(self._digests),
            "verify.py": Path(verifier.__file__).read_bytes(),
        }
        for name, data in tags.items():
            write_file(self._root / name, data, self._at_s)
        tag_manifest = _manifest({name: hashlib.sha256(data).hexdigest() for name, data in tags.items()})
        write_file(self._root / verifier.TAG_MANIFEST, tag_manifest, self._at_s)
        return tag_manifest

    def write_signature(self, data: bytes) -> None:
        """Write ``signature.json``, the one file that no manifest lists."""
        write_file(self._root / verifier.SIGNATURE, data, self._at_s)


def _manifest(digests: Mapping[str, str]) -> bytes:
    """One line a file, sorted; in paths %, CR and LF are percent-encoded (RFC 8493 section 2.1.3)."""
    return "".join(f"{digests[name]}  {_encoded(name)}\n" for name in sorted(digests)).encode()


def _encoded(name: str) -> str:
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
