"""What is recognised and not opened: images of disks, and volumes of which one alone gives nothing."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from extract import members, sniff
from extract.protocol import ExtractContext
from records.models import Extraction, Failure
from records.vocabulary import Reason


class NotOpenedReader:
    """Names images of disks, and volumes of split archives."""

    name: ClassVar[str] = "not_opened"
    version: ClassVar[str] = "1"

    def score(
        self,
        media_type: str | None,  # noqa: ARG002 - the protocol's arguments
        name: str | None,
        head: bytes,
    ) -> int | None:
        """Accept an image of a disk by its marks, and by its name a volume, which has no marks of its own."""
        if sniff.is_disk_image(head):
            return 90
        return 80 if members.is_piece(name) and not sniff.is_texty(head) else None

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Say which it is: ``unsupported``, always; its bytes are kept as they are."""
        piece = members.is_piece(context.name) and not sniff.is_disk_image(stream.read(512))
        return Extraction(failure=Failure(Reason.UNSUPPORTED, members.SPLIT if piece else "disk_image"))
