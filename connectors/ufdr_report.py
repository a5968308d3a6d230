"""Cuts messages out of a Cellebrite report of any size by their bytes, and counts them by another parser.

A report nests: a chat is a model that holds its messages, and those hold more models. The bytes are cut by
the rules of XML 1.0 for tags, quotes, comments, instructions and CDATA, so that a damaged message costs only
itself. The count is that of Python's expat, which reads the file as a document and stops at its first fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from connectors.bytesource import CHUNK, ByteSource
from connectors.xml_elements import attribute
from records.cellebrite import Attachment, distinct
from records.errors import ItemError
from records.vocabulary import Reason

NAMESPACE = "http://pa.cellebrite.com/report/2.0"
ALONE = frozenset({"InstantMessage", "SMS", "MMS", "Call", "Email"})
"""Models that are items where they stand by themselves."""

IN_CHAT = {"Messages": "InstantMessage", "ActivityLog": "ChatActivity"}
"""Fields of a chat whose models are items, with the model's type."""

LONGEST = 64 << 20
"""A message longer than this is no message: it is passed over and said to be too large."""

_NAMES = rb"project|taggedFiles|file|modelType|modelField|multiModelField|model"
_START = re.compile(rb"<(?:!--|!\[CDATA\[|\?|!DOCTYPE|/?(?:" + _NAMES + rb")(?=[\s/>]))")
_PASSED = re.compile(
    rb"(?:[^<]++|<!\[CDATA\[(?:[^\]]++|\](?!\]>))*+\]\]>"
    rb"|</?(?!(?:" + _NAMES + rb")[\s/>])[A-Za-z_][A-Za-z0-9_:.-]*+(?=[\s/>]))*+"
)
"""Text, whole CDATA and tags of other names: most of a report."""
_TAG = re.compile(rb"<(/?)([A-Za-z]+)((?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+)>")
_MARKS = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<![CDATA[", b"]]>"))
_PLAIN = frozenset({"field", "value", "empty"})
_PATHS = frozenset({"attachment_extracted_path", "Filename"})
_START_BYTES = 32
_TAG_BYTES = 1 << 20
_DEEPEST = 1_000
_MOST_TYPES = 200
_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:(?><\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\])?[^>\[]*>\s*))*"
    rb"<project\s[^<>]*" + re.escape(NAMESPACE).encode(), re.DOTALL,
)  # fmt: skip


def is_report(head: bytes) -> bool:
    """Say whether a file is a report by how it begins."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return _ROOT.match(head) is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a report.

    Attributes:
        kind: ``file`` for an entry of ``taggedFiles``; ``chat`` for what a chat says before its messages,
            without its end; ``item`` for a message, a call or a row of a chat's log.
        type: The model's type.
        data: Its exact bytes; None when it is longer than ``LONGEST``.
        whole: False when the report ends inside it.
        number: Which of the pieces of its kind it is, from 1.
        in_chat: It stands in the chat whose beginning was the last one.
    """

    kind: str
    type: str
    data: bytes | None
    whole: bool = True
    number: int = 0
    in_chat: bool = False


def pieces_of(source: ByteSource) -> Iterator[Piece | bool]:
    """Yield the parts of a report in their order; the last value says whether the report was closed.

    Raises:
        ItemError: ``unsupported`` for UTF-16, ``corrupt`` for a document type (Cellebrite writes none: its
            entities are an attack) and for models within models without end.
    """
    if source.read_at(0, 2) in {b"\xff\xfe", b"\xfe\xff"}:
        raise ItemError(Reason.UNSUPPORTED, "utf16")
    walker = _Walker(source)
    stack: list[tuple[str, str]] = []
    kind, type_, within, in_chat, numbers = "", "", 0, False, Counter[str]()
    while (tag := walker.next()) is not None:
        name, empty = tag[2].decode("ascii"), tag[3].endswith(b"/")
        if tag[1]:
            if not stack or (stack[-1][0] != name and all(one != name for one, _ in stack)):
                continue
            while stack.pop()[0] != name:
                pass
            if kind and len(stack) < within:
                if kind != "chat":
                    yield Piece(kind, type_, walker.taken(), number=numbers[kind], in_chat=in_chat)
                walker.drop()
                kind = ""
            if not stack:
                yield True
                return
            continue
        label = ""  # within an item it says nothing
        if kind in {"", "chat"}:
            label = attribute(tag[0], "type" if name in {"model", "modelType"} else "name") or ""
        began = "" if kind else _begins(stack, name, label)
        if kind == "chat" and not empty and label in IN_CHAT and len(stack) == within:
            yield Piece("chat", "Chat", walker.taken(before=True), number=numbers["chat"])
            kind = ""
        elif began:
            kind, type_, within = began, label, len(stack) + 1
            numbers[kind] += 1
            in_chat = bool(stack) and stack[-1][0] == "multiModelField"
            walker.begin()
            if empty:
                if kind != "chat":
                    yield Piece(kind, type_, walker.taken(), number=numbers[kind], in_chat=in_chat)
                walker.drop()
                kind = ""
        if not empty:
            stack.append((name, label))
        if len(stack) > _DEEPEST:
            raise ItemError(Reason.CORRUPT, "xml_depth")
    if kind == "item":
        yield Piece(kind, type_, walker.rest(), whole=False, number=numbers[kind], in_chat=in_chat)
    yield False


def _begins(stack: list[tuple[str, str]], name: str, label: str) -> str:
    """Return what kind of piece begins with a tag; empty for none."""
    above = stack[-1] if stack else ("", "")
    if name == "file":
        return "file" if above[0] == "taggedFiles" else ""
    if name != "model":
        return ""
    if above[0] == "modelType":
        return "chat" if label == "Chat" else "item" if label in ALONE else ""
    in_chat = len(stack) > 2 and stack[-2] == ("model", "Chat") and stack[-3][0] == "modelType"
    return "item" if in_chat and above[0] == "multiModelField" and IN_CHAT.get(above[1]) == label else ""


class _Walker:
    """Tags of some names, one after the other; remembers from where a piece must be kept."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._buffer = b""
        self._base = 0
        self._at = 0
        self._start = 0
        self._begun: int | None = None
        self._eof = False

    def next(self) -> re.Match[bytes] | None:
        """Return the next tag: whether it closes, its name, what follows; None at the end."""
        while True:
            passed = _PASSED.match(self._buffer, self._at - self._base)
            if passed is not None:
                self._at = self._base + passed.end()
            found = _START.search(self._buffer, self._at - self._base)
            if found is None:
                self._at = max(self._at, self._last() - _START_BYTES)
                if not self._more():
                    return None
                continue
            start, begun = self._base + found.start(), found[0]
            if begun == b"<!DOCTYPE":
                raise ItemError(Reason.CORRUPT, "xml_doctype")
            closing = next((mark for opening, mark in _MARKS if begun == opening), None)
            if closing is not None:
                end = self._find(closing, start + len(begun))
                if end < 0:
                    return None
                self._at = end + len(closing)
                continue
            tag = _TAG.match(self._buffer, found.start())
            if tag is not None:
                self._start, self._at = start, self._base + tag.end()
                return tag
            self._at = start
            if self._last() - start > _TAG_BYTES:
                self._at += 1  # a stray "<": text, as far as a damaged file goes
            elif not self._more():
                return None

    def begin(self) -> None:
        """Keep from the tag just returned."""
        self._begun = self._start

    def drop(self) -> None:
        """Keep nothing any more."""
        self._begun = None

    def taken(self, *, before: bool = False) -> bytes | None:
        """Return what was kept, with the tag just returned or up to it; None when it was too long."""
        if self._begun is None:
            return None
        end = self._start if before else self._at
        data = self._buffer[self._begun - self._base : end - self._base]
        self._begun = None
        return data

    def rest(self) -> bytes | None:
        """Return what was kept when the file ended."""
        return self._buffer[self._begun - self._base :] if self._begun is not None else None

    def _find(self, mark: bytes, at: int) -> int:
        while True:
            self._at = at
            found = self._buffer.find(mark, at - self._base)
            if found >= 0:
                return self._base + found
            at = max(at, self._last() - len(mark) + 1)
            self._at = at
            if not self._more():
                return -1

    def _last(self) -> int:
        return self._base + len(self._buffer)

    def _more(self) -> bool:
        if self._eof:
            return False
        if self._begun is not None and self._last() - self._begun > LONGEST:
            self._begun = None
        keep = self._at if self._begun is None else min(self._begun, self._at)
        last = self._last()
        got = self._source.read_at(last, CHUNK)
        self._eof = len(got) < CHUNK
        self._buffer = self._buffer[keep - self._base :] + got
        self._base = keep
        self._source.release(keep)
        return bool(got)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a report holds, by a reader that is not the connector's.

    Attributes:
        items: Messages, calls and rows of logs of chats.
        lost: Files that those name and that are not there.
        others: Other models by type.
        whole: Whether it could be read to its end.
    """

    items: int
    lost: int
    others: Mapping[str, int]
    whole: bool


def survey(stream: BinaryIO, is_there: Callable[[str], bool]) -> Survey:
    """Count what a report holds.

    Args:
        stream: The report.
        is_there: Says whether the UFDR holds a file at a path that the report states.
    """
    counting = _Counting(is_there)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refused

    def start(name: str, attributes: dict[str, str]) -> None:
        if counting.start(name, attributes):
            parser.CharacterDataHandler = counting.text.append

    def end(name: str) -> None:
        if parser.CharacterDataHandler is not None:
            parser.CharacterDataHandler = None
        counting.end(name)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    whole = False
    try:
        while got := stream.read(CHUNK):
            parser.Parse(got, False)  # noqa: FBT003 - expat takes it by place
        parser.Parse(b"", True)  # noqa: FBT003
        whole = True
    except (expat.ExpatError, ItemError, ValueError):
        pass  # ``whole`` says so
    return Survey(counting.items, counting.lost, counting.others, whole)


def _refused(*_: object) -> None:
    raise ItemError(Reason.CORRUPT, "xml_doctype")


@dataclass(slots=True, eq=False)
class _Named:
    """A file that the item in hand names."""

    targets: list[str] = field(default_factory=list)
    path: str = ""
    name: str = ""


class _Counting:
    """What is known while expat reads."""

    def __init__(self, is_there: Callable[[str], bool]) -> None:
        self._is_there = is_there
        self.items = 0
        self.lost = 0
        self.others: Counter[str] = Counter()
        self.text: list[str] = []
        self._above: list[tuple[str, str]] = []
        self._held: set[str] = set()
        self._hashes: set[str] = set()
        self._file: str | None = None
        self._there = False
        self._md5 = ""
        self._unit = 0  # how deep the item in hand began; 0 for none
        self._named: list[_Named] = []
        self._owners: list[_Named | None] = []
        self._wanted = ""
        self._field = ""

    def start(self, name: str, about: dict[str, str]) -> bool:
        """Take the start of an element; say whether its text is wanted."""
        if name in _PLAIN:
            if name == "field":
                self._field = about.get("name", "")
            elif name == "value" and self._owners and self._owners[-1] not in (None, self._named[0]):
                self._wanted = self._field if self._field in _PATHS else ""
                self.text.clear()
                return bool(self._wanted)
            return False
        above = self._above[-1] if self._above else ("", "")
        self._above.append((name, about.get("type" if name in {"model", "modelType"} else "name", "")))
        if len(self._above) > 10 * _DEEPEST:
            raise ItemError(Reason.CORRUPT, "xml_depth")
        self._wanted = ""
        if name == "model":
            self._model(about)
        elif self._unit:
            owner = self._owners[-1] if self._owners else None
            if name == "targetid" and owner is not None and about.get("ismodel", "").lower() != "true":
                self._wanted = "target"
        elif name == "file" and above[0] == "taggedFiles":
            self._file, self._there, self._md5 = about.get("id", ""), False, ""
        elif name == "item" and self._file is not None and about.get("name") in {"Local Path", "MD5"}:
            self._wanted = about["name"]
        self.text.clear()
        return bool(self._wanted)

    def _model(self, about: dict[str, str]) -> None:
        kind, above = about.get("type", ""), self._above[:-1]
        if self._unit:
            owner = _Named() if kind == "Attachment" else None
            if owner is not None:
                self._named.append(owner)
                if about.get("file_id"):
                    owner.targets.append(about["file_id"])
            self._owners.append(owner)
            return
        at_top = bool(above) and above[-1][0] == "modelType"
        chat = len(above) > 2 and above[-2] == ("model", "Chat") and above[-3][0] == "modelType"
        if (at_top and kind in ALONE) or (
            chat and above[-1][0] == "multiModelField" and IN_CHAT.get(above[-1][1]) == kind
        ):
            self.items += 1
            self._unit = len(self._above)
            self._named = [_Named()]
            self._owners = [self._named[0]]
        elif at_top and kind != "Chat":
            self.others[kind if kind in self.others or len(self.others) < _MOST_TYPES else "…"] += 1

    def end(self, name: str) -> None:
        """Take the end of an element."""
        text = "".join(self.text).strip() if self._wanted else ""
        wanted, self._wanted = self._wanted, ""
        if wanted == "Local Path":
            self._there = self._is_there(text)
        elif wanted == "MD5":
            self._md5 = text.lower()
        elif wanted and text and (owner := self._owners[-1]) is not None:
            if wanted == "target":
                owner.targets.append(text)
            elif wanted == "Filename":
                owner.name = owner.name or text
            else:
                owner.path = owner.path or text
        if name in _PLAIN:
            return
        if name == "file" and not self._unit and self._file is not None:
            if self._there and self._md5:
                self._hashes.add(self._md5)
            if self._there or self._md5 in self._hashes:
                self._held.add(self._file)
            self._file = None
        if name == "model" and self._unit:
            self._owners.pop()
            if len(self._above) == self._unit:
                self._finish()
        self._above.pop()

    def _finish(self) -> None:
        itself, *others = self._named
        named = [Attachment((target,)) for target in itself.targets]
        named += [Attachment(tuple(one.targets), one.path, one.name) for one in others]
        for one in distinct(named):
            there = any(target in self._held for target in one.targets)
            self.lost += not (there or (one.path and self._is_there(one.path)))
        self._unit = 0
