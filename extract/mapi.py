"""What MSG and TNEF have in common: MAPI properties, their types, code pages, times, people and classes.

Names of properties are those of MS-OXPROPS without their prefix; types are told in MS-OXCDATA section 2.11.
A text of 8 bits is in the code page of its message (MS-OXCMSG section 2.2.1.5), which senders state wrongly.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from extract import charsets, headers, markup
from records import canonical
from records.models import NO_MOMENT, Address, Moment
from records.moments import iso_moment
from records.vocabulary import Kind

PROPERTIES = "00020328-0000-0000-C000-000000000046"
STRINGS = "00020329-0000-0000-C000-000000000046"
APPOINTMENT = "00062002-0000-0000-C000-000000000046"
TASK = "00062003-0000-0000-C000-000000000046"
ADDRESS = "00062004-0000-0000-C000-000000000046"
COMMON = "00062008-0000-0000-C000-000000000046"
LOG = "0006200A-0000-0000-C000-000000000046"
NOTE = "0006200E-0000-0000-C000-000000000046"
MEETING = "6ED8DA90-450B-101B-98DA-00AA003F1305"
"""Property sets of named properties (MS-OXPROPS section 1.3.2)."""

INTEGER16, INTEGER32, FLOAT, DOUBLE, BOOLEAN, OBJECT = 0x02, 0x03, 0x04, 0x05, 0x0B, 0x0D
INTEGER64, STRING8, STRING, TIME, GUID, BINARY = 0x14, 0x1E, 0x1F, 0x40, 0x48, 0x102
CURRENCY, FLOATING_TIME, ERROR = 0x06, 0x07, 0x0A
MULTIPLE = 0x1000
FIXED = {
    INTEGER16: 2, INTEGER32: 4, FLOAT: 4, DOUBLE: 8, CURRENCY: 8, FLOATING_TIME: 8, ERROR: 4, BOOLEAN: 2,
    INTEGER64: 8, TIME: 8, GUID: 16,
}  # fmt: skip
"""Bytes of a value of fixed size (MS-OXCDATA section 2.11.1); a Boolean is two in TNEF and in MSG."""

Key = int | tuple[str, int | str]
"""Id of a property below 0x8000; of a named one its set and its number or name."""

Value = tuple[int, bytes | tuple[bytes, ...]]
"""Type of a property and its bytes as they are stored; of one with several values, those of each."""

Bag = Mapping[Key, Value]

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NEVER = 0x0CB34557A3DD4000
"""The year 4501: this and later times mean that there is none (MS-OXOTASK section 2.2.2.2.5)."""
_HIGH_RUN = re.compile(r"[^\x00-\x7f]+")
_TYPOGRAPHY = re.compile("[“”‘’–—…•™€\xa0«»©®°§´]")
_WESTERN = frozenset({
    "cp1252", "cp1250", "cp1254", "cp1257", "cp437", "cp850", "iso8859-1", "iso8859-2", "iso8859-9",
    "iso8859-15", "mac-roman",
})  # fmt: skip
_DETECTED = [
    "big5", "gb18030", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874",
    "cp1250", "cp1254",
]  # fmt: skip
"""What the detector may find: charsets that mail was written in, and none of an old terminal."""
_ENOUGH = 4_000
"""Bytes beyond ASCII that a judgement about a code page is made from."""


@dataclass(frozen=True, slots=True)
class Pages:
    """In which charset the 8-bit texts of a message are.

    Attributes:
        codec: Python's name of it.
        guessed: Whether it is another than the message states.
    """

    codec: str
    guessed: bool = False


@dataclass(frozen=True)
class Properties:
    """The properties of a message, a recipient or an attachment.

    Attributes:
        bag: As they are stored.
        pages: For texts of 8 bits.
    """

    bag: Bag
    pages: Pages = field(default=Pages("cp1252"))

    def has(self, key: Key) -> bool:
        """Tell whether there is such a property."""
        return key in self.bag

    def text(self, *keys: Key) -> str:
        """Return the first of these that is a text and not empty; empty for none."""
        for key in keys:
            kind, raw = self.bag.get(key, (0, b""))
            if kind in (STRING, STRING8) and isinstance(raw, bytes):
                text = self._decoded(kind, raw)
                if text:
                    return text
        return ""

    def line(self, *keys: Key) -> str:
        """Return such a text on one line, without control characters."""
        return " ".join(headers.one_line(self.text(*keys)).split())

    def texts(self, key: Key) -> tuple[str, ...]:
        """Return the values of a text that may have several."""
        kind, raw = self.bag.get(key, (0, b""))
        if isinstance(raw, bytes):
            return (self.text(key),) if self.text(key) else ()
        base = kind & ~MULTIPLE
        return tuple(self._decoded(base, one) for one in raw) if base in (STRING, STRING8) else ()

    def binary(self, key: Key) -> bytes:
        """Return bytes; empty for none."""
        kind, raw = self.bag.get(key, (0, b""))
        return raw if kind in (BINARY, OBJECT) and isinstance(raw, bytes) else b""

    def binaries(self, key: Key) -> tuple[bytes, ...]:
        """Return the values of bytes of which there may be several."""
        kind, raw = self.bag.get(key, (0, b""))
        return raw if kind == BINARY | MULTIPLE and isinstance(raw, tuple) else ()

    def number(self, key: Key) -> int | None:
        """Return a whole number or a Boolean, or None."""
        kind, raw = self.bag.get(key, (0, b""))
        if kind in (INTEGER16, INTEGER32, INTEGER64, BOOLEAN, ERROR) and isinstance(raw, bytes) and raw:
            return int.from_bytes(raw[: FIXED[kind]], "little", signed=kind != ERROR)
        return None

    def real(self, key: Key) -> float | None:
        """Return a number with a fraction, or None."""
        kind, raw = self.bag.get(key, (0, b""))
        if kind == DOUBLE and isinstance(raw, bytes) and len(raw) >= 8:
            value: float = struct.unpack_from("<d", raw)[0]
            return value
        return None

    def moment(self, *keys: Key) -> Moment:
        """Return the first of these that is a time: 100 nanoseconds since 1601, UTC."""
        for key in keys:
            kind, raw = self.bag.get(key, (0, b""))
            if kind != TIME or not isinstance(raw, bytes) or len(raw) < 8:
                continue
            ticks = int.from_bytes(raw[:8], "little")
            if not 0 < ticks < _NEVER:
                continue
            at = _EPOCH + timedelta(microseconds=ticks // 10)
            text = at.isoformat(timespec="seconds").replace("+00:00", "Z")
            read = iso_moment(text)
            return Moment(at if read.at is not None else None, text, read.basis)
        return NO_MOMENT

    def _decoded(self, kind: int, raw: bytes) -> str:
        if kind == STRING:
            text = charsets.without_surrogates(raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass"))
        else:
            text = charsets.decode(raw, self.pages.codec)[0]
        return charsets.tidy(text)


def of_time(at: Moment) -> str:
    """Return a time as it is shown in a text; empty for none."""
    return canonical.utc_text(at.at)[:16].replace("T", " ") + " UTC" if at.at is not None else at.text


@dataclass(frozen=True, slots=True)
class Attachment:
    """What hangs on a message.

    Attributes:
        properties: Of the attachment itself.
        content: Its bytes, or None when the message has none (a reference).
        media_type: What the bytes are, where they are an embedded message or an OLE object; else empty.
        message_class: Of an embedded message, or empty.
    """

    properties: Properties
    content: bytes | None
    media_type: str = ""
    message_class: str = ""


@dataclass(frozen=True, slots=True)
class MapiMessage:
    """A message, event, contact or task, as MSG or TNEF give it.

    Attributes:
        properties: Its own.
        recipients: Those of each row of its recipient table.
        attachments: In their order.
        pages: For texts of 8 bits.
    """

    properties: Properties
    recipients: tuple[Properties, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    pages: Pages = field(default=Pages("cp1252"))

    @property
    def message_class(self) -> str:
        """Its class, in capitals; what says nothing is a mail (MS-OXCMSG section 2.2.1.3)."""
        return class_of(self.properties.line(0x001A))


def class_of(stated: str) -> str:
    """Return a message class in capitals, and an old name as the present one."""
    given = stated.strip("\0 ").upper()
    return _OLD_CLASSES.get(given, given) or "IPM.NOTE"


_OLD_CLASSES = {
    "IPM.MICROSOFT MAIL.NOTE": "IPM.NOTE",
    "IPM.MICROSOFT MAIL.READ RECEIPT": "REPORT.IPM.NOTE.IPNRN",
    "IPM.MICROSOFT MAIL.NON-DELIVERY": "REPORT.IPM.NOTE.NDR",
    "IPM.MICROSOFT SCHEDULE.MTGREQ": "IPM.SCHEDULE.MEETING.REQUEST",
    "IPM.MICROSOFT SCHEDULE.MTGRESPP": "IPM.SCHEDULE.MEETING.RESP.POS",
    "IPM.MICROSOFT SCHEDULE.MTGRESPN": "IPM.SCHEDULE.MEETING.RESP.NEG",
    "IPM.MICROSOFT SCHEDULE.MTGRESPA": "IPM.SCHEDULE.MEETING.RESP.TENT",
    "IPM.MICROSOFT SCHEDULE.MTGCNCL": "IPM.SCHEDULE.MEETING.CANCELED",
}
"""Names that TNEF still uses for a class (MS-OXTNEF section 2.1.3.3.1)."""

_KINDS = (
    ("IPM.APPOINTMENT", Kind.EVENT),
    ("IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}", Kind.EVENT),
    ("IPM.CONTACT", Kind.CONTACT),
    ("IPM.ABCHPERSON", Kind.CONTACT),
    ("IPM.DISTLIST", Kind.CONTACT),
    ("IPM.TASK", Kind.TASK),
    ("IPM.STICKYNOTE", Kind.NOTE),
    ("IPM.ACTIVITY", Kind.NOTE),
    ("IPM.SKYPETEAMS.MESSAGE", Kind.CHAT),
)
"""Begin of a class, and what it is; every other is mail: notes, posts, reports, requests."""


def kind_of(message_class: str) -> Kind:
    """Return what a message of a class is; an exception of a recurring appointment is an event."""
    given = message_class.upper()
    for start, kind in _KINDS:
        if given == start or given.startswith((f"{start}.", f"{start}_")):
            return kind
    return Kind.EMAIL


# --- code pages ----------------------------------------------------------------------------------------


def pages_of(bags: Sequence[Bag], first: Iterable[int] = ()) -> Pages:
    """Find the charset of the 8-bit texts of a message.

    The pages that the message states are tried first, then those that its HTML names, then a detector. The
    first counts in which each text can be read and looks like a text.

    Args:
        bags: The properties of the message, first its own, then those of recipients and attachments.
        first: Code pages that its container states.
    """
    own = Properties(bags[0])
    stated = [*first, *(own.number(key) or 0 for key in (0x3FFD, 0x3FDE)), _locale_page(own.number(0x3FF1))]
    codecs = list(dict.fromkeys(filter(None, map(charsets.of_code_page, stated))))
    sample = _sample(bags)
    if not sample:
        return Pages(codecs[0] if codecs else "cp1252")
    for number, codec in enumerate(_candidates(codecs, own, sample)):
        if all(fits(raw, codec) for raw in sample):
            return Pages(codec, guessed=number >= max(1, len(codecs)))
    return Pages(codecs[0] if codecs else "cp1252", guessed=True)


def _candidates(codecs: list[str], own: Properties, sample: list[bytes]) -> Iterator[str]:
    yield from codecs or ["cp1252"]
    yield "utf-8"
    kind, raw = own.bag.get(0x1013, (0, b""))
    if isinstance(raw, bytes) and kind in (BINARY, STRING8):
        named = charsets.python_name(markup.declared_charset(raw) or "")
        if named:
            yield "big5hkscs" if named == "big5" else named
    import charset_normalizer  # slow to load, rarely needed

    found = charset_normalizer.from_bytes(b"\n".join(sample), cp_isolation=_DETECTED).best()
    if found is not None:
        yield "big5hkscs" if found.encoding == "big5" else found.encoding
    yield "cp1252"


def _sample(bags: Iterable[Bag]) -> list[bytes]:
    """Return the 8-bit texts that are not ASCII, shortened; the small ones are names and subjects."""
    found: list[bytes] = []
    size = 0
    for bag in bags:
        for kind, raw in bag.values():
            if kind & ~MULTIPLE != STRING8:
                continue
            for one in (raw,) if isinstance(raw, bytes) else raw:
                if one.isascii() or size >= 8 * _ENOUGH:
                    continue
                # Cut at the end of a line, where no character is cut.
                end = one.rfind(b"\n", 0, _ENOUGH) + 1 if len(one) > _ENOUGH else 0
                found.append(one[:end] if end else one)
                size += len(found[-1])
    return [one for one in found if not one.isascii()]


def fits(raw: bytes, codec: str) -> bool:
    """Tell whether bytes can be read in a charset, and what comes out looks like a text.

    Every byte means something in a Western code page: that East Asian text was read in one shows in runs of
    letters and signs that no Western language has.
    """
    try:
        text = raw.decode(codec)
    except (UnicodeError, LookupError):
        return False
    if any("\x80" <= character <= "\x9f" or character == "\ufffd" for character in text):
        return False
    if codec not in _WESTERN:
        return True
    runs: list[str] = _HIGH_RUN.findall(_TYPOGRAPHY.sub(" ", text[:_ENOUGH]))
    odd = sum(len(run) for run in runs if len(run) > 3 or (len(run) > 1 and not run.isalpha()))
    return 2 * odd <= sum(map(len, runs))


_LOCALES = {
    0x01: 1256, 0x02: 1251, 0x04: 936, 0x05: 1250, 0x08: 1253, 0x0D: 1255, 0x0E: 1250, 0x11: 932, 0x12: 949,
    0x15: 1250, 0x18: 1250, 0x19: 1251, 0x1A: 1250, 0x1B: 1250, 0x1E: 874, 0x1F: 1254, 0x22: 1251,
    0x23: 1251, 0x24: 1250, 0x25: 1257, 0x26: 1257, 0x27: 1257, 0x2A: 1258,
}  # fmt: skip
"""Code page of a language, by the low bits of its locale (MS-LCID section 2.2); 1252 for every other."""


def _locale_page(locale: int | None) -> int:
    if not locale:
        return 0
    if locale in (0x0404, 0x0C04, 0x1404):  # Chinese in Taiwan, Hong Kong and Macao
        return 950
    return _LOCALES.get(locale & 0x3FF, 1252)


# --- people --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Role:
    """Properties that together say who somebody is: name, address, its type, SMTP address, search key."""

    name: Key
    address: Key
    kind: Key
    smtp: Key
    search_key: Key


SENDER = Role(0x0C1A, 0x0C1F, 0x0C1E, 0x5D01, 0x0C1D)
AUTHOR = Role(0x0042, 0x0065, 0x0064, 0x5D02, 0x003B)
RECIPIENT = Role(0x3001, 0x3003, 0x3002, 0x39FE, 0x300B)
"""Who sent it, for whom (MS-OXOMSG section 2.2.1), and a row of recipients (MS-OXCMSG section 2.2.3)."""


def person(properties: Properties, role: Role, known: Mapping[str, str] | None = None) -> Address | None:
    """Return somebody, with the SMTP address where one is known; None for nobody.

    Within Exchange an address is a name of its directory (``/o=…/cn=…``); it stays where no other is known.

    Args:
        properties: Of the message or of a row of its recipients.
        role: Which properties say it.
        known: SMTP addresses by names of the directory in small letters; see ``directory``.
    """
    name = properties.line(role.name)
    address = properties.line(role.smtp)
    if not address:
        address = properties.line(role.address)
        if "@" not in address:
            kind, _, key = properties.binary(role.search_key).rstrip(b"\0").decode("latin-1").partition(":")
            address = headers.one_line(key.lower()) if kind.upper() == "SMTP" and "@" in key else address
        address = (known or {}).get(address.lower(), address)
    if not address and "@" in name:
        address = name.strip("'\"<> ")
    if name in (address, f"'{address}'"):
        name = ""
    return Address(name, address) if name or address else None


def directory(message: MapiMessage) -> dict[str, str]:
    """Return SMTP addresses by names of Exchange's directory, as the rows of recipients state both."""
    pairs = ((row.line(RECIPIENT.address).lower(), row.line(RECIPIENT.smtp)) for row in message.recipients)
    return {name: address for name, address in pairs if name and address}


@dataclass(frozen=True, slots=True)
class People:
    """Who a message is for."""

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()


def recipients(message: MapiMessage) -> People:
    """Return the recipients by role; by the names that are shown where there is no table of them."""
    by_role: dict[int, dict[Address, None]] = {1: {}, 2: {}, 3: {}}
    for row in message.recipients:
        somebody = person(row, RECIPIENT)
        if somebody is not None:
            kind = (row.number(0x0C15) or 1) & 0x0F  # MS-OXOMSG section 2.2.3.1
            by_role.get(kind, by_role[1])[somebody] = None
    for kind, key in ((1, 0x0E04), (2, 0x0E03), (3, 0x0E02)):
        if not by_role[kind] and not message.recipients:
            names = map(str.strip, message.properties.line(key).split(";"))
            by_role[kind] = {
                Address("", name) if "@" in name else Address(name, ""): None for name in names if name
            }
    return People(*(tuple(by_role[kind]) for kind in (1, 2, 3)))


# --- times ---------------------------------------------------------------------------------------------


def sent(message: MapiMessage) -> Moment:
    """Return when it was sent, else delivered, else (a draft) made."""
    return message.properties.moment(0x0039, 0x0E06, 0x3007, 0x3008)


def is_draft(message: MapiMessage) -> bool:
    """Tell whether it was never sent (MS-OXCMSG section 2.2.1.6, mfUnsent)."""
    return bool((message.properties.number(0x0E07) or 0) & 0x08)
