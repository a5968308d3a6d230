"""One row of the Messages database, by the JSON that the connector makes of it, and the database as a file.

The words are in ``text`` or, since iOS 16 and macOS 13 mostly only, in ``attributedBody``. An edit keeps what
was said before in ``message_summary_info``, an unsent message keeps nothing but that it was. Tapbacks and
system rows (who joined, left, renamed) are rows like any other. Apple publishes none of it: the meaning of
the numbers is that of source-formats 5.3.
"""

from __future__ import annotations

import base64
import binascii
import plistlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar
from xml.parsers.expat import ExpatError

from extract import charsets
from extract.json_fields import object_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from extract.sms import number
from extract.typedstream import NotTypedstreamError, attributed_text, salvaged
from records import canonical
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Extraction, Failure, Fields, Moment
from records.moments import apple_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-imessage-row+json"
"""What a connector labels one row with."""

DATABASE_TYPE = "application/x-imessage-database"
"""What a connector labels a database with whose rows are items of their own."""

_SCHEMA = "imessage-row/1"
_MAGIC = b"SQLite format 3\x00"
_PLIST_BYTES = 16 << 20
_MOST_WORDS = 400
_PLACEHOLDERS = re.compile("\ufffc")  # stands where an attachment is
_TAPBACKS = {
    2000: "love", 2001: "like", 2002: "dislike", 2003: "laugh", 2004: "emphasize", 2005: "question",
    2006: "emoji", 2007: "sticker",
}  # fmt: skip
_FACTS = (
    "guid", "service", "is_from_me", "is_read", "is_delivered", "is_sent", "error", "item_type",
    "group_action_type", "group_title", "associated_message_type", "balloon_bundle_id",
    "thread_originator_part", "expressive_send_style_id", "destination_caller_id", "was_downgraded",
    "is_audio_message",
)  # fmt: skip
_ALWAYS = frozenset({"is_from_me"})
"""Facts that say something when they are 0."""

_TIMES = {
    "date_delivered": "delivered_at",
    "date_read": "read_at",
    "date_edited": "edited_at",
    "date_retracted": "retracted_at",
    "date_played": "played_at",
}
_TARGET = re.compile(r"(?:p:(\d{1,4})/|bp:)?(.{1,200})")
_SHOWN = {
    "title", "summary", "siteName", "ldtext", "an", "caption", "subcaption", "secondary-subcaption",
    "tertiary-subcaption", "image-title", "image-subtitle", "originalURL", "URL", "specialization",
}  # fmt: skip
"""Names, in the property list of a link preview or of an app's message, of what people see of it."""


class ImessageReader(LabelledReader):
    """Reads one row."""

    name: ClassVar[str] = "imessage"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the row.

        Raises:
            ItemError: ``corrupt`` when it is no such JSON object, ``unsupported`` for another version of it.
        """
        row = _Row(_object(stream.read()), context)
        moment = row.moment()
        said, failure = row.words()
        warnings = {
            *((WarningCode.EDITED,) if row.is_edited() else ()),
            *((WarningCode.DELETED,) if row.is_unsent() or row.deleted_parts else ()),
            *((WarningCode.NOT_SENT,) if row.is_not_sent() else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        return Extraction(
            text="\n".join(filter(None, said)),
            kind=Kind.MESSAGE,
            fields=row.fields(moment),
            metadata=row.facts(),
            warnings=tuple(sorted(warnings)),
            failure=failure,
        )


class ImessageDatabaseReader:
    """Reads nothing of a database: each of its rows is an item, inside or outside of the request's days."""

    name: ClassVar[str] = "imessage_database"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept what is labelled as such a database and is one of SQLite."""
        return 100 if media_type == DATABASE_TYPE and head.startswith(_MAGIC) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Say that it has no text of its own."""
        del stream, context
        return Extraction(kind=Kind.FILE)


def _object(data: bytes) -> dict[str, Any]:
    value = object_of(data)
    if not isinstance(value.get("message"), dict):
        raise ItemError(Reason.CORRUPT, "json_object")
    if value.get("schema") != _SCHEMA:
        raise ItemError(Reason.UNSUPPORTED, "schema")
    return value


def _text(value: object) -> str:
    """Return a text of a row; bytes that are no UTF-8 come out as U+FFFD, halves of pairs too."""
    if isinstance(value, dict) and "text_base64" in value:
        data = _bytes(value, "text_base64")
        return charsets.tidy(data.decode("utf-8", "replace"))
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else str(value)


def _line(value: object) -> str:
    return " ".join(_text(value).split())


def _bytes(value: object, name: str = "base64") -> bytes:
    stated = value.get(name) if isinstance(value, dict) else None
    try:
        return base64.b64decode(stated, validate=True) if isinstance(stated, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _plist(data: bytes) -> Any:
    """Return a binary property list; None for what is none: XML is not what Messages writes."""
    if not data.startswith(b"bplist00") or len(data) > _PLIST_BYTES:
        return None
    try:
        return plistlib.loads(data, fmt=plistlib.FMT_BINARY)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, ExpatError, MemoryError):
        return None


def _stated_time(value: object) -> Moment:
    """Return a time of the database; 0 and null are none."""
    if isinstance(value, bool) or value in (None, 0):
        return NO_MOMENT
    if isinstance(value, (int, float)):
        return apple_moment(value, str(value))
    stated = _line(value)[:40]
    return Moment(None, stated, Basis.NONE) if stated else NO_MOMENT


def _utc(value: object) -> str:
    at = _stated_time(value).at
    return canonical.utc_text(at) if at is not None else ""


class _Row:
    """What a row says."""

    def __init__(self, native: Mapping[str, Any], context: ExtractContext) -> None:
        self._message: Mapping[str, Any] = native["message"]
        handles = native.get("handles")
        self._handles: Mapping[str, Any] = handles if isinstance(handles, dict) else {}
        self._chats = _objects(native.get("chats"))
        self._attachments = _objects(native.get("attachments"))
        self._context = context
        self.deleted_parts = _objects(native.get("deleted_parts"))
        summary = _plist(_bytes(self._message.get("message_summary_info")))
        self._summary: Mapping[Any, Any] = summary if isinstance(summary, dict) else {}

    def moment(self) -> Moment:
        """Return when it was sent."""
        return _stated_time(self._message.get("date"))

    # -- words

    def words(self) -> tuple[list[str], Failure | None]:
        """Return what people saw, then what it said before, then parts that were deleted."""
        text, failure = self._body()
        said = [_line(self._message.get("subject")), text, self._event_words()]
        said += _shown_of(_plist(_bytes(self._message.get("payload_data"))))
        for before in self.earlier():
            said += ["[before]", before]
        for part in self.deleted_parts:
            words = _archived(_bytes(part.get("part_text")))[0]
            said += ["[deleted part]", words] if words else []
        return said, failure

    def _body(self) -> tuple[str, Failure | None]:
        """Return the words: those of ``text``, and those of ``attributedBody`` where they are others."""
        plain = _seen(_text(self._message.get("text")))
        body = _bytes(self._message.get("attributedBody"))
        if not body:
            return plain, None
        rich, whole = _archived(body)
        if not whole:
            return plain or rich, None if plain else Failure(Reason.CORRUPT, "attributed_body")
        if not plain or not rich or plain == rich:
            return rich or plain, None
        return f"{rich}\n[text]\n{plain}", None

    def _event_words(self) -> str:
        """Return a system row in words: its text column is empty."""
        event, who = self.event(), self._other()
        if event == "rename":
            return f"[renamed the conversation] {_line(self._message.get('group_title'))}".strip()
        words = {
            "join": "[added to the conversation]",
            "leave": "[left the conversation]",
            "remove": "[removed from the conversation]",
            "photo": "[changed the photo of the conversation]",
            "location": "[shared a location]",
            "location_end": "[stopped sharing a location]",
            "kept_audio": "[kept an audio message]",
            "call": "[call]",
            "unsent": "[unsent]",
        }.get(event, "")
        return f"{words} {who}".strip() if event in {"join", "remove"} else words

    def event(self) -> str:
        """Return what a row that nobody wrote tells of; empty for a message."""
        kind, action = _whole(self._message.get("item_type")), _whole(self._message.get("group_action_type"))
        if kind == 0:
            return "unsent" if self.is_unsent() else ""
        if kind == 4:
            return "location_end" if _whole(self._message.get("share_status")) else "location"
        known = {(1, 0): "join", (1, 1): "remove", (3, 0): "leave", (3, 1): "photo", (3, 2): "photo"}
        alike = {2: "rename", 5: "kept_audio", 6: "call"}
        return known.get((kind, action)) or alike.get(kind) or f"system_{kind}_{action}"

    def earlier(self) -> Iterator[str]:
        """Yield what each part said before its last edit, oldest first (``ec`` of the summary)."""
        history = self._summary.get("ec")
        parts = history if isinstance(history, dict) else {}
        for part in sorted(parts, key=str):
            events = _objects(parts[part])
            for event in events[:-1] if not self._is_retracted(part) else events:
                data = event.get("t")
                words = _archived(data)[0] if isinstance(data, bytes) else ""
                if words:
                    yield words

    def _is_retracted(self, part: object) -> bool:
        return str(part) in {str(one) for one in self._retracted()}

    def _retracted(self) -> list[Any]:
        parts = self._summary.get("rp")
        return parts if isinstance(parts, list) else []

    # -- states

    def is_edited(self) -> bool:
        """Say whether its words were changed after it was sent."""
        return bool(self._summary.get("ec")) or bool(
            _utc(self._message.get("date_edited")) and not self.is_unsent()
        )

    def is_unsent(self) -> bool:
        """Say whether its sender took it, or a part of it, back."""
        return bool(self._retracted()) or bool(_utc(self._message.get("date_retracted")))

    def is_not_sent(self) -> bool:
        """Say whether it is the owner's and did not go out."""
        mine = self._message.get("is_from_me") == 1
        return mine and _whole(self._message.get("error")) != 0 and self._message.get("is_delivered") != 1

    # -- people

    def _owner(self) -> Address | None:
        """Return the owner: the address that the row says it came to or went from, else what is known."""
        stated = [
            _line(self._message.get("destination_caller_id")),
            *(_line(chat.get("last_addressed_handle")) for chat in self._chats[:1]),
            *sorted(self._context.owner_handles, key=lambda one: "@" in one),
        ]
        address = next((number(one) for one in stated if one), "")
        if address:
            return Address("", address)
        custodian = self._context.metadata.get("owner", "")
        return Address(custodian, "") if custodian else None

    def _person(self, name: str) -> Address | None:
        person = self._handles.get(name)
        stated = _line(person.get("id")) if isinstance(person, dict) else ""
        return Address("", number(stated)) if stated else None

    def _other(self) -> str:
        person = self._person("other_handle")
        return person.address if person is not None else ""

    def fields(self, moment: Moment) -> Fields:
        """Return who wrote to whom, and in which conversation."""
        owner, other = self._owner(), self._person("handle_id")
        members = [
            Address("", number(stated))
            for chat in self._chats[:1]
            for person in _objects(chat.get("participants"))
            if (stated := _line(person.get("id")))
        ]
        if not members and other is not None:
            members = [other]
        mine = self._message.get("is_from_me") == 1
        sender = owner if mine else other
        others = tuple(dict.fromkeys(one for one in members if one != sender))
        receivers = others if mine else (*((owner,) if owner else ()), *others)
        everybody = dict.fromkeys(filter(None, (sender, *members, owner)))
        chat = self._chats[0] if self._chats else {}
        return Fields(
            subject=_line(chat.get("display_name")),
            sender=sender,
            to=receivers,
            participants=tuple(everybody),
            moment=moment,
            message_id=_line(self._message.get("guid")),
            in_reply_to=_line(self._message.get("thread_originator_guid")) or self._target()[0],
            thread_key=_line(chat.get("guid")),
        )

    def _target(self) -> tuple[str, str]:
        """Return the guid and the part of the message that a tapback or a sticker is put on."""
        found = _TARGET.fullmatch(_line(self._message.get("associated_message_guid")))
        return (found[2], found[1] or "") if found else ("", "")

    # -- facts

    def facts(self) -> dict[str, str]:
        """Return what else the row states."""
        stated = {name: _line(self._message.get(name)) for name in _FACTS}
        facts = {name: value for name, value in stated.items() if value != "0" or name in _ALWAYS}
        facts |= {name: _utc(self._message.get(column)) for column, name in _TIMES.items()}
        target, part = self._target()
        kind = _whole(self._message.get("associated_message_type"))
        if 2000 <= kind < 4000:
            facts["event"] = "tapback" if kind < 3000 else "tapback_removed"
            facts["tapback"] = _line(self._message.get("associated_message_emoji")) or _TAPBACKS.get(
                2000 + kind % 1000, str(kind)
            )
        else:
            facts["event"] = self.event()
        facts |= {
            "target": target,
            "target_part": part,
            "reply_to": _line(self._message.get("thread_originator_guid")),
            "other_person": self._other(),
            "edited": "true" if self.is_edited() else "",
            "deleted": "true" if self.is_unsent() else "",
            "unsent_parts": ", ".join(map(str, self._retracted()[:100])),
            "mentions": "; ".join(self._mentions()),
            "attached_files": "; ".join(
                filter(None, (_line(one.get("transfer_name")) for one in self._attachments))
            ),
        }
        return {name: value for name, value in facts.items() if value}

    def _mentions(self) -> Iterable[str]:
        body = _bytes(self._message.get("attributedBody"))
        try:
            attributes = attributed_text(body).attributes if b"__kIMMention" in body else ()
        except NotTypedstreamError:
            attributes = ()
        return dict.fromkeys(
            " ".join(value.split()) for name, value in attributes if name == "__kIMMentionConfirmedMention"
        )


def _seen(text: str) -> str:
    """Return words without the marks that stand where attachments are: each is a bubble of its own."""
    if "\ufffc" not in text:
        return text
    return "\n".join(filter(None, (part.strip() for part in _PLACEHOLDERS.split(text))))


def _archived(data: bytes) -> tuple[str, bool]:
    """Return the words of an archived text, and whether it was whole."""
    if not data:
        return "", True
    try:
        return _seen(charsets.tidy(attributed_text(data).text)), True
    except NotTypedstreamError:
        return _seen(charsets.tidy(salvaged(data))), False


def _shown_of(archive: Any) -> list[str]:
    """Return what people see of a link preview or an app's message, a line each.

    It is an archive of objects that name one another by number; names and words stand in its list of objects.
    """
    objects = archive.get("$objects") if isinstance(archive, dict) else None
    if not isinstance(objects, list):
        return []
    found: dict[str, None] = {}
    for one in objects:
        if not isinstance(one, dict):
            continue
        named = list(one.items())
        keys, values = one.get("NS.keys"), one.get("NS.objects")
        if isinstance(keys, list) and isinstance(values, list):
            named += [(_resolved(key, objects), value) for key, value in zip(keys, values, strict=False)]
        for name, value in named:
            if isinstance(name, str) and name in _SHOWN:
                words = _resolved(value, objects)
                if isinstance(words, dict):  # an address (NSURL)
                    words = _resolved(words.get("NS.relative"), objects)
                if isinstance(words, str) and words != "$null" and len(found) < _MOST_WORDS:
                    found[f"> {_line(words)}"] = None
    return [line for line in found if line != "> "]


def _resolved(value: Any, objects: list[Any]) -> Any:
    if isinstance(value, plistlib.UID):
        return objects[value.data] if value.data < len(objects) else None
    return value
