"""Packages of files as an export service hands them out: some zips and some reports, in one folder.

Both Vault and Purview cut an export into numbered zips and put tables beside them. Here is what the two
have in common: what lies there, which numbers are missing, whether the sums fit, and a file as an item.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, ClassVar

from connectors import zips
from connectors.base import FileConnector, check_access, still_there
from connectors.bytesource import HELD, ByteSource, Handle, PlainSource, StreamSource, whole
from connectors.cursors import number_cursor
from connectors.export_tables import md5_of
from connectors.folders import is_apple_double, is_system_name, open_head, storable
from connectors.loose_files import walk
from connectors.mailhead import begins_like_mail, file_item, looks_like_mail, mail_item, placed
from connectors.msg_times import file_or_message, message_or_none
from connectors.outlook_data_count import OPENED
from records import canonical
from records.errors import ItemError, SettingsError
from records.models import (
    EMPTY,
    NO_MOMENT,
    ExcludedItem,
    FailedItem,
    FoundItem,
    Moment,
    SourceContext,
    Unreached,
    Window,
    Yielded,
)
from records.vocabulary import Kind, Reach, Reason, WarningCode

INSIDE = "!"
"""Stands between a zip's path and a member's name in keys."""

_SUMS: dict[str, tuple[tuple[int, int, int, int], str]] = {}
"""Sums that this process has taken, by path: each part of a package is read by a connector of its own."""

PST_MAGIC = b"!BDN"
_UNFINISHED = re.compile(r"\.(?:crdownload|opdownload|partial)$|\.zip\.(?:part|download|tmp)$", re.IGNORECASE)
"""How browsers call what they have not fetched to its end."""

_HEAD = 64 << 10


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of a package: on disk, or a member of one of its zips.

    Attributes:
        key: Path relative to the package, NFC; ``zip!member`` for a member.
        path: The file on disk, or the zip.
        member: The member of the zip, or None.
        problem: Why it is not opened, or None.
    """

    key: str
    path: str
    member: zips.Member | None = None
    problem: ItemError | None = None

    @property
    def inner(self) -> str:
        """Its path without the zip's."""
        return self.member.key if self.member is not None else self.key

    @property
    def name(self) -> str:
        """The last part of its path, for people."""
        return self.inner.rpartition("/")[2]

    def size(self) -> int:
        """Return its bytes.

        Raises:
            ItemError: ``unreadable``, ``unsafe_name``, ``unsupported``.
        """
        return self.member.size if self.member is not None else open_head(self.path, 0).size

    def stream(self, opened: zipfile.ZipFile | None = None) -> BinaryIO:
        """Open it.

        Args:
            opened: The zip it is in, where that is open: its directory is not read again for each member.

        Raises:
            ItemError: Its ``problem``, or what opening finds.
        """
        if self.problem is not None:
            raise ItemError(self.problem.reason, self.problem.detail)
        if self.member is not None and opened is not None:
            return zips.open_member(opened, self.member)
        if self.member is not None:
            return zips.open_member_of(self.path, self.member)
        open_head(self.path, 0)  # a link or a pipe is refused by name
        return whole(self.path)

    def source(self) -> ByteSource:
        """Open it for reading by place."""
        if self.member is None and self.problem is None:
            open_head(self.path, 0)
            return PlainSource(self.path)
        return StreamSource(self.stream())

    def size_or_zero(self) -> int:
        """Return its bytes; 0 when they cannot be told."""
        try:
            return self.size()
        except ItemError:
            return 0

    def head(self, size: int = _HEAD, opened: zipfile.ZipFile | None = None) -> bytes:
        """Return its first bytes; empty when it cannot be read."""
        try:
            with self.stream(opened) as stream:
                return stream.read(size)
        except ItemError:
            return b""


class OpenZips(ExitStack):
    """Zips that stay open while a scope is read: one's directory is not read again for each member."""

    def __init__(self) -> None:
        """Open nothing yet."""
        super().__init__()
        self._archives: dict[str, zipfile.ZipFile] = {}

    def of(self, file: PackageFile) -> zipfile.ZipFile | None:
        """Return the open zip that a file is in, or None for a file on disk.

        Raises:
            ItemError: The zip does not open any more.
        """
        if file.member is None:
            return None
        if file.path not in self._archives:
            self._archives[file.path] = self.enter_context(zips.opened(file.path))
        return self._archives[file.path]


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip of a package.

    Attributes:
        key: Path relative to the package.
        path: The zip on disk.
    """

    key: str
    path: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.key.rpartition("/")[2]

    def size(self) -> int:
        """Return its bytes, packed.

        Raises:
            ItemError: ``unreadable``.
        """
        return open_head(self.path, 0).size

    @contextmanager
    def opened(self) -> Iterator[tuple[zipfile.ZipFile, list[PackageFile]]]:
        """Open it; give the zip and its members in the order of its directory.

        Raises:
            ItemError: It does not open.
        """
        with zips.opened(self.path) as archive:
            yield (
                archive,
                [
                    PackageFile(f"{self.key}{INSIDE}{member.key}", self.path, member, member.problem)
                    for member in zips.members(archive)
                ],
            )

    def files(self) -> list[PackageFile]:
        """Return its members; raises as ``opened`` does."""
        with self.opened() as (_, files):
            return files

    def as_source(self, *, alone: bool) -> list[PackageFile]:
        """Return its members with keys of the source: where it is the source alone, its name is in no key.

        Raises:
            ItemError: As ``opened`` does.
        """
        before = "" if alone else f"{self.key}{INSIDE}/"
        return [replace(file, key=before + file.inner) for file in self.files()]


@dataclass(frozen=True, slots=True)
class Package:
    """What lies at a path.

    Attributes:
        archives: The zips that are opened, by key.
        loose: The files beside them, by key.
    """

    archives: Mapping[str, Archive]
    loose: Mapping[str, PackageFile]

    def archive(self, key: str) -> Archive:
        """Return a zip by its key; raises ItemError (``unreadable``, ``scope_gone``)."""
        if (found := self.archives.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        return found


def list_package(path: str, is_part: Callable[[str], bool]) -> Package:
    """List a folder, or one zip.

    Zips are opened when they lie at the top or are named as the vendor's parts are: deeper ones are a
    person's own files in a package that somebody unpacked.

    Args:
        path: The folder or the zip.
        is_part: Says whether a file name is that of a part of an export.
    """
    archives: dict[str, Archive] = {}
    loose: dict[str, PackageFile] = {}
    for rel, entry in walk(path, "", ""):
        full = os.path.join(path, rel) if entry is None else entry.path
        key = storable(rel)
        while key in loose or key in archives:  # two names that are one in Unicode's normal form
            key += "#2"
        name = rel.rpartition("/")[2]
        if entry is None:
            loose[key] = PackageFile(key, full, None, ItemError(Reason.UNREADABLE, "folder"))
        elif ("/" not in rel or is_part(name)) and _opens_as_package(full, name):
            archives[key] = Archive(key, full)
        else:
            loose[key] = PackageFile(key, full)
    return Package(archives, loose)


def _opens_as_package(path: str, name: str) -> bool:
    """Say whether a file is a zip that is opened; an office document is a zip too, and a damaged one is."""
    try:
        if not zips.is_zip(open_head(path, 4).head):
            return False
    except ItemError:
        return False
    if name.lower().endswith(".zip"):
        return True
    try:
        with zips.opened(path) as archive:
            return not {"[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"} & set(archive.namelist())
    except ItemError:
        return False


def missing_numbers(names: Iterable[str], pattern: re.Pattern[str]) -> list[str]:
    """Return the names of parts that the numbers of the others say are missing.

    Args:
        names: File names.
        pattern: With the groups ``stem``, ``number`` and ``rest``; numbers start at 0 or 1.
    """
    series: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        if (part := pattern.fullmatch(name)) is not None:
            series.setdefault((part["stem"], part["rest"]), {})[int(part["number"])] = part["number"]
    lost = []
    for (stem, rest), there in sorted(series.items()):
        width = len(next(iter(there.values())))
        lost += [f"{stem}{n:0{width}}{rest}" for n in range(1, max(there)) if n not in there]
    return lost


def span_of(keys: Sequence[str], first: int, before: int) -> str:
    """Return the spec of a part: sorted keys from one place to before another; empty for all.

    By the keys at its ends, not by places: those move when a file comes or goes before the part is read.
    """
    if first == 0 and before == len(keys):
        return ""
    ends = {"first": keys[first] if first else "", "before": keys[before] if before < len(keys) else ""}
    return canonical.dumps({"v": 2, **ends})


def within(spec: str, key: str) -> bool:
    """Tell whether a key is of the part that ``span_of`` describes."""
    first, before = _ends(spec)
    return first <= key and not (before and key >= before)


def is_last(spec: str) -> bool:
    """Tell whether no part follows the one that ``span_of`` describes."""
    return not _ends(spec)[1]


def _ends(spec: str) -> tuple[str, str]:
    """Return the ends of a part; raises SettingsError for one that another version cut."""
    if not spec:
        return "", ""
    stated = canonical.loads(spec)
    if stated.get("v") != 2:
        raise SettingsError("a part of an export was cut by another version; plan the run again")
    return stated["first"], stated["before"]


def plain_item(
    file: PackageFile,
    window: Window,
    opened: OpenZips,
    *,
    about: Callable[[bytes], Mapping[str, str]] = lambda _: EMPTY,
    scaffolding: str = "",
) -> Yielded:
    """Return a file of a source as a file, whatever is in it; without a cursor.

    Args:
        file: The file.
        window: The request's days.
        opened: Zips that are open.
        about: Returns its facts by its first bytes; asked only for what becomes an item.
        scaffolding: What it is to the export, where it is no record; empty for one.
    """
    name = file.name
    try:
        size = file.size()
        with file.stream(opened.of(file)) as stream:
            head = stream.read(HELD + 1)
    except ItemError as error:
        return FailedItem(file.key, Kind.FILE, "", error.reason, error.detail, name)
    if is_system_name(name) or is_apple_double(name, head) or "__MACOSX" in file.inner.split("/"):
        scaffolding = "system_file"
    if scaffolding:
        return ExcludedItem(file.key, Kind.FILE, "", Reason.EXPORT_SCAFFOLDING, scaffolding, name)
    handle: Handle = head if len(head) <= HELD else file.stream
    warnings = (WarningCode.NAME_CHANGED,) if file.member is not None and file.member.odd_name else ()
    return file_or_message(
        file.key, "", size, window, handle, name=name, metadata=about(head), warnings=warnings
    )


class PackageConnector(FileConnector):
    """Base of connectors of packages: a folder that somebody downloaded, or that ``daylight exports`` did.

    Attributes:
        needed: Options an export is asked with, where the request file names no path; empty where none is.
        of_files: Options that say what is read of a package; all others are for asking for one.
        values: What an option may hold, for those that hold one of a few.
    """

    options: ClassVar[Mapping[str, str]] = {}
    needed: ClassVar[tuple[str, ...]] = ()
    of_files: ClassVar[frozenset[str]] = frozenset()
    values: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, context: SourceContext) -> None:
        """Keep the context; touch nothing yet."""
        super().__init__(context)
        self._apart: Container[str] = ()  # keys of data files, whose items are in places of their own

    def check_settings(self) -> None:
        """Check the path, or the options of an export that is still to be fetched; asks no service.

        Raises:
            AccessError: The path is missing or unreadable.
            SettingsError: A key is missing, or names something that this connector does not know.
        """
        self._check_names()
        if self._context.path or not self.needed:
            idle = sorted(set(self._context.options) - self.of_files) if self.needed else []
            if idle:
                raise SettingsError(
                    f"source {self._context.source_id}: options: {', '.join(idle)}: only for an export that "
                    "is asked for by `connection`; with `path` they say nothing: remove them"
                )
            self.check()
            return
        for name, known in self.values.items():
            if (self._context.options.get(name) or known[0]) not in known:
                raise SettingsError(
                    f"source {self._context.source_id}: options: {name}: not known; known: {', '.join(known)}"
                )
        missing = [name for name in self.needed if not self._context.options.get(name)]
        if missing:
            raise SettingsError(
                f"source {self._context.source_id}: needs `path`, or `connection` and options "
                f"{', '.join(missing)}"
            )

    def check(self) -> None:
        """Prove access without reading content, and that no download is under way.

        Raises:
            AccessError: The path is missing or may not be read.
            SettingsError: No path was given, or a download in it has not ended.
        """
        super().check()
        names = os.listdir(self._path) if os.path.isdir(self._path) else []
        open_ = sum(_UNFINISHED.search(name) is not None for name in names)
        if open_:
            raise SettingsError(
                f"source {self._context.source_id}: {open_} downloads in its folder have not ended "
                "(.crdownload, .part and the like); let them end, or remove what is left of them"
            )

    def _refuse_packed_again(
        self, archives: Iterable[Archive], is_part: Callable[[str], bool], is_beside: Callable[[str], bool]
    ) -> None:
        """Raise SettingsError when the parts of an export, and a report beside them, are in one more zip."""
        for archive in archives:
            names = [] if is_part(archive.name) else [file.inner for file in archive.files()]
            parts = [name for name in names if name.lower().endswith(".zip") and is_part(name)]
            if parts and any(is_beside(name) for name in names):
                raise SettingsError(
                    f"source {self._context.source_id}: its export was packed once more ({len(parts)} parts "
                    "in one zip); unpack that zip, and leave the parts as they are"
                )

    def _nobodys(self, known: Iterable[str]) -> Iterator[Unreached]:
        """Name what ``accounts`` asks for and the package has nothing of, not even an empty result.

        Args:
            known: Accounts and places that it tells something of, in lower case.
        """
        for account in sorted(self._asked() - set(known)):
            yield Unreached(
                f"accounts/{account}", account, "account", Reach.NOT_BY_THIS_ROUTE,
                "not_in_package: nothing there is of that name; check `accounts` in options",
            )  # fmt: skip

    def _asked(self) -> set[str]:
        """Return the holders that the option ``accounts`` names, in lower case; empty for all."""
        stated = self._context.options.get("accounts", "").split(",")
        return {one.strip().casefold() for one in stated} - {""}

    def _list(self, is_part: Callable[[str], bool]) -> Package:
        still_there(self._path)
        check_access(self._context.source_id, self._path)
        return list_package(self._path, is_part)

    def _raise_unless_whole(self, path: str, stated: str | None) -> None:
        """Raise ItemError (``corrupt``, ``md5``) when a file's sum is not the one that the export states.

        A file is read once for it in the life of a process, unless it changed meanwhile.
        """
        if stated is None:
            return
        try:
            about = os.stat(path)
        except OSError as err:
            raise ItemError(Reason.UNREADABLE, "scope_gone") from err
        now = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        known = _SUMS.get(path)
        if known is None or known[0] != now:
            known = (now, md5_of(path))
            _SUMS[path] = known
        if known[1] != stated:
            raise ItemError(Reason.CORRUPT, "md5")

    def _value(
        self,
        file: PackageFile,
        number: int,
        window: Window,
        *,
        opened: zipfile.ZipFile | None = None,
        kind: Kind | None = None,
        moment: Moment = NO_MOMENT,
        metadata: Mapping[str, str] = EMPTY,
        warnings: tuple[WarningCode, ...] = (),
    ) -> Yielded:
        """Return a file as an item: mail by its header, all else as a file.

        Args:
            file: The file.
            number: Its cursor.
            window: The request's days.
            opened: The zip it is in, where that is open.
            kind: What the export says it is, or None.
            moment: What the export says of its time; that in a mail's own header goes before it.
            metadata: The export's facts.
            warnings: What the export gives reason to say.
        """
        cursor, name = number_cursor(number), file.name
        if file.key in self._apart:
            return ExcludedItem(file.key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, OPENED, name)
        problem_kind = kind or (Kind.EMAIL if name.lower().endswith((".eml", ".msg")) else Kind.FILE)
        try:
            size = file.size()
            with file.stream(opened) as stream:
                head = stream.read(HELD + 1)
        except ItemError as err:
            return FailedItem(file.key, problem_kind, cursor, err.reason, err.detail, name)
        if is_system_name(name) or is_apple_double(name, head) or "__MACOSX" in file.inner.split("/"):
            return ExcludedItem(file.key, Kind.FILE, cursor, Reason.EXPORT_SCAFFOLDING, "system_file", name)
        handle: Handle = head if len(head) <= HELD else file.stream
        if file.member is not None and file.member.odd_name:
            warnings = (*warnings, WarningCode.NAME_CHANGED)
        mailish = begins_like_mail if name.lower().endswith(".eml") else looks_like_mail
        if mailish(head):
            found: Yielded = mail_item(
                file.key, cursor, head, size, window, self._context.time_zone, handle,
                name=name, metadata=metadata, warnings=warnings,
            )  # fmt: skip
        elif kind is None and (message := message_or_none(
            file.key, cursor, size, window, handle, name=name, metadata=metadata, warnings=warnings
        )):  # fmt: skip
            found = message
        elif moment is NO_MOMENT and kind is None and not name.lower().endswith(".msg"):
            if head.startswith(PST_MAGIC):
                metadata = {**metadata, "container": "pst: stored, cannot be opened here"}
            found = file_item(
                file.key, cursor, size, window, handle, name=name, metadata=metadata, warnings=warnings
            )
        else:
            found = self._dated(file, cursor, size, handle, problem_kind, moment, window, metadata, warnings)
        return found if kind is None else replace(found, kind=kind)

    def _dated(
        self,
        file: PackageFile,
        cursor: str,
        size: int,
        handle: Handle,
        kind: Kind,
        moment: Moment,
        window: Window,
        metadata: Mapping[str, str],
        warnings: tuple[WarningCode, ...],
    ) -> Yielded:
        """Return something whose time only the export states: an Outlook message, a transcript."""
        outside, codes = placed(moment, window, dated=kind is Kind.EMAIL)
        if outside:
            return ExcludedItem(file.key, kind, cursor, Reason.OUTSIDE_WINDOW, "", file.name, moment)
        lower = file.name.lower()
        media = next((media for suffix, media in _MEDIA.items() if lower.endswith(suffix)), None)
        return FoundItem(
            file.key, kind, cursor, file.name, media, size, moment, metadata, (*warnings, *codes), handle
        )


_MEDIA = {".msg": "application/vnd.ms-outlook", ".html": "text/html", ".htm": "text/html"}
