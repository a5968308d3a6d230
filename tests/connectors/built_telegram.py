"""Exports of Telegram Desktop, written to its ``export_output_json.cpp``: one chat, an account, web pages."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

NOT_INCLUDED = "(File not included. Change data exporting settings to download.)"
TOO_LARGE = "(File exceeds maximum size. Change data exporting settings to download.)"
UNAVAILABLE = "(File unavailable, please try again later)"
PAGE = (
    b'<!DOCTYPE html>\n<html>\n <head>\n  <meta charset="utf-8"/>\n<title>Exported Data</title>\n'
    b'  <link href="css/style.css" rel="stylesheet"/>\n </head>\n <body onload="CheckLocation();">\n'
    b'  <div class="page_wrap">\n' + SECRET.encode()
)
JPEG = b"\xff\xd8\xff\xe0 " + SECRET.encode()


def message(number: int, text: Any = SECRET, **about: Any) -> dict[str, Any]:
    """Return a message of Lee's: 4 March 2025, 10:20:34 in Los Angeles, and a minute more each."""
    minute = 20 + number % 40
    return {
        "id": number,
        "type": "message",
        "date": f"2025-03-04T10:{minute:02}:34",
        "date_unixtime": str(1741112434 + 60 * (number % 40)),
        "from": "Lee Okafor",
        "from_id": "user5550102",
        "text": text,
        "text_entities": [],
        **about,
    }


def service(number: int, action: str, **about: Any) -> dict[str, Any]:
    """Return a row that the service wrote."""
    row = message(
        number, "", type="service", actor="Ana Ruiz", actor_id="user5550101", action=action, **about
    )
    del row["from"], row["from_id"]
    return row


GROUP = [
    service(1, "create_group", title=f"Trip {SECRET}", members=["Lee Okafor", None]),
    message(2, ["See ", {"type": "text_link", "text": "the plan", "href": "https://example.org/plan"}, "!"]),
    message(3, "", photo="photos/photo_1@04-03-2025_10-23-34.jpg", width=4, height=3),
    message(4, "later", file=NOT_INCLUDED, file_name="route.pdf", mime_type="application/pdf"),
    message(5, "", file=TOO_LARGE, thumbnail=NOT_INCLUDED, media_type="video_file"),
    message(6, "", file=UNAVAILABLE, media_type="voice_message", duration_seconds=9),
    message(7, "", photo="photos/photo_lost.jpg", self_destruct_period_seconds=60),
    message(8, "now", edited="2025-03-04T10:29:00", edited_unixtime="1741112940"),
    message(9, "gone", **{"from": None}),
    service(10, "set_messages_ttl", period=86400),
    service(11, "phone_call", duration_seconds=61, discard_reason="hangup"),
    {"id": 12, "type": "unsupported"},
    message(2, "the same number again"),
    message(
        13,
        'a brace } in a "text" \\ and "type": "message"',
        reactions=[
            {
                "type": "emoji",
                "count": 2,
                "emoji": "\U0001f44d",
                "recent": [{"from": "Ana Ruiz", "from_id": "user5550101", "date": "2025-03-04T11:00:00"}],
            }
        ],
    ),
]
ALONE = {"name": f"Trip {SECRET}", "type": "private_group", "id": 777, "messages": GROUP}
FILES = {"photos/photo_1@04-03-2025_10-23-34.jpg": JPEG, "notes.txt": SECRET.encode()}


def dumped(value: Any, depth: int = 0) -> bytes:
    """Return JSON as the program lays it out: one space a level."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return text.replace("\n", "\n" + " " * depth).encode()


def group_bytes(messages: list[dict[str, Any]] | None = None) -> bytes:
    """Return a ``result.json`` of one chat, its entries each as ``dumped(entry, 2)``."""
    entries = b",\n  ".join(dumped(one, 2) for one in (GROUP if messages is None else messages))
    head = f'{{\n "name": "Trip {SECRET}",\n "type": "private_group",\n "id": 777,\n "messages": [\n  '
    return head.encode() + entries + b"\n ]\n}"


def _group_found(messages: list[dict[str, Any]]) -> dict[str, bytes]:
    found = {f"777/{one['id']}": dumped(one, 2) for one in messages if one["type"] != "unsupported"}
    found["777/2"] = dumped(messages[1], 2)
    found["777/2:1"] = dumped(messages[12], 2)
    return found


GROUP_FAILED = {
    "777/4#0": Reason.OMITTED_BY_USER,
    "777/5#0": Reason.OMITTED_BY_USER,
    "777/6#0": Reason.NOT_IN_EXPORT,
    "777/7#0": Reason.NOT_IN_EXPORT,
    "777/12": Reason.NOT_IN_EXPORT,
}


def one_chat(root: Path) -> Built:
    """One chat, with the web pages that were made beside it."""
    files = {**FILES, "result.json": group_bytes()}
    pages = {"messages.html": PAGE, "css/style.css": b"body {}", "images/back.png": b"\x89PNG"}
    for key, data in {**files, **pages}.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    excluded = dict.fromkeys(pages, Reason.EXPORT_SCAFFOLDING)
    return Built(str(root), _group_found(GROUP) | FILES, GROUP_FAILED, excluded, ("result.json", "."))


OWNER = {"user_id": 5550101, "first_name": "Ana", "last_name": "Ruiz", "phone_number": "+1 425 555 0101"}
STORIES = [
    {"date": "2025-03-04T10:00:00", "date_unixtime": "1741111200", "media": "stories/story_1.jpg"},
    {"date": "2025-03-04T10:01:00", "date_unixtime": "1741111260", "media": "(Photo not included. Change …)"},
]
CONTACTS = {"about": "x", "list": [{"user_id": 1, "first_name": SECRET, "date": "2020-01-01T00:00:00"}]}
DIALOGUE = {
    "name": "Lee Okafor",
    "type": "personal_chat",
    "id": 5550102,
    "messages": [message(1), message(2, "")],
}
SAVED = {"type": "saved_messages", "id": 5550101, "messages": []}
LEFT = {
    "name": None,
    "type": "private_channel",
    "id": 42,
    "messages": [service(3, "create_channel", title="t")],
}


def account_bytes() -> bytes:
    """Return a ``result.json`` of a whole account."""
    value = {
        "about": "Here is the data you requested.",
        "personal_information": OWNER,
        "stories": STORIES,
        "contacts": CONTACTS,
        "chats": {"about": "chats", "list": [DIALOGUE, SAVED]},
        "left_chats": {"about": "left", "list": [LEFT]},
    }
    return dumped(value)


def account(root: Path) -> Built:
    """A whole account in a zip."""
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "DataExport.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("DataExport/result.json", account_bytes())
        archive.writestr("DataExport/stories/story_1.jpg", JPEG)
    key = "DataExport.zip!DataExport/result.json"
    found = {
        f"{key}#personal_information": dumped(OWNER, 1),
        f"{key}#stories": dumped(STORIES, 1),
        f"{key}#contacts": dumped(CONTACTS, 1),
        "5550102/1": dumped(DIALOGUE["messages"][0], 5),
        "5550102/2": dumped(DIALOGUE["messages"][1], 5),
        "42/3": dumped(LEFT["messages"][0], 5),
        "DataExport.zip!DataExport/stories/story_1.jpg": JPEG,
    }
    failed = {f"{key}#stories#1": Reason.OMITTED_BY_USER}
    return Built(str(root), found, failed, {}, (key, "."))
