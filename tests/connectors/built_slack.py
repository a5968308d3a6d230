"""Exports of Slack, written to the published layout.

https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports (folders, day files, lists) and
https://docs.slack.dev/reference/events/message (the objects of messages and their subtypes).
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

USERS = [
    {"id": "U01ANA", "name": "ana", "real_name": "Ana Ruiz", "profile": {"email": "ana@example.org"}},
    {"id": "U02LEE", "name": "lee", "profile": {"real_name": "Lee Okafor", "display_name": "lee"}},
]
CHANNELS = [
    {"id": "C01GEN", "name": "general", "created": 1740000000, "members": ["U01ANA", "U02LEE"]},
    {"id": "C02OLD", "name": "quiet", "members": []},
]
DMS = [{"id": "D01AL", "created": 1740000000, "members": ["U01ANA", "U02LEE"]}]


def message(ts: str, text: str = SECRET, **about: Any) -> dict[str, Any]:
    """Return a message of Ana's."""
    return {"type": "message", "user": "U01ANA", "text": text, "ts": ts, **about}


GENERAL = {
    "2025-03-04": [
        message(
            "1741112434.000100", "<@U02LEE> has joined the channel", subtype="channel_join", user="U02LEE"
        ),
        message("1741112440.000200", f"{SECRET} <@U02LEE>: see <https://example.org/a|the plan> &amp; [go]"),
        message(
            "1741112450.000300",
            files=[
                {
                    "id": "F0HOSTED1",
                    "name": f"{SECRET}.pdf",
                    "mode": "hosted",
                    "url_private": "https://f.example/1",
                },
                {"id": "F0DELETED", "mode": "tombstone"},
                {
                    "id": "F0OUTSIDE",
                    "mode": "external",
                    "is_external": True,
                    "url_private": "https://d.example/",
                },
                {"id": "F0UPLOADED", "name": "plan.txt", "mode": "hosted"},
            ],
        ),
        message("1741112460.000400", "now", edited={"user": "U01ANA", "ts": "1741112470.000000"}),
    ],
    "2025-03-05": [
        message("1741198834.000100", "reply", thread_ts="1741112440.000200"),
        message("1741198840.000200", "", subtype="channel_name", old_name="all", name="general"),
        {"type": "message", "text": "of no time"},
        message("1741198850.000300", "twice"),
        message("1741198850.000300", "twice"),
    ],
}
DIRECT = {"2025-03-06": [message("1741285234.000100", "between us")]}
COMPLIANCE = {
    "2025-03-07": [
        {
            "type": "message",
            "subtype": "message_changed",
            "ts": "1741371700.000100",
            "hidden": True,
            "message": message("1741371634.000100", "the new words"),
            "previous_message": message("1741371634.000100", "the old words"),
        },
        {
            "type": "message",
            "subtype": "message_deleted",
            "ts": "1741371800.000200",
            "deleted_ts": "1741371634.000100",
            "previous_message": message("1741371634.000100", "the new words"),
        },
    ]
}


def day_file(messages: list[dict[str, Any]]) -> tuple[bytes, list[bytes]]:
    """Return a day file as Slack writes it, indented, and the bytes of each object as they stand in it."""
    objects = [json.dumps(one, indent=4, ensure_ascii=n % 2 == 0).encode() for n, one in enumerate(messages)]
    return b"[\n    " + b",\n    ".join(objects) + b"\n]", objects


def keyed(channel: str, messages: list[dict[str, Any]], objects: list[bytes]) -> dict[str, bytes]:
    """Return messages by channel and ts; one without a ts by its hash; an equal one with its ordinal."""
    import hashlib

    found: dict[str, bytes] = {}
    for one, data in zip(messages, objects, strict=True):
        key = f"{channel}/{one['ts']}" if "ts" in one else hashlib.sha256(data).hexdigest()
        found[f"{key}:1" if key in found else key] = data
    return found


def _with_days(
    folder: str,
    channel: str,
    days: dict[str, list[dict[str, Any]]],
    files: dict[str, bytes],
    found: dict[str, bytes],
) -> None:
    for day, messages in days.items():
        files[f"{folder}/{day}.json"], objects = day_file(messages)
        found |= keyed(channel, messages, objects)


def _made() -> tuple[dict[str, bytes], dict[str, bytes], dict[str, Reason]]:
    lists: dict[str, Any] = {
        "users.json": USERS,
        "channels.json": CHANNELS,
        "dms.json": DMS,
        "integration_logs.json": [],
    }
    apart = {name: json.dumps(value).encode() for name, value in lists.items()}
    apart["__uploads/F0UPLOADED/plan.txt"] = f"{SECRET} plan".encode()
    files, found = dict(apart), dict(apart)
    _with_days("general", "C01GEN", GENERAL, files, found)
    _with_days("D01AL", "D01AL", DIRECT, files, found)
    failed = {
        "C01GEN/1741112450.000300#0": Reason.EXPIRED_LINK,
        "C01GEN/1741112450.000300#1": Reason.NOT_IN_EXPORT,
    }
    return files, found, failed


SCOPES = ("D01AL", "general", "quiet", ".")


def zipped(path: Path, files: dict[str, bytes]) -> None:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def standard(root: Path) -> Built:
    """An export as it is downloaded."""
    files, found, failed = _made()
    root.mkdir(parents=True)
    path = root / f"{SECRET} Slack export Mar 1 2025 - Mar 31 2025.zip"
    zipped(path, files)
    return Built(str(path), found, failed, {}, SCOPES)


def unpacked(root: Path) -> Built:
    """The same, unpacked on a Mac."""
    files, found, failed = _made()
    for name, data in (files | {"general/.DS_Store": b"Bud1"}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return Built(str(root), found, failed, {"general/.DS_Store": Reason.EXPORT_SCAFFOLDING}, SCOPES)


def enterprise(root: Path) -> Built:
    """An organisation of two workspaces, with edits and deletions, as one zip among others in a folder."""
    apart: dict[str, bytes] = {"org_users.json": json.dumps(USERS).encode()}
    found: dict[str, bytes] = {}
    files: dict[str, bytes] = {}
    for workspace in ("north", "south"):
        apart[f"teams/{workspace}/channels.json"] = json.dumps(CHANNELS[:1]).encode()
        apart[f"teams/{workspace}/users.json"] = json.dumps(USERS[:1]).encode()
    _with_days("teams/north/general", "C01GEN", COMPLIANCE, files, found)
    _with_days(
        "teams/south/general", "C01GEN", {"2025-03-08": [message("1741458034.000100", "south")]}, files, found
    )
    root.mkdir(parents=True)
    zipped(root / "all.zip", apart | files)
    return Built(str(root), found | apart, {}, {}, ("teams/north/general", "teams/south/general", "."))
