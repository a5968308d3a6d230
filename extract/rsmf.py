"""One event of RSMF: a message, or somebody who joins or leaves.

What it names by id only (people, the conversation) the connector adds as facts. Earlier words of an edit are
part of the text, marked: they are a record too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import object_of, objects_of, texts_of
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.models import NO_MOMENT, Address, Extraction, Fields
from records.moments import iso_moment
from records.vocabulary import Kind, WarningCode

EVENT_TYPE = "application/x-rsmf-event+json"

_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")
_EVENTS = frozenset({"join", "leave", "disclaimer", "history"})


class RsmfReader(LabelledReader):
    """Reads one event."""

    name: ClassVar[str] = "rsmf"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = EVENT_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the event.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        event = object_of(stream.read())
        people = texts_of(context.metadata.get("people", ""))
        moment = iso_moment(_text(event, "timestamp"))
        texts = [_text(event, "body")]
        for edit in objects_of(event, "edits"):
            if before := _text(edit, "previous"):
                texts += ["[before]", before]
        warnings = {
            *((WarningCode.EDITED,) if event.get("edits") else ()),
            *((WarningCode.DELETED,) if event.get("deleted") is True else ()),
            *((WarningCode.NO_DATE,) if moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if moment.at is None and moment.text else ()),
        }
        who = _text(event, "participant")
        conversation = context.metadata.get("group", "")
        return Extraction(
            text="\n".join(filter(None, texts)),
            kind=Kind.CHAT,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=_address(people.get(who, who)) if who else None,
                participants=tuple(
                    _address(one)
                    for one in map(str.strip, context.metadata.get("members", "").split(";"))
                    if one
                ),
                moment=moment,
                thread_key="/".join(filter(None, (conversation, _text(event, "parent")))),
            ),
            metadata=_facts(event, people),
            warnings=tuple(sorted(warnings)),
        )


def _facts(event: Mapping[str, Any], people: Mapping[str, str]) -> dict[str, str]:
    def named(key: str) -> str:
        return people.get(key, key)

    kind = _text(event, "type")
    facts = {name: _text(event, name) for name in ("id", "parent", "direction", "importance")}
    facts |= {
        "type": kind,
        "event": kind if kind in _EVENTS else "",
        "deleted": "true" if event.get("deleted") is True else "",
        "edited": "; ".join(
            f"{_text(edit, 'timestamp')} {named(_text(edit, 'participant'))}".strip()
            for edit in objects_of(event, "edits")
        ),
        "reactions": "; ".join(
            f"{_text(one, 'value')} {_count(one)} {', '.join(map(named, _ids(one)))}".strip()
            for one in objects_of(event, "reactions")
        ),
        "read_receipts": "; ".join(
            f"{_text(one, 'action')} {named(_text(one, 'participant'))} {_text(one, 'timestamp')}".strip()
            for one in objects_of(event, "read_receipts")
        ),
        "attached_files": "; ".join(
            filter(
                None, (_text(one, "display") or _text(one, "id") for one in objects_of(event, "attachments"))
            )
        ),
        "custom": "; ".join(
            f"{_text(one, 'name')}: {_text(one, 'value')}" for one in objects_of(event, "custom")
        ),
    }
    return {name: value for name, value in facts.items() if value}


def _shown(attachment: Mapping[str, Any]) -> str:
    return _text(attachment, "display") or _text(attachment, "id")


def _members(stated: str) -> tuple[Address, ...]:
    """Return the members as the connector lists them: ``Name <address>; …``."""
    return tuple(_address(one) for one in map(str.strip, stated.split(";")) if one)


def _as_text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # some programs write ids as numbers
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else ""


def _text(value: Mapping[str, Any], name: str) -> str:
    return _as_text(value.get(name))


def _ids(reaction: Mapping[str, Any]) -> list[str]:
    listed = reaction.get("participants")
    return [_as_text(one) for one in listed if _as_text(one)] if isinstance(listed, list) else []


def _count(reaction: Mapping[str, Any]) -> str:
    return _text(reaction, "count")


def _address(stated: str) -> Address:
    found = _PERSON.fullmatch(stated)
    return Address(found["name"], found["address"]) if found else Address(stated, "")
