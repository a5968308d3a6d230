"""What an item of Exchange and Outlook is, by its class."""

from __future__ import annotations

from records.vocabulary import Kind

_KINDS: tuple[tuple[str, Kind, str | None], ...] = (
    ("IPM.Appointment", Kind.EVENT, "text/calendar"),
    ("IPM.Contact", Kind.CONTACT, "text/vcard"),
    ("IPM.DistList", Kind.CONTACT, None),
    ("IPM.Task", Kind.TASK, None),
    ("IPM.StickyNote", Kind.NOTE, None),
    ("IPM.Activity", Kind.NOTE, None),
    ("IPM.Document", Kind.FILE, None),
    ("IPM.Post", Kind.POST, "message/rfc822"),
    ("IPM.SkypeTeams.Message", Kind.CHAT, "message/rfc822"),
)
"""By item class (https://learn.microsoft.com/office/vba/outlook/concepts/forms/item-types-and-message-classes);
everything else is mail."""


def of_item_class(stated: str) -> tuple[Kind, str | None]:
    """Return what an item is, and the type of the bytes that Exchange makes of it; None for no bytes.

    Args:
        stated: The item's class (PidTagMessageClass), with the parts that a form adds to it.
    """
    plain = stated.lower()
    for name, kind, media in _KINDS:
        if plain == name.lower() or plain.startswith(f"{name.lower()}."):
            return kind, media
    return Kind.EMAIL, "message/rfc822"
