from dataclasses import replace

import pytest
import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.decisions import Decision, Exemption, Hold, Treatment, in_force, standings
from records.errors import UsageError
from records.vocabulary import Awaits, ReviewState
from review import decide
from tests.review.build import REQUEST, Desk

YES = Decision(public_record=True, responsive=True)
NO = Decision(public_record=True, responsive=False)
RELEASE = replace(YES, treatment=Treatment.RELEASE)
WHY = "Advice of counsel on the bus contract dispute"


def withhold(explanation=WHY, code="attorney-client"):
    return replace(YES, treatment=Treatment.WITHHOLD, exemptions=(Exemption(code, explanation),))


@pytest.mark.parametrize(
    "decision",
    [
        Decision(public_record=True),
        YES,
        NO,
        RELEASE,
        withhold(),
        replace(withhold(), treatment=Treatment.REDACT, pages_to_redact="2, 4-5"),
        replace(RELEASE, holds=(Hold.NOTICE,), installment=2, note="ask the vendor"),
        Decision(public_record=False, facts="Dinner plans with a spouse; no school business"),
        withhold("Nombre de la alumna en la carta", "student-any-record"),
    ],
)
def test_answers_that_make_sense(decision):
    assert decide.check(decision) == []


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision(public_record=False), "needs the facts"),
        (Decision(public_record=False, facts="  "), "needs the facts"),
        (Decision(public_record=False, facts="A dinner", responsive=False), "has no other answers"),
        (Decision(public_record=True, facts="A dinner"), "facts are for a personal matter only"),
        (replace(NO, treatment=Treatment.RELEASE), "treatment is for responsive records only"),
        (
            Decision(public_record=True, treatment=Treatment.RELEASE),
            "treatment is for responsive records only",
        ),
        (replace(YES, treatment=Treatment.WITHHOLD), "withhold needs at least one exemption_code"),
        (replace(YES, treatment=Treatment.REDACT), "redact needs at least one exemption_code"),
        (replace(RELEASE, exemptions=withhold().exemptions), "released in full has no exemption"),
        (replace(YES, exemptions=withhold().exemptions), "an exemption needs a treatment"),
        (withhold(code="attorney-cleint"), "is no exemption code: did you mean attorney-client"),
        (withhold(code="zzzzqqqq"), "zzzzqqqq is no exemption code: see the list"),
        (withhold(""), "needs an explanation"),
        (withhold("see statute"), "only repeats the law"),
        (withhold("Attorney-client communications"), "only repeats the law"),
        (withhold("RCW 5.60.060(2)(a)"), "only repeats the law"),
        (withhold("Privacy."), "only repeats the law"),
        (withhold("This record is exempt under the statute cited above."), "only repeats the law"),
        (
            withhold("Covers confidential communications made to get or give legal advice."),
            "only repeats the law",
        ),
        (withhold("counsel wrote | advice to the board"), "holds a |"),
        (withhold("x y " * 600), "is longer than 2000 characters"),
        (withhold("advice on\x07 the contract"), "holds a control character"),
        (replace(withhold(), exemptions=withhold().exemptions * 2), "attorney-client is claimed twice"),
        (replace(RELEASE, pages_to_redact="2"), "pages_to_redact goes with treatment redact only"),
        (replace(YES, installment=0), "installment is a number from 1"),
    ],
)
def test_answers_that_do_not(decision, said):
    wrong = decide.check(decision)
    assert len(wrong) == 1
    assert said in wrong[0]


def stored(desk):
    d = t.decisions.c
    with desk.catalogue.read() as connection:
        return connection.execute(
            sa.select(d.item_id, d.seq, d.by, d.blob_sha256).order_by(d.item_id, d.seq)
        ).all()


def entries(desk):
    with desk.catalogue.read() as connection:
        return [
            canonical.loads(e) for e in connection.scalars(sa.select(t.audit.c.entry).order_by(t.audit.c.seq))
        ]


def test_a_decision_is_a_row_with_the_bytes_and_an_audit_entry(desk):
    made, item = desk
    assert decide.record(made.catalogue, REQUEST, 1, {item["text"]: RELEASE}, "Kim Lee", source="sheet") == 1
    with made.catalogue.read() as connection:
        digest = connection.scalar(sa.select(t.items.c.blob_sha256).where(t.items.c.item_id == item["text"]))
    assert stored(made) == [(item["text"], 1, "Kim Lee", digest)]
    (entry,) = entries(made)
    assert {k: v for k, v in entry.items() if k != "at"} == {
        "action": "decided",
        "actor": "Kim Lee",
        "items": 1,
        "request": REQUEST,
        "seq": 1,
        "source": "sheet",
        "version": 1,
    }
    assert audit.verify(made.catalogue).seq == 1


def test_the_same_answer_adds_nothing_and_another_adds_a_row(desk):
    made, item = desk
    record = lambda d: decide.record(made.catalogue, REQUEST, 1, {item["text"]: d}, "Kim Lee", source="page")  # noqa: E731
    assert [record(RELEASE), record(replace(RELEASE, note=" ")), record(withhold()), record(RELEASE)] == [
        1,
        0,
        1,
        1,
    ]
    assert [row.seq for row in stored(made)] == [1, 2, 3]
    assert len(entries(made)) == 3
    with made.catalogue.read() as connection:
        assert in_force(connection, REQUEST) == {item["text"]: RELEASE}


def test_responsive_is_carried_to_the_family_and_treatment_is_not(desk):
    made, item = desk
    assert decide.record(made.catalogue, REQUEST, 1, {item["letter"]: RELEASE}, "K", source="page") == 2
    with made.catalogue.read() as connection:
        assert in_force(connection, REQUEST) == {item["letter"]: RELEASE, item["mail"]: YES}
        at = standings(connection, REQUEST, 1)
    assert (at[item["mail"]].awaits, at[item["letter"]].awaits) == (Awaits.DECISION, Awaits.PRODUCTION)
    assert at[item["lunch"]].state is ReviewState.NOT_IN_REVIEW


def test_no_on_the_parent_makes_its_letter_not_responsive(desk):
    made, item = desk
    decide.record(made.catalogue, REQUEST, 1, {item["mail"]: NO}, "K", source="page")
    with made.catalogue.read() as connection:
        assert in_force(connection, REQUEST) == {item["mail"]: NO, item["letter"]: NO}


def test_a_personal_attachment_takes_no_side(desk):
    made, item = desk
    personal = Decision(public_record=False, facts="A private photograph of a dog")
    added = decide.record(
        made.catalogue, REQUEST, 1, {item["mail"]: RELEASE, item["letter"]: personal}, "K", source="page"
    )
    assert added == 2


def test_a_family_that_disagrees_is_refused_whole(desk):
    made, item = desk
    with pytest.raises(UsageError, match=f"the family of {item['mail']} would be"):
        decide.record(
            made.catalogue, REQUEST, 1, {item["mail"]: RELEASE, item["letter"]: NO}, "K", source="page"
        )
    assert stored(made) == []


def test_a_family_cannot_be_turned_by_one_member(desk):
    made, item = desk
    decide.record(made.catalogue, REQUEST, 1, {item["mail"]: RELEASE}, "K", source="page")
    with pytest.raises(UsageError, match="responsive and not responsive at once"):
        decide.record(made.catalogue, REQUEST, 1, {item["letter"]: NO}, "K", source="page")
    both = {item["mail"]: NO, item["letter"]: NO}
    assert decide.record(made.catalogue, REQUEST, 1, both, "K", source="page") == 2


def test_texts_are_judged_one_by_one(tmp_path):
    desk = Desk(tmp_path)
    export = desk.add("chat.zip", kind="file", text=None)
    one = desk.add("1", parent=export, kind="chat", text="bus route", hits={1: 1})
    picture = desk.add("1", parent=one, kind="file", name="p.jpg")
    two = desk.add("2", parent=export, kind="chat", text="lunch?")
    desk.save()
    decide.record(desk.catalogue, REQUEST, 1, {one: RELEASE, two: NO}, "K", source="page")
    with desk.catalogue.read() as connection:
        assert in_force(connection, REQUEST) == {one: RELEASE, two: NO, picture: YES}
    desk.close()


@pytest.mark.parametrize("which", ["unknown", "photo"])
def test_only_stored_items_of_the_request_can_be_decided(desk, which):
    made, item = desk
    item_id = item.get(which, "f" * 32)
    with pytest.raises(UsageError, match=f"{item_id} is not a stored item of request {REQUEST}"):
        decide.record(made.catalogue, REQUEST, 1, {item_id: RELEASE}, "K", source="page")


def test_one_bad_answer_stops_all_and_is_named_without_its_words(desk):
    made, item = desk
    answers = {item["text"]: RELEASE, item["mail"]: withhold("see statute")}
    with pytest.raises(UsageError) as caught:
        decide.record(made.catalogue, REQUEST, 1, answers, "K", source="page")
    assert str(caught.value) == f"1 of 2 answers do not make sense, {item['mail']} first; none was recorded"
    assert stored(made) == []
    assert entries(made) == []


def test_a_decision_needs_a_name(desk):
    made, item = desk
    with pytest.raises(UsageError, match="need the name"):
        decide.record(made.catalogue, REQUEST, 1, {item["text"]: RELEASE}, " ", source="page")


def test_many_answers_go_in_pieces_with_an_entry_each(tmp_path):
    desk = Desk(tmp_path)
    ids = [desk.add(str(no), text=None, native=b"x", hits={1: 1}) for no in range(1_050)]
    desk.save()
    assert decide.record(desk.catalogue, REQUEST, 1, dict.fromkeys(ids, RELEASE), "K", source="page") == 1_050
    assert [entry["items"] for entry in entries(desk)] == [1_000, 50]
    assert decide.record(desk.catalogue, REQUEST, 1, dict.fromkeys(ids, RELEASE), "K", source="page") == 0
    desk.close()
