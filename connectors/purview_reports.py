"""The reports of a Purview export: which one is which, and the rows of those on items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.export_files import INSIDE, PackageFile
from connectors.export_tables import Table, normal, read_table
from connectors.folders import storable
from connectors.purview_paths import PART, PARTIAL, normal_path, place_in
from records.errors import ItemError
from records.models import NO_MOMENT, Moment
from records.moments import EARLIEST
from records.numbers import whole_number
from records.vocabulary import Basis, Reason

_REPORT = re.compile(
    r"(?P<what>Summary|Items|Locations|Settings|Statistics)(?:[-_. ].*)?\.csv", re.IGNORECASE | re.DOTALL
)
_HOLDS_OTHERS = (".pst", ".eml", ".msg")
_NAMED_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{2,40}")
TARGET = ("Target path", "TargetPath", "Export path", "Exported path", "Export native path", "Target")
ERROR = ("Error", "Errors", "Error message", "Error details", "Item error", "Export error", "Error code")
CODE = ("Error code", "ErrorCode", "Error type")
STATUS = ("Item status", "Export status", "Status", "Result")
_INDEXED = ("Partially indexed", "Is partially indexed", "Indexing status", "Index status", "Item source")
LOCATION = ("Location", "Location name", "Location ID", "Mailbox", "Data source", "Name", "Site")
FACTS: dict[str, tuple[str, ...]] = {
    "folder": ("Original path", "Source path", "Path", "Folder"),
    "account": ("Location", "Location name", "Mailbox", "Data source", "Custodian"),
    "labels": ("Categories",),
    "item_class": ("Item class", "ItemClass", "Message class"),
    "item_id": ("Immutable ID", "ImmutableId", "Item ID", "Document ID", "Unique ID"),
    "message_id": ("Internet message ID", "InternetMessageId"),
    "conversation_id": ("ConversationId", "Conversation ID"),
    "conversation": ("Conversation name", "Conversation topic"),
    "conversation_type": ("ConversationType", "Conversation type"),
    "participants": ("Participants", "Thread participants"),
}
_EXPORTED = (
    "Items exported", "Exported items", "Total items exported", "Total exported items", "Exported item count",
    "Item count", "Total items", "Total item count",
)  # fmt: skip
NOTHING = frozenset(
    ["0", "none", "no", "na", "null", "noerror", "noerrors", "success", "succeeded", "ok"]
) | {""}
"""What stands in a column of errors where there is none."""
_NEEDED: dict[str, tuple[str, ...]] = {
    "items": (*TARGET, *FACTS["item_id"], *FACTS["item_class"]),
    "locations": LOCATION,
    "summary": (),
}
_TIMES = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S")


@dataclass(slots=True)
class Report:
    """A report: where it is, what of, and why it is not used, or None."""

    file: PackageFile
    role: str
    problem: ItemError | None = None


def report_of(file: PackageFile) -> Report | None:
    """Say which report a file is: by its name, in the zip or a folder of reports, or beside the parts.

    Not at the top of a part: a file of a site may have any name, and lies there when paths are condensed.
    """
    folder = file.inner.rpartition("/")[0].rpartition("/")[2]
    zipped = file.key[: -len(file.inner)].rstrip(INSIDE).rpartition("/")[2]
    if not folder.startswith("Reports") and (folder or PART.fullmatch(zipped)):
        return None
    stated = _REPORT.fullmatch(file.name)
    if stated is None:
        return None
    role = stated["what"].lower()
    return Report(file, role, _unreadable(file, _NEEDED[role]) if role in _NEEDED else None)


def _unreadable(file: PackageFile, needed: tuple[str, ...]) -> ItemError | None:
    """Return why a report cannot be used."""
    try:
        with file.stream() as stream:
            table = read_table(stream)
            return None if not needed or table.has(*needed) else ItemError(Reason.UNSUPPORTED, "columns")
    except ItemError as err:
        return err


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of an item report.

    Attributes:
        target: Key of the file it is in; empty when it names none.
        stated: The path as it stands there.
        within: It is inside that file: a message in a PST, an attachment in a message.
        place: Key of the scope: mailbox or site, partially indexed items apart.
        partial: Its item is partially indexed.
        error: Code of its error; empty for none.
        values: All columns.
    """

    target: str
    stated: str
    within: bool
    place: str
    partial: bool
    error: str
    values: dict[str, str]


class ItemReader:
    """Reads the rows of one item report by its header."""

    def __init__(self, table: Table) -> None:
        self._target = table.column(*TARGET)
        self._error = table.column(*ERROR)
        self._code = table.column(*CODE)
        self._status = table.column(*STATUS)
        self._indexed = table.column(*_INDEXED)

    def read(self, row: dict[str, str]) -> ItemRow:
        """Return what is needed of a row, and all of it."""
        path = row.get(self._target or "", "").replace("\\", "/").strip("/")
        parts = path.split("/")
        cut = next(
            (n for n, part in enumerate(parts[:-1]) if n and part.lower().endswith(_HOLDS_OTHERS)),
            len(parts) - 1,
        )
        inside = parts[1 : cut + 1] if parts[0].lower().endswith(".zip") else parts[: cut + 1]
        place, partial = place_in("/".join(inside))
        indexed = normal(row.get(self._indexed or "", ""))
        partial = partial or "partial" in indexed or indexed in {"yes", "true", "1"}
        said = normal(row.get(self._error or "", ""))
        status = normal(row.get(self._status or "", ""))
        error = ""
        if said not in NOTHING or "fail" in status or "error" in status.replace("noerror", ""):
            error = code_of(row.get(self._code or "", ""), "item_error")
        target = normal_path("/".join(parts[: cut + 1]))
        place = f"{PARTIAL}{place}" if partial else place
        return ItemRow(target, storable(path), cut < len(parts) - 1, place, partial, error, row)


def first_of(found: Mapping[str, tuple[str, str]], names: tuple[str, ...]) -> str:
    """Return what stands under the first of these columns that has something."""
    return next((found[name][1] for name in map(normal, names) if name in found), "")


def summary_figure(report: Report) -> int | None:
    """Return how many items the summary says were exported; a table of one row, or of names and values."""
    wanted = {normal(name) for name in _EXPORTED}
    with report.file.stream() as stream:
        table = read_table(stream)
        column = table.column(*_EXPORTED)
        for row in table.rows:
            if column is not None:
                return _number(row.get(column, ""))
            cells = list(row.values())
            if len(cells) > 1 and normal(cells[0]) in wanted:
                return _number(cells[1])
    return None


def _number(text: str) -> int | None:
    return whole_number(text.replace(",", "").strip())


def code_of(text: str, otherwise: str) -> str:
    """Return a short code of an error; its words may hold content."""
    return text.lower() if _NAMED_CODE.fullmatch(text) and normal(text) not in NOTHING else otherwise


def moment_of(text: str) -> Moment:
    """Read a time of a report; they are UTC, whether they say so or not."""
    if not text:
        return NO_MOMENT
    at = None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        for form in _TIMES:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below
                break
            except ValueError:
                continue
    if at is None:
        return Moment(None, text, Basis.NONE)
    try:
        utc = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return Moment(None, text, Basis.NONE)
    return Moment(utc, text, Basis.STATED) if utc >= EARLIEST else Moment(None, text, Basis.NONE)
