"""Readers of what a connector has labelled with a media type of its own: no other file bears such a label."""

from __future__ import annotations

import re
from typing import ClassVar

JSON_OBJECT = re.compile(rb"\s*\{")


class LabelledReader:
    """Base of such readers; what the bytes mean is the reader's.

    Attributes:
        media_type: The label.
        begins: How the bytes begin; by itself in any way.
    """

    media_type: ClassVar[str]
    begins: ClassVar[re.Pattern[bytes]] = re.compile(b"")

    def score(
        self,
        media_type: str | None,
        name: str | None,  # noqa: ARG002 - the protocol's arguments
        head: bytes,
    ) -> int | None:
        """Accept what has the label and begins so."""
        return 100 if media_type == self.media_type and self.begins.match(head) is not None else None
