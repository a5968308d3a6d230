"""Suggestions and answers in the catalogue."""

from __future__ import annotations

import dataclasses
from datetime import date

import pysqlite3
import pytest
import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.errors import UsageError
from retention import suggest as module
from retention.rules import read_rules
from retention.suggest import FlagReport, Suggestion, confirm, flag_request, flags_in_force


def run(bench, **options):
    return flag_request(bench.catalogue, bench.store, bench.request_id, **options)


def in_force(bench):
    with bench.catalogue.read() as connection:
        return flags_in_force(connection, bench.request_id)


def test_families_in_review_are_flagged_whole(bench):
    top = bench.add("m1", custodian="c-sup", subject="Hello", sender="sup@district.example")
    photo = bench.add(
        "m1", kind="file", name="photo.jpg", parent=top, part="1", hit=True, sent_at=None, basis="none"
    )
    bill = bench.add("m1", kind="file", name="invoice.pdf", parent=top, part="2", position=2)
    bench.add("m2", subject="Not in review")
    report = run(bench)
    assert report == FlagReport(
        items=3,
        with_series=3,
        without_series=0,
        unverified=1,
        written=3,
        unread_texts=0,
        by_rule={"communications-executive": 1, "financial-transactions": 1, "follows-parent": 1},
    )
    flags = in_force(bench)
    assert set(flags) == {top, photo, bill}
    assert flags[top].said.earliest_on == date(2028, 3, 2)
    assert (flags[photo].said.series_id, flags[photo].said.follows) == ("GS50-01-12", top)
    assert flags[photo].said.earliest_on == date(2028, 3, 2)
    assert flags[bill].said.series_id == "GS2011-184"
    assert {(f.seq, f.by, f.confirmed) for f in flags.values()} == {(0, "rules", False)}


def test_by_option_all_stored_items(bench):
    bench.add("m1", hit=True)
    bench.add("m2", subject="Not in review")
    bench.add("m3", state="failed", reading=False)
    assert run(bench).items == 1
    assert run(bench, everything=True).items == 2


def test_calls_over_batches_of_their_own_share_the_work(bench):
    for number in range(5):
        top = bench.add(f"m{number}", subject="Invoice", hit=True, batch=f"b{number % 2}")
        bench.add(f"m{number}", kind="file", name="invoice.pdf", parent=top, part="1", batch=f"b{number % 2}")
    parts = [run(bench, batch_ids=[batch]) for batch in ("b0", "b1", "b2")]
    assert [part.items for part in parts] == [6, 4, 0]
    shared = in_force(bench)
    alone = run(bench)
    assert alone.written == 0
    assert FlagReport.together(parts) == dataclasses.replace(alone, written=10)
    assert in_force(bench) == shared


def test_each_batch_is_asked_for_once_and_none_is_sorted_as_a_whole(bench, monkeypatch):
    """An order that no index has would be made anew for each page: with many pages, their number squared."""
    monkeypatch.setattr(module, "ROWS_PER_TRANSACTION", 2)
    for number in range(9):
        bench.add(f"m{number}", subject="Invoice", hit=True, batch=f"b{number % 3}")
    asked = []

    def heard(connection, cursor, statement, parameters, *_):
        if "ORDER BY items.family_id" in statement:
            asked.append((statement, parameters))

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", heard)
    try:
        assert run(bench, batch_ids=["b2", "b0", "b1", "b0"]).items == 9
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", heard)
    assert len(asked) == 3  # once for each batch, however many pages it has
    with bench.catalogue.read() as connection:
        for statement, parameters in asked:
            plan = [
                row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            ]
            assert any("items_by_batch (request_id=? AND batch_id=?" in step for step in plan)
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan
            assert "LIMIT" not in statement  # SQLite then sorts each family through a table of its own


def test_a_decided_item_is_in_review_without_a_hit(bench):
    one = bench.add("m1")
    with bench.catalogue.write() as connection:
        connection.execute(
            t.decisions.insert(),
            {
                "request_id": bench.request_id,
                "item_id": one,
                "seq": 0,
                "version": 1,
                "body": "{}",
                "by": "x",
                "at": "x",
            },
        )
    assert run(bench).items == 1


def test_hits_of_another_version_do_not_count(bench):
    bench.add("m1", hit=True)
    with bench.catalogue.write() as connection:
        connection.execute(t.requests.update().values(version=2))
    assert run(bench).items == 0


def test_the_day_is_that_of_the_requests_zone(bench):
    late = bench.add("m1", hit=True, sent_at="2026-03-02T07:30:00.000000Z")  # 1 March, 23:30 in Seattle
    run(bench)
    assert in_force(bench)[late].said.cutoff_on == date(2026, 3, 1)


def test_without_a_reading_the_connectors_time_counts_as_assumed(bench):
    one = bench.add("m1", reading=False, moment_at="2026-03-02T20:00:00.000000Z", hit=True)
    run(bench)
    assert in_force(bench)[one].said.earliest_on == date(2028, 3, 3)


def test_text_labels_drafts_and_addresses_reach_the_rules(bench):
    long = "word " * 100
    trip = bench.add("m1", hit=True, text=f"field trip and permission slips {long}")
    deep = bench.add(
        "m2", hit=True, text=f"{long * 9} field trip and permission slips"
    )  # beyond the first 4 KB
    spam = bench.add("m3", hit=True, metadata={"X-Gmail-Labels": "Inbox,Category promotions"})
    draft = bench.add("m4", hit=True, warnings=("draft",))
    law = bench.add("m5", hit=True, to=("Counsel@District.example",))
    firm = bench.add("m6", hit=True, sender="x@school-law.example")
    nobody = bench.add("m7", hit=True, custodian="c-none", subject="Hello")
    boss = bench.add("m8", hit=True, custodian="c-none", to=("sup@district.example",))
    run(bench)
    flags = in_force(bench)
    assert {k: flags[v].said.series_id for k, v in {
        "trip": trip, "deep": deep, "spam": spam, "draft": draft, "law": law, "firm": firm, "nobody": nobody,
        "boss": boss,
    }.items()} == {
        "trip": "K12-FIELD-TRIPS",
        "deep": "GS2010-001",
        "spam": "CORE-UNSOLICITED",
        "draft": "CORE-DRAFTS",
        "law": "CORE-LEGAL-ADVICE",
        "firm": "CORE-LEGAL-ADVICE",
        "nobody": None,
        "boss": "GS50-01-12",
    }  # fmt: skip


def test_a_cut_inside_a_character_does_no_harm(bench):
    bench.add("m1", hit=True, text="é" * 3000)
    bench.add("m2", hit=True, text="x" + "é" * 3000)
    assert run(bench).unread_texts == 0


def test_a_text_that_cannot_be_read_is_counted_and_costs_nothing_else(bench):
    bench.add("m1", hit=True, text="field trip and permission slips")
    fine = bench.add("m2", hit=True, text="other words")
    with bench.catalogue.write() as connection:
        connection.execute(t.blobs.update().where(t.blobs.c.size_bytes == 31).values(segment="gone.seg"))
    report = run(bench)
    assert (report.items, report.unread_texts) == (2, 1)
    assert in_force(bench)[fine].said.series_id == "GS2010-001"


def test_a_second_run_writes_nothing(bench):
    bench.add("m1", hit=True)
    first = run(bench)
    rows = bench.flags()
    second = run(bench)
    assert (first.written, second.written) == (1, 0)
    assert bench.flags() == rows


def test_new_rules_replace_a_suggestion_but_never_an_answer(bench):
    one, two = bench.add("m1", hit=True), bench.add("m2", hit=True)
    run(bench)
    confirm(bench.catalogue, bench.request_id, one, "GS2010-001", "PRO", "")
    rules = read_rules('[[rules]]\nid = "x"\nseries = "CORE-DRAFTS"\nfind = []\nwhy = "w"\n')
    assert run(bench, rules=rules).written == 1
    rows = {(row.item_id, row.seq): row.series_id for row in bench.flags()}
    assert rows == {(one, 0): "GS2010-001", (one, 1): "GS2010-001", (two, 0): "CORE-DRAFTS"}


def test_pages_do_not_tear_families(bench, monkeypatch):
    monkeypatch.setattr(module, "ROWS_PER_TRANSACTION", 2)
    tops = [bench.add(f"m{n}", custodian="c-sup", hit=True) for n in range(3)]
    for n, top in enumerate(tops):
        first = bench.add(f"m{n}", kind="file", name="a", parent=top, part="1", position=5)
        bench.add(f"m{n}", kind="file", name="b", parent=first, part="1.1", position=2)
    report = run(bench)
    assert report.by_rule == {"communications-executive": 3, "follows-parent": 6}
    assert {flag.said.series_id for flag in in_force(bench).values()} == {"GS50-01-12"}


def test_a_child_whose_parent_failed_stands_alone(bench):
    top = bench.add("m1", state="failed", reading=False)
    bench.add("m1", kind="file", name="yearbook.pdf", parent=top, part="1", hit=True)
    assert run(bench).by_rule == {"yearbook": 1}


def test_an_unknown_request_is_refused(bench):
    with pytest.raises(UsageError) as error:
        flag_request(bench.catalogue, bench.store, "R-nope")
    assert str(error.value) == "there is no request R-nope; open it first"


# --- answers --------------------------------------------------------------------------------------------


def entries(bench):
    with bench.catalogue.read() as connection:
        return [
            canonical.loads(row.entry) for row in connection.execute(t.audit.select().order_by(t.audit.c.seq))
        ]


def test_a_person_confirms(bench):
    one = bench.add("m1", hit=True)
    run(bench)
    flag = confirm(bench.catalogue, bench.request_id, one, "GS2010-001", " PRO ", "")
    assert (flag.seq, flag.by, flag.confirmed) == (1, "PRO", True)
    assert flag.said == Suggestion(
        item_id=one,
        series_id="GS2010-001",
        rule_id="person",
        reason="Confirmed as suggested.",
        schedule="CORE",
        version="not stated (API sample; consistent with v4.0 cross-reference)",
        authority="GS2010-001",
        title="Communications - Non-Executive",
        cutoff_event="communication received or provided, whichever is later",
        cutoff_on=date(2026, 3, 2),
        retention_text="2 years",
        disposition="Destroy",
        archival="non-archival",
        earliest_on=date(2028, 3, 2),
        confidence="verified",
    )
    assert in_force(bench)[one] == flag
    (entry,) = entries(bench)
    entry.pop("at")
    assert entry == {
        "action": "retention_confirmed",
        "actor": "PRO",
        "answer": 1,
        "followers": 0,
        "item": one,
        "request": bench.request_id,
        "seq": 1,
        "series": "GS2010-001",
    }
    assert audit.verify(bench.catalogue).seq == 1


def test_a_person_changes_it_twice_and_nothing_is_overwritten(bench):
    one = bench.add("m1", hit=True)
    run(bench)
    confirm(bench.catalogue, bench.request_id, one, "GS50-01-12", "PRO", "on behalf of the superintendent")
    confirm(bench.catalogue, bench.request_id, one, None, "counsel", "a personal note")
    assert [(row.seq, row.series_id, row.by) for row in bench.flags()] == [
        (0, "GS2010-001", "rules"),
        (1, "GS50-01-12", "PRO"),
        (2, None, "counsel"),
    ]
    assert in_force(bench)[one].said == Suggestion(one, None, "person", "a personal note")


def test_children_that_follow_go_with_it_and_others_stay(bench):
    top = bench.add("m1", hit=True)
    first = bench.add("m1", kind="file", name="a", parent=top, part="1")
    second = bench.add("m1", kind="file", name="b", parent=first, part="1.1")
    bill = bench.add("m1", kind="file", name="invoice.pdf", parent=top, part="2")
    run(bench)
    confirm(bench.catalogue, bench.request_id, top, "GS50-01-12", "PRO", "sent for the board")
    flags = in_force(bench)
    assert {k: (flags[v].said.series_id, flags[v].seq) for k, v in
            {"top": top, "first": first, "second": second, "bill": bill}.items()} == {
        "top": ("GS50-01-12", 1),
        "first": ("GS50-01-12", 1),
        "second": ("GS50-01-12", 1),
        "bill": ("GS2011-184", 0),
    }  # fmt: skip
    assert flags[second].said.reason == "It follows its parent. sent for the board"
    assert entries(bench)[0]["followers"] == 2


def test_a_child_answered_apart_no_longer_follows(bench):
    top = bench.add("m1", hit=True)
    child = bench.add("m1", kind="file", name="a", parent=top, part="1", sent_at=None, basis="none")
    run(bench)
    apart = confirm(bench.catalogue, bench.request_id, child, "GS50-01-12", "PRO", "an original of the board")
    assert apart.said.cutoff_on == date(2026, 3, 2)  # its parent's day stands in
    confirm(bench.catalogue, bench.request_id, top, None, "PRO", "none fits")
    assert in_force(bench)[child].said.series_id == "GS50-01-12"


def test_a_family_larger_than_a_transaction(bench, monkeypatch):
    top = bench.add("m1", hit=True)
    for n in range(5):
        bench.add("m1", kind="file", name="a", parent=top, part=str(n), position=n + 1)
    run(bench)
    monkeypatch.setattr(module, "ROWS_PER_TRANSACTION", 2)
    confirm(bench.catalogue, bench.request_id, top, None, "PRO", "none fits")
    assert {flag.said.series_id for flag in in_force(bench).values()} == {None}


def test_an_answer_before_any_suggestion_leaves_its_place_free(bench):
    one = bench.add("m1", hit=True)
    assert confirm(bench.catalogue, bench.request_id, one, "GS2010-001", "PRO", "seen").seq == 1
    assert run(bench).written == 1
    assert [(row.seq, row.by) for row in bench.flags()] == [(0, "rules"), (1, "PRO")]
    assert in_force(bench)[one].seq == 1


def test_an_unverified_row_can_be_chosen_and_still_gives_no_date(bench):
    one = bench.add("m1", hit=True)
    flag = confirm(bench.catalogue, bench.request_id, one, "GS2011-184", "PRO", "a bill")
    assert (flag.said.confidence, flag.said.earliest_on) == ("unverified", None)
    assert flag.said.reason.startswith("a bill This row of the schedule is unverified")


def test_a_post_has_no_day_even_for_a_person(bench):
    one = bench.add("p1", kind="post", hit=True)
    assert (
        confirm(bench.catalogue, bench.request_id, one, "GS2010-001", "PRO", "post").said.earliest_on is None
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": " "}, "a confirmation needs the name of who gives it"),
        ({"item_id": "f" * 32}, f"request R-2026-001 has no stored item {'f' * 32}"),
        ({"series_id": "GS99-99-99"}, "the schedule in force has no series GS99-99-99"),
        ({"series_id": "CORE-HOLD-REQUEST"}, "the schedule in force has no series CORE-HOLD-REQUEST"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_writes_nothing(bench, change, message):
    one = bench.add("m1", hit=True)
    answer = {"item_id": one, "series_id": "GS2010-001", "by": "PRO", "why": "seen", **change}
    with pytest.raises(UsageError) as error:
        confirm(bench.catalogue, bench.request_id, **answer)
    assert str(error.value) == message
    assert bench.flags() == []
    assert entries(bench) == []


def test_a_change_needs_a_reason(bench):
    one = bench.add("m1", hit=True)
    run(bench)
    with pytest.raises(UsageError) as error:
        confirm(bench.catalogue, bench.request_id, one, "GS50-01-12", "PRO", "  ")
    assert str(error.value) == f"item {one}: an answer that differs from the suggestion needs a reason"


def test_chosen_items_only(bench):
    one, two = bench.add("m1", hit=True), bench.add("m2", hit=True)
    run(bench)
    with bench.catalogue.read() as connection:
        assert set(flags_in_force(connection, bench.request_id, [two, two, "unknown"])) == {two}
        assert set(flags_in_force(connection, "another")) == set()
    assert one != two


def test_nothing_in_the_room_can_destroy():
    import retention.freeze
    import retention.schedule
    import retention.schedule_import

    for room in (module, retention.freeze, retention.schedule, retention.schedule_import):
        names = [name for name in vars(room) if "destroy" in name.lower() or "dispose" in name.lower()]
        assert [name for name in names if callable(getattr(room, name))] == []


def test_whether_a_family_has_a_hit_is_looked_up_by_family():
    """Read from its key instead, every hit of the list would be read for every item."""
    engine = sa.create_engine("sqlite://", module=pysqlite3.dbapi2)
    t.metadata.create_all(engine)
    query = sa.select(t.items.c.item_id).where(module._in_review("2026-0001", 1))
    text = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert [step for step in plan if "hits" in step] == [
        "SEARCH hits USING PRIMARY KEY (request_id=? AND version=? AND family_id=?)"
    ]
