"""Twilio's log of messages as a table, as its Console hands it out.

A row is a message. Twilio keeps no threads: one is made of the two numbers. The table has no media, only how
many there are. Fields are those of the Message resource (https://www.twilio.com/docs/messaging/api/message-resource).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.export_files import PackageFile
from connectors.known_tables import Carried, KnownTables, Row, Told
from records.models import Moment
from records.moments import iso_moment, mail_moment
from records.vocabulary import Basis, Kind, WarningCode

NOT_SENT = frozenset({"failed", "undelivered", "canceled"})
WAITING = frozenset({"queued", "accepted", "scheduled", "sending"})

_UTC = ZoneInfo("UTC")
_WORD = re.compile(r"\s+(?:UTC|GMT)$")
_MOST_MEDIA = 10
"""Media that one message can have (https://www.twilio.com/docs/messaging/api/media-resource)."""


class TwilioLog(KnownTables):
    """The log of one account."""

    name: ClassVar[str] = "twilio_log"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "CSV exports of Twilio's message log: each row, received and sent",
        "messages that failed or were not delivered, marked",
        "media, of which the table has the number only: each counted as failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "media itself, and bodies that the account redacts: the table does not have them",
        "messages older than Twilio keeps them (13 months, unless the account says otherwise)",
        "logs of calls and of other products: as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "tables written to the columns that users of the export show (13 and 14)",
    )
    app: ClassVar[str] = "twilio"
    needed: ClassVar[tuple[str, ...]] = ("From", "To", "Body", "Direction", "Sid", "SentDate")
    columns: ClassVar[Mapping[str, str]] = {"body": "Body", "message_id": "Sid"}

    def _reader(self, file: PackageFile) -> Callable[[Row], Told]:
        del file

        def tell(row: Row) -> Told:
            ends = sorted(filter(None, (row["From"], row["To"])))
            status = row["Status"].casefold()
            facts = {
                "group": f"twilio:{';'.join(ends)}",
                "group_name": ", ".join(ends),
                "sender": row["From"],
                "recipients": row["To"],
                "direction": "received" if row["Direction"].casefold() == "inbound" else "sent",
                "service": "WhatsApp" if row["From"].startswith("whatsapp:") else "",
            }
            stated = row["NumMedia"]
            number = min(int(stated), _MOST_MEDIA) if re.fullmatch(r"[0-9]{1,4}", stated) else 0
            warnings = (
                *((WarningCode.NOT_SENT,) if status in NOT_SENT else ()),
                *((WarningCode.DRAFT,) if status in WAITING else ()),
            )
            media = tuple(Carried("", None) for _ in range(number))
            return Told(Kind.MESSAGE, moment_of(row["SentDate"]), row["Sid"], facts, warnings, media)

        return tell


def moment_of(stated: str) -> Moment:
    """Return when a message was sent, by RFC 2822 or ISO 8601.

    Twilio's times are UTC; one that does not say so is marked as assumed.
    """
    bare = _WORD.sub("", stated)
    read = iso_moment(f"{bare}+00:00" if bare != stated and bare[:4].isdigit() else stated, _UTC)
    if read.at is None and stated:
        read = mail_moment(stated, _UTC)
    if read.at is None:
        return Moment(None, stated, Basis.NONE)
    return Moment(read.at.astimezone(UTC), stated, read.basis)
