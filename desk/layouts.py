"""Proposing a layout for a printout of messages, and showing what a layout makes of one."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from connectors.folders import open_head
from connectors.transcript_count import counted
from connectors.transcript_cutting import cut
from connectors.transcript_layouts import proposed, read_time, read_unsigned
from connectors.transcript_pages import MOST_BYTES, is_printout, read_pages
from records.errors import AccessError, ItemError, SettingsError, UsageError


class Shown(TypedDict):
    """One message as a layout cuts it out.

    Attributes:
        page: That it begins on; 1 in a web page.
        line: Of that page.
        sent_at: As it is printed.
        read_as: That time as it was read, without a zone; empty where it is none.
        fields: What else its lines say.
        attachments: Names of files.
    """

    page: int
    line: int
    sent_at: str
    read_as: str
    fields: dict[str, str]
    attachments: list[str]


class Shape(TypedDict):
    """What a layout makes of a printout.

    Attributes:
        fits: Whether every mark of the layout is there.
        messages: How many it cuts out.
        expected: How many there must be, by another route; None for unknown.
        expected_by: That route.
        no_message: Place and words of the lines that belong to no message.
        pages_without_text: How many pages cannot be read before OCR.
    """

    fits: bool
    messages: int
    expected: int | None
    expected_by: str
    no_message: list[str]
    pages_without_text: int


class Proposal(TypedDict):
    """What ``propose`` did.

    Attributes:
        layout: The file that was written.
        missing: Parts that are needed and were not found in the printout.
        pages: How many pages it has.
        pages_without_text: How many of these cannot be read before OCR.
    """

    layout: str
    missing: list[str]
    pages: int
    pages_without_text: int


def propose(printout: Path, app: str, out: Path, zone: str) -> Proposal:
    """Write a proposal beside nothing that is there already.

    Args:
        printout: A printout of the app, as it came.
        app: Its name in the layout.
        out: The layout to write.
        zone: IANA name; of times that state no zone.

    Raises:
        AccessError: The printout cannot be read.
        SettingsError: It is neither PDF nor HTML, is locked or damaged, or has no text.
        UsageError: The layout is there already.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; nothing is overwritten")
    pages = read_pages(_data(printout), "lines")
    if next(pages.lines, None) is None:
        why = f"{pages.fault.reason.value}, {pages.fault.detail}" if pages.fault else "its pages are pictures"
        raise SettingsError(f"{printout} has no text to propose a layout from ({why})")
    text, missing = proposed(app, pages, zone)
    out.write_text(text, "utf-8")
    unread = sum(page.state not in {"text", "blank"} for page in pages.pages)
    return {
        "layout": str(out),
        "missing": missing,
        "pages": len(pages.pages) if pages.paged else 0,
        "pages_without_text": unread,
    }


def shown(printout: Path, layout: Path) -> tuple[list[Shown], Shape]:
    """Show what a layout makes of a printout, before anybody signs it.

    Raises:
        AccessError: The printout cannot be read.
        SettingsError: It is neither PDF nor HTML, or the layout is none.
    """
    try:
        text = layout.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{layout} cannot be read as UTF-8 text") from None
    found = read_unsigned(text, str(layout))
    data = _data(printout)
    pages = read_pages(data, "lines")
    made = cut(pages, found)
    messages = [
        Shown(
            page=one.lines[0].page,
            line=one.lines[0].number,
            sent_at=one.stated,
            read_as=at.isoformat(" ") if (at := read_time(one.stated, found.time_formats)) else "",
            fields={name: said for name, said in one.fields.items() if name not in {"sent_at", "sent_on"}},
            attachments=one.attachments,
        )
        for one in made.messages
    ]
    unread = sum(page.state not in {"text", "blank"} for page in pages.pages)
    expected = counted(read_pages(data, "count"), found, lambda _: True)
    return messages, Shape(
        fits=made.fits,
        messages=len(messages),
        expected=None if expected.count is None else expected.count - 1 - unread,
        expected_by=expected.by,
        no_message=[f"{line.page}:{line.number} {line.text}" for line in made.unplaced],
        pages_without_text=unread,
    )


def _data(printout: Path) -> bytes:
    try:
        head = open_head(str(printout), 4 << 10)
        data = printout.read_bytes() if head.size <= MOST_BYTES else b""
    except (ItemError, OSError):
        raise AccessError(f"{printout} cannot be read") from None
    if not data and head.size:
        raise SettingsError(f"{printout} is larger than {MOST_BYTES >> 20} MB; no app prints so much")
    if not is_printout(head.head):
        raise SettingsError(f"{printout} is neither a PDF nor a web page")
    return data
