"""What one object of an X archive says that a connector needs: key, time, conversation, media.

Numbers are texts in an archive, and ids stay texts. People are ids too: the archive has no handles of those
who take part in a conversation, except where a post of the account mentions them
(https://help.x.com/en/managing-your-account/how-to-download-your-x-archive).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from connectors.bytesource import StreamSource
from connectors.export_files import OpenZips, PackageFile
from connectors.json_lists import listed_objects
from connectors.json_objects import Cut, objects_of
from connectors.json_values import inner, objects, one_line, parsed
from connectors.social_exports import (
    MOST_MEMBERS,
    Account,
    Downloads,
    Media,
    Record,
    RecordList,
    Told,
)
from connectors.social_layouts import GROUP, TALK
from records import canonical
from records.errors import ItemError
from records.models import NO_MOMENT, Moment
from records.moments import post_moment
from records.vocabulary import WarningCode

_TALK = re.compile(rb"\s*\{\s*\"dmConversation\"\s*:\s*(?=\{)")
_ID = re.compile(r"[0-9]{1,25}")
_NO_ID = "none"
_LONGEST_TIME = 100


def records_of(part: PackageFile, of: RecordList, names: Names, opened: OpenZips) -> Iterator[Record]:
    """Yield the objects of a data file: posts, or the messages and events of each conversation.

    Raises:
        ItemError: The list is not whole: what came out before it broke off was yielded.
    """
    for cut in listed_objects(part.stream(opened.of(part))):
        if of.layout.record not in TALK:
            yield Record(cut.data, {})
            continue
        begins = _TALK.match(cut.data)
        talk = parsed(cut.data)
        about = _conversation(inner(talk or {}, "dmConversation"), of.layout.record == GROUP, names)
        if begins is None or talk is None:
            yield Record(cut.data, {})  # no conversation: told as what it is
            continue
        with closing(StreamSource(BytesIO(cut.data[begins.end() :]))) as source:
            for found in objects_of(source, b"messages"):
                if isinstance(found, Cut) and found.whole:
                    yield Record(found.data, about, about["group"])


def tell(value: Mapping[str, Any], data: bytes, of: RecordList, downloads: Downloads, names: Names) -> Told:
    """Return what is known of an object."""
    body = unwrapped(value)
    key = next((one_line(body.get(name)) for name in ("id_str", "id", "noteTweetId") if body.get(name)), "")
    talk = of.layout.record in TALK
    facts = {"people": names.shown_in(data)} if talk else {}
    return Told(
        key if _ID.fullmatch(key) else "",
        moment_of(body),
        {name: text for name, text in facts.items() if text},
        tuple(_dm_media(body, key, downloads) if talk else _post_media(body, key, downloads)),
        _states(body, deleted=of.layout.deleted),
    )


def unwrapped(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an object holds: X puts each into one of a single member that says what it is."""
    if len(value) == 1:
        (body,) = value.values()
        if isinstance(body, dict):
            return body
    return value


def moment_of(body: Mapping[str, Any]) -> Moment:
    """Return when a post or a message was made."""
    stated = one_line(body.get("created_at")) or one_line(body.get("createdAt"))
    return post_moment(stated[:_LONGEST_TIME]) if stated else NO_MOMENT


def header_ids(of: RecordList, opened: OpenZips) -> Iterator[str]:
    """Yield the ids of records that an archive lists by their headers; a damaged list gives what it can."""
    for file in of.headers:
        try:
            for cut in listed_objects(file.stream(opened.of(file))):
                value = parsed(cut.data) or {}
                if of.layout.record in TALK:
                    talk = inner(value, "dmConversation")
                    messages = talk.get("messages")
                    for message in messages if isinstance(messages, list) else ():
                        key = one_line(unwrapped(message).get("id")) if isinstance(message, dict) else ""
                        if _ID.fullmatch(key):
                            yield f"{one_line(talk.get('conversationId')) or _NO_ID}/{key}"
                elif _ID.fullmatch(key := one_line(unwrapped(value).get("tweet_id"))):
                    yield key
        except ItemError:
            continue  # it is an item as a file, and fails there by name


class Names:
    """Handles of people by id: the account's own, and of those whom posts of the downloads mention."""

    def __init__(self, account: Account) -> None:
        """Know the owner."""
        self._shown = {account.id: account.shown} if account.id else {}

    def learn(self, data: bytes) -> None:
        """Take the people whom a post mentions."""
        if b'"screen_name"' not in data:
            return
        for person in objects(inner(unwrapped(parsed(data) or {}), "entities"), "user_mentions"):
            key, handle = (
                one_line(person.get("id_str")) or one_line(person.get("id")),
                one_line(person.get("screen_name")),
            )
            if _ID.fullmatch(key) and handle:
                self._shown.setdefault(key, Account(key, handle, one_line(person.get("name"))).shown)

    def of(self, key: str) -> str:
        """Return how a person is shown: by name and handle where they are known, else by id."""
        return self._shown.get(key, key)

    def shown_in(self, data: bytes) -> str:
        """Return the people whose ids are in some bytes, as the fact ``people``; empty for none."""
        ids = sorted({key.decode("ascii") for key in _QUOTED_ID.findall(data)} & self._shown.keys())
        return canonical.dumps({key: self._shown[key] for key in ids}) if ids else ""


_QUOTED_ID = re.compile(rb"\"([0-9]{1,25})\"")


def _conversation(talk: Mapping[str, Any], is_group: bool, names: Names) -> dict[str, str]:  # noqa: FBT001
    """Return what every message of a conversation is told of."""
    messages = [unwrapped(one) for one in objects(talk, "messages")]
    key = one_line(talk.get("conversationId")) or _NO_ID
    ids: dict[str, None] = {}
    if not is_group:
        ids.update(dict.fromkeys(filter(_ID.fullmatch, key.split("-"))))
    for message in messages:
        stated = [message.get(name) for name in ("senderId", "recipientId", "initiatingUserId")]
        for several in ("userIds", "participantsSnapshot"):
            listed = message.get(several)
            stated += listed if isinstance(listed, list) else []
        ids.update(dict.fromkeys(one for one in map(one_line, stated) if _ID.fullmatch(one)))
    people = [names.of(one) for one in ids]
    # newest first: the first name is the last one given
    called = next((one_line(one.get("name")) for one in messages if one.get("name")), "")
    about = {
        "group": key,
        "group_name": called or ", ".join(people[:MOST_MEMBERS]),
        "group_kind": "group message" if is_group else "direct message",
    }
    if len(people) <= MOST_MEMBERS:
        about["members"] = "; ".join(people)
    else:
        about["members_count"] = str(len(people))
    return about


def _post_media(body: Mapping[str, Any], key: str, downloads: Downloads) -> Iterator[Media]:
    """Yield pictures and videos of a post; their files are named ``<post>-<last part of the address>``."""
    listed = objects(inner(body, "extended_entities"), "media") or objects(inner(body, "entities"), "media")
    for one in listed:
        addresses = [one.get("media_url_https"), one.get("media_url")]
        addresses += [variant.get("url") for variant in objects(inner(one, "video_info"), "variants")]
        names = [name for name in map(_last, addresses) if name]
        held = next((there for name in names if (there := downloads.media(f"{key}-{name}"))), None)
        other = one_line(one.get("source_status_id_str") or one.get("source_status_id"))
        # A repost shows what another post has, which X does not put into the archive.
        yield Media(
            names[0] if names else "media",
            held,
            "media_of_another_post" if other not in {"", key} else "media",
        )


def _dm_media(body: Mapping[str, Any], key: str, downloads: Downloads) -> Iterator[Media]:
    stated = body.get("mediaUrls")
    for address in stated if isinstance(stated, list) else ():
        name = _last(address)
        yield Media(name or "media", downloads.media(f"{key}-{name}") if name else None)


def _last(address: object) -> str:
    """Return the last part of an address's path."""
    try:
        return urlsplit(one_line(address)).path.rpartition("/")[2]
    except ValueError:
        return ""


def _states(body: Mapping[str, Any], *, deleted: bool) -> tuple[WarningCode, ...]:
    edits = inner(body, "edit_info")
    versions = inner(edits, "initial").get("editTweetIds")
    edited = (
        (isinstance(versions, list) and len(versions) > 1)
        or bool(inner(edits, "edit"))
        or bool(body.get("editHistory"))
    )
    gone = deleted or bool(body.get("deleted_at"))
    return (*((WarningCode.EDITED,) if edited else ()), *((WarningCode.DELETED,) if gone else ()))
