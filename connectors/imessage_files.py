"""What a person handed over of Messages: backups of a phone, databases alone, and their attachments.

A backup of iOS names each file by the SHA-1 of its domain and path, since version 10 in a folder of the
name's first two digits; ``Manifest.plist`` says whether it is encrypted. Apple publishes no layout: this is
that of readers of backups (https://www.theiphonewiki.com/wiki/ITunes_Backup). All that is no file of Messages
is not even listed: it is the person's phone.
"""

from __future__ import annotations

import hashlib
import os
import plistlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

import apsw

from connectors import zips
from connectors.bytesource import errno_code
from connectors.export_files import INSIDE, Archive, PackageFile
from connectors.export_paths import containers, fates
from connectors.folders import open_head, storable
from connectors.imessage_database import MAGIC, Beside, is_messages, opened, plain
from connectors.loose_files import walk
from records.errors import ItemError
from records.models import ExportPath
from records.vocabulary import Reason

FILES = "."
"""Scope of the files that no message carries."""

DATABASE = "HomeDomain-Library/SMS/sms.db"
"""Domain and path of the database on a phone."""

_MEDIA, _HOME = "MediaDomain-", "HomeDomain-"
BACKUP_ID = hashlib.sha1(DATABASE.encode(), usedforsecurity=False).hexdigest()
"""Name of the database in a backup."""

_INNER = f"{BACKUP_ID[:2]}/{BACKUP_ID}"

_NAMES = frozenset({"chat.db", "sms.db", BACKUP_ID})
_BESIDE = ("-wal", "-journal")
SCAFFOLDING = frozenset({"Manifest.db", "Manifest.plist", "Manifest.mbdb", "Status.plist"})
_ABOUT_PHONE = "Info.plist"
_PLIST_BYTES = 16 << 20
_WRITTEN = re.compile(r"[0-9a-f]{2}|[0-9a-f]{40}|Snapshot|Manifest\.(?:db|plist|mbdb)|(?:Status|Info)\.plist")

_APPS = {
    "net.whatsapp.WhatsApp": "WhatsApp",
    "org.whispersystems.signal": "Signal",
    "ph.telegra.Telegraph": "Telegram",
    "com.facebook.Messenger": "Messenger",
    "com.groupme.iphone-app": "GroupMe",
    "com.viber": "Viber",
    "com.toyopagroup.picaboo": "Snapchat",
    "com.tencent.xin": "WeChat",
    "com.hammerandchisel.discord": "Discord",
    "com.tinyspeck.chatlyio": "Slack",
    "com.microsoft.skype.teams": "Teams",
}
"""Apps that hold messages, by their name in a backup: that one is there is a lead."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a phone.

    Attributes:
        key: Its folder, relative to the source; empty for the source itself.
        find: Gives a file by its path in the backup, or None.
    """

    key: str
    find: Callable[[str], PackageFile | None]

    def by_id(self, file_id: str) -> PackageFile | None:
        """Return a file by its id, in a folder of its first two digits or, before iOS 10, in none."""
        return self.find(f"{file_id[:2]}/{file_id}") or self.find(file_id)


@dataclass(frozen=True, slots=True)
class Place:
    """A database.

    Attributes:
        key: Its path, relative to the source.
        file: The database.
        beside: Its write-ahead log or journal, where that has content.
        find: Gives the file of an attachment by the name in the database, or None.
        encrypted: It is in an encrypted backup.
    """

    key: str
    file: PackageFile
    beside: Beside
    find: Callable[[str], PackageFile | None]
    encrypted: bool = False

    @property
    def label(self) -> str:
        """What a person reads."""
        folder, _, name = self.key.rpartition("/")
        return f"Messages of the backup {folder.rpartition('/')[0]}" if name == BACKUP_ID else self.key


@dataclass(frozen=True, slots=True)
class Handed:
    """All that was handed over.

    Attributes:
        places: Databases, by key.
        files: All other files, databases among them, by key; of a backup, none.
        backups: Backups.
        without: Keys of backups that hold no messages.
        broken: Zips that do not open, and why.
    """

    places: Mapping[str, Place]
    files: Mapping[str, PackageFile]
    backups: tuple[Backup, ...]
    without: tuple[str, ...]
    broken: Mapping[str, ItemError]

    def place(self, key: str) -> Place | None:
        """Return a database by its scope; None for the scope of the files."""
        if (error := self.broken.get(key)) is not None:
            raise ItemError(error.reason, error.detail)
        if key == FILES:
            return None
        if (found := self.places.get(key)) is None:
            raise ItemError(Reason.UNREADABLE, "scope_gone")
        if found.encrypted:
            raise ItemError(Reason.ENCRYPTED, "backup")
        return found

    def rest(self) -> list[PackageFile]:
        """Return the files that no message of a database carries, by key."""
        rest = dict(self.files)
        for backup in self.backups:
            rest |= {file.key: file for file in _of_messages(backup)}
        for place in self.places.values():
            for key in _carried(place):
                rest.pop(key, None)
        return [rest[key] for key in sorted(rest)]

    def scaffolding(self) -> set[str]:
        """Return the keys of files that describe a backup."""
        found = (backup.find(name) for backup in self.backups for name in SCAFFOLDING)
        return {file.key for file in found if file is not None}


def paths_of(handed: Handed, root: str) -> Iterator[ExportPath]:
    """Yield every file with its fate: databases, what belongs to them, and attachments are read."""
    files: list[PackageFile] = []
    archives: list[Archive] = []
    for rel, entry in walk(root, "", ""):
        key = storable(rel)
        path = entry.path if entry is not None else os.path.join(root, rel)
        if key in handed.files or "/" in key or not key.lower().endswith(".zip"):
            files.append(PackageFile(key, path))
        else:
            archives.append(Archive(key, path))
    for archive in archives:
        if archive.key not in handed.broken:
            files += archive.files()
    of_messages = {file.key for backup in handed.backups for file in _of_messages(backup)}
    read = {key + suffix for key in handed.places for suffix in ("", *_BESIDE, "-shm")} | of_messages
    read |= {key for place in handed.places.values() for key in _carried(place)}
    described = handed.scaffolding()

    def ignored(file: PackageFile) -> str:
        if file.key in described:
            return "backup_list"
        return "" if file.key in read or file.key in handed.files else "not_of_messages"

    yield from containers(archives, root, handed.broken)
    yield from fates(files, root, read, ignored)


def is_backup(names: set[str]) -> bool:
    """Say whether the names in a folder, with those one level below, are those of a backup."""
    listed = "Manifest.plist" in names and not names.isdisjoint({"Manifest.db", "Manifest.mbdb"})
    return listed or _INNER in names


def holds_messages(path: str) -> bool:
    """Say whether a folder is a backup, or holds one directly; for guessing only."""
    return any(_is_backup_folder(folder) for folder in (path, *_folders(path)))


def names_messages(names: set[str]) -> bool:
    """Say whether the names in a zip are those of a database of messages; for guessing only."""
    return any(name.rpartition("/")[2] in _NAMES for name in names)


def _is_backup_folder(path: str) -> bool:
    try:
        names = set(os.listdir(path))
    except OSError:
        return False
    return is_backup(names | ({_INNER} if os.path.lexists(os.path.join(path, _INNER)) else set()))


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as found:
            return sorted(entry.path for entry in found if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def list_handed(path: str) -> Handed:
    """List everything but the thousand files of a backup that are not of Messages."""
    files: dict[str, PackageFile] = {}
    backups: list[Backup] = []
    broken: dict[str, ItemError] = {}
    if not os.path.isdir(path):
        _take_file(storable(os.path.basename(path)), path, files, backups, broken, top=True)
    folders = [("", path)] if os.path.isdir(path) else []
    while folders:
        prefix, folder = folders.pop()
        if _is_backup_folder(folder):
            backups.append(Backup(prefix.rstrip("/"), _finder_on_disk(prefix, folder)))
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            key = prefix.rstrip("/") or FILES
            files[key] = PackageFile(key, folder, None, ItemError(Reason.UNREADABLE, errno_code(error)))
            continue
        inside = bool(backups) and backups[-1].key == prefix.rstrip("/")
        for entry in entries:
            if inside and _is_of_backup(entry.name):
                continue
            key = prefix + storable(entry.name)
            while key in files:  # two names that are one in Unicode's normal form
                key += "#2"
            if entry.is_dir(follow_symlinks=False):
                folders.append((key + "/", entry.path))
            else:
                _take_file(key, entry.path, files, backups, broken, top=not prefix)
    backups.sort(key=lambda backup: backup.key)
    places, without = _places(files, backups)
    return Handed(places, files, tuple(backups), without, broken)


def _take_file(
    key: str,
    path: str,
    files: dict[str, PackageFile],
    backups: list[Backup],
    broken: dict[str, ItemError],
    *,
    top: bool,
) -> None:
    """Take a file, or what a zip at the top holds."""
    try:
        packed = top and key.lower().endswith(".zip") and zips.is_zip(open_head(path, 4).head)
    except ItemError:
        packed = False
    if not packed:
        files[key] = PackageFile(key, path)
        return
    try:
        with zips.opened(path) as archive:
            inside = {
                f"{key}{INSIDE}{member.key}": PackageFile(
                    f"{key}{INSIDE}{member.key}", path, member, member.problem
                )
                for member in zips.members(archive)
            }
    except ItemError as error:
        broken[key] = error
        return
    roots = _backups_in(inside, f"{key}{INSIDE}")
    backups += [Backup(root.rstrip("/"), _finder_in(inside, root)) for root in roots]
    files |= {
        one: file
        for one, file in inside.items()
        if not any(one.startswith(root) and _is_of_backup(one[len(root) :]) for root in roots)
    }


def _is_of_backup(rel: str) -> bool:
    """Say whether a file or folder of a backup was put there by the phone, and not by a person beside it."""
    return _WRITTEN.fullmatch(rel.partition("/")[0]) is not None


def _backups_in(inside: Mapping[str, PackageFile], top: str) -> tuple[str, ...]:
    """Return how the keys of each backup in a zip begin."""
    folders: dict[str, set[str]] = {}
    for key in inside:
        rel = key[len(top) :]
        folder, _, name = rel.rpartition("/")
        folders.setdefault(folder, set()).add(name)
        if name == BACKUP_ID and folder.rpartition("/")[2] == BACKUP_ID[:2]:
            folders.setdefault(folder.rpartition("/")[0], set()).add(f"{BACKUP_ID[:2]}/{name}")
    found = [folder for folder, names in sorted(folders.items()) if is_backup(names)]
    return tuple(top + (f"{folder}/" if folder else "") for folder in found)


def _finder_on_disk(prefix: str, folder: str) -> Callable[[str], PackageFile | None]:
    def find(rel: str) -> PackageFile | None:
        path = os.path.join(folder, rel)
        return PackageFile(prefix + rel, path) if os.path.lexists(path) else None

    return find


def _finder_in(inside: Mapping[str, PackageFile], root: str) -> Callable[[str], PackageFile | None]:
    return lambda rel: inside.get(root + rel)


def _places(
    files: Mapping[str, PackageFile], backups: Sequence[Backup]
) -> tuple[dict[str, Place], tuple[str, ...]]:
    places: dict[str, Place] = {}
    without: list[str] = []
    for backup in backups:
        file, encrypted = backup.by_id(BACKUP_ID), _is_encrypted(backup)
        if file is None and not encrypted:
            without.append(backup.key or FILES)
            continue
        if file is None:
            key = "/".join(filter(None, (backup.key, _INNER)))
            file = PackageFile(key, "", None, ItemError(Reason.ENCRYPTED, "backup"))
        beside = {} if encrypted else {one: backup.by_id(_file_id(DATABASE + one)) for one in _BESIDE}
        finder = _finder_of_backup(backup)
        places[file.key] = Place(file.key, file, _with_content(beside), finder, encrypted)
    tails = _tails(files)
    for key, file in files.items():
        if _holds_database(file):
            beside = {suffix: _beside(files, file, suffix) for suffix in _BESIDE}
            places[key] = Place(key, file, _with_content(beside), _finder_of_folder(files, tails, file))
    return places, tuple(without)


def _holds_database(file: PackageFile) -> bool:
    if file.member is not None and file.name not in _NAMES:
        return False  # it would have to be unpacked to look at its tables: in a zip the name tells
    if not file.head(len(MAGIC)).startswith(MAGIC):
        return False
    return file.name in _NAMES or is_messages(file.path)


def _beside(files: Mapping[str, PackageFile], file: PackageFile, suffix: str) -> PackageFile | None:
    if (found := files.get(file.key + suffix)) is not None or file.member is not None:
        return found
    path = file.path + suffix  # the source may be the database alone; its log belongs to it all the same
    return PackageFile(file.key + suffix, path) if os.path.isfile(path) else None


def _with_content(files: Mapping[str, PackageFile | None]) -> Beside:
    found = []
    for suffix, file in files.items():
        try:
            if file is not None and file.size():
                found.append((suffix, file))
        except ItemError:
            continue
    return tuple(found)


def _file_id(path: str) -> str:
    """Return the name of a file in a backup: the SHA-1 of its domain and path."""
    return hashlib.sha1(path.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def _is_encrypted(backup: Backup) -> bool:
    return _plist(backup.find("Manifest.plist")).get("IsEncrypted") is True


def _plist(file: PackageFile | None) -> Mapping[str, Any]:
    """Return a property list of a backup; empty when it cannot be read."""
    try:
        if file is None or file.size() > _PLIST_BYTES:
            return {}
        with file.stream() as stream:
            value = plistlib.loads(stream.read())
    except (ItemError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError):
        return {}
    except (ExpatError, EOFError):
        return {}
    return value if isinstance(value, dict) else {}


def _tail_of(name: str) -> str | None:
    """Return the part of a path that is the same wherever a person copied the folder to."""
    for folder in ("/Library/SMS/", "/Library/Messages/"):
        _, found, tail = name.partition(folder)
        if found and ".." not in tail.split("/"):
            return unicodedata.normalize("NFC", tail)
    return None


def _tails(files: Mapping[str, PackageFile]) -> dict[str, PackageFile | None]:
    """Return files in folders of attachments, by their path from there; None for a path that two have."""
    tails: dict[str, PackageFile | None] = {}
    for key, file in files.items():
        _, found, tail = f"/{key}".replace(INSIDE, "/").partition("/Attachments/")
        if found:
            tails["Attachments/" + tail] = None if "Attachments/" + tail in tails else file
    return tails


def _finder_of_folder(
    files: Mapping[str, PackageFile], tails: Mapping[str, PackageFile | None], database: PackageFile
) -> Callable[[str], PackageFile | None]:
    inner = database.inner
    folder = database.key[: len(database.key) - len(inner)] + inner[: inner.rfind("/") + 1]

    def find(name: str) -> PackageFile | None:
        tail = _tail_of(name)
        if tail is not None and (found := files.get(folder + tail) or tails.get(tail)) is not None:
            return found
        rel = _in_backup(name)
        if rel is None:
            return None
        ids = [_file_id(domain + rel) for domain in (_MEDIA, _HOME)]
        return next((files[folder + one] for one in ids if folder + one in files), None)

    return find


def _finder_of_backup(backup: Backup) -> Callable[[str], PackageFile | None]:
    def find(name: str) -> PackageFile | None:
        rel = _in_backup(name)
        if rel is None:
            return None
        return backup.by_id(_file_id(_MEDIA + rel)) or backup.by_id(_file_id(_HOME + rel))

    return find


def _in_backup(name: str) -> str | None:
    """Return a path of the phone as a backup names it: from ``Library`` on."""
    _, found, tail = f"/{name}".partition("/Library/")
    return f"Library/{tail}" if found else None


def _carried(place: Place) -> Iterator[str]:
    """Yield the keys of files that messages of a database carry, as far as they are there."""
    if place.encrypted:
        return
    try:
        with opened(place.file, place.beside) as database:
            for name in database.attached_names():
                if (found := place.find(name)) is not None:
                    yield found.key
    except ItemError:
        return  # what is not known to be carried is a file


def _of_messages(backup: Backup) -> Iterator[PackageFile]:
    """Yield the files of a backup that belong to Messages, and those that describe the backup."""
    for name in (*sorted(SCAFFOLDING), _ABOUT_PHONE):
        if (file := backup.find(name)) is not None:
            yield file
    if _is_encrypted(backup):
        return
    for suffix in ("", *_BESIDE):
        if (file := backup.by_id(_file_id(DATABASE + suffix))) is not None:
            yield file
    query = (
        "SELECT fileID FROM Files WHERE domain = 'MediaDomain' AND flags = 1 AND "
        "relativePath LIKE 'Library/SMS/%'"
    )
    for (file_id,) in _manifest(backup, query):
        if isinstance(file_id, str) and re.fullmatch(r"[0-9a-f]{40}", file_id):
            file = backup.by_id(file_id)
            if file is not None:
                yield file


def apps_in(backup: Backup) -> Iterator[tuple[str, str]]:
    """Yield the domain and the name of each app with messages that a backup holds."""
    found = {str(domain) for (domain,) in _manifest(backup, "SELECT DISTINCT domain FROM Files")}
    for name, app in _APPS.items():
        if f"AppDomain-{name}" in found:
            yield f"AppDomain-{name}", app


def _manifest(backup: Backup, query: str) -> list[tuple[Any, ...]]:
    """Ask the list of files of a backup; nothing when there is none that can be read."""
    file = backup.find("Manifest.db")
    if file is None or _is_encrypted(backup):
        return []
    try:
        with plain(file) as connection:
            return list(connection.execute(query))
    except (ItemError, apsw.Error, UnicodeDecodeError):
        return []
