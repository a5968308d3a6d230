"""*My Data* of Snapchat: histories of chats and snaps in today's layout and in the older one, with media."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built

AT_MS = 1741112434567
"""4 March 2025, 10:20:34.567 in Los Angeles."""

JPEG = b"\xff\xd8\xff\xe0 " + SECRET.encode()


def entry(content: Any = SECRET, minute: int = 0, **about: Any) -> dict[str, Any]:
    """Return an entry of rosa.d's."""
    return {
        "From": "rosa.d",
        "Media Type": "TEXT",
        "Created": f"2025-03-04 18:{20 + minute}:34 UTC",
        "Content": content,
        "Conversation Title": None,
        "IsSender": False,
        "Created(microseconds)": AT_MS + 60_000 * minute,
        "IsSaved": True,
        "Media IDs": "",
        **about,
    }


def snap(minute: int, **about: Any) -> dict[str, Any]:
    """Return an entry of the history of snaps."""
    value = entry(minute=minute, **{"Media Type": "IMAGE", **about})
    for name in ("Content", "IsSaved", "Media IDs"):
        del value[name]
    return value


CHATS: dict[str, list[dict[str, Any]]] = {
    "nobody": [],
    "rosa.d": [
        entry(f"the bus is late {SECRET}"),
        entry("", 1, **{"Media Type": "MEDIA", "Media IDs": "b~AAA | b~LOST"}),
        entry("on my way", 2, From="lee_o", IsSender=True),
        entry("", 3, **{"Media Type": "STATUSERASEDMESSAGE"}),
    ],
    "6f1e2d3c-0000-4000-8000-000000000001": [
        entry('a brace } and a "quote" \\ here', 4, **{"Conversation Title": f"Trip {SECRET}"}),
        entry("on my way", 2, From="lee_o", IsSender=True),
    ],
}
SNAPS = {"rosa.d": [snap(5), snap(6, From="lee_o", IsSender=True)]}
OLD = {
    "Received Saved Chat History": [
        {
            "From": "rosa.d",
            "Media Type": "TEXT",
            "Created": "2022-07-22 19:28:21 UTC",
            "Text": "it&#39;s late",
        }
    ],
    "Sent Saved Chat History": [
        {"To": "rosa.d", "Media Type": "TEXT", "Created": "2022-07-22 19:29:21 UTC", "Text": f"ok {SECRET}"}
    ],
}
FILES = {
    "chat_media/2025-03-04_b~AAA.jpg": JPEG,
    "chat_media/2025-03-04_overlay~zip-1A.png": b"\x89PNG overlay",
    "json/account.json": json.dumps({"Basic Information": {"Username": "lee_o"}}).encode(),
    "html/chat_history.html": b"<html>" + SECRET.encode(),
    "index.html": b"<html>My Data",
}


def entries(history: dict[str, list[dict[str, Any]]]) -> list[bytes]:
    """Return the bytes of each entry, as ``dumped`` writes them."""
    return [json.dumps(one).encode() for listed in history.values() for one in listed]


def keyed(natives: list[bytes]) -> dict[str, bytes]:
    """Return natives by key: their hash, with an ordinal for one that is there again."""
    out: dict[str, bytes] = {}
    for data in natives:
        digest = hashlib.sha256(data).hexdigest()
        again = sum(key.partition(":")[0] == digest for key in out)
        out[f"{digest}:{again}" if again else digest] = data
    return out


def dumped(history: dict[str, list[dict[str, Any]]]) -> bytes:
    """Return a history as a file."""
    lists = (
        json.dumps(name).encode() + b": [\n    " + b",\n    ".join(json.dumps(one).encode() for one in listed)
        + b"\n  ]"
        for name, listed in history.items()
    )  # fmt: skip
    return b"{\n  " + b",\n  ".join(lists) + b"\n}\n"


def data_of(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return all files of the data."""
    return {"json/chat_history.json": dumped(CHATS), "json/snap_history.json": dumped(SNAPS)} | files


def lost_of(chats: dict[str, bytes]) -> dict[str, Reason]:
    """Return what is named and not there, by key."""
    return {f"{list(chats)[1]}#1": Reason.NOT_IN_EXPORT}


def unpacked(root: Path) -> Built:
    """The data in a folder."""
    for key, data in data_of(FILES).items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    chats, snaps = keyed(entries(CHATS)), keyed(entries(SNAPS))
    scopes = ("json/chat_history.json", "json/snap_history.json", ".")
    return Built(str(root), chats | snaps | FILES, lost_of(chats), {}, scopes)


def zipped(root: Path) -> Built:
    """The data in two zips, the media in the second, as Snapchat hands out what is large."""
    root.mkdir(parents=True, exist_ok=True)
    media = {key: data for key, data in FILES.items() if key.startswith("chat_media/")}
    rest = data_of({key: data for key, data in FILES.items() if key not in media})
    names = {"mydata~1741200000000.zip": rest, "mydata~1741200000000-2.zip": media}
    for name, files in names.items():
        with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, data in files.items():
                archive.writestr(key, data)
    chats, snaps = keyed(entries(CHATS)), keyed(entries(SNAPS))
    first = "mydata~1741200000000.zip!json/"
    found = {
        f"{name}!{key}": data
        for name, files in names.items()
        for key, data in files.items()
        if not key.endswith("_history.json")
    }
    scopes = (f"{first}chat_history.json", f"{first}snap_history.json", ".")
    return Built(str(root), chats | snaps | found, lost_of(chats), {}, scopes)


def older(root: Path) -> Built:
    """A file of two lists, as the data had it until 2022."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "chat_history.json").write_bytes(dumped(OLD))
    return Built(str(root), keyed(entries(OLD)), {}, {}, ("chat_history.json",))
