"""Finding in plain text what can lead elsewhere: addresses, numbers, links, apps, who wrote which part.

Every pattern is bounded, so that a hostile text of a megabyte takes the time of a friendly one. In the
patterns here and in ``signals.toml`` a blank stands for one to eight characters of white space: lines are
broken anywhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import phonenumbers

from search.unsearched import LINK_HOSTS

REGION = "US"
NEAR = 60
"""Characters within which the address or number follows the words that announce it."""

Place = tuple[int, int]
"""First character and the one after the last, in the text as given."""


def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Compile a pattern in which a blank stands for white space of any kind, eight characters at most."""
    return re.compile(pattern.replace(" ", r"\s{1,8}"), flags)


# -- the data file


@dataclass(frozen=True, slots=True)
class App:
    """An application in which people write to one another.

    Attributes:
        name: What the signal is called.
        triggers: Lower-case strings one of which stands in every text that names it: a quick look first.
        pattern: What counts as naming it.
    """

    name: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Words:
    """What ``signals.toml`` holds.

    Attributes:
        apps: In the order of their names.
        roles: Words of an address that several people read.
        lists: Words of an address that hands on to many and keeps nothing.
        machines: Words of an address that nobody reads.
    """

    apps: tuple[App, ...]
    roles: frozenset[str]
    lists: frozenset[str]
    machines: frozenset[str]


@cache
def words() -> Words:
    """Return the data file, read once."""
    raw = tomllib.loads((Path(__file__).parent / "signals.toml").read_text("utf-8"))
    apps = [
        App(one["name"], tuple(one["triggers"]), compiled("|".join(f"(?:{p})" for p in one["patterns"])))
        for one in raw["app"]
    ]
    return Words(
        tuple(sorted(apps, key=lambda app: app.name)),
        frozenset(raw["addresses"]["roles"]),
        frozenset(raw["addresses"]["lists"]),
        frozenset(raw["addresses"]["machines"]),
    )


def apps_in(text: str, lower: str | None = None) -> Iterator[tuple[str, Place]]:
    """Yield every place at which an app is named, app by app."""
    small = text.lower() if lower is None else lower
    for app in words().apps:
        if any(trigger in small for trigger in app.triggers):
            for found in app.pattern.finditer(text):
                yield app.name, found.span()


# -- addresses and numbers

# A run of more than 64 characters before the @ is no local part (RFC 5321 section 4.5.3.1.1).
_EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.+%'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,7}\.[A-Za-z]{2,24}"
)
_NUMBER = re.compile(
    r"(?<![\w+.-])(?:\+?1[-. ]?)?(?:\(\d{3}\)[-. ]{0,2}|\d{3}[-. ]?)?\d{3}[-. ]?\d{4}(?![\w-]|\.\d)"
    r"|(?<![\w+])\+\d{1,3}(?:[-. ()]{0,2}\d{1,5}){2,6}(?!\w)"
)


def emails_in(text: str) -> Iterator[tuple[str, Place]]:
    """Yield every e-mail address in lower case, with its place."""
    if "@" not in text:
        return
    for found in _EMAIL.finditer(text):
        start = found.start() + len(found[0]) - len(found[0].lstrip("'-.%"))
        yield text[start : found.end()].lower(), (start, found.end())


def numbers_in(text: str) -> Iterator[tuple[str, Place]]:
    """Yield everything in the shape of a telephone number, as ``number`` writes it, with its place."""
    for found in _NUMBER.finditer(text):
        yield number(found[0]), found.span()


@lru_cache(maxsize=65_536)
def number(text: str) -> str:
    """Return a telephone number in its international form (E.164); what is none comes back as it is."""
    stripped = text.strip()
    if not stripped or any(letter.isalpha() for letter in stripped) or "@" in stripped:
        return stripped
    try:
        parsed = phonenumbers.parse(stripped, REGION)
    except phonenumbers.NumberParseException:
        return stripped
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def account(handle: str) -> str:
    """Return an address in lower case, or a number in its international form."""
    return handle.strip().lower() if "@" in handle else number(handle)


def first_number(text: str) -> tuple[str, Place] | None:
    """Return the first telephone number of a short text, as the library sees one."""
    leniency = phonenumbers.Leniency.POSSIBLE
    for match in phonenumbers.PhoneNumberMatcher(text, REGION, leniency=leniency):
        made = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
        return made, (match.start, match.end)
    return None


# -- what announces an address or a number of one's own

_OWN = r"(?:own|personal|private|home|other|new)"
_MAIL = r"(?:g-?mail|yahoo|hotmail|aol|icloud|protonmail|e-?mail|account|address)"
_PHONE = r"(?:cell ?phone|cell number|cell|mobile phone|mobile number|mobile|phone number|phone|number)"
_MAIL_CUE = compiled(
    rf"\bmy (?:{_OWN} ){{0,3}}{_MAIL}(?: (?:account|address|e-?mail))?\b"
    r"|\b(?:e-?mail|mail|write|reach|contact|answer|copy|cc|(?:send|forward) (?:it|this|that|them|those)) "
    r"(?:to )?me\b",
    re.IGNORECASE,
)
_PHONE_CUE = compiled(
    rf"\b(?:text|txt|sms|imessage) (?:to )?me\b|\bsend me a text\b|\bmy (?:{_OWN} ){{1,3}}{_PHONE}\b"
    r"|\bmy (?:cell ?phone|cell number|cell|mobile phone|mobile number|mobile)\b",
    re.IGNORECASE,
)
_DEVICE_PHONE = compiled(
    r"\b(?:text|txt|imessage) me\b|\bsend me a text\b"
    r"|\bmy (?:own|personal|private) (?:cell ?phone|cell|mobile phone|mobile|phone|i-?phone|number)\b",
    re.IGNORECASE,
)
_DEVICE_MAIL = compiled(
    r"\bmy (?:g-?mail|yahoo|hotmail|aol|icloud|protonmail)\b"
    r"|\bmy (?:own|personal|private|home) (?:g-?mail|e-?mail|mail account|account|inbox)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]\s|\n\s*\n")
_OFFICE = re.compile(r"\b(?:work|office|desk|school|district)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Announced:
    """An address or number that its writer calls their own.

    Attributes:
        account: As ``account`` writes it.
        place: Of the words and the account together.
    """

    account: str
    place: Place


_TRIGGERS_OWN = (
    "text me", "txt me", "sms me", "imessage me", "text to me", "me a text", "my own", "my other",
    "my personal", "my private", "my home", "my new", "my cell", "my mobile", "my gmail", "my g-mail",
    "my yahoo", "my hotmail", "my aol", "my icloud", "my protonmail",
)  # fmt: skip


def may_announce(lower: str) -> bool:
    """Say whether a text in lower case can hold what ``announced`` or ``devices`` find."""
    flat = " ".join(lower.replace(">", " ").split())
    return any(trigger in flat for trigger in _TRIGGERS_OWN) or (
        "@" in flat and (" me" in flat or flat.startswith("me ") or "my " in flat)
    )


def announced(text: str) -> Iterator[Announced]:
    """Yield every address and number that words such as "my gmail is" or "text me at" announce."""
    for cue in _MAIL_CUE.finditer(text):
        after = _after(text, cue.end())
        found = next(emails_in(after), None)
        if found is not None:
            yield Announced(found[0], (cue.start(), cue.end() + found[1][1]))
    for cue in _PHONE_CUE.finditer(text):
        after = _after(text, cue.end())
        if not any(letter.isdigit() for letter in after):
            continue
        met = first_number(after)
        if met is not None and not _OFFICE.search(after[: met[1][0]]):
            yield Announced(met[0], (cue.start(), cue.end() + met[1][1]))


def devices(text: str, named: Iterable[Announced] | None = None) -> Iterator[tuple[str, Place]]:
    """Yield ("phone" or "e-mail account", place) where one's own is spoken of without saying which it is.

    Args:
        text: The text.
        named: What ``announced`` found in it, where the caller has that already.
    """
    said = [one.place for one in (announced(text) if named is None else named)]
    for what, pattern in (("phone", _DEVICE_PHONE), ("e-mail account", _DEVICE_MAIL)):
        for found in pattern.finditer(text):
            if not any(start <= found.start() < end for start, end in said):
                yield what, found.span()


def _after(text: str, at: int) -> str:
    """Return what follows, to the end of the sentence or ``NEAR`` characters."""
    window = text[at : at + NEAR]
    end = _SENTENCE_END.search(window)
    return window if end is None else window[: end.start()]


def name_before(text: str, at: int) -> str:
    """Return the name in ``Ann Lee <ann@…>`` where an address begins at ``at``; empty without one."""
    if at < 2 or text[at - 1] != "<":
        return ""
    line = text[max(0, at - 64) : at - 1].rpartition("\n")[2]
    return re.split(r"[:;,>\"]", line.strip().strip('"'))[-1].strip()


# -- links

_HOSTS = "|".join(re.escape(host) for host in LINK_HOSTS)
_LINK = re.compile(
    rf"(?<![\w.=/%@-])(?:https?://)?(?:[a-z0-9-]{{1,63}}\.){{0,4}}(?:{_HOSTS})/[^\s<>\"'\[\]{{}}|\\^`]{{1,2000}}",
    re.IGNORECASE,
)
_WRAPPED = re.compile(
    r"https?://(?:[a-z0-9-]{1,63}\.){0,4}safelinks\.protection\.outlook\.com/[^\s<>\"]{0,200}?[?&;]"
    r"url=([^&\s<>\"]{1,2000})"
    r"|https?://urldefense\.com/v3/__(.{1,2000}?)__;"
    r"|https?://www\.google\.com/url\?(?:q|url)=([^&\s<>\"]{1,2000})",
    re.IGNORECASE,
)
_NAMES_FILE = ("id", "resid", "sourcedoc")
_GOOGLE_HOSTS = ("docs.google.com", "drive.google.com")
_GOOGLE_ID = re.compile(r"/(?:d|folders)/((?:e/)?[\w-]{3,})")
_TRIGGERS = (*LINK_HOSTS, "safelinks.", "urldefense.", "google.com/url?")


def links_in(text: str, lower: str | None = None) -> Iterator[tuple[str, Place]]:
    """Yield the addresses of files kept elsewhere, one spelling for each file, with their places.

    An address inside one of the wrappers that mail filters put around links is taken out of it.
    """
    small = text.lower() if lower is None else lower
    if not any(trigger in small for trigger in _TRIGGERS):
        return
    for found in _LINK.finditer(text):
        named = file_address(found[0])
        if named:
            yield named, found.span()
    for found in _WRAPPED.finditer(text):
        inner = unquote(next(group for group in found.groups() if group))
        whole = _LINK.match(inner)
        named = file_address(whole[0]) if whole else ""
        if named:
            yield named, found.span()


def file_address(url: str) -> str:
    """Return the one spelling of a file's address: host and path, or what names the file; empty for a host.

    Google's ``…/d/ID/edit``, ``…/open?id=ID`` and ``…/folders/ID`` are one file by its id. Of other addresses
    the query is dropped but for ``id``, ``resid`` and ``sourcedoc``.
    """
    bare = url.rstrip(".,;:!?)*_~>")
    parts = urlsplit(bare if "://" in bare else f"https://{bare}")
    host, path = (parts.netloc.lower().removeprefix("www."), parts.path.rstrip("/"))
    kept = {name: parse_qs(parts.query).get(name, [""])[0] for name in _NAMES_FILE}
    if host in _GOOGLE_HOSTS:
        found = _GOOGLE_ID.search(path)
        file_id = found[1] if found else kept["id"]
        return f"{host}/{file_id}" if file_id else ""
    query = "&".join(f"{name}={value}" for name, value in kept.items() if value)
    if not path and not query:
        return ""
    return f"{host}{path}?{query}" if query else f"{host}{path}"


# -- "see attached"

_THINGS = (
    r"(?:files?|documents?|docs?|memos?|letters?|sheets?|spreadsheets?|pdfs?|lists?|forms?|maps?|schedules?"
    r"|agendas?|minutes|drafts?|photos?|pictures?|reports?|tables?|notes?|copy|copies|flyers?|invoices?|contracts?"
    r"|proposals?|plans?|messages?|e-?mails?|slides?|roster|templates?|information)"
)
_ATTACHED = compiled(
    r"\b(?:see|find|review|read|open|check) (?:(?:the|my|our|it|them|a|his|her) )?(?:\w{1,30} )?"
    r"(?:attached|attachments?|enclosed)\b"
    r"|\b(?:attached|enclosed) (?:please )?(?:find|is|are|you will|you'll)\b"
    r"|\b(?:attached|enclosed) (?:for your|as discussed|as requested|as promised|herewith)\b"
    r"|\bI(?:['’]ve| have)? (?:also )?(?:attached|enclosed)\b(?! (?:nothing|no|neither|none)\b)"
    r"|\b(?:is|are) (?:also )?(?:attached|enclosed)\b(?! to (?!this|the e?-?mail|the message))"
    rf"|\bthe attached {_THINGS}\b|\b(?:as an|in the) attachment\b",
    re.IGNORECASE,
)
_NOT_NOW = compiled(
    r"(?:\b(?:no|not|nothing|never|neither|be|if|when|once|until|without|can|could|did|didn['’]t|cannot|can['’]t"
    r"|will|didn)|n['’]t)\s{0,8}(?:you )?$",
    re.IGNORECASE,
)
_QUESTION = re.compile(r"[^.!?\n]{0,80}\?")


def attached_in(text: str) -> Iterator[Place]:
    """Yield where a text says that something is attached to it.

    What is only asked for, still to come or denied does not count: "I attached nothing yet", "will be
    attached", "can you see the attached?".
    """
    for found in _ATTACHED.finditer(text):
        before = text[max(0, found.start() - 24) : found.start()]
        if not _NOT_NOW.search(before) and not _QUESTION.match(text, found.end()):
            yield found.span()


# -- who wrote which part

_WROTE = compiled(r"^On .{1,240}? wrote:\s{0,8}$", re.DOTALL)
_HEADER = re.compile(r"^(?:\*{0,2})(?:From|Von|De):(?:\*{0,2})\s{0,8}(.{1,240})$")
_HEADER_NEXT = re.compile(r"^(?:\*{0,2})(?:Sent|Date|To|Cc|Subject):", re.IGNORECASE)
_MARKS = re.compile(r"[>\s]{0,400}")
_ADDRESS_LINE = re.compile(
    r"^(.{0,120}?)\s{0,8}(?:<|\[mailto:|\()([^<>()\[\]\s@]{1,64}@[^<>()\[\]\s@]{3,254})"
)


_BEFORE_NAME = re.compile(r"[,;]| (?:AM|PM)\b| at \d|[+-]\d{4}|\d{1,2}:\d\d(?::\d\d)?")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a message by one writer.

    Attributes:
        text: With the marks of quotation blanked out, so that places are those of the whole text.
        start: Where it begins in the whole text.
        own: Written by the sender of the message.
        author: Name and address of who wrote a quoted part, as its heading says; empty texts where none does.
    """

    text: str
    start: int
    own: bool
    author: tuple[str, str] = ("", "")


def parts_of(text: str) -> list[Part]:
    """Cut a message into what its sender wrote and what is quoted or forwarded, in order.

    Lines that begin with ``>`` are quoted. ``On … wrote:`` names the writer of what it stands above; a block
    of ``From:``, ``Sent:``, ``To:`` names that of everything below it.
    """
    lines = text.split("\n")
    authors: dict[int, tuple[str, str] | None] = {0: None}  # None: the sender
    out: list[Part] = []
    at = place = run_start = 0
    run: list[str] = []
    run_author = authors[0]
    while place < len(lines):
        depth, _ = _quoted(lines[place])
        who = _attribution(lines, place, depth)
        if who is not None:
            author, used = who
            below = _next_depth(lines, place + used, depth)
            for deeper in [level for level in authors if level >= below]:
                del authors[deeper]
            authors[below] = author
            heading_author = authors.get(depth, ("", "")) if below > depth else author
        else:
            used = 1
            heading_author = authors.get(depth, ("", ""))
        if heading_author != run_author:
            if run:
                out.append(_part(run, run_start, run_author))
            run, run_start, run_author = [], at, heading_author
        for one in lines[place : place + used]:
            marks = len(one) - len(_quoted(one)[1]) if depth else 0
            run.append(" " * marks + one[marks:])
            at += len(one) + 1
        place += used
    if run:
        out.append(_part(run, run_start, run_author))
    return out


def _part(run: list[str], start: int, author: tuple[str, str] | None) -> Part:
    return Part("\n".join(run), start, author is None, author or ("", ""))


def _quoted(line: str) -> tuple[int, str]:
    """Return how deep a line is quoted, and the line without its marks."""
    if line.lstrip()[:1] != ">":
        return 0, line
    marks = _MARKS.match(line)
    assert marks is not None
    return marks[0].count(">"), line[marks.end() :]


def _attribution(lines: list[str], place: int, depth: int) -> tuple[tuple[str, str], int] | None:
    """Return whom a heading at this line names and how many lines it takes, or None without one."""
    content = _quoted(lines[place])[1] if depth else lines[place]
    if content.startswith("On ") and len(content) < 400:
        joined = content
        for more in range(3):
            if more:
                if place + more >= len(lines):
                    break
                joined += "\n" + _quoted(lines[place + more])[1]
            if _WROTE.match(joined):
                return _named(re.sub(r"\s+", " ", joined[3:]).removesuffix(" wrote:")), more + 1
        return None
    header = _HEADER.match(content.strip()) if len(content) < 400 else None
    if header is not None and any(
        _HEADER_NEXT.match(_quoted(line)[1].strip()[:20]) for line in lines[place + 1 : place + 4]
    ):
        return _named(header[1]), 1
    return None


def _named(text: str) -> tuple[str, str]:
    """Return name and address from ``Mon, 5 Jan 2026 …, Ann Lee <ann@…>`` or ``Ann Lee``."""
    found = _ADDRESS_LINE.match(text)
    name, address = (found[1], found[2].lower()) if found else (text, "")
    pieces = [piece.strip(" \"'*") for piece in _BEFORE_NAME.split(name)]
    return next((piece for piece in reversed(pieces) if piece), ""), address


def _next_depth(lines: list[str], place: int, depth: int) -> int:
    """Return how deep the first line with words below a heading is quoted, at least as the heading is."""
    for line in lines[place : place + 4]:
        found, content = _quoted(line)
        if content.strip() or found > depth:
            return max(found, depth)
    return depth


# -- excerpts


def excerpt(text: str, place: Place, width: int = 160, marks: tuple[str, str] = ("«", "»")) -> str:
    """Return one line around a place, the place marked, ``…`` where the text goes on."""
    start, end = place
    room = max(0, width - (end - start)) // 2
    first, last = max(0, start - room), min(len(text), end + room)
    if first and (space := text.find(" ", first, start)) >= 0:
        first = space + 1
    if last < len(text) and (space := text.rfind(" ", end, last)) >= 0:
        last = space
    line = f"{text[first:start]}{marks[0]}{text[start:end]}{marks[1]}{text[end:last]}"
    return f"{'…' if first else ''}{' '.join(line.split())}{'…' if last < len(text) else ''}"
