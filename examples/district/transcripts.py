"""Printouts of message histories, as school apps hand them out: Remind, ParentSquare, TalkingPoints.

No vendor publishes how its printouts look, and none of theirs was at hand: head, foot and the order of what
is printed are invented here, after what the help pages say is in them. What a reader must make of each
message (key, bytes, page) is worked out while it is drawn. The same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from reportlab.lib.pagesizes import letter
from reportlab.pdfgen import canvas

from examples.district.clock import ZONE

CHARACTERS = 84
"""Longest line of a message; longer ones are broken between words."""

_LEFT, _INDENT, _RIGHT = 54, 72, 400
_TOP, _BOTTOM, _STEP = 744, 60, 13


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        at: When, with its zone; printed to the minute, without the zone.
        sender: Who wrote it.
        text: What it says; a line feed begins a new line.
        to: Who got it, as the printout names them.
        role: Of the sender, as Remind prints it.
        translated: The same in another language, where the app sent it so.
        language: Of ``translated``.
        attachments: Names of files that it carried.
    """

    at: datetime
    sender: str
    text: str
    to: str = ""
    role: str = "Parent"
    translated: str = ""
    language: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Printed:
    """What a correct reader must make of a message.

    Attributes:
        said: The message.
        native_key: SHA-256 of its stated time and its lines, and its ordinal among equals of the file.
        native: Its record: canonical JSON of what is said where.
        pages: The pages that it stands on.
        text: The words that are searched.
    """

    said: Said
    native_key: str
    native: bytes = field(repr=False)
    pages: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Printout:
    """A printout and what is in it.

    Attributes:
        data: The file.
        messages: In the order of the pages.
        pages: How many it has; 0 where it has none (HTML).
    """

    data: bytes = field(repr=False)
    messages: tuple[Printed, ...]
    pages: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One printed line; ``right`` stands far to the right on it. ``part`` is what it is of a message."""

    text: str
    part: str = ""
    right: str = ""

    @property
    def read(self) -> str:
        """What a reader sees: a wide gap is a tab."""
        return f"{self.text}\t{self.right}" if self.right else self.text


def remind_history(
    messages: Sequence[Said],
    *,
    owner: str,
    zone: ZoneInfo = ZONE,
    zone_name: str = "Pacific Time",
    total: int | None = None,
    pictures: Iterable[int] = (),
) -> Printout:
    """Make a history of one participant, as a PDF.

    Args:
        messages: In the order in which they are printed.
        owner: Whose history it is.
        zone: In which times are printed.
        zone_name: What the first page says of it; empty: nothing.
        total: The number of messages that the first page states; None: the true one; negative: none.
        pictures: Pages, counted from 1, that come after the others as pictures without text.

    Raises:
        ValueError: A text has a character that the printout's font lacks (Windows-1252 has all it has).
    """
    count = len(messages) if total is None else total
    head = [_Row("Remind message history"), _Row(f"{owner}: individual and group messages")]
    first = [
        *([_Row(f"Total messages: {count}")] if count >= 0 else []),
        *([_Row(f"All times are shown in {zone_name}")] if zone_name else []),
    ]
    blocks = [
        [
            _Row(f"{one.sender} ({one.role}) to {one.to or owner}", "head"),
            _Row(_time(one.at, zone, "%b {d}, %Y at {I}:%M %p"), "sent_at"),
            *_body(one),
            *(_Row(f"Attachment: {name}", "attachment") for name in one.attachments),
        ]
        for one in messages
    ]

    def fields(one: Said) -> dict[str, str]:
        return {
            "sender": one.sender, "role": one.role, "recipients": one.to or owner,
            "sent_at": _time(one.at, zone, "%b {d}, %Y at {I}:%M %p"),
        }  # fmt: skip

    made = _Pages(head, first, "Page {page} of {pages}", list(pictures))
    return made.printed(messages, blocks, fields)


def parentsquare_conversation(
    messages: Sequence[Said], *, title: str, address: str, zone: ZoneInfo = ZONE
) -> Printout:
    """Make a conversation as a browser prints it to PDF: sender and time on one line.

    Args:
        messages: In their order.
        title: The others in the conversation.
        address: Of the page, as the browser prints it at the foot.
        zone: In which times are printed.

    Raises:
        ValueError: A text has a character that the printout's font lacks.
    """
    head = [_Row("ParentSquare - Messages"), _Row(f"Conversation with {title}")]
    blocks = [
        [
            _Row(one.sender, "head", _time(one.at, zone, "%m/%d/%Y, {I}:%M %p")),
            *_body(one),
            *(_Row(f"Attached file: {name}", "attachment") for name in one.attachments),
        ]
        for one in messages
    ]

    def fields(one: Said) -> dict[str, str]:
        return {"sender": one.sender, "sent_at": _time(one.at, zone, "%m/%d/%Y, {I}:%M %p")}

    return _Pages(head, [], f"{address} {{page}}/{{pages}}", []).printed(messages, blocks, fields)


def parentsquare_page(messages: Sequence[Said], *, title: str, zone: ZoneInfo = ZONE) -> Printout:
    """Make the same conversation as a saved web page.

    Args:
        messages: In their order.
        title: The others in the conversation.
        zone: In which times are printed.
    """
    rows: list[str] = []
    seen: Counter[str] = Counter()
    printed = []
    number = 2
    for one in messages:
        stated = _time(one.at, zone, "%m/%d/%Y, {I}:%M %p")
        body = [" ".join(line.split()) for line in one.text.split("\n")]
        files = [f"Attached file: {name}" for name in one.attachments]
        rows.append(
            f"<div class='message'><p><b>{html.escape(one.sender)}</b> {stated}</p>"
            + "".join(
                f"<p>{said}</p>" for said in ("<br>".join(map(html.escape, body)), *map(html.escape, files))
            )
            + "</div>"
        )
        lines = []
        for text in (f"{one.sender} {stated}", *filter(None, body), *files):
            number += 1
            lines.append({"line": number, "page": 1, "text": text})
        fields = {"sender": one.sender, "sent_at": stated, "body": "\n".join(filter(None, body))}
        printed.append(_printed(one, stated, fields, lines, list(one.attachments), seen))
    data = (
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>Messages</title>"
        "<style>p { margin: 0 }</style></head><body>\n"
        f"<h1>ParentSquare - Messages</h1>\n<h2>Conversation with {html.escape(title)}</h2>\n"
        + "\n".join(rows)
        + "\n</body></html>\n"
    )
    return Printout(data.encode(), tuple(printed), 0)


def talkingpoints_history(messages: Sequence[Said], *, family: str, zone: ZoneInfo = ZONE) -> Printout:
    """Make a history in which each day has a line, and each message a clock, with its translation under it.

    Args:
        messages: In their order.
        family: Whose conversation it is.
        zone: In which times are printed.

    Raises:
        ValueError: A text has a character that the printout's font lacks.
    """
    head = [_Row("TalkingPoints conversation history"), _Row(f"Family: {family}")]
    blocks: list[list[_Row]] = []
    day = ""
    for one in messages:
        today = _time(one.at, zone, "%A, %B {d}, %Y")
        rows = [_Row(today, "day")] if today != day else []
        rows += [_Row(f"{_time(one.at, zone, '{I}:%M %p')} {one.sender}", "head"), *_body(one)]
        if one.translated:
            rows.append(_Row(f"Translated to {one.language}:", "translated_head"))
            rows += [_Row(text, "translated") for text in _wrapped(one.translated)]
        blocks.append(rows)
        day = today

    def fields(one: Said) -> dict[str, str]:
        stated = {
            "sender": one.sender, "sent_at": _time(one.at, zone, "{I}:%M %p"),
            "sent_on": _time(one.at, zone, "%A, %B {d}, %Y"),
        }  # fmt: skip
        return stated | ({"language": one.language} if one.translated else {})

    return _Pages(head, [], "Page {page}", []).printed(messages, blocks, fields)


@dataclass(slots=True)
class _Pages:
    """Lays lines out on pages."""

    head: list[_Row]
    first: list[_Row]
    foot: str
    pictures: list[int]

    def printed(
        self,
        messages: Sequence[Said],
        blocks: Sequence[Sequence[_Row]],
        fields: Callable[[Said], dict[str, str]],
    ) -> Printout:
        """Draw the messages, and say where each stands."""
        pages: list[list[tuple[int, _Row]]] = []
        stands: list[list[tuple[int, int, _Row]]] = []
        height = _BOTTOM
        for block in blocks:
            places: list[tuple[int, int, _Row]] = []
            for number, row in enumerate(block):
                # what begins a message is not parted from its first words
                if height - _STEP * (3 if number == 0 else 1) < _BOTTOM:
                    rows = [*self.head, *(self.first if not pages else ())]
                    pages.append([(_TOP - _STEP * n, one) for n, one in enumerate(rows)])
                    height = _TOP - _STEP * (len(rows) + 1)
                pages[-1].append((height, row))
                places.append((len(pages), len(pages[-1]), row))
                height -= _STEP
            height -= _STEP // 2
            stands.append(places)
        if not pages:
            rows = [*self.head, *self.first]
            pages.append([(_TOP - _STEP * n, one) for n, one in enumerate(rows)])
        seen: Counter[str] = Counter()
        made = [
            self._record(one, fields(one), places, seen) for one, places in zip(messages, stands, strict=True)
        ]
        return Printout(self._drawn(pages), tuple(made), len(pages) + len(self.pictures))

    def _record(
        self, said: Said, fields: dict[str, str], places: list[tuple[int, int, _Row]], seen: Counter[str]
    ) -> Printed:
        of = {
            name: [row.text for _, _, row in places if row.part == part]
            for name, part in (("body", "body"), ("body_translated", "translated"))
        }
        fields = fields | {name: "\n".join(texts) for name, texts in of.items() if texts}
        lines = [
            {"line": line, "page": page, "text": row.read} for page, line, row in places if row.part != "day"
        ]
        stated = " ".join(filter(None, (fields.get("sent_on"), fields["sent_at"])))
        return _printed(said, stated, fields, lines, list(said.attachments), seen)

    def _drawn(self, pages: Sequence[Sequence[tuple[int, _Row]]]) -> bytes:
        out = io.BytesIO()
        sheet = canvas.Canvas(out, pagesize=letter, invariant=1)
        count = len(pages) + len(self.pictures)
        for number, rows in enumerate(pages, 1):
            for height, row in rows:
                sheet.setFont("Helvetica-Bold" if row.part == "head" else "Helvetica", 10)
                inside = row.part in {"body", "translated", "translated_head", "attachment"}
                sheet.drawString(_INDENT if inside else _LEFT, height, _printable(row.text))
                if row.right:
                    sheet.drawString(_RIGHT, height, _printable(row.right))
            sheet.setFont("Helvetica", 8)
            sheet.drawString(_LEFT, 32, self.foot.format(page=number, pages=count))
            sheet.showPage()
        for _ in self.pictures:
            _picture(sheet)
            sheet.showPage()
        sheet.save()
        return out.getvalue()


def _printed(
    said: Said,
    stated: str,
    fields: dict[str, str],
    lines: list[dict[str, object]],
    attachments: list[str],
    seen: Counter[str],
) -> Printed:
    record: dict[str, object] = {"fields": fields, "lines": lines, "schema": "transcript-message/1"}
    if attachments:
        record["attachments"] = attachments
    native = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    said_as = "\n".join((stated, *(str(line["text"]) for line in lines)))
    digest = hashlib.sha256(said_as.encode()).hexdigest()
    key = f"{digest}:{seen[digest]}"
    seen[digest] += 1
    text = "\n".join(filter(None, (fields.get("body"), fields.get("body_translated"), *attachments)))
    pages = tuple(sorted({int(str(line["page"])) for line in lines}))
    return Printed(said, key, native, pages, text)


def _body(one: Said) -> list[_Row]:
    return [_Row(text, "body") for text in _wrapped(one.text)]


def _wrapped(text: str) -> list[str]:
    return [
        part
        for line in text.split("\n")
        for part in textwrap.wrap(" ".join(line.split()), CHARACTERS, break_on_hyphens=False)
    ]


def _time(at: datetime, zone: ZoneInfo, form: str) -> str:
    """Write a time as people do: no zero before a day or an hour."""
    local = at.astimezone(zone)
    return local.strftime(form.replace("{d}", str(local.day)).replace("{I}", str(local.hour % 12 or 12)))


def _printable(text: str) -> str:
    text.encode("cp1252")  # the standard fonts of PDF have no more: raises UnicodeEncodeError, a ValueError
    return text


def _picture(sheet: canvas.Canvas) -> None:
    from reportlab.lib.utils import ImageReader

    from examples.district.documents import _picture as drawn

    sheet.drawImage(ImageReader(drawn(["a page that somebody scanned"])), 54, 500, width=480, height=60)


REMIND_LAYOUT = """
app = "remind"
layout_version = 1
marks = ["Remind message history"]
head = ["{sender} ({role}) to {recipients}", "{sent_at}"]
attachment = ["Attachment: {attachment}"]
furniture = ["{owner}: individual and group messages", "Page {number} of {number}"]
total = "Total messages: {total}"
zone = "All times are shown in {zone}"
time_zone = "America/Los_Angeles"
time_formats = ["%b %d, %Y at %I:%M %p"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2026-03-01
"""
"""The layout of ``remind_history``, as a person would have confirmed it."""

PARENTSQUARE_LAYOUT = """
app = "parentsquare"
layout_version = 1
marks = ["ParentSquare - Messages"]
head = ["{sender} {sent_at}"]
attachment = ["Attached file: {attachment}"]
furniture = ["Conversation with {thread}", "https://{skip} {number}/{number}"]
time_zone = "America/Los_Angeles"
time_formats = ["%m/%d/%Y, %I:%M %p"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2026-03-01
"""

TALKINGPOINTS_LAYOUT = """
app = "talkingpoints"
layout_version = 1
marks = ["TalkingPoints conversation history"]
day = "{sent_on}"
head = ["{sent_at} {sender}"]
translated = ["Translated to {language}:"]
furniture = ["Family: {thread}", "Page {number}"]
time_zone = "America/Los_Angeles"
time_formats = ["%A, %B %d, %Y %I:%M %p"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2026-03-01
"""
