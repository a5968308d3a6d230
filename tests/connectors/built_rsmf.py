"""Short messages in Relativity's form: a mail that carries the zip, and an unpacked one."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

PEOPLE = [
    {"id": "a", "display": "Ana Ruiz", "email": "ana@example.org"},
    {"id": "l", "display": "Lee Okafor", "account_id": "+12065550101"},
    {"id": 7, "display": "Sam Ito"},
]
CONVERSATIONS = [
    {"id": "c1", "platform": "sms", "type": "direct", "display": "Gate", "participants": ["a", "l", 7]}
]


def event(number: int, **about: Any) -> dict[str, Any]:
    """Return a message of Lee's."""
    return {
        "type": "message", "id": f"e{number}", "conversation": "c1", "participant": "l",
        "timestamp": f"2025-03-04T18:20:{number:02}Z", "body": f"{SECRET} {number}", **about,
    }  # fmt: skip


EVENTS = [
    event(1, attachments=[{"id": "photo.jpg", "display": f"{SECRET}.jpg"}, {"id": "lost.jpg"}]),
    event(2, edits=[{"participant": "l", "previous": "before", "new": "after"}]),
    event(3, deleted=True),
    event(4, type="join", participant=7, body=""),
    event(4),
    event(5, id=None),
]


def texts(events: list[dict[str, Any]]) -> list[bytes]:
    """Return events as the manifest has them."""
    return [json.dumps(one).encode() for one in events]


def manifest(events: list[dict[str, Any]]) -> bytes:
    """Return a manifest."""
    lists = {"version": "2.0.0", "participants": PEOPLE, "conversations": CONVERSATIONS}
    return json.dumps(lists)[:-1].encode() + b', "events": [\n' + b",\n".join(texts(events)) + b"\n]}"


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def mail(data: bytes, count: int | None, name: str = "rsmf.zip", encoding: str = "base64") -> bytes:
    """Return a mail that carries a zip."""
    lines = [
        "From: l@example.org", "X-RSMF-Version: 2.0.0", "X-RSMF-Custodian: Ana Ruiz",
        *([f"X-RSMF-EventCount: {count}"] if count is not None else ()), "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="R"', "", "--R", "Content-Type: text/plain", "", SECRET,
        "--R", f'Content-Type: application/zip;\r\n name="{name}"', f"Content-Transfer-Encoding: {encoding}",
        f'Content-Disposition: attachment;\r\n filename="{name}"', "", "",
    ]  # fmt: skip
    head = "\r\n".join(lines).encode()
    return head + base64.encodebytes(data).replace(b"\n", b"\r\n") + b"--R--\r\n"


def files(root: Path) -> Built:
    """A mail with six events, and two in an unpacked folder, beside a note."""
    events, more = texts(EVENTS), [event(1, attachments=[{"id": "plan.pdf"}]), event(2)]
    held = {"photo.jpg": b"\xff\xd8\xff\xe0 x", "avatar.png": b"\x89PNG"}
    written = {
        "gate.rsmf": mail(zipped({"rsmf_manifest.json": manifest(EVENTS), **held}), len(EVENTS)),
        "unpacked/rsmf_manifest.json": manifest(more),
        "unpacked/plan.pdf": b"%PDF-1.4",
        "note.txt": SECRET.encode(),
    }
    for name, data in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    keys = ["gate.rsmf#e1", "gate.rsmf#e2", "gate.rsmf#e3", "gate.rsmf#e4", "gate.rsmf#e4:1"]
    found = dict(zip(keys, events, strict=False)) | keyed(events[5:])
    found |= {f"gate.rsmf!{name}": data for name, data in held.items()}
    other = "unpacked/rsmf_manifest.json"
    found |= {f"{other}#e1": texts(more)[0], f"{other}#e2": texts(more)[1], "unpacked/plan.pdf": b"%PDF-1.4"}
    found["note.txt"] = written["note.txt"]
    failed = {"gate.rsmf#e1#0": Reason.NOT_IN_EXPORT}
    return Built(str(root), found, failed, {}, ("gate.rsmf", other, "."))
