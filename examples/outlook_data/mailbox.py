"""Folders, messages, recipients and attachments of an Outlook data file (MS-PST section 2.4)."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.outlook_data.encoding import NONE, checksum
from examples.outlook_data.nodes import UNICODE, Layout, Nodes
from examples.outlook_data.tables import Owner, properties, table

Value = (
    str | int | bool | float | bytes | datetime | uuid.UUID | Sequence[str] | Sequence[bytes] | Sequence[int]
)
Name = tuple[uuid.UUID, int | str]
"""A named property: the set it belongs to, and its number or its name."""

PUBLIC = uuid.UUID("00020329-0000-0000-c000-000000000046")
APPOINTMENT = uuid.UUID("00062002-0000-0000-c000-000000000046")
TASK = uuid.UUID("00062003-0000-0000-c000-000000000046")
ADDRESS = uuid.UUID("00062004-0000-0000-c000-000000000046")
COMMON = uuid.UUID("00062008-0000-0000-c000-000000000046")
"""Property sets (MS-OXPROPS section 1.3.2)."""

_STORE, _NAMES, ROOT, _RECIPIENTS, _ATTACHMENTS = 0x21, 0x61, 0x122, 0x692, 0x671
_FOLDER, _SEARCH, _MESSAGE, _ASSOCIATED, _ATTACHMENT = 2, 3, 4, 8, 5
_HIERARCHY, _CONTENTS, _ASSOCIATED_CONTENTS = 0x0D, 0x0E, 0x0F
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_BUCKETS = 251
_IN_TABLE = (0x0E070003, 0x0E080003, 0x0E060040)
"""Columns of a list of messages: flags, size, time of delivery."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """What hangs on a message.

    Attributes:
        properties: By tag or name and type, as in ``Message``.
        message: Of an embedded message (method 5), else None.
        ole: Of an OLE object (method 6), else None.
    """

    properties: Mapping[int | tuple[Name, int], Value]
    message: Message | None = None
    ole: bytes | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An item of any class.

    Attributes:
        properties: Value by tag (id in the upper 16 bits, type in the lower ones), or by name and type.
        recipients: Properties of each.
        attachments: In order.
        nid: Of the node; 0 for the next one.
        parent: Of the node, where it is not the folder that it is written into.
        associated: It belongs to the folder itself (a view, a rule).
    """

    properties: Mapping[int | tuple[Name, int], Value]
    recipients: Sequence[Mapping[int, Value]] = ()
    attachments: Sequence[Attachment] = ()
    nid: int = 0
    parent: int | None = None
    associated: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder.

    Attributes:
        name: As it is shown.
        messages: Read once, so that a large folder is never held whole.
        folders: Within.
        stated: What it says of how many messages it has; None for the truth.
        search: It shows messages of others (a search folder); ``messages`` are then ids of theirs.
        properties: Further ones.
    """

    name: str
    messages: Iterable[Message] = ()
    folders: Sequence[Folder] = ()
    stated: int | None = None
    search: bool = False
    properties: Mapping[int, Value] = field(default_factory=dict)


@dataclass(slots=True)
class _Writing:
    """A file in the making.

    Attributes:
        nodes: Where blocks go.
        names: Named properties so far, each with its id.
        page: Code page of an ANSI file.
        record: The store's own key.
    """

    nodes: Nodes
    page: str
    record: bytes
    names: dict[Name, int] = field(default_factory=dict)
    next_message: int = 0x10000
    next_folder: int = 0x400


def write(
    path: Path,
    folders: Sequence[Folder],
    *,
    layout: Layout = UNICODE,
    method: int = NONE,
    password: int = 0,
    page: str = "cp1252",
    orphans: Sequence[Message] = (),
    names: Sequence[Name] = (),
) -> None:
    """Write a file with these folders below its root.

    Args:
        path: Where; replaced when it is there.
        folders: In order.
        layout: Unicode or ANSI.
        method: How its data are encoded.
        password: Checksum of a password; 0 for none (MS-PST section 2.4.3.3: it protects nothing).
        page: Code page of the strings of an ANSI file.
        orphans: Messages of a folder that is not there.
        names: Named properties that are given ids first.
    """
    with path.open("wb+") as out:
        nodes = Nodes(out, layout, method)
        writing = _Writing(nodes, page, uuid.uuid5(PUBLIC, path.name).bytes_le)
        for name in ((PUBLIC, "Keywords"), *names):  # readers want at least one
            _named(writing, name)
        _folder(writing, Folder("", folders=folders), ROOT, ROOT)
        for message in orphans:
            _message(writing, message, 0x7FE2)
        owner = Owner(nodes)
        top = bytes(4) + writing.record + struct.pack("<I", 0x401 << 5 | _FOLDER)  # the first folder
        store = {0x0FF90102: writing.record, 0x3001001F: path.stem, 0x35E00102: top, 0x67FF0003: password}
        nodes.node(_STORE, properties(owner, _encoded(writing, store)), nodes.subnodes(owner.entries))
        _name_map(writing)
        nodes.close()


def _folder(writing: _Writing, folder: Folder, nid: int, parent: int) -> None:
    """Write a folder, what is in it, and its three tables."""
    nodes = writing.nodes
    rows: list[tuple[int, dict[int, bytes]]] = []
    others: list[tuple[int, dict[int, bytes]]] = []
    for message in folder.messages:
        found, about = _message(writing, message, nid)
        (others if message.associated else rows).append((found, about))
    below = []
    for child in folder.folders:
        writing.next_folder += 1
        child_nid = writing.next_folder << 5 | (_SEARCH if child.search else _FOLDER)
        _folder(writing, child, child_nid, nid)
        below.append((child_nid, _encoded(writing, {0x3001001F: child.name})))
    stated = len(rows) if folder.stated is None else folder.stated
    about_it: dict[int | tuple[Name, int], Value] = {
        0x3001001F: folder.name, 0x36020003: stated, 0x36030003: 0, 0x360A000B: bool(below),
        **folder.properties,
    }  # fmt: skip
    owner = Owner(nodes)
    nodes.node(nid, properties(owner, _encoded(writing, about_it)), nodes.subnodes(owner.entries), parent)
    text = 0x3001001F if nodes.layout.wide else 0x3001001E
    for kind, columns, made in (
        (_HIERARCHY, (text,), below), (_CONTENTS, _IN_TABLE, rows), (_ASSOCIATED_CONTENTS, _IN_TABLE, others),
    ):  # fmt: skip
        owner = Owner(nodes)
        data = table(owner, columns, made)
        nodes.node(nid & ~0x1F | kind, data, nodes.subnodes(owner.entries))


def _message(writing: _Writing, message: Message, folder: int) -> tuple[int, dict[int, bytes]]:
    """Write a message of a folder; returns its id, and its row in the folder's table."""
    nid = message.nid
    if not nid:
        writing.next_message += 1
        nid = writing.next_message << 5 | (_ASSOCIATED if message.associated else _MESSAGE)
    data, subnodes, values = _parts(writing, message)
    writing.nodes.node(nid, data, subnodes, folder if message.parent is None else message.parent)
    return nid, {tag: values[tag] for tag in _IN_TABLE if tag in values}


def _parts(writing: _Writing, message: Message) -> tuple[int, int, dict[int, bytes]]:
    """Write what a message is made of; returns data, subnodes and its encoded properties."""
    nodes, owner = writing.nodes, Owner(writing.nodes)
    if message.recipients:
        made = [_encoded(writing, one) for one in message.recipients]
        _within(owner, _RECIPIENTS, made)
    if message.attachments:
        made = []
        ids = []
        for attachment in message.attachments:
            own = Owner(nodes)
            values = _encoded(writing, attachment.properties)
            if attachment.message is not None:
                data, subnodes, _ = _parts(writing, attachment.message)
                values[0x3701000D] = struct.pack("<II", own.add(_MESSAGE, data, subnodes), 0)
            elif attachment.ole is not None:
                held = own.hold(attachment.ole)
                values[0x3701000D] = struct.pack("<II", held, len(attachment.ole))
            nid = owner.add(_ATTACHMENT, properties(own, values), nodes.subnodes(own.entries))
            ids.append(nid)
            made.append({0x0E200003: struct.pack("<I", 0), 0x37050003: values.get(0x37050003, bytes(4))})
        _within(owner, _ATTACHMENTS, made, ids)
    values = _encoded(writing, message.properties)
    data = properties(owner, values)
    return data, nodes.subnodes(owner.entries), values


def _within(owner: Owner, nid: int, rows: Sequence[dict[int, bytes]], ids: Sequence[int] = ()) -> None:
    """Write the table of a message's recipients or attachments as its subnode."""
    own = Owner(owner.nodes)
    columns = sorted({tag for row in rows for tag in row})
    data = table(own, columns, list(zip(ids or range(len(rows)), rows, strict=True)))
    owner.entries.append((nid, data, owner.nodes.subnodes(own.entries)))


def _encoded(writing: _Writing, values: Mapping[int | tuple[Name, int], Value]) -> dict[int, bytes]:
    """Return properties as they are stored; text has the type that the file's strings have."""
    found = {}
    for key, value in values.items():
        tag = key if isinstance(key, int) else _named(writing, key[0]) << 16 | key[1]
        if not writing.nodes.layout.wide and tag & 0xEFFF == 0x001F:
            tag = tag & ~0x1F | 0x1E
        found[tag] = stored(value, tag & 0xFFFF, writing.page)
    return found


def stored(value: Value, kind: int, page: str = "cp1252") -> bytes:
    """Return a value as a file holds it.

    Args:
        value: The value.
        kind: Type of the property (MS-OXCDATA section 2.11.1).
        page: Code page of text that is no Unicode.
    """
    if kind & 0x1000:
        items = [stored(one, kind & 0xFFF, page) for one in value]  # type: ignore[union-attr]
        if kind & 0xFFF not in {0x1E, 0x1F, 0x102}:
            return b"".join(items)
        at, places = 4 + 4 * len(items), []
        for item in items:
            places.append(at)
            at += len(item)
        return struct.pack(f"<{len(items) + 1}I", len(items), *places) + b"".join(items)
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass") if kind == 0x1F else value.encode(page)
    if isinstance(value, datetime):
        return struct.pack("<q", (value - _EPOCH) // timedelta(microseconds=1) * 10)
    if isinstance(value, uuid.UUID):
        return value.bytes_le
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, float) or kind in {0x04, 0x05, 0x07}:
        return struct.pack("<f" if kind == 0x04 else "<d", value)
    size = {0x02: 2, 0x0B: 1, 0x06: 8, 0x14: 8}.get(kind, 4)
    return int(value).to_bytes(size, "little", signed=int(value) < 0)  # type: ignore[call-overload]


def _named(writing: _Writing, name: Name) -> int:
    """Return the id of a named property, a new one where it is new."""
    return writing.names.setdefault(name, 0x8000 + len(writing.names))


def _name_map(writing: _Writing) -> None:
    """Write the map of named properties (section 2.4.7)."""
    sets = [COMMON]
    entries, strings = b"", b""
    buckets: dict[int, bytes] = {}
    for number, (set_, said) in enumerate(writing.names):
        if set_ == PUBLIC:
            index = 2
        else:
            if set_ not in sets:
                sets.append(set_)
            index = sets.index(set_) + 3
        if isinstance(said, str):
            text = said.encode("utf-16-le")
            key, hashed = len(strings), checksum(text)
            strings += struct.pack("<I", len(text)) + text + bytes(-len(text) % 4)
        else:
            key = hashed = said
        mark = index << 1 | isinstance(said, str)
        entries += struct.pack("<IHH", key, mark, number)
        bucket = 0x1000 + (hashed ^ mark) % _BUCKETS
        buckets[bucket] = buckets.get(bucket, b"") + struct.pack("<IHH", hashed, mark, number)
    values = {
        0x00010003: struct.pack("<I", _BUCKETS),
        0x00020102: b"".join(one.bytes_le for one in sets),
        0x00030102: entries,
        0x00040102: strings,
        **{bucket << 16 | 0x0102: data for bucket, data in buckets.items()},
    }
    owner = Owner(writing.nodes)
    data = properties(owner, values)
    writing.nodes.node(_NAMES, data, writing.nodes.subnodes(owner.entries))
