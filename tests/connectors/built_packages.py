"""Export packages for the contract suite."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed
from tests.connectors.packages import (
    ANA,
    LEE,
    Mail,
    PurviewItem,
    PurviewPackage,
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


MSG = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 zanzibar"
UTC_TIME = "3/4/2025 6:20:34 PM"


def purview(root: Path) -> Built:
    """Single messages in two parts, Teams, a site, a PST, partially indexed items, one without its file."""
    inbox = f"Exchange/{ANA}/Inbox"
    teams = f"Exchange/{ANA}/TeamsMessagesData"
    second = "Items.1.002.Export1.zip"
    of_teams = {"Item class": "IPM.SkypeTeams.Message", "Sent": UTC_TIME}
    items = [
        PurviewItem(f"{inbox}/zanzibar 1.eml", Mail(1).raw, row={"Item class": "IPM.Note", "Location": ANA}),
        PurviewItem(f"{inbox}/zanzibar 2.msg", MSG, row={"Item class": "IPM.Note", "Sent": UTC_TIME}),
        PurviewItem(f"{inbox}/zanzibar 3.eml", Mail(3).raw, second),
        PurviewItem(f"{teams}/19_zanzibar@threadv2-1.html", b"<html>zanzibar</html>", row=of_teams),
        PurviewItem(f"{teams}/19_zanzibar@threadv2-1.html-mimeatt1-1.png", b"\x89PNG", row=of_teams),
        PurviewItem(f"{teams}/m1.eml", Mail(4).raw, second, row=of_teams),
        PurviewItem("SharePoint/Board/zanzibar.docx", b"PK\x03\x04 zanzibar", row={"Workload": "SharePoint"}),
        PurviewItem(f"{inbox}/zanzibar 9.eml", None, second, row={"Item class": "IPM.Note"}),
        PurviewItem(f"{inbox}/scan.eml", Mail(5).raw, row={"Indexing status": "Partially indexed"}),
        PurviewItem("", None, row={"Item class": "IPM.Note", "Item status": "Failed", "Error": SECRET}),
        PurviewItem(f"Exchange/{LEE}.001.pst", b"!BDN" + bytes(600), "PSTs.001.Export1.zip", row=None),
        PurviewItem(f"Exchange/{LEE}.001.pst/Top/Inbox/a", None, "PSTs.001.Export1.zip"),
        PurviewItem(f"Exchange/{LEE}.001.pst/Top/Inbox/b", None, "PSTs.001.Export1.zip"),
    ]
    package = PurviewPackage(items)
    files = write_all(root, package.build())
    reports = next(name for name in files if name.startswith("Reports"))
    lost = f"{second}/{inbox}/zanzibar 9.eml".casefold()
    return Built(
        str(root),
        {f"{item.part}!{item.path}": item.data for item in items if item.data is not None},
        {f"{lost}#report": Reason.NOT_IN_EXPORT, "row 10#report": Reason.REFUSED_BY_SOURCE},
        {f"{reports}!{name}": Reason.EXPORT_SCAFFOLDING for name in package.reports()},
        (
            f"exchange/{ANA}",
            f"exchange/{LEE}",
            f"partially_indexed/exchange/{ANA}",
            "sharepoint/board",
            "reports",
        ),
        uncounted=frozenset({"reports"}),
    )


def purview_unpacked(root: Path) -> Built:
    """A package that somebody unpacked, reports and parts in folders named as their zips."""
    items = [PurviewItem(f"Exchange/{ANA}/Inbox/{n}.eml", Mail(n).raw) for n in range(4)]
    package = PurviewPackage(items)
    files = {f"Items.1.001.Export1/{item.path}": item.data for item in items if item.data is not None}
    reports = {f"Reports-Case-Export1/{name}": data for name, data in package.reports().items()}
    write(root, files | reports)
    excluded = dict.fromkeys(reports, Reason.EXPORT_SCAFFOLDING)
    return Built(str(root), files, {}, excluded, (f"exchange/{ANA}", "reports"))


def write_all(root: Path, files: dict[str, bytes]) -> dict[str, bytes]:
    write(root, files)
    return files
