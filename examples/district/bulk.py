"""The ordinary traffic of a school year: threads of mail, texts and calls, drawn by chance from one seed."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import escape
from itertools import accumulate

from examples.district import documents, phones
from examples.district.clock import later, mail_date, pacific, school_time
from examples.district.mail import Attachment, Letter, mailbox, render
from examples.district.people import DISTRICT, People, Person
from examples.district.planter import BOXES, OTHER_BOXES
from examples.district.texts import EASTERN, FOREIGN, Words, quote
from examples.district.truth import Piece

_WEIGHTS = {"superintendent": 10, "clerk": 9, "transport": 9, "facilities": 8, "retired": 5, "maintenance": 3}
THEMES = (
    "One more thing on the bus route change: the late bus keeps its time.",
    "The Larkspur Lane stop needs a bench, by the way.",
    "PO-2291 is still open in the books.",
    "Pinecrest Mechanical sent the papers for the warranty.",
    "Brannock asked for the keys again.",
    "The interim coach wants the gym on Sundays.",
)
"""Sentences that a thread carries now and then, so that hits grow with the district."""
THEME_RATE = 0.008
ATTACH_RATE, NESTED_RATE, INVITE_RATE = 0.035, 0.004, 0.006
QUOTE_LIMIT = 2600


@dataclass(frozen=True, slots=True)
class Bulk:
    """One message and where it lies.

    Attributes:
        boxes: Pairs of office key and folder.
        plain: No term of a request can match it.
    """

    raw: bytes
    at: datetime
    date: str
    boxes: list[tuple[str, str]]
    group: str
    subject: str
    words: str
    pieces: tuple[Piece, ...] = ()
    tags: tuple[str, ...] = ()
    plain: bool = True


class Threads:
    """Draws threads of mail among the staff."""

    def __init__(
        self, rng: random.Random, people: People, words: Words, pool: tuple[Piece, ...], seed: int
    ) -> None:
        self._rng = rng
        self._people = people
        self._words = words
        self._pool = pool
        self._seed = seed
        self._keys = [*BOXES, *OTHER_BOXES]
        self._totals = list(accumulate(_WEIGHTS.get(key, 6) for key in self._keys))
        self._office = people.office
        self._held = {people.office[key].id: key for key in self._keys}
        self._others = [p for p in (*people.staff, *people.board, *people.vendors) if p.id not in self._held]
        self._signs = {
            p.id: f"{p.name}\n{p.role}, {p.place}\n{DISTRICT}\n{p.number}"
            for p in (*people.staff, *people.board, *people.vendors, people.attorney)
        }
        self._count = 0

    def next(self) -> Iterator[Bulk]:
        """Yield the messages of one thread, oldest first."""
        rng = self._rng
        group, opening, tags = self._cast()
        subject = self._words.subjects[int(rng.random() * len(self._words.subjects))]
        at = school_time(rng)
        theme = ""
        if rng.random() < THEME_RATE:
            theme = THEMES[int(rng.random() * len(THEMES))]
            tags = (*tags, "theme")
        before: tuple[Letter, Bulk] | None = None
        sender = 0
        for n in range(1 + min(5, int(rng.expovariate(0.7)))):
            text = self._text(
                group[sender],
                group[(sender + 1) % len(group)],
                opening if n == 0 else theme if n == 1 else "",
            )
            if n == 0 and theme:
                text = f"{theme}\n\n{text}"
            before = self._message(group, sender, subject, text, at, before, tags, themed=bool(theme))
            yield before[1]
            at = later(at, rng)
            sender = (sender + 1 + int(rng.random() * (len(group) - 1))) % len(group)

    def personal(self, owner: Person) -> Bulk:
        """Return one message of a personal account about district business."""
        rng = self._rng
        self._count += 1
        other = self._others[int(rng.random() * len(self._others))]
        mine = f"{mailbox(owner).rsplit(' ', 1)[0]} <{owner.email.split('@')[0]}@homemail.example>"
        at = school_time(rng)
        text = self._words.body(rng, other.name.split()[0], owner.name, 1, 3)
        charset, encoding = self._charset(text)
        subject = self._words.subjects[int(rng.random() * len(self._words.subjects))]
        date = mail_date(at)
        letter = Letter(
            f"<h{self._count:x}.{self._seed}@homemail.example>", date, mine, mailbox(other), subject, text,
            charset=charset, encoding=encoding,
        )  # fmt: skip
        return Bulk(
            render(letter), at, date, [], f"h{self._count:x}", subject, text, tags=("personal_account",)
        )

    def _cast(self) -> tuple[list[Person], str, tuple[str, ...]]:
        """Choose who writes, and what makes the thread special, if anything."""
        rng = self._rng
        roll = rng.random()
        if roll < 0.005:
            advice = "Privileged: please advise on the wording below before it goes out."
            return [self._office["superintendent"], self._people.attorney], advice, ("attorney",)
        group: list[Person] = []
        want = 2 + int(rng.random() * 3)
        while len(group) < want:
            person = self._office[self._keys[bisect(self._totals, rng.random() * self._totals[-1])]]
            if person not in group:
                group.append(person)
        if rng.random() < 0.5:
            group.append(self._others[int(rng.random() * len(self._others))])
        if roll < 0.03:
            pupil = self._people.students[int(rng.random() * len(self._people.students))]
            parent = pupil.guardians[0]
            who = f"{pupil.name} (grade {pupil.grade}, {pupil.id})"
            opening = f"{who} was absent again; {parent.name} can be reached at {parent.number}."
            return group, opening, ("student_data",)
        if roll < 0.037:
            return (
                group,
                "Off topic: the lake house is ours for the long weekend, do you want to come along?",
                ("personal",),
            )
        return group, "", ()

    def _text(self, writer: Person, reader: Person, opening: str) -> str:
        rng = self._rng
        text = self._words.body(rng, reader.name.split()[0], self._signs[writer.id], 2, 7)
        if opening:
            text = f"{opening}\n\n{text}"
        if rng.random() < 0.03:
            more = FOREIGN if rng.random() < 0.6 else EASTERN
            text = f"{more[int(rng.random() * len(more))]}\n\n{text}"
        return text

    def _message(
        self,
        group: list[Person],
        sender: int,
        subject: str,
        text: str,
        at: datetime,
        before: tuple[Letter, Bulk] | None,
        tags: tuple[str, ...],
        *,
        themed: bool,
    ) -> tuple[Letter, Bulk]:
        rng = self._rng
        self._count += 1
        who = group[sender]
        readers = [p for n, p in enumerate(group) if n != sender]
        to, cc = readers[:2], readers[2:]
        parent = references = ""
        if before is not None:
            old = before[0]
            if rng.random() < 0.1:
                subject = f"Fwd: {subject}"
                head = f"From: {old.sender}\nDate: {old.date}\nSubject: {old.subject}\n\n"
                text += f"\n---------- Forwarded message ---------\n{head}{old.text[:QUOTE_LIMIT]}\n"
                tags = (*tags, "forward")
            else:
                subject = f"Re: {subject}"
                text += f"\nOn {old.date}, {old.sender} wrote:\n{quote(old.text, QUOTE_LIMIT)}"
            parent = old.message_id
            references = f"{old.references} {parent}".strip() if old.references else parent
        pieces = self._pieces(before)
        charset, encoding = self._charset(text)
        date = mail_date(at)
        letter = Letter(
            f"<{self._count:x}.{self._seed}@aldervalley.example>",
            date,
            mailbox(who),
            ", ".join(map(mailbox, to)),
            subject,
            text,
            cc=", ".join(map(mailbox, cc)),
            in_reply_to=parent,
            references=references,
            html=_html(text) if rng.random() < 0.2 else "",
            charset=charset,
            encoding=encoding,
            attachments=[Attachment(p.name, p.media_type, p.data) for p in pieces],
        )
        boxes = [(self._held[who.id], "Sent")] if who.id in self._held else []
        boxes += [(self._held[p.id], "Inbox") for p in readers if p.id in self._held]
        bulk = Bulk(
            render(letter),
            at,
            date,
            boxes,
            f"m{self._count:x}",
            subject,
            text,
            pieces,
            tags,
            plain=not themed,
        )
        return letter, bulk

    def _pieces(self, before: tuple[Letter, Bulk] | None) -> tuple[Piece, ...]:
        rng = self._rng
        roll = rng.random()
        if roll < ATTACH_RATE:
            piece = self._pool[int(rng.random() * len(self._pool))]
            stem, dot, end = (piece.name or "").rpartition(".")
            name = f"{stem} {int(rng.random() * 900) + 100}{dot}{end}"
            if rng.random() < 0.1:
                name = f"Übersicht {name}"
            return (replace(piece, name=name),)
        if roll < ATTACH_RATE + NESTED_RATE and before is not None:
            old = before[1]
            return (
                Piece(
                    "forwarded message.eml",
                    "message/rfc822",
                    old.raw,
                    "email",
                    words=old.words,
                    subject=old.subject,
                    children=old.pieces,
                    tags=("nested_mail",),
                    hashed=False,
                    plain=old.plain,
                ),
            )
        if roll < ATTACH_RATE + NESTED_RATE + INVITE_RATE:
            day = f"202603{1 + int(rng.random() * 28):02}T180000Z"
            title = self._words.subjects[int(rng.random() * len(self._words.subjects))]
            return (
                replace(
                    documents.calendar_file("invite.ics", f"i{self._count:x}", title, "See you there.", day),
                    plain=True,
                ),
            )
        return ()

    def _charset(self, text: str) -> tuple[str, str]:
        """Choose a charset that can hold the text, and an encoding."""
        roll = self._rng.random()
        if text.isascii():
            return ("us-ascii", "7bit") if roll < 0.95 else ("utf-8", "quoted-printable")
        if roll < 0.4:
            for charset in ("iso-8859-1", "windows-1252"):
                try:
                    text.encode(charset)
                except UnicodeEncodeError:
                    continue
                return charset, "quoted-printable" if roll < 0.3 else "8bit"
        return "utf-8", "8bit" if roll < 0.6 else "quoted-printable" if roll < 0.85 else "base64"


def _html(text: str) -> str:
    paragraphs = "".join(f"<p>{escape(p, quote=False)}</p>\n" for p in text.split("\n\n"))
    return f"<html><head><style>p {{margin: 0 0 1em}}</style></head><body>\n{paragraphs}</body></html>\n"


class Chatter:
    """Draws texts and calls, in order of time, over the school year."""

    _FIRST = pacific(2025, 8, 18, 7)

    def __init__(
        self, rng: random.Random, people: People, words: Words, pool: tuple[Piece, ...], count: int
    ) -> None:
        self._rng = rng
        self._people = people
        self._words = words
        self._photos = [p for p in pool if p.media_type == "image/jpeg"]
        self._step = timedelta(days=330) / max(1, count)
        self._at = self._FIRST

    def text(self) -> phones.Element:
        """Return the next text; one in thirty is a group message with a picture."""
        rng = self._rng
        who, at = self._next()
        body = self._words.lines[int(rng.random() * len(self._words.lines))]
        if rng.random() < 0.05:
            body += " 🙂"
        kind = phones.RECEIVED if rng.random() < 0.55 else phones.SENT
        if rng.random() < 0.034:
            third = self._people.staff[int(rng.random() * len(self._people.staff))]
            numbers = [(who.number, "137"), ("insert-address-token", "151"), (third.number, "151")]
            photo = self._photos[int(rng.random() * len(self._photos))]
            return phones.mms(numbers, f"{who.name}, {third.name}", at, 1, body, [photo])
        return phones.sms(who.number, who.name, at, kind, body)

    def call(self) -> phones.Element:
        """Return the next call."""
        who, at = self._next()
        kind = 1 + int(self._rng.random() * 3)
        return phones.call(who.number, who.name, at, kind, 0 if kind == 3 else int(self._rng.random() * 900))

    def _next(self) -> tuple[Person, datetime]:
        self._at += self._step * (0.5 + self._rng.random() / 2)
        staff = self._people.staff
        return staff[int(self._rng.random() * len(staff))], self._at.replace(microsecond=0)
