"""The index page of a bundle: static, self-contained, opened by a requester with no server and no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from release.context import WORKING_COPY
from release.sheets import plain

if TYPE_CHECKING:
    from release.render import Rows

WAITING: Mapping[str, str] = {
    "decision": "a decision",
    "redaction": "redaction",
    "notice": "the end of a notice period to a person it names",
    "counsel": "counsel",
    "second_reader": "a second reader",
    "ocr": "text recognition of scanned pages",
    "retry": "another try at reading it",
    "carries_withheld": "redaction, since a part inside is withheld",
    "carries_personal": "redaction, since a part inside is not a public record",
    "carries_unread_part": "redaction, since a part inside could not be read",
    "carries_not_responsive": "a decision, since a part inside was not taken as responsive",
    "carries_not_yet_produced": "a part inside that is not yet produced",
    "copy_decided_otherwise": "a second look, since copies were decided differently",
    "bytes_changed": "a second look, since it changed after the decision",
    "native_missing": "a second look, since its original is not in the store",
    "later_installment": "a later instalment",
}
"""Reasons of what is not yet produced, in words that fit after "waiting for"."""

STATES: Mapping[str, str] = {
    "released_in_full": "Released in full",
    "released_in_part": "Released in part",
    "withheld_in_full": "Withheld in full",
    "not_responsive": "Not responsive to the request",
    "personal_matter": "Personal matters, not public records",
    "not_yet_produced": "Not yet produced",
}

UNREADABLE: Mapping[str, str] = {
    "encrypted": "locked with a password",
    "corrupt": "damaged",
    "truncated": "cut off",
    "unsupported": "a kind of file that cannot be read",
    "too_large": "too large",
    "bomb": "a file that unpacks without end",
    "timed_out": "reading took too long",
    "crashed": "reading failed",
    "out_of_memory": "reading needed too much memory",
    "unreadable": "cannot be read",
    "no_text": "holds no text",
    "needs_ocr": "scanned pages, not yet recognised",
}

ENVIRONMENT = Environment(
    loader=PackageLoader("release"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: plain(value) if type(value) is str else value,
)
"""Escapes everything; what is a plain string loses control characters and line ends too."""


def index_page(rows: Rows, conversations: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the page of an instalment. Everything in it is escaped; it runs no script and loads nothing.

    Args:
        rows: Its tables.
        conversations: What it says of each page of a conversation (``conversation_page.listed``).
    """
    page = ENVIRONMENT.get_template("index.html.j2").render(
        statement=WORKING_COPY,
        told=rows.told,
        basis=rows.basis,
        freeze=rows.freeze,
        approved_on=rows.approved_on,
        counts=rows.counts,
        families=rows.families,
        log=rows.log,
        retention=rows.retention,
        review=rows.basis["review"],
        ledger=rows.told["ledger"],
        states=STATES,
        waiting=WAITING,
        unreadable=UNREADABLE,
        conversations=conversations,
    )
    return page.encode("utf-8", "replace")
