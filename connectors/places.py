"""Connectors of an account that is several places (mail, calendar, files …), each with its own reader."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeVar

from connectors.asking import Refused
from connectors.service import ServiceConnector
from records.errors import AccessError, SettingsError
from records.models import Expected, FoundItem, Part, Scope, SourceContext, Unreached, Window, Yielded
from records.vocabulary import Reach


class PlaceReader(Protocol):
    """One place of an account. Keys of its scopes are the place's name, or begin with it and a stroke.

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


def cut_in_time(
    files: Iterable[tuple[str, int]], max_items: int, max_bytes: int
) -> Iterator[tuple[str, str, int, int]]:
    """Cut files into ranges of time of about a size; files of one time are never parted.

    Args:
        files: Time and bytes of each, by time; times that are texts in the order of what they say.
        max_items: Files a range, but for those of one time.
        max_bytes: Bytes a range, likewise.

    Yields:
        First time of a range, that of the next one (both empty at the ends), files and bytes.
    """
    first, last, items, size = "", "", 0, 0
    for at, grows in files:
        if items and at != last and (items >= max_items or size + grows > max_bytes):
            yield first, at, items, size
            first, items, size = at, 0, 0
        last, items, size = at, items + 1, size + grows
    yield first, "", items, size


def why_refused(error: AccessError | Refused, context: SourceContext) -> str:
    """Return why a place is refused: the service's code, and where the error says it, what to do."""
    code = str(getattr(error, "code", ""))
    if not isinstance(error, AccessError):
        return code or error.detail
    said = str(error).removeprefix(f"source {context.source_id}: ")
    if context.connection is not None:
        said = said.removeprefix(f"connection {context.connection.id}: ")
    return f"{code}: {said}" if code else said


R = TypeVar("R", bound=PlaceReader)


class PlacesConnector(ServiceConnector, Generic[R]):
    """Base of connectors with a table of places; see ``connectors.protocol`` for the contract.

    Attributes:
        readers: Every place there is, in the order it is read in; a refusal of the first stops the source.
    """

    readers: ClassVar[Mapping[str, type[Any]]]

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        super().__init__(context)
        self._made: dict[str, R] = {}
        self._refused: dict[str, str] | None = None

    def check(self) -> None:
        """Prove access to each place that is to be read.

        A place that the request file does not name may be refused, and is then listed as such; the first
        place, where it is read, may not.

        Raises:
            AccessError: Credentials, account or permission are refused; the message says what to do.
            SettingsError: The connection lacks something.
            Retryable: The service is busy or away.
        """
        self.barred = {}
        for place in self.wanted():
            try:
                self._reader(place).check()
            except AccessError as error:
                if self._must(place):
                    raise
                self.barred[place] = why_refused(error, self._context)

    def scopes(self) -> Iterator[Scope]:
        """List what each place has: mail folders, calendars, drives and so on."""
        refused: dict[str, str] = {}
        for place in self.wanted():
            try:
                yield from self._listed(self._reader(place))
            except (AccessError, Refused) as error:
                if self._must(place):
                    raise
                refused[place] = why_refused(error, self._context)
        self._refused = refused

    def unreached(self) -> Iterator[Unreached]:
        """List what is not read: not asked for, refused, or not to be had by this route."""
        if self._refused is None:
            for _ in self.scopes():
                pass
        refused = self._refused or {}
        for place, kind in self.readers.items():
            if not self._wants(place):
                yield Unreached(place, kind.label, "place", Reach.NOT_ASKED)
            elif place in refused:
                yield Unreached(place, kind.label, "place", Reach.REFUSED, refused[place])
            else:
                yield from self._reader(place).unreached()

    def count(self, scope: Scope) -> Expected:
        """Return the service's own figure of a scope; unknown where it has none.

        Raises:
            ItemError: The scope is gone.
        """
        return self._of(scope).count(scope)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a scope where its reader can.

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

    @abstractmethod
    def _make(self, kind: type[R]) -> R:
        """Make a reader."""

    def _listed(self, reader: R) -> list[Scope]:
        """Return the scopes of a place, all of them, so that one that is refused half-way gives none."""
        return list(reader.scopes())

    def wanted(self) -> list[str]:
        """Return the places that are to be read, in their order."""
        return [place for place in self.readers if self._wants(place)]

    def _must(self, place: str) -> bool:
        """Tell whether a refusal of a place stops the source."""
        return place in self._context.places or place == next(iter(self.readers)) or len(self.wanted()) == 1

    def _of(self, scope: Scope) -> R:
        return self._reader(scope.key.partition("/")[0])

    def _reader(self, place: str) -> R:
        if place not in self._made:
            kind = self.readers.get(place)
            if kind is None:
                raise SettingsError("a place was planned by another version; plan the run again")
            self._made[place] = self._make(kind)
        return self._made[place]
