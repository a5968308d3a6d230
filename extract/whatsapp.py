"""Entries of WhatsApp chats.

Who wrote an entry and when, the connector says, because the whole chat decides it: the reader gets the words.
"""

from __future__ import annotations

import re
from typing import BinaryIO, ClassVar

from extract import charsets
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Address, Extraction, Fields
from records.moments import of_facts
from records.vocabulary import Kind, Reason

MESSAGE_TYPE = "application/x-whatsapp-message"

_HIDDEN = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks of writing direction, which the app puts around its own words: they would cut names in two."""

_EVENTS = (
    ("join", re.compile(r"\badded\b|\bjoined\b", re.IGNORECASE)),
    ("leave", re.compile(r"\bleft$|\bremoved\b", re.IGNORECASE)),
    ("rename", re.compile(r"changed the (?:subject|group name)", re.IGNORECASE)),
    ("create", re.compile(r"created (?:this )?group", re.IGNORECASE)),
    ("disappearing", re.compile(r"disappearing messages|message timer", re.IGNORECASE)),
)


class WhatsAppReader(LabelledReader):
    """Reads one entry."""

    name: ClassVar[str] = "whatsapp"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the entry.

        Raises:
            ItemError: ``corrupt`` when the connector's facts do not fit it.
        """
        data, about = stream.read(), context.metadata
        stated = about.get("body_at", "0")
        if not stated.isascii() or not stated.isdigit() or int(stated) > len(data):
            raise ItemError(Reason.CORRUPT, "whatsapp_message")
        charset = "cp1252" if about.get("charset") == "cp1252" else "utf-8"
        text = _HIDDEN.sub("", charsets.tidy(data[int(stated) :].decode(charset, "replace"))).strip("\n ")
        author = about.get("author", "")
        system = about.get("system") == "true"
        return Extraction(
            text=text,
            kind=Kind.CHAT,
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=Address(author, "") if author and not system else None,
                moment=of_facts(about),
                thread_key=about.get("group", ""),
            ),
            metadata={"event": event} if system and (event := _event(text)) else {},
        )


def _event(text: str) -> str:
    return next((event for event, words in _EVENTS if words.search(text)), "")
