"""Texts and calls: one ``<sms/>``, ``<mms>…</mms>`` or ``<call/>`` of an "SMS Backup & Restore" file.

The format is the vendor's (source-formats 5.1). Emoji are written as two numeric references, one for each
half of a surrogate pair, which XML forbids: they are joined before parsing. Literal ``null`` and
``(Unknown)`` mean absent.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, BinaryIO, ClassVar

from lxml import etree

from extract import charsets
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import NO_MOMENT, Address, Child, Extraction, Failure, Fields, Moment
from records.moments import epoch_moment
from records.numbers import whole_number
from records.vocabulary import Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-sms-backup-restore+xml"
"""What a connector labels one element with."""

REGION = "US"
"""Where numbers without a country code belong."""

_START = re.compile(rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(sms|mms|call)[\s/>]")
_REFERENCE = re.compile(rb"&#(?:(\d{1,8})|[xX]([0-9A-Fa-f]{1,7}));")
_PAIR = re.compile(
    rb"&#(?:(55(?:29[6-9]|[3-9]\d\d)|56(?:[0-2]\d\d|3[01]\d))|[xX]([dD][89abAB][0-9A-Fa-f]{2}));"
    rb"&#(?:(56(?:3[2-9]\d|[4-9]\d\d)|57(?:[0-2]\d\d|3[0-3]\d|34[0-3]))|[xX]([dD][c-fC-F][0-9A-Fa-f]{2}));"
)
_ILLEGAL = bytes((*range(9), 11, 12, *range(14, 32)))
_ABSENT = frozenset({"", "null", "(Unknown)"})
_ME = "insert-address-token"
_STATES = {
    "3": WarningCode.DRAFT,
    "4": WarningCode.NOT_SENT,
    "5": WarningCode.NOT_SENT,
    "6": WarningCode.NOT_SENT,
}
_CALLS = {
    "1": "Incoming call",
    "2": "Outgoing call",
    "3": "Missed call",
    "4": "Voicemail",
    "5": "Rejected call",
    "6": "Refused call",
}
_CHARSETS = {"3": "us-ascii", "4": "iso-8859-1", "106": "utf-8", "1000": "utf-16", "1015": "utf-16"}
_FROM, _CC, _BCC, _TO = "137", "130", "129", "151"


class SmsReader:
    """Reads one text, multimedia message or call."""

    name: ClassVar[str] = "sms"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept an element by its label or its start; a whole backup file is a connector's work."""
        if _START.match(head) is None:
            return None
        return 100 if media_type == MEDIA_TYPE else 70

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the element.

        Raises:
            ItemError: ``corrupt`` when it is no such element, ``truncated`` when it ends early.
        """
        data, repaired = join_surrogates(stream.read())
        element = _parse(data)
        if element.tag == "call":
            return _call(element, context)
        if element.tag not in ("sms", "mms"):
            raise ItemError(Reason.CORRUPT, "sms_element")
        warnings = {WarningCode.CHARSET_GUESSED} if repaired else set()
        return (_mms if element.tag == "mms" else _sms)(element, context, warnings)


def join_surrogates(data: bytes) -> tuple[bytes, bool]:
    """Return XML in which each pair of references to surrogate halves is one reference.

    Returns:
        The bytes, and whether a lone half, or another reference XML forbids, was replaced by U+FFFD.
    """
    if b"&#" not in data:
        return data, False
    data = _PAIR.sub(_joined, data)
    lone = False

    def replaced(found: re.Match[bytes]) -> bytes:
        nonlocal lone
        if _is_character(_number(found.group(1), found.group(2))):
            return found.group()
        lone = True
        return b"&#65533;"

    return _REFERENCE.sub(replaced, data), lone


def _is_character(code: int) -> bool:
    """Tell whether XML 1.0 allows a character (production 2)."""
    if code < 32:
        return code in (9, 10, 13)
    return code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000


def _joined(found: re.Match[bytes]) -> bytes:
    high, low = _number(found.group(1), found.group(2)), _number(found.group(3), found.group(4))
    return b"&#%d;" % (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _number(decimal: bytes | None, hexadecimal: bytes | None) -> int:
    return int(decimal) if decimal else int(hexadecimal or b"0", 16)


def _parse(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        element = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        legal = data.translate(None, _ILLEGAL)  # control characters as they stand, seen in bodies
        if legal != data:
            return _parse(legal)
        cut = not data.rstrip().endswith(b">")
        raise ItemError(Reason.TRUNCATED if cut else Reason.CORRUPT, "xml") from None
    except ValueError:
        raise ItemError(Reason.CORRUPT, "xml") from None
    info: Any = element.getroottree().docinfo
    if info.doctype:
        raise ItemError(Reason.CORRUPT, "xml_doctype")  # the vendor writes none: entities are an attack
    return element


def _value(element: etree._Element, name: str) -> str:
    value = element.get(name, "")
    return "" if value in _ABSENT else charsets.tidy(value)


def number(raw: str) -> str:
    """Return a telephone number in E.164 where it is one; short codes, handles and names stay as they are."""
    raw = raw.strip()
    digits = sum(character.isdigit() for character in raw)
    if digits < 7 or any(character.isalpha() or character == "@" for character in raw):
        return raw
    import phonenumbers  # slow to load, and most workers read mail

    try:
        parsed = phonenumbers.parse(raw, REGION)
    except phonenumbers.NumberParseException:
        return raw
    if not phonenumbers.is_possible_number(parsed):
        return raw
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _person(raw: str, names: dict[str, str]) -> Address:
    address = number(raw)
    return Address(names.get(address, ""), address)


def _owner(context: ExtractContext) -> Address | None:
    """Return this phone: the owner's first handle that is a number, else the first handle, else None."""
    handles = [number(handle) for handle in context.owner_handles]
    phone = next((handle for handle in handles if handle.startswith("+")), None)
    chosen = phone or (handles[0] if handles else None)
    return Address("", chosen) if chosen else None


def _names(element: etree._Element, numbers: list[str]) -> dict[str, str]:
    """Pair contact names with numbers; a group's names are joined by commas in the order of its numbers."""
    stated = _value(element, "contact_name")
    if not stated:
        return {}
    if len(numbers) == 1:
        return {number(numbers[0]): stated}
    parts = [part.strip() for part in stated.split(",")]
    if len(parts) != len(numbers):
        return {}
    return {number(one): name for one, name in zip(numbers, parts, strict=True) if name not in _ABSENT}


def _moment(element: etree._Element, warnings: set[WarningCode]) -> Moment:
    stated = element.get("date", "").strip()
    if not stated or stated in _ABSENT:
        warnings.add(WarningCode.NO_DATE)
        return NO_MOMENT
    try:
        moment = epoch_moment(int(stated), stated)
    except ValueError:
        moment = Moment(None, stated, NO_MOMENT.basis)
    if moment.at is None:
        warnings.add(WarningCode.BAD_DATE)
    return moment


def _facts(element: etree._Element, names: Iterable[str]) -> dict[str, str]:
    return {name: value for name in names if (value := _value(element, name))}


def _sms(element: etree._Element, context: ExtractContext, warnings: set[WarningCode]) -> Extraction:
    kind = element.get("type", "")
    if kind in _STATES:
        warnings.add(_STATES[kind])
    raw = [part for part in _value(element, "address").split("~") if part]
    names = _names(element, raw)
    others = tuple(_person(one, names) for one in raw)
    owner = _owner(context)
    received = kind in ("1", "")
    mine = (owner,) if owner else ()
    fields = Fields(
        subject=_value(element, "subject").replace("\n", " "),
        sender=(others[0] if others else None) if received else owner,
        to=mine if received else others,
        participants=(*others, *mine),
        moment=_moment(element, warnings),
    )
    facts = _facts(element, ("type", "read", "status", "service_center", "sub_id", "date_sent", "protocol"))
    return Extraction(
        text=_value(element, "body"),
        kind=Kind.MESSAGE,
        fields=fields,
        metadata=facts,
        warnings=tuple(sorted(warnings)),
    )


def _mms(element: etree._Element, context: ExtractContext, warnings: set[WarningCode]) -> Extraction:
    box = element.get("msg_box", "")
    if box in _STATES:
        warnings.add(_STATES[box])
    if element.get("m_type") == "130":
        warnings.add(WarningCode.NOT_DOWNLOADED)
    owner = _owner(context)
    fields = _mms_fields(element, owner, received=box != "2" and box not in _STATES, warnings=warnings)
    texts: list[str] = []
    children: list[Child] = []
    for position, part in enumerate(element.iter("part"), 1):
        kind = part.get("ct", "").strip().lower()
        if kind == "text/plain":
            text = _part_text(part)
            if text:
                texts.append(text)
        else:
            children.append(_part(part, kind, position))
    return Extraction(
        text="\n".join(texts),
        kind=Kind.MESSAGE,
        fields=fields,
        metadata=_facts(
            element, ("msg_box", "m_type", "m_id", "read", "sub_id", "date_sent", "ct_t", "tr_id")
        ),
        children=tuple(children),
        expected_children=len(children),
        warnings=tuple(sorted(warnings)),
    )


def _mms_fields(
    element: etree._Element, owner: Address | None, *, received: bool, warnings: set[WarningCode]
) -> Fields:
    raw = [part for part in _value(element, "address").split("~") if part]
    names = _names(element, raw)
    roles: dict[str, list[Address]] = {_FROM: [], _TO: [], _CC: [], _BCC: []}
    for addr in element.iter("addr"):
        stated = _value(addr, "address")
        role = addr.get("type", "")
        if not stated or role not in roles:
            continue
        person = owner if stated == _ME else _person(stated, names)
        if person is not None and person not in roles[role]:
            roles[role].append(person)
    others = [_person(one, names) for one in raw if one != _ME]
    sender = roles[_FROM][0] if roles[_FROM] else None
    if sender is None:
        sender = (others[0] if len(others) == 1 else None) if received else owner
    to = roles[_TO]
    if not any(roles[role] for role in (_TO, _CC, _BCC)):
        to = [owner] if received and owner else ([] if received else others)
    people: dict[str, Address] = {}
    for person in (
        *([sender] if sender else []),
        *to,
        *roles[_CC],
        *roles[_BCC],
        *others,
        *([owner] if owner else []),
    ):
        people.setdefault(person.address, person)
    return Fields(
        subject=_value(element, "sub").replace("\n", " "),
        sender=sender,
        to=tuple(to),
        cc=tuple(roles[_CC]),
        bcc=tuple(roles[_BCC]),
        participants=tuple(people.values()),
        moment=_moment(element, warnings),
        message_id=_value(element, "m_id"),
    )


def _part_text(part: etree._Element) -> str:
    text = _value(part, "text")
    if text or not part.get("data"):
        return text
    try:
        data = base64.b64decode(part.get("data", ""), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return charsets.tidy(charsets.decode(data, _CHARSETS.get(part.get("chset", "")))[0])


def _part(part: etree._Element, kind: str, position: int) -> Child:
    path = f"{position}"
    name = _value(part, "fn") or _value(part, "name") or _value(part, "cl") or None
    facts = {"content_id": cid} if (cid := _value(part, "cid").strip("<>")) else {}
    if kind == "application/smil":
        return Child(path, name, kind, Kind.FILE, None, Failure(Reason.LAYOUT_PART, "smil"), facts)
    media_type = kind or "application/octet-stream"
    stated = part.get("data")
    if stated is None or stated in _ABSENT:
        text = _value(part, "text")
        if text:
            return Child(path, name, media_type, Kind.FILE, text.encode("utf-8", "replace"), None, facts)
        return Child(path, name, media_type, Kind.FILE, None, Failure(Reason.NOT_IN_EXPORT, "no_data"), facts)
    try:
        data = base64.b64decode("".join(stated.split()), validate=True)
    except (binascii.Error, ValueError):
        return Child(path, name, media_type, Kind.FILE, None, Failure(Reason.CORRUPT, "base64"), facts)
    return Child(path, name, media_type, Kind.FILE, data, None, facts)


def _call(element: etree._Element, context: ExtractContext) -> Extraction:
    warnings: set[WarningCode] = set()
    kind = element.get("type", "")
    raw = _value(element, "number")
    other = _person(raw, _names(element, [raw])) if raw else None
    owner = _owner(context)
    outgoing = kind == "2"
    sender, receiver = (owner, other) if outgoing else (other, owner)
    seconds = whole_number(_value(element, "duration"))
    text = _CALLS.get(kind, "Call")
    if seconds is not None:
        text = f"{text}, {seconds} s"
    return Extraction(
        text=text,
        kind=Kind.CALL,
        fields=Fields(
            sender=sender,
            to=(receiver,) if receiver else (),
            participants=tuple(person for person in (other, owner) if person),
            moment=_moment(element, warnings),
        ),
        metadata=_facts(element, ("type", "duration", "presentation", "subscription_id", "post_dial_digits")),
        warnings=tuple(sorted(warnings)),
    )
