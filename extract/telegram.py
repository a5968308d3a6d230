"""One entry of a Telegram Desktop export, by its JSON object: a message, or a row of the service.

The connector says which chat it is in, whose account it is, and when it was made. The layout is that of the
program's ``export_output_json.cpp``; it adds members with each version, so words in a place that is new are
read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import loose_object_of, objects_of, text_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records import canonical
from records.models import NO_MOMENT, Address, Extraction, Fields
from records.moments import epoch_moment, of_facts
from records.vocabulary import Kind, WarningCode

MEDIA_TYPE = "application/x-telegram-message+json"
"""What a connector labels one entry with."""

_NOTE = re.compile(r"\((?:File|Photo|Video) [^()]*\)$")
_EVENTS = {
    "invite_members": "join", "join_group_by_link": "join", "join_group_by_request": "join",
    "remove_members": "leave", "edit_group_title": "rename", "create_group": "create",
    "create_channel": "create", "set_messages_ttl": "disappearing", "phone_call": "call",
    "group_call": "call", "pin_message": "pin",
}  # fmt: skip
_FACTS = {
    "id": "id", "type": "type", "action": "action", "media_type": "media_type", "mime_type": "mime_type",
    "reply_to_message_id": "reply_to", "forwarded_from": "forwarded_from", "saved_from": "saved_from",
    "via_bot": "via_bot", "author": "signature", "duration_seconds": "duration_s", "duration": "duration_s",
    "discard_reason": "call_ended", "self_destruct_period_seconds": "self_destructs_after_s",
    "message_id": "about_message", "schedule_date": "scheduled",
}  # fmt: skip
_NOT_WORDS = frozenset({
    *_FACTS, "date", "date_unixtime", "edited", "edited_unixtime", "from", "from_id", "actor", "actor_id",
    "text", "text_entities", "photo", "file", "thumbnail", "contact_vcard", "media", "reactions", "data",
    "dataBase64", "reply_to_peer_id", "peer_id", "to_id", "boost_peer_id", "charge_id", "transaction_id",
    "gift_id", "until_date", "document_id", "period",
})  # fmt: skip
"""Members that are no words for people, or are read by themselves."""


_BEGINS_A_WORD = frozenset({
    "link", "email", "phone", "mention", "hashtag", "cashtag", "bot_command", "bank_card",
})  # fmt: skip
"""What the app finds in a text by itself: right behind another marked part, the blank between was lost."""


class TelegramReader(LabelledReader):
    """Reads one entry."""

    name: ClassVar[str] = "telegram"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the entry.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        value, guessed = loose_object_of(stream.read())
        about = context.metadata
        service = text_of(value, "type") == "service"
        moment = of_facts(about)
        links: list[str] = []
        texts = [_text(value.get("text"), links)]
        if service:
            texts.insert(0, _event_words(value))
        texts += _words({name: one for name, one in value.items() if name not in _NOT_WORDS})
        edited = "edited" in value or "edited_unixtime" in value
        warnings = {
            *((WarningCode.EDITED,) if edited else ()),
            *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        sender = _person(value, "actor") if service else _person(value, "from")
        peer, owner = _two_of(about)
        to = tuple(one for one in (peer, owner) if one is not None and sender is not None and one != sender)
        everybody = dict.fromkeys(one for one in (sender, peer, owner) if one is not None)
        number, reply = _stated(value.get("id")), _stated(value.get("reply_to_message_id"))
        group = about.get("group", "")
        return Extraction(
            text="\n".join(filter(None, texts)),
            kind=Kind.CALL if _EVENTS.get(text_of(value, "action")) == "call" else Kind.CHAT,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=sender,
                to=to if peer is not None else (),
                participants=tuple(everybody),
                moment=moment,
                message_id=f"{group}/{number}" if number else "",
                in_reply_to=f"{group}/{reply}" if reply else "",
                thread_key=group,
            ),
            metadata=_facts(value, about),
            warnings=tuple(sorted(warnings)),
            links=tuple(dict.fromkeys(links)),
        )


def _text(value: object, links: list[str]) -> str:
    """Return a text, which is a string or a list of strings and of objects with a ``text`` each."""
    parts = value if isinstance(value, list) else [value]
    said: list[str] = []
    marked = False
    for part in parts:
        if isinstance(part, str):
            said.append(part)
            marked = False
        elif isinstance(part, dict):
            words = part["text"] if isinstance(part.get("text"), str) else ""
            if marked and part.get("type") in _BEGINS_A_WORD and said[-1][-1:].strip() and words[:1].strip():
                said.append(" ")
            said.append(words)
            marked = True
            href = text_of(part, "href")
            if href and href != part.get("text"):
                links.append(" ".join(href.split()))
    return charsets.tidy(charsets.without_surrogates("".join(said)))


def _event_words(value: Mapping[str, Any]) -> str:
    action = text_of(value, "action")
    period = _stated(value.get("period")) if action == "set_messages_ttl" else ""
    words = f"[{action.replace('_', ' ') or 'service'}]"
    return f"{words} {period} s" if period else words


def _words(value: object) -> Iterator[str]:
    """Yield every text for people within a value, in order. A stack, since members nest."""
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            waiting.extend(reversed([inner for name, inner in one.items() if name not in {"type", "data",
            "dataBase64"}]))  # fmt: skip
        elif isinstance(one, str) and (line := text_of({"t": one}, "t").strip()):
            yield line


def _person(value: Mapping[str, Any], name: str) -> Address | None:
    """Return who wrote it; of an account that is gone only the id is left."""
    shown, key = " ".join(text_of(value, name).split()), text_of(value, f"{name}_id")
    return Address(shown, key) if shown or key else None


def _two_of(about: Mapping[str, str]) -> tuple[Address | None, Address | None]:
    """Return with whom a chat of two is, and whose account it is, as far as the export says."""
    owner = Address(about.get("owner", ""), about.get("owner_id", ""))
    peer = None
    if about.get("group_kind") in {"personal_chat", "bot_chat"} and about.get("group", "").isdigit():
        peer = Address(about.get("group_name", ""), f"user{about['group']}")
    return peer, owner if owner.address else None


def _stated(value: object) -> str:
    return str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""


def _facts(value: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, str]:
    facts = {
        fact: " ".join(_tidy(_stated(value.get(name))).split())
        for name, fact in _FACTS.items()
        if name in value
    }
    action = text_of(value, "action")
    facts["event"] = _EVENTS.get(action, action)
    if action == "set_messages_ttl":
        facts["disappearing_s"] = _stated(value.get("period"))
    if "edited" in value or "edited_unixtime" in value:
        facts["edited"] = "true"
        facts["edited_at"] = _edited_at(value)
    facts["date_local"] = text_of(value, "date")
    facts["device_offset"] = _offset(facts["date_local"], about)
    facts["sender_deleted"] = "true" if "from" in value and value["from"] is None else ""
    facts["reactions"] = "; ".join(filter(None, map(_reaction, objects_of(value, "reactions"))))
    files = [text_of(value, name) for name in ("photo", "file", "contact_vcard")]
    facts["attached_files"] = "; ".join(
        " ".join(one.rpartition("/")[2].split()) for one in files if one and not _NOTE.search(one)
    )
    return {name: one for name, one in facts.items() if one}


def _edited_at(value: Mapping[str, Any]) -> str:
    stated = _stated(value.get("edited_unixtime"))
    at = epoch_moment(int(stated), stated).at if re.fullmatch(r"\d{1,19}", stated) else None
    return canonical.utc_text(at) if at is not None else text_of(value, "edited")


def _offset(local: str, about: Mapping[str, str]) -> str:
    """Return by how much the clock of the computer that made the export was ahead of UTC."""
    at = of_facts(about).at
    if about.get("at_basis") != "stated" or at is None:
        return ""
    try:
        seconds = (datetime.fromisoformat(local) - at.replace(tzinfo=None)).total_seconds()
    except (ValueError, TypeError):
        return ""
    if abs(seconds) > 15 * 3600 or seconds % 900:
        return ""  # no zone on Earth: the clock was wrong, or one of the two was changed
    hours, minutes = divmod(int(abs(seconds)) // 60, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02}:{minutes:02}"


def _reaction(one: Mapping[str, Any]) -> str:
    """Return a reaction as the export counts it, with those of its people that it names."""
    what = text_of(one, "emoji") or text_of(one, "document_id").rpartition("/")[2] or text_of(one, "type")
    people = [text_of(recent, "from") or text_of(recent, "from_id") for recent in objects_of(one, "recent")]
    shown = f"{what} {_stated(one.get('count'))}".strip()
    return f"{shown}: {', '.join(filter(None, people))}" if any(people) else shown


def _tidy(text: str) -> str:
    return charsets.tidy(charsets.without_surrogates(text))
