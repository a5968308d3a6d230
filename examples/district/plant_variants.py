"""Mail and texts that only another form of a term or a name finds, and the table of those forms.

Each form is written twice: as the query that must be proposed, in the search language's normal form, and as a
predicate of its own for the truth. No sentence here holds a term of a request.
"""

from __future__ import annotations

from dataclasses import dataclass

from examples.district import phones
from examples.district.asks import Test, Tokens, both, either, fold, phrase, prefix, without
from examples.district.clock import pacific
from examples.district.people import SCHOOLS, Person
from examples.district.planter import Planter
from examples.district.roster import BIDDER, COACH

TAG = "variant"


def plant_variants(p: Planter) -> None:
    """Plant them for the three requests."""
    _bus(p)
    _contract(p)
    _staffing(p)


@dataclass(frozen=True, slots=True)
class Form:
    """A form that must be proposed.

    Attributes:
        request: Name of the request.
        base_kind: ``term``, ``place``, ``person`` or ``custodian``.
        base: The term as the list has it, or the name.
        way: As ``docs/variants.md`` lists them.
        form: The query.
        test: Whether a document holds it.
    """

    request: str
    base_kind: str
    base: str
    way: str
    form: str
    test: Test


def forms(transport: Person) -> tuple[Form, ...]:
    """Return the planted forms.

    Args:
        transport: Who holds the office: a custodian whom no request names, under a drawn name.
    """
    first, *rest = fold(transport.name)
    last, digits = " ".join(rest), transport.number.removeprefix("+1")
    made = first[0] + "".join(rest)
    initials = f"{first[0]} {last}"
    number = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    change, stops = "bus route change", '"stop consolidation" AND NOT budget'
    return (
        Form("bus", "term", change, "misspelling", '"bus rotue change"', phrase("bus rotue change")),
        Form("bus", "term", change, "spacing", '"busroute change"', phrase("busroute change")),
        Form("bus", "term", change, "stem", '"bus~ route~ change~"', _bus_route_changes),
        Form(
            "bus", "term", '"route 14" AND "Cedar Falls"', "alias", '"route 14" AND cfms',
            both(phrase("route 14"), phrase("cfms")),
        ),
        Form(
            "bus", "term", "reroute* AND (cedar OR larkspur)", "stem", "reroute~ AND (cedar OR larkspur)",
            both(prefix("rerout"), either(phrase("cedar"), phrase("larkspur"))),
        ),
        Form(
            "bus", "term", stops, "misspelling", '"stop consolidaton" AND NOT budget',
            both(phrase("stop consolidaton"), without(phrase("budget"))),
        ),
        Form("bus", "place", SCHOOLS[0], "alias", "cfms", phrase("cfms")),
        Form("bus", "custodian", transport.name, "initials", f'"{initials}"', phrase(initials)),
        Form("bus", "custodian", transport.name, "handle", made, phrase(made)),
        Form("bus", "custodian", transport.name, "phone", f'"{number}"', phrase(number)),
        Form("contract", "person", BIDDER, "nickname", '"bill harkettle"', phrase("bill harkettle")),
        Form("contract", "person", BIDDER, "initials", '"w harkettle"', phrase("w harkettle")),
        Form("contract", "person", BIDDER, "order", '"harkettle william"', phrase("harkettle william")),
        Form("contract", "person", BIDDER, "name", '"william harkettle"', phrase("william harkettle")),
        Form("contract", "person", BIDDER, "handle", "wharkettle", phrase("wharkettle")),
        Form("contract", "person", BIDDER, "phone", '"564 555 0151"', phrase("564 555 0151")),
        Form(
            "contract", "term", '"Pinecrest Mechanical"', "spacing", '"pine crest mechanical"',
            phrase("pine crest mechanical"),
        ),
        Form(
            "contract", "term", '"Pinecrest Mechanical"', "misspelling", '"pinecrest mechancial"',
            phrase("pinecrest mechancial"),
        ),
        Form("contract", "term", '"Pinecrest Mechanical"', "alias", "pcm", phrase("pcm")),
        Form("contract", "term", "PO-2291", "spacing", "po2291", phrase("po2291")),
        Form(
            "contract", "term", "playground AND (bid OR proposal)", "stem", "playground AND bid~",
            both(phrase("playground"), either(phrase("bid"), phrase("bids"), phrase("bidding"))),
        ),
        Form("staffing", "term", "Brannock", "misspelling", "branock", phrase("branock")),
        Form("staffing", "term", "Brannock", "handle", "tbrannock", phrase("tbrannock")),
        Form("staffing", "term", "Brannock", "phone", '"564 555 0143"', phrase("564 555 0143")),
        Form("staffing", "term", "Brannock", "alias", '"coach teddy"', phrase("coach teddy")),
        Form(
            "staffing", "term", '"interim coach"', "stem", '"interim~ coach~"',
            either(phrase("interim coach"), phrase("interim coaches"), phrase("interim coaching")),
        ),
        Form(
            "staffing", "term", '"staffing plan B"', "spacing", '"staffingplan b"', phrase("staffingplan b")
        ),
        Form("staffing", "place", SCHOOLS[1], "acronym", "avhs", phrase("avhs")),
    )  # fmt: skip


def _bus_route_changes(doc: Tokens) -> bool:
    """Say whether the three words stand in a row in any of their grammatical forms."""
    words = ({"bus", "buses"}, {"route", "routes", "routed"}, {"change", "changes", "changed", "changing"})
    return any(
        all(token in allowed for token, allowed in zip(row[at:], words, strict=False))
        for row in doc.rows
        for at in range(len(row) - 2)
    )


def _bus(p: Planter) -> None:
    transport = p.person("transport")
    first, *rest = fold(transport.name)
    digits = transport.number.removeprefix("+1")
    asked = (
        f"Ask {transport.name[0]}. {transport.name.split()[-1]}; {first[0]}{''.join(rest)}@mail.example is "
        f"dead, but ({digits[:3]}) {digits[3:6]}-{digits[6:]} works."
    )
    lines = (
        ("dispatch", "transport", "A question", "Is the bus rotue change still planned for after the break?"),
        ("communications", "principal_cf", "Letter", "The bus routes changed twice before; keep it short."),
        ("dispatch", "transport", "North side", "Drivers ask about the busroute change up there."),
        ("assistant_cf", "transport", "Early bell", "Route 14 leaves CFMS at 7:40 from now on."),
        ("dispatch", "principal_cf", "Trees", "We are rerouting around the old cedar at the mill."),
        ("superintendent", "communications", "Agenda", "The stop consolidaton goes to the board in May."),
        ("principal_cf", "counselor", "Who knows", asked),
    )
    for n, (sender, to, subject, text) in enumerate(lines):
        p.mail(sender, [to], subject, text, pacific(2026, 4, 7 + n, 10, 10), tags=(TAG,))


def _contract(p: Planter) -> None:
    lines = (
        ("facilities", "finance", "Visit", f"{_nickname(BIDDER)} came by to look at the heater room."),
        ("finance", "superintendent", "Who signs", "W. Harkettle signs for them, as far as I know."),
        ("facilities", "superintendent", "Badges", "Harkettle, William; two helpers; one driver."),
        ("superintendent", "clerk", "Guests", f"Put {BIDDER} on the list of guests, please."),
        ("facilities", "maintenance", "Van", "The Pine Crest Mechanical van blocks the yard."),
        ("finance", "facilities", "Tray", "A letter of Pinecrest Mechancial lies in my tray."),
        ("superintendent", "finance", "Noon", "PCM wants to hear from us by noon."),
        ("finance", "clerk", "Open again", "PO2291 is open again; please close it."),
        ("facilities", "principal_mh", "Swings and bars", "Both playground bids are with the clerk."),
    )
    for n, (sender, to, subject, text) in enumerate(lines):
        p.mail(sender, [to], subject, text, pacific(2026, 2, 23, 8 + n, 15), tags=(TAG,))
    crew = p.person("maintenance")
    p.text(
        "phone-03",
        phones.sms(
            crew.number,
            crew.name,
            pacific(2026, 2, 24, 7, 2),
            phones.RECEIVED,
            "his cell is 564-555-0151, mail wharkettle@pinecrest.example",
        ),
        tags=(TAG,),
    )


def _nickname(name: str) -> str:
    return name.replace("William", "Bill")


def _staffing(p: Planter) -> None:
    assert COACH == "Theodore Brannock"  # the forms below are his
    lines = (
        ("hr", "principal_hs", "Keys", "Branock asked about the keys of the gym."),
        ("superintendent", "hr", "Regards", "Coach Teddy sends his regards and thanks for the card."),
        ("athletics", "principal_hs", "Monday", "AVHS needs an answer by Monday."),
        ("hr", "superintendent", "Two letters", "Two interim coaches have sent their papers."),
        ("principal_hs", "hr", "Again", "Staffingplan B is all we have."),
    )
    for n, (sender, to, subject, text) in enumerate(lines):
        p.mail(sender, [to], subject, text, pacific(2026, 3, 24, 8 + n, 40), tags=(TAG,))
    boss = p.person("principal_hs")
    p.text(
        "phone-02",
        phones.sms(
            boss.number,
            boss.name,
            pacific(2026, 3, 25, 17, 2),
            phones.RECEIVED,
            "try 564.555.0143 after six, or tbrannock@aldervalley.example",
        ),
        tags=(TAG,),
    )
