"""Variants: what is proposed, with which counts, and that nothing is that adds no hit."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.roster import RosterKind, RosterLine
from search import variants
from search.elasticsearch import ElasticsearchEngine
from search.embedded import EmbeddedEngine
from search.language import parse
from search.protocol import IndexDocument
from search.tree import Node, to_text
from search.variants import Found, propose
from tests.search.district import document
from tests.search.random_trees import collections, nodes
from tests.search.variants_contract import (
    CUSTODIANS,
    DOCUMENTS,
    PACIFIC,
    ROSTER,
    TERMS,
    TEXT,
    counts_are_those_of_the_oracle,
    proposes_what_is_expected,
    what_the_list_finds,
)

NOTHING = Found(frozenset(), frozenset())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EmbeddedEngine]:
    engine = EmbeddedEngine(tmp_path / "index")
    yield engine
    engine.close()


def test_what_is_proposed_for_a_small_collection(engine: EmbeddedEngine) -> None:
    proposes_what_is_expected(engine)


@pytest.mark.services
def test_elasticsearch_proposes_the_same(elastic_engine: ElasticsearchEngine, engine: EmbeddedEngine) -> None:
    assert proposes_what_is_expected(elastic_engine) == proposes_what_is_expected(engine)


def test_terms_come_first_then_ways_then_what_adds_most(engine: EmbeddedEngine) -> None:
    proposal = proposes_what_is_expected(engine)
    assert list(dict.fromkeys(v.base_kind for v in proposal.variants)) == [
        "term", "programme", "person", "custodian",
    ]  # fmt: skip
    assert list(dict.fromkeys(v.way for v in proposal.variants if v.base_kind == "person")) == [
        "alias", "nickname", "initials", "order", "surname", "phone",
    ]  # fmt: skip
    engine.upsert(
        "b000003",
        [document("d90", text="PO2291 and the play ground"), document("d91", subject="play ground")],
    )
    found = what_the_list_finds(TERMS[:-1], DOCUMENTS)
    grown = propose(engine, TERMS, PACIFIC, TEXT, ROSTER, CUSTODIANS, found).variants
    assert [(v.form, v.added_documents) for v in grown if v.way == "spacing"] == [
        ("po2291", 2), ('subject:"play ground" AND NOT budget', 2), ('"busroute change"', 1),
    ]  # fmt: skip


def test_forms_asked_one_by_one_or_together_are_the_same(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = proposes_what_is_expected(engine)
    monkeypatch.setattr(variants, "_FORMS_A_PROBE", 1)
    assert proposes_what_is_expected(engine) == together
    monkeypatch.setattr(variants, "_FORMS_A_PROBE", 2)
    assert proposes_what_is_expected(engine) == together


def test_what_is_in_the_list_already_is_not_proposed(engine: EmbeddedEngine) -> None:
    """Every form taken: nothing is left to propose, whatever order the forms had."""
    first = proposes_what_is_expected(engine)
    terms = [*TERMS[:-1], *(v.form for v in first.variants)]
    again = propose(engine, terms, PACIFIC, TEXT, ROSTER, CUSTODIANS, what_the_list_finds(terms, DOCUMENTS))
    assert [(v.base, v.way, v.form) for v in again.variants] == []


def test_an_id_names_the_form_and_not_what_it_finds(engine: EmbeddedEngine) -> None:
    ids = {(v.base, v.way, v.form): v.variant_id for v in proposes_what_is_expected(engine).variants}
    assert len(set(ids.values())) == len(ids)
    named = "\x1f".join(("term", "PO-2291", "spacing", "po2291"))
    assert ids["PO-2291", "spacing", "po2291"] == hashlib.sha256(named.encode()).hexdigest()[:12]
    engine.upsert("b000003", [document("d90", text="PO2291 again")])
    found = what_the_list_finds(TERMS[:-1], DOCUMENTS)
    later = propose(engine, TERMS, PACIFIC, TEXT, ROSTER, CUSTODIANS, found)
    (grown,) = (v for v in later.variants if v.form == "po2291")
    assert (grown.added_documents, grown.variant_id) == (2, ids["PO-2291", "spacing", "po2291"])


def test_a_form_that_cannot_be_run_is_counted_and_not_proposed(engine: EmbeddedEngine) -> None:
    """Its neighbours in the same question are asked all the same."""
    many = " ".join(f"oilex{n:05d}" for n in range(16_385))
    engine.upsert("b1", [document("d1", text=f"{many} ab"), document("d2", text="the abo ilex7")])
    proposal = propose(engine, ["aboilex*"], PACIFIC, "", (), (), NOTHING)
    assert [(v.way, v.form) for v in proposal.variants] == [("spacing", '"abo ilex*"')]
    assert proposal.not_run == 1


def test_a_word_that_is_a_name_of_its_own_is_no_misspelling(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [document("d1", text="Hansen Hansan Hanson"), document("d2", text="Hanson")])
    one = RosterLine(RosterKind.STAFF, "Ida Hanson")
    found = what_the_list_finds(["Hansen"], [document("d1", text="Hansen Hansan Hanson")])
    assert [v.form for v in propose(engine, ["Hansen"], PACIFIC, "", (one,), (), found).variants] == []
    engine.upsert("b2", [document("d3", text="Hansan")])
    assert [
        v.form for v in propose(engine, ["Hansen"], PACIFIC, "", (), (), found).variants
    ] == []  # commoner
    engine.upsert("b2", [document("d3", text="Hansfn")])
    assert [v.form for v in propose(engine, ["Hansen"], PACIFIC, "", (), (), found).variants] == ["hansfn"]


def test_a_term_that_is_misspelt_itself_finds_the_right_spelling(engine: EmbeddedEngine) -> None:
    engine.upsert("b1", [document(f"d{n}", text="the playground") for n in range(3)])
    (one,) = propose(engine, ["playgruond"], PACIFIC, "", (), (), NOTHING).variants
    assert (one.way, one.form, one.added_documents) == ("misspelling", "playground", 3)


def test_an_empty_index_and_an_empty_list_have_no_variants(engine: EmbeddedEngine) -> None:
    assert propose(engine, TERMS, PACIFIC, TEXT, ROSTER, CUSTODIANS, NOTHING).variants == ()
    engine.upsert("b1", DOCUMENTS)
    assert propose(engine, [], PACIFIC, "", (), (), NOTHING) == variants.Proposal((), 0, 0)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=collections(), trees=st.lists(nodes, min_size=1, max_size=4))
def test_every_proposal_adds_what_the_oracle_says(
    batches: list[list[IndexDocument]], trees: list[Node]
) -> None:
    terms = [to_text(tree) for tree in trees]
    people = (
        RosterLine(RosterKind.STAFF, "Ann Route", ("Bud",), ("x7@falls.example",)),
        RosterLine(RosterKind.SCHOOL, "Budget Bus Route", ("P12",)),
    )
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(Path(folder) / "index")
        for number, batch in enumerate(batches):
            engine.upsert(f"b{number}", batch)
        everything = [one for batch in batches for one in batch]
        found = what_the_list_finds(terms, everything)
        proposal = propose(engine, terms, PACIFIC, "budget bus route", people, people[:1], found)
        engine.close()
    forms = [variant.form for variant in proposal.variants]
    assert len(set(forms)) == len(forms)
    assert proposal.not_run == 0
    for variant in proposal.variants:
        assert to_text(parse(variant.form, PACIFIC)) == variant.form
        counts_are_those_of_the_oracle(variant, everything, found)
