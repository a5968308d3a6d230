"""What the connectors of files have in common: their context, the proof of access, opening by handle."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import BinaryIO, ClassVar

from connectors.bytesource import open_handle
from records.errors import AccessError, ItemError, SettingsError
from records.models import ExportPath, FoundItem, SourceContext, Unreached
from records.vocabulary import Reason


class FileConnector:
    """Base of connectors whose source is a file or a folder; see ``connectors.protocol`` for the contract."""

    name: ClassVar[str]
    places: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, str]] = {}
    named_files: ClassVar[tuple[str, ...]] = ()

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        self._context = context

    @property
    def _path(self) -> str:
        if not self._context.path:
            msg = f"source {self._context.source_id}: needs `path` in the request file"
            raise SettingsError(msg)
        path = self._context.path
        # the operator may name a link; links inside the source are another matter
        return os.path.realpath(path) if os.path.isfile(path) and os.path.islink(path) else path

    def check_settings(self) -> None:
        """Check path and options.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, or the request file names something that this does not know.
        """
        self._check_names()
        self.check()

    def _check_names(self) -> None:
        """Raise SettingsError for places, which files have none of, and for options that are not known."""
        source = f"source {self._context.source_id}"
        if self._context.places:
            raise SettingsError(f"{source}: places: {self.name} has none to choose from; remove `places`")
        if unknown := sorted(set(self._context.options) - set(self.options)):
            known = ", ".join(sorted(self.options)) or "none"
            raise SettingsError(f"{source}: options: {', '.join(unknown)} not known; known: {known}")

    def unreached(self) -> Iterator[Unreached]:
        """Return nothing: every file is in a scope."""
        return iter(())

    def paths(self) -> Iterator[ExportPath] | None:
        """Return every path of an export with its fate; None where every file is an item by itself.

        Each zip that is opened is a path, and so is each of its members.
        """
        return None

    def roots(self) -> list[str]:
        """Return the files and folders that the export lies in."""
        return [self._path]

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given.
        """
        check_access(self._context.source_id, self._path)

    def stamp(self) -> str:
        """Return what tells the files at the path from others at the same path: names, sizes, times, inodes.

        Reads no content; a file that cannot be looked at counts by its name.
        """
        digest = hashlib.sha256()
        for folder, folders, names in os.walk(self._path):
            folders.sort()
            for name in sorted(names):
                digest.update(_look(os.path.join(folder, name)))
        digest.update(_look(self._path))
        return digest.hexdigest()

    def changed_since(self, at: datetime) -> bool:
        """Tell whether something at the path came, went or changed after a time, by its clock.

        Reads no content; ends at the first that did.
        """
        since = at.timestamp()
        return any(_touched(path) > since for path in _tree(self._path))

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a stream of native bytes; valid until the next item is drawn.

        Raises:
            ItemError: The bytes cannot be had after all.
        """
        return open_handle(item.handle)


def stamp_of(connector: object) -> str | None:
    """Return the stamp of a connector of files; None for one of a service."""
    return connector.stamp() if isinstance(connector, FileConnector) else None


def _tree(path: str) -> Iterator[str]:
    """Yield a path and all below it; a folder is touched when a file comes into it or goes."""
    yield path
    for folder, folders, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in (*folders, *names))


def _touched(path: str) -> float:
    try:
        about = os.stat(path, follow_symlinks=False)
    except OSError:
        return float("inf")
    return max(about.st_mtime, about.st_ctime)


def _look(path: str) -> bytes:
    try:
        about = os.stat(path, follow_symlinks=False)
    except OSError:
        return os.fsencode(path) + b"\0\n"
    seen = "" if stat.S_ISDIR(about.st_mode) else f"{about.st_size} {about.st_mtime_ns} {about.st_ino}"
    return os.fsencode(path) + f"\0{seen}\n".encode()


def still_there(path: str) -> None:
    """Raise ItemError (``unreadable``, ``scope_gone``) when a path went away after it was checked."""
    if not os.path.lexists(path):
        raise ItemError(Reason.UNREADABLE, "scope_gone")


def looks_like(path: str, name: str) -> str:
    """Return the connector that a file or folder looks to be for; empty when none, or none but ``name``."""
    from connectors.guessing import guess  # loads the connectors of files

    other = guess(path)
    return "" if other in {name, "loose_files"} else other


def not_one(source_id: str, what: str, path: str, name: str) -> SettingsError:
    """Return what to say when nothing at a path is what a connector reads.

    Args:
        source_id: Of the source.
        what: What should be there.
        path: The path.
        name: Of the connector.
    """
    source = f"source {source_id}"
    if os.path.isdir(path) and not os.listdir(path):
        return SettingsError(f"{source}: its folder is empty; put the {what} there, or correct `path`")
    other = looks_like(path, name)
    hint = f"; it looks like something for `{other}`" if other else ""
    return SettingsError(f"{source}: no {what} at its path; check `path` and `connector`{hint}")


def check_access(source_id: str, path: str) -> None:
    """Raise AccessError when ``path`` is missing or may not be read."""
    if not os.path.exists(path):
        msg = f"source {source_id}: nothing at its path; check `path` in the request file"
        raise AccessError(msg)
    needed = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    if not os.access(path, needed):
        msg = f"source {source_id}: its path may not be read; give the account that runs this read access"
        raise AccessError(msg)
