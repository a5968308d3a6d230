"""Messages of one Twilio account through its API: SMS, MMS, and what else its numbers received and sent.

A message's native form is the JSON object that the API gives, with sorted keys. The list is read whole and in
its order, the newest first: its filters are of ``date_sent``, which messages that never went out do not have
(https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources). A page is asked
for by the address that the page before names, so what arrives meanwhile moves nothing.
"""

from __future__ import annotations

import io
import itertools
import json
import mimetypes
import re
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar
from urllib.parse import quote, urljoin
from zoneinfo import ZoneInfo

from connectors.asking import (
    PATIENCE_S,
    Busy,
    Denied,
    Refused,
    check_address,
    close_all,
    heard,
    is_safe,
    new_client,
    retry_after_s,
    seconds,
    until_answered,
)
from connectors.mailhead import placed
from connectors.service import ServiceConnector
from connectors.twilio_log import NOT_SENT, WAITING
from records import canonical
from records.errors import CursorExpired, ItemError, SettingsError
from records.models import (
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

if TYPE_CHECKING:
    import httpx

MESSAGE_TYPE = "application/x-twilio-message+json"
PUBLIC = "https://api.twilio.com"

_VERSION = "/2010-04-01/"
_PAGE, _COUNT_PAGE = 1_000, 500
_CURSOR = "t1:"
_UTC = ZoneInfo("UTC")
_ACCOUNT = re.compile(r"AC[0-9A-Za-z]{1,60}")
_MEDIA_BYTES = 128 << 20
"""A medium is at most 16 MB (https://www.twilio.com/docs/messaging/guides/accepted-mime-types)."""

_MOVED = frozenset({301, 302, 303, 307, 308})

Message = Mapping[str, Any]


class Twilio(ServiceConnector):
    """Every message of one account, or of one subaccount."""

    name: ClassVar[str] = "twilio"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "every message that the account still has, received and sent, with its status",
        "media of messages, as items of their own",
        "messages that failed or were not delivered, marked",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "messages and media that were deleted, and bodies that were redacted: Twilio has them no more",
        "messages older than Twilio keeps them (13 months, unless the account says otherwise)",
        "calls, conversations of Twilio Conversations, other subaccounts: a source for each",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "a fake of the published Messages and Media resources, version 2010-04-01",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; ask nothing yet."""
        super().__init__(context)
        self._made: _Api | None = None

    @property
    def _api(self) -> _Api:
        if self._made is None:
            self._made = _Api(self._context.source_id, self._connection, self._context.account)
        return self._made

    def check(self) -> None:
        """Prove access without reading content.

        Raises:
            AccessError: The credentials or the account are refused.
            SettingsError: The connection lacks something, or the account is no account id.
            Retryable: The service is busy or away.
        """
        self._api.about()

    def scopes(self) -> Iterator[Scope]:
        """List the one place there is."""
        yield Scope("messages", "Twilio: messages", "account")

    def unreached(self) -> Iterator[Unreached]:
        """Tell that what the account does not keep any more is not to be had."""
        yield Unreached("deleted", "Twilio: deleted messages", "account", Reach.NOT_BY_THIS_ROUTE, "deleted")

    def count(self, scope: Scope) -> Expected:
        """Count messages and their media by a listing of its own, in other pages.

        Twilio has no figure of messages: its usage records count segments.
        """
        del scope
        total = 0
        for _, page in self._api.pages(self._api.messages_path(_COUNT_PAGE), "messages"):
            total += sum(1 + _media_count(message) for message in page)
        return Expected(total, "second listing")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: a page is known only from the one before it."""
        del max_items, max_bytes
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield messages, the newest first, each followed by its media.

        Raises:
            CursorExpired: The page does not have the message of the cursor any more.
            ItemError: The list is refused.
            Retryable: The service is busy or away.
        """
        del part
        address, after = _read_cursor(cursor)
        skipping = bool(after)
        pages = self._api.pages(address or self._api.messages_path(_PAGE), "messages")
        try:
            first = next(pages, None)
        except Refused:
            if skipping:
                raise CursorExpired("the page of the cursor is not there any more") from None
            raise
        for at, page in itertools.chain([first] if first is not None else [], pages):
            for message in page:
                for value in self._values(message, window):
                    if skipping:
                        skipping = value.native_key != after
                    else:
                        yield replace(value, cursor=_CURSOR + json.dumps([at, value.native_key]))
            if skipping:
                raise CursorExpired("the page of the cursor does not have its message any more")

    def open(self, item: FoundItem) -> BinaryIO:
        """Return the bytes of a message, or fetch those of a medium.

        Raises:
            ItemError: The medium is gone, too large, or lies where no secret may be sent.
            Retryable: The service is busy or away.
        """
        if isinstance(item.handle, bytes):
            return io.BytesIO(item.handle)
        return io.BytesIO(self._api.medium(str(item.handle)))

    def _values(self, message: Message, window: Window) -> Iterator[Yielded]:
        key = _text(message, "sid")
        moment = _moment(message)
        outside, codes = placed(moment, window, dated=True)
        media, refused = self._media(message, key)
        native = canonical.dumps(message).encode()
        if outside:
            yield ExcludedItem(key, Kind.MESSAGE, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            lost = max(0, _media_count(message) - len(media))
            facts = {
                "group": f"twilio:{';'.join(_ends(message))}",
                "group_name": ", ".join(_ends(message)),
                "account": self._context.account,
                "attachments": canonical.dumps(
                    [{"name": _name(one), "native_key": f"{key}/{_text(one, 'sid')}"} for one in media]
                ) if media else "",
            }  # fmt: skip
            status = _text(message, "status")
            warnings = (
                *((WarningCode.NOT_SENT,) if status in NOT_SENT else ()),
                *((WarningCode.DRAFT,) if status in WAITING else ()),
                *((WarningCode.MISSING_PART,) if lost else ()),
                *codes,
            )
            stated = {name: value for name, value in facts.items() if value}
            yield FoundItem(
                key, Kind.MESSAGE, "", None, MESSAGE_TYPE, len(native), moment, stated, warnings, native
            )
        for one in media:
            about = f"{key}/{_text(one, 'sid')}", Kind.FILE, ""
            if outside:
                yield ExcludedItem(*about, Reason.OUTSIDE_WINDOW, "", _name(one), moment)
            else:
                path = self._api.medium_path(key, _text(one, "sid"))
                yield FoundItem(
                    *about, _name(one), _text(one, "content_type") or None, None, moment,
                    {"attached_to": key}, codes, path,
                )  # fmt: skip
        for number in range(len(media), _media_count(message)):
            reason, detail = refused or (Reason.NOT_IN_EXPORT, "media")
            yield FailedItem(f"{key}#media{number}", Kind.FILE, "", reason, detail)

    def _media(self, message: Message, key: str) -> tuple[list[Message], tuple[Reason, str] | None]:
        """Return what a message carries, and why that could not be listed, or None."""
        if not _media_count(message):
            return [], None
        try:
            listed = self._api.pages(self._api.media_path(key), "media_list")
            return [one for _, page in listed for one in page], None
        except Refused as error:
            return [], (error.reason, error.detail)


class _Api:
    """The requests of one account."""

    def __init__(self, source: str, connection: Any, account: str) -> None:
        self._where = f"source {source}, connection {connection.id}"
        if not _ACCOUNT.fullmatch(account):
            raise SettingsError(f"{self._where}: `account` is no account id of Twilio (AC…)")
        if not connection.login or not connection.secret:
            raise SettingsError(
                f"{self._where}: needs the account id or a key (SK…) as login, and its secret as password"
            )
        self._base = connection.host or PUBLIC
        if "://" not in self._base:
            self._base = f"https://{self._base}"
        check_address(self._base, self._where)
        self._login = (connection.login, connection.secret)
        self._patience_s = seconds(connection, "patience_s", PATIENCE_S, self._where)
        self._root = f"{_VERSION}Accounts/{quote(account)}"
        self._opened: list[httpx.Client] = []
        weakref.finalize(self, close_all, self._opened)  # connections live as long as their connector

    def messages_path(self, size: int) -> str:
        return f"{self._root}/Messages.json?PageSize={size}"

    def media_path(self, message: str) -> str:
        return f"{self._root}/Messages/{quote(message)}/Media.json?PageSize={_PAGE}"

    def medium_path(self, message: str, medium: str) -> str:
        return f"{self._root}/Messages/{quote(message)}/Media/{quote(medium)}"

    def about(self) -> None:
        """Ask for the account itself."""
        try:
            self._json(f"{self._root}.json")
        except Refused as error:
            raise self._denied(error) from None

    def pages(self, path: str, member: str) -> Iterator[tuple[str, list[Message]]]:
        """Yield the pages of a list, each with its own address."""
        while path:
            found = self._json(path)
            listed = found.get(member)
            if not isinstance(listed, list):
                raise ItemError(Reason.CORRUPT, "twilio_page")
            yield path, [one for one in listed if isinstance(one, dict) and _text(one, "sid")]
            following = found.get("next_page_uri")
            path = following if isinstance(following, str) and following.startswith(_VERSION) else ""

    def medium(self, path: str) -> bytes:
        """Return the bytes of a medium, from where Twilio sends to."""
        response = self._asked(urljoin(self._base, path), secret=True)
        for _ in range(5):
            if response.status_code not in _MOVED:
                break
            address = urljoin(str(response.url), response.headers.get("location", ""))
            if not is_safe(address):
                raise ItemError(Reason.REFUSED_BY_SOURCE, "media_address")
            response = self._asked(address, secret=False)  # it is signed; the secret is for Twilio alone
        if response.status_code in _MOVED:
            raise ItemError(Reason.REFUSED_BY_SOURCE, "media_moved")
        if len(response.content) > _MEDIA_BYTES:
            raise ItemError(Reason.TOO_LARGE, "media")
        return response.content

    def _json(self, path: str) -> dict[str, Any]:
        response = self._asked(urljoin(self._base, path), secret=True)
        try:
            found = json.loads(response.content)
        except ValueError:
            raise ItemError(Reason.CORRUPT, "twilio_json") from None
        if not isinstance(found, dict):
            raise ItemError(Reason.CORRUPT, "twilio_json")
        return found

    def _asked(self, address: str, *, secret: bool) -> httpx.Response:
        def once() -> httpx.Response:
            if not self._opened:
                self._opened.append(new_client())
            response = self._opened[0].get(address, auth=self._login if secret else None)
            status = response.status_code
            if status == 429 or status == 503:
                raise Busy(retry_after_s(response.headers))
            if status >= 500:
                raise Busy(final=Refused(Reason.UNREADABLE, f"http_{status}", status))
            if status in {404, 410}:
                raise Refused(Reason.NOT_IN_EXPORT, f"http_{status}", status)
            if status >= 400:
                error = Refused(Reason.REFUSED_BY_SOURCE, f"http_{status}", status)
                raise self._denied(error) if status == 401 else error
            return response

        return until_answered(lambda: heard(once), self._patience_s, self._where, who="Twilio is")

    def _denied(self, error: Refused) -> Denied:
        return Denied(
            f"{self._where}: Twilio refuses the account or its credentials ({error.detail}); check login, "
            "password and `account`, and that the key may read messages",
            error.detail,
        )


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    """Return the address of a page, and the key of the item after which to go on; empty for the start.

    Raises:
        CursorExpired: The cursor is of another version.
    """
    if cursor is None:
        return "", ""
    try:
        address, key = json.loads(cursor.removeprefix(_CURSOR))
    except (ValueError, TypeError):
        address = key = None
    good = isinstance(address, str) and isinstance(key, str) and address.startswith(_VERSION)
    if not (good and cursor.startswith(_CURSOR)):
        raise CursorExpired("the cursor is of another version")
    return address, key


def _text(message: Message, name: str) -> str:
    value = message.get(name)
    return value.replace("\x00", "").encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _media_count(message: Message) -> int:
    stated = str(message.get("num_media") or "0")
    return int(stated) if re.fullmatch(r"[0-9]{1,3}", stated) else 0


def _moment(message: Message) -> Moment:
    """Return when a message was sent; one that never was, when it was made."""
    return mail_moment(_text(message, "date_sent") or _text(message, "date_created"), _UTC)


def _ends(message: Message) -> list[str]:
    return sorted(filter(None, (_text(message, "from"), _text(message, "to"))))


def _name(medium: Message) -> str:
    return _text(medium, "sid") + (mimetypes.guess_extension(_text(medium, "content_type")) or "")
