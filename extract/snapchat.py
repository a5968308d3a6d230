"""One entry of a history of Snapchat's *My Data*, by its JSON object: a chat, a snap, a row of the service.

The connector says which conversation it is in and when it was made. A snap has no words, and its picture is
not in the data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

from extract.json_fields import object_of, text_of
from extract.labelled import JSON_OBJECT, LabelledReader
from extract.protocol import ExtractContext
from records.entities import unescaped
from records.models import Address, Extraction, Fields
from records.moments import of_facts, undated
from records.vocabulary import Kind

MESSAGE_TYPE = "application/x-snapchat-message+json"

_EVENTS = {"STATUSERASEDMESSAGE": "erased", "STATUSPARTICIPANTREMOVED": "leave"}
_PLAIN = frozenset({"TEXT"})


class SnapchatReader(LabelledReader):
    """Reads one entry."""

    name: ClassVar[str] = "snapchat"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE
    begins: ClassVar[re.Pattern[bytes]] = JSON_OBJECT

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the entry.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        value = object_of(stream.read())
        about = context.metadata
        moment = of_facts(about)
        sender, to = _people(value, about)
        what = " ".join(text_of(value, "Media Type").split())
        title = " ".join(text_of(value, "Conversation Title").split())
        return Extraction(
            text=_words(value) or (f"[{what}]" if what and what not in _PLAIN else ""),
            kind=Kind.CHAT,
            fields=Fields(
                subject=title,
                sender=sender,
                to=(to,) if to is not None and to != sender else (),
                participants=tuple(dict.fromkeys(one for one in (sender, to) if one is not None)),
                moment=moment,
                thread_key=about.get("group", ""),
            ),
            metadata=_facts(value, about, what),
            warnings=undated(moment),
        )


def _words(value: Mapping[str, Any]) -> str:
    """Return what was written; exports before 2023 have it as ``Text``, with signs as HTML writes them."""
    return text_of(value, "Content") or unescaped(text_of(value, "Text"))


def _people(value: Mapping[str, Any], about: Mapping[str, str]) -> tuple[Address | None, Address | None]:
    """Return who wrote, and to whom where the data says so: user names, which stand for addresses."""
    wrote, got = (" ".join(text_of(value, name).split()) for name in ("From", "To"))
    got = got or (about.get("with", "") if about.get("direction") == "sent" else "")
    return (Address("", wrote) if wrote else None), (Address("", got) if got else None)


def _facts(value: Mapping[str, Any], about: Mapping[str, str], what: str) -> dict[str, str]:
    saved = value.get("IsSaved")
    facts = {
        "media_type": what,
        "event": _EVENTS.get(what, "service" if what.startswith("STATUS") else ""),
        "saved": str(saved).lower() if isinstance(saved, bool) else "",
        "media_ids": " ".join(text_of(value, "Media IDs").split()),
        "direction": about.get("direction", ""),
    }
    return {name: one for name, one in facts.items() if one}
