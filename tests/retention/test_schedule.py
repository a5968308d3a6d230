from __future__ import annotations

from dataclasses import replace

import pytest

from records import tables as t
from retention.periods import Retention
from retention.rules import builtin_rules
from retention.schedule import Series, builtin, load

BY_ID = {row.series_id: row for row in builtin()}


def test_all_rows_are_there_once():
    assert len(builtin()) == 86
    assert len(BY_ID) == 86
    assert sum(row.confidence == "verified" for row in builtin()) == 23
    assert sum(row.confidence == "unverified" for row in builtin()) == 63
    assert sum(row.schedule == "CORE" for row in builtin()) == 51
    assert sum(row.schedule == "K12" for row in builtin()) == 35
    assert [row.series_id for row in builtin() if row.is_rule] == [
        "CORE-FLOOR-SIX-YEARS",
        "CORE-HOLD-REQUEST",
        "CORE-HOLD-LITIGATION",
    ]


def test_executive_communications_row():
    row = BY_ID["GS50-01-12"]
    assert (row.schedule, row.version, row.dan, row.revision) == ("CORE", "4.0", "GS50-01-12", "3")
    assert row.authority == "GS50-01-12 Rev. 3"
    assert row.title == "Communications - Governing/Executive/Advisory"
    assert row.cutoff_event == "communication received or provided, whichever is later"
    assert row.retention == Retention(years=2)
    assert row.disposition == "Transfer to State Archives (appraisal)"
    assert (row.archival, row.essential, row.record_class, row.confidence) == (
        "appraisal",
        "no",
        "OFM",
        "verified",
    )


@pytest.mark.parametrize(
    ("series_id", "retention", "confidence"),
    [
        ("GS2010-001", Retention(years=2), "verified"),
        ("GS2010-008", Retention(years=6), "verified"),
        ("GS2017-016", Retention(years=3, while_needed=True), "verified"),
        ("CORE-BOARD-AUDIO", Retention(years=1, at_least=True), "verified"),
        ("CORE-HOLD-REQUEST", Retention(suspended=True), "verified"),
        ("K12-YEARBOOK", Retention(permanent=True), "verified"),
        ("K12-SPECIAL-EDUCATION", Retention(years=6), "verified"),
        ("GS2010-014", Retention(years=2), "unverified"),
        ("CORE-CAMERA-NO-INCIDENT", Retention(days=30), "unverified"),
        ("CORE-TRANSITORY", Retention(years=0, while_needed=True), "unverified"),
        ("K12-STUDENT-DISCIPLINE", Retention(not_confirmed=True), "unverified"),
    ],
)
def test_periods_and_confidence_are_carried(series_id, retention, confidence):
    assert BY_ID[series_id].retention == retention
    assert BY_ID[series_id].confidence == confidence


def test_the_need_of_business_stays_in_the_words():
    row = BY_ID["GS2017-016"]
    assert row.cutoff_event == "end of calendar year"
    assert row.retention_text == "3 years (and until no longer needed for agency business)"


def test_a_series_survives_the_catalogue():
    for row in builtin():
        assert Series.from_json(row.to_json()) == row


def test_every_rule_points_to_a_series():
    series = {row.series_id for row in builtin() if not row.is_rule}
    assert [rule.rule_id for rule in builtin_rules().rules if rule.series not in series] == []


def test_every_period_that_is_said_is_understood():
    unread = [
        r.series_id for r in builtin() if r.retention.not_confirmed and r.retention_text != "not confirmed"
    ]
    assert unread == []


def _put(catalogue, schedule_id, name, rows, *, in_force):
    with catalogue.write() as connection:
        connection.execute(
            t.retention_schedules.insert(),
            {
                "schedule_id": schedule_id,
                "name": name,
                "version": "9",
                "imported_at": "",
                "by": "x",
                "in_force": in_force,
            },
        )
        connection.execute(
            t.retention_series.insert(),
            [{"schedule_id": schedule_id, "series_id": r.series_id, "body": r.to_json()} for r in rows],
        )


def test_nothing_imported_is_the_built_in_schedule(catalogue):
    assert load(catalogue) == builtin()


def test_an_imported_schedule_stands_for_its_own_name_only(catalogue):
    mine = replace(BY_ID["GS50-01-12"], version="9", revision="7")
    _put(catalogue, "a" * 64, "CORE", [mine], in_force=True)
    loaded = load(catalogue)
    assert [row for row in loaded if row.schedule == "CORE" and not row.is_rule] == [mine]
    assert [row for row in loaded if row.is_rule] == [row for row in builtin() if row.is_rule]
    assert [row for row in loaded if row.schedule == "K12"] == [
        row for row in builtin() if row.schedule == "K12"
    ]


def test_a_schedule_not_in_force_changes_nothing(catalogue):
    _put(catalogue, "a" * 64, "CORE", [BY_ID["GS50-01-12"]], in_force=False)
    assert load(catalogue) == builtin()
