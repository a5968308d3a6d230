"""A folder of screenshots with its sheet."""

from __future__ import annotations

from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

OPTIONS = {"why_no_export": "the phone was returned"}
SHEET = (
    "file,app,contact,number,first_day,last_day,overlaps_previous,note\r\n"
    "IMG_2.png,iMessage,Rosa Delgado,+12065550101,2025-03-04,2025-03-05,,\r\n"
    "IMG_10.png,iMessage,Rosa Delgado,+12065550101,,,no,cut off above\r\n"
    f"{SECRET}.png,Signal,Sam Ito,,2025-03-06,,,\r\n"
    "lost.png,Signal,Sam Ito,,,,yes,\r\n"
).encode()


def folder(root: Path) -> Built:
    """Three pictures of two conversations, one that is only named, one that nobody named, and a note."""
    files = {f"{name}.png": b"\x89PNG " + name.encode() for name in ("IMG_2", "IMG_10", SECRET, "other")}
    files |= {"note.txt": SECRET.encode(), "screenshots.csv": SHEET}
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    scopes = ("iMessage/Rosa Delgado", "Signal/Sam Ito", ".")
    return Built(str(root), files, {"lost.png": Reason.NOT_IN_EXPORT}, {}, scopes, OPTIONS)
