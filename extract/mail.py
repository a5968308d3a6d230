"""Mail: RFC 5322 messages with their MIME parts (EML, EMLX and what an mbox or Maildir holds).

``fast-mail-parser`` takes the message apart; the standard library does where it refuses, or where the
header block had to be repaired. Both give the same tree of parts with decoded bytes, and one normalising
step (header decoding, charsets, body choice, children) makes the result, so the two readers can be
compared field by field.

What is a body and what is a child: text/plain and text/html parts that carry no file name and are not
marked as attachments are the body; every other leaf is a child, named or not. A message in a message is
one child with its exact bytes; it is read when its turn comes, not here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import Message
from typing import BinaryIO, ClassVar, NamedTuple

import fast_mail_parser as fast

from extract import charsets, emlx, headers, journal, mapi_content, markup, sniff, tnef
from extract.mapi import MapiMessage
from extract.protocol import ExtractContext
from extract.smime import content_of_signed, envelope_kind, signature_facts
from records.errors import ItemError
from records.models import Address, Child, Extraction, Failure, Fields
from records.moments import mail_moment, zone_doubts
from records.vocabulary import Kind, Reason, WarningCode

_MAIL_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})
_UUENCODED = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
_BODY_TYPES = frozenset({"text/plain", "text/html"})
_SMIME_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_HEAD_LINE = re.compile(rb"[!-9;-~]{1,120}[ \t]*:")
_KNOWN = re.compile(
    rb"^(?:from|to|cc|subject|date|message-id|received|return-path|mime-version|content-type|delivered-to|"
    rb"x-[!-9;-~]+|dkim-signature|arc-[!-9;-~]+|reply-to|sender|authentication-results|list-[!-9;-~]+|"
    rb"in-reply-to|references|envelope-to|content-transfer-encoding)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_CORE = re.compile(
    rb"^(?:from|received|return-path|message-id|mime-version|date|delivered-to)[ \t]*:", re.I | re.M
)
_CHARSET = re.compile(r"charset\*?\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;,]+))", re.IGNORECASE)
_BOUNDARY = re.compile(r"boundary\s*=\s*(?:\"([^\"]+)\"|([^\s;]+))", re.IGNORECASE)
_ARMOR = re.compile(r"^-----BEGIN PGP MESSAGE-----[ \t]*$", re.MULTILINE)
_DELSP = re.compile(r"\bdelsp\s*=\s*\"?yes\b", re.IGNORECASE)
_UU = re.compile(
    rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n((?:[!-M][ -`]*[ \t]*\r?\n)+)"
    rb"(?:[` ]?[ \t]*\r?\n)?end[ \t]*\r?$",
    re.M,
)
_GUID = slice(6, 22)
LONGEST_INDEX = 22 + 5 * 500
"""Bytes of a Thread-Index that are kept: its head and 500 replies."""
_EXTRA = frozenset({
    "reply-to", "sender", "resent-from", "resent-to", "importance", "sensitivity", "x-priority", "list-id",
    "auto-submitted", "thread-topic", "x-gmail-labels", "delivered-to", "x-ms-journal-report",
    "x-mozilla-status", "x-gm-msgid", "keywords", "organization", "errors-to", "disposition-notification-to",
})  # fmt: skip
"""Header fields kept as metadata when a message has them."""

_MORE_PEOPLE = ("sender", "reply-to", "resent-from", "resent-to", "resent-cc")
"""Named in a message without a role in ``Fields``: a reader sees them, so a search must find them."""


@dataclass(slots=True)
class Node:
    """One part of a message, whichever reader took it apart.

    Attributes:
        media_type: Lower case, without parameters.
        type_field: The whole Content-Type value, for its parameters.
        name: File name, or empty.
        content_id: Without brackets, or empty.
        disposition: Lower-case word, or empty.
        content: Transfer-decoded bytes of a leaf; None for a multipart.
        children: Parts of a multipart.
        quoted: Its transfer encoding was quoted-printable.
    """

    media_type: str
    type_field: str = ""
    name: str = ""
    content_id: str = ""
    disposition: str = ""
    content: bytes | None = None
    children: list[Node] = field(default_factory=list)
    quoted: bool = False

    @property
    def charset(self) -> str | None:
        """The declared charset, or None."""
        found = _CHARSET.search(self.type_field) if self.type_field else None
        return (found[1] or found[2] or found[3] or "").partition("'")[0] or None if found else None


class MailReader:
    """Reads one mail message."""

    name: ClassVar[str] = "mail"
    version: ClassVar[str] = "4"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept what is labelled as mail, and what begins like mail whatever its label."""
        if media_type in _MAIL_TYPES and not head.startswith(sniff.BINARY_STARTS):
            return 100
        suffix = name.rpartition(".")[2].lower() if name else ""
        if suffix == "emlx" and emlx.COUNT.match(head):
            return 95
        if suffix in ("eml", "rsmf", "mht", "mhtml") and b"\0" not in head[:256]:
            return 95
        return 60 if looks_like_mail(head) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: It is no message at all (``corrupt``, ``not_a_mail``).
        """
        return read_message(stream.read(), context)


def looks_like_mail(head: bytes) -> bool:
    """Tell from the first bytes whether a header block of a message begins here."""
    if not _HEAD_LINE.match(head) and not head.startswith((b"From ", b">From ")):
        return False
    block, _ = headers.split(head)
    if b"\0" in block:
        return False
    known = {found.group().lower().rstrip(b" \t:") for found in _KNOWN.finditer(block)}
    return len(known) >= 3 and _CORE.search(block) is not None


def read_message(data: bytes, context: ExtractContext, reader: str = "auto") -> Extraction:
    """Read one message from its bytes.

    Args:
        data: The message as collected.
        context: Zone for dates without one, and limits.
        reader: ``auto`` in production; ``fast`` or ``stdlib`` to compare the two.

    Raises:
        ItemError: ``corrupt`` when the bytes are no message.
    """
    apple = emlx.opened(data, context.name)
    data = _without_from_line(data if apple is None else apple.message)
    block, at = headers.split(data)
    fields, junk = headers.parse(block)
    if not fields and b"\0" in data[:1024]:
        raise ItemError(Reason.CORRUPT, "not_a_mail")
    warnings: set[WarningCode] = set()
    if junk:
        # Either reader would give up the MIME structure at a line that is no field: take such lines out.
        warnings.add(WarningCode.HEADER_DEFECT)
        data = headers.rebuilt(block) + data[at:]
    root = tree_of(data, reader, warnings, fields)
    content_type = headers.first(fields, "content-type")
    if root.media_type.startswith("multipart/"):
        _check_closed(root, data, warnings)
    result = Gathering(context, warnings)
    result.gather(root)
    if root.media_type == "multipart/signed":
        result.signature = clear_signature(root, data)
    text = result.text()
    if junk:
        text = "\n".join(filter(None, (charsets.tidy(junk), text)))
    if not content_type and not fields:
        warnings.add(WarningCode.HEADER_DEFECT)
    made = Extraction(
        text=text,
        kind=Kind.EMAIL,
        fields=fields_of(fields, context, warnings),
        metadata={**facts_of(fields), **result.signature},
        children=tuple(result.children),
        warnings=tuple(sorted(warnings)),
        failure=result.failure,
        links=result.links,
    )
    if apple is not None:
        made = _of_apple(made, apple)
    if journal.HEADER in fields:
        made = _of_journal(made)
    if _ENVELOPE in context.metadata:
        made = _with_people(made, headers.addresses(context.metadata[_ENVELOPE].split("; ")))
    return _of_page(made, fields) if _is_saved_page(fields) else made


_QUOTED_FROM = re.compile(rb"^>From ", re.MULTILINE)


def clear_signature(root: Node, data: bytes) -> dict[str, str]:
    """Return what is known of the signature beside a part in the clear (RFC 1847 section 2.1, RFC 8551).

    The part is signed with lines that end in CRLF. An mbox may have quoted lines that begin with ``From ``.

    Args:
        root: The message, which is ``multipart/signed``.
        data: Its bytes.
    """
    body = data[headers.split(data)[1] :]
    found = _BOUNDARY.search(root.type_field)
    seal = root.children[-1].content if len(root.children) == 2 else None
    if found is None or not seal:
        return {}
    mark = b"--" + (found[1] or found[2]).encode("utf-8", "surrogateescape")
    start = 0 if body.startswith(mark) else body.find(b"\n" + mark) + 1
    start = body.find(b"\n", start) + 1
    end = body.find(b"\n" + mark, start)
    if start <= 0 or end < 0:
        return signature_facts(seal)
    content = body[start:end].removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    facts = signature_facts(seal, content)
    if facts.get("signature") == "does_not_match" and b"\n>From " in content:
        return signature_facts(seal, _QUOTED_FROM.sub(b"From ", content))
    return facts


_APPLE = {"deleted": WarningCode.DELETED, "draft": WarningCode.DRAFT}
_ENVELOPE = "envelope_people"
"""Fact of a mail within a journal report: everybody in its envelope."""


_ADDRESSED = frozenset(
    f"envelope_{field}" for field in ("sender", "on-behalf-of", "to", "cc", "bcc", "recipient")
)


def _of_apple(made: Extraction, apple: emlx.Emlx) -> Extraction:
    """Add what Apple Mail keeps beside a message."""
    more = {_APPLE[flag] for flag in apple.flags & _APPLE.keys()}
    if apple.odd:
        more.add(WarningCode.MIME_DEFECT)
    return replace(
        made,
        metadata={**made.metadata, **apple.facts},
        warnings=tuple(sorted({*made.warnings, *more})),
        failure=made.failure or (Failure(Reason.TRUNCATED, "emlx") if apple.cut else None),
    )


def _of_journal(made: Extraction) -> Extraction:
    """Add who is in the envelope that a journal report tells, to it and to the mail that it carries."""
    told = journal.envelope(made.text)
    everybody = "; ".join(value for field, value in told.facts.items() if field in _ADDRESSED)
    facts = {**told.facts, _ENVELOPE: everybody}
    children = tuple(
        replace(child, metadata={**child.metadata, **facts}) if child.kind is Kind.EMAIL else child
        for child in made.children
    )
    made = replace(made, metadata={**made.metadata, **told.facts}, children=children)
    return _with_people(made, told.people)


def _with_people(made: Extraction, people: tuple[Address, ...]) -> Extraction:
    """Name people in a message without changing its own roles: a search finds them, its hash stays."""
    said = made.fields
    assert said is not None
    roles = (*((said.sender,) if said.sender else ()), *said.to, *said.cc, *said.bcc)
    everybody = list(said.participants or roles)
    known = {one.address.lower() for one in everybody}
    for one in people:
        if one.address.lower() not in known:
            known.add(one.address.lower())
            everybody.append(one)
    if len(everybody) == len(said.participants or roles):
        return made
    return replace(made, fields=replace(said, participants=tuple(everybody)))


def _is_saved_page(fields: headers.Fields) -> bool:
    """Tell whether a browser has written this (MHTML, RFC 2557): a page, and no mail that somebody sent."""
    if "snapshot-content-location" in fields:
        return True
    return re.match(r"<?Saved by ", headers.first(fields, "from") or "", re.IGNORECASE) is not None


def _of_page(made: Extraction, fields: headers.Fields) -> Extraction:
    """Tell a saved page as a file with a title: who "sent" it is a browser."""
    assert made.fields is not None
    url = headers.one_line(headers.first(fields, "snapshot-content-location") or "")
    metadata = {**made.metadata, **({"url": url} if url else {})}
    return replace(
        made, kind=Kind.FILE, fields=replace(made.fields, sender=None, participants=()), metadata=metadata
    )


def _without_from_line(data: bytes) -> bytes:
    """Take off the ``From `` line that an mbox puts before a message."""
    while data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    return data


# --- the two readers -----------------------------------------------------------------------------------


def tree_of(
    data: bytes, reader: str, warnings: set[WarningCode], fields: headers.Fields | None = None
) -> Node:
    """Take a message apart; ``fields`` of its header, where they were read already, save a second reading."""
    if reader == "stdlib":
        return _std_tree(data, warnings)
    try:
        return _from_fast(fast.parse_email_tree(data, mode="lazy"), _doubts(data), fields)
    except _UnfaithfulError:
        return _std_tree(data, warnings)
    except (fast.ParseError, RecursionError):
        if reader == "fast":
            raise
        warnings.add(WarningCode.MIME_DEFECT)
        return _std_tree(data, warnings)


class _UnfaithfulError(Exception):
    """The quick reader would give other bytes than the file holds."""


class _Doubts(NamedTuple):
    """What makes quoted-printable parts of a message unsafe with the quick reader.

    Attributes:
        bare: Lines end in a bare line feed; it ends decoded lines in CRLF whatever the file has: right for a
            body, another hash for a file.
        eight_bit: Bytes above 127 stand in the message; it drops them from such a part.
    """

    bare: bool
    eight_bit: bool


def _doubts(data: bytes) -> _Doubts:
    at = data.find(b"\n")
    return _Doubts(at >= 0 and data[at - 1 : at] != b"\r", not data.isascii())


def _from_fast(part: fast.PyLazyMimePart, doubts: _Doubts, fields: headers.Fields | None) -> Node:
    """Copy a part; a ``DecodeError`` of any leaf sends the whole message to the other reader."""
    # Each attribute is made anew when it is asked for, so once is enough.
    media_type, content, parts = part.content_type.lower(), part.content, part.children
    if content is None and not parts:
        raise _UnfaithfulError  # no usable boundary: what it holds would be lost
    if fields is None:
        fields = {name.lower(): values for name, values in part.headers.items()}
    type_field = headers.first(fields, "content-type") or ""
    disposition = (part.disposition or "").strip().lower()
    encoding = (headers.first(fields, "content-transfer-encoding") or "").strip().lower()
    if encoding in _UUENCODED:
        raise _UnfaithfulError
    name = part.filename if disposition or "name" in type_field.lower() else ""
    quoted = encoding == "quoted-printable"
    is_file = bool(name) or disposition == "attachment" or media_type not in _BODY_TYPES
    if quoted and (doubts.eight_bit or (doubts.bare and is_file)):
        raise _UnfaithfulError
    return Node(
        media_type,
        type_field=type_field,
        name=name,
        content_id=(part.content_id or "").strip(),
        disposition=disposition,
        content=content,
        children=[] if part.is_message else [_from_fast(child, doubts, None) for child in parts],
        quoted=quoted,
    )


class _LeafMessage(Message):
    """A message whose embedded messages stay leaves, so that their bytes are exact."""

    def get_content_maintype(self) -> str:
        """Return the main type, with ``message`` told as a leaf to the parser."""
        kind = super().get_content_maintype()
        return "application" if kind == "message" else kind

    def get_content_type(self) -> str:
        """Return the type; the parser takes ``message/delivery-status`` apart, this one does not."""
        kind = super().get_content_type()
        return "text/x-delivery-status" if kind == "message/delivery-status" else kind


def _std_tree(data: bytes, warnings: set[WarningCode]) -> Node:
    try:
        message = message_from_bytes(data, _class=_LeafMessage, policy=policy.compat32)
    except RecursionError:
        raise ItemError(Reason.BOMB, "mime_depth") from None
    return _from_std(message, warnings, 0)


def _from_std(message: Message, warnings: set[WarningCode], depth: int) -> Node:
    if depth > 200:
        raise ItemError(Reason.BOMB, "mime_depth")
    if message.defects:
        warnings.add(WarningCode.MIME_DEFECT)
    kind = Message.get_content_type(message)
    type_field = headers.text_of(str(message.get("Content-Type", "")))
    disposition = headers.text_of(str(message.get("Content-Disposition", "")))
    node = Node(
        kind,
        type_field=type_field,
        name=headers.file_name(type_field, disposition),
        content_id=headers.text_of(str(message.get("Content-ID", ""))).strip().strip("<>").strip(),
        disposition=disposition.partition(";")[0].strip().lower(),
        quoted=str(message.get("Content-Transfer-Encoding", "")).strip().lower() == "quoted-printable",
    )
    payload = message.get_payload() if message.is_multipart() else None  # else it would be decoded
    if isinstance(payload, list):
        node.children = [
            _from_std(child, warnings, depth + 1) for child in payload if isinstance(child, Message)
        ]
    elif kind.startswith("multipart/"):
        # A multipart without a usable boundary: what it holds is text to a reader.
        node.media_type = "text/plain"
        # As parsed: asked for in the usual way, bytes above 127 come back as U+FFFD.
        held = getattr(message, "_payload", None)
        node.content = str(held or "").encode("utf-8", "surrogateescape")
    else:
        node.content = _std_content(message, warnings)
    return node


def _std_content(message: Message, warnings: set[WarningCode]) -> bytes:
    before = len(message.defects)
    content = message.get_payload(decode=True)
    if len(message.defects) > before:
        warnings.add(WarningCode.MIME_DEFECT)
    return content if isinstance(content, bytes) else b""


def _check_closed(root: Node, data: bytes, warnings: set[WarningCode]) -> None:
    """Warn when the closing boundary is missing: the message may have been cut."""
    found = _BOUNDARY.search(root.type_field)
    boundary = (found[1] or found[2]) if found else ""
    if not boundary or b"--" + boundary.encode("utf-8", "surrogateescape") + b"--" not in data:
        warnings.add(WarningCode.MIME_DEFECT)


# --- the one normalising step --------------------------------------------------------------------------


class Gathering:
    """Collects body texts and children in the order of the parts.

    Attributes:
        children: What hangs on the message.
        failure: Why some of it cannot be read, or None.
        links: Files kept elsewhere that its pages lead to, once ``text`` was asked for.
        signature: What is known of its signature, as facts.
    """

    def __init__(self, context: ExtractContext, warnings: set[WarningCode]) -> None:
        self.children: list[Child] = []
        self.failure: Failure | None = None
        self._context = context
        self._warnings = warnings
        self._plain: list[str] = []
        self._html: list[str] = []
        self._more: list[str] = []
        self._within: list[MapiMessage] = []
        self._elsewhere: list[str] = []
        self.links: tuple[str, ...] = ()
        self.signature: dict[str, str] = {}
        self._bytes = 0

    def gather(self, root: Node) -> None:
        """Take the whole message in."""
        if _is_encrypted(root):
            self.failure = Failure(Reason.ENCRYPTED, "smime" if root.content is not None else "pgp")
        elif root.content is None:
            self._parts(root, "")
        else:
            self._leaf(root, "1", is_root=True)
        limits = self._context.limits
        if len(self.children) > limits.children or self._bytes > limits.children_bytes:
            self.children = []
            self.failure = Failure(Reason.BOMB, "mail_parts")

    def add(self, plain: str, html: str) -> None:
        """Take in a body that is decoded already, in one form or both; empty for none."""
        self._plain.extend(filter(None, [plain]))
        self._html.extend(filter(None, [html]))

    def text(self) -> str:
        """Return the body: plain text, and other forms of it where they have words that the plain text lacks.

        Sets ``links`` too: they are not part of it, because the content hash is made of the body.
        """
        plain = "\n\n".join(filter(None, self._plain))
        for text in (*map(markup.html_to_text, self._html), *self._more):
            if text and not markup.holds_words(plain, text):
                plain = f"{plain.rstrip()}\n\n{text}" if plain.strip() else text
        for message in self._within:
            told = "\n".join(mapi_content.lines_beside(message, plain))
            plain = "\n\n".join(filter(None, (plain.rstrip(), told))) if told else plain
        found = (link for source in self._html for link in markup.file_links(source, plain))
        self.links = tuple(dict.fromkeys((*found, *self._elsewhere)))
        if self.failure is None and "-----BEGIN PGP MESSAGE-----" in plain and _ARMOR.search(plain):
            self.failure = Failure(Reason.ENCRYPTED, "pgp_inline")
        return plain if plain.strip() else ""

    def _parts(self, node: Node, path: str) -> None:
        for number, part in enumerate(node.children, 1):
            where = f"{path}.{number}" if path else str(number)
            if part.content is None:
                self._parts(part, where)
            else:
                self._leaf(part, where)

    def _leaf(self, part: Node, path: str, *, is_root: bool = False) -> None:
        if part.media_type in _SMIME_TYPES and (is_root or not part.name.lower().endswith((".p7s", ".p7c"))):
            inner = content_of_signed(part.content or b"")
            if inner is not None:
                self.signature = signature_facts(part.content or b"", inner)
                self._signed(inner, path)
                return
        if (part.content or b"").startswith(tnef.SIGNATURE) and self._tnef(part, path):
            return
        if part.media_type in _BODY_TYPES and _is_body(part, is_root=is_root):
            self._body(part, path)
        elif is_root and not part.content:
            return
        else:
            self._child(part, path)

    def _signed(self, inner: bytes, path: str) -> None:
        """Read on inside opaque S/MIME signed data: it needs no key."""
        root = tree_of(inner, "auto", self._warnings)
        if _is_encrypted(root):
            self.failure = Failure(Reason.ENCRYPTED, "smime")
        elif root.content is None:
            self._parts(root, path)
        else:
            self._leaf(root, f"{path}.1", is_root=True)

    def _tnef(self, part: Node, path: str) -> bool:
        """Put what a TNEF part holds in its place; False when it cannot be opened, and stays a file."""
        try:
            opened = tnef.parse(part.content or b"")
        except ItemError:
            return False
        found = mapi_content.bodies(opened.message, self._warnings)
        hung, links = mapi_content.children(opened.message.attachments, self._warnings, path)
        self._html.extend(filter(None, [found.html]))
        self._more.extend(filter(None, (found.plain, found.rtf)))
        self._within.append(opened.message)
        self._elsewhere.extend((*found.links, *links))
        self.children.extend(hung)
        self._bytes += sum(len(child.data) for child in hung if child.data is not None)
        if opened.is_odd:
            self._warnings.add(WarningCode.MIME_DEFECT)
        if opened.message.pages.guessed:
            self._warnings.add(WarningCode.CHARSET_GUESSED)
        if not opened.whole and self.failure is None:
            self.failure = Failure(Reason.TRUNCATED, "tnef")
        return True

    def _body(self, part: Node, path: str) -> None:
        data = part.content or b""
        if b"\nbegin " in data or data.startswith(b"begin "):
            data = self._uuencoded(data, path)
        declared = part.charset
        if part.media_type == "text/html":
            declared = declared or markup.declared_charset(data)
        text, guessed = charsets.decode(data, declared)
        if guessed:
            self._warnings.add(WarningCode.CHARSET_GUESSED)
        text = charsets.tidy(text)
        if part.media_type == "text/plain" and _DELSP.search(part.type_field):
            text = text.replace(" \n", "")  # RFC 3676 section 4.5: the space before a soft break goes
        if part.quoted:
            # RFC 2045 section 6.7 (3): spaces at the end of a line were added on the way; one reader cuts.
            text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
        (self._html if part.media_type == "text/html" else self._plain).append(text)

    def _uuencoded(self, data: bytes, path: str) -> bytes:
        """Take uuencoded files out of a text, as mail programs before MIME sent them."""
        number = 0
        for found in _UU.finditer(data):
            try:
                content = b"".join(_uu_line(line) for line in found.group(2).splitlines())
            except binascii.Error:
                continue
            number += 1
            name, _ = charsets.decode(found.group(1), None)
            node = Node("application/octet-stream", name=name.strip(), content=content)
            self._child(node, f"{path}.u{number}")
            data = data.replace(found.group(), b"", 1)
        return data

    def _child(self, part: Node, path: str) -> None:
        kind = Kind.FILE
        if part.media_type in _MAIL_TYPES:
            kind = Kind.EMAIL
        elif part.media_type == "text/calendar":
            kind = Kind.EVENT
        elif part.media_type == "message/external-body":
            self._warnings.add(WarningCode.MISSING_PART)
        data = part.content or b""
        name = part.name.replace("\0", "") or None
        self._bytes += len(data)
        if not data.strip() and emlx.is_partial(self._context.name):
            self._warnings.add(WarningCode.MISSING_PART)
            elsewhere = Failure(Reason.NOT_IN_EXPORT, "partial_emlx")
            self.children.append(Child(path, name, part.media_type, kind, None, elsewhere))
            return
        metadata = {}
        if part.disposition:
            metadata["disposition"] = part.disposition
        if part.content_id:
            metadata["content_id"] = part.content_id
        if part.charset:
            metadata["charset"] = part.charset
        self.children.append(Child(path, name, part.media_type, kind, data, None, metadata))


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Trailing spaces lost or added on the way: the length byte says how much counts.
        count = ((line[0] - 32) & 63) * 4 + 5
        return binascii.a2b_uu(line[: count // 3])


def _is_body(part: Node, *, is_root: bool) -> bool:
    return part.disposition != "attachment" and (is_root or not part.name)


def _is_encrypted(root: Node) -> bool:
    """Tell whether nothing but an encrypted body is there: S/MIME enveloped data or PGP/MIME."""
    if root.media_type == "multipart/encrypted":
        return True
    return (
        root.content is not None
        and root.media_type in _SMIME_TYPES
        and envelope_kind(root.content) == "enveloped"
    )


def fields_of(fields: Mapping[str, list[str]], context: ExtractContext, warnings: set[WarningCode]) -> Fields:
    """Return what the header of a message says, whatever kept it.

    Args:
        fields: The header, taken apart.
        context: Zone for dates without one.
        warnings: Added to.
    """
    moment = mail_moment(headers.first(fields, "date"), context.time_zone)
    if not moment.text:
        warnings.add(WarningCode.NO_DATE)
    elif moment.at is None:
        warnings.add(WarningCode.BAD_DATE)
    else:
        warnings.update(zone_doubts(moment, context.time_zone))
    senders = headers.addresses(fields.get("from"))
    to, cc, bcc = (headers.addresses(fields.get(name)) for name in ("to", "cc", "bcc"))
    message_id = headers.first(fields, "message-id") or ""
    index = _thread_index(fields)
    return Fields(
        subject=headers.one_line(headers.decoded(headers.first(fields, "subject") or "")),
        sender=senders[0] if senders else None,
        to=to,
        cc=cc,
        bcc=bcc,
        participants=_everybody(fields, senders, to, cc, bcc),
        moment=moment,
        message_id=message_id.strip(),
        in_reply_to=(headers.first(fields, "in-reply-to") or "").strip(),
        references=" ".join((headers.first(fields, "references") or "").split()),
        thread_key=index[_GUID].hex() or (headers.first(fields, "x-gm-thrid") or "").strip(),
        thread_index=index.hex(),
    )


def _everybody(fields: Mapping[str, list[str]], *roles: tuple[Address, ...]) -> tuple[Address, ...]:
    """Return all people, where a message names more than one sender and its recipients; else nothing."""
    if len(roles[0]) < 2 and not any(name in fields for name in _MORE_PEOPLE):
        return ()
    known = [person for role in roles for person in role]
    seen = {person.address.lower() or person.name for person in known}
    more = len(roles[0]) > 1
    for name in _MORE_PEOPLE:
        for person in headers.addresses(fields.get(name)):
            key = person.address.lower() or person.name
            if key not in seen:
                seen.add(key)
                known.append(person)
                more = True
    return tuple(known) if more else ()


def _thread_index(fields: Mapping[str, list[str]]) -> bytes:
    """Return Exchange's Thread-Index (MS-OXOMSG 2.2.1.3), or nothing; bytes 6 to 21 are the conversation."""
    index = headers.first(fields, "thread-index")
    if not index:
        return b""
    try:
        raw = base64.b64decode("".join(index.split()))
    except (binascii.Error, ValueError):
        return b""
    return raw[:LONGEST_INDEX] if len(raw) >= _GUID.stop else b""


def facts_of(fields: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the header fields that are kept as facts."""
    kept = _EXTRA & fields.keys()
    return {name: headers.one_line(headers.decoded(", ".join(fields[name]))) for name in sorted(kept)}
