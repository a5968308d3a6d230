"""The few header facts a collector of mail needs: is it mail, when was it sent, is it in the window.

The extract room reads mail properly. Here only the Date field is read, straight from the native bytes,
because this runs for every message of a mailbox before anything is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from records.models import EMPTY, NO_MOMENT, ExcludedItem, FoundItem, Moment, Window
from records.moments import Place, mail_moment, place_in, zone_doubts
from records.vocabulary import Basis, Kind, Reason, WarningCode

MAIL_TYPE = "message/rfc822"

_DATE_BYTES = 998
"""RFC 5322 allows no longer line; a hostile Date field must not become a row of a megabyte."""

_FIRST_LINE = re.compile(rb"(?:\xef\xbb\xbf)?(?:>?From [^\n]*\n)*(?:[A-Za-z][A-Za-z0-9_.+-]*[ \t]*:|\r?\n)")
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9_.+-]*)[ \t]*:")
_DATE = re.compile(rb"^date[ \t]*:(.*)", re.IGNORECASE | re.MULTILINE)
_KNOWN = frozenset(
    b"""arc-seal authentication-results bcc cc content-type date delivered-to dkim-signature envelope-to from
    in-reply-to mailing-list message-id mime-version newsgroups received received-spf references reply-to
    return-path sender subject to x-mailer x-originating-ip x-received""".split()
)


def header_end(data: bytes) -> int:
    """Return where the header block ends: the offset of its empty line, or the length of ``data``."""
    unix = data.find(b"\n\n")
    end = unix + 1 if unix >= 0 else len(data)
    windows = data.find(b"\n\r\n", 0, end + 2)
    return windows + 1 if 0 <= windows < end else end


def field(data: bytes, name: bytes, end: int) -> bytes | None:
    """Return the unfolded body of the first field ``name`` before ``end``, or None.

    Args:
        data: A message.
        name: As it is mostly spelt; for other spellings give it in lower case.
        end: From ``header_end``.
    """
    if data.startswith(name + b":"):
        start = len(name) + 1
    else:
        found = data.find(b"\n" + name + b":", 0, end)
        if found < 0:
            return None
        start = found + len(name) + 2
    return _unfolded(data, start, end)


def _unfolded(data: bytes, start: int, end: int) -> bytes:
    stop = data.find(b"\n", start, end)
    if stop < 0:
        return data[start:end]
    while stop + 1 < end and data[stop + 1] in b" \t":
        after = data.find(b"\n", stop + 1, end)
        if after < 0:
            return data[start:end]
        stop = after
    return data[start:stop]


def date_field(data: bytes, end: int) -> bytes | None:
    """Return the unfolded body of the Date field (RFC 5322 section 3.6.1), or None."""
    body = field(data, b"Date", end)
    if body is not None:
        return body
    other = _DATE.search(data, 0, end)  # "DATE:", "Date :" and the like are rare, and this is slow
    return None if other is None else _unfolded(data, other.start(1), end)


def sent_moment(data: bytes, end: int, zone: ZoneInfo) -> Moment:
    """Return when a message says it was sent."""
    body = date_field(data, end)
    if body is None:
        return NO_MOMENT
    body = body[:_DATE_BYTES]
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    return mail_moment(text.replace("\x00", ""), zone)


def placed(moment: Moment, window: Window, *, dated: bool) -> tuple[bool, tuple[WarningCode, ...]]:
    """Say whether an item is surely outside the window, and what a reader must know of its time.

    Args:
        moment: Its own time.
        window: The request's days.
        dated: True for what always should have a date (mail, texts), so that its absence is always noted.
    """
    place = place_in(window, moment)
    if place is Place.INSIDE and moment.basis is Basis.STATED:
        return False, ()
    if place is Place.OUTSIDE:
        return True, ()
    codes = []
    if moment.at is None:
        if moment.text:
            codes.append(WarningCode.BAD_DATE)
        elif dated or place is Place.IN_DOUBT:
            codes.append(WarningCode.NO_DATE)
    codes += zone_doubts(moment, window.zone)
    if place is Place.IN_DOUBT and moment.at is not None:
        codes.append(WarningCode.NEAR_WINDOW_EDGE)
    return False, tuple(codes)


def span_placed(times: Sequence[Moment], window: Window) -> tuple[bool, tuple[WarningCode, ...]]:
    """Say whether all that is known of a file happened before the window, or all of it after.

    Args:
        times: When it was made, changed, shared; those that are not known do not count.
        window: The request's days.
    """
    known = [moment.at for moment in times if moment.at is not None]
    if not known:
        return placed(NO_MOMENT, window, dated=True)
    first, last = Moment(min(known), "", Basis.STATED), Moment(max(known), "", Basis.STATED)
    too_late = placed(first, Window(None, window.last, window.zone), dated=True)[0]
    too_early = placed(last, Window(window.first, None, window.zone), dated=True)[0]
    return too_late or too_early, ()


def sent_or_received(
    sent: Moment, received: Moment, window: Window
) -> tuple[bool, Moment, tuple[WarningCode, ...]]:
    """Say whether a message is surely outside the window, when it was sent, and what a reader must know.

    The time of sending is by the sender's clock and that of receipt by the service's: a message is outside
    only when both are. Where they disagree, the one inside the window counts, and that is flagged.
    """
    if sent.at is None:
        outside, warnings = placed(received, window, dated=True)
        return outside, received, warnings
    outside, warnings = placed(sent, window, dated=True)
    if not outside or received.at is None:
        return outside, sent, warnings
    if placed(received, window, dated=True)[0]:
        return True, sent, ()
    return False, received, (WarningCode.NEAR_WINDOW_EDGE,)


def mail_item(
    key: str,
    cursor: str,
    head: bytes,
    size: int,
    window: Window,
    zone: ZoneInfo,
    handle: object,
    *,
    name: str | None = None,
    metadata: Mapping[str, str] = EMPTY,
    warnings: tuple[WarningCode, ...] = (),
) -> FoundItem | ExcludedItem:
    """Return a message as an item, found or outside the window.

    Args:
        key: Native key.
        cursor: What follows it.
        head: Its bytes, or as many as hold its header.
        size: Native size in bytes.
        window: The request's days.
        zone: For a date that states none.
        handle: For ``open``.
        name: File name, or None.
        metadata: The source's own facts.
        warnings: What the source gives reason to say.
    """
    moment = sent_moment(head, header_end(head), zone)
    outside, codes = placed(moment, window, dated=True)
    if outside:
        return ExcludedItem(key, Kind.EMAIL, cursor, Reason.OUTSIDE_WINDOW, "", name, moment)
    return FoundItem(
        key, Kind.EMAIL, cursor, name, MAIL_TYPE, size, moment, metadata, warnings + codes, handle
    )


def file_item(
    key: str,
    cursor: str,
    size: int | None,
    window: Window,
    handle: object,
    *,
    name: str | None,
    metadata: Mapping[str, str] = EMPTY,
    warnings: tuple[WarningCode, ...] = (),
) -> FoundItem:
    """Return a file as an item. A file system's times prove nothing of the record: it has no moment."""
    _, codes = placed(NO_MOMENT, window, dated=False)
    return FoundItem(key, Kind.FILE, cursor, name, None, size, NO_MOMENT, metadata, warnings + codes, handle)


def begins_like_mail(head: bytes) -> bool:
    """Say whether the first line may start a message; for files that by their place ought to be mail."""
    return not head or _FIRST_LINE.match(head) is not None


def looks_like_mail(head: bytes) -> bool:
    """Say whether ``head`` starts with a header block that only mail has; for files of any name."""
    if _FIRST_LINE.match(head) is None:
        return False
    block = head[: header_end(head)].removeprefix(b"\xef\xbb\xbf")
    if b"\x00" in block:
        return False
    known: set[bytes] = set()
    for line in block.split(b"\n")[:200]:
        if line[:1] in {b" ", b"\t", b""} or line.startswith((b"From ", b">From ")):
            continue
        name = _FIELD.match(line)
        if name is None:
            return len(known) >= 3 and line is block.split(b"\n")[-1]
        if name[1].lower() in _KNOWN:
            known.add(name[1].lower())
    return len(known) >= 2
