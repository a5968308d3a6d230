"""Every path of an export with its fate: read, ignored for a stated reason, or unknown.

An export is what a service or an app wrote, so each of its paths has a meaning. A path that its connector
knows no meaning of is unknown: it is kept as a file and read as one, and a person looks at what it is. How
many paths there are is counted by another route than the connector's listing: a walk, and the directories of
the zips that the connector opens.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from connectors.base import FileConnector
from connectors.export_files import INSIDE, Archive, PackageFile
from connectors.folders import is_apple_double, is_system_name, storable
from connectors.protocol import Connector
from records.models import ExportPath
from records.vocabulary import Fate

IGNORED: Mapping[str, str] = {
    "archive_browser": "the page by which Takeout shows what is in an export",
    "backup_list": "a list of the backup's own files",
    "manifest": "it describes an export or a delivery, such as the list of what that holds",
    "not_of_messages": "another file of the phone's backup: only Messages is read of it",
    "report": "a report of the export; its figures are compared",
    "system_file": "written by an operating system for itself",
    "viewer": "the program by which a download is looked at, or a page for an empty section",
}
"""Why a path is ignored, by code."""

NAMED = 200
"""Most unknown paths of a source that the ledger names; all are items."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The paths of an export.

    Attributes:
        paths: How many there are, by a walk and the zips' directories; None where they cannot be counted.
        read: Paths that are, or hold, records, or say something of them, and zips that were opened.
        ignored: Paths by the code of the reason.
        unknown: Paths of which the connector does not know what they are.
        names: The first unknown ones, in order.
    """

    paths: int | None
    read: int
    ignored: Mapping[str, int]
    unknown: int
    names: tuple[str, ...]


def fates(
    files: Iterable[PackageFile],
    root: str,
    read: Container[str] | Callable[[PackageFile], bool],
    ignored: Callable[[PackageFile], str] = lambda _: "",
) -> Iterator[ExportPath]:
    """Yield files of an export with their fates.

    Args:
        files: All of them, members of opened zips too.
        root: The source's path.
        read: Keys of those that are read, or what says so of a file.
        ignored: Returns a code of ``IGNORED`` for a file that is ignored, else an empty text.
    """
    is_read = read if callable(read) else lambda file: file.key in read
    for file in files:
        path, archive = path_of(file, root), file.path if file.member is not None else ""
        if why := ignored(file) or ("system_file" if is_system_file(file) else ""):
            yield ExportPath(path, Fate.IGNORED, why, archive)
        else:
            yield ExportPath(path, Fate.READ if is_read(file) else Fate.UNKNOWN, "", archive)


def containers(archives: Iterable[Archive], root: str, broken: Container[str] = ()) -> Iterator[ExportPath]:
    """Yield the zips that are opened; one that does not open is unknown, and a failed place by itself."""
    for archive in archives:
        fate = Fate.UNKNOWN if archive.key in broken else Fate.READ
        yield ExportPath(_below(archive.path, root), fate)


def is_system_file(file: PackageFile) -> bool:
    """Say whether an operating system wrote a file for itself."""
    name = file.name
    if is_system_name(name) or "__MACOSX" in file.inner.split("/"):
        return True
    return name.startswith("._") and is_apple_double(name, file.head(4))


def path_of(file: PackageFile, root: str) -> str:
    """Return a file's path relative to a source's path; that of a member behind its zip's."""
    return _below(file.path, root) + (INSIDE + file.member.key if file.member is not None else "")


def _below(path: str, root: str) -> str:
    return storable(os.path.relpath(path, root if os.path.isdir(root) else os.path.dirname(root) or "."))


def tally(listed: Iterable[ExportPath], roots: Iterable[str]) -> Tally:
    """Add fates up, and count the paths by another route.

    Args:
        listed: What the connector says of each path.
        roots: Files and folders that the export lies in.
    """
    read = unknown = 0
    ignored: Counter[str] = Counter()
    names: list[str] = []
    archives: dict[str, None] = {}
    for one in listed:
        if one.archive:
            archives[one.archive] = None
        if one.fate is Fate.READ:
            read += 1
        elif one.fate is Fate.IGNORED:
            ignored[one.reason] += 1
        else:
            unknown += 1
            if len(names) < NAMED:
                names.append(one.path)
    return Tally(_count(roots, archives), read, dict(sorted(ignored.items())), unknown, tuple(names))


def tally_of(connector: Connector) -> Tally | None:
    """Return the paths of a connector's export; None for one of a service, or of what is no export.

    Raises:
        ItemError: The source cannot be listed.
    """
    if not isinstance(connector, FileConnector) or (listed := connector.paths()) is None:
        return None
    return tally(listed, connector.roots())


def _count(roots: Iterable[str], archives: Iterable[str]) -> int | None:
    total = 0
    unreadable: list[OSError] = []  # a folder that cannot be read is one path
    try:
        for root in roots:
            if not os.path.isdir(root) or os.path.islink(root):
                total += 1
                continue
            for here, folders, files in os.walk(root, onerror=unreadable.append):
                total += len(files) + sum(os.path.islink(os.path.join(here, name)) for name in folders)
        for path in archives:
            with zipfile.ZipFile(path) as archive:
                total += sum(not _is_folder(info) for info in archive.infolist())
    except (RecursionError, OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None
    return total + len(unreadable)


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith(("/", "\\")) and not info.file_size
