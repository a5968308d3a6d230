"""Reads an Outlook data file as a process of its own: a job comes as its argument, what is found goes out.

libpff is C code, and the file was handed over: it may crash, hang or swell whatever reads it. That costs this
process, and no other. It has no network, starts no program, writes no file, and each item has so many seconds
of a processor before the system ends it.

What goes out are frames: the length of a head and that of a body (``FRAME``), the head as JSON, the body an
item's bytes. ``list`` gives one frame; ``read`` one an item and one that says that it came to its end. Each
names the item that comes next (``next``), so that one that ends the process is known.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from connectors.libpff import Fault, Library, Thing, TooLarge, opened
from connectors.msg_writing import (
    ANSI_TEXT,
    ATTACHED,
    OBJECT,
    TEXT,
    Attachment,
    Message,
    Name,
    Property,
    msg_bytes,
    values_of,
)
from connectors.outlook_data_count import DataFile
from records.errors import ItemError
from records.isolation import leave_network, limit_itself

FRAME = struct.Struct("<II")

MEMORY_BYTES = 3 << 30
MOST_BYTES = 1 << 30
"""An item with more in it is not put together in memory."""

_MOST_DEEP = 64
_MOST_PARTS = 20_000
_MOST_FOLDERS = 100_000
_CPU_S = 60
_OPEN_CPU_S = 3_600
"""A file with millions of items is read through once when it is opened."""

FOLDER, SEARCH, MESSAGE, ASSOCIATED = 2, 3, 4, 8
"""Kinds of nodes, the lower five bits of a node's number (MS-PST section 2.2.2.1)."""

ROOT_FOLDER = 0x122
_LOST_FOLDERS = "orphan folders"
_CLASS, _FLAGS, _NAME = 0x001A, 0x0E07, 0x3001
_SUBJECT, _PREFIX = 0x0037, 0x003D
_PASSWORD, _RECORD_KEY = 0x67FF, 0x0FF9
_IS_ASSOCIATED = 0x40
_METHOD, _EMBEDDED, _OLE = 0x3705, 5, 6
_TIMES = {0x0039: "submitted", 0x0E06: "delivered", 0x3007: "created", 0x3008: "modified"}
_SETS = {
    "02200600": "appointment", "03200600": "task", "08200600": "common", "29030200": "public",
}  # fmt: skip
_NAMED_TIMES = {
    ("appointment", 0x820D): "start", ("appointment", 0x820E): "end", ("appointment", 0x8236): "until",
    ("task", 0x8104): "start", ("task", 0x8105): "due",
}  # fmt: skip
"""Named properties that hold times (MS-OXPROPS)."""


def main(job: str) -> None:
    """Do one job and write its frames to standard output.

    Args:
        job: JSON: ``library`` and ``file`` (paths), ``mode``, ``parent`` (process id), and for ``read``
            ``mended``, as ``list`` told it; where the items lie comes by standard input.
    """
    asked = json.loads(job)
    runs = json.loads(sys.stdin.buffer.read() or b"[]")
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)  # the chatter of a library could hold content, or spoil the frames
    leave_network()
    most = MEMORY_BYTES + os.stat(asked["file"]).st_size  # a damaged file is read in memory
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit_itself(asked["parent"])
    _again(_OPEN_CPU_S)
    for head, body in frames(asked, runs):
        _send(out, head, body)
        _again(_CPU_S)
    out.flush()
    os._exit(0)  # what the library frees at its end is of no use to anybody


def frames(
    asked: Mapping[str, Any], runs: Sequence[Sequence[Any]]
) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield what is found, as heads and bodies; see ``main``.

    Args:
        asked: The job.
        runs: Where the items lie.
    """
    try:
        library = Library(asked["library"])
    except Fault:
        yield {"fault": "library"}, b""
        return
    try:
        if asked["mode"] == "list":
            yield _list(library, asked["file"]), b""
            return
        with _open(library, asked["file"], mended=asked["mended"]) as file:
            yield from _read(file, runs)
        yield {"end": True}, b""
    except MemoryError:
        yield {"fault": "memory"}, b""
    except Fault:
        yield {"fault": "damaged"}, b""


def _list(library: Library, path: str) -> dict[str, object]:
    """Return what a file says; one whose trees have holes is read without what hangs on them."""
    try:
        with _open(library, path, mended=False) as file:
            return _listing(file) | {"mended": False}
    except Fault:
        with _open(library, path, mended=True) as file:
            return _listing(file) | {"mended": True}


def _open(library: Library, path: str, *, mended: bool) -> Thing:
    if not mended:
        return opened(library, path)
    with open(path, "rb") as stream:
        pages = DataFile(stream).mended()
        if not pages:
            raise Fault
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        memory = mmap.mmap(
            stream.fileno(), 0, access=mmap.ACCESS_COPY
        )  # what is written stays in this process
    for place, page in pages.items():
        memory[place : place + len(page)] = page
    return opened(library, path, memory)


def _again(seconds: int) -> None:
    """Begin to count processor time anew; when it is spent, the system ends this process by SIGPROF."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _send(out: BinaryIO, head: Mapping[str, object], body: bytes = b"") -> None:
    text = json.dumps(head).encode()
    out.write(FRAME.pack(len(text), len(body)))
    out.write(text)
    out.write(body)
    out.flush()


# --- the tree of folders -----------------------------------------------------------------------------------


def _listing(file: Thing) -> dict[str, object]:
    """Return what a file says of itself, and all folders, parents first."""
    found: list[dict[str, object]] = []
    stack = _tops(file)
    while stack and len(found) < _MOST_FOLDERS:
        at, path, nid = stack.pop()
        name = ""
        with _at(file, at) as folder:
            children = list(folder.below())
            with suppress(Fault):  # it has a number, and what is in it
                name = _text(_values(folder, (_NAME,)).get(_NAME))
        here = [*path, name or f"{nid:x}"] if nid != ROOT_FOLDER else path
        search = nid & 31 == SEARCH
        found.append({"path": here, "nid": nid, "runs": _runs(at, children), "search": search})
        below = [([*at, place], here, child) for place, child in children if child & 31 in (FOLDER, SEARCH)]
        stack.extend(reversed(below))
    return {"file": _about(file), "folders": found, "strays": _strays(file)}


def _runs(at: list[Any], children: Iterable[tuple[int, int]]) -> list[list[Any]]:
    """Return where items lie: the place above them, the first one below it, and how many follow."""
    runs: list[list[Any]] = []
    for place, nid in children:
        if nid & 31 not in (MESSAGE, ASSOCIATED):
            continue
        if runs and runs[-1][1] + runs[-1][2] == place:
            runs[-1][2] += 1
        else:
            runs.append([at, place, 1])
    return runs


def _tops(file: Thing) -> list[tuple[list[Any], list[str], int]]:
    """Return the folders that no other folder holds: the root, and those whose parent is gone."""
    found: list[tuple[list[Any], list[str], int]] = []
    with _top(file) as root:
        for place, nid in root.below():
            if nid & 31 in (FOLDER, SEARCH):
                found.append((["r", place], [] if nid == ROOT_FOLDER else [_LOST_FOLDERS], nid))
    found += [
        (["o", number], [_LOST_FOLDERS], nid)
        for number, nid in _orphans(file)
        if nid & 31 in (FOLDER, SEARCH)
    ]
    return found[::-1]


def _strays(file: Thing) -> list[list[Any]]:
    """Return where the messages lie that are in no folder."""
    with _top(file) as root:
        found = _runs(["r"], root.below())
    return found + _runs(["o"], _orphans(file))


def _orphans(file: Thing) -> Iterator[tuple[int, int]]:
    for number in range(file.number("file_get_number_of_orphan_items")):
        with suppress(Fault), _at(file, ["o", number]) as one:
            yield number, one.id


def _top(file: Thing) -> Thing:
    return _some(file.item("file_get_root_item"))


def _some(thing: Thing | None) -> Thing:
    if thing is None:
        raise Fault
    return thing


def _at(file: Thing, at: Sequence[Any]) -> Thing:
    """Return the item at a place: below the root (``r``) or among the orphans (``o``), and on down."""
    if at[0] == "o":
        item, below = _some(file.item("file_get_orphan_item_by_index", at[1])), at[2:]
    else:
        item, below = _top(file), at[1:]
    for place in below:
        with item:
            child = _some(item.item("item_get_sub_item", place))
        item = child
    return item


def _about(file: Thing) -> dict[str, object]:
    """Return what a file says of itself."""
    about: dict[int, tuple[int, bytes]] = {}
    try:
        if (store := file.item("file_get_message_store")) is not None:
            with store:
                about = _values(store, (_PASSWORD, _RECORD_KEY))
    except Fault:
        pass
    return {
        "type": file.byte("file_get_type"),
        "content": file.byte("file_get_content_type"),
        "encryption": file.byte("file_get_encryption_type"),
        "page": file.number("file_get_ascii_codepage"),
        "password": bool(_number(about.get(_PASSWORD))),
        "store": about[_RECORD_KEY][1].hex() if _RECORD_KEY in about else "",
    }


def _values(item: Thing, wanted: Sequence[int]) -> dict[int, tuple[int, bytes]]:
    """Return type and value of some properties of an item."""
    found: dict[int, tuple[int, bytes]] = {}
    for properties in item.sets():
        for number, kind, data in properties.entries(MOST_BYTES):
            if number in wanted and data is not None:
                found.setdefault(number, (kind, data))
        break
    return found


def _text(value: tuple[int, bytes] | None) -> str:
    """Return text, without what no store takes."""
    if value is None:
        return ""
    kind, data = value
    text = data.decode("cp1252" if kind & 0xFF == ANSI_TEXT else "utf-16-le", "replace")
    return text.rstrip("\0")


def _number(value: tuple[int, bytes] | None) -> int | None:
    return int.from_bytes(value[1], "little") if value is not None and value[1] else None


# --- items -------------------------------------------------------------------------------------------------


def _read(file: Thing, runs: Sequence[Sequence[Any]]) -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield the items at these places, each as what is told of it and its bytes."""
    names = _Names.of(file)
    coming = _opened(file, runs)
    nid, one = next(coming, (None, None))
    yield {"next": nid}, b""
    while nid is not None:
        following, then = next(coming, (None, None))
        head: dict[str, object] = {"nid": nid, "next": following}
        body = b""
        try:
            if one is None:
                raise Fault
            with one:
                if nid & 31 == ASSOCIATED:
                    head["associated"] = True
                else:
                    about, body = _item(one, names)
                    head |= about
        except MemoryError:
            head |= {"failed": "out_of_memory", "detail": "item"}
        except TooLarge:
            head |= {"failed": "too_large", "detail": "item"}
        except ItemError as error:
            head |= {"failed": str(error.reason), "detail": error.detail}
        except Fault:
            head |= {"failed": "corrupt", "detail": "item"}
        yield head, body
        nid, one = following, then


def _opened(file: Thing, runs: Sequence[Sequence[Any]]) -> Iterator[tuple[int, Thing | None]]:
    """Yield number and handle of the items at these places; no handle of one that cannot be opened."""
    for at, first, count in runs:
        above = None if at == ["o"] else _at(file, at)
        with above or nullcontext():
            for place in range(first, first + count):
                one = None
                try:
                    one = _at(file, ["o", place]) if above is None else above.item("item_get_sub_item", place)
                    yield _some(one).id, one
                except Fault:
                    yield place << 5, None  # its number cannot be had; no node has one that ends so


@dataclass(slots=True)
class _Names:
    """The names of properties from 0x8000 on (MS-PST section 2.4.7).

    Attributes:
        sets: GUIDs.
        entries: Of eight bytes: number or place of the text, set and kind, property.
        texts: Names, each behind its length.
    """

    sets: bytes = b""
    entries: bytes = b""
    texts: bytes = b""
    _known: dict[int, Name] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Thing) -> _Names:
        """Read the map of a file; an empty one where there is none."""
        found = cls()
        try:
            item = file.item("file_get_name_to_id_map")
            if item is None:
                return found
            with item:
                values = _values(item, (2, 3, 4))
        except Fault:
            return found
        found.sets, found.entries, found.texts = (values.get(number, (0, b""))[1] for number in (2, 3, 4))
        for key, mark, number in struct.iter_unpack("<IHH", found.entries[: len(found.entries) & ~7]):
            if (name := found._name(key, mark)) is not None:
                found._known.setdefault(0x8000 + number, name)
        return found

    def __call__(self, number: int) -> Name:
        """Return the name of a property; one that the map lacks is called by its number in the file."""
        return self._known.get(number) or Name(bytes(16), f"{number:04x}")

    def _name(self, key: int, mark: int) -> Name | None:
        index = mark >> 1
        if index >= 3:
            set_ = self.sets[(index - 3) * 16 : (index - 2) * 16]
        else:
            set_ = (
                bytes.fromhex(f"2{('8', '8', '9')[index]}03020000000000c000000000000046")
                if index
                else bytes(16)
            )
        if len(set_) != 16:
            return None
        if not mark & 1:
            return Name(set_, key)
        size = int.from_bytes(self.texts[key : key + 4], "little")
        text = self.texts[key + 4 : key + 4 + size]
        return Name(set_, text.decode("utf-16-le", "replace")) if len(text) == size else None


@dataclass(slots=True)
class _Reading:
    """What goes into one item.

    Attributes:
        names: Of its named properties.
        left: Bytes that it may still hold.
        parts: Recipients and attachments that it may still hold.
        lost_values: Properties that could not be read, or were there twice.
        lost_parts: Attachments and recipients that could not be read.
    """

    names: _Names
    left: int = MOST_BYTES
    parts: int = _MOST_PARTS
    lost_values: int = 0
    lost_parts: int = 0

    def properties(self, entries: Thing) -> list[Property]:
        """Return the properties of a set, by id."""
        found: dict[int, Property] = {}
        for number, kind, data in entries.entries(self.left):
            if data is None or number in found or not 0 < number < 0x10000 or kind > 0xFFFF:
                self.lost_values += 1
                continue
            self.left -= len(data)
            found[number] = Property(number, kind, data)
        return [self._sound(found[number]) for number in sorted(found)]

    def _sound(self, one: Property) -> Property:
        """Return a property; many values that do not lie where they should become bytes."""
        if one.type & 0x1000 and one.type & 0xFFF in (0x1E, 0x1F, 0x102, 0x0D):
            try:
                values_of(one.data)
            except ValueError:
                self.lost_values += 1
                return Property(one.id, 0x102, one.data)
        return one

    def message(self, item: Thing, own: Sequence[Property], deep: int) -> Message:
        """Return a message with all that it carries."""
        recipients: list[list[Property]] = []
        attachments: list[Attachment] = []
        try:
            if (table := item.item("message_get_recipients")) is not None:
                with table:
                    for row in table.sets():
                        self._count()
                        recipients.append(self.properties(row))
        except Fault:
            self.lost_parts += 1
        try:
            many = item.number("message_get_number_of_attachments")
        except Fault:
            self.lost_parts += 1
            many = 0
        for number in range(many):
            self._count()
            try:
                with _some(item.item("message_get_attachment", number)) as one:
                    attachments.append(self._attachment(one, deep))
            except Fault:
                self.lost_parts += 1
        return Message(own, recipients, attachments)

    def _count(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise TooLarge

    def _attachment(self, item: Thing, deep: int) -> Attachment:
        own = _own(self, item)
        method = next((int.from_bytes(one.data, "little") for one in own if one.id == _METHOD), 0)
        held = next((one for one in own if one.id == ATTACHED), None)
        if held is None or held.type != OBJECT:
            return Attachment(own)
        rest = [one for one in own if one.id != ATTACHED]
        try:
            if method == _EMBEDDED and deep < _MOST_DEEP:
                with _some(item.item("attachment_get_item")) as inner:
                    return Attachment(rest, self.message(inner, _own(self, inner), deep + 1))
            if method == _OLE:
                data = item.attached(self.left)
                self.left -= len(data)
                return Attachment([*rest, Property(ATTACHED, 0x102, data)])
        except Fault:
            pass
        self.lost_parts += 1
        return Attachment(rest)


def _own(reading: _Reading, item: Thing) -> list[Property]:
    for properties in item.sets():
        return _plain_subject(reading.properties(properties))
    return []


def _plain_subject(own: list[Property]) -> list[Property]:
    """Return properties with the subject as it reads, and its prefix ("RE: ") as a property of its own.

    A data file marks the prefix by two characters before the subject, 0x01 and its length and one
    (MS-PST section 2.5.3.1.1.1); nothing else takes them for anything but text.
    """
    found = []
    for one in own:
        width = {TEXT: 2, ANSI_TEXT: 1}.get(one.type, 0)
        if (
            one.id == _SUBJECT
            and width
            and one.data[:width] == b"\1\0"[:width]
            and len(one.data) >= 2 * width
        ):
            length = max(int.from_bytes(one.data[width : 2 * width], "little") - 1, 0) * width
            plain = one.data[2 * width :]
            found.append(Property(_SUBJECT, one.type, plain))
            if length and not any(other.id == _PREFIX for other in own):
                found.append(Property(_PREFIX, one.type, plain[:length]))
        else:
            found.append(one)
    return sorted(found, key=lambda one: one.id)


def _item(item: Thing, names: _Names) -> tuple[dict[str, object], bytes]:
    """Return what is told of an item, and the item as an Outlook message file."""
    reading = _Reading(names)
    own = _own(reading, item)
    if not own:
        raise Fault
    about = _told(own, names)
    if _number_of(own, _FLAGS) & _IS_ASSOCIATED:
        return {**about, "associated": True}, b""
    body = msg_bytes(reading.message(item, own, 0), names)
    return {**about, "lost_values": reading.lost_values, "lost_parts": reading.lost_parts}, body


def _number_of(own: Sequence[Property], number: int) -> int:
    return next((int.from_bytes(one.data[:8], "little") for one in own if one.id == number), 0)


def _told(own: Sequence[Property], names: _Names) -> dict[str, object]:
    """Return the few facts of an item that its collector needs; times as MAPI has them (FILETIME)."""
    told: dict[str, object] = {"flags": _number_of(own, _FLAGS)}
    times: dict[str, int] = {}
    for one in own:
        if one.id in _TIMES and one.type == 0x40 and len(one.data) == 8:
            times[_TIMES[one.id]] = int.from_bytes(one.data, "little")
        elif one.id == _CLASS:
            told["class"] = _text((one.type, one.data))
        elif one.id == 0x300B:
            told["search_key"] = one.data.hex()
        elif one.id in (0x3FFD, 0x3FDE):
            told.setdefault("page", int.from_bytes(one.data[:4], "little"))
        elif one.id >= 0x8000:
            name = names(one.id)
            set_ = _SETS.get(name.set[:4].hex(), "") if name.set[4:] == _OUTLOOK else ""
            if one.type == 0x40 and len(one.data) == 8 and isinstance(name.name, int):
                if (key := _NAMED_TIMES.get((set_, name.name))) is not None:
                    times[key] = int.from_bytes(one.data, "little")
            elif (set_, name.name) == ("appointment", 0x8223):
                told["recurs"] = any(one.data)
            elif name.name == "Keywords" and set_ == "public" and one.type & 0xFFE == 0x1E:
                told["labels"] = [_text((one.type & 0xFFF, value)) for value in _values_of(one)]
    told["ansi"] = any(one.type & 0xFFF == ANSI_TEXT for one in own)
    told["times"] = times
    return told


_OUTLOOK = bytes.fromhex("0000 0000 c000 0000 0000 0046".replace(" ", ""))


def _values_of(one: Property) -> list[bytes]:
    return values_of(one.data) if one.type & 0x1000 else [one.data]


if __name__ == "__main__":
    main(sys.argv[1])
