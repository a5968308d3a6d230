"""iMazing's tables of Messages and WhatsApp, with the media that it puts beside them.

A row is a message, or one attachment of it. Columns come with versions of the program (14 to 18 of Messages,
14 of WhatsApp: https://imazing.com/guides/how-to-transfer-messages-from-iphone-to-computer tells how they are
made); no description of them is published, so each is found by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from connectors.export_files import PackageFile
from connectors.known_tables import Carried, KnownTables, Row, Told
from records.moments import iso_moment
from records.vocabulary import Kind, WarningCode

OWNER = "Me"

_STAMPED = re.compile(r"(?P<at>\d{4}-\d\d-\d\d \d\d \d\d \d\d) - (?P<rest>.+)")
_CLASH = re.compile(r" \d{1,3}$")
_LONGEST = 40
"""Characters of a name that the program keeps."""

_NOT_SENT = frozenset({"failed", "not sent", "not delivered", "unsent", "error"})
_LINK = ".url"
"""What the program makes of an address in a message: the words have it, and no row names the file."""


class Imazing(KnownTables):
    """What iMazing wrote of one phone."""

    name: ClassVar[str] = "imazing"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "CSV exports of Messages (iMessage, SMS, RCS) and of WhatsApp: each row",
        "notifications (joins, leaves, renames), edits and deletions, as the program marks them",
        "media beside the table, joined by time and name; each one that is named and not there is failed",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what the program does not write: time zones, earlier words of edits, numbers of the owner",
        "exports as PDF, Excel and text",
        "tables whose columns the program writes in another language than English: as files",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "tables written to the columns of versions 2 and 3 (14, 15, 17 and 18 of Messages, 14 of WhatsApp)",
    )
    app: ClassVar[str] = "imazing"
    needed: ClassVar[tuple[str, ...]] = ("Chat Session", "Message Date", "Type", "Sender Name", "Text")
    columns: ClassVar[Mapping[str, str]] = {
        "title": "Subject", "body": "Text", "media": "Attachment", "message_id": "Message ID",
    }  # fmt: skip

    def _reader(self, file: PackageFile) -> Callable[[Row], Told]:
        media = _Media(self._files().values())
        zone = self._context.time_zone

        def tell(row: Row) -> Told:
            chat, stated = row["Chat Session"], row["Message Date"]
            # Only the tables of WhatsApp say that a message was forwarded, and nothing of a service.
            of_whatsapp = not row["Service"] and bool(row.has("Forwarded") or row.has("Attachment info"))
            kind = row["Type"].casefold()
            name, address = row["Sender Name"], row["Sender ID"]
            other = f"{name} <{address}>" if name and address and name != address else name or address
            facts = {
                "group": f"{'whatsapp' if of_whatsapp else 'messages'}:{chat or file.key}",
                "group_name": chat,
                "service": "WhatsApp" if of_whatsapp else row["Service"],
                "system": "true" if kind == "notification" else "",
                "direction": {"incoming": "received", "outgoing": "sent"}.get(kind, ""),
                "sender": OWNER if kind == "outgoing" else "" if kind == "notification" else other,
                "recipients": OWNER if kind == "incoming" else chat if kind == "outgoing" else "",
            }
            warnings = (
                *((WarningCode.EDITED,) if row["Edited Date"] else ()),
                *((WarningCode.DELETED,) if row["Deleted Date"] else ()),
                *((WarningCode.NOT_SENT,) if row["Status"].casefold() in _NOT_SENT else ()),
            )
            named = row["Attachment"]
            carried = (Carried(named, media.claim(stated, named)),) if named else ()
            what = Kind.CHAT if of_whatsapp else Kind.MESSAGE
            return Told(what, iso_moment(stated, zone), "", facts, warnings, carried)

        return tell


class _Media:
    """The files whose names begin with a time; each is of one row.

    A name is what the row says, without letters that are not ASCII, cut to 40 characters, ``HEIC`` made
    ``JPG``, and with a number where two are alike: so files of a time are given to its rows in their order.
    """

    def __init__(self, files: Iterable[PackageFile]) -> None:
        self._at: dict[str, list[tuple[str, PackageFile]]] = {}
        for file in sorted(files, key=lambda one: (len(one.name), one.key)):
            found = _STAMPED.fullmatch(file.name)
            if found is not None and not file.name.lower().endswith(_LINK):
                self._at.setdefault(found["at"], []).append((found["rest"], file))

    def claim(self, stated: str, name: str) -> PackageFile | None:
        """Return the file of a row, which no later row gets; None where there is none.

        Args:
            stated: The row's time, as stated.
            name: The attachment's name, as stated.
        """
        there = self._at.get(stated[:19].replace(":", " ").replace("T", " "), [])
        wanted = _kept(name)
        exact = [one for one in there if one[0] == name or one[0].endswith(f" - {name}")]
        alike = [one for one in there if _matches(one[0], wanted)]
        ending = wanted.rpartition(".")[2]
        alone = there if len(there) == 1 and _kept(there[0][0]).rpartition(".")[2] == ending else []
        for one in (*exact, *alike, *alone):
            there.remove(one)
            return one[1]
        return None


def _kept(name: str) -> str:
    """Return a name as the program writes it: cut, in ASCII, in lower case, ``heic`` as ``jpg``."""
    ascii_only = "".join(char for char in name if char.isascii())
    stem, dot, ending = ascii_only.rpartition(".")
    ending = {"heic": "jpg", "jpeg": "jpg"}.get(ending.lower(), ending.lower())
    return f"{stem[:_LONGEST].strip().lower()}{dot}{ending}"


def _matches(rest: str, wanted: str) -> bool:
    """Say whether what stands after a file's time ends with a name, or with one and a number for a clash."""
    stem, dot, ending = rest.rpartition(".")
    for one in (rest, f"{_CLASH.sub('', stem)}{dot}{ending}"):
        tails = one.split(" - ")
        if any(_kept(" - ".join(tails[number:])) == wanted for number in range(len(tails))):
            return True
    return False
