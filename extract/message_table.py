"""Rows of tables of messages, read by the columns that a person has confirmed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import BinaryIO, ClassVar

from extract import charsets
from extract.json_fields import printed_person, texts_of
from extract.labelled import LabelledReader
from extract.markup import html_to_text
from extract.protocol import ExtractContext
from records.errors import ItemError
from records.models import Address, Extraction, Fields
from records.moments import of_facts
from records.vocabulary import Kind, Reason, WarningCode

MESSAGE_TYPE = "application/x-message-table-row"

_BODIES = ("title", "body", "body_translated")
_OWN = "Me"
"""How tools that read a phone write of its owner."""

_FACTS = ("message_id", "thread", "attachments", "media", "deleted")
_MOST_CHARACTERS = 16 << 20


class MessageTableReader(LabelledReader):
    """Reads one row."""

    name: ClassVar[str] = "message_table"
    version: ClassVar[str] = "2"
    media_type: ClassVar[str] = MESSAGE_TYPE

    def extract(self, stream: BinaryIO, context: ExtractContext) -> Extraction:
        """Read the row. Columns that the map does not name are facts.

        Raises:
            ItemError: ``corrupt`` when it is no record of a table.
        """
        about = context.metadata
        text, guessed = charsets.decode_file(stream.read())
        row = _row(text, about)
        columns = texts_of(about.get("columns", ""))

        def said(field: str) -> str:
            return charsets.tidy(row.get(columns.get(field, ""), "")).strip()

        bodies = [words for name in _BODIES if (words := said(name))]
        if about.get("html") == "true":
            bodies = [html_to_text(words) for words in bodies]
        unnamed = {name: value for name, value in row.items() if value and name not in columns.values()}
        facts = unnamed | {name: words for name in _FACTS if (words := said(name))}
        if not bodies and (name := said("media")):
            bodies = [f"[{name}]"]
        recipients = about.get("recipients") or said("recipients")
        system = about.get("system") == "true"
        sender = "" if system else about.get("sender") or said("sender")
        return Extraction(
            text="\n".join(dict.fromkeys(bodies)),
            kind=Kind(about.get("kind", Kind.CHAT.value)),
            fields=Fields(
                subject=about.get("group_name", ""),
                sender=_address(sender, context) if sender else None,
                to=tuple(
                    _address(one, context) for one in filter(None, map(str.strip, recipients.split(";")))
                ),
                moment=of_facts(about),
                thread_key=about.get("group", ""),
            ),
            metadata=facts,
            warnings=(WarningCode.CHARSET_GUESSED,) if guessed else (),
        )


def _row(text: str, about: Mapping[str, str]) -> dict[str, str]:
    """Return the cells by column; those beyond the header by their number."""
    csv.field_size_limit(max(csv.field_size_limit(), _MOST_CHARACTERS))
    delimiter = about.get("delimiter", ",")
    if delimiter not in {",", ";", "\t"}:
        raise ItemError(Reason.CORRUPT, "table_row")
    try:
        # one that a bare carriage return breaks gives all its cells
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        cells = [cell for row in rows for cell in row]
    except csv.Error:
        raise ItemError(Reason.CORRUPT, "table_row") from None
    try:
        header = [str(name) for name in json.loads(about.get("header", "[]"))]
    except (ValueError, TypeError):
        header = []
    names = [*header, *(f"column {number + 1}" for number in range(len(header), len(cells)))]
    return {
        charsets.without_surrogates(name): charsets.without_surrogates(cell.replace("\x00", ""))
        for name, cell in zip(names, cells, strict=False)
    }


def _address(stated: str, context: ExtractContext) -> Address:
    if stated == _OWN and context.owner_handles:
        return Address("", min(context.owner_handles, key=lambda one: "@" in one))
    return printed_person(stated)
