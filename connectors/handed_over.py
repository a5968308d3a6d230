"""Files that a person handed over: what lies at a path, a receipt for each, whether it is still that file."""

from __future__ import annotations

import hashlib
import os
import stat

from connectors.folders import storable
from records.canonical import now_text
from records.declarations import Receipt


def real(path: str) -> str:
    """Return a path from the root on, links resolved."""
    return os.path.realpath(path)


def files_at(path: str) -> dict[str, str]:
    """Return the files at a path, by the path that a receipt has, in order.

    Links in a folder are not followed, as no connector follows them. Empty where no file is there.

    Raises:
        OSError: A folder cannot be read.
    """
    if not os.path.isdir(path):
        return {storable(path): path} if os.path.isfile(path) else {}
    found = {}
    for folder, folders, names in os.walk(path, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            file = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(file).st_mode):
                found[storable(file)] = file
    return found


def _raise(error: OSError) -> None:
    raise error


def receipt(file: str) -> Receipt:
    """Read a file and return its receipt.

    Raises:
        OSError: It cannot be read.
    """
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        about = os.fstat(stream.fileno())
    return Receipt(storable(file), digest, about.st_size, about.st_mtime_ns, now_text())


def differs(file: str, given: Receipt) -> bool:
    """Tell whether a file is not, or cannot be shown to be, the one that a receipt was given for.

    It is read again only when its size is that of the receipt and its time is not.
    """
    try:
        about = os.stat(file)
        if about.st_size != given.size_bytes:
            return True
        return about.st_mtime_ns != given.modified_ns and receipt(file).sha256 != given.sha256
    except OSError:
        return True


def lies_at(path: str, place: str) -> bool:
    """Tell whether the path of a receipt is a place, or below it."""
    root = storable(real(place))
    return path == root or path.startswith(root + os.sep)
