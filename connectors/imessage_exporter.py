"""What the program imessage-exporter writes of Messages: a text file or a web page a conversation.

Each message is an item, by the exact bytes of its block, and so is each announcement (who renamed the
conversation, who unsent a message). A reply is printed twice: in its place, and below what it answers, where
it belongs to the bytes of the message above it and is no item of its own. One that is printed only there (the
program was told to leave its days out) is an item (https://github.com/ReagentX/imessage-exporter, of which
only what it writes is known here; none of it is used).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import ClassVar
from urllib.parse import unquote

from connectors.chat_files import ChatFiles
from connectors.export_files import INSIDE, PackageFile
from connectors.folders import storable
from connectors.mailhead import placed
from records import canonical
from records.entities import unescaped
from records.models import NO_MOMENT, ExcludedItem, FailedItem, FoundItem, Moment, Window, Yielded
from records.moments import as_facts, long_date_moment
from records.vocabulary import Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-imessage-exporter-message"

_TIME = rb"[A-Z][a-z]{2} [ 0-3]?\d, \d{4} {1,2}\d{1,2}:\d\d:\d\d [AP]M"
_NO_FORM = rb"Unable to format announcement!"
_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:(?P<time>" + _TIME + rb")(?:[ \t]*\((?P<read>Read by [^\r\n]*)\))?"
    rb"(?: (?P<what>[^\s(][^\r\n]*))?|(?P<bare>" + _NO_FORM + rb"))\s*\Z"
)
_NESTED = re.compile(
    rb"^ {4}(?P<time>" + _TIME + rb")[^\r\n]*\r?\n {4}(?P<sender>[^\r\n]*)\r?\n", re.MULTILINE
)
_SCAN = re.compile(
    rb"(?:\A(?:\xef\xbb\xbf)?\s*|\n[ \t\r]*\n)(?=(?:" + _TIME + rb"(?: [^\r\n]*)?|" + _NO_FORM + rb")\r?$)",
    re.MULTILINE,
)
_PATH = re.compile(
    rb"^ {0,8}(?:(?:[A-Z][a-z]+ )?Sticker from [^\r\n]{1,100}?: )?(?P<path>"
    rb"(?>(?:(?:~|[A-Za-z]:|\.{1,2})?[/\\](?:[^\r\n]*[/\\])?)?[Aa]ttachments[/\\])(?>[^\r\n]*[^ \t\r\n])"
    rb"|/[^\r\n]*/[0-9a-f]{2}/[0-9a-f]{40})[ \t\r]*$|^ {0,8}(?P<none>Attachment missing!)[ \t\r]*$",
    re.MULTILINE,
)
"""A line that is the path of an attachment: in the export, or where it lay (a backup's names are sums).

Where a line is none after all, nothing of it is tried again: lines can be of any length.
"""

_EDITED = re.compile(rb"(?:^ {0,8}|>)Edited [^\r\n<]{1,60} later", re.MULTILINE)
_GONE = "This message was deleted from the conversation!"
_ALL_UNSENT = re.compile(r"[^\n]{1,60} deleted a message\.")
_PART_UNSENT = re.compile(r"[^\n]{1,60} unsent this message part [^\n]{1,60} after sending!", re.MULTILINE)

_DIV = re.compile(
    rb"(?P<reply><div class=\"reply\"[^>]{0,200}>\s*)?"
    rb"<div class ?=\"(?P<class>message|announcement)\"[^>]{0,200}>"
)
_IN_SPAN = rb"([^<]*+(?:<(?!/?span\b)[^<]*+)*+)</span>"
_STAMP = re.compile(rb"<span class=\"timestamp\">" + _IN_SPAN)
_SENDER = re.compile(rb"<span class=\"sender\">" + _IN_SPAN)
_ADDRESS = re.compile(
    rb"\b(?:src|href)=\"(?P<path>[^\"<>]{1,4000})\""
    rb"|(?:Unable to locate attachment: |Unable to embed [^<:]{0,100} attachments: )(?P<lost>[^<]{1,4000})"
    rb"|(?P<none>Attachment does not exist!)"
)
_PARAGRAPH = b'<p><span class="timestamp">'
_TAG = re.compile(r"<[^<>]*>")
_ELSEWHERE = re.compile(r"(?i)(?!file:|[a-z]:)(?:[a-z][a-z0-9+.-]+:|//|#)")
_READ = re.compile(r"\s*\((?P<read>Read by [^()]*)\)\s*$")
_MEMBERS = 100
_LONGEST_NAME = 400
_NUMBERED = re.compile(r" - \d{1,9}$")


class ImessageExporter(ChatFiles):
    """The conversations of one phone or Mac, as imessage-exporter wrote them."""

    name: ClassVar[str] = "imessage_exporter"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "conversations as text files (-f txt) and as web pages (-f html) of imessage-exporter",
        "each message, with its tapbacks, earlier words of edits, and marks of deleted and unsent ones",
        "announcements: renames, photos, joins, leaves, unsent messages",
        "attachments that lie in the export; each one that is named and not there is counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what the program does not write: time zones, ids, addresses of people that it knows by name",
        "tapbacks that were taken back, and when one was given",
        "printouts of its pages as PDF",
        "conversations of more than 128 MB: as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 conversation written to the program's layout (3 messages, 1 announcement)",
        "generated texts and pages in the layouts of its versions 1 and 2",
    )
    count_method: ClassVar[str] = "pattern scan"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".html", ".htm")
    head_bytes: ClassVar[int] = 64 << 10
    most_bytes: ClassVar[int] = 128 << 20

    def _is_chat(self, head: bytes) -> bool:
        return looks_exported(head)

    def _label(self, key: str) -> str:
        return _chat_name(key)

    def _counted(self, file: PackageFile, data: bytes) -> int:
        """Count what begins a message by one search, and media that is not there."""
        folder, page = self._folder(file), _is_page(file)
        if page:
            count = data.count(_PARAGRAPH) - data.count(b'<div class="reply"') + data.count(b"<p>" + _NO_FORM)
            starts = [found.start() for found in _DIV.finditer(data) if found["reply"] is None]
        else:
            starts = [found.end() for found in _SCAN.finditer(data)]
            count = len(starts)
        natives = [data[start:end] for start, end in pairwise([*starts, len(data)])]
        blocks = _with_replies([_block(native, page=page) for native in natives], page=page)
        lost = sum(folder.find(path) is None for paths in _media(blocks, page=page) for path in paths)
        return count + sum(one.nested for one in blocks) + lost

    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        page = _is_page(file)
        natives = _pages_cut(data) if page else _texts_cut(data)
        blocks = _with_replies([_block(native, page=page) for native in natives], page=page)
        people = list(dict.fromkeys(one.sender for one in blocks if one.sender))
        about = {
            "group": file.key, "group_name": _chat_name(file.key), "form": "html" if page else "txt",
            "members": "; ".join(one[:_LONGEST_NAME] for one in people[:_MEMBERS]),
            "members_count": str(len(people)) if len(people) > _MEMBERS else "",
        }  # fmt: skip
        folder = self._folder(file)
        seen: dict[str, int] = {}
        latest: datetime | None = None
        for block, paths in zip(blocks, _media(blocks, page=page), strict=True):
            moment = long_date_moment(block.stamp, self._context.time_zone) if block.stamp else NO_MOMENT
            jumps = not block.nested and latest is not None and moment.at is not None and moment.at < latest
            if not block.nested:
                latest = max((at for at in (latest, moment.at) if at is not None), default=None)
            digest = hashlib.sha256(block.native).hexdigest()
            again = seen[digest] = seen.get(digest, -1) + 1
            carried = [
                (unquote(path).replace("\\", "/").rpartition("/")[2], folder.find(path)) for path in paths
            ]
            yield from _values(f"{digest}:{again}", block, moment, about, carried, window, jumps=jumps)

    def _folder(self, file: PackageFile) -> _Folder:
        place = file.key[: max(file.key.rfind("/"), file.key.rfind(INSIDE)) + 1]
        return _Folder(place, {key: one for key, one in self._files().items() if key not in self._chats})


@dataclass(frozen=True, slots=True)
class _Folder:
    """The files that a conversation can name.

    Attributes:
        place: Key of the folder or zip that the conversation lies in, with its stroke.
        files: What is no conversation, by key.
    """

    place: str
    files: Mapping[str, PackageFile]

    def find(self, path: str) -> PackageFile | None:
        """Return the file of a path, which starts at the export's folder, or is one on the other machine."""
        for spelt in dict.fromkeys((path, unquote(path))):
            whole = storable(spelt.removeprefix("file://").replace("\\", "/")).removeprefix("./").lstrip("/")
            folder = re.search(r"(?i)(?<![^/])attachments/", whole)
            for one in (whole, whole[folder.start() :] if folder is not None else whole):
                if one and (found := self.files.get(self.place + one)) is not None:
                    return found
        return None


@dataclass(frozen=True, slots=True)
class _Block:
    """One message or announcement.

    Attributes:
        native: Its bytes.
        stamp: Its time as written; empty where it has none.
        read: When it was read, in the program's words; may be empty.
        sender: Who wrote it; empty where nobody is named.
        body_at: Bytes before what it says.
        own: Bytes before the replies that are printed below it.
        system: The program tells of something that nobody wrote.
        nested: It is printed only below what it answers.
    """

    native: bytes
    stamp: str
    read: str
    sender: str
    body_at: int
    own: int
    system: bool = False
    nested: bool = False


def looks_exported(head: bytes) -> bool:
    """Say whether a file begins as imessage-exporter writes one."""
    if _PARAGRAPH in head and _DIV.search(head) is not None:
        return True
    lines = [line for line in head[:4096].split(b"\n") if line.strip()][:2]
    found = _START.match(lines[0]) if lines else None
    return found is not None and (found["what"] is not None or (found["bare"] is None and len(lines) > 1))


def _is_page(file: PackageFile) -> bool:
    return not file.name.lower().endswith(".txt")


def _values(
    key: str, block: _Block, moment: Moment, about: Mapping[str, str],
    carried: list[tuple[str, PackageFile | None]], window: Window, *, jumps: bool,
) -> Iterator[Yielded]:  # fmt: skip
    """Yield a message, then the media that it names and that is not there."""
    outside, codes = placed(moment, window, dated=True)
    missing = [
        FailedItem(f"{key}#media{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "media", name or None)
        for number, (name, file) in enumerate(carried)
        if file is None
    ]
    if outside:
        yield ExcludedItem(key, Kind.MESSAGE, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        yield from missing
        return
    facts = {
        **about, **as_facts(moment), "body_at": str(block.body_at), "own": str(block.own),
        "sender": block.sender, "system": "true" if block.system else "", "read": block.read,
        "only_as_reply": "true" if block.nested else "",
    }  # fmt: skip
    held = [(name, file.key) for name, file in carried if file is not None]
    if held:
        facts["attachments"] = canonical.dumps([{"name": name, "native_key": one} for name, one in held])
    body = block.native[block.body_at : block.own]
    warnings = (
        *((WarningCode.EDITED,) if not block.system and _EDITED.search(body) else ()),
        *((WarningCode.DELETED,) if _is_deleted(body, block) else ()),
        *((WarningCode.MISSING_PART,) if missing else ()),
        *((WarningCode.OUT_OF_ORDER,) if jumps else ()),
        *codes,
    )
    stated = {name: value for name, value in facts.items() if value}
    size = len(block.native)
    yield FoundItem(key, Kind.MESSAGE, "", None, MESSAGE_TYPE, size, moment, stated, warnings, block.native)
    yield from missing


def _is_deleted(body: bytes, block: _Block) -> bool:
    """Say whether the program writes that a message, or a part of it, was deleted or unsent."""
    words = "\n".join(filter(None, map(_plain, body.split(b"\n"))))
    if block.system:
        return words.endswith((" unsent a message!", " unsent a message.", " deleted a message."))
    return (
        words.startswith(_GONE)
        or _ALL_UNSENT.fullmatch(words) is not None
        or _PART_UNSENT.search(words) is not None
    )


def _texts_cut(data: bytes) -> Iterator[bytes]:
    """Cut a text: a message begins with its time, after an empty line; what is before the first joins it."""
    lines: list[bytes] = []
    met, blank = False, True
    for line in data.splitlines(keepends=True):
        if blank and _START.match(line) is not None:
            if met:
                yield b"".join(lines)
                lines = []
            met = True
        lines.append(line)
        blank = not line.strip(b" \t\r\n\xef\xbb\xbf")
    if met:
        yield b"".join(lines)


def _pages_cut(data: bytes) -> Iterator[bytes]:
    """Cut a page: from a message that is no reply to the next; the page's head has no words of anybody."""
    begin: int | None = None
    for found in _DIV.finditer(data):
        if found["reply"] is not None:
            continue
        if begin is not None:
            yield data[begin : found.start()]
        begin = found.start()
    if begin is not None:
        yield data[begin:]


def _block(native: bytes, *, page: bool, nested: bool = False) -> _Block:
    return (_page_block if page else _text_block)(native, nested=nested)


def _text_block(native: bytes, *, nested: bool) -> _Block:
    if nested and (inner := _NESTED.match(native)) is not None:
        end = inner.end()
        return _Block(
            native, _plain(inner["time"]), "", _plain(inner["sender"]), end, len(native), nested=True
        )
    at = 0
    start: re.Match[bytes] | None = None
    for line in native.splitlines(keepends=True):
        if (start := _START.match(line)) is not None:
            break
        at += len(line)
    if start is None or start["bare"] is not None:
        return _Block(native, "", "", "", min(at, len(native)), len(native), system=True)
    below = _NESTED.search(native, at)
    own = below.start() if below is not None else len(native)
    stamp, read = _plain(start["time"]), _plain(start["read"] or b"")
    if start["what"] is not None:
        return _Block(native, stamp, read, "", at + start.start("what"), own, system=True)
    begin = at + start.end()
    end = native.find(b"\n", begin) + 1 or len(native)
    return _Block(native, stamp, read, _plain(native[begin:end]), min(end, own), own)


def _page_block(native: bytes, *, nested: bool) -> _Block:
    opened = _DIV.match(native)
    begin = opened.end() if opened is not None else 0
    below = _DIV.search(native, begin)
    own = below.start() if below is not None else len(native)
    system = opened is not None and opened["class"] == b"announcement"
    clock = _STAMP.search(native, begin, own)
    writer = None if system else _SENDER.search(native, begin, own)
    stated = _plain(clock[1]) if clock is not None else ""
    read = _READ.search(stated)
    return _Block(
        native, _READ.sub("", stated), read["read"] if read is not None else "",
        _plain(writer[1]) if writer is not None else "",
        max(one.end() if one is not None else begin for one in (clock, writer)), own, system, nested,
    )  # fmt: skip


def _with_replies(blocks: list[_Block], *, page: bool) -> list[_Block]:
    """Return messages in their order, each followed by the replies that are printed nowhere else."""
    known = {(one.stamp, one.sender) for one in blocks}
    made = []
    for block in blocks:
        made.append(block)
        form = _DIV if page else _NESTED
        starts = [
            max(found.start(), found.end("reply") if page else 0)
            for found in form.finditer(block.native, block.own)
        ]
        for start, end in pairwise([*starts, len(block.native)]):
            reply = _block(block.native[start:end], page=page, nested=True)
            if (reply.stamp, reply.sender) not in known:
                made.append(reply)
    return made


def _media(blocks: list[_Block], *, page: bool) -> list[list[str]]:
    """Return the paths that each message names; of its replies, only those that no message has as its own."""
    own = [_paths(one.native[one.body_at : one.own], page=page) for one in blocks]
    known = {path for paths in own for path in paths}
    return [
        paths + [path for path in _paths(one.native[one.own :], page=page) if path not in known]
        for one, paths in zip(blocks, own, strict=True)
    ]


def _paths(part: bytes, *, page: bool) -> list[str]:
    """Return the paths in a part of a file, once each; empty for what the program itself did not find."""
    found = []
    for at in (_ADDRESS if page else _PATH).finditer(part):
        path = _plain(at["path"] or (at["lost"] if page else None) or b"", tags=page)
        if at["none"] is not None or not _ELSEWHERE.match(path):
            found.append(path)
    return list(dict.fromkeys(found))


def _plain(data: bytes, *, tags: bool = True) -> str:
    """Return words as a person reads them, on one line."""
    text = data.decode("utf-8", "replace").replace("\x00", "")
    return " ".join((unescaped(_TAG.sub(" ", text)) if tags else text).split())


def _chat_name(key: str) -> str:
    """Return a conversation's name: that of its file, without the number that a named group has after it."""
    stem = key.rpartition(INSIDE)[2].rpartition("/")[2].rpartition(".")[0]
    return _NUMBERED.sub("", stem) or stem or key
