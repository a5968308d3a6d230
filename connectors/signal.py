"""Chats of Signal: the plaintext export of the app, and the text files that the program signal-export makes.

Each entry is an item, by the exact bytes of its line or lines. Media are items as files, joined by facts to
what shows them; one that is named and not there is a failed item beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from connectors import signal_native, signal_text
from connectors.base import not_one
from connectors.chat_files import CHAT_BYTES, HEAD, RecordFiles, place_of, whole_of
from connectors.export_files import OpenZips, PackageFile, plain_item
from records.errors import ItemError, SettingsError
from records.models import Expected, Scope, SourceContext, Unreached, Window, Yielded
from records.vocabulary import Reach

_BACKUP = re.compile(r"signal-[0-9-]{10,19}\.backup")
_STORED = re.compile(r"(?:.*[/!])?files/([0-9a-f]{2})/(\1[0-9a-f]{62})(?:\.[A-Za-z0-9]{1,10})?")


class Signal(RecordFiles):
    """Exported chats of one person."""

    name: ClassVar[str] = "signal"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "the plaintext export of Signal for Android and for Desktop (main.jsonl with files), as a zip or "
        "unpacked",
        "each entry of a chat: messages, edits with their earlier words, markers of deleted ones, polls, "
        "calls, who joined, left and renamed, timers that delete",
        "chats of the program signal-export (chat.md with media), and texts of the same lines",
        "media in the export; each that is named and not there, or was left out by choice: counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "messages with a timer: the app leaves them out of its export without a word, also those still there",
        "media that is to be seen once: never in an export",
        "of signal-export: numbers of people, zones, reactions of people who are not in the contacts",
        "encrypted backups (signal-….backup, SignalBackups) and the app's database: refused, or as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 chat of the chat-miner project's tests",
        "generated exports, written to the app's backup.proto and to signal-export's own code",
    )

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._people: dict[str, signal_native.Known] = {}

    def check(self) -> None:
        """Prove access, and that there is an export that can be read.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or what lies there is no such export; says what it is.
        """
        super().check()
        files = self._files()
        if self._chats or self._broken:
            return
        source_id = self._context.source_id
        if any(_BACKUP.fullmatch(file.name) for file in files.values()):
            raise SettingsError(
                f"source {source_id}: an encrypted backup of Signal, which only its key opens; ask for the "
                "export without encryption (Settings, Chats, Export chat history)"
            )
        raise not_one(source_id, "export of Signal (main.jsonl or chat.md)", self._path, self.name)

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each export and each chat, then the other files."""
        for scope in super().scopes():
            native = scope.kind == "conversation" and self._is_native(self._chats[scope.key])
            yield Scope(scope.key, scope.label, "export") if native else scope

    def unreached(self) -> Iterator[Unreached]:
        """List chats with a timer: what was said in them is not in the app's own export."""
        self._files()
        for key, file in sorted(self._chats.items()):
            if not self._is_native(file):
                continue
            for number, chat in sorted(self._known(file).chats.items()):
                if chat.timer_s:
                    label = chat.with_.name or chat.with_.address
                    yield Unreached(
                        f"{key}#{number}", label, "conversation", Reach.NOT_BY_THIS_ROUTE, "disappearing"
                    )

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        suffix = file.name.lower().rpartition(".")[2]
        if suffix in {"jsonl", "json"}:
            return is_native(file.head(HEAD, opened.of(file)))
        if suffix not in {"md", "txt"} or file.size() > CHAT_BYTES:
            return False
        return signal_text.looks_like_chat(file.head(HEAD, opened.of(file)))

    def _is_native(self, file: PackageFile) -> bool:
        return file.name.lower().endswith((".jsonl", ".json"))

    def _label(self, key: str) -> str:
        return key if self._is_native(self._chats[key]) else signal_text.chat_label(key)

    def _expected(self, file: PackageFile) -> Expected:
        if not self._is_native(file):
            data = whole_of(file)
            return Expected(signal_text.expected_entries(data, file.key, self._files().get), "header scan")
        try:
            with file.stream() as stream:
                return Expected(signal_native.expected_values(stream, self._media(file)), "lines")
        except ItemError:  # it breaks off: nobody knows how many there were
            return Expected(None, "unknown")

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        if not self._is_native(file):
            yield from signal_text.entries(whole_of(file, opened), file.key, window, self._files().get)
            return
        known, media = self._known(file), self._media(file)
        with file.stream(opened.of(file)) as stream:
            yield from signal_native.values_of(stream, file.key, known, media, window)

    def _known(self, file: PackageFile) -> signal_native.Known:
        """Return the people and chats of an export; frames may name what comes later in a damaged file."""
        if file.key not in self._people:
            try:
                with file.stream() as stream:
                    self._people[file.key] = signal_native.read_known(stream)
            except ItemError:
                self._people[file.key] = signal_native.Known()
        return self._people[file.key]

    def _media(self, file: PackageFile) -> Mapping[str, PackageFile]:
        """Return the files of an export, by their names without suffix."""
        place = place_of(file.key)
        found = {}
        for key, one in self._files().items():
            stored = _STORED.fullmatch(key[len(place) :]) if key.startswith(place) else None
            if stored is not None:
                found[stored[2]] = one
        return found

    def _others(self, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        for key, file in sorted(self._files().items()):
            if key not in self._chats:
                yield plain_item(file, window, opened, scaffolding=self._describes(file))

    def _ignored(self, file: PackageFile) -> str:
        return self._describes(file)

    def _describes(self, file: PackageFile) -> str:
        """Say what a file is to an export, where it holds no record."""
        place = place_of(file.key)
        if file.name == "metadata.json" and any(
            place_of(key) == place and self._is_native(chat) for key, chat in self._chats.items()
        ):
            return "manifest"
        if (
            file.name == "index.html"
            and place + "chat.md" in self._chats
            and place + "data.json" in self._files()
        ):
            return "viewer"  # shows what the two others have
        return ""


def is_native(head: bytes) -> bool:
    """Say whether a file is the app's own export, by its first line."""
    return signal_native.HEADER.match(head) is not None


def is_text(head: bytes, name: str) -> bool:
    """Say whether a file is a chat of signal-export, or a text of the same lines; for guessing only.

    The newer form of a line is that of WhatsApp on phones in some languages: there the name decides.
    """
    if name.lower().rpartition("/")[2] in signal_text.CHAT_NAMES:
        return signal_text.looks_like_chat(head)
    return signal_text.looks_like_text(head)
