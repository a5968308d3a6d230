"""Layouts: how an app prints its messages, confirmed by a person once and kept by version.

School messaging apps publish no layout of their printouts, and change it. As with column maps
(``connectors.column_maps``) nothing is guessed while a request runs: a layout is proposed from a printout, a
person compares it with the pages and signs it, and a printout that it does not fit is told as such.

A layout is written in lines as they are printed, with a name in braces where a printout says something:
``{sender} ({role}) to {recipients}``. There are no regular expressions in it: a records officer confirms it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.signed_files import listed, quoted, read_signable, require_signature, require_zone
from connectors.transcript_pages import Pages

FIELDS: Mapping[str, str] = {
    "sent_at": "when it was sent, as `time_formats` say; needed",
    "sent_on": "the day, where it stands on a line of its own; `sent_at` is the clock then",
    "sender": "who wrote it; needed",
    "recipients": "to whom, several parted by `between`",
    "role": "what the sender is to the app",
    "body": "what it says, where that begins on the same line",
    "language": "of a translation",
    "attachment": "name of a file",
    "thread": "the conversation",
    "owner": "whose history it is",
    "message_id": "the app's own id",
    "total": "how many messages the printout says that it has",
    "zone": "the time zone that the printout says its times have",
    "number": "a number that differs, such as a page's",
    "skip": "anything else",
}
"""What may stand in braces, and what it means."""

PARTS: Mapping[str, str] = {
    "marks": "lines of the first page by which the app's printout is known; all must be there; needed",
    "head": "the line, or the lines one after the other, with which a message begins; needed",
    "conversation": "a line with which another conversation begins, wherever it stands on a page",
    "day": "a line that gives the day of all that follows",
    "continued": "a line that says that a message goes on, on the next page",
    "translated": "a line after which the same follows in another language: both are records",
    "attachment": "a line that names a file",
    "deleted": "a line that says that a message was deleted",
    "furniture": "lines at the top or the foot of pages, and of the first page before the first message",
    "total": "the line that says how many messages there are",
    "zone": "the line that says which time zone the times have",
}
"""The parts of a layout, and what they are."""

_ALLOWED: Mapping[str, frozenset[str]] = {
    "marks": frozenset({"owner", "thread", "number", "skip"}),
    "head": frozenset({
        "sent_at", "sender", "recipients", "role", "body", "thread", "message_id", "zone", "skip",
    }),
    "conversation": frozenset({"thread", "recipients", "owner", "number", "skip"}),
    "day": frozenset({"sent_on", "skip"}),
    "continued": frozenset({"sender", "sent_at", "skip"}),
    "translated": frozenset({"language", "skip", "body"}),
    "attachment": frozenset({"attachment", "number", "skip"}),
    "deleted": frozenset({"skip", "sender"}),
    "furniture": frozenset({"owner", "thread", "number", "skip"}),
    "total": frozenset({"total", "number", "skip"}),
    "zone": frozenset({"zone", "skip"}),
}  # fmt: skip

LONGEST = 400
"""Characters of a line that is looked at as a head: a longer one is somebody's words."""

_MOST_FREE = 4
_OF_A_FORM = frozenset({"number", "total", "sent_at", "sent_on"})
"""Names of what has a form of its own, so that it is told from what stands beside it."""

_NUMBER = r"\d+(?:[,.]\d+)*"
_ANY = r"\S(?:.*?\S)?"
_BRACES = re.compile(r"\{([a-z_]+)\}")
_CLOCKS = re.compile(r"%[HI]")

_RELATIVE = "(?i:today|yesterday|(?:sun|mon|tues|wednes|thurs|fri|satur)day)"
"""Days that say nothing once they are printed; a message that has one begins there nevertheless."""

_DIRECTIVES: Mapping[str, str] = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "I": r"\d{1,2}",
    "M": r"\d{2}", "S": r"\d{2}", "p": r"[AaPp]\.?[Mm]\.?", "b": r"[A-Za-z]{3,4}\.?", "B": r"[A-Za-z]{3,9}",
    "a": r"[A-Za-z]{3,4}\.?", "A": r"[A-Za-z]{6,9}", "z": r"(?:Z|[+-]\d{2}:?\d{2})",
}  # fmt: skip
"""What each of ``datetime.strptime``'s directives looks like in print."""

_DATES = (
    "%b %d, %Y", "%B %d, %Y", "%m/%d/%Y", "%m/%d/%y", "%Y-%m-%d", "%a, %b %d, %Y", "%A, %B %d, %Y",
    "%a %b %d, %Y", "%A %B %d, %Y", "%d %b %Y", "%d %B %Y",
)  # fmt: skip
_CLOCK_FORMS = ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S", "%H:%M", "%I:%M%p")
_BETWEEN = (" at ", ", ", " ", " - ", "T")
_TOTALS = re.compile(r"(?i)\b(?:total|count|number)\b.*?\d[\d,.]*|\d[\d,.]* messages?\b")
_FOOT = re.compile(r"(?i)page \{number\}(?: (?:of|/) \{number\})?|.* \{number\} ?/ ?\{number\}|https?://\S+")
_ZONES = re.compile(r"(?i)\b(?:time ?zone|times?)\b")


class Layout(BaseModel):
    """How one app prints its messages; see ``PARTS`` and ``FIELDS``.

    Attributes:
        app: Whose printout it is.
        layout_version: Counts up with each form that the app's printout has had.
        between: What stands between several recipients.
        time_zone: Of times that state no zone, where the printout says none.
        time_formats: Forms of the time, as ``datetime.strptime`` has them, tried in this order. Where the day
            has a line of its own, it and the clock stand side by side with a space.
        confirmed_by: Who looked at the layout and found it right; empty for a proposal.
        confirmed_on: When.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
    layout_version: int = Field(ge=1)
    marks: tuple[str, ...] = Field(min_length=1)
    head: tuple[str, ...] = Field(min_length=1, max_length=4)
    conversation: tuple[str, ...] = ()
    day: str = ""
    continued: tuple[str, ...] = ()
    translated: tuple[str, ...] = ()
    attachment: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    furniture: tuple[str, ...] = ()
    total: str = ""
    zone: str = ""
    between: str = Field(";", min_length=1)
    time_zone: str
    time_formats: tuple[str, ...] = Field(min_length=1)
    confirmed_by: str = ""
    confirmed_on: date | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Layout:
        require_zone(self.time_zone)
        for form in self.time_formats:
            if unknown := sorted(set(re.findall(r"%(.?)", form)) - set(_DIRECTIVES)):
                raise ValueError(f"time_formats: %{unknown[0]} not known; known: %{', %'.join(_DIRECTIVES)}")
            if self.day and not (_day_form(form) and _clock_form(form)):
                raise ValueError(f"time_formats: {form} is no day, a space and a clock, as `day` needs")
        for part in PARTS:
            for template in self.of(part):
                self._check(part, template)
        said = Counter(name for line in self.head for name in _BRACES.findall(line))
        if said["sent_at"] != 1 or said["sender"] != 1:
            raise ValueError("head: needs {sent_at} and {sender}, each once")
        if twice := [name for name, number in said.items() if number > 1 and name != "skip"]:
            raise ValueError(f"head: {{{twice[0]}}} stands there twice")
        for part, name in (("day", "sent_on"), ("total", "total"), ("zone", "zone")):
            if (template := getattr(self, part)) and name not in _BRACES.findall(template):
                raise ValueError(f"{part}: needs {{{name}}}")
        return self

    def of(self, part: str) -> tuple[str, ...]:
        """Return the lines of a part."""
        value = getattr(self, part)
        return value if isinstance(value, tuple) else tuple(filter(None, (value,)))

    def _check(self, part: str, template: str) -> None:
        names = _BRACES.findall(template)
        if unknown := sorted(set(names) - _ALLOWED[part]):
            raise ValueError(
                f"{part}: {{{unknown[0]}}} cannot stand there; known: "
                f"{', '.join(f'{{{name}}}' for name in sorted(_ALLOWED[part]))}"
            )
        free = [name for name in names if name not in {*_OF_A_FORM, "body"}]
        if len(free) > _MOST_FREE:
            raise ValueError(f"{part}: more than {_MOST_FREE} names in braces on one line, without {{body}}")
        for before, after in re.findall(r"\{([a-z_]+)\} *(?=\{([a-z_]+)\})", template):
            if before not in _OF_A_FORM and after not in _OF_A_FORM:
                raise ValueError(f"{part}: nothing tells where {{{before}}} ends and {{{after}}} begins")
        if "body" in names and not template.endswith("{body}"):
            raise ValueError(f"{part}: {{body}} is the last on its line")
        telling = re.sub(r"[\W_]+", "", _BRACES.sub("", template))
        if part not in {"head", "day"} and len(telling) < 2 and names not in ([], ["number"]):
            raise ValueError(f"{part}: a line without words of its own would be every line")


def read_layout(text: str, where: str) -> Layout:
    """Read a layout that a person has confirmed.

    Args:
        text: TOML.
        where: Names the source, for messages.

    Raises:
        SettingsError: It is no layout, or nobody has confirmed it.
    """
    found = read_unsigned(text, where)
    require_signature(found, where, "layout", "printout")
    return found


def read_unsigned(text: str, where: str) -> Layout:
    """Read a layout, whether a person has confirmed it or not: for looking at it only.

    Args:
        text: TOML.
        where: Names it, for messages.

    Raises:
        SettingsError: It is no layout.
    """
    return read_signable(Layout, text, where, "layout")


class Templates:
    """The lines of a layout, ready to be compared with printed ones."""

    def __init__(self, layout: Layout) -> None:
        """Compile every line."""
        self._layout = layout
        clocks = "|".join(map(_printed, filter(None, map(_clock_form, layout.time_formats))))
        whole = "|".join(map(_printed, layout.time_formats))
        relative = rf"|{_RELATIVE},?[ \t]+(?:at[ \t]+)?(?:{clocks})" if clocks else ""
        self._stamp = f"(?:{clocks})" if layout.day else f"(?:{whole}{relative})"
        self.parts = {part: tuple(map(self._compiled, layout.of(part))) for part in PARTS}

    def match(self, part: str, text: str) -> dict[str, str] | None:
        """Return what a printed line says by one of a part's lines; None when it is none of them."""
        for template in self.parts[part]:
            if (found := self.one(template, text)) is not None:
                return found
        return None

    @staticmethod
    def one(template: re.Pattern[str], text: str) -> dict[str, str] | None:
        """Return what a printed line says by one line of a layout, or None."""
        body = "body" in template.groupindex
        found = template.match(text, 0, LONGEST) if body else None
        if found is not None and len(text) > LONGEST:
            return found.groupdict() | {"body": text[found.start("body") :]}
        if found is None and len(text) <= LONGEST:
            found = template.match(text)
        return None if found is None else found.groupdict()

    def _compiled(self, template: str) -> re.Pattern[str]:
        """Return a pattern that takes no time: a field ends where it first can, and is looked at once."""
        stretches = [""]
        for number, piece in enumerate(_BRACES.split(template)):
            if not number % 2:
                stretches[-1] += _literal(piece)
            elif piece == "sent_at":
                stretches[-1] += f"(?P<sent_at>{self._stamp})"
            elif piece == "sent_on":
                days = "|".join(map(_printed, map(_day_form, self._layout.time_formats)))
                stretches[-1] += f"(?P<sent_on>{days}|{_RELATIVE})"
            elif piece in {"number", "total"}:
                stretches[-1] += _NUMBER if piece == "number" else f"(?P<total>{_NUMBER})"
            elif piece == "body":
                stretches[-1] += r"(?P<body>.*)"
            else:
                stretches.append(_ANY if piece == "skip" else f"(?P<{piece}>{_ANY})")
        stretches[-1] += r"\Z"
        return re.compile("".join(f"(?>{one})" for one in stretches), re.DOTALL)


def _literal(text: str) -> str:
    """Return a pattern of printed words: a space is any gap, a tab a wide one."""
    return re.sub(
        r"[ \t]+", lambda gap: r"\t" if "\t" in gap[0] else r"[ \t]+", re.sub(r"([^\w \t])", r"\\\1", text)
    )


def _printed(form: str) -> str:
    """Return a pattern of how a time of a form is printed."""
    pieces = re.split(r"%(.)", form)
    return "".join(
        rf"{_DIRECTIVES[piece]}" if number % 2 else _literal(piece) for number, piece in enumerate(pieces)
    )


def _day_form(form: str) -> str:
    clock = _CLOCKS.search(form)
    return form[: clock.start()].strip() if clock and form[: clock.start()].endswith(" ") else ""


def _clock_form(form: str) -> str:
    clock = _CLOCKS.search(form)
    return form[clock.start() :] if clock else ""


def read_time(stated: str, forms: Iterable[str]) -> datetime | None:
    """Read a printed time by the first form that fits; None when none does."""
    plain = re.sub(r"\s+", " ", re.sub(r"(?i)\b([ap])\.?m\b\.?", r"\1m", stated))
    plain = re.sub(r"([A-Za-z]{3})[a-z]?\.(?= |,)", r"\1", plain)
    for form in forms:
        try:
            return datetime.strptime(plain, form)  # noqa: DTZ007 - the caller applies the zone
        except ValueError:
            continue
    return None


# --- proposing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """A form of time in a printout, and the lines that have it.

    Attributes:
        form: For ``datetime.strptime``.
        lines: Place of each line among all lines, what stands before the time, and what after.
    """

    form: str
    lines: tuple[tuple[int, str, str], ...]

    @cached_property
    def alone(self) -> bool:
        """Whether most of these lines say nothing else."""
        bare = sum(
            not (before.strip(" \t-–·|,()") or after.strip(" \t-–·|,()")) for _, before, after in self.lines
        )
        return bare * 2 > len(self.lines)


def proposed(app: str, pages: Pages, zone: str) -> tuple[str, list[str]]:
    """Propose a layout for a printout, as TOML for a person to correct and confirm.

    Only one that prints a time with each message can be proposed; the words around the times, the lines that
    come back on every page and the first line are taken over as they are.

    Args:
        app: Whose printout it is.
        pages: The printout.
        zone: Of times that state no zone.

    Returns:
        The layout, and what it lacks: ``head`` where no times were found.
    """
    lines = list(pages.lines)
    furniture = edges(pages, 2)
    said = [line.text for line in lines]
    inner = [n for n, line in enumerate(lines) if shape_of(line.text) not in furniture]
    seen, day = _times(said, inner)
    head: list[str] = []
    form = "%m/%d/%Y %I:%M %p"
    if seen is not None:
        form = seen.form
        head = _head(said, seen)
        if day is not None:
            form = f"{day.form} {seen.form}"
    first = seen.lines[0][0] if seen is not None else min(len(said), 20)
    front = said[: max(0, first - (len(head) - 1 if head and head[-1] == "{sent_at}" else 0))]
    front = [text for text in front if day is None or text != said[day.lines[0][0]]]
    marks = [next((text for text in front if app.casefold() in text.casefold()), front[0])] if front else []
    total = next((text for text in front if _TOTALS.search(text)), "")
    zoned = next((text for text in front if _ZONES.search(text) and text != total), "")
    rest = {shape_of(text) for text in front if text not in {*marks, total, zoned}}
    stated = {
        "marks": [_escaped(text) for text in marks],
        "head": head,
        "furniture": sorted((rest | furniture) - {shape_of(text) for text in (*marks, total, zoned) if text}),
    }
    texts = {
        "day": "{sent_on}" if day is not None else "",
        "total": re.sub(_NUMBER, "{total}", _escaped(total), count=1),
        "zone": re.sub(r"(?i)^(.*\b(?:in|zone:?|are)\s+)\S.*$", r"\1{zone}", _escaped(zoned)),
    }
    if "{zone}" not in texts["zone"]:
        stated["furniture"] += [texts["zone"]] if texts["zone"] else []
        texts["zone"] = ""
    lacks = [name for name in ("marks", "head") if not stated[name]]
    out = [
        "# A proposal: compare each line with the printout, correct it, then write who confirms it and when.",
        *(f"# {name}: {meaning}" for name, meaning in PARTS.items()),
        "# In braces:",
        *(f"#   {name}: {meaning}" for name, meaning in FIELDS.items()),
        f"app = {quoted(app)}",
        "layout_version = 1",
        *(f"{name} = {listed(values)}" for name, values in stated.items()),
        *(f"{name} = {quoted(value)}" for name, value in texts.items() if value),
        "conversation = []",
        "continued = []",
        "translated = []",
        "attachment = []",
        "deleted = []",
        'between = ";"',
        f"time_zone = {quoted(zone)}",
        f"time_formats = [{quoted(form)}]",
        'confirmed_by = ""',
        "# confirmed_on = 2026-01-31",
    ]
    return "\n".join(out) + "\n", lacks


def edges(pages: Pages, least: int = 3) -> frozenset[str]:
    """Return what stands at the top or the foot of most pages and nowhere else, with numbers in braces.

    Args:
        pages: A printout.
        least: Pages from which on what comes back says something.
    """
    printed = [[shape_of(line.text) for line in page.lines] for page in pages.pages if page.lines]
    found = {shape for page in printed for shape in page[-1:] if _FOOT.fullmatch(shape)}
    if len(printed) < least:
        return frozenset(found)
    everywhere = Counter(shape for page in printed for shape in page)
    for one in (1, -1):
        for place in range(min(map(len, printed))):
            shape, number = Counter(page[::one][place] for page in printed).most_common(1)[0]
            # the head of a message may stand first on most pages too, but then on others places as well
            if number * 3 < len(printed) * 2 or everywhere[shape] > len(printed):
                break
            found.add(shape)
    return frozenset(found)


def shape_of(text: str) -> str:
    """Return a printed line with each number as ``{number}``."""
    return re.sub(_NUMBER, "{number}", _escaped(text))


def _times(said: Sequence[str], inner: Sequence[int]) -> tuple[_Seen | None, _Seen | None]:
    """Return the form of time that most lines have, and that of lines which are a day alone."""
    whole = [f"{day}{between}{clock}" for day in _DATES for between in _BETWEEN for clock in _CLOCK_FORMS]
    best = _most(said, inner, whole)
    clocks, days = _most(said, inner, _CLOCK_FORMS), _most(said, inner, _DATES)
    apart = clocks is not None and days is not None and days.alone
    if apart and clocks is not None and (best is None or len(best.lines) * 2 < len(clocks.lines)):
        return clocks, days
    return best, None


def _most(said: Sequence[str], inner: Sequence[int], forms: Iterable[str]) -> _Seen | None:
    """Return the form that most lines have; of several, that which leaves least of them unread."""
    best: _Seen | None = None
    most = (0, 0)
    for form in forms:
        pattern = re.compile(rf"(?<![\w/:]){_printed(form)}(?![\w/:])")
        found = [
            (n, said[n][: at.start()], said[n][at.end() :])
            for n in inner
            if (at := pattern.search(said[n][:LONGEST])) is not None and read_time(at[0], [form]) is not None
        ]
        rank = (len(found), -sum(len(before) + len(after) for _, before, after in found))
        if found and rank > most:
            best, most = _Seen(form, tuple(found)), rank
    return best


def _head(said: Sequence[str], seen: _Seen) -> list[str]:
    """Return the lines with which a message begins."""
    if seen.alone:
        above = [said[n - 1] for n, _, _ in seen.lines if n]
        return [_people(above), "{sent_at}"]
    before = [one for _, one, _ in seen.lines]
    after = [one for _, _, one in seen.lines]
    if _filled(before):
        return [_people([one.rstrip(" \t-–·|,(") for one in before]) + _common_end(before) + "{sent_at}"
                + (_tail(after))]  # fmt: skip
    start = _common_start(after)
    rest = [one[len(start) :] for one in after]
    opening = _common_end(before)
    if sum(": " in one for one in rest) * 2 > len(rest):
        return [f"{opening}{{sent_at}}{start}{{sender}}: {{body}}"]
    return [f"{opening}{{sent_at}}{start or ' '}{_people(rest)}"]


def _filled(texts: Sequence[str]) -> bool:
    return sum(bool(re.search(r"\w", text)) for text in texts) * 2 > len(texts)


def _tail(after: Sequence[str]) -> str:
    common = Counter(after).most_common(1)[0][0]
    return common if not _filled(after) else " {skip}"


def _people(texts: Sequence[str]) -> str:
    """Return how most of these lines name sender and receiver."""
    shapes = (
        (re.compile(r".+ \([^()]+\) to .+"), "{sender} ({role}) to {recipients}"),
        (re.compile(r"From:? .+ To:? .+"), "From: {sender} To: {recipients}"),
        (re.compile(r".+ to .+"), "{sender} to {recipients}"),
        (re.compile(r".+ (?:→|->|>) .+"), "{sender} → {recipients}"),
        (re.compile(r".+ \([^()]+\)"), "{sender} ({role})"),
        (re.compile(r"From: .+"), "From: {sender}"),
    )
    for shape, template in shapes:
        if sum(shape.fullmatch(text.strip()) is not None for text in texts) * 2 > len(texts):
            return template
    return "{sender}"


def _common_end(texts: Sequence[str]) -> str:
    ends = Counter(re.search(r"[ \t\-–·|,(]*$", text)[0] for text in texts)  # type: ignore[index]
    return ends.most_common(1)[0][0]


def _common_start(texts: Sequence[str]) -> str:
    starts = Counter(re.match(r"[ \t\-–·|,)\]]*", text)[0] for text in texts)  # type: ignore[index]
    return starts.most_common(1)[0][0]


def _escaped(text: str) -> str:
    """Return a printed line without braces of its own."""
    return text.replace("{", "(").replace("}", ")")
