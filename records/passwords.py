"""Passwords of locked files, as custodians gave them: one encrypted file a request, its key elsewhere.

For files only: nothing signs in anywhere with them. The store (AES-256-GCM, NIST SP 800-38D) lies in the
request's folder; its key lies in the folder of keys, so that a copy of a request opens nothing. What is in
the store is told of by references (``p001`` …), which say nothing of a password and are never used again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from records import isolation, key_files, whole_files
from records.errors import AccessError, CheckFailed, SettingsError
from records.evidence import sync_folder
from records.models import Password
from records.settings import Settings

_MARK = b"daylight passwords 1\n"
_KEY_BYTES, _NONCE_BYTES = 32, 12
_BEGIN = len(_MARK) + _NONCE_BYTES
_PADDED = 1_024
"""The length of the store tells nothing of that of a password."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Kept:
    """One password in the store.

    Attributes:
        ref: As ``records.models.Password`` has it.
        custodian_id: Who gave it.
        given: Where it came from, in words.
        item_id: The one item it may be tried on; None for every item of the request.
        added_at: UTC, as the catalogue writes times.
        added_by: Who added it.
        secret: Itself; never in a representation.
    """

    ref: str
    custodian_id: str
    given: str
    item_id: str | None
    added_at: str
    added_by: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Store:
    """The passwords of one request.

    Attributes:
        request_id: The request.
        path: Of the encrypted file.
        key: Of its key.
    """

    request_id: str
    path: Path
    key: Path

    @property
    def exists(self) -> bool:
        """Whether anything is kept."""
        return self.path.exists()

    def read(self) -> tuple[Kept, ...]:
        """Return what is kept, in the order in which it was added; from here on this process dumps no core.

        Raises:
            SettingsError: The key is gone, is none, or can be read by others.
            AccessError: Store or key cannot be read.
            CheckFailed: The key is another one, or the store was changed.
        """
        return self._read() if self.exists else ()

    def change(self, change: Callable[[tuple[Kept, ...]], tuple[tuple[Kept, ...], _T]]) -> _T:
        """Replace what is kept, one process at a time; a killed one leaves what there was.

        Args:
            change: Is given what is kept, and returns what shall be and an answer.

        Returns:
            The answer.

        Raises:
            SettingsError: As ``read``.
            AccessError: As ``read``, or it cannot be written.
            CheckFailed: As ``read``.
        """
        with self._alone():
            kept, answer = change(self.read())
            try:
                self._write(kept)
            except OSError as error:
                raise AccessError(f"{self._what} cannot be kept ({error.strerror})") from None
            return answer

    def wipe(self) -> bool:
        """Destroy the key and what it locks; return whether there was anything.

        Raises:
            AccessError: Something cannot be removed.
        """
        if not (self.path.exists() or self.key.exists()):
            return False
        with self._alone():
            try:
                key_files.destroy(self.key)  # first: without it nothing opens what is left
                key_files.destroy(self.path)
            except OSError as error:
                raise AccessError(f"{self._what} cannot be removed ({error.strerror})") from None
        return True

    @property
    def _what(self) -> str:
        return f"the passwords of request {self.request_id}"

    @property
    def _bound(self) -> bytes:
        """What is authenticated beside the content: the store of another request does not fit."""
        return _MARK + self.request_id.encode("utf-8")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _cipher_key(self) -> bytes:
        if not self.key.exists():
            raise SettingsError(
                f"{self._what} have lost their key ({self.key.name}); put it back, or let `daylight "
                "passwords wipe` remove them and ask the custodians again"
            )
        text = key_files.read(self.key, f"the key of {self._what}")
        try:
            key = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise SettingsError(f"the key of {self._what} is no key; put the right one back") from None
        return key

    def _read(self) -> tuple[Kept, ...]:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        isolation.forbid_dumps()
        key = self._cipher_key()
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise AccessError(f"{self._what} cannot be read ({error.strerror})") from None
        mark, nonce, locked = data[: len(_MARK)], data[len(_MARK) : _BEGIN], data[_BEGIN:]
        try:
            if mark != _MARK:
                raise InvalidTag
            text = AESGCM(key).decrypt(nonce, locked, self._bound)
        except (InvalidTag, ValueError):
            raise CheckFailed(
                f"{self._what} cannot be opened: their key is another one, or their file was changed; put "
                "both back from a copy, or let `daylight passwords wipe` remove them"
            ) from None
        return tuple(Kept(**one) for one in json.loads(text))

    def _write(self, kept: Iterable[Kept]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        isolation.forbid_dumps()
        if not self.exists and not self.key.exists():
            key_files.make(self.key, secrets.token_bytes(_KEY_BYTES).hex().encode("ascii"))
        text = json.dumps([asdict(one) for one in kept], ensure_ascii=False).encode("utf-8")
        text += b" " * (-len(text) % _PADDED)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        data = _MARK + nonce + AESGCM(self._cipher_key()).encrypt(nonce, text, self._bound)
        whole_files.replace(self.path, data)
        sync_folder(self.path.parent)


def store_of(settings: Settings, request_id: str) -> Store:
    """Return the store of a request, which need not exist."""
    keys = settings.password_keys or settings.home / "keys"
    path = settings.request_folder(request_id) / "passwords.bin"
    return Store(request_id, path, keys / f"passwords-{request_id}.key")


def candidates(kept: Iterable[Kept], item_id: str, custodian_id: str) -> tuple[Password, ...]:
    """Return what may be tried on an item, in order.

    That which was given for this item alone comes first, then those of its custodian, then those of the
    others, since files are sent around; of each the newest first.
    """
    allowed = [one for one in kept if one.item_id in {None, item_id}]

    def rank(place: int) -> tuple[bool, bool, int]:
        one = allowed[place]
        return one.item_id is None, one.custodian_id != custodian_id, -place

    ordered = sorted(range(len(allowed)), key=rank)
    return tuple(Password(allowed[place].ref, allowed[place].secret) for place in ordered)


def passwords_of(settings: Settings, request_id: str) -> Callable[[str, str], tuple[Password, ...]]:
    """Return what gives the passwords to try on an item, by its id and its custodian's.

    Raises:
        SettingsError: As ``Store.read``; so with ``AccessError`` and ``CheckFailed``.
    """
    kept = store_of(settings, request_id).read()
    alone = {one.item_id for one in kept} - {None}

    @lru_cache(maxsize=1_024)
    def known(item_id: str, custodian_id: str) -> tuple[Password, ...]:
        return candidates(kept, item_id, custodian_id)

    return lambda item_id, custodian_id: known(item_id if item_id in alone else "", custodian_id)


def passwords_by_ref(settings: Settings, request_id: str) -> Callable[[str], tuple[Password, ...]]:
    """Return what gives the passwords of some references, joined by spaces; one that was removed is left out.

    Raises:
        SettingsError: As ``Store.read``; so with ``AccessError`` and ``CheckFailed``.
    """
    kept = {one.ref: Password(one.ref, one.secret) for one in store_of(settings, request_id).read()}
    return lambda refs: tuple(kept[ref] for ref in refs.split() if ref in kept)
