"""One record of a social media download: a post, a comment, a story, a message of X, Facebook or Instagram.

The connector labels each with its platform and what it is, and adds what the object does not say itself:
whose account it is, who takes part in a conversation, who an id is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import BinaryIO, ClassVar

from extract import social_meta, social_page, social_x
from extract.json_fields import object_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from extract.social_parts import Said
from records.errors import ItemError
from records.models import NO_MOMENT, Extraction, Fields
from records.vocabulary import Kind, Reason, WarningCode

MEDIA_TYPE = "application/x-social-record+json"
"""What a connector labels one record with."""

PAGE_TYPE = "application/x-social-record+html"
"""What it labels a message of a web page with."""


class SocialReader(LabelledReader):
    """Reads one record."""

    name: ClassVar[str] = "social"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MEDIA_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def score(self, media_type: str | None, name: str | None, head: bytes) -> int | None:
        """Accept what is labelled as a record and is a JSON object, or as a message of a page."""
        return 100 if media_type == PAGE_TYPE else super().score(media_type, name, head)

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the record.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object, or no message of a page.
        """
        data, about = stream.read(), context.metadata
        said = social_page.said(data, about) if context.media_type == PAGE_TYPE else _said(data, about)
        warnings = {
            *said.warnings,
            *((WarningCode.DELETED,) if about.get("deleted_record") == "true" else ()),
            *((WarningCode.NO_DATE,) if said.moment == NO_MOMENT else ()),
            *((WarningCode.BAD_DATE,) if said.moment.at is None and said.moment.text else ()),
        }
        return Extraction(
            text="\n".join(dict.fromkeys(filter(None, said.texts))),
            kind=said.kind,
            fields=Fields(
                subject=said.subject or about.get("group_name", ""),
                sender=said.sender,
                to=said.to,
                participants=said.participants,
                moment=said.moment,
                thread_key=said.thread,
            ),
            metadata=_facts(said),
            warnings=tuple(sorted(warnings)),
        )


def _said(data: bytes, about: Mapping[str, str]) -> Said:
    value = object_of(data)
    try:
        if about.get("platform") == "x":
            return social_x.said(value, about)
        return social_meta.said(value, about)
    except RecursionError:
        raise ItemError(Reason.CORRUPT, "json_depth") from None


def _facts(said: Said) -> dict[str, str]:
    facts = {name: value for name, value in said.facts.items() if value}
    if said.kind is Kind.CHAT:
        return facts
    return facts | ({"to": "; ".join(one.address or one.name for one in said.to)} if said.to else {})
