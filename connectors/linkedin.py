"""LinkedIn's copy of a member's data: its messages, and everything else as files.

``messages.csv`` has a row for each message (https://www.linkedin.com/help/linkedin/answer/a1339364 tells how
the copy is made). Attachments are addresses that lead to a file only for whoever is logged in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from connectors.export_files import PackageFile
from connectors.known_tables import Carried, KnownTables, Row, Told
from records.models import Moment
from records.moments import iso_moment
from records.vocabulary import Kind, Reason, WarningCode

_UTC = re.compile(r"\s*(?:UTC|GMT)$")
_ADDRESS = re.compile(r"https?://[^\s,;\"<>]+")
_MARKUP = re.compile(
    r"</?(?:p|br|a|div|span|strong|em|b|i|u|ul|ol|li|h[1-6]|img|table|tr|td)\b[^<>]*>", re.IGNORECASE
)
_NAMES = re.compile(r"\s*,\s*")


class LinkedIn(KnownTables):
    """The copy of one member's data."""

    name: ClassVar[str] = "linkedin"
    version: ClassVar[str] = "1"
    covers: ClassVar[tuple[str, ...]] = (
        "messages.csv of LinkedIn's copy of a member's data, and other tables of its columns: each row",
        "drafts, marked; sponsored and system messages, as LinkedIn lists them",
        "attachments, which the copy names by addresses only: each counted as failed",
        "everything else of the copy: as files",
    )
    does_not_cover: ClassVar[tuple[str, ...]] = (
        "what the copy does not have: reactions, edits, deleted messages, members who never wrote",
        "posts, comments and articles: as files",
        "the fast copy, which lacks parts: ask for the larger one",
    )
    tested_on: ClassVar[tuple[str, ...]] = (
        "1 table written to the published columns (2 messages)",
        "generated tables of 11 and 13 columns",
    )
    app: ClassVar[str] = "linkedin"
    needed: ClassVar[tuple[str, ...]] = ("CONVERSATION ID", "FROM", "DATE", "CONTENT", "FOLDER")
    columns: ClassVar[Mapping[str, str]] = {
        "title": "SUBJECT", "body": "CONTENT", "media": "ATTACHMENTS",
    }  # fmt: skip

    def _reader(self, file: PackageFile) -> Callable[[Row], Told]:
        def tell(row: Row) -> Told:
            thread = row["CONVERSATION ID"] or file.key
            sender = _person(row["FROM"], row["SENDER PROFILE URL"])
            receivers = _people(row["TO"], row["RECIPIENT PROFILE URLS"])
            facts = {
                "group": f"linkedin:{thread}",
                "group_name": row["CONVERSATION TITLE"]
                or ", ".join(sorted(filter(None, {row["FROM"], row["TO"]}))),
                "sender": sender,
                "recipients": "; ".join(receivers),
                "html": "true" if _MARKUP.search(row["CONTENT"]) else "",
            }
            draft = row.says_yes("IS MESSAGE DRAFT") or row.says_yes("IS CONVERSATION DRAFT")
            media = tuple(
                Carried(_named(address), None, Reason.EXPIRED_LINK, "linkedin_link")
                for address in _ADDRESS.findall(row["ATTACHMENTS"])
            )
            warnings = (WarningCode.DRAFT,) if draft else ()
            return Told(Kind.CHAT, self._moment(row["DATE"]), "", facts, warnings, media)

        return tell

    def _moment(self, stated: str) -> Moment:
        """Return when a message was sent; the copy says ``UTC``, in words."""
        bare = _UTC.sub("", stated)
        made = iso_moment(f"{bare}+00:00" if bare != stated else bare, self._context.time_zone)
        return Moment(made.at, stated, made.basis)


def _named(address: str) -> str:
    """Return the last part of an address, for people."""
    return address.partition("?")[0].rpartition("/")[2]


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and address else name or address


def _people(names: str, addresses: str) -> list[str]:
    """Return who a message goes to. Names may have commas in them: they are parted where it comes out."""
    there = _ADDRESS.findall(addresses)
    parted = [one for one in _NAMES.split(names) if one]
    if len(there) == len(parted):
        return [_person(name, address) for name, address in zip(parted, there, strict=True)]
    if len(there) == 1:
        return [_person(names, there[0])]
    return [*((names.replace(";", ","),) if names else ()), *there]
