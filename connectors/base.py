"""What the connectors of files have in common: their context, the proof of access, opening by handle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import BinaryIO, ClassVar

from connectors.bytesource import open_handle
from records.errors import AccessError, ItemError, SettingsError
from records.models import FoundItem, SourceContext, Unreached
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

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given.
        """
        check_access(self._context.source_id, self._path)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a stream of native bytes; valid until the next item is drawn.

        Raises:
            ItemError: The bytes cannot be had after all.
        """
        return open_handle(item.handle)


def still_there(path: str) -> None:
    """Raise ItemError (``unreadable``, ``scope_gone``) when a path went away after it was checked."""
    if not os.path.lexists(path):
        raise ItemError(Reason.UNREADABLE, "scope_gone")


def check_access(source_id: str, path: str) -> None:
    """Raise AccessError when ``path`` is missing or may not be read."""
    if not os.path.exists(path):
        msg = f"source {source_id}: nothing at its path; check `path` in the request file"
        raise AccessError(msg)
    needed = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    if not os.access(path, needed):
        msg = f"source {source_id}: its path may not be read; give the account that runs this read access"
        raise AccessError(msg)
