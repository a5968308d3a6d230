"""The golden table of forms, way by way; none of it looks at an index."""

from __future__ import annotations

import pytest

from records.roster import RosterKind, RosterLine
from search.folding import tokens
from search.language import parse
from search.tree import Node, to_text
from search.variants import _spots
from search.variants_names import NameBook, Way, forms, handle, known_forms, name_of, nicknames, phone_forms
from search.variants_words import Spellings, Vocabulary, misspelt, spaced, stemmed
from tests.search.variants_contract import PACIFIC


def named(name: str, kind: RosterKind = RosterKind.STAFF, *more: tuple[str, ...]) -> dict[Way, list[str]]:
    found = name_of(RosterLine(kind, name, *more))
    assert found is not None
    out: dict[Way, list[str]] = {}
    for way, form in forms(found):
        out.setdefault(way, []).append(" ".join(form))
    return out


# -- people


def test_the_forms_of_a_person() -> None:
    got = named(
        "Ronald Okonjo", RosterKind.STAFF, ("Coach O",), ("ron.okonjo@falls.example",), ("+12065550142",)
    )
    assert got == {
        "alias": ["coach o"],
        "nickname": [
            "naldo okonjo", "okonjo naldo", "ron okonjo", "okonjo ron", "ronnie okonjo", "okonjo ronnie",
            "ronny okonjo", "okonjo ronny",
        ],
        "initials": ["r okonjo", "okonjo r"],
        "order": ["okonjo ronald"],
        "surname": ["okonjo"],
        "handle": ["ron okonjo", "rokonjo", "okonjor", "ronaldokonjo", "ronaldo"],
        "phone": ["206 555 0142", "12065550142", "2065550142", "206 5550142", "555 0142", "5550142"],
    }  # fmt: skip


def test_a_middle_name_gives_initials_that_stand_alone() -> None:
    got = named("Ada Beth Okonjo")
    assert got["initials"] == ["a b okonjo", "okonjo a b", "a okonjo", "okonjo a", "a b o", "abo"]
    assert got["order"] == ["ada okonjo", "okonjo ada beth", "okonjo ada"]
    assert "ro" not in named("Rosalind Okonjo")["initials"]  # two letters say nothing


@pytest.mark.parametrize(
    ("written", "words", "surname"),
    [
        ("Okonjo, Rosalind", ["rosalind", "okonjo"], ["okonjo"]),
        ("Dr. Rosalind Okonjo, Ed.D.", ["rosalind", "okonjo"], ["okonjo"]),
        ("Rosalind Okonjo Jr.", ["rosalind", "okonjo"], ["okonjo"]),
        ("Rosalind Okonjo-Reyes", ["rosalind", "okonjo", "reyes"], ["okonjo", "reyes"]),
        ("Lucía de la Cruz", ["lucia", "de", "la", "cruz"], ["de", "la", "cruz"]),
        ("Sinéad O’Neill", ["sinead", "o", "neill"], ["o", "neill"]),
        ("Cher", ["cher"], []),
    ],
)
def test_how_a_name_is_read(written: str, words: list[str], surname: list[str]) -> None:
    name = name_of(RosterLine(RosterKind.STAFF, written))
    assert name is not None
    assert list(name.tokens) == words
    assert list(name.last) == surname


def test_a_name_of_one_word_has_no_forms_made_of_it() -> None:
    assert named("Cher", RosterKind.STAFF, (), ("cher@falls.example",)) == {"handle": ["cher"]}


def test_nicknames_go_both_ways() -> None:
    assert nicknames("theodore") == ["ted", "teddy", "theo"]
    assert "william" in nicknames("bill")
    assert "william" not in nicknames("william")
    assert nicknames("xiomara") == []
    assert {"theodore", "edward"} <= {*nicknames("ted")}


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("rosalind.okonjo@falls.example", "rosalind okonjo"),
        ("rokonjo@falls.example", "rokonjo"),
        ("pr@falls.example", "pr falls example"),  # a word of its own in any text
    ],
)
def test_what_is_looked_for_of_an_address(address: str, form: str) -> None:
    assert " ".join(handle(address)) == form


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            "(206) 555-0142",
            ["206 555 0142", "12065550142", "2065550142", "206 5550142", "555 0142", "5550142"],
        ),
        ("+44 20 7946 0123", ["44 20 7946 0123", "020 7946 0123", "442079460123", "2079460123"]),
        ("555-0142", ["555 0142", "5550142"]),
        ("extension 12", []),
        ("", []),
    ],
)
def test_phone_forms(number: str, expected: list[str]) -> None:
    assert [" ".join(form) for form in phone_forms(number)] == expected


@pytest.mark.parametrize(
    "written",
    ["206-555-0142", "206.555.0142", "(206)555-0142", "+1 206 555 0142", "1-206-555-0142", "206/555/0142"],
)
def test_the_form_in_groups_stands_in_every_way_of_writing_it(written: str) -> None:
    assert " 206 555 0142 " in f" {' '.join(tokens(written))} "


# -- places


def test_the_forms_of_a_school() -> None:
    assert named("Cedar Falls Middle School", RosterKind.SCHOOL, ("CF Middle",)) == {
        "alias": ["cf middle", "cedar falls ms", "cedar falls"],
        "acronym": ["cfms", "cfms"],
    }
    assert named("Quarry Hill Elementary", RosterKind.SCHOOL) == {
        "alias": ["quarry hill es", "quarry hill elem", "quarry hill"],
        "acronym": ["qhes", "qhe"],
    }
    assert named("Alder High School", RosterKind.SCHOOL) == {"alias": ["alder hs"], "acronym": ["ahs", "ahs"]}


def test_programmes_offices_and_companies() -> None:
    assert named("Office of Student Support and Services", RosterKind.OFFICE) == {"acronym": ["osss"]}
    assert named("Highly Capable Program", RosterKind.PROGRAMME) == {"acronym": ["hcp"]}
    company = RosterLine(RosterKind.VENDOR, "Pinecrest Mechanical", ("PCM",), ("offers@pinecrest.example",))
    person = RosterLine(RosterKind.VENDOR, "Ida Pinecrest", (), ("ida.pinecrest@build.example",))
    assert [name.kind for name in map(name_of, (company, person)) if name] == ["place", "person"]
    assert name_of(RosterLine(RosterKind.MAILBOX, "Transportation")) is None


# -- who is meant

BOOK = NameBook(
    (
        RosterLine(RosterKind.SCHOOL, "Alder Valley High School"),
        RosterLine(RosterKind.OFFICE, "Alder Valley School District", ("AVSD",)),
        RosterLine(RosterKind.SCHOOL, "Cedar Falls Middle School", ("CFMS",)),
        RosterLine(RosterKind.STAFF, "Theodore Okonjo", ("Teddy",), ("t@falls.example",), ("206 555 0142",)),
        RosterLine(RosterKind.STAFF, "Ted Okonjo", (), (), ("425 555 0142",)),
        RosterLine(RosterKind.STAFF, "Ida Lindström"),
        *(RosterLine(RosterKind.STUDENT, f"{first} Field") for first in ("A", "B", "C", "D", "E", "F")),
    ),
    (RosterLine(RosterKind.STAFF, "Ida Lindström", ("Ida L",), ("ida@falls.example",)),),
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Mail of Theodore Okonjo, please", ["Theodore Okonjo"]),
        ("Mail of Ms. Okonjo", ["Theodore Okonjo", "Ted Okonjo"]),  # either may be meant
        ("Mail of Okonjo", []),  # a surname alone may be any word
        ("Coach Field's mail", []),  # six people
        ("IDA LINDSTROM at CFMS", ["Cedar Falls Middle School", "Ida Lindström"]),
        ("the Alder Valley schools", []),
        ("", []),
    ],
)
def test_whom_a_request_names(text: str, names: list[str]) -> None:
    assert [name.text for name in BOOK.in_text(text)] == names


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("theodore okonjo", [(0, 2, "Theodore Okonjo", True)]),
        ("mail of theodore okonjo", [(2, 4, "Theodore Okonjo", True)]),
        ("okonjo", [(0, 1, "Theodore Okonjo", False), (0, 1, "Ted Okonjo", False)]),
        ("field", []),
        ("cfms", [(0, 1, "Cedar Falls Middle School", True)]),
        ("cedar falls", [(0, 2, "Cedar Falls Middle School", False)]),
        ("alder valley", [
            (0, 2, "Alder Valley High School", False), (0, 2, "Alder Valley School District", False),
        ]),
        ("cedar", []),
    ],
)  # fmt: skip
def test_names_in_the_words_of_a_term(words: str, names: list[tuple[int, int, str, bool]]) -> None:
    got = BOOK.in_words(tuple(words.split()))
    assert [(first, end, name.text, full) for first, end, name, full in got] == names


def test_forms_that_are_somebody_elses_are_left_out() -> None:
    theodore = next(name for name in BOOK.names if name.text == "Theodore Okonjo")
    got = [(way, " ".join(form)) for way, form in BOOK.forms(theodore)]
    assert ("alias", "teddy") in got
    assert ("nickname", "ted okonjo") not in got  # a colleague
    assert ("nickname", "okonjo ted") in got
    assert ("surname", "okonjo") not in got  # two have it
    assert ("phone", "206 555 0142") in got
    assert ("phone", "555 0142") not in got  # a colleague's, with another area code
    school = next(name for name in BOOK.names if name.text == "Alder Valley High School")
    assert [" ".join(form) for _, form in BOOK.forms(school)] == ["alder valley hs", "avhs", "avhs"]


def test_what_anybody_would_search_for_is_known() -> None:
    (ida,) = BOOK.custodians
    assert [" ".join(form) for form in known_forms(ida)] == [
        "ida lindstrom", "lindstrom ida", "ida falls example",
    ]  # fmt: skip
    theodore = next(name for name in BOOK.names if name.text == "Theodore Okonjo")
    assert [" ".join(form) for form in known_forms(theodore)][2:] == ["t falls example", "206 555 0142"]


def test_a_custodian_of_the_roster_is_one_name_with_what_both_state() -> None:
    (ida,) = BOOK.custodians
    assert (ida.aliases, ida.emails) == ((("ida", "l"),), ("ida@falls.example",))
    assert [name.text for name in BOOK.names].count("Ida Lindström") == 1


# -- words


class Index:
    """A vocabulary without an index."""

    def __init__(self, **documents: int) -> None:
        self.documents = documents

    def vocabulary(self, prefix: str):
        return ((w, n) for w, n in sorted(self.documents.items()) if w.startswith(prefix))


def leaf(text: str) -> Node:
    return parse(text, PACIFIC)


def terms_of(text: str):
    node = leaf(text)
    return getattr(node, "terms", (node,))


def written(leaves) -> list[str]:
    return [" ".join(to_text(term) for term in terms) for terms in leaves]


@pytest.mark.parametrize(
    ("term", "alone", "expected"),
    [
        ("budget", True, ["bodget", "budgt", "bugdet"]),  # one slip; no digits, no stem, nothing commoner
        ("bus", True, []),  # too short to stand alone
        ("bus", False, ["buss"]),
        ("superintendent", True, ["suprintendant"]),  # two slips in a long word
        ("contract*", True, ["comtracts"]),  # the beginning misspelt, whatever follows
        ("2291", False, []),
        ("bud?et", False, []),
        ("gone", False, ["gome"]),  # the index does not hold it: whatever is near may be meant
    ],
)
def test_misspellings_that_the_index_holds(term: str, alone: bool, expected: list[str]) -> None:
    index = Index(
        budget=4, budgt=1, bugdet=2, bodget=4, budget7=1, budgets=1, budged=9, bridget=1,
        bus=2, buss=1, buses=1, but=9, superintendent=3, suprintendant=1, contract=3, comtracts=1, gome=9,
    )  # fmt: skip
    (word,) = terms_of(term)
    assert Spellings(Vocabulary(index), frozenset()).of(word, alone=alone) == expected  # type: ignore[arg-type]


def test_one_word_of_a_phrase_is_misspelt_at_a_time() -> None:
    spellings = Spellings(Vocabulary(Index(bus=2, buss=1, rotue=1, route=3)), frozenset({"rotue"}))  # type: ignore[arg-type]
    assert [written(leaves) for leaves in misspelt(terms_of("bus route"), spellings, alone=True)] == [
        ["buss route"]
    ]
    spellings = Spellings(Vocabulary(Index(bus=2, buss=1, rotue=1, route=3)), frozenset())  # type: ignore[arg-type]
    assert [written(leaves) for leaves in misspelt(terms_of("bus route"), spellings, alone=True)] == [
        ["buss route"],
        ["bus rotue"],
    ]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("bus route", ["busroute", "bus ro ute"]),
        ("bus-route", ["busroute", "bus ro ute"]),  # the same phrase by the token rule
        ("a b c", ["ab c", "a bc", "abc"]),
        ("co-op", ["coop"]),
        ("playground", [
            "pl ayground", "pla yground", "play ground", "playg round", "playgr ound", "playgro und",
        ]),
        ("PO-2291", ["po2291"]),
        ("PO2291", ["po 2291"]),
        ("route 14", ["route14", "ro ute 14"]),
        ("reroute*", ["re route*", "rer oute*", "rero ute*"]),
        ("bus rout*", ["busrout*"]),
        ("bud?et", []),
    ],
)  # fmt: skip
def test_words_run_together_or_taken_apart(term: str, expected: list[str]) -> None:
    assert written(spaced(terms_of(term))) == expected


@pytest.mark.parametrize(
    ("term", "but", "expected"),
    [
        ("bus route change", set(), "bus~ route~ change~"),
        ("Cedar stops", {0}, "cedar stops~"),
        ("reroute*", set(), "reroute~"),
        ("PO-2291", set(), None),
        ("route 14", set(), "route~ 14"),
        ("apply~", set(), None),
    ],
)
def test_stems(term: str, but: set[int], expected: str | None) -> None:
    got = stemmed(terms_of(term), frozenset(but))
    assert (written([got])[0] if got else None) == expected


# -- the place of a leaf in its term


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("a", ["X"]),
        ("a AND b", ["X AND b", "a AND X"]),
        ("a OR b", ["X", "X"]),  # what the other finds is found already
        ("a AND (b OR (c AND d))", ["X AND (b OR (c AND d))", "a AND X", "a AND X AND d", "a AND c AND X"]),
        ("a AND NOT b", ["X AND NOT b"]),
        ("NOT a", []),
        ("a w/5 b", ["X w/5 b", "a w/5 X"]),
        ("a pre/5 (b OR c)", ["X pre/5 (b OR c)", "a pre/5 X", "a pre/5 X"]),
        ("a NOT w/5 b", ["X NOT w/5 b"]),
        ("subject:a AND custodian:lee AND sent:2026-01-31", [
            "subject:X AND custodian:lee AND sent:2026-01-31",
        ]),
        ("family:(a AND b)", ["family:(X AND b)", "family:(a AND X)"]),
        ("NOT (a AND NOT b)", []),
    ],
)  # fmt: skip
def test_a_variant_keeps_the_rest_of_its_term(term: str, expected: list[str]) -> None:
    got = [to_text(spot.with_(leaf("xxx"))).replace("xxx", "X") for spot in _spots(parse(term, PACIFIC))]
    assert got == expected
    for text in got:
        parse(text, PACIFIC)


def test_a_word_stands_alone_unless_something_else_must_be_there() -> None:
    alone = [
        spot.alone
        for term in ("a", "a OR b", "subject:a", "a AND b", "a w/5 b", "NOT a AND b", "a NOT w/5 b")
        for spot in _spots(parse(term, PACIFIC))
    ]
    assert alone == [True, True, True, True, False, False, False, False, False, True]
