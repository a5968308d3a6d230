"""Chats that lie as files in a folder or in zips at its top, with what they carry beside them.

What messaging apps leave has this in common: a file holds one conversation or several, its messages are cut
out of it by their exact bytes, and everything that holds no chat is an item as a file. What such a file looks
like, and what is cut out of it, each connector says.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from connectors.base import FileConnector, not_one, still_there
from connectors.cursors import number_cursor, read_number
from connectors.export_files import INSIDE, Archive, OpenZips, PackageFile, list_package, plain_item
from connectors.export_paths import containers, fates
from connectors.folders import is_apple_double
from records import canonical
from records.errors import ItemError
from records.models import (
    EMPTY,
    Expected,
    ExportPath,
    FoundItem,
    Part,
    Scope,
    SourceContext,
    Window,
    Yielded,
)
from records.vocabulary import Reason

FILES = "."
HEAD = 4 << 10
CHAT_BYTES = 64 << 20
"""A text larger than this is no chat that a program wrote: it is taken as a file."""


class RecordFiles(FileConnector):
    """Base of connectors of such folders; ``name`` and what else describes one is the connector's.

    Attributes:
        deep_zips: Whether zips below the top are opened too; where media lie in folders, one is a file that
            somebody sent.
    """

    deep_zips: ClassVar[bool] = False

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._listed: dict[str, PackageFile] | None = None
        self._chats: dict[str, PackageFile] = {}
        self._broken: dict[str, ItemError] = {}
        self._archives: list[Archive] = []
        self._named: dict[str, set[str]] = {}  # files of a chat, where its count looked for them

    def check(self) -> None:
        """Prove access, and that something is there.

        Raises:
            AccessError: Nothing at the path, or it may not be read.
            SettingsError: No path was given, or the folder is empty.
        """
        super().check()
        if os.path.isdir(self._path) and not os.listdir(self._path):
            raise not_one(self._context.source_id, "files", self._path, self.name)

    @abstractmethod
    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        """Say whether a file holds a chat; raises ItemError for one that cannot be read."""

    @abstractmethod
    def _label(self, key: str) -> str:
        """Return what people know a file with a chat by."""

    @abstractmethod
    def _expected(self, file: PackageFile) -> Expected:
        """Count what a file with a chat holds, by another route than ``_read_chat``."""

    @abstractmethod
    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        """Yield what a file with a chat holds, in its order; cursors are set by the caller."""

    def _belonging(self, beside: Mapping[str, PackageFile]) -> Iterable[str]:
        """Return the keys of the files beside the chats that belong to them: those that messages name.

        A chat that cannot be read names none. One whose count looked for them is not read again.
        """
        window = Window(None, None, self._context.time_zone)
        for chat in self._chats.values() if beside else ():
            if (named := self._named.get(chat.key)) is not None:
                yield from named
                continue
            with suppress(ItemError), OpenZips() as opened:
                for value in self._read_chat(chat, window, opened):
                    stated = value.metadata.get("attachments") if isinstance(value, FoundItem) else None
                    yield from (one["native_key"] for one in canonical.loads(stated or "[]"))

    def _ignored(self, file: PackageFile) -> str:
        """Return why a file is ignored (``connectors.export_paths.IGNORED``); empty for one that is not."""
        del file
        return ""

    def _about(self, file: PackageFile) -> dict[str, str]:
        """Return facts of a file that is no chat."""
        del file
        return {}

    def scopes(self) -> Iterator[Scope]:
        """List zips that do not open, then each chat, then the other files."""
        files = self._files()
        for key in sorted(self._broken):
            yield Scope(key, key, "archive")
        for key in sorted(self._chats):
            yield Scope(key, self._label(key), "conversation")
        if len(files) > len(self._chats):
            yield Scope(FILES, FILES, "folder")

    def count(self, scope: Scope) -> Expected:
        """Count a chat in another way than it is read, and files by their list.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        file = self._chat(scope.key)
        if file is None:
            return Expected(len(self._files()) - len(self._chats), "file list")
        return self._expected(file)

    def parts(self, scope: Scope, max_items: int, max_bytes: int) -> Iterator[Part]:
        """Return one part: equal messages are told apart by their order in the file.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        del max_items, max_bytes
        self._chat(scope.key)
        yield Part(scope)

    def items(self, part: Part, window: Window, cursor: str | None = None) -> Iterator[Yielded]:
        """Yield the messages of a chat in its order, or the other files by path.

        Raises:
            ItemError: The scope cannot be opened at all.
        """
        file = self._chat(part.scope.key)
        done = read_number(cursor)
        with OpenZips() as opened:
            made = self._others(window, opened) if file is None else self._read_chat(file, window, opened)
            for number, value in enumerate(made, 1):
                if number > done:
                    yield replace(value, cursor=number_cursor(number))

    def paths(self) -> Iterator[ExportPath]:
        """Return every file: chats and what belongs to them are read."""
        files = self._files()
        beside = {key: file for key, file in files.items() if key not in self._chats}
        yield from containers(self._archives, self._path, self._broken)
        read = {*self._chats, *self._belonging(beside)}
        yield from fates(files.values(), self._path, read, self._ignored)

    def _chat(self, key: str) -> PackageFile | None:
        """Return the chat of a scope; None for the scope of the other files."""
        self._files()
        if (error := self._broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)
        if key == FILES:
            return None
        if key not in self._chats:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return self._chats[key]

    def _beside(self, chat: PackageFile) -> dict[str, PackageFile]:
        """Return the files in the same folder or zip as a chat, by name."""
        place = place_of(chat.key)
        return {
            file.name: file
            for key, file in self._files().items()
            if key not in self._chats and place_of(key) == place
        }

    def _files(self) -> dict[str, PackageFile]:
        still_there(self._path)
        if self._listed is None:
            package = list_package(self._path, lambda name: self.deep_zips and name.lower().endswith(".zip"))
            found = dict(package.loose)
            self._archives = list(package.archives.values())
            for archive in self._archives:
                try:
                    found |= {file.key: file for file in archive.files()}
                except ItemError as error:
                    self._broken[archive.key] = error
            with OpenZips() as opened:
                self._chats = {key: file for key, file in found.items() if self._reads(file, opened)}
            self._listed = found
        return self._listed

    def _reads(self, file: PackageFile, opened: OpenZips) -> bool:
        try:
            return self._holds_chat(file, opened)
        except ItemError:
            return False

    def _others(self, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        for key, file in sorted(self._files().items()):
            if key not in self._chats:
                yield self._file(file, window, opened)

    def _file(self, file: PackageFile, window: Window, opened: OpenZips) -> Yielded:
        return plain_item(file, window, opened, about=lambda _: self._about(file) or EMPTY)


class ChatFiles(RecordFiles):
    """Base of connectors of chats that are a file each, small enough to be read whole.

    Attributes:
        count_method: By what a chat is counted, where all of them are counted in one way.
        suffixes: Ends of the names of chats; one of them may be empty.
        head_bytes: How much of a file tells whether it is a chat.
        most_bytes: A file larger than this is no chat that a program wrote: it is taken as a file.
    """

    deep_zips: ClassVar[bool] = True
    count_method: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    head_bytes: ClassVar[int] = HEAD
    most_bytes: ClassVar[int] = CHAT_BYTES

    @abstractmethod
    def _is_chat(self, head: bytes) -> bool:
        """Say whether a file that begins so is a chat."""

    @abstractmethod
    def _counted(self, file: PackageFile, data: bytes) -> int | Expected:
        """Count what a chat holds, by another route than ``_messages``; with the route where it differs."""

    @abstractmethod
    def _messages(self, file: PackageFile, data: bytes, window: Window) -> Iterator[Yielded]:
        """Yield what a chat holds, in its order."""

    def _data(self, file: PackageFile) -> bytes:
        """Return the bytes that a chat is read from; raises ItemError when they cannot be had."""
        return whole_of(file)

    def _holds_chat(self, file: PackageFile, opened: OpenZips) -> bool:
        if not file.name.lower().endswith(self.suffixes):
            return False
        head = file.head(self.head_bytes, opened.of(file)) if file.size() <= self.most_bytes else b""
        return bool(head) and not is_apple_double(file.name, head) and self._is_chat(head)

    def _expected(self, file: PackageFile) -> Expected:
        counted = self._counted(file, self._data(file))
        return counted if isinstance(counted, Expected) else Expected(counted, self.count_method)

    def _read_chat(self, file: PackageFile, window: Window, opened: OpenZips) -> Iterator[Yielded]:
        del opened
        return self._messages(file, self._data(file), window)


def whole_of(file: PackageFile, opened: OpenZips | None = None) -> bytes:
    """Return the bytes of a file that is known to be small; raises ItemError when it cannot be read."""
    with file.stream(opened.of(file) if opened is not None else None) as stream:
        return stream.read()


def charset_of(data: bytes) -> str:
    """Return ``utf-8``, or ``cp1252`` for what is not; the last letter of a chat that was cut may be half."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.start >= len(data) - 3 else "cp1252"
    return "utf-8"


def place_of(key: str) -> str:
    """Return the folder or zip that a file is in."""
    return key[: max(key.rfind("/"), key.rfind(INSIDE)) + 1]
