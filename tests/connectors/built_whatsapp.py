"""Chats as WhatsApp exports them: an iPhone's zip with media, Android's text, and what lies beside them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

LRM, NARROW = "\u200e", "\u202f"
PHOTO = "00000005-PHOTO-2025-03-04-09-06-11.jpg"
IPHONE = [
    f"\ufeff[3/4/25, 9:01:02{NARROW}AM] Trip: {LRM}Messages and calls are end-to-end encrypted.\r\n",
    f"{LRM}[3/4/25, 9:02:00{NARROW}AM] Sam Ito: {LRM}You added Sam Ito.\r\n",
    f"[3/4/25, 9:05:09{NARROW}AM] Rosa Delgado: {SECRET} buses:\n1. Cedar\n2. Alder\r\n",
    f"{LRM}[3/4/25, 9:06:11{NARROW}AM] Sam Ito: {LRM}<attached: {PHOTO}>\r\n",
    f"{LRM}[3/4/25, 9:06:20{NARROW}AM] Sam Ito: {LRM}<attached: 00000006-VIDEO-lost.mp4>\r\n",
    f"[3/4/25, 9:07:00{NARROW}AM] Rosa Delgado: Leaving at 8:15 {LRM}<This message was edited.>\r\n",
    f"[3/4/25, 9:08:30{NARROW}AM] ~{NARROW}Dana W: ok \u2068@Rosa Delgado\u2069\r\n",
    f"{LRM}[3/4/25, 9:09:00{NARROW}AM] Sam Ito: {LRM}This message was deleted.\r\n",
    f"{LRM}[3/14/25, 1:10:00{NARROW}PM] Sam Ito: {LRM}image omitted\r\n",
]
ANDROID = [
    "14/03/2025, 09:12 - Messages and calls are end-to-end encrypted. Tap to learn more.\n",
    f"14/03/2025, 09:12 - Lee Okafor: IMG-20250314-WA0003.jpg (file attached)\n{SECRET} handrail\n",
    "14/03/2025, 09:12 - Ana Ruiz: note: meet at 10:30 - room 4\n",
    "14/03/2025, 09:13 - Lee Okafor: <Media omitted>\n",
    "14/03/2025, 09:13 - Lee Okafor: again\n",
    "14/03/2025, 09:13 - Lee Okafor: again\n",
    "14/03/2025, 09:14 - Lee Okafor left\n",
]


def encoded(entries: list[str]) -> list[bytes]:
    """Return entries as the file has them."""
    return [entry.encode() for entry in entries]


def chats(root: Path) -> Built:
    """Two chats, one of them in a zip."""
    files = {"IMG-20250314-WA0003.jpg": b"\xff\xd8\xff\xe0 " + SECRET.encode(), "letter.pdf": b"%PDF-1.4 x"}
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    android, iphone = encoded(ANDROID), encoded(IPHONE)
    (root / "WhatsApp Chat with Lee Okafor.txt").write_bytes(b"".join(android))
    zipped = "WhatsApp Chat - Field Trip.zip"
    with zipfile.ZipFile(root / zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", b"".join(iphone))
        archive.writestr(PHOTO, b"\xff\xd8\xff\xe0 photo")
    found = keyed(android) | keyed(iphone) | files | {f"{zipped}!{PHOTO}": b"\xff\xd8\xff\xe0 photo"}
    keys = list(keyed(iphone))
    failed = {
        f"{keys[4]}#media": Reason.NOT_IN_EXPORT,
        f"{keys[8]}#media": Reason.OMITTED_BY_USER,
        f"{list(keyed(android))[3]}#media": Reason.OMITTED_BY_USER,
    }
    scopes = (f"{zipped}!_chat.txt", "WhatsApp Chat with Lee Okafor.txt", ".")
    return Built(str(root), found, failed, {}, scopes)
