"""Outlook's own formats: messages, events, contacts, tasks and notes as ``.msg`` files and as TNEF.

A mail that came over the internet keeps its header in a property: it goes through the same step as the header
of an RFC 5322 message, so that a mail is the same in both forms. What was sent or drafted in Outlook has no
header, and is told from its properties.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import BinaryIO, ClassVar

from extract import headers, mail, mapi, mapi_content, markup, msg, smime, tnef
from extract.mapi import MapiMessage
from extract.protocol import ExtractContext
from records import compound_reading as compound
from records.compound_files import SIGNATURE
from records.models import NO_MOMENT, Address, Child, Extraction, Failure, Fields, Moment
from records.moments import local_moment, undated, zone_doubts
from records.vocabulary import Kind, Reason, WarningCode

_NAMED = (
    "__substg1.0_",
    "__nameid_version1.0",
    "__properties_version1.0",
    "__recip_version1.0_",
    "__attach_version1.0_",
)
_SIGNS = tuple(name.encode("utf-16-le") for name in _NAMED)
_SUFFIXES = frozenset({"msg", "oft"})
_FIRST_LINE = re.compile(r"\AMicrosoft Mail Internet Headers[^\r\n]*\r?\n")
"""Outlook 2003 puts this line before the header that it keeps."""
_HREF = re.compile(r"\b(?:href|src)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)


class MsgReader:
    """Reads one message file of Outlook (MS-OXMSG)."""

    name: ClassVar[str] = "msg"
    version: ClassVar[str] = "1"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept what names Outlook's streams in its directory; by name only where that is not seen."""
        if not head.startswith(SIGNATURE):
            return None
        if any(sign in head for sign in _SIGNS):
            return 95
        suffix = name.rpartition(".")[2].lower() if name and "." in name else ""
        labelled = media_type == msg.MEDIA_TYPE or suffix in _SUFFIXES
        return 40 if labelled and not compound.shows_directory(head) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the file.

        Raises:
            ItemError: ``corrupt``, ``truncated`` or ``bomb`` when no message can be read.
        """
        opened = msg.parse(stream.read())
        made = read_message(opened.message, context)
        if opened.whole or made.failure is not None:
            return made
        return replace(made, failure=Failure(Reason.TRUNCATED, "msg_streams"))


class TnefReader:
    """Reads one TNEF stream that stands alone: a ``winmail.dat`` among files, or a message within one."""

    name: ClassVar[str] = "tnef"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept by signature."""
        if not head.startswith(tnef.SIGNATURE):
            return None
        return 100 if media_type in tnef.MEDIA_TYPES else 90

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the stream.

        Raises:
            ItemError: ``corrupt`` or ``truncated`` when nothing of it can be read.
        """
        opened = tnef.parse(stream.read())
        made = read_message(opened.message, context, opened)
        failure = made.failure
        if failure is None and not opened.whole:
            failure = Failure(Reason.TRUNCATED, "tnef")
        facts = {"bad_checksums": opened.bad_sums, "bytes_behind_the_end": len(opened.junk)}
        return replace(
            made,
            metadata={**made.metadata, **{name: str(count) for name, count in facts.items() if count}},
            warnings=tuple(sorted({*made.warnings, *((WarningCode.MIME_DEFECT,) if opened.is_odd else ())})),
            failure=failure,
        )


def read_message(
    message: MapiMessage, context: ExtractContext, stream: tnef.TnefStream | None = None
) -> Extraction:
    """Make one item of a message, whatever carried it.

    Args:
        message: Taken apart.
        context: Zone for times without one, and limits.
        stream: The TNEF that it came in, or None.
    """
    warnings: set[WarningCode] = set()
    kind = mapi.kind_of(message.message_class)
    header = _header(message)
    gathered = mail.Gathering(context, warnings)
    secured, content = _secured(message)
    if secured is not None:
        gathered.gather(secured)
        if secured.media_type == "multipart/signed":
            gathered.signature = mail.clear_signature(secured, content)
        children: tuple[Child, ...] = tuple(gathered.children)
        links: tuple[str, ...] = ()
        text = gathered.text()
    else:
        found = mapi_content.bodies(message, warnings)
        gathered.add(*_forms(found, header))
        text = gathered.text()
        if found.rtf and not markup.holds_words(text, found.rtf):
            text = "\n\n".join(filter(None, (text.rstrip(), found.rtf)))
        children, links = mapi_content.children(message.attachments, warnings)
        links = (*found.links, *links)
    if message.pages.guessed:
        warnings.add(WarningCode.CHARSET_GUESSED)
    if mapi.is_draft(message) and kind is Kind.EMAIL:
        warnings.add(WarningCode.DRAFT)
    fields = _fields(message, header, context, warnings, stream)
    told = mapi_content.lines_beside(message, text) if kind is Kind.EMAIL else mapi_content.lines(message)
    if kind is Kind.EVENT:
        told += mapi_content.event_people(message)
    now = message.properties.line(0x0037)
    if header and now and not markup.holds_words(fields.subject, now):
        told.insert(0, f"Subject: {now}")  # changed where it lies: what is seen there can be found
    told_text = "\n".join(told)
    ordered = (text.rstrip(), told_text) if kind is Kind.EMAIL else (told_text, text)
    facts = {**mail.facts_of(header), **mapi_content.facts(message), **gathered.signature}
    return Extraction(
        text="\n\n".join(filter(None, ordered)) if told else text,
        kind=kind,
        fields=fields,
        metadata=facts,
        children=children,
        expected_children=None if secured is not None else len(children),
        warnings=tuple(sorted(warnings)),
        failure=gathered.failure,
        links=tuple(dict.fromkeys((*gathered.links, *links))),
    )


def _header(message: MapiMessage) -> headers.Fields:
    """Return the fields of the internet header that a message keeps (MS-OXOMSG section 2.2.1.61), or none."""
    kept = _FIRST_LINE.sub("", message.properties.text(0x007D)).lstrip("\n")
    if not kept:
        return {}
    block, _ = headers.split(kept.encode("utf-8", "replace") + b"\n\n")
    return headers.parse(block)[0]


def _forms(found: mapi_content.Bodies, header: headers.Fields) -> tuple[str, str]:
    """Return the plain and the HTML body that count.

    Where the header says that the mail is HTML alone, Outlook has made the plain text from it: then it counts
    only where it has words that neither the page nor its links hold.
    """
    stated = (headers.first(header, "content-type") or "").partition(";")[0].strip().lower()
    if stated == "text/html" and found.html:
        seen = markup.html_to_text(found.html)
        targets = " ".join("".join(one) for one in _HREF.findall(found.html))
        if markup.holds_words(f"{seen} {targets}", found.plain):
            return "", found.html
    return found.plain, found.html


def _secured(message: MapiMessage) -> tuple[mail.Node | None, bytes]:
    """Return what S/MIME has put into the one attachment of a message (MS-OXOSMIME section 2.1); else None.

    The bytes decide, not the class: a signed mail that a gateway has opened is an ordinary one.
    """
    if not message.message_class.startswith(("IPM.NOTE.SMIME", "IPM.SCHEDULE.MEETING")):
        return None, b""
    held = [one for one in message.attachments if one.content]
    if len(held) != 1 or not held[0].content:
        return None, b""
    content = held[0].content
    if smime.envelope_kind(content) is not None:
        return mail.Node("application/pkcs7-mime", content=content), content
    if (
        held[0].properties.line(0x370E).lower() == "multipart/signed"
        or b"multipart/signed" in content[:2048].lower()
    ):
        return mail.tree_of(content, "auto", set()), content
    return None, b""


# --- fields --------------------------------------------------------------------------------------------


def _fields(
    message: MapiMessage,
    header: headers.Fields,
    context: ExtractContext,
    warnings: set[WarningCode],
    stream: tnef.TnefStream | None,
) -> Fields:
    kind = mapi.kind_of(message.message_class)
    if kind is Kind.EVENT:
        return _event_fields(message, warnings)
    if kind is Kind.CONTACT:
        subject = message.properties.line(0x0037, 0x3001, (mapi.ADDRESS, 0x8053))
        moment = message.properties.moment(0x3007, 0x3008)
        return Fields(subject=subject, participants=mapi_content.contact_addresses(message), moment=moment)
    stated = _stated_fields(message, context, stream)
    if not header:
        warnings.update(undated(stated.moment) if kind is Kind.EMAIL else ())
        warnings.update(zone_doubts(stated.moment, context.time_zone))
        return stated
    doubts: set[WarningCode] = set()
    read = mail.fields_of(header, context, doubts)
    if read.moment.at is None and stated.moment.at is not None:
        doubts -= {WarningCode.NO_DATE, WarningCode.BAD_DATE}
        read = replace(read, moment=stated.moment)
    warnings |= doubts
    return _joined(read, stated)


def _joined(read: Fields, stated: Fields) -> Fields:
    """Return what the header says, and from the properties what it does not: blind copies above all."""
    if not (read.to or read.cc or read.bcc):
        read = replace(read, to=stated.to, cc=stated.cc, bcc=stated.bcc)
    else:
        known = {_key(one) for one in (*read.to, *read.cc, *read.bcc)}
        read = replace(read, bcc=(*read.bcc, *(one for one in stated.bcc if _key(one) not in known)))
    sender = read.sender or stated.sender
    roles = (*((sender,) if sender else ()), *read.to, *read.cc, *read.bcc)
    everybody = list(read.participants or roles)
    known = {_key(one) for one in everybody} | {one.name.lower() for one in everybody if one.name}
    for one in (*stated.to, *stated.cc, *stated.participants):
        if _key(one) not in known and (not one.name or one.name.lower() not in known):
            known.add(_key(one))
            everybody.append(one)
    return replace(
        read,
        sender=sender,
        participants=tuple(everybody) if len(everybody) > len(roles) or read.participants else (),
        **{
            name: getattr(read, name) or getattr(stated, name)
            for name in ("subject", "message_id", "in_reply_to", "references", "thread_key", "thread_index")
        },
    )


def _key(person: Address) -> str:
    return person.address.lower() or person.name.lower()


def _stated_fields(message: MapiMessage, context: ExtractContext, stream: tnef.TnefStream | None) -> Fields:
    """Return fields from the properties of a mail, a task or a note."""
    properties = message.properties
    known = mapi.directory(message)
    by, author = (mapi.person(properties, role, known) for role in (mapi.SENDER, mapi.AUTHOR))
    people = mapi.recipients(message)
    sender = author or by
    everybody = [*((sender,) if sender else ()), *people.to, *people.cc, *people.bcc]
    named = len(everybody)
    more = [Address("", name.strip()) if "@" in name else Address(name.strip(), "") for name in
            properties.line(0x0050).split(";") if name.strip()]  # fmt: skip
    for one in (*((by,) if by else ()), *more):
        if _key(one) not in {_key(other) for other in everybody}:
            everybody.append(one)
    index = properties.binary(0x0071)[: mail.LONGEST_INDEX]
    return Fields(
        subject=properties.line(0x0037),
        sender=sender,
        to=people.to,
        cc=people.cc,
        bcc=people.bcc,
        participants=tuple(everybody) if len(everybody) > named else (),
        moment=_moment(message, context, stream),
        message_id=properties.line(0x1035),
        in_reply_to=properties.line(0x1042),
        references=properties.line(0x1039),
        thread_key=index[6:22].hex() if len(index) >= 22 else "",
        thread_index=index.hex() if len(index) >= 22 else "",
    )


def _moment(message: MapiMessage, context: ExtractContext, stream: tnef.TnefStream | None) -> Moment:
    if mapi.kind_of(message.message_class) is Kind.TASK:
        return mapi_content.start_of(message)
    found = message.properties.moment(0x0032) if message.message_class.startswith("REPORT.") else NO_MOMENT
    found = found if found is not NO_MOMENT else mapi.sent(message)
    if found is NO_MOMENT and stream is not None:
        for key in (0x0039, 0x0E06):
            local = stream.dates.get(key)
            if local is not None:
                return local_moment(local, local.isoformat(), context.time_zone)
    return found


def _event_fields(message: MapiMessage, warnings: set[WarningCode]) -> Fields:
    """Return fields of an event as the reader of calendars gives them: organiser, attendees, begin."""
    known = mapi.directory(message)
    people = mapi.recipients(message)
    moment = mapi_content.start_of(message)
    warnings.update(undated(moment))
    return Fields(
        subject=message.properties.line(0x0037),
        sender=mapi.person(message.properties, mapi.AUTHOR, known),
        to=people.to,
        cc=people.cc,
        bcc=people.bcc,
        moment=moment,
        message_id=mapi_content.uid_of(message),
    )
