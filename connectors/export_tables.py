"""Tables that come with an export: CSV with columns found by header, metadata XML, lists of checksums.

Vendors rename columns and files with every release, so a column is found by any of its names, compared
without case, spaces and marks, and what is not known is kept under its own name. All are read as streams.
Nothing in XML is resolved: a document that declares entities is refused.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import struct
import tempfile
import threading
import weakref
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast
from xml.parsers import expat

from connectors.bytesource import CHUNK, errno_code
from connectors.folders import storable
from records.errors import ItemError
from records.vocabulary import Reason

_FIELD_BYTES = 16 << 20
"""Longest field of a CSV that is taken; a list of 100,000 addresses is shorter."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SUM = re.compile(r"(?<![0-9A-Za-z])([0-9a-fA-F]{32})(?![0-9A-Za-z])")
_BSD = re.compile(r"MD5 ?\((?P<name>.+)\) ?= ?(?P<sum>[0-9a-fA-F]{32})\s*")
_AROUND = " \t\r\n*,;:=\"'"
_IN_MEMORY = 4 << 20
_WRAPPERS = frozenset({"batch", "documents", "errors", "fields", "files"})
"""Elements that hold others and say nothing themselves, whatever attributes they have."""


@lru_cache(4096)
def normal(name: str) -> str:
    """Return a column's or a tag's name as it is compared: letters and digits only, without case."""
    return "".join(char for char in name.casefold() if char.isalnum())


def clean(text: str) -> str:
    """Return text that any store takes: no NUL, no half of a surrogate pair, no space around."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode().strip()


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV being read.

    Attributes:
        header: Names of its columns as stated; one that is there twice has ``#2`` after its second use.
        rows: By column, once, in order.
    """

    header: tuple[str, ...]
    rows: Iterator[dict[str, str]]

    def column(self, *names: str) -> str | None:
        """Return the column that has one of these names, the first name first; None where there is none."""
        known = {normal(name): name for name in reversed(self.header)}
        return next((known[name] for name in map(normal, names) if name in known), None)

    def has(self, *names: str) -> bool:
        """Say whether it has a column of one of these names."""
        return self.column(*names) is not None


def read_table(stream: BinaryIO) -> Table:
    """Read a CSV with a header; commas, semicolons or tabs; UTF-8, or UTF-16 with its mark.

    Rows are read as they are drawn; the stream is the caller's to close.

    Raises:
        ItemError: ``corrupt`` when it is no table; drawing rows raises the same, and what reading raises.
    """
    buffered = io.BufferedReader(cast("io.RawIOBase", stream), CHUNK)
    head = buffered.peek(4)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    text = io.TextIOWrapper(buffered, encoding, errors="replace", newline="")
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_BYTES))
    first = text.readline(_FIELD_BYTES)
    delimiter = max(",;\t", key=first.count)
    lines = iter(csv.reader(_with_first(first, text), delimiter=delimiter))
    header = tuple(_unique(clean(name) for name in _next_row(lines) or ()))
    if not header:
        raise ItemError(Reason.CORRUPT, "csv_header")
    return Table(header, _rows(lines, header))


def _with_first(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _next_row(lines: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(lines, None)
    except csv.Error as err:
        raise ItemError(Reason.CORRUPT, "csv") from err
    except UnicodeError as err:
        raise ItemError(Reason.CORRUPT, "csv_text") from err


def _rows(lines: Iterator[list[str]], header: tuple[str, ...]) -> Iterator[dict[str, str]]:
    while (cells := _next_row(lines)) is not None:
        if not any(cells):
            continue
        row = {name: clean(cell) for name, cell in zip(header, cells, strict=False)}
        for number in range(len(header), len(cells)):  # a comma that was not quoted; nothing is dropped
            row[f"column {number + 1}"] = clean(cells[number])
        yield row


def _unique(names: Iterable[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"


@dataclass(frozen=True, slots=True)
class Record:
    """One element of a metadata or error XML.

    Attributes:
        name: Its tag, as ``normal`` has it.
        tags: ``Tag`` elements inside: TagName to TagValue, a repeated one joined by commas.
        attributes: Its own attributes, by name as ``normal`` has it.
        files: Attributes of each ``ExternalFile`` inside, likewise.
        texts: Text of each element inside that has some, by name as ``normal`` has it.
    """

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    files: list[dict[str, str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def value(self, *names: str) -> str:
        """Return the first of these that the element states as attribute, tag or text; empty for none."""
        tags = {normal(name): value for name, value in self.tags.items()}
        for name in map(normal, names):
            for place in (self.attributes, tags, self.texts):
                if place.get(name):
                    return place[name]
        return ""


@dataclass(slots=True)
class _Reader:
    """What has been met of an XML so far; one a run."""

    wanted: frozenset[str]
    root: str = ""
    depth: int = 0
    others: bool = False
    record: Record | None = None
    record_depth: int = 0
    text: list[str] = field(default_factory=list)
    done: list[Record] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        self.depth += 1
        self.text.clear()
        name = normal(name)
        values = {normal(key): clean(value) for key, value in attributes.items()}
        if self.depth == 1:
            self.root = name
        elif self.record is None and name in self.wanted:
            self.record, self.record_depth = Record(name, attributes=values), self.depth
        elif self.record is None:
            self.others = self.others or (bool(values) and name not in _WRAPPERS)
        elif name == "tag" and values.get("tagname"):
            known = self.record.tags.get(values["tagname"])
            value = values.get("tagvalue", "")
            self.record.tags[values["tagname"]] = f"{known},{value}" if known else value
        elif name == "externalfile":
            self.record.files.append(values)

    def end(self, name: str) -> None:
        """Leave an element."""
        if self.record is not None:
            text = clean("".join(self.text))
            if text and self.depth > self.record_depth:
                self.record.texts.setdefault(normal(name), text)
            elif self.depth == self.record_depth:
                if text:
                    self.record.texts.setdefault("text", text)
                self.done.append(self.record)
                self.record = None
        self.text.clear()
        self.depth -= 1

    def data(self, text: str) -> None:
        """Take text; what stands outside a record is only noted."""
        if self.record is not None:
            self.text.append(text)
        elif text.strip():
            self.others = True


def read_xml(stream: BinaryIO, *wanted: str) -> Iterator[Record]:
    """Yield the elements of these names in file order, wherever they stand below the root.

    Raises:
        ItemError: ``corrupt`` for what is no XML or declares entities, ``truncated`` for one that is cut
            (what stands before is yielded first), ``unsupported`` (``xml_layout``) for one that says
            something and has none of these elements; and what reading raises.
    """
    reader = _Reader(frozenset(map(normal, wanted)))
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.EntityDeclHandler = _refuse_entities
    found = 0
    ended = False
    while not ended:
        data = stream.read(CHUNK)
        ended = not data
        fault = None
        try:
            parser.Parse(data, ended)
        except expat.ExpatError as err:
            fault = ItemError(Reason.TRUNCATED if ended else Reason.CORRUPT, "xml")
            fault.__cause__ = err
        except (UnicodeError, ValueError) as err:
            fault = ItemError(Reason.CORRUPT, "xml")
            fault.__cause__ = err
        found += len(reader.done)
        yield from reader.done
        reader.done.clear()
        if fault is not None:
            raise fault
    if not found and reader.others:
        raise ItemError(Reason.UNSUPPORTED, "xml_layout")


def _refuse_entities(*_: object) -> None:
    raise ItemError(Reason.CORRUPT, "xml_entities")


def xml_root(head: bytes) -> str:
    """Return the name of the root element as ``normal`` has it; empty for what is no XML.

    Raises:
        ItemError: ``corrupt`` (``xml_entities``) for one that declares entities.
    """
    reader = _Reader(frozenset())
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EntityDeclHandler = _refuse_entities
    with contextlib.suppress(expat.ExpatError, ValueError):  # a head is cut somewhere
        parser.Parse(head, False)  # noqa: FBT003 - takes no keywords
    return reader.root


def read_checksums(stream: BinaryIO) -> dict[str, str]:
    """Return MD5 sums in lower-case hex by file name, of a list of any of the usual forms.

    Each line has a sum and a name, in either order or as ``MD5 (name) = sum``; a folder before the name is
    left out, because it is not where the file lies now. Lines without both are passed over.

    Raises:
        ItemError: ``corrupt`` (``md5_list``) when no line has a sum and a name.
    """
    sums: dict[str, str] = {}
    lines = io.TextIOWrapper(io.BufferedReader(cast("io.RawIOBase", stream)), "utf-8-sig", "replace")
    for line in lines:
        stated = _BSD.fullmatch(line)
        found = _SUM.findall(line)
        if stated is not None:
            name, md5 = stated["name"], stated["sum"]
        elif len(found) == 1:
            before, _, after = line.partition(found[0])
            name, md5 = before.strip(_AROUND) or after.strip(_AROUND), found[0]
        else:
            continue
        if name := clean(name.replace("\\", "/").rpartition("/")[2]):
            sums[storable(name)] = md5.lower()
    if not sums:
        raise ItemError(Reason.CORRUPT, "md5_list")
    return sums


def md5_of(path: str) -> str:
    """Return the MD5 of a plain file in hex, read a chunk at a time.

    Raises:
        ItemError: ``unreadable``.
    """
    digest = hashlib.md5(usedforsecurity=False)  # what the vendors state; it is no proof against malice
    try:
        with open(path, "rb", buffering=0) as stream:
            while data := stream.read(CHUNK):
                digest.update(data)
    except OSError as err:
        raise ItemError(Reason.UNREADABLE, errno_code(err)) from err
    return digest.hexdigest()


def hash64(text: str) -> int:
    """Return 64 bits of a hash of ``text``, by which keys of tables are told apart."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


class HashSet:
    """A set of texts in 8 bytes each; filled once, then asked."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Take ``texts``."""
        self._hashes = array("Q", (hash64(text) for text in texts))
        self._sorted = False

    def add(self, text: str) -> None:
        """Put one more in; repeats are allowed."""
        self._hashes.append(hash64(text))
        self._sorted = False

    def __contains__(self, text: str) -> bool:
        place = bisect_left(self._order(), wanted := hash64(text))
        return place < len(self._hashes) and self._hashes[place] == wanted

    def __len__(self) -> int:
        """Return how many different ones there are."""
        last, count = -1, 0
        for value in self._order():
            count += value != last
            last = value
        return count

    def _order(self) -> array[int]:
        if not self._sorted:
            self._hashes = array("Q", sorted(self._hashes))
            self._sorted = True
        return self._hashes


_MAGIC = b"dlrows1\n"
_KEPT = struct.Struct("<8sQQ")
"""What a file of kept rows ends with: what it is, how many bytes are rows, how many rows."""


class KeyedRows:
    """Rows of a table by a key: 16 bytes a row in memory, the rows in an unnamed temporary file.

    A mailbox has hundreds of thousands of rows, which are joined to messages in the order of these. Several
    may read at once; what was put in can be kept in a file, and taken from there by another process.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._file: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by ``close``
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._sorted = False
        self._hashes = array("Q")
        self._places = array("Q")

    def keep(self, path: Path) -> None:
        """Write it to a file, whole or not at all; rows first, then hashes and places, then how many."""
        self._sort()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".rows-")
        try:
            with self._lock, os.fdopen(descriptor, "wb") as out:
                self._file.seek(0)
                shutil.copyfileobj(self._file, out)
                size = out.tell()
                out.write(self._hashes.tobytes() + self._places.tobytes())
                out.write(_KEPT.pack(_MAGIC, size, len(self._hashes)))
            os.replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise

    @classmethod
    def kept(cls, path: Path) -> KeyedRows | None:
        """Return what ``keep`` wrote; None where nothing whole is there."""
        try:
            file = path.open("rb")
        except OSError:
            return None
        made = cls()
        made._file.close()
        made._file = file
        weakref.finalize(made, file.close)
        try:
            end = file.seek(0, os.SEEK_END) - _KEPT.size
            file.seek(max(0, end))
            magic, size, count = _KEPT.unpack(file.read(_KEPT.size))
            if magic != _MAGIC or size + 16 * count != end:
                raise ValueError
            file.seek(size)
            made._hashes.frombytes(file.read(8 * count))
            made._places.frombytes(file.read(8 * count))
        except (OSError, ValueError, struct.error):
            file.close()
            return None
        made._sorted = True
        return made

    def add(self, key: str, row: Mapping[str, str]) -> None:
        """Put a row in; a key may have several."""
        assert not self._sorted, "rows are put in first, then asked for"
        self._hashes.append(hash64(key))
        self._places.append(self._file.tell())
        self._file.write(json.dumps([key, row], ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    def get(self, key: str) -> list[dict[str, str]]:
        """Return the rows of a key in the order they were put in; no more may be put in from here on."""
        self._sort()
        wanted = hash64(key)
        at = bisect_left(self._hashes, wanted)
        found = []
        while at < len(self._hashes) and self._hashes[at] == wanted:
            with self._lock:
                self._file.seek(self._places[at])
                line = self._file.readline()
            stated, row = json.loads(line)
            if stated == key:
                found.append(row)
            at += 1
        return found

    def _sort(self) -> None:
        if self._sorted:
            return
        order = sorted(range(len(self._hashes)), key=self._hashes.__getitem__)
        self._hashes = array("Q", (self._hashes[n] for n in order))
        self._places = array("Q", (self._places[n] for n in order))
        self._sorted = True

    def close(self) -> None:
        """Let go of the temporary file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
