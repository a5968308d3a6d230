"""Secret keys in files of their own: mode 0600, written whole or not at all, never shown.

One way for every key of a home: the one that signs bundles, and those that lock the passwords of requests.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from records.errors import AccessError, SettingsError
from records.evidence import sync_folder


def make(path: Path, data: bytes) -> None:
    """Write a new key beside its name and link it there: of two processes one wins and both read its key.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    sync_folder(path.parent)


def read(path: Path, what: str) -> bytes:
    """Return the bytes of a key.

    Args:
        path: Its file.
        what: It in words, for messages, such as ``the signing key``.

    Raises:
        SettingsError: Others than its owner may read it.
        AccessError: It cannot be read.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(
                f"{what} can be read by others (mode {mode:04o}); set it to 0600, and think about a new key"
            )
        return path.read_bytes()
    except OSError as error:
        raise AccessError(f"{what} in the home cannot be read ({error.strerror})") from error


def destroy(path: Path) -> None:
    """Overwrite a file in its place and remove it; harmless when it is gone.

    Some disks keep what was overwritten, so what a key locks goes with it.

    Raises:
        OSError: It cannot be removed.
    """
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)
    except FileNotFoundError:
        return
