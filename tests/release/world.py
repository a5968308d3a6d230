"""A small request in a real catalogue and a real evidence store, built by hand."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import sqlalchemy as sa

from records import canonical
from records import tables as t
from records.catalogue import Catalogue
from records.decisions import Decision, Exemption, Hold, Treatment
from records.evidence import EvidenceStore
from records.ids import child_item_id, item_id, sha256_hex
from release.context import ReleaseContext, Unsearchable

REQUEST = "prr-2026-14"
STUDENT = Exemption("student-any-record", "It tells the grades of one pupil who is named throughout.")
COUNSEL = Exemption(
    "attorney-client", "Advice of the district's counsel on a claim, asked for in confidence."
)
RELEASE = Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE)
WITHHOLD = Decision(public_record=True, responsive=True, treatment=Treatment.WITHHOLD, exemptions=(STUDENT,))
PRIVILEGED = Decision(
    public_record=True, responsive=True, treatment=Treatment.WITHHOLD, exemptions=(COUNSEL,)
)
REDACT = Decision(public_record=True, responsive=True, treatment=Treatment.REDACT, exemptions=(STUDENT,))
PERSONAL = Decision(public_record=False, facts="Dinner plans with a cousin on Sunday evening.")
UNRESPONSIVE = Decision(public_record=True, responsive=False)
OPEN = None

CITATIONS = {
    "student-any-record": "RCW 42.56.230(2)(a)(iii)",
    "attorney-client": "RCW 5.60.060(2)(a); RCW 42.56.070(1)",
}
LEDGER = {
    "balanced": True,
    "scopes": [
        {
            "source": "mail",
            "scope": "Inbox/secret-folder-name.mbox",
            "expected": 4,
            "expected_by": "byte scan",
            "found": 4,
            "stored": 3,
            "failed": 1,
            "excluded": 0,
            "balanced": True,
        }
    ],
    "children": {"found": 2, "stored": 2, "failed": 0, "excluded": 0, "expected_more": 0},
    "text": {
        "stored": 5,
        "searchable": 4,
        "not_searchable": 1,
        "pending": 0,
        "unread": 0,
        "by_reason": {"encrypted": 1},
    },
    "review": {},
}


def hold(*holds: Hold) -> Decision:
    return Decision(public_record=True, responsive=True, treatment=Treatment.RELEASE, holds=tuple(holds))


def context(**changes) -> ReleaseContext:
    values = {
        "request_text": "All communications about the bus route change at Cedar Falls Middle School",
        "received_on": date(2026, 9, 8),
        "zone": "America/Los_Angeles",
        "prefix": "CFS",
        "requester_label": "the requester",
        "ledger": LEDGER,
        "unsearchable": (Unsearchable("mail", "encrypted", 1),),
        "citations": CITATIONS,
        "log_people": {"clerk@cedarfalls.example": "A. Clerk, school office"},
        "agency": "Cedar Falls School District",
        "office": {"costs": [{"what": "copies", "cents": 15}]},
        **changes,
    }
    return ReleaseContext(**values)


def mail(subject: str, body: str, *parts: tuple[str, bytes], sender="clerk@cedarfalls.example") -> bytes:
    """A MIME message with attachments, byte for byte the same every time."""
    message = EmailMessage()
    message["From"] = f"A. Clerk <{sender}>"
    message["To"] = "parent@home.example"
    message["Subject"] = subject
    message["Date"] = "Fri, 02 Jan 2026 17:04:05 +0000"
    message.set_content(body)
    for number, (name, data) in enumerate(parts):
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
        message.set_boundary(f"=={number}==")
    return message.as_bytes()


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), data)
    return out.getvalue()


@dataclass
class World:
    """Adds items one by one; the counter keeps ids, times and positions apart."""

    home: Path
    catalogue: Catalogue
    store: EvidenceStore
    count: int = 0
    segments: int = 0
    decided: int = 0
    top: dict[str, str] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    at: datetime = datetime(2026, 1, 2, 17, 4, 5, tzinfo=UTC)

    def add(
        self,
        decision: Decision | None = OPEN,
        *,
        native: bytes | None = None,
        text: str = "",
        subject: str = "",
        name: str | None = None,
        parent: str | None = None,
        kind: str = "email",
        state: str = "stored",
        reason: str | None = None,
        text_state: str = "searchable",
        text_reason: str | None = None,
        hit: bool = True,
        custodian: str = "c1",
        days: int | None = None,
        sender=(("A. Clerk", "clerk@cedarfalls.example"),),
        to=(("", "parent@home.example"),),
        content_hash: str | None = None,
        expected_children: int | None = None,
        children: int = 0,
        media_type: str | None = None,
        at: datetime | None = None,
        said_at: str = "",
        group: str = "",
        facts: dict | None = None,
        warnings: tuple[str, ...] = (),
        under: str = "",
    ) -> str:
        self.count += 1
        key = f"{under}n{self.count:06d}"
        this = (
            item_id(custodian, "mail", "Inbox", key)
            if parent is None
            else child_item_id(custodian, "mail", "Inbox", key, parent, key)
        )
        self.top[this] = this if parent is None else self.top[parent]
        self.levels[this] = 0 if parent is None else self.levels[parent] + 1
        if native is None:
            native = (
                mail(subject or f"subject {key}", text or f"body {key}") if kind == "email" else key.encode()
            )
        moment = canonical.utc_text(at) if at and state != "stored" else None
        at = at or self.at + timedelta(days=self.count if days is None else days)
        told = {"metadata": {"group": group} if group else {}, "warnings": []}
        read = {"metadata": facts or {}, "warnings": list(warnings)}
        stored = state == "stored"
        blob = self.put(native) if stored else None
        text_sha256 = self.put(text.encode()) if stored and text else None
        with self.catalogue.write() as connection:
            connection.execute(
                t.items.insert(),
                {
                    "request_id": REQUEST, "item_id": this, "batch_id": "b000001", "source_id": "mail",
                    "scope_key": "Inbox", "custodian_id": custodian, "connector": "mail_files",
                    "native_key": key, "family_id": self.top[this], "parent_id": parent,
                    "part_path": "" if parent is None else key, "level": self.levels[this],
                    "position": self.count, "kind": kind, "name": name,
                    "media_type": media_type, "state": state, "reason": reason, "detail": None,
                    "blob_sha256": blob, "size_bytes": len(native) if stored else None,
                    "moment_at": moment, "facts": canonical.dumps(told),
                },
            )  # fmt: skip
            if stored:
                connection.execute(
                    t.readings.insert(),
                    {
                        "request_id": REQUEST, "item_id": this, "batch_id": "b000001", "extractor": "mail",
                        "extractor_version": "1", "kind": kind, "text_state": text_state,
                        "reason": text_reason,
                        "detail": None, "text_sha256": text_sha256,
                        "text_bytes": len(text.encode()), "subject": subject,
                        "sent_at": canonical.utc_text(at) if days != -1 else None,
                        "sent_at_text": said_at, "sent_at_basis": "stated" if days != -1 else "none",
                        "sender": canonical.dumps([list(p) for p in sender]),
                        "recipients": canonical.dumps({
                            "to": [list(p) for p in to], "cc": [], "bcc": [], "participants": []
                        }),
                        "thread": "{}", "content_hash": content_hash, "mih": None, "family_hash": None,
                        "children": children, "expected_children": expected_children, "pages": None,
                        "ocr_pages": "[]", "facts": canonical.dumps(read),
                    },
                )  # fmt: skip
            if hit and parent is None:
                connection.execute(
                    t.hits.insert(),
                    {"request_id": REQUEST, "version": 1, "term_no": 1, "item_id": this, "family_id": this,
                     "occurrences": 1},
                )  # fmt: skip
        if decision is not None:
            self.decide(this, decision)
        return this

    def put(self, data: bytes) -> str:
        digest = sha256_hex(data)
        if digest not in self.store.find([digest]):
            self.segments += 1
            writer = self.store.writer(f"s{self.segments:06d}")
            ref = writer.add(data)
            writer.close()
            with self.catalogue.write() as connection:
                connection.execute(t.blobs.insert(), self.store.rows([ref]))
        return digest

    def decide(
        self, item: str, decision: Decision, *, by: str = "R. Officer", on: str | None = "same"
    ) -> None:
        """Append a decision; ``on`` is the digest it was made on, or the item's own."""
        with self.catalogue.write() as connection:
            if on == "same":
                on = connection.execute(t.items.select().where(t.items.c.item_id == item)).one().blob_sha256
            seq = len(connection.execute(t.decisions.select().where(t.decisions.c.item_id == item)).all()) + 1
            self.decided += 1
            connection.execute(
                t.decisions.insert(),
                {
                    "request_id": REQUEST,
                    "item_id": item,
                    "seq": seq,
                    "version": 1,
                    "blob_sha256": on,
                    "body": decision.to_json(),
                    "by": by,
                    "at": canonical.utc_text(
                        datetime(2026, 10, 1, tzinfo=UTC) + timedelta(minutes=self.decided)
                    ),
                },
            )

    def flag(self, item: str, seq: int, series: str | None, **body: str) -> None:
        """A retention flag: ``seq`` 0 is the rules' suggestion, a person's answers follow."""
        with self.catalogue.write() as connection:
            connection.execute(
                t.retention_flags.insert(),
                {
                    "request_id": REQUEST,
                    "item_id": item,
                    "seq": seq,
                    "series_id": series,
                    "body": canonical.dumps(body),
                    "by": "rules" if seq == 0 else "R. Officer",
                    "at": "2026-10-01T00:00:00.000000Z",
                },
            )

    def row(self, table, **equals):
        with self.catalogue.read() as connection:
            query = table.select()
            for name, value in equals.items():
                query = query.where(table.c[name] == value)
            return connection.execute(query).one()


def new_world(home: Path, url: str | None = None) -> World:
    """Make a home with one request in it, or open one that a test copied."""
    catalogue = Catalogue(url or f"sqlite:///{home}/catalogue/daylight.sqlite")
    if catalogue.dialect == "sqlite":

        @sa.event.listens_for(catalogue.engine, "connect")
        def _fast(connection, _record):
            connection.execute("PRAGMA synchronous=OFF")  # a test survives no power cut

    with catalogue.engine.connect() as connection:
        there = sa.inspect(connection).has_table("requests")
    if not there:
        catalogue.migrate()
        _open_request(catalogue)
    return World(home, catalogue, EvidenceStore(home / "requests" / REQUEST / "evidence", catalogue, REQUEST))


def _open_request(catalogue: Catalogue) -> None:
    body = {
        "text": "All communications about the bus route change at Cedar Falls Middle School",
        "custodians": [{"id": "c1", "name": "Ada Clerk"}, {"id": "c2", "name": "Ben Driver"}],
    }
    opened = "2026-09-08T17:00:00.000000Z"
    with catalogue.write() as connection:
        connection.execute(
            t.requests.insert(),
            filled(
                t.requests, request_id=REQUEST, version=1, received_on="2026-09-08", due_on="2026-09-15",
                time_zone="America/Los_Angeles", state="complete", opened_at=opened,
            ),
        )  # fmt: skip
        connection.execute(
            t.request_versions.insert(),
            filled(
                t.request_versions, request_id=REQUEST, version=1, body=canonical.dumps(body),
                terms=canonical.dumps([{"line": 1, "term": "bus route", "note": ""}]), at=opened,
                by="R. Officer", why="opened",
            ),
        )  # fmt: skip


def filled(table: sa.Table, **values) -> dict:
    """A row whose required columns that do not matter here are empty."""
    rest = {
        column.name: 0 if isinstance(column.type, sa.Integer) else ""
        for column in table.columns
        if not column.nullable and column.name not in values
    }
    return {**rest, **values}
