"""The home's signing key: one Ed25519 key that signs the tag manifest of every bundle.

The private key stays in one file of mode 0600 and is never printed, logged or put into an exception. Its
fingerprint (SHA-256 of the 32 bytes of the public key, hex) is what the office publishes apart from the
bundles: a bundle that somebody signed anew with a key of their own can only be told by it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from records import key_files
from records.errors import AccessError, SettingsError

KEY_FILE = "release-ed25519.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key in memory; its representation shows the fingerprint only.

    Attributes:
        public: The 32 bytes of the public key.
    """

    public: bytes
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, 64 hex digits."""
        return fingerprint(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an Ed25519 signature; the same message gives the same bytes (RFC 8032)."""
        return self._private.sign(message)


def fingerprint(public: bytes) -> str:
    """Return the fingerprint of a public key."""
    return hashlib.sha256(public).hexdigest()


def home_key(home: Path) -> SigningKey:
    """Return the key of a home, made on first use.

    Args:
        home: The home folder; the key lies in its ``keys`` folder.

    Raises:
        SettingsError: The file is not an Ed25519 key, or others than its owner may read it.
        AccessError: The file cannot be read or made.
    """
    path = home / "keys" / KEY_FILE
    try:
        if not path.exists():
            key_files.make(path, _new())
    except OSError as error:
        raise AccessError(f"the signing key in the home cannot be made ({error.strerror})") from error
    data = key_files.read(path, "the signing key")
    try:
        private = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        # "from None": the library's message could quote the file
        raise SettingsError("the signing key file does not hold an Ed25519 key") from None
    return SigningKey(private.public_key().public_bytes_raw(), private)


def _new() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
