"""What is proposed for a small collection written by hand: asked of either engine."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from records.roster import RosterKind, RosterLine
from search.language import parse
from search.protocol import IndexDocument, SearchEngine
from search.variants import Found, Proposal, Variant, propose
from tests.search import oracle
from tests.search.district import document

PACIFIC = ZoneInfo("America/Los_Angeles")

ROSTER = (
    RosterLine(RosterKind.SCHOOL, "Cedar Falls Middle School", ("CFMS",)),
    RosterLine(RosterKind.SCHOOL, "Quarry Hill Elementary"),
    RosterLine(RosterKind.PROGRAMME, "Highly Capable Program", ("HiCap",)),
    RosterLine(
        RosterKind.STAFF,
        "William R. Okonjo",
        ("Coach Billy",),
        ("w.okonjo@falls.example",),
        ("206-555-0142",),
    ),
    RosterLine(RosterKind.STAFF, "Willa Okonjo-Reyes", (), ("willa.reyes@falls.example",)),
    RosterLine(RosterKind.VENDOR, "Pinecrest Mechanical", ("PCM",), ("offers@pinecrest.example",)),
    RosterLine(RosterKind.MAILBOX, "Transportation", (), ("transportation@falls.example",)),
)
CUSTODIANS = (
    RosterLine(
        RosterKind.STAFF, "Margaret Lee", ("Lee",), ("margaret.lee@falls.example",), ("+12065550177",)
    ),
)
TEXT = "What William R. Okonjo and the Highly Capable Program wrote about the bus route change."
TERMS = (
    "bus route change",
    '"route 14" AND "Cedar Falls"',
    "subject:playground AND NOT budget",
    "boiler* w/5 contract",
    "PO-2291",
    "(never AND",
)

DOCUMENTS = (
    document("d01", text="The bus route change is near."),
    document("d02", text="A bus rotue change, and a buss route change."),  # two misspellings in one
    document("d03", text="busroute change"),
    document("d04", text="The bus-route change"),  # the same phrase: no variant
    document("d05", text="Bus routes changed again"),
    document("d06", text="Route 14 passes CFMS"),
    document("d07", text="route 14, and nothing of the school"),
    document("d08", subject="The play ground", text="sand"),
    document("d09", subject="The play ground", text="sand and budget"),  # what NOT keeps out stays out
    document("d10", text="the biolers and their contract"),
    document("d11", text="boilers are under contracts of old"),
    document("d12", text="PO2291"),
    document("d13", text="Will Okonjo came"),
    document("d14", text="W. R. Okonjo signed"),
    document("d15", text="Okonjo, William"),
    document("d16", text="ask Coach Billy"),
    document("d17", text="mail w.okonjo@falls.example or call (206) 555-0142"),
    document("d18", text="the HiCap list, the HCP list"),
    document("d19", text="Willa Okonjo-Reyes is somebody else"),
    document("d20", text="Maggie Lee and M. Lee", family="d20"),
    document("d21", text="Mr. Lee of another firm", family="d20", parent="d20"),
    document("d22", sender="Margaret Lee margaret.lee@falls.example", text="the mail of a custodian"),
    document("d23", text="206.555.0177"),
    document("d24", text="nothing of all this; Transportation"),
    document("d25", text="W.R.O. it says"),
)

EXPECTED = {
    ("term", "bus route change", "spacing", '"busroute change"', 1),
    ("term", "bus route change", "misspelling", '"bus rotue change"', 1),
    ("term", "bus route change", "misspelling", '"buss route change"', 1),
    ("term", "bus route change", "stem", '"bus~ route~ change~"', 1),
    ("term", '"route 14" AND "Cedar Falls"', "alias", '"route 14" AND cfms', 1),
    ("term", "subject:playground AND NOT budget", "spacing", 'subject:"play ground" AND NOT budget', 1),
    ("term", "boiler* w/5 contract", "misspelling", "biolers w/5 contract", 1),
    ("term", "boiler* w/5 contract", "stem", "boiler* w/5 contract~", 1),
    ("term", "PO-2291", "spacing", "po2291", 1),
    ("person", "William R. Okonjo", "alias", '"coach billy"', 1),
    ("person", "William R. Okonjo", "nickname", '"will okonjo"', 1),
    ("person", "William R. Okonjo", "initials", '"w r okonjo"', 1),
    ("person", "William R. Okonjo", "initials", '"w r o"', 1),
    ("person", "William R. Okonjo", "order", '"okonjo william"', 1),
    ("person", "William R. Okonjo", "surname", "okonjo", 5),
    ("person", "William R. Okonjo", "initials", '"w okonjo"', 1),  # what the address begins with, too
    ("person", "William R. Okonjo", "phone", '"206 555 0142"', 1),
    ("person", "William R. Okonjo", "phone", '"555 0142"', 1),
    ("programme", "Highly Capable Program", "alias", "hicap", 1),
    ("programme", "Highly Capable Program", "acronym", "hcp", 1),
    ("custodian", "Margaret Lee", "nickname", '"maggie lee"', 1),
    ("custodian", "Margaret Lee", "initials", '"m lee"', 1),
    ("custodian", "Margaret Lee", "phone", '"206 555 0177"', 1),
    ("custodian", "Margaret Lee", "phone", '"555 0177"', 1),
}


def what_the_list_finds(terms: Sequence[str], documents: Sequence[IndexDocument]) -> Found:
    """Ask the oracle."""
    hits = {item for term in terms for item in oracle.search(parse(term, PACIFIC), documents)}
    return Found(frozenset(hits), frozenset(d.family_id for d in documents if d.item_id in hits))


def proposes_what_is_expected(engine: SearchEngine) -> Proposal:
    """Propose for the collection, and compare with the table and with what the oracle counts."""
    engine.upsert("b000001", DOCUMENTS[:9])
    engine.upsert("b000002", DOCUMENTS[9:])
    found = what_the_list_finds(TERMS[:-1], DOCUMENTS)
    proposal = propose(engine, TERMS, PACIFIC, TEXT, ROSTER, CUSTODIANS, found)
    rows = {(v.base_kind, v.base, v.way, v.form, v.added_documents) for v in proposal.variants}
    assert rows == EXPECTED, rows ^ EXPECTED
    assert len(proposal.variants) == len(EXPECTED)
    for variant in proposal.variants:
        counts_are_those_of_the_oracle(variant, DOCUMENTS, found)
    return proposal


def counts_are_those_of_the_oracle(
    variant: Variant, documents: Sequence[IndexDocument], found: Found
) -> None:
    hits = set(oracle.search(parse(variant.form, PACIFIC), documents))
    families = {d.family_id for d in documents if d.item_id in hits}
    assert (variant.documents, variant.families) == (len(hits), len(families))
    assert variant.added_documents == len(hits - found.documents) > 0
    assert variant.added_families == len(families - found.families)
