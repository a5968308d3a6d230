"""What is put in by hand: the mail, texts and files the requests are about, near-misses, and broken things.

Everything here is a list of small steps, in memory: some two hundred, whatever the size of the district.
"""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from examples.district import documents as d
from examples.district import phones
from examples.district.clock import mail_date, pacific
from examples.district.mail import Attachment, Letter, mailbox, render, word
from examples.district.people import Guardian, People, Person
from examples.district.texts import EASTERN, FOREIGN, Words, quote, wrap
from examples.district.truth import NO_TEXT, NOT_RESPONSIVE, SEARCHABLE, Answer, Piece, State

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
        return outside.get(key) or p.office[key]

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


def plant(seed: int, people: People, words: Words) -> Planter:
    """Return everything that is planted."""
    planter = Planter(seed, people, words)
    _bus_mail(planter)
    _bus_edges(planter)
    _bus_phone(planter)
    _bus_files(planter)
    _contract(planter)
    _staffing(planter, people)
    _near_misses(planter)
    _odd_mail(planter)
    _odd_files(planter)
    _students(planter, people)
    return planter


def _bus_mail(p: Planter) -> None:
    """The main request: hits in every place a mail can hide them."""
    root = p.mail(
        "transport", ["principal_cf", "superintendent"], "Bus route change for the spring",
        wrap("We talked about this on the phone; the details follow once the planner has the ridership counts. ") + "\n\n" + p.small_talk(),
        pacific(2026, 1, 12, 8, 41), cc=["dispatch"], tags=("hit_subject",),
    )  # fmt: skip
    answer = p.mail(
        "principal_cf", ["transport"], "Re: Bus route change for the spring",
        wrap("Families near the creek will ask first. If route 14 no longer passes Cedar Falls before eight, the doors must open earlier."),
        pacific(2026, 1, 12, 10, 5), cc=["superintendent", "assistant_cf"], reply_to=root, tags=("hit_body", "reply"),
    )  # fmt: skip
    p.mail(
        "superintendent", ["transport", "clerk"], "Re: Bus route change for the spring",
        "Put it on the agenda of the work session, please.", pacific(2026, 1, 13, 7, 30), reply_to=answer, tags=("reply", "quoted"),
    )  # fmt: skip
    p.mail(
        "transport", ["communications"], "Notice text",
        "Text of the notice is in the formatted part.", pacific(2026, 1, 20, 14, 2),
        html="<html><body><p>Starting 2 March the <b>bus</b> route&nbsp;<i>change</i> takes effect.</p></body></html>",
        html_only=True, words="Starting 2 March the bus route change takes effect.", plain=True, tags=("hit_html", "html_only"),
    )  # fmt: skip
    p.mail(
        "communications", ["transport", "principal_cf"], "Web page, second version",
        "Your mail program shows no formatted text.", pacific(2026, 1, 21, 9, 12),
        html="<html><head><style>p {color: black}</style></head><body><p>Buses are rerouted around the cedar grove until June.</p></body></html>",
        words="Buses are rerouted around the cedar grove until June.", plain=True, tags=("hit_html", "html_differs"),
    )  # fmt: skip
    memo = d.word_file(
        "Memo to board.docx",
        ["Memo", "The bus route change was rated by the planner.", "It costs one more driver hour a day."],
        ("hit_docx",),
    )
    sheet = d.sheet_file(
        "ridership.xlsx",
        [["Stop", "Riders"], ["Main", 31]],
        [["Stop", "Note"], ["Larkspur Lane stop", "moves to the corner"]],
        ("hit_hidden_sheet",),
    )
    deck = d.slide_file(
        "work session.pptx",
        [
            ("Work session", "Transportation", "Say: the bus route change is only for mornings"),
            ("Next", "Questions", ""),
        ],
        ("hit_notes",),
    )
    paper = d.pdf_file(
        "planner report.pdf",
        ["Report of the planner", "Stop consolidation saves eleven minutes on the morning run."],
        ("hit_pdf",),
    )
    p.mail(
        "transport",
        ["superintendent", "clerk"],
        "Memo for the packet",
        "The memo is attached.",
        pacific(2026, 1, 26, 16, 20),
        pieces=[memo],
        tags=("hit_child",),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "Numbers by stop",
        "See the table, it has what you asked for.",
        pacific(2026, 1, 27, 8, 3),
        pieces=[sheet],
        tags=("hit_child",),
    )
    p.mail(
        "superintendent",
        ["clerk", "finance"],
        "Slides for the work session",
        "Slides as shown last night.",
        pacific(2026, 2, 3, 8, 15),
        pieces=[deck, paper],
        tags=("hit_child",),
    )
    inner = [
        d.word_file(
            "letter home.docx",
            ["Letter home", "Dear families, the bus route change begins after the break."],
            ("hit_docx",),
        ),
        d.text_file("readme.txt", "Letters in two languages, ready to print.\n"),
    ]
    packed = d.archive_file("letters.zip", inner, ("hit_zip_member",))
    p.mail(
        "communications",
        ["principal_cf"],
        "Letters to print",
        "All letters in one archive.",
        pacific(2026, 2, 5, 11, 0),
        pieces=[packed],
        tags=("hit_child",),
    )
    carried = p.nested(
        "original message.eml",
        "planner",
        "transport",
        "Stop consolidation, first look",
        "The stop consolidation would start with the two stops at the mill.\n",
        pacific(2026, 1, 30, 13, 0),
        [d.pdf_file("stops.pdf", ["Stops at the mill", "Two of them close."])],
    )
    p.mail(
        "transport",
        ["principal_cf", "dispatch"],
        "FW: from the planner",
        "See the message attached.",
        pacific(2026, 2, 6, 9, 45),
        pieces=[carried],
        tags=("hit_nested", "forward"),
    )
    forward = p.mail(
        "principal_cf", ["teacher_a", "counselor"], "Fwd: Larkspur Lane stop",
        "For your homerooms.\n\n---------- Forwarded message ---------\nFrom: dispatch\nSubject: Larkspur Lane stop\n\n" + wrap("The Larkspur Lane stop moves to the corner of Third on Monday."),
        pacific(2026, 2, 20, 7, 50), tags=("forward", "hit_subject", "hit_body"),
    )  # fmt: skip
    p.mail(
        "teacher_a",
        ["principal_cf"],
        "Re: Fwd: Larkspur Lane stop",
        "Read to all three classes.",
        pacific(2026, 2, 20, 15, 1),
        reply_to=forward,
        tags=("reply", "quoted"),
    )
    p.mail(
        "dispatch", ["transport", "principal_cf", "assistant_cf"], "Detouring from Monday", "Drivers have the sheet; please have staff at the east door.",
        pacific(2026, 2, 27, 17, 20), pieces=[d.calendar_file("invite.ics", "bus-1", "Drivers' briefing", "Walk through the bus route change with all drivers, then questions.", "20260302T150000Z", ("hit_ics",))],
        tags=("hit_subject", "hit_child"),
    )  # fmt: skip
    p.mail(
        "assistant_cf", ["transport"], "Änderung der Linie",
        FOREIGN[0] + "\n\nAlso in English: by now the bus route change is known to all homerooms, thanks for the very long and patient answers.",
        pacific(2026, 3, 3, 12, 12), charset="iso-8859-1", encoding="quoted-printable", tags=("latin1", "quoted_printable", "hit_body"),
    )  # fmt: skip
    p.mail(
        "counselor", ["principal_cf"], "Gia đình hỏi về tuyến xe", EASTERN[0] + "\n\nTwo families asked what the bus route change means for the late bus.",
        pacific(2026, 3, 4, 9, 3), charset="utf-8", encoding="base64", tags=("utf8", "base64", "hit_body"),
    )  # fmt: skip
    p.mail(
        "principal_cf", ["dispatch"], "Map as a picture", "The map is a picture, as you asked.", pacific(2026, 3, 5, 8, 0),
        pieces=[d.photo_file("bus route change map.jpg", ["Larkspur Lane stop", "moved to Third"], ("hit_filename",)), d.scan_file("signed notice.pdf", ["Notice of stop consolidation", "signed copy"])],
        tags=("hit_filename", "found_only_after_ocr"),
    )  # fmt: skip
    p.mail(
        "dispatch", ["principal_cf"], "Tour de bus", "Nom de fichier en deux parties.", pacific(2026, 3, 6, 8, 0),
        pieces=[replace(d.text_file("résumé of the bus route change – März.txt", "Times by stop, morning and afternoon.\n", ("hit_filename", "rfc2231")))],
        tags=("hit_filename",),
    )  # fmt: skip
    locked = [
        d.locked_pdf("driver list.pdf", ["Locked"]),
        d.locked_zip("drivers.zip", [d.text_file("drivers.txt", "Locked\n")]),
    ]
    p.mail(
        "dispatch",
        ["transport"],
        "Driver lists for route 14, Cedar Falls",
        "Both files ask for the usual word.",
        pacific(2026, 3, 9, 6, 58),
        pieces=[replace(x, answer=ASK_COUNSEL) for x in locked],
        tags=("encrypted_child", "hit_subject"),
    )
    p.mail(
        "superintendent",
        ["attorney"],
        "Privileged: notice duty for the bus route change",
        "Do we have to give notice before the bus route change, and how long before?",
        pacific(2026, 1, 14, 18, 5),
        answers={"bus": COUNSEL},
        tags=("attorney", "hit_body"),
    )
    p.mail(
        "attorney",
        ["superintendent"],
        "Re: Privileged: notice duty for the bus route change",
        "My advice on the bus route change: give ten days, and keep the record of the mailing.",
        pacific(2026, 1, 15, 11, 40),
        answers={"bus": COUNSEL},
        tags=("attorney", "hit_body"),
    )
    p.mail(
        "transport",
        ["transport"],
        "Options, not sent",
        "I would rather drop the bus route change than lose two drivers, but that is only my view.",
        pacific(2026, 1, 18, 21, 12),
        answers={"bus": DRAFT},
        tags=("deliberative", "hit_body"),
    )
    p.mail(
        "assistant_cf",
        ["assistant_cf"],
        "supper",
        "Love, with the bus route change I am home late; can you fetch the kids and put the soup on?",
        pacific(2026, 3, 2, 15, 30),
        answers={"bus": PERSONAL},
        tags=("personal", "hit_body"),
    )


def _bus_edges(p: Planter) -> None:
    """Times: outside the window, at its edges, missing, impossible."""
    line = "The bus route change is on the list for the planner."
    p.mail(
        "dispatch", ["transport"], "Early list", line, pacific(2025, 10, 7, 9, 0), tags=("outside_window",)
    )
    p.mail(
        "dispatch",
        ["transport"],
        "Last minute of the old year",
        line,
        pacific(2025, 12, 31, 23, 59, 59),
        tags=("outside_window", "edge"),
    )
    p.mail("dispatch", ["transport"], "First minute", line, pacific(2026, 1, 1, 0, 0), tags=("edge",))
    p.mail("dispatch", ["transport"], "Last evening", line, pacific(2026, 6, 30, 23, 59, 59), tags=("edge",))
    p.mail(
        "dispatch",
        ["transport"],
        "Too late",
        line,
        pacific(2026, 7, 1, 0, 0),
        tags=("outside_window", "edge"),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "No date at all",
        line,
        pacific(2026, 2, 1),
        date=None,
        known=False,
        tags=("undated",),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "A date of old",
        line,
        pacific(2026, 2, 2),
        date="Mon, 02 Feb 0002 09:00:00 -0800",
        known=False,
        tags=("misdated",),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "Words for a date",
        line,
        pacific(2026, 2, 2),
        date="sometime last winter",
        known=False,
        tags=("misdated",),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "No zone",
        line,
        pacific(2026, 2, 3, 9, 30),
        date="Tue, 03 Feb 2026 09:30:00",
        tags=("no_zone",),
    )
    p.mail(
        "dispatch",
        ["transport"],
        "No zone near the edge",
        line,
        pacific(2025, 12, 31, 20, 0),
        date="Wed, 31 Dec 2025 20:00:00",
        tags=("no_zone", "edge"),
        in_doubt=True,
    )
    p.mail(
        "dispatch",
        ["clerk", "retired", "maintenance"],
        "Twice delivered",
        line,
        pacific(2026, 2, 4, 9, 30),
        repeats=1,
        tags=("spread",),
    )
    p.mail(
        "clerk",
        ["clerk"],
        "Note to file",
        line + "\nFrom here on it is the planner's job.\n>From the old file: nothing.",
        pacific(2026, 2, 4, 9, 31),
        repeats=2,
        tags=("duplicate", "from_line"),
    )


def _bus_phone(p: Planter) -> None:
    """Texts of the transportation director's phone, and a colleague's personal account."""
    chief, helper = p.person("principal_cf"), p.person("dispatch")
    at = pacific(2026, 2, 23, 7, 12)
    tell = lambda minutes: at + timedelta(minutes=minutes)  # noqa: E731 - one line, used below only
    p.text(
        "phone-01",
        phones.sms(
            chief.number,
            chief.name,
            tell(0),
            phones.RECEIVED,
            "parents at the door about the bus route change 😀",
        ),
        tags=("hit_text", "emoji"),
    )
    p.text(
        "phone-01",
        phones.sms(
            chief.number,
            chief.name,
            tell(3),
            phones.SENT,
            "tell them the Larkspur Lane stop is only moved\nnot closed",
        ),
        tags=("hit_text",),
    )
    p.text(
        "phone-01",
        phones.sms(chief.number, chief.name, tell(5), phones.FAILED, "we rerouted it, cedar side first"),
        tags=("hit_text", "failed_send"),
    )
    p.text(
        "phone-01",
        phones.sms(helper.number, helper.name, tell(8), phones.DRAFT, "bus route change: my honest view is"),
        {"bus": DRAFT},
        ("hit_text", "draft"),
    )
    same = phones.sms(
        helper.number, helper.name, tell(9), phones.RECEIVED, "route 14 at Cedar Falls is eight minutes late"
    )
    p.text("phone-01", same, tags=("hit_text", "duplicate"))
    p.text("phone-01", same, tags=("hit_text", "duplicate"))
    p.text(
        "phone-01",
        phones.sms("262966", "null", tell(20), phones.RECEIVED, "Your parcel is at the door."),
        tags=("short_code",),
    )
    p.text(
        "phone-01",
        phones.sms(
            helper.number,
            helper.name,
            pacific(2025, 9, 15, 7, 0),
            phones.RECEIVED,
            "first ideas for a bus route change",
        ),
        tags=("outside_window",),
    )
    p.text(
        "phone-01",
        phones.sms(
            helper.number,
            "(Unknown)",
            tell(30),
            phones.RECEIVED,
            "supper at six? the bus route change keeps me here",
        ),
        {"bus": PERSONAL},
        ("personal",),
    )
    group = [(chief.number, "137"), ("insert-address-token", "151"), (helper.number, "151")]
    both = f"{chief.name}, {helper.name}"
    p.text(
        "phone-01",
        phones.mms(
            group,
            both,
            tell(40),
            1,
            "this is where the Larkspur Lane stop should stand",
            [d.photo_file("image000000.jpg", ["corner of Third", "bus route change"])],
        ),
        tags=("hit_text", "mms", "found_only_after_ocr"),
    )
    p.text(
        "phone-01",
        phones.mms(
            [("insert-address-token", "137"), (chief.number, "151"), (helper.number, "151")],
            both,
            tell(44),
            2,
            "thanks, passing it on to the crew",
        ),
        tags=("mms",),
    )
    p.text(
        "phone-01",
        phones.mms(group, both, tell(50), 1, "", [d.picture_file("image000001.png", ["stop consolidation"])]),
        tags=("mms", "picture_only", "found_only_after_ocr"),
    )
    p.text("phone-01", phones.call(chief.number, chief.name, tell(60), 2, 314), tags=("call",))
    p.text("phone-01", phones.call(helper.number, helper.name, tell(70), 3, 0), tags=("call",))
    p.mail(
        "principal_cf",
        ["transport"],
        "from home: bus route change",
        "Writing from my own account. The crossing guard asks when the bus route change starts.",
        pacific(2026, 2, 24, 20, 10),
        boxes=["takeout-01"],
        labels="Sent,District work",
        tags=("personal_account", "hit_body"),
    )
    p.mail(
        "transport",
        ["principal_cf"],
        "Re: from home",
        "Starts Monday; the Larkspur Lane stop is first.",
        pacific(2026, 2, 24, 21, 1),
        boxes=["takeout-01"],
        labels="Inbox,Schüler und Busse",
        tags=("personal_account", "hit_body"),
    )
    p.file(
        "takeout-01",
        d.word_file(
            "Notes on transport.docx",
            ["Notes", "Ask whether the bus route change needs a second guard."],
            ("hit_docx", "drive"),
        ),
        "Takeout/Drive/",
    )
    p.file(
        "takeout-01",
        d.pdf_file(
            "Map legend.pdf", ["Legend", "Red: closed. Green: the Larkspur Lane stop."], ("hit_pdf", "drive")
        ),
        "Takeout/Drive/District/",
    )


def _bus_files(p: Planter) -> None:
    """The drop folder of the transportation office."""
    p.file(
        "loose-01",
        d.word_file(
            "stop review.docx",
            ["Stop review", "Stop consolidation was weighed for both mills."],
            ("hit_docx",),
        ),
        "studies/",
    )
    p.file(
        "loose-01",
        d.text_file(
            "minutes 2026-02-11.txt",
            "Minutes\n\nThe bus route change was read a first time.\n",
            ("hit_text_file",),
        ),
    )
    p.file(
        "loose-01",
        d.text_file(
            "riders.csv", "stop,riders\nLarkspur Lane stop,14\nMain,31\n", ("hit_csv",), media_type="text/csv"
        ),
    )
    p.file(
        "loose-01",
        d.scan_file("signed order.pdf", ["Order", "bus route change approved"], ("found_only_after_ocr",)),
    )
    p.file(
        "loose-01",
        d.photo_file(
            "whiteboard.jpg", ["stop consolidation", "who tells the families?"], ("found_only_after_ocr",)
        ),
    )
    p.file(
        "loose-01",
        p.nested(
            "saved mail.eml",
            "planner",
            "transport",
            "Count of riders",
            "The bus route change was counted on two mornings.\n",
            pacific(2026, 2, 10, 10, 0),
        ),
        "mail/",
    )
    p.file(
        "loose-01",
        d.text_file(
            "memo budget.txt", "Stop consolidation would ease the budget by one driver.\n", ("near_miss",)
        ),
    )


def _contract(p: Planter) -> None:
    """The second request: bids and a contract."""
    offer = d.pdf_file(
        "offer.pdf",
        ["Pinecrest Mechanical", "Offer for two boilers, contract sum 418,220 dollars."],
        ("hit_pdf",),
    )
    prices = d.sheet_file(
        "unit prices.xlsx",
        [["Lot", "Sum"], [1, 418220]],
        [["Pinecrest Mechanical", "method"], ["hour", 141]],
        ("hit_hidden_sheet",),
    )
    first = p.mail(
        "facilities",
        ["finance", "superintendent"],
        "Offers are open",
        "Both offers are attached; the boiler contract goes to the lower one.",
        pacific(2025, 11, 6, 16, 0),
        cc=["clerk"],
        pieces=[replace(offer, answer=NOTICE), replace(prices, answer=TRADE)],
        answers={"contract": NOTICE},
        tags=("hit_body", "vendor"),
    )
    p.mail(
        "finance",
        ["facilities"],
        "Re: Offers are open",
        "Use PO-2291 and close the old one.",
        pacific(2025, 11, 7, 8, 20),
        reply_to=first,
        answers={"contract": RELEASE_WITH_NOTE},
        tags=("reply", "hit_body"),
    )
    p.mail(
        "hvac",
        ["facilities"],
        "Schedule of works",
        "Change order three adds the valves; it is in the contract for the boiler as item nine.",
        pacific(2025, 12, 2, 9, 9),
        tags=("hit_body",),
    )
    p.mail(
        "play",
        ["facilities", "principal_mh"],
        "Proposal",
        "Our playground proposal and the drawings are in the archive.",
        pacific(2026, 1, 8, 13, 30),
        pieces=[
            d.archive_file(
                "drawings.zip",
                [
                    d.pdf_file(
                        "sheet 1.pdf", ["Playground, sheet 1", "Bid alternate A: rubber"], ("hit_pdf",)
                    ),
                    d.picture_file("sheet 2.png", ["playground bid"]),
                ],
                ("hit_zip_member",),
            )
        ],
        tags=("hit_body", "hit_child"),
    )
    p.mail(
        "maintenance",
        ["facilities"],
        "Old boilers",
        "The contract for hauling the old boilers is signed.",
        pacific(2026, 1, 19, 6, 45),
        tags=("hit_body",),
    )
    p.mail(
        "superintendent",
        ["attorney"],
        "Privileged: bond for the boiler contract",
        "Is the bond for the boiler contract good enough?",
        pacific(2025, 11, 10, 12, 0),
        answers={"contract": COUNSEL},
        tags=("attorney", "hit_body"),
    )
    p.mail(
        "finance",
        ["superintendent"],
        "Form letters",
        "The boilerplate of the contract forms is out of date; I will send a new one.",
        pacific(2026, 1, 21, 9, 0),
        answers={"contract": NOT_RESPONSIVE},
        tags=("false_hit",),
    )
    p.mail(
        "facilities",
        ["finance"],
        "Late bid",
        "The playground bid came an hour late.",
        pacific(2026, 4, 14, 9, 0),
        tags=("outside_window",),
    )
    p.mail(
        "board",
        ["finance"],
        "question",
        "Writing from my own account: what did Pinecrest Mechanical ask for in the end?",
        pacific(2025, 11, 12, 19, 44),
        boxes=["takeout-02"],
        labels="Sent",
        tags=("personal_account", "hit_body"),
    )
    crew, boss = p.person("maintenance"), p.person("finance")
    p.text(
        "phone-03",
        phones.sms(
            crew.number,
            crew.name,
            pacific(2026, 1, 22, 6, 31),
            phones.RECEIVED,
            "Pinecrest Mechanical is at the gate",
        ),
        tags=("hit_text",),
    )
    p.text(
        "phone-03",
        phones.sms(
            boss.number,
            boss.name,
            pacific(2026, 1, 22, 9, 2),
            phones.SENT,
            "the boiler contract is on your desk",
        ),
        tags=("hit_text",),
    )
    p.text(
        "phone-03",
        phones.mms(
            [(crew.number, "137"), ("insert-address-token", "151")],
            crew.name,
            pacific(2026, 1, 22, 9, 30),
            1,
            "plate of the new boiler, contract lot 1",
            [d.photo_file("plate.jpg", ["Pinecrest Mechanical", "serial 88-1"])],
        ),
        tags=("hit_text", "mms", "found_only_after_ocr"),
    )
    p.file(
        "loose-02",
        d.word_file(
            "award memo.docx",
            ["Award", "The boiler contract is awarded to Pinecrest Mechanical under PO-2291."],
            ("hit_docx",),
        ),
        "awards/",
    )
    p.file(
        "loose-02",
        d.slide_file("site tour.pptx", [("Site tour", "Yard", "ask for the playground bid")], ("hit_notes",)),
    )
    p.file(
        "loose-02",
        d.archive_file(
            "bids.zip",
            [
                d.pdf_file("bid a.pdf", ["Playground bid A"], ("hit_pdf",)),
                d.text_file("note.txt", "Two envelopes.\n"),
            ],
            ("hit_zip_member",),
        ),
    )
    p.file(
        "takeout-02",
        d.sheet_file(
            "My list.xlsx",
            [["What", "Who"], ["boiler contract", "ask finance"]],
            [["nothing", "here"]],
            ("drive",),
        ),
        "Takeout/Drive/",
    )


RELEASE_WITH_NOTE = Answer(note="number of the order is public")


def _staffing(p: Planter, people: People) -> None:
    """The third request: mostly texts."""
    boss, head, hr = p.person("principal_hs"), p.person("athletics"), p.person("hr")
    at = pacific(2026, 3, 16, 18, 5)
    p.text(
        "phone-02",
        phones.sms(
            boss.number,
            boss.name,
            at,
            phones.RECEIVED,
            "Brannock is out until May, we need an interim coach by Friday",
        ),
        tags=("hit_text",),
    )
    p.text(
        "phone-02",
        phones.sms(
            boss.number, boss.name, at + timedelta(minutes=2), phones.SENT, "use staffing plan B then 👍🏽"
        ),
        tags=("hit_text", "emoji"),
    )
    p.text(
        "phone-02",
        phones.sms(
            hr.number,
            hr.name,
            at + timedelta(minutes=9),
            phones.RECEIVED,
            "coverage for the weekend is fixed",
        ),
        tags=("hit_text",),
    )
    p.text(
        "phone-02",
        phones.sms(hr.number, hr.name, at + timedelta(minutes=11), phones.FAILED, "who told Brannock?"),
        tags=("hit_text", "failed_send"),
    )
    p.text(
        "phone-02",
        phones.mms(
            [(boss.number, "137"), ("insert-address-token", "151"), (hr.number, "151")],
            f"{boss.name}, {hr.name}",
            at + timedelta(minutes=20),
            1,
            "names for interim coach",
            [d.photo_file("list.jpg", ["Brannock", "two names"])],
        ),
        tags=("hit_text", "mms", "found_only_after_ocr"),
    )
    p.text(
        "phone-02",
        phones.sms(hr.number, hr.name, pacific(2026, 6, 2, 8, 0), phones.RECEIVED, "Brannock is back"),
        tags=("outside_window",),
    )
    p.text("phone-02", phones.call(boss.number, boss.name, at + timedelta(minutes=30), 1, 55), tags=("call",))
    ask = p.mail(
        "principal_hs",
        ["hr", "athletics"],
        "Vacancy",
        "For the interim coach we follow staffing plan B.",
        pacific(2026, 3, 17, 7, 45),
        tags=("hit_body",),
    )
    p.mail(
        "hr",
        ["principal_hs"],
        "Re: Vacancy",
        "The doctor's note is with me and stays here.",
        pacific(2026, 3, 17, 9, 0),
        reply_to=ask,
        answers={
            "staffing": Answer(
                treatment="redact",
                exemption_code="employee-privacy",
                explanation="Mentions a medical note of a named employee; of no concern to the public.",
            )
        },
        tags=("reply", "quoted"),
    )
    p.mail(
        "superintendent",
        ["hr"],
        "Short note",
        "See the calendar entry.",
        pacific(2026, 3, 18, 8, 0),
        pieces=[
            d.calendar_file(
                "call.ics", "staff-1", "Call", "interim coach, names", "20260318T180000Z", ("hit_ics",)
            )
        ],
        tags=("hit_child",),
    )
    p.mail(
        "board",
        ["superintendent"],
        "rumour",
        "I hear of Brannock from three parents; is that a board matter?",
        pacific(2026, 3, 19, 21, 30),
        boxes=["takeout-02"],
        labels='Sent,"Board, private"',
        tags=("personal_account", "hit_body"),
    )
    del head, people


def _near_misses(p: Planter) -> None:
    """Words that look alike and must not hit."""
    lines = (
        (
            "transport",
            "dispatch",
            "Route 41",
            "The driver of route 41 passes Cedar Falls at noon; nothing is new.",
        ),
        ("dispatch", "transport", "Bus roster", "A change of the bus roster, and the route stays as it is."),
        ("transport", "clerk", "Larkspur", "The Larkspur Lane bus stops at three; stop by if you like."),
        ("facilities", "finance", "Boilers", "The boilers were cleaned; no paper is needed for that."),
        ("finance", "facilities", "Contract", "The contract for the copier is signed."),
        ("principal_mh", "facilities", "Swings", "A swing of the playground squeaks, and a bidder called."),
        (
            "hr",
            "principal_hs",
            "Coaching",
            "The coach in the interim has a key; plan B for the room is the gym.",
        ),
        ("facilities", "finance", "Orders", "PO-22910 and order 2291 are both paid; pine crest is a street."),
    )
    for n, (sender, to, subject, text) in enumerate(lines):
        p.mail(sender, [to], subject, text, pacific(2026, 2, 12, 8 + n), tags=("near_miss",))
    friend = p.person("dispatch")
    p.text(
        "phone-01",
        phones.sms(
            friend.number,
            friend.name,
            pacific(2026, 2, 12, 7, 0),
            phones.RECEIVED,
            "the bus, route and all, has a change of tires",
        ),
        tags=("near_miss",),
    )


def _odd_mail(p: Planter) -> None:
    """Mail that breaks a rule: kept, and read as far as it goes."""
    at = pacific(2026, 2, 17, 10, 0)
    raw_step = lambda raw, subject, words, box, tags, text=SEARCHABLE, pieces=(): p.mails.append(  # noqa: E731
        MailStep(
            raw,
            at,
            at if raw else None,
            (box,),
            subject,
            words,
            "",
            f"odd{len(p.mails):04}",
            tags=tags,
            text=text,
            pieces=pieces,
        )
    )
    head = f"From: {mailbox(p.person('dispatch'))}\nTo: {mailbox(p.person('facilities'))}\nDate: {mail_date(at)}\nMessage-ID: <odd{{}}@aldervalley.example>\nSubject: {{}}\nMIME-Version: 1.0\n"
    raw_step(
        (head.format(1, "No last border") + 'Content-Type: multipart/mixed; boundary="b1"\n\n--b1\nContent-Type: text/plain\n\nThe last border of this message never came.\n').encode(),
        "No last border", "The last border of this message never came.", "facilities", ("broken_mime",),
    )  # fmt: skip
    raw_step(
        (head.format(2, "Unknown charset") + "Content-Type: text/plain; charset=x-unknown\nContent-Transfer-Encoding: 8bit\n\nPlain words in an unknown charset.\n").encode(),
        "Unknown charset", "Plain words in an unknown charset.", "facilities", ("broken_mime", "charset"),
    )  # fmt: skip
    raw_step(
        head.format(3, "").encode().replace(b"Subject: \n", "Subject: Grüße, roh\n".encode("latin-1")) + b"Content-Type: text/plain; charset=windows-1252\nContent-Transfer-Encoding: 8bit\n\n" + "Preise in € für die Größe.\n".encode("cp1252"),
        "Grüße, roh", "Preise in € für die Größe.", "facilities", ("raw_header", "charset"),
    )  # fmt: skip
    raw_step(
        (head.format(4, "Flowed") + "Content-Type: text/plain; charset=us-ascii; format=flowed\n\nThis line flows \ninto the next one.\n").encode(),
        "Flowed", "This line flows into the next one.", "facilities", ("flowed",),
    )  # fmt: skip
    raw_step(
        (head.format(5, "No type at all").replace("MIME-Version: 1.0\n", "") + "\nA message as in 1982.\n").encode(),
        "No type at all", "A message as in 1982.", "facilities", ("no_mime",),
    )  # fmt: skip
    raw_step(b"", "", "", "facilities", ("broken", "empty"), NO_TEXT)
    rng = p.rng
    for piece in (
        d.bomb_zip("backup.zip"), d.dotted_zip("photos.zip"), d.cut_zip("half.zip", rng), d.corrupt_docx("report.docx", rng),
        d.garbage_pdf("form.pdf", rng), d.empty_file("empty.dat"), d.entity_xml("inventory.xml"), d.locked_pdf("locked.pdf", ["Locked"]),
    ):  # fmt: skip
        p.mail(
            "dispatch",
            ["facilities"],
            "One more file",
            "This one does not open here.",
            pacific(2026, 2, 18, 9, len(p.mails) % 60),
            pieces=[piece],
            tags=("broken_child",),
        )
    logo = Attachment(
        "logo.png",
        "image/png",
        d.picture_file("logo.png", ["AV"]).data,
        content_id="logo@aldervalley.example",
    )
    logo_piece = replace(d.picture_file("logo.png", ["AV"]), tags=("image", "inline"))
    step = p.mail(
        "communications",
        ["facilities"],
        "Letterhead",
        "See below.",
        pacific(2026, 2, 18, 11, 0),
        html='<html><body><p>See below.</p><img src="cid:logo@aldervalley.example"></body></html>',
        tags=("inline_image",),
    )
    assert step.letter is not None
    p.mails[-1] = replace(step, raw=render(replace(step.letter, attachments=[logo])), pieces=[logo_piece])
    tail = Letter(
        f"<cut.{p._seed}@aldervalley.example>",
        mail_date(at),
        mailbox(p.person("dispatch")),
        mailbox(p.person("clerk")),
        "Cut off",
        "The file ends in the middle of this sen",
    )
    p.last_mails.append(("clerk", render(tail)[:-1], tail))


def _odd_files(p: Planter) -> None:
    """Loose files that are broken, hostile, or named so that a careless reader trips."""
    rng = p.rng
    for piece in (
        d.bomb_zip("old backup.zip"), d.dotted_zip("from the vendor.zip"), d.deep_zip("well.zip"), d.cut_zip("half of it.zip", rng),
        d.corrupt_docx("damaged.docx", rng), d.garbage_pdf("noise.pdf", rng), d.empty_file("nothing.txt"), d.entity_xml("chairs.xml"),
        d.locked_pdf("closed.pdf", ["Locked"]), d.locked_zip("closed.zip", [d.text_file("inside.txt", "Locked\n")]),
        d.calendar_file("walk.ics", "walk-1", "Walk of the yard", "Bring the plan of the yard.", "20260210T180000Z"),
        d.text_file("Re\u0301sume\u0301 des arre\u0302ts.txt", "A name in decomposed letters.\n", ("nfd_name",)),
        d.text_file("wide.txt", "Text in UTF-16, with its mark.\n", ("utf16",), encoding="utf-16"),
    ):  # fmt: skip
        p.file("loose-02", piece, "mixed/")


def _students(p: Planter, people: People) -> None:
    """Parents who write about the change: a student can be recognised."""
    pupils = [s for s in people.students if s.school == people.office["principal_cf"].place]
    for n, pupil in enumerate(p.rng.sample(pupils, 3)):
        parent = pupil.guardians[0]
        p.mail(
            "principal_cf", ["principal_cf", "transport"], f"Stop of {pupil.name}",
            wrap(f"My child {pupil.name} (grade {pupil.grade}, number {pupil.id}) now walks to the Larkspur Lane stop in the dark. Please call me at {parent.number}."),
            pacific(2026, 3, 10 + n, 20, 15), guardian=parent, answers={"bus": STUDENT}, tags=("student_data", "hit_body"),
        )  # fmt: skip
