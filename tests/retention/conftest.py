"""A home with a catalogue, and a request with items whose every column is said."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.evidence import EvidenceStore
from records.ids import child_item_id, item_id
from tests.servers.postgres import postgres

REQUEST = "R-2026-001"
CUSTODIANS = [
    {"id": "c-sup", "name": "S", "role": "Superintendent", "emails": ["sup@district.example"]},
    {"id": "c-teach", "name": "T", "role": "Teacher", "emails": ["teacher@district.example"]},
    {"id": "c-law", "name": "L", "role": "District counsel", "emails": ["counsel@district.example"]},
    {"id": "c-none", "name": "N", "emails": ["nobody@district.example"]},
]


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once; each test gets a copy."""
    path = tmp_path_factory.mktemp("empty") / "c.sqlite"
    made = Catalogue(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def catalogue(tmp_path: Path, empty: Path):
    (tmp_path / "catalogue").mkdir()
    shutil.copy(empty, tmp_path / "catalogue" / "c.sqlite")
    made = Catalogue(f"sqlite:///{tmp_path}/catalogue/c.sqlite")
    yield made
    made.close()


@pytest.fixture(scope="session")
def server():
    with postgres() as address:
        yield address


@pytest.fixture
def on_postgres(server: str):
    """A catalogue on a PostgreSQL of its own."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    made = Catalogue(f"{server}/{name}")
    made.migrate()
    yield made
    made.close()


@dataclass
class Bench:
    """Puts items into a request, as the rooms before would."""

    catalogue: Catalogue
    store: EvidenceStore
    request_id: str = REQUEST

    def open_request(self, **changes: Any) -> None:
        with self.catalogue.write() as connection:
            connection.execute(
                t.requests.insert(),
                {
                    "request_id": self.request_id,
                    "version": 1,
                    "received_on": "2026-09-08",
                    "due_on": "2026-09-15",
                    "time_zone": "America/Los_Angeles",
                    "state": "open",
                    "opened_at": "2026-09-08T15:00:00.000000Z",
                    "closed_at": None,
                    **changes,
                },
            )
            version = {
                "request_id": self.request_id,
                "version": 1,
                "body": canonical.dumps({"custodians": CUSTODIANS}),
                "at": "2026-09-08T15:00:00.000000Z",
                "by": "pro",
                "why": "opened",
            }
            words = {column.name: "[]" for column in t.request_versions.c if column.name.startswith("terms")}
            connection.execute(t.request_versions.insert(), version | words)

    def add(
        self,
        key: str,
        *,
        custodian: str = "c-teach",
        kind: str = "email",
        subject: str = "",
        text: str | None = "",
        name: str | None = None,
        sent_at: str | None = "2026-03-02T18:00:00.000000Z",
        basis: str = "stated",
        moment_at: str | None = None,
        sender: str = "",
        to: tuple[str, ...] = (),
        parent: str | None = None,
        part: str = "",
        position: int = 1,
        state: str = "stored",
        hit: bool = False,
        metadata: dict[str, str] | None = None,
        warnings: tuple[str, ...] = (),
        reading: bool = True,
        batch: str = "b000001",
    ) -> str:
        """Add an item; ``parent`` is the id of the item that carries it. Returns its id."""
        family, level = None, 0
        if parent is None:
            new = item_id(custodian, "s1", "inbox", key)
        else:
            new = child_item_id(custodian, "s1", "inbox", key, parent, part)
            with self.catalogue.read() as connection:
                row = connection.execute(t.items.select().where(t.items.c.item_id == parent)).one()
            family, level = row.family_id, row.level + 1
        digest = self._store_text(new, text) if text else None
        common = {"request_id": self.request_id, "item_id": new, "batch_id": batch}
        facts = canonical.dumps({"metadata": metadata or {}, "warnings": list(warnings)})
        with self.catalogue.write() as connection:
            connection.execute(
                t.items.insert(),
                {
                    **common,
                    "source_id": "s1",
                    "scope_key": "inbox",
                    "custodian_id": custodian,
                    "connector": "mail_files",
                    "native_key": key,
                    "family_id": family or new,
                    "parent_id": parent,
                    "part_path": part,
                    "level": level,
                    "position": position,
                    "kind": kind,
                    "name": name,
                    "media_type": None,
                    "state": state,
                    "reason": None,
                    "detail": None,
                    "blob_sha256": digest if state == "stored" else None,
                    "size_bytes": 1,
                    "moment_at": moment_at,
                    "facts": facts,
                },
            )
            if reading:
                connection.execute(
                    t.readings.insert(),
                    {
                        **common,
                        "extractor": "x",
                        "extractor_version": "1",
                        "kind": kind,
                        "text_state": "searchable",
                        "text_sha256": digest,
                        "text_bytes": len(text or ""),
                        "subject": subject,
                        "sent_at": sent_at,
                        "sent_at_text": "",
                        "sent_at_basis": basis,
                        "sender": canonical.dumps([["", sender]] if sender else []),
                        "recipients": canonical.dumps(
                            {
                                "to": [["", address] for address in to],
                                "cc": [],
                                "bcc": [],
                                "participants": [],
                            }
                        ),
                        "thread": "{}",
                        "children": 0,
                        "ocr_pages": "[]",
                        "facts": "{}",
                    },
                )
            if hit:
                connection.execute(
                    t.hits.insert(),
                    {
                        "request_id": self.request_id,
                        "version": 1,
                        "term_no": 1,
                        "item_id": new,
                        "family_id": family or new,
                        "occurrences": 1,
                    },
                )
        return new

    def _store_text(self, name: str, text: str) -> str:
        writer = self.store.writer(f"t-{name}")
        ref = writer.add(text.encode())
        writer.sync()
        writer.close()
        if not self.store.find([ref.sha256]):
            with self.catalogue.write() as connection:
                connection.execute(t.blobs.insert(), self.store.rows([ref]))
        return ref.sha256

    def flags(self) -> list[Any]:
        f = t.retention_flags.c
        with self.catalogue.read() as connection:
            return list(connection.execute(t.retention_flags.select().order_by(f.item_id, f.seq)))


@pytest.fixture
def bench(catalogue: Catalogue, tmp_path: Path):
    store = EvidenceStore(tmp_path / "requests" / REQUEST / "evidence", catalogue, REQUEST)
    made = Bench(catalogue, store)
    made.open_request()
    yield made
    store.close()
