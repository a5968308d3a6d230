"""Google Workspace, for one account: a table of places, each with its reader.

A service account acts for the custodian's account by domain-wide delegation, with the scopes of the places
that are read and no others. A further service is a reader and a line in ``READERS``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO, ClassVar, Protocol

from connectors.google_chat_api import Chat
from connectors.google_drive import Drive, SharedDrives
from connectors.google_gmail import Mail
from connectors.places import PlaceReader, PlacesConnector
from connectors.service import ADDRESS
from records.errors import SettingsError
from records.models import FoundItem, Scope, SourceContext


class Reader(PlaceReader, Protocol):
    """One place of an account.

    ``open`` is given items whose ``handle`` has the place's name in its attribute ``place``, or is bytes.
    """

    def __init__(self, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""

    def close(self) -> None:
        """End its connections."""


READERS: dict[str, type[Reader]] = {kind.place: kind for kind in (Mail, Drive, SharedDrives, Chat)}
"""Every place there is, in the order it is read in."""


class GoogleWorkspace(PlacesConnector[Reader]):
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
    readers: ClassVar[Mapping[str, type[Reader]]] = READERS
    places: ClassVar[tuple[str, ...]] = tuple(READERS)
    account_form: ClassVar[re.Pattern[str]] = ADDRESS
    options: ClassVar[Mapping[str, str]] = {
        name: meaning for kind in READERS.values() for name, meaning in kind.options.items()
    }

    def check_settings(self) -> None:
        """Check places, options and account; see ``ServiceConnector``.

        Raises:
            SettingsError: A key is missing, or has a value it cannot have.
        """
        super().check_settings()
        if self._context.options.get("revisions", "no") not in {"yes", "no"}:
            raise SettingsError(f"source {self._context.source_id}: options: revisions: write yes or no")

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the native bytes, all of which have been received.

        Raises:
            ItemError: They cannot be had after all.
        """
        return self._reader(getattr(item.handle, "place", Chat.place)).open(item)

    def close(self) -> None:
        """End all connections."""
        for reader in self._made.values():
            reader.close()

    def _listed(self, reader: Reader) -> list[Scope]:
        reader.check()  # some have one scope, which they list without asking
        return super()._listed(reader)

    def _make(self, kind: type[Reader]) -> Reader:
        _ = self._connection  # says so where there is none
        return kind(self._context)
