"""WhatsApp's "Export chat": one text file a chat, alone or in a zip with its media.

Each entry is an item, by the exact bytes of its lines. A line states a local time in whatever form the
phone's language has, without a zone, and which of two numbers is the month is nowhere said: the whole file
decides it (https://faq.whatsapp.com/1180414079177245 tells how the export is made and how far it goes).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.chat_files import ChatFiles, charset_of
from connectors.export_files import INSIDE, PackageFile
from connectors.folders import storable
from connectors.mailhead import placed
from records import canonical
from records.errors import SettingsError
from records.models import (
    ExcludedItem,
    FailedItem,
    FoundItem,
    Moment,
    Unreached,
    Window,
    Yielded,
)
from records.moments import as_facts, local_moment
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

MESSAGE_TYPE = "application/x-whatsapp-message"
ORDERS = ("dmy", "mdy", "ymd")

MOST_WITH_MEDIA, MOST = 10_000, 40_000
"""Messages that an export holds at most: the newest ones; older ones are left out without a word."""

_MARK = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
_SPACE = " \u00a0\u202f"
_HEAD = re.compile(
    rf"""[{_MARK}\ufeff]*(?P<open>\[)?
    (?P<a>\d{{1,4}})(?P<sep>[-/.])[{_SPACE}]?(?P<b>\d{{1,2}})[-/.][{_SPACE}]?(?P<c>\d{{1,4}})[.]?(?P<comma>,)?
    [{_SPACE}]+(?P<before>[^\d\n]{{1,8}})?
    (?P<clock>\d{{1,2}}[.:]\d{{2}}(?:[.:]\d{{2}})?)
    (?:[{_SPACE}]?(?P<after>[AaPp]\.?[{_SPACE}]?[Mm]\.?|Uhr))?
    (?:\][{_SPACE}]|[{_SPACE}][-–][{_SPACE}]|:[{_SPACE}])""",
    re.VERBOSE,
)
_HIDDEN = re.compile(f"[{_MARK}\ufeff]")
_LONGEST_NAME = 100
_OF_THE_APP = re.compile(r"(?i)^whatsapp[- ]?chat(?: with| -| mit| con| com)? ")
_SCAN = re.compile(
    rf"^[{_MARK}\ufeff]*\[?\d{{1,4}}[-/.][{_SPACE}]?\d{{1,2}}[-/.][{_SPACE}]?\d{{1,4}}[^\n]{{1,14}}?\d[.:]\d\d"
    rf"[^\n]{{0,12}}?(?:\]|[{_SPACE}][-–]|:)[{_SPACE}]",
    re.MULTILINE,
)
_PM = ("p", "下午", "오후", "晚上", "午後")
_AM = ("a", "上午", "오전", "凌晨", "早上", "午前")

_SYSTEM = re.compile(
    r"messages and calls are end-to-end encrypted|created (?:this )?group|\badded\b|\bleft$|\bremoved\b"
    r"|changed (?:the|this|to|their)|changed the group|joined using|joined from|security code"
    r"|you're now an admin|no longer an admin|disappearing messages|message timer|pinned a message"
    r"|blocked this contact|unblocked this contact|business account|waiting for this message",
    re.IGNORECASE,
)
"""What the program itself writes, in English: in other languages a line without an author tells."""

_DISAPPEARING = re.compile(
    r"disappearing messages|message timer|messages? will disappear|selbstlöschende nachrichten"
    r"|mensajes temporales|mensagens temporárias|messages éphémères",
    re.IGNORECASE,
)
"""How the program says, in the languages of the other markers, that messages delete themselves."""

_ATTACHED = (
    re.compile(rf"[{_MARK}]*<(?:attached|Anhang|adjunto|anexado|pièce jointe ?): (?P<name>[^<>\n]+)>"),
    re.compile(rf"[{_MARK}]*(?P<name>[^\n:/\\]+\.[A-Za-z0-9]{{2,5}}) \([^()\n]{{4,40}}\)(?=\r?\n|$)"),
)
_OMITTED = re.compile(
    rf"[{_MARK}]*(?:<Media omitted>|<Medien ausgeschlossen>|<Multimedia omitido>"
    rf"|(?:image|video|audio|sticker|document|GIF|Contact card) omitted)[{_MARK} ]*(?=\r?\n|$)"
)
_EDITED = re.compile(r"<This message was edited\.?>")
_DELETED = re.compile(
    rf"[{_MARK}]*(?:This message was|You) deleted(?: this message)?\.?[{_MARK} ]*(?:\r?\n|$)",
    re.IGNORECASE,
)


class WhatsApp(ChatFiles):
    """Exported chats of one phone."""

    name: ClassVar[str] = "whatsapp"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "chats as the app exports them, from iPhone and Android, as a text or a zip with media",
        "each entry: messages, system lines (joins, leaves, renames), markers of deleted and edited ones",
        "media in the export; each one that is named and not there is counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what an export never has: replies, reactions, read receipts, earlier words of edits, time zones",
        "messages before the newest 40,000 (10,000 with media): the app leaves them out without a word",
        "the app's databases and encrypted backups: stored as files",
        "markers in other languages than English, German, Spanish, Portuguese and French are text",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "2 chats of the chat-miner project's tests, 2 written to the app's layouts (iPhone, Android)",
        "generated chats in the date forms of nine languages",
    )
    options: ClassVar[Mapping[str, str]] = {
        "date_order": "dmy, mdy or ymd, where a chat's own dates do not tell"
    }
    count_method: ClassVar[str] = "header scan"

    def check_settings(self) -> None:
        """Check path and options.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path, or an option that is not known.
        """
        super().check_settings()
        if self._context.options.get("date_order", "dmy") not in ORDERS:
            raise SettingsError(
                f"source {self._context.source_id}: options: date_order is none of {', '.join(ORDERS)}"
            )

    def unreached(self) -> Iterator[Unreached]:
        """Tell chats that are as long as an export can be: what was before is not in it."""
        for scope in self.scopes():
            file = self._chats.get(scope.key)
            if file is None:
                continue
            with file.stream() as stream:
                entries = self._counted(file, stream.read())
            if entries >= (MOST_WITH_MEDIA if self._beside(file) else MOST):
                key = f"{scope.key}#before"
                yield Unreached(key, scope.label, scope.kind, Reach.NOT_BY_THIS_ROUTE, "longest_export")

    def _is_chat(self, head: bytes) -> bool:
        return looks_like_chat(head)

    def _label(self, key: str) -> str:
        return _chat_name(key)

    def _counted(self, file: PackageFile, data: bytes) -> int:
        """Count lines that look like the beginning of an entry, and media that is not there."""
        text = _decoded(data, charset_of(data))
        starts = [found.end() for found in _SCAN.finditer(text)]
        beside = self._beside(file)
        named = self._named[file.key] = set()
        lost = 0
        for start, end in pairwise([*starts, len(text)]):
            carried = _carried(text[start:end].partition(": ")[2], beside)
            lost += carried is not None and carried.file is None
            if carried is not None and carried.file is not None:
                named.add(carried.file.key)
        return len(starts) + lost

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        charset = charset_of(data)
        entries = list(_entries(data, charset))
        order, why = _order_of(entries, self._context.options.get("date_order", ""))
        about = {
            "group": file.key, "group_name": _chat_name(file.key), "charset": charset,
            "date_order": order or "unknown", "date_order_by": why,
        }  # fmt: skip
        beside = self._beside(file)
        seen: dict[str, int] = {}
        latest: datetime | None = None
        for entry in entries:
            moment = _moment(entry, order, self._context.time_zone)
            jumps = latest is not None and moment.at is not None and moment.at < latest
            latest = max((at for at in (latest, moment.at) if at is not None), default=None)
            digest = hashlib.sha256(entry.native).hexdigest()
            again = seen[digest] = seen.get(digest, -1) + 1
            yield from _values(f"{digest}:{again}", entry, moment, about, beside, window, jumps=jumps)


def _values(
    key: str,
    entry: _Entry,
    moment: Moment,
    about: Mapping[str, str],
    beside: Mapping[str, PackageFile],
    window: Window,
    *,
    jumps: bool,
) -> Iterator[Yielded]:
    """Yield an entry, then the media that it names and that is not there."""
    outside, codes = placed(moment, window, dated=True)
    carried = None if entry.system else _carried(entry.body, beside)
    missing = (
        [FailedItem(f"{key}#media", Kind.FILE, "", carried.reason, "media", carried.name or None)]
        if carried is not None and carried.reason is not None
        else []
    )
    if outside:
        yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        yield from missing
        return
    metadata = {**about, **as_facts(moment), "body_at": str(entry.body_at)}
    if entry.author:
        metadata["author"] = entry.author
    if entry.system:
        metadata["system"] = "true"
    if carried is not None and carried.file is not None:
        metadata["attachments"] = canonical.dumps([{"name": carried.name, "native_key": carried.file.key}])
    warnings = (
        *((WarningCode.EDITED,) if _EDITED.search(entry.body) else ()),
        *((WarningCode.DELETED,) if _DELETED.match(entry.body) else ()),
        *((WarningCode.DISAPPEARING,) if entry.system and _DISAPPEARING.search(entry.body) else ()),
        *((WarningCode.MISSING_PART,) if missing else ()),
        *((WarningCode.OUT_OF_ORDER,) if jumps else ()),
        *((WarningCode.CHARSET_GUESSED,) if about["charset"] != "utf-8" else ()),
        *codes,
    )
    yield FoundItem(
        key, Kind.CHAT, "", None, MESSAGE_TYPE, len(entry.native), moment, metadata, warnings, entry.native
    )
    yield from missing


def looks_like_chat(head: bytes) -> bool:
    """Say whether a text begins as a chat. A year that is written first, as in logs, needs a comma too."""
    text = head.decode("utf-8", "replace")
    first = next((line for line in text.split("\n") if line.strip()), "")
    found = _HEAD.match(first)
    return found is not None and not (
        len(found["a"]) == 4 and not found["comma"] and not found["before"] and not found["after"]
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry.

    Attributes:
        native: Its bytes.
        head: What its first line begins with.
        author: Who wrote it, as the export names; empty for a line of the app itself.
        body: What it says.
        body_at: Bytes of ``native`` before that.
    """

    native: bytes
    head: re.Match[str]
    author: str
    body: str
    body_at: int

    @property
    def system(self) -> bool:
        """Whether the app itself wrote it. iPhones put a name and a hidden mark before such a line."""
        return not self.author or (self.body.startswith("\u200e") and _SYSTEM.search(self.body) is not None)


def _decoded(data: bytes, charset: str) -> str:
    """Return text of which each part gives back its own bytes."""
    return data.decode(charset, "surrogateescape")


def _entries(data: bytes, charset: str) -> Iterator[_Entry]:
    """Cut a chat: each entry from the line that begins it to the next such line."""
    lines: list[bytes] = []
    head: re.Match[str] | None = None
    for line in data.splitlines(keepends=True):
        found = _HEAD.match(_decoded(line, charset))
        if found is not None:
            if head is not None:
                yield _entry(b"".join(lines), head, charset)
                lines = []
            head = found
        lines.append(line)  # what stands before the first entry goes with it
    if head is not None:
        yield _entry(b"".join(lines), head, charset)


def _entry(native: bytes, head: re.Match[str], charset: str) -> _Entry:
    text = _decoded(native, charset)
    begin = text.index(head[0]) + len(head[0])
    first = text[begin:].split("\n", 1)[0].rstrip("\r")
    written = _author(first)
    author, size = written or ("", 0)
    body = text[begin + size :]
    return _Entry(native, head, author, body, len(native) - len(body.encode(charset, "surrogateescape")))


def _author(line: str) -> tuple[str, int] | None:
    """Return who wrote a line, and how much of it says so; None for a line without an author.

    The name ends at the first colon before a space, else before other text. Lines of the app itself have
    none (Android), though some have a colon.
    """
    at = line.find(": ")
    if at < 0:
        at = len(line) - 1 if line.endswith(":") else line.find(":")
    name = line[:at] if at > 0 else ""
    if not name or len(name) > _LONGEST_NAME or _SYSTEM.search(name) is not None:
        return None
    return _plain(name), at + 1 + (line[at + 1 : at + 2] == " ")


def _plain(text: str) -> str:
    """Return a name without hidden marks; the tilde before one that is in no contacts stays."""
    shown = _HIDDEN.sub("", text).replace("\u202f", " ").replace("\u00a0", " ")
    return " ".join(shown.encode("utf-8", "replace").decode("utf-8").split())


def _order_of(entries: Iterable[_Entry], stated: str) -> tuple[str, str]:
    """Decide which number of a date is the day, from all dates of a chat.

    A year that is written first or a number above 12 settles it; else an order under which time would run
    backwards is out; else the day is what changes more often; else dots, which only stand between a day that
    is written first and its month.

    Returns:
        The order, empty when it cannot be known, and what decided it.
    """
    if stated:
        return stated, "option"
    dates = [(int(one.head["a"]), int(one.head["b"]), int(one.head["c"])) for one in entries]
    heads = [one.head for one in entries]
    if all(len(head["a"]) == 4 for head in heads):
        return "ymd", "year first"
    day_first = any(a > 12 for a, _, _ in dates)
    month_first = any(b > 12 for _, b, _ in dates)
    if day_first != month_first:
        return ("dmy" if day_first else "mdy"), "a number above 12"
    if day_first:
        return "", "dates that fit no order"
    forward = {
        "dmy": _runs_forward((c, b, a) for a, b, c in dates),
        "mdy": _runs_forward((c, a, b) for a, b, c in dates),
    }
    if forward["dmy"] != forward["mdy"]:
        return ("dmy" if forward["dmy"] else "mdy"), "time runs forward"
    changes = [sum(x[n] != y[n] for x, y in pairwise(dates)) for n in (0, 1)]
    if changes[0] != changes[1]:
        return ("dmy" if changes[0] > changes[1] else "mdy"), "what changes more often"
    if all(head["sep"] == "." for head in heads):
        return "dmy", "dots"
    if all(a == b for a, b, _ in dates):
        return "dmy", "day and month are equal"
    return "", "nothing tells"


def _runs_forward(dates: Iterable[tuple[int, int, int]]) -> bool:
    return all(earlier <= later for earlier, later in pairwise(dates))


def _moment(entry: _Entry, order: str, zone: ZoneInfo) -> Moment:
    """Return when an entry was made, in the request's zone."""
    head = entry.head
    text = _plain(head[0]).strip("[] -–:")
    numbers = dict(zip(order, (int(head["a"]), int(head["b"]), int(head["c"])), strict=True)) if order else {}
    clock = [int(part) for part in re.split("[.:]", head["clock"])]
    half = ((head["before"] or "") + (head["after"] or "")).strip().lower()
    hour, minute, second = (*clock, 0)[:3]
    if half.startswith(_PM) and hour < 12:
        hour += 12
    elif half.startswith(_AM) and hour == 12:
        hour = 0
    try:
        year = numbers["y"] + (2000 if numbers["y"] < 100 else 0)
        at = time(hour, minute, second)
        local = datetime.combine(date(year, numbers["m"], numbers["d"]), at)
    except (KeyError, ValueError):
        return Moment(None, text, Basis.NONE)
    return local_moment(local, text, zone)


@dataclass(frozen=True, slots=True)
class _Carried:
    """What an entry carries: the file in the export, or why it is not there."""

    name: str
    file: PackageFile | None
    reason: Reason | None


def _carried(body: str, beside: Mapping[str, PackageFile]) -> _Carried | None:
    """Return the media of an entry; None for one without."""
    if _OMITTED.match(body) is not None:
        return _Carried("", None, Reason.OMITTED_BY_USER)
    for pattern in _ATTACHED:
        if (found := pattern.match(body)) is not None:
            name = storable(_HIDDEN.sub("", found["name"]).strip())
            file = beside.get(name)
            return _Carried(name, file, None if file is not None else Reason.NOT_IN_EXPORT)
    return None


def _chat_name(key: str) -> str:
    """Return a chat's name: that of the file, or of the zip around ``_chat.txt``, without the app's words."""
    zipped, _, inner = key.rpartition(INSIDE)
    stem = inner.rpartition("/")[2].rpartition(".")[0]
    if stem == "_chat":
        stem = (zipped or inner.rpartition("/")[0]).rpartition("/")[2].removesuffix(".zip")
    return _OF_THE_APP.sub("", stem) or stem or key
