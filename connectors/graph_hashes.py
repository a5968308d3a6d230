"""The sums that Microsoft Graph states of a file, and whether bytes add up to them.

https://learn.microsoft.com/graph/api/resources/hashes: OneDrive for work or school and SharePoint state
``quickXorHash``, personal OneDrive SHA-1 or SHA-256 as well. No library here knows ``quickXorHash``; it is
published at https://learn.microsoft.com/onedrive/developer/code-snippets/quickxorhash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

_BITS, _SHIFT = 160, 11
_ROUND = 160
"""Bytes after which the places repeat: 160 times 11 bits is a whole number of turns of 160 bits."""

_BLOCK = _ROUND << 12
_ALL = (1 << _BITS) - 1


@dataclass(frozen=True, slots=True)
class Sum:
    """What a file's bytes add up to.

    Attributes:
        of: ``sha256``, ``sha1`` or ``quickxor``.
        value: In the service's own form: hex in capitals, or base64.
    """

    of: str
    value: str

    @classmethod
    def stated(cls, file: Mapping[str, Any]) -> Sum | None:
        """Return the best sum that a file states, or None."""
        hashes = (file.get("file") or {}).get("hashes") or {}
        for of, name in (("sha256", "sha256Hash"), ("sha1", "sha1Hash"), ("quickxor", "quickXorHash")):
            if hashes.get(name):
                return cls(of, str(hashes[name]))
        return None


def agrees(stream: BinaryIO, stated: Sum) -> bool:
    """Tell whether a stream adds up to a sum; it stands at its beginning afterwards."""
    if stated.of == "quickxor":
        found = quick_xor(stream) == stated.value
    else:
        digest = hashlib.new(stated.of, usedforsecurity=False)
        while block := stream.read(_BLOCK):
            digest.update(block)
        found = digest.hexdigest() == stated.value.lower()
    stream.seek(0)
    return found


def quick_xor(stream: BinaryIO) -> str:
    """Return the ``quickXorHash`` of what is left of a stream, in base64.

    Byte *i* is put into a ring of 160 bits from bit 11 × *i* on, by exclusive or; at last the length goes
    into the upper 64 bits. Bytes whose places are equal are put together first, a block at a time.
    """
    columns, length = 0, 0
    while block := stream.read(_BLOCK):
        columns ^= _folded(block)
        length += len(block)
    ring = 0
    for place, byte in enumerate(columns.to_bytes(_ROUND, "little")):
        value = byte << (place * _SHIFT % _BITS)
        ring ^= (value & _ALL) ^ (value >> _BITS)
    ring ^= (length & ((1 << 64) - 1)) << (_BITS - 64)
    return base64.b64encode(ring.to_bytes(_BITS // 8, "little")).decode()


def _folded(block: bytes) -> int:
    """Return the exclusive or of the rounds of a block."""
    value, rounds = int.from_bytes(block, "little"), -(-len(block) // _ROUND)
    while rounds > 1:
        rounds = (rounds + 1) // 2
        bits = rounds * _ROUND * 8
        value = (value & ((1 << bits) - 1)) ^ (value >> bits)
    return value
