"""What goes out and what does not: the container rule above all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import tables as t
from records.decisions import Hold, Standing
from records.vocabulary import Awaits, ReviewState
from release.plan import basis, guard
from release.selection import Member, NotProduced, Role, load_members, load_selection, select
from tests.release.world import (
    OPEN,
    PERSONAL,
    PRIVILEGED,
    REDACT,
    RELEASE,
    REQUEST,
    UNRESPONSIVE,
    WITHHOLD,
    hold,
)


def selected(world, installment=1, produced=None):
    with world.catalogue.read() as connection:
        return load_selection(connection, REQUEST, 1, installment, produced or {})


def test_what_was_found_in_a_sample_goes_out_by_its_decisions_alone(world):
    world.add(RELEASE)
    mail = world.add(None, hit=False)
    letter = world.add(None, parent=mail, kind="file")
    lost = world.add(None, parent=mail, kind="file", state="failed", reason="encrypted")
    assert (mail in selected(world).not_produced, len(selected(world).going)) == (False, 1)
    with world.catalogue.read() as connection:
        before = guard(connection, REQUEST)
    row = {"request_id": REQUEST, "sample_no": 1, "family_id": mail, "seq": 1}
    with world.catalogue.write() as connection:
        connection.execute(
            t.sample_answers.insert(), {**row, "responsive": True, "why": "", "by": "P. Officer", "at": "x"}
        )
    with world.catalogue.read() as connection:
        assert guard(connection, REQUEST) == replace(before, sampled=1)
        members = {m.item_id for m in load_members(connection, REQUEST, 1)}
    assert {mail, letter, lost} < members
    found = selected(world)
    assert found.not_produced == {mail: NotProduced.DECISION, letter: NotProduced.DECISION}
    assert len(found.going) == 1
    world.decide(letter, WITHHOLD)
    world.decide(mail, RELEASE)
    assert selected(world).not_produced[mail] is NotProduced.CARRIES_WITHHELD
    assert selected(world).going[letter] is Role.WITHHELD


def test_each_decision_by_itself(world):
    ids = {
        "released": world.add(RELEASE),
        "withheld": world.add(WITHHOLD),
        "redaction": world.add(REDACT),
        "decision": world.add(OPEN),
        "notice": world.add(hold(Hold.NOTICE)),
        "counsel": world.add(hold(Hold.COUNSEL)),
        "second_reader": world.add(hold(Hold.SECOND_READER)),
        "ocr": world.add(RELEASE, text_state="pending", text_reason="needs_ocr"),
        "retry": world.add(RELEASE, text_state="not_searchable", text_reason="timed_out"),
        "later_installment": world.add(replace(RELEASE, installment=2)),
        "personal": world.add(PERSONAL),
        "not responsive": world.add(UNRESPONSIVE),
        "no hit": world.add(OPEN, hit=False),
    }
    found = selected(world)
    assert found.going == {ids["released"]: Role.RELEASED, ids["withheld"]: Role.WITHHELD}
    assert found.not_produced == {
        ids[name]: NotProduced(name)
        for name in (
            "redaction",
            "decision",
            "notice",
            "counsel",
            "second_reader",
            "ocr",
            "retry",
            "later_installment",
        )
    }
    assert found.states == {
        ReviewState.RELEASED_IN_FULL: 1,
        ReviewState.RELEASED_IN_PART: 0,
        ReviewState.WITHHELD_IN_FULL: 1,
        ReviewState.NOT_RESPONSIVE: 1,
        ReviewState.PERSONAL_MATTER: 1,
        ReviewState.NOT_YET_PRODUCED: 8,
    }


def test_a_planned_instalment_has_come(world):
    item = world.add(replace(RELEASE, installment=2))
    assert selected(world, 2).going == {item: Role.RELEASED}


def test_final_failures_of_reading_do_not_hold_a_release_up(world):
    item = world.add(RELEASE, text_state="not_searchable", text_reason="encrypted")
    assert selected(world).going == {item: Role.RELEASED}


CHILD = {
    "released": (RELEASE, None),
    "withheld": (WITHHOLD, NotProduced.CARRIES_WITHHELD),
    "privileged": (PRIVILEGED, NotProduced.CARRIES_WITHHELD),
    "personal": (PERSONAL, NotProduced.CARRIES_PERSONAL),
    "not responsive": (UNRESPONSIVE, NotProduced.CARRIES_NOT_RESPONSIVE),
    "redacted": (REDACT, NotProduced.CARRIES_NOT_YET_PRODUCED),
    "open": (OPEN, NotProduced.CARRIES_NOT_YET_PRODUCED),
    "held": (hold(Hold.NOTICE), NotProduced.CARRIES_NOT_YET_PRODUCED),
    "later": (replace(RELEASE, installment=9), NotProduced.CARRIES_NOT_YET_PRODUCED),
}


@pytest.mark.parametrize("name", CHILD)
def test_a_container_goes_out_only_when_every_part_does(world, name):
    decision, reason = CHILD[name]
    families = []
    for depth in (1, 2, 3):
        chain = [world.add(RELEASE)]
        for _ in range(depth - 1):
            chain.append(world.add(RELEASE, parent=chain[-1], kind="file"))
        part = world.add(decision, parent=chain[-1], kind="file")
        families.append((chain, part, world.add(RELEASE, parent=chain[0], kind="file")))
    found = selected(world)
    for chain, part, beside in families:
        assert found.going.get(beside) is Role.RELEASED
        for container in chain:
            if reason is None:
                assert found.going[container] is Role.RELEASED
            else:
                assert container not in found.going
                assert found.not_produced[container] is reason
        assert (found.going.get(part) is Role.RELEASED) == (name == "released")
        assert (found.going.get(part) is Role.WITHHELD) == (name in {"withheld", "privileged"})


@pytest.mark.parametrize(
    ("state", "reason", "blocks"),
    [
        ("failed", "encrypted", True),
        ("failed", "bomb", True),
        ("excluded", "outside_window", True),
        ("excluded", "layout_part", False),
        ("excluded", "export_scaffolding", False),
    ],
)
def test_a_part_that_nobody_read_keeps_its_container(world, state, reason, blocks):
    top = world.add(RELEASE)
    world.add(parent=top, kind="file", state=state, reason=reason)
    found = selected(world)
    if blocks:
        assert found.going == {}
        assert found.not_produced == {top: NotProduced.CARRIES_UNREAD_PART}
    else:
        assert found.going == {top: Role.RELEASED}


def test_a_container_that_gave_fewer_parts_than_it_announced(world):
    top = world.add(RELEASE, expected_children=3, children=2)
    whole = world.add(RELEASE, expected_children=2, children=2)
    found = selected(world)
    assert found.going == {whole: Role.RELEASED}
    assert found.not_produced == {top: NotProduced.CARRIES_UNREAD_PART}


def test_the_gravest_reason_is_given(world):
    top = world.add(RELEASE)
    for decision in (OPEN, UNRESPONSIVE, PERSONAL, WITHHOLD):
        world.add(decision, parent=top, kind="file")
    assert selected(world).not_produced[top] is NotProduced.CARRIES_WITHHELD


def test_a_withheld_parent_lets_its_part_go(world):
    top = world.add(WITHHOLD)
    part = world.add(RELEASE, parent=top, kind="file")
    assert selected(world).going == {top: Role.WITHHELD, part: Role.RELEASED}


def test_a_decided_item_in_a_family_without_a_hit_is_bound_by_its_undecided_parts(world):
    top = world.add(RELEASE, hit=False)
    part = world.add(OPEN, parent=top, kind="file")
    found = selected(world)
    assert found.going == {}
    assert found.not_produced == {top: NotProduced.CARRIES_NOT_YET_PRODUCED}
    assert part not in found.not_produced


@pytest.mark.parametrize("other", [WITHHOLD, REDACT, PERSONAL, hold(Hold.COUNSEL)])
def test_copies_that_were_decided_otherwise_hold_each_other_up(world, other):
    first = world.add(RELEASE, native=b"same bytes", kind="file")
    world.add(other, native=b"same bytes", kind="file", custodian="c2")
    found = selected(world)
    assert first not in found.going
    assert found.not_produced[first] is NotProduced.COPY_DECIDED_OTHERWISE


@pytest.mark.parametrize("other", [OPEN, UNRESPONSIVE, RELEASE])
def test_copies_that_nobody_keeps_back_do_not(world, other):
    first = world.add(RELEASE, native=b"same bytes", kind="file")
    world.add(other, native=b"same bytes", kind="file", custodian="c2")
    assert selected(world).going[first] is Role.RELEASED


def test_the_same_message_in_other_bytes_is_a_copy_too(world):
    first = world.add(RELEASE, content_hash="ab" * 32)
    world.add(WITHHOLD, content_hash="ab" * 32, custodian="c2")
    assert selected(world).not_produced[first] is NotProduced.COPY_DECIDED_OTHERWISE


def test_a_copy_conflict_inside_a_container_reaches_the_container(world):
    top = world.add(RELEASE)
    world.add(RELEASE, parent=top, kind="file", native=b"same bytes")
    world.add(WITHHOLD, kind="file", native=b"same bytes", custodian="c2")
    assert selected(world).not_produced[top] is NotProduced.CARRIES_NOT_YET_PRODUCED


def test_a_decision_on_other_bytes_is_no_decision_on_these(world):
    item = world.add(OPEN)
    world.decide(item, RELEASE, on="0" * 64)
    assert selected(world).not_produced == {item: NotProduced.BYTES_CHANGED}


def test_a_native_that_was_removed(world):
    item = world.add(RELEASE)
    digest = world.row(_items(), item_id=item).blob_sha256
    world.store.remove(digest, by="R. Officer", why="handed back", authority="Nissen")
    assert selected(world).not_produced == {item: NotProduced.NATIVE_MISSING}


def _items():
    from records.tables import items

    return items


def test_the_order_is_families_in_time_parents_first_undated_last(world):
    undated = world.add(RELEASE, days=-1)
    late = world.add(RELEASE, days=9)
    early = world.add(RELEASE, days=3)
    late_part = world.add(RELEASE, parent=late, kind="file", days=1)
    early_parts = [world.add(RELEASE, parent=early, kind="file", days=50) for _ in range(3)]
    assert list(selected(world).going) == [early, *early_parts, late, late_part, undated]


def test_what_was_produced_is_not_selected_again(world):
    done, new = world.add(RELEASE), world.add(RELEASE)
    found = selected(world, 2, {done: Role.RELEASED})
    # the number row is what makes a standing "released"
    assert new in found.going
    assert done not in found.going


def test_the_basis_of_an_unknown_request_is_refused(world):
    from records.errors import UsageError

    with world.catalogue.read() as connection, pytest.raises(UsageError, match="no request"):
        basis(connection, "other")


# --- a property over random families, against a rule written out plainly


DECISIONS = [RELEASE, WITHHOLD, REDACT, PERSONAL, UNRESPONSIVE, OPEN, hold(Hold.NOTICE)]


def standing(decision) -> Standing:
    if decision is OPEN:
        return Standing(ReviewState.NOT_YET_PRODUCED, Awaits.DECISION, None, None)
    if decision is PERSONAL:
        return Standing(ReviewState.PERSONAL_MATTER, None, decision, None)
    if decision is UNRESPONSIVE:
        return Standing(ReviewState.NOT_RESPONSIVE, None, decision, None)
    awaits = {id(REDACT): Awaits.REDACTION, id(DECISIONS[6]): Awaits.NOTICE}.get(
        id(decision), Awaits.PRODUCTION
    )
    return Standing(ReviewState.NOT_YET_PRODUCED, awaits, decision, None)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(-1, 30), st.booleans()),
        min_size=1,
        max_size=30,
    )
)
def test_no_released_item_ever_carries_one_that_is_not(shape):
    members, levels, decisions = [], [], []
    for place, (which, parent, stored) in enumerate(shape):
        above = parent if 0 <= parent < place else None
        levels.append(0 if above is None else levels[above] + 1)
        top = place if above is None else int(members[above].family_id)
        decisions.append(DECISIONS[which] if stored else None)
        members.append(
            Member(
                item_id=str(place), family_id=str(top), parent_id=None if above is None else str(above),
                level=levels[-1], position=place, state="stored" if stored else "failed",
                reason=None if stored else "encrypted", blob_sha256=f"{place:064d}" if stored else None,
                has_native=True, content_hash=None, at="2026-01-01T00:00:00.000000Z", parts_missing=False,
                decided_on=None,
            )
        )  # fmt: skip
    standings = {
        m.item_id: standing(d) for m, d in zip(members, decisions, strict=True) if m.state == "stored"
    }
    found = select(members, standings, {}, 1)
    children = {m.item_id: [c.item_id for c in members if c.parent_id == m.item_id] for m in members}

    def clean(item_id):
        return decisions[int(item_id)] is RELEASE and all(clean(c) for c in children[item_id])

    assert {i for i, role in found.going.items() if role is Role.RELEASED} == {
        m.item_id for m in members if clean(m.item_id)
    }
    assert {i for i, role in found.going.items() if role is Role.WITHHELD} == {
        m.item_id for m, d in zip(members, decisions, strict=True) if d is WITHHOLD
    }
    assert sum(found.states.values()) == len(standings)
    assert not set(found.going) & set(found.not_produced)
