"""Other forms of a name: of a person, a place, a programme.

Forms are rows of tokens, as the index has them, so what the token rule makes equal is one form:
``R. Okonjo``, ``r-okonjo`` and ``R Okonjo`` are all ``r okonjo``; ``Okonjo, R.`` is ``okonjo r``;
``(206) 555-0100`` is ``206 555 0100``. Nothing here looks at an index: a form that nobody wrote finds nothing
and is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

import phonenumbers

from records.roster import RosterKind, RosterLine
from search.folding import tokens

Form = tuple[str, ...]
"""Tokens side by side."""


class Way(StrEnum):
    """How a form comes from what it stands for; in the order in which a person should look at them."""

    NAME = "name"  # in full
    ALIAS = "alias"  # as the roster states it
    ACRONYM = "acronym"
    NICKNAME = "nickname"
    INITIALS = "initials"
    ORDER = "order"
    SURNAME = "surname"
    HANDLE = "handle"
    PHONE = "phone"
    SPACING = "spacing"
    MISSPELLING = "misspelling"
    STEM = "stem"


class NameKind(StrEnum):
    """What a name is the name of."""

    PERSON = "person"
    PLACE = "place"  # a school, an office, a company
    PROGRAMME = "programme"


_PEOPLE = frozenset({RosterKind.STAFF, RosterKind.STUDENT, RosterKind.GUARDIAN, RosterKind.BOARD})
_PEOPLE_OR_COMPANIES = frozenset({RosterKind.VENDOR, RosterKind.COUNSEL})
_TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir", "coach", "principal", "superintendent",
     "director", "officer", "nurse"}
)  # fmt: skip
_AFTER_NAMES = frozenset({"jr", "sr", "ii", "iii", "iv", "phd", "edd", "md", "jd", "esq"})
_PARTICLES = frozenset(
    {"al", "da", "de", "del", "den", "der", "di", "dos", "du", "el", "la", "le", "van", "von"}
)
"""Words that a surname may begin with, after a first name."""
_SMALL_WORDS = frozenset({"a", "an", "and", "at", "for", "in", "of", "on", "the"})
_SCHOOL_TYPES: tuple[tuple[Form, tuple[str, ...]], ...] = (
    (("middle", "school"), ("ms",)),
    (("high", "school"), ("hs",)),
    (("elementary", "school"), ("es", "elem", "elementary")),
    (("elementary",), ("es", "elem")),
)
"""How schools are abbreviated in Washington: the last words of the name, and what stands for them."""

_SHORTEST_ACRONYM = 3
_SHORTEST_HANDLE = 4
"""A shorter local part (``pr@``) is a word of its own in any text: then the whole address is asked for."""


@dataclass(frozen=True, slots=True)
class Name:
    """Somebody or something with a name.

    Attributes:
        kind: What it is the name of.
        text: As people write it.
        tokens: Of the name alone: a person's first names and surname, without titles.
        surname: How many of the last tokens are the surname; 0 where it is no person's.
        aliases: Other names that the roster or the request states, as tokens.
        emails: Addresses.
        numbers: Phone numbers.
    """

    kind: NameKind
    text: str
    tokens: Form
    surname: int
    aliases: tuple[Form, ...]
    emails: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def first(self) -> Form:
        """The first names."""
        return self.tokens[: len(self.tokens) - self.surname]

    @property
    def last(self) -> Form:
        """The surname; empty for what is no person."""
        return self.tokens[len(self.tokens) - self.surname :]


def name_of(line: RosterLine) -> Name | None:
    """Return what a line of a roster names; None for a shared mailbox, whose name is an everyday word."""
    if line.kind == RosterKind.MAILBOX:
        return None
    aliases = tuple(found for alias in line.aliases if (found := tuple(tokens(alias))))
    if line.kind in _PEOPLE or (line.kind in _PEOPLE_OR_COMPANIES and _is_person(line)):
        parts = _parts(line.name)
        if not parts:
            return None
        kind, words = NameKind.PERSON, tuple(token for part in parts for token in part)
        surname = len(parts[-1]) if len(parts) > 1 else 0
    else:
        kind = NameKind.PROGRAMME if line.kind == RosterKind.PROGRAMME else NameKind.PLACE
        words, surname = tuple(tokens(line.name)), 0
        if not words:
            return None
    return Name(kind, line.name, words, surname, aliases, line.emails, line.numbers)


def _parts(name: str) -> list[Form]:
    """Return the parts of a person's name, the surname last, without titles and what follows a name.

    A surname with a hyphen, or such as ``de la Cruz``, is one part; ``Okonjo, Rosalind`` is turned round.
    """
    before, _, after = name.partition(",")
    turned = any(word and word not in _AFTER_NAMES for word in map(_run_together, after.split()))
    name = f"{after} {before}" if turned else before
    parts = [part for word in name.split() if (part := tuple(tokens(word)))]
    while len(parts) > 1 and set(parts[0]) <= _TITLES:
        del parts[0]
    while len(parts) > 1 and "".join(parts[-1]) in _AFTER_NAMES:
        del parts[-1]
    for at in range(1, len(parts) - 1):
        if set(parts[at]) <= _PARTICLES:
            parts[at:] = [tuple(token for part in parts[at:] for token in part)]
            break
    return parts


def _is_person(line: RosterLine) -> bool:
    """Say whether a vendor or counsel is a person: a company has no address made of its last word."""
    parts = _parts(line.name)
    return len(parts) > 1 and any(
        "".join(parts[-1]) in _run_together(email.rpartition("@")[0]) for email in line.emails
    )


def _run_together(text: str) -> str:
    return "".join(tokens(text))


# -- forms


def forms(name: Name, *, in_full: bool = True) -> Iterator[tuple[Way, Form]]:
    """Yield the forms of a name but the name itself, the likeliest ways first; one may come twice.

    Args:
        name: The name.
        in_full: False where only a part of it was written (a surname, ``Cedar Falls``): forms that hold the
            surname would find nothing more.
    """
    for alias in name.aliases:
        yield Way.ALIAS, alias
    if name.kind == NameKind.PERSON:
        if in_full and name.surname:
            yield from _of_person(name)
        for email in name.emails:
            yield Way.HANDLE, handle(email)
        if name.surname:
            yield from _made_handles(name)
    else:
        yield from _of_place(name)
    for number in name.numbers:
        for form in phone_forms(number):
            yield Way.PHONE, form


def _of_person(name: Name) -> Iterator[tuple[Way, Form]]:
    first, last = name.first, name.last
    for nickname in nicknames(first[0]):
        yield Way.NICKNAME, (nickname, *last)
        yield Way.NICKNAME, (*last, nickname)
    initials = tuple(token[0] for token in first)
    for short in dict.fromkeys((initials, initials[:1])):
        yield Way.INITIALS, (*short, *last)
        yield Way.INITIALS, (*last, *short)
    if len(first) > 1:  # R. J. Okonjo; of two letters alone nobody can tell what they stand for
        yield Way.INITIALS, (*initials, *(token[0] for token in last))
        yield Way.INITIALS, ("".join(initials) + "".join(token[0] for token in last),)
        yield Way.ORDER, (first[0], *last)
    yield Way.ORDER, (*last, *first)
    if len(first) > 1:
        yield Way.ORDER, (*last, first[0])
    yield Way.SURNAME, last


def _made_handles(name: Name) -> Iterator[tuple[Way, Form]]:
    """Yield the local parts that offices make of a name."""
    first, joined = name.first[0], "".join(name.last)
    for made in (first[0] + joined, joined + first[0], first + joined, first + joined[0]):
        if len(made) >= _SHORTEST_HANDLE:
            yield Way.HANDLE, (made,)


def _of_place(name: Name) -> Iterator[tuple[Way, Form]]:
    for kind, shorts in _SCHOOL_TYPES:
        if name.tokens[-len(kind) :] == kind and len(name.tokens) > len(kind):
            proper = name.tokens[: -len(kind)]
            for short in shorts:
                yield Way.ALIAS, (*proper, short)
            if len(proper) > 1:
                yield Way.ALIAS, proper
            for short in shorts:
                if short in {"ms", "hs", "es"}:
                    yield Way.ACRONYM, ("".join(token[0] for token in proper) + short,)
            break
    letters = "".join(token[0] for token in name.tokens if token not in _SMALL_WORDS)
    if len(letters) >= _SHORTEST_ACRONYM:
        yield Way.ACRONYM, (letters,)


def handle(email: str) -> Form:
    """Return what to look for of an address: the part before the ``@``, or all of it where that is short."""
    local = tuple(tokens(email.rpartition("@")[0]))
    return local if sum(map(len, local)) >= _SHORTEST_HANDLE else tuple(tokens(email))


def nicknames(first: str) -> list[str]:
    """Return what somebody with this first name may be called, sorted.

    The names are those of https://github.com/carltonnorthern/nicknames (Apache-2.0): English ones. Of a name
    that is itself a nickname its long forms are given too.
    """
    namer = _namer()
    found: set[str] = namer.nicknames_of(first) | namer.canonicals_of(first)
    folded = {"".join(tokens(name)) for name in found}
    return sorted(folded - {first, ""})


@cache
def _namer() -> Any:
    from nicknames import NickNamer  # reads its table when first asked

    return NickNamer()


_NOT_DIGITS = re.compile(r"\D+")
_OWN_REGION, _OWN_CODE = "US", 1
_LOCAL_DIGITS = 7


def phone_forms(number: str) -> list[Form]:
    """Return how a phone number is written, as tokens: its digits at once, and in the usual groups.

    A number with its area code in groups is found however it is punctuated, and with ``+1`` before it.
    Without the area code the groups ``555 0100`` find all of these too.
    """
    try:
        parsed = phonenumbers.parse(number, _OWN_REGION)
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_possible_number(parsed):
        return []
    national = phonenumbers.national_significant_number(parsed)
    if parsed.country_code == _OWN_CODE:
        end = national[-4:]
        local = [(national[-_LOCAL_DIGITS:-4], end), (national[-_LOCAL_DIGITS:],)]
        if len(national) == _LOCAL_DIGITS:  # the list lacks the area code
            return local
        area = national[:3]
        return [(area, *local[0]), (f"1{national}",), (national,), (area, *local[1]), *local]
    written = [
        phonenumbers.format_number(parsed, style)
        for style in (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL)
    ]
    out = [*map(_digits, written), (f"{parsed.country_code}{national}",), (national,)]
    return list(dict.fromkeys(out))


def _digits(text: str) -> Form:
    return tuple(part for part in _NOT_DIGITS.split(text) if part)


def is_local(form: Form) -> bool:
    """Say whether a phone form lacks the area code, so that it may be another's number."""
    return sum(map(len, form)) == _LOCAL_DIGITS and all(token.isdigit() for token in form)


def known_forms(name: Name) -> list[Form]:
    """Return what anybody would search for who looks for a person: name, addresses, numbers as stated.

    Mail systems also write the name turned round (``Okonjo, Rosalind``) beside an address of their own kind.
    """
    turned = (*name.last, *name.first)
    numbers = (tuple(tokens(number)) for number in name.numbers)
    return [
        form for form in dict.fromkeys((name.tokens, turned, *map(handle, name.emails), *numbers)) if form
    ]


# -- who is meant


class NameBook:
    """The names of a roster and of the custodians, to be looked up in terms and in words.

    Args:
        lines: The roster.
        custodians: The custodians as lines of a roster; one who stands in the roster too is one name.
    """

    _MOST_NAMESAKES = 5
    """A surname that more people have is no longer the name of one of them."""

    def __init__(self, lines: Sequence[RosterLine], custodians: Sequence[RosterLine]) -> None:
        merged: dict[tuple[NameKind, Form], Name] = {}
        self.custodians: list[Name] = []
        for line in (*lines, *custodians):
            name = name_of(line)
            if name is None:
                continue
            key = name.kind, name.tokens
            merged[key] = _merged(merged[key], name) if key in merged else name
        for line in custodians:
            name = name_of(line)
            if name is not None:
                self.custodians.append(merged[name.kind, name.tokens])
        self.names = list(merged.values())
        self.words = frozenset(token for name in self.names for token in name.tokens)
        self._full = {name.tokens for name in self.names}
        self._by_first: dict[str, list[tuple[Form, Name]]] = {}
        surnames: dict[Form, list[Name]] = {}
        for name in self.names:
            for form in dict.fromkeys((name.tokens, *name.aliases)):
                if len(form) > 1 or len(form[0]) >= _SHORTEST_ACRONYM:
                    self._by_first.setdefault(form[0], []).append((form, name))
            if name.surname:
                surnames.setdefault(name.last, []).append(name)
        self._surnames = surnames
        self._local: dict[Form, set[Form]] = {}
        for name in self.names:
            for number in name.numbers:
                for form in filter(is_local, phone_forms(number)):
                    self._local.setdefault(form, set()).add(name.tokens)

    def forms(self, name: Name, *, in_full: bool = True) -> Iterator[tuple[Way, Form]]:
        """Yield the forms of a name that are not another's: see ``forms``."""
        for way, form in forms(name, in_full=in_full):
            if form in self._full and form != name.tokens:
                continue
            if way == Way.SURNAME and len(self._surnames[form]) > 1:
                continue
            if way == Way.PHONE and len(self._local.get(form, ())) > 1:
                continue
            if (
                way == Way.ALIAS
                and form not in name.aliases
                and any(other != name and other.tokens[: len(form)] == form for other in self.names)
            ):
                continue  # "Alder Valley" of several schools
            yield way, form

    def in_text(self, text: str) -> list[Name]:
        """Return whom and what a text names, in the order of the book.

        A name or alias counts where it stands in full; a surname where a title stands before it.
        """
        words = tuple(tokens(text))
        found = {name for at in range(len(words)) for _, name in self._at(words, at)}
        for at in range(1, len(words)):
            if words[at - 1] in _TITLES:
                for last, people in self._surnames.items():
                    if words[at : at + len(last)] == last and len(people) <= self._MOST_NAMESAKES:
                        found |= set(people)
        return [name for name in self.names if name in found]

    def in_words(self, words: Form) -> Iterator[tuple[int, int, Name, bool]]:
        """Yield where names stand in the words of a term: first, end, the name, whether in full.

        The words as a whole may also be a surname, or what a place's name begins with (``Cedar Falls``).
        """
        for at in range(len(words)):
            for length, name in self._at(words, at):
                yield at, at + length, name, True
        people = self._surnames.get(words, [])
        if len(people) <= self._MOST_NAMESAKES:
            for name in people:
                yield 0, len(words), name, False
        if len(words) > 1:
            for name in self.names:
                if name.kind != NameKind.PERSON and name.tokens[: len(words)] == words != name.tokens:
                    yield 0, len(words), name, False

    def _at(self, words: Form, at: int) -> Iterator[tuple[int, Name]]:
        for form, name in self._by_first.get(words[at], ()):
            if words[at : at + len(form)] == form:
                yield len(form), name


def _merged(one: Name, other: Name) -> Name:
    return Name(
        one.kind,
        one.text,
        one.tokens,
        one.surname,
        tuple(dict.fromkeys((*one.aliases, *other.aliases))),
        tuple(dict.fromkeys((*one.emails, *other.emails))),
        tuple(dict.fromkeys((*one.numbers, *other.numbers))),
    )
