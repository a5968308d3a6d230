"""Google Chat of one account: the spaces it is a member of, each message and attachment as an item.

A message's native form is the JSON object that the API gives, with sorted keys and without the addresses of
pictures and downloads, which Google makes anew at each call. Messages come by ``createTime``; outside the
window only their names and times are asked for
(https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/list).
"""

from __future__ import annotations

import io
import itertools
import json
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO, ClassVar

from connectors.asking import Refused
from connectors.google_auth import Google, not_given
from connectors.google_drive import Drive, Held, instant
from connectors.google_takeout import CHAT_TYPE
from records import canonical
from records.errors import CursorExpired, ItemError, SettingsError
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import Place, midnight, place_in
from records.vocabulary import Kind, Reach, Reason, WarningCode

READ = (
    "https://www.googleapis.com/auth/chat.spaces.readonly",
    "https://www.googleapis.com/auth/chat.messages.readonly",
    "https://www.googleapis.com/auth/chat.memberships.readonly",
)
MOST_MEMBERS = 100
"""Members of a larger space are counted and not listed with each message."""

_PAGE = 1_000
_CURSOR = "c1:"
_CHANGING = frozenset({"avatarUrl", "thumbnailUri", "downloadUri"})
_LABELS = {"DIRECT_MESSAGE": "direct message", "GROUP_CHAT": "group chat"}
_TICK = timedelta(seconds=1)

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Messages from ``first`` to before ``before``; None for no bound.

    Attributes:
        first: Aware UTC.
        before: Aware UTC.
        whole: Whether all of a message is asked for, or its name and time only.
    """

    first: datetime | None
    before: datetime | None
    whole: bool = True

    def query(self) -> str:
        """Return the filter that gives it; a second more on either side, since it takes no "or equal"."""
        terms = []
        if self.first is not None:
            terms.append(f'create_time > "{canonical.utc_text(self.first - _TICK)}"')
        if self.before is not None:
            terms.append(f'create_time < "{canonical.utc_text(self.before + _TICK)}"')
        return " AND ".join(terms)

    def holds(self, message: Message) -> bool:
        """Tell whether a message lies in it; one without a time lies in the first range of all."""
        at = instant(message.get("createTime")).at
        if at is None:
            return self.first is None
        return (self.first is None or at >= self.first) and (self.before is None or at < self.before)

    def cut(self, at: datetime) -> tuple[Range, Range]:
        """Return what lies before a time, and the rest."""
        return Range(self.first, _least(self.before, at)), Range(_most(self.first, at), self.before)

    @property
    def empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.first is not None and self.before is not None and self.first >= self.before


class Chat:
    """Messages of the spaces that the account is a member of."""

    place: ClassVar[str] = "chat"
    rights: ClassVar[tuple[str, ...]] = READ
    label: ClassVar[str] = "Google Chat"
    covers: ClassVar[tuple[str, ...]] = (
        "chat: every space, group chat and direct message that the account is a member of now: messages with "
        "their threads, quotes, cards and reactions, deleted ones as what is left of them, attachments",
        "files from Drive that a message points to, as they are now, where Drive is read too",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "spaces that the account has left, and messages that a hold keeps: take them from Vault",
        "joins, leaves and renames, which Google does not list; earlier words of an edited message",
    )
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        assert context.connection is not None
        self._source_id = context.source_id
        self._google = Google(context.source_id, context.connection, context.account, "chat", READ)
        wanted = not context.places or Drive.place in context.places
        self._drive = Drive(context) if wanted else None

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """
        try:
            self._google.get(self._google.of("spaces").list(pageSize=1, fields="spaces(name)"))
        except Refused as error:
            raise not_given(self._source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the spaces, by their ids."""
        fields = "nextPageToken,spaces(name,displayName,spaceType)"
        pages = self._google.pages(self._google.of("spaces").list, pageSize=_PAGE, fields=fields)
        found = {str(space["name"]): space for page in pages for space in page.get("spaces") or ()}
        for name, space in sorted(found.items()):
            yield Scope(f"{self.place}/{name}", _label(space), "chat")

    def unreached(self) -> Iterator[Unreached]:
        """Name what only Vault gives."""
        yield Unreached(
            f"{self.place}/left",
            "Spaces that the account has left, and messages that a hold keeps",
            "chat",
            Reach.NOT_BY_THIS_ROUTE,
            "vault_only",
        )

    def count(self, scope: Scope) -> Expected:
        """Return unknown: Chat tells no number of messages."""
        del scope
        return Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut a space into ranges of time.

        Raises:
            ItemError: The space is gone, or broke off.
        """
        del max_bytes
        cuts: list[datetime] = []
        sizes = array("q", [0])
        before = None
        for message in self._ordered(scope, Range(None, None, whole=False)):
            at = instant(message.get("createTime")).at
            if sizes[-1] >= max_items and at is not None and at != before:
                cuts.append(at)
                sizes.append(0)
            before = at
            sizes[-1] += 1 + len(message.get("attachment") or ())
        edges = [None, *cuts, None]
        for number, items in enumerate(sizes):
            yield Part(scope, number, _spec(edges[number], edges[number + 1]), items)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages by time, each before its attachments.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The space is gone, or broke off.
        """
        after, done = _read(cursor)
        space = self._space(part.scope)
        for piece in _pieces(_range(part.spec), window, after):
            for message in self._ordered(part.scope, piece):
                if _order(message) < after:
                    continue
                yielded = self._message(message, space, window, inside=piece.whole)
                yield from itertools.islice(yielded, done if _order(message) == after else 0, None)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a message as it was given, or the bytes of an attachment.

        Raises:
            ItemError: The attachment cannot be had.
        """
        if isinstance(item.handle, bytes):
            return io.BytesIO(item.handle)
        if item.handle.place == Drive.place and self._drive is not None:
            return self._drive.open(item)
        return self._google.download(item.handle.url)

    def close(self) -> None:
        """End its connections."""
        self._google.close()
        if self._drive is not None:
            self._drive.close()

    def _message(
        self, message: Message, space: Mapping[str, str], window: Window, *, inside: bool
    ) -> Iterator[Yielded]:
        """Yield a message and its attachments; they are where it is."""
        key, moment = str(message["name"]), instant(message.get("createTime"))
        attachments = [one for one in message.get("attachment") or () if one.get("name")]
        if not inside:
            yield ExcludedItem(key, Kind.CHAT, _cursor(message, 1), Reason.OUTSIDE_WINDOW, moment=moment)
            for number, one in enumerate(attachments, 2):
                cursor = _cursor(message, number)
                yield ExcludedItem(one["name"], Kind.FILE, cursor, Reason.OUTSIDE_WINDOW, moment=moment)
            return
        native = canonical.dumps(_settled(message)).encode()
        edited, deleted = str(message.get("lastUpdateTime", "")), str(message.get("deleteTime", ""))
        facts = {**space, "thread": str((message.get("thread") or {}).get("name", ""))}
        if edited or deleted:
            facts["change"] = " ".join(filter(None, (edited, deleted)))
        warnings = [code for code, is_so in (
            (WarningCode.EDITED, edited), (WarningCode.DELETED, deleted),
            (WarningCode.NO_DATE, moment.at is None and place_in(window, moment) is not Place.INSIDE),
        ) if is_so]  # fmt: skip
        yield FoundItem(
            key, Kind.CHAT, _cursor(message, 1), None, CHAT_TYPE, len(native), moment,
            {name: value for name, value in facts.items() if value}, tuple(warnings), native,
        )  # fmt: skip
        for number, one in enumerate(attachments, 2):
            yield self._attachment(one, _cursor(message, number), key, moment)

    def _attachment(self, one: Message, cursor: str, message: str, moment: Moment) -> Yielded:
        key, name = str(one["name"]), one.get("contentName")
        file_id = (one.get("driveDataRef") or {}).get("driveFileId")
        if file_id:
            if self._drive is None:
                return FailedItem(key, Kind.FILE, cursor, Reason.NOT_IN_EXPORT, "drive_not_asked", name)
            return self._drive.linked(str(file_id), key, cursor, moment)
        resource = (one.get("attachmentDataRef") or {}).get("resourceName")
        if not resource:
            return FailedItem(key, Kind.FILE, cursor, Reason.REFUSED_BY_SOURCE, "no_attachment_data", name)
        url = self._google.of("media").download_media(resourceName=resource).uri
        facts = {"message": message}
        return FoundItem(
            key,
            Kind.FILE,
            cursor,
            name,
            one.get("contentType"),
            None,
            moment,
            facts,
            (),
            Held(url, place="chat"),
        )

    def _ordered(self, scope: Scope, piece: Range) -> Iterator[Message]:
        """Yield the messages of a range by time and name, each once.

        Raises:
            ItemError: ``out_of_order``: a message came too late to be told from one that came before.
        """
        last = ("", "")
        recent: deque[str] = deque(maxlen=2 * _PAGE)
        stream = (message for message in self._stream(scope, piece) if piece.holds(message))
        for _, equals in itertools.groupby(stream, lambda one: _order(one)[0]):
            for message in sorted(equals, key=_order):
                if _order(message) > last:
                    last = _order(message)
                    recent.append(last[1])
                    yield message
                elif message["name"] not in recent:  # a page that came twice is passed over
                    raise ItemError(Reason.UNREADABLE, "out_of_order")

    def _stream(self, scope: Scope, piece: Range) -> Iterator[Message]:
        fields = "messages" if piece.whole else "messages(name,createTime,attachment(name))"
        parameters = {"filter": query} if (query := piece.query()) else {}
        pages = self._google.pages(
            self._google.of("spaces", "messages").list,
            parent=scope.key.partition("/")[2],
            pageSize=_PAGE,
            orderBy="ASC",
            showDeleted=True,
            fields=f"nextPageToken,{fields}",
            **parameters,
        )
        try:
            for page in pages:
                yield from page.get("messages") or ()
        except Refused as error:
            if error.status in {403, 404}:  # the account is no member any more
                raise ItemError(Reason.UNREADABLE, "scope_gone") from None
            raise

    def _space(self, scope: Scope) -> dict[str, str]:
        """Return what each message of a space is told with: its name, and who belongs to it."""
        name = scope.key.partition("/")[2]
        fields = "nextPageToken,memberships(member(name,displayName,email))"
        people = []
        try:
            pages = self._google.pages(
                self._google.of("spaces", "members").list, parent=name, pageSize=_PAGE, fields=fields
            )
            for page in pages:
                people += [_person(one.get("member") or {}) for one in page.get("memberships") or ()]
        except Refused as error:
            if error.status in {403, 404}:
                raise ItemError(Reason.UNREADABLE, "scope_gone") from None
            raise
        facts = {"group": name, "group_name": scope.label, "members_count": str(len(people))}
        if len(people) <= MOST_MEMBERS:
            facts["members"] = "; ".join(sorted(filter(None, people)))
        return facts


def _pieces(whole: Range, window: Window, after: tuple[str, str]) -> Iterator[Range]:
    """Yield what lies before the window, in it and after it, from the cursor's time on."""
    if (resumed := instant(after[0]).at) is not None:
        whole = Range(_most(whole.first, resumed), whole.before)
    if window.first is not None:
        early, whole = whole.cut(midnight(window.first, window.zone))
        yield from _not_empty(Range(early.first, early.before, whole=False))
    if window.last is None:
        yield from _not_empty(whole)
        return
    inside, late = whole.cut(midnight(window.last + timedelta(days=1), window.zone))
    yield from _not_empty(inside)
    yield from _not_empty(Range(late.first, late.before, whole=False))


def _not_empty(piece: Range) -> Iterator[Range]:
    if not piece.empty:
        yield piece


def _least(stated: datetime | None, other: datetime) -> datetime:
    return other if stated is None else min(stated, other)


def _most(stated: datetime | None, other: datetime) -> datetime:
    return other if stated is None else max(stated, other)


def _settled(value: Any) -> Any:
    """Return an object without the addresses that Google makes anew at each call."""
    if isinstance(value, dict):
        return {key: _settled(one) for key, one in value.items() if key not in _CHANGING}
    return [_settled(one) for one in value] if isinstance(value, list) else value


def _label(space: Message) -> str:
    return str(space.get("displayName") or _LABELS.get(str(space.get("spaceType")), "space"))


def _person(stated: Message) -> str:
    name = str(stated.get("displayName", ""))
    address = str(stated.get("email") or stated.get("name") or "")
    return f"{name} <{address}>" if name and address else name or address


def _order(message: Message) -> tuple[str, str]:
    """Return the place of a message; its time as text, which Google writes with six decimals or fewer."""
    at = instant(message.get("createTime")).at
    return ("" if at is None else canonical.utc_text(at)), str(message["name"])


def _cursor(message: Message, done: int) -> str:
    return _CURSOR + "|".join((*_order(message), str(done)))


def _read(cursor: str | None) -> tuple[tuple[str, str], int]:
    """Return the place of the message that was reached, and how many items of it are safe."""
    if cursor is None:
        return ("", ""), 0
    stated = cursor.removeprefix(_CURSOR).split("|")
    if not cursor.startswith(_CURSOR) or len(stated) != 3 or not stated[2].isdigit():
        raise CursorExpired
    return (stated[0], stated[1]), int(stated[2])


def _spec(first: datetime | None, before: datetime | None) -> str:
    if first is None and before is None:
        return ""
    return canonical.dumps(
        {
            "v": 1,
            "first": first and canonical.utc_text(first),
            "before": before and canonical.utc_text(before),
        }
    )


def _range(spec: str) -> Range:
    if not spec:
        return Range(None, None)
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a space was cut by another version; plan the run again")
    first, before = (instant(stated[name]).at for name in ("first", "before"))
    return Range(first, before)
