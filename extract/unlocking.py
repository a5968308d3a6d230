"""Locked files opened by the passwords that were given for them: Office, PDF, members of a zip.

Runs in a disposable worker, like every parser of hostile files: a password comes through its pipe with the
file, and what leaves the process is the reference of the one that fitted. What was opened stays in memory.
Whatever a library raises here is dropped, since it could quote what it was given.

Sources: [MS-OFFCRYPTO] for Office (``msoffcrypto-tool``, MIT), ISO 32000-2 section 7.6 for PDF (``pikepdf``,
MPL-2.0), PKWARE's APPNOTE section 6.1 and WinZip's AE-1 and AE-2 for zip (``pyzipper``, MIT).
"""

from __future__ import annotations

import io
import struct
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TypeVar

from extract import members
from extract.protocol import ExtractContext
from records.compound_files import SIGNATURE

OPENED_BY = "opened_by"
"""Fact of an item: the references of the passwords that opened it or its members."""

TRIED = "passwords_tried"
"""Fact: the references of those that were tried on it in vain."""

LEFT = "passwords_left"
"""Fact: how many more there were when a limit was reached."""

_HEAD = 1024
"""A PDF's header may stand so far behind the start (ISO 32000-2, Annex I)."""

_T = TypeVar("_T")


def can_be_locked(head: bytes) -> bool:
    """Tell by its first bytes whether a password could open a file: only then is one handed out for it."""
    return head.startswith((SIGNATURE, b"PK")) or b"%PDF-" in head[:_HEAD]


class Tries:
    """Passwords tried on one file and what it holds, within its limits."""

    def __init__(self, context: ExtractContext) -> None:
        """Begin; the clock runs from here."""
        self._passwords = list(context.passwords)
        self._in_vain = context.limits.password_tries
        self._until = time.monotonic() + context.limits.password_s
        self._opened: set[str] = set()
        self._tried: set[str] = set()
        self._stopped = False

    def first(self, way: Callable[[str], _T | None]) -> tuple[_T, str] | None:
        """Return what the first password gives that opens something, with its reference; None: none does.

        Args:
            way: Tries a password; None when it does not open.
        """
        for password in tuple(self._passwords):
            if self._in_vain <= 0 or time.monotonic() >= self._until:
                self._stopped = True
                return None
            got = way(password.secret)
            if got is not None:
                self._opened.add(password.ref)
                # The members of an archive mostly have one password: it comes first from here on.
                self._passwords.remove(password)
                self._passwords.insert(0, password)
                return got, password.ref
            self._tried.add(password.ref)
            self._in_vain -= 1
        return None

    def facts(self) -> dict[str, str]:
        """Return what is told of it: references and a count, never a password."""
        left = len({password.ref for password in self._passwords} - self._tried - self._opened)
        facts = {
            OPENED_BY: " ".join(sorted(self._opened)),
            TRIED: " ".join(sorted(self._tried - self._opened)),
            LEFT: str(left) if left and self._stopped else "",
        }
        return {name: value for name, value in facts.items() if value}


def document(data: bytes, tries: Tries) -> bytes | None:
    """Return an Office file or a PDF without its lock, or None where no password opens it."""
    way = _office if data.startswith(SIGNATURE) else _pdf if b"%PDF-" in data[:_HEAD] else None
    if way is None:
        return None
    found = tries.first(lambda secret: way(data, secret))
    return found[0] if found is not None else None


def _office(data: bytes, secret: str) -> bytes | None:
    import msoffcrypto

    out = io.BytesIO()
    try:
        file: Any = msoffcrypto.OfficeFile(io.BytesIO(data))
        more = {"verify_password": True} if file.format == "ooxml" else {}  # the older ones always do
        file.load_key(password=secret, **more)
        file.decrypt(out)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - of a hostile file it raises anything; an OSError too is the file's
        return None
    return out.getvalue()


def _pdf(data: bytes, secret: str) -> bytes | None:
    import pikepdf

    for form in _forms(secret, "utf-8", "latin-1"):  # up to ISO 32000-1 a password is in PDFDocEncoding
        out = io.BytesIO()
        try:
            with pikepdf.open(io.BytesIO(data), password=form) as opened:
                opened.save(out)
        except pikepdf.PasswordError:
            continue
        except (pikepdf.PdfError, ValueError, TypeError, RuntimeError, LookupError, OverflowError):
            return None
        return out.getvalue()
    return None


def _forms(secret: str, *charsets: str) -> Iterator[bytes]:
    """Yield the bytes that a password can be, each once; most keyboards compose what is typed (NFC)."""
    seen: set[bytes] = set()
    for text in (secret, unicodedata.normalize("NFC", secret)):
        for charset in charsets:
            try:
                form = text.encode(charset)
            except UnicodeEncodeError:
                continue
            if form not in seen:
                seen.add(form)
                yield form


class ZipMembers:
    """Opens the locked members of one zip."""

    def __init__(self, stream: BinaryIO, tries: Tries) -> None:
        """Look into the zip a second time, by the library that knows AES.

        Args:
            stream: Of the whole zip.
            tries: Those of the zip: its members share the limits.
        """
        import pyzipper

        self._tries = tries
        self._places: dict[int, Any] = {}
        try:
            self._archive: Any = pyzipper.AESZipFile(stream)
            self._places = {info.header_offset: info for info in self._archive.infolist()}
        except (*_ZIP_FAULTS, pyzipper.BadZipFile):
            self._archive = None

    def read(self, info: zipfile.ZipInfo, budget: members.Budget) -> tuple[bytes, str] | None:
        """Return the content of a member and the reference of its password, or None where none opens it.

        Raises:
            ItemError: ``bomb`` beyond the limits.
        """
        place = self._places.get(info.header_offset)
        if place is None:
            return None
        found = self._tries.first(lambda secret: self._content(place, secret, budget))
        if found is not None:
            budget.spend(len(found[0]))
        return found

    def _content(self, place: Any, secret: str, budget: members.Budget) -> bytes | None:
        # Old Windows locked by the code page of its window or of its console.
        for form in _forms(secret, "utf-8", "cp1252", "cp437"):
            content = self._with(place, form, budget.copy())
            if content is not None:
                return content
        return None

    def _with(self, place: Any, form: bytes, budget: members.Budget) -> bytes | None:
        """Read a member to its end: of 256 wrong passwords one passes the check byte of the old lock."""
        import pyzipper

        data = bytearray()
        try:
            with self._archive.open(place, pwd=form) as member:
                while chunk := member.read(members.CHUNK):
                    budget.spend(len(chunk))
                    data += chunk
        except (*_ZIP_FAULTS, pyzipper.BadZipFile):
            return None
        return bytes(data)


_ZIP_FAULTS: tuple[type[Exception], ...] = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError, LookupError,
    TypeError, AttributeError, OverflowError,
)  # fmt: skip
"""What a damaged or wrongly opened zip makes the library raise; an unknown method is a RuntimeError."""
