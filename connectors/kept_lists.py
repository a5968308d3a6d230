"""A service's list, kept in the run's scratch folder for all parts that were cut from it.

Some lists cannot be narrowed down: each part of a place would ask for all of it again. Its name is the hash
of what is in it, and is part of the description of each part, so that a part never finds another list than
the one that it was cut from.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from records import canonical

_LEVEL = 1
"""Of compression: names and times of files shrink to a tenth, and it costs less than asking again."""


def keep(scratch: str | None, place: str, values: Iterable[Any]) -> str:
    """Keep a list of JSON values, whole or not at all; return its name, empty where it is not kept.

    An older list of the same place goes.

    Args:
        scratch: The run's folder for such files; None for none.
        place: What the list is of.
        values: In the order in which ``kept`` gives them.
    """
    if scratch is None:
        return ""
    begins = f"list-{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}-"
    digest = hashlib.sha256()
    with contextlib.suppress(OSError):  # it is asked for again then; a full disk is told where it matters
        folder = Path(scratch)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, fresh = tempfile.mkstemp(dir=folder, prefix=".list-")
        try:
            with (
                os.fdopen(descriptor, "wb") as out,
                gzip.GzipFile(fileobj=out, mode="wb", compresslevel=_LEVEL, filename="", mtime=0) as packed,
            ):
                for value in values:
                    line = canonical.dumps(value).encode("utf-8", "surrogatepass") + b"\n"
                    digest.update(line)
                    packed.write(line)
            name = f"{begins}{digest.hexdigest()[:32]}"
            for old in folder.glob(f"{begins}*"):
                old.unlink(missing_ok=True)
            os.replace(fresh, folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
        return name
    return ""


def kept(scratch: str | None, name: str) -> Iterator[Any] | None:
    """Return the values of a list that was kept; None where it is not there, or not whole."""
    if scratch is None or not name:
        return None
    path = Path(scratch) / name
    digest = hashlib.sha256()
    try:
        with gzip.open(path, "rb") as packed:
            for line in packed:
                digest.update(line)
    except (OSError, EOFError, zlib.error):
        return None
    return _values(path) if name.endswith(digest.hexdigest()[:32]) else None


def _values(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rb") as packed:
        for line in packed:
            yield json.loads(line.decode("utf-8", "surrogatepass"))
