"""Files of Outlook, built from readable parts: message files (MS-OXMSG) and TNEF streams (MS-OXTNEF)."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import compressed_rtf

from extract.mapi import Key
from records.compound_files import Storage, write

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
SENT = datetime(2026, 3, 2, 17, 15, tzinfo=UTC)
OUTLOOK = bytes.fromhex("0b0d020000000000c000000000000046")


@dataclass(frozen=True)
class Ansi:
    """A text of 8 bits."""

    raw: bytes


@dataclass(frozen=True)
class OleData:
    """An OLE object as TNEF holds it."""

    raw: bytes


@dataclass(frozen=True)
class Built:
    """A message: its properties by key, those of its recipients, and its attachments.

    The data of an attachment (0x3701) are bytes, a ``Built`` (a message) or a ``Storage`` (an OLE object).
    """

    properties: Mapping[Key, Any]
    recipients: Sequence[Mapping[Key, Any]] = ()
    attachments: Sequence[Mapping[Key, Any]] = field(default=())


def ticks(at: datetime) -> int:
    return round((at - EPOCH).total_seconds() * 1_000) * 10_000


def stored(value: Any) -> tuple[int, bytes | list[bytes]]:
    """Return type and bytes of a value."""
    match value:
        case bool():
            return 0x0B, struct.pack("<H", value)
        case int():
            return 0x03, struct.pack("<i", value)
        case float():
            return 0x05, struct.pack("<d", value)
        case datetime():
            return 0x40, struct.pack("<Q", ticks(value))
        case str():
            return 0x1F, value.encode("utf-16-le", "surrogatepass")
        case Ansi():
            return 0x1E, value.raw
        case bytes():
            return 0x102, value
        case list():
            kinds = [stored(one) for one in value]
            return 0x1000 | kinds[0][0], [raw for _, raw in kinds]
    raise TypeError(value)


class _Names:
    def __init__(self) -> None:
        self.keys: list[tuple[str, int | str]] = []

    def number(self, key: Key) -> int:
        if isinstance(key, int):
            return key
        if key not in self.keys:
            self.keys.append(key)
        return 0x8000 + self.keys.index(key)

    def storage(self) -> Storage:
        sets = sorted({name for name, _ in self.keys})
        entries, strings = b"", b""
        for index, (name, value) in enumerate(self.keys):
            packed = (3 + sets.index(name)) << 1 | index << 16
            if isinstance(value, str):
                raw = value.encode("utf-16-le")
                entries += struct.pack("<2I", len(strings), packed | 1)
                strings += struct.pack("<I", len(raw)) + raw + bytes(-len(raw) % 4)
            else:
                entries += struct.pack("<2I", value, packed)
        guids = b"".join(uuid.UUID(name).bytes_le for name in sets)
        return Storage(
            {
                "__substg1.0_00020102": guids,
                "__substg1.0_00030102": entries,
                "__substg1.0_00040102": strings,
            }
        )


def _bag(properties: Mapping[Key, Any], names: _Names, header: bytes) -> dict[str, bytes | Storage]:
    entries: dict[str, bytes | Storage] = {}
    table = header
    for key, value in properties.items():
        number = names.number(key)
        if isinstance(value, (Built, Storage)):
            inner = Storage(_message(value, names, top=False)) if isinstance(value, Built) else value
            entries[f"__substg1.0_{number:04X}000D"] = inner
            table += struct.pack("<HHIII", 0x0D, number, 6, 0xFFFFFFFF, 1 if isinstance(value, Built) else 4)
            continue
        kind, raw = stored(value)
        name = f"__substg1.0_{number:04X}{kind:04X}"
        if isinstance(raw, list):
            entries |= {
                f"{name}-{n:08X}": one + (b"\0\0" if kind == 0x101F else b"") for n, one in enumerate(raw)
            }
            entries[name] = b"".join(struct.pack("<I", len(one)) for one in raw)
            table += struct.pack("<HHIII", kind, number, 6, len(entries[name]), 0)
        elif kind in (0x1F, 0x1E, 0x102):
            entries[name] = raw
            table += struct.pack("<HHIII", kind, number, 6, len(raw) + 2, 0)
        else:
            table += struct.pack("<HHI", kind, number, 6) + raw.ljust(8, b"\0")
    entries["__properties_version1.0"] = table
    return entries


def _message(built: Built, names: _Names, *, top: bool) -> dict[str, bytes | Storage]:
    rows, hung = len(built.recipients), len(built.attachments)
    header = struct.pack("<8x4I", rows, hung, rows, hung) + (bytes(8) if top else b"")
    entries = _bag(built.properties, names, header)
    for n, row in enumerate(built.recipients):
        entries[f"__recip_version1.0_#{n:08X}"] = Storage(_bag(row, names, bytes(8)))
    for n, one in enumerate(built.attachments):
        entries[f"__attach_version1.0_#{n:08X}"] = Storage(_bag({0x0E21: n, **one}, names, bytes(8)))
    return entries


def storage_of(built: Built) -> Storage:
    names = _Names()
    entries = _message(built, names, top=True)
    return Storage({**entries, "__nameid_version1.0": names.storage()}, OUTLOOK)


def msg_file(built: Built) -> bytes:
    """Return a message file."""
    return write(storage_of(built))


# --- TNEF ----------------------------------------------------------------------------------------------


def attribute(level: int, number: int, value: bytes, total: int | None = None) -> bytes:
    total = sum(value) & 0xFFFF if total is None else total
    return struct.pack("<BII", level, number, len(value)) + value + struct.pack("<H", total)


def property_list(properties: Mapping[Key, Any]) -> bytes:
    out = struct.pack("<I", len(properties))
    named = 0x8000
    for key, value in properties.items():
        if isinstance(value, Built):
            kind, raw = 0x0D, uuid.UUID("00020307-0000-0000-c000-000000000046").bytes_le + tnef_file(value)
        elif isinstance(value, OleData):
            kind, raw = 0x0D, uuid.UUID("0000000b-0000-0000-c000-000000000046").bytes_le + value.raw
        else:
            kind, raw = stored(value)
        if isinstance(key, int):
            out += struct.pack("<HH", kind, key)
        else:
            named += 1
            out += struct.pack("<HH", kind, named) + uuid.UUID(key[0]).bytes_le
            if isinstance(key[1], int):
                out += struct.pack("<II", 0, key[1])
            else:
                name = key[1].encode("utf-16-le") + b"\0\0"
                out += struct.pack("<II", 1, len(name)) + name + bytes(-len(name) % 4)
        values = raw if isinstance(raw, list) else [raw]
        sized = kind & 0xFFF in (0x1E, 0x1F, 0x102, 0x0D)
        out += struct.pack("<I", len(values)) if sized or isinstance(raw, list) else b""
        for one in values:
            closing = {0x1E: b"\0", 0x1F: b"\0\0"}.get(kind & 0xFFF, b"")
            one += closing
            out += (struct.pack("<I", len(one)) if sized else b"") + one + bytes(-len(one) % 4)
    return out


def tnef_file(built: Built, *, page: int = 1252, more: bytes = b"") -> bytes:
    """Return a TNEF stream; ``more`` are attributes before the properties of the message."""
    out = struct.pack("<IH", 0x223E9F78, 1) + attribute(1, 0x00089006, struct.pack("<I", 0x10000))
    out += attribute(1, 0x00069007, struct.pack("<II", page, 0)) + more
    out += attribute(1, 0x00069003, property_list(built.properties))
    if built.recipients:
        rows = b"".join(map(property_list, built.recipients))
        out += attribute(1, 0x00069004, struct.pack("<I", len(built.recipients)) + rows)
    for one in built.attachments:
        out += attribute(2, 0x00069002, bytes(14))
        rest = {
            key: value for key, value in one.items() if key != 0x3701 or isinstance(value, (Built, OleData))
        }
        if isinstance(one.get(0x3701), bytes):
            out += attribute(2, 0x0006800F, one[0x3701])
        out += attribute(2, 0x00069005, property_list(rest))
    return out


# --- ready-made ----------------------------------------------------------------------------------------

HEADER = """Received: from mx.example.org by mail.example.org; Mon, 2 Mar 2026 09:15:01 -0800
From: Ana Ruiz <ana.ruiz@example.org>
To: "Tran, Kim" <kim.tran@example.org>
Cc: Board Clerk <clerk@example.org>
Subject: =?utf-8?q?Bus_route_change_=E2=80=94_Cedar?=
Date: Mon, 2 Mar 2026 09:15:00 -0800
Message-ID: <m1@example.org>
In-Reply-To: <m0@example.org>
References: <m9@example.org> <m0@example.org>
"""


def to(name: str, address: str, kind: int = 1) -> dict[Key, Any]:
    return {0x3001: name, 0x3002: "SMTP", 0x3003: address, 0x39FE: address, 0x0C15: kind}


def rtf(text: bytes) -> bytes:
    """Return RTF packed as Outlook stores it."""
    packed: bytes = compressed_rtf.compress(text)
    return packed


MAIL = Built(
    {
        0x001A: "IPM.Note",
        0x0037: "Bus route change — Cedar",
        0x0039: SENT,
        0x0042: "Ana Ruiz",
        0x0064: "SMTP",
        0x0065: "ana.ruiz@example.org",
        0x0C1A: "Ana Ruiz",
        0x0C1E: "SMTP",
        0x0C1F: "ana.ruiz@example.org",
        0x1000: "The route changes on Monday. Zyzzyva\r\n\r\nAna\r\n",
        0x1035: "<m1@example.org>",
        0x1039: "<m9@example.org> <m0@example.org>",
        0x1042: "<m0@example.org>",
        0x0E07: 1,
    },
    [to("Tran, Kim", "kim.tran@example.org"), to("Board Clerk", "clerk@example.org", 2)],
    [
        {
            0x3705: 1,
            0x3707: "plan é.pdf",
            0x3704: "PLAN~1.PDF",
            0x370E: "application/pdf",
            0x3701: b"%PDF-1.4 x",
        },
        {
            0x3705: 5,
            0x3001: "Inner note",
            0x3701: Built({0x001A: "IPM.Note", 0x0037: "inner", 0x1000: "Inside.", 0x0E07: 8}),
        },
    ],
)


@cache
def simple_msg() -> bytes:
    return msg_file(MAIL)


@cache
def simple_tnef() -> bytes:
    return tnef_file(MAIL)


def package(name: str, data: bytes, *, wide: str = "", link: bool = False) -> bytes:
    """Return the stream that the packager of Windows writes for an inserted file."""
    label = name.encode("cp1252") + b"\0"
    path = b"C:\\Users\\ana\\" + label
    body = b"\2\0" + label + path + struct.pack("<HHI", 0, 1 if link else 3, len(path)) + path
    if not link:
        body += struct.pack("<I", len(data)) + data
    if wide:
        for one in (f"C:\\temp\\{wide}", wide, f"C:\\Users\\ana\\{wide}"):
            body += struct.pack("<I", len(one)) + one.encode("utf-16-le")
    return struct.pack("<I", len(body)) + body


def object_with(stream: str, data: bytes) -> bytes:
    """Return an OLE object that carries a file in a stream."""
    return write(Storage({"\1Ole": bytes(20), "\1CompObj": bytes(80), stream: data}))
