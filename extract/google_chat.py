"""Google Chat: one message by its JSON object, of a Takeout export's ``messages.json`` or of the Chat API.

The two name things differently; an object with a ``createTime`` is the API's
(https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages). What it does not
say (the name and members of a conversation) the connector adds as metadata. A deleted message is a record
without text: who wrote it, when, and that it is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import inner_of, members_of, object_of, objects_of, text_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import long_date_moment, zone_doubts
from records.vocabulary import Basis, Kind, WarningCode

MEDIA_TYPE = "application/x-google-chat-message+json"
"""What a connector labels one message with."""

_FACTS = ("message_id", "topic_id", "updated_date", "message_state")


class GoogleChatReader(LabelledReader):
    """Reads one chat message."""

    name: ClassVar[str] = "google_chat"
    version: ClassVar[str] = "2"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        message = object_of(stream.read())
        if "createTime" in message:
            return _of_api(message, context)
        moment = long_date_moment(text_of(message, "created_date") or None, context.time_zone)
        warnings: set[WarningCode] = set()
        if moment == NO_MOMENT:
            warnings.add(WarningCode.NO_DATE)
        elif moment.at is None:
            warnings.add(WarningCode.BAD_DATE)
        warnings.update(zone_doubts(moment, context.time_zone))
        return Extraction(
            text=text_of(message, "text"),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=_person(message.get("creator")),
                participants=members_of(context.metadata.get("members", "")),
                moment=moment,
                thread_key=_thread(message, context.metadata),
            ),
            metadata=_metadata(message),
            warnings=tuple(sorted(warnings)),
        )


_CARD_TEXTS = frozenset({"title", "subtitle", "text", "topLabel", "bottomLabel", "altText"})
_TAG = re.compile(r"<[^<>]*>")


def _of_api(message: Mapping[str, Any], context: ExtractContext) -> Extraction:
    """Read a message as the Chat API gives it."""
    stated = text_of(message, "createTime")
    try:
        at = datetime.fromisoformat(stated)
        moment = Moment(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC), stated, Basis.STATED)
    except (ValueError, OverflowError):
        moment = Moment(None, stated, Basis.NONE)
    cards = objects_of(message, "cardsV2") or objects_of(message, "cards")
    quoted = inner_of(message, "quotedMessageMetadata")
    texts = [text_of(message, "text"), *_card_texts(cards)]
    if words := text_of(inner_of(quoted, "quotedMessageSnapshot"), "text"):
        texts.append("\n".join(f"> {line}" for line in words.split("\n")))
    return Extraction(
        text="\n".join(filter(None, texts)),
        kind=Kind.CHAT,
        fields=Fields(
            subject=context.metadata.get("group_name", ""),
            sender=_user(message.get("sender")),
            participants=members_of(context.metadata.get("members", "")),
            moment=moment,
            thread_key=text_of(inner_of(message, "thread"), "name") or context.metadata.get("group", ""),
        ),
        metadata=_api_metadata(message, text_of(quoted, "name")),
        warnings=() if moment.at is not None else (WarningCode.BAD_DATE,),
    )


def _api_metadata(message: Mapping[str, Any], quoted: str) -> dict[str, str]:
    edited, deleted = text_of(message, "lastUpdateTime"), text_of(message, "deleteTime")
    reactions = [
        f"{text_of(inner_of(one, 'emoji'), 'unicode')} {one.get('reactionCount', '')}".strip()
        for one in objects_of(message, "emojiReactionSummaries")
    ]
    facts = {
        "message_id": text_of(message, "name"),
        "updated_date": edited,
        "edited": "true" if edited else "",
        "deleted_date": deleted,
        "deleted": "true" if deleted else "",
        "deleted_by": text_of(inner_of(message, "deletionMetadata"), "deletionType"),
        "quoted_message": quoted,
        "attached_files": "; ".join(
            filter(None, (text_of(one, "contentName") for one in objects_of(message, "attachment")))
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
            yield from (_TAG.sub("", text_of(one, name)) for name in one if name in _CARD_TEXTS)
            waiting.extend(reversed([below for below in one.values() if isinstance(below, (dict, list))]))


def _user(value: object) -> Address | None:
    """Return who wrote it; Google tells the address of people that the account has to do with, else an id."""
    if not isinstance(value, dict):
        return None
    name, address = text_of(value, "displayName"), text_of(value, "email") or text_of(value, "name")
    return Address(name, address) if name or address else None


def _person(value: object) -> Address | None:
    if not isinstance(value, dict):
        return None
    name, address = text_of(value, "name"), text_of(value, "email")
    return Address(name, address) if name or address else None


def _thread(message: Mapping[str, Any], about: Mapping[str, str]) -> str:
    """Return the conversation's key: its folder in the export, else the first part of the message id."""
    group = about.get("group") or text_of(message, "message_id").partition("/")[0]
    topic = text_of(message, "topic_id")
    return "/".join(filter(None, (group, topic)))


def _metadata(message: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: value for name in _FACTS if (value := text_of(message, name))}
    if facts.get("message_state") == "DELETED":
        facts["deleted"] = "true"
    if "updated_date" in facts:
        facts["edited"] = "true"
    files = [text_of(entry, "original_name") for entry in objects_of(message, "attached_files")]
    if any(files):
        facts["attached_files"] = "; ".join(filter(None, files))
    reactions = [_reaction(entry) for entry in objects_of(message, "reactions")]
    if any(reactions):
        facts["reactions"] = "; ".join(filter(None, reactions))
    return facts


def _reaction(entry: Mapping[str, Any]) -> str:
    emoji = entry.get("emoji")
    sign = text_of(emoji, "unicode") if isinstance(emoji, dict) else ""
    people = entry.get("reactor_emails")
    names = (
        [charsets.without_surrogates(p) for p in people if isinstance(p, str)]
        if isinstance(people, list)
        else []
    )
    return f"{sign} {', '.join(names)}".strip()
