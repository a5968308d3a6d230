"""The masked copy: names of students and guardians, personal addresses and numbers, privileged text.

Words are compared as search folds them (``search.folding``), with nothing between them: ``Avery Amberson``,
``AMBERSON, Avéry``, ``avery-amberson``, ``AveryAmberson`` and ``A v e r y`` are all found. Too much is masked
rather than too little: a name that a student shares with a month or a street goes too, unless it stands in
the whole name of somebody who works for the district, or of a school. ``docs/adequacy.md`` says what masking
cannot know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import permutations
from typing import Any

import phonenumbers
import sqlalchemy as sa

from desk.adequacy.facts import Facts
from desk.home import Home
from records import canonical
from records import tables as t
from records.decisions import in_force
from records.roster import RosterKind, RosterLine
from release.numbering import permanent
from review import exemptions
from search.folding import OffsetMap, fold, tokens

NAME, ADDRESS, NUMBER, PRIVILEGED, ID = "[name]", "[e-mail]", "[number]", "[privileged]", "[id]"

_MASKED_KINDS = frozenset({RosterKind.STUDENT, RosterKind.GUARDIAN})
_PUBLIC_NUMBERS = frozenset(
    {RosterKind.SCHOOL, RosterKind.OFFICE, RosterKind.PROGRAMME, RosterKind.VENDOR, RosterKind.MAILBOX}
)
_EMAIL = re.compile(r"[\w.+'%-]+\s*[@＠﹫]\s*[\w-]+(?:\s*[.．]\s*[\w-]+)+")
_LOCAL_NUMBER = re.compile(r"(?<![\d-])\d{3}[-. ]\d{4}(?![\d-])")
_PATTERN = re.compile(r"[^\s():\"“”]*[*?=%~][^\s():\"“”]*")
_SHORT_WORDS = frozenset(
    {
        "ah", "am", "an", "as", "at", "be", "by", "do", "go", "ha", "he", "hi", "if", "in", "is", "it", "la",
        "le", "me", "my", "no", "of", "oh", "on", "or", "ox", "so", "to", "up", "us", "we",
    }
)  # fmt: skip
"""Two-letter words that are names too: alone they stay, or no sentence could be read."""

_COUNSEL = frozenset({"counsel", "attorney", "attorneys", "lawyer", "lawyers", "privilege", "privileged"})
_ADVICE = ("legaladvice", "workproduct", "legalopinion")

_IDS = frozenset(
    {
        "origin", "request_id", "made_at", "id", "at", "custodian", "source", "sources", "connector",
        "version", "received_on", "due_on", "opened_at", "closed_at", "time_zone", "domains", "window_from",
        "window_to", "changed", "base_kind", "way", "answer", "how", "proposed_at", "engine", "analyzer",
        "counted_at", "collected_from", "collected_to", "started_at", "ended_at", "outcome", "frozen_at",
        "audit_head", "from_at", "until_at", "authority", "extent", "unit", "code", "kind", "family_id",
        "frame_sha256", "words", "installed", "connectors", "not_recorded", "figures", "state", "event",
        "route", "corpus", "sha256", "answered_on", "received_at", "unanswered",
    }
)  # fmt: skip
"""Keys whose values are ids, codes, days and the program's own words: never masked."""

_REASONS = frozenset({"why", "note"})
"""Keys under which people wrote freely: the whole text goes when it tells of counsel's advice."""


@dataclass(frozen=True, slots=True)
class Privileged:
    """What was decided to be privileged.

    Attributes:
        items: Ids of the items.
        families: Ids of their families.
        marks: What names one of them in a text, as words without anything between: ids, numbers, subjects.
        signals: Signals that stand in one of them.
        terms: Terms that find nothing but such items, folded.
    """

    items: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()
    signals: frozenset[str] = frozenset()
    terms: frozenset[str] = frozenset()


SUBJECT_WORDS = 4
"""A subject of fewer words names half of all mail rather than one."""


def privileged(home: Home, request_id: str, asked: str) -> Privileged:
    """Return what the decisions in force withhold or redact as privileged.

    Args:
        home: Open.
        request_id: The request.
        asked: The request's own words, joined: a subject that repeats them gives nothing away.
    """
    codes = {code for code, rule in exemptions.load().items() if rule.kind == "privilege"}
    with home.catalogue.read() as connection:
        items = frozenset(
            item_id
            for item_id, decision in in_force(connection, request_id).items()
            if any(one.code in codes for one in decision.exemptions)
        )
        if not items:
            return Privileged()
        marks = {fold(item_id).strip() for item_id in items}
        i, r, n = t.items.c, t.readings.c, t.numbers.c
        families: set[str] = set()
        for row in connection.execute(
            sa.select(i.item_id, i.family_id, r.subject, n.number)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .outerjoin(t.numbers, (n.request_id == i.request_id) & (n.item_id == i.item_id))
            .where(i.request_id == request_id)
        ):
            if row.item_id not in items:
                continue
            families.add(row.family_id)
            if row.number is not None:
                marks.add("".join(tokens(permanent(f"PRR-{request_id}-", row.number))))
            words = _subject_words(row.subject or "")
            if len(words) >= SUBJECT_WORDS and "".join(words) not in asked:
                marks.add("".join(words))
        signals = {
            signal
            for signal, item in connection.execute(
                sa.select(t.signal_items.c.signal_id, t.signal_items.c.item_id).where(
                    t.signal_items.c.request_id == request_id
                )
            )
            if item in items
        }
        return Privileged(
            items,
            frozenset(families),
            frozenset(marks),
            frozenset(signals),
            _terms_of(connection, request_id, items),
        )


def _subject_words(subject: str) -> list[str]:
    words = tokens(subject)
    while words and words[0] in {"re", "fw", "fwd", "aw"}:
        words = words[1:]
    return words


def _terms_of(connection: sa.Connection, request_id: str, items: frozenset[str]) -> frozenset[str]:
    """Return the terms of any version that find at least one item and none but these, folded."""
    h, r = t.hits.c, t.term_reports.c
    found: dict[tuple[int, int], bool] = {}
    for version, line, item in connection.execute(
        sa.select(h.version, h.term_no, h.item_id).where(h.request_id == request_id, h.version > 0)
    ):
        found[version, line] = found.get((version, line), True) and item in items
    terms = set()
    for version, report in connection.execute(
        sa.select(r.version, r.report).where(r.request_id == request_id, r.version > 0)
    ):
        for row in canonical.loads(report)["terms"]:
            if found.get((version, row["line"]), False):
                terms |= {fold(row["term"]).strip(), fold(row["parsed"]).strip()}
    return frozenset(terms)


@dataclass
class Masker:
    """Masks texts; ``counts`` says how often each kind of mask was put in.

    Attributes:
        known: What is masked, as words without anything between, with the mask.
        allowed: Whole names that stay, likewise.
        addresses: Addresses that stay, in lower case.
        numbers: Numbers that stay: their last ten digits.
        domains: The district's own; addresses below them stay.
        secret: What was decided to be privileged.
        counsel: Names of counsel, as words without anything between.
        own_forms: Forms of the names of those who work for the district: no address of theirs hides them.
        longest: Letters of the longest of ``known`` and ``allowed``; 0 to look anew.
    """

    known: dict[str, str]
    allowed: frozenset[str]
    addresses: frozenset[str]
    numbers: frozenset[str]
    domains: tuple[str, ...]
    secret: Privileged
    counsel: frozenset[str]
    own_forms: frozenset[str]
    counts: Counter[str] = field(default_factory=Counter)
    longest: int = 0

    def text(self, text: str) -> str:
        """Return a text with names, addresses and numbers masked."""
        spans = list(self._handles(text))
        kept = [(start, end) for start, end, mask in spans if mask is None]
        signed = [one for one in _PATTERN.finditer(text) if self._hides_a_name(one.group())]
        return self._masked(
            text,
            [
                *((start, end, mask) for start, end, mask in spans if mask is not None),
                *((found.start(), found.end(), NAME) for found in signed),
                *(one for one in self._words(text) if not any(one[0] < e and s < one[1] for s, e in kept)),
            ],
        )

    def learn(self, text: str) -> None:
        """Keep the addresses and numbers of a text, so that they are found in other spellings as well."""
        for start, end, mask in self._handles(text):
            if mask == ADDRESS:
                self.know_address(text[start:end])
            elif mask == NUMBER:
                self.know_number(text[start:end])

    def know_address(self, address: str) -> None:
        """Mask an address from now on, however it is written, and the part before its sign alone."""
        words = tokens(address)
        self.known.setdefault("".join(words), ADDRESS)
        local = "".join(tokens(re.split("[@＠﹫]", address)[0]))
        if len(local) >= 5 and local not in self.own_forms:
            self.known.setdefault(local, ADDRESS)

    def know_number(self, number: str) -> None:
        """Mask a number from now on, with and without the country's and the area's code."""
        digits = "".join(tokens(number))
        if not digits.isdigit() or len(digits) < 7:
            return
        self.known.setdefault(digits, NUMBER)
        if len(digits) >= 10:
            for form in (digits[-10:], f"1{digits[-10:]}", digits[-7:]):
                self.known.setdefault(form, NUMBER)

    def _handles(self, text: str) -> Iterator[tuple[int, int, str | None]]:
        """Yield addresses and numbers with their mask; None for those that stay."""
        for found in _EMAIL.finditer(text):
            address = "".join(found.group().split()).replace("＠", "@").replace("﹫", "@").lower()
            domain = address.rpartition("@")[2].replace("．", ".")
            if address in self.addresses:
                yield found.start(), found.end(), None
            elif not any(domain == own or domain.endswith(f".{own}") for own in self.domains):
                yield found.start(), found.end(), ADDRESS
        matches = phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.POSSIBLE)
        places = [(one.start, one.end) for one in matches]
        places += [one.span() for one in _LOCAL_NUMBER.finditer(text)]
        for start, end in places:
            digits = "".join(tokens(text[start:end]))
            yield start, end, None if digits[-10:] in self.numbers else NUMBER

    def _words(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield the places of known names, addresses and numbers, whatever stands between their words."""
        folded = fold(text)
        words = [(found.group(), found.start(), found.end()) for found in re.finditer(r"\S+", folded)]
        offsets = OffsetMap(text)
        longest = self.longest or max(map(len, (*self.known, *self.allowed)), default=0)
        at = 0
        while at < len(words):
            joined, stays, goes, mask = "", 0, 0, ""
            for end in range(at, len(words)):
                joined += words[end][0]
                if len(joined) > longest:
                    break
                if joined in self.allowed:
                    stays = end + 1
                if joined in self.known:
                    goes, mask = end + 1, self.known[joined]
            if goes and goes >= stays:
                yield offsets.first(words[at][1]), offsets.after(words[goes - 1][2]), mask
            at = max(goes, stays, at + 1)

    def _hides_a_name(self, word: str) -> bool:
        """Say whether a word with search signs in it all but spells a known name."""
        bare = re.sub("[%~]", "", word)
        letters = "".join(tokens(bare))
        if letters in self.known:
            return True
        if len(letters) < 4 or not re.search("[*?=]", bare):
            return False
        signs = {"*": ".*", "?": ".", "=": "[0-9]"}
        made = "".join(signs.get(c, "".join(tokens(c))) for c in bare)
        pattern = re.compile(made)
        return any(len(letters) >= len(name) - 2 and pattern.fullmatch(name) for name in self.known)

    def _masked(self, text: str, spans: Iterable[tuple[int, int, str]]) -> str:
        out, at = [], 0
        for start, end, mask in sorted(spans):
            if start < at:  # inside of one that is masked already
                if end > at:
                    at = end
                continue
            out += [text[at:start], mask]
            self.counts[mask] += 1
            at = end
        return "".join([*out, text[at:]])

    def names_privileged(self, text: str) -> bool:
        """Say whether a text names a privileged item, by id, number or subject."""
        joined = "".join(tokens(text))
        return any(mark in joined for mark in self.secret.marks)

    def tells_advice(self, text: str) -> bool:
        """Say whether a reason tells of counsel or of legal advice."""
        words = tokens(text)
        joined = "".join(words)
        return (
            not _COUNSEL.isdisjoint(words)
            or any(one in joined for one in _ADVICE)
            or any(name in joined for name in self.counsel)
        )


def masker(home: Home, request_id: str, facts: Facts) -> Masker:
    """Make the masker of a request from its roster, its custodians and its decisions."""
    roster = home.roster(request_id)
    hidden = [line for line in roster if line.kind in _MASKED_KINDS]
    people = facts.people.custodians
    known: dict[str, str] = {}
    for line in hidden:
        for name in (line.name, *line.aliases):
            for form in name_forms(name):
                known.setdefault(form, NAME)
    own = [line for line in roster if line.kind not in _MASKED_KINDS]
    names = [name for line in own for name in (line.name, *line.aliases)]
    names += [name for one in people for name in (one.name, *one.aliases)]
    whole = _whole_names(line.name for line in hidden)
    made = Masker(
        known,
        frozenset(form for name in names for form in _kept_forms(name) if form not in whole),
        frozenset(
            email.lower()
            for email in (
                *(email for line in own for email in line.emails if _is_office(line, facts.request.domains)),
                *(
                    email
                    for one in people
                    for email in one.emails
                    if _below(email.rpartition("@")[2].lower(), facts.request.domains)
                ),
            )
        )
        - {email.lower() for line in hidden for email in line.emails},
        frozenset(
            "".join(tokens(number))[-10:]
            for line in own
            if line.kind in _PUBLIC_NUMBERS
            for number in line.numbers
        )
        - {"".join(tokens(number))[-10:] for line in hidden for number in line.numbers},
        facts.request.domains,
        privileged(home, request_id, "".join(tokens(facts.request.versions[-1].text))),
        frozenset(
            "".join(tokens(name))
            for line in roster
            if line.kind is RosterKind.COUNSEL
            for name in (line.name, *line.aliases)
        ),
        frozenset(form for name in names for form in name_forms(name)),
    )
    for line in hidden:
        for email in line.emails:
            made.know_address(email)
        for number in line.numbers:
            made.know_number(number)
    for line in own:
        if line.kind not in _PUBLIC_NUMBERS:
            for number in line.numbers:
                made.know_number(number)
    for person in people:
        for email in person.emails:
            if email.lower() not in made.addresses:
                made.know_address(email)
        for number in person.numbers:
            made.know_number(number)
    return made


def _is_office(line: RosterLine, domains: Sequence[str]) -> bool:
    """Say whether a line's addresses are an office's: vendors' and counsel's own, others' in the district."""
    if line.kind in {RosterKind.VENDOR, RosterKind.COUNSEL}:
        return True
    return all(_below(email.rpartition("@")[2].lower(), domains) for email in line.emails)


def _below(domain: str, domains: Sequence[str]) -> bool:
    return any(domain == own or domain.endswith(f".{own}") for own in domains)


def name_forms(name: str) -> set[str]:
    """Return the forms under which a person's name may stand, as words without anything between.

    Whole, turned round, any two of its words, each alone, and an initial with each. A word of one letter
    alone is no form, nor is a two-letter word of the language.
    """
    words = tokens(name)[:6]
    forms = {"".join(words), "".join([*words[1:], *words[:1]]), "".join(words[-1:] + words[:-1])}
    for one, other in permutations(words, 2):
        forms |= {one + other, one[0] + other, one + other[0]}
    forms |= set(words)
    return {form for form in forms if len(form) > 2 or (len(form) == 2 and form not in _SHORT_WORDS)}


def _whole_names(names: Iterable[str]) -> set[str]:
    return {"".join(turned) for name in names for turned in permutations(tokens(name)[:4])}


def _kept_forms(name: str) -> set[str]:
    """Return the forms of a name that stay: whole and turned round; one of a single word as it is."""
    words = tokens(name)
    return {"".join(words), "".join([*words[1:], *words[:1]]), "".join(words[-1:] + words[:-1])} - {""}


def masked(home: Home, request_id: str, facts: Facts) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the facts as a JSON object with everything masked, and how many masks of each kind it has."""
    made = masker(home, request_id, facts)
    raw = asdict(facts)
    hidden_forms = _hidden_forms(made, raw)
    for text in _texts(raw, ""):
        made.learn(text)
    _hide_privileged(made, raw)
    _number_anew(made, raw)
    for signal in _signals(home, request_id):  # also those that are no leads: a reason may name one
        made.known.setdefault("".join(tokens(signal)), ID)
    made.longest = max(map(len, (*made.known, *made.allowed)), default=0)
    out: dict[str, Any] = _walk(made, raw, "", hidden_forms)
    return out, dict(sorted(made.counts.items()))


def _texts(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, str):
        if key not in _IDS:
            yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(one, name)
    elif isinstance(value, (list, tuple)) and key not in _IDS:
        for one in value:
            yield from _texts(one, key)


def _hidden_forms(made: Masker, raw: dict[str, Any]) -> frozenset[str]:
    """Return the variants of names that are masked, folded: initials and misspellings too."""
    forms = set()
    for one in raw["variants"]["variants"]:
        if one["base_kind"] == "person" and _is_only_a_name(made, one["base"]):
            forms |= {fold(one["form"]).strip(), fold(one["base"]).strip()}
    return frozenset(forms)


def _is_only_a_name(made: Masker, base: str) -> bool:
    joined = "".join(tokens(base))
    return joined in made.known and joined not in made.allowed


def _hide_privileged(made: Masker, raw: dict[str, Any]) -> None:
    """Take out whole rows of words that come from privileged items."""
    for lead in raw["leads"]["leads"]:
        if lead["id"] in made.secret.signals:
            lead["subject"] = _hidden(made)
            for answer in lead["answers"]:
                answer["why"] = _hidden(made)
    for sample in raw["samples"]["samples"]:
        for answer in sample["found_responsive"]:
            if answer["family_id"] in made.secret.families:
                answer["why"] = _hidden(made)
    for listed in raw["terms"]["lists"]:
        for term in listed["terms"]:
            if fold(term["term"]).strip() in made.secret.terms:
                for key in ("term", "note", "caution", "parsed"):
                    if term[key]:
                        term[key] = _hidden(made)


def _number_anew(made: Masker, raw: dict[str, Any]) -> None:
    """Put numbers for the ids of leads and variants: made by hashing the very address, number or name.

    Who tries all telephone numbers, or the names of a class list, would find which one an id was made from.
    The id of a sampled family is a hash of who held it and of its message's own key, and names the record.
    """
    for rows in (raw["leads"]["leads"], raw["variants"]["variants"]):
        for number, one in enumerate(rows, start=1):
            made.known["".join(tokens(one["id"]))] = ID
            one["id"] = str(number)
    families: dict[str, str] = {}
    for sample in raw["samples"]["samples"]:
        for answer in sample["found_responsive"]:
            made.known["".join(tokens(answer["family_id"]))] = ID
            answer["family_id"] = families.setdefault(answer["family_id"], str(len(families) + 1))


def _signals(home: Home, request_id: str) -> list[str]:
    s = t.signals.c
    with home.catalogue.read() as connection:
        return list(connection.scalars(sa.select(s.signal_id).where(s.request_id == request_id)))


def _hidden(made: Masker) -> str:
    made.counts[PRIVILEGED] += 1
    return PRIVILEGED


def _walk(made: Masker, value: Any, key: str, hidden_forms: frozenset[str]) -> Any:
    if key in _IDS:
        return value
    if isinstance(value, str):
        return _leaf(made, value, key, hidden_forms)
    if isinstance(value, dict):
        return {name: _walk(made, one, name, hidden_forms) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(made, one, key, hidden_forms) for one in value]
    return value


def _leaf(made: Masker, text: str, key: str, hidden_forms: frozenset[str]) -> str:
    if not text or text == PRIVILEGED:
        return text
    folded = fold(text).strip()
    if folded in made.secret.terms or made.names_privileged(text):
        return _hidden(made)
    if key in _REASONS and made.tells_advice(text):
        return _hidden(made)
    if folded in hidden_forms:
        made.counts[NAME] += 1
        return NAME
    return made.text(text)
