"""Cryptographic messages: read without a key where that is possible."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from extract.mail import read_message
from extract.outlook import MsgReader
from extract.smime import CmsReader, content_of_signed, envelope_kind, signature_facts
from records.errors import ItemError
from records.models import Extraction, Failure
from records.vocabulary import Kind, Reason
from tests.extract import outlook_files
from tests.extract.samples import SIMPLE, cms_enveloped, cms_signed, context, der, mail


def read(data: bytes, name: str | None = "smime.p7m", media_type: str | None = None) -> Extraction:
    return CmsReader().extract(io.BytesIO(data), context(name, media_type))


def test_enveloped_data_is_encrypted() -> None:
    assert envelope_kind(cms_enveloped()) == "enveloped"
    assert read(cms_enveloped()).failure == Failure(Reason.ENCRYPTED, "smime")


@pytest.mark.parametrize(
    ("content", "media_type", "kind"),
    [
        (SIMPLE, "message/rfc822", Kind.EMAIL),
        (b"just words", "text/plain", Kind.FILE),
        (b"\0\1\2" * 50, "application/octet-stream", Kind.FILE),
        (b"x" * 70_000, "text/plain", Kind.FILE),
    ],
)
def test_the_content_of_signed_data_is_a_child(content: bytes, media_type: str, kind: Kind) -> None:
    (child,) = read(cms_signed(content)).children
    assert (child.part_path, child.media_type, child.kind, child.data) == ("1", media_type, kind, content)


def test_a_detached_signature_holds_nothing() -> None:
    got = read(cms_signed(None), "smime.p7s")
    assert (got.text, got.children, got.failure) == ("", (), None)
    assert content_of_signed(cms_signed(None)) is None


def test_indefinite_lengths_and_pieces() -> None:
    pieces = b"\x24\x80" + der(0x04, b"one ") + der(0x04, b"two") + b"\0\0"
    inner = (
        b"\x30\x80"
        + der(0x06, bytes.fromhex("2a864886f70d010701"))
        + b"\xa0\x80"
        + pieces
        + b"\0\0"
        + b"\0\0"
    )
    signed = b"\x30\x80" + der(0x02, b"\1") + der(0x31, b"") + inner + b"\0\0"
    data = b"\x30\x80" + der(0x06, bytes.fromhex("2a864886f70d010702")) + b"\xa0\x80" + signed + b"\0\0\0\0"
    assert content_of_signed(data) == b"one two"


def test_pem_and_bare_base64() -> None:
    body = base64.encodebytes(cms_signed(b"words"))
    assert content_of_signed(b"-----BEGIN PKCS7-----\n" + body + b"-----END PKCS7-----\n") == b"words"
    assert content_of_signed(body) == b"words"


@pytest.mark.parametrize(
    ("data", "name", "media_type", "detail"),
    [
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----", "a.asc", None, "pgp"),
        (b"\x85\x01\x0c\x03", "a.pgp", None, "pgp"),
        (b"\x76\xe8\x04\x60", "message.rpmsg", None, "rpmsg"),
    ],
)
def test_other_locked_files(data: bytes, name: str, media_type: str | None, detail: str) -> None:
    assert read(data, name, media_type).failure == Failure(Reason.ENCRYPTED, detail)


def test_clear_signed_text_is_read() -> None:
    text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nwords\n-----BEGIN PGP SIGNATURE-----\nx\n"
    assert "words" in read(text.encode(), "a.asc").text


def test_rubbish() -> None:
    with pytest.raises(ItemError) as raised:
        read(b"rubbish")
    assert raised.value.reason is Reason.CORRUPT


@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 255))
def test_any_bytes_are_an_answer(data: bytes, at: int, value: int) -> None:
    envelope_kind(data)
    changed = bytearray(cms_signed(b"words"))
    changed[at % len(changed)] = value
    content_of_signed(bytes(changed))
    content_of_signed(bytes(changed[: at % len(changed)]))


# --- signatures ----------------------------------------------------------------------------------------


@cache
def signed_by(algorithm: str) -> tuple[x509.Certificate, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey]:
    key = (
        rsa.generate_private_key(65_537, 2_048)
        if algorithm == "rsa"
        else ec.generate_private_key(ec.SECP256R1())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ana Ruiz")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1 << 100)
        .not_valid_before(day)
        .not_valid_after(day + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name("ana.ruiz@example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def signed(content: bytes, algorithm: str = "ec", *options: pkcs7.PKCS7Options, pss: bool = False) -> bytes:
    encoding = Encoding.SMIME if pkcs7.PKCS7Options.DetachedSignature in options else Encoding.DER
    certificate, key = signed_by(algorithm)
    how = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if pss else None
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(certificate, key, hashes.SHA256(), rsa_padding=how)
    return builder.sign(encoding, list(options))


ANA = "Ana Ruiz <ana.ruiz@example.org>"


@pytest.mark.parametrize(("algorithm", "pss"), [("rsa", False), ("rsa", True), ("ec", False)])
@pytest.mark.parametrize("options", [(), (pkcs7.PKCS7Options.NoAttributes,)])
def test_a_signature_is_compared_with_what_it_signed(
    algorithm: str, options: tuple[pkcs7.PKCS7Options, ...], *, pss: bool
) -> None:
    binary = (pkcs7.PKCS7Options.Binary, *options)
    data = signed(b"the words\r\n", algorithm, *binary, pss=pss)
    assert signature_facts(data, b"the words\r\n") == {"signature": "matches", "signer": ANA}
    assert signature_facts(data, b"the swords\r\n") == {"signature": "does_not_match", "signer": ANA}
    assert signature_facts(data) == {"signature": "not_checked", "signer": ANA}
    assert read(data).metadata == {"cms": "signed", "signature": "matches", "signer": ANA}
    altered = data.replace(b"the words", b"the sword")
    assert read(altered).metadata["signature"] == "does_not_match"
    other = bytearray(data)
    other[-1] ^= 1
    assert signature_facts(bytes(other), b"the words\r\n")["signature"] in ("does_not_match", "not_checked")


def test_without_a_certificate_nothing_is_said_of_it() -> None:
    data = signed(b"words", "ec", pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCerts)
    assert signature_facts(data, b"words") == {"signature": "not_checked"}
    assert signature_facts(cms_signed(b"words"), b"words") == {}
    assert signature_facts(b"no signature", b"words") == {}


def clear(text: bytes) -> bytes:
    entity = b"Content-Type: text/plain\r\n\r\n" + text
    options = (pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary)
    data = signed(entity, "ec", *options).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return b"From: ana.ruiz@example.org\r\nDate: Mon, 2 Mar 2026 09:15:00 -0800\r\n" + data


def test_a_mail_that_is_signed_in_the_clear() -> None:
    data = clear(b"The words.\r\nFrom here on.\r\n")

    def verdict(changed: bytes) -> str:
        return read_message(changed, context()).metadata["signature"]

    got = read_message(data, context())
    assert (got.metadata["signature"], got.metadata["signer"]) == ("matches", ANA)
    assert got.text.startswith("The words.")
    assert verdict(data.replace(b"\r\n", b"\n")) == "matches"  # as a Maildir keeps it
    assert verdict(data.replace(b"\r\nFrom here", b"\r\n>From here")) == "matches"  # as an mbox quotes it
    assert verdict(data.replace(b"The words.", b"The sword.")) == "does_not_match"
    assert read_message(data.replace(b"multipart/signed", b"multipart/mixed"), context()).metadata == {}
    held = {0x3705: 1, 0x370E: "multipart/signed", 0x3701: data.partition(b"\r\n")[2].partition(b"\r\n")[2]}
    built = outlook_files.Built(
        {0x001A: "IPM.Note.SMIME.MultipartSigned", 0x0039: outlook_files.SENT}, [], [held]
    )
    by_file = MsgReader().extract(io.BytesIO(outlook_files.msg_file(built)), context())
    assert (by_file.metadata["signature"], by_file.text) == ("matches", got.text)


def test_an_opaque_mail_that_is_signed() -> None:
    inner = signed(b"Content-Type: text/plain\r\n\r\nThe words.\r\n", "ec", pkcs7.PKCS7Options.Binary)
    data = mail(
        "From: ana.ruiz@example.org\nContent-Type: application/pkcs7-mime; name=smime.p7m\n"
        "Content-Transfer-Encoding: base64",
        base64.encodebytes(inner),
    )
    got = read_message(data, context())
    assert got.text.strip() == "The words."
    assert got.metadata == {"signature": "matches", "signer": ANA}


@example(83, 128)  # the serial number of the certificate is below zero: RFC 5280 does not allow it
@given(st.integers(0, 2_000), st.integers(0, 255))
def test_no_byte_of_a_signature_makes_an_error(at: int, value: int) -> None:
    data = bytearray(signed(b"words", "ec", pkcs7.PKCS7Options.Binary))
    data[at % len(data)] = value
    verdict = signature_facts(bytes(data), b"words").get("signature", "")
    assert verdict in ("", "matches", "does_not_match", "not_checked")
