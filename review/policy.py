"""Possible exceptions to what the district allows by text: rules kept as data, which only mark.

What the rules mark, a person judges. Nothing here withholds, redacts or suggests an exemption: a breach of a
district's own procedure is no ground for refusing a record (RCW 42.56.210(3) asks for an exemption). This
module knows rules and messages; which messages it is shown, ``desk.policy`` decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from records.errors import SettingsError
from records.roster import RosterKind, RosterLine
from records.toml_text import read_toml

FILE = Path(__file__).with_name("policy.toml")
"""The rules that come with the program; a district turns on its own copy."""

MOST_PLACES = 20
"""Places of one message that are kept; a longer list says no more."""

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")]
Place = tuple[int, int]
_Key = TypeVar("_Key")


class How(StrEnum):
    """By what a rule marks."""

    WORDS = "words"  # a message with one of its patterns
    STUDENT = "student"  # a conversation with a student and no guardian of theirs
    NOT_APPROVED = "not_approved"  # a source by a connector or of an app that is not approved
    ENCRYPTED = "encrypted"  # a source by one of its connectors or of one of its apps


class Checked(StrEnum):
    """How sure it is that the procedure says so."""

    READ = "read"
    UNVERIFIED = "unverified"


class Unit(StrEnum):
    """What is marked."""

    MESSAGE = "message"
    CONVERSATION = "conversation"
    SOURCE = "source"


_UNITS = {
    How.WORDS: Unit.MESSAGE, How.STUDENT: Unit.CONVERSATION,
    How.NOT_APPROVED: Unit.SOURCE, How.ENCRYPTED: Unit.SOURCE,
}  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _compiled(patterns: Sequence[str]) -> re.Pattern[str]:
    """Return one pattern for all; a blank stands for white space of any kind, eight characters at most."""
    return re.compile("|".join(f"(?:{one})" for one in patterns).replace(" ", r"(?:\s{1,8})"), re.IGNORECASE)


def _usable(patterns: Sequence[str], where: str) -> None:
    for number, one in enumerate(patterns, 1):
        try:
            found = _compiled([one])
        except re.error as error:
            raise ValueError(f"{where}: pattern {number} is no regular expression") from error
        if found.match(""):
            raise ValueError(f"{where}: pattern {number} matches where there is nothing")


class Excuse(_Strict):
    """An exception that a rule of the procedure names.

    Attributes:
        id: By which rules and judgements name it.
        says: What it is, in words.
        signs: Patterns of words that point to it; they only remind.
    """

    id: Word
    says: str = Field(min_length=1)
    signs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Excuse:
        _usable(self.signs, f"exception {self.id}")
        return self

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Its signs, as one."""
        return _compiled(self.signs) if self.signs else None


class Rule(_Strict):
    """One rule of the procedure.

    Attributes:
        id: Named by every mark it makes.
        how: By what it marks.
        says: What the procedure allows or forbids, in words.
        source: Where that stands.
        checked: How sure that is.
        exceptions: Ids of those that the rule names.
        patterns: Of ``words``.
        triggers: Lower-case strings one of which stands in every text that a pattern can match.
        connectors: Of ``encrypted``: names of connectors.
        apps: Likewise: names of apps, lower case.
    """

    id: Word
    how: How
    says: str = Field(min_length=1)
    source: str = Field(min_length=1)
    checked: Checked
    exceptions: tuple[Word, ...]
    patterns: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    connectors: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        words, named = bool(self.patterns), bool(self.connectors or self.apps)
        if words != (self.how is How.WORDS) or bool(self.triggers) > words:
            raise ValueError(
                f"rule {self.id}: `patterns` and `triggers` are those of a rule by words, which needs some"
            )
        if named != (self.how is How.ENCRYPTED):
            raise ValueError(
                f"rule {self.id}: `connectors` and `apps` are those of encrypted apps, which need some"
            )
        _usable(self.patterns, f"rule {self.id}")
        return self

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Its patterns, as one."""
        return _compiled(self.patterns)

    def places(self, text: str, small: str) -> list[Place]:
        """Return where a text has what the rule looks for.

        Args:
            text: As it is.
            small: The same in lower case.
        """
        if self.triggers and not any(trigger in small for trigger in self.triggers):
            return []
        return [found.span() for found in self.pattern.finditer(text)]


class Approved(_Strict):
    """What the district has approved for texting: names of connectors and of apps."""

    connectors: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.connectors or self.apps)


class Policy(_Strict):
    """A file of rules.

    Attributes:
        policy: What the district calls its procedure.
        approved: What it has approved.
        exceptions: Those that its rules name.
        rules: In the order in which they are listed.
    """

    policy: str = Field(min_length=1, max_length=60)
    approved: Approved = Approved()
    exceptions: tuple[Excuse, ...] = ()
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        for what, ids in (
            ("exceptions", [one.id for one in self.exceptions]),
            ("rules", [one.id for one in self.rules]),
        ):
            if twice := sorted({one for one in ids if ids.count(one) > 1}):
                raise ValueError(f"{what}: id used twice: {', '.join(twice)}")
        known = {one.id for one in self.exceptions}
        for rule in self.rules:
            if unknown := sorted(set(rule.exceptions) - known):
                raise ValueError(f"rule {rule.id}: no exception is called {', '.join(unknown)}")
        return self

    @property
    def words(self) -> str:
        """What every mark says."""
        return f"possible exception to {self.policy}, person to judge"

    def rule(self, rule_id: str) -> Rule | None:
        """Return a rule by its id."""
        return next((one for one in self.rules if one.id == rule_id), None)

    def excuse(self, exception_id: str) -> Excuse:
        """Return an exception by its id."""
        return next(one for one in self.exceptions if one.id == exception_id)


def read_policy(text: str, where: str) -> Policy:
    """Read a file of rules.

    Args:
        text: TOML.
        where: Names the file, for messages.

    Raises:
        SettingsError: It is no TOML, or a key is unknown, missing or wrong; every such place is named.
    """
    try:
        return Policy.model_validate(read_toml(text, f"{where}:"))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = "; ".join(_problem(one["loc"], one["msg"]) for one in found)
        raise SettingsError(f"{where}: {problems}") from error


def _problem(loc: Sequence[int | str], said: str) -> str:
    place = ".".join(str(part) for part in loc)
    return ": ".join(filter(None, (place, said.removeprefix("Value error, "))))


# -- messages


@dataclass(frozen=True, slots=True)
class Message:
    """A text or a chat message of a source that the district runs.

    Attributes:
        item_id: The item.
        source_id: Its source.
        custodian_id: Whose.
        connector: That read it.
        app: As its source names it; empty where the connector is of one app.
        conversation: Key of its conversation, within the source.
        people: Accounts of everybody it names, each in one spelling.
        at: When it was sent, so that texts order as times; empty without a time.
        text: What it says.
    """

    item_id: str
    source_id: str
    custodian_id: str
    connector: str
    app: str
    conversation: str
    people: frozenset[str]
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One possible exception.

    Attributes:
        rule: Id of the rule.
        unit: What is marked.
        unit_key: Which; for a conversation a hash of its key, which can hold numbers.
        item_id: The message, or the first one of what is marked.
        source_id: Its source.
        custodian_id: Whose.
        messages: How many messages are marked by this.
        places: First character and the one after the last of each match, at most ``MOST_PLACES``.
        signs: Exceptions of the rule whose signs stand in the marked messages.
    """

    rule: str
    unit: Unit
    unit_key: str
    item_id: str
    source_id: str
    custodian_id: str
    messages: int
    places: tuple[Place, ...] = ()
    signs: tuple[str, ...] = ()

    @property
    def exception_id(self) -> str:
        """The same for the same rule and thing on every look."""
        return hashlib.sha256(f"px1\x1f{self.rule}\x1f{self.unit}\x1f{self.unit_key}".encode()).hexdigest()[
            :16
        ]


@dataclass(frozen=True, slots=True)
class Student:
    """A student who can be told in a conversation.

    Attributes:
        accounts: Their addresses and numbers.
        guardians: Those of their guardians.
    """

    accounts: frozenset[str]
    guardians: frozenset[str]


def students(roster: Iterable[RosterLine], account: Callable[[str], str]) -> tuple[Student, ...]:
    """Return the students of a roster who have an address or a number.

    A guardian of whom the roster does not say whose they are counts as guardian of every student: nothing is
    marked on a guess.

    Args:
        roster: Its lines.
        account: Writes an address or number in one spelling.
    """
    lines = tuple(roster)
    anybody: set[str] = set()
    by_student: dict[str, set[str]] = {}
    for line in lines:
        if line.kind is RosterKind.GUARDIAN:
            accounts = set(map(account, (*line.emails, *line.numbers)))
            for name in line.guardian_of:
                by_student.setdefault(name.casefold(), set()).update(accounts)
            if not line.guardian_of:
                anybody |= accounts
    return tuple(
        Student(
            frozenset(map(account, (*line.emails, *line.numbers))),
            frozenset(
                anybody.union(
                    *(by_student.get(name.casefold(), set()) for name in (line.name, *line.aliases))
                )
            ),
        )
        for line in lines
        if line.kind is RosterKind.STUDENT and (line.emails or line.numbers)
    )


@dataclass
class _Group:
    """What gathers about a conversation or a source."""

    first: Message
    messages: int = 0
    people: set[str] = field(default_factory=set)
    signs: set[str] = field(default_factory=set)

    def add(self, message: Message, signs: Iterable[str]) -> None:
        self.first = min(self.first, message, key=lambda one: (one.at or "~", one.item_id))
        self.messages += 1
        self.people |= message.people
        self.signs.update(signs)


class Look:
    """One look at the messages of a request, fed message by message."""

    def __init__(self, policy: Policy, pupils: Sequence[Student]) -> None:
        """Begin.

        Args:
            policy: The rules in force.
            pupils: Students who can be told.
        """
        self._policy, self._pupils = policy, tuple(pupils)
        self._marks: list[Mark] = []
        self._conversations: dict[tuple[str, str], _Group] = {}
        self._sources: dict[tuple[str, str], _Group] = {}
        self.messages = 0

    @property
    def not_applied(self) -> dict[str, str]:
        """Rules that marked nothing for want of something, with what they want."""
        wants = {}
        for rule in self._policy.rules:
            if rule.how is How.STUDENT and not self._pupils:
                wants[rule.id] = "the roster has no student with an address or a number"
            elif rule.how is How.NOT_APPROVED and not self._policy.approved:
                wants[rule.id] = "`approved` names no connector and no app"
        return wants

    def add(self, message: Message) -> None:
        """Look at a message."""
        self.messages += 1
        small = message.text.lower()
        signs = {
            one.id
            for one in self._policy.exceptions
            if one.pattern is not None and one.pattern.search(message.text)
        }
        for rule in self._policy.rules:
            if rule.how is How.WORDS and (places := rule.places(message.text, small)):
                self._marks.append(
                    Mark(
                        rule.id, Unit.MESSAGE, message.item_id, message.item_id, message.source_id,
                        message.custodian_id, 1, tuple(places[:MOST_PLACES]), _named(rule, signs),
                    )
                )  # fmt: skip
        kept = replace(message, text="")  # a group outlives the texts
        _gather(self._conversations, (message.source_id, message.conversation), kept, signs)
        _gather(self._sources, (message.source_id, message.app), kept, ())

    def marks(self) -> list[Mark]:
        """Return the marks, in the order of the rules; within one by source and item."""
        found = list(self._marks)
        for rule in self._policy.rules:
            if rule.how is How.STUDENT:
                found += [
                    _grouped(rule, group, _hashed(key))
                    for key, group in self._conversations.items()
                    if any(
                        one.accounts & group.people and not one.guardians & group.people
                        for one in self._pupils
                    )
                ]
            elif rule.how is not How.WORDS:
                found += [
                    _grouped(rule, group, "\x1f".join(key))
                    for key, group in self._sources.items()
                    if self._wrong(rule, group.first)
                ]
        order = {rule.id: number for number, rule in enumerate(self._policy.rules)}
        return sorted(found, key=lambda one: (order[one.rule], one.source_id, one.item_id))

    def _wrong(self, rule: Rule, message: Message) -> bool:
        """Say whether a rule about apps marks the source of a message."""
        app, approved = message.app.casefold(), self._policy.approved
        if rule.how is How.ENCRYPTED:
            return message.connector in rule.connectors or _among(app, rule.apps)
        return (
            bool(approved) and message.connector not in approved.connectors and not _among(app, approved.apps)
        )


def _gather(groups: dict[_Key, _Group], key: _Key, message: Message, signs: Iterable[str]) -> None:
    groups.setdefault(key, _Group(message)).add(message, signs)


def _grouped(rule: Rule, group: _Group, key: str) -> Mark:
    first = group.first
    return Mark(
        rule.id, _UNITS[rule.how], key, first.item_id, first.source_id, first.custodian_id, group.messages,
        (), _named(rule, group.signs),
    )  # fmt: skip


def _named(rule: Rule, signs: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for one in rule.exceptions if one in signs)


def _among(app: str, names: Iterable[str]) -> bool:
    return bool(app) and app in {name.casefold() for name in names}


def _hashed(key: tuple[str, str]) -> str:
    return hashlib.sha256("\x1f".join(("pc1", *key)).encode()).hexdigest()[:32]
