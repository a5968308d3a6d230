"""WhatsApp: entries of "Export chat" as iPhones and Android phones set to American English write them.

The app publishes no layout: this is that of real exports (hidden marks of writing direction, a narrow space
before AM and PM). Used for the fictional district.
"""

from __future__ import annotations

from datetime import datetime

LRM, NARROW = "\u200e", "\u202f"
"""A mark of writing direction, which an iPhone puts before what is not typed; the space before AM and PM."""


def iphone_entry(at: datetime, name: str, text: str, *, marked: bool = False) -> bytes:
    """Return an entry of an iPhone's chat; ``marked`` for one that is not what somebody typed."""
    clock = f"{at:%-m/%-d/%y}, {at:%-I:%M:%S}{NARROW}{at:%p}"
    return f"{LRM if marked else ''}[{clock}] {name}: {text}\r\n".encode()


def iphone_attached(name: str) -> str:
    """Return what stands for a file."""
    return f"{LRM}<attached: {name}>"


def android_entry(at: datetime, name: str, text: str) -> bytes:
    """Return an entry of an Android phone's chat; without a name, a line of the app itself."""
    said = f"{name}: {text}" if name else text
    return f"{at:%-m/%-d/%y}, {at:%-I:%M}{NARROW}{at:%p} - {said}\n".encode()
