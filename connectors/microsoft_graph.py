"""Microsoft 365 through Graph, for one account: a table of places, each with its reader.

A further service of Graph is a reader and a line in ``READERS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import BinaryIO, ClassVar, Protocol

from connectors.ahead import Coming, drawn_ahead
from connectors.governor import Governor
from connectors.graph_attachments import Attachments
from connectors.graph_calendar import Calendars
from connectors.graph_mail import Mail, Recoverable
from connectors.microsoft import Service
from connectors.places import PlaceReader, PlacesConnector
from records.errors import SettingsError
from records.models import FoundItem, Part, SourceContext, Window, Yielded

_REQUESTS, _PERIOD_S, _AT_ONCE = 10_000, 600.0, 4
"""What Outlook's part of Graph allows an application on one mailbox
(https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits)."""


class Reader(PlaceReader, Protocol):
    """One place of an account.

    ``open`` is given the items of ``items``, and is called from several threads.

    Attributes:
        right: The application permission it needs.
    """

    right: ClassVar[str]

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""


READERS: dict[str, type[Reader]] = {
    kind.place: kind
    for kind in (
        Mail,
        Recoverable,
        Calendars,
        Attachments,
    )
}
"""Every place there is, in the order it is read in."""


class MicrosoftGraph(PlacesConnector[Reader]):
    """One account of Microsoft 365."""

    name: ClassVar[str] = "microsoft_graph"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = tuple(line for kind in READERS.values() for line in kind.covers)
    does_not_cover: ClassVar[tuple[str, ...]] = tuple(
        line for kind in READERS.values() for line in kind.does_not_cover
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "a fake of Graph that follows Microsoft's published reference; no tenant has been reached yet",
    )
    readers: ClassVar[Mapping[str, type[Reader]]] = READERS
    places: ClassVar[tuple[str, ...]] = tuple(READERS)
    options: ClassVar[Mapping[str, str]] = {
        name: meaning for kind in READERS.values() for name, meaning in kind.options.items()
    }

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield what a part holds; see its reader.

        Raises:
            CursorExpired: The cursor is known no more.
            ItemError: The scope is gone, or broke off.
            AccessError: The account is refused by now; nothing is lost by running again.
            Retryable: The service is busy or away.
        """
        reader = self._of(part.scope)
        items = reader.items(part, window, cursor)
        return drawn_ahead(items, reader.open, self._at_once, self._service.interrupt)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the native bytes, all of which have been received.

        Raises:
            ItemError: They cannot be had after all.
        """
        handle: Coming = item.handle
        return handle.open()

    def _make(self, kind: type[Reader]) -> Reader:
        return kind(self._service, self._context)

    @cached_property
    def _service(self) -> Service:
        connection = self._connection
        governor = Governor(
            f"graph {connection.login} {self._context.account.lower()}",
            at_once=self._at_once,
            requests=self._whole("requests_per_10_minutes", _REQUESTS),
            period_s=_PERIOD_S,
        )
        return Service(self._context.source_id, connection, governor=governor)

    @property
    def _at_once(self) -> int:
        return max(1, self._whole("requests_at_once", _AT_ONCE))

    def _whole(self, name: str, default: int) -> int:
        stated = self._setting(name, str(default))
        if not stated.isdigit():
            raise SettingsError(
                f"source {self._context.source_id}: connection {self._connection.id}: `{name}` in extra is "
                "no whole number"
            )
        return int(stated)
