"""Gmail of one account: every message once, labels as values.

How a mailbox is listed, and why so:

- ``messages.list`` gives ids without dates, 500 a call, newest first. What lies in the window is what the
  same list gives with ``after:`` and ``before:`` in seconds (whole days would be days in Google's own zone:
  https://developers.google.com/workspace/gmail/api/guides/filtering). They go by the time that Gmail took
  the message in; a message within a day of an edge is asked for its ``Date``, and either time keeps it.
- Labels come from one list a label, not from one ``get`` a message, which would halve the speed.
- A part is what ``before:B`` gives and ``before:A`` does not. Google does not say whether the edges are
  within, and so it does not matter. The newest part ends when it was planned, or at the first message of the
  list where that is of a later time: that a list is in order of time is seen, and nowhere promised.
- The history of the mailbox is not asked for: listing anew costs one call for 500 messages, needs no state,
  and is never too old. A message under its id never changes, so a top-up fetches only what is new.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import BinaryIO, ClassVar
from zoneinfo import ZoneInfo

from connectors.asking import Refused, seconds
from connectors.google_auth import Google, not_given
from connectors.governor import Governor
from connectors.mailhead import MAIL_TYPE, placed
from records import canonical
from records.errors import CursorExpired, ItemError, SettingsError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Part,
    Scope,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import mail_moment
from records.vocabulary import Kind, Reach, Reason, WarningCode

READ = "https://www.googleapis.com/auth/gmail.readonly"
MESSAGES_PER_S = 50.0
"""What Gmail allows one user: 15,000 units a minute, of which ``messages.get`` and ``messages.list`` cost 5
(https://developers.google.com/workspace/gmail/api/reference/quota). That page gives newer projects less; the
connection says so (``messages_per_s``)."""

_PAGE = 500
_DAY_S = 86_400
_CURSOR = "m1:"
_LISTED = "nextPageToken,messages(id,threadId)"


@dataclass(frozen=True, slots=True)
class Held:
    """What ``open`` is given.

    Attributes:
        id: Of the message.
        place: The reader's place.
    """

    id: str
    place: str = "mail"


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds since 1970, from ``after`` to before ``before``; None for no bound."""

    after: int | None = None
    before: int | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.after is not None and self.before is not None and self.after >= self.before

    def within(self, other: Span) -> Span:
        """Return what both have."""
        after = [at for at in (self.after, other.after) if at is not None]
        before = [at for at in (self.before, other.before) if at is not None]
        return Span(max(after, default=None), min(before, default=None))

    def wider(self, by_s: int) -> Span:
        """Return it with so many seconds more on either side."""
        return Span(
            None if self.after is None else self.after - by_s,
            None if self.before is None else self.before + by_s,
        )

    def query(self) -> str:
        """Return what asks Gmail for it, and at most for a second or two more."""
        after = "" if self.after is None else f"after:{max(0, self.after - 2)}"
        before = "" if self.before is None else f"before:{self.before}"
        return " ".join(filter(None, (after, before)))


class Mail:
    """Every message of the mailbox, spam and trash among them."""

    place: ClassVar[str] = "mail"
    rights: ClassVar[tuple[str, ...]] = (READ,)
    label: ClassVar[str] = "Gmail"
    covers: ClassVar[tuple[str, ...]] = (
        "mail: every message of the mailbox once, spam, trash and drafts too, with its labels and its thread",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "mail that was deleted for good and is kept by a hold or a retention rule: take it from Vault",
        "what people wrote in classic Hangouts, which Gmail does not list as mail",
    )
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, context: SourceContext) -> None:
        """Keep what is needed; nothing is asked yet."""
        assert context.connection is not None
        connection = context.connection
        self._source_id = context.source_id
        self._zone = context.time_zone
        rate = seconds(connection, "messages_per_s", MESSAGES_PER_S, f"source {context.source_id}")
        governor = governor_of(context.account, rate)
        self._google = Google(
            context.source_id, connection, context.account, "gmail", (READ,), governor=governor
        )

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: Refused; the message says what to do.
        """
        try:
            self._total()
        except Refused as error:
            raise not_given(self._source_id, self.place, error) from error

    def scopes(self) -> Iterator[Scope]:
        """List the mailbox, the one scope there is: labels are no folders."""
        yield Scope(self.place, self.label, "mailbox")

    def unreached(self) -> Iterator[Unreached]:
        """Name what only Vault gives."""
        yield Unreached(
            f"{self.place}/retained",
            "Deleted mail that a hold or a retention rule keeps",
            "mailbox",
            Reach.NOT_BY_THIS_ROUTE,
            "vault_only",
        )

    def count(self, scope: Scope) -> Expected:
        """Return the profile's own figure: messages of the whole mailbox, spam and trash too."""
        del scope
        return Expected(self._total(), "messagesTotal of the profile")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Cut the mailbox into ranges of time, the newest first; a list tells no sizes."""
        del max_bytes
        before: int | None = None
        number = listed = first = due = 0
        for key in self._listed(Span()):
            if listed == due:
                received = self._received(key)
                due = listed + max(1, max_items // 10)  # many messages of one second: try again a bit later
                if received is not None and listed == 0:
                    before, due = max(received, int(datetime.now(UTC).timestamp())) + 2, max_items
                elif received is not None and (before is None or received + 1 < before):
                    yield Part(scope, number, _spec(received + 1, before), listed - first)
                    before, number, first, due = received + 1, number + 1, listed, listed + max_items
            listed += 1
        yield Part(scope, number, _spec(None, before) if listed else "", listed - first)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages, the newest first.

        Raises:
            CursorExpired: The message that the cursor names is there no more, or it is of another version.
            ItemError: The list broke off.
        """
        span = _span(part.spec)
        keys = self._of_part(span)
        wanted = _asked(window)
        inside = keys if wanted == Span() else self._at(span.within(wanted))
        near = {} if wanted == Span() else self._at(span.within(wanted.wider(_DAY_S)))
        labels = self._labels(span.within(wanted.wider(_DAY_S))) if inside or near else {}
        for key in _after(keys, cursor):
            if key in inside:
                yield self._found(key, keys[key], labels, NO_MOMENT, ())
            elif key in near:
                yield self._by_its_date(key, keys[key], labels, window)
            else:
                yield ExcludedItem(key, Kind.EMAIL, _CURSOR + key, Reason.OUTSIDE_WINDOW)

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the message as it was received or sent (RFC 5322).

        Raises:
            ItemError: It is gone, or cannot be had.
        """
        messages = self._google.of("users", "messages")
        answer = self._google.get(messages.get(userId="me", id=item.handle.id, format="raw", fields="raw"))
        raw = answer.get("raw")
        if not isinstance(raw, str):
            raise ItemError(Reason.CORRUPT, "no_raw")
        try:
            return io.BytesIO(base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            raise ItemError(Reason.CORRUPT, "base64") from None

    def close(self) -> None:
        """End its connections."""
        self._google.close()

    def _found(
        self,
        key: str,
        thread: str,
        labels: Mapping[str, list[str]],
        moment: Moment,
        warnings: tuple[WarningCode, ...],
    ) -> FoundItem:
        names = labels.get(key, [])
        draft = (WarningCode.DRAFT,) if "DRAFT" in names else ()
        facts = {"thread": thread, "labels": "; ".join(names)}
        return FoundItem(
            native_key=key,
            kind=Kind.EMAIL,
            cursor=_CURSOR + key,
            media_type=MAIL_TYPE,
            moment=moment,
            metadata={name: value for name, value in facts.items() if value},
            warnings=draft + warnings,
            handle=Held(key),
        )

    def _by_its_date(self, key: str, thread: str, labels: Mapping[str, list[str]], window: Window) -> Yielded:
        """Return a message that was taken in within a day of the window: its own date decides."""
        messages = self._google.of("users", "messages")
        try:
            answer = self._google.get(
                messages.get(
                    userId="me", id=key, format="metadata", metadataHeaders=["Date"], fields="payload/headers"
                )
            )
        except Refused as error:
            return FailedItem(key, Kind.EMAIL, _CURSOR + key, error.reason, error.detail)
        headers = (answer.get("payload") or {}).get("headers") or ()
        stated = next(
            (str(one.get("value", "")) for one in headers if one.get("name", "").lower() == "date"), None
        )
        moment = mail_moment(stated, self._zone)
        outside, warnings = placed(moment, window, dated=True)
        if outside:
            return ExcludedItem(key, Kind.EMAIL, _CURSOR + key, Reason.OUTSIDE_WINDOW, moment=moment)
        edge = () if WarningCode.NEAR_WINDOW_EDGE in warnings else (WarningCode.NEAR_WINDOW_EDGE,)
        return self._found(key, thread, labels, moment, warnings + edge)

    def _of_part(self, span: Span) -> dict[str, str]:
        """Return thread by id of the messages of a part, in the order of the list."""
        keys = self._at(span)
        if span.after is not None:
            # what the next part has as well: the two seconds that are asked for beyond the edge
            for key in self._at(Span(span.after - 2, span.after)):
                keys.pop(key, None)
        return keys

    def _at(self, span: Span, label: str = "") -> dict[str, str]:
        return {} if span.empty else dict(self._pairs(span, label))

    def _listed(self, span: Span) -> Iterator[str]:
        seen: dict[str, None] = {}  # of the page before: Gmail may give a page, or the end of it, twice
        for page in self._pages(span):
            here = dict.fromkeys(key for key, _ in page)
            yield from (key for key in here if key not in seen)
            seen = here

    def _pairs(self, span: Span, label: str) -> Iterator[tuple[str, str]]:
        for page in self._pages(span, label):
            yield from page

    def _pages(self, span: Span, label: str = "") -> Iterator[list[tuple[str, str]]]:
        parameters = {"userId": "me", "includeSpamTrash": True, "maxResults": _PAGE, "fields": _LISTED}
        if query := span.query():
            parameters["q"] = query
        if label:
            parameters["labelIds"] = [label]
        for answer in self._google.pages(self._google.of("users", "messages").list, **parameters):
            yield [(str(one["id"]), str(one.get("threadId", ""))) for one in answer.get("messages") or ()]

    def _labels(self, span: Span) -> dict[str, list[str]]:
        """Return the names of labels by message."""
        request = self._google.of("users", "labels").list(userId="me", fields="labels(id,name)")
        found: dict[str, list[str]] = {}
        for label in sorted(self._google.get(request).get("labels") or (), key=lambda one: str(one["name"])):
            for key in self._at(span, str(label["id"])):
                found.setdefault(key, []).append(str(label["name"]))
        return found

    def _received(self, key: str) -> int | None:
        """Return the second in which Gmail took a message in; None when it went away meanwhile."""
        messages = self._google.of("users", "messages")
        try:
            answer = self._google.get(
                messages.get(userId="me", id=key, format="minimal", fields="internalDate")
            )
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return int(answer["internalDate"]) // 1_000

    def _total(self) -> int:
        request = self._google.of("users").getProfile(userId="me", fields="messagesTotal")
        return int(self._google.get(request)["messagesTotal"])


def governor_of(account: str, rate: float) -> Governor:
    """Return what keeps this machine to so many calls of Gmail in a second for an account."""
    period_s = 1.0 if rate >= 20 else max(10.0, 1 / rate)
    return Governor(
        f"gmail {account.lower()}", at_once=0, requests=max(1, int(rate * period_s)), period_s=period_s
    )


def _after(keys: Mapping[str, str], cursor: str | None) -> Iterator[str]:
    """Yield the ids that follow the one in the cursor."""
    rest = iter(keys)
    if cursor is None:
        return rest
    last = cursor.removeprefix(_CURSOR)
    if last == cursor or last not in keys:
        raise CursorExpired
    for key in rest:
        if key == last:
            break
    return rest


def _asked(window: Window) -> Span:
    """Return the seconds of a window."""
    end = window.last + timedelta(days=1) if window.last else None
    return Span(_midnight(window.first, window.zone), _midnight(end, window.zone))


def _midnight(day: date | None, zone: ZoneInfo) -> int | None:
    return None if day is None else int(datetime.combine(day, time(0), zone).timestamp())


def _spec(after: int | None, before: int | None) -> str:
    return canonical.dumps({"v": 1, "after": after, "before": before})


def _span(spec: str) -> Span:
    if not spec:
        return Span()
    stated = json.loads(spec)
    if stated.get("v") != 1:
        raise SettingsError("a part of a mailbox was cut by another version; plan the run again")
    return Span(stated["after"], stated["before"])
