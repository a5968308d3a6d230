from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.ledger import ledger
from records.vocabulary import Reason
from search.language import parse
from search.tree import to_text
from search.unsearched import (
    _BY_REASON,
    GAPS,
    Gap,
    GapItem,
    Unsearched,
    gap_items,
    link_query,
    unsearched,
)
from tests.search.home import PACIFIC, REQUEST, Home

LINK = "the figures are at https://docs.google.com/spreadsheets/d/1"

ITEMS: list[dict[str, Any]] = [
    {"id": "a1", "text": "all of it was read"},
    {"id": "a2", "text": LINK, "custodian": "okafor", "source": "mail-2"},
    {"id": "a3", "text": "half of it", "text_state": "searchable", "ocr_pages": [2, 3]},
    {"id": "b1", "kind": "file", "name": "locked.pdf"},
    {"id": "b2", "kind": "file", "name": "locked.zip", "custodian": "okafor", "source": "mail-2"},
    {"id": "b3", "kind": "file", "name": "torn.pdf"},
    {"id": "b4", "kind": "file", "name": "scan.tif", "text_state": "pending"},
    {"id": "b5", "kind": "file", "name": "huge.csv"},
    {"id": "b6", "kind": "file", "name": "voicemail.amr"},
    {"id": "b7", "kind": "file", "name": "clip.mp4"},
    {"id": "b8", "kind": "file", "name": "tool.exe"},
    {"id": "b9", "kind": "file", "name": "blank.txt"},
    {"id": "s1", "kind": "email", "name": "sealed.eml"},
    {"id": "s2", "kind": "email", "name": "armoured.eml"},
    {"id": "s3", "state": "failed", "kind": "message"},
    {"id": "t1", "kind": "chat", "text": "Rosa turned on disappearing messages."},
    {"id": "c1", "kind": "file", "name": "new.docx", "read": False},
    {"id": "c2", "state": "failed"},
    {"id": "c3", "state": "failed", "kind": "file", "family": "b2", "parent": "b2", "source": "mail-2",
     "custodian": "okafor"},
    {"id": "c4", "state": "excluded"},
    {"id": "d1", "text": "a message that names three parts and has two"},
    {"id": "d2", "text": "an archive that gave some of its members"},
    {"id": "d3", "text": "a document that broke off half-way"},
]  # fmt: skip

READINGS: dict[str, dict[str, Any]] = {
    "b1": {"reason": "encrypted"},
    "b2": {"reason": "encrypted", "expected_children": 1},
    "s1": {"reason": "encrypted", "detail": "smime"},
    "s2": {"reason": "encrypted", "detail": "pgp_inline"},
    "b3": {"reason": "truncated"},
    "b4": {"reason": "needs_ocr", "ocr_pages": "[1]"},
    "b5": {"reason": "too_large"},
    "b6": {"reason": "unsupported", "detail": "audio"},
    "b7": {"reason": "no_text"},
    "b8": {"reason": "unsupported", "detail": "binary"},
    "b9": {"reason": "no_text"},
    "d1": {"children": 2, "expected_children": 5},
    "d2": {"facts": canonical.dumps({"metadata": {"partial": "true"}, "warnings": ["partial"]})},
    "d3": {"reason": "corrupt"},
    # A fact that only looks like a warning.
    "a1": {"facts": canonical.dumps({"metadata": {"missing_part": "partial"}, "warnings": []})},
}
LOST = {
    "c2": ("refused_by_source", ""), "c3": ("encrypted", "zip_crypto"), "c4": ("outside_window", ""),
    "s3": ("encrypted", "telemessage"),
}  # fmt: skip


@pytest.fixture
def filled(home: Home) -> Home:
    home.fill("b000001", ITEMS)
    with home.catalogue.write() as connection:
        connection.execute(t.items.update().where(t.items.c.item_id == "b7").values(media_type="video/mp4"))
        for item_id, values in READINGS.items():
            connection.execute(t.readings.update().where(t.readings.c.item_id == item_id).values(**values))
        for item_id, (reason, detail) in LOST.items():
            connection.execute(
                t.items.update().where(t.items.c.item_id == item_id).values(reason=reason, detail=detail)
            )
        marked = canonical.dumps({"metadata": {}, "warnings": ["disappearing"]})
        connection.execute(t.items.update().where(t.items.c.item_id == "t1").values(facts=marked))
        sources = [{"id": name, "custodian": "okafor"} for name in ("mail", "mail-2", "phone")]
        connection.execute(
            t.requests.insert(),
            {"request_id": REQUEST, "version": 1, "received_on": "2026-01-01", "due_on": "2026-01-08",
             "time_zone": "America/Los_Angeles", "state": "open", "opened_at": "2026-01-01"},
        )  # fmt: skip
        connection.execute(
            t.request_versions.insert(),
            {"request_id": REQUEST, "version": 1, "body": canonical.dumps({"sources": sources}),
             "terms": "[]", "terms_csv": "", "at": "", "by": "", "why": ""},
        )  # fmt: skip
        for source, key, expected, reason, kept in (
            ("mail", "inbox", 24, None, None),  # 20 were met
            ("mail-2", "inbox", 2, None, 7),  # as many as expected; the child is no item of its own
            ("mail-2", "sent", None, "unreadable", 7),
        ):
            connection.execute(
                t.scopes.insert(),
                {"request_id": REQUEST, "source_id": source, "scope_key": key, "kind": "folder",
                 "custodian_id": "lee" if source == "mail" else "okafor", "connector": "mail_files",
                 "label": key, "expected": expected, "expected_by": "folder walk", "kept_back": kept,
                 "failure_reason": reason},
            )  # fmt: skip
    home.index("b000001")
    return home


GOLDEN = (
    Gap("encrypted_message", "lee", "mail", 3),
    Gap("encrypted", "lee", "mail", 1),
    Gap("encrypted", "okafor", "mail-2", 2),
    Gap("corrupt", "lee", "mail", 1),
    Gap("needs_ocr", "lee", "mail", 1),
    Gap("over_limit", "lee", "mail", 1),
    Gap("audio_video", "lee", "mail", 2),
    Gap("not_collected", "lee", "mail", 1),
    Gap("unsupported", "lee", "mail", 1),
    Gap("not_read", "lee", "mail", 1),
    Gap("no_text", "lee", "mail", 1),
    Gap("pages_need_ocr", "lee", "mail", 1),
    Gap("partly_read", "lee", "mail", 2),
    Gap("disappearing", "lee", "mail", 1),
    Gap("linked_file", "okafor", "mail-2", 1),
    Gap("parts_missing", "lee", "mail", 3),
    Gap("parts_missing", "okafor", "mail-2", 1),
    Gap("place_failed", "okafor", "mail-2", 1),
    Gap("place_not_listed", "okafor", "phone", 1),
    Gap("fewer_than_expected", "lee", "mail", 4),
    Gap("kept_back", "okafor", "mail-2", 7),
)


def test_every_gap_is_counted_once(filled: Home) -> None:
    found = unsearched(filled.catalogue, filled.engine, REQUEST)
    assert found.gaps == GOLDEN
    # whole: b1 to b9, c1 to c3, s1 to s3; part: a2, a3, d1 to d3, t1; places: mail/inbox, mail-2/sent, phone
    assert (found.whole, found.part, found.places) == (15, 6, 3)


def test_the_rows_add_up_to_the_counts(filled: Home) -> None:
    rows = list(gap_items(filled.catalogue, filled.engine, REQUEST))
    for gap in GOLDEN:
        mine = [r for r in rows if (r.kind, r.custodian, r.source) == (gap.kind, gap.custodian, gap.source)]
        assert sum(row.count for row in mine) == gap.count
    assert GapItem("encrypted", "okafor", "mail-2", "c3", "b2", "", "encrypted") in rows
    assert GapItem("place_failed", "okafor", "mail-2", place="sent", code="unreadable") in rows
    assert sum(row.count for row in rows) == sum(gap.count for gap in GOLDEN)


def test_items_not_searched_are_those_of_the_ledger(filled: Home) -> None:
    found = unsearched(filled.catalogue, filled.engine, REQUEST)
    text = ledger(filled.catalogue, REQUEST).text
    lost = sum(ledger(filled.catalogue, REQUEST).exceptions.values())
    assert text["not_searchable"] == 10
    assert (text["pending"], text["unread"], lost) == (1, 1, 3)
    assert found.whole == 10 + 1 + 1 + 3


def test_a_place_that_is_not_finished_is_not_short(filled: Home) -> None:
    with filled.catalogue.write() as connection:
        connection.execute(
            t.batches.insert(),
            {"request_id": REQUEST, "batch_id": "b000001", "source_id": "mail", "scope_key": "inbox",
             "part": "{}", "collect_state": "running", "extract_state": "waiting",
             "index_state": "waiting", "fence": 1},
        )  # fmt: skip
    gaps = {(gap.kind, gap.source): gap.count for gap in unsearched(
        filled.catalogue, filled.engine, REQUEST).gaps}  # fmt: skip
    assert gaps["place_unfinished", "mail"] == 1
    assert ("fewer_than_expected", "mail") not in gaps


def test_nothing_is_missing_of_what_was_read_in_full(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "budget"}])
    home.index("b000001")
    assert unsearched(home.catalogue, home.engine, REQUEST) == Unsearched((), 0, 0, 0)


def test_every_reason_falls_into_a_kind_that_is_listed() -> None:
    assert set(_BY_REASON) == set(Reason)
    assert set(_BY_REASON.values()) <= {kind.code for kind in GAPS}


def test_the_query_for_links_is_one_a_person_can_run(filled: Home) -> None:
    node = parse(to_text(link_query()), PACIFIC)
    assert node == link_query()
    assert [hit.item_id for hit in filled.engine.search(node)] == ["a2"]


def test_more_links_than_a_page(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.unsearched.PAGE", 2)
    home.fill("b000001", [{"id": f"i{n}", "text": "see 1drv.ms/x"} for n in range(5)])
    home.index("b000001")
    assert unsearched(home.catalogue, home.engine, REQUEST).gaps == (Gap("linked_file", "lee", "mail", 5),)
    with home.catalogue.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.items)) == 5


def test_every_kind_is_documented_in_order() -> None:
    page = (Path(__file__).parents[2] / "docs/terms.md").read_text("utf-8")
    section = page.split("\n## What could not be searched\n", 1)[1]
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\w+) \|$", section, flags=re.MULTILINE)
    assert rows == [(kind.code, kind.extent) for kind in GAPS]
