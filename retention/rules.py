"""Rules that point from what an item is to a records series: data in ``rules.toml``, read and matched here.

Content and function decide, not format: rules on content come before the ones that go by role and kind. The
first rule that applies wins; their order in the file is their rank.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from records.errors import SettingsError
from records.toml_text import read_toml
from records.vocabulary import Basis, Kind

_TABLE = Path(__file__).with_name("rules.toml")
_TOKEN = re.compile(r"[^\W_]+")
_SEPARATED = bytes(b if b >= 0x80 or chr(b).isalnum() else 0x20 for b in range(256))
"""ASCII that is no letter or digit to spaces: most texts are split at those alone, many times faster."""

SHORT_WORDS = 60
"""A text of at most so many words has no room for quoted matter: one sign in it is enough."""

_FIRST_WORDS = 50_000
_NEXT_WORDS = 1_000  # for each word that starts a phrase

PLACES = ("subject", "file name", "labels", "text")


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the rules may know of one item.

    Attributes:
        item_id: The item.
        kind: What it turned out to be.
        custodian_role: Role of its custodian as the request file states it; empty when it states none.
        participant_roles: Roles of those custodians who sent or received it.
        subject: Decoded subject, or empty.
        text: The first 4 KB of its text, or empty.
        name: File name, or empty.
        labels: Labels or folders the source gives.
        domains: The domains of its participants' addresses, lower case.
        day: Its own day in the request's zone; None without a trustworthy time.
        basis: How far that day can be trusted.
        draft: The source says it is an unsent draft.
    """

    item_id: str
    kind: Kind
    custodian_role: str = ""
    participant_roles: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    name: str = ""
    labels: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    day: date | None = None
    basis: Basis = Basis.STATED
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; every condition that is given must hold.

    Attributes:
        rule_id: Stable id.
        series: ``series_id`` it points to.
        find: Word beginnings that name the series in an imported schedule where the id is not known:
            alternatives, each a group of which all must occur in title and category.
        why: The reason in words.
        signs: Words and phrases (``*`` ends a word anywhere); one in subject, file name or labels, or
            ``text_needs`` different ones in the text.
        domains: Words in the domain of a participant; one is enough, and stands for a sign.
        unless: Signs that rule it out wherever they occur.
        kinds: Kinds it applies to; empty for all.
        roles: Role classes of which the custodian or a participant must have one.
        custodian_roles: Role classes of which the custodian must have one; ``stated`` is any role at all.
        draft: True: only for unsent drafts.
        places: Where signs count; empty for everywhere (``subject``, ``file name``, ``labels``, ``text``).
        text_needs: How many different signs a text of more than ``SHORT_WORDS`` words needs.
        max_words: Most words the text may have, or None.
        own: It holds for an attachment or other child too, against the rule that a child follows its parent.
        event_from_item: False: the item's own date does not tell the cut-off, whatever the series says.
    """

    rule_id: str
    series: str
    find: tuple[tuple[str, ...], ...]
    why: str
    signs: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    roles: frozenset[str] = frozenset()
    custodian_roles: frozenset[str] = frozenset()
    draft: bool = False
    places: frozenset[str] = frozenset()
    text_needs: int = 2
    max_words: int | None = None
    own: bool = False
    event_from_item: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that applies, and the signs that made it apply, in words."""

    rule: Rule
    because: str


@dataclass(frozen=True, slots=True)
class _Phrase:
    """The words of a sign after its first, and the sign."""

    rest: tuple[str, ...]
    sign: str


_Answer = TypeVar("_Answer")


class _Memory(dict[str, _Answer]):
    """Answers by word, made as words are met; words repeat, and memory is bounded."""

    def __init__(self, make: Callable[[str], _Answer], most: int) -> None:
        super().__init__()
        self._make = make
        self._most = most

    def __missing__(self, word: str) -> _Answer:
        if len(self) >= self._most:
            self.clear()
        made = self[word] = self._make(word)
        return made


class _Starts:
    """What can start with one word: signs of that word alone, and phrases by the word that follows it."""

    def __init__(self, signs: Iterable[_Phrase]) -> None:
        self.alone = [sign.sign for sign in signs if not sign.rest]
        self._phrases = [sign for sign in signs if sign.rest]
        self.going_on = _Memory(self._going_on, _NEXT_WORDS) if self._phrases else None

    def _going_on(self, word: str) -> list[_Phrase]:
        return [phrase for phrase in self._phrases if _fits(word, phrase.rest[0])]


class Signs:
    """Finds a fixed set of words and phrases in a text, in one pass over its words."""

    def __init__(self, signs: Iterable[str]) -> None:
        """Prepare the set.

        Args:
            signs: Words or phrases, lower case; ``*`` at the end of a word stands for any rest of it.
        """
        self._whole: dict[str, list[_Phrase]] = {}
        self._stems: dict[str, list[_Phrase]] = {}
        for sign in sorted(set(signs)):
            first, *rest = sign.split(" ")
            table = self._stems if first.endswith("*") else self._whole
            table.setdefault(first.rstrip("*"), []).append(_Phrase(tuple(rest), sign))
        self._lengths = sorted({len(stem) for stem in self._stems})
        self._shortest = min(self._lengths, default=0)
        self._heads = {stem[: self._shortest] for stem in self._stems}
        self._starting = _Memory(self._starts, _FIRST_WORDS)

    def find(self, words: list[str]) -> frozenset[str]:
        """Return the signs that occur in a list of folded words."""
        found: set[str] = set()
        for at, starts in enumerate(map(self._starting.__getitem__, words), 1):
            if starts is None:
                continue
            if starts.alone:
                found.update(starts.alone)
            if starts.going_on is not None and at < len(words):
                for phrase in starts.going_on[words[at]]:
                    if _follows(words, at, phrase.rest):
                        found.add(phrase.sign)
        return frozenset(found)

    def _starts(self, word: str) -> _Starts | None:
        """Return what can start with a word, or None for nothing."""
        if word[: self._shortest] not in self._heads and word not in self._whole:
            return None  # nearly every word
        signs = list(self._whole.get(word, ()))
        for length in self._lengths:
            if len(word) >= length:
                signs += self._stems.get(word[:length], ())
        return _Starts(signs) if signs else None


def _follows(words: list[str], at: int, rest: tuple[str, ...]) -> bool:
    return len(words) - at >= len(rest) and all(map(_fits, words[at : at + len(rest)], rest))


def _fits(word: str, want: str) -> bool:
    return word == want or (want[-1] == "*" and word.startswith(want[:-1]))


def words_of(text: str) -> list[str]:
    """Return the folded words of a text: runs of letters and digits, an apostrophe before ``s`` ignored."""
    text = text.replace("\u2019", "'").replace("'s", "").casefold()
    data = text.encode("utf-8", "surrogatepass").translate(_SEPARATED)
    words = data.decode("utf-8", "surrogatepass").split()
    if text.isascii():
        return words
    return [part for word in words for part in ((word,) if word.isascii() else _TOKEN.findall(word))]


@dataclass(frozen=True)
class Rules:
    """All rules, in rank order, ready to match.

    Attributes:
        rules: In rank order.
        roles: Role class to the signs that mark it.
    """

    rules: tuple[Rule, ...]
    roles: Mapping[str, frozenset[str]]
    _signs: Signs = field(init=False, repr=False, compare=False)
    _role_signs: Signs = field(init=False, repr=False, compare=False)
    _classes: dict[str, frozenset[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = {sign for rule in self.rules for sign in rule.signs | rule.unless}
        object.__setattr__(self, "_signs", Signs(every))
        object.__setattr__(
            self, "_role_signs", Signs({sign for signs in self.roles.values() for sign in signs})
        )

    def role_classes(self, role: str) -> frozenset[str]:
        """Return the classes a role belongs to; ``stated`` for any role, nothing for an empty one."""
        if not role.strip():
            return frozenset()
        known = self._classes.get(role)
        if known is None:
            found = self._role_signs.find(words_of(role))
            known = frozenset({"stated", *(name for name, signs in self.roles.items() if signs & found)})
            self._classes[role] = known  # a request has as many roles as custodians
        return known

    def match(self, item: ItemFacts, *, as_child: bool = False) -> Match | None:
        """Return the first rule that applies, or None.

        Args:
            item: The facts.
            as_child: Only rules that hold against "a child follows its parent".
        """
        text_words = words_of(item.text)
        found = {
            "subject": self._signs.find(words_of(item.subject)),
            "file name": self._signs.find(words_of(item.name)),
            "labels": self._signs.find([w for label in item.labels for w in (*words_of(label), "\n")]),
            "text": self._signs.find(text_words),
        }
        own = self.role_classes(item.custodian_role)
        anybody = own.union(*(self.role_classes(role) for role in item.participant_roles))
        domain_words = frozenset(word for domain in item.domains for word in words_of(domain))
        anywhere = frozenset().union(*found.values())
        for rule in self.rules:
            if as_child and not rule.own:
                continue
            if rule.signs and not rule.domains and rule.signs.isdisjoint(anywhere):
                continue  # no sign of it: nothing else has to be looked at
            because = _applies(rule, item, found, len(text_words), own, anybody, domain_words)
            if because is not None:
                return Match(rule, because)
        return None


def _applies(
    rule: Rule,
    item: ItemFacts,
    found: Mapping[str, frozenset[str]],
    word_count: int,
    own: frozenset[str],
    anybody: frozenset[str],
    domain_words: frozenset[str],
) -> str | None:
    """Return why the rule applies, in words; None when it does not."""
    out_of_place = (
        (rule.kinds and item.kind not in rule.kinds)
        or (rule.draft and not item.draft)
        or (rule.max_words is not None and word_count > rule.max_words)
        or (rule.roles and not rule.roles & anybody)
        or (rule.custodian_roles and not rule.custodian_roles & own)
        or (rule.unless and any(rule.unless & signs for signs in found.values()))
    )
    if out_of_place:
        return None
    because = []
    if rule.signs or rule.domains:
        evidence = _evidence(rule, found, word_count, domain_words)
        if evidence is None:
            return None
        because.append(evidence)
    if rule.custodian_roles or rule.roles:
        because.append(
            "the custodian's role" if (rule.custodian_roles or rule.roles) & own else "a participant's role"
        )
    if rule.kinds:
        because.append(f"it is of kind {item.kind}")
    if rule.draft:
        because.append("the source marks it as a draft")
    return "; ".join(because)


def _evidence(
    rule: Rule, found: Mapping[str, frozenset[str]], word_count: int, domain_words: frozenset[str]
) -> str | None:
    for place in PLACES:
        hit = rule.signs & found[place]
        enough = place != "text" or len(hit) >= rule.text_needs or word_count <= SHORT_WORDS
        if hit and enough and (not rule.places or place in rule.places):
            return f"{_said(hit)} in its {place}"
    if rule.domains & domain_words:
        return "the domain of a participant's address"
    return None


def _said(signs: frozenset[str]) -> str:
    return ", ".join(f"“{sign}”" for sign in sorted(signs)[:3])


# --- reading the file ----------------------------------------------------------------------------------

_LISTS = ("signs", "domains", "unless", "kinds", "roles", "custodian_roles", "places")
_KEYS = {
    "id", "series", "find", "why", "draft", "text_needs", "max_words", "own", "event_from_item", *_LISTS,
}  # fmt: skip


@cache
def builtin_rules() -> Rules:
    """Return the rules this project carries."""
    return read_rules(_TABLE.read_text(encoding="utf-8"))


def read_rules(text: str) -> Rules:
    """Read rules.

    Args:
        text: TOML: a table ``roles`` (class to signs) and an array ``rules``; keys as in ``Rule``, ``id`` for
            its id.

    Raises:
        SettingsError: No valid TOML, an unknown key, kind or role class, or an id used twice; the message
            names it.
    """
    raw = read_toml(text, "the retention rules are")
    roles = {name: frozenset(signs) for name, signs in raw.get("roles", {}).items()}
    rules = tuple(_rule(entry, roles) for entry in raw.get("rules", ()))
    ids = [rule.rule_id for rule in rules]
    twice = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
    if twice:
        raise SettingsError(f"retention rule ids occur twice: {', '.join(twice)}")
    return Rules(rules, roles)


def _rule(raw: dict[str, Any], roles: Mapping[str, frozenset[str]]) -> Rule:
    name = raw.get("id", "?")
    unknown = sorted(set(raw) - _KEYS)
    missing = sorted({"id", "series", "find", "why"} - set(raw))
    if unknown or missing:
        raise SettingsError(f"retention rule {name}: unknown keys {unknown}, missing keys {missing}")
    lists: dict[str, frozenset[str]] = {key: frozenset(raw.get(key, ())) for key in _LISTS}
    stray = sorted((lists["roles"] | lists["custodian_roles"]) - {*roles, "stated"})
    if stray:
        raise SettingsError(f"retention rule {name}: no such role class: {', '.join(stray)}")
    if lists["places"] - set(PLACES):
        raise SettingsError(f"retention rule {name}: places are {', '.join(PLACES)}")
    try:
        kinds = frozenset(Kind(kind) for kind in lists["kinds"])
    except ValueError as error:
        raise SettingsError(f"retention rule {name}: {error}") from error
    return Rule(
        rule_id=raw["id"],
        series=raw["series"],
        find=tuple(tuple(group.split()) for group in raw["find"]),
        why=raw["why"],
        kinds=kinds,
        signs=lists["signs"],
        domains=lists["domains"],
        unless=lists["unless"],
        roles=lists["roles"],
        custodian_roles=lists["custodian_roles"],
        places=lists["places"],
        draft=raw.get("draft", False),
        text_needs=raw.get("text_needs", 2),
        max_words=raw.get("max_words"),
        own=raw.get("own", False),
        event_from_item=raw.get("event_from_item", True),
    )
