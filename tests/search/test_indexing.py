from __future__ import annotations

from datetime import date

import pytest

from records import canonical
from records import tables as t
from records.errors import CheckFailed
from search import indexing
from search.indexing import documents
from search.tree import Field, Not, Prefix, Word
from tests.search.home import PACIFIC, REQUEST, Home

MAIL = {
    "id": "m1",
    "subject": "Bus route",
    "text": "The text",
    "name": "m1.eml",
    "sent_at": "2026-01-01T07:59:59.000000Z",
    "sender": [["Ann Lee", "ann@x.example"]],
    "to": [["", "ben@x.example"], ["Cy", "cy@x.example"]],
    "cc": [["Di", "di@x.example"]],
    "bcc": [["Ed", ""]],
    "content": "ec-1",
    "children": 1,
}


def test_an_item_as_the_index_sees_it(home: Home) -> None:
    home.fill("b000001", [MAIL])
    (found,) = documents(home.catalogue, home.store, REQUEST, ["m1"], PACIFIC)
    assert found.subject == "Bus route"
    assert found.text == "The text"
    assert found.filename == "m1.eml"
    assert found.sender == "Ann Lee ann@x.example"
    assert found.to == "ben@x.example Cy cy@x.example"
    assert found.cc == "Di di@x.example"
    assert found.bcc == "Ed"
    assert found.participants == "Ann Lee ann@x.example ben@x.example Cy cy@x.example Di di@x.example Ed"
    assert found.sent_on == date(2025, 12, 31)  # one second before eight in UTC is still the old year there
    assert found.has == ("attachment", "date", "text")
    assert found.distinct_key == "ec-1"
    assert (found.item_id, found.family_id, found.parent_id) == ("m1", "m1", None)
    assert (found.source_id, found.custodian_id, found.kind) == ("mail", "lee", "email")


def test_items_without_text_or_reading_are_documents_too(home: Home) -> None:
    home.fill(
        "b000001",
        [
            {"id": "a", "name": "scan.pdf", "kind": "file", "text_state": "pending"},
            {"id": "b", "name": "mixed.pdf", "kind": "file", "text": "one page", "ocr_pages": [2]},
            {"id": "c", "name": "unread.bin", "kind": "file", "read": False},
            {"id": "d", "participants": [["", "+12065550100"]], "kind": "file", "read_kind": "message"},
            {"id": "e", "state": "failed"},
        ],
    )
    assert home.index("b000001") == 4
    found = {one.item_id: one for one in documents(home.catalogue, home.store, REQUEST, "abcde", PACIFIC)}
    assert {item: one.has for item, one in found.items()} == {
        "a": ("ocr_pending",),
        "b": ("text", "ocr_pending"),
        "c": (),
        "d": (),
    }
    assert found["a"].distinct_key == "blob-a"
    assert found["c"].kind == "file"
    assert {item: one.doc_type for item, one in found.items()} == {
        "a": "pdf", "b": "pdf", "c": "other", "d": "text_message",
    }  # fmt: skip
    assert [hit.item_id for hit in home.engine.search(Field("type", Word("pdf")))] == ["a", "b"]
    assert found["d"].kind == "message"
    assert found["d"].participants == "+12065550100"
    assert [hit.item_id for hit in home.engine.search(Word("pdf"))] == ["a", "b"]
    assert [hit.item_id for hit in home.engine.search(Word("12065550100"))] == ["d"]


def test_languages_are_searched_each(home: Home) -> None:
    home.fill(
        "b000001",
        [
            {"id": "a", "text": "x", "languages": "es:98"},
            {"id": "b", "text": "y", "languages": "en:71 es:28"},
            {"id": "c", "text": "z"},
        ],
    )
    assert home.index("b000001") == 3
    asked = {"es": Word("es"), "en": Word("en"), "und": Word("und"), "e*": Prefix("e"), "so": Word("so")}
    found = {name: home.engine.search(Field("lang", leaf)) for name, leaf in asked.items()}
    assert {name: [hit.item_id for hit in hits] for name, hits in found.items()} == {
        "es": ["a", "b"], "en": ["b"], "und": ["c"], "e*": ["a", "b"], "so": [],
    }  # fmt: skip


def test_a_batch_is_indexed_whole_and_again(home: Home) -> None:
    home.fill("b000001", [{"id": f"i{n:04d}", "text": f"word{n} same"} for n in range(903)])
    home.fill("b000002", [{"id": "other", "text": "same"}])
    assert home.index("b000001") == 903
    assert home.index("b000001") == 903
    assert home.engine.count(Word("same")).documents == 903
    assert home.index("b000002") == 1
    assert home.index("b000009") == 0
    state = home.engine.state()
    assert (state.documents, state.batches) == (904, 3)


def test_texts_are_held_in_slices(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing, "SLICE_BYTES", 250)
    held: list[int] = []
    read = indexing._texts
    monkeypatch.setattr(
        indexing,
        "_texts",
        lambda *given: (texts := read(*given), held.append(sum(map(len, texts.values()))))[0],
    )
    home.fill(
        "b000001",
        [{"id": f"i{n}", "text": f"{n}" * 100} for n in range(8)] + [{"id": "long", "text": "z" * 900}],
    )
    assert home.index("b000001") == 9
    assert held == [200, 200, 200, 200, 900]


def test_a_text_that_was_removed_on_purpose_is_searched_without(home: Home) -> None:
    home.fill("b000001", [MAIL | {"text": "gone words"}])
    with home.catalogue.write() as connection:
        digest = connection.scalar(t.readings.select().with_only_columns(t.readings.c.text_sha256))
        connection.execute(t.blobs.delete())
    with pytest.raises(CheckFailed, match="1 stored texts are not in the evidence store"):
        home.index("b000001")
    assert home.engine.state().documents == 0
    with home.catalogue.write() as connection:
        connection.execute(
            t.tombstones.insert(),
            {
                "request_id": REQUEST,
                "sha256": digest,
                "at": canonical.now_text(),
                "by": "x",
                "why": "y",
                "authority": "z",
            },
        )
    assert home.index("b000001") == 1
    assert home.engine.search(Word("gone")) == []
    assert len(home.engine.search(Word("route"))) == 1


def test_a_damaged_text_stops_the_batch(home: Home) -> None:
    home.fill("b000001", [{"id": "a", "text": "fine"}, {"id": "b", "text": "to be damaged"}])
    home.store.close()
    (segment,) = home.store.folder.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[-3] ^= 0xFF
    segment.write_bytes(data)
    with pytest.raises(CheckFailed, match="is corrupt: run store verify") as caught:
        home.index("b000001")
    assert "damaged" not in str(caught.value)
    assert home.engine.count(Not(Word("x"))).documents == 0
