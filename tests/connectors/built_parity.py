"""One mailbox full of what goes wrong, and how each route to it writes a message.

Most of it is the generated district's own mail; the rest is made here, so many of each kind. Every message
has a header field with its number, which no reader looks at, so that a test can tell it on each route.
"""

from __future__ import annotations

import base64
import quopri
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from examples.district import documents
from examples.district.bulk import Threads
from examples.district.clock import mail_date
from examples.district.people import make_people
from examples.district.texts import make_words

SEED = 4256
FOLDERS = ("Inbox", "Sent Items", "Projects/Bus")
LABELS = (("Bus",), ("Budget", "Überblick"), (), ())
NUMBER = re.compile(rb"^X-Number: (\d+)\r?$", re.MULTILINE)
_BCC = re.compile(rb"^Bcc:.*\n(?:[ \t].*\n)*", re.MULTILINE | re.IGNORECASE)
_FROM = re.compile(rb"^(?=>*From )", re.MULTILINE)
_FIRST = datetime(2025, 9, 1, 15, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Letter:
    """A message of the mailbox.

    Attributes:
        number: Tells it from others; copies of one message share it.
        kind: Why it is here (``district``, or the name of a function below).
        raw: As its writer's program has it, LF.
        folder: Where it lies.
        labels: Categories or labels.
        received: By the service's clock.
    """

    number: int
    kind: str
    raw: bytes
    folder: str
    labels: tuple[str, ...]
    received: datetime


# --- how a route writes a message ------------------------------------------------------------------------


def crlf(raw: bytes) -> bytes:
    """As the protocols send it (RFC 5321 section 2.3.8)."""
    return raw.replace(b"\n", b"\r\n")


def without_bcc(raw: bytes) -> bytes:
    """Without the field that names who was not to be seen."""
    end = raw.index(b"\n\n") + 1 if b"\n\n" in raw else len(raw)
    return _BCC.sub(b"", raw[:end]) + raw[end:]


def quoted(raw: bytes) -> bytes:
    """As an mbox has it: ``>`` before every line that begins like a separator (RFC 4155, mboxrd)."""
    return _FROM.sub(b">", raw)


# --- what is in it ------------------------------------------------------------------------------------------


def _head(n: int, *more: str, subject: str = "", date: str = "") -> str:
    lines = [
        f"From: Ana Ruiz <ana{n % 7}@example.org>",
        f"To: Lee Okafor <lee{n % 5}@example.org>",
        f"Subject: {subject or f'Odd mail {n}'}",
        f"Date: {date or mail_date(_FIRST + timedelta(minutes=n))}",
        f"Message-ID: <odd{n}@example.org>",
        "MIME-Version: 1.0",
        *more,
    ]
    return "".join(f"{line}\n" for line in lines)


def _plain(n: int, body: bytes, kind: str = "text/plain; charset=utf-8", encoding: str = "8bit") -> bytes:
    return _head(n, f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}").encode() + b"\n" + body


def _parts(n: int, *parts: bytes, kind: str = "mixed", border: str = "b0rder") -> bytes:
    edge = f"--{border}{n}\n".encode()
    head = _head(n, f'Content-Type: multipart/{kind}; boundary="{border}{n}"').encode()
    return head + b"\n" + b"".join(edge + part + b"\n" for part in parts) + f"--{border}{n}--\n".encode()


def _text(n: int) -> bytes:
    return f"Content-Type: text/plain; charset=us-ascii\n\nThe body of letter {n}.\n".encode()


def _file(kind: str, name: str, text: str) -> bytes:
    head = f'Content-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n'
    return f"{head}\n{text}".encode()


def lines_that_begin_with_from(n: int) -> bytes:
    return _plain(n, f"Words first.\n\nFrom the office {n}:\n>From here on it is quoted.\nFrom \n".encode())


def html_with_from(n: int) -> bytes:
    text = f"<html><body><p>Grüße {n}\nFrom all of us</p></body></html>\n"
    return _plain(n, text.encode(), "text/html; charset=utf-8")


def attached_text(n: int) -> bytes:
    """Not encoded: its lines end as those of the message."""
    return _parts(n, _text(n), _file("text/csv", "list.csv", f"a,{n}\nb,2\n"))


def attached_text_with_from(n: int) -> bytes:
    return _parts(n, _text(n), _file("text/plain", "log.txt", f"From line {n}\n>From two\n"))


def attached_text_in_quoted_printable(n: int) -> bytes:
    body = quopri.encodestring(f"Zeile {n} mit Grüßen und =\nnoch einer  \n".encode())
    head = b'Content-Type: text/plain; charset=utf-8\nContent-Disposition: attachment; filename="qp.txt"\n'
    return _parts(n, _text(n), head + b"Content-Transfer-Encoding: quoted-printable\n\n" + body)


def attached_files(n: int) -> bytes:
    pdf, blob = (
        base64.encodebytes(b"%PDF-1.4 " + b"%d" % n * 99),
        base64.encodebytes(bytes(range(256)) + b"%d" % n),
    )
    name = "filename*0*=UTF-8''%C3%9Cbersicht%20;\n filename*1*=plan.bin"
    return _parts(
        n, _text(n),
        b'Content-Type: application/pdf; name="plan.pdf"\nContent-Transfer-Encoding: base64\n\n' + pdf,
        f"Content-Type: application/octet-stream\nContent-Disposition: attachment;\n {name}\n".encode()
        + b"Content-Transfer-Encoding: base64\n\n" + blob,
    )  # fmt: skip


def nested(n: int) -> bytes:
    inner = _plain(100_000 + n, f"An older letter, {n}.\nFrom its second line on.\n".encode())
    middle = _parts(200_000 + n, _text(n), b"Content-Type: message/rfc822\n\n" + inner, border="middle")
    return _parts(n, _text(n), b"Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n" + middle)


def picture_in_html(n: int) -> bytes:
    html = f'Content-Type: text/html\n\n<p>See {n} <img src="cid:x{n}@example.org"></p>\n'.encode()
    picture = base64.encodebytes(b"\x89PNG\r\n\x1a\n" + b"%d" % n)
    head = f"Content-Type: image/png\nContent-ID: <x{n}@example.org>\nContent-Disposition: inline\n".encode()
    return _parts(n, html, head + b"Content-Transfer-Encoding: base64\n\n" + picture, kind="related")


def invitation(n: int) -> bytes:
    event = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:REQUEST\n"
        f"BEGIN:VEVENT\nUID:e{n}@example.org\nSUMMARY:Walk {n}\n"
        "DTSTART:20260210T180000Z\nDTEND:20260210T190000Z\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    part = f'Content-Type: text/calendar; method=REQUEST; charset="utf-8"\n\n{event}'.encode()
    return _parts(n, _text(n), part, kind="alternative")


def with_bcc(n: int) -> bytes:
    raw = _plain(n, f"Not everybody sees everybody, {n}.\n".encode())
    return raw.replace(
        b"MIME-Version", b"Bcc: Kai <kai@example.org>,\n\tMo <mo@example.org>\nMIME-Version", 1
    )


def without_message_id(n: int) -> bytes:
    return re.sub(rb"Message-ID:.*\n", b"", _plain(n, f"No id, {n}.\n".encode()))


def broken_dates(n: int) -> bytes:
    dates = (
        "yesterday at noon", "31 Feb 2026 25:61:00 +0000", "Mon, 02 Mar 2026 09:00:00", "2 Mar 26 09:00 PST",
        "Thu, 1 Jan 1970 00:00:00 +0000", "Fri, 01 Jan 2099 00:00:00 -0800",
        "Mon, 02 Mar 2026 09:00:00 -0800 (Pacific (odd)",
    )  # fmt: skip
    return _head(n, date=dates[n % len(dates)]).encode() + f"\nA date that is none, {n}.\n".encode()


def without_date(n: int) -> bytes:
    return re.sub(rb"Date:.*\n", b"", _plain(n, f"No date, {n}.\n".encode()))


def charsets(n: int) -> bytes:
    texts = (
        ("koi8-r", "Уважаемые родители", "koi8-r"), ("iso-2022-jp", "保護者の皆様", "iso-2022-jp"),
        ("windows-1252", "Preise in € für die Größe", "cp1252"), ("gb18030", "各位家长", "gb18030"),
        ("x-unknown", "Plain words in an unknown charset", "ascii"),
        ("utf-8", "Grüße, falsch benannt", "latin-1"), ("us-ascii", "Grüße ohne Erlaubnis", "utf-8"),
        ("big5", "各位家長", "big5"),
    )  # fmt: skip
    name, text, codec = texts[n % len(texts)]
    return _plain(n, f"{text} {n}\n".encode(codec), f"text/plain; charset={name}")


def utf_16(n: int) -> bytes:
    body = base64.encodebytes(f"Breite Zeichen: Grüße {n}\n".encode("utf-16"))
    return _plain(n, body, "text/plain; charset=utf-16", "base64")


def raw_headers(n: int) -> bytes:
    subject = f"Subject: Grüße, roh {n}".encode("latin-1" if n % 2 else "utf-8")
    return _plain(n, b"Words.\n").replace(f"Subject: Odd mail {n}".encode(), subject, 1)


def folded_headers(n: int) -> bytes:
    people = ",\n ".join(f"Person {k} <p{k}@example.org>" for k in range(40))
    subject = "=?utf-8?B?R3LDvMOfZSw=?=\n =?iso-8859-1?Q?_gefaltet_=FC?=\n\tund weiter " + str(n)
    raw = _plain(n, b"Folded.\n").replace(f"Odd mail {n}".encode(), subject.encode(), 1)
    return raw.replace(b"MIME-Version", f"Cc: {people}\nMIME-Version".encode(), 1)


def groups_of_people(n: int) -> bytes:
    raw = _plain(n, f"To a group, {n}.\n".encode())
    to = (
        b"To: undisclosed-recipients:;"
        if n % 2
        else b"To: Board: a@example.org, b@example.org;, (all) c@example.org"
    )
    return re.sub(rb"To:.*", to, raw, count=1)


def flowed(n: int) -> bytes:
    body = f"This line {n} flows \ninto the next.\n From a stuffed line.\n> quoted \n> and flowed\n-- \nAna\n"
    kind = "text/plain; charset=us-ascii; format=flowed"
    return _plain(n, body.encode(), f"{kind}; delsp=yes" if n % 2 else kind)


def long_lines(n: int) -> bytes:
    return _plain(n, (f"wörd{n} " * 1_500).encode() + b"\n")


def dots_and_spaces(n: int) -> bytes:
    return _plain(n, f".\n..\n. {n} .\n\ttab\t\nspaces   \n\n\n   \nend".encode())


def no_mime(n: int) -> bytes:
    return re.sub(rb"MIME-Version:.*\n", b"", _head(n).encode()) + f"\nA message as in 1982, {n}.\n".encode()


def no_body(n: int) -> bytes:
    return _head(n).encode() + (b"" if n % 2 else b"\n")


def no_last_border(n: int) -> bytes:
    return _parts(n, _text(n)).rpartition(b"--b0rder")[0]


def uuencoded(n: int) -> bytes:
    return _plain(n, b"A file below.\n\nbegin 644 plan.txt\n#0V%T\n`\nend\n" + b"After it, %d.\n" % n)


def signed(n: int) -> bytes:
    """Clear-signed: what a mail store must not touch, with a line that begins with ``From ``."""
    part = f"Content-Type: text/plain\n\nFrom me, signed {n}.\n".encode()
    proof = (
        b'Content-Type: application/pgp-signature; name="s.asc"\n\n'
        b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
    )
    return _parts(n, part, proof, kind='signed; protocol="application/pgp-signature"')


ODD: tuple[Callable[[int], bytes], ...] = (
    lines_that_begin_with_from, html_with_from, attached_text, attached_text_with_from,
    attached_text_in_quoted_printable, attached_files, nested, picture_in_html, invitation, with_bcc,
    without_message_id, broken_dates, without_date, charsets, utf_16, raw_headers, folded_headers,
    groups_of_people, flowed, long_lines, dots_and_spaces, no_mime, no_body, no_last_border, uuencoded,
    signed,
)  # fmt: skip


def _district() -> Iterator[bytes]:
    words = make_words(SEED, 800)
    rng = random.Random(SEED)
    threads = Threads(rng, make_people(SEED), words, documents.make_pool(SEED, words), SEED)
    while True:
        yield from (one.raw for one in threads.next())


def letters(size: int, of_each: int, copies: int) -> list[Letter]:
    """Return a mailbox.

    Args:
        size: Messages in it.
        of_each: Messages of each odd kind; the district's mail fills it up.
        copies: Of every 50th message so many more, byte by byte.
    """
    odd = [(kind.__name__, kind) for kind in ODD for _ in range(of_each)]
    twice = [number for number in range(0, size, 50) for _ in range(copies)]
    district = zip(iter(lambda: "district", None), _district(), strict=False)
    made = chain(((name, kind(n)) for n, (name, kind) in enumerate(odd)), district)
    found: list[Letter] = []
    for n, (kind, raw) in enumerate(islice(made, size - len(twice))):
        head, rest = raw.split(b"\nSubject:", 1) if b"\nSubject:" in raw else (raw, b"")
        numbered = head + b"\nX-Number: %d\nSubject:" % n + rest
        received = _FIRST + timedelta(seconds=37 * n)
        found.append(Letter(n, kind, numbered, FOLDERS[n % 3], LABELS[n % 4], received))
    return [*found, *(found[n % len(found)] for n in twice)]
