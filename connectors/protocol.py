"""The connector protocol: what every source of records does, and nothing else.

A connector yields; the collect room stores. It writes no files, keeps no state between calls, reads no
environment, and is given everything in one frozen ``SourceContext``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable

from records.models import (
    Expected,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)


@runtime_checkable
class Connector(Protocol):
    """One source of records.

    Attributes:
        name: Registry name, as the request file writes it.
        version: Raised when what it yields changes.
        covers: What it reads, a line each.
        does_not_cover: What it leaves, a line each; shown in reports.
        tested_on: Products, versions and counts it was tested on.
        places: Parts of the source that a request file may choose from; empty for files.
        options: Names of further settings that a request file may give this source, each with its meaning.
        named_files: Options that name a file beside the request file; the connector is given its text.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    covers: ClassVar[tuple[str, ...]]
    does_not_cover: ClassVar[tuple[str, ...]]
    tested_on: ClassVar[tuple[str, ...]]
    places: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, str]]
    named_files: ClassVar[tuple[str, ...]]

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""

    def check_settings(self) -> None:
        """Check what the request file says of this source; asks no service.

        Raises:
            AccessError: A path is missing or unreadable.
            SettingsError: A key is missing or has a value it cannot have; the message names it.
        """

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: A path is missing or unreadable, a service refuses; the message says which source id
                and what to do.
            SettingsError: The source is not of this connector's format, or a setting is wrong.
            Retryable: A service is busy or away.
        """

    def scopes(self) -> Iterator[Scope]:
        """List every place that can be searched, in a stable order; an empty one is listed too."""

    def unreached(self) -> Iterator[Unreached]:
        """List what belongs to the source and is not among its scopes, each with why; after ``scopes``."""

    def count(self, scope: Scope) -> Expected:
        """Return the number of top items by a route that shares no code with ``items``, else unknown."""

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope into parts for batches; one part with an empty ``spec`` where it cannot be cut."""

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield what the part holds, in a stable order, parent before child.

        Args:
            part: What to read.
            window: Items surely outside it are yielded as ``ExcludedItem(outside_window)``.
            cursor: The cursor of the last item that is safe, or None from the start.

        Yields:
            One value an item; a bad item is a ``FailedItem`` and costs only itself.

        Raises:
            CursorExpired: The cursor is unknown or too old; raised before anything is yielded. The caller
                announces it and reads again from the start.
            ItemError: The scope cannot be opened at all, or broke off.
            Retryable: A service is busy or away for longer than a connector waits.
        """

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a stream of native bytes, unchanged, never the whole file in memory where it is large.

        Only valid until the next item is drawn from ``items``: streams (gz, zip, XML) do not go back.

        Raises:
            ItemError: The bytes cannot be had after all.
        """
