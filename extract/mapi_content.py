"""What a MAPI message says, whatever carries it: bodies, what hangs on it, and the fields of its class.

Events, contacts, lists, tasks, notes and reports say in properties what a person sees in a form; here they
become lines of text, so that a search finds them, and facts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from extract import charsets, headers, mapi, markup, rtf, sniff
from extract.mapi import (
    ADDRESS,
    APPOINTMENT,
    COMMON,
    LOG,
    MEETING,
    STRINGS,
    TASK,
    Attachment,
    Key,
    MapiMessage,
)
from records.errors import ItemError
from records.links import file_link
from records.models import NO_MOMENT, Address, Child, Failure, Moment
from records.vocabulary import Kind, Reason, WarningCode

_ONE_OFF = bytes.fromhex("812b1fa4bea310199d6e00dd010f5402")
_UID_MARK = bytes.fromhex("040000008200e00074c5b7101a82e008")
"""How every global object id of an event begins (MS-OXOCAL section 2.2.1.27)."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The body in the forms that a message has.

    Attributes:
        plain: As plain text; empty for none, as the others.
        html: As HTML, be it its own or what its RTF encapsulates.
        rtf: As RTF of which nothing else is made.
        links: Files kept elsewhere that the RTF leads to.
    """

    plain: str = ""
    html: str = ""
    rtf: str = ""
    links: tuple[str, ...] = ()


def bodies(message: MapiMessage, warnings: set[WarningCode]) -> Bodies:
    """Return the body in each form that says something of its own (MS-OXBBODY section 2.1).

    Outlook keeps HTML a second time within RTF: that is read only where the HTML itself is missing.
    """
    properties = message.properties
    plain = properties.text(0x1000)
    page = _html(message, warnings)
    packed = properties.binary(0x1009)
    if not packed:
        return Bodies(plain, page)
    try:
        raw, sound = rtf.unpacked(packed)
        if page and b"\\fromhtml" in raw[:400]:
            return Bodies(plain, page)
        read = rtf.read(raw) if raw.strip(b"\0 \r\n") else rtf.Rtf()
    except ItemError:
        warnings.add(WarningCode.PARTIAL)
        return Bodies(plain, page)
    if not sound:
        warnings.add(WarningCode.MIME_DEFECT)
    if read.guessed:
        warnings.add(WarningCode.CHARSET_GUESSED)
    links = tuple(link for link in map(file_link, read.links) if link)
    return Bodies(plain, page or read.html, read.text, links)


def _html(message: MapiMessage, warnings: set[WarningCode]) -> str:
    """Return the HTML body: bytes in the page of the body (MS-OXCMSG section 2.2.1.56.6), or a text."""
    kind, raw = message.properties.bag.get(0x1013, (0, b""))
    if kind == mapi.STRING or not isinstance(raw, bytes) or not raw.strip(b"\0 "):
        return message.properties.text(0x1013)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        text, guessed = charsets.decode_file(raw)
    else:
        page = charsets.of_code_page(message.properties.number(0x3FDE) or 0)
        declared = charsets.python_name(markup.declared_charset(raw) or "")
        stated = [codec for codec in (page, declared, message.pages.codec) if codec]
        fitting = next((codec for codec in stated if mapi.fits(raw, codec)), None)
        text, guessed = charsets.decode(raw, fitting or next(iter(stated), None))
        guessed |= fitting is None and not raw.isascii()
    if guessed:
        warnings.add(WarningCode.CHARSET_GUESSED)
    return charsets.tidy(text)


# --- what hangs on it ----------------------------------------------------------------------------------


_REFERENCES = {2: "by_reference", 3: "by_reference", 4: "by_reference", 7: "web_reference"}
"""Methods of an attachment that is a place and no bytes (MS-OXCMSG section 2.2.2.9)."""


def children(
    attachments: Sequence[Attachment], warnings: set[WarningCode], path: str = ""
) -> tuple[tuple[Child, ...], tuple[str, ...]]:
    """Return what hangs on a message as children, and links to what is kept elsewhere.

    Args:
        attachments: Of the message, in order.
        warnings: Added to.
        path: Place of the message within the item; empty for the item itself.
    """
    made: list[Child] = []
    links: list[str] = []
    for number, one in enumerate(attachments, 1):
        where = f"{path}.{number}" if path else str(number)
        properties = one.properties
        name = properties.line(0x3707, 0x3704) or properties.line(0x3001) or None
        facts = _attachment_facts(one)
        media_type = (one.media_type or properties.line(0x370E)).lower()
        if "/" not in media_type:
            media_type = sniff.by_name(name or "")
        kind = Kind.FILE
        if one.message_class or one.media_type in ("application/vnd.ms-outlook", "application/ms-tnef"):
            kind = mapi.kind_of(mapi.class_of(one.message_class))
        elif media_type in ("message/rfc822", "text/calendar"):
            kind = Kind.EMAIL if media_type == "message/rfc822" else Kind.EVENT
        failure = None
        if one.content is None:
            method = properties.number(0x3705) or 0
            detail = _REFERENCES.get(method)
            failure = Failure(Reason.NOT_IN_EXPORT, detail) if detail else Failure(Reason.CORRUPT, "no_data")
            warnings.add(WarningCode.MISSING_PART)
            links.append(file_link(facts.get("reference", "")))
        made.append(
            Child(
                where, name, media_type, kind, one.content, failure=failure, metadata=facts,
            )
        )  # fmt: skip
    return tuple(made), tuple(dict.fromkeys(filter(None, links)))


def _attachment_facts(one: Attachment) -> dict[str, str]:
    properties = one.properties
    facts = {
        "content_id": properties.line(0x3712).strip("<>"),
        "reference": properties.line(0x370D, 0x3708) if one.content is None else "",
        "message_class": one.message_class,
        "disposition": "inline" if properties.number(0x7FFE) or properties.line(0x3712) else "",
    }
    return {name: value for name, value in facts.items() if value}


# --- what its class says -------------------------------------------------------------------------------

_Line = tuple[str, tuple[Key, ...]]

_EVENT_LINES: tuple[_Line, ...] = (
    ("Location", ((APPOINTMENT, 0x8208), (MEETING, 0x0002))),
    ("Recurrence", ((APPOINTMENT, 0x8232),)),
    ("Time zone", ((APPOINTMENT, 0x8234),)),
    ("Online meeting", ((STRINGS, "OnlineMeetingConfLink"), (STRINGS, "SkypeTeamsMeetingUrl"))),
)
_CONTACT_LINES: tuple[_Line, ...] = (
    ("Name", (0x3001,)), ("File as", ((ADDRESS, 0x8005),)), ("Nickname", (0x3A4F,)), ("Title", (0x3A17,)),
    ("Company", (0x3A16,)), ("Department", (0x3A18,)), ("Office", (0x3A19,)), ("Manager", (0x3A4E,)),
    ("Assistant", (0x3A30,)), ("Spouse", (0x3A48,)), ("Profession", (0x3A46,)),
    ("Business phone", (0x3A08,)), ("Business phone 2", (0x3A1B,)), ("Home phone", (0x3A09,)),
    ("Home phone 2", (0x3A2F,)), ("Mobile phone", (0x3A1C,)), ("Other phone", (0x3A1F,)),
    ("Primary phone", (0x3A1A,)), ("Company phone", (0x3A57,)), ("Assistant phone", (0x3A2E,)),
    ("Car phone", (0x3A1E,)), ("Pager", (0x3A21,)), ("Business fax", (0x3A24,)), ("Home fax", (0x3A25,)),
    ("E-mail", ((ADDRESS, 0x8083), (ADDRESS, 0x8080))), ("E-mail 2", ((ADDRESS, 0x8093), (ADDRESS, 0x8090))),
    ("E-mail 3", ((ADDRESS, 0x80A3), (ADDRESS, 0x80A0))), ("Instant messaging", ((ADDRESS, 0x8062),)),
    ("Business address", ((ADDRESS, 0x801B),)), ("Home address", ((ADDRESS, 0x801A),)),
    ("Other address", ((ADDRESS, 0x801C),)), ("Postal address", (0x3A15,)), ("Web page", (0x3A51, 0x3A50)),
    ("Children", (0x3A58,)), ("Hobbies", (0x3A43,)),
)  # fmt: skip
_TASK_LINES: tuple[_Line, ...] = (
    ("Owner", ((TASK, 0x811F),)), ("Assigned by", ((TASK, 0x8121),)), ("Last user", ((TASK, 0x8122),)),
    ("Role", ((TASK, 0x8127),)),
)  # fmt: skip
_COMMON_LINES: tuple[_Line, ...] = (
    ("Companies", ((COMMON, 0x8539),)), ("Contacts", ((COMMON, 0x853A),)), ("Billing", ((COMMON, 0x8535),)),
    ("Mileage", ((COMMON, 0x8534),)),
)  # fmt: skip
_TASK_STATES = ("not started", "in progress", "completed", "waiting on someone else", "deferred")
_BUSY = ("free", "tentative", "busy", "out of office", "working elsewhere")
_RESPONSES = ("", "organised", "tentative", "accepted", "declined", "not responded")


def is_event(message_class: str) -> bool:
    """Tell whether a class is an appointment or a mail about one."""
    return mapi.kind_of(message_class) is Kind.EVENT or message_class.startswith("IPM.SCHEDULE.MEETING")


def lines(message: MapiMessage) -> list[str]:
    """Return what the properties of its class say, as a person sees it in the form; none for a mail."""
    given = message.message_class
    if is_event(given):
        made = _event_lines(message)
    elif given.startswith("IPM.DISTLIST"):
        made = [f"Member: {_shown(one)}" for one in members(message)]
    elif mapi.kind_of(given) is Kind.CONTACT:
        made = [
            *_labelled(message, _CONTACT_LINES),
            *_dated(message, ("Birthday", 0x3A42), ("Anniversary", 0x3A41)),
        ]
    elif given.startswith(("IPM.TASK", "IPM.TASKREQUEST")):
        made = _task_lines(message)
    elif given.startswith("IPM.ACTIVITY"):
        made = [
            *_labelled(message, (("Entry type", ((LOG, 0x8700), (LOG, 0x8712))),)),
            *_dated(message, ("Start", (LOG, 0x8706)), ("End", (LOG, 0x8708))),
        ]
    elif given.startswith("REPORT."):
        return _report_lines(message)
    else:
        return []
    return [*made, *_labelled(message, _COMMON_LINES)]


def lines_beside(message: MapiMessage, text: str) -> list[str]:
    """Return those of the lines that the text of the body does not say word by word."""
    flat = " ".join(text.split()).casefold()
    return [line for line in lines(message) if (line.partition(": ")[2] or line).casefold() not in flat]


def _labelled(message: MapiMessage, table: Sequence[_Line]) -> list[str]:
    found = []
    for label, keys in table:
        values = message.properties.texts(keys[0]) if len(keys) == 1 else ()
        text = ", ".join(" ".join(one.split()) for one in values) or message.properties.line(*keys)
        if text:
            found.append(f"{label}: {text}")
    return found


def _dated(message: MapiMessage, *pairs: tuple[str, Key]) -> Iterator[str]:
    for label, key in pairs:
        moment = message.properties.moment(key)
        if moment is not NO_MOMENT:
            yield f"{label}: {mapi.of_time(moment)}"


def start_of(message: MapiMessage) -> Moment:
    """Return when an event begins (MS-OXOCAL section 2.2.1.5), a task is due to begin or to be done."""
    if mapi.kind_of(message.message_class) is Kind.TASK:
        return message.properties.moment((TASK, 0x8104), (TASK, 0x8105), 0x3007, 0x3008)
    return message.properties.moment((APPOINTMENT, 0x820D), (COMMON, 0x8516), 0x0060, (APPOINTMENT, 0x8235))


def end_of(message: MapiMessage) -> Moment:
    """Return when an event ends."""
    return message.properties.moment((APPOINTMENT, 0x820E), (COMMON, 0x8517), 0x0061)


def uid_of(message: MapiMessage) -> str:
    """Return the identity of an event as iCalendar has it (MS-OXCICAL section 2.1.3.1.1.20.26), or empty.

    An id that came from elsewhere is carried within; Exchange's own is the id itself, without its date.
    """
    raw = message.properties.binary((MEETING, 0x0023)) or message.properties.binary((MEETING, 0x0003))
    if not raw.startswith(_UID_MARK) or len(raw) < 40:
        return ""
    if raw[40:52] == b"vCal-Uid\x01\0\0\0":
        return headers.one_line(raw[52:].rstrip(b"\0").decode("utf-8", "replace"))
    return (raw[:16] + bytes(4) + raw[20:]).hex().upper()


def _event_lines(message: MapiMessage) -> list[str]:
    properties = message.properties
    made = [f"Start: {mapi.of_time(start_of(message))}"] if start_of(message) is not NO_MOMENT else []
    if end_of(message) is not NO_MOMENT:
        made.append(f"End: {mapi.of_time(end_of(message))}")
    made += _labelled(message, _EVENT_LINES)
    if properties.number((APPOINTMENT, 0x8215)):
        made.append("All day")
    return made


def event_people(message: MapiMessage) -> list[str]:
    """Return organiser and attendees as lines, as the reader of calendars writes them."""
    known = mapi.directory(message)
    organiser = mapi.person(message.properties, mapi.AUTHOR, known)
    made = [f"Organizer: {_shown(organiser)}"] if organiser is not None else []
    people = mapi.recipients(message)
    return made + [f"Attendee: {_shown(one)}" for one in (*people.to, *people.cc, *people.bcc)]


def _task_lines(message: MapiMessage) -> list[str]:
    properties = message.properties
    made = []
    state = properties.number((TASK, 0x8101))
    if state is not None and 0 <= state < len(_TASK_STATES):
        made.append(f"Status: {_TASK_STATES[state]}")
    share = properties.real((TASK, 0x8102))
    if share is not None and 0 <= share <= 1:
        made.append(f"Complete: {round(share * 100)} %")
    made += _dated(message, ("Start", (TASK, 0x8104)), ("Due", (TASK, 0x8105)), ("Completed", (TASK, 0x810F)))
    return made + _labelled(message, _TASK_LINES)


def _report_lines(message: MapiMessage) -> list[str]:
    """Return what a report says of each recipient (MS-OXOMSG section 2.2.2)."""
    made = _labelled(message, (("Original subject", (0x0049,)), ("Report", (0x1001,))))
    for row in message.recipients:
        somebody = mapi.person(row, mapi.RECIPIENT)
        said = [text for text in (row.line(0x1001), row.line(0x0C1B), row.line(0x0C25)) if text]
        codes = [f"{label} {row.number(key)}" for label, key in (("reason", 0x0C04), ("diagnostic", 0x0C05),
                 ("status", 0x0C20)) if row.number(key) is not None]  # fmt: skip
        if somebody is not None:
            made.append(": ".join(filter(None, (_shown(somebody), "; ".join((*said, *codes))))))
    return made


def _shown(person: Address) -> str:
    return (
        f"{person.name} <{person.address}>"
        if person.name and person.address
        else person.name or person.address
    )


def contact_addresses(message: MapiMessage) -> tuple[Address, ...]:
    """Return whom a contact is about (MS-OXOCNTC section 2.2.1.2), or who is on a list."""
    if message.message_class.startswith("IPM.DISTLIST"):
        return members(message)
    name = message.properties.line(0x3001) or message.properties.line(0x0037)
    found: dict[Address, None] = {}
    for base in (0x8080, 0x8090, 0x80A0):
        address = message.properties.line((ADDRESS, base + 3))
        if address:
            found[Address(name, address)] = None
    return tuple(found) or ((Address(name, ""),) if name else ())


def members(message: MapiMessage) -> tuple[Address, ...]:
    """Return the members of a distribution list (MS-OXOCNTC section 2.2.2.2)."""
    found: dict[Address, None] = {}
    for raw in message.properties.binaries((ADDRESS, 0x8054)):
        somebody = _one_off(raw, message.pages.codec)
        if somebody is not None:
            found[somebody] = None
    return tuple(found)


def _one_off(raw: bytes, codec: str) -> Address | None:
    """Read who an entry id names that stands for itself (MS-OXCDATA section 2.2.5.1)."""
    if raw[4:20] != _ONE_OFF or len(raw) < 24:
        return None
    (flags,) = struct.unpack_from("<H", raw, 22)
    if flags & 0x8000:
        texts = raw[24 : len(raw) - len(raw) % 2].decode("utf-16-le", "replace").split("\0")
    else:
        texts = charsets.decode(raw[24:], codec)[0].split("\0")
    name, _, address = (" ".join(headers.one_line(text).split()) for text in [*texts, "", "", ""][:3])
    return Address(name, address) if name or address else None


_IMPORTANCE = ("low", "", "high")
_SENSITIVITY = ("", "personal", "private", "confidential")


def facts(message: MapiMessage) -> dict[str, str]:
    """Return facts of its class and of the message itself."""
    properties = message.properties
    given = message.message_class
    found = {
        "message_class": properties.line(0x001A),
        "importance": _coded(_IMPORTANCE, properties.number(0x0017)),
        "sensitivity": _coded(_SENSITIVITY, properties.number(0x0036)),
        "categories": "; ".join(properties.texts((STRINGS, "Keywords"))),
    }
    if message.pages.guessed:
        found["code_page"] = message.pages.codec
    if is_event(given):
        found |= {
            "dtend": end_of(message).text,
            "uid": uid_of(message),
            "location": properties.line((APPOINTMENT, 0x8208), (MEETING, 0x0002)),
            "rrule": properties.line((APPOINTMENT, 0x8232)),
            "all_day": "yes" if properties.number((APPOINTMENT, 0x8215)) else "",
            "transp": _coded(_BUSY, properties.number((APPOINTMENT, 0x8205))),
            "response": _coded(_RESPONSES, properties.number((APPOINTMENT, 0x8218))),
            "cancelled": "yes" if (properties.number((APPOINTMENT, 0x8217)) or 0) & 4 else "",
        }
    if given.startswith("REPORT."):
        found["original_message_id"] = properties.line(0x1046, 0x1042)
    return {name: value for name, value in found.items() if value}


def _coded(words: Sequence[str], number: int | None) -> str:
    return words[number] if number is not None and 0 <= number < len(words) else ""
