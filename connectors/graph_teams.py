"""Microsoft Teams through Graph: messages of the account's chats, of its teams' channels, and retained ones.

The export APIs give everything of an account or a team in one list
(https://learn.microsoft.com/microsoftteams/export-teams-content). Metering of them ended on 25 August 2025,
so no ``model`` is stated (https://learn.microsoft.com/graph/teams-licenses). How they are read, and why so:

- The list promises no order and can be narrowed down only by the time of the last change, which a reaction
  moves. So a part is a range of creation times, which never change: it asks for the changes from its first
  day to its last, for the few later times at which its messages were last changed when the parts were cut,
  and for all that changed since. Messages are put in order here, by creation and key.
- A list that ends early cannot be told from one that is over, so what lies before and behind is asked for
  until nothing new comes; and where an old message was changed meanwhile, all is read once more.
- The native form of a message is its JSON object with sorted keys, without what the service says of its own
  answer (``@odata…``), so that each holder's copy has the same bytes. Inline pictures are put where Graph's
  own form has a place for them and leaves it empty: ``hostedContents``.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, ClassVar, Generic, TypeVar
from urllib.parse import quote

from connectors.asking import Denied, Refused
from connectors.graph_attachments import linked_file
from connectors.graph_limits import FILES, TEAMS, within
from connectors.graph_mail import Held, instant
from connectors.mailhead import placed
from connectors.microsoft import Service, not_given, user_path
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
from records.vocabulary import Kind, Reach, Reason, WarningCode

MESSAGE_TYPE = "application/x-teams-message+json"
"""What one message is labelled as, for its reader."""

PAGE = 50
"""As in the examples of Microsoft's page; the most is not told."""

MOST_MEMBERS = 100
"""Members of a larger chat are counted and not listed with each message."""

_NAMED = 5
_EXPANDED = 25
"""Members that a list of chats gives (https://learn.microsoft.com/graph/api/chat-list, known issue)."""

_SPANS = 8
_ROUNDS = 3
_TRIED = 3
"""Teams of which one must be readable."""

_CURSOR = "m1:"
_TICK = timedelta(milliseconds=1)
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
_KNOWN = {"Prefer": "include-unknown-enum-members"}
"""Else Graph calls joins, renames and calls by no name (https://learn.microsoft.com/graph/api/chatmessage-get)."""

_HOSTED = re.compile(r"/(?:messages|replies)/(\d+)/hostedContents/([A-Za-z0-9_=%-]+)/\$value")
_FILE = "reference"

Message = Mapping[str, Any]
Span = tuple[datetime | None, datetime | None]
"""Times of the last change, both within; None for no bound."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What ``open`` is given for a message.

    Attributes:
        message: As it was listed.
        path: Of the message; empty where it has no inline pictures.
        pictures: Ids of its inline pictures.
    """

    message: Message
    path: str = ""
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """Messages that were written from ``first`` to before ``before``, and where they are to be found.

    Attributes:
        first: Aware UTC; None for no bound.
        before: Aware UTC; None for no bound.
        spans: Times of the last change to ask for.
    """

    first: datetime | None = None
    before: datetime | None = None
    spans: tuple[Span, ...] = ((None, None),)

    def holds(self, message: Message) -> bool:
        """Tell whether a message is of it; one without a time is of the first."""
        at = instant(message.get("createdDateTime")).at
        if at is None:
            return self.first is None
        return (self.first is None or at >= self.first) and (self.before is None or at < self.before)


@dataclass(slots=True)
class _Cut:
    """A part while it is cut: where it begins, last changes of its messages, and how many items they are."""

    first: datetime | None
    changed: list[datetime] = field(default_factory=list)
    items: int = 0


@dataclass(slots=True)
class _Found(Generic[T]):
    """What was met of an export so far.

    Attributes:
        keep: Says what is kept of a message; None for one that is not wanted.
        newest: Changes after this time happened while the export was cut and read.
        kept: By key.
        changed: Last change by key.
        moved: Whether a wanted message was changed after ``newest``, and was there before.
    """

    keep: Callable[[Message], T]
    newest: datetime | None
    kept: dict[str, T] = field(default_factory=dict)
    changed: dict[str, datetime] = field(default_factory=dict)
    moved: bool = False

    def take(self, message: Message) -> bool:
        """Take a message, unless this form of it or a later one is known; say whether it was new."""
        key, at = _key(message), _changed(message)
        before = self.changed.get(key)
        if before is not None and at <= before:
            return False
        self.changed[key], self.kept[key] = at, self.keep(message)
        if self.kept[key] is not None:
            old = self.newest is not None and _written(message) <= self.newest < at
            self.moved = self.moved or before is not None or old
        return True


@dataclass(frozen=True, slots=True)
class Talk:
    """What a chat or a channel is called, and who belongs to it.

    Attributes:
        name: As people see it; empty when nobody says.
        members: ``Name <address>``, sorted.
        people: The same, by id.
        kind: ``oneOnOne``, ``group``, ``meeting``; a channel's ``standard``, ``private`` or ``shared``.
    """

    name: str = ""
    members: tuple[str, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""


class Messages(ABC):
    """What the readers of Teams have in common."""

    place: ClassVar[str]
    right: ClassVar[str]
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        self._service = within(service, context, TEAMS).for_right(self.right, _PROTECTED)
        self._files = within(service, context, FILES).for_right("Files.Read.All")
        self._context = context
        self._user = user_path(context.account)

    @abstractmethod
    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """

    @abstractmethod
    def scopes(self) -> Iterator[Scope]:
        """List what can be exported."""

    @abstractmethod
    def unreached(self) -> Iterator[Unreached]:
        """List what belongs here and the export does not give."""

    @abstractmethod
    def _export(self, scope: Scope) -> str:
        """Return the path that gives all messages of a scope."""

    @abstractmethod
    def _talk(self, message: Message) -> Talk:
        """Return the conversation of a message."""

    def count(self, scope: Scope) -> Expected:
        """Return unknown: the ``@odata.count`` of the export is that of a page."""
        del scope
        return Expected(None, "unknown")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut an export into ranges of creation times.

        Raises:
            ItemError: It is gone, or broke off.
        """
        del max_bytes
        rows = sorted(self._listed(scope, ((None, None),), _times).values())
        cuts = [_Cut(None)]
        before = None
        for written, changed, items in rows:
            if cuts[-1].items >= max_items and written != before:
                cuts.append(_Cut(written))
            before = written
            cuts[-1].changed.append(changed)
            cuts[-1].items += items
        newest = max((changed for _, changed, _ in rows), default=None)
        for number, cut in enumerate(cuts):
            following = cuts[number + 1].first if number + 1 < len(cuts) else None
            yield Part(scope, number, _spec(cut, following, newest) if len(cuts) > 1 else "", cut.items)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages by time, each before its files.

        Raises:
            CursorExpired: The cursor is of another version.
            ItemError: The export is gone, or broke off.
        """
        after, done = _read(cursor)
        wanted = _range(part.spec)
        found = self._listed(part.scope, wanted.spans, lambda one: one if wanted.holds(one) else None)
        for message in sorted((one for one in found.values() if one is not None), key=_order):
            if _order(message) >= after:
                yielded = self._message(message, window)
                yield from itertools.islice(yielded, done if _order(message) == after else 0, None)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return a message with its inline pictures, or a file that it names, as it is now.

        Raises:
            ItemError: A file cannot be had.
        """
        handle: Spoken | Held = item.handle
        if isinstance(handle, Held):
            return linked_file(self._files, handle.path)
        if not handle.pictures:
            return io.BytesIO(_native(handle.message))
        pictures = [self._picture(f"{handle.path}/hostedContents", key) for key in handle.pictures]
        return io.BytesIO(_native({**handle.message, "hostedContents": pictures}))

    def _picture(self, path: str, key: str) -> dict[str, str]:
        """Return an inline picture as ``hostedContents`` has it; one that is gone says so."""
        try:
            with self._service.download(f"{path}/{quote(key, safe='=%')}/$value") as stream:
                data = stream.read()
        except (Denied, Refused) as error:
            gone = isinstance(error, Refused) and error.status in {404, 410}
            return {"id": key, "@daylight.missing": "gone" if gone else error.code or "refused"}
        return {"id": key, "contentBytes": base64.b64encode(data).decode(), "contentType": _type_of(data)}

    def _listed(self, scope: Scope, spans: Sequence[Span], keep: Callable[[Message], T]) -> dict[str, T]:
        """Return what is kept of each message that was last changed in one of the spans.

        A message that is changed while they are read leaves its span, and may push another one out of sight,
        since links count what is there now. It is met again as it became; then all is read once more, until
        a round meets no such message, three times at most.

        Raises:
            ItemError: The export is gone.
        """
        found = _Found(keep, spans[-1][0] if len(spans) > 1 else None)
        for _ in range(_ROUNDS):
            found.moved = False
            self._round(scope, spans, found)
            if not found.moved:
                break
        return found.kept

    def _round(self, scope: Scope, spans: Sequence[Span], found: _Found[T]) -> None:
        """Read the spans; each is asked for before and behind what came of it, until nothing new does.

        So a list that ends early is noticed where it is in order of time, as in the examples of Microsoft's
        pages. One that is too old to go on with (410) is begun again, once.
        """
        waiting, again = list(reversed(spans)), True
        while waiting:
            span = waiting.pop()
            try:
                times = [_changed(one) for one in self._between(scope, span) if found.take(one)]
            except Denied as error:
                if not self._refused_alone(scope):
                    raise
                raise ItemError(Reason.REFUSED_BY_SOURCE, error.code) from None
            except Refused as error:
                if error.status == 404:
                    raise ItemError(Reason.UNREADABLE, "scope_gone") from None
                if error.status != 410 or not again:
                    raise
                again = False
                waiting.append(span)
                continue
            if times:
                found.newest = found.newest or max(times)
                waiting += [(max(times), span[1]), (span[0], min(times))]

    def _between(self, scope: Scope, span: Span) -> Iterator[Message]:
        """Yield the messages that were last changed in a span; the filter takes no "or equal"."""
        terms = []
        if span[0] is not None:
            terms.append(f"lastModifiedDateTime gt {_text(span[0] - _TICK)}")
        if span[1] is not None:
            terms.append(f"lastModifiedDateTime lt {_text(span[1] + _TICK)}")
        asked = {"$top": str(PAGE)} | ({"$filter": " and ".join(terms)} if terms else {})
        for page in self._service.pages(self._export(scope), asked, _KNOWN):
            yield from page.values

    def _message(self, message: Message, window: Window) -> Iterator[Yielded]:
        """Yield a message and the files that it names; they are where it is."""
        key, moment = _key(message), instant(message.get("createdDateTime"))
        files = [one for one in message.get("attachments") or () if one.get("contentType") == _FILE]
        outside, warnings = _placed(message, moment, window)
        if outside:
            yield ExcludedItem(key, Kind.CHAT, _cursor(message, 1), Reason.OUTSIDE_WINDOW, moment=moment)
            for number, one in enumerate(files, 2):
                name = str(one.get("name") or "") or None
                yield ExcludedItem(
                    _file_key(key, one),
                    Kind.FILE,
                    _cursor(message, number),
                    Reason.OUTSIDE_WINDOW,
                    "",
                    name,
                    moment,
                )
            return
        found = _pictures(message)
        spoken = Spoken(message, self._path(message), found) if found else Spoken(message)
        yield FoundItem(
            native_key=key,
            kind=Kind.CHAT,
            cursor=_cursor(message, 1),
            media_type=MESSAGE_TYPE,
            size_bytes=None if found else len(_native(message)),
            moment=moment,
            metadata=self._facts(message),
            warnings=(
                *warnings,
                *((WarningCode.EDITED,) if message.get("lastEditedDateTime") else ()),
                *((WarningCode.DELETED,) if message.get("deletedDateTime") else ()),
            ),
            handle=spoken,
        )
        for number, one in enumerate(files, 2):
            yield self._file(one, key, _cursor(message, number), moment)

    def _file(self, one: Message, message: str, cursor: str, moment: Moment) -> Yielded:
        key, name = _file_key(message, one), str(one.get("name") or "") or None
        address = one.get("contentUrl")
        if not isinstance(address, str) or not address:
            return FailedItem(key, Kind.FILE, cursor, Reason.NOT_IN_EXPORT, "no_address", name)
        return FoundItem(
            native_key=key,
            kind=Kind.FILE,
            cursor=cursor,
            name=name,
            moment=moment,
            metadata={"message": message, "attached": "linked"},
            warnings=(WarningCode.AS_OF_NOW,),
            handle=Held(address),
        )

    def _facts(self, message: Message) -> dict[str, str]:
        """Return what a message is told with: its conversation's name, who belongs to it, who is named."""
        talk = self._talk(message)
        named = {key: talk.people[key] for key in sorted(_people(message)) if key in talk.people}
        facts = {
            "group": _conversation(message),
            "group_name": talk.name,
            "chat_type": talk.kind,
            "change": " ".join(
                str(message.get(name)) for name in ("lastModifiedDateTime", "etag") if message.get(name)
            ),
            "people": canonical.dumps(named) if named else "",
            "members_count": str(len(talk.members)) if talk.members else "",
        }
        if len(talk.members) <= MOST_MEMBERS:
            facts["members"] = "; ".join(talk.members)
        return {name: value.encode("utf-8", "replace").decode() for name, value in facts.items() if value}

    def _path(self, message: Message) -> str:
        """Return the path of a message (https://learn.microsoft.com/graph/api/chatmessage-get)."""
        key, where = quote(str(message["id"]), safe=""), message.get("channelIdentity") or {}
        if not where.get("channelId"):
            return f"/v1.0/chats/{_part_of_path(message.get('chatId'))}/messages/{key}"
        channel = (
            f"/v1.0/teams/{_part_of_path(where.get('teamId'))}/channels/{_part_of_path(where['channelId'])}"
        )
        root = message.get("replyToId")
        return f"{channel}/messages/" + (f"{_part_of_path(root)}/replies/{key}" if root else key)

    def _refused_alone(self, scope: Scope) -> bool:
        """Tell whether another export of this source can be had though one of this scope is refused."""
        del scope
        return False

    def _probe(self, scope: Scope) -> None:
        """Prove that an export can be asked for, by a page of one."""
        self._service.get(self._export(scope), {"$top": "1"}, _KNOWN)


class _OfChats(Messages):
    """What the readers of chats have in common."""

    label: ClassVar[str]
    right: ClassVar[str] = "Chat.Read.All"
    rights: ClassVar[tuple[str, ...]] = ("Chat.Read.All", "Files.Read.All")

    def __init__(self, service: Service, context: SourceContext) -> None:
        super().__init__(service, context)
        self._talks: dict[str, Talk] | None = None

    def check(self) -> None:
        """Prove that the export can be asked for."""
        try:
            next(self.scopes())
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the one there is: the export gives all chats together."""
        scope = Scope(self.place, self.label, "chat")
        self._probe(scope)
        yield scope

    def _talk(self, message: Message) -> Talk:
        if self._talks is None:
            self._talks = dict(self._current())
        key = _conversation(message)
        if key not in self._talks:
            self._talks[key] = self._left(key)
        return self._talks[key]

    def _current(self) -> Iterator[tuple[str, Talk]]:
        """Yield the chats that the account is in now (https://learn.microsoft.com/graph/api/chat-list)."""
        query = {"$expand": "members", "$top": "50"}
        for page in self._service.pages(f"{self._user}/chats", query):
            for chat in page.values:
                yield str(chat["id"]), self._with_members(chat)

    def _left(self, key: str) -> Talk:
        """Return a chat that the account is in no more; nameless where it is not given."""
        try:
            return self._with_members(self._service.get(f"/v1.0/chats/{_part_of_path(key)}"))
        except (Denied, Refused):
            return Talk()

    def _with_members(self, chat: Message) -> Talk:
        members = list(chat.get("members") or ())
        if not members or len(members) >= _EXPANDED:
            path = f"/v1.0/chats/{_part_of_path(chat['id'])}/members"
            members = [one for page in self._service.pages(path) for one in page.values]
        people = {str(one["userId"]): _shown(one) for one in members if one.get("userId")}
        shown = tuple(sorted(filter(None, map(_shown, members))))
        names = sorted(str(one["displayName"]) for one in members if one.get("displayName"))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        name = str(chat.get("topic") or "") or ", ".join(names[:_NAMED]) + more
        return Talk(name, shown, people, str(chat.get("chatType") or ""))


class Chats(_OfChats):
    """Messages of the account's chats: with one person, in groups, in meetings."""

    place: ClassVar[str] = "teams_chats"
    label: ClassVar[str] = "Teams chats"
    covers: ClassVar[tuple[str, ...]] = (
        "teams_chats: every message of the account's chats, group chats and meeting chats, with inline "
        "pictures, reactions, joins, leaves, renames and calls; edited ones as they are now, deleted ones as "
        "what is left",
        "files that a message names, as they are when fetched",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "earlier words of an edited message, and words of one that was deleted long ago: a hold keeps them "
        "in SubstrateHolds; take them from Purview",
        "recordings and transcripts of meetings, other than as files in OneDrive or SharePoint",
    )

    def unreached(self) -> Iterator[Unreached]:
        """Name what only a hold keeps."""
        yield Unreached(
            f"{self.place}/earlier_words",
            "Earlier words of edited messages, and deleted ones that a hold keeps",
            "chat",
            Reach.NOT_BY_THIS_ROUTE,
            "substrate_holds",
        )

    def _export(self, scope: Scope) -> str:
        """See https://learn.microsoft.com/graph/api/chats-getallmessages."""
        del scope
        return f"{self._user}/chats/getAllMessages"


class Retained(_OfChats):
    """Messages of chats that a retention policy keeps although they were deleted."""

    place: ClassVar[str] = "teams_retained"
    label: ClassVar[str] = "Teams chats, messages kept by retention"
    covers: ClassVar[tuple[str, ...]] = (
        "teams_retained: messages of chats that a retention policy of the tenant keeps",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "retained messages of channels: of a whole team, not of the account; take them from Purview",
    )

    def unreached(self) -> Iterator[Unreached]:
        """Name the retained messages of channels."""
        yield Unreached(
            f"{self.place}/channels",
            "Messages of channels that a retention policy keeps",
            "chat",
            Reach.NOT_BY_THIS_ROUTE,
            "retained_channels",
        )

    def _export(self, scope: Scope) -> str:
        """See https://learn.microsoft.com/graph/api/chat-getallretainedmessages."""
        del scope
        return f"{self._user}/chats/getAllRetainedMessages"


class Channels(Messages):
    """Posts and answers in the channels of the teams that the account belongs to."""

    place: ClassVar[str] = "teams_channels"
    label: ClassVar[str] = "Teams channels"
    right: ClassVar[str] = "ChannelMessage.Read.All"
    rights: ClassVar[tuple[str, ...]] = (
        "ChannelMessage.Read.All",
        "Team.ReadBasic.All",
        "Channel.ReadBasic.All",
        "Files.Read.All",
    )
    covers: ClassVar[tuple[str, ...]] = (
        "teams_channels: every post and answer in all channels, private ones too, of each team that the "
        "account is a member of now",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "teams that the account has left, deleted teams, and shared channels of other teams",
    )

    def __init__(self, service: Service, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        super().__init__(service, context)
        self._listing = within(service, context, TEAMS).for_right("Team.ReadBasic.All", _PROTECTED)
        self._naming = self._service.for_right("Channel.ReadBasic.All", _PROTECTED)
        self._talks: dict[str, dict[str, Talk]] = {}
        self._names: dict[str, str] | None = None

    def check(self) -> None:
        """Prove that teams can be listed, and channels of the first be named and exported."""
        try:
            next(self.scopes(), None)
        except Refused as error:
            raise not_given(self._context.source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the teams. Each right is tried before, so that a missing one is known before reading."""
        teams = [Scope(f"{self.place}/{key}", name, "team") for key, name in sorted(self._teams().items())]
        self._prove(teams)
        yield from teams

    def _prove(self, teams: Sequence[Scope]) -> None:
        """Prove that one of the first teams can be read: a right that is missing is missing for each.

        Raises:
            Denied: None of them can; it is what was said of the first.
        """
        first: Denied | None = None
        for team in teams[:_TRIED]:
            try:
                self._probe(team)
                self._channels(_team_of(team))
            except Denied as error:
                first = first or error
            else:
                return
        if first is not None:
            raise first

    def _refused_alone(self, scope: Scope) -> bool:
        """One team that is refused (its owner, or a policy, may do that) is a failure of its own."""
        others = [Scope(f"{self.place}/{key}", "", "team") for key in sorted(self._teams())]
        others = [one for one in others if one.key != scope.key]
        try:
            self._prove(others)
        except Denied:
            return False
        return bool(others)

    def unreached(self) -> Iterator[Unreached]:
        """Name what a list of the account's teams does not lead to."""
        for key, label in (
            ("left", "Teams that the account has left, and deleted teams"),
            ("shared_channels", "Channels of other teams that are shared with the account"),
        ):
            yield Unreached(f"{self.place}/{key}", label, "team", Reach.NOT_BY_THIS_ROUTE, key)

    def _export(self, scope: Scope) -> str:
        """See https://learn.microsoft.com/graph/api/channel-getallmessages."""
        return f"/v1.0/teams/{_part_of_path(_team_of(scope))}/channels/getAllMessages"

    def _teams(self) -> dict[str, str]:
        """Return names of the teams by id (https://learn.microsoft.com/graph/api/user-list-joinedteams)."""
        if self._names is None:
            pages = self._listing.pages(f"{self._user}/joinedTeams")
            self._names = {
                str(team["id"]): str(team.get("displayName") or "") for page in pages for team in page.values
            }
        return self._names

    def _talk(self, message: Message) -> Talk:
        where = message.get("channelIdentity") or {}
        return self._channels(str(where.get("teamId") or "")).get(str(where.get("channelId") or ""), Talk())

    def _channels(self, team: str) -> dict[str, Talk]:
        if team not in self._talks:
            # https://learn.microsoft.com/graph/api/channel-list
            path = f"/v1.0/teams/{_part_of_path(team)}/channels"
            pages = self._naming.pages(path, {"$select": "id,displayName,membershipType"})
            of = self._teams().get(team, "")
            self._talks[team] = {
                str(one["id"]): Talk(
                    " / ".join(filter(None, (of, str(one.get("displayName") or "")))),
                    kind=str(one.get("membershipType") or ""),
                )
                for page in pages
                for one in page.values
            }
        return self._talks[team]


def _team_of(scope: Scope) -> str:
    """Return the id of the team that a scope is."""
    return scope.key.partition("/")[2]


_PROTECTED = (
    "; the export of Teams messages is a protected API: where the tenant or its cloud still asks for it, "
    "request Microsoft's approval (https://learn.microsoft.com/graph/teams-protected-apis)"
)


def _native(message: Message) -> bytes:
    """Return the bytes of a message, without what the service says of its own answer.

    Half of a surrogate pair, which JSON can hold, stays what it is; its reader knows.
    """
    about = {name: value for name, value in message.items() if name[:1] != "@"}
    return canonical.dumps(about).encode("utf-8", "surrogatepass")


def _times(message: Message) -> tuple[datetime, datetime, int]:
    """Return when a message was written and last changed, and how many items it gives."""
    files = sum(one.get("contentType") == _FILE for one in message.get("attachments") or ())
    return _written(message), _changed(message), 1 + files


def _written(message: Message) -> datetime:
    return instant(message.get("createdDateTime")).at or _OLDEST


def _changed(message: Message) -> datetime:
    return instant(message.get("lastModifiedDateTime")).at or _written(message)


def _conversation(message: Message) -> str:
    return str((message.get("channelIdentity") or {}).get("channelId") or message.get("chatId") or "")


def _key(message: Message) -> str:
    """Return the key of a message: its id is unique only with its chat, or its channel and post."""
    return "/".join(
        str(part) for part in (_conversation(message), message.get("replyToId"), message["id"]) if part
    )


def _file_key(message: str, attachment: Message) -> str:
    return f"{message}/file/{attachment.get('id', '')}"


def _order(message: Message) -> tuple[str, str]:
    at = instant(message.get("createdDateTime")).at
    return ("" if at is None else canonical.utc_text(at)), _key(message)


def _cursor(message: Message, done: int) -> str:
    return _CURSOR + "|".join((*_order(message), str(done)))


def _read(cursor: str | None) -> tuple[tuple[str, str], int]:
    """Return the place of the message that was reached, and how many items of it are safe."""
    if cursor is None:
        return ("", ""), 0
    stated = cursor.removeprefix(_CURSOR).split("|")
    if not cursor.startswith(_CURSOR) or len(stated) != 3 or not stated[2].isdigit():
        raise CursorExpired("the cursor of Teams messages is of another version")
    return (stated[0], stated[1]), int(stated[2])


def _placed(message: Message, written: Moment, window: Window) -> tuple[bool, tuple[WarningCode, ...]]:
    """Say whether nothing of a message lies in the window: neither writing, nor editing, nor deleting."""
    outside, warnings = placed(written, window, dated=True)
    if not outside:
        return False, warnings
    later = (instant(message.get(name)) for name in ("lastEditedDateTime", "deletedDateTime"))
    return all(one.at is None or placed(one, window, dated=True)[0] for one in later), ()


def _people(message: Message) -> Iterator[str]:
    """Yield ids of the people that a message names: who wrote it, reacted, is mentioned or was added."""
    waiting: list[Any] = [
        message.get(name) for name in ("from", "mentions", "reactions", "eventDetail") if message.get(name)
    ]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if isinstance(one.get("id"), str):
                yield one["id"]
            waiting += [below for below in one.values() if isinstance(below, (dict, list))]


def _pictures(message: Message) -> tuple[str, ...]:
    """Return the ids of a message's own inline pictures; those of one that it forwards are that one's."""
    found = _HOSTED.findall(json.dumps(message))
    return tuple(dict.fromkeys(key for of, key in found if of == message["id"]))


def _shown(member: Message) -> str:
    name, address = str(member.get("displayName") or ""), str(member.get("email") or "")
    return f"{name} <{address}>" if name and address else name or address


def _part_of_path(key: object) -> str:
    return quote(str(key or ""), safe="@")


def _type_of(data: bytes) -> str:
    """Return the type of a picture by its first bytes; what a header says of it may differ by the day."""
    for start, kind in _PICTURES:
        if data.startswith(start):
            return kind
    return "application/octet-stream"


_PICTURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
)


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _spec(cut: _Cut, before: datetime | None, newest: datetime | None) -> str:
    """Describe a part: what was written when, and where its messages are by their last change."""
    spans: list[Span] = []
    if before is not None:
        late = sorted(at for at in cut.changed if at >= before)
        spans = [(cut.first, before), *_clusters(late), (newest, None)]
    else:
        spans = [(cut.first, None)]
    shown = [[at and canonical.utc_text(at) for at in span] for span in spans]
    bounds = [at and canonical.utc_text(at) for at in (cut.first, before)]
    return canonical.dumps({"v": 1, "first": bounds[0], "before": bounds[1], "spans": shown})


def _clusters(times: Sequence[datetime]) -> list[Span]:
    """Return a few spans that hold all times, with the largest gaps between them left out."""
    if not times:
        return []
    gaps = sorted(range(1, len(times)), key=lambda at: times[at] - times[at - 1], reverse=True)
    edges = [0, *sorted(gaps[: _SPANS - 1]), len(times)]
    return [(times[begin], times[end - 1]) for begin, end in itertools.pairwise(edges)]


def _range(spec: str) -> Range:
    if not spec:
        return Range()
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of Teams messages was cut by another version; plan the run again")
    spans = tuple((_at(first), _at(last)) for first, last in stated["spans"])
    return Range(_at(stated["first"]), _at(stated["before"]), spans)


def _at(stated: str | None) -> datetime | None:
    return instant(stated).at
