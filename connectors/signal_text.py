"""Chats of Signal as text: the folders that the program signal-export makes, and files of the same lines.

Each entry begins with ``[2019-05-29, 15:04] Name: `` or, since version 3.6, ``[2019-05-29 15:04:10] Name: ``
and goes on to the next such line (https://github.com/carderne/signal-export: ``to_md`` of its models).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from connectors.chat_files import charset_of, place_of
from connectors.export_files import INSIDE, PackageFile
from connectors.folders import storable
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, prefix_of
from records import canonical
from records.models import ExcludedItem, FailedItem, FoundItem, Moment, Window, Yielded
from records.moments import as_facts, local_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-signal-message"
CHAT_NAMES = frozenset({"chat.md", "index.md"})
"""What signal-export calls a chat; the second before version 1."""

_HEAD = re.compile(
    rb"(?:\xef\xbb\xbf)?\[(?P<day>\d{4}-\d\d-\d\d),? (?P<clock>\d\d:\d\d(?::\d\d)?)\] (?P<author>[^\n]*?): ?"
)
_OLD_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\d{4}-\d\d-\d\d, \d\d:\d\d\] [^\n]{1,200}?:")
_SCAN = re.compile(rb"^(?:\xef\xbb\xbf)?\[[-\d]{10},? [:\d]{5,8}\] [^\n]*:", re.MULTILINE)
_LINK = re.compile(
    r"!?\[(?P<name>[^\[\]\n]*)\]\((?P<path>(?:\./)?media/[^()\n]+|\.\./exported_stickers/[^()\n]+)\)"
)
_LINKED = re.compile(rb"\]\(((?:\./)?media/[^()\n]+|\.\./exported_stickers/[^()\n]+)\)")
_DELETED = "(This message was deleted)"
_LONGEST_NAME = 200

Find = Callable[[str], PackageFile | None]
"""Gives the file of an export at a key."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry.

    Attributes:
        native: Its bytes.
        when: What it states of its time.
        author: Who wrote it.
        body: What it says, with what the program puts after it.
        body_at: Bytes of ``native`` before that.
    """

    native: bytes
    when: str
    author: str
    body: str
    body_at: int


def looks_like_text(head: bytes) -> bool:
    """Say whether a text of any name is a chat in the older form, which no other app writes."""
    return _OLD_HEAD.match(head) is not None


def looks_like_chat(head: bytes) -> bool:
    """Say whether a file that may be a chat begins as one, in either form."""
    return _HEAD.match(head.lstrip(b"\r\n ")) is not None


def chat_label(key: str) -> str:
    """Return what people know a chat by: its folder's name, else the file's."""
    inner = key.rpartition(INSIDE)[2]
    folder, _, name = inner.rpartition("/")
    if name in CHAT_NAMES and folder:
        return folder.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def expected_entries(data: bytes, key: str, find: Find) -> int:
    """Count lines that look like the beginning of an entry, and paths to media that is not there."""
    starts = [found.start() for found in _SCAN.finditer(data)]
    lost = 0
    for start, end in pairwise([*starts, len(data)]):
        for path in _LINKED.findall(data[start:end]):
            lost += _held(path.decode("utf-8", "replace"), key, find) is None
    return len(starts) + lost


def entries(data: bytes, key: str, window: Window, find: Find) -> Iterator[Yielded]:
    """Yield the entries of a chat, each with media that it names and that is not there."""
    charset = charset_of(data)
    seen = SeenHashes()
    about = {"group": key, "group_name": chat_label(key), "charset": charset, "layout": "text"}
    latest: datetime | None = None
    for entry in _cut(data, charset):
        digest = hashlib.sha256(entry.native)
        again = seen.count(prefix_of(digest.digest()))
        moment = _moment(entry, window.zone)
        jumps = latest is not None and moment.at is not None and moment.at < latest
        latest = max((at for at in (latest, moment.at) if at is not None), default=None)
        yield from _values(f"{digest.hexdigest()}:{again}", entry, moment, about, window, find, jumps=jumps)


def _values(
    key: str,
    entry: _Entry,
    moment: Moment,
    about: Mapping[str, str],
    window: Window,
    find: Find,
    *,
    jumps: bool,
) -> Iterator[Yielded]:
    """Yield an entry, then media that it names and that is not there."""
    outside, codes = placed(moment, window, dated=True)
    media = [
        (
            storable(one["path"].replace("%20", " ").rpartition("/")[2]),
            _held(one["path"], about["group"], find),
        )
        for one in _LINK.finditer(entry.body)
    ]
    lost = [name for name, held in media if held is None]
    if outside:
        yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
    else:
        facts = {**about, **as_facts(moment), "author": entry.author, "body_at": str(entry.body_at)}
        held = [{"name": name, "native_key": file.key} for name, file in media if file is not None]
        if held:
            facts["attachments"] = canonical.dumps(held)
        warnings = (
            *((WarningCode.DELETED,) if entry.body.strip() == _DELETED else ()),
            *((WarningCode.MISSING_PART,) if lost else ()),
            *((WarningCode.OUT_OF_ORDER,) if jumps else ()),
            *((WarningCode.CHARSET_GUESSED,) if about["charset"] != "utf-8" else ()),
            *codes,
        )
        yield FoundItem(
            key, Kind.CHAT, "", None, MESSAGE_TYPE, len(entry.native), moment, facts, warnings, entry.native
        )
    for number, name in enumerate(lost):
        yield FailedItem(f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "media", name)


def _held(path: str, chat: str, find: Find) -> PackageFile | None:
    """Return the file that a chat names by a path relative to it; never one outside the source.

    The program writes each blank as ``%20`` and escapes nothing else.
    """
    place = place_of(chat)
    before = place[: place.rfind(INSIDE) + 1]
    for stated in (path, path.replace("%20", " ")):
        found = find(before + posixpath.normpath(place[len(before) :] + storable(stated)))
        if found is not None:
            return found
    return None


def _cut(data: bytes, charset: str) -> Iterator[_Entry]:
    """Cut a chat: each entry from the line that begins it to the next such line."""
    lines: list[bytes] = []
    head: re.Match[bytes] | None = None
    before = 0
    for line in data.splitlines(keepends=True):
        found = _HEAD.match(line)
        if found is not None and len(found["author"]) <= _LONGEST_NAME:
            if head is not None:
                yield _entry(b"".join(lines), before, head, charset)
                lines, before = [], 0
            before = sum(map(len, lines))  # what stands before the first entry goes with it
            head = found
        lines.append(line)
    if head is not None:
        yield _entry(b"".join(lines), before, head, charset)


def _entry(native: bytes, before: int, head: re.Match[bytes], charset: str) -> _Entry:
    at = before + head.end()
    author = " ".join(head["author"].decode(charset, "replace").replace("\x00", "").split())
    when = f"{head['day'].decode()} {head['clock'].decode()}"
    return _Entry(native, when, author, native[at:].decode(charset, "replace"), at)


def _moment(entry: _Entry, zone: ZoneInfo) -> Moment:
    """Return when an entry was made: the local time of the computer, placed in the request's zone."""
    try:
        local = datetime.fromisoformat(entry.when)
    except ValueError:
        return Moment(None, entry.when, Basis.NONE)
    return local_moment(local, entry.when, zone)
