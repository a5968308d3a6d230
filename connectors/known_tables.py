"""Tables of messages whose columns are known, in a folder or a zip with what they name beside them.

What tools and services hand out as CSV has columns of fixed names, which come and go with versions and stand
in any order. So a table is known by the few that tell it, and a column is found by its name; others are facts
of the row. A table with other columns is a file, or one for ``connectors.message_table``.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from connectors.chat_files import ChatFiles
from connectors.export_files import PackageFile
from connectors.export_tables import clean, normal, read_table
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, prefix_of
from connectors.message_table import BOM, MESSAGE_TYPE, cells_of, decoded, delimiter_of, records_of
from records import canonical
from records.models import NO_MOMENT, ExcludedItem, Expected, FailedItem, FoundItem, Moment, Window, Yielded
from records.moments import as_facts
from records.vocabulary import Kind, Reason, WarningCode


@dataclass(frozen=True, slots=True)
class Carried:
    """Something a row names.

    Attributes:
        name: For people; may be empty.
        file: Where it lies in the source, or None.
        reason: Why it does not.
        detail: The same, closer.
    """

    name: str
    file: PackageFile | None
    reason: Reason = Reason.NOT_IN_EXPORT
    detail: str = "media"


@dataclass(frozen=True, slots=True)
class Told:
    """What a row says that a connector needs.

    Attributes:
        kind: What it is.
        moment: When it was made.
        key: The source's own id of it; empty where it has none, or one that several rows share.
        facts: For its reader, beside those that all rows of the table have.
        warnings: Edits, deletions, drafts.
        media: What it names, in order.
    """

    kind: Kind
    moment: Moment = NO_MOMENT
    key: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[WarningCode, ...] = ()
    media: tuple[Carried, ...] = ()


class Row:
    """The cells of a row by their columns, however these are spelt."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        """Keep the cells; of two columns of one name the first counts."""
        self._cells = {normal(name): value for name, value in reversed(list(cells.items()))}

    def __getitem__(self, column: str) -> str:
        """Return a cell; empty where the table has no such column."""
        return self._cells.get(normal(column), "")

    def has(self, column: str) -> bool:
        """Say whether the table has a column."""
        return normal(column) in self._cells

    def says_yes(self, column: str) -> bool:
        """Say whether a cell is a yes."""
        return self[column].casefold() in {"yes", "true", "1"}


class KnownTables(ChatFiles):
    """Base of connectors of such tables.

    Attributes:
        app: Whose tables they are, as facts have it.
        needed: The columns that tell such a table from all others.
        columns: Column of each field that its reader takes from the row itself (``extract.message_table``).
    """

    app: ClassVar[str]
    needed: ClassVar[tuple[str, ...]]
    columns: ClassVar[Mapping[str, str]]
    count_method: ClassVar[str] = "csv parse"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    head_bytes: ClassVar[int] = 16 << 10
    most_bytes: ClassVar[int] = 1 << 40

    @abstractmethod
    def _reader(self, file: PackageFile) -> Callable[[Row], Told]:
        """Return what reads the rows of a table, in their order."""

    @classmethod
    def is_table(cls, head: bytes) -> bool:
        """Say whether a file begins with the columns of such a table."""
        header = _header(head.split(b"\n", 1)[0])[1]
        return {normal(name) for name in cls.needed} <= {normal(name) for name in header}

    def _is_chat(self, head: bytes) -> bool:
        return self.is_table(head)

    def _label(self, key: str) -> str:
        return key.rpartition("/")[2].rpartition(".")[0] or key

    def _data(self, file: PackageFile) -> bytes:
        """Return nothing: a table may be large, and is read row by row."""
        del file
        return b""

    def _counted(self, file: PackageFile, data: bytes) -> int | Expected:
        """Count rows by the standard library's reader, and what they name that is not there."""
        del data
        tell, count = self._reader(file), 0
        named = self._named[file.key] = set()
        with file.stream() as stream:
            for cells in read_table(stream).rows:
                media = tell(Row(cells)).media
                count += 1 + sum(one.file is None for one in media)
                named.update(one.file.key for one in media if one.file is not None)
        return count

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        del data
        tell = self._reader(file)
        seen = SeenHashes()
        with file.stream() as stream:
            records = records_of(stream)
            delimiter, header = _header(next(records, b""))
            named = {normal(name): name for name in reversed(header)}
            columns = {
                what: named[normal(name)] for what, name in self.columns.items() if normal(name) in named
            }
            about = {
                "app": self.app, "delimiter": delimiter, "header": canonical.dumps(list(header)),
                "columns": canonical.dumps(columns),
            }  # fmt: skip
            for native in records:
                cells = [clean(cell) for cell in cells_of(decoded(native), delimiter)]
                if any(cells):
                    told = tell(Row(dict(zip(header, cells, strict=False))))
                    odd = len(cells) != len(header)
                    warned = (WarningCode.HEADER_DEFECT,) if odd else ()
                    yield from row_values(native, told, about, window, seen, warned=warned)


def _header(first: bytes) -> tuple[str, tuple[str, ...]]:
    """Return what stands between the cells of a table, and its columns."""
    text = decoded(first.removeprefix(BOM))
    delimiter = delimiter_of(text)
    return delimiter, tuple(clean(cell) for cell in cells_of(text, delimiter))


def row_values(
    native: bytes,
    told: Told,
    about: Mapping[str, str],
    window: Window,
    seen: SeenHashes,
    *,
    warned: tuple[WarningCode, ...] = (),
    media_type: str = MESSAGE_TYPE,
) -> Iterator[Yielded]:
    """Yield a row, then what it names and the source does not have.

    Args:
        native: Its exact bytes.
        told: What it says.
        about: Facts that all rows of the table have.
        window: The request's days.
        seen: Keys so far.
        warned: What its bytes give to know.
        media_type: What its reader knows it by.
    """
    stated = told.key[:400] or hashlib.sha256(native).hexdigest()
    again = seen.count(prefix_of(hashlib.sha256(stated.encode("utf-8", "surrogatepass")).digest()))
    key = f"{stated}:{again}" if again or not told.key else stated
    missing = [
        FailedItem(f"{key}#media{number}", Kind.FILE, "", one.reason, one.detail, one.name or None)
        for number, one in enumerate(told.media)
        if one.file is None
    ]
    outside, codes = placed(told.moment, window, dated=True)
    if outside:
        yield ExcludedItem(key, told.kind, "", Reason.OUTSIDE_WINDOW, "", None, told.moment)
        yield from missing
        return
    facts = {**about, **as_facts(told.moment), "kind": told.kind.value, **told.facts}
    held = [(one.name, one.file.key) for one in told.media if one.file is not None]
    if held:
        facts["attachments"] = canonical.dumps([{"name": name, "native_key": one} for name, one in held])
    warnings = (
        *told.warnings,
        *warned,
        *((WarningCode.DUPLICATE_ENTRY,) if again and told.key else ()),
        *((WarningCode.MISSING_PART,) if missing else ()),
        *codes,
    )
    stated_facts = {name: value for name, value in facts.items() if value}
    yield FoundItem(
        key, told.kind, "", None, media_type, len(native), told.moment, stated_facts, warnings, native
    )
    yield from missing
