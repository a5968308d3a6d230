"""Cryptographic messages (CMS, RFC 5652): what can be read without a key, and what cannot.

Signed data carries its content in the clear; enveloped data does not. The ASN.1 decides, for labels lie. A
signature is compared with what was signed, by the key in the certificate that lies beside it: whether the
words are still those that were signed. Who issued that certificate, and whether it was valid, is not checked.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from extract import charsets, sniff
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Child, Extraction, Failure
from records.vocabulary import Kind, Reason

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

_SIGNED = bytes.fromhex("2a864886f70d010702")
_ENVELOPED = bytes.fromhex("2a864886f70d010703")
_ENCRYPTED_DATA = bytes.fromhex("2a864886f70d010706")
_AUTH_ENVELOPED = bytes.fromhex("2a864886f70d0109100117")
_KINDS = {
    _SIGNED: "signed",
    _ENVELOPED: "enveloped",
    _ENCRYPTED_DATA: "enveloped",
    _AUTH_ENVELOPED: "enveloped",
}
_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----(.*?)-----END", re.DOTALL)
_BASE64 = re.compile(rb"\s*M[A-Za-z0-9+/\r\n]{8}")  # a SEQUENCE begins with 0x30
_TYPES = frozenset({
    "application/pkcs7-mime", "application/x-pkcs7-mime", "application/pkcs7-signature",
    "application/x-pkcs7-signature", "application/pgp-encrypted", "application/pgp-signature",
})  # fmt: skip
_SUFFIXES = frozenset({"p7m", "p7s", "p7c", "pgp", "gpg", "rpmsg"})
_MAX_DEPTH = 32


class CmsReader:
    """Reads S/MIME and PGP files: gives the content of signed data, says of the rest that it is encrypted."""

    name: ClassVar[str] = "cms"
    version: ClassVar[str] = "2"

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept by label, by PGP armour, and by file name."""
        if media_type in _TYPES or head.startswith(b"-----BEGIN PGP "):
            return 90
        suffix = name.rpartition(".")[2].lower() if name and "." in name else ""
        return 80 if suffix in _SUFFIXES else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the shell of one file."""
        data = stream.read()
        if not data:
            return Extraction()
        if data.startswith(b"-----BEGIN PGP ") or context.media_type in ("application/pgp-encrypted",):
            return _pgp(data)
        suffix = context.name.rpartition(".")[2].lower() if context.name else ""
        kind = envelope_kind(data)
        if kind == "enveloped" or suffix == "rpmsg":
            # message.rpmsg is Microsoft's rights-managed mail: no content without its service.
            return Extraction(failure=Failure(Reason.ENCRYPTED, "rpmsg" if suffix == "rpmsg" else "smime"))
        if suffix in ("pgp", "gpg") and kind is None:
            return Extraction(failure=Failure(Reason.ENCRYPTED, "pgp"))
        if kind is None:
            raise ItemError(Reason.CORRUPT, "cms")
        content = content_of_signed(data)
        if content is None:
            return Extraction(metadata={"cms": "detached_signature", **signature_facts(data)})
        media_type = "text/plain" if sniff.is_texty(content[:4096]) else "application/octet-stream"
        if _has_headers(content):
            media_type = "message/rfc822"
        kind_of = Kind.EMAIL if media_type == "message/rfc822" else Kind.FILE
        return Extraction(
            metadata={"cms": "signed", **signature_facts(data, content)},
            children=(Child("1", None, media_type, kind_of, content),),
            expected_children=1,
        )


def _pgp(data: bytes) -> Extraction:
    if b"-----BEGIN PGP MESSAGE-----" in data:
        return Extraction(failure=Failure(Reason.ENCRYPTED, "pgp"))
    return Extraction(text=charsets.tidy(data.decode("utf-8", "replace")))


def _has_headers(content: bytes) -> bool:
    return (
        re.match(
            rb"(?:MIME-Version|Content-[A-Za-z-]+|From|Received|Date|Subject)[ \t]*:", content, re.IGNORECASE
        )
        is not None
    )


def envelope_kind(data: bytes) -> str | None:
    """Return ``signed``, ``enveloped`` (no content without a key), or None when it is neither."""
    try:
        outer = _Ber(_binary(data)).sequence()
        return _KINDS.get(outer.take(0x06))
    except _NotBerError:
        return None


def content_of_signed(data: bytes) -> bytes | None:
    """Return the content inside signed data, or None: not signed data, or the signature is detached."""
    try:
        outer = _Ber(_binary(data)).sequence()
        if outer.take(0x06) != _SIGNED:
            return None
        signed = outer.inside(0xA0).sequence()
        signed.take(0x02)
        signed.skip()
        capsule = signed.sequence()
        capsule.skip()
        if capsule.at_end():
            return None
        return capsule.inside(0xA0).octets()
    except _NotBerError:
        return None


def _binary(data: bytes) -> bytes:
    """Return DER or BER from what may be PEM or bare base64."""
    if data[:1] == b"\x30":
        return data
    found = _PEM.search(data)
    body = found.group(1) if found else data
    if not found and not _BASE64.match(data):
        return data
    try:
        return base64.b64decode(b"".join(body.split()))
    except (binascii.Error, ValueError):
        return data


@dataclass(frozen=True, slots=True)
class _Signer:
    """What signed data says of one signer (RFC 5652 section 5.3).

    Attributes:
        issuer: Of the certificate, as it is encoded; empty where a key id names it.
        serial: Of the certificate, or the key id.
        digest: Object identifier of the hash.
        attributes: What is signed beside the content, as it is encoded; empty for none.
        algorithm: Object identifier of the signature's own.
        signature: Its bytes.
    """

    issuer: bytes
    serial: bytes
    digest: bytes
    attributes: bytes
    algorithm: bytes
    signature: bytes


_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
_PSS = bytes.fromhex("2a864886f70d01010a")


def signature_facts(data: bytes, content: bytes | None = None) -> dict[str, str]:
    """Return who signed and whether the content is still what was signed, as facts; none for no signature.

    ``signature`` is ``matches``, ``does_not_match``, or ``not_checked``: no content, no certificate, or an
    algorithm that is not known. ``signer`` is the name and the address in the certificate, as it states them.

    Args:
        data: The signed data, or the detached signature.
        content: What it is said to have signed, or None when that is not at hand.
    """
    try:
        certificates, signers = _signed_parts(data)
    except _NotBerError:
        return {}
    if not signers:
        return {}
    signer = signers[0]
    certificate = _certificate_of(signer, certificates)
    verdict = None if certificate is None or content is None else _matches(signer, certificate, content)
    said = {None: "not_checked", True: "matches", False: "does_not_match"}[verdict]
    name = _name_of(certificate) if certificate is not None else ""
    return {"signature": said, **({"signer": name} if name else {})}


def _signed_parts(data: bytes) -> tuple[list[bytes], list[_Signer]]:
    """Return certificates and signers of signed data, as they are encoded (RFC 5652 section 5.1)."""
    outer = _Ber(_binary(data)).sequence()
    if outer.take(0x06) != _SIGNED:
        raise _NotBerError
    signed = outer.inside(0xA0).sequence()
    signed.take(0x02)
    signed.skip()
    signed.skip()
    certificates = []
    if signed.next_tag() == 0xA0:
        held = signed.inside(0xA0)
        while not held.at_end():
            certificates.append(held.raw())
    if signed.next_tag() == 0xA1:
        signed.skip()
    signers = []
    told = signed.inside(0x31)
    while not told.at_end():
        signers.append(_signer(told.sequence()))
    return certificates, signers


def _signer(one: _Ber) -> _Signer:
    one.take(0x02)
    issuer = b""
    if one.next_tag() == 0x30:
        named = one.sequence()
        issuer, serial = named.raw(), named.take(0x02)
    else:
        serial = one.take(0x80)
    digest = one.sequence().take(0x06)
    attributes = one.raw() if one.next_tag() == 0xA0 else b""
    algorithm = one.sequence().take(0x06)
    return _Signer(issuer, serial, digest, attributes, algorithm, one.take(0x04))


def _certificate_of(signer: _Signer, encoded: list[bytes]) -> x509.Certificate | None:
    from cryptography import x509  # slow to load, rarely needed
    from cryptography.utils import CryptographyDeprecationWarning

    for raw in encoded:
        try:
            with warnings.catch_warnings():  # a certificate that breaks RFC 5280 was signed with all the same
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                certificate = x509.load_der_x509_certificate(raw)
                same = _is_of(certificate, signer)
        except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
            continue
        if same:
            return certificate
    return None


def _is_of(certificate: x509.Certificate, signer: _Signer) -> bool:
    from cryptography import x509

    if not signer.issuer:
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return key_id.value.digest == signer.serial
    serial = int.from_bytes(signer.serial, "big", signed=True)
    return certificate.serial_number == serial and certificate.issuer.public_bytes() == signer.issuer


def _matches(signer: _Signer, certificate: x509.Certificate, content: bytes) -> bool | None:
    """Compare content and signature (RFC 5652 sections 5.4 and 5.6); None when it cannot be done."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    kind = _hash(signer.digest)
    if kind is None:
        return None
    signed = content
    if signer.attributes:
        digest = hashes.Hash(kind)
        digest.update(content)
        if _digest_in(signer.attributes) != digest.finalize():
            return False
        signed = b"\x31" + signer.attributes[1:]  # signed as the SET that it is
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(kind), padding.PSS.AUTO)
            key.verify(
                signer.signature, signed, pss if signer.algorithm == _PSS else padding.PKCS1v15(), kind
            )
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer.signature, signed, ec.ECDSA(kind))
        else:
            return None
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        return None
    return True


def _hash(identifier: bytes) -> hashes.HashAlgorithm | None:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, type[hashes.HashAlgorithm]] = {
        "2b0e03021a": hashes.SHA1,  # noqa: S303 - what old mail was signed with
        "608648016503040201": hashes.SHA256,
        "608648016503040202": hashes.SHA384,
        "608648016503040203": hashes.SHA512,
    }
    found = known.get(identifier.hex())
    return None if found is None else found()


def _digest_in(attributes: bytes) -> bytes:
    """Return the hash of the content that was signed; empty for none."""
    try:
        held = _Ber(attributes).inside(0xA0)
        while not held.at_end():
            one = held.sequence()
            if one.take(0x06) == _MESSAGE_DIGEST:
                return one.inside(0x31).take(0x04)
    except _NotBerError:
        pass
    return b""


def _name_of(certificate: x509.Certificate) -> str:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        mails = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
        if not mails:
            other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            mails = other.value.get_values_for_type(x509.RFC822Name)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        mails = []
        names = []
    name = " ".join(str(names[0].value).split()) if names else ""
    mail = " ".join(mails[0].split()) if mails else ""
    shown = f"{name} <{mail}>" if name and mail and name != mail else name or mail
    return shown.replace("\0", "")


class _NotBerError(Exception):
    """The bytes are not the ASN.1 that was looked for."""


class _Ber:
    """A cursor over BER (X.690): definite and indefinite lengths, cut files read as far as they go."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None, depth: int = 0) -> None:
        self._data, self._at, self._end, self._depth = data, at, len(data) if end is None else end, depth
        if depth > _MAX_DEPTH:
            raise _NotBerError

    def at_end(self) -> bool:
        """Tell whether no element follows in this one."""
        return self._at >= self._end or self._data[self._at : self._at + 2] == b"\0\0"

    def _header(self) -> tuple[int, int, int | None]:
        """Return tag, start of the content and its length (None for indefinite)."""
        if self._at + 2 > self._end:
            raise _NotBerError
        tag, length = self._data[self._at], self._data[self._at + 1]
        at = self._at + 2
        if tag & 0x1F == 0x1F:
            raise _NotBerError  # no CMS element has a long tag
        if length == 0x80:
            return tag, at, None
        if length & 0x80:
            count = length & 0x7F
            if count > 6:
                raise _NotBerError
            length = int.from_bytes(self._data[at : at + count], "big")
            at += count
        return tag, at, length

    def next_tag(self) -> int:
        """Return the tag of the element that follows; -1 at the end."""
        return -1 if self.at_end() else self._data[self._at]

    def raw(self) -> bytes:
        """Return the whole element that follows, as it is encoded, and step over it."""
        start = self._at
        self.skip()
        return self._data[start : min(self._at, self._end)]

    def inside(self, tag: int) -> _Ber:
        """Step over an element with this tag and return a cursor within it."""
        found, at, length = self._header()
        if found != tag:
            raise _NotBerError
        end = self._end if length is None else min(at + length, self._end)
        inner = _Ber(self._data, at, end, self._depth + 1)
        if length is None:
            walker = _Ber(self._data, at, self._end, self._depth + 1)
            walker.to_end_of_contents()
            self._at = walker._at
        else:
            self._at = end
        return inner

    def to_end_of_contents(self) -> None:
        """Move behind the two zeros that close an indefinite length."""
        while self._at < self._end and self._data[self._at : self._at + 2] != b"\0\0":
            self.skip()
        self._at = min(self._at + 2, self._end)

    def sequence(self) -> _Ber:
        """Return a cursor within a SEQUENCE."""
        return self.inside(0x30)

    def skip(self) -> None:
        """Step over one element."""
        tag, at, length = self._header()
        if length is not None:
            self._at = at + length
        else:
            self.inside(tag)

    def take(self, tag: int) -> bytes:
        """Return the content of a primitive element with this tag."""
        found, at, length = self._header()
        if found != tag or length is None:
            raise _NotBerError
        self._at = at + length
        return self._data[at : min(at + length, self._end)]

    def octets(self) -> bytes:
        """Return an OCTET STRING, whole or in pieces."""
        tag, _, _ = self._header()
        if tag == 0x04:
            return self.take(0x04)
        pieces = []
        inner = self.inside(0x24)
        while not inner.at_end():
            pieces.append(inner.octets())
        return b"".join(pieces)
