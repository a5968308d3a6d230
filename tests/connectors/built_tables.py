"""Tables of messages of an invented app, and the map that a person confirmed for them."""

from __future__ import annotations

from pathlib import Path

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
