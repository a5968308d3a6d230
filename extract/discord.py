"""One message of Discord's data package, by its JSON object: id, time, words, addresses of attachments.

The connector says which channel it is in, whose account it is, and when it was sent. Words are Discord's
markdown, as they were written.
"""

from __future__ import annotations

import re
from typing import BinaryIO, ClassVar

from extract.json_fields import loose_object_of, printed_person, text_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records.models import Extraction, Fields
from records.moments import of_facts, undated
from records.vocabulary import Kind, WarningCode

MESSAGE_TYPE = "application/x-discord-message+json"


class DiscordReader(LabelledReader):
    """Reads one message."""

    name: ClassVar[str] = "discord"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        value, guessed = loose_object_of(stream.read())
        about = context.metadata
        media = " ".join(text_of(value, "Attachments").split())
        number = value.get("ID")
        key = text_of(value, "ID") if isinstance(number, str) else str(number) if type(number) is int else ""
        moment = of_facts(about)
        sender = about.get("sender", "")
        warnings = (
            *((WarningCode.CHARSET_GUESSED,) if guessed else ()),
            *undated(moment),
        )
        facts = {"message_id": key, "media": media, "server": about.get("server", "")}
        return Extraction(
            text=text_of(value, "Contents") or (f"[{media}]" if media else ""),
            kind=Kind.CHAT,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=printed_person(sender) if sender else None,
                to=tuple(printed_person(one) for one in about.get("recipients", "").split("; ") if one),
                moment=moment,
                message_id=key,
                thread_key=about.get("group", ""),
            ),
            metadata={name: one for name, one in facts.items() if one},
            warnings=warnings,
        )
