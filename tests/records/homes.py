"""Small catalogues for tests of the records room."""

from __future__ import annotations

from pathlib import Path

from records import tables as t
from records.catalogue import Catalogue
from records.evidence import EvidenceStore

REQUEST = "2026-0001"


def new_catalogue(folder: Path) -> Catalogue:
    catalogue = Catalogue(f"sqlite:///{folder}/catalogue.sqlite")
    catalogue.migrate()
    return catalogue


def new_store(folder: Path, catalogue: Catalogue) -> EvidenceStore:
    return EvidenceStore(folder / "evidence", catalogue, REQUEST)


def add_batch(catalogue: Catalogue, batch_id: str, source: str = "s", scope: str = "k") -> None:
    with catalogue.write() as connection:
        connection.execute(
            t.batches.insert(),
            {
                "request_id": REQUEST,
                "batch_id": batch_id,
                "source_id": source,
                "scope_key": scope,
                "part": "{}",
                "items_planned": None,
                "bytes_planned": None,
                "cursor": None,
                "collect_state": "waiting",
                "extract_state": "waiting",
                "index_state": "waiting",
                "fence": 0,
            },
        )
