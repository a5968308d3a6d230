"""Entries of Signal's own export, by the JSON of their line, and of the texts that signal-export makes.

People are numbers of the file there, and service ids; the connector adds their names. The layout is that of
``backup.proto`` in https://github.com/signalapp/libsignal. Reactions are part of what they are put on, edits
keep what was said before, a deleted message keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import (
    inner_of,
    loose_object_of,
    members_of,
    objects_of,
    person_of,
    quoted,
    text_of,
    texts_of,
)
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records import canonical
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Fields, Moment
from records.moments import epoch_moment, of_facts
from records.vocabulary import Basis, Kind, Reason, WarningCode

FRAME_TYPE = "application/x-signal-frame+json"
"""What a connector labels a line of Signal's own export with."""

TEXT_TYPE = "application/x-signal-message"
"""What a connector labels an entry of a text with."""

_EVENTS = {
    "groupCreationUpdate": "create", "groupNameUpdate": "rename", "groupMemberLeftUpdate": "leave",
    "groupMemberRemovedUpdate": "leave", "groupMemberJoinedUpdate": "join", "groupMemberAddedUpdate": "join",
    "groupMemberJoinedByLinkUpdate": "join", "groupInvitationAcceptedUpdate": "join",
    "groupExpirationTimerUpdate": "disappearing", "expirationTimerChange": "disappearing",
    "individualCall": "call", "groupCall": "call",
}  # fmt: skip
_QUIET = frozenset({
    "id", "chatId", "authorId", "packId", "packKey", "locatorInfo", "blurHash", "clientUuid", "contentType",
    "incrementalMac", "receiptCredentialPresentation", "transactionDetails", "callId", "mentionAci",
    "rootKey",
    "adminKey", "epoch", "masterKey", "inviteLinkPassword", "bodyRanges", "reactions", "quote", "avatar",
})  # fmt: skip
"""Members that are no words for people, or are read by themselves."""

_PERSON = re.compile(r"(?:[a-zA-Z]*(?:Aci|aci|Pni|ServiceId)|[a-zA-Z]*[rR]ecipientId|adminId|voterId)")
_TIME = re.compile(r"[a-zA-Z]*(?:Timestamp|Ms|At)")


class SignalReader(LabelledReader):
    """Reads one line of Signal's own export."""

    name: ClassVar[str] = "signal"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = FRAME_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the line.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        value, guessed = loose_object_of(stream.read())
        about = context.metadata
        item = inner_of(value, "chatItem")
        if not item:
            return _other(value, about)
        names = texts_of(about.get("names", ""))
        moment = _moment(item.get("dateSent"))
        update = inner_of(item, "updateMessage")
        said = [*_event_lines(update, names)] if update else [*_said(item, names)]
        for earlier in objects_of(item, "revisions"):
            said += ["[before]", *_said(earlier, names)]
        deleted = "remoteDeletedMessage" in item or "adminDeletedMessage" in item
        warnings = {
            *((WarningCode.EDITED,) if item.get("revisions") else ()),
            *((WarningCode.DELETED,) if deleted else ()),
            *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        sender, members, owner = _author(context), members_of(about.get("members", "")), _owner(context)
        everybody = tuple(dict.fromkeys(one for one in (sender, *members, owner) if one is not None))
        quote = inner_of(inner_of(item, "standardMessage"), "quote")
        return Extraction(
            text="\n".join(filter(None, said)),
            kind=Kind.CALL if update.keys() & {"individualCall", "groupCall"} else Kind.CHAT,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=None if update and not update.keys() & {"individualCall", "groupCall"} else sender,
                to=tuple(one for one in everybody if one != sender),
                participants=everybody,
                moment=moment,
                in_reply_to=_digits(quote.get("targetSentTimestamp")),
                thread_key=about.get("group", ""),
            ),
            metadata=_facts(item, update, names),
            warnings=tuple(sorted(warnings)),
        )


class SignalTextReader(LabelledReader):
    """Reads one entry of a text."""

    name: ClassVar[str] = "signal_text"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = TEXT_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the entry.

        Raises:
            ItemError: ``corrupt`` when the connector's facts do not fit it.
        """
        data, about = stream.read(), context.metadata
        stated = about.get("body_at", "0")
        if not stated.isascii() or not stated.isdigit() or int(stated) > len(data):
            raise ItemError(Reason.CORRUPT, "signal_message")
        charset = "cp1252" if about.get("charset") == "cp1252" else "utf-8"
        body = charsets.tidy(data[int(stated) :].decode(charset, "replace"))
        reactions = _TEXT_REACTIONS.search(body)
        if reactions is not None:
            body = body[: reactions.start()] + body[reactions.end() :]
        text = "\n".join(line.rstrip() for line in body.strip().split("\n"))
        author = about.get("author", "")
        facts = {
            "reactions": reactions[1].replace(", ", "; ") if reactions is not None else "",
            "event": "call" if _TEXT_CALL.fullmatch(text) else "",
            "deleted": "true" if text == "(This message was deleted)" else "",
        }
        sender = _me(context) if author == "Me" else Address(author, "") if author != "No-Sender" else None
        return Extraction(
            text=text,
            kind=Kind.CHAT,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=sender,
                moment=of_facts(about),
                thread_key=about.get("group", ""),
            ),
            metadata={name: one for name, one in facts.items() if one},
        )


_TEXT_REACTIONS = re.compile(r"\n\(- ([^\n]*) -\)")
_TEXT_CALL = re.compile(r"(?:Incoming|Outgoing|Missed)(?: voice| video| group)? call(?: \([^()]*\))?")


def _me(context: ExtractContext) -> Address:
    return Address("Me", context.owner_handles[0] if context.owner_handles else "")


def _owner(context: ExtractContext) -> Address | None:
    stated = context.metadata.get("owner", "")
    handle = context.owner_handles[0] if context.owner_handles else ""
    if not stated:
        return None
    person = person_of(stated)
    return person if person.name and person.address else Address(person.name or person.address, handle)


def _author(context: ExtractContext) -> Address | None:
    about = context.metadata
    if about.get("author_kind") == "self":
        return _owner(context)
    return person_of(about["author"]) if about.get("author") else None


def _other(value: Mapping[str, Any], about: Mapping[str, str]) -> Extraction:
    """Return a call by a link, or a frame of a kind that is not known, by its words."""
    call = inner_of(value, "adHocCall")
    moment = _moment(call.get("callTimestamp")) if call else NO_MOMENT
    words = [f"[call by a link] {about.get('group_name', '')}".strip()] if call else list(_lines(value, {}))
    return Extraction(
        text="\n".join(words),
        kind=Kind.CALL if call else Kind.FILE,
        fields=Fields(subject=about.get("group_name", ""), moment=moment, thread_key=about.get("group", ""))
        if call
        else None,
        metadata={"event": "call"} if call else {},
    )


def _said(item: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """Yield what people saw of an entry: what it answers, its words, then what else it shows."""
    message = inner_of(item, "standardMessage")
    quote = inner_of(message, "quote")
    if words := _body(inner_of(quote, "text"), names):
        yield quoted(words)
    yield _body(inner_of(message, "text"), names)
    if "viewOnceMessage" in item:
        yield "[to be seen once]"
    if "adminDeletedMessage" in item:
        who = _digits(inner_of(item, "adminDeletedMessage").get("adminId"))
        yield f"[deleted by an administrator] {names.get(who, '')}".strip()
    elif "remoteDeletedMessage" in item:
        yield "[deleted]"
    poll = inner_of(item, "poll")
    if poll:
        yield f"[poll] {_line(poll, 'question')}"
        for option in objects_of(poll, "options"):
            voters = [names.get(_digits(one.get("voterId")), "") for one in objects_of(option, "votes")]
            shown = ", ".join(filter(None, voters))
            yield f"{_line(option, 'option')}: {shown}" if shown else _line(option, "option")
    reply = inner_of(item, "directStoryReplyMessage")
    if reply:
        yield "[answer to a story]"
        yield _body(inner_of(inner_of(reply, "textReply"), "text"), names) or _line(reply, "emoji")
    rest = {
        name: one
        for name, one in item.items()
        if name in {"contactMessage", "stickerMessage", "paymentNotification", "giftBadge"}
    }
    for name, one in rest.items():
        yield f"[{_words_of(name)}]"
        yield from _lines(one, names)
    shown_too = {name: one for name, one in message.items() if name in {"linkPreview", "attachments"}}
    yield from _lines(shown_too, names)


def _body(text: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return a text with the names of people who are mentioned; they stand in it as U+FFFC."""
    raw = text.get("body")
    if not isinstance(raw, str):
        return ""
    units = raw.encode("utf-16-le", "surrogatepass")
    for one in sorted(objects_of(text, "bodyRanges"), key=_start, reverse=True):
        name = names.get(text_of(one, "mentionAci"), "")
        if name:  # places are counted in units of UTF-16
            at, size = _start(one) * 2, int(_digits(one.get("length")) or 0) * 2
            units = units[:at] + f"@{person_of(name).name or name}".encode("utf-16-le") + units[at + size :]
    return charsets.tidy(charsets.without_surrogates(units.decode("utf-16-le", "replace")))


def _start(one: Mapping[str, Any]) -> int:
    return max(0, int(_digits(one.get("start")) or 0))


def _event_lines(update: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """Yield what the app tells of a chat: who joined, left, named it, called, and the like."""
    for kind, one in _events(update):
        inner = dict(one) if isinstance(one, dict) else {}
        label = text_of(inner, "type") if kind == "simpleUpdate" else _words_of(kind)
        people = [names.get(str(stated), "") for name, stated in inner.items() if _PERSON.fullmatch(name)]
        if kind == "simpleUpdate":
            inner = {}
        timer = _digits(inner.get("expiresInMs"))
        parts = [f"[{label.replace('_', ' ').lower()}]"]
        if _EVENTS.get(kind) == "disappearing":
            parts.append(f"{int(timer or 0) // 1000} s" if int(timer or 0) else "off")
        parts += [*filter(None, people), *_lines(inner, names)]
        yield " ".join(parts)


def _events(update: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for kind, one in update.items():
        if kind == "groupChange" and isinstance(one, dict):
            for inner in objects_of(one, "updates"):
                yield from inner.items()
        else:
            yield kind, one


def _lines(value: object, names: Mapping[str, str]) -> Iterator[str]:
    """Yield every text for people within a value, in order. A stack, since members nest."""
    del names
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            waiting.extend(
                reversed(
                    [
                        inner
                        for name, inner in one.items()
                        if name not in _QUIET and not _PERSON.fullmatch(name) and not _TIME.fullmatch(name)
                    ]
                )
            )
        elif isinstance(one, str) and (
            line := " ".join(charsets.tidy(charsets.without_surrogates(one)).split())
        ):
            yield line


def _facts(item: Mapping[str, Any], update: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    incoming, outgoing = inner_of(item, "incoming"), inner_of(item, "outgoing")
    direction = next((one for one in ("incoming", "outgoing", "directionless") if one in item), "")
    kind = next((name for name in item if name.endswith("Message") or name in {"poll", "giftBadge"}), "")
    events = [_EVENTS.get(name) or _words_of(name).replace(" ", "_") for name, _ in _events(update)]
    holder = next((one for one in item.values() if isinstance(one, dict) and "reactions" in one), {})
    reactions = [
        f"{_line(one, 'emoji')}: {names.get(_digits(one.get('authorId')), '')}".rstrip(": ")
        for one in objects_of(holder, "reactions")
    ]
    files = [_line(inner_of(one, "pointer"), "fileName") for one in objects_of(
        inner_of(item, "standardMessage"), "attachments")]  # fmt: skip
    timers = [
        _digits(one.get("expiresInMs"))
        for name, one in _events(update)
        if isinstance(one, dict) and _EVENTS.get(name) == "disappearing"
    ]
    calls = [one for name, one in _events(update) if name in {"individualCall", "groupCall"}]
    call = calls[0] if calls and isinstance(calls[0], dict) else {}
    facts = {
        "direction": direction,
        "type": _words_of(kind).replace(" ", "_"),
        "event": "; ".join(dict.fromkeys(events)),
        "sms": "true" if item.get("sms") is True else "",
        "received_at": _utc(incoming.get("dateReceived") or outgoing.get("dateReceived")),
        "server_at": _utc(incoming.get("dateServerSent")),
        "is_read": "true" if incoming.get("read") is True else "",
        "delivery": "; ".join(_delivery(outgoing, names)),
        "edited": "true" if item.get("revisions") else "",
        "deleted": "true" if item.keys() & {"remoteDeletedMessage", "adminDeletedMessage"} else "",
        "view_once": "true" if "viewOnceMessage" in item else "",
        "timer_s": "; ".join(str(int(one) // 1000) for one in timers if one),
        "call_state": _line(call, "state").lower(),
        "call_type": _line(call, "type").lower(),
        "call_direction": _line(call, "direction").lower(),
        "reactions": "; ".join(filter(None, reactions)),
        "attached_files": "; ".join(filter(None, files)),
    }
    return {name: one for name, one in facts.items() if one}


def _delivery(outgoing: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """Yield how far a message came to each of its readers."""
    known = ("viewed", "read", "delivered", "sent", "pending", "skipped", "failed")
    for one in objects_of(outgoing, "sendStatus"):
        state = next((name for name in known if name in one), "pending")
        who = names.get(_digits(one.get("recipientId")), "")
        yield f"{state}: {who}" if who else state


def _moment(stated: object) -> Moment:
    number = _digits(stated)
    if number and int(number):
        return epoch_moment(int(number), number)
    text = " ".join(stated.split()) if isinstance(stated, str) else ""
    text = charsets.without_surrogates(text.replace("\x00", ""))
    return Moment(None, text, Basis.NONE) if text else NO_MOMENT


def _utc(stated: object) -> str:
    at = _moment(stated).at
    return canonical.utc_text(at) if at is not None else ""


def _digits(value: object) -> str:
    stated = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return stated if re.fullmatch(r"-?\d{1,19}", stated) else ""


def _line(about: Mapping[str, Any], name: str) -> str:
    return " ".join(text_of(about, name).split())


def _words_of(name: str) -> str:
    """Return a name such as ``groupNameUpdate`` in words."""
    return re.sub(r"([A-Z])", r" \1", name).lower().strip()
