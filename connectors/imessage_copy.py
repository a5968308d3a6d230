"""Private copies of a database that have no name on disk: SQLite reads them through a file system of ours.

A named copy would be left behind by a kill, and it is a person's phone. The library follows links, so an
unnamed file cannot be opened by one; it is told how to read, write and close instead
(https://www.sqlite.org/vfs.html). Locks say nothing: nobody else can open the files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import count
from typing import Any, BinaryIO, cast

import apsw

from connectors.bytesource import errno_code
from connectors.export_files import PackageFile
from records.errors import ItemError
from records.vocabulary import Reason

MAIN = "/messages.db"
"""What the copy is called in its file system."""

_NUMBERS = count()


class UnnamedFiles(apsw.VFS):
    """Files by the end of their name after ``MAIN``: empty for the database, ``-wal`` for its log."""

    def __init__(self) -> None:
        """Register the file system under a name of its own."""
        self.name = f"daylight-{os.getpid()}-{next(_NUMBERS)}"
        self._files: dict[str, BinaryIO] = {}
        super().__init__(self.name, base="")

    def copy(self, file: PackageFile, suffix: str = "") -> None:
        """Copy a file.

        Raises:
            ItemError: It cannot be read, or there is no room for the copy.
        """
        target = self._made(suffix)
        target.seek(0)
        target.truncate()
        with file.stream() as source:
            try:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
            except OSError as error:
                raise ItemError(Reason.UNREADABLE, errno_code(error)) from None

    def head(self, size: int) -> tuple[bytes, int]:
        """Return the first bytes of the database, and how many there are."""
        number = self._files[""].fileno()
        return os.pread(number, size, 0), os.fstat(number).st_size

    def forget(self, suffix: str) -> None:
        """Remove a file; harmless when there is none."""
        if (file := self._files.pop(suffix, None)) is not None:
            file.close()

    def close(self) -> None:
        """Remove every file; connections have to be closed before."""
        for suffix in list(self._files):
            self.forget(suffix)
        self.unregister()

    def _made(self, suffix: str) -> BinaryIO:
        if suffix not in self._files:
            unnamed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by forget
            self._files[suffix] = cast("BinaryIO", unnamed)
        return self._files[suffix]

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - the library's name
        """Open one of the files; what SQLite keeps for itself goes to the system's file system."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if not path or not path.startswith(MAIN):
            return apsw.VFSFile("", name, flags)
        suffix = path[len(MAIN) :]
        if suffix not in self._files and not flags[0] & apsw.SQLITE_OPEN_CREATE:
            raise apsw.CantOpenError
        flags[1] = flags[0]
        return _Unnamed(self._made(suffix).fileno())

    def xAccess(self, path: str, flags: int) -> bool:  # noqa: N802
        """Say whether a file is there."""
        del flags
        return path[len(MAIN) :] in self._files

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: N802, FBT001
        """Remove a file."""
        del sync_folder
        self.forget(path[len(MAIN) :])

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        """Return the name: there are no folders."""
        return name


class _Unnamed:
    """An open file, as SQLite asks for it."""

    def __init__(self, number: int) -> None:
        self._number = os.dup(number)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        return os.pread(self._number, amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        done = 0
        while done < len(data):
            done += os.pwrite(self._number, data[done:], offset + done)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        os.ftruncate(self._number, size)

    def xFileSize(self) -> int:  # noqa: N802
        return os.fstat(self._number).st_size

    def xClose(self) -> None:  # noqa: N802
        os.close(self._number)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Do nothing: a copy needs not outlive a power cut."""

    def xLock(self, level: int) -> None:  # noqa: N802
        """Do nothing: nobody else has the file."""

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Do nothing."""

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        """Say that no request is known."""
        del op, pointer
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4_096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return 0
