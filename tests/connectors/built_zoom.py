"""Meetings of Zoom in the three layouts of its chats, with what lies beside them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.connectors.builders import SECRET, Built, keyed

SAVED = [
    f"10:20:34\t From Ana Ruiz to Everyone : {SECRET} hello\n".encode(),
    b"10:20:40\t From Lee Okafor to Ana Ruiz(Privately) : between us\nand a second line\n",
    b"10:20:34\t From Ana Ruiz to Everyone : again\n",
]
DATED = [
    f"2025-03-04 10:20:34 From Ana Ruiz to Everyone:\n\t{SECRET} new layout\n\n\tafter a gap\n".encode(),
    b"2025-03-04 23:59:59 From Lee Okafor to Ana Ruiz(Direct Message):\n\tsecond form\n",
    b"2025-03-04 23:59:59 From Lee Okafor to Ana Ruiz(Direct Message):\n\tsecond form\n",
]
CLOUD = [f"00:21:14\tAna Ruiz:\t{SECRET}\r\n".encode(), b"01:02:03\tLee Okafor:\tfrom the cloud\r\n"]
TRANSCRIPT = (
    "WEBVTT\n\n1\n00:00:05.000 --> 00:00:08.500\nAna Ruiz: Good evening. The bus\n\n"
    f"2\n00:00:08.500 --> 00:00:11.000\nAna Ruiz: route changes, {SECRET}.\n"
).encode()
PARTICIPANTS = (
    "Meeting ID,Topic,Start Time,End Time\n123,Board,03/04/2025 10:00:00 AM,03/04/2025 11:00:00 AM\n\n"
    f"Name (Original Name),User Email,Join Time\nAna Ruiz,ana@example.org,{SECRET}\n"
).encode()

LOCAL = "2025-03-04 10.00.00 Board 123"
CLOUD_NAME = "GMT20250304-182034_Recording"


def meetings(root: Path) -> Built:
    """A folder of recordings, some of them in a zip."""
    chats = {
        f"{LOCAL}/meeting_saved_chat.txt": b"".join(SAVED),
        "2025-03-04 22.00.00 Late/meeting_saved_new_chat.txt": b"\xef\xbb\xbf" + b"".join(DATED),
    }
    files = {
        f"{LOCAL}/audio.m4a": b"\x00\x00\x00 ftypM4A",
        f"{LOCAL}/notes.txt": f"{SECRET}: nobody's chat".encode(),
        f"{CLOUD_NAME}.transcript.vtt": TRANSCRIPT,
        "participants_123.csv": PARTICIPANTS,
    }
    for name, data in (chats | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with zipfile.ZipFile(root / "cloud.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{CLOUD_NAME}newChat.txt", b"".join(CLOUD))
    found = keyed(SAVED) | keyed(DATED) | keyed(CLOUD) | files
    scopes = (
        "2025-03-04 10.00.00 Board 123/meeting_saved_chat.txt",
        "2025-03-04 22.00.00 Late/meeting_saved_new_chat.txt",
        f"cloud.zip!{CLOUD_NAME}newChat.txt",
        ".",
    )
    return Built(str(root), found, {}, {}, scopes)
