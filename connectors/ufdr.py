"""Cellebrite UFDR: what an examiner read out of a phone, as one ``report.xml`` with the files that it names.

Each message of a chat, text, mail, call and row of a chat's log is an item by the exact bytes of its model;
what the phone held beside them is counted by type and named as not read. Files of the UFDR are items too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from lxml import etree

from connectors.base import not_one
from connectors.bytesource import StreamSource
from connectors.chat_files import RecordFiles, place_of
from connectors.export_files import OpenZips, PackageFile, plain_item
from connectors.folders import storable
from connectors.json_values import one_line
from connectors.mailhead import placed
from connectors.mbox import SeenHashes, numbered
from connectors.ufdr_report import Piece, Survey, is_report, pieces_of, survey
from records import canonical
from records.cellebrite import MODEL_TYPE, Attachment, Value, attachments_of, fields_of, model_of, parties_of
from records.errors import ItemError
from records.models import (
    NO_MOMENT,
    ExcludedItem,
    Expected,
    FailedItem,
    FoundItem,
    Moment,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.moments import as_facts, iso_moment
from records.vocabulary import Kind, Reach, Reason, WarningCode

REPORT = "report.xml"
HEAD = 64 << 10

_KINDS = {"SMS": Kind.MESSAGE, "MMS": Kind.MESSAGE, "Call": Kind.CALL, "Email": Kind.EMAIL}
_TIMES = ("TimeStamp", "SystemMessageTimeStamp", "StartTime")
_DELETED = frozenset({"Deleted", "Trash"})
_PERHAPS_RECORDS = frozenset({
    "CalendarEntry", "FileUpload", "Note", "Notification", "Recording", "SocialMediaActivity", "Voicemail",
})  # fmt: skip
"""Models that are no messages and may be records: a person looks at them in the examiner's reader."""

_KNOWN = re.compile(
    r"(?:report\.xml|files/.+|email/.+|chats/.+|DbData/[^/]+|[^/]+\.(?:pdf|xml\.sig))", re.IGNORECASE
)
_VIEWER = re.compile(
    r"(?:.*/)?(?:settings\.json|ThumbnailCache\.s3db|CellebriteReader[^/]*\.exe)", re.IGNORECASE
)


class Ufdr(RecordFiles):
    """The phone of one person."""

    name: ClassVar[str] = "ufdr"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "report.xml of a UFDR (namespace http://pa.cellebrite.com/report/2.0) of any size, zipped or not",
        "each message and row of the log of a chat, each SMS, MMS, e-mail and call, with its deleted state",
        "files that they name, by the report's list of files; each that is not there: counted as failed",
        "every other file of the UFDR: as a file",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "contacts, places, web pages, notes and what else was decoded: counted by type and named as not read",
        "reports as PDF, HTML or tables: take tables with message_table",
        "reports of other tools, and UFED's raw extractions (UFD, clbx): as files",
        "reports in UTF-16: the report fails",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "generated reports, written to the layout that open readers of them have published; no real one",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._surveys: dict[str, Survey] = {}

    def check(self) -> None:
        """Prove access, and that there is a report.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or no report is there.
        """
        super().check()
        self._files()
        if not self._chats and not self._broken:
            raise not_one(self._context.source_id, "UFDR of Cellebrite (report.xml)", self._path, self.name)

    def unreached(self) -> Iterator[Unreached]:
        """List what else was decoded, by type, with how many there are."""
        self._files()
        for key, file in sorted(self._chats.items()):
            with suppress(ItemError):  # the report's scope fails by itself
                found = self._survey(file)
                for kind, count in sorted(found.others.items()):
                    why = "may_be_records" if kind in _PERHAPS_RECORDS else "no_message"
                    more = "" if found.whole else " or more"
                    label = one_line(kind)[:80] or "?"
                    yield Unreached(
                        f"{key}#{label}", label, "model", Reach.NOT_BY_THIS_ROUTE, f"{why}: {count}{more}"
                    )

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return what a UFDR is known to hold, by its names."""
        roots = self._roots()
        return [
            key
            for key in beside
            if any(_KNOWN.fullmatch(key[len(root) :]) for root in roots if key.startswith(root))
        ]

    def _roots(self) -> set[str]:
        return {place_of(key) for key in self._chats}

    def _ignored(self, file: PackageFile) -> str:
        beside = place_of(file.key) in self._roots() | {""}
        return "viewer" if beside and _VIEWER.fullmatch(file.key.rpartition("!")[2]) else ""

    def _others(self, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        for key, file in sorted(self._files().items()):
            if key not in self._chats:
                yield plain_item(file, window, opened, scaffolding=self._ignored(file))

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        if file.name.lower() != REPORT:
            return False
        head = file.head(HEAD, opened.of(file))
        if not head and file.member is not None and file.inner.lower() == REPORT:
            return file.size() > 0  # encrypted or damaged: a place that fails, not a source without a report
        return is_report(head)

    def _label(self, key: str) -> str:
        return key

    def _expected(self, file: PackageFile) -> Expected:
        """Count by Python's expat; of a report that it cannot read to its end nobody knows."""
        found = self._survey(file)
        if not found.whole:
            return Expected(None, "unknown")
        return Expected(found.items + found.lost, "xml parse")

    def _survey(self, file: PackageFile) -> Survey:
        if file.key not in self._surveys:
            with file.stream() as stream:
                self._surveys[file.key] = survey(stream, lambda path: self.file_at(file, path) is not None)
        return self._surveys[file.key]

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        reading = _Reading(self, file, window)
        with closing(StreamSource(file.stream(opened.of(file)))) as source:
            whole, fault = False, None
            pieces = pieces_of(source)
            while True:
                try:
                    piece = next(pieces)
                except ItemError as error:
                    fault = error
                    break
                if isinstance(piece, bool):
                    whole = piece
                    break
                yield from reading.piece(piece)
            fault = fault or source.cut
            if fault is not None or not whole:
                reason, detail = (fault.reason, fault.detail) if fault else (Reason.TRUNCATED, "export_cut")
                yield FailedItem(f"{file.key}#rest", Kind.CHAT, "", reason, detail)

    def file_at(self, report: PackageFile, path: str) -> PackageFile | None:
        """Return the file at a path that a report states, by name alone: it never leaves the UFDR."""
        return self._files().get(place_of(report.key) + storable(path.replace("\\", "/"))) if path else None


def moment_of(fields: Mapping[str, Value], window: Window) -> Moment:
    """Return when something was: an instant with its offset, or a local time in the request's zone.

    ``formattedTimestamp`` is the same in the zone that the examiner chose to see: it is a fact and no more,
    since it has an offset even where the phone stated none.
    """
    stated = next((fields[name] for name in _TIMES if name in fields), None)
    return iso_moment(one_line(stated.text), window.zone) if stated is not None else NO_MOMENT


@dataclass(slots=True)
class _Reading:
    """What is known while a report is read.

    Attributes:
        source: Whose files are looked up.
        file: The report.
        window: The request's days.
        tagged: Files that are there, by the report's ids.
        hashed: The same by their MD5, as the report states it.
        about: Facts of the chat in hand.
        seen: Keys so far.
    """

    source: Ufdr
    file: PackageFile
    window: Window
    tagged: dict[str, PackageFile] = field(default_factory=dict)
    hashed: dict[str, PackageFile] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    seen: SeenHashes = field(default_factory=SeenHashes)

    def piece(self, piece: Piece) -> Iterator[Yielded]:
        """Yield what a part of the report gives."""
        if piece.kind == "file":
            self._tagged(piece)
        elif piece.kind == "chat":
            self._chat(piece)
        else:
            yield from self._item(piece)

    def _tagged(self, piece: Piece) -> None:
        """Learn where a file lies; the list of files comes before what was decoded.

        Of files that are the same by their MD5 a UFDR may hold the first one only (as IPED found in reports).
        """
        read = model_of(piece.data) if piece.data is not None else None
        key = read[0].get("id", "") if read is not None else ""
        if read is None or not key:
            return
        said = {one.get("name"): "".join(map(str, one.itertext())).strip() for one in read[0].iter("item")}
        held, md5 = self.source.file_at(self.file, said.get("Local Path", "")), said.get("MD5", "").lower()
        if held is not None and md5:
            self.hashed.setdefault(md5, held)
        held = held or self.hashed.get(md5)
        if held is not None:
            self.tagged[key] = held

    def _chat(self, piece: Piece) -> None:
        """Learn what a chat says before its messages."""
        read = model_of(piece.data + b"</model>") if piece.data is not None else None
        if read is None:
            self.about = {}
            return
        model, fields = read[0], fields_of(read[0])
        key = _text(fields, "Id") or model.get("id", "")
        app = _text(fields, "Source")
        members = [
            {"address": one.identifier, "name": one.name, "owner": one.owner}
            for one in parties_of(model, "Participants")
        ]
        about = {
            "group": f"{app}:{key}" if key else "",
            "group_name": _text(fields, "Name"),
            "group_kind": _text(fields, "ChatType"),
            "app": app,
            "account": _text(fields, "Account"),
            "chat_deleted_state": model.get("deleted_state", ""),
            "members": canonical.dumps(members) if members else "",
        }
        self.about = {name: one for name, one in about.items() if one}

    def _item(self, piece: Piece) -> Iterator[Yielded]:
        """Yield an item, then files that it names and that are not there."""
        kind = _KINDS.get(piece.type, Kind.CHAT)
        read = model_of(piece.data) if piece.whole and piece.data is not None else None
        if piece.data is None or read is None:
            key, _ = numbered(self.seen, f"{self.file.key}#item{piece.number}")
            reason, detail = Reason.CORRUPT, "xml"
            if not piece.whole:
                reason, detail = Reason.TRUNCATED, "message_cut"
            elif piece.data is None:
                reason, detail = Reason.TOO_LARGE, "message"
            yield FailedItem(key, kind, "", reason, detail)
            return
        model, guessed = read
        fields = fields_of(model)
        stated = one_line(model.get("id"))
        key, again = numbered(self.seen, stated or hashlib.sha256(piece.data).hexdigest())
        moment = moment_of(fields, self.window)
        outside, codes = placed(moment, self.window, dated=True)
        named = [(one, self._held(one)) for one in attachments_of(model)]
        if outside:
            yield ExcludedItem(key, kind, "", Reason.OUTSIDE_WINDOW, "", None, moment)
        else:
            there = [_attached(one, held) for one, held in named if held is not None]
            warnings = (
                *((WarningCode.DELETED,) if model.get("deleted_state") in _DELETED else ()),
                *((WarningCode.DUPLICATE_ENTRY,) if stated and again else ()),
                *((WarningCode.MISSING_PART,) if len(there) < len(named) else ()),
                *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
                *codes,
            )
            facts = {
                **(self.about if piece.in_chat else {}),
                "model": piece.type,
                **_recovery(model),
                **as_facts(moment),
                "attachments": canonical.dumps(there) if there else "",
            }
            yield FoundItem(
                key, kind, "", None, MODEL_TYPE, len(piece.data), moment,
                {name: one for name, one in facts.items() if one}, warnings, piece.data,
            )  # fmt: skip
        for number, (one, held) in enumerate(named):
            if held is None:
                detail = "media" if one.targets or one.path else "named_only"
                name = storable(one.name) if one.name else None
                yield FailedItem(f"{key}#{number}", Kind.FILE, "", Reason.NOT_IN_EXPORT, detail, name)

    def _held(self, one: Attachment) -> PackageFile | None:
        found = next((self.tagged[target] for target in one.targets if target in self.tagged), None)
        return found or self.source.file_at(self.file, one.path)


def _text(fields: Mapping[str, Value], name: str) -> str:
    return one_line(fields[name].text) if name in fields else ""


def _attached(one: Attachment, held: PackageFile) -> dict[str, str]:
    return {"name": storable(one.name) if one.name else held.name, "native_key": held.key}


def _recovery(model: etree._Element) -> dict[str, str]:
    """Return how far the tool vouches for a row.

    A row that was deleted was put together from what was left of it: it may be a fragment, and the same
    message may be there a second time.
    """
    state = one_line(model.get("deleted_state"))
    carved = model.get("iscarved", "").lower() == "true"
    return {
        "deleted_state": state,
        "decoding_confidence": one_line(model.get("decoding_confidence")),
        "recovered": "may be a fragment or a duplicate" if carved or state in _DELETED else "",
    }
