"""Microsoft Teams: one message of a chat or a channel, by its JSON object (Graph's ``chatMessage``).

https://learn.microsoft.com/graph/api/resources/chatmessage. What the object does not say (the name of the
conversation, who belongs to it, addresses of people) the connector adds as metadata. Joins, leaves, renames,
calls and recordings are messages like any other, told in words. A deleted message is a record without text.
Inline pictures are children: their bytes stand in ``hostedContents``, where Graph's own form has a place for
them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar

from extract.json_fields import (
    inner_of,
    members_of,
    object_of,
    objects_of,
    person_of,
    quoted,
    text_of,
    texts_of,
)
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.markup import file_links, html_to_text
from extract.protocol import ExtractContext
from records.links import file_link
from records.models import NO_MOMENT, Address, Child, Extraction, Failure, Fields, Moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-teams-message+json"
"""What a connector labels one message with."""

_AT = re.compile(r"<at\b[^<>]*>", re.IGNORECASE)
_EMOJI = re.compile(r"<emoji\b[^<>]*?\balt=\"([^\"<>]*)\"[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"</[A-Za-z]|<br", re.IGNORECASE)
_DROPPED = re.compile(r"</?(?:attachment|systemEventMessage)\b[^<>]*>", re.IGNORECASE)
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DURATION = re.compile(r"P(?:(\d{1,9})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?")

_QUOTED = "messageReference"
_FORWARDED = "forwardedMessageReference"
_FILE = "reference"

_CARD_TEXTS = frozenset({
    "title", "subtitle", "text", "summary", "activityTitle", "activitySubtitle", "activityText", "altText",
    "label", "placeholder", "description", "name",
})  # fmt: skip
"""Fields of cards that people read (https://adaptivecards.io/explorer, and
https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference)."""

_EVENT_TEXTS = (
    "chatDisplayName", "channelDisplayName", "teamDisplayName", "channelDescription", "teamDescription",
    "teamsAppDisplayName", "callRecordingDisplayName", "callRecordingUrl", "callEventType",
    "callRecordingStatus",
)  # fmt: skip
_EVENT_SPANS = ("callDuration", "callRecordingDuration")
_FACTS = {
    "id": "message_id",
    "replyToId": "reply_to",
    "messageType": "message_type",
    "importance": "importance",
    "lastModifiedDateTime": "modified_date",
    "lastEditedDateTime": "edited_date",
    "deletedDateTime": "deleted_date",
    "webUrl": "address",
}


class TeamsReader(LabelledReader):
    """Reads one message."""

    name: ClassVar[str] = "teams"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        message = object_of(stream.read())
        people = texts_of(context.metadata.get("people", ""))
        moment = _moment(message)
        body, links = _body(message)
        words = [text_of(message, "subject"), body, *_attached(message), *_event(message, people)]
        warnings = {
            *((WarningCode.EDITED,) if text_of(message, "lastEditedDateTime") else ()),
            *((WarningCode.DELETED,) if text_of(message, "deletedDateTime") else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        children = tuple(_pictures(message))
        return Extraction(
            text="\n".join(filter(None, words)),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=_who(inner_of(message, "from"), people),
                participants=members_of(context.metadata.get("members", "")),
                moment=moment,
                thread_key=_thread(message),
            ),
            metadata=_metadata(message, people),
            children=children,
            expected_children=len(children),
            warnings=tuple(sorted(warnings)),
            links=links,
        )


def _moment(message: Mapping[str, Any]) -> Moment:
    stated = text_of(message, "createdDateTime")
    if not stated:
        return NO_MOMENT
    try:
        at = datetime.fromisoformat(stated)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return Moment(None, stated, Basis.NONE)
    return Moment(at, stated, Basis.STATED)


def _body(message: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the words of a message, and addresses of files of which they show only names."""
    about = inner_of(message, "body")
    source = text_of(about, "content")
    words = source
    if text_of(about, "contentType") != "text":
        plain = _DROPPED.sub("", _EMOJI.sub(r" \1 ", _AT.sub("@", source)))
        words = html_to_text(plain)
    links = [*file_links(source, words)] if words is not source else []
    links += [file_link(text_of(one, "contentUrl")) for one in _of_type(message, _FILE)]
    return words, tuple(dict.fromkeys(filter(None, links)))


def _of_type(message: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in objects_of(message, "attachments") if text_of(one, "contentType") == kind]


def _attached(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield what attachments say, in order: quoted and forwarded messages, cards.

    https://learn.microsoft.com/graph/api/resources/chatmessageattachment: ``content`` is JSON text.
    """
    for one in objects_of(message, "attachments"):
        kind = text_of(one, "contentType")
        if kind == _FILE:
            continue
        content = _content(one)
        if kind in {_QUOTED, _FORWARDED}:
            yield _quotation(content)
        elif isinstance(content, (dict, list)):
            yield "\n".join(filter(None, _card_words(content)))
        else:
            yield _plain(text_of(one, "content"))


def _plain(words: str) -> str:
    """Return words without markup: some cards hold HTML, others what only looks like it."""
    return html_to_text(words) if _MARKUP.search(words) else words


def _content(attachment: Mapping[str, Any]) -> Any:
    stated = attachment.get("content")
    try:
        return json.loads(stated) if isinstance(stated, str) else None
    except (ValueError, RecursionError):
        return None


def _quotation(content: object) -> str:
    about = content if isinstance(content, dict) else {}
    words = text_of(about, "messagePreview") or html_to_text(text_of(about, "originalMessageContent"))
    who = inner_of(about, "messageSender") or inner_of(about, "originalMessageSender")
    name = next((text_of(inner_of(who, kind), "displayName") for kind in who if inner_of(who, kind)), "")
    return quoted(f"{name}: {words}" if name else words) if words else ""


def _card_words(value: object) -> Iterator[str]:
    """Yield the words of a card, in order. A stack, since cards nest."""
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            if isinstance(one.get("value"), str) and isinstance(one.get("title") or one.get("name"), str):
                # a fact: its name and value are one line
                yield f"{text_of(one, 'title') or text_of(one, 'name')}: {text_of(one, 'value')}"
            else:
                yield from (_plain(text_of(one, name)) for name in one if name in _CARD_TEXTS)
            waiting.extend(reversed([below for below in one.values() if isinstance(below, (dict, list))]))


def _event(message: Mapping[str, Any], people: Mapping[str, str]) -> Iterator[str]:
    """Yield what happened, in words (https://learn.microsoft.com/graph/system-messages)."""
    detail = inner_of(message, "eventDetail")
    kind = _event_kind(detail)
    if not kind:
        return
    whose = [_name(one, people) for one in objects_of(detail, "members")]
    whose += [_named(inner_of(one, "participant"), people) for one in objects_of(detail, "callParticipants")]
    whose.append(_name(inner_of(detail, "conversationMemberUser"), people))
    said = [", ".join(filter(None, whose)), *(text_of(detail, name) for name in _EVENT_TEXTS)]
    said += [_span(text_of(detail, name)) for name in _EVENT_SPANS]
    line = kind.replace("_", " ").capitalize()
    if told := "; ".join(filter(None, said)):
        line += f": {told}"
    by = _named(inner_of(detail, "initiator"), people)
    yield f"{line} (by {by})" if by else line


def _event_kind(detail: Mapping[str, Any]) -> str:
    """Return ``members_added`` of ``#microsoft.graph.membersAddedEventMessageDetail``."""
    stated = text_of(detail, "@odata.type").rpartition(".")[2].removesuffix("EventMessageDetail")
    return _WORD_STARTS.sub("_", stated).lower()


def _span(stated: str) -> str:
    """Return a duration (ISO 8601) as hours, minutes and seconds."""
    found = _DURATION.fullmatch(stated)
    if found is None or not any(found.groups()):
        return ""
    days, hours, minutes, seconds = (int(one or 0) for one in found.groups())
    return f"{days * 24 + hours}:{minutes:02}:{seconds:02}"


def _who(stated: Mapping[str, Any], people: Mapping[str, str]) -> Address | None:
    """Return who an identity set names: a person, an application or a device."""
    for kind in ("user", "application", "device", *stated):
        about = inner_of(stated, kind)
        key, name = text_of(about, "id"), text_of(about, "displayName")
        if shown := people.get(key, ""):
            return person_of(shown, key)
        if name or key:
            return Address(name, key)
    return None


def _named(stated: Mapping[str, Any], people: Mapping[str, str]) -> str:
    who = _who(stated, people)
    return "" if who is None else who.name or who.address


def _name(identity: Mapping[str, Any], people: Mapping[str, str]) -> str:
    return _named({"user": dict(identity)}, people)


def _thread(message: Mapping[str, Any]) -> str:
    """Return the key of the conversation: the chat, or of a channel the post that was answered."""
    channel = text_of(inner_of(message, "channelIdentity"), "channelId")
    if channel:
        return f"{channel}/{text_of(message, 'replyToId') or text_of(message, 'id')}"
    return text_of(message, "chatId")


def _metadata(message: Mapping[str, Any], people: Mapping[str, str]) -> dict[str, str]:
    facts = {ours: text_of(message, name) for name, ours in _FACTS.items()}
    if facts["importance"] == "normal":
        del facts["importance"]
    facts["edited"] = "true" if facts["edited_date"] else ""
    facts["deleted"] = "true" if facts["deleted_date"] else ""
    facts["event"] = _event_kind(inner_of(message, "eventDetail"))
    facts["call_id"] = text_of(inner_of(message, "eventDetail"), "callId")
    facts["attached_files"] = "; ".join(text_of(one, "name") for one in _of_type(message, _FILE))
    facts["quoted_message"] = "; ".join(text_of(one, "id") for one in _of_type(message, _QUOTED))
    facts["mentions"] = "; ".join(
        dict.fromkeys(
            filter(
                None,
                (
                    _named(inner_of(one, "mentioned"), people) or text_of(one, "mentionText")
                    for one in objects_of(message, "mentions")
                ),
            )
        )
    )
    facts["reactions"] = "; ".join(_reactions(message, people))
    facts["policy"] = text_of(inner_of(message, "policyViolation"), "dlpAction")
    return {name: value for name, value in facts.items() if value}


def _reactions(message: Mapping[str, Any], people: Mapping[str, str]) -> Iterator[str]:
    """Yield each reaction with who gave it."""
    given: dict[str, list[str]] = {}
    for one in objects_of(message, "reactions"):
        sign = text_of(one, "reactionType")
        if sign == "custom":
            sign = text_of(one, "displayName") or sign
        given.setdefault(sign, []).append(_named(inner_of(one, "user"), people))
    for sign, names in given.items():
        yield f"{sign} {', '.join(filter(None, names))}".strip()


def _pictures(message: Mapping[str, Any]) -> Iterator[Child]:
    """Yield the inline pictures, or why one of them is not there."""
    for number, one in enumerate(objects_of(message, "hostedContents"), 1):
        data: bytes | None = None
        failure: Failure | None = None
        try:
            data = base64.b64decode(one.get("contentBytes") or "", validate=True) or None
        except (binascii.Error, ValueError, TypeError):
            failure = Failure(Reason.CORRUPT, "base64")
        if data is None and failure is None:
            failure = Failure(Reason.NOT_IN_EXPORT, text_of(one, "@daylight.missing") or "no_bytes")
        yield Child(
            part_path=str(number),
            name=None,
            media_type=text_of(one, "contentType").lower() or "application/octet-stream",
            kind=Kind.FILE,
            data=data,
            failure=failure,
            metadata={"content_id": text_of(one, "id"), "disposition": "inline"},
        )
