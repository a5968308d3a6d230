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
from connectors.microsoft import Denied, Refused, Service
from connectors.service import ServiceConnector
from records.errors import AccessError, SettingsError
from records.models import Expected, FoundItem, Part, Scope, SourceContext, Unreached, Window, Yielded
from records.vocabulary import Reach

_REQUESTS, _PERIOD_S, _AT_ONCE = 10_000, 600.0, 4
"""What Outlook's part of Graph allows an application on one mailbox
(https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits)."""


class Reader(Protocol):
    """One place of an account. Keys of its scopes begin with the place's name and a stroke.

    ``open`` is given the items of ``items``, and is called from several threads.

    Attributes:
        place: Name of the place, as the request file writes it.
        label: As people read it.
        right: The application permission it needs.
        covers: Lines for the connector's own.
        does_not_cover: Lines for the connector's own.
        options: Further settings that a request file may give, each with its meaning.
    """

    place: ClassVar[str]
    label: ClassVar[str]
    right: ClassVar[str]
    covers: ClassVar[tuple[str, ...]]
    does_not_cover: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, str]]

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""

    def check(self) -> None:
        """Prove access without reading content; raises AccessError."""

    def scopes(self) -> Iterator[Scope]:
        """As in ``connectors.protocol``, and so the others."""

    def unreached(self) -> Iterator[Unreached]:
        """List what belongs to the place and Graph does not lead to."""

    def count(self, scope: Scope) -> Expected:
        """Return the service's own figure."""

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope."""

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield what a part holds."""

    def open(self, item: FoundItem) -> BinaryIO:
        """Return native bytes."""


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


class MicrosoftGraph(ServiceConnector):
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
    places: ClassVar[tuple[str, ...]] = tuple(READERS)
    options: ClassVar[Mapping[str, str]] = {
        name: meaning for kind in READERS.values() for name, meaning in kind.options.items()
    }

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        super().__init__(context)
        self._readers: dict[str, Reader] = {}
        self._refused: dict[str, str] | None = None

    def check(self) -> None:
        """Prove access to each place that is to be read.

        A place that the request file does not name may be refused, and is then listed as such; mail, where
        it is read, may not.

        Raises:
            AccessError: Tenant, application, account or permission are refused; the message says what to do.
            SettingsError: The connection lacks something.
            Retryable: The service is busy or away.
        """
        for place in self._wanted():
            try:
                self._reader(place).check()
            except AccessError:
                if self._must(place):
                    raise

    def scopes(self) -> Iterator[Scope]:
        """List the places of the account: mail folders, calendars and so on."""
        refused: dict[str, str] = {}
        for place in self._wanted():
            try:
                yield from list(self._reader(place).scopes())
            except (Denied, Refused) as error:
                if self._must(place):
                    raise
                refused[place] = error.code or "refused"
        self._refused = refused

    def unreached(self) -> Iterator[Unreached]:
        """List what is not read: not asked for, refused, or not to be had by this route."""
        if self._refused is None:
            for _ in self.scopes():
                pass
        refused = self._refused or {}
        for place, kind in READERS.items():
            if not self._wants(place):
                yield Unreached(place, kind.label, "place", Reach.NOT_ASKED)
            elif place in refused:
                yield Unreached(place, kind.label, "place", Reach.REFUSED, refused[place])
            else:
                yield from self._reader(place).unreached()

    def count(self, scope: Scope) -> Expected:
        """Return the service's own figure of a scope.

        Raises:
            ItemError: The scope is gone.
        """
        return self._of(scope).count(scope)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope where its reader can.

        Raises:
            ItemError: The scope is gone.
        """
        return self._of(scope).parts(scope, max_items, max_bytes)

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

    def _wanted(self) -> list[str]:
        return [place for place in READERS if self._wants(place)]

    def _must(self, place: str) -> bool:
        """Tell whether a refusal of a place stops the source."""
        return place in self._context.places or place == Mail.place or len(self._wanted()) == 1

    def _of(self, scope: Scope) -> Reader:
        return self._reader(scope.key.partition("/")[0])

    def _reader(self, place: str) -> Reader:
        if place not in self._readers:
            kind = READERS.get(place)
            if kind is None:
                raise SettingsError("a place was planned by another version; plan the run again")
            self._readers[place] = kind(self._service, self._context)
        return self._readers[place]

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
