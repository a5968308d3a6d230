"""What one object of a Facebook or Instagram download says that a connector needs.

Records have no ids, and people have names only. A message is called by its thread and its time, a post by its
time; equal ones by their order. Texts are repaired for what is said of a record, never in its bytes
(https://www.facebook.com/help/212802592074644, https://help.instagram.com/181231772500920).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from connectors.bytesource import StreamSource
from connectors.export_files import OpenZips
from connectors.json_lists import listed_objects
from connectors.json_objects import Cut, objects_of
from connectors.json_values import inner, objects, one_line
from connectors.social_exports import (
    MOST_MEMBERS,
    Downloads,
    Media,
    Record,
    RecordFile,
    RecordList,
    Told,
)
from records.errors import ItemError
from records.models import NO_MOMENT, Moment
from records.moments import epoch_moment
from records.repair import Repair
from records.vocabulary import Kind, Reason, WarningCode

_THREAD_BYTES = 256 << 20
_TIMES = ("timestamp_ms", "timestamp", "creation_timestamp", "create_timestamp", "start_timestamp")
_MEDIA = ("photos", "videos", "audio_files", "files", "gifs", "media")
_VANISHING = re.compile(
    r".{1,200} (?:turned (?:on|off) (?:vanish mode|disappearing messages)"
    r"|set messages to disappear|changed the (?:disappearing message|disappearing messages) timer)\b.*",
    re.IGNORECASE | re.DOTALL,
)
"""How Messenger and Instagram say, in English, that a thread's messages delete themselves."""

_FAILED = "Failed to download"


def records_of(part: RecordFile, of: RecordList, opened: OpenZips) -> Iterator[Record]:
    """Yield the objects of a list.

    Raises:
        ItemError: The list is not whole: what came out before it broke off was yielded.
    """
    about = _thread(part, of, opened) if of.layout.kind is Kind.CHAT else {}
    prefix = of.key.rpartition("/")[2] if about else ""
    stream = part.file.stream(opened.of(part.file))
    if not part.layout.member:
        for cut in listed_objects(stream):
            yield Record(cut.data, about, prefix)
        return
    with closing(StreamSource(stream)) as source:
        stream.read(part.layout.skip)
        whole = False
        for found in objects_of(source, part.layout.member):
            if not isinstance(found, Cut):
                whole = found
            elif found.whole:
                yield Record(found.data, about, prefix)
        if source.cut is not None:
            raise ItemError(source.cut.reason, source.cut.detail)
        if not whole:
            raise ItemError(Reason.TRUNCATED, "list_cut")


def _thread(part: RecordFile, of: RecordList, opened: OpenZips) -> dict[str, str]:
    """Return what every message of a thread is told of; a damaged file leaves its folder's name."""
    value: Any = {}
    try:
        if part.file.size() <= _THREAD_BYTES:
            with part.file.stream(opened.of(part.file)) as stream:
                value = json.loads(stream.read())
    except (ItemError, ValueError, RecursionError):
        value = {}
    whole: Mapping[str, Any] = value if isinstance(value, dict) else {}
    head = Repair().value({name: one for name, one in whole.items() if name != "messages"})
    listed = head.get("participants")
    names = [
        one_line(one.get("name") if isinstance(one, dict) else one)
        for one in (listed if isinstance(listed, list) else ())
    ]
    people = [name for name in names if name]
    title = one_line(head.get("title")) or one_line(head.get("threadName"))
    about = {
        "group": one_line(head.get("thread_path")) or of.key,
        "group_name": title or ", ".join(people[:MOST_MEMBERS]) or of.key.rpartition("/")[2],
        "group_kind": "group message" if len(people) > 2 else "direct message",
    }
    if len(people) > MOST_MEMBERS:
        about["members_count"] = str(len(people))
    elif people:
        about["members"] = "; ".join(people)
    if head.get("is_still_participant") is False:
        about["left"] = "true"
    return about


def tell(value: Mapping[str, Any], of: RecordList, part: RecordFile, downloads: Downloads) -> Told:
    """Return what is known of an object."""
    moment = moment_of(value)
    unsent = value.get("is_unsent") is True or value.get("isUnsent") is True
    made = value.get("timestamp")
    edited = any(one.get("update_timestamp", made) != made for one in objects(value, "data"))
    return Told(
        moment.text,
        moment,
        {},
        tuple(_media(value, part, downloads)),
        (
            *((WarningCode.EDITED,) if edited else ()),
            *((WarningCode.DELETED,) if unsent or of.layout.deleted else ()),
            *((WarningCode.DISAPPEARING,) if of.layout.kind is Kind.CHAT and _vanishes(value) else ()),
        ),
    )


def _vanishes(value: Mapping[str, Any]) -> bool:
    """Say whether a message is the program's own line that messages of its thread delete themselves."""
    said = (value.get(name) for name in ("content", "text"))
    return any(isinstance(one, str) and _VANISHING.fullmatch(one) is not None for one in said)


def moment_of(value: Mapping[str, Any]) -> Moment:
    """Return when a record was made: seconds or milliseconds since 1970, UTC."""
    places: list[Mapping[str, Any]] = [value, *(inner(one, "comment") for one in objects(value, "data"))]
    # The names of these are in the language of the account.
    places += [one for one in inner(value, "string_map_data").values() if isinstance(one, dict)]
    places += objects(value, "media")
    for place in places:
        for name in _TIMES:
            stated = place.get(name)
            if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < 10**18:
                return epoch_moment(stated, str(stated))
    return NO_MOMENT


def _media(value: Mapping[str, Any], part: RecordFile, downloads: Downloads) -> Iterator[Media]:
    """Yield the files that a record names: its own, those of its attachments, a sticker, a lone picture."""
    listed: list[Mapping[str, Any]] = []
    for name in _MEDIA:
        listed += objects(value, name)
    listed += [one for one in (inner(value, "sticker"), inner(value, "audio")) if one]
    if isinstance(value.get("uri"), str):
        listed.append(value)
    for attachment in objects(value, "attachments"):
        for entry in objects(attachment, "data"):
            listed += [entry["media"]] if isinstance(entry.get("media"), dict) else []
            listed += objects(inner(entry, "note"), "media")
    listed += objects(value, "media_list_data")
    for one in listed:
        uri = one_line(Repair().value(one.get("uri")))
        if not uri:
            continue
        name = uri.partition("?")[0].rpartition("/")[2] or "media"
        if uri.startswith(_FAILED):
            yield Media("media", None, "not_downloaded")
        elif "://" in uri:
            if _hosted(uri):
                yield Media(name, None, "meta_link", link=True)
        else:
            yield Media(name, downloads.named(part.file, uri))


def _hosted(address: str) -> bool:
    """Say whether an address is one of Meta's own files, which end after a time; others are links."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host.endswith((".fbcdn.net", ".cdninstagram.com", ".fbsbx.com"))
