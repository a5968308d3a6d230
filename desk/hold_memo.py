"""The hold memo: what a custodian is asked to keep, as text and as a document for the typesetter."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from desk.holds import Hold
    from desk.request import Custodian

_WIDTH = 90

_KEEP = (
    "Do not delete, change or move anything that could belong to the request, wherever it is: district mail "
    "and chat, files, paper, and your own accounts and devices where you used them for district business.",
    "Switch automatic deletion (auto-delete) off: rules that empty folders or the bin, storage limits that "
    "delete the oldest, and clean-up by apps.",
    "Switch disappearing messages off in every app that you use for district business (such as Signal, "
    "WhatsApp, iMessage, Snapchat), and set message history to be kept for good.",
    "Do not replace, reset, sell or hand in a phone, tablet or computer that could hold such records until "
    "its messages were saved. If it is to be replaced, or is lost, tell the records office first.",
    "Do not gather, forward or sort anything yourself, and do not write about it more than you need to. The "
    "records office will ask you for what is needed.",
)
_LAW = (
    "A record that exists when a request arrives may not be destroyed until the request is resolved, even "
    "when its retention period is over (RCW 42.56.100). Records of district business on a personal phone or "
    "in a personal account are public records too. Keep them until the records office tells you in writing "
    "that the hold is over; the closing of the request does not end it."
)


def memo_text(request_id: str, hold: Hold, person: Custodian) -> str:
    """Return the memo as plain text; the same hold always gives the same text.

    Args:
        request_id: The request.
        hold: The hold that it is about.
        person: Whom it goes to.
    """
    lines = [
        f"HOLD ON RECORDS: request {request_id}, hold {hold.hold_id}",
        "",
        f"To: {_name(person)}",
        f"Days: {_days(hold)}",
        "",
        *_wrapped(_opening(request_id)),
        "",
    ]
    for number, one in enumerate(_KEEP, 1):
        lines += _wrapped(one, f"{number}. ")
    lines += ["", *_wrapped(_LAW), "", *_wrapped(_ANSWER), "", "", "_" * 50, "(name, signature, date)"]
    return "\n".join(lines) + "\n"


def memo_document(request_id: str, hold: Hold, person: Custodian) -> dict[str, Any]:
    """Return the memo as a document for the template, with the same words."""
    title = f"Hold on records: request {request_id}"
    return {
        "title": title,
        "author": "",
        "description": "What is to be kept until the hold is over",
        "running": title,
        "mark": f"Hold {hold.hold_id}",
        "contents": False,
        "opening": [
            {"kind": "facts", "rows": [["To", _name(person)], ["Days", _days(hold)]]},
            {"kind": "text", "text": _opening(request_id)},
        ],
        "sections": [
            _section("What you are asked to do", {"kind": "numbered", "start": 1, "rows": list(_KEEP)}),
            _section("Why", {"kind": "text", "text": _LAW}),
            _section(
                "Your answer",
                {"kind": "text", "text": _ANSWER},
                {"kind": "blank", "label": "(printed name)", "width": 60},
                {"kind": "blank", "label": "(signature and date)", "width": 60},
                together=True,
            ),
        ],
    }


_ANSWER = (
    "Please sign and return this to the records office, and name any phone, app, account or place where such "
    "records could be and that the office may not know of."
)


def _opening(request_id: str) -> str:
    return (
        f"The district received a public records request, numbered {request_id}. Records that you have, or "
        "can reach, may belong to it. The records office will tell you what it asks for."
    )


def _days(hold: Hold) -> str:
    return f"{hold.scope['from'] or 'from the beginning'} to {hold.scope['to'] or 'now'}"


def _name(person: Custodian) -> str:
    return person.name.strip() or person.id


def _section(heading: str, *blocks: dict[str, Any], together: bool = False) -> dict[str, Any]:
    return {
        "heading": heading, "level": 1, "new-page": False, "together": together, "blocks": list(blocks),
    }  # fmt: skip


def _wrapped(words: str, start: str = "") -> list[str]:
    return textwrap.wrap(words, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
