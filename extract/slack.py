"""One message of a Slack export, by its JSON object.

What the object names by id only (people, the conversation) the connector adds as metadata. The text is what
people saw: mentions and links resolved, the words of attachments and blocks after it. Joins, leaves and
renames are messages like any other (https://docs.slack.dev/reference/events/message).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import epoch_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-slack-message+json"
"""What a connector labels one message with."""

_START = re.compile(rb"\s*\{")
_TS = re.compile(r"(\d{1,12})(?:\.(\d{1,6}))?")
_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")
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


class SlackReader:
    """Reads one message."""

    name: ClassVar[str] = "slack"
    version: ClassVar[str] = "1"

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
        names = _map(context.metadata.get("names", ""))
        moment = _moment(_text(message, "ts"))
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
                participants=_members(context.metadata.get("members", "")),
                moment=moment,
                thread_key=_thread(message, context.metadata),
            ),
            metadata=_metadata(message, names),
            warnings=tuple(sorted(warnings)),
            links=tuple(dict.fromkeys(links)),
        )


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ItemError(Reason.CORRUPT, "json") from None
    if not isinstance(value, dict):
        raise ItemError(Reason.CORRUPT, "json_object")
    return value


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else ""


def _inner(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    return value if isinstance(value, dict) else {}


def _objects(message: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = message.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _map(stated: str) -> dict[str, str]:
    try:
        value = json.loads(stated) if stated else {}
    except ValueError:
        return {}
    return (
        {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
    )


def _moment(stated: str) -> Moment:
    if not stated:
        return NO_MOMENT
    found = _TS.fullmatch(stated)
    if found is None:
        return Moment(None, stated, Basis.NONE)
    return epoch_moment(int(found[1]) * 1_000_000 + int((found[2] or "0").ljust(6, "0")), stated)


def _is_edited(message: Mapping[str, Any]) -> bool:
    return _text(message, "subtype") == "message_changed" or bool(_inner(message, "edited"))


def _is_deleted(message: Mapping[str, Any]) -> bool:
    return _text(message, "subtype") in {"message_deleted", "tombstone"} or "deleted_ts" in message


def _words(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a message in the order people saw them, then what it said before.

    An export with full compliance writes an edit as a message of its own: ``message`` is what it became,
    ``previous_message`` or ``original`` what it was.
    """
    now = _inner(message, "message") if _text(message, "subtype") == "message_changed" else message
    yield from _said(now if now else message)
    for name in ("previous_message", "original"):
        if before := _inner(message, name):
            if _text(message, "subtype") == "message_changed":
                yield "[before]"
            yield from _said(before)


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    text = _text(message, "text")
    yield text
    if not text:
        yield from _block_texts(message.get("blocks"))
    for attachment in _objects(message, "attachments"):
        yield from _attached(attachment)
    for file in _objects(message, "files"):
        yield _text(_inner(file, "initial_comment"), "comment")
        if _text(file, "mode") in {"snippet", "post", "space"}:  # its content, as far as it is repeated
            yield _text(file, "preview") or _text(file, "preview_plain_text")


def _attached(attachment: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of an attachment: a quoted message, a preview of a link, a card of an app."""
    parts = [_text(attachment, name) for name in ("pretext", "author_name", "title", "text", "footer")]
    parts += [f"{_text(one, 'title')}: {_text(one, 'value')}" for one in _objects(attachment, "fields")]
    parts += list(_block_texts(attachment.get("blocks")))
    if not any(parts):
        parts = [_text(attachment, "fallback")]
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
                f"<{_text(one, 'url')}|{_text(one, 'text')}>"
                if _text(one, "text")
                else f"<{_text(one, 'url')}>"
            )
        elif kind == "user":
            yield f"<@{_text(one, 'user_id')}>"
        elif kind == "channel":
            yield f"<#{_text(one, 'channel_id')}>"
        elif kind == "emoji":
            yield f":{_text(one, 'name')}:"
        else:
            yield from (_text(one, name) for name in sorted(_BLOCK_TEXTS) if isinstance(one.get(name), str))
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
        if not _text(of, "user") and not _text(of, "bot_id"):
            of = _inner(message, name) or of
    key = _text(of, "user")
    if shown := _map(context.metadata.get("people", "")).get(key, ""):
        found = _PERSON.fullmatch(shown)
        return Address(found["name"], found["address"]) if found else Address(shown, key)
    profile, bot = _inner(of, "user_profile"), _inner(of, "bot_profile")
    name = _text(profile, "real_name") or _text(of, "username") or _text(bot, "name")
    key = key or _text(of, "bot_id")
    return Address(name, key) if name or key else None


def _members(stated: str) -> tuple[Address, ...]:
    """Return the members as the connector lists them: ``Name <address>; …``."""
    people = []
    for entry in filter(None, map(str.strip, stated.split(";"))):
        found = _PERSON.fullmatch(entry)
        people.append(Address(found["name"], found["address"]) if found else Address("", entry))
    return tuple(people)


def _thread(message: Mapping[str, Any], about: Mapping[str, str]) -> str:
    """Return the conversation's key, and the thread's where a message is in one."""
    thread = _text(message, "thread_ts") or _text(_inner(message, "message"), "thread_ts")
    return "/".join(filter(None, (about.get("group", ""), thread)))


def _metadata(message: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    facts = {name: value for name in _FACTS if (value := _text(message, name))}
    event = _EVENT_OF.get(facts.get("subtype", ""))
    if event:
        facts["event"] = event
    if _is_deleted(message):
        facts["deleted"] = "true"
    if _is_edited(message):
        facts["edited"] = "true"
        if at := _text(_inner(message, "edited"), "ts"):
            facts["edited_ts"] = at
    files = [_text(file, "name") or _text(file, "title") for file in _objects(message, "files")]
    if any(files):
        facts["attached_files"] = "; ".join(filter(None, files))
    reactions = [_reaction(one, names) for one in _objects(message, "reactions")]
    if any(reactions):
        facts["reactions"] = "; ".join(filter(None, reactions))
    return facts


def _reaction(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    users = one.get("users")
    people = (
        [names.get(user, user) for user in users if isinstance(user, str)] if isinstance(users, list) else []
    )
    return f":{_text(one, 'name')}: {', '.join(map(charsets.without_surrogates, people))}".strip()
