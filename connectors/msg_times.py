"""When an Outlook message file was sent and received, for the window, before anything is stored.

The extract room reads such files properly. Here only three properties of the top message are looked at
(MS-OXMSG section 2.4): its class, the time of submission and that of delivery.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress

from connectors.bytesource import Handle, open_handle
from connectors.item_classes import of_item_class
from connectors.mailhead import file_item, sent_or_received
from connectors.msg_writing import MSG_TYPE
from records.compound_files import SIGNATURE
from records.compound_reading import read
from records.errors import ItemError
from records.models import EMPTY, ExcludedItem, FoundItem, Moment, Window
from records.moments import filetime_moment
from records.vocabulary import Kind, Reason, WarningCode

MOST_BYTES = 64 << 20
"""A larger file is not looked into here: it is kept, without a time."""

_TOP_HEADER, _ENTRY = 32, struct.Struct("<IIQ")
_SUBMITTED, _DELIVERED = 0x00390040, 0x0E060040
_CLASSES = {"__substg1.0_001A001F": "utf-16-le", "__substg1.0_001A001E": "latin-1"}


def sent_and_received(data: bytes) -> tuple[Moment, Moment] | None:
    """Return both times of a mail; None for what is no message file, cannot be read, or is no mail.

    Contacts, appointments and the like are placed by other times, if at all.
    """
    if not data.startswith(SIGNATURE):
        return None
    try:
        entries = read(data).root.entries
    except ItemError:
        return None
    listed = entries.get("__properties_version1.0")
    if not isinstance(listed, bytes):
        return None
    stated = ""
    for name, charset in _CLASSES.items():
        if isinstance(found := entries.get(name), bytes):
            stated = found.decode(charset, "replace").rstrip("\0")
            break
    if of_item_class(stated)[0] is not Kind.EMAIL:
        return None
    end = len(listed) - (len(listed) - _TOP_HEADER) % _ENTRY.size
    times = {tag: value for tag, _, value in _ENTRY.iter_unpack(listed[_TOP_HEADER:end])}
    return filetime_moment(times.get(_SUBMITTED)), filetime_moment(times.get(_DELIVERED))


def file_or_message(
    key: str,
    cursor: str,
    size: int | None,
    window: Window,
    handle: Handle,
    *,
    name: str | None,
    metadata: Mapping[str, str] = EMPTY,
    warnings: tuple[WarningCode, ...] = (),
) -> FoundItem | ExcludedItem:
    """Return a file as an item; a message file of Outlook as the mail it is, by its own times.

    Args:
        key: Native key.
        cursor: What follows it.
        size: Native size in bytes.
        window: The request's days.
        handle: For ``open``.
        name: File name.
        metadata: The source's own facts.
        warnings: What the source gives reason to say.
    """
    found = message_or_none(
        key, cursor, size, window, handle, name=name, metadata=metadata, warnings=warnings
    )
    if found is not None:
        return found
    return file_item(key, cursor, size, window, handle, name=name, metadata=metadata, warnings=warnings)


def message_or_none(
    key: str,
    cursor: str,
    size: int | None,
    window: Window,
    handle: Handle,
    *,
    name: str | None,
    metadata: Mapping[str, str] = EMPTY,
    warnings: tuple[WarningCode, ...] = (),
) -> FoundItem | ExcludedItem | None:
    """Return a message file of Outlook as the mail it is; None for any other file. As ``file_or_message``."""
    times = _times_of(name, size, handle)
    if times is None:
        return None
    outside, moment, codes = sent_or_received(*times, window)
    if outside:
        return ExcludedItem(key, Kind.EMAIL, cursor, Reason.OUTSIDE_WINDOW, "", name, moment)
    codes = warnings + codes
    return FoundItem(key, Kind.EMAIL, cursor, name, MSG_TYPE, size, moment, metadata, codes, handle)


def _times_of(name: str | None, size: int | None, handle: Handle) -> tuple[Moment, Moment] | None:
    """Return when a file was sent and received that is named as a message file; else None, as above."""
    if size is None or size > MOST_BYTES or not (name or "").lower().endswith((".msg", ".oft")):
        return None
    with suppress(ItemError), open_handle(handle) as stream:  # opening it later says why
        return sent_and_received(stream.read())
    return None
