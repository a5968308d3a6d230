"""Places where files are kept that a mail names instead of carrying them."""

from __future__ import annotations

import re
from urllib.parse import unquote

LINK_HOSTS = (
    "docs.google.com", "drive.google.com", "sharepoint.com", "onedrive.live.com", "1drv.ms", "dropbox.com",
    "app.box.com",
)  # fmt: skip
"""Addresses under which mail programs put a file instead of attaching it."""

_HOST = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, LINK_HOSTS))})(?![a-z0-9@-])", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0<>]")
_MOST_CHARACTERS = 4_000


def names_a_place(text: str) -> bool:
    """Say whether one of the hosts may be in a text, encoded or not: a quick look before a slow one."""
    small = text.lower()
    return any(host in small for host in LINK_HOSTS)


def file_link(target: str) -> str:
    """Return the target of a link as it is written into a text, or empty when it names no such place.

    An address inside of another one, as mail filters wrap it (Safe Links, URL Defense), is percent-encoded
    there, so that its words could not be found: it is decoded.
    """
    target = "".join(target.split())[:_MOST_CHARACTERS]
    if not target.lower().startswith(("http://", "https://")):
        return ""
    if not _HOST.search(target):
        target = unquote(target)
    if not _HOST.search(target):
        return ""
    return _UNFIT.sub(lambda found: f"%{ord(found.group()):02X}", target)
