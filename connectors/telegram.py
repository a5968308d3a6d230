"""Exports of Telegram Desktop as JSON: one chat, or a whole account, in a file ``result.json``.

Each entry of a chat is an item, by the exact bytes of its object: messages, and what the service wrote (who
joined, calls, renames). The file is read as a stream, so its size does not matter. What the file holds beside
chats (contacts, sessions, stories) is an item a section, media are items as files
(https://telegram.org/blog/export-and-more; the layout is that of Telegram Desktop's own
``export_output_json.cpp``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar

from connectors.base import not_one
from connectors.bytesource import CHUNK, StreamSource
from connectors.chat_files import RecordFiles, place_of
from connectors.export_files import INSIDE, OpenZips, PackageFile, plain_item
from connectors.folders import storable
from connectors.json_objects import Path, Piece, pieces_of
from connectors.json_values import one_line
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, numbered
from records import canonical
from records.errors import ItemError, SettingsError
from records.loose_json import loose_object
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.moments import as_facts, epoch_moment, iso_moment
from records.vocabulary import Basis, Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-telegram-message+json"
HEAD = 64 << 10

_SECTIONS = (
    "personal_information", "profile_pictures", "stories", "contacts", "frequent_contacts", "sessions",
    "web_sessions", "other_data", "chats", "left_chats",
)  # fmt: skip
_CHATS = ("chats", "left_chats")
_TEXT = rb'"(?:[^"\\]|\\.)*"'
_ACCOUNT = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{\s*"about"\s*:\s*' + _TEXT + rb'\s*,\s*"(?:' + "|".join(_SECTIONS).encode()
    + rb')"\s*:', re.DOTALL,
)  # fmt: skip
_CHAT = re.compile(
    rb'(?:\xef\xbb\xbf)?\s*\{(?:\s*"(?:name|type|id)"\s*:\s*(?:null|-?[0-9]+|' + _TEXT
    + rb')\s*,)*\s*"messages"\s*:\s*\[', re.DOTALL,
)  # fmt: skip
_KIND_OF_CHAT = re.compile(
    rb'"type"\s*:\s*"(?:saved_messages|replies|verification_codes|personal_chat|bot_chat'
    rb'|(?:private|public)_(?:group|supergroup|channel))"'
)
_ENTRY = re.compile(
    rb'"date_unixtime"\s*:\s*"|"type"\s*:\s*"(?:message|service)"\s*,\s*"date"\s*:\s*"\d{4}-\d\d-\d\dT'
)
_PAGE = re.compile(rb"<title>Exported Data</title>.{0,2000}?(?:page_wrap|CheckLocation)", re.DOTALL)
_VIEWER = re.compile(r"(?:css/style\.css|js/script\.js|images/[a-z0-9_]+(?:@2x)?\.png|lists/[a-z_]+\.html)")

_SCAN = re.compile(
    rb'(?P<entry>"type"\s*:\s*"(?:message|service|unsupported)")'
    rb'|"(?:photo|file|contact_vcard|media)"\s*:\s*(?P<media>' + _TEXT + rb")"
    + rb'|(?P<section>"(?:' + "|".join(one for one in _SECTIONS if one not in _CHATS).encode()
    + rb')"\s*:\s*[\[{])', re.DOTALL,
)  # fmt: skip
_LOOKED_BACK = 64 << 10
"""Bytes that a path or a note in a file is shorter than."""

_MEDIA = ("photo", "file", "contact_vcard", "media")
_NOTES = (
    (re.compile(r"\((?:File|Photo|Video) not included\."), Reason.OMITTED_BY_USER, "export_settings"),
    (re.compile(r"\((?:File|Photo|Video) exceeds maximum size\."), Reason.OMITTED_BY_USER, "size_setting"),
    (re.compile(r"\((?:File|Photo|Video) unavailable,"), Reason.NOT_IN_EXPORT, "unavailable"),
)
"""What stands in the place of a path where there is no file; the program writes it in English only."""


class Telegram(RecordFiles):
    """Exports of one account."""

    name: ClassVar[str] = "telegram"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "result.json of Telegram Desktop, of one chat or of an account with the chats it left, in a folder "
        "or a zip; several of them",
        "each message and each row of the service: joins, leaves, renames, calls, pins, timers that delete",
        "media in the export; each that is named and not there, or was left out by choice: counted as failed",
        "contacts, sessions, stories and what else the file holds: an item a section",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "exports as web pages (HTML): refused by name; ask for JSON",
        "what an export never has: secret chats, deleted messages, earlier words of edits, lists of members",
        "chats and kinds of media that were not chosen when the export was made",
        "the app's own databases (tdata, cache4.db): stored as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 chat of the chat-miner project's tests",
        "generated exports of one chat and of an account, written to Telegram Desktop's own code",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._pages: dict[str, bool] | None = None

    def check(self) -> None:
        """Prove access, and that there is an export that can be read.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or what lies there is no such export; says what it is.
        """
        super().check()
        self._files()
        if self._chats or self._broken:
            return
        source_id = self._context.source_id
        if self._refused():
            raise SettingsError(
                f"source {source_id}: an export of Telegram as web pages (HTML), which states no zone and no "
                "ids of people; ask for it again with the format `Machine-readable JSON`, or take it as "
                'files with connector = "loose_files"'
            )
        raise not_one(source_id, "result.json of Telegram Desktop", self._path, self.name)

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open and exports as web pages, then each export, then the other files."""
        refused = self._refused()
        for scope in super().scopes():
            if scope.kind != "archive":
                yield from (Scope(key, key, "export") for key in refused)
                refused = []
            yield Scope(scope.key, scope.label, "export") if scope.kind == "conversation" else scope

    def _chat(self, key: str) -> PackageFile | None:
        if key in self._refused():
            raise ItemError(Reason.UNSUPPORTED, "html_export")
        return super()._chat(key)

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        return file.name.lower().endswith(".json") and is_export(file.head(HEAD, opened.of(file)))

    def _label(self, key: str) -> str:
        return key

    def _expected(self, file: PackageFile) -> Expected:
        """Count what looks like an entry, a section, and a path to what is not there, byte by byte.

        Of a file that is damaged or was cut nobody knows how many there were.
        """
        total, held = 0, b""
        try:
            with file.stream() as stream:
                while got := stream.read(CHUNK):
                    found, held = self._scanned(held + got, file, len(held) + len(got) - _LOOKED_BACK)
                    total += found
        except ItemError:
            return Expected(None, "unknown")
        if not held.rstrip().endswith(b"}"):
            return Expected(None, "unknown")
        return Expected(total + self._scanned(held, file, len(held))[0], "byte scan")

    def _scanned(self, data: bytes, file: PackageFile, limit: int) -> tuple[int, bytes]:
        """Count what begins before a limit; return the number and the bytes after it."""
        total, at = 0, 0
        for found in _SCAN.finditer(data):
            if found.start() >= limit:
                break
            at = found.end()
            total += found["media"] is None or self._is_lost(found["media"], file)
        return total, data[max(at, limit, 0) :]

    def _is_lost(self, stated: bytes, file: PackageFile) -> bool:
        read = loose_object(b'{"path":' + stated + b"}")
        path = read[0]["path"] if read is not None else ""
        return bool(path) and place_of(file.key) + storable(path) not in self._files()

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        reading = _Reading(file, self._files(), window)
        with closing(StreamSource(file.stream(opened.of(file)))) as source:
            whole = False
            for piece in pieces_of(source, _is_taken, _is_headed):
                if isinstance(piece, Piece):
                    yield from reading.piece(piece)
                else:
                    whole = piece
            if source.cut is not None or not whole:
                reason, detail = Reason.TRUNCATED, "export_cut"
                if source.cut is not None:
                    reason, detail = source.cut.reason, source.cut.detail
                yield FailedItem(f"{file.key}#rest", Kind.CHAT, "", reason, detail)

    def _others(self, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        for key, file in sorted(self._files().items()):
            if key not in self._chats:
                why = "viewer" if self._is_viewer(file) else ""
                yield plain_item(file, window, opened, scaffolding=why)

    def _ignored(self, file: PackageFile) -> str:
        return "viewer" if file.key not in self._chats and self._is_viewer(file) else ""

    def _is_viewer(self, file: PackageFile) -> bool:
        """Say whether a file is one of the web pages that an export as JSON was made together with."""
        self._refused()
        if self._pages is not None and file.key in self._pages:
            return not self._pages[file.key]
        roots = {place_of(key) for key in self._chats}
        return any(file.key.startswith(root) and _VIEWER.fullmatch(file.key[len(root) :]) for root in roots)

    def _refused(self) -> list[str]:
        """Return the folders of exports that are web pages only."""
        files = self._files()
        if self._pages is None:
            roots = {place_of(key) or "./" for key in self._chats}
            pages: dict[str, bool] = {}
            with OpenZips() as opened:
                for key, file in files.items():
                    if not key.lower().endswith(".html"):
                        continue
                    try:
                        is_one = is_page(file.head(HEAD, opened.of(file)))
                    except ItemError:
                        continue
                    if is_one:
                        pages[key] = _top_of(key) not in roots
            self._pages = pages
        return sorted({_top_of(key) for key, alone in self._pages.items() if alone})


def is_export(head: bytes) -> bool:
    """Say whether a file is an export by how it begins: an account, or a chat with at least its kind."""
    if _ACCOUNT.match(head) is not None:
        return True
    found = _CHAT.match(head)
    if found is None:
        return False
    return _KIND_OF_CHAT.search(found[0]) is not None or _ENTRY.search(head, found.end()) is not None


def is_page(head: bytes) -> bool:
    """Say whether a file is a web page of an export."""
    return _PAGE.search(head) is not None


def _top_of(key: str) -> str:
    """Return the folder of an export that has a page, which lies there or among its lists and chats."""
    place = place_of(key)
    for inner in ("lists/", "chats/"):
        at = place.find(inner)
        if at == 0 or (at > 0 and place[at - 1] in {"/", INSIDE}):
            place = place[:at]
    return place or "./"


def _is_taken(path: Path) -> bool:
    if len(path) == 1:
        return path[0] not in {"messages", *_CHATS}
    if len(path) == 2:
        return path == ("messages", "")
    return len(path) == 5 and path[0] in _CHATS and path[1:] == ("list", "", "messages", "")


def _is_headed(path: Path) -> bool:
    return not path or (len(path) == 3 and path[0] in _CHATS and path[1:] == ("list", ""))


@dataclass(slots=True)
class _Reading:
    """What is known while a file is read.

    Attributes:
        file: The export.
        files: All files of the source, by key.
        window: The request's days.
        about: Facts of the chat in hand.
        chat: What keys of its messages begin with.
        owner: Facts of whose account it is.
        seen: Keys so far.
    """

    file: PackageFile
    files: Mapping[str, PackageFile]
    window: Window
    about: Mapping[str, str] = field(default_factory=dict)
    chat: str = ""
    owner: Mapping[str, str] = field(default_factory=dict)
    seen: SeenHashes = field(default_factory=SeenHashes)

    def piece(self, piece: Piece) -> Iterator[Yielded]:
        """Yield what a piece of the file gives."""
        if piece.head:
            self._chat(piece)
        elif len(piece.path) == 1:
            yield from self._section(piece)
        else:
            yield from self._entry(piece)

    def _chat(self, piece: Piece) -> None:
        """Learn what an object says before its list of messages."""
        read = loose_object(piece.data + (b"]}" if piece.data.endswith(b"[") else b"}}"))
        value = read[0] if read is not None else {}
        if not piece.path and "messages" not in value:
            return  # the head of an account
        key, kind = value.get("id"), one_line(value.get("type"))
        self.chat = f"{key}/" if isinstance(key, (int, str)) and not isinstance(key, bool) else ""
        name = one_line(value.get("name")) or kind.replace("_", " ")
        about = {
            "group": one_line(str(key)) if self.chat else self.file.key,
            "group_name": name or self.file.key,
            "group_kind": kind,
            "left": "true" if piece.path[:1] == ("left_chats",) else "",
        }
        self.about = {name: one for name, one in about.items() if one}

    def _section(self, piece: Piece) -> Iterator[Yielded]:
        """Yield a section beside the chats as a file, then media that it names and that is not there."""
        name = piece.path[0]
        key, _ = numbered(self.seen, f"{self.file.key}#{name}")
        if not piece.whole:
            yield FailedItem(key, Kind.FILE, "", Reason.TRUNCATED, "section_cut", f"{name}.json")
            return
        read = loose_object(b'{"of":' + piece.data + b"}")
        value = read[0]["of"] if read is not None else None
        if name == "personal_information" and isinstance(value, dict):
            self.owner = _owner(value)
        media = list(self._media(_named_media(value)))
        missing = (WarningCode.MISSING_PART,) if any(one.held is None for one in media) else ()
        facts = {"section": name, **_attached(media)}
        yield FoundItem(
            key, Kind.FILE, "", f"{storable(name)}.json", "application/json", len(piece.data), NO_MOMENT,
            facts, (*missing, *placed(NO_MOMENT, self.window, dated=False)[1]), piece.data,
        )  # fmt: skip
        yield from _lost(key, media)

    def _entry(self, piece: Piece) -> Iterator[Yielded]:
        """Yield an entry of a chat, then media that it names and that is not there."""
        read = loose_object(piece.data) if piece.whole else None
        if read is None:
            key, _ = numbered(self.seen, hashlib.sha256(piece.data).hexdigest())
            reason, detail = (Reason.CORRUPT, "json") if piece.whole else (Reason.TRUNCATED, "message_cut")
            yield FailedItem(key, Kind.CHAT, "", reason, detail)
            return
        value, guessed = read
        number = value.get("id")
        stated = isinstance(number, int) and not isinstance(number, bool)
        key, again = numbered(
            self.seen, f"{self.chat}{number}" if stated else hashlib.sha256(piece.data).hexdigest()
        )
        kind = Kind.CALL if value.get("action") in {"phone_call", "group_call"} else Kind.CHAT
        if value.get("type") == "unsupported":
            yield FailedItem(key, kind, "", Reason.NOT_IN_EXPORT, "unsupported_by_app")
            return
        moment = moment_of(value, self.window)
        outside, codes = placed(moment, self.window, dated=True)
        media = list(self._media((name, value.get(name)) for name in _MEDIA))
        if outside:
            yield ExcludedItem(key, kind, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            warnings = (
                *((WarningCode.EDITED,) if "edited" in value or "edited_unixtime" in value else ()),
                *((WarningCode.DISAPPEARING,) if value.get("action") == "set_messages_ttl" else ()),
                *((WarningCode.DUPLICATE_ENTRY,) if stated and again else ()),
                *((WarningCode.MISSING_PART,) if any(one.held is None for one in media) else ()),
                *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
                *codes,
            )
            facts = {**self.about, **self.owner, **as_facts(moment), **_attached(media)}
            yield FoundItem(
                key, kind, "", None, MESSAGE_TYPE, len(piece.data), moment, facts, warnings, piece.data
            )
        yield from _lost(key, media)

    def _media(self, named: Iterable[tuple[str, object]]) -> Iterator[_Media]:
        for label, path in named:
            if isinstance(path, str) and path:
                held = self.files.get(place_of(self.file.key) + storable(path))
                yield _Media(label, path, held)


@dataclass(frozen=True, slots=True)
class _Media:
    """What an entry carries: where it lies, or not; ``path`` may be a note that says why not."""

    label: str
    path: str
    held: PackageFile | None

    @property
    def name(self) -> str:
        return storable(self.path.rpartition("/")[2])


def _attached(media: list[_Media]) -> dict[str, str]:
    held = [{"name": one.held.name, "native_key": one.held.key} for one in media if one.held is not None]
    return {"attachments": canonical.dumps(held)} if held else {}


def _lost(key: str, media: list[_Media]) -> Iterator[FailedItem]:
    for number, one in enumerate(media):
        if one.held is None:
            noted = next((note for note in _NOTES if note[0].search(one.path)), None)
            reason, detail = (noted[1], noted[2]) if noted else (Reason.NOT_IN_EXPORT, "media")
            name = None if noted else one.name
            yield FailedItem(f"{key}#{number}", Kind.FILE, "", reason, detail, name)


def _named_media(value: object) -> Iterator[tuple[str, object]]:
    """Yield what a section names as media, in order. A stack, since sections nest."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            yield from ((name, one[name]) for name in _MEDIA if name in one)
            waiting.extend(reversed([inner for inner in one.values() if isinstance(inner, (list, dict))]))


def moment_of(value: Mapping[str, Any], window: Window) -> Moment:
    """Return when an entry was made: by its epoch, else by its local time in the request's zone.

    Exports of older versions have the local time of the computer only, without a zone.
    """
    stated = value.get("date_unixtime")
    if isinstance(stated, (int, str)) and re.fullmatch(r"\d{1,19}", str(stated)):
        return epoch_moment(int(stated), str(stated))
    local = value.get("date")
    if not isinstance(local, str) or not local:
        return Moment(None, one_line(stated), Basis.NONE) if stated else NO_MOMENT
    return iso_moment(one_line(local), window.zone)


def _owner(value: Mapping[str, Any]) -> dict[str, str]:
    """Return whose account it is, as facts; a chat alone does not say."""
    name = " ".join(filter(None, (one_line(value.get("first_name")), one_line(value.get("last_name")))))
    key = value.get("user_id")
    facts = {"owner": name, "owner_id": f"user{key}" if isinstance(key, int) else ""}
    return {name: one for name, one in facts.items() if one}
