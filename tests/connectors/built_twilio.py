"""An account of Twilio with texts, a picture, a medium that is gone, and what never went out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from records import canonical
from records.models import SourceContext
from records.vocabulary import Reason
from tests.connectors.builders import SECRET, ZONE, Built
from tests.servers.twilio import ACCOUNT, TwilioService

PICTURE = b"\x89PNG " + SECRET.encode()


def message(
    number: int, sender: str = "+14255550100", to: str = "+14255550102", **more: Any
) -> dict[str, Any]:
    """Return a message as the API gives it."""
    stated = {
        "sid": f"SM{number:032}", "account_sid": ACCOUNT, "from": sender, "to": to,
        "body": f"{SECRET} {number}",
        "direction": "outbound-api", "status": "delivered", "error_code": None, "num_segments": "1",
        "num_media": "0", "date_created": f"Tue, 04 Mar 2025 18:{number:02}:00 +0000",
        "date_sent": f"Tue, 04 Mar 2025 18:{number:02}:01 +0000", "messaging_service_sid": None,
    }  # fmt: skip
    return stated | more


def filled() -> TwilioService:
    """Return an account of nine messages in pages of four."""
    messages = [message(number) for number in range(9)]
    messages[2] |= {"direction": "inbound", "status": "received", "num_media": "2", "body": ""}
    messages[4] |= {"status": "undelivered", "error_code": 30003}
    messages[5] |= {"status": "scheduled", "date_sent": None}
    messages[7] |= {"num_media": "1"}
    media = {messages[2]["sid"]: [("ME1", "image/png", PICTURE), ("ME2", "text/vcard", b"BEGIN:VCARD")]}
    return TwilioService(messages[::-1], media, most=4)


def context_of(
    service: TwilioService, url: str, secret: str | None = None, account: str = ACCOUNT
) -> SourceContext:
    """Return what a connector is given."""
    connection = service.connection(url, secret) if secret is not None else service.connection(url)
    return SourceContext("s1", "c1", None, ZONE, connection=connection, account=account)


def account(root: Path) -> Built:
    """Start the fake."""
    del root
    service = filled()
    served = service.served()
    found = {one["sid"]: canonical.dumps(one).encode() for one in service.messages}
    with_media = service.messages[6]["sid"]
    found |= {f"{with_media}/ME1": PICTURE, f"{with_media}/ME2": b"BEGIN:VCARD"}
    return Built(
        found=found,
        failed={f"{service.messages[1]['sid']}#media0": Reason.NOT_IN_EXPORT},
        scopes=("messages",),
        service=context_of(service, served.url),
        vanish=served.close,
        state=lambda: copy.deepcopy((service.messages, service.media, service.seen)),
    )
