"""TeleMessage, now Smarsh Capture Mobile: zips of mails, each a text or a call, with a manifest.

The vendor delivers them by SFTP and prescribes the checks itself: the manifest's ``Count:`` is the number of
mails, each name that it lists is there, exactly, and none is empty. A delivery that fails one of them is
told, and what is there is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import ClassVar

from connectors.bytesource import HELD
from connectors.cursors import number_cursor, read_number
from connectors.export_files import Archive, Package, PackageConnector, PackageFile
from connectors.export_paths import containers, fates
from connectors.export_tables import clean
from connectors.mailhead import field as mail_field
from connectors.mailhead import header_end
from records.errors import ItemError, SettingsError
from records.models import (
    ExcludedItem,
    Expected,
    ExportPath,
    FailedItem,
    Part,
    Scope,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reason, WarningCode

FILES = "."

_DELIVERY = re.compile(r"\d{8,14}-TeleMessage_.*\.zip", re.IGNORECASE | re.DOTALL)
_COUNT = re.compile(r"\s*Count:\s*(\d{1,9})\s*", re.IGNORECASE)
_MANIFEST_BYTES = 16 << 20
_LONGEST_NAME = 300
_SEALED = b"X-TELEMESSAGE-ENC-DATAKEY"
_FACTS = {
    "group": (b"X-TELEMESSAGE-THREAD_ID", b"X-TELEMESSAGE-GroupID"),
    "group_name": (b"X-TELEMESSAGE-GROUP_NAME", b"X-TELEMESSAGE-ThreadName"),
    "message_type": (b"X-TELEMESSAGE-MessageType",),
    "network": (b"X-TELEMESSAGE-Network",),
    "status": (b"X-TELEMESSAGE-Status",),
    "archive_source": (b"X-TELEMESSAGE-ArchiveSource",),
    "archive_id": (b"X-TELEMESSAGE-ArchiveMessageID",),
}
"""Header fields, spelt as the vendor does."""

_CALLS = frozenset({"call", "voice", "voicemail"})


class TeleMessage(PackageConnector):
    """Deliveries of one account."""

    name: ClassVar[str] = "telemessage"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "zips of a delivery, in one folder: each mail as a text or a call, with its attachments",
        "the manifest's count and names; mails that it lists and that are not there or empty: failed",
        "mails that no manifest lists: kept and marked",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "encrypted deliveries: each of their mails is counted as failed",
        "deliveries that never came: nothing in a zip says how many there were",
        "times of single messages where the account archives by thread: a mail's date is that of its item",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 delivery written to the vendor's description",
        "generated ones",
    )

    def check(self) -> None:
        """Prove access, and that there is a delivery.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or no delivery is there.
        """
        super().check()
        if not self._package().archives:
            raise SettingsError(
                f"source {self._context.source_id}: no delivery (a zip) at its path; check `path` and "
                "`connector`"
            )

    def scopes(self) -> Iterator[Scope]:
        """List each zip, by path, then the files beside them."""
        package = self._package()
        for key in sorted(package.archives):
            yield Scope(key, key.rpartition("/")[2], "archive")
        if package.loose:
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Return what the manifest says, and the manifest itself; unknown for a zip without one.

        Raises:
            ItemError: The zip does not open.
        """
        package = self._package()
        if scope.key == FILES:
            return Expected(len(package.loose), "folder walk")
        manifests = [file for file in package.archive(scope.key).files() if _is_manifest(file)]
        counts = [_Manifest.of(file).count for file in manifests]
        if not counts or None in counts:
            return Expected(None, "unknown")
        return Expected(sum(count or 0 for count in counts) + len(manifests), "manifest Count")

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: a delivery is cut by the vendor.

        Raises:
            ItemError: The zip is not there any more.
        """
        del max_items, max_bytes
        if scope.key != FILES:
            self._package().archive(scope.key)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield what a manifest lists and is not there, then the files of the zip, in its order.

        Raises:
            ItemError: The zip does not open.
        """
        package, done = self._package(), read_number(cursor)
        with ExitStack() as held:
            made: Iterator[Yielded]
            if part.scope.key == FILES:
                made = (self._value(file, 0, window) for _, file in sorted(package.loose.items()))
            else:
                made = self._delivery(package.archive(part.scope.key), window, held)
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    def _delivery(self, archive: Archive, window: Window, held: ExitStack) -> Iterator[Yielded]:
        opened, files = held.enter_context(archive.opened())
        listed: set[str] = set()
        for file in filter(_is_manifest, files):
            listed |= _Manifest.of(file).names
        for name in sorted(listed - {file.name for file in files}):
            key = f"{archive.key}#{name}"
            yield FailedItem(key, Kind.MESSAGE, "", Reason.NOT_IN_EXPORT, "manifest", name)
        for file in files:
            if _is_manifest(file):
                yield ExcludedItem(file.key, Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, "manifest", file.name)
                continue
            head = file.head(HELD, opened)
            if not head and file.problem is None and file.name in listed:
                yield FailedItem(file.key, Kind.MESSAGE, "", Reason.TRUNCATED, "empty", file.name)
                continue
            end = header_end(head)
            if mail_field(head, _SEALED, end) is not None:
                yield FailedItem(file.key, Kind.MESSAGE, "", Reason.ENCRYPTED, "telemessage", file.name)
                continue
            facts = _facts(head, end)
            call = facts.get("message_type", "").casefold() in _CALLS
            kind = (Kind.CALL if call else Kind.MESSAGE) if facts else None
            unlisted = (WarningCode.MISSING_PART,) if listed and file.name not in listed else ()
            yield self._value(file, 0, window, opened=opened, kind=kind, metadata=facts, warnings=unlisted)

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: mails of the deliveries are read."""
        package = self._package()
        broken: set[str] = set()
        files: list[PackageFile] = []
        for archive in package.archives.values():
            try:
                files += archive.files()
            except ItemError:
                broken.add(archive.key)
        yield from containers(package.archives.values(), self._path, broken)
        yield from fates(
            (*files, *package.loose.values()),
            self._path,
            lambda file: file.member is not None and file.name.lower().endswith(".eml"),
            lambda file: "manifest" if file.member is not None and _is_manifest(file) else "",
        )

    def _package(self) -> Package:
        return self._list(lambda name: _DELIVERY.fullmatch(name) is not None)


def is_delivery(names: set[str]) -> bool:
    """Say whether the names in a zip are those of a delivery; for guessing only."""
    kinds = {name.rpartition(".")[2].lower() for name in names}
    return "mf" in kinds and "eml" in kinds and not any(name.startswith("META-INF/") for name in names)


class _Manifest:
    """A list of names with their number.

    Attributes:
        count: As stated; None when it is not.
        names: What it lists.
    """

    def __init__(self, count: int | None, names: set[str]) -> None:
        self.count = count
        self.names = names

    @classmethod
    def of(cls, file: PackageFile) -> _Manifest:
        """Read one; raises ItemError when it cannot be read."""
        with file.stream() as stream:
            data = stream.read(_MANIFEST_BYTES + 1)
        if len(data) > _MANIFEST_BYTES:
            raise ItemError(Reason.TOO_LARGE, "manifest")
        count, names = None, set[str]()
        for line in data.decode("utf-8-sig", "replace").splitlines():
            if (stated := _COUNT.fullmatch(line)) is not None:
                count = int(stated[1])
            elif name := clean(line)[:_LONGEST_NAME]:
                names.add(name)
        return cls(count, names)


def _is_manifest(file: PackageFile) -> bool:
    return file.name.lower().endswith(".mf")


def _facts(head: bytes, end: int) -> dict[str, str]:
    """Return what the vendor's header fields say."""
    facts = {}
    for name, fields in _FACTS.items():
        stated = next((found for one in fields if (found := mail_field(head, one, end)) is not None), b"")
        if value := clean(stated.decode("utf-8", "replace")):
            facts[name] = value
    return facts
