"""Collecting what is planted: steps of mail, texts and files, and the answers the officer gives to them."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from examples.district import phones
from examples.district.clock import mail_date
from examples.district.mail import Attachment, Letter, mailbox, render, word
from examples.district.people import Guardian, People, Person
from examples.district.texts import Words, quote
from examples.district.truth import SEARCHABLE, Answer, Piece, State

BOXES = [
    "superintendent",
    "transport",
    "dispatch",
    "facilities",
    "finance",
    "hr",
    "communications",
    "principal_cf",
    "assistant_cf",
    "principal_hs",
    "athletics",
    "principal_mh",
    "teacher_a",
    "counselor",
]
"""Offices whose mailbox is a Maildir."""
OTHER_BOXES = {"clerk": "mbox", "retired": "gz", "maintenance": "zip"}

STUDENT = Answer(
    treatment="redact",
    exemption_code="student-any-record",
    explanation="Names a student and the student's home stop; the name, grade and address identify the student.",
)
COUNSEL = Answer(
    treatment="withhold",
    exemption_code="attorney-client",
    explanation="Message between the superintendent and the district's attorney asking for and giving legal advice on this matter.",
)
DRAFT = Answer(
    treatment="withhold",
    exemption_code="deliberative",
    explanation="Unsent draft with the writer's opinions on options not yet decided or cited in any action.",
)
PERSONAL = Answer(
    public_record=False,
    facts="Arrangements between spouses about supper and their own children; not written within the scope of employment.",
    responsive=False,
    treatment="",
)
NOTICE = Answer(
    hold="notice", note="vendor marked its price sheet confidential; notice under RCW 42.56.540 goes first"
)
ASK_COUNSEL = Answer(hold="counsel", note="password not yet had from the sender")
TRADE = Answer(
    treatment="redact",
    exemption_code="trade-secret",
    explanation="Unit price method of the bidder, marked confidential in the offer; the totals stay.",
    hold="notice",
)


@dataclass(frozen=True, slots=True)
class MailStep:
    """A message and the mailboxes it lies in.

    Attributes:
        known_at: Its trustworthy time, or None.
        boxes: Office keys; ``sender_box`` is the one that has it as sent.
        raw: Bytes to write instead of a rendered letter.
        labels: For a personal account; then ``boxes`` holds the export's key only.
        repeats: How often the same message lies in each mailbox.
        in_doubt: Its zone is assumed and a window's edge is near: kept.
    """

    raw: bytes
    at: datetime
    known_at: datetime | None
    boxes: tuple[str, ...]
    subject: str
    words: str
    participants: str
    group: str
    sender_box: str | None = None
    pieces: Sequence[Piece] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    tags: Sequence[str] = ()
    text: State = SEARCHABLE
    labels: str = ""
    repeats: int = 1
    in_doubt: bool = False
    letter: Letter | None = None


@dataclass(frozen=True, slots=True)
class TextStep:
    """One element of a phone's backup."""

    phone: str
    element: phones.Element
    answers: Mapping[str, Answer] = field(default_factory=dict)
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FileStep:
    """A loose file, or a file of a Takeout export; ``place`` is the source's key."""

    place: str
    path: str
    piece: Piece
    answers: Mapping[str, Answer] = field(default_factory=dict)


class Planter:
    """Collects the steps."""

    def __init__(self, seed: int, people: People, words: Words) -> None:
        self.mails: list[MailStep] = []
        self.texts: list[TextStep] = []
        self.files: list[FileStep] = []
        self.last_mails: list[tuple[str, bytes, Letter]] = []
        self.others: dict[str, Person] = {}  # by key, whoever holds no office
        self._seed = seed
        self._people = people
        self._words = words
        self.rng = random.Random(f"plant-{seed}")
        self._count = 0

    def thin_out(self) -> None:
        """Leave each planted message in its first mailbox only, apart from those that are about copies."""
        self.mails = [m if "spread" in m.tags else replace(m, boxes=m.boxes[-1:]) for m in self.mails]

    def person(self, key: str) -> Person:
        """Return the holder of an office, or one of the outsiders by role."""
        p = self._people
        outside = {
            "attorney": p.attorney,
            "board": p.board[0],
            "board2": p.board[1],
            "hvac": p.vendors[0],
            "play": p.vendors[1],
            "planner": p.vendors[2],
        }
        return self.others.get(key) or outside.get(key) or p.office[key]

    def small_talk(self) -> str:
        """Return one ordinary paragraph."""
        return self.rng.choice(self._words.paragraphs)

    def mail(
        self,
        sender: str,
        to: Sequence[str],
        subject: str,
        text: str,
        at: datetime,
        *,
        cc: Sequence[str] = (),
        bcc: Sequence[str] = (),
        reply_to: MailStep | None = None,
        pieces: Sequence[Piece] = (),
        answers: Mapping[str, Answer] | None = None,
        tags: Sequence[str] = (),
        date: str | None = "",
        known: bool = True,
        repeats: int = 1,
        in_doubt: bool = False,
        guardian: Guardian | None = None,
        words: str | None = None,
        plain: bool = False,
        boxes: Sequence[str] | None = None,
        labels: str = "",
        **more: object,
    ) -> MailStep:
        """Add one message; returns it, to be answered or forwarded.

        Args:
            sender: Office key, or ``attorney board board2 hvac play planner``; so ``to``, ``cc``, ``bcc``.
            to: Recipients.
            subject: As it reads, decoded.
            text: Body, without the signature.
            at: When it was sent.
            cc: Copied.
            bcc: Blind copied.
            reply_to: The message that is answered and quoted.
            pieces: Attachments.
            answers: By request; without one it is released.
            tags: What it is there for.
            date: Body of the Date field; empty for the right one, None to leave the field out.
            known: False when no trustworthy time can be read.
            repeats: How often it lies in each mailbox.
            in_doubt: Kept although its stated day is outside.
            guardian: The sender, where it is a parent.
            words: What a reader must find, where it is not ``text``.
            plain: Leave the signature off.
            boxes: Where it lies, where that does not follow from the people.
            labels: Gmail labels of a personal account.
            more: Further fields of the ``Letter``.
        """
        self._count += 1
        who = self.person(sender)
        sender_line = f"{word(guardian.name)} <{guardian.email}>" if guardian else mailbox(who)
        name = guardian.name if guardian else who.name
        body = text if plain else f"{text}\n\n{name}\n"
        if reply_to is not None and reply_to.letter is not None:
            body += f"\nOn {mail_date(reply_to.at)}, {reply_to.letter.sender} wrote:\n" + quote(
                reply_to.letter.text, 4000
            )
            more.setdefault("in_reply_to", reply_to.letter.message_id)
        people = [*map(self.person, (*to, *cc, *bcc))]
        letter = Letter(
            message_id=f"<p{self._count:04}.{self._seed}@{'homemail' if guardian else 'aldervalley'}.example>",
            date=mail_date(at) if date == "" else date,
            sender=sender_line,
            to=", ".join(mailbox(self.person(k)) for k in to),
            cc=", ".join(mailbox(self.person(k)) for k in cc),
            subject=subject,
            text=body,
            attachments=[Attachment(p.name, p.media_type, p.data) for p in pieces],
            **more,  # type: ignore[arg-type]
        )
        if not body.isascii() and "charset" not in more:
            letter = replace(letter, charset="utf-8", encoding="quoted-printable")
        held = tuple(k for k in dict.fromkeys((sender, *to, *cc, *bcc)) if k in BOXES or k in OTHER_BOXES)
        if guardian:
            held = tuple(k for k in held if k != sender)
        step = MailStep(
            render(letter),
            at,
            at if known else None,
            tuple(boxes) if boxes is not None else held,
            subject,
            body if words is None else words,
            " ".join([name, sender_line, *(f"{p.name} {p.email}" for p in people)]),
            f"p{self._count:04}",
            sender_box=None if guardian or sender not in held else sender,
            pieces=pieces,
            answers=answers or {},
            tags=("planted", *tags),
            repeats=repeats,
            in_doubt=in_doubt,
            labels=labels,
            letter=letter,
        )
        self.mails.append(step)
        return step

    def nested(
        self,
        name: str,
        sender: str,
        to: str,
        subject: str,
        text: str,
        at: datetime,
        pieces: Sequence[Piece] = (),
    ) -> Piece:
        """Return a message to be carried by another."""
        self._count += 1
        who, whom = self.person(sender), self.person(to)
        letter = Letter(
            f"<n{self._count:04}.{self._seed}@aldervalley.example>", mail_date(at), mailbox(who), mailbox(whom), subject, text,
            attachments=[Attachment(p.name, p.media_type, p.data) for p in pieces],
        )  # fmt: skip
        return Piece(
            name, "message/rfc822", render(letter), "email", words=text, subject=subject, children=tuple(pieces),
            participants=f"{who.name} {who.email} {whom.name} {whom.email}", tags=("nested_mail",), hashed=False,
        )  # fmt: skip

    def file(
        self, place: str, piece: Piece, folder: str = "", answers: Mapping[str, Answer] | None = None
    ) -> None:
        """Add one loose file or one file of an export."""
        self.files.append(FileStep(place, f"{folder}{piece.name}", piece, answers or {}))

    def text(
        self,
        phone: str,
        element: phones.Element,
        answers: Mapping[str, Answer] | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        """Add one element of a phone's backup."""
        self.texts.append(TextStep(phone, element, answers or {}, tags))
