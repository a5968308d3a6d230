"""Export packages for the contract suite."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import Built, keyed
from tests.connectors.packages import (
    ANA,
    LEE,
    Mail,
    VaultPackage,
    csv_bytes,
    document,
    metadata_xml,
    write,
    zip_bytes,
)


def vault(root: Path) -> Built:
    """The present layout: two holders, parts, files of Drive, mails that entered no PST, one error."""
    mails = [Mail(n) for n in range(5)] + [Mail(n, LEE) for n in range(5, 8)]
    package = VaultPackage(mails=mails, errors=[("msg-f:1", "MESSAGE_ERROR")])
    eml = Mail(20).raw
    package.files = {
        "Export1-drive-links.csv": csv_bytes(
            ("Account", "Rfc822MessageId", "GmailMessageId", "DriveUrl", "DriveItemId"),
            [(ANA, "m1@example.org", "msg-f:1", "https://drive.google.com/open?id=x", "1AbCdEfGhIjKl")],
        ),
        "Export1_Drive_Link_Export_0.zip": zip_bytes({
            "zanzibar plan_1AbCdEfGhIjKl.docx": b"PK\x03\x04 zanzibar",
            "Zettel ü_1ZyXwVuTsRqPo.pdf": b"%PDF-1.7",
        }),
        "Export1_Drive_Link_Export_0-metadata.xml": metadata_xml([
            document(
                "d1",
                {"#Title": "zanzibar plan", "DocumentType": "DOCUMENT", "#Author": ANA},
                {"FileName": "zanzibar plan_1AbCdEfGhIjKl.docx"},
            ),
            document("d2", {"DocumentType": "PDF"}, {"FileName": "Zettel ü_1ZyXwVuTsRqPo.pdf"}),
        ]),
        "Export1-conversion_errors-1.zip": zip_bytes({"m20@example.org.eml": eml}),
        "notes.txt": b"zanzibar",
    }  # fmt: skip
    files = package.build(per_zip=3)
    write(root, files)
    reports = [name for name in files if not name.endswith((".zip", ".txt"))]
    return Built(
        str(root),
        keyed([mail.raw for mail in mails])
        | {
            "Export1-conversion_errors-1.zip!m20@example.org.eml": eml,
            "Export1_Drive_Link_Export_0.zip!zanzibar plan_1AbCdEfGhIjKl.docx": b"PK\x03\x04 zanzibar",
            "Export1_Drive_Link_Export_0.zip!Zettel ü_1ZyXwVuTsRqPo.pdf": b"%PDF-1.7",
            "notes.txt": b"zanzibar",
        },
        {"Export1-errors.xml#1": Reason.REFUSED_BY_SOURCE},
        dict.fromkeys(reports, Reason.EXPORT_SCAFFOLDING),
        (
            f"Export1/{ANA}",
            f"Export1/{LEE}",
            "Export1",
            "Export1_Drive_Link_Export",
            ".",
            "Export1-errors.xml#errors",
        ),
    )


def vault_of_old(root: Path) -> Built:
    """The older layout: XML only, joined by the From_ line."""
    mails = [Mail(n, message_id="") for n in range(4)]
    files = VaultPackage(mails=mails, old=True).build(per_zip=3)
    write(root, files)
    reports = [name for name in files if not name.endswith(".zip")]
    return Built(
        str(root),
        keyed([mail.raw for mail in mails]),
        {},
        dict.fromkeys(reports, Reason.EXPORT_SCAFFOLDING),
        (f"Export1/{ANA}", "."),
    )


def vault_unpacked(root: Path) -> Built:
    """A package whose zips somebody unpacked and deleted."""
    mails = [Mail(n) for n in (0, 1, 2, 1, 4)]
    files = VaultPackage(mails=mails).build()
    for name in [name for name in files if name.endswith(".zip")]:
        with zipfile.ZipFile(io.BytesIO(files.pop(name))) as archive:
            files |= {f"Export1-1/{member}": archive.read(member) for member in archive.namelist()}
    write(root, files)
    reports = [name for name in files if not name.endswith(".mbox")]
    return Built(
        str(root),
        keyed([mail.raw for mail in mails]),
        {},
        dict.fromkeys(reports, Reason.EXPORT_SCAFFOLDING),
        (f"Export1/{ANA}", ".", "Export1-errors.xml#errors"),
    )
