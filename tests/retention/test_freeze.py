from __future__ import annotations

from datetime import UTC, datetime

import pytest

from records import audit
from records import tables as t
from records.errors import UsageError
from retention.freeze import FreezeRow, freeze, frozen_by, register, thaw

START = "2026-09-08T15:00:00.000000Z"
END = "2026-12-01T15:00:00.000000Z"


def hold(catalogue, request_id, since=START):
    with catalogue.write() as connection:
        freeze(connection, request_id, since)


def release(catalogue, request_id, at=END):
    with catalogue.write() as connection:
        thaw(connection, request_id, at)


def test_every_item_of_an_open_request_is_frozen_by_item_and_by_bytes(bench):
    one = bench.add("m1", text="some words")
    child = bench.add("m1", kind="file", name="a", parent=one, part="1", text="other words")
    with bench.catalogue.read() as connection:
        digests = {row.item_id: row.blob_sha256 for row in connection.execute(t.items.select())}
    assert frozen_by(bench.catalogue, one) == []
    hold(bench.catalogue, bench.request_id)
    for item in (one, child):
        assert frozen_by(bench.catalogue, item) == [bench.request_id]
        assert frozen_by(bench.catalogue, digests[item]) == [bench.request_id]
    assert frozen_by(bench.catalogue, "0" * 32) == []
    assert frozen_by(bench.catalogue, "0" * 64) == []


def test_a_resolved_request_lets_go_but_another_still_holds(bench):
    one = bench.add("m1", text="some words")
    bench.request_id = "R-2026-002"
    bench.open_request()
    assert bench.add("m1", text=None) == one  # the same copy in the same place
    for request in ("R-2026-001", "R-2026-002"):
        hold(bench.catalogue, request)
    assert frozen_by(bench.catalogue, one) == ["R-2026-001", "R-2026-002"]
    release(bench.catalogue, "R-2026-001")
    assert frozen_by(bench.catalogue, one) == ["R-2026-002"]


def test_the_register(bench):
    one = bench.add("m1", text="same words")
    bench.add("m2", text="same words")
    bench.add("m1", kind="file", name="a", parent=one, part="1", text="other words")
    bench.add("m3", state="failed", reading=False, text=None)
    hold(bench.catalogue, bench.request_id)
    hold(bench.catalogue, "R-2026-000")
    release(bench.catalogue, "R-2026-000")
    rows = register(bench.catalogue)
    assert rows == [
        FreezeRow(bench.request_id, START, None, "RCW 42.56.100", items=3, contents=2),
        FreezeRow("R-2026-000", START, END, "RCW 42.56.100", items=0, contents=0),
    ]
    assert [row.in_force for row in rows] == [True, False]


def test_freezing_twice_is_harmless(catalogue):
    hold(catalogue, "R")
    hold(catalogue, "R", END)
    assert [(row.from_at, row.until_at) for row in register(catalogue)] == [(START, None)]
    assert audit.verify(catalogue).seq == 1


def test_a_request_opened_again_is_frozen_from_its_first_day(catalogue):
    hold(catalogue, "R")
    release(catalogue, "R")
    hold(catalogue, "R", END)
    assert [(row.from_at, row.until_at) for row in register(catalogue)] == [(START, None)]
    assert audit.verify(catalogue).seq == 3


def test_times_may_be_aware(catalogue):
    with catalogue.write() as connection:
        freeze(connection, "R", datetime(2026, 9, 8, 15, tzinfo=UTC))
    assert register(catalogue)[0].from_at == START


@pytest.mark.parametrize("before", [(), ("freeze", "thaw")])
def test_what_is_not_frozen_cannot_be_thawed(catalogue, before):
    for step in before:
        {"freeze": hold, "thaw": release}[step](catalogue, "R")
    with pytest.raises(UsageError) as error:
        release(catalogue, "R")
    assert str(error.value) == "request R freezes nothing"


@pytest.mark.parametrize("key", ["", "abc", "0" * 40])
def test_a_key_is_an_item_or_bytes(catalogue, key):
    with pytest.raises(UsageError) as error:
        frozen_by(catalogue, key)
    assert str(error.value) == "give an item id (32 hex digits) or a SHA-256 (64 hex digits)"
