"""A catalogue, an evidence store and an index filled from plain descriptions of items."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from records import canonical
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.evidence import EvidenceStore
from search.embedded import EmbeddedEngine
from search.indexing import index_batch

REQUEST = "2026-0007"
PACIFIC = ZoneInfo("America/Los_Angeles")


class Home:
    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.catalogue = Catalogue(url or f"sqlite:///{folder}/catalogue.sqlite")
        self.catalogue.migrate()
        self.store = EvidenceStore(folder / "evidence", self.catalogue, REQUEST)
        self.engine = EmbeddedEngine(folder / "index")
        self._segments = 0

    def fill(self, batch_id: str, items: Iterable[dict[str, Any]]) -> None:
        """Store items and readings; each is a dict of what differs from a plain e-mail."""
        self._segments += 1
        writer = self.store.writer(f"s{self._segments}")
        refs, item_rows, reading_rows = {}, [], []
        for position, given in enumerate(items):
            ref = writer.add(given["text"].encode()) if given.get("text") else None
            if ref is not None:
                refs[ref.sha256] = ref
            item_rows.append(_item(batch_id, position, given))
            if given.get("read", True):
                reading_rows.append(_reading(batch_id, given, ref))
        writer.sync()
        writer.close()
        known = self.store.find(refs)
        for table, rows in (
            (t.blobs, self.store.rows(ref for digest, ref in refs.items() if digest not in known)),
            (t.items, item_rows),
            (t.readings, reading_rows),
        ):
            for piece in chunked(rows):
                with self.catalogue.write() as connection:
                    connection.execute(table.insert(), piece)

    def index(self, batch_id: str) -> int:
        return index_batch(self.catalogue, self.store, self.engine, REQUEST, batch_id, PACIFIC)

    def close(self) -> None:
        self.engine.close()
        self.store.close()
        self.catalogue.close()


def _item(batch_id: str, position: int, given: dict[str, Any]) -> dict[str, Any]:
    item_id = given["id"]
    state = given.get("state", "stored")
    return {
        "request_id": REQUEST,
        "item_id": item_id,
        "batch_id": batch_id,
        "source_id": given.get("source", "mail"),
        "scope_key": "inbox",
        "custodian_id": given.get("custodian", "lee"),
        "connector": "mail_files",
        "native_key": item_id,
        "family_id": given.get("family", item_id),
        "parent_id": given.get("parent"),
        "part_path": "" if given.get("parent") is None else item_id,
        "level": 0 if given.get("parent") is None else 1,
        "position": position,
        "kind": given.get("kind", "email"),
        "name": given.get("name"),
        "media_type": None,
        "state": state,
        "reason": None if state == "stored" else "corrupt",
        "detail": None,
        "blob_sha256": given.get("blob", f"blob-{item_id}") if state == "stored" else None,
        "size_bytes": 1,
        "moment_at": None,
        "facts": "{}",
    }


def _reading(batch_id: str, given: dict[str, Any], ref: Any) -> dict[str, Any]:
    return {
        "request_id": REQUEST,
        "item_id": given["id"],
        "batch_id": batch_id,
        "extractor": "mail",
        "extractor_version": "1",
        "kind": given.get("read_kind", given.get("kind", "email")),
        "text_state": given.get("text_state", "searchable" if ref else "not_searchable"),
        "reason": None,
        "detail": None,
        "text_sha256": ref.sha256 if ref else None,
        "text_bytes": ref.size_bytes if ref else 0,
        "subject": given.get("subject", ""),
        "sent_at": given.get("sent_at"),
        "sent_at_text": "",
        "sent_at_basis": "stated",
        "sender": canonical.dumps(given.get("sender", [])),
        "recipients": canonical.dumps(
            {
                "to": given.get("to", []),
                "cc": given.get("cc", []),
                "bcc": given.get("bcc", []),
                "participants": given.get("participants", []),
            }
        ),
        "thread": "{}",
        "content_hash": given.get("content"),
        "mih": None,
        "family_hash": None,
        "children": given.get("children", 0),
        "expected_children": None,
        "pages": None,
        "ocr_pages": canonical.dumps(given.get("ocr_pages", [])),
        "facts": "{}",
        "languages": given.get("languages"),
    }
