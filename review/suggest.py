"""Suggestions: which exemptions a reviewer might look for, from a few checked rules kept as data.

A suggestion is shown beside the record and never filled in as an answer.
"""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from records.errors import SettingsError
from records.vocabulary import Kind
from review import exemptions

FILE = Path(__file__).with_name("suggestions.toml")
_KEYS = {"name", "codes", "why", "kinds", "addresses", "terms"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of ``suggestions.toml``; a list that is empty does not narrow it.

    Attributes:
        name: Named in every suggestion it makes.
        codes: Exemption codes to look at.
        why: In words.
        kinds: Kinds of record it is about.
        addresses: Patterns of participants' addresses (``*`` stands for anything), lower case.
        terms: Words of a search term that hit the record, lower case.
    """

    name: str
    codes: tuple[str, ...]
    why: str
    kinds: frozenset[str]
    addresses: tuple[str, ...]
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to look for, and the rule that says so."""

    rule: str
    codes: tuple[str, ...]
    why: str

    @property
    def text(self) -> str:
        """The suggestion in one line."""
        return f"look: {', '.join(self.codes)} ({self.why}; rule {self.rule})"


@cache
def load(path: Path = FILE) -> tuple[Rule, ...]:
    """Read the rules.

    Raises:
        SettingsError: A rule has an unknown key, kind or exemption code, or could never fire; it is named.
    """
    with path.open("rb") as file:
        raw = tomllib.load(file)
    return tuple(_rule(entry, path.name) for entry in raw.get("rules", ()))


def _rule(entry: dict[str, object], file: str) -> Rule:
    name = str(entry.get("name", ""))

    def words(key: str) -> tuple[str, ...]:
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise SettingsError(f"{file}, rule {name}: {key} is a list of words")
        return tuple(word.casefold() for word in value)

    rule = Rule(
        name,
        words("codes"),
        str(entry.get("why", "")),
        frozenset(words("kinds")),
        words("addresses"),
        words("terms"),
    )
    unknown = sorted(set(entry) - _KEYS) or sorted(rule.kinds - {kind.value for kind in Kind})
    unknown = unknown or sorted(set(rule.codes) - set(exemptions.load()))
    if unknown:
        raise SettingsError(f"{file}, rule {name}: {', '.join(unknown)} is not known")
    if not (name and rule.codes and rule.why and (rule.addresses or rule.terms)):
        raise SettingsError(f"{file}, rule {name or '?'}: needs name, codes, why, and addresses or terms")
    return rule


def suggest(
    kind: str, addresses: Iterable[str], terms: Sequence[str], rules: Sequence[Rule] | None = None
) -> list[Suggestion]:
    """Return what the rules say about one record, in the rules' order.

    Args:
        kind: Of the record.
        addresses: Of everybody the record's family names.
        terms: Search terms that hit the record.
        rules: None for the rules that come with the program.
    """
    known = {address.casefold() for address in addresses if address}
    found = []
    for rule in load() if rules is None else rules:
        fits = (
            (not rule.kinds or kind in rule.kinds)
            and (not rule.addresses or _any_address(known, rule.addresses))
            and (not rule.terms or _any_term(terms, rule.terms))
        )
        if fits:
            found.append(Suggestion(rule.name, rule.codes, rule.why))
    return found


def _any_address(addresses: Iterable[str], patterns: tuple[str, ...]) -> bool:
    return any(_pattern(patterns).match(address) for address in addresses)


def _any_term(terms: Sequence[str], words: Sequence[str]) -> bool:
    return any(
        re.search(rf"(?<!\w){re.escape(word)}(?!\w)", term.casefold()) for term in terms for word in words
    )


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
