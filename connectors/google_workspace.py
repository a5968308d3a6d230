"""Google Workspace, for one account: a table of places, each with its reader.

A service account acts for the custodian's account by domain-wide delegation, with the scopes of the places
that are read and no others. A further service is a reader and a line in ``READERS``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, ClassVar, Protocol

from connectors.google_chat_api import Chat
from connectors.google_drive import Drive, SharedDrives
from connectors.google_gmail import Mail
from connectors.microsoft import Refused
from connectors.service import ServiceConnector
from records.errors import AccessError, SettingsError
from records.models import Expected, FoundItem, Part, Scope, SourceContext, Unreached, Window, Yielded
from records.vocabulary import Reach


class Reader(Protocol):
    """One place of an account. Keys of its scopes are the place's name, or begin with it and a stroke.

    ``open`` is given items whose ``handle`` has the place's name in its attribute ``place``, or is bytes.

    Attributes:
        place: Name of the place, as the request file writes it.
        label: As people read it.
        covers: Lines for the connector's own.
        does_not_cover: Lines for the connector's own.
        options: Further settings that a request file may give, each with its meaning.
    """

    place: ClassVar[str]
    label: ClassVar[str]
    covers: ClassVar[tuple[str, ...]]
    does_not_cover: ClassVar[tuple[str, ...]]
    options: ClassVar[Mapping[str, str]]

    def __init__(self, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""

    def check(self) -> None:
        """Prove access without reading content; raises AccessError."""

    def scopes(self) -> Iterator[Scope]:
        """As in ``connectors.protocol``, and so the others."""

    def unreached(self) -> Iterator[Unreached]:
        """List what belongs to the place and this route does not lead to."""

    def count(self, scope: Scope) -> Expected:
        """Return the service's own figure."""

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope."""

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield what a part holds."""

    def open(self, item: FoundItem) -> BinaryIO:
        """Return native bytes."""

    def close(self) -> None:
        """End its connections."""


READERS: dict[str, type[Reader]] = {kind.place: kind for kind in (Mail, Drive, SharedDrives, Chat)}
"""Every place there is, in the order it is read in."""


class GoogleWorkspace(ServiceConnector):
    """One account of Google Workspace."""

    name: ClassVar[str] = "google_workspace"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = tuple(line for kind in READERS.values() for line in kind.covers)
    does_not_cover: ClassVar[tuple[str, ...]] = tuple(
        line for kind in READERS.values() for line in kind.does_not_cover
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "fakes of Gmail, Drive and Chat that are held against Google's discovery documents; no domain has "
        "been reached yet",
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

    def check_settings(self) -> None:
        """Check places, options and account; see ``ServiceConnector``.

        Raises:
            SettingsError: A key is missing, or has a value it cannot have.
        """
        super().check_settings()
        if self._context.options.get("revisions", "no") not in {"yes", "no"}:
            raise SettingsError(f"source {self._context.source_id}: options: revisions: write yes or no")

    def check(self) -> None:
        """Prove access to each place that is to be read.

        A place that the request file does not name may be refused, and is then listed as such; mail, where
        it is read, may not.

        Raises:
            AccessError: Key, delegation, account or API are refused; the message says what to do.
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
        """List the mailbox, the drives and the spaces."""
        refused: dict[str, str] = {}
        for place in self._wanted():
            reader = self._reader(place)
            try:
                reader.check()
                yield from list(reader.scopes())
            except (AccessError, Refused) as error:
                if self._must(place):
                    raise
                refused[place] = getattr(error, "code", "") or "refused"
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
        """Return the service's own figure of a scope; unknown where it has none."""
        return self._of(scope).count(scope)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope into ranges of time.

        Raises:
            ItemError: The scope is gone, or cannot be listed to its end.
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
        return self._of(part.scope).items(part, window, cursor)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the native bytes, all of which have been received.

        Raises:
            ItemError: They cannot be had after all.
        """
        return self._reader(getattr(item.handle, "place", Chat.place)).open(item)

    def close(self) -> None:
        """End all connections."""
        for reader in self._readers.values():
            reader.close()

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
            _ = self._connection  # says so where there is none
            self._readers[place] = kind(self._context)
        return self._readers[place]
