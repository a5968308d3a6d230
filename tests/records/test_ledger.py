"""The ledger: what keeps it from saying balanced."""

from __future__ import annotations

import pytest

from records import canonical
from records import tables as t
from records.ledger import ExportLedger, ledger
from tests.records.homes import REQUEST, new_catalogue


@pytest.fixture
def catalogue(tmp_path):
    made = new_catalogue(tmp_path)
    yield made
    made.close()


def add_request(catalogue, *sources: str) -> None:
    body = canonical.dumps({"sources": [{"id": source} for source in sources]})
    with catalogue.write() as connection:
        connection.execute(
            t.requests.insert(),
            {
                "request_id": REQUEST,
                "version": 1,
                "received_on": "2026-09-08",
                "due_on": "2026-09-15",
                "time_zone": "UTC",
                "state": "open",
                "opened_at": "x",
            },
        )
        connection.execute(
            t.request_versions.insert(),
            {
                "request_id": REQUEST,
                "version": 1,
                "body": body,
                "terms": "[]",
                "terms_csv": "",
                "at": "x",
                "by": "pro",
                "why": "opened",
            },
        )


def add_scope(catalogue, source: str, expected: int | None) -> None:
    with catalogue.write() as connection:
        connection.execute(
            t.scopes.insert(),
            {
                "request_id": REQUEST,
                "source_id": source,
                "scope_key": ".",
                "custodian_id": "c",
                "connector": "loose_files",
                "label": "x",
                "kind": "folder",
                "expected": expected,
                "expected_by": "folder walk",
            },
        )


def test_a_request_in_which_nothing_was_searched_does_not_balance(catalogue):
    add_request(catalogue, "mail", "drop")
    counted = ledger(catalogue, REQUEST)
    assert (counted.balanced, counted.unplanned, counted.scopes) == (False, ("drop", "mail"), ())


def test_a_source_without_a_place_does_not_balance(catalogue):
    add_request(catalogue, "mail", "drop")
    add_scope(catalogue, "mail", 0)
    counted = ledger(catalogue, REQUEST)
    assert (counted.balanced, counted.unplanned) == (False, ("drop",))
    add_scope(catalogue, "drop", 0)
    assert ledger(catalogue, REQUEST).balanced


def test_fewer_items_than_expected_do_not_balance(catalogue):
    add_request(catalogue, "mail")
    add_scope(catalogue, "mail", 1)
    counted = ledger(catalogue, REQUEST)
    assert (counted.balanced, counted.scopes[0].balanced, counted.unplanned) == (False, False, ())


def add_export(catalogue, source: str, paths: int | None) -> None:
    body = {"read": 5, "ignored": {"report": 2, "viewer": 1}, "unknown": 1, "names": ["x.bin"]}
    with catalogue.write() as connection:
        connection.execute(
            t.export_paths.insert(),
            {
                "request_id": REQUEST,
                "source_id": source,
                "at": "x",
                "paths": paths,
                "body": canonical.dumps(body),
            },
        )


@pytest.mark.parametrize(("paths", "balanced"), [(9, True), (None, True), (10, False), (8, False)])
def test_an_export_of_which_a_path_is_told_twice_or_not_at_all_does_not_balance(catalogue, paths, balanced):
    add_request(catalogue, "mail")
    add_scope(catalogue, "mail", 0)
    add_export(catalogue, "mail", paths)
    counted = ledger(catalogue, REQUEST)
    assert counted.exports == (
        ExportLedger("mail", paths, 5, {"report": 2, "viewer": 1}, 1, ("x.bin",), balanced),
    )
    assert counted.balanced is balanced


def test_an_export_that_the_request_names_no_more_is_none(catalogue):
    add_request(catalogue, "mail")
    add_scope(catalogue, "mail", 0)
    add_export(catalogue, "gone", 1)
    assert ledger(catalogue, REQUEST).exports == ()
