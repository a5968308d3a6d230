"""What goes through the pipes between a worker and its parent: typed MessagePack, never pickle.

A parser that was taken over by its input could write anything into its pipe. Typed MessagePack can only
ever become an ``Extraction``; pickle could become any call.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from extract.protocol import ExtractContext, Limits
from records.models import Extraction, Password

LENGTH = struct.Struct(">Q")
"""Each frame starts with the length of what follows."""

READY = -1
"""The job id of the frame a worker sends once, when it can take work."""

MAX_FRAME = 1 << 32
"""A longer frame is no frame of ours (MessagePack's own limit of one byte string)."""


LimitsTuple = tuple[float, float, int, int, int, int, float, int, int, float]
"""Limits by position, as ``JobFrame`` carries them."""


class JobFrame(msgspec.Struct, array_like=True, frozen=True):
    """One item to read; fields as in ``extract.workers.Job`` and ``ExtractContext``."""

    job_id: int
    media_type: str | None
    path: str | None
    name: str | None
    stated_type: str | None
    zone: str
    owner_handles: tuple[str, ...]
    depth: int
    limits: LimitsTuple
    metadata: Mapping[str, str]
    told: bytes | None
    data: bytes
    passwords: tuple[Password, ...] = ()

    def context(self) -> ExtractContext:
        """Return the context an extractor is given."""
        return ExtractContext(
            name=self.name,
            media_type=self.stated_type,
            time_zone=ZoneInfo(self.zone),
            owner_handles=self.owner_handles,
            depth=self.depth,
            limits=limits_of(self.limits),
            metadata=self.metadata,
            told=self.told,
            passwords=self.passwords,
        )


class ResultFrame(msgspec.Struct, array_like=True, frozen=True):
    """One item read; fields as in ``extract.workers.Result``."""

    job_id: int
    extractor: str
    version: str
    extraction: Extraction
    languages: str = ""
    seconds: float = 0.0


@lru_cache(maxsize=16)
def limits_of(limits: LimitsTuple) -> Limits:
    """Return limits from their values by position; nearly all jobs have the same."""
    return Limits(*limits)


def limits_tuple(limits: Limits) -> LimitsTuple:
    """Return the values of limits by position."""
    return (
        limits.time_s,
        limits.time_s_per_mb,
        limits.memory_bytes,
        limits.text_bytes,
        limits.children_bytes,
        limits.children,
        limits.ratio,
        limits.depth,
        limits.password_tries,
        limits.password_s,
    )


_encoder = msgspec.msgpack.Encoder()
_jobs = msgspec.msgpack.Decoder(JobFrame)
_results = msgspec.msgpack.Decoder(ResultFrame)


def encode(frame: JobFrame | ResultFrame) -> bytearray:
    """Return a frame with its length before it.

    Raises:
        UnicodeEncodeError: A text holds lone surrogates; extractors replace them.
    """
    buffer = bytearray(LENGTH.size)
    _encoder.encode_into(frame, buffer, LENGTH.size)
    LENGTH.pack_into(buffer, 0, len(buffer) - LENGTH.size)
    return buffer


def decode_job(payload: bytes) -> JobFrame:
    """Read a job."""
    return _jobs.decode(payload)


def decode_result(payload: bytes | memoryview) -> ResultFrame:
    """Read a result.

    Raises:
        ValueError: The bytes are no result (``msgspec.DecodeError`` and ``ValidationError`` are ValueErrors).
    """
    return _results.decode(payload)
