"""Printouts of message histories, as PDF or web pages: each message with the page that it stands on.

Remind gives nothing else (https://help.remind.com/hc/en-us/articles/360005997379-Remove-staff-access); of
ParentSquare and other school apps a person prints or saves a conversation. How an app prints, a layout says
that a person has confirmed (``connectors.transcript_layouts``); it is named by the source's option ``layout``
and kept with the request. The printout itself is an item too, by its own bytes: it has what no message holds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from itertools import pairwise
from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from connectors.chat_files import ChatFiles
from connectors.export_files import OpenZips, PackageFile, plain_item
from connectors.folders import storable
from connectors.mailhead import placed, span_placed
from connectors.transcript_count import counted
from connectors.transcript_cutting import Cut, Message, cut
from connectors.transcript_layouts import Layout, read_layout, read_time
from connectors.transcript_pages import MOST_BYTES, Line, Pages, is_printout, read_pages
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Unreached,
    Window,
    Yielded,
)
from records.moments import as_facts, local_moment, zone_doubts
from records.vocabulary import Basis, Kind, Reach, Reason, WarningCode

MESSAGE_TYPE = "application/x-transcript-message+json"
SCHEMA = "transcript-message/1"

_MOST_NAMED = 100
"""Lines of no message whose places the printout's facts name."""

_UNREAD: Mapping[str, tuple[Reason, str]] = {
    "picture": (Reason.NEEDS_OCR, "page"),
    "unmapped": (Reason.NEEDS_OCR, "letters_without_meaning"),
    "damaged": (Reason.CORRUPT, "page"),
    "too_large": (Reason.TOO_LARGE, "page"),
}

_ZONES: Mapping[str, str] = {
    "eastern": "America/New_York", "et": "America/New_York", "central": "America/Chicago",
    "ct": "America/Chicago", "mountain": "America/Denver", "mt": "America/Denver",
    "pacific": "America/Los_Angeles", "pt": "America/Los_Angeles", "alaska": "America/Anchorage",
    "hawaii": "Pacific/Honolulu", "utc": "UTC", "gmt": "UTC",
}  # fmt: skip
_HOURS: Mapping[str, int] = {
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9,
    "akdt": -8, "hst": -10, "utc": 0, "gmt": 0,
}  # fmt: skip
"""Offsets of the abbreviations of the United States (the zones are those of 15 U.S.C. 261 and 263)."""


class Transcripts(ChatFiles):
    """Printouts of one app, alone, in a folder or in zips."""

    name: ClassVar[str] = "transcripts"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "PDF and HTML printouts of message histories, by a confirmed layout: each message with its page",
        "both texts of a message and its translation",
        "the printout itself, once, by its own bytes; how many of its lines belong to no message",
        "pages without text, and files that a message names and that are not there: counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "printouts that the layout does not fit: stored, and their messages counted as failed",
        "words in pictures, before OCR has read them",
        "where a line was broken by its writer and where by the page: both are line ends",
        "what an app does not print: reactions, reads, earlier words of edits, files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "generated printouts in invented layouts, and one that Chromium printed",
        "no real one: no vendor publishes its layout, and none of theirs was at hand",
    )
    options: ClassVar[Mapping[str, str]] = {
        "layout": "the layout of the printouts, a file beside the request"
    }
    named_files: ClassVar[tuple[str, ...]] = ("layout",)
    suffixes: ClassVar[tuple[str, ...]] = ("",)
    most_bytes: ClassVar[int] = 1 << 62

    def check_settings(self) -> None:
        """Check path and layout.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: There is no layout, it is wrong, or nobody has confirmed it.
        """
        super().check_settings()
        _ = self._layout

    def unreached(self) -> Iterator[Unreached]:
        """Tell printouts with lines that belong to no message."""
        for scope in self.scopes():
            file = self._chats.get(scope.key)
            if file is None:
                continue
            lines = self._lines_of_no_message(file)
            if lines:
                label = f"lines of no message in {scope.label}: {lines}"
                yield Unreached(f"{scope.key}#lines", label, "lines", Reach.NOT_BY_THIS_ROUTE, "no_message")

    def _is_chat(self, head: bytes) -> bool:
        return is_printout(head)

    def _label(self, key: str) -> str:
        return key.rpartition("/")[2]

    def _data(self, file: PackageFile) -> bytes:
        return super()._data(file) if file.size() <= MOST_BYTES else b""

    def _counted(self, file: PackageFile, data: bytes) -> Expected:
        if not data:
            return Expected(None, "unknown")
        beside = self._beside(file)
        return counted(read_pages(data, "count"), self._layout, beside.__contains__)

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        pages = read_pages(data, "lines") if data else Pages((), ItemError(Reason.TOO_LARGE, "pdf"))
        made = self._cut(pages)
        clock = _Clock.of(made, self._layout)
        messages = made.messages if made.fits else ()
        moments = [clock.moment(message) for message in messages]
        unread = [page for page in pages.pages if page.state in _UNREAD]
        faults = [pages.fault] if pages.fault is not None else []
        if not made.fits and not faults and any(page.lines for page in pages.pages):
            faults.append(ItemError(Reason.UNSUPPORTED, "layout"))
        told = moments and all(moment.at is not None for moment in moments)
        whole = bool(told and not faults and not unread and not made.unplaced)
        with OpenZips() as opened:
            value = plain_item(file, window, opened)
        yield self._printout(value, pages, made, moments, window, whole=whole)
        if not isinstance(value, FoundItem):
            return
        beside = self._beside(file)
        about = {
            "printout": file.key, "app": self._layout.app, "between": self._layout.between,
            "layout": f"{self._layout.app} {self._layout.layout_version}", "zone": clock.facts(),
        }  # fmt: skip
        seen: Counter[str] = Counter()
        against = _against(messages, moments)
        for number, (message, moment) in enumerate(zip(messages, moments, strict=True)):
            yield from self._values(
                message, moment, about, beside, window, seen,
                jumps=number in against, doubts=clock.doubts(message, moment), pages=pages,
            )  # fmt: skip
        for page in unread:
            reason, detail = _UNREAD[page.state]
            yield FailedItem(f"{file.key}#page{page.number}", Kind.FILE, "", reason, detail, file.name)
        for fault in faults:
            yield FailedItem(f"{file.key}#messages", Kind.CHAT, "", fault.reason, fault.detail, file.name)

    def _printout(
        self,
        value: Yielded,
        pages: Pages,
        made: Cut,
        moments: Sequence[Moment],
        window: Window,
        *,
        whole: bool,
    ) -> Yielded:
        """Return the printout as an item, with the count of its lines.

        It is of its first message's time, and outside the window when all of its messages are; one of which
        anything was not read is kept.
        """
        if not isinstance(value, FoundItem):
            return value
        lines = list(pages.lines)
        unplaced = list(made.unplaced) if made.fits else lines
        facts = {
            "app": self._layout.app,
            "messages": str(len(moments)),
            "lines": str(len(lines)),
            "lines_of_messages": str(sum(len(one.lines) for one in made.messages) if made.fits else 0),
            "lines_of_pages": str(made.furniture if made.fits else 0),
            "lines_of_no_message": str(len(unplaced)),
        }
        if pages.paged:
            facts["pages"] = str(len(pages.pages))
        if unplaced:
            facts["lines_of_no_message_at"] = _places(unplaced)
        if made.zone:
            facts["zone_stated"] = made.zone
        if made.totals:
            facts["messages_stated"] = ", ".join(map(str, made.totals))
        warnings = (
            *((WarningCode.PARTIAL,) if not whole else ()),
            *((WarningCode.CHARSET_GUESSED,) if pages.guessed else ()),
        )
        if not whole:
            return replace(value, metadata=facts, warnings=(*value.warnings, *warnings))
        outside, codes = span_placed(moments, window)
        first = min(moments, key=lambda one: one.at or datetime.max.replace(tzinfo=UTC))
        if outside:
            return ExcludedItem(value.native_key, Kind.FILE, "", Reason.OUTSIDE_WINDOW, "", value.name, first)
        assumed = (WarningCode.ASSUMED_ZONE,) if first.basis is Basis.ASSUMED_ZONE else ()
        return replace(
            value, metadata=facts, moment=first, warnings=(*value.warnings, *warnings, *assumed, *codes)
        )

    def _values(
        self,
        message: Message,
        moment: Moment,
        about: Mapping[str, str],
        beside: Mapping[str, PackageFile],
        window: Window,
        seen: Counter[str],
        *,
        jumps: bool,
        doubts: tuple[WarningCode, ...],
        pages: Pages,
    ) -> Iterator[Yielded]:
        """Yield a message, then each file that it names and that is not there."""
        native = _native(message)
        digest = hashlib.sha256(
            "\n".join((message.stated, *(line.text for line in message.lines))).encode()
        ).hexdigest()
        again = seen[digest]
        seen[digest] += 1
        key = f"{digest}:{again}"
        outside, codes = placed(moment, window, dated=True)
        there = [
            {"name": name, "native_key": beside[name].key} for name in message.attachments if name in beside
        ]
        missing = [name for name in message.attachments if name not in beside]
        if outside:
            yield ExcludedItem(key, Kind.CHAT, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            first, last = message.lines[0], message.lines[-1]
            metadata = {
                **about, **as_facts(moment), "group": self._group(message, about["printout"]),
                "place": _place(first, last, paged=pages.paged),
            }  # fmt: skip
            if thread := message.fields.get("thread") or message.about.get("thread"):
                metadata["group_name"] = thread
            metadata |= {
                name: message.about[name] for name in ("owner", "recipients") if name in message.about
            }
            if pages.paged:
                metadata["page"] = str(first.page)
            if there:
                metadata["attachments"] = canonical.dumps(there)
            warnings = (
                *((WarningCode.DELETED,) if message.deleted else ()),
                *((WarningCode.PARTIAL,) if message.broken_off else ()),
                *((WarningCode.DUPLICATE_ENTRY,) if again else ()),
                *((WarningCode.MISSING_PART,) if missing else ()),
                *((WarningCode.OUT_OF_ORDER,) if jumps else ()),
                *((WarningCode.CHARSET_GUESSED,) if pages.guessed or b"\xef\xbf\xbd" in native else ()),
                *(code for code in codes if code is not WarningCode.AMBIGUOUS_HOUR),  # of the request's zone
                *doubts,
            )
            yield FoundItem(
                key, Kind.CHAT, "", None, MESSAGE_TYPE, len(native), moment, metadata, warnings, native
            )
        for number, name in enumerate(missing):
            lost = f"{key}#attachment{number}"
            yield FailedItem(lost, Kind.FILE, "", Reason.NOT_IN_EXPORT, "attachment", storable(name))

    def _group(self, message: Message, printout: str) -> str:
        """Return the conversation: as the printout names it, else the people who take part."""
        app = self._layout.app
        if thread := message.fields.get("thread") or message.about.get("thread"):
            return f"{app}:{thread}"
        stated = message.fields.get("recipients") or message.about.get("recipients", "")
        recipients = stated.split(self._layout.between)
        people = {one.strip().casefold() for one in (message.fields["sender"], *recipients)} - {""}
        # one that names no receiver says who wrote, and not in which conversation
        return f"{app}:{'; '.join(sorted(people))}" if len(people) > 1 else f"{app}:{printout}"

    def _lines_of_no_message(self, file: PackageFile) -> int:
        """Return how many there are in a printout that the layout fits; the others fail as a whole."""
        try:
            data = self._data(file)
        except ItemError:
            return 0  # the scope fails by name
        made = self._cut(read_pages(data, "lines") if data else Pages(()))
        return len(made.unplaced) if made.fits else 0

    def _cut(self, pages: Pages) -> Cut:
        return cut(pages, self._layout)

    @cached_property
    def _layout(self) -> Layout:
        where = f"source {self._context.source_id}"
        if not self._context.options.get("layout"):
            raise SettingsError(
                f"{where}: needs `layout` in options; `daylight layout FILE --app NAME` proposes one"
            )
        return read_layout(self._context.options["layout"], where)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Which zone the times of a printout have.

    Attributes:
        zone: Of times that state none.
        stated: The printout says so; else it is that of the layout.
        unknown: The printout names a zone that is not known here, so that of the layout is assumed.
        forms: Of times.
    """

    zone: ZoneInfo
    stated: bool
    unknown: bool
    forms: tuple[str, ...]

    @classmethod
    def of(cls, made: Cut, layout: Layout) -> _Clock:
        """Return the clock of a printout."""
        named = _zone_named(made.zone) if made.zone else None
        zone = ZoneInfo(named or layout.time_zone)
        return cls(zone, named is not None, bool(made.zone) and named is None, layout.time_formats)

    def facts(self) -> str:
        """Say which zone it is and by what."""
        return f"{self.zone.key} by {'the printout' if self.stated else 'the layout'}"

    def moment(self, message: Message) -> Moment:
        """Return when a message was sent."""
        stated = message.stated
        at = read_time(stated, self.forms)
        if at is None:
            return Moment(None, stated, Basis.NONE)
        hours = _HOURS.get(message.fields.get("zone", "").strip(" .()").casefold())
        if at.tzinfo is None and hours is not None:
            at = at.replace(tzinfo=timezone(timedelta(hours=hours)))
        if at.tzinfo is not None:
            utc = at.astimezone(UTC).replace(tzinfo=None)
            return _surely(local_moment(utc, stated, ZoneInfo("UTC")))
        found = local_moment(at, stated, self.zone)
        return _surely(found) if self.stated else found

    def doubts(self, message: Message, moment: Moment) -> tuple[WarningCode, ...]:
        """Return what a reader must know of a time: a strange zone, the hour that comes twice in autumn."""
        found = [WarningCode.HEADER_DEFECT] if self.unknown else []
        assumed = replace(moment, basis=Basis.ASSUMED_ZONE)
        exact = moment.basis is Basis.STATED and (not self.stated or message.fields.get("zone"))
        if not exact and WarningCode.AMBIGUOUS_HOUR in zone_doubts(assumed, self.zone):
            found.append(WarningCode.AMBIGUOUS_HOUR)
        return tuple(found)


def _surely(moment: Moment) -> Moment:
    return moment if moment.at is None else replace(moment, basis=Basis.STATED)


def _zone_named(stated: str) -> str | None:
    """Return the IANA name of a zone as people write it; None for one that is not known."""
    if stated in available_timezones():
        return stated
    words = stated.casefold().replace("(", " ").replace(")", " ").split()
    plain = [
        word.strip(".,") for word in words if word.strip(".,") not in {"time", "us", "&", "canada", "zone"}
    ]
    return _ZONES.get(plain[0]) if len(plain) == 1 else None


def _against(messages: Sequence[Message], moments: Sequence[Moment]) -> set[int]:
    """Return the places of messages whose time goes against the order of most: perhaps pasted.

    Where the printout begins another conversation, time begins anew.
    """
    known = [(n, one.at) for n, one in enumerate(moments) if one.at is not None]
    pairs = [(a, b) for a, b in pairwise(known) if messages[a[0]].about == messages[b[0]].about]
    forward = {b[0] for a, b in pairs if a[1] < b[1]}
    backward = {b[0] for a, b in pairs if a[1] > b[1]}
    return backward if len(forward) >= len(backward) else forward


def _native(message: Message) -> bytes:
    """Return a message's record: what it says, and on which lines."""
    record: dict[str, object] = {
        "schema": SCHEMA,
        "fields": message.fields,
        "lines": [{"page": line.page, "line": line.number, "text": line.text} for line in message.lines],
    }
    if message.attachments:
        record["attachments"] = message.attachments
    return canonical.dumps(record).encode()


def _place(first: Line, last: Line, *, paged: bool) -> str:
    """Say where a message stands."""
    if not paged:
        return f"lines {first.number} to {last.number}"
    over = f"page {last.page}, " if last.page != first.page else ""
    return (
        f"page {first.page}, line {first.number} to {over}line {last.number}; begins "
        f"{first.left:.0f} pt from the left, {first.top:.0f} pt from the top"
    )


def _places(lines: Sequence[Line]) -> str:
    named = [f"{line.page}:{line.number}" for line in lines[:_MOST_NAMED]]
    return ", ".join((*named, *(("…",) if len(lines) > _MOST_NAMED else ())))
