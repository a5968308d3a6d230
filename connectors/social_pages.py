"""Threads of Messenger and Instagram as web pages: what Meta makes of messages when nobody chooses JSON.

Names of classes are made anew with each release, so a message is found by its shape: an element whose last
part is nothing but a time, and whose first part is who wrote it. Times are local, without a zone. A thread
that is there as JSON too is read from that alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from connectors.export_files import OpenZips, PackageFile
from connectors.social_exports import MOST_MEMBERS, Downloads, Media, Record, RecordFile, RecordList, Told
from connectors.social_layouts import PAGE_DATE
from records.entities import unescaped
from records.errors import ItemError
from records.models import Expected, Moment
from records.moments import as_facts, long_date_moment
from records.vocabulary import Reason

_PAGE_BYTES = 128 << 20
_TAG = re.compile(rb"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*)(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_VOID = frozenset({b"br", b"img", b"input", b"hr", b"meta", b"link", b"source", b"wbr", b"col", b"area"})
_WORDS = re.compile(r"<[^<>]*>")
_PEOPLE = re.compile(rb">\s*Participants: (?P<names>[^<>]{1,20000})<")
_TITLE = re.compile(rb"<title>(?P<title>[^<]{0,1000})</title>", re.IGNORECASE)
_ADDRESS = re.compile(rb"\b(?:src|href)=[\"'](?P<path>[^\"'<>]{1,4000})[\"']")
_ELSEWHERE = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]+:|//|#|/)")
_DATED = re.compile(rb">\s*(" + PAGE_DATE + rb")\s*</")
_LONGEST_DATE = 60


@dataclass(slots=True)
class _Element:
    """An element that is still open.

    Attributes:
        name: Of its tag.
        start: Where its tag begins.
        inner: Where its tag ends.
        parts: Where each element in it begins and ends.
        dated: The last one is, or ends with, a time.
        first_dated: The first one does.
        holds: A message was found in it.
    """

    name: bytes
    start: int
    inner: int
    parts: list[tuple[int, int]] = field(default_factory=list)
    dated: bool = False
    first_dated: bool = False
    holds: bool = False


def records_of(part: RecordFile, of: RecordList, opened: OpenZips) -> Iterator[Record]:
    """Yield the messages of a page, in its order.

    Raises:
        ItemError: It cannot be read, or ends within a message.
    """
    data = _whole(part.file, opened)
    about = _thread(data, of)
    prefix = of.key.rpartition("/")[2]
    end = 0
    for start, end in _messages(data):
        yield Record(data[start:end], about, prefix)
    if _DATED.search(data, end) is not None or not _is_whole(data):
        raise ItemError(Reason.TRUNCATED, "page_cut")


def tell(record: Record, part: RecordFile, downloads: Downloads, zone: ZoneInfo) -> Told:
    """Return what is known of a message.

    Args:
        record: Its bytes.
        part: The page it is from.
        downloads: Where what it shows may lie.
        zone: Of its time.
    """
    dates = _DATED.findall(record.data)
    stated = _plain(dates[-1]) if dates else ""
    read = long_date_moment(_as_said(stated), zone)
    moment = Moment(read.at, stated, read.basis)
    media = tuple(
        Media(unquote(path).rpartition("/")[2] or "media", held(path, part, downloads))
        for path in _paths(record.data)
    )
    digest = hashlib.sha256(record.data).hexdigest()
    return Told(digest, moment, as_facts(moment) | {"page": "true"}, media)


def held(path: str, part: RecordFile, downloads: Downloads) -> PackageFile | None:
    """Return the file that a page names, or None: it is not there."""
    return downloads.named(part.file, path) or downloads.named(part.file, unquote(path))


def expected_of(one: RecordList, downloads: Downloads) -> Expected:
    """Count the times on the pages, and the files between two of them that are not there."""
    total = 0
    for part in one.parts:
        try:
            with OpenZips() as opened:
                data = _whole(part.file, opened)
        except ItemError:
            return Expected(None, "unknown")
        if not _is_whole(data):
            return Expected(None, "unknown")
        at = 0
        for found in _DATED.finditer(data):
            total += 1
            between = data[at : found.end()]
            begin = between.rfind(b"</head>") + 1
            total += sum(held(path, part, downloads) is None for path in _paths(between[begin:]))
            at = found.end()
    return Expected(total, "time scan")


def _whole(file: PackageFile, opened: OpenZips) -> bytes:
    if file.size() > _PAGE_BYTES:
        raise ItemError(Reason.TOO_LARGE, "page")
    with file.stream(opened.of(file)) as stream:
        return stream.read()


def _is_whole(data: bytes) -> bool:
    return b"</html" in data[-200:].lower()


def _thread(data: bytes, of: RecordList) -> dict[str, str]:
    """Return what every message of a thread is told of."""
    stated, title = _PEOPLE.search(data), _TITLE.search(data)
    people = [name for one in _plain(stated["names"]).split(", ") if (name := one.strip())] if stated else []
    about = {
        "group": of.key,
        "group_name": (_plain(title["title"]) if title else "") or ", ".join(people[:MOST_MEMBERS]),
        "group_kind": "group message" if len(people) > 2 else "direct message",
    }
    if len(people) > MOST_MEMBERS:
        about["members_count"] = str(len(people))
    elif people:
        about["members"] = "; ".join(people)
    return {name: value for name, value in about.items() if value}


def _messages(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each message begins and ends: an element of several parts, of which the last is a time."""
    open_ones = [_Element(b"", 0, 0)]
    names = Counter[bytes]()
    for tag in _TAG.finditer(data):
        name = tag["name"].lower()
        if name in _VOID or tag[0].endswith(b"/>"):
            continue
        if not tag["end"]:
            open_ones.append(_Element(name, tag.start(), tag.end()))
            names[name] += 1
            continue
        if not names[name]:
            continue
        while True:
            one = open_ones.pop()
            names[one.name] -= 1
            end = tag.end() if one.name == name else tag.start()
            if _is_message(one, data, tag.start()):
                one.holds, one.dated = True, False
                yield one.start, end
            above = open_ones[-1]
            above.parts.append((one.start, end))
            above.dated = one.dated
            above.first_dated = above.first_dated or (one.dated and len(above.parts) == 1)
            above.holds = above.holds or one.holds
            if one.name == name:
                break


def _is_message(one: _Element, data: bytes, end: int) -> bool:
    """Say whether an element that ends is a message; marks one that is a time."""
    if not one.parts:
        words = data[one.inner : end]
        one.dated = (
            len(words) <= _LONGEST_DATE and re.fullmatch(rb"\s*" + PAGE_DATE + rb"\s*", words) is not None
        )
        return False
    if not one.dated or one.holds or len(one.parts) < 2 or one.first_dated:
        return False
    start, stop = one.parts[0]
    return len(one.parts) > 2 or bool(_plain(data[start:stop]))


def _paths(data: bytes) -> list[str]:
    """Return the files that a part of a page names, once each; addresses on the web are none."""
    found = (_plain(at["path"]) for at in _ADDRESS.finditer(data))
    return list(dict.fromkeys(path for path in found if path and not _ELSEWHERE.match(path)))


def _plain(data: bytes) -> str:
    """Return words as a person reads them, on one line."""
    text = data.decode("utf-8", "replace").replace("\x00", "")
    return " ".join(unescaped(_WORDS.sub(" ", text)).split())


def _as_said(stated: str) -> str:
    """Return a time in the spelling that has a comma after its year."""
    return re.sub(r"(?<=\d{4}) (?=\d)", ", ", stated, count=1)
