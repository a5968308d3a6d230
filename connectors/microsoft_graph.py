"""Microsoft 365 through Graph, for one account: a table of places, each with its reader.

A further service of Graph is a reader and a line in ``READERS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import BinaryIO, ClassVar, Protocol

from connectors.ahead import Coming, drawn_ahead
from connectors.graph_attachments import Attachments
from connectors.graph_calendar import Calendars
from connectors.graph_files import OneDrive, Shared, Sites, named
from connectors.graph_limits import OUTLOOK, at_once, governor
from connectors.graph_mail import Mail, Recoverable
from connectors.graph_teams import Channels, Chats, Retained
from connectors.microsoft import Service
from connectors.places import PlaceReader, PlacesConnector
from connectors.service import ADDRESS
from records.errors import SettingsError
from records.models import FoundItem, Part, SourceContext, Window, Yielded


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
        Chats,
        Retained,
        Channels,
        OneDrive,
        Sites,
        Shared,
    )
}
"""Every place there is, in the order it is read in."""

_ACCOUNT = re.compile(rf"{ADDRESS.pattern}|[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}")
"""An address, or the id of a user (https://learn.microsoft.com/graph/api/user-get)."""

_SWITCHES = ("versions",)
"""Options that are ``yes`` or ``no``."""


class MicrosoftGraph(PlacesConnector[Reader]):
    """One account of Microsoft 365."""

    name: ClassVar[str] = "microsoft_graph"
    version: ClassVar[str] = "2"
    covers: ClassVar[tuple[str, ...]] = tuple(line for kind in READERS.values() for line in kind.covers)
    does_not_cover: ClassVar[tuple[str, ...]] = tuple(
        line for kind in READERS.values() for line in kind.does_not_cover
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "a fake of Graph that follows Microsoft's published reference; no tenant has been reached yet",
    )
    readers: ClassVar[Mapping[str, type[Reader]]] = READERS
    places: ClassVar[tuple[str, ...]] = tuple(READERS)
    account_form: ClassVar[re.Pattern[str]] = _ACCOUNT
    options: ClassVar[Mapping[str, str]] = {
        name: meaning for kind in READERS.values() for name, meaning in kind.options.items()
    }

    def check_settings(self) -> None:
        """Check places, options and account as the request file has them; asks no service.

        Raises:
            SettingsError: A key is missing, names something that this connector does not know, or has a
                value it cannot have.
        """
        super().check_settings()
        source, given = f"source {self._context.source_id}", self._context.options
        for place in (Sites.place, Shared.place):
            if named(self._context, place) and not self._wants(place):
                raise SettingsError(
                    f"{source}: options: `{place}` names addresses, and `places` leaves `{place}` out"
                )
        for option in _SWITCHES:
            if given.get(option, "no") not in {"yes", "no"}:
                raise SettingsError(f"{source}: options: `{option}` is neither `yes` nor `no`")

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
        return drawn_ahead(items, reader.open, at_once(self._context), self._service.heed)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the native bytes, all of which have been received.

        Raises:
            ItemError: They cannot be had after all.
        """
        handle: Coming = item.handle
        return handle.open()

    def _must(self, place: str) -> bool:
        """Tell whether a refusal of a place stops the source: also where an option names what is in it."""
        return super()._must(place) or bool(self._context.options.get(place))

    def _make(self, kind: type[Reader]) -> Reader:
        return kind(self._service, self._context)

    @cached_property
    def _service(self) -> Service:
        connection = self._connection
        return Service(self._context.source_id, connection, governor=governor(self._context, OUTLOOK))
