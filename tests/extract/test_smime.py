"""Cryptographic messages: read without a key where that is possible."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.smime import CmsReader, content_of_signed, envelope_kind
from records.errors import ItemError
from records.models import Extraction, Failure
from records.vocabulary import Kind, Reason
from tests.extract.samples import SIMPLE, cms_enveloped, cms_signed, context, der


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
