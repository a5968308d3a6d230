"""Custodians on the pages: people know names, rows know ids."""

from __future__ import annotations

from types import SimpleNamespace

from records.canonical import dumps
from review.page_data import _request

ROW = {
    "request_id": "2026-0001",
    "version": 1,
    "received_on": "2026-09-08",
    "due_on": "2026-09-15",
    "time_zone": "America/Los_Angeles",
    "state": "open",
}


def test_a_custodian_is_shown_by_name_and_id():
    body = dumps({"text": "t", "custodians": [{"id": "c1", "name": "Ana Ruiz"}, {"id": "c2", "name": ""}]})
    found = _request(SimpleNamespace(**ROW, body=body))
    assert found.named("c1") == "Ana Ruiz (c1)"
    assert found.named("c2") == "c2"
    assert found.named("unknown") == "unknown"


def test_a_request_without_a_body_still_shows():
    assert _request(SimpleNamespace(**ROW, body=None)).named("c1") == "c1"
