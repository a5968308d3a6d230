"""Writing mail byte by byte (RFC 5322, 2045 to 2047, 2231), without the library that will read it."""

from __future__ import annotations

import base64
import binascii
import quopri
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote as percent

from examples.district.people import Person

BASE64_LINE = 57


@dataclass(frozen=True, slots=True)
class Attachment:
    """One part that is carried.

    Attributes:
        name: As stated, any characters; None leaves the name out.
        media_type: Content-Type.
        data: Decoded bytes.
        content_id: Makes it an inline part of the HTML body; None for an attachment.
        split_name: Write the name in RFC 2231 continuations.
    """

    name: str | None
    media_type: str
    data: bytes
    content_id: str | None = None
    split_name: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """Everything that makes one message.

    Attributes:
        date: Body of the Date field as written; None leaves the field out.
        html: An alternative to ``text``; with ``html_only`` it stands alone.
        charset: Of the text parts; ``encoding`` is ``7bit``, ``8bit``, ``quoted-printable`` or ``base64``.
        extra: More header lines, ready made, in order.
    """

    message_id: str
    date: str | None
    sender: str
    to: str
    subject: str
    text: str
    cc: str = ""
    bcc: str = ""
    in_reply_to: str = ""
    references: str = ""
    html: str = ""
    html_only: bool = False
    charset: str = "us-ascii"
    encoding: str = "7bit"
    attachments: Sequence[Attachment] = ()
    extra: Sequence[str] = field(default=())


@lru_cache(maxsize=4096)
def mailbox(person: Person) -> str:
    """Return ``Name <address>``, the name as encoded words where it is not ASCII."""
    return f"{word(person.name)} <{person.email}>"


def word(text: str, charset: str = "utf-8", *, q: bool = False) -> str:
    """Return header text; non-ASCII text as RFC 2047 encoded words of at most 75 characters."""
    if text.isascii():
        return text
    out: list[str] = []
    chunk = ""
    for char in text:
        if len((chunk + char).encode(charset)) > (14 if q else 40):
            out.append(chunk)
            chunk = ""
        chunk += char
    out.append(chunk)
    return " ".join(_encoded_word(c, charset, q=q) for c in out)


def _encoded_word(chunk: str, charset: str, *, q: bool) -> str:
    raw = chunk.encode(charset)
    if q:
        body = "".join(
            chr(b) if chr(b).isalnum() and b < 128 else "_" if b == 32 else f"={b:02X}" for b in raw
        )
        return f"=?{charset}?Q?{body}?="
    return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="


def render(letter: Letter) -> bytes:
    """Return the message with LF line ends and a final newline."""
    head = [
        f"Message-ID: {letter.message_id}",
        *([f"Date: {letter.date}"] if letter.date is not None else []),
        f"From: {letter.sender}",
        f"To: {letter.to}",
    ]
    if letter.cc:
        head.append(f"Cc: {letter.cc}")
    if letter.bcc:
        head.append(f"Bcc: {letter.bcc}")
    head.append(f"Subject: {letter.subject if letter.subject.isascii() else word(letter.subject)}")
    if letter.in_reply_to:
        head += [
            f"In-Reply-To: {letter.in_reply_to}",
            f"References: {letter.references or letter.in_reply_to}",
        ]
    head += [*letter.extra, "MIME-Version: 1.0"]
    body = _text_parts(letter)
    if letter.attachments:
        body = _multipart("mixed", letter, [body, *map(_attachment, letter.attachments)])
    return "\n".join(head).encode("utf-8") + b"\n" + body


def _text_parts(letter: Letter) -> bytes:
    plain = _leaf("text/plain", letter.text, letter)
    if not letter.html:
        return plain
    html = _leaf("text/html", letter.html, letter)
    return html if letter.html_only else _multipart("alternative", letter, [plain, html])


def _leaf(media_type: str, text: str, letter: Letter) -> bytes:
    raw = text.encode("ascii" if letter.charset == "us-ascii" else letter.charset)
    if letter.encoding == "base64":
        raw = wrapped_base64(raw)
    elif letter.encoding == "quoted-printable":
        raw = quopri.encodestring(raw)
    kind = f"Content-Type: {media_type}; charset={letter.charset}\n"
    head = f"{kind}Content-Transfer-Encoding: {letter.encoding}\n\n"
    return head.encode() + (raw if raw.endswith(b"\n") else raw + b"\n")


def _multipart(kind: str, letter: Letter, parts: Sequence[bytes]) -> bytes:
    border = f"=_{kind[0]}{binascii.crc32(letter.message_id.encode()):08x}"
    edge = f"\n--{border}\n".encode()
    head = f'Content-Type: multipart/{kind}; boundary="{border}"\n\nThis is a message in several parts.\n'
    return (
        head.encode()
        + edge
        + edge.join(p.rstrip(b"\n") + b"\n" for p in parts)
        + f"\n--{border}--\n".encode()
    )


def _attachment(part: Attachment) -> bytes:
    disposition = "inline" if part.content_id else "attachment"
    head = [f"Content-Type: {part.media_type}", f"Content-Disposition: {disposition}"]
    if part.name is not None:
        head[1] += _name_parameter(part.name, split=part.split_name)
    if part.content_id:
        head.append(f"Content-ID: <{part.content_id}>")
    if part.media_type == "message/rfc822":  # RFC 2046 5.2.1: never base64
        head.append("Content-Transfer-Encoding: 8bit")
        data = part.data
    else:
        head.append("Content-Transfer-Encoding: base64")
        data = wrapped_base64(part.data)
    return "\n".join(head).encode() + b"\n\n" + data


def _name_parameter(name: str, *, split: bool) -> str:
    if split:
        half = len(name) // 2
        return f";\n filename*0*=UTF-8''{percent(name[:half])};\n filename*1*={percent(name[half:])}"
    if name.isascii():
        return f'; filename="{name}"'
    return f";\n filename*=UTF-8''{percent(name)}"


def wrapped_base64(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters."""
    return b"".join(binascii.b2a_base64(data[i : i + BASE64_LINE]) for i in range(0, len(data), BASE64_LINE))
