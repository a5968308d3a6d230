from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records import tables as t
from records.errors import CheckFailed, SettingsError
from release import numbering
from tests.release.world import REQUEST


@pytest.mark.parametrize("prefix", ["SPS", "S", "SPS-", "CFS2026-", "A1B", "PRR-2026-0001-"])
def test_a_usable_prefix(prefix):
    assert numbering.check_prefix(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    ["", "SPS1", "sps", "SPS ", "1SPS", "SP S", "-S", "S" * 33, "DRAFT", "DRAFT-", "S/S", "S\n", "Å"],
)
def test_a_prefix_that_is_refused(prefix):
    with pytest.raises(SettingsError):
        numbering.check_prefix(prefix)


@pytest.mark.parametrize(
    ("request_id", "prefix"),
    [
        ("prr-2026-14", "PRR-2026-14-"),
        ("2026-0001", "R2026-0001-"),
        ("a", "A-"),
        ("", "R-"),
        ("..//x", "X-"),
        ("draft", "RDRAFT-"),
    ],
)
def test_the_prefix_of_a_request(request_id, prefix):
    assert numbering.prefix_from(request_id) == prefix


@given(st.text(max_size=60))
def test_every_request_id_gives_a_usable_prefix(request_id):
    assert numbering.check_prefix(numbering.prefix_from(request_id))


def test_the_form_of_numbers():
    assert numbering.permanent("SPS", 1) == "SPS0000001"
    assert numbering.permanent("SPS-", 9_999_999) == "SPS-9999999"
    assert numbering.draft(7) == "DRAFT-0007"
    for bad in (0, -1, 10_000_000):
        with pytest.raises(CheckFailed):
            numbering.permanent("SPS", bad)


def allocate(world, installment, ids):
    with world.catalogue.write() as connection:
        return numbering.allocate(connection, REQUEST, installment, ids)


def test_numbers_go_on_without_a_gap_over_instalments(world):
    assert allocate(world, 1, ["a", "b"]) == {"a": 1, "b": 2}
    assert allocate(world, 2, ["c"]) == {"c": 3}
    assert allocate(world, 3, ["d", "e"]) == {"d": 4, "e": 5}


def test_a_retried_task_gets_the_same_numbers(world):
    first = allocate(world, 1, ["b", "a"])
    allocate(world, 2, ["c"])
    assert allocate(world, 1, ["b", "a"]) == first == {"b": 1, "a": 2}


def test_the_same_instalment_with_other_records_is_refused(world):
    allocate(world, 1, ["a", "b"])
    for others in (["a"], ["b", "a"], ["a", "b", "c"], ["c"]):
        with pytest.raises(CheckFailed):
            allocate(world, 1, others)


def test_a_record_has_one_number_for_good(world):
    allocate(world, 1, ["a"])
    with pytest.raises(CheckFailed):
        allocate(world, 2, ["a"])
    with pytest.raises(CheckFailed):
        allocate(world, 2, ["b", "b"])


def test_a_transaction_that_fails_later_leaves_no_gap(world):
    def broken():
        with world.catalogue.write() as connection:
            numbering.allocate(connection, REQUEST, 1, ["a", "b"])
            raise RuntimeError("after the numbers")

    with pytest.raises(RuntimeError):
        broken()
    assert allocate(world, 1, ["c"]) == {"c": 1}


def test_more_rows_than_one_piece(world):
    ids = [f"i{n:05d}" for n in range(2_500)]
    assert list(allocate(world, 1, ids).values()) == list(range(1, 2_501))


def test_workers_at_once_never_overlap(world):
    failures = []

    def work(installment):
        try:
            allocate(world, installment, [f"{installment}-{n}" for n in range(50)])
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with world.catalogue.read() as connection:
        rows = connection.execute(t.numbers.select().order_by(t.numbers.c.number)).all()
    assert [row.number for row in rows] == list(range(1, 301))
    for installment in range(1, 7):
        own = [row.number for row in rows if row.installment == installment]
        assert own == list(range(own[0], own[0] + 50))
