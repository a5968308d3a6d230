"""Tables of messages of an invented app, and the map that a person confirmed for them."""

from __future__ import annotations

from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

HEADER = ["Date (PT)", "From", "To", "Original", "Translated", "Id"]
MAP = """
app = "talkingpoints"
map_version = 1
header = ["Date (PT)", "From", "To", "Original", "Translated", "Id"]
time_zone = "America/Los_Angeles"
time_formats = ["%m/%d/%Y %I:%M %p"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2025-03-01

[columns]
sent_at = "Date (PT)"
sender = "From"
recipients = "To"
body = "Original"
body_translated = "Translated"
message_id = "Id"
"""
FIRST = b"\xef\xbb\xbf" + ",".join(HEADER).encode() + b"\r\n"
ROWS = [
    f'03/04/2025 9:05 AM,Ms. Lee,Rosa Delgado,"{SECRET}, room 4\r\nat nine",Hola,m1\r\n'.encode(),
    b"03/04/2025 9:06 AM,Rosa Delgado,Ms. Lee,S\xc3\xad,Yes,m2\r\n",
    b"03/04/2025 9:06 AM,Rosa Delgado,Ms. Lee,S\xc3\xad,Yes,m2\r\n",
    b'03/05/2025 9:06 AM,Ms. Lee,"Rosa Delgado; Sam Ito","say ""hi""",,\r\n',
]


def tables(root: Path) -> Built:
    """Two tables of the map, one without a row."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "march.csv").write_bytes(FIRST + b"".join(ROWS))
    (root / "april.csv").write_bytes(FIRST)
    found = {"m1": ROWS[0], "m2": ROWS[1], "m2:1": ROWS[2]} | keyed(ROWS[3:])
    return Built(str(root), found, {}, {}, ("april.csv", "march.csv"), {"map": MAP})


WITH_FILES = MAP.replace('"Id"]', '"Id", "Files"]') + 'attachments = "Files"\n'
"""The map of a table with a column of attachments."""


def with_files(root: Path) -> Built:
    """A table whose rows name files: one beside it, one that is not there, one behind an address."""
    root.mkdir(parents=True, exist_ok=True)
    rows = [
        row.removesuffix(b"\r\n") + cell + b"\r\n"
        for row, cell in zip(
            ROWS, (b",plan.pdf;lost.jpg", b",", b",https://files.example/1", b",sub/map.png"), strict=True
        )
    ]
    head = FIRST.replace(b"Id\r\n", b"Id,Files\r\n")
    files = {"plan.pdf": b"%PDF-1.4 x", "sub/map.png": b"\x89PNG", "note.docx": b"PK\x03\x04 x"}
    (root / "march.csv").write_bytes(head + b"".join(rows))
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    found = {"m1": rows[0], "m2": rows[1], "m2:1": rows[2]} | keyed(rows[3:]) | files
    failed = {"m1#1": Reason.NOT_IN_EXPORT, "m2:1#0": Reason.NOT_IN_EXPORT}
    return Built(str(root), found, failed, {}, ("march.csv", "."), {"map": WITH_FILES})
