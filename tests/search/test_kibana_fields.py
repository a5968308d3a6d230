"""The fields of an index document that Kibana shows, from facts and from a filled catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from records import canonical
from records import tables as t
from records.decisions import Decision, Exemption, Hold, Standing, Treatment
from records.vocabulary import Awaits, ReviewState
from search.kibana_fields import (
    CODING_STATES,
    ODD_ENTRIES,
    FieldsReader,
    ItemFacts,
    coding_state,
    kibana_fields,
    odd,
)
from tests.search.home import REQUEST, Home

LEE = ("Ann Lee", "Ann.Lee@Falls.example ")
BO = ("Bo", "bo@falls.example")
RELEASE = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
LATER = ReviewState.NOT_YET_PRODUCED


def test_an_item_in_the_words_of_the_index() -> None:
    facts = ItemFacts(
        item_id="ab12",
        connector="mail_files",
        size_bytes=5_120_000_000,
        sent_at="2026-01-05T07:30:00.000000Z",
        sender=(LEE,),
        recipients=(BO, ("", "ann.lee@falls.example"), ("The Board", ""), ("", " ")),
        text_state="pending",
        reason="needs_ocr",
        ocr_pages=2,
        children=3,
        terms=("bus w/5 route", "levy"),
        standing=Standing(LATER, Awaits.DECISION, None, None),
        series="GS50-01-12",
        series_title="Communications",
        metadata={"author": "Ann"},
    )
    assert kibana_fields(facts, "2026-0007", "https://desk.example").as_fields() == {
        "connector": "mail_files",
        "sent": "2026-01-05T07:30:00.000000Z",
        "correspondents": ["ann.lee@falls.example", "bo@falls.example", "the board"],
        "terms": ["bus w/5 route", "levy"],
        "coding_state": "undecided",
        "series": "GS50-01-12",
        "series_title": "Communications",
        "text_state": "pending",
        "failure_reason": "needs_ocr",
        "ocr_pending": True,
        "attachments": 3,
        "size_bytes": 5_120_000_000,
        "item_url": "https://desk.example/r/2026-0007/i/ab12",
        "odd": {"author": "Ann"},
    }


def test_an_item_of_which_nothing_is_known_says_so_in_every_field() -> None:
    assert kibana_fields(ItemFacts("ab12"), "2026-0007").as_fields() == {
        "connector": "",
        "sent": None,
        "correspondents": [],
        "terms": [],
        "coding_state": "not_in_review",
        "series": None,
        "series_title": None,
        "text_state": "unread",
        "failure_reason": None,
        "ocr_pending": False,
        "attachments": 0,
        "size_bytes": None,
        "item_url": "http://127.0.0.1:8421/r/2026-0007/i/ab12",
        "odd": {},
    }


def test_a_files_own_metadata_is_kept_within_limits() -> None:
    many = {f"x-{n:03d}": "v" for n in range(ODD_ENTRIES + 1)}
    assert list(odd(many)) == [f"x-{n:03d}" for n in range(ODD_ENTRIES)]
    assert odd({"n" * 128: "a", "n" * 129: "b", "": "c", "a\0b": "d", "empty": "", "x": "1\x002"}) == {
        "n" * 128: "a",
        "x": "1 2",
    }
    assert odd({"long": "é" * 5_000}) == {"long": "é" * 4_096}


def test_a_searchable_item_with_a_page_that_is_a_picture_waits_for_ocr() -> None:
    made = kibana_fields(ItemFacts("ab12", text_state="searchable", ocr_pages=1), "2026-0007")
    assert (made.text_state, made.ocr_pending) == ("searchable", True)


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (None, "not_in_review"),
        (Standing(ReviewState.NOT_IN_REVIEW, None, None, None), "not_in_review"),
        (Standing(LATER, Awaits.DECISION, None, None), "undecided"),
        (Standing(LATER, Awaits.DECISION, Decision(public_record=True), None), "undecided"),
        (Standing(ReviewState.PERSONAL_MATTER, None, Decision(public_record=False), None), "personal"),
        (Standing(ReviewState.NOT_RESPONSIVE, None, None, None), "not_responsive"),
        (Standing(LATER, Awaits.PRODUCTION, RELEASE, None), "release"),
        (Standing(ReviewState.RELEASED_IN_FULL, None, RELEASE, 7), "release"),
        (
            Standing(LATER, Awaits.REDACTION, Decision(public_record=True, treatment=Treatment.REDACT), None),
            "redact",
        ),
        (
            Standing(
                LATER, Awaits.PRODUCTION, Decision(public_record=True, treatment=Treatment.WITHHOLD), None
            ),
            "withhold",
        ),
        (Standing(LATER, Awaits.NOTICE, RELEASE, None), "awaits_notice"),
        (Standing(LATER, Awaits.COUNSEL, RELEASE, None), "awaits_counsel"),
        (Standing(LATER, Awaits.SECOND_READER, RELEASE, None), "awaits_second_reader"),
        (Standing(LATER, Awaits.OCR, RELEASE, None), "awaits_ocr"),
        (Standing(LATER, Awaits.RETRY, RELEASE, None), "awaits_retry"),
    ],
)
def test_coding_states(standing: Standing | None, state: str) -> None:
    assert coding_state(standing) == state
    assert state in CODING_STATES


# -- from the catalogue

SHARED = {
    "sender": [list(LEE)],
    "to": [list(BO)],
    "text": "bus route",
    "sent_at": "2026-01-05T07:30:00.000000Z",
}


def _request(home: Home, version: int, terms: list[dict[str, Any]]) -> None:
    with home.catalogue.write() as connection:
        connection.execute(
            t.requests.insert(),
            {
                "request_id": REQUEST,
                "version": version,
                "received_on": "2026-01-02",
                "due_on": "2026-01-09",
                "time_zone": "America/Los_Angeles",
                "state": "open",
                "opened_at": "",
                "closed_at": None,
            },
        )
        connection.execute(
            t.request_versions.insert(),
            {
                "request_id": REQUEST,
                "version": version,
                "body": "{}",
                "terms": canonical.dumps(terms),
                "terms_csv": "",
                "at": "",
                "by": "",
                "why": "",
            },
        )


def _hit(version: int, term_no: int, item_id: str, family_id: str) -> dict[str, Any]:
    return {
        "request_id": REQUEST,
        "version": version,
        "term_no": term_no,
        "item_id": item_id,
        "family_id": family_id,
        "occurrences": 1,
    }


def _flag(item_id: str, seq: int, series: str | None, title: str) -> dict[str, Any]:
    body = canonical.dumps({"series_id": series, "title": title})
    by = "rules" if seq == 0 else "pro"
    return {
        "request_id": REQUEST,
        "item_id": item_id,
        "seq": seq,
        "series_id": series,
        "body": body,
        "by": by,
        "at": "",
    }


def test_fields_are_those_of_the_version_in_force(home: Home) -> None:
    lines = [(2, "bus"), (3, "levy"), (5, "bus")]
    _request(home, 2, [{"line": line, "term": term, "note": ""} for line, term in lines])
    home.fill(
        "b1",
        [
            {"id": "m1", "children": 1, **SHARED},
            {"id": "a1", "parent": "m1", "family": "m1", "kind": "file", "text_state": "pending"},
            {"id": "m2", **SHARED},
            {"id": "m3", "read": False},
            {"id": "m4", "state": "failed", "read": False},
        ],
    )
    decided = Decision(
        public_record=True,
        responsive=True,
        treatment=Treatment.WITHHOLD,
        exemptions=(Exemption("x", "y"),),
        holds=(Hold.COUNSEL,),
    )
    with home.catalogue.write() as connection:
        connection.execute(
            t.hits.insert(),
            [
                _hit(1, 3, "m2", "m2"),  # of an older list
                _hit(2, 2, "m1", "m1"),
                _hit(2, 3, "m1", "m1"),
                _hit(2, 5, "m1", "m1"),  # the same words on another line
            ],
        )
        connection.execute(
            t.decisions.insert(),
            {
                "request_id": REQUEST,
                "item_id": "m1",
                "seq": 1,
                "version": 2,
                "blob_sha256": None,
                "body": decided.to_json(),
                "by": "pro",
                "at": "",
            },
        )
        connection.execute(
            t.retention_flags.insert(),
            [
                _flag("m1", 1, "GS2025", "Newer"),
                _flag("m1", 0, "GS1", "Older"),
                _flag("m2", 0, None, ""),
            ],
        )
    reader = FieldsReader.open(home.catalogue, REQUEST, "http://x")
    made = dict(reader.fields(["m3", "m1", "a1", "m2", "m4", "nothing"]))
    assert list(made) == ["m3", "m1", "a1", "m2"]
    first = made["m1"]
    assert first.terms == ("bus", "levy")
    assert first.correspondents == ("ann.lee@falls.example", "bo@falls.example")
    assert (first.coding_state, first.series, first.series_title) == ("awaits_counsel", "GS2025", "Newer")
    assert (first.attachments, first.text_state, first.sent) == (
        1,
        "searchable",
        "2026-01-05T07:30:00.000000Z",
    )
    assert first.item_url == f"http://x/r/{REQUEST}/i/m1"
    child = made["a1"]  # its parent's hit puts it in review, and is no hit of its own
    assert (child.terms, child.coding_state, child.ocr_pending) == ((), "undecided", True)
    other = made["m2"]
    assert (other.terms, other.coding_state, other.series, other.series_title) == (
        (),
        "not_in_review",
        None,
        None,
    )
    assert (made["m3"].text_state, made["m3"].connector) == ("unread", "mail_files")


def test_more_items_than_a_slice_holds_come_in_the_order_asked(home: Home) -> None:
    _request(home, 1, [])
    ids = [f"i{n:04d}" for n in range(801)]
    home.fill("b1", [{"id": item_id} for item_id in ids])
    reader = FieldsReader.open(home.catalogue, REQUEST)
    assert [item_id for item_id, _ in reader.fields(reversed(ids))] == ids[::-1]
