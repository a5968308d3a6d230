"""Cuts the lines of a printout into messages, as a layout says. Every line is counted in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.transcript_layouts import Layout, Templates, edges, shape_of
from connectors.transcript_pages import Line, Pages

_TOP, _FOOT = 10, 5
"""Lines from the top and from the foot of a page among which furniture is looked for."""

_MOST_BETWEEN = 6
"""Lines between two messages: a conversation, a day and what else a layout says of it."""

_FRONT = ("marks", "total", "zone", "furniture")


@dataclass(slots=True)
class Message:
    """One message.

    Attributes:
        fields: What its lines say, by name; see ``transcript_layouts.FIELDS``. ``body`` and
            ``body_translated`` have a line feed where a printed line ends.
        lines: Those that it stands on, its head too.
        attachments: Names of files.
        deleted: The printout says that it was deleted.
        about: What the printout says of the conversation it is in, outside of the message.
        broken_off: A page that could not be read follows, on which it may go on.
    """

    fields: dict[str, str]
    lines: list[Line]
    about: dict[str, str]
    attachments: list[str] = field(default_factory=list)
    deleted: bool = False
    broken_off: bool = False

    @property
    def stated(self) -> str:
        """When it was sent, as it is printed."""
        return " ".join(filter(None, (self.fields.get("sent_on"), self.fields["sent_at"])))


@dataclass(frozen=True, slots=True)
class Cut:
    """What a printout was cut into.

    Attributes:
        messages: In the order of the pages.
        unplaced: Lines that belong to no message and that the layout does not explain.
        furniture: How many lines of heads and feet there are, of days, and of messages that go on.
        totals: What the printout says of its number of messages, each figure once.
        zone: What it says of its time zone; empty for nothing.
        fits: Whether every mark of the layout stands on the first page.
    """

    messages: tuple[Message, ...]
    unplaced: tuple[Line, ...]
    furniture: int
    totals: tuple[int, ...]
    zone: str
    fits: bool


def cut(pages: Pages, layout: Layout) -> Cut:
    """Cut a printout.

    A page that could not be read ends the message before it: nobody knows whose the lines after it are.

    Args:
        pages: Its lines.
        layout: How the app prints.
    """
    return _Cutter(pages, Templates(layout)).cut()


class _Cutter:
    def __init__(self, pages: Pages, templates: Templates) -> None:
        self._pages = pages
        self._templates = templates
        self._head = templates.parts["head"]
        self._edges = edges(pages) if pages.paged else frozenset()
        self._about: dict[str, str] = {}
        self._begun: dict[str, str] = {}
        self._totals: dict[int, None] = {}
        self._zone = ""
        self._furniture = 0
        self._unplaced: list[Line] = []
        self._marked: set[int] = set()

    def cut(self) -> Cut:
        messages: list[Message] = []
        open_one: Message | None = None
        translated = False
        day = ""
        plain = list(self._plain())
        at = 0
        while at < len(plain):
            line, about = plain[at]
            if line is None:  # a page that could not be read
                if open_one is not None:
                    open_one.broken_off = True
                open_one = None
                at += 1
            elif (said := self._begins(plain, at)) is not None:
                lines = [one for one, _ in plain[at : at + len(self._head)] if one is not None]
                open_one = self._opened(said, lines, about | self._begun, day)
                messages.append(open_one)
                translated = False
                at += len(self._head)
            elif (told := self._between(plain, at)) is not None:
                day = told.pop("sent_on", day)
                self._begun = self._begun | told
                open_one = None
                self._furniture += 1
                at += 1
            elif open_one is None:
                self._unplaced.append(line)
                at += 1
            elif self._templates.match("continued", line.text) is not None:
                self._furniture += 1
                at += 1
            else:
                translated = self._add(open_one, line, translated=translated)
                at += 1
        fits = self._marked >= set(range(len(self._templates.parts["marks"])))
        return Cut(
            tuple(messages), tuple(self._unplaced), self._furniture, tuple(self._totals), self._zone, fits
        )

    def _plain(self) -> Iterator[tuple[Line | None, dict[str, str]]]:
        """Yield the lines that are no furniture, with what was said of the conversation; None for a gap."""
        started = False
        for page in self._pages.pages:
            if page.state not in {"text", "blank"}:
                yield None, self._about
                continue
            for line in page.lines:
                # before the first message everything is front matter
                edge = not self._pages.paged or not started or line.number <= _TOP
                edge = edge or line.number > len(page.lines) - _FOOT
                if edge and self._outside(line):
                    continue
                started = started or self._templates.one(self._head[-1], line.text) is not None
                yield line, self._about

    def _outside(self, line: Line) -> bool:
        """Say whether a line at the edge of a page is no part of a message, and take down what it says."""
        for part in _FRONT:
            for number, template in enumerate(self._templates.parts[part]):
                if (said := self._templates.one(template, line.text)) is not None:
                    if part == "marks" and line.page == self._pages.pages[0].number:
                        self._marked.add(number)
                    self._take_down(said)
                    self._furniture += 1
                    return True
        head = any(self._templates.one(template, line.text) is not None for template in self._head)
        if shape_of(line.text) in self._edges and not head:
            self._unplaced.append(line)  # comes back on most pages, and the layout does not name it
            return True
        return False

    def _take_down(self, said: dict[str, str]) -> None:
        told = {name: said[name] for name in ("thread", "owner") if said.get(name)}
        if told:
            self._about = self._about | told
        if said.get("total"):
            digits = "".join(filter(str.isdigit, said["total"]))
            self._totals[int(digits[:12] or "0")] = None
        self._zone = self._zone or said.get("zone", "")

    def _begins(self, plain: list[tuple[Line | None, dict[str, str]]], at: int) -> dict[str, str] | None:
        """Return what the head of a message says that begins here; None where none does."""
        said: dict[str, str] = {}
        if at + len(self._head) > len(plain):
            return None
        for offset, template in enumerate(self._head):
            line = plain[at + offset][0]
            found = None if line is None else self._templates.one(template, line.text)
            if found is None:
                return None
            said |= found
        return said

    def _between(self, plain: list[tuple[Line | None, dict[str, str]]], at: int) -> dict[str, str] | None:
        """Return what a line says that stands between messages, a day or a conversation; None for any other.

        Only where a message follows, else it is somebody's words.
        """
        told: dict[str, str] | None = None
        for number in range(at, min(at + _MOST_BETWEEN, len(plain))):
            line = plain[number][0]
            if line is None:
                return None
            said = self._templates.match("day", line.text)
            if said is None:
                said = self._templates.match("conversation", line.text)
            if said is None:
                return told if self._begins(plain, number) is not None else None
            told = {name: value for name, value in said.items() if value} if told is None else told
        return None

    def _opened(self, said: dict[str, str], lines: list[Line], about: dict[str, str], day: str) -> Message:
        fields = {name: value.strip() for name, value in said.items() if value and value.strip()}
        if day:
            fields["sent_on"] = day
        return Message(fields, lines, about)

    def _add(self, message: Message, line: Line, *, translated: bool) -> bool:
        """Add a line to a message; returns whether it is of the translation from here on."""
        message.lines.append(line)
        if (said := self._templates.match("translated", line.text)) is not None:
            if said.get("language"):
                message.fields["language"] = said["language"]
            if said.get("body"):
                _say(message, "body_translated", said["body"])
            return True
        if (said := self._templates.match("attachment", line.text)) is not None:
            message.attachments.append(said.get("attachment") or line.text)
            return translated
        if self._templates.match("deleted", line.text) is not None:
            message.deleted = True
        _say(message, "body_translated" if translated else "body", line.text)
        return translated


def _say(message: Message, name: str, text: str) -> None:
    before = message.fields.get(name)
    message.fields[name] = text if before is None else f"{before}\n{text}"
