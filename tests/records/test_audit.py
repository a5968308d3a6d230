"""The hash chain: its two vectors, and every way to tamper with it."""

from __future__ import annotations

import json
import threading

import pytest
import sqlalchemy as sa

from records import audit, canonical
from records import tables as t
from records.audit import FIRST, Head, append, chain, head, verify
from records.errors import CheckFailed
from tests.records.homes import new_catalogue

ONE = (
    '{"action":"received","actor":"ingest","at":"2026-01-02T03:04:05Z","seq":1,'
    '"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}'
)
TWO = '{"action":"redacted","actor":"jdoe","at":"2026-01-02T03:05:00Z","doc":"SPS0000001","seq":2}'
HASH_ONE = "3c0ec133986c4c35276e8cade79ca14288298cfee5680a8fad2b34b683102a04"
HASH_TWO = "14597fdc4add0fe5d87059f7c5a0b9c182634632586edaa71f0db7d4516fd5e9"


def test_the_two_vectors():
    assert chain(FIRST, ONE) == HASH_ONE
    assert chain(HASH_ONE, TWO) == HASH_TWO


@pytest.mark.parametrize("entry", [ONE, TWO])
def test_the_vectors_are_canonical(entry):
    assert canonical.dumps(json.loads(entry)) == entry


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path)
    yield made
    made.close()


def write(catalogue, count, request="R"):
    for n in range(count):
        with catalogue.write() as connection:
            append(connection, action="searched", actor="PRO", request_id=request, documents=n)


def test_an_empty_log(catalogue):
    assert verify(catalogue) == Head(0, "0" * 64)


def test_entries_are_numbered_and_chained(catalogue):
    write(catalogue, 3)
    with catalogue.read() as connection:
        rows = list(connection.execute(sa.select(t.audit).order_by(t.audit.c.seq)))
        newest = head(connection)
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.prev_hash for row in rows] == [FIRST, rows[0].entry_hash, rows[1].entry_hash]
    entries = [canonical.loads(row.entry) for row in rows]
    assert [(e["action"], e["actor"], e["request"], e["seq"], e["documents"]) for e in entries] == [
        ("searched", "PRO", "R", 1, 0),
        ("searched", "PRO", "R", 2, 1),
        ("searched", "PRO", "R", 3, 2),
    ]
    assert newest == verify(catalogue) == Head(3, rows[2].entry_hash)


def test_an_entry_for_the_home_names_no_request(catalogue):
    write(catalogue, 1, request=None)
    with catalogue.read() as connection:
        assert "request" not in canonical.loads(connection.execute(sa.select(t.audit.c.entry)).scalar_one())


def test_an_entry_that_is_rolled_back_leaves_no_gap(catalogue):
    write(catalogue, 1)

    def cut_short():
        with catalogue.write() as connection:
            append(connection, action="x", actor="y")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cut_short()
    write(catalogue, 1)
    assert verify(catalogue).seq == 2


def test_several_entries_in_one_transaction(catalogue):
    with catalogue.write() as connection:
        assert [append(connection, action="x", actor="y").seq for _ in range(3)] == [1, 2, 3]
    assert verify(catalogue).seq == 3


def test_writers_at_once_make_one_chain(catalogue):
    threads = [threading.Thread(target=write, args=(catalogue, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(catalogue).seq == 40


a = t.audit.c


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (t.audit.update().where(a.seq == 2).values(entry='{"seq":2}'), 2),
        (t.audit.update().where(a.seq == 2).values(entry_hash="0" * 64), 2),
        (t.audit.update().where(a.seq == 2).values(prev_hash="0" * 64), 2),
        (t.audit.delete().where(a.seq == 1), 1),
        (t.audit.delete().where(a.seq == 2), 2),
        (t.audit.update().where(a.seq == 3).values(seq=9), 3),
    ],
)
def test_tampering_is_found_and_named(catalogue, tamper, named):
    write(catalogue, 3)
    with catalogue.write() as connection:
        connection.execute(tamper)
    with pytest.raises(CheckFailed) as error:
        verify(catalogue)
    assert str(error.value) == f"the audit log was altered: entry {named} does not fit the chain"


def test_a_consistent_entry_under_a_false_number_is_found(catalogue):
    write(catalogue, 1)
    entry = '{"seq":7}'
    with catalogue.write() as connection:
        last = head(connection)
        connection.execute(
            t.audit.insert(),
            {
                "seq": 2,
                "entry": entry,
                "prev_hash": last.entry_hash,
                "entry_hash": chain(last.entry_hash, entry),
            },
        )
    with pytest.raises(CheckFailed):
        verify(catalogue)


def test_a_cut_end_shows_only_against_a_published_head(catalogue):
    write(catalogue, 3)
    published = verify(catalogue)
    with catalogue.write() as connection:
        connection.execute(t.audit.delete().where(a.seq == 3))
    assert verify(catalogue) != published


def test_facts_may_not_be_what_json_cannot_say(catalogue):
    with pytest.raises(ValueError, match="Out of range float"), catalogue.write() as connection:
        audit.append(connection, action="x", actor="y", share=float("nan"))
    assert verify(catalogue).seq == 0
