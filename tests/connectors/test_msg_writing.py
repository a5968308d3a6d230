"""Message files, read again by another library (olefile)."""

from __future__ import annotations

import io
import struct
import uuid

import olefile
import pytest

from connectors.msg_writing import Attachment, Message, Name, Property, msg_bytes, values_of
from records.compound_files import Storage

APPOINTMENT = uuid.UUID("00062002-0000-0000-c000-000000000046").bytes_le
PUBLIC = uuid.UUID("00020329-0000-0000-c000-000000000046").bytes_le
HEADERS = uuid.UUID("00020386-0000-0000-c000-000000000046").bytes_le
NAMES = {
    0x8123: Name(APPOINTMENT, 0x820D),
    0x8007: Name(PUBLIC, "Keywords"),
    0x8200: Name(HEADERS, "x-mailer"),
}


def text(said: str) -> bytes:
    return said.encode("utf-16-le")


def many(*values: bytes) -> bytes:
    at, places = 4 + 4 * len(values), []
    for value in values:
        places.append(at)
        at += len(value)
    return struct.pack(f"<{len(values) + 1}I", len(values), *places) + b"".join(values)


def opened(data: bytes) -> dict[str, bytes]:
    with olefile.OleFileIO(io.BytesIO(data)) as ole:
        return {"/".join(path): ole.openstream(path).read() for path in ole.listdir()}


def listed(stream: bytes, head: int) -> list[tuple[int, int, bytes]]:
    return [(kind, number, value) for kind, number, _, value in struct.iter_unpack("<HHI8s", stream[head:])]


def test_every_property_keeps_its_id_its_type_and_its_value():
    own = [
        Property(0x001A, 0x1F, text("IPM.Note")),
        Property(0x0017, 0x03, b"\2\0\0\0"),
        Property(0x0026, 0x02, b"\1\0"),
        Property(0x0023, 0x0B, b"\1"),
        Property(0x0039, 0x40, b"12345678"),
        Property(0x1000, 0x1E, b"caf\xe9"),
        Property(0x1009, 0x102, b"\0rtf"),
        Property(0x3FFA, 0x48, b"g" * 16),
        Property(0x36D8, 0x1102, many(b"a", b"", b"cc")),
        Property(0x3A58, 0x101F, many(text("Kim"), text("Lou"))),
        Property(0x3A59, 0x101E, many(b"x")),
        Property(0x6000, 0x1003, b"\1\0\0\0\2\0\0\0"),
        Property(0x6001, 0x101F, b""),
        Property(0x3001, 0x1F, b""),
    ]
    found = opened(msg_bytes(Message(own), NAMES.__getitem__))
    stream = found.pop("__properties_version1.0")
    assert stream[:32] == bytes(32)
    assert listed(stream, 32) == [
        (0x1F, 0x001A, struct.pack("<II", 18, 0)),
        (0x03, 0x0017, b"\2\0\0\0\0\0\0\0"),
        (0x02, 0x0026, b"\1\0\0\0\0\0\0\0"),
        (0x0B, 0x0023, b"\1\0\0\0\0\0\0\0"),
        (0x40, 0x0039, b"12345678"),
        (0x1E, 0x1000, struct.pack("<II", 5, 0)),
        (0x102, 0x1009, struct.pack("<II", 4, 0)),
        (0x48, 0x3FFA, struct.pack("<II", 16, 0)),
        (0x1102, 0x36D8, struct.pack("<II", 24, 0)),
        (0x101F, 0x3A58, struct.pack("<II", 8, 0)),
        (0x101E, 0x3A59, struct.pack("<II", 4, 0)),
        (0x1003, 0x6000, struct.pack("<II", 8, 0)),
        (0x101F, 0x6001, struct.pack("<II", 0, 0)),
        (0x1F, 0x3001, struct.pack("<II", 2, 0)),
        (0x03, 0x340D, struct.pack("<II", 0x00040000, 0)),
    ]
    assert {name: data for name, data in found.items() if "nameid" not in name} == {
        "__substg1.0_001A001F": text("IPM.Note"),
        "__substg1.0_1000001E": b"caf\xe9",
        "__substg1.0_10090102": b"\0rtf",
        "__substg1.0_3FFA0048": b"g" * 16,
        "__substg1.0_36D81102": struct.pack("<6I", 1, 0, 0, 0, 2, 0),
        "__substg1.0_36D81102-00000000": b"a",
        "__substg1.0_36D81102-00000001": b"",
        "__substg1.0_36D81102-00000002": b"cc",
        "__substg1.0_3A58101F": struct.pack("<II", 8, 8),
        "__substg1.0_3A58101F-00000000": text("Kim\0"),
        "__substg1.0_3A58101F-00000001": text("Lou\0"),
        "__substg1.0_3A59101E": struct.pack("<I", 2),
        "__substg1.0_3A59101E-00000000": b"x\0",
        "__substg1.0_60001003": b"\1\0\0\0\2\0\0\0",
        "__substg1.0_6001101F": b"",
        "__substg1.0_3001001F": b"",
    }


def test_text_of_a_code_page_is_not_said_to_be_unicode():
    found = opened(msg_bytes(Message([Property(0x0037, 0x1E, b"bus")]), NAMES.__getitem__))
    assert listed(found["__properties_version1.0"], 32) == [(0x1E, 0x0037, struct.pack("<II", 4, 0))]


def test_named_properties_get_ids_in_their_order_and_the_map_says_what_they_are_called():
    own = [
        Property(0x8123, 0x40, b"12345678"),
        Property(0x8007, 0x101F, many(text("Red"))),
        Property(0x8200, 0x1F, text("x")),
    ]
    inner = Message([Property(0x8007, 0x1F, text("Blue"))])
    found = opened(msg_bytes(Message(own, (), [Attachment([], inner)]), NAMES.__getitem__))
    assert [(kind, number) for kind, number, _ in listed(found["__properties_version1.0"], 32)] == [
        (0x40, 0x8000),
        (0x101F, 0x8001),
        (0x1F, 0x8002),
        (0x03, 0x340D),
    ]
    assert found["__attach_version1.0_#00000000/__substg1.0_3701000D/__substg1.0_8001001F"] == text("Blue")
    assert found["__nameid_version1.0/__substg1.0_00020102"] == APPOINTMENT + HEADERS
    assert found["__nameid_version1.0/__substg1.0_00030102"] == struct.pack(
        "<IHHIHHIHH", 0x820D, 3 << 1, 0, 0, 2 << 1 | 1, 1, 20, 4 << 1 | 1, 2
    )
    assert found["__nameid_version1.0/__substg1.0_00040102"] == (
        struct.pack("<I", 16) + text("Keywords") + struct.pack("<I", 16) + text("x-mailer")
    )
    streams = {
        name[-8:-4]: data for name, data in found.items() if "nameid_version1.0/__substg1.0_10" in name
    }
    assert sorted(struct.unpack("<IHH", data)[1:] for data in streams.values()) == [(5, 1), (6, 0), (9, 2)]
    assert streams[f"{0x1000 + (0x820D ^ 6) % 31:04X}"] == struct.pack("<IHH", 0x820D, 6, 0)


def test_the_stream_of_a_name_is_the_one_that_outlook_takes():
    """x-mailer in the third set lies in 0x100F, as an engineer of Microsoft worked out for a reader."""
    own = [Property(0x8200, 0x1F, text("x"))]
    found = opened(msg_bytes(Message(own), NAMES.__getitem__))
    assert found["__nameid_version1.0/__substg1.0_100F0102"] == struct.pack("<IHH", 0xFF504E89, 7, 0)


def test_recipients_attachments_and_messages_within_are_counted_and_nested():
    deepest = Message([Property(0x0037, 0x1F, text("deep"))], [[Property(0x3001, 0x1F, text("Kim"))]])
    attachments = [
        Attachment([Property(0x3701, 0x102, b"%PDF"), Property(0x3705, 0x03, b"\1\0\0\0")]),
        Attachment([Property(0x3705, 0x03, b"\5\0\0\0")], deepest),
        Attachment([Property(0x3705, 0x03, b"\6\0\0\0")], None, Storage({"CONTENTS": b"ole"})),
    ]
    people = [[Property(0x3001, 0x1F, text(name))] for name in ("Ana", "Lee")]
    data = msg_bytes(Message([Property(0x0037, 0x1F, text("bus"))], people, attachments), NAMES.__getitem__)
    assert data == msg_bytes(
        Message([Property(0x0037, 0x1F, text("bus"))], people, attachments), NAMES.__getitem__
    )
    found = opened(data)
    assert found["__properties_version1.0"][:32] == struct.pack("<8x4I8x", 2, 3, 2, 3)
    assert found["__recip_version1.0_#00000001/__substg1.0_3001001F"] == text("Lee")
    assert found["__attach_version1.0_#00000000/__substg1.0_37010102"] == b"%PDF"
    at = "__attach_version1.0_#00000001"
    assert listed(found[f"{at}/__properties_version1.0"], 8)[-1] == (
        0x0D,
        0x3701,
        struct.pack("<II", 0xFFFFFFFF, 1),
    )
    assert found[f"{at}/__substg1.0_3701000D/__properties_version1.0"][:24] == struct.pack(
        "<8x4I", 1, 0, 1, 0
    )
    assert found[f"{at}/__substg1.0_3701000D/__recip_version1.0_#00000000/__substg1.0_3001001F"] == text(
        "Kim"
    )
    at = "__attach_version1.0_#00000002"
    assert listed(found[f"{at}/__properties_version1.0"], 8)[-1] == (
        0x0D,
        0x3701,
        struct.pack("<II", 0xFFFFFFFF, 4),
    )
    assert found[f"{at}/__substg1.0_3701000D/CONTENTS"] == b"ole"


@pytest.mark.parametrize(
    "data", [b"\2\0\0\0\x0c\0\0\0", b"\1\0\0\0\1\0\0\0abc", b"\2\0\0\0\x0e\0\0\0\x0c\0\0\0abcd"]
)
def test_many_values_that_do_not_lie_one_after_the_other_are_refused(data: bytes):
    with pytest.raises(ValueError, match=r"count|offsets"):
        values_of(data)


def test_no_values_are_none():
    assert (values_of(b""), values_of(bytes(4)), values_of(many(b"", b"z"))) == ([], [], [b"", b"z"])
