"""Files that are there whole or not at all, for readers and after a kill."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file beside its name, then put it there; one that is there is replaced.

    Args:
        path: Its name; the folder exists.
        data: Its bytes.
        mode: Its rights.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the beginning
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
