"""An account behind the fake of Google Workspace, and what a correct reader must find in it."""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.google_drive import EXPORTS
from records import canonical
from records.models import SourceContext
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, ZONE, Built, mail
from tests.servers.google import DriveFile, Space, Workspace
from tests.servers.web import Served

ACCOUNT = "ana@example.org"
DOCUMENT = "application/vnd.google-apps.document"
DOCX = EXPORTS[DOCUMENT]
SPACE = "spaces/AAAA"


def context_of(fake: Workspace, served: Served, account: str = ACCOUNT, **about: Any) -> SourceContext:
    """Return what a connector is given for the fake."""
    connection = fake.connection(served, about.pop("key", None), **about.pop("extra", {}))
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=account, **about)


def blob(key: str, data: bytes, **about: Any) -> DriveFile:
    """Return a file with bytes (https://developers.google.com/workspace/drive/api/reference/rest/v3/files)."""
    body = {
        "id": key,
        "name": f"{SECRET} {key}.pdf",
        "mimeType": "application/pdf",
        "createdTime": "2025-03-04T18:00:00.000Z",
        "modifiedTime": "2025-03-05T18:00:00.000Z",
        "size": str(len(data)),
        "sha256Checksum": hashlib.sha256(data).hexdigest(),
        "headRevisionId": f"r-{key}",
        "ownedByMe": True,
        "owners": [{"displayName": "Ana Ruiz", "emailAddress": ACCOUNT}],
        "lastModifyingUser": {"displayName": "Lee Okafor", "emailAddress": "lee@example.org"},
        "parents": ["folder-1"],
        "capabilities": {"canDownload": True},
        "trashed": False,
    }
    return DriveFile(body | about, data)


def document(key: str, data: bytes, **about: Any) -> DriveFile:
    """Return a document of Google's own editor."""
    made = blob(key, b"", **{"name": f"{SECRET} {key}", "mimeType": DOCUMENT, **about})
    for name in ("size", "sha256Checksum", "headRevisionId"):
        del made.body[name]
    made.exports[DOCX] = data
    return made


def said(number: int, created: str, **about: Any) -> dict[str, Any]:
    """Return a message of Chat."""
    return {
        "name": f"{SPACE}/messages/m{number}",
        "sender": {
            "name": "users/1",
            "displayName": "Ana Ruiz",
            "email": ACCOUNT,
            "type": "HUMAN",
            "avatarUrl": f"https://lh3.googleusercontent.com/{number}",
        },
        "createTime": created,
        "text": f"{SECRET} {number}",
        "thread": {"name": f"{SPACE}/threads/t1"},
        "space": {"name": SPACE},
        **about,
    }


def native(message: dict[str, Any]) -> bytes:
    """Return a message's native form, by its definition."""
    kept = copy.deepcopy(message)
    kept.get("sender", {}).pop("avatarUrl", None)
    for one in kept.get("attachment", ()):
        one.pop("thumbnailUri", None)
        one.pop("downloadUri", None)
    return canonical.dumps(kept).encode()


def filled(fake: Workspace, mails: int = 7) -> tuple[dict[str, bytes], dict[str, Reason]]:
    """Fill an account with mail, files and chats; return what is found, and what fails."""
    account = fake.account(ACCOUNT)
    account.labels["Label_7"] = f"Bus {SECRET}"
    found: dict[str, bytes] = {}
    for number in range(mails):
        labels = (("INBOX", "UNREAD"), ("SENT", "Label_7"), ("SPAM",), ("TRASH", "INBOX"), ("DRAFT",))[
            number % 5
        ]
        received = datetime(2025, 3, 4, 18, 20, 34 + number // 2, tzinfo=UTC)  # two of them in one second
        one = account.mail.add(
            "all", mail(number), labels=labels, received=received, thread=f"t{number // 3}"
        )
        found[one.id] = one.raw
    failed: dict[str, Reason] = {}
    for file in (
        blob("f1", b"%PDF one"),
        blob("f2", b"%PDF two", createdTime="2025-03-01T00:00:00.000Z", trashed=True),
        blob("f3", b"%PDF kept back", capabilities={"canDownload": False}),
        document("d1", b"PK docx"),
        document("d2", b"", mimeType="application/vnd.google-apps.form"),
        blob("in-1", b"%PDF of the team", driveId="team1"),
        blob("folder-1", b"", mimeType="application/vnd.google-apps.folder"),
        blob(
            "s1", b"", mimeType="application/vnd.google-apps.shortcut",
            shortcutDetails={"targetId": "f1", "targetMimeType": "application/pdf"},
        ),
        blob(
            "s2", b"", mimeType="application/vnd.google-apps.shortcut",
            shortcutDetails={"targetId": "gone", "targetMimeType": "application/pdf"},
        ),
    ):  # fmt: skip
        account.files[file.body["id"]] = file
    account.drives["team1"] = f"Team {SECRET}"
    found |= {"f1": b"%PDF one", "f2": b"%PDF two", "s1": b"%PDF one"}
    found |= {"d1": b"PK docx", "in-1": b"%PDF of the team"}
    failed |= {"f3": Reason.REFUSED_BY_SOURCE, "d2": Reason.NOT_CONVERTIBLE, "s2": Reason.REFUSED_BY_SOURCE}
    space = Space({"name": SPACE, "displayName": f"Gym {SECRET}", "spaceType": "SPACE"})
    space.members = [{"name": "users/1", "displayName": "Ana Ruiz", "email": ACCOUNT}, {"name": "users/2"}]
    first = f"{SPACE}/messages/m0/attachments/"
    space.messages = [
        said(0, "2025-03-04T18:20:34.123456Z", attachment=[
            {"name": f"{first}a", "contentName": f"{SECRET}.png", "contentType": "image/png",
             "attachmentDataRef": {"resourceName": "AbC/+="}, "source": "UPLOADED_CONTENT",
             "downloadUri": "https://chat.google.com/once/1", "thumbnailUri": "https://chat.google.com/once/2"},
            {"name": f"{first}b", "contentName": "Plan.pdf", "driveDataRef": {"driveFileId": "f1"},
             "source": "DRIVE_FILE"},
        ]),
        said(1, "2025-03-05T18:20:34Z"),
        said(2, "2025-03-05T18:20:34.000Z", lastUpdateTime="2025-03-06T01:00:00Z"),
        {"name": f"{SPACE}/messages/m3", "createTime": "2025-03-07T01:00:00Z",
         "deleteTime": "2025-03-08T01:00:00Z", "deletionMetadata": {"deletionType": "CREATOR"}},
        said(4, "2025-03-09T18:20:34Z"),
    ]  # fmt: skip
    space.media["AbC/+="] = b"\x89PNG " + SECRET.encode()
    found |= {message["name"]: native(message) for message in space.messages}
    found |= {f"{first}a": space.media["AbC/+="], f"{first}b": b"%PDF one"}
    account.spaces[SPACE] = space
    direct = Space({"name": "spaces/DM", "spaceType": "DIRECT_MESSAGE"})
    account.spaces["spaces/DM"] = direct
    return found, failed


SCOPES = ("mail", "drive", "shared_drives/team1", "chat/spaces/AAAA", "chat/spaces/DM")


def google_workspace(root: Path) -> Built:
    """Return an account with something in every place; pages are short."""
    root.mkdir(parents=True)
    fake = Workspace(page=2)
    found, failed = filled(fake)
    served = fake.serve()
    return Built(
        found=found,
        failed=failed,
        scopes=SCOPES,
        service=context_of(fake, served),
        uncounted=frozenset(SCOPES[1:]),
        vanish=served.close,
        state=lambda: copy.deepcopy(fake.accounts),
    )
