"""One model of a Cellebrite report: a message of a chat, a text, a mail, a call, a row of a chat's log.

The connector says which chat it is in, who is in that, and when it was. Fields of which nothing is known here
are facts as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import BinaryIO, ClassVar

from lxml import etree

from extract import charsets
from extract.json_fields import objects_of, text_of
from extract.labelled import LabelledReader
from extract.markup import html_to_text
from extract.protocol import ExtractContext
from extract.sms import number
from records import canonical
from records.cellebrite import (
    MODEL_TYPE,
    Party,
    Value,
    attachments_of,
    fields_of,
    model_of,
    models_in,
    parties_of,
)
from records.errors import ItemError
from records.models import Address, Extraction, Fields, Moment
from records.moments import of_facts, undated
from records.vocabulary import Kind, Reason, WarningCode

_START = re.compile(rb"\s*<model[\s/>]")
_HTML = re.compile(r"<(?:html|body|div|p|br|span|table|!doctype)\b", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DURATION = re.compile(r"(?:(\d{1,9})\.)?(\d{1,2}):(\d\d):(\d\d)(?:\.\d+)?")
_FRACTION = re.compile(r"\.0*[1-9]")
_KINDS = {"SMS": Kind.MESSAGE, "MMS": Kind.MESSAGE, "Call": Kind.CALL, "Email": Kind.EMAIL}
_READ = frozenset({"Body", "Subject", "SystemMessageBody", "UserMapping"})
"""Fields that are no facts: words, and a mark of the tool's own."""

_UNSENT = frozenset({"unsent", "failed"})


class UfdrReader(LabelledReader):
    """Reads one model."""

    name: ClassVar[str] = "ufdr"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MODEL_TYPE
    begins: ClassVar[re.Pattern[bytes]] = _START

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the model.

        Raises:
            ItemError: ``corrupt`` when it is none.
        """
        read = model_of(stream.read())
        if read is None or read[0].tag != "model":
            raise ItemError(Reason.CORRUPT, "xml")
        model, guessed = read
        fields, about = fields_of(model), context.metadata
        type_, moment = model.get("type", ""), of_facts(about)
        kind = _KINDS.get(type_, Kind.CHAT)
        people = _People.of(model, about, fields)
        group = (
            about.get("group")
            or _said(fields, "ChatId")
            or ("" if kind is Kind.EMAIL else people.thread(type_))
        )
        return Extraction(
            text=_words(model, fields, kind),
            kind=kind,
            fields=Fields(
                subject=_said(fields, "Subject") or about.get("group_name", ""),
                sender=people.sender,
                to=people.to,
                cc=people.cc,
                bcc=people.bcc,
                participants=() if kind is Kind.EMAIL else people.everybody,
                moment=moment,
                message_id=_message_id(fields, about, kind, group, moment),
                thread_key=group,
            ),
            metadata=_facts(model, fields, about, people),
            warnings=tuple(sorted(_warnings(model, fields, moment, guessed=guessed))),
        )


class _People:
    """Who is named, and in what role."""

    def __init__(self) -> None:
        """Name nobody yet."""
        self.sender: Address | None = None
        self.to: tuple[Address, ...] = ()
        self.cc: tuple[Address, ...] = ()
        self.bcc: tuple[Address, ...] = ()
        self.everybody: tuple[Address, ...] = ()
        self.owner: Address | None = None

    @classmethod
    def of(cls, model: etree._Element, about: Mapping[str, str], fields: Mapping[str, Value]) -> _People:
        """Return the people of a model: those it names itself, then the members of its chat."""
        made = cls()
        parties = parties_of(model, "Parties")
        wrote = parties_of(model, "From", "Participant") + [one for one in parties if one.role == "From"]
        got = parties_of(model, "To") + [one for one in parties if one.role == "To"]
        copied, hidden = parties_of(model, "Cc"), parties_of(model, "Bcc")
        members = [
            Party(text_of(one, "address"), text_of(one, "name"), "", one.get("owner") is True)
            for one in objects_of({"of": canonical.loads(about.get("members", "[]"))}, "of")
        ]
        if not wrote and _said(fields, "FromIsOwner").lower() == "true":
            wrote = [one for one in members if one.owner]
        made.sender = _address(wrote[0]) if wrote else None
        if not got and len(members) == 2 and made.sender is not None:
            got = [one for one in members if _address(one) != made.sender]
        made.to, made.cc, made.bcc = _once(got), _once(copied), _once(hidden)
        all_ = [*wrote, *got, *copied, *hidden, *parties, *members]
        made.everybody = _once(all_)
        made.owner = next((_address(one) for one in all_ if one.owner), None)
        return made

    def thread(self, type_: str) -> str:
        """Return the key of a conversation that the report gives none: who is in it."""
        everybody = sorted({(one.address or one.name).lower() for one in self.everybody})
        return f"{'Call' if type_ == 'Call' else 'Text'}:{','.join(everybody)}" if everybody else ""


def _address(one: Party) -> Address:
    return Address(" ".join(charsets.tidy(one.name).split()), number(" ".join(one.identifier.split())))


def _once(parties: Iterable[Party]) -> tuple[Address, ...]:
    found: dict[str, Address] = {}
    for one in map(_address, parties):
        key = one.address or one.name
        if key not in found or (one.name and not found[key].name):
            found[key] = one
    return tuple(found.values())


def _said(fields: Mapping[str, Value], name: str) -> str:
    return " ".join(charsets.tidy(fields[name].text).split()) if name in fields else ""


def _words(model: etree._Element, fields: Mapping[str, Value], kind: Kind) -> str:
    """Return what was said: words, what is quoted, then what has a name or an address only."""
    if kind is Kind.CALL:
        return _call(fields)
    text = charsets.tidy(
        next((fields[name].text for name in ("Body", "SystemMessageBody", "Snippet") if name in fields), "")
    )
    if kind is Kind.EMAIL and _HTML.search(text) is not None:
        text = html_to_text(text)
    if model.get("type") == "ChatActivity" and not text:
        text = f"[{_said(fields, 'Action')}]" if "Action" in fields else ""
    lines = [text]
    for one in model.iter("model"):
        if one is not model and one.get("type") == "InstantMessage":  # what it answers, or what was forwarded
            quoted = fields_of(one).get("Body")
            lines += (
                [f"> {line}" for line in charsets.tidy(quoted.text).split("\n")] if quoted is not None else []
            )
    for named in attachments_of(model):
        label = " ".join(
            filter(None, (named.title, "" if named.title == named.name else named.name, named.url))
        )
        lines += [f"[{charsets.tidy(label)}]"] if label else []
    if "PositionAddress" in fields:
        lines.append(f"[{_said(fields, 'PositionAddress')}]")
    return "\n".join(filter(None, lines))


def _call(fields: Mapping[str, Value]) -> str:
    stated = _said(fields, "Direction") or _said(fields, "Type")
    what = "video call" if _said(fields, "VideoCall").lower() == "true" else "call"
    text = f"{stated} {what}" if stated else what.capitalize()
    if (found := _DURATION.fullmatch(_said(fields, "Duration"))) is not None:
        days, hours, minutes, seconds = (int(one or 0) for one in found.groups())
        text = f"{text}, {((days * 24 + hours) * 60 + minutes) * 60 + seconds} s"
    return text


def _message_id(
    fields: Mapping[str, Value], about: Mapping[str, str], kind: Kind, group: str, moment: Moment
) -> str:
    """Return the app's own id of a message, by which two readings of a phone are told to hold the same one.

    The report's ids are made anew with each reading. Where there is no other, a time to a part of a second
    within one conversation tells as well.
    """
    if kind not in {Kind.CHAT, Kind.MESSAGE}:
        return ""
    stated = next(
        (text for name in ("Identifier", "Id", "SystemMessageId") if (text := _said(fields, name))), ""
    )
    if stated:
        return f"{about.get('app') or _said(fields, 'Source')}:{stated}"
    if group and moment.at is not None and _FRACTION.search(moment.text) is not None:
        return f"{group}@{canonical.utc_text(moment.at)}"
    return ""


def _facts(
    model: etree._Element, fields: Mapping[str, Value], about: Mapping[str, str], people: _People
) -> dict[str, str]:
    facts = {
        name: about.get(name, "")
        for name in (
            "model", "app", "account", "group_kind", "chat_deleted_state", "deleted_state",
            "decoding_confidence", "recovered",
        )
    }  # fmt: skip
    facts["owner"] = " ".join(filter(None, (people.owner.name, people.owner.address))) if people.owner else ""
    if people.owner is not None and people.sender is not None:
        facts["direction"] = "sent" if people.sender.address == people.owner.address else "received"
    for name, value in fields.items():
        if name not in _READ:
            facts.setdefault(_CAMEL.sub("_", name).lower(), charsets.tidy(value.text))
        if value.shown:
            facts[f"{_CAMEL.sub('_', name).lower()}_shown"] = value.shown
    for one in models_in(model, "Position"):
        at = fields_of(one)
        facts["position"] = " ".join(filter(None, (_said(at, "Latitude"), _said(at, "Longitude"))))
    for one in models_in(model, "SharedContacts"):
        facts["shared_contact"] = "; ".join(
            filter(None, (facts.get("shared_contact", ""), _said(fields_of(one), "Name")))
        )
    return {name: one for name, one in facts.items() if one and name}


def _warnings(
    model: etree._Element, fields: Mapping[str, Value], moment: Moment, *, guessed: bool
) -> set[WarningCode]:
    found = {*undated(moment), *((WarningCode.CHARSET_GUESSED,) if guessed else ())}
    if model.get("deleted_state") in {"Deleted", "Trash"}:
        found.add(WarningCode.DELETED)
    if _said(fields, "Folder").lower() == "drafts":
        found.add(WarningCode.DRAFT)
    if _said(fields, "Status").lower() in _UNSENT:
        found.add(WarningCode.NOT_SENT)
    if "SelfDestructDuration" in fields:
        found.add(WarningCode.DISAPPEARING)
    return found
