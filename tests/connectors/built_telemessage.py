"""Deliveries of TeleMessage: zips of mails with a manifest."""

from __future__ import annotations

import zipfile
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

NAME = "202503040000-TeleMessage_1_1210.zip"


def text(number: int, *fields: str) -> bytes:
    """Return a text as the vendor delivers it."""
    lines = [
        f"Message-ID: <{number}@archive.example>", f"Date: Tue, 04 Mar 2025 18:20:{number % 60:02} +0000",
        "From: +14255550102 <14255550102@sms.example>", "To: Ana Ruiz <ana@example.org>",
        "Subject: SMS Message",
        f"X-TELEMESSAGE-ArchiveMessageID: {number}", "X-TELEMESSAGE-ThreadName: Lee Okafor",
        "X-TELEMESSAGE-THREAD_ID: th-1", "X-TELEMESSAGE-MessageType: SMS", *fields,
        "Content-Type: text/plain; charset=UTF-8", "", f"{SECRET} {number}", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def delivery(path: Path, files: dict[str, bytes], count: int | None, listed: list[str] | None = None) -> None:
    """Write a zip with its manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(files) if listed is None else listed
    manifest = "".join(
        [f"Count: {count}\r\n" if count is not None else "", *(f"{name}\r\n" for name in names)]
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("manifest.mf", manifest)


def deliveries(root: Path) -> Built:
    """One delivery that is whole, one that lacks a mail and has an empty and a sealed one, and a note."""
    whole = {f"{number}.eml": text(number) for number in (1001, 1002)}
    sealed = text(1005, "X-TELEMESSAGE-ENC-DATAKEY: abc")
    other = "202503050000-TeleMessage_1_0000.zip"
    delivery(root / NAME, whole, 2)
    broken = {"1003.eml": text(1003), "1004.eml": b"", "1005.eml": sealed}
    delivery(root / other, broken, 4, [*broken, "1006.eml"])
    (root / "note.txt").write_text(SECRET)
    found = {f"{NAME}!{name}": data for name, data in whole.items()}
    found |= {f"{other}!1003.eml": text(1003), "note.txt": SECRET.encode()}
    failed = {
        f"{other}#1006.eml": Reason.NOT_IN_EXPORT,
        f"{other}!1004.eml": Reason.TRUNCATED,
        f"{other}!1005.eml": Reason.ENCRYPTED,
    }
    excluded = {f"{name}!manifest.mf": Reason.EXPORT_SCAFFOLDING for name in (NAME, other)}
    return Built(str(root), found, failed, excluded, (NAME, other, "."))
