"""Items of an mbox, and its parts: shared by every connector that meets one."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from zoneinfo import ZoneInfo

from connectors.bytesource import ByteSource, Handle, PlainSource, hash_span, span_handle
from connectors.cursors import number_cursor, read_number
from connectors.mailhead import file_item, header_end, looks_like_mail, mail_item
from connectors.mbox import SeenHashes, Span, prefix_of, split
from records import canonical
from records.errors import SettingsError
from records.models import EMPTY, FailedItem, Part, Scope, Window, Yielded
from records.vocabulary import Kind, WarningCode

_HEAD = 256 << 10
_ENVELOPE_BYTES = 4096
_BLANK = b"\xef\xbb\xbf\r\n"

Facts = tuple[Mapping[str, str], tuple[WarningCode, ...]]
"""What the source says of a message: metadata and warnings."""

NO_FACTS: Facts = (EMPTY, ())


@dataclass(frozen=True, slots=True)
class MboxPart:
    """A byte range of an mbox.

    Attributes:
        start: Offset of its first separator, or 0.
        stop: Offset of the next part's first separator, or None for the end.
        seen: For messages of this part that also stand before it, how often, by 64-bit hash prefix.
    """

    start: int = 0
    stop: int | None = None
    seen: Mapping[int, int] = field(default_factory=dict)

    def spec(self) -> str:
        """Return the text of a ``Part.spec``."""
        seen = {f"{prefix:016x}": before for prefix, before in self.seen.items()}
        return canonical.dumps({"v": 1, "start": self.start, "stop": self.stop, "seen": seen})

    @classmethod
    def read(cls, spec: str) -> MboxPart:
        """Read what ``spec`` wrote; an empty text is the whole file.

        Raises:
            SettingsError: Another version wrote it; the plan must be made anew.
        """
        if not spec:
            return cls()
        stated = canonical.loads(spec)
        if stated.get("v") != 1:
            msg = "a part of an mbox was cut by another version; plan the run again"
            raise SettingsError(msg)
        seen = {int(prefix, 16): before for prefix, before in stated["seen"].items()}
        return cls(stated["start"], stated["stop"], seen)


def mozilla_facts(head: bytes, end: int) -> Facts:
    """Say what Thunderbird keeps of a message: one it deleted stays in the file until it is compacted."""
    name = b"X-Mozilla-Status:"
    if head.startswith(name):
        at = len(name)
    elif (found := head.find(b"\n" + name, 0, end)) >= 0:
        at = found + 1 + len(name)
    else:
        return NO_FACTS
    try:
        bits = int(head[at : at + 6].split(b"\n")[0].strip(), 16)
    except ValueError:
        return NO_FACTS
    return ({"expunged": "true"}, ()) if bits & 0x0008 else NO_FACTS


def mbox_items(
    source: ByteSource,
    path: str | None,
    part: MboxPart,
    window: Window,
    zone: ZoneInfo,
    cursor: str | None,
    facts_of: Callable[[bytes, int], Facts] = mozilla_facts,
    envelope_facts: Callable[[bytes, bytes, int], Facts] | None = None,
) -> Iterator[Yielded]:
    """Yield the messages of an mbox or a part of one, in file order.

    A cursor is an offset. What stands before it is read again without being yielded: the ordinal of a message
    among equal ones depends on it.

    Args:
        source: The bytes.
        path: The plain file they are from, or None for a stream.
        part: What to read.
        window: The request's days.
        zone: For dates that state none.
        cursor: Of the last safe item, or None.
        facts_of: Reads the source's own fields from a message's head, given where its header ends.
        envelope_facts: The same, given the From_ line before these two; goes before ``facts_of``.
    """
    resume = read_number(cursor)
    seen = SeenHashes()
    for prefix, before in part.seen.items():
        seen.preset(prefix, before)
    end = part.start
    for span in split(source, part.start, part.stop):
        begin, end = end, span.following
        digest = _digest(source, span)
        ordinal = seen.count(prefix_of(digest))
        if span.following > resume:
            if envelope_facts is not None:
                line = source.read_at(begin, min(span.start - begin, _ENVELOPE_BYTES)).lstrip(_BLANK)
                facts_of = partial(envelope_facts, line)
            yield _item(source, path, span, f"{digest.hex()}:{ordinal}", ordinal, window, zone, facts_of)
    if source.cut is not None and end + 1 > resume:
        detail = source.cut.detail
        yield FailedItem("rest", Kind.EMAIL, number_cursor(end + 1), source.cut.reason, detail)


def _digest(source: ByteSource, span: Span) -> bytes:
    if span.data is not None:
        return hashlib.sha256(span.data).digest()
    return hash_span(source, span.start, span.end - span.start)


def _item(
    source: ByteSource,
    path: str | None,
    span: Span,
    key: str,
    ordinal: int,
    window: Window,
    zone: ZoneInfo,
    facts_of: Callable[[bytes, int], Facts],
) -> Yielded:
    size = span.end - span.start
    data = span.data
    handle: Handle = data if data is not None else span_handle(source, path, span.start, size)
    head = data if data is not None else source.read_at(span.start, _HEAD)
    cursor = number_cursor(span.following)
    warnings: tuple[WarningCode, ...] = (WarningCode.DUPLICATE_ENTRY,) if ordinal else ()
    if source.cut is not None and not source.read_at(span.following, 1):
        warnings = (*warnings, WarningCode.PARTIAL)
    if span.preamble:
        warnings = (*warnings, WarningCode.PARTIAL)
        if not looks_like_mail(head):
            return file_item(key, cursor, size, window, handle, name=None, warnings=warnings)
    metadata, more = facts_of(head, header_end(head))
    return mail_item(
        key, cursor, head, size, window, zone, handle, metadata=metadata, warnings=warnings + more
    )


def mbox_parts(path: str, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
    """Cut a plain mbox at separators, in one pass.

    Equal messages can lie in different parts, so the pass hashes every message and keeps 64 bits of each; a
    part is told how often those of its own messages that repeat stood before it.

    Raises:
        ItemError: The file cannot be read.
    """
    prefixes = array("Q")
    seen = SeenHashes()
    cuts: list[tuple[int, int, int]] = []  # first message's number, offset, bytes before the next
    with PlainSource(path) as source:
        first, start, offset = 0, 0, 0
        for number, span in enumerate(split(source)):
            if number > first and (number - first >= max_items or span.following - start > max_bytes):
                cuts.append((number - first, start, offset))
                first, start = number, offset
            prefix = prefix_of(_digest(source, span))
            seen.count(prefix)
            prefixes.append(prefix)
            offset = span.following
    cuts.append((len(prefixes) - first, start, offset))
    yield from _parts(scope, cuts, prefixes, seen.repeated())


def _parts(
    scope: Scope, cuts: list[tuple[int, int, int]], prefixes: array[int], repeated: frozenset[int]
) -> Iterator[Part]:
    before: dict[int, int] = {}
    first = 0
    for number, (count, start, stop) in enumerate(cuts):
        mine = [prefix or 1 for prefix in prefixes[first : first + count]]
        mine = [prefix for prefix in mine if prefix in repeated]
        seen = {prefix: before[prefix] for prefix in mine if prefix in before}
        for prefix in mine:
            before[prefix] = before.get(prefix, 0) + 1
        last = number == len(cuts) - 1
        spec = "" if len(cuts) == 1 else MboxPart(start, None if last else stop, seen).spec()
        yield Part(scope, number, spec, count, stop - start)
        first += count
