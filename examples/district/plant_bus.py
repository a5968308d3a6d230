"""The main request: the bus route change, hidden wherever mail, texts and files can hide it."""

# ruff: noqa: E501 - the sentences of the data stand on one line each

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from examples.district import documents as d
from examples.district import phones
from examples.district.clock import pacific
from examples.district.people import People
from examples.district.planter import (
    ASK_COUNSEL,
    COUNSEL,
    DRAFT,
    PERSONAL,
    STUDENT,
    Planter,
)
from examples.district.texts import EASTERN, FOREIGN, wrap


def bus_mail(p: Planter) -> None:
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


def bus_edges(p: Planter) -> None:
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
        "A date to come",
        line,
        pacific(2026, 2, 2),
        date="Thu, 01 Jan 2099 09:00:00 -0800",
        known=False,
        tags=("misdated",),
    )
    p.mail(
        "facilities",
        ["finance"],
        "The hour that came twice",
        "Pinecrest Mechanical called in the night.",
        pacific(2025, 11, 2, 1, 30),
        date="Sun, 02 Nov 2025 01:30:00",
        tags=("no_zone", "ambiguous_hour"),
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


def bus_phone(p: Planter) -> None:
    """Texts of the transportation director's phone, and a colleague's personal account."""
    chief, helper = p.person("principal_cf"), p.person("dispatch")
    at = pacific(2026, 2, 23, 7, 12)

    def tell(minutes: int) -> datetime:
        return at + timedelta(minutes=minutes)

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
    p.text("phone-01", phones.announced(helper.number, helper.name, tell(52)), tags=("mms", "not_downloaded"))
    photo = d.photo_file("image000002.jpg", ["the corner again"])
    whole = phones.mms(group, both, tell(54), 1, "one more picture of the corner", [photo])
    p.text("phone-01", phones.spoiled(whole, photo), tags=("mms", "broken_child"))
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


def bus_files(p: Planter) -> None:
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


def students(p: Planter, people: People) -> None:
    """Parents who write about the change: a student can be recognised."""
    pupils = [s for s in people.students if s.school == people.office["principal_cf"].place]
    for n, pupil in enumerate(p.rng.sample(pupils, 3)):
        parent = pupil.guardians[0]
        p.mail(
            "principal_cf", ["principal_cf", "transport"], f"Stop of {pupil.name}",
            wrap(f"My child {pupil.name} (grade {pupil.grade}, number {pupil.id}) now walks to the Larkspur Lane stop in the dark. Please call me at {parent.number}."),
            pacific(2026, 3, 10 + n, 20, 15), guardian=parent, answers={"bus": STUDENT}, tags=("student_data", "hit_body"),
        )  # fmt: skip
