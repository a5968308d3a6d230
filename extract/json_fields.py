"""What the readers of chat messages share: a JSON object of which nothing can be taken for granted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from extract import charsets
from records.errors import ItemError
from records.loose_json import loose_object
from records.models import Address
from records.vocabulary import Reason

_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")


def object_of(data: bytes) -> dict[str, Any]:
    """Return the object that bytes are.

    Raises:
        ItemError: ``corrupt`` when they are none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ItemError(Reason.CORRUPT, "json") from None
    if not isinstance(value, dict):
        raise ItemError(Reason.CORRUPT, "json_object")
    return value


def loose_object_of(data: bytes) -> tuple[dict[str, Any], bool]:
    """Return the object that bytes are, and whether their charset was guessed: see ``records.loose_json``.

    Raises:
        ItemError: ``corrupt`` when they are none.
    """
    read = loose_object(data)
    if read is None:
        raise ItemError(Reason.CORRUPT, "json")
    return read


def text_of(about: Mapping[str, Any], name: str) -> str:
    """Return a text, tidied; empty for anything else."""
    value = about.get(name)
    return charsets.tidy(charsets.without_surrogates(value)) if isinstance(value, str) else ""


def inner_of(about: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within; empty for anything else."""
    value = about.get(name)
    return value if isinstance(value, dict) else {}


def objects_of(about: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list within; none for anything else."""
    value = about.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts_of(stated: str) -> dict[str, str]:
    """Return the texts of a JSON object, by name, that a connector gave as a fact; none for anything else."""
    try:
        value = json.loads(stated) if stated else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {key: one for key, one in value.items() if isinstance(one, str)}


def person_of(stated: str, key: str = "") -> Address:
    """Return who ``Name <address>`` is; ``key`` is the address of one that states none."""
    found = _PERSON.fullmatch(stated)
    if found is not None:
        return Address(found["name"], found["address"])
    return Address(stated, key) if key else Address("", stated)


def printed_person(stated: str) -> Address:
    """Return who is meant where an app prints a name, an address, or both as ``Name <address>``."""
    found = _PERSON.fullmatch(stated)
    if found is not None:
        return Address(found["name"].strip(), found["address"].strip())
    return Address("", stated) if "@" in stated or stated.startswith("+") else Address(stated, "")


def members_of(stated: str) -> tuple[Address, ...]:
    """Return the members as a connector lists them: ``Name <address>; …``."""
    return tuple(person_of(one) for one in filter(None, map(str.strip, stated.split(";"))))


def quoted(words: str) -> str:
    """Return words as a quotation, each line with its mark."""
    return "\n".join(f"> {line}" for line in words.split("\n"))
