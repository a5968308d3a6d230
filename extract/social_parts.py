"""What the readers of social media records share: values out of JSON, people as facts show them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from extract import charsets
from records.models import Address, Moment
from records.vocabulary import Kind, WarningCode

_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")


@dataclass(frozen=True, slots=True)
class Said:
    """What a record says, in one shape for all platforms.

    Attributes:
        kind: A post, or a message of a conversation.
        texts: Lines as people saw them, in order; repeated ones are shown once.
        moment: When it was made.
        facts: Everything else, text to text.
        sender: Who wrote it, or None.
        to: Whom it answers or is sent to.
        participants: Who takes part in the conversation, or is mentioned.
        subject: What it is called, where it is.
        thread: Key of the conversation.
        warnings: Edits, deletions, doubts.
    """

    kind: Kind
    texts: tuple[str, ...]
    moment: Moment
    facts: Mapping[str, str]
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    participants: tuple[Address, ...] = ()
    subject: str = ""
    thread: str = ""
    warnings: tuple[WarningCode, ...] = ()


def tidy(value: object) -> str:
    """Return a text as any store takes it; empty for what is none."""
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else ""


def one_line(value: object) -> str:
    """Return a text on one line; empty for what is none."""
    return " ".join(tidy(value).split())


def number(value: object) -> str:
    """Return a count, which is a number or a text of digits; empty for anything else, and for none at all."""
    stated = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return stated if re.fullmatch(r"[0-9]{1,15}", stated) and stated != "0" else ""


def lines_of(value: Mapping[str, Any], name: str) -> list[str]:
    """Return the texts of a member that is a list; else an empty one."""
    found = value.get(name)
    return [line for one in found if (line := one_line(one))] if isinstance(found, list) else []


def person(shown: str) -> Address | None:
    """Return a person as a connector shows one: ``Name <@handle>``, ``@handle``, a name or an id."""
    shown = shown.strip()
    if not shown:
        return None
    found = _PERSON.fullmatch(shown)
    if found:
        return Address(found["name"], found["address"])
    return Address("", shown) if shown.startswith("@") or shown.isdigit() else Address(shown, "")


def people(stated: str) -> tuple[Address, ...]:
    """Return members as a connector lists them: ``Name <@handle>; …``."""
    return tuple(one for entry in stated.split(";") if (one := person(entry)) is not None)
