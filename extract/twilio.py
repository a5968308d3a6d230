"""Messages of Twilio, as its API gives them.

Properties: https://www.twilio.com/docs/messaging/api/message-resource#message-properties.
"""

from __future__ import annotations

from typing import BinaryIO, ClassVar
from zoneinfo import ZoneInfo

from extract.json_fields import object_of, printed_person, text_of
from extract.labelled import LabelledReader
from extract.protocol import ExtractContext
from records.models import Extraction, Fields
from records.moments import mail_moment, undated
from records.vocabulary import Kind

MESSAGE_TYPE = "application/x-twilio-message+json"

_UTC = ZoneInfo("UTC")
_FACTS = (
    "status", "error_code", "error_message", "num_segments", "num_media", "messaging_service_sid",
    "date_created", "date_updated",
)  # fmt: skip


class TwilioReader(LabelledReader):
    """Reads one message."""

    name: ClassVar[str] = "twilio"
    version: ClassVar[str] = "1"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the message.

        Raises:
            ItemError: ``corrupt`` when it is no JSON object.
        """
        value = object_of(stream.read())
        sender, receiver = (" ".join(text_of(value, name).split()) for name in ("from", "to"))
        moment = mail_moment(text_of(value, "date_sent") or text_of(value, "date_created"), _UTC)
        facts = {name: str(value[name]) for name in _FACTS if value.get(name) not in (None, "", "0")}
        facts = {name: text_of({name: stated}, name) for name, stated in facts.items()}
        direction = text_of(value, "direction")
        return Extraction(
            text=text_of(value, "body"),
            kind=Kind.MESSAGE,
            fields=Fields(
                subject=context.metadata.get("group_name", ""),
                sender=printed_person(sender) if sender else None,
                to=(printed_person(receiver),) if receiver else (),
                moment=moment,
                message_id=text_of(value, "sid"),
                thread_key=context.metadata.get("group", ""),
            ),
            metadata=facts | {"direction": "received" if direction == "inbound" else "sent"},
            warnings=undated(moment),
        )
