"""Tables as school apps may hand them out: none publishes a layout, so each header here is only a likely one.

What is published, and where it was looked for, stands beside each. The tests show what is proposed for such a
header and what a person then corrects and signs; a real table has its own header and its own map.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.column_maps import proposed


@dataclass(frozen=True)
class App:
    """A likely table of one app.

    Attributes:
        name: The app, as the map names it.
        header: The columns.
        columns: What they are, as a person signs it.
        time_format: Of its times; of day and clock together, where they are two columns.
        corrected: Lines of the proposal that the person writes anew; those that stay are right.
        missing: Fields for which the proposal finds no column.
        delimiter: Between cells.
        stated: Its times have an offset.
    """

    name: str
    header: tuple[str, ...]
    columns: Mapping[str, str]
    time_format: str
    corrected: Mapping[str, str]
    missing: tuple[str, ...] = ()
    delimiter: str = ","
    stated: bool = False

    def row(
        self,
        at: datetime,
        sender: str,
        body: str,
        *,
        to: str = "Rosa Delgado",
        key: str = "",
        files: str = "",
    ) -> bytes:
        """Return a record; ``at`` is local, or UTC where the app states an offset."""
        written = at.strftime(self.time_format)
        said = {"sent_at": written, "sender": sender, "body": body, "recipients": to, "message_id": key}
        if "sent_on" in self.columns:
            said["sent_on"], said["sent_at"] = written.split(" ", 1)
        cells = {self.columns[name]: value for name, value in said.items() if name in self.columns}
        if "attachments" in self.columns:
            cells[self.columns["attachments"]] = files
        return self.record([cells.get(column, "") for column in self.header])

    def record(self, cells: list[str]) -> bytes:
        """Return a record of these cells."""
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self.delimiter).writerow(cells)
        return out.getvalue().encode()

    def table(self, *rows: bytes) -> bytes:
        """Return a table of these records."""
        return self.record(list(self.header)) + b"".join(rows)

    def proposal(self, *rows: bytes) -> str:
        """Return what is proposed for a table of these records."""
        text = (self.record(list(self.header)) + b"".join(rows)).decode()
        samples = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=self.delimiter))
        return proposed(self.name, self.header, samples, "America/Los_Angeles")

    def signed(self, *rows: bytes) -> str:
        """Return the proposal as a person corrects and signs it."""
        lines = []
        for line in self.proposal(*rows).splitlines():
            key = line.partition(" = ")[0]
            lines.append(f"{key} = {self.corrected[key]}" if key in self.corrected else line)
        known = {line.partition(" = ")[0] for line in lines}
        lines += [f"{key} = {value}" for key, value in self.corrected.items() if key not in known]
        text = "\n".join(lines) + "\n"
        return text.replace('confirmed_by = ""', 'confirmed_by = "Ana Ruiz"\nconfirmed_on = 2026-01-31')


AT = datetime(2025, 3, 4, 9, 5)  # noqa: DTZ001 - local, as the tables write it

# ClassDojo: "teachers can download and print their messaging conversations with a parent", districts ask for
# histories; no format is told (https://help.classdojo.com/hc/en-us/articles/4413208601357 and
# https://classdojo.zendesk.com/hc/en-us/articles/203730309).
CLASSDOJO = App(
    "classdojo",
    ("Date", "From", "To", "Message", "Attachment"),
    {"sent_at": "Date", "sender": "From", "recipients": "To", "body": "Message", "attachments": "Attachment"},
    "%m/%d/%Y %I:%M %p",
    {},
)

# Seesaw: administrators can view all messages (https://seesaw.com/message-code-of-conduct/). The CSV files it
# tells of are of classes and people (https://help.seesaw.me/hc/en-us/articles/115000452783).
SEESAW = App(
    "seesaw",
    (
        "Message ID", "Conversation", "Sent At", "Sender", "Recipients", "Message", "Translated",
        "Attachments",
    ),
    {
        "sent_at": "Sent At", "sender": "Sender", "recipients": "Recipients", "body": "Message",
        "body_translated": "Translated", "thread": "Conversation", "message_id": "Message ID",
        "attachments": "Attachments",
    },
    "%Y-%m-%dT%H:%M:%SZ",
    {},
    stated=True,
)  # fmt: skip

# SchoolMessenger: its reports show the results and the content of a broadcast ("Broadcast Summary", below
# https://static.schoolmessenger.com/help/SchoolMessenger/html/Reports_Tab/Reports/); no columns are told.
SCHOOLMESSENGER = App(
    "schoolmessenger",
    ("Broadcast Name", "Submitted By", "Date Sent", "Message Type", "Phone or Email", "Message", "Result"),
    {
        "sent_at": "Date Sent", "sender": "Submitted By", "recipients": "Phone or Email", "body": "Message",
        "thread": "Broadcast Name",
    },
    "%Y-%m-%d %H:%M:%S",
    {
        "sent_at": '"Date Sent"', "sender": '"Submitted By"', "recipients": '"Phone or Email"',
        "thread": '"Broadcast Name"', "time_formats": '["%Y-%m-%d %H:%M:%S"]',
    },
    missing=("sent_at", "sender"),
)  # fmt: skip

# ParentSquare: a conversation can be printed (https://www.sfisd.org/parents-and-students/parentsquare); such
# printouts are read by `transcripts`. Of a table nothing is told.
PARENTSQUARE = App(
    "parentsquare",
    (
        "Thread ID", "Date", "Time", "Sender Name", "Recipient Name", "Message Text", "Translated Message",
        "Files",
    ),
    {
        "sent_on": "Date", "sent_at": "Time", "sender": "Sender Name", "recipients": "Recipient Name",
        "body": "Message Text", "body_translated": "Translated Message", "thread": "Thread ID",
        "attachments": "Files",
    },
    "%m/%d/%Y %I:%M %p",
    {"sent_on": '"Date"', "sent_at": '"Time"'},
)  # fmt: skip

# Bloomz: nothing is published that was found.
BLOOMZ = App(
    "bloomz",
    ("Posted On", "Posted By", "Shared With", "Text", "Media"),
    {
        "sent_at": "Posted On", "sender": "Posted By", "recipients": "Shared With", "body": "Text",
        "attachments": "Media",
    },
    "%b %d, %Y %I:%M %p",
    {
        "sent_at": '"Posted On"', "sender": '"Posted By"', "recipients": '"Shared With"',
        "time_formats": '["%b %d, %Y %I:%M %p"]',
    },
    missing=("sent_at", "sender"),
    delimiter=";",
)  # fmt: skip

APPS = (CLASSDOJO, SEESAW, SCHOOLMESSENGER, PARENTSQUARE, BLOOMZ)
