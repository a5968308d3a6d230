"""Text messages, group messages and calls as SMS Backup & Restore writes them (XML, UTF-8)."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from examples.district.asks import Source
from examples.district.clock import epoch_ms
from examples.district.truth import Piece

SMIL = '<smil><head><layout><root-layout/></layout></head><body><par dur="5000ms"/></body></smil>'
RECEIVED, SENT, DRAFT, OUTBOX, FAILED = 1, 2, 3, 4, 5
FROM, TO = 137, 151


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the backup and what is true of it."""

    xml: bytes
    kind: str
    at: datetime
    words: str
    participants: str
    pieces: tuple[Piece, ...] = ()


def attribute(text: str) -> str:
    """Escape an attribute as the app does: newlines by number, emoji as two halves of a surrogate pair."""
    out: list[str] = []
    for char in text:
        if char in "&<>\"'":
            out.append({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}[char])
        elif char == "\n":
            out.append("&#10;")
        elif ord(char) > 0xFFFF:
            rest = ord(char) - 0x10000
            out.append(f"&#{0xD800 + (rest >> 10)};&#{0xDC00 + (rest & 0x3FF)};")
        else:
            out.append(char)
    return "".join(out)


def sms(number: str, contact: str, at: datetime, kind: int, body: str) -> Element:
    """Make one ``<sms>``; ``kind`` is one of ``RECEIVED SENT DRAFT OUTBOX FAILED``."""
    status = 64 if kind == FAILED else -1
    xml = (
        f'<sms protocol="0" address="{number}" date="{epoch_ms(at)}" type="{kind}" subject="null" '
        f'body="{attribute(body)}" toa="null" sc_toa="null" service_center="null" '
        f'read="1" status="{status}" locked="0" '
        f'date_sent="{epoch_ms(at) if kind == RECEIVED else 0}" sub_id="1" '
        f'readable_date="{at:%b %d, %Y} {at:%I:%M:%S %p}" contact_name="{attribute(contact)}" />'
    )
    return Element(xml.encode(), "message", at, body, f"{contact} {number}")


def mms(
    numbers: Sequence[tuple[str, str]],
    contacts: str,
    at: datetime,
    box: int,
    text: str,
    pieces: Sequence[Piece] = (),
) -> Element:
    """Make one ``<mms>``: a group text, with pictures.

    Args:
        numbers: Pairs of number and role (``FROM`` or ``TO`` as text); the owner's own may be the token.
        contacts: Names, as the phone knows them.
        at: When.
        box: 1 in, 2 sent.
        text: Of the text part; empty leaves the part out.
        pieces: Media parts.
    """
    smil = Piece("smil.xml", "application/smil", SMIL.encode(), collection=("excluded", "layout_part"))
    rows = [_part(-1, "application/smil", "smil.xml", text=SMIL)]
    if text:
        rows.append(_part(0, "text/plain", "text_0.txt", text=text))
    for n, piece in enumerate(pieces, 1):
        rows.append(_part(n, piece.media_type, piece.name or "", data=base64.b64encode(piece.data).decode()))
    address = "~".join(number for number, _ in numbers if number != "insert-address-token")
    addrs = "".join(f'\n      <addr address="{n}" type="{role}" charset="106" />' for n, role in numbers)
    kind = 128 if box == SENT else 132
    xml = (
        f'<mms date="{epoch_ms(at)}" msg_box="{box}" m_type="{kind}" '
        f'ct_t="application/vnd.wap.multipart.related" '
        f'sub="null" m_id="m{epoch_ms(at)}" read="1" address="{address}" date_sent="{epoch_ms(at) // 1000}" '
        f'readable_date="{at:%b %d, %Y} {at:%I:%M:%S %p}" contact_name="{attribute(contacts)}">\n    <parts>'
        + "".join(f"\n      {row}" for row in rows)
        + f"\n    </parts>\n    <addrs>{addrs}\n    </addrs>\n  </mms>"
    )
    return Element(xml.encode(), "message", at, text, f"{contacts} {address}", (smil, *pieces))


def announced(number: str, contact: str, at: datetime) -> Element:
    """Make one ``<mms>`` that was announced and never downloaded: it has no parts (``m_type`` 130)."""
    xml = (
        f'<mms date="{epoch_ms(at)}" msg_box="1" m_type="130" sub="null" m_id="n{epoch_ms(at)}" read="0" '
        f'address="{number}" contact_name="{attribute(contact)}">\n    <parts />\n    <addrs>\n      '
        f'<addr address="{number}" type="137" charset="106" />\n    </addrs>\n  </mms>'
    )
    return Element(xml.encode(), "message", at, "", f"{contact} {number}")


def spoiled(element: Element, piece: Piece) -> Element:
    """Return a message whose picture is not base64 any more: the message stays, the part fails."""
    good = base64.b64encode(piece.data)
    lost = replace(piece, collection=("failed", "corrupt"), ocr_words="", tags=("broken",))
    pieces = tuple(lost if p is piece else p for p in element.pieces)
    return replace(element, xml=element.xml.replace(good, b"%%%" + good[:60]), pieces=pieces)


def call(number: str, contact: str, at: datetime, kind: int, seconds: int) -> Element:
    """Make one ``<call>``; ``kind`` 1 in, 2 out, 3 missed, 5 rejected."""
    xml = (
        f'<call number="{number}" duration="{seconds}" date="{epoch_ms(at)}" type="{kind}" presentation="1" '
        f'subscription_id="1" readable_date="{at:%b %d, %Y} {at:%I:%M:%S %p}" '
        f'contact_name="{attribute(contact)}" />'
    )
    return Element(xml.encode(), "call", at, "", f"{contact} {number}")


def _part(seq: int, media_type: str, name: str, text: str = "null", data: str = "") -> str:
    tail = f' data="{data}"' if data else ""
    return (
        f'<part seq="{seq}" ct="{media_type}" name="{attribute(name)}" chset="106" cd="null" '
        f'fn="null" cid="&lt;{seq}&gt;" '
        f'cl="{attribute(name)}" ctt_s="null" ctt_t="null" text="{attribute(text)}"{tail} />'
    )


class Backup:
    """One backup file, streamed: the count in its root is known before the first element."""

    def __init__(self, root: Path, source: Source, name: str, tag: str, count: int) -> None:
        self.source = source
        self.name = name
        self._tag = tag
        self._count = count
        self._written = 0
        self._equals: Counter[str] = Counter()
        path = root / source.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._file.write(
            b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
            b"<!--File Created By SMS Backup & Restore-->\n"
            + f'<{tag} count="{count}" backup_set="0f3c" backup_date="1788000000000" type="full">\n'.encode()
        )

    def add(self, element: Element) -> tuple[str, str]:
        """Write one element; returns its native key and the SHA-256 of its exact bytes."""
        self._file.write(b"  " + element.xml + b"\n")
        self._written += 1
        digest = hashlib.sha256(element.xml).hexdigest()
        ordinal = self._equals[digest]
        self._equals[digest] += 1
        return f"{digest}:{ordinal}", digest

    def close(self) -> None:
        """Write the end and check the count."""
        self._file.write(f"</{self._tag}>\n".encode())
        self._file.close()
        if self._written != self._count:
            raise AssertionError(f"{self.name}: {self._written} elements, {self._count} announced")
