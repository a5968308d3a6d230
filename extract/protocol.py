"""The extractor protocol: bytes in, one ``Extraction`` out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from records.models import Extraction, Password


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may cost. Defaults suit a school district's mail.

    Attributes:
        time_s: Wall seconds for a small file.
        time_s_per_mb: Added for each megabyte.
        memory_bytes: Private memory of the worker process.
        text_bytes: UTF-8 bytes of text kept; more is ``bomb``.
        children_bytes: Bytes of all children of one item together; more is ``bomb``.
        children: Number of children of one item.
        ratio: Unpacked size by packed size of an archive.
        depth: Levels of containers below a top item.
        password_tries: Passwords that are tried in vain on one file, its members together.
        password_s: Wall seconds after which no further password is tried on it.
    """

    time_s: float = 60.0
    time_s_per_mb: float = 4.0
    memory_bytes: int = 1 << 30
    text_bytes: int = 256 << 20
    children_bytes: int = 512 << 20
    children: int = 20_000
    ratio: float = 200.0
    depth: int = 12
    password_tries: int = 50
    password_s: float = 30.0

    def time_for(self, size_bytes: int) -> float:
        """Return the wall seconds that a file of a size may take."""
        return self.time_s + self.time_s_per_mb * (size_bytes / 1_000_000)


@dataclass(frozen=True, slots=True)
class ExtractContext:
    """What an extractor may know about the item beside its bytes.

    Attributes:
        name: File name as stated, or None.
        media_type: As the source states it, or None.
        time_zone: For local times that state no zone.
        owner_handles: The owner's own addresses and numbers.
        depth: 0 for a top item, 1 for its children, and so on.
        limits: What it may cost.
        metadata: What the connector said of the item.
        told: What a Tika server answered, as JSON; empty when it gave no answer, None when none was asked.
        passwords: To be tried on it where it is locked, in this order.
    """

    name: str | None
    media_type: str | None
    time_zone: ZoneInfo
    owner_handles: tuple[str, ...] = ()
    depth: int = 0
    limits: Limits = Limits()
    metadata: Mapping[str, str] = field(default_factory=dict)
    told: bytes | None = None
    passwords: tuple[Password, ...] = ()


@runtime_checkable
class Extractor(Protocol):
    """One family of formats.

    Attributes:
        name: Registry name.
        version: Raised when the result changes; part of the key under which a text is kept.
    """

    name: ClassVar[str]
    version: ClassVar[str]

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Say how well this reader fits; None declines, the highest wins.

        Args:
            media_type: As the source states it, or None. Labels lie: look at ``head`` too.
            name: File name, or None.
            head: The first 4,096 bytes.
        """

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read one item.

        Raises:
            ItemError: Nothing could be read. A container that fails half-way returns what came out, with
                ``failure`` set.
        """
