"""The files of the embedded index: how a shard is laid out, locked, opened and checked.

Catalogue and index never share a file or a library: a file opened by two SQLite libraries in one process
loses its locks. All documents of a batch go to one shard, chosen from the batch id; a family lies in one
batch, so documents and families add up over shards.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from records.errors import AccessError, CheckFailed, Incomplete, Retryable, UsageError
from search import tree as q
from search.folding import ANALYZER

SHARDS = 64
"""Most files of an index."""

SCHEMA = 3
"""Version of the layout."""

ROLE_WORDS = "role_words"
"""Row of ``meta``: the words of the columns that no unfielded word is asked of, `` a b ``."""
_BUSY_MS = 60_000
CACHE_KIB = 64 << 10
"""Of a shard that is written, and of all shards together that are asked, so that memory has an end."""
LAST = "\U0010ffff"
"""Sorts behind every word, so that ``x`` to ``x`` + this is what begins with x."""

CANNOT_WRITE = "the index cannot be written: make room, then run the same command again"

COLUMNS = {
    "subject": "subject", "body": "body", "filename": "filename", "participants": "participants",
    "from": "c_from", "to": "c_to", "cc": "c_cc", "bcc": "c_bcc",
}  # fmt: skip
"""Field of the language to column of the index; ``from`` and ``to`` are words of SQL."""

TABLES = f"""
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE batches(batch INTEGER PRIMARY KEY, batch_id TEXT NOT NULL UNIQUE, documents INTEGER NOT NULL);
CREATE TABLE labels(label INTEGER PRIMARY KEY, field TEXT NOT NULL, value TEXT NOT NULL, UNIQUE(field,
value)); CREATE TABLE docs(
    doc INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, family_id TEXT NOT NULL, distinct_key TEXT NOT
    NULL, batch INTEGER NOT NULL, family INTEGER NOT NULL, parent INTEGER, custodian INTEGER NOT NULL, source
    INTEGER NOT NULL, kind INTEGER NOT NULL, type INTEGER NOT NULL, lang INTEGER NOT NULL, sent_on TEXT, has
    INTEGER NOT NULL);
CREATE TABLE numbers(batch INTEGER PRIMARY KEY, first INTEGER NOT NULL, families BLOB NOT NULL, contents BLOB
    NOT NULL, places BLOB NOT NULL);
CREATE INDEX docs_by_batch ON docs(batch);
CREATE INDEX docs_by_family ON docs(family);
CREATE INDEX docs_by_parent ON docs(parent) WHERE parent IS NOT NULL;
CREATE VIRTUAL TABLE words USING fts5({", ".join(COLUMNS.values())},
    tokenize = 'ascii', content = '', contentless_delete = 1, detail = full);
"""

HAS_BITS = {value: 1 << n for n, value in enumerate(q.HAS_VALUES)}
"""The bit of each value of ``has:`` in the column ``has``."""

Identity = tuple[int, int]
"""Device and inode: which file a name stands for."""


def shard_of(batch_id: str) -> int:
    """Return the shard of a batch: its number modulo 64, so that neighbours spread evenly.

    An id that does not end in a number takes its SHA-256 instead.
    """
    number = re.search(r"\d+$", batch_id)
    if number:
        return int(number.group()) % SHARDS
    return int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:4], "big") % SHARDS


def listed_shards(folder: Path) -> list[tuple[str, Identity]]:
    """Return the shards of a folder by name, in order; every question begins with it."""
    found: list[tuple[str, Identity]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("shard-") and entry.name.endswith(".sqlite"):
                    with suppress(FileNotFoundError):  # dropped between the listing and here
                        status = entry.stat()
                        found.append((entry.name, (status.st_dev, status.st_ino)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AccessError("the index folder cannot be opened or written: check its rights") from error
    return sorted(found)


class Lock:
    """A lock that dies with its process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def take(self, *, wait: bool) -> bool:
        """Lock; the file may be deleted by ``drop`` meanwhile, so what was locked is looked at once more."""
        while True:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.path.samestat(os.fstat(self._file), self._path.stat()):
                    return True
            except FileNotFoundError:
                pass
            except BlockingIOError:
                self.release()
                return False
            self.release()

    def release(self) -> None:
        """Let go; another process may take it."""
        os.close(self._file)


def open_shard(path: Path) -> apsw.Connection:
    """Open a shard, or make an empty file; waits a minute for whoever writes to it."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("cache_size", -CACHE_KIB // SHARDS)
    return connection


def check_analyzer(connection: apsw.Connection) -> None:
    """Check that a shard was made by this version's token rule and layout; else it is closed.

    Raises:
        UsageError: It was not.
    """
    if connection.pragma("user_version") == SCHEMA:
        made_with = connection.execute("SELECT value FROM meta WHERE name = 'analyzer'").get
        if made_with == ANALYZER:
            return
    connection.close()
    raise UsageError("the index was made with another token rule or layout: rebuild it with reindex")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the library's errors into ours, sorted by what to do."""
    try:
        yield
    except (apsw.FullError, apsw.IOError) as error:
        raise Incomplete(CANNOT_WRITE) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise CheckFailed("the index is damaged: rebuild it with reindex") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise AccessError("the index folder cannot be opened or written: check its rights") from error
    except apsw.BusyError as error:
        raise Retryable("the index is busy", retry_after_s=5.0) from error


def state_of(shard: apsw.Connection) -> str:
    """Return what a shard calls its present state: another word after each batch."""
    return str(shard.execute("SELECT value FROM meta WHERE name = 'state'").get)


def role_words(shard: apsw.Connection) -> str | None:
    """Return the words of from, to, cc and bcc of a shard, and perhaps more; None when nobody kept them."""
    found = shard.execute("SELECT value FROM meta WHERE name = ?", (ROLE_WORDS,)).get
    return None if found is None else str(found)
