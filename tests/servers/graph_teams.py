"""Microsoft Teams of the fake of Microsoft Graph: exports of chats and channels, who is in them, pictures.

Each route names its page below https://learn.microsoft.com/graph/api/ (v1.0). What the pages leave open is
chosen to be awkward: an export is in no order, its ``@odata.count`` is that of the page (as in the pages'
examples), its links count what is there now, and without the right ``Prefer`` header system messages have no
type. Metering ended on 25 August 2025; a tenant that still asks for payment answers 402 (teams-licenses).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers.graph import Graph, error

CHAT, CHANNEL = "Chat.Read.All", "ChannelMessage.Read.All"
TEAM, NAMES = "Team.ReadBasic.All", "Channel.ReadBasic.All"
EVERYTHING = frozenset({CHAT, CHANNEL, TEAM, NAMES})
HOST = "https://graph.microsoft.com"

Shown = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody of the tenant."""

    id: str
    name: str
    address: str

    @property
    def as_user(self) -> Shown:
        """As ``from`` and ``mentioned`` name people (resources/chatmessagefromidentityset)."""
        kind = "#microsoft.graph.teamworkUserIdentity"
        about = {"@odata.type": kind, "id": self.id, "displayName": self.name, "userIdentityType": "aadUser"}
        return {"application": None, "device": None, "user": about}

    @property
    def as_member(self) -> Shown:
        """As members are listed (resources/aaduserconversationmember)."""
        return {
            "@odata.type": "#microsoft.graph.aadUserConversationMember",
            "id": f"M{self.id}",
            "roles": [],
            "displayName": self.name,
            "userId": self.id,
            "email": self.address,
        }


ANA = Person("0b4f1cf6", "Ana Ruiz", "ana@example.org")
LEE = Person("0d7c63d3", "Lee Okafor", "lee@example.org")
KIM = Person("5c64e248", "Kim Tran", "kim@example.org")


def said(where: Shown, number: int, words: str = "", by: Person | None = ANA, **about: Any) -> Shown:
    """Return a message (resources/chatmessage); its id is its time in milliseconds.

    Args:
        where: ``chatId``, or ``channelIdentity``.
        number: Minutes after the first.
        words: HTML.
        by: Who wrote it; None for a system message.
        **about: Further properties, or others in place of the usual ones.
    """
    at = datetime.fromisoformat("2025-03-04T18:20:34.864+00:00") + timedelta(minutes=number)
    key, time = str(round(at.timestamp() * 1000)), f"{at:%Y-%m-%dT%H:%M:%S}.864Z"
    return {
        "@odata.type": "#microsoft.graph.chatMessage",
        "id": key,
        "replyToId": None,
        "etag": key,
        "messageType": "message" if by else "systemEventMessage",
        "createdDateTime": time,
        "lastModifiedDateTime": time,
        "lastEditedDateTime": None,
        "deletedDateTime": None,
        "subject": None,
        "summary": None,
        "chatId": None,
        "importance": "normal",
        "locale": "en-us",
        "webUrl": None,
        "channelIdentity": None,
        "policyViolation": None,
        "eventDetail": None,
        "from": by.as_user if by else None,
        "body": {"contentType": "html", "content": words if by else "<systemEventMessage/>"},
        "attachments": [],
        "mentions": [],
        "reactions": [],
        **where,
        **about,
    }


def event(where: Shown, number: int, kind: str, by: Person = ANA, **detail: Any) -> Shown:
    """Return a system message (system-messages)."""
    about = {"@odata.type": f"#microsoft.graph.{kind}EventMessageDetail", **detail, "initiator": by.as_user}
    return said(where, number, by=None, eventDetail=about)


def changed(message: Shown, minutes: int, **about: Any) -> None:
    """Change a message so many minutes after it was written: an edit, a reaction, a deletion."""
    at = datetime.fromisoformat(message["createdDateTime"]) + timedelta(minutes=minutes)
    time = f"{at:%Y-%m-%dT%H:%M:%S}.864Z"
    message |= {"lastModifiedDateTime": time, "etag": str(round(at.timestamp() * 1000))}
    message |= {name: time if value is ... else value for name, value in about.items()}


def picture(message: Shown, key: str) -> str:
    """Return the element that shows an inline picture of a message."""
    where = message["channelIdentity"]
    if where:
        path = f"teams/{where['teamId']}/channels/{where['channelId']}/messages/"
        root = message["replyToId"]
        path += f"{root}/replies/{message['id']}" if root else message["id"]
    else:
        path = f"chats/{message['chatId']}/messages/{message['id']}"
    return f'<img src="{HOST}/v1.0/{path}/hostedContents/{key}/$value" alt="image">'


@dataclass
class Chat:
    """A chat (resources/chat)."""

    id: str
    kind: str = "group"
    topic: str | None = None
    members: list[Person] = field(default_factory=list)
    left: list[Person] = field(default_factory=list)
    messages: list[Shown] = field(default_factory=list)

    def say(self, number: int, words: str = "", by: Person | None = ANA, **about: Any) -> Shown:
        self.messages.append(said({"chatId": self.id}, number, words, by, **about))
        return self.messages[-1]

    def happen(self, number: int, kind: str, by: Person = ANA, **detail: Any) -> Shown:
        self.messages.append(event({"chatId": self.id}, number, kind, by, **detail))
        return self.messages[-1]

    @property
    def shown(self) -> Shown:
        return {"id": self.id, "topic": self.topic, "chatType": self.kind}


@dataclass
class Team:
    """A team with its channels: name, membership and messages by id (resources/channel)."""

    id: str
    name: str
    members: list[Person] = field(default_factory=list)
    channels: dict[str, tuple[str, str, list[Shown]]] = field(default_factory=dict)

    def channel(self, key: str, name: str, membership: str = "standard") -> None:
        self.channels[key] = (name, membership, [])

    def post(self, channel: str, number: int, words: str, by: Person = ANA, **about: Any) -> Shown:
        where = {"channelIdentity": {"teamId": self.id, "channelId": channel}}
        self.channels[channel][2].append(said(where, number, words, by, **about))
        return self.channels[channel][2][-1]


@dataclass
class Teams:
    """What lies behind; its routes go into ``Graph.more``.

    Attributes:
        graph: The tenant.
        chats: By id.
        teams: By id.
        retained: Messages that a policy keeps, by lower-case address; empty where there is no policy.
        pictures: Bytes by id of the message and of the picture.
        unlicensed: Lower-case addresses that the tenant still wants a licence for.
        in_order: Exports are in order of time, as in the examples of the pages; else in none.
        short_pages: Exports end early: half of the page, and no link although more is there.
        repeated_pages: Each page but the first begins with all of the one before.
        page: Messages a page at most, whatever is asked for.
    """

    graph: Graph
    chats: dict[str, Chat] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    retained: dict[str, list[Shown]] = field(default_factory=dict)
    pictures: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unlicensed: set[str] = field(default_factory=set)
    in_order: bool = False
    short_pages: bool = False
    repeated_pages: bool = False
    page: int = 50

    def __post_init__(self) -> None:
        user, team = "/v1.0/users/{user}", "/v1.0/teams/{team}"
        message = "/v1.0/chats/{chat}/messages/{message}"
        post = f"{team}/channels/{{channel}}/messages/{{message}}"
        routes: list[tuple[str, str, Callable[[Request], Response]]] = [
            (f"{user}/chats/getAllMessages", CHAT, self._all),
            (f"{user}/chats/getAllRetainedMessages", CHAT, self._all_retained),
            (f"{user}/chats", CHAT, self._chats),
            ("/v1.0/chats/{chat}", CHAT, self._chat),
            ("/v1.0/chats/{chat}/members", CHAT, self._members),
            (f"{message}/hostedContents/{{picture}}/$value", CHAT, self._picture),
            (f"{user}/joinedTeams", TEAM, self._joined),
            (f"{team}/channels/getAllMessages", CHANNEL, self._all_posts),
            (f"{team}/channels", NAMES, self._channels),
            (f"{post}/hostedContents/{{picture}}/$value", CHANNEL, self._picture),
            (f"{post}/replies/{{reply}}/hostedContents/{{picture}}/$value", CHANNEL, self._picture),
        ]
        self.graph.more += [Route(path, self._guarded(right, answer)) for path, right, answer in routes]
        self.graph.entra.rights |= EVERYTHING

    def chat(self, key: str, kind: str = "group", topic: str | None = None, *members: Person) -> Chat:
        made = self.chats[key] = Chat(key, kind, topic, list(members))
        return made

    def team(self, key: str, name: str, *members: Person) -> Team:
        made = self.teams[key] = Team(key, name, list(members))
        return made

    def _guarded(self, right: str, answer: Callable[[Request], Response]) -> Any:
        async def guarded(request: Request) -> Response:
            self.graph.happen(request)
            refused = self.graph.refusal(request, right)
            if refused is not None and refused.status_code == 403:
                return error(403, "Forbidden", "Missing role permissions on the request.")
            address = request.path_params.get("user", "").lower()
            if refused is None and address in self.unlicensed and "getAll" in request.url.path:
                # teams-licenses, payment-related errors
                return error(402, "PaymentRequired", "...needs a valid license to access this API...")
            return refused if refused is not None else answer(request)

        return guarded

    # -- exports -------------------------------------------------------------------------------------

    def _all(self, request: Request) -> Response:
        """chats-getallmessages: of the chats that somebody is or was in."""
        address = request.path_params["user"].lower()
        if self.graph.store.find(address) is None:
            return error(404, "NotFound", "The user was not found.")
        found = [
            message
            for chat in self.chats.values()
            for message in chat.messages
            if any(one.address == address for one in (*chat.members, *chat.left))
        ]
        return self._exported(request, found)

    def _all_retained(self, request: Request) -> Response:
        """chat-getallretainedmessages: needs a retention policy for Teams."""
        address = request.path_params["user"].lower()
        if address not in self.retained:
            return error(400, "BadRequest", "No retention policy is configured.")
        return self._exported(request, self.retained[address])

    def _all_posts(self, request: Request) -> Response:
        """channel-getallmessages: of all channels, private ones too."""
        team = self.teams.get(request.path_params["team"])
        if team is None:
            return error(404, "NotFound", "No team found.")
        return self._exported(request, [one for _, _, posts in team.channels.values() for one in posts])

    def _exported(self, request: Request, found: list[Shown]) -> Response:
        """query-parameters: ``$top`` and a range of ``lastModifiedDateTime``, without its ends."""
        asked = request.query_params
        for kind, stated in re.findall(r"lastModifiedDateTime (gt|lt) (\S+)", asked.get("$filter", "")):
            end = datetime.fromisoformat(stated)
            found = [
                one
                for one in found
                if (datetime.fromisoformat(one["lastModifiedDateTime"]) > end) == (kind == "gt")
                and datetime.fromisoformat(one["lastModifiedDateTime"]) != end
            ]
        if self.in_order:
            found = sorted(found, key=lambda one: one["lastModifiedDateTime"])
        else:
            found = sorted(found, key=lambda one: (one["id"][::-1], str(one["chatId"])))
        skip, top = int(asked.get("$skiptoken", 0)), min(self.page, int(asked.get("$top", 10)))
        first, last = skip, skip + top
        if self.repeated_pages and skip:
            first = max(0, skip - top)
        if self.short_pages:
            last = skip + max(1, top // 2)
        values = [self._shown(request, one) for one in found[first:last]]
        body: Shown = {"@odata.context": f"{HOST}/v1.0/$metadata#Collection(chatMessage)"}
        body |= {"@odata.count": len(values), "value": values}
        if skip + top < len(found) and not self.short_pages:
            query = {**asked, "$skiptoken": str(skip + top)}
            here = f"{request.url.scheme}://{request.url.netloc}"
            body["@odata.nextLink"] = f"{here}{quote(request.url.path)}?{urlencode(query)}"
        return _json(body)

    def _shown(self, request: Request, message: Shown) -> Shown:
        """chatmessage-get: unknown values of evolvable enumerations only when they are asked for."""
        known = "include-unknown-enum-members" in request.headers.get("prefer", "")
        if message["messageType"] == "systemEventMessage" and not known:
            return {**message, "messageType": "unknownFutureValue"}
        return message

    # -- who is in them, and what they show -------------------------------------------------------------

    def _chats(self, request: Request) -> Response:
        """chat-list: 25 members of each at most (known issue)."""
        address = request.path_params["user"].lower()
        mine = [one for one in self.chats.values() if any(who.address == address for who in one.members)]
        return self._values([
            {**one.shown, "members": [who.as_member for who in one.members[:25]]} for one in mine
        ])  # fmt: skip

    def _chat(self, request: Request) -> Response:
        """chat-get"""
        chat = self.chats.get(request.path_params["chat"])
        if chat is None:
            return error(404, "NotFound", "No chat found.")
        return _json(chat.shown)

    def _members(self, request: Request) -> Response:
        """chat-list-members"""
        return self._values([who.as_member for who in self.chats[request.path_params["chat"]].members])

    def _joined(self, request: Request) -> Response:
        """user-list-joinedteams: ids and names only."""
        address = request.path_params["user"].lower()
        mine = [one for one in self.teams.values() if any(who.address == address for who in one.members)]
        return self._values([{"id": one.id, "displayName": one.name, "isArchived": False} for one in mine])

    def _channels(self, request: Request) -> Response:
        """channel-list"""
        team = self.teams[request.path_params["team"]]
        return self._values([
            {"id": key, "displayName": name, "membershipType": membership}
            for key, (name, membership, _) in team.channels.items()
        ])  # fmt: skip

    def _picture(self, request: Request) -> Response:
        """chatmessagehostedcontent-get, ``$value``"""
        about = request.path_params
        data = self.pictures.get((about.get("reply") or about["message"], about["picture"]))
        if data is None:
            return error(404, "NotFound", "No such hosted content.")
        return Response(data, media_type="image/png")

    def _values(self, values: list[Shown]) -> Response:
        return _json({"value": values})


def _json(body: Shown) -> Response:
    """Answer with JSON in ASCII, which can hold half of a character."""
    return Response(json.dumps(body), media_type="application/json")
