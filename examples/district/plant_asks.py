"""The other two requests, and words that look alike and must not hit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from examples.district import documents as d
from examples.district import phones
from examples.district.clock import pacific
from examples.district.planter import (
    COUNSEL,
    NOTICE,
    TRADE,
    Planter,
)
from examples.district.truth import NOT_RESPONSIVE, Answer

RELEASE_WITH_NOTE = Answer(note="number of the order is public")


def contract(p: Planter) -> None:
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


def staffing(p: Planter) -> None:
    """The third request: mostly texts."""
    boss, hr = p.person("principal_hs"), p.person("hr")
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


def near_misses(p: Planter) -> None:
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
