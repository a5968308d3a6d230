"""Decisions round trip; every state and everything an item can wait for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import tables as t
from records.decisions import (
    Decision,
    Exemption,
    Hold,
    Standing,
    Treatment,
    families_found_in_samples,
    in_force,
    standings,
)
from records.ids import item_id
from records.vocabulary import RETRYABLE, Awaits, Reason, ReviewState
from tests.records.homes import REQUEST, new_catalogue

RELEASE = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
CLAIM = (Exemption("RCW 42.56.230(2)", "it names a student"),)
REDACT = replace(RELEASE, treatment=Treatment.REDACT, exemptions=CLAIM)
WITHHOLD = replace(RELEASE, treatment=Treatment.WITHHOLD, exemptions=CLAIM)


_decisions = st.builds(
    Decision,
    public_record=st.booleans(),
    facts=st.text(),
    responsive=st.none() | st.booleans(),
    treatment=st.none() | st.sampled_from(Treatment),
    exemptions=st.lists(st.builds(Exemption, st.text(), st.text()), max_size=3).map(tuple),
    holds=st.lists(st.sampled_from(Hold), unique=True).map(lambda holds: tuple(sorted(holds))),
    pages_to_redact=st.text(),
    installment=st.none() | st.integers(1, 99),
    note=st.text(),
)


@given(_decisions)
def test_a_decision_survives_the_catalogue(decision):
    assert Decision.from_json(decision.to_json()) == decision


def test_its_form_in_the_catalogue():
    assert replace(WITHHOLD, holds=(Hold.COUNSEL,), installment=2).to_json() == (
        '{"exemptions":[{"code":"RCW 42.56.230(2)","explanation":"it names a student"}],"facts":"",'
        '"holds":["counsel"],"installment":2,"note":"","pages_to_redact":"","public_record":true,'
        '"responsive":true,"treatment":"withhold"}'
    )


@pytest.mark.parametrize(
    "text",
    ['{"public_record":true}', RELEASE.to_json().replace("release", "shred"), "[]", ""],
)
def test_another_form_is_refused(text):
    with pytest.raises((KeyError, ValueError, TypeError)):
        Decision.from_json(text)


class Desk:
    """One request with items, readings, hits, decisions, numbers."""

    def __init__(self, catalogue):
        self.catalogue = catalogue

    def item(
        self, key, *, family=None, state="stored", text_state="searchable", reason=None, pages="[]", hit=True
    ):
        new = item_id("c", "s", "k", key)
        with self.catalogue.write() as connection:
            connection.execute(
                t.items.insert(),
                {
                    "request_id": REQUEST,
                    "item_id": new,
                    "batch_id": "b",
                    "source_id": "s",
                    "scope_key": "k",
                    "custodian_id": "c",
                    "connector": "x",
                    "native_key": key,
                    "family_id": family or new,
                    "parent_id": family,
                    "part_path": "1" if family else "",
                    "level": 1 if family else 0,
                    "position": 1,
                    "kind": "email",
                    "state": state,
                    "facts": "{}",
                },
            )
            if text_state is not None:
                connection.execute(
                    t.readings.insert(),
                    {
                        "request_id": REQUEST,
                        "item_id": new,
                        "batch_id": "b",
                        "extractor": "x",
                        "extractor_version": "1",
                        "kind": "email",
                        "text_state": text_state,
                        "reason": reason,
                        "text_bytes": 0,
                        "subject": "",
                        "sent_at_text": "",
                        "sent_at_basis": "none",
                        "sender": "[]",
                        "recipients": "{}",
                        "thread": "{}",
                        "children": 0,
                        "ocr_pages": pages,
                        "facts": "{}",
                    },
                )
            if hit:
                connection.execute(
                    t.hits.insert(),
                    {
                        "request_id": REQUEST,
                        "version": 1,
                        "term_no": 1,
                        "item_id": new,
                        "family_id": family or new,
                        "occurrences": 1,
                    },
                )
        return new

    def decide(self, item, decision, seq=0):
        with self.catalogue.write() as connection:
            connection.execute(
                t.decisions.insert(),
                {
                    "request_id": REQUEST,
                    "item_id": item,
                    "seq": seq,
                    "version": 1,
                    "body": decision.to_json(),
                    "by": "PRO",
                    "at": "x",
                },
            )

    def number(self, item, number):
        row = {column.name: None for column in t.numbers.c}
        row |= {"request_id": REQUEST, "item_id": item, "number": number, "installment": 1}
        with self.catalogue.write() as connection:
            connection.execute(t.numbers.insert(), row)

    def sampled(self, family, responsive, *, sample=1, seq=1, request=REQUEST):
        row = {"request_id": request, "sample_no": sample, "family_id": family, "seq": seq}
        row |= {"responsive": responsive, "why": "", "by": "PRO", "at": "x"}
        with self.catalogue.write() as connection:
            connection.execute(t.sample_answers.insert(), row)

    def standing(self, item, version=1):
        with self.catalogue.read() as connection:
            return standings(connection, REQUEST, version)[item]


@pytest.fixture
def desk(tmp_path):
    catalogue = new_catalogue(tmp_path)
    yield Desk(catalogue)
    catalogue.close()


LATER = ReviewState.NOT_YET_PRODUCED


@pytest.mark.parametrize(
    ("decision", "state", "awaits"),
    [
        (None, LATER, Awaits.DECISION),
        (Decision(public_record=True), LATER, Awaits.DECISION),
        (Decision(public_record=True, responsive=True), LATER, Awaits.DECISION),
        (Decision(public_record=False, facts="a birthday"), ReviewState.PERSONAL_MATTER, None),
        (Decision(public_record=True, responsive=False), ReviewState.NOT_RESPONSIVE, None),
        (RELEASE, LATER, Awaits.PRODUCTION),
        (WITHHOLD, LATER, Awaits.PRODUCTION),
        (REDACT, LATER, Awaits.REDACTION),
        (replace(RELEASE, holds=(Hold.NOTICE,)), LATER, Awaits.NOTICE),
        (replace(RELEASE, holds=(Hold.COUNSEL,)), LATER, Awaits.COUNSEL),
        (replace(RELEASE, holds=(Hold.SECOND_READER,)), LATER, Awaits.SECOND_READER),
        (replace(RELEASE, holds=tuple(sorted(Hold))), LATER, Awaits.NOTICE),
        (replace(RELEASE, holds=(Hold.COUNSEL, Hold.SECOND_READER)), LATER, Awaits.COUNSEL),
        (replace(REDACT, holds=(Hold.NOTICE,)), LATER, Awaits.REDACTION),
        (replace(WITHHOLD, holds=(Hold.COUNSEL,)), LATER, Awaits.COUNSEL),
    ],
)
def test_where_an_item_stands(desk, decision, state, awaits):
    one = desk.item("m1")
    if decision is not None:
        desk.decide(one, decision)
    assert desk.standing(one) == Standing(state, awaits, decision, None)


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (RELEASE, ReviewState.RELEASED_IN_FULL),
        (REDACT, ReviewState.RELEASED_IN_PART),
        (WITHHOLD, ReviewState.WITHHELD_IN_FULL),
    ],
)
def test_a_number_makes_it_produced(desk, decision, state):
    one = desk.item("m1", text_state="pending")
    desk.decide(one, decision)
    desk.number(one, 7)
    assert desk.standing(one) == Standing(state, None, decision, 7)


def test_a_released_item_waits_for_its_text(desk):
    scan = desk.item("m1", text_state="pending")
    desk.decide(scan, RELEASE)
    assert desk.standing(scan).awaits is Awaits.OCR
    desk.decide(scan, WITHHOLD, seq=1)  # what is withheld whole needs no text
    assert desk.standing(scan).awaits is Awaits.PRODUCTION


def test_a_released_item_waits_for_the_one_page_that_is_a_picture(desk):
    report = desk.item("m1", text_state="searchable", pages="[3]")
    desk.decide(report, RELEASE)
    assert desk.standing(report).awaits is Awaits.OCR
    desk.decide(report, WITHHOLD, seq=1)
    assert desk.standing(report).awaits is Awaits.PRODUCTION


@pytest.mark.parametrize("reason", list(Reason))
def test_a_text_that_failed_waits_only_for_a_try_that_may_help(desk, reason):
    one = desk.item("m1", text_state="not_searchable", reason=str(reason))
    desk.decide(one, RELEASE)
    assert desk.standing(one).awaits is (Awaits.RETRY if reason in RETRYABLE else Awaits.PRODUCTION)


def test_a_hold_comes_before_the_text(desk):
    one = desk.item("m1", text_state="pending")
    desk.decide(one, replace(RELEASE, holds=(Hold.SECOND_READER,)))
    assert desk.standing(one).awaits is Awaits.SECOND_READER


def test_an_item_that_was_never_read_has_a_standing(desk):
    one = desk.item("m1", text_state=None)
    assert desk.standing(one) == Standing(LATER, Awaits.DECISION, None, None)


def test_a_hit_in_any_member_puts_the_family_in_review(desk):
    top = desk.item("m1", hit=False)
    child = desk.item("m1/1", family=top)
    alone = desk.item("m2", hit=False)
    assert desk.standing(top).awaits is Awaits.DECISION
    assert desk.standing(child).awaits is Awaits.DECISION
    assert desk.standing(alone) == Standing(ReviewState.NOT_IN_REVIEW, None, None, None)


def test_review_goes_by_the_version_of_the_terms(desk):
    one = desk.item("m1")
    assert desk.standing(one, version=2).state is ReviewState.NOT_IN_REVIEW
    desk.decide(one, RELEASE)
    assert desk.standing(one, version=2).awaits is Awaits.PRODUCTION


def test_what_a_person_finds_in_a_sample_is_in_review_whole_and_under_every_version(desk):
    top, other = desk.item("m1", hit=False), desk.item("m2", hit=False)
    child = desk.item("m1/1", family=top, hit=False)
    desk.sampled(top, responsive=True)
    desk.sampled(other, responsive=False)
    desk.sampled(other, responsive=True, request="another")
    for version in (1, 2):
        assert desk.standing(top, version) == Standing(LATER, Awaits.DECISION, None, None)
        assert desk.standing(child, version).awaits is Awaits.DECISION
        assert desk.standing(other, version).state is ReviewState.NOT_IN_REVIEW
    desk.sampled(top, responsive=False, seq=2)
    assert desk.standing(top).state is ReviewState.NOT_IN_REVIEW
    desk.sampled(top, responsive=True, sample=2)
    desk.sampled(other, responsive=True, sample=3)
    with desk.catalogue.read() as connection:
        assert families_found_in_samples(connection, REQUEST) == {top: (2,), other: (3,)}
        assert families_found_in_samples(connection, "another") == {other: (1,)}


def test_only_stored_items_stand(desk):
    desk.item("m1", state="failed", text_state=None)
    desk.item("m2", state="excluded", text_state=None)
    with desk.catalogue.read() as connection:
        assert standings(connection, REQUEST, 1) == {}


def test_the_newest_decision_is_in_force(desk):
    one, two = desk.item("m1"), desk.item("m2")
    for seq, decision in enumerate((RELEASE, WITHHOLD, REDACT)):
        desk.decide(one, decision, seq)
    desk.decide(two, RELEASE)
    with desk.catalogue.read() as connection:
        assert in_force(connection, REQUEST) == {one: REDACT, two: RELEASE}
        assert in_force(connection, "another") == {}


def test_every_state_and_every_wait_is_reached(desk):
    texts = [("searchable", None), ("pending", None), ("not_searchable", "timed_out")]
    holds = [(), *((hold,) for hold in Hold)]
    seen: set[object] = set()
    answers = [
        None,
        Decision(public_record=False, facts="x"),
        Decision(public_record=True, responsive=False),
        *(replace(base, holds=hold) for base, hold in product((RELEASE, REDACT, WITHHOLD), holds)),
    ]
    for n, (answer, (text_state, reason), numbered) in enumerate(product(answers, texts, (False, True))):
        one = desk.item(f"m{n}", text_state=text_state, reason=reason)
        if answer is not None:
            desk.decide(one, answer)
            if numbered and answer.treatment is not None:
                desk.number(one, n)
    desk.item("none", hit=False)
    with desk.catalogue.read() as connection:
        for standing in standings(connection, REQUEST, 1).values():
            seen |= {standing.state, standing.awaits}
            assert (standing.awaits is not None) == (standing.state is LATER)
    assert seen == {*ReviewState, *Awaits, None}
