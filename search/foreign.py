"""What other programs write, and slips of the keyboard: found in a query, refused by name, and repaired.

Outlook, Purview's KQL, Google Vault, Lucene, Relativity, Westlaw and Lexis+, Concordance and Verity each
write the same few things in another way. Read by the letter most of it is punctuation, so a query would still
run and ask for something else: ``a -"b c"`` for the phrase, ``NOT [a OR b]`` for ``NOT a OR b``. So it is
refused. A repair is given where the meaning is plain; ``search.language.suggest`` offers it, and nobody
applies it but the person who wrote the query.
"""

from __future__ import annotations

import calendar
import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from records.entities import unescaped
from search import tree as q

QUOTES = '"“”„'
"""What opens and closes a quoted part."""

DASHES = "-–—−"
DAY = r"\d{4}-\d{2}-\d{2}"

_IN = rf"[^\s(){QUOTES}]"
_FROM = rf"(?<!{_IN})"
_TO = rf"(?!{_IN})"
_SIDE_BEFORE = r"(?<=\S)\s+"
_SIDE_AFTER = r"(?=\s+\S)"
_SOMETHING = rf"(?=[^\W_]|[({QUOTES}])"
_FIELD = "|".join(q.FIELDS)

Repair = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A form that is refused.

    Attributes:
        pattern: Where it stands, outside of quoted parts.
        problem: Why, and what to write; ``{0}`` is the pattern's first group, in capitals.
        repair: What to put there; None where the meaning is not plain.
    """

    pattern: re.Pattern[str]
    problem: str
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The first foreign form of a query: why it is refused, and at which column."""

    problem: str
    column: int


def _is(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def _near(found: re.Match[str]) -> str:
    name, number = found.group(1).lower(), found.group(2)
    return f" {'pre' if name in {'onear', 'before', 'fby', 'p'} else 'w'}/{number} "


def _either(words: str) -> str:
    """Write the words of a list with OR; what has operators already stays."""
    if re.search(r"\b(?:and|or|not)\b", words, re.IGNORECASE):
        return f"({words.strip()})"
    listed = filter(None, re.split(r"[\s,;|]+", words))
    return f"({' OR '.join(listed)})"


def _sent(found: re.Match[str]) -> str:
    name, sign = found.group(1).lower(), found.group(2)
    plain = "" if sign in {"=", ":"} else sign
    return f"sent:{ {'before': '<', 'older': '<', 'after': '>=', 'newer': '>='}.get(name, plain) }"


def _people(found: re.Match[str]) -> str:
    return f"{found.group(1) or ''}{_either(found.group(2))}"


def _plain(chunk: str) -> str:
    """Return a piece in plain ASCII letters, without invisible characters and punctuation at its ends."""
    folded = unicodedata.normalize("NFKC", chunk)
    folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return re.sub(r"[\\∕⁄]", "/", folded).strip(".,;:!'‘’`«»‹›<>[]|")


_OPERATOR = _is(r"and|or|not|(?:w|pre)/\d+")
_AS_WORDS = "to search it as words, put it in quotes"
_DISTANCE = "words near one another are asked for with w/N, in one piece, N from 1 to 255"
_ANOTHER = "{0} is another program's: write w/N, or pre/N where the order counts"
_DAYS = "days are asked for with sent: as in sent:<2026-01-31 or sent:>=2026-01-31"
_NUMBERS = "one two three four five six seven eight nine ten fifteen twenty twenty-five thirty fifty hundred"

_FORMS: tuple[Foreign, ...] = (
    # words near one another
    Foreign(_is(rf"{_FROM}(o?near|around)\s*\(\s*(?:n\s*=\s*)?(\d+)\s*\)"), _ANOTHER, _near),
    Foreign(_is(rf"{_FROM}(o?near|adj|before|fby|n|p)/(\d+){_TO}"), _ANOTHER, _near),
    Foreign(_is(rf"{_SIDE_BEFORE}(o?near|adj)(\d+){_SIDE_AFTER}"), _ANOTHER, _near),
    Foreign(re.compile(rf"{_FROM}(O?NEAR)(){_TO}|{_FROM}([Oo]near)(){_TO}"),
            "{0} is another program's and means within 8 words there: write w/8 (pre/8 where the order "
            "counts), or put the word in quotes",
            lambda found: "w/8" if found.group().upper() == "NEAR" else "pre/8"),
    Foreign(re.compile(rf"{_FROM}(AROUND)\s+(\d+){_TO}"),
            "{0} is another program's: write w/N, or put the words in quotes", _near),
    Foreign(_is(rf"(?<=\S)\s+(within)\s+(\d+)(?:\s+words?)?(?:\s+of)?{_TO}(?=\s*\S)"),
            "words near one another are asked for with w/N; to search these words themselves, put them in "
            "quotes", _near),
    Foreign(_is(r"<(near|order|phrase|sentence|paragraph)(?:/\d+)?>"), _ANOTHER),
    Foreign(re.compile(rf"{_SIDE_BEFORE}(\+)(\d+)(?=\s+(?:[^\W\d]|[({QUOTES}]))"),
            "+N is another program's: write pre/N", lambda found: f" pre/{found.group(2)}"),
    Foreign(_is(rf"{_FROM}\+[sp]{_TO}"),
            "words near one another are asked for with w/N or pre/N, where N counts words; there are no "
            "sentences or paragraphs"),
    Foreign(_is(rf"{_FROM}(w\s*/\s+|w\s+/\s*|/\s*)(\d+){_TO}"),
            "words near one another are asked for with w/N, in one piece",
            lambda found: f" w/{found.group(2)} "),
    Foreign(_is(rf"{_FROM}(?:(?:w|pre)?/(?:in|sent|para|[sp])|w/|pre/){_TO}"),
            "words near one another are asked for with w/N, where N counts words; there are no sentences or "
            "paragraphs"),
    Foreign(_is(rf"{_FROM}(?:w|pre)/(?!\d+{_TO})(?:[{DASHES}/+~<=.]*\d{_IN}*|(?:{'|'.join(_NUMBERS.split())})"
                rf"{_TO})"), f"{_DISTANCE}; {_AS_WORDS}"),
    Foreign(_is(rf"{_FROM}not\s+pre/\d+{_TO}"),
            "there is no NOT pre/N: write NOT w/N, which looks on both sides, or AND NOT (a pre/N b)"),
    # operators
    Foreign(_is(rf"{_SIDE_BEFORE}(and\s*/\s*or){_SIDE_AFTER}"),
            "AND/OR can mean two things: write OR, or put the whole phrase in quotes", lambda _: " OR"),
    Foreign(_is(rf"{_FROM}(but\s+not|but-?not|and-?not){_SIDE_AFTER}"), "{0} is another program's: write AND "
            "NOT, or put the words in quotes", lambda _: "AND NOT"),
    Foreign(re.compile(rf"{_SIDE_BEFORE}(XOR|ADJ|FBY){_SIDE_AFTER}"),
            "{0} is another program's: write AND, OR, NOT, w/N or pre/N, or put the word in quotes"),
    Foreign(re.compile(rf"{_FROM}[{DASHES}+!]+(?=[({QUOTES}])"),
            "-, + and ! are no operators: write AND NOT or AND"),
    Foreign(re.compile(r"(?<!\S)!(?!\S)"), "! is no operator: write AND NOT"),
    Foreign(re.compile(r"(?<=\w)\|\|?(?=\w)"), "| is no operator: write OR", lambda _: " OR "),
    Foreign(re.compile(r"(?<=\w)&&(?=\w)"), "& is no operator: write AND", lambda _: " AND "),
    # groups
    Foreign(_is(rf"(sent:)[\[{{]({DAY}|\*)\s+TO\s+({DAY}|\*)[\]}}]"), _DAYS,
            lambda found: f"{found.group(1)}{found.group(2)}..{found.group(3)}".replace("*", "")),
    Foreign(re.compile(r"\[[^\[\]]*\sTO\s[^\[\]]*\]"),
            "ranges are for days only, as sent:2026-01-01..2026-06-30; for numbers write them with OR, or = "
            "for each digit"),
    Foreign(_is(r"\[([^\[\]()]*\s(?:and|or|not|w/\d+|pre/\d+)\s[^\[\]()]*)\]"),
            "square brackets are another program's: write parentheses",
            lambda found: f"({found.group(1)})"),
    Foreign(re.compile(r"\{([^{}()]*)\}"), "braces are another program's: write (a OR b)",
            lambda found: _either(found.group(1))),
    Foreign(re.compile(r"[{}]"), "braces are another program's: write parentheses"),
    Foreign(_is(rf"{_FROM}['‘‛`]([^'’`]*\s(?:and|or|not|w/\d+|pre/\d+)\s[^'’`]*)['’`]{_TO}"),
            'only double quotation marks make words of operators: write "…", or leave them out',
            lambda found: f'"{found.group(1)}"'),
    Foreign(_is(rf"(?<={_IN}:)['‘‛`]([^'’`:]*\s[^'’`:]*)['’`]{_TO}"),
            'a phrase stands in double quotation marks: "…"', lambda found: f'"{found.group(1)}"'),
    Foreign(re.compile(r"[«‹〝❝‟＂″]([^«»‹›〝〞❝❞‟＂″]*\s[^«»‹›〝〞❝❞‟＂″]*)[»›〞❞‟＂″]"),
            'a phrase stands in double quotation marks: "…"', lambda found: f'"{found.group(1)}"'),
    Foreign(re.compile(r"(?<!\S)(\(\d{3}\)\s*[\d=]{3}[-.\s][\d=]{4})(?!\S)"),
            "a telephone number with parentheses stands in quotes", lambda found: f'"{found.group(1)}"'),
    # days and fields
    Foreign(_is(rf"{_FROM}(before|older|after|newer)(:)\s*(?=\d)"), _DAYS, _sent),
    Foreign(_is(rf"{_FROM}(sent|received|date|created|modified)\s*(>=|<=|==?|>|<)\s*(?=\d)"), _DAYS, _sent),
    Foreign(_is(rf"{_FROM}(received|date|sentdate|senttime|created)(:)\s*"), _DAYS, _sent),
    Foreign(_is(rf"{_FROM}({_FIELD})\s*==?(?=\s*(?:[^\W_]|[({QUOTES}]|\Z))"),
            "a field is written with a colon", lambda found: f"{found.group(1)}:"),
    Foreign(_is(rf"{_FROM}({_FIELD}):\s*={{1,2}}(?=\s*(?:[^\W\d_]|[({QUOTES}]))"),
            "a field is written with a colon alone; = is a digit", lambda found: f"{found.group(1)}:"),
    Foreign(_is(rf"{_FROM}({_FIELD})\s+:(?=\s*[^\s)])"), "a field and its colon stand side by side",
            lambda found: f"{found.group(1)}:"),
    Foreign(_is(rf"{_FROM}[^\W\d]\w*\s*(?:>=|<=|<>|>|<)\s*(?=\d)"),
            f"only days are compared, as sent:>=2026-01-31; {_AS_WORDS}"),
    Foreign(_is(rf"{_FROM}[^\W\d]\w*(?:[./-]\w+)+:(?=[^\W\d_]|[({QUOTES}])"),
            f"there is no such field; fields are {', '.join(q.FIELDS)}; {_AS_WORDS}"),
    # lists
    Foreign(_is(r"(?<![^\s(),;])([a-z]+:)?((?:[^\s,;:()@]{1,99}@[^\s,;()@]+\s*[,;]\s*)+[^\s,;:()@]+@[^\s,;()@]+)"),
            "several addresses: write OR between them", _people),
    Foreign(re.compile(r"&(?:quot|amp|lt|gt|nbsp|apos|#\d{1,6});"), "& and ; here are a web page's: write "
            "the sign itself", lambda found: unescaped(found.group())),
    Foreign(_is(r"((?:from|to|cc|bcc|participants):)([^\s,;()]+(?:;[^\s,;()]+)+)"),
            "; is no operator: write OR", _people),
    Foreign(re.compile(r"(?<=[^\W_]);(?=\s*[^\W_])"), f"; is no operator: write OR; {_AS_WORDS}"),
    # signs
    Foreign(_is(rf"{_FROM}(?:[a-z]+://|www\.){_IN}*[?=%~*]{_IN}*"),
            "in an address ?, =, %, ~ and * are signs of the language: leave out what begins with the first "
            "of them, or write spaces for them",
            lambda found: re.sub(r"%[0-9A-Fa-f]{2}|[?=%~*]+", " ", found.group()).strip()),
    Foreign(re.compile(r"(?<=\w)%(?:20|2[BbDdFf]|[CE][0-9A-F]%[0-9A-F]{2})(?=\w)"),
            "%20 is an address's space: write a space", lambda _: " "),
    Foreign(re.compile(rf"(?<!{_IN})(\d+%)(?=[^\W\d])"), "after a number % is a per cent sign: write a space "
            "after it", lambda found: f"{found.group()} "),
    Foreign(re.compile(rf"(?:{_FROM}|(?<=:))[*?]+(?:@|\.)(?=\w)"),
            "* and ? need a letter or digit in their word: leave them out here",
            lambda _: ""),
    Foreign(re.compile(rf"{_FROM}([^\W_]+)~([12]){_TO}"),
            "~ with a number is another program's: write % for each letter that may differ",
            lambda found: "%" * int(found.group(2)) + found.group(1)),
    Foreign(re.compile(r"(?<=\w)~(?=\d)"),
            "~ with a number is another program's: write % for each letter that may differ"),
    Foreign(re.compile(rf"(?:(?<=[\w){QUOTES}])|^)\^\d+(?:\.\d+)?"),
            "^ (a weight) is another program's: leave it out", lambda _: ""),
    Foreign(re.compile(r"(?<=[\w)\]])\.[*+](?=\w)"),
            "expressions are another program's: write * for any letters, within one word"),
    Foreign(re.compile(r"(?<!\S)/[^\s/]+/(?!\S)"), f"expressions are another program's; {_AS_WORDS}"),
    Foreign(re.compile(r"(?<=[^\W\d_])[#!](?=[^\W\d_])"),
            f"# and ! are no wildcards: write ? for a letter or digit, = for a digit; {_AS_WORDS}"),
    Foreign(re.compile(r"(?<=[^\W_])[＊？＝％～]|[＊？＝％～](?=[^\W_])"),
            "this sign is a wide one: write it in plain ASCII, or put it in quotes",
            lambda found: unicodedata.normalize("NFKC", found.group())),
)  # fmt: skip

_SLOP = re.compile(f"[{QUOTES}]([^{QUOTES}]*)[{QUOTES}]\\s*~\\s*(\\d*)")
_SLOP_HELP = "~ after a phrase is Lucene's: write a w/N b, which counts the words between them"
_DOUBLED = re.compile(r'(?<=[^\s(:])""|""(?=[^\s)])')
_DOUBLED_HELP = 'doubled quotation marks are a spreadsheet\'s: write each once, ""a b"" as "a b"'

_NAMES = {
    "sender": "from", "author": "from", "recipients": "to", "recipient": "to", "subjecttitle": "subject",
    "title": "subject", "text": "body", "content": "body", "attachmentnames": "filename",
    "attachmentname": "filename", "owner": "custodian",
    "filetype": "type", "documenttype": "type", "language": "lang",
    "hasattachment": "has", "hasattachments": "has",
}  # fmt: skip
"""Fields of other programs, and ours."""


def masked(text: str) -> str:
    """Blank out what stands in quotation marks; places stay."""
    return re.sub(
        f"([{QUOTES}])([^{QUOTES}]*)([{QUOTES}])",
        lambda found: found.group(1) + " " * len(found.group(2)) + found.group(3),
        text,
    )


def outside_quotes(text: str, change: Callable[[str], str]) -> str:
    """Change the parts of a text that are not quoted."""
    pieces = re.split(f"([{QUOTES}][^{QUOTES}]*[{QUOTES}])", text)
    return "".join(piece if n % 2 else change(piece) for n, piece in enumerate(pieces))


def first_foreign(text: str) -> Found | None:
    """Return the first form, by their order here, that is another program's; None when there is none."""
    slop = _SLOP.search(text)
    if slop:
        return Found(_SLOP_HELP, text.index("~", slop.end(1)) + 1)
    doubled = _DOUBLED.search(text)
    if doubled:
        return Found(_DOUBLED_HELP, doubled.start() + 1)
    bare = masked(text)
    for found in re.finditer(f"{_IN}+", bare):
        written = _plain(found.group())
        if written.lower() != found.group().lower() and _OPERATOR.fullmatch(written):
            return Found(
                f"write {_named(written)} in plain letters, with a space on both sides; as a word, put it in "
                "quotes",
                found.start() + 1,
            )
    for form in _FORMS:
        at = form.pattern.search(bare)
        if at:
            name = next(filter(None, at.groups()), "")
            blank = len(at.group()) - len(at.group().lstrip())
            return Found(form.problem.replace("{0}", name.upper()), at.start() + blank + 1)
    return None


def _named(operator: str) -> str:
    return operator.lower() if "/" in operator else operator.upper()


def our_field(name: str) -> str:
    """Return the field that is meant by another name or a slip, or empty."""
    if name in q.FIELDS:
        return name
    close = difflib.get_close_matches(name, q.FIELDS, n=1, cutoff=0.75)
    return _NAMES.get(name) or (close[0] if close else "")


# -- repairs


_DATE = r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)"
_US_DATE = r"(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)"
_US_DASHED = r"(\d{1,2})-(\d{1,2})-(\d{4})(?!\d)"


def _written(prefix: str, year: str, month: str, day: str) -> str:
    return f"{prefix}{year}-{month:>02}-{day:>02}"


def _month(found: re.Match[str]) -> str:
    year, month = int(found.group(2)), int(found.group(3))
    if not (1 <= month <= 12 and year):
        return found.group()
    last = calendar.monthrange(year, month)[1]
    return f"{found.group(1)}{year:04}-{month:02}-01..{year:04}-{month:02}-{last:02}"


_DAY_REPAIRS: tuple[tuple[re.Pattern[str], Repair], ...] = (
    (_is(r"(sent:)\s*(>=|<=|>|<|)\s+(?=\d)"), lambda m: f"{m.group(1)}{m.group(2)}"),
    (_is(rf"(sent:[^\s()]*?){_US_DATE}"), lambda m: _written(m[1], m[4], m[2], m[3])),
    (_is(rf"(sent:(?:>=|<=|>|<|)){_US_DASHED}"), lambda m: _written(m[1], m[4], m[2], m[3])),
    (_is(rf"(sent:[^\s()]*?){_DATE}"), lambda m: _written(m[1], m[2], m[3], m[4])),
    (_is(r"(sent:(?:>=|<=|>|<|))(\d{4})(\d{2})(\d{2})(?!\d)"), lambda m: _written(m[1], m[2], m[3], m[4])),
    (_is(rf"(sent:)(\d{{4}})-(\d{{2}}){_TO}"), _month),
    (_is(rf"(sent:)(\d{{4}}){_TO}"), lambda m: f"{m.group(1)}{m.group(2)}-01-01..{m.group(2)}-12-31"),
    (_is(rf"(sent:{DAY})(?:\s*(?:[–—−]|\.{{2,3}})\s*|-|\s+to\s+)(?=\d)"), lambda m: f"{m.group(1)}.."),
    (_is(rf"(sent:)=({DAY})"), lambda m: f"{m.group(1)}{m.group(2)}"),
    (_is(rf"(sent:{DAY})[,;]"), lambda m: m.group(1)),
)
"""Days that were written otherwise; each only until nothing changes any more."""


def repaired(text: str) -> str:
    """Return a query with all repairs made that are known here; it may still not be readable."""
    text = _SLOP.sub(_slop_repaired, text)
    text = re.sub(rf"\bsent:[{QUOTES}]({DAY})[{QUOTES}]", r"sent:\1", text, flags=re.IGNORECASE)
    return outside_quotes(text, _part)


def _slop_repaired(found: re.Match[str]) -> str:
    words = found.group(1).split()
    if len(words) != 2 or not found.group(2):
        return found.group()
    return f"{words[0]} w/{found.group(2)} {words[1]}"


def _part(part: str) -> str:
    part = re.sub(f"{_IN}+", _plain_operator, part)
    for form in _FORMS:
        if form.repair is not None:
            part = form.pattern.sub(form.repair, part)
    for pattern, day in _DAY_REPAIRS:
        while (changed := pattern.sub(day, part)) != part:
            part = changed
    part = re.sub(r"(?<!\S)&&?(?!\S)", "AND", part)
    part = re.sub(r"(?<!\S)\|\|?(?!\S)", "OR", part)
    part = re.sub(r"([^\W_])!(?=[\s)]|$)", r"\1*", part)
    part = re.sub(rf"(?<=\S)\s+(?:[{DASHES}]+|!)(?=[^\W\d_]|\(|$)", " AND NOT ", part)
    part = re.sub(rf"(?<!\S)(?:[{DASHES}]+|!)(?=[^\W\d_]|\()", "NOT ", part)
    part = re.sub(r"(?<!\S)\++(?![sp]\b)(?=[^\W\d_]|\()", "", part)
    part = re.sub(
        rf"(?<={_IN})(?<!does)\s+NOT(?=[\s(]|$)(?!\s+(?:w/\d|near\b))", " AND NOT", part, flags=re.IGNORECASE
    )
    part = re.sub(r"\b(AND|OR|NOT)(?:\s+AND)+\s+NOT\b", r"\1 NOT", part, flags=re.IGNORECASE)
    part = re.sub(r"\b(re|fwd?|mailto|attn|[a-z]):(?!/)\s*(?=\S)", r"\1 ", part, flags=re.IGNORECASE)
    part = re.sub(r"(?<![^\s(])([^\W\d]+):(?!//)", _field, part)
    part = re.sub(r"\bhas:(?:yes|true|1|attachments)\b", "has:attachment", part, flags=re.IGNORECASE)
    part = re.sub(r"\bkind:(?:mail|emails)\b", "kind:email", part, flags=re.IGNORECASE)
    return re.sub(r" {2,}", " ", part)


def _plain_operator(found: re.Match[str]) -> str:
    written = _plain(found.group())
    if written.lower() != found.group().lower() and _OPERATOR.fullmatch(written):
        return _named(written)
    return found.group()


def _field(found: re.Match[str]) -> str:
    name = our_field(found.group(1).lower())
    return f"{name}:" if name else found.group()
