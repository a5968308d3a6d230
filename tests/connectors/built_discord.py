"""A data package of Discord: channels, conversations and threads as JSON, and the CSV of older packages."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

LINK = "https://cdn.discordapp.com/attachments/1/2/plan.pdf?ex=0&is=6931a2d3"
PICTURE = "https://cdn.discordapp.com/attachments/1/3/SPOILER_map.png"
HEADER = "ID,Timestamp,Contents,Attachments\n"


def message(number: int, contents: Any = SECRET, attachments: Any = "", **about: Any) -> dict[str, Any]:
    """Return a message of 4 March 2025, 10:20:34 in Los Angeles, and a minute more each."""
    at = f"2025-03-04 18:{20 + number % 40}:34"
    return {"ID": number, "Timestamp": at, "Contents": contents, "Attachments": attachments, **about}


CHANNEL = [
    message(1001, f"the bus is late {SECRET}\n" + 'and "full" } of ] people'),
    message(1002, "", f"{LINK} {PICTURE}"),
    message(1003, "", ""),
    message(1001, "the same id"),
]  # fmt: skip
DIRECT = [message(2001, "on my way", PICTURE)]
OTHERS = {
    "README.txt": b"Welcome to your Discord Data Package!",
    "Account/user.json": json.dumps({"id": "77", "username": "ana_r", "email": "ana@home.example"}).encode(),
    "Messages/index.json": json.dumps(
        {"11": f"buses in Cedar Falls {SECRET}", "12": "Direct Message with lee_o#0", "13": None}
    ).encode(),
    "Messages/c11/channel.json": json.dumps(
        {"id": "11", "type": "GUILD_TEXT", "name": "buses", "guild": {"id": "5", "name": "Cedar Falls"}}
    ).encode(),
    "Messages/c12/channel.json": json.dumps(
        {"id": "12", "type": "DM", "recipients": ["77", "78"]}
    ).encode(),
    "Messages/c13/channel.json": json.dumps({"id": "13", "type": "GROUP_DM"}).encode(),
    "Messages/c13/messages.json": b"[]",
    "Servers/index.json": b'{"5": "Cedar Falls"}',
}  # fmt: skip


def dumped(messages: list[dict[str, Any]]) -> bytes:
    """Return a channel's file."""
    return b"[" + b", ".join(json.dumps(one).encode() for one in messages) + b"]"


def natives(messages: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return the bytes of each message by key."""
    out: dict[str, bytes] = {}
    for one in messages:
        key = str(one["ID"])
        out[f"{key}:1" if key in out else key] = json.dumps(one).encode()
    return out


FILES = OTHERS | {"Messages/c11/messages.json": dumped(CHANNEL), "Messages/c12/messages.json": dumped(DIRECT)}
FAILED = {
    "1002#media0": Reason.EXPIRED_LINK,
    "1002#media1": Reason.EXPIRED_LINK,
    "2001#media0": Reason.EXPIRED_LINK,
}


def package(root: Path) -> Built:
    """A package in a folder."""
    for key, data in FILES.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    scopes = ("Messages/c11/messages.json", "Messages/c12/messages.json", ".")
    return Built(str(root), natives(CHANNEL) | natives(DIRECT) | OTHERS, FAILED, {}, scopes)


def zipped(root: Path) -> Built:
    """The same as it is handed out."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "package.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in FILES.items():
            archive.writestr(key, data)
    others = {f"package.zip!{key}": data for key, data in OTHERS.items()}
    chats = ("package.zip!Messages/c11/messages.json", "package.zip!Messages/c12/messages.json")
    return Built(str(root), natives(CHANNEL) | natives(DIRECT) | others, FAILED, {}, (*chats, "."))


ROWS = {
    "3001": b'3001,2018-10-23 20:13:40.123000+00:00,"the bus, ""late""\nagain",\n',
    "3002": f"3002,2018-10-23T20:14:40+00:00,{SECRET},{LINK} {PICTURE}\n".encode(),
}
OLD = {
    "account/user.json": OTHERS["Account/user.json"],
    "messages/index.json": b'{"21": "general in Cedar Falls"}',
    "messages/21/channel.json": b'{"id": "21", "type": 0, "name": "general"}',
}


def older(root: Path) -> Built:
    """A package as they were: with tables."""
    files = OLD | {"messages/21/messages.csv": HEADER.encode() + b"".join(ROWS.values())}
    for key, data in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    failed = {"3002#media0": Reason.EXPIRED_LINK, "3002#media1": Reason.EXPIRED_LINK}
    return Built(str(root), ROWS | OLD, failed, {}, ("messages/21/messages.csv", "."))
