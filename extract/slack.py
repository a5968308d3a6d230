"""One message of a Slack export, by its JSON object.

What the object names by id only (people, the conversation) the connector adds as metadata. The text is what
people saw: mentions and links resolved, the words of attachments and blocks after it. Joins, leaves and
renames are messages like any other (https://docs.slack.dev/reference/events/message).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import inner_of, members_of, object_of, objects_of, person_of, text_of, texts_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import epoch_moment
from records.vocabulary import Basis, Kind, WarningCode

MEDIA_TYPE = "application/x-slack-message+json"
"""What a connector labels one message with."""

_TS = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?")
_MARK = re.compile(r"<([^\s<>][^<>]*)>")
_EVENTS = {
    "join": ("channel_join", "group_join"),
    "leave": ("channel_leave", "group_leave"),
    "rename": ("channel_name", "group_name"),
    "topic": ("channel_topic", "group_topic"),
    "purpose": ("channel_purpose", "group_purpose"),
    "archive": ("channel_archive", "group_archive"),
    "unarchive": ("channel_unarchive", "group_unarchive"),
    "convert": ("channel_convert_to_private", "channel_convert_to_public"),
}
_EVENT_OF = {subtype: event for event, subtypes in _EVENTS.items() for subtype in subtypes}
_FACTS = (
    "client_msg_id", "ts", "thread_ts", "subtype", "deleted_ts", "old_name", "name", "inviter", "team",
    "user", "bot_id", "topic", "purpose",
)  # fmt: skip
_BLOCK_TEXTS = frozenset({"text", "alt_text", "title", "description", "label", "fallback"})


class SlackReader(LabelledReader):
    """Reads one message."""

    name: ClassVar[str] = "slack"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        message = object_of(stream.read())
        names = texts_of(context.metadata.get("names", ""))
        moment = _moment(text_of(message, "ts"))
        edited, deleted = _is_edited(message), _is_deleted(message)
        links: list[str] = []
        texts = [_shown(text, names, links) for text in _words(message)]
        warnings = {
            *((WarningCode.EDITED,) if edited else ()),
            *((WarningCode.DELETED,) if deleted else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        return Extraction(
            text="\n".join(filter(None, texts)),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=_sender(message, context),
                participants=members_of(context.metadata.get("members", "")),
                moment=moment,
                thread_key=_thread(message, context.metadata),
            ),
            metadata=_metadata(message, names),
            warnings=tuple(sorted(warnings)),
            links=tuple(dict.fromkeys(links)),
        )


def _moment(stated: str) -> Moment:
    if not stated:
        return NO_MOMENT
    found = _TS.fullmatch(stated)
    if found is None:
        return Moment(None, stated, Basis.NONE)
    return epoch_moment(int(found[1]) * 1_000_000 + int((found[2] or "0").ljust(6, "0")), stated)


def _is_edited(message: Mapping[str, Any]) -> bool:
    return text_of(message, "subtype") == "message_changed" or bool(inner_of(message, "edited"))


def _is_deleted(message: Mapping[str, Any]) -> bool:
    return text_of(message, "subtype") in {"message_deleted", "tombstone"} or "deleted_ts" in message


def _words(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a message in the order people saw them, then what it said before.

    An export with full compliance writes an edit as a message of its own: ``message`` is what it became,
    ``previous_message`` or ``original`` what it was.
    """
    now = inner_of(message, "message") if text_of(message, "subtype") == "message_changed" else message
    yield from _said(now if now else message)
    for name in ("previous_message", "original"):
        if before := inner_of(message, name):
            if text_of(message, "subtype") == "message_changed":
                yield "[before]"
            yield from _said(before)


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    text = text_of(message, "text")
    yield text
    if not text:
        yield from _block_texts(message.get("blocks"))
    for attachment in objects_of(message, "attachments"):
        yield from _attached(attachment)
    for file in objects_of(message, "files"):
        yield text_of(inner_of(file, "initial_comment"), "comment")
        if text_of(file, "mode") in {"snippet", "post", "space"}:  # its content, as far as it is repeated
            yield text_of(file, "preview") or text_of(file, "preview_plain_text")


def _attached(attachment: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of an attachment: a quoted message, a preview of a link, a card of an app."""
    parts = [text_of(attachment, name) for name in ("pretext", "author_name", "title", "text", "footer")]
    parts += [f"{text_of(one, 'title')}: {text_of(one, 'value')}" for one in objects_of(attachment, "fields")]
    parts += list(_block_texts(attachment.get("blocks")))
    if not any(parts):
        parts = [text_of(attachment, "fallback")]
    for part in filter(None, parts):
        yield "\n".join(f"> {line}" for line in part.split("\n"))


def _block_texts(value: object) -> Iterator[str]:
    """Yield the words of blocks, a line each block (https://docs.slack.dev/reference/block-kit/blocks)."""
    for block in value if isinstance(value, list) else ():
        words = "".join(_block_words(block)).strip()
        if words:
            yield words


def _block_words(value: object) -> Iterator[str]:
    """Yield the words within a block, in order. A stack, since rich text nests."""
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
            continue
        if not isinstance(one, dict):
            continue
        kind = one.get("type")
        if kind == "link":
            yield (
                f"<{text_of(one, 'url')}|{text_of(one, 'text')}>"
                if text_of(one, "text")
                else f"<{text_of(one, 'url')}>"
            )
        elif kind == "user":
            yield f"<@{text_of(one, 'user_id')}>"
        elif kind == "channel":
            yield f"<#{text_of(one, 'channel_id')}>"
        elif kind == "emoji":
            yield f":{text_of(one, 'name')}:"
        else:
            yield from (text_of(one, name) for name in sorted(_BLOCK_TEXTS) if isinstance(one.get(name), str))
            inner = [
                one[name] for name in ("text", "title", "elements", "fields", "accessory") if name in one
            ]
            waiting.extend(reversed([part for part in inner if isinstance(part, (dict, list))]))
            if isinstance(kind, str) and (
                kind.startswith("rich_text_") or kind in {"section", "context", "header"}
            ):
                yield "\n"


def _shown(text: str, names: Mapping[str, str], links: list[str]) -> str:
    """Return a text as people saw it (https://docs.slack.dev/messaging/formatting-message-text)."""

    def resolved(found: re.Match[str]) -> str:
        stated, _, label = found[1].partition("|")
        mark, key = stated[:1], stated[1:]
        if mark == "@":
            return f"@{names.get(key) or label.lstrip('@') or key}"
        if mark == "#":
            return f"#{label or names.get(key) or key}"
        if mark == "!":
            return label if label else f"@{key.partition('^')[0]}"
        if not label or label == stated or stated == f"mailto:{label}":
            return label or stated
        links.append(_plain(stated))
        return label

    return _plain(_MARK.sub(resolved, text))


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _sender(message: Mapping[str, Any], context: ExtractContext) -> Address | None:
    """Return who wrote it: a person of the lists, or what the message itself says of its writer."""
    of = message
    for name in ("message", "previous_message", "original"):
        if not text_of(of, "user") and not text_of(of, "bot_id"):
            of = inner_of(message, name) or of
    key = text_of(of, "user")
    if shown := texts_of(context.metadata.get("people", "")).get(key, ""):
        return person_of(shown, key)
    profile, bot = inner_of(of, "user_profile"), inner_of(of, "bot_profile")
    name = text_of(profile, "real_name") or text_of(of, "username") or text_of(bot, "name")
    key = key or text_of(of, "bot_id")
    return Address(name, key) if name or key else None


def _thread(message: Mapping[str, Any], about: Mapping[str, str]) -> str:
    """Return the conversation's key, and the thread's where a message is in one."""
    thread = text_of(message, "thread_ts") or text_of(inner_of(message, "message"), "thread_ts")
    return "/".join(filter(None, (about.get("group", ""), thread)))


def _metadata(message: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    facts = {name: value for name in _FACTS if (value := text_of(message, name))}
    event = _EVENT_OF.get(facts.get("subtype", ""))
    if event:
        facts["event"] = event
    if _is_deleted(message):
        facts["deleted"] = "true"
    if _is_edited(message):
        facts["edited"] = "true"
        if at := text_of(inner_of(message, "edited"), "ts"):
            facts["edited_ts"] = at
    files = [text_of(file, "name") or text_of(file, "title") for file in objects_of(message, "files")]
    if any(files):
        facts["attached_files"] = "; ".join(filter(None, files))
    reactions = [_reaction(one, names) for one in objects_of(message, "reactions")]
    if any(reactions):
        facts["reactions"] = "; ".join(filter(None, reactions))
    return facts


def _reaction(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    users = one.get("users")
    people = (
        [names.get(user, user) for user in users if isinstance(user, str)] if isinstance(users, list) else []
    )
    return f":{text_of(one, 'name')}: {', '.join(map(charsets.without_surrogates, people))}".strip()
