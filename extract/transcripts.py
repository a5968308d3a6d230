"""Messages of printouts: the connector has read the lines, so the record says what each of them is."""

from __future__ import annotations

from typing import BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import inner_of, object_of, printed_person, text_of
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.models import Extraction, Fields
from records.moments import of_facts
from records.vocabulary import Kind

MESSAGE_TYPE = "application/x-transcript-message+json"

_FACTS = ("role", "language", "message_id")


class PrintoutReader(LabelledReader):
    """Reads one message."""

    name: ClassVar[str] = "printout"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message: its words, those of its translation, and the files that it names.

        Raises:
            ItemError: ``corrupt`` when it is no record of one.
        """
        about = context.metadata
        record = object_of(stream.read())
        said = inner_of(record, "fields")
        listed = record.get("attachments")
        files = [
            charsets.tidy(charsets.without_surrogates(one))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, str)
        ]
        bodies = (text_of(said, "body"), text_of(said, "body_translated"))
        sender = text_of(said, "sender")
        between = about.get("between") or ";"
        stated = text_of(said, "recipients") or text_of(about, "recipients")
        recipients = (one.strip() for one in stated.split(between))
        facts = {name: words for name in _FACTS if (words := text_of(said, name))}
        if files:
            facts["files"] = "\n".join(files)
        return Extraction(
            text="\n".join(filter(None, (*dict.fromkeys(bodies), *files))),
            kind=Kind.CHAT,
            fields=Fields(
                sender=printed_person(sender) if sender else None,
                to=tuple(printed_person(one) for one in recipients if one),
                moment=of_facts(about),
                thread_key=about.get("group", ""),
            ),
            metadata=facts,
        )
