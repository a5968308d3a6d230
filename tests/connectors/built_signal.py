"""Exports of Signal: the app's own (``backup.proto`` as JSON lines), and what signal-export writes."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

AT = 1741112434000
LEE = "00112233-4455-6677-8899-aabbccddeeff"
GROUP_SECRET = b"m" * 32
GROUP = f"group:{hashlib.sha256(GROUP_SECRET).hexdigest()[:32]}"
PHOTO = b"\xff\xd8\xff\xe0 " + SECRET.encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


LEE_ACI = b64(bytes.fromhex(LEE.replace("-", "")))


def pointer(content: bytes | None, name: str = "") -> dict[str, Any]:
    """Return what an entry says of a file; None: the phone never had it."""
    stated: dict[str, Any] = {"contentType": "image/jpeg"}
    if name:
        stated["fileName"] = name
    if content is not None:
        digest = hashlib.sha256(content).digest()
        stated["locatorInfo"] = {
            "plaintextHash": b64(digest),
            "localKey": b64(b"k" * 64),
            "size": len(content),
        }
    return stated


def stored(content: bytes) -> str:
    """Return where a file lies in an export."""
    name = hashlib.sha256(hashlib.sha256(content).digest() + b"k" * 64).hexdigest()
    return f"files/{name[:2]}/{name}.jpg"


def item(number: int, author: str, body: dict[str, Any], chat: str = "1", **about: Any) -> dict[str, Any]:
    """Return a frame with an entry, a minute after the one before."""
    direction = {"outgoing": {"sendStatus": [{"recipientId": "3", "timestamp": str(AT), "read": {}}]}}
    if author != "2":
        direction = {"incoming": {"dateReceived": str(AT + 60_000 * number + 500), "read": True}}
    return {
        "chatItem": {
            "chatId": chat,
            "authorId": author,
            "dateSent": str(AT + 60_000 * number),
            **direction,
            **body,
            **about,
        }
    }


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"standardMessage": {"text": {"body": text}, **more}}


FRAMES: list[dict[str, Any]] = [
    {"version": "1", "backupTimeMs": str(AT), "currentAppVersion": "8.10"},
    {"account": {"givenName": "Ana", "familyName": "Ruiz", "username": "ana.01", "svrPin": "1234"}},
    {"recipient": {"id": "2", "self": {}}},
    {
        "recipient": {
            "id": "3",
            "contact": {
                "aci": LEE_ACI,
                "e164": "14255550102",
                "systemGivenName": "Lee",
                "systemFamilyName": "Okafor",
                "profileGivenName": "L",
            },
        }
    },
    {
        "recipient": {
            "id": "4",
            "group": {
                "masterKey": b64(GROUP_SECRET),
                "snapshot": {
                    "title": {"title": f"Trip {SECRET}"},
                    "disappearingMessagesTimer": {"disappearingMessagesDuration": 3600},
                    "members": [{"userId": LEE_ACI, "role": "DEFAULT"}],
                },
            },
        }
    },
    {"chat": {"id": "1", "recipientId": "3"}},
    {"chat": {"id": "2", "recipientId": "4"}},
]
ITEMS: list[dict[str, Any]] = [
    item(
        0,
        "3",
        said(
            f"{SECRET} bus\nat nine",
            reactions=[{"emoji": "\U0001f44d", "authorId": "2", "sentTimestamp": "1"}],
        ),
    ),
    item(
        1,
        "2",
        said("now", quote={"targetSentTimestamp": str(AT), "authorId": "3", "text": {"body": "bus"}}),
        revisions=[item(1, "2", said("before"))["chatItem"]],
    ),
    item(
        2,
        "3",
        {
            "standardMessage": {
                "attachments": [
                    {"pointer": pointer(PHOTO, f"{SECRET}.jpg")},
                    {"pointer": pointer(b"not there", "lost.jpg")},
                    {"pointer": pointer(None, "never.jpg")},
                ]
            }
        },
    ),
    item(3, "3", {"remoteDeletedMessage": {}}),
    item(4, "2", {"viewOnceMessage": {}}),
    item(
        5,
        "3",
        {
            "updateMessage": {
                "individualCall": {
                    "type": "AUDIO_CALL",
                    "direction": "INCOMING",
                    "state": "MISSED",
                    "startedCallTimestamp": str(AT),
                }
            }
        },
    ),
    item(
        6,
        "3",
        {
            "updateMessage": {
                "groupChange": {
                    "updates": [
                        {"groupNameUpdate": {"updaterAci": LEE_ACI, "newGroupName": f"Trip {SECRET}"}}
                    ]
                }
            }
        },
        chat="2",
    ),
    item(7, "3", {"updateMessage": {"expirationTimerChange": {"expiresInMs": "3600000"}}}),
    item(8, "3", {"adminDeletedMessage": {"adminId": "2"}}, chat="2"),
    item(0, "3", said("the same moment again")),
    item(
        9,
        "3",
        {
            "poll": {
                "question": "Bus?",
                "options": [{"option": "yes", "votes": [{"voterId": "2", "voteCount": 1}]}, {"option": "no"}],
            }
        },
        chat="2",
    ),
]
KEYS = [
    f"{LEE}/{LEE}/{AT}",
    f"{LEE}/self/{AT + 60_000}",
    f"{LEE}/{LEE}/{AT + 120_000}",
    f"{LEE}/{LEE}/{AT + 180_000}",
    f"{LEE}/self/{AT + 240_000}",
    f"{LEE}/{LEE}/{AT + 300_000}",
    f"{GROUP}/{LEE}/{AT + 360_000}",
    f"{LEE}/{LEE}/{AT + 420_000}",
    f"{GROUP}/{LEE}/{AT + 480_000}",
    f"{LEE}/{LEE}/{AT}:1",
    f"{GROUP}/{LEE}/{AT + 540_000}",
]


def line(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def export_bytes(frames: list[dict[str, Any]]) -> bytes:
    return b"".join(line(one) + b"\n" for one in frames)


CALL = {"adHocCall": {"callId": "9", "recipientId": "3", "state": "GENERIC", "callTimestamp": str(AT)}}


def native(root: Path) -> Built:
    """The app's own export, unpacked."""
    files = {"main.jsonl": export_bytes([*FRAMES, *ITEMS, CALL]), "metadata.json": b'{"version": 1}'}
    media = {stored(PHOTO): PHOTO}
    for key, data in {**files, **media}.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    return _native(str(root), "", media)


def native_zip(root: Path) -> Built:
    """The app's own export, as Android writes it."""
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "signal-export-1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", b'{"version": 1}')
        archive.writestr("main.jsonl", export_bytes([*FRAMES, *ITEMS, CALL]))
        archive.writestr(stored(PHOTO), PHOTO)
    return _native(str(root), "signal-export-1.zip!", {stored(PHOTO): PHOTO})


def _native(path: str, before: str, media: dict[str, bytes]) -> Built:
    found = {key: line(one) for key, one in zip(KEYS, ITEMS, strict=True)}
    found[hashlib.sha256(line(CALL)).hexdigest()] = line(CALL)
    found |= {before + key: data for key, data in media.items()}
    failed = {
        f"{KEYS[2]}#0": Reason.NOT_IN_EXPORT,
        f"{KEYS[2]}#1": Reason.NOT_IN_EXPORT,
        f"{KEYS[4]}#0": Reason.NOT_IN_EXPORT,
    }
    excluded = {hashlib.sha256(line(one)).hexdigest(): Reason.EXPORT_SCAFFOLDING for one in FRAMES}
    excluded[f"{before}metadata.json"] = Reason.EXPORT_SCAFFOLDING
    return Built(path, found, failed, excluded, (f"{before}main.jsonl", "."))


NEW = [
    f"[2025-03-04 10:20:34] Lee Okafor: {SECRET} bus  \n(- Me: \U0001f44d, Ana: x -)\n\n",
    "[2025-03-04 10:21:00] Me: \n\n> bus\n\nat nine  \nor ten  \n\n",
    "[2025-03-04 10:22:00] Lee Okafor:   ![bus.jpg](./media/2025-03-04_00_bus%20stop.jpg)  \n\n",
    "[2025-03-04 10:23:00] Lee Okafor:   [lost.pdf](./media/lost.pdf)  \n\n",
    "[2025-03-04 10:24:00] Lee Okafor: (This message was deleted)\n\n",
    "[2025-03-04 10:25:00] Lee Okafor: Missed voice call  \n\n",
]
OLD = [
    "[2019-05-29, 15:04] Me: How is everyone?\n",
    f"[2019-05-29, 15:10] Aya: We're great: {SECRET}!\nReally\n",
    "[2019-05-29, 15:10] Aya: again\n",
    "[2019-05-29, 15:10] Aya: again\n",
    "[2019-05-29, 15:20] Jim: see [this](https://example.org/) and [2019]\n",
]
BUS = "2025-03-04_00_bus stop.jpg"


def texts(root: Path) -> Built:
    """Two folders of signal-export, of different versions, and a text."""
    new, old = [one.encode() for one in NEW], [one.encode() for one in OLD]
    files = {
        "Lee Okafor/chat.md": b"".join(new),
        "Lee Okafor/data.json": b'{"body": "' + SECRET.encode() + b'"}\n',
        "Lee Okafor/index.html": b"<html>",
        f"Lee Okafor/media/{BUS}": PHOTO,
        f"{SECRET}/index.md": b"".join(old),
        "copied.txt": b"\xef\xbb\xbf" + old[0],
        "letter.md": b"# a letter\n",
    }
    for key, data in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    found = keyed(new) | keyed(old) | keyed([files["copied.txt"]])
    found |= {key: files[key] for key in ("Lee Okafor/data.json", f"Lee Okafor/media/{BUS}", "letter.md")}
    failed = {f"{list(keyed(new))[3]}#0": Reason.NOT_IN_EXPORT}
    excluded = {"Lee Okafor/index.html": Reason.EXPORT_SCAFFOLDING}
    scopes = ("Lee Okafor/chat.md", "copied.txt", f"{SECRET}/index.md", ".")
    return Built(str(root), found, failed, excluded, scopes)
