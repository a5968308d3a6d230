"""Files that messages and events carry beside themselves, through Microsoft Graph.

A message's own attachments are in its MIME. What is not: a file that is only linked (a reference or cloud
attachment), of which the message holds a name. It is fetched as it is now, which may not be as it was when
the message was sent, and is marked so. Events have no MIME at all, so all their attachments are read here.
They are items of their own; the key names message and attachment, and the facts name the message.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar, NamedTuple
from urllib.parse import quote

from connectors.asking import Denied, Refused
from connectors.graph_calendar import calendars, event_time, events
from connectors.graph_mail import (
    IMMUTABLE,
    Entry,
    Held,
    Listing,
    Mail,
    Place,
    Recoverable,
    listed,
    message_time,
)
from connectors.microsoft import Service, user_path
from connectors.places import why_refused
from records.errors import CursorExpired, ItemError
from records.models import (
    ExcludedItem,
    Expected,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reach, Reason, WarningCode

# contentBytes is left out, and contentId cannot be asked for here: it is not of every attachment
_EXPAND = "attachments($select=id,name,contentType,size,isInline,lastModifiedDateTime)"
_OF_EVENTS = "Attachments of events"
_CURSOR = "a2:"
_REFERENCE = "#microsoft.graph.referenceAttachment"


class _Stand(NamedTuple):
    """Where an attachment stands: its folder or calendar, time and id of what carries it, and its own id."""

    folder: str
    received: str
    holder: str
    key: str


class Attachments:
    """Linked files of messages, and all attachments of events."""

    place: ClassVar[str] = "attachments"
    label: ClassVar[str] = "Linked files of messages, attachments of events"
    right: ClassVar[str] = "Files.Read.All"
    rights: ClassVar[tuple[str, ...]] = ("Files.Read.All", "Mail.Read", "Calendars.Read")
    options: ClassVar[Mapping[str, str]] = {}
    covers: ClassVar[tuple[str, ...]] = (
        "attachments: files that messages carry as a link (cloud attachments), as they are when fetched; all "
        "attachments of events",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "a linked file as it was when the message was sent: versions are not asked for",
        "links that merely stand in a text: they are listed with the item, and not followed",
    )

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._mail = service.for_right(Mail.right)
        self._events = service.for_right("Calendars.Read")
        self._files = service.for_right(self.right)
        self._folders = (Mail(service, context), Recoverable(service, context))
        self._context = context
        self._user = user_path(context.account)
        self._refused = ""

    def check(self) -> None:
        """Do nothing: that a file is there is known only when one is asked for."""

    def scopes(self) -> Iterator[Scope]:
        """List the two places: what messages link to, and what events carry."""
        yield Scope(f"{self.place}/messages", "Files that messages link to", "attachments")
        try:
            self._events.get(f"{self._user}/calendars", {"$select": "id", "$top": "1"})
        except (Denied, Refused) as error:
            self._refused = why_refused(error, self._context)
        else:
            yield Scope(f"{self.place}/events", _OF_EVENTS, "attachments")

    def unreached(self) -> Iterator[Unreached]:
        """Name the events' attachments where calendars are refused."""
        if self._refused:
            yield Unreached(f"{self.place}/events", _OF_EVENTS, "attachments", Reach.REFUSED, self._refused)

    def count(self, scope: Scope) -> Expected:
        """Return unknown: the service counts messages, not what they carry."""
        del scope
        return Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part."""
        del max_items, max_bytes
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the attachments, in order of folder, message and id.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: A folder broke off.
        """
        after = _read(cursor)
        if part.scope.key == f"{self.place}/messages":
            yield from self._of_messages(after, window)
        else:
            yield from self._of_events(after, window)

    def _of_messages(self, after: _Stand | None, window: Window) -> Iterator[Yielded]:
        listing = Listing(
            fields="id,receivedDateTime,sentDateTime,hasAttachments", also="hasAttachments eq true",
            expand=_EXPAND, top=50,
        )  # fmt: skip
        for folder, label in _from(self._all_folders(), after):
            here = after if after is not None and after.folder == folder else None
            # the message of the cursor is listed again: more of its attachments may follow
            place = Place(here.received, here.holder) if here is not None else None
            before = place and Place(place.received, place.key[:-1])
            path = f"{self._user}/mailFolders/{quote(folder, safe='')}/messages"
            for entry in listed(self._mail, path, listing, before):
                if place is not None and entry.place < place:
                    continue
                outside, moment, _ = message_time(entry.body, window)
                yield from self._linked(folder, label, entry, here, moment, outside=outside)

    def _all_folders(self) -> Iterator[tuple[str, str]]:
        mail, recoverable = self._folders
        yield from mail.folders()
        try:
            yield from recoverable.folders()
        except (Denied, Refused):
            return  # shown among the places of `recoverable`

    def _linked(
        self,
        folder: str,
        label: str,
        entry: Entry,
        after: _Stand | None,
        moment: Moment,
        *,
        outside: bool,
    ) -> Iterator[Yielded]:
        for attachment in _sorted(entry.body):
            if attachment.get("@odata.type") != _REFERENCE:
                continue
            stand = _Stand(folder, entry.place.received, entry.place.key, str(attachment["id"]))
            if after is None or stand[1:] > after[1:]:
                yield self._item(stand, label, "message", attachment, moment, outside=outside)

    def _of_events(self, after: _Stand | None, window: Window) -> Iterator[Yielded]:
        try:
            found = list(calendars(self._events, self._user))
        except Refused as error:
            raise ItemError(Reason.UNREADABLE, "scope_gone") from error
        for calendar, name in _from(found, after):
            here = after if after is not None and after.folder == calendar else None
            for event in events(self._events, self._user, calendar, _EXPAND):
                outside, moment = event_time(event, window)
                for attachment in _sorted(event):
                    stand = _Stand(calendar, "", str(event["id"]), str(attachment["id"]))
                    if here is None or stand[1:] > here[1:]:
                        yield self._item(stand, name, "event", attachment, moment, outside=outside)

    def _item(
        self,
        stand: _Stand,
        label: str,
        holder: str,
        attachment: Mapping[str, Any],
        moment: Moment,
        *,
        outside: bool,
    ) -> Yielded:
        key = f"{stand.holder}/{stand.key}"
        cursor = _CURSOR + "|".join(stand)
        name = str(attachment.get("name") or "") or None
        if outside:
            return ExcludedItem(key, Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, name=name, moment=moment)
        linked = attachment.get("@odata.type") == _REFERENCE
        path = f"{holder}s/{quote(stand.holder, safe='')}/attachments/{quote(stand.key, safe='')}"
        return FoundItem(
            native_key=key,
            kind=Kind.FILE,
            cursor=cursor,
            name=name,
            media_type=attachment.get("contentType") or None,
            moment=moment,
            metadata={holder: stand.holder, "folder": label, "attached": "linked" if linked else "carried"},
            warnings=(WarningCode.AS_OF_NOW,) if linked else (),
            handle=Held(path, {"linked": "yes"} if linked else {"holder": holder}),
        )

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the file: a linked one as it is now.

        Raises:
            ItemError: ``expired_link`` for a linked file that is gone, ``refused_by_source`` for one that the
                application may not read, ``not_in_export`` where the service does not say where it is.
        """
        if "linked" not in item.handle.more:
            return self._events.download(f"{self._user}/{item.handle.path}/$value", IMMUTABLE)
        return linked_file(self._files, self._address(item.handle.path))

    def _address(self, path: str) -> str:
        """Return where a linked file is.

        Only the beta version has the address
        (https://learn.microsoft.com/graph/api/resources/referenceattachment?view=graph-rest-beta).
        """
        user = self._user.replace("/v1.0/", "/beta/", 1)
        about = self._mail.get(f"{user}/{path}", None, IMMUTABLE)
        if about.get("isFolder"):
            raise ItemError(Reason.UNSUPPORTED, "linked_folder")
        address = about.get("sourceUrl")
        if not isinstance(address, str) or not address:
            raise ItemError(Reason.NOT_IN_EXPORT, "no_address")
        return address


def linked_file(service: Service, address: str) -> BinaryIO:
    """Return a file by its address, as it is now.

    Raises:
        ItemError: ``expired_link`` for one that is gone, ``refused_by_source`` for one that the application
            may not read.
    """
    try:
        return service.download(f"/v1.0/shares/{share_of(address)}/driveItem/content")
    except Denied as error:  # of this file alone: it may be anybody's
        raise ItemError(Reason.REFUSED_BY_SOURCE, "linked_file") from error
    except Refused as error:
        if error.status in {404, 410}:
            raise ItemError(Reason.EXPIRED_LINK, "linked_file") from error
        raise


def share_of(address: str) -> str:
    """Return a sharing address as ``shares`` takes it (https://learn.microsoft.com/graph/api/shares-get)."""
    return "u!" + base64.urlsafe_b64encode(address.encode()).decode().rstrip("=")


def _sorted(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(body.get("attachments") or (), key=lambda one: str(one["id"]))


def _from(folders: Iterable[tuple[str, str]], after: _Stand | None) -> list[tuple[str, str]]:
    """Return the folders from the cursor's on, in order of their ids.

    Not in the order they are listed in: one that is renamed, made or deleted between two attempts would move
    others past the cursor, and their files would be lost, or come twice.
    """
    return [one for one in sorted(folders) if after is None or one[0] >= after.folder]


def _read(cursor: str | None) -> _Stand | None:
    if cursor is None:
        return None
    parts = cursor.removeprefix(_CURSOR).split("|")
    if not cursor.startswith(_CURSOR) or len(parts) != 4:
        raise CursorExpired("the cursor of attachments is of another version")
    return _Stand(*parts)
