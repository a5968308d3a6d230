"""The verifier's signature check against RFC 8032, against malleable and odd input, and against a library."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from release import verifier
from release.verifier import L, P, ed25519_valid
from tests.release.rfc8032 import VECTORS

CASES = [pytest.param(*(bytes.fromhex(h) for h in rest), id=name) for name, *rest in VECTORS]
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]


def library_says(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), CASES)
def test_the_published_vectors_are_valid(public, message, signature):
    assert ed25519_valid(public, message, signature)


@pytest.mark.parametrize(("public", "message", "signature"), CASES)
def test_the_published_vectors_with_one_bit_flipped_are_not(public, message, signature):
    for place in (0, 31, 32, 63):
        bad = bytearray(signature)
        bad[place] ^= 1
        assert not ed25519_valid(public, message, bytes(bad))
    assert not ed25519_valid(public, message + b"\0", signature)
    assert not ed25519_valid(bytes([public[0] ^ 1]) + public[1:], message, signature)


@pytest.mark.parametrize(("public", "message", "signature"), CASES)
def test_the_same_signature_written_with_a_larger_s_is_refused(public, message, signature):
    s = int.from_bytes(signature[32:], "little")
    for more in range(1, 8):
        larger = s + more * L
        if larger < 2**256:
            assert not ed25519_valid(public, message, signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_of_small_order_fits_no_message(point):
    public = bytes.fromhex(point)
    for r in SMALL_ORDER:
        for message in (b"", b"a", b"b", b"c", b"d", b"e", b"f", b"g"):
            assert not ed25519_valid(public, message, bytes.fromhex(r) + bytes(32))


@pytest.mark.parametrize("y", [P, P + 1, P + 18])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_point_that_is_not_canonical_is_no_point(y, sign):
    assert verifier._decode((y | sign << 255).to_bytes(32, "little")) is None


def test_minus_zero_is_no_point():
    assert verifier._decode((1 | 1 << 255).to_bytes(32, "little")) is None
    assert verifier._decode((1).to_bytes(32, "little")) == (0, 1, 1, 0)


def test_a_value_that_is_not_on_the_curve_is_no_point():
    assert verifier._decode((2).to_bytes(32, "little")) is None


@pytest.mark.parametrize(("public", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths_are_refused(public, signature):
    assert not ed25519_valid(bytes(public), b"", bytes(signature))


@settings(max_examples=60, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), data=st.data())
def test_it_agrees_with_the_library(seed, message, data):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert ed25519_valid(public, message, signature)
    whole = bytearray(public + signature + message)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    changed = (bytes(whole[:32]), bytes(whole[96:]), bytes(whole[32:96]))
    assert ed25519_valid(*changed) == library_says(*changed) is False


@settings(max_examples=60, deadline=None)
@given(public=st.binary(min_size=32, max_size=32), signature=st.binary(min_size=64, max_size=64))
def test_it_agrees_with_the_library_on_noise(public, signature):
    assert not ed25519_valid(public, b"noise", signature)
    # the library takes keys of small order, which we refuse: the one place where the two may differ
    assert not library_says(public, b"noise", signature) or public.hex() in SMALL_ORDER
