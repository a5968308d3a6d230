"""Column maps: which column of an app's table says what, confirmed by a person once and kept by version.

School messaging apps publish no layout of what they hand out, and change it. So nothing is guessed while a
request runs: a map is proposed from a table's own header, a person looks at it and signs it, and a table with
another header is refused until there is a map for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from connectors.message_table import EPOCH, is_epoch
from connectors.signed_files import listed, quoted, read_signable, require_signature, require_zone

FIELDS: Mapping[str, str] = {
    "sent_at": "when it was sent; needed",
    "sent_on": "the day, where day and clock are two columns; `sent_at` is the clock then",
    "sender": "who wrote it; needed",
    "recipients": "to whom, several parted by `;`",
    "body": "what it says; needed",
    "body_translated": "the same in another language: both are records, and both are searched",
    "thread": "the conversation",
    "message_id": "the app's own id",
    "attachments": "names or addresses of files, several parted by `;`",
    "deleted": "when, or that, it was deleted",
}
"""What a column can be, and what that means."""

NEEDED = ("sent_at", "sender", "body")

_KNOWN: Mapping[str, tuple[str, ...]] = {
    "sent_at": (
        "sentat",
        "timestamp",
        "datetime",
        "senttime",
        "sent",
        "date",
        "time",
        "messagedate",
        "created",
    ),
    "sender": ("sender", "from", "author", "sendername", "fromname", "sentby"),
    "recipients": ("recipients", "to", "recipient", "recipientname", "toname", "sentto"),
    "body": (
        "body",
        "message",
        "text",
        "content",
        "messagetext",
        "messagebody",
        "textcontent",
        "original",
        "originalmessage",
    ),
    "body_translated": ("translated", "translation", "translatedmessage", "bodytranslated", "translatedtext"),
    "thread": ("conversationid", "threadid", "conversation", "thread", "chat", "channel", "group"),
    "message_id": ("messageid", "id", "guid", "uuid"),
    "attachments": ("attachments", "attachment", "files", "media", "file"),
    "deleted": ("deleted", "deletedat", "removed", "isdeleted"),
}
"""Usual names, as ``normal`` has them, the surest first."""

_FORMATS = (
    "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z", "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%m/%d/%y %I:%M %p",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p",
    EPOCH,
)  # fmt: skip
"""Forms that are tried for a proposal, month first as apps of the United States write it."""

_MARKS = re.compile(r"\([^()]*\)|[^a-z0-9]")


class ColumnMap(BaseModel):
    """What the columns of one app's table mean.

    Attributes:
        app: Whose table it is.
        map_version: Counts up with each header the app has had.
        header: The columns in their order; a table with another header is another map's.
        columns: The column of each field that the table has.
        time_zone: Of times that state no offset.
        time_formats: Forms of the time, as ``datetime.strptime`` has them, or ``epoch`` for a number since
            1970, tried in this order. Where the day has a column of its own, it and the clock stand side by
            side with a space.
        confirmed_by: Who looked at the map and found it right; empty for a proposal.
        confirmed_on: When.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
    map_version: int = Field(ge=1)
    header: tuple[str, ...] = Field(min_length=1)
    columns: dict[str, str]
    time_zone: str
    time_formats: tuple[str, ...] = Field(min_length=1)
    confirmed_by: str = ""
    confirmed_on: date | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ColumnMap:
        if unknown := sorted(set(self.columns) - set(FIELDS)):
            raise ValueError(f"columns: {', '.join(unknown)} not known; known: {', '.join(FIELDS)}")
        if missing := [name for name in NEEDED if name not in self.columns]:
            raise ValueError(f"columns: {', '.join(missing)} missing; name the column of each")
        if strange := sorted(set(self.columns.values()) - set(self.header)):
            raise ValueError(f"columns: {', '.join(strange)} not in `header`")
        require_zone(self.time_zone)
        return self


def read_map(text: str, where: str) -> ColumnMap:
    """Read a map that a person has confirmed.

    Args:
        text: TOML.
        where: Names the source, for messages.

    Raises:
        SettingsError: It is no map, or nobody has confirmed it.
    """
    found = read_signable(ColumnMap, text, where, "column map")
    require_signature(found, where, "column map", "table")
    return found


def proposed(app: str, header: tuple[str, ...], samples: Sequence[Mapping[str, str]], zone: str) -> str:
    """Propose a map for a table, as TOML for a person to correct and confirm.

    Args:
        app: Whose table it is.
        header: Its columns.
        samples: Some of its rows; only the form of their times is looked at.
        zone: Of times that state no offset.
    """
    columns = {field: column for field in _KNOWN if (column := _column(field, header)) is not None}
    # A column is one thing: the first field that would take it keeps it.
    taken: dict[str, str] = {}
    for field, column in columns.items():
        taken.setdefault(column, field)
    columns = {field: column for column, field in taken.items()}
    times = [row.get(columns.get("sent_at", ""), "") for row in samples]
    forms = [form for form in _FORMATS if any(_reads(time, form) for time in times)]
    lines = [
        "# A proposal: compare each line with the table, correct it, then write who confirms it and when.",
        *(f"# {name}: {meaning}" for name, meaning in FIELDS.items()),
        f"app = {quoted(app)}",
        "map_version = 1",
        f"header = {listed(header)}",
        f"time_zone = {quoted(zone)}",
        f"time_formats = {listed(forms or ['%m/%d/%Y %I:%M %p'])}",
        'confirmed_by = ""',
        "# confirmed_on = 2026-01-31",
        "",
        "[columns]",
        *(f"{field} = {quoted(columns[field])}" for field in FIELDS if field in columns),
        *(f'{field} = ""   # name its column' for field in NEEDED if field not in columns),
    ]
    return "\n".join(lines) + "\n"


def _column(field: str, header: tuple[str, ...]) -> str | None:
    names = {_MARKS.sub("", column.casefold()): column for column in reversed(header)}
    return next((names[name] for name in _KNOWN[field] if name in names), None)


def _reads(time: str, form: str) -> bool:
    if form == EPOCH:
        return is_epoch(time)
    try:
        datetime.strptime(time, form)  # noqa: DTZ007 - only its form is asked for
    except ValueError:
        return False
    return True
