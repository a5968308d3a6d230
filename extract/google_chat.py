"""Google Chat: one message by its JSON object, of a Takeout export's ``messages.json`` or of the Chat API.

The two name things differently; an object with a ``createTime`` is the API's
(https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages). What it does not
say (the name and members of a conversation) the connector adds as metadata. A deleted message is a record
without text: who wrote it, when, and that it is gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import long_date_moment, zone_doubts
from records.vocabulary import Basis, Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-google-chat-message+json"
"""What a connector labels one message with."""

_START = re.compile(rb"\s*\{")
_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")
_FACTS = ("message_id", "topic_id", "updated_date", "message_state")


class GoogleChatReader:
    """Reads one chat message."""

    name: ClassVar[str] = "google_chat"
    version: ClassVar[str] = "2"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept what is labelled as a message and is a JSON object."""
        if media_type != MEDIA_TYPE or _START.match(head) is None:
            return None
        return 100

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        message = _object(stream.read())
        if "createTime" in message:
            return _of_api(message, context)
        moment = long_date_moment(_text(message, "created_date") or None, context.time_zone)
        warnings: set[WarningCode] = set()
        if moment == NO_MOMENT:
            warnings.add(WarningCode.NO_DATE)
        elif moment.at is None:
            warnings.add(WarningCode.BAD_DATE)
        warnings.update(zone_doubts(moment, context.time_zone))
        return Extraction(
            text=_text(message, "text"),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=_person(message.get("creator")),
                participants=_members(context.metadata.get("members", "")),
                moment=moment,
                thread_key=_thread(message, context.metadata),
            ),
            metadata=_metadata(message),
            warnings=tuple(sorted(warnings)),
        )


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ItemError(Reason.CORRUPT, "json") from None
    if not isinstance(value, dict):
        raise ItemError(Reason.CORRUPT, "json_object")
    return value


_CARD_TEXTS = frozenset({"title", "subtitle", "text", "topLabel", "bottomLabel", "altText"})
_TAG = re.compile(r"<[^<>]*>")


def _of_api(message: Mapping[str, Any], context: ExtractContext) -> Extraction:
    """Read a message as the Chat API gives it."""
    stated = _text(message, "createTime")
    try:
        at = datetime.fromisoformat(stated)
        moment = Moment(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC), stated, Basis.STATED)
    except (ValueError, OverflowError):
        moment = Moment(None, stated, Basis.NONE)
    cards = _objects(message, "cardsV2") or _objects(message, "cards")
    quoted = _inner(message, "quotedMessageMetadata")
    texts = [_text(message, "text"), *_card_texts(cards)]
    if words := _text(_inner(quoted, "quotedMessageSnapshot"), "text"):
        texts.append("\n".join(f"> {line}" for line in words.split("\n")))
    return Extraction(
        text="\n".join(filter(None, texts)),
        kind=Kind.CHAT,
        fields=Fields(
            subject=context.metadata.get("group_name", ""),
            sender=_user(message.get("sender")),
            participants=_members(context.metadata.get("members", "")),
            moment=moment,
            thread_key=_text(_inner(message, "thread"), "name") or context.metadata.get("group", ""),
        ),
        metadata=_api_metadata(message, _text(quoted, "name")),
        warnings=() if moment.at is not None else (WarningCode.BAD_DATE,),
    )


def _api_metadata(message: Mapping[str, Any], quoted: str) -> dict[str, str]:
    edited, deleted = _text(message, "lastUpdateTime"), _text(message, "deleteTime")
    reactions = [
        f"{_text(_inner(one, 'emoji'), 'unicode')} {one.get('reactionCount', '')}".strip()
        for one in _objects(message, "emojiReactionSummaries")
    ]
    facts = {
        "message_id": _text(message, "name"),
        "updated_date": edited,
        "edited": "true" if edited else "",
        "deleted_date": deleted,
        "deleted": "true" if deleted else "",
        "deleted_by": _text(_inner(message, "deletionMetadata"), "deletionType"),
        "quoted_message": quoted,
        "attached_files": "; ".join(
            filter(None, (_text(one, "contentName") for one in _objects(message, "attachment")))
        ),
        "reactions": "; ".join(filter(None, reactions)),
    }
    return {name: value for name, value in facts.items() if value}


def _card_texts(value: object) -> Iterator[str]:
    """Yield the words of cards, in order; their markup is a few tags of HTML. A stack, since cards nest."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            yield from (_TAG.sub("", _text(one, name)) for name in one if name in _CARD_TEXTS)
            waiting.extend(reversed([below for below in one.values() if isinstance(below, (dict, list))]))


def _inner(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def _user(value: object) -> Address | None:
    """Return who wrote it; Google tells the address of people that the account has to do with, else an id."""
    if not isinstance(value, dict):
        return None
    name, address = _text(value, "displayName"), _text(value, "email") or _text(value, "name")
    return Address(name, address) if name or address else None


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else ""


def _person(value: object) -> Address | None:
    if not isinstance(value, dict):
        return None
    name, address = _text(value, "name"), _text(value, "email")
    return Address(name, address) if name or address else None


def _members(stated: str) -> tuple[Address, ...]:
    """Return the members as the connector lists them: ``Name <address>; …``."""
    people = []
    for entry in filter(None, map(str.strip, stated.split(";"))):
        found = _PERSON.fullmatch(entry)
        people.append(Address(found["name"], found["address"]) if found else Address("", entry))
    return tuple(people)


def _thread(message: Mapping[str, Any], about: Mapping[str, str]) -> str:
    """Return the conversation's key: its folder in the export, else the first part of the message id."""
    group = about.get("group") or _text(message, "message_id").partition("/")[0]
    topic = _text(message, "topic_id")
    return "/".join(filter(None, (group, topic)))


def _metadata(message: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: value for name in _FACTS if (value := _text(message, name))}
    if facts.get("message_state") == "DELETED":
        facts["deleted"] = "true"
    if "updated_date" in facts:
        facts["edited"] = "true"
    files = [_text(entry, "original_name") for entry in _objects(message, "attached_files")]
    if any(files):
        facts["attached_files"] = "; ".join(filter(None, files))
    reactions = [_reaction(entry) for entry in _objects(message, "reactions")]
    if any(reactions):
        facts["reactions"] = "; ".join(filter(None, reactions))
    return facts


def _objects(message: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = message.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _reaction(entry: Mapping[str, Any]) -> str:
    emoji = entry.get("emoji")
    sign = _text(emoji, "unicode") if isinstance(emoji, dict) else ""
    people = entry.get("reactor_emails")
    names = (
        [charsets.without_surrogates(p) for p in people if isinstance(p, str)]
        if isinstance(people, list)
        else []
    )
    return f"{sign} {', '.join(names)}".strip()
