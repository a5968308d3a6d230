"""Whose address or number is it: what the request and the roster state, and what looks alike.

An account is an e-mail address or a telephone number. It is *known* where the request names it for a
custodian or the roster for a person or place. Another account is *tied* to a custodian or member of staff
where the name shown beside it is theirs, or where the part before the @ is made of their name as their
district address is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from records.models import Window
from records.roster import RosterKind, RosterLine
from search.folding import tokens
from search.signal_text import account, words

_LONGEST_NAME = 6
"""Words of a shown name that are looked at; a longer one is a list or a sentence."""

_SHORTEST_HANDLE = 5
"""Letters; a shorter one, such as ``alee``, is the beginning of many names."""

_Key = TypeVar("_Key")

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"})


@dataclass(frozen=True, slots=True)
class Custodian:
    """A custodian as the request names them.

    Attributes:
        id: The short id.
        name: As people write it.
        aliases: Other spellings; those of two words and more are looked for.
        emails: Declared addresses.
        numbers: Declared numbers.
        searched: Whether a source of the request is theirs.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    searched: bool = True


@dataclass(frozen=True, slots=True)
class Setting:
    """What a request says that signals are judged by.

    Attributes:
        custodians: All of them.
        domains: The district's own mail domains; those below them are its own too.
        roster: Who works in the district and what its places are called; may be empty.
        window: The days asked for.
        zone: Whose days they are.
    """

    custodians: tuple[Custodian, ...]
    domains: tuple[str, ...]
    roster: tuple[RosterLine, ...]
    window: Window
    zone: ZoneInfo


class Standing(StrEnum):
    """What somebody is to the request."""

    CUSTODIAN = "custodian"
    STAFF = "staff"  # on the roster as staff or board, no custodian
    MAILBOX = "mailbox"  # shared: a mailbox, office, school or programme of the roster
    OUTSIDER = "outsider"  # known, and no part of the district: student, guardian, vendor, counsel


_STANDING = {
    RosterKind.STAFF: Standing.STAFF,
    RosterKind.BOARD: Standing.STAFF,
    RosterKind.MAILBOX: Standing.MAILBOX,
    RosterKind.OFFICE: Standing.MAILBOX,
    RosterKind.SCHOOL: Standing.MAILBOX,
    RosterKind.PROGRAMME: Standing.MAILBOX,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or a shared mailbox.

    Attributes:
        key: ``c:ID`` of a custodian, ``r:N`` of a line of the roster, counted from 1.
        name: As people write it.
        standing: What they are to the request.
        custodian_id: None for all but custodians.
        accounts: Declared or on the roster.
        searched: Whether a source of the request is theirs.
    """

    key: str
    name: str
    standing: Standing
    custodian_id: str | None
    accounts: frozenset[str]
    searched: bool = False

    @property
    def of_district(self) -> bool:
        """Whether a custodian, member of staff or of the board."""
        return self.standing in {Standing.CUSTODIAN, Standing.STAFF}


@dataclass
class Directory:
    """Everybody the request and the roster name, for looking accounts up.

    Attributes:
        people: Custodians, then the lines of the roster that are nobody of them.
    """

    people: list[Person] = field(default_factory=list)
    _domains: tuple[str, ...] = ()
    _by_account: dict[str, Person] = field(default_factory=dict)
    _by_name: dict[frozenset[str], Person | None] = field(default_factory=dict)
    _by_handle: dict[str, Person | None] = field(default_factory=dict)

    @classmethod
    def of(cls, setting: Setting) -> Directory:
        """Build it; where two share a name or a handle, neither is tied by it."""
        made = cls(_domains=tuple(domain.lower() for domain in setting.domains))
        for one in setting.custodians:
            accounts = frozenset(map(account, (*one.emails, *one.numbers)))
            person = Person(
                f"c:{one.id}", one.name, Standing.CUSTODIAN, one.id, accounts, searched=one.searched
            )
            made._add(person, (one.name, *one.aliases))
        for number, line in enumerate(setting.roster, start=1):
            made._add_line(number, line)
        return made

    def _add_line(self, number: int, line: RosterLine) -> None:
        accounts = frozenset(map(account, (*line.emails, *line.numbers)))
        standing = _STANDING.get(line.kind, Standing.OUTSIDER)
        if standing is Standing.STAFF:
            same = self._custodian_like(line, accounts)
            if same is not None:  # a custodian's own line: what it adds is known of them too
                merged = Person(
                    same.key, same.name, same.standing, same.custodian_id, same.accounts | accounts,
                    searched=same.searched,
                )  # fmt: skip
                self.people[self.people.index(same)] = merged
                for table in (self._by_account, self._by_name, self._by_handle):
                    _replace(table, same, merged)
                self._enter(merged, (line.name, *line.aliases))
                return
        self._add(Person(f"r:{number}", line.name, standing, None, accounts), (line.name, *line.aliases))

    def _custodian_like(self, line: RosterLine, accounts: frozenset[str]) -> Person | None:
        mails = {one for one in accounts if "@" in one}
        for person in self.people:
            if person.standing is Standing.CUSTODIAN and mails & person.accounts:
                return person
        if mails:
            return None
        named = self._by_name.get(_ends(line.name))
        return named if named is not None and named.standing is Standing.CUSTODIAN else None

    def _add(self, person: Person, names: Iterable[str]) -> None:
        self.people.append(person)
        self._enter(person, names)

    def _enter(self, person: Person, names: Iterable[str]) -> None:
        for one in person.accounts:
            known = self._by_account.get(one)
            # A number may stand on several lines, such as a school's: staff count before outsiders.
            if known is None or (not known.of_district and person.of_district):
                self._by_account[one] = person
        names = tuple(names)
        ends = {found for name in names if (found := _ends(name))}
        if not person.of_district:
            return
        for found in ends:
            _enter_once(self._by_name, found, person)
        handles = {_letters(one.partition("@")[0]) for one in person.accounts if "@" in one}
        for name in names:
            handles |= set(_handles(name))
        for handle in handles:
            if len(handle) >= _SHORTEST_HANDLE:
                _enter_once(self._by_handle, handle, person)

    def district(self, address: str) -> bool:
        """Say whether an address lies in one of the district's domains or below."""
        domain = address.rpartition("@")[2]
        return "@" in address and any(domain == own or domain.endswith(f".{own}") for own in self._domains)

    def custodian(self, custodian_id: str) -> Person | None:
        """Return a custodian by id."""
        return next((one for one in self.people if one.key == f"c:{custodian_id}"), None)

    def known(self, handle: str) -> Person | None:
        """Return whose account this is, as the request or the roster states; None where neither does."""
        return self._by_account.get(handle)

    def named(self, name: str) -> Person | None:
        """Return the custodian or member of staff with first and last word of their name in a shown name."""
        found = tokens(name)[:_LONGEST_NAME]
        for pair in combinations(dict.fromkeys(found), 2):
            person = self._by_name.get(frozenset(pair))
            if person is not None:
                return person
        return None

    def tied(self, name: str, handle: str) -> tuple[Person, str] | None:
        """Return to whom an account that nobody states belongs by its looks, and by what: name or handle.

        Args:
            name: Shown beside it; may be empty.
            handle: As ``account`` writes it.
        """
        if handle in self._by_account:
            return None
        person = self.named(name) if name else None
        if person is not None:
            if self.district(handle) and not any(self.district(one) for one in person.accounts):
                return None  # nobody stated an address of theirs: this is it
            return person, "name"
        if "@" not in handle or self.district(handle) or not words_are_a_name(handle):
            return None
        person = self._by_handle.get(_letters(handle.partition("@")[0]))
        return (person, "handle") if person is not None else None

    def author(self, name: str, handle: str) -> Person | None:
        """Return the custodian or member of staff who writes under a name and account; None for others."""
        person = self._by_account.get(handle) if handle else None
        if person is not None:
            return person if person.of_district else None
        found = self.tied(name, handle) if handle else None
        if found is not None:
            return found[0]
        return self.named(name) if name and not handle else None


def _enter_once(table: dict[_Key, Person | None], key: _Key, person: Person) -> None:
    """Enter who a name or handle means; None from the second person on."""
    known = table.get(key, person)
    table[key] = person if known is not None and known.key == person.key else None


def _replace(table: dict[Any, Any], before: Person, after: Person) -> None:
    for key in [key for key, value in table.items() if value is before]:
        table[key] = after


def words_are_a_name(address: str) -> bool:
    """Say whether the part before the @ can be a person's: no machine, no list."""
    return not _parts(address) & (words().machines | words().lists)


def is_role(address: str) -> bool:
    """Say whether the part before the @ is that of an office and not of a list or a machine."""
    parts = _parts(address)
    return bool(parts & words().roles) and not parts & (words().machines | words().lists)


def _parts(address: str) -> set[str]:
    """Return the words of the part before the @, each without digits, and all of them as one."""
    found = tokens(address.partition("@")[0].replace("_", " "))
    bare = ["".join(letter for letter in one if not letter.isdigit()) for one in found]
    return {one for one in (*bare, "".join(bare)) if one}


def _ends(name: str) -> frozenset[str]:
    """Return first and last word of a name; empty for one word."""
    found = tokens(name.partition(",")[2] + " " + name.partition(",")[0]) if "," in name else tokens(name)
    return frozenset({found[0], found[-1]}) if len(found) > 1 and found[0] != found[-1] else frozenset()


def _letters(text: str) -> str:
    """Return the plain letters of a handle or name, digits and signs left out."""
    plain = "".join(tokens(text.lower().translate(_LETTERS)))
    return "".join(letter for letter in plain if not letter.isdigit())


def _handles(name: str) -> list[str]:
    found = [_letters(one) for one in tokens(name.lower().translate(_LETTERS))]
    if len(found) < 2 or not found[0] or not found[-1]:
        return []
    first, last = found[0], found[-1]
    return [first + last, last + first, *([first[0] + last] if len(last) >= _SHORTEST_HANDLE else [])]


def everyone(people: Mapping[str, list[list[str]]]) -> Iterable[tuple[str, str]]:
    """Yield (name, account) of everybody a reading's recipients name."""
    for role in ("to", "cc", "bcc", "participants"):
        for name, handle in people.get(role, ()):
            yield name, account(handle) if handle else ""
