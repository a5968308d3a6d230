"""Google Voice in a Takeout export: HTML files of texts, and one for each call or voicemail.

A file of texts holds one stretch of a conversation; each message is an item, by the exact bytes of its
``div``. A call is an item by its whole file. One conversation lies in many files: its key is the set of
people who take part. No page of Google's describes the files; they are read as
https://github.com/moshekaplan/google-voice-takeout-parser and its samples show them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from connectors.folders import storable
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, prefix_of
from records import canonical
from records.entities import unescaped
from records.models import (
    ExcludedItem,
    FailedItem,
    FoundItem,
    Moment,
    Window,
    Yielded,
)
from records.moments import iso_moment
from records.vocabulary import Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-google-voice+html"
MOST_BYTES = 64 << 20
"""A larger file is none that Google wrote: it is taken as a file."""

_TEXTS = b'class="hChatLog'
_CALL = b'class="haudio"'
_MESSAGE = re.compile(rb'<div class="message">')
_END = re.compile(rb'<div class="(?:tags|deletedStatusContainer)">')
_CLOCK = b'<abbr class="dt" title="'
_WHOLE = b"</html>"
_TIME = re.compile(rb'<abbr class="(?:dt|published)" title="([^"<>]{1,60})"')
_PERSON = re.compile(
    rb'<a class="tel" href="tel:(?P<number>[^"<>]{0,100})">\s*'
    rb'<(?:span|abbr) class="fn"[^<>]*>(?P<name>[^<>]{0,300})<'
)
_OWNER = "Me"
_PARTICIPANTS = re.compile(rb'<div class="participants">(.*?)</div>', re.DOTALL)
_TITLE = re.compile(rb"<title>(.*?)</title>", re.DOTALL)
_LABELS = re.compile(rb'<a rel="tag" href="[^"<>]*">([^<>]*)</a>')
_DELETED = re.compile(rb'<div class="deletedStatusContainer">\s*User Deleted:\s*True', re.IGNORECASE)
_MEDIA = re.compile(
    rb'<(?:img src="|a class="(?:video|vcard)" href="|a rel="enclosure" href=")(?P<name>[^"<>]{1,500})"'
)


def is_voice(head: bytes) -> bool:
    """Say whether a file that begins so holds texts or a call of Google Voice."""
    return _TEXTS in head or _CALL in head


@dataclass(frozen=True, slots=True)
class VoiceFile:
    """What a file says beside its messages.

    Attributes:
        facts: Metadata of each of its messages.
        whole: Whether the file reaches its own end.
    """

    facts: dict[str, str]
    whole: bool

    @classmethod
    def of(cls, data: bytes) -> VoiceFile:
        """Read what is said once in a file."""
        stated = _PARTICIPANTS.search(data)
        people = list(dict.fromkeys(_people(stated[1] if stated else data)))
        others = [(name, number) for name, number in people if name != _OWNER and (name or number)]
        title = _text(found[1]) if (found := _TITLE.search(data)) else ""
        numbers = sorted({number or name for name, number in others})
        # Files of one contact have one title; it stands in for a number where only the owner wrote.
        alone = title or (numbers[0] if numbers else "")
        group = "; ".join(numbers) if stated else alone.removeprefix("Voicemail from").strip() or alone
        about = {
            "group": f"voice:{group}" if group else "",
            "group_name": title if not stated else ", ".join(name or number for name, number in others),
            "members": "; ".join(
                f"{name} <{number}>" if name and number else name or number for name, number in others
            ),
            "labels": ",".join(_text(label) for label in _LABELS.findall(data)),
            "deleted": "true" if _DELETED.search(data) else "",
        }
        return cls({name: value for name, value in about.items() if value}, _WHOLE in data)


def values(
    key: str, data: bytes, present: Callable[[str], str | None], window: Window, seen: SeenHashes
) -> Iterator[Yielded]:
    """Yield the messages or the call of a file, and the media that is named and not there; without cursors.

    Args:
        key: The file's key.
        data: The file.
        present: Returns the key of a file by the name that the HTML gives, or None.
        window: The request's days.
        seen: Hashes of what came before in the product.
    """
    file = VoiceFile.of(data)
    for native in _cut(data):
        digest = hashlib.sha256(native)
        again = seen.count(prefix_of(digest.digest()))
        yield from _value(f"{digest.hexdigest()}:{again}", native, file, present, window)
    if not file.whole:
        yield FailedItem(f"{key}#rest", Kind.MESSAGE, "", Reason.TRUNCATED, "html_cut")


def counted(data: bytes, present: Callable[[str], str | None]) -> int | None:
    """Count by another route: times of messages, one for a call; None for a file that is cut."""
    if _WHOLE not in data:
        return None
    lost = sum(present(_name(found)) is None for found in _MEDIA.finditer(data))
    return (1 if _CALL in data else data.count(_CLOCK)) + lost


def _cut(data: bytes) -> Iterator[bytes]:
    """Cut a file of texts into messages; a call is its whole file. What is cut off in the middle is none."""
    if _CALL in data:
        if _WHOLE in data:
            yield data
        return
    starts = [found.start() for found in _MESSAGE.finditer(data)]
    last = next((found.start() for found in _END.finditer(data, starts[-1] if starts else 0)), len(data))
    for start, end in pairwise([*starts, last]):
        if b"</q>" in data[start:end]:
            yield data[start:end]


def _value(
    key: str, native: bytes, file: VoiceFile, present: Callable[[str], str | None], window: Window
) -> Iterator[Yielded]:
    kind = Kind.CALL if _CALL in native else Kind.MESSAGE
    moment = _moment(native)
    outside, codes = placed(moment, window, dated=True)
    there: list[dict[str, str]] = []
    missing: list[str] = []
    for name in map(_name, _MEDIA.finditer(native)):
        held = present(name)
        if held is None:
            missing.append(name)
        else:
            there.append({"name": held.rpartition("/")[2], "native_key": held})
    if outside:
        yield ExcludedItem(key, kind, "", Reason.OUTSIDE_WINDOW, "", None, moment)
    else:
        metadata = dict(file.facts)
        if there:
            metadata["attachments"] = canonical.dumps(there)
        warnings = (
            *((WarningCode.DELETED,) if "deleted" in metadata else ()),
            *((WarningCode.MISSING_PART,) if missing else ()),
            *codes,
        )
        yield FoundItem(key, kind, "", None, MEDIA_TYPE, len(native), moment, metadata, warnings, native)
    for number, name in enumerate(missing):
        yield FailedItem(f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, "attachment", storable(name))


def _moment(native: bytes) -> Moment:
    """Read the time, which has its offset from UTC; that in the file's name is of another message."""
    found = _TIME.search(native)
    return iso_moment(_text(found[1]) if found is not None else "")


def _people(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and number of everybody who is named; a number alone stands in both places."""
    for found in _PERSON.finditer(data):
        name, number = _text(found["name"]), _text(found["number"])
        yield ("" if name == number else name), number


def _name(found: re.Match[bytes]) -> str:
    return unescaped(found["name"].decode("utf-8", "replace"))


def _text(data: bytes) -> str:
    """Return words on one line that any store takes."""
    text = unescaped(data.decode("utf-8", "replace")).replace("\x00", "")
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
