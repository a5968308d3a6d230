"""What the export services of Google Vault and Microsoft Purview have in common, as the desk asks them.

A service makes an export in minutes to days, keeps its files for some days, and then deletes them. Nothing
here writes a file: bytes are handed out in blocks, from any offset, and the desk keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connectors.folders import storable
from records.errors import Retryable
from records.models import SourceContext, Window

_UNSAFE = re.compile(r"[\x00-\x1f/\\:*?\"<>|]")
_NAME_LENGTH = 200


class State(StrEnum):
    """Where an export stands at its service."""

    RUNNING = "running"
    DONE = "done"
    PARTLY = "partly"  # done, and the service says that something of it failed; its reports say what
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of an export at its service.

    Attributes:
        name: As it is kept here; never a path.
        size_bytes: As the service states it, or None.
        md5: In lower-case hex as the service states it, or None.
        place: For the service's own ``blocks``: a link or an object's name; may hold a secret, never shown.
    """

    name: str
    size_bytes: int | None
    md5: str | None
    place: str


@dataclass(frozen=True, slots=True)
class RemoteExport:
    """An export at its service.

    Attributes:
        id: The service's own.
        state: Where it stands.
        files: Empty until it is done.
        ended_at: When it was done, aware UTC; None while it runs or where the service does not tell.
        detail: Short code of a failure, without content.
    """

    id: str
    state: State
    files: tuple[RemoteFile, ...] = ()
    ended_at: datetime | None = None
    detail: str = ""


class Interrupted(Retryable):
    """A download broke off; what came is kept, and it goes on from there."""


class ExportService(Protocol):
    """One export service, as one source asks it.

    Attributes:
        kept_days: Days after which the service deletes the files of an export.
        sums: The service states an MD5 of each file.
    """

    kept_days: int
    sums: bool

    def find(self, name: str) -> RemoteExport | None:
        """Return the newest export of this name, or None."""

    def create(self, name: str, window: Window) -> RemoteExport:
        """Start an export; never called while ``find`` knows one of the name."""

    def get(self, export_id: str) -> RemoteExport | None:
        """Return an export as it stands now; None when the service knows it no more."""

    def blocks(self, file: RemoteFile, offset: int) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Open a file from ``offset``.

        Returns:
            Where the bytes really begin (0 when the service cannot begin elsewhere), and the bytes.

        Raises:
            Interrupted: The connection was cut.
            Retryable: The service is busy or away for longer than the connection's patience.
            AccessError: The file is gone, or may not be read.
        """

    def close(self) -> None:
        """End its connections."""


def file_names(stated: list[str]) -> list[str]:
    """Return names that can be kept in one folder, in the order of what the service states.

    The last part of each path; what no file system takes is replaced; a second use of a name is numbered.
    """
    names: list[str] = []
    for path in stated:
        last = storable(path.replace("\\", "/").rpartition("/")[2])
        name = _UNSAFE.sub("_", last)[:_NAME_LENGTH].strip(". ") or "file"
        number, unique = 1, name
        while unique.casefold() in {other.casefold() for other in names}:
            number += 1
            stem, dot, suffix = name.rpartition(".")
            unique = f"{stem} ({number}).{suffix}" if dot else f"{name} ({number})"
        names.append(unique)
    return names


def holders(context: SourceContext) -> list[str]:
    """Return whose data an export is asked for: ``accounts``, else the source's account."""
    asked = [one.strip() for one in context.options.get("accounts", "").split(",")]
    return [one for one in asked if one] or ([context.account] if context.account else [])
