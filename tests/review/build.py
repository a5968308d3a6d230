"""A small request in a catalogue of its own, written straight into the tables, for this room's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from records import canonical, ids
from records import tables as t
from records.catalogue import Catalogue, chunked
from records.evidence import EvidenceStore
from records.settings import Settings

REQUEST = "r-0001"
NOW = "2026-09-08T17:00:00.000000Z"


@cache
def _migrated() -> bytes:
    """An empty catalogue, made once: migrating takes longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.sqlite"
        catalogue = Catalogue(f"sqlite:///{path}")
        catalogue.migrate()
        catalogue.close()
        return path.read_bytes()


@dataclass
class Desk:
    """A home with one request; ``add`` puts families in, ``save`` writes them."""

    home: Path
    terms: tuple[str, ...] = ("bus route", "stop sign*")
    zone: str = "America/Los_Angeles"
    request_id: str = REQUEST
    address: str | None = None  # of another catalogue than the home's own SQLite
    rows: dict[str, list[dict]] = field(default_factory=lambda: {"items": [], "readings": [], "hits": []})

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.home, catalogue=self.address or "")
        if self.address is None:
            place = self.home / "catalogue" / "daylight.sqlite"
            place.parent.mkdir(parents=True)
            place.write_bytes(_migrated())
        self.catalogue = Catalogue(self.settings.catalogue_url)
        if self.address is not None:
            self.catalogue.migrate()
        self.store = EvidenceStore(
            self.settings.request_folder(self.request_id) / "evidence", self.catalogue, self.request_id
        )
        self._writer = self.store.writer("a1")
        self._refs = {}
        self._tops = {}
        terms = [{"line": no, "term": term, "note": ""} for no, term in enumerate(self.terms, start=1)]
        body = {"text": "All communications about the bus route change", "time_zone": self.zone}
        with self.catalogue.write() as connection:
            connection.execute(
                t.requests.insert(),
                {
                    "request_id": self.request_id,
                    "version": 1,
                    "received_on": "2026-09-08",
                    "due_on": "2026-09-15",
                    "time_zone": self.zone,
                    "state": "open",
                    "opened_at": NOW,
                },
            )
            connection.execute(
                t.request_versions.insert(),
                {
                    "request_id": self.request_id,
                    "version": 1,
                    "body": canonical.dumps(body),
                    "terms": canonical.dumps(terms),
                    "terms_csv": "",
                    "at": NOW,
                    "by": "P. Officer",
                    "why": "opened",
                },
            )

    def _blob(self, data: bytes) -> str:
        digest = ids.sha256_hex(data)
        if digest not in self._refs:
            self._refs[digest] = self._writer.add(data, digest)
        return digest

    def add(
        self,
        key: str,
        *,
        parent: str | None = None,
        kind: str = "email",
        subject: str = "",
        text: str | None = "",
        native: bytes | None = None,
        name: str | None = None,
        media_type: str | None = "message/rfc822",
        sent_at: str | None = "2026-03-04T15:05:06.000000Z",
        sent_at_text: str = "",
        basis: str = "stated",
        sender: list | None = None,
        to: list | None = None,
        cc: list | None = None,
        thread: dict | None = None,
        hits: dict[int, int] | None = None,
        state: str = "stored",
        reason: str | None = None,
        text_state: str = "searchable",
        custodian: str = "c-lee",
        warnings: tuple = (),
    ) -> str:
        """Add one item; ``key`` is its native key, or its part path when ``parent`` is given."""
        above = self._tops.get(parent)
        if above is None:
            item_id = ids.item_id(custodian, "s-mail", "inbox", key)
            family_id, level, native_key, part = item_id, 0, key, ""
        else:
            native_key, part = above["native_key"], key
            item_id = ids.child_item_id(custodian, "s-mail", "inbox", native_key, parent, key)
            family_id, level = above["family_id"], above["level"] + 1
            sent_at = sent_at if kind == "email" else None
            basis = basis if sent_at else "none"
        data = native if native is not None else f"native of {native_key} {part} {text}".encode()
        stored = state == "stored"
        self.rows["items"].append(
            {
                "request_id": self.request_id,
                "item_id": item_id,
                "batch_id": "b000001",
                "source_id": "s-mail",
                "scope_key": "inbox",
                "custodian_id": custodian,
                "connector": "mail_files",
                "native_key": native_key,
                "family_id": family_id,
                "parent_id": parent,
                "part_path": part,
                "level": level,
                "position": len(self.rows["items"]),
                "kind": kind,
                "name": name,
                "media_type": media_type,
                "state": state,
                "reason": None if stored else reason,
                "detail": None,
                "blob_sha256": self._blob(data) if stored else None,
                "size_bytes": len(data) if stored else None,
                "moment_at": None,
                "facts": "{}",
            }
        )
        self._tops[item_id] = self.rows["items"][-1]
        if stored:
            self._read(item_id, kind, subject, text, sent_at, sent_at_text, basis, sender, to, cc, thread,
                       text_state, reason, warnings)  # fmt: skip
        for term_no, count in (hits or {}).items():
            self.rows["hits"].append(
                {
                    "request_id": self.request_id,
                    "version": 1,
                    "term_no": term_no,
                    "item_id": item_id,
                    "family_id": family_id,
                    "occurrences": count,
                }
            )
        return item_id

    def _read(self, item_id, kind, subject, text, sent_at, sent_at_text, basis, sender, to, cc, thread,
              text_state, reason, warnings):  # fmt: skip
        self.rows["readings"].append(
            {
                "request_id": self.request_id,
                "item_id": item_id,
                "batch_id": "b000001",
                "extractor": "mail",
                "extractor_version": "1",
                "kind": kind,
                "text_state": text_state,
                "reason": reason,
                "detail": None,
                "text_sha256": self._blob(text.encode()) if text else None,
                "text_bytes": len((text or "").encode()),
                "subject": subject,
                "sent_at": sent_at,
                "sent_at_text": sent_at_text,
                "sent_at_basis": basis,
                "sender": canonical.dumps(sender or []),
                "recipients": canonical.dumps(
                    {"to": to or [], "cc": cc or [], "bcc": [], "participants": []}
                ),
                "thread": canonical.dumps(
                    {
                        "message_id": "",
                        "in_reply_to": "",
                        "references": "",
                        "thread_key": "",
                        **(thread or {}),
                    }
                ),
                "children": 0,
                "ocr_pages": "[]",
                "facts": canonical.dumps({"metadata": {}, "warnings": list(warnings)}),
                "languages": "en:71 es:28" if text else None,
            }
        )

    def save(self) -> Desk:
        """Write what was added since the last time."""
        self._writer.sync()
        refs = self.store.rows(self._refs.values())
        known = set(self.store.find(self._refs))
        with self.catalogue.write() as connection:
            for piece in chunked([row for row in refs if row["sha256"] not in known]):
                connection.execute(t.blobs.insert(), piece)
            for table in ("items", "readings", "hits"):
                for piece in chunked(self.rows[table]):
                    connection.execute(t.metadata.tables[table].insert(), piece)
        self.rows = {"items": [], "readings": [], "hits": []}
        return self

    def close(self) -> None:
        """Close files and connections."""
        self._writer.close()
        self.store.close()
        self.catalogue.close()


def small(home: Path, address: str | None = None) -> tuple[Desk, dict[str, str]]:
    """A request with three families in review and one that is not.

    ``mail`` with ``letter`` (docx) and ``photo`` (could not be taken out); ``reply`` in the same thread, with
    an attorney; ``text`` a text message; ``lunch`` without a hit.
    """
    desk = Desk(home, address=address)
    made: dict[str, str] = {}
    made["reply"] = desk.add(
        "2",
        subject="Re: Bus route 12",
        text="Counsel says the bus route may change.",
        sent_at="2026-03-05T17:00:00.000000Z",
        sender=[["Dana Reed", "dana.reed@reedlaw.example"]],
        to=[["Kim Lee", "klee@cedarfalls.example"]],
        thread={"message_id": "<b@x>", "in_reply_to": "<a@x>", "references": "<a@x>"},
        hits={1: 1},
    )
    made["mail"] = desk.add(
        "1",
        subject="Bus route 12",
        text="The bus route\n\nchanges on Monday. " + "Please tell the families. " * 20,
        sender=[["Kim Lee", "klee@cedarfalls.example"]],
        to=[["Ana Cruz", "acruz@cedarfalls.example"], ["", "office@cedarfalls.example"]],
        thread={"message_id": "<a@x>"},
        hits={1: 2, 2: 1},
    )
    made["letter"] = desk.add(
        "1",
        parent=made["mail"],
        kind="file",
        name="=letter.docx",
        text="Dear families",
        media_type="application/x",
    )
    made["photo"] = desk.add(
        "2", parent=made["mail"], kind="file", name="photo.zip", state="failed", reason="encrypted"
    )
    made["text"] = desk.add(
        "3",
        kind="message",
        text="bus route?",
        sent_at="2026-07-01T18:00:00.000000Z",
        basis="assumed_zone",
        sender=[["", "+13605550101"]],
        to=[["", "+13605550102"]],
        thread={"thread_key": "+13605550101"},
        hits={1: 1},
        media_type=None,
    )
    made["lunch"] = desk.add("4", subject="Lunch", text="Sandwiches")
    return desk.save(), made
