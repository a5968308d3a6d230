"""Signals: what in the hits of a request could lead to another place or person.

An agency must follow the obvious leads that its search turns up (Block v. City of Gold Bar, 189 Wn. App.
262, 2015; WAC 44-14-04003(10)). Each kind below is one simple rule over what the catalogue and the evidence
store hold; what it finds and what it misses is in ``docs/leads.md``. Looked at are the families in review:
those with a hit of the terms in force, those found in samples and those decided already. Mailboxes with
gaps are looked at whole.

One signal is about one thing, whatever the number of items it stands in. The same rows give the same
signals.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.decisions import found_in_samples
from records.errors import ItemError
from records.evidence import BlobRef, EvidenceStore
from records.vocabulary import CollectionState, Kind
from search import signal_text as text_of
from search.signal_gaps import Gap, gaps
from search.signal_people import Directory, Person, Setting, Standing, everyone, is_role, words_are_a_name
from search.signal_text import Place, account

LEAST_MESSAGES = 5
"""Different messages in which somebody who was not searched must stand to be one who keeps appearing."""

MOST_PEOPLE = 20
"""A message to more people says nothing about any one of them."""

LEAST_TO_HOLD = 3
"""Messages of a source that must name an account before the source is taken to be that account."""

_PAGE = 400  # families in one query
_WRITTEN = frozenset({Kind.EMAIL, Kind.MESSAGE, Kind.CHAT, Kind.POST})
_decode = msgspec.json.Decoder().decode


class SignalKind(StrEnum):
    """What a signal is about; in the order in which people look at them."""

    OWN_ACCOUNT = "own_account"
    OWN_DEVICE = "own_device"
    UNDECLARED_ACCOUNT = "undeclared_account"
    OTHER_APP = "other_app"
    LINKED_FILE = "linked_file"
    SHARED_MAILBOX = "shared_mailbox"
    PERSON = "person"
    MISSING_ATTACHMENT = "missing_attachment"
    MAIL_GAP = "mail_gap"


KIND_LABELS = {
    SignalKind.OWN_ACCOUNT: "Address or number of a custodian's own",
    SignalKind.OWN_DEVICE: "Phone or account of one's own, not named",
    SignalKind.UNDECLARED_ACCOUNT: "Account of staff that nobody declared",
    SignalKind.OTHER_APP: "Another app named",
    SignalKind.LINKED_FILE: "File kept elsewhere",
    SignalKind.SHARED_MAILBOX: "Shared mailbox that is no source",
    SignalKind.PERSON: "Keeps appearing, was not searched",
    SignalKind.MISSING_ATTACHMENT: "Says it has an attachment, has none",
    SignalKind.MAIL_GAP: "Stretch without mail",
}
_ORDER = {kind: place for place, kind in enumerate(SignalKind)}


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that could lead elsewhere.

    Attributes:
        kind: What it is about.
        key: What makes it this one among those of its kind.
        subject: For people: an address, an app, a stretch of days. It can hold names; for the office.
        custodian_id: Whose, or None where it is nobody's in particular.
        items: Family by item: the items in which it stands.
        messages: Different messages among them; copies count once.
        because: What gave it away, in codes of ``docs/leads.md``, sorted.
        facts: What a person needs to know besides, by name.
    """

    kind: SignalKind
    key: str
    subject: str
    custodian_id: str | None
    items: dict[str, str]
    messages: int
    because: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def signal_id(self) -> str:
        """The same for the same thing on every run."""
        return hashlib.sha256(f"sg1\x1f{self.kind}\x1f{self.key}".encode()).hexdigest()[:16]


def find(
    catalogue: Catalogue, store: EvidenceStore, request_id: str, version: int, setting: Setting
) -> tuple[list[Signal], int]:
    """Return the signals of a request, and how many texts the evidence store could not give.

    They come in the order in which people look at them: by kind, as ``SignalKind`` lists them; within a kind
    those in more different messages first, then by subject.

    Args:
        catalogue: Items, readings and hits.
        store: The texts.
        request_id: The request.
        version: Of the terms whose hits count.
        setting: Custodians, roster, domains, window.
    """
    search = _Search(catalogue, store, request_id, version, setting)
    search.survey()
    search.read()
    found = [signal for signal in search.signals() if signal is not None]
    found.sort(key=lambda one: (_ORDER[one.kind], -one.messages, one.subject, one.key))
    return found, search.unreadable


@dataclass(frozen=True, slots=True)
class _Doc:
    """One item of a family in review."""

    item_id: str
    family_id: str
    top: bool
    custodian_id: str
    source_id: str
    kind: str
    subject: str
    sender: tuple[str, str]
    people: tuple[tuple[str, str], ...]
    sent_at: str
    sent_on: str
    content: str
    message_id: str
    carries: bool
    text: str


@dataclass
class _Found:
    """What gathers about one thing while texts are read."""

    docs: dict[str, _Doc] = field(default_factory=dict)
    because: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)

    def add(self, doc: _Doc, *because: str, person: Person | None = None) -> None:
        self.docs[doc.item_id] = doc
        self.because.update(because)
        if person is not None and person.custodian_id is not None:
            self.people.add(person.custodian_id)


@dataclass
class _Tie:
    """An account that seems to be somebody's."""

    person: Person
    because: set[str] = field(default_factory=set)


class _Search:
    """One look at a request."""

    def __init__(
        self, catalogue: Catalogue, store: EvidenceStore, request_id: str, version: int, setting: Setting
    ) -> None:
        self._catalogue, self._store = catalogue, store
        self._request_id, self._version = request_id, version
        self._setting = setting
        self._directory = Directory.of(setting)
        self.unreadable = 0
        self._held: defaultdict[str, set[str]] = defaultdict(set)  # account: custodians with a source of it
        self._sources_of: defaultdict[str, set[str]] = defaultdict(
            set
        )  # person: their accounts that are sources
        self._gaps: list[tuple[str, str, Gap]] = []
        self._ties: dict[str, _Tie] = {}
        self._seen: defaultdict[str, dict[str, _Doc]] = defaultdict(dict)  # account: items it stands in
        self._shown: defaultdict[str, set[str]] = defaultdict(set)  # account: items whose heading names it
        self._apps: defaultdict[str, _Found] = defaultdict(_Found)
        self._devices: defaultdict[tuple[str, str], _Found] = defaultdict(_Found)
        self._owners: dict[str, Person] = {}
        self._links: defaultdict[str, _Found] = defaultdict(_Found)
        self._bare: dict[str, _Doc] = {}
        self._with_attachment: set[str] = set()
        self._mail: defaultdict[tuple[str, str], list[_Doc]] = defaultdict(list)

    # -- the whole request, without its texts

    def survey(self) -> None:
        """Learn which accounts the sources hold, and which days of their mailboxes are empty."""
        i, r = t.items.c, t.readings.c
        seen: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        names: defaultdict[str, set[str]] = defaultdict(set)
        messages: Counter[tuple[str, str]] = Counter()
        days: defaultdict[tuple[str, str], set[date]] = defaultdict(set)
        query = (
            sa.select(i.source_id, i.custodian_id, i.kind, i.moment_at, r.sender, r.recipients)
            .outerjoin_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
            .where(i.request_id == self._request_id, i.level == 0, i.kind.in_(list(_WRITTEN)))
        )
        local: dict[str, date] = {}
        with self._catalogue.read() as connection:
            for source, custodian, kind, moment, sender, recipients in connection.execute(query):
                if kind == Kind.EMAIL and moment is not None:
                    hour = moment[:13]  # zones of the United States change at the full hour
                    if hour not in local:
                        local[hour] = self._day(moment)
                    days[custodian, source].add(local[hour])
                if sender is not None:
                    messages[source, custodian] += 1
                    here = [(name, account(one)) for name, one in _decode(sender)]
                    here += everyone(_decode(recipients))
                    seen[source, custodian].update({handle for _, handle in here if handle})
                    for name, handle in here:
                        names[handle].add(name)
        for (source, custodian), counts in seen.items():
            # A mailbox or phone holds what its owner sent and got: half of it at least names the account.
            least = max(LEAST_TO_HOLD, messages[source, custodian] / 2)
            for handle, count in counts.items():
                if count >= least:
                    self._held[handle].add(custodian)
        for handle in sorted(self._held):
            for name in sorted(names[handle]):
                found = self._directory.tied(name, handle)
                if found is not None and self._covered(handle, found[0]):
                    self._sources_of[found[0].key].add(handle)
        for person in self._directory.people:
            if (
                person.searched and person.custodian_id is not None
            ):  # their mailbox at the district is a source
                for one in filter(self._directory.district, person.accounts):
                    self._held[one].add(person.custodian_id)
            self._sources_of[person.key] |= {one for one in person.accounts if self._covered(one, person)}
        window = self._setting.window
        for (custodian, source), known in sorted(days.items()):
            self._gaps += [(custodian, source, gap) for gap in gaps(known, window.first, window.last)]

    def _covered(self, handle: str, person: Person | None) -> bool:
        """Say whether a source holds an account; a custodian's own, where it is a custodian's."""
        held = self._held.get(handle, set())
        return person.custodian_id in held if person is not None and person.custodian_id else bool(held)

    def _day(self, moment: str) -> date:
        return canonical.utc_time(moment).astimezone(self._setting.zone).date()

    # -- the families in review

    def read(self) -> None:
        """Read every item of the families in review."""
        families = self._families()
        for piece in chunked(families, _PAGE):
            for doc in self._docs(piece):
                self._look(doc)

    def _families(self) -> list[str]:
        h, d, i = t.hits.c, t.decisions.c, t.items.c
        with self._catalogue.read() as connection:
            hit = connection.execute(
                sa.select(h.family_id)
                .where(h.request_id == self._request_id, h.version == self._version)
                .distinct()
            ).scalars()
            decided = connection.execute(
                sa.select(i.family_id)
                .join(t.decisions, (d.request_id == i.request_id) & (d.item_id == i.item_id))
                .where(i.request_id == self._request_id)
                .distinct()
            ).scalars()
            sampled = connection.execute(found_in_samples(self._request_id)).scalars()
            return sorted({*hit, *decided, *sampled})

    def _docs(self, families: list[str]) -> Iterator[_Doc]:
        i, r = t.items.c, t.readings.c
        with self._catalogue.read() as connection:
            rows = connection.execute(
                sa.select(
                    i.item_id, i.family_id, i.level, i.custodian_id, i.source_id, i.kind, i.blob_sha256,
                    i.moment_at, r.kind.label("read_kind"), r.text_sha256, r.subject, r.sent_at, r.sender,
                    r.recipients, r.thread, r.content_hash, r.children,
                )
                .join_from(t.items, t.readings, (r.request_id == i.request_id) & (r.item_id == i.item_id))
                .where(
                    i.request_id == self._request_id,
                    i.family_id.in_(families),
                    i.state == CollectionState.STORED,
                )
            ).all()  # fmt: skip
        refs = self._store.find(row.text_sha256 for row in rows if row.text_sha256)
        for row in sorted(rows, key=lambda row: (row.family_id, row.level, row.item_id)):
            yield self._doc(row, self._text(refs.get(row.text_sha256) if row.text_sha256 else None))

    def _text(self, ref: BlobRef | None) -> str:
        """Return a stored text; one that is damaged or was removed costs only itself."""
        if ref is None:
            return ""
        try:
            return self._store.read(ref).decode("utf-8")
        except ItemError:
            self.unreadable += 1
            return ""

    def _doc(self, row: Any, text: str) -> _Doc:
        named = [(name, account(handle)) for name, handle in _decode(row.sender)]
        sender = named[0] if named else ("", "")
        moment = row.sent_at or row.moment_at
        people = dict.fromkeys((*named, *everyone(_decode(row.recipients))))
        return _Doc(
            row.item_id, row.family_id, row.level == 0, row.custodian_id, row.source_id,
            row.read_kind or row.kind, row.subject, sender, tuple(people),
            moment or "", self._day(moment).isoformat() if moment else "",
            row.content_hash or row.blob_sha256 or row.item_id,
            str(_decode(row.thread).get("message_id") or ""), row.children > 0, text,
        )  # fmt: skip

    def _look(self, doc: _Doc) -> None:
        lower = doc.text.lower()
        for name, handle in doc.people:
            if handle:
                self._meet(doc, name, handle)
                self._shown[handle].add(doc.item_id)
        for address, (start, _) in text_of.emails_in(doc.text):
            self._meet(doc, text_of.name_before(doc.text, start), address)
        for one, _ in text_of.numbers_in(doc.text):
            self._seen[one][doc.item_id] = doc
        for link, _ in text_of.links_in(doc.text, lower):
            self._links[link].add(doc, "link")
        if doc.kind in _WRITTEN:
            self._look_at_parts(doc, lower)
        if doc.kind == Kind.EMAIL and doc.top:
            self._mail[doc.custodian_id, doc.source_id].append(doc)

    def _meet(self, doc: _Doc, name: str, handle: str) -> None:
        self._seen[handle][doc.item_id] = doc
        found = self._directory.tied(name, handle)
        if found is not None:
            self._tie(handle, *found)

    def _tie(self, handle: str, person: Person, because: str) -> None:
        tie = self._ties.setdefault(handle, _Tie(person))
        if tie.person.key == person.key:
            tie.because.add(because)

    def _look_at_parts(self, doc: _Doc, lower: str) -> None:
        mail = doc.kind == Kind.EMAIL
        if mail and doc.carries:
            self._with_attachment.add(doc.message_id)
        attaches = mail and not doc.carries and ("attach" in lower or "enclosed" in lower)
        apps = any(True for _ in text_of.apps_in(doc.text, lower))
        own = text_of.may_announce(lower)
        if not (attaches or apps or own):
            return
        for part in text_of.parts_of(doc.text):
            if attaches and part.own and _says_attached(part.text):
                self._bare[doc.item_id] = doc
            writer = self._writer(doc, part) if apps or own else None
            if writer is None:
                continue
            for app, _ in text_of.apps_in(part.text) if apps else ():
                self._apps[app].add(doc, "named", person=writer)
            named = list(text_of.announced(part.text)) if own else []
            for one in named:
                self._announced(one.account, writer)
            for what, _ in text_of.devices(part.text, named) if own else ():
                self._owners[writer.key] = writer
                self._devices[what, writer.key].add(doc, "written", person=writer)

    def _writer(self, doc: _Doc, part: text_of.Part) -> Person | None:
        """Return the custodian or member of staff who wrote a part; None for anybody else."""
        name, handle = doc.sender if part.own else part.author
        if part.own and not handle and not name and doc.kind != Kind.EMAIL:
            return self._directory.custodian(doc.custodian_id)  # sent from a phone whose number nobody gave
        return self._directory.author(name, account(handle) if handle else "")

    def _announced(self, handle: str, writer: Person) -> None:
        """Somebody of the district calls an account their own."""
        known = self._directory.known(handle)
        if self._directory.district(handle):
            return
        if known is None or known.key == writer.key:
            self._tie(handle, writer, "written")

    # -- what was found, as signals

    def signals(self) -> Iterator[Signal | None]:
        """Yield every signal, in no order."""
        yield from self._accounts()
        yield from self._own_devices()
        for app, found in self._apps.items():
            yield self._made(SignalKind.OTHER_APP, app, app, found)
        for link, found in self._links.items():
            yield self._made(SignalKind.LINKED_FILE, link, link, found)
        yield from self._mailboxes()
        yield from self._people()
        yield from self._missing()
        yield from self._mail_gaps()

    def _accounts(self) -> Iterator[Signal | None]:
        for handle, tie in self._ties.items():
            person = tie.person
            if self._covered(handle, person):
                continue
            district = self._directory.district(handle)
            kind = SignalKind.UNDECLARED_ACCOUNT
            if person.standing is Standing.CUSTODIAN and not district:
                kind = SignalKind.OWN_ACCOUNT
            found = _Found(dict(self._seen[handle]), set(tie.because))
            if handle in person.accounts:
                found.because.add("declared")
            yield self._made(kind, handle, handle, found, person)
        for person in self._directory.people:
            if person.standing is Standing.CUSTODIAN:
                yield from self._declared(person)

    def _declared(self, person: Person) -> Iterator[Signal | None]:
        """Yield a custodian's declared addresses elsewhere that wrote or got a hit and are in no source."""
        for handle in sorted(person.accounts):
            if "@" not in handle or handle not in self._shown or handle in self._ties:
                continue
            if not self._directory.district(handle) and not self._covered(handle, person):
                found = _Found(dict(self._seen[handle]), {"declared"})
                yield self._made(SignalKind.OWN_ACCOUNT, handle, handle, found, person)

    def _own_devices(self) -> Iterator[Signal | None]:
        for (what, key), found in self._devices.items():
            person = self._owners[key]
            mail = what != "phone"
            if any(
                ("@" in one) is mail and not self._directory.district(one) for one in self._sources_of[key]
            ):
                continue  # a phone or account of theirs is a source already
            owner = person.custodian_id or person.name
            yield self._made(SignalKind.OWN_DEVICE, f"{what}\x1f{key}", f"{what} of {owner}", found, person)

    def _mailboxes(self) -> Iterator[Signal | None]:
        for handle in sorted(self._seen):
            known = self._directory.known(handle)
            if "@" not in handle or self._covered(handle, known) or handle in self._ties:
                continue
            listed = known is not None and known.standing is Standing.MAILBOX
            role = known is None and self._directory.district(handle) and is_role(handle)
            if (listed or role) and words_are_a_name(handle):
                found = _Found(dict(self._seen[handle]), {"roster" if listed else "role"})
                yield self._made(SignalKind.SHARED_MAILBOX, handle, handle, found, known)

    def _people(self) -> Iterator[Signal | None]:
        """Yield who stands in the headings of many messages and has no source."""
        by_person: dict[str, tuple[Person | None, set[str]]] = {}
        for handle in self._shown:
            person = self._directory.known(handle)
            if person is None and handle in self._ties:
                person = self._ties[handle].person
            if person is None:
                if self._directory.district(handle) and not is_role(handle) and words_are_a_name(handle):
                    by_person.setdefault(handle, (None, set()))[1].add(handle)
            elif person.of_district and not person.searched:
                by_person.setdefault(person.key, (person, set()))[1].add(handle)
        for key, (person, handles) in sorted(by_person.items()):
            docs = {
                item: doc
                for handle in handles
                for item, doc in self._seen[handle].items()
                if item in self._shown[handle] and len(doc.people) <= MOST_PEOPLE
            }
            if len({doc.content for doc in docs.values()}) < LEAST_MESSAGES:
                continue
            wrote = len({doc.content for doc in docs.values() if doc.sender[1] in handles})
            listed = ", ".join(sorted(handles))
            subject = listed if person is None else f"{person.name} ({listed})"
            found = _Found(docs, {"roster" if person is not None else "district_address"})
            yield self._made(SignalKind.PERSON, key, subject, found, person, wrote=wrote)

    def _missing(self) -> Iterator[Signal | None]:
        """Yield messages that speak of an attachment, copies together, unless a copy has it."""
        by_content: defaultdict[str, _Found] = defaultdict(_Found)
        for doc in self._bare.values():
            if not doc.message_id or doc.message_id not in self._with_attachment:
                by_content[doc.content].add(doc, "written")
        for content, found in by_content.items():
            doc = min(found.docs.values(), key=lambda doc: doc.item_id)
            subject = f"{doc.sent_on or 'undated'}: {doc.subject or '(no subject)'}"
            yield self._made(SignalKind.MISSING_ATTACHMENT, content, subject, found)

    def _mail_gaps(self) -> Iterator[Signal | None]:
        """Yield gaps; the same days without mail in half of the mailboxes with mail then are one signal."""
        for group in _together(self._gaps):
            custodians = sorted({custodian for custodian, _, _ in group})
            places = sorted({source for _, source, _ in group})
            first = min(gap.first for _, _, gap in group)
            last = max(gap.last for _, _, gap in group)
            found = _Found()
            for custodian, source, gap in group:
                for doc in _nearest(self._mail.get((custodian, source), ()), gap):
                    found.add(doc, "quiet")
            found.because.add("quiet")
            subject = f"{', '.join(places)}: {first} to {last}"
            key = f"{','.join(places)}\x1f{first}\x1f{last}"
            weekdays = max(gap.weekdays for _, _, gap in group)
            facts: dict[str, Any] = {"weekdays": weekdays, "sources": places, "custodians": custodians}
            yield self._made(SignalKind.MAIL_GAP, key, subject, found, **facts)

    def _made(
        self,
        kind: SignalKind,
        key: str,
        subject: str,
        found: _Found,
        person: Person | None = None,
        **facts: Any,
    ) -> Signal | None:
        docs = found.docs
        if not docs and kind is not SignalKind.MAIL_GAP:
            return None
        dates = sorted(doc.sent_on for doc in docs.values() if doc.sent_on)
        if found.people:
            facts["custodians"] = sorted(found.people)
        if person is not None:
            facts["name"] = person.name
        whose = person.custodian_id if person is not None else None
        if whose is None and len(facts.get("custodians", ())) == 1:
            whose = facts["custodians"][0]
        return Signal(
            kind,
            key,
            subject,
            whose,
            {item: docs[item].family_id for item in sorted(docs)},
            len({doc.content for doc in docs.values()}),
            tuple(sorted(found.because)),
            {**facts, "first": dates[0] if dates else "", "last": dates[-1] if dates else ""},
        )


def _says_attached(text: str) -> bool:
    """Say whether a text speaks of an attachment, and has no link that may stand for it."""
    return any(True for _ in text_of.attached_in(text)) and not any(True for _ in text_of.links_in(text))


def _nearest(docs: Iterable[_Doc], gap: Gap) -> list[_Doc]:
    """Return the last message in review before a gap and the first after it."""
    dated = sorted((doc for doc in docs if doc.sent_on), key=lambda doc: (doc.sent_at, doc.item_id))
    before = [doc for doc in dated if doc.sent_on < gap.first.isoformat()]
    after = [doc for doc in dated if doc.sent_on > gap.last.isoformat()]
    return [*before[-1:], *after[:1]]


def _together(found: Sequence[tuple[str, str, Gap]]) -> list[list[tuple[str, str, Gap]]]:
    """Group gaps of three mailboxes or more that share at least half of their days."""
    left = sorted(found, key=lambda one: (one[2].first, one[2].last, one[1]))
    out: list[list[tuple[str, str, Gap]]] = []
    while left:
        head = left.pop(0)
        like = [one for one in left if one[1] != head[1] and _overlap(one[2], head[2])]
        if len(like) >= 2:
            out.append([head, *like])
            left = [one for one in left if one not in like]
        else:
            out.append([head])
    return out


def _overlap(one: Gap, other: Gap) -> bool:
    shared = (min(one.last, other.last) - max(one.first, other.first)).days + 1
    longest = max((one.last - one.first).days, (other.last - other.first).days) + 1
    return 2 * shared >= longest


# -- where a signal stands in a text


def places(kind: SignalKind, key: str, text: str) -> list[Place]:
    """Return where a signal stands in the text of one of its items, in order; empty: in its heading only."""
    finders: dict[SignalKind, Callable[[], Iterable[Place]]] = {
        SignalKind.OWN_ACCOUNT: lambda: _handles(text, key),
        SignalKind.UNDECLARED_ACCOUNT: lambda: _handles(text, key),
        SignalKind.SHARED_MAILBOX: lambda: _handles(text, key),
        SignalKind.OWN_DEVICE: lambda: (
            place for what, place in text_of.devices(text) if what == key.partition("\x1f")[0]
        ),
        SignalKind.OTHER_APP: lambda: (place for app, place in text_of.apps_in(text) if app == key),
        SignalKind.LINKED_FILE: lambda: (place for link, place in text_of.links_in(text) if link == key),
        SignalKind.MISSING_ATTACHMENT: lambda: text_of.attached_in(text),
    }
    finder = finders.get(kind)
    return sorted(set(finder())) if finder is not None else []


def _handles(text: str, handle: str) -> Iterator[Place]:
    found = text_of.emails_in(text) if "@" in handle else text_of.numbers_in(text)
    return (place for one, place in found if one == handle)
