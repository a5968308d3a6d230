"""How many values a list of records should give, by routes that share no code with its reader.

The number of records is what the manifest of X states, else that of a file parsed whole. What records name
and the source does not have is counted from every ``uri`` in them, or from the files that begin with a post's
id: a place of media that the reader does not know shows up as a difference.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from connectors import social_pages
from connectors.social_exports import Downloads, RecordFile, RecordList
from connectors.social_layouts import TALK, X
from records.errors import ItemError
from records.models import Expected

_COUNT_BYTES = 256 << 20
"""A list in a larger file is not counted by parsing it whole; its count is unknown."""

_APART = frozenset({"thumbnail", "cover_photo", "media_metadata", "share"})
"""Members in which an address or a path is of a picture that stands for another."""


def expected_of(one: RecordList, downloads: Downloads) -> Expected:
    """Return the expected number of values of a list."""
    if one.layout.page:
        return social_pages.expected_of(one, downloads)
    files = Counter(name.partition("-")[0] for name in downloads.media_names())
    ids: set[str] = set()
    total, by = 0, "json parse"
    for part in one.parts:
        values = _whole(part)
        if values is None:
            return Expected(None, "unknown")
        if one.layout.platform != X:
            total += len(values) + sum(_not_there(value, part, downloads) for value in values)
            continue
        bodies = list(_talk(values) if one.layout.record in TALK else (("", value) for value in values))
        count = len(bodies)
        if part.stated is not None:
            # Of conversations it states how many there are; one that is missing had a message at least.
            count, by = count + part.stated - len(values), "manifest"
        total += count
        for prefix, value in bodies:
            body = next(iter(value.values())) if len(value) == 1 else value
            if not isinstance(body, dict):
                continue
            key = str(body.get("id_str") or body.get("id") or "")
            ids.add(prefix + key)
            total += max(0, _shown(body) - files[key])
    if one.headers:
        listed = _listed(one)
        total += len(listed - ids)
    return Expected(total, by)


def _whole(part: RecordFile) -> list[dict[str, Any]] | None:
    """Return the objects of a file by parsing it whole, or None."""
    layout = part.layout
    try:
        if part.file.size() > _COUNT_BYTES:
            return None
        with part.file.stream() as stream:
            data = stream.read()
        value = json.loads(data.partition(b"=")[2] if layout.platform == X else data)
        if layout.skip:
            (value,) = value.values()
        if layout.member:
            value = value[layout.member.decode("utf-8")]
    except (ItemError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else None


def _talk(values: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the messages of conversations, each with what its id begins with."""
    for value in values:
        talk = value.get("dmConversation")
        if not isinstance(talk, dict) or not isinstance(talk.get("messages"), list):
            continue
        for message in talk["messages"]:
            if isinstance(message, dict):
                yield f"{talk.get('conversationId', '')}/", message


def _shown(body: dict[str, Any]) -> int:
    """Count the pictures and videos of a post or a message."""
    for holder in ("extended_entities", "entities"):
        held = body.get(holder)
        if isinstance(held, dict) and isinstance(held.get("media"), list) and held["media"]:
            return len(held["media"])
    stated = body.get("mediaUrls")
    return len(stated) if isinstance(stated, list) else 0


def _listed(one: RecordList) -> set[str]:
    """Return the ids that the headers of a list name."""
    ids: set[str] = set()
    for file in one.headers:
        try:
            with file.stream() as stream:
                value = json.loads(stream.read().partition(b"=")[2])
        except (ItemError, ValueError, RecursionError):
            continue
        values = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
        pairs = _talk(values) if one.layout.record in TALK else (("", entry) for entry in values)
        for prefix, entry in pairs:
            body = next(iter(entry.values())) if len(entry) == 1 else entry
            key = body.get("id") or body.get("tweet_id") if isinstance(body, dict) else None
            if key:
                ids.add(f"{prefix}{key}")
    return ids


def _not_there(value: dict[str, Any], part: RecordFile, downloads: Downloads) -> int:
    """Count the files that an object of Meta names and the source does not have."""
    lost = 0
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(inner for name, inner in one.items() if name not in _APART)
            uri = one.get("uri")
            if isinstance(uri, str) and uri.strip():
                lost += _is_lost(uri, part, downloads)
    return lost


def _is_lost(uri: str, part: RecordFile, downloads: Downloads) -> bool:
    try:
        path = uri.encode("latin-1").decode("utf-8")
    except UnicodeError:
        path = uri
    if "://" in path:
        try:
            host = urlsplit(path).hostname or ""
        except ValueError:
            return False
        return host.endswith((".fbcdn.net", ".cdninstagram.com", ".fbsbx.com"))
    return downloads.named(part.file, path) is None
