"""Samsung's download, in a likely layout: fields as Samsung describes them, a column each, and ids beside."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from records.vocabulary import Reason
from tests.connectors.builders import SECRET, Built, keyed

HEADER = [
    "Flags", "Date", "From", "To", "Direction", "Message-Context", "TextContent",
    "Correlation-Id", "Conversation-Id", "Payload",
]  # fmt: skip
MAP = f"""
app = "samsung"
map_version = 1
header = {HEADER!r}
time_zone = "America/Los_Angeles"
time_formats = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "epoch"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2025-03-01

[columns]
sent_at = "Date"
sender = "From"
recipients = "To"
body = "TextContent"
message_id = "Correlation-Id"
thread = "Conversation-Id"
attachments = "Payload"
"""
LOG_HEADER = [
    "Flags", "Date", "From", "To", "Direction", "Message-Context", "TextContent",
    "Call-Disposition", "Call-Duration",
]  # fmt: skip
LOG_MAP = f"""
app = "samsung"
map_version = 1
header = {LOG_HEADER!r}
time_zone = "America/Los_Angeles"
time_formats = ["%Y-%m-%d %H:%M:%S"]
confirmed_by = "Ana Ruiz, records office"
confirmed_on = 2025-03-01

[columns]
sent_at = "Date"
sender = "From"
recipients = "To"
body = "TextContent"
"""
OPTIONS = {"map": MAP, "history_map": LOG_MAP}

OWN, ROSA, SAM = "+14255550100", "+14255550102", "+14255550104"
PICTURE = "Image_1_p1_29fa7e75-0000-4000-8000-00000000a001.jpg"
PLAN = "Image_2_p1_29fa7e75-0000-4000-8000-00000000a002.jpg"


def record(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()


def message(
    text: str, at: str, *, key: str = "", thread: str = "", to: str = OWN, file: str = "", sender: str = ROSA
) -> bytes:
    """Return a row of ``MessagesList.csv``."""
    way = "OUT" if sender == OWN else "IN"
    return record(["\\Seen", at, sender, to, way, "pager-message", text, key, thread, file])


def log(context: str, at: str, text: str = "", outcome: str = "", length: str = "") -> bytes:
    """Return a row of ``CallAndMessageHistoryList.csv``."""
    return record(["\\Seen", at, ROSA, OWN, "IN", context, text, outcome, length])


FIRST, LOG_FIRST = record(HEADER), record(LOG_HEADER)
ROWS = [
    message(f"{SECRET}, gate 4\r\nat nine", "2025-03-04T18:20:34Z", key="c1"),
    message("here", "2025-03-04T18:21:00Z", key="29FA7E75-0000-4000-8000-00000000A001"),
    message("ok", "2025-03-04T18:22:00Z", key="c3", thread="g1", to="", sender=OWN, file=PLAN),
    message("ok", "2025-03-04T18:22:00Z", key="c3", thread="g1", to="", sender=OWN, file="lost.mp4"),
]
LOGS = [
    log("x-call-log", "2025-03-04 10:30:00", outcome="MISSED", length="0"),
    log("x-msg-log", "2025-03-04 10:20:34", text="gate 4"),
]
GROUPS = record(
    ["UpdatedTimestamp", "GroupType", "MyStatus", "Participants", "ParticipantsUpdatedTimestamp", "Subject",
     "GroupId"]
) + record(["1741112400000", "1", "2", f"{ROSA},{SAM}", "1741112400000", "Bus line 4", "g1"])  # fmt: skip
ACCOUNT = record(["Account Type", "MSISDN", "Device Name"]) + record(["Samsung", OWN, "phone"])
FILES = {
    "CMCAccount.csv": ACCOUNT,
    "MessagesList.csv": FIRST + b"".join(ROWS),
    "CallAndMessageHistoryList.csv": LOG_FIRST + b"".join(LOGS),
    "RCSGroupChatInfoList.csv": GROUPS,
    PICTURE: b"\xff\xd8 picture",
    PLAN: b"\xff\xd8 plan",
}
TABLES = ("CallAndMessageHistoryList.csv", "MessagesList.csv")


def _built(path: Path, before: str) -> Built:
    found = {f"{before}{name}": data for name, data in FILES.items() if name not in TABLES} | {
        "c1": ROWS[0], "29FA7E75-0000-4000-8000-00000000A001": ROWS[1], "c3": ROWS[2], "c3:1": ROWS[3],
    } | keyed(LOGS)  # fmt: skip
    scopes = (*(f"{before}{name}" for name in TABLES), ".")
    return Built(str(path), found, {"c3:1#0": Reason.NOT_IN_EXPORT}, {}, scopes, OPTIONS)


def unpacked(root: Path) -> Built:
    """The download in a folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (root / name).write_bytes(data)
    return _built(root, "")


def zipped(root: Path) -> Built:
    """The download as one zip."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "cmc.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return _built(root, "cmc.zip!")
